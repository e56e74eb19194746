"""What an answer may not call: the very functions of the package that the chapters teach.

While questions are put to an answer, these functions refuse to run. Outside, in a cell that
compares or plots, a student may call them as they like. ``Schedule``, ``Gaussian`` as a pair and
``data`` stay free, but for the parts that a task asks for itself.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterator
from importlib import import_module
from types import CodeType, FunctionType
from typing import Any

__all__ = ["HIDDEN", "Borrowed", "borrowed", "forbid", "is_taught"]

# Every room of the package is taught but these; and those with right answers in them are kept out
# of sight.
_FREE = ("schedule", "data", "images", "checkpoint", "plots", "widgets", "grading")
HIDDEN = ("ddpm_course.grading.tasks", "ddpm_course.symbolic")

# What of Schedule is itself the answer, task by task.
_OF_SCHEDULE = {
    "forward.linear": ("linear", "cosine"),
    "marginal.alpha_bar": ("alpha_bar", "beta_tilde", "snr"),
    "marginal.cosine": ("linear", "cosine"),
    "reverse.beta_tilde": ("beta_tilde",),
}

borrowed: list[str] = []  # what was called all the same, in this process


class Borrowed(Exception):
    """A taught function was called in place of an answer."""


def forbid(task: str) -> None:
    """From now on and in this process, the taught functions refuse to run.

    Their code is taken away, so that a name which was imported before is of no use either.
    """
    from ddpm_course.schedule import Schedule

    for name, module in list(sys.modules.items()):
        room = _room(name)
        if room and module is not None:
            for function in _functions(vars(module), name):
                _empty(function, f"{room}.{function.__qualname__}")
    sys.meta_path.insert(0, _Closed())
    for name in _OF_SCHEDULE.get(task, ()):
        part = vars(Schedule)[name]
        method = part.func if isinstance(part, functools.cached_property) else part.__func__
        _empty(method, f"Schedule.{name}")


def _room(module: str) -> str:
    """The room of a module all of whose functions are taught; "" for any other module."""
    package, _, room = module.partition(".")
    return room if package == "ddpm_course" and room.split(".")[0] not in ("", *_FREE) else ""


def is_taught(name: str) -> bool:
    """Whether this is the name of a taught function, such as "marginal.sample", or of its room."""
    if name in {f"Schedule.{part}" for parts in _OF_SCHEDULE.values() for part in parts}:
        return True
    parts = name.split(".")
    for count in range(len(parts), 0, -1):
        module = ".".join(["ddpm_course", *parts[:count]])
        if all(map(str.isidentifier, parts)) and (_room(module) or parts == ["schedule"]):
            try:
                found: Any = import_module(module)
            except ImportError:
                continue
            for part in parts[count:]:
                found = vars(found).get(part)
                if found is None:
                    return False
            return True
    return False


class _Closed:
    """Finds no module, but lets nobody import a taught room again, with functions that run."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> None:
        room = name.removeprefix("ddpm_course.")
        if room != name and (_room(name) or room == "schedule"):
            borrowed.append(room)
            raise Borrowed(room)


def _functions(namespace: Any, module: str) -> Iterator[FunctionType]:
    """The functions, and the methods of classes, that a module defines."""
    for value in list(namespace.values()):
        if isinstance(value, FunctionType) and value.__module__ == module:
            yield value
        elif isinstance(value, type) and value.__module__ == module:
            # A Gaussian is a pair to return; what it computes is taught.
            methods = {k: v for k, v in vars(value).items() if not k.startswith("_")}
            yield from _functions(methods, module)


def _refuse(*args: Any, **kwargs: Any) -> None:
    import sys

    from ddpm_course.grading.taught import Borrowed, borrowed

    name = sys._getframe().f_code.co_name
    borrowed.append(name)
    raise Borrowed(name)


def _empty(function: Any, name: str) -> None:
    code: CodeType = _refuse.__code__
    free = function.__code__.co_freevars
    function.__code__ = code.replace(co_name=name, co_freevars=free)
