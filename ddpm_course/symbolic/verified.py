"""What ``claim("...").verify()`` shows where it is called: each line, and who has witnessed it."""

from __future__ import annotations

from html import escape
from typing import Any, NamedTuple

from . import worlds
from .methods import DEFINITION


class Line(NamedTuple):
    """A line of a derivation that holds, in LaTeX, with its reason and its witnesses."""

    math: str
    reason: str
    witnesses: tuple[str, ...]


class Verified:
    """A claim that holds. In a notebook it shows itself as a table, elsewhere as text."""

    def __init__(self, claim: Any) -> None:
        self.claim = claim

    @property
    def lines(self) -> list[Line]:
        """Each line with what stands behind it: a rule, worlds, and Coq's kernel where it did."""
        from . import kernel

        claim, tried = self.claim, worlds.count(self.claim)
        steps = [(one, True, n) for n, one in enumerate(claim.base.steps if claim.base else ())]
        steps += [(one, False, n) for n, one in enumerate(claim.steps)]
        out = []
        for (step, base, number), row in zip(steps, claim.rows(), strict=True):
            rule = "chosen" if step.by is DEFINITION else step.by.kind
            more = ("kernel of Coq",) if kernel.checked(claim, number, base) else ()
            math = f"{row.lhs} {row.relation} {row.rhs}".strip()
            out.append(Line(math, row.reason, (rule, f"{tried} worlds", *more)))
        return out

    def __repr__(self) -> str:
        lines = self.lines
        count = "1 line holds" if len(lines) == 1 else f"{len(lines)} lines hold"
        text = [f"{self.claim.name}: {count}."]
        text += [f"Assuming: {'; '.join(self.claim.conditions)}."] if self.claim.conditions else []
        text += [
            f"{n}. {one.math}\n   {one.reason} [{', '.join(one.witnesses)}]"
            for n, one in enumerate(lines, 1)
        ]
        return "\n".join(text)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><td style='text-align:left'>$\\displaystyle {escape(one.math)}$</td>"
            f"<td style='text-align:left'>{escape(one.reason)}</td>"
            f"<td style='text-align:left'>{escape(', '.join(one.witnesses))}</td></tr>"
            for one in self.lines
        )
        heads = "".join(
            f"<th scope='col' style='text-align:left'>{head}</th>"
            for head in ("Line", "Reason", "Witnesses")
        )
        assumed = "; ".join(map(escape, self.claim.conditions))
        said = f"<p>Assuming {assumed}.</p>" if assumed else ""
        return (
            f"<p><code>{escape(self.claim.name)}</code> holds, line by line.</p>{said}"
            f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>"
        )
