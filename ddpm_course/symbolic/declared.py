"""Before anything is proved: every letter says what it can be, and every mean has a law.

A letter without a kind and a mean of nothing random would be taken for constants, and much would
follow from that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy as sp

from . import notation as nt
from .printing import latex
from .worlds.world import NAMED

# What is no chance by itself: only what stands in it may be.
NO_CHANCE = (
    nt.Sequence,
    nt.half_log_snr,
    nt.Continuous,
    nt.Norm2,
    nt.Dot,
    nt.Inner,
    nt.Grouped,
    nt.Trace,
    nt.Transposed,
    nt.Run,
)


def quantities(e: Any) -> Iterator[Any]:
    """An expression and all in it that has a value: no subscript, and no name of a law."""
    yield e
    if isinstance(e, nt.Density):
        parts = [*e.args[1], *e.args[2]]
    elif isinstance(e, nt.E):
        parts = [e.args[0], *e.args[1], *e.args[3]]
    elif isinstance(e, (nt.Least, nt.Held)):
        parts = [part for part in e.args if not isinstance(part, sp.Symbol)]
    elif isinstance(e, sp.Limit):
        parts = list(e.args[:3])  # not the side from which it comes
    else:
        parts = list(e.args)
    for part in parts:
        yield from quantities(part)


def _is_letter(one: Any) -> bool:
    return isinstance(one, sp.Symbol) and one.is_commutative and one.name not in NAMED


def _is_random(one: Any) -> bool:
    if isinstance(one, nt.Notation):
        return not isinstance(one, NO_CHANCE)
    return isinstance(one, (nt.NoiseLetter, nt.RandomLetter, nt.Label))


def missing(e: Any) -> str:
    """What an expression leaves open, or nothing."""
    for one in quantities(e):
        if _is_letter(one) and one.is_extended_real is None:
            return (
                f"the letter {one.name} is not declared: say what it can be, as "
                f'sp.Symbol("{one.name}", real=True) does, or take one of the notation'
            )
        if isinstance(one, nt.E):
            of, _, over, law = one.args
            if not law and r"\sim" not in over.name and not any(map(_is_random, quantities(of))):
                return (
                    f"{latex(one)} has no law: nothing in it is random; say in the subscript what "
                    r"its letter is drawn from, as \mathbb E_{x \sim q}"
                )
    return ""
