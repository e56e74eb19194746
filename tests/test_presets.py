"""Presets: each builds, fits its pictures, and is trained by the steps that its name promises."""

from __future__ import annotations

import re

import pytest
import torch

from ddpm_course import UNet
from ddpm_course.presets import PRESETS
from ddpm_course.trainer import Trainer

OWN = [name for name in PRESETS if re.fullmatch(r"(gray|color)\d+", name)]


@pytest.mark.parametrize("name", OWN)
def test_the_name_says_what_pictures_it_is_for(name: str) -> None:
    unet = PRESETS[name].unet
    colors, size = re.fullmatch(r"(gray|color)(\d+)", name).groups()
    assert unet.shape == (int(size), int(size))
    assert PRESETS[name].side == int(size)
    assert unet.in_channels == {"gray": 1, "color": 3}[colors]
    # The rules of the page: the lowest level has 4 to 8 pixels a side, attention none above 16.
    lowest = int(size) // 2 ** (len(unet.channels) - 1)
    assert 4 <= lowest <= 8
    sides = [int(size) // 2**level for level in range(len(unet.channels))]
    assert all(side <= 16 for side, here in zip(sides, unet.attention) if here)
    assert any(unet.attention)


@pytest.mark.parametrize("name", ["digits", "color16", "gray28", "color32"])
def test_one_step_of_training(name: str) -> None:
    preset = PRESETS[name]
    data = torch.rand(preset.train.batch_size, preset.unet.in_channels, *preset.unet.shape) * 2 - 1
    torch.manual_seed(0)
    trainer = Trainer(UNet(preset.unet), preset.schedule, data, preset.train)
    (metrics,) = trainer.steps(1)
    assert metrics.loss == pytest.approx(1, abs=0.1)  # ε̂ starts at 0, and E|ε|² is 1 a pixel


def test_what_the_papers_say() -> None:
    ho = PRESETS["cifar10"]
    assert sum(p.numel() for p in UNet(ho.unet).parameters()) == 35_746_307
    assert ho.schedule.T == 1000
    assert ho.train.steps == 800_000
    assert float(ho.schedule.beta[1]) == pytest.approx(1e-4)
    assert float(ho.schedule.beta[-1]) == pytest.approx(0.02)
