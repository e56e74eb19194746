"""Held-out answers, the fifth set: two tasks in three, from the notebooks alone.

One right answer a task, in an unusual form, and three wrong ones that people write.
"""

import heapq
import math
from typing import Any

import numpy as np
import sympy as sp
import torch
import torch.nn.functional as F
from heldout import collect

RIGHT, WRONG, right, wrong = collect()


def img(table: Any, t: Any) -> Any:
    return table[t].float()[:, None, None, None]


def col(table: Any, t: Any) -> Any:
    return table[t].float()[:, None]


def abar(beta: Any) -> Any:
    return torch.cumprod(1 - beta, 0)


# -- trends -----------------------------------------------------------------------------------

TASK = "trends.ancestors"


def _fixpoint(references: Any, paper: str) -> Any:
    found = set(references[paper])
    while (more := found.union(*(references[p] for p in found))) != found:
        found = more
    return sorted(found - {paper})


right(TASK, _fixpoint)
wrong(TASK, "itself", lambda r, p: sorted({p, *_fixpoint(r, p)}))
wrong(
    TASK,
    "two|steps|grand|end|further|only",
    lambda r, p: sorted({q for a in r[p] for q in [a, *r[a]]}),
)
wrong(TASK, "order|alphabet|sorted", lambda r, p: sorted(_fixpoint(r, p), reverse=True))

TASK = "trends.reading_order"


def _kahn(references: Any, paper: str, key: Any = lambda x: x) -> Any:
    want = {paper, *_fixpoint(references, paper)}
    missing = {p: len(set(references[p])) for p in want}
    heap = [(key(p), p) for p in want if not missing[p]]
    heapq.heapify(heap)
    out = []
    while heap:
        _, p = heapq.heappop(heap)
        out.append(p)
        for q in want:
            if p in references[q]:
                missing[q] -= 1
                if not missing[q]:
                    heapq.heappush(heap, (key(q), q))
    return out


right(TASK, _kahn)
wrong(TASK, "revers|other way|after|order", lambda r, p: _kahn(r, p)[::-1])
wrong(TASK, "itself|last|lacks|missing", lambda r, p: _kahn(r, p)[:-1])
wrong(TASK, "alphabet|first|tie|order", lambda r, p: _kahn(r, p, lambda x: -ord(x[0])))

TASK = "trends.pagerank"


def _ranks(r: Any, d: float, rounds: int, form: str = "") -> Any:
    names = list(r)
    n = len(names)
    M = np.zeros((n, n))
    for j, p in enumerate(names):
        for q in r[p] or ([] if form == "sinks" else names):
            M[names.index(q), j] += 1 / (len(r[p]) or n)
    x = np.full(n, 1.0 if form == "ones" else 1 / n)
    for _ in range(rounds):
        x = (1 - d) / n + d * M @ x
        if form == "norm":
            x = x / x.max()
    return dict(zip(names, x.tolist(), strict=True))


right(TASK, _ranks)
wrong(TASK, "nothing|no references|cite", lambda r, d, k: _ranks(r, d, k, "sinks"))
wrong(TASK, "start|1/n|begin|add up", lambda r, d, k: _ranks(r, d, k, "ones"))
wrong(TASK, "round|one (more|less)|off", lambda r, d, k: _ranks(r, d, k + 1))

TASK = "trends.guided"
right(TASK, lambda free, told, w: torch.lerp(free.double(), told.double(), w).to(free.dtype))
wrong(TASK, "w = 1|told|start|scale", lambda free, told, w: told + w * (told - free))
wrong(TASK, "free|begin|start|missing", lambda free, told, w: w * (told - free))
wrong(TASK, "w = |direction|place|swap|other", lambda free, told, w: w * free + (1 - w) * told)

TASK = "trends.contrastive"
right(
    TASK,
    lambda s: (
        -(F.log_softmax(s, 0).diagonal().sum() + F.log_softmax(s, 1).diagonal().sum())
        / (2 * s.shape[0])
    ),
)
wrong(
    TASK,
    "text|picture|one (direction|side)|only|both",
    lambda s: F.cross_entropy(s, torch.arange(len(s))),
)
wrong(
    TASK,
    "mean|sum|twice|2N|half|factor",
    lambda s: F.cross_entropy(s, torch.arange(len(s))) + F.cross_entropy(s.T, torch.arange(len(s))),
)
wrong(
    TASK,
    "log",
    lambda s: 1 - (s.softmax(0).diagonal().mean() + s.softmax(1).diagonal().mean()) / 2,
)

# -- forward ----------------------------------------------------------------------------------

TASK = "forward.variance_after"
right(TASK, lambda v, beta: sp.expand(1 + (v - 1) * (1 - beta)))
wrong(TASK, "root|squared|variance", lambda v, beta: sp.sqrt(1 - beta) * v + sp.sqrt(beta))
wrong(TASK, "β|noise|missing", lambda v, beta: (1 - beta) * v)
wrong(TASK, "square", lambda v, beta: (1 - beta) ** 2 * v + beta**2)

TASK = "forward.step"
right(
    TASK,
    lambda x_prev, t, eps, beta: torch.stack(
        [
            math.sqrt(1 - float(beta[k])) * x + math.sqrt(float(beta[k])) * e
            for x, k, e in zip(x_prev, t, eps, strict=True)
        ]
    ),
)
wrong(
    TASK,
    "root",
    lambda x_prev, t, eps, beta: (1 - col(beta, t)).sqrt() * x_prev + col(beta, t) * eps,
)
wrong(
    TASK,
    "shrink|1 - β|factor|before x|first term",
    lambda x_prev, t, eps, beta: x_prev + col(beta, t).sqrt() * eps,
)
wrong(
    TASK,
    "t - 1|one off|index",
    lambda x_prev, t, eps, beta: (
        (1 - col(beta, t - 1)).sqrt() * x_prev + col(beta, t - 1).sqrt() * eps
    ),
)

