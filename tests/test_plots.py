import re
from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_course import plots

matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _own_settings():
    import matplotlib.pyplot as plt

    with matplotlib.rc_context():
        plots.style()
        yield
    plt.close("all")


def test_grid_lays_images_out_row_by_row():
    images = torch.stack([torch.full((1, 2, 2), v) for v in (-1.0, 0.0, 5.0)])
    grid = plots.image_grid(images, columns=2)
    assert grid.shape == (7, 7, 1)
    assert (grid[1:3, 1:3] == 0).all()
    assert (grid[0] == torch.tensor(plots.GAP)).all()  # no image has this value
    assert torch.tensor(plots.GAP) != 1
    assert (grid[1:3, 4:6] == 0.5).all()
    assert (grid[4:6, 1:3] == 1).all()  # clipped
    assert (grid[4:6, 4:6] == torch.tensor(plots.GAP)).all()  # empty


@pytest.mark.parametrize("channels", [1, 3])
def test_saved_images_can_be_read_back(tmp_path, channels):
    images = torch.linspace(-1, 1, 4 * channels * 4).view(4, channels, 2, 2)
    plots.save_images(images, tmp_path / "grid.png", scale=3)
    picture = np.asarray(Image.open(tmp_path / "grid.png"))
    assert picture.shape[:2] == (21, 21)
    expected = (plots.image_grid(images) * 255).round().byte().numpy()
    assert (picture.reshape(21, 21, -1)[1::3, 1::3] == expected).all()


@pytest.mark.parametrize("shape", [(0, 1, 8, 8), (4, 2, 8, 8), (4, 8, 8)])
def test_what_is_no_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match="give \\(N, C, H, W\\)"):
        plots.image_grid(torch.zeros(shape))


def laid_out(figure):
    """The images of a figure by the titles of their row and column, and where the titles stand."""
    figure.draw_without_rendering()
    (axes,) = figure.axes
    boxes = [
        [one.get_window_extent() for one in axis.get_ticklabels()]
        for axis in (axes.xaxis, axes.yaxis)
    ]
    across = {
        one.get_text(): box.x0 + box.width / 2
        for one, box in zip(axes.get_xticklabels(), boxes[0], strict=True)
    }
    down = {
        one.get_text(): box.y0 + box.height / 2
        for one, box in zip(axes.get_yticklabels(), boxes[1], strict=True)
    }
    shown = {}
    for image in axes.images:
        box = image.get_window_extent()
        (column,) = [name for name, x in across.items() if box.x0 < x < box.x1]
        (row,) = [name for name, y in down.items() if box.y0 < y < box.y1]
        shown[row, column] = image
        others = [one.get_window_extent() for one in axes.images if one is not image]
        assert not any(box.overlaps(other) for other in others)
        assert box.width == pytest.approx(
            box.height * image.get_array().shape[1] / image.get_array().shape[0]
        )
    return shown, across, down


def test_figures_show_what_they_are_given():
    rows = [torch.zeros(3, 1, 8, 8), torch.ones(2, 1, 8, 8)]
    figure = plots.show_images(rows, ["a", "b"], ["1", "2", "3"])
    shown, across, down = laid_out(figure)
    assert {place: int(image.get_array().mean() * 2) for place, image in shown.items()} == {
        **{("a", column): 1 for column in "123"},
        **{("b", column): 2 for column in "12"},
    }
    assert (list(across), list(down)) == (["1", "2", "3"], ["a", "b"])
    assert sorted(across.values()) == list(across.values())  # from the left
    assert sorted(down.values()) == list(down.values())[::-1]  # and from the top

    clouds = [torch.zeros(10, 2), torch.ones(20, 2), torch.ones(5, 2)]
    figure = plots.show_clouds(clouds, ["x", "y", "z"], columns=2)
    counts = [len(axes.collections[0].get_offsets()) for axes in figure.axes if axes.collections]
    assert counts == [10, 20, 5]


