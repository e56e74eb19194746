"""The exercises come from the solutions by nbgrader's own hand, and nobody's work is lost."""

import json
from pathlib import Path

import nbformat
import pytest
from nbgrader.utils import compute_checksum, is_grade, is_locked, is_solution

from ddpm_course.grading.release import release

SOLUTIONS = Path(__file__).parents[2] / "solutions"


@pytest.fixture
def released(tmp_path: Path) -> Path:
    (path,) = release(["marginal"], SOLUTIONS, tmp_path / "exercises")
    return path


def edit(path: Path, old: str, new: str) -> None:
    nb = nbformat.read(path, as_version=4)
    for cell in nb.cells:
        cell.source = cell.source.replace(old, new)
    nbformat.write(nb, path)


def test_answers_are_gone_and_checks_stay(released: Path) -> None:
    text = released.read_text()
    assert "BEGIN SOLUTION" not in text
    assert "END SOLUTION" not in text
    assert "share.sqrt() * x_0 + (1 - share).sqrt() * eps" not in text
    nb = nbformat.read(released, as_version=4)
    solved = nbformat.read(SOLUTIONS / "marginal" / "marginal.ipynb", as_version=4)
    assert [cell.id for cell in nb.cells] == [cell.id for cell in solved.cells]
    for cell, before in zip(nb.cells, solved.cells, strict=True):
        if is_solution(cell):
            assert "raise NotImplementedError()" in cell.source
        else:
            assert cell.source == before.source
            assert is_locked(cell)
            assert not cell.metadata.editable
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
        assert cell.metadata.nbgrader.checksum == compute_checksum(cell)
    assert sum(cell.metadata.nbgrader.points for cell in nb.cells if is_grade(cell)) == 20


def test_pictures_come_along_in_the_notebook(released: Path) -> None:
    nb = nbformat.read(released, as_version=4)
    attached = [name for cell in nb.cells for name in cell.get("attachments", {})]
    assert {"alpha_bar.png", "sample.png", "cosine.png"} <= set(attached)
    for name in attached:
        assert any(f"](attachment:{name})" in cell.source for cell in nb.cells)


def test_files_beside_a_notebook_come_along(tmp_path: Path) -> None:
    folder = tmp_path / "solutions" / "marginal"
    folder.mkdir(parents=True)
    (folder / "marginal.ipynb").write_bytes(
        (SOLUTIONS / "marginal" / "marginal.ipynb").read_bytes()
    )
    (folder / "measured.csv").write_text("1,2")
    (path,) = release(["marginal"], tmp_path / "solutions", tmp_path / "out")
    assert (path.parent / "measured.csv").read_text() == "1,2"


def test_the_same_bytes_each_time_and_no_touch_when_nothing_changed(
    released: Path, tmp_path: Path
) -> None:
    before, stamp = released.read_bytes(), released.stat().st_mtime_ns
    release(["marginal"], SOLUTIONS, released.parents[1])
    assert released.stat().st_mtime_ns == stamp
    (again,) = release(["marginal"], SOLUTIONS, tmp_path / "again")
    assert again.read_bytes() == before


def test_a_students_work_is_not_overwritten_unless_asked(released: Path) -> None:
    clean = released.read_bytes()
    edit(released, "raise NotImplementedError()", "return 1")
    changed = released.read_bytes()
    with pytest.raises(ValueError, match=r"marginal\.ipynb holds work .* --force"):
        release(["marginal"], SOLUTIONS, released.parents[1])
    assert released.read_bytes() == changed
    release(["marginal"], SOLUTIONS, released.parents[1], force=True)
    assert released.read_bytes() == clean
    assert [path.name for path in released.parent.iterdir()] == ["marginal.ipynb"]


def test_one_changed_notebook_holds_all_of_them_back(tmp_path: Path) -> None:
    target = tmp_path / "exercises"
    other = target / "loss" / "loss.ipynb"
    other.parent.mkdir(parents=True)
    other.write_text("my notes")  # not even a notebook: somebody's all the same
    with pytest.raises(ValueError, match=r"loss\.ipynb holds work"):
        release(["marginal", "loss"], SOLUTIONS, target)
    assert other.read_text() == "my notes"
    assert not (target / "marginal").exists()


def test_a_notebook_that_was_only_run_is_renewed(released: Path, tmp_path: Path) -> None:
    nb = nbformat.read(released, as_version=4)
    for number, cell in enumerate(nb.cells):
        if cell.cell_type == "code":
            cell.execution_count = number + 1
            cell.outputs = [nbformat.v4.new_output("stream", text="hello")]
    nbformat.write(nb, released)
    release(["marginal"], SOLUTIONS, released.parents[1])
    assert "hello" not in released.read_text()


def test_a_newer_solution_replaces_an_untouched_exercise(released: Path, tmp_path: Path) -> None:
    newer = tmp_path / "solutions" / "marginal" / "marginal.ipynb"
    newer.parent.mkdir(parents=True)
    newer.write_bytes((SOLUTIONS / "marginal" / "marginal.ipynb").read_bytes())
    edit(newer, "One jump", "One leap")
    release(["marginal"], tmp_path / "solutions", released.parents[1])
    assert "One leap" in released.read_text()


def test_what_cannot_be_released_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nowhere.*does not exist"):
        release(["marginal"], tmp_path / "nowhere", tmp_path)
    broken = tmp_path / "marginal" / "marginal.ipynb"
    broken.parent.mkdir()
    broken.write_text("{")
    with pytest.raises(ValueError, match="cannot be released"):
        release(["marginal"], tmp_path, tmp_path / "out")
    nb = json.loads((SOLUTIONS / "marginal" / "marginal.ipynb").read_text())
    nb["cells"].append(nb["cells"][-1])  # a grade id that is there twice
    broken.write_text(json.dumps(nb))
    with pytest.raises(ValueError, match="cannot be released"):
        release(["marginal"], tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()
