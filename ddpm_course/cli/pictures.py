"""Drawn images into a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def write_images(out: Path, draw: Callable[[], Tensor]) -> None:
    """Draw, and write a grid or numbers; it is refused before the work if it cannot be written."""
    from ddpm_course.checkpoint import beside

    if out.suffix not in (".npy", ".png"):
        raise ValueError(f"--out is {out}; end it with .png (a grid) or .npy (numbers).")
    with beside(out) as file:
        file.touch()
        images = draw()
        if out.suffix == ".npy":
            import numpy as np

            np.save(file, images.numpy())
        else:
            from ddpm_course.plots import save_images

            save_images(images, file)
    print(f"{len(images)} images in {out}")
