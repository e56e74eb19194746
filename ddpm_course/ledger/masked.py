"""The functions that compute the claims of the chapter on masked diffusion.

They take the shares that are open; the three schedules of the ledger give such, as ᾱ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from ddpm_course import masked
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Claim

from .setting import Binding, Pair, Setting, seeded

VALUES = 3  # one of them is x_0, and the mask is a fourth


def _pixel(s: Setting) -> tuple[Tensor, Tensor]:
    """(T, 1) a value at each t, and (T, 1, VALUES) what a network says of it."""
    x_0 = torch.arange(s.length)[:, None] % VALUES
    return x_0, s.eps[:, None]


def _said(s: Setting) -> Tensor:
    """(T, 1) the network's chance of the true value."""
    x_0, logits = _pixel(s)
    return logits.softmax(-1).gather(2, x_0[:, None])[:, 0]


def _table(s: Setting) -> np.ndarray:
    """(T+1,) the same, by its time."""
    return np.concatenate([[1.0], _said(s)[:, 0].numpy()])


def _hidden(s: Setting) -> Tensor:
    x_0, _ = _pixel(s)
    return masked.hide(x_0, s.t, s.schedule.alpha_bar, VALUES, seeded())


def _open(claim: Claim, s: Setting) -> Iterator[Pair]:
    """What stays open, from the same numbers between 0 and 1."""
    x_0, _ = _pixel(s)
    chance = torch.rand(x_0.shape, generator=seeded(), dtype=torch.float64).numpy()
    x_t = np.where(chance < s.numeric(claim), x_0.numpy(), VALUES)
    yield _hidden(s), x_t


def _reveal(claim: Claim, s: Setting) -> Iterator[Pair]:
    yield s.column(masked.opened(s.schedule.alpha_bar)), s.numeric(claim)


def _given(s: Setting) -> dict[object, object]:
    """How often q opens a pixel, and leaves it, as their claims say: for claims that name them."""
    from ddpm_course.symbolic import claim

    now, before = nt.Masked(nt.t), nt.t - 1
    return {
        nt.q(nt.Open(before), now): s.numeric(claim("masked.reveal")),
        nt.q(nt.Masked(before), now): s.numeric(claim("masked.stay")),
        nt.q(nt.Masked(nt.t)): s.numeric(claim("masked.closed")),
        nt.Said: _table(s),
    }


def _back(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The law of the step back: its entry for x_0, and the last one."""
    x_0, logits = _pixel(s)
    law = masked.back(logits.softmax(-1), s.t, s.schedule.alpha_bar)
    stays = claim.name in ("masked.stay", "masked.model-stay")
    found = law[:, 0, -1:] if stays else law.gather(2, x_0[:, None])[:, 0]
    yield found, s.numeric(claim, _given(s))


def _divergence(claim: Claim, s: Setting) -> Iterator[Pair]:
    x_0, logits = _pixel(s)
    x_t = torch.full_like(x_0, VALUES)
    found = masked.step_loss(logits, x_0, x_t, s.t, s.schedule.alpha_bar)
    yield found[:, None], s.numeric(claim, {nt.Said: _table(s)})
    shown = masked.step_loss(logits, x_0, x_0, s.t, s.schedule.alpha_bar)  # it costs nothing
    yield shown[:, None], 0 * s.numeric(claim, {nt.Said: _table(s)})


def _loss(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The sum over the steps, each as often as the pixel is masked."""
    x_0, logits = _pixel(s)
    x_t = torch.full_like(x_0, VALUES)
    cost = masked.step_loss(logits, x_0, x_t, s.t, s.schedule.alpha_bar)
    found = ((1 - s.schedule.alpha_bar)[1:] * cost).sum()
    given = {nt.Said: _table(s), nt.alpha_bar: s.schedule.alpha_bar}
    yield found[None, None], s.numeric(claim, given, t=np.array([s.length]))


def _even(claim: Claim, s: Setting) -> Iterator[Pair]:
    yield s.column(masked.opened(masked.even(s.length))), s.numeric(claim)


BINDINGS = {
    "masked.open": Binding(("masked.hide",), _open),
    "masked.reveal": Binding(("masked.opened",), _reveal),
    "masked.stay": Binding(("masked.back",), _back),
    "masked.model": Binding(("masked.back",), _back),
    "masked.model-stay": Binding(("masked.back",), _back),
    "masked.divergence": Binding(("masked.step_loss",), _divergence),
    "masked.loss": Binding(("masked.step_loss",), _loss),
    "masked.even": Binding(("masked.even", "masked.opened"), _even),
}
