r"""Formulas in words: what a sentence states between dollar signs is tried in the worlds, too.

A reason such as "$\alpha_t \bar\alpha_{t-1} = \bar\alpha_t$" is read by ``reader`` and has to be
true in the worlds of its claim. A letter that the claim does not have is one of the sentence's
own: "with $c = B/A$" introduces it, and where it stands for any number, the formula has to hold
for random ones.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from . import notation as nt
from . import reader, worlds
from .printing import latex

INTRODUCED = re.compile(r"[a-zA-Z](\^2|_\w)?|\\sigma(\^2)?")  # "with $c = B/A$"
DECIMAL = re.compile(r"-?\s*\d+\.(\d+)")
CONDITION = re.compile(r"t \\ge \d")  # the worlds have t >= 2
# What a sentence says short, and what it means.
SHORT = {
    r"\nabla \log q = \nabla q / q": r"\nabla_{x_t} \log q(x_t \mid x_0) = "
    r"\frac{\nabla_{x_t} q(x_t \mid x_0)}{q(x_t \mid x_0)}",
    r"\nabla q = q\, \nabla \log q": r"\nabla_{x_t} q(x_t \mid x_0) = "
    r"q(x_t \mid x_0) \nabla_{x_t} \log q(x_t \mid x_0)",
}
# What a sentence says would be, but is not.
WOULD_BE = {("marginal.cosine-beta", r"\beta_T = 1")}


def formulas(sentence: str) -> Iterator[str]:
    """What stands between dollar signs."""
    yield from sentence.split("$")[1::2]


def letters(claim: Any) -> set[sp.Symbol]:
    """The letters of a claim and of what it assumes."""
    expressions = [
        e for lhs, steps in worlds._chains(claim) for e in (lhs, *(s.expr for s in steps))
    ]
    expressions += [e for one in claim.assuming if not isinstance(one, str) for e in one]
    return {a for e in expressions for a in e.atoms(sp.Symbol) if a not in (nt.t, nt.T, nt.s)}


def _own(text: str) -> set[sp.Symbol]:
    """Single letters of a formula, for those that are the sentence's own."""
    found = {one.text for one in reader.tokens(text) if re.fullmatch("[a-zA-Z]", one.text)}
    of_the_book = {one.name for one in (*reader.INDICES, nt.d)}
    return {sp.Symbol(name, positive=True) for name in found - of_the_book}


def _over(e: Any, subscript: str) -> Any:
    """Means without a subscript run over what the means of the claim run over."""
    if isinstance(e, nt.E) and not e.args[2].name.strip():
        return type(e)(e.args[0], e.args[1], subscript)
    if not e.args or isinstance(e, (nt.Indexed, nt.Density)):
        return e
    return e.func(*(_over(a, subscript) for a in e.args))


def _is_known(text: str, known: set[sp.Symbol]) -> bool:
    """Whether the book or the claim has a quantity of this name already."""
    try:
        found = reader.read(text, known)
    except reader.Unreadable:
        return False
    return found not in (*reader.INDICES, nt.d)  # "at $t = 1$" chooses


def wrong(claim: Any, formula: str, trial: Any) -> str:
    """What is wrong with a formula that states something; nothing where it holds.

    A formula without a relation states nothing.
    """
    if CONDITION.fullmatch(formula) or (claim.name, formula) in WOULD_BE:
        return ""
    sides, between = reader.relations(SHORT.get(formula, formula))
    if not between:
        return ""
    known = letters(claim)
    if between == ["="] and INTRODUCED.fullmatch(sides[0]) and not _is_known(sides[0], known):
        return ""  # the sentence gives something a name of its own
    names = {one.name for one in known}
    own = {one for one in _own(formula) if one.name not in names}
    try:
        read = [reader.read(side, known | own) for side in sides]
    except reader.Unreadable as error:
        return f"the formula cannot be read: {error}"
    used = own & set().union(*(e.free_symbols for e in read))
    if any(e.atoms(nt.E) and any(m.free_symbols & used for m in e.atoms(nt.E)) for e in read):
        return f"{formula} takes a mean of a letter that has no law"
    means = [e for lhs, steps in worlds._chains(claim) for s in steps for e in s.expr.atoms(nt.E)]
    subscripts = {e.args[2].name for e in means if r"\sim" in e.args[2].name}
    if len(subscripts) == 1:
        with nt.as_written():
            read = [_over(e, *subscripts) for e in read]
    variables = [e.args[1][0] for e in read if isinstance(e, nt.Density) and len(e.args[1]) == 1]
    if variables:  # N(mean, variance) beside the density of a variable is that of the variable
        read = [e.subs(nt.ANY, variables[0]) if isinstance(e, nt.Normal) else e for e in read]
    rng = np.random.default_rng(11)
    values = {letter: rng.uniform(0.05, 0.95) for letter in sorted(used, key=str)}
    for place, relation in enumerate(between):
        for before, how, after in _meant(read[place], relation, read[place + 1], sides[place + 1]):
            if said := trial.wrong(before, how, after, values):
                return f"{formula} is not true: {said}"
    return ""


def _meant(before: Any, relation: str, after: Any, written: str) -> list[tuple[Any, str, Any]]:
    """What is equal to a decimal fraction lies within half a unit of its last digit."""
    found = DECIMAL.fullmatch(written.strip())
    if relation != "=" or not found:
        return [(before, relation, after)]
    half = sp.Rational(1, 2 * 10 ** len(found[1]))
    return [(before, r"\ge", after - half), (before, r"\le", after + half)]


def misread(claim: Any, trial: Any) -> str:
    """Which line of a claim does not read back as what was proved; nothing where all do."""
    known = letters(claim)
    lines = [
        (e, latex(e))
        for lhs, steps in worlds._chains(claim)
        for e in (lhs, *(step.expr for step in steps))
    ]
    with nt.as_written():  # once for all: each change empties SymPy's cache
        try:
            read = [reader.read(text, known) for _, text in lines]
            pairs = [_ends(e, again) for (e, _), again in zip(lines, read, strict=True)]
        except reader.Unreadable as error:
            return f"it cannot be read back: {error}"
    for (_, text), sides in zip(lines, pairs, strict=True):
        for meant, found in sides:
            if said := trial.wrong(meant, "=", found, batches=1):
                return f"{text} reads as another formula: {said}"
    return ""


def _ends(e: Any, again: Any) -> list[tuple[Any, Any]]:
    """What was meant beside what was read: of what stands between dots, the ends are printed."""
    if not isinstance(e, sp.Tuple):
        return [(e, again)]
    ends = [run.args[0].xreplace({run.args[1]: end}) for run in e.args for end in run.args[2:]]
    return list(zip(ends, again, strict=True))
