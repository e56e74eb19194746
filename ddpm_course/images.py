"""Images to train on: the digits, well-known sets from the Hugging Face Hub, or your own: a folder,
or numbers in a .npy file.

Transparent parts are laid on white. Hidden files are left out. What was read, and what was not, is
said in one line.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ddpm_course import checks
from ddpm_course.data import digits

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

__all__ = ["NAMED", "load", "settled"]

# name: (where it is on the Hub, its size)
NAMED = {
    "mnist": ("ylecun/mnist", 28),
    "fashion_mnist": ("zalando-datasets/fashion_mnist", 28),
    "cifar10": ("uoft-cs/cifar10", 32),
}
_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_SYSTEM = {"__MACOSX", "@eaDir", "$RECYCLE.BIN", "Thumbs.db", "desktop.ini"}
_GRAY = ("1", "L", "LA", "La")
_WHITE = 255  # what lies under transparent parts

Pictures = tuple[int, Iterable[tuple[str, "Image"]], str]  # how many, they, and what is missing


def load(
    source: str | os.PathLike[str],
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Tensor:
    """Images, cropped to their central square and resized.

    Args:
        source: "digits", "mnist", "fashion_mnist" or "cifar10"; "hub:NAME" for the training split
            of another image set of the Hugging Face Hub; a folder, searched to its depths; or a
            .npy file, (N, C, H, W) uint8, or float32 in [-1, 1]: it stays on disk until it is read.
        size: height and width (two numbers for a .npy file alone). When left out: the size of the
            named set or the .npy file; for a folder the
            side of its smallest image, rounded down to a multiple of 4, at most 32.
        channels: 1 for gray, 3 for color; when left out, color if any image is.
        tell: is given one line that says how many images of what size were read from where, and
            which files were left out.

    Returns:
        (N, channels, size, size) uint8; the digits as ``data.digits`` gives them, float32.

    Raises:
        ValueError: the images cannot be had, one cannot be read, or one is smaller than ``size``.
    """
    source = os.fspath(source)
    if isinstance(size, int) and size < 1:
        raise ValueError(f"size is {size}; it must be at least 1 pixel.")
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
        if source in NAMED:
            name, own_size = NAMED[source]
            pictures, size = _from_hub(name), size or own_size
        elif source.startswith("hub:"):
            pictures, size = _from_hub(source.removeprefix("hub:")), size or 32
        else:
            files, missing = _files(Path(source))
            pictures, size = (len(files), map(_read, files), missing), size or _common_size(files)
        images, notes = _stack(pictures, size, channels)
    if tell is not None:
        count, c, height, width = images.shape
        what = "image" if count == 1 else "images"
        tell(f"{count:,} {what} of {height}x{width}x{c} from {source}{notes}")
    return images


def settled(source: str) -> str:
    """The same source, as it is named from any other folder: one on the disk becomes absolute."""
    named = source == "digits" or source in NAMED or source.startswith("hub:")
    return source if named else str(Path(source).resolve())


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
    images = torch.from_numpy(array)
    if images.is_floating_point():
        checks.in_range(images, str(file))
    for name, wanted, found in (
        ("size", size, (array.shape[2], array.shape[3])),
        ("channels", channels, array.shape[1]),
    ):
        if wanted is not None and found not in (wanted, (wanted, wanted)):
            raise ValueError(f"{file} has {name} {found}, not {wanted}; leave the {name} out.")
    return images


def _files(folder: Path) -> tuple[list[Path], str]:
    """The image files of a folder, and a note on the others. Hidden ones do not count at all."""
    try:
        is_folder = folder.is_dir()
    except OSError:  # a name that is too long
        is_folder = False
    if not is_folder:
        raise ValueError(
            f"{folder} is no folder of images; give one with --data, a .npy file, or digits, "
            f"{', '.join(NAMED)} or hub:NAME."
        )
    files, others, seen = [], Counter[str](), set()
    for place, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in names:
            file = Path(place, name)
            if _hidden(name):
                continue
            if file.suffix.lower() in _ENDINGS:
                files.append(file)
            else:
                others[file.suffix.lower() or "without an ending"] += 1
    left_out = ""
    if others:
        count = sum(others.values())
        kinds = ", ".join(sorted(others))
        left_out = f"{count} {'file' if count == 1 else 'files'} left out, no image: {kinds}"
    if not files:
        raise ValueError(
            f"{folder} holds no images ({', '.join(sorted(_ENDINGS))}); add some, or save others "
            "as these" + (f" ({left_out})." if left_out else ".")
        )
    return sorted(files), left_out


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM


# How to turn a picture for each value of EXIF's orientation.
_TURNS = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}


def _read(file: Path) -> tuple[str, Image]:
    from PIL import Image

    try:
        with Image.open(file) as image:
            # Phones put a second picture into a JPEG (MPO); the first is the photograph.
            frames = getattr(image, "n_frames", 1)
            if frames > 1 and image.format != "MPO":
                raise ValueError(f"it holds {frames} pictures, an animation or pages")
            image.load()
            # Pillow's exif_transpose would write all tags anew, and stop at one that is odd.
            turn = _TURNS.get(image.getexif().get(0x0112, 1))
            return str(file), image.transpose(Image.Transpose[turn]) if turn else image.copy()
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes of them
        raise ValueError(
            f"{file} cannot be read as an image ({error}); repair or remove it."
        ) from error


def _common_size(files: Iterable[Path]) -> int:
    from PIL import Image

    smallest = 32
    for file in files:
        try:
            with Image.open(file) as image:
                smallest = min(smallest, *image.size)
        except Exception as error:
            raise ValueError(
                f"{file} cannot be read as an image ({error}); repair or remove it."
            ) from error
    return max(4, smallest // 4 * 4)  # the U-Net halves it


def _from_hub(name: str) -> Pictures:
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
    images = rows[columns[0]]
    return len(rows), ((f"image {i} of {name}", image) for i, image in enumerate(images)), ""


def _stack(pictures: Pictures, size: int, channels: int | None) -> tuple[Tensor, str]:
    """(N, C, size, size) uint8, and what to say of them."""
    import numpy as np
    from tqdm.auto import tqdm

    count, images, left_out = pictures
    if not count:
        raise ValueError("the data set holds no images; choose another.")
    # One block for all, gray until the first image in color comes: nothing is held twice.
    stack = np.empty((count, channels or 1, size, size), np.uint8)
    notes = {left_out} - {""}
    for i, (name, image) in enumerate(
        tqdm(images, total=count, desc="images", unit="image", leave=False, disable=None)
    ):
        if min(image.size) < size:
            raise ValueError(
                f"{name} is {image.width}x{image.height}, too small for {size}x{size}; remove it "
                "or choose a smaller size."
            )
        if image.mode[0] in "IF":
            raise ValueError(f"{name} has more than 8 bits a pixel; save it with 8, or remove it.")
        if channels is None and image.mode not in _GRAY and stack.shape[1] == 1:
            wide = np.empty((count, 3, size, size), np.uint8)
            wide[:i] = stack[:i]
            stack = wide
        try:
            stack[i] = _square(image, size, stack.shape[1], notes)
        except (OSError, ValueError) as error:
            raise ValueError(f"{name} cannot be converted ({error}); save it as RGB.") from error
    said = sorted(notes)
    return torch.from_numpy(stack), f" ({'; '.join(said)})" if said else ""


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
    square = image.convert(mode).crop((left, top, left + side, top + side))
    if side != size:
        notes.add(f"resized to {size}x{size}")
        square = square.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(square).reshape(size, size, channels).transpose(2, 0, 1)