@pytest.mark.parametrize("columns", [4, 12])
def test_titles_of_rows_do_not_run_into_each_other(columns: int) -> None:
    plots.style()
    figure = plots.show_images(
        [torch.zeros(columns, 1, 8, 8)] * 3, ["learned from", "drawn", "nearest"]
    )
    figure.draw_without_rendering()
    (axes,) = figure.axes
    places = [label.get_window_extent() for label in axes.get_yticklabels()]
    assert len(places) == 3
    assert not any(one.overlaps(other) for one, other in combinations(places, 2))
    pictures = [image.get_window_extent() for image in axes.images]
    assert len(pictures) == 3 * columns
    assert not any(one.overlaps(picture) for one in places for picture in pictures)
    assert min(one.x0 for one in places) >= 0


def test_images_are_smooth_unless_their_pixels_are_the_subject():
    images = torch.stack([torch.full((1, 8, 8), -1.0), torch.full((1, 8, 8), 1.0)])
    for pixels, interpolation in ((False, "bicubic"), (True, "nearest")):
        figure = plots.show_images([images], pixels=pixels)
        (axes,) = figure.axes
        assert [image.get_interpolation() for image in axes.images] == [interpolation] * 2
    fine = plots.show_images(images).axes[0].images[0].get_array()
    assert fine.shape == (66, 131)  # 64 dots a side and the lines between
    assert (fine[1:65, 1:65] == 0).all()
    assert (fine[1:65, 66:130] == 1).all()
    assert plots.show_images(images, pixels=True).axes[0].images[0].get_array().shape == (10, 19)
    with pytest.raises(ValueError, match="give \\(N, C, H, W\\)"):
        plots.show_images(torch.zeros(4, 8, 8))


def test_a_row_may_be_a_list_of_pictures() -> None:
    picture = torch.zeros(1, 8, 8)
    figure = plots.show_images([[picture, picture], [picture, picture]])
    assert len(figure.axes[0].images) == 4


@pytest.mark.parametrize("shape", [(1, 6, 12), (3, 12, 6)])
def test_pictures_that_are_no_squares_keep_their_shape(shape) -> None:
    figure = plots.show_images([torch.zeros(2, *shape), torch.zeros(1, *shape)], "ab", "12")
    shown, *_ = laid_out(figure)
    assert set(shown) == {("a", "1"), ("a", "2"), ("b", "1")}


def test_rows_of_other_sizes_stand_below_each_other() -> None:
    shown, *_ = laid_out(
        plots.show_images([torch.zeros(2, 1, 8, 8), torch.zeros(2, 1, 2, 4)], "ab", "12")
    )
    widths = [image.get_window_extent().width for image in shown.values()]
    assert len(widths) == 4
    assert widths == pytest.approx([widths[0]] * 4)


def test_a_quantity_has_one_color_in_every_figure():
    """The pages' own figures take theirs from the style sheet."""
    style = Path(__file__).parents[1] / "book" / "_static" / "live.css"
    by_day = style.read_text(encoding="utf8").split("}")[0]
    found = dict(re.findall(r"--live-(x0|xt|eps|x0hat): (#\w+);", by_day))
    assert {name.replace("_", ""): color.lower() for name, color in plots.OF.items()} == found


def figure_of(draw):
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    draw(axes)
    return figure


def test_a_light_drawing_is_lines_on_no_ground():
    figure = figure_of(lambda axes: axes.plot([1, 2], label="one"))
    svg = plots.as_svg(figure)
    assert svg == plots.as_svg(figure)  # the same at every build
    assert plots.as_dots(figure) is None
    whole = re.search(r'<g id="patch_1">.*?</g>', svg, re.DOTALL)
    assert "opacity: 0" in whole[0] or "fill: none" in whole[0]
    assert figure.get_facecolor() == (1, 1, 1, 1)  # as it was


def test_a_drawing_of_many_lines_is_not_light():
    lines = [[[0, 1], [n, n]] for n in range(plots.MANY + 1)]
    figure = figure_of(lambda axes: [axes.plot(*line) for line in lines])
    assert plots.is_drawing(figure)
    assert plots.as_svg(figure) is None


@pytest.mark.parametrize("many", [False, True])
def test_pictures_and_many_points_are_dots(many):
    import base64
    import io

    points = np.zeros(plots.MANY + 1)
    figure = figure_of(
        lambda axes: axes.scatter(points, points) if many else axes.imshow(np.eye(3))
    )
    assert plots.is_drawing(figure) is many
    assert plots.as_svg(figure) is None
    png, shown = plots.as_dots(figure)
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        assert (picture.info.get("Comment") == "drawing") is many
        assert picture.width // 2 == shown["width"]  # twice the dots


