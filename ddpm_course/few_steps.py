"""From noise to data in one to four calls: a student that learns where a teacher's walks end.

The teacher walks without fresh noise, so each place on a walk has one end. The student is shown
places and ends, and learns the end (a consistency function; Song et al. 2023, arXiv:2303.01469,
here by regression on whole walks).

    >>> from ddpm_course import few_steps
    >>> digits = few_steps.sample(few_steps.load(), (4, 1, 8, 8), calls=2)
    >>> digits.shape
    torch.Size([4, 1, 8, 8])
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ddpm_course import checkpoint, checks, flow, solvers
from ddpm_course.gaussian import Chance, standard_noise
from ddpm_course.reverse import Model, device_of, evaluate
from ddpm_course.schedule import Schedule
from ddpm_course.unet import UNet, UNetConfig

__all__ = [
    "CONFIG",
    "Walks",
    "distill",
    "load",
    "sample",
    "save",
    "student_loss",
    "train",
    "walks",
]

CONFIG = UNetConfig(channels=(24, 48), blocks=1, attention=(False, True))
COMMAND = "from ddpm_course import few_steps as f; f.save(f.train(), 'few_steps.safetensors')"


class Walks(NamedTuple):
    """Places on walks, and where the walks end; places are those of a flow (``flow.point``)."""

    places: Tensor  # (K, N, ...)
    u: Tensor  # (K,) the time of each row, falling from the noise
    ends: Tensor  # (N, ...)


def walks(
    model: Model,
    schedule: Schedule,
    shape: Sequence[int],
    calls: int = 12,
    generator: Chance = None,
) -> Walks:
    """Let a teacher that predicts noise walk, without fresh noise, and keep where it was.

    Args:
        shape: (N, ...): N walks.
        calls: of the teacher for each walk (DPM-Solver++ of order 2).
    """
    steps = list(
        solvers.multistep(model, shape, schedule, calls, order=2, eta=0, generator=generator)
    )
    t = torch.tensor([step.t for step in steps[:-1]])
    size = (schedule.alpha_bar.sqrt() + (1 - schedule.alpha_bar).sqrt())[t].float()
    places = torch.stack([step.x_t / s for step, s in zip(steps, size)])
    return Walks(places, flow.shares(schedule)[t].float(), steps[-1].x_t)


def student_loss(model: Model, x_u: Tensor, u: Tensor, ends: Tensor) -> Tensor:
    """E ‖end - x̂_0‖², a mean over the batch and the coordinates, with the student's guess
    x̂_0 = x_u - u model(x_u, u)   (``few_steps.student``, ``few_steps.loss``).

    Args:
        model: called as model(x_u, u) with u of shape (B,).
        x_u, ends: (B, ...) places on walks, and where these walks end.
        u: (B,) the times of the places.
    """
    checks.agree(x_u=x_u, ends=ends)
    x0_hat = flow.predict_x0(x_u, checks.answer(model(x_u, u), x_u), u)
    return ((ends - x0_hat) ** 2).mean()  # few_steps.loss


def _remember(averaged: Sequence[Tensor], live: Sequence[Tensor], count: int | Tensor) -> None:
    """The average over training; a young one forgets faster, as in ``trainer.Trainer``."""
    keep = min(0.998, (1 + float(count)) / (10 + float(count)))
    torch._foreach_lerp_(list(averaged), list(live), 1 - keep)


def distill(
    network: nn.Module,
    taught: Walks,
    steps: int = 1000,
    batch: int = 96,
    learning_rate: float = 3e-3,
    generator: torch.Generator | None = None,
) -> Iterator[tuple[nn.Module, Tensor]]:
    """Train a network of (x, t), t in 1..1000, on walks. A quarter of each batch stands where the
    walks start.

    Yields:
        After each step the averaged network, and the loss.
    """
    student = flow.Velocity(network)
    average = AveragedModel(network, multi_avg_fn=_remember)
    optimizer = torch.optim.Adam(network.parameters(), learning_rate)
    rate = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, learning_rate, total_steps=steps, pct_start=0.05
    )
    K, N = taught.places.shape[:2]
    network.train()
    for _ in range(steps):
        walk = torch.randint(N, (batch,), generator=generator)
        row = torch.randint(K, (batch,), generator=generator)
        row[: batch // 4] = 0  # one call begins here
        loss = student_loss(student, taught.places[row, walk], taught.u[row], taught.ends[walk])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        rate.step()
        average.update_parameters(network)
        yield average.module, loss.detach()


def train(seed: int = 0, count: int = 12_000, steps: int = 2000, progress: bool = True) -> UNet:
    """The student that ships: its teacher is ``digits.safetensors``.

    Args:
        seed: the first weights, and all chance.
        count: how many walks the teacher makes.
    """
    from tqdm.auto import tqdm

    teacher, schedule = checkpoint.load("digits")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(checks.seed(seed))
        unet = UNet(CONFIG)
    for network in (teacher, unet):  # the quicker layout, as in ``trainer.Trainer``
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # not in torch's types
    generator = torch.Generator().manual_seed(seed)
    pieces = [
        walks(teacher, schedule, (len(piece), 1, 8, 8), generator=generator)
        for piece in tqdm(torch.arange(count).split(500), desc="walks", disable=not progress)
    ]
    places, ends = torch.cat([p.places for p in pieces], 1), torch.cat([p.ends for p in pieces])
    taught = Walks(places, pieces[0].u, ends)
    made = distill(unet, taught, steps, generator=generator)
    *_, (average, _) = tqdm(made, total=steps, desc="student", disable=not progress)
    assert isinstance(average, UNet)
    return average.eval()


@torch.no_grad()
def sample(
    model: Model,
    shape: Sequence[int],
    calls: int = 1,
    clip_x0: bool = True,
    generator: Chance = None,
    start: Tensor | None = None,
) -> Tensor:
    """Draw with a student: jump to the end; for more calls add noise again, less each time, and
    jump again (Song et al. 2023, algorithm 1).

    Args:
        model: called as model(x_u, u), as for ``flow.euler``.
        shape: (B, ...) of the samples.
        calls: how often the student is called, at the even times of ``flow.times``; the one that
            ships is made for 1 to 4.
        clip_x0: keep what it says within [-1, 1], the range of images.
        start: (B, ...) noise; drawn from N(0, I) when left out.

    Raises:
        ValueError: calls is no whole number of at least 1.
    """
    shape = checks.sizes(shape, start)
    device = device_of(model) if start is None else start.device
    blank = torch.empty(*shape, device=device)
    x_0 = blank
    for number, now in enumerate(flow.times(calls)[:-1]):
        noise = start if number == 0 and start is not None else standard_noise(blank, generator)
        x_u = noise if number == 0 else flow.path(x_0, noise, now)
        u = torch.full((len(x_u),), now, dtype=x_u.dtype, device=device)
        x_0 = x_u - now * evaluate(model, x_u, u)  # few_steps.student
        x_0 = x_0.clamp(-1, 1) if clip_x0 else x_0
    return x_0


def save(model: UNet, path: str | os.PathLike[str]) -> None:
    """Write a student to a safetensors file, in float16."""
    tensors, about = checkpoint.pack(model, Schedule.linear(flow.TICKS))
    half = {k: v.half() for k, v in tensors.items() if k != checkpoint.BETA}  # it has no schedule
    checkpoint.write(path, half, {checkpoint.STUDENT: about["unet"]})


def load(path: str | os.PathLike[str] | None = None) -> flow.Velocity:
    """The student in a file that ``save`` wrote, ready for ``sample``; without one, the one that
    ships.

    Raises:
        ValueError: the file is not there, or holds no student.
    """
    path = path or checkpoint.asset("few_steps")
    tensors, about = checkpoint.read(path)
    if checkpoint.STUDENT not in about:
        raise ValueError(
            f'{path} holds no student; train one with `python -c "{COMMAND}"`. (A teacher is '
            "loaded with checkpoint.load, a flow with flow.load.)"
        )
    unet = UNet(checkpoint.sizes(about, checkpoint.STUDENT, path))
    checkpoint.load_weights(unet, checkpoint.select(tensors, "model."), path)
    return flow.Velocity(unet).eval()
