"""The claims of the chapter on the forward process."""

from __future__ import annotations

from itertools import product
from typing import Any

import sympy as sp

from .algebra import difference
from .chain import LADDER, on_ladder
from .claim import ASSUMED, HYPOTHESIS, Chain, Check, Claim, Step
from .methods import ALGEBRA, CALCULUS, DEFINITION, LINEARITY, LOGARITHMS, SUBSTITUTION, marginalize
from .notation import (
    E,
    Grouped,
    Normal,
    Over,
    States,
    T,
    Var,
    alpha,
    as_written,
    beta,
    eps_at,
    exp,
    half,
    q,
    s,
    sqrt,
    t,
    x,
)

y = sp.Symbol("x", real=True)
u = sp.Symbol("u", real=True)
w = sp.Symbol("y", real=True)
mu = sp.Symbol(r"\mu", real=True)
sd = sp.Symbol(r"\sigma", positive=True)
a, b = sp.symbols("a b", positive=True)
curve = sp.Symbol("A", positive=True)  # what multiplies a square in an exponent
pull = sp.Symbol("B", real=True)
center = sp.Symbol("c", real=True)


def _moment(power: int, value: Any) -> Any:
    """A check of the Gaussian density by its integral: 1, its mean or its variance."""

    def holds(claim: Claim) -> Any:
        density = claim.rhs.doit().subs(y, mu + sd * u) * sd
        integral = sp.integrate(sp.expand(density * (sd * u) ** power), (u, -sp.oo, sp.oo))
        return sp.simplify(integral - value)

    return holds


def _same_moments(claim: Claim) -> Any:
    """The density of a step has the mean and the variance of its reparameterization."""
    moved = claim.registry["forward.reparameterization"].rhs
    at, mean, var, _ = claim.rhs.args
    if at != x(t):
        return at
    return difference(E(moved, x(t - 1)), mean) or difference(Var(moved, x(t - 1)), var)


def _is_a_step(claim: Claim) -> Any:
    """The reparameterized step has the mean and the variance of the density."""
    _, mean, var, _ = claim.registry["forward.transition"].rhs.args
    return difference(E(claim.rhs, x(t - 1)), mean) or difference(Var(claim.rhs, x(t - 1)), var)


def _joint_on_ladder(claim: Claim) -> Any:
    """On a chain of few states, the product is the share of each path; the shares sum to 1."""
    for last in (1, 2, 3):
        for path in product(range(LADDER.states), repeat=last + 1):
            values = [on_ladder(side, path, last) for side in (claim.lhs, claim.rhs)]
            if values[0] != values[1]:
                return values[0] - values[1]
    return 0


