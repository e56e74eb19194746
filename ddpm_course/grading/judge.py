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
import os
import pickle
import queue
import re
import secrets
import stat
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ddpm_course.grading.answers import SAID, ask, plain
from ddpm_course.grading.sandbox import Limits, NoRoom, Reply, Room, has_bubblewrap
from ddpm_course.grading.slips import known
from ddpm_course.grading.task import Task
from ddpm_course.grading.tasks import CHAPTERS, find
from ddpm_course.grading.taught import is_taught
from ddpm_course.grading.verdict import Failure, Outcome, Question, Value, Verdict, judge
from ddpm_course.grading.worker import LONGEST_REPLY

__all__ = ["Grade", "Submission", "grade"]

LARGEST_NOTEBOOK = 20 * 2**20  # bytes; ours have less than one million, pictures included
MOST_CELLS = 1000


@dataclass(frozen=True)
class Grade:
    """What one task of one submission got, and the sentence that says why."""

    task: str
    title: str
    points: float
    max_points: float
    sentence: str
    lesson: str = ""

    @property
    def right(self) -> bool:
        return self.points == self.max_points


@dataclass(frozen=True)
class Submission:
    """One notebook of one student. ``problem`` says why it could not be read at all."""

    student: str
    chapter: str
    path: Path
    handed_in: bool
    grades: tuple[Grade, ...] = ()
    problem: str = ""

    @property
    def points(self) -> float:
        return sum(grade.points for grade in self.grades)

    @property
    def max_points(self) -> float:
        return sum(grade.max_points for grade in self.grades)


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
    def questions(self) -> list[Question]:
        return [Question(c.rtol, c.atol, c.along) for c in self.task.cases(self.seed)]

    @cached_property
    def cases(self) -> bytes:
        """What the room is asked: questions, without answers."""
        return pickle.dumps(self.task.cases(self.seed))

    @cached_property
    def expected(self) -> list[Outcome]:
        return ask(self.task, self.task.reference, self.seed)

    @cached_property
    def _mistakes(self) -> dict[int, list[Outcome]]:
        return {}

    def mistakes(self) -> Iterator[tuple[str, list[Outcome]]]:
        for number, mistake in enumerate(known(self.task, self.seed)):
            if number not in self._mistakes:
                self._mistakes[number] = ask(self.task, mistake.answer, self.seed)
            yield mistake.sentence, self._mistakes[number]

    def verdict(self, found: Sequence[Outcome]) -> Verdict:
        """The verdict on what came back. Whatever that is, it costs the judge nothing."""
        try:
            observed = [self._observed(outcome) for outcome in found]
            return judge(
                self.questions, self.expected, observed, self.mistakes(), self.task.outputs
            )
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


def read_paper(path: Path, chapter: str, secret: str) -> Paper:
    """The graded cells of a released notebook; a student's copy has no say in them.

    Raises:
        ValueError: the notebook is missing, or grades what is no task.
    """
    try:
        cells = json.loads(path.read_text(encoding="utf8"))["cells"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} is not a released notebook ({error}); make it with `ddpm-course release`, "
            "or name the folder of the exercises with --released."
        ) from error
    locked, graded = [], []
    for cell in cells:
        about = cell["metadata"].get("nbgrader", {})
        if cell["cell_type"] == "code" and about.get("locked"):
            locked.append("".join(cell["source"]).strip())
        if about.get("grade"):
            task = find(about["grade_id"].replace("-", ".", 1))
            seed = int.from_bytes(hashlib.sha256(f"{secret} {task.name}".encode()).digest()[:4])
            graded.append(Examined(task, about["points"], seed >> 2))
    return Paper(chapter, locked[0] if locked else "", frozenset(locked), tuple(graded))


# -- reading a submission ---------------------------------------------------------------------


