"""A foundation model in miniature: a denoiser that knows eight digits learns two more from forty
examples, by moving all of its weights or a few.

>>> from ddpm_course.trends import foundation
>>> model, schedule = foundation.load()  # has seen zeros to sevens, and no eight or nine
>>> few, rest = foundation.examples()  # 20 eights and 20 nines, and all the others to judge by
>>> adapted = foundation.adapt(foundation.low_rank(model), few, schedule, steps=10)
>>> foundation.distance(adapted, schedule, rest) < foundation.distance(model, schedule, rest)
True
"""

from __future__ import annotations

import copy
import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from ddpm_course import checkpoint, solvers
from ddpm_course.data import digit_labels, digits
from ddpm_course.metrics import frechet_distance
from ddpm_course.schedule import Schedule
from ddpm_course.trainer import TrainConfig, Trainer
from ddpm_course.unet import UNet, UNetConfig

__all__ = [
    "NEW",
    "LowRank",
    "Point",
    "adapt",
    "broad",
    "distance",
    "draw",
    "examples",
    "figures",
    "load",
    "low_rank",
    "measure",
    "merged",
    "movable",
    "results",
    "save",
    "scratch",
    "train",
]

NEW = (8, 9)  # the digits that the foundation model never sees
CONFIG = UNetConfig(channels=(24, 48), blocks=1, attention=(False, True), dropout=0.1)
T = 250

# What the figures of the course are made with.
BUDGETS = (0, 10, 20, 40, 80, 160, 320)  # steps
RANK = 4
RATES = {"from scratch": 4e-3, "all weights": 2e-3, "low rank": 1e-2}  # the best of those tried


# -- data ----------------------------------------------------------------------------------------


def _is_new(labels: Tensor) -> Tensor:
    return torch.isin(labels, torch.tensor(NEW))


def broad() -> Tensor:
    """(N, 1, 8, 8) the training digits of the eight classes that are not ``NEW``."""
    return digits("train")[~_is_new(digit_labels("train"))]


def examples(each: int = 20, seed: int = 0) -> tuple[Tensor, Tensor]:
    """What one has of the new digits: a few, and what to judge by.

    Args:
        each: how many examples of each new digit, drawn from the training split.
        seed: which ones.

    Returns:
        (few, rest): (2 * each, 1, 8, 8), and every other image of the two digits, held-out ones
        included.

    Raises:
        ValueError: there are not so many.
    """
    labels, images = digit_labels("train"), digits("train")
    have = min(int((labels == digit).sum()) for digit in NEW)
    if not 1 <= each <= have:
        raise ValueError(f"each is {each}; there are {have} of each new digit: choose 1 to {have}.")
    generator = torch.Generator().manual_seed(seed)
    few, rest = [], []
    for digit in NEW:
        mine = images[labels == digit]
        order = torch.randperm(len(mine), generator=generator)
        few.append(mine[order[:each]])
        rest.append(mine[order[each:]])
    rest.append(digits("test")[_is_new(digit_labels("test"))])
    return torch.cat(few), torch.cat(rest)


# -- the three starts ----------------------------------------------------------------------------


def scratch(seed: int = 0) -> UNet:
    """The same network, with first weights drawn by chance."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNet(CONFIG)


class LowRank(nn.Module):
    """W + B A for a frozen W: the correction of LoRA (Hu et al. 2022), with its scale left out.

    A convolution's W (out, in, k, k) is read as a matrix (out, in * k * k). B starts at 0, so
    that the network starts as it was.

    Args:
        weight: W, of at least two dimensions.
        rank: the height of A (rank, in * k * k) and the width of B (out, rank).
    """

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        columns = weight[0].numel()
        self.A = nn.Parameter(torch.randn(rank, columns) / columns**0.5)
        self.B = nn.Parameter(torch.zeros(len(weight), rank))

    def forward(self, weight: Tensor) -> Tensor:
        """W + B A, in the shape of W."""
        return weight + (self.B @ self.A).view_as(weight)


def low_rank(model: UNet, rank: int = RANK, seed: int = 0) -> UNet:
    """A copy of ``model`` that is frozen but for a ``LowRank`` correction of each matrix.

    Args:
        rank: of each correction.
        seed: every A is drawn from it.

    Raises:
        ValueError: the rank is no positive number.
    """
    if rank < 1:
        raise ValueError(f"rank is {rank}; a correction has a rank of at least 1.")
    model = copy.deepcopy(model).requires_grad_(False)
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in layers:
            parametrize.register_parametrization(layer, "weight", LowRank(layer.weight, rank))
    return model


def merged(model: UNet) -> UNet:
    """A plain copy, with every correction added to its matrix: as large and as quick as before."""
    original, correction = "parametrizations.weight.original", ".parametrizations.weight.0."
    weights = {
        name.replace(original, "weight"): value
        for name, value in model.state_dict().items()
        if correction not in name
    }
    for name, layer in model.named_modules():
        if parametrize.is_parametrized(layer, "weight"):
            weights[f"{name}.weight"] = layer.weight.detach()
    plain = UNet(model.config)
    checkpoint.load_weights(plain, weights)
    return plain.eval()


def movable(model: nn.Module) -> int:
    """How many numbers training moves."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


