"""The functions that compute the claims of the chapter on the trends."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic import trends as sym_trends
from ddpm_course.symbolic.claim import Claim
from ddpm_course.trends import multimodal

from .setting import (
    Binding,
    Pair,
    Setting,
)


def _contrastive(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The loss of one group of three pairs, two groups of two, and three groups of five."""
    fit = torch.cat([s.x_0, s.x_t, s.eps]).flatten()
    for count, groups in ((3, 1), (2, 2), (5, 3)):
        table = fit[: groups * count**2].reshape(groups, count, count)
        out = claim.with_step(-1, sym_trends.for_pairs(claim.rhs, count))
        ends = range(1, count + 1)
        said = [
            s.numeric(
                out, {nt.Similarity(i, j): one[i - 1, j - 1] for i in ends for j in ends}, t=[1]
            )
            for one in table
        ]
        yield multimodal.contrastive_loss(table).reshape(1, 1), np.reshape(np.mean(said), (1, 1))


BINDINGS = {
    "trends.contrastive": Binding(("multimodal.contrastive_loss",), _contrastive),
}
