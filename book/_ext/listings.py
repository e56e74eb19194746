"""A listing shows the lines that compute, and calls only what its reader has met.

A page shows a function of the package with ``{literalinclude}``. Its docstring is folded below
it. A line whose comment is the name of a claim, such as ``# forward.transition``, is marked, and
the comment becomes the number of the equation, a link to it.

What that function calls or names of *our* package (a helper beside it, a method of its class, a
room next door) must be known by then: shown by a listing, used in a cell, or named in the prose, as
`inline code`, on this page or on one before it in the table of contents. Otherwise the build stops
with one sentence.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from claims import anchor, div
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.directives.code import LiteralInclude
from sphinx.errors import SphinxError

from ddpm_course.symbolic import CLAIMS

TOC = Path(__file__).resolve().parents[2] / "_toc.yml"
WORD = re.compile(r"[^\W\d]\w*")
LISTING = re.compile(r"```\{literalinclude\} (\S+)\n((?::.*\n)*)")

CLAIM = re.compile(r"# ([a-z_]+\.[a-z0-9-]+)$")  # the comment of a line that computes a claim
SHORT = 2  # lines of a docstring that need no fold


class ListingError(SphinxError):
    """A listing that its reader cannot follow."""

    category = "Listing"


def before(page: Path, toc: Path = TOC) -> list[Path]:
    """The pages that come before this one in the table of contents."""

    def files(entry: Any) -> Iterator[str]:
        if isinstance(entry, dict):
            yield from (entry[key] for key in ("root", "file") if key in entry)
            for key in ("parts", "chapters", "sections"):
                yield from files(entry.get(key, []))
        elif isinstance(entry, list):
            for one in entry:
                yield from files(one)

    names = list(files(yaml.safe_load(toc.read_text(encoding="utf8"))))
    earlier = names[: names.index(page.stem)] if page.stem in names else []
    return [path for name in earlier if (path := page.with_name(f"{name}.md")).exists()]


def listings(page: Path) -> Iterator[tuple[int, Path, str]]:
    """(line, file, name) of each function or class that a page shows; no name for a whole file."""
    text = page.read_text(encoding="utf8")
    for found in LISTING.finditer(text):
        if found[1].endswith(".py"):
            named = re.search(r":pyobject: *(\S+)", found[2])
            line = text[: found.start()].count("\n") + 1
            yield line, (page.parent / found[1]).resolve(), named[1] if named else ""


def met(page: Path) -> set[str]:
    """The names that a page shows, uses in a cell, or has in inline code."""
    text = page.read_text(encoding="utf8")
    blocks = re.findall(r"^```(?:\{code-cell\}|python|bash).*?\n(.*?)^```", text, re.S | re.M)
    prose = re.sub(r"^```.*?^```", "", text, flags=re.S | re.M)
    boxes = "\n".join(
        re.findall(r"^```\{(?:admonition|dropdown)\}.*?\n(.*?)^```", text, re.S | re.M)
    )
    code = "\n".join(blocks + re.findall(r"`([^`\n]+)`", prose + boxes))
    names = set(WORD.findall(code))
    for _, file, name in listings(page):
        shown = _find(file, name)
        names |= {node.name for node in ast.walk(shown) if hasattr(node, "name")}
    return names


def calls(file: Path, name: str) -> set[str]:
    """The names of our own that a function or class uses: of its module, or of a room next door."""
    module, shown = _find(file, ""), _find(file, name)
    ours = {
        node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.ClassDef)
    }
    for node in module.body:
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            ours |= {target.id for target in targets if isinstance(target, ast.Name)}
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ddpm_course"):
            ours |= {alias.asname or alias.name for alias in node.names}
    own = {node.name for node in ast.walk(shown) if hasattr(node, "name")}
    own |= {node.arg for node in ast.walk(shown) if isinstance(node, ast.arg)}
    used = set()
    for node in _without_types(shown):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
        elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") in {"self", "cls"}:
            used.add(node.attr)
    return (used & ours) - own - set(name.split("."))


def check(page: Path, toc: Path = TOC) -> None:
    """
    Raises:
        ListingError: a listing of the page uses a name that the reader has not met.
    """
    shown = list(listings(page))
    if not shown:
        return
    known = set().union(*map(met, [*before(page, toc), page]))
    for line, file, name in shown:
        for unknown in sorted(calls(file, name) - known):
            raise ListingError(
                f"{page}:{line}: the listing of {name or file.name} uses {unknown}, which no page "
                "up to here shows or names; show it, or say what it does."
            )


def _find(file: Path, name: str) -> Any:
    found: Any = ast.parse(file.read_text(encoding="utf8"))
    for part in filter(None, name.split(".")):
        found = next(node for node in found.body if getattr(node, "name", "") == part)
    return found


def _without_types(node: ast.AST) -> Iterator[ast.AST]:
    """All that runs below a node: types are for the tool that checks them."""
    yield node
    for field, value in ast.iter_fields(node):
        if field in {"annotation", "returns"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _without_types(child)


class Listing(LiteralInclude):
    """{literalinclude}: a function of the package, its docstring folded, its equations marked."""

    def run(self) -> list[nodes.Node]:
        shown = super().run()
        if "pyobject" not in self.options:
            return shown
        for block in [one for node in shown for one in node.findall(nodes.literal_block)]:
            code, said = fold(block.rawsource)
            marked = nodes.literal_block(code, code, **block.attributes)
            marked["highlight_args"] = {**block.get("highlight_args", {}), "hl_lines": marks(code)}
            folds = []
            for name, text in said:
                summary = div(
                    "", nodes.Text("The docstring of "), nodes.literal("", name), tag="summary"
                )
                words = nodes.literal_block(text, text, language="text")
                folds.append(div("docstring", summary, words, tag="details"))
            whole = div("listing", marked, *folds)
            if block in shown:
                shown[shown.index(block)] = whole
            else:
                block.replace_self(whole)
        return shown


def fold(code: str) -> tuple[str, list[tuple[str, str]]]:
    """The code without its long docstrings; and these, each with the name of what it tells of."""
    lines, said = code.splitlines(), []
    gone: set[int] = set()
    for node in ast.walk(ast.parse(textwrap.dedent(code))):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or len(node.body) < 2:
            continue
        text, string = ast.get_docstring(node), node.body[0]
        if text and len(text.splitlines()) > SHORT:
            said.append((node.name, text))
            last = int(string.end_lineno or string.lineno)
            last += last < len(lines) and not lines[last].strip()  # and the empty line below
            gone |= set(range(string.lineno, last + 1))
    return "\n".join(line for n, line in enumerate(lines, 1) if n not in gone) + "\n", said


def marks(code: str) -> list[int]:
    """The lines that compute a claim: all of the statement, or of the argument, that begins with
    the line that names it, or below it where the comment has a line of its own."""
    lines = code.splitlines()
    nodes_ = [
        node
        for node in ast.walk(ast.parse(textwrap.dedent(code)))
        if isinstance(node, ast.stmt | ast.keyword)
    ]
    marked: set[int] = set()
    for n, line in enumerate(lines, 1):
        if CLAIM.search(line):
            first = n + 1 if line.lstrip().startswith("#") else n
            here = [node for node in nodes_ if node.lineno == first]
            if not here:
                raise ListingError(f"{line.strip()!r} stands on no line that begins a statement.")
            outer = min(here, key=lambda node: node.col_offset)
            end = first if hasattr(outer, "body") else outer.end_lineno
            marked |= set(range(n, int(end or first) + 1))
    return sorted(marked)


def named(file: Path) -> Iterator[tuple[int, str, str]]:
    """(line, function, claim) of each line of a module that says which claim it computes."""
    source = file.read_text(encoding="utf8")

    def within(node: Any, line: int, path: str = "") -> str:
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.FunctionDef | ast.ClassDef):
                continue
            if child.lineno <= line <= int(child.end_lineno or 0):
                return within(child, line, f"{path}.{child.name}".lstrip("."))
        return path

    tree = ast.parse(source)
    for n, line in enumerate(source.splitlines(), 1):
        if found := CLAIM.search(line):
            yield n, within(tree, n), found[1]


def number_claims(
    app: Sphinx, page: str, template: str, context: dict[str, Any], document: nodes.document | None
) -> None:
    """In a listing the name of a claim becomes the number of its equation, a link to it."""
    domain = app.env.get_domain("math")

    def numbered(found: re.Match[str]) -> str:
        name = found[1]
        if name not in CLAIMS:
            return found[0]
        text = nodes.literal("", name)
        xref = addnodes.pending_xref("", text)
        link = domain.resolve_xref(app.env, page, app.builder, "eq", name, xref, text)
        if link is not None:
            target = link.get("refuri") or "#" + link["refid"]
            said = link.astext()
        elif "ledger" in app.env.found_docs:
            target = f"{app.builder.get_relative_uri(page, 'ledger')}#{anchor(name)}"
            said = name
        else:
            return found[0]
        return f'<a class="reference internal claim-line" href="{target}"># {said}</a>'

    if "body" in context:
        context["body"] = re.sub(
            r'<span class="c1"># ([a-z]+\.[a-z0-9-]+)</span>', numbered, context["body"]
        )


def check_page(app: Sphinx, document: str, texts: list[str]) -> None:
    """Each page as it is read."""
    path = Path(app.env.doc2path(document))
    if path.suffix == ".md":
        check(path)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("literalinclude", Listing, override=True)
    app.connect("source-read", check_page)
    app.connect("html-page-context", number_claims)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
