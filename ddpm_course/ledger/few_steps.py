"""The functions that compute the claims of the chapter on one to four calls."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from ddpm_course import few_steps, flow
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Claim

from .flow import _constant, _flow_times
from .setting import Binding, Pair, Setting, noise, seeded


def _student(claim: Claim, s: Setting) -> Iterator[Pair]:
    """One call, from noise; then two, with noise added again, and each end within [-1, 1]."""
    model = partial(_constant, s.z)
    found = few_steps.sample(model, s.x_t.shape, clip_x0=False, start=s.x_t)
    yield found, s.numeric(claim, {nt.x_u: s.x_t, nt.u: 1.0, nt.speed_hat: s.z})
    found = few_steps.sample(model, s.x_t.shape, 2, generator=seeded(), start=s.x_t)
    fresh = noise(s.x_t.shape, seeded(), torch.float32)
    half_way = ((s.x_t - s.z).clamp(-1, 1) + fresh) / 2
    said = s.numeric(claim, {nt.x_u: half_way, nt.u: 0.5, nt.speed_hat: s.z})
    yield found, np.clip(said, -1, 1)


def _student_loss(claim: Claim, s: Setting) -> Iterator[Pair]:
    """One place at a time; a mean over 3 components."""
    u = _flow_times(s)
    ends = flow.predict_x0(s.x_t, s.z, u)
    found = [
        few_steps.student_loss(partial(_constant, speed), x_u, at, end)
        for x_u, at, end, speed in zip(s.x_t.split(1), u.split(1), ends.split(1), s.eps.split(1))
    ]
    given = {nt.u: u[:, None], nt.speed: s.z, nt.speed_hat: s.eps}
    yield 3 * torch.stack(found)[:, None], s.numeric(claim, given)


BINDINGS = {
    "few_steps.student": Binding(("few_steps.sample",), _student),
    "few_steps.loss": Binding(("few_steps.student_loss",), _student_loss),
}
