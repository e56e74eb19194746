"""Pictures that measure by chance are typical: what they show lies near what theory says.

A student who sees the theory and, far from it, an unlucky draw of ours takes right code for wrong.
"""

import math
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
import torch
from matplotlib.axes import Axes

from ddpm_course import Schedule
from ddpm_course.grading.tasks import chapter

# What other packages say of each other's old ways is not shown in a notebook.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture
def drawn() -> Any:
    """Draws a task's picture with its reference, and gives the axes."""
    mpl.use("agg")

    def draw(name: str) -> Axes:
        one = chapter(name.split(".")[0])
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(one.setup, names)
        for task in one.tasks:
            names[task.answer_name] = task.reference
        exec(next(task.picture for task in one.tasks if task.name == name), names)
        return plt.gca()

    with mpl.rc_context():
        yield draw
    plt.close("all")


def line(axes: Axes, label: str) -> tuple[torch.Tensor, torch.Tensor]:
    (found,) = (one for one in axes.lines if one.get_label() == label)
    x, y = found.get_data()
    return torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)


def near(seen: torch.Tensor, theory: Any, error: Any) -> None:
    """Within three standard errors each, and all together as far off as chance has them."""
    off = (seen - theory) / error
    assert off.abs().max() < 3, off
    assert off.square().mean() < 1 + 3 * math.sqrt(2 / len(off)), off


def test_walks_end_where_the_marginal_says(drawn: Any) -> None:
    axes = drawn("forward.estimate")
    share = Schedule.linear(20, 0.01, 0.2).alpha_bar[20].item()
    mean, variance = 2 * share**0.5, 1 - share
    n, means = line(axes, "mean")
    near(means, mean, (variance / n).sqrt())
    n, variances = line(axes, "variance")
    near(variances, variance, variance * (2 / (n - 1)).sqrt())
    bands = [path.vertices for one in axes.collections[:2] for path in one.get_paths()]
    for (low, high), theory in zip(
        ((band[:, 1].min(), band[:, 1].max()) for band in bands), (mean, variance), strict=True
    ):
        assert low < theory < high
    assert len(n) >= 4


def test_two_steps_have_the_variance_of_one(drawn: Any) -> None:
    axes = drawn("forward.two_steps")
    alpha, measured = line(axes, "measured")
    variance = 1 - 0.7 * alpha
    near(measured, variance, variance * (2 / 19_999) ** 0.5)


def test_every_t_is_drawn_about_equally_often(drawn: Any) -> None:
    heights = torch.tensor([bar.get_height() for bar in drawn("loss.draw_t").patches])
    assert heights[0] == heights[11] == 0
    near(heights[1:11], 10_000.0, math.sqrt(100_000 * 0.1 * 0.9))
    assert (heights[1:11] / 10_000 - 1).abs().max() < 0.03  # and nobody sees a difference


def test_as_many_copies_are_found_as_were_made(drawn: Any) -> None:
    (found,) = drawn("evaluation.copies").lines
    made, seen = (torch.as_tensor(values, dtype=torch.float64) for values in found.get_data())
    inner = slice(1, -1)  # none and all are certain
    near(seen[inner], made[inner], (made * (1 - made) / 30_000).sqrt()[inner])
    assert (seen[0], seen[-1]) == (0, 1)


def test_labels_are_dropped_as_often_as_asked(drawn: Any) -> None:
    axes = drawn("beyond.drop_labels")
    for share in (0.1, 0.5):
        _, items = line(axes, f"share {share}")
        near(items[:10], 200 * (1 - share), math.sqrt(200 * share * (1 - share)))
        near(items[10:], 2000 * share, math.sqrt(2000 * share * (1 - share)))


def test_what_even_steps_cost_is_level(drawn: Any) -> None:
    """Of 12 places t / 20 are masked, and 1 / t of the masks counts: the same at every t."""
    axes = drawn("masked.masked_loss")
    for label, sure in (("knows nothing", 0.0), ("a little", 1.0), ("nearly all", 3.0)):
        _, cost = line(axes, label)
        level = 12 / 20 * (math.log(math.exp(sure) + 3) - sure)
        assert (cost / level - 1).abs().max() < 0.06
        assert cost.mean() / level == pytest.approx(1, abs=0.01)


def test_right_sums_after_one_call_are_those_of_chance(drawn: Any) -> None:
    """Four digits, each drawn by itself from what it is among the hundred sums."""
    digits = torch.tensor(
        [[a, b, (a + b) // 10, (a + b) % 10] for a in range(10) for b in range(10)]
    )
    chances = [torch.bincount(place, minlength=10) / 100 for place in digits.T]
    chance = sum(
        math.prod(chances[place][row[place]].item() for place in range(4)) for row in digits
    )
    (found,) = drawn("masked.right_sums").lines
    shares = torch.as_tensor(found.get_ydata(), dtype=torch.float64)
    near(shares[:1], chance, math.sqrt(chance * (1 - chance) / 1000))
