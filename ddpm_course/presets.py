"""Networks and how to train them, ready to name: ``ddpm-course train --preset gray28``.

Each is a beginning, not an optimum; the page *Your own pictures* says what each costs.
"""

from __future__ import annotations

from dataclasses import dataclass

from ddpm_course.schedule import Schedule
from ddpm_course.trainer import TrainConfig
from ddpm_course.unet import UNetConfig

__all__ = ["PRESETS", "Preset"]


@dataclass(frozen=True)
class Preset:
    """What to train, and how.

    Args:
        unet: the network; its size and channels give way to those of the data.
        schedule: the forward process.
        train: how long, and in what batches.
        data: what it is trained on when nothing else is named; None where that must be named.
        side: the size that one's own pictures are brought to; None for their own.
    """

    unet: UNetConfig
    schedule: Schedule
    train: TrainConfig
    data: str | None = None
    side: int | None = None


def _own(
    size: int, colors: int, widths: tuple[int, ...], attention: str, T: int, batch: int, steps: int
) -> tuple[UNetConfig, Schedule, TrainConfig]:
    unet = UNetConfig(
        size=size,
        in_channels=colors,
        channels=widths,
        blocks=2 if size >= 64 else 1,
        attention=tuple(level == "a" for level in attention),  # "." for a level without
        dropout=0.1,
    )
    rate = 2e-4 if size >= 64 else 2e-3  # large networks bear small steps alone
    train = TrainConfig(steps=steps, batch_size=batch, learning_rate=rate)
    return unet, Schedule.cosine(T), train


PRESETS = {
    # So small an image needs few steps: 250 draw as well as 1000, in a quarter of the time.
    "digits": Preset(UNetConfig.digits(), Schedule.cosine(250), TrainConfig.digits(), "digits"),
    "color16": Preset(*_own(16, 3, (32, 64), ".a", 250, 128, 10_000), None, 16),
    "gray28": Preset(*_own(28, 1, (32, 64, 96), "..a", 1000, 64, 20_000), "mnist", 28),
    "color32": Preset(*_own(32, 3, (32, 64, 96, 96), "..a.", 1000, 64, 30_000), "cifar10", 32),
    "color64": Preset(*_own(64, 3, (64, 128, 128, 256), "..aa", 1000, 64, 100_000), None, 64),
    # The network and the training of Ho et al. (2020) for CIFAR-10: for a GPU.
    "cifar10": Preset(UNetConfig.cifar10(), Schedule.linear(), TrainConfig.cifar10(), "cifar10"),
}
