"""What many tests share: the schedules that every formula is checked on, and a seeded generator."""

from collections import defaultdict

import pytest
import torch

from ddpm_course import Schedule
from tests.browser import browser

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
