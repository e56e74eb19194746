"""The functions that compute the claims of the chapter on the loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ddpm_course import (
    gaussian,
    loss,
    marginal,
    reverse,
)
from ddpm_course.symbolic import CLAIMS
from ddpm_course.symbolic import loss as sym_loss
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.claim import Claim

from .reverse import slope_of_noise
from .setting import (
    Binding,
    Pair,
    Setting,
    gaussian_data,
    network,
    noise,
    noised,
    seeded,
)


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
        bits = loss.bits_per_dim(network, x_0, s.schedule, generator=seeded())
        yield bits.prior.reshape(1, 1) * 3 * math.log(2), said


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
    generator = seeded()
    t = torch.randint(1, s.length + 1, (s.length,), generator=generator)
    said = _one_loss(claim, s, t, noise(s.x_0.shape, generator))
    drawn = loss.epsilon_loss(network, s.x_0, s.schedule, generator=seeded())
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


def bound(claim: Claim, s: Setting) -> Iterator[Pair]:
    """Every term of the bound, for images drawn on a grid of 17 values, and their sum in bits."""
    if s.length != 10:
        return
    levels = 17
    grid = torch.linspace(-1, 1, levels, dtype=torch.float64)
    x_0 = grid[torch.arange(3).repeat(4, 1) * 5 + torch.arange(4)[:, None]]  # (4, 3)
    bits = loss.bits_per_dim(network, x_0, s.schedule, levels, "beta", False, generator=seeded())
    generator = seeded()
    drawn = {t: noise(x_0.shape, generator) for t in (*range(s.length, 1, -1), 1)}
    terms = np.zeros((4, s.length + 1))  # L_k of each image at index k
    for j in range(4):
        image = x_0[j : j + 1].expand(s.length, 3)
        eps = torch.stack([drawn[t][j] for t in range(1, s.length + 1)])
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
    _, given = gaussian_data(s)
    clean = s.numeric(CLAIMS["reverse.gaussian-data"], given)
    noise = s.numeric(CLAIMS["marginal.eps-from-x0"], {nt.x(nt.t): s.x_t, nt.x(0): clean})
    said = s.numeric(claim, {nt.E(nt.eps, nt.x(nt.t)): noise})
    every = [one.score(x_t) for one, x_t in zip(noised(s)[1:], s.x_t.split(1), strict=True)]
    yield torch.cat(every), said


def _weight(claim: Claim, s: Setting) -> Iterator[Pair]:
    """What a squared error of the noise adds to the divergence of a step."""
    x_0, eps, eps_hat, t = s.x_0[1:], s.eps[1:], s.eps_hat[1:], s.t[1:]
    x_t, _ = marginal.sample(x_0, t, s.schedule, eps=eps)
    given = _terms(s, x_0, x_t, eps_hat, "beta")
    p = reverse.transition(eps_hat, x_t, t, s.schedule, "beta", clip_x0=False)
    divergence = reverse.posterior(x_0, x_t, t, s.schedule).kl(p).sum(1, keepdim=True)
    error = ((eps - eps_hat) ** 2).sum(1, keepdim=True)
    const = torch.as_tensor(given[sym_loss.const])
    yield (divergence - const) / error, s.numeric(claim, given, t=t.numpy())


def _turned(claim: Claim, s: Setting) -> Iterator[Pair]:
    """v from x_0 and the x_t that the marginal makes of it; and back to x_0 and ε."""
    x_t, eps = marginal.sample(s.x_0, s.t, s.schedule, eps=s.eps)
    v = s.numeric(CLAIMS["loss.v-prediction"], {nt.x(0): s.x_0, nt.eps: eps})
    given = {nt.x(nt.t): x_t, nt.v: v, nt.x(0): s.x_0, nt.eps: eps}
    if claim.name == "loss.v-prediction":
        signal = s.column(s.schedule.alpha_bar).sqrt()
        found = (signal * x_t - s.x_0) / (1 - signal**2).sqrt()
    else:
        found = s.x_0 if claim.name == "loss.x0-from-v" else eps
    yield found, s.numeric(claim, given)


def _one_prediction(claim: Claim, s: Setting) -> Iterator[Pair]:
    """The error of the noise that belongs to a guess of x_0, from the error of v."""
    signal = s.column(s.schedule.alpha_bar).sqrt()
    guess = s.eps_hat
    v, v_hat = ((signal * s.x_t - clean) / (1 - signal**2).sqrt() for clean in (s.x_0, guess))
    noises = (marginal.predict_eps(s.x_t, clean, s.t, s.schedule) for clean in (s.x_0, guess))
    error = ((next(noises) - next(noises)) ** 2).sum(1, keepdim=True)
    yield error, s.numeric(claim, {nt.v: v, nt.v_hat: v_hat})


def _least(claim: Claim, s: Setting) -> Iterator[Pair]:
    """What the best guess leaves of the noise's variance, 1: less, the more it rises with x_t."""
    yield slope_of_noise(s), 1 - s.numeric(claim, gaussian_data(s)[1])


BINDINGS = {
    "loss.prior-kl": Binding(("Gaussian.kl", "loss.bits_per_dim"), _prior),
    "loss.kl-gaussians": Binding(("Gaussian.kl",), _kl),
    "loss.kl-isotropic": Binding(("Gaussian.kl",), _kl_isotropic),
    "loss.elbo": Binding(("loss.bits_per_dim",), bound),
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
    "loss.weight": Binding(("Gaussian.kl", "reverse.posterior", "reverse.transition"), _weight),
    "loss.v-prediction": Binding(("marginal.sample",), _turned),
    "loss.x0-from-v": Binding(("marginal.sample",), _turned),
    "loss.eps-from-v": Binding(("marginal.sample",), _turned),
    "loss.one-prediction": Binding(("marginal.predict_eps",), _one_prediction),
    "loss.best-eps": Binding(("Mixture.eps",), _least),
    "loss.simple": Binding(("loss.epsilon_loss", "loss.uniform_t"), _epsilon_loss),
    "loss.decoder": Binding(("loss.discretized_log_prob",), _decoder),
    "loss.decoder-sum": Binding(("loss.discretized_log_prob",), _decoder_sum),
    "loss.score": Binding(("Gaussian.log_prob",), _score),
    "loss.marginal-score": Binding(("Mixture.score", "Mixture.noised"), _marginal_score),
}
