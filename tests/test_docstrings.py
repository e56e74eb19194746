"""Every example in a docstring runs, and gives what stands below it."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for path in sorted((ROOT / "ddpm_course").rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_run_and_give_what_they_say(name: str) -> None:
    module = importlib.import_module(name)
    tests = [test for test in doctest.DocTestFinder().find(module, globs={}) if test.examples]
    assert tests
    runner = doctest.DocTestRunner()
    told: list[str] = []
    for test in tests:
        runner.run(test, out=told.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(told)
