"""The room where students' cells run: a program of its own, started inside the sandbox.

It imports once what notebooks need, and then makes a fork of itself for each answer. Only the fork
reads the request and runs cells. Before the first of them it has lost every right: it can start no
process, and dies with its answer. The parent sees neither cells nor results, so one student's fork
inherits nothing of another's.

Nothing here knows a right answer. Requests come from the judge and are trusted; what goes back is
plain JSON, in which the judge trusts nothing.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import gc
import json
import marshal
import os
import pickle
import select
import shutil
import signal
import struct
import sys
import time
import types
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

with contextlib.suppress(ImportError):
    import fcntl
    import resource  # Windows has neither; there this module is read, and no room opened

HEADER = struct.Struct("<dIQ")  # the patience with a fork, its processor time, in seconds; and its
# request's length
LENGTH = struct.Struct("<Q")  # of what the judge says first
LONGEST_REPLY = 1 << 22  # bytes: ten times what any task's answer has
MOST_FILES = 4096  # in the throw-away folder
GRACE = 2  # seconds of processor time between the signal that an answer is late, and its end
LARGEST_ANSWER = 1 << 21  # numbers; no task asks for nearly so many
LARGEST_FILE = 1 << 24
FIRST_LOOK = 240.0  # seconds on the clock for the first fork of a room, which answers nothing
_CHECKED: dict[str, Any] = {}  # in a fork: the last answer that each check was given
_GLANCE = 0.25  # seconds between two looks at a fork
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4

_FURNITURE = (
    *("torch", "numpy.testing", "sympy", "networkx", "matplotlib.pyplot", "tqdm.auto"),
    *("IPython.core.inputtransformer2", "IPython.display", "ddpm_course.grading.cells"),
    *("ddpm_course.checkpoint", "ddpm_course.data", "ddpm_course.plots", "ddpm_course.widgets"),
    "ddpm_course.trends.papers",
    *("ddpm_course.grading.answers", "ddpm_course.grading.draw", "ddpm_course.grading.taught"),
    "ddpm_course.grading.doors",
    "ddpm_course.grading.project",
)


def main() -> None:
    """Serve until the judge hangs up. One argument: JSON, written by ``sandbox``."""
    options = json.loads(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's, or an answer's
    out = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no reply
    sys.path[:] = options["path"]
    _open_schedule(options["package"])
    _furnish(options["package"], options["hidden"], options["fonts"])
    os.chdir(options["scratch"])
    empty(options["scratch"])
    with contextlib.suppress(AttributeError, OSError):  # Linux: no fork reads or writes our memory
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    sys.modules["ddpm_course.grading.doors"].leave_keyring()
    options["memory"] = _address_space() + options["memory"] * 2**20
    gc.freeze()
    options["segments"] = _left_in_memory(options["user"])
    condition = _condition()
    first, _ = _one(options, FIRST_LOOK, 60, 0)  # a fork that does nothing but look around
    _say(out, {"ready": first["ended"], "cpu": time.process_time()}, b"")
    while header := os.read(0, HEADER.size):
        words, reply = _one(options, *HEADER.unpack(header))
        words["clean"] = words["clean"] and _condition() == condition
        _say(out, words, reply)


def _open_schedule(package: str) -> None:
    """Make the module ``schedule`` from what the judge says first: some of it is right answers, so
    that no file of the room has it, and no text either."""
    from importlib.util import module_from_spec, spec_from_file_location

    name = "ddpm_course.schedule"
    (length,) = LENGTH.unpack(os.read(0, LENGTH.size))
    code = marshal.loads(_read(length))
    spec = spec_from_file_location(name, Path(package, "schedule.py"))
    assert spec is not None
    module = sys.modules[name] = module_from_spec(spec)
    exec(code, vars(module))


def _note(name: str, answer: Any) -> None:
    _CHECKED[str(name)] = answer


def _furnish(package: str, hidden: Sequence[str], fonts: str | None) -> None:
    """Import what cells need. The `check` of this room notes what it is given."""
    grading = types.ModuleType("ddpm_course.grading")
    grading.__path__ = [str(Path(package) / "grading")]
    vars(grading).update(check=_note, Wrong=AssertionError)
    sys.modules["ddpm_course.grading"] = grading
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment] # to import it fails

    if fonts is not None:  # or Matplotlib looks at every font of the machine
        with contextlib.suppress(OSError):
            shutil.copy(fonts, os.environ["MPLCONFIGDIR"])
    import matplotlib

    matplotlib.use("agg")
    for name in _FURNITURE:
        import_module(name)
    vars(sys.modules["ddpm_course"])["grading"] = grading
    sys.modules["ddpm_course.grading.cells"].Shell.open()
    sys.modules["torch"].set_num_threads(1)
    sympy = sys.modules["sympy"]
    sympy.sqrt(sympy.Symbol("x")).evalf(subs={"x": 2})  # loads what a first evaluation loads


def _address_space() -> int:
    """What this process has mapped by now, in bytes."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except OSError:  # no Linux
        return 2**31