TASK = "forward.trajectory"


def _walk(x_0: Any, eps: Any, beta: Any, form: str = "") -> Any:
    stops, x = [x_0], x_0
    for t in range(1, len(beta)):
        b, e = float(beta[t]), eps[t]
        if form == "same":
            e = eps[1]
        if form == "start":
            x = x_0
        x = math.sqrt(1 - b) * x + math.sqrt(b) * e
        stops.append(x)
    return torch.stack(stops)


def _unrolled(x_0: Any, eps: Any, beta: Any) -> Any:
    a = abar(beta)[:, None, None]
    eps = eps.double() * beta[:, None, None].sqrt()
    return (a.sqrt() * (x_0 + (eps / a.sqrt()).cumsum(0) - eps[0])).float()


right(TASK, _unrolled)
wrong(TASK, "noise|eps", lambda x, e, b: _walk(x, e, b, "same"))
wrong(TASK, "x_0|each step|start|goes on", lambda x, e, b: _walk(x, e, b, "start"))
wrong(TASK, "last|x_T|T \\+ 1|stops|shape|first", lambda x, e, b: _walk(x, e, b)[1:])

TASK = "forward.steps_until"
right(
    TASK,
    lambda beta, share: next(
        k for k in range(10**7) if k * math.log1p(-beta) <= math.log(share) + 1e-12
    ),
)
wrong(
    TASK,
    "round|least|ceil|one (less|too)|whole",
    lambda beta, share: math.floor(math.log(share) / math.log(1 - beta)),
)
wrong(
    TASK,
    "root|square|variance|half|twice|double",
    lambda beta, share: math.ceil(2 * math.log(share) / math.log(1 - beta)),
)
wrong(
    TASK,
    "approx|1 - β|log|small β|β",
    lambda beta, share: math.ceil((1 - share) / beta),
)

# -- marginal ---------------------------------------------------------------------------------

TASK = "marginal.alpha_bar"
right(TASK, lambda beta: torch.exp(torch.log1p(-beta).cumsum(0)))
wrong(TASK, "sum|product", lambda beta: 1 - beta.cumsum(0))
wrong(TASK, "root", lambda beta: (1 - beta).cumprod(0).sqrt())
wrong(
    TASK,
    "entry|off|first|front",
    lambda beta: F.pad((1 - beta).cumprod(0)[:-1], (1, 0), value=1.0),
)

TASK = "marginal.given_x0"
right(
    TASK,
    lambda x_0, t, alpha_bar: (
        torch.einsum("b,bchw->bchw", alpha_bar[t].sqrt().float(), x_0),
        (1 - alpha_bar.float()).take(t).unflatten(0, (-1, 1, 1, 1)),
    ),
)
wrong(
    TASK,
    "variance|root|standard dev",
    lambda x_0, t, alpha_bar: (
        img(alpha_bar, t).sqrt() * x_0,
        (1 - img(alpha_bar, t)).sqrt(),
    ),
)
wrong(
    TASK,
    "root",
    lambda x_0, t, alpha_bar: (img(alpha_bar, t) * x_0, 1 - img(alpha_bar, t)),
)
wrong(
    TASK,
    "variance|1 - |1 minus",
    lambda x_0, t, alpha_bar: (img(alpha_bar, t).sqrt() * x_0, img(alpha_bar, t)),
)

TASK = "marginal.predict_eps"
right(
    TASK,
    lambda x_t, x_0, t, alpha_bar: (
        torch.addcmul(
            x_t.double(), alpha_bar[t].sqrt()[:, None, None, None], x_0.double(), value=-1
        )
        .mul((1 - alpha_bar[t]).rsqrt()[:, None, None, None])
        .float()
    ),
)
wrong(
    TASK,
    "root|divid|denominator",
    lambda x_t, x_0, t, alpha_bar: (x_t - img(alpha_bar, t).sqrt() * x_0) / (1 - img(alpha_bar, t)),
)
wrong(
    TASK,
    "ᾱ|x_0|signal|factor",
    lambda x_t, x_0, t, alpha_bar: (x_t - x_0) / (1 - img(alpha_bar, t)).sqrt(),
)
wrong(
    TASK,
    "bracket|whole|divid",
    lambda x_t, x_0, t, alpha_bar: (
        x_t - img(alpha_bar, t).sqrt() * x_0 / (1 - img(alpha_bar, t)).sqrt()
    ),
)

TASK = "marginal.from_log_snr"
right(TASK, lambda log_snr: (1 + sp.tanh(log_snr / 2)) / 2)
wrong(TASK, "sign|noise|1 minus|other", lambda log_snr: 1 / (1 + sp.exp(log_snr)))
wrong(TASK, "SNR|1 \\+|divid|denominator|missing", lambda log_snr: sp.exp(log_snr))
wrong(TASK, "half|factor|root", lambda log_snr: 1 / (1 + sp.exp(-2 * log_snr)))

TASK = "marginal.cosine"


def _cosine(T: int, s: float, top: float, form: str = "") -> Any:
    def f(t: float) -> float:
        inner = (t / T + s) / (1 + s) * math.pi / 2
        if form == "no s":
            inner = t / T * math.pi / 2
        if form == "no half":
            inner *= 2
        return math.cos(inner) ** (1 if form == "no square" else 2)

    return torch.tensor(
        [0.0, *[min(1 - f(t) / f(t - 1), top) for t in range(1, T + 1)]], dtype=torch.float64
    )


right(TASK, _cosine)
wrong(TASK, "square", lambda T, s, top: _cosine(T, s, top, "no square"))
wrong(TASK, "s\\b|offset|small", lambda T, s, top: _cosine(T, s, top, "no s"))
wrong(TASK, "cut|max|bound|clamp|NaN", lambda T, s, top: _cosine(T, s, math.inf))

