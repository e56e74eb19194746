"""The engine: a step that does not follow is named; LaTeX comes in the order of the writer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from ddpm_course.symbolic import CLAIMS, Claim, ClaimError, claim
from ddpm_course.symbolic.algebra import difference, nonnegative
from ddpm_course.symbolic.claim import HYPOTHESIS, Chain, Step
from ddpm_course.symbolic.methods import (
    ALGEBRA,
    AT_LEAST,
    AT_MOST,
    BELOW,
    DEFINITION,
    LINEARITY,
    SUBSTITUTION,
)
from ddpm_course.symbolic.notation import (
    KL,
    E,
    Gradient,
    Inner,
    Norm2,
    States,
    T,
    Transposed,
    Var,
    alpha,
    alpha_bar,
    as_written,
    beta,
    beta_tilde,
    d,
    eps,
    eps_at,
    eps_theta,
    exp,
    log,
    p_theta,
    q,
    s,
    sigma,
    sqrt,
    t,
    v,
    var_1,
    x,
    z,
)
from ddpm_course.symbolic.printing import latex

BETA = np.array([0.0, 0.1, 0.2, 0.5])


def test_equal_expressions_are_equal() -> None:
    assert difference(alpha(t) + beta(t), sp.S.One) == 0
    assert difference(alpha_bar(t), alpha(t) * alpha(t - 1) * alpha_bar(t - 2)) == 0
    assert difference(sqrt(alpha_bar(t)), sqrt(alpha(t)) * sqrt(alpha_bar(t - 1))) == 0
    assert (
        difference(sqrt((1 - alpha_bar(t)) ** 3), (1 - alpha_bar(t)) * sqrt(1 - alpha_bar(t))) == 0
    )
    assert difference(alpha_bar(1), alpha(1)) == 0
    assert difference(beta(0), sp.S.Zero) == 0
    assert difference(log(alpha_bar(t) * beta(t)), log(alpha_bar(t)) + log(beta(t))) == 0


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (alpha_bar(t), alpha(t)),
        (alpha_bar(t), alpha_bar(t - 1)),
        (sqrt(alpha(t)), alpha(t)),
        (sqrt(1 - alpha_bar(t)), 1 - sqrt(alpha_bar(t))),
        (beta(t), -beta(t)),
        (beta(t), beta(t - 1)),
        (x(t), x(t - 1)),
        (eps_theta(x(t), t), eps_theta(x(t), t - 1)),
        (log(beta(t)), log(alpha(t))),
    ],
)
def test_different_expressions_are_different(a: sp.Expr, b: sp.Expr) -> None:
    assert difference(a, b) != 0


def test_moments_follow_from_independence() -> None:
    assert difference(E(eps**4), sp.Integer(3)) == 0
    assert difference(E(eps * x(0), x(0)), sp.S.Zero) == 0
    assert difference(Var(2 * eps_at(t) + 3 * eps_at(t - 1)), sp.Integer(13)) == 0
    assert difference(E(eps_at(t) * x(t - 1)), sp.S.Zero) == 0
    # x_t contains ε_t and what came after it: nothing may be concluded.
    assert difference(E(eps_at(t) * x(t)), sp.S.Zero) != 0
    assert difference(E(eps_at(t), x(t)), sp.S.Zero) != 0
    assert difference(E(Norm2(eps)), d) == 0


def test_a_substitution_is_literal() -> None:
    """A wrong factor before noise of mean 0 does not change a mean; it is an error all the same."""
    right = E(sqrt(1 - beta(t)) * x(t - 1) + sqrt(beta(t)) * eps_at(t), x(t - 1))
    wrong_root = E(sqrt(1 - beta(t)) * x(t - 1) + beta(t) * eps_at(t), x(t - 1))
    assert ALGEBRA.prove(right, wrong_root) == 0
    assert SUBSTITUTION.prove(right, wrong_root) != 0
    assert SUBSTITUTION.prove(right, Var(*right.args)) != 0
    assert LINEARITY.prove(E(2 * eps), 3 * E(eps)) != 0
    assert LINEARITY.prove(Var(2 * eps, x(0)), 4 * Var(eps)) == 0


def test_lengths_are_expanded_for_vectors() -> None:
    three = Norm2(3 * eps - 2 * x(0))
    assert difference(three, 9 * Norm2(eps) + 4 * Norm2(x(0))) != 0  # the mixed term
    assert difference(Norm2(sqrt(alpha(t)) * eps), alpha(t) * Norm2(eps)) == 0


def test_signs_are_proved_for_all_schedules() -> None:
    assert nonnegative(1 - alpha_bar(t))
    assert nonnegative(alpha_bar(t - 1) - alpha_bar(t))
    assert not nonnegative(alpha_bar(t) - alpha_bar(t - 1))
    assert not nonnegative(alpha_bar(t) - beta(t))  # either may be the larger


def test_latex_keeps_the_order_of_the_writer() -> None:
    with as_written():
        noised = sqrt(alpha_bar(t)) * x(0) + sqrt(1 - alpha_bar(t)) * eps
        update = 1 / sqrt(alpha(t)) * (x(t) - beta(t) / sqrt(1 - alpha_bar(t)) * eps) + sigma(t) * z
        bell = exp(-((x(t) - x(0)) ** 2) / (2 * beta(t)))
        minus = -(beta(t) * x(0)) - 1
    assert latex(noised) == r"\sqrt{\bar\alpha_t}\, x_0 + \sqrt{1 - \bar\alpha_t}\, \epsilon"
    assert latex(update) == (
        r"\frac{1}{\sqrt{\alpha_t}}\, \left( x_t - \frac{\beta_t}{\sqrt{1 - \bar\alpha_t}}\, "
        r"\epsilon \right) + \sigma_t z"
    )
    assert latex(bell) == r"\exp\!\left( -\frac{(x_t - x_0)^{2}}{2 \beta_t} \right)"
    assert latex(minus) == r"-\beta_t x_0 - 1"
    assert latex(q(x(t - 1), x(t), x(0))) == r"q(x_{t-1} \mid x_t, x_0)"


def wrong(**changes: object) -> Claim:
    """The variance of the marginal with an error."""
    return replace(CLAIMS["marginal.variance"], **changes)


def test_first_wrong_step_is_named_with_both_sides() -> None:
    steps = list(CLAIMS["marginal.variance"].steps)
    with as_written():
        steps[1] = steps[1]._replace(expr=alpha(t) * Var(x(t - 1), x(0)) + alpha(t))
    with pytest.raises(ClaimError) as caught:
        wrong(steps=tuple(steps)).verify()
    message = str(caught.value)
    assert "marginal.variance: step 2 of 5" in message
    assert "the variances add" in message
    assert r"\sqrt{1 - \alpha_t}\, \epsilon_t \mid x_0" in message  # from
    assert r"\operatorname{Var}[x_{t-1} \mid x_0] + \alpha_t" in message  # to


def test_last_step_must_follow_too() -> None:
    claim = CLAIMS["marginal.snr"]
    with pytest.raises(ClaimError, match="marginal.snr: step 3 of 3"):
        claim.with_step(2, alpha_bar(t) / (1 - alpha_bar(t - 1))).verify()


def test_induction_needs_its_base() -> None:
    base = CLAIMS["marginal.variance"].base
    assert base is not None
    with as_written():
        root = sqrt(1 - alpha_bar(t))  # the first error in the list of misconceptions
    with pytest.raises(ClaimError, match="right side of its base"):
        CLAIMS["marginal.variance"].with_step(4, root).verify()
    bad = Chain(base.lhs, (*base.steps[:-1], base.steps[-1]._replace(expr=1 - alpha_bar(2))))
    with pytest.raises(ClaimError, match="right side of its base"):
        wrong(base=bad).verify()
    with pytest.raises(ClaimError, match="only the step of an induction"):
        wrong(base=None).verify()


def test_hypothesis_is_only_about_the_step_before() -> None:
    """A claim cannot be proved from itself."""
    circular = Claim(
        "circular",
        Var(x(t), x(0)),
        (Step(1 - alpha_bar(t), "the claim itself", uses=(HYPOTHESIS,)),),
        base=CLAIMS["marginal.variance"].base,
        registry=CLAIMS,
    )
    with pytest.raises(ClaimError, match="step 1 of 1"):
        circular.verify()


def test_definitions_are_held_to_their_checks() -> None:
    transition = CLAIMS["forward.transition"]
    mean_twice = transition.rhs.xreplace({x(t - 1): 2 * x(t - 1)})
    with pytest.raises(ClaimError, match="moments of a reparameterized step"):
        transition.with_step(0, mean_twice).verify()


def test_claim_without_steps_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing has no steps"):
        Claim("nothing", x(t), ())


def test_unknown_name_is_met_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"'marginal.varience'; the nearest are marginal.variance"):
        claim("marginal.varience")


def test_derivation_has_every_step_and_reason() -> None:
    one = claim("forward.two-steps")
    text = one.derivation()
    assert text.startswith("\\begin{aligned}")
    for step in one.steps:
        assert latex(step.expr) in text
    assert r"\text{multiply out}" in text
    assert text.count("&=") == len(one.steps)


def test_numbers_are_those_of_the_formula() -> None:
    alpha_bars = np.array([0.9, 0.72, 0.36])
    values = claim("marginal.variance").numeric(BETA)
    np.testing.assert_allclose(values, 1 - alpha_bars[:, None], rtol=1e-14)
    noised = claim("marginal.sample").numeric(BETA, {x(0): np.ones((3, 2)), eps: np.ones((3, 2))})
    expected = np.sqrt(alpha_bars) + np.sqrt(1 - alpha_bars)
    np.testing.assert_allclose(noised, np.stack([expected] * 2, axis=1), rtol=1e-14)
    mean, var = claim("marginal.closed-form").numeric(BETA, {x(0): 2.0}, t=[3])
    assert mean == pytest.approx(1.2)
    assert var == pytest.approx(0.64)


def test_number_without_a_value_is_asked_for() -> None:
    with pytest.raises(ValueError, match="has no value: give one"):
        claim("marginal.sample").numeric(BETA)


def test_definition_says_so() -> None:
    assert claim("forward.transition").is_definition
    assert not claim("marginal.variance").is_definition
    assert claim("marginal.variance").kinds == ["induction", "algebra"]
    assert "Monte Carlo at 99.9993%" in claim("loss.best-eps").kinds
    assert claim("forward.transition").steps[0].by is DEFINITION


def refused(left: object, *steps: Step, **more: object) -> str:
    """Why a claim is refused; it fails where the claim is accepted."""
    made = Claim("wrong.claim", left, steps, **more)  # type: ignore[arg-type]
    view = {**CLAIMS, made.name: made}
    with pytest.raises(ClaimError) as error:
        replace(made, registry=view).verify()
    return str(error.value)


LINEAR = ("marginal.linear",)

with as_written():
    NOISED = sqrt(alpha_bar(t)) * x(0) + sqrt(1 - alpha_bar(t)) * eps
    FALSE = {
        "1 < 0": (sp.S.One, Step(sp.S.Zero, "", BELOW, (), "<")),
        "it falls": (alpha_bar(t - 1), Step(alpha_bar(t), "", AT_MOST, (), r"\le")),
        "a defined inequality": (beta_tilde(t), Step(beta(t), "", DEFINITION, (), r"\ge")),
        "written =, proved <=": (alpha_bar(t), Step(alpha_bar(t - 1), "", AT_MOST)),
        "it may be 0": (sp.S.Zero, Step(Norm2(x(0)), "", BELOW, (), "<")),
        "two sorts of data": (
            beta_tilde(t),
            Step(Var(x(t - 1), x(t)), "", ALGEBRA, ("reverse.optimal-variance-point",)),
            Step(beta(t), "", ALGEBRA, ("reverse.optimal-variance-gaussian",)),
        ),
        "two schedules": (
            beta(t),
            Step(beta(1) + (t - 1) / (T - 1) * (beta(T) - beta(1)), "", ALGEBRA, LINEAR),
        ),
        "an unseen assumption": (beta(t), Step(sp.S.One, "", ALGEBRA, ((beta(t), sp.S.One),))),
        "noise, given its sum": (E(eps, x(t)), Step(sp.S.Zero, "", ALGEBRA, ("marginal.sample",))),
        "a sum as a condition": (E(eps, NOISED), Step(sp.S.Zero, "")),
        "one noise at two times": (
            x(t),
            Step(NOISED, "", ALGEBRA, ("marginal.sample", ("marginal.sample", {t: t - 1}))),
        ),
        "ε and ε_t": (E(eps * eps_at(t)), Step(sp.S.Zero, "")),
        "z and what it made": (E(z * x(t - 1)), Step(sp.S.Zero, "")),
        "v is random": (Var(v), Step(sp.S.Zero, "")),
        "all states are something": (q([States(1, T)], x(0)), Step(sp.S.One, "")),
        "the subscript": (E(x(t) ** 2, over="p"), Step(E(x(t) ** 2, over="q"), "")),
        "KL from p, over q": (
            E(KL(p_theta(x(t - 1), x(t)), q(x(t - 1), x(t), x(0))), over="q"),
            Step(E(-KL(q(x(t - 1), x(t), x(0)), p_theta(x(t - 1), x(t))), over="q"), ""),
        ),
        "a slope that is lost": (
            Gradient(log(q(x(t))) + x(t) ** 2, x(t)),
            Step(Gradient(log(q(x(t))), x(t)), ""),
        ),
        "a late definition": (alpha(t), Step(1 - beta(t), ""), Step(beta(t), "", DEFINITION)),
        "< and >": (
            alpha_bar(t),
            Step(alpha_bar(t - 1), "", AT_MOST, (), r"\le"),
            Step(alpha_bar(t), "", AT_LEAST, (), r"\ge"),
        ),
    }


@pytest.mark.parametrize("what", FALSE)
def test_false_claim_is_refused(what: str) -> None:
    refused(*FALSE[what])


def test_claim_cannot_rest_on_itself() -> None:
    step = Step(alpha(t), "", ALGEBRA, ("wrong.claim",))
    assert "wrong.claim -> wrong.claim" in refused(alpha_bar(t), step)


def test_true_inequalities_are_proved_with_their_relation() -> None:
    with as_written():
        made = Claim(
            "right.claim",
            alpha_bar(t),
            (
                Step(alpha(t) * alpha_bar(t - 1), ""),
                Step(alpha_bar(t - 1), "", BELOW, (), "<"),
                Step(sp.S.One, "", AT_MOST, (), r"\le"),
            ),
        )
    made.verify()
    assert made.relation == "<"
    assert claim("reverse.variance-order").relation == r"\ge"
    assert replace(claim("reverse.variance-order"), show=1).latex().endswith(r"\ge 0")
    assert claim("loss.bound").relation == r"\le"
    assert claim("loss.prior-bound").relation == r"\le"


def test_what_reaches_over_all_that_follows_gets_brackets() -> None:
    a, b = alpha(t), beta(t)
    with as_written():
        assert latex(log(a) * b) == r"(\log \alpha_t) \beta_t"
        assert latex(b * log(a)) == r"\beta_t\, \log \alpha_t"
        assert latex(Gradient(log(a), x(t)) * b).startswith(r"(\nabla_{\! x_t} \log \alpha_t)")
        assert latex(Gradient(a + b, x(t))) == r"\nabla_{\! x_t} (\alpha_t + \beta_t)"
        assert latex(sp.Sum(beta(s), (s, 1, t)) * b).startswith(r"\left( \sum")
        assert latex(sp.Limit(a, s, sp.oo) * b).startswith("(")
        assert latex(Transposed(a * b)) == r"(\alpha_t \beta_t)^\top"
        assert latex(Inner(a + b, b)) == r"(\alpha_t + \beta_t) \cdot \beta_t"
        assert latex(var_1**2) == r"(\sigma_1^2)^{2}"
    score = claim("loss.marginal-score").steps[1].expr
    assert r"(\nabla_{\! x_t} \log q(x_t \mid x_0))" in latex(score)
