"""The ledger: every claim of the book beside the torch function that computes it.

A claim is proved by SymPy and evaluated by NumPy, in ``ddpm_course.symbolic``, which knows nothing
of torch. Here both meet: each binding evaluates a claim at every t of three schedules, in float64,
and lays the result beside what the package computes.

    >>> from ddpm_course import ledger
    >>> check = next(ledger.entries())  # ``ddpm-course verify`` makes all of them
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, NamedTuple, TextIO

import numpy as np
import torch
from torch import Tensor

from ddpm_course import (
    data,
    few_steps,
    flow,
    forward,
    gaussian,
    loss,
    marginal,
    metrics,
    reverse,
    schedule,
    solvers,
)
from ddpm_course.symbolic import CLAIMS, ClaimError
from ddpm_course.symbolic import beyond as sym_beyond
from ddpm_course.symbolic import evaluation as sym_evaluation
from ddpm_course.symbolic import flow as sym_flow
from ddpm_course.symbolic import forward as sym_forward
from ddpm_course.symbolic import loss as sym_loss
from ddpm_course.symbolic import marginal as sym_marginal
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic import reverse as sym_reverse
from ddpm_course.symbolic import solvers as sym_solvers
from ddpm_course.symbolic import trends as sym_trends
from ddpm_course.symbolic.claim import Claim
from ddpm_course.trends import multimodal, text_to_image

__all__ = ["BINDINGS", "TOLERANCE", "Binding", "Entry", "entries", "largest_error", "main"]

TOLERANCE = 1e-10  # the largest relative error that is accepted

Pair = tuple[Any, Any]  # what torch computes, what the claim says: (T, d), or (T, 1)


class Setting:
    """A schedule, and random data for all of its steps at once: row t - 1 belongs to step t."""

    def __init__(self, name: str) -> None:
        kind, length = name.split("-")
        self.name = name
        self.schedule = getattr(schedule.Schedule, kind)(int(length))
        rng = np.random.default_rng(7)
        draw = lambda: torch.from_numpy(rng.standard_normal((int(length), 3)))  # noqa: E731
        self.x_0, self.x_t, self.eps, self.eps_hat, self.z = (draw() for _ in range(5))
        self.t = torch.arange(1, int(length) + 1)
        self.beta = self.schedule.beta.numpy()
        self.length = int(length)
        self.read: set[str] = set()  # the claims that were evaluated

    def numeric(self, claim: Claim, given: Mapping[Any, Any] | None = None, **at: Any) -> Any:
        """The right side of a claim at every t; ``given`` as for ``Claim.numeric``."""
        self.read.add(claim.name)
        values = {key: np.asarray(value) for key, value in (given or {}).items()}
        return claim.numeric(self.beta, values, **at)

    def column(self, table: Tensor) -> Tensor:
        """A table of the schedule at t = 1..T."""
        return table[1:, None]


SETTINGS = ("linear-10", "cosine-1000", "linear-1000")  # quick ones first: a mutant dies early


VARIANCES: tuple[reverse.Variance, ...] = ("beta_tilde", "beta")


class Binding(NamedTuple):
    """What computes a claim: names of functions, and the two results to compare."""

    functions: tuple[str, ...]
    pairs: Callable[[Claim, Setting], Iterator[Pair]]


def network(x_t: Tensor, t: Tensor) -> Tensor:
    """A network in closed form, so that claims can be evaluated with the same one."""
    return torch.sin(2 * x_t) + 0.3 * torch.cos(0.1 * t).view(-1, *[1] * (x_t.ndim - 1))


def _noise(shape: Any, generator: torch.Generator, dtype: Any = torch.float64) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=dtype)


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(11)


def _both(distribution: Any, said: tuple[Any, Any]) -> Iterator[Pair]:
    """Mean and variance of a Gaussian, torch's and the claim's."""
    yield distribution.mean, said[0]
    yield distribution.var, said[1]


# -- forward ---------------------------------------------------------------------------------------


def _density(claim: Claim, s: Setting) -> Iterator[Pair]:
    mean, var = s.eps, s.z**2 + 0.1
    found = gaussian.Gaussian(mean, var).log_prob(s.x_0).exp()
    given = {sym_forward.y: s.x_0, sym_forward.mu: mean, sym_forward.sd: var.sqrt()}
    yield found, s.numeric(claim, given)


def _step(claim: Claim, s: Setting) -> Iterator[Pair]:
    said = s.numeric(claim, {nt.x(nt.t - 1): s.x_0})
    found = forward.step(s.x_0, s.t, s.schedule)
    if isinstance(said, tuple):
        yield from _both(found, said)
    else:
        yield (found.var if claim.name.endswith("variance") else found.mean), said


def _stepped(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = forward.step(s.x_0, s.t, s.schedule).sample(_seeded())
    eps = _noise(s.x_0.shape, _seeded())
    yield found, s.numeric(claim, {nt.x(nt.t - 1): s.x_0, nt.eps_at: _table(eps)})

    walk = torch.stack(list(forward.trajectory(s.x_0[:1], s.schedule, _seeded())))[:, 0]
    generator = _seeded()
    eps = torch.cat([_noise((1, 3), generator) for _ in range(s.length)])
    if len(walk) != s.length + 1:
        raise ValueError(f"the walk has {len(walk)} states for {s.length} steps")
    yield walk[1:], s.numeric(claim, {nt.x(nt.t - 1): walk[:-1], nt.eps_at: _table(eps)})


def _table(rows: Tensor) -> Tensor:
    """Rows for t = 1..T as a table with an entry 0."""
    return torch.cat([torch.full_like(rows[:1], math.nan), rows])


# -- marginal --------------------------------------------------------------------------------------


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
        yield from _both(found, said)
    else:
        yield (found.var if claim.name.endswith("variance") else found.mean), said


def _sample(claim: Claim, s: Setting) -> Iterator[Pair]:
    found, kept = marginal.sample(s.x_0, s.t, s.schedule, eps=s.eps)
    yield found, s.numeric(claim, {nt.x(0): s.x_0, nt.eps: s.eps})
    yield kept, s.eps
    found, drawn = marginal.sample(s.x_0, s.t, s.schedule, generator=_seeded())
    yield drawn, _noise(s.x_0.shape, _seeded())
    yield found, s.numeric(claim, {nt.x(0): s.x_0, nt.eps: drawn})


def _predict_x0(claim: Claim, s: Setting) -> Iterator[Pair]:
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


def _prior(claim: Claim, s: Setting) -> Iterator[Pair]:
    """KL(q(x_T | x_0) || N(0, I)): from the two Gaussians, and from the bound."""
    given = {nt.x(0): s.x_0, nt.d: 3}
    said = s.numeric(claim, given)[-1:]
    q = marginal.given_x0(s.x_0[-1:], s.length, s.schedule)
    standard = gaussian.Gaussian(
        torch.zeros(1, 3, dtype=torch.float64), torch.ones(1, 3, dtype=torch.float64)
    )
    yield q.kl(standard).sum(1, keepdim=True), said
    if s.length == 10:
        x_0 = s.x_0[-1:]
        bits = loss.bits_per_dim(network, x_0, s.schedule, generator=_seeded())
        yield bits.prior.reshape(1, 1) * 3 * math.log(2), said


# -- reverse ---------------------------------------------------------------------------------------


def _posterior(claim: Claim, s: Setting) -> Iterator[Pair]:
    found = reverse.posterior(s.x_0, s.x_t, s.t, s.schedule)
    said = s.numeric(claim, {nt.x(0): s.x_0, nt.x(nt.t): s.x_t})
    if isinstance(said, tuple):
        yield from _both(found, said)
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
    found = reverse.posterior(s.x_0, s.x_t, s.t, s.schedule).sample(_seeded())
    z = _noise(s.x_0.shape, _seeded())
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
        yield from _both(found, s.numeric(claim, given))


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
    found = reverse.transition(s.eps_hat, s.x_t, s.t, s.schedule, clip_x0=False).sample(_seeded())
    z = _noise(s.x_t.shape, _seeded())
    given = _of_network(s) | {nt.sigma: deviation, nt.z: z}
    yield found, s.numeric(claim, given)

    for variance in VARIANCES:
        table = getattr(s.schedule, variance)
        start = s.x_t[:1]
        walk = list(
            reverse.ancestral(
                network, (1, 3), s.schedule, variance, False, generator=_seeded(), x_T=start
            )
        )
        if [step.t for step in walk] != list(range(s.length, -1, -1)):
            raise ValueError(f"the sampler stood at {[step.t for step in walk][:3]}...")
        states = torch.cat([step.x_t for step in reversed(walk)])  # row t is x_t
        generator = _seeded()
        fresh = [_noise((1, 3), generator) for _ in range(s.length - 1)]  # for t = T..2
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


def _gaussian_data(s: Setting) -> tuple[data.Mixture, dict[Any, Any]]:
    mean, deviation = 0.4, 0.7
    mixture = data.Mixture(
        torch.ones(1, dtype=torch.float64),
        torch.full((1, 3), mean, dtype=torch.float64),
        torch.tensor([deviation**2], dtype=torch.float64),
    )
    return mixture, {sym_reverse.m: mean, sym_reverse.spread: deviation, nt.x(nt.t): s.x_t}


def _denoiser(claim: Claim, s: Setting) -> Iterator[Pair]:
    """E[x_0 | x_t], from the exact network for Gaussian data."""
    mixture, given = _gaussian_data(s)
    eps = mixture.eps(s.schedule)(s.x_t, s.t)
    said = s.numeric(claim, given)
    # As noise: near t = T of the cosine schedule, x_0 itself would hang on the last digits of ε.
    yield eps, s.numeric(CLAIMS["marginal.eps-from-x0"], {nt.x(nt.t): s.x_t, nt.x(0): said})


def _noised(claim: Claim, s: Setting) -> Iterator[Pair]:
    mixture, given = _gaussian_data(s)
    mean, var = s.numeric(claim, given)
    every = [mixture.noised(t, s.schedule) for t in range(1, s.length + 1)]
    yield torch.cat([one.means[:, :1] for one in every]), mean
    yield torch.stack([one.variances for one in every]), var


# -- loss ------------------------------------------------------------------------------------------


def _kl(claim: Claim, s: Setting) -> Iterator[Pair]:
    one = gaussian.Gaussian(s.x_0, s.z**2 + 0.1)
    two = gaussian.Gaussian(s.x_t, s.eps**2 + 0.1)
    given = {
        sym_loss.m_1: one.mean,
        sym_loss.m_2: two.mean,
        nt.var_1: one.var,
        nt.var_2: two.var,
    }
    yield one.kl(two), s.numeric(claim, given)


def _kl_isotropic(claim: Claim, s: Setting) -> Iterator[Pair]:
    one = gaussian.Gaussian(s.x_0, s.z[:, :1] ** 2 + 0.1)
    two = gaussian.Gaussian(s.x_t, s.eps[:, :1] ** 2 + 0.1)
    given = {nt.mu_1: one.mean, nt.mu_2: two.mean, nt.var_1: one.var, nt.var_2: two.var, nt.d: 3}
    yield one.kl(two).sum(1, keepdim=True), s.numeric(claim, given)


def _terms(
    s: Setting, x_0: Tensor, x_t: Tensor, eps: Tensor, variance: reverse.Variance
) -> dict[Any, Any]:
    """What the claims about L_{t-1} need, from claims alone."""
    table = {"beta": s.schedule.beta, "beta_tilde": s.schedule.beta_tilde}[variance]
    here = {nt.x(0): x_0, nt.x(nt.t): x_t, nt.eps_theta(nt.x(nt.t), nt.t): eps, nt.d: x_0.shape[1]}
    here |= {nt.sigma: table.sqrt()}
    at = {"t": np.arange(2, s.length + 1)}
    here |= {nt.mu_theta(nt.x(nt.t), nt.t): s.numeric(CLAIMS["reverse.mean-model"], here, **at)}
    here |= {nt.x0_hat(nt.x(nt.t), nt.t): s.numeric(CLAIMS["reverse.x0-model"], here, **at)}
    constant = dict(CLAIMS["loss.mean-error"].assuming)[sym_loss.const]
    probe = CLAIMS["loss.weight"].with_step(0, constant)
    return here | {sym_loss.const: s.numeric(probe, here, **at)}


def _step_error(variance: reverse.Variance) -> Callable[[Claim, Setting], Iterator[Pair]]:
    """KL(posterior || transition) for t = 2..T."""

    def pairs(claim: Claim, s: Setting) -> Iterator[Pair]:
        x_0, x_t, eps_hat, t = s.x_0[1:], s.x_t[1:], s.eps_hat[1:], s.t[1:]
        said = s.numeric(claim, _terms(s, x_0, x_t, eps_hat, variance), t=t.numpy())
        p = reverse.transition(eps_hat, x_t, t, s.schedule, variance, clip_x0=False)
        found = reverse.posterior(x_0, x_t, t, s.schedule).kl(p).sum(1, keepdim=True)
        yield found, said

    return pairs


def _eps_error(claim: Claim, s: Setting) -> Iterator[Pair]:
    x_0, eps, eps_hat, t = s.x_0[1:], s.eps[1:], s.eps_hat[1:], s.t[1:]
    x_t, _ = marginal.sample(x_0, t, s.schedule, eps=eps)
    given = _terms(s, x_0, x_t, eps_hat, "beta") | {nt.eps: eps}
    p = reverse.transition(eps_hat, x_t, t, s.schedule, "beta", clip_x0=False)
    found = reverse.posterior(x_0, x_t, t, s.schedule).kl(p).sum(1, keepdim=True)
    yield found, s.numeric(claim, given, t=t.numpy()) + given[sym_loss.const]


def _epsilon_loss(claim: Claim, s: Setting) -> Iterator[Pair]:
    """One image at a time, at its own t; then all of them at once."""
    yield (
        torch.stack(
            [
                loss.epsilon_loss(
                    network, s.x_0[j : j + 1], s.schedule, t=j + 1, eps=s.eps[j : j + 1]
                )
                for j in range(s.length)
            ]
        )[:, None],
        _one_loss(claim, s, s.t, s.eps),
    )
    # t and ε left out: they are drawn, t first, from the generator.
    generator = _seeded()
    t = torch.randint(1, s.length + 1, (s.length,), generator=generator)
    said = _one_loss(claim, s, t, _noise(s.x_0.shape, generator))
    drawn = loss.epsilon_loss(network, s.x_0, s.schedule, generator=_seeded())
    yield drawn.reshape(1, 1), said.mean(keepdims=True)


def _one_loss(claim: Claim, s: Setting, t: Tensor, eps: Tensor) -> Any:
    """The loss of each row, shared by its 3 components, for given t and ε."""
    given = {nt.x(0): s.x_0, nt.eps: eps}
    noised = CLAIMS["marginal.sample"]
    x_t = torch.from_numpy(s.numeric(noised, given, t=t.numpy()))
    answer = network(x_t, t)
    for at in (nt.x(nt.t), noised.rhs):
        given[nt.eps_theta(at, nt.t)] = answer
    return s.numeric(claim, given, t=t.numpy()) / 3


def _bound(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Every term of the bound, for images drawn on a grid of 17 values, and their sum in bits."""
    if s.length != 10:
        return
    levels = 17
    grid = torch.linspace(-1, 1, levels, dtype=torch.float64)
    x_0 = grid[torch.arange(3).repeat(4, 1) * 5 + torch.arange(4)[:, None]]  # (4, 3)
    bits = loss.bits_per_dim(network, x_0, s.schedule, levels, "beta", False, generator=_seeded())
    generator = _seeded()
    noise = {t: _noise(x_0.shape, generator) for t in (*range(s.length, 1, -1), 1)}
    terms = np.zeros((4, s.length + 1))  # L_k of each image at index k
    for j in range(4):
        image = x_0[j : j + 1].expand(s.length, 3)
        eps = torch.stack([noise[t][j] for t in range(1, s.length + 1)])
        made = torch.from_numpy(s.numeric(CLAIMS["marginal.sample"], {nt.x(0): image, nt.eps: eps}))
        predicted = network(made, s.t)
        given = _terms(s, image[1:], made[1:], predicted[1:], "beta")
        terms[j, 1 : s.length] = s.numeric(
            CLAIMS["loss.mean-error"], given, t=np.arange(2, s.length + 1)
        ).ravel()
        terms[j, s.length] = s.numeric(CLAIMS["loss.prior"], {nt.x(0): image, nt.d: 3})[-1, 0]
        first = {nt.x(nt.t): made[:1], nt.eps_theta(nt.x(nt.t), nt.t): predicted[:1]}
        mean = s.numeric(CLAIMS["reverse.mean-model"], first, t=[1])
        terms[j, 0] = -np.log(_cell(s, x_0[j : j + 1], mean, levels)).sum()
    mean_terms = terms.mean(0)
    scale = 3 * math.log(2)
    yield bits.decoder.reshape(1, 1) * scale, mean_terms[:1].reshape(1, 1)
    yield bits.per_t[2:, None] * scale, mean_terms[1:-1, None]
    yield bits.prior.reshape(1, 1) * scale, mean_terms[-1:].reshape(1, 1)
    yield bits.per_t[:2, None], np.zeros((2, 1))
    if claim.name == "evaluation.bits":
        said = s.numeric(claim, {nt.Loss: mean_terms, nt.d: 3}, t=[1])
        yield bits.total.reshape(1, 1), np.asarray(said).reshape(1, 1)
    else:  # the sum of the terms, in nats
        said = s.numeric(claim, {nt.Loss: mean_terms}, t=[1])
        yield bits.total.reshape(1, 1) * scale, np.asarray(said).reshape(1, 1)


