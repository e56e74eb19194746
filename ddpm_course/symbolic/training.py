"""The claims of the chapter on training: the averaged weights."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .claim import HYPOTHESIS, Chain, Check, Claim, Step
from .methods import ALGEBRA, DEFINITION
from .notation import Averaged, Weights, as_written, k, n

keep = sp.Symbol(r"\lambda", positive=True)


def _shares(claim: Claim) -> Any:
    """The shares sum to 1; keeping nothing gives the newest weights, keeping all the old ones."""
    with evaluate(True):
        rhs = claim.rhs.doit()
        same = rhs.xreplace({Averaged(n - 1): sp.S.One, Weights(n): sp.S.One})
        return (
            sp.expand(same - 1)
            or sp.expand(rhs.subs(keep, 0) - Weights(n))
            or sp.expand(rhs.subs(keep, 1) - Averaged(n - 1))
        )


with as_written():
    CLAIMS = [
        Claim(
            "training.ema",
            Averaged(n),
            (
                Step(
                    keep * Averaged(n - 1) + (1 - keep) * Weights(n),
                    "keep the share $\\lambda$ of the average, add the new weights",
                    DEFINITION,
                ),
            ),
            checks=(Check("its shares sum to 1, and λ is the share that is kept", _shares),),
        ),
        Claim(
            "training.ema-sum",
            Averaged(n),
            (
                Step(
                    keep * Averaged(n - 1) + (1 - keep) * Weights(n),
                    "the definition",
                    ALGEBRA,
                    ("training.ema",),
                ),
                Step(
                    keep
                    * (
                        keep ** (n - 1) * Weights(0)
                        + (1 - keep) * sp.Sum(keep ** (n - 1 - k) * Weights(k), (k, 1, n - 1))
                    )
                    + (1 - keep) * Weights(n),
                    "the claim for $n-1$",
                    ALGEBRA,
                    (HYPOTHESIS,),
                ),
                Step(
                    keep**n * Weights(0)
                    + (1 - keep) * sp.Sum(keep ** (n - k) * Weights(k), (k, 1, n - 1))
                    + (1 - keep) * Weights(n),
                    "multiply $\\lambda$ in",
                ),
                Step(
                    keep**n * Weights(0)
                    + (1 - keep) * sp.Sum(keep ** (n - k) * Weights(k), (k, 1, n)),
                    "take $\\theta_n$ into the sum",
                ),
            ),
            base=Chain(
                Averaged(1),
                (
                    Step(
                        keep * Weights(0) + (1 - keep) * Weights(1),
                        "the definition, starting from $\\bar\\theta_0 = \\theta_0$",
                        ALGEBRA,
                        (("training.ema", {n: 1, Averaged(n - 1): Weights(0)}),),
                    ),
                    Step(
                        keep**1 * Weights(0)
                        + (1 - keep) * sp.Sum(keep ** (1 - k) * Weights(k), (k, 1, 1)),
                        "a sum of one term",
                    ),
                ),
            ),
            over=n,
        ),
    ]

__all__ = ["CLAIMS"]
