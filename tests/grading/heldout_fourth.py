"""Held-out answers, the fourth set: tasks of every chapter, answered from their notebooks alone.

The writer had not seen what the tasks list as mistakes, nor the general slips. Right answers are
in unusual form; wrong ones are what a tired student writes.
"""

import itertools
import math
from collections import Counter, deque
from typing import Any

import numpy as np
import sympy as sp
import torch
import torch.nn.functional as F
from heldout import collect

RIGHT, WRONG, right, wrong = collect()


def col(table: Any, t: Any) -> Any:
    return table[t].float().reshape(-1, 1)


def img(table: Any, t: Any) -> Any:
    return table[t].float()[:, None, None, None]


# -- forward ----------------------------------------------------------------------------------

LINEAR = "forward.linear"
right(
    LINEAR,
    lambda T, a, b: torch.tensor(
        [0.0, *[a + (b - a) * k / max(T - 1, 1) for k in range(T)]], dtype=torch.float64
    ),
    lambda T, a, b: F.pad(torch.linspace(a, b, T, dtype=torch.float64), (1, 0)),
)
wrong(LINEAR, "0|front|entry", lambda T, a, b: torch.linspace(a, b, T + 1, dtype=torch.float64))
wrong(LINEAR, "T|end|entr", lambda T, a, b: F.pad(torch.linspace(a, b, T - 1).double(), (1, 0)))
wrong(
    LINEAR,
    "order|end|swap|revers|fall",
    lambda T, a, b: F.pad(torch.linspace(b, a, T).double(), (1, 0)),
)
wrong(LINEAR, "0|first|end|rise", lambda T, a, b: torch.linspace(0, b, T + 1, dtype=torch.float64))

WALK = "forward.trajectory"


def _walked(x_0: Any, eps: Any, beta: Any) -> Any:
    out = torch.empty(len(beta), *x_0.shape)
    out[0] = x_0
    for t in range(1, len(beta)):
        b = float(beta[t])
        out[t] = math.sqrt(1 - b) * out[t - 1] + math.sqrt(b) * eps[t]
    return out


right(
    WALK,
    _walked,
    lambda x, e, b: torch.stack(
        list(
            itertools.accumulate(
                range(1, len(b)),
                lambda z, t: (1 - b[t]).sqrt().float() * z + b[t].sqrt().float() * e[t],
                initial=x,
            )
        )
    ),
)


def _from_start(x_0: Any, eps: Any, beta: Any) -> Any:
    return torch.stack(
        [x_0]
        + [
            (1 - beta[t]).sqrt().float() * x_0 + beta[t].sqrt().float() * eps[t]
            for t in range(1, len(beta))
        ]
    )


wrong(WALK, "x_0|before|where|stand|start", _from_start)
wrong(WALK, "x_0|first|start|T|missing|shape|stops", lambda x, e, b: _walked(x, e, b)[1:])
wrong(WALK, "last|end|whole|every|shape|stop", lambda x, e, b: _walked(x, e, b)[-1])
wrong(WALK, "eps|noise|one|t - 1|earlier|index", lambda x, e, b: _walked(x, e.roll(1, 0), b))

STEPS = "forward.steps_until"
right(
    STEPS,
    lambda beta, share: next(t for t in itertools.count() if (1 - beta) ** t <= share),
    lambda beta, share: math.ceil(math.log(share) / math.log1p(-beta)),
)
wrong(STEPS, "whole|round|up|least", lambda b, s: int(math.log(s) / math.log(1 - b)))
wrong(STEPS, "whole|round", lambda b, s: math.log(s) / math.log(1 - b))
wrong(STEPS, "left|lost|share|keep|1 -", lambda b, s: math.ceil(math.log(1 - s) / math.log(1 - b)))
wrong(STEPS, "root|variance|twice|squar", lambda b, s: math.ceil(2 * math.log(s) / math.log(1 - b)))

TWO = "forward.two_steps"
right(TWO, lambda a, p: (1 - a) + a * (1 - p), lambda a, p: -((sp.sqrt(a) * sp.sqrt(p)) ** 2) + 1)
wrong(TWO, "factor|bracket|α", lambda a, p: (1 - a) + (1 - p))
wrong(TWO, "squar|root", lambda a, p: sp.sqrt(a) * (1 - p) + (1 - a))
wrong(TWO, "signal|1 -|1 minus|noise", lambda a, p: a * p)
wrong(TWO, "squar|add|varianc|root", lambda a, p: (sp.sqrt(a * (1 - p)) + sp.sqrt(1 - a)) ** 2)

# -- marginal ---------------------------------------------------------------------------------

GIVEN = "marginal.given_x0"
right(
    GIVEN,
    lambda x, t, a: (torch.einsum("b,bchw->bchw", a[t].float().sqrt(), x), 1 - img(a, t)),
    lambda x, t, a: (x * img(a, t) ** 0.5, (1 - a).float().index_select(0, t).view(-1, 1, 1, 1)),
)
wrong(GIVEN, "root|√|mean", lambda x, t, a: (img(a, t) * x, 1 - img(a, t)))
wrong(
    GIVEN, "variance|root|standard", lambda x, t, a: (img(a, t).sqrt() * x, (1 - img(a, t)).sqrt())
)
wrong(GIVEN, "order|swap|mean", lambda x, t, a: (1 - img(a, t), img(a, t).sqrt() * x))
wrong(GIVEN, "own|each|t", lambda x, t, a: (a[t[0]].sqrt().float() * x, 1 - img(a, t)))

