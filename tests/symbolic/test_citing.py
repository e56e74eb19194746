"""What a step cites: put in with its values, needed by the step, and never the claim itself."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest
import sympy as sp
from sympy.core.parameters import evaluate

from ddpm_course.symbolic import CLAIMS, Claim, ClaimError
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.citing import BY_HEART, at_time, named
from ddpm_course.symbolic.claim import Step
from ddpm_course.symbolic.methods import ALGEBRA
from ddpm_course.symbolic.notation import (
    Var,
    alpha,
    alpha_bar,
    as_written,
    beta_tilde,
    q,
    snr,
    sqrt,
    t,
    v,
    x,
)


def test_values_are_put_in_alike_whatever_the_cache_of_sympy_holds() -> None:
    letter = sp.Symbol("w", nonnegative=True)
    with as_written():
        e = sqrt(1 - alpha_bar(t) - letter**2)
        expected = sqrt(1 - alpha_bar(t) + 0)
    for at_once in (True, False):
        with evaluate(at_once):
            sp.Pow(0, 2)
        assert at_time(e, {letter: sp.S.Zero}) == expected


CITED = [name for name, claim in CLAIMS.items() if claim.steps[-1].by is ALGEBRA]


@pytest.mark.parametrize("name", CITED[:40])
def test_unrelated_citation_is_refused(name: str) -> None:
    claim = CLAIMS[name]
    step = claim.steps[-1]
    other = "trends.contrastive" if claim.chapter != "trends" else "training.ema"
    wrong = (*claim.steps[:-1], step._replace(uses=(*step.uses, other)))
    with pytest.raises(ClaimError, match="nothing here is replaced by it"):
        replace(claim, steps=wrong).verify()


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("marginal.variance", ("forward.two-steps", {t: t - 1})),
        ("marginal.snr", ("marginal.sample", {t: nt.s})),
        ("loss.one-prediction", ("forward.square", {})),
        ("reverse.posterior", ("forward.gaussian-sum", {})),
        ("beyond.ddim-variance-step", ("marginal.snr", {t: t - 2})),
        ("marginal.closed-form", ("forward.gaussian-integral", {})),
    ],
)
def test_citation_with_other_values_is_needed_too(name: str, use: Any) -> None:
    claim = CLAIMS[name]
    step = claim.steps[-1]
    wrong = (*claim.steps[:-1], step._replace(uses=(*step.uses, use)))
    with pytest.raises(ClaimError, match="nothing here is replaced by it|does not stand here"):
        replace(claim, steps=wrong).verify()


with as_written():
    IDLE: list[tuple[Any, Any, Any]] = [
        (2 * snr(t), snr(t) + snr(t), "marginal.snr"),
        (Var(x(t), x(0)) - Var(x(t), x(0)), sp.S.Zero, "marginal.variance"),
        (beta_tilde(t) / beta_tilde(t), sp.S.One, "reverse.posterior-variance"),
        (3 * snr(t - 1), snr(t - 1) * 3, ("marginal.snr", {t: t - 1})),
        (q(x(t), x(0)) ** 2, q(x(t), x(0)) * q(x(t), x(0)), "marginal.closed-form"),
        (v + x(t), x(t) + v, "marginal.sample"),
    ]


@pytest.mark.parametrize(("before", "after", "use"), IDLE, ids=str)
def test_citation_without_which_a_step_follows_is_refused(
    before: Any, after: Any, use: Any
) -> None:
    step = Step(after, "cited for nothing", ALGEBRA, (use,))
    made = Claim("wrong.idle", before, (step,), registry=CLAIMS)
    with pytest.raises(ClaimError, match="follows without it"):
        made.prove_step(0)
    replace(made, steps=(step._replace(uses=()),)).prove_step(0)


@pytest.mark.parametrize("name", BY_HEART)
def test_fact_that_is_known_by_heart_is_cited_where_it_is_not_needed(name: str) -> None:
    """The list of what may be cited for the reader has nothing on it that it need not have."""
    found = False
    for claim in CLAIMS.values():
        for number, step in enumerate(claim.steps):
            fewer = tuple(use for use in step.uses if named(use)[0] != name)
            if fewer != step.uses and not found:
                steps = (*claim.steps[:number], step._replace(uses=fewer))
                with contextlib.suppress(ClaimError):
                    replace(claim, steps=steps).prove_step(number)
                    found = True
    assert found


@pytest.mark.parametrize("times", [{t: t - 1}, {t: t + 1}, {t: nt.s}, {}], ids=str)
def test_claim_that_rests_on_itself_at_another_time_is_refused(times: dict[Any, Any]) -> None:
    with as_written():
        step = Step(alpha(t) * alpha_bar(t - 1), "", ALGEBRA, (("wrong.round", times),))
    made = Claim("wrong.round", alpha_bar(t), (step,))
    with pytest.raises(ClaimError, match="cannot rest on itself"):
        replace(made, registry={**CLAIMS, made.name: made}).verify()


@pytest.mark.parametrize("name", [name for name in CITED if CLAIMS[name].used][:25])
def test_claim_that_rests_on_itself_is_refused(name: str) -> None:
    """The first claim that it uses is made to use it in turn."""
    claim, below = CLAIMS[name], CLAIMS[CLAIMS[name].used[0]]
    first = below.steps[0]
    round_about = replace(below, steps=(first._replace(uses=(*first.uses, name)), *below.steps[1:]))
    registry = MappingProxyType({**CLAIMS, below.name: round_about})
    with pytest.raises(ClaimError, match="cannot rest on itself"):
        replace(claim, registry=registry).verify()
