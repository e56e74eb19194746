"""Writes the exercises from the solved notebooks, with nbgrader's own preprocessors."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ddpm_course.grading.files import write_beside
from ddpm_course.grading.tasks import CHAPTERS

__all__ = ["release"]


def release(
    chapters: Sequence[str] = CHAPTERS,
    source: Path = Path("solutions"),
    target: Path = Path("exercises"),
    force: bool = False,
) -> list[Path]:
    """Write ``target/<chapter>/`` from ``source/<chapter>/``: answers cleared, checks locked.

    The same source gives the same bytes each time. Files beside the notebook (pictures) are copied.
    Every notebook is looked at before the first one is written.

    Args:
        chapters: which notebooks.
        source: the folder of solved notebooks; only read.
        target: the folder of exercises.
        force: overwrite notebooks that were changed since they were released.

    Returns:
        The notebooks, written or already as they should be.

    Raises:
        ValueError: nbgrader is not installed, a solved notebook is missing or not fit for release,
            or an exercise was changed (answers typed in) and ``force`` is not set.
    """
    if missing := [name for name in ("nbformat", "nbgrader") if not _has(name)]:
        raise ValueError(
            f"{missing[0]} is not installed, and exercises are released with it; run "
            "`pip install nbgrader`."
        )
    released: dict[Path, bytes] = {}
    for name in chapters:
        path = source / name / f"{name}.ipynb"
        if not path.is_file():
            raise ValueError(f"{path} does not exist; a chapter is released from its solutions.")
        released[target / name / path.name] = _cleared(path)
    if not force:
        changed = [path for path, content in released.items() if _was_changed(path, content)]
        if changed:
            raise ValueError(
                f"{', '.join(map(str, changed))} holds work that is not in the released notebook; "
                "move it away, or use --force to overwrite it."
            )
    for path, content in released.items():
        _put(path, content)
        for beside in sorted((source / path.parent.name).iterdir()):
            if beside.is_file() and beside.suffix != ".ipynb" and not beside.name.startswith("."):
                _put(path.parent / beside.name, beside.read_bytes())
    return list(released)


def _has(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ValueError:  # it is there, and has no spec: switched off
        return False


def _put(path: Path, content: bytes) -> None:
    if not (path.is_file() and path.read_bytes() == content):
        write_beside(path, content)


def _cleared(path: Path) -> bytes:
    """The released notebook's bytes: what ``nbgrader generate_assignment`` does, without its
    database."""
    import nbformat
    from nbgrader import preprocessors as nbgrader

    try:
        nb = nbformat.read(path, as_version=4)
        resources: dict[str, Any] = {}
        for preprocessor in (
            nbgrader.LockCells,
            nbgrader.ClearSolutions,
            nbgrader.ClearOutput,
            nbgrader.CheckCellMetadata,
            nbgrader.ClearHiddenTests,
            nbgrader.ClearMarkScheme,
            nbgrader.ComputeChecksums,
            nbgrader.CheckCellMetadata,
        ):
            nb, resources = preprocessor().preprocess(nb, resources)
    except Exception as error:  # nbgrader raises many kinds
        raise ValueError(f"{path} cannot be released: {error}") from error
    nb.metadata["ddpm_course"] = {"released": _fingerprint(nb)}
    return nbformat.writes(nb).encode() + b"\n"


def _fingerprint(nb: Any) -> str:
    """A digest of what a student can change: the text of the cells, not their outputs."""
    digest = hashlib.sha256()
    for cell in nb.cells:
        digest.update(f"{cell.cell_type}\0{cell.source}\0".encode())
    return digest.hexdigest()[:16]


def _was_changed(path: Path, content: bytes) -> bool:
    """Whether the notebook there holds anything but what a release once wrote."""
    import nbformat

    if not path.exists() or path.read_bytes() == content:
        return False
    try:
        nb = nbformat.read(path, as_version=4)
        return bool(nb.metadata["ddpm_course"]["released"] != _fingerprint(nb))
    except Exception:  # not a notebook of ours: somebody's all the same
        return True
