"""The shipped networks, written for the pages of the book, which run them in the browser."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict

import torch

from ddpm_course import checkpoint

__all__ = ["script"]


def script(source: str) -> str:
    """A classic script that gives a page the U-Net of ``source`` as ``window.ddpmModel``.

    A page that is opened from a folder may read no other file, but it may run a script. The
    weights travel as float16 in base64, half the bytes of float32.

    Args:
        source: as for ``checkpoint.load``.

    Returns:
        JavaScript that sets {config, beta, weights}: the sizes of the U-Net, β_0..β_T, and for
        each weight its float16 values (little-endian, row by row) in base64.

    Raises:
        ValueError: there is no such model, or its file does not hold one.
    """
    model, schedule = checkpoint.load(source)
    weights = {
        name: base64.b64encode(value.to(torch.float16).numpy().astype("<f2").tobytes()).decode()
        for name, value in model.state_dict().items()
    }
    given = {"config": asdict(model.config), "beta": schedule.beta.tolist(), "weights": weights}
    return f"window.ddpmModel = {json.dumps(given)};\n"
