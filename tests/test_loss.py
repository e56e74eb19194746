import math

import mpmath
import pytest
import torch
from torch import nn
from torch.distributions import Normal

from ddpm_course import Gaussian, Schedule, loss, marginal, reverse
from ddpm_course.data import Mixture


def zero(x, t):
    return torch.zeros_like(x)


# -- the ε-loss -------------------------------------------------------------------------------


def test_every_t_is_drawn_and_none_outside():
    schedule = Schedule.linear(10)
    t = loss.uniform_t(20_000, schedule, torch.Generator().manual_seed(0))
    counts = t.bincount(minlength=11)
    assert counts[0] == 0
    assert len(counts) == 11
    # Each count is binomial(20000, 1/10): standard deviation 42.4; 5 of them to either side.
    assert (counts[1:] - 2000).abs().max() < 5 * math.sqrt(20_000 * 0.1 * 0.9)


def test_the_items_of_a_batch_have_different_t():
    seen = []

    def model(x, t):
        seen.append(t)
        return torch.zeros_like(x)

    loss.epsilon_loss(model, torch.zeros(64, 2), Schedule.linear(1000))
    assert len(seen[0].unique()) > 32


def test_the_target_is_the_noise_that_made_x_t(generator):
    """A model that solves x_t for ε has loss 0: the target is that very ε (mistake 23)."""
    schedule, x_0 = Schedule.linear(100), torch.randn(50, 2, generator=generator)

    def knows_x_0(x_t, t):
        return marginal.predict_eps(x_t, x_0, t, schedule)

    assert float(loss.epsilon_loss(knows_x_0, x_0, schedule, generator=generator)) < 1e-6


def test_answering_0_costs_1_whatever_the_size(generator):
    for shape in [(4000, 2), (200, 3, 8, 8)]:
        value = loss.epsilon_loss(
            zero, torch.zeros(shape), Schedule.linear(10), generator=generator
        )
        n = math.prod(shape)
        assert abs(float(value) - 1) < 5 * math.sqrt(2 / n)  # Var[ε²] = 2


def test_best_possible_loss_of_gaussian_data(generator):
    """Data N(0, s²): E‖ε - E[ε | x_t]‖² = ᾱ_t s² / (ᾱ_t s² + 1 - ᾱ_t), exactly."""
    s, schedule = 0.5, Schedule.linear(100, 1e-3, 0.2)
    data = Mixture(torch.ones(1), torch.zeros(1, 1), torch.tensor([s**2]))
    x_0 = data.sample(40_000, generator)
    for t in (1, 30, 100):
        alpha_bar = float(schedule.alpha_bar[t])
        best = alpha_bar * s**2 / (alpha_bar * s**2 + 1 - alpha_bar)
        value = float(loss.epsilon_loss(data.eps(schedule), x_0, schedule, t, generator=generator))
        assert abs(value - best) < 5 * best * math.sqrt(2 / 40_000)


def test_the_noise_and_the_loss_stay_float32_when_the_network_does_not(generator):
    """Low precision lives inside the network only (mistake 15)."""
    seen = {}

    class Low(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x, t):
            seen["x_t"] = x.dtype
            with torch.autocast("cpu", torch.bfloat16):
                low = self.layer(x)
            seen["inside"] = low.dtype
            return low.float()

    value = loss.epsilon_loss(Low(), torch.zeros(8, 4), Schedule.linear(10), generator=generator)
    assert seen == {"x_t": torch.float32, "inside": torch.bfloat16}
    assert value.dtype == torch.float32


def test_gradients_flow_to_the_model_only(generator):
    model = nn.Linear(3, 3)
    value = loss.epsilon_loss(lambda x, t: model(x), torch.zeros(5, 3), Schedule.linear(10))
    value.backward()
    assert model.weight.grad is not None
    assert model.weight.grad.abs().sum() > 0


# -- the bound --------------------------------------------------------------------------------


def test_bits_of_gaussian_data_with_the_exact_model(generator):
    """Data N(0, 1), model ε_θ = √(1 - ᾱ_t) x_t, variance β: every p_θ(x_{t-1} | x_t) is the true
    reverse step, so E[L_{t-1}] is the mutual information I(x_{t-1}; x_0 | x_t), known exactly:
    KL has mean ½ log(β_t / β̃_t) under the joint of the data and the chain."""
    schedule = Schedule.linear(20, 0.05, 0.4)

    def exact(x_t, t):
        return (1 - schedule.at(schedule.alpha_bar, t, x_t)).sqrt() * x_t

    x_0 = torch.randn(20_000, 1, generator=generator)
    bits = loss.bits_per_dim(exact, x_0, schedule, levels=2, clip_x0=False, generator=generator)
    for t in range(2, 21):
        expected = 0.5 * torch.log2(schedule.beta[t] / schedule.beta_tilde[t])
        # L_{t-1} = ½ log(β/β̃) + ½ (β̃ + Δ²)/β - ½ with Δ Gaussian of variance β - β̃.
        spread = (schedule.beta[t] - schedule.beta_tilde[t]) / schedule.beta[t] / math.sqrt(2)
        error = 5 * float(spread) / math.log(2) / math.sqrt(20_000)
        assert abs(float(bits.per_t[t]) - float(expected)) < error + 1e-5
    assert bits.per_t.shape == (21,)
    assert (bits.per_t[:2] == 0).all()


