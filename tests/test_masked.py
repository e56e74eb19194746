"""Masked diffusion against worlds that are small enough to go through all that may happen."""

import math
from itertools import product

import pytest
import torch
from torch import Tensor

from ddpm_course import masked

# Two places of two values that depend on each other.
TABLE = torch.tensor([[0.4, 0.1], [0.1, 0.4]], dtype=torch.float64)
WORDS = torch.tensor(list(product((0, 1), repeat=2)))


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def exact(table: Tensor) -> masked.Network:
    """The network that says the chance of each value, given what is open."""
    said = torch.zeros(3, 3, 2, 2, dtype=torch.float64)  # [first, second, place, value]
    for first, second in product((0, 1, 2), repeat=2):
        rest = table.clone()
        if first < 2:
            rest[1 - first] = 0
        if second < 2:
            rest[:, 1 - second] = 0
        said[first, second] = torch.stack([rest.sum(1), rest.sum(0)]) / rest.sum()
    return lambda x_t: said[x_t[:, 0], x_t[:, 1]].log()


def likelihood(network: masked.Network, alpha_bar: Tensor) -> Tensor:
    """(4,) p_θ(x_0) of each word: the sum over all ways from the masks to it."""
    states = list(product((0, 1, 2), repeat=2))
    chance = {state: float(state == (2, 2)) for state in states}
    for t in range(len(alpha_bar) - 1, 0, -1):
        law = masked.back(network(torch.tensor(states)).softmax(-1), t, alpha_bar)
        after = dict.fromkeys(states, 0.0)
        for number, state in enumerate(states):
            for to in states:
                ways = [
                    float(law[number, n, b]) if a == 2 else float(a == b)
                    for n, (a, b) in enumerate(zip(state, to))
                ]
                after[to] += chance[state] * math.prod(ways)
        chance = after
    assert sum(chance.values()) == pytest.approx(1)
    return torch.tensor([chance[tuple(word)] for word in WORDS.tolist()], dtype=torch.float64)


def bound(network: masked.Network, alpha_bar: Tensor) -> Tensor:
    """(4,) the bound of each word: the mean cost of the steps over all masks."""
    total = torch.zeros(len(WORDS), dtype=torch.float64)
    for t in range(1, len(alpha_bar)):
        kept = float(alpha_bar[t])
        for hidden in product((False, True), repeat=2):
            share = math.prod(1 - kept if h else kept for h in hidden)
            x_t = WORDS.masked_fill(torch.tensor(hidden), 2)
            total += share * masked.step_loss(network(x_t), WORDS, x_t, t, alpha_bar)
    return total


@pytest.mark.parametrize("T", [1, 2, 5])
def test_the_bound_is_never_below_what_it_bounds(T: int) -> None:
    """For the exact network and for a false one, by going through all that may happen."""
    false = torch.tensor([[0.1, 0.3], [0.2, 0.4]], dtype=torch.float64)
    for table in (TABLE, false):
        surprise = -likelihood(exact(table), masked.even(T)).log()
        assert (bound(exact(table), masked.even(T)) >= surprise - 1e-12).all()


def test_the_bound_is_exact_for_places_that_do_not_depend_on_each_other() -> None:
    table = torch.outer(torch.tensor([0.3, 0.7]), torch.tensor([0.6, 0.4])).double()
    for alpha_bar in (masked.even(1), masked.even(3), torch.tensor([1, 0.9, 0.2, 0]).double()):
        found = bound(exact(table), alpha_bar)
        torch.testing.assert_close(found, -likelihood(exact(table), alpha_bar).log())
        torch.testing.assert_close(found, -table.flatten().log())


def test_with_more_steps_the_bound_of_the_exact_network_comes_down_to_the_truth() -> None:
    """What is lost is that two places are opened at once: with chance 1/T, for even steps."""
    truth = -TABLE.flatten().log()
    gaps = {T: bound(exact(TABLE), masked.even(T)) - truth for T in (1, 2, 4, 8)}
    independent = -(TABLE.sum(1)[:, None] * TABLE.sum(0)).flatten().log()
    torch.testing.assert_close(gaps[1], independent - truth)
    for T, gap in gaps.items():
        torch.testing.assert_close(gap, gaps[1] / T)


def test_the_estimate_of_the_bound_is_right_on_average() -> None:
    many = WORDS.repeat_interleave(4000, 0)
    found = masked.bound(exact(TABLE), many, masked.even(3), seeded()).reshape(4, -1)
    error = found.std(1) / math.sqrt(4000)
    assert ((found.mean(1) - bound(exact(TABLE), masked.even(3))).abs() < 5 * error).all()


def test_hide_keeps_a_share_and_masks_the_rest() -> None:
    alpha_bar = torch.tensor([1, 0.8, 0.25, 0]).double()
    x_0 = torch.arange(3).repeat(20_000)[None].expand(3, -1)
    x_t = masked.hide(x_0, torch.tensor([1, 2, 3]), alpha_bar, 3, seeded())
    assert ((x_t == x_0) | (x_t == 3)).all()
    for value in range(3):
        shares = ((x_t == x_0) & (x_0 == value)).double().mean(1) * 3
        torch.testing.assert_close(shares, alpha_bar[1:], atol=0.02, rtol=0)


