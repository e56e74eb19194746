"""Subscripts in running text: what a docstring, a hint or a title writes as x_0 and ᾱ_{t-1} is set
as one writes it by hand. Code, formulas and names of arguments stay as they are.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

KEPT = ("pre", "code", "script", "style", "svg", "strong", "dt", "title")
# What is kept, a tag, or text between tags.
PIECE = re.compile(
    rf"<({'|'.join(KEPT)})\b.*?</\1>|<(span|div) class=\"(?:[^\"]* )?math\b.*?</\2>|<[^>]*>|[^<]+",
    re.DOTALL,
)
# One letter, perhaps with an accent above it, and what stands below it.
BELOW = re.compile(
    r"(?:(?<![^\W\d])|(?<=\bd))([^\W\d_][\u0300-\u036f]*)"
    r"_(?:\{([^{}]*)\}|(\d+|[^\W\d_])(?!\[|[^\W²])|(simple)\b)"
)


def lowered(body: str) -> str:
    """A piece of HTML whose text has subscripts below the line."""

    def piece(found: re.Match[str]) -> str:
        text = found[0]
        if text.startswith("<"):
            return text
        return BELOW.sub(lambda one: f"{one[1]}<sub>{one[2] or one[3] or one[4]}</sub>", text)

    return PIECE.sub(piece, body)


def lower(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    for part in ("body", "toc"):
        if part in context:
            context[part] = lowered(context[part])


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", lower, priority=400)  # before the theme reads them
    return {"parallel_read_safe": True, "parallel_write_safe": True}
