"""The functions that compute the claims of the chapter on the forward process."""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from ddpm_course import (
    forward,
    gaussian,
)
from ddpm_course.symbolic import forward as sym_forward
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Claim

from .setting import (
    SCHEDULE_AT,
    Binding,
    Pair,
    Setting,
    both,
    noise,
    seeded,
)


def _density(claim: Claim, s: Setting) -> Iterator[Pair]:
    mean, var = s.eps, s.z**2 + 0.1
    found = gaussian.Gaussian(mean, var).log_prob(s.x_0).exp()
    given = {sym_forward.y: s.x_0, sym_forward.mu: mean, sym_forward.sd: var.sqrt()}
    yield found, s.numeric(claim, given)


def _step(claim: Claim, s: Setting) -> Iterator[Pair]:
    said = s.numeric(claim, {nt.x(nt.t - 1): s.x_0})
    found = forward.step(s.x_0, s.t, s.schedule)
    if isinstance(said, tuple):
        yield from both(found, said)
    else:
        yield (found.var if claim.name.endswith("variance") else found.mean), said


def _stepped(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = forward.step(s.x_0, s.t, s.schedule).sample(seeded())
    eps = noise(s.x_0.shape, seeded())
    yield found, s.numeric(claim, {nt.x(nt.t - 1): s.x_0, nt.eps_at: _table(eps)})

    walk = torch.stack(list(forward.trajectory(s.x_0[:1], s.schedule, seeded())))[:, 0]
    generator = seeded()
    eps = torch.cat([noise((1, 3), generator) for _ in range(s.length)])
    if len(walk) != s.length + 1:
        raise ValueError(f"the walk has {len(walk)} states for {s.length} steps")
    yield walk[1:], s.numeric(claim, {nt.x(nt.t - 1): walk[:-1], nt.eps_at: _table(eps)})


def _table(rows: Tensor) -> Tensor:
    """Rows for t = 1..T as a table with an entry 0."""
    return torch.cat([torch.full_like(rows[:1], math.nan), rows])


def _slope(s: Setting, t: Tensor) -> Tensor:
    """What a step multiplies its input with."""
    return forward.step(torch.ones(len(t), 3, dtype=torch.float64), t, s.schedule).mean


def _twice(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Two steps, one after the other, from x_{t-2}."""
    t, x = s.t[1:], s.x_0[1:]
    first = forward.step(x, t - 1, s.schedule)
    second = forward.step(first.mean + first.var.sqrt() * s.eps[1:], t, s.schedule)
    given = {
        nt.x(nt.t - 2): x,
        nt.eps_at(nt.t - 1): s.eps[1:],
        nt.eps_at(nt.t): s.z[1:],
    }
    said = s.numeric(claim, given, t=t.numpy())
    var = _slope(s, t) ** 2 * first.var + second.var
    if isinstance(said, tuple):
        yield forward.step(first.mean, t, s.schedule).mean, said[0]
        yield var, said[1]
    elif claim.name == "forward.two-steps-variance":
        yield var, said
    else:
        yield second.mean + second.var.sqrt() * s.z[1:], said


def _spread(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The variance after a step, from a variance of 1, or from any."""
    before = torch.ones_like(s.z) if claim.name == "forward.unit-variance" else s.z**2 + 0.1
    after = _slope(s, s.t) ** 2 * before + forward.step(s.x_0, s.t, s.schedule).var
    given = {nt.Var(nt.x(nt.t - 1)): before}
    drift = claim.name == "forward.variance-drift"
    yield (after - 1 if drift else after), s.numeric(claim, given)


BINDINGS = {
    "forward.gaussian": Binding(("Gaussian.log_prob",), _density),
    "forward.transition": Binding(("forward.step", SCHEDULE_AT), _step),
    "forward.reparameterization": Binding(
        ("forward.step", "Gaussian.sample", "forward.trajectory"), _stepped
    ),
    "forward.reparameterization-mean": Binding(("forward.step",), _step),
    "forward.reparameterization-variance": Binding(("forward.step",), _step),
    "forward.unit-variance": Binding(("forward.step",), _spread),
    "forward.variance-drift": Binding(("forward.step",), _spread),
    "forward.two-steps": Binding(("forward.step",), _twice),
    "forward.two-steps-variance": Binding(("forward.step",), _twice),
    "forward.two-steps-density": Binding(("forward.step",), _twice),
}
