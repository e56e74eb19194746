"""What a link to a page shows in a search engine or a chat: the first sentences of the page.

Where the book is published, ``BOOK_URL`` names the place; a picture needs its full address.
"""

from __future__ import annotations

import os
import textwrap
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

ABOUT = (
    "A course on denoising diffusion probabilistic models that derives, proves and runs every "
    "line, with a tested Python package and graded exercises."
)


def set_address(app: Sphinx, config: Config) -> None:
    if address := os.environ.get("BOOK_URL", ""):
        config.html_baseurl = address.rstrip("/") + "/"


def first_words(document: nodes.document | None) -> str:
    """The first paragraph of a page that stands in its text, not in a box."""
    for section in document.findall(nodes.section) if document else []:
        for child in section.children:
            if isinstance(child, nodes.paragraph) and len(child.astext()) > 60:
                return child.astext()
    return ABOUT


def describe(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    about = ABOUT if page == app.config.root_doc else first_words(document)
    context["about"] = textwrap.shorten(about, 200, placeholder=" …")
    context["site_url"] = app.config.html_baseurl


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", set_address)
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
