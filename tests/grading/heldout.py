"""What every set of held-out answers is written with."""

from collections.abc import Callable
from typing import Any

Right = list[tuple[str, Any]]
Wrong = list[tuple[str, str, Any]]


def collect() -> tuple[Right, Wrong, Callable[..., None], Callable[[str, str, Any], None]]:
    """An empty set, and what puts answers into it: ``right(task, *answers)`` and
    ``wrong(task, told, answer)``; ``told`` is a pattern that a sentence which names the slip
    matches."""
    rights: Right = []
    wrongs: Wrong = []

    def right(task: str, *answers: Any) -> None:
        rights.extend((task, answer) for answer in answers)

    def wrong(task: str, told: str, answer: Any) -> None:
        wrongs.append((task, told, answer))

    return rights, wrongs, right, wrong
