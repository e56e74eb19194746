"""Held-out answers, the second set: written from the prompts before the general slips were."""

import itertools
import math
from typing import Any

import numpy as np
import sympy as sp
import torch
import torch.nn.functional as F
from heldout import collect

RIGHT, WRONG, right, wrong = collect()


def at4(a: Any, t: Any) -> Any:
    return a[t][:, None, None, None].float()


def at2(a: Any, t: Any) -> Any:
    return a[t][:, None].float()


def bar(b: Any) -> Any:
    return (1 - b).cumprod(0)


# -- trends -----------------------------------------------------------------------------------


def above(r: Any, p: Any) -> set[str]:
    todo, found = list(r[p]), set()
    while todo:
        q = todo.pop()
        if q not in found:
            found.add(q)
            todo += r[q]
    return found


right("trends.ancestors", lambda r, p: sorted(above(r, p)))
wrong(
    "trends.ancestors",
    "further|end|two|direct|lack",
    lambda r, p: sorted({*r[p]} | {c for q in r[p] for c in r[q]}),
)
wrong("trends.ancestors", "number|how many|count|names|text", lambda r, p: len(above(r, p)))
right("trends.overlap", lambda r, a, b: len([c for c in r[a] if c in r[b]]) / len({*r[a], *r[b]}))
wrong(
    "trends.overlap",
    "smaller|larger|one|either|all|min|max",
    lambda r, a, b: len({*r[a]} & {*r[b]}) / max(len(r[a]), len(r[b])),
)
wrong(
    "trends.overlap",
    "all|through|direct|further",
    lambda r, a, b: len(above(r, a) & above(r, b)) / len(above(r, a) | above(r, b)),
)


def order(r: Any, p: Any) -> list[str]:
    todo, out = above(r, p) | {p}, []
    while todo:
        q = next(q for q in sorted(todo) if not set(r[q]) & todo)
        out.append(q)
        todo.discard(q)
    return out


def deep(r: Any, p: Any, out: Any = None) -> list[str]:
    out = [] if out is None else out
    for q in sorted(r[p]):
        if q not in out:
            deep(r, q, out)
    if p not in out:
        out.append(p)
    return out


right("trends.reading_order", order)
wrong(
    "trends.reading_order",
    "depth|alphabet|order|ready",
    lambda r, p: list(dict.fromkeys(deep(r, p))),
)
wrong(
    "trends.reading_order", "twice|once", lambda r, p: [c for q in order(r, p) for c in [*r[q], q]]
)
right("trends.claim", " c ")
wrong("trends.claim", "letter", "reader")


def pr(
    r: Any, d: float, n: int, place: bool = False, plain: bool = False, share: bool = True
) -> Any:
    N = len(r)
    v = dict.fromkeys(r, 1 / N)
    for _ in range(n):
        new = v if place else {}
        old = v if place else dict(v)
        for p in r:
            came = 0.0
            for q in r:
                if r[q]:
                    came += old[q] / (len(r[q]) if share else 1) * (p in r[q])
                else:
                    came += old[q] / N
            new[p] = came if plain else (1 - d) / N + d * came
        v = new
    return v


right("trends.pagerank", pr)
wrong("trends.pagerank", "at once|place|old|renew", lambda r, d, n: pr(r, d, n, place=True))
wrong("trends.pagerank", "damping|1 - d|jump", lambda r, d, n: pr(r, d, n, plain=True))
wrong("trends.pagerank", "share|equally|divid|whole", lambda r, d, n: pr(r, d, n, share=False))
right("trends.guided", lambda f, t, w: w * t + (1 - w) * f)
wrong("trends.guided", "half|mean|w\\b", lambda f, t, w: (f + w * t) / (1 + w))
wrong("trends.guided", "squar|w\\b", lambda f, t, w: f + w**2 * (t - f))
right(
    "trends.contrastive",
    lambda s: -(s.exp().diag() ** 2 / s.exp().sum(0) / s.exp().sum(1)).log().mean() / 2,
)
wrong(
    "trends.contrastive", "softmax|exp|share", lambda s: -(s.diag() / s.sum(1)).abs().log().mean()
)
wrong(
    "trends.contrastive",
    "true|diagonal|all|table",
    lambda s: -(torch.log_softmax(s, 1).mean() + torch.log_softmax(s, 0).mean()) / 2,
)
wrong(
    "trends.contrastive", "picture|text|only|side", lambda s: -torch.log_softmax(s, 0).diag().mean()
)

# -- forward ----------------------------------------------------------------------------------

right("forward.linear", lambda T, a, b: F.pad(torch.linspace(a, b, T, dtype=torch.float64), (1, 0)))
wrong(
    "forward.linear",
    "root|square|even",
    lambda T, a, b: F.pad(torch.linspace(a**0.5, b**0.5, T, dtype=torch.float64) ** 2, (1, 0)),
)
wrong(
    "forward.linear",
    "1 minus|α|1 - ",
    lambda T, a, b: F.pad(1 - torch.linspace(a, b, T, dtype=torch.float64), (1, 0)),
)
right("forward.variance_after", lambda v, b: sp.expand((1 - b) * v + b))
wrong("forward.variance_after", "v|shrink|lost|1 - β|factor", lambda v, b: v + b)
wrong("forward.variance_after", "root|standard", lambda v, b: sp.sqrt((1 - b) * v + b))
right("forward.step", lambda x, t, e, b: at2(1 - b, t) ** 0.5 * x + at2(b, t) ** 0.5 * e)
wrong(
    "forward.step", "sign|minus", lambda x, t, e, b: at2(1 - b, t) ** 0.5 * x - at2(b, t) ** 0.5 * e
)
wrong("forward.step", "mean|noise|eps", lambda x, t, e, b: at2(1 - b, t) ** 0.5 * x)
wrong(
    "forward.step",
    "ᾱ|jump|one step",
    lambda x, t, e, b: at2(bar(b), t) ** 0.5 * x + at2(1 - bar(b), t) ** 0.5 * e,
)


def way(x: Any, e: Any, b: Any, N: int | None = None, roots: bool = True) -> list[Any]:
    xs = [x]
    for t in range(1, len(b) if N is None else N):
        B = b[t].float()
        xs.append((1 - B) ** (0.5 if roots else 1) * xs[-1] + B ** (0.5 if roots else 1) * e[t])
    return xs


