"""The claims of the chapter on samplers that need few calls of the network."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .beyond import noise
from .claim import Check, Claim, Step
from .methods import ALGEBRA, CALCULUS, DEFINITION, LOGARITHMS
from .notation import (
    alpha_bar,
    as_written,
    eps,
    eps_hat,
    exp,
    half,
    half_log_snr,
    log,
    n,
    s,
    snr,
    sqrt,
    t,
    x,
    x0_ahead,
    x0_before,
    x0_guess,
)

SHORT = "A limit of ever shorter steps; the package's schedules have a number of steps."
r = sp.Symbol("r", integer=True, positive=True)  # the step that was visited before t


def _middle(claim: Claim) -> Any:
    """A guess that is a straight line in λ is met in the middle of the jump; a guess that stays
    is kept."""
    with evaluate(True):
        a, b = sp.symbols("a b", real=True)
        line = {
            x0_guess: a + b * half_log_snr(t),
            x0_before: a + b * half_log_snr(r),
        }
        wanted = a + b * (half_log_snr(t) + half_log_snr(s)) / 2
        return sp.simplify(claim.rhs.doit().xreplace(line) - wanted)


with as_written():
    left = 1 - 1 / n  # 1 - β of a step with the noise β = 1/n
    walked = 1 / sqrt(left) * (x(t) - 1 / (n * sqrt(1 - alpha_bar(t))) * eps_hat)
    landed = sqrt(alpha_bar(t)) * x0_guess + sqrt(1 - alpha_bar(t)) * eps_hat
    came_from = sqrt(left * alpha_bar(t)) * x0_guess + sqrt(1 - left * alpha_bar(t)) * eps_hat
    CLAIMS = [
        Claim(
            "solvers.half-log-snr",
            half_log_snr(t),
            (
                Step(half * log(snr(t)), "half a logarithm", DEFINITION),
                Step(
                    half * log(alpha_bar(t) / (1 - alpha_bar(t))),
                    "the signal-to-noise ratio",
                    LOGARITHMS,
                    ("marginal.snr",),
                ),
            ),
        ),
        Claim(
            "solvers.jump",
            x(s),
            (
                Step(
                    sqrt(alpha_bar(s)) * x0_guess + sqrt(1 - alpha_bar(s)) * eps_hat,
                    "DDIM without fresh noise, $\\sigma = 0$",
                    ALGEBRA,
                    (("beyond.ddim", {noise: sp.S.Zero}),),
                ),
                Step(
                    sqrt(alpha_bar(s)) * x0_guess
                    + sqrt(1 - alpha_bar(s))
                    * ((x(t) - sqrt(alpha_bar(t)) * x0_guess) / sqrt(1 - alpha_bar(t))),
                    "the noise that leads from $\\hat x_0$ to $x_t$",
                    ALGEBRA,
                    (("marginal.eps-from-x0", {x(0): x0_guess, eps: eps_hat}),),
                ),
                Step(
                    sqrt(1 - alpha_bar(s)) / sqrt(1 - alpha_bar(t)) * x(t)
                    + (
                        sqrt(alpha_bar(s))
                        - sqrt(1 - alpha_bar(s)) * sqrt(alpha_bar(t)) / sqrt(1 - alpha_bar(t))
                    )
                    * x0_guess,
                    "what stands before $x_t$, and what stands before $\\hat x_0$",
                ),
                Step(
                    sqrt(1 - alpha_bar(s)) / sqrt(1 - alpha_bar(t)) * x(t)
                    + sqrt(alpha_bar(s))
                    * (
                        1
                        - sqrt(alpha_bar(t))
                        / sqrt(1 - alpha_bar(t))
                        * (sqrt(1 - alpha_bar(s)) / sqrt(alpha_bar(s)))
                    )
                    * x0_guess,
                    "take $\\sqrt{\\bar\\alpha_s}$ out of the bracket",
                ),
                Step(
                    sqrt(1 - alpha_bar(s)) / sqrt(1 - alpha_bar(t)) * x(t)
                    + sqrt(alpha_bar(s)) * (1 - sqrt(snr(t) / snr(s))) * x0_guess,
                    "two roots of a signal-to-noise ratio",
                    ALGEBRA,
                    ("marginal.snr", ("marginal.snr", {t: s})),
                ),
            ),
        ),
        Claim(
            "solvers.euler",
            x(s) / sqrt(1 - alpha_bar(s)) - x(t) / sqrt(1 - alpha_bar(t)),
            (
                Step(
                    (sqrt(alpha_bar(s)) * x0_guess + sqrt(1 - alpha_bar(s)) * eps_hat)
                    / sqrt(1 - alpha_bar(s))
                    - x(t) / sqrt(1 - alpha_bar(t)),
                    "DDIM without fresh noise, $\\sigma = 0$",
                    ALGEBRA,
                    (("beyond.ddim", {noise: sp.S.Zero}),),
                ),
                Step(
                    sqrt(alpha_bar(s)) / sqrt(1 - alpha_bar(s)) * x0_guess
                    + eps_hat
                    - x(t) / sqrt(1 - alpha_bar(t)),
                    "divide each term",
                ),
                Step(
                    sqrt(alpha_bar(s)) / sqrt(1 - alpha_bar(s)) * x0_guess
                    + (x(t) - sqrt(alpha_bar(t)) * x0_guess) / sqrt(1 - alpha_bar(t))
                    - x(t) / sqrt(1 - alpha_bar(t)),
                    "the noise that leads from $\\hat x_0$ to $x_t$",
                    ALGEBRA,
                    (("marginal.eps-from-x0", {x(0): x0_guess, eps: eps_hat}),),
                ),
                Step(
                    sqrt(alpha_bar(s)) / sqrt(1 - alpha_bar(s)) * x0_guess
                    + x(t) / sqrt(1 - alpha_bar(t))
                    - sqrt(alpha_bar(t)) / sqrt(1 - alpha_bar(t)) * x0_guess
                    - x(t) / sqrt(1 - alpha_bar(t)),
                    "divide each term of the fraction in the middle",
                ),
                Step(
                    sqrt(alpha_bar(s)) / sqrt(1 - alpha_bar(s)) * x0_guess
                    - sqrt(alpha_bar(t)) / sqrt(1 - alpha_bar(t)) * x0_guess,
                    "the two fractions with $x_t$ cancel",
                ),
                Step(
                    (sqrt(snr(s)) - sqrt(snr(t))) * x0_guess,
                    "$\\sqrt{\\bar\\alpha_t} / \\sqrt{1 - \\bar\\alpha_t} = "
                    "\\sqrt{\\mathrm{SNR}(t)}$, and so at $s$; take $\\hat x_0$ out",
                    ALGEBRA,
                    ("marginal.snr", ("marginal.snr", {t: s})),
                ),
            ),
        ),
        Claim(
            "solvers.ratio",
            exp(-(half_log_snr(s) - half_log_snr(t))),
            (
                Step(
                    exp(half * log(snr(t)) - half * log(snr(s))),
                    "$\\lambda$ is half a logarithm",
                    ALGEBRA,
                    (
                        "solvers.half-log-snr",
                        ("solvers.half-log-snr", {t: s}),
                        "marginal.snr",
                        ("marginal.snr", {t: s}),
                    ),
                ),
                Step(
                    sqrt(snr(t) / snr(s)),
                    "half a logarithm is the logarithm of a root",
                ),
            ),
        ),
        Claim(
            "solvers.line",
            x0_ahead,
            (
                Step(
                    x0_guess
                    + (half_log_snr(s) - half_log_snr(t))
                    / (2 * (half_log_snr(t) - half_log_snr(r)))
                    * (x0_guess - x0_before),
                    "the line through the last two guesses, read in the middle of the jump",
                    DEFINITION,
                ),
            ),
            checks=(
                Check("a guess that is a line in λ is met in the middle of the jump", _middle),
            ),
        ),
        Claim(
            "solvers.short-step",
            sp.Limit(n * (walked - x(t)), n, sp.oo),
            (
                Step(
                    sp.Limit(
                        n * (1 / sqrt(left) - 1) * x(t)
                        - 1 / sqrt(left) / sqrt(1 - alpha_bar(t)) * eps_hat,
                        n,
                        sp.oo,
                    ),
                    "multiply $n$ in, sorted by $x_t$ and $\\hat\\epsilon$: "
                    "before $\\hat\\epsilon$, $n$ and $1/n$ cancel",
                    CALCULUS,
                ),
                Step(
                    sp.Limit(n * (1 / sqrt(left) - 1), n, sp.oo) * x(t)
                    - sp.Limit(1 / sqrt(left), n, sp.oo) / sqrt(1 - alpha_bar(t)) * eps_hat,
                    "the limit of each term; $x_t$ and $\\hat\\epsilon$ do not contain $n$",
                    CALCULUS,
                ),
                Step(
                    half * x(t) - 1 / sqrt(1 - alpha_bar(t)) * eps_hat,
                    "$1/\\sqrt{1 - h}$ has at $h = 0$ the slope $\\frac12$, the first limit, "
                    "and the value 1, the second",
                    CALCULUS,
                ),
            ),
            uncomputed=SHORT,
        ),
        Claim(
            "solvers.short-noise",
            sp.Limit(n * ((1 - alpha_bar(t)) / (1 - left * alpha_bar(t)) * (1 / n)), n, sp.oo),
            (
                Step(
                    sp.Limit((1 - alpha_bar(t)) / (1 - left * alpha_bar(t)), n, sp.oo),
                    "$n$ and $1/n$ cancel",
                    CALCULUS,
                ),
                Step(
                    sp.S.One,
                    "$1/n$ goes to 0: below stands $1 - \\bar\\alpha_t$ in the end, as above",
                    CALCULUS,
                ),
            ),
            uncomputed=SHORT,
        ),
        Claim(
            "solvers.short-jump",
            sp.Limit(n * (landed - came_from), n, sp.oo),
            (
                Step(
                    sp.Limit(n * (1 - sqrt(left)), n, sp.oo) * sqrt(alpha_bar(t)) * x0_guess
                    + sp.Limit(
                        n * (sqrt(1 - alpha_bar(t)) - sqrt(1 - left * alpha_bar(t))), n, sp.oo
                    )
                    * eps_hat,
                    "sorted by $\\hat x_0$ and $\\hat\\epsilon$; the limit of each term",
                    CALCULUS,
                ),
                Step(
                    half * sqrt(alpha_bar(t)) * x0_guess
                    - alpha_bar(t) / (2 * sqrt(1 - alpha_bar(t))) * eps_hat,
                    "at $h = 0$, $\\sqrt{1 - h}$ has the slope $-\\frac12$, and "
                    "$\\sqrt{1 - \\bar\\alpha_t + h \\bar\\alpha_t}$ the slope "
                    "$\\frac{\\bar\\alpha_t}{2 \\sqrt{1 - \\bar\\alpha_t}}$",
                    CALCULUS,
                ),
                Step(
                    half * (x(t) - sqrt(1 - alpha_bar(t)) * eps_hat)
                    - alpha_bar(t) / (2 * sqrt(1 - alpha_bar(t))) * eps_hat,
                    "$x_t = \\sqrt{\\bar\\alpha_t}\\, \\hat x_0 + \\sqrt{1 - \\bar\\alpha_t}\\, "
                    "\\hat\\epsilon$",
                    ALGEBRA,
                    (("marginal.x0-from-eps", {x(0): x0_guess, eps: eps_hat}),),
                ),
                Step(
                    half * x(t)
                    - (1 - alpha_bar(t) + alpha_bar(t)) / (2 * sqrt(1 - alpha_bar(t))) * eps_hat,
                    "multiply out; with $\\sqrt{1 - \\bar\\alpha_t} = "
                    "(1 - \\bar\\alpha_t) / \\sqrt{1 - \\bar\\alpha_t}$ "
                    "both stand over $2\\sqrt{1 - \\bar\\alpha_t}$",
                ),
                Step(
                    half * x(t) - 1 / (2 * sqrt(1 - alpha_bar(t))) * eps_hat,
                    "$1 - \\bar\\alpha_t + \\bar\\alpha_t = 1$",
                ),
            ),
            uncomputed=SHORT,
        ),
    ]

__all__ = ["CLAIMS"]
