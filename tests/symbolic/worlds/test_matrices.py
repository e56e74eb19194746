"""Worlds of matrices: products in their order, roots, averages, against numpy and SciPy."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg
import scipy.special
import sympy as sp

from ddpm_course.symbolic import CLAIMS, ClaimError
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.notation import Spread, Transposed, as_written, half, mu_1, mu_2
from ddpm_course.symbolic.worlds import matrices as worlds

A, B = (sp.Symbol(name, commutative=False) for name in "AB")
RNG = np.random.default_rng(0)


def test_products_keep_their_order() -> None:
    world = {A: RNG.standard_normal((2, 3)), B: RNG.standard_normal((3, 2))}
    with as_written():
        found = worlds.matrices(2 * (A * B) - Transposed(B) * Transposed(A), world)
    wanted = 2 * world[A] @ world[B] - (world[A] @ world[B]).T
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_root_and_softmax_are_those_of_scipy() -> None:
    one, two = (worlds.covariance(RNG, 4) for _ in range(2))
    assert not np.allclose(one @ two, two @ one)
    np.testing.assert_allclose(worlds.root(one @ two), scipy.linalg.sqrtm(one @ two), atol=1e-8)
    rows = 1000 * RNG.standard_normal((3, 5))
    np.testing.assert_allclose(worlds.softmax(rows), scipy.special.softmax(rows, 1))


def test_letter_without_a_value_is_named() -> None:
    with pytest.raises(ValueError, match="A has no value in this world"):
        worlds.matrices(A, {})


with as_written():
    Q, K, V = (sp.Symbol(name, commutative=False) for name in "QKV")
    WIDTH = sp.sqrt(sp.Symbol("d_k", integer=True, positive=True))
    APART = nt.Norm2(mu_1 - mu_2)
    ROOTS = Spread(1) ** half * Spread(2) ** half
    WRONG = [
        ("trends.attention", nt.Softmax(Transposed(K) * Q / WIDTH) * V),
        ("trends.attention", nt.Softmax(Transposed(Q) * K / WIDTH) * V),
        ("trends.attention", nt.Softmax(K * Transposed(Q) / WIDTH) * V),
        ("evaluation.frechet", APART + nt.Trace(Spread(1) + Spread(2) - 2 * ROOTS)),
    ]


@pytest.mark.parametrize(("name", "wrong"), WRONG)
def test_wrong_matrices_are_refused(name: str, wrong: sp.Expr) -> None:
    with pytest.raises(ClaimError):
        CLAIMS[name].with_step(0, wrong).verify()
