"""Slips that any task may meet are named, and never in place of what the task knows itself."""

from typing import Any

import pytest
import torch
from torch import Tensor

from ddpm_course.grading.answers import examine
from ddpm_course.grading.slips import known
from ddpm_course.grading.task import Case, Mistake, Task


def scaled(x: Tensor, y: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    share = alpha_bar[t].float()[:, None]
    return share.sqrt() * x + (1 - share) * y**2


def ratio(a: float, b: float) -> float:
    return (a + 1) / b


def table(seed: int) -> list[Case]:
    g = torch.Generator().manual_seed(seed)
    beta = 0.1 + 0.3 * torch.rand(9, generator=g, dtype=torch.float64)
    alpha_bar = torch.cat([torch.ones(1), (1 - beta).cumprod(0)])
    t = torch.tensor([4, 8, 1, 6, 3])
    x, y = 2 * torch.rand(2, 5, 3, generator=g)
    return [Case((x, y, t, alpha_bar), along=t.tolist())]


def numbers(seed: int) -> list[Case]:
    return [Case((2.0 + seed, 4.0)), Case((0.5, 2.5 + seed))]


def task(reference: Any, cases: Any, *mistakes: Mistake) -> Task:
    return Task(
        name="any.task",
        title="",
        points=1,
        minutes=1,
        prompt="",
        hint="",
        lesson="",
        reference=reference,
        mistakes=mistakes,
        cases=cases,
    )


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda x, y, t, a: scaled(y, x, t, a), "`x` and `y` had changed places"),
        (lambda x, y, t, a: scaled(x, y, t[:1].expand(5), a), "uses the t of its first item"),
        (lambda x, y, t, a: scaled(x, y, t - 1, a), "t - 1 stood where t belongs"),
        (lambda x, y, t, a: scaled(x, y, t, 1 - a), "1 - ᾱ_t stood where ᾱ_t belongs"),
        (
            lambda x, y, t, a: scaled(x, y, t, torch.cat([a[:1], a[1:] / a[:-1]])),
            "α_t stood where ᾱ_t belongs",
        ),
        (lambda x, y, t, a: scaled(x, y, t, a) ** 0.5, "This is the square root of what was asked"),
        (lambda x, y, t, a: 1 - scaled(x, y, t, a), "This is 1 minus what was asked"),
        (lambda x, y, t, a: scaled(3 * x, y, t, a).clamp(-1, 1), "not right"),
        (lambda x, y, t, a: scaled(x, y, t, a).clamp(-1, 1), "This is clipped to"),
    ],
)
def test_general_slips_of_a_batch_are_named(answer: Any, told: str, seed: int) -> None:
    verdict = examine(task(scaled, table), answer, seed)
    assert not verdict.right
    assert told in verdict.sentence


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (lambda a, b: ratio(b, a), "`a` and `b` had changed places"),
        (lambda a, b: ratio(a, b) ** 2, "is a root missing"),
        (lambda a, b: 1 / ratio(a, b), "is a fraction upside down"),
        (lambda a, b: 100 * ratio(a, b), "100 times what it should be"),
        (lambda a, b: -ratio(a, b), "wrong sign"),
    ],
)
def test_general_slips_of_numbers_are_named(answer: Any, told: str) -> None:
    assert told in examine(task(ratio, numbers), answer).sentence


def test_what_the_task_knows_comes_first() -> None:
    own = Mistake("Both are turned round.", lambda a, b: ratio(b, a))
    verdict = examine(task(ratio, numbers, own), own.answer)
    assert (verdict.sentence, verdict.mistake) == (own.sentence, 0)
    assert known(task(ratio, numbers, own))[0] is own


def test_values_and_draws_have_no_general_slips() -> None:
    def drawn(n: int, generator: torch.Generator) -> Tensor:
        return torch.rand(n, generator=generator)

    def case(seed: int) -> list[Case]:
        return [Case((4, torch.Generator().manual_seed(seed)))]

    assert known(task(3, lambda seed: [Case()])) == ()
    assert known(task(drawn, case)) == ()


def test_a_slip_that_changes_nothing_rejects_nothing() -> None:
    """Where two arguments may change places, the right answer is right."""

    def product(a: float, b: float) -> float:
        return a * b

    assert examine(task(product, numbers), lambda a, b: b * a).right
