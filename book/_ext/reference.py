"""The reference of the package: its docstrings, with live links to the equations that they name.

A docstring names a claim as ``marginal.closed-form``. In the page that becomes a link to the
equation, or to its row in the ledger where no page displays it.

    {claimref}`marginal.closed-form`     the same link, in any page
"""

from __future__ import annotations

import ast
import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util.docutils import SphinxRole

from ddpm_course import symbolic


class claimref(nodes.Element):
    """A claim's name in running text, not yet a link."""


class ClaimRole(SphinxRole):
    """{claimref}: the name of a claim, linked to its equation."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        try:
            symbolic.claim(self.text)
        except ValueError as error:
            message = self.inliner.reporter.error(str(error), line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        return [claimref("", label=self.text)], []


class Resolve(SphinxPostTransform):
    """A claim's name becomes a link: to the displayed equation, or to the ledger."""

    default_priority = 5

    def run(self, **_: Any) -> None:
        equations = self.env.get_domain("math").equations  # type: ignore[attr-defined]
        for node in list(self.document.findall(claimref)):
            name = node["label"]
            page, target = "ledger", nodes.make_id(f"claim-{name}")
            if name in equations:
                page, target = equations[name][0], nodes.make_id(f"equation-{name}")
            text = nodes.literal(name, name)
            if page in self.env.found_docs:
                uri = self.app.builder.get_relative_uri(self.env.docname, page)
                text = nodes.reference("", "", text, refuri=f"{uri}#{target}", internal=True)
            node.replace_self(text)


def link_claims(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    names = "|".join(map(re.escape, symbolic.CLAIMS))
    lines[:] = [re.sub(rf"``({names})``", r":claimref:`\1`", line) for line in lines]


def join_again(
    app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Of a value's docstring napoleon takes all before a colon for a type. Words are none."""
    for n, line in enumerate(lines):
        if line.startswith(":type: ") and not is_expression(line[7:]):
            lines[n], lines[0] = "", f"{line[7:]}: {lines[0]}"


def is_expression(text: str) -> bool:
    try:
        return bool(ast.parse(text, mode="eval"))
    except SyntaxError:
        return False


def skip(
    app: Sphinx, what: str, name: str, obj: object, skipped: bool, options: object
) -> bool | None:
    """Leave out what Python itself says of the fields of a named tuple."""
    return True if str(getattr(obj, "__doc__", "")).startswith("Alias for field") else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("claimref", ClaimRole())
    app.add_node(claimref)
    app.add_post_transform(Resolve)
    app.connect("autodoc-process-docstring", link_claims)
    app.connect("autodoc-process-docstring", join_again, priority=600)  # after napoleon
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
