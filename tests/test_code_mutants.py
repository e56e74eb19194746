"""`make mutants` itself: it makes errors in a module, and tells which of them its tests find."""

import shutil
import sys

import pytest

from tests import code_mutants

MODULE = """\
class Number:
    def __init__(self, x):
        self.x = x

    @property
    def doubled(self):
        return self.x * 2

    def shifted(self):
        return self.x + 1
"""
TESTS = """\
from ddpm_course.small import Number

def test_number():
    assert Number(1).doubled == 2  # as 1 * 2 and not as 1 / 2 or 1 * 3
    assert Number(1).shifted() >= 0  # says too little
"""
LISTED = """\
# A remark
small.Number.shifted: return self.x + 1 -> return self.x + 2
  For this test.
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="mutmut runs on Linux and macOS")
def test_errors_are_made_found_or_told(tmp_path, monkeypatch, capsys):
    """With pytest's and mutmut's settings as they are: one that cannot be borne is seen here."""
    root = tmp_path / "root"
    (root / "ddpm_course").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "ddpm_course/__init__.py").touch()
    (root / "tests/__init__.py").touch()
    (root / "ddpm_course/small.py").write_text(MODULE)
    (root / "tests/test_small.py").write_text(TESTS)
    (tmp_path / "equal.txt").write_text(LISTED)
    shutil.copy(code_mutants.__file__, root / "tests")
    shutil.copy(code_mutants.ROOT / "pyproject.toml", root)
    monkeypatch.setattr(code_mutants, "ROOT", root)
    monkeypatch.setattr(code_mutants, "PLACE", tmp_path / "place")
    monkeypatch.setattr(code_mutants, "EQUAL", tmp_path / "equal.txt")
    monkeypatch.setattr(code_mutants, "MODULES", {"small": ["small"]})
    assert not code_mutants.run("small")
    assert capsys.readouterr().out.splitlines() == [
        "small: 5 mutants, 3 killed, 1 equal, 80.0%",
        "  survived: small.Number.shifted: return self.x + 1 -> return self.x - 1",
    ]
