"""Markov chains with few states, where every probability is a fraction and every sum is finite.

Statements about distributions that hold for any Markov chain are checked on them, exactly:
densities become shares, expectations become sums over all paths. This is independent of the rules
by which ``algebra`` unfolds densities.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import product
from typing import Any, NamedTuple

import sympy as sp
from sympy.core.parameters import evaluate

from . import notation as nt


class Ladder(NamedTuple):
    """A chain x_0, x_1, ... and a model of it that runs backwards, on ``states`` values."""

    states: int

    def start(self, a: int) -> sp.Rational:
        """The share of data with value a."""
        return sp.Rational(a + 1, sum(range(1, self.states + 1)))

    def forward(self, at: int, a: int, b: int) -> sp.Rational:
        """q(x_at = b | x_{at-1} = a)."""
        weights = [
            2 + (at * (c + 1) + 3 * a * c) % 5 + (4 if c == a else 0) for c in range(self.states)
        ]
        return sp.Rational(weights[b], sum(weights))

    def prior(self, a: int) -> sp.Rational:
        """p(x_T = a)."""
        return sp.Rational(2 * a + 3, sum(2 * c + 3 for c in range(self.states)))

    def backward(self, at: int, b: int, a: int) -> sp.Rational:
        """p_theta(x_{at-1} = a | x_at = b)."""
        weights = [
            1 + (2 * at + b + 2 * b * c + c) % 4 + (3 if c == b else 0) for c in range(self.states)
        ]
        return sp.Rational(weights[a], sum(weights))

    def share(self, name: str, path: dict[int, int], last: int) -> sp.Rational:
        """The probability of the given values, summed over those that are not given."""
        return self._share(name, tuple(sorted(path.items())), last)

    @lru_cache(4096)  # noqa: B019 # a ladder is its number of states: no object is kept alive
    def _share(self, name: str, path: tuple[tuple[int, int], ...], last: int) -> sp.Rational:
        free = [at for at in range(last + 1) if at not in dict(path)]
        total = sp.S.Zero
        for values in product(range(self.states), repeat=len(free)):
            full = {**dict(path), **dict(zip(free, values))}
            if name == "q":
                value = self.start(full[0])
                for at in range(1, last + 1):
                    value *= self.forward(at, full[at - 1], full[at])
            else:
                value = self.prior(full[last])
                for at in range(1, last + 1):
                    value *= self.backward(at, full[at], full[at - 1])
            total += value
        return total


LADDER = Ladder(2)


def _states(entries: Any) -> list[int]:
    out: list[int] = []
    for entry in entries:
        if isinstance(entry, nt.States):
            out += range(int(entry.args[0]), int(entry.args[1]) + 1)
        elif isinstance(entry, nt.x):
            out.append(int(entry.at))
        else:
            raise ValueError(f"{entry} is not a state")
    return out


def on_ladder(e: Any, path: Sequence[int], last: int, ladder: Ladder = LADDER) -> Any:
    """The value of an expression on a ``path`` x_0, x_1, ..., for T = ``last``."""
    with evaluate(True):
        return _value(e.xreplace({nt.T: sp.Integer(last)}), dict(enumerate(path)), last, ladder)


def _value(e: Any, path: dict[int, int], last: int, ladder: Ladder) -> Any:
    def value(part: Any, at: dict[int, int] = path) -> Any:
        return _value(part, at, last, ladder)

    if isinstance(e, nt.Density):
        name, variables, given = e.args
        if name.name == "p":
            return ladder.prior(path[_states(variables)[0]])
        behind = _states(given)
        both = {at: path[at] for at in [*_states(variables), *behind]}
        top = ladder.share(name.name, both, last)
        return top / ladder.share(name.name, {at: path[at] for at in behind}, last)
    if isinstance(e, nt.E):  # over q, given x_0
        if e.args[2].name != "q" or e.args[1] or isinstance(e, nt.Var):
            raise ValueError(f"{e} is not a mean over q")
        total = sp.S.Zero
        for rest in product(range(ladder.states), repeat=last):
            full = {0: path[0], **dict(enumerate(rest, 1))}
            share = ladder.share("q", full, last) / ladder.share("q", {0: path[0]}, last)
            total += share * value(e.args[0], full)
        return total
    if isinstance(e, nt.KL):
        first, second = e.args
        (at,) = _states(first.args[1])
        total = sp.S.Zero
        for a in range(ladder.states):
            here = {**path, at: a}
            share = value(first, here)
            total += share * sp.log(share / value(second, here))
        return total
    if isinstance(e, (sp.Sum, sp.Product)):
        (variable, low, high), body = e.limits[0], e.function
        terms = [
            value(body.xreplace({variable: sp.Integer(j)}))
            for j in range(int(nt.index(low)), int(nt.index(high)) + 1)
        ]
        return (sp.Add if isinstance(e, sp.Sum) else sp.Mul)(*terms)
    if not e.args:
        return e
    return e.func(*(value(part) for part in e.args))


def same_on_ladder(a: Any, b: Any, lasts: Sequence[int], tolerance: float = 1e-25) -> Any:
    """0 when two expressions agree for every path of every length; else how far they are apart."""
    for last in lasts:
        for start in product(range(LADDER.states), repeat=last + 1):
            gap = sp.N(on_ladder(a, start, last) - on_ladder(b, start, last), 30)
            if abs(gap) > tolerance:
                return gap
    return 0
