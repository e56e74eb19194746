"""The one rule for tensors, at every door that takes some."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from ddpm_course import (
    Schedule,
    checks,
    data,
    flow,
    forward,
    loss,
    marginal,
    metrics,
    plots,
    reverse,
    solvers,
)
from ddpm_course.gaussian import Gaussian

S = Schedule.linear(10, 1e-2, 0.4)
Door = Callable[[Tensor, Tensor], object]


def model_that_says(answer: object) -> reverse.Model:
    return lambda x_t, t: answer  # type: ignore[return-value, misc]


# Doors for two tensors that must agree: (x (B, ...), its counterpart).
PAIRS: dict[str, Door] = {
    "marginal.sample": lambda x, y: marginal.sample(x, 3, S, eps=y),
    "marginal.predict_x0": lambda x, y: marginal.predict_x0(x, y, 3, S),
    "marginal.predict_eps": lambda x, y: marginal.predict_eps(x, y, 3, S),
    "reverse.posterior": lambda x, y: reverse.posterior(x, y, 3, S),
    "reverse.transition": lambda x, y: reverse.transition(y, x, 3, S),
    "solvers.ddim_step": lambda x, y: solvers.ddim_step(y, x, 3, 1, S),
    "reverse.ancestral, x_T": lambda x, y: next(
        reverse.ancestral(lambda x_t, t: x_t, x.shape, S, x_T=y)
    ),
    "solvers.ddim, x_T": lambda x, y: next(solvers.ddim(lambda x_t, t: x_t, x.shape, S, 2, x_T=y)),
    "solvers.multistep, x_T": lambda x, y: next(
        solvers.multistep(lambda x_t, t: x_t, x.shape, S, 2, x_T=y)
    ),
    "flow.euler, start": lambda x, y: next(flow.euler(lambda x_u, u: x_u, x.shape, 2, start=y)),
    "flow.flow_loss, eps": lambda x, y: flow.flow_loss(lambda x_u, u: x_u, x, eps=y),
    "reverse.sample, the network": lambda x, y: reverse.sample(model_that_says(y), x.shape, S),
    "solvers.ddim, the network": lambda x, y: next(solvers.ddim(model_that_says(y), x.shape, S, 2)),
    "loss.epsilon_loss, the network": lambda x, y: loss.epsilon_loss(model_that_says(y), x, S),
    "loss.epsilon_loss, eps": lambda x, y: loss.epsilon_loss(lambda x_t, t: x_t, x, S, eps=y),
    "loss.bits_per_dim, the network": lambda x, y: loss.bits_per_dim(model_that_says(y), x, S, 17),
    "loss.discretized_log_prob": lambda x, y: loss.discretized_log_prob(
        x, Gaussian(y, torch.ones(())), 256
    ),
}

ONE = torch.ones(())
# Doors for tensors of which one may stretch to the other's shape, but not each to the other's.
STRETCHED: dict[str, Door] = {
    "Gaussian.sample": lambda x, y: Gaussian(x, y.abs() + 1).sample(),
    "Gaussian.log_prob": lambda x, y: Gaussian(y, ONE).log_prob(x),
    "Gaussian.kl, means": lambda x, y: Gaussian(x, ONE).kl(Gaussian(y, ONE)),
    "Gaussian.kl, variances": lambda x, y: Gaussian(x, ONE).kl(Gaussian(x, y.abs() + 1)),
    "loss.discretized_log_prob": lambda x, y: loss.discretized_log_prob(
        x, Gaussian(x, y.abs() + 1), 3
    ),
}
RING = data.Mixture.ring(3)

# Doors for one tensor of numbers to compute with.
SINGLES: dict[str, Callable[[Tensor], object]] = {
    "forward.step": lambda x: forward.step(x, 3, S),
    "forward.trajectory": lambda x: next(forward.trajectory(x, S)),
    "marginal.given_x0": lambda x: marginal.given_x0(x, 3, S),
    "marginal.sample": lambda x: marginal.sample(x, 3, S),
    "loss.epsilon_loss": lambda x: loss.epsilon_loss(lambda x_t, t: x_t, x, S),
    "loss.bits_per_dim": lambda x: loss.bits_per_dim(lambda x_t, t: x_t, x, S),
    "Schedule.at": lambda x: S.at(S.alpha_bar, 3, x),
    "plots.show_clouds": lambda x: plots.show_clouds([x]),
    "flow.flow_loss": lambda x: flow.flow_loss(lambda x_u, u: x_u, x),
    "Mixture.log_prob": RING.log_prob,
    "Mixture.score": RING.score,
    "Mixture.eps": lambda x: RING.eps(S)(x, torch.full(x.shape[:1], 3)),
}

# Doors for pictures: what they make of them.
PICTURES: dict[str, Callable[[Tensor], object]] = {
    "plots.image_grid": lambda x: plots.image_grid(x).tolist(),
    "metrics.nearest_distance, samples": lambda x: metrics.nearest_distance(x, HALF).tolist(),
    "metrics.nearest_distance, reference": lambda x: metrics.nearest_distance(HALF, x).tolist(),
    "metrics.frechet_distance": lambda x: metrics.frechet_distance(HALF, x),
    "metrics.digit_probability": lambda x: metrics.digit_probability(x).tolist(),
}
BYTES = torch.randint(0, 256, (6, 1, 8, 8), generator=torch.Generator().manual_seed(0)).byte()
RIGHT = BYTES.float() / 127.5 - 1
HALF = RIGHT * 0.5


@pytest.mark.parametrize("door", PAIRS)
@pytest.mark.parametrize(
    ("x", "y"),
    [
        ((4,), (4, 1)),
        ((4, 1), (4,)),
        ((4, 3, 8, 8), (4, 1, 8, 8)),
        ((4, 1, 8, 8), (4, 2, 8, 8)),
        ((4, 1, 8, 8), (1, 1, 8, 8)),
        ((4, 1, 8, 8), ()),
    ],
)
def test_shapes_that_torch_would_stretch_are_refused(door, x, y):
    with pytest.raises(ValueError, match="must agree"):
        PAIRS[door](torch.zeros(x), torch.zeros(y))


@pytest.mark.parametrize("door", PAIRS)
def test_shapes_that_agree_are_taken(door):
    PAIRS[door](torch.zeros(4, 1, 8, 8), torch.zeros(4, 1, 8, 8))


@pytest.mark.parametrize("door", PAIRS)
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_a_counterpart_in_whole_numbers_is_refused(door, dtype):
    with pytest.raises(ValueError, match="float"):
        PAIRS[door](torch.zeros(4, 2), torch.zeros(4, 2, dtype=dtype))


@pytest.mark.parametrize("door", STRETCHED)
@pytest.mark.parametrize(("x", "y"), [((4,), (4, 1)), ((4, 1), (1, 4)), ((4, 2), (4,)), ((4,), 3)])
def test_neither_of_two_shapes_is_stretched_by_the_other(door, x, y):
    with pytest.raises(ValueError, match="give one shape, or numbers that stretch to one of them"):
        STRETCHED[door](torch.zeros(x), torch.zeros(y))
    with pytest.raises(ValueError, match="give floating point numbers"):
        STRETCHED[door](torch.zeros(4, 2), torch.zeros(4, 2).long())


@pytest.mark.parametrize("door", STRETCHED)
def test_one_number_goes_with_many(door):
    STRETCHED[door](torch.zeros(4, 2), torch.zeros(4, 1))
    STRETCHED[door](torch.zeros(4, 2), torch.zeros(()))


def test_each_coordinate_has_noise_of_its_own():
    """Where it is the variance that has the larger shape."""
    drawn = Gaussian(torch.zeros(1), torch.ones(500)).sample(torch.Generator().manual_seed(0))
    assert drawn.unique().numel() == 500


@pytest.mark.parametrize(
    "door", [door for door in SINGLES if door not in ("plots.show_clouds", "forward.trajectory")]
)
def test_a_single_number_is_no_batch(door):
    with pytest.raises(ValueError, match=r"give \(B, \.\.\.\)|give \(n, 2\)|len\(\)"):
        SINGLES[door](torch.tensor(0.5))


@pytest.mark.parametrize("door", ["loss.epsilon_loss", "loss.bits_per_dim", "flow.flow_loss"])
def test_the_mean_of_nothing_is_no_loss(door):
    with pytest.raises(
        ValueError, match=r"x_0 has shape \(0, 2\); give \(B, \.\.\.\), B at least 1"
    ):
        SINGLES[door](torch.zeros(0, 2))


@pytest.mark.parametrize("x", [(5,), (5, 1), (5, 3), (2, 5, 2)])
@pytest.mark.parametrize("door", ["Mixture.log_prob", "Mixture.score", "Mixture.eps"])
def test_points_have_as_many_coordinates_as_the_mixture(door, x):
    with pytest.raises(ValueError, match=r"x has shape .*; give \(n, 2\)"):
        SINGLES[door](torch.zeros(x))


@pytest.mark.parametrize("length", [3, 12])
def test_a_table_has_an_entry_for_each_step(length):
    with pytest.raises(
        ValueError, match=rf"values has shape \({length},\); give one for each t in"
    ):
        S.at(torch.zeros(length), 2, torch.zeros(4, 1))


@pytest.mark.parametrize("door", SINGLES)
@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool])
def test_whole_numbers_are_refused_where_they_would_be_rounded_to_0(door, dtype):
    with pytest.raises(ValueError, match=r"dtype torch\..*; give floating point numbers"):
        SINGLES[door](torch.ones(4, 2, dtype=dtype))


@pytest.mark.parametrize("door", PICTURES)
def test_bytes_are_the_pictures_that_they_stand_for(door):
    made, wanted = (torch.as_tensor(PICTURES[door](x)) for x in (BYTES, RIGHT))
    torch.testing.assert_close(made, wanted, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("door", PICTURES)
def test_0_to_255_in_floating_point_is_refused(door):
    with pytest.raises(ValueError, match=r"has values from .*; give floating point pictures in"):
        PICTURES[door](BYTES.float())


@pytest.mark.parametrize("door", PICTURES)
def test_0_to_1_is_refused_where_both_ends_are_met(door):
    """Of pixels x / 127.5 - 1 none is 0."""
    pictures = BYTES.float() / 255
    pictures[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    with pytest.raises(ValueError, match=r"values from 0 to 1; give floating point .*2 x - 1"):
        PICTURES[door](pictures)


@pytest.mark.parametrize("door", PICTURES)
def test_other_whole_numbers_are_no_pictures(door):
    with pytest.raises(ValueError, match="dtype torch.int64"):
        PICTURES[door](BYTES.long())


@pytest.mark.parametrize("door", [door for door in PICTURES if door.startswith("metrics")])
def test_values_that_are_not_finite_are_refused(door):
    with pytest.raises(ValueError, match="not finite"):
        PICTURES[door](torch.where(RIGHT > 0.9, torch.nan, RIGHT))


def test_an_answer_that_is_no_tensor_is_named():
    with pytest.raises(ValueError, match="answers with a tuple"):
        loss.epsilon_loss(model_that_says((torch.zeros(4, 2),)), torch.zeros(4, 2), S)


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_pictures_on_and_off_their_grid(levels):
    grid = torch.arange(levels).float() / (levels - 1) * 2 - 1
    checks.on_grid(grid, levels)
    checks.on_grid(torch.empty(0), levels)
    half_a_cell = 1 / (levels - 1)
    for off in (grid[0] - 2 * half_a_cell, grid[1] - half_a_cell, torch.tensor(torch.nan)):
        with pytest.raises(ValueError, match=f"none of the {levels} even values"):
            checks.on_grid(torch.cat([grid, off[None]]), levels)


def test_bits_of_resized_pictures_are_refused():
    between = torch.full((2, 1, 8, 8), 1 / 255 + 0.003)
    with pytest.raises(ValueError, match="x_0 holds 0.0069"):
        loss.bits_per_dim(lambda x_t, t: x_t, between, S)
    bits = loss.bits_per_dim(lambda x_t, t: x_t, torch.full((2, 1, 8, 8), 1 / 255), S)
    assert torch.isfinite(bits.total)


def test_bits_of_pictures_in_0_to_255_are_refused():
    with pytest.raises(ValueError, match="x_0 has values from"):
        loss.bits_per_dim(lambda x_t, t: x_t, BYTES.float(), S)
    with pytest.raises(ValueError, match="levels is 1"):
        loss.bits_per_dim(lambda x_t, t: x_t, RIGHT, S, levels=1)


@pytest.mark.parametrize("shape", [(), (0, 2), (4, -1), (4, 2.0)])
def test_a_shape_of_samples_is_in_whole_numbers(shape):
    with pytest.raises(ValueError, match="give \\(B, ...\\) in whole numbers"):
        reverse.sample(lambda x_t, t: x_t, shape, S)


@pytest.mark.parametrize("value", [-1, 2**63, 2**64, 1.5, True, "0", None])
def test_seeds_out_of_range_are_named(value):
    with pytest.raises(ValueError, match=f"--seed is {value}; choose a whole number from 0"):
        checks.seed(value, "--seed")


def test_seeds_in_range_are_taken():
    assert [checks.seed(0), checks.seed(2**63 - 1)] == [0, 2**63 - 1]