def test_prior_term_is_the_kl_of_the_last_marginal(generator):
    schedule, x_0 = Schedule.linear(10, 0.05, 0.4), torch.full((3, 2), 0.5)
    bits = loss.bits_per_dim(zero, x_0, schedule, generator=generator)
    a = float(schedule.alpha_bar[10])
    nats = 0.5 * (a * 0.25 + (1 - a) - 1 - math.log(1 - a))
    assert float(bits.prior) == pytest.approx(nats / math.log(2), rel=1e-5)
    assert float(bits.total) == pytest.approx(
        float(bits.prior + bits.per_t.sum() + bits.decoder), rel=1e-6
    )


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_the_decoder_sums_to_1(levels):
    grid = torch.linspace(-1, 1, levels, dtype=torch.float64)
    for mean in (-3.0, -1.0, 0.13, 1.0, 40.0):
        for std in (1e-3, 0.05, 2.0):
            p = Gaussian(torch.full_like(grid, mean), torch.full_like(grid, std**2))
            total = loss.discretized_log_prob(grid, p, levels).exp().sum()
            assert float(total) == pytest.approx(1, abs=1e-9)


def test_the_decoder_agrees_with_torchs_normal():
    grid = torch.linspace(-1, 1, 17, dtype=torch.float64)
    normal, half = Normal(0.2, 0.3), 1 / 16
    upper = torch.where(grid > 0.99, 1.0, normal.cdf(grid + half))
    lower = torch.where(grid < -0.99, 0.0, normal.cdf(grid - half))
    p = Gaussian(torch.full_like(grid, 0.2), torch.full_like(grid, 0.09))
    ours = loss.discretized_log_prob(grid, p, 17)
    torch.testing.assert_close(ours, (upper - lower).log(), rtol=1e-6, atol=1e-6)


def test_the_bound_is_tight_where_the_model_is_exact(generator):
    """Data ±1 with probability ½ hold exactly 1 bit. With the best ε and β̃_t the bound comes down
    to it as steps get small; β_t, too wide for a point, pays for it at every step."""
    x_0 = torch.randint(0, 2, (4000, 1), generator=generator) * 2.0 - 1
    schedule = Schedule.linear(1000)
    best = two_point_eps(schedule)
    total = {
        variance: float(
            loss.bits_per_dim(
                best, x_0, schedule, levels=2, variance=variance, generator=generator
            ).total
        )
        for variance in ("beta", "beta_tilde")
    }
    assert 1.0 <= total["beta_tilde"] < 1.03
    assert total["beta"] > 1.3


def two_point_eps(schedule):
    """The best ε for data ±1 with probability ½ each: E[x_0 | x_t] is a tanh."""

    def model(x_t, t):
        alpha_bar = schedule.at(schedule.alpha_bar, t, x_t)
        x0_hat = torch.tanh(alpha_bar.sqrt() * x_t / (1 - alpha_bar))
        return marginal.predict_eps(x_t, x0_hat, t, schedule)

    return model


def test_the_exact_model_of_two_points_samples_two_points(generator):
    schedule = Schedule.linear(100, 1e-3, 0.2)
    x = reverse.sample(two_point_eps(schedule), (4000, 1), schedule, generator=generator)
    assert (x.abs() - 1).abs().max() < 0.05
    assert abs(float((x > 0).float().mean()) - 0.5) < 5 * 0.5 / math.sqrt(4000)


def test_steps_are_drawn_where_the_generator_is():
    """Whatever torch's default device is; "meta" stands in for a GPU."""
    schedule = Schedule.linear(10)
    with torch.device("meta"):
        assert loss.uniform_t(3, schedule, torch.Generator("cpu")).device.type == "cpu"
        assert loss.uniform_t(3, schedule).device.type == "meta"


