"""The terms of the bound, computed: the prior, the error of the mean, of the noise, of x_0."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from ..algebra import difference, nonnegative
from ..claim import ASSUMED, Check, Claim, Step
from ..methods import ALGEBRA, DEFINITION, Method
from ..notation import (
    KL,
    Loss,
    Norm2,
    Normal,
    T,
    alpha,
    alpha_bar,
    as_written,
    beta,
    beta_tilde,
    d,
    eps,
    eps_theta,
    half,
    log,
    mu_theta,
    mu_tilde,
    prior,
    q,
    sigma,
    snr,
    sqrt,
    t,
    two_gaussians,
    weight,
    x,
    x0_hat,
)
from ..printing import latex
from .letters import const, network, w_t

a_symbol = sp.Symbol("a", positive=True)


# -- proofs of their own ---------------------------------------------------------------------------


def _rises_from_zero(before: sp.Expr, after: sp.Expr) -> Any:
    """after - before is 0 at ᾱ_T = 0 and rises with it, so it is never negative below 1."""
    with evaluate(True):
        gap = (after - before).doit().subs(alpha_bar(T), a_symbol)
        gap = sp.expand_log(gap, force=True)
        if sp.simplify(gap.subs(a_symbol, 0)) != 0:
            return gap.subs(a_symbol, 0)
        slope = sp.diff(gap, a_symbol).subs(a_symbol, alpha_bar(T))
        return nonnegative(sp.together(slope))


# -- checks ----------------------------------------------------------------------------------------


def _weight_fits(claim: Claim) -> Any:
    error = claim.registry["loss.eps-error"].rhs
    return difference(claim.rhs * Norm2(eps - eps_theta(x(t), t)), error)


def _right_gaussians(claim: Claim) -> Any:
    """The divergence is between the posterior and the model's transition."""
    one, two = claim.steps[0].expr.args
    registry = claim.registry
    term = registry["loss.term-step"].rhs
    pairs = ((one, "reverse.posterior", term.args[0]), (two, "reverse.transition", term.args[1]))
    for normal, name, density in pairs:
        other = registry[name]
        if other.lhs != density:
            return density
        for a, b in zip(normal.args[1:3], other.rhs.args[1:3]):
            left = difference(a, b)
            if left != 0:
                return left
    return 0


def _choices(claim: Claim) -> Any:
    """With the chosen variance the constant is 0; the mean is the model's."""
    constant = dict(claim.registry["loss.mean-error"].assuming)[const]
    chosen = dict(claim.assuming)
    model = claim.registry["reverse.mean-model"].steps[0].expr
    if model != mu_tilde(x(t), x0_hat(x(t), t)):
        return model
    return difference(constant.xreplace({sigma(t): chosen[sigma(t)]}), chosen[const])


