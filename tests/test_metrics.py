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
    for distance in (metrics.frechet_distance, metrics.nearest_distance):
        for shape in ((5, 2), (5, 2, 2), (5,)):
            with pytest.raises(ValueError, match="same number of coordinates"):
                distance(torch.zeros(3, 4), torch.zeros(shape))
    with pytest.raises(ValueError, match="at least one sample"):
        metrics.nearest_distance(torch.zeros(3, 4), torch.zeros(0, 4))


def test_what_is_shown_to_the_inception_network_is_in_0_to_1(generator):
    class Seen:
        def reset(self):
            self.seen = {True: [], False: []}

        def update(self, images, real):
            self.seen[real].append(images)

        def compute(self):
            return 0.25

    bytes_ = torch.randint(0, 256, (150, 1, 4, 4), generator=generator).byte()
    seen = Seen()
    assert metrics.inception_fid(bytes_ / 127.5 - 1, bytes_, seen) == 0.25
    for real in (True, False):
        shown = torch.cat(seen.seen[real])
        torch.testing.assert_close(shown, (bytes_ / 255).expand(-1, 3, -1, -1))


@pytest.mark.parametrize("probability", [0.69, 0.71, 0.89, 0.91])
def test_sure_is_more_than_90_percent(monkeypatch, probability):
    rows = torch.full((4, 10), (1 - probability) / 9).index_fill_(1, torch.tensor(3), probability)
    monkeypatch.setattr(metrics, "digit_probability", lambda samples: rows)
    assert metrics.digit_report(digits("test")[:4]).sure == (probability > 0.9)


def test_the_report_gives_the_median_of_the_distances():
    far = torch.ones(1, 1, 8, 8)  # one outlier among copies moves a mean, and no median
    report = metrics.digit_report(torch.cat([digits("train")[:4], far]))
    assert report.nearest == 0


@pytest.mark.parametrize(("n", "m"), [(3, 4), (3, 50), (50, 3), (50, 60), (12, 13)])
def test_frechet_distance_whichever_side_is_smaller(generator, n, m):
    """12 coordinates: fewer or more than samples, in one set or the other."""
    a = torch.randn(n, 12, generator=generator, dtype=torch.float64)
    b = 1 + torch.randn(m, 12, generator=generator, dtype=torch.float64) @ torch.randn(
        12, 12, generator=generator, dtype=torch.float64
    )
    cov_a, cov_b = np.cov(a.T.numpy()), np.cov(b.T.numpy())
    eigenvalues = np.linalg.eigvals(cov_a @ cov_b).real.clip(0)  # of a matrix as it stands
    mean = ((a.mean(0) - b.mean(0)) ** 2).sum()
    expected = float(mean) + np.trace(cov_a + cov_b) - 2 * np.sqrt(eigenvalues).sum()
    assert metrics.frechet_distance(a, b) == pytest.approx(expected, rel=1e-5)


def test_sets_larger_than_a_chunk_are_compared_whole(generator, monkeypatch):
    a, b = (torch.randn(n, 1, 2, 2, generator=generator) for n in (23, 31))
    whole = metrics.nearest_distance(a, b), metrics.frechet_distance(a, b)
    monkeypatch.setattr(metrics, "_CHUNK", 7)
    torch.testing.assert_close(metrics.nearest_distance(a, b), whole[0])
    assert metrics.frechet_distance(a, b) == pytest.approx(whole[1])


def test_two_large_pictures_take_memory_for_two():
    """128x128 in color has 49,152 coordinates; a covariance of them would take 19 GB."""
    pictures = torch.stack([torch.zeros(3, 128, 128), torch.full((3, 128, 128), 0.5)])
    expected = 49_152 * 0.25**2  # the same spread around another mean
    assert metrics.frechet_distance(pictures, pictures - 0.25) == pytest.approx(expected)


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
