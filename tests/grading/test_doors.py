"""What a fork can still ask of the kernel once its doors are closed, tried in forks."""

import os
import resource
import socket
from collections.abc import Callable

import pytest

from ddpm_course.grading.doors import can_close, close_doors

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


def test_no_right_is_gained_by_a_program_even_without_the_library() -> None:
    def told() -> None:
        close_doors(closable=False)
        with open("/proc/self/status", encoding="ascii") as file:
            if "NoNewPrivs:\t1" not in file.read():
                raise OSError

    assert works(told, closed=False)
