"""One look for every figure of the book: pictures of images, of point clouds, of curves."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_course import checks

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axis import Axis
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.text import Text
    from matplotlib.transforms import Bbox
    from PIL.Image import Image

__all__ = ["COLORS", "OF", "image_grid", "save_images", "show_clouds", "show_images", "style"]

# Okabe and Ito's palette without its yellow: readers with any color vision can part these.
COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#333333")

# What is drawn of these has this color in every figure, those that the pages compute included.
OF = {"x_0": "#0072B2", "x_t": "#D55E00", "eps": "#B0518F", "x0_hat": "#00805F"}

MADE_BY = "ddpm_course"  # kept in each picture that is saved
FOR_THE_BOOK = "DDPM_COURSE_BOOK"  # in the environment of the book's build: `as_svg`
MANY = 400  # points of a light drawing
# Between the images of a grid: white as 1 is, and yet no value of an image.
GAP = 1 + 2**-20
LETS_THROUGH = 250  # of 255, at most, how opaque a dot is that belongs to no picture
DRAWN = 5 / 16  # of the colors of a PNG, those of what is drawn; the rest are for its pictures
LETTER = 0.075  # inches, of a title
EDGE: dict[str, Any] = {"linewidth": 0.5, "edgecolor": "#b0b0b0"}  # of a picture
BETWEEN = 0.085  # inches, from one picture to the next
UNSEEN = 6  # levels of 255 by which nobody sees a color change
DOTS = 110  # dots per inch on the page
# On a phone a figure has this much room (CSS pixels, less a margin), and its letters are this high.
PHONE, LEGIBLE = 380, 9.0
LARGEST = (
    12.5  # points: letters are made no larger for a phone's sake; a wider figure scrolls there
)


def style() -> None:
    """Set matplotlib up for the book: quiet axes, readable sizes, colors that all can tell."""
    import matplotlib as mpl
    from cycler import cycler

    if "IPython" in sys.modules and sys.modules["IPython"].get_ipython() is not None:
        # Twice the dots at the same size on the page: screens with fine pixels show them all.
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")
        if os.environ.get(FOR_THE_BOOK):
            _show_for_the_book()
    mpl.rcParams.update(
        {
            "figure.figsize": (7.0, 3.4),
            "figure.dpi": DOTS,
            "savefig.dpi": DOTS,
            "figure.facecolor": "white",
            "figure.constrained_layout.use": True,
            "savefig.bbox": "tight",
            "font.size": 11,
            "mathtext.fontset": "cm",
            "axes.prop_cycle": cycler(color=COLORS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": "#666666",
            "axes.titlesize": 11,
            "axes.grid": True,
            "grid.color": "#e4e4e4",
            "grid.linewidth": 0.8,
            "axes.axisbelow": True,
            "lines.linewidth": 2,
            "legend.frameon": False,
            "image.cmap": "gray",
            "image.interpolation": "nearest",
        }
    )


def is_drawing(figure: Figure) -> bool:
    """Whether a figure is drawn, of lines, points and words, and shows no picture."""
    return not any(axes.images for axes in figure.axes)


def _words(figure: Figure) -> Iterator[tuple[Axis | None, list[Text]]]:
    """All words that a figure shows: those at the ticks of an axis with it, and all others."""
    words = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        words += [axes.title, *axes.texts]
        if legend := axes.get_legend():
            words += legend.get_texts()
        if axes.axison:
            for axis in (axes.xaxis, axes.yaxis):
                words.append(axis.label)
                yield axis, _seen(axis.get_ticklabels())
    yield None, _seen(words)


def _seen(words: Iterable[Text]) -> list[Text]:
    return [text for text in words if text.get_visible() and text.get_text().strip()]


def letters(figure: Figure) -> float:
    """The size of the smallest words of a figure, in points; 0 where it has none."""
    return min(
        (float(text.get_fontsize()) for _, words in _words(figure) for text in words), default=0.0
    )


def least_width(size: float, width: float) -> int:
    """How wide a figure must at least be shown so that its letters can be read.

    Args:
        size: of its smallest letters, in points (``letters``).
        width: its own width, in CSS pixels.
    """
    return math.ceil(min(width, width * LEGIBLE / (size * DOTS / 72))) if size else 0


def enlarge_letters(figure: Figure) -> float:
    """Make small words as large as a phone needs them, where that is not too large.

    Returns:
        How large the smallest are then, as ``letters`` says.
    """
    need = min(LARGEST, LEGIBLE * 72 / DOTS * figure.get_size_inches()[0] * DOTS / PHONE)
    sizes = []
    for axis, words in _words(figure):
        if axis is not None and any(text.get_fontsize() < need for text in words):
            axis.set_tick_params(labelsize=need)  # ticks to come, too
        for text in words:
            text.set_fontsize(max(need, text.get_fontsize()))
            sizes.append(float(text.get_fontsize()))
    return min(sizes, default=0.0)


def is_light(figure: Figure) -> bool:
    """Whether a drawing has few parts: many weigh more as paths of an SVG than as dots."""
    import numpy as np

    clouds = [len(np.asarray(c.get_offsets())) for axes in figure.axes for c in axes.collections]
    lines = [len(np.asarray(line.get_xdata())) for axes in figure.axes for line in axes.lines]
    parts = sum(len(axes.get_children()) for axes in figure.axes)
    return parts <= MANY and sum(clouds) <= MANY and sum(lines) <= 25 * MANY


def as_svg(figure: Figure) -> str | None:
    """A light drawing as SVG, sharp at any size, nothing behind it; None for any other figure."""
    import io

    import matplotlib as mpl

    if not (is_drawing(figure) and is_light(figure)):
        return None
    about = {"Date": None, "Description": f"letters {enlarge_letters(figure):g} pt"}
    figure.draw_without_rendering()  # the layout for these letters, before it is written down
    file = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": MADE_BY}):  # the same at every build
        figure.savefig(file, format="svg", transparent=True, metadata=about)
    return file.getvalue()


def as_dots(figure: Figure) -> object:
    """What is no light drawing as PNG, with twice the dots; a drawing says so in its comment."""
    import base64
    import io

    from PIL.PngImagePlugin import PngInfo

    drawing = is_drawing(figure)
    if drawing and is_light(figure):
        return None
    about = PngInfo()
    about.add_text("Description", f"letters {enlarge_letters(figure):g} pt")
    about.add_text("Comment", "drawing" if drawing else "pictures")
    picture = without_ground(*dots(figure, 2 * DOTS))
    file = io.BytesIO()
    level = 9 if picture.mode == "P" else 7  # of many colors, the last percent would take a second
    picture.save(file, "PNG", compress_level=level, dpi=(2 * DOTS, 2 * DOTS), pnginfo=about)
    shown = {"width": picture.width // 2, "height": picture.height // 2}
    return base64.b64encode(file.getvalue()).decode(), shown


def dots(figure: Figure, dpi: float, box: Bbox | None = None) -> tuple[Image, Image]:
    """Draw a figure on white, and where in it pictures are.

    Args:
        box: the part of the figure that is drawn, in inches; when left out, all that is in it.

    Returns:
        The drawing (RGB), and of the same size a mask (L): 255 where a picture is, less elsewhere.
    """
    with _laid_out(figure) as canvas:
        return _dots(canvas, dpi, box or figure.get_tightbbox().padded(0.1))


@contextmanager
def _laid_out(figure: Figure) -> Iterator[FigureCanvasAgg]:
    """Lay a figure out, once, as it costs more than a drawing; it is drawn here as it stands."""
    import matplotlib as mpl

    layout, canvas = figure.get_layout_engine(), figure.canvas
    ours = _canvas()(figure)
    if layout is not None and figure.axes:
        layout.execute(figure)
    for axes in figure.axes:
        axes.apply_aspect()
    # None, as after "none" each drawing would be drawn twice; and None means what the settings say.
    with mpl.rc_context({"figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
        try:
            yield ours
        finally:
            figure.set_canvas(canvas)
            figure.set_layout_engine(layout or "none")


def _dots(canvas: FigureCanvasAgg, dpi: float, part: Bbox) -> tuple[Image, Image]:
    import io

    import numpy as np
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage
    from PIL import Image

    figure = canvas.figure

    def drawn(transparent: bool) -> np.ndarray:
        """(H, W, 4) uint8"""
        figure.savefig(
            io.BytesIO(), format="rgba", dpi=dpi, bbox_inches=part, transparent=transparent
        )
        return np.array(canvas.buffer_rgba())

    flat = Image.fromarray(np.ascontiguousarray(drawn(transparent=False)[..., :3]))
    if not figure.findobj(lambda one: isinstance(one, AxesImage | QuadMesh)):
        return flat, Image.new("L", flat.size, 0)
    # Once more with the pictures alone, each of them plain; nothing moves when the words are gone.
    kept = AxesImage | QuadMesh | Axes | Figure
    others = [
        one for one in figure.findobj(Artist) if one.get_visible() and not isinstance(one, kept)
    ]
    pictures: list[tuple[AxesImage, Any, str | None]] = [
        (one, np.ma.asanyarray(one.get_array()), one.get_interpolation())
        for one in figure.findobj(AxesImage)
    ]
    for one in others:
        one.set_visible(False)
    for one, values, _ in pictures:
        one.set_interpolation("nearest")
        if values.ndim == 2:
            one.set_data(np.ma.masked_where(values == np.float32(GAP), values))
    mask = Image.fromarray(np.ascontiguousarray(drawn(transparent=True)[..., 3]))
    for one in others:
        one.set_visible(True)
    for one, values, interpolation in pictures:
        one.set_interpolation(interpolation)
        one.set_data(values)
    return flat, mask


@cache
def _canvas() -> type[FigureCanvasAgg]:
    """Canvases that read a formula once: matplotlib reads it anew for each size of each figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg, RendererAgg

    shared: dict[str, Any] = {}

    class Canvas(FigureCanvasAgg):
        def get_renderer(self) -> RendererAgg:
            renderer = super().get_renderer()
            renderer.mathtext_parser = shared.setdefault("parser", renderer.mathtext_parser)
            return renderer

    return Canvas


