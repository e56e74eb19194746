"""Rooms: nothing is waited for without an end, and no end of a wait is a student's fault."""

import ctypes
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ddpm_course.grading import sandbox, worker
from ddpm_course.grading.sandbox import Limits, NoRoom, Reply, Room

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="forks, and the counts of Linux")
SLEEPS = "import time; time.sleep(600)"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENING", "BESIDES", "FIRST_LOOK", "PAUSE"):
        monkeypatch.setattr(sandbox, name, 0.05)
    monkeypatch.setattr(sandbox, "patience", lambda seconds: 0.05)


def program(source: str) -> Callable[[Room], subprocess.Popen[bytes]]:
    """In place of a room's own."""

    def started(room: Room) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", source],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=room._log,
        )
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
        return process

    return started


@needs_linux
@pytest.mark.parametrize(
    ("source", "told"),
    [
        (SLEEPS, "nothing was heard of it"),
        ("raise SystemExit('no space for it')", "no space for it"),
        ("raise SystemExit(3)", "ended with 3 and said nothing"),
        ('print(\'{"ready": "badly", "size": 0}\')', "may not read Python's libraries"),
        ('print(\'{"ready": "late", "size": 0}\')', "nothing was heard of it"),
    ],
)
def test_a_room_that_does_not_open_is_tried_again_and_then_told(
    source: str, told: str, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    if source is not SLEEPS:  # it says something: there is time for that
        monkeypatch.setattr(sandbox, "OPENING", 60.0)
    opened: list[subprocess.Popen[bytes]] = []
    start = program(source)

    def started(room: Room) -> subprocess.Popen[bytes]:
        opened.append(start(room))
        return opened[-1]

    monkeypatch.setattr(Room, "_started", started)
    room = Room(Limits(), 0, [], walls=False)
    with pytest.raises(NoRoom, match=told):
        room.ask({})
    assert len(opened) == sandbox.TRIES
    assert all(process.poll() is not None for process in opened)  # none is left
    assert not Path(room._scratch).exists()


@needs_linux
def test_a_room_that_opens_at_the_second_try_is_open(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    monkeypatch.setattr(sandbox, "OPENING", 60.0)
    ready = 'print(\'{"ready": "well", "size": 0}\', flush=True); ' + SLEEPS
    sources = iter(["raise SystemExit(1)", ready])
    monkeypatch.setattr(Room, "_started", lambda room: program(next(sources))(room))
    room = Room(Limits(), 0, [], walls=False)
    room._open()
    assert room._process is not None
    assert room._process.poll() is None
    room.close()


@needs_linux
def test_a_silent_room_is_left_for_a_new_one_and_a_stopped_one_is_not(
    monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    opened = []

    def open_(room: Room) -> None:
        room._log, room._scratch = open(os.devnull, "rb"), "/nowhere"  # noqa: SIM115 # the room closes it
        room._process = program(SLEEPS)(room)
        opened.append(room._process)

    monkeypatch.setattr(Room, "_open", open_)
    room = Room(Limits(), 0, [], walls=False)
    start = time.monotonic()
    assert room.ask({}) == Reply("late")
    assert time.monotonic() - start < 60
    assert len(opened) == sandbox.TRIES
    assert all(process.poll() is not None for process in opened)
    assert room.seconds > 0  # of its budget
    room.stop()
    with pytest.raises(NoRoom, match="stopped"):
        room.ask({})
    assert len(opened) == sandbox.TRIES


def test_an_answer_that_starves_ends_the_grading_and_costs_no_point(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    replies = iter([Reply("starved"), Reply("well", b"x"), *[Reply("starved")] * sandbox.TRIES])
    monkeypatch.setattr(Room, "_ask_once", lambda room, content: next(replies))
    room = Room(Limits(), 0, [], walls=False)
    assert room.ask({}) == Reply("well", b"x")
    with pytest.raises(NoRoom, match="too busy to grade"):
        room.ask({})


def test_walls_that_are_not_built_in_time_are_no_reason_to_do_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, impatient: None
) -> None:
    slow = tmp_path / "bwrap"
    slow.write_text("#!/bin/sh\nexec sleep 60\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sandbox.bubblewrap, "find", lambda: str(slow))
    with pytest.raises(NoRoom, match="built no walls"):
        sandbox.why_no_walls()


@needs_linux
@pytest.mark.long
def test_what_a_fork_did_not_read_is_not_read_as_the_next_request() -> None:
    """A fork may die before it has read its request: by a machine without memory, for one."""
    room = unwalled(5)
    room._open()
    header = worker.HEADER.pack(60.0, 5, 4)
    words, _ = room._talk(header + b"oddx", 60)
    assert words["clean"]
    words, _ = room._talk(header + b"oddx" + b"left", 60)
    assert not words["clean"]
    room.close()


@needs_linux
@pytest.mark.parametrize(
    ("act", "ended"),
    [(lambda: None, "starved"), (lambda: os.nice(1), "late"), (lambda: last_of_all(), "late")],
)
def test_what_was_not_let_run_is_told_from_what_waits(
    act: Callable[[], Any], ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless it went to the end of the queue by itself."""

    def serve(*_: object) -> int:
        act()
        time.sleep(60)
        return 0

    monkeypatch.setattr(worker, "_serve", serve)
    options = {"scratch": str(tmp_path), "user": None, "segments": set()}
    monkeypatch.setattr(worker, "_GLANCE", 0.02)
    assert worker._one(options, 60.0, 0, 0)[0]["ended"] == "late"  # it waits
    monkeypatch.setattr(worker, "_ran_or_queued", lambda child, elapsed: elapsed)
    assert worker._one(options, 0.1, 20, 0)[0]["ended"] == ended


@needs_linux
@pytest.mark.long
def test_what_lay_in_memory_before_is_not_an_answers() -> None:
    """Without walls a room sees the segments of whoever grades: they cost no new rooms."""
    libc = ctypes.CDLL(None)
    before = worker._left_in_memory(None)
    segment = libc.shmget(0, ctypes.c_size_t(4096), 0o1600)
    try:
        found = worker._left_in_memory(None)
        assert len(found - before) == 1
        room = unwalled(5)
        room._open()
        words, _ = room._talk(worker.HEADER.pack(60.0, 5, 4) + b"oddx", 60)
        assert words["clean"]
        room.close()
    finally:
        libc.shmctl(segment, 0, None)
    assert worker._left_in_memory(None) <= before


@needs_linux
@pytest.mark.long
def test_a_fork_does_not_outlive_its_room(tmp_path: Path) -> None:
    """Without walls, too: whoever ends a room ends what runs in it."""
    room = unwalled(60)
    cells = [f"import os, time\nopen('pid', 'w').write(str(os.getpid()))\n{SLEEPS}"]
    request = {
        **{"answer": "x", "function": False, "cells": cells, "files": {}, "alone": False},
        **{"task": "marginal.crossing", "cases": b"", "seed": 0, "setup": ""},
    }
    asking = threading.Thread(target=lambda: room.ask(request))
    asking.start()
    end = time.monotonic() + 60
    while not (found := _pid(room)) and time.monotonic() < end:
        time.sleep(0.05)
    room.stop()
    asking.join(60)
    assert not asking.is_alive()
    assert found
    while runs(found) and time.monotonic() < end:
        time.sleep(0.02)
    assert not runs(found)
    room.close()


def last_of_all() -> None:
    """Where sessions are groups (and elsewhere in another way) goes to the end of the queue."""
    os.setsid()
    try:
        Path("/proc/self/autogroup").write_text("19")
    except OSError:
        os.nice(19)


def unwalled(timeout: int) -> Room:
    """A room without walls that root, too, can open where its Python is closed to others."""
    room = Room(Limits(timeout=timeout), 0, [], walls=False)
    room.user = None
    return room


def runs(pid: str) -> bool:
    """Whether there is such a process, and not only what is left of one."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _pid(room: Room) -> str:
    try:
        return Path(room._scratch, "pid").read_text(encoding="ascii")
    except (OSError, AttributeError):
        return ""
