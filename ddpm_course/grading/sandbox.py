"""Starts the room for students' code and talks with it: requests in, bytes out, never more.

Where bubblewrap is installed the room has no network, processes of its own, and sees of the disk
nothing but Python, its libraries and the package without the tasks; everything is read-only but a
throw-away folder. Elsewhere there are the limits on time, memory, processes and files alone.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import json
import marshal
import os
import pickle
import selectors
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddpm_course.grading import bubblewrap
from ddpm_course.grading.doors import can_close, can_fence
from ddpm_course.grading.taught import HIDDEN, write_package
from ddpm_course.grading.worker import FIRST_LOOK, HEADER, LENGTH, LONGEST_REPLY, empty

__all__ = [
    "Limits",
    "NoRoom",
    "Reply",
    "Room",
    "has_bubblewrap",
    "standing",
    "weaknesses",
    "why_no_walls",
]

PACKAGE = Path(__file__).resolve().parents[1]
# Seconds on the clock. A busy machine may need many for a second of work; but nothing is waited for
# without an end, and what ends a wait costs no student a point.
OPENING = 300.0  # for a room to open
BESIDES = 120.0  # for what a room does around an answer
ENDING = 60.0  # for a killed room to be gone
TRIES, PAUSE = 3, 1.0  # to open a room, and between them


def patience(seconds: float) -> float:
    """How long an answer of so many seconds may take by the clock."""
    return 20.0 * seconds + 60


LONGEST_PIPE = 1 << 20  # bytes; so a room need not wait for a judge that is busy
LONGEST_LINE = 4096
BUDGET = 6  # times the limit of one answer: what one notebook may use
LEAST = 2  # seconds for an answer of a notebook that has used it up
CHANCES = 2  # how often an answer of one notebook may end badly and be heard again in a new room
SCRATCH, LARGEST_SCRATCH = "/scratch", 1 << 26  # inside the walls; and bytes
FIRST_USER = 61_000  # of accounts that nobody has: where the judge is root, its rooms are not


@dataclass(frozen=True)
class Limits:
    """What one answer may use.

    Args:
        timeout: seconds of processor time; and of waiting for anything else.
        memory: MiB beyond what the libraries take.
    """

    timeout: int = 20
    memory: int = 1024


@dataclass(frozen=True)
class Reply:
    """What came back: bytes to be trusted in nothing, and how the fork ended.

    ``ended`` is "well", "badly" (it died, or was killed for what it used), "late", "starved" (this
    machine was too busy to let it run for as long as it may) or "silent" (nothing was heard of its
    room).
    """

    ended: str
    content: bytes = b""


class NoRoom(ValueError):
    """No room for students' code can be opened on this machine."""


def has_bubblewrap() -> bool:
    """Whether rooms can be closed here: bubblewrap may be there and not allowed."""
    return not why_no_walls()


def why_no_walls() -> str:
    """Why bubblewrap builds no walls here, and what may help; "" where it builds them."""
    if (bwrap := bubblewrap.find()) is None:
        return bubblewrap.remedy("")
    inside = ["--", sys.executable, "-I", "-c", ""]
    try:
        done = subprocess.run(
            [bwrap, *_walls(None), *_view([], PACKAGE), *inside],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=OPENING,
        )
    except subprocess.TimeoutExpired as error:
        raise NoRoom(
            f"{bwrap} built no walls in {OPENING:.0f} seconds: is this machine busy?"
        ) from error
    if done.returncode == 0:
        return ""
    said = "".join(c if c.isprintable() else " " for c in done.stderr.strip()[-300:])
    return bubblewrap.remedy(said or f"exit code {done.returncode}")


def _walls(user: int | None) -> list[str]:
    """Namespaces of its own. Root keeps just what it needs to give its rights away in a fork."""
    walls = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts"]
    walls += ["--unshare-cgroup-try", "--die-with-parent", "--new-session", "--as-pid-1"]
    if user is None:
        return ["--unshare-user", *walls] if os.geteuid() else walls
    kept = ("SETUID", "SETGID", "KILL", "DAC_OVERRIDE", "FOWNER")
    return [*walls, "--cap-drop", "ALL", *(w for c in kept for w in ("--cap-add", f"CAP_{c}"))]