def without_ground(flat: Image, mask: Image, colors: int = 256, always: bool = False) -> Image:
    """The same picture without its white ground, in few colors where nobody sees that.

    A dot that belongs to no picture becomes as transparent as it can be: over white it looks as
    it did, and by night the page turns these dots, and no others, into light ones on its own
    ground (``book.css`` tells them by their being less than opaque).

    Args:
        flat, mask: as ``dots`` gives them.
        always: take so few colors even where it is to be seen.
    """
    import numpy as np
    from PIL import Image

    of, inside = np.asarray(flat), np.asarray(mask) == 255
    most = round(DRAWN * colors)
    drawn = few_colors(of[~inside], most, always)
    pictures = few_colors(of[inside], colors - most, always)
    if drawn is None or pictures is None:
        return Image.fromarray(np.where(inside[..., None], _opaque(of), _thinned(of)))
    thin = _thinned(drawn[0])
    palette = np.concatenate([thin[:, :3], pictures[0]])
    index = np.zeros(inside.shape, dtype=np.uint8)
    index[~inside], index[inside] = drawn[1], pictures[1] + len(thin)
    picture = Image.fromarray(index)
    picture.putpalette(palette.tobytes())
    picture.info["transparency"] = thin[:, 3].tobytes()  # all others are opaque
    return picture


