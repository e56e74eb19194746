import pytest
import torch

from ddpm_course import Schedule, loss, pointnet
from ddpm_course.data import Mixture

SCHEDULE = Schedule.cosine(20)


def test_it_comes_close_to_the_best_possible_network(generator):
    ring = Mixture.ring(4)
    model, losses = pointnet.fit(SCHEDULE, ring.sample(2000, generator), 600, generator=generator)

    def measured(network):
        same = torch.Generator().manual_seed(1)
        with torch.no_grad():
            return loss.epsilon_loss(network, ring.sample(5000, same), SCHEDULE, generator=same)

    best = measured(ring.eps(SCHEDULE))
    assert best < measured(model) < best + 0.04
    assert losses.shape == (600,)
    assert losses[:20].mean() > 2 * best


def test_it_repeats_and_leaves_the_global_generator_alone():
    x_0 = torch.linspace(-1, 1, 40).view(20, 2)

    def again():
        return pointnet.fit(SCHEDULE, x_0, 3, 8, torch.Generator().manual_seed(0))[1]

    before = torch.get_rng_state()
    first = again()
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(5)
    assert torch.equal(again(), first)


def test_it_lowers_any_loss_that_it_is_given():
    def distance_from_one(model, x_0):
        return ((model(x_0, torch.ones(len(x_0), dtype=torch.int64)) - 1) ** 2).mean()

    _, losses = pointnet.fit(SCHEDULE, torch.zeros(8, 2), 100, 8, loss=distance_from_one)
    assert losses[-1] < 1e-2 < losses[0]


@pytest.mark.parametrize("T", [1, 7])
def test_the_network_answers_points_with_points_at_every_step(T):
    model = pointnet.PointNet(T)
    answers = model(torch.zeros(T, 2), torch.arange(1, T + 1))
    assert answers.shape == (T, 2)
    if T > 1:  # each step has a vector of its own
        assert not torch.equal(answers[0], answers[1])
