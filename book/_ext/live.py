"""Figures that the page computes itself: the directive `{live} NAME`, its caption as content.

A page with such a figure loads the scripts of book/_live that the figure needs, and no other page
does. They are classic scripts, because a page from a folder may load nothing else.
"""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ddpm_course import live

SOURCES = Path(__file__).resolve().parents[1] / "_live"
# What each kind of figure needs, in this order; model.js is written from the shipped weights.
NEEDS = {
    "digits": ("model.js", "unet.js", "samplers.js", "digits.js"),
    "sampler": ("model.js", "unet.js", "samplers.js", "digits.js"),
}


class Live(SphinxDirective):
    """A numbered figure; a still picture stands in it where no scripts run."""

    required_arguments = 1
    has_content = True
    option_spec: ClassVar[dict[str, Any]] = {
        "name": directives.unchanged_required,
        "first": directives.flag,
        "still": directives.unchanged,
        "alt": directives.unchanged,
    }

    def run(self) -> list[nodes.Node]:
        kind = self.arguments[0]
        if kind not in NEEDS:
            raise self.error(f"{kind!r} is no live figure; choose from {', '.join(NEEDS)}.")
        figure = nodes.figure(classes=["live-figure"] + ["live-first"] * ("first" in self.options))
        still = '<p class="live-still">This figure is computed in the page: it needs scripts.</p>'
        if "still" in self.options:
            source, alt = (html.escape(self.options[key]) for key in ("still", "alt"))
            still = f'<img src="_static/{source}" alt="{alt}">'
        figure += nodes.raw(
            "", f'<div class="live" data-live="{kind}">{still}</div>', format="html"
        )
        caption, _ = self.parse_inline(" ".join(self.content))
        figure += nodes.caption("", "", *caption)
        self.set_source_info(figure)
        self.add_name(figure)
        return [figure]


def write_scripts(app: Sphinx) -> None:
    """Copy the scripts, and write the weights beside them, once for all pages."""
    folder = Path(app.outdir, "_static", "live")
    folder.mkdir(parents=True, exist_ok=True)
    for path in SOURCES.glob("*.js"):
        (folder / path.name).write_text(path.read_text(encoding="utf8"), encoding="utf8")
    (folder / "model.js").write_text(live.script("digits"), encoding="utf8")


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
