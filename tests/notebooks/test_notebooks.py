"""The stored notebooks: whole, made from the bank, and in step with each other."""

import ast
import base64
import io
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from nbgrader.utils import determine_grade, is_grade, is_solution
from PIL import Image

from ddpm_course.grading.compose import notebook
from ddpm_course.grading.release import release
from ddpm_course.grading.tasks import CHAPTERS, chapter

ROOT = Path(__file__).parents[2]
EACH_CHAPTER = pytest.mark.parametrize("name", CHAPTERS)


def read(kind: str, name: str) -> Any:
    return nbformat.read(ROOT / kind / name / f"{name}.ipynb", as_version=4)


@EACH_CHAPTER
def test_every_cell_of_a_solution_was_run_and_none_escapes_comparison(name: str) -> None:
    nb = read("solutions", name)
    code = [cell for cell in nb.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        assert not any(output.output_type == "error" for output in cell.outputs)
        assert not any(output.get("name") == "stderr" for output in cell.outputs)
        assert not any(tag.startswith("nbval") for tag in cell.metadata.get("tags", []))
        assert "NBVAL" not in cell.source
        if is_grade(cell):  # nbgrader reads a cell's result as partial credit: show, return nothing
            assert [output.output_type for output in cell.outputs] == ["display_data"]
            assert determine_grade(cell) == (cell.metadata.nbgrader.points,) * 2


@EACH_CHAPTER
def test_a_solution_is_what_the_bank_says(name: str) -> None:
    wanted, stored = notebook(chapter(name)), read("solutions", name)

    def told(nb: Any) -> list[Any]:
        return [(cell.id, cell.cell_type, cell.source, dict(cell.metadata)) for cell in nb.cells]

    assert told(stored) == told(wanted), "run `python -m ddpm_course.grading.compose`"
    points = [cell.metadata.nbgrader.points for cell in stored.cells if is_grade(cell)]
    assert points == [task.points for task in chapter(name).tasks]


@EACH_CHAPTER
def test_a_notebook_carries_its_pictures(name: str) -> None:
    """What the prompt shows is what the picture cell drew, and one file holds it all. Both are
    seen equally large: the output says its size and has more dots, the attachment cannot say it.
    """
    stored = {cell.id: cell for cell in read("solutions", name).cells}
    released = {cell.id: cell for cell in read("exercises", name).cells}
    for task in chapter(name).tasks:
        slug = task.name.replace(".", "-")
        prompt = stored[f"{slug}-prompt"]
        assert prompt.get("attachments") == released[f"{slug}-prompt"].get("attachments")
        attached = prompt.get("attachments", {})
        files = set()
        for kind, alt in (("given", task.shows), ("picture", task.alt)):
            if not alt:
                continue
            (drawn,) = (
                output
                for output in stored[f"{slug}-{kind}"].outputs
                if "image/png" in output.get("data", {})
            )
            file = f"{task.answer_name}{'-given' if kind == 'given' else ''}.png"
            files.add(file)
            assert f"![{alt}](attachment:{file})" in prompt.source
            fine, shown = picture(drawn.data), drawn.metadata["image/png"]
            small = picture(attached[file])
            assert small.width == shown["width"]
            assert abs(small.height - shown["height"]) <= 1
            assert fine.width >= 1.45 * small.width
            again = fine.resize(small.size, Image.Resampling.BOX)
            (_, alike), _ = np.corrcoef(np.asarray(again).ravel(), np.asarray(small).ravel())
            assert alike > 0.94  # two others of one size are at most 0.92 alike
        assert set(attached) == files
        assert prompt.source.count("attachment:") == len(attached)
    for kind in ("solutions", "exercises"):
        assert [path.name for path in (ROOT / kind / name).glob("*.*")] == [f"{name}.ipynb"]


def picture(data: dict[str, str]) -> Image.Image:
    """A stored picture, which is light."""
    dots = base64.b64decode(data["image/png"])
    assert len(dots) < 30_000
    return Image.open(io.BytesIO(dots)).convert("RGB")


@EACH_CHAPTER
def test_a_notebook_has_something_to_play_with(name: str) -> None:
    toys = [cell for cell in read("solutions", name).cells if cell.id.endswith("-play")]
    assert toys
    for toy in toys:
        (output,) = toy.outputs
        # Live in JupyterLab; on paper, in the book and in a stored file it is HTML.
        assert set(output.data) == {"text/plain", "text/html"}
        assert 'class="explorer"' in output.data["text/html"]


@EACH_CHAPTER
def test_pictures_and_toys_overwrite_no_answer(name: str) -> None:
    """Or a student who runs a check once more is told that a right answer is wrong."""
    answers = {task.answer_name for task in chapter(name).tasks}
    for task in chapter(name).tasks:
        for node in ast.walk(ast.parse(f"{task.given}\n{task.picture}\n{task.play}")):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                assert node.id not in answers, f"{task.name} overwrites {node.id}"
            if isinstance(node, ast.FunctionDef):
                assert node.name not in answers, f"{task.name} overwrites {node.name}"


def test_the_exercises_are_what_release_makes(tmp_path: Path) -> None:
    release(CHAPTERS, ROOT / "solutions", tmp_path)

    def bytes_of(folder: Path) -> dict[str, bytes]:
        # The project beside the chapters is written by hand: no solution, and nothing to release.
        files = (
            path
            for path in folder.rglob("*")
            if path.is_file() and path.relative_to(folder).parts[0] != "project"
        )
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in files
            if ".ipynb_checkpoints" not in path.parts
        }

    assert bytes_of(ROOT / "exercises") == bytes_of(tmp_path), "run `ddpm-course release`"


@pytest.mark.parametrize(  # the same kernel ten times more: `make test` runs one
    "name",
    [pytest.param(name, marks=[pytest.mark.long][: name != "forward"]) for name in CHAPTERS],
)
def test_running_all_of_a_blank_exercise_goes_to_the_end_and_earns_nothing(name: str) -> None:
    nb = read("exercises", name)
    # Cells may raise only where their tag says so: this client stops at any other.
    NotebookClient(nb, timeout=120, kernel_name="python3").execute()
    for cell in nb.cells:
        if is_grade(cell):
            (error,) = cell.outputs
            assert error.output_type == "error"
            assert error.ename == "Blank"
            (line,) = error.traceback
            assert "not answered yet" in line
            assert determine_grade(cell) == (0, cell.metadata.nbgrader.points)
        if is_solution(cell):
            assert cell.execution_count is not None
        if cell.id.endswith(("-picture", "-play")):  # no half of a picture, and calm
            assert cell.outputs == [], cell.id
