"""Images to train on: the digits, well-known sets from the Hugging Face Hub, or your own: a folder,
tar archives, or numbers in a .npy file.

Transparent parts are laid on white. Hidden files are left out. What was read, and what was not, is
said in one line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ddpm_course import checks
from ddpm_course.data import digits
from ddpm_course.sources import NAMED, Pictures, find

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__all__ = ["GRAY", "line", "load", "settled", "side", "square"]

GRAY = ("1", "L", "LA", "La")  # the modes of pictures without color
_WHITE = 255  # what lies under transparent parts


def load(
    source: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Tensor:
    """Images, cropped to their central square and resized.

    Args:
        source: "digits", "mnist", "fashion_mnist" or "cifar10"; "hub:NAME" for the training split
            of another image set of the Hugging Face Hub; a folder, searched to its depths; a .tar
            file of images, or a folder of such; or a .npy file, (N, C, H, W) uint8, or float32 in
            [-1, 1]: it stays on disk until it is read.
        size: height and width (two numbers for a .npy file alone). When left out: the size of the
            named set or the .npy file; for a folder the side of its smallest image, rounded down to
            a multiple of 4, at most 32.
        channels: 1 for gray, 3 for color; when left out, color if any image is.
        tell: is given one line that says how many images of what size were read from where, and
            which files were left out.

    Returns:
        (N, channels, size, size) uint8; the digits as ``data.digits`` gives them, float32.

    Raises:
        ValueError: the images cannot be had, one cannot be read, or one is smaller than ``size``.
    """
    source = os.fspath(source)
    for one in size if isinstance(size, tuple) else [] if size is None else [size]:
        if not checks.whole(one) or one < 1:
            raise ValueError(f"size is {size!r}; it must be a whole number, at least 1 pixel.")
    from_file = source.endswith(".npy") and not Path(source).is_dir()
    if isinstance(size, tuple) and not from_file:
        raise ValueError(
            f"{source} is cut to squares, and {size[0]}x{size[1]} is none; give a .npy file."
        )
    if channels not in (None, 1, 3):
        raise ValueError(f"channels is {channels}; choose 1 (gray) or 3 (color).")
    notes = ""
    if source == "digits":
        if size not in (None, 8) or channels not in (None, 1):
            raise ValueError("the digits are 8x8 and gray; leave the size and the channels out.")
        images = digits()
    elif from_file:
        images = _from_file(Path(source), size, channels)
    else:
        assert not isinstance(size, tuple)
        pictures = find(source)
        images, notes = _stack(pictures, size or pictures.own_size or side(pictures), channels)
    if tell is not None:
        tell(line(tuple(images.shape), source, notes))
    return images


def line(shape: tuple[int, ...], source: str, notes: str = "") -> str:
    """What was read, for people."""
    count, c, height, width = shape
    what = "image" if count == 1 else "images"
    return f"{count:,} {what} of {height}x{width}x{c} from {source}{notes}"


def side(pictures: Pictures) -> int:
    """The side of the smallest picture, rounded down to a multiple of 4, at most 32."""
    smallest = min([32, *(short for _, short, _ in pictures.heads())])
    return max(4, smallest // 4 * 4)  # the U-Net halves it


def settled(source: str) -> str:
    """The same source, as it is named from any other folder: one on the disk becomes absolute.

    Raises:
        ValueError: its name cannot be written down.
    """
    if source == "digits" or source in NAMED or source.startswith("hub:"):
        return source
    place = str(Path(source).resolve())
    try:
        place.encode("utf8")
    except UnicodeEncodeError as error:  # bytes of another encoding
        raise ValueError(
            f"the name {place!a} is no UTF-8, and the run keeps it; give the folder another."
        ) from error
    return place


def _from_file(file: Path, size: int | tuple[int, int] | None, channels: int | None) -> Tensor:
    import numpy as np

    try:
        # Pages of the file are read when they are needed; all processes of a machine share them.
        array = np.load(file, mmap_mode="c")
    except (OSError, ValueError) as error:
        raise ValueError(f"{file} cannot be read as numbers ({error}); write it anew.") from error
    if array.dtype not in (np.uint8, np.float32) or array.ndim != 4 or array.shape[1] not in (1, 3):
        raise ValueError(
            f"{file} holds {array.dtype} of shape {array.shape}; give (N, C, H, W) with C = 1 or "
            "3, uint8 in 0..255 or float32 in [-1, 1]."
        )
    if not len(array):
        raise ValueError(f"{file} holds no images: its shape is {array.shape}.")
    images = torch.from_numpy(array)
    if images.is_floating_point():
        checks.in_range(images, str(file))
        low, high = images.amin().item(), images.amax().item()
        if not -1.001 <= low <= high <= 1.001:  # nor is NaN
            raise ValueError(
                f"{file} holds values from {low:g} to {high:g}; give float32 in [-1, 1], or uint8."
            )
        if 0 <= low < high:  # no set of pictures is lighter than gray in every pixel
            raise ValueError(
                f"{file} holds values from {low:g} to {high:g}, as pictures in [0, 1] do; give "
                "float32 in [-1, 1] (2 x - 1), or uint8."
            )
    elif images[:1000].amax() == 1 == images.amax():
        raise ValueError(
            f"{file} holds uint8 from 0 to 1, which would all be black; give 0..255: 0 and 255 "
            "where two values are meant."
        )
    for name, wanted, found in (
        ("size", size, (array.shape[2], array.shape[3])),
        ("channels", channels, array.shape[1]),
    ):
        if wanted is not None and found not in (wanted, (wanted, wanted)):
            raise ValueError(f"{file} has {name} {found}, not {wanted}; leave the {name} out.")
    return images


def _stack(pictures: Pictures, size: int, channels: int | None) -> tuple[Tensor, str]:
    """(N, C, size, size) uint8, and what to say of them."""
    import numpy as np
    from tqdm.auto import tqdm

    count = len(pictures)
    _fits(count * (channels or 1) * size**2)
    # One block for all, gray until the first image in color comes: nothing is held twice.
    stack = np.empty((count, channels or 1, size, size), np.uint8)
    notes = {pictures.note} - {""}
    for i, (name, image) in enumerate(
        tqdm(pictures, total=count, desc="images", unit="image", leave=False, disable=None)
    ):
        if channels is None and image.mode not in GRAY and stack.shape[1] == 1:
            _fits(3 * stack.size)
            stack.resize((count, 3, size, size), refcheck=False)  # grows where it is
            for j in reversed(range(i)):  # from the end, so that none is written over before
                stack[j] = stack.reshape(-1)[j * size**2 : (j + 1) * size**2].reshape(size, size)
        stack[i] = square(name, image, size, stack.shape[1], notes)
    said = sorted(notes)
    return torch.from_numpy(stack), f" ({'; '.join(said)})" if said else ""


def _fits(size: int) -> None:
    """Raise a ValueError before a set is read that is larger than all of the memory."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not told here
        return
    if size > memory:
        raise ValueError(
            f"these pictures take {size / 1e9:.1f} GB and the memory has {memory / 1e9:.1f}; "
            "read them as they are needed, with --stream, or make them smaller."
        )


