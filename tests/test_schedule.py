import math
import re
from fractions import Fraction

import pytest
import torch
from diffusers import DDPMScheduler

from ddpm_course import Schedule


def test_index_0_is_clean_data(schedule):
    assert schedule.beta[0] == 0
    assert schedule.alpha[0] == schedule.alpha_bar[0] == 1
    assert schedule.beta_tilde[0] == schedule.beta_tilde[1] == 0
    assert schedule.snr[0] == math.inf
    for table in (schedule.alpha, schedule.alpha_bar, schedule.beta_tilde, schedule.snr):
        assert table.shape == (schedule.T + 1,)
        assert table.dtype == torch.float64


def test_tables_equal_exact_arithmetic():
    """Every entry against rational numbers, where nothing is rounded."""
    beta = [Fraction(0), Fraction(1, 10), Fraction(1, 4), Fraction(2, 5), Fraction(9, 10)]
    schedule = Schedule(torch.tensor([float(b) for b in beta]))
    alpha_bar = [Fraction(1)]
    for t in range(1, 5):
        alpha_bar.append(alpha_bar[-1] * (1 - beta[t]))
        beta_tilde = (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t]) * beta[t]
        snr = alpha_bar[t] / (1 - alpha_bar[t])
        assert schedule.alpha_bar[t].item() == pytest.approx(float(alpha_bar[t]), rel=1e-6)
        assert schedule.beta_tilde[t].item() == pytest.approx(float(beta_tilde), rel=1e-6)
        assert schedule.snr[t].item() == pytest.approx(float(snr), rel=1e-6)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (Schedule.linear(1000), {"beta_schedule": "linear"}),
        (Schedule.cosine(1000), {"beta_schedule": "squaredcos_cap_v2"}),
    ],
)
def test_schedules_agree_with_diffusers(ours, theirs):
    reference = DDPMScheduler(num_train_timesteps=1000, **theirs)
    # Their index i is our t = i + 1; they compute in float32.
    torch.testing.assert_close(ours.beta[1:].float(), reference.betas, rtol=2e-3, atol=1e-6)
    torch.testing.assert_close(
        ours.alpha_bar[1:].float(), reference.alphas_cumprod, rtol=1e-3, atol=1e-6
    )


def test_linear_reaches_both_ends():
    schedule = Schedule.linear(7, 0.1, 0.4)
    steps = [0.1 + 0.05 * i for i in range(7)]
    torch.testing.assert_close(schedule.beta[1:], torch.tensor(steps, dtype=torch.float64))


def test_cosine_follows_its_definition_until_the_cut():
    schedule = Schedule.cosine(100, s=0.01)

    def f(t: int) -> float:
        return math.cos((t / 100 + 0.01) / 1.01 * math.pi / 2) ** 2

    for t in range(100):
        assert schedule.alpha_bar[t].item() == pytest.approx(f(t) / f(0), rel=1e-9)
    assert schedule.beta[100] == 0.999


def test_at_gathers_casts_and_broadcasts(schedule):
    x = torch.zeros(3, 2, 4, 4)
    t = torch.tensor([0, 1, schedule.T])
    assert schedule.at(schedule.beta, t, torch.zeros(3)).shape == (3,)
    found = schedule.at(schedule.alpha_bar, t, x)
    assert found.shape == (3, 1, 1, 1)
    assert found.dtype == torch.float32
    assert found.flatten().tolist() == schedule.alpha_bar[t].float().tolist()


def test_time_takes_an_int_or_one_step_an_item():
    schedule, x = Schedule.linear(10), torch.zeros(3, 2)
    assert schedule.time(4, x).tolist() == [4, 4, 4]
    for t in (1, 10):
        assert schedule.time(t, x).tolist() == [t] * 3
    assert schedule.time(4, x).dtype == torch.int64
    assert schedule.time(torch.tensor([1, 10, 3], dtype=torch.int32), x).dtype == torch.int64
    assert schedule.time(torch.tensor([], dtype=torch.int64), x[:0]).tolist() == []
    assert schedule.time(torch.tensor([1, 10, 3], dtype=torch.int32), x).tolist() == [1, 10, 3]


