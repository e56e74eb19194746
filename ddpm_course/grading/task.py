"""What a graded task is made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Case", "Chapter", "Mistake", "Task"]


@dataclass(frozen=True)
class Case:
    """One question put to an answer.

    Args:
        args: what the answer is called with. Where ``symbols`` is set, numbers to put in for the
            symbols instead: one array of points for each symbol.
        along: the step t that each entry along the result's first axis belongs to, so that a
            diagnosis can say at which t an answer goes wrong.
        rtol, atol: how far a right answer may be from the reference.
        symbols: the names of SymPy symbols; then the answer is called with these symbols and
            returns an expression, which is compared as a function at the points.
        gives: what the cells after the answer need of its result: "a tensor" (not a list),
            "numbers" (without a graph), or "a gradient" (a loss that can be trained on).
    """

    args: tuple[Any, ...] = ()
    along: Sequence[int] | None = None
    rtol: float = 1e-4
    atol: float = 1e-5
    symbols: str | None = None
    gives: str = ""


@dataclass(frozen=True)
class Mistake:
    """A wrong answer that people really give, and the sentence that helps them on.

    Args:
        sentence: names what went wrong; it does not give the right answer away.
        answer: the wrong answer itself, in the form of the task's reference.
    """

    sentence: str
    answer: Any


def _one_case(seed: int) -> list[Case]:
    return [Case()]


@dataclass(frozen=True)
class Task:
    """A graded task: its question, its right answer, and the mistakes it knows.

    Args:
        name: chapter and name, as in "marginal.sample"; the student's answer is a variable or a
            function of the name's second half.
        title: a headline, without a full stop.
        points, minutes: what it counts, and how long it takes.
        prompt, hint: Markdown, formulas inline between dollar signs.
        lesson: the sentence a right answer earns: what to remember, or why it is so.
        reference: a right answer: a function whose body is marked as a solution region, or a value.
        cases: draws the questions from a seed. Each call gives fresh arguments, so that an answer
            that changes them in place spoils nothing.
        mistakes: the wrong answers that the task knows by name.
        outputs: the names of a result's parts, where it has more than one.
        observe: what of the answer's result is compared, where that is not the result itself
            (the share of each value among many draws, for example).
        given: code for the notebook that stands before the answer: a curve to read, or code that is
            not right and waits to be mended. Answers need nothing of it.
        shows: what the picture of ``given`` shows, in words; it then stands in the question.
        picture: code for the notebook that draws something with the student's answer.
        alt: what the picture shows, in words.
        play: code for the notebook that ends in an ``Explorer`` of the student's answer. It calls
            the answer before it makes the explorer, so that a blank answer stops the cell.
    """

    name: str
    title: str
    points: int
    minutes: int
    prompt: str
    hint: str
    lesson: str
    reference: Any
    mistakes: tuple[Mistake, ...]
    cases: Callable[[int], list[Case]] = _one_case
    outputs: tuple[str, ...] = ()
    observe: Callable[[Any], Any] | None = None
    given: str = ""
    shows: str = ""
    picture: str = ""
    alt: str = ""
    play: str = ""

    @property
    def answer_name(self) -> str:
        """What the answer is called in the notebook."""
        return self.name.split(".")[1]


@dataclass(frozen=True)
class Chapter:
    """One notebook of tasks.

    Args:
        name: the chapter's room, as in "marginal".
        title: the notebook's headline.
        intro: Markdown: what the notebook is about.
        setup: code of its first cell: the imports that answers need.
        steps: whether its tasks count steps t, so that the notebook tells how they are counted.
    """

    name: str
    title: str
    intro: str
    setup: str
    tasks: tuple[Task, ...]
    steps: bool = True

    @property
    def points(self) -> int:
        return sum(task.points for task in self.tasks)

    @property
    def minutes(self) -> int:
        return sum(task.minutes for task in self.tasks)
