"""The hostile submissions again, as an ordinary user: root and a user are let different things."""

import contextlib
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
USER = 60_999  # of an account that nobody has
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(
        sys.platform != "linux" or os.geteuid() != 0, reason="whoever is no root is such a user"
    ),
]


def closed_above(path: Path) -> list[Path]:
    """The folders above a file that only their owner may enter."""
    return [one for one in path.parents if not one.stat().st_mode & stat.S_IXOTH]


@pytest.fixture
def home() -> Iterator[Path]:
    """Outside of pytest's own folder, which each pytest that starts closes to all but its owner."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def test_the_hostile_submissions_gain_nothing_as_an_ordinary_user(home: Path, walls: None) -> None:
    from ddpm_course.grading.bubblewrap import find

    setpriv, bwrap = shutil.which("setpriv"), find()
    assert setpriv is not None
    assert bwrap is not None
    # Root's Python may lie in root's own folder: a view of the machine in which all may enter it.
    view = [bwrap, "--dev-bind", "/", "/"]
    prefixes = dict.fromkeys(map(Path, (sys.prefix, sys.base_prefix, ROOT)))
    for top in dict.fromkeys(one for path in prefixes for one in closed_above(path)):
        view += ["--perms", "0755", "--tmpfs", str(top)]
    for path in prefixes:
        for above in reversed(path.parents if closed_above(path) else ()):
            if any(above.is_relative_to(top) for top in closed_above(path)):
                view += ["--perms", "0755", "--dir", str(above)]
        if closed_above(path):
            view += ["--ro-bind", str(path), str(path)]
    os.chown(home, USER, USER)
    command = [
        *(*view, "--", setpriv, f"--reuid={USER}", f"--regid={USER}", "--clear-groups"),
        *("env", f"HOME={home}", "CI=", f"TMPDIR={home}"),
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"),
        *(f"--basetemp={home / 'tests'}", "-m", "slow or not slow"),
        str(ROOT / "tests" / "grading" / "test_judge_hostile.py"),
        str(ROOT / "tests" / "grading" / "test_doors.py"),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            out, err = process.communicate(timeout=1100)
        finally:  # all of them, if it takes too long
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    told = [line for line in out.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert process.returncode == 0, "\n".join([*told, out[-3000:], err[-1000:]])
    assert " passed" in out
    assert "skipped" not in out.splitlines()[-1]
