"""The forward process: noise is added in T small steps (Ho et al. 2020, eq. 2)."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ddpm_course import checks
from ddpm_course.gaussian import Gaussian
from ddpm_course.schedule import Schedule

__all__ = ["step", "trajectory"]


def step(x_prev: Tensor, t: int | Tensor, schedule: Schedule) -> Gaussian:
    """q(x_t | x_{t-1}) = N(√(1 - β_t) x_{t-1}, β_t I)   (``forward.transition``; Ho et al., eq. 2).

    Args:
        x_prev: (B, ...) the data after t - 1 steps.
        t: an int, or (B,) integers, in 1..T.

    Returns:
        The distribution of x_t: a mean of x_prev's shape, a variance of shape (B, 1, ..., 1).

    Raises:
        ValueError: t is outside 1..T, or of the wrong shape or dtype.
    """
    checks.floating(x_prev=x_prev)
    t = schedule.time(t, x_prev)
    beta = schedule.at(schedule.beta, t, x_prev)
    return Gaussian(mean=(1 - beta).sqrt() * x_prev, var=beta)  # forward.transition


def trajectory(
    x_0: Tensor, schedule: Schedule, generator: torch.Generator | None = None
) -> Iterator[Tensor]:
    """Walk the chain x_0 → x_1 → ... → x_T, one step at a time.

    Args:
        x_0: (B, ...) clean data.

    Yields:
        T + 1 tensors of x_0's shape: item t of the walk is x_t, and item 0 is x_0 itself.
    """
    checks.floating(x_0=x_0)
    x_t = x_0
    yield x_t
    for t in range(1, schedule.T + 1):
        x_t = step(x_t, t, schedule).sample(generator)  # forward.reparameterization
        yield x_t
