"""What many tests share: the schedules that every formula is checked on, and a seeded generator."""

import os
from collections import defaultdict

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
