"""The functions that compute the claims of the chapter on flows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_course import (
    data,
    flow,
    marginal,
    solvers,
)
from ddpm_course.symbolic import CLAIMS
from ddpm_course.symbolic import flow as sym_flow
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Claim

from .setting import (
    Binding,
    Pair,
    Setting,
    best_noise,
    gaussian_data,
)


def _flow_times(s: Setting) -> Tensor:
    """A time of the flow for each row, within 0..1."""
    return (s.t.double() - 0.5) / s.length


def _flow(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The path, and what leads back from it; the velocity is that of a random line."""
    u = _flow_times(s)
    given = {nt.u: u[:, None], nt.x(0): s.x_0, nt.eps: s.eps, nt.x_u: s.x_t, nt.speed: s.z}
    found = {
        "flow.path": lambda: flow.path(s.x_0, s.eps, u),
        "flow.velocity": lambda: flow.velocity(s.x_0, s.eps),
        "flow.x0-from-velocity": lambda: flow.predict_x0(s.x_t, s.z, u),
        "flow.eps-from-velocity": lambda: flow.predict_eps(s.x_t, s.z, u),
    }[claim.name]
    yield found(), s.numeric(claim, given)


def _flow_way(claim: Claim, s: Setting) -> Iterator[Pair]:
    u = _flow_times(s) / 2
    way = flow.path(s.x_0, s.eps, u + 0.4) - flow.path(s.x_0, s.eps, u)
    yield way / 0.4, s.numeric(claim, {nt.x(0): s.x_0, nt.eps: s.eps})


def _flow_time(claim: Claim, s: Setting) -> Iterator[Pair]:
    yield s.column(flow.shares(s.schedule)), s.numeric(claim)


