import math
import os
import subprocess
import sys
import textwrap
import warnings

import numpy as np
import pytest
import scipy.linalg
import torch

from ddpm_course import metrics
from ddpm_course.data import digit_labels, digits


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


@pytest.mark.parametrize("shape", [(3, 5, 5), (75,)])
def test_the_nearest_is_the_least_of_all_distances(generator, monkeypatch, shape):
    """Against all pairs in float64; near copies, where rounding would show most, among them."""
    monkeypatch.setattr(metrics, "_CHUNK", 8)
    reference = 2 * torch.rand(30, *shape, generator=generator, dtype=torch.float64) - 1
    samples = torch.cat([reference[[29, 3, 8, 7]], 0.9 * reference[:20].flip(0)])
    samples[0].flatten()[0] *= 1 - 1e-6
    expected = (samples.flatten(1)[:, None] - reference.flatten(1)[None]).norm(dim=2).amin(1)
    found = metrics.nearest_distance(samples, reference)
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=0)
    assert 0 < found[0] < 1e-6
    assert found[1:4].tolist() == [0, 0, 0]


def test_points_far_out_are_told_apart_where_float32_cannot():
    reference = torch.tensor([[1e6, 0.0], [1e6, 2.0]], dtype=torch.float64)
    assert metrics.nearest_distance(reference[1:] + 0.25, reference).item() == math.sqrt(0.125)


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


PICTURES = torch.zeros(2, 1, 2, 2)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (
            lambda: metrics.frechet_distance(torch.zeros(5, 4), torch.zeros(1, 4)),
            "the sets have shapes (5, 4) and (1, 4); give at least two samples each, (N, ...), "
            "with the same number of coordinates in the same shape.",
        ),
        (
            lambda: metrics.nearest_distance(torch.zeros(0, 4), torch.zeros(5, 4)),
            "the sets have shapes (0, 4) and (5, 4); give at least one sample each, (N, ...), ",
        ),
        (
            lambda: metrics.nearest_distance(PICTURES, 3 * PICTURES.add(1)[:1]),
            "the second set has values from 3 to 3",
        ),
        (
            lambda: metrics.nearest_distance(torch.tensor([3.0, 200]).view(2, 1, 1, 1), PICTURES),
            "give at least one sample",
        ),
        (
            lambda: metrics.nearest_distance(
                torch.tensor([3.0, 200]).view(2, 1, 1), torch.zeros(2, 1, 1)
            ),
            "the first set has values from 3 to 200",
        ),
        (
            lambda: metrics.nearest_distance(PICTURES, PICTURES.int()),
            "the second set has dtype torch.int32",
        ),
        (
            lambda: metrics.nearest_distance(PICTURES.int(), PICTURES),
            "the first set has dtype torch.int32",
        ),
        (
            lambda: metrics.inception_fid(PICTURES[:1], PICTURES, None),
            "give at least two samples",
        ),
        (
            lambda: metrics.nearest_distance(torch.full((2, 2), math.nan), torch.zeros(2, 2)),
            "a set holds values that are not finite; find out where they come from.",
        ),
        (
            lambda: metrics.digit_probability(torch.zeros(0, 1, 8, 8)),
            "samples has shape (0, 1, 8, 8); give digits, (N, 1, 8, 8).",
        ),
        (
            lambda: metrics.digit_probability(torch.zeros(3, 1, 8, 4)),
            "samples has shape (3, 1, 8, 4); give digits, (N, 1, 8, 8).",
        ),
    ],
)
def test_a_sentence_says_what_is_wrong(call, said):
    with pytest.raises(ValueError) as error:
        call()
    assert said in str(error.value)
    assert str(error.value)[:2] == "a " or said[:2] != "a "


def test_what_is_no_tensor_is_named():
    x = torch.zeros(2, 3)
    with pytest.raises(ValueError, match="the first set is a list; give a tensor"):
        metrics.nearest_distance([[1.0]], x)
    with pytest.raises(ValueError, match="the second set is a ndarray; give a tensor"):
        metrics.frechet_distance(x, x.numpy())


def test_features_of_any_size_are_no_pictures():
    far = torch.tensor([[300.0, 400.0]], requires_grad=True)
    distance = metrics.nearest_distance(far, torch.zeros(1, 2))
    assert distance.tolist() == [500]
    assert distance.dtype == torch.float64
    assert not distance.requires_grad


class Network:
    """In place of torchmetrics' network: keeps what it is shown."""

    def __init__(self, **options):
        self.options, self.seen = options, []

    def reset(self):
        self.seen.append("reset")

    def update(self, images, real):
        self.seen.append((images, real))

    def compute(self):
        return torch.tensor(0.25)


