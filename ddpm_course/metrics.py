"""How good are the samples? Distances between two sets of images, and a second opinion."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from ddpm_course.data import digit_labels, digits

if TYPE_CHECKING:
    from sklearn.svm import SVC

__all__ = ["DigitReport", "digit_report", "frechet_distance", "nearest_distance"]


def frechet_distance(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance between the Gaussians with the moments of ``a`` and of ``b``.

    |μ_a - μ_b|² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½), on the raw pixels (Heusel et al. 2017 use the
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


class DigitReport(NamedTuple):
    """What a set of generated 8x8 digits is like."""

    frechet: float  # distance on the 64 pixels, to all real digits
    sure: float  # the share that the classifier is more than 90% sure of
    shares: list[float]  # of each digit 0..9, by the classifier
    nearest: float  # the median distance to the nearest training image


def digit_report(samples: Tensor) -> DigitReport:
    """Judge generated digits (N, 1, 8, 8) in [-1, 1] against scikit-learn's."""
    probability = torch.as_tensor(
        _digit_classifier().predict_proba(samples.flatten(1).double().numpy())
    )
    shares = probability.argmax(1).bincount(minlength=10) / len(samples)
    return DigitReport(
        frechet=frechet_distance(samples, digits("all")),
        sure=float((probability.amax(1) > 0.9).double().mean()),
        shares=shares.tolist(),
        nearest=float(nearest_distance(samples, digits("train")).median()),
    )


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