def few_colors(of: np.ndarray, most: int, always: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """At most so many colors in place of those of these dots, (n, 3), where nobody sees it: of a
    thousand dots, 999 are within ``UNSEEN`` of 255 levels of what they were. Else None.

    Returns:
        The colors, (most, 3) or fewer, and for each dot which of them is its own.
    """
    import numpy as np
    from PIL import Image

    if len(of) == 0:
        return of, np.zeros(0, dtype=np.uint8)
    row = Image.fromarray(of[None])
    fewer = row.quantize(most, kmeans=0 if always else 2, dither=Image.Dither.NONE)
    palette = np.array(fewer.getpalette(), dtype=np.uint8).reshape(-1, 3)
    places = np.asarray(fewer)[0]
    if always:
        return palette, places
    moved = np.abs(palette[places].astype(int) - of) > UNSEEN
    return (palette, places) if (moved.mean(axis=0) <= 1 / 1000).all() else None


def _opaque(colors: np.ndarray) -> np.ndarray:
    import numpy as np

    return np.concatenate([colors, np.full_like(colors[..., :1], 255)], axis=-1)


def _thinned(colors: np.ndarray) -> np.ndarray:
    """Colors with an opacity, as little as there can be, that over white look like these."""
    import numpy as np

    light = colors.astype(float)
    opacity = (255 - light.min(axis=-1, keepdims=True)).clip(max=LETS_THROUGH)
    ink = 255 - (255 - light) * 255 / opacity.clip(min=1)
    return np.concatenate([ink.clip(0, 255), opacity], axis=-1).round().astype(np.uint8)


def _show_for_the_book() -> None:
    """Have a page of the book show light drawings as SVG, and say which other figures are drawn."""
    from matplotlib.figure import Figure

    formatters = sys.modules["IPython"].get_ipython().display_formatter.formatters
    formatters["image/svg+xml"].for_type(Figure, as_svg)
    formatters["image/png"].for_type(Figure, as_dots)


def image_grid(images: Tensor, columns: int | None = None) -> Tensor:
    """Lay images out in rows.

    Args:
        images: (N, C, H, W) in [-1, 1], with C = 1 or 3, values outside are clipped; or uint8.
        columns: images a row; about a square when left out.

    Returns:
        (rows · (H + 1) + 1, columns · (W + 1) + 1, C) in [0, 1]; between images, and where there
        is none, ``GAP``, which is 1 but for its last digits.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3) or len(images) == 0:
        raise ValueError(
            f"images has shape {tuple(images.shape)}; give (N, C, H, W) with C = 1 or 3, N >= 1."
        )
    images = checks.pictures(images)
    if columns is not None and columns < 1:
        raise ValueError(f"columns is {columns}; a row needs at least 1 image.")
    count, channels, height, width = images.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    grid = torch.full((channels, rows * (height + 1) + 1, columns * (width + 1) + 1), GAP)
    for i, image in enumerate(images.detach().float().cpu().clamp(-1, 1)):
        top, left = (i // columns) * (height + 1) + 1, (i % columns) * (width + 1) + 1
        grid[:, top : top + height, left : left + width] = (image + 1) / 2
    return grid.permute(1, 2, 0)


def save_images(images: Tensor, path: str | os.PathLike[str], scale: int = 6) -> None:
    """Write ``image_grid(images)`` to a PNG, each pixel ``scale`` pixels wide."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    made = PngInfo()
    made.add_text("Software", MADE_BY)
    grid = (image_grid(images) * 255).round().byte().numpy()
    picture = Image.fromarray(grid.squeeze(-1) if grid.shape[-1] == 1 else grid)
    size = (picture.width * scale, picture.height * scale)
    picture.resize(size, Image.Resampling.NEAREST).save(Path(path), format="PNG", pnginfo=made)


def _finer(images: Tensor) -> Tensor:
    """The same images with eight by eight dots a pixel, running smoothly from one to the next."""
    images = checks.pictures(images).detach().float().cpu().clamp(-1, 1)
    return F.interpolate(images, scale_factor=8, mode="bicubic").clamp(-1, 1)


def show_images(
    rows: Tensor | Sequence[Tensor],
    row_titles: Sequence[str] = (),
    column_titles: Sequence[str] = (),
    columns: int | None = None,
    pixels: bool = False,
) -> Figure:
    """Draw images: one (N, C, H, W) batch as a grid, or a sequence of batches as one row each.

    The colors run smoothly from pixel to pixel: 64 sharp squares hide the digit that they show.

    Args:
        rows: images in [-1, 1], or uint8.
        pixels: draw each pixel as a square instead, where the pixels are what there is to see.
        row_titles: words at the left of each row (with a sequence of batches).
        column_titles: words above each column (with a sequence of batches).
        columns: images a row, for one batch.
    """
    import matplotlib.pyplot as plt
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    if isinstance(rows, Tensor):
        smooth = not pixels and rows.ndim == 4 and len(rows) > 0  # image_grid refuses the others
        grid = image_grid(_finer(rows) if smooth else rows, columns)
        height, width = grid.shape[:2]
        figure, axes = plt.subplots(figsize=(7.0, 7.0 * height / width))
        if grid.shape[-1] == 3:  # matplotlib takes no color above 1, but one that lets through
            grid = torch.cat([grid.clamp(max=1), (grid[..., :1] != GAP).to(grid)], dim=-1)
        axes.imshow(grid.squeeze(-1).numpy(), vmin=0, vmax=1)
        axes.set_axis_off()
        return figure
    batches = (
        row if isinstance(row, Tensor) else torch.stack([torch.as_tensor(one) for one in row])
        for row in rows
    )
    rows = [checks.pictures(row, f"row {r}") for r, row in enumerate(batches)]
    count = max(len(row) for row in rows)
    side = 7.0 / count
    standing: dict[str, Any] = {"rotation": 90, "va": "center"}
    longest = max(map(len, row_titles), default=0) * LETTER
    if longest > side:  # a title that stands on end would run into the next row's
        standing, side = {}, (7.0 - longest) / count
    # All in one axes, which costs a tenth of an axes for each: a picture is 1 wide.
    tall = max(row.shape[2] / row.shape[3] for row in rows)
    across, down = 1 + BETWEEN / side, tall + BETWEEN / side
    figure, axes = plt.subplots(figsize=(7.0, len(rows) * (side * tall + 0.1) + 0.3))
    edges = []
    inside = EDGE["linewidth"] / 2 / 72 / side  # a line lies on its picture, not around it
    for r, row in enumerate(rows):
        own = row.shape[2] / row.shape[3]
        top = r * down + (tall - own) / 2
        for c, image in enumerate((row.detach().float().cpu().clamp(-1, 1) + 1) / 2):
            left = c * across
            axes.imshow(
                image.permute(1, 2, 0).squeeze(-1).numpy(),
                vmin=0,
                vmax=1,
                interpolation="nearest" if pixels else "bicubic",
                extent=(left, left + 1, top + own, top),
            )
            place = left + inside, top + inside
            edges.append(Rectangle(place, 1 - 2 * inside, own - 2 * inside))
    # A white picture ends somewhere.
    axes.add_collection(PatchCollection(edges, facecolor="none", clip_on=False, **EDGE))
    axes.set(xlim=(0, count * across - across + 1), ylim=(len(rows) * down - down + tall, 0))
    axes.set_xticks([c * across + 0.5 for c in range(len(column_titles))], column_titles)
    axes.set_yticks([r * down + tall / 2 for r in range(len(row_titles))], row_titles, **standing)
    axes.tick_params(
        length=0, labelsize=10, top=True, labeltop=True, bottom=False, labelbottom=False
    )
    axes.spines[:].set_visible(False)
    axes.grid(False)
    return figure


def show_clouds(
    clouds: Sequence[Tensor],
    titles: Sequence[str] = (),
    columns: int | None = None,
    color: str = COLORS[0],
    limit: float = 3.2,
) -> Figure:
    """Draw point clouds (n, 2) side by side on equal axes.

    Args:
        titles: words above each cloud.
        columns: clouds a row; all in one row when left out.
        limit: the axes run over [-limit, limit].
    """
    import matplotlib.pyplot as plt

    clouds = [torch.as_tensor(one) for one in clouds]
    for i, cloud in enumerate(clouds):
        checks.floating(**{f"cloud {i}": cloud})
        if cloud.ndim != 2 or cloud.shape[1] != 2:
            raise ValueError(f"cloud {i} has shape {tuple(cloud.shape)}; give points, (n, 2).")
    columns = min(columns or len(clouds), len(clouds))
    rows = math.ceil(len(clouds) / columns)
    side = 7.0 / columns
    figure, grid_of_axes = plt.subplots(
        rows, columns, figsize=(7.0, rows * (side + 0.25)), squeeze=False
    )
    for i, axes in enumerate(grid_of_axes.flat):
        axes.set(xticks=[], yticks=[], xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.grid(False)
        if i >= len(clouds):
            axes.set_axis_off()
            continue
        points = clouds[i].detach().cpu().numpy()
        axes.scatter(points[:, 0], points[:, 1], s=4, alpha=0.5, linewidths=0, color=color)
        if i < len(titles):
            axes.set_title(titles[i], fontsize=10)
    return figure
