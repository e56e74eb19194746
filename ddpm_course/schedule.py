"""Noise schedules: how much noise each step of the forward process adds.

One convention for time, everywhere: t is the paper's t and runs over 1..T. Every array has
T + 1 entries, and entry 0 is clean data: beta[0] = 0, alpha_bar[0] = 1. So ``alpha_bar[t]``
is the paper's ᾱ_t with no shift, and ᾱ_{t-1} at t = 1 needs no special case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from ddpm_course import checks

__all__ = ["Schedule"]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The variances β_1..β_T of the forward process, and what follows from them.

    Args:
        beta: (T+1,) the noise variance of each step; ``beta[0] == 0`` and every other entry
            lies strictly between 0 and 1. Kept in float64: ᾱ_t is a product of up to T factors.

    Raises:
        ValueError: an entry is out of range or not finite, or there is no step at all.
    """

    beta: Tensor

    def __post_init__(self) -> None:
        beta = torch.as_tensor(self.beta, dtype=torch.float64)
        object.__setattr__(self, "beta", beta)
        if beta.ndim != 1 or len(beta) < 2:
            raise ValueError(
                f"beta has shape {tuple(beta.shape)}; a schedule needs a vector of T + 1 >= 2 "
                "entries: beta[0] = 0 for the clean data, then one variance a step."
            )
        if beta[0] != 0:
            raise ValueError(
                f"beta[0] is {beta[0].item():g}, but entry 0 stands for clean data and must be 0; "
                "put a 0 in front of your T variances."
            )
        bad = ~((beta[1:] > 0) & (beta[1:] < 1))  # NaN fails both, so it is caught too
        if bad.any():
            t = int(bad.nonzero()[0].item()) + 1
            raise ValueError(
                f"beta[{t}] is {beta[t].item():g}; every variance must lie strictly between 0 and "
                "1 (with few steps, lower beta_T)."
            )

    # -- the schedules of the literature ------------------------------------------------------

    @classmethod
    def linear(cls, T: int = 1000, beta_1: float = 1e-4, beta_T: float = 0.02) -> Schedule:
        """β rises linearly from ``beta_1`` to ``beta_T`` (Ho et al. 2020, section 4).

        The defaults belong to T = 1000. With fewer steps they leave much of the data in x_T:
        raise ``beta_T`` when you lower T.
        """
        _check_length(T)
        ramp = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
        return cls(torch.cat([torch.zeros(1), ramp]))

    @classmethod
    def cosine(cls, T: int = 1000, s: float = 0.008, beta_max: float = 0.999) -> Schedule:
        """ᾱ_t follows a squared cosine (Nichol & Dhariwal 2021, eq. 17).

        ᾱ_t = f(t) / f(0),  f(t) = cos²((t/T + s) / (1 + s) · π/2),  β_t = 1 - ᾱ_t / ᾱ_{t-1},
        with β_t cut off at ``beta_max`` because ᾱ_T would be 0.
        """
        _check_length(T)
        if not (math.isfinite(s) and s >= 0):
            raise ValueError(f"s is {s}; the offset of the cosine schedule must be 0 or more.")
        time = torch.arange(T + 1, dtype=torch.float64) / T
        f = torch.cos((time + s) / (1 + s) * math.pi / 2) ** 2
        beta = (1 - f[1:] / f[:-1]).clamp(max=beta_max)
        return cls(torch.cat([torch.zeros(1), beta]))

    # -- what follows from beta ---------------------------------------------------------------

    @property
    def T(self) -> int:
        """The number of steps."""
        return len(self.beta) - 1

    @cached_property
    def alpha(self) -> Tensor:
        """(T+1,) α_t = 1 - β_t, the share of the signal's variance that step t keeps."""
        return 1 - self.beta

    @cached_property
    def alpha_bar(self) -> Tensor:
        """(T+1,) ᾱ_t = α_1 α_2 ··· α_t, what is left after t steps (``marginal.alpha-bar``)."""
        return self.alpha.cumprod(0)

    @cached_property
    def beta_tilde(self) -> Tensor:
        """(T+1,) β̃_t = (1 - ᾱ_{t-1}) / (1 - ᾱ_t) · β_t, the posterior variance (Ho et al., eq. 7).

        β̃_1 = 0 by the formula: given x_0, there is nothing left to guess. Entry 0 is 0.
        """
        noise = 1 - self.alpha_bar
        beta_tilde = torch.zeros_like(self.beta)
        beta_tilde[1:] = noise[:-1] / noise[1:] * self.beta[1:]
        return beta_tilde

    @cached_property
    def snr(self) -> Tensor:
        """(T+1,) the signal-to-noise ratio ᾱ_t / (1 - ᾱ_t); infinite at t = 0."""
        return self.alpha_bar / (1 - self.alpha_bar)

    # -- reading the tables -------------------------------------------------------------------

    def time(self, t: int | Tensor, like: Tensor) -> Tensor:
        """The step(s) ``t`` as an int64 tensor of shape (B,), one for each item of ``like``.

        Args:
            t: an int for the whole batch, or (B,) integers, in 1..T.
            like: (B, ...) the batch that t belongs to.

        Raises:
            ValueError: t is not a whole number, not of shape (B,), or outside 1..T.
        """
        return self._steps(t, like, first=1)

    def at(self, values: Tensor, t: int | Tensor, like: Tensor) -> Tensor:
        """Look ``values`` up at ``t``, ready to multiply with ``like``.

        Args:
            values: (T+1,) one of the tables above, or anything computed from them.
            t: an int, or (B,) integers, in 0..T.
            like: (B, ...) gives the dtype, the device and the number of axes of the answer.

        Returns:
            (B, 1, ..., 1) in ``like``'s dtype, so that it broadcasts over all but the batch axis.
        """
        checks.floating(x=like)  # √ᾱ_t as a whole number would be 0
        if values.shape != self.beta.shape:
            raise ValueError(
                f"values has shape {tuple(values.shape)}; give one for each t in 0..{self.T}, "
                f"({self.T + 1},)."
            )
        t = self._steps(t, like, first=0)
        table = values.to(like.dtype).to(like.device)
        return table[t].view(-1, *[1] * (like.ndim - 1))

    def _steps(self, t: int | Tensor, like: Tensor, first: int) -> Tensor:
        if not like.ndim:
            raise ValueError("a single number is no batch; give (B, ...), as in x[None].")
        if isinstance(t, Tensor):
            if t.dtype not in (torch.int64, torch.int32):
                raise ValueError(f"t has dtype {t.dtype}; steps are counted: use torch.int64.")
            if t.shape != like.shape[:1]:
                raise ValueError(
                    f"t has shape {tuple(t.shape)}, but the batch has {len(like)} items; "
                    f"give one step for each, shape ({len(like)},)."
                )
            # Reading a value back from a GPU would stall it; there, indexing itself checks.
            low, high = t.aminmax() if t.is_cpu and len(t) else (first, self.T)
            outside = not (first <= int(low) and int(high) <= self.T)
        elif isinstance(t, int) and not isinstance(t, bool):
            outside = not first <= t <= self.T
        else:
            raise ValueError(f"t is {t!r}; give a whole number, or an int64 tensor of shape (B,).")
        if outside:
            found = t if isinstance(t, int) else f"{t.min().item()}..{t.max().item()}"
            raise ValueError(
                f"t is {found}, but this schedule's steps run over {first}..{self.T}."
                + (" (t = 0 is the data itself.)" if first == 1 else "")
            )
        if isinstance(t, int):
            return torch.full(like.shape[:1], t, device=like.device)
        return t.to(like.device, torch.int64)

    def to(self, device: torch.device | str) -> Schedule:
        """The same schedule with its tables on ``device``, so that look-ups there copy nothing.

        Tables are computed here in float64 first, and only then moved; Apple's GPUs have no
        float64 and get float32.
        """
        device = torch.device(device)
        dtype = torch.float32 if device.type == "mps" else torch.float64
        moved = object.__new__(Schedule)
        for name in ("beta", "alpha", "alpha_bar", "beta_tilde", "snr"):
            object.__setattr__(moved, name, getattr(self, name).to(dtype).to(device))
        return moved

    def __repr__(self) -> str:
        beta, alpha_bar = self.beta, self.alpha_bar
        return (
            f"Schedule(T={self.T}, beta={beta[1]:.2g}..{beta[-1]:.2g}, "
            f"alpha_bar_T={alpha_bar[-1]:.2g})"
        )


def _check_length(T: int) -> None:
    if not isinstance(T, int) or isinstance(T, bool) or T < 1:
        raise ValueError(f"T is {T!r}; a schedule needs a whole number of steps, at least 1.")
