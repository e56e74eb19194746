"""Derivations with one line that does not follow, made from the claims that the book proves."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from ddpm_course.symbolic import claim
from ddpm_course.symbolic.claim import Claim
from ddpm_course.symbolic.printing import latex

__all__ = ["Broken"]


@dataclass(frozen=True)
class Broken:
    """A claim's derivation in which one line was changed, and the lines after it follow from that.

    Args:
        name: the claim's.
        changed: the number of a line, counted from 1 -> what stands there; the first one changed
            is the line that does not follow.
    """

    name: str
    changed: dict[int, Any]

    @cached_property
    def claim(self) -> Claim:
        found = claim(self.name)
        for number, expression in self.changed.items():
            found = found.with_step(number - 1, expression)
        return found

    @property
    def line(self) -> int:
        """The line that does not follow."""
        return min(self.changed)

    def text(self) -> str:
        """The lines in Markdown, numbered, each with the reason that is given for it."""
        found = self.claim
        rows = [f"${latex(found.lhs)}$", ""]
        rows += [
            f"{number}. $= {row.rhs}$ — {row.reason}"
            for number, row in enumerate(found.rows(), start=1)
        ]
        return "\n".join(rows)
