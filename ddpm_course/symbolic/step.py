"""What a derivation is written in: steps with their reasons, and what their relations say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from .methods import ALGEBRA, DEFINITION, Method

if TYPE_CHECKING:
    from .claim import Claim

HYPOTHESIS = "the claim at t - 1"
ASSUMED = "what the claim assumes"


class ClaimError(Exception):
    """A claim that does not hold: which step, both of its sides, and what is left between them."""

    def _render_traceback_(self) -> list[str]:
        """In a notebook: what does not hold, without the lines of our program that found it."""
        return [f"ClaimError: {self}"]


class Step(NamedTuple):
    """An expression, and why it equals the one before it.

    ``uses`` names the claims that the step applies: a name, or a name with substitutions, as
    ``("forward.reparameterization", {t: t - 1})``. ``HYPOTHESIS`` is the claim itself, one step
    earlier; ``ASSUMED`` is all that the claim assumes; a pair (symbol, expression) is one of the
    pairs that it assumes. ``relation`` is what is printed: the method must prove it.
    """

    expr: Any
    reason: str
    by: Method = ALGEBRA
    uses: tuple[Any, ...] = ()
    relation: str = "="


class Chain(NamedTuple):
    """A left side and steps: the base of an induction."""

    lhs: Any
    steps: tuple[Step, ...]


class Check(NamedTuple):
    """A property by which a definition is held to account.

    ``holds(claim)`` returns what is left (0 or True when the property holds). ``says`` completes
    the sentence "it is checked that ...", and ``cases``, where the check does not hold for all, "it
    stands on ...".
    """

    says: str
    holds: Callable[[Claim], Any]
    kind: str = "algebra"
    cases: str = ""


class Row(NamedTuple):
    """A line of a typeset derivation."""

    lhs: str
    relation: str
    rhs: str
    reason: str


# What may be written where a relation is proved: what is equal is also at most.
IMPLIED = {
    "=": ("=", r"\le", r"\ge", r"\propto"),
    "<": ("<", r"\le"),
    ">": (">", r"\ge"),
}


def may_write(method: Method, relation: str) -> bool:
    """Whether what a method proves allows a relation to be written."""
    proved = method.relation
    implied = ("=",) if method is DEFINITION else IMPLIED.get(proved, (proved,))
    return relation in implied


def composed(relations: Sequence[str]) -> str:
    """What a chain of relations says of its two ends: < after <= is <, and < after > is nothing."""
    found = set(relations) - {"="}
    for strict, weak in (("<", r"\le"), (">", r"\ge")):
        if found and found <= {strict, weak}:
            return strict if strict in found else weak
    if len(found) > 1:
        raise ValueError(f"the relations {', '.join(sorted(found))} do not make one")
    return found.pop() if found else "="


def follows(left: Any) -> bool:
    """Whether a proof leaves nothing. In Python False == 0: a False is no proof."""
    return left is True or (left is not False and bool(left == 0))