@pytest.mark.parametrize(
    ("t", "says"),
    [
        (0, "t is 0, but this schedule's steps run over 1..10. (t = 0 is the data itself.)"),
        (11, "t is 11"),
        (-1, "t is -1"),
        (True, "t is True"),
        (2.0, "t is 2.0; give a whole number"),
        (torch.tensor([1, 2, 11]), "t is 1..11"),
        (torch.tensor([0, 2, 3]), "t is 0..3"),
        (torch.tensor([1.0, 2.0, 3.0]), "dtype torch.float32"),
        (torch.tensor([1, 2, 3], dtype=torch.uint8), "dtype torch.uint8; steps are counted"),
        (torch.tensor([1, 2]), "shape (2,), but the batch has 3 items"),
        (torch.tensor(1), "shape ()"),
    ],
)
def test_a_wrong_t_is_refused_in_words(t, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Schedule.linear(10).time(t, torch.zeros(3, 2))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Schedule.linear(0), "T is 0"),
        (lambda: Schedule.linear(-3), "T is -3"),
        (lambda: Schedule.linear(2.5), "T is 2.5"),
        (lambda: Schedule.cosine(0), "T is 0"),
        (lambda: Schedule.linear(True), "T is True"),
        (lambda: Schedule.cosine(10, s=math.nan), "s is nan"),
        (lambda: Schedule.cosine(10, s=math.inf), "s is inf"),
        (lambda: Schedule.cosine(10, s=-0.1), "s is -0.1; the offset of the cosine schedule must"),
        (
            lambda: Schedule.linear(5, 0.1, 1.0),
            "beta[5] is 1; every variance must lie strictly between 0 and 1 "
            "(with few steps, lower beta_T).",
        ),
        (lambda: Schedule.linear(5, 0.0, 0.1), "beta[1] is 0"),
        (lambda: Schedule.linear(5, -0.1, 0.1), "beta[1] is -0.1"),
        (lambda: Schedule.linear(5, 0.1, math.nan), "is nan"),
        (lambda: Schedule.cosine(10, beta_max=1.0), "beta[10] is 1"),
        (
            lambda: Schedule(torch.tensor([0.1, 0.2])),
            "beta[0] is 0.1, but entry 0 stands for clean data and must be 0; "
            "put a 0 in front of your T variances.",
        ),
        (
            lambda: Schedule(torch.tensor([0.0])),
            "shape (1,); a schedule needs a vector of T + 1 >= 2 entries: beta[0] = 0 for the",
        ),
        (lambda: Schedule(torch.zeros(2, 2)), "shape (2, 2)"),
    ],
)
def test_a_wrong_schedule_is_refused_in_words(make, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        make()


def test_moving_keeps_every_table(schedule):
    moved = schedule.to("cpu")
    for name in ("beta", "alpha", "alpha_bar", "beta_tilde", "snr"):
        assert torch.equal(getattr(moved, name), getattr(schedule, name))


def test_the_defaults_are_the_papers():
    linear, cosine = Schedule.linear(), Schedule.cosine()
    assert (linear.T, cosine.T) == (1000, 1000)
    assert linear.beta[[1, -1]].tolist() == [1e-4, 0.02]
    assert torch.equal(cosine.beta, Schedule.cosine(1000, 0.008, 0.999).beta)
    assert Schedule.cosine(10, s=0).alpha_bar[5].item() == pytest.approx(0.5)


def test_whatever_comes_in_is_kept_in_float64():
    for beta in (
        [0.0, 0.1, 0.2],
        torch.tensor([0.0, 0.1, 0.2]),
        torch.tensor([0, 0.1, 0.2]).half(),
    ):
        assert Schedule(beta).beta.dtype == torch.float64
    steps = 0.1 + (0.4 - 0.1) * torch.arange(7, dtype=torch.float64) / 6
    torch.testing.assert_close(Schedule.linear(7, 0.1, 0.4).beta[1:], steps, rtol=1e-14, atol=0)


def test_a_batch_of_one_is_looked_at_too():
    schedule, x = Schedule.linear(10), torch.zeros(1, 2)
    with pytest.raises(ValueError, match=r"t is 11\.\.11"):
        schedule.time(torch.tensor([11]), x)
    with pytest.raises(ValueError, match=r"t is 11, .* run over 0\.\.10\.$"):
        schedule.at(schedule.beta, 11, x)


def test_answers_are_where_the_batch_is():
    """The device "meta", which holds no numbers, stands in for a GPU."""
    schedule, x = Schedule.linear(10), torch.zeros(2, 3, device="meta")
    for t in (4, torch.tensor([4, 5]), torch.tensor([4, 5], device="meta")):
        assert schedule.time(t, x).device == x.device
        assert schedule.at(schedule.beta, t, x).device == x.device
    moved = schedule.to("meta")
    for name in ("beta", "alpha", "alpha_bar", "beta_tilde", "snr"):
        assert getattr(moved, name).device == x.device
        assert getattr(moved, name).dtype == torch.float64


def test_apples_gpus_get_float32(monkeypatch):
    seen = []

    def to(self: torch.Tensor, where: object) -> torch.Tensor:
        seen.append(where)
        return self

    schedule = Schedule.linear(10)
    tables = schedule.alpha, schedule.alpha_bar, schedule.beta_tilde, schedule.snr
    monkeypatch.setattr(torch.Tensor, "to", to)
    schedule.to("mps")
    assert seen == [torch.float32, torch.device("mps")] * (1 + len(tables))


def test_it_says_what_it_is():
    assert repr(Schedule.linear(1000)) == "Schedule(T=1000, beta=0.0001..0.02, alpha_bar_T=4e-05)"
    said = "Schedule(T=4, beta=0.1..0.4, alpha_bar_T=0.3)"
    assert repr(Schedule([0, 0.1, 0.2, 0.3, 0.4])) == said


def test_a_table_of_another_length_and_a_single_number_are_refused():
    five = Schedule.linear(5, 0.1, 0.5)
    for length in (5, 7):
        with pytest.raises(ValueError) as error:
            five.at(torch.zeros(length), 2, torch.zeros(4, 1))
        assert str(error.value) == (
            f"values has shape ({length},); give one for each t in 0..5, (6,)."
        )
    for call in (lambda x: five.time(2, x), lambda x: five.at(five.beta, 2, x)):
        with pytest.raises(ValueError) as error:
            call(torch.tensor(0.5))
        assert str(error.value) == "a single number is no batch; give (B, ...), as in x[None]."
