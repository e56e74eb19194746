"""Flows against diffusers' Euler scheduler, DDIM, and what is known exactly of Gaussian data."""

import itertools
import math
import warnings

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler

from ddpm_course import Schedule, checkpoint, data, flow, solvers
from ddpm_course.trainer import TrainConfig
from ddpm_course.unet import UNet, UNetConfig

SHAPE = (4, 1, 3, 3)
SCHEDULES = [Schedule.linear(1000), Schedule.cosine(250)]


def network(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """Some smooth network that uses both of its inputs."""
    return torch.tanh(1.5 * x + (0.01 * t).sin().reshape(-1, *[1] * (x.ndim - 1)))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def end(walk) -> torch.Tensor:
    *_, last = walk
    return last.x_u


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=seeded(seed), dtype=torch.float64)


# -- the path ----------------------------------------------------------------------------------


def test_a_line_and_its_two_ends() -> None:
    x_0, eps = normal(5, 2), normal(5, 2, seed=1)
    torch.testing.assert_close(flow.path(x_0, eps, 0.0), x_0)
    torch.testing.assert_close(flow.path(x_0, eps, 1.0), eps)
    torch.testing.assert_close(flow.path(x_0, eps, 0.25), torch.lerp(x_0, eps, 0.25))
    u = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9], dtype=torch.float64)
    x_u, speed = flow.path(x_0, eps, u), flow.velocity(x_0, eps)
    torch.testing.assert_close(flow.predict_x0(x_u, speed, u), x_0)
    torch.testing.assert_close(flow.predict_eps(x_u, speed, u), eps)


def test_the_velocity_is_the_slope_of_the_path() -> None:
    x_0, eps = normal(3, 2), normal(3, 2, seed=1)
    near, far = flow.path(x_0, eps, 0.4), flow.path(x_0, eps, 0.4 + 1e-6)
    torch.testing.assert_close((far - near) / 1e-6, flow.velocity(x_0, eps), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("u", [-0.1, 1.5, math.nan])
def test_a_time_outside_is_refused(u: float) -> None:
    with pytest.raises(ValueError, match="the time of a flow runs from 0"):
        flow.path(torch.zeros(2, 2), torch.zeros(2, 2), u)


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="they must agree"):
        flow.path(torch.zeros(2, 2), torch.zeros(1, 2), 0.5)
    with pytest.raises(ValueError, match=r"u has shape \(3,\)"):
        flow.path(torch.zeros(2, 2), torch.zeros(2, 2), torch.zeros(3))


# -- the loss ----------------------------------------------------------------------------------


def test_the_loss_is_the_mean_square_of_the_velocity_error() -> None:
    x_0, eps = normal(6, 3).float(), normal(6, 3, seed=1).float()
    u = torch.linspace(0.1, 1, 6)
    found = flow.flow_loss(network, x_0, u, eps)
    x_u = (1 - u)[:, None] * x_0 + u[:, None] * eps
    np.testing.assert_allclose(found, ((eps - x_0 - network(x_u, u)) ** 2).mean(), rtol=1e-6)
    assert flow.flow_loss(lambda x, u: eps - x_0, x_0, u, eps) == 0


def test_what_is_drawn_follows_from_the_generator_and_covers_all_times() -> None:
    x_0 = normal(6, 3).float()
    one, two = (flow.flow_loss(network, x_0, generator=seeded(3)) for _ in range(2))
    assert one == two
    u = flow.uniform_u(20_000, seeded())
    assert u.min() == pytest.approx(0.001)
    assert u.max() == 1
    assert u.mean() == pytest.approx(0.5, abs=0.01)


