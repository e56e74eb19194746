"""Figures of pages without a number are counted on each page anew."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

EXTENSIONS = Path(__file__).parents[1] / "book" / "_ext"

FIGURES = """\
.. figure:: {0}-one.svg
   :name: {0}-one

   The first, before :numref:`{0}-two`.

.. figure:: {0}-two.svg
   :name: {0}-two

   The second.
"""


def test_each_page_counts_its_figures_from_one(tmp_path: Path) -> None:
    (tmp_path / "conf.py").write_text(
        f"import sys; sys.path.insert(0, {str(EXTENSIONS)!r})\n"
        "extensions = ['numbering']\nnumfig = True\n"
    )
    trees = {"numbered": ["chapter"], "": ["front", "back"]}
    index = "Book\n====\n\n"
    for option, pages in trees.items():
        lines = [f":{option}:"] * bool(option) + ["", *pages]
        index += ".. toctree::\n" + "".join(f"   {line}\n" for line in lines) + "\n"
    (tmp_path / "index.rst").write_text(index)
    for page in (*trees["numbered"], *trees[""]):
        (tmp_path / f"{page}.rst").write_text(f"{page}\n=======\n\n" + FIGURES.format(page))
        for name in ("one", "two"):
            (tmp_path / f"{page}-{name}.svg").write_text(
                "<svg xmlns='http://www.w3.org/2000/svg'/>"
            )
    out = tmp_path / "out"
    path = list(sys.path)
    try:
        Sphinx(tmp_path, tmp_path, out, tmp_path / "trees", "html", status=None).build()
    finally:
        sys.path[:] = path
    for page, first in {"chapter": "1.1", "front": "1", "back": "1"}.items():
        text = (out / f"{page}.html").read_text(encoding="utf8")
        second = first[:-1] + "2"
        counted = re.findall(r'caption-number">Fig\. ([\d.]+)', text)
        assert counted == [first, second]
        assert re.findall(r'numref">Fig\. ([\d.]+)', re.sub(r'"std std-', '"', text)) == [second]
