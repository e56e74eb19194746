"""How much memory grading holds: what the judge and its rooms have together."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path


def held() -> int:
    """Bytes of this process and all below it; memory in common is counted once (Linux)."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
    ours, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in ours} - ours
        ours |= more
        grown = bool(more)
    total = 0
    for pid in ours:
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(text.split("Pss:")[1].split()[0]) * 1024
    return total


class Most:
    """The most that was held while it watched."""

    bytes = 0


@contextlib.contextmanager
def watched(seconds: float = 0.5) -> Iterator[Most]:
    """Look again and again, in a thread, while the block runs."""
    most, done = Most(), threading.Event()

    def watch() -> None:
        while not done.is_set():
            most.bytes = max(most.bytes, held())
            done.wait(seconds)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield most
    finally:
        done.set()
        watcher.join(60)
