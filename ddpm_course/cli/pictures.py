"""Drawn images into a file."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_course.cli.output import say

if TYPE_CHECKING:
    from torch import Tensor


def write_images(
    out: Path,
    draw: Callable[[], Tensor],
    force: bool = False,
    about: dict[str, Any] | None = None,
) -> None:
    """Draw, and write a grid or numbers; it is refused before the work if it cannot be written.
    What was written is said in words, or where there is something to say ``about`` it, in JSON."""
    from ddpm_course.checkpoint import beside

    if out.suffix not in (".npy", ".png"):
        raise ValueError(f"--out is {out}; end it with .png (a grid) or .npy (numbers).")
    if out.is_file() and not force and not _ours(out):
        raise ValueError(f"{out} exists already; name another file, or overwrite it with --force.")
    with beside(out) as file:
        file.touch()
        images = draw()
        if out.suffix == ".npy":
            import numpy as np

            np.save(file, images.numpy())
        else:
            from ddpm_course.plots import save_images

            save_images(images, file)
    if about is None:
        say(f"{len(images)} images in {out}")
    else:
        print(json.dumps({"out": str(out), "shape": list(images.shape), **about}, indent=2))


def _ours(file: Path) -> bool:
    """Whether it is a picture that this course drew; the same command may draw it again."""
    from PIL import Image

    from ddpm_course.plots import MADE_BY

    try:
        with Image.open(file) as image:
            return image.info.get("Software") == MADE_BY
    except (OSError, ValueError, SyntaxError):
        return False
