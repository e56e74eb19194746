"""Grading a class: submissions a minute, and the memory held.

    python benchmarks/grading.py                              # some 200 submissions, two at a time
    python benchmarks/grading.py --students 2 --jobs 1        # does it run?

A third of the students hand in what is right, a third the blank notebooks, and a third notebooks in
which every other answer is wrong: it is asked twice, and compared with every known mistake. Each
hands in all chapters. No peer does the same: nbgrader runs a submission without a sandbox.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from report import write

from ddpm_course.grading import judge
from ddpm_course.grading.judge import grade
from ddpm_course.grading.sandbox import Room, has_bubblewrap
from ddpm_course.grading.tasks import CHAPTERS
from ddpm_course.grading.tasks import chapter as tasks

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "grading"))

from memory import watched  # noqa: E402 # found by the line above
from submissions import RELEASED, Notebook, cell_of, hand_in, solved  # noqa: E402 # so is this


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--students", type=int, default=17)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    rooms: list[Room] = []

    class Counted(Room):
        """A room that is remembered, with the processor time that it took."""

        def begin(self) -> None:
            if self not in rooms:
                rooms.append(self)
            super().begin()

    judge.Room = Counted  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(options.students):
            for chapter in CHAPTERS:
                nb = (solved, blank, half_wrong)[number % 3](chapter)
                hand_in(folder, f"student {number:03}", chapter, nb)
        start, work = time.perf_counter(), time.process_time()
        with watched() as most:
            found = grade(folder, RELEASED, jobs=options.jobs, progress=True)
        seconds = time.perf_counter() - start
        # On a busy machine the clock says little: the work that two processors would share.
        processor = time.process_time() - work + sum(room.processor for room in rooms)
    figures = {
        **vars(options),
        "submissions": len(found),
        "answers": sum(len(one.grades) for one in found),
        "bubblewrap": has_bubblewrap(),
        "seconds": seconds,
        "submissions_per_minute": 60 * len(found) / seconds,
        "processor_seconds": processor,
        "submissions_per_minute_on_two_processors": 120 * len(found) / processor,
        "memory_mib": most.bytes / 2**20,
    }
    write("grading", torch.device("cpu"), figures)


def blank(chapter: str) -> Notebook:
    path = RELEASED / chapter / f"{chapter}.ipynb"
    nb: Notebook = json.loads(path.read_text(encoding="utf8"))
    return nb


def half_wrong(chapter: str) -> Notebook:
    nb = solved(chapter)
    for task in tasks(chapter).tasks[::2]:
        name = task.answer_name
        wrong = (
            f"def {name}(*args):\n    return 0.5" if callable(task.reference) else f"{name} = 0.5"
        )
        cell_of(nb, f"{task.name.replace('.', '-')}-answer")["source"] = wrong
    return nb


if __name__ == "__main__":
    main()
