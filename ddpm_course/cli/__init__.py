"""The command line, a room a command: each room adds its options and runs.

Bad input ends with one sentence on stderr and exit code 2; nothing on disk is lost.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ddpm_course import __version__
from ddpm_course.cli import draw, evaluate, exercises, grade, papers, release, sample, train, verify

__all__ = ["main"]

_COMMANDS = (train, sample, draw, evaluate, verify, exercises, release, grade, papers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except ValueError as error:
        print(f"ddpm-course: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"ddpm-course: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ddpm-course: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ddpm-course",
        description="Train a DDPM, sample from it and judge the samples; prove the book's "
        "equations, make and grade its exercises, order your reading.",
    )
    parser.add_argument("--version", action="version", version=f"ddpm-course {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
