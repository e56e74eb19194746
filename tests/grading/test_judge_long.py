"""What takes minutes: every answer of the bank over many seeds, and a whole class at once."""

from pathlib import Path

import pytest
from alternatives import ALTERNATIVES
from memory import watched
from submissions import RELEASED, hand_in, solved

from ddpm_course.grading.answers import Bench
from ddpm_course.grading.judge import grade
from ddpm_course.grading.task import Task
from ddpm_course.grading.tasks import CHAPTERS, chapter

pytestmark = pytest.mark.long

TASKS = [task for name in CHAPTERS for task in chapter(name).tasks]
SEEDS = range(1000, 1050)
FEWER = SEEDS[:10]  # for the many wrong answers
STUDENTS = 200


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_points_are_the_same_for_any_seed(task: Task) -> None:
    for seed in SEEDS:
        bench = Bench(task, seed)
        for answer in (task.reference, *ALTERNATIVES[task.name]):
            verdict = bench.examine(answer)
            assert verdict.right, (seed, verdict.sentence)
        for number, mistake in enumerate(task.mistakes if seed in FEWER else ()):
            verdict = bench.examine(mistake.answer)
            assert not verdict.right, (seed, mistake.sentence)
            assert verdict.mistake == number, (seed, mistake.sentence, verdict.sentence)


def test_a_class_of_two_hundred_takes_less_than_two_gigabytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nb = solved("marginal")
    for number in range(STUDENTS):
        hand_in(tmp_path, f"student {number:03}", "marginal", nb)
    with watched() as most:
        found = grade(tmp_path, RELEASED, jobs=2)
    with capsys.disabled():
        print(f"\n{STUDENTS} submissions: {most.bytes / 2**20:.0f} MiB", end=" ")
    assert [one.points for one in found] == [20] * STUDENTS
    assert 0 < most.bytes < 2 * 2**30