def _say(out: int, words: dict[str, Any], reply: bytes) -> None:
    """One line that is ours, and the bytes of a fork, as many as the line says."""
    told = memoryview(json.dumps({**words, "size": len(reply)}).encode() + b"\n" + reply)
    while told:
        told = told[os.write(out, told) :]


# -- the parent: one fork an answer -----------------------------------------------------------


def _one(
    options: dict[str, Any], patience: float, cpu: int, length: int
) -> tuple[dict[str, Any], bytes]:
    """Let a fork deal with the next request, and say how that ended, and what it replied.

    It replies through a pipe that no other fork has: what it does to it dies with it. It ended
    "well", "badly", "late", or "starved": this machine was too busy to let it run for as long as it
    may, so that nothing can be said of it.
    """
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(ours)
            status = _serve(options, cpu, length, theirs)
        finally:
            os._exit(status)
    os.close(theirs)
    late, reply, waited, littered = _await_end(child, ours, cpu, patience, options["scratch"])
    starved = late and waited < cpu and _is_counted(child) and _in_our_place(child)
    os.close(ours)
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)  # late; or dead already
    _, status, used = os.wait4(child, 0)
    seconds = used.ru_utime + used.ru_stime
    if starved and seconds < cpu:
        ended = "starved"
    elif late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU):
        ended = "late"
    elif status == 0:
        ended = "well"
    else:  # killed at the hard limit, as it did not listen to the soft one: late
        ended = "late" if seconds > cpu + GRACE - 1 else "badly"
    # What holds too many files is not swept: the next answer gets a new room. So it does when a
    # fork died before it had read its request: what is left of it would be read as the next one.
    unread = bool(select.select([0], [], [], 0)[0])
    clean = not (littered or unread) and empty(options["scratch"])
    clean = clean and _left_in_memory(options["user"]) <= options["segments"]
    words = {"ended": ended, "clean": clean, "cpu": seconds, "waited": waited}
    return words, bytes(reply) if ended == "well" else b""


def _await_end(
    child: int, ours: int, idle: float, patience: float, scratch: str
) -> tuple[bool, bytearray, float, bool]:
    """Read until a fork dies, which closes its pipe, or has waited for ``idle`` seconds, or says or
    keeps too much.

    A busy machine must not cost points: time in which the fork could run and was not let does not
    count as waiting.

    Returns:
        Whether it is late, what it said, how long it has waited, and whether it keeps too much.
    """
    start, reply, waited = time.monotonic(), bytearray(), 0.0
    while (elapsed := time.monotonic() - start) < patience:
        waited = max(0.0, elapsed - _ran_or_queued(child, elapsed))
        if waited >= idle:
            break
        if select.select([ours], [], [], _GLANCE)[0]:
            part = os.read(ours, 1 << 16)
            reply += part
            if not part or len(reply) > LONGEST_REPLY:
                return False, reply if not part else bytearray(), waited, _littered(scratch)
        if _littered(scratch):
            return False, bytearray(), waited, True
    return True, bytearray(), waited, _littered(scratch)


def _ran_or_queued(child: int, elapsed: float) -> float:
    """For how long a fork has run, or could have if it had been let: the kernel counts both."""
    try:
        run, queued = Path(f"/proc/{child}/schedstat").read_text().split()[:2]
    except (OSError, ValueError):  # nobody counts here: our patience alone decides
        return elapsed
    return (int(run) + int(queued)) / 1e9


def _is_counted(child: int) -> bool:
    return Path(f"/proc/{child}/schedstat").exists()


