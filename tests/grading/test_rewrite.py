"""Each single change of a right answer's text is a slip that can be named."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from ddpm_course.grading.rewrite import rewritten


def jump(x_0: Tensor, t: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    share = alpha_bar[t].float().view(-1, 1)
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps


def mean_square(a: list[float], b: list[float]) -> float:
    total = 0.0
    for one, other in zip(a, b, strict=True):
        total = total + (one - other) ** 2
    return total / len(a)


def endless(n: int) -> int:
    while n > 1:
        n = n - 1
    return n


def lapack(a: Tensor) -> Tensor:
    return torch.linalg.eigvals(a).real + 1


TABLE = torch.tensor([1.0, 0.9, 0.7, 0.4])
T = torch.tensor([3, 1, 2])
X, EPS = torch.tensor([[0.5, 2.0], [1.5, -1.0], [0.1, 0.3]]), torch.randn(3, 2)


def same(answer: Any, other: Any, *args: Any) -> bool:
    try:
        return bool(torch.allclose(torch.as_tensor(answer(*args)), torch.as_tensor(other(*args))))
    except Exception:
        return False


def looked_up(t: Tensor, table: Tensor = TABLE) -> Tensor:
    return table[t].view(-1, 1)


@pytest.mark.parametrize(
    ("told", "answer"),
    [
        ("root is missing", lambda x, t, e, a: looked_up(t) * x + (1 - looked_up(t)).sqrt() * e),
        ("minus stands where a plus", lambda x, t, e, a: jump(x, t, -e, a)),
        ("The term with `eps` is missing", lambda x, t, e, a: looked_up(t).sqrt() * x),
        ("is read one entry too early", lambda x, t, e, a: jump(x, t - 1, e, a)),
        ("1 - ᾱ_t stands where ᾱ_t", lambda x, t, e, a: jump(x, t, e, 1 - a)),
        ("“1 minus” is missing", lambda x, t, e, a: looked_up(t).sqrt() * (x + e)),
        ("No root is taken", lambda x, t, e, a: looked_up(t) * x + (1 - looked_up(t)) * e),
        ("The root reaches one term", lambda x, t, e, a: (
            looked_up(t).sqrt() * x + (1 - looked_up(t).sqrt()) * e
        )),
    ],
)  # fmt: skip
def test_a_slip_is_found_and_named(told: str, answer: Any) -> None:
    args = (X, T, EPS, TABLE)
    found = [sentence for sentence, slip in rewritten(jump) if same(slip, answer, *args)]
    assert any(told in sentence for sentence in found), found


@pytest.mark.parametrize(
    ("told", "value"),
    [
        ("A square is missing", (-3 + 2 + 1) / 3),
        ("An absolute value stands where a square belongs", 6 / 3),
        ("The denominator with `a` is missing", 14.0),
        ("leaves out its last round", 13 / 3),
        ("leaves out its first round", 5 / 3),
    ],
)
def test_loops_are_read_too(told: str, value: float) -> None:
    args = ([1.0, 2.0, 3.0], [4.0, 0.0, 2.0])
    assert mean_square(*args) == 14 / 3
    found = [
        sentence for sentence, slip in rewritten(mean_square) if same(slip, lambda *_: value, *args)
    ]
    assert any(told in sentence for sentence in found), found


def test_no_slip_is_the_function_itself() -> None:
    """A slip that changes nothing at all has no place among mistakes."""
    assert all(not same(slip, jump, X, T, EPS, TABLE) for _, slip in rewritten(jump)[:20])
    assert len(rewritten(jump)) > 50


def test_what_could_hang_or_crash_is_left_alone() -> None:
    assert rewritten(endless) == ()
    assert rewritten(lapack) == ()
    assert rewritten(math.sqrt) == ()
    assert rewritten(lambda x: x + 1) == ()
