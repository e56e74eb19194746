"""Grades a project: a model of the student's own, judged by the samples that it drew.

A project is a folder ``project/`` with four files:

- ``samples.npy``: (N, C, H, W), floating point in [-1, 1] or uint8, 500 to 5,000 of them;
- ``weights.safetensors``: the network's weights;
- ``losses.csv``: a line ``step,loss``, and then one a step or more;
- ``report.md``: one page, which a person grades (``RUBRIC``).

Samples are compared with real data: the digits; or a set that the instructor holds back; or, in a
fifth file ``data.npy``, data of the student's own choice. The files are read and measured in a
room of their own, where no student's code runs; what comes back are numbers.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ddpm_course.grading.grades import Grade

__all__ = ["CRITERIA", "FILES", "RUBRIC", "Criterion", "marks", "measure", "read_scores"]

FILES = ("samples.npy", "weights.safetensors", "losses.csv", "report.md")
OWN_DATA = "data.npy"
LARGEST = {FILES[0]: 32, FILES[1]: 80, OWN_DATA: 64} | {FILES[2]: 4, FILES[3]: 1}  # MiB
FEWEST, MOST = 500, 5000  # samples
FEWEST_DATA = 200  # images of a set to compare with
MOST_WEIGHTS = 20_000_000
FEWEST_LOSSES = 10
FEWEST_WORDS = 150  # of the report
_EDGE = 1e-3  # a sampler may end a little outside [-1, 1]

# What a person looks at in the report, ten points in all.
RUBRIC = (
    ("What was done", 3, "data, network, schedule and training are told so that another can do it"),
    ("What was seen", 3, "samples and the loss are shown, and the text says what they show"),
    ("Why", 2, "at least one choice was tried both ways, and the figures decide"),
    ("What failed", 2, "what did not work, what it may be due to, and what would come next"),
)


@dataclass(frozen=True)
class Criterion:
    """One thing that is measured, and what it takes for all and for half of its points.

    Args:
        name: of the score; and in front of it "project.", of the task.
        title: for people.
        points: for a score as good as ``full``; half of them for one as good as ``half``.
        more: whether more is better.
        poor: the sentence for less than that.
        lesson: the sentence for all of them.
    """

    name: str
    title: str
    points: int
    full: float
    half: float
    more: bool
    poor: str
    lesson: str

    def share(self, score: float) -> float:
        """Of the points: 1, ½ or 0."""
        sign = 1 if self.more else -1
        return next(
            (s for s, bar in ((1, self.full), (0.5, self.half)) if sign * score >= sign * bar), 0
        )


CRITERIA = (
    Criterion(
        *("quality", "The samples' mean and covariance", 5, 0.04, 0.10, False),
        "The Fréchet distance on the pixels is large: mean, contrast or correlations of the pixels "
        "are not those of the data.",
        "As a cloud of points, the samples have the data's mean and covariance. A Gaussian could "
        "have them too; that is why there are more scores.",
    ),
    Criterion(
        *("likeness", "Single samples look like data", 5, 0.85, 0.65, True),
        "Too many samples are farther from all real images than real ones are from each other: "
        "they are blurred, noisy or mixed.",
        "Nearly every sample has a real image about as near as real images have.",
    ),
    Criterion(
        *("variety", "The samples cover the data", 5, 0.80, 0.50, True),
        "Too many real images have no sample near them: whole kinds of images are missing, or all "
        "samples are much alike.",
        "Nearly every real image has a sample near it: no kind of image is missing.",
    ),
    Criterion(
        *("own", "The samples are new", 3, 0.8, 0.7, True),
        "Samples are copies of training images, with or without noise, or of each other: then "
        "quality, likeness and variety are the data's and count nothing.",
        "The samples are about as far from the training images as new real images are.",
    ),
)
_SMALL = {
    "weights": ("The weights can be read", "Weights as safetensors can be shared without danger."),
    "losses": ("The loss was logged and falls", "A log of the loss is the first place to look."),
}

# What can be wrong with a file: by a name and numbers, so that nothing else can come back.
_PROBLEMS = {
    "npy": "samples.npy is no array of NumPy's: save it with `numpy.save`.",
    "dtype": "samples.npy holds numbers of another kind: save float32 in [-1, 1], or uint8.",
    "shape": "samples.npy has shape {}; expected {} to {} samples of shape {}.",
    "nan": "samples.npy has NaN or infinite values in {} of {} samples: the sampler diverged.",
    "range": "samples.npy runs from {} to {}: floating point samples lie in [-1, 1].",
    "safetensors": "weights.safetensors is not in that format: save it with `safetensors`.",
    "no weights": "weights.safetensors holds no weights.",
    "many weights": "weights.safetensors holds {} numbers; at most {} are allowed.",
    "bad weights": "weights.safetensors has NaN or infinite values: the training diverged.",
    "csv": "losses.csv has no columns `step` and `loss` of numbers.",
    "few losses": "losses.csv has {} rows; log at least {}.",
    "steps": "losses.csv: the steps do not rise.",
    "rises": "losses.csv: the loss does not fall (its last tenth is {} times its first).",
    "data": "data.npy is not {} or more images of one shape, in [-1, 1] or uint8.",
    "words": "report.md has {} words; a page has {} or more.",
    "text": "report.md is not UTF-8 text.",
}


# -- in the room --------------------------------------------------------------------------------


class _Bad(Exception):
    """A file that cannot be judged: a key of ``_PROBLEMS``, and numbers."""

    def __init__(self, kind: str, *numbers: Any) -> None:
        self.told = [kind, *numbers]


def measure(files: Mapping[str, bytes], sets: Mapping[str, bytes]) -> dict[str, Any]:
    """What is in a project's files, in numbers.

    Args:
        files: the content of each that is there.
        sets: "training" and "held back", each an .npy file, where the instructor gave them.

    Returns:
        "scores", and for each file what is wrong with it, under "problems".
    """
    scores: dict[str, float] = {}
    problems: dict[str, list[Any]] = {}
    readers = {
        FILES[0]: lambda: scores.update(_of_samples(files, sets)),
        FILES[1]: lambda: scores.update(_of_weights(files[FILES[1]])),
        FILES[2]: lambda: scores.update(_of_losses(files[FILES[2]])),
        FILES[3]: lambda: scores.update(_of_report(files[FILES[3]])),
    }
    for name, read in readers.items():
        if name in files:
            try:
                read()
            except _Bad as bad:
                problems[name] = bad.told
    return {"scores": scores, "problems": problems}


def _array(content: bytes, kind: str) -> Any:
    """The array of an .npy file that says of itself what it is."""
    import numpy as np

    try:
        file = io.BytesIO(content)
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(file)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(content) - file.tell():
            raise ValueError
        return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception:  # whatever it is, it is no array
        raise _Bad(kind) from None


def _pictures(array: Any, dtype: str = "dtype") -> Any:
    """(N, ...) in [-1, 1] float64."""
    import numpy as np
    import torch

    if array.dtype == np.uint8:
        return torch.from_numpy(array.astype(np.float64) / 127.5 - 1)
    if array.dtype.kind != "f" or array.dtype.itemsize > 8:
        raise _Bad(dtype)
    return torch.from_numpy(array.astype(np.float64))


def _real(files: Mapping[str, bytes], sets: Mapping[str, bytes]) -> tuple[Any, Any]:
    """The data that the model may have learned from, and data that it has not."""
    import torch

    from ddpm_course.data import digits

    if "held back" in sets:
        held = _pictures(_array(sets["held back"], "data"))
        if "training" in sets:
            return _pictures(_array(sets["training"], "data")), held
    elif OWN_DATA in files:
        array = _array(files[OWN_DATA], "data")
        if array.ndim < 2 or len(array) < FEWEST_DATA or array.size == 0:
            raise _Bad("data", FEWEST_DATA)
        try:
            held = _pictures(array)
        except _Bad:
            raise _Bad("data", FEWEST_DATA) from None
        if not held.isfinite().all() or held.abs().max() > 1 + _EDGE:
            raise _Bad("data", FEWEST_DATA)
    else:
        return digits("train").double(), digits("test").double()
    order = torch.randperm(len(held), generator=torch.Generator().manual_seed(0))
    return held[order[: len(held) * 4 // 5]], held[order[len(held) * 4 // 5 :]]


def _of_samples(files: Mapping[str, bytes], sets: Mapping[str, bytes]) -> dict[str, float]:
    import torch

    from ddpm_course.metrics import frechet_distance, nearest_distance

    train, held = _real(files, sets)
    array = _array(files[FILES[0]], "npy")
    samples = _pictures(array)
    expected = tuple(train.shape[1:])
    if samples.shape[1:] != expected or not FEWEST <= len(samples) <= MOST:
        raise _Bad("shape", list(array.shape), FEWEST, MOST, list(expected))
    flat = samples.flatten(1)
    bad = int((~flat.isfinite()).any(1).sum())
    if bad:
        raise _Bad("nan", bad, len(samples))
    low, high = float(flat.min()), float(flat.max())
    if low < -1 - _EDGE or high > 1 + _EDGE:
        raise _Bad("range", low, high)
    samples = samples.clamp(-1, 1)
    # As many real images as samples, drawn from all of them: what the best model could reach.
    real = torch.cat([train, held])
    order = torch.randperm(len(real), generator=torch.Generator().manual_seed(1))
    count = min(len(samples), len(train))
    spread = float(real.flatten(1).var(0).sum())
    best = frechet_distance(real[order[:count]], real)
    between = nearest_distance(held, train)  # of real images that are not copies
    to_train = nearest_distance(samples, train)
    fewer = train[torch.randperm(len(train), generator=torch.Generator().manual_seed(2))[:count]]
    near = float(between.quantile(0.01)) / 2
    apart = torch.cdist(flat, flat).fill_diagonal_(math.inf).amin(1)
    copies = float((to_train < near).double().mean())
    twins = float((apart < near).double().mean())
    distance = float(to_train.median() / between.median().clamp(min=1e-12))
    return {
        "quality": max(0.0, frechet_distance(samples[:count], real) - best) / max(spread, 1e-12),
        "likeness": float((to_train <= between.quantile(0.95)).double().mean()),
        "variety": float(
            (
                nearest_distance(held, samples[:count])
                <= nearest_distance(held, fewer).quantile(0.95)
            )
            .double()
            .mean()
        ),
        "copies": max(copies, twins),
        "distance": distance,
        # One share of copies in ten spoils it as much as samples that are half as far as real ones.
        "own": min(distance, 1.0) - 4 * max(0.0, max(copies, twins) - 0.01),
        "samples": float(len(samples)),
    }


def _of_weights(content: bytes) -> dict[str, float]:
    from safetensors.torch import load

    try:
        weights = load(content)
    except Exception:  # whatever it is, it is no such file
        raise _Bad("safetensors") from None
    count = sum(x.numel() for x in weights.values())
    if count == 0:
        raise _Bad("no weights")
    if count > MOST_WEIGHTS:
        raise _Bad("many weights", count, MOST_WEIGHTS)
    for x in weights.values():
        if x.is_floating_point() and not x.float().isfinite().all():
            raise _Bad("bad weights")
    return {"weights": float(count)}


def _of_losses(content: bytes) -> dict[str, float]:
    try:
        table = csv.DictReader(io.StringIO(content.decode("utf-8-sig")))
        if not {"step", "loss"} <= set(table.fieldnames or ()):
            raise ValueError
        rows = list(table)
        steps = [float(row["step"]) for row in rows]
        losses = [float(row["loss"]) for row in rows]
        if not all(map(math.isfinite, (*steps, *losses))):
            raise ValueError
    except Exception:  # whatever it is, it is no such table
        raise _Bad("csv") from None
    if len(losses) < FEWEST_LOSSES:
        raise _Bad("few losses", len(losses), FEWEST_LOSSES)
    if any(b <= a for a, b in zip(steps, steps[1:])):
        raise _Bad("steps")
    tenth = max(1, len(losses) // 10)
    first, last = sum(losses[:tenth]), sum(losses[-tenth:])
    if not last < first:
        raise _Bad("rises", last / first if first else 1.0)
    return {"losses": float(len(losses)), "last loss": last / tenth}


def _of_report(content: bytes) -> dict[str, float]:
    try:
        words = len(content.decode("utf-8-sig").split())
    except UnicodeError:
        raise _Bad("text") from None
    if words < FEWEST_WORDS:
        raise _Bad("words", words, FEWEST_WORDS)
    return {"words": float(words)}


# -- at the judge -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Scores:
    """What the room said, read with care: numbers, and a sentence for each file that is bad."""

    numbers: Mapping[str, float]
    problems: Mapping[str, str]


_NAMES = {*(c.name for c in CRITERIA), "copies", "distance", "samples", *_SMALL, "words"}


def read_scores(content: bytes) -> Scores:
    """What the room said.

    Raises:
        ValueError: this is not what a room says.
    """
    try:
        reply = json.loads(content)
        numbers = {}
        for name in _NAMES | {"last loss"}:
            if name in reply["scores"]:
                numbers[name] = float(reply["scores"][name])
        if not all(map(math.isfinite, numbers.values())):
            raise ValueError("not finite")
        problems = {
            name: _sentence(*reply["problems"][name]) for name in FILES if name in reply["problems"]
        }
    except Exception as error:
        raise ValueError("this is no reply") from error
    return Scores(numbers, problems)


def _sentence(kind: str, *numbers: Any) -> str:
    return _PROBLEMS[kind].format(*map(_number, numbers))


def _number(value: Any) -> str:
    if isinstance(value, list):
        if len(value) > 8:
            return "another shape"
        inner = ", ".join(_number(one) for one in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if type(value) is int:
        return f"{value:d}" if abs(value) < 10**12 else "very many"
    return f"{float(value):.3g}"


def marks(scores: Scores, missing: Mapping[str, str]) -> tuple[Grade, ...]:
    """The grade of each criterion.

    Args:
        scores: of what is there.
        missing: for each file that is not there, or could not be read, the sentence that says so.
    """
    said = {**scores.problems, **missing}
    copied = scores.numbers.get("own", 1.0) < CRITERIA[-1].half
    grades = []
    for one in CRITERIA:
        task = f"project.{one.name}"
        if FILES[0] in said:
            grades.append(Grade(task, one.title, 0, one.points, said[FILES[0]]))
            continue
        score = scores.numbers[one.name]
        share = 0 if copied else one.share(score)
        bar = f"{one.full:g} or {'more' if one.more else 'less'}"
        figure = f"The score is {score:.3g}; for all points it is {bar}."
        if copied and one.name != "own":
            sentence = CRITERIA[-1].poor
        else:
            sentence = figure if share == 0.5 else f"{one.poor} {figure}"
        points = share * one.points
        grades.append(
            Grade(
                task,
                one.title,
                points,
                one.points,
                "" if share == 1 else sentence,
                f"{one.lesson} {figure}",
            )
        )
    for name, file in zip(_SMALL, FILES[1:3]):
        title, lesson = _SMALL[name]
        sentence = said.get(file, "")
        grades.append(Grade(f"project.{name}", title, 0 if sentence else 1, 1, sentence, lesson))
    return tuple(grades)


def nothing(problem: str) -> tuple[Grade, ...]:
    """The grades of a project that is not there, or cannot be measured."""
    small = ((name, title, 1) for name, (title, _) in _SMALL.items())
    return tuple(
        Grade(f"project.{name}", title, 0, points, problem)
        for name, title, points in (*((c.name, c.title, c.points) for c in CRITERIA), *small)
    )


def remark(scores: Scores, missing: Mapping[str, str], own_data: bool) -> str:
    """What the instructor should know: the report is theirs to grade."""
    told = {**scores.problems, **missing}.get(FILES[3])
    data = " Its samples were compared with its own data.npy: look at both." if own_data else ""
    points = sum(points for _, points, _ in RUBRIC)
    return f"{told or f'report.md is yours to grade ({points} points).'}{data}"
