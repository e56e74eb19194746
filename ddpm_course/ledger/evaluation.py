"""The functions that compute the claims of the chapter on evaluation."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ddpm_course import (
    metrics,
)
from ddpm_course.symbolic import evaluation as sym_evaluation
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Claim

from .loss import bound
from .setting import (
    Binding,
    Pair,
    Setting,
)


def _frechet(claim: Claim, s: Setting) -> Iterator[Pair]:
    """For one component, where matrices are numbers."""
    a, b = s.x_0[:, :1], 2 * s.x_t[:, :1] + 0.3
    given = {
        nt.mu_1: a.mean(),
        nt.mu_2: b.mean(),
        nt.Spread(1): a.var(),
        nt.Spread(2): b.var(),
    }
    said = np.asarray(s.numeric(claim, {k: v.reshape(1, 1) for k, v in given.items()}, t=[1]))
    yield np.full((1, 1), metrics.frechet_distance(a, b)), said.reshape(1, 1)


def _frechet_line(claim: Claim, s: Setting) -> Iterator[Pair]:
    a, b = s.x_0[:, :1], 2 * s.x_t[:, :1] + 0.3
    given = {nt.mu_1: a.mean(), nt.mu_2: b.mean()}
    given |= {sym_evaluation.sd_1: a.std(), sym_evaluation.sd_2: b.std()}
    said = np.asarray(s.numeric(claim, {k: v.reshape(1, 1) for k, v in given.items()}, t=[1]))
    yield np.full((1, 1), metrics.frechet_distance(a, b)), said.reshape(1, 1)


BINDINGS = {
    "evaluation.frechet": Binding(("metrics.frechet_distance",), _frechet),
    "evaluation.frechet-line": Binding(("metrics.frechet_distance",), _frechet_line),
    "evaluation.bits": Binding(("loss.bits_per_dim",), bound),
}
