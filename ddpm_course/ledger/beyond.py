"""The functions that compute the claims of the chapter on what came after DDPM."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from ddpm_course import (
    gaussian,
    solvers,
)
from ddpm_course.symbolic import CLAIMS
from ddpm_course.symbolic import beyond as sym_beyond
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Claim
from ddpm_course.trends import text_to_image

from .setting import (
    Binding,
    Pair,
    Setting,
    noise,
    seeded,
)

Kind = tuple[int, float]  # t is divided by this; the share of fresh noise
JUMPS: tuple[tuple[Kind, ...], ...] = (((1, 1.0),), ((1, 0.4),), ((2, 0.7), (3, 0.0), (9, 1.0)))


def _jumps(s: Setting) -> Iterator[tuple[Tensor, Tensor, list[gaussian.Gaussian]]]:
    """DDIM steps from every t: to its neighbor, and far, with little and with much fresh noise."""
    for kinds in JUMPS:
        yield s.once(kinds, partial(_jump, s, kinds))


def _jump(s: Setting, kinds: tuple[Kind, ...]) -> tuple[Tensor, Tensor, list[gaussian.Gaussian]]:
    divisors, etas = (torch.tensor(one)[s.t % len(kinds)] for one in zip(*kinds))
    ends = torch.clamp(s.t // divisors, max=s.t - 1)
    places = zip(s.t.tolist(), ends.tolist(), etas.tolist())
    rows = zip(s.x_0.split(1), s.x_t.split(1), places)
    found = [
        solvers.ddim_step(x_0, x_t, t, end, s.schedule, eta) for x_0, x_t, (t, end, eta) in rows
    ]
    return ends, etas[:, None], found


def _ddim(claim: Claim, s: Setting) -> Iterator[Pair]:
    """A draw: the mean, and the root of the variance times the noise."""
    given = {nt.x(0): s.x_0, nt.x(nt.t): s.x_t}
    old = s.numeric(CLAIMS["marginal.eps-from-x0"], given)
    for ends, eta, found in _jumps(s):
        at = {nt.s: ends[:, None], sym_beyond.eta: eta}
        var = np.asarray(s.numeric(CLAIMS["beyond.ddim-variance"], at))
        generator, again = seeded(), seeded()
        drawn = torch.cat([p.sample(generator) for p in found])
        fresh = torch.cat([noise((1, 3), again) for _ in found])
        at |= {nt.x0_guess: s.x_0, nt.eps_hat: old, sym_beyond.noise: np.sqrt(var), nt.z: fresh}
        yield drawn, s.numeric(claim, at)


def _ddim_variance(claim: Claim, s: Setting) -> Iterator[Pair]:
    of_neighbors = claim.name == "beyond.ddim-variance-step"
    for ends, eta, found in islice(_jumps(s), 2 if of_neighbors else None):
        said = s.numeric(claim, {nt.s: ends[:, None], sym_beyond.eta: eta})
        yield torch.stack([p.var for p in found])[:, None], said


def _ddim_is_ddpm(claim: Claim, s: Setting) -> Iterator[Pair]:
    said = s.numeric(claim, {nt.x(0): s.x_0, nt.x(nt.t): s.x_t})
    _, _, found = next(_jumps(s))
    yield torch.cat([p.mean for p in found]), said


def _guidance(claim: Claim, s: Setting) -> Iterator[Pair]:
    for w in (0.0, 0.7, 1.0, 3.0):
        given = {
            nt.eps_theta(nt.x(nt.t), nt.t): s.eps,
            nt.eps_theta(nt.x(nt.t), nt.t, sym_beyond.label): s.eps_hat,
            sym_beyond.scale: w,
        }
        yield text_to_image.guide(s.eps, s.eps_hat, w), s.numeric(claim, given)


def _keeps_marginal(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The variance after a jump from q(x_t | x_0): at twenty times of a schedule, near and far."""
    rows = torch.arange(0, s.length, max(s.length // 20, 1))
    for divisor, eta in ((1, 0.4), (3, 1.0)):
        t = s.t[rows]
        ends = torch.clamp(t // divisor, max=t - 1)
        found = []
        for row, now, end in zip(rows.tolist(), t.tolist(), ends.tolist()):
            x_0, x_t = s.x_0[row : row + 1], s.x_t[row : row + 1]
            here, there = (
                solvers.ddim_step(x_0, x, now, end, s.schedule, eta) for x in (x_t, x_t + 1)
            )
            slope = there.mean - here.mean
            found.append(slope**2 * (1 - s.schedule.alpha_bar[now]) + here.var)
        yield torch.cat(found), s.numeric(claim, {nt.s: ends[:, None]}, t=t.numpy())


BINDINGS = {
    "beyond.ddim": Binding(("solvers.ddim_step", "Gaussian.sample"), _ddim),
    "beyond.ddim-variance": Binding(("solvers.ddim_step",), _ddim_variance),
    "beyond.ddim-variance-step": Binding(("solvers.ddim_step",), _ddim_variance),
    "beyond.ddim-marginal": Binding(("solvers.ddim_step",), _keeps_marginal),
    "beyond.ddim-is-ddpm": Binding(("solvers.ddim_step",), _ddim_is_ddpm),
    "beyond.guidance": Binding(("text_to_image.guide",), _guidance),
}
