"""The functions that compute the claims of the chapter on the marginal and the schedules."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from ddpm_course import (
    marginal,
)
from ddpm_course.symbolic import CLAIMS
from ddpm_course.symbolic import marginal as sym_marginal
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


def _of_schedule(attribute: str) -> Callable[[Claim, Setting], Iterator[Pair]]:
    def pairs(claim: Claim, s: Setting) -> Iterator[Pair]:
        yield s.column(getattr(s.schedule, attribute)), s.numeric(claim)
        looked_up = s.schedule.at(getattr(s.schedule, attribute), s.t, s.x_0)
        yield looked_up, s.numeric(claim)

    return pairs


def _given_x0(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = marginal.given_x0(s.x_0, s.t, s.schedule)
    said = s.numeric(claim, {nt.x(0): s.x_0})
    if isinstance(said, tuple):
        yield from both(found, said)
    else:
        yield (found.var if claim.name.endswith("variance") else found.mean), said


def _sample(claim: Claim, s: Setting) -> Iterator[Pair]:
    found, kept = marginal.sample(s.x_0, s.t, s.schedule, eps=s.eps)
    yield found, s.numeric(claim, {nt.x(0): s.x_0, nt.eps: s.eps})
    yield kept, s.eps
    found, drawn = marginal.sample(s.x_0, s.t, s.schedule, generator=seeded())
    yield drawn, noise(s.x_0.shape, seeded())
    yield found, s.numeric(claim, {nt.x(0): s.x_0, nt.eps: drawn})


def predicted_x0(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = marginal.predict_x0(s.x_t, s.eps, s.t, s.schedule)
    given = {nt.x(nt.t): s.x_t, nt.eps: s.eps, nt.eps_theta(nt.x(nt.t), nt.t): s.eps}
    yield found, s.numeric(claim, given)


def _predict_eps(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = marginal.predict_eps(s.x_t, s.x_0, s.t, s.schedule)
    yield found, s.numeric(claim, {nt.x(nt.t): s.x_t, nt.x(0): s.x_0})


def _linear(claim: Claim, s: Setting) -> Iterator[Pair]:
    if s.name.startswith("linear"):
        ends = {nt.beta(1): 1e-4, nt.beta(nt.T): 0.02}
        yield s.column(s.schedule.beta), s.numeric(claim, ends)


def _linear_alpha_bar(claim: Claim, s: Setting) -> Iterator[Pair]:
    if s.name.startswith("linear"):
        delta = (0.02 - 1e-4) / (s.length - 1)
        given = {sym_marginal.delta: delta, sym_marginal.c: (1 - 1e-4) / delta}
        yield s.column(s.schedule.alpha_bar), s.numeric(claim, given)


def _cosine(claim: Claim, s: Setting) -> Iterator[Pair]:
    if s.name.startswith("cosine"):
        said = s.numeric(claim, {sym_marginal.offset: 0.008})
        uncut = s.schedule.beta[1:] < 0.999  # the curve f_t is ᾱ_t as long as nothing is cut off
        yield s.column(s.schedule.alpha_bar)[uncut], said[uncut.numpy()]


def _cosine_beta(claim: Claim, s: Setting) -> Iterator[Pair]:
    if s.name.startswith("cosine"):
        uncut = CLAIMS["marginal.cosine"]
        times = np.arange(s.length + 1)
        table = s.numeric(uncut, {sym_marginal.offset: 0.008}, t=times).ravel()
        given = {nt.cosine_share: table, sym_marginal.beta_max: 0.999}
        yield s.column(s.schedule.beta), s.numeric(claim, given)


BINDINGS = {
    "marginal.alpha": Binding(("Schedule.alpha", SCHEDULE_AT), _of_schedule("alpha")),
    "marginal.alpha-bar": Binding(("Schedule.alpha_bar",), _of_schedule("alpha_bar")),
    "marginal.alpha-bar-step": Binding(("Schedule.alpha_bar",), _of_schedule("alpha_bar")),
    "marginal.mean": Binding(("marginal.given_x0",), _given_x0),
    "marginal.variance": Binding(("marginal.given_x0",), _given_x0),
    "marginal.closed-form": Binding(("marginal.given_x0",), _given_x0),
    "marginal.sample": Binding(("marginal.sample",), _sample),
    "marginal.x0-from-eps": Binding(("marginal.predict_x0",), predicted_x0),
    "marginal.eps-from-x0": Binding(("marginal.predict_eps",), _predict_eps),
    "marginal.snr": Binding(("Schedule.snr",), _of_schedule("snr")),
    "marginal.linear": Binding(("Schedule.linear",), _linear),
    "marginal.linear-alpha-bar": Binding(
        ("Schedule.linear", "Schedule.alpha_bar"), _linear_alpha_bar
    ),
    "marginal.cosine": Binding(("Schedule.cosine",), _cosine),
    "marginal.cosine-beta": Binding(("Schedule.cosine",), _cosine_beta),
}
