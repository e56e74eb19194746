"""Makes submissions for the judge's tests: solved notebooks, with some cells replaced."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RELEASED = ROOT / "exercises"

Notebook = dict[str, Any]


def solved(chapter: str) -> Notebook:
    path = ROOT / "solutions" / chapter / f"{chapter}.ipynb"
    nb: Notebook = json.loads(path.read_text(encoding="utf8"))
    for cell in nb["cells"]:
        cell.pop("outputs", None)
    return nb


def cell_of(nb: Notebook, grade_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        cell
        for cell in nb["cells"]
        if cell["metadata"].get("nbgrader", {}).get("grade_id") == grade_id
    )
    return found


def answering(task: str, source: str) -> Notebook:
    """The solved notebook, but with this in place of one answer."""
    nb = solved(task.split(".")[0])
    cell_of(nb, task.replace(".", "-") + "-answer")["source"] = source
    return nb


def hand_in(folder: Path, student: str, chapter: str, nb: Notebook | bytes) -> Path:
    path = folder / student / chapter / f"{chapter}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(nb if isinstance(nb, bytes) else json.dumps(nb).encode())
    return path


def changed(change: Callable[[Notebook], None], chapter: str = "marginal") -> Notebook:
    nb = solved(chapter)
    change(nb)
    return nb