right("forward.trajectory", lambda x, e, b: torch.stack(way(x, e, b)))
wrong("forward.trajectory", "root", lambda x, e, b: torch.stack(way(x, e, b, roots=False)))
wrong(
    "forward.trajectory",
    "x_0|each|jump|closed|chain|starts",
    lambda x, e, b: torch.stack(
        [
            bar(b)[t].float().sqrt() * x + (1 - bar(b)[t]).float().sqrt() * e[t]
            for t in range(len(b))
        ]
    ),
)
wrong(
    "forward.trajectory",
    "last|end|shape|T \\+ 1|early",
    lambda x, e, b: torch.stack(way(x, e, b, len(b) - 1)),
)
right("forward.two_steps", lambda a, p: 1 - p * a)
wrong("forward.two_steps", "squar|root", lambda a, p: a**2 * (1 - p) + 1 - a)
wrong("forward.two_steps", "places|swap", lambda a, p: p * (1 - a) + 1 - a)
right(
    "forward.steps_until", lambda b, s: next(t for t in range(10**6) if (1 - b) ** t <= s + 1e-15)
)
wrong(
    "forward.steps_until",
    "sum|multipl|times|β|linear|each step",
    lambda b, s: math.ceil((1 - s) / b),
)
wrong(
    "forward.steps_until",
    "root|variance|squar|amplitude",
    lambda b, s: math.ceil(math.log(s) / math.log(1 - b) / 2),
)
wrong(
    "forward.steps_until",
    "sign|minus|negative",
    lambda b, s: -math.ceil(math.log(s) / math.log(1 - b)),
)


def ends(
    x: float, b: Any, n: int, g: Any, start: Any = None, one: bool = False, first: int = 1
) -> Any:
    y = torch.full((n,), float(x)) if start is None else start
    for B in b[first:].float():
        y = (1 - B).sqrt() * y + B.sqrt() * torch.randn(1 if one else n, generator=g)
    return y


def both(y: Any) -> Any:
    return y.mean().item(), y.var().item()


right("forward.estimate", lambda x, b, n, g: both(ends(x, b, n, g)))
wrong("forward.estimate", "own|each walk|same", lambda x, b, n, g: both(ends(x, b, n, g, one=True)))
wrong("forward.estimate", "first|step|β_1|one", lambda x, b, n, g: both(ends(x, b, n, g, first=2)))
wrong(
    "forward.estimate",
    "mean|centre|E\\[|squares|variance",
    lambda x, b, n, g: (lambda y: (y.mean().item(), (y**2).mean().item()))(ends(x, b, n, g)),
)

# -- marginal ---------------------------------------------------------------------------------

right("marginal.alpha_bar", lambda b: torch.tensor(np.cumprod(1 - b.numpy())))
wrong("marginal.alpha_bar", "1 minus|1 - |noise", lambda b: 1 - torch.cumprod(1 - b, 0))
wrong("marginal.alpha_bar", "sum|product", lambda b: 1 - torch.cumsum(b, 0))
wrong(
    "marginal.alpha_bar",
    "order|end|wrong way|revers|back|last",
    lambda b: torch.cumprod((1 - b).flip(0), 0).flip(0),
)
right("marginal.crossing", torch.tensor(260))
wrong("marginal.crossing", "", 300)
right(
    "marginal.given_x0",
    lambda x, t, a: (torch.einsum("b,bchw->bchw", a[t].sqrt().float(), x), at4(1 - a, t)),
)
wrong(
    "marginal.given_x0",
    "places|swap|1 - ᾱ|roles|noise",
    lambda x, t, a: (at4(1 - a, t).sqrt() * x, at4(a, t)),
)
wrong("marginal.given_x0", "squar", lambda x, t, a: (at4(a, t).sqrt() * x, at4(1 - a, t) ** 2))
right("marginal.sample", lambda x, t, e, a: at4(a.sqrt(), t) * x + at4((1 - a).sqrt(), t) * e)
wrong(
    "marginal.sample",
    "sign|minus",
    lambda x, t, e, a: at4(a, t).sqrt() * x - at4(1 - a, t).sqrt() * e,
)
wrong(
    "marginal.sample",
    "signal|fade|√ᾱ|shrink|full|grow",
    lambda x, t, e, a: x + at4(1 - a, t).sqrt() * e,
)
wrong(
    "marginal.sample", "noise|full|size|√|weak|strong", lambda x, t, e, a: at4(a, t).sqrt() * x + e
)
right("marginal.predict_x0", lambda x, e, t, a: (x - at4((1 - a).sqrt(), t) * e) / at4(a.sqrt(), t))
wrong("marginal.predict_x0", "root", lambda x, e, t, a: (x - at4(1 - a, t) * e) / at4(a, t).sqrt())
wrong(
    "marginal.predict_x0",
    "noise|1 - ᾱ|swap|places",
    lambda x, e, t, a: (x - at4(a, t).sqrt() * e) / at4(1 - a, t).sqrt(),
)
wrong(
    "marginal.predict_x0",
    "√|size|factor|strong|full|all",
    lambda x, e, t, a: (x - e) / at4(a, t).sqrt(),
)
right(
    "marginal.predict_eps", lambda x, y, t, a: (x - at4(a.sqrt(), t) * y) / at4((1 - a).sqrt(), t)
)
wrong("marginal.predict_eps", "root", lambda x, y, t, a: (x - at4(a, t) * y) / at4(1 - a, t).sqrt())
wrong(
    "marginal.predict_eps",
    "√ᾱ|divid|1 - ",
    lambda x, y, t, a: (x - at4(a, t).sqrt() * y) / at4(a, t).sqrt(),
)
wrong(
    "marginal.predict_eps",
    "one off|t - 1|t \\+ 1",
    lambda x, y, t, a: (x - at4(a, t - 1).sqrt() * y) / at4(1 - a, t - 1).sqrt(),
)
right("marginal.variance_step", lambda a, p: 1 - sp.expand(a * p))
wrong("marginal.variance_step", "places|swap|signal|ᾱ|noise|1 - ", lambda a, p: a * p + 1 - a)
wrong("marginal.variance_step", "squar", lambda a, p: a**2 * (1 - p) + 1 - a)
wrong("marginal.variance_step", "root", lambda a, p: sp.sqrt(1 - a * p))
right("marginal.from_log_snr", lambda x: 1 / (1 + sp.exp(-x)), lambda x: (1 + sp.tanh(x / 2)) / 2)
wrong("marginal.from_log_snr", "upside|1 divided", lambda x: 1 + sp.exp(-x))
wrong("marginal.from_log_snr", "root", lambda x: sp.sqrt(1 / (1 + sp.exp(-x))))
wrong("marginal.from_log_snr", "exp|10|log|natural", lambda x: 10**x / (1 + 10**x))


