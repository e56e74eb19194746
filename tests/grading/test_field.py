"""A drawn field: every paper and every citation is there, and time runs one way."""

import matplotlib
import matplotlib.pyplot as plt
import pytest
from matplotlib.collections import PathCollection
from matplotlib.patches import FancyArrowPatch

from ddpm_course.grading.field import draw_field

matplotlib.use("Agg")

FIELD = {"A": [], "B": ["A"], "C": ["A", "B"], "D": []}


@pytest.fixture
def axes():
    (axes,) = draw_field(FIELD, told={"B": 7}, marked={"C"}, sizes={"A": 2}).axes
    yield axes
    plt.close("all")


def places(axes) -> dict[str, tuple[float, float]]:
    return {text.get_text()[0]: text.get_position() for text in axes.texts}


def test_every_paper_is_named_and_told(axes) -> None:
    assert sorted(text.get_text() for text in axes.texts) == ["A", "B\n7", "C", "D"]


def test_an_arrow_leads_from_each_paper_to_what_it_cites(axes) -> None:
    arrows = [patch for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    assert len(arrows) == sum(map(len, FIELD.values()))


def test_a_paper_stands_to_the_right_of_all_it_cites(axes) -> None:
    at = places(axes)
    for paper, cited in FIELD.items():
        assert all(at[one][0] < at[paper][0] for one in cited)
    assert len(set(at.values())) == len(FIELD)


def test_marks_and_sizes_are_their_papers(axes) -> None:
    (circles,) = [c for c in axes.collections if isinstance(c, PathCollection)]
    papers = {tuple(circles.get_offsets()[i]): i for i in range(4)}
    index = {paper: papers[place] for paper, place in places(axes).items()}
    sizes, colors = circles.get_sizes(), circles.get_facecolors()
    assert sizes[index["A"]] == 4 * sizes[index["B"]] == 4 * sizes[index["D"]]
    assert tuple(colors[index["C"]]) != tuple(colors[index["A"]])
    assert len({tuple(colors[index[paper]]) for paper in "ABD"}) == 1
