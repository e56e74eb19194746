"""Grades a folder of submissions. The judge holds the right answers and the points, and never runs,
unpickles or evaluates anything of a student: it reads notebooks as text, sends cells and questions
to a room (``sandbox``), and compares the plain arrays that come back.
"""

from __future__ import annotations

import base64
import builtins
import contextlib
import hashlib
import json
import math
import os
import pickle
import queue
import re
import secrets
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ddpm_course.grading.answers import SAID, Bench, plain
from ddpm_course.grading.grades import Grade, Submission
from ddpm_course.grading.handed_in import (
    LARGEST_NOTEBOOK,
    HandedIn,
    Place,
    collect,
    listed,
    locate,
    locate_project,
    read_beside,
    read_cells,
    read_project,
    read_texts,
)
from ddpm_course.grading.project import OWN_DATA, marks, nothing, read_scores, remark
from ddpm_course.grading.sandbox import Limits, NoRoom, Reply, Room, has_bubblewrap
from ddpm_course.grading.task import Task
from ddpm_course.grading.tasks import CHAPTERS, find
from ddpm_course.grading.taught import is_taught
from ddpm_course.grading.verdict import Failure, Outcome, Question, Value, Verdict
from ddpm_course.grading.worker import LONGEST_REPLY

__all__ = ["Grade", "Submission", "grade"]

PROJECT = "project"  # beside the chapters
MEASURING = Limits(120, 2048)  # for one project
MOST_CHECKS = 3  # of one task, at which its answer is heard again


# -- what the released notebooks ask ----------------------------------------------------------


@dataclass
class Examined:
    """A graded cell of a released notebook: its task, its points, and the questions of today.

    Everything is worked out once, and then is the same for every student.
    """

    task: Task
    points: float
    seed: int
    lock: threading.Lock = field(default_factory=threading.Lock)

    @cached_property
    def bench(self) -> Bench:
        return Bench(self.task, self.seed)

    @cached_property
    def cases(self) -> bytes:
        """What the room is asked: questions, without answers."""
        return pickle.dumps(self.task.cases(self.seed))

    @property
    def questions(self) -> list[Question]:
        return self.bench.questions

    @property
    def expected(self) -> list[Outcome]:
        return self.bench.expected

    def verdict(self, found: Heard) -> Verdict:
        """The verdict on what came back. Whatever that is, it costs the judge nothing."""
        if len(found.outcomes) != len(self.questions):  # what was never answered is not right
            return Verdict(False, UNREADABLE)
        try:
            return self.bench.judge([self._observed(outcome) for outcome in found.outcomes])
        except Exception:  # arrays so odd that they cannot be compared
            return Verdict(False, UNREADABLE)

    def _observed(self, outcome: Outcome) -> Outcome:
        if self.task.observe is None or isinstance(outcome, Failure):
            return outcome
        if len(outcome) != 1:
            return Failure(UNREADABLE)
        array = outcome[0].array
        try:
            return plain(self.task.observe(array.item() if array.ndim == 0 else array))
        except Exception:  # its sentence would be about the hidden questions
            return Failure(ODD)


@dataclass(frozen=True)
class Paper:
    """A released notebook: what is asked in it, and the cells that are not the student's."""

    chapter: str
    setup: str
    locked: frozenset[str]
    graded: tuple[Examined, ...]
    by_hand: tuple[str, ...] = ()  # graded cells that are none of ours
    prompts: Mapping[str, str] = field(default_factory=dict)  # of each task, on one line


