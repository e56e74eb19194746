"""Data that need no download: real digits, and point clouds in the plane.

Every set is standardized for diffusion: images lie in [-1, 1], clouds have about unit variance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from importlib.resources import files
from typing import Literal

import torch
from torch import Tensor

from ddpm_course import checks
from ddpm_course.schedule import Schedule

__all__ = [
    "CLOUDS",
    "Mixture",
    "digit_labels",
    "digits",
    "eight_gaussians",
    "swiss_roll",
    "two_moons",
]

Split = Literal["train", "test", "all"]


def digits(split: Split = "train") -> Tensor:
    """The 8x8 handwritten digits that ship with scikit-learn (Alpaydin & Kaynak 1998).

    A pixel counts 0..16 ink dots of a 4x4 cell; we map it to [-1, 1] as dots / 8 - 1.

    Args:
        split: "train" (1,437 digits), "test" (the other 360), or "all". The split is fixed, and
            each digit has the same share of both.

    Returns:
        (N, 1, 8, 8) float32 on a grid of 17 values in [-1, 1].
    """
    rows = _table()[_split(split)]
    return rows[:, :-1].view(-1, 1, 8, 8).float() / 8 - 1


def digit_labels(split: Split = "train") -> Tensor:
    """(N,) int64: which digit each image of ``digits(split)`` shows, 0..9."""
    return _table()[_split(split), -1].long()


@cache
def _table() -> Tensor:
    """(1797, 65) uint8: the ink dots of each digit, and which digit it is.

    scikit-learn's own file is read without importing scikit-learn, which takes seconds.
    """
    import numpy as np

    file = distribution("scikit-learn").locate_file("sklearn/datasets/data/digits.csv.gz")
    return torch.from_numpy(np.loadtxt(str(file), dtype=np.uint8, delimiter=","))


def _split(split: Split) -> Tensor:
    everyone = torch.arange(len(_table()))
    if split == "all":
        return everyone
    if split not in ("train", "test"):
        raise ValueError(f"split is {split!r}; choose 'train', 'test' or 'all'.")
    lines = files("ddpm_course").joinpath("assets", "digits-test.txt").read_text().splitlines()
    held_out = torch.tensor([int(row) for line in lines[2:] for row in line.split()])
    return held_out if split == "test" else everyone[~torch.isin(everyone, held_out)]


def two_moons(n: int, generator: torch.Generator | None = None) -> Tensor:
    """(n, 2) two interleaved half circles with a little noise."""
    _check_count(n)
    angle = math.pi * torch.rand(n, generator=generator)
    upper = torch.rand(n, generator=generator) < 0.5
    x = torch.where(upper, angle.cos(), 1 - angle.cos())
    y = torch.where(upper, angle.sin(), 0.5 - angle.sin())
    points = torch.stack([x, y], dim=1) + 0.05 * torch.randn(n, 2, generator=generator)
    return (points - torch.tensor([0.5, 0.25])) * torch.tensor([1.15, 2.0])


def swiss_roll(n: int, generator: torch.Generator | None = None) -> Tensor:
    """(n, 2) a spiral: the cross-section of a Swiss roll."""
    _check_count(n)
    angle = 1.5 * math.pi * (1 + 2 * torch.rand(n, generator=generator))
    points = torch.stack([angle * angle.cos(), angle * angle.sin()], dim=1)
    noise = torch.randn(n, 2, generator=generator)
    return (points - torch.tensor([2.0, 0.2])) / 7 + 0.03 * noise


def eight_gaussians(n: int, generator: torch.Generator | None = None) -> Tensor:
    """(n, 2) eight small round clouds on a circle."""
    return Mixture.ring(8).sample(n, generator)


CLOUDS: dict[str, Callable[..., Tensor]] = {
    "two_moons": two_moons,
    "swiss_roll": swiss_roll,
    "eight_gaussians": eight_gaussians,
}


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of round Gaussians, whose noised density, score and best ε are known exactly.

    It is an oracle: a network can be compared with the answer that no network can beat.

    Args:
        weights: (K,) positive, summing to 1.
        means: (K, D).
        variances: (K,) positive.
    """

    weights: Tensor
    means: Tensor
    variances: Tensor

    def __post_init__(self) -> None:
        checks.floating(weights=self.weights, means=self.means, variances=self.variances)
        shapes = [tuple(x.shape) for x in (self.weights, self.means, self.variances)]
        if self.means.ndim != 2 or not shapes[0] == shapes[2] == (len(self.means),):
            raise ValueError(
                f"weights, means and variances have shapes {shapes[0]}, {shapes[1]} and "
                f"{shapes[2]}; give (K,), (K, D) and (K,): one of each for every component."
            )
        if not (self.weights > 0).all() or not abs(float(self.weights.sum()) - 1) <= 1e-5:
            raise ValueError(f"weights is {self.weights.tolist()}; they must be positive, sum 1.")
        if not (self.variances > 0).all():
            raise ValueError(f"variances is {self.variances.tolist()}; all must be positive.")

    @classmethod
    def ring(cls, count: int, radius: float = 1.35, std: float = 0.12) -> Mixture:
        """``count`` equal clouds, evenly spaced on a circle in the plane."""
        angle = 2 * math.pi * torch.arange(count) / count
        means = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
        return cls(torch.full((count,), 1 / count), means, torch.full((count,), std**2))

    def sample(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """(n, D) independent draws."""
        _check_count(n)
        k = torch.multinomial(self.weights, n, replacement=True, generator=generator)
        noise = torch.randn(n, self.means.shape[1], generator=generator, dtype=self.means.dtype)
        return self.means[k] + self.variances[k].sqrt()[:, None] * noise

    def noised(self, t: int, schedule: Schedule) -> Mixture:
        """q(x_t): each component N(m, v) becomes N(√ᾱ_t m, ᾱ_t v + 1 - ᾱ_t). t in 0..T."""
        if not 0 <= t <= schedule.T:
            raise ValueError(f"t is {t}; this schedule's steps run over 0..{schedule.T}.")
        alpha_bar = schedule.alpha_bar[t].to(self.means.dtype)
        return Mixture(
            self.weights,
            alpha_bar.sqrt() * self.means,
            alpha_bar * self.variances + 1 - alpha_bar,
        )

    def log_prob(self, x: Tensor) -> Tensor:
        """(n,) log density at x (n, D)."""
        return self._log_joint(x).logsumexp(dim=1)

    def score(self, x: Tensor) -> Tensor:
        """(n, D) ∇ log density: the pull towards each mean, weighted by its responsibility."""
        responsibility = self._log_joint(x).softmax(dim=1)  # (n, K)
        pull = (self.means - x[:, None]) / self.variances[:, None]  # (n, K, D)
        return (responsibility[:, :, None] * pull).sum(dim=1)

    def eps(self, schedule: Schedule) -> Callable[[Tensor, Tensor], Tensor]:
        """The best ε_θ(x_t, t): E[ε | x_t] = -√(1 - ᾱ_t) ∇ log q(x_t)  (``loss.score``)."""

        def model(x_t: Tensor, t: Tensor) -> Tensor:
            checks.floating(x_t=x_t)
            out = torch.empty_like(x_t)
            for step in t.unique().tolist():
                here, noised = t == step, self.noised(step, schedule)
                noise = (1 - schedule.alpha_bar[step]).sqrt().to(x_t)
                out[here] = -noise * noised.score(x_t[here])
            return out

        return model

    def _log_joint(self, x: Tensor) -> Tensor:
        """(n, K) log(weight_k · N(x; mean_k, variance_k I))."""
        checks.floating(x=x)
        if x.ndim != 2 or x.shape[1] != self.means.shape[1]:
            raise ValueError(f"x has shape {tuple(x.shape)}; give (n, {self.means.shape[1]}).")
        distance = ((x[:, None] - self.means) ** 2).sum(dim=2)  # (n, K)
        log_normal = -0.5 * (
            distance / self.variances + x.shape[1] * torch.log(2 * math.pi * self.variances)
        )
        return self.weights.log() + log_normal


def _check_count(n: int) -> None:
    if n < 1:
        raise ValueError(f"n is {n}; ask for at least one point.")
