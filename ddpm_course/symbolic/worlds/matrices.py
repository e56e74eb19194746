"""Small worlds in which the letters have random values, to see whether a statement holds there.

``matrices`` reads an expression as a product of matrices, in the order in which it is written, so
that a transpose on the wrong side or an order that matters is seen. It shares nothing with
``algebra``: numpy computes, and a matrix that is left out or of the wrong shape is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import sympy as sp

from .. import notation as nt

Array = np.ndarray


def covariance(rng: np.random.Generator, size: int) -> Array:
    """A random covariance matrix: any two of them do not commute."""
    factor = rng.standard_normal((size, size + 1))
    return np.asarray(factor @ factor.T)


def root(matrix: Array) -> Array:
    """The root of a matrix with positive eigenvalues, as a product of covariances has them."""
    values, vectors = np.linalg.eig(matrix)
    out = vectors @ np.diag(np.sqrt(values.astype(complex))) @ np.linalg.inv(vectors)
    return np.asarray(out.real)


def softmax(rows: Array) -> Array:
    shares = np.exp(rows - rows.max(1, keepdims=True))
    return np.asarray(shares / shares.sum(1, keepdims=True))


def matrices(e: Any, world: Mapping[Any, Any]) -> Any:
    """The value of an expression in a world: ``world`` gives each letter a number or an array.

    Raises:
        ValueError: a letter without a value, or matrices whose shapes do not fit.
    """

    def value(part: Any) -> Any:
        return matrices(part, world)

    if e in world:
        return world[e]
    if e.is_Number:
        return float(e)
    if isinstance(e, nt.Grouped):
        return value(e.args[0])
    if isinstance(e, nt.Transposed):
        return value(e.args[0]).T
    if isinstance(e, nt.Trace):
        return np.trace(value(e.args[0]))
    if isinstance(e, nt.Softmax):
        return softmax(value(e.args[0]))
    if isinstance(e, nt.Norm2):
        return (value(e.args[0]) ** 2).sum()
    if e.is_Add:
        return sum(value(a) for a in e.args)
    if e.is_Mul:
        out: Any = 1.0
        for factor in map(value, e.args):
            out = out @ factor if np.ndim(out) == 2 == np.ndim(factor) else out * factor
        return out
    if e.is_Pow:
        base, power = value(e.base), value(e.exp)
        if np.ndim(base) == 2:
            if e.exp != sp.S.Half:
                raise ValueError(f"{e} is a power of a matrix that is not its root")
            return root(base)
        return base**power
    raise ValueError(f"{e} has no value in this world")
