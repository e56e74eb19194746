"""A grading that was stopped keeps what was graded, and goes on from there."""

import json
from pathlib import Path

import pytest

from ddpm_course.grading.journal import Journal
from ddpm_course.grading.judge import Grade, Submission

TERMS = {"timeout": 20}


def submission(folder: Path, student: str, points: float = 1) -> Submission:
    path = folder / student / "forward.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(student)
    return Submission(student, "forward", path, True, (Grade("a.b", "T", points, 1, "No."),))


@pytest.fixture
def stopped(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "out", "secret", TERMS)
    for name in ("ada", "bob"):
        journal.add(submission(tmp_path, name))
    journal.report_what_is_done()
    journal.close()
    return journal


def test_it_goes_on_with_the_same_questions(stopped: Journal, tmp_path: Path) -> None:
    again = Journal(tmp_path / "out", "new", TERMS)
    assert again.seed == "secret"
    assert {student for student, _ in again.done} == {"ada", "bob"}
    again.add(submission(tmp_path, "zoe"))
    again.finish(list(again.done.values()), {})
    again.close()
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [one["student"] for one in report["students"]] == ["ada", "bob", "zoe"]
    assert not stopped.path.exists()
    with pytest.raises(ValueError, match="name a new folder"):
        Journal(tmp_path / "out", "new", TERMS)


def test_what_was_done_is_reported_though_it_was_stopped(stopped: Journal, tmp_path: Path) -> None:
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert [one["student"] for one in report["students"]] == ["ada", "bob"]


def test_a_notebook_that_changed_is_graded_again(stopped: Journal, tmp_path: Path) -> None:
    (tmp_path / "ada" / "forward.ipynb").write_text("a new version")
    again = Journal(tmp_path / "out", "new", TERMS)
    assert {student for student, _ in again.done} == {"bob"}
    again.close()


def test_a_line_half_written_loses_itself_alone(stopped: Journal, tmp_path: Path) -> None:
    text = stopped.path.read_text()
    stopped.path.write_text(text[:-20])
    again = Journal(tmp_path / "out", "new", TERMS)
    assert {student for student, _ in again.done} == {"ada"}
    again.close()


@pytest.mark.parametrize(("terms", "given"), [({"timeout": 3}, False), (TERMS, True)])
def test_other_options_cannot_go_on(
    stopped: Journal, tmp_path: Path, terms: dict[str, int], given: bool
) -> None:
    before = stopped.path.read_bytes()
    with pytest.raises(ValueError, match="with other options"):
        Journal(tmp_path / "out", "new", terms, given)
    assert stopped.path.read_bytes() == before


def test_a_folder_that_cannot_be_written_is_refused_before_anything(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file" / "report", Path("/proc/report")):
        with pytest.raises(ValueError, match="cannot hold the report"):
            Journal(out, "s", TERMS)
    with pytest.raises(ValueError, match="exists already"):
        Journal(tmp_path / "file", "s", TERMS)


def test_nothing_is_left_where_nothing_was_graded(tmp_path: Path) -> None:
    Journal(tmp_path / "out", "s", TERMS).close()
    assert not (tmp_path / "out").exists()
