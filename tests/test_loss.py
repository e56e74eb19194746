import math

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