with as_written():
    by_noise = 1 / sqrt(alpha(t)) * (x(t) - beta(t) / sqrt(1 - alpha_bar(t)) * eps)
    by_network = 1 / sqrt(alpha(t)) * (x(t) - beta(t) / sqrt(1 - alpha_bar(t)) * network)
    prior_kl = half * (alpha_bar(T) * Norm2(x(0)) - d * alpha_bar(T) - d * log(1 - alpha_bar(T)))
    weight_0 = sqrt(alpha_bar(t - 1)) * beta(t) / (1 - alpha_bar(t))
    rest = (
        const,
        d / 2 * (log(sigma(t) ** 2 / beta_tilde(t)) + beta_tilde(t) / sigma(t) ** 2 - 1),
    )
    gaussian_term = (
        Loss(t - 1),
        KL(
            Normal(x(t - 1), mu_tilde(x(t), x(0)), beta_tilde(t)),
            Normal(x(t - 1), mu_theta(x(t), t), sigma(t) ** 2),
        ),
    )
    no_rest, small_steps = (const, sp.S.Zero), (sigma(t), sqrt(beta_tilde(t)))
    their_mean = (mu_theta(x(t), t), mu_tilde(x(t), x0_hat(x(t), t)))

    CLAIMS = [
        Claim(
            "loss.prior-kl",
            KL(q(x(T), x(0)), Normal(None, 0, 1)),
            (
                Step(
                    KL(
                        Normal(None, sqrt(alpha_bar(T)) * x(0), 1 - alpha_bar(T)),
                        Normal(None, 0, 1),
                    ),
                    "the closed form at $T$",
                    ALGEBRA,
                    (("marginal.closed-form", {t: T}),),
                ),
                Step(
                    half
                    * (
                        Norm2(sqrt(alpha_bar(T)) * x(0))
                        + d * (1 - alpha_bar(T))
                        - d
                        - d * log(1 - alpha_bar(T))
                    ),
                    "the divergence of two Gaussians",
                    ALGEBRA,
                    (two_gaussians(sqrt(alpha_bar(T)) * x(0), 1 - alpha_bar(T), 0, 1),),
                ),
                Step(
                    prior_kl,
                    "the root comes out squared; $d - d$ cancels",
                ),
            ),
        ),
        Claim(
            "loss.prior-bound",
            KL(q(x(T), x(0)), Normal(None, 0, 1)),
            (
                Step(prior_kl, "the divergence", ALGEBRA, ("loss.prior-kl",)),
                Step(
                    half
                    * (
                        alpha_bar(T) * Norm2(x(0))
                        - d * alpha_bar(T)
                        + d * (alpha_bar(T) / (1 - alpha_bar(T)))
                    ),
                    "$-\\log(1 - a) = \\log(1 + \\frac{a}{1 - a}) \\le \\frac{a}{1 - a}$, "
                    "since $\\log(1 + u) \\le u$",
                    Method("calculus", _rises_from_zero, r"\le"),
                    (),
                    r"\le",
                ),
                Step(
                    half
                    * (
                        alpha_bar(T) * Norm2(x(0))
                        + d
                        * ((alpha_bar(T) - alpha_bar(T) * (1 - alpha_bar(T))) / (1 - alpha_bar(T)))
                    ),
                    "one denominator for the two terms with $d$",
                ),
                Step(
                    half
                    * (alpha_bar(T) * Norm2(x(0)) + d * (alpha_bar(T) ** 2 / (1 - alpha_bar(T)))),
                    "$a - a(1 - a) = a^2$",
                ),
                Step(
                    alpha_bar(T) / 2 * (Norm2(x(0)) + d * (alpha_bar(T) / (1 - alpha_bar(T)))),
                    "take out $\\bar\\alpha_T$",
                ),
            ),
            uncomputed=(
                "Its right side is a bound and no value; the divergence itself is bound at "
                "loss.prior-kl."
            ),
        ),
        Claim(
            "loss.prior",
            Loss(T),
            (
                Step(
                    KL(q(x(T), x(0)), prior(x(T))), "the definition", ALGEBRA, ("loss.term-prior",)
                ),
                Step(
                    KL(q(x(T), x(0)), Normal(None, 0, 1)), "the prior", ALGEBRA, ("reverse.prior",)
                ),
                Step(prior_kl, "their divergence", ALGEBRA, ("loss.prior-kl",)),
            ),
        ),
        Claim(
            "loss.mean-error",
            Loss(t - 1),
            (
                Step(
                    KL(
                        Normal(None, mu_tilde(x(t), x(0)), beta_tilde(t)),
                        Normal(None, mu_theta(x(t), t), sigma(t) ** 2),
                    ),
                    "two Gaussians: the posterior and the model",
                    ALGEBRA,
                    ("loss.term-step", ASSUMED),
                ),
                Step(
                    half
                    * (
                        d * log(sigma(t) ** 2 / beta_tilde(t))
                        + (d * beta_tilde(t) + Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t)))
                        / sigma(t) ** 2
                        - d
                    ),
                    "their divergence",
                    ALGEBRA,
                    (
                        two_gaussians(
                            mu_tilde(x(t), x(0)),
                            beta_tilde(t),
                            mu_theta(x(t), t),
                            sigma(t) ** 2,
                        ),
                    ),
                ),
                Step(
                    1 / (2 * sigma(t) ** 2) * Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t))
                    + const,
                    f"${latex(rest[0])} = {latex(rest[1])}$ does not depend on the network",
                    ALGEBRA,
                    (ASSUMED,),
                ),
            ),
            assuming=(rest, gaussian_term),
            checks=(
                Check(
                    "its two Gaussians are the posterior and the transition",
                    lambda claim: _right_gaussians(claim),
                ),
            ),
        ),
        Claim(
            "loss.eps-error",
            Loss(t - 1) - const,
            (
                Step(
                    1 / (2 * sigma(t) ** 2) * Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t)),
                    "the error of the mean",
                    ALGEBRA,
                    ("loss.mean-error",),
                ),
                Step(
                    1 / (2 * sigma(t) ** 2) * Norm2(by_noise - by_network),
                    "both means, by noise",
                    ALGEBRA,
                    ("reverse.mean-eps", "reverse.mean-model"),
                ),
                Step(
                    1
                    / (2 * sigma(t) ** 2)
                    * Norm2(beta(t) / (sqrt(alpha(t)) * sqrt(1 - alpha_bar(t))) * (network - eps)),
                    "$x_t$ cancels",
                ),
                Step(
                    w_t * Norm2(eps - network),
                    "the factor comes out squared; in a square the order does not matter",
                ),
            ),
            assuming=(rest, gaussian_term),
        ),
        Claim(
            "loss.weight",
            weight(t),
            (Step(w_t, "the weight of step $t$", DEFINITION),),
            checks=(Check("it multiplies the error of the noise in the bound", _weight_fits),),
        ),
        Claim(
            "loss.x0-error",
            Loss(t - 1),
            (
                Step(
                    1 / (2 * sigma(t) ** 2) * Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t))
                    + const,
                    "the error of the mean",
                    ALGEBRA,
                    ("loss.mean-error",),
                ),
                Step(
                    1 / (2 * beta_tilde(t)) * Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t)),
                    "choose $\\sigma_t^2 = \\tilde\\beta_t$; then $C = 0$",
                    ALGEBRA,
                    (no_rest, small_steps),
                ),
                Step(
                    1
                    / (2 * beta_tilde(t))
                    * Norm2(mu_tilde(x(t), x(0)) - mu_tilde(x(t), x0_hat(x(t), t))),
                    "the model's mean is the posterior's at $\\hat x_0$",
                    ALGEBRA,
                    (their_mean,),
                ),
                Step(
                    1 / (2 * beta_tilde(t)) * weight_0**2 * Norm2(x(0) - x0_hat(x(t), t)),
                    "the part with $x_t$ cancels",
                    ALGEBRA,
                    (
                        "reverse.posterior-mean",
                        ("reverse.posterior-mean", {x(0): x0_hat(x(t), t)}),
                    ),
                ),
                Step(
                    half
                    * (
                        (1 - alpha_bar(t))
                        / ((1 - alpha_bar(t - 1)) * beta(t))
                        * (alpha_bar(t - 1) * beta(t) ** 2 / (1 - alpha_bar(t)) ** 2)
                    )
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "one over the posterior variance, and the square",
                    ALGEBRA,
                    ("reverse.posterior-variance",),
                ),
                Step(
                    half
                    * (alpha_bar(t - 1) * beta(t) / ((1 - alpha_bar(t - 1)) * (1 - alpha_bar(t))))
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "cancel $\\beta_t$ and $1 - \\bar\\alpha_t$",
                ),
                Step(
                    half
                    * (
                        (alpha_bar(t - 1) - alpha_bar(t))
                        / ((1 - alpha_bar(t - 1)) * (1 - alpha_bar(t)))
                    )
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "$\\bar\\alpha_{t-1} \\beta_t = \\bar\\alpha_{t-1} (1 - \\alpha_t) "
                    "= \\bar\\alpha_{t-1} - \\bar\\alpha_t$",
                ),
                Step(
                    half
                    * (
                        (
                            alpha_bar(t - 1) * (1 - alpha_bar(t))
                            - alpha_bar(t) * (1 - alpha_bar(t - 1))
                        )
                        / ((1 - alpha_bar(t - 1)) * (1 - alpha_bar(t)))
                    )
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "take $\\bar\\alpha_{t-1} \\bar\\alpha_t$ away, and add it again",
                ),
                Step(
                    half
                    * (
                        alpha_bar(t - 1) / (1 - alpha_bar(t - 1))
                        - alpha_bar(t) / (1 - alpha_bar(t))
                    )
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "two fractions; in each a bracket cancels",
                ),
                Step(
                    half * (snr(t - 1) - snr(t)) * Norm2(x(0) - x0_hat(x(t), t)),
                    "the signal-to-noise ratio",
                    ALGEBRA,
                    ("marginal.snr", ("marginal.snr", {t: t - 1})),
                ),
            ),
            assuming=(rest, gaussian_term, no_rest, small_steps, their_mean),
            checks=(Check("C is 0 and the means are as said", lambda claim: _choices(claim)),),
        ),
    ]