PRED = "marginal.predict_eps"
right(
    PRED,
    lambda x, z, t, a: torch.stack(
        [(x[i] - a[k].sqrt().float() * z[i]) / (1 - a[k]).sqrt().float() for i, k in enumerate(t)]
    ),
    lambda x, z, t, a: x * (1 - img(a, t)).rsqrt() - z * (img(a, t) / (1 - img(a, t))).sqrt(),
)
wrong(PRED, "root", lambda x, z, t, a: (x - img(a, t) * z) / (1 - img(a, t)).sqrt())
wrong(PRED, "root", lambda x, z, t, a: (x - img(a, t).sqrt() * z) / (1 - img(a, t)))
wrong(PRED, "divi|factor|size", lambda x, z, t, a: x - img(a, t).sqrt() * z)
wrong(
    PRED,
    "minus|sign|off|plus",
    lambda x, z, t, a: (x + img(a, t).sqrt() * z) / (1 - img(a, t)).sqrt(),
)
wrong(
    PRED,
    "bracket|whole|divi|both",
    lambda x, z, t, a: x - img(a, t).sqrt() * z / (1 - img(a, t)).sqrt(),
)

SNR = "marginal.from_log_snr"
right(SNR, lambda s: sp.exp(s) / (1 + sp.exp(s)), lambda s: (1 + sp.tanh(s / 2)) / 2)
wrong(SNR, "sign|noise|1 -|minus", lambda s: 1 / (1 + sp.exp(s)))
wrong(SNR, "log|exp|e\\^", lambda s: s / (1 + s))
wrong(SNR, "1|ratio|ᾱ|alone|divi|term", lambda s: sp.exp(s))
wrong(SNR, "factor|root|2|half", lambda s: 1 / (1 + sp.exp(-s / 2)))

RESPACE = "marginal.respace"


def _respaced(a: Any, k: int) -> Any:
    kept = a[::k]
    beta = torch.zeros_like(kept)
    for i in range(1, len(kept)):
        beta[i] = (kept[i - 1] - kept[i]) / kept[i - 1]
    return beta


right(
    RESPACE,
    _respaced,
    lambda a, k: -torch.expm1(torch.diff(a[::k].log(), prepend=a[:1].log())),
)
wrong(RESPACE, "every|pick|classic", lambda a, k: F.pad(1 - a[1:] / a[:-1], (1, 0))[::k])
wrong(RESPACE, "0|entry|front|shape|entries", lambda a, k: 1 - a[::k][1:] / a[::k][:-1])
wrong(RESPACE, "1 -|α|minus|share", lambda a, k: F.pad(a[::k][1:] / a[::k][:-1], (1, 0)))
wrong(RESPACE, "divi|before|ratio|difference", lambda a, k: F.pad(a[::k][:-1] - a[::k][1:], (1, 0)))

# -- reverse ----------------------------------------------------------------------------------

SPREAD = "reverse.spread"
right(SPREAD, lambda v: v.exp() ** 0.5, lambda v: torch.pow(math.e, v / 2))
wrong(SPREAD, "half|variance|1/2|root", lambda v: v.exp())
wrong(SPREAD, "exp|log|half", lambda v: v.sqrt())
wrong(SPREAD, "exp|log", lambda v: v / 2)
wrong(SPREAD, "sign|minus|1 over|inverse|negative", lambda v: (-v / 2).exp())

POST = "reverse.posterior_variance"
right(
    POST,
    lambda b, p: 1 / ((1 - b) / b + 1 / (1 - p)),
    lambda b, p: b * (1 - p) / (1 - p + b * p),
)
wrong(POST, "inverse|1 over|turn|over|upside", lambda b, p: (1 - b) / b + 1 / (1 - p))
wrong(POST, "α|1 - β|factor|squar", lambda b, p: 1 / (1 / b + 1 / (1 - p)))
wrong(POST, "ᾱ_t|denominator|before|known|t - 1|divi", lambda b, p: (1 - p) * b)
wrong(POST, "variance|root|standard|squar", lambda b, p: sp.sqrt(b * (1 - p) / (1 - p + b * p)))
wrong(POST, "2|half|twice|factor", lambda b, p: 2 * b * (1 - p) / (1 - p + b * p))

TILDE = "reverse.beta_tilde"


def _tilde(beta: Any) -> Any:
    a = (1 - beta).cumprod(0)
    return torch.cat([torch.zeros(1).double(), beta[1:] * (1 - a[:-1]) / (1 - a[1:])])


right(
    TILDE,
    lambda b: (
        torch.nan_to_num(
            (1 - torch.cumprod(1 - b, 0)).roll(1) / (1 - torch.cumprod(1 - b, 0)) * b, nan=0.0
        ).clamp(max=1e9)
        * (torch.arange(len(b)) > 0)
    ),
    _tilde,
)
wrong(
    TILDE,
    "over|turn|upside|divi|swap|t - 1",
    lambda b: torch.cat(
        [
            torch.zeros(1).double(),
            b[1:] * (1 - (1 - b).cumprod(0)[1:]) / (1 - (1 - b).cumprod(0)[:-1]).clamp(min=1e-9),
        ]
    ),
)
wrong(
    TILDE,
    "ᾱ|noise|1 -|signal",
    lambda b: torch.cat(
        [torch.zeros(1).double(), b[1:] * (1 - b).cumprod(0)[:-1] / (1 - b).cumprod(0)[1:]]
    ),
)
wrong(TILDE, "entry|0|front|shape", lambda b: _tilde(b)[1:])
wrong(TILDE, "root|variance|standard", lambda b: _tilde(b).sqrt())

MEAN = "reverse.mean_from_eps"


def _mean(
    x: Any, e: Any, t: Any, b: Any, k: float = 0.5, bar: bool = True, out: float = 0.5
) -> Any:
    a = (1 - b).cumprod(0)
    noise = 1 - (a if bar else 1 - b)
    return (
        (x - (b[t] / noise[t] ** k).float()[:, None] * e) / ((1 - b)[t] ** out).float()[:, None]
    ).float()


right(
    MEAN,
    _mean,
    lambda x, e, t, b: (
        x * col((1 - b) ** -0.5, t)
        - e * col(b / ((1 - b) * (1 - (1 - b).cumprod(0)).clamp(min=1e-30)).sqrt(), t)
    ),
)
wrong(MEAN, "root", lambda x, e, t, b: _mean(x, e, t, b, k=1))
wrong(MEAN, "bar|ᾱ|product", lambda x, e, t, b: _mean(x, e, t, b, bar=False))
wrong(MEAN, "divi|√α|factor|in front|1/", lambda x, e, t, b: _mean(x, e, t, b, out=0))
wrong(MEAN, "root|√α", lambda x, e, t, b: _mean(x, e, t, b, out=1))
wrong(MEAN, "sign|minus|plus", lambda x, e, t, b: _mean(x, -e, t, b))

