"""The functions that compute the claims of the chapter on the way back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from ddpm_course import (
    marginal,
    reverse,
)
from ddpm_course.symbolic import CLAIMS
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Claim

from .marginal import predicted_x0
from .setting import (
    VARIANCES,
    Binding,
    Pair,
    Setting,
    both,
    gaussian_data,
    network,
    noise,
    seeded,
)


def _posterior(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = reverse.posterior(s.x_0, s.x_t, s.t, s.schedule)
    said = s.numeric(claim, {nt.x(0): s.x_0, nt.x(nt.t): s.x_t})
    if isinstance(said, tuple):
        yield from both(found, said)
    elif claim.name.endswith("variance"):
        yield found.var, said
        yield s.column(s.schedule.beta_tilde), said
    else:
        yield found.mean, said


def _first(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = reverse.posterior(s.x_0[:1], s.x_t[:1], 1, s.schedule)
    said = s.numeric(claim, {nt.x(0): s.x_0[:1], nt.x(1): s.x_t[:1]}, t=[1])
    if claim.name.endswith("mean"):
        yield found.mean, said
    else:
        yield found.var, said
        yield s.schedule.beta_tilde[1:2, None], said


def _posterior_sample(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = reverse.posterior(s.x_0, s.x_t, s.t, s.schedule).sample(seeded())
    z = noise(s.x_0.shape, seeded())
    yield found, s.numeric(claim, {nt.x(0): s.x_0, nt.x(nt.t): s.x_t, nt.z: z})


def _mean_eps(claim: Claim, s: Setting) -> Iterator[Pair]:
    x_0 = marginal.predict_x0(s.x_t, s.eps, s.t, s.schedule)
    found = reverse.posterior(x_0, s.x_t, s.t, s.schedule).mean
    yield found, s.numeric(claim, {nt.x(nt.t): s.x_t, nt.eps: s.eps})


def _of_network(s: Setting, **more: Any) -> dict[Any, Any]:
    return {nt.x(nt.t): s.x_t, nt.eps_theta(nt.x(nt.t), nt.t): s.eps_hat, **more}


def _transition(claim: Claim, s: Setting) -> Iterator[Pair]:
    """p_θ: its mean is that of ``reverse.mean-model``, its variance one of two."""
    mean = s.numeric(CLAIMS["reverse.mean-model"], _of_network(s))
    for variance in VARIANCES:
        table = getattr(s.schedule, variance)
        found = reverse.transition(s.eps_hat, s.x_t, s.t, s.schedule, variance, clip_x0=False)
        given = {nt.mu_theta(nt.x(nt.t), nt.t): mean, nt.sigma: table.sqrt()}
        yield from both(found, s.numeric(claim, given))


def _mean_model(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = reverse.transition(s.eps_hat, s.x_t, s.t, s.schedule, clip_x0=False).mean
    yield found, s.numeric(claim, _of_network(s))
    # With clipping: the posterior's mean at the predicted x_0, kept within [-1, 1].
    found = reverse.transition(s.eps_hat, s.x_t, s.t, s.schedule, clip_x0=True).mean
    x_0 = np.clip(s.numeric(CLAIMS["reverse.x0-model"], _of_network(s)), -1, 1)
    yield found, s.numeric(CLAIMS["reverse.posterior-mean"], {nt.x(0): x_0, nt.x(nt.t): s.x_t})


def _update(claim: Claim, s: Setting) -> Iterator[Pair]:
    """One update, and a whole walk of the sampler, step by step from its own states."""
    deviation = s.schedule.beta_tilde.sqrt()
    found = reverse.transition(s.eps_hat, s.x_t, s.t, s.schedule, clip_x0=False).sample(seeded())
    z = noise(s.x_t.shape, seeded())
    given = _of_network(s) | {nt.sigma: deviation, nt.z: z}
    yield found, s.numeric(claim, given)

    for variance in VARIANCES:
        table = getattr(s.schedule, variance)
        start = s.x_t[:1]
        walk = list(
            reverse.ancestral(
                network, (1, 3), s.schedule, variance, False, generator=seeded(), x_T=start
            )
        )
        if [step.t for step in walk] != list(range(s.length, -1, -1)):
            raise ValueError(f"the sampler stood at {[step.t for step in walk][:3]}...")
        states = torch.cat([step.x_t for step in reversed(walk)])  # row t is x_t
        generator = seeded()
        fresh = [noise((1, 3), generator) for _ in range(s.length - 1)]  # for t = T..2
        z = torch.cat([torch.zeros(1, 3, dtype=torch.float64), *reversed(fresh)])
        predicted = network(states[1:], s.t)
        given = {
            nt.x(nt.t): states[1:],
            nt.eps_theta(nt.x(nt.t), nt.t): predicted,
            nt.sigma: table.sqrt(),
            nt.z: z,
        }
        yield states[:-1], s.numeric(claim, given)
        seen = torch.cat([step.x0_hat for step in reversed(walk)])[1:]
        yield seen, s.numeric(CLAIMS["reverse.x0-model"], given)


def _denoiser(claim: Claim, s: Setting) -> Iterator[Pair]:
    """E[x_0 | x_t], from the exact network for Gaussian data."""
    mixture, given = gaussian_data(s)
    eps = mixture.eps(s.schedule)(s.x_t, s.t)
    said = s.numeric(claim, given)
    # As noise: near t = T of the cosine schedule, x_0 itself would hang on the last digits of ε.
    yield eps, s.numeric(CLAIMS["marginal.eps-from-x0"], {nt.x(nt.t): s.x_t, nt.x(0): said})


def _noised(claim: Claim, s: Setting) -> Iterator[Pair]:
    mixture, given = gaussian_data(s)
    mean, var = s.numeric(claim, given)
    every = [mixture.noised(t, s.schedule) for t in range(1, s.length + 1)]
    yield torch.cat([one.means[:, :1] for one in every]), mean
    yield torch.stack([one.variances for one in every]), var


BINDINGS = {
    "reverse.transition": Binding(("reverse.transition", "reverse._step_back"), _transition),
    "reverse.posterior-variance": Binding(("Schedule.beta_tilde", "reverse.posterior"), _posterior),
    "reverse.posterior-mean": Binding(("reverse.posterior",), _posterior),
    "reverse.posterior": Binding(("reverse.posterior",), _posterior),
    "reverse.posterior-sample": Binding(
        ("reverse.posterior", "Gaussian.sample"), _posterior_sample
    ),
    "reverse.mean-eps": Binding(("reverse.posterior",), _mean_eps),
    "reverse.first-step": Binding(("Schedule.beta_tilde", "reverse.posterior"), _first),
    "reverse.first-mean": Binding(("reverse.posterior",), _first),
    "reverse.gaussian-marginal": Binding(("Mixture.noised",), _noised),
    "reverse.gaussian-data": Binding(("Mixture.eps", "Mixture.score"), _denoiser),
    "reverse.x0-model": Binding(("marginal.predict_x0",), predicted_x0),
    "reverse.mean-model": Binding(("reverse.transition", "reverse._predict_x0"), _mean_model),
    "reverse.update": Binding(("reverse.ancestral", "Gaussian.sample"), _update),
}
