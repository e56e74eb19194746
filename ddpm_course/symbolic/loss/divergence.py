"""The divergence of two distributions, and of two Gaussians."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from ..algebra import difference
from ..claim import Check, Claim, Step
from ..methods import DEFINITION, Method
from ..notation import (
    KL,
    Density,
    E,
    Norm2,
    Normal,
    as_written,
    d,
    exp,
    half,
    log,
    mu_1,
    mu_2,
    sqrt,
    var_1,
    var_2,
)
from ..printing import latex
from .letters import m_1, m_2, y

# -- proofs of their own ---------------------------------------------------------------------------


def _components(before: sp.Expr, after: sp.Expr) -> Any:
    """The divergence of d independent components: one component, from the densities, d times.

    log N_1 - log N_2 is a sum over the components, averaged over N_1 component by component. Each
    gives the same terms without the means, and these times d; the squares add up to a length.
    """
    with evaluate(True):
        one, two = before.args
        a, b = sp.symbols("a b", real=True)
        densities = (Normal(y, a, one.args[2]), Normal(y, b, two.args[2]))
        ratio = log(densities[0]) - log(densities[1])
        each = E(ratio, law=(y, Normal(None, a, one.args[2])))
        count, length = sp.Dummy(positive=True), sp.Dummy(nonnegative=True)
        means = {sp.expand(norm.args[0].doit()) for norm in after.atoms(Norm2)}
        if means != {one.args[1] - two.args[1]}:
            return sp.Symbol("other means")
        found = sp.expand(after.replace(Norm2, lambda _: length).subs(d, count))
        if sp.Poly(found, count, length).homogeneous_order() != 1:
            return found
        per_component = found.xreplace({count: sp.S.One, length: (a - b) ** 2})
        return difference(each, per_component)


# -- checks ----------------------------------------------------------------------------------------


def _kl_of_coins(claim: Claim) -> Any:
    """For two coins it is what the definition says, and 0 only for equal coins."""
    of, _, over, _ = claim.rhs.args
    if over.name != rf"{latex(y)} \sim {claim.lhs.args[0].args[0]}":
        return over  # not a mean over what stands first
    for shares in (((1, 3), (1, 2)), ((1, 5), (1, 5)), ((3, 4), (1, 7))):
        first, second = (sp.Rational(*share) for share in shares)
        total = sp.S.Zero
        for side in (0, 1):
            values = {"q": first if side else 1 - first, "p": second if side else 1 - second}
            named = of.replace(Density, lambda name, *_, at=values: at[name.name])
            total += values["q"] * named.doit()
        gap = first * sp.log(first / second) + (1 - first) * sp.log((1 - first) / (1 - second))
        if sp.simplify(sp.expand_log(total - gap, force=True)) != 0 or sp.N(total) < -1e-15:
            return total - gap
    return 0


def _kl_integral(claim: Claim) -> Any:
    """SymPy's integral of N_1 (log N_1 - log N_2) over the whole line."""
    with evaluate(True):
        u, a, b = sp.symbols("u a b", real=True)
        s_1, s_2 = sp.symbols("s_1 s_2", positive=True)
        bell = exp(-(u**2) / 2) / sqrt(2 * sp.pi)  # x = a + s_1 u
        point = a + s_1 * u
        ratio = log(s_2 / s_1) - (point - a) ** 2 / (2 * s_1**2) + (point - b) ** 2 / (2 * s_2**2)
        integral = sp.integrate(sp.expand(bell * ratio), (u, -sp.oo, sp.oo))
        found = claim.rhs.doit().subs({var_1: s_1**2, var_2: s_2**2, m_1: a, m_2: b})
        return sp.simplify(sp.expand_log(sp.expand(integral - found), force=True))


with as_written():
    normal_1, normal_2 = Normal(None, m_1, var_1, False), Normal(None, m_2, var_2, False)
    law = (y, normal_1)

    CLAIMS = [
        Claim(
            "loss.kl",
            KL(Density("q", [y]), Density("p", [y])),
            (
                Step(
                    E(log(Density("q", [y])) - log(Density("p", [y])), over="x \\sim q"),
                    "how much less likely $p$ finds what $q$ draws",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "it is right for coins, and never negative",
                    _kl_of_coins,
                    "exact cases",
                    "three pairs of coins",
                ),
            ),
            uncomputed=(
                "For two densities of any form there is no formula; for two Gaussians it is bound "
                "at loss.kl-gaussians."
            ),
        ),
        Claim(
            "loss.kl-gaussians",
            KL(normal_1, normal_2),
            (
                Step(
                    E(
                        log(Normal(y, m_1, var_1, False)) - log(Normal(y, m_2, var_2, False)),
                        over="x \\sim \\mathcal N(\\mu_1, \\sigma_1^2)",
                        law=law,
                    ),
                    "the definition of the divergence",
                    DEFINITION,
                ),
                Step(
                    E(
                        half * log(var_2 / var_1)
                        - (y - m_1) ** 2 / (2 * var_1)
                        + (y - m_2) ** 2 / (2 * var_2),
                        over="x \\sim \\mathcal N(\\mu_1, \\sigma_1^2)",
                        law=law,
                    ),
                    "the logarithms of two densities",
                ),
                Step(
                    E(
                        half * log(var_2 / var_1)
                        - (y - m_1) ** 2 / (2 * var_1)
                        + ((y - m_1) ** 2 + 2 * (y - m_1) * (m_1 - m_2) + (m_1 - m_2) ** 2)
                        / (2 * var_2),
                        over="x \\sim \\mathcal N(\\mu_1, \\sigma_1^2)",
                        law=law,
                    ),
                    "$x - \\mu_2$ is $(x - \\mu_1) + (\\mu_1 - \\mu_2)$; square it",
                ),
                Step(
                    half * log(var_2 / var_1) - half + (var_1 + (m_1 - m_2) ** 2) / (2 * var_2),
                    "$\\mathbb E[(x-\\mu_1)^2] = \\sigma_1^2$, and $\\mathbb E[x-\\mu_1] = 0$",
                ),
                Step(
                    half * (log(var_2 / var_1) + (var_1 + (m_1 - m_2) ** 2) / var_2 - 1),
                    "one factor outside",
                ),
            ),
            checks=(Check("SymPy's integral over the line is the same", _kl_integral, "calculus"),),
        ),
        Claim(
            "loss.kl-isotropic",
            KL(Normal(None, mu_1, var_1), Normal(None, mu_2, var_2)),
            (
                Step(
                    half * (d * log(var_2 / var_1) + (d * var_1 + Norm2(mu_1 - mu_2)) / var_2 - d),
                    "the sum over $d$ independent components",
                    Method("algebra", _components),
                ),
            ),
        ),
    ]
