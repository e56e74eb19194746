"""What a statement of Coq is worth in a world where every letter has a value.

Nothing of it comes from Coq or from the proofs: so it says which variants of a statement are false,
and a false one must not be proved.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from functools import cache, cached_property, partial
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from ddpm_course.symbolic.kernel import Statement
from ddpm_course.symbolic.kernel.script import _at, match
from ddpm_course.symbolic.kernel.statement import Hypothesis
from ddpm_course.symbolic.kernel.term import Function, Index, Term, replaced, walk

WORLDS = 20
POINTS = 32
# An integral is a sum over these, dense near 0 and far out: narrow and wide bells have their area.
LINE = np.sinh(np.arange(-7, 7, 0.001))
WIDTHS = 0.001 * np.hypot(1, LINE)
TIMES = {"t": 5, "T": 9, "n": 6, "s": 3, "r": 7, "d": 3, "i": 2, "k": 4}


class Undefined(ValueError):
    """A root or a logarithm of what is negative, or a division by 0: nothing to compare."""


class Points(NamedTuple):
    """The points that a mean runs over: all that is random is an array, a value for each."""

    mean: str


class World:
    """Values for all letters of a statement, by their names: so what holds for all holds here.

    The schedule is one, a letter that is a function has a value for every argument, a mean is one
    over a few points. There no two random letters are correlated, but for those without a law: a
    law is a mean and a variance that conditions give a letter. The letters ``positive`` are so.
    """

    def __init__(self, seed: int, positive: frozenset[str] = frozenset()) -> None:
        self.seed, self.positive = seed, positive
        self.laws: dict[tuple[object, ...], dict[str, float]] = {}
        raw = np.random.default_rng(seed).standard_normal((POINTS, POINTS))
        raw[:, 0] = 1
        self.columns = np.linalg.qr(raw)[0] * math.sqrt(POINTS)  # the first one is constant
        self.places: dict[tuple[object, ...], int] = {}  # a column for each random letter

    def share(self, *key: object) -> float:
        """A number between 0 and 1 that this key has in this world."""
        digest = hashlib.sha256(repr((self.seed, key)).encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48

    def letter(self, head: str, *args: Any) -> Any:
        """The value of a letter, where it is a function at its arguments: numbers or arrays."""
        args = tuple(_values(a) if callable(a) else a for a in args)
        numbers = [a for a in args if isinstance(a, (float, np.ndarray))]
        share: Any = self.share(head, len(args), *(a for a in args if isinstance(a, (int, tuple))))
        for a in numbers:
            share = 57 * np.sin(3.1 * a + 78.2 * share) % 1
        size = 0.1 + 0.8 * (2 * share % 1)
        return size if head in self.positive else np.where(share < 0.5, size, -size)[()]

    def random(self, mean: str, head: str, *index: int) -> np.ndarray:
        """A random letter: with a law its own column, scaled; else another one, too, that belongs
        to all."""
        place = self.places.setdefault((head, *index), len(self.places) + 2)
        own, common = self.columns[:, place], self.columns[:, 1]
        law = self.laws.get((mean, head, *index), {})
        center = law.get("mean", 2 * self.share(head, "mean", *index) - 1)
        if "variance" in law:
            return center + math.sqrt(law["variance"]) * own
        return center + (0.1 + self.share(head, "spread", *index)) * own + common / 2

    def beta(self, at: int) -> float:
        return 0.05 + 0.4 * self.share("beta", at)

    def __call__(self, term: Any, bound: dict[str, Any] | None = None) -> Any:
        """The value of a term; of a function under a binder, a Python function.

        Raises:
            Undefined: it has none.
        """
        bound = bound or {}
        if isinstance(term, Index):
            names = {**TIMES, **bound}
            return _index(term.at, *((s, names[str(s)]) for s in term.at.free_symbols))
        if isinstance(term, Function):
            return lambda value: self(term.body, {**bound, term.name: value})
        head, args = term
        if head in bound and not args:
            return bound[head]
        if head == "number":
            return float(args[0])
        values = [self(a, bound) for a in args if not (head == "variance" and a is args[0])]
        if head in WRITTEN:
            with np.errstate(all="ignore"):
                out = WRITTEN[head](*values)
            if not callable(out) and not np.all(np.isfinite(out)):
                raise Undefined(f"{term} has no value")
            return out
        if head in ("alpha", "alpha_bar", "beta"):
            if head == "alpha_bar":
                return math.prod(1 - self.beta(j) for j in range(1, values[0] + 1))
            return self.beta(values[0]) if head == "beta" else 1 - self.beta(values[0])
        if head == "variance":
            name, body = args[0].head, values[0]
            return float(np.var(body(Points(name))))
        if head.split("_")[0] == "E":
            return float(np.mean(values[0](Points(head))))
        if head == "Int":
            return float(np.sum(values[0](LINE) * WIDTHS))
        if values and isinstance(values[-1], Points):
            return self.random(values[-1].mean, head, *values[:-1])
        return self.letter(head, *values)


@cache
def _index(at: sp.Expr, *values: tuple[sp.Symbol, int]) -> int:
    return int(at.subs(dict(values)))


def _values(body: Callable[[int], float]) -> tuple[float, ...]:
    """A vector, as part of the name of another value."""
    return tuple(round(float(body(j)), 10) for j in range(1, TIMES["d"] + 1))


def _series(join: Callable[[Iterator[float]], float]) -> Callable[..., float]:
    return lambda low, high, body: join(body(k) for k in range(low, high + 1))


WRITTEN: dict[str, Callable[..., Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: np.divide(a, np.where(np.abs(b) < 1e-12, np.nan, b)),
    "neg": lambda a: -a,
    "inv": lambda a: 1 / np.where(np.abs(a) < 1e-12, np.nan, a),
    "^": lambda a, b: a**b,
    "sqrt": np.sqrt,
    "ln": np.log,
    "exp": np.exp,
    "INR": float,
    "PI": lambda: math.pi,
    "normal": lambda x, m, v: np.exp(-((x - m) ** 2) / (2 * v)) / np.sqrt(2 * math.pi * v),
    "Sum": _series(sum),
    "Prod": _series(math.prod),
    "norm2": lambda d, body: sum(body(k) ** 2 for k in range(1, d + 1)),
    "": lambda body: body,
}


class Judge:
    """Says of variants of a statement that they are false, where they are."""

    def __init__(self, statement: Statement) -> None:
        self.rules = list(statement.hypotheses)
        if statement.over:  # it holds at all times: there its left side has the value of its right
            step = statement.facts["step"]
            rule = (statement.over,), step.left, step.right
            self.rules.append(Hypothesis("itself", "", rule))
        self.statement = statement

    @cached_property
    def worlds(self) -> list[World]:
        """Those that meet the conditions of the statement."""
        positive = frozenset(h.sign[1].head for h in self.rules if h.sign and h.sign[0] != "<>")
        worlds = [World(seed, positive) for seed in range(WORLDS)]
        return [world for world in worlds if self._meets(world)]

    def _meets(self, world: World) -> bool:
        try:
            for mean, letter, kind, value in self._laws():
                key = mean, letter.head, *(world(a) for a in letter.args[:-1])
                law = world.laws.setdefault(key, {})
                law[kind] = world(self.rewritten(value))
                if kind == "square":
                    law["variance"] = law[kind] - law.setdefault("mean", 0.0) ** 2
                if law.get("variance", 0) < 0:
                    return False
            for sign, term in (h.sign for h in self.rules if h.sign):
                value = world(self.rewritten(term), {f"y{n}'": 0.3 + n for n in range(9)})
                if not {"<": value > 0, "<=": value >= 0, "<>": value != 0}[sign]:
                    return False
        except Undefined:
            return False
        return True

    def _laws(self) -> Iterator[tuple[str, Term, str, Term]]:
        """What the conditions say of the mean, the mean square and the variance of a letter."""
        for condition in self.rules:
            _, left, right = condition.rule or ((), Term(""), Term(""))
            if left.head.split("_")[0] not in ("E", "variance"):
                continue
            kind, mean = "mean", left.head
            if left.head == "variance":
                kind, mean = "variance", left.args[0].head
            point, body = Term(left.args[-1].name), left.args[-1].body
            if body.head == "*" and body.args[0] == body.args[1]:
                kind, body = "square", body.args[0]
            if body.args and body.args[-1] == point:
                yield mean, body, kind, right

    def rewritten(self, term: Term) -> Term:
        """With what is cited put in."""
        for rule in self.rules:
            if rule.rule is not None:
                change = _later if rule.name == "itself" else match
                term = replaced(term, partial(change, rule))
        return term

    def truths(self, variant: Statement) -> Iterator[bool]:
        """Whether a variant is true, in each world where it has a value."""
        sides = [self.rewritten(side) for side in (variant.left, variant.right)]
        for world in self.worlds:
            names = {name: 0.1 + world.share(name) for name in variant.bound}
            try:
                a, b = (float(world(side, names)) for side in sides)
            except Undefined:
                continue
            near = 1e-9 * (1 + abs(a) + abs(b))  # how far rounding may be off
            gap = a - b if variant.relation in ("<", "<=") else b - a
            if variant.relation == "=":
                yield abs(gap) < near
            else:
                yield gap < (-near if variant.relation in ("<", ">") else near)

    def is_false(self, variant: Statement) -> bool:
        """Whether there is a world in which a variant is false."""
        return not all(self.truths(variant))


def _later(rule: Hypothesis, term: Term) -> Term | None:
    """As ``match``, for an equation that holds at every time."""
    assert rule.rule is not None
    (over,), left, right = rule.rule
    name = next(s for p in walk(left) if isinstance(p, Index) for s in p.at.free_symbols)
    for pattern, found in zip(walk(left), walk(term), strict=False):
        if isinstance(pattern, Index) and isinstance(found, Index):
            at = Index(sp.expand(found.at - pattern.at + name))
            return _at(Function(over, right), at) if _at(Function(over, left), at) == term else None
    return None