class Room:
    """One sandbox: ``ask`` it, and ``close`` it. It opens when first asked, and after accidents.

    Args:
        limits: for each answer.
        number: tells rooms that are open at the same time apart.
        hide: folders that must not be seen from inside.
        walls: whether to use bubblewrap.
        measures: whether it measures projects; then no student's code runs in it, and the package
            in it is whole.
    """

    def __init__(
        self,
        limits: Limits,
        number: int,
        hide: Sequence[Path],
        walls: bool,
        measures: bool = False,
    ) -> None:
        self.measures = measures
        self.limits, self.hide, self.walls = limits, [path.resolve() for path in hide], walls
        self.user = FIRST_USER + number if os.geteuid() == 0 else None
        self.seconds = self.processor = 0.0  # of work and waiting so far, and of work alone
        self.begin()
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False

    def stop(self) -> None:
        """From another thread: let what is asked end at once, and ask no more."""
        self._stopped = True
        if (process := self._process) is not None:
            process.kill()

    def begin(self) -> None:
        """From here on another notebook is heard, with a budget of its own."""
        self._before, self.chances = self.seconds, CHANCES

    @property
    def allowance(self) -> int:
        """Seconds that the next answer may use: less than the limit when the notebook's budget is
        spent, so that one of endless loops holds up nobody for long."""
        timeout = self.limits.timeout
        left = BUDGET * timeout - (self.seconds - self._before)
        return max(min(LEAST, timeout), min(timeout, int(left)))

    def ask(self, request: dict[str, Any]) -> Reply:
        """Put one request to the room. What is nobody's fault is asked again, in a new room.

        Raises:
            NoRoom: no room can be opened on this machine, or it is too busy for an answer.
        """
        content = pickle.dumps(request)
        for _ in range(TRIES):
            reply = self._ask_once(content)
            if reply.ended not in ("starved", "silent"):
                return reply
        if reply.ended == "starved":
            raise NoRoom(
                f"this machine is too busy to grade: {TRIES} times an answer got less than "
                f"{self.allowance} seconds of a processor in {patience(self.allowance):.0f}"
            )
        return Reply("late")  # new rooms open, and each falls silent at this answer

    def _ask_once(self, content: bytes) -> Reply:
        if self._process is None and not self._stopped:
            self._open()
        if self._stopped:
            raise NoRoom("the grading was stopped")
        seconds = self.allowance
        header = HEADER.pack(patience(seconds), seconds, len(content))
        words, reply = self._talk(header + content, patience(seconds) + BESIDES)
        self.seconds += words.get("cpu", 0.0) + words.get("waited", 0.0)
        self.processor += words.get("cpu", 0.0)
        if words.get("ended") == "silent":
            self.seconds += patience(seconds)
        if not words.get("clean"):
            self.close()  # the next one gets a new room
        return Reply(words.get("ended", "badly"), reply)

    def _open(self) -> None:
        """Open a room. That may fail by chance: a machine is short of memory for a moment, or a
        folder that was to be hidden is gone by the time it is."""
        for left in reversed(range(TRIES)):
            try:
                return self._open_once()
            except NoRoom:
                if self._stopped or not left:
                    raise
                time.sleep(PAUSE)

    def _open_once(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 # closed with the room
        self._scratch = tempfile.mkdtemp(prefix="ddpm-course-grade-")
        try:
            with _OPENING:
                self._process = self._started()
        except Exception as error:  # no notebook is to blame
            self._clear()
            raise NoRoom(
                "no room for students' code can be opened here: "
                f"{error or 'nothing more is known'} ({type(error).__name__})"
            ) from error
        text = (PACKAGE / "schedule.py").read_text(encoding="utf8")
        schedule = marshal.dumps(compile(text, "<schedule>", "exec", dont_inherit=True))
        words, _ = self._talk(LENGTH.pack(len(schedule)) + schedule, OPENING + FIRST_LOOK)
        self.seconds += words.get("cpu", 0.0)
        self.processor += words.get("cpu", 0.0)
        if words.get("ready") == "well":
            return
        code = None
        if self._process is not None and not words:  # its pipe is closed: it is about to end
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(10)
        self._log.seek(0)
        told = self._log.read().decode(errors="replace").strip().splitlines()
        self.close()
        if words.get("ready") == "badly":
            told = ["its user may not read Python's libraries; grade as an ordinary user"]
        elif words:
            told = [f"nothing was heard of it for {OPENING + FIRST_LOOK:.0f} seconds"]
        raise NoRoom(
            "no room for students' code can be opened here: "
            + (told[-1] if told else f"its program ended with {code} and said nothing")
        )

    def _started(self) -> subprocess.Popen[bytes]:
        """The room's process, which has heard nothing yet."""
        os.chmod(self._scratch, 0o777 if self.user is not None else 0o700)
        scratch = SCRATCH if self.walls else self._scratch
        shown = PACKAGE if self.measures else _package()
        package = PACKAGE if self.walls else shown
        options = {
            "path": [str(package.parent), *_libraries()[1:]],
            "package": str(package),
            "hidden": HIDDEN,
            "fonts": _fonts(),
            "scratch": scratch,
            "user": self.user,
            "memory": self.limits.memory,
            "doors": can_close(),
            "fence": None if self.walls or not can_fence() else _fence(self.hide, package, scratch),
        }
        worker = str(package / "grading" / "worker.py")
        command = [sys.executable, "-I", worker, json.dumps(options)]
        environment = _environment(scratch)
        if self.walls:
            command = [
                bubblewrap.find() or "bwrap",
                *_walls(self.user),
                *_view(self.hide, shown),
                "--",
                *command,
            ]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(
                ImportError, AttributeError, OSError
            ):  # Linux; and not too many
                import fcntl

                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, LONGEST_PIPE)
        return process

    def _talk(self, request: bytes, seconds: float) -> tuple[dict[str, Any], bytes]:
        """Send, and read the room's own line and as many bytes of a reply as it says."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        into, out = self._process.stdin.fileno(), self._process.stdout.fileno()
        told, to_send = bytearray(), memoryview(request)
        words: dict[str, Any] | None = None
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            if to_send:
                selector.register(into, selectors.EVENT_WRITE)
            while words is None or len(told) < words["size"]:
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready:
                    return {"ended": "silent"}, b""
                for key, _ in ready:
                    if key.fd == into:
                        try:
                            to_send = to_send[os.write(into, to_send) :]
                        except BrokenPipeError:
                            return {}, b""
                        if not to_send:
                            selector.unregister(into)
                    elif part := os.read(out, 1 << 16):
                        told += part
                    else:
                        return {}, b""  # the room is gone
                if words is None and b"\n" in told:
                    line, _, told = told.partition(b"\n")
                    words = json.loads(line)
                    assert words["size"] <= LONGEST_REPLY
                assert words is not None or len(told) <= LONGEST_LINE
        if to_send:  # its request was never read to the end: nothing more can be said on this line
            words["clean"] = False
        return words, bytes(told)

    def close(self) -> None:
        """Take the room down, with all that runs in it. To close it twice does no harm."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # where the kernel does not let it go
            process.wait(ENDING)
        self._clear()

    def _clear(self) -> None:
        """Nothing is left of a room on the disk."""
        self._log.close()
        empty(self._scratch)
        with contextlib.suppress(OSError):
            os.rmdir(self._scratch)


