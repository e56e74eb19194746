import math

import numpy as np
import pytest
import scipy.linalg
import torch

from ddpm_course import metrics
from ddpm_course.data import digits


def test_frechet_distance_agrees_with_scipy(generator):
    a = torch.randn(500, 1, 2, 3, generator=generator)
    b = 0.5 + 2 * torch.randn(400, 1, 2, 3, generator=generator)
    x, y = a.flatten(1).double().numpy(), b.flatten(1).double().numpy()
    cov_x, cov_y = np.cov(x.T), np.cov(y.T)
    root = scipy.linalg.sqrtm(cov_x @ cov_y).real
    expected = ((x.mean(0) - y.mean(0)) ** 2).sum() + np.trace(cov_x + cov_y - 2 * root)
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_in_one_dimension_is_exact():
    a, b = torch.tensor([[-1.0], [1.0]]), torch.tensor([[2.0], [6.0]])
    # means 0 and 4; standard deviations √2 and √8
    expected = 16 + (math.sqrt(2) - math.sqrt(8)) ** 2
    assert metrics.frechet_distance(a, b) == pytest.approx(expected)


def test_frechet_distance_of_a_set_to_itself_is_0():
    assert abs(metrics.frechet_distance(digits("test"), digits("test"))) < 1e-6


def test_sets_that_cannot_be_compared_are_refused():
    with pytest.raises(ValueError, match="at least two samples"):
        metrics.frechet_distance(torch.zeros(1, 4), torch.zeros(5, 4))
    with pytest.raises(ValueError, match="same number of coordinates"):
        metrics.frechet_distance(torch.zeros(3, 4), torch.zeros(5, 2))


def test_nearest_distance():
    reference = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    samples = torch.tensor([[3.0, 4.0], [10.0, 1.0], [0.0, 0.0]])
    assert metrics.nearest_distance(samples, reference).tolist() == pytest.approx([5, 1, 0])


def test_the_report_knows_digits_from_noise_and_copies_from_fresh():
    real = metrics.digit_report(digits("test"))
    noise = metrics.digit_report(torch.randn(360, 1, 8, 8).clamp(-1, 1))
    copies = metrics.digit_report(digits("train")[:360])
    assert real.sure > 0.95
    assert noise.sure < 0.5
    assert real.frechet < 0.4 < 10 < noise.frechet
    assert copies.nearest == 0
    assert real.nearest > 1.9
    assert sum(real.shares) == pytest.approx(1)
    assert max(real.shares) - min(real.shares) < 0.02
