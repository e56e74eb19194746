"""The letters that the claims of this chapter share."""

from __future__ import annotations

import sympy as sp

from ..notation import (
    E,
    States,
    T,
    alpha,
    alpha_bar,
    as_written,
    beta,
    eps,
    eps_theta,
    p_theta,
    q,
    sigma,
    sqrt,
    t,
    x,
)

y = sp.Symbol("x", real=True)
m_1, m_2 = sp.Symbol(r"\mu_1", real=True), sp.Symbol(r"\mu_2", real=True)
const = sp.Symbol("C", real=True)
OVER_Q = "q"

with as_written():
    best_guess = E(eps, x(t))
    network = eps_theta(x(t), t)
    ratio = p_theta([States(0, T)]) / q([States(1, T)], x(0))
    one_back = q(x(t - 1), x(t), x(0))
    w_t = beta(t) ** 2 / (2 * sigma(t) ** 2 * alpha(t) * (1 - alpha_bar(t)))
    x_t_made = sqrt(alpha_bar(t)) * x(0) + sqrt(1 - alpha_bar(t)) * eps
