"""Writes packages that grade one submission: for Gradescope, Docker and GitHub Classroom.

A package holds the course's package with its bank, the notebooks as they were given out, the
versions of the libraries that are installed here, and a script that the platform starts.
"""

from __future__ import annotations

import re
import shutil
import stat
import tempfile
import zipfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from ddpm_course.grading.judge import PROJECT, read_paper
from ddpm_course.grading.platforms import PLATFORMS, VISIBILITIES
from ddpm_course.grading.project import CRITERIA
from ddpm_course.grading.sandbox import PACKAGE

__all__ = ["pack"]

_COMMAND = "-m ddpm_course.grading.platforms {platform} --released exercises --chapters {chapters}"

_SETUP = """\
#!/usr/bin/env bash
# Gradescope runs this once, when the image is built.
set -euo pipefail
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --yes bubblewrap libseccomp2 python3 python3-venv
python=python3
if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    apt-get install -qq --yes python3.11 python3.11-venv
    python=python3.11
fi
"$python" -m venv /autograder/venv
/autograder/venv/bin/pip install --quiet --requirement /autograder/source/requirements.txt
"""

_RUN = """\
#!/usr/bin/env bash
# Gradescope runs this for each submission, as root; AUTOGRADER is another place, for a trial.
set -euo pipefail
place="${{AUTOGRADER:-/autograder}}"
python="${{PYTHON:-$place/venv/bin/python}}"
cd "$place/source"
# Students' code runs as another user, who need not see the bank or the results.
chmod 700 "$place/source" "$place/submission" "$place/results"
exec "$python" {command} \\
    --visibility {visibility} --submission "$place/submission" \\
    --results "$place/results/results.json"
"""

_DOCKERFILE = """\
# docker build --tag grade-ddpm .
# docker run --rm --network none --env STUDENT=ada --volume "$PWD/ada:/submission:ro" \\
#     --volume "$PWD/report:/results" grade-ddpm
#
# Docker forbids the namespaces that bubblewrap needs: a second wall is tried, and report.json says
# which stood. With --security-opt seccomp=unconfined --security-opt apparmor=unconfined and a user
# who is not root, bubblewrap may build its walls.
FROM python:3.12-slim
RUN apt-get update -qq && \\
    apt-get install -qq --yes --no-install-recommends bubblewrap libseccomp2 && \\
    rm -rf /var/lib/apt/lists/*
COPY requirements.txt /requirements.txt
RUN pip install --quiet --no-cache-dir --requirement /requirements.txt
COPY . /course
RUN chmod -R go-rwx /course
ENTRYPOINT ["/course/grade"]
"""

_GRADE = """\
#!/usr/bin/env bash
# The image's entry point; SUBMISSION, RESULTS and PYTHON are other places, for a trial.
set -euo pipefail
submission="$(realpath "${{SUBMISSION:-/submission}}")"
results="$(realpath "${{RESULTS:-/results}}")"
cd "$(dirname "$0")"
exec "${{PYTHON:-python}}" {command} --submission "$submission" --results "$results"
"""

_WORKFLOW = """\
# GitHub Classroom: put the folder .github into the assignment's template repository.
# The package lies in the students' repositories: they can read it, and change it where you do not
# protect .github. So these points are for practice; what counts, grade with grade.yml.
name: GitHub Classroom Workflow
on:
  push:
  workflow_dispatch:
permissions:
  checks: write
  actions: read
  contents: read
jobs:
  autograding:
    runs-on: ubuntu-latest
    if: github.actor != 'github-classroom[bot]'
    timeout-minutes: 30
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with:
          persist-credentials: false # the student's code will run here
      - uses: actions/setup-python@5fda3b95a4ea91299a34e894583c3862153e4b97 # v7.0.0
        with:
          python-version: "3.12"
      - name: Install
        run: |
          sudo apt-get update -qq
          sudo apt-get install -qq --yes bubblewrap libseccomp2
          # Ubuntu grants the namespaces that bubblewrap needs to few programs.
          sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0
          pip install --quiet --requirement .github/grading/requirements.txt
      - name: Grade
        id: grade
        run: .github/grading/grade
      - uses: classroom-resources/autograding-grading-reporter@v1
        env:
{results}
        with:
          runners: {runners}
"""

_STEP = """\
#!/usr/bin/env bash
# The step "Grade"; SUBMISSION and PYTHON are other places, for a trial.
set -euo pipefail
submission="$(realpath "${{SUBMISSION:-$GITHUB_WORKSPACE}}")"
results="$(realpath "$GITHUB_OUTPUT")"
cd "$(dirname "$0")"
exec "${{PYTHON:-python}}" {command} --submission "$submission" --results "$results"
"""


