"""Abilities, combined: find the digits on a canvas, and say what is there and where.

>>> from ddpm_course.trends import compose
>>> canvas = compose.canvases(1)[0]
>>> compose.describe(canvas.picture) == compose.say(canvas.things)
True

``find`` sees, ``say`` speaks, and ``describe`` is both. The network that sees is one: it finds and
recognizes in a single pass, and was trained on whole canvases rather than on digits cut out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_course import checkpoint
from ddpm_course.data import Split, digit_labels, digits

__all__ = [
    "WORDS",
    "Canvas",
    "Finder",
    "Score",
    "Thing",
    "agree",
    "canvases",
    "describe",
    "figures",
    "find",
    "load",
    "relation",
    "save",
    "say",
    "score",
    "train",
]

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
SIDE = 8  # a digit's height and width
NOTHING = 10  # the class of a place where no digit begins


class Thing(NamedTuple):
    """A digit and where its cell of 8x8 pixels begins, in pixels from the canvas's top left."""

    digit: int
    top: int
    left: int


class Canvas(NamedTuple):
    """A picture (1, H, W) in [-1, 1], and what is on it."""

    picture: Tensor
    things: list[Thing]


# -- canvases ------------------------------------------------------------------------------------


def canvases(
    n: int,
    split: Split = "train",
    *,
    seed: int = 0,
    size: int = 32,
    most: int = 4,
    overlap: int = 2,
    noise: float = 0.1,
) -> list[Canvas]:
    """Real digits, strewn over empty paper.

    Args:
        n: how many canvases.
        split: which of scikit-learn's digits to strew; see ``data.digits``.
        seed: everything random follows from it.
        size: height and width of a canvas, at least 8.
        most: each canvas has 0 to ``most`` digits, every number equally often; fewer where no
            place for another is found.
        overlap: by how many pixels the cells of two digits may overlap, 0 to 7. Ink that meets
            ink stays ink.
        noise: the standard deviation of the grain of the paper.

    Raises:
        ValueError: a value is out of range.
    """
    for name, value, low, high in (
        ("n", n, 1, None),
        ("size", size, SIDE, None),
        ("most", most, 0, None),
        ("overlap", overlap, 0, SIDE - 1),
    ):
        if value < low or (high is not None and value > high):
            limits = f"at least {low}" if high is None else f"{low} to {high}"
            raise ValueError(f"{name} is {value}; choose a whole number, {limits}.")
    if not 0 <= noise < float("inf"):
        raise ValueError(f"noise is {noise}; give a standard deviation of 0 or more.")
    images, labels = digits(split)[:, 0].numpy(), digit_labels(split).tolist()
    dice = np.random.default_rng(seed)
    made = []
    for _ in range(n):
        paper = np.full((size, size), -1, dtype=np.float32)
        things: list[Thing] = []
        wanted = int(dice.integers(most + 1))
        for _ in range(20 * wanted):  # tries, so that a crowded canvas comes to an end
            if len(things) == wanted:
                break
            top, left = dice.integers(size - SIDE + 1, size=2).tolist()
            if all(_apart(top, left, other) >= SIDE - overlap for other in things):
                which = int(dice.integers(len(labels)))
                things.append(Thing(labels[which], top, left))
                cell = paper[top : top + SIDE, left : left + SIDE]
                np.maximum(cell, images[which], out=cell)
        paper += noise * dice.standard_normal(paper.shape, dtype=np.float32)
        picture = torch.from_numpy(paper.clip(-1, 1)[None])
        made.append(Canvas(picture, sorted(things, key=_reading)))
    return made


def _apart(top: int, left: int, other: Thing) -> int:
    """How far two cells are apart, along the axis on which they are further apart."""
    return max(abs(top - other.top), abs(left - other.left))


def _reading(thing: Thing) -> tuple[int, int, int]:
    """From left to right; what stands in one column, from top to bottom."""
    return thing.left, thing.top, thing.digit


# -- seeing --------------------------------------------------------------------------------------


