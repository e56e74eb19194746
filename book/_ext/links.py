"""Where a page leads, and what a link to it shows: the first sentences of the page.

Where the book is published, ``BOOK_URL`` names the place; a picture needs its full address. Where
its source is, ``REPOSITORY_URL`` or the theme's ``repository_url`` says; without it no button leads
there.
"""

from __future__ import annotations

import os
import re
import subprocess
import textwrap
import time
import unicodedata
from pathlib import Path
from typing import Any

import nbformat
from docutils import nodes
from myst_nb.core.read import read_myst_markdown_notebook
from sphinx.application import Sphinx
from sphinx.config import Config

from ddpm_course import __version__

ABOUT = (
    "A course on denoising diffusion probabilistic models that derives, proves and runs every "
    "line, with a tested Python package and graded exercises."
)


def set_addresses(app: Sphinx, config: Config) -> None:
    if address := os.environ.get("BOOK_URL", ""):
        config.html_baseurl = address.rstrip("/") + "/"
    options = config.html_theme_options
    repository = os.environ.get("REPOSITORY_URL") or options.get("repository_url", "")
    config.repository = repository.rstrip("/")
    if config.repository:
        buttons = {"use_repository_button": True, "use_issues_button": True}
        options.update(buttons, repository_url=config.repository)


def without_installing(repository: str, path: str) -> str:
    """A sentence with links to where a notebook of the repository runs; empty where none is."""
    place = re.fullmatch(r"https://(github|gitlab)\.com/([^/]+)/([^/]+?)(?:\.git)?", repository)
    if not place:
        return ""
    host, owner, name = place.groups()
    image = f"gh/{owner}/{name}" if host == "github" else f"gl/{owner}%2F{name}"
    binder = f"https://mybinder.org/v2/{image}/HEAD?urlpath=lab/tree/{path}"
    if host == "gitlab":
        return f"Without installing anything: [on Binder]({binder})."
    colab = f"https://colab.research.google.com/github/{owner}/{name}/blob/main/{path}"
    line = f"%pip install git+{repository}"
    return (
        f"Without installing anything: [on Binder]({binder}), or [in Colab]({colab}), where the "
        f"first cell must be `{line}`."
    )


def plain(tex: str) -> str:
    """A formula as readers write it in a line of text: ε_θ(x_t, t), with no TeX in it."""

    def letter(found: re.Match[str]) -> str:
        name = found[1].removeprefix("var")
        if name == "bar":
            return ""
        kind = "CAPITAL" if name[0].isupper() else "SMALL"
        try:
            return unicodedata.lookup(
                f"GREEK {kind} LETTER {'LAMDA' if name == 'lambda' else name}"
            )
        except KeyError:
            return {"mid": "|", "sim": "~", "dots": "…", "to": "→"}.get(name, "")

    return re.sub(r"[{}\\]", "", re.sub(r"\\([A-Za-z]+)", letter, tex))


def text_of(paragraph: nodes.paragraph) -> str:
    """The words of a paragraph, its formulas in plain letters."""
    copy = paragraph.deepcopy()
    for formula in list(copy.findall(nodes.math)):
        formula.parent.replace(formula, nodes.Text(plain(formula.astext())))
    return " ".join(copy.astext().split())


def first_words(document: nodes.document | None) -> str:
    """The first paragraph of a page that stands in its text, not in a box."""
    for section in document.findall(nodes.section) if document else []:
        for child in section.children:
            if isinstance(child, nodes.paragraph) and len(child.astext()) > 60:
                return text_of(child)
    return ABOUT


def describe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    about = ABOUT if page == app.config.root_doc else first_words(document)
    context["about"] = textwrap.shorten(about, 200, placeholder=" …")
    context["site_url"] = app.config.html_baseurl
    context["course_version"], context["course_date"] = __version__, made_on(app)
    source = Path(app.env.doc2path(page)) if page in app.env.all_docs else None
    context["course_sources"] = (
        [("source (.md)", f"_sources/{page}.md"), ("notebook (.ipynb)", f"_sources/{page}.ipynb")]
        if source and is_notebook(source)
        else []
    )
    title = re.sub(r"<[^>]*>", "", context.get("title") or "")
    context["course_cite"] = cite(app, page, title)


def made_on(app: Sphinx) -> str:
    """The day of the sources: of their last commit, or of the build where there is no history."""
    line = ["git", "-C", str(app.srcdir), "log", "-1", "--format=%cs"]
    try:
        found = subprocess.run(line, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        found = ""
    return found or time.strftime("%Y-%m-%d")


def cite(app: Sphinx, page: str, title: str) -> str:
    """How to cite a page, with its address where the book is published."""
    book = app.config.html_title or app.config.project
    within = f"“{title}”. In: {book}" if title and title != book else book
    address = f" {app.config.html_baseurl}{page}.html" if app.config.html_baseurl else ""
    author, year = app.config.author, made_on(app)[:4]
    return f"{author} ({year}). {within}, version {__version__}.{address}"


def is_notebook(source: Path) -> bool:
    return source.suffix == ".md" and "kernelspec:" in source.read_text(encoding="utf8")[:400]


def write_notebooks(app: Sphinx, exception: Exception | None) -> None:
    """Each page that runs, as a notebook without outputs, beside its source."""
    if exception is not None or app.builder.format != "html":
        return
    for page in app.env.all_docs:
        source = Path(app.env.doc2path(page))
        if is_notebook(source):
            notebook = read_myst_markdown_notebook(source.read_text(encoding="utf8"))
            for number, cell in enumerate(notebook.cells):
                cell["id"] = f"cell-{number}"  # the same at every build
            nbformat.write(notebook, Path(app.outdir, "_sources", f"{page}.ipynb"))


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("repository", "", "env", [str])
    app.connect("config-inited", set_addresses)
    app.connect("html-page-context", describe)
    app.connect("build-finished", write_notebooks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
