"""The claims of the chapter on trends: attention, and why it divides by a root."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .algebra import difference
from .claim import DEFINITION, Check, Claim, Method, Step
from .notation import E, Inner, KeyNoise, QueryNoise, Softmax, Transposed, Var, as_written, i, sqrt

queries, keys, values = (sp.Symbol(name, commutative=False) for name in "QKV")
width = sp.Symbol("d_k", integer=True, positive=True)
output = sp.Symbol(r"\operatorname{Attention}(Q, K, V)")
query, key = sp.Symbol("q"), sp.Symbol("k")


def _numbers(claim: Claim) -> Any:
    """Two keys of width 1: the answer is the average of the values, weighted by exponentials."""
    with evaluate(True):
        a, b_1, b_2, v_1, v_2, size = sp.symbols("a b_1 b_2 v_1 v_2 d", positive=True)
        weights, rest = claim.rhs.args[0], sp.Mul(*claim.rhs.args[1:])
        if not isinstance(weights, Softmax) or rest != values:
            return claim.rhs
        logits = []
        for b in (b_1, b_2):
            one = weights.args[0].replace(Transposed, lambda m: m)
            logits.append(one.subs({queries: a, keys: b, width: size}))
        shares = [sp.exp(one) / (sp.exp(logits[0]) + sp.exp(logits[1])) for one in logits]
        found = shares[0] * v_1 + shares[1] * v_2
        root = sp.sqrt(size)
        up, down = sp.exp(a * b_1 / root), sp.exp(a * b_2 / root)
        return sp.simplify(found - (up * v_1 + down * v_2) / (up + down))


def _widths(before: Any, after: Any) -> Any:
    """For widths 1 to 4, from the moments of N(0, 1)."""
    with evaluate(True):
        for count in (1, 2, 3, 4):
            left = difference(*(_written_out(side, count) for side in (before, after)))
            if left != 0:
                return left
        return 0


def _written_out(e: Any, count: int) -> Any:
    """Sums over the components, and the inner product, for a width."""
    if isinstance(e, Inner):
        return sum(QueryNoise(j) * KeyNoise(j) for j in range(1, count + 1))
    if isinstance(e, sp.Sum):
        variable, low, high = e.limits[0]
        top = int(sp.sympify(high).subs(width, count).doit())
        terms = range(int(low), top + 1)
        return sum(
            _written_out(e.function.xreplace({variable: sp.Integer(j)}), count) for j in terms
        )
    if e == width:
        return sp.Integer(count)
    return e.func(*(_written_out(a, count) for a in e.args)) if e.args else e


WIDTHS = Method("exact cases", _widths)

with as_written():
    CLAIMS = [
        Claim(
            "trends.attention",
            output,
            (
                Step(
                    Softmax(queries * Transposed(keys) / sqrt(width)) * values,
                    "each query takes an average of the values, weighted by its keys",
                    DEFINITION,
                ),
            ),
            checks=(Check("for two keys it is a weighted average", _numbers, "exact cases"),),
        ),
        Claim(
            "trends.attention-variance",
            Var(Inner(query, key)),
            (
                Step(
                    sp.Sum(Var(QueryNoise(i) * KeyNoise(i)), (i, 1, width)),
                    "the components are independent: the variances add",
                    WIDTHS,
                ),
                Step(
                    sp.Sum(E(QueryNoise(i) ** 2) * E(KeyNoise(i) ** 2), (i, 1, width)),
                    "each has mean 0",
                    WIDTHS,
                ),
                Step(width, "each mean square is 1", WIDTHS),
            ),
        ),
    ]

__all__ = ["CLAIMS"]