def read_cells(path: Path, folder: Path) -> list[str]:
    """The code cells of a student's notebook.

    Raises:
        ValueError: it is not a notebook that can be graded; the sentence says why.
    """
    place = folder
    for part in path.relative_to(folder).parts:
        place /= part
        if place.is_symlink():
            raise ValueError("This is a link, not a file: hand in the notebook itself.")
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise ValueError(f"The notebook cannot be opened: {error.strerror}.") from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        raise ValueError("This is not a file: hand in the notebook itself.")
    with open(handle, "rb") as file:
        if about.st_size > LARGEST_NOTEBOOK:
            raise ValueError(
                f"The notebook has {about.st_size / 2**20:.0f} MB; at most "
                f"{LARGEST_NOTEBOOK / 2**20:.0f} are read. Clear its outputs and hand it in again."
            )
        content = file.read(LARGEST_NOTEBOOK + 1)
    try:
        cells = json.loads(content.decode("utf-8-sig"))["cells"]
        if len(cells) > MOST_CELLS:
            raise ValueError(f"The notebook has {len(cells)} cells; {MOST_CELLS} are read.")
        found = []
        for cell in cells:
            if cell["cell_type"] == "code":
                source = cell["source"]
                source = source if isinstance(source, str) else "".join(source)
                source.encode()  # half a surrogate pair is no text
                found.append(source)
        return found
    except UnicodeError:
        raise ValueError("The notebook is not UTF-8 text: save it in Jupyter again.") from None
    except (json.JSONDecodeError, RecursionError):
        raise ValueError(
            "The file is not a notebook (not JSON): save it in Jupyter again."
        ) from None
    except (KeyError, TypeError, AttributeError):
        raise ValueError(
            "The file is not a notebook of format 4: save it in Jupyter again."
        ) from None


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


def read_reply(content: bytes, count: int) -> list[Outcome] | str:
    """The outcomes in a room's reply; or the name of the taught function that was called.

    Raises:
        ValueError: this is not what a room says.
    """
    if len(content) > LONGEST_REPLY:
        raise ValueError("too long")
    try:
        reply = json.loads(content)
        if reply.get("stopped"):
            return [Failure(f"Your answer stopped with {str(reply['stopped'])[:40]}: ")] * count
        if reply["borrowed"]:
            return str(reply["borrowed"][0])
        outcomes = [_outcome(one) for one in reply["outcomes"]]
    except Exception as error:  # whatever it is, it is that one answer's, MemoryError too
        raise ValueError("this is no reply") from error
    if len(outcomes) != count:
        raise ValueError("not one for each question")
    return outcomes


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
    kind = getattr(builtins, match[1], None) if match else None
    if isinstance(kind, type) and issubclass(kind, BaseException):
        article = "an" if match and match[1][0] in "AEIOU" else "a"
        return (
            f"Your answer stopped with {article} {kind.__name__}. Restart the notebook and run its "
            "cells from the top: the check below the answer shows the same."
        )
    return UNREADABLE


# -- grading ----------------------------------------------------------------------------------