def cos(T: int, s: float, m: float, form: str = "") -> Any:
    t = torch.arange(T + 1, dtype=torch.float64)
    f = torch.cos((t / T + s) / (1 + s) * (math.pi if form == "pi" else math.pi / 2)) ** 2
    if form == "sin":
        f = torch.sin((t / T + s) / (1 + s) * math.pi / 2) ** 2
    if form == "T1":
        f = torch.cos((t / (T + 1) + s) / (1 + s) * math.pi / 2) ** 2
    b = 1 - f[1:] / f[:-1]
    if form == "abar":
        return f / f[0]
    if form == "min":
        return F.pad(b.clamp(min=m), (1, 0))
    return F.pad(b.clamp(max=m), (0, 1) if form == "back" else (1, 0))


right("marginal.cosine", cos)
for _form, _told in (
    ("pi", "π|pi|half|2"),
    ("sin", "sin|cos"),
    ("abar", "ᾱ|share|β"),
    ("min", "most|max|least|cut"),
    ("back", "front|0|entry|one off|end"),
):
    wrong("marginal.cosine", _told, lambda T, s, m, form=_form: cos(T, s, m, form))
right("marginal.respace", lambda a, k: F.pad(1 - a[k::k] / a[:-k:k], (1, 0)))
wrong(
    "marginal.respace",
    "upside|fraction|negative",
    lambda a, k: F.pad(1 - a[:-k:k] / a[k::k], (1, 0)),
)
wrong(
    "marginal.respace", "differ|divid|ratio|minus", lambda a, k: F.pad(a[:-k:k] - a[k::k], (1, 0))
)
wrong(
    "marginal.respace",
    "sum|product|β",
    lambda a, k: F.pad((1 - a[1:] / a[:-1]).view(-1, k).sum(1), (1, 0)),
)

# -- reverse ----------------------------------------------------------------------------------

right("reverse.spread", lambda v: torch.exp(v / 2), lambda v: torch.sqrt(torch.exp(v)))
wrong("reverse.spread", "squar|twice|2|half", lambda v: torch.exp(2 * v))
wrong("reverse.spread", "sign|upside", lambda v: torch.exp(-v / 2))
right("reverse.posterior_variance", lambda b, p: (1 - p) / (1 - (1 - b) * p) * b)
wrong(
    "reverse.posterior_variance",
    "add|sum|1 divided|upside|precision",
    lambda b, p: b / (1 - b) + 1 - p,
)
wrong("reverse.posterior_variance", "α|1 - β|β", lambda b, p: 1 / (b + 1 / (1 - p)))
wrong("reverse.posterior_variance", "root", lambda b, p: 1 / (sp.sqrt(1 - b) / b + 1 / (1 - p)))
right(
    "reverse.beta_tilde",
    lambda b: torch.tensor(
        [0.0] + [float((1 - bar(b)[t - 1]) / (1 - bar(b)[t]) * b[t]) for t in range(1, len(b))],
        dtype=torch.float64,
    ),
)
wrong(
    "reverse.beta_tilde",
    "upside|turned|fraction",
    lambda b: F.pad(((1 - bar(b)[1:]) / (1 - bar(b)[:-1]).clamp(min=1e-3) * b[1:]), (1, 0)),
)
wrong(
    "reverse.beta_tilde",
    "one off|β|neighbo|t - 1",
    lambda b: F.pad((1 - bar(b)[:-1]) / (1 - bar(b)[1:]) * b[:-1], (1, 0)),
)
wrong("reverse.beta_tilde", "α|bar|ᾱ|running", lambda b: F.pad(b[:-1] / b[1:] * b[1:], (1, 0)))


def pm(x: Any, y: Any, t: Any, b: Any, form: str = "") -> Any:
    a = bar(b)
    A, P, B = at2(a, t), at2(a, t - 1), at2(b, t)
    if form == "plus":
        return (P.sqrt() * B * x - (1 - B).sqrt() * (1 - P) * y) / (1 - A)
    if form == "beta":
        return (P.sqrt() * x + (1 - B).sqrt() * (1 - P) * y) / (1 - A)
    if form == "onep":
        return (P.sqrt() * B * x + (1 - B).sqrt() * P * y) / (1 - A)
    if form == "onlyx":
        return P.sqrt() * B * x / (1 - A)
    if form == "one":
        return P.sqrt() * B * x / (1 - A) + (1 - B).sqrt() * (1 - P) * y
    return (P.sqrt() * B * x + (1 - B).sqrt() * (1 - P) * y) / (1 - A)


right("reverse.posterior_mean", pm)
for _form, _told in (
    ("plus", "sign|minus"),
    ("beta", "β|factor"),
    ("onep", "1 - "),
    ("onlyx", "x_t|term|second|lost|part"),
    ("one", "divid|denominator|bracket|both"),
):
    wrong("reverse.posterior_mean", _told, lambda x, y, t, b, form=_form: pm(x, y, t, b, form))
right(
    "reverse.mean_from_eps",
    lambda x, e, t, b: at2(1 - b, t) ** -0.5 * (x - at2(b, t) * at2(1 - bar(b), t) ** -0.5 * e),
)
wrong(
    "reverse.mean_from_eps",
    "root",
    lambda x, e, t, b: (x - at2(b, t) / at2(1 - bar(b), t).sqrt() * e) / at2(1 - b, t),
)
wrong(
    "reverse.mean_from_eps",
    "1 - |bar|ᾱ",
    lambda x, e, t, b: (x - at2(b, t) / at2(bar(b), t).sqrt() * e) / at2(1 - b, t).sqrt(),
)
wrong(
    "reverse.mean_from_eps",
    "β|factor",
    lambda x, e, t, b: (x - e / at2(1 - bar(b), t).sqrt()) / at2(1 - b, t).sqrt(),
)
wrong(
    "reverse.mean_from_eps",
    "multipl|divid",
    lambda x, e, t, b: (x - at2(b, t) / at2(1 - bar(b), t).sqrt() * e) * at2(1 - b, t).sqrt(),
)
right("reverse.variance_choice", "B")
wrong("reverse.variance_choice", "letter", 0)


def cm(
    x: Any, e: Any, t: Any, b: Any, lo: float = -1, hi: float = 1, root: bool = True, form: str = ""
) -> Any:
    A = at2(bar(b), t)
    g = ((x - (1 - A).sqrt() * e) / (A.sqrt() if root else A)).clamp(lo, hi)
    if form == "x_t":
        return pm((x - (1 - A).sqrt() * e) / A.sqrt(), x.clamp(-1, 1), t, b)
    if form == "tanh":
        return pm(torch.tanh((x - (1 - A).sqrt() * e) / A.sqrt()), x, t, b)
    return pm(g, x, t, b)


