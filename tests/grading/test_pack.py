"""Packages for platforms: written, and run end to end with stand-ins for the platform's folders."""

import base64
import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml
from submissions import RELEASED, answering, hand_in, solved

from ddpm_course.cli import main
from ddpm_course.grading.doors import can_close, can_fence

WRONG = "def step(x_prev, t, eps, beta):\n    return x_prev\n"
LEAKS = """
import glob
found = [path for path in glob.glob("{place}/**", recursive=True)
         if path.endswith((".ipynb", ".json")) and "assets" not in path or "/tasks" in path]
def step(x_prev, t, eps, beta):
    assert not found
    b = beta[t].float()[:, None]
    return (1 - b).sqrt() * x_prev + b.sqrt() * eps
"""


def pack(platform: str, out: Path, *more: str) -> int:
    command = ["pack", platform, "--out", str(out), "--released", str(RELEASED)]
    return main([*command, "--chapters", "forward", *more])


def run(script: Path, **environment: Any) -> subprocess.CompletedProcess[str]:
    mine = {name: str(value) for name, value in environment.items()}
    env = {**os.environ, "PYTHON": sys.executable, "PYTHONDONTWRITEBYTECODE": "1", **mine}
    env.pop("PYTHONPATH", None)
    command = [str(script)]
    return subprocess.run(command, env=env, cwd="/", capture_output=True, text=True, timeout=600)


def unzipped(archive: Path, place: Path) -> None:
    """As Gradescope unzips: with the rights of the files."""
    with zipfile.ZipFile(archive) as file:
        for entry in file.infolist():
            path = Path(file.extract(entry, place))
            path.chmod(stat.S_IMODE(entry.external_attr >> 16))


@pytest.fixture
def gradescope(tmp_path: Path) -> Path:
    """A stand-in for /autograder."""
    place = tmp_path / "autograder"
    for name in ("source", "submission", "results"):
        (place / name).mkdir(parents=True)
    assert pack("gradescope", tmp_path / "autograder.zip") == 0
    unzipped(tmp_path / "autograder.zip", place / "source")
    return place