def png_of(figure):
    import base64
    import io

    png, _ = plots.as_dots(figure)
    return Image.open(io.BytesIO(base64.b64decode(png)))


def over(picture, ground):
    """How a picture looks on a ground of one gray."""
    clear = picture.convert("RGBA")
    flat = Image.alpha_composite(Image.new("RGBA", clear.size, (ground,) * 3 + (255,)), clear)
    return np.asarray(flat.convert("RGB")).astype(int)


def test_pictures_are_opaque_and_all_around_them_lets_the_page_through():
    black, white = torch.full((1, 8, 8), -1.0), torch.full((1, 8, 8), 1.0)
    figure = plots.show_images([[black, white]], ["a row"], ["black", "white"])
    picture = png_of(figure)
    alpha = np.asarray(picture.convert("RGBA").getchannel("A"))
    assert set(np.unique(alpha)) >= {0, 255}
    assert (alpha[0] == 0).all()  # the margin
    assert (alpha[:, 0] == 0).all()
    on_white, on_black = over(picture, 255), over(picture, 0)
    inside = alpha == 255
    assert (on_white[inside] == on_black[inside]).all()
    shares = [(on_white[inside] == level).all(axis=-1).mean() for level in (0, 255)]
    assert shares == pytest.approx([0.5, 0.5], abs=0.02)  # one is black, one white: nothing else
    words = on_white[~inside]
    assert words.min() < 30  # the letters are as black as they were
    assert alpha[~inside].max() <= plots.LETS_THROUGH


def test_a_picture_looks_on_white_as_matplotlib_draws_it():
    import io

    def draw(axes):
        axes.imshow(np.linspace(0, 1, 64).reshape(8, 8))
        axes.plot([0, 7], [0, 7], color="#0072B2", alpha=0.5)
        axes.set_title("a title", color="#D55E00")
        axes.fill_between([-3, -1], [0, 0], [7, 7], color="#009E73", alpha=0.3)

    picture = png_of(figure_of(draw))
    file = io.BytesIO()
    figure = figure_of(draw)
    plots.enlarge_letters(figure)
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # it is laid out
    box = figure.get_tightbbox().padded(0.1)
    figure.savefig(file, format="png", dpi=2 * plots.DOTS, bbox_inches=box)
    with Image.open(file) as drawn:
        expected = np.asarray(drawn.convert("RGB")).astype(int)
    off = np.abs(over(picture, 255) - expected).max(axis=-1)
    assert (off > 2 * plots.UNSEEN).mean() < 0.001