TASK = "marginal.respace"
right(
    TASK,
    lambda alpha_bar, stride: torch.tensor(
        [
            0.0,
            *[
                1 - float(alpha_bar[k] / alpha_bar[k - stride])
                for k in range(stride, len(alpha_bar), stride)
            ],
        ],
        dtype=torch.float64,
    ),
)
wrong(
    TASK,
    "classic|picking|every|each",
    lambda alpha_bar, stride: torch.cat([alpha_bar[:1] * 0, 1 - alpha_bar[1:] / alpha_bar[:-1]])[
        ::stride
    ],
)
wrong(
    TASK, "ratio|before|cumul|divid|1 - ᾱ|kept", lambda alpha_bar, stride: 1 - alpha_bar[::stride]
)
wrong(
    TASK,
    "α|1 minus|1 -|kept|share",
    lambda alpha_bar, stride: torch.cat(
        [alpha_bar[:1] * 0, alpha_bar[stride::stride] / alpha_bar[:-stride:stride]]
    ),
)

# -- reverse ----------------------------------------------------------------------------------

TASK = "reverse.posterior_variance"
right(
    TASK,
    lambda beta, before: sp.together(1 / ((1 - beta) / beta + 1 / (1 - before))),
)
wrong(TASK, "add|precision|sum|1 /", lambda beta, before: beta + (1 - before))
wrong(
    TASK,
    "α|factor|1 - β|square|root",
    lambda beta, before: 1 / (1 / beta + 1 / (1 - before)),
)
wrong(
    TASK,
    "upside|precision|1 divided|1 /",
    lambda beta, before: (1 - beta) / beta + 1 / (1 - before),
)

TASK = "reverse.beta_tilde"


def _tilde(beta: Any) -> Any:
    a = abar(beta).tolist()
    b = beta.tolist()
    return torch.tensor(
        [0.0, *[(1 - a[t - 1]) * b[t] / (1 - a[t]) for t in range(1, len(b))]], dtype=torch.float64
    )


right(TASK, _tilde)
wrong(
    TASK,
    "upside|fraction|divid",
    lambda beta: torch.cat(
        [beta[:1], beta[1:2], (1 - abar(beta)[2:]) / (1 - abar(beta)[1:-1]) * beta[2:]]
    ),
)
wrong(TASK, "root|variance|standard", lambda beta: _tilde(beta).sqrt())
wrong(
    TASK,
    "1 minus|1 - |ᾱ",
    lambda beta: F.pad(abar(beta)[:-1] / abar(beta)[1:] * beta[1:], (1, 0)),
)

TASK = "reverse.posterior_mean"


def _mean(x_0: Any, x_t: Any, t: Any, beta: Any, form: str = "") -> Any:
    a = abar(beta)
    now, then, b = col(a, t), col(a, t - 1), col(beta, t)
    first = then.sqrt() * b / (1 - now)
    second = (1 - b).sqrt() * (1 - then) / (1 - now)
    if form == "now":
        first = now.sqrt() * b / (1 - now)
    if form == "swap":
        first, second = second, first
    if form == "root":
        second = (1 - b) * (1 - then) / (1 - now)
    return first * x_0 + second * x_t


def _by_precision(x_0: Any, x_t: Any, t: Any, beta: Any) -> Any:
    a = abar(beta)
    b, then = beta[t][:, None], a[t - 1][:, None]
    known = 1 / (1 - then + 1e-300)
    seen = (1 - b) / b
    mean = (known * then.sqrt() * x_0 + seen * x_t / (1 - b).sqrt()) / (known + seen)
    return torch.where((t == 1)[:, None], x_0.double(), mean).float()


right(TASK, _by_precision)
wrong(TASK, "ᾱ_\\{?t|t - 1|index|before|one off", lambda *a: _mean(*a, "now"))
wrong(TASK, "place|swap|other", lambda *a: _mean(*a, "swap"))
wrong(TASK, "root", lambda *a: _mean(*a, "root"))

TASK = "reverse.clipped_mean"


def _clipped(x_t: Any, eps_hat: Any, t: Any, beta: Any, form: str = "") -> Any:
    now = col(abar(beta), t)
    x_0 = (x_t - (1 - now).sqrt() * eps_hat) / now.sqrt()
    if form == "none":
        return _mean(x_0, x_t, t, beta)
    if form == "late":
        return _mean(x_0, x_t, t, beta).clamp(-1, 1)
    if form == "01":
        return _mean(x_0.clamp(0, 1), x_t, t, beta)
    return _by_precision(torch.minimum(torch.maximum(x_0, -x_0 / x_0), x_0 / x_0), x_t, t, beta)


right(TASK, lambda *a: _clipped(*a))
wrong(TASK, "clip|kept within|bounds", lambda *a: _clipped(*a, "none"))
wrong(TASK, "clip|guess|mean", lambda *a: _clipped(*a, "late"))
wrong(TASK, "\\[-1|-1|0|bound|range", lambda *a: _clipped(*a, "01"))

TASK = "reverse.step"


def _step(x_t: Any, eps_hat: Any, z: Any, t: int, beta: Any, form: str = "") -> Any:
    a, b = float(abar(beta)[t]), float(beta[t])
    mean = (x_t - b / math.sqrt(1 - a) * eps_hat) / math.sqrt(1 - b)
    if form == "tilde":
        before = float(abar(beta)[t - 1])
        return mean + math.sqrt((1 - before) / (1 - a) * b) * z
    if form == "variance":
        return mean + b * z * (t > 1)
    if form == "always":
        return mean + math.sqrt(b) * z
    return mean + (t != 1) * b**0.5 * z


right(TASK, lambda *a: _step(*a))
wrong(TASK, "β̃|tilde|posterior|other variance", lambda *a: _step(*a, "tilde"))
wrong(TASK, "root|standard", lambda *a: _step(*a, "variance"))
wrong(TASK, "last|t = 1|x_0|noise", lambda *a: _step(*a, "always"))

TASK = "reverse.ancestral"


