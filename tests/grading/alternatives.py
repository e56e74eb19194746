"""Right answers to every task, written another way: loops, other dtypes, other algebra, in place.

None of them calls a reference: they come from the definitions, or from the course's package.
"""

import itertools
import math
from functools import cache
from typing import Any

import networkx as nx
import numpy as np
import sympy as sp
import torch
import torch.nn.functional as F

import ddpm_course
from ddpm_course import Gaussian, Schedule, forward, loss, marginal, metrics, reverse, solvers
from ddpm_course.trends import multimodal, text_to_image
from ddpm_course.unet import time_embedding

ALTERNATIVES: dict[str, list[Any]] = {}


def right(name: str) -> Any:
    """Enter an answer under a task's name."""

    def enter(answer: Any) -> Any:
        ALTERNATIVES.setdefault(name, []).append(answer)
        return answer

    return enter


def values(name: str, *answers: Any) -> None:
    ALTERNATIVES.setdefault(name, []).extend(answers)


def schedule_of(alpha_bar: torch.Tensor) -> Schedule:
    beta = torch.zeros_like(alpha_bar)
    beta[1:] = 1 - alpha_bar[1:] / alpha_bar[:-1]
    return Schedule(beta)


# -- trends -----------------------------------------------------------------------------------


def graph(references: dict[str, list[str]]) -> nx.DiGraph:
    g = nx.DiGraph()
    g.add_nodes_from(references)
    g.add_edges_from((paper, cited) for paper, many in references.items() for cited in many)
    return g


values(
    "trends.ancestors",
    lambda r, p: nx.descendants(graph(r), p),  # a set: its order is ours to choose
    lambda r, p: np.array(sorted(nx.descendants(graph(r), p))),
)
values(
    "trends.reading_order",
    lambda r, p: list(
        nx.lexicographical_topological_sort(
            graph(r).subgraph({p} | nx.descendants(graph(r), p)).reverse()
        )
    ),
)


@right("trends.reading_order")
def _(references: dict[str, list[str]], paper: str) -> list[str]:
    needed = {paper}
    while True:
        more = needed | {one for p in needed for one in references[p]}
        if more == needed:
            break
        needed = more
    waiting = {p: set(references[p]) for p in needed}
    order = []
    while waiting:
        first = sorted(p for p, open_ in waiting.items() if not open_)[0]
        order.append(first)
        del waiting[first]
        for open_ in waiting.values():
            open_.discard(first)
    return order


@right("trends.overlap")
def _(references: dict[str, list[str]], a: str, b: str) -> float:
    common = sum(one in references[b] for one in references[a])
    return common / (len(references[a]) + len(references[b]) - common)


values(
    "trends.overlap",
    lambda r, a, b: torch.tensor(len({*r[a]} & {*r[b]}) / len({*r[a], *r[b]})),
)


values("trends.claim", "C", " c ", np.str_("c"))


values(
    "trends.guided",
    lambda free, told, w: (1 - w) * free + w * told,
    lambda free, told, w: torch.lerp(free.double(), told.double(), w),
    lambda free, told, w: free.numpy() + w * (told.numpy() - free.numpy()),
    text_to_image.guide,
)


@right("trends.contrastive")
def _(similarity):
    pairs = range(len(similarity))
    total = 0.0
    for i in pairs:
        own = math.exp(similarity[i, i])
        total -= math.log(own / sum(math.exp(similarity[i, j]) for j in pairs))
        total -= math.log(own / sum(math.exp(similarity[j, i]) for j in pairs))
    return total / (2 * len(similarity))


@right("trends.contrastive")
def _(similarity):
    pairs = torch.arange(len(similarity))
    both = F.cross_entropy(similarity, pairs), F.cross_entropy(similarity.T, pairs)
    return sum(both) / 2


values("trends.contrastive", multimodal.contrastive_loss)


@right("trends.pagerank")
def _(references: dict[str, list[str]], damping: float, rounds: int) -> dict[str, float]:
    names = list(references)
    n = len(names)
    flow = np.zeros((n, n))
    for column, paper in enumerate(names):
        cited = references[paper] or names
        for one in cited:
            flow[names.index(one), column] = 1 / len(cited)
    rank = np.full(n, 1 / n)
    for _ in range(rounds):
        rank = (1 - damping) / n + damping * flow @ rank
    return dict(zip(names, rank, strict=True))


@right("trends.pagerank")
def _(references: dict[str, list[str]], damping: float, rounds: int) -> dict[str, float]:
    papers = sorted(references)
    rank = {p: 1.0 / len(papers) for p in papers}
    for _ in range(rounds):
        new = dict.fromkeys(papers, 0.0)
        for p in papers:
            for one in references[p] if references[p] else papers:
                new[one] += rank[p] / len(references[p] or papers)
        rank = {p: (1 - damping) / len(papers) + damping * new[p] for p in papers}
    return rank


# -- forward ----------------------------------------------------------------------------------

values(
    "forward.linear",
    lambda T, low, high: Schedule.linear(T, low, high).beta,
    lambda T, low, high: [0.0] + [low + (high - low) * t / (T - 1) for t in range(T)],
    lambda T, low, high: np.concatenate([[0], np.linspace(low, high, T)]).astype(np.float32),
)
values(
    "forward.variance_after",
    lambda v, b: v - b * v + b,
    lambda v, b: 1 + (1 - b) * (v - 1),
    lambda v, b: sp.sqrt(1 - b) ** 2 * v + sp.sqrt(b) ** 2,
)
values(
    "forward.step",
    lambda x, t, e, b: forward.step(x, t, Schedule(b)).mean + b[t].sqrt().float()[:, None] * e,
    lambda x, t, e, b: torch.stack(
        [(1 - b[s]) ** 0.5 * x[i] + b[s] ** 0.5 * e[i] for i, s in enumerate(t)]
    ),
    lambda x, t, e, b: (
        x.clone()
        .mul_((1 - b[t]).sqrt().float().view(-1, 1))
        .add_(e * b[t].sqrt().float().view(-1, 1))
    ),
)


