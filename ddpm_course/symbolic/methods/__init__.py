"""How one line of a derivation is shown to follow from the line before it.

A ``Method`` is a rule with its side conditions: it refuses what it cannot decide. Those here are of
algebra and calculus; ``series`` has the rules for sums and products over t, ``means`` those for
expectations and densities. All prove a line for every T, every dimension and every law that the
claim allows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import sympy as sp
from sympy.core.parameters import evaluate

from .. import algebra
from .. import notation as nt
from ..printing import latex

PROOFS = ("algebra", "calculus", "induction")  # what holds for all, not for some cases


class Method(NamedTuple):
    """A way to establish that a step follows from the one before it.

    ``prove(before, after)`` returns what is left between the two sides (0 or True when it follows).
    ``kind`` is what the ledger says. ``relation`` is what is proved between the two, and ``free``,
    of proportional sides, the variables of which they are functions. ``cases`` says, where a step
    was not proved for all, on which cases it stands.
    """

    kind: str
    prove: Callable[[sp.Expr, sp.Expr], Any]
    relation: str = "="
    free: tuple[Any, ...] = ()
    cases: str = ""


def calculus(before: sp.Expr, after: sp.Expr) -> sp.Expr:
    """Carry out the sums, integrals, derivatives and limits on both sides; then algebra."""
    with evaluate(True):
        sides = []
        for e in (before, after):
            sides.append(algebra.unfold(algebra.open_normals(e)).doit())
        left = algebra.difference(*sides)
        if left != 0 and all(side.is_positive for side in sides):
            return algebra.log_difference(*sides)
        return left


def _at_most(before: sp.Expr, after: sp.Expr) -> bool:
    return algebra.nonnegative(sp.Add(after, -before, evaluate=True))


def _below(before: sp.Expr, after: sp.Expr) -> bool:
    return algebra.nonnegative(sp.Add(after, -before, evaluate=True), strict=True)


def _at_least(before: sp.Expr, after: sp.Expr) -> bool:
    return _at_most(after, before)


def _literally(before: sp.Expr, after: sp.Expr) -> sp.Expr:
    """As algebra, but what stands inside an expectation has to be equal, not only its mean."""

    def held(e: sp.Expr) -> sp.Expr:
        if isinstance(e, nt.E):
            return nt.Held(type(e).__name__, *(held(a) for a in e.args))
        return e.func(*map(held, e.args)) if e.args else e

    with evaluate(True):
        return algebra.difference(held(before), held(after))


def _for_any_noise(before: sp.Expr, after: sp.Expr) -> sp.Expr:
    """As algebra, for noise of any mean and deviation: by linearity and independence alone."""

    def general(e: Any) -> Any:
        if isinstance(e, (nt.Noise, nt.NoiseLetter)):
            which = sp.Symbol(latex(e))
            return nt.Held("mean", which) + e * nt.Held("deviation", which)
        return e.func(*map(general, e.args)) if e.args else e

    with evaluate(True):
        return algebra.difference(general(before), general(after))


def _verbatim(before: sp.Expr, after: sp.Expr) -> Any:
    """The two are written alike: for a formula that is put down before its zeros are used."""
    return before == after or sp.Symbol("not what the claim that is used says")


ALGEBRA = Method("algebra", algebra.difference)
VERBATIM = Method("algebra", _verbatim)
SUBSTITUTION = Method("algebra", _literally)  # a claim put in place of a symbol
LINEARITY = Method("algebra", _for_any_noise)  # of means, and of variances of independent terms
LOGARITHMS = Method("algebra", algebra.log_difference)
CALCULUS = Method("calculus", calculus)
AT_MOST = Method("algebra", _at_most, r"\le")
AT_LEAST = Method("algebra", _at_least, r"\ge")
BELOW = Method("algebra", _below, "<")
DEFINITION = Method("definition", lambda before, after: True)


def marginalize(*middle: Any) -> Method:
    """q(A | B) becomes the integral of q(A, middle | B) over ``middle``."""

    def prove(before: nt.Density, after: nt.Over) -> sp.Expr:
        name, variables, given = before.args
        of, by = after.args
        if by not in middle:
            return sp.Symbol(f"an integral over {by}")
        return algebra.difference(nt.Density(name, [*variables, *middle], given), of)

    return Method("algebra", prove)


def proportional(*free: sp.Symbol) -> Method:
    """The step drops or adds factors that do not contain ``free``."""

    def prove(before: sp.Expr, after: sp.Expr) -> sp.Expr:
        with evaluate(True):
            gap = algebra.log_of(algebra.unfold(before)) - algebra.log_of(algebra.unfold(after))
            dummy = {name: sp.Dummy(real=True) for name in free}
            gap = algebra.expand_logs(gap).xreplace(dummy)
            back = {value: name for name, value in dummy.items()}
            slopes = [sp.diff(gap, name).xreplace(back) for name in dummy.values()]
            return next((r for r in (algebra.difference(a, sp.S.Zero) for a in slopes) if r), 0)

    return Method("algebra", prove, r"\propto", free)
