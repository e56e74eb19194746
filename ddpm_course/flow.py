"""Flow matching: straight paths from data to noise, and a network that learns how fast to move
(Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023, arXiv:2209.03003).

The time of a flow is u, any number from 0 (data) to 1 (noise). It is no step number: t runs over
1..T, here as everywhere. What the network learns is the velocity dx/du.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from ddpm_course import checkpoint, checks
from ddpm_course.data import digits
from ddpm_course.gaussian import Chance, standard_noise
from ddpm_course.marginal import predict_x0 as x0_of_noise
from ddpm_course.reverse import Model, device_of, evaluate
from ddpm_course.schedule import Schedule
from ddpm_course.trainer import TrainConfig, Trainer
from ddpm_course.unet import UNet, UNetConfig

__all__ = [
    "FlowTrainer",
    "Step",
    "Velocity",
    "as_flow",
    "as_noise",
    "euler",
    "flow_loss",
    "load",
    "pair",
    "path",
    "predict_eps",
    "predict_x0",
    "save",
    "shares",
    "straightness",
    "times",
    "train",
    "uniform_u",
    "velocity",
]

TICKS = 1000  # a network is told the time in thousandths, so that it can be one that takes a step t
COMMAND = "from ddpm_course import flow; flow.save(flow.train(), 'flow.safetensors')"


class Step(NamedTuple):
    """Where the sampler stands: x_u, and the x_0 that the model sees in it."""

    u: float
    x_u: Tensor
    x0_hat: Tensor


# -- the straight path -------------------------------------------------------------------------


def _time(u: float | Tensor, x: Tensor) -> Tensor:
    """u, checked, as (B,) of x's kind and on its device."""
    u = torch.as_tensor(u, dtype=x.dtype, device=x.device)
    u = u.expand(len(x)) if u.ndim == 0 else u
    if u.shape != x.shape[:1]:
        raise ValueError(f"u has shape {tuple(u.shape)}; give one time for each of {len(x)} items.")
    if not ((u >= 0) & (u <= 1)).all():
        bad = u[~((u >= 0) & (u <= 1))][0]
        raise ValueError(
            f"u is {float(bad):g}; the time of a flow runs from 0 (data) to 1 (noise)."
        )
    return u


def _beside(u: Tensor, x: Tensor) -> Tensor:
    """(B,) as (B, 1, ..., 1), to be multiplied with x."""
    return u.to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))


def path(x_0: Tensor, eps: Tensor, u: float | Tensor) -> Tensor:
    """x_u = (1 - u) x_0 + u ε, the point at time u of the line from x_0 to ε (``flow.path``).

    Args:
        x_0, eps: (B, ...) the data, and the noise.
        u: a number, or (B,) numbers, from 0 to 1.

    Raises:
        ValueError: u is outside 0..1, or the shapes differ.
    """
    checks.agree(x_0=x_0, eps=eps)
    u = _beside(_time(u, x_0), x_0)
    return (1 - u) * x_0 + u * eps


def velocity(x_0: Tensor, eps: Tensor) -> Tensor:
    """dx_u/du = ε - x_0, the same all along the line (``flow.velocity``)."""
    checks.agree(x_0=x_0, eps=eps)
    return eps - x_0


def predict_x0(x_u: Tensor, speed: Tensor, u: float | Tensor) -> Tensor:
    """x_0 = x_u - u dx_u/du: where the line begins (``flow.x0-from-velocity``)."""
    checks.agree(x_u=x_u, speed=speed)
    return x_u - _beside(_time(u, x_u), x_u) * speed


def predict_eps(x_u: Tensor, speed: Tensor, u: float | Tensor) -> Tensor:
    """ε = x_u + (1 - u) dx_u/du: where the line ends (``flow.eps-from-velocity``)."""
    checks.agree(x_u=x_u, speed=speed)
    return x_u + (1 - _beside(_time(u, x_u), x_u)) * speed


