"""Mend what docutils and the theme write for assistive technology: lists, languages, folds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from docutils import nodes
from pybtex.database import Entry
from pybtex.plugin import register_plugin
from pybtex.style.formatting.unsrt import Style as Unsorted
from pybtex.style.labels import BaseLabelStyle
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator
from sphinxcontrib.bibtex.domain import get_docnames
from sphinxcontrib.bibtex.style.referencing.author_year import AuthorYearReferenceStyle

# What is not text, or words in Hangul with what stands between them.
KOREAN = re.compile(
    "(<script.*?</script>|<style.*?</style>|<[^>]*>)|([\uac00-\ud7a3]+(?:[ ·]+[\uac00-\ud7a3]+)*)",
    re.DOTALL,
)

# How a bibliography entry names a paper, and where it is.
PAPER = re.compile(r"\b(arXiv|doi):(?:\s*)(\d[\w./()-]*[\w)])", re.IGNORECASE)
PLACES = {"arXiv": "https://arxiv.org/abs/", "doi": "https://doi.org/"}


class Cited(BaseLabelStyle):  # type: ignore[misc]  # pybtex has no types
    """In the bibliography an entry has the name that the text gives it: Ho et al., 2020."""

    def format_labels(self, sorted_entries: list[Entry]) -> Iterator[str]:
        style = AuthorYearReferenceStyle()
        who = style.person.author_or_editor_or_title(full=False)
        for entry in sorted_entries:
            names = who.format_data({"entry": entry, "style": style}).render_as("text")
            yield f"{names}, {entry.fields['year']}"


class AsCited(Unsorted):  # type: ignore[misc]  # pybtex has no types
    """Entries as everywhere, in the order of their names."""

    default_sorting_style = "author_year_title"
    default_label_style = Cited


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


class BackLinks(SphinxPostTransform):
    """Below each entry of the bibliography the pages that cite it, each a link to the place."""

    default_priority = 20  # after the entries have been made

    def run(self, **_: Any) -> None:
        entries = list(self.document.findall(nodes.citation))
        if not entries:
            return
        domain: Any = self.env.get_domain("cite")
        keys = {citation.citation_id: citation.key for citation in domain.citations}
        order = list(get_docnames(self.env))  # as in the table of contents
        places: dict[str, dict[str, str]] = {}  # of each key: page, and the first place in it
        for reference in sorted(domain.citation_refs, key=lambda one: order.index(one.docname)):
            for target in reference.targets:
                pages = places.setdefault(target.key, {})
                pages.setdefault(reference.docname, reference.citation_ref_id)
        for entry in entries:
            links: list[nodes.Node] = []
            for page, place in places.get(keys.get(entry["ids"][0], ""), {}).items():
                uri = self.app.builder.get_relative_uri(self.env.docname, page)
                title = self.env.titles[page].astext()
                links += [
                    nodes.Text(", "),
                    nodes.reference("", title, refuri=f"{uri}#{place}", internal=True),
                ]
            if links:
                entry += nodes.paragraph(
                    "", "", nodes.Text("Cited in "), *links[1:], classes=["cited-in"]
                )


def write_again(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """What the bibliography says of a page changes with that page."""
    domain: Any = env.get_domain("cite")
    return sorted({key.docname for key in domain.bibliographies})


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
    register_plugin("pybtex.style.formatting", "as_cited", AsCited)
    app.add_node(
        nodes.citation, override=True, html=(visit_citation, HTML5Translator.depart_citation)
    )
    app.add_post_transform(BackLinks)
    app.connect("env-updated", write_again)
    app.connect("html-page-context", say_korean)
    app.connect("html-page-context", link_entries)
    app.connect("html-page-context", name_folds, priority=900)  # after the theme
    return {"parallel_read_safe": True, "parallel_write_safe": True}
