"""A listing calls only what its reader has met.

A page shows a function of the package with ``{literalinclude}``. What that function calls or names
of *our* package (a helper beside it, a method of its class, a room next door) must be known by
then: shown by a listing, used in a cell, or named in the prose, as `inline code`, on this page or
on one before it in the table of contents. Otherwise the build stops with one sentence.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from sphinx.application import Sphinx
from sphinx.errors import SphinxError

TOC = Path(__file__).resolve().parents[2] / "_toc.yml"
WORD = re.compile(r"[^\W\d]\w*")
LISTING = re.compile(r"```\{literalinclude\} (\S+)\n((?::.*\n)*)")


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


def check_page(app: Sphinx, document: str, texts: list[str]) -> None:
    """Each page as it is read."""
    path = Path(app.env.doc2path(document))
    if path.suffix == ".md":
        check(path)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("source-read", check_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
