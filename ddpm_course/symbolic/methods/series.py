"""Rules for sums and products over t, k or i: proved for every length."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .. import algebra
from .. import notation as nt
from . import Method

WRITTEN_OUT = 4  # lengths at which the base of an induction is seen, term by term


def logs_as_sums(e: Any) -> Any:
    """log of a product over t as the sum of the logs, wherever one stands."""
    if not isinstance(e, sp.Basic) or not e.args or isinstance(e, (nt.Indexed, nt.Density)):
        return e
    if not isinstance(e, sp.log):
        return e.func(*map(logs_as_sums, e.args))
    (of,) = e.args
    if isinstance(of, sp.Product):
        return sp.Sum(logs_as_sums(sp.log(of.function)), *of.limits)
    if of.is_Mul:
        return sp.Add(*(logs_as_sums(sp.log(factor)) for factor in of.args))
    if of.is_Pow:
        return of.exp * logs_as_sums(sp.log(of.base))
    return e


def inside(before: Any, after: Any) -> tuple[Any, Any]:
    """What two equal means average: for each path the two have to agree, not only their means.

    Over q a divergence is the mean of a log-ratio (the tower property).
    """
    if not isinstance(before, nt.E) and not isinstance(after, nt.E):
        return before, after
    if type(before) is not nt.E or type(after) is not nt.E or before.args[1:] != after.args[1:]:
        raise algebra.Undecided("the two means are not over the same law")
    sides = before.args[0], after.args[0]
    if before.args[2].name != "q":
        return sides
    one, two = (algebra.averaged_out(side) for side in sides)
    return one, two


def by_induction(over: Any, first: int = 1) -> Method:
    """Equal for every length from ``first`` on: at the start, and from each length to the next.

    The start is seen for a few lengths, so that in the step all times lie apart.
    """

    def prove(before: Any, after: Any) -> Any:
        with evaluate(True):
            one, two = inside(before, after)
            gap = logs_as_sums(one) - logs_as_sums(two)
            for length in range(first, first + WRITTEN_OUT):
                left = algebra.difference(gap.xreplace({over: sp.Integer(length)}), sp.S.Zero)
                if left != 0:
                    return left
            return algebra.difference(gap.xreplace({over: over + 1}), gap)

    return Method("induction", prove)


def term_by_term(before: Any, after: Any) -> Any:
    """Two sums over the same places are equal where their terms are, whatever their number."""
    with evaluate(True):
        one, two = (side if isinstance(side, sp.Sum) else None for side in (before, after))
        if one is None or two is None or one.limits != two.limits:
            return sp.Symbol("not two sums over the same places")
        gap = algebra.difference(one.function, two.function)
        return gap and sp.expand(sp.expand_trig(sp.expand(one.function - two.function)))


TERM_BY_TERM = Method("algebra", term_by_term)
