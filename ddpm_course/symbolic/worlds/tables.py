"""Tables and matrices with random entries: worlds for attention, embeddings and distances.

Each world has its own shapes, so they are visited one after the other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from .. import notation as nt
from . import matrices
from .laws import nodes
from .world import Array, NoWorld, World

WIDTH = sp.Symbol("d_k", integer=True, positive=True)
PAIRS = sp.Symbol("N", integer=True, positive=True)
FREQUENCIES = sp.Symbol("m", integer=True, positive=True)
MATRICES = tuple(sp.Symbol(name, commutative=False) for name in "QKV")


class Tables(World):
    """One world: small random matrices, and whole numbers for the sizes."""

    shape = (1,)

    def __init__(self, claim: Any, seed: int) -> None:
        super().__init__(seed)
        size = lambda low, high: int(self.rng.integers(low, high + 1))  # noqa: E731 # short
        asking, many, width, deep = size(2, 5), size(2, 5), size(1, 4), size(1, 4)
        self.letters |= {WIDTH: width, PAIRS: size(1, 5), FREQUENCIES: size(3, 6)}
        self.letters |= {nt.i: size(1, 2), nt.t: size(1, 9), nt.s: size(1, 9), nt.d: size(1, 5)}
        shapes = ((asking, width), (many, width), (many, deep))
        for letter, shape in zip(MATRICES, shapes):
            self.letters[letter] = self.rng.standard_normal(shape)
        expressions = [claim.lhs, *(step.expr for step in claim.steps)]
        symbols = set().union(*(e.free_symbols for e in expressions))
        self.line = any(one.name in (r"\sigma_1", r"\sigma_2") for one in symbols)
        self.size = 1 if self.line else size(2, 5)
        for letter in (nt.mu_1, nt.mu_2):
            self.letters[letter] = self.rng.standard_normal(self.size)
        self.spreads = {at: matrices.covariance(self.rng, self.size) for at in (1, 2)}
        for at in (1, 2) if self.line else ():
            deviation = sp.Symbol(rf"\sigma_{at}", positive=True)
            self.letters[deviation] = float(np.sqrt(self.spreads[at][0, 0]))
        self.fits = self.rng.standard_normal((8, 8))
        for symbol in sorted(symbols, key=str):
            self.name(symbol)

    def on_Spread(self, e: Any) -> Array:
        at = self.time(e.at)
        if at not in self.spreads:
            raise NoWorld(f"there is no covariance {at}")
        return self.spreads[at]

    def on_Mul(self, e: Any) -> Any:
        out: Any = 1.0
        for factor in map(self, e.args):
            out = out @ factor if np.ndim(out) == 2 == np.ndim(factor) else out * factor
        return out

    def on_Pow(self, e: Any) -> Any:
        base = self(e.base)
        if np.ndim(base) == 2:
            if e.exp != sp.S.Half:
                raise NoWorld(f"{e} is a power of a matrix that is not its root")
            return matrices.root(base)
        return super().on_Pow(e)

    def on_Transposed(self, e: Any) -> Array:
        return np.asarray(self(e.args[0])).T

    def on_Trace(self, e: Any) -> Any:
        return np.trace(self(e.args[0]))

    def on_Softmax(self, e: Any) -> Array:
        return matrices.softmax(self(e.args[0]))

    def on_Norm2(self, e: Any) -> Any:
        return (np.asarray(self(e.args[0])) ** 2).sum()

    def on_Similarity(self, e: Any) -> Any:
        row, column = (self.time(a) for a in e.args)
        return self.fits[row, column]

    def on_Frequency(self, e: Any) -> Any:
        """Equal ratios from 1 down to 1/10000."""
        return np.geomspace(1, 1e-4, self.letters[FREQUENCIES])[self.time(e.at)]

    def on_Run(self, e: Any) -> list[Any]:
        body, variable, low, high = e.args
        places = range(self.time(low), self.time(high) + 1)
        return [self.with_letter(variable, n)(body) for n in places]

    def on_Tuple(self, e: Any) -> Array:
        return np.array([entry for part in e.args for entry in self(part)])

    def on_Embedding(self, e: Any) -> Array:
        angles = np.geomspace(1, 1e-4, self.letters[FREQUENCIES]) * self(e.args[0])
        return np.concatenate([np.sin(angles), np.cos(angles)])

    def on_Inner(self, e: Any) -> Any:
        if e.args == (nt.query, nt.key):
            ends = range(1, self.letters[WIDTH] + 1)
            return sum(self(nt.QueryNoise(n)) * self(nt.KeyNoise(n)) for n in ends)
        one, two = (np.asarray(self(a)) for a in e.args)
        return (one * two).sum(-1)

    # Queries and keys are drawn: a mean runs over all of their components.

    drawn: Any = None

    def on_QueryNoise(self, e: Any) -> Any:
        return self._drawn(0, self.time(e.at))

    def on_KeyNoise(self, e: Any) -> Any:
        return self._drawn(1, self.time(e.at))

    def _drawn(self, which: int, at: int) -> Any:
        if self.drawn is None or not 1 <= at <= self.letters[WIDTH]:
            raise NoWorld(f"component {at} is not drawn here")
        return self.drawn[:, which * self.letters[WIDTH] + at - 1]

    def on_E(self, e: nt.E) -> Any:
        of, given, over, _ = e.args
        if given or over.name.strip():
            raise NoWorld(f"{e} is not a mean over queries and keys")
        inner = self.copied()
        inner.drawn, shares = DRAWS[2 * self.letters[WIDTH]]
        value = inner(of)
        mean = (value * shares).sum()
        return (value**2 * shares).sum() - mean**2 if isinstance(e, nt.Var) else mean

    # -- quantities with a name --------------------------------------------------------------------

    def named_attention(self) -> Array:
        """Query by query: the average of the values, with exponentials as weights."""
        asked, offered, told = (self.letters[letter] for letter in MATRICES)
        rows = []
        for ask in asked:
            weights = [np.exp((ask * one).sum() / self.letters[WIDTH] ** 0.5) for one in offered]
            rows.append(sum(a * b for a, b in zip(weights, told)) / sum(weights))
        return np.array(rows)

    def named_frechet(self) -> Any:
        """By the symmetric root: tr (A^1/2 B A^1/2)^1/2 (Dowson and Landau 1982)."""
        values, vectors = np.linalg.eigh(self.spreads[1])
        half = (vectors * np.sqrt(values)) @ vectors.T
        middle = np.linalg.eigvalsh(half @ self.spreads[2] @ half)
        gap = self.letters[nt.mu_1] - self.letters[nt.mu_2]
        whole = np.trace(self.spreads[1]) + np.trace(self.spreads[2])
        return gap @ gap + whole - 2 * np.sqrt(np.maximum(middle, 0)).sum()

    def named_contrastive(self) -> Any:
        """Two cross-entropies: of each row and of each column, against its own number."""
        count = self.letters[PAIRS]
        table = self.fits[1 : count + 1, 1 : count + 1]
        total = 0.0
        for scores in (table, table.T):
            total += (np.log(np.exp(scores).sum(1)) - np.diag(scores)).mean()
        return total / 2


DRAWS = {2 * width: nodes(2 * width) for width in (1, 2, 3, 4)}
