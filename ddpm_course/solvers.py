"""Samplers for few calls of the network: DPM-Solver++ of order 1 and 2 (Lu et al. 2022,
arXiv:2211.01095).

Between two calls the network's guess of x_0 changes slowly and smoothly, if time is measured by
λ_t = log(√ᾱ_t / √(1 - ᾱ_t)), half the logarithm of the signal-to-noise ratio. DDIM takes the
guess as constant over a jump: order 1. Two guesses give a line: order 2. The jump is DDIM's.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from ddpm_course import checks
from ddpm_course.gaussian import Chance, Gaussian, standard_noise
from ddpm_course.marginal import predict_eps, predict_x0
from ddpm_course.reverse import Model, Step, device_of, evaluate
from ddpm_course.schedule import Schedule

__all__ = ["Spacing", "ddim", "ddim_step", "extrapolate", "half_log_snr", "multistep", "times"]

Spacing = Literal["t", "log-snr"]


def half_log_snr(schedule: Schedule) -> Tensor:
    """(T+1,) λ_t = ½ log SNR(t) in float64, infinite at t = 0 (``solvers.half-log-snr``)."""
    return schedule.snr.log() / 2


def times(schedule: Schedule, calls: int, spacing: Spacing = "t") -> list[int]:
    """The steps that a sampler visits: calls + 1 whole numbers that fall from T to 0.

    Args:
        calls: how often the network is called, 1..T.
        spacing: "t" for steps of equal length in t; "log-snr" for equal steps of λ from T to 1,
            rounded to whole t (and moved apart where two fall on one).

    Raises:
        ValueError: calls is outside 1..T, or the spacing is unknown.
    """
    if isinstance(calls, bool) or not isinstance(calls, int) or not 1 <= calls <= schedule.T:
        raise ValueError(
            f"{calls!r} calls of the network are asked for; this schedule allows 1 to {schedule.T}."
        )
    if spacing == "t":
        return [round(schedule.T * i / calls) for i in range(calls, -1, -1)]
    if spacing != "log-snr":
        raise ValueError(f"spacing is {spacing!r}; choose 't' or 'log-snr'.")
    if calls == 1:
        return [schedule.T, 0]
    table = half_log_snr(schedule)[1:]  # λ_1 > ... > λ_T
    wanted = torch.linspace(float(table[-1]), float(table[0]), calls, dtype=torch.float64)
    nearest = (table[None, :] - wanted[:, None]).abs().argmin(1) + 1
    visited = [int(t) for t in nearest]
    for i in range(1, calls):  # two on one step: the later one moves towards 0
        visited[i] = min(visited[i], visited[i - 1] - 1)
    for i in range(calls - 1, -1, -1):  # and back up where that would pass t = 1
        visited[i] = max(visited[i], calls - i)
    return [*visited, 0]


def ddim_step(
    x0_hat: Tensor, x_t: Tensor, t: int, s: int, schedule: Schedule, eta: float = 0.0
) -> Gaussian:
    """The jump from x_t straight to x_s, s < t, that keeps the marginals q(x_s | x_0).

    x_s = √ᾱ_s x̂_0 + √(1 - ᾱ_s - σ²) ε̂ + σ z,   σ² = η² (1 - ᾱ_s) / (1 - ᾱ_t) · (1 - ᾱ_t / ᾱ_s)
    (``beyond.ddim``; Song et al. 2021, eqs. 12 and 16). Here ε̂ is the
    noise that leads from x̂_0 to x_t. With η = 1 and s = t - 1 this is the ``posterior``.

    Args:
        x0_hat: (B, ...) the predicted clean data, clipped or not.
        x_t: (B, ...) the data after t steps.
        t, s: from which step to which, T >= t > s >= 0.
        eta: 0 for no fresh noise at all, 1 for as much as the posterior has.

    Returns:
        The distribution of x_s: a mean of x_t's shape, and a scalar variance, 0 at s = 0.

    Raises:
        ValueError: t and s are not in that order and range, or eta is outside [0, 1].
    """
    checks.agree(x0_hat=x0_hat, x_t=x_t)
    if not 0 <= s < t <= schedule.T:
        raise ValueError(f"t is {t} and s is {s}; a step back needs {schedule.T} >= t > s >= 0.")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}; choose from 0 (no fresh noise) to 1 (as DDPM).")
    alpha_bar_t, alpha_bar_s = schedule.alpha_bar[t], schedule.alpha_bar[s]  # float64 scalars
    # beyond.ddim-variance
    var = eta**2 * (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)  # σ²
    eps_hat = predict_eps(x_t, x0_hat, t, schedule)  # anew, because x̂_0 may have been clipped
    # beyond.ddim
    mean = alpha_bar_s.sqrt() * x0_hat + (1 - alpha_bar_s - var).clamp(min=0).sqrt() * eps_hat
    return Gaussian(mean, var)


def extrapolate(
    x0_hat: Tensor, x0_before: Tensor, before: int, t: int, s: int, schedule: Schedule
) -> Tensor:
    """The guess of x_0 in the middle of the jump from t to s, on the line through the last two.

    x̂_0(t) + h / (2 h') · (x̂_0(t) - x̂_0(before)),   h = λ_s - λ_t,  h' = λ_t - λ_before
    (``solvers.line``; Lu et al. 2022, algorithm 2).

    Args:
        x0_hat, x0_before: (B, ...) the guesses at t, and at the step that was visited before.
        before, t, s: T >= before > t > s >= 1. (To s = 0 λ is infinite: no line leads there.)

    Raises:
        ValueError: the three steps are not in that order and range, or the guesses' shapes differ.
    """
    if not schedule.T >= before > t > s >= 1:
        raise ValueError(
            f"before, t and s are {before}, {t} and {s}; "
            f"a line needs {schedule.T} >= before > t > s >= 1."
        )
    checks.agree(x0_hat=x0_hat, x0_before=x0_before)
    snr = schedule.snr.double()
    h = (snr[s] / snr[t]).log() / 2
    h_before = (snr[t] / snr[before]).log() / 2
    return x0_hat + float(h / (2 * h_before)) * (x0_hat - x0_before)  # solvers.line


@torch.no_grad()
def multistep(
    model: Model,
    shape: Sequence[int],
    schedule: Schedule,
    calls: int = 20,
    order: int = 2,
    eta: float = 1.0,
    spacing: Spacing = "t",
    clip_x0: bool = True,
    generator: Chance = None,
    x_T: Tensor | None = None,
) -> Iterator[Step]:
    """Walk from noise to data in few jumps (DPM-Solver++, multistep form).

    Each jump is DDIM's, ``ddim_step`` (``solvers.jump``), from a guess of x_0 that looks
    ahead. With order 1 it is DDIM; with order 2 and eta 0 it is DPM-Solver++(2M), with eta 1 its
    SDE form. The first jump has one guess alone, and the last one, to s = 0, ends at the guess:
    both are of order 1.

    Args:
        model, shape, generator, x_T: as for ``reverse.ancestral``.
        calls: how often the model is called, 1..T.
        order: 1 or 2.
        eta: fresh noise: 0 for none, 1 for as much as the posterior of each jump has.
        spacing: see ``times``.
        clip_x0: keep each guess of x_0 within [-1, 1], the range of images, before it is used.

    Yields:
        calls + 1 steps, first Step(T, x_T, x0_hat), and last Step(0, x_0, x_0).

    Raises:
        ValueError: calls, order, eta or spacing is out of range.
    """
    if order not in (1, 2):
        raise ValueError(f"order is {order!r}; orders 1 and 2 are derived here.")
    if not 0 <= eta <= 1:
        raise ValueError(f"eta is {eta}; choose from 0 (no fresh noise) to 1 (as DDPM).")
    visited = times(schedule, calls, spacing)
    shape = checks.sizes(shape, x_T)
    device = device_of(model) if x_T is None else x_T.device
    schedule = schedule.to(device)
    x_t = standard_noise(torch.empty(*shape, device=device), generator) if x_T is None else x_T
    last: tuple[int, Tensor] | None = None  # the step and the guess before
    for now, then in pairwise(visited):
        t = schedule.time(now, x_t)
        x0_hat = predict_x0(x_t, evaluate(model, x_t, t), t, schedule)
        x0_hat = x0_hat.clamp(-1, 1) if clip_x0 else x0_hat
        yield Step(now, x_t, x0_hat)
        ahead = x0_hat
        if order == 2 and last is not None and then > 0:
            ahead = extrapolate(x0_hat, last[1], last[0], now, then, schedule)
        p = ddim_step(ahead, x_t, now, then, schedule, eta)
        x_t = p.sample(generator) if eta > 0 and then > 0 else p.mean
        last = now, x0_hat
    yield Step(0, x_t, x_t)


def ddim(
    model: Model,
    shape: Sequence[int],
    schedule: Schedule,
    steps: int = 50,
    eta: float = 0.0,
    clip_x0: bool = True,
    generator: Chance = None,
    x_T: Tensor | None = None,
) -> Iterator[Step]:
    """Walk from noise to data in few, long steps (DDIM, Song et al. 2021): ``multistep`` of
    order 1, at even t.

    Args:
        model, shape, x_T: as for ``reverse.ancestral``.
        steps: how many, 1..T.
        eta: how much fresh noise: from 0 (x_T alone decides) to 1.

    Yields, raises:
        As ``multistep``.
    """
    return multistep(model, shape, schedule, steps, 1, eta, "t", clip_x0, generator, x_T)
