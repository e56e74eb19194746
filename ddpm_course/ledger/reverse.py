"""The functions that compute the claims of the chapter on the way back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_course import (
    forward,
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
    best_noise,
    both,
    gaussian_data,
    network,
    noise,
    noised,
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

    walked = {"linear-1000": VARIANCES[:1], "cosine-1000": VARIANCES[1:]}  # a walk takes long
    for variance in walked.get(s.name, VARIANCES):
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
    said = s.numeric(claim, gaussian_data(s)[1])
    # As noise: near t = T of the cosine schedule, x_0 itself would hang on the last digits of ε.
    given = {nt.x(nt.t): s.x_t, nt.x(0): said}
    yield best_noise(s), s.numeric(CLAIMS["marginal.eps-from-x0"], given)


def _noised(claim: Claim, s: Setting) -> Iterator[Pair]:
    mean, var = s.numeric(claim, gaussian_data(s)[1])
    every = noised(s)[1:]
    yield torch.cat([one.means[:, :1] for one in every]), mean
    yield torch.stack([one.variances for one in every]), var


def _start(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Where the sampler starts, when it is not told where."""
    mean, var = s.numeric(claim, t=[s.length])
    walk = reverse.ancestral(network, (2, 3), s.schedule, generator=seeded())
    drawn = noise((2, 3), seeded(), torch.float32).double()
    yield next(iter(walk)).x_t.double(), mean + np.sqrt(var) * drawn.numpy()


def _bayes(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Four densities, at points that the process passes."""
    x_0, t = s.x_0[1:], s.t[1:]
    x_t, _ = marginal.sample(x_0, t, s.schedule, eps=s.eps[1:])
    p = reverse.posterior(x_0, x_t, t, s.schedule)
    x_s = p.mean + p.var.sqrt() * s.z[1:]
    given = {
        nt.q(nt.x(nt.t), nt.x(nt.t - 1)): forward.step(x_s, t, s.schedule).log_prob(x_t),
        nt.q(nt.x(nt.t - 1), nt.x(0)): marginal.given_x0(x_0, t - 1, s.schedule).log_prob(x_s),
        nt.q(nt.x(nt.t), nt.x(0)): marginal.given_x0(x_0, t, s.schedule).log_prob(x_t),
    }
    said = s.numeric(claim, {key: one.exp() for key, one in given.items()}, t=t.numpy())
    yield p.log_prob(x_s).exp(), said


def _fixed(variance: reverse.Variance) -> Callable[[Claim, Setting], Iterator[Pair]]:
    """The variance that is best for some data is one of the two of the sampler."""

    def pairs(claim: Claim, s: Setting) -> Iterator[Pair]:
        p = reverse.transition(s.eps_hat, s.x_t, s.t, s.schedule, variance, clip_x0=False)
        yield p.var, s.numeric(claim)

    return pairs


def _doubt(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Var[x_{t-1} | x_t] of Gaussian data, from the variances of both."""
    _, given = gaussian_data(s)
    v = torch.stack([one.variances for one in noised(s)])
    _, doubt = s.numeric(CLAIMS["reverse.gaussian-data-density"], given)
    said = s.numeric(claim, given | {nt.Var(nt.x(0), nt.x(nt.t)): doubt})
    yield v[:-1] / v[1:] * s.schedule.beta[1:, None], said


def slope_of_noise(s: Setting) -> Tensor:
    """How √(1 - ᾱ_t) E[ε | x_t] rises with x_t: a straight line, for Gaussian data."""
    rise = best_noise(s, 1) - best_noise(s)
    return (1 - s.column(s.schedule.alpha_bar)).sqrt() * rise


def _clean(claim: Claim, s: Setting) -> Iterator[Pair]:
    """q(x_0 | x_t): the mean as noise, and the variance by how the mean rises with x_t."""
    mean, var = s.numeric(claim, gaussian_data(s)[1])
    noise_of = s.numeric(CLAIMS["marginal.eps-from-x0"], {nt.x(nt.t): s.x_t, nt.x(0): mean})
    yield best_noise(s), noise_of
    yield slope_of_noise(s), 1 - var * s.numeric(CLAIMS["marginal.snr"])


def _mean_back(claim: Claim, s: Setting) -> Iterator[Pair]:
    """E[x_{t-1} | x_t]: the posterior's mean at the best guess of x_0."""
    x_0 = marginal.predict_x0(s.x_t, best_noise(s), s.t, s.schedule)
    said = s.numeric(claim, gaussian_data(s)[1])
    yield reverse.posterior(x_0, s.x_t, s.t, s.schedule).mean, said


def _walk(claim: Claim, s: Setting) -> Iterator[Pair]:
    """A step of the sampler with the exact network: what it makes of any variance."""
    given, before = gaussian_data(s)[1], s.z**2 + 0.1
    (spread,) = claim.rhs.atoms(nt.Var)
    v = torch.stack([one.variances for one in noised(s)])
    places = [(best_noise(s, farther), s.x_t + farther) for farther in (0, 1)]
    for variance in VARIANCES:
        here, there = (
            reverse.transition(eps_hat, x, s.t, s.schedule, variance, clip_x0=False)
            for eps_hat, x in places
        )
        sigma = getattr(s.schedule, variance).sqrt()
        more = {spread: before, nt.sigma: sigma, nt.data_variance: v.ravel()}
        said = s.numeric(claim, given | more)
        yield (there.mean - here.mean) ** 2 * before + here.var, said


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
    "reverse.prior": Binding(("reverse.ancestral",), _start),
    "reverse.bayes": Binding(
        ("reverse.posterior", "forward.step", "marginal.given_x0", "Gaussian.log_prob"), _bayes
    ),
    "reverse.total-variance": Binding(("Mixture.noised",), _doubt),
    "reverse.optimal-variance-point": Binding(("reverse.transition",), _fixed("beta_tilde")),
    "reverse.optimal-variance-gaussian": Binding(("reverse.transition",), _fixed("beta")),
    "reverse.gaussian-data-density": Binding(("Mixture.eps", "Mixture.score"), _clean),
    "reverse.gaussian-data-mean": Binding(("reverse.posterior", "Mixture.eps"), _mean_back),
    "reverse.gaussian-data-variance": Binding(("Mixture.noised",), _doubt),
    "reverse.gaussian-walk": Binding(("reverse.transition", "Mixture.eps"), _walk),
    "reverse.update": Binding(("reverse.ancestral", "Gaussian.sample"), _update),
}
