"""The shipped networks, written for the pages of the book, which run them in the browser."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

import torch

from ddpm_course import checkpoint, data
from ddpm_course.schedule import Schedule
from ddpm_course.unet import UNet

__all__ = ["examples", "pack", "script"]


def script(source: str) -> str:
    """A classic script that gives a page the U-Net of ``source`` as ``window.ddpmModel``.

    Args:
        source: as for ``checkpoint.load``.

    Returns:
        As ``pack``.

    Raises:
        ValueError: there is no such model, or its file does not hold one.
    """
    return pack("ddpmModel", *checkpoint.load(source))


def pack(name: str, model: UNet, schedule: Schedule, **more: object) -> str:
    """A classic script that gives a page a U-Net as ``window.NAME``.

    A page that is opened from a folder may read no other file, but it may run a script. The
    weights travel as float16 in base64, half the bytes of float32.

    Args:
        more: what else the page needs, as JSON holds it.

    Returns:
        JavaScript that sets {config, beta, weights, ...more}: the sizes of the U-Net, β_0..β_T, and
        for each weight its float16 values (little-endian, row by row) in base64.
    """
    weights = {
        name: base64.b64encode(value.to(torch.float16).numpy().astype("<f2").tobytes()).decode()
        for name, value in model.state_dict().items()
    }
    given = {"config": asdict(model.config), "beta": schedule.beta.tolist(), "weights": weights}
    return f"window.{name} = {json.dumps(given | more)};\n"


def examples(count: int = 20) -> str:
    """A classic script that gives a page real digits of the test set as ``window.ddpmDigits``.

    Args:
        count: how many; they come in the order 0, 1, ..., 9, 0, 1, ...

    Returns:
        JavaScript that sets a list of lists of 64 whole numbers, 0..16: ink, row by row.
    """
    images, labels = data.digits("test"), data.digit_labels("test")
    ink = ((images.flatten(1) + 1) * 8).round().int()
    chosen = [ink[labels == number % 10][number // 10].tolist() for number in range(count)]
    return f"window.ddpmDigits = {json.dumps(chosen)};\n"
