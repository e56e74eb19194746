"""{proofgraph}: what rests on what, as a drawing that needs no network and no script."""

from __future__ import annotations

from functools import cache
from html import escape

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from ddpm_course import symbolic

WIDE, HIGH = 78, 13  # of a step to the right, and of a row
LETTERS = 11  # how high they are at least, on any screen
COLORS = {"⊢": "#4b2c85", "✓": "#1b6e3c", "◇": "#a85b00", "≔": "#5a6270"}


@cache
def depth(name: str) -> int:
    """How many equations stand one behind the other below this one."""
    return max((1 + depth(used) for used in symbolic.CLAIMS[name].used), default=0)


def places() -> tuple[dict[str, tuple[int, int]], list[tuple[str, int]], int]:
    """Where each claim stands, where each chapter begins, and how high the drawing is."""
    where, bands, top = {}, [], 16
    for chapter in dict.fromkeys(claim.chapter for claim in symbolic.CLAIMS.values()):
        bands.append((chapter, top))
        rows: dict[int, int] = {}
        for name, claim in symbolic.CLAIMS.items():
            if claim.chapter == chapter:
                row = rows[depth(name)] = rows.get(depth(name), -1) + 1
                where[name] = (110 + WIDE * depth(name), top + HIGH * row)
        top += HIGH * (max(rows.values()) + 1) + 14
    return where, bands, top


def svg(page: str = "ledger.html") -> str:
    where, bands, high = places()
    wide = max(left for left, _ in where.values()) + 30
    said = (
        f"{len(where)} equations as points, by chapter; a line leads from each to those that it "
        f"uses. The longest chain has {max(map(depth, where)) + 1} equations."
    )
    out = [  # narrower than this its words would be too small: it scrolls (claims.css)
        f'<svg viewBox="0 0 {wide} {high}" role="group" aria-label="{escape(said)}" '
        f'style="--least:{wide}px;height:auto;font:{LETTERS}px sans-serif">'
    ]
    for name in where:
        for used in symbolic.CLAIMS[name].used:
            (left, up), (right, down) = where[used], where[name]
            out.append(
                f'<path d="M{left} {up}C{left + 40} {up} {right - 40} {down} {right} {down}" '
                'fill="none" stroke="currentColor" stroke-opacity=".18"/>'
            )
    for chapter, top in bands:
        out.append(f'<text x="4" y="{top + 4}" fill="currentColor">{escape(chapter)}</text>')
    for name, (left, up) in where.items():
        mark = symbolic.CLAIMS[name].mark
        anchor = nodes.make_id(f"claim-{name}")
        # Marks differ in form, not only in color: a disk, a ring, a square.
        fill = COLORS.get(mark, "#555")
        shape = f'<circle cx="{left}" cy="{up}" r="4.5" fill="{fill}"/>'
        if mark == "◇":
            shape = (
                f'<path d="M{left - 6} {up}l6 -6l6 6l-6 6z" fill="white" stroke="{fill}" '
                'stroke-width="2"/>'
            )
        elif mark == "≔":
            shape = f'<rect x="{left - 4}" y="{up - 4}" width="8" height="8" fill="{fill}"/>'
        out.append(
            f'<a href="{page}#{anchor}"><title>{escape(f"{mark} {name}")}</title>{shape}</a>'
        )
    return "".join(out) + "</svg>"


class ProofGraph(SphinxDirective):
    """{proofgraph}: the drawing, and what its marks mean."""

    def run(self) -> list[nodes.Node]:
        frame = f'<div class="proofgraph scrolls">{svg()}</div>'
        drawing = nodes.raw("", frame, format="html")
        legend = (
            "A disk is proved, a square is a definition. A diamond would have a step on cases only."
        )
        return [drawing, nodes.paragraph("", legend)]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("proofgraph", ProofGraph)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