def test_the_best_guess_is_the_mean_velocity() -> None:
    """For data N(m, s²) the mean velocity is known by regression; no other guess has less loss."""
    m, s, u = 0.6, 0.5, 0.3
    g = seeded()
    x_0, eps = m + s * torch.randn(200_000, 1, generator=g), torch.randn(200_000, 1, generator=g)
    slope = (u - (1 - u) * s**2) / ((1 - u) ** 2 * s**2 + u**2)  # cov(ẋ, x_u) / var(x_u)

    def best(x_u: torch.Tensor, _: torch.Tensor) -> torch.Tensor:
        return -m + slope * (x_u - (1 - u) * m)

    least = flow.flow_loss(best, x_0, u, eps)
    doubt = (1 + s**2) - slope * (u - (1 - u) * s**2)  # Var[ẋ | x_u]
    assert float(least) == pytest.approx(doubt, rel=0.02)
    for shift, turn in itertools.product((-0.2, 0, 0.2), (0.8, 1, 1.25)):
        if (shift, turn) != (0, 1):

            def other(x_u, _, shift=shift, turn=turn):
                return shift + turn * slope * (x_u - (1 - u) * m) - m

            assert flow.flow_loss(other, x_0, u, eps) > least


# -- sampling ----------------------------------------------------------------------------------


@pytest.mark.parametrize("calls", [1, 2, 10, 50])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_it_is_the_euler_scheduler_of_diffusers(calls: int, shift: float) -> None:
    grid = flow.times(calls, shift)
    scheduler = FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=shift)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scheduler.set_timesteps(sigmas=[1 - i / calls for i in range(calls)])
    np.testing.assert_allclose(scheduler.sigmas.numpy(), grid, rtol=1e-5, atol=1e-6)
    x = normal(*SHAPE).float()
    walk = flow.euler(network, SHAPE, grid, start=x)
    for timestep, step in zip(scheduler.timesteps, walk, strict=False):
        torch.testing.assert_close(step.x_u, x, rtol=1e-5, atol=1e-5)
        assert step.u == pytest.approx(float(timestep) / 1000, rel=1e-5)
        speed = network(step.x_u, torch.full((4,), step.u))
        torch.testing.assert_close(step.x0_hat, step.x_u - step.u * speed)
        x = scheduler.step(speed, timestep, step.x_u).prev_sample
    final = next(walk)
    assert final.u == 0
    torch.testing.assert_close(final.x_u, x, rtol=1e-5, atol=1e-5)


def test_the_true_velocity_of_one_point_is_exact_in_one_call() -> None:
    point = torch.tensor([[0.3, -0.7]])
    found = end(flow.euler(lambda x, u: (x - point) / u[:, None], (5, 2), 1, generator=seeded()))
    torch.testing.assert_close(found, point.expand(5, 2))


