"""Gaussians with independent coordinates: the only distributions that DDPM needs.

The functions of this course return distributions; you decide whether to look at them
(``mean``, ``var``), draw from them (``sample``) or compare them (``kl``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ddpm_course import checks

__all__ = ["Chance", "Gaussian", "standard_noise"]

# Where randomness comes from: one generator for a batch, or one for each of its items, so that an
# item does not depend on what is drawn beside it; or torch's own.
Chance = torch.Generator | Sequence[torch.Generator] | None


def standard_noise(like: Tensor, generator: Chance = None) -> Tensor:
    """ε ~ N(0, I) of ``like``'s shape, dtype and device.

    The numbers are drawn on the generator's own device and then moved, so that a CPU generator
    gives the same noise on every machine.

    Args:
        like: (B, ...).
        generator: one, or B of them: each draws the noise of its own item.

    Raises:
        ValueError: there are not as many generators as items.
    """
    if isinstance(generator, Sequence):
        if len(generator) != len(like):
            raise ValueError(f"{len(generator)} generators for {len(like)} items; give one each.")
        return torch.stack([standard_noise(x, g) for x, g in zip(like, generator)])
    device = like.device if generator is None else generator.device
    return torch.randn(like.shape, generator=generator, dtype=like.dtype, device=device).to(
        like.device
    )


class Gaussian(NamedTuple):
    """N(mean, var · I). ``mean`` and ``var`` have one shape, or one stretches to the other's;
    ``var`` >= 0. Other shapes, and whole numbers, are refused where they are used: ValueError."""

    mean: Tensor
    var: Tensor

    def sample(self, generator: Chance = None) -> Tensor:
        """Draw mean + √var · ε, with ε ~ N(0, I) (``forward.reparameterization``)."""
        shape = checks.together(mean=self.mean, var=self.var)
        return self.mean + self.var.sqrt() * standard_noise(self.mean.expand(shape), generator)

    def log_prob(self, x: Tensor) -> Tensor:
        """log N(x; mean, var) of each coordinate, in nats (their sum: the joint). var > 0."""
        checks.together(x=x, mean=self.mean, var=self.var)
        return -0.5 * ((x - self.mean) ** 2 / self.var + torch.log(2 * math.pi * self.var))

    def kl(self, other: Gaussian) -> Tensor:
        """KL(self ‖ other) of each coordinate, in nats (``loss.kl-gaussians``). Needs var > 0."""
        checks.together(mean=self.mean, var=self.var, others_mean=other.mean, others_var=other.var)
        # r - log(1 + r) keeps its digits where the variances are close; σ₁²/σ₂² - 1 loses them.
        r = (self.var - other.var) / other.var
        # loss.kl-gaussians
        return 0.5 * ((self.mean - other.mean) ** 2 / other.var + r - torch.log1p(r))