@right("forward.trajectory")
def _(x_0: torch.Tensor, eps: torch.Tensor, beta: torch.Tensor) -> Any:
    visited = x_0[None]
    for b, noise in zip(beta[1:], eps[1:], strict=True):
        x_t = torch.sqrt(1 - b) * visited[-1] + torch.sqrt(b) * noise
        visited = torch.cat([visited, x_t[None]])
    return visited


@right("forward.trajectory")
def _(x_0: torch.Tensor, eps: torch.Tensor, beta: torch.Tensor) -> np.ndarray:
    out = np.empty((len(beta), *x_0.shape))
    out[0] = x_0
    for t in range(1, len(beta)):
        out[t] = np.sqrt(1 - beta[t].item()) * out[t - 1] + np.sqrt(beta[t].item()) * eps[t].numpy()
    return out


values(
    "forward.two_steps",
    lambda a, b: 1 - a * b,
    lambda a, b: sp.sqrt(a) ** 2 * sp.sqrt(1 - b) ** 2 + (1 - a),
    lambda a, b: (1 - sp.sqrt(a * b)) * (1 + sp.sqrt(a * b)),
)


@right("forward.steps_until")
def _(beta: float, share: float) -> int:
    left, t = 1.0, 0
    while left > share:
        left *= 1 - beta
        t += 1
    return t


values(
    "forward.steps_until",
    lambda b, s: torch.tensor(math.ceil(math.log(1 / s) / -math.log1p(-b)), dtype=torch.float32),
)


@right("forward.estimate")
def _(x_0: float, beta: torch.Tensor, n: int, generator: torch.Generator) -> Gaussian:
    *_, x_T = forward.trajectory(torch.full((n, 1), x_0), Schedule(beta), generator)
    return Gaussian(x_T.mean(), x_T.var(correction=0))


@right("forward.estimate")
def _(x_0: float, beta: torch.Tensor, n: int, generator: torch.Generator) -> np.ndarray:
    rng = np.random.default_rng(generator.initial_seed())
    x = np.full(n, x_0)
    for b in beta[1:].tolist():
        x *= math.sqrt(1 - b)
        x += math.sqrt(b) * rng.standard_normal(n)
    return np.array([x.mean(), (x**2).mean() - x.mean() ** 2])


# -- marginal ---------------------------------------------------------------------------------

values(
    "marginal.alpha_bar",
    lambda beta: Schedule(beta).alpha_bar,
    lambda beta: torch.exp(torch.log1p(-beta.float()).cumsum(0)),
    lambda beta: list(itertools.accumulate((1 - beta).tolist(), lambda a, b: a * b)),
)
values("marginal.crossing", 260.0, torch.tensor(260), np.int32(260))
values(
    "marginal.given_x0",
    lambda x, t, a: marginal.given_x0(x, t, schedule_of(a)),
    lambda x, t, a: (a[t].sqrt()[:, None, None, None] * x, 1 - a[t]),  # (B,) is as good
    lambda x, t, a: [
        torch.stack([a[s] ** 0.5 * image for s, image in zip(t, x, strict=True)]),
        torch.tensor([1 - a[s] for s in t]).view(-1, 1, 1, 1),
    ],
)
values(
    "marginal.sample",
    lambda x, t, e, a: marginal.sample(x, t, schedule_of(a), e)[0],
    lambda x, t, e, a: (
        torch.einsum("b,bchw->bchw", a[t].sqrt(), x.double())
        + torch.einsum("b,bchw->bchw", (1 - a[t]).sqrt(), e.double())
    ),
    lambda x, t, e, a: (
        x.clone().mul_(a[t].sqrt().view(-1, 1, 1, 1)).add_((1 - a[t]).sqrt().view(-1, 1, 1, 1) * e)
    ),
    lambda x, t, e, a: np.stack(
        [
            np.sqrt(a[s].item()) * x[i].numpy() + np.sqrt(1 - a[s].item()) * e[i].numpy()
            for i, s in enumerate(t.tolist())
        ]
    ),
)


def images(values_: torch.Tensor) -> torch.Tensor:
    return values_.view(-1, 1, 1, 1)


values(
    "marginal.predict_x0",
    lambda x, e, t, a: marginal.predict_x0(x, e, t, schedule_of(a)),
    lambda x, e, t, a: x / images(a[t].sqrt()) - images((1 / a[t] - 1).sqrt()) * e,
    lambda x, e, t, a: torch.stack(
        [(x[i] - math.sqrt(1 - a[s]) * e[i]) / math.sqrt(a[s]) for i, s in enumerate(t)]
    ),
)
values(
    "marginal.predict_eps",
    lambda x, x0, t, a: marginal.predict_eps(x, x0, t, schedule_of(a)),
    lambda x, x0, t, a: (x.double() - images(a[t]) ** 0.5 * x0) * images(1 - a[t]) ** -0.5,
)
values(
    "marginal.variance_step",
    lambda a, b: 1 - a * b,
    lambda a, b: a - a * b + 1 - a,
    lambda a, b: sp.expand(sp.sqrt(a) ** 2 * (1 - b)) + 1 - a,
)
values(
    "marginal.from_log_snr",
    lambda s: sp.exp(s) / (1 + sp.exp(s)),
    lambda s: (1 + sp.tanh(s / 2)) / 2,
    lambda s: 1 - 1 / (sp.E**s + 1),
)
values(
    "marginal.cosine",
    lambda T, s, top: Schedule.cosine(T, s, top).beta,
)


@right("marginal.cosine")
def _(T: int, s: float, beta_max: float) -> list[float]:
    def share(t: int) -> float:
        return (1 + math.cos((t / T + s) / (1 + s) * math.pi)) / 2  # cos² by the double angle

    return [0.0] + [min(1 - share(t) / share(t - 1), beta_max) for t in range(1, T + 1)]


