"""The command line, a room a command: each room adds its options and runs.

Bad input ends with one sentence on stderr and exit code 2; nothing on disk is lost.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any

from ddpm_course import __version__
from ddpm_course.cli import (
    draw,
    evaluate,
    exercises,
    grade,
    output,
    pack,
    papers,
    release,
    sample,
    train,
    verify,
)

__all__ = ["main"]

_COMMANDS = (train, sample, draw, evaluate, verify, exercises, release, grade, pack, papers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # closed by who called us: what is said goes nowhere
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 # until the process ends
        elif isinstance(stream, io.TextIOWrapper):  # a redirect need not know every letter
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    try:
        output.hush(getattr(options, "quiet", False))
        with _ended_in_order():
            if isinstance(seed := getattr(options, "seed", None), int):
                _check_seed(seed)
            code = int(options.run(options) or 0)
            sys.stdout.flush()  # a full disk is told here, not by the interpreter as it ends
            return code
    except KeyboardInterrupt:
        return _say("stopped.", 130)
    except FloatingPointError as error:
        return _say(str(error), 1)
    except BrokenPipeError:  # its reader has gone, as `head` does
        _drop_stdout()
        return 128 + 13
    except ModuleNotFoundError as error:
        return _say(f"{error.name} is not installed; run `pip install {error.name}`.")
    except OSError as error:
        _drop_stdout()
        place = f"{error.filename}: " if error.filename else ""
        return _say(f"{place}{error.strerror or error}; make room, or choose another place.")
    except (MemoryError, RuntimeError) as error:
        if not _is_of_memory(error):
            raise
        ways = [f"--{x.replace('_', '-')}" for x in ("batch_size", "num") if hasattr(options, x)]
        smaller = f" Give a smaller {' or '.join(ways)}." if ways else ""
        return _say(f"the memory does not suffice ({_first_line(error)}).{smaller}")
    except ValueError as error:
        return _say(str(error))


def _check_seed(seed: int) -> None:
    """The rule of ``checks.seed``, for all commands, before any of them loads torch."""
    if not 0 <= seed < 2**63:
        raise ValueError(f"--seed is {seed}; choose a whole number from 0 to 2^63 - 1.")


def _say(sentence: str, code: int = 2) -> int:
    with contextlib.suppress(OSError):  # a full stderr
        print(f"ddpm-course: {sentence}", file=sys.stderr, flush=True)
    return code


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["out of memory"])[0][:200]


def _is_of_memory(error: BaseException) -> bool:
    said = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in said or "allocate memory" in said


def _drop_stdout() -> None:
    """What could not be written is not tried again as the interpreter ends."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())


@contextlib.contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM and a closed terminal unwind the stack, so that nothing half-written is left."""
    before: dict[int, Any] = {}

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is threading.main_thread():
        for name in ("SIGTERM", "SIGHUP"):
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) is signal.SIG_DFL:
                before[number] = signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _parser() -> argparse.ArgumentParser:
    parser = output.Parser(
        prog="ddpm-course",
        description="Train a DDPM, sample from it and judge the samples; prove the book's "
        "equations, make and grade its exercises, order your reading.",
    )
    parser.add_argument("--version", action="version", version=f"ddpm-course {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add(commands)
    return parser