def test_the_error_falls_with_the_calls() -> None:
    """Data N(0, s²): x_u scales with √((1 - u)² s² + u²). Euler's method is of order 1."""
    s2 = 0.25

    def speed(x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        u = u[:, None]
        return (u - (1 - u) * s2) / ((1 - u) ** 2 * s2 + u**2) * x

    start = torch.ones(1, 1, dtype=torch.float64)
    errors = [
        abs(float(end(flow.euler(speed, (1, 1), n, start=start))) - math.sqrt(s2))
        for n in (50, 100, 200)
    ]
    slope = np.polyfit(np.log([50, 100, 200]), np.log(errors), 1)[0]
    assert -slope == pytest.approx(1, abs=0.1)


def test_a_clipped_guess_stays_in_the_range_of_images() -> None:
    walk = list(flow.euler(lambda x, u: -3 + 0 * x, SHAPE, 5, clip_x0=True, generator=seeded()))
    assert all(step.x0_hat.abs().max() <= 1 for step in walk)
    assert walk[-1].x_u.max() == 1


def test_times_are_even_or_shifted_towards_the_noise() -> None:
    np.testing.assert_allclose(flow.times(4), [1, 0.75, 0.5, 0.25, 0])
    for u, moved in zip(flow.times(7)[1:-1], flow.times(7, 3.0)[1:-1], strict=True):
        assert moved / (1 - moved) == pytest.approx(3 * u / (1 - u))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"at": 0}, "calls is 0; a flow needs a whole number"),
        ({"at": [0.5, 0.7, 0]}, r"the times are \[0.5, 0.7, 0.0\]; give two or more that fall"),
        ({"at": [1.2, 0]}, "give two or more that fall"),
        ({"at": [1.0]}, "give two or more that fall"),
        ({"shape": (0, 2)}, "shape is"),
        ({"start": torch.zeros(2, 2)}, "they must agree"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(options, said) -> None:
    with pytest.raises(ValueError, match=said):
        next(flow.euler(network, **{"shape": SHAPE, **options}))


@pytest.mark.parametrize(("calls", "shift"), [(2.5, 1.0), (True, 1.0), (5, 0.0), (5, math.inf)])
def test_bad_times_are_refused(calls, shift) -> None:
    with pytest.raises(ValueError, match="calls is|shift is"):
        flow.times(calls, shift)


# -- the dictionary ----------------------------------------------------------------------------


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["linear", "cosine"])
def test_ddim_is_euler_on_the_straight_path(schedule: Schedule) -> None:
    model = data.Mixture(
        torch.tensor([0.3, 0.7], dtype=torch.float64),
        torch.tensor([[-1.0, 0.5], [1.0, 0.2]], dtype=torch.float64),
        torch.tensor([0.04, 0.09], dtype=torch.float64),
    ).eps(schedule)
    x_T = normal(16, 2)
    visited = [round(schedule.T * i / 10) for i in range(10, -1, -1)]
    times = flow.shares(schedule)[visited].tolist()
    size = schedule.alpha_bar.sqrt() + (1 - schedule.alpha_bar).sqrt()
    ddim = list(solvers.ddim(model, (16, 2), schedule, 10, clip_x0=False, x_T=x_T))
    start = x_T / size[schedule.T]
    walk = list(flow.euler(flow.as_flow(model, schedule), (16, 2), times, start=start))
    assert [step.t for step in ddim] == visited
    for theirs, ours in zip(ddim, walk, strict=True):
        torch.testing.assert_close(ours.x_u * size[theirs.t], theirs.x_t, rtol=1e-8, atol=1e-8)
        torch.testing.assert_close(ours.x0_hat, theirs.x0_hat, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=["linear", "cosine"])
def test_there_and_back_again(schedule: Schedule) -> None:
    """A network that says the noise, as a flow, as a network that says the noise."""
    x_t = normal(schedule.T, 3)
    t = torch.arange(1, schedule.T + 1)
    back = flow.as_noise(flow.as_flow(network, schedule), schedule)
    torch.testing.assert_close(back(x_t, t), network(x_t, t), rtol=1e-7, atol=1e-7)


def test_shares_rise_from_the_data_to_the_noise_and_keep_the_ratio() -> None:
    schedule = Schedule.cosine(100)
    u = flow.shares(schedule)
    assert u[0] == 0
    assert (u[1:] > u[:-1]).all()
    assert (u <= 1).all()
    torch.testing.assert_close(((1 - u[1:]) / u[1:]) ** 2, schedule.snr[1:])


def test_a_time_that_the_schedule_does_not_have_is_refused() -> None:
    model = flow.as_flow(network, Schedule.linear(10, 0.01, 0.6))
    with pytest.raises(
        ValueError, match=r"u is 0.123, and this schedule has no step there.*t = 1\b"
    ):
        model(torch.zeros(2, 2), torch.full((2,), 0.123))


# -- straight ways -----------------------------------------------------------------------------


def test_pairs_are_the_shortest_of_all() -> None:
    x_0, eps = normal(6, 2), normal(6, 2, seed=1)
    paired = flow.pair(x_0, eps)
    assert sorted(paired.tolist()) == sorted(eps.tolist())
    lengths = [
        float(((x_0 - eps[list(order)]) ** 2).sum()) for order in itertools.permutations(range(6))
    ]
    assert float(((x_0 - paired) ** 2).sum()) == pytest.approx(min(lengths))


def test_on_a_line_pairs_are_sorted() -> None:
    x_0, eps = normal(50, 1), normal(50, 1, seed=1)
    torch.testing.assert_close(flow.pair(x_0, eps)[x_0[:, 0].argsort()], eps.sort(0).values)


