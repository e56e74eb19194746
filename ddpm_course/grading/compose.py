"""Writes the solved notebooks from the bank of tasks: ``python -m ddpm_course.grading.compose``.

A task becomes a prompt, an answer cell, a check cell worth its points, and where it has them a
picture and something to play with. The answer is the source of the task's reference, so that what
the notebook shows, what the checks compare with and what the tests test are one text. The notebooks
are run, their outputs stored, and the pictures attached to the prompts: a notebook is one file.

An output says how large it is shown, so it keeps the dots of fine screens, and the book takes them
(``book/_ext/exercises.py``). An attachment cannot say so, and is as many dots as it is shown.
"""

from __future__ import annotations

import argparse
import base64
import inspect
import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from ddpm_course.grading.files import write_beside
from ddpm_course.grading.task import Chapter, Task
from ddpm_course.grading.tasks import CHAPTERS, chapter

__all__ = ["compose", "notebook"]

COLORS = 24  # of a picture
LARGEST_PICTURE = 20_000  # bytes: a heavier one has fewer dots

_START = """\
# Exercises: {title}

{intro}

**{count} tasks, {points} points, about {minutes} minutes.** Read the chapter first: \
[its source](../../book/{name}.md), or [the built page](../../_build/html/{name}.html).

How to start:

1. Open this notebook in JupyterLab. In the course's folder `make lab` does it; without make, \
`pip install -e ".[book]"` and `jupyter lab exercises`.
2. In each task put your code in place of `raise NotImplementedError()`, run the cell, then run \
the check below it. The check says what is right, or which mistake your answer looks like. The \
cells after it draw your picture, to compare with the one above; some have a slider to play with.
3. Run the cells from top to bottom: all tasks need the imports of the first code cell. A blank \
task stops nothing; *Run All* goes on past it.

Two rules make life easy. **Write the steps out**: the functions of the course's package that \
chapters teach (such as `marginal.sample`, of this chapter or of another) are not there when your \
notebook is graded, though the check here may be green; `Schedule` and `data` are. **Leave what \
your function is given as it is**: make new tensors (`a = a * b`), for the \
cell after it uses the old ones again."""

_STEPS = """

Steps $t$ count from 1 to $T$, as in the chapter. Arrays such as `beta` have $T + 1$ entries, and \
entry 0 stands for the clean data: `beta[0] = 0`, `alpha_bar[0] = 1`. Nothing needs shifting. \
Tables are float64, images and networks float32: `alpha_bar[t].float()` lets them meet."""

_END = """\
## Done?

*Kernel → Restart Kernel and Run All Cells* shows what stands without what you tried on the way. \
Then hand the notebook in as your class does, or go on to the next chapter."""


def compose(chapters: Sequence[str] = CHAPTERS, target: Path = Path("solutions")) -> list[Path]:
    """Write and run ``target/<chapter>/<chapter>.ipynb`` for each chapter.

    Returns:
        The notebooks written.

    Raises:
        ValueError: there is no chapter of that name.
        nbclient.exceptions.CellExecutionError: a cell raised.
    """
    import nbformat
    from nbclient import NotebookClient

    written = []
    for name in chapters:
        one = chapter(name)
        nb = notebook(one)
        NotebookClient(nb, timeout=120, kernel_name="python3").execute()
        nb.metadata = _metadata()
        for task in one.tasks:
            _attach_pictures(nb, task)
        for cell in nb.cells:
            cell.metadata.pop("execution", None)  # times of day
            for output in cell.get("outputs", []):
                _make_lasting(output.get("data", {}))
        path = target / name / f"{name}.ipynb"
        write_beside(path, nbformat.writes(nb).encode() + b"\n")
        written.append(path)
    return written


def _make_lasting(data: dict[str, str]) -> None:
    """Keep of an output what outlives its kernel: no live widgets, and small pictures."""
    data.pop("application/vnd.jupyter.widget-view+json", None)  # its HTML stays
    if "image/png" in data:
        data["image/png"] = _small(data["image/png"])