# What all rooms share is made, and imported, by the first one that opens; the others wait for it.
_OPENING = threading.Lock()


def _libraries() -> list[str]:
    """Where Python finds modules: this very package, whatever else is installed; then its own."""
    roots = [str(PACKAGE.parent), os.getcwd(), ""]
    found = [path for path in sys.path if path not in roots and Path(path).exists()]
    return [str(PACKAGE.parent), *(path for path in found if _is_library(Path(path)))]


@functools.cache
def _package() -> Path:
    """The package as rooms see it, made once for this process."""
    folder = tempfile.mkdtemp(prefix="ddpm-course-room-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.chmod(folder, 0o755)
    write_package(PACKAGE, Path(folder, PACKAGE.name))
    return Path(folder, PACKAGE.name)


def _is_library(path: Path) -> bool:
    inside = any(path.is_relative_to(prefix) for prefix in (sys.prefix, sys.base_prefix))
    return inside or bool({"site-packages", "dist-packages"} & set(path.parts))


def _fonts() -> str | None:
    """Matplotlib's list of fonts, made once for this machine."""
    import matplotlib
    from matplotlib import font_manager

    path = (
        Path(matplotlib.get_cachedir()) / f"fontlist-v{font_manager.FontManager.__version__}.json"
    )
    return str(path) if path.is_file() else None


def _environment(scratch: str) -> dict[str, str]:
    places = dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"), scratch)
    threads = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
    threads["TORCH_COMPILE_DISABLE"] = (
        "1"  # no compiler runs here: `torch.compile` leaves all as is
    )
    return places | threads | {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "student"}


def _view(hide: Sequence[Path], package: Path) -> list[str]:
    """What is seen from inside: Python, its libraries, at the package's place ``package``, a
    scratch folder that is /tmp too where none of these is there; nothing of ``hide``."""
    arguments = ["--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev"]
    arguments += ["--size", "65536", "--tmpfs", "/dev/shm"]
    arguments += ["--remount-ro", "/dev/shm", "--remount-ro", "/dev"]
    for root in _ROOTS:
        if Path(root).is_symlink():
            arguments += ["--symlink", os.readlink(root), root]
        elif Path(root).is_dir():
            arguments += ["--ro-bind", root, root]
    shown: list[Path] = []
    for place in _places():
        if place.exists() and not any(place.is_relative_to(one) for one in shown):
            arguments += [*_way(place, shown), "--ro-bind", str(place), str(place)]
            shown.append(place)
    link = Path(sys.executable)  # an environment's Python may lead to its own by way of others
    while link.is_symlink():
        if not any(link.is_relative_to(one) for one in shown):
            arguments += [*_way(link, shown), "--symlink", os.readlink(link), str(link)]
            shown.append(link)
        link = link.parent / os.readlink(link)
    unseen = _unseen([*hide, Path.cwd()], shown)
    for path in unseen:
        arguments += ["--tmpfs", str(path)]
    arguments += _way(PACKAGE, shown)
    for parent in reversed(PACKAGE.parents):  # the package may lie in what is not seen else
        if any(parent != path and parent.is_relative_to(path) for path in unseen):
            arguments += ["--perms", "0755", "--dir", str(parent)]
    arguments += ["--ro-bind", str(package), str(PACKAGE)]
    shown.append(PACKAGE)
    for path in unseen:
        arguments += ["--remount-ro", str(path)]
    arguments += ["--size", str(LARGEST_SCRATCH), "--perms", "1777", "--tmpfs", SCRATCH]
    if not any(place.is_relative_to("/tmp") for place in shown):
        arguments += ["--symlink", SCRATCH, "/tmp"]
    return [*arguments, "--remount-ro", "/"]


def _way(path: Path, shown: Sequence[Path]) -> list[str]:
    """The folders that lead to a path, open to all, as bubblewrap's own are not."""
    arguments = []
    for parent in reversed(path.parents[:-1]):
        if not any(parent.is_relative_to(one) for one in shown):
            arguments += ["--perms", "0755", "--dir", str(parent)]
    return arguments


_ROOTS = ("/bin", "/sbin", "/lib", "/lib32", "/lib64")


def _places() -> list[Path]:
    """Where Python and its libraries lie, and what they read."""
    places = [Path(place) for place in ("/usr", "/nix/store", "/etc/alternatives", "/etc/fonts")]
    places += [Path("/etc/ld.so.cache"), Path("/etc/localtime")]
    prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    places += [Path(path) for path in (*prefixes, *_libraries()[1:])]
    return [*places, Path(fonts)] if (fonts := _fonts()) else places


def _fence(hide: Sequence[Path], package: Path, scratch: str) -> dict[str, list[str]]:
    """What Landlock leaves where there are no walls: the same as ``_view``, with other means."""
    shown = [place for place in _places() if place.exists()]
    unseen = _unseen([*hide, Path.cwd()], shown)
    unseen += [PACKAGE] if package != PACKAGE else []
    listable: list[Path] = []

    def without(place: Path) -> list[Path]:
        if place in unseen:
            return []
        if not any(path.is_relative_to(place) for path in unseen):
            return [place]
        listable.append(place)
        return [one for inner in place.iterdir() for one in without(inner)]

    readable = [one for place in [*map(Path, _ROOTS), *shown, package] for one in without(place)]
    devices = ["/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"]
    system = ["/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/sys/devices/system/cpu"]
    return {
        "readable": [*map(str, dict.fromkeys(readable)), *system],
        "writable": [scratch, *devices],
        "listable": list(map(str, dict.fromkeys(listable))),
    }


def standing(walls: bool) -> dict[str, object]:
    """What stands between students' code and this machine."""
    return {
        "bubblewrap": walls,
        "program": bubblewrap.version() if walls else None,
        "seccomp": can_close(),
        "landlock": not walls and can_fence(),
        "other_user": os.geteuid() == 0,
    }


def weaknesses(stands: Mapping[str, object], why: str) -> list[str]:
    """What the instructor must know of walls that do not stand, a sentence or two each.

    Args:
        stands: from ``standing``.
        why: from ``why_no_walls``.
    """
    told = []
    if not stands["bubblewrap"]:
        second = ["time, memory, processes and the size of files are limited"]
        second += ["it runs as another user"] if stands["other_user"] else []
        if stands["seccomp"]:
            second.append("a filter closes the network, programs and other processes to it")
        if stands["landlock"]:
            second.append("Landlock keeps it from all files but Python and its libraries")
        holds = "; ".join(second)
        told.append(
            f"bubblewrap does not work here. {why} A second wall is tried around students' code: "
            f"{holds}. " + _OPEN[bool(stands["landlock"]), bool(stands["other_user"])]
        )
    if not stands["seccomp"]:
        told.append(
            "libseccomp is not here (on Debian and Ubuntu: apt install libseccomp2). Students' "
            "code can take memory past its limit and disturb the answers after it."
        )
    return told


# By whether Landlock stands, and whether the code has a user of its own.
_OPEN = {
    (True, True): "It can fill the disk. Grade in a container or on a machine of its own.",
    (True, False): "It can fill the disk, and has your user's rights where Linux asks for no file. "
    "Grade in a container or on a machine of its own.",
    (False, True): "It can read what every user of this machine can read, and fill the disk. Grade "
    "only people you trust, or in a container of their own.",
    (False, False): "It can read what you can read, the solutions and other submissions too, write "
    "where you can write, and stop the grading. Grade only people you trust, or in a container of "
    "their own.",
}


def _unseen(hide: Sequence[Path], shown: Sequence[Path]) -> list[Path]:
    """Folders that hold right answers or others' work, where they lie inside what is shown."""
    found = [Path("/usr/src"), Path("/usr/local/src")]  # sources; Python reads none
    for copy in _copies(shown):
        found += [copy] if copy != PACKAGE else []
        # Beside a copy that is not a library's lies the course: solutions, exercises, submissions.
        if not {"site-packages", "dist-packages"} & set(copy.parts):
            found += [path for path in _folders(copy.parent) if path != copy]
    for path in hide:
        ours = PACKAGE.is_relative_to(path)
        found += [one for one in _folders(path) if one != PACKAGE] if ours else [path]
    kept: list[str | Path] = [*_SYSTEM, sys.prefix, sys.base_prefix, *_libraries()[1:]]
    unseen: list[Path] = []
    for path in sorted({path.resolve() for path in found if path.is_dir()}):
        inside = any(path != one and path.is_relative_to(one) for one in shown)
        needed = any(Path(one).is_relative_to(path) for one in kept)
        if inside and not needed and not any(path.is_relative_to(one) for one in unseen):
            unseen.append(path)
    return unseen


def _folders(path: Path) -> list[Path]:
    with contextlib.suppress(OSError):
        return [one for one in path.iterdir() if one.is_dir() and not one.is_symlink()]
    return []


_SYSTEM = ("/usr/bin", "/usr/lib", "/usr/lib64", "/usr/share", "/usr/local/lib", "/usr/local/bin")


@functools.cache
def _copies_in(place: Path) -> tuple[Path, ...]:
    """Every copy of this package below a folder."""
    found = []
    for folder, inner, _ in os.walk(place):
        if PACKAGE.name in inner and Path(folder, PACKAGE.name, "grading").is_dir():
            found.append(Path(folder, PACKAGE.name))
        inner[:] = [name for name in inner if name not in ("torch", "share", "include")]
    return tuple(found)


def _copies(shown: Sequence[Path]) -> list[Path]:
    return [copy for place in shown for copy in _copies_in(place)]
