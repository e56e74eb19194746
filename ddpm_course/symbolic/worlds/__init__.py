"""The second witness: worlds in which every letter has a value and every statement a truth.

``witness`` evaluates each line of a claim, and each displayed equation, in at least a hundred
random worlds. A line that is false dies in the first batch of them. Nothing here knows how to
rewrite an expression: the rules of ``algebra`` and the worlds share nothing but the expression.

- ``chains``: chains of few states with random tables, for what is said of any q and p_θ.
- ``noising``: data, a schedule and a network, for what is said of DDPM.
- ``masks``: a pixel that is masked once, with a network that guesses its value.
- ``tables``: matrices and tables, one world after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp

from .. import notation as nt
from .chains import Chains
from .masks import Masks
from .noising import Noising
from .tables import MATRICES, Tables
from .world import COUNT, NAMED, NoWorld, World

__all__ = ["WITHOUT", "NoWorld", "World", "kind", "lines", "witness", "worlds"]

TOLERANCE = 1e-6
# (T, t, s, d) of each batch of worlds: what holds for d = 2 alone dies in the next ones.
SHAPES = ((4, 3, 1, 2), (5, 2, 1, 1), (4, 4, 2, 3), (6, 5, 3, 2))
LENGTHS = ((2, 2), (3, 2), (3, 3), (4, 3))  # (T, t) of each batch of chains
STEPS = ((3, 2), (4, 2), (4, 3), (5, 5))  # (T, t) of each batch of pixels
WITHOUT: dict[str, str] = {}  # claims without a world, and why
NO_WORLD = "no world: "  # before what is missing, where nothing can be tried

OF_TABLES = (nt.Softmax, nt.Spread, nt.Similarity, nt.Frequency, nt.Embedding, nt.QueryNoise)


def _chains(claim: Any) -> list[tuple[Any, tuple[Any, ...]]]:
    out = [(claim.lhs, claim.steps)]
    return [(claim.base.lhs, claim.base.steps), *out] if claim.base else out


def _parts(claim: Any) -> set[Any]:
    """All that stands anywhere in a claim."""
    out: set[Any] = set()
    for lhs, steps in _chains(claim):
        for e in (lhs, *(step.expr for step in steps)):
            out.update(sp.preorder_traversal(e))
    return out


def kind(claim: Any) -> str:
    """The kind of world in which a claim says something: by what stands in it."""
    parts = _parts(claim)
    named = [NAMED.get(one.name) for one in parts if isinstance(one, sp.Symbol)]
    if any(isinstance(one, OF_TABLES) or one in MATRICES for one in parts) or "frechet" in named:
        return "tables"
    assumed = [one[0] for one in claim.assuming if not isinstance(one, str)]
    if any(isinstance(one, (nt.Open, nt.Masked, nt.Said)) for one in parts) or any(
        isinstance(one, nt.alpha_bar) for one in assumed
    ):
        return "masks"
    of_states = any(isinstance(one, nt.States) for one in parts)
    of_laws = any(
        isinstance(one, nt.Density) and one.args[0].name in ("q", r"p_\theta") for one in parts
    )
    schedule = (nt.Sequence, nt.Normal, nt.NoiseLetter, nt.RandomLetter, nt.Network, sp.Integral)
    plain = any(isinstance(one, nt.Density) and one.args[1][0].is_Symbol for one in parts)
    gradient = any(isinstance(one, (nt.Gradient, nt.Over)) for one in parts)
    if of_states or (
        of_laws and not plain and not gradient and not any(isinstance(o, schedule) for o in parts)
    ):
        return "chains"
    return "noising"


def worlds(claim: Any) -> Iterator[World]:
    """The worlds in which a claim is tried, in batches: a hundred or more of them."""
    which = kind(claim)
    if which == "chains":
        for seed, (last, when) in enumerate(LENGTHS):
            yield Chains(seed, last, when)
    elif which == "masks":
        for seed, (last, when) in enumerate(STEPS):
            yield Masks(claim, seed, last, when)
    elif which == "tables":
        for seed in range(100):
            yield Tables(claim, seed)
    else:
        for seed, shape in enumerate(SHAPES):
            yield Noising(claim, seed, *shape)


def lines(claim: Any) -> Iterator[tuple[str, Any, str, Any]]:
    """What a claim says: each line, and each equation that is displayed."""
    for lhs, steps in _chains(claim):
        before = lhs
        for number, step in enumerate(steps):
            base = "base, " if claim.base and steps is claim.base.steps else ""
            name = f"{base}step {number + 1} of {len(steps)} ({step.reason})"
            yield name, before, step.relation, step.expr
            before = step.expr
    if len(claim.steps) > 1:
        yield "the equation", claim.lhs, claim.relation, claim.rhs


def _points(world: Any, lhs: Any) -> tuple[Any, int]:
    """The worlds for a proportion: all points alike but for the variable of the density; and the
    axis along which it takes its values."""
    if not isinstance(lhs, nt.Density) or len(lhs.args[1]) != 1:
        raise NoWorld(f"{lhs} is no density of one variable")
    if isinstance(world, Chains):
        return world, world.states(lhs.args[1])[0] + 1
    key = world.key(lhs.args[1][0])
    sliced = world.copied()
    sliced.point = {
        name: np.repeat(one[:, :, :1], one.shape[2], 2) if name != key else one
        for name, one in world.point.items()
    }
    return sliced, 2


def _wrong(value: Any, before: Any, relation: str, after: Any, axis: int) -> str:
    """What is wrong with a line in these worlds, or nothing; ``value`` evaluates a side, and along
    ``axis`` what is proportional is in proportion."""
    one, two = (np.asarray(value(side), dtype=float) for side in (before, after))
    one, two = np.broadcast_arrays(one, two)
    if relation == r"\propto":
        with np.errstate(divide="ignore", invalid="ignore"):
            one, two = np.log(one) - np.log(two), 0.0 * two
        one = one - np.take(one, [0], axis)
    with np.errstate(invalid="ignore"):
        gap = one - two
        size = TOLERANCE * (1 + np.abs(one) + np.abs(two))
        same = (np.abs(gap) <= size) | (one == two)
        holds = {
            "=": same,
            r"\propto": same,
            r"\le": (gap <= 0) | same,
            r"\ge": (gap >= 0) | same,
            "<": (gap < 0) & ~same,
            ">": (gap > 0) & ~same,
        }[relation]
    if holds.all():
        return ""
    bad = np.unravel_index(int(np.argmin(holds)), holds.shape)
    return f"{one[bad]:.6g} against {two[bad]:.6g}"


ERRORS = (NoWorld, ArithmeticError, ValueError, TypeError, IndexError)


class Trial:
    """The worlds of one claim, built once, in which lines are tried."""

    def __init__(self, claim: Any) -> None:
        self.lhs = claim.lhs
        self.source = worlds(claim)
        self.built: list[World] = []

    def _worlds(self) -> Iterator[World]:
        for number in itertools.count():
            if number == len(self.built):
                world = next(self.source, None)
                if world is None:
                    return
                self.built.append(world)
            yield self.built[number]

    def wrong(
        self, before: Any, relation: str, after: Any, more: Any = None, batches: int = 100
    ) -> str:
        """What is wrong with a line, or nothing when it holds in all worlds.

        Args:
            more: values of letters that are not the claim's.
            batches: of worlds that are tried, at most.
        """
        try:
            for world in itertools.islice(self._worlds(), batches):
                for letter, value in (more or {}).items():
                    world = world.with_letter(letter, value)
                value, axis = world, 0
                if relation == r"\propto":
                    value, axis = _points(world, self.lhs)
                if found := _wrong(value, before, relation, after, axis):
                    return f"in a random world it is {found}"
        except KeyError as error:
            return f"{NO_WORLD}{error.args[0]} has no value in these worlds"
        except ERRORS as error:
            return f"{NO_WORLD}{error}"
        return ""


def witness(claim: Any, trial: Trial | None = None) -> tuple[str, str] | None:
    """Try every line of a claim in all its worlds.

    Returns:
        None when all hold; else the line that does not, and what is wrong there.
    """
    if claim.name in WITHOUT:
        return None
    trial = trial or Trial(claim)
    for name, before, relation, after in lines(claim):
        if wrong := trial.wrong(before, relation, after):
            return name, wrong
    return None


def count(claim: Any) -> int:
    """In how many worlds a claim is tried."""
    if claim.name in WITHOUT:
        return 0
    return 100 if kind(claim) == "tables" else COUNT * 4