BEST = "reverse.best_eps"
right(
    BEST,
    lambda x, a, s: x * sp.sqrt(1 - a) / (1 + a * (s**2 - 1)),
    lambda x, a, s: x / (sp.sqrt(1 - a) * (1 + a * s**2 / (1 - a))),
)
wrong(BEST, "varianc|s|Var|term|data", lambda x, a, s: x * sp.sqrt(1 - a))
wrong(BEST, "root|Cov|square", lambda x, a, s: x * (1 - a) / (1 - a + a * s**2))
wrong(BEST, "s²|squar|s\\b", lambda x, a, s: x * sp.sqrt(1 - a) / (1 - a + a * s))
wrong(BEST, "x_0|noise|cov|vary|ε", lambda x, a, s: x * sp.sqrt(a) * s**2 / (1 - a + a * s**2))

# -- loss -------------------------------------------------------------------------------------

DRAW = "loss.draw_t"
right(
    DRAW,
    lambda n, T, g: (
        1 + (torch.rand(n, generator=g, dtype=torch.float64) * T).long().clamp(max=T - 1)
    ),
    lambda n, T, g: torch.multinomial(torch.ones(T), n, replacement=True, generator=g) + 1,
)
wrong(DRAW, "0", lambda n, T, g: torch.randint(0, T, (n,), generator=g))
wrong(DRAW, "T|last|out", lambda n, T, g: torch.randint(1, T, (n,), generator=g))
wrong(
    DRAW, "each|one|same|all", lambda n, T, g: torch.randint(1, T + 1, (1,), generator=g).expand(n)
)
wrong(DRAW, "generator", lambda n, T, g: torch.randint(1, T + 1, (n,)))
wrong(
    DRAW,
    "equal|often|half|uniform|ends",
    lambda n, T, g: (torch.rand(n, generator=g) * (T - 1) + 1).round().long(),
)

KL = "loss.kl"
right(
    KL,
    lambda m, v, n, w: (v / w - 1 - sp.log(v / w) + (m - n) ** 2 / w) / 2,
    lambda m, v, n, w: (
        sp.log(sp.sqrt(w)) - sp.log(sp.sqrt(v)) + (v + (n - m) ** 2) / (2 * w) - sp.Rational(1, 2)
    ),
)
wrong(
    KL,
    "swap|order|other way|q|direction",
    lambda m, v, n, w: (w / v - 1 - sp.log(w / v) + (m - n) ** 2 / v) / 2,
)
wrong(KL, "half|1/2|2", lambda m, v, n, w: v / w - 1 - sp.log(v / w) + (m - n) ** 2 / w)
wrong(KL, "log|sign", lambda m, v, n, w: (v / w - 1 + sp.log(v / w) + (m - n) ** 2 / w) / 2)
wrong(KL, "mean|μ|term|differ", lambda m, v, n, w: (v / w - 1 - sp.log(v / w)) / 2)
wrong(
    KL,
    "standard|squar|varianc",
    lambda m, v, n, w: sp.log(w / v) + (v**2 + (m - n) ** 2) / (2 * w**2) - sp.Rational(1, 2),
)
wrong(KL, "squar", lambda m, v, n, w: (v / w - 1 - sp.log(v / w) + (m - n) / w) / 2)

WEIGHT = "loss.weight"
right(
    WEIGHT,
    lambda b, a, v: (b / sp.sqrt((1 - b) * (1 - a))) ** 2 / (2 * v),
    lambda b, a, v: sp.Rational(1, 2) * b**2 * v**-1 * (1 - b - a + a * b) ** -1,
)
wrong(WEIGHT, "squar", lambda b, a, v: b / (2 * v * sp.sqrt(1 - b) * sp.sqrt(1 - a)))
wrong(WEIGHT, "2|half", lambda b, a, v: b**2 / (v * (1 - b) * (1 - a)))
wrong(WEIGHT, "α|1 - β|√α|front|factor", lambda b, a, v: b**2 / (2 * v * (1 - a)))
wrong(WEIGHT, "variance|σ|squar", lambda b, a, v: b**2 / (2 * v**2 * (1 - b) * (1 - a)))
wrong(WEIGHT, "bar|ᾱ|1 -|α", lambda b, a, v: b**2 / (2 * v * a * (1 - a)))

V = "loss.x0_from_v"
right(
    V,
    lambda x, v, t, a: img(a, t).sqrt() * x - (1 - img(a, t)).sqrt() * v,
    lambda x, v, t, a: (
        torch.cos(torch.acos(img(a, t).sqrt())) * x - torch.sin(torch.acos(img(a, t).sqrt())) * v
    ),
)
wrong(V, "sign|minus|plus", lambda x, v, t, a: img(a, t).sqrt() * x + (1 - img(a, t)).sqrt() * v)
wrong(V, "noise|ε|eps|swap", lambda x, v, t, a: (1 - img(a, t)).sqrt() * x + img(a, t).sqrt() * v)
wrong(V, "root", lambda x, v, t, a: img(a, t) * x - (1 - img(a, t)) * v)
wrong(V, "divi|root", lambda x, v, t, a: (x - (1 - img(a, t)).sqrt() * v) / img(a, t).sqrt())

# -- unet -------------------------------------------------------------------------------------

NORM = "unet.group_norm"


def _norm(x: Any, groups: int, **more: Any) -> Any:
    g = x.reshape(len(x), groups, -1)
    var, mean = torch.var_mean(g, -1, keepdim=True, correction=more.get("correction", 0))
    return ((g - mean) / (var + 1e-5).sqrt()).view(x.shape)


