"""How good are the samples? Distances between two sets of images, and a second opinion."""

from __future__ import annotations

import math
import warnings
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ddpm_course import checks
from ddpm_course.data import digit_labels, digits

if TYPE_CHECKING:
    from sklearn.svm import SVC
    from torchmetrics.image.fid import FrechetInceptionDistance

__all__ = [
    "DigitReport",
    "digit_probability",
    "digit_report",
    "frechet_distance",
    "inception",
    "inception_fid",
    "nearest_distance",
]


_CHUNK = 4096  # how many items are held in float64 at once


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance between the Gaussians with the moments of ``a`` and of ``b``.

    ‖μ_a - μ_b‖² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½), on the raw pixels (Heusel et al. 2017 use the
    features of a network in their place, and call it FID). It is biased upwards for few samples:
    compare only sets of the same size.

    Args:
        a, b: (N, ...) and (M, ...) with the same shape of an item; N, M >= 2. Pictures are in
            [-1, 1], or uint8.

    Raises:
        ValueError: the items have other shapes, a set has fewer than 2, or a value is not finite.
    """
    _comparable(a, b, least=2)
    mean_a, root_a = _mean_and_root(a)
    mean_b, root_b = _mean_and_root(b)
    # With Σ_a = AᵀA and Σ_b = BᵀB, tr (Σ_a Σ_b)^½ is the sum of the singular values of A Bᵀ. A
    # and B have a row for each sample or for each coordinate, whichever are fewer.
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    mean = ((mean_a - mean_b) ** 2).sum()
    return float(mean + (root_a**2).sum() + (root_b**2).sum() - 2 * cross)  # evaluation.frechet


def _mean_and_root(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (D,), and A (min(N, D), D) with AᵀA = Σ, in float64."""
    size, count = x[0].numel(), len(x)
    if count <= size:
        rows = torch.cat([_rows(chunk) for chunk in x.split(_CHUNK)])
        mean = rows.mean(0)
        return mean, (rows - mean) / math.sqrt(count - 1)
    mean = sum((_rows(chunk).sum(0) for chunk in x.split(_CHUNK)), torch.zeros(())) / count
    cov = torch.zeros(size, size, dtype=torch.float64)
    for chunk in x.split(_CHUNK):
        rows = _rows(chunk) - mean
        cov.addmm_(rows.T, rows, alpha=1 / (count - 1))
    values, vectors = torch.linalg.eigh(cov)
    return mean, values.clamp(min=0).sqrt()[:, None] * vectors.T


def nearest_distance(samples: Tensor, reference: Tensor) -> Tensor:
    """(N,) the Euclidean distance of each sample to the nearest item of ``reference``.

    A model that has learned its training images by heart has distances near 0. Which picture is
    the nearest is found in float32; the distance to it is float64.

    Args:
        samples, reference: (N, ...) and (M, ...) with the same shape of an item; pictures are in
            [-1, 1], or uint8.

    Raises:
        ValueError: the items have other shapes, a set is empty, or a value is not finite.
    """
    _comparable(samples, reference, least=1)
    kind = torch.float32 if samples.ndim >= 3 else torch.float64  # other numbers have any size
    best = torch.full((len(samples),), math.inf, dtype=kind)
    which = torch.zeros(len(samples), dtype=torch.int64)
    for i, there in enumerate(reference.split(_CHUNK)):  # all pairs at once would take N·M numbers
        rows = _rows(there, kind)
        half = (rows**2).sum(1) / 2
        for here, least, nearest in zip(*(x.split(_CHUNK) for x in (samples, best, which))):
            # ‖x - y‖²/2 without ‖x‖²/2, which is the same for all y
            found, at = torch.addmm(half, _rows(here, kind), rows.T, alpha=-1).min(dim=1)
            closer = found < least
            least[closer], nearest[closer] = found[closer], at[closer] + i * _CHUNK
    pairs = zip(samples.split(_CHUNK), which.split(_CHUNK))
    return torch.cat([(_rows(x) - _rows(reference[at])).norm(dim=1) for x, at in pairs])


def _rows(x: Tensor, kind: torch.dtype = torch.float64) -> Tensor:
    """(N, D) of this kind, on the CPU."""
    rows = checks.pictures(x).detach().cpu().to(kind).flatten(1)
    if not rows.isfinite().all():
        raise ValueError("a set holds values that are not finite; find out where they come from.")
    return rows


