"""What a fork can still ask of the kernel once its doors are closed, tried in forks."""

import ctypes
import fcntl
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from ddpm_course.grading.doors import can_close, can_fence, close_doors, fence

pytestmark = pytest.mark.skipif(not can_close(), reason="libseccomp is not installed here")


def works(act: Callable[[], object], closed: bool = True) -> bool:
    """Whether an act does not raise, in a fork behind closed doors."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            if closed:
                close_doors()
            act()
            status = 0
        except OSError:
            pass
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def raw(name: str, *arguments: int) -> None:
    """A system call by its number, with whole registers."""
    number = ctypes.CDLL("libseccomp.so.2").seccomp_syscall_resolve_name(name.encode())
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *map(ctypes.c_long, arguments)) < 0:
        raise OSError(ctypes.get_errno(), name)


def memfd() -> None:
    os.close(os.memfd_create("x"))


def forks() -> None:
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)


@pytest.mark.parametrize(
    "act",
    [
        memfd,
        forks,
        lambda: os.execv("/bin/true", ["true"]),
        lambda: os.kill(os.getppid(), 0),
        lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
        lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
        lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM).close(),
        lambda: resource.prlimit(os.getppid(), resource.RLIMIT_CORE),
        lambda: os.setxattr("/proc/self/exe", "user.x", b""),
        lambda: fcntl.fcntl(os.pipe()[0], 1031, 4096),
        lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid()),
        lambda: fcntl.fcntl(os.pipe()[0], 10, 9),
        lambda: fcntl.ioctl(os.pipe()[0], 0x8901, os.getppid().to_bytes(4, "little")),
        lambda: raw("fcntl", os.pipe()[0], (1 << 32) + 1031, 4096),
        lambda: raw("fcntl", os.pipe()[0], (1 << 32) + 8, os.getppid()),
    ],
)
def test_a_door_is_closed(act: Callable[[], object]) -> None:
    assert not works(act)


@pytest.mark.parametrize(
    "act",
    [
        lambda: os.kill(os.getpid(), 0),
        lambda: resource.getrlimit(resource.RLIMIT_CORE),
        lambda: resource.setrlimit(resource.RLIMIT_CORE, (0, 0)),
        lambda: socket.socketpair()[0].close(),
        lambda: os.listdir("/"),
        lambda: os.close(os.open("/dev/null", os.O_RDWR)),
    ],
)
def test_a_door_that_answers_need_is_open(act: Callable[[], object]) -> None:
    assert works(act)


def test_the_tests_acts_are_let_elsewhere() -> None:
    assert works(memfd, closed=False)
    assert works(forks, closed=False)
    assert works(lambda: os.kill(os.getppid(), 0), closed=False)
    assert works(lambda: fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid()), closed=False)
    assert works(lambda: raw("fcntl", os.pipe()[0], (1 << 32) + 1031, 4096), closed=False)


def test_no_right_is_gained_by_a_program_even_without_the_library() -> None:
    def told() -> None:
        close_doors(closable=False)
        with open("/proc/self/status", encoding="ascii") as file:
            if "NoNewPrivs:\t1" not in file.read():
                raise OSError

    assert works(told, closed=False)


needs_landlock = pytest.mark.skipif(not can_fence(), reason="this kernel has no Landlock")


def fenced(act: Callable[[], object], readable: list[str], writable: list[str]) -> bool:
    """Whether an act does not raise, in a fork that is fenced in."""

    def inside() -> None:
        fence(readable, writable)
        act()

    return works(inside, closed=False)


@needs_landlock
def test_a_fence_leaves_what_it_is_given_and_nothing_else(tmp_path: Path) -> None:
    for name in ("given", "mine", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text("x")
    given, mine, other = (tmp_path / name / "file" for name in ("given", "mine", "other"))
    sides = ([str(given.parent), "/dev/null", str(tmp_path / "nowhere")], [str(mine.parent)])

    def write(path: Path) -> Callable[[], object]:
        return lambda: path.write_text("y")

    assert fenced(given.read_text, *sides)
    assert fenced(write(mine), *sides)
    assert fenced(write(mine.parent / "new"), *sides)
    assert fenced(mine.unlink, *sides)
    assert not fenced(write(given), *sides)
    assert not fenced(given.unlink, *sides)
    assert not fenced(other.read_text, *sides)
    assert not fenced(write(other), *sides)
    assert not fenced(lambda: os.listdir(other.parent), *sides)
    assert not fenced(lambda: os.symlink("/etc", given.parent / "link"), *sides)
    assert not fenced(lambda: os.link(other, mine.parent / "hard"), *sides)
    assert other.read_text() == "x"


@needs_landlock
def test_a_fence_keeps_from_the_memory_of_others() -> None:
    me = os.getpid()

    def peek() -> None:
        open(f"/proc/{me}/mem", "rb").close()

    assert works(peek, closed=False)
    assert not fenced(peek, ["/proc"], [])


@needs_landlock
def test_a_fence_stays_behind_closed_doors() -> None:
    def both() -> None:
        fence(["/usr"], [])
        close_doors()
        os.listdir("/usr")
        try:
            os.listdir("/etc")
        except PermissionError:
            return
        raise OSError

    assert works(both, closed=False)
