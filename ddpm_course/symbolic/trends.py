"""The claims of the pages on trends: attention, and what pairs pictures with texts."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from sympy.core.parameters import evaluate

from .algebra import difference
from .claim import Check, Claim, Step
from .methods import DEFINITION, Method
from .methods.series import TERM_BY_TERM
from .notation import (
    E,
    Inner,
    KeyNoise,
    QueryNoise,
    Similarity,
    Softmax,
    Transposed,
    Var,
    as_written,
    exp,
    i,
    key,
    log,
    query,
    sqrt,
)
from .worlds import matrices as worlds

queries, keys, values = (sp.Symbol(name, commutative=False) for name in "QKV")
width = sp.Symbol("d_k", integer=True, positive=True)
output = sp.Symbol(r"\operatorname{Attention}(Q, K, V)")
pairing = sp.Symbol(r"\mathcal L")
pairs = sp.Symbol("N", integer=True, positive=True)
j = sp.Symbol("j", integer=True, positive=True)


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


def _in_matrices(claim: Claim) -> Any:
    """For 20 random Q, K, V of several shapes: each query's average, written out in loops."""
    rng = np.random.default_rng(3)
    for _ in range(20):
        asking, many, size, deep = map(int, rng.integers(2, 6, 4))
        asked, offered = rng.standard_normal((asking, size)), rng.standard_normal((many, size))
        told = rng.standard_normal((many, deep))
        world = {queries: asked, keys: offered, values: told, width: float(size)}
        found = worlds.matrices(claim.rhs, world)
        for row, ask in enumerate(asked):
            shares = np.exp([ask @ one / np.sqrt(size) for one in offered])
            wanted = sum(a * b for a, b in zip(shares, told)) / shares.sum()
            gap = float(np.abs(found[row] - wanted).max())
            if not gap < 1e-12:
                return sp.Float(gap)
    return 0


def _variances_add(before: Any, after: Any) -> Any:
    """The variance of q.k is the sum of the variances of its terms, for every width.

    The terms q_i k_i are made of noise with different indices, so they are independent.
    """
    term = QueryNoise(i) * KeyNoise(i)
    if before != Var(Inner(query, key)):
        return before
    with evaluate(True):
        if not isinstance(after, sp.Sum) or after.limits != (sp.Tuple(i, 1, width),):
            return after
        return difference(after.function, Var(term))


def _same_terms(before: Any, after: Any) -> Any:
    """A sum of equal numbers is one of them, times their number."""
    with evaluate(True):
        one = difference(before.function, sp.S.One)
        return one or sp.expand(sp.Sum(1, *before.limits).doit() - after)


def for_pairs(e: Any, count: int) -> Any:
    """An expression in sums over N pairs, written out for a number of them."""
    if isinstance(e, sp.Sum):
        variable, low, high = e.limits[0]
        terms = range(int(low), int(high.subs(pairs, count)) + 1)
        return sp.Add(
            *(for_pairs(e.function.xreplace({variable: sp.Integer(n)}), count) for n in terms)
        )
    if e == pairs:
        return sp.Integer(count)
    return e.func(*(for_pairs(a, count) for a in e.args)) if e.args else e


def _guess(claim: Claim) -> Any:
    """Where every picture fits every text alike, each of the N is as likely as the others."""
    with evaluate(True):
        for count in (1, 2, 3):
            rhs = for_pairs(claim.rhs, count)
            alike = rhs.xreplace(dict.fromkeys(rhs.atoms(Similarity), sp.Symbol("a", real=True)))
            if (left := sp.simplify(alike - sp.log(count))) != 0:
                return left
        return 0


def _mirrored(claim: Claim) -> Any:
    """Pictures and texts may change places; and the loss falls as the pairs fit better."""
    with evaluate(True):
        rhs = for_pairs(claim.rhs, 2)
        turned = {e: Similarity(*reversed(e.args)) for e in rhs.atoms(Similarity)}
        ends = {e: 10 if e.args[0] == e.args[1] else 0 for e in turned}
        return sp.simplify(rhs.xreplace(turned) - rhs) or float(rhs.xreplace(ends)) < 1e-4


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
            checks=(
                Check(
                    "it is a weighted average",
                    _numbers,
                    "exact cases",
                    "one query and two keys of width 1",
                ),
                Check(
                    "it is each query's average", _in_matrices, "worlds", "20 worlds of matrices"
                ),
            ),
            uncomputed=(
                "PyTorch computes it, in its function scaled_dot_product_attention; its formula "
                "is held to loops over matrices in a check."
            ),
        ),
        Claim(
            "trends.attention-variance",
            Var(Inner(query, key)),
            (
                Step(
                    sp.Sum(Var(QueryNoise(i) * KeyNoise(i)), (i, 1, width)),
                    "the components are independent: the variances add",
                    Method("algebra", _variances_add),
                ),
                Step(
                    sp.Sum(E(QueryNoise(i) ** 2) * E(KeyNoise(i) ** 2), (i, 1, width)),
                    "each has mean 0",
                    TERM_BY_TERM,
                ),
                Step(width, "each mean square is 1", Method("algebra", _same_terms)),
            ),
            uncomputed=(
                "It is about all queries and keys that could be drawn; the package draws none."
            ),
        ),
        Claim(
            "trends.contrastive",
            pairing,
            (
                Step(
                    -1
                    / (2 * pairs)
                    * sp.Sum(
                        log(
                            exp(Similarity(i, i)) / sp.Sum(exp(Similarity(i, j)), (j, 1, pairs)),
                        )
                        + log(
                            exp(Similarity(i, i)) / sp.Sum(exp(Similarity(j, i)), (j, 1, pairs)),
                        ),
                        (i, 1, pairs),
                    ),
                    "each picture shall find its text, and each text its picture",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "who can only guess among N pays log N", _guess, "exact cases", "N = 1, 2, 3"
                ),
                Check("pictures and texts play the same part", _mirrored, "exact cases", "N = 2"),
            ),
        ),
    ]

__all__ = ["CLAIMS"]
