"""Draw the face of the book: its logo, its favicon, the pictures of its links and of the README.

    python book/face.py        writes them into book/_static

The first three show one digit of the model that ships with the course, a 0, on its way out of the
noise: x_T becomes x_0. The README shows 60 of its digits, as they come. Nothing is drawn by hand.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from ddpm_course import checkpoint, plots, reverse

STATIC = Path(__file__).parent / "_static"
INK = {"light": "#1d5a92", "dark": "#8bbcec"}  # the primary colors of book.css
PAPER = "#16191d"
SEED, BATCH, ITEM = 3, 16, 4  # a round 0
TIMES = (250, 75, 30, 0)


def walk() -> list[Tensor]:
    """The digit at ``TIMES``, each (8, 8) from 0, no ink, to 1."""
    torch.set_num_threads(1)
    model, schedule = checkpoint.load("digits")
    generator = torch.Generator().manual_seed(SEED)
    shape = (BATCH, 1, 8, 8)
    steps = {
        step.t: step.x_t for step in reverse.ancestral(model, shape, schedule, generator=generator)
    }
    return [(steps[t][ITEM, 0].clamp(-1, 1) + 1) / 2 for t in TIMES]


def digits(path: Path) -> None:
    """The picture of the README: four rows of samples, none left out."""
    from PIL import Image

    torch.set_num_threads(1)
    model, schedule = checkpoint.load("digits")
    generator = torch.Generator().manual_seed(0)
    samples = reverse.sample(model, (60, 1, 8, 8), schedule, generator=generator)
    grid = (plots.image_grid(samples, columns=15)[..., 0] * 255).round().byte().numpy()
    picture = Image.fromarray(grid)
    size = (7 * picture.width, 7 * picture.height)
    picture.resize(size, Image.Resampling.NEAREST).save(path)


def squares(picture: Tensor, color: str, left: float = 0) -> str:
    """Each pixel as a square as opaque as it is full of ink, in ten shades."""
    return "".join(
        f'<rect x="{left + column:g}" y="{row}" width="1" height="1" fill="{color}" '
        f'fill-opacity="{round(float(ink), 1):g}"/>'
        for row, line in enumerate(picture)
        for column, ink in enumerate(line)
        if ink >= 0.05
    )


def svg(width: float, height: float, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'shape-rendering="crispEdges">{inside}</svg>\n'
    )


def social(pictures: list[Tensor], path: Path) -> None:
    """The picture beside a link to the book: 1200 by 630 pixels, as the platforms ask for."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 6.3), dpi=100, facecolor=PAPER)
    for n, picture in enumerate(pictures):
        axes = figure.add_axes((0.06 + 0.225 * n, 0.42, 0.205, 0.205 * 1200 / 630))
        axes.imshow(picture.numpy(), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_axis_off()
    figure.text(0.06, 0.24, "Denoising Diffusion, Line by Line", color="white", fontsize=42)
    line = "DDPM: every line derived, proved, run and tested"
    figure.text(0.06, 0.11, line, color=INK["dark"], fontsize=24)
    figure.savefig(path, metadata={"Software": None})


def main() -> None:
    pictures = walk()
    gap = 1.5
    for theme, color in INK.items():
        strip = "".join(squares(p, color, n * (8 + gap)) for n, p in enumerate(pictures))
        (STATIC / f"logo-{theme}.svg").write_text(svg(4 * 8 + 3 * gap, 8, strip))
    ground = f'<rect width="10" height="10" rx="1.5" fill="{PAPER}"/>'
    digit = f'<g transform="translate(1 1)">{squares(pictures[-1], "#ffffff")}</g>'
    (STATIC / "favicon.svg").write_text(svg(10, 10, ground + digit))
    social(pictures, STATIC / "social.png")
    digits(STATIC / "generated-digits.png")


if __name__ == "__main__":
    main()
