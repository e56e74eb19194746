"""The exercises as pages of the book, beside their chapters.

    ```{exercises} marginal
    ```

stands for the notebook ``exercises/marginal/marginal.ipynb`` as it is given out: its questions, its
hints, the places for the answers, and a link to download it. Nothing of it is run.

Below each answer's place its solution is folded away, from the notebook of the same name in
``solutions/``. Where ``_config.yml`` says ``exercise_solutions: false`` there is none.

The pictures of the questions become files that stand in the page as if a cell had drawn them there:
``lighten.py`` and ``book.css`` then treat them as every other figure, by night and on a phone. They
come with twice the dots from ``solutions/``, where a cell drew them, and else as they are attached.
"""

from __future__ import annotations

import base64
import io
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from links import without_installing
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from scipy import ndimage
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

from ddpm_course.grading.grades import with_capital
from ddpm_course.grading.tasks import chapter, find
from ddpm_course.plots import DOTS, without_ground

ROOT = Path(__file__).resolve().parents[2]
DIRECTIVE = re.compile(r"^```\{exercises\} (\w+)\n```$", re.MULTILINE)
HINT = re.compile(r"<details><summary>Hint</summary>\n\n(.*?)\n\n</details>", re.DOTALL)
VALUE = re.compile(r"^### BEGIN SOLUTION\n(.*?)^### END SOLUTION", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^ *### (?:BEGIN|END) SOLUTION\n?", re.MULTILINE)
PICTURE = re.compile(r"!\[(.*)\]\(attachment:(.+?)\)")

# What a picture's code tells of it: whether it shows images; its smallest letters, in points.
SHOWS_IMAGES = re.compile(r"\bimshow\(|\bshow_images\(")
SAYS_LETTERS = re.compile(r"\bfontsize=([\d.]+)")
LETTERS = {"plots.show_": 10.0, "draw_field(": 9.0, "": 11.0}
STROKE = 12 / DOTS  # inches: nothing beside an image is as wide and as high as this

# A formula of a lesson, which is plain text: x_0, t = T, 1 - ᾱ_{t-1}, √(1 - ᾱ_t), E[ε²], N(0, I).
_LETTER = r"(?:ᾱ|β̃|[αβεηλ]|(?<![\w'])(?:[b-zT]|a(?= [-+=/])))"
_ATOM = rf"√?(?:\d+|{_LETTER}(?:_(?:\w|\{{.*?\}}))?²?)(?!\w)"
_JOIN = r"(?: ?[-+=/] ?| (?=[αβᾱ]))"
_SUM = rf"{_ATOM}(?:{_JOIN}{_ATOM})*"
_TERM = rf"(?:√?\({_SUM}\)|E\[{_SUM}\]|N\(.*?\)|{_ATOM})"
FORMULA = re.compile(rf"{_TERM}(?:{_JOIN}{_TERM})*")
TEX = {
    r"[a-z]{2,}": r"\\text{\g<0>}",
    r"N(?=\()": r"\\mathcal{N}",
    r"E(?=\[)": r"\\mathbb{E}",
    r"√\((.*?)\)|√(\w)": r"\\sqrt{\1\2}",
    "ᾱ": r"\\bar\\alpha",
    "β̃": r"\\tilde\\beta",
    "α": r"\\alpha",
    "β": r"\\beta",
    "ε": r"\\epsilon",
    "η": r"\\eta",
    "λ": r"\\lambda",
    "²": "^2",
}

START = """\
# Exercises: {title}

{intro}

**{count} tasks, {points} points, about {minutes} minutes.** They belong to the chapter
[]({name}.md). This page shows them; to work on them, take the notebook
{{download}}`{name}.ipynb <../exercises/{name}/{name}.ipynb>`, or say `make lab` in the course's
folder. There a check below each answer tells you whether it is right, or which mistake it looks
like, and your functions draw the pictures. {elsewhere}

These lines come first:

```python
{setup}
```
"""


class Missing(SphinxError):
    """A notebook that the page needs is not there."""

    category = "Exercises"


def page(name: str, solutions: bool, repository: str = "") -> str:
    """The MyST text of a chapter's exercises; with a repository, links to where they run."""
    one, cells = chapter(name), read("exercises", name)
    solved = read("solutions", name) if solutions else {}
    graded = [cell for cell in cells.values() if about(cell)["grade"]]
    parts = [
        START.format(
            title=one.title,
            intro=one.intro.strip(),
            count=len(graded),
            points=sum(about(cell)["points"] for cell in graded),
            minutes=one.minutes,
            name=name,
            setup=source(cells[f"{name}-setup"]),
            elsewhere=without_installing(repository, f"exercises/{name}/{name}.ipynb"),
        )
    ]
    for place, cell in cells.items():
        if place.endswith("-prompt"):
            parts.append(HINT.sub(fold("Hint", r"\1"), source(cell)))
        elif place.endswith("-given"):
            parts.append(code(source(cell)))
        elif place.endswith("-answer"):
            task = place.removesuffix("-answer")
            check = source(cells[task]) if task in cells else ""  # or an instructor dropped it
            parts.append(code(f"{source(cell)}\n\n{check}"))
            if solutions:
                right = code(solution(source(solved[place])))
                parts.append(fold("Solution", f"{right}\n\n{find_lesson(task)}"))
    return "\n\n".join(parts)


def read(kind: str, name: str) -> dict[str, Any]:
    """The cells of a notebook by their grade ids."""
    path = ROOT / kind / name / f"{name}.ipynb"
    try:
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    except OSError as error:
        mend = " Set exercise_solutions: false in _config.yml." if kind == "solutions" else ""
        raise Missing(f"{path} cannot be read ({error.strerror}).{mend}") from None
    return {about(cell)["grade_id"]: cell for cell in cells if about(cell)}


def about(cell: dict[str, Any]) -> dict[str, Any]:
    known: dict[str, Any] = cell["metadata"].get("nbgrader", {})
    return known


def source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"]).strip()


def code(text: str) -> str:
    return f"```python\n{text.strip()}\n```"


def solution(text: str) -> str:
    """An answer without nbgrader's marks, and without what stands there for a blank one."""
    value = VALUE.search(text)
    return value[1] if value else MARK.sub("", text)


def find_lesson(task: str) -> str:
    """What a right answer teaches, as a sentence."""
    return with_formulas(with_capital(find(task.replace("-", ".", 1)).lesson))


def with_formulas(lesson: str) -> str:
    """A lesson whose mathematics is set as such; a number by itself stays a word."""

    def tex(found: re.Match[str]) -> str:
        text = found[0]
        if not re.search(r"[^\W\d_]", text):
            return text
        for plain, in_tex in TEX.items():
            text = re.sub(plain, in_tex, text)
        return f"${text}$"

    return FORMULA.sub(tex, lesson)


def fold(title: str, text: str) -> str:
    """Text that is folded away; on paper a fold of this class stays as it is (``print.js``)."""
    kept = ":class-container: solution\n\n" if title == "Solution" else ""
    return f"````{{dropdown}} {title}\n{kept}{text}\n````"


def with_pictures(text: str, name: str, folder: Path, beside: Path) -> str:
    """A page whose pictures, attached in the notebook, are files in ``folder``.

    Args:
        beside: the folder that the paths of pictures start from.
    """
    cells, fine = read("exercises", name), fine_pictures(name)
    folder.mkdir(parents=True, exist_ok=True)
    paths = {}
    for place, cell in cells.items():
        for file, kinds in cell.get("attachments", {}).items():
            kind = "given" if file.endswith("-given.png") else "picture"
            drawer = f"{place.removesuffix('-prompt')}-{kind}"
            path = folder / f"{name}-{file}"
            data = base64.b64decode(*kinds.values())
            if drawer in cells:
                data = as_figure(*fine.get(drawer, (data, DOTS)), source(cells[drawer]))
            path.write_bytes(data)
            paths[file] = Path(os.path.relpath(path, beside)).as_posix()

    def drawn(found: re.Match[str]) -> str:
        image = f"![{found[1]}](<{paths[found[2]]}>)"
        return f'<div class="cell_output docutils container">\n\n{image}\n\n</div>'

    return PICTURE.sub(drawn, text)


def fine_pictures(name: str) -> dict[str, tuple[bytes, float]]:
    """What the cells of the solved notebook drew, and its dots per inch; nothing where there is no
    such notebook."""
    try:
        cells = read("solutions", name)
    except Missing:
        return {}
    found = {}
    for place, cell in cells.items():
        for output in cell.get("outputs", []):
            if "image/png" in output.get("data", {}):
                data = base64.b64decode(output["data"]["image/png"])
                with Image.open(io.BytesIO(data)) as picture:
                    shown = output["metadata"].get("image/png", {}).get("width", picture.width)
                    found[place] = data, DOTS * picture.width / shown
    return found


def as_figure(data: bytes, dpi: float, drawn_by: str) -> bytes:
    """A picture of a notebook as ``ddpm_course.plots`` saves one for the book: no white ground, and
    what is to know of it written down.

    Args:
        dpi: its dots per inch.
        drawn_by: the code that drew it.
    """
    with Image.open(io.BytesIO(data)) as opened:
        flat = np.array(opened.convert("RGB"))
    flat[(flat == flat[0, 0]).all(axis=-1)] = 255  # few colors made the ground a little gray
    images = bool(SHOWS_IMAGES.search(drawn_by))
    mask = where_images_are(flat, dpi) if images else np.zeros(flat.shape[:2], dtype=bool)
    about = PngInfo()
    about.add_text("Description", f"letters {smallest_letters(drawn_by):g} pt")
    about.add_text("Comment", "pictures" if images else "drawing")
    picture = without_ground(Image.fromarray(flat), Image.fromarray(mask.astype(np.uint8) * 255))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True, dpi=(dpi, dpi), pnginfo=about)
    return file.getvalue()


