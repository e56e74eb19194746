"""What many tests share: the schedules that every formula is checked on, and a seeded generator."""

import pytest
import torch

from ddpm_course import Schedule

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