def test_a_seed_repeats_the_loss_and_the_bound():
    schedule, x_0 = Schedule.linear(5, 0.1, 0.4), torch.full((4, 2), 0.5)

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    for value in (
        lambda: loss.epsilon_loss(zero, x_0, schedule, generator=seeded()),
        lambda: loss.bits_per_dim(zero, x_0, schedule, generator=seeded()).total,
        lambda: loss.bits_per_dim(zero, x_0, schedule, generator=seeded()).decoder,
    ):
        assert torch.equal(value(), value())


def test_steps_and_noise_come_from_the_generator():
    schedule, x_0, seen = Schedule.linear(1000), torch.zeros(16, 2), []

    def model(x_t, t):
        seen.append(t)
        return torch.zeros_like(x_t)

    loss.epsilon_loss(model, x_0, schedule, generator=torch.Generator().manual_seed(1))
    drawn = loss.uniform_t(16, schedule, torch.Generator().manual_seed(1))
    expected = torch.randint(1, 1001, (16,), generator=torch.Generator().manual_seed(1))
    assert torch.equal(drawn, expected)
    assert torch.equal(seen[0], expected)


def test_pictures_may_have_two_levels():
    x_0 = torch.tensor([-1.0, 1.0]).view(1, 1, 1, 2)
    assert loss.bits_per_dim(zero, x_0, Schedule.linear(3, 0.1, 0.5), levels=2).total.isfinite()


def test_the_noise_and_the_step_can_be_given():
    schedule, x_0 = Schedule.linear(5, 0.1, 0.4), torch.full((4, 2), 0.5)
    eps, seen = torch.arange(8.0).view(4, 2), []

    def model(x_t, t):
        seen.append((x_t, t))
        return torch.ones_like(x_t)

    value = loss.epsilon_loss(model, x_0, schedule, 3, eps)
    assert value.item() == pytest.approx(((eps - 1) ** 2).mean().item())
    x_t, t = seen[0]
    a = schedule.alpha_bar[3].item()
    torch.testing.assert_close(x_t, a**0.5 * x_0 + (1 - a) ** 0.5 * eps)
    assert t.tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
@pytest.mark.parametrize("clip", [True, False])
def test_the_bound_is_its_formulas_term_by_term(variance, clip):
    """In float64, with the same noise, from the definitions: Gaussians' KL, and the decoder's
    cell as a difference of distribution functions."""
    T, levels, s = 4, 5, Schedule.linear(4, 0.1, 0.5)
    x_0 = torch.tensor([[-1.0, 0.5], [0.0, 1.0], [-0.5, 0.0]], dtype=torch.float64)

    def model(x_t, t):
        return -0.9 * x_t * t[:, None]  # its x_0 leaves [-1, 1], so that clipping shows

    ours = loss.bits_per_dim(
        model, x_0, s, levels, variance, clip, torch.Generator().manual_seed(3)
    )
    generator, a, beta = torch.Generator().manual_seed(3), s.alpha_bar, s.beta
    nats = torch.zeros(T + 1, dtype=torch.float64)
    for t in range(T, 0, -1):
        eps = torch.randn(x_0.shape, generator=generator, dtype=torch.float64)
        x_t = a[t].sqrt() * x_0 + (1 - a[t]).sqrt() * eps
        guess = (x_t + (1 - a[t]).sqrt() * 0.9 * t * x_t) / a[t].sqrt()
        clipped = bool((guess.abs() > 1).any())
        guess = guess.clamp(-1, 1) if clip else guess
        weight = a[t - 1].sqrt() * beta[t] / (1 - a[t])
        if t > 1:
            small = (1 - a[t - 1]) / (1 - a[t]) * beta[t]
            var = beta[t] if variance == "beta" else small
            miss = (weight * (guess - x_0)) ** 2
            nats[t] = (0.5 * (torch.log(var / small) + (small + miss) / var - 1)).mean()
    assert clipped  # at t = 1, too, where the decoder is
    normal, half = Normal(guess, beta[1].sqrt()), 1 / (levels - 1)
    upper = torch.where(x_0 == 1, 1.0, normal.cdf(x_0 + half))
    lower = torch.where(x_0 == -1, 0.0, normal.cdf(x_0 - half))
    bit = math.log(2)
    torch.testing.assert_close(ours.per_t, nats / bit, rtol=1e-9, atol=1e-12)
    assert ours.decoder.item() == pytest.approx(
        -(upper - lower).log().mean().item() / bit, rel=1e-7
    )
    assert ours.total.item() == pytest.approx(
        (ours.prior + ours.per_t.sum() + ours.decoder).item(), rel=1e-12
    )
    if variance == "beta" and clip:  # what is meant when nothing is said
        told = torch.Generator().manual_seed(3)
        plain = loss.bits_per_dim(model, x_0, s, levels, generator=told)
        assert torch.equal(plain.total, ours.total)


