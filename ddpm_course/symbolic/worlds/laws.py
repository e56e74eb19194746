"""Joint laws that are known exactly: mixtures of Gaussians, and everything linear in them.

A quantity is a row of factors: how much of each source it contains. The first source is the data
x_0, a mixture; the others are independent Gaussians. So every mean, variance, density and every
law given some of the quantities is known by linear algebra.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import product
from typing import Any

import numpy as np

from .world import Array, NoWorld

ORDERS = {1: 32, 2: 18, 3: 8}  # nodes of Gauss and Hermite, by the number of dimensions


@cache
def nodes(dimensions: int) -> tuple[Array, Array]:
    """Points (N, dimensions) and weights (N,) of a mean over N(0, I)."""
    if dimensions == 0:
        return np.zeros((1, 0)), np.ones(1)
    at, weights = np.polynomial.hermite_e.hermegauss(ORDERS.get(dimensions, 3))
    points = np.array(list(product(at, repeat=dimensions))).reshape(-1, dimensions)
    shares = np.prod(list(product(weights / weights.sum(), repeat=dimensions)), axis=1)
    return points, np.atleast_1d(shares)


class Law:
    """A joint law of quantities.

    Args:
        shares: (W, D, K) the weights of the K parts of the data.
        means: (W, D, K, S) the mean of each source in each part.
        variances: (W, D, K, S).
    """

    def __init__(self, shares: Array, means: Array, variances: Array) -> None:
        self.shares, self.means, self.variances = shares, means, variances
        self.rows: dict[Any, Array] = {}  # (W, S) the factors of each quantity

    def stacked(self, keys: Sequence[Any]) -> Array:
        for key in keys:
            if key not in self.rows:
                raise NoWorld(f"{key} is no random quantity of this law")
        return np.stack([self.rows[key] for key in keys], 1)  # (W, A, S)

    def moments(self, rows: Array, others: Array | None = None) -> tuple[Array, Array]:
        """Means (W, D, K, A) and covariances (W, D, K, A, B) in each part."""
        others = rows if others is None else others
        mean = np.einsum("was,wdks->wdka", rows, self.means)
        scaled = rows[:, None, None] * self.variances[..., None, :]  # (W, D, K, A, S)
        return mean, scaled @ others.swapaxes(1, 2)[:, None, None]

    def log_density(self, keys: Sequence[Any], values: Array) -> Array:
        """The logarithm of the joint density (W, D, R) at values (W, D, R, A)."""
        logs = self._logs(keys, values)
        top = logs.max(-1, keepdims=True)
        return np.asarray(top[..., 0] + np.log(np.exp(logs - top).sum(-1)))

    def _logs(self, keys: Sequence[Any], values: Array) -> Array:
        """log of share times density of each part, (W, D, R, K)."""
        with np.errstate(divide="ignore"):
            shares = np.log(self.shares)[:, :, None]
        if not keys:
            return np.broadcast_to(shares, (*values.shape[:3], self.shares.shape[-1]))
        mean, cov = self.moments(self.stacked(keys))
        sizes, turns = np.linalg.eigh(cov)  # (W, D, K, A)
        flat = sizes < 1e-9 * np.maximum(sizes.max(-1, keepdims=True), 1e-3)
        turned = (values[:, :, None] - mean[..., None, :]) @ turns  # (W, D, K, R, A)
        flat, size = flat[..., None, :], np.where(flat, 1.0, sizes)[..., None, :]
        terms = np.where(flat, 0.0, turned**2 / size + np.log(2 * np.pi * size))
        return np.asarray(shares - terms.sum(-1).swapaxes(-1, -2) / 2)

    def given(
        self, wanted: Sequence[Any], known: Sequence[Any], values: Array
    ) -> tuple[Array, Array]:
        """Values (W, D, R, N, A) of what is wanted given what is known, and weights (W, D, R, N).

        A mean over them is the conditional mean: exact for polynomials, and for smooth functions
        far beyond the tolerance of a comparison.
        """
        rows = self.stacked(wanted)
        mean, cov = self.moments(rows)
        logs = self._logs(known, values)
        parts = np.exp(logs - logs.max(-1, keepdims=True))
        parts = parts / parts.sum(-1, keepdims=True)  # (W, D, R, K)
        center = np.broadcast_to(mean[:, :, None], (*parts.shape, mean.shape[-1]))
        if known:
            behind = self.stacked(known)
            there, own = self.moments(behind)
            _, cross = self.moments(rows, behind)
            gain = cross @ np.linalg.pinv(own, rcond=1e-9, hermitian=True)
            cov = cov - gain @ cross.swapaxes(-1, -2)
            gap = values[:, :, None] - there[..., None, :]  # (W, D, K, R, B)
            center = center + (gap @ gain.swapaxes(-1, -2)).swapaxes(2, 3)
        sizes, turns = np.linalg.eigh(cov)
        free = (sizes > 1e-9).any((0, 1, 2))
        spread = turns[..., free] * np.sqrt(np.maximum(sizes, 0))[..., None, free]
        points, weights = nodes(int(free.sum()))
        steps = points @ spread.swapaxes(-1, -2)  # (W, D, K, N, A)
        out = center[:, :, :, :, None] + steps[:, :, None]  # (W, D, R, K, N, A)
        share = parts[..., None] * weights
        return (
            out.reshape(*parts.shape[:3], -1, len(wanted)),
            share.reshape(*parts.shape[:3], -1),
        )
