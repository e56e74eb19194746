"""What a class handed in: whose it is, where each notebook lies, and what is in it.

It is read as text, and nothing that a student handed in is silently nothing: what cannot be graded
gets a sentence.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import re
import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ddpm_course.grading.archives import OF_A_CLASS, is_zip, unpack
from ddpm_course.grading.project import FILES, LARGEST, OWN_DATA
from ddpm_course.grading.tasks import CHAPTERS

__all__ = [
    "NOT_HANDED_IN",
    "HandedIn",
    "Place",
    "collect",
    "locate",
    "locate_project",
    "one_student",
    "read_beside",
    "read_cells",
    "read_project",
]

LARGEST_NOTEBOOK = 20  # MiB; ours have less than one, pictures included
MOST_CELLS = 1000
MOST_DEEP, MOST_LOOKED_AT = 4, 200  # folders and files, where a notebook is looked for
MOST_READ = 10  # of those that are called after no chapter
NOT_HANDED_IN = "Not handed in."
MOST_FILES, LARGEST_FILE = 20, 2**20  # beside a notebook; bytes

# What learning platforms make of "ada" and "forward.ipynb", in the name of a folder or of a file.
_MOODLE = re.compile(r"(?P<who>.+_\d+)_assignsubmission_(file|onlinetext)_?(?P<what>.*)")
_CANVAS = re.compile(r"(?P<who>[^_]+)(_LATE)?_(?P<number>\d+)_\d+_(?P<what>.+)")


@dataclass(frozen=True)
class HandedIn:
    """What one student handed in: the folders that hold it, and sentences about what could not be
    opened."""

    student: str
    roots: tuple[Path, ...]
    told: tuple[str, ...] = ()


@dataclass(frozen=True)
class Place:
    """Where a student's notebook of a chapter lies, or why there is none."""

    path: Path
    root: Path
    found: bool
    problem: str = ""
    note: str = ""


# -- a class ----------------------------------------------------------------------------------


def collect(
    folder: Path, into: Path, tell: Callable[[str], None] | None = None
) -> dict[str, HandedIn]:
    """Who handed in what: from nbgrader's folders, or from a download of Moodle or Canvas, as a
    folder or as its zip.

    Args:
        folder: holds a folder a student, or files that a platform named after students; or a zip
            of that.
        into: where zips are unpacked; nothing else is written.
        tell: called with what lies there and is nobody's.

    Raises:
        ValueError: there is no such folder, or its zip cannot be opened.
    """
    if is_zip(folder):
        unpack(folder, into / "class", OF_A_CLASS)
        folder = _inside(into / "class", folder.stem)
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is not a folder; give the one that holds the students' folders, or its zip."
        )
    roots: dict[str, list[Path]] = {}
    zips: dict[str, list[Path]] = {}
    stray: list[str] = []
    for path in sorted(folder.iterdir(), key=lambda one: one.name):
        if path.name.startswith((".", "__MACOSX")):
            continue
        who, what = _whose(path.name)
        if path.is_dir() or path.is_symlink():
            roots.setdefault(who or path.name, []).append(path)
        elif is_zip(path):
            zips.setdefault(who or path.stem, []).append(path)
        elif who and path.is_file():
            place = into / "files" / _plain(who)
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, place / what, follow_symlinks=False)
            if place not in roots.setdefault(who, []):
                roots[who].append(place)
        elif path.suffix.casefold() == ".ipynb":
            stray.append(path.name)
    if stray and tell is not None:
        tell(f"{listed(stray)} is nobody's: put it into a folder with its student's name.")
    return {
        who: _opened(who, roots.get(who, []), zips.get(who, []), into)
        for who in sorted({*roots, *zips})
    }


def _whose(name: str) -> tuple[str, str]:
    """The student in the name of a file or folder, as a platform wrote it, and what it was."""
    if found := _MOODLE.fullmatch(name):
        return found["who"], found["what"] or name
    if found := _CANVAS.fullmatch(name):
        return f"{found['who']}_{found['number']}", found["what"]
    return "", name


