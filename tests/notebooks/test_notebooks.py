"""The stored notebooks: whole, made from the bank, and in step with each other."""

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from nbgrader.utils import determine_grade, is_grade, is_solution

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
    for task in chapter(name).tasks:
        if task.picture:
            assert (ROOT / "solutions" / name / f"{task.answer_name}.png").is_file()


def test_the_exercises_are_what_release_makes(tmp_path: Path) -> None:
    release(CHAPTERS, ROOT / "solutions", tmp_path)

    def bytes_of(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {
            str(path.relative_to(folder)): path.read_bytes()
            for path in files
            if ".ipynb_checkpoints" not in path.parts
        }

    assert bytes_of(ROOT / "exercises") == bytes_of(tmp_path), "run `ddpm-course release`"


@EACH_CHAPTER
def test_running_all_of_a_blank_exercise_goes_to_the_end_and_earns_nothing(name: str) -> None:
    nb = read("exercises", name)
    # Cells may raise only where their tag says so: this client stops at any other.
    NotebookClient(nb, timeout=120, kernel_name="python3").execute()
    for cell in nb.cells:
        if is_grade(cell):
            (error,) = cell.outputs
            assert error.output_type == "error"
            assert error.ename == "Wrong"
            assert "Not answered yet" in error.traceback[0]
            assert determine_grade(cell) == (0, cell.metadata.nbgrader.points)
        if is_solution(cell):
            assert cell.execution_count is not None
