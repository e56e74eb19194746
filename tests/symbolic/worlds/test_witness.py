"""Worlds against closed forms that are known otherwise, and false statements that die in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from ddpm_course.symbolic import CLAIMS, Claim, worlds
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Step
from ddpm_course.symbolic.methods import ALGEBRA, AT_MOST
from ddpm_course.symbolic.notation import (
    KL,
    E,
    Gradient,
    Normal,
    Over,
    T,
    Var,
    alpha_bar,
    as_written,
    beta,
    beta_tilde,
    eps,
    eps_at,
    log,
    p_theta,
    q,
    sqrt,
    t,
    x,
    z,
)
from ddpm_course.symbolic.worlds.chains import Chains
from ddpm_course.symbolic.worlds.laws import Law, nodes
from ddpm_course.symbolic.worlds.noising import Noising


def said(lhs: Any, rhs: Any, relation: str = "=", **more: Any) -> Claim:
    return Claim("test.claim", lhs, (Step(rhs, "", ALGEBRA, (), relation),), **more)


def test_every_claim_is_asked_in_a_hundred_worlds() -> None:
    """That it is true there, ``verify`` finds: see ``test_claims``."""
    assert worlds.WITHOUT == {}
    assert all(worlds.count(claim) >= 100 for claim in CLAIMS.values())


def test_nodes_have_the_moments_of_independent_gaussians() -> None:
    for dimensions in (1, 2, 3):
        points, weights = nodes(dimensions)
        assert weights.sum() == pytest.approx(1)
        np.testing.assert_allclose(weights @ points, 0, atol=1e-12)
        np.testing.assert_allclose(
            points.T @ (weights[:, None] * points), np.eye(dimensions), atol=1e-12
        )
        assert weights @ points[:, 0] ** 4 == pytest.approx(3)


def test_law_given_a_sum_is_that_of_two_gaussians() -> None:
    """u with variance 4 and w with variance 1: given u + w = y, u has mean 0.8 y, variance 0.8."""
    one = np.ones((1, 1, 1))
    law = Law(one, np.zeros((1, 1, 1, 2)), np.array([4.0, 1.0]).reshape(1, 1, 1, 2))
    law.rows["u"], law.rows["sum"] = np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])
    points, weights = law.given(["u"], ["sum"], np.full((1, 1, 1, 1), 2.0))
    mean = (points[..., 0] * weights).sum()
    assert mean == pytest.approx(1.6)
    assert (points[..., 0] ** 2 * weights).sum() - mean**2 == pytest.approx(0.8)
    density = np.exp(law.log_density(["sum"], np.full((1, 1, 1, 1), 2.0)))
    assert density.item() == pytest.approx(np.exp(-4 / 10) / np.sqrt(10 * np.pi))


@pytest.fixture(scope="module")
def noising() -> Noising:
    return Noising(said(x(t), x(t)), 7, 5, 3, 1, 2)


def test_noising_mixes_densities_of_random_schedules(noising: Noising) -> None:
    with as_written():
        whole = noising(Over(q(x(t)), x(t)))
        mean = noising(E(x(0), x(t)))
        by_bayes = noising(Over(x(0) * (q(x(t), x(0)) * q(x(0)) / q(x(t))), x(0)))
        slope = noising(Gradient(log(q(x(t))), x(t)))
    np.testing.assert_allclose(whole, 1, atol=1e-10)
    np.testing.assert_allclose(mean, by_bayes, atol=1e-8)
    # Tweedie's formula, from the density itself.
    bar = np.cumprod(1 - noising.beta[:, 1:], 1)[:, 2].reshape(-1, 1, 1)
    tweedie = (noising.point["x", 3] + (1 - bar) * slope) / np.sqrt(bar)
    np.testing.assert_allclose(mean, tweedie, atol=1e-7)


def test_what_was_worked_out_in_a_world_is_not_said_of_a_changed_one(noising: Noising) -> None:
    """A letter with another value, one more axis, another t: each is worked out anew."""
    letter = sp.Symbol("y", real=True)
    square, moved = letter**2, x(t) + 1
    inner = noising.with_letter(letter, 3.0)
    assert inner(square) == inner(square) == 9
    assert inner.with_letter(letter, 5.0)(square) == 25
    shape = np.shape(noising(moved))
    assert np.shape(noising.deeper()(moved)) == (*shape, 1)
    when, before = noising.letters[t], noising(2 * eps)
    noising.place(when - 1)
    assert not np.allclose(noising(2 * eps), before)
    noising.place(when)
    np.testing.assert_allclose(noising(2 * eps), before)


def test_chains_sum_to_one_and_know_bayes_rule() -> None:
    chain = Chains(3, 3, 2)
    np.testing.assert_allclose(chain.q.sum(tuple(range(1, 6))), 1)
    np.testing.assert_allclose(chain(E(sp.S.One, over="q")), 1)
    back = chain(q(x(1), x(2), x(0)))
    np.testing.assert_allclose(back.sum(2, keepdims=True), 1)
    assert (chain(KL(q(x(2), x(0)), nt.prior(x(2)))) >= 0).all()
    np.testing.assert_allclose(chain(p_theta(x(1), x(2))).sum(2), 1)


with as_written():
    TRUE = [
        said(E(x(t), x(0)), sqrt(alpha_bar(t)) * x(0)),
        said(Var(x(t), [x(t - 1), x(0)]), beta(t)),
        said(E(z * x(t)), sp.S.Zero),
        said(q(x(t), x(t - 1)), Normal(x(t), sqrt(1 - beta(t)) * x(t - 1), beta(t))),
        said(beta_tilde(t), beta(t), r"\le"),
        said(KL(q(x(T), x(0)), nt.prior(x(T))), sp.S.Zero, r"\ge"),
        said(q(x(t - 1), x(t), x(0)), q(x(t), x(t - 1)) * q(x(t - 1), x(0)), r"\propto"),
    ]
    FALSE = [
        said(E(eps, x(t)), sp.S.Zero),
        said(E(z * x(t - 1)), sp.S.Zero),
        said(E(eps * eps_at(t)), sp.S.Zero),
        said(beta_tilde(t), beta(t), r"\ge"),
        said(alpha_bar(t - 1), alpha_bar(t), r"\le"),
        said(q(x(t), x(t - 1)), Normal(x(t), sqrt(1 - beta(t)) * x(t - 1), sqrt(beta(t)))),
        said(E(x(t) ** 2, over="p"), E(x(t) ** 2)),
        said(KL(q(x(T), x(0)), nt.prior(x(T))), KL(nt.prior(x(T)), q(x(T), x(0)))),
    ]


@pytest.mark.parametrize("claim", TRUE, ids=lambda claim: claim.latex())
def test_true_statements_hold(claim: Claim) -> None:
    assert worlds.witness(claim) is None


@pytest.mark.parametrize("claim", FALSE, ids=lambda claim: claim.latex())
def test_false_statements_die(claim: Claim) -> None:
    assert worlds.witness(claim) is not None


def test_assumption_that_no_world_can_meet_is_named() -> None:
    both = said(beta(t), beta(t), assuming=((beta(t), alpha_bar(t) + 3),))
    found = worlds.witness(both)
    assert found is not None
    assert "no world: none could be built in which" in found[1]


def test_worlds_refuse_what_a_careless_proof_lets_pass() -> None:
    """The second witness is asked whatever the method says."""
    careless = AT_MOST._replace(prove=lambda before, after: True)
    claim = replace(
        CLAIMS["marginal.alpha"],
        steps=(Step(1 + beta(t), "wrong", careless._replace(relation="=")),),
        checks=(),
    )
    with pytest.raises(Exception, match="step 1 of 1 .wrong. is not true in every world"):
        claim.verify()
