"""The claims of the chapter on the network: how it is told the time."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .claim import Check, Claim, Step
from .methods import DEFINITION, Method
from .methods.series import TERM_BY_TERM
from .notation import (
    E,
    Embedding,
    Frequency,
    Inner,
    Run,
    Var,
    as_written,
    gain,
    i,
    s,
    shift,
    t,
    z,
)

count = sp.Symbol("m", integer=True, positive=True)  # how many frequencies


def _frequencies(claim: Claim) -> Any:
    """From 1 down to 1/10000, each the same fraction of the one before."""
    with evaluate(True):
        first, last = (claim.rhs.xreplace({i: at}).doit() for at in (sp.S.Zero, count - 1))
        if (first, sp.simplify(last)) != (1, sp.Rational(1, 10000)):
            return last
        ratio = sp.powsimp(claim.rhs.xreplace({i: i + 1}).doit() / claim.rhs.doit())
        return ratio if sp.simplify(ratio).has(i) else 0


def written_out(e: Any, frequencies: int) -> Any:
    """The entries of an embedding with a number of frequencies."""
    entries = []
    for run in e.args:
        body, variable, low, high = run.args
        top = int(high.subs(count, frequencies))
        entries += [body.xreplace({variable: sp.Integer(j)}) for j in range(int(low), top + 1)]
    return entries


def _halves(claim: Claim) -> Any:
    """Sines and cosines of the same angles: each pair has length 1, and t = 0 is known."""
    with evaluate(True):
        entries = written_out(claim.rhs, 3)
        for j in range(3):
            pair = entries[j] ** 2 + entries[j + 3] ** 2
            if sp.simplify(pair - 1) != 0 or entries[j].subs(t, 0) != 0:
                return pair
            if entries[j].args[0] != Frequency(j) * t:
                return entries[j]
        return 0


def _dot(before: Any, after: Any) -> Any:
    """The product entry by entry, however many frequencies: the runs stand side by side."""
    with evaluate(True):
        one, two = before.args
        total = sp.S.Zero
        for run, other in zip(one.args, two.args, strict=True):
            if run.args[1:] != other.args[1:] or run.args[1:] != tuple(after.limits[0]):
                return after
            total += run.args[0] * other.args[0]
        return sp.expand(total - after.function)


with as_written():
    CLAIMS = [
        Claim(
            "unet.frequencies",
            Frequency(i),
            (
                Step(
                    sp.Integer(10000) ** (-(i / (count - 1))),
                    "$m$ frequencies, evenly spaced on a logarithmic scale",
                    DEFINITION,
                ),
            ),
            checks=(Check("they fall from 1 to 1/10000 by equal ratios", _frequencies),),
        ),
        Claim(
            "unet.embedding",
            Embedding(t),
            (
                Step(
                    sp.Tuple(
                        Run(sp.sin(Frequency(i) * t), i, 0, count - 1),
                        Run(sp.cos(Frequency(i) * t), i, 0, count - 1),
                    ),
                    "a sine and a cosine for each frequency",
                    DEFINITION,
                ),
            ),
            checks=(
                Check("each sine has its cosine", _halves, "exact cases", "three frequencies"),
            ),
        ),
        Claim(
            "unet.embedding-shift",
            Inner(Embedding(t), Embedding(s)),
            (
                Step(
                    sp.Sum(
                        sp.sin(Frequency(i) * t) * sp.sin(Frequency(i) * s)
                        + sp.cos(Frequency(i) * t) * sp.cos(Frequency(i) * s),
                        (i, 0, count - 1),
                    ),
                    "entry by entry",
                    Method("algebra", _dot),
                    ("unet.embedding", ("unet.embedding", {t: s})),
                ),
                Step(
                    sp.Sum(sp.cos(Frequency(i) * (t - s)), (i, 0, count - 1)),
                    "the cosine of a difference: only $t - s$ counts",
                    TERM_BY_TERM,
                ),
            ),
        ),
        Claim(
            "unet.adaptive-mean",
            E((1 + gain) * z + shift),
            (
                Step((1 + gain) * E(z) + shift, "what the time says is no chance"),
                Step(shift, "the norm has made the mean 0"),
            ),
        ),
        Claim(
            "unet.adaptive",
            Var((1 + gain) * z + shift),
            (
                Step(
                    (1 + gain) ** 2 * Var(z), "a shift varies nothing; a factor comes out, squared"
                ),
                Step((1 + gain) ** 2, "the norm has made the variance 1"),
            ),
        ),
        Claim(
            "unet.adaptive-sign",
            E(((1 + gain) * z + shift) * z),
            (
                Step(
                    (1 + gain) * E(z**2) + shift * E(z), "multiply out; $a$ and $b$ are no chance"
                ),
                Step(1 + gain, "the norm has made the mean 0, and the mean square 1"),
            ),
        ),
    ]

__all__ = ["CLAIMS"]