right("reverse.clipped_mean", cm)
wrong("reverse.clipped_mean", "root", lambda x, e, t, b: cm(x, e, t, b, root=False))
wrong("reverse.clipped_mean", "x_t|guess|x_0", lambda x, e, t, b: cm(x, e, t, b, form="x_t"))
wrong(
    "reverse.clipped_mean",
    "above|below|both|side|-1|one",
    lambda x, e, t, b: cm(x, e, t, b, -1e9, 1),
)


def one(x: Any, e: Any, z: Any, t: int, b: Any, form: str = "") -> Any:
    a = bar(b).float()
    B = b.float()
    mu = (x - B[t] / (1 - a[t]).sqrt() * e) / (1 - B[t]).sqrt()
    if form == "ddpm1":
        return mu + (0 if t <= 2 else B[t].sqrt() * z)
    if form == "minus":
        return mu - (0 if t == 1 else B[t].sqrt() * z)
    if form == "next":
        return mu + (0 if t == 1 else B[t - 1].sqrt() * z)
    if form == "unit":
        return mu + (0 if t == 1 else z)
    if form == "x":
        return x + (0 if t == 1 else B[t].sqrt() * z)
    if form == "T":
        return mu + (0 if t == len(b) - 1 else B[t].sqrt() * z)
    return mu + (0 if t == 1 else B[t].sqrt() * z)


right("reverse.step", one)
for _form, _told in (
    ("minus", "sign|minus"),
    ("next", "one off|t - 1|β"),
    ("unit", "√β|σ|size|z|factor"),
    ("x", "mean|x_t|step|μ"),
    ("T", "t = 1|last|T"),
):
    wrong("reverse.step", _told, lambda x, e, z, t, b, form=_form: one(x, e, z, t, b, form))


def back(m: Any, x: Any, z: Any, b: Any, form: str = "") -> Any:
    T, start = len(b) - 1, x
    e = m(x, torch.full((len(x),), T))
    out = [x]
    for t in range(T, 0, -1):
        if form != "once":
            e = m(start if form == "start" else x, torch.full((len(x),), t))
        x = one(x, e, z[T - t + 1] if form == "z" else 0 * z[t] if form == "noz" else z[t], t, b)
        out.append(x)
    return torch.stack(out) if form == "all" else x


right("reverse.ancestral", back)
for _form, _told in (
    ("once", "once|each|asked|again"),
    ("start", "x_T|where|asked|now|start"),
    ("z", "z\\[|order|noise of"),
    ("noz", "z|noise|fresh"),
    ("all", "x_0|last|shape|only|stack"),
):
    wrong("reverse.ancestral", _told, lambda m, x, z, b, form=_form: back(m, x, z, b, form))
right("reverse.best_eps", lambda x, a, s: x * sp.sqrt(1 - a) / (1 - a + a * s * s))
wrong(
    "reverse.best_eps",
    "root|standard|Var",
    lambda x, a, s: x * sp.sqrt(1 - a) / sp.sqrt(1 - a + a * s**2),
)
wrong(
    "reverse.best_eps",
    "ᾱ|root|Var|squar",
    lambda x, a, s: x * sp.sqrt(1 - a) / (1 - a + sp.sqrt(a) * s**2),
)
wrong("reverse.best_eps", "sign|plus|add", lambda x, a, s: x * sp.sqrt(1 - a) / (1 - a - a * s**2))

# -- loss -------------------------------------------------------------------------------------

right("loss.zero_model", 1)
wrong("loss.zero_model", "half|1/2", 0.5)
right("loss.draw_t", lambda n, T, g: (torch.rand(n, generator=g) * T).long() + 1)
wrong(
    "loss.draw_t", "never|T\\b", lambda n, T, g: (torch.rand(n, generator=g) * (T - 1)).long() + 1
)
wrong(
    "loss.draw_t",
    "same|all images|one t",
    lambda n, T, g: torch.full((n,), int(torch.randint(1, T + 1, (1,), generator=g))),
)
wrong(
    "loss.draw_t",
    "shape|one for each",
    lambda n, T, g: torch.randint(1, T + 1, (n, 1), generator=g),
)
wrong(
    "loss.draw_t",
    "often|uniform|equal|share",
    lambda n, T, g: (torch.randn(n, generator=g).abs() * T / 3).long().clamp(max=T - 1) + 1,
)


def sl(m: Any, x: Any, t: Any, e: Any, a: Any, form: str = "") -> Any:
    A = at4(a, t)
    xt = A.sqrt() * x + (1 - A).sqrt() * e
    if form == "norm":
        return (m(xt, t) - e).norm()
    if form == "nosig":
        xt = A * x + (1 - A).sqrt() * e
    if form == "xt":
        return F.mse_loss(m(xt, t), xt)
    if form == "T":
        return F.mse_loss(m(xt, torch.full_like(t, len(a) - 1)), e)
    if form == "w":
        return ((1 - A) * (m(xt, t) - e) ** 2).mean()
    if form == "detach":
        return F.mse_loss(m(xt, t).detach(), e)
    return F.mse_loss(e, m(xt, t))


right("loss.epsilon_loss", sl)
for _form, _told in (
    ("norm", "root|mean|squar"),
    ("nosig", "root"),
    ("xt", "x_t|target|noise"),
    ("T", "told|t\\b|same"),
    ("w", "weight|factor|1 - "),
    ("detach", "gradient"),
):
    wrong("loss.epsilon_loss", _told, lambda m, x, t, e, a, form=_form: sl(m, x, t, e, a, form))