def pack(
    platform: str,
    out: Path,
    released: Path,
    chapters: Sequence[str],
    visibility: str = "after_published",
) -> None:
    """Write a package.

    Args:
        platform: one of ``PLATFORMS``.
        out: for "gradescope" a new zip file, to upload; else a new folder.
        released: the notebooks as given out.
        chapters: what counts; "project" may be among them.
        visibility: when students of Gradescope see points and sentences.

    Raises:
        ValueError: something is there already, or missing, or the package cannot be written.
    """
    if platform not in PLATFORMS or visibility not in VISIBILITIES:
        raise ValueError(f"{platform}, {visibility}: choose from {PLATFORMS} and {VISIBILITIES}.")
    if out.exists():
        raise ValueError(f"{out} exists already; name a new place for the package.")
    if platform == "gradescope" and out.suffix != ".zip":
        raise ValueError(
            f"{out} is no name of a zip file; Gradescope takes one, as autograder.zip."
        )
    tasks = _tasks(released, chapters)
    command = _COMMAND.format(platform=platform, chapters=" ".join(chapters))
    with tempfile.TemporaryDirectory(prefix="ddpm-pack-") as name:
        folder = Path(name, "package")
        inner = folder / ".github" / "grading" if platform == "classroom" else folder
        ignored = shutil.ignore_patterns("__pycache__", ".*")
        shutil.copytree(PACKAGE, inner / PACKAGE.name, ignore=ignored)
        for chapter in chapters:
            if chapter != PROJECT:
                place = inner / "exercises" / chapter
                place.mkdir(parents=True)
                shutil.copy(released / chapter / f"{chapter}.ipynb", place)
        (inner / "requirements.txt").write_text(_requirements(), encoding="utf8")
        if platform == "gradescope":
            _script(inner / "setup.sh", _SETUP)
            _script(inner / "run_autograder", _RUN.format(command=command, visibility=visibility))
        elif platform == "docker":
            (inner / "Dockerfile").write_text(_DOCKERFILE, encoding="utf8")
            _script(inner / "grade", _GRADE.format(command=command))
        else:
            _script(inner / "grade", _STEP.format(command=command))
            workflow = folder / ".github" / "workflows" / "classroom.yml"
            workflow.parent.mkdir()
            workflow.write_text(_workflow(tasks), encoding="utf8")
        try:
            out.parent.mkdir(parents=True, exist_ok=True)
            if platform == "gradescope":
                _zip(folder, out)
            else:
                shutil.copytree(folder, out)
        except OSError as error:
            shutil.rmtree(out, ignore_errors=True)  # half a package is none
            if out.is_file():
                out.unlink()
            why = error.args[0][0][-1] if isinstance(error, shutil.Error) else error.strerror
            raise ValueError(
                f"{out} cannot be written ({why}); make room, or choose another place."
            ) from error


def _tasks(released: Path, chapters: Sequence[str]) -> list[str]:
    """The names of the tasks that are graded, with a hyphen for all that is no letter."""
    if not chapters:
        raise ValueError("Nothing counts; name one chapter or more.")
    names = []
    for chapter in chapters:
        if chapter == PROJECT:
            names += [f"project.{c.name}" for c in CRITERIA] + ["project.weights", "project.losses"]
        else:
            paper = read_paper(released / chapter / f"{chapter}.ipynb", chapter, "")
            names += [one.task.name for one in paper.graded]
    return [re.sub(r"[._]", "-", name) for name in names]


def _workflow(tasks: Sequence[str]) -> str:
    results = "\n".join(
        f"          {task.upper()}_RESULTS: ${{{{ steps.grade.outputs.{task} }}}}" for task in tasks
    )
    return _WORKFLOW.replace("{results}", results).replace("{runners}", ",".join(tasks))


def _requirements() -> str:
    """The libraries that the course needs, in the versions that are installed here."""
    try:
        wanted = metadata.requires("ddpm-course") or []
    except metadata.PackageNotFoundError as error:
        raise ValueError("ddpm-course is not installed; run `pip install .` first.") from error
    lines = []
    for requirement in wanted:
        name, _, marker = requirement.partition(";")
        if "extra" in marker:
            continue
        found = re.match(r"[\w.-]+", name)
        assert found is not None
        version = metadata.version(found[0]).partition("+")[0]
        lines.append(f"{found[0]}=={version}\n")
    return "".join(sorted(lines))


def _script(path: Path, content: str) -> None:
    path.write_text(content, encoding="utf8")
    path.chmod(0o755)


def _zip(folder: Path, out: Path) -> None:
    with zipfile.ZipFile(out, "x", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                entry = zipfile.ZipInfo.from_file(path, str(path.relative_to(folder)))
                entry.external_attr = (stat.S_IFREG | stat.S_IMODE(path.stat().st_mode)) << 16
                entry.compress_type = zipfile.ZIP_DEFLATED
                file.writestr(entry, path.read_bytes())
