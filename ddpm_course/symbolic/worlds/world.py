"""What all worlds share: plain arithmetic with arrays, many worlds at once.

A world knows the value of every letter. ``value`` reads an expression as it is written and looks
for a method ``on_Add``, ``on_x``, ... of its kind. Nothing is simplified and no rule of ``algebra``
is used. The first axis of every array runs over the worlds.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.special
import sympy as sp

from .. import notation as nt

Array = np.ndarray
COUNT = 32  # worlds that are computed at once
QUAD, QUAD_WEIGHTS = np.polynomial.legendre.leggauss(40)
LINE = np.linspace(-12.0, 12.0, 161)  # for integrals of densities over the whole line
STEP = LINE[1] - LINE[0]


# Quantities that the book names: a method ``named_...`` of a world computes them.
NAMED = {
    r"L_{\mathrm{simple}}": "simple",
    r"\text{bits per dimension}": "bits",
    r"\mathrm{FD}": "frechet",
    r"\operatorname{Attention}(Q, K, V)": "attention",
    r"\mathcal L": "contrastive",
}


class NoWorld(ValueError):
    """Something of a claim has no value in this kind of world."""


class World:
    """Random values for letters; the same seed gives the same worlds."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.letters: dict[Any, Any] = {}
        self.depth = 0  # axes that integrals and means have added
        self.names: dict[str, sp.Symbol] = {}
        self.known: dict[Any, Any] = {}  # what was worked out: most parts stand in several lines

    # -- letters -----------------------------------------------------------------------------------

    shape: tuple[int, ...] = (COUNT,)

    def draw(self, positive: bool) -> Array:
        """A number for each world."""
        shape = (COUNT,) + (1,) * (len(self.shape) - 1)
        return self.rng.uniform(0.4, 1.6, shape) if positive else self.rng.normal(0, 1, shape)

    def name(self, symbol: sp.Symbol) -> None:
        """Give a letter a value, if it has none."""
        self.names[symbol.name] = symbol
        if hasattr(self, f"named_{NAMED.get(symbol.name)}"):
            return
        if symbol not in self.letters and not symbol.is_integer and symbol.is_commutative:
            self.letters[symbol] = self.draw(bool(symbol.is_nonnegative))

    def copied(self) -> Any:
        """A world like this one, to be changed: nothing is worked out in it yet."""
        inner = object.__new__(type(self))
        inner.__dict__.update(self.__dict__)
        inner.known = {}
        return inner

    def deeper(self) -> Any:
        """The same world with one more axis at the end of every array."""
        inner = self.copied()
        inner.letters = {key: self.widened(one) for key, one in self.letters.items()}
        inner.depth = self.depth + 1
        return inner

    @staticmethod
    def widened(value: Any) -> Any:
        return value[..., None] if isinstance(value, np.ndarray) else value

    def column(self, per_world: Array) -> Array:
        """A number for each world, in the shape of a value."""
        return per_world.reshape((-1,) + (1,) * (len(self.shape) - 1 + self.depth))

    # -- expressions -------------------------------------------------------------------------------

    def __call__(self, e: Any) -> Any:
        if e in self.letters:
            return self.letters[e]
        if e not in self.known:
            self.known[e] = self._value(e)
        return self.known[e]

    def _value(self, e: Any) -> Any:
        for kind in type(e).__mro__:
            found = getattr(self, f"on_{kind.__name__}", None)
            if found is not None:
                return found(e)
        raise NoWorld(f"{e} has no value in this world")

    def time(self, at: Any) -> int:
        """An index as a whole number."""
        value = self(at)
        if np.ndim(value) or value != int(value):
            raise NoWorld(f"{at} is no index")
        return int(value)

    def on_Symbol(self, e: sp.Symbol) -> Any:
        """A quantity with a name is computed by the world, in its own way."""
        found = getattr(self, f"named_{NAMED.get(e.name)}", None)
        if found is not None:
            return found()
        raise NoWorld(f"the letter {e} has no value in this world")

    def on_Rational(self, e: sp.Rational) -> Any:
        return int(e) if e.q == 1 else float(e)

    def on_NumberSymbol(self, e: Any) -> float:
        return float(e)

    def on_Float(self, e: Any) -> float:
        return float(e)

    def on_Infinity(self, e: Any) -> float:
        return float("inf")

    def on_NegativeInfinity(self, e: Any) -> float:
        return float("-inf")

    def on_Add(self, e: sp.Add) -> Any:
        total: Any = 0
        for part in e.args:
            total = total + self(part)
        return total

    def on_Mul(self, e: sp.Mul) -> Any:
        total: Any = 1
        for part in e.args:
            total = total * self(part)
        return total

    def on_Pow(self, e: sp.Pow) -> Any:
        base, power = self(e.base), self(e.exp)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.power(np.asarray(base, dtype=float), power)

    def on_exp(self, e: Any) -> Any:
        return np.exp(self(e.args[0]))

    def on_log(self, e: Any) -> Any:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.log(np.asarray(self(e.args[0]), dtype=float))

    def on_sin(self, e: Any) -> Any:
        return np.sin(self(e.args[0]))

    def on_cos(self, e: Any) -> Any:
        return np.cos(self(e.args[0]))

    def on_gamma(self, e: Any) -> Any:
        return scipy.special.gamma(self(e.args[0]))

    def on_factorial(self, e: Any) -> Any:
        return scipy.special.factorial(self(e.args[0]), exact=False)

    def on_Abs(self, e: Any) -> Any:
        return np.abs(self(e.args[0]))

    def on_Min(self, e: Any) -> Any:
        out = self(e.args[0])
        for part in e.args[1:]:
            out = np.minimum(out, self(part))
        return out

    def on_Grouped(self, e: Any) -> Any:
        return self(e.args[0])

    # -- sums, products, integrals, limits ---------------------------------------------------------

    def with_letter(self, letter: Any, value: Any) -> Any:
        inner = self.copied()
        inner.letters = {**self.letters, letter: value}
        return inner

    def terms(self, e: Any) -> list[Any]:
        (variable, low, high), body = e.limits[0], e.function
        first, last = self.time(low), self.time(high)
        return [self.with_letter(variable, n)(body) for n in range(first, last + 1)]

    def on_Sum(self, e: sp.Sum) -> Any:
        _variable, _low, _high = e.limits[0]
        if self._along(e):  # many terms without an index: all at once
            return self._all(e).sum(-1)
        total: Any = 0
        for term in self.terms(e):
            total = total + term
        return total

    def on_Product(self, e: sp.Product) -> Any:
        if self._along(e):
            return self._all(e).prod(-1)
        total: Any = 1
        for term in self.terms(e):
            total = total * term
        return total

    def _along(self, e: Any) -> bool:
        variable, low, high = e.limits[0]
        return self.time(high) - self.time(low) > 20 and not any(
            variable in one.free_symbols for one in e.function.atoms(nt.Indexed)
        )

    def _all(self, e: Any) -> Array:
        variable, low, high = e.limits[0]
        inner = self.deeper().with_letter(
            variable, np.arange(self.time(low), self.time(high) + 1, dtype=float)
        )
        return np.asarray(inner(e.function))

    def on_Integral(self, e: sp.Integral) -> Any:
        variable, low, high = e.limits[0]
        low, high = self(low), self(high)
        inner = self.deeper()
        ends = np.broadcast_arrays(low, high)
        if np.isinf(ends[0]).all() and np.isinf(ends[1]).all():
            sign = 1.0 if (ends[0] < ends[1]).all() else -1.0
            return sign * (inner.with_letter(variable, LINE)(e.function) * STEP).sum(-1)
        low = np.maximum(ends[0], LINE[0])[..., None]
        high = np.minimum(ends[1], LINE[-1])[..., None]
        pieces = np.linspace(0, 1, 9)  # nine edges: fine enough for bells that are narrow
        total: Any = 0
        for left, right in zip(pieces, pieces[1:]):
            at = low + (high - low) * (left + (right - left) * (QUAD + 1) / 2)
            weights = QUAD_WEIGHTS / 2 * (right - left) * (high - low)
            total = total + (inner.with_letter(variable, at)(e.function) * weights).sum(-1)
        return total

    def on_Limit(self, e: sp.Limit) -> Any:
        """Richardson's way to the limit, from n = 16, 32, ..., 2048."""
        of, variable, to, _ = e.args
        if to is not sp.oo:
            raise NoWorld(f"the limit to {to} is not computed here")
        row = [np.asarray(self.with_letter(variable, 2**k)(of)) for k in range(4, 12)]
        for order in range(1, len(row)):
            row = [late + (late - early) / (2**order - 1) for early, late in zip(row, row[1:])]
        return row[0]
