"""The speedrun: it judges what an entry gives, and says in a sentence what no entry is."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"

pytest.importorskip("diffusers")  # `report.py` notes its version

GOOD = """
import torch
from ddpm_course import Schedule, UNet, UNetConfig

def train(seed):
    torch.manual_seed(seed)
    return UNet(UNetConfig(channels=(8,), attention=(False,), blocks=1)), Schedule.cosine(20)
"""


@pytest.fixture
def speedrun(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    import torch

    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    import report
    import speedrun

    monkeypatch.setattr(report, "RESULTS", tmp_path / "results")
    yield speedrun
    for name in ("speedrun", "report"):
        sys.modules.pop(name, None)


def test_an_untrained_network_is_timed_judged_and_does_not_reach_the_marks(
    speedrun: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = tmp_path / "mine.py"
    entry.write_text(GOOD)
    asked = ["--entry", str(entry), "--seeds", "2", "--num", "30"]
    assert speedrun.main(asked) == 1
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "results" / "speedrun-cpu.json").read_text())
    assert [run["seed"] for run in told["runs"]] == [0, 1]
    assert not told["reached"]
    for run in told["runs"]:
        assert run["frechet"] > speedrun.NEAR
        assert run["processor_seconds"] > 0


def test_who_reaches_both_marks_with_every_seed_wins(
    speedrun: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    entry = tmp_path / "mine.py"
    entry.write_text(GOOD)
    asked = ["--entry", str(entry), "--seeds", "2", "--num", "2"]
    for frechet, sure, code in ((0.13, 0.85, 0), (0.131, 0.9, 1), (0.1, 0.849, 1)):
        report = speedrun.metrics.DigitReport(frechet, sure, [0.1] * 10, 2.0)
        monkeypatch.setattr(speedrun.metrics, "digit_report", lambda samples, found=report: found)
        assert speedrun.main(asked) == code


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "is not there; give a Python file"),
        ("x = 1", "has no function train"),
        ("1 / 0", "stopped with ZeroDivisionError: division by zero"),
        ("import sys; sys.exit(3)", "stopped with SystemExit: 3"),
        ("def train(seed): return seed", "train(0) gave int 0; it must give a network"),
    ],
)
def test_what_is_no_entry_is_said_in_one_sentence(
    speedrun: ModuleType,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str | None,
    said: str,
) -> None:
    entry = tmp_path / "mine.py"
    if text is not None:
        entry.write_text(text)
    assert speedrun.main(["--entry", str(entry)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "Traceback" not in told
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("asked", [["--seeds", "0"], ["--num", "1"], ["--threads", "0"]])
def test_bad_numbers_are_refused(
    speedrun: ModuleType, capsys: pytest.CaptureFixture[str], asked: list[str]
) -> None:
    assert speedrun.main(asked) == 2
    assert f"{asked[0]} is {asked[1]}; give" in capsys.readouterr().err