@right("marginal.respace")
def _(alpha_bar: torch.Tensor, stride: int) -> torch.Tensor:
    alpha = 1 - schedule_of(alpha_bar).beta[1:]
    return torch.cat([torch.zeros(1), 1 - alpha.view(-1, stride).prod(dim=1)])


@right("marginal.respace")
def _(alpha_bar: torch.Tensor, stride: int) -> list[float]:
    visited = alpha_bar.tolist()[::stride]
    return [0.0] + [1 - now / before for before, now in itertools.pairwise(visited)]


# -- reverse ----------------------------------------------------------------------------------

values(
    "reverse.spread",
    lambda v: v.exp().sqrt(),
    lambda v: v.double().mul_(0.5).exp_(),
    lambda v: [math.sqrt(math.exp(x)) for x in v],
)
values(
    "reverse.posterior_variance",
    lambda b, a: (1 - a) / (1 - (1 - b) * a) * b,
    lambda b, a: b * (1 - a) / (b + (1 - b) * (1 - a)),
    lambda b, a: sp.simplify(1 / ((1 - b) / b + 1 / (1 - a))),
)
values("reverse.beta_tilde", lambda b: Schedule(b).beta_tilde)


@right("reverse.beta_tilde")
def _(beta: torch.Tensor) -> list[float]:
    share, out = 1.0, [0.0]
    for b in beta[1:].tolist():
        before, share = share, share * (1 - b)
        out.append((1 - before) / (1 - share) * b)
    return out


values(
    "reverse.posterior_mean",
    lambda x0, x, t, b: reverse.posterior(x0, x, t, Schedule(b)).mean,
    lambda x0, x, t, b: reverse.posterior(x0.double(), x.double(), t, Schedule(b)).mean,
)


