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

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ..claim import Claim
from . import coq
from .coq import HEADER, PRELUDE, KernelError
from .script import script
from .statement import Refused, Statement, induction, is_chosen, statement

__all__ = [
    "KernelError",
    "Refused",
    "Report",
    "Statement",
    "check",
    "checked",
    "count",
    "counts",
    "exported",
    "in_kernel",
    "induction",
    "mark",
    "script",
    "statement",
    "summary",
    "whole",
    "write",
]

# Claims of which some steps can be said in Coq, but have no proof there yet: they are not asked.
# And an induction whose parts are checked, but not yet put together.
OPEN = {
    "training.ema-sum/all",
    "trends.attention-variance",
    "marginal.linear-alpha-bar",
    "loss.elbo",
    "masked.alone",
    "masked.loss",
}

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
            if claim.name in OPEN:
                report.refused[name] = "its proof in Coq is not written yet"
                continue
            try:
                report.statements[name] = one = statement(claim, number, base)
                _digests[claim.name, number, base] = claim, one.digest
            except Refused as error:
                report.refused[name] = str(error)
        if claim.base and not {claim.name, f"{claim.name}/all"} & OPEN:
            with contextlib.suppress(Refused):  # its base and its step are asked nevertheless
                report.statements[f"{claim.name}/all"] = induction(claim)
    return report


def check(report: Report) -> None:
    """Have Coq's kernel check the statements.

    Raises:
        KernelError: it refuses one, or a proof rests on an axiom that is not of Coq's reals.
        ValueError: Coq is not installed.
    """
    coq.check({name: (one, script(one)) for name, one in report.statements.items()})


def summary(report: Report, claims: Iterable[Claim]) -> str:
    """Each step of algebra that is not said in Coq, with the reason; and the counts."""
    lines = [f"{name}: not asked of the kernel: {why}." for name, why in report.refused.items()]
    return "\n".join([*lines, counts(claims)])


def counts(claims: Iterable[Claim]) -> str:
    """How many claims have each mark, and how many steps the kernel checked, of how many."""
    claims = list(claims)
    marks = Counter(map(mark, claims))
    every = algebra = done = 0
    for claim in claims:
        for _, number, base in steps_of(claim):
            steps = claim.base.steps if base and claim.base else claim.steps
            is_checked = checked(claim, number, base)
            every += is_checked
            if steps[number].by.kind == "algebra" and not is_chosen(claim, number, base):
                algebra += 1
                done += is_checked
    return (
        f"Of {len(claims)} claims {marks['⊢']} have the mark ⊢, {marks['✓']} ✓, {marks['◇']} ◇ and "
        f"{marks['≔']} ≔. Coq's kernel checked {every} steps: "
        f"{done} of the {algebra} steps of algebra ({100 * done // max(algebra, 1)}%), "
        f"and {every - done} others. "
        f"{sum(map(whole, claims))} claims are checked whole, "
        f"{marks['⊢']} of them with all that they rest on. "
        f"{sum(name.endswith('/all') for name in _recorded())} are put together for every t, by "
        "induction."
    )


# -- what was checked, without Coq -----------------------------------------------------------------


def foundation() -> str:
    """A digest of what all statements are read with: the prelude and the header."""
    return hashlib.sha256((PRELUDE.read_text(encoding="utf8") + HEADER).encode()).hexdigest()[:16]


def record(report: Report) -> str:
    """The text of the file that says what was checked."""
    digests = {name: one.digest for name, one in report.statements.items()}
    content = {"foundation": foundation(), "checked": dict(sorted(digests.items()))}
    return json.dumps(content, indent=1) + "\n"


def write(content: str) -> None:
    """Write down what was checked."""
    RECORD.write_text(content, encoding="utf8")
    _recorded.cache_clear()


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
    asked, digest = _digests.get((claim.name, number, base), (None, ""))
    if asked is not claim:  # a claim is asked for its marks many times
        digest = ""
        with contextlib.suppress(Refused):
            digest = statement(claim, number, base).digest
        _digests[claim.name, number, base] = claim, digest
    return digest == known


_digests: dict[tuple[str, int, bool], tuple[Claim, str]] = {}  # of statements that were written


def count(claim: Claim) -> tuple[int, int]:
    """How many steps of a claim the kernel checked, of how many that are not chosen."""
    asked = [(n, base) for _, n, base in steps_of(claim) if not is_chosen(claim, n, base)]
    return sum(checked(claim, *one) for one in asked), len(asked)


def whole(claim: Claim) -> bool:
    """Whether the kernel checked every step of a claim that is not chosen, and there is one."""
    done, asked = count(claim)
    return done == asked > 0


def in_kernel(claim: Claim) -> bool:
    """Whether the kernel checked every step of a claim and of every claim that it rests on."""

    def sound(name: str) -> bool:
        below = claim.registry[name]
        done, asked = count(below)
        return done == asked and all(map(sound, below.used))

    return whole(claim) and all(map(sound, claim.used))


def mark(claim: Claim) -> str:
    """The mark of a claim: ⊢ where the kernel checked all, down to the definitions."""
    return "⊢" if in_kernel(claim) else claim.mark
