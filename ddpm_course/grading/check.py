"""The check cell of a notebook: ``check("marginal.sample", sample)``."""

from __future__ import annotations

import html
from typing import Any

from ddpm_course.grading.answers import examine
from ddpm_course.grading.tasks import find

__all__ = ["Wrong", "check"]


class Wrong(AssertionError):
    """A wrong answer. A notebook shows its one sentence, without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython calls this
        return [f"\x1b[31m✗ {self}\x1b[0m"]


class _Right:
    """The short sentence after a green mark."""

    def __init__(self, sentence: str) -> None:
        self.sentence = sentence

    def __repr__(self) -> str:
        return f"✓ Right: {self.sentence}"

    def _repr_html_(self) -> str:
        # The words keep the page's color, which can be read on a dark page as on a light one.
        mark = '<span style="color: #1a7f37">✓</span>'
        return f"<p>{mark} Right: {html.escape(self.sentence)}</p>"


def check(name: str, answer: Any) -> None:
    """Compare an answer with the task's reference on its public cases.

    Args:
        name: the task, as in "marginal.sample".
        answer: your function, or your value.

    Raises:
        Wrong: the answer is not right; the sentence names the mistake it looks like, or says how
            the answer differs.
        ValueError: there is no task of that name.
    """
    task = find(name)
    verdict = examine(task, answer)
    if not verdict.right:
        raise Wrong(f"{name}: {verdict.sentence}") from None
    try:
        from IPython.display import display
    except ImportError:
        print(_Right(task.lesson))
    else:
        display(_Right(task.lesson))
