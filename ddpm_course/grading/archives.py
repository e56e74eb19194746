"""Opens the zip files that students hand in, and learning platforms give out, without trust.

A zip may lie about everything: its sizes, its names, what its entries are. Only plain files of
kinds that can be graded are written, below one folder, and no more bytes than allowed, counted as
they come.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OF_A_CLASS", "OF_A_STUDENT", "Allowed", "is_zip", "unpack"]

KINDS = (".ipynb", ".py", ".csv", ".txt", ".json", ".npy", ".md", ".safetensors")
MOST_DEEP = 6
_PIECE = 1 << 16
_END = b"PK\5\6"  # of the record at the end, which says how long the list of entries is


@dataclass(frozen=True)
class Allowed:
    """What one zip may hold: entries, bytes of one file and of all, and whether zips inside it
    are kept."""

    entries: int
    file: int
    total: int
    zips: bool = False


OF_A_STUDENT = Allowed(2000, 64 << 20, 256 << 20)
OF_A_CLASS = Allowed(200_000, 256 << 20, 16 << 30, zips=True)


def is_zip(path: Path) -> bool:
    """By its name, and no link."""
    return path.suffix.casefold() == ".zip" and path.is_file() and not path.is_symlink()


def unpack(archive: Path, into: Path, allowed: Allowed = OF_A_STUDENT) -> list[str]:
    """Unpack what may be graded into a folder, made if it is missing.

    Returns:
        The names of what was left in the zip: entries of other kinds, links, odd names.

    Raises:
        ValueError: it cannot be opened, or holds too much; the sentence names it.
    """
    name = archive.name
    try:
        with archive.open("rb") as file:
            if _length_of_list(file.read, file.seek) > 200 * allowed.entries:
                raise ValueError(_too_many(name, allowed))
            file.seek(0)
            with zipfile.ZipFile(file) as opened:
                return _unpack(opened, name, into, allowed)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error, UnicodeError, OverflowError):
        raise ValueError(f"{name} is damaged, or no zip file: {_INSTEAD}") from None
    except (NotImplementedError, RuntimeError):  # a method or an encryption that Python has not
        raise ValueError(f"{name} is packed in a way that is not read here: {_INSTEAD}") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be opened ({error.strerror or 'damaged'}).") from None


_INSTEAD = "hand in the notebook itself."


def _too_many(name: str, allowed: Allowed) -> str:
    return f"{name} holds more than {allowed.entries} files: {_INSTEAD}"


def _length_of_list(read: Callable[[int], bytes], seek: Callable[[int, int], int]) -> int:
    """Bytes of the list of entries, as the zip says: all of it will be held in memory."""
    size = seek(0, os.SEEK_END)
    seek(max(0, size - (1 << 16) - 22), os.SEEK_SET)
    tail = read((1 << 16) + 22)
    place = tail.rfind(_END)
    if place < 0 or len(tail) < place + 16:
        return 0
    (length,) = struct.unpack("<I", tail[place + 12 : place + 16])
    return min(int(length), size)


def _unpack(opened: zipfile.ZipFile, name: str, into: Path, allowed: Allowed) -> list[str]:
    entries = opened.infolist()
    if len(entries) > allowed.entries:
        raise ValueError(_too_many(name, allowed))
    left: list[str] = []
    total = 0
    into.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        place = _place(entry, allowed)
        if entry.is_dir():
            continue
        if place is None:
            left.append(entry.filename)
            continue
        if entry.flag_bits & 0x1:
            raise ValueError(f"{name} is encrypted: {_INSTEAD}")
        path = into / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("xb")
        except OSError:  # twice the same name; or a file where a folder should be
            left.append(entry.filename)
            continue
        size = 0
        with file, opened.open(entry) as source:
            while piece := source.read(_PIECE):
                size += len(piece)
                total += len(piece)
                if size > allowed.file or total > allowed.total:
                    file.close()
                    path.unlink()
                    most = allowed.file if size > allowed.file else allowed.total
                    raise ValueError(
                        f"{name} holds more than {most / 2**20:.0f} MB when it is unpacked: "
                        + _INSTEAD
                    )
                file.write(piece)
        # A grading that goes on must find the file that it knows.
        when = time.mktime((*entry.date_time, 0, 0, 0)) if entry.date_time[1] else 0.0
        os.utime(path, (max(0.0, when), max(0.0, when)))
    return left


def _place(entry: zipfile.ZipInfo, allowed: Allowed) -> Path | None:
    """Where an entry belongs below the folder; None where it must not, or is of no use."""
    mode = entry.external_attr >> 16
    parts = [part for part in entry.filename.replace("\\", "/").split("/") if part not in ("", ".")]
    absolute = entry.filename.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[\\/]", entry.filename)
    if absolute or ".." in parts or not parts or len(parts) > MOST_DEEP:
        return None
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or parts[0] == "__MACOSX":
        return None
    if any(part.startswith(".") for part in parts):
        return None
    suffix = Path(parts[-1]).suffix.casefold()
    if suffix not in KINDS and not (allowed.zips and suffix == ".zip"):
        return None
    return Path(*map(_safe, parts))


def _safe(part: str) -> str:
    """A name that any file system takes."""
    plain = "".join(c if c.isprintable() and c not in '<>:"|?*' else "_" for c in part)
    if len(plain.encode(errors="replace")) <= 200:
        return plain.encode(errors="replace").decode()
    digest = hashlib.sha256(part.encode(errors="surrogatepass")).hexdigest()[:12]
    return f"{plain[:30]}-{digest}{Path(plain).suffix[:20]}"
