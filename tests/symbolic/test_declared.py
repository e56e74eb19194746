"""What is not said: a claim that leaves it open is refused with a sentence that names the place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import sympy as sp

from ddpm_course.symbolic import CLAIMS, Claim, ClaimError
from ddpm_course.symbolic.claim import ASSUMED, Step
from ddpm_course.symbolic.declared import missing
from ddpm_course.symbolic.methods import ALGEBRA
from ddpm_course.symbolic.notation import (
    E,
    T,
    Var,
    alpha,
    as_written,
    beta,
    cosine_share,
    log,
    q,
    s,
    t,
    x,
)

foo, bar = sp.Symbol("foo"), sp.Symbol("bar", real=True)

with as_written():
    OPEN: dict[str, tuple[Any, list[Step], tuple[Any, ...], str]] = {
        "a mean of nothing random": (
            E(bar),
            [Step(bar, "a constant")],
            (),
            r"step 1 of 1 (a constant): \mathbb E[bar] has no law: nothing in it is random",
        ),
        "a variance of nothing random": (
            alpha(t),
            [Step(1 - beta(t), "first"), Step(1 - beta(t) + Var(bar), "no chance")],
            (),
            r"step 2 of 2 (no chance): \operatorname{Var}[bar] has no law",
        ),
        "a law without a name": (
            E(x(t), over="r"),
            [Step(1 * E(x(t), over="r"), "the same")],
            (),
            "step 1 of 1 (the same) can be tried in no world: no law is named r, over which",
        ),
        "a mean over the paths of no law": (
            E(log(q(x(1), x(0)))),
            [Step(1 * E(log(q(x(1), x(0)))), "the same")],
            (),
            "does not say over which law it is a mean, q or p_θ.",
        ),
        "a letter that nobody declared": (
            foo * (alpha(t) + beta(t)),
            [Step(foo, "they sum to 1")],
            (),
            "step 1 of 1 (they sum to 1): the letter foo is not declared: say what it can be",
        ),
        "a letter in what is assumed": (
            alpha(t),
            [Step(1 - beta(t), "first")],
            ((beta(1), foo),),
            "what it assumes: the letter foo is not declared",
        ),
        "a function that nobody declared": (
            sp.Function("g")(t),
            [Step(1 * sp.Function("g")(t), "the same")],
            (),
            "step 1 of 1 (the same) can be tried in no world: g(t) has no value",
        ),
        "a letter in a reason": (
            alpha(t),
            [Step(1 - beta(t), r"since $\zeta = \alpha_t$")],
            (),
            r"in the reason (since $\zeta = \alpha_t$), the formula cannot be read: \zeta",
        ),
        "a claim that uses itself": (
            alpha(t),
            [Step(1 - beta(t), "as said", ALGEBRA, ("wrong.open",))],
            (),
            "step (as said): a claim cannot rest on itself: wrong.open -> wrong.open.",
        ),
        "a claim that nobody made": (
            alpha(t),
            [Step(1 - beta(t), "as said", ALGEBRA, ("marginal.never",))],
            (),
            "step (as said): wrong.open uses marginal.never, but no claim has this name.",
        ),
        "an assumption that no world meets": (
            beta(t),
            [Step(sp.Integer(2), "as assumed", ALGEBRA, (ASSUMED,))],
            ((beta(t), sp.Integer(2)),),
            r"step 1 of 1 (as assumed) can be tried in no world: none could be built in which "
            r"\beta_t = 2.",
        ),
        "a letter of a schedule that is not assumed": (
            cosine_share(t),
            [Step(1 * cosine_share(t), "the same")],
            (),
            "step 1 of 1 (the same) can be tried in no world: f_t has a value for the cosine",
        ),
        "an assumption of what is used": (
            Var(x(t)),
            [Step(sp.S.One, "it stays 1", ALGEBRA, ("forward.unit-variance",))],
            (),
            r"step (it stays 1): forward.unit-variance assumes \operatorname{Var}[x_{t-1}] = 1",
        ),
    }


@pytest.mark.parametrize("what", OPEN)
def test_what_is_left_open_is_named_in_one_sentence(what: str) -> None:
    lhs, steps, assuming, said = OPEN[what]
    made = Claim("wrong.open", lhs, tuple(steps), assuming=assuming)
    with pytest.raises(ClaimError) as caught:
        replace(made, registry={**CLAIMS, made.name: made}).verify()
    sentence = str(caught.value)
    assert sentence.startswith("wrong.open: ")
    assert said in sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")


def test_constants_may_stand_in_a_mean_beside_what_is_random() -> None:
    with as_written():
        for fine in (
            E(bar * x(t)),
            E(log(q(x(1), x(0))), over="q"),
            T * s,
            E(bar, over=r"bar \sim q"),
        ):
            assert missing(fine) == ""
