"""The ready files for a class: a workflow's commands are run as they stand, and nbgrader itself
grades with its configuration."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml

from ddpm_course.cli import main
from ddpm_course.grading.tasks import CHAPTERS, chapter

ROOT = Path(__file__).parents[1]
READY = ROOT / "class"


def test_the_page_for_instructors_names_only_options_that_exist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = set(re.findall(r"(--[a-z]+)", (ROOT / "book" / "instructors.md").read_text()))
    for command in ("grade", "pack"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
    known = set(re.findall(r"(--[a-z]+)", capsys.readouterr().out)) | {"--force"}  # nbgrader's
    assert {"--walls", "--shard"} <= named <= known


# -- the workflows ----------------------------------------------------------------------------

POINTS = {"ada": 15, "bob": 0, "cora": 0, "dan": 0, "eve": 15}


@pytest.fixture
def course(tmp_path: Path) -> Path:
    """An instructor's copy of the course, the repositories of a class, and no way to install."""
    course = tmp_path / "course"
    course.mkdir()
    for name in ("exercises", "class"):
        shutil.copytree(ROOT / name, course / name)
    repositories = tmp_path / "repositories"
    for student, kind in (("ada", "solutions"), ("bob", "exercises"), ("eve", "solutions")):
        shutil.copytree(ROOT / kind / "forward", repositories / student / "exercises" / "forward")
    (repositories / "cora").mkdir()
    (repositories / "cora" / "exercises").symlink_to("/")  # is not followed
    for repository in repositories.iterdir():
        commit = ("-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "-m", "Hand in")
        for command in (("init", "--quiet"), ("add", "."), commit):
            subprocess.run(["git", *command], cwd=repository, check=True)
    subprocess.run(["git", "init", "--quiet"], cwd=course, check=True)
    subprocess.run(["git", "remote", "add", "origin", "nowhere"], cwd=course, check=True)
    # dan has no repository; the list was written on Windows, has its mark, an empty line, a remark
    names = b"\xef\xbb\xbfada\r\nbob\r\ncora\r\n\r\n# of last year\r\ndan\r\neve"
    (course / "students.txt").write_bytes(names)

    commands = tmp_path / "commands"
    commands.mkdir()
    for name in ("sudo", "apt-get", "pip"):  # all of it is installed here
        script(commands / name, "exit 0")
    script(commands / "ddpm-course", f'exec "{sys.executable}" -m ddpm_course.cli "$@"')
    return course


def script(path: Path, command: str) -> None:
    path.write_text(f"#!/bin/sh\n{command}\n")
    path.chmod(0o755)


def run(course: Path, commands: str, **variables: str) -> None:
    """Run commands as a machine of the class would."""
    given = os.environ | variables | {"PYTHONPATH": str(ROOT)}
    given["PATH"] = os.pathsep.join([str(course.parent / "commands"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", commands],
        cwd=course,
        env=given,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]


def scores(path: Path) -> dict[str, float]:
    with path.open() as file:
        return {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}


def runs(job: dict[str, Any], known: dict[str, str]) -> Iterable[tuple[str, dict[str, str]]]:
    """The commands of a job of GitHub's, with the variables that each sees."""

    def put_in(variables: dict[str, Any]) -> dict[str, str]:
        return {
            name: re.sub(r"\$\{\{ (.+?) \}\}", lambda found: known[found[1]], str(value))
            for name, value in variables.items()
        }

    for step in job["steps"]:
        if "run" in step:
            assert "${{" not in step["run"], "what others may choose comes in as a variable"
            yield step["run"], put_in(job.get("env", {})) | put_in(step.get("env", {}))


@pytest.mark.long
def test_the_workflow_for_github_grades_a_class_of_repositories(course: Path) -> None:
    jobs = yaml.safe_load((READY / "github-actions.yml").read_text())["jobs"]
    assert jobs["gather"]["if"] == jobs["grade"]["steps"][-1]["if"] == "always()"
    machines = jobs["grade"]["strategy"]["matrix"]["shard"]
    assert machines == list(range(1, len(machines) + 1))
    known = {
        "inputs.chapters": "forward",
        "strategy.job-total": "2",
        "secrets.STUDENTS_TOKEN": "secret",
        "vars.PIP_EXTRA_INDEX_URL": "",
    }
    for machine in ("1", "2"):
        for commands, variables in runs(jobs["grade"], known | {"matrix.shard": machine}):
            if "REPOSITORIES" in variables:
                variables["REPOSITORIES"] = f"file://{course.parent}/repositories/"
            run(course, commands, **variables)
        (course / "report").rename(course / f"report-{machine}")
        shutil.rmtree(course / "submitted")  # each machine begins with a new copy
    for commands, variables in runs(jobs["gather"], known):
        run(course, commands, **variables)
    assert scores(course / "grades" / "grades.csv") == POINTS
    pages = {path.stem for path in (course / "grades" / "feedback").iterdir()}
    assert pages == set(POINTS)


@pytest.mark.long
def test_the_workflow_for_gitlab_grades_a_folder(course: Path) -> None:
    jobs = yaml.safe_load((READY / "gitlab-ci.yml").read_text())
    (course / "students.txt").unlink()
    for student in ("ada", "bob", "eve"):
        source = course.parent / "repositories" / student / "exercises"
        shutil.copytree(source, course / "submitted" / student)
    variables = jobs["variables"] | {"CHAPTERS": "forward", "CI_NODE_TOTAL": "2"}
    for machine in ("1", "2"):
        if machine == "2":  # begins with a new copy
            subprocess.run(["git", "remote", "add", "origin", "nowhere"], cwd=course, check=True)
        commands = "\n".join([*jobs["grade"]["before_script"], *jobs["grade"]["script"]])
        run(course, commands, **variables, CI_NODE_INDEX=machine)
    run(course, "\n".join(jobs["gather"]["script"]))
    wanted = {name: POINTS[name] for name in ("ada", "bob", "eve")}
    assert scores(course / "grades" / "grades.csv") == wanted


def test_the_workflow_for_gitlab_collects_repositories(course: Path) -> None:
    job = yaml.safe_load((READY / "gitlab-ci.yml").read_text())["grade"]
    collect = next(command for command in job["script"] if "git clone" in command)
    address = f"file://{course.parent}/repositories/"
    run(course, collect, REPOSITORIES=address, CI_NODE_INDEX="2", CI_NODE_TOTAL="2")
    assert {path.name for path in (course / "submitted").iterdir()} == {"bob", "dan"}
    assert (course / "submitted" / "bob" / "forward" / "forward.ipynb").is_file()
    assert not (course / "clones").exists()


def test_both_ready_files_count_the_same_chapters() -> None:
    github = yaml.safe_load((READY / "github-actions.yml").read_text())
    gitlab = yaml.safe_load((READY / "gitlab-ci.yml").read_text())
    counted = github[True]["workflow_dispatch"]["inputs"]["chapters"]["default"].split()  # "on"
    assert counted == gitlab["variables"]["CHAPTERS"].split()
    assert set(counted) <= set(CHAPTERS)
    assert len(counted) >= 12


# -- nbgrader ---------------------------------------------------------------------------------


def nbgrader(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "nbgrader", *arguments]
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])  # for alembic
    environment = os.environ | {"PATH": path}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.long
def test_the_real_nbgrader_gives_blanks_nothing_and_solutions_everything(tmp_path: Path) -> None:
    """Its own generate_assignment, autograde, generate_feedback and export."""
    name = "marginal"
    shutil.copy(READY / "nbgrader_config.py", tmp_path)
    shutil.copytree(ROOT / "solutions" / name, tmp_path / "solutions" / name)
    nbgrader(tmp_path, "generate_assignment", name)
    theirs = nbformat.read(tmp_path / "exercises" / name / f"{name}.ipynb", as_version=4)
    ours = nbformat.read(ROOT / "exercises" / name / f"{name}.ipynb", as_version=4)
    assert [dict(cell) for cell in theirs.cells] == [dict(cell) for cell in ours.cells]

    for student, kind in (("blank", "exercises"), ("solved", "solutions")):
        folder = tmp_path / "submitted" / student / name
        folder.mkdir(parents=True)
        shutil.copy(ROOT / kind / name / f"{name}.ipynb", folder)
    nbgrader(tmp_path, "autograde", name)
    nbgrader(tmp_path, "generate_feedback", name)
    nbgrader(tmp_path, "export")
    assert scores(tmp_path / "grades.csv") == {"blank": 0, "solved": chapter(name).points}
    for student, words in (("blank", "not answered yet"), ("solved", "Score: 20.0 / 20.0")):
        page = tmp_path / "feedback" / student / name / f"{name}.html"
        assert words in page.read_text(encoding="utf8")
