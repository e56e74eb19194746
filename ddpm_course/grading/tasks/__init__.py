"""The bank of tasks: one file a chapter."""

from __future__ import annotations

from importlib import import_module

from ddpm_course.grading.task import Chapter, Task

__all__ = ["CHAPTERS", "chapter", "find"]

CHAPTERS = (
    *("trends", "forward", "marginal", "reverse", "loss"),
    *("unet", "training", "evaluation", "beyond", "solvers", "flow", "few_steps", "masked"),
)  # reading order
_MOVED = {"training.mended": "evaluation.mended"}  # notebooks that were given out keep their checks


def chapter(name: str) -> Chapter:
    """The tasks of a chapter.

    Raises:
        ValueError: there is no chapter of that name.
    """
    if name not in CHAPTERS:
        raise ValueError(f"There is no chapter {name!r}; choose from {', '.join(CHAPTERS)}.")
    found = import_module(f"{__name__}.{name}").CHAPTER
    assert isinstance(found, Chapter)
    return found


def find(name: str) -> Task:
    """A task by its name, as in "marginal.sample".

    Raises:
        ValueError: there is no task of that name.
    """
    name = _MOVED.get(name, name)
    tasks = chapter(name.partition(".")[0]).tasks
    for task in tasks:
        if task.name == name:
            return task
    raise ValueError(f"There is no task {name!r}; choose from {', '.join(t.name for t in tasks)}.")
