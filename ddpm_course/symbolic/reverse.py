"""The claims of the chapter on the reverse process."""

from __future__ import annotations

from itertools import product
from typing import Any

import sympy as sp

from .algebra import difference
from .chain import LADDER, on_ladder
from .claim import ASSUMED, Check, Claim, Step
from .forward import a as deviation_1
from .forward import b as deviation_2
from .forward import curve, pull, u
from .forward import w as total
from .methods import (
    ALGEBRA,
    AT_LEAST,
    DEFINITION,
    LOGARITHMS,
    SUBSTITUTION,
    VERBATIM,
    marginalize,
    proportional,
)
from .notation import (
    E,
    Grouped,
    Letter,
    Normal,
    Over,
    Sigma_theta,
    States,
    T,
    Var,
    alpha,
    alpha_bar,
    as_written,
    beta,
    beta_tilde,
    data_variance,
    eps,
    eps_theta,
    exp,
    half,
    mu_theta,
    mu_tilde,
    p_theta,
    prior,
    q,
    sigma,
    sqrt,
    t,
    x,
    x0_hat,
    z,
)
from .printing import latex

m = Letter("m", real=True)
tilt = Letter("a", real=True)  # the slope of log q(x_{t-1}), where it looks straight
spread = sp.Symbol("s", positive=True)  # the standard deviation of Gaussian data


def _on_ladder(claim: Claim) -> Any:
    """On a chain of few states: for T = 2, 3, every t >= 2 and every path."""
    for last in (2, 3):
        for when in range(2, last + 1):
            for path in product(range(LADDER.states), repeat=last + 1):
                sides = [
                    on_ladder(side.xreplace({t: sp.Integer(when)}), path, last)
                    for side in (claim.lhs, claim.rhs)
                ]
                if sides[0] != sides[1]:
                    return sides[0] - sides[1]
    return 0


def _joint_on_ladder(claim: Claim) -> Any:
    """On a chain of few states, the product is the share of each path of the model."""
    for last in (1, 2, 3):
        for path in product(range(LADDER.states), repeat=last + 1):
            sides = [on_ladder(side, path, last) for side in (claim.lhs, claim.rhs)]
            if sides[0] != sides[1]:
                return sides[0] - sides[1]
    return 0


def _prior_is_standard(claim: Claim) -> Any:
    """A sample with variance 1 stays one: the forward process leaves this Gaussian alone."""
    at, mean, var, _ = claim.rhs.args
    if at != x(T):
        return at
    kept = (1 - beta(t)) * var + beta(t) - var
    return difference(kept, sp.S.Zero) or difference(mean, sp.S.Zero)


def _is_posterior_sample(claim: Claim) -> Any:
    """Mean, and root of the variance, as factors of 1 and of z."""
    _, mean, var, _ = claim.registry["reverse.posterior"].rhs.args
    still = claim.rhs.xreplace({z: sp.S.Zero})
    return difference(still, mean) or difference(claim.rhs - still, sqrt(var) * z)


def _is_update(claim: Claim) -> Any:
    """Mean and variance are those of the sampler's update."""
    at, mean, var, _ = claim.rhs.args
    update = claim.registry["reverse.update"].steps[0].expr
    if at != x(t - 1):
        return at
    return difference(mean, update.xreplace({z: sp.S.Zero})) or difference(
        sqrt(var) * z, update - update.xreplace({z: sp.S.Zero})
    )


def _fixed_is_transition(claim: Claim) -> Any:
    """The general step back, with its variance fixed, is that of DDPM."""
    fixed = claim.rhs.xreplace({Sigma_theta(x(t), t): sigma(t) ** 2})
    pairs = zip(fixed.args[:3], claim.registry["reverse.transition"].rhs.args[:3], strict=True)
    return next((left - right for left, right in pairs if left != right), 0)