def read_paper(path: Path, chapter: str, secret: str) -> Paper:
    """The graded cells of a released notebook; a student's copy has no say in them.

    Raises:
        ValueError: the notebook is missing, or grades what is no task.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf-8-sig"))["cells"]
        about = [dict(cell.get("metadata", {}).get("nbgrader", {})) for cell in cells]
        sources = ["".join(cell["source"]).strip() for cell in cells]
        kinds = [cell["cell_type"] for cell in cells]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path} is not a released notebook ({error}); make it with `ddpm-course release`, "
            "or name the folder of the exercises with --released."
        ) from error
    locked, graded, by_hand = [], [], []
    for one, source, kind in zip(about, sources, kinds, strict=True):
        if kind == "code" and one.get("locked"):
            locked.append(source)
        if not one.get("grade"):
            continue
        name = str(one.get("grade_id", ""))
        # What is graded by hand, and a teacher's own tests, are the teacher's.
        if one.get("solution") or name.partition("-")[0] not in CHAPTERS:
            by_hand.append(name)
            continue
        try:
            task, points = find(name.replace("-", ".", 1)), one.get("points")
        except ValueError as error:
            raise ValueError(f"{path}, cell {name}: {error}") from error
        if not (type(points) in (int, float) and 0 <= float(points or 0) < math.inf):
            raise ValueError(
                f"{path}, cell {name}: its points are {points!r}; give a number, 0 or more."
            )
        seed = int.from_bytes(hashlib.sha256(f"{secret} {task.name}".encode()).digest()[:4])
        graded.append(Examined(task, points or 0, seed >> 2))
    setup = locked[0] if locked else ""
    prompts = {
        str(one.get("grade_id")): " ".join(source.split())
        for one, source in zip(about, sources, strict=True)
        if str(one.get("grade_id")).endswith("-prompt")
    }
    return Paper(chapter, setup, frozenset(locked), tuple(graded), tuple(by_hand), prompts)


# -- what comes back --------------------------------------------------------------------------

UNREADABLE = "Your answer gave nothing that can be compared: return numbers, arrays or text."
ODD = (
    "What your answer gave is not of the kind that was asked for: read the task's last lines again."
)
BORROWED = (
    "This calls {name} of the course's package in place of an answer: write it yourself. "
    "(`Schedule` and `data` may be used where they are not what is asked for.)"
)
_NUMBERS = {"|b1", "|i1", "|u1"} | {f"<{kind}{size}" for kind in "iu" for size in (2, 4, 8)}
_NUMBERS |= {"<f2", "<f4", "<f8", "<c8", "<c16"}
_DEVICES = {"cpu", "cuda", "mps", "xpu", "meta"}
MOST_TEXT = 1 << 20  # characters, where every word takes as many as the longest one


@dataclass(frozen=True)
class Heard:
    """What a room's reply says, read with care.

    Attributes:
        outcomes: one for each question.
        borrowed: the taught function that was called, or "".
        before: one that was called in a cell, which went on without it.
        seen: an error of the student's code.
        undefined: that error stopped the cell before the answer was defined.
    """

    outcomes: list[Outcome]
    borrowed: str = ""
    seen: Seen | None = None
    undefined: bool = False
    before: str = ""


@dataclass(frozen=True)
class Seen:
    """The kind of an error, from our own list, and numbers: which cell and line, which sizes."""

    kind: str
    cell: int
    line: int
    sizes: tuple[int, ...]


def read_reply(content: bytes, count: int) -> Heard:
    """What a room's reply says.

    Raises:
        ValueError: this is not what a room says.
    """
    if len(content) > LONGEST_REPLY:
        raise ValueError("too long")
    try:
        reply = json.loads(content)
        if reply.get("undefined"):
            stopped = _seen(reply["undefined"])
            blank: Outcome = Failure("Not answered yet.", blank=True)
            return Heard([blank] * count, "", stopped, True, _called(reply["before"]))
        seen = _seen(reply["seen"]) if reply.get("seen") else None
        if reply.get("stopped"):
            kind = str(reply["stopped"])[:40]
            return Heard([Failure(f"Your answer stopped with {kind}: ")] * count, "", seen)
        outcomes = [_outcome(one) for one in reply["outcomes"]]
        borrowed, before = _called(reply["borrowed"]), _called(reply["before"])
    except Exception as error:  # whatever it is, it is that one answer's, MemoryError too
        raise ValueError("this is no reply") from error
    if len(outcomes) != count and not borrowed:
        raise ValueError("not one for each question")
    return Heard(outcomes, borrowed, seen, before=before)


def _called(names: Any) -> str:
    """The first of some names; the other ones are not needed."""
    return str(names[0])[:200] if names else ""


def _seen(one: Any) -> Seen:
    numbers = [one["cell"], one["line"], *one["sizes"]]
    if len(numbers) > 5 or not all(type(n) is int and -1 <= n < 10**6 for n in numbers):
        raise ValueError("odd numbers")
    return Seen(_kind(one["kind"]), one["cell"], one["line"], tuple(one["sizes"]))


# Errors of libraries that have their names on a page; of Python's own, all have.
_ERRORS = {
    *("AxisError", "LinAlgError", "SympifyError", "OutOfMemoryError", "JSONDecodeError"),
    *("BackendCompilerFailed", "UFuncTypeError", "NetworkXError", "NodeNotFound", "UsageError"),
    *("ValidationError", "PolynomialError", "ShapeError", "NonSquareMatrixError", "Empty"),
    *("EinopsError", "InvalidOperation", "TimeoutExpired", "CalledProcessError", "UnpicklingError"),
}


def _kind(name: Any) -> str:
    """The name of a kind of error, or "" where it is none that we know: it could spell anything."""
    known = getattr(builtins, name, None) if type(name) is str else None
    python = isinstance(known, type) and issubclass(known, BaseException)
    return str(name) if python or name in _ERRORS else ""


def _outcome(one: Any) -> Outcome:
    if "failure" in one:
        return Failure(str(one["failure"])[:500], one["blank"] is True)
    return tuple(_part(part) for part in one["parts"])


def _part(part: Any) -> Value:
    shape = part["shape"]
    if len(shape) > 16 or not all(type(size) is int and 0 <= size < 2**31 for size in shape):
        raise ValueError(f"a shape of {shape!r:.80}")
    device = part["device"]
    if device not in _DEVICES:
        raise ValueError("no device that we know")
    if "text" in part:
        text = part["text"]
        if not all(type(word) is str and len(word) < 200 for word in text):
            raise ValueError("text that is too long, or none")
        if len(text) * max(map(len, text), default=0) > MOST_TEXT:
            raise ValueError("too much text")
        return Value(np.array(text, dtype=str).reshape(shape), device)
    if part["dtype"] not in _NUMBERS:
        raise ValueError(f"numbers of kind {part['dtype']!r:.80}")
    numbers = np.frombuffer(base64.b64decode(part["data"], validate=True), part["dtype"])
    return Value(numbers.reshape(shape).copy(), device)


# What a failure may say on a feedback page: nothing that a student's code has put together, for
# that could spell out a hidden question.
_FIXED = {
    *SAID,
    ODD,
    "Not answered yet.",
    "Not answered yet: replace `raise NotImplementedError()`.",
    "The function returns nothing: is a `return` missing?",
    UNREADABLE,
}


def public(sentence: str, task: Task) -> str:
    """The sentence of a failure as a student may read it."""
    if sentence in _FIXED:
        return sentence
    if sentence.endswith("; define a function."):
        return f"`{task.answer_name}` is not a function: define one."
    if sentence.startswith("The expression contains"):
        return "The expression contains other symbols: use the arguments alone."
    match = re.match(r"Your answer stopped with (\w+)", sentence)
    return f"Your answer stopped with {_named(_kind(match[1]))}." if match else UNREADABLE


def _named(kind: str) -> str:
    return f"{'an' if kind[:1] in 'AEIOU' else 'a'} {kind}" if kind else "an error of its own kind"


def told(seen: Seen, cells: Sequence[str], name: str, undefined: bool) -> str:
    """The sentence for an error: where it was, and what it may mean."""
    what = _named(seen.kind)
    where = ""
    if 0 <= seen.cell < len(cells):
        lines = cells[seen.cell].splitlines()
        line = lines[seen.line - 1].strip() if 0 < seen.line <= len(lines) else ""
        where = f" in line {seen.line}" if line else ""
        if re.fullmatch(r"(import|from) [\w., ]{1,60}", line):  # no text put together on purpose
            where += f", `{line}`"
    if undefined:
        sentence = f"The cell of `{name}` stopped with {what}{where}, so that it is not defined."
    else:
        sentence = f"Your answer stopped with {what}{where}."
    if seen.kind in ("ModuleNotFoundError", "ImportError"):
        sentence += " What it imports is not there where the work is graded."
    elif seen.kind == "NameError":
        sentence += " A name that it uses is defined in no cell that ran before it."
    elif seen.kind == "EOFError":
        sentence += " Nobody types anything while the work is graded."
    elif seen.kind in ("BlockingIOError", "FileNotFoundError"):
        sentence += " Work is graded in one process, without threads, and only files beside it."
    elif len(seen.sizes) == 3:
        a, b, axis = seen.sizes
        sentence += (
            f" Size {a} met size {b} along axis {axis}: a number for each image goes over the "
            "whole image only with axes of length 1 behind it, as in `[:, None, None, None]`."
        )
    return sentence


# -- grading ----------------------------------------------------------------------------------


def grade(
    folder: Path | Mapping[str, HandedIn],
    released: Path = Path("exercises"),
    jobs: int = 0,
    limits: Limits | None = None,
    seed: str = "",
    chapters: Sequence[str] = (),
    shard: tuple[int, int] = (1, 1),
    hide: Sequence[Path] = (),
    walls: bool | None = None,
    progress: bool = False,
    done: Mapping[tuple[str, str], Submission] | None = None,
    note: Callable[[Submission], None] | None = None,
    tell: Callable[[str], None] | None = None,
    largest: int = LARGEST_NOTEBOOK,
    unpacked: Path | None = None,
    sets: Mapping[str, bytes] | None = None,
) -> list[Submission]:
    """Grade ``folder/<student>/<chapter>/<chapter>.ipynb``, nbgrader's layout, or a download of a
    learning platform.

    A chapter counts for everyone; who has not handed it in gets nothing for it.

    Args:
        folder: the submissions, or a zip of them, or what each student handed in; only read.
        released: the notebooks as they were given out: what is graded, and for how many points.
        jobs: answers worked out at the same time (default: one a processor).
        limits: for each answer.
        seed: the questions follow from it (default: secret ones, new each time).
        chapters: what counts (default: all that anyone handed in).
        shard: (k, n): grade the k-th of n parts of the class, and nobody else.
        hide: more folders that students' code must not see.
        walls: whether to use bubblewrap (default: where it works).
        progress: show a bar.
        done: what was graded before, by student and chapter; it is not graded again.
        note: called with each submission when it is graded.
        tell: called with what the instructor should know before it starts.
        largest: MiB of a notebook; a larger one is not read.
        sets: .npy files that projects are compared with: "held back", and "training".
        unpacked: a new folder for what is in zips (default: a temporary one).

    Returns:
        One for each student and chapter, in the order of their names.

    Raises:
        ValueError: there is nothing to grade, or no way to.
    """
    with contextlib.ExitStack() as stack:
        if unpacked is None:
            unpacked = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ddpm-class-")))
        theirs = collect(folder, unpacked, tell) if isinstance(folder, Path) else dict(folder)
        students = list(theirs)
        places = {s: locate(one.roots, one.told) for s, one in theirs.items()}
        for student in students:
            places[student][PROJECT] = locate_project(theirs[student].roots)
        counted = (*CHAPTERS, PROJECT)
        handed_in = [c for c in counted if any(places[s][c].found for s in students)]
        if not (handed_in or chapters):
            raise ValueError(
                f"{folder} holds no submission; one is {folder}/STUDENT/marginal/marginal.ipynb."
            )
        chapters = [c for c in counted if c in chapters] or handed_in
        secret = seed or secrets.token_hex(16)
        papers = {
            c: read_paper(released / c / f"{c}.ipynb", c, secret) for c in chapters if c != PROJECT
        }
        for c, paper in papers.items():
            if not paper.graded:
                raise ValueError(f"{released / c / c}.ipynb grades no task.")
            if paper.by_hand and tell is not None:
                names = listed(paper.by_hand)
                tell(f"{c}: {names} is yours to grade; the other tasks are graded here.")
        walls = has_bubblewrap() if walls is None else walls
        part, parts = shard
        wanted = [
            (student, chapter) for student in students[part - 1 :: parts] for chapter in chapters
        ]
        jobs = max(1, min(jobs or _processors(), len(wanted)))
        roots = [root for one in theirs.values() for root in one.roots]
        places_of_all = [folder] if isinstance(folder, Path) else roots
        hide = [*places_of_all, released, unpacked, *hide]
        limits = limits or Limits()
        with (
            Rooms([Room(limits, n, hide, walls) for n in range(jobs)]) as rooms,
            Rooms([Room(MEASURING, n, hide, walls, measures=True) for n in range(jobs)]) as benches,
        ):

            def one(student: str, chapter: str) -> Submission:
                place = places[student][chapter]
                if chapter == PROJECT:
                    with benches.free() as room:
                        return _grade_project(room, student, place, sets or {})
                paper, path = papers[chapter], place.path
                if place.problem:
                    return _nothing(student, paper, path, place.problem, handed_in=place.found)
                try:
                    cells = read_cells(path, place.root, largest)
                except ValueError as error:
                    return _nothing(student, paper, path, str(error))
                files = read_beside(path)
                with rooms.free() as room:
                    room.begin()
                    grades = tuple(
                        _grade_one(room, paper, examined, cells, files) for examined in paper.graded
                    )
                texts = read_texts(path, place.root, largest)
                grades = tuple(of_release(grade, paper, texts) for grade in grades)
                return Submission(student, chapter, path, True, grades, note=place.note)

            def safely(student: str, chapter: str) -> Submission:
                try:
                    return one(student, chapter)
                except NoRoom:
                    raise
                except Exception as error:  # one notebook must not end the class's grading
                    kind, place = type(error).__name__, places[student][chapter]
                    what = PROJECT if chapter == PROJECT else "notebook"
                    problem = f"The grader could not deal with this {what} ({kind})."
                    if chapter == PROJECT:
                        return _no_project(student, place, problem)
                    return _nothing(student, papers[chapter], place.path, problem)

            many = [rooms, benches]
            return _in_parallel(safely, wanted, many, dict(done or {}), note, progress)


def _processors() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # no Linux
        return os.cpu_count() or 1


def _in_parallel(
    one: Callable[[str, str], Submission],
    wanted: Sequence[tuple[str, str]],
    rooms: Sequence[Rooms],
    done: dict[tuple[str, str], Submission],
    note: Callable[[Submission], None] | None,
    progress: bool,
) -> list[Submission]:
    from tqdm.auto import tqdm

    with ThreadPoolExecutor(len(rooms[0])) as pool:
        todo = {pool.submit(one, *names): names for names in wanted if names not in done}
        try:
            with tqdm(
                total=len(wanted),
                initial=len(wanted) - len(todo),
                desc="grading",
                unit="notebook",
                disable=not progress,
            ) as bar:
                for future in as_completed(todo):
                    done[todo[future]] = future.result()
                    if note is not None:
                        note(future.result())
                    bar.update()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for some in rooms:
                some.stop()
            raise
    return [done[names] for names in wanted]


class Rooms:
    """As many rooms as jobs, each used by one submission at a time; none opens before that."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        self._all = rooms
        self._free: queue.SimpleQueue[Room] = queue.SimpleQueue()

    def __len__(self) -> int:
        return len(self._all)

    def stop(self) -> None:
        for room in self._all:
            room.stop()

    def __enter__(self) -> Rooms:
        for room in self._all:
            self._free.put(room)
        return self

    def __exit__(self, *error: object) -> None:
        for room in self._all:
            room.close()

    @contextlib.contextmanager
    def free(self) -> Iterator[Room]:
        room = self._free.get()
        try:
            yield room
        finally:
            self._free.put(room)