def _down(model: Any, x: Any, z: Any, beta: Any, form: str = "") -> Any:
    T = len(beta) - 1
    steps = range(T - 1, 0, -1) if form == "short" else range(T, 0, -1)
    if form == "up":
        steps = range(1, T + 1)
    for t in steps:
        eps = model(x, torch.full((x.shape[0],), t - 1 if form == "told" else t))
        x = _step(x, eps, z[t], t, beta)
    return x


right(TASK, lambda *a: _down(*a))
wrong(TASK, "T\\b|first|start|one (step|less)|misses|skip", lambda *a: _down(*a, "short"))
wrong(TASK, "order|backward|down|up|from 1|other way", lambda *a: _down(*a, "up"))
wrong(TASK, "told|t - 1", lambda *a: _down(*a, "told"))

TASK = "reverse.best_eps"
right(
    TASK,
    lambda x_t, alpha_bar, s: (
        (
            x_t
            - sp.sqrt(alpha_bar)
            * (sp.sqrt(alpha_bar) * s**2 * x_t)
            / (alpha_bar * s**2 + 1 - alpha_bar)
        )
        / sp.sqrt(1 - alpha_bar)
    ),
)
wrong(
    TASK,
    "root",
    lambda x_t, alpha_bar, s: (1 - alpha_bar) * x_t / (alpha_bar * s**2 + 1 - alpha_bar),
)
wrong(
    TASK,
    "s²|square|variance",
    lambda x_t, alpha_bar, s: sp.sqrt(1 - alpha_bar) * x_t / (alpha_bar * s + 1 - alpha_bar),
)
wrong(
    TASK,
    "x_0|which|data|signal|instead",
    lambda x_t, alpha_bar, s: sp.sqrt(alpha_bar) * s**2 * x_t / (alpha_bar * s**2 + 1 - alpha_bar),
)

# -- loss -------------------------------------------------------------------------------------

TASK = "loss.epsilon_loss"
right(
    TASK,
    lambda model, x_0, t, eps, alpha_bar: (
        torch.linalg.vector_norm(
            model(
                torch.lerp(
                    x_0 * img(alpha_bar, t).sqrt(),
                    x_0 * img(alpha_bar, t).sqrt() + eps,
                    (1 - img(alpha_bar, t)).sqrt(),
                ),
                t,
            )
            - eps
        )
        ** 2
        / eps.numel()
    ),
)
wrong(
    TASK,
    "mean|sum",
    lambda model, x_0, t, eps, alpha_bar: (
        (
            (eps - model(img(alpha_bar, t).sqrt() * x_0 + (1 - img(alpha_bar, t)).sqrt() * eps, t))
            ** 2
        )
        .flatten(1)
        .sum(1)
        .mean()
    ),
)
wrong(
    TASK,
    "clean|x_0|noised",
    lambda model, x_0, t, eps, alpha_bar: F.mse_loss(model(x_0, t), eps),
)
wrong(
    TASK,
    "x_0|aim|target|compare",
    lambda model, x_0, t, eps, alpha_bar: F.mse_loss(
        model(img(alpha_bar, t).sqrt() * x_0 + (1 - img(alpha_bar, t)).sqrt() * eps, t), x_0
    ),
)

TASK = "loss.kl"
right(
    TASK,
    lambda m, v, n, w: (
        sp.log(w) / 2 - sp.log(v) / 2 + v / w / 2 - sp.Rational(1, 2) + (m - n) ** 2 / w / 2
    ),
)
wrong(
    TASK,
    "place|direction|other way|swap|reverse",
    lambda m, v, n, w: (sp.log(v / w) + (w + (m - n) ** 2) / v - 1) / 2,
)
wrong(
    TASK,
    "square",
    lambda m, v, n, w: (sp.log(w / v) + (v + (m - n)) / w - 1) / 2,
)
wrong(
    TASK,
    "-1|minus 1|constant|0|half|1/2|equal|term",
    lambda m, v, n, w: (sp.log(w / v) + (v + (m - n) ** 2) / w) / 2,
)

TASK = "loss.prior_bits"


def _prior(x_0: Any, a: float, form: str = "") -> float:
    v = a if form == "signal" else 1 - a
    m2 = a * float(x_0.double().square().mean())
    if form == "no mean":
        m2 = 0.0
    nats = 0.5 * (v + m2 - 1 - math.log(v))
    return nats if form == "nats" else nats / math.log(2)


right(TASK, lambda x_0, a: _prior(x_0, a))
wrong(TASK, "bits|nats|log 2", lambda x_0, a: _prior(x_0, a, "nats"))
wrong(TASK, "mean|x_0", lambda x_0, a: _prior(x_0, a, "no mean"))
wrong(
    TASK,
    "mean|sum|average|per|pixels|dimension",
    lambda x_0, a: _prior(x_0, a) * x_0[0].numel(),
)

TASK = "loss.weight"
right(
    TASK,
    lambda beta, alpha_bar, variance: (
        (beta / sp.sqrt(2 * variance * (1 - beta) * (1 - alpha_bar))) ** 2
    ),
)
wrong(
    TASK,
    "square",
    lambda beta, alpha_bar, variance: beta / (2 * variance * (1 - beta) * (1 - alpha_bar)),
)
wrong(
    TASK,
    "α|1 - β|1/√",
    lambda beta, alpha_bar, variance: beta**2 / (2 * variance * (1 - alpha_bar)),
)
wrong(
    TASK,
    "square|variance|σ",
    lambda beta, alpha_bar, variance: beta**2 / (2 * variance**2 * (1 - beta) * (1 - alpha_bar)),
)

