"""Nothing that a student handed in is silently nothing, and a teacher's own cells stop nothing."""

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
from submissions import RELEASED, cell_of, hand_in, solved

from ddpm_course.cli import main
from ddpm_course.grading.handed_in import (
    NOT_HANDED_IN,
    collect,
    locate,
    read_beside,
    read_cells,
)
from ddpm_course.grading.judge import grade, read_paper
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
    place = locate([tmp_path / "ada"])["forward"]
    assert place.path == tmp_path / "ada" / name
    assert name in place.note
    assert not place.problem
    assert locate([tmp_path / "ada"])["reverse"].problem == NOT_HANDED_IN


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
    assert told in locate([tmp_path / "ada"])["forward"].problem


def test_a_notebook_of_any_name_tells_by_its_checks_what_it_is(tmp_path: Path) -> None:
    put(tmp_path, "hw 2.ipynb", "notes.ipynb", "marginal/marginal.ipynb")
    checks = json.dumps({"cells": ['check("forward.step", step)', 'check("marginal.sample", f)']})
    (tmp_path / "ada" / "hw 2.ipynb").write_text(checks)
    places = locate([tmp_path / "ada"])
    assert (places["forward"].note, places["marginal"].note) == ("Found as hw 2.ipynb.", "")
    assert "notes.ipynb" in places["loss"].problem
    put(tmp_path, "hw 3.ipynb")
    (tmp_path / "ada" / "hw 3.ipynb").write_text(checks)
    assert "hw 2.ipynb, hw 3.ipynb" in locate([tmp_path / "ada"])["forward"].problem


def test_jupyters_own_copy_alone_is_named(tmp_path: Path) -> None:
    put(tmp_path, "forward/.ipynb_checkpoints/forward-checkpoint.ipynb")
    places = locate([tmp_path / "ada"])
    assert "Jupyter's own copy" in places["forward"].problem
    assert places["marginal"].problem == NOT_HANDED_IN


def test_its_own_place_comes_first_and_nothing_is_nothing(tmp_path: Path) -> None:
    put(tmp_path, "forward/forward.ipynb", "forward/forward (1).ipynb")
    place = locate([tmp_path / "ada"])["forward"]
    assert (place.path.name, place.note, place.problem) == ("forward.ipynb", "", "")
    put(tmp_path, "homework.zip", "forward/helpers.py")
    assert "but homework.zip:" in locate([tmp_path / "ada"])["marginal"].problem
    (tmp_path / "bob").mkdir()
    assert locate([tmp_path / "bob"])["forward"].problem == NOT_HANDED_IN


def test_a_folder_that_may_not_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "forward/forward.ipynb")
    real = os.scandir

    def closed(path: Any) -> Any:  # root may read everything
        if str(path).endswith("forward"):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", closed)
    monkeypatch.setattr(os.path, "lexists", lambda path: False)
    assert "ada/forward cannot be read" in locate([tmp_path / "ada"])["forward"].problem


def test_small_files_beside_come_along_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "helpers.py").write_text("x = 1")
    (tmp_path / "large.csv").write_bytes(bytes(2**20 + 1))
    (tmp_path / "link.txt").symlink_to("/etc/passwd")
    (tmp_path / "torch.so").write_text("x")
    assert read_beside(tmp_path / "forward.ipynb") == {"helpers.py": b"x = 1"}


def test_what_is_no_plain_file_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "forward.ipynb").mkdir()
    os.mkfifo(tmp_path / "loss.ipynb")
    (tmp_path / "trends.ipynb").symlink_to("/etc/passwd")
    for name, told in (("forward", "not a file"), ("loss", "not a file"), ("trends", "a link")):
        with pytest.raises(ValueError, match=told):
            read_cells(tmp_path / f"{name}.ipynb", tmp_path)


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
    assert "bob, forward: forward.zip is damaged, or no zip file" in told