with as_written():
    CLAIMS = [
        Claim(
            "forward.gaussian",
            Normal(y, mu, sd**2, False),
            (
                Step(
                    1 / sqrt(2 * sp.pi * sd**2) * exp(-((y - mu) ** 2) / (2 * sd**2)),
                    "the Gaussian (normal) density",
                    DEFINITION,
                ),
            ),
            checks=(
                Check("it integrates to 1", _moment(0, 1), "calculus"),
                Check("its mean is μ", _moment(1, 0), "calculus"),
                Check("its variance is σ²", _moment(2, sd**2), "calculus"),
            ),
        ),
        Claim(
            "forward.naive-variance",
            Var(x(t)),
            (
                Step(
                    Var(x(t - 1) + sqrt(beta(t)) * eps_at(t)),
                    "noise is only added",
                    SUBSTITUTION,
                    (ASSUMED,),
                ),
                Step(
                    Var(x(t - 1)) + beta(t),
                    "$\\epsilon_t$ is independent of $x_{t-1}$ and has variance 1",
                ),
                Step(
                    Var(x(0)) + sp.Sum(beta(s), (s, 1, t - 1)) + beta(t),
                    "the claim for $t-1$",
                    ALGEBRA,
                    (HYPOTHESIS,),
                ),
                Step(Var(x(0)) + sp.Sum(beta(s), (s, 1, t)), "take $\\beta_t$ into the sum"),
            ),
            base=Chain(
                Var(x(1)),
                (
                    Step(
                        Var(x(0) + sqrt(beta(1)) * eps_at(1)), "one step", SUBSTITUTION, (ASSUMED,)
                    ),
                    Step(Var(x(0)) + beta(1), "$\\epsilon_1$ is independent of $x_0$"),
                    Step(Var(x(0)) + sp.Sum(beta(s), (s, 1, 1)), "a sum of one term"),
                ),
            ),
            assuming=(
                (x(t), x(t - 1) + sqrt(beta(t)) * eps_at(t)),
                (x(1), x(0) + sqrt(beta(1)) * eps_at(1)),
            ),
            uncomputed=(
                "It is about a process that the package does not have, because of what the claim "
                "says."
            ),
        ),
        Claim(
            "forward.transition",
            q(x(t), x(t - 1)),
            (
                Step(
                    Normal(x(t), sqrt(1 - beta(t)) * x(t - 1), beta(t)),
                    "the step that we choose",
                    DEFINITION,
                ),
            ),
            checks=(Check("it has the moments of a reparameterized step", _same_moments),),
        ),
        Claim(
            "forward.joint",
            q([States(1, T)], x(0)),
            (
                Step(
                    sp.Product(q(x(t), x(t - 1)), (t, 1, T)),
                    "each step looks only at the one before it",
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
            "forward.reparameterization",
            x(t),
            (
                Step(
                    sqrt(1 - beta(t)) * x(t - 1) + sqrt(beta(t)) * eps_at(t),
                    "a Gaussian is its mean plus its standard deviation times $\\epsilon_t$",
                    DEFINITION,
                ),
            ),
            checks=(Check("it has the moments of the transition", _is_a_step),),
        ),
        Claim(
            "forward.reparameterization-mean",
            E(x(t), x(t - 1)),
            (
                Step(
                    E(sqrt(1 - beta(t)) * x(t - 1) + sqrt(beta(t)) * eps_at(t), x(t - 1)),
                    "the reparameterized step",
                    SUBSTITUTION,
                    ("forward.reparameterization",),
                ),
                Step(
                    sqrt(1 - beta(t)) * x(t - 1) + sqrt(beta(t)) * E(eps_at(t)),
                    "the mean is linear, and $x_{t-1}$ is given",
                    LINEARITY,
                ),
                Step(sqrt(1 - beta(t)) * x(t - 1), "the noise has mean 0"),
            ),
        ),
        Claim(
            "forward.reparameterization-variance",
            Var(x(t), x(t - 1)),
            (
                Step(
                    Var(sqrt(1 - beta(t)) * x(t - 1) + sqrt(beta(t)) * eps_at(t), x(t - 1)),
                    "the reparameterized step",
                    SUBSTITUTION,
                    ("forward.reparameterization",),
                ),
                Step(
                    beta(t) * Var(eps_at(t)),
                    "what is given does not vary; a factor comes out squared",
                    LINEARITY,
                ),
                Step(beta(t), "the noise has variance 1"),
            ),
        ),
        Claim(
            "forward.unit-variance",
            Var(x(t)),
            (
                Step(
                    Var(sqrt(1 - beta(t)) * x(t - 1) + sqrt(beta(t)) * eps_at(t)),
                    "the reparameterized step",
                    SUBSTITUTION,
                    ("forward.reparameterization",),
                ),
                Step(
                    (1 - beta(t)) * Var(x(t - 1)) + beta(t) * Var(eps_at(t)),
                    "$x_{t-1}$ and $\\epsilon_t$ are independent",
                    LINEARITY,
                ),
                Step(
                    (1 - beta(t)) + beta(t),
                    "$\\operatorname{Var}[x_{t-1}] = 1$, and the noise has variance 1",
                    ALGEBRA,
                    (ASSUMED,),
                ),
                Step(sp.S.One, "what is taken away is put back"),
            ),
            assuming=((Var(x(t - 1)), sp.S.One),),
        ),
        Claim(
            "forward.variance-drift",
            Var(x(t)) - 1,
            (
                Step(
                    Var(sqrt(1 - beta(t)) * x(t - 1) + sqrt(beta(t)) * eps_at(t)) - 1,
                    "the reparameterized step",
                    SUBSTITUTION,
                    ("forward.reparameterization",),
                ),
                Step(
                    (1 - beta(t)) * Var(x(t - 1)) + beta(t) - 1,
                    "$x_{t-1}$ and $\\epsilon_t$ are independent, and the noise has variance 1",
                ),
                Step((1 - beta(t)) * (Var(x(t - 1)) - 1), "take out the common factor"),
            ),
        ),
        Claim(
            "forward.square",
            curve * u**2 - 2 * pull * u,
            (
                Step(curve * (u**2 - 2 * pull / curve * u), "take out $A$"),
                Step(
                    curve * ((u - pull / curve) ** 2 - (pull / curve) ** 2),
                    "$(u - c)^2 = u^2 - 2cu + c^2$ with $c = B/A$",
                ),
                Step(curve * (u - pull / curve) ** 2 - pull**2 / curve, "multiply out"),
            ),
            uncomputed="A line of algebra about any two numbers; proofs use it, code does not.",
        ),
        Claim(
            "forward.gaussian-integral",
            sp.Integral(exp(-curve / 2 * (u - center) ** 2), (u, -sp.oo, sp.oo)),
            (
                Step(
                    sp.Integral(exp(-curve / 2 * u**2), (u, -sp.oo, sp.oo)),
                    "moving the bell does not change its area",
                    CALCULUS,
                ),
                Step(sqrt(2 * sp.pi / curve), "Gauss's integral", CALCULUS),
            ),
            uncomputed="An integral over a whole line; proofs use it, code does not.",
        ),
        Claim(
            "forward.gaussian-sum",
            sp.Integral(
                Normal(u, 0, a**2, False) * Normal(w - u, 0, b**2, False), (u, -sp.oo, sp.oo)
            ),
            (
                Step(
                    1
                    / (2 * sp.pi * a * b)
                    * sp.Integral(
                        exp(-(u**2) / (2 * a**2) - (w - u) ** 2 / (2 * b**2)), (u, -sp.oo, sp.oo)
                    ),
                    "the two densities",
                    LOGARITHMS,
                ),
                Step(
                    1
                    / (2 * sp.pi * a * b)
                    * sp.Integral(
                        exp(-half * Grouped(u**2 / a**2 + (w**2 - 2 * w * u + u**2) / b**2)),
                        (u, -sp.oo, sp.oo),
                    ),
                    "take out $-\\frac{1}{2}$, and multiply the square out",
                    LOGARITHMS,
                ),
                Step(
                    1
                    / (2 * sp.pi * a * b)
                    * sp.Integral(
                        exp(
                            -half
                            * Grouped(
                                (a**2 + b**2) / (a**2 * b**2) * u**2
                                - 2 * w / b**2 * u
                                + w**2 / b**2
                            )
                        ),
                        (u, -sp.oo, sp.oo),
                    ),
                    "$\\frac{1}{a^2} + \\frac{1}{b^2} = \\frac{a^2 + b^2}{a^2 b^2}$",
                    LOGARITHMS,
                ),
                Step(
                    1
                    / (2 * sp.pi * a * b)
                    * sp.Integral(
                        exp(
                            -half
                            * Grouped(
                                (a**2 + b**2) / (a**2 * b**2) * (u - a**2 * w / (a**2 + b**2)) ** 2
                                - a**2 * w**2 / (b**2 * (a**2 + b**2))
                                + w**2 / b**2
                            )
                        ),
                        (u, -sp.oo, sp.oo),
                    ),
                    "complete the square: $A = (a^2 + b^2)/(a^2 b^2)$, $B = y/b^2$",
                    LOGARITHMS,
                    (
                        (
                            "forward.square",
                            {curve: (a**2 + b**2) / (a**2 * b**2), pull: w / b**2},
                        ),
                    ),
                ),
                Step(
                    1
                    / (2 * sp.pi * a * b)
                    * sp.Integral(
                        exp(
                            -half
                            * Grouped(
                                (a**2 + b**2) / (a**2 * b**2) * (u - a**2 * w / (a**2 + b**2)) ** 2
                                + w**2 / (a**2 + b**2)
                            )
                        ),
                        (u, -sp.oo, sp.oo),
                    ),
                    "$\\frac{y^2}{b^2} \\left( 1 - \\frac{a^2}{a^2 + b^2} \\right) = "
                    "\\frac{y^2}{a^2 + b^2}$",
                    LOGARITHMS,
                ),
                Step(
                    1
                    / (2 * sp.pi * a * b)
                    * exp(-(w**2) / (2 * (a**2 + b**2)))
                    * sp.Integral(
                        exp(
                            -(a**2 + b**2) / (2 * a**2 * b**2) * (u - a**2 * w / (a**2 + b**2)) ** 2
                        ),
                        (u, -sp.oo, sp.oo),
                    ),
                    "what does not contain $u$ comes out of the integral",
                    LOGARITHMS,
                ),
                Step(
                    1
                    / (2 * sp.pi * a * b)
                    * exp(-(w**2) / (2 * (a**2 + b**2)))
                    * (sqrt(2 * sp.pi) * a * b / sqrt(a**2 + b**2)),
                    "the area under the bell, with the same $A$",
                    LOGARITHMS,
                    (
                        (
                            "forward.gaussian-integral",
                            {
                                curve: (a**2 + b**2) / (a**2 * b**2),
                                center: a**2 * w / (a**2 + b**2),
                            },
                        ),
                    ),
                ),
                Step(
                    1 / sqrt(2 * sp.pi * (a**2 + b**2)) * exp(-(w**2) / (2 * (a**2 + b**2))),
                    "cancel $ab$, and one root of $2\\pi$",
                    LOGARITHMS,
                ),
                Step(
                    Normal(w, 0, a**2 + b**2, False),
                    "the density of a Gaussian: variances add",
                    LOGARITHMS,
                ),
            ),
            uncomputed="An integral over a whole line; proofs use it, code does not.",
        ),
        Claim(
            "forward.two-steps",
            x(t),
            (
                Step(
                    sqrt(alpha(t)) * x(t - 1) + sqrt(1 - alpha(t)) * eps_at(t),
                    "one step back, with $\\alpha_t = 1 - \\beta_t$",
                    ALGEBRA,
                    ("forward.reparameterization",),
                ),
                Step(
                    sqrt(alpha(t))
                    * (sqrt(alpha(t - 1)) * x(t - 2) + sqrt(1 - alpha(t - 1)) * eps_at(t - 1))
                    + sqrt(1 - alpha(t)) * eps_at(t),
                    "one more step back",
                    ALGEBRA,
                    (("forward.reparameterization", {t: t - 1}),),
                ),
                Step(
                    sqrt(alpha(t) * alpha(t - 1)) * x(t - 2)
                    + sqrt(alpha(t) * (1 - alpha(t - 1))) * eps_at(t - 1)
                    + sqrt(1 - alpha(t)) * eps_at(t),
                    "multiply out",
                ),
            ),
        ),
        Claim(
            "forward.two-steps-variance",
            Var(x(t), x(t - 2)),
            (
                Step(
                    Var(
                        sqrt(alpha(t) * alpha(t - 1)) * x(t - 2)
                        + sqrt(alpha(t) * (1 - alpha(t - 1))) * eps_at(t - 1)
                        + sqrt(1 - alpha(t)) * eps_at(t),
                        x(t - 2),
                    ),
                    "two steps",
                    SUBSTITUTION,
                    ("forward.two-steps",),
                ),
                Step(
                    alpha(t) * (1 - alpha(t - 1)) + (1 - alpha(t)),
                    "$x_{t-2}$ is given; the noises are independent, so their variances add",
                ),
                Step(1 - alpha(t) * alpha(t - 1), "$\\alpha_t$ cancels"),
            ),
        ),
        Claim(
            "forward.two-steps-density",
            q(x(t), x(t - 2)),
            (
                Step(
                    Over(q(x(t), x(t - 1)) * q(x(t - 1), x(t - 2)), x(t - 1)),
                    "over all ways through $x_{t-1}$",
                    marginalize(x(t - 1)),
                ),
                Step(
                    Over(
                        Normal(x(t), sqrt(alpha(t)) * x(t - 1), 1 - alpha(t))
                        * Normal(x(t - 1), sqrt(alpha(t - 1)) * x(t - 2), 1 - alpha(t - 1)),
                        x(t - 1),
                    ),
                    "two transitions",
                    ALGEBRA,
                    ("forward.transition", ("forward.transition", {t: t - 1})),
                ),
                Step(
                    Normal(
                        x(t), sqrt(alpha(t) * alpha(t - 1)) * x(t - 2), 1 - alpha(t) * alpha(t - 1)
                    ),
                    "coordinate by coordinate, the sum of two Gaussians: "
                    "$u = \\sqrt{\\alpha_t}\\,(x_{t-1} - \\sqrt{\\alpha_{t-1}}\\,x_{t-2})$, "
                    "$y = x_t - \\sqrt{\\alpha_t\\alpha_{t-1}}\\,x_{t-2}$, "
                    "$a^2 = \\alpha_t(1 - \\alpha_{t-1})$, $b^2 = 1 - \\alpha_t$",
                    LOGARITHMS,
                    (
                        (
                            "forward.gaussian-sum",
                            {
                                a: sqrt(alpha(t) * (1 - alpha(t - 1))),
                                b: sqrt(1 - alpha(t)),
                                w: x(t) - sqrt(alpha(t) * alpha(t - 1)) * x(t - 2),
                            },
                        ),
                    ),
                ),
            ),
        ),
    ]