# -- training ----------------------------------------------------------------------------------


def uniform_u(batch: int, generator: torch.Generator | None = None) -> Tensor:
    """(batch,) times, uniform on the thousandths 0.001, 0.002, ..., 1."""
    device = None if generator is None else generator.device
    return torch.randint(1, TICKS + 1, (batch,), generator=generator, device=device) / TICKS


def flow_loss(
    model: Model,
    x_0: Tensor,
    u: float | Tensor | None = None,
    eps: Tensor | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """E ‖(ε - x_0) - model(x_u, u)‖², a mean over the batch and the coordinates (``flow.best``).

    Args:
        model: called as model(x_u, u) with u of shape (B,); gives the velocity.
        x_0: (B, ...) data, float32.
        u: the times; drawn uniformly when left out.
        eps: (B, ...) the noise at the other end of each line; drawn from N(0, I) when left out.
    """
    checks.batch(x_0=x_0)
    eps = standard_noise(x_0, generator) if eps is None else eps
    u = _time(uniform_u(len(x_0), generator) if u is None else u, x_0)
    x_u = path(x_0, eps, u)
    return ((velocity(x_0, eps) - checks.answer(model(x_u, u), x_u)) ** 2).mean()


class Velocity(nn.Module):
    """A network of (x, t) as a flow's: it is told the time in whole thousandths, t = 1000 u."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x_u: Tensor, u: Tensor) -> Tensor:
        return self.network(x_u, (TICKS * u).round().long())


def _loss_of_ticks(
    network: Model, x_0: Tensor, schedule: Schedule, t: Tensor, eps: Tensor
) -> Tensor:
    """The loss of a flow, as the trainer asks for one: at u = t / 1000."""
    return flow_loss(lambda x_u, u: network(x_u, t), x_0, t / TICKS, eps)


class FlowTrainer(Trainer):
    """The trainer of the course with the loss of a flow in place of the ε-loss. All else is equal:
    the batches, the noise, the learning rate, the average.

    Args:
        model: a network of (x, t), t in 1..1000; as a flow it is ``Velocity(model)``.
        data, config: as for ``Trainer``.
    """

    def __init__(self, model: nn.Module, data: Tensor, config: TrainConfig) -> None:
        super().__init__(model, Schedule.linear(TICKS), data, config)

    loss: ClassVar[Callable[..., Tensor]] = staticmethod(_loss_of_ticks)


def pair(x_0: Tensor, eps: Tensor) -> Tensor:
    """The noise of a batch in another order: each x_0 gets an ε of its own, and the sum of all
    ‖x_0 - ε‖² is as small as it can be (Tong et al. 2024, arXiv:2302.00482; Pooladian et al. 2023,
    arXiv:2304.14772). The cost grows with the cube of the batch.

    Args:
        x_0, eps: (B, ...).

    Returns:
        (B, ...) the rows of eps, so that row i belongs to x_0[i].
    """
    from scipy.optimize import linear_sum_assignment

    checks.agree(x_0=x_0, eps=eps)
    cost = torch.cdist(x_0.flatten(1).double(), eps.flatten(1).double()) ** 2
    _, order = linear_sum_assignment(cost.cpu().numpy())
    return eps[torch.as_tensor(order, device=eps.device)]


# -- sampling ----------------------------------------------------------------------------------


def times(calls: int, shift: float = 1.0) -> list[float]:
    """calls + 1 times that fall from 1 to 0: even ones, or with more of them near the noise.

    u becomes shift u / (1 + (shift - 1) u)  (Esser et al. 2024, arXiv:2403.03206, eq. 23).

    Raises:
        ValueError: calls is no whole number of at least 1, or the shift is not positive.
    """
    if isinstance(calls, bool) or not isinstance(calls, int) or calls < 1:
        raise ValueError(f"calls is {calls!r}; a flow needs a whole number of at least 1.")
    if not 0 < shift < float("inf"):
        raise ValueError(f"shift is {shift}; give a positive number, 1 for even times.")
    even = [1 - i / calls for i in range(calls + 1)]
    return [shift * u / (1 + (shift - 1) * u) for u in even]


@torch.no_grad()
def euler(
    model: Model,
    shape: Sequence[int],
    at: int | Sequence[float] = 10,
    clip_x0: bool = False,
    generator: Chance = None,
    start: Tensor | None = None,
) -> Iterator[Step]:
    """Walk from noise to data in straight pieces: x_u' = x_u + (u' - u) model(x_u, u)
    (``flow.euler``).

    Args:
        model: called as model(x_u, u) with u of shape (B,); gives the velocity.
        shape: (B, ...) of the samples.
        at: how many calls, evenly spaced; or the times themselves, as ``times`` gives them.
        clip_x0: keep each guess of x_0 within [-1, 1], the range of images.
        start: (B, ...) where to begin, at the first time; drawn from N(0, I) when left out.

    Yields:
        A step for each time, with the guess made there; the last is Step(0, x_0, x_0) where the
        times end at 0.

    Raises:
        ValueError: the times do not fall, or leave 0..1.
    """
    grid = times(at) if isinstance(at, int) else [float(u) for u in at]
    if len(grid) < 2 or not all(1 >= a > b >= 0 for a, b in pairwise(grid)):
        raise ValueError(f"the times are {grid}; give two or more that fall, within 1..0.")
    shape = checks.sizes(shape, start)
    device = device_of(model) if start is None else start.device
    x_u = standard_noise(torch.empty(*shape, device=device), generator) if start is None else start
    for now, then in pairwise(grid):
        u = torch.full((len(x_u),), now, dtype=x_u.dtype, device=device)
        speed = evaluate(model, x_u, u)
        x0_hat = x_u - now * speed
        if clip_x0:
            x0_hat = x0_hat.clamp(-1, 1)
            speed = (x_u - x0_hat) / now
        yield Step(now, x_u, x0_hat)
        x_u = x_u + (then - now) * speed  # flow.euler
    yield Step(then, x_u, x_u)


def straightness(model: Model, start: Tensor, calls: int = 100) -> float:
    """E ∫ ‖(x_1 - x_0) - model(x_u, u)‖² du along the model's own walks, with x_1 where a walk
    starts and x_0 where it ends: 0 for walks that are straight lines at even speed
    (Liu et al. 2023, section 2.2).

    Args:
        start: (B, ...) noise.
        calls: pieces of each walk.
    """
    walk = [step.x_u for step in euler(model, start.shape, calls, start=start)]
    pieces = torch.stack([(a - b) * calls for a, b in pairwise(walk)])  # the velocities
    whole = walk[0] - walk[-1]
    return float(((pieces - whole) ** 2).flatten(2).sum(2).mean())


# -- the dictionary ----------------------------------------------------------------------------


def shares(schedule: Schedule) -> Tensor:
    """(T+1,) the u at which the straight path has the signal-to-noise ratio of each step t:
    u_t = √(1 - ᾱ_t) / (√ᾱ_t + √(1 - ᾱ_t)), in float64; 0 at t = 0  (``flow.time``)."""
    _, noise = _parts(schedule)
    return noise / _size(schedule)


def _parts(schedule: Schedule) -> tuple[Tensor, Tensor]:
    """(T+1,) each: √ᾱ_t and √(1 - ᾱ_t)."""
    alpha_bar = schedule.alpha_bar.double()
    return alpha_bar.sqrt(), (1 - alpha_bar).sqrt()


def _size(schedule: Schedule) -> Tensor:
    """(T+1,) √ᾱ_t + √(1 - ᾱ_t): how much larger DDPM's x_t is than the flow's x_u."""
    signal, noise = _parts(schedule)
    return signal + noise


def as_flow(model: Model, schedule: Schedule) -> Model:
    """A network that predicts noise, as a flow: at the times of ``shares(schedule)``, exactly.

    The path's point is x_u = x_t / (√ᾱ_t + √(1 - ᾱ_t)) (``flow.point``), and the velocity ε̂ - x̂_0.

    Returns:
        A function of (x_u, u). It raises a ValueError where u is the time of no step of 1..T.
    """
    table = shares(schedule)
    size = _size(schedule)

    def flow(x_u: Tensor, u: Tensor) -> Tensor:
        u = _time(u, x_u).double()
        t = (table.to(u.device)[1:] - u[:, None]).abs().argmin(1) + 1
        off = (table.to(u.device)[t] - u).abs()
        if (off > 1e-5).any():
            bad = int(off.argmax())
            raise ValueError(
                f"u is {float(u[bad]):g}, and this schedule has no step there; the nearest is "
                f"{float(table[t[bad]]):g}, of t = {int(t[bad])}: take the times from "
                "flow.shares(schedule)."
            )
        x_t = _beside(size.to(u.device)[t], x_u) * x_u
        eps_hat = evaluate(model, x_t, t)
        return velocity(x0_of_noise(x_t, eps_hat, t, schedule.to(x_u.device)), eps_hat)

    return flow


def as_noise(model: Model, schedule: Schedule) -> Model:
    """A flow as a network that predicts noise, so that every sampler of DDPM can use it.

    Returns:
        A function of (x_t, t), t in 1..T of the schedule: ε̂ = x_u + (1 - u) model(x_u, u).
    """
    table = shares(schedule)
    size = _size(schedule)

    def noise(x_t: Tensor, t: Tensor) -> Tensor:
        t = schedule.time(t, x_t)
        u = table.to(t.device)[t].to(x_t.dtype)
        x_u = x_t / _beside(size.to(t.device)[t], x_t)
        return predict_eps(x_u, evaluate(model, x_u, u), u)

    return noise


# -- the digits --------------------------------------------------------------------------------


def train(seed: int = 0, config: TrainConfig | None = None, progress: bool = True) -> UNet:
    """The U-Net of the digits, trained as a flow for as long as ``digits.safetensors`` was as DDPM.

    Args:
        seed: the first weights, and all chance.
        config: how long; ``TrainConfig.digits()`` when left out.
    """
    from dataclasses import replace

    from tqdm.auto import tqdm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(checks.seed(seed))
        unet = UNet(UNetConfig.digits())
    config = replace(config or TrainConfig.digits(), seed=seed, device="cpu")
    trainer = FlowTrainer(unet, digits("train"), config)
    for _ in tqdm(trainer.steps(), total=config.steps, desc="flow", disable=not progress):
        pass
    average = trainer.ema.module
    assert isinstance(average, UNet)
    return average


def save(model: UNet, path: str | os.PathLike[str]) -> None:
    """Write a flow to a safetensors file, in float16."""
    tensors, about = checkpoint.pack(model, Schedule.linear(TICKS))
    half = {k: v.half() for k, v in tensors.items() if k != checkpoint.BETA}  # it has no schedule
    checkpoint.write(path, half, {checkpoint.FLOW: about["unet"]})


def load(path: str | os.PathLike[str] | None = None) -> Velocity:
    """The flow in a file that ``save`` wrote, ready for ``euler``; without one, the one that ships.

    Raises:
        ValueError: the file is not there, or holds no flow.
    """
    path = path or checkpoint.asset("flow")
    tensors, about = checkpoint.read(path)
    if checkpoint.FLOW not in about:
        raise ValueError(
            f'{path} holds no flow; train one with `python -c "{COMMAND}"`, or make one of a '
            "network that predicts noise: flow.as_flow(*checkpoint.load(...))."
        )
    unet = UNet(checkpoint.sizes(about, checkpoint.FLOW, path))
    checkpoint.load_weights(unet, checkpoint.select(tensors, "model."), path)
    return Velocity(unet).eval()
