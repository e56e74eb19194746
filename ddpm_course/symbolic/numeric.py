"""Our expressions as float64 numbers, so that they can be laid beside what torch computes.

This is a second way to compute everything, and a slow one: it reads the expression as it stands and
never the torch code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath  # type: ignore[import-untyped]
import numpy as np
import sympy as sp
from scipy.special import ndtr

from . import notation as nt

Array = np.ndarray
FUNCTIONS: dict[type, Callable[..., Array]] = {
    sp.exp: np.exp,
    sp.log: np.log,
    sp.cos: np.cos,
    sp.sin: np.sin,
    sp.Min: np.minimum,
    sp.Abs: np.abs,
}


class Values:
    """What the symbols stand for.

    Args:
        beta: (T+1,) the schedule, with beta[0] = 0.
        t: (N,) the times at which to evaluate.
        given: for a symbol, or a term such as x(0) or eps_theta(x(t), t), a number or an array of
            shape (N, d); for a class such as ``sigma``, an array of shape (T+1,).
        rules: for a class such as ``alpha_bar``, its time and its definition.
    """

    def __init__(
        self,
        beta: Array,
        t: Array,
        given: Mapping[Any, Any],
        rules: Mapping[type, tuple[sp.Expr, sp.Expr]],
    ) -> None:
        self.beta = np.asarray(beta, dtype=np.float64)
        self.t = np.asarray(t).reshape(-1, 1)
        self.given = dict(given)
        self.rules = rules

    def at(self, **bound: Any) -> Values:
        """The same, at other times."""
        return Values(self.beta, bound["t"], self.given, self.rules)

    def with_symbol(self, symbol: sp.Symbol, value: Any) -> Values:
        return Values(self.beta, self.t, {**self.given, symbol: value}, self.rules)

    def __call__(self, e: Any) -> Any:
        if e in self.given:
            return np.asarray(self.given[e], dtype=np.float64)
        if e == nt.t:
            return self.t
        if e == nt.T:
            return len(self.beta) - 1
        if e.is_Rational:
            return float(e) if e.q != 1 else int(e)
        if e.is_NumberSymbol:
            return float(e)
        if isinstance(e, nt.Indexed):
            return self._table(e)
        if isinstance(e, nt.Normal):
            return self(e.args[1]), self(e.args[2])
        if isinstance(e, nt.Norm2):
            return (self(e.args[0]) ** 2).sum(-1, keepdims=True)
        if isinstance(e, nt.Grouped) or type(e) is nt.E:  # of an expectation, one draw
            return self(e.args[0])
        if isinstance(e, nt.Trace):
            return self(e.args[0])  # of one component
        if isinstance(e, sp.Integral):
            return self._mass(e)
        if e.has(sp.gamma):
            return self._precisely(e)
        if type(e) in self.rules and e not in self.given:
            left, right = self.rules[type(e)]
            return self(right.xreplace(dict(zip(left.args, e.args))))
        if isinstance(e, (sp.Sum, sp.Product)):
            return self._series(e)
        if isinstance(e, sp.log) and e.args[0].is_Add and sp.S.One in e.args[0].args:
            rest = [a for a in e.args[0].args if a != 1]
            return np.log1p(sum(self(a) for a in rest))  # log(1 - a) keeps its digits for small a
        args = [self(a) for a in e.args]
        if e.is_Add:
            return sum(args)
        if e.is_Mul:
            return _multiply(args)
        if e.is_Pow:
            return np.sqrt(args[0]) if e.exp == sp.S.Half else np.power(args[0] * 1.0, args[1])
        if type(e) in FUNCTIONS:
            return FUNCTIONS[type(e)](*args)
        raise ValueError(f"{e} has no value: give one for it")

    def _table(self, e: nt.Indexed) -> Array:
        """A member of a sequence, at each of the times."""
        if isinstance(e, nt.beta) and nt.beta not in self.given:
            table = self.beta
        elif type(e) in self.given:
            table = np.asarray(self.given[type(e)], dtype=np.float64)
        elif type(e) in self.rules:
            left, right = self.rules[type(e)]
            return self.at(t=np.asarray(self(e.at), dtype=int) + 0 * self.t)(
                right.xreplace({left.at: nt.t}) if left.at != nt.t else right
            )
        else:
            raise ValueError(f"{e} has no value: give one for it")
        at = np.asarray(self(e.at), dtype=int)
        if at.ndim == 0:
            return table[at]
        rows = table[at.ravel()]
        return rows if table.ndim > 1 else rows.reshape(at.shape)

    def _mass(self, e: sp.Integral) -> Array:
        """The mass that a Gaussian puts between two edges."""
        (_, low, high), density = e.limits[0], next(iter(e.atoms(nt.Normal)))
        mean, var = self(density.args[1]), self(density.args[2])
        lower, upper = ((self(edge) - mean) / np.sqrt(var) for edge in (low, high))
        right = lower > 0  # far in the upper tail both are 1: use the symmetry
        lower, upper = np.where(right, -upper, lower), np.where(right, -lower, upper)
        return ndtr(upper) - ndtr(lower)

    def _precisely(self, e: sp.Expr) -> Array:
        """Gamma functions of large numbers cancel: 50 digits, one time after another."""
        names = sorted(e.free_symbols - {nt.t, nt.T}, key=str)
        known = {name: sp.Float(float(self(name)), 50) for name in names}
        known[nt.T] = sp.Integer(len(self.beta) - 1)
        logs = sp.expand_log(sp.log(e.xreplace(known)), force=True)
        logs = logs.replace(sp.gamma, lambda a: sp.exp(sp.loggamma(a)))
        exact = sp.lambdify(nt.t, sp.expand_log(logs, force=True), "mpmath")
        with mpmath.workdps(50):
            return np.array([[float(mpmath.exp(exact(int(step))))] for step in self.t.ravel()])

    def _series(self, e: sp.Expr) -> Array:
        """A sum or product up to a limit, for each time."""
        (variable, low, high), body = e.limits[0], e.function
        low, high = int(self(low)), np.asarray(self(high), dtype=int) + 0 * self.t
        add = isinstance(e, sp.Sum)

        def terms(values: Values, last: int) -> Array:
            steps = np.arange(low, last + 1)
            inside = values.with_symbol(variable, steps.reshape(-1, 1))
            inside.t = steps.reshape(-1, 1) if values is self else inside.t
            return np.asarray(inside(body) + 0.0 * steps.reshape(-1, 1))

        if body.has(nt.t) or body.has(
            nt.n
        ):  # the terms depend on the limit: one time after another
            rows = []
            for row, last in enumerate(high.ravel()):
                one = self.at(t=self.t[row])
                value = terms(one, int(last))
                rows.append(value.sum(0) if add else value.prod(0))
            return np.stack(rows)
        table = terms(self, int(high.max()))
        table = np.cumsum(table, 0) if add else np.cumprod(table, 0)
        table = np.concatenate([np.full_like(table[:1], 0.0 if add else 1.0), table])
        return table[(high - low + 1).ravel()]


def _multiply(args: list[Any]) -> Any:
    out: Any = 1
    for a in args:
        out = out * a
    return out
