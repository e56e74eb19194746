"""The functions that compute the claims of the chapter on solvers."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from ddpm_course import (
    solvers,
)
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic import solvers as sym_solvers
from ddpm_course.symbolic.claim import Claim

from .setting import (
    Binding,
    Pair,
    Setting,
)


def _half_log_snr(claim: Claim, s: Setting) -> Iterator[Pair]:
    yield s.column(solvers.half_log_snr(s.schedule)), s.numeric(claim)


def _later(s: Setting) -> tuple[Tensor, Tensor]:
    """Times t = 2..T, and where a jump from each ends: near and far in turn, but not at 0, where λ
    is infinite."""
    t = torch.arange(2, s.length + 1)
    divisors = torch.tensor([1, 2, 9])
    return t, torch.clamp(t // divisors[t % 3], min=1).minimum(t - 1)


def _ratio(claim: Claim, s: Setting) -> Iterator[Pair]:
    lam = solvers.half_log_snr(s.schedule)
    t, ends = _later(s)
    found = (lam[t] - lam[ends]).exp()[:, None]
    yield found, s.numeric(claim, {nt.s: ends[:, None]}, t=t.numpy())


def _landed(s: Setting, t: Tensor, ends: Tensor) -> Tensor:
    rows = zip(s.x_0[1:].split(1), s.x_t[1:].split(1), t.tolist(), ends.tolist())
    return torch.cat([solvers.ddim_step(*row, s.schedule).mean for row in rows])


def _jump(claim: Claim, s: Setting) -> Iterator[Pair]:
    t, ends = _later(s)
    x_0, x_t = s.x_0[1:], s.x_t[1:]
    found = s.once("landed", lambda: _landed(s, t, ends))
    given = {nt.s: ends[:, None], nt.x0_guess: x_0, nt.x(nt.t): x_t}
    if claim.name == "solvers.euler":
        noise = (1 - s.schedule.alpha_bar).sqrt()[:, None]
        found = found / noise[ends] - x_t / noise[t]
    yield found, s.numeric(claim, given, t=t.numpy())


def _line(claim: Claim, s: Setting) -> Iterator[Pair]:
    if s.length < 3:
        return
    t = torch.arange(2, s.length)
    for ends, before in ((t - 1, t + 1), (torch.ones_like(t), torch.full_like(t, s.length))):
        now, then = s.x_0[1:-1], s.x_t[1:-1]
        rows = zip(now.split(1), then.split(1), before.tolist(), t.tolist(), ends.tolist())
        found = torch.cat([solvers.extrapolate(*row, s.schedule) for row in rows])
        given = {
            nt.s: ends[:, None],
            sym_solvers.r: before[:, None],
            nt.x0_guess: now,
            nt.x0_before: then,
        }
        yield found, s.numeric(claim, given, t=t.numpy())


BINDINGS = {
    "solvers.half-log-snr": Binding(("solvers.half_log_snr",), _half_log_snr),
    "solvers.ratio": Binding(("solvers.half_log_snr",), _ratio),
    "solvers.jump": Binding(("solvers.ddim_step",), _jump),
    "solvers.euler": Binding(("solvers.ddim_step",), _jump),
    "solvers.line": Binding(("solvers.extrapolate",), _line),
}
