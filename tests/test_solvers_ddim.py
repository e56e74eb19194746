"""DDIM against exact cases, and both samplers against diffusers' schedulers, step for step."""

import math

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler

from ddpm_course import Schedule, marginal, reverse, solvers

SHAPE = (4, 1, 3, 3)


def model(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Some smooth ε_θ that uses both of its inputs."""
    return torch.tanh(1.5 * x + (0.01 * t).sin()[:, None, None, None])


def theirs(kind: type, schedule: Schedule, **options):
    """diffusers' scheduler of our β (their index t - 1 holds β_t), with its tables in float64:
    in the float32 that it keeps them in, 1 - ᾱ_1 = 0.0001 has three right digits."""
    betas = schedule.beta[1:]
    scheduler = kind(num_train_timesteps=schedule.T, trained_betas=betas.numpy(), **options)
    scheduler.betas, scheduler.alphas = betas, 1 - betas
    scheduler.alphas_cumprod = torch.cumprod(1 - betas, dim=0)
    return scheduler


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize(
    ("variance", "name"), [("beta_tilde", "fixed_small"), ("beta", "fixed_large")]
)
def test_ancestral_is_the_ddpm_scheduler(variance, name, clip):
    schedule = Schedule.linear(1000)
    scheduler = theirs(DDPMScheduler, schedule, variance_type=name, clip_sample=clip)
    walk = reverse.ancestral(model, SHAPE, schedule, variance, clip, generator=seeded())
    generator = seeded()
    x = torch.randn(SHAPE, generator=generator)
    for timestep, step in zip(scheduler.timesteps, walk, strict=False):
        assert step.t == timestep + 1
        torch.testing.assert_close(step.x_t, x, rtol=1e-6, atol=1e-5)
        eps = model(step.x_t, torch.full((4,), step.t))
        answer = scheduler.step(eps, timestep, step.x_t, generator=generator)
        torch.testing.assert_close(step.x0_hat, answer.pred_original_sample, rtol=1e-6, atol=1e-5)
        x = answer.prev_sample
    last = next(walk)
    assert last.t == 0
    torch.testing.assert_close(last.x_t, x, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("eta", [0.0, 0.6, 1.0])
@pytest.mark.parametrize("steps", [1, 20, 50, 1000])
def test_ddim_is_the_ddim_scheduler(steps, eta, clip):
    schedule = Schedule.linear(1000)
    scheduler = theirs(
        DDIMScheduler,
        schedule,
        clip_sample=clip,
        timestep_spacing="trailing",
        set_alpha_to_one=True,
    )
    scheduler.set_timesteps(steps)
    walk = solvers.ddim(model, SHAPE, schedule, steps, eta, clip, generator=seeded())
    generator = seeded()
    x = torch.randn(SHAPE, generator=generator)
    for timestep, step in zip(scheduler.timesteps, walk, strict=False):
        assert step.t == timestep + 1
        torch.testing.assert_close(step.x_t, x, rtol=1e-6, atol=1e-5)
        eps = model(step.x_t, torch.full((4,), step.t))
        noise = {"variance_noise": torch.zeros(SHAPE)}  # none is added on the way to x_0
        if step.t > 1000 // steps:
            noise = {"generator": generator}
        answer = scheduler.step(
            eps, timestep, step.x_t, eta=eta, use_clipped_model_output=True, **noise
        )
        x = answer.prev_sample
    last = next(walk)
    assert last.t == 0
    torch.testing.assert_close(last.x_t, x, rtol=1e-6, atol=1e-5)


def test_a_full_walk_with_eta_1_is_the_posterior(schedule):
    x_0, x_t = torch.rand(2, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
    for t in {1, 2, schedule.T // 2, schedule.T} - {0}:
        if t > schedule.T:
            continue
        ours = solvers.ddim_step(x_0, x_t, t, t - 1, schedule, eta=1.0)
        expected = reverse.posterior(x_0, x_t, t, schedule)
        torch.testing.assert_close(ours.mean, expected.mean, rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(ours.var, expected.var.flatten()[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_a_jump_keeps_the_marginal(eta):
    """x_t ~ q(x_t | x_0), then a jump with the true x_0: x_s ~ q(x_s | x_0), exactly."""
    schedule = Schedule.cosine(100)
    x_0 = torch.tensor([[0.7]], dtype=torch.float64)
    for t, s in [(100, 60), (60, 59), (30, 5), (9, 1), (2, 0)]:
        q_t, q_s = marginal.given_x0(x_0, t, schedule), schedule.alpha_bar[s]

        def jump(x, t=t, s=s):
            return solvers.ddim_step(x_0, x, t, s, schedule, eta)

        # The mean of the jump is a + b x_t; so E[x_s] = a + b E[x_t], Var = b² Var[x_t] + σ².
        a = jump(torch.zeros_like(x_0)).mean
        b = jump(torch.ones_like(x_0)).mean - a
        torch.testing.assert_close(a + b * q_t.mean, q_s.sqrt() * x_0, rtol=1e-9, atol=1e-9)
        var = b**2 * q_t.var + jump(x_0).var
        torch.testing.assert_close(var, (1 - q_s).expand_as(var), rtol=1e-9, atol=1e-9)


def test_exact_noise_carries_gaussian_data_to_gaussian_data():
    """Data N(m, s²): without fresh noise the walk is x_0 = a + b x_T, with a and b known."""
    m, s, schedule = 0.3, 0.5, Schedule.linear(1000)

    def exact(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        alpha_bar = schedule.alpha_bar[t][:, None]
        var = alpha_bar * s**2 + 1 - alpha_bar
        return (1 - alpha_bar).sqrt() * (x - alpha_bar.sqrt() * m) / var

    x_T = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None]
    *_, last = solvers.ddim(exact, (7, 1), schedule, 1000, 0.0, clip_x0=False, x_T=x_T)
    # The finer the steps, the nearer to the map between the two Gaussians' quantiles.
    ᾱ_T = float(schedule.alpha_bar[-1])
    std_T = math.sqrt(ᾱ_T * s**2 + 1 - ᾱ_T)
    expected = m + s * (x_T - math.sqrt(ᾱ_T) * m) / std_T
    torch.testing.assert_close(last.x_t, expected, rtol=0, atol=1e-2)


@pytest.mark.parametrize(
    ("T", "steps", "times"),
    [
        (1000, 4, [1000, 750, 500, 250, 0]),
        (10, 4, [10, 8, 5, 2, 0]),
        (3, 3, [3, 2, 1, 0]),
        (7, 1, [7, 0]),
    ],
)
def test_times_are_evenly_spaced(T, steps, times):
    schedule = Schedule.linear(T, 1e-3, 0.3)
    assert [step.t for step in solvers.ddim(model, SHAPE, schedule, steps)] == times


def test_eta_0_depends_on_x_T_alone():
    schedule = Schedule.linear(100, 1e-3, 0.2)
    x_T = torch.randn(SHAPE, generator=seeded())
    torch.manual_seed(0)
    *_, first = solvers.ddim(model, SHAPE, schedule, 10, x_T=x_T)
    torch.manual_seed(1)
    *_, second = solvers.ddim(model, SHAPE, schedule, 10, x_T=x_T)
    assert torch.equal(first.x_t, second.x_t)


def test_weights_mode_and_precision_are_left_as_found():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.5))

    class Net(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = network

        def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            assert not self.net[1].training
            return self.net(x)

    net = Net().train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    *_, last = solvers.ddim(net, (3, 2), Schedule.linear(20, 1e-3, 0.3), 5, 1.0)
    assert net.training
    assert network[1].training
    assert last.x_t.dtype == torch.float32
    assert not last.x_t.requires_grad
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize(
    ("steps", "eta", "sentence"),
    [
        (0, 0.0, "0 calls of the network are asked for; this schedule allows 1 to 20"),
        (21, 0.0, "21 calls of the network"),
        (5, -0.1, r"eta is -0\.1; choose from 0"),
        (5, np.nan, "eta is nan"),
    ],
)
def test_ddim_refuses(steps, eta, sentence):
    with pytest.raises(ValueError, match=sentence):
        list(solvers.ddim(model, SHAPE, Schedule.linear(20, 1e-3, 0.3), steps, eta))


@pytest.mark.parametrize(("t", "s"), [(5, 5), (5, 6), (21, 3), (3, -1)])
def test_a_jump_goes_back_in_time(t, s):
    x = torch.zeros(SHAPE)
    with pytest.raises(ValueError, match=f"t is {t} and s is {s}; a step back needs 20 >= t > s"):
        solvers.ddim_step(x, x, t, s, Schedule.linear(20, 1e-3, 0.3))


def test_noise_is_drawn_for_every_step_but_the_last_and_for_none_with_eta_0():
    """So the generator stands, after a walk, where so many draws leave it."""
    schedule = Schedule.linear(20, 1e-3, 0.3)
    for eta, draws in ((0.0, 1), (0.5, 5)):
        ours, counted = seeded(), seeded()
        list(solvers.ddim(model, SHAPE, schedule, 5, eta, generator=ours))
        for _ in range(draws):
            torch.randn(SHAPE, generator=counted)
        assert torch.equal(ours.get_state(), counted.get_state())
    ours, counted = seeded(), seeded()
    list(reverse.ancestral(model, SHAPE, schedule, "beta", generator=ours))
    for _ in range(20):  # x_T, and all steps but the last
        torch.randn(SHAPE, generator=counted)
    assert torch.equal(ours.get_state(), counted.get_state())


def test_ddim_takes_50_steps_without_noise_unless_told():
    schedule = Schedule.linear(100, 1e-3, 0.2)
    x_T = torch.randn(SHAPE, generator=seeded())
    plain = list(solvers.ddim(model, SHAPE, schedule, x_T=x_T))
    told = list(solvers.ddim(model, SHAPE, schedule, 50, 0.0, True, None, x_T))
    assert len(plain) == len(told) == 51
    assert torch.equal(plain[-1].x_t, told[-1].x_t)
    x_0 = torch.zeros(SHAPE)
    assert float(solvers.ddim_step(x_0, x_T, 50, 20, schedule).var) == 0


def test_both_ends_are_allowed():
    schedule, x = Schedule.linear(20, 1e-3, 0.3), torch.zeros(SHAPE)
    assert float(solvers.ddim_step(x, x, 20, 0, schedule, 1.0).var) == 0
    assert len(list(solvers.ddim(model, SHAPE, schedule, 20, 1.0))) == 21
    assert len(list(solvers.ddim(model, SHAPE, schedule, 1))) == 2


def test_a_jump_refuses_an_eta_out_of_range():
    x = torch.zeros(SHAPE)
    for eta in (-0.1, 1.1, np.nan):
        with pytest.raises(ValueError, match=f"eta is {eta}; choose from 0"):
            solvers.ddim_step(x, x, 5, 3, Schedule.linear(20, 1e-3, 0.3), eta)


def test_no_root_of_a_negative_number_is_taken():
    """With η = 1 and almost nothing left of the data, 1 - ᾱ_s - σ² is 0 up to rounding."""
    schedule = Schedule.cosine(1000)
    x_0, x_t = torch.zeros(1, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    for s in range(1000):
        q = solvers.ddim_step(x_0, x_t, 1000, s, schedule, 1.0)
        assert q.mean.isfinite().all()
        assert q.mean.abs() < 0.05
