"""What many tests share: the schedules that every formula is checked on, and a seeded generator."""

import os
import re
from collections import defaultdict
from typing import Any

import pytest
import torch

from ddpm_course import Schedule
from tests.browser import browser, missing

__all__ = ["browser"]  # one for the whole session, whoever asks

SCHEDULES = {
    "linear-1000": lambda: Schedule.linear(1000),
    "linear-10": lambda: Schedule.linear(10, 0.01, 0.6),
    "cosine-1000": lambda: Schedule.cosine(1000),
    "one-step": lambda: Schedule.linear(1, 0.3, 0.3),
}


@pytest.fixture(params=SCHEDULES, scope="session")
def schedule(request: pytest.FixtureRequest) -> Schedule:
    return SCHEDULES[request.param]()


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(scope="session")
def walls() -> None:
    """For tests that need the grader's walls: they run hostile code."""
    from ddpm_course.grading.sandbox import why_no_walls

    if why := why_no_walls():
        missing(f"these tests need bubblewrap's walls. {why}")


# Tests of these files share what one of them prepares for minutes.
TOGETHER = (
    "tests/book/test_firefox.py",
    "tests/grading/test_judge_hostile.py",
    "tests/grading/test_ordinary.py",
)


def group(nodeid: str) -> str:
    """What one worker shall have: all tests of a page of the book, or of a file; or one test."""
    file = nodeid.split("::")[0]
    page = re.search(r"\[([\w-]+\.html)", nodeid)
    return file if file in TOGETHER else page[1] if page else nodeid


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Groups of our own: since pytest 9.2 xdist no longer sees its marks of groups."""
    if config.getvalue("dist") != "loadgroup":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group(nodeid)

    return Together(config, log)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Where the checks are the point (CI is set) a test that was skipped has not passed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """How many mutants the tests made, and how many they caught."""
    totals: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name.startswith("mutants of") and report.when == "call":
                    totals[name] = [a + b for a, b in zip(totals[name], value, strict=True)]
    for name, (made, caught) in totals.items():
        terminalreporter.write_line(f"{name}: {made} made, {caught} caught")
