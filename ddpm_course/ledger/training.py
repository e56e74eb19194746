"""The functions that compute the claims of the chapter on training: the average of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from torch import Tensor

from ddpm_course import trainer
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic import training as sym_training
from ddpm_course.symbolic.claim import Claim

from .setting import Binding, Pair, Setting


def _averaged(old: Tensor, new: Tensor, keep: float, step: int) -> Tensor:
    """What the trainer makes of its average after a step."""
    of: Any = SimpleNamespace(config=SimpleNamespace(ema_decay=keep), step=step)
    averaged = old.clone()
    trainer.Trainer._average(of, [averaged], [new], 0)
    return averaged


def _ema(claim: Claim, s: Setting) -> Iterator[Pair]:
    """An old average keeps λ; a young one keeps less, so that it forgets its random start."""
    for keep, step in ((0.9, 10_000), (0.999, 100_000), (0.9999, 0), (0.9999, 50)):
        found = _averaged(s.x_0, s.x_t, keep, step)
        share = min(keep, (1 + step) / (10 + step))
        given = {
            sym_training.keep: share,
            nt.Averaged(nt.n - 1): s.x_0,
            nt.Weights(nt.n): s.x_t,
        }
        yield found, s.numeric(claim, given)


def _ema_sum(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Six steps, one after the other."""
    if s.length > 10:
        return
    weights, keep = s.x_0[:7], 0.8
    found = weights[0]
    for row in weights[1:]:
        found = _averaged(found, row, keep, 10_000)
    given = {sym_training.keep: keep, nt.n: 6, nt.Weights: weights}
    yield found[None], s.numeric(claim, given, t=[1])


BINDINGS = {
    "training.ema": Binding(("Trainer._average",), _ema),
    "training.ema-sum": Binding(("Trainer._average",), _ema_sum),
}