# -- training and judging ------------------------------------------------------------------------


def train(seed: int = 0, progress: bool = True, steps: int = 2000) -> UNet:
    """Pretrain: from random weights, on the ``broad`` data; the averaged weights."""
    config = TrainConfig(steps=steps, batch_size=64, seed=seed, device="cpu")
    return _fit(Trainer(scratch(seed), Schedule.cosine(T), broad(), config), progress)


def adapt(
    model: UNet,
    images: Tensor,
    schedule: Schedule,
    steps: int,
    learning_rate: float = RATES["all weights"],
    seed: int = 0,
    progress: bool = False,
) -> UNet:
    """Train a copy of ``model`` on a few images, all of them in every step.

    Only what requires a gradient moves: all of a plain network, the corrections of a ``low_rank``
    one. The learning rate falls to 0 towards the last step.

    Args:
        images: (N, 1, 8, 8) in [-1, 1].
        steps: how many, at least 1.
        seed: every t and ε follows from it.

    Returns:
        The averaged weights.

    Raises:
        ValueError: there are no images or steps, or they are of the wrong kind.
    """
    config = TrainConfig(
        steps=steps,
        batch_size=len(images),
        learning_rate=learning_rate,
        warmup=10,
        seed=seed,
        device="cpu",
    )
    return _fit(Trainer(copy.deepcopy(model), schedule, images, config), progress)


def _fit(trainer: Trainer, progress: bool) -> UNet:
    """Train to the end; the averaged network."""
    from tqdm.auto import tqdm

    steps = trainer.config.steps
    deque(tqdm(trainer.steps(), total=steps, leave=False, disable=not progress), maxlen=0)
    averaged = trainer.ema.module
    assert isinstance(averaged, UNet)
    return averaged


def draw(model: nn.Module, schedule: Schedule, n: int, seed: int = 0) -> Tensor:
    """(n, 1, 8, 8) samples, by 25 steps of DDIM; one seed gives every model the same x_T."""
    generator = torch.Generator().manual_seed(seed)
    walk = solvers.ddim(model, (n, 1, 8, 8), schedule, steps=25, generator=generator)
    return deque(walk, maxlen=1).pop().x_t


def distance(model: nn.Module, schedule: Schedule, rest: Tensor, seed: int = 0) -> float:
    """The Fréchet distance on the 64 pixels, between ``rest`` and as many samples."""
    return frechet_distance(draw(model, schedule, len(rest), seed), rest)


class Point(NamedTuple):
    """One run: from a start, for a number of steps, and the distance that it came to."""

    start: str  # a key of RATES
    steps: int
    seed: int  # of the examples, the first weights, and all that is drawn
    distance: float


def measure(
    model: UNet,
    schedule: Schedule,
    seed: int = 0,
    progress: bool = True,
    budgets: Sequence[int] | None = None,
) -> Iterator[Point]:
    """Learn the new digits from each start with each budget of steps, from the same examples.

    Every budget is a run of its own, because the learning rate falls to 0 towards its end.
    """
    few, rest = examples(seed=seed)
    starts = {
        "from scratch": scratch(seed),
        "all weights": model,
        "low rank": low_rank(model, seed=seed),
    }
    for start, network in starts.items():
        for steps in BUDGETS if budgets is None else budgets:
            adapted = network
            if steps:
                adapted = adapt(network, few, schedule, steps, RATES[start], seed, progress)
            yield Point(start, steps, seed, round(distance(adapted, schedule, rest, seed), 4))


# -- what ships ----------------------------------------------------------------------------------


def figures(loaded: tuple[UNet, Schedule]) -> dict[str, float]:
    """What its training command prints: the distances after 40 steps, from the first examples."""
    points = measure(*loaded, budgets=(40,), progress=False)
    return {f"distance after 40 steps, {point.start}": point.distance for point in points}


def save(model: UNet, path: str | os.PathLike[str]) -> None:
    """Write the model to a safetensors file, in float16; and beside it, as JSON, what it can be
    adapted to: ``measure`` for three draws of the examples, which takes some minutes."""
    path = Path(path)
    with checkpoint.beside(path) as new:
        checkpoint.write(new, *checkpoint.pack(model, Schedule.cosine(T)))
        checkpoint.halve(new, new)
    points = [point for seed in range(3) for point in measure(*load(path), seed)]
    rows = ",\n".join(json.dumps(point._asdict()) for point in points)
    with checkpoint.beside(path.with_suffix(".json")) as new:
        new.write_text(f"[\n{rows}\n]\n", encoding="utf8")


def load(path: str | os.PathLike[str] | None = None) -> tuple[UNet, Schedule]:
    """The model in a file that ``save`` wrote, in evaluation mode, and its schedule; without one,
    the model that ships."""
    return checkpoint.load(path or checkpoint.asset("foundation"))


def results(path: str | os.PathLike[str] | None = None) -> list[Point]:
    """What ``save`` measured, for three draws of the examples."""
    table = Path(path or checkpoint.asset("foundation")).with_suffix(".json")
    return [Point(**row) for row in json.loads(table.read_text(encoding="utf8"))]