def _cell(s: Setting, x_0: Any, mean: Any, levels: int, claim: Claim | None = None) -> Any:
    """``loss.decoder`` on an even grid from -1 to 1, at t = 1."""
    x_0 = np.asarray(x_0)
    half = 1 / (levels - 1)
    given = {
        sym_loss.lower: np.where(x_0 < -1 + half, -np.inf, x_0 - half),
        sym_loss.upper: np.where(x_0 > 1 - half, np.inf, x_0 + half),
        nt.mu_theta(nt.x(1), 1): mean,
        nt.sigma: s.schedule.beta.sqrt(),
    }
    return s.numeric(claim or CLAIMS["loss.decoder"], given, t=[1])


def _decoder(claim: Claim, s: Setting) -> Iterator[Pair]:
    for levels in (17, 256):
        grid = torch.linspace(-1, 1, levels, dtype=torch.float64)[None]
        for center in (-0.98, -0.3, 0.013, 1.02):
            mean = torch.full_like(grid, center)
            p = gaussian.Gaussian(mean, s.schedule.beta[1].reshape(1, 1))
            found = loss.discretized_log_prob(grid, p, levels).exp()
            said = _cell(s, grid, mean, levels, claim)
            yield found, said


def _decoder_sum(claim: Claim, s: Setting) -> Iterator[Pair]:
    for levels in (2, 17, 256):
        grid = torch.linspace(-1, 1, levels, dtype=torch.float64)[None]
        p = gaussian.Gaussian(
            torch.full_like(grid, 0.2), torch.full((1, 1), 0.03, dtype=torch.float64)
        )
        found = loss.discretized_log_prob(grid, p, levels).exp().sum(1, keepdim=True)
        yield found, np.full((1, 1), s.numeric(claim))


