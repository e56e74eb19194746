"""Closes the doors of the kernel that no answer needs, for good, in the process that calls it.

Limits on time and memory do not reach everything: another process of the same user, memory that
the kernel keeps (segments, memfds, locked pipes), keys, namespaces. libseccomp, which knows the
numbers of the system calls on every machine, refuses them by name.

Where no walls can be built, Landlock, a part of the kernel, keeps a process from all files but
those that it is given.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
from collections.abc import Iterator, Sequence

__all__ = ["can_close", "can_fence", "close_doors", "fence", "leave_keyring"]

_LIBRARY = "libseccomp.so.2"
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000  # what to do; a refusal carries its error number
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_NOT_EQUAL, _MASKED_EQUAL = 1, 7  # how an argument is compared
_INT = 0xFFFF_FFFF  # the kernel looks at no more of a command
_AF_UNIX, _JOIN_SESSION_KEYRING = 1, 1
# F_SETPIPE_SZ; and F_SETOWN, F_SETSIG, F_SETOWN_EX: who gets a signal when a file is ready may be
# anybody of the same user. FIOSETOWN and SIOCSPGRP are the same, by ioctl.
_OF_FCNTL, _OF_IOCTL = (1031, 8, 10, 15), (0x8901, 0x8902)

_REFUSED = (
    # others: their memory, their limits, their place in the queue
    *("ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "process_mrelease"),
    *("kcmp", "pidfd_open", "pidfd_getfd", "pidfd_send_signal", "setpriority", "ioprio_set"),
    *("sched_setaffinity", "sched_setscheduler", "sched_setparam", "sched_setattr"),
    *("tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "migrate_pages", "move_pages"),
    # memory that no limit of ours counts
    *("shmget", "shmat", "shmctl", "semget", "semop", "semtimedop", "semctl"),
    *("msgget", "msgsnd", "msgrcv", "msgctl", "mq_open", "mq_unlink", "memfd_create"),
    *("memfd_secret", "vmsplice", "splice", "tee", "inotify_init", "inotify_init1"),
    *("fanotify_init", "userfaultfd", "io_uring_setup", "io_uring_enter", "io_uring_register"),
    *("io_setup", "setxattr", "lsetxattr", "fsetxattr", "setxattrat", "landlock_create_ruleset"),
    # keys, namespaces, mounts, and the kernel itself
    *("add_key", "request_key", "keyctl", "unshare", "setns", "mount", "umount2", "pivot_root"),
    *("chroot", "open_tree", "move_mount", "fsopen", "fsconfig", "fsmount", "fspick"),
    *("mount_setattr", "open_tree_attr", "statmount", "listmount", "name_to_handle_at"),
    *("open_by_handle_at", "perf_event_open", "bpf", "seccomp", "syslog", "acct", "quotactl"),
    *("quotactl_fd", "swapon", "swapoff", "reboot", "kexec_load", "kexec_file_load"),
    *("init_module", "finit_module", "delete_module", "lookup_dcookie", "personality"),
    *("iopl", "ioperm", "modify_ldt", "settimeofday", "clock_settime", "clock_adjtime"),
    *("adjtimex", "sethostname", "setdomainname", "vhangup", "nfsservctl"),
    # programs
    *("execve", "execveat"),
)
# Younger than some libraries; their numbers are the same on all machines.
_YOUNG = {"statmount": 457, "listmount": 458, "setxattrat": 463, "open_tree_attr": 467}


class _Argument(ctypes.Structure):
    """libseccomp's ``scmp_arg_cmp``: argument ``number``, compared with ``a`` (and ``b``)."""

    _fields_ = (
        ("number", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("a", ctypes.c_uint64),
        ("b", ctypes.c_uint64),
    )


def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(_LIBRARY)
    except OSError:
        return None
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_load.argtypes = library.seccomp_release.argtypes = [ctypes.c_void_p]
    library.seccomp_rule_add_array.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(_Argument),
    )
    return library


def can_close() -> bool:
    """Whether libseccomp is here."""
    return _library() is not None


def _rules() -> Iterator[tuple[str, int, tuple[int, int, int, int] | None]]:
    """System call, error, and where not all calls are refused: which."""
    me = os.getpid()
    for name in _REFUSED:
        yield name, errno.EPERM, None
    for name in ("clone", "fork", "vfork"):  # no process, no thread
        yield name, errno.EAGAIN, None
    yield "clone3", errno.ENOSYS, None  # the C library then takes clone
    for name in ("kill", "tgkill"):  # one may end oneself
        yield name, errno.EPERM, (0, _NOT_EQUAL, me, 0)
    yield "socket", errno.EPERM, (0, _NOT_EQUAL, _AF_UNIX, 0)
    yield "prlimit64", errno.EPERM, (0, _NOT_EQUAL, 0, 0)  # limits: one's own alone
    # It dies with its room; and its files in /proc, its place in the queue among them, stay root's.
    for option in (_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE):
        yield "prctl", errno.EPERM, (0, _MASKED_EQUAL, _INT, option)
    for name, commands in (("fcntl", _OF_FCNTL), ("ioctl", _OF_IOCTL)):
        for command in commands:
            yield name, errno.EPERM, (1, _MASKED_EQUAL, _INT, command)


