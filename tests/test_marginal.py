import pytest
import torch
from diffusers import DDPMScheduler

from ddpm_course import Schedule, marginal
from tests.montecarlo import assert_moments


def test_sample_agrees_with_diffusers_at_every_t(generator):
    schedule, reference = Schedule.linear(1000), DDPMScheduler(1000)
    x_0 = torch.randn(1000, 4, generator=generator)
    eps = torch.randn(1000, 4, generator=generator)
    t = torch.arange(1, 1001)
    x_t, same = marginal.sample(x_0, t, schedule, eps)
    assert same is eps
    torch.testing.assert_close(x_t, reference.add_noise(x_0, eps, t - 1), rtol=0, atol=1e-5)


def test_sample_has_the_moments(generator):
    schedule = Schedule.linear(1000)
    x_0 = torch.full((50_000, 1), -0.4)
    for t in (1, 250, 1000):
        x_t, _ = marginal.sample(x_0, t, schedule, generator=generator)
        alpha_bar = schedule.alpha_bar[t]
        assert_moments(x_t, -0.4 * alpha_bar.sqrt(), 1 - alpha_bar)


def test_data_of_unit_variance_keep_it(schedule, generator):
    x_0 = torch.randn(50_000, 1, generator=generator)
    x_t, _ = marginal.sample(x_0, schedule.T, schedule, generator=generator)
    assert_moments(x_t, 0.0, 1.0)


def test_x0_and_eps_are_two_views_of_one_x_t(schedule, generator):
    x_0 = torch.randn(schedule.T, 3, dtype=torch.float64, generator=generator)
    t = torch.arange(1, schedule.T + 1)
    x_t, eps = marginal.sample(x_0, t, schedule, generator=generator)
    # Where ᾱ_t is tiny, dividing by its root amplifies rounding.
    atol = float(1e-15 / schedule.alpha_bar.min().sqrt() + 1e-12)
    torch.testing.assert_close(
        marginal.predict_x0(x_t, eps, t, schedule), x_0, rtol=1e-8, atol=atol
    )
    torch.testing.assert_close(
        marginal.predict_eps(x_t, x_0, t, schedule), eps, rtol=1e-8, atol=1e-11
    )


def test_the_noise_that_comes_back_made_x_t(generator):
    schedule, x_0 = Schedule.cosine(20), torch.randn(6, 1, 4, 4, generator=generator)
    t = torch.arange(1, 7)
    x_t, eps = marginal.sample(x_0, t, schedule, generator=generator)
    again, _ = marginal.sample(x_0, t, schedule, eps)
    assert torch.equal(x_t, again)
    assert x_t.dtype == eps.dtype == torch.float32


def test_noise_of_another_shape_is_refused():
    with pytest.raises(ValueError, match=r"eps has shape \(2,\), x_0 \(2, 3\)"):
        marginal.sample(torch.zeros(2, 3), 1, Schedule.linear(10), eps=torch.zeros(2))


@pytest.mark.parametrize("function", [marginal.predict_x0, marginal.predict_eps])
def test_wrong_steps_are_refused(function):
    with pytest.raises(ValueError, match=r"1\.\.10"):
        function(torch.zeros(2, 3), torch.zeros(2, 3), 0, Schedule.linear(10))


def test_a_seed_repeats():
    schedule, x_0 = Schedule.linear(10), torch.zeros(4, 2)
    first, second = (
        marginal.sample(x_0, 3, schedule, generator=torch.Generator().manual_seed(1))[1]
        for _ in range(2)
    )
    assert torch.equal(first, second)


def test_a_small_variance_keeps_its_digits_in_float32():
    """1 - ᾱ_1 = 1e-4: taken in float32 it would be off in the fourth digit."""
    schedule, x = Schedule.linear(1000), torch.zeros(1, 1)
    one = torch.ones(1, 1)
    assert marginal.given_x0(x, 1, schedule).var.item() == pytest.approx(1e-4, rel=1e-6)
    # x_0 = (0 - √(1 - ᾱ) · 1) / √ᾱ, and ε = (1 - 0) / √(1 - ᾱ)
    x_0 = marginal.predict_x0(x, one, 1, schedule).item()
    assert x_0 == pytest.approx(-((1e-4 / (1 - 1e-4)) ** 0.5), rel=1e-6)
    assert marginal.predict_eps(one, x, 1, schedule).item() == pytest.approx(100, rel=1e-6)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda s: marginal.given_x0(torch.ones(2).int(), 1, s), "x_0 has dtype torch.int32"),
        (
            lambda s: marginal.predict_x0(torch.ones(2), torch.ones(3), 1, s),
            "eps has shape (3,), x_t (2,); they must agree",
        ),
        (
            lambda s: marginal.predict_eps(torch.ones(2), torch.ones(3), 1, s),
            "x_0 has shape (3,), x_t (2,); they must agree",
        ),
    ],
)
def test_what_cannot_be_computed_with_is_refused(call, said):
    with pytest.raises(ValueError) as error:
        call(Schedule.linear(10))
    assert said in str(error.value)