def _small(picture: str, width: int | None = None) -> str:
    """A PNG with a palette, in base64: a tenth of the size.

    Args:
        width: how many dots wide it is made; when left out, it keeps its own where it is light
            enough, and else three of four.
    """
    from PIL import Image

    image = Image.open(BytesIO(base64.b64decode(picture))).convert("RGB")
    for wide in (width,) if width else (image.width, 3 * image.width // 4):
        shown = image.resize((wide, round(image.height * wide / image.width)), Image.Resampling.BOX)
        few = shown.quantize(COLORS, Image.Quantize.MAXCOVERAGE, 3, dither=Image.Dither.NONE)
        file = BytesIO()
        few.save(file, "PNG", optimize=True)
        if len(file.getvalue()) <= LARGEST_PICTURE:
            break
    return base64.b64encode(file.getvalue()).decode()


def _attach_pictures(nb: Any, task: Task) -> None:
    """Show in the task's prompt what the cell before the answer and its picture cell drew."""
    cells = {cell.id: cell for cell in nb.cells}
    attached = {}
    for kind, alt in (("given", task.shows), ("picture", task.alt)):
        if alt:
            outputs = cells[f"{_slug(task)}-{kind}"].outputs
            drawn = next(one for one in outputs if "image/png" in one.get("data", {}))
            width = drawn.metadata.get("image/png", {}).get("width")
            picture = _small(drawn.data["image/png"], width)
            attached[_picture_file(task, kind)] = {"image/png": picture}
    if attached:
        cells[f"{_slug(task)}-prompt"].attachments = attached


def notebook(one: Chapter) -> Any:
    """The chapter's solved notebook, not yet run."""
    from nbformat import v4

    cells = [
        _markdown(
            f"{one.name}-start",
            _START.format(
                title=one.title,
                intro=one.intro.strip(),
                count=len(one.tasks),
                points=one.points,
                minutes=one.minutes,
                name=one.name,
            )
            + (_STEPS if one.steps else ""),
        ),
        _code(f"{one.name}-setup", one.setup, locked=True),
    ]
    for number, task in enumerate(one.tasks, start=1):
        cells += _cells(number, task)
    cells.append(_markdown(f"{one.name}-end", _END))
    nb = v4.new_notebook(cells=cells)
    nb.metadata = _metadata()
    return nb


def _cells(number: int, task: Task) -> list[Any]:
    """The cells of one task."""
    slug = _slug(task)
    points = "1 point" if task.points == 1 else f"{task.points} points"
    minutes = "1 minute" if task.minutes == 1 else f"{task.minutes} minutes"
    prompt = [f"## {number}. {task.title}", f"*{points} · {minutes}*", task.prompt.strip()]
    if task.shows:
        prompt.append(f"![{task.shows}](attachment:{_picture_file(task, 'given')})")
    if task.picture:
        image = f"![{task.alt}](attachment:{_picture_file(task, 'picture')})"
        prompt.append(f"You should get this picture:\n\n{image}")
    prompt.append(f"<details><summary>Hint</summary>\n\n{task.hint.strip()}\n\n</details>")
    check = f'check("{task.name}", {task.answer_name})'
    cells = [
        _markdown(f"{slug}-prompt", "\n\n".join(prompt)),
        *([_code(f"{slug}-given", task.given)] if task.given else []),
        _code(
            f"{slug}-answer", _solution(task), solution=True, raises=not callable(task.reference)
        ),
        _code(slug, check, points=task.points, locked=True, raises=True),
    ]
    for kind, code in (("picture", task.picture), ("play", task.play)):
        if code:
            cells.append(_code(f"{slug}-{kind}", code, locked=True, raises=True))
    return cells


def _solution(task: Task) -> str:
    """The answer cell: the reference's own source, its body marked as a solution."""
    if callable(task.reference):
        return inspect.getsource(task.reference).strip()
    answer = f"{task.answer_name} = {json.dumps(task.reference)}"
    return f"{task.answer_name} = None\n### BEGIN SOLUTION\n{answer}\n### END SOLUTION"


def _markdown(cell_id: str, source: str) -> Any:
    from nbformat import v4

    metadata = {"nbgrader": _nbgrader(cell_id, "markdown", locked=True)}
    return v4.new_markdown_cell(source, id=cell_id, metadata=metadata)


def _code(
    cell_id: str,
    source: str,
    points: int | None = None,
    solution: bool = False,
    locked: bool = False,
    raises: bool = False,
) -> Any:
    from nbformat import v4

    metadata: dict[str, Any] = {"nbgrader": _nbgrader(cell_id, "code", points, solution, locked)}
    if raises:  # while the task is blank; "Run All" then goes on
        metadata["tags"] = ["raises-exception"]
    return v4.new_code_cell(source.strip(), id=cell_id, metadata=metadata)


def _nbgrader(
    cell_id: str,
    kind: str,
    points: int | None = None,
    solution: bool = False,
    locked: bool = False,
) -> dict[str, Any]:
    metadata = {
        "schema_version": 3,
        "grade_id": cell_id,
        "cell_type": kind,
        "grade": points is not None,
        "solution": solution,
        "locked": locked,
        "task": False,
    }
    return metadata if points is None else metadata | {"points": points}


def _metadata() -> dict[str, Any]:
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {"kernelspec": kernel, "language_info": {"name": "python"}}


def _slug(task: Task) -> str:
    return task.name.replace(".", "-")  # what nbgrader allows in an id


def _picture_file(task: Task, kind: str) -> str:
    return f"{task.answer_name}{'' if kind == 'picture' else f'-{kind}'}.png"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("chapters", nargs="*", default=CHAPTERS, help="all of them when left out")
    parser.add_argument("--target", type=Path, default=Path("solutions"))
    arguments = parser.parse_args()
    for path in compose(arguments.chapters, arguments.target):
        print(path)


if __name__ == "__main__":
    main()
