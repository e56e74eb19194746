"""Starts the room for students' code and talks with it: requests in, bytes out, never more.

Where bubblewrap is installed the room has no network, processes of its own, and sees of the disk
nothing but Python, its libraries and the package without the tasks; everything is read-only but a
throw-away folder. Elsewhere there are the limits on time, memory, processes and files alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import selectors
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ddpm_course.grading.taught import HIDDEN
from ddpm_course.grading.worker import HEADER

__all__ = ["Limits", "Reply", "Room", "has_bubblewrap"]

PACKAGE = Path(__file__).resolve().parents[1]
LONGEST_REPLY = 1 << 25  # bytes
PATIENCE = 3600.0  # seconds on the clock: a busy machine may need many for a second of work
LONGEST_PIPE = 1 << 20  # bytes; so a room need not wait for a judge that is busy
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

    ``ended`` is "well", "badly" (it died, or was killed for what it used) or "late".
    """

    ended: str
    content: bytes = b""


def has_bubblewrap() -> bool:
    """Whether rooms can be closed here: bubblewrap may be there and not allowed."""
    command = ["bwrap", *_walls(None), *_view([]), "--", sys.executable, "-I", "-c", ""]
    return (
        shutil.which("bwrap") is not None
        and subprocess.run(command, capture_output=True).returncode == 0
    )


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
    """

    def __init__(self, limits: Limits, number: int, hide: Sequence[Path], walls: bool) -> None:
        self.limits, self.hide, self.walls = limits, [path.resolve() for path in hide], walls
        self.user = FIRST_USER + number if os.geteuid() == 0 else None
        self.seconds = 0.0  # of processor time, so far
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, request: dict[str, Any]) -> Reply:
        """Put one request to the room.

        Raises:
            ValueError: no room can be opened on this machine.
        """
        if self._process is None:
            self._open()
        content = pickle.dumps(request)
        # What cannot be told by work and waiting, where there is no /proc, the clock tells.
        linux = Path("/proc/self/stat").exists()
        patience = PATIENCE if linux else 20.0 * self.limits.timeout + 60
        reply, words = self._talk(HEADER.pack(patience, len(content)) + content, 2 * patience)
        self.seconds += words.get("cpu", 0.0)
        if not words.get("clean"):
            self.close()  # the next one gets a new room
        return Reply(words.get("ended", "badly"), reply)

    def _open(self) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 # closed with the room
        self._scratch = tempfile.TemporaryDirectory(prefix="ddpm-course-grade-")
        os.chmod(self._scratch.name, 0o777 if self.user is not None else 0o700)
        self._line, theirs = os.pipe()
        scratch = SCRATCH if self.walls else self._scratch.name
        options = {
            "status": theirs,
            "path": _libraries(),
            "package": str(PACKAGE),
            "hidden": HIDDEN,
            "fonts": _fonts(),
            "scratch": scratch,
            "user": self.user,
            "memory": self.limits.memory,
            "cpu": self.limits.timeout,
        }
        worker = str(PACKAGE / "grading" / "worker.py")
        command = [sys.executable, "-I", worker, json.dumps(options)]
        environment = _environment(scratch)
        if self.walls:
            command = ["bwrap", *_walls(self.user), *_view(self.hide), "--", *command]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            pass_fds=[theirs],
            env=environment,
            cwd="/",
            start_new_session=True,
        )
        os.close(theirs)
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)
            with contextlib.suppress(
                ImportError, AttributeError, OSError
            ):  # Linux; and not too many
                import fcntl

                fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, LONGEST_PIPE)
        _, words = self._talk(b"", PATIENCE)
        self.seconds += words.get("cpu", 0.0)
        if words.get("ready") != "well":
            self._log.seek(0)
            told = self._log.read().decode(errors="replace").strip().splitlines()
            self.close()
            if words.get("ready"):
                told = ["its user may not read Python's libraries; grade as an ordinary user"]
            raise ValueError(
                "no room for students' code can be opened here: "
                + (told[-1] if told else f"nothing was heard of it for {PATIENCE:.0f} seconds")
            )

    def _talk(self, request: bytes, seconds: float) -> tuple[bytes, dict[str, Any]]:
        """Send, and read until the room says on its own line that this one is done."""
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        into, out = self._process.stdin.fileno(), self._process.stdout.fileno()
        reply, line, to_send = bytearray(), bytearray(), memoryview(request)
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(out, selectors.EVENT_READ)
            selector.register(self._line, selectors.EVENT_READ)
            if to_send:
                selector.register(into, selectors.EVENT_WRITE)
            while not line.endswith(b"\n"):
                ready = selector.select(max(0.0, deadline - time.monotonic()))
                if not ready or len(reply) > LONGEST_REPLY or len(line) > 4096:
                    return b"", {"ended": "late" if not ready else "badly"}
                for key, _ in ready:
                    if key.fd == into:
                        try:
                            to_send = to_send[os.write(into, to_send) :]
                        except BrokenPipeError:
                            return b"", {}
                        if not to_send:
                            selector.unregister(into)
                    else:
                        part = os.read(key.fd, 1 << 16)
                        if not part and key.fd == self._line:
                            return b"", {}  # the room is gone
                        if not part:
                            selector.unregister(out)
                        (reply if key.fd == out else line).extend(part)
        with contextlib.suppress(BlockingIOError):  # what is still in the pipe
            while len(reply) <= LONGEST_REPLY and (part := os.read(out, 1 << 16)):
                reply += part
        words = json.loads(line)
        if to_send:  # its request was never read to the end: nothing more can be said on this line
            words["clean"] = False
        return bytes(reply), words

    def close(self) -> None:
        """Take the room down, with all that runs in it."""
        if self._process is not None:
            self._process.kill()
            for pipe in (self._process.stdin, self._process.stdout):
                with contextlib.suppress(OSError):
                    if pipe is not None:
                        pipe.close()
            self._process.wait()
            os.close(self._line)
            self._log.close()
            with contextlib.suppress(OSError):
                self._scratch.cleanup()
            self._process = None


def _libraries() -> list[str]:
    """Where Python finds modules: this very package, whatever else is installed; then its own."""
    roots = [str(PACKAGE.parent), os.getcwd(), ""]
    found = [path for path in sys.path if path not in roots and Path(path).exists()]
    return [str(PACKAGE.parent), *(path for path in found if _is_library(Path(path)))]


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
    return places | threads | {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "USER": "student"}


def _view(hide: Sequence[Path]) -> list[str]:
    """What is seen from inside: Python, its libraries, the package, a scratch folder that is /tmp
    too where none of these is there; nothing of ``hide``."""
    arguments = ["--proc", "/proc", "--dev", "/dev", "--size", "65536", "--tmpfs", "/dev/shm"]
    arguments += ["--remount-ro", "/dev"]
    for root in ("/bin", "/sbin", "/lib", "/lib32", "/lib64"):
        if Path(root).is_symlink():
            arguments += ["--symlink", os.readlink(root), root]
        elif Path(root).is_dir():
            arguments += ["--ro-bind", root, root]
    places = [Path(place) for place in ("/usr", "/nix/store", "/etc/alternatives", "/etc/fonts")]
    places += [Path("/etc/ld.so.cache"), Path("/etc/localtime")]
    prefixes = [sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix]
    places += [Path(path) for path in (*prefixes, *_libraries()[1:])]
    places += [Path(fonts)] if (fonts := _fonts()) else []
    shown: list[Path] = []
    for place in [*places, PACKAGE]:
        if place.exists() and not any(place.is_relative_to(one) for one in shown):
            shown.append(place)
            for parent in reversed(place.parents[:-1]):  # open to all, as bubblewrap's own are not
                if not any(parent.is_relative_to(one) for one in shown):
                    arguments += ["--perms", "0755", "--dir", str(parent)]
            arguments += ["--ro-bind", str(place), str(place)]
    rooms = [PACKAGE.parent.joinpath(*name.split(".")) for name in HIDDEN]
    for path in [*rooms, *hide]:
        if path.is_dir() and any(path.is_relative_to(one) for one in shown):
            arguments += ["--tmpfs", str(path), "--remount-ro", str(path)]
    arguments += ["--size", str(LARGEST_SCRATCH), "--perms", "1777", "--tmpfs", SCRATCH]
    if not any(place.is_relative_to("/tmp") for place in shown):
        arguments += ["--symlink", SCRATCH, "/tmp"]
    return [*arguments, "--remount-ro", "/"]
