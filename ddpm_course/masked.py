"""Masked diffusion: pixels, or letters, are masked one after another, and guessed again.

There is no noise: x_t holds for each place one of K values, 0..K-1, or K, the mask. A place is
masked once, and stays so; ᾱ_t is the share that is still open after t steps (Austin et al. 2021,
arXiv:2107.03006; Sahoo et al. 2024, arXiv:2406.07524; Shi et al. 2024, arXiv:2406.04329).

    >>> import torch
    >>> from ddpm_course import masked
    >>> x_0 = torch.tensor([[0, 1, 1, 0]])
    >>> masked.hide(x_0, 4, masked.even(4), values=2).tolist()
    [[2, 2, 2, 2]]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ddpm_course import checks

__all__ = [
    "Guesser",
    "Step",
    "back",
    "bound",
    "even",
    "hide",
    "opened",
    "sample",
    "step_loss",
    "train",
]

Network = Callable[[Tensor], Tensor]  # (B, N) places to (B, N, K) logits


class Step(NamedTuple):
    """Where the sampler stands."""

    t: int
    x_t: Tensor  # (B, N), K where a place is masked


# -- masking -----------------------------------------------------------------------------------


def even(T: int) -> Tensor:
    """(T+1,) ᾱ_t = 1 - t/T: as many places are masked in each step (``masked.even``).

    Raises:
        ValueError: T is no whole number of at least 1.
    """
    if isinstance(T, bool) or not isinstance(T, int) or T < 1:
        raise ValueError(f"T is {T!r}; masking needs a whole number of at least 1 step.")
    return 1 - torch.arange(T + 1, dtype=torch.float64) / T


def _falling(alpha_bar: Tensor) -> Tensor:
    """The shares that are open, checked."""
    if alpha_bar.ndim != 1 or len(alpha_bar) < 2 or alpha_bar[0] != 1:
        raise ValueError(
            f"alpha_bar has shape {tuple(alpha_bar.shape)}; give the T + 1 shares that are open "
            "after 0..T steps, the first of them 1: masked.even(T) makes such."
        )
    if not ((alpha_bar[1:] < alpha_bar[:-1]).all() and alpha_bar[-1] >= 0):
        raise ValueError(
            "alpha_bar does not fall; more places are masked after each step, so give shares that "
            "fall from 1 to 0: masked.even(T) makes such."
        )
    return alpha_bar


def _time(t: int | Tensor, x: Tensor, alpha_bar: Tensor) -> Tensor:
    """t, checked, as (B,)."""
    t = torch.as_tensor(t, device=x.device)
    t = t.expand(len(x)) if t.ndim == 0 else t
    if t.shape != x.shape[:1]:
        raise ValueError(f"t has shape {tuple(t.shape)}; give one time for each of {len(x)} items.")
    if not ((t >= 1) & (t < len(alpha_bar))).all():
        bad = int(t[~((t >= 1) & (t < len(alpha_bar)))][0])
        raise ValueError(f"t is {bad}; a step has a number in 1..{len(alpha_bar) - 1}.")
    return t


def hide(
    x_0: Tensor,
    t: int | Tensor,
    alpha_bar: Tensor,
    values: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Draw x_t ~ q(x_t | x_0): each place stays open with the chance ᾱ_t (``masked.open``).

    Args:
        x_0: (B, N) whole numbers in 0..values - 1.
        t: a number, or (B,) numbers, in 1..T.
        alpha_bar: (T+1,) the shares that are open.
        values: K; the number K itself is the mask.

    Raises:
        ValueError: t is outside 1..T, or x_0 holds something else than these values.
    """
    if x_0.is_floating_point() or x_0.numel() == 0 or x_0.min() < 0 or x_0.max() >= values:
        raise ValueError(
            f"x_0 has to hold whole numbers in 0..{values - 1}, and at least one; it is "
            f"{x_0.dtype} of shape {tuple(x_0.shape)}."
        )
    kept = _falling(alpha_bar)[_time(t, x_0, alpha_bar)].reshape(-1, *[1] * (x_0.ndim - 1))
    chance = torch.rand(x_0.shape, generator=generator, dtype=kept.dtype)
    return torch.where(chance < kept, x_0, values)  # masked.open


def opened(alpha_bar: Tensor) -> Tensor:
    """(T+1,) (ᾱ_{t-1} - ᾱ_t) / (1 - ᾱ_t), the chance that the step back from t opens a place that
    is masked (``masked.reveal``); 0 at t = 0."""
    alpha_bar = _falling(alpha_bar)
    out = torch.zeros_like(alpha_bar)
    out[1:] = (alpha_bar[:-1] - alpha_bar[1:]) / (1 - alpha_bar[1:])
    return out


# -- the loss ----------------------------------------------------------------------------------