right(
    "loss.kl", lambda m, v, n, w: sp.log(sp.sqrt(w / v)) + (v + (m - n) ** 2) / (2 * w) - sp.S.Half
)
wrong(
    "loss.kl",
    "divid|denominator|v_1|var_1",
    lambda m, v, n, w: (sp.log(w / v) + (v + (m - n) ** 2) / v - 1) / 2,
)
wrong(
    "loss.kl",
    "squar|mean|sum|minus|sign",
    lambda m, v, n, w: (sp.log(w / v) + (v + (m + n) ** 2) / w - 1) / 2,
)
wrong("loss.kl", "mean", lambda m, v, n, w: (sp.log(w / v) + v / w - 1) / 2)
right(
    "loss.prior_bits",
    lambda x, a: (
        (
            torch.distributions.kl_divergence(
                torch.distributions.Normal(a**0.5 * x, (1 - a) ** 0.5),
                torch.distributions.Normal(0.0, 1.0),
            )
            / math.log(2)
        )
        .mean()
        .item()
    ),
)
wrong(
    "loss.prior_bits",
    "half|2 times",
    lambda x, a: ((1 - a + a * x**2 - 1 - math.log(1 - a)) / math.log(2)).mean().item(),
)
wrong(
    "loss.prior_bits",
    "multipl|divid|times|log",
    lambda x, a: (0.5 * (1 - a + a * x**2 - 1 - math.log(1 - a)) * math.log(2)).mean().item(),
)
wrong(
    "loss.prior_bits",
    "squar|root|ᾱ",
    lambda x, a: (0.5 * (1 - a + a**0.5 * x**2 - 1 - math.log(1 - a)) / math.log(2)).mean().item(),
)
right("loss.weight", lambda b, a, v: (b / sp.sqrt((1 - b) * (1 - a))) ** 2 / v / 2)
wrong("loss.weight", "root", lambda b, a, v: b**2 / (2 * v * sp.sqrt(1 - b) * (1 - a)))
wrong("loss.weight", "β|α|1 - ", lambda b, a, v: b**2 / (2 * v * b * (1 - a)))
wrong("loss.weight", "σ|variance|lost", lambda b, a, v: b**2 / (2 * (1 - b) * (1 - a)))
right("loss.x0_weight", lambda s, p: sp.S.Half * p - s / 2)
wrong("loss.x0_weight", "squar", lambda s, p: (p**2 - s**2) / 2)
wrong("loss.x0_weight", "squar|half|2", lambda s, p: (p - s) ** 2 / 2)
right("loss.x0_from_v", lambda x, v, t, a: at4(a.sqrt(), t) * x - at4((1 - a).sqrt(), t) * v)
wrong("loss.x0_from_v", "root", lambda x, v, t, a: at4(a, t).sqrt() * x - at4(1 - a, t) * v)
wrong(
    "loss.x0_from_v",
    "one off|t - 1",
    lambda x, v, t, a: at4(a, t - 1).sqrt() * x - at4(1 - a, t - 1).sqrt() * v,
)


def cell(x: Any, m: Any, s: float, L: int, form: str = "") -> Any:
    n = torch.distributions.Normal(m, s**2 if form == "var" else s)
    h = 1 / (L - 1)
    hi = n.cdf(x + (2 * h if form == "right" else h))
    lo = n.cdf(x if form == "right" else x - h)
    if form == "prob":
        return n.log_prob(x).exp() * 2 * h
    if form == "low":
        return torch.where(x < -0.999, n.cdf(x + h), hi - lo)
    if form == "turned":
        return torch.where(
            x > 0.999, n.cdf(x - h), torch.where(x < -0.999, 1 - n.cdf(x + h), hi - lo)
        )
    return torch.where(x > 0.999, 1 - lo, torch.where(x < -0.999, hi, hi - lo))


right("loss.decoder", cell)
for _form, _told in (
    ("var", "squar|variance"),
    ("right", "both|half|each side|cent|shift"),
    ("prob", "density|middle|cell"),
    ("low", "last|upper|top|first"),
    ("turned", "last|first|infin|end|turned"),
):
    wrong("loss.decoder", _told, lambda x, m, s, L, form=_form: cell(x, m, s, L, form))

# -- unet -------------------------------------------------------------------------------------


