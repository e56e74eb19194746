"""Where a page leads, and what a link to it shows: the first sentences of the page.

Where the book is published, ``BOOK_URL`` names the place; a picture needs its full address. Where
its source is, ``REPOSITORY_URL`` or the theme's ``repository_url`` says; without it no button leads
there.
"""

from __future__ import annotations

import os
import re
import textwrap
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

ABOUT = (
    "A course on denoising diffusion probabilistic models that derives, proves and runs every "
    "line, with a tested Python package and graded exercises."
)


def set_addresses(app: Sphinx, config: Config) -> None:
    if address := os.environ.get("BOOK_URL", ""):
        config.html_baseurl = address.rstrip("/") + "/"
    options = config.html_theme_options
    repository = os.environ.get("REPOSITORY_URL") or options.get("repository_url", "")
    config.repository = repository.rstrip("/")
    if config.repository:
        buttons = {"use_repository_button": True, "use_issues_button": True}
        options.update(buttons, repository_url=config.repository)


def without_installing(repository: str, path: str) -> str:
    """A sentence with links to where a notebook of the repository runs; empty where none is."""
    place = re.fullmatch(r"https://(github|gitlab)\.com/([^/]+)/([^/]+?)(?:\.git)?", repository)
    if not place:
        return ""
    host, owner, name = place.groups()
    image = f"gh/{owner}/{name}" if host == "github" else f"gl/{owner}%2F{name}"
    binder = f"https://mybinder.org/v2/{image}/HEAD?urlpath=lab/tree/{path}"
    if host == "gitlab":
        return f"Without installing anything: [on Binder]({binder})."
    colab = f"https://colab.research.google.com/github/{owner}/{name}/blob/main/{path}"
    line = f"%pip install git+{repository}"
    return (
        f"Without installing anything: [on Binder]({binder}), or [in Colab]({colab}), where the "
        f"first cell must be `{line}`."
    )


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
    app.add_config_value("repository", "", "env", [str])
    app.connect("config-inited", set_addresses)
    app.connect("html-page-context", describe)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
