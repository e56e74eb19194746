"""The claims of the chapter that goes past DDPM."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .algebra import difference
from .claim import ASSUMED, Check, Claim, Step
from .methods import ALGEBRA, DEFINITION, SUBSTITUTION
from .notation import (
    Density,
    E,
    Gradient,
    Label,
    Var,
    alpha,
    alpha_bar,
    as_written,
    beta,
    beta_tilde,
    eps,
    eps_hat,
    eps_theta,
    log,
    s,
    sqrt,
    t,
    x,
    x0_guess,
    z,
)

noise = sp.Symbol(r"\sigma", positive=True)
scale = sp.Symbol("w", real=True)
eta = sp.Symbol(r"\eta", nonnegative=True)
label = Label("c", real=True)


def _keeps_mean(claim: Claim) -> Any:
    """With the true x_0 and ε, the mean given x_0 is that of q(x_s | x_0)."""
    made = claim.rhs.xreplace({x0_guess: x(0), eps_hat: eps})
    return difference(E(made, x(0)), sqrt(alpha_bar(s)) * x(0)) or difference(
        Var(made, x(0)), 1 - alpha_bar(s)
    )


def _stays(claim: Claim) -> Any:
    """A step from t to t without fresh noise stays where it is; fresh noise enters with +σ."""
    with evaluate(True):
        rhs = claim.rhs.doit()
        still = rhs.xreplace({z: sp.S.Zero, noise: sp.S.Zero, alpha_bar(s): alpha_bar(t)})
        here = sqrt(alpha_bar(t)) * x0_guess + sqrt(1 - alpha_bar(t)) * eps_hat
        return difference(still, here) or sp.expand(rhs - rhs.xreplace({z: sp.S.Zero}) - noise * z)


def _of_ddpm(claim: Claim) -> Any:
    """At η = 1 it is the posterior variance of a step that is as long as the jump from s to t."""
    posterior = claim.registry["reverse.posterior-variance"].rhs
    with evaluate(True):
        long = {alpha_bar(t - 1): alpha_bar(s), beta(t): 1 - alpha_bar(t) / alpha_bar(s)}
        return difference(claim.rhs.doit().subs(eta, 1), posterior.doit().xreplace(long))


def _ends_of_guidance(claim: Claim) -> Any:
    """w = 0 ignores the label, w = 1 is the model that knows it, and between them is a line."""
    with evaluate(True):
        free, told = eps_theta(x(t), t), eps_theta(x(t), t, label)
        rhs = claim.rhs.doit()
        return (
            sp.expand(rhs.subs(scale, 0) - free)
            or sp.expand(rhs.subs(scale, 1) - told)
            or sp.expand(sp.diff(rhs, scale, 2))
        )


def _q(variable: Any, *given: Any) -> Any:
    return Density("p", [variable], given)


with as_written():
    back = sqrt(1 - alpha_bar(s) - noise**2)
    CLAIMS = [
        Claim(
            "beyond.ddim",
            x(s),
            (
                Step(
                    sqrt(alpha_bar(s)) * x0_guess + back * eps_hat + noise * z,
                    "the predicted data, noised again: part old noise, part fresh",
                    DEFINITION,
                ),
            ),
            checks=(
                Check("it keeps the marginal of x_s given x_0", _keeps_mean),
                Check("without fresh noise, a step from t to t stays where it is", _stays),
            ),
        ),
        Claim(
            "beyond.ddim-marginal",
            Var(x(s), x(0)),
            (
                Step(
                    Var(sqrt(alpha_bar(s)) * x(0) + back * eps + noise * z, x(0)),
                    "a perfect prediction: $\\hat x_0 = x_0$ and $\\hat\\epsilon = \\epsilon$",
                    SUBSTITUTION,
                    (("beyond.ddim", {x0_guess: x(0), eps_hat: eps}),),
                ),
                Step(
                    (1 - alpha_bar(s) - noise**2) + noise**2,
                    "the two noises are independent",
                ),
                Step(1 - alpha_bar(s), "whatever $\\sigma$ is"),
            ),
            assuming=((x0_guess, x(0)), (eps_hat, eps)),
        ),
        Claim(
            "beyond.ddim-variance",
            noise**2,
            (
                Step(
                    eta**2
                    * ((1 - alpha_bar(s)) / (1 - alpha_bar(t)))
                    * (1 - alpha_bar(t) / alpha_bar(s)),
                    "one knob: no fresh noise at 0, as much as DDPM has at 1",
                    DEFINITION,
                ),
            ),
            checks=(
                Check("at η = 1 it is the posterior variance of a step from t to s", _of_ddpm),
            ),
        ),
        Claim(
            "beyond.ddim-variance-step",
            noise**2,
            (
                Step(
                    eta**2
                    * ((1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)))
                    * (1 - alpha_bar(t) / alpha_bar(t - 1)),
                    "to the neighbor, $s = t - 1$",
                    ALGEBRA,
                    (("beyond.ddim-variance", {s: t - 1}),),
                ),
                Step(
                    eta**2 * ((1 - alpha_bar(t - 1)) / (1 - alpha_bar(t))) * (1 - alpha(t)),
                    "one more factor",
                    ALGEBRA,
                    ("marginal.alpha-bar-step",),
                ),
                Step(
                    eta**2 * beta_tilde(t),
                    "the posterior variance",
                    ALGEBRA,
                    ("marginal.alpha", "reverse.posterior-variance"),
                ),
            ),
            assuming=((s, t - 1),),
        ),
        Claim(
            "beyond.ddim-is-ddpm",
            E(x(t - 1), [x(t), x(0)]),
            (
                Step(
                    sqrt(alpha_bar(t - 1)) * x(0)
                    + sqrt(1 - alpha_bar(t - 1) - beta_tilde(t)) * eps,
                    "the step to $s = t - 1$ with $\\sigma^2 = \\tilde\\beta_t$",
                    ALGEBRA,
                    (ASSUMED,),
                ),
                Step(
                    sqrt(alpha_bar(t - 1)) * x(0)
                    + sqrt(
                        1 - alpha_bar(t - 1) - (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * beta(t)
                    )
                    * eps,
                    "the posterior variance",
                    ALGEBRA,
                    ("reverse.posterior-variance",),
                ),
                Step(
                    sqrt(alpha_bar(t - 1)) * x(0)
                    + sqrt(
                        (1 - alpha_bar(t - 1)) * ((1 - alpha_bar(t) - beta(t)) / (1 - alpha_bar(t)))
                    )
                    * eps,
                    "take out $1 - \\bar\\alpha_{t-1}$; one denominator",
                ),
                Step(
                    sqrt(alpha_bar(t - 1)) * x(0)
                    + sqrt(
                        (1 - alpha_bar(t - 1))
                        * (alpha(t) * (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)))
                    )
                    * eps,
                    "$1 - \\bar\\alpha_t - \\beta_t = \\alpha_t - \\alpha_t \\bar\\alpha_{t-1}$: "
                    "take out $\\alpha_t$",
                ),
                Step(
                    sqrt(alpha_bar(t - 1)) * x(0)
                    + sqrt(alpha(t)) * (1 - alpha_bar(t - 1)) / sqrt(1 - alpha_bar(t)) * eps,
                    "$(1 - \\bar\\alpha_{t-1})^2$ comes out of the root",
                ),
                Step(
                    sqrt(alpha_bar(t - 1)) * x(0)
                    + sqrt(alpha(t))
                    * (1 - alpha_bar(t - 1))
                    / sqrt(1 - alpha_bar(t))
                    * ((x(t) - sqrt(alpha_bar(t)) * x(0)) / sqrt(1 - alpha_bar(t))),
                    "the noise from $x_0$",
                    ALGEBRA,
                    ("marginal.eps-from-x0",),
                ),
                Step(
                    (
                        sqrt(alpha_bar(t - 1))
                        - sqrt(alpha(t))
                        * (1 - alpha_bar(t - 1))
                        * sqrt(alpha_bar(t))
                        / (1 - alpha_bar(t))
                    )
                    * x(0)
                    + sqrt(alpha(t)) * (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * x(t),
                    "what stands before $x_0$, and what stands before $x_t$",
                ),
                Step(
                    sqrt(alpha_bar(t - 1))
                    * ((1 - alpha_bar(t) - alpha(t) * (1 - alpha_bar(t - 1))) / (1 - alpha_bar(t)))
                    * x(0)
                    + sqrt(alpha(t)) * (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * x(t),
                    "$\\sqrt{\\alpha_t} \\sqrt{\\bar\\alpha_t} = "
                    "\\alpha_t \\sqrt{\\bar\\alpha_{t-1}}$; one denominator",
                ),
                Step(
                    sqrt(alpha_bar(t - 1)) * beta(t) / (1 - alpha_bar(t)) * x(0)
                    + sqrt(alpha(t)) * (1 - alpha_bar(t - 1)) / (1 - alpha_bar(t)) * x(t),
                    "$1 - \\bar\\alpha_t - \\alpha_t + \\bar\\alpha_t = \\beta_t$",
                ),
            ),
            assuming=(
                (
                    E(x(t - 1), [x(t), x(0)]),
                    sqrt(alpha_bar(t - 1)) * x(0)
                    + sqrt(1 - alpha_bar(t - 1) - beta_tilde(t)) * eps,
                ),
            ),
            checks=(
                Check(
                    "it starts from DDIM, and ends at the posterior mean",
                    lambda claim: _ends(claim),
                ),
            ),
        ),
        Claim(
            "beyond.guidance",
            eps_hat,
            (
                Step(
                    eps_theta(x(t), t) + scale * (eps_theta(x(t), t, label) - eps_theta(x(t), t)),
                    "go further in the direction in which the label $c$ points",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "w = 0 and w = 1 are the two predictions, with a line between",
                    _ends_of_guidance,
                ),
            ),
        ),
        Claim(
            "beyond.guidance-bayes",
            Gradient(log(_q(label, x(t))), x(t)),
            (
                Step(
                    Gradient(log(_q(x(t), label) * _q(label) / _q(x(t))), x(t)),
                    "Bayes' rule",
                ),
                Step(
                    Gradient(log(_q(x(t), label)) + log(_q(label)) - log(_q(x(t))), x(t)),
                    "the logarithm of a product is a sum, that of a fraction a difference",
                ),
                Step(
                    Gradient(log(_q(x(t), label)), x(t)) - Gradient(log(_q(x(t))), x(t)),
                    "the gradient of each; $\\log p(c)$ does not contain $x_t$: its gradient is 0",
                ),
            ),
            uncomputed=(
                "It needs the gradient of a classifier on noised pictures; the package guides "
                "without one, at beyond.guidance."
            ),
        ),
    ]


def _ends(claim: Claim) -> Any:
    """The first line is DDIM's mean with the true x_0 and ε; the last is the posterior's."""
    ddim = claim.registry["beyond.ddim"].rhs
    with evaluate(True):
        start = ddim.doit().xreplace({alpha_bar(s): alpha_bar(t - 1), noise: sqrt(beta_tilde(t))})
        start = start.xreplace({x0_guess: x(0), eps_hat: eps, z: sp.S.Zero}).doit()
    return difference(start, claim.steps[0].expr) or difference(
        claim.rhs, claim.registry["reverse.posterior-mean"].rhs
    )


__all__ = ["CLAIMS"]