right(
    NORM,
    lambda x, g: F.group_norm(x, g),
    lambda x, g: torch.cat([F.layer_norm(p, p.shape[1:]) for p in x.chunk(g, 1)], 1),
)
wrong(
    NORM,
    "image|batch|each",
    lambda x, g: torch.cat(
        [(p - p.mean()) / (p.var(correction=0) + 1e-5).sqrt() for p in x.chunk(g, 1)], 1
    ),
)
wrong(
    NORM,
    "place|axis|pixel|H|all",
    lambda x, g: torch.cat(
        [
            (p - p.mean(1, True)) / (p.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
            for p in x.chunk(g, 1)
        ],
        1,
    ),
)
wrong(NORM, "channel|group|neighbor", lambda x, g: F.instance_norm(x))
wrong(
    NORM,
    "root|standard|varian",
    lambda x, g: torch.cat(
        [
            (p - p.mean((1, 2, 3), True)) / (p.var((1, 2, 3), keepdim=True, correction=0) + 1e-5)
            for p in x.chunk(g, 1)
        ],
        1,
    ),
)
# The prompt does not say whether n or n - 1 divides.
right(NORM, lambda x, g: _norm(x, g, correction=1))
wrong(
    NORM,
    "mean",
    lambda x, g: torch.cat(
        [p / (p.var((1, 2, 3), keepdim=True, correction=0) + 1e-5).sqrt() for p in x.chunk(g, 1)], 1
    ),
)

ATT = "unet.attention"
right(
    ATT,
    lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
    lambda q, k, v: torch.einsum(
        "bij,bjc->bic", (torch.einsum("bic,bjc->bij", q, k) / q.shape[-1] ** 0.5).softmax(2), v
    ),
)
wrong(ATT, "√C|root|scale|divi", lambda q, k, v: (q @ k.transpose(1, 2)).softmax(-1) @ v)
wrong(
    ATT,
    "axis|query|sum|j",
    lambda q, k, v: (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(1) @ v,
)
wrong(ATT, "root|√C", lambda q, k, v: (q @ k.transpose(1, 2) / q.shape[-1]).softmax(-1) @ v)
wrong(
    ATT,
    "key|query|swap|places",
    lambda q, k, v: (k @ q.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1) @ v,
)
wrong(ATT, "softmax|weights|exp", lambda q, k, v: (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5) @ v)

UP = "unet.upsample"
right(
    UP,
    lambda x: F.interpolate(x, scale_factor=2, mode="nearest"),
    lambda x: torch.kron(x, torch.ones(2, 2)),
)
wrong(UP, "neighbor|repeat|square|tile", lambda x: x.repeat(1, 1, 2, 2))
wrong(UP, "height|width|H|W|one|axis", lambda x: x.repeat_interleave(2, 3))
wrong(UP, "smooth|between|same|linear", lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"))

REACH = "unet.reach"


def _reach(kernels: Any, strides: Any) -> Any:
    seen = 1
    for k, s in zip(reversed(kernels), reversed(strides), strict=True):
        seen = (seen - 1) * s + k
    return seen


right(REACH, _reach, lambda k, s: 1 + sum((k[i] - 1) * math.prod(s[:i]) for i in range(len(k))))
wrong(REACH, "strid", lambda k, s: 1 + sum(n - 1 for n in k))
wrong(
    REACH,
    "strid|behind|itself|own|after",
    lambda k, s: 1 + sum((k[i] - 1) * math.prod(s[: i + 1]) for i in range(len(k))),
)
wrong(
    REACH,
    "1|itself|pixel|one",
    lambda k, s: sum((k[i] - 1) * math.prod(s[:i]) for i in range(len(k))),
)
wrong(
    REACH,
    "strid|behind|order|multipl|last",
    lambda k, s: 1 + sum((k[i] - 1) * (s[i - 1] if i else 1) for i in range(len(k))),
)

# -- training ---------------------------------------------------------------------------------

EMA = "training.ema"
right(
    EMA,
    lambda w, d: (
        w
        * torch.tensor(
            [d ** (len(w) - 1)] + [(1 - d) * d ** (len(w) - 1 - k) for k in range(1, len(w))],
            dtype=w.dtype,
        )[:, None]
    ).sum(0),
    lambda w, d: w[0] if len(w) == 1 else torch.lerp(w[-1], _ema(w[:-1], d), d),
)


def _ema(w: Any, d: float, skip: int = 1, start: bool = True) -> Any:
    m = w[0] if start else torch.zeros_like(w[0])
    for row in w[skip:]:
        m = d * m + (1 - d) * row
    return m


wrong(EMA, "swap|larger|λ|decay", lambda w, d: _ema(w, 1 - d))
wrong(EMA, "start|zero|0|begin", lambda w, d: _ema(w, d, start=False))
wrong(EMA, "mean|decay|equal|weigh", lambda w, d: w.mean(0))
wrong(EMA, "last|update|θ_n|one", lambda w, d: _ema(w[:-1], d))

TIME = "training.time_embedding"


def _time(t: Any, dim: int, m1: int = 1, base: float = 10000, cos_first: bool = False) -> Any:
    m = dim // 2
    w = base ** (-torch.arange(m) / (m - m1))
    a = t[:, None] * w
    return torch.cat([a.cos(), a.sin()] if cos_first else [a.sin(), a.cos()], 1)


right(
    TIME,
    _time,
    lambda t, dim: torch.sin(
        torch.cat([t[:, None] * torch.logspace(0, -4, dim // 2)] * 2, 1).double()
        + torch.cat([torch.zeros(dim // 2), torch.full((dim // 2,), math.pi / 2)]).double()
    ).float(),
)
wrong(TIME, "m - 1|last|1/10000|frequenc", lambda t, dim: _time(t, dim, m1=0))
wrong(TIME, "order|first|sin|swap", lambda t, dim: _time(t, dim, cos_first=True))
wrong(
    TIME,
    "interleav|first all|halves|order|sin",
    lambda t, dim: _time(t, dim).view(len(t), 2, -1).transpose(1, 2).reshape(len(t), dim),
)
wrong(TIME, "sign|exponent|minus|fall|grow|negative", lambda t, dim: _time(t, dim, base=1e-4))

# -- solvers ----------------------------------------------------------------------------------

LOOK = "solvers.look_ahead"
right(
    LOOK,
    lambda x, y, b, n, t: y + (x - y) * (((n + t) / 2 - b) / (n - b)),
    lambda x, y, b, n, t: x * (1 + (t - n) / (2 * (n - b))) - y * (t - n) / (2 * (n - b)),
)
wrong(LOOK, "middle|half|end", lambda x, y, b, n, t: x + (x - y) / (n - b) * (t - n))
wrong(LOOK, "sign|minus|direction|back", lambda x, y, b, n, t: x - (x - y) / (n - b) * (t - n) / 2)
wrong(LOOK, "wide|equal|even|width|λ", lambda x, y, b, n, t: x + (x - y) / 2)
wrong(LOOK, "mean|average|line|ahead|behind", lambda x, y, b, n, t: (x + y) / 2)

BEST_T = "solvers.best_times"


def _best(error: Any, calls: int) -> Any:
    T = len(error) - 1
    best: Any = (math.inf, [])
    for mid in itertools.combinations(range(T - 1, 0, -1), calls - 1):
        way = [T, *mid, 0]
        cost = sum(float(error[t, s]) for t, s in itertools.pairwise(way))
        best = min(best, (cost, way))
    return best[1]


def _dynamic(error: Any, calls: int) -> Any:
    T = len(error) - 1
    table = {(T, 0): (0.0, [T])}
    for k, s in itertools.product(range(1, calls + 1), range(T)):
        ways = [
            (table[t, k - 1][0] + float(error[t, s]), [*table[t, k - 1][1], s])
            for t in range(s + 1, T + 1)
            if (t, k - 1) in table
        ]
        if ways:
            table[s, k] = min(ways)
    return table[0, calls][1]


def _greedy(error: Any, calls: int) -> Any:
    way = [len(error) - 1]
    for left in range(calls - 1, 0, -1):
        t = way[-1]
        way.append(min(range(left, t), key=lambda s: float(error[t, s])))
    return [*way, 0]


right(BEST_T, _best, _dynamic)
wrong(BEST_T, "greed|each|next|jump|later|whole", _greedy)
wrong(
    BEST_T,
    "even|spaced|error",
    lambda e, n: [round((len(e) - 1) * (n - k) / n) for k in range(n + 1)],
)
wrong(BEST_T, "T|last|end|0|calls|list", lambda e, n: _best(e, n)[:-1])
wrong(BEST_T, "order|T|turn|fall", lambda e, n: _best(e, n)[::-1])
wrong(BEST_T, "jumps|calls|fewer|one|more", lambda e, n: _best(e, n - 1))
wrong(BEST_T, "transpos|error\\[t, s\\]|swap|row|way", lambda e, n: _dynamic(e.T, n))

ORDER = "solvers.order"
right(
    ORDER,
    lambda c, e: -float(np.polyfit(np.log2(c.numpy()), np.log2(e.numpy()), 1)[0]),
    lambda c, e: (
        -torch.linalg.lstsq(
            torch.stack([c.double().log(), torch.ones_like(c.double())], 1),
            e.double().log()[:, None],
        )
        .solution[0]
        .item()
    ),
)
wrong(
    ORDER, "sign|minus", lambda c, e: float(np.polyfit(np.log(c.numpy()), np.log(e.numpy()), 1)[0])
)
wrong(ORDER, "log", lambda c, e: -float(np.polyfit(c.numpy(), e.numpy(), 1)[0]))
wrong(
    ORDER,
    "all|points|two|first|last|fit",
    lambda c, e: -float((e[-1].log() - e[0].log()) / (c[-1].log() - c[0].log())),
)
wrong(ORDER, "calls|log|both", lambda c, e: -float(np.polyfit(c.numpy(), np.log(e.numpy()), 1)[0]))
wrong(
    ORDER,
    "mean|origin|through",
    lambda c, e: -float((c.log() * e.log()).sum() / (c.log() ** 2).sum()),
)

# -- flow -------------------------------------------------------------------------------------

FLOSS = "flow.flow_loss"
right(
    FLOSS,
    lambda m, x, u, e: F.mse_loss(m(torch.lerp(x, e, u[:, None]), u), e - x),
    lambda m, x, u, e: (x - e + m(x + u.unsqueeze(1) * (e - x), u)).square().sum() / x.numel(),
)
wrong(
    FLOSS,
    "sign|direction|ε|data|from",
    lambda m, x, u, e: F.mse_loss(m(torch.lerp(x, e, u[:, None]), u), x - e),
)
wrong(
    FLOSS,
    "noise|velocity|target|ε",
    lambda m, x, u, e: F.mse_loss(m(torch.lerp(x, e, u[:, None]), u), e),
)
wrong(
    FLOSS,
    "swap|place|mix|u|end",
    lambda m, x, u, e: F.mse_loss(m(torch.lerp(e, x, u[:, None]), u), e - x),
)
wrong(
    FLOSS,
    "mean|sum",
    lambda m, x, u, e: F.mse_loss(m(torch.lerp(x, e, u[:, None]), u), e - x, reduction="sum"),
)
wrong(
    FLOSS,
    "coordinate|sum|mean|twice|factor",
    lambda m, x, u, e: ((m(torch.lerp(x, e, u[:, None]), u) - e + x) ** 2).sum(1).mean(),
)
wrong(
    FLOSS,
    "root|√|line",
    lambda m, x, u, e: F.mse_loss(m((1 - u[:, None]).sqrt() * x + u[:, None].sqrt() * e, u), e - x),
)

FWALK = "flow.walk"


def _fwalk(
    m: Any, x: Any, times: Any, sign: float = 1, late: bool = False, even: bool = False
) -> Any:
    for k in range(len(times) - 1):
        a, b = times[k], times[k + 1]
        gap = -1 / (len(times) - 1) if even else b - a
        x = x + sign * gap * m(x, torch.full((len(x),), b if late else a))
    return x


right(FWALK, _fwalk, lambda m, x, times: _fwalk(lambda y, u: -m(y, u), x, times, -1))
wrong(FWALK, "sign|direction|back", lambda m, x, times: _fwalk(m, x, times, -1))
wrong(FWALK, "time|next|where|ask", lambda m, x, times: _fwalk(m, x, times, late=True))
wrong(FWALK, "even|spaced|far", lambda m, x, times: _fwalk(m, x, times, even=True))
wrong(FWALK, "one|last|stop|end|times", lambda m, x, times: _fwalk(m, x, times[:-1]))

PAIRS = "flow.best_pairs"


def _cost(x: Any, e: Any, order: Any, power: int = 2, sign: int = 1) -> Any:
    return sign * sum(float((x[i] - e[j]).norm()) ** power for i, j in enumerate(order))


def _pairs(x: Any, e: Any, **more: Any) -> Any:
    return list(min(itertools.permutations(range(len(x))), key=lambda o: _cost(x, e, o, **more)))


def _assigned(x: Any, e: Any) -> Any:
    from scipy.optimize import linear_sum_assignment

    return linear_sum_assignment((torch.cdist(x, e) ** 2).numpy())[1].tolist()


def _nearest_free(x: Any, e: Any) -> Any:
    out: list[int] = []
    for row in x:
        d = (e - row).square().sum(1)
        d[out] = math.inf
        out.append(int(d.argmin()))
    return out


right(PAIRS, _pairs, _assigned)
wrong(PAIRS, "once|twice|each|own", lambda x, e: torch.cdist(x, e).argmin(1).tolist())
wrong(PAIRS, "greed|turn|first|sum|whole|row by row|in turn", _nearest_free)
wrong(PAIRS, "squar", lambda x, e: _pairs(x, e, power=1))
wrong(PAIRS, "large|max|small", lambda x, e: _pairs(x, e, sign=-1))
wrong(
    PAIRS, "other way|invers|row|turn", lambda x, e: torch.tensor(_pairs(x, e)).argsort().tolist()
)

BEND = "flow.bend"
right(
    BEND,
    lambda s: float((((s[:-1] - s[1:]) * (len(s) - 1) - (s[0] - s[-1])) ** 2).sum(-1).mean()),
    lambda s: float(
        torch.diff(s, dim=0).mul(len(s) - 1).sub(s[-1] - s[0]).norm(dim=-1).pow(2).mean()
    ),
)
wrong(
    BEND,
    "n|piece|time|divi|velocity",
    lambda s: float(((torch.diff(s, dim=0) - (s[-1] - s[0])) ** 2).sum(-1).mean()),
)
wrong(
    BEND,
    "squar|root|length",
    lambda s: float((torch.diff(s, dim=0) * (len(s) - 1) - (s[-1] - s[0])).norm(dim=-1).mean()),
)
wrong(
    BEND,
    "coordinat|mean|sum|length|factor|half",
    lambda s: float(((torch.diff(s, dim=0) * (len(s) - 1) - (s[-1] - s[0])) ** 2).mean()),
)
wrong(
    BEND,
    "one|n|pieces|states",
    lambda s: float(((torch.diff(s, dim=0) * len(s) - (s[-1] - s[0])) ** 2).sum(-1).mean()),
)

# -- evaluation -------------------------------------------------------------------------------

LINE = "evaluation.frechet_line"
right(
    LINE,
    lambda m, s, n, r: (m - n) ** 2 + (s - r) ** 2,
    lambda m, s, n, r: m**2 + n**2 - 2 * m * n + (r - s) ** 2,
)
wrong(LINE, "plus|sign|minus|differ", lambda m, s, n, r: (m - n) ** 2 + (s + r) ** 2)
wrong(LINE, "cross|middle|2|term|product", lambda m, s, n, r: (m - n) ** 2 + s**2 + r**2)
wrong(LINE, "standard|varianc|squar", lambda m, s, n, r: (m - n) ** 2 + (s**2 - r**2) ** 2)
wrong(LINE, "root|squared", lambda m, s, n, r: sp.sqrt((m - n) ** 2 + (s - r) ** 2))

NEAR = "evaluation.nearest"
right(
    NEAR,
    lambda s, k: torch.stack([(k - one).square().flatten(1).sum(1).sqrt().min() for one in s]),
    lambda s, k: torch.cdist(s.flatten(1), k.flatten(1)).topk(1, largest=False).values[:, 0],
)
wrong(
    NEAR, "root|squar", lambda s, k: torch.cdist(s.flatten(1), k.flatten(1)).square().min(1).values
)
wrong(
    NEAR,
    "known|sample|axis|each",
    lambda s, k: torch.cdist(s.flatten(1), k.flatten(1)).min(0).values,
)
wrong(
    NEAR,
    "mean|sum|pixel",
    lambda s, k: torch.cdist(s.flatten(1), k.flatten(1)).min(1).values / s[0].numel() ** 0.5,
)
wrong(
    NEAR,
    "number|distance|index|which",
    lambda s, k: torch.cdist(s.flatten(1), k.flatten(1)).argmin(1),
)
wrong(
    NEAR,
    "absolute|square|sum",
    lambda s, k: torch.cdist(s.flatten(1), k.flatten(1), p=1).min(1).values,
)

IMB = "evaluation.imbalance"


def _shares(labels: Any, k: int) -> Any:
    return torch.bincount(labels, minlength=k) / len(labels)


right(
    IMB,
    lambda x, k: sum(abs(Counter(x.tolist())[c] / len(x) - 1 / k) for c in range(k)) / 2,
    lambda x, k: float((_shares(x, k) - 1 / k).clamp(min=0).sum()),
)
wrong(IMB, "half|twice|2", lambda x, k: float((_shares(x, k) - 1 / k).abs().sum()))
wrong(
    IMB,
    "nobody|missing|never|all|kind",
    lambda x, k: float((_shares(x, 0)[_shares(x, 0) > 0] - 1 / k).abs().sum() / 2),
)
wrong(
    IMB,
    "share|divi|count|N",
    lambda x, k: float((torch.bincount(x, minlength=k) - len(x) / k).abs().sum() / 2),
)
wrong(IMB, "squar|absolute", lambda x, k: float(((_shares(x, k) - 1 / k) ** 2).sum() / 2))
wrong(IMB, "absolute|cancel|sign|0", lambda x, k: float((_shares(x, k) - 1 / k).sum() / 2))

BITS = "evaluation.bits_per_dim"
right(
    BITS,
    lambda n, c, s: n / (c * s**2 * math.log(2)),
    lambda n, c, s: math.log2(math.e) * n / c / s / s,
)
wrong(BITS, "log|bit|nat", lambda n, c, s: n / (c * s * s))
wrong(BITS, "channel|color|numbers", lambda n, c, s: n / (s * s * math.log(2)))
wrong(BITS, "size|pixels|squar|dimension", lambda n, c, s: n / (c * s * math.log(2)))
wrong(BITS, "log|divi|multipl|bit", lambda n, c, s: n * math.log(2) / (c * s * s))

# -- beyond -----------------------------------------------------------------------------------

DDIM = "beyond.ddim_step"


def _ddim(
    x: Any,
    e: Any,
    z: Any,
    t: int,
    s: int,
    eta: float,
    a: Any,
    keep: bool = True,
    power: float = 0.5,
    square: bool = True,
) -> Any:
    now, then = float(a[t]), float(a[s])
    var = (eta**2 if square else eta) * (1 - then) / (1 - now) * (1 - now / then)
    x0 = (x - math.sqrt(1 - now) * e) / math.sqrt(now)
    return (
        math.sqrt(then) * x0
        + math.sqrt(max(1 - then - (var if keep else 0), 0)) * e
        + var**power * z
    )


right(
    DDIM,
    _ddim,
    lambda x, e, z, t, s, eta, a: (
        _ddim(x, e, -z, t, s, -eta, a) + 0 * z if eta == 0 else _ddim(x, e, z, t, s, eta, a)
    ),
)
wrong(DDIM, "kept|σ²|share|fresh|noise", lambda *p: _ddim(*p, keep=False))
wrong(DDIM, "root|varianc|σ", lambda *p: _ddim(*p, power=1))
wrong(DDIM, "η|squar|eta", lambda *p: _ddim(*p, square=False))
wrong(DDIM, "η|fresh|noise|z", lambda x, e, z, t, s, eta, a: _ddim(x, e, z, t, s, 0.0, a))
wrong(
    DDIM,
    "neighbor|s\\b|t - 1|earlier",
    lambda x, e, z, t, s, eta, a: _ddim(x, e, z, t, t - 1, eta, a),
)

DROP = "beyond.drop_labels"
right(
    DROP,
    lambda y, u, p, n: y.masked_fill(u < p, n),
    lambda y, u, p, n: (
        torch.tensor(
            [n if float(v) < p else int(k) for k, v in zip(y, u, strict=True)], dtype=torch.int64
        ).reshape(-1)
        if p == float(p)
        else y
    ),
)
wrong(DROP, "other|turn|swap|share|<", lambda y, u, p, n: torch.where(u < p, y, n))
wrong(DROP, "own|item|each|all", lambda y, u, p, n: torch.where(u[0] < p, torch.full_like(y, n), y))
wrong(DROP, "null|0", lambda y, u, p, n: torch.where(u < p, 0, y))
wrong(DROP, "share|1 -|>", lambda y, u, p, n: torch.where(u < 1 - p, n, y))

KEEP = "beyond.keep_known"
right(
    KEEP,
    lambda x, k, m, e, s, a: x + m * (a[s].sqrt().float() * k + (1 - a[s]).sqrt().float() * e - x),
    lambda x, k, m, e, s, a: torch.where(
        m.bool().expand_as(x), float(a[s]) ** 0.5 * k + (1 - float(a[s])) ** 0.5 * e, x
    ),
)
wrong(
    KEEP,
    "mask|swap|other|turn",
    lambda x, k, m, e, s, a: (
        (1 - m) * (a[s].sqrt().float() * k + (1 - a[s]).sqrt().float() * e) + m * x
    ),
)
wrong(KEEP, "noise", lambda x, k, m, e, s, a: m * k + (1 - m) * x)
wrong(
    KEEP,
    "root",
    lambda x, k, m, e, s, a: m * (a[s].float() * k + (1 - a[s]).float() * e) + (1 - m) * x,
)
wrong(
    KEEP,
    "shrink|signal|√ᾱ|factor|picture",
    lambda x, k, m, e, s, a: m * (k + (1 - a[s]).sqrt().float() * e) + (1 - m) * x,
)
wrong(
    KEEP,
    "elsewhere|hole|mask|drew|0",
    lambda x, k, m, e, s, a: m * (a[s].sqrt().float() * k + (1 - a[s]).sqrt().float() * e),
)

# -- few steps --------------------------------------------------------------------------------

JUMP = "few_steps.jump"
right(
    JUMP,
    lambda m, x, u: x - torch.diag(u) @ m(x, u),
    lambda m, x, u: torch.addcmul(x, u[:, None], m(x, u), value=-1),
)
wrong(JUMP, "sign|direction|plus|back", lambda m, x, u: x + u[:, None] * m(x, u))
wrong(JUMP, "u|time|long|far", lambda m, x, u: x - m(x, u))
wrong(JUMP, "u|time|far|left|1 -", lambda m, x, u: x - (1 - u[:, None]) * m(x, u))
wrong(JUMP, "x_u|start|from|place", lambda m, x, u: -u[:, None] * m(x, u))

KINDS = "few_steps.kinds"


def _entropy(c: Any, base: float = math.e) -> float:
    p = [float(v) / float(c.sum()) for v in c if v > 0]
    return -sum(v * math.log(v, base) for v in p)


right(
    KINDS,
    lambda c: 2 ** _entropy(c, 2),
    lambda c: math.prod(
        (float(v) / float(c.sum())) ** -(float(v) / float(c.sum())) for v in c if v
    ),
)
wrong(KINDS, "exp|entropy", _entropy)
wrong(KINDS, "sign|minus|negativ", lambda c: math.exp(-_entropy(c)))
wrong(KINDS, "bits|log|base|exp|2", lambda c: math.exp(_entropy(c, 2)))
wrong(KINDS, "count|entropy|equal|often|share", lambda c: int((c > 0).sum()))
wrong(
    KINDS,
    "share|sum|divi|count",
    lambda c: math.exp(-sum(float(v) * math.log(float(v)) for v in c if v > 0) / len(c)),
)

AGAIN = "few_steps.draw_again"


def _again(m: Any, noises: Any, times: Any, kind: str = "") -> Any:
    x = noises[0]
    for k, u in enumerate(times):
        if k:
            noise = noises[0] if kind == "same" else noises[k]
            v = 1 - u if kind == "turned" else u
            x = x + v * noise if kind == "added" else (1 - v) * x + v * noise
            if kind == "ddpm":
                x = (1 - u**2) ** 0.5 * x + u * noise
        x = x - u * m(x, torch.full((len(x),), float(u)))
        if kind == "once":
            return x
    return x


right(
    AGAIN,
    lambda m, n, t: _again(m, n, t),
    lambda m, n, t: _again(lambda x, u: 1.0 * m(x, u), list(n), list(t)),
)
for told, kind in (
    ("fresh|anew|own|first|new", "same"),
    ("1 -|turned|swap|mix|u", "turned"),
    ("mix|guess|1 - u|shrink|line|added", "added"),
    ("time|all|once|first|call", "once"),
):
    wrong(AGAIN, told, lambda m, n, t, kind=kind: _again(m, n, t, kind))

# -- trends -----------------------------------------------------------------------------------

ANC = "trends.ancestors"


def _closure(r: Any, p: str) -> set[str]:
    found: set[str] = set()
    todo = deque(r[p])
    while todo:
        one = todo.popleft()
        if one not in found:
            found.add(one)
            todo.extend(r[one])
    return found


right(
    ANC,
    lambda r, p: sorted(_closure(r, p)),
    lambda r, p: [q for q in sorted(r) if q in _closure(r, p)],
)
wrong(ANC, "itself|own", lambda r, p: sorted({p, *_closure(r, p)}))
wrong(ANC, "order|alphabet", lambda r, p: sorted(_closure(r, p))[::-1])
wrong(ANC, "direct|further|through|their|end", lambda r, p: sorted(r[p]))
wrong(
    ANC, "direction|cite|other way|build", lambda r, p: sorted(q for q in r if p in _closure(r, q))
)
wrong(
    ANC,
    "further|two|deeper|end|their",
    lambda r, p: sorted({*r[p], *(z for q in r[p] for z in r[q])}),
)
wrong(ANC, "once|twice", lambda r, p: sorted([*_closure(r, p), *r[p]]))

OVER = "trends.overlap"
right(
    OVER,
    lambda r, a, b: len({*r[a]} & {*r[b]}) / len({*r[a], *r[b]}),
    lambda r, a, b: 1 - len(set(r[a]) ^ set(r[b])) / len(set(r[a]) | set(r[b])),
)
wrong(OVER, "all|either|divi|share", lambda r, a, b: len({*r[a]} & {*r[b]}))
wrong(
    OVER,
    "twice|either|sum|both|common",
    lambda r, a, b: len({*r[a]} & {*r[b]}) / (len(r[a]) + len(r[b])),
)
wrong(
    OVER,
    "smaller|either|min|all",
    lambda r, a, b: len({*r[a]} & {*r[b]}) / min(len(r[a]), len(r[b])),
)
wrong(OVER, "differ|not|common|1 -", lambda r, a, b: len({*r[a]} ^ {*r[b]}) / len({*r[a], *r[b]}))
wrong(OVER, "first|a alone|either|one|all", lambda r, a, b: len({*r[a]} & {*r[b]}) / len(r[a]))

GUIDED = "trends.guided"
right(GUIDED, lambda f, c, w: torch.lerp(f, c, w), lambda f, c, w: (1 - w) * f + w * c)
wrong(GUIDED, "told|start|w = 1|free|further", lambda f, c, w: c + w * (c - f))
wrong(GUIDED, "sign|direction|swap|minus", lambda f, c, w: f + w * (f - c))
wrong(GUIDED, "differ|direction|free|w = 1", lambda f, c, w: f + w * c)
wrong(GUIDED, "swap|w = 0|other", lambda f, c, w: w * f + (1 - w) * c)

CLIP = "trends.contrastive"
right(
    CLIP,
    lambda s: (
        (F.cross_entropy(s, torch.arange(len(s))) + F.cross_entropy(s.T, torch.arange(len(s)))) / 2
    ),
    lambda s: (torch.logsumexp(s, 0) + torch.logsumexp(s, 1)).mean() / 2 - s.diagonal().mean(),
)
wrong(CLIP, "text|both|one|other|direction", lambda s: F.cross_entropy(s, torch.arange(len(s))))
wrong(
    CLIP,
    "half|mean|2N|twice|sum",
    lambda s: F.cross_entropy(s, torch.arange(len(s))) + F.cross_entropy(s.T, torch.arange(len(s))),
)
wrong(CLIP, "log", lambda s: -(s.softmax(0).diagonal().mean() + s.softmax(1).diagonal().mean()) / 2)
wrong(
    CLIP,
    "sign|minus",
    lambda s: (s.log_softmax(0).diagonal().mean() + s.log_softmax(1).diagonal().mean()) / 2,
)
wrong(
    CLIP,
    "whole|table|one side|row|side",
    lambda s: torch.logsumexp(s.flatten(), 0) - s.diagonal().mean(),
)
wrong(
    CLIP,
    "sum|mean|N",
    lambda s: (
        (
            F.cross_entropy(s, torch.arange(len(s)), reduction="sum")
            + F.cross_entropy(s.T, torch.arange(len(s)), reduction="sum")
        )
        / 2
    ),
)
