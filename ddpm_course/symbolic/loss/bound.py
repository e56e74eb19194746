"""The bound on the likelihood, for every T, and its terms."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from ..algebra import difference
from ..chain import same_on_ladder
from ..claim import Check, Claim, Step
from ..methods import DEFINITION, SUBSTITUTION, Method
from ..methods.means import IMPORTANCE, JENSEN
from ..methods.series import by_induction
from ..notation import (
    KL,
    E,
    Loss,
    States,
    T,
    as_written,
    log,
    p_theta,
    prior,
    q,
    t,
    x,
)
from .letters import OVER_Q, one_back, ratio

TERMS = ("loss.term-prior", "loss.term-step", "loss.term-decoder")
FOR_EVERY_T = by_induction(T)


# -- proofs of their own ---------------------------------------------------------------------------


def _new_factors(before: Any, after: Any) -> Any:
    with evaluate(True):
        return difference(_split_logs(before), _split_logs(after))


def _split_logs(e: Any) -> Any:
    """log of products as sums, with the last factors of each product taken out."""
    from ..algebra import expand_logs, unfold

    return expand_logs(unfold(e))


# -- checks ----------------------------------------------------------------------------------------


def _sum_on_ladder(claim: Claim) -> Any:
    """The terms as divergences, and their sum as the bound, on a chain of few states."""
    terms = {name: claim.registry[name] for name in TERMS}
    found = claim.rhs
    for term in terms.values():
        found = found.xreplace({term.lhs: term.rhs})
    return same_on_ladder(claim.lhs, found, (2, 3))


def _term_in_bound(claim: Claim) -> Any:
    """With this term (and the other two), the bound on a chain of few states comes out right."""
    bound = claim.registry["loss.elbo"]
    found = bound.rhs
    for name in TERMS:
        term = claim if name == claim.name else claim.registry[name]
        found = found.xreplace({term.lhs: term.rhs})
    return same_on_ladder(bound.lhs, found, (2,))


with as_written():
    longer = p_theta([States(0, T + 1)]) / q([States(1, T + 1)], x(0))

    CLAIMS = [
        Claim(
            "loss.bound",
            -log(p_theta(x(0))),
            (
                Step(
                    -log(E(ratio, over=OVER_Q)),
                    "sum over all paths, each weighted by how often $q$ takes it",
                    IMPORTANCE,
                ),
                Step(
                    E(-log(ratio), over=OVER_Q),
                    "Jensen's inequality: $-\\log$ is convex",
                    JENSEN,
                    (),
                    r"\le",
                ),
            ),
            uncomputed=(
                "The left side, the likelihood, is what nobody can compute; the right side is "
                "bound at loss.elbo."
            ),
        ),
        Claim(
            "loss.elbo",
            E(-log(ratio), over=OVER_Q),
            (
                Step(
                    E(
                        -log(prior(x(T)))
                        - sp.Sum(log(p_theta(x(t - 1), x(t)) / q(x(t), x(t - 1))), (t, 1, T)),
                        over=OVER_Q,
                    ),
                    "both joint densities, factor by factor",
                    FOR_EVERY_T,
                    ("forward.joint", "reverse.joint"),
                ),
                Step(
                    E(
                        -log(prior(x(T)))
                        - sp.Sum(
                            log(
                                p_theta(x(t - 1), x(t))
                                / one_back
                                * (q(x(t - 1), x(0)) / q(x(t), x(0)))
                            ),
                            (t, 2, T),
                        )
                        - log(p_theta(x(0), x(1)) / q(x(1), x(0))),
                        over=OVER_Q,
                    ),
                    "Bayes' rule for $t \\ge 2$",
                    FOR_EVERY_T,
                ),
                Step(
                    E(
                        -log(prior(x(T)) / q(x(T), x(0)))
                        - sp.Sum(log(p_theta(x(t - 1), x(t)) / one_back), (t, 2, T))
                        - log(p_theta(x(0), x(1))),
                        over=OVER_Q,
                    ),
                    "the fractions telescope to $q(x_1 \\mid x_0) / q(x_T \\mid x_0)$",
                    FOR_EVERY_T,
                ),
                Step(
                    E(
                        KL(q(x(T), x(0)), prior(x(T)))
                        + sp.Sum(KL(one_back, p_theta(x(t - 1), x(t))), (t, 2, T))
                        - log(p_theta(x(0), x(1))),
                        over=OVER_Q,
                    ),
                    "each mean of a log-ratio is a divergence",
                    FOR_EVERY_T,
                ),
                Step(
                    E(Loss(T) + sp.Sum(Loss(t - 1), (t, 2, T)) + Loss(0), over=OVER_Q),
                    "give each term a name",
                    SUBSTITUTION,
                    TERMS,
                ),
            ),
            checks=(
                Check(
                    "both sides are equal on every path",
                    _sum_on_ladder,
                    "exact cases",
                    "a chain of two states, T = 2, 3",
                ),
            ),
        ),
        Claim(
            "loss.elbo-step",
            -log(longer) + log(ratio),
            (
                Step(
                    -log(
                        prior(x(T + 1))
                        * p_theta(x(T), x(T + 1))
                        / (prior(x(T)) * q(x(T + 1), x(T)))
                    ),
                    "all earlier factors cancel",
                    Method("algebra", lambda before, after: _new_factors(before, after)),
                    (
                        "forward.joint",
                        "reverse.joint",
                        ("forward.joint", {T: T + 1}),
                        ("reverse.joint", {T: T + 1}),
                    ),
                ),
                Step(
                    -log(
                        prior(x(T + 1))
                        * p_theta(x(T), x(T + 1))
                        / prior(x(T))
                        * (q(x(T), x(0)) / (q(x(T), x(T + 1), x(0)) * q(x(T + 1), x(0))))
                    ),
                    "Bayes' rule turns $q(x_{T+1} \\mid x_T)$ around",
                ),
                Step(
                    -log(prior(x(T + 1)) / q(x(T + 1), x(0)))
                    + log(prior(x(T)) / q(x(T), x(0)))
                    - log(p_theta(x(T), x(T + 1)) / q(x(T), x(T + 1), x(0))),
                    "sort into three: $L_{T+1}$ comes, $L_T$ goes, and one more step is summed",
                ),
            ),
            uncomputed=(
                "It compares models of T and of T + 1 steps; the package has a model of one length."
            ),
        ),
        Claim(
            "loss.term-prior",
            Loss(T),
            (
                Step(
                    KL(q(x(T), x(0)), prior(x(T))),
                    "what is left of the data at the end; nothing to learn",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "with it the bound comes out right",
                    _term_in_bound,
                    "exact cases",
                    "a chain of two states, T = 2",
                ),
            ),
            uncomputed="It gives a divergence its name; the value is bound at loss.prior.",
        ),
        Claim(
            "loss.term-step",
            Loss(t - 1),
            (
                Step(
                    KL(one_back, p_theta(x(t - 1), x(t))),
                    "one step back, against the step that knows $x_0$",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "with it the bound comes out right",
                    _term_in_bound,
                    "exact cases",
                    "a chain of two states, T = 2",
                ),
            ),
            uncomputed="It gives a divergence its name; the value is bound at loss.mean-error.",
        ),
        Claim(
            "loss.term-decoder",
            Loss(0),
            (Step(-log(p_theta(x(0), x(1))), "the last step, to the data", DEFINITION),),
            checks=(
                Check(
                    "with it the bound comes out right",
                    _term_in_bound,
                    "exact cases",
                    "a chain of two states, T = 2",
                ),
            ),
            uncomputed="It gives a term its name; the value is bound at loss.decoder.",
        ),
    ]
