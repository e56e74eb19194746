"""The ledger: every claim of the book beside the torch function that computes it.

A claim is proved by SymPy and evaluated by NumPy, in ``ddpm_course.symbolic``, which knows nothing
of torch. Here both meet: each binding evaluates a claim at every t of three schedules, in float64,
and lays the result beside what the package computes.

    >>> from ddpm_course import ledger
    >>> check = next(ledger.entries())  # ``ddpm-course verify`` makes all of them
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TextIO

import numpy as np
from torch import Tensor

from ddpm_course.symbolic import CLAIMS, ClaimError
from ddpm_course.symbolic.claim import Claim

from . import (
    beyond,
    evaluation,
    few_steps,
    flow,
    forward,
    loss,
    marginal,
    masked,
    reverse,
    solvers,
    training,
    trends,
    unet,
)
from .setting import TOLERANCE, Binding, Setting

__all__ = [
    "BINDINGS",
    "TOLERANCE",
    "Binding",
    "Entry",
    "Setting",
    "entries",
    "largest_error",
    "main",
    "settings",
]

SETTINGS = ("linear-10", "cosine-1000", "linear-1000")  # quick ones first: a mutant dies early

# In the order of the book: each chapter binds its claims in a file of its name.
BINDINGS: dict[str, Binding] = {
    **trends.BINDINGS,
    **forward.BINDINGS,
    **marginal.BINDINGS,
    **reverse.BINDINGS,
    **loss.BINDINGS,
    **unet.BINDINGS,
    **training.BINDINGS,
    **evaluation.BINDINGS,
    **beyond.BINDINGS,
    **solvers.BINDINGS,
    **flow.BINDINGS,
    **few_steps.BINDINGS,
    **masked.BINDINGS,
}


class Entry(NamedTuple):
    """A row of the ledger."""

    name: str
    kinds: list[str]
    functions: tuple[str, ...]
    error: float | None  # the largest relative error; None when no function computes the claim
    wrong: str  # what is wrong, or nothing


def relative_error(found: Any, said: Any) -> float:
    """The largest relative error over all t, relative to the largest entry of each row."""
    a = np.atleast_2d(found.detach().numpy() if isinstance(found, Tensor) else np.asarray(found))
    b = np.atleast_2d(np.asarray(said, dtype=np.float64))
    a, b = np.broadcast_arrays(a, b)
    gap = np.abs(a - b).max(axis=1)
    size = np.abs(b).max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(gap == 0, 0.0, gap / size)
    return float(np.where(np.isfinite(error), error, np.inf).max(initial=0.0))


def settings() -> Iterator[Setting]:
    """The three schedules with their data."""
    return map(Setting, SETTINGS)


def largest_error(
    claim: Claim, among: Iterable[Setting] | None = None, stop: float = math.inf
) -> float:
    """The largest relative error between a claim and what computes it, over every t.

    Args:
        among: settings that several claims share; new ones when left out.
        stop: give up as soon as the error is larger than this.

    Raises:
        ValueError: the binding never evaluates its claim, so it compares it with nothing.
    """
    worst, read = 0.0, False
    for setting in among or settings():
        setting.read.clear()
        for found, said in BINDINGS[claim.name].pairs(claim, setting):
            worst = max(worst, relative_error(found, said))
            if worst > stop:
                return worst
        read = read or claim.name in setting.read
    if not read:
        raise ValueError(f"{claim.name} is bound to a function, but the binding never reads it.")
    return worst


def entries(prove: bool = True) -> Iterator[Entry]:
    """The ledger, row by row.

    Args:
        prove: prove each claim too; without it only the numbers are compared.
    """
    among = list(settings())
    for claim in CLAIMS.values():
        wrong, error = "", None
        functions: tuple[str, ...] = ()
        if prove:
            try:
                claim.verify()
            except ClaimError as failure:
                wrong = str(failure)
        if claim.name in BINDINGS:
            functions = BINDINGS[claim.name].functions
            error = largest_error(claim, among)
            if not error <= BINDINGS[claim.name].tolerance:
                wrong = wrong or (
                    f"{claim.name}: {', '.join(functions)} differs from the claim by {error:.1e} "
                    f"(at most {BINDINGS[claim.name].tolerance:.0e} is accepted)."
                )
        yield Entry(claim.name, claim.kinds, functions, error, wrong)


def main(out: TextIO | None = None) -> int:
    """Print the ledger; returns 1 when a claim fails, else 0."""
    out = out or sys.stdout
    wrong = []
    count = bound = 0
    worst = 0.0
    for entry in entries():
        count += 1
        state = "fails" if entry.wrong else "holds"
        error = "" if entry.error is None else f"{entry.error:8.1e}"
        print(
            f"{state}  {entry.name:36s} {', '.join(entry.kinds):44s} {error:8s}  "
            f"{', '.join(entry.functions)}",
            file=out,
            flush=True,
        )
        if entry.wrong:
            wrong.append(entry.wrong)
        if entry.error is not None:
            bound, worst = bound + 1, max(worst, entry.error)
    print(
        f"\n{count - len(wrong)} of {count} claims hold; {bound} are computed by functions of the "
        f"package, with a relative error of at most {worst:.1e}.",
        file=out,
    )
    for message in wrong:
        print(f"\n{message}", file=sys.stderr)
    return 1 if wrong else 0