def results(place: Path) -> dict[str, Any]:
    text = (place / "results" / "results.json").read_text(encoding="utf8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.slow
def test_gradescopes_entry_point_grades_one_submission(gradescope: Path, walls: None) -> None:
    nb = answering("forward.step", WRONG)
    (gradescope / "submission" / "forward (2).ipynb").write_text(json.dumps(nb))
    done = run(gradescope / "source" / "run_autograder", AUTOGRADER=gradescope)
    assert done.returncode == 0, done.stderr
    found = results(gradescope)
    tests = {one["name"]: one for one in found["tests"]}
    assert sum(one["max_score"] for one in tests.values()) == 15
    failed = {name: one for name, one in tests.items() if one["status"] == "failed"}
    assert len(failed) == 1
    (one,) = failed.values()
    assert one["score"] == 0
    assert "`beta` were left out" in one["output"]  # the sentence of our own check
    assert {one["visibility"] for one in tests.values()} == {"after_published"}
    assert found["stdout_visibility"] == "hidden"
    assert "Found as forward (2).ipynb" in found["output"]
    assert found["extra_data"]["walls"]["bubblewrap"] is True
    # Read as Gradescope documents it: numbers, strings, and names that it knows.
    known = {"name", "score", "max_score", "status", "output", "output_format", "visibility"}
    assert all(set(one) == known for one in tests.values())
    assert "seed" not in json.dumps(found)


@pytest.mark.slow
def test_what_is_not_there_is_a_sentence_and_no_failure(gradescope: Path, walls: None) -> None:
    (gradescope / "submission" / "work.zip").write_bytes(b"no zip")
    done = run(gradescope / "source" / "run_autograder", AUTOGRADER=gradescope)
    assert done.returncode == 0, done.stderr
    found = results(gradescope)
    assert sum(one["score"] for one in found["tests"]) == 0
    assert "work.zip is damaged" in found["output"]


@pytest.mark.slow
def test_the_code_does_not_see_the_package_or_the_results(gradescope: Path, walls: None) -> None:
    nb = answering("forward.step", LEAKS.replace("{place}", str(gradescope)))
    hand_in(gradescope, "submission", "forward", json.dumps(nb).encode())
    done = run(gradescope / "source" / "run_autograder", AUTOGRADER=gradescope)
    assert done.returncode == 0, done.stderr
    assert sum(one["score"] for one in results(gradescope)["tests"]) == 15  # it found nothing


@pytest.mark.slow
def test_where_namespaces_are_forbidden_a_second_wall_stands_and_is_told(
    gradescope: Path, tmp_path: Path
) -> None:
    """The platform's container forbids them: a stand-in for bubblewrap says so."""
    (tmp_path / "bin").mkdir()
    stand_in = tmp_path / "bin" / "bwrap"
    stand_in.write_text("#!/bin/sh\necho 'bwrap: No permissions to create namespace' >&2\nexit 1\n")
    stand_in.chmod(0o755)
    nb = answering("forward.step", LEAKS.replace("{place}", str(gradescope)))
    hand_in(gradescope, "submission", "forward", json.dumps(nb).encode())
    path = f"{stand_in.parent}:{os.environ['PATH']}"
    done = run(gradescope / "source" / "run_autograder", AUTOGRADER=gradescope, PATH=path)
    assert "No permissions to create namespace. " in done.stderr
    assert "A second wall is tried around students' code" in done.stderr
    if done.returncode == 2:  # as root, whose Python others may not read
        assert "its user may not read Python's libraries" in done.stderr
        return
    assert done.returncode == 0, done.stderr
    walls = results(gradescope)["extra_data"]["walls"]
    assert walls == {
        "bubblewrap": False,
        "program": None,
        "seccomp": can_close(),
        "landlock": can_fence(),
        "other_user": os.geteuid() == 0,
    }
    hidden = walls["landlock"] or walls["other_user"]
    points = sum(one["score"] for one in results(gradescope)["tests"])
    assert points == (15 if hidden else 13)  # what stands holds, and no more is said


@pytest.mark.long
def test_dockers_entry_point_writes_the_report(tmp_path: Path, walls: None) -> None:
    assert pack("docker", tmp_path / "image") == 0
    hand_in(tmp_path, "ada", "forward", solved("forward"))
    (tmp_path / "report").mkdir()
    done = run(
        tmp_path / "image" / "grade",
        SUBMISSION=tmp_path / "ada",
        RESULTS=tmp_path / "report",
        STUDENT="ada",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf8"))
    assert [(one["student"], one["points"]) for one in report["students"]] == [("ada", 15)]
    assert report["walls"]["bubblewrap"] is True
    assert (tmp_path / "report" / "feedback" / "ada.html").is_file()
    text = (tmp_path / "image" / "Dockerfile").read_text(encoding="utf8")
    assert 'ENTRYPOINT ["/course/grade"]' in text
    assert "chmod -R go-rwx /course" in text


@pytest.mark.long
def test_classrooms_step_gives_each_task_to_the_reporter(tmp_path: Path, walls: None) -> None:
    assert pack("classroom", tmp_path / "template") == 0
    workflow = tmp_path / "template" / ".github" / "workflows" / "classroom.yml"
    reporter = yaml.safe_load(workflow.read_text(encoding="utf8"))["jobs"]["autograding"]["steps"][
        -1
    ]
    runners = reporter["with"]["runners"].split(",")
    place = tmp_path / "repository"
    hand_in(place, "exercises", "forward", answering("forward.step", WRONG))
    output = tmp_path / "output"
    output.write_text("before=1\n")
    done = run(
        tmp_path / "template" / ".github" / "grading" / "grade",
        GITHUB_WORKSPACE=place,
        GITHUB_OUTPUT=output,
    )
    assert done.returncode == 0, done.stderr
    lines = dict(line.split("=", 1) for line in output.read_text().splitlines())
    assert lines.pop("before") == "1"
    assert set(lines) == set(runners)
    # What the reporter does: a runner's results by an environment variable, and its points by the
    # share of its tests that pass.
    points = 0.0
    for runner in runners:
        name = f"{runner.upper()}_RESULTS"
        assert reporter["env"][name] == f"${{{{ steps.grade.outputs.{runner} }}}}"
        found = json.loads(base64.b64decode(lines[runner]))
        passed = [one["status"] == "pass" for one in found["tests"]]
        points += sum(passed) / len(passed) * found["max_score"]
        assert found["status"] in ("pass", "fail")
        assert all(passed) or found["tests"][0]["message"]
    assert 0 < points < 15


def test_nothing_is_overwritten_and_names_are_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "there.zip").write_text("mine")
    for arguments, told in (
        (["gradescope", tmp_path / "there.zip"], "exists already"),
        (["gradescope", tmp_path / "folder"], "is no name of a zip file"),
        (["docker", tmp_path / "image", "--released", tmp_path], "is not a released notebook"),
    ):
        platform, out, *more = map(str, arguments)
        command = ["pack", platform, "--out", out, "--chapters", "forward"]
        assert main([*command, *(more or ["--released", str(RELEASED)])]) == 2
        assert told in capsys.readouterr().err
    command = ["pack", "docker", "--out", str(tmp_path / "i"), "--chapters", "foward"]
    assert main(command) == 2
    assert "foward" in capsys.readouterr().err
    assert (tmp_path / "there.zip").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["there.zip"]


@pytest.mark.parametrize(("platform", "name"), [("docker", "image"), ("gradescope", "a.zip")])
def test_a_full_disk_leaves_no_half_package(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    name: str,
) -> None:
    out, copytree = tmp_path / name, shutil.copytree

    def full(source: Path, target: Path, *more: Any, **options: Any) -> None:
        copytree(source, target, *more, **options)
        if target == out:  # how copytree tells what it could not copy
            raise shutil.Error([(source, target, "No space left on device")])

    def full_zip(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shutil, "copytree", full)
    monkeypatch.setattr(zipfile.ZipFile, "writestr", full_zip)
    assert pack(platform, out) == 2
    assert capsys.readouterr().err == (
        f"ddpm-course: {out} cannot be written (No space left on device); make room, or choose "
        "another place.\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_a_package_names_the_versions_that_are_installed_here(tmp_path: Path) -> None:
    assert pack("docker", tmp_path / "image") == 0
    lines = (tmp_path / "image" / "requirements.txt").read_text(encoding="utf8").splitlines()
    names = {line.split("==")[0]: line.split("==")[1] for line in lines}
    assert {"torch", "numpy", "sympy", "ipywidgets"} <= set(names)
    assert "jupyter-book" not in names
    assert all("+" not in version for version in names.values())
    for script in ("setup.sh", "run_autograder", "grade"):
        path = tmp_path / "image" / script
        if path.exists():
            subprocess.run(["bash", "-n", str(path)], check=True)
            assert os.access(path, os.X_OK)
