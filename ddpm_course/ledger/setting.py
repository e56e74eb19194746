"""What every binding needs: a schedule with random data, a network, and where noise comes from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from ddpm_course import (
    data,
    reverse,
    schedule,
)
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic import reverse as sym_reverse
from ddpm_course.symbolic.claim import Claim

TOLERANCE = 1e-10  # the largest relative error that is accepted in float64

Pair = tuple[Any, Any]  # what torch computes, what the claim says: (T, d), or (T, 1)

VARIANCES: tuple[reverse.Variance, ...] = ("beta_tilde", "beta")
SCHEDULE_AT = "Schedule.at"


class Setting:
    """A schedule, and random data for all of its steps at once: row t - 1 belongs to step t.

    Bindings that need the same of the package share it (``once``), so a setting belongs to the
    functions as they are: after a function was exchanged it takes a new one.
    """

    def __init__(self, name: str) -> None:
        kind, length = name.split("-")
        self.name = name
        self.schedule = getattr(schedule.Schedule, kind)(int(length))
        rng = np.random.default_rng(7)
        noise = torch.from_numpy(rng.standard_normal((5, int(length), 3)))
        self.x_0, self.x_t, self.eps, self.eps_hat, self.z = noise
        self.t = torch.arange(1, int(length) + 1)
        self.beta = self.schedule.beta.numpy()
        self.length = int(length)
        self.read: set[str] = set()  # the claims that were evaluated
        self._made: dict[Any, Any] = {}

    def once(self, name: Any, make: Callable[[], Any]) -> Any:
        """What ``make`` makes, when it is asked for the first time."""
        if name not in self._made:
            self._made[name] = make()
        return self._made[name]

    def numeric(self, claim: Claim, given: Mapping[Any, Any] | None = None, **at: Any) -> Any:
        """The right side of a claim at every t; ``given`` as for ``Claim.numeric``."""
        self.read.add(claim.name)
        values = {key: np.asarray(value) for key, value in (given or {}).items()}
        return claim.numeric(self.beta, values, **at)

    def column(self, table: Tensor) -> Tensor:
        """A table of the schedule at t = 1..T."""
        return table[1:, None]


class Binding(NamedTuple):
    """What computes a claim: names of functions, and the two results to compare.

    ``tolerance`` is the largest relative error that is accepted: more where a function computes in
    float32.
    """

    functions: tuple[str, ...]
    pairs: Callable[[Claim, Setting], Iterator[Pair]]
    tolerance: float = TOLERANCE


def network(x_t: Tensor, t: Tensor) -> Tensor:
    """A network in closed form, so that claims can be evaluated with the same one."""
    return torch.sin(2 * x_t) + 0.3 * torch.cos(0.1 * t).view(-1, *[1] * (x_t.ndim - 1))


def noise(shape: Any, generator: torch.Generator, dtype: Any = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=dtype)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def both(distribution: Any, said: tuple[Any, Any]) -> Iterator[Pair]:
    """Mean and variance of a Gaussian, torch's and the claim's."""
    yield distribution.mean, said[0]
    yield distribution.var, said[1]


def gaussian_data(s: Setting) -> tuple[data.Mixture, dict[Any, Any]]:
    mean, deviation = 0.4, 0.7
    mixture = data.Mixture(
        torch.ones(1, dtype=torch.float64),
        torch.full((1, 3), mean, dtype=torch.float64),
        torch.tensor([deviation**2], dtype=torch.float64),
    )
    return mixture, {sym_reverse.m: mean, sym_reverse.spread: deviation, nt.x(nt.t): s.x_t}


def noised(s: Setting) -> list[data.Mixture]:
    """The Gaussian data after 0, 1, ..., T steps."""
    mixture, _ = gaussian_data(s)
    every = range(s.length + 1)
    return s.once("noised", lambda: [mixture.noised(t, s.schedule) for t in every])


def best_noise(s: Setting, farther: int = 0) -> Tensor:
    """E[ε | x_t] for the Gaussian data, at x_t or, ``farther`` = 1, at x_t + 1."""
    model = gaussian_data(s)[0].eps(s.schedule)
    both = s.once(
        "best noise",
        lambda: model(torch.cat([s.x_t, s.x_t + 1]), s.t.repeat(2)).chunk(2),
    )
    found: Tensor = both[farther]
    return found