def _score(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The gradient that autograd takes of the log-density."""
    with torch.enable_grad():
        x_t, eps = marginal.sample(s.x_0, s.t, s.schedule, eps=s.eps)
        x_t = x_t.detach().requires_grad_()
        density = marginal.given_x0(s.x_0, s.t, s.schedule).log_prob(x_t).sum()
        (found,) = torch.autograd.grad(density, x_t)
    yield found, s.numeric(claim, {nt.eps: eps})


def _marginal_score(claim: Claim, s: Setting) -> Iterator[Pair]:
    """For Gaussian data, where E[ε | x_t] is known."""
    mixture, given = _gaussian_data(s)
    clean = s.numeric(CLAIMS["reverse.gaussian-data"], given)
    noise = s.numeric(CLAIMS["marginal.eps-from-x0"], {nt.x(nt.t): s.x_t, nt.x(0): clean})
    said = s.numeric(claim, {nt.E(nt.eps, nt.x(nt.t)): noise})
    every = [mixture.noised(t, s.schedule).score(s.x_t[t - 1 : t]) for t in range(1, s.length + 1)]
    yield torch.cat(every), said


def _frechet(claim: Claim, s: Setting) -> Iterator[Pair]:
    """For one component, where matrices are numbers."""
    a, b = s.x_0[:, :1], 2 * s.x_t[:, :1] + 0.3
    given = {
        nt.mu_1: a.mean(),
        nt.mu_2: b.mean(),
        nt.Spread(1): a.var(),
        nt.Spread(2): b.var(),
    }
    said = np.asarray(s.numeric(claim, {k: v.reshape(1, 1) for k, v in given.items()}, t=[1]))
    yield np.full((1, 1), metrics.frechet_distance(a, b)), said.reshape(1, 1)


def _frechet_line(claim: Claim, s: Setting) -> Iterator[Pair]:
    a, b = s.x_0[:, :1], 2 * s.x_t[:, :1] + 0.3
    given = {nt.mu_1: a.mean(), nt.mu_2: b.mean()}
    given |= {sym_evaluation.sd_1: a.std(), sym_evaluation.sd_2: b.std()}
    said = np.asarray(s.numeric(claim, {k: v.reshape(1, 1) for k, v in given.items()}, t=[1]))
    yield np.full((1, 1), metrics.frechet_distance(a, b)), said.reshape(1, 1)


# -- beyond ----------------------------------------------------------------------------------------


def _jumps(s: Setting) -> Iterator[tuple[Tensor, float, list[gaussian.Gaussian]]]:
    """DDIM steps from every t, near and far, with little and with much fresh noise."""
    for divisor, eta in ((1, 1.0), (1, 0.4), (2, 0.7), (3, 0.0), (9, 1.0)):
        ends = torch.clamp(s.t // divisor, max=s.t - 1)
        rows = zip(s.x_0.split(1), s.x_t.split(1), s.t.tolist(), ends.tolist())
        yield (
            ends,
            eta,
            [reverse.ddim_step(x_0, x_t, t, end, s.schedule, eta) for x_0, x_t, t, end in rows],
        )


def _ddim(claim: Claim, s: Setting) -> Iterator[Pair]:
    """A draw: the mean, and the root of the variance times the noise."""
    given = {nt.x(0): s.x_0, nt.x(nt.t): s.x_t}
    old = s.numeric(CLAIMS["marginal.eps-from-x0"], given)
    for ends, eta, found in _jumps(s):
        at = {nt.s: ends[:, None], sym_beyond.eta: eta}
        var = np.asarray(s.numeric(CLAIMS["beyond.ddim-variance"], at))
        generator, again = _seeded(), _seeded()
        drawn = torch.cat([p.sample(generator) for p in found])
        fresh = torch.cat([_noise((1, 3), again) for _ in found])
        at |= {nt.x0_guess: s.x_0, nt.eps_hat: old, sym_beyond.noise: np.sqrt(var), nt.z: fresh}
        yield drawn, s.numeric(claim, at)


def _ddim_variance(claim: Claim, s: Setting) -> Iterator[Pair]:
    for ends, eta, found in _jumps(s):
        said = s.numeric(claim, {nt.s: ends[:, None], sym_beyond.eta: eta})
        if claim.name == "beyond.ddim-variance" or torch.equal(ends, s.t - 1):
            yield torch.stack([p.var for p in found])[:, None], said


def _ddim_is_ddpm(claim: Claim, s: Setting) -> Iterator[Pair]:
    said = s.numeric(claim, {nt.x(0): s.x_0, nt.x(nt.t): s.x_t})
    _, _, found = next(_jumps(s))
    yield torch.cat([p.mean for p in found]), said


def _contrastive(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The loss of one group of three pairs, two groups of two, and three groups of five."""
    fit = torch.cat([s.x_0, s.x_t, s.eps]).flatten()
    for count, groups in ((3, 1), (2, 2), (5, 3)):
        table = fit[: groups * count**2].reshape(groups, count, count)
        out = claim.with_step(-1, sym_trends.for_pairs(claim.rhs, count))
        ends = range(1, count + 1)
        said = [
            s.numeric(
                out, {nt.Similarity(i, j): one[i - 1, j - 1] for i in ends for j in ends}, t=[1]
            )
            for one in table
        ]
        yield multimodal.contrastive_loss(table).reshape(1, 1), np.reshape(np.mean(said), (1, 1))


def _guidance(claim: Claim, s: Setting) -> Iterator[Pair]:
    for w in (0.0, 0.7, 1.0, 3.0):
        given = {
            nt.eps_theta(nt.x(nt.t), nt.t): s.eps,
            nt.eps_theta(nt.x(nt.t), nt.t, sym_beyond.label): s.eps_hat,
            sym_beyond.scale: w,
        }
        yield text_to_image.guide(s.eps, s.eps_hat, w), s.numeric(claim, given)


# -- solvers ---------------------------------------------------------------------------------------


def _half_log_snr(claim: Claim, s: Setting) -> Iterator[Pair]:
    yield s.column(solvers.half_log_snr(s.schedule)), s.numeric(claim)


def _later(s: Setting) -> Iterator[tuple[Tensor, Tensor]]:
    """Times t = 2..T, and where jumps from there end: near and far, but not at 0, where λ is
    infinite."""
    t = torch.arange(2, s.length + 1)
    for divisor in (1, 2, 9):
        yield t, torch.clamp(t // divisor, min=1).minimum(t - 1)


def _ratio(claim: Claim, s: Setting) -> Iterator[Pair]:
    lam = solvers.half_log_snr(s.schedule)
    for t, ends in _later(s):
        found = (lam[t] - lam[ends]).exp()[:, None]
        yield found, s.numeric(claim, {nt.s: ends[:, None]}, t=t.numpy())


def _jump(claim: Claim, s: Setting) -> Iterator[Pair]:
    for t, ends in _later(s):
        x_0, x_t = s.x_0[1:], s.x_t[1:]
        rows = zip(x_0.split(1), x_t.split(1), t.tolist(), ends.tolist())
        found = torch.cat([reverse.ddim_step(*row, s.schedule).mean for row in rows])
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


# -- flow ------------------------------------------------------------------------------------------


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
        asked.append(x_u)
        return x_u

    flow.as_noise(model, s.schedule)(s.x_t, s.t)
    yield asked[0], s.numeric(claim, {nt.x(nt.t): s.x_t})


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
    mixture, given = _gaussian_data(s)
    u = flow.shares(s.schedule)[s.t]
    x_u = s.x_t / (s.schedule.alpha_bar.sqrt() + (1 - s.schedule.alpha_bar).sqrt())[1:, None]
    clean = s.numeric(CLAIMS["reverse.gaussian-data"], given)
    said = s.numeric(claim, {nt.E(nt.x(0), nt.x_u): clean, nt.x_u: x_u, nt.u: u[:, None]})
    yield flow.as_flow(mixture.eps(s.schedule), s.schedule)(x_u, u), said


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
    s: Setting, model: Callable[[int], Any], ends: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Steps of Euler from each t to its end: where they land, from where, and both times."""
    table = flow.shares(s.schedule)
    start = s.x_t / (s.schedule.alpha_bar.sqrt() + (1 - s.schedule.alpha_bar).sqrt())[1:, None]
    landed = []
    for row, (t, end) in enumerate(zip(s.t.tolist(), ends.tolist())):
        times = [float(table[t]), float(table[end])]
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


def _flow_ddim(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The same network, walked as a flow and by DDIM: to every step but 0, for the claim's s."""
    if s.name == "linear-1000":
        return  # a walk of its own for each row takes long
    later = slice(1, None)
    ends = torch.clamp(s.t // 3, min=1).minimum(torch.clamp(s.t - 1, min=0))
    exact = data.Mixture(
        torch.ones(1, dtype=torch.float64),
        torch.full((1, 3), 0.4, dtype=torch.float64),
        torch.tensor([0.5], dtype=torch.float64),
    ).eps(s.schedule)
    found, *_ = _flow_walk(s, lambda row: flow.as_flow(exact, s.schedule), ends)
    x_0 = marginal.predict_x0(s.x_t, exact(s.x_t, s.t), s.t, s.schedule)
    rows = zip(x_0.split(1), s.x_t.split(1), s.t.tolist(), ends.tolist())
    jumped = torch.cat([reverse.ddim_step(*row, s.schedule).mean for row in rows])
    given = {nt.x(nt.s): jumped[later], nt.s: ends[later, None]}
    yield found[later], s.numeric(claim, given, t=s.t[later].numpy())


def _flow_shift(claim: Claim, s: Setting) -> Iterator[Pair]:
    for shift in (0.5, 3.0):
        even, moved = (
            torch.tensor(flow.times(s.length + 1, a)[1:-1], dtype=torch.float64)
            for a in (1.0, shift)
        )
        given = {nt.u: even[:, None], sym_flow.shift: shift}
        yield (moved / (1 - moved))[:, None], s.numeric(claim, given)


# -- few steps -------------------------------------------------------------------------------------


def _student(claim: Claim, s: Setting) -> Iterator[Pair]:
    """One call, from noise."""
    model = partial(_constant, s.z)
    found = few_steps.sample(model, s.x_t.shape, clip_x0=False, start=s.x_t)
    yield found, s.numeric(claim, {nt.x_u: s.x_t, nt.u: 1.0, nt.speed_hat: s.z})


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


SCHEDULE_AT = "Schedule.at"
BINDINGS: dict[str, Binding] = {
    "trends.contrastive": Binding(("multimodal.contrastive_loss",), _contrastive),
    "forward.gaussian": Binding(("Gaussian.log_prob",), _density),
    "forward.transition": Binding(("forward.step", SCHEDULE_AT), _step),
    "forward.reparameterization": Binding(
        ("forward.step", "Gaussian.sample", "forward.trajectory"), _stepped
    ),
    "forward.reparameterization-mean": Binding(("forward.step",), _step),
    "forward.reparameterization-variance": Binding(("forward.step",), _step),
    "marginal.alpha": Binding(("Schedule.alpha", SCHEDULE_AT), _of_schedule("alpha")),
    "marginal.alpha-bar": Binding(("Schedule.alpha_bar",), _of_schedule("alpha_bar")),
    "marginal.alpha-bar-step": Binding(("Schedule.alpha_bar",), _of_schedule("alpha_bar")),
    "marginal.mean": Binding(("marginal.given_x0",), _given_x0),
    "marginal.variance": Binding(("marginal.given_x0",), _given_x0),
    "marginal.closed-form": Binding(("marginal.given_x0",), _given_x0),
    "marginal.sample": Binding(("marginal.sample",), _sample),
    "marginal.x0-from-eps": Binding(("marginal.predict_x0",), _predict_x0),
    "marginal.eps-from-x0": Binding(("marginal.predict_eps",), _predict_eps),
    "marginal.snr": Binding(("Schedule.snr",), _of_schedule("snr")),
    "marginal.linear": Binding(("Schedule.linear",), _linear),
    "marginal.linear-alpha-bar": Binding(
        ("Schedule.linear", "Schedule.alpha_bar"), _linear_alpha_bar
    ),
    "marginal.cosine": Binding(("Schedule.cosine",), _cosine),
    "marginal.cosine-beta": Binding(("Schedule.cosine",), _cosine_beta),
    "loss.prior-kl": Binding(("Gaussian.kl", "loss.bits_per_dim"), _prior),
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
    "reverse.x0-model": Binding(("marginal.predict_x0",), _predict_x0),
    "reverse.mean-model": Binding(("reverse.transition", "reverse._predict_x0"), _mean_model),
    "reverse.update": Binding(("reverse.ancestral", "Gaussian.sample"), _update),
    "loss.kl-gaussians": Binding(("Gaussian.kl",), _kl),
    "loss.kl-isotropic": Binding(("Gaussian.kl",), _kl_isotropic),
    "loss.elbo": Binding(("loss.bits_per_dim",), _bound),
    "loss.prior": Binding(("Gaussian.kl", "loss.bits_per_dim"), _prior),
    "loss.mean-error": Binding(
        ("Gaussian.kl", "reverse.posterior", "reverse.transition"), _step_error("beta")
    ),
    "loss.eps-error": Binding(
        ("Gaussian.kl", "reverse.posterior", "reverse.transition"), _eps_error
    ),
    "loss.x0-error": Binding(
        ("Gaussian.kl", "reverse.posterior", "reverse.transition"), _step_error("beta_tilde")
    ),
    "loss.simple": Binding(("loss.epsilon_loss", "loss.uniform_t"), _epsilon_loss),
    "loss.decoder": Binding(("loss.discretized_log_prob",), _decoder),
    "loss.decoder-sum": Binding(("loss.discretized_log_prob",), _decoder_sum),
    "loss.score": Binding(("Gaussian.log_prob",), _score),
    "loss.marginal-score": Binding(("Mixture.score", "Mixture.noised"), _marginal_score),
    "evaluation.frechet": Binding(("metrics.frechet_distance",), _frechet),
    "evaluation.frechet-line": Binding(("metrics.frechet_distance",), _frechet_line),
    "evaluation.bits": Binding(("loss.bits_per_dim",), _bound),
    "beyond.ddim": Binding(("reverse.ddim_step", "Gaussian.sample"), _ddim),
    "beyond.ddim-variance": Binding(("reverse.ddim_step",), _ddim_variance),
    "beyond.ddim-variance-step": Binding(("reverse.ddim_step",), _ddim_variance),
    "beyond.ddim-is-ddpm": Binding(("reverse.ddim_step",), _ddim_is_ddpm),
    "beyond.guidance": Binding(("text_to_image.guide",), _guidance),
    "solvers.half-log-snr": Binding(("solvers.half_log_snr",), _half_log_snr),
    "solvers.ratio": Binding(("solvers.half_log_snr",), _ratio),
    "solvers.jump": Binding(("reverse.ddim_step",), _jump),
    "solvers.euler": Binding(("reverse.ddim_step",), _jump),
    "solvers.line": Binding(("solvers.extrapolate",), _line),
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
    "flow.euler-is-ddim": Binding(("flow.euler", "flow.as_flow", "reverse.ddim_step"), _flow_ddim),
    "flow.shift": Binding(("flow.times",), _flow_shift),
    "few_steps.student": Binding(("few_steps.sample",), _student),
    "few_steps.loss": Binding(("few_steps.student_loss",), _student_loss),
}


class Entry(NamedTuple):
    """A row of the ledger."""

    name: str
    kinds: list[str]
    functions: tuple[str, ...]
    error: float | None  # the largest relative error; None when no function computes the claim
    wrong: str  # what is wrong, or nothing


def relative_error(found: Any, said: Any) -> float:
    """The largest relative error over all t, relative to the largest entry of each row."""
    a = np.atleast_2d(found.detach().numpy() if isinstance(found, Tensor) else np.asarray(found))
    b = np.atleast_2d(np.asarray(said, dtype=np.float64))
    a, b = np.broadcast_arrays(a, b)
    gap = np.abs(a - b).max(axis=1)
    size = np.abs(b).max(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(gap == 0, 0.0, gap / size)
    return float(np.where(np.isfinite(error), error, np.inf).max(initial=0.0))


def largest_error(
    claim: Claim, settings: tuple[str, ...] = SETTINGS, stop: float = math.inf
) -> float:
    """The largest relative error between a claim and what computes it, over every t.

    Args:
        stop: give up as soon as the error is larger than this.

    Raises:
        ValueError: the binding never evaluates its claim, so it compares it with nothing.
    """
    worst, read = 0.0, False
    for name in settings:
        setting = Setting(name)
        for found, said in BINDINGS[claim.name].pairs(claim, setting):
            worst = max(worst, relative_error(found, said))
            if worst > stop:
                return worst
        read = read or claim.name in setting.read
    if not read:
        raise ValueError(f"{claim.name} is bound to a function, but the binding never reads it.")
    return worst


def entries(prove: bool = True) -> Iterator[Entry]:
    """The ledger, row by row.

    Args:
        prove: prove each claim too; without it only the numbers are compared.
    """
    for claim in CLAIMS.values():
        wrong, error = "", None
        functions: tuple[str, ...] = ()
        if prove:
            try:
                claim.verify()
            except ClaimError as failure:
                wrong = str(failure)
        if claim.name in BINDINGS:
            functions = BINDINGS[claim.name].functions
            error = largest_error(claim)
            if not error <= TOLERANCE:
                wrong = wrong or (
                    f"{claim.name}: {', '.join(functions)} differs from the claim by {error:.1e} "
                    f"(at most {TOLERANCE:.0e} is accepted)."
                )
        yield Entry(claim.name, claim.kinds, functions, error, wrong)


def main(out: TextIO | None = None) -> int:
    """Print the ledger; returns 1 when a claim fails, else 0."""
    out = out or sys.stdout
    wrong = []
    count = bound = 0
    worst = 0.0
    for entry in entries():
        count += 1
        state = "fails" if entry.wrong else "holds"
        error = "" if entry.error is None else f"{entry.error:8.1e}"
        print(
            f"{state}  {entry.name:36s} {', '.join(entry.kinds):44s} {error:8s}  "
            f"{', '.join(entry.functions)}",
            file=out,
            flush=True,
        )
        if entry.wrong:
            wrong.append(entry.wrong)
        if entry.error is not None:
            bound, worst = bound + 1, max(worst, entry.error)
    print(
        f"\n{count - len(wrong)} of {count} claims hold; {bound} are computed by functions of the "
        f"package, with a relative error of at most {worst:.1e}.",
        file=out,
    )
    for message in wrong:
        print(f"\n{message}", file=sys.stderr)
    return 1 if wrong else 0
