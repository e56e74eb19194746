"""Writing so that nothing is lost: beside the file first, then put in its place."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["write_beside"]


def write_beside(path: Path, content: bytes) -> None:
    """Write a file in one move: a reader sees the old bytes or the new ones, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
