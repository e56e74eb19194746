"""The check cell of a notebook: ``check("marginal.sample", sample)``."""

from __future__ import annotations

import html
import sys
from types import TracebackType
from typing import Any

from ddpm_course.grading.answers import examine
from ddpm_course.grading.tasks import find

__all__ = ["Blank", "Wrong", "calm_notebook", "check"]


class Wrong(AssertionError):
    """A wrong answer. A notebook shows its one sentence, without a traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython calls this
        return [f"\x1b[31m✗ {self}\x1b[0m"]


class Blank(Wrong):
    """No answer yet: a quiet line, which is an error to nbgrader all the same."""

    def _render_traceback_(self) -> list[str]:
        return [f"\x1b[90m· {self}\x1b[0m"]


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
            the answer differs. ``Blank``, a kind of it, where there is no answer yet.
        ValueError: there is no task of that name.
    """
    task = find(name)
    verdict = examine(task, answer)
    if verdict.blank:
        picture = ": the picture comes when the check is green" if task.picture else ""
        raise Blank(f"{name}: not answered yet{picture}.") from None
    if not verdict.right:
        raise Wrong(f"{name}: {verdict.sentence}") from None
    try:
        from IPython.display import display
    except ImportError:
        print(_Right(task.lesson))
    else:
        display(_Right(task.lesson))


def calm_notebook() -> None:
    """In IPython, let a cell that meets a blank answer stop without a word: its check says it.

    Only the bare ``raise NotImplementedError()`` of the exercises is passed over; one with a
    message is somebody's error.
    """
    if "IPython" not in sys.modules:
        return
    from IPython import get_ipython

    def quiet(
        shell: Any,
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
        tb_offset: int | None = None,
    ) -> None:
        if error.args:
            shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        elif plots := sys.modules.get("matplotlib.pyplot"):
            plots.close("all")  # no half of a picture

    if (shell := get_ipython()) is not None:
        shell.set_custom_exc((NotImplementedError,), quiet)


calm_notebook()