TASK = "loss.x0_from_v"
right(
    TASK,
    lambda x_t, v, t, alpha_bar: (
        torch.cos(torch.acos(img(alpha_bar.double(), t).sqrt())) * x_t
        - torch.sin(torch.acos(img(alpha_bar.double(), t).sqrt())) * v
    ),
)
wrong(
    TASK,
    "sign|plus|minus",
    lambda x_t, v, t, alpha_bar: (
        img(alpha_bar, t).sqrt() * x_t + (1 - img(alpha_bar, t)).sqrt() * v
    ),
)
wrong(
    TASK,
    "noise|ε|other|place",
    lambda x_t, v, t, alpha_bar: (
        (1 - img(alpha_bar, t)).sqrt() * x_t + img(alpha_bar, t).sqrt() * v
    ),
)
wrong(
    TASK,
    "root",
    lambda x_t, v, t, alpha_bar: img(alpha_bar, t) * x_t - (1 - img(alpha_bar, t)) * v,
)

TASK = "loss.decoder"


def _cell(x_0: Any, mean: Any, std: float, levels: int, form: str = "") -> Any:
    d = {"whole": 2, "levels": (levels - 1) / levels}.get(form, 1) / (levels - 1)
    law = torch.distributions.Normal(mean.double(), std)
    up, low = law.cdf(x_0.double() + d), law.cdf(x_0.double() - d)
    if form != "ends":
        up = torch.where(x_0 > 1 - 1e-6, 1.0, up)
        low = torch.where(x_0 < -1 + 1e-6, 0.0, low)
    if form == "log":
        return (up - low).log()
    return up - low


right(TASK, lambda *a: _cell(*a).float())
wrong(TASK, "first|last|infin|ends|edge|cell", lambda *a: _cell(*a, "ends"))
wrong(TASK, "half|spacing|wide", lambda *a: _cell(*a, "whole"))
wrong(TASK, "levels|spacing|wide", lambda *a: _cell(*a, "levels"))

# -- unet -------------------------------------------------------------------------------------

TASK = "unet.group_norm"