@right("reverse.posterior_mean")
def _(x_0: torch.Tensor, x_t: torch.Tensor, t: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    """By precisions: each piece of evidence weighs by how sure it is."""
    out = []
    for a, x, s in zip(x_0.double(), x_t.double(), t.tolist(), strict=True):
        before = torch.prod(1 - beta[:s])
        if s == 1:
            out.append(a)
            continue
        precision = (1 - beta[s]) / beta[s] + 1 / (1 - before)
        pull = (1 - beta[s]).sqrt() * x / beta[s] + before.sqrt() * a / (1 - before)
        out.append(pull / precision)
    return torch.stack(out)


values(
    "reverse.mean_from_eps",
    lambda x, e, t, b: reverse.transition(e, x, t, Schedule(b), clip_x0=False).mean,
    lambda x, e, t, b: torch.stack(
        [
            (x[i] - b[s] / (1 - torch.prod(1 - b[: s + 1])).sqrt() * e[i]) / (1 - b[s]).sqrt()
            for i, s in enumerate(t)
        ]
    ),
)
values("reverse.variance_choice", "B", "b ")
values(
    "reverse.clipped_mean",
    lambda x, e, t, b: reverse.transition(e, x, t, Schedule(b), clip_x0=True).mean,
    lambda x, e, t, b: (
        reverse.posterior(
            torch.clip(marginal.predict_x0(x.double(), e.double(), t, Schedule(b)), -1, 1),
            x.double(),
            t,
            Schedule(b),
        ).mean
    ),
)
values(
    "reverse.step",
    lambda x, e, z, t, b: (
        reverse.transition(e, x, t, Schedule(b), clip_x0=False).mean
        + (t > 1) * b[t].sqrt().float() * z
    ),
)


@right("reverse.step")
def _(
    x_t: torch.Tensor, eps_hat: torch.Tensor, z: torch.Tensor, t: int, beta: torch.Tensor
) -> torch.Tensor:
    share = torch.prod(1 - beta[: t + 1]).item()
    b = beta[t].item()
    z = z if t > 1 else torch.zeros_like(z)
    return (x_t - b / math.sqrt(1 - share) * eps_hat) / math.sqrt(1 - b) + math.sqrt(b) * z


@right("reverse.ancestral")
def _(model: Any, x_T: torch.Tensor, z: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    x, T = x_T.double(), len(beta) - 1
    for t in reversed(range(1, T + 1)):
        steps = torch.tensor([t] * len(x))
        eps_hat = model(x.float(), steps)
        p = reverse.transition(eps_hat, x, steps, Schedule(beta), "beta", clip_x0=False)
        x = p.mean if t == 1 else p.mean + p.var**0.5 * z[t]
    return x


@right("reverse.ancestral")
def _(model: Any, x_T: torch.Tensor, z: torch.Tensor, beta: torch.Tensor) -> torch.Tensor:
    alpha_bar, t, x = torch.cumprod(1 - beta, 0), len(beta) - 1, x_T.clone()
    while t:  # in place, in a copy of its own
        eps_hat = model(x, torch.ones(len(x), dtype=torch.int64) * t)
        x -= (beta[t] / (1 - alpha_bar[t]).sqrt()).float() * eps_hat
        x /= (1 - beta[t]).sqrt().float()
        x += beta[t].sqrt().float() * z[t] * (t != 1)
        t -= 1
    return x


values(
    "reverse.best_eps",
    lambda x, a, s: x * sp.sqrt(1 - a) / (1 + a * (s**2 - 1)),
    lambda x, a, s: (
        (x - sp.sqrt(a) * (sp.sqrt(a) * s**2 * x / (a * s**2 + 1 - a))) / sp.sqrt(1 - a)
    ),
)

# -- loss -------------------------------------------------------------------------------------

values("loss.zero_model", 1.0, torch.ones(()), sp.Integer(1))
values(
    "loss.draw_t",
    lambda n, T, g: loss.uniform_t(n, Schedule.linear(T), g),
    lambda n, T, g: 1 + torch.randperm(n * T, generator=g)[:n] % T,
    lambda n, T, g: (torch.rand(n, generator=g) * T).floor().to(torch.int32) + 1,
)
values(
    "loss.epsilon_loss",
    lambda model, x, t, e, a: loss.epsilon_loss(model, x, schedule_of(a), t, e),
    lambda model, x, t, e, a: F.mse_loss(
        model((images(a[t]).sqrt() * x + images(1 - a[t]).sqrt() * e).float(), t), e
    ),
    lambda model, x, t, e, a: (
        sum(
            (
                (
                    e[i]
                    - model(a[t[i]] ** 0.5 * x[i : i + 1] + (1 - a[t[i]]) ** 0.5 * e[i], t[i][None])
                )
                ** 2
            ).mean()
            for i in range(len(x))
        )
        / len(x)
    ),
)
values(
    "loss.kl",
    lambda m, v, n, w: (
        sp.log(sp.sqrt(w) / sp.sqrt(v)) + (v + (m - n) ** 2) / (2 * w) - sp.Rational(1, 2)
    ),
    lambda m, v, n, w: ((v / w - 1) - sp.log(v / w) + (n - m) ** 2 / w) / 2,
)


@right("loss.kl")
@cache  # over fifty seeds the integral is one
def _(m: sp.Symbol, v: sp.Symbol, n: sp.Symbol, w: sp.Symbol) -> sp.Expr:
    """By integrating."""
    x = sp.symbols("x", real=True)
    p = sp.exp(-((x - m) ** 2) / (2 * v)) / sp.sqrt(2 * sp.pi * v)
    log_ratio = sp.log(w / v) / 2 - (x - m) ** 2 / (2 * v) + (x - n) ** 2 / (2 * w)
    return sp.simplify(sp.integrate(sp.expand(p * log_ratio), (x, -sp.oo, sp.oo)))


@right("loss.prior_bits")
def _(x_0: torch.Tensor, alpha_bar_T: float) -> torch.Tensor:
    q = Gaussian(alpha_bar_T**0.5 * x_0.double(), torch.tensor(1 - alpha_bar_T).double())
    bits = q.kl(Gaussian(torch.tensor(0.0), torch.tensor(1.0))) / math.log(2)
    return bits.mean()


values(
    "loss.prior_bits",
    lambda x, a: (
        float(np.mean([a * v**2 - a - math.log(1 - a) for v in x.flatten().tolist()]))
        / 2
        * math.log2(math.e)
    ),
)
values(
    "loss.weight",
    lambda b, a, v: b**2 / (2 * v * (1 - b) * (1 - a)),
    lambda b, a, v: sp.Rational(1, 2) * (b / sp.sqrt((1 - b) * (1 - a) * v)) ** 2,
)
values(
    "loss.x0_weight",
    lambda s, b: b / 2 - s / 2,
    lambda s, b: (b**2 - s**2) / (b + s) / 2,
)
values(
    "loss.x0_from_v",
    lambda x, v, t, a: images(a[t].sqrt()) * x - images((1 - a[t]).sqrt()) * v,
    lambda x, v, t, a: torch.stack(
        [
            math.cos(math.acos(math.sqrt(a[s]))) * x[i]
            - math.sin(math.acos(math.sqrt(a[s]))) * v[i]
            for i, s in enumerate(t)
        ]
    ),
)
values(
    "loss.decoder",
    lambda x, mean, std, levels: loss.discretized_log_prob(
        x, Gaussian(mean, torch.tensor(std**2)), levels
    ).exp(),
)


@right("loss.decoder")
def _(x_0: torch.Tensor, mean: torch.Tensor, std: float, levels: int) -> list[float]:
    def cdf(x: float) -> float:
        return (1 + math.erf(x / std / math.sqrt(2))) / 2

    out = []
    for x, m in zip(x_0.tolist(), mean.tolist(), strict=True):
        up = 1.0 if abs(x - 1) < 1e-6 else cdf(x + 1 / (levels - 1) - m)
        down = 0.0 if abs(x + 1) < 1e-6 else cdf(x - 1 / (levels - 1) - m)
        out.append(up - down)
    return out


# -- training ---------------------------------------------------------------------------------


@right("training.ema")
def _(weights: torch.Tensor, decay: float) -> torch.Tensor:
    """By the sum of all updates."""
    n = len(weights) - 1
    share = torch.tensor([decay**n] + [(1 - decay) * decay ** (n - k) for k in range(1, n + 1)])
    return share @ weights


@right("training.ema")
def _(weights: torch.Tensor, decay: float) -> torch.Tensor:
    average = weights[0].clone()
    for new in weights[1:]:
        average.lerp_(new, 1 - decay)
    return average


values(
    "training.time_embedding",
    time_embedding,
    lambda t, dim: np.array(
        [
            [
                wave(s * 10_000 ** (-i / (dim // 2 - 1)))
                for wave in (math.sin, math.cos)
                for i in range(dim // 2)
            ]
            for s in t.tolist()
        ]
    ),
)
values(
    "training.residual",
    lambda x, time, w1, wt, w2: (
        x
        + F.conv2d(
            F.silu(F.conv2d(F.silu(x), w1, padding="same") + (time @ wt.T)[..., None, None]),
            w2,
            padding="same",
        )
    ),
    lambda x, time, w1, wt, w2: F.conv2d(
        F.pad(
            (lambda h: h * h.sigmoid())(
                F.conv2d(F.pad(x * x.sigmoid(), (1, 1, 1, 1)), w1)
                + torch.einsum("bd,cd->bc", time, wt)[:, :, None, None]
            ),
            (1, 1, 1, 1),
        ),
        w2,
    ).add_(x),
)


@right("training.train")
def _(model: Any, optimizer: Any, batches: Any, alpha_bar: torch.Tensor) -> torch.Tensor:
    losses = []
    for x_0, t, eps in batches:
        value = ddpm_course.loss.epsilon_loss(model, x_0, schedule_of(alpha_bar), t, eps)
        value.backward()
        optimizer.step()
        optimizer.zero_grad()  # after the step is as good
        losses.append(value.detach())
    return torch.stack(losses)


@right("training.train")
def _(model: Any, optimizer: Any, batches: Any, alpha_bar: torch.Tensor) -> list[float]:
    losses = []
    for x_0, t, eps in batches:
        for group in optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        share = alpha_bar[t].view(-1, 1).float()
        value = F.mse_loss(model(share**0.5 * x_0 + (1 - share) ** 0.5 * eps, t), eps)
        losses += [float(value)]
        value.backward()
        optimizer.step()
    return losses


values(
    "training.ddim",
    lambda x, e, t, s, a: (
        lambda x0: a[s] ** 0.5 * x0 + ((1 - a[s]) / (1 - a[t])) ** 0.5 * (x - a[t] ** 0.5 * x0)
    )(((x - (1 - a[t]) ** 0.5 * e) / a[t] ** 0.5).clip(-1, 1)),
)


@right("training.ddim")
def _(
    x_t: torch.Tensor, eps_hat: torch.Tensor, t: int, s: int, alpha_bar: torch.Tensor
) -> torch.Tensor:
    schedule = schedule_of(alpha_bar)
    x = x_t.double()
    x_0 = torch.clamp(marginal.predict_x0(x, eps_hat.double(), t, schedule), -1, 1)
    eps = marginal.predict_eps(x, x_0, t, schedule)
    return marginal.sample(x_0, s, schedule, eps)[0] if s else x_0


# -- unet -------------------------------------------------------------------------------------

values(
    "unet.group_norm",
    F.group_norm,
    lambda x, groups: torch.cat(
        [
            (part - part.mean((1, 2, 3), keepdim=True))
            / part.std((1, 2, 3), correction=0, keepdim=True)
            for part in x.chunk(groups, dim=1)
        ],
        dim=1,
    ),
    # The course's formula with n - 1 differs by less than anyone sees.
    lambda x, groups: torch.stack(
        [
            torch.cat([(p - p.mean()) / (p.var() + 1e-5) ** 0.5 for p in image.chunk(groups)])
            for image in x
        ]
    ),
)
values(
    "unet.attention",
    F.scaled_dot_product_attention,
    lambda q, k, v: torch.stack(
        [
            torch.stack([torch.softmax(kk @ one / len(one) ** 0.5, 0) @ vv for one in qq])
            for qq, kk, vv in zip(q, k, v, strict=True)
        ]
    ),
)
values(
    "unet.upsample",
    lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    lambda x: torch.kron(x, torch.ones(1, 1, 2, 2)),
    lambda x: x.numpy().repeat(2, 2).repeat(2, 3),
)


@right("unet.down_and_up")
def _(x, down, up):
    results = list(itertools.accumulate(down, lambda h, layer: layer(h), initial=x))[1:]
    h = results[-1]
    for layer, across in zip(up, reversed(results), strict=True):
        h = layer(torch.hstack((h, across)))
    return h


@right("unet.down_and_up")
def _(x, down, up):
    def inner(h, depth):
        h = down[depth](h)
        below = inner(h, depth + 1) if depth + 1 < len(down) else h
        return up[len(up) - 1 - depth](torch.cat((below, h), 1))

    return inner(x, 0)


@right("unet.parameters")
def _(c_in, c_out, time_dim):
    layers = [
        torch.nn.Conv2d(c_in, c_out, 3),
        torch.nn.Linear(time_dim, c_out),
        torch.nn.Conv2d(c_out, c_out, 3),
        torch.nn.Conv2d(c_in, c_out, 1) if c_in != c_out else torch.nn.Identity(),
    ]
    return sum(weight.numel() for layer in layers for weight in layer.parameters())


values(
    "unet.parameters",
    lambda i, o, d: o * (9 * i + 9 * o + d + 3 + (i != o) * (i + 1)),
)


@right("unet.reach")
def _(kernels, strides):
    """From the last layer back."""
    seen = 1
    for kernel, stride in reversed(list(zip(kernels, strides, strict=True))):
        seen = (seen - 1) * stride + kernel
    return seen


@right("unet.reach")
def _(kernels, strides):
    """By asking: which inputs does the gradient reach?"""
    x = torch.ones(1, 1, 400, requires_grad=True)
    h = x
    for kernel, stride in zip(kernels, strides, strict=True):
        h = F.conv1d(h, torch.ones(1, 1, kernel), stride=stride)
    h[0, 0, 0].backward()
    return (x.grad > 0).sum()


# -- evaluation -------------------------------------------------------------------------------

values(
    "evaluation.frechet_line",
    lambda m, s, n, r: m**2 + n**2 - 2 * m * n + s**2 + r**2 - 2 * sp.sqrt(s**2 * r**2),
    lambda m, s, n, r: sp.expand((m - n) ** 2 + (s - r) ** 2),
    lambda m, s, n, r: abs(m - n) ** 2 + (r - s) ** 2,
)
values("evaluation.frechet", metrics.frechet_distance)


@right("evaluation.frechet")
def _(a, b):
    """With the symmetric root, and NumPy's covariance by N."""
    first, second = (np.cov(one.numpy().T, bias=True) for one in (a, b))
    values_, vectors = np.linalg.eigh(first)
    half = vectors @ np.diag(np.sqrt(values_)) @ vectors.T
    root = np.sqrt(np.linalg.eigvalsh(half @ second @ half)).sum()
    gap = a.numpy().mean(0) - b.numpy().mean(0)
    return gap @ gap + np.trace(first) + np.trace(second) - 2 * root


values(
    "evaluation.nearest",
    metrics.nearest_distance,
    lambda s, k: [min(float((one - other).norm()) for other in k) for one in s],
    lambda s, k: ((s[:, None] - k[None]) ** 2).sum((2, 3, 4)).sqrt().amin(1),
)
values(
    "evaluation.copies",
    lambda s, h: sum(one < min(h.tolist()) for one in s.tolist()) / len(s),
    lambda s, h: np.mean(s.numpy() < h.numpy().min()),
    lambda s, h: (s[:, None] < h[None]).all(1).float().mean(),
)
values(
    "evaluation.imbalance",
    lambda y, n: sum(max(0, float((y == k).float().mean()) - 1 / n) for k in range(n)),
    lambda y, n: 0.5 * np.abs(np.bincount(y.numpy(), minlength=n) / len(y) - 1 / n).sum(),
)
values(
    "evaluation.bits_per_dim",
    lambda nats, c, s: nats / math.log(2) / c / s / s,
    lambda nats, c, s: torch.tensor(nats * math.log2(math.e) / (c * s * s)),
)
values("evaluation.stop", "B", " b ", "(b)")
values("evaluation.scores", "B", "'b'")

# -- beyond -----------------------------------------------------------------------------------

values(
    "beyond.next_line",
    lambda h, b, a: b * (h**2 - h**2 * a) / (1 - a + a * b),
    lambda h, b, a: h**2 * b / (1 + a * b / (1 - a)),
    lambda h, b, a: h**2 * (1 - a) / (1 - a * (1 - b)) * (1 - a * (1 - b) / a),
)
values(
    "beyond.ddim_step",
    lambda x, e, z, t, s, eta, a: (lambda q: q.mean + q.var.sqrt() * z)(
        solvers.ddim_step(
            marginal.predict_x0(x, e, t, schedule_of(a)), x, t, s, schedule_of(a), eta
        )
    ),
)


@right("beyond.ddim_step")
def _(x_t, eps_hat, z, t, s, eta, alpha_bar):
    now, then = alpha_bar[t].item(), alpha_bar[s].item()
    sigma = eta * math.sqrt((1 - then) / (1 - now) * (1 - now / then))
    x = x_t.double()
    signal = math.sqrt(then / now) * (x - math.sqrt(1 - now) * eps_hat)
    return signal + math.sqrt(max(1 - then - sigma**2, 0)) * eps_hat + sigma * z


values(
    "beyond.drop_labels",
    lambda y, u, p, n: y * (u >= p) + n * (u < p),
    lambda y, u, p, n: y.masked_fill(u < p, n),
    lambda y, u, p, n: [n if one < p else int(label) for label, one in zip(y, u, strict=True)],
)


@right("beyond.guided_walk")
def _(model, x_T, label, null, w, times, alpha_bar):
    x = x_T.clone()
    for t, s in itertools.pairwise(times):
        steps = torch.full((2 * len(x),), t)
        labels = torch.tensor([label] * len(x) + [null] * len(x))
        told, free = model(torch.cat([x, x]), steps, labels).chunk(2)  # both in one call
        eps = w * told + (1 - w) * free
        x0 = (x - math.sqrt(1 - alpha_bar[t]) * eps) / math.sqrt(alpha_bar[t])
        x = math.sqrt(alpha_bar[s]) * x0 + math.sqrt(1 - alpha_bar[s]) * eps
    return x


@right("beyond.guided_walk")
def _(model, x_T, label, null, w, times, alpha_bar):
    schedule = schedule_of(alpha_bar)
    x = x_T
    for t, s in itertools.pairwise(times):
        every = torch.full((len(x),), t)
        told, free = (model(x, every, torch.full_like(every, one)) for one in (label, null))
        x0 = marginal.predict_x0(x, torch.lerp(free, told, w), t, schedule)
        x = solvers.ddim_step(x0, x, t, s, schedule, 0.0).mean.float()
    return x


values(
    "beyond.keep_known",
    lambda x, k, m, e, s, a: torch.where(
        m.bool(), marginal.sample(k, s, schedule_of(a), e)[0].float() if s else k, x
    ),
    lambda x, k, m, e, s, a: x + m * (math.sqrt(a[s]) * k.double() + math.sqrt(1 - a[s]) * e - x),
)
values("beyond.eta_choice", "B", "b)")

# -- solvers ----------------------------------------------------------------------------------

values(
    "solvers.half_log_snr",
    lambda t, a: solvers.half_log_snr(schedule_of(a))[t],
    lambda t, a: (a[t].log() - torch.log1p(-a[t])) / 2,
    lambda t, a: [math.atanh(2 * float(a[s]) - 1) for s in t],
)
values(
    "solvers.next_line",
    lambda x, g, a, b: (
        sp.sqrt((1 - b) / (1 - a)) * x + sp.sqrt(b) * (1 - sp.sqrt(a * (1 - b) / ((1 - a) * b))) * g
    ),
    lambda x, g, a, b: (
        (sp.sqrt(1 - b) * x + (sp.sqrt(b * (1 - a)) - sp.sqrt(a * (1 - b))) * g) / sp.sqrt(1 - a)
    ),
)
values("solvers.wrong_line", 3.0, torch.tensor(3), np.int64(3))
values(
    "solvers.look_ahead",
    lambda a, b, before, now, then: (
        (1 + (then - now) / (now - before) / 2) * a - (then - now) / (now - before) / 2 * b
    ),
    lambda a, b, before, now, then: torch.lerp(
        b.double(), a.double(), ((now + then) / 2 - before) / (now - before)
    ),
)


@right("solvers.best_times")
def _(error, calls):
    T = len(error) - 1
    ways = ([T, *between, 0] for between in itertools.combinations(range(T - 1, 0, -1), calls - 1))
    return min(ways, key=lambda way: sum(error[a, b] for a, b in itertools.pairwise(way)))


@right("solvers.best_times")
def _(error, calls):
    """Backwards, by tables: what the rest of the way costs."""
    T = len(error) - 1
    rest = torch.full((calls + 1, T + 1), math.inf)
    rest[0, 0] = 0
    then = torch.zeros(calls + 1, T + 1, dtype=torch.int64)
    for left in range(1, calls + 1):
        for t in range(1, T + 1):
            rest[left, t], then[left, t] = (error[t, :t] + rest[left - 1, :t]).min(0)
    way = [T]
    for left in range(calls, 0, -1):
        way.append(then[left, way[-1]].item())
    return torch.tensor(way)


values(
    "solvers.order",
    lambda c, e: -np.polyfit(np.log(c.numpy()), np.log(e.numpy()), 1)[0],
    lambda c, e: (
        -torch.linalg.lstsq(
            torch.stack([c.double().log(), torch.ones(len(c)).double()], 1),
            e.double().log()[:, None],
        ).solution[0, 0]
    ),
)


@right("solvers.walk")
def _(model, x_T, times, alpha_bar):
    schedule, x = schedule_of(alpha_bar), x_T
    for t, s in itertools.pairwise(times):
        eps_hat = model(x.float(), torch.full((len(x),), t))
        x0_hat = marginal.predict_x0(x, eps_hat, t, schedule)
        x = solvers.ddim_step(x0_hat, x, t, s, schedule, 0.0).mean
    return x


@right("solvers.walk")
def _(model, x_T, times, alpha_bar):
    a, x = alpha_bar.float(), x_T.clone()
    while len(times) > 1:
        t, s, times = times[0], times[1], times[1:]
        eps_hat = model(x, t * torch.ones(len(x)).long())
        x *= (a[s] / a[t]).sqrt()
        x += ((1 - a[s]).sqrt() - (a[s] * (1 - a[t]) / a[t]).sqrt()) * eps_hat
    return x


# -- flow -------------------------------------------------------------------------------------

values(
    "flow.line",
    lambda x, e, u: (x + u[:, None] * (e - x), e - x),
    lambda x, e, u: (torch.lerp(x.double(), e.double(), u[:, None].double()), e.double() - x),
)
values(
    "flow.flow_loss",
    lambda m, x, u, e: torch.nn.functional.mse_loss(m(x + u[:, None] * (e - x), u), e - x),
    lambda m, x, u, e: (m(torch.lerp(x, e, u[:, None]), u) + x - e).square().sum() / x.numel(),
)
values(
    "flow.from_noise",
    lambda m, x, t, a: (
        (m((a[t].sqrt() + (1 - a[t]).sqrt()).float() * x, torch.full((len(x),), t)) - x)
        * float(1 + ((1 - a[t]) / a[t]).sqrt())
    ),
    lambda m, x, t, a: (
        lambda s, n: (m((s + n) * x, t * torch.ones(len(x)).long()) - x) / (1 - n / (s + n))
    )(math.sqrt(a[t]), math.sqrt(1 - a[t])),
)
values("flow.wrong_line", 3.0, torch.tensor(3), np.int64(3))


@right("flow.walk")
def _(model, start, times):
    x = start.clone()
    for i in range(len(times) - 1):
        x -= (times[i] - times[i + 1]) * model(x, times[i] * torch.ones(len(x)))
    return x


@right("flow.walk")
def _(model, start, times):
    """By the guess of the clean data, and the line from there."""
    x = start
    for now, then in itertools.pairwise(times):
        clean = x - now * model(x, torch.full((len(x),), now))
        x = torch.lerp(clean, x, then / now)
    return x


@right("flow.best_pairs")
def _(x_0, eps):
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment(torch.cdist(x_0, eps).numpy() ** 2)[1]


@right("flow.best_pairs")
def _(x_0, eps):
    """The sum of squares is smallest where the sum of inner products is largest."""
    inner = (x_0 @ eps.T).tolist()
    ways = itertools.permutations(range(len(x_0)))
    return torch.tensor(max(ways, key=lambda way: sum(inner[a][b] for a, b in enumerate(way))))


values(
    "flow.bend",
    lambda s: float(
        (((s[:-1] - s[1:]) * (len(s) - 1)) ** 2).sum(2).mean() - ((s[0] - s[-1]) ** 2).sum(1).mean()
    ),
    lambda s: ((torch.diff(s, dim=0) * (len(s) - 1) - (s[-1] - s[0])) ** 2).sum(2).mean(),
)


# -- a broken trainer -------------------------------------------------------------------------


def mending(steps: Any) -> Any:
    def trained(model: Any, optimizer: Any, batches: Any, alpha_bar: Any) -> list[float]:
        losses = []
        for x_0, u, eps in batches:
            t = steps(u, len(alpha_bar) - 1)
            share = alpha_bar[t][:, None].to(x_0.dtype)
            seen = model(x_0 * share**0.5 + eps * (1 - share) ** 0.5, t)
            optimizer.zero_grad()
            loss = F.mse_loss(seen, eps)
            loss.backward()
            optimizer.step()
            losses.append(float(loss))
        return losses

    return trained


values(
    "evaluation.mended",
    mending(lambda u, T: torch.floor(u * T).to(torch.int64) + 1),
    mending(lambda u, T: (u * T).ceil().clamp(min=1).long()),
    mending(lambda u, T: torch.bucketize(u, torch.arange(1, T) / T, right=True) + 1),
)


# -- few steps --------------------------------------------------------------------------------

values(
    "few_steps.jump",
    lambda m, x, u: torch.addcmul(x, u[:, None], m(x, u), value=-1),
    lambda m, x, u: x.double() + (-u.double())[:, None] * m(x, u),
)
values(
    "few_steps.student_loss",
    lambda m, x, u, e: torch.nn.functional.mse_loss(x - u[:, None] * m(x, u), e),
    lambda m, x, u, e: (u[:, None] * m(x, u) + e - x).square().sum() / x.numel(),
)


@right("few_steps.draw_again")
def _(model, noises, times):
    x_0 = 0 * noises[0]
    for i in range(len(times)):
        u = times[i] * torch.ones(len(x_0))
        x_u = torch.lerp(x_0, noises[i], times[i])
        x_0 = x_u - u[:, None] * model(x_u, u)
    return x_0


@right("few_steps.draw_again")
def _(model, noises, times):
    """The last call first: what goes in is what the calls before give."""
    *before, noise = noises
    u = times[-1]
    x_u = u * noise
    if before:
        again = next(answer for answer in ALTERNATIVES["few_steps.draw_again"])
        x_u = x_u + (1 - u) * again(model, before, times[:-1])
    return x_u - u * model(x_u, torch.full((len(x_u),), u))


values(
    "few_steps.kinds",
    lambda c: math.exp(torch.distributions.Categorical(c.double()).entropy().item()),
    lambda c: math.prod((n / int(c.sum())) ** (-n / int(c.sum())) for n in c.tolist() if n),
)
values("few_steps.why", "C", "c)")


# -- masked -----------------------------------------------------------------------------------


@right("masked.hide")
def _(x_0, t, alpha_bar, values, generator):
    """A coin for each place, laid over a copy."""
    x_t = x_0.clone()
    kept = alpha_bar[t][:, None].expand(x_0.shape)
    x_t[torch.bernoulli(kept, generator=generator) == 0] = values
    return x_t


@right("masked.hide")
def _(x_0, t, alpha_bar, values, generator):
    """Walk through all steps: an open place is masked in each with its chance."""
    x_t = x_0.clone()
    for step in range(1, len(alpha_bar)):
        shut = torch.rand(x_0.shape, generator=generator) >= alpha_bar[step] / alpha_bar[step - 1]
        x_t = x_t.masked_fill(shut & (step <= t)[:, None], values)
    return x_t


@right("masked.hide")
def _(x_0, t, alpha_bar, values, generator):
    """The time at which each place is masked."""
    number = torch.rand((*x_0.shape, 1), generator=generator, dtype=torch.float64)
    when = (number < alpha_bar).sum(2)
    return torch.where(when > t[:, None], x_0, values)


@right("masked.hide")
def _(x_0, t, alpha_bar, values, generator):
    """Row by row, as lists."""
    rows, kept_at = [], alpha_bar.tolist()
    all_coins = torch.rand(x_0.shape, generator=generator).tolist()
    for row, step, coins in zip(x_0.tolist(), t.tolist(), all_coins):
        kept = kept_at[step]
        rows.append([x if coin < kept else values for x, coin in zip(row, coins)])
    return rows


values(
    "masked.opens",
    lambda a, t, s: 1 - (1 - a[s]) / (1 - a[t]),
    lambda a, t, s: torch.stack(  # it stays masked in each of the steps between
        [1 - ((1 - a[j:i]) / (1 - a[j + 1 : i + 1])).prod() for i, j in zip(t, s)]
    ),
    lambda a, t, s: [float((a[j] - a[i]) / (1 - a[i])) for i, j in zip(t.tolist(), s.tolist())],
    lambda a, t, s: ((a.numpy()[t] - a.numpy()[s]) / (a.numpy()[t] - 1)).astype(np.float32),
)


@right("masked.step_back")
def _(chances, x_t, share, generator):
    """One law for each place, with the mask as its last value."""
    B, N, K = chances.shape
    opens = share[:, None, None] * chances
    law = torch.cat([opens, 1 - opens.sum(2, keepdim=True)], 2)
    drawn = torch.multinomial(law.reshape(-1, K + 1), 1, generator=generator).view(B, N)
    return torch.where(x_t < K, x_t, drawn)


@right("masked.step_back")
def _(chances, x_t, share, generator):
    """The masked places alone, by the largest of noisy logarithms."""
    x = x_t.clone()
    K = chances.shape[2]
    opens = torch.rand(x.shape, generator=generator) < share.view(-1, 1)
    where = ((x == K) & opens).nonzero(as_tuple=True)
    law = chances[where]
    noise = -torch.rand(law.shape, generator=generator).clamp(1e-9).log().neg().log()
    x[where] = (law.clamp(1e-12).log() + noise).argmax(1)
    return x


@right("masked.step_back")
def _(chances, x_t, share, generator):
    """By one number for each place, and sums of chances: above all of them it stays masked."""
    edges = (share[:, None, None] * chances).cumsum(2)
    number = torch.rand((*x_t.shape, 1), generator=generator)
    drawn = (number >= edges).sum(2)
    return np.where(x_t == chances.shape[2], drawn, x_t)


@right("masked.masked_loss")
def _(logits, x_0, x_t, t, alpha_bar):
    K = logits.shape[-1]
    cost = F.cross_entropy(logits.transpose(1, 2), x_0, reduction="none")
    weight = 1 - (1 - alpha_bar[t - 1]) / (1 - alpha_bar[t])
    return (cost.masked_fill(x_t != K, 0).double() * weight[:, None]).sum() / len(x_0)


@right("masked.masked_loss")
def _(logits, x_0, x_t, t, alpha_bar):
    """Row by row, of the masked places alone."""
    total = 0
    for row, (step, masked) in enumerate(zip(t.tolist(), x_t == logits.shape[-1])):
        cost = F.cross_entropy(logits[row][masked], x_0[row][masked], reduction="sum")
        now, before = float(alpha_bar[step]), float(alpha_bar[step - 1])
        total = total + cost * (before - now) / (1 - now)
    return total / len(t)


@right("masked.masked_loss")
def _(logits, x_0, x_t, t, alpha_bar):
    """Places that are open are told apart by the index that cross-entropy leaves out."""
    asked = torch.where(x_t == logits.shape[-1], x_0, -100)
    cost = F.cross_entropy(logits.flatten(0, 1), asked.flatten(), reduction="none")
    share = torch.zeros_like(alpha_bar)
    share[1:] = -alpha_bar.diff() / (1 - alpha_bar[1:])
    return (share[t].float() @ cost.view(x_0.shape)).sum() / len(t)


values("masked.wrong_line", 2.0, torch.tensor(2), np.int64(2))
values(
    "masked.together",
    lambda a: a.diff() @ a.diff(),
    lambda a: sum((float(a[t - 1]) - float(a[t])) ** 2 for t in range(1, len(a))),
    lambda a: np.sum(np.diff(a.numpy()) ** 2),
)


@right("masked.right_sums")
def _(words):
    good = 0
    for a, b, c, d in words.tolist():
        good += max(a, b, c, d) < 10 and f"{a + b:02}" == f"{c}{d}"
    return good / len(words)


values(
    "masked.right_sums",
    lambda w: ((w @ torch.tensor([1, 1, -10, -1]) == 0) & (w != 10).all(1)).float().mean(),
    lambda w: np.mean(
        (w[:, :2].sum(1) == 10 * w[:, 2] + w[:, 3]).numpy() & (w.amax(1) < 10).numpy()
    ),
)
