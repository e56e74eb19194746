"""Small errors, made on purpose, in statements of Coq: in what they conclude, not in conditions.

A sign turned, a factor more, an index shifted, another exponent, a root dropped, letters that
courses mix up, the two sides of a difference or a fraction swapped, another relation.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from ddpm_course.symbolic.kernel import Statement
from ddpm_course.symbolic.kernel.script import match
from ddpm_course.symbolic.kernel.term import Function, Index, Term, number, replaced

MIXED_UP = {"alpha": "alpha_bar", "alpha_bar": "alpha", "beta": "alpha"}


def of_statement(statement: Statement) -> list[tuple[str, Statement]]:
    """Every mutant: what was done, and the statement."""
    out = []
    for side in ("right", "left"):
        whole: Term = getattr(statement, side)
        for what, mutant in _mutants(whole):
            changed = {"left": statement.left, "right": statement.right, side: mutant}
            if changed[side] != whole:
                new = statement.changed(changed["left"], statement.relation, changed["right"])
                out.append((f"{side}: {what}", new))
    others = {"=": ("<", ">"), "<": (">", "="), "<=": (">", "<"), ">=": ("<", ">"), ">": ("<", "=")}
    for relation in others[statement.relation]:
        out.append(
            (f"relation {relation}", statement.changed(statement.left, relation, statement.right))
        )
    sides = {"right": statement.right, "left": statement.left}
    for side, whole in sides.items():  # for the short ones
        for what, mutant in (
            ("doubled", Term("*", (number(2), whole))),
            ("negated", Term("neg", (whole,))),
            ("and 1", Term("+", (whole, number(1)))),
            ("halved", Term("/", (whole, number(2)))),
            ("squared", Term("*", (whole, whole))),
            ("less 2", Term("-", (whole, number(2)))),
            ("thrice", Term("*", (number(3), whole))),
            ("and 1/3", Term("+", (whole, Term("/", (number(1), number(3)))))),
            ("less 5", Term("-", (whole, number(5)))),
        ):
            new = {**sides, side: mutant}
            changed = statement.changed(new["left"], statement.relation, new["right"])
            out.append((f"{side}: the whole {what}", changed))
    return out


def twenty(statement: Statement) -> list[tuple[str, Statement]]:
    """Twenty of the mutants, from all over the statement."""
    every = of_statement(statement)
    step = max(1, (len(every) - 18) // 20) if len(every) > 38 else 1
    return every[::step][:20]


def _mutants(term: Term) -> Iterator[tuple[str, Term]]:
    yield from _here(term)
    for n, part in enumerate(term.args):
        if isinstance(part, Term):
            inner = _mutants(part)
        elif isinstance(part, Function):
            inner = ((what, Function(part.name, body)) for what, body in _mutants(part.body))
        else:
            continue
        for what, mutant in inner:
            yield what, Term(term.head, (*term.args[:n], mutant, *term.args[n + 1 :]))


def _here(term: Term) -> Iterator[tuple[str, Term]]:
    head, args = term
    if head in ("+", "-"):
        yield f"sign before {args[1]}", Term("-" if head == "+" else "+", args)
    if head == "-":
        yield f"order of {term}", Term("-", (args[1], args[0]))
    if head == "/":
        yield f"{term} upside down", Term("/", (args[1], args[0]))
    if head == "*":
        yield f"{args[1]} dropped", args[0]
        yield f"{args[0]} dropped", args[1]
    if head == "sqrt":
        yield f"root of {args[0]} dropped", args[0]
    if head == "neg":
        yield f"sign of {args[0]}", args[0]
    if head == "^" and isinstance(args[1], Index):
        yield f"exponent of {args[0]}", Term("^", (args[0], Index(args[1].at + 1)))
    if head == "number" and args[0]:
        yield f"{args[0]} + 1", number(args[0] + 1)
        return
    if head in MIXED_UP:
        yield f"{term} taken for {MIXED_UP[head]}", Term(MIXED_UP[head], args)
        yield f"root of {term} added", Term("sqrt", (term,))
    for n, part in enumerate(args):
        if isinstance(part, Index) and head != "^":
            later = Index(sp.expand(part.at + 1))
            yield f"{term} shifted by 1", Term(head, (*args[:n], later, *args[n + 1 :]))
    if head in ("alpha", "alpha_bar", "beta", "sqrt", "exp", "ln", "normal", "norm2", "variance"):
        yield f"{term} doubled", Term("*", (number(2), term))


# -- what a term is worth, in a world where every letter has a value -------------------------------


POINTS = 24


class Point(NamedTuple):
    """One of the points that a mean runs over: all that is random has a value there."""

    number: int


class World:
    """Values for all letters: the schedule is one, everything else depends on its name alone.

    A letter that is a function has a value for every argument; a mean is one over a few points, an
    integral one over five places. So what holds for all letters holds here. The letters ``noise``
    have, over the points of a mean, the mean 0, the variance 1, and no correlation with any other.
    """

    def __init__(self, seed: int, noise: frozenset[str] = frozenset()) -> None:
        self.seed, self.noise = seed, noise
        raw = np.random.default_rng(seed).standard_normal((POINTS, POINTS))
        raw[:, 0] = 1
        self.columns = np.linalg.qr(raw)[0] * math.sqrt(POINTS)  # the first one is constant
        self.places: dict[tuple[object, ...], int] = {}  # a column for each random letter
        self.times = {"t": 5, "T": 9, "n": 6, "s": 3, "r": 7, "d": 3, "i": 2, "k": 4}

    def number(self, *key: object) -> float:
        digest = hashlib.sha256(repr((self.seed, key)).encode()).digest()
        return 0.1 + 0.8 * int.from_bytes(digest[:6], "big") / 2**48

    def at_point(self, head: str, index: tuple[object, ...], point: int) -> float:
        """A random letter at a point of a mean: noise is a column, another letter a mean and two
        columns, of which one belongs to all others, too."""
        place = self.places.setdefault((head, *index), len(self.places) + 2)
        own = float(self.columns[point, place])
        if head in self.noise:
            return own
        mean, spread = self.number(head, "mean", *index), self.number(head, "spread", *index)
        return mean + spread * own + float(self.columns[point, 1]) / 2

    def index(self, at: Index, bound: dict[str, Any]) -> int:
        values = {s: bound.get(str(s), self.times.get(str(s))) for s in at.at.free_symbols}
        return int(at.at.subs(values))

    def beta(self, at: int) -> float:
        return self.number("beta", at) / 2

    def __call__(self, term: Any, bound: dict[str, Any] | None = None) -> Any:
        """The value of a term; of a function under a binder, a Python function."""
        bound = bound or {}
        if isinstance(term, Index):
            return self.index(term, bound)
        if isinstance(term, Function):
            return lambda value: self(term.body, {**bound, term.name: value})
        head, args = term
        if head in ("Sum", "Prod"):
            low, high, body = (self(a, bound) for a in args)
            join = sum if head == "Sum" else math.prod
            return join(body(k) for k in range(low, high + 1))
        if head == "norm2":
            size, body = (self(a, bound) for a in args)
            return sum(body(k) ** 2 for k in range(1, size + 1))
        if head in ("alpha", "alpha_bar", "beta"):
            at = self(args[0], bound)
            if head == "alpha_bar":
                return math.prod(1 - self.beta(j) for j in range(1, at + 1))
            return 1 - self.beta(at) if head == "alpha" else self.beta(at)
        if head in bound and not args:
            return bound[head]
        if head == "number":
            return args[0]
        if head == "variance":
            mean = lambda body: self._over_points(args[0].head, body)  # noqa: E731 # short
            body = self(args[1], bound)
            return mean(lambda w: body(w) ** 2) - mean(body) ** 2
        values = [self(a, bound) for a in args]
        if values and isinstance(values[-1], Point):
            return self.at_point(head, tuple(map(_key, values[:-1])), values[-1].number)
        if head in ARITHMETIC:
            return ARITHMETIC[head](*values)
        if len(args) == 1 and isinstance(args[0], Function):
            return self._over_points(head, values[0])
        return self.number(head, *(_key(v) for v in values))

    def _over_points(self, name: str, body: Any) -> float:
        if name.split("_")[0] == "E":
            return sum(body(Point(n)) for n in range(POINTS)) / POINTS
        points = [self.number(name, "point", j) for j in range(5)]
        shares = [self.number(name, "share", j) for j in range(5)]
        return sum(w * body(p) for w, p in zip(shares, points, strict=True)) / sum(shares)


def _key(value: Any) -> object:
    """A value as part of the name of another one: a function by its values."""
    if callable(value):
        return tuple(round(value(j), 12) for j in (1, 2, 3))
    return round(value, 12)


ARITHMETIC: dict[str, Callable[..., float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "neg": lambda a: -a,
    "inv": lambda a: 1 / a,
    "^": lambda a, b: a**b,
    "sqrt": math.sqrt,
    "ln": math.log,
    "exp": math.exp,
    "INR": float,
    "PI": lambda: math.pi,
    "normal": lambda x, m, v: math.exp(-((x - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v),
}


def is_true(original: Statement, mutant: Statement) -> bool:
    """Whether a mutant says the same as the statement, by its values in twenty worlds."""
    if mutant.relation != original.relation:
        return False
    noise = frozenset(_noise(original))
    try:
        for seed in range(20):
            world = World(seed, noise)
            names = {name: world.number(name) for name in original.bound}
            for side in ("left", "right"):
                a, b = (
                    world(_rewritten(one, getattr(one, side)), names) for one in (original, mutant)
                )
                if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12):
                    return False
    except (ValueError, ZeroDivisionError, OverflowError):
        return False
    return True


def _noise(statement: Statement) -> Iterator[str]:
    """The letters of which a condition says that their mean square is 1."""
    for condition in statement.hypotheses:
        _, left, right = condition.rule or ((), None, None)
        if right == number(1) and left.args and isinstance(left.args[0], Function):
            square = left.args[0].body
            if square.head == "*" and square.args[0] == square.args[1]:
                yield square.args[0].head


def _rewritten(statement: Statement, term: Term) -> Term:
    """With what is cited put in."""
    for rule in statement.hypotheses:
        if rule.rule is not None:
            term = replaced(term, partial(match, rule))
    return term
