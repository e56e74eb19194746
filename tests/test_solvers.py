"""Few-step samplers against diffusers' DPM-Solver++, DDIM, and the exact flow of a Gaussian."""

import math
import warnings

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler

from ddpm_course import Schedule, solvers
from ddpm_course.data import Mixture

SHAPE = (4, 1, 3, 3)


def model(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Some smooth ε_θ that uses both of its inputs."""
    return torch.tanh(1.5 * x + (0.01 * t).sin()[:, None, None, None])


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def end(walk) -> torch.Tensor:
    *_, last = walk
    return last.x_t


def theirs(schedule: Schedule, visited: list[int], order: int, eta: float):
    """diffusers' scheduler at our steps (their timestep t - 1 is our t), tables in float64."""
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=schedule.T,
        trained_betas=schedule.beta[1:].numpy(),
        solver_order=order,
        algorithm_type="sde-dpmsolver++" if eta else "dpmsolver++",
        final_sigmas_type="zero",
        lower_order_final=True,
    )
    with warnings.catch_warnings():  # theirs, of NumPy 2
        warnings.simplefilter("ignore", DeprecationWarning)
        scheduler.set_timesteps(timesteps=[t - 1 for t in visited[:-1]])
    ratio = ((1 - schedule.alpha_bar) / schedule.alpha_bar).sqrt()
    scheduler.sigmas = torch.cat([ratio[visited[:-1]], torch.zeros(1, dtype=torch.float64)])
    return scheduler


@pytest.mark.parametrize("spacing", ["t", "log-snr"])
@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("calls", [15, 20, 100])
def test_it_is_the_dpm_solver_of_diffusers(calls, order, eta, spacing):
    schedule = Schedule.linear(1000)
    visited = solvers.times(schedule, calls, spacing)
    scheduler = theirs(schedule, visited, order, eta)
    walk = solvers.multistep(
        model, SHAPE, schedule, calls, order, eta, spacing, clip_x0=False, generator=seeded()
    )
    generator = seeded()
    x = torch.randn(SHAPE, generator=generator)
    for timestep, step in zip(scheduler.timesteps, walk, strict=False):
        assert step.t == timestep + 1
        torch.testing.assert_close(step.x_t, x, rtol=1e-6, atol=1e-5)
        eps = model(step.x_t, torch.full((4,), step.t))
        last = step.t == visited[-2]
        noise = torch.zeros(SHAPE) if last else torch.randn(SHAPE, generator=generator)
        answer = scheduler.step(eps, timestep, step.x_t, variance_noise=noise if eta else None)
        x = answer.prev_sample
    final = next(walk)
    assert final.t == 0
    torch.testing.assert_close(final.x_t, x, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("eta", [0.0, 0.3, 1.0])
def test_order_one_is_ddim(eta):
    schedule = Schedule.cosine(100)
    ours = solvers.multistep(model, SHAPE, schedule, 9, order=1, eta=eta, generator=seeded())
    ddim = solvers.ddim(model, SHAPE, schedule, 9, eta, generator=seeded())
    for a, b in zip(ours, ddim, strict=True):
        assert a.t == b.t
        torch.testing.assert_close(a.x_t, b.x_t, rtol=0, atol=0)


@pytest.mark.parametrize("order", [1, 2])
def test_the_error_falls_with_the_order(order):
    """Data N(0, s²): the flow without noise scales x_t by the ratio of the standard deviations
    (an exact solution). Twice the calls divide the error by 2^order."""
    schedule = Schedule.linear(16_000, 1e-4 / 16, 0.02 / 16)  # fine: the steps are whole numbers
    s2 = 0.25
    one = Mixture(torch.ones(1), torch.zeros(1, 1), torch.tensor([s2]))
    eps = one.eps(schedule)
    x_T = torch.ones(1, 1, dtype=torch.float64)
    spread = (s2 * schedule.alpha_bar + 1 - schedule.alpha_bar).sqrt()

    def exact_eps(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return eps(x, t).double()

    errors = []
    calls = (40, 80, 160)
    for n in calls:
        walk = solvers.multistep(
            exact_eps, (1, 1), schedule, n, order, eta=0, spacing="log-snr", clip_x0=False, x_T=x_T
        )
        steps = list(walk)
        before_last = steps[-2]  # at t = 1: the jump to 0 is of order 1 by definition
        exact = float(spread[before_last.t] / spread[-1])
        errors.append(abs(float(before_last.x_t) - exact))
    slope = np.polyfit(np.log(calls), np.log(errors), 1)[0]
    assert -slope == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("spacing", ["t", "log-snr"])
@pytest.mark.parametrize("calls", [1, 2, 3, 20, 249, 250])
def test_the_steps_fall_from_T_to_0(calls, spacing):
    visited = solvers.times(Schedule.cosine(250), calls, spacing)
    assert len(visited) == calls + 1
    assert visited[0] == 250
    assert visited[-1] == 0
    assert all(a > b for a, b in zip(visited, visited[1:]))


def test_steps_equal_in_log_snr_are_equal_up_to_rounding():
    schedule = Schedule.linear(1000)
    visited = solvers.times(schedule, 11, "log-snr")
    ends = [math.log(float(schedule.snr[t])) / 2 for t in visited[:-1]]
    jumps = np.diff(ends)
    assert visited[-2] == 1
    assert jumps[:6] == pytest.approx(jumps[:6].mean(), rel=0.02)


def test_a_line_through_two_guesses_is_read_in_the_middle_of_the_jump():
    """A guess that is linear in λ is met exactly."""
    schedule = Schedule.linear(100, 1e-3, 0.2)
    lam = solvers.half_log_snr(schedule)

    def guess(value: torch.Tensor) -> torch.Tensor:
        return torch.tensor([[3.0 - 2 * float(value)]])

    ahead = solvers.extrapolate(guess(lam[60]), guess(lam[80]), 80, 60, 50, schedule)
    torch.testing.assert_close(ahead, guess((lam[60] + lam[50]) / 2))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"calls": 0}, "0 calls of the network are asked for; this schedule allows 1 to 10"),
        ({"calls": 11}, "11 calls of the network"),
        ({"calls": 2.5}, "2.5 calls of the network"),
        ({"order": 3}, "order is 3; orders 1 and 2"),
        ({"eta": 1.5}, "eta is 1.5"),
        ({"spacing": "sigma"}, "spacing is 'sigma'; choose 't' or 'log-snr'"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(options, said):
    schedule = Schedule.linear(10, 0.01, 0.6)
    with pytest.raises(ValueError, match=said):
        next(solvers.multistep(model, SHAPE, schedule, **{"calls": 5, **options}))


def test_a_line_needs_three_falling_steps():
    schedule = Schedule.linear(10, 0.01, 0.6)
    x = torch.zeros(1, 1)
    with pytest.raises(ValueError, match="before, t and s are 5, 6 and 1"):
        solvers.extrapolate(x, x, 5, 6, 1, schedule)