def grade(
    folder: Path,
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
) -> list[Submission]:
    """Grade ``folder/<student>/<chapter>/<chapter>.ipynb``, nbgrader's layout.

    A chapter counts for everyone; who has not handed it in gets nothing for it.

    Args:
        folder: the submissions; only read.
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

    Returns:
        One for each student and chapter, in the order of their names.

    Raises:
        ValueError: there is nothing to grade, or no way to.
    """
    if not folder.is_dir():
        raise ValueError(
            f"{folder} is not a folder; give the one that holds the students' folders."
        )
    students = sorted(
        path.name
        for path in folder.iterdir()
        if (path.is_dir() or path.is_symlink()) and not path.name.startswith(".")
    )
    paths = {
        (student, chapter): folder / student / chapter / f"{chapter}.ipynb"
        for student in students
        for chapter in CHAPTERS
    }
    handed_in = [c for c in CHAPTERS if any(os.path.lexists(paths[s, c]) for s in students)]
    if not (handed_in or chapters):
        raise ValueError(
            f"{folder} holds no submission; one is {folder}/STUDENT/marginal/marginal.ipynb."
        )
    chapters = [c for c in CHAPTERS if c in chapters] or handed_in
    secret = seed or secrets.token_hex(16)
    papers = {c: read_paper(released / c / f"{c}.ipynb", c, secret) for c in chapters}
    walls = has_bubblewrap() if walls is None else walls
    part, parts = shard
    wanted = [(student, chapter) for student in students[part - 1 :: parts] for chapter in chapters]
    jobs = max(1, min(jobs or _processors(), len(wanted)))
    hide = [folder, released, *hide]
    with Rooms(jobs, limits or Limits(), hide, walls) as rooms:

        def one(student: str, chapter: str) -> Submission:
            path, paper = paths[student, chapter], papers[chapter]
            try:
                cells = read_cells(path, folder) if os.path.lexists(path) else None
            except ValueError as error:
                return _nothing(student, paper, path, str(error))
            if cells is None:
                return _nothing(student, paper, path, "Not handed in.", handed_in=False)
            own = [cell for cell in cells if cell.strip() not in paper.locked]
            with rooms.free() as room:
                room.begin()
                grades = tuple(_grade_one(room, paper, examined, own) for examined in paper.graded)
            return Submission(student, chapter, path, True, grades)

        def safely(student: str, chapter: str) -> Submission:
            try:
                return one(student, chapter)
            except NoRoom:
                raise
            except Exception as error:  # one student's notebook must not end the class's grading
                problem = f"The grader could not deal with this notebook ({type(error).__name__})."
                return _nothing(student, papers[chapter], paths[student, chapter], problem)

        return _in_parallel(safely, wanted, rooms, dict(done or {}), note, progress)


def _processors() -> int:
    """How many this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # no Linux
        return os.cpu_count() or 1


def _in_parallel(
    one: Callable[[str, str], Submission],
    wanted: Sequence[tuple[str, str]],
    rooms: Rooms,
    done: dict[tuple[str, str], Submission],
    note: Callable[[Submission], None] | None,
    progress: bool,
) -> list[Submission]:
    from tqdm.auto import tqdm

    with ThreadPoolExecutor(len(rooms)) as pool:
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
            rooms.stop()
            raise
    return [done[names] for names in wanted]


class Rooms:
    """As many rooms as jobs, each used by one submission at a time."""

    def __init__(self, jobs: int, limits: Limits, hide: Sequence[Path], walls: bool) -> None:
        self._all = [Room(limits, number, hide, walls) for number in range(jobs)]
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


_ASKING = threading.Lock()  # the references draw from torch's one global random state


def _grade_one(room: Room, paper: Paper, examined: Examined, cells: Sequence[str]) -> Grade:
    """The grade of one task: first from the cells that the answer needs, by themselves; if that is
    not right, from all the cells in order."""
    verdict = _hear(room, paper, examined, cells, alone=True)
    if not verdict.right and not verdict.sentence.startswith("Not answered yet:"):
        second = _hear(room, paper, examined, cells, alone=False)
        if second.right or (second.mistake is not None and verdict.mistake is None):
            verdict = second
    task = examined.task
    if verdict.right:
        return Grade(task.name, task.title, examined.points, examined.points, "", task.lesson)
    return Grade(task.name, task.title, 0, examined.points, verdict.sentence)


def _hear(
    room: Room, paper: Paper, examined: Examined, cells: Sequence[str], alone: bool
) -> Verdict:
    task = examined.task
    with _ASKING:
        cases, questions = examined.cases, examined.questions
    request = {
        "setup": paper.setup,
        "cells": list(cells),
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
        return Verdict(False, _why(reply, seconds))
    try:
        found = read_reply(reply.content, len(questions))
    except ValueError:
        return Verdict(False, UNREADABLE)
    if isinstance(found, str):
        return Verdict(False, BORROWED.format(name=f"`{found}`" if is_taught(found) else "a part"))
    with _ASKING:
        verdict = examined.verdict(found)
    told = {outcome.sentence for outcome in found if isinstance(outcome, Failure)}
    if verdict.sentence in told:
        return Verdict(False, public(verdict.sentence, task))
    return verdict


def _why(reply: Reply, seconds: int) -> str:
    if reply.ended == "late":
        return f"Your answer took more than {seconds} seconds: is there an endless loop?"
    return (
        "Your answer stopped Python itself, or took too much memory: no result came back from it."
    )