def _inside(folder: Path, name: str) -> Path:
    """The folder of the class: packing a folder puts its name around everything."""
    inner = list(folder.iterdir())
    if len(inner) == 1 and inner[0].is_dir() and inner[0].name in (name, "submitted"):
        return inner[0]
    return folder


def _plain(name: str) -> str:
    return re.sub(r"[^\w. @+-]", "_", name)[:100]


def _opened(who: str, roots: list[Path], zips: list[Path], into: Path) -> HandedIn:
    """A student's folders, and their zips unpacked beside them."""
    zips = list(zips)
    for root in roots:
        zips += [path for path in _files(root)[0] if is_zip(path)]
    told, found = [], list(roots)
    for number, path in enumerate(zips[:MOST_LOOKED_AT]):
        place = into / "zips" / _plain(who) / f"{number}"
        try:
            left = unpack(path, place)
        except ValueError as error:
            told.append(str(error))
            shutil.rmtree(place, ignore_errors=True)
            continue
        if _files(place)[0]:
            found.append(place)
        else:
            told.append(f"{path.name} holds no notebook{_but(left)}: hand in the notebook itself.")
    return HandedIn(who, tuple(found or [into / "files" / _plain(who)]), tuple(told))


def one_student(who: str, folder: Path, into: Path) -> HandedIn:
    """What lies in one student's folder.

    Raises:
        ValueError: there is no such folder.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; give the one that the student handed in.")
    return _opened(who, [folder], [], into)


def _but(names: Sequence[str]) -> str:
    return f", but {listed(names)}" if names else ""


# -- a student --------------------------------------------------------------------------------


def locate(roots: Sequence[Path], told: Sequence[str] = ()) -> dict[str, Place]:
    """A student's notebook of each chapter: at its place; else the one notebook that is called
    after the chapter, whatever a browser or a copy made of its name; else the one that has checks
    of the chapter, whatever it is called.

    Args:
        roots: the folders that hold what the student handed in.
        told: what is known to be wrong with it; it is said where a notebook is missing.
    """
    found: dict[str, Place] = {}
    files: dict[Path, Path] = {}
    closed: list[str] = []
    for root in roots:
        here, shut = _files(root)
        files |= dict.fromkeys(here, root)
        closed += shut
        for c in CHAPTERS:
            path = root / c / f"{c}.ipynb"
            if os.path.lexists(path) and c not in found:
                found[c] = Place(path, root, True)
    fits = {
        c: [one for one in files if one.suffix.casefold() == ".ipynb" and _called(one.stem, c)]
        for c in CHAPTERS
    }
    rest = [one for one in files if not any(one in many for many in fits.values())]
    for one in [one for one in rest if one.suffix.casefold() == ".ipynb"][:MOST_READ]:
        for c in _checked_in(one, files[one]) - set(found):
            if not any(_called(other.stem, c) for other in fits[c]):
                fits[c].append(one)
    rest = [one for one in rest if not any(one in many for many in fits.values())]
    rest = [one for one in rest if not (is_zip(one) and (told or len(roots) > 1))]
    nothing = not found and not any(fits.values())

    def named(paths: Sequence[Path]) -> str:
        return listed([str(one.relative_to(files[one])) for one in paths])

    for c in CHAPTERS:
        if c in found:
            continue
        path, root = roots[0] / c / f"{c}.ipynb", roots[0]
        if len(fits[c]) == 1:
            (one,) = fits[c]
            found[c] = Place(one, files[one], True, note=f"Found as {named([one])}.")
        elif fits[c]:
            problem = f"Several notebooks may be it: {named(fits[c])}. Leave one, {c}/{c}.ipynb."
            found[c] = Place(path, root, True, problem)
        elif closed:
            found[c] = Place(path, root, False, f"{listed(closed)} cannot be read.")
        elif told:
            found[c] = Place(path, root, False, " ".join(told[:4]))
        elif suspects := [one for one in rest if nothing or _called(one.stem, c) or _whole(one)]:
            problem = f"No notebook {c}/{c}.ipynb, but {named(suspects)}: hand in the notebook."
            found[c] = Place(path, root, False, problem)
        elif any(map(os.path.lexists, _own_copies(roots, c))):
            problem = (
                f"No notebook {c}/{c}.ipynb, but Jupyter's own copy of it in .ipynb_checkpoints: "
                "hand in the notebook."
            )
            found[c] = Place(path, root, False, problem)
        else:
            found[c] = Place(path, root, False, NOT_HANDED_IN)
    return found


def _own_copies(roots: Sequence[Path], chapter: str) -> list[Path]:
    """Where Jupyter keeps a copy of a notebook."""
    name = Path(".ipynb_checkpoints", f"{chapter}-checkpoint.ipynb")
    return [place / name for root in roots for place in (root, root / chapter)]


def _checked_in(path: Path, root: Path) -> set[str]:
    """The chapters whose checks stand in a notebook that is called after none of them."""
    with contextlib.suppress(ValueError):
        content = read_bytes(path, root, LARGEST_NOTEBOOK, "notebook", "")
        found = re.findall(rb"\bcheck\(\s*\\?[\"'](\w+)\.", content)
        return {name.decode() for name in found} & set(CHAPTERS)
    return set()


def _called(stem: str, chapter: str) -> bool:
    return re.search(rf"(?<![a-z]){chapter}(?![a-z])", stem.casefold()) is not None


def _whole(path: Path) -> bool:
    """Whether a file may hold a notebook, whatever it is called."""
    kinds = (".ipynb", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar", ".html", ".pdf")
    return path.suffix.casefold() in kinds


def listed(names: Sequence[str]) -> str:
    """Names of files, few and short."""
    shown = [name if len(name) <= 60 else f"{name[:57]}..." for name in names[:4]]
    return ", ".join(shown) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _files(folder: Path) -> tuple[list[Path], list[str]]:
    """The files in a student's folder, and the folders that may not be read; links are not
    followed."""
    files: list[Path] = []
    closed: list[str] = []

    def refuse(error: OSError) -> None:
        closed.append(os.path.relpath(error.filename or folder, folder.parent))

    if folder.is_symlink():
        return [], []
    for place, inner, names in os.walk(folder, onerror=refuse):
        deep = len(Path(place).relative_to(folder).parts)
        kept = [n for n in inner if not n.startswith((".", "__")) and deep < MOST_DEEP]
        inner[:] = sorted(kept)
        for name in sorted(names):
            path = Path(place, name)
            if not name.startswith(".") and not path.is_symlink() and len(files) < MOST_LOOKED_AT:
                files.append(path)
    return files, closed


# -- a notebook -------------------------------------------------------------------------------


def read_bytes(path: Path, root: Path, largest: int, what: str, smaller: str) -> bytes:
    """The bytes of a plain file below a student's folder.

    Args:
        path, root: of the file, and of the folder that it must lie in, without links.
        largest: MiB.
        what: what the file is, for a sentence: "notebook".
        smaller: how it is made smaller, as a sentence.

    Raises:
        ValueError: it cannot be read; the sentence says why.
    """
    place = root
    for part in ("", *path.relative_to(root).parts):
        place /= part
        if place.is_symlink():
            raise ValueError(f"This is a link, not a file: hand in the {what} itself.")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"The {what} cannot be opened: {error.strerror}.") from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):  # a folder cannot even be opened as a file
        os.close(handle)
        raise ValueError(f"This is not a file: hand in the {what} itself.")
    with open(handle, "rb") as file:
        if about.st_size > largest * 2**20:
            raise ValueError(
                f"The {what} has {math.ceil(about.st_size / 2**20)} MB; at most {largest} are "
                "read. " + smaller
            )
        return file.read(largest * 2**20 + 1)


def read_cells(path: Path, root: Path, largest: int = LARGEST_NOTEBOOK) -> list[str]:
    """The code cells of a student's notebook.

    Args:
        path, root: of the notebook, and of the student's folder.
        largest: MiB; more is not read.

    Raises:
        ValueError: it is not a notebook that can be graded; the sentence says why.
    """
    content = read_bytes(path, root, largest, "notebook", "Clear its outputs and hand it in again.")
    try:
        # Numbers of a notebook are not looked at: a long one is none that Python should count out.
        cells = json.loads(content.decode("utf-8-sig"), parse_int=len)["cells"]
        if len(cells) > MOST_CELLS:
            raise ValueError(f"The notebook has {len(cells)} cells; {MOST_CELLS} are read.")
        found = []
        for cell in cells:
            if cell["cell_type"] == "code":
                source = cell["source"]
                source = source if isinstance(source, str) else "".join(source)
                source.encode()  # half a surrogate pair is no text
                found.append(source)
        return found
    except UnicodeError:
        raise ValueError("The notebook is not UTF-8 text: save it in Jupyter again.") from None
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(
            "The file is not a notebook (not JSON): save it in Jupyter again."
        ) from None
    except (KeyError, TypeError, AttributeError):
        raise ValueError(
            "The file is not a notebook of format 4: save it in Jupyter again."
        ) from None


def read_texts(path: Path, root: Path, largest: int = LARGEST_NOTEBOOK) -> dict[str, str]:
    """The cells that were given out, by the names that nbgrader gave them, each on one line.

    Nothing of a notebook that cannot be read.
    """
    found = {}
    try:
        content = read_bytes(path, root, largest, "notebook", "").decode("utf-8-sig")
        for cell in json.loads(content, parse_int=len)["cells"]:
            name = cell.get("metadata", {}).get("nbgrader", {}).get("grade_id")
            if isinstance(name, str):
                found[name] = " ".join("".join(cell["source"]).split())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}
    return found


def read_beside(path: Path) -> Mapping[str, bytes]:
    """Small files beside a notebook, which its cells may read: modules, tables, arrays."""
    found: dict[str, bytes] = {}
    with contextlib.suppress(OSError):
        for entry in sorted(os.scandir(path.parent), key=lambda one: one.name):
            plain = re.fullmatch(r"\w[\w-]{0,60}\.(py|csv|txt|json|npy|md)", entry.name)
            if not plain or not entry.is_file(follow_symlinks=False) or len(found) == MOST_FILES:
                continue
            handle = os.open(entry.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            with open(handle, "rb") as file:
                content = file.read(LARGEST_FILE + 1)
            if len(content) <= LARGEST_FILE:
                found[entry.name] = content
    return found


# -- a project --------------------------------------------------------------------------------


def locate_project(roots: Sequence[Path]) -> Place:
    """The folder that holds a student's project: ``project/``; else the one with its files."""
    found: dict[Path, Path] = {}
    for root in roots:
        for path in _files(root)[0]:
            if path.name in FILES[:2]:
                found[path.parent] = root
        if os.path.lexists(root / "project"):
            return Place(root / "project", root, True)
    path = roots[0] / "project"
    if len(found) == 1:
        ((here, root),) = found.items()
        name = here.relative_to(root)
        return Place(here, root, True, note=f"Found in {listed([f'{name}/'])}.")
    if found:
        names = listed(sorted(f"{one.relative_to(root)}/" for one, root in found.items()))
        return Place(path, roots[0], False, f"Several folders may be the project: {names}.")
    return Place(path, roots[0], False, NOT_HANDED_IN)


def read_project(place: Place) -> tuple[dict[str, bytes], dict[str, str]]:
    """A project's files, and for each that is missing or cannot be read, why."""
    files: dict[str, bytes] = {}
    missing: dict[str, str] = {}
    for name in (*FILES, OWN_DATA):
        path = place.path / name
        if not os.path.lexists(path):
            if name in FILES:
                missing[name] = f"There is no {name} in the project's folder."
            continue
        try:
            files[name] = read_bytes(path, place.root, LARGEST[name], "file", "Make it smaller.")
        except ValueError as error:
            missing[name] = f"{name}: {error}"
    return files, missing
