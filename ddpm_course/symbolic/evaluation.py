"""The claims of the chapter on evaluation."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from sympy.core.parameters import evaluate

from .claim import Check, Claim, Step
from .methods import DEFINITION, Method
from .notation import Loss, Norm2, Spread, T, Trace, as_written, d, half, log, mu_1, mu_2, t
from .worlds import matrices as worlds

frechet = sp.Symbol(r"\mathrm{FD}")
bits = sp.Symbol(r"\text{bits per dimension}")
sd_1, sd_2 = sp.symbols(r"\sigma_1 \sigma_2", positive=True)


def scattered(e: Any, means: Any, spreads: Any) -> Any:
    """The distance for Gaussians with independent components: numbers for matrices."""
    with evaluate(True):
        length = sum((a - b) ** 2 for a, b in means)
        (trace,) = e.atoms(Trace)
        inside = [
            trace.args[0].xreplace({Spread(1): a**2, Spread(2): b**2}).doit() for a, b in spreads
        ]
        (norm,) = e.atoms(Norm2)
        if sp.expand(norm.args[0].doit() - (mu_1 - mu_2)) != 0:
            return norm
        return e.xreplace({trace: sum(inside), norm: length}).doit()


def _on_a_line(before: Any, after: Any) -> Any:
    """The distance for a single component, where matrices are numbers."""
    with evaluate(True):
        return sp.expand(scattered(before, [(mu_1, mu_2)], [(sd_1, sd_2)]) - after.doit())


ON_A_LINE = Method("algebra", _on_a_line)


def _earth_moved(claim: Claim) -> Any:
    """It is the least mean squared way from one Gaussian to the other: sum of (Δμ)² + (Δσ)²."""
    with evaluate(True):
        for count in (1, 2, 3):
            means = [sp.symbols(f"a_{j} b_{j}", real=True) for j in range(count)]
            spreads = [sp.symbols(f"u_{j} v_{j}", positive=True) for j in range(count)]
            wanted = sum((a - b) ** 2 for a, b in means) + sum((u - w) ** 2 for u, w in spreads)
            left = sp.expand(scattered(claim.rhs, means, spreads) - wanted)
            if left != 0:
                return left
        return 0


def _in_matrices(claim: Claim) -> Any:
    """For 20 pairs of covariances A, B that do not commute: the root in the trace is the
    symmetric one, tr (A^1/2 B A^1/2)^1/2 (Dowson and Landau 1982)."""
    rng = np.random.default_rng(4)
    for _ in range(20):
        size = int(rng.integers(2, 6))
        first, second = (worlds.covariance(rng, size) for _ in range(2))
        means = rng.standard_normal((2, size))
        names = {Spread(1): first, Spread(2): second, mu_1: means[0], mu_2: means[1]}
        half_first = worlds.root(first)
        middle = worlds.root(half_first @ second @ half_first)
        wanted = ((means[0] - means[1]) ** 2).sum() + np.trace(first + second - 2 * middle)
        gap = float(abs(worlds.matrices(claim.rhs, names) - wanted))
        if not gap < 1e-9:
            return sp.Float(gap)
    return 0


def _code_length(claim: Claim) -> Any:
    """A bound of d log 256 nats, however it is split among the terms, is 8 bits a component."""
    with evaluate(True):
        parts = sp.symbols("a b c")
        length = 3
        names = {Loss(length): parts[0], Loss(0): parts[1], Loss(1): parts[2]}
        whole = claim.rhs.xreplace({T: sp.Integer(length)})
        whole = whole.replace(
            sp.Sum,
            lambda f, limits: sum(
                f.xreplace({limits[0]: sp.Integer(j)})
                for j in range(int(limits[1]), int(limits[2]) + 1)
            ),
        )
        rest = d * 8 * log(2) - parts[0] - parts[1] - parts[2]
        found = whole.xreplace({**names, Loss(2): rest})
        return sp.simplify(found - 8)


with as_written():
    CLAIMS = [
        Claim(
            "evaluation.frechet",
            frechet,
            (
                Step(
                    Norm2(mu_1 - mu_2)
                    + Trace(Spread(1) + Spread(2) - 2 * (Spread(1) * Spread(2)) ** half),
                    "the distance of two Gaussians",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "it is the squared distance of (μ, σ)",
                    _earth_moved,
                    "exact cases",
                    "1, 2 and 3 independent components",
                ),
                Check(
                    "its root is the symmetric one",
                    _in_matrices,
                    "worlds",
                    "20 pairs of covariance matrices that do not commute",
                ),
            ),
        ),
        Claim(
            "evaluation.frechet-line",
            frechet,
            (
                Step(
                    (mu_1 - mu_2) ** 2 + (sd_1**2 + sd_2**2 - 2 * (sd_1**2 * sd_2**2) ** half),
                    "one number per item: a covariance is a variance, a trace the number itself",
                    ON_A_LINE,
                    ("evaluation.frechet",),
                ),
                Step(
                    (mu_1 - mu_2) ** 2 + (sd_1 - sd_2) ** 2,
                    "a square, multiplied out",
                ),
            ),
        ),
        Claim(
            "evaluation.bits",
            bits,
            (
                Step(
                    1 / (d * log(2)) * (Loss(T) + sp.Sum(Loss(t - 1), (t, 2, T)) + Loss(0)),
                    "nats to bits, shared by $d$ components",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "256 equally likely values take 8 bits",
                    _code_length,
                    "exact cases",
                    "T = 3, and any split of the bound among its terms",
                ),
            ),
        ),
    ]

__all__ = ["CLAIMS"]
