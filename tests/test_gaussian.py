import pytest
import torch
from torch.distributions import Normal, kl_divergence

from ddpm_course import Gaussian
from ddpm_course.gaussian import standard_noise
from tests.montecarlo import assert_moments

P = Gaussian(torch.tensor([0.3, -1.0]), torch.tensor([0.5, 2.0]))
Q = Gaussian(torch.tensor([1.0, 0.0]), torch.tensor([1.5, 0.25]))


def as_torch(p: Gaussian) -> Normal:
    return Normal(p.mean, p.var.sqrt())


def test_log_prob_agrees_with_torch():
    x = torch.linspace(-3, 3, 7)[:, None].expand(7, 2)
    torch.testing.assert_close(P.log_prob(x), as_torch(P).log_prob(x))


def test_kl_agrees_with_torch_and_is_0_only_at_home():
    torch.testing.assert_close(P.kl(Q), kl_divergence(as_torch(P), as_torch(Q)))
    assert (P.kl(P) == 0).all()
    assert (P.kl(Q) > 0).all()


def test_samples_have_the_moments(generator):
    n = 100_000
    samples = Gaussian(P.mean.expand(n, 2), P.var).sample(generator)
    assert_moments(samples, P.mean, P.var)


def test_no_variance_no_noise(generator):
    mean = torch.tensor([1.0, 2.0])
    assert torch.equal(Gaussian(mean, torch.zeros(2)).sample(generator), mean)


def test_noise_is_gaussian_not_uniform(generator):
    """Mistake 3: uniform noise has no values beyond its edges and a flat histogram."""
    eps = standard_noise(torch.empty(100_000), generator)
    assert_moments(eps[:, None], 0.0, 1.0)
    kurtosis = float((eps**4).mean())  # 3 for a Gaussian, 1.8 for a uniform of any width
    assert abs(kurtosis - 3) < 5 * (96 / 100_000) ** 0.5


def test_a_seed_repeats(generator):
    a = standard_noise(torch.empty(5), torch.Generator().manual_seed(1))
    b = standard_noise(torch.empty(5), torch.Generator().manual_seed(1))
    assert torch.equal(a, b)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_noise_has_the_type_of_what_it_is_for():
    eps = standard_noise(torch.empty(5, dtype=torch.float64), seeded())
    assert torch.equal(eps, torch.randn(5, dtype=torch.float64, generator=seeded()))


def test_a_sample_is_the_mean_and_the_scaled_noise():
    eps = torch.randn(2, generator=seeded())
    torch.testing.assert_close(P.sample(seeded()), P.mean + P.var.sqrt() * eps)


def test_a_generator_for_each_item():
    like = torch.empty(3, 2)
    eps = standard_noise(like, [seeded(n) for n in range(3)])
    for n in range(3):
        assert torch.equal(eps[n], torch.randn(2, generator=seeded(n)))
    with pytest.raises(ValueError, match="2 generators for 3 items; give one each"):
        standard_noise(like, [seeded(0), seeded(1)])


def test_noise_is_drawn_where_the_generator_is():
    """Or else where the batch is; "meta", which holds no numbers, stands in for a GPU."""
    there, generator = torch.empty(4, device="meta"), seeded()
    before, own = generator.get_state(), torch.get_rng_state()
    assert standard_noise(there, generator).device == there.device
    assert not torch.equal(generator.get_state(), before)
    assert standard_noise(there).device == there.device
    assert torch.equal(torch.get_rng_state(), own)


ONE, COLUMN, ROW = torch.ones(()), torch.ones(3, 1), torch.ones(3)


@pytest.mark.parametrize(
    "use",
    [
        lambda: Gaussian(ROW, COLUMN).sample(),
        lambda: Gaussian(ROW, ONE).log_prob(COLUMN),
        lambda: Gaussian(ONE, ROW).log_prob(COLUMN),
        lambda: Gaussian(ROW, COLUMN).log_prob(ONE),
        lambda: Gaussian(ROW, COLUMN).kl(Gaussian(ONE, ONE)),
        lambda: Gaussian(ROW, ONE).kl(Gaussian(COLUMN, ONE)),
        lambda: Gaussian(ONE, ROW).kl(Gaussian(ONE, COLUMN)),
        lambda: Gaussian(ONE, ROW).kl(Gaussian(COLUMN, ONE)),
        lambda: Gaussian(ONE, ONE).kl(Gaussian(ROW, COLUMN)),
    ],
)
def test_neither_of_two_shapes_is_stretched_by_the_other(use):
    with pytest.raises(ValueError, match=r"has shape \(3, 1\).*; give one shape, or numbers that"):
        use()


def test_whole_numbers_are_refused():
    for use in (
        lambda: Gaussian(ROW.long(), ROW).sample(),
        lambda: Gaussian(ROW, ROW).log_prob(ROW.long()),
        lambda: Gaussian(ROW, ROW).kl(Gaussian(ROW, ROW.long())),
    ):
        with pytest.raises(ValueError, match=r"dtype torch\.int64; give floating point numbers"):
            use()


def test_each_coordinate_has_noise_of_its_own():
    """Where it is the variance that has the larger shape."""
    drawn = Gaussian(torch.zeros(1), torch.ones(500)).sample(seeded())
    torch.testing.assert_close(drawn, torch.randn(500, generator=seeded()))
