"""The rules by which lines are proved: each says yes to what holds, and no to its neighbors."""

from __future__ import annotations

from typing import Any

import pytest
import sympy as sp

from ddpm_course.symbolic.algebra import difference
from ddpm_course.symbolic.methods import Method
from ddpm_course.symbolic.methods.means import IMPORTANCE, JENSEN, MULTIPLIED_OUT, POSTERIOR, given
from ddpm_course.symbolic.methods.series import TERM_BY_TERM, by_induction
from ddpm_course.symbolic.notation import (
    KL,
    E,
    Gradient,
    Guess,
    Over,
    States,
    T,
    Var,
    alpha,
    alpha_bar,
    as_written,
    beta,
    eps,
    log,
    p_theta,
    prior,
    q,
    s,
    sqrt,
    t,
    x,
)
from ddpm_course.symbolic.step import follows


def proves(method: Method, before: Any, after: Any) -> bool:
    try:
        return follows(method.prove(before, after))
    except Exception:  # a rule refuses what it cannot decide, in its own way
        return False


with as_written():
    every, rest = p_theta([States(0, T)]), q([States(1, T)], x(0))
    ratio = every / rest
    best, guess = E(eps, x(t)), Guess(x(t))
    slope = Gradient(log(q(x(t), x(0))), x(t))
    one_back, model = q(x(t - 1), x(t), x(0)), p_theta(x(t - 1), x(t))
    bars = sp.Sum(log(alpha(s)), (s, 1, T))
    LINES: list[tuple[str, Method, Any, Any, bool]] = [
        ("bound", JENSEN, -log(E(ratio, over="q")), E(-log(ratio), over="q"), True),
        ("another law", JENSEN, -log(E(ratio, over="q")), E(-log(ratio), over="p"), False),
        ("another ratio", JENSEN, -log(E(ratio, over="q")), E(-log(1 / ratio), over="q"), False),
        ("turned around", JENSEN, E(-log(ratio), over="q"), -log(E(ratio, over="q")), False),
        ("may be negative", JENSEN, -log(E(x(t))), E(-log(x(t))), False),
        ("no minus", JENSEN, log(E(ratio, over="q")), E(log(ratio), over="q"), False),
        ("paths", IMPORTANCE, -log(p_theta(x(0))), -log(E(ratio, over="q")), True),
        ("over p", IMPORTANCE, -log(p_theta(x(0))), -log(E(ratio, over=r"p_\theta")), False),
        ("of x_1", IMPORTANCE, -log(p_theta(x(1))), -log(E(ratio, over="q")), False),
        (
            "one state less",
            IMPORTANCE,
            -log(p_theta(x(0))),
            -log(E(every / q([States(1, T - 1)], x(0)), over="q")),
            False,
        ),
        ("its own q", IMPORTANCE, -log(p_theta(x(0))), -log(E(every / q(x(1)), over="q")), False),
        ("score", POSTERIOR, Gradient(log(q(x(t))), x(t)), E(slope, x(t)), True),
        ("given x_0", POSTERIOR, Gradient(log(q(x(t))), x(t)), E(slope, x(0)), False),
        ("of one picture", POSTERIOR, Gradient(log(q(x(t))), x(t)), slope, False),
        ("by x_0", POSTERIOR, Gradient(log(q(x(t))), x(0)), E(slope, x(t)), False),
        (
            "Bayes",
            POSTERIOR,
            Over(slope * (q(x(t), x(0)) * q(x(0)) / q(x(t))), x(0)),
            E(slope, x(t)),
            True,
        ),
        (
            "Bayes without its divisor",
            POSTERIOR,
            Over(slope * (q(x(t), x(0)) * q(x(0))), x(0)),
            E(slope, x(t)),
            False,
        ),
        ("x_t is known", POSTERIOR, E(x(t) * eps, x(t)), x(t) * E(eps, x(t)), True),
        ("x_0 is not", POSTERIOR, E(x(0) * eps, x(t)), x(0) * E(eps, x(t)), False),
        ("tower", given(x(t), eps), E((eps - best) * (best - guess)), 0 * E(eps), True),
        ("variance", given(x(t), eps), E((eps - best) ** 2), E(Var(eps, x(t))), True),
        ("any guess", given(x(t), eps), E((eps - guess) ** 2), E(Var(eps, x(t))), False),
        (
            "a guess from another time",
            given(x(t), eps),
            E((eps - best) * (best - Guess(x(t - 1)))),
            0 * E(eps),
            False,
        ),
        ("two means", given(x(t), eps), E(eps * guess), E(eps) * E(guess), False),
        ("third power", given(x(t), eps), E((eps - best) ** 3), 0 * E(eps), False),
        (
            "square",
            MULTIPLIED_OUT,
            E((eps + x(0)) ** 2),
            E(eps**2 + 2 * eps * x(0) + x(0) ** 2),
            True,
        ),
        ("no cross term", MULTIPLIED_OUT, E((eps + x(0)) ** 2), E(eps**2) + E(x(0) ** 2), False),
        ("logs", by_induction(T), log(sp.Product(alpha(s), (s, 1, T))), bars, True),
        ("one more", by_induction(T), log(sp.Product(alpha(s), (s, 1, T + 1))), bars, False),
        ("other factors", by_induction(T), log(sp.Product(beta(s), (s, 1, T))), bars, False),
        (
            "right for T = 1, 2, 3, 4",
            by_induction(T),
            bars + (T - 1) * (T - 2) * (T - 3) * (T - 4),
            bars,
            False,
        ),
        ("terms", TERM_BY_TERM, bars, sp.Sum(log(1 - beta(s)), (s, 1, T)), True),
        ("other places", TERM_BY_TERM, bars, sp.Sum(log(alpha(s)), (s, 2, T)), False),
        ("other terms", TERM_BY_TERM, bars, sp.Sum(log(beta(s)), (s, 1, T)), False),
        ("no sum", TERM_BY_TERM, bars, log(alpha_bar(T)), False),
    ]


@pytest.mark.parametrize("line", LINES, ids=lambda line: line[0])
def test_rule_proves_its_line_and_refuses_its_neighbors(
    line: tuple[str, Method, Any, Any, bool],
) -> None:
    _, method, before, after, holds = line
    assert proves(method, before, after) == holds


@pytest.mark.parametrize(
    ("divergence", "holds"),
    [
        (KL(one_back, model), True),
        (KL(q(x(T), x(0)), prior(x(T))), True),
        (KL(model, one_back), False),  # the mean is over q
        (KL(one_back, p_theta(x(t - 2), x(t))), False),  # of another state
        (KL(one_back, p_theta(x(t - 1), x(t + 1))), False),  # given what is not given
        (KL(q(x(t - 1), x(t)), model), False),  # x_0 matters for it, and is not given
    ],
    ids=str,
)
def test_divergence_is_a_mean_of_log_ratios_only_over_what_it_is_from(
    divergence: Any, holds: bool
) -> None:
    one, two = divergence.args
    try:
        left = difference(E(divergence, over="q"), E(log(one) - log(two), over="q"))
    except ValueError:
        left = 1
    assert (left == 0) == holds


def test_induction_keeps_the_law_of_a_mean() -> None:
    with as_written():
        one = E(-log(sp.Product(alpha(s), (s, 1, T))), over="q")
        two = E(-bars, over="q")
        other = E(-bars, over=r"p_\theta")
    assert proves(by_induction(T), one, two)
    assert not proves(by_induction(T), one, other)
    assert not proves(by_induction(T), one, -sqrt(bars))