def _flow_point(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Where the flow is asked when DDPM's samplers ask at x_t."""
    asked: list[Tensor] = []

    def model(x_u: Tensor, u: Tensor) -> Tensor:
        asked.extend((x_u, u[:, None]))
        return x_u

    flow.as_noise(model, s.schedule)(s.x_t, s.t)
    yield asked[0], s.numeric(claim, {nt.x(nt.t): s.x_t})
    yield asked[1], s.numeric(CLAIMS["flow.time"])


def _flow_of_noise(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The velocity of a network that says ε, or the ε that belongs to a v."""
    u = flow.shares(s.schedule)[s.t]
    signal, noise = (
        part[1:, None] for part in (s.schedule.alpha_bar.sqrt(), 1 - s.schedule.alpha_bar)
    )
    noise = noise.sqrt()
    eps = s.eps if claim.name == "flow.velocity-from-eps" else noise * s.x_t + signal * s.z
    x_u = s.x_t / (signal + noise)
    found = flow.as_flow(lambda x_t, t: eps, s.schedule)(x_u, u)
    given = {nt.eps: eps, nt.x_u: x_u, nt.u: u[:, None], nt.x(nt.t): s.x_t, nt.v: s.z}
    yield found, s.numeric(claim, given)


def _flow_mean(claim: Claim, s: Setting) -> Iterator[Pair]:
    """For Gaussian data, where E[x_0 | x_t] is known."""
    _, given = gaussian_data(s)
    u = flow.shares(s.schedule)[s.t]
    x_u = s.x_t / (s.schedule.alpha_bar.sqrt() + (1 - s.schedule.alpha_bar).sqrt())[1:, None]
    clean = s.numeric(CLAIMS["reverse.gaussian-data"], given)
    said = s.numeric(claim, {nt.E(nt.x(0), nt.x_u): clean, nt.x_u: x_u, nt.u: u[:, None]})
    rise = best_noise(s, 1) - best_noise(s)

    def model(x_t: Tensor, t: Tensor) -> Tensor:
        """E[ε | x_t] rises in a straight line with x_t."""
        return best_noise(s)[t - 1] + rise[t - 1] * (x_t - s.x_t)

    yield flow.as_flow(model, s.schedule)(x_u, u), said


def _towards(eps_hat: Tensor, x_u: Tensor, u: Tensor) -> Tensor:
    """The velocity that reaches this noise at u = 1."""
    return (eps_hat - x_u) / (1 - u[:, None])


def _flow_loss(claim: Claim, s: Setting) -> Iterator[Pair]:
    """One line at a time, at a time of its own; a mean over 3 components."""
    u = _flow_times(s)
    said = s.numeric(claim, {nt.eps: s.eps, nt.eps_hat: s.eps_hat, nt.u: u[:, None]})
    found = [
        flow.flow_loss(partial(_towards, guess), x_0, float(at), eps)
        for x_0, eps, guess, at in zip(s.x_0.split(1), s.eps.split(1), s.eps_hat.split(1), u)
    ]
    yield 3 * torch.stack(found)[:, None], said


def _flow_walk(
    s: Setting, model: Callable[[int], Any], ends: Tensor, rows: slice = slice(None)
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Steps of Euler from each t to its end: where they land, from where, and both times."""
    table = flow.shares(s.schedule)
    start = s.x_t / (s.schedule.alpha_bar.sqrt() + (1 - s.schedule.alpha_bar).sqrt())[1:, None]
    landed = []
    for row in range(s.length)[rows]:
        times = [float(table[row + 1]), float(table[ends[row]])]
        *_, last = flow.euler(model(row), (1, 3), times, start=start[row : row + 1])
        landed.append(last.x_u)
    return torch.cat(landed), start, table[s.t][:, None], table[ends][:, None]


def _constant(speed: Tensor, x_u: Tensor, u: Tensor) -> Tensor:
    return speed


def _flow_euler(claim: Claim, s: Setting) -> Iterator[Pair]:
    for divisor in (1, 3):
        ends = torch.clamp(s.t // divisor, max=s.t - 1)
        found, start, u, later = _flow_walk(
            s, lambda row: partial(_constant, s.eps_hat[row : row + 1]), ends
        )
        given = {nt.x_u: start, nt.u: u, nt.u_next: later, nt.speed_hat: s.eps_hat}
        yield found, s.numeric(claim, given)
    yield from _flow_clipped(claim, s)


def _flow_clipped(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The guess of x_0 on the way, as it is and kept within [-1, 1]: one step, from u = 0.8."""
    x_u, speed, times = s.x_t[:1], s.eps_hat[:1], [0.8, 0.3]
    clean = s.numeric(
        CLAIMS["flow.x0-from-velocity"],
        {nt.x_u: x_u, nt.speed: speed, nt.u: np.full((1, 1), times[0])},
        t=[1],
    )
    for clip in (False, True):
        first, last = flow.euler(partial(_constant, speed), (1, 3), times, clip, start=x_u)
        seen = np.clip(clean, -1, 1) if clip else clean
        yield first.x0_hat, seen
        given = {nt.x_u: x_u, nt.u: times[0], nt.u_next: times[1]}
        given[nt.speed_hat] = (x_u.numpy() - seen) / times[0]
        yield last.x_u, s.numeric(claim, given, t=[1])


def _flow_ddim(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The same network, walked as a flow and by DDIM: to every step but 0, for the claim's s."""
    if s.name == "linear-1000":
        return  # a walk of its own for each row takes long
    rows = slice(1, None, 1 + s.length // 100)  # a hundred of them tell as much as a thousand
    ends = torch.clamp(s.t // 3, min=1).minimum(torch.clamp(s.t - 1, min=0))
    exact = data.Mixture(
        torch.ones(1, dtype=torch.float64),
        torch.full((1, 3), 0.4, dtype=torch.float64),
        torch.tensor([0.5], dtype=torch.float64),
    ).eps(s.schedule)
    found, *_ = _flow_walk(s, lambda row: flow.as_flow(exact, s.schedule), ends, rows)
    x_t, t = s.x_t[rows], s.t[rows]
    x_0 = marginal.predict_x0(x_t, exact(x_t, t), t, s.schedule)
    jumps = zip(x_0.split(1), x_t.split(1), t.tolist(), ends[rows].tolist())
    jumped = torch.cat([solvers.ddim_step(*jump, s.schedule).mean for jump in jumps])
    given = {nt.x(nt.s): jumped, nt.s: ends[rows, None]}
    yield found, s.numeric(claim, given, t=t.numpy())


def _flow_shift(claim: Claim, s: Setting) -> Iterator[Pair]:
    for shift in (0.5, 3.0):
        moved = torch.tensor(flow.times(s.length + 1, shift)[1:-1], dtype=torch.float64)
        even = 1 - torch.arange(1, s.length + 1, dtype=torch.float64) / (s.length + 1)
        given = {nt.u: even[:, None], sym_flow.shift: shift}
        yield (moved / (1 - moved))[:, None], s.numeric(claim, given)


BINDINGS = {
    "flow.path": Binding(("flow.path",), _flow),
    "flow.way": Binding(("flow.path",), _flow_way),
    "flow.velocity": Binding(("flow.velocity",), _flow),
    "flow.x0-from-velocity": Binding(("flow.predict_x0",), _flow),
    "flow.eps-from-velocity": Binding(("flow.predict_eps",), _flow),
    "flow.velocity-from-eps": Binding(("flow.as_flow",), _flow_of_noise),
    "flow.velocity-from-v": Binding(("flow.as_flow",), _flow_of_noise),
    "flow.mean-velocity": Binding(("flow.as_flow", "Mixture.eps"), _flow_mean),
    "flow.time": Binding(("flow.shares",), _flow_time),
    "flow.point": Binding(("flow.as_noise",), _flow_point),
    "flow.loss-of-noise": Binding(("flow.flow_loss",), _flow_loss),
    "flow.euler": Binding(("flow.euler",), _flow_euler),
    "flow.euler-is-ddim": Binding(("flow.euler", "flow.as_flow", "solvers.ddim_step"), _flow_ddim),
    "flow.shift": Binding(("flow.times",), _flow_shift),
}
