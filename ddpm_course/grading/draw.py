"""Random questions from a seed: what the tasks' cases are drawn with."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["betas", "generator", "noise", "points", "steps"]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def betas(g: torch.Generator, T: int = 12) -> Tensor:
    """(T+1,) float64: a rough schedule with beta[0] = 0, far enough from every wrong one."""
    beta = 0.05 + 0.3 * torch.rand(T + 1, generator=g, dtype=torch.float64)
    beta[0] = 0
    return beta


def steps(g: torch.Generator, B: int, T: int) -> Tensor:
    """(B,) int64 in 1..T: the first is in the middle, 1 and T are among them."""
    t = torch.randint(2, T, (B,), generator=g)
    t[1], t[2] = T, 1
    return t


def noise(g: torch.Generator, *shape: int) -> Tensor:
    """float32 from N(0, 1)."""
    return torch.randn(shape, generator=g)


def points(
    seed: int, *ranges: tuple[float, float], count: int = 6
) -> tuple[tuple[float, ...], ...]:
    """``count`` points for each symbol, each drawn from its range."""
    rng = np.random.default_rng(seed)
    return tuple(tuple(rng.uniform(low, high, count).tolist()) for low, high in ranges)
