"""How good are the samples? Distances between two sets of images, and a second opinion."""

from __future__ import annotations

import warnings
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

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


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance between the Gaussians with the moments of ``a`` and of ``b``.

    ‖μ_a - μ_b‖² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½), on the raw pixels (Heusel et al. 2017 use the
    features of a network in their place, and call it FID). It is biased upwards for few samples:
    compare only sets of the same size.

    Args:
        a, b: (N, ...) and (M, ...) with the same number of coordinates; N, M >= 2.
    """
    x, y = a.flatten(1).double(), b.flatten(1).double()
    if x.shape[1] != y.shape[1] or min(len(x), len(y)) < 2:
        raise ValueError(
            f"the sets have shapes {tuple(a.shape)} and {tuple(b.shape)}; give at least two "
            "samples each, with the same number of coordinates."
        )
    cov_x, cov_y = torch.cov(x.T), torch.cov(y.T)
    # tr (Σ_a Σ_b)^½ is the sum of the square roots of the eigenvalues of Σ_a^½ Σ_b Σ_a^½.
    values, vectors = torch.linalg.eigh(torch.atleast_2d(cov_x))
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T
    cross = torch.linalg.eigvalsh(root @ torch.atleast_2d(cov_y) @ root).clamp(min=0).sqrt().sum()
    mean = ((x.mean(0) - y.mean(0)) ** 2).sum()
    trace = torch.atleast_2d(cov_x).trace() + torch.atleast_2d(cov_y).trace()
    return float(mean + trace - 2 * cross)


def nearest_distance(samples: Tensor, reference: Tensor) -> Tensor:
    """(N,) the Euclidean distance of each sample to the nearest item of ``reference``.

    A model that has learned its training images by heart has distances near 0.
    """
    return torch.cdist(samples.flatten(1).double(), reference.flatten(1).double()).amin(dim=1)


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
        samples, reference: (N, C, H, W) and (M, C, H, W) in [-1, 1], C = 1 or 3.
        network: from ``inception()``.
    """
    network.reset()
    for images, real in ((samples, False), (reference, True)):
        for batch in images.split(100):
            color = batch.expand(-1, 3, -1, -1)
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
    return torch.as_tensor(_digit_classifier().predict_proba(samples.flatten(1).double().numpy()))


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
