"""Nothing that a student handed in is silently nothing, and a teacher's own cells stop nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
from submissions import RELEASED, cell_of, hand_in, solved

from ddpm_course.grading.judge import NOT_HANDED_IN, grade, locate, read_beside, read_paper
from ddpm_course.grading.report import remarks
from ddpm_course.grading.sandbox import Limits


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / "ada" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")


@pytest.mark.parametrize(
    "name",
    [
        *("forward/forward (1).ipynb", "forward/Copy of forward.ipynb", "Forward/Forward.ipynb"),
        *("forward/forward_lovelace.ipynb", "forward.ipynb", "exercises/forward/forward.ipynb"),
        *("ada/exercises/forward/forward.ipynb", "forward/forward-Copy1.IPYNB", "2-FORWARD.ipynb"),
    ],
)
def test_the_one_notebook_of_a_chapter_is_found(tmp_path: Path, name: str) -> None:
    put(tmp_path, name, "marginal/marginal.ipynb", "forward/.ipynb_checkpoints/forward.ipynb")
    place = locate(tmp_path, "ada")["forward"]
    assert place.path == tmp_path / "ada" / name
    assert name in place.note
    assert not place.problem
    assert locate(tmp_path, "ada")["reverse"].problem == NOT_HANDED_IN


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["forward/forward (1).ipynb", "forward/forward (2).ipynb"], "Several notebooks"),
        (["forward.zip"], "forward.zip"),
        (["forward/forward.py"], "forward.py"),
        (["Untitled.ipynb"], "Untitled.ipynb"),
    ],
)
def test_what_cannot_be_told_is_named(tmp_path: Path, names: list[str], told: str) -> None:
    put(tmp_path, *names)
    assert told in locate(tmp_path, "ada")["forward"].problem


def test_its_own_place_comes_first_and_nothing_is_nothing(tmp_path: Path) -> None:
    put(tmp_path, "forward/forward.ipynb", "forward/forward (1).ipynb")
    place = locate(tmp_path, "ada")["forward"]
    assert (place.path.name, place.note, place.problem) == ("forward.ipynb", "", "")
    put(tmp_path, "homework.zip", "forward/helpers.py")
    assert "but homework.zip:" in locate(tmp_path, "ada")["marginal"].problem
    (tmp_path / "bob").mkdir()
    assert locate(tmp_path, "bob")["forward"].problem == NOT_HANDED_IN


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    put(tmp_path, "forward/forward.ipynb")
    real = os.scandir

    def closed(path: Any) -> Any:  # root may read everything
        if str(path).endswith("forward"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    assert "ada/forward cannot be read" in locate(tmp_path, "ada")["forward"].problem


def test_small_files_beside_come_along_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("x = 1")
    (tmp_path / "large.csv").write_bytes(bytes(2**20 + 1))
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    (tmp_path / "torch.so").write_text("x")
    assert read_beside(tmp_path / "forward.ipynb") == {"helpers.py": b"x = 1"}


def released(folder: Path, **about: Any) -> Path:
    nb = json.loads((RELEASED / "forward" / "forward.ipynb").read_text(encoding="utf8"))
    cell_of(nb, "forward-step")["metadata"]["nbgrader"].update(about)
    nb["cells"].append({"cell_type": "code", "source": "1", "metadata": {}})
    path = folder / "forward" / "forward.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(nb), encoding="utf-8-sig")  # with Windows' mark
    return path


@pytest.mark.parametrize(
    "about", [{"grade_id": "cell-1a2b", "solution": True}, {"grade_id": "mine"}]
)
def test_a_teachers_own_graded_cell_is_left_to_the_teacher(
    tmp_path: Path, about: dict[str, Any]
) -> None:
    paper = read_paper(released(tmp_path, **about), "forward", "s")
    assert paper.by_hand == (about["grade_id"],)
    assert "forward.step" not in {one.task.name for one in paper.graded}
    assert paper.graded


@pytest.mark.parametrize(
    ("about", "told"),
    [
        ({"grade_id": "forward-none"}, "cell forward-none: There is no task"),
        ({"points": None}, "cell forward-step: its points are None"),
        ({"points": "3"}, "cell forward-step: its points are '3'"),
    ],
)
def test_what_is_wrong_names_notebook_and_cell(
    tmp_path: Path, about: dict[str, Any], told: str
) -> None:
    path = released(tmp_path, **about)
    with pytest.raises(ValueError, match=told) as error:
        read_paper(path, "forward", "s")
    assert str(path) in str(error.value)


@pytest.mark.slow
def test_a_renamed_notebook_is_graded_and_the_instructor_is_told(tmp_path: Path) -> None:
    path = hand_in(tmp_path, "ada", "forward", solved("forward"))
    path.rename(path.with_name("forward (1).ipynb"))
    put(tmp_path / "x", "forward.zip")
    (tmp_path / "x" / "ada").rename(tmp_path / "bob")
    (tmp_path / "x").rmdir()
    (tmp_path / "__MACOSX").mkdir()
    found = grade(tmp_path, RELEASED, limits=Limits(5))
    assert [(one.student, one.points, one.handed_in) for one in found] == [
        ("ada", 15, True),
        ("bob", 0, False),
    ]
    told = "\n".join(remarks(found))
    assert "ada, forward: Found as forward/forward (1).ipynb" in told
    assert "bob, forward: No notebook forward/forward.ipynb, but forward.zip" in told
