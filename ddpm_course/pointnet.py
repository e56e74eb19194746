"""A small network for points in the plane, and the shortest loop that trains it, in seconds."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

from ddpm_course.loss import epsilon_loss
from ddpm_course.schedule import Schedule

__all__ = ["PointNet", "fit"]


class PointNet(nn.Module):
    """ε_θ for points in the plane: three layers, each of which is told the step t.

    Args:
        T: the last step; t runs over 1..T.
        width: how many numbers each layer makes.
    """

    def __init__(self, T: int, width: int = 64) -> None:
        super().__init__()
        self.time = nn.Embedding(T + 1, width)  # one learned vector for each step
        self.first = nn.Linear(2, width)
        self.second = nn.Linear(width, width)
        self.third = nn.Linear(width, width)
        self.last = nn.Linear(width, 2)

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """(B, 2) points and (B,) steps to (B, 2) guesses of the noise."""
        time = self.time(t)
        h = silu(self.first(x_t) + time)
        h = silu(self.second(h) + time)
        h = silu(self.third(h) + time)
        return self.last(h)


def fit(
    schedule: Schedule,
    x_0: Tensor,
    steps: int = 2000,
    batch: int = 768,
    generator: torch.Generator | None = None,
    loss: Callable[[PointNet, Tensor], Tensor] | None = None,
) -> tuple[PointNet, Tensor]:
    """Train a PointNet: take data, take a t, jump, guess, improve (Ho et al., algorithm 1).

    Its first weights are always the same ones.

    Args:
        x_0: (N, 2) the data, float32.
        steps: how many training steps.
        batch: how many points each step looks at.
        loss: called as loss(model, some_x_0); the ``epsilon_loss`` when it is left out.

    Returns:
        The network, and (steps,) the loss of each step.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = PointNet(schedule.T)
    optimizer = torch.optim.Adam(model.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=steps)
    losses = torch.empty(steps)
    for step in range(steps):
        some = x_0[torch.randint(len(x_0), (batch,), generator=generator)]
        if loss is None:
            value = epsilon_loss(model, some, schedule, generator=generator)
        else:
            value = loss(model, some)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        rate.step()
        losses[step] = value.detach()
    return model.eval(), losses