def step_loss(
    logits: Tensor, x_0: Tensor, x_t: Tensor, t: int | Tensor, alpha_bar: Tensor
) -> Tensor:
    """(B,) what the step back from t costs, in nats: a share of the cross-entropy at the places
    that are masked, (ᾱ_{t-1} - ᾱ_t) / (1 - ᾱ_t) Σ -log p̂  (``masked.divergence``).

    Args:
        logits: (B, N, K) what the network says of x_t.
        x_0, x_t: (B, N).
    """
    if not x_0.shape == x_t.shape == logits.shape[:-1]:
        raise ValueError(
            f"x_0 has shape {tuple(x_0.shape)}, x_t {tuple(x_t.shape)}, the logits "
            f"{tuple(logits.shape)}; give (B, N), (B, N) and (B, N, K)."
        )
    surprise = F.cross_entropy(logits.flatten(0, 1), x_0.flatten(), reduction="none")
    masked = x_t == logits.shape[-1]
    share = opened(alpha_bar)[_time(t, x_0, alpha_bar)].to(logits.dtype)
    return share * (surprise.reshape(x_0.shape) * masked).sum(1)  # masked.divergence


@torch.no_grad()
def bound(
    network: Network,
    x_0: Tensor,
    alpha_bar: Tensor,
    generator: torch.Generator | None = None,
) -> Tensor:
    """(B,) an estimate of the bound on -log p(x_0), in nats: the cost of all T steps, each at a
    mask of its own (``masked.loss``).

    Args:
        network: called as network(x_t); gives logits (B, N, K).
        x_0: (B, N).
    """
    values = network(x_0[:1]).shape[-1]
    total = torch.zeros(len(x_0))
    for t in range(1, len(_falling(alpha_bar))):
        x_t = hide(x_0, t, alpha_bar, values, generator)
        total += step_loss(network(x_t), x_0, x_t, t, alpha_bar)
    return total


# -- a network, and its training ---------------------------------------------------------------


class Guesser(nn.Module):
    """Guesses the value of each place from all that is open. It is not told the time: what it sees
    shows how much is masked.

    Args:
        places: N.
        values: K.
        width: of its two hidden layers.
    """

    def __init__(self, places: int, values: int, width: int = 256) -> None:
        super().__init__()
        self.places, self.values = places, values
        self.layers = nn.Sequential(
            nn.Linear(places * (values + 1), width),
            nn.SiLU(),
            nn.Linear(width, width),
            nn.SiLU(),
            nn.Linear(width, places * values),
        )

    def forward(self, x_t: Tensor) -> Tensor:
        shown = F.one_hot(x_t, self.values + 1).float().flatten(1)
        return self.layers(shown).reshape(-1, self.places, self.values)


def train(
    x_0: Tensor,
    values: int,
    steps: int = 2000,
    batch: int = 128,
    width: int = 256,
    learning_rate: float = 2e-3,
    seed: int = 0,
) -> Guesser:
    """A network that guesses what is masked: at a random t of each item, the cost of that step.

    Args:
        x_0: (B, N) the data, whole numbers in 0..values - 1.
        seed: the first weights, and all chance.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(checks.seed(seed))
        network = Guesser(x_0.shape[1], values, width)
    generator = torch.Generator().manual_seed(seed)
    alpha_bar = even(x_0.shape[1])
    T = len(alpha_bar) - 1
    optimizer = torch.optim.Adam(network.parameters(), learning_rate)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    for _ in range(steps):
        drawn = x_0[torch.randint(len(x_0), (batch,), generator=generator)]
        t = torch.randint(1, T + 1, (batch,), generator=generator)
        x_t = hide(drawn, t, alpha_bar, values, generator)
        # The mean over t, times T, is the sum; per place, so that all sizes learn alike.
        loss = T * step_loss(network(x_t), drawn, x_t, t, alpha_bar).mean() / x_0.shape[1]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
    return network.eval()


# -- sampling ----------------------------------------------------------------------------------


def back(chances: Tensor, t: int | Tensor, alpha_bar: Tensor) -> Tensor:
    """(B, N, K+1) the law of a masked place after the step back from t: each value as often as q
    opens a place times what the network says, or still the mask, which stands last
    (``masked.model``, ``masked.model-stay``).

    Args:
        chances: (B, N, K) the network's, with the sum 1 at each place.
    """
    share = opened(alpha_bar)[_time(t, chances, alpha_bar)].to(chances.dtype)
    share = share.reshape(-1, *[1] * (chances.ndim - 1))
    stays = (1 - share).expand(*chances.shape[:-1], 1)
    return torch.cat([share * chances, stays], -1)


@torch.no_grad()
def sample(
    network: Network,
    x_T: Tensor,
    alpha_bar: Tensor,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Open what is masked, a share in each step.

    Args:
        network: called as network(x_t); gives logits (B, N, K).
        x_T: (B, N) all masked; or with some places open, which stay as they are.
        alpha_bar: (T+1,) the shares that are open after 0..T steps of masking; the last is 0.

    Yields:
        Step(T, x_T), ..., Step(0, x_0): in the last no place is masked.

    Raises:
        ValueError: the last share is not 0, so that it would not be known what to begin with.
    """
    if _falling(alpha_bar)[-1] != 0:
        raise ValueError(
            f"alpha_bar ends at {float(alpha_bar[-1]):g}; sampling begins where all is masked, so "
            "give shares that end at 0."
        )
    x_t = x_T
    yield Step(len(alpha_bar) - 1, x_t)
    for t in range(len(alpha_bar) - 1, 0, -1):
        law = back(network(x_t).softmax(-1), t, alpha_bar)
        drawn = torch.multinomial(law.flatten(0, 1), 1, generator=generator).reshape(x_t.shape)
        x_t = torch.where(x_t == law.shape[-1] - 1, drawn, x_t)
        yield Step(t - 1, x_t)
