"""Whatever a check calls right draws its picture: the next cell has no traceback."""

import contextlib
import io
from typing import Any

import matplotlib
import pytest
from alternatives import ALTERNATIVES

from ddpm_course.grading.answers import Bench
from ddpm_course.grading.task import Chapter
from ddpm_course.grading.tasks import CHAPTERS, chapter

# What other packages say of each other's old ways is not shown in a notebook.
pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(autouse=True)
def no_windows() -> Any:
    import matplotlib.pyplot as plt

    matplotlib.use("agg")
    yield
    plt.close("all")


def run(source: str, names: dict[str, Any]) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(source, "<a cell>", "exec"), names)


@pytest.mark.parametrize("one", [chapter(name) for name in CHAPTERS], ids=lambda one: one.name)
def test_every_right_answer_draws_its_picture(one: Chapter) -> None:
    import matplotlib.pyplot as plt

    names: dict[str, Any] = {"__name__": "__main__", "check": lambda *_: None}
    run(one.setup, names)
    drawn = 0
    for task in one.tasks:
        run(task.given, names)
        bench = Bench(task)
        for answer in ALTERNATIVES[task.name] if task.picture else ():
            assert bench.examine(answer).right
            run(task.picture, {**names, task.answer_name: answer})
            drawn += 1
            plt.close("all")
        names[task.answer_name] = task.reference
    assert drawn >= 5
