r"""The mathematics of the book: every displayed equation, with a proof of every step.

    >>> from ddpm_course.symbolic import claim
    >>> print(claim("marginal.alpha-bar").verify())
    marginal.alpha-bar: 1 line holds.
    1. \bar\alpha_t = \prod_{s=1}^{t} \alpha_s
       the share that is left after $t$ steps [chosen, 128 worlds]

There is a file for each chapter. Nothing here imports torch; ``ddpm_course.ledger`` lays the claims
beside the torch functions.
"""

from __future__ import annotations

import difflib
from dataclasses import replace
from types import MappingProxyType

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
from .claim import Claim, ClaimError

__all__ = ["CLAIMS", "Claim", "ClaimError", "claim", "verify"]

# A claim moves when its chapter does; who knows it by its old name still finds it.
_MOVED = {"marginal.prior-kl": "loss.prior-kl", "marginal.prior-bound": "loss.prior-bound"}


class _Claims(dict[str, Claim]):
    def __missing__(self, name: str) -> Claim:
        return self[_MOVED[name]]


_ALL = _Claims()
CLAIMS = MappingProxyType(_ALL)  # by name, in the order of the book

for _chapter in (
    trends,
    forward,
    marginal,
    reverse,
    loss,
    unet,
    training,
    evaluation,
    beyond,
    solvers,
    flow,
    few_steps,
    masked,
):
    for _claim in _chapter.CLAIMS:
        if _claim.name in _ALL:
            raise ValueError(f"two claims are named {_claim.name}.")
        _ALL[_claim.name] = replace(_claim, registry=CLAIMS)


def claim(name: str) -> Claim:
    """The claim of this name.

    Raises:
        ValueError: there is none; the sentence gives the nearest names.
    """
    if name in CLAIMS or name in _MOVED:
        return CLAIMS[name]
    near = difflib.get_close_matches(name, CLAIMS, n=3, cutoff=0.4)
    hint = f"the nearest are {', '.join(near)}" if near else "see the ledger for all names"
    raise ValueError(f"no claim is named {name!r}; {hint}.")


def verify(names: list[str] | None = None) -> dict[str, str]:
    """Prove claims, all when left out.

    Returns:
        For each claim that does not hold, its name and what is wrong.
    """
    wrong = {}
    for name in names or CLAIMS:
        try:
            claim(name).verify()
        except ClaimError as error:
            wrong[name] = str(error)
    return wrong