def square(name: str, image: Image, size: int, channels: int, notes: set[str]) -> np.ndarray:
    """(channels, size, size): the central square, on white where the image is transparent.

    Raises:
        ValueError: the image is smaller, has more than 8 bits, or a mode that is not known.
    """
    if min(image.size) < size:
        raise ValueError(
            f"{name} is {image.width}x{image.height}, too small for {size}x{size}; remove it "
            "or choose a smaller size."
        )
    if image.mode[0] in "IF":
        raise ValueError(f"{name} has more than 8 bits a pixel; save it with 8, or remove it.")
    try:
        return _square(image, size, channels, notes)
    except (OSError, ValueError) as error:
        raise ValueError(f"{name} cannot be converted ({error}); save it as RGB.") from error


def _square(image: Image, size: int, channels: int, notes: set[str]) -> np.ndarray:
    """(channels, size, size): the central square, on white where the image is transparent."""
    import numpy as np
    from PIL import Image

    mode = "L" if channels == 1 else "RGB"
    if image.has_transparency_data:
        notes.add("transparent parts on white")
        image = image.convert("RGBA")
        ground = Image.new("RGBA", image.size, (_WHITE, _WHITE, _WHITE, 255))
        image = Image.alpha_composite(ground, image)
    side = min(image.size)
    if image.width != image.height:
        notes.add("central squares")
    left, top = (image.width - side) // 2, (image.height - side) // 2
    cut = image.convert(mode).crop((left, top, left + side, top + side))
    if side != size:
        notes.add(f"resized to {size}x{size}")
        cut = cut.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(cut).reshape(size, size, channels).transpose(2, 0, 1)
