"""Keeps what is graded as it comes: a class whose grading was stopped goes on where it was."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ddpm_course.grading.grades import Grade, Submission
from ddpm_course.grading.report import write_report

__all__ = ["Journal"]

NAME = ".unfinished.jsonl"


class Journal:
    """The notes of a grading that is under way, in the folder of its report.

    Args:
        out: the folder, made here: whether it can be written shows before anything is graded.
        terms: what the grades depend on, as plain JSON. With other terms nothing can go on.

    Attributes:
        seed: the one of the grading that goes on, or ``seed``.
        done: what was graded before, of notebooks that have not changed since.

    Raises:
        ValueError: the folder holds a report, or the beginning of another grading, or cannot be
            written.
    """

    def __init__(self, out: Path, seed: str, terms: Mapping[str, Any], given: bool = False) -> None:
        self.path, self.seed = out / NAME, seed
        self.done: dict[tuple[str, str], Submission] = {}
        self._lock = threading.Lock()
        terms = json.loads(json.dumps(terms))
        try:
            if out.exists() and not self.path.exists() and (not out.is_dir() or any(out.iterdir())):
                raise ValueError(f"{out} exists already; name a new folder for the report.")
            out.mkdir(parents=True, exist_ok=True)
            if self.path.exists():
                self._read(terms, seed if given else None)
            content = [{"seed": self.seed, "terms": terms}, *map(_record, self.done.values())]
            self._file = self.path.open("w", encoding="ascii")
            self._file.writelines(json.dumps(line) + "\n" for line in content)
            self._file.flush()
        except OSError as error:
            raise ValueError(
                f"{out} cannot hold the report ({error.strerror}); name a folder that can be "
                "written."
            ) from error

    def _read(self, terms: Any, seed: str | None) -> None:
        lines = self.path.read_text(encoding="ascii", errors="replace").splitlines()
        records = []
        for line in lines:
            try:
                records.append(json.loads(line))
            except ValueError:  # the last one, half written
                break
        if not records:
            return
        if records[0]["terms"] != terms or seed not in (None, records[0]["seed"]):
            raise ValueError(
                f"{self.path.parent} holds a grading that was stopped, of other notebooks or with "
                "other options; give the same ones to go on, or name a new folder for the report."
            )
        self.seed = records[0]["seed"]
        for record in records[1:]:
            path = Path(record["path"])
            if record["state"] == _state(path):
                grades = tuple(Grade(**grade) for grade in record["grades"])
                one = Submission(
                    record["student"],
                    record["chapter"],
                    path,
                    record["handed_in"],
                    grades,
                    record["problem"],
                    record["note"],
                    record["scores"],
                )
                self.done[one.student, one.chapter] = one

    def add(self, one: Submission) -> None:
        """Note one that is graded."""
        with self._lock:
            self._file.write(json.dumps(_record(one)) + "\n")
            self._file.flush()
            self.done[one.student, one.chapter] = one

    def finish(self, graded: Sequence[Submission], walls: Mapping[str, object]) -> None:
        """Write the report, and take the notes away."""
        write_report(graded, self.path.parent, self.seed, walls)
        self.path.unlink()

    def report_what_is_done(self) -> None:
        """Write the report of a grading that was stopped; the notes stay, so that it can go on."""
        done = sorted(self.done.values(), key=lambda one: one.student)
        if done:
            write_report(done, self.path.parent, self.seed)

    def close(self) -> None:
        """Stop writing; with nothing graded, take away what was made."""
        self._file.close()
        if not self.done:
            self.path.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # somebody's, or full
                self.path.parent.rmdir()


def _record(one: Submission) -> dict[str, Any]:
    return {**asdict(one), "path": str(one.path), "state": _state(one.path)}


def _state(path: Path) -> list[int] | None:
    """What tells whether a notebook is the one that was graded."""
    try:
        about = os.lstat(path)
    except OSError:
        return None
    return [about.st_size, about.st_mtime_ns]
