"""The reverse process: noise is removed in T small steps (Ho et al. 2020, sections 2 and 3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import torch
from torch import Tensor, nn

from ddpm_course import checks
from ddpm_course.gaussian import Chance, Gaussian, standard_noise
from ddpm_course.marginal import predict_x0
from ddpm_course.schedule import Schedule

__all__ = [
    "Model",
    "Step",
    "Variance",
    "ancestral",
    "posterior",
    "sample",
    "transition",
]

Model = Callable[[Tensor, Tensor], Tensor]  # ε_θ: (x_t (B, ...), t (B,)) -> (B, ...)
Variance = Literal["beta", "beta_tilde"]


class Step(NamedTuple):
    """Where the sampler stands: x_t, and the x_0 that the model sees in it."""

    t: int
    x_t: Tensor
    x0_hat: Tensor


def posterior(x_0: Tensor, x_t: Tensor, t: int | Tensor, schedule: Schedule) -> Gaussian:
    """q(x_{t-1} | x_t, x_0), the step back when the clean data are known.

    μ̃_t = √ᾱ_{t-1} β_t / (1 - ᾱ_t) · x_0  +  √α_t (1 - ᾱ_{t-1}) / (1 - ᾱ_t) · x_t
    β̃_t = (1 - ᾱ_{t-1}) / (1 - ᾱ_t) · β_t
    (``reverse.posterior-mean``, ``reverse.posterior-variance``; Ho et al., eqs. 6 and 7)

    Args:
        x_0, x_t: (B, ...) the clean data, and the data after t steps.
        t: an int, or (B,) integers, in 1..T.

    Returns:
        The distribution of x_{t-1}: a mean of x_t's shape, a variance of shape (B, 1, ..., 1).
        At t = 1 the mean is x_0 and the variance 0, by the formulas.

    Raises:
        ValueError: t is outside 1..T, or of the wrong shape or dtype.
    """
    checks.agree(x_0=x_0, x_t=x_t)
    t = schedule.time(t, x_t)
    beta = schedule.at(schedule.beta, t, x_t)
    alpha = schedule.at(schedule.alpha, t, x_t)
    noise = schedule.at(1 - schedule.alpha_bar, t, x_t)  # 1 - ᾱ_t
    alpha_bar_before = schedule.at(schedule.alpha_bar, t - 1, x_t)  # ᾱ_{t-1}
    noise_before = schedule.at(1 - schedule.alpha_bar, t - 1, x_t)  # 1 - ᾱ_{t-1}
    return Gaussian(
        mean=alpha_bar_before.sqrt() * beta / noise * x_0  # reverse.posterior-mean
        + alpha.sqrt() * noise_before / noise * x_t,
        var=schedule.at(schedule.beta_tilde, t, x_t),  # reverse.posterior-variance
    )


def transition(
    eps_hat: Tensor,
    x_t: Tensor,
    t: int | Tensor,
    schedule: Schedule,
    variance: Variance = "beta_tilde",
    clip_x0: bool = True,
) -> Gaussian:
    """p_θ(x_{t-1} | x_t), the step back with the predicted noise in place of the true one.

    Without clipping the mean is (x_t - β_t / √(1 - ᾱ_t) · ε_θ) / √α_t
    (``reverse.mean-eps``; Ho et al., eq. 11). It is computed as the posterior's mean at the
    x_0 that ε_θ implies, so that this x_0 can be kept within the data's range.

    Args:
        eps_hat: (B, ...) ε_θ(x_t, t).
        x_t: (B, ...) the data after t steps.
        t: an int, or (B,) integers, in 1..T.
        variance: "beta_tilde" (β̃_t, right when the data are one point) or "beta"
            (β_t, right when the data are N(0, I)); Ho et al., section 3.2.
        clip_x0: keep the predicted x_0 within [-1, 1], the range of images.

    Raises:
        ValueError: an unknown variance; t is outside 1..T, or of the wrong shape or dtype.
    """
    t = schedule.time(t, x_t)
    x0_hat = _predict_x0(x_t, checks.answer(eps_hat, x_t), t, schedule, clip_x0)
    return _step_back(x0_hat, x_t, t, schedule, variance)  # reverse.transition


def _predict_x0(x_t: Tensor, eps_hat: Tensor, t: Tensor, schedule: Schedule, clip: bool) -> Tensor:
    x0_hat = predict_x0(x_t, eps_hat, t, schedule)
    return x0_hat.clamp(-1, 1) if clip else x0_hat


def _step_back(
    x0_hat: Tensor, x_t: Tensor, t: Tensor, schedule: Schedule, variance: Variance
) -> Gaussian:
    mean, var = posterior(x0_hat, x_t, t, schedule)
    if variance == "beta":
        var = schedule.at(schedule.beta, t, x_t)
    elif variance != "beta_tilde":
        raise ValueError(f"variance is {variance!r}; choose 'beta_tilde' or 'beta'.")
    return Gaussian(mean, var)


@torch.no_grad()
def ancestral(
    model: Model,
    shape: Sequence[int],
    schedule: Schedule,
    variance: Variance = "beta_tilde",
    clip_x0: bool = True,
    generator: Chance = None,
    x_T: Tensor | None = None,
) -> Iterator[Step]:
    """Walk from noise to data: x_T ~ N(0, I), then x_{t-1} ~ p_θ(x_{t-1} | x_t) down to x_0
    (Ho et al., algorithm 2).

    Args:
        model: ε_θ, called as model(x_t, t) with t of shape (B,). Its weights are not touched; a
            module in training mode runs in evaluation mode and is set back after each call.
        shape: (B, ...) of the samples.
        x_T: (B, ...) where to start; drawn from N(0, I) when it is left out.

    Yields:
        T + 1 steps: Step(T, x_T, x0_hat), ..., Step(1, x_1, x0_hat), and last Step(0, x_0, x_0).
        No noise is added on the way from x_1 to x_0.
    """
    shape = checks.sizes(shape, x_T)
    device = device_of(model) if x_T is None else x_T.device
    schedule = schedule.to(device)
    x_t = standard_noise(torch.empty(*shape, device=device), generator) if x_T is None else x_T
    for step in range(schedule.T, 0, -1):
        t = schedule.time(step, x_t)
        x0_hat = _predict_x0(x_t, evaluate(model, x_t, t), t, schedule, clip_x0)
        yield Step(step, x_t, x0_hat)
        p = _step_back(x0_hat, x_t, t, schedule, variance)
        x_t = p.sample(generator) if step > 1 else p.mean  # reverse.update
    yield Step(0, x_t, x_t)


def sample(
    model: Model,
    shape: Sequence[int],
    schedule: Schedule,
    variance: Variance = "beta_tilde",
    clip_x0: bool = True,
    generator: Chance = None,
    progress: bool = False,
) -> Tensor:
    """Draw ``shape[0]`` samples: run ``ancestral`` to its end.

    Args:
        progress: show a progress bar.

    Returns:
        x_0 of the given shape, on the model's device.
    """
    steps: Iterator[Step] = ancestral(model, shape, schedule, variance, clip_x0, generator)
    if progress:
        from tqdm.auto import tqdm

        steps = tqdm(steps, total=schedule.T + 1, desc="sampling", unit="step", leave=False)
    return deque(steps, maxlen=1).pop().x_t


def device_of(model: Model) -> torch.device:
    parameter = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return torch.device("cpu") if parameter is None else parameter.device


def evaluate(model: Model, x_t: Tensor, t: Tensor) -> Tensor:
    """model(x_t, t) without dropout; the mode that the caller set is put back."""
    if not (isinstance(model, nn.Module) and model.training):
        return checks.answer(model(x_t, t), x_t)
    model.eval()
    try:
        return checks.answer(model(x_t, t), x_t)
    finally:
        model.train()


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """``ddim`` and ``ddim_step`` stood here before they moved to ``solvers``; programs that
        people wrote still find them. (By name: this module lies below that one.)"""
        if name in ("ddim", "ddim_step"):
            return getattr(import_module("ddpm_course.solvers"), name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