def test_straight_walks_have_no_bend_and_round_ones_have() -> None:
    start = normal(20, 2)
    assert flow.straightness(lambda x, u: torch.ones_like(x), start) == pytest.approx(0, abs=1e-20)
    # A turn by an angle a at even speed: velocity a·r, all of it bent where a is a full turn.
    turn = torch.tensor([[0.0, 1.0], [-1.0, 0.0]], dtype=torch.float64)
    around = flow.straightness(lambda x, u: 2 * math.pi * x @ turn, start, 20_000)
    expected = (2 * math.pi) ** 2 * float((start**2).sum(1).mean())
    assert around == pytest.approx(expected, rel=0.01)


# -- training and files ------------------------------------------------------------------------


def tiny() -> UNet:
    torch.manual_seed(0)
    return UNet(UNetConfig(channels=(8,), blocks=1, attention=(False,), groups=4))


def test_the_trainer_makes_the_flow_loss_smaller() -> None:
    images = data.digits("train")[:64]
    config = TrainConfig(steps=30, batch_size=32, warmup=0, device="cpu", ema_decay=0.0)
    model = tiny()
    before = flow.flow_loss(flow.Velocity(model), images, generator=seeded()).detach()
    trainer = flow.FlowTrainer(model, images, config)
    losses = [metrics.loss for metrics in trainer.steps()]
    after = flow.flow_loss(flow.Velocity(trainer.ema.module), images, generator=seeded())
    assert losses[0] == pytest.approx(float(before), rel=0.2)  # the same loss, other draws
    assert after < 0.8 * before


def test_a_flow_comes_back_from_its_file(tmp_path) -> None:
    model = tiny().half().float()
    path = tmp_path / "mine.safetensors"
    flow.save(model, path)
    again = flow.load(path)
    x, u = normal(2, 1, 8, 8).float(), torch.tensor([0.2, 0.75])
    torch.testing.assert_close(again(x, u), model(x, torch.tensor([200, 750])))


def test_a_flow_and_a_network_that_says_the_noise_are_not_mixed_up(tmp_path) -> None:
    with pytest.raises(ValueError, match="holds no flow; train one"):
        flow.load(checkpoint.asset("digits"))
    path = tmp_path / "mine.safetensors"
    flow.save(tiny(), path)
    with pytest.raises(ValueError, match="holds a flow, which says a velocity and has no schedule"):
        checkpoint.load(path)
    with pytest.raises(ValueError, match="is not there"):
        flow.load(tmp_path / "none.safetensors")


def test_the_command_line_refuses_a_flow_in_one_sentence(capsys, tmp_path) -> None:
    from ddpm_course.cli import main

    path = tmp_path / "mine.safetensors"
    flow.save(tiny(), path)
    assert main(["sample", str(path), "--out", str(tmp_path / "a.png")]) == 2
    said = capsys.readouterr().err
    assert "holds a flow" in said
    assert "Traceback" not in said
    assert not (tmp_path / "a.png").exists()


def test_the_flow_that_ships_draws_digits() -> None:
    """The network of the digits, in at most 1.5 MB; ten calls, by Euler and by DDPM's sampler."""
    from ddpm_course import metrics, solvers

    assert checkpoint.asset("flow").stat().st_size <= 1.5e6
    assert "flow" not in checkpoint.shipped()  # it is no network that says the noise
    model, schedule = flow.load(), Schedule.cosine(250)
    assert sum(p.numel() for p in model.parameters()) == 701_345
    walks = (
        flow.euler(model, (200, 1, 8, 8), 10, clip_x0=True, generator=seeded()),
        solvers.multistep(
            flow.as_noise(model, schedule), (200, 1, 8, 8), schedule, 10, generator=seeded()
        ),
    )
    for walk in walks:
        *_, last = walk
        report = metrics.digit_report(last[1])
        assert report.frechet < 1.0
        assert report.sure > 0.6
