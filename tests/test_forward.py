import pytest
import torch

from ddpm_course import Schedule, forward, marginal
from tests.montecarlo import assert_moments


def test_step_has_the_papers_moments(schedule):
    x = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
    for t in {1, schedule.T // 2 + 1, schedule.T}:
        q = forward.step(x, t, schedule)
        beta = schedule.beta[t]
        torch.testing.assert_close(q.mean, torch.sqrt(1 - beta) * x)
        assert q.var.shape == (1, 1)
        assert q.var.item() == beta.item()


def test_chained_steps_have_the_closed_forms_moments(schedule):
    """The mean and the variance carried through t steps are those of q(x_t | x_0), at every t."""
    x_0 = torch.tensor([[0.7]], dtype=torch.float64)
    mean, var = x_0, torch.zeros(1, 1, dtype=torch.float64)
    for t in range(1, schedule.T + 1):
        step = forward.step(mean, t, schedule)
        mean = step.mean
        var = (1 - schedule.beta[t]) * var + step.var  # Var[a x + noise] = a² Var[x] + Var[noise]
        jump = marginal.given_x0(x_0, t, schedule)
        torch.testing.assert_close(mean, jump.mean, rtol=1e-10, atol=1e-12)
        torch.testing.assert_close(var, jump.var, rtol=1e-10, atol=1e-12)


def test_walked_samples_have_the_closed_forms_moments(generator):
    schedule = Schedule.linear(8, 0.05, 0.6)
    x_0 = torch.full((50_000, 1), 0.7)
    for t, x_t in enumerate(forward.trajectory(x_0, schedule, generator)):
        if t > 0:
            q = marginal.given_x0(x_0[:1], t, schedule)
            assert_moments(x_t, q.mean[0], q.var[0])


def test_trajectory_counts_from_x_0_to_x_T(generator):
    schedule, x_0 = Schedule.linear(5, 0.1, 0.3), torch.ones(3, 2)
    walk = list(forward.trajectory(x_0, schedule, generator))
    assert len(walk) == 6
    assert torch.equal(walk[0], x_0)
    assert all(x.shape == x_0.shape and x.dtype == x_0.dtype for x in walk)


def test_each_item_may_have_its_own_t():
    schedule = Schedule.linear(10)
    q = forward.step(torch.ones(2, 3), torch.tensor([1, 10]), schedule)
    assert q.var.flatten().tolist() == pytest.approx([1e-4, 0.02])


def test_the_clean_data_are_no_step():
    with pytest.raises(ValueError, match=r"steps run over 1\.\.10"):
        forward.step(torch.ones(2, 3), 0, Schedule.linear(10))


def test_the_same_seed_walks_the_same_way():
    schedule, x_0 = Schedule.linear(5, 0.1, 0.3), torch.ones(3, 2)
    first, second = (
        list(forward.trajectory(x_0, schedule, torch.Generator().manual_seed(1))) for _ in range(2)
    )
    assert torch.equal(first[-1], second[-1])


def test_whole_numbers_are_refused():
    with pytest.raises(ValueError, match=r"x_prev has dtype torch\.int64"):
        forward.step(torch.ones(2, 3, dtype=torch.int64), 1, Schedule.linear(10))
    with pytest.raises(ValueError, match=r"x_0 has dtype torch\.int64"):
        next(forward.trajectory(torch.ones(2, 3, dtype=torch.int64), Schedule.linear(10)))
