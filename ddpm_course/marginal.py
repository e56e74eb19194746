"""The closed-form marginal: from x_0 to any x_t in one jump (Ho et al. 2020, eq. 4)."""

from __future__ import annotations

import torch
from torch import Tensor

from ddpm_course import checks
from ddpm_course.gaussian import Gaussian, standard_noise
from ddpm_course.schedule import Schedule

__all__ = ["given_x0", "predict_eps", "predict_x0", "sample"]


def given_x0(x_0: Tensor, t: int | Tensor, schedule: Schedule) -> Gaussian:
    """q(x_t | x_0) = N(√ᾱ_t x_0, (1 - ᾱ_t) I)   (``marginal.closed-form``; Ho et al., eq. 4).

    Args:
        x_0: (B, ...) clean data.
        t: an int, or (B,) integers, in 1..T.

    Returns:
        The distribution of x_t: a mean of x_0's shape, a variance of shape (B, 1, ..., 1).

    Raises:
        ValueError: t is outside 1..T, or of the wrong shape or dtype; x_0 is not floating point.
    """
    checks.floating(x_0=x_0)
    t = schedule.time(t, x_0)
    return Gaussian(
        mean=schedule.at(schedule.alpha_bar.sqrt(), t, x_0) * x_0,  # marginal.mean
        var=schedule.at(1 - schedule.alpha_bar, t, x_0),  # marginal.variance
    )


def sample(
    x_0: Tensor,
    t: int | Tensor,
    schedule: Schedule,
    eps: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Draw x_t = √ᾱ_t x_0 + √(1 - ᾱ_t) ε, and keep the ε that made it (``marginal.sample``).

    Args:
        x_0: (B, ...) clean data.
        t: an int, or (B,) integers, in 1..T.
        eps: (B, ...) the noise to use; drawn from N(0, I) when it is left out.

    Returns:
        (x_t, eps), both of x_0's shape.
    """
    q = given_x0(x_0, t, schedule)
    if eps is None:
        eps = standard_noise(x_0, generator)
    else:
        checks.agree(eps=eps, x_0=x_0)
    return q.mean + q.var.sqrt() * eps, eps  # marginal.sample


def predict_x0(x_t: Tensor, eps: Tensor, t: int | Tensor, schedule: Schedule) -> Tensor:
    """Undo the jump: x_0 = (x_t - √(1 - ᾱ_t) ε) / √ᾱ_t.

    ``marginal.x0-from-eps``; Ho et al. (2020), eq. 15.

    Args:
        x_t, eps: (B, ...) the noised data, and the noise in it (true or predicted).
        t: an int, or (B,) integers, in 1..T.
    """
    checks.agree(eps=eps, x_t=x_t)
    t = schedule.time(t, x_t)
    noise = schedule.at((1 - schedule.alpha_bar).sqrt(), t, x_t)
    return (x_t - noise * eps) / schedule.at(schedule.alpha_bar.sqrt(), t, x_t)


def predict_eps(x_t: Tensor, x_0: Tensor, t: int | Tensor, schedule: Schedule) -> Tensor:
    """ε = (x_t - √ᾱ_t x_0) / √(1 - ᾱ_t): the noise in x_t (``marginal.eps-from-x0``).

    Args:
        x_t, x_0: (B, ...) the noised and the clean data (true or predicted).
        t: an int, or (B,) integers, in 1..T.
    """
    checks.agree(x_0=x_0, x_t=x_t)
    t = schedule.time(t, x_t)
    signal = schedule.at(schedule.alpha_bar.sqrt(), t, x_t)
    return (x_t - signal * x_0) / schedule.at((1 - schedule.alpha_bar).sqrt(), t, x_t)
