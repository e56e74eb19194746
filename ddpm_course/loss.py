"""What the network is trained on: the ε-loss, and the bound that it comes from."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_course import checks
from ddpm_course.gaussian import Gaussian
from ddpm_course.marginal import given_x0
from ddpm_course.marginal import sample as sample_x_t
from ddpm_course.reverse import Model, Variance, posterior, transition
from ddpm_course.schedule import Schedule

__all__ = ["Bits", "bits_per_dim", "discretized_log_prob", "epsilon_loss", "uniform_t"]


def uniform_t(batch: int, schedule: Schedule, generator: torch.Generator | None = None) -> Tensor:
    """(batch,) steps, each drawn uniformly from 1..T, both ends included."""
    device = None if generator is None else generator.device
    return torch.randint(1, schedule.T + 1, (batch,), generator=generator, device=device)


def epsilon_loss(
    model: Model,
    x_0: Tensor,
    schedule: Schedule,
    t: int | Tensor | None = None,
    eps: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """L_simple = E ‖ε - ε_θ(√ᾱ_t x_0 + √(1 - ᾱ_t) ε, t)‖²   (``loss.simple``; Ho et al., eq. 14).

    The mean is taken over the batch and over the coordinates, so a model that always answers 0
    has loss 1, whatever the size of the image.

    Args:
        model: ε_θ, called as model(x_t, t) with t of shape (B,).
        x_0: (B, ...) clean data, float32.
        t: an int, or (B,) integers, in 1..T; drawn uniformly, one for each item, when left out.
        eps: (B, ...) the noise; drawn from N(0, I) when left out.

    Returns:
        A scalar, differentiable in the model's parameters.
    """
    checks.batch(x_0=x_0)
    if t is None:
        t = uniform_t(len(x_0), schedule, generator)
    t = schedule.time(t, x_0)
    x_t, eps = sample_x_t(x_0, t, schedule, eps, generator)
    return ((eps - checks.answer(model(x_t, t), x_t)) ** 2).mean()  # loss.simple


class Bits(NamedTuple):
    """The variational bound on -log p_θ(x_0), term by term, in bits per dimension."""

    prior: Tensor  # L_T, a scalar
    per_t: Tensor  # (T+1,) L_{t-1} at index t for t = 2..T; 0 at indices 0 and 1
    decoder: Tensor  # L_0, a scalar
    total: Tensor  # their sum


@torch.no_grad()
def bits_per_dim(
    model: Model,
    x_0: Tensor,
    schedule: Schedule,
    levels: int = 256,
    variance: Variance = "beta",
    clip_x0: bool = True,
    generator: torch.Generator | None = None,
) -> Bits:
    """An unbiased estimate of the bound L_T + Σ_t L_{t-1} + L_0 (``loss.elbo``; Ho et al., eq. 5).

    One ε is drawn for each image and each t, and the model runs T times on the batch. The decoder
    always has variance β_1, because β̃_1 = 0.

    Args:
        model: ε_θ; put it in evaluation mode first.
        x_0: (B, ...) clean data on an even grid of ``levels`` values from -1 to 1.
        levels: how many values a coordinate can take: 256 for 8-bit images, 17 for the digits.

    Returns:
        ``Bits``, averaged over the batch, on x_0's device.

    Raises:
        ValueError: pictures that are not on the grid, or a network that answers in another shape.
    """
    checks.batch(x_0=x_0)
    if x_0.ndim == 4:
        checks.in_range(x_0, "x_0")
        if levels < 2:
            raise ValueError(f"levels is {levels}; a grid from -1 to 1 has at least 2.")
        checks.on_grid(x_0, levels, "x_0")
    schedule = schedule.to(x_0.device)
    standard = Gaussian(torch.zeros_like(x_0), torch.ones_like(x_0))
    q = given_x0(x_0, schedule.T, schedule)
    prior = q.kl(standard).mean()

    per_t = torch.zeros(schedule.T + 1, dtype=x_0.dtype, device=x_0.device)
    for step in range(schedule.T, 1, -1):
        x_t, _ = sample_x_t(x_0, step, schedule, generator=generator)
        t = schedule.time(step, x_0)
        p = transition(model(x_t, t), x_t, t, schedule, variance, clip_x0)
        per_t[step] = posterior(x_0, x_t, t, schedule).kl(p).mean()

    x_1, _ = sample_x_t(x_0, 1, schedule, generator=generator)
    t = schedule.time(1, x_0)
    p = transition(model(x_1, t), x_1, t, schedule, "beta", clip_x0)
    decoder = -discretized_log_prob(x_0, p, levels).mean()

    bits = [value / math.log(2) for value in (prior, per_t, decoder)]  # evaluation.bits
    return Bits(bits[0], bits[1], bits[2], bits[0] + bits[1].sum() + bits[2])  # loss.elbo


def discretized_log_prob(x: Tensor, p: Gaussian, levels: int) -> Tensor:
    """log of the mass that N(mean, var) puts on the grid cell around x.

    ``loss.decoder``; Ho et al. (2020), eq. 13.
    The two outermost cells reach to infinity, so the masses of the ``levels`` cells sum to 1.

    Args:
        x: (B, ...) values on an even grid of ``levels`` points from -1 to 1.
        p: the Gaussian; its mean has x's shape.

    Returns:
        Log-probabilities in nats, of x's shape.
    """
    checks.agree(x=x, mean=p.mean)
    checks.together(x=x, var=p.var)
    if levels < 2:
        raise ValueError(f"levels is {levels}; a grid from -1 to 1 has at least 2.")
    half = 1 / (levels - 1)
    scale = p.var.sqrt()
    upper = torch.where(x > 1 - half, math.inf, (x + half - p.mean) / scale)
    lower = torch.where(x < -1 + half, -math.inf, (x - half - p.mean) / scale)
    # Far in the upper tail Φ(upper) - Φ(lower) is 1 - 1; by symmetry we can look at the lower tail.
    flip = lower > 0
    upper, lower = torch.where(flip, -lower, upper), torch.where(flip, -upper, lower)
    log_upper = torch.special.log_ndtr(upper)
    return log_upper + torch.log1p(-torch.exp(torch.special.log_ndtr(lower) - log_upper))
