"""A second prover: the steps of the book as statements of Coq, checked by its kernel.

    >>> from ddpm_course.symbolic import claim, kernel
    >>> print(kernel.statement(claim("marginal.variance"), 4).says)
    forall (t : nat),
      (1 <= t)%nat ->
      1 - alpha t * alpha_bar (t - 1)%nat = 1 - alpha_bar t

``ddpm-course verify --kernel`` has Coq check them all, and writes down which statements it checked
(``checked.json``). A step has the mark of the kernel as long as its statement is, word for word,
one that was checked: so the book can be built without Coq.

``statement.py`` and the definitions of ``prelude.v`` say what is proved, and have to be believed;
``script.py`` writes the proofs, which do not.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..claim import Claim
from . import coq
from .coq import HEADER, PRELUDE, KernelError
from .script import script
from .statement import Refused, Statement, is_chosen, statement

__all__ = [
    "KernelError",
    "Refused",
    "Report",
    "Statement",
    "check",
    "checked",
    "exported",
    "script",
    "statement",
    "summary",
    "whole",
]

# Statements whose proof is not written yet: they are said, and not asked.
OPEN = frozenset(
    [
        "trends.attention-variance/2",
        "forward.naive-variance/base-3",
        "forward.naive-variance/3",
        "forward.naive-variance/4",
        "forward.gaussian-sum/1",
        "forward.gaussian-sum/2",
        "forward.gaussian-sum/3",
        "forward.gaussian-sum/4",
        "forward.gaussian-sum/5",
        "marginal.linear-alpha-bar/2",
        "marginal.linear-alpha-bar/3",
        "marginal.prior-bound/2",
        "reverse.small-step/1",
        "reverse.small-step/3",
        "reverse.bayes/1",
        "reverse.bayes/2",
        "reverse.bayes/3",
        "reverse.complete-square/1",
        "reverse.gaussian-data-density/1",
        "reverse.gaussian-data-mean/3",
        "reverse.gaussian-data-variance/3",
        "loss.elbo/2",
        "loss.elbo/3",
        "loss.elbo-step/2",
        "loss.eps-error/1",
        "loss.eps-error/2",
        "loss.eps-error/3",
        "loss.x0-error/1",
        "loss.x0-error/2",
        "loss.x0-error/3",
        "loss.x0-error/4",
        "loss.x0-error/5",
        "loss.x0-error/6",
        "loss.one-prediction/1",
        "loss.one-prediction/2",
        "loss.one-prediction/3",
        "loss.one-prediction/4",
        "training.ema-sum/2",
        "training.ema-sum/3",
        "beyond.ddim-marginal/1",
        "beyond.ddim-marginal/2",
        "beyond.ddim-is-ddpm/1",
        "solvers.ratio/2",
    ]
)

RECORD = Path(__file__).with_name("checked.json")


class Report(NamedTuple):
    """What was asked of the kernel: the statements, and for each other step why it was not."""

    statements: dict[str, Statement]
    refused: dict[str, str]  # an algebra step that is not said in Coq, and why
    chosen: dict[str, str]  # a definition or a rule of probability: nothing to ask


def steps_of(claim: Claim) -> Iterator[tuple[str, int, bool]]:
    """The steps of a claim: a name for each, its number, and whether it is of the base."""
    for base, steps in ((True, claim.base.steps if claim.base else ()), (False, claim.steps)):
        for number in range(len(steps)):
            yield f"{claim.name}/{'base-' if base else ''}{number + 1}", number, base


def exported(claims: Iterable[Claim]) -> Report:
    """All steps of some claims, as statements where they can be said in Coq."""
    report = Report({}, {}, {})
    for claim in claims:
        for name, number, base in steps_of(claim):
            if why := is_chosen(claim, number, base):
                report.chosen[name] = why
                continue
            if name in OPEN:
                report.refused[name] = "it can be said in Coq, but its proof is not written yet"
                continue
            try:
                report.statements[name] = statement(claim, number, base)
            except Refused as error:
                report.refused[name] = str(error)
    return report


def check(report: Report) -> None:
    """Have Coq's kernel check the statements.

    Raises:
        KernelError: it refuses one, or a proof rests on an axiom that is not of Coq's reals.
        ValueError: Coq is not installed.
    """
    coq.check({name: (one, script(one)) for name, one in report.statements.items()})


def summary(report: Report, claims: Iterable[Claim]) -> str:
    """The counts, and each step of algebra that is not said in Coq, with the reason."""
    claims = list(claims)
    kinds = {
        name: (claim.base.steps if base and claim.base else claim.steps)[number].by.kind
        for claim in claims
        for name, number, base in steps_of(claim)
    }
    asked = [n for n, kind in kinds.items() if kind == "algebra" and n not in report.chosen]
    done = [name for name in asked if name in report.statements]
    more = len(report.statements) - len(done)
    lines = [f"{name}: not asked of the kernel: {why}." for name, why in report.refused.items()]
    complete = sum(
        1
        for claim in claims
        if (names := [n for n, *_ in steps_of(claim) if n not in report.chosen])
        and all(name in report.statements for name in names)
    )
    lines.append(
        f"Coq's kernel checked {len(report.statements)} statements: {len(done)} of {len(asked)} "
        f"steps of algebra, and {more} others; {complete} claims whole."
    )
    return "\n".join(lines)


# -- what was checked, without Coq -----------------------------------------------------------------


def foundation() -> str:
    """A digest of what all statements are read with: the prelude and the header."""
    return hashlib.sha256((PRELUDE.read_text(encoding="utf8") + HEADER).encode()).hexdigest()[:16]


def record(report: Report) -> str:
    """The text of the file that says what was checked."""
    digests = {name: one.digest for name, one in report.statements.items()}
    content = {"foundation": foundation(), "checked": dict(sorted(digests.items()))}
    return json.dumps(content, indent=1) + "\n"


@cache
def _recorded() -> dict[str, str]:
    try:
        content = json.loads(RECORD.read_text(encoding="utf8"))
    except FileNotFoundError:
        return {}
    return dict(content["checked"]) if content["foundation"] == foundation() else {}


def checked(claim: Claim, number: int, base: bool = False) -> bool:
    """Whether the kernel checked this very step."""
    known = _recorded().get(f"{claim.name}/{'base-' if base else ''}{number + 1}")
    if known is None:
        return False
    try:
        return statement(claim, number, base).digest == known
    except Refused:
        return False


def whole(claim: Claim) -> bool:
    """Whether the kernel checked every step of a claim that is not chosen, and there is one."""
    asked = [
        (number, base) for _, number, base in steps_of(claim) if not is_chosen(claim, number, base)
    ]
    return bool(asked) and all(checked(claim, number, base) for number, base in asked)
