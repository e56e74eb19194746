"""The claims of the chapter on the loss: a file for each part of the road."""

from __future__ import annotations

from . import bound, divergence, predictions, simple, terms
from .letters import best_guess, const, m_1, m_2, network, w_t
from .simple import levels, lower, upper

CLAIMS = [
    *divergence.CLAIMS,
    *bound.CLAIMS,
    *terms.CLAIMS,
    *simple.CLAIMS,
    *predictions.CLAIMS,
]

__all__ = [
    "CLAIMS",
    "best_guess",
    "const",
    "levels",
    "lower",
    "m_1",
    "m_2",
    "network",
    "upper",
    "w_t",
]
