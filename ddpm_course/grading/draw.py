"""Random questions from a seed: what the tasks' cases are drawn with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

__all__ = [
    "IMAGES",
    "SIZES",
    "Denoiser",
    "Drift",
    "Labeled",
    "Mix",
    "PerStep",
    "Refused",
    "Tiny",
    "betas",
    "citations",
    "generator",
    "noise",
    "points",
    "steps",
]


# (B, T) of two questions: an answer into which a size is written is not right in one of them.
SIZES = ((6, 12), (5, 9))
# The same for images: (B, C, H, W), and T.
IMAGES = (((6, 1, 4, 4), 12), ((5, 1, 3, 6), 9))


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


class Refused(TypeError):
    """The model was given float64, which a network's float32 weights cannot take."""

    SENTENCE = (
        "The model was given float64; a network computes in float32. The tables are float64: "
        "take `alpha_bar[t].float()` before it meets the data."
    )

    def __init__(self) -> None:
        super().__init__(self.SENTENCE)


@dataclass(frozen=True, eq=False)
class Denoiser:
    """The exact ε_θ for data N(0, variance): it stands in for a trained network.

    Called as model(x_t, t) with t of shape (B,), as every network of the course is.
    """

    alpha_bar: Tensor
    variance: float = 0.3
    trained: bool = False  # whether its answer carries a gradient, as a network's in training

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        if not isinstance(t, Tensor) or t.shape != x_t.shape[:1]:
            got = f"shape {tuple(t.shape)}" if isinstance(t, Tensor) else type(t).__name__
            raise TypeError(
                f"the model was given t as {got}; it needs one step for each item, (B,)"
            )
        if x_t.dtype == torch.float64:
            raise Refused
        share = self.alpha_bar[t].to(x_t.dtype).view(-1, *[1] * (x_t.ndim - 1))
        seen = (1 - share).sqrt() * x_t / (share * self.variance + 1 - share)
        return seen * torch.ones((), requires_grad=True) if self.trained else seen


@dataclass(frozen=True, eq=False)
class Drift:
    """The exact velocity of a flow for data N(mean, variance): it stands in for a trained network.

    Called as model(x_u, u) with u of shape (B,), from 0 (data) to 1 (noise).
    """

    variance: float = 0.3
    mean: float = 0.5
    trained: bool = False  # whether its answer carries a gradient, as a network's in training

    def __call__(self, x_u: Tensor, u: Tensor) -> Tensor:
        if not isinstance(u, Tensor) or u.shape != x_u.shape[:1]:
            got = f"shape {tuple(u.shape)}" if isinstance(u, Tensor) else type(u).__name__
            raise TypeError(
                f"the model was given u as {got}; it needs one time for each item, (B,)"
            )
        if x_u.dtype == torch.float64:
            raise Refused
        u = u.to(x_u.dtype).view(-1, *[1] * (x_u.ndim - 1))
        slope = (u - (1 - u) * self.variance) / ((1 - u) ** 2 * self.variance + u**2)
        speed = slope * (x_u - (1 - u) * self.mean) - self.mean
        return speed * torch.ones((), requires_grad=True) if self.trained else speed


class Tiny(nn.Module):
    """A network of three numbers: ε_θ(x_t, t) = (a + b t/T) x_t + c. Enough to be trained."""

    def __init__(self, T: int) -> None:
        super().__init__()
        self.T = T
        self.weight = nn.Parameter(torch.tensor([0.1, -0.2, 0.3]))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        if x_t.dtype == torch.float64:
            raise Refused
        a, b, c = self.weight
        return (a + b * t.view(-1, *[1] * (x_t.ndim - 1)) / self.T) * x_t + c


class PerStep(nn.Module):
    """A network of one number for each step, 0 at first: ε_θ(x_t, t) = w[t] x_t."""

    def __init__(self, T: int) -> None:
        super().__init__()
        self.T = T
        self.weight = nn.Parameter(torch.zeros(T + 1))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        if x_t.dtype == torch.float64:
            raise Refused
        return self.weight[t].view(-1, *[1] * (x_t.ndim - 1)) * x_t


@dataclass(frozen=True, eq=False)
class Labeled:
    """The exact ε_θ for data of several kinds, kind k being N(means[k], variance).

    Called as model(x_t, t, label), with x_t (B, D), and t and label (B,).
    """

    alpha_bar: Tensor
    means: Tensor
    variance: float = 0.05

    def __call__(self, x_t: Tensor, t: Tensor, label: Tensor) -> Tensor:
        for name, given in (("t", t), ("label", label)):
            if not isinstance(given, Tensor) or given.shape != x_t.shape[:1]:
                raise TypeError(f"the model needs one {name} for each item, of shape (B,)")
        if x_t.dtype == torch.float64:
            raise Refused
        share = self.alpha_bar[t].float()[:, None]
        away = x_t - share.sqrt() * self.means[label]
        return (1 - share).sqrt() * away / (share * self.variance + 1 - share)


@dataclass(frozen=True, eq=False)
class Mix:
    """A layer that mixes channels: tanh of a matrix (C_out, C_in) at each place of (B, C, H, W)."""

    matrix: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        return torch.einsum("oc,bchw->bohw", self.matrix, x).tanh()


def citations(seed: int, papers: int = 12) -> dict[str, list[str]]:
    """Which papers each paper refers to: only older ones, and names tell nothing of age.

    Papers come in the order of their names; the first two written refer to nothing. Each other
    refers to a recent one, so that histories are long, and to up to two more.
    """
    rng = np.random.default_rng(seed)
    by_age = [chr(ord("A") + index) for index in rng.permutation(papers)]
    references: dict[str, list[str]] = {name: [] for name in sorted(by_age)}
    for age in range(2, papers):
        recent = age - 1 - int(rng.integers(min(age, 4)))
        chosen = {recent, *rng.choice(age, size=int(rng.integers(3)), replace=False).tolist()}
        references[by_age[age]] = sorted(by_age[index] for index in chosen)
    return references
