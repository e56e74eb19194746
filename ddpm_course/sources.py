"""Where pictures are: in a folder, in tar archives, or in a set of the library datasets.

A class for each kind: how many there are, the i-th with its name, and a mark that tells the set
from others. Nothing is decoded, and no archive unpacked, before a picture is asked for.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["NAMED", "Folder", "Pictures", "Rows", "Shards", "Stream", "find"]

# name: (where it is on the Hub, its size)
NAMED = {
    "mnist": ("ylecun/mnist", 28),
    "fashion_mnist": ("zalando-datasets/fashion_mnist", 28),
    "cifar10": ("uoft-cs/cifar10", 32),
}
_ENDINGS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_SYSTEM = {
    *("__MACOSX", "@eaDir", "#recycle", "$RECYCLE.BIN", "System Volume Information"),
    *("Thumbs.db", "ehthumbs.db", "desktop.ini", "Icon\r"),
}


class Pictures(ABC):
    """Pictures by number.

    Attributes:
        note: what to say of files that were left out, or "".
        own_size: the side that the set is known for, if it is.
        window: in how many pictures an order by chance may jump; None where all can be reached.
    """

    note = ""
    own_size: int | None = None
    window: int | None = None

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def stored(self, i: int) -> tuple[str, Path | BytesIO]:
        """The i-th as it is kept, and its name."""

    @abstractmethod
    def mark(self) -> str:
        """Tells the set from others, without reading all of it."""

    def __getitem__(self, i: int) -> tuple[str, Image]:
        """The i-th, decoded and upright.

        Raises:
            ValueError: it cannot be read; the sentence names it.
        """
        return _decoded(*self.stored(i))

    def __iter__(self) -> Iterator[tuple[str, Image]]:
        return (self[i] for i in range(len(self)))

    def heads(self) -> Iterator[tuple[str, int, str]]:
        """Name, shorter side and mode of each, from the first bytes of its file."""
        from PIL import Image

        for i in range(len(self)):
            name, file = self.stored(i)
            try:
                with Image.open(file) as image:
                    yield name, min(image.size), image.mode
            except Exception as error:
                raise _unreadable(name, error) from error


class Folder(Pictures):
    """The image files of a folder, to its depths. Hidden ones do not count at all.

    Raises:
        ValueError: there are none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        files, others = _searched(folder)
        self.files = sorted(file for file in files if file.suffix.lower() in _ENDINGS)
        self.note = _left_out(others)
        if not self.files:
            raise ValueError(
                f"{folder} holds no images ({', '.join(sorted(_ENDINGS))}) and no .tar of them; "
                "add some, or save others as these" + (f" ({self.note})." if self.note else ".")
            )

    def __len__(self) -> int:
        return len(self.files)

    def stored(self, i: int) -> tuple[str, Path | BytesIO]:
        return str(self.files[i]), self.files[i]

    def mark(self) -> str:
        """From the names and the lengths of the files."""
        return _digest(f"{f.relative_to(self.folder)} {f.stat().st_size}" for f in self.files)


class Shards(Pictures):
    """The image files in tar archives, as WebDataset packs them: they are found once, and read from
    their place in the archive, in any order.

    Raises:
        ValueError: an archive is damaged, compressed or without images.
    """

    def __init__(self, archives: Iterable[Path]) -> None:
        self.archives = sorted(archives)
        self.places: list[tuple[int, int, int]] = []  # archive, first byte, number of bytes
        self.names: list[str] = []
        others = Counter[str]()
        for number, archive in enumerate(self.archives):
            before = len(self.places)
            for member in _members(archive):
                if any(_hidden(part) for part in Path(member.name).parts):
                    continue
                if Path(member.name).suffix.lower() in _ENDINGS:
                    self.places.append((number, member.offset_data, member.size))
                    self.names.append(member.name)
                else:
                    others[_ending(member.name)] += 1
            if len(self.places) == before:
                raise ValueError(
                    f"{archive} holds no images ({', '.join(sorted(_ENDINGS))}); remove it."
                )
        self.note = _left_out(others)

    def __len__(self) -> int:
        return len(self.places)

    def stored(self, i: int) -> tuple[str, Path | BytesIO]:
        number, start, length = self.places[i]
        archive = self.archives[number]
        name = f"{self.names[i]} in {archive}"
        try:
            with archive.open("rb") as file:
                file.seek(start)
                return name, BytesIO(file.read(length))
        except OSError as error:
            raise _unreadable(name, error) from error

    def mark(self) -> str:
        """From the names, the places and the lengths of the files."""
        return _digest(f"{name} {place}" for name, place in zip(self.names, self.places))