def _in_our_place(child: int) -> bool:
    """Whether a fork stands in the processor's queue where we do: it may have gone to its end, or
    its session's group to the end of all groups'."""
    with contextlib.suppress(OSError):
        same = os.getpriority(os.PRIO_PROCESS, child) == os.getpriority(os.PRIO_PROCESS, 0)
        return (
            same
            and os.sched_getscheduler(child) == os.sched_getscheduler(0)
            and _group(str(child)) == _group("self")
        )
    return False


def _group(process: str) -> str:
    """The priority of a process's group, where sessions are groups."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process}/autogroup").read_text().rpartition("nice")[2].strip()
    return ""


def _littered(scratch: str) -> bool:
    """Whether there are more files than any answer needs; names alone take the kernel's memory."""
    try:
        about = os.statvfs(scratch)
    except OSError:
        return True
    return os.path.ismount(scratch) and about.f_files - about.f_ffree > MOST_FILES


def empty(folder: str) -> bool:
    """Empty a folder, however deep it is and whatever was closed on purpose; whether that went
    well. Folders inside folders are moved up, so nothing here is as deep as they are."""
    moved = 0
    with contextlib.suppress(OSError):
        while entries := list(os.scandir(folder)):
            for entry in entries:
                if not entry.is_dir(follow_symlinks=False):
                    os.unlink(entry.path)
                    continue
                os.chmod(entry.path, 0o700)
                for inner in list(os.scandir(entry.path)):
                    if inner.is_dir(follow_symlinks=False):
                        os.chmod(inner.path, 0o700)
                        moved += 1
                        os.rename(inner.path, os.path.join(folder, f".moved {moved}"))
                    else:
                        os.unlink(inner.path)
                os.rmdir(entry.path)
        return True
    return False


def _left_in_memory(user: int | None) -> set[str]:
    """The System V segments and queues of the forks' user. Without walls some may have been there
    before the first fork."""
    found = set()
    for kind in ("shm", "sem", "msg"):
        with contextlib.suppress(OSError):
            head, *rows = Path(f"/proc/sysvipc/{kind}").read_text().splitlines()
            creator = head.split().index("cuid")
            for row in map(str.split, rows):  # a key, a number, and more
                if int(row[creator]) == (os.getuid() if user is None else user):
                    found.add(f"{kind} {row[1]}")
    return found


def _condition() -> Any:
    """What a fork of our own user might change in us: it must be the same after each of them."""
    limits = [
        resource.getrlimit(getattr(resource, name))
        for name in dir(resource)
        if name.startswith("RLIMIT_")
    ]
    found: list[Any] = [limits, os.getpriority(os.PRIO_PROCESS, 0), os.getcwd()]
    with contextlib.suppress(AttributeError, OSError):  # Linux
        found += [os.sched_getaffinity(0), os.sched_getscheduler(0), os.sched_getparam(0)]
        found += [sorted(os.listdir("/proc/self/fd")), sorted(os.listdir("/dev/shm"))]
        found += [signal.getsignal(signal.SIGINT), fcntl.fcntl(0, fcntl.F_GETFL)]
    return found


# -- the fork: everything below runs beside a student's code ----------------------------------


def _serve(options: dict[str, Any], cpu: int, length: int, theirs: int) -> int:
    request = _read(length)
    nothing = os.open(os.devnull, os.O_RDWR)
    results = 3  # and above it nothing is open
    os.dup2(theirs, results)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)
    os.closerange(results + 1, 1 << 16)
    _lose_rights(options, cpu)
    if not request:
        return 0 if _can_read(options["package"]) else 1
    answer = json.dumps(_answer(pickle.loads(request))).encode()
    while answer:
        answer = answer[os.write(results, answer) :]
    return 0


def _read(length: int) -> bytes:
    parts = []
    while length and (part := os.read(0, min(length, 1 << 20))):
        parts.append(part)
        length -= len(part)
    return b"".join(parts)


