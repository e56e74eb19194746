"""The page on one's own pictures: its script and its command are one and the same training."""

from __future__ import annotations

import ast
import json
import re
import shlex
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch

from ddpm_course import checkpoint, cli
from ddpm_course.presets import PRESETS

PAGE = (Path(__file__).parents[1] / "book" / "own-data.md").read_text(encoding="utf8")
CELLS = re.findall(r"^```\{code-cell\} ipython3\n(.*?)^```", PAGE, re.S | re.M)
PAINT = next(cell for cell in CELLS if "ImageDraw.Draw" in cell)
SCRIPT = next(cell for cell in CELLS if cell.startswith('"""From a folder'))
BASH = re.findall(r"^```bash\n(.*?)^```", PAGE, re.S | re.M)
COMMANDS = BASH[0].splitlines()


def shorter(text: str, **changes: str) -> str:
    """The same text with other numbers; each must be there."""
    for old, new in changes.items():
        assert text.count(old) == 1, f"{old!r} is not once in the page"
        text = text.replace(old, new)
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("own")


@pytest.fixture(scope="module")
def script(folder: Path) -> dict[str, Any]:
    """What the page's script leaves, after three steps with fewer pictures."""
    names: dict[str, Any] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        exec(
            shorter(PAINT, **{'("train", 600)': '("train", 40)', '"held-out", 60': '"held-out", 6'})
        )
        exec(shorter(SCRIPT, **{"steps=200": "steps=3", "(32, channels": "(4, channels"}), names)
    return names


def test_the_script_is_one_cell_of_60_to_90_lines() -> None:
    lines = SCRIPT.rstrip().splitlines()
    assert 60 <= len(lines) <= 90
    assert max(map(len, lines)) <= 80


def test_the_script_leaves_a_model_and_a_grid(folder: Path, script: dict[str, Any]) -> None:
    model, schedule = checkpoint.load(folder / "mine" / "model.safetensors")
    for name, value in script["trainer"].ema.module.state_dict().items():
        assert torch.equal(model.state_dict()[name], value)
    assert torch.equal(schedule.beta, script["schedule"].beta)
    assert (folder / "mine" / "samples.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_trains_the_same(
    folder: Path, script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    program, *arguments = shlex.split(shorter(COMMANDS[0], **{"--steps 200": "--steps 3"}))
    assert program == "ddpm-course"
    assert cli.main(arguments) == 0
    of_script, schedule = checkpoint.load("mine/model.safetensors")
    of_command, same = checkpoint.load("runs/mine")
    assert of_command.config == of_script.config
    assert torch.equal(schedule.beta, same.beta)
    for name, value in of_script.state_dict().items():
        assert torch.equal(of_command.state_dict()[name], value), name
    about = json.loads(Path("runs/mine/config.json").read_text())
    assert about["train"] == json.loads(json.dumps(asdict(script["config"])))


def test_the_other_commands_are_understood(
    folder: Path, script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    for command, few in zip(
        COMMANDS[1:], (("--num 32", "--num 2"), ("--num 200", "--num 4")), strict=True
    ):
        _, *arguments = shlex.split(shorter(command, **{few[0]: few[1]}))
        assert (
            cli.main([word.replace("runs/mine", "mine/model.safetensors") for word in arguments])
            == 0
        )
    assert Path("grid.png").exists()


TRAININGS = [block for block in BASH[1:] if block.startswith("ddpm-course train")]


@pytest.mark.parametrize("block", TRAININGS, ids=lambda block: block.split()[3])
def test_each_other_training_begins(
    block: str, folder: Path, script: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is understood, and one step of it is taken, of a batch as small as the folder."""
    monkeypatch.chdir(folder)
    shutil.copytree("pictures", "kinds", dirs_exist_ok=True)  # two folders: two kinds
    line = block.splitlines()[0]
    _, *arguments = shlex.split(line)
    out = arguments[arguments.index("--out") + 1]
    small = ["--out", f"{out}-{len(line)}", "--steps", "1", "--batch-size", "4"]
    assert cli.main([*arguments, *small]) == 0


def test_each_preset_has_its_price() -> None:
    """The seconds of a step, measured; or None, which the table marks as arithmetic."""
    (table,) = re.findall(r"^SIZES = (\{.*?^\})", PAGE, re.S | re.M)
    sizes = ast.literal_eval(table)
    assert [*sizes] == [name for name in PRESETS if name != "cifar10"]  # the paper's own
    for name in ("gray28", "color32"):  # for two cores overnight
        assert 1 < sizes[name][0] * PRESETS[name].train.steps / 2 / 3600 < 10
    assert sizes["color64"][0] is None
    assert "'' if seconds else '*'" in PAGE  # the mark