def test_pictures_have_256_levels_unless_told():
    schedule, x_0 = Schedule.linear(3, 0.1, 0.5), torch.full((1, 1), 0.5)
    plain, told = (
        loss.bits_per_dim(zero, x_0, schedule, generator=torch.Generator().manual_seed(3), **levels)
        for levels in ({}, {"levels": 256})
    )
    assert torch.equal(plain.total, told.total)


def test_the_bound_is_where_the_data_are():
    x_0 = torch.zeros(2, 3, device="meta")
    for term in loss.bits_per_dim(zero, x_0, Schedule.linear(3, 0.1, 0.5)):
        assert term.device.type == "meta"
        assert not term.requires_grad


@pytest.mark.parametrize(
    ("x_0", "levels", "said"),
    [
        (torch.zeros(2, 3).int(), 256, "x_0 has dtype torch.int32"),
        (torch.full((1, 1, 2, 2), 3.0), 256, "x_0 has values from 3 to 3"),
        (torch.zeros(1, 1, 2, 2), 1, "levels is 1; a grid from -1 to 1 has at least 2."),
        (torch.zeros(2, 3), 1, "levels is 1; a grid from -1 to 1 has at least 2."),
        (torch.full((1, 1, 2, 2), 0.1), 3, "x_0 holds 0.1, which is none of the 3 even values"),
    ],
)
def test_the_bound_refuses(x_0, levels, said):
    with pytest.raises(ValueError) as error:
        loss.bits_per_dim(zero, x_0, Schedule.linear(3, 0.1, 0.5), levels)
    assert said in str(error.value)


def test_the_decoder_wants_values_and_means_of_one_shape():
    p = Gaussian(torch.zeros(2), torch.ones(2))
    with pytest.raises(ValueError, match=r"x has shape \(3,\), mean \(2,\); they must agree"):
        loss.discretized_log_prob(torch.zeros(3), p, 3)


def test_the_decoder_keeps_what_is_missing_from_1():
    """A cell of ten deviations to each side holds all but 2 Φ(-10) of the mass."""
    p = Gaussian(
        torch.zeros(1, dtype=torch.float64), torch.full((1,), 0.05**2, dtype=torch.float64)
    )
    ours = float(loss.discretized_log_prob(torch.zeros(1, dtype=torch.float64), p, 3))
    assert ours == pytest.approx(-float(mpmath.erfc(10 / mpmath.sqrt(2))), rel=1e-6, abs=0)


@pytest.mark.parametrize("mean", [0.0, 3.0, -3.0, 20.0, -20.0])
@pytest.mark.parametrize("levels", [3, 256, 65_536])
@mpmath.workdps(60)
def test_the_decoder_keeps_its_digits_in_the_tails(mean, levels):
    """Against 60 digits; with many levels a cell is thin: large numbers differ by little."""
    std, half = 0.25, mpmath.mpf(1) / (levels - 1)
    grid = torch.linspace(-1, 1, levels, dtype=torch.float64)
    for x in grid[[0, 1, levels // 2, -2, -1]]:
        p = Gaussian(torch.full((), mean).double(), torch.full((), std**2).double())
        ours = loss.discretized_log_prob(x, p, levels)
        at = mpmath.mpf(float(x))
        # the tail that is small, on both sides of the cell
        sign = 1 if at > mean else -1
        far = mpmath.inf if abs(at) == 1 and (at > 0) == (sign > 0) else sign * (at - mean) + half
        near = sign * (at - mean) - half
        if abs(at) == 1 and (at > 0) != (sign > 0):
            near = -mpmath.inf

        def tail(z):
            return mpmath.mpf(0) if z == mpmath.inf else mpmath.erfc(z / std / mpmath.sqrt(2)) / 2

        mass = (mpmath.mpf(1) if near == -mpmath.inf else tail(near)) - tail(far)
        assert float(ours) == pytest.approx(float(mpmath.log(mass)), rel=1e-6, abs=1e-9)


def test_nothing_and_what_stretches_are_refused():
    answer = lambda x_t, t: x_t  # noqa: E731 # short
    for x_0 in (torch.zeros(0, 2), torch.tensor(0.5)):
        for call in (loss.epsilon_loss, loss.bits_per_dim):
            with pytest.raises(
                ValueError, match=r"x_0 has shape .*; give \(B, \.\.\.\), B at least 1"
            ):
                call(answer, x_0, Schedule.linear(3, 0.1, 0.5))
    x = torch.zeros(4, 1)
    with pytest.raises(ValueError, match=r"x has shape \(4, 1\), var has shape \(1, 4\); give one"):
        loss.discretized_log_prob(x, Gaussian(x, torch.ones(1, 4)), 3)
