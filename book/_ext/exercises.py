"""The exercises as pages of the book, beside their chapters.

    ```{exercises} marginal
    ```

stands for the notebook ``exercises/marginal/marginal.ipynb`` as it is given out: its questions, its
hints, the places for the answers, and a link to download it. Nothing of it is run.

Below each answer's place its solution is folded away, from the notebook of the same name in
``solutions/``. Where ``_config.yml`` says ``exercise_solutions: false`` there is none.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from links import without_installing
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

from ddpm_course.grading.tasks import chapter, find

ROOT = Path(__file__).resolve().parents[2]
DIRECTIVE = re.compile(r"^```\{exercises\} (\w+)\n```$", re.MULTILINE)
HINT = re.compile(r"<details><summary>Hint</summary>\n\n(.*?)\n\n</details>", re.DOTALL)
VALUE = re.compile(r"^### BEGIN SOLUTION\n(.*?)^### END SOLUTION", re.DOTALL | re.MULTILINE)
MARK = re.compile(r"^ *### (?:BEGIN|END) SOLUTION\n?", re.MULTILINE)

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
            parts.append(HINT.sub(fold("Hint", r"\1"), with_pictures(cell)))
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
    lesson = find(task.replace("-", ".", 1)).lesson
    return lesson[0].upper() + lesson[1:]


def fold(title: str, text: str) -> str:
    return f"````{{dropdown}} {title}\n{text}\n````"


def with_pictures(cell: dict[str, Any]) -> str:
    """A prompt that holds the pictures that are attached to its cell."""
    text = source(cell)
    for file, kinds in cell.get("attachments", {}).items():
        ((kind, data),) = kinds.items()
        text = text.replace(f"](attachment:{file})", f"](data:{kind};base64,{data})")
    return text


def expand(app: Sphinx, document: str, texts: list[str]) -> None:
    for name in DIRECTIVE.findall(texts[0]):
        for kind in ("exercises", "solutions"):
            app.env.note_dependency(str(ROOT / kind / name / f"{name}.ipynb"))
    config = app.config
    texts[0] = DIRECTIVE.sub(
        lambda found: page(found[1], config.exercise_solutions, config.repository), texts[0]
    )


def setup(app: Sphinx) -> dict[str, bool]:
    app.setup_extension("links")  # it says where the repository is
    app.add_config_value("exercise_solutions", True, "env", [bool])
    app.connect("source-read", expand)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