def _lose_rights(options: dict[str, Any], cpu: int) -> None:
    """From here on: no new process or thread, no large file, so much time and memory."""
    user = options["user"]
    for name, limit in {
        "RLIMIT_AS": options["memory"],
        "RLIMIT_FSIZE": LARGEST_FILE,
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
        "RLIMIT_MSGQUEUE": 0,
        "RLIMIT_MEMLOCK": 0,
    }.items():
        if hasattr(resource, name):
            resource.setrlimit(getattr(resource, name), (limit, limit))
    # The signal at the first limit tells an answer that is late from one that crashed.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + GRACE))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    if user is not None:  # root is above the limit on processes, so root must go
        os.setgroups([])
        os.setgid(user)
        os.setuid(user)
    # Where there are no walls a fork would outlive its room. A change of user takes this back.
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if options["fence"] is not None:
        sys.modules["ddpm_course.grading.doors"].fence(**options["fence"])
    # As the last ones: the C library's setuid may need a moment's freedom.
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    sys.modules["ddpm_course.grading.doors"].close_doors(options["doors"])


def _can_read(package: str) -> bool:
    """Whether the libraries can be read with the rights that are left, and processes not made."""
    import torch

    for path in (package, Path(torch.__file__).parent, Path(os.__file__).parent):
        if not os.access(path, os.R_OK | os.X_OK):
            return False
    try:
        child = os.fork()
    except OSError:
        return True
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return False


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    """Run cells, then put the questions to the answer that they define."""
    from ddpm_course.grading import cells as notebook
    from ddpm_course.grading.answers import ask
    from ddpm_course.grading.project import measure
    from ddpm_course.grading.task import Task
    from ddpm_course.grading.taught import borrowed, forbid

    if "project" in request:  # no student's code, but files of theirs
        return measure(request["project"], request["sets"])
    wanted, function, sources = request["answer"], request["function"], request["cells"]
    sys.path.insert(0, os.getcwd())
    for name, content in request["files"].items():
        Path(name).write_bytes(content)
    chosen: Sequence[int] = range(len(sources))
    if request["alone"]:
        chosen = notebook.needed(sources, wanted, function, request["setup"])
    cells = [(-1, request["setup"]), *((number, sources[number]) for number in chosen)]
    forbid(request["task"])
    answer, stopped, places = notebook.run(notebook.Shell.instance(), cells, wanted, function)
    if not request["alone"]:  # what its check was given, by whatever name
        answer = _CHECKED.get(request["task"], answer)
    # What cells call to compare or to plot is no answer; but one that needs it is without it.
    before = borrowed[:1] if request["alone"] else []
    borrowed.clear()
    notes: list[notebook.Seen] = []
    if answer is None:
        place = notebook.defining([notebook.plain(one) for one in sources], wanted, function)
        if place in stopped:
            return {"undefined": vars(stopped[place]), "before": before}
    if callable(answer) and function:
        answer = notebook.note_errors(answer, places, notes)
    task = Task(
        name=request["task"],
        title="",
        points=0,
        minutes=0,
        prompt="",
        hint="",
        lesson="",
        reference=_answer if function else 0,  # only whether it is a function counts here
        mistakes=(),
        cases=lambda seed: pickle.loads(request["cases"]),
    )
    try:
        outcomes = ask(task, answer, request["seed"])
    except BaseException as error:  # SystemExit, for one
        return {"outcomes": [], "stopped": type(error).__name__}
    seen = vars(notes[0]) if notes else None
    spelled = [_spelled(outcome) for outcome in outcomes]
    return {"outcomes": spelled, "borrowed": borrowed[:1], "before": before, "seen": seen}


def _spelled(outcome: Any) -> Any:
    """An outcome in JSON."""
    import numpy as np

    from ddpm_course.grading.verdict import Failure

    if isinstance(outcome, Failure):
        return {"failure": outcome.sentence, "blank": outcome.blank}
    if sum(value.array.size for value in outcome) > LARGEST_ANSWER:
        return {"failure": "too large", "blank": False}
    parts = []
    for value in outcome:
        array = value.array
        part = {"shape": list(array.shape), "device": value.device}
        if array.dtype.kind == "U":
            part["text"] = array.ravel().tolist()
        else:
            if array.dtype.itemsize > 8 and array.dtype.kind in "fc":  # a longdouble
                array = array.astype(np.complex128 if array.dtype.kind == "c" else np.float64)
            array = array.astype(array.dtype.newbyteorder("<"))
            part["dtype"] = array.dtype.str
            part["data"] = base64.b64encode(array.tobytes()).decode()
        parts.append(part)
    return {"parts": parts}


if __name__ == "__main__":
    main()
