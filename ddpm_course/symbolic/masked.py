"""The claims of the chapter on masked diffusion: pixels that are masked, and guessed again.

``o_t`` is the event that a pixel is open after t steps, ``m_t`` that it is masked. A masked pixel
stays masked: that is all that the algebra is told of them (``algebra._lifetime``).
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .algebra import difference
from .claim import ALGEBRA, DEFINITION, Check, Claim, Method, Step
from .methods.series import TERM_BY_TERM, by_induction
from .notation import (
    KL,
    Masked,
    Open,
    Said,
    T,
    alpha,
    alpha_bar,
    as_written,
    log,
    p_theta,
    q,
    said,
    t,
    x,
)


def _two_outcomes(before: Any, after: Any) -> Any:
    """A divergence over what a masked pixel may be after a step: open with its value, or masked.

    For any other value q is 0, and 0 log 0 counts as 0.
    """
    _, two = before.args
    (now,) = two.args[2]
    with evaluate(True):
        if before != KL(q(x(now.at - 1), now, x(0)), p_theta(x(now.at - 1), now)):
            return sp.Symbol("no divergence of one step")
        pairs = [(q(a, now), p_theta(a, now)) for a in (Open(now.at - 1), Masked(now.at - 1))]
        return difference(sum(a * log(a / b) for a, b in pairs), after)


def _is_kept(claim: Claim) -> Any:
    """From one step to the next an open pixel stays open with the chance α_t."""
    with evaluate(True):
        before = claim.rhs.xreplace({t: t - 1})
        return difference(claim.rhs / before, alpha(t))


def _adds_up(claim: Claim) -> Any:
    """Over all that the pixel may become the chances have the sum 1; those of the values, p̂, do."""
    opens, stays = (claim.registry[name].rhs for name in ("masked.model", "masked.model-stay"))
    pair = (claim.rhs, stays) if claim.rhs.has(Said) else (opens, claim.rhs)
    with evaluate(True):
        return difference(sp.Add(*pair).xreplace({Said(t): sp.S.One}), sp.S.One)


TWO_OUTCOMES = Method("algebra", _two_outcomes)
with as_written():
    opened, stays = q(Open(t - 1), Masked(t)), q(Masked(t - 1), Masked(t))
    guessed, waits = p_theta(Open(t - 1), Masked(t)), p_theta(Masked(t - 1), Masked(t))
    one_step = KL(q(x(t - 1), Masked(t), x(0)), p_theta(x(t - 1), Masked(t)))
    weight = alpha_bar(t - 1) - alpha_bar(t)
    share = weight / (1 - alpha_bar(t))
    ends = (alpha_bar(T), sp.S.Zero)
    even = (alpha_bar(t), 1 - t / T)
    even_before = (alpha_bar(t - 1), 1 - (t - 1) / T)
    CLAIMS = [
        Claim(
            "masked.open",
            q(Open(t)),
            (
                Step(
                    alpha_bar(t),
                    "in step $s$ an open place stays open with the chance $\\alpha_s$",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "from one step to the next an open pixel stays open with the chance α_t",
                    _is_kept,
                ),
            ),
        ),
        Claim(
            "masked.closed",
            q(Masked(t)),
            (
                Step(1 - q(Open(t)), "a place is open or masked"),
                Step(1 - alpha_bar(t), "put in", ALGEBRA, ("masked.open",)),
            ),
            uncomputed="It is the rest of what stays open, which is bound at masked.open.",
        ),
        Claim(
            "masked.reveal",
            opened,
            (
                Step(
                    q(Masked(t), Open(t - 1)) * q(Open(t - 1)) / q(Masked(t)),
                    "Bayes' rule",
                ),
                Step(
                    (1 - q(Open(t), Open(t - 1))) * q(Open(t - 1)) / q(Masked(t)),
                    "an open place stays open, or is masked",
                ),
                Step(
                    (q(Open(t - 1)) - q(Open(t))) / q(Masked(t)),
                    "multiply out: what is open at $t$ was open at $t - 1$",
                ),
                Step(
                    share,
                    "put in",
                    ALGEBRA,
                    ("masked.open", ("masked.open", {t: t - 1}), "masked.closed"),
                ),
            ),
        ),
        Claim(
            "masked.stay",
            stays,
            (
                Step(1 - opened, "it is opened, or it stays masked"),
                Step(1 - share, "put in", ALGEBRA, ("masked.reveal",)),
                Step(
                    ((1 - alpha_bar(t)) - weight) / (1 - alpha_bar(t)),
                    "write the 1 as a fraction with the same bottom",
                ),
                Step(
                    (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)),
                    "$\\bar\\alpha_t$ cancels",
                ),
            ),
        ),
        Claim(
            "masked.model",
            guessed,
            (
                Step(
                    opened * Said(t),
                    "open it as often as $q$ does, with a value that the network draws",
                    DEFINITION,
                ),
            ),
            checks=(Check("all that may happen has together the chance 1", _adds_up),),
        ),
        Claim(
            "masked.model-stay",
            waits,
            (Step(stays, "let it stay masked as often as $q$ does", DEFINITION),),
            checks=(Check("all that may happen has together the chance 1", _adds_up),),
        ),
        Claim(
            "masked.divergence",
            one_step,
            (
                Step(
                    opened * log(opened / guessed) + stays * log(stays / waits),
                    "what $q$ may do: open the place, with the value $x_0$, or leave it",
                    TWO_OUTCOMES,
                ),
                Step(
                    opened * log(opened / (opened * Said(t))) + stays * log(stays / stays),
                    "the model opens a place, and leaves it, as often as $q$",
                    ALGEBRA,
                    ("masked.model", "masked.model-stay"),
                ),
                Step(opened * log(1 / Said(t)), "what is equal cancels, and $\\log 1 = 0$"),
                Step(share * log(1 / Said(t)), "put in", ALGEBRA, ("masked.reveal",)),
            ),
        ),
        Claim(
            "masked.loss",
            sp.Sum(q(Masked(t)) * one_step, (t, 1, T)),
            (
                Step(
                    sp.Sum((1 - alpha_bar(t)) * share * log(1 / Said(t)), (t, 1, T)),
                    "put in: how often it is masked, and what the step costs then",
                    TERM_BY_TERM,
                    ("masked.closed", "masked.divergence"),
                ),
                Step(
                    sp.Sum(weight * log(1 / Said(t)), (t, 1, T)),
                    "a factor cancels",
                    TERM_BY_TERM,
                ),
            ),
        ),
        Claim(
            "masked.alone",
            sp.Sum(weight * log(1 / said), (t, 1, T)),
            (
                Step(
                    (1 - alpha_bar(T)) * log(1 / said),
                    "all terms but the first and the last cancel",
                    by_induction(T),
                ),
                Step(log(1 / said), "at the end all is masked", ALGEBRA, (ends,)),
            ),
            assuming=(ends,),
            uncomputed="It says what the sum of one pixel is; the sum is bound at masked.loss.",
        ),
        Claim(
            "masked.even",
            share,
            (
                Step(
                    ((1 - (t - 1) / T) - (1 - t / T)) / (1 - (1 - t / T)),
                    "put in",
                    ALGEBRA,
                    (even, even_before),
                ),
                Step(1 / t, "$T$ cancels"),
            ),
            assuming=(even, even_before),
        ),
    ]


__all__ = ["CLAIMS"]