def where_images_are(flat: np.ndarray, dpi: float) -> np.ndarray:
    """Which dots of a figure belong to its images, which stand in rows and columns on white.

    An image may have white dots at its edge, where others of its row or column have none.
    """
    closed = ndimage.binary_fill_holes((flat != 255).any(axis=-1))
    stroke = round(STROKE * dpi)
    wide = ndimage.binary_opening(closed, np.ones((stroke, stroke)))
    mask: np.ndarray = wide.any(axis=1)[:, None] & wide.any(axis=0)
    return mask


def smallest_letters(code: str) -> float:
    """The size of the smallest letters that code draws, in points."""
    usual = next(size for drawn, size in LETTERS.items() if drawn in code)
    return min([usual, *map(float, SAYS_LETTERS.findall(code))])


def expand(app: Sphinx, document: str, texts: list[str]) -> None:
    for name in DIRECTIVE.findall(texts[0]):
        for kind in ("exercises", "solutions"):
            app.env.note_dependency(str(ROOT / kind / name / f"{name}.ipynb"))
    config = app.config
    folder, beside = Path(app.doctreedir, "exercises"), Path(app.env.doc2path(document)).parent

    def shown(found: re.Match[str]) -> str:
        text = page(found[1], config.exercise_solutions, config.repository)
        return with_pictures(text, found[1], folder, beside)

    texts[0] = DIRECTIVE.sub(shown, texts[0])


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("links")  # it says where the repository is
    app.add_config_value("exercise_solutions", True, "env", [bool])
    app.connect("source-read", expand)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
