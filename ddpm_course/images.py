"""Images to train on: the digits, well-known sets from the Hugging Face Hub, or your own folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ddpm_course.data import digits

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["NAMED", "load", "settled"]

# name: (where it is on the Hub, its size)
NAMED = {
    "mnist": ("ylecun/mnist", 28),
    "fashion_mnist": ("zalando-datasets/fashion_mnist", 28),
    "cifar10": ("uoft-cs/cifar10", 32),
}
_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}


def load(source: str, size: int | None = None, channels: int | None = None) -> Tensor:
    """Images, cropped to their central square and resized.

    Args:
        source: "digits", "mnist", "fashion_mnist" or "cifar10"; "hub:NAME" for the training split
            of another image set of the Hugging Face Hub; or a folder, searched to its depths.
        size: height and width; when left out, the size of the named set, or 32.
        channels: 1 for grey, 3 for color; when left out, as the first image has it.

    Returns:
        (N, channels, size, size) uint8; the digits as ``data.digits`` gives them, float32.

    Raises:
        ValueError: the images cannot be had, one cannot be read, or one is smaller than ``size``.
    """
    if size is not None and size < 1:
        raise ValueError(f"size is {size}; it must be at least 1 pixel.")
    if channels not in (None, 1, 3):
        raise ValueError(f"channels is {channels}; choose 1 (grey) or 3 (color).")
    if source == "digits":
        if size not in (None, 8) or channels not in (None, 1):
            raise ValueError("the digits are 8x8 and grey; leave the size and the channels out.")
        return digits()
    if source in NAMED:
        name, own_size = NAMED[source]
        return _stack(_from_hub(name), size or own_size, channels)
    if source.startswith("hub:"):
        return _stack(_from_hub(source.removeprefix("hub:")), size or 32, channels)
    return _stack(_from_folder(Path(source)), size or 32, channels)


def settled(source: str) -> str:
    """The same source, as it is named from any other folder: one on the disk becomes absolute."""
    named = source == "digits" or source in NAMED or source.startswith("hub:")
    return source if named else str(Path(source).resolve())


def _from_folder(folder: Path) -> Iterable[tuple[str, Image]]:
    from PIL import Image, ImageOps

    if not folder.is_dir():
        raise ValueError(
            f"{folder} is no folder of images; give one with --data, or digits, "
            f"{', '.join(NAMED)} or hub:NAME."
        )
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in _ENDINGS)
    if not files:
        raise ValueError(f"{folder} holds no images ({', '.join(sorted(_ENDINGS))}); add some.")
    for file in files:
        try:
            with Image.open(file) as image:
                yield str(file), ImageOps.exif_transpose(image)
        except (OSError, SyntaxError, Image.DecompressionBombError) as error:
            raise ValueError(
                f"{file} cannot be read as an image ({error}); repair or remove it."
            ) from error


def _from_hub(name: str) -> Iterable[tuple[str, Image]]:
    try:
        import datasets
    except ImportError as error:
        raise ValueError(
            f"{name} comes from the Hugging Face Hub; run `pip install datasets` for it, or give "
            "a folder of images."
        ) from error
    try:
        rows = datasets.load_dataset(name, split="train")
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        first_line = str(error).partition("\n")[0]
        raise ValueError(
            f"{name} cannot be had from the Hugging Face Hub ({first_line}); check the name and "
            "the network (once is enough, it is kept), or give a folder of images."
        ) from error
    columns = [key for key, kind in rows.features.items() if isinstance(kind, datasets.Image)]
    if not columns:
        raise ValueError(f"{name} has no column of images; choose another set.")
    for i, image in enumerate(rows[columns[0]]):
        yield f"image {i} of {name}", image


def _stack(images: Iterable[tuple[str, Image]], size: int, channels: int | None) -> Tensor:
    import numpy as np
    from PIL import Image
    from tqdm.auto import tqdm

    arrays = []
    for name, image in tqdm(images, desc="images", unit="image", leave=False):
        if min(image.size) < size:
            raise ValueError(
                f"{name} is {image.width}x{image.height}, too small for {size}x{size}; remove it "
                "or choose a smaller size."
            )
        if image.mode[0] in "IF":
            raise ValueError(f"{name} has more than 8 bits a pixel; save it with 8, or remove it.")
        if channels is None:
            channels = 1 if image.mode in ("1", "L", "LA") else 3
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        square = image.convert("L" if channels == 1 else "RGB").crop(
            (left, top, left + side, top + side)
        )
        if side != size:
            square = square.resize((size, size), Image.Resampling.LANCZOS)
        arrays.append(np.asarray(square).reshape(size, size, channels))
    if not arrays:
        raise ValueError("the data set holds no images; choose another.")
    return torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2).contiguous()