def _nothing(
    student: str, paper: Paper, path: Path, problem: str, handed_in: bool = True
) -> Submission:
    grades = tuple(Grade(e.task.name, e.task.title, 0, e.points, problem) for e in paper.graded)
    return Submission(student, paper.chapter, path, handed_in, grades, problem)


def _grade_project(room: Room, student: str, place: Place, sets: Mapping[str, bytes]) -> Submission:
    """The grades of a project: measured in a room, so that a file can harm no other student."""
    if not place.found:
        return _no_project(student, place, place.problem)
    files, missing = read_project(place)
    if sets:
        files.pop(OWN_DATA, None)
    room.begin()
    reply = room.ask({"project": files, "sets": dict(sets)})
    if reply.ended != "well":
        return _no_project(student, place, "The project took too much time or memory to measure.")
    try:
        scores = read_scores(reply.content)
        grades = marks(scores, missing)
    except ValueError:
        return _no_project(student, place, "The project's files could not be measured.")
    told = [place.note, remark(scores, missing, OWN_DATA in files)]
    note = " ".join(filter(None, told))
    return Submission(student, PROJECT, place.path, True, grades, note=note, scores=scores.numbers)


def _no_project(student: str, place: Place, problem: str) -> Submission:
    return Submission(student, PROJECT, place.path, place.found, nothing(problem), problem)