def _norm(x: Any, groups: int, dims: Any, unbiased: bool = False, eps: float = 1e-5) -> Any:
    B, C, H, W = x.shape
    y = x.reshape(B, groups, C // groups, H, W)
    var, mean = torch.var_mean(y, dims, correction=int(unbiased), keepdim=True)
    return ((y - mean) * (var + eps).rsqrt()).reshape(x.shape)


right(
    TASK,
    lambda x, groups: torch.cat(
        [F.layer_norm(part, part.shape[1:]) for part in x.chunk(groups, 1)], 1
    ),
)
wrong(TASK, "places|channels|each channel|over all", lambda x, groups: _norm(x, groups, (3, 4)))
wrong(TASK, "image|batch", lambda x, groups: _norm(x, groups, (0, 2, 3, 4)))
wrong(
    TASK,
    "mean",
    lambda x, groups: (
        x.reshape(len(x), groups, -1)
        / (x.reshape(len(x), groups, -1).var(-1, unbiased=False, keepdim=True) + 1e-5).sqrt()
    ).reshape(x.shape),
)

TASK = "unet.attention"
right(
    TASK,
    lambda q, k, v: torch.stack(
        [
            torch.stack(
                [
                    (torch.softmax(k[b] @ row / row.numel() ** 0.5, 0)[:, None] * v[b]).sum(0)
                    for row in q[b]
                ]
            )
            for b in range(len(q))
        ]
    ),
)
wrong(TASK, "√C|root|scale|C", lambda q, k, v: F.softmax(q @ k.mT, -1) @ v)
wrong(
    TASK,
    "axis|rows|columns|j|add up|turned",
    lambda q, k, v: F.softmax(q @ k.mT / q.shape[-1] ** 0.5, 1) @ v,
)
wrong(
    TASK,
    "root|√",
    lambda q, k, v: F.softmax(q @ k.mT / q.shape[-1], -1) @ v,
)

TASK = "unet.down_and_up"


def _across(x: Any, down: Any, up: Any, form: str = "") -> Any:
    kept = []
    for layer in down:
        if form == "before":
            kept.append(x)
        x = layer(x)
        if form != "before":
            kept.append(x)
    for n, layer in enumerate(up):
        other = kept[n] if form == "first" else kept[-1 - n]
        x = layer(torch.cat([other, x] if form == "swap" else [x, other], 1))
    return x


right(TASK, lambda *a: _across(*a))
wrong(TASK, "across|first|last|stack|order", lambda *a: _across(*a, "first"))
wrong(TASK, "behind|order|place|came up", lambda *a: _across(*a, "swap"))
wrong(TASK, "result|before|input|after", lambda *a: _across(*a, "before"))

TASK = "unet.parameters"


def _count(i: int, o: int, d: int, bias: bool = True, short: bool = True) -> int:
    parts = [(9 * i, o), (9 * o, o), (d, o)] + ([(i, o)] if i != o and short else [])
    return sum((a + bias) * b for a, b in parts)


right(TASK, _count)
wrong(TASK, "bias", lambda i, o, d: _count(i, o, d, bias=False))
wrong(TASK, "shortcut|1x1", lambda i, o, d: _count(i, o, d, short=False))
wrong(
    TASK,
    "shortcut|1x1|if|only where|same",
    lambda i, o, d: _count(i, o, d, short=False) + i * o + o,
)

# -- training ---------------------------------------------------------------------------------

TASK = "training.ema"


def _weighted(weights: Any, decay: float) -> Any:
    n = len(weights) - 1
    w = [decay**n] + [(1 - decay) * decay ** (n - k) for k in range(1, n + 1)]
    return torch.tensor(w, dtype=weights.dtype) @ weights


right(TASK, _weighted)


def _ema(weights: Any, decay: float, start: Any, rest: Any) -> Any:
    for w in rest:
        start = decay * start + (1 - decay) * w
    return start


wrong(TASK, "λ|place|swap|other way", lambda w, d: _weighted(w, 1 - d))
wrong(TASK, "start|0|first|begin", lambda w, d: _ema(w, d, torch.zeros_like(w[0]), w[1:]))
wrong(TASK, "mean|plain|equal|average", lambda w, d: w.mean(0))

TASK = "training.time_embedding"


def _waves(t: Any, dim: int, form: str = "") -> Any:
    m = dim // 2
    power = torch.linspace(0, 1, m) if form != "m" else torch.arange(m) / m
    angle = torch.outer(t.float(), torch.pow(10000.0, -power))
    s, c = angle.sin(), angle.cos()
    if form == "mixed":
        return torch.stack([s, c], -1).flatten(1)
    if form == "swap":
        return torch.cat([c, s], 1)
    return torch.hstack((s, c))


right(TASK, _waves)
wrong(TASK, "m - 1|one|10000|last", lambda t, d: _waves(t, d, "m"))
wrong(TASK, "turns|alternat|first all|sines|order", lambda t, d: _waves(t, d, "mixed"))
wrong(TASK, "sine|cosine|order|place|first", lambda t, d: _waves(t, d, "swap"))

TASK = "training.residual"


def _block(x: Any, time: Any, w_1: Any, w_time: Any, w_2: Any, form: str = "") -> Any:
    h = F.conv2d(F.silu(x), w_1, padding="same")
    bias = torch.einsum("bd,cd->bc", time, w_time)
    if form == "times":
        h = h * bias[..., None, None]
    elif form != "no time":
        h = h + bias[..., None, None]
    h = F.conv2d(h * torch.sigmoid(h), w_2, padding="same")
    return h if form == "no skip" else torch.add(h, x)


right(TASK, _block)
wrong(TASK, "input|added|skip", lambda *a: _block(*a, form="no skip"))
wrong(TASK, "time", lambda *a: _block(*a, form="no time"))
wrong(TASK, "time|added|multipl|plus", lambda *a: _block(*a, form="times"))

TASK = "training.mended"


def _train(model: Any, optimizer: Any, batches: Any, alpha_bar: Any, draw: Any) -> Any:
    T, losses = len(alpha_bar) - 1, []
    for x_0, u, eps in batches:
        t = draw(u, T)
        a = col(alpha_bar, t)
        loss = F.mse_loss(model(a.sqrt() * x_0 + (1 - a).sqrt() * eps, t), eps)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses


right(TASK, lambda *a: _train(*a, lambda u, T: torch.floor(u * T).to(torch.int64) + 1))
wrong(TASK, "still|0|T - 1", lambda *a: _train(*a, lambda u, T: (u * T).long()))
wrong(TASK, "0|ends|both|T \\+ 1", lambda *a: _train(*a, lambda u, T: (u * (T + 1)).long()))
wrong(TASK, "T|never", lambda *a: _train(*a, lambda u, T: (u * (T - 1)).long() + 1))

TASK = "training.ddim"


def _jump(x: Any, e: Any, t: int, s: int, a: Any, form: str = "") -> Any:
    now, then = float(a[t]), float(a[s])
    x0 = (x - math.sqrt(1 - now) * e) / math.sqrt(now)
    if form != "no clip":
        x0 = x0.clip(-1, 1)
    if form not in ("old noise", "no clip"):
        e = (x - math.sqrt(now) * x0) / math.sqrt(1 - now)
    then_noise = 1 - now if form == "same noise" else 1 - then
    return math.sqrt(then) * x0 + math.sqrt(then_noise) * e


right(TASK, _jump)
wrong(TASK, "noise|belong|fit", lambda *a: _jump(*a, form="old noise"))
wrong(TASK, "clip|bound", lambda *a: _jump(*a, form="no clip"))
wrong(TASK, "ᾱ_s|ᾱ_t|s\\b", lambda *a: _jump(*a, form="same noise"))

# -- evaluation -------------------------------------------------------------------------------

TASK = "evaluation.frechet"


def _frechet(a: Any, b: Any, form: str = "") -> float:
    a, b = a.numpy(), b.numpy()
    A, B = np.cov(a.T), np.cov(b.T)
    if form == "biased":
        A, B = np.cov(a.T, ddof=0), np.cov(b.T, ddof=0)
    w, V = np.linalg.eigh(A)
    half = (V * np.sqrt(np.maximum(w, 0))) @ V.T
    cross = np.sqrt(np.maximum(np.linalg.eigvalsh(half @ B @ half), 0)).sum()
    d = a.mean(0) - b.mean(0)
    gap = np.sqrt(d @ d) if form == "no square" else d @ d
    twice = 1 if form == "one" else 2
    return float(gap + np.trace(A) + np.trace(B) - twice * cross)


right(TASK, _frechet)
wrong(TASK, "square", lambda a, b: _frechet(a, b, "no square"))
wrong(TASK, "twice|2|factor", lambda a, b: _frechet(a, b, "one"))
wrong(
    TASK,
    "root",
    lambda a, b: float(
        (a.mean(0) - b.mean(0)).square().sum()
        + torch.cov(a.T).trace()
        + torch.cov(b.T).trace()
        - 2 * (torch.cov(a.T) @ torch.cov(b.T)).trace().sqrt()
    ),
)

TASK = "evaluation.nearest"
right(
    TASK,
    lambda samples, known: torch.tensor(
        [min(float((s - k).pow(2).sum().sqrt()) for k in known) for s in samples]
    ),
)
wrong(TASK, "root|squared", lambda s, k: torch.cdist(s.flatten(1), k.flatten(1)).min(1)[0] ** 2)
wrong(
    TASK,
    "sample|known|each|axis|other way",
    lambda s, k: torch.cdist(s.flatten(1), k.flatten(1)).min(0)[0],
)
wrong(
    TASK,
    "mean|sum|pixel|factor",
    lambda s, k: (s[:, None] - k[None]).square().mean((2, 3, 4)).sqrt().amin(1),
)

TASK = "evaluation.imbalance"
right(
    TASK,
    lambda labels, classes: sum(
        max(0.0, float((labels == k).float().mean()) - 1 / classes) for k in range(classes)
    ),
)
wrong(
    TASK,
    "half|twice|factor",
    lambda labels, classes: float(
        (torch.bincount(labels, minlength=classes) / len(labels) - 1 / classes).abs().sum()
    ),
)
wrong(
    TASK,
    "nobody|never|all|missing",
    lambda labels, classes: float(
        (labels.unique(return_counts=True)[1] / len(labels) - 1 / classes).abs().sum() / 2
    ),
)
wrong(
    TASK,
    "square|absolute",
    lambda labels, classes: float(
        (torch.bincount(labels, minlength=classes) / len(labels) - 1 / classes).square().sum() / 2
    ),
)

# -- beyond -----------------------------------------------------------------------------------

TASK = "beyond.ddim_step"


def _any(x: Any, e: Any, z: Any, t: int, s: int, eta: float, a: Any, form: str = "") -> Any:
    now, then = float(a[t]), float(a[s])
    var = eta**2 * (1 - then) / (1 - now) * (1 - now / then)
    if form == "eta":
        var = eta * (1 - then) / (1 - now) * (1 - now / then)
    x0 = (x - math.sqrt(1 - now) * e) / math.sqrt(now)
    kept = math.sqrt(1 - then) if form == "kept" else math.sqrt(max(0.0, 1 - then - var))
    return math.sqrt(then) * x0 + kept * e + (var if form == "var" else math.sqrt(var)) * z


right(TASK, _any)
wrong(TASK, "η|square", lambda *a: _any(*a, form="eta"))
wrong(TASK, "σ²|kept|1 - ᾱ_s|share|less", lambda *a: _any(*a, form="kept"))
wrong(TASK, "root|σ", lambda *a: _any(*a, form="var"))

TASK = "beyond.drop_labels"
right(
    TASK,
    lambda labels, u, share, null: (
        labels * (u >= share).to(labels.dtype) + null * (u < share).to(labels.dtype)
    ),
)
wrong(
    TASK,
    "other way|turned|share|1 - ",
    lambda labels, u, share, null: torch.where(u < share, labels, null),
)
wrong(
    TASK,
    "all|item|batch|each",
    lambda labels, u, share, null: (
        torch.full_like(labels, null) if u[0] < share else labels.clone()
    ),
)
wrong(
    TASK,
    "null|0|zero",
    lambda labels, u, share, null: labels * (u >= share).long(),
)

TASK = "beyond.guided_walk"


def _guided(
    model: Any, x: Any, label: int, null: int, w: float, times: Any, a: Any, form: str = ""
) -> Any:
    for t, s in zip(times, times[1:], strict=False):
        now, then = float(a[t]), float(a[s])

        def ask(c: int, x: Any = x, t: int = t) -> Any:
            return model(x, torch.full((len(x),), t), torch.full((len(x),), c))

        free, told = ask(null), ask(label)
        e = torch.lerp(free, told, w)
        if form == "plus":
            e = told + w * (told - free)
        if form == "no free":
            e = w * told
        x0 = (x - math.sqrt(1 - now) * e) / math.sqrt(now)
        if form == "mixed":
            e = free
        x = math.sqrt(then) * x0 + math.sqrt(1 - then) * e
    return x


right(TASK, _guided)
wrong(TASK, "w = |1 \\+ w|start|scale|label", lambda *a: _guided(*a, form="plus"))
wrong(TASK, "free|null|without", lambda *a: _guided(*a, form="no free"))
wrong(TASK, "both|guided|noise|same", lambda *a: _guided(*a, form="mixed"))

# -- solvers ----------------------------------------------------------------------------------

TASK = "solvers.half_log_snr"
right(TASK, lambda t, alpha_bar: torch.atanh(2 * alpha_bar[t] - 1))
wrong(TASK, "half|factor|2 times", lambda t, a: torch.logit(a[t]))
wrong(TASK, "upside|sign", lambda t, a: 0.5 * torch.log((1 - a[t]) / a[t]))
wrong(TASK, "1 -|noise|denominator|divid", lambda t, a: 0.5 * torch.log(a[t]))

TASK = "solvers.look_ahead"


def _ahead(x: Any, b: Any, before: float, now: float, then: float, form: str = "") -> Any:
    r = (then - now) / (now - before) / (1 if form == "end" else 2)
    if form == "even":
        r = 0.5
    if form == "sign":
        r = -r
    return x + r * (x - b)


def _lagrange(x: Any, b: Any, before: float, now: float, then: float) -> Any:
    m = (now + then) / 2
    return (m - before) / (now - before) * x + (m - now) / (before - now) * b


right(TASK, _lagrange)
wrong(TASK, "middle|end|half|whole", lambda *a: _ahead(*a, form="end"))
wrong(TASK, "wide|even|equal|1/2|half", lambda *a: _ahead(*a, form="even"))
wrong(TASK, "back|sign|direction|other|minus", lambda *a: _ahead(*a, form="sign"))

TASK = "solvers.best_times"


def _cheapest(error: Any, calls: int, form: str = "") -> Any:
    T = len(error) - 1
    best: dict[Any, Any] = {(0, T): (0.0, [T])}
    for k in range(1, calls + 1):
        for s in range(T):
            ways = [
                (
                    max(best[k - 1, t][0], float(error[t, s]))
                    if form == "max"
                    else best[k - 1, t][0] + float(error[t, s]),
                    [*best[k - 1, t][1], s],
                )
                for t in range(s + 1, T + 1)
                if (k - 1, t) in best
            ]
            if ways:
                best[k, s] = min(ways)
    if form == "fewer":
        return min(best[k, 0] for k in range(1, calls + 1))[1]
    return best[calls, 0][1]


def _greedy(error: Any, calls: int) -> Any:
    t, out = len(error) - 1, [len(error) - 1]
    for left in range(calls - 1, 0, -1):
        t = min(range(left, t), key=lambda s: float(error[t, s]))
        out.append(t)
    return [*out, 0]


right(TASK, _cheapest)
wrong(TASK, "greedy|next|each jump|one by one|cheap", _greedy)
wrong(TASK, "even", lambda e, c: torch.linspace(len(e) - 1, 0, c + 1).round().long().tolist())
wrong(TASK, "0|end|last|shape|jump|calls", lambda e, c: _cheapest(e, c)[:-1])

TASK = "solvers.walk"


def _ddim(model: Any, x: Any, times: Any, a: Any, form: str = "") -> Any:
    for t, s in zip(times[:-1], times[1:], strict=True):
        now, then = float(a[t]), float(a[s])
        e = model(x, torch.full((len(x),), s if form == "told" else t))
        x0 = (x - math.sqrt(1 - now) * e) / math.sqrt(now)
        if form == "clip":
            x0 = x0.clamp(-1, 1)
        noise = 1 - now if form == "broken" else 1 - then
        x = math.sqrt(then) * x0 + math.sqrt(noise) * e
    return x


right(TASK, _ddim)
wrong(TASK, "still|ᾱ_s|ᾱ_t|fault", lambda *a: _ddim(*a, form="broken"))
wrong(TASK, "told|step|t\\b|s\\b", lambda *a: _ddim(*a, form="told"))
wrong(TASK, "clip", lambda *a: _ddim(*a, form="clip"))

# -- flow and few steps -----------------------------------------------------------------------

TASK = "flow.flow_loss"
right(
    TASK,
    lambda model, x_0, u, eps: (
        (model(torch.lerp(x_0, eps, u[:, None]), u) + x_0 - eps).pow(2).sum() / x_0.numel()
    ),
)
wrong(
    TASK,
    "x_0|data|sign|direction|other",
    lambda model, x_0, u, eps: F.mse_loss(model(torch.lerp(x_0, eps, u[:, None]), u), x_0 - eps),
)
wrong(
    TASK,
    "time|u\\b|1 - u|other way|place",
    lambda model, x_0, u, eps: F.mse_loss(model(torch.lerp(eps, x_0, u[:, None]), u), eps - x_0),
)
wrong(
    TASK,
    "noise|velocity|x_0|aim",
    lambda model, x_0, u, eps: F.mse_loss(model(torch.lerp(x_0, eps, u[:, None]), u), eps),
)

TASK = "flow.from_noise"


def _velocity(model: Any, x_u: Any, t: int, a: Any, form: str = "") -> Any:
    s, n = math.sqrt(float(a[t])), math.sqrt(1 - float(a[t]))
    x_t = x_u if form == "x_u" else x_u * (s + n)
    e = model(x_t, x_u.new_full((len(x_u),), t, dtype=torch.int64))
    x0 = ((x_u if form == "half" else x_t) - n * e) / s
    return x0 - e if form == "back" else e - x0


right(TASK, _velocity)
wrong(TASK, "x_t|scale|DDPM", lambda *a: _velocity(*a, form="x_u"))
wrong(TASK, "sign|direction|way", lambda *a: _velocity(*a, form="back"))
wrong(
    TASK,
    "x_t|x_u|scale|x̂_0|belong",
    lambda *a: _velocity(*a, form="half"),
)

TASK = "flow.walk"


def _euler(model: Any, x: Any, times: Any, form: str = "") -> Any:
    for u, v in zip(times[:-1], times[1:], strict=True):
        ask = v if form == "next" else u
        h = 1 / (len(times) - 1) if form == "even" else u - v
        if form == "up":
            h = -h
        x = x - h * model(x, torch.full((len(x),), ask))
    return x


right(TASK, _euler)
wrong(TASK, "even|wide|spaced", lambda *a: _euler(*a, form="even"))
wrong(TASK, "sign|direction|away|back", lambda *a: _euler(*a, form="up"))
wrong(TASK, "next|end|time|asked|told", lambda *a: _euler(*a, form="next"))

TASK = "flow.bend"


def _bent(states: Any, form: str = "") -> float:
    n = len(states) - 1
    v = (states[:-1] - states[1:]) * (1 if form == "no time" else n)
    d = v - (states[0] - states[-1])
    if form == "norm":
        return float(d.norm(dim=-1).mean())
    if form == "all":
        return float((d**2).mean())
    return float((d**2).sum(-1).mean())


right(TASK, _bent)
wrong(TASK, "time|n\\b|1/n", lambda s: _bent(s, "no time"))
wrong(TASK, "square", lambda s: _bent(s, "norm"))
wrong(TASK, "coordinate|sum|length|half|factor|0.5", lambda s: _bent(s, "all"))

TASK = "few_steps.draw_again"


def _again(model: Any, noises: Any, times: Any, form: str = "") -> Any:
    x0 = None
    for e, u in zip(noises, times, strict=True):
        if form == "old noise":
            e = noises[0]
        x = e if x0 is None else (1 - u) * x0 + u * e
        if form == "no noise" and x0 is not None:
            x = x0
        if form == "add" and x0 is not None:
            x = x0 + u * e
        x0 = x - u * model(x, torch.full((len(x),), u))
    return x0


right(TASK, _again)
wrong(TASK, "noise|fresh|first|anew", lambda *a: _again(*a, form="old noise"))
wrong(TASK, "noise|mixed", lambda *a: _again(*a, form="no noise"))
wrong(TASK, "1 - u|line|mix", lambda *a: _again(*a, form="add"))

TASK = "few_steps.kinds"
right(
    TASK,
    lambda counts: math.exp(
        -sum(
            c / sum(counts.tolist()) * math.log(c / sum(counts.tolist()))
            for c in counts.tolist()
            if c
        )
    ),
)
wrong(
    TASK,
    "exp|entropy",
    lambda counts: float(torch.special.entr(counts / counts.sum()).sum()),
)
wrong(TASK, "drawn|count|how many|entropy", lambda counts: float((counts > 0).sum()))
wrong(
    TASK,
    "square|1 /|entropy|other",
    lambda counts: float(1 / ((counts / counts.sum()) ** 2).sum()),
)