class Rows(Pictures):
    """The column of images of a ``datasets.Dataset``, which stays on the disk.

    Raises:
        ValueError: it has no column of images, or no rows.
    """

    def __init__(self, rows: Any, name: str = "the data set") -> None:
        self.name, self.column = name, _image_column(rows, name)
        self.rows = _undecoded(rows, self.column)
        if not len(self):
            raise ValueError(f"{name} holds no images; choose another.")

    def __len__(self) -> int:
        return len(self.rows)

    def stored(self, i: int) -> tuple[str, Path | BytesIO]:
        name = f"image {i} of {self.name}"
        return name, _content(self.rows[i][self.column], name)

    def mark(self) -> str:
        """From the number of rows and the first picture."""
        return _digest([str(len(self)), repr(self[0][1].tobytes())])


class Stream(Pictures):
    """The column of images of a ``datasets.IterableDataset``, in the stream's order: it is read one
    window after another, and an order by chance stays within each.

    Raises:
        ValueError: it has no column of images, or no rows.
    """

    window = 1024

    def __init__(self, rows: Any, name: str = "the data set") -> None:
        self.name, self.column = name, _image_column(rows, name)
        self.rows = _undecoded(rows, self.column)
        splits = getattr(rows.info, "splits", None) or {}
        known = getattr(splits.get(str(rows.split)), "num_examples", None)
        self.count = known or sum(1 for _ in self.rows)  # some sets do not say it
        if not self.count:
            raise ValueError(f"{name} holds no images; choose another.")
        self._coming: Iterator[Any] = iter(())
        self._next, self._here, self._held = -1, -1, list[Any]()

    def __len__(self) -> int:
        return self.count

    def stored(self, i: int) -> tuple[str, Path | BytesIO]:
        here, place = divmod(i, self.window)
        if here != self._here:
            if here != self._next:
                self._coming = iter(self.rows.skip(here * self.window))
            self._held = [row[self.column] for row in islice(self._coming, self.window)]
            self._here, self._next = here, here + 1
        if place >= len(self._held):
            raise ValueError(f"{self.name} ended before image {i} of {self.count}; try again.")
        name = f"image {i} of {self.name}"
        return name, _content(self._held[place], name)

    def mark(self) -> str:
        """From the number of rows and the first picture."""
        return _digest([str(len(self)), repr(self[0][1].tobytes())])

    def __getstate__(self) -> dict[str, Any]:  # another process reads for itself
        return self.__dict__ | {"_coming": iter(()), "_next": -1, "_here": -1, "_held": []}


def find(source: str, stream: bool = False) -> Pictures:
    """The pictures that a name means.

    Args:
        source: "mnist", "fashion_mnist", "cifar10", "hub:NAME", a folder of images, or a .tar file
            or a folder of such.
        stream: take a set of the Hub as it comes, without keeping it.

    Raises:
        ValueError: there are none.
    """
    if source in ("", "hub:"):
        raise ValueError(f"{source!r} names no pictures; give a folder, a file, or hub:NAME.")
    if source in NAMED or source.startswith("hub:"):
        name, size = NAMED.get(source, (source.removeprefix("hub:"), 32))
        pictures = _from_hub(name, stream)
        pictures.own_size = size
        return pictures
    path = Path(source)
    try:
        is_folder, is_file = path.is_dir(), path.is_file()
    except OSError:  # a name that is too long
        is_folder = is_file = False
    if is_file and path.suffix.lower() == ".tar":
        return Shards([path])
    if is_file and tarfile.is_tarfile(path):
        raise ValueError(
            f"{path} is compressed: no picture can be read from its middle; unpack it to a .tar "
            "(gunzip and the like)."
        )
    if not is_folder:
        raise ValueError(
            f"{source} is no folder of images; give one with --data, a .npy or .tar file, or "
            f"digits, {', '.join(NAMED)} or hub:NAME."
        )
    files, _ = _searched(path)
    archives = [file for file in files if file.suffix.lower() == ".tar"]
    return Shards(archives) if archives and len(archives) == len(files) else Folder(path)


