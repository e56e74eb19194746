"""What a step takes from other claims: it may put a right side for a left one, and has to do so.

``rules`` says what a step may replace by what. ``check_uses`` refuses a claim that rests on itself,
or on what it does not say that it assumes; ``must_be_used`` a citation without which the step would
follow as well. Each takes the claim that cites.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import sympy as sp

from . import algebra
from . import notation as nt
from .printing import latex
from .step import ASSUMED, HYPOTHESIS, ClaimError, Step, follows

# What the algebra knows without being told. A step that cites one of these would be proved without
# it, too; it may, for the reader. The ledger says so in the row of each.
BY_HEART = {
    "marginal.alpha": "the algebra writes every $\\beta_t$ as $1 - \\alpha_t$",
    "marginal.alpha-bar-step": "the algebra writes every $\\bar\\alpha_t$ as "
    "$\\alpha_t \\bar\\alpha_{t-1}$",
    "forward.square": "the algebra multiplies out; the square has to stand in the step",
    "forward.gaussian-integral": "the algebra knows the area under a bell; the area has to stand "
    "in the step",
    "forward.gaussian-sum": "the algebra integrates a product of two bells; their sum has to stand "
    "in the step",
    "reverse.bayes": "the algebra writes the densities of a chain with those of neighbors, and "
    "Bayes' rule is how it divides them",
    "reverse.gaussian-numerator": "both of its sides are plain algebra, equal by multiplying out",
}
# Of some of them, what has to stand in a step that cites them.
LEMMAS: dict[str, Callable[[Any], Any]] = {
    "forward.square": lambda rhs: -rhs.args[0].args[1].base.args[1],  # B/A of A (u - B/A)²
    "forward.gaussian-integral": lambda rhs: rhs,
    "forward.gaussian-sum": lambda rhs: rhs.args[2],
}


# -- putting one thing for another ---------------------------------------------------------------


def applied(rules: Mapping[Any, Any], e: Any) -> Any:
    """The expression with what is known put in: but a condition stays the condition that it was.

    E[x_t | x_t] with another expression for x_t is still the mean given x_t, and q(x_t) the density
    of x_t.
    """
    if e in rules:
        return rules[e]
    if not rules or not getattr(e, "args", ()) or isinstance(e, (nt.Density, nt.Indexed)):
        return e
    if isinstance(e, nt.E):
        of, *rest = e.args
        return type(e)(applied(rules, of), *rest)
    if isinstance(e, (nt.Gradient, nt.Over)):
        return type(e)(applied(rules, e.args[0]), e.args[1])
    args = tuple(applied(rules, a) for a in e.args)
    return e if args == e.args else e.func(*args)


def at_time(e: Any, times: Mapping[Any, Any]) -> Any:
    """The expression with other values for t, T, ...: still as it was written."""
    return _at_time(e, tuple(times.items())) if times else e


@lru_cache(4096, typed=True)  # each change between as written and evaluated empties SymPy's cache
def _at_time(e: Any, times: tuple[tuple[Any, Any], ...]) -> Any:
    with nt.as_written():
        values = {
            name: nt.index(value) if name in (nt.t, nt.T, nt.n) else value for name, value in times
        }
        return _numbers_worked_out(e.xreplace(values))


def _numbers_worked_out(e: Any) -> Any:
    """With 0² and -1·0 as the numbers that they are: SymPy, as written, keeps or drops them by
    chance, by what its cache holds."""
    if not isinstance(e, sp.Basic) or not e.args or isinstance(e, nt.Indexed):
        return e
    args = tuple(map(_numbers_worked_out, e.args))
    if all(isinstance(a, sp.Rational) for a in args):
        one, *rest = (Fraction(a.p, a.q) for a in args)
        if e.is_Add:
            return sp.Rational(sum(rest, one))
        if e.is_Mul:
            return sp.Rational(math.prod(rest, start=one))
        if e.is_Pow and args[1].is_Integer and (one or args[1] > 0):
            return sp.Rational(one ** int(args[1]))
    return e if args == e.args else e.func(*args)


def named(use: Any) -> tuple[Any, Mapping[Any, Any]]:
    """What is cited, and with which values: a name alone is cited as it stands."""
    return (use, {}) if isinstance(use, str) else use


def rules(claim: Any, step: Step, base: bool) -> dict[Any, Any]:
    """What a step of a claim may replace by what, from all that it uses."""
    out: dict[Any, Any] = {}
    noise_at = set()
    for use in step.uses:
        if use == ASSUMED:
            out.update(one for one in claim.assuming if not isinstance(one, str))
            continue
        if use == HYPOTHESIS:
            if base or not claim.base:
                raise ValueError("only the step of an induction may use the claim itself")
            earlier = {claim.over: claim.over - 1}
            out[at_time(claim.lhs, earlier)] = at_time(claim.rhs, earlier)
            continue
        name, times = named(use)
        if isinstance(name, sp.Basic):  # one of the pairs that the claim assumes
            out[name] = times
            continue
        other = claim.registry[name]
        if other.relation != "=":
            raise ValueError(f"{name} is no equality, so it replaces nothing")
        left, right = at_time(other.lhs, times), at_time(other.rhs, times)
        if nt.eps in (other.lhs, *sp.preorder_traversal(other.rhs)) and other.lhs.has(nt.x):
            noise_at |= {left.at} if isinstance(left, nt.x) and left.at != 0 else set()
            if len(noise_at) > 1:
                raise ValueError("the noise of two times is not the same noise")
        out[left] = right
        if isinstance(left, nt.Density) and isinstance(right, nt.Normal):
            # A Gaussian's mean and variance can be read off.
            _, (variable, *more), given = left.args
            if not more:
                out[nt.E(variable, given)] = right.args[1]
                out[nt.Var(variable, given)] = right.args[2]
    return out


# -- what a claim may cite -----------------------------------------------------------------------


def check_uses(claim: Any) -> None:
    """No claim rests on itself, and what a used claim assumes is assumed here too."""

    seen: set[str] = set()

    def below(name: str, above: tuple[str, ...], where: str) -> None:
        if name in above:
            around = " -> ".join([*above[above.index(name) :], name])
            raise ClaimError(f"{where}: a claim cannot rest on itself: {around}.")
        if name not in claim.registry:
            raise ClaimError(f"{where}: {above[-1]} uses {name}, but no claim has this name.")
        if name not in seen:
            for used in claim.registry[name].used:
                below(used, (*above, name), where)
            seen.add(name)

    for step in claim.all_steps:
        for name in claim.names_of(step):
            below(name, (claim.name,), f"{claim.name}: step ({step.reason})")
    for step in claim.all_steps:
        for use in step.uses:
            if use in (ASSUMED, HYPOTHESIS):
                continue
            name, times = named(use)
            if isinstance(name, sp.Basic):
                _must_assume(claim, (name, times), f"step ({step.reason})")
                continue
            for one in claim.registry[name].assuming:
                if not isinstance(one, str):
                    one = tuple(at_time(side, times) for side in one)
                _must_assume(claim, one, f"step ({step.reason}): {name}")


def _must_assume(claim: Any, one: Any, where: str) -> None:
    for own in claim.assuming:
        if isinstance(one, str) or isinstance(own, str):
            if own == one:
                return
        elif own[0] == one[0] and (own[1] == one[1] or algebra.difference(own[1], one[1]) == 0):
            return
    said = one if isinstance(one, str) else f"{latex(one[0])} = {latex(one[1])}"
    raise ClaimError(f"{claim.name}: {where} assumes {said}, and this claim does not say so.")


# -- what is cited has to be used ----------------------------------------------------------------


def must_be_used(claim: Any, step: Step, use: Any, before: Any, base: bool) -> None:
    """What is cited has to be used: without it the step would be about something else."""
    name, times = named(use)
    known = rules(claim, step, base)
    if name in LEMMAS:
        with nt.as_written():
            key = at_time(LEMMAS[name](claim.registry[name].rhs), times)
        if _stands_in(key, step.expr):
            return
        raise ValueError(f"it cites {name}, and {latex(key)} does not stand here")
    others = rules(claim, step._replace(uses=tuple(u for u in step.uses if u != use)), base)
    said = latex(name) if isinstance(name, sp.Basic) else name
    without = [applied(others, side) for side in (before, step.expr)]
    replaced = any(a != applied(known, side) for a, side in zip(without, (before, step.expr)))
    reads = isinstance(use, str) and use in claim.registry
    if not replaced and not (reads and _reads(claim.registry[use].lhs, known)):
        raise ValueError(f"it cites {said}, and nothing here is replaced by it")
    if name not in BY_HEART and _is_proved(step, *without):
        raise ValueError(f"it cites {said}, and follows without it")


def _is_proved(step: Step, before: Any, after: Any) -> bool:
    try:
        return follows(step.by.prove(before, after))
    except Exception:  # no proof, whatever stopped it
        return False


def _stands_in(key: Any, e: Any) -> bool:
    """Whether a part of an expression is, up to algebra and its sign, the one looked for."""
    parts = [a for a in sp.preorder_traversal(e) if a.is_Add or a.is_Mul or a.is_Pow]
    return any(
        algebra.difference(key, sign * part) == 0
        for part in dict.fromkeys(parts)
        for sign in (1, -1)
    )


def _reads(cited: Any, known: Mapping[Any, Any]) -> bool:
    """Whether what is cited takes part in another citation, or gives the moments of a density."""
    if isinstance(cited, nt.Density):
        _, variables, given = cited.args
        return len(variables) == 1 and nt.E(variables[0], given) in known
    return any(isinstance(right, sp.Basic) and right.has(cited) for right in known.values())