def gnorm(x: Any, g: int, form: str = "") -> Any:
    B, C, H, W = x.shape
    y = x.reshape(B, g, C // g, H, W)
    axes = {"place": (2,), "chan": (3, 4)}.get(form, (2, 3, 4))
    mu = y.mean(axes, keepdim=True)
    sd = y.var(axes, correction=0, keepdim=True)
    if form == "eps":
        return ((y - mu) / (sd.sqrt() + 0.1)).reshape(x.shape)
    if form == "order":
        return (y / (sd + 1e-5).sqrt() - mu).reshape(x.shape)
    return ((y - mu) / (sd + 1e-5).sqrt()).reshape(x.shape)


right("unet.group_norm", gnorm)
for _form, _told in (
    ("place", "place|all"),
    ("chan", "channel"),
    ("order", "first|bracket|mean|order|divid"),
):
    wrong("unet.group_norm", _told, lambda x, g, form=_form: gnorm(x, g, form))


def att(q: Any, k: Any, v: Any, form: str = "") -> Any:
    s = torch.einsum("bic,bjc->bij", q, k) / math.sqrt(q.shape[-1])
    w = s.softmax(-1)
    if form == "exp":
        w = s.exp()
    if form == "turn":
        w = w.transpose(1, 2)
    if form == "times":
        w = (s * q.shape[-1]).softmax(-1)
    if form == "res":
        return q + w @ v
    return torch.einsum("bij,bjc->bic", w, v)


right("unet.attention", att)
for _form, _told in (
    ("exp", "softmax|add up|sum|1"),
    ("turn", "axis|turned|transpos|places"),
    ("times", "√C|root|multipl|divid"),
    ("res", "input|added|query|mixture"),
):
    wrong("unet.attention", _told, lambda q, k, v, form=_form: att(q, k, v, form))
right("unet.upsample", lambda x: torch.kron(x, torch.ones(1, 1, 2, 2)))
wrong("unet.upsample", "height|shape|both", lambda x: x.repeat_interleave(2, 3))
wrong(
    "unet.upsample",
    "channel|shape|axis",
    lambda x: x.repeat_interleave(2, 1).repeat_interleave(2, 2),
)
wrong(
    "unet.upsample",
    "smooth|interpol|same value|blend|bilinear",
    lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"),
)


def U(x: Any, d: Any, u: Any, form: str = "") -> Any:
    kept = [x := f(x) for f in d]
    if form == "first":
        x = d[0](kept[0])
    for i, f in enumerate(u):
        k = kept[-1 - i]
        x = f(torch.cat([x, k], 1)) + (x if form == "add" else 0)
    return kept if form == "kept" else x


right("unet.down_and_up", U)
wrong("unet.down_and_up", "added|join|cat|sum", lambda x, d, u: U(x, d, u, "add"))
wrong("unet.down_and_up", "all|up|order|front|behind|places", lambda x, d, u: U(x, d, u[::-1]))
wrong("unet.down_and_up", "down|order|places", lambda x, d, u: U(x, d[::-1], u))
right("unet.parameters", lambda a, b, d: (9 * a + 1 + 9 * b + 1 + d + 1 + (a + 1) * (a != b)) * b)
wrong(
    "unet.parameters",
    "bias|1x1|shortcut",
    lambda a, b, d: (9 * a + 1 + 9 * b + 1 + d + 1 + a * (a != b)) * b,
)
wrong(
    "unet.parameters",
    "shortcut|3x3|1x1|9",
    lambda a, b, d: (9 * a + 1 + 9 * b + 1 + d + 1 + (9 * a + 1) * (a != b)) * b,
)
wrong(
    "unet.parameters",
    "one|second|two|3x3",
    lambda a, b, d: (9 * a + 1 + d + 1 + (a + 1) * (a != b)) * b,
)
wrong(
    "unet.parameters",
    "norm|group",
    lambda a, b, d: (9 * a + 1 + 9 * b + 1 + d + 1 + (a + 1) * (a != b)) * b + 2 * a + 2 * b,
)
right("unet.reach", lambda k, s: 1 + sum((a - 1) * math.prod(s[:i]) for i, a in enumerate(k)))
wrong(
    "unet.reach",
    "order|first|last|revers",
    lambda k, s: 1 + sum((a - 1) * math.prod(s[:i][::-1]) for i, a in enumerate(k[::-1])),
)
wrong(
    "unet.reach",
    "1|itself|one",
    lambda k, s: sum((a - 1) * math.prod(s[:i]) for i, a in enumerate(k)),
)
wrong(
    "unet.reach",
    "half|one side|both|side",
    lambda k, s: 1 + sum((a - 1) // 2 * math.prod(s[:i]) for i, a in enumerate(k)),
)

# -- training ---------------------------------------------------------------------------------

right(
    "training.ema",
    lambda w, d: (
        d ** (len(w) - 1) * w[0]
        + (1 - d) * sum(d ** (len(w) - 1 - i) * w[i] for i in range(1, len(w)))
    ),
)
wrong(
    "training.ema",
    "last|first|order|revers|from|end",
    lambda w, d: (
        lambda v: (
            d ** (len(v) - 1) * v[0]
            + (1 - d) * sum(d ** (len(v) - 1 - i) * v[i] for i in range(1, len(v)))
        )
    )(w.flip(0)),
)
wrong(
    "training.ema",
    "first|start|θ_0|lost|term",
    lambda w, d: (1 - d) * sum(d ** (len(w) - 1 - i) * w[i] for i in range(1, len(w))),
)
wrong("training.ema", "last two|step|history|only", lambda w, d: d * w[-2] + (1 - d) * w[-1])


def emb(t: Any, dim: int, form: str = "") -> Any:
    m = dim // 2
    w = torch.exp(-math.log(1000 if form == "1000" else 10000) * torch.arange(m) / (m - 1))
    if form == "flip":
        w = w.flip(0)
    x = t.float()[:, None] * w[None]
    if form == "div":
        x = t.float()[:, None] / 1000 * w
    return torch.hstack([x.sin(), x.cos()])


right("training.time_embedding", emb)
for _form, _told in (
    ("1000", "10000|1000|frequenc|constant|number"),
    ("flip", "order|revers|from 1|fast"),
    ("div", "t\\b|scale|divid|1000"),
):
    wrong("training.time_embedding", _told, lambda t, dim, form=_form: emb(t, dim, form))


def block(x: Any, e: Any, a: Any, w: Any, b: Any, form: str = "") -> Any:
    bias = F.linear(F.silu(e) if form == "silut" else e, w)[..., None, None]
    h = F.conv2d(F.silu(x), a, padding=1)
    if form == "early":
        h = F.conv2d(F.silu(x) + bias, a, padding=1)
    elif form == "minus":
        h = h - bias
    else:
        h = h + bias
    h = F.conv2d(F.silu(h), b, padding=1)
    if form == "twice":
        h = h + bias
    if form == "swapped":
        h = F.conv2d(F.silu(F.conv2d(F.silu(x), b, padding=1) + bias), a, padding=1)
    return x - h if form == "sub" else x + h


right("training.residual", block)
for _form, _told in (
    ("silut", "time|SiLU"),
    ("early", "time|before|first|early"),
    ("minus", "sign|minus"),
    ("twice", "twice|time|once"),
    ("swapped", "places|swap|w_1"),
    ("sub", "sign|minus|subtract"),
):
    wrong("training.residual", _told, lambda x, e, a, w, b, form=_form: block(x, e, a, w, b, form))


def loop(m: Any, o: Any, bs: Any, a: Any, form: str = "") -> Any:
    got, total = [], 0.0
    for x, t, e in bs:
        A = at2(a, t)
        xt = (A if form == "root" else A.sqrt()) * x + (1 - A).sqrt() * e
        o.zero_grad()
        loss = (
            F.l1_loss(m(xt, t), e)
            if form == "l1"
            else F.mse_loss(m(xt, t - 1 if form == "t" else t), e)
        )
        (-loss if form == "up" else loss).backward()
        o.step()
        total += loss.item()
        got.append(total if form == "sum" else loss.item())
        if form == "break":
            break
    return got[::-1] if form == "rev" else got


right("training.train", loop)
for _form, _told in (
    ("root", "root"),
    ("l1", "squar|abs"),
    ("t", "t - 1|one off|told"),
    ("up", "sign|grow|up|descen|minus"),
    ("sum", "sum|each|add|total"),
    ("break", "first|shape|one|all|lack"),
    ("rev", "order|revers|back|last"),
):
    wrong("training.train", _told, lambda m, o, bs, a, form=_form: loop(m, o, bs, a, form))


def jump(x: Any, e: Any, t: int, s: int, a: Any, form: str = "") -> Any:
    A, S = float(a[t]), float(a[s])
    g = ((x - (1 - A) ** 0.5 * e) / A**0.5).clamp(-1, 1)
    e = (x - A**0.5 * g) / (1 - A) ** (1 if form == "noroot" else 0.5)
    if form == "sign":
        return S**0.5 * g - (1 - S) ** 0.5 * e
    if form == "swapf":
        return (1 - S) ** 0.5 * g + S**0.5 * e
    if form == "noroots":
        return S * g + (1 - S) * e
    if form == "next":
        S = float(a[t - 1])
        return S**0.5 * g + (1 - S) ** 0.5 * e
    return S**0.5 * g + (1 - S) ** 0.5 * e


right("training.ddim", jump)
for _form, _told in (
    ("noroot", "root"),
    ("sign", "sign|minus"),
    ("swapf", "swap|places|1 - "),
    ("noroots", "root"),
    ("next", "t - 1|s\\b|one step"),
):
    wrong("training.ddim", _told, lambda x, e, t, s, a, form=_form: jump(x, e, t, s, a, form))

# -- evaluation -------------------------------------------------------------------------------

right("evaluation.frechet_line", lambda m, s, n, r: (n - m) ** 2 + (r - s) ** 2)
wrong("evaluation.frechet_line", "sign|plus|add", lambda m, s, n, r: (m - n) ** 2 - (s - r) ** 2)
wrong(
    "evaluation.frechet_line",
    "sign|plus|mean|minus|sum",
    lambda m, s, n, r: (m + n) ** 2 + (s - r) ** 2,
)
wrong("evaluation.frechet_line", "squar", lambda m, s, n, r: (m - n) ** 2 + s - r)


def fd(a: Any, b: Any, form: str = "") -> float:
    A, B = np.cov(a.numpy().T), np.cov(b.numpy().T)
    r = np.sqrt(np.clip(np.linalg.eigvals(A @ B).real, 0, None)).sum()
    d = ((a.mean(0) - b.mean(0)) ** 2).sum().item()
    if form == "abs":
        d = (a.mean(0) - b.mean(0)).abs().sum().item()
    if form == "noroot":
        r = np.linalg.eigvals(A @ B).real.sum()
    if form == "nomean":
        d = 0.0
    if form == "onetr":
        return d + np.trace(A) - 2 * r
    if form == "norm":
        return d + ((A - B) ** 2).sum()
    return float(d + np.trace(A) + np.trace(B) - 2 * r)


right("evaluation.frechet", fd)
for _form, _told in (
    ("abs", "squar"),
    ("noroot", "root"),
    ("nomean", "mean"),
    ("onetr", "trace|second|Σ_b|lost|term|part"),
    ("norm", "trace|entr|differ|root"),
):
    wrong("evaluation.frechet", _told, lambda a, b, form=_form: fd(a, b, form))
right("evaluation.copies", lambda s, h: sum(x < min(h.tolist()) for x in s.tolist()) / len(s))
wrong(
    "evaluation.copies",
    "samples|held|divid|number",
    lambda s, h: (s < h.min()).sum().item() / len(h),
)
wrong(
    "evaluation.copies",
    "percent|100|times",
    lambda s, h: 100 * (s < h.min()).double().mean().item(),
)
wrong(
    "evaluation.copies",
    "some|any|all|largest|max",
    lambda s, h: (s[:, None] < h).any(1).double().mean().item(),
)
right(
    "evaluation.imbalance",
    lambda y, k: sum(abs((y == c).double().mean().item() - 1 / k) for c in range(k)) / 2,
)
wrong(
    "evaluation.imbalance",
    "entropy|differ|half",
    lambda y, k: (y.bincount(minlength=k) / len(y)).std().item(),
)
wrong(
    "evaluation.imbalance",
    "missing|nobody|share",
    lambda y, k: (y.bincount(minlength=k) == 0).double().mean().item(),
)
wrong(
    "evaluation.imbalance",
    "1 minus|balance",
    lambda y, k: 1 - sum(abs((y == c).double().mean().item() - 1 / k) for c in range(k)) / 2,
)
right("evaluation.bits_per_dim", lambda n, c, s: n * math.log2(math.e) / c / s**2)
wrong("evaluation.bits_per_dim", "multipl|divid", lambda n, c, s: n / math.log(2) * (c * s * s))
wrong(
    "evaluation.bits_per_dim", "log2|log|natural|bits", lambda n, c, s: math.log2(n) / (c * s * s)
)
wrong("evaluation.bits_per_dim", "sign", lambda n, c, s: -n / math.log(2) / (c * s * s))
right("evaluation.stop", "b)")
wrong("evaluation.stop", "letter", "8000")
right("evaluation.scores", "'b'")
wrong("evaluation.scores", "letter", 2)

# -- beyond -----------------------------------------------------------------------------------

right("beyond.next_line", lambda e, b, p: e**2 * (1 - p) * b / (1 - p + b * p))
wrong("beyond.next_line", "fraction|lost|factor", lambda e, b, p: e**2 * b * (1 - p))
wrong("beyond.next_line", "ᾱ|bracket|places|β", lambda e, b, p: e**2 * (1 - p) / (1 - (1 - b) * p))
wrong("beyond.next_line", "η|lost|factor", lambda e, b, p: b * (1 - p) / (1 - (1 - b) * p))


def dj(x: Any, e: Any, z: Any, t: int, s: int, n: float, a: Any, form: str = "") -> Any:
    A, S = float(a[t]), float(a[s])
    g = (x - (1 - A) ** 0.5 * e) / A**0.5
    v = n**2 * (1 - S) / (1 - A) * (1 - A / S)
    if form == "inv":
        v = n**2 * (1 - A) / (1 - S if S < 1 else 1) * (1 - A / S) * (S < 1)
    if form == "noeta":
        v = (1 - S) / (1 - A) * (1 - A / S)
    if form == "frac":
        v = n**2 * (1 - S) / (1 - A)
    if form == "sigma":
        return S**0.5 * g + max(1 - S - v**0.5, 0) ** 0.5 * e + v**0.5 * z
    if form == "minus":
        return S**0.5 * g + max(1 - S - v, 0) ** 0.5 * e - v**0.5 * z
    if form == "x_t":
        g = x
    if form == "keepno":
        return S**0.5 * g + v**0.5 * z
    return S**0.5 * g + max(1 - S - v, 0) ** 0.5 * e + v**0.5 * z


right("beyond.ddim_step", dj)
for _form, _told in (
    ("inv", "upside|fraction"),
    ("noeta", "η|eta"),
    ("frac", "bracket|factor|lost|1 - "),
    ("sigma", "squar|variance|σ"),
    ("minus", "sign|minus"),
    ("x_t", "x̂_0|guess|x_t"),
    ("keepno", "kept|term|ε|lost|noise"),
):
    wrong(
        "beyond.ddim_step",
        _told,
        lambda x, e, z, t, s, n, a, form=_form: dj(x, e, z, t, s, n, a, form),
    )
right("beyond.drop_labels", lambda y, u, p, n: (u < p) * n + (u >= p) * y)
wrong("beyond.drop_labels", "-1|null", lambda y, u, p, n: torch.where(u < p, -1, y))
wrong(
    "beyond.drop_labels",
    "same|equal|smallest|share|exactly|u",
    lambda y, u, p, n: torch.where(u > 1 - p, n, y),
)
wrong("beyond.drop_labels", "mask|labels|bool|number", lambda y, u, p, n: u < p)


def gs(m: Any, x: Any, c: int, n: int, w: float, ts: Any, a: Any, form: str = "") -> Any:
    for t, s in itertools.pairwise(ts):
        A, S = float(a[t]), float(a[s])
        tt = torch.full((len(x),), t)
        f, g = m(x, tt, torch.full_like(tt, n)), m(x, tt, torch.full_like(tt, c))
        e = f + (w - 1 if form == "w-1" else w) * (g - f)
        if form == "half":
            e = f + (g - f) / 2
        h = (x - (1 - A) ** 0.5 * (g if form == "told" else e)) / A**0.5
        if form == "noroot":
            x = S * h + (1 - S) * e
        elif form == "noise":
            x = S**0.5 * h + (1 - A) ** 0.5 * e
        elif form == "hat":
            x = h
        else:
            x = S**0.5 * h + (1 - S) ** 0.5 * e
    return x


right("beyond.guided_walk", gs)
for _form, _told in (
    ("w-1", "one|w\\b|less"),
    ("told", "guess|guidance|x̂_0"),
    ("noroot", "root"),
    ("noise", "size|t\\b|noise"),
    ("hat", "x̂_0|guess|noise|jump"),
):
    wrong(
        "beyond.guided_walk",
        _told,
        lambda m, x, c, n, w, ts, a, form=_form: gs(m, x, c, n, w, ts, a, form),
    )
right(
    "beyond.keep_known",
    lambda x, k, m, e, s, a: torch.where(
        m > 0, float(a[s]) ** 0.5 * k + float(1 - a[s]) ** 0.5 * e, x
    ),
)
wrong(
    "beyond.keep_known",
    "root",
    lambda x, k, m, e, s, a: torch.where(m > 0, float(a[s]) ** 0.5 * k + float(1 - a[s]) * e, x),
)
wrong(
    "beyond.keep_known",
    "sign|minus",
    lambda x, k, m, e, s, a: torch.where(
        m > 0, float(a[s]) ** 0.5 * k - float(1 - a[s]) ** 0.5 * e, x
    ),
)
wrong(
    "beyond.keep_known",
    "places|swap|known",
    lambda x, k, m, e, s, a: torch.where(
        m > 0, float(a[s]) ** 0.5 * x + float(1 - a[s]) ** 0.5 * e, k
    ),
)
right("beyond.eta_choice", "B")
wrong("beyond.eta_choice", "letter", 0)

# -- solvers ----------------------------------------------------------------------------------

right("solvers.half_log_snr", lambda t, a: a[t].sqrt().log() - (1 - a[t]).sqrt().log())
wrong("solvers.half_log_snr", "2|half|times", lambda t, a: 2 * torch.log(a[t] / (1 - a[t])))
wrong("solvers.half_log_snr", "log|SNR|root", lambda t, a: torch.sqrt(a[t] / (1 - a[t])))
wrong(
    "solvers.half_log_snr",
    "one off|t - 1",
    lambda t, a: 0.5 * torch.logit(a[t - 1].clamp(max=0.9999)),
)
right(
    "solvers.next_line",
    lambda x, g, n, s: (
        sp.sqrt((1 - s) / (1 - n)) * x + (sp.sqrt(s) - sp.sqrt((1 - s) / (1 - n)) * sp.sqrt(n)) * g
    ),
)
wrong(
    "solvers.next_line",
    "upside|fraction|places",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - n) * (x - sp.sqrt(n) * g) / sp.sqrt(1 - s),
)
wrong(
    "solvers.next_line",
    "√|root",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - s) * (x - n * g) / sp.sqrt(1 - n),
)
wrong(
    "solvers.next_line",
    "sign|plus|minus",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - s) * (x + sp.sqrt(n) * g) / sp.sqrt(1 - n),
)
right("solvers.wrong_line", 3.0)
wrong("solvers.wrong_line", "", 6)
right("solvers.look_ahead", lambda g, o, b, n, s: torch.lerp(o, g, ((n + s) / 2 - b) / (n - b)))
wrong("solvers.look_ahead", "line|last|slope|nothing", lambda g, o, b, n, s: g)
wrong(
    "solvers.look_ahead",
    "middle|λ|then|end",
    lambda g, o, b, n, s: torch.lerp(o, g, (s - b) / (n - b)),
)
wrong(
    "solvers.look_ahead",
    "places|swap",
    lambda g, o, b, n, s: torch.lerp(g, o, ((n + s) / 2 - b) / (n - b)),
)


