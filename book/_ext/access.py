"""Mend what docutils and the theme write for assistive technology: lists, languages, folds."""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.writers.html5 import HTML5Translator

# What is not text, or words in Hangul with what stands between them.
KOREAN = re.compile(
    "(<script.*?</script>|<style.*?</style>|<[^>]*>)|([\uac00-\ud7a3]+(?:[ ·]+[\uac00-\ud7a3]+)*)",
    re.DOTALL,
)

# How a bibliography entry names a paper, and where it is.
PAPER = re.compile(r"\b(arXiv|doi):(?:\s*)(\d[\w./()-]*[\w)])", re.IGNORECASE)
PLACES = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}


def visit_citation(self: HTML5Translator, node: nodes.citation) -> None:
    HTML5Translator.visit_citation(self, node)
    # docutils opens a list and fills it with a role that is deprecated and is no list item.
    self.body[-1] = self.body[-1].replace('role="doc-biblioentry"', 'role="listitem"')


def link_entries(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """In the bibliography a number of arXiv or a DOI is a link to the paper itself."""
    if 'class="citation"' in context.get("body", ""):
        context["body"] = PAPER.sub(
            lambda found: (
                f'<a class="reference external" href="{PLACES[found[1]]}{found[2]}">{found[0]}</a>'
            ),
            context["body"],
        )


def say_korean(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """Words in Korean say so: a screen reader changes its voice, a browser its font."""
    if "body" in context:
        context["body"] = KOREAN.sub(
            lambda found: found[1] or f'<span lang="ko">{found[2]}</span>', context["body"]
        )


def name_folds(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """A fold in the sidebar says what is in it; the theme gives it an arrow and no words."""
    made = context["generate_toctree_html"]

    def named(*args: Any, **options: Any) -> Any:
        contents = made(*args, **options)
        for fold in contents.select("li.has-children > details > summary"):
            fold["aria-label"] = f"Pages of {fold.find_parent('li').find('a').get_text()}"
        return contents

    context["generate_toctree_html"] = named


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_node(
        nodes.citation, override=True, html=(visit_citation, HTML5Translator.depart_citation)
    )
    app.connect("html-page-context", say_korean)
    app.connect("html-page-context", link_entries)
    app.connect("html-page-context", name_folds, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