def _searched(folder: Path) -> tuple[list[Path], Counter[str]]:
    """All images and archives of a folder, and how many other files of each ending.

    Raises:
        ValueError: a folder in it cannot be read.
    """
    files, others, seen = [], Counter[str](), set()
    for place, folders, names in os.walk(folder, onerror=_refuse, followlinks=True):
        real = os.path.realpath(place)
        if real in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [name for name in folders if not _hidden(name)]
        for name in names:
            if _hidden(name):
                continue
            file = Path(place, name)
            if file.is_fifo():  # whoever opens it waits for a writer
                others["a pipe"] += 1
                continue
            if file.suffix.lower() in _ENDINGS | {".tar"}:
                files.append(file)
            if file.suffix.lower() not in _ENDINGS:
                others[_ending(name)] += 1
    return files, others


def _refuse(error: OSError) -> None:
    """os.walk would leave the folder out and say nothing."""
    raise ValueError(
        f"{error.filename} cannot be read ({error.strerror}); let it be read, or move it away."
    ) from error


def _ending(name: str) -> str:
    return Path(name).suffix.lower() or "without an ending"


def _left_out(others: Counter[str]) -> str:
    if not others:
        return ""
    count = sum(others.values())
    what = "file" if count == 1 else "files"
    return f"{count} {what} left out, no image: {', '.join(sorted(others))}"


def _hidden(name: str) -> bool:
    return name.startswith(".") or name in _SYSTEM


def _members(archive: Path) -> Iterator[tarfile.TarInfo]:
    """The files in an archive that is whole."""
    try:
        with tarfile.open(archive, "r:") as tar:
            for member in tar:
                if member.isfile():
                    yield member
            assert tar.fileobj is not None
            tar.fileobj.seek(tar.offset)
            end = tar.fileobj.read(tarfile.BLOCKSIZE)
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ValueError(
            f"{archive} cannot be read as a tar archive ({error}); copy it again, or remove it."
        ) from error
    if end != bytes(tarfile.BLOCKSIZE):  # an archive ends with zeros; tarfile itself does not look
        raise ValueError(f"{archive} is damaged or cut off; copy it again, or remove it.")


def _digest(lines: Iterable[str]) -> str:
    content = hashlib.sha256()
    for line in lines:
        content.update(line.encode("utf8", "surrogateescape") + b"\n")
    return content.hexdigest()[:16]


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


def _decoded(name: str, file: Path | BytesIO) -> tuple[str, Image]:
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
            return name, image.transpose(Image.Transpose[turn]) if turn else image.copy()
    except Exception as error:  # Pillow's readers raise whatever a damaged file makes of them
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> ValueError:
    return ValueError(f"{name} cannot be read as an image ({error}); repair or remove it.")


def _from_hub(name: str, stream: bool) -> Pictures:
    try:
        import datasets
    except ImportError as error:
        raise ValueError(
            f"{name} comes from the Hugging Face Hub; run `pip install datasets` for it, or give "
            "a folder of images."
        ) from error
    try:
        if stream:
            return Stream(datasets.load_dataset(name, split="train", streaming=True), name)
        return Rows(datasets.load_dataset(name, split="train"), name)
    except (OSError, datasets.exceptions.DatasetsError) as error:
        first_line = str(error).partition("\n")[0]
        raise ValueError(
            f"{name} cannot be had from the Hugging Face Hub ({first_line}); check the name and "
            "the network (once is enough, it is kept), or give a folder of images."
        ) from error


def _image_column(rows: Any, name: str) -> str:
    import datasets

    for key, kind in (rows.features or {}).items():
        if isinstance(kind, datasets.Image):
            return str(key)
    raise ValueError(f"{name} has no column of images; choose another set.")


def _undecoded(rows: Any, column: str) -> Any:
    """That column alone, as the files that it holds: we decode them by one rule, wherever from."""
    import datasets

    return rows.select_columns(column).cast_column(column, datasets.Image(decode=False))


def _content(stored: dict[str, Any] | None, name: str) -> Path | BytesIO:
    if stored is None:
        raise ValueError(f"{name} is missing; leave out the rows without one (`filter`).")
    data = stored["bytes"]
    return Path(stored["path"]) if data is None else BytesIO(data)
