import math
import subprocess
import sys

import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from ddpm_course import Schedule, data, marginal
from tests.montecarlo import assert_moments

MIXTURE = data.Mixture(
    torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64),
    torch.tensor([[0.0, 1.0], [2.0, -1.0], [-1.0, 0.5]], dtype=torch.float64),
    torch.tensor([0.1, 0.5, 1.0], dtype=torch.float64),
)


def test_digits_are_scikit_learns():
    images, labels = data.digits("all"), data.digit_labels("all")
    assert images.shape == (1797, 1, 8, 8)
    assert images.dtype == torch.float32
    original = load_digits()
    assert torch.equal((images[:, 0] + 1) * 8, torch.tensor(original.images, dtype=torch.float32))
    assert labels.tolist() == original.target.tolist()


def test_the_split_is_fixed_disjoint_and_fair():
    train, test = data.digits("train"), data.digits("test")
    assert (len(train), len(test)) == (1437, 360)
    rows = {tuple(image.flatten().tolist()) for image in data.digits("all")}
    assert len(rows) == 1797  # no two digits are equal, so disjoint sets can be told by value
    in_train = {tuple(image.flatten().tolist()) for image in train}
    in_test = {tuple(image.flatten().tolist()) for image in test}
    assert not in_train & in_test
    assert in_train | in_test == rows
    assert torch.equal(train, data.digits("train"))
    shares = data.digit_labels("test").bincount() / 360
    everyone = data.digit_labels("all").bincount() / 1797
    assert (shares - everyone).abs().max() < 1 / 360


def test_the_split_is_scikit_learns_with_its_labels():
    labels = load_digits().target
    rows = train_test_split(range(1797), test_size=360, stratify=labels, random_state=0)
    for split, held in zip(("train", "test"), map(sorted, rows), strict=True):
        assert torch.equal(data.digits(split), data.digits("all")[held])
        assert data.digit_labels(split).tolist() == labels[held].tolist()


def test_changing_what_was_given_changes_nothing_that_is_given_later():
    for split in ("all", "train"):
        data.digits(split).fill_(0)
        data.digit_labels(split).fill_(0)
        assert data.digits(split).unique().numel() == 17
        assert data.digit_labels(split).unique().numel() == 10


def test_digits_come_without_importing_scikit_learn():
    code = "import sys; from ddpm_course import data; data.digits(); data.digit_labels();"
    code += "sys.exit('sklearn' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="split is 'dev'; choose 'train', 'test' or 'all'"):
        data.digits("dev")


@pytest.mark.parametrize("name", sorted(data.CLOUDS))
def test_clouds_are_centered_of_about_unit_variance_and_repeatable(name):
    cloud = data.CLOUDS[name]
    points = cloud(20_000, torch.Generator().manual_seed(3))
    assert points.shape == (20_000, 2)
    assert points.dtype == torch.float32
    assert points.mean(0).abs().max() < 0.1
    assert points.std(0).min() > 0.7
    assert points.std(0).max() < 1.3
    assert torch.equal(points, cloud(20_000, torch.Generator().manual_seed(3)))
    with pytest.raises(ValueError, match="n is 0"):
        cloud(0)


def reference(mixture: data.Mixture) -> MixtureSameFamily:
    covariance = mixture.variances[:, None, None] * torch.eye(2, dtype=torch.float64)
    return MixtureSameFamily(
        Categorical(mixture.weights), MultivariateNormal(mixture.means, covariance)
    )


def test_mixture_density_agrees_with_torch():
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(MIXTURE.log_prob(x), reference(MIXTURE).log_prob(x))


def test_score_is_the_gradient_of_the_log_density():
    x = torch.randn(50, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x.requires_grad_()
    (gradient,) = torch.autograd.grad(reference(MIXTURE).log_prob(x).sum(), x)
    torch.testing.assert_close(MIXTURE.score(x.detach()), gradient)


def test_noised_mixture_has_the_moments_of_noised_samples(generator):
    schedule = Schedule.linear(10, 0.05, 0.5)
    one = data.Mixture(torch.ones(1), torch.tensor([[0.5, -1.0]]), torch.tensor([0.3]))
    x_t, _ = marginal.sample(one.sample(50_000, generator), 4, schedule, generator=generator)
    noised = one.noised(4, schedule)
    assert_moments(x_t, noised.means[0], noised.variances[0])


def test_eps_is_the_conditional_mean_of_the_noise(generator):
    """E[ε | x_t] by brute force: average the ε of those draws whose x_t falls in a thin slice."""
    schedule = Schedule.linear(10, 0.05, 0.5)
    mixture = data.Mixture(
        torch.tensor([0.3, 0.7]), torch.tensor([[-1.0], [1.0]]), torch.tensor([0.05, 0.2])
    )
    x_0 = mixture.sample(2_000_000, generator)
    x_t, eps = marginal.sample(x_0, 5, schedule, generator=generator)
    model = mixture.eps(schedule)
    for center in (-1.0, 0.0, 0.7):
        inside = (x_t - center).abs() < 0.01
        count = int(inside.sum())
        expected = float(model(torch.full((1, 1), center), torch.tensor([5])))
        error = 5 * float(eps[inside].std()) / math.sqrt(count) + 0.01
        assert abs(float(eps[inside].mean()) - expected) < error


@pytest.mark.parametrize(
    ("weights", "variances", "says"),
    [
        ([0.5, 0.6], [1.0, 1.0], "weights is"),
        ([0.5, 0.5], [1.0, 0.0], "variances is"),
        ([1.0], [1.0, 1.0], r"shapes \(1,\), \(2, 1\) and \(2,\)"),
    ],
)
def test_a_mixture_that_is_none_is_refused(weights, variances, says):
    with pytest.raises(ValueError, match=says):
        data.Mixture(torch.tensor(weights), torch.zeros(2, 1), torch.tensor(variances))


def test_the_parts_of_a_mixture_have_their_shapes():
    k, d = torch.full((2,), 0.5), torch.zeros(2, 3)
    for parts in ((k[:, None], d, k), (k, d, d), (k, k, k), (k, d.int(), k)):
        with pytest.raises(ValueError, match=r"give \(K,\), \(K, D\)|means has dtype"):
            data.Mixture(*parts)


@pytest.mark.parametrize("t", [-1, 11])
def test_a_mixture_is_noised_by_a_step_of_the_schedule(t):
    with pytest.raises(ValueError, match=rf"t is {t}; this schedule's steps run over 0\.\.10"):
        MIXTURE.noised(t, Schedule.linear(10, 0.05, 0.5))
