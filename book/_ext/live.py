"""Figures that the page computes itself: the directive `{live} NAME`, its caption as content.

A page with such a figure loads the scripts of book/_live that the figure needs, and no other page
does. They are classic scripts, because a page from a folder may load nothing else. Where no scripts
run stands a still picture of it, from book/_live/stills (`python book/stills.py` draws them).
"""

from __future__ import annotations

import html
import json
import shutil
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from PIL import Image
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ddpm_course import Schedule, few_steps, flow, live
from ddpm_course.trends import prompts, text_to_image
from ddpm_course.unet import UNet

SOURCES = Path(__file__).resolve().parents[1] / "_live"
STILLS = SOURCES / "stills"
# What each kind of figure needs, in this order; model.js is written from the shipped weights.
BASE = ("frame.js", "schedules.js")
NETWORK = ("model.js", *BASE, "unet.js", "samplers.js", "service.js")
NEEDS = {
    "digits": (*NETWORK, "digits.js"),
    "sampler": (*NETWORK, "digits.js"),
    "forward": (*BASE, "plane.js", "forward.js"),
    "pad": ("examples.js", *NETWORK, "pad.js"),
    "schedule": ("examples.js", *BASE, "schedule.js"),
    "train": (*BASE, "plane.js", "pointnet.js", "train.js"),
    "frechet": (*BASE, "frechet.js"),
    "unet": ("examples.js", *NETWORK, "unet-figure.js"),
    "few-steps": ("student.js", *NETWORK, "few-steps.js"),
    "guidance": ("painter.js", *NETWORK[1:], "guidance.js"),
    "detect": ("examples.js", *BASE, "detect.js"),
    "contrast": (*BASE, "contrast.js"),
    "rank": ("examples.js", *BASE, "rank.js"),
    "pagerank": (*BASE, "pagerank.js"),
    "masks": (*BASE, "masks.js"),
    "reverse-plane": (*BASE, "plane.js", "reverse-plane.js"),
}


class Live(SphinxDirective):
    """A numbered figure; a still picture stands in it where no scripts run."""

    required_arguments = 1
    optional_arguments = 1  # the mode in which it starts
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "name": directives.unchanged_required,
        "first": directives.flag,
    }

    def run(self) -> list[nodes.Node]:
        kind, *mode = self.arguments
        if kind not in NEEDS:
            raise self.error(f"{kind!r} is no live figure; choose from {', '.join(NEEDS)}.")
        figure = nodes.figure(classes=["live-figure"] + ["live-first"] * ("first" in self.options))
        name = "-".join([kind, *mode])
        start = f' data-mode="{html.escape(mode[0])}"' if mode else ""
        figure += nodes.raw(
            "",
            f'<div class="live" data-live="{kind}"{start}>{still(name)}</div>',
            format="html",
        )
        caption, _ = self.parse_inline(" ".join(self.content))
        figure += nodes.caption("", "", *caption)
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]


def still(name: str) -> str:
    """The picture of a figure, by day and by night, and what it says; or a sentence where none was
    drawn."""
    words = STILLS / "words.json"
    alt = html.escape(json.loads(words.read_text(encoding="utf8")).get(name, ""))
    if not alt:
        return '<p class="live-still">This figure is computed in the page: it needs scripts.</p>'
    pictures = ""
    for look, file in {"light": f"{name}.png", "dark": f"{name}-dark.png"}.items():
        with Image.open(STILLS / file) as picture:
            size = f'width="{picture.width}" height="{picture.height}"'
        source = f'class="only-{look}" src="_static/live/stills/{file}"'
        pictures += f'<img {source} alt="{alt}" {size} loading="lazy">'
    return pictures


def write_scripts(app: Sphinx) -> None:
    """Copy the scripts and the still pictures, and write the weights, once for all pages."""
    folder = Path(app.outdir, "_static", "live")
    (folder / "stills").mkdir(parents=True, exist_ok=True)
    for path in SOURCES.glob("*.js"):
        (folder / path.name).write_text(path.read_text(encoding="utf8"), encoding="utf8")
    for path in STILLS.glob("*.png"):
        shutil.copyfile(path, folder / "stills" / path.name)
    (folder / "model.js").write_text(live.script("digits"), encoding="utf8")
    (folder / "painter.js").write_text(painter(), encoding="utf8")
    (folder / "student.js").write_text(student(), encoding="utf8")
    (folder / "examples.js").write_text(live.examples(), encoding="utf8")


def painter() -> str:
    """The model that draws from words: its U-Net, and its text encoder, which is small."""
    model = text_to_image.load()
    weights = {name: w.flatten().tolist() for name, w in model.encoder.state_dict().items()}
    encoder = {"words": model.encoder.words, "particles": prompts.PARTICLES, "weights": weights}
    return live.pack("ddpmPainter", model.unet, text_to_image.SCHEDULE, encoder=encoder)


def student() -> str:
    """The network that jumps to the end in one to four calls."""
    network = few_steps.load().network
    assert isinstance(network, UNet)
    return live.pack("ddpmStudent", network, Schedule.linear(flow.TICKS))


def load_scripts(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Have this page load what its own figures need."""
    for name in dict.fromkeys(
        name
        for kind, names in NEEDS.items()
        if f'data-live="{kind}"' in context.get("body", "")
        for name in names
    ):
        app.add_js_file(f"live/{name}", loading_method="defer")


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("live", Live)
    app.connect("builder-inited", write_scripts)
    app.connect("html-page-context", load_scripts)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
