"""The command that trains the miniatures."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from ddpm_course import checkpoint
from ddpm_course.trends import multimodal
from ddpm_course.trends.train import MINIATURES, main


def test_every_miniature_ships() -> None:
    for name in MINIATURES:
        assert 0 < checkpoint.asset(name).stat().st_size <= 1_000_000
    readme = checkpoint.asset("digits").with_name("README.md").read_text(encoding="utf8")
    assert all(f"## `{name}.safetensors`" in readme for name in MINIATURES)
    assert "make miniatures" in readme


def test_it_trains_saves_and_measures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(multimodal, "train", partial(multimodal.train, steps=5))
    assert main(["multimodal", "--seed", "1", "--out", str(tmp_path)]) == 0
    model = multimodal.load(tmp_path / "multimodal.safetensors")
    out = capsys.readouterr().out
    assert "multimodal: 0.14 MB" in out
    for what, figure in multimodal.figures(model).items():
        assert f"{what}: {figure:.4g}" in out
    assert len(list(tmp_path.iterdir())) == 1


def test_it_knows_its_miniatures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["multimodle", "--out", str(tmp_path)]) == 2
    assert "multimodle is no miniature; name " in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
