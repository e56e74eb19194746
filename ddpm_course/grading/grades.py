"""What a grading finds: a grade a task, and a submission a notebook or project."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Grade", "Submission", "with_capital"]

_WORD = re.compile(r"(?:a )?[A-Za-z]{2,}(?![\w({\[])")


@dataclass(frozen=True)
class Grade:
    """What one task of one submission got, and the sentence that says why."""

    task: str
    title: str
    points: float
    max_points: float
    sentence: str
    lesson: str = ""

    @property
    def right(self) -> bool:
        return self.points == self.max_points


@dataclass(frozen=True)
class Submission:
    """One notebook of one student, or the project. ``problem`` says why it could not be read at
    all."""

    student: str
    chapter: str
    path: Path
    handed_in: bool
    grades: tuple[Grade, ...] = ()
    problem: str = ""
    note: str = ""  # what the instructor should know, though it was graded
    scores: Mapping[str, float] = field(default_factory=dict)  # of a project

    @property
    def points(self) -> float:
        return sum(grade.points for grade in self.grades)

    @property
    def max_points(self) -> float:
        return sum(grade.max_points for grade in self.grades)


def with_capital(sentence: str) -> str:
    """A sentence with a capital where it begins with a word; a symbol stays what it is."""
    return sentence[:1].upper() + sentence[1:] if _WORD.match(sentence) else sentence