def _comparable(a: Tensor, b: Tensor, least: int) -> None:
    for name, x in (("the first set", a), ("the second set", b)):
        if not isinstance(x, Tensor):
            raise ValueError(f"{name} is a {type(x).__name__}; give a tensor.")
    if a.ndim < 2 or a.shape[1:] != b.shape[1:] or min(len(a), len(b)) < least:
        few = {1: "one sample", 2: "two samples"}[least]
        raise ValueError(
            f"the sets have shapes {tuple(a.shape)} and {tuple(b.shape)}; give at least {few} "
            "each, (N, ...), with the same number of coordinates in the same shape."
        )
    for name, x in (("the first set", a), ("the second set", b)):
        checks.pictures(x[:0], name)  # its type
        if x.ndim >= 3 and x.is_floating_point():
            checks.in_range(x, name)


def inception() -> FrechetInceptionDistance:
    """The network behind the FID of Heusel et al. (2017), for ``inception_fid``.

    Raises:
        ValueError: torchmetrics is not installed, or its weights cannot be fetched.
    """
    try:
        from torchmetrics.image.fid import FrechetInceptionDistance

        return FrechetInceptionDistance(normalize=True)
    except (ImportError, OSError, RuntimeError) as error:
        raise ValueError(
            f"the Inception network cannot be had ({error}); run `pip install torchmetrics[image]` "
            "and go online once for its weights, or do without the FID."
        ) from error


def inception_fid(samples: Tensor, reference: Tensor, network: FrechetInceptionDistance) -> float:
    """The Fréchet distance on the Inception network's features, between sets of images.

    Published figures use 50,000 samples against the whole training set; with fewer it is larger.

    Args:
        samples, reference: (N, C, H, W) and (M, C, H, W) in [-1, 1] or uint8, C = 1 or 3.
        network: from ``inception()``.
    """
    _comparable(samples, reference, least=2)
    network.reset()
    for images, real in ((samples, False), (reference, True)):
        for batch in images.split(100):
            color = checks.pictures(batch).expand(-1, 3, -1, -1)
            network.update((color.clamp(-1, 1) + 1) / 2, real=real)
    return float(network.compute())


class DigitReport(NamedTuple):
    """What a set of generated 8x8 digits is like."""

    frechet: float  # distance on the 64 pixels, to all real digits
    sure: float  # the share that the classifier is more than 90% sure of
    shares: list[float]  # of each digit 0..9, by the classifier
    nearest: float  # the median distance to the nearest training image


def digit_report(samples: Tensor) -> DigitReport:
    """Judge generated digits (N, 1, 8, 8) in [-1, 1] against scikit-learn's."""
    probability = digit_probability(samples)
    shares = probability.argmax(1).bincount(minlength=10).double() / len(samples)
    return DigitReport(
        frechet=frechet_distance(samples, digits("all")),
        sure=float((probability.amax(1) > 0.9).double().mean()),
        shares=shares.tolist(),
        nearest=float(nearest_distance(samples, digits("train")).median()),
    )


def digit_probability(samples: Tensor) -> Tensor:
    """(N, 10) float64: how likely each digit is for images (N, 1, 8, 8), by the classifier of
    ``digit_report``; every row sums to 1."""
    if samples.shape[1:] != (1, 8, 8) or len(samples) == 0:
        raise ValueError(f"samples has shape {tuple(samples.shape)}; give digits, (N, 1, 8, 8).")
    return torch.as_tensor(_digit_classifier().predict_proba(_rows(samples).numpy()))


@cache
def _digit_classifier() -> SVC:
    """A support vector machine with probabilities (libsvm's own), trained on all real digits."""
    from sklearn.svm import SVC

    images = digits("all").flatten(1).double().numpy()
    classifier = SVC(C=10, gamma=0.02, probability=True, random_state=0)
    with warnings.catch_warnings():
        # scikit-learn 1.11 will drop this option; its replacement gives other probabilities, and
        # figures measured with one could not be compared with the other.
        warnings.filterwarnings("ignore", "The `probability` parameter", FutureWarning)
        return classifier.fit(images, digit_labels("all").numpy())