def zipped(entries: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return file.getvalue()


LAYOUTS = {
    "nbgrader's": {"ada/forward/forward.ipynb": b"{}"},
    "a folder around it": {"download/ada/forward/forward.ipynb": b"{}"},
    "Moodle, in folders": {"Ada Lovelace_1042_assignsubmission_file_/forward.ipynb": b"{}"},
    "Moodle, in folders, of old": {"Ada Lovelace_1042_assignsubmission_file/forward.ipynb": b"{}"},
    "Moodle, files": {"Ada Lovelace_1042_assignsubmission_file_forward.ipynb": b"{}"},
    "Moodle, a zip in a folder": {
        "Ada Lovelace_1042_assignsubmission_file_/work.zip": zipped({"w/forward.ipynb": b"{}"})
    },
    "Canvas": {"lovelaceada_1042_77_forward-1.ipynb": b"{}"},
    "Canvas, late": {"lovelaceada_LATE_1042_77_forward.ipynb": b"{}"},
    "Canvas, a zip": {"lovelaceada_1042_77_work.zip": zipped({"forward/forward.ipynb": b"{}"})},
    "a zip a student": {"ada.zip": zipped({"forward.ipynb": b"{}"})},
}
NAMES = {"n": "ada", "a": "ada", "M": "Ada Lovelace_1042", "C": "lovelaceada_1042"}


@pytest.mark.parametrize("as_zip", [True, False])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_downloads_of_learning_platforms_are_read(
    tmp_path: Path, layout: str, as_zip: bool
) -> None:
    archive = tmp_path / "download.zip"
    archive.write_bytes(zipped(LAYOUTS[layout]))
    if not as_zip:
        zipfile.ZipFile(archive).extractall(tmp_path / "download")
        archive = tmp_path / "download"
        archive = archive / "download" if "around" in layout else archive
    found = collect(archive, tmp_path / "unpacked")
    (who,) = found
    assert who == NAMES[layout[0]]
    place = locate(found[who].roots, found[who].told)["forward"]
    assert place.found
    assert place.path.read_bytes() == b"{}"


def test_two_parts_of_one_moodle_submission_are_one_students(tmp_path: Path) -> None:
    put(tmp_path, "x")
    (tmp_path / "ada").rename(tmp_path / "Ada_1_assignsubmission_file_")
    (tmp_path / "Ada_1_assignsubmission_onlinetext_").mkdir()
    (tmp_path / "Ada_1_assignsubmission_onlinetext_" / "onlinetext.html").write_text("hello")
    found = collect(tmp_path, tmp_path / "unpacked")
    assert list(found) == ["Ada_1"]
    assert len(found["Ada_1"].roots) == 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"no zip", "work.zip is damaged, or no zip file: hand in the notebook itself."),
        (zipped({"photo.jpg": b"x"}), "work.zip holds no notebook, but photo.jpg:"),
        (zipped({"../../forward.ipynb": b"x"}), "work.zip holds no notebook, but ../../forward"),
        (zipped({"Untitled.ipynb": b"{}"}), "No notebook forward/forward.ipynb, but Untitled"),
    ],
)
def test_a_zip_that_cannot_be_graded_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    put(tmp_path / "class", "work.zip")
    (tmp_path / "class" / "ada" / "work.zip").write_bytes(content)
    found = collect(tmp_path / "class", tmp_path / "unpacked")["ada"]
    place = locate(found.roots, found.told)["forward"]
    assert told in place.problem
    assert not (tmp_path / "forward.ipynb").exists()


def test_what_is_nobodys_is_told(tmp_path: Path) -> None:
    put(tmp_path, "forward.ipynb")
    (tmp_path / "forward.ipynb").write_text("{}")
    told: list[str] = []
    assert list(collect(tmp_path, tmp_path / "unpacked", told.append)) == ["ada"]
    assert told == ["forward.ipynb is nobody's: put it into a folder with its student's name."]


@pytest.mark.slow
def test_a_download_is_graded_from_its_zip(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], walls: None
) -> None:
    right = json.dumps(solved("forward")).encode()
    entries = {
        "Ada_1_assignsubmission_file_/forward (1).ipynb": right,
        "Bob_2_assignsubmission_file_/all.zip": zipped({"b/forward.ipynb": right}),
        "Eve_3_assignsubmission_file_/all.zip": b"PK no zip",
        "Max_4_assignsubmission_file_/forward.ipynb": right + b" " * 2**20,
    }
    (tmp_path / "all.zip").write_bytes(zipped(entries))
    command = ["grade", tmp_path / "all.zip", "--out", tmp_path / "report", "--jobs", "1"]
    command += ["--released", RELEASED, "--largest", "1"]
    assert main(list(map(str, command))) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf8"))
    points = {one["student"]: one["points"] for one in report["students"]}
    assert points == {"Ada_1": 15, "Bob_2": 15, "Eve_3": 0, "Max_4": 0}
    said = capsys.readouterr().err
    assert "Eve_3, forward: all.zip is damaged" in said
    assert "Max_4, forward: The notebook has 2 MB; at most 1 are read." in said
    assert not (tmp_path / "report" / ".unpacked").exists()