def close_doors(closable: bool = True) -> None:
    """From here on this process, and none other, is without these system calls.

    Args:
        closable: False where ``can_close`` said so: then no more than the right to gain rights by
            starting a program is given up.

    Raises:
        OSError: the kernel does not let itself be asked.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if not closable:
        return
    library = _library()
    assert library is not None
    rules = library.seccomp_init(_ALLOW)  # other machine's calls, as of 32 bits, kill
    for name, error, which in _rules():
        number = library.seccomp_syscall_resolve_name(name.encode())
        number = _YOUNG.get(name, number) if number < 0 else number
        if number < 0:  # this machine has none of that name
            continue
        only = (_Argument * 1)(_Argument(*which)) if which else None
        _done(
            library.seccomp_rule_add_array(rules, _REFUSE | error, number, 1 if which else 0, only)
        )
    _done(library.seccomp_load(rules))
    library.seccomp_release(rules)


def _done(result: int) -> None:
    if result < 0:
        raise OSError(-result, "libseccomp")


def leave_keyring() -> None:
    """Join a new, empty session keyring: the login's own is seen no more."""
    if (library := _library()) is not None:
        libc = ctypes.CDLL(None)
        libc.syscall(library.seccomp_syscall_resolve_name(b"keyctl"), _JOIN_SESSION_KEYRING, None)


# -- Landlock -----------------------------------------------------------------------------------

# Rights on files, by bits: to execute, write, read, list a folder, remove and make; and in younger
# kernels to link into another folder, to cut off, and to steer a device.
_READ = 1 << 0 | 1 << 2 | 1 << 3
_LIST = 1 << 3
_WRITE = _READ | (1 << 13) - 1
_OF_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}


class _Beneath(ctypes.Structure):
    """Landlock's ``landlock_path_beneath_attr``."""

    _pack_ = 1
    _fields_ = (("rights", ctypes.c_uint64), ("folder", ctypes.c_int32))


def _landlock(name: str, *arguments: object) -> int:
    """A call of Landlock's; -1 where there is none."""
    if (library := _library()) is None:
        return -1
    number = library.seccomp_syscall_resolve_name(f"landlock_{name}".encode())
    if number < 0:
        return -1
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    return int(libc.syscall(number, *arguments))


def _version() -> int:
    nothing, size, ask_version = ctypes.c_void_p(None), ctypes.c_size_t(0), ctypes.c_uint32(1)
    return _landlock("create_ruleset", nothing, size, ask_version)


def can_fence() -> bool:
    """Whether Landlock is here, and libseccomp, which knows its numbers."""
    return _version() > 0


def fence(readable: Sequence[str], writable: Sequence[str], listable: Sequence[str] = ()) -> None:
    """From here on this process, and what it starts, reaches no file but below these places; nor
    the memory of a process that is not fenced in with it.

    Args:
        readable: files and folders; what is not there is passed over.
        writable: folders that may be read and written.
        listable: folders in which names may be seen, at any depth, and no more.

    Raises:
        OSError: the kernel does not let itself be asked.
    """
    version = _version()
    handled = _OF_VERSION[max(v for v in _OF_VERSION if v <= version)]
    attribute = ctypes.c_uint64(handled)
    rules = _landlock(
        "create_ruleset", ctypes.byref(attribute), ctypes.c_size_t(8), ctypes.c_uint32(0)
    )
    if rules < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    sides = ((_READ, readable), (_WRITE | 1 << 14, writable), (_LIST, listable))
    for rights, places in sides:
        for place in places:
            with contextlib.suppress(FileNotFoundError):
                here = os.open(place, os.O_PATH | os.O_CLOEXEC)
                of_files = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 14
                allowed = rights if os.path.isdir(place) else rights & of_files
                one = _Beneath(allowed & handled, here)
                beneath, no_flags = ctypes.c_int(1), ctypes.c_uint32(0)
                done = _landlock(
                    "add_rule", ctypes.c_int(rules), beneath, ctypes.byref(one), no_flags
                )
                os.close(here)
                if done < 0:
                    raise OSError(ctypes.get_errno(), "landlock")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    if _landlock("restrict_self", ctypes.c_int(rules), ctypes.c_uint32(0)) < 0:
        raise OSError(ctypes.get_errno(), "landlock")
    os.close(rules)