def test_opened_by_counting_pixels() -> None:
    """Of the pixels that are masked at t, how many were open at t - 1: of each pixel's own time."""
    T, count = 4, 200_000
    beta = torch.tensor([0.3, 0.2, 0.6, 0.5]).double()
    alpha_bar = torch.cat([torch.ones(1).double(), (1 - beta).cumprod(0)])
    masked_now = torch.rand(count, T, generator=seeded(), dtype=torch.float64) < beta
    masked_by = masked_now.cumsum(1) > 0
    for t in range(2, T + 1):
        now, before = masked_by[:, t - 1], masked_by[:, t - 2]
        share = float((~before[now]).double().mean())
        assert share == pytest.approx(float(masked.opened(alpha_bar)[t]), abs=0.01)
    assert masked.opened(alpha_bar)[:2].tolist() == [0, 1]


def test_even_masks_as_many_in_each_step() -> None:
    torch.testing.assert_close(masked.even(4), torch.tensor([1, 0.75, 0.5, 0.25, 0]).double())
    torch.testing.assert_close(masked.opened(masked.even(4))[1:], 1 / torch.arange(1, 5).double())


def test_only_masked_places_cost() -> None:
    logits = torch.randn(1, 3, 2, generator=seeded())
    x_0, x_t = torch.tensor([[0, 1, 1]]), torch.tensor([[0, 2, 2]])
    log_p = logits.log_softmax(-1)
    expected = -(log_p[0, 1, 1] + log_p[0, 2, 1]) / 2  # 1/t of them, at t = 2
    torch.testing.assert_close(
        masked.step_loss(logits, x_0, x_t, 2, masked.even(4)), expected[None].float()
    )


def test_samples_have_the_law_of_the_model() -> None:
    for T in (1, 3):
        start = torch.full((40_000, 2), 2)
        *_, last = masked.sample(exact(TABLE), start, masked.even(T), seeded())
        found = torch.bincount(2 * last.x_t[:, 0] + last.x_t[:, 1], minlength=4) / len(start)
        expected = likelihood(exact(TABLE), masked.even(T)).float()
        torch.testing.assert_close(found, expected, atol=0.012, rtol=0)


def test_what_is_open_stays_and_nothing_is_masked_at_the_end() -> None:
    start = torch.tensor([[1, 2], [2, 0], [2, 2]])
    steps = list(masked.sample(exact(TABLE), start, masked.even(5), seeded()))
    assert [step.t for step in steps] == [5, 4, 3, 2, 1, 0]
    assert torch.equal(steps[0].x_t, start)
    for before, after in zip(steps, steps[1:]):
        shown = before.x_t != 2
        assert torch.equal(after.x_t[shown], before.x_t[shown])
    assert (steps[-1].x_t < 2).all()


def test_training_finds_what_belongs_together() -> None:
    """Two words that differ in all places: one open place says all the others."""
    data = torch.tensor([[0, 1, 2, 0], [2, 2, 1, 1]])
    network = masked.train(data, 3, steps=60, batch=32, width=16, learning_rate=3e-2)
    found = masked.bound(network, data.repeat(500, 1), masked.even(8), seeded()).mean()
    assert math.log(2) - 0.05 < found < math.log(2) + 0.35
    again = masked.train(data, 3, steps=3, batch=4, width=8)
    same = masked.train(data, 3, steps=3, batch=4, width=8)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), same.parameters()))


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: masked.even(0), "T is 0; masking needs"),
        (lambda: masked.even(2.0), "T is 2.0"),
        (
            lambda: masked.hide(WORDS, 4, masked.even(3), 2),
            r"t is 4; a step has a number in 1\.\.3",
        ),
        (lambda: masked.hide(WORDS, 0, masked.even(3), 2), "t is 0"),
        (
            lambda: masked.hide(WORDS, torch.tensor([1]), masked.even(3), 2),
            "one time for each of 4",
        ),
        (lambda: masked.hide(WORDS, 1, masked.even(3), 1), r"whole numbers in 0\.\.0"),
        (lambda: masked.hide(WORDS.float(), 1, masked.even(3), 2), "whole numbers"),
        (lambda: masked.opened(torch.tensor([1, 0.5, 0.5])), "does not fall"),
        (lambda: masked.opened(torch.tensor([0.9, 0.5])), "the first of them 1"),
        (lambda: masked.opened(torch.tensor([1.0, -0.5])), "fall from 1 to 0"),
        (
            lambda: next(masked.sample(exact(TABLE), WORDS, torch.tensor([1, 0.5]))),
            "ends at 0.5; sampling begins where all is masked",
        ),
        (
            lambda: masked.step_loss(torch.zeros(1, 2, 2), WORDS, WORDS, 1, masked.even(2)),
            "x_0 has shape",
        ),
        (lambda: masked.train(WORDS, 2, seed=-1), "seed is -1"),
    ],
)
def test_bad_input_is_named(call, said) -> None:
    with pytest.raises(ValueError, match=said):
        call()