def test_the_inception_network_sees_color_in_range_by_the_hundred():
    network = Network()
    gray = torch.linspace(-1.5, 1.5, 250 * 4).view(250, 1, 2, 2)
    more = torch.linspace(-1, 1, 2 * 4).view(2, 1, 2, 2)
    distance = metrics.inception_fid(gray, more, network)
    assert distance == 0.25
    assert isinstance(distance, float)
    assert network.seen.pop(0) == "reset"
    assert [(len(images), real) for images, real in network.seen] == [
        (100, False),
        (100, False),
        (50, False),
        (2, True),
    ]
    shown = torch.cat([images for images, real in network.seen if not real])
    torch.testing.assert_close(shown, (gray.clamp(-1, 1).repeat(1, 3, 1, 1) + 1) / 2)
    torch.testing.assert_close(network.seen[-1][0], (more.repeat(1, 3, 1, 1) + 1) / 2)
    color = torch.linspace(-1, 1, 2 * 12).view(2, 3, 2, 2)
    metrics.inception_fid(color, color, network)
    torch.testing.assert_close(network.seen[-1][0], (color + 1) / 2)


def test_the_inception_network_takes_images_from_0_to_1(monkeypatch):
    import sys
    import types

    for name in ("torchmetrics", "torchmetrics.image", "torchmetrics.image.fid"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    module = sys.modules["torchmetrics.image.fid"]
    module.FrechetInceptionDistance = Network
    assert metrics.inception().options == {"normalize": True}

    def broken(**_):
        raise OSError("no network")

    module.FrechetInceptionDistance = broken
    with pytest.raises(ValueError) as error:
        metrics.inception()
    assert str(error.value) == (
        "the Inception network cannot be had (no network); run `pip install torchmetrics[image]` "
        "and go online once for its weights, or do without the FID."
    )


def test_the_report_is_made_of_the_distances_and_the_classifier():
    samples = digits("test")[:100]
    report, probability = metrics.digit_report(samples), metrics.digit_probability(samples)
    assert probability.dtype == torch.float64
    torch.testing.assert_close(probability.sum(1), torch.ones(100, dtype=torch.float64))
    assert report.frechet == metrics.frechet_distance(samples, digits("all"))
    assert report.nearest == metrics.nearest_distance(samples, digits("train")).median()
    guess = probability.argmax(1).tolist()
    assert report.shares == [guess.count(digit) / 100 for digit in range(10)]
    assert len(metrics.digit_report(samples[:2]).shares) == 10


def test_the_classifier_is_the_one_that_published_figures_are_measured_with():
    from sklearn.svm import SVC

    def fitted(**options):
        images = digits("all").flatten(1).double().numpy()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return SVC(probability=True, **options).fit(images, digit_labels("all").numpy())

    samples = digits("test")[:20]
    expected = fitted(C=10, gamma=0.02, random_state=0).predict_proba(
        samples.flatten(1).double().numpy()
    )
    np.testing.assert_allclose(metrics.digit_probability(samples).numpy(), expected, rtol=1e-12)


def test_the_classifiers_coming_end_is_no_news_to_a_reader(monkeypatch):
    import sklearn.svm

    class Soon:
        def __init__(self, **options):
            assert options == {"C": 10, "gamma": 0.02, "probability": True, "random_state": 0}

        def fit(self, images, labels):
            warnings.warn("The `probability` parameter is old", FutureWarning, stacklevel=1)
            if self.worse:
                warnings.warn("something else", self.worse, stacklevel=1)
            return self

    monkeypatch.setattr(sklearn.svm, "SVC", Soon)
    train = metrics._digit_classifier.__wrapped__
    Soon.worse = None
    assert isinstance(train(), Soon)
    for Soon.worse in (FutureWarning, UserWarning):
        with pytest.raises(Soon.worse, match="something else"):
            train()


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the peak of memory so")
def test_memory_grows_with_the_sets_and_not_with_their_pairs():
    """All pairs of 12,000 and 12,000 would take 1,152 MB."""
    script = """
        import resource, sys
        import torch
        from ddpm_course import metrics
        unit = 1 if sys.platform == "darwin" else 1024
        peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
        a, b = (torch.randint(0, 256, (12_000, 3, 16, 16)).byte() for _ in range(2))
        metrics.frechet_distance(a[:9], b[:9])
        before = peak()
        metrics.frechet_distance(a, b)
        metrics.nearest_distance(a, b)
        print(peak() - before)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 500e6
