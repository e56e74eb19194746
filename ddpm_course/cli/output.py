"""What the commands say, and where: results on stdout, the rest on stderr, and with --quiet nothing
that is no result and no error."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Parser", "Pulse", "add_quiet", "hush", "is_first", "no_bar", "say", "tell"]

_quiet = False


class _Lines(argparse.HelpFormatter):
    """Each line of a text is filled by itself; an example, which is indented, can be copied."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        lines = text.splitlines()
        return "\n".join(x if x.startswith(" ") else fill(x, width, indent) for x in lines)


class Parser(argparse.ArgumentParser):
    """A parser whose help keeps the lines of its examples."""

    def __init__(self, **options: Any) -> None:
        super().__init__(formatter_class=_Lines, **options)


def add_quiet(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="say nothing but results and errors")


def hush(quiet: bool) -> None:
    """Whether from here on only results and errors are said."""
    global _quiet
    _quiet = quiet


def is_first() -> bool:
    """Of several processes that a launcher started, the one that speaks and writes."""
    alone = os.environ.get("WORLD_SIZE", "1") == "1"  # whatever RANK is left from elsewhere
    return alone or os.environ.get("RANK", "0") == "0"


def tell(line: str) -> None:
    """A line for people, on stderr; of several processes, the first one speaks."""
    if not _quiet and is_first():
        with contextlib.suppress(OSError):  # no run ends because its log is full
            print(line, file=sys.stderr, flush=True)


def say(line: str) -> None:
    """What was done, on stdout."""
    if not _quiet:
        print(line)


def no_bar() -> bool | None:
    """tqdm's ``disable``: True with --quiet, None for a bar on a terminal alone."""
    return True if _quiet else None


class Pulse:
    """Where there is no terminal to show a bar: a line now and then, so that a log shows life."""

    def __init__(self, every: float = 30.0) -> None:
        self.every, self.last = every, time.monotonic()

    def beat(self, line: Callable[[], str]) -> None:
        """Say the line if ``every`` seconds have gone since the last one."""
        if not sys.stderr.isatty() and time.monotonic() - self.last >= self.every:
            self.last = time.monotonic()
            tell(line())
