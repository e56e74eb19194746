"""What is trained, and the last step, from x_1 to the pixels."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from ..algebra import bell, difference
from ..claim import ASSUMED, Check, Claim, Step
from ..methods import ALGEBRA, DEFINITION, Method
from ..notation import (
    E,
    Edge,
    Norm2,
    Normal,
    as_written,
    eps,
    eps_theta,
    k,
    mu_theta,
    p_theta,
    sigma,
    t,
    x,
)
from ..printing import latex
from .letters import network, x_t_made, y

simple = sp.Symbol(r"L_{\mathrm{simple}}")
lower, upper = sp.Symbol(r"\delta_-(x_0)", real=True), sp.Symbol(r"\delta_+(x_0)", real=True)
levels = sp.Symbol("K", integer=True, positive=True)


# -- proofs of their own ---------------------------------------------------------------------------


def _cells(before: sp.Expr, after: sp.Expr) -> Any:
    """Cells side by side make one interval, however many: by induction over their number K.

    With any antiderivative F an integral is F at its end less F at its start.
    """
    primitive = sp.Function("F")
    with evaluate(True):
        (integral,) = before.function.atoms(sp.Integral)
        same = difference(integral.function, after.function)
        if before.function not in (integral, sp.Mul(1, integral, evaluate=False)) or same != 0:
            return after.function

        def area(e: Any) -> Any:
            _, low, high = e.limits[0]
            return primitive(high) - primitive(low)

        variable, low, high = before.limits[0]
        terms, whole = area(integral), area(after)
        first = terms.xreplace({variable: low}) - whole.xreplace({levels: sp.S.One})
        added = terms.xreplace({variable: high.xreplace({levels: levels + 1})})
        more = whole.xreplace({levels: levels + 1}) - whole
        if high.xreplace({levels: sp.S.One}) != low:
            return high
        return sp.expand(first) or sp.expand(added - more)


def _total_mass(before: Any, after: Any) -> Any:
    """The integral of a Gaussian over the line, with plain symbols for its mean and deviation."""
    from ..methods import calculus

    center, size = sp.Symbol("c", real=True), sp.Symbol("s", positive=True)
    plain = {mu_theta(x(1), 1): center, sigma(1): size}
    return calculus(before.xreplace(plain), after)


# -- checks ----------------------------------------------------------------------------------------


def _drawn(claim: Claim) -> Any:
    """The subscript names what the expression is made of: the time, the data and the noise."""
    of, _, over, _ = claim.rhs.args
    for step in claim.steps:
        if step.expr.args[2] != over:
            return step.expr.args[2]
    letters = {latex(a) for a in (t, x(0), eps) if of.has(a)}
    return sorted(letters) == sorted(over.name.split(", ")) or over


def _decoder_is_mass(claim: Claim) -> Any:
    """What is integrated is a density, with the mean and the variance of the model."""
    with evaluate(True):
        variable, low, high = claim.rhs.limits[0]
        area, mean, var = bell(claim.rhs.function.doit(), variable)
        return (
            difference(area, sp.S.Zero)
            or difference(mean, mu_theta(x(1), 1))
            or difference(var, sigma(1) ** 2)
            or (0 if (low, high) == (lower, upper) else sp.Symbol("edges"))
        )


with as_written():
    cell = Normal(y, mu_theta(x(1), 1), sigma(1) ** 2, False)

    CLAIMS = [
        Claim(
            "loss.simple",
            simple,
            (
                Step(
                    E(Norm2(eps - network), over="t, x_0, \\epsilon"),
                    "the error of the noise, with weight 1 for every $t$",
                    DEFINITION,
                ),
                Step(
                    E(Norm2(eps - eps_theta(x_t_made, t)), over="t, x_0, \\epsilon"),
                    "$x_t$ in one jump",
                    ALGEBRA,
                    ("marginal.sample",),
                ),
            ),
            checks=(Check("the mean runs over all that is drawn", lambda claim: _drawn(claim)),),
        ),
        Claim(
            "loss.decoder",
            p_theta(x(0), x(1)),
            (
                Step(
                    sp.Integral(cell, (y, lower, upper)),
                    "the mass of the Gaussian in the cell around $x_0$",
                    DEFINITION,
                ),
            ),
            checks=(Check("a cell that is the whole line has mass 1", _decoder_is_mass),),
        ),
        Claim(
            "loss.decoder-sum",
            sp.Sum(sp.Integral(cell, (y, Edge(k), Edge(k + 1))), (k, 0, levels - 1)),
            (
                Step(
                    sp.Integral(cell, (y, Edge(0), Edge(levels))),
                    "the cells lie side by side",
                    Method("induction", _cells),
                ),
                Step(
                    sp.Integral(cell, (y, -sp.oo, sp.oo)),
                    "the outermost cells reach to infinity",
                    ALGEBRA,
                    (ASSUMED,),
                ),
                Step(
                    sp.S.One,
                    "a density",
                    Method("calculus", lambda before, after: _total_mass(before, after)),
                ),
            ),
            assuming=((Edge(0), -sp.oo), (Edge(levels), sp.oo)),
        ),
    ]