class Finder(nn.Module):
    """A fully convolutional network: for each place on a canvas, which digit's cell begins there.

    It has no fully connected layer, so it takes a canvas of any size, and does the same at every
    place. Each answer depends on 19x19 pixels: the cell, and 5 or 6 pixels around it.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for c_in, c_out, dilation in (
            (1, 16, 1),
            (16, 32, 1),
            (32, 32, 2),
            (32, 48, 2),
            (48, 64, 3),
        ):
            layers += [
                nn.Conv2d(c_in, c_out, 3, dilation=dilation, bias=False),
                nn.BatchNorm2d(c_out),
                nn.ReLU(),
            ]
        last = nn.Conv2d(64, NOTHING + 1, 1)
        # Most places are empty: begin by believing so.
        last.bias = nn.Parameter(5.0 * (torch.arange(NOTHING + 1) == NOTHING))
        self.layers = nn.Sequential(*layers, nn.Conv2d(64, 64, 1), nn.ReLU(), last)

    def forward(self, canvas: Tensor) -> Tensor:
        """(B, 1, H, W) in [-1, 1] -> (B, 11, H - 7, W - 7) logits: ten digits, and nothing."""
        return self.layers(F.pad(canvas, (5, 6, 5, 6), value=-1.0))


def find(canvas: Tensor, finder: Finder | None = None) -> list[Thing]:
    """The digits on a canvas, in reading order.

    Where the network is not sure of the pixel, it spreads a digit's probability over neighbors.
    So a digit begins where the probability peaks, if in the 3x3 places around it there is more
    than one half.

    Args:
        canvas: (1, H, W) or (H, W) in [-1, 1], ink 1 on paper -1; H and W at least 8.
        finder: the network; the one that ships with the package when left out.

    Raises:
        ValueError: the canvas has another shape, or values that are not finite or out of range.
    """
    picture = _checked(canvas)
    with torch.no_grad():
        logits = (finder or _shipped())(picture[None])  # (1, 11, H - 7, W - 7)
    digit = logits.softmax(1)[:, :NOTHING]
    near = (9 * F.avg_pool2d(digit, 3, stride=1, padding=1))[0]
    here = digit[0].sum(0)  # the probability that any digit begins exactly here
    likely = (near.sum(0) > 0.5).nonzero().tolist()
    things: list[Thing] = []
    for top, left in sorted(likely, key=lambda place: -float(here[*place])):
        if all(_apart(top, left, other) > SIDE // 2 for other in things):
            things.append(Thing(int(near[:, top, left].argmax()), top, left))
    return sorted(things, key=_reading)


def _checked(canvas: Tensor) -> Tensor:
    """The canvas as (1, H, W) float32."""
    picture = torch.as_tensor(canvas)
    picture = picture[None] if picture.ndim == 2 else picture
    if picture.ndim != 3 or len(picture) != 1 or min(picture.shape[1:]) < SIDE:
        raise ValueError(
            f"the canvas has shape {tuple(canvas.shape)}; give one gray picture, (1, H, W) or "
            f"(H, W), of at least {SIDE}x{SIDE} pixels."
        )
    picture = picture.float()
    if not picture.isfinite().all():
        raise ValueError("the canvas has values that are not finite; give numbers in [-1, 1].")
    if picture.abs().max() > 1:
        raise ValueError(
            f"the canvas has values from {picture.min():.3g} to {picture.max():.3g}; scale it to "
            "[-1, 1], with ink at 1 and paper at -1."
        )
    return picture


# -- speaking ------------------------------------------------------------------------------------


def relation(a: Thing, b: Thing) -> str:
    """Where ``a`` is, seen from ``b``: "left of", "right of", "above" or "below".

    The axis on which they are further apart decides; on a diagonal it is the horizontal one.
    """
    down, right = b.top - a.top, b.left - a.left
    if abs(right) >= abs(down):
        return "left of" if right >= 0 else "right of"
    return "above" if down > 0 else "below"


def say(things: Sequence[Thing]) -> str:
    """One sentence: what is there, in reading order, and where each thing is from the next.

    >>> from ddpm_course.trends.compose import Thing, say
    >>> say([Thing(3, 0, 0), Thing(7, 2, 12), Thing(8, 14, 13)])
    'a three left of a seven, which is above an eight'
    """
    if not things:
        return "an empty canvas"
    things = sorted(things, key=_reading)
    names = [f"{'an' if thing.digit == 8 else 'a'} {WORDS[thing.digit]}" for thing in things]
    if len(things) == 1:
        return f"{names[0]}, alone"
    links = [f"{relation(a, b)} {name}" for a, b, name in zip(things, things[1:], names[1:])]
    return f"{names[0]} " + ", which is ".join(links)


See = Callable[[Tensor], Sequence[Thing]]  # what looks at a canvas (1, H, W)


def describe(canvas: Tensor, see: See = find) -> str:
    """The sentence for a canvas: ``say`` what was seen.

    Args:
        canvas: as for ``find``.
        see: the eye; ``find`` when left out.
    """
    return say(see(canvas))


# -- judging -------------------------------------------------------------------------------------


class Score(NamedTuple):
    """How well an eye sees, as shares from 0 to 1."""

    precision: float  # of the things seen, those that are there
    recall: float  # of the things that are there, those that were seen
    captions: float  # of the canvases, those whose sentence is right, word for word


def agree(a: Thing, b: Thing) -> bool:
    """The same digit at the same place: the cells share at least half of the ground they cover."""
    shared = max(0, SIDE - abs(a.top - b.top)) * max(0, SIDE - abs(a.left - b.left))
    return a.digit == b.digit and 2 * shared >= 2 * SIDE**2 - shared


def score(canvases: Sequence[Canvas], see: See = find) -> Score:
    """Compare what an eye sees with what is there. Each thing can be seen once.

    Raises:
        ValueError: there are no canvases.
    """
    if not canvases:
        raise ValueError("there are no canvases; give at least one to judge by.")
    seen = right = there = told = 0
    for picture, things in canvases:
        found = list(see(picture))
        seen, there, told = (
            seen + len(found),
            there + len(things),
            told + (say(found) == say(things)),
        )
        for thing in things:
            match = next((other for other in found if agree(thing, other)), None)
            if match is not None:
                found.remove(match)
                right += 1
    return Score(
        right / seen if seen else 1.0, right / there if there else 1.0, told / len(canvases)
    )


# -- training ------------------------------------------------------------------------------------

STEPS, BATCH, PATCH = 1000, 64, 24  # 24x24 canvases for speed: the network takes any size


def train(seed: int = 0, progress: bool = True, steps: int = STEPS) -> Finder:
    """Train a ``Finder`` on canvases of the training digits, no canvas twice.

    Args:
        seed: the first weights and every canvas follow from it.
        progress: show a progress bar.
        steps: optimizer steps, 64 canvases each.
    """
    from tqdm.auto import tqdm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        finder = Finder()
    optimizer = torch.optim.Adam(finder.parameters(), 3e-3)
    decay = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    made = canvases(steps * BATCH, "train", seed=seed, size=PATCH)
    for step in tqdm(range(steps), desc="finder", disable=not progress, leave=False):
        batch = made[step * BATCH : (step + 1) * BATCH]
        logits = finder(torch.stack([canvas.picture for canvas in batch]))
        answers = torch.stack([_answer(canvas) for canvas in batch])
        loss = F.cross_entropy(logits, answers, reduction="sum") / BATCH
        loss.backward()
        nn.utils.clip_grad_norm_(finder.parameters(), 5.0)
        optimizer.step()
        optimizer.zero_grad()
        decay.step()
    return finder.eval()


def _answer(canvas: Canvas) -> Tensor:
    """(H - 7, W - 7) int64: which digit begins at each place."""
    height, width = canvas.picture.shape[1:]
    answer = torch.full((height - SIDE + 1, width - SIDE + 1), NOTHING)
    for digit, top, left in canvas.things:
        answer[top, left] = digit
    return answer


def figures(finder: Finder) -> dict[str, float]:
    """What its training command prints: how well it does on 1,000 canvases of held-out digits."""
    made = canvases(1000, "test", seed=0, size=32)
    result = score(made, lambda canvas: find(canvas, finder))
    return {
        "precision": result.precision,
        "recall": result.recall,
        "sentences right": result.captions,
    }


def save(finder: Finder, path: str | os.PathLike[str]) -> None:
    """Write the network to a safetensors file, in float16."""
    weights = finder.state_dict()
    half = {n: v.half() if v.is_floating_point() else v for n, v in weights.items()}
    checkpoint.write(path, half, {})


def load(path: str | os.PathLike[str] | None = None) -> Finder:
    """The network in a file that ``save`` wrote, ready to look; without one, the one that ships.

    Raises:
        ValueError: the file is missing, damaged, or holds another network.
    """
    path = path or checkpoint.asset("compose")
    finder = Finder()
    checkpoint.load_weights(finder, checkpoint.read(path)[0], path)
    return finder.eval()


@cache
def _shipped() -> Finder:
    """``load()``, once: ``find`` looks with it again and again."""
    return load()
