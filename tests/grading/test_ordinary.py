"""Whatever is green in an ordinary notebook, run in order in Jupyter, gets its points."""

import json
import subprocess
import sys
from pathlib import Path

import ordinary
import pytest
from ordinary import NOTEBOOKS, cells_of, promised_by
from submissions import RELEASED, cell_of, hand_in, solved

from ddpm_course.grading.judge import grade
from ddpm_course.grading.sandbox import Limits

pytestmark = pytest.mark.long  # all are run once


@pytest.fixture(scope="module")
def setup() -> str:
    return str("".join(cell_of(solved("marginal"), "marginal-setup")["source"]))


@pytest.fixture(scope="module")
def green(setup: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """The green checks of each notebook."""
    path = tmp_path_factory.mktemp("setup") / "setup.py"
    path.write_text(setup, encoding="utf8")
    command = [sys.executable, ordinary.__file__, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=path.parent, timeout=900)
    told = [line for line in done.stdout.splitlines() if line.startswith("GREEN")]
    assert told, done.stderr
    found: dict[str, list[str]] = json.loads(told[0][5:])
    return found


@pytest.fixture(scope="module")
def lost(
    setup: str, tmp_path_factory: pytest.TempPathFactory, walls: None
) -> dict[str, dict[str, str]]:
    """The tasks of each notebook that got no points, and why."""
    folder = tmp_path_factory.mktemp("class")
    released = folder / "released" / "marginal"
    asked = {task for one in NOTEBOOKS.values() for task in promised_by(one)}
    nb = json.loads((RELEASED / "marginal" / "marginal.ipynb").read_text(encoding="utf8"))
    kept = {"marginal-setup", *(f"marginal-{task}" for task in asked)}
    nb["cells"] = [c for c in nb["cells"] if c["metadata"]["nbgrader"].get("grade_id") in kept]
    released.mkdir(parents=True)
    (released / "marginal.ipynb").write_text(json.dumps(nb), encoding="utf8")
    for name in NOTEBOOKS:
        cells = [
            {"cell_type": "code", "metadata": {}, "source": source, "outputs": []}
            for source in cells_of(name, setup)
        ]
        text = [{"cell_type": "markdown", "metadata": {}, "source": "내 답: *because*"}]
        hand_in(folder / "in", name.replace("/", " "), "marginal", {"cells": [*text, *cells]})
    found = grade(folder / "in", released.parent, jobs=2, limits=Limits(10))
    return {one.student: {g.task: g.sentence for g in one.grades if not g.right} for one in found}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_point_is_lost_that_a_green_check_promised(
    name: str, green: dict[str, list[str]], lost: dict[str, dict[str, str]]
) -> None:
    promised = {f"marginal.{task}" for task in promised_by(NOTEBOOKS[name])}
    assert set(green[name]) == promised  # in Jupyter it is right
    assert not {task: said for task, said in lost[name].items() if task in promised}


def test_there_are_many(capsys: pytest.CaptureFixture[str]) -> None:
    assert len(NOTEBOOKS) >= 100
    assert Path(ordinary.__file__).name == "ordinary.py"
