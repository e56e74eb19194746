"""What takes minutes: every answer of the bank over fifty seeds, and a whole class at once."""

import os
import threading
import time
from pathlib import Path

import pytest
from alternatives import ALTERNATIVES
from submissions import RELEASED, hand_in, solved

from ddpm_course.grading.answers import examine
from ddpm_course.grading.judge import grade
from ddpm_course.grading.task import Task
from ddpm_course.grading.tasks import CHAPTERS, chapter

pytestmark = pytest.mark.long

TASKS = [task for name in CHAPTERS for task in chapter(name).tasks]
SEEDS = range(1000, 1050)
STUDENTS = 200


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_points_are_the_same_for_any_seed(task: Task) -> None:
    for seed in SEEDS:
        for answer in (task.reference, *ALTERNATIVES[task.name]):
            verdict = examine(task, answer, seed)
            assert verdict.right, (seed, verdict.sentence)
        for number, mistake in enumerate(task.mistakes):
            verdict = examine(task, mistake.answer, seed)
            assert not verdict.right, (seed, mistake.sentence)
            assert verdict.mistake == number, (seed, mistake.sentence, verdict.sentence)


def held_by_the_grader() -> int:
    """Bytes of this process and all below it; memory in common is counted once."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    ours, grown = {os.getpid()}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in ours} - ours
        ours |= more
        grown = bool(more)
    total = 0
    for pid in ours:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        total += int(text.split("Pss:")[1].split()[0]) * 1024
    return total


def test_a_class_of_two_hundred_takes_less_than_four_gigabytes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nb = solved("marginal")
    for number in range(STUDENTS):
        hand_in(tmp_path, f"student {number:03}", "marginal", nb)
    most = 0
    done = threading.Event()

    def watch() -> None:
        nonlocal most
        while not done.is_set():
            most = max(most, held_by_the_grader())
            done.wait(0.5)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.monotonic()
    try:
        found = grade(tmp_path, RELEASED, jobs=2)
    finally:
        done.set()
        watcher.join()
    seconds = time.monotonic() - start
    with capsys.disabled():
        print(f"\n{STUDENTS} submissions: {seconds:.0f} s, {most / 2**20:.0f} MiB", end=" ")
    assert [one.points for one in found] == [20] * STUDENTS
    assert 0 < most < 4 * 2**30