_LACKS = (
    "This task is not in your notebook: it may be of an earlier release, or its cells were "
    "deleted. Get the notebook that is graded, and put your answers there."
)
_CHANGED = (
    "(The text of this task is not the one that is graded: your notebook may be of an earlier "
    "release.)"
)


def of_release(grade: Grade, paper: Paper, texts: Mapping[str, str]) -> Grade:
    """The grade, and where its task reads otherwise in the student's notebook than in the one that
    is graded, or is not in it, a word about that.

    Args:
        texts: the notebook's cells, by nbgrader's names.
    """
    if grade.right or not set(paper.prompts) & set(texts):  # whose names were taken off
        return grade
    name = grade.task.replace(".", "-", 1)
    if not any(one == name or one.startswith(f"{name}-") for one in texts):
        return replace(grade, sentence=_LACKS)
    asked = paper.prompts.get(f"{name}-prompt")
    if asked and texts.get(f"{name}-prompt", asked) != asked:
        return replace(grade, sentence=f"{grade.sentence} {_CHANGED}".strip())
    return grade


_ASKING = threading.Lock()  # the references draw from torch's one global random state


def _grade_one(
    room: Room,
    paper: Paper,
    examined: Examined,
    cells: Sequence[str],
    files: Mapping[str, bytes] | None = None,
) -> Grade:
    """The grade of one task: first from the cells that the answer needs, by themselves; if that is
    not right, as the notebook's reader met it, from all cells up to a check of the task; and last
    from all the student's cells in order."""
    own = [cell for cell in cells if cell.strip() not in paper.locked]
    check = re.compile(rf"\bcheck\(\s*[\"']{re.escape(examined.task.name)}[\"']")
    checks = [number for number, cell in enumerate(cells) if check.search(cell)]
    setups = [number for number, cell in enumerate(cells) if cell.strip() == paper.setup.strip()]
    in_order = [
        [cell for n, cell in enumerate(cells[: number + 1]) if n not in setups]
        for number in checks[-MOST_CHECKS:]
    ]

    def hear(some: Sequence[str], alone: bool) -> Verdict:
        return _hear(room, paper, examined, some, alone, files)

    if callable(examined.task.reference):
        verdict = hear(own, True)
        # A blank is heard again where a check was given something else.
        given = "".join(cells[number] for number in checks)
        usual = re.sub(rf"{check.pattern}\s*,\s*{examined.task.answer_name}\s*\)", "", given)
        blank = verdict.sentence.startswith("Not answered yet: ") and not check.search(usual)
        if not verdict.right and not blank:
            for some in (*in_order, own):
                other = hear(some, False)
                if other.right or (other.mistake is not None and verdict.mistake is None):
                    verdict = other
                if verdict.right:
                    break
    elif _is_plain(own, examined.task.answer_name):
        verdict = hear(own, True)
    else:
        # A letter can be guessed: what its last check saw counts, and no other cell's value.
        verdict = hear((in_order or [own])[-1], False)
        if verdict.blank:
            verdict = hear(own, True)
    task = examined.task
    if verdict.right:
        return Grade(task.name, task.title, examined.points, examined.points, "", task.lesson)
    return Grade(task.name, task.title, 0, examined.points, verdict.sentence)


