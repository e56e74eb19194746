"""A student against teachers whose walks are known: one point, and Gaussian data."""

import math

import pytest
import torch

from ddpm_course import Schedule, checkpoint, data, few_steps, flow
from ddpm_course.pointnet import PointNet
from ddpm_course.unet import UNet, UNetConfig


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def tiny() -> UNet:
    torch.manual_seed(0)
    return UNet(UNetConfig(channels=(8,), blocks=1, attention=(False,), groups=4))


def gaussian(schedule: Schedule, calls: int = 20) -> few_steps.Walks:
    """Walks of the exact teacher for data N(0, 0.04)."""
    teacher = data.Mixture(torch.ones(1), torch.zeros(1, 2), torch.tensor([0.04])).eps(schedule)
    start = few_steps.walks(teacher, schedule, (50, 2), calls, generator=seeded())
    return start


def test_walks_keep_places_times_and_ends() -> None:
    schedule = Schedule.cosine(250)
    taught = gaussian(schedule, 100)
    assert taught.places.shape == (100, 50, 2)
    assert (taught.u[:-1] > taught.u[1:]).all()
    torch.testing.assert_close(taught.u[0], flow.shares(schedule)[250].float())
    # The exact walk of Gaussian data scales a place by the ratio of the standard deviations.
    spread = ((1 - taught.u) ** 2 * 0.04 + taught.u**2).sqrt()
    exact = taught.places / spread[:, None, None] * 0.2
    torch.testing.assert_close(exact[:80], taught.ends.expand(80, 50, 2), rtol=0.05, atol=0.02)


def test_the_loss_is_0_for_who_knows_the_ends_and_the_error_squared_for_others() -> None:
    x_u, ends = torch.randn(6, 2, generator=seeded()), torch.randn(6, 2, generator=seeded(1))
    u = torch.linspace(0.1, 1, 6)
    right = (x_u - ends) / u[:, None]
    assert few_steps.student_loss(lambda x, u: right, x_u, u, ends) < 1e-12
    off = few_steps.student_loss(lambda x, u: right + 0.5, x_u, u, ends)
    torch.testing.assert_close(off, (u**2).mean() * 0.25)


def test_a_student_of_gaussian_data_learns_the_end_of_each_walk() -> None:
    torch.manual_seed(0)
    taught = gaussian(Schedule.cosine(250))
    made = few_steps.distill(PointNet(1000), taught, 400, 64, 1e-2, seeded())
    losses = []
    for network, loss in made:
        student = flow.Velocity(network).eval()
        losses.append(float(loss))
    assert sum(losses[-50:]) < 0.1 * sum(losses[:50])
    start = taught.places[0]
    found = few_steps.sample(student, start.shape, clip_x0=False, start=start)
    assert float((found - taught.ends).pow(2).mean()) < 0.1 * float(taught.ends.pow(2).mean())


def test_one_call_is_one_jump() -> None:
    start = torch.randn(4, 2, generator=seeded())
    found = few_steps.sample(lambda x, u: 0.25 * x, (4, 2), clip_x0=False, start=start)
    torch.testing.assert_close(found, 0.75 * start)


@pytest.mark.parametrize("calls", [1, 2, 4])
def test_the_student_is_called_as_often_as_asked_at_even_times(calls: int) -> None:
    seen = []

    def model(x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        seen.append(float(u[0]))
        return x

    few_steps.sample(model, (3, 2), calls, generator=seeded())
    assert seen == pytest.approx([1 - i / calls for i in range(calls)])


def test_more_calls_keep_the_law_of_a_perfect_student() -> None:
    """Data N(0, s²), and the exact end of each walk: one call or four, the samples have s."""
    s = 0.5

    def model(x: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
        u = u[:, None]
        end = s / ((1 - u) ** 2 * s**2 + u**2).sqrt() * x
        return (x - end) / u

    for calls in (1, 2, 4):
        drawn = few_steps.sample(model, (20_000, 1), calls, clip_x0=False, generator=seeded())
        assert float(drawn.std()) == pytest.approx(s, rel=0.03)
        assert float(drawn.mean()) == pytest.approx(0, abs=4 * s / math.sqrt(20_000))


@pytest.mark.parametrize("calls", [0, 1.5, True])
def test_calls_that_cannot_be_are_refused(calls) -> None:
    with pytest.raises(ValueError, match="calls is"):
        few_steps.sample(lambda x, u: x, (2, 2), calls)


def test_a_student_comes_back_from_its_file_and_is_no_teacher(tmp_path) -> None:
    model = tiny().half().float()
    path = tmp_path / "mine.safetensors"
    few_steps.save(model, path)
    again = few_steps.load(path)
    x, u = torch.randn(2, 1, 8, 8, generator=seeded()), torch.tensor([0.2, 0.75])
    torch.testing.assert_close(again(x, u), model(x, torch.tensor([200, 750])))
    with pytest.raises(ValueError, match="holds a student.*few_steps.load"):
        checkpoint.load(path)
    with pytest.raises(ValueError, match="holds no flow"):
        flow.load(path)
    with pytest.raises(ValueError, match="holds no student"):
        few_steps.load(checkpoint.asset("digits"))


def test_the_command_line_refuses_a_student_in_one_sentence(capsys, tmp_path) -> None:
    from ddpm_course.cli import main

    path = tmp_path / "mine.safetensors"
    few_steps.save(tiny(), path)
    assert main(["sample", str(path), "--num", "2", "--out", str(tmp_path / "x.png")]) == 2
    said = capsys.readouterr().err
    assert "holds a student, which jumps to the end" in said
    assert "Traceback" not in said
    assert not (tmp_path / "x.png").exists()


def test_the_student_that_ships_is_small_and_draws_digits_in_one_call() -> None:
    from ddpm_course import metrics

    assert checkpoint.asset("few_steps").stat().st_size <= 1e6
    assert "few_steps" not in checkpoint.shipped()  # it is no network that says the noise
    student = few_steps.load()
    for calls, least in ((1, 0.45), (4, 0.6)):
        drawn = few_steps.sample(student, (200, 1, 8, 8), calls, generator=seeded(1))
        report = metrics.digit_report(drawn)
        assert report.frechet < 2.0  # DDIM with one call: 17, with four: 2.4
        assert report.sure > least