with as_written():
    signal = sqrt(alpha_bar(t)) * x(0)
    posterior_mean = sqrt(alpha_bar(t - 1)) * beta(t) / (1 - alpha_bar(t)) * x(0) + sqrt(
        alpha(t)
    ) * (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * x(t)
    precision = alpha(t) / beta(t) + 1 / (1 - alpha_bar(t - 1))
    slope = sqrt(alpha(t)) / beta(t) * x(t) + sqrt(alpha_bar(t - 1)) / (1 - alpha_bar(t - 1)) * x(0)
    posterior = q(x(t - 1), x(t), x(0))
    by_noise = 1 / sqrt(alpha(t)) * (x(t) - beta(t) / sqrt(1 - alpha_bar(t)) * eps)
    by_network = 1 / sqrt(alpha(t)) * (x(t) - beta(t) / sqrt(1 - alpha_bar(t)) * eps_theta(x(t), t))
    data_var = alpha_bar(t) * spread**2 + 1 - alpha_bar(t)
    data_var_before = alpha_bar(t - 1) * spread**2 + 1 - alpha_bar(t - 1)
    gaussian_data = (q(x(0)), Normal(x(0), m, spread**2))
    weight_0 = sqrt(alpha_bar(t - 1)) * beta(t) / (1 - alpha_bar(t))
    weight_t = sqrt(alpha(t)) * (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t))
    denoiser = m + sqrt(alpha_bar(t)) * spread**2 / data_var * (x(t) - sqrt(alpha_bar(t)) * m)
    denoiser_var = spread**2 * (1 - alpha_bar(t)) / data_var
    doubt_slope = sqrt(alpha_bar(t)) / (1 - alpha_bar(t)) * x(t) + m / spread**2
    centered = x(t) - sqrt(alpha_bar(t)) * m
    numerator = alpha_bar(t - 1) * beta(t) * spread**2 + (1 - alpha_bar(t - 1)) * Grouped(data_var)

    CLAIMS = [
        Claim(
            "reverse.prior",
            prior(x(T)),
            (Step(Normal(x(T), 0, 1), "where the forward process ends", DEFINITION),),
            checks=(Check("the forward process leaves it alone", _prior_is_standard),),
        ),
        Claim(
            "reverse.general-transition",
            p_theta(x(t - 1), x(t)),
            (
                Step(
                    Normal(x(t - 1), mu_theta(x(t), t), Sigma_theta(x(t), t), False),
                    "a Gaussian with a learned mean and a learned variance",
                    DEFINITION,
                ),
            ),
            checks=(Check("with Σ_θ = σ_t² I it is the transition of DDPM", _fixed_is_transition),),
            uncomputed=(
                "The variance may come from a network here; the package's is fixed, and bound at "
                "reverse.transition."
            ),
        ),
        Claim(
            "reverse.transition",
            p_theta(x(t - 1), x(t)),
            (
                Step(
                    Normal(x(t - 1), mu_theta(x(t), t), sigma(t) ** 2),
                    "a Gaussian with a learned mean",
                    DEFINITION,
                ),
            ),
            checks=(Check("its samples are the sampler's updates", _is_update),),
        ),
        Claim(
            "reverse.joint",
            p_theta([States(0, T)]),
            (
                Step(
                    prior(x(T)) * sp.Product(p_theta(x(t - 1), x(t)), (t, 1, T)),
                    "start from the prior; each step looks only at the one before it",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "it is the share of each path",
                    _joint_on_ladder,
                    "exact cases",
                    "a chain of two states, T = 1, 2, 3",
                ),
            ),
            uncomputed=(
                "The density of a whole path; the package draws paths step by step, and each step "
                "is bound."
            ),
        ),
        Claim(
            "reverse.small-step",
            q(x(t - 1), x(t)),
            (
                Step(
                    q(x(t), x(t - 1)) * q(x(t - 1)),
                    "Bayes' rule; the denominator does not contain $x_{t-1}$",
                    proportional(x(t - 1)),
                    (),
                    r"\propto",
                ),
                Step(
                    exp(
                        -((x(t) - sqrt(alpha(t)) * x(t - 1)) ** 2 / (2 * beta(t))) + tilt * x(t - 1)
                    ),
                    "the transition, and a straight line for $\\log q(x_{t-1})$",
                    proportional(x(t - 1)),
                    ("forward.transition", ASSUMED),
                    r"\propto",
                ),
                Step(
                    exp(
                        -(
                            (alpha(t) * x(t - 1) ** 2 - 2 * sqrt(alpha(t)) * x(t) * x(t - 1))
                            / (2 * beta(t))
                        )
                        + tilt * x(t - 1)
                    ),
                    "multiply the square out; drop what does not contain $x_{t-1}$",
                    proportional(x(t - 1)),
                    (),
                    r"\propto",
                ),
                Step(
                    exp(
                        -half
                        * Grouped(
                            alpha(t) / beta(t) * x(t - 1) ** 2
                            - 2 * Grouped(sqrt(alpha(t)) / beta(t) * x(t) + tilt) * x(t - 1)
                        )
                    ),
                    "take out $-\\frac{1}{2}$; bring together the terms with $x_{t-1}$",
                    proportional(x(t - 1)),
                    (),
                    r"\propto",
                ),
                Step(
                    Normal(
                        x(t - 1),
                        beta(t) / alpha(t) * Grouped(sqrt(alpha(t)) / beta(t) * x(t) + tilt),
                        beta(t) / alpha(t),
                    ),
                    "complete the square: the mean is $B/A$, the variance $1/A$",
                    proportional(x(t - 1)),
                    (
                        (
                            "forward.square",
                            {
                                curve: alpha(t) / beta(t),
                                pull: sqrt(alpha(t)) / beta(t) * x(t) + tilt,
                                u: x(t - 1),
                            },
                        ),
                    ),
                    r"\propto",
                ),
                Step(
                    Normal(
                        x(t - 1),
                        1 / sqrt(alpha(t)) * (x(t) + beta(t) / sqrt(alpha(t)) * tilt),
                        beta(t) / alpha(t),
                    ),
                    "multiply out, and take out $1/\\sqrt{\\alpha_t}$",
                ),
            ),
            assuming=((q(x(t - 1)), exp(tilt * x(t - 1))),),
            uncomputed=(
                "It is about densities whose logarithm is a straight line; no data of the package "
                "have one."
            ),
        ),
        Claim(
            "reverse.bayes",
            posterior,
            (
                Step(
                    q([x(t), x(t - 1)], x(0)) / q(x(t), x(0)),
                    "the definition of a conditional density",
                ),
                Step(
                    q(x(t), x(t - 1), x(0)) * q(x(t - 1), x(0)) / q(x(t), x(0)),
                    "the product rule",
                ),
                Step(
                    q(x(t), x(t - 1)) * q(x(t - 1), x(0)) / q(x(t), x(0)),
                    "a step looks only at the one before it",
                ),
            ),
            checks=(
                Check(
                    "it holds for every path",
                    _on_ladder,
                    "exact cases",
                    "a chain of two states, T = 2, 3",
                ),
            ),
        ),
        Claim(
            "reverse.complete-square",
            posterior,
            (
                Step(
                    q(x(t), x(t - 1)) * q(x(t - 1), x(0)),
                    "Bayes' rule; the denominator does not contain $x_{t-1}$",
                    proportional(x(t - 1)),
                    ("reverse.bayes",),
                    r"\propto",
                ),
                Step(
                    exp(
                        -half
                        * Grouped(
                            (x(t) - sqrt(alpha(t)) * x(t - 1)) ** 2 / beta(t)
                            + (x(t - 1) - sqrt(alpha_bar(t - 1)) * x(0)) ** 2
                            / (1 - alpha_bar(t - 1))
                        )
                    ),
                    "two Gaussians",
                    proportional(x(t - 1)),
                    ("forward.transition", ("marginal.closed-form", {t: t - 1})),
                    r"\propto",
                ),
                Step(
                    exp(
                        -half
                        * Grouped(
                            (alpha(t) * x(t - 1) ** 2 - 2 * sqrt(alpha(t)) * x(t) * x(t - 1))
                            / beta(t)
                            + (x(t - 1) ** 2 - 2 * sqrt(alpha_bar(t - 1)) * x(0) * x(t - 1))
                            / (1 - alpha_bar(t - 1))
                        )
                    ),
                    "multiply both squares out; drop what does not contain $x_{t-1}$",
                    proportional(x(t - 1)),
                    (),
                    r"\propto",
                ),
                Step(
                    exp(-half * Grouped(precision * x(t - 1) ** 2 - 2 * Grouped(slope) * x(t - 1))),
                    "bring together the two squares, and the two terms with $x_{t-1}$",
                    proportional(x(t - 1)),
                    (),
                    r"\propto",
                ),
                Step(
                    exp(-half * Grouped(precision) * Grouped(x(t - 1) - slope / precision) ** 2),
                    "complete the square: $A$ is the first bracket, $B$ the second",
                    proportional(x(t - 1)),
                    (("forward.square", {curve: precision, pull: slope, u: x(t - 1)}),),
                    r"\propto",
                ),
            ),
            uncomputed=(
                "It leaves out factors on purpose, so it has no value; the finished density is "
                "bound at reverse.posterior."
            ),
        ),
        Claim(
            "reverse.posterior-variance",
            beta_tilde(t),
            (
                Step(
                    1 / precision,
                    "one over what multiplies the square in the exponent",
                    DEFINITION,
                ),
                Step(
                    1
                    / (
                        (alpha(t) * (1 - alpha_bar(t - 1)) + beta(t))
                        / (beta(t) * (1 - alpha_bar(t - 1)))
                    ),
                    "one denominator for the two fractions",
                ),
                Step(
                    beta(t)
                    * (1 - alpha_bar(t - 1))
                    / (alpha(t) * (1 - alpha_bar(t - 1)) + beta(t)),
                    "one over a fraction turns it over",
                ),
                Step(
                    (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * beta(t),
                    "$\\alpha_t + \\beta_t = 1$, $\\alpha_t \\bar\\alpha_{t-1} = \\bar\\alpha_t$: "
                    "below stands $1 - \\bar\\alpha_t$",
                ),
            ),
        ),
        Claim(
            "reverse.posterior-mean",
            mu_tilde(x(t), x(0)),
            (
                Step(
                    beta_tilde(t) * Grouped(slope),
                    "the center of the square in the exponent",
                    DEFINITION,
                ),
                Step(
                    (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * beta(t) * Grouped(slope),
                    "the posterior variance",
                    ALGEBRA,
                    ("reverse.posterior-variance",),
                ),
                Step(
                    posterior_mean,
                    "multiply out; $\\beta_t$ cancels once, $1 - \\bar\\alpha_{t-1}$ once",
                ),
            ),
        ),
        Claim(
            "reverse.posterior",
            posterior,
            (
                Step(
                    q(x(t), x(t - 1)) * q(x(t - 1), x(0)) / q(x(t), x(0)),
                    "Bayes' rule",
                    ALGEBRA,
                    ("reverse.bayes",),
                ),
                Step(
                    Normal(x(t), sqrt(alpha(t)) * x(t - 1), beta(t))
                    * Normal(x(t - 1), sqrt(alpha_bar(t - 1)) * x(0), 1 - alpha_bar(t - 1))
                    / Normal(x(t), signal, 1 - alpha_bar(t)),
                    "three Gaussians that we know",
                    LOGARITHMS,
                    (
                        "forward.transition",
                        "marginal.closed-form",
                        ("marginal.closed-form", {t: t - 1}),
                    ),
                ),
                Step(
                    Normal(x(t - 1), mu_tilde(x(t), x(0)), beta_tilde(t)),
                    "the completed square; what does not contain $x_{t-1}$ makes it integrate to 1",
                    LOGARITHMS,
                    ("reverse.posterior-mean", "reverse.posterior-variance"),
                ),
            ),
        ),
        Claim(
            "reverse.posterior-sample",
            x(t - 1),
            (
                Step(
                    mu_tilde(x(t), x(0)) + sqrt(beta_tilde(t)) * z,
                    "a Gaussian is its mean plus its standard deviation times $z$",
                    DEFINITION,
                ),
            ),
            checks=(
                Check("it has the mean and the variance of the posterior", _is_posterior_sample),
            ),
        ),
        Claim(
            "reverse.mean-eps",
            mu_tilde(x(t), x(0)),
            (
                Step(posterior_mean, "the posterior mean", ALGEBRA, ("reverse.posterior-mean",)),
                Step(
                    weight_0 * ((x(t) - sqrt(1 - alpha_bar(t)) * eps) / sqrt(alpha_bar(t)))
                    + weight_t * x(t),
                    "$x_0$ from $x_t$ and its noise",
                    ALGEBRA,
                    ("marginal.x0-from-eps",),
                ),
                Step(
                    beta(t)
                    / (sqrt(alpha(t)) * (1 - alpha_bar(t)))
                    * (x(t) - sqrt(1 - alpha_bar(t)) * eps)
                    + weight_t * x(t),
                    "$\\sqrt{\\bar\\alpha_{t-1}} / \\sqrt{\\bar\\alpha_t} = 1 / \\sqrt{\\alpha_t}$",
                ),
                Step(
                    1
                    / sqrt(alpha(t))
                    * (
                        beta(t) / (1 - alpha_bar(t)) * x(t)
                        - beta(t) / sqrt(1 - alpha_bar(t)) * eps
                        + alpha(t) * (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * x(t)
                    ),
                    "multiply out, and take out $1 / \\sqrt{\\alpha_t}$",
                ),
                Step(
                    1
                    / sqrt(alpha(t))
                    * (
                        (beta(t) + alpha(t) * (1 - alpha_bar(t - 1))) / (1 - alpha_bar(t)) * x(t)
                        - beta(t) / sqrt(1 - alpha_bar(t)) * eps
                    ),
                    "bring the two terms with $x_t$ together",
                ),
                Step(
                    by_noise,
                    "$\\beta_t + \\alpha_t - \\alpha_t \\bar\\alpha_{t-1} = 1 - \\bar\\alpha_t$",
                ),
            ),
        ),
        Claim(
            "reverse.first-step",
            beta_tilde(1),
            (
                Step(
                    (1 - alpha_bar(0)) / (1 - alpha_bar(1)) * beta(1),
                    "the posterior variance at $t = 1$",
                    VERBATIM,
                    (("reverse.posterior-variance", {t: 1}),),
                ),
                Step(sp.S.Zero, "$\\bar\\alpha_0 = 1$: clean data hold no noise"),
            ),
        ),
        Claim(
            "reverse.first-mean",
            mu_tilde(x(1), x(0)),
            (
                Step(
                    sqrt(alpha_bar(0)) * beta(1) / (1 - alpha_bar(1)) * x(0)
                    + sqrt(alpha(1)) * (1 - alpha_bar(0)) / (1 - alpha_bar(1)) * x(1),
                    "the posterior mean at $t = 1$",
                    VERBATIM,
                    (("reverse.posterior-mean", {t: 1, x(t): x(1)}),),
                ),
                Step(x(0), "$\\bar\\alpha_0 = 1$ and $1 - \\bar\\alpha_1 = \\beta_1$"),
            ),
        ),
        Claim(
            "reverse.variance-order",
            beta(t) - beta_tilde(t),
            (
                Step(
                    beta(t) - (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * beta(t),
                    "the posterior variance",
                    ALGEBRA,
                    ("reverse.posterior-variance",),
                ),
                Step(
                    (1 - alpha_bar(t) - (1 - alpha_bar(t - 1))) / (1 - alpha_bar(t)) * beta(t),
                    "take out $\\beta_t$; one denominator",
                ),
                Step(
                    (alpha_bar(t - 1) - alpha_bar(t)) / (1 - alpha_bar(t)) * beta(t),
                    "$1 - 1 = 0$",
                ),
                Step(
                    alpha_bar(t - 1) * beta(t) ** 2 / (1 - alpha_bar(t)),
                    "$\\bar\\alpha_{t-1} - \\bar\\alpha_t = \\beta_t\\, \\bar\\alpha_{t-1}$",
                ),
                Step(sp.S.Zero, "nothing here is negative", AT_LEAST, (), r"\ge"),
            ),
            show=2,
            uncomputed="Its right side is only a sign; both variances are bound.",
        ),
        Claim(
            "reverse.total-variance",
            Var(x(t - 1), x(t)),
            (
                Step(
                    Var(mu_tilde(x(t), x(0)) + sqrt(beta_tilde(t)) * z, x(t)),
                    "draw $x_{t-1}$ from the posterior, with fresh noise $z$",
                    SUBSTITUTION,
                    ("reverse.posterior-sample",),
                ),
                Step(
                    Var(weight_0 * x(0) + weight_t * x(t) + sqrt(beta_tilde(t)) * z, x(t)),
                    "the posterior mean",
                    SUBSTITUTION,
                    ("reverse.posterior-mean",),
                ),
                Step(
                    weight_0**2 * Var(x(0), x(t)) + beta_tilde(t),
                    "$x_t$ is given; $x_0$ and $z$ are independent, so their variances add",
                ),
                Step(
                    beta_tilde(t) + weight_0**2 * Var(x(0), x(t)),
                    "the noise of one step first, then the doubt about $x_0$",
                ),
            ),
            checks=(
                Check(
                    "the joint Gaussian of x_{t-1} and x_t agrees",
                    lambda claim: _regression(claim),
                    "exact cases",
                    "Gaussian data with independent components of one variance",
                ),
            ),
        ),
        Claim(
            "reverse.optimal-variance-point",
            Var(x(t - 1), x(t)),
            (
                Step(
                    beta_tilde(t) + weight_0**2 * Var(x(0), x(t)),
                    "noise of the posterior, and doubt about $x_0$",
                    ALGEBRA,
                    ("reverse.total-variance",),
                ),
                Step(
                    beta_tilde(t),
                    "the data are one point: no doubt about $x_0$",
                    ALGEBRA,
                    (ASSUMED,),
                ),
            ),
            assuming=((Var(x(0), x(t)), sp.S.Zero),),
        ),
        Claim(
            "reverse.straight-line",
            Var(x(0) - sqrt(alpha_bar(t)) * x(t)),
            (
                Step(
                    Var(x(0) - sqrt(alpha_bar(t)) * (signal + sqrt(1 - alpha_bar(t)) * eps)),
                    "the jump",
                    SUBSTITUTION,
                    ("marginal.sample",),
                ),
                Step(
                    Var(
                        (1 - alpha_bar(t)) * x(0)
                        - sqrt(alpha_bar(t)) * sqrt(1 - alpha_bar(t)) * eps
                    ),
                    "multiply out, and bring the terms with $x_0$ together",
                    SUBSTITUTION,
                ),
                Step(
                    (1 - alpha_bar(t)) ** 2 * Var(x(0)) + alpha_bar(t) * (1 - alpha_bar(t)),
                    "$x_0$ and $\\epsilon$ are independent: the variances add",
                ),
                Step(
                    (1 - alpha_bar(t)) ** 2 + alpha_bar(t) * (1 - alpha_bar(t)),
                    "the data have variance 1",
                    ALGEBRA,
                    (ASSUMED,),
                ),
                Step(1 - alpha_bar(t), "take out $1 - \\bar\\alpha_t$"),
            ),
            assuming=((Var(x(0)), sp.S.One),),
            uncomputed="It is about a guess that the package never makes; a proof uses it.",
        ),
        Claim(
            "reverse.optimal-variance-gaussian",
            Var(x(t - 1), x(t)),
            (
                Step(
                    beta_tilde(t) + weight_0**2 * Var(x(0), x(t)),
                    "noise of the posterior, and doubt about $x_0$",
                    ALGEBRA,
                    ("reverse.total-variance",),
                ),
                Step(
                    beta_tilde(t) + weight_0**2 * (1 - alpha_bar(t)),
                    "data $\\mathcal N(0, I)$: the doubt is $1 - \\bar\\alpha_t$",
                    ALGEBRA,
                    (("reverse.gaussian-data-density", {m: sp.S.Zero, spread: sp.S.One}),),
                ),
                Step(
                    (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * beta(t)
                    + alpha_bar(t - 1) * beta(t) ** 2 / (1 - alpha_bar(t)),
                    "the posterior variance; in the other term $1 - \\bar\\alpha_t$ cancels",
                    ALGEBRA,
                    ("reverse.posterior-variance",),
                ),
                Step(
                    (1 - alpha_bar(t - 1) + alpha_bar(t - 1) * beta(t))
                    / (1 - alpha_bar(t))
                    * beta(t),
                    "take out $\\beta_t / (1 - \\bar\\alpha_t)$",
                ),
                Step(
                    beta(t),
                    "$\\bar\\alpha_{t-1} (1 - \\beta_t) = \\bar\\alpha_t$, so above stands "
                    "$1 - \\bar\\alpha_t$, too",
                ),
            ),
            assuming=((q(x(0)), Normal(x(0), 0, 1)),),
        ),
        Claim(
            "reverse.gaussian-marginal",
            q(x(t)),
            (
                Step(Over(q(x(t), x(0)) * q(x(0)), x(0)), "over all data", marginalize(x(0))),
                Step(
                    Over(Normal(x(t), signal, 1 - alpha_bar(t)) * Normal(x(0), m, spread**2), x(0)),
                    "the closed form; the data are $\\mathcal N(m, s^2 I)$",
                    ALGEBRA,
                    ("marginal.closed-form", ASSUMED),
                ),
                Step(
                    Normal(x(t), sqrt(alpha_bar(t)) * m, data_var),
                    "coordinate by coordinate, the sum of two Gaussians: "
                    "$u = \\sqrt{\\bar\\alpha_t}\\,(x_0 - m)$, "
                    "$y = x_t - \\sqrt{\\bar\\alpha_t}\\,m$, "
                    "$a^2 = \\bar\\alpha_t s^2$, $b^2 = 1 - \\bar\\alpha_t$",
                    LOGARITHMS,
                    (
                        (
                            "forward.gaussian-sum",
                            {
                                deviation_1: sqrt(alpha_bar(t)) * spread,
                                deviation_2: sqrt(1 - alpha_bar(t)),
                                total: x(t) - sqrt(alpha_bar(t)) * m,
                            },
                        ),
                    ),
                ),
            ),
            assuming=(gaussian_data,),
        ),
        Claim(
            "reverse.gaussian-data-density",
            q(x(0), x(t)),
            (
                Step(
                    q(x(t), x(0)) * q(x(0)),
                    "Bayes' rule; the denominator does not contain $x_0$",
                    proportional(x(0)),
                    (),
                    r"\propto",
                ),
                Step(
                    exp(
                        -half
                        * Grouped(
                            (x(t) - signal) ** 2 / (1 - alpha_bar(t)) + (x(0) - m) ** 2 / spread**2
                        )
                    ),
                    "the closed form, and the data",
                    proportional(x(0)),
                    ("marginal.closed-form", ASSUMED),
                    r"\propto",
                ),
                Step(
                    exp(
                        -half
                        * Grouped(
                            (alpha_bar(t) * x(0) ** 2 - 2 * sqrt(alpha_bar(t)) * x(t) * x(0))
                            / (1 - alpha_bar(t))
                            + (x(0) ** 2 - 2 * m * x(0)) / spread**2
                        )
                    ),
                    "multiply both squares out; drop what does not contain $x_0$",
                    proportional(x(0)),
                    (),
                    r"\propto",
                ),
                Step(
                    exp(
                        -half
                        * Grouped(
                            Grouped(alpha_bar(t) / (1 - alpha_bar(t)) + 1 / spread**2) * x(0) ** 2
                            - 2 * Grouped(doubt_slope) * x(0)
                        )
                    ),
                    "bring together the two squares, and the two terms with $x_0$",
                    proportional(x(0)),
                    (),
                    r"\propto",
                ),
                Step(
                    exp(
                        -half
                        * Grouped(
                            data_var / (spread**2 * (1 - alpha_bar(t))) * x(0) ** 2
                            - 2 * Grouped(doubt_slope) * x(0)
                        )
                    ),
                    "one denominator for the first bracket",
                    proportional(x(0)),
                    (),
                    r"\propto",
                ),
                Step(
                    Normal(x(0), denoiser_var * Grouped(doubt_slope), denoiser_var),
                    "complete the square: the variance is $1/A$, the mean $B/A$",
                    proportional(x(0)),
                    (
                        (
                            "forward.square",
                            {
                                curve: data_var / (spread**2 * (1 - alpha_bar(t))),
                                pull: doubt_slope,
                                u: x(0),
                            },
                        ),
                    ),
                    r"\propto",
                ),
                Step(
                    Normal(
                        x(0),
                        (sqrt(alpha_bar(t)) * spread**2 * x(t) + (1 - alpha_bar(t)) * m) / data_var,
                        denoiser_var,
                    ),
                    "multiply out",
                ),
                Step(
                    Normal(
                        x(0),
                        (
                            Grouped(data_var) * m
                            + sqrt(alpha_bar(t)) * spread**2 * (x(t) - sqrt(alpha_bar(t)) * m)
                        )
                        / data_var,
                        denoiser_var,
                    ),
                    "add $\\bar\\alpha_t s^2 m$, and take it away again",
                ),
                Step(Normal(x(0), denoiser, denoiser_var), "two fractions; the first is $m$"),
            ),
            assuming=(gaussian_data,),
        ),
        Claim(
            "reverse.gaussian-data",
            E(x(0), x(t)),
            (
                Step(
                    denoiser,
                    "the mean of the Gaussian above",
                    ALGEBRA,
                    ("reverse.gaussian-data-density",),
                ),
            ),
            assuming=(gaussian_data,),
        ),
        Claim(
            "reverse.gaussian-numerator",
            numerator,
            (
                Step(
                    alpha_bar(t - 1) * beta(t) * spread**2
                    + (1 - alpha_bar(t - 1)) * alpha_bar(t) * spread**2
                    + (1 - alpha_bar(t - 1)) * (1 - alpha_bar(t)),
                    "multiply the bracket out",
                ),
                Step(
                    alpha_bar(t - 1) * spread**2 * (beta(t) + alpha(t) * (1 - alpha_bar(t - 1)))
                    + (1 - alpha_bar(t - 1)) * (1 - alpha_bar(t)),
                    "$\\bar\\alpha_t = \\alpha_t \\bar\\alpha_{t-1}$; "
                    "take out $\\bar\\alpha_{t-1} s^2$",
                ),
                Step(
                    alpha_bar(t - 1) * spread**2 * (1 - alpha_bar(t))
                    + (1 - alpha_bar(t - 1)) * (1 - alpha_bar(t)),
                    "$\\beta_t + \\alpha_t - \\alpha_t \\bar\\alpha_{t-1} = 1 - \\bar\\alpha_t$",
                ),
                Step(
                    (1 - alpha_bar(t)) * Grouped(data_var_before),
                    "take out $1 - \\bar\\alpha_t$",
                ),
            ),
            uncomputed="A line of algebra that the next proof uses; code does not need it.",
        ),
        Claim(
            "reverse.gaussian-data-mean",
            E(x(t - 1), x(t)),
            (
                Step(
                    E(mu_tilde(x(t), x(0)) + sqrt(beta_tilde(t)) * z, x(t)),
                    "draw $x_{t-1}$ from the posterior, with fresh noise $z$",
                    SUBSTITUTION,
                    ("reverse.posterior-sample",),
                ),
                Step(
                    weight_0 * E(x(0), x(t)) + weight_t * x(t),
                    "the posterior mean; $z$ has mean 0",
                    ALGEBRA,
                    ("reverse.posterior-mean",),
                ),
                Step(
                    weight_0 * Grouped(m + sqrt(alpha_bar(t)) * spread**2 / data_var * centered)
                    + weight_t * x(t),
                    "the exact denoiser",
                    ALGEBRA,
                    ("reverse.gaussian-data",),
                ),
                Step(
                    weight_0 * Grouped(m + sqrt(alpha_bar(t)) * spread**2 / data_var * centered)
                    + weight_t * Grouped(sqrt(alpha_bar(t)) * m + centered),
                    "add $\\sqrt{\\bar\\alpha_t}\\,m$, and take it away again",
                ),
                Step(
                    Grouped(weight_0 + weight_t * sqrt(alpha_bar(t))) * m
                    + Grouped(weight_0 * (sqrt(alpha_bar(t)) * spread**2 / data_var) + weight_t)
                    * centered,
                    "order by $m$ and $x_t - \\sqrt{\\bar\\alpha_t}\\,m$",
                ),
                Step(
                    sqrt(alpha_bar(t - 1))
                    * ((beta(t) + alpha(t) * (1 - alpha_bar(t - 1))) / (1 - alpha_bar(t)))
                    * m
                    + sqrt(alpha(t))
                    * (
                        (alpha_bar(t - 1) * beta(t) * spread**2 / data_var + 1 - alpha_bar(t - 1))
                        / (1 - alpha_bar(t))
                    )
                    * centered,
                    "$\\sqrt{\\bar\\alpha_t} = \\sqrt{\\alpha_t}\\sqrt{\\bar\\alpha_{t-1}}$; "
                    "take the root out of each bracket",
                ),
                Step(
                    sqrt(alpha_bar(t - 1)) * m
                    + sqrt(alpha(t))
                    * (numerator / ((1 - alpha_bar(t)) * Grouped(data_var)))
                    * centered,
                    "the first fraction is 1; one denominator in the second",
                ),
                Step(
                    sqrt(alpha_bar(t - 1)) * m
                    + sqrt(alpha(t)) * data_var_before / data_var * centered,
                    "that numerator; $1 - \\bar\\alpha_t$ cancels",
                    ALGEBRA,
                    ("reverse.gaussian-numerator",),
                ),
            ),
            assuming=(gaussian_data,),
            checks=(
                Check(
                    "it is the regression of x_{t-1} on x_t, from their covariance",
                    lambda claim: _regression_mean(claim),
                ),
            ),
        ),
        Claim(
            "reverse.gaussian-data-variance",
            Var(x(t - 1), x(t)),
            (
                Step(
                    beta_tilde(t) + weight_0**2 * Var(x(0), x(t)),
                    "noise of the posterior, and doubt about $x_0$",
                    ALGEBRA,
                    ("reverse.total-variance",),
                ),
                Step(
                    beta_tilde(t) + weight_0**2 * denoiser_var,
                    "the doubt about Gaussian data",
                    ALGEBRA,
                    ("reverse.gaussian-data-density",),
                ),
                Step(
                    (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * beta(t)
                    + alpha_bar(t - 1)
                    * beta(t) ** 2
                    * spread**2
                    / ((1 - alpha_bar(t)) * Grouped(data_var)),
                    "the posterior variance; in the other term $1 - \\bar\\alpha_t$ cancels once",
                    ALGEBRA,
                    ("reverse.posterior-variance",),
                ),
                Step(
                    numerator / ((1 - alpha_bar(t)) * Grouped(data_var)) * beta(t),
                    "take out $\\beta_t$; one denominator",
                ),
                Step(
                    data_var_before / data_var * beta(t),
                    "that numerator; $1 - \\bar\\alpha_t$ cancels",
                    ALGEBRA,
                    ("reverse.gaussian-numerator",),
                ),
            ),
            assuming=(gaussian_data,),
        ),
        Claim(
            "reverse.gaussian-walk",
            Var(x(t - 1), over="p"),
            (
                Step(
                    Var(E(x(t - 1), x(t)) + sigma(t) * z, over="p"),
                    "the sampler, with a network that knows the mean",
                    DEFINITION,
                ),
                Step(
                    Var(
                        sqrt(alpha_bar(t - 1)) * m
                        + sqrt(alpha(t))
                        * (data_variance(t - 1) / data_variance(t))
                        * (x(t) - sqrt(alpha_bar(t)) * m)
                        + sigma(t) * z,
                        over="p",
                    ),
                    f"the exact mean, with ${latex(data_variance(t))} = {latex(data_var)}$",
                    SUBSTITUTION,
                    ("reverse.gaussian-data-mean", ASSUMED),
                ),
                Step(
                    alpha(t) * (data_variance(t - 1) / data_variance(t)) ** 2 * Var(x(t), over="p")
                    + sigma(t) ** 2,
                    "$m$ does not vary; $x_t$ and $z$ are independent",
                ),
            ),
            assuming=(
                gaussian_data,
                (data_variance(t), data_var),
                (data_variance(t - 1), data_var_before),
            ),
            checks=(
                Check(
                    "it is about p; the true variance, with the true variance of a step, is kept",
                    lambda claim: _walk_is_true(claim),
                ),
            ),
        ),
        Claim(
            "reverse.x0-model",
            x0_hat(x(t), t),
            (
                Step(
                    (x(t) - sqrt(1 - alpha_bar(t)) * eps_theta(x(t), t)) / sqrt(alpha_bar(t)),
                    "the predicted noise in place of the true one",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "with the true noise it is x_0",
                    lambda claim: difference(
                        claim.rhs.xreplace({eps_theta(x(t), t): eps}),
                        claim.registry["marginal.x0-from-eps"].rhs,
                    ),
                ),
            ),
        ),
        Claim(
            "reverse.mean-model",
            mu_theta(x(t), t),
            (
                Step(
                    mu_tilde(x(t), x0_hat(x(t), t)),
                    "the posterior mean at the predicted $x_0$",
                    DEFINITION,
                ),
                Step(
                    weight_0 * x0_hat(x(t), t) + weight_t * x(t),
                    "the posterior mean",
                    ALGEBRA,
                    (("reverse.posterior-mean", {x(0): x0_hat(x(t), t)}),),
                ),
                Step(
                    weight_0
                    * ((x(t) - sqrt(1 - alpha_bar(t)) * eps_theta(x(t), t)) / sqrt(alpha_bar(t)))
                    + weight_t * x(t),
                    "what the predicted noise says of $x_0$",
                    ALGEBRA,
                    ("reverse.x0-model",),
                ),
                Step(
                    by_network,
                    "line by line as for the true noise, with $\\epsilon_\\theta$ for $\\epsilon$",
                ),
            ),
        ),
        Claim(
            "reverse.update",
            x(t - 1),
            (
                Step(
                    mu_theta(x(t), t) + sigma(t) * z,
                    "draw from the model, with fresh noise $z$",
                    DEFINITION,
                ),
                Step(
                    by_network + sigma(t) * z,
                    "the model's mean",
                    ALGEBRA,
                    ("reverse.mean-model",),
                ),
            ),
            assuming=("$x_{t-1}$ is drawn by the sampler",),
        ),
    ]


def _regression(claim: Claim) -> Any:
    """Var of x_{t-1} given x_t from their covariance, for data N(0, s²)."""
    before, after = data_var_before.doit(), data_var.doit()
    wanted = before - alpha(t) * before**2 / after
    found = claim.rhs.xreplace({Var(x(0), x(t)): denoiser_var})
    formula = claim.registry["reverse.posterior-variance"].rhs
    return difference(found.xreplace({beta_tilde(t): formula}), wanted)


def _walk_is_true(claim: Claim) -> Any:
    """A sampler that starts from the true x_t and adds the true variance has the true x_{t-1}."""
    laws = {part.args[2].name for part in (claim.lhs, *claim.rhs.atoms(Var))}
    if laws != {"p"}:
        return sp.Symbol(f"the laws {sorted(laws)}")
    true = {
        **dict(claim.assuming),
        Var(x(t), over="p"): data_var,
        sigma(t): sqrt(claim.registry["reverse.gaussian-data-variance"].rhs),
    }
    return difference(claim.rhs.xreplace(true), data_var_before)


def _regression_mean(claim: Claim) -> Any:
    """E of x_{t-1} given x_t from their covariance, for data N(m, s²)."""
    before, after = data_var_before.doit(), data_var.doit()
    gap = x(t) - sqrt(alpha_bar(t)) * m
    return difference(claim.rhs, sqrt(alpha_bar(t - 1)) * m + sqrt(alpha(t)) * before / after * gap)


__all__ = ["CLAIMS"]