@pytest.mark.parametrize(("channels", "directly"), [(1, False), (3, False), (1, True)])
def test_between_the_images_of_a_grid_is_nothing(channels, directly):
    images = torch.ones(5, channels, 8, 8)  # white, as the page by day
    if directly:  # as pages do
        grid = plots.image_grid(images, columns=3)[..., 0].numpy()
        figure = figure_of(lambda axes: (axes.imshow(grid, vmin=0, vmax=1), axes.set_axis_off()))
    else:
        figure = plots.show_images(images, columns=3, pixels=True)
    alpha = np.asarray(png_of(figure).convert("RGBA").getchannel("A"))
    down, across = np.nonzero(alpha == 255)
    part = alpha[down.min() : down.max() + 1, across.min() : across.max() + 1] == 255
    # Five squares of 8 in 17 by 26, with lines of 1 between them and the sixth left out.
    assert part.mean() == pytest.approx(5 * 64 / (17 * 26), abs=0.02)
    assert not part[-len(part) // 4, -part.shape[1] // 8]


def test_what_is_drawn_of_a_figure_is_as_it_was():
    figure = plots.show_images([torch.zeros(2, 1, 8, 8)], ["a"], ["b", "c"])
    before = [(type(one), one.get_visible()) for one in figure.findobj()]
    canvas = figure.canvas
    plots.as_dots(figure)
    assert [(type(one), one.get_visible()) for one in figure.findobj()] == before
    assert {image.get_interpolation() for image in figure.axes[0].images} == {"bicubic"}
    assert figure.get_layout_engine() is not None
    assert figure.canvas is canvas


def test_a_figure_is_drawn_as_wide_as_its_aspect_says_wherever_its_layout_puts_it():
    """The words at the left move the axes, and a box that is given leaves them where they are."""
    figure = figure_of(lambda axes: axes.imshow(np.full((4, 4, 3), (1.0, 0, 0)), aspect="equal"))
    figure.axes[0].set_ylabel("three\nlines\nof words")
    figure.axes[0].axis((-0.5, 3.5, 3.5, -0.5))
    flat, mask = plots.dots(figure, plots.DOTS, figure.bbox_inches)
    for inside in (np.asarray(mask) == 255, np.ptp(np.asarray(flat), axis=-1) > 200):
        down, across = inside.any(axis=1).sum(), inside.any(axis=0).sum()
        assert 200 < down == pytest.approx(across, abs=2)
    assert flat.size == tuple(figure.bbox.size.round().astype(int))


def test_a_formula_is_read_once_for_all_figures(monkeypatch):
    from matplotlib import _mathtext

    read, parse = [], _mathtext.Parser.parse

    def parse_and_tell(self, text, *rest):
        read.append(text)
        return parse(self, text, *rest)

    monkeypatch.setattr(_mathtext.Parser, "parse", parse_and_tell)
    for _ in range(3):
        figure = figure_of(lambda axes: axes.set_title("$x_{1234}$"))
        plots.dots(figure, 3 * plots.DOTS, figure.bbox_inches)
    assert 1 <= read.count("$x_{1234}$") <= 2  # for its place, and with more dots for its picture


def test_few_colors_are_taken_only_where_nobody_sees_it():
    dots = np.random.default_rng(0).integers(0, 256, (20_000, 3), dtype=np.uint8)
    assert plots.few_colors(dots, 80, always=False) is None
    colors, places = plots.few_colors(dots, 80, always=True)
    assert len(colors) <= 80
    assert len(places) == len(dots)
    gray = np.repeat(dots[:, :1], 3, axis=1)
    colors, places = plots.few_colors(gray, 80, always=False)
    assert (np.abs(colors[places].astype(int) - gray) > plots.UNSEEN).mean() <= 0.001


def small(axes):
    axes.plot([1, 2], label="one")
    axes.legend(fontsize=6)
    axes.set_title("a title", fontsize=20)


def test_words_of_a_figure_are_as_large_as_a_phone_needs_them():
    figure = figure_of(small)
    assert plots.letters(figure) == 6
    width = figure.get_size_inches()[0] * plots.DOTS
    plots.enlarge_letters(figure)
    assert plots.letters(figure) * plots.DOTS / 72 * plots.PHONE / width == pytest.approx(
        plots.LEGIBLE
    )
    assert figure.axes[0].title.get_fontsize() == 20  # what is large stays
    figure.set_size_inches(20, 4)
    plots.enlarge_letters(figure)
    assert plots.letters(figure) == plots.LARGEST


def test_a_figure_says_how_large_its_words_are():
    import base64
    import io

    svg = plots.as_svg(figure_of(small))
    size = float(re.search(r"letters ([\d.]+) pt", svg)[1])
    figure = figure_of(lambda axes: axes.imshow(np.eye(3)))
    png, _ = plots.as_dots(figure)
    with Image.open(io.BytesIO(base64.b64decode(png))) as picture:
        assert picture.info["Description"] == f"letters {plots.letters(figure):g} pt"
    assert size == pytest.approx(plots.letters(figure), abs=1e-4)
    figure.axes[0].set_axis_off()
    assert plots.letters(figure) == 0  # what is not seen does not count


def test_a_figure_is_shown_as_wide_as_its_words_need():
    assert plots.least_width(0, 770) == 0  # no words
    assert plots.least_width(72 / plots.DOTS * plots.LEGIBLE, 770) == 770  # just so
    assert plots.least_width(72 / plots.DOTS * plots.LEGIBLE * 2, 770) == 385
    assert plots.least_width(1, 770) == 770  # never wider than it is
