"""Closes the doors of the kernel that no answer needs, for good, in the process that calls it.

Limits on time and memory do not reach everything: another process of the same user, memory that
the kernel keeps (segments, memfds, locked pipes), keys, namespaces. libseccomp, which knows the
numbers of the system calls on every machine, refuses them by name.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Iterator

__all__ = ["can_close", "close_doors", "leave_keyring"]

_LIBRARY = "libseccomp.so.2"
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000  # what to do; a refusal carries its error number
_PR_SET_NO_NEW_PRIVS = 38
_NOT_EQUAL, _EQUAL = 1, 4  # how an argument is compared
_F_SETPIPE_SZ, _AF_UNIX, _JOIN_SESSION_KEYRING = 1031, 1, 1

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
    yield "fcntl", errno.EPERM, (1, _EQUAL, _F_SETPIPE_SZ, 0)


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