def _is_plain(cells: Sequence[str], name: str) -> bool:
    """Whether one cell alone names a value, and only to set it to a number, a text or None."""
    value = rf"(?m)^{name} *= *(None|\d+(\.\d+)?|'[^'\n]*'|\"[^\"\n]*\")[ \t]*(#.*)?$"
    told = [cell for cell in cells if re.search(rf"\b{name}\b", cell)]
    return len(told) == 1 and len(re.findall(rf"\b{name}\b", told[0])) == len(
        re.findall(value, told[0])
    )


def _hear(
    room: Room,
    paper: Paper,
    examined: Examined,
    cells: Sequence[str],
    alone: bool,
    files: Mapping[str, bytes] | None = None,
) -> Verdict:
    task = examined.task
    with _ASKING:
        cases, questions = examined.cases, examined.questions
    request = {
        "setup": paper.setup,
        "cells": list(cells),
        "files": dict(files or {}),
        "alone": alone,
        "task": task.name,
        "answer": task.answer_name,
        "function": callable(task.reference),
        "cases": cases,
        "seed": examined.seed,
    }
    seconds = room.allowance
    reply = room.ask(request)
    if reply.ended == "badly" and room.chances:
        # What came before it in the same room may have been to blame, or a machine that was short
        # of memory.
        room.chances -= 1
        room.close()
        reply = room.ask(request)
    if reply.ended != "well" or not reply.content:
        return Verdict(False, _why(reply, seconds), blank=True)
    try:
        found = read_reply(reply.content, len(questions))
    except ValueError:
        return Verdict(False, UNREADABLE)
    name = found.borrowed
    if found.seen and found.seen.kind == "NameError":  # of what a cell went on without, or at once
        name = name or found.before
    if name:
        return Verdict(False, BORROWED.format(name=f"`{name}`" if is_taught(name) else "a part"))
    if found.undefined and found.seen:
        return Verdict(False, told(found.seen, cells, task.answer_name, undefined=True), blank=True)
    with _ASKING:
        verdict = examined.verdict(found)
    failed = {outcome.sentence for outcome in found.outcomes if isinstance(outcome, Failure)}
    if verdict.sentence not in failed:
        return verdict
    if found.seen and verdict.sentence.startswith("Your answer stopped with "):
        return Verdict(False, told(found.seen, cells, task.answer_name, undefined=False))
    return Verdict(False, public(verdict.sentence, task), blank=verdict.blank)


def _why(reply: Reply, seconds: int) -> str:
    if reply.ended == "late":
        return f"Your answer took more than {seconds} seconds: is there an endless loop?"
    return (
        "Your answer stopped Python itself, or took too much memory: no result came back from it."
    )