def dp(err: Any, k: int) -> list[int]:
    T = len(err) - 1
    cost: dict[int, tuple[float, list[int]]] = {T: (0.0, [T])}
    for _ in range(k):
        new: dict[int, tuple[float, list[int]]] = {}
        for t, (c, w) in cost.items():
            for s in range(t):
                if s not in new or c + err[t, s].item() < new[s][0]:
                    new[s] = (c + err[t, s].item(), [*w, s])
        cost = new
    return cost[0][1]


right("solvers.best_times", dp)
wrong(
    "solvers.best_times",
    "number|sum|way|steps|text|shape",
    lambda e, k: sum(e[a, b].item() for a, b in itertools.pairwise(dp(e, k))),
)
wrong("solvers.best_times", "T\\b|first|lack", lambda e, k: dp(e, k)[1:])
wrong(
    "solvers.best_times",
    "greedy|cheapest|each",
    lambda e, k: (
        lambda w: (
            [
                w.append(
                    min(range(k - 1 - i, w[-1]), key=lambda s: e[w[-1], s].item())
                    if i < k - 1
                    else 0
                )
                for i in range(k)
            ]
            and w
        )
    )([len(e) - 1]),
)
right("solvers.order", lambda c, e: -float(np.polyfit(np.log(c.numpy()), np.log(e.numpy()), 1)[0]))
wrong(
    "solvers.order",
    "sign|minus",
    lambda c, e: float(np.polyfit(np.log(c.numpy()), np.log(e.numpy()), 1)[0]),
)
wrong(
    "solvers.order",
    "constant|slope|other|intercept|c\\b",
    lambda c, e: float(np.polyfit(np.log(c.numpy()), np.log(e.numpy()), 1)[1]),
)
wrong(
    "solvers.order",
    "mean|two|neighbo|fit|all|best",
    lambda c, e: -float((np.diff(np.log(e.numpy())) / np.diff(np.log(c.numpy()))).mean()),
)


def dd(m: Any, x: Any, ts: Any, a: Any, form: str = "") -> Any:
    for t, s in itertools.pairwise(ts):
        A, S = float(a[t]), float(a[s])
        e = m(x, torch.full((len(x),), t))
        g = (x - (1 - A) ** 0.5 * e) / A**0.5
        if form == "x0root":
            g = (x - (1 - A) ** 0.5 * e) / A
        x = S**0.5 * g + (1 - S) ** 0.5 * e if form != "stop" else g
        if form == "one":
            return x
    return x


right("solvers.walk", dd)
for _form, _told in (
    ("x0root", "root"),
    ("stop", "x̂_0|guess|noise|jump"),
    ("one", "first|one jump|all|end"),
):
    wrong("solvers.walk", _told, lambda m, x, ts, a, form=_form: dd(m, x, ts, a, form))
