"""The claims of the chapter on one to four calls: what a student can learn of its teacher."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .claim import ALGEBRA, DEFINITION, Check, Claim, Step
from .notation import (
    E,
    Guess,
    Norm2,
    Var,
    as_written,
    speed,
    speed_hat,
    u,
    u_next,
    x,
    x0_guess,
    x_u,
    z,
)


def _stays(claim: Claim) -> Any:
    """At u = 0 nothing is left to do: whatever the network says, the data stay."""
    with evaluate(True):
        return sp.expand(claim.rhs.doit().subs(u, 0) - x_u)


with as_written():
    end = Guess(x_u)  # where the walk through x_u ends
    said = (x0_guess, x_u - u * speed_hat)
    CLAIMS = [
        Claim(
            "few_steps.no-doubt",
            Var(end, x_u),
            (
                Step(E(end**2, x_u) - E(end, x_u) ** 2, "the definition of the variance"),
                Step(end**2 - end**2, "given $x_u$, the end is no longer random"),
                Step(sp.S.Zero, "nothing is left"),
            ),
            uncomputed="It is said of any walk without fresh noise; no function computes a doubt.",
        ),
        Claim(
            "few_steps.student",
            x0_guess,
            (
                Step(
                    x_u - u * speed_hat,
                    "from $x_u$ straight to the data, with the velocity that the student says",
                    DEFINITION,
                ),
            ),
            checks=(Check("at u = 0 it stays where it is", _stays),),
        ),
        Claim(
            "few_steps.loss",
            Norm2(x(0) - x0_guess),
            (
                Step(
                    Norm2((x_u - u * speed) - (x_u - u * speed_hat)),
                    "both ends from their velocity",
                    ALGEBRA,
                    ("flow.x0-from-velocity", said),
                ),
                Step(Norm2(u * (speed_hat - speed)), "$x_u$ cancels"),
                Step(u**2 * Norm2(speed - speed_hat), "a factor comes out, squared"),
            ),
            assuming=(said,),
        ),
        Claim(
            "few_steps.again",
            Var((1 - u_next) * x(0) + u_next * z, x(0)),
            (
                Step(Var(u_next * z, x(0)), "$x_0$ is given: only the noise varies"),
                Step(u_next**2, "the noise has the variance 1"),
            ),
            uncomputed="It is a variance over all noise; what is drawn once is `flow.path`.",
        ),
    ]

__all__ = ["CLAIMS"]
