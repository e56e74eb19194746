"""The grader is graded: right answers are accepted, and each mistake is told by its sentence."""

import re
from inspect import signature
from typing import Any

import pytest
import torch
from alternatives import ALTERNATIVES

from ddpm_course.grading.answers import Bench
from ddpm_course.grading.task import Task
from ddpm_course.grading.tasks import CHAPTERS, chapter, find

TASKS = [task for name in CHAPTERS for task in chapter(name).tasks]
EACH_TASK = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)


def test_a_chapters_points_are_what_its_weight_says() -> None:
    """90 for the chapters of the notes, 97 for those on the model, of five tasks or more each."""
    points = {name: chapter(name).points for name in CHAPTERS}
    notes = {"trends": 10, "forward": 15, "marginal": 20, "reverse": 25, "loss": 20}
    model = {"unet": 11, "training": 10, "evaluation": 13, "beyond": 12, "solvers": 14}
    model |= {"flow": 14, "few_steps": 9, "masked": 14}
    assert points == notes | model
    for name in model:
        assert len(chapter(name).tasks) >= 5


def test_the_bank_is_large_and_named_well(capsys: pytest.CaptureFixture[str]) -> None:
    counts = {
        "tasks": len(TASKS),
        "mistakes": sum(len(task.mistakes) for task in TASKS),
        "other right answers": sum(map(len, ALTERNATIVES.values())),
        "points": sum(task.points for task in TASKS),
    }
    with capsys.disabled():
        print("\nthe bank:", ", ".join(f"{n} {what}" for what, n in counts.items()), end=" ")
    assert counts["tasks"] >= 70
    assert counts["mistakes"] >= 420
    assert {task.name for task in TASKS} == set(ALTERNATIVES)
    assert len({task.name for task in TASKS}) == len(TASKS)
    for name in CHAPTERS:
        assert all(task.name.startswith(f"{name}.") for task in chapter(name).tasks)


@EACH_TASK
def test_a_task_is_complete(task: Task) -> None:
    assert task.points >= 1
    assert task.minutes >= 1
    assert task.title
    assert task.prompt.strip()
    assert task.hint.strip()
    assert task.lesson.strip()
    assert len(task.mistakes) >= 3
    assert len({mistake.sentence for mistake in task.mistakes}) == len(task.mistakes)
    assert bool(task.picture) == bool(task.alt)
    assert bool(task.given) or not task.shows
    # A picture shows what a function does; of a number or a letter it would give the answer away.
    assert bool(task.picture) == callable(task.reference)
    text = f"{task.prompt} {task.hint}"
    assert "$$" not in text, "mathematics stands in the line; display mathematics is proved"
    assert r"\[" not in text
    assert "\\begin{" not in text
    assert text.count("$") % 2 == 0
    if callable(task.reference):
        assert task.reference.__name__ == task.answer_name


@EACH_TASK
def test_the_text_of_a_task_sets_its_symbols_as_formulas(task: Task) -> None:
    """Both are Markdown in the notebook and in the book: plain letters beside set ones jar."""
    for text in (task.prompt, task.hint):
        words = re.sub(r"\$[^$]*\$|`[^`]*`", "", text)
        assert not re.search(r"[_^√²\u0302\u0303\u0370-\u03ff\u1f00-\u1fff]", words), words
        found = set(re.findall(r"(?<![\w'-])[b-zB-HJ-Z](?![\w-])", words))
        assert found <= {"x"} | NAMES.get(task.name, set()), words  # x: 32 x 32 pixels


NAMES = {"trends.claim": {"X", "Y"}, "unet.down_and_up": {"U"}}  # of papers; of a shape


# One seed here; many in test_judge_long.py.
@EACH_TASK
def test_right_answers_are_accepted(task: Task) -> None:
    assert len(ALTERNATIVES[task.name]) >= 2
    bench = Bench(task, seed=0)
    for answer in (task.reference, *ALTERNATIVES[task.name]):
        verdict = bench.examine(answer)
        assert verdict.right, verdict.sentence


@EACH_TASK
def test_each_mistake_is_told_by_its_own_sentence(task: Task) -> None:
    bench = Bench(task, seed=0)
    for number, mistake in enumerate(task.mistakes):
        verdict = bench.examine(mistake.answer)
        assert not verdict.right, mistake.sentence
        assert (verdict.mistake, verdict.sentence) == (number, mistake.sentence)


def blank(*args: Any) -> None:
    raise NotImplementedError


@EACH_TASK
def test_blanks_and_nonsense_are_rejected(task: Task) -> None:
    bench = Bench(task)
    for answer in (None, ..., blank, lambda *args: None, 0.123, "nothing"):
        verdict = bench.examine(answer)
        assert not verdict.right
        assert verdict.mistake is None
        assert verdict.sentence


@EACH_TASK
def test_cases_are_repeatable_and_questions_differ_by_seed(task: Task) -> None:
    def told(seed: int) -> str:
        text = [repr((case.args, case.symbols)) for case in task.cases(seed)]
        return re.sub(r"0x[0-9a-f]+", "", " ".join(text))

    assert told(5) == told(5)
    if "Tensor" in told(5) or "tensor" in told(5):
        assert told(5) != told(6)


def test_a_trainer_is_judged_by_what_the_network_has_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("ddpm_course.grading.slips.known", lambda task, seed: ())

    def by_hand(model: Any, optimizer: Any, batches: Any, alpha_bar: Any) -> list[float]:
        """The right losses at first, but the optimizer is never used."""
        losses = []
        for x_0, t, eps in batches:
            share = alpha_bar[t].float()[:, None]
            loss = ((eps - model(share.sqrt() * x_0 + (1 - share).sqrt() * eps, t)) ** 2).mean()
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for weight in model.parameters():
                    weight -= 0.2 * weight.grad
            losses.append(loss.item())
        return losses

    def once_more(model: Any, optimizer: Any, batches: Any, alpha_bar: Any) -> list[float]:
        """The right losses, and weights that nobody trained."""
        losses: list[float] = find("training.train").reference(model, optimizer, batches, alpha_bar)
        with torch.no_grad():
            next(model.parameters()).mul_(0)
        return losses

    assert not Bench(find("training.train")).examine(by_hand).right
    assert (
        "What the network has learned" in Bench(find("training.train")).examine(once_more).sentence
    )


def size_of(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return tuple(value.shape)
    return len(value) if isinstance(value, list | dict) else value


@EACH_TASK
def test_no_size_and_no_number_is_the_same_in_all_questions(task: Task) -> None:
    """An answer into which one is written is not right."""
    cases = [case.args for case in task.cases(7) if case.symbols is None]
    if not callable(task.reference) or not cases:
        return
    for name, values in zip(signature(task.reference).parameters, zip(*cases), strict=True):
        if isinstance(values[0], torch.Tensor | list | dict | int | float | str):
            assert len({size_of(value) for value in values}) > 1, name


def test_a_missing_task_is_named() -> None:
    with pytest.raises(ValueError, match="no chapter 'marginall'"):
        find("marginall.sample")
    with pytest.raises(ValueError, match=r"no task 'marginal.smaple'.*marginal\.sample"):
        find("marginal.smaple")
