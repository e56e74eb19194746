"""The claims of the chapter on the network: how it is told the time."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .claim import DEFINITION, Check, Claim, Method, Step
from .notation import Embedding, Frequency, Inner, Run, as_written, i, s, t

count = sp.Symbol("m", integer=True, positive=True)  # how many frequencies


def _frequencies(claim: Claim) -> Any:
    """From 1 down to 1/10000, each the same fraction of the one before."""
    with evaluate(True):
        for frequencies in (2, 3, 5):
            size = claim.rhs.xreplace({count: sp.Integer(frequencies)})
            sizes = [size.xreplace({i: sp.Integer(j)}).doit() for j in range(frequencies)]
            ratio = sizes[1] / sizes[0]
            wanted = [ratio**j for j in range(frequencies)]
            if sizes != wanted or sizes[-1] != sp.Rational(1, 10000):
                return sizes[-1]
        return 0


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
    """The product entry by entry: for 1 to 4 frequencies."""
    with evaluate(True):
        for frequencies in (1, 2, 3, 4):
            rule = Claims["unet.embedding"].rhs
            times = [side.args[0] for side in before.args]
            one, two = (
                [e.xreplace({t: time}) for e in written_out(rule, frequencies)] for time in times
            )
            found = _sum(after, frequencies)
            total = sum(a * b for a, b in zip(one, two))
            if sp.simplify(sp.expand(total - found)) != 0:
                return total - found
        return 0


def _sum(e: Any, frequencies: int) -> Any:
    variable, low, high = e.limits[0]
    top = int(high.subs(count, frequencies).doit())
    return sum(
        e.function.xreplace({variable: sp.Integer(j)}).doit() for j in range(int(low), top + 1)
    )


def _angles(before: Any, after: Any) -> Any:
    """Term by term: the cosine of a difference."""
    with evaluate(True):
        for frequencies in (1, 2, 3, 4):
            gap = sp.expand(sp.expand_trig(_sum(before, frequencies) - _sum(after, frequencies)))
            gap = sp.expand(sp.expand_trig(sp.expand(gap)))
            if sp.simplify(gap) != 0:
                return gap
        return 0


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
            checks=(Check("each sine has its cosine", _halves, "exact cases"),),
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
                    Method("exact cases", _dot),
                    (),
                ),
                Step(
                    sp.Sum(sp.cos(Frequency(i) * (t - s)), (i, 0, count - 1)),
                    "the cosine of a difference: only $t - s$ counts",
                    Method("exact cases", _angles),
                ),
            ),
        ),
    ]

Claims = {claim.name: claim for claim in CLAIMS}

__all__ = ["CLAIMS"]
