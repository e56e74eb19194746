"""What an answer may not call: the very functions of the package that the chapters teach.

Students' code never sees them. In its room the package is a copy in which each of these functions
has another body: it refuses to run, and says its name. ``Schedule``, ``Gaussian`` as a pair and
``data`` stay as they are, but for the parts that a task asks for itself.
"""

from __future__ import annotations

import ast
import functools
import shutil
from collections.abc import Iterator
from importlib import import_module
from itertools import chain
from pathlib import Path
from types import CodeType
from typing import Any, NoReturn

__all__ = ["HIDDEN", "Borrowed", "borrowed", "forbid", "is_taught", "refuse", "write_package"]

# Every room of the package is taught but these; and those with right answers in them are kept out
# of sight.
_FREE = (
    "schedule",
    "data",
    "images",
    "checks",
    "checkpoint",
    "plots",
    "presets",
    "widgets",
    "grading",
)
HIDDEN = tuple(
    f"ddpm_course.{room}"
    for room in ("grading.tasks", "grading.slips", "grading.rewrite", "symbolic", "ledger", "cli")
)

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


def refuse(name: str) -> NoReturn:
    """What a taught function does in the room."""
    borrowed.append(name)
    raise Borrowed(name)


def forbid(task: str) -> None:
    """From now on and in this process, what of Schedule this task asks for refuses to run."""
    from ddpm_course.schedule import Schedule

    for name in _OF_SCHEDULE.get(task, ()):
        part = vars(Schedule)[name]
        method = part.func if isinstance(part, functools.cached_property) else part.__func__
        # The code is taken away, so that a name which was bound before is of no use either.
        code: CodeType = _refuse.__code__
        method.__code__ = code.replace(co_name=f"Schedule.{name}")


def _refuse(*args: Any, **kwargs: Any) -> NoReturn:
    import sys

    from ddpm_course.grading.taught import refuse

    refuse(sys._getframe().f_code.co_name)


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
        if all(map(str.isidentifier, parts)) and _room(module):
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


# -- the package as students' code sees it ----------------------------------------------------


def write_package(package: Path, into: Path) -> None:
    """Write a copy of the package for the room: taught functions refuse to run, what holds right
    answers is left out.

    Args:
        package: the folder of the package.
        into: a new folder.
    """
    hidden = {package.parent.joinpath(*name.split(".")) for name in HIDDEN}

    def left_out(folder: str, names: list[str]) -> list[str]:
        return [n for n in names if n == "__pycache__" or Path(folder, n).with_suffix("") in hidden]

    shutil.copytree(package, into, ignore=left_out)
    for path in into.rglob("*.py"):
        parts = path.relative_to(into).with_suffix("").parts
        room = ".".join(part for part in parts if part != "__init__")
        source = path.read_text(encoding="utf8")
        if room == "schedule":  # the rest of it comes by another way, and is never on the disk
            only = set(chain(*_OF_SCHEDULE.values()))
            path.write_text(_emptied(source, "", only), encoding="utf8")
        elif _room(f"ddpm_course.{room}"):
            path.write_text(_emptied(source, f"{room}."), encoding="utf8")


def _emptied(source: str, room: str, only: set[str] | None = None) -> str:
    """A module without what its functions do, and without a word about it."""
    tree = ast.parse(source)
    for name, function in _functions(tree, room):
        if only is None or function.name in only:
            body = "from ddpm_course.grading.taught import refuse\n" + f"refuse({name!r})"
            function.body = ast.parse(body).body
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef) and ast.get_docstring(node) is not None:
            node.body[0] = ast.Expr(ast.Constant(""))
    return ast.unparse(tree)


def _functions(
    tree: ast.Module | ast.ClassDef, owner: str
) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """The functions, and the methods of classes, of a module, each with its whole name.

    To make an object, or to set one up, is no answer: what does that stays, with its helpers.
    """
    kept: set[str] = set()
    if isinstance(tree, ast.Module):
        for part in ast.walk(tree):
            if isinstance(part, ast.FunctionDef) and _is_special(part):
                names = {one.id for one in ast.walk(part) if isinstance(one, ast.Name)}
                kept |= {name for name in names if name.startswith("_")}
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.endswith("Config"):
            yield from _functions(node, f"{owner}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            special = isinstance(tree, ast.ClassDef) and _is_special(node)
            if not special and node.name not in kept:
                yield f"{owner}{node.name}", node


def _is_special(node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return node.name.startswith("__") and node.name not in ("__call__", "__getattr__")
