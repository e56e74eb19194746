"""Held-out answers, the first set: written from the prompts alone, before the bank was read."""

import math
from typing import Any

import sympy as sp
import torch
import torch.nn.functional as F
from heldout import collect

RIGHT, WRONG, right, wrong = collect()


def f4(a: Any, t: Any) -> Any:
    return a[t].float().view(-1, 1, 1, 1)


def f2(a: Any, t: Any) -> Any:
    return a[t].float().view(-1, 1)


def bars(beta: Any) -> Any:
    return torch.cumprod(1 - beta, 0)


# -- trends -----------------------------------------------------------------------------------


def up(r: Any, p: Any) -> set[str]:
    found: set[str] = set()
    for c in r[p]:
        found |= {c} | up(r, c)
    return found


right("trends.ancestors", lambda r, p: sorted(up(r, p)))
wrong("trends.ancestors", "itself", lambda r, p: sorted(up(r, p) | {p}))
wrong("trends.ancestors", "direct|references of", lambda r, p: sorted(r[p]))
wrong("trends.ancestors", "order|alphabet", lambda r, p: sorted(up(r, p), reverse=True))
wrong(
    "trends.ancestors", "cite|direction|stand", lambda r, p: sorted(q for q in r if p in up(r, q))
)
wrong(
    "trends.ancestors",
    "twice|two steps",
    lambda r, p: sorted([c for q in [p, *up(r, p)] for c in r[q]]),
)
right("trends.overlap", lambda r, a, b: len({*r[a]} & {*r[b]}) / len({*r[a]} | {*r[b]}))
wrong(
    "trends.overlap",
    "all|either|union|sum|twice",
    lambda r, a, b: len({*r[a]} & {*r[b]}) / (len(r[a]) + len(r[b])),
)
wrong("trends.overlap", "number|divide|share", lambda r, a, b: len({*r[a]} & {*r[b]}))
wrong("trends.overlap", "either|A|first", lambda r, a, b: len({*r[a]} & {*r[b]}) / len(r[a]))
wrong(
    "trends.overlap",
    "two sides|differ|common|upside|1 minus",
    lambda r, a, b: len({*r[a]} ^ {*r[b]}) / len({*r[a]} | {*r[b]}),
)


def reading(r: Any, p: Any, pick: Any = min) -> list[str]:
    todo, done = up(r, p) | {p}, []
    while todo:
        one = pick(q for q in todo if all(c in done for c in r[q]))
        done.append(one)
        todo.remove(one)
    return done


right("trends.reading_order", reading)
wrong("trends.reading_order", "last|alphabet", lambda r, p: reading(r, p, max))
wrong("trends.reading_order", "revers|turn|backward|before", lambda r, p: reading(r, p)[::-1])
wrong("trends.reading_order", "itself|lacks 1|asks for|paper", lambda r, p: reading(r, p)[:-1])
wrong("trends.reading_order", "alphabet", lambda r, p: sorted(up(r, p) | {p}))
wrong(
    "trends.reading_order",
    "all|should not be there|need",
    lambda r, p: [q for q in reading({**r, "~": list(r)}, "~") if q != "~"],
)
right("trends.claim", "c")
wrong("trends.claim", "better|quality|good", "a")
wrong("trends.claim", "cite|four|fewer|more", "d")
wrong("trends.claim", "time|new|age|when|old", "b")


def rank(
    r: Any,
    d: float,
    rounds: int,
    dangling: str = "all",
    start: float | None = None,
    jump: Any = None,
) -> Any:
    n = len(r)
    now = dict.fromkeys(r, 1 / n if start is None else start)
    for _ in range(rounds):
        new = dict.fromkeys(r, (1 - d) / n if jump is None else jump(d, n))
        for p in r:
            to = r[p] or (list(r) if dangling == "all" else [p] if dangling == "self" else [])
            for q in to:
                new[q] += d * now[p] / len(to)
        now = new
    return now


right("trends.pagerank", rank)
wrong("trends.pagerank", "nothing|lost|no references|end", lambda r, d, k: rank(r, d, k, "none"))
wrong("trends.pagerank", "itself|keep|all", lambda r, d, k: rank(r, d, k, "self"))
wrong("trends.pagerank", "once|round|one more", lambda r, d, k: rank(r, d, k + 1))
wrong("trends.pagerank", "damping|changed|1 - d", lambda r, d, k: rank(r, 1 - d, k))
wrong("trends.pagerank", "start|1/n|add up", lambda r, d, k: rank(r, d, k, start=1.0))
wrong(
    "trends.pagerank", "divided|/ ?n|add up", lambda r, d, k: rank(r, d, k, jump=lambda d, n: 1 - d)
)
right("trends.guided", lambda f, t, w: f + w * (t - f), lambda f, t, w: torch.lerp(f, t, w))
wrong("trends.guided", "told|one too|start", lambda f, t, w: t + w * (t - f))
wrong("trends.guided", "swap|places|turned|away|direction", lambda f, t, w: f + w * (f - t))
wrong("trends.guided", "swap|places|turned|w = 0", lambda f, t, w: t + w * (f - t))
wrong("trends.guided", "free|start|lost", lambda f, t, w: w * (t - f))
wrong("trends.guided", "free|difference|direction", lambda f, t, w: f + w * t)


def shares(s: Any) -> Any:
    return torch.log_softmax(s, 1).diag(), torch.log_softmax(s, 0).diag()


right(
    "trends.contrastive",
    lambda s: -torch.cat(shares(s)).mean(),
    lambda s: (
        (F.cross_entropy(s, torch.arange(len(s))) + F.cross_entropy(s.T, torch.arange(len(s)))) / 2
    ),
)
wrong("trends.contrastive", "text|picture|one side|only", lambda s: -shares(s)[0].mean())
wrong("trends.contrastive", "sign|minus", lambda s: torch.cat(shares(s)).mean())
wrong(
    "trends.contrastive",
    "mean|2 times|add|half|sum|factor",
    lambda s: -shares(s)[0].mean() - shares(s)[1].mean(),
)
wrong("trends.contrastive", "sum|mean|add", lambda s: -torch.cat(shares(s)).sum())
wrong("trends.contrastive", "log", lambda s: torch.cat(shares(s)).exp().mean())
wrong("trends.contrastive", "log", lambda s: -torch.cat(shares(s)).exp().mean().log())
wrong(
    "trends.contrastive",
    "diagonal|whole|all",
    lambda s: -(s.exp() / s.exp().sum()).diag().log().mean(),
)

# -- forward ----------------------------------------------------------------------------------

right(
    "forward.linear",
    lambda T, a, b: torch.tensor(
        [0.0, *(a + (b - a) * i / (T - 1) for i in range(T))], dtype=torch.float64
    ),
)
wrong(
    "forward.linear",
    "shape|T \\+ 1|entr|front|first|0",
    lambda T, a, b: torch.linspace(a, b, T, dtype=torch.float64),
)
wrong(
    "forward.linear",
    "one too|T \\+ 1|steps|reach|end|even",
    lambda T, a, b: torch.cat([torch.zeros(1), torch.linspace(a, b, T + 1)[:-1]]).double(),
)
wrong(
    "forward.linear",
    "0|front|entry|clean",
    lambda T, a, b: torch.linspace(a, b, T + 1, dtype=torch.float64),
)
wrong(
    "forward.linear",
    "rise|0|even|entry",
    lambda T, a, b: torch.linspace(0, b, T + 1, dtype=torch.float64),
)
wrong(
    "forward.linear",
    "fall|turned|places|revers",
    lambda T, a, b: torch.cat([torch.zeros(1), torch.linspace(b, a, T)]).double(),
)
right("forward.variance_after", lambda v, b: v - b * v + b)
wrong("forward.variance_after", "root|squar", lambda v, b: sp.sqrt(1 - b) * v + sp.sqrt(b))
wrong("forward.variance_after", "noise|β|beta|lost|missing|add", lambda v, b: (1 - b) * v)
wrong("forward.variance_after", "v|1", lambda v, b: sp.Integer(1))
wrong("forward.variance_after", "places|swap", lambda v, b: b * v + 1 - b)
wrong("forward.variance_after", "squar", lambda v, b: (1 - b) ** 2 * v + b**2)
right(
    "forward.step",
    lambda x, t, e, b: (
        torch.sqrt(1 - b[t]).float()[:, None] * x + torch.sqrt(b[t]).float()[:, None] * e
    ),
)
wrong(
    "forward.step",
    "root|weak|variance",
    lambda x, t, e, b: (1 - f2(b, t)).sqrt() * x + f2(b, t) * e,
)
wrong("forward.step", "root", lambda x, t, e, b: (1 - f2(b, t)) * x + f2(b, t).sqrt() * e)
wrong("forward.step", "shrink|grow|fade|1 - ", lambda x, t, e, b: x + f2(b, t).sqrt() * e)
wrong(
    "forward.step",
    "swap|places|turned|roles|factor",
    lambda x, t, e, b: f2(b, t).sqrt() * x + (1 - f2(b, t)).sqrt() * e,
)
wrong(
    "forward.step",
    "one off|t - 1",
    lambda x, t, e, b: (1 - f2(b, t - 1)).sqrt() * x + f2(b, t - 1).sqrt() * e,
)
wrong("forward.step", "own|first", lambda x, t, e, b: (1 - b[t[0]]).sqrt() * x + b[t[0]].sqrt() * e)
wrong(
    "forward.step",
    "random|fresh|given|eps",
    lambda x, t, e, b: (1 - f2(b, t)).sqrt() * x + f2(b, t).sqrt() * torch.randn_like(x),
)


def walk(x: Any, e: Any, b: Any, idx: Any = lambda t: t, bi: Any = lambda t: t) -> Any:
    xs = [x]
    for t in range(1, len(b)):
        xs.append(float((1 - b[bi(t)]) ** 0.5) * xs[-1] + float(b[bi(t)] ** 0.5) * e[idx(t)])
    return torch.stack(xs)


right("forward.trajectory", walk)
wrong(
    "forward.trajectory",
    "eps\\[t|one off|noise of|t - 1",
    lambda x, e, b: walk(x, e, b, lambda t: t - 1),
)
wrong("forward.trajectory", "x_0|start|first|shape", lambda x, e, b: walk(x, e, b)[1:])
wrong(
    "forward.trajectory", "same noise|eps\\[|each step", lambda x, e, b: walk(x, e, b, lambda t: 1)
)
wrong("forward.trajectory", "only|last|every stop|shape", lambda x, e, b: walk(x, e, b)[-1])
wrong(
    "forward.trajectory", "β|beta|one off|t - 1", lambda x, e, b: walk(x, e, b, bi=lambda t: t - 1)
)
wrong("forward.trajectory", "axis|dimension|shape", lambda x, e, b: walk(x, e, b).transpose(0, 1))
wrong(
    "forward.trajectory",
    "x_0|each step|always|starts from",
    lambda x, e, b: torch.stack(
        [x] + [float((1 - b[t]) ** 0.5) * x + float(b[t] ** 0.5) * e[t] for t in range(1, len(b))]
    ),
)
right("forward.two_steps", lambda a, p: a * (1 - p) + 1 - a)
wrong("forward.two_steps", "factor|α_t|shrink|both", lambda a, p: 1 - p + 1 - a)
wrong("forward.two_steps", "root|squar", lambda a, p: sp.sqrt(a) * (1 - p) + 1 - a)
wrong("forward.two_steps", "signal|left|1 minus|noise", lambda a, p: a * p)
wrong("forward.two_steps", "root|standard|squar|variance", lambda a, p: sp.sqrt(1 - a * p))
wrong("forward.two_steps", "last|first|lost|step|only|ε", lambda a, p: 1 - a)
right("forward.steps_until", lambda b, s: math.ceil(math.log(s) / math.log(1 - b) - 1e-12))
wrong(
    "forward.steps_until",
    "small|round|one|whole|least|left",
    lambda b, s: math.floor(math.log(s) / math.log(1 - b)),
)
wrong("forward.steps_until", "large|one", lambda b, s: math.ceil(math.log(s) / math.log(1 - b)) + 1)
wrong(
    "forward.steps_until",
    "root|variance|squar|amplitude|times|factor",
    lambda b, s: math.ceil(2 * math.log(s) / math.log(1 - b)),
)
wrong(
    "forward.steps_until",
    "noise|1 minus|share",
    lambda b, s: math.ceil(math.log(1 - s) / math.log(1 - b)),
)
wrong("forward.steps_until", "whole|fraction", lambda b, s: math.log(s) / math.log(1 - b))


def estimate(
    x: Any,
    b: Any,
    n: Any,
    g: Any,
    unbiased: bool = True,
    fresh: bool = True,
    last: int = 0,
    noise: Any = None,
) -> Any:
    xs = torch.full((n,), x, dtype=torch.float64)
    e = torch.randn(n, generator=g, dtype=torch.float64)
    for t in range(1, len(b) - last):
        e = torch.randn(n, generator=g, dtype=torch.float64) if fresh else e
        xs = (1 - b[t]).sqrt() * xs + (b[t].sqrt() if noise is None else noise(b[t])) * e
    return xs


right(
    "forward.estimate",
    lambda x, b, n, g: (estimate(x, b, n, g).mean().item(), estimate(x, b, n, g).var().item()),
)
wrong(
    "forward.estimate",
    "standard|squar|variance",
    lambda x, b, n, g: (lambda y: (y.mean().item(), y.std().item()))(estimate(x, b, n, g)),
)
wrong(
    "forward.estimate",
    "same noise|own|fresh|new noise|each step",
    lambda x, b, n, g: (lambda y: (y.mean().item(), y.var().item()))(
        estimate(x, b, n, g, fresh=False)
    ),
)
wrong(
    "forward.estimate",
    "root",
    lambda x, b, n, g: (lambda y: (y.mean().item(), y.var().item()))(
        estimate(x, b, n, g, noise=lambda v: v)
    ),
)
wrong(
    "forward.estimate",
    "swap|second",
    lambda x, b, n, g: (lambda y: (y.var().item(), y.mean().item()))(estimate(x, b, n, g)),
)
wrong(
    "forward.estimate",
    "theory|walk|generator",
    lambda x, b, n, g: (float(bars(b)[-1].sqrt() * x), float(1 - bars(b)[-1])),
)
wrong(
    "forward.estimate",
    "generator|without it",
    lambda x, b, n, g: (lambda y: (y.mean().item(), y.var().item()))(estimate(x, b, n, None)),
)

# -- marginal ---------------------------------------------------------------------------------

right("marginal.alpha_bar", lambda b: torch.exp(torch.log1p(-b).cumsum(0)))
wrong("marginal.alpha_bar", "sum|product", lambda b: torch.cumsum(1 - b, 0))
wrong("marginal.alpha_bar", "β|beta|1 -", lambda b: torch.cumprod(b, 0))
wrong("marginal.alpha_bar", "product|α_t|running|one step", lambda b: 1 - b)
wrong("marginal.alpha_bar", "last|all|number|shape", lambda b: torch.prod(1 - b))
wrong("marginal.alpha_bar", "root", lambda b: torch.cumprod((1 - b).sqrt(), 0))
wrong("marginal.alpha_bar", "entry|shape|0", lambda b: torch.cumprod(1 - b[1:], 0))
right("marginal.crossing", 260)
wrong("marginal.crossing", "index|one|entry|last|still|before", 259)
wrong("marginal.crossing", "half|steps", 500)
wrong("marginal.crossing", "one|after", 261)
wrong("marginal.crossing", "", 0.5)
right("marginal.given_x0", lambda x, t, a: (f4(a, t).sqrt() * x, 1 - f4(a, t)))
wrong(
    "marginal.given_x0",
    "root|standard",
    lambda x, t, a: (f4(a, t).sqrt() * x, (1 - f4(a, t)).sqrt()),
)
wrong("marginal.given_x0", "root", lambda x, t, a: (f4(a, t) * x, 1 - f4(a, t)))
wrong("marginal.given_x0", "swap|second", lambda x, t, a: (1 - f4(a, t), f4(a, t).sqrt() * x))
wrong(
    "marginal.given_x0",
    "own|first",
    lambda x, t, a: (a[t[0]].sqrt() * x, 1 - a[t[0]].expand(len(t)).view(-1, 1, 1, 1)),
)
wrong("marginal.given_x0", "1 - |1 minus|signal", lambda x, t, a: (f4(a, t).sqrt() * x, f4(a, t)))
right("marginal.sample", lambda x, t, e, a: torch.sqrt(f4(a, t)) * x + torch.sqrt(1 - f4(a, t)) * e)
wrong(
    "marginal.sample",
    "swap|places|turned|factor",
    lambda x, t, e, a: (1 - f4(a, t)).sqrt() * x + f4(a, t).sqrt() * e,
)
wrong(
    "marginal.sample",
    "root|strong|signal",
    lambda x, t, e, a: f4(a, t) * x + (1 - f4(a, t)).sqrt() * e,
)
wrong("marginal.sample", "root", lambda x, t, e, a: f4(a, t) * x + (1 - f4(a, t)) * e)
wrong(
    "marginal.sample",
    "fresh|given|eps|random",
    lambda x, t, e, a: f4(a, t).sqrt() * x + (1 - f4(a, t)).sqrt() * torch.randn_like(x),
)
wrong(
    "marginal.sample",
    "clip",
    lambda x, t, e, a: (f4(a, t).sqrt() * x + (1 - f4(a, t)).sqrt() * e).clamp(-1, 1),
)
wrong(
    "marginal.sample",
    "one off|t - 1",
    lambda x, t, e, a: f4(a, t - 1).sqrt() * x + (1 - f4(a, t - 1)).sqrt() * e,
)
wrong(
    "marginal.sample",
    "1 - |noise|bracket|root of",
    lambda x, t, e, a: f4(a, t).sqrt() * x + (1 - f4(a, t).sqrt()) * e,
)
wrong(
    "marginal.sample",
    "new axes|\\[:, None\\]",
    lambda x, t, e, a: a[t].sqrt() * x + (1 - a[t]).sqrt() * e,
)
right("marginal.predict_x0", lambda x, e, t, a: x / f4(a, t).sqrt() - (1 / f4(a, t) - 1).sqrt() * e)
wrong("marginal.predict_x0", "divi|size|√ᾱ", lambda x, e, t, a: x - (1 - f4(a, t)).sqrt() * e)
wrong("marginal.predict_x0", "root", lambda x, e, t, a: (x - (1 - f4(a, t)).sqrt() * e) / f4(a, t))
wrong(
    "marginal.predict_x0",
    "bracket|noise|both|only",
    lambda x, e, t, a: x / f4(a, t).sqrt() - (1 - f4(a, t)).sqrt() * e,
)
wrong(
    "marginal.predict_x0",
    "sign|add|plus|off",
    lambda x, e, t, a: (x + (1 - f4(a, t)).sqrt() * e) / f4(a, t).sqrt(),
)
wrong(
    "marginal.predict_x0",
    "multipl|divid",
    lambda x, e, t, a: (x - (1 - f4(a, t)).sqrt() * e) * f4(a, t).sqrt(),
)
wrong(
    "marginal.predict_x0",
    "swap|places",
    lambda x, e, t, a: (e - (1 - f4(a, t)).sqrt() * x) / f4(a, t).sqrt(),
)
right("marginal.predict_eps", lambda x, y, t, a: (x - f4(a, t).sqrt() * y) / (1 - f4(a, t)).sqrt())
wrong("marginal.predict_eps", "divid|factor", lambda x, y, t, a: x - f4(a, t).sqrt() * y)
wrong("marginal.predict_eps", "root", lambda x, y, t, a: (x - f4(a, t).sqrt() * y) / (1 - f4(a, t)))
wrong(
    "marginal.predict_eps",
    "√ᾱ|fade|size|factor|shrunk",
    lambda x, y, t, a: (x - y) / (1 - f4(a, t)).sqrt(),
)
wrong(
    "marginal.predict_eps",
    "sign",
    lambda x, y, t, a: (f4(a, t).sqrt() * y - x) / (1 - f4(a, t)).sqrt(),
)
wrong(
    "marginal.predict_eps",
    "places|swap",
    lambda x, y, t, a: (x - (1 - f4(a, t)).sqrt() * y) / f4(a, t).sqrt(),
)
right("marginal.variance_step", lambda a, p: 1 - a * p)
wrong("marginal.variance_step", "factor|α_t|shrink|two|both|fresh", lambda a, p: 1 - p + 1 - a)
wrong("marginal.variance_step", "fresh|step|lost|second", lambda a, p: a * (1 - p))
wrong("marginal.variance_step", "1 minus|signal|noise", lambda a, p: a * p)
wrong("marginal.variance_step", "root|squar", lambda a, p: sp.sqrt(a) * (1 - p) + sp.sqrt(1 - a))
wrong("marginal.variance_step", "squar", lambda a, p: a**2 * (1 - p) + (1 - a) ** 2)
right("marginal.from_log_snr", lambda x: sp.exp(x) / (1 + sp.exp(x)))
wrong("marginal.from_log_snr", "1 minus|sign|noise", lambda x: 1 / (1 + sp.exp(x)))
wrong("marginal.from_log_snr", "SNR|e\\^|1 \\+|ratio|solve", lambda x: sp.exp(x))
wrong("marginal.from_log_snr", "exp|log|e\\^", lambda x: x / (1 + x))
wrong("marginal.from_log_snr", "half|2|root", lambda x: 1 / (1 + sp.exp(-2 * x)))
wrong("marginal.from_log_snr", "sign|1 - |minus", lambda x: sp.exp(x) / (1 - sp.exp(x)))


def cosine(T: int, s: float, m: float, f: Any = None, clip: bool = True, out: str = "beta") -> Any:
    t = torch.arange(T + 1, dtype=torch.float64)
    v = torch.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2 if f is None else f(t)
    ab = v / v[0]
    b = torch.cat([torch.zeros(1).double(), 1 - ab[1:] / ab[:-1]])
    return b.clamp(max=m) if clip else b


right("marginal.cosine", cosine)
wrong("marginal.cosine", "cut|max|clip", lambda T, s, m: cosine(T, s, m, clip=False))
wrong(
    "marginal.cosine",
    "squar",
    lambda T, s, m: cosine(T, s, m, lambda t: torch.cos((t / T + s) / (1 + s) * math.pi / 2)),
)
wrong("marginal.cosine", "s\\b|offset", lambda T, s, m: cosine(T, 0.0, m))
wrong(
    "marginal.cosine",
    "π|pi|half|2",
    lambda T, s, m: cosine(T, s, m, lambda t: torch.cos((t / T + s) / (1 + s)) ** 2),
)
wrong("marginal.cosine", "share|ᾱ|α|β", lambda T, s, m: 1 - cosine(T, s, m))
wrong(
    "marginal.cosine",
    "1 \\+ s|divi",
    lambda T, s, m: cosine(T, s, m, lambda t: torch.cos((t / T + s) * math.pi / 2) ** 2),
)
right("marginal.respace", lambda a, k: torch.cat([torch.zeros(1).double(), 1 - a[k::k] / a[:-k:k]]))
wrong(
    "marginal.respace",
    "classic|every|β|pick",
    lambda a, k: torch.cat([torch.zeros(1).double(), 1 - a[1:] / a[:-1]])[::k],
)
wrong(
    "marginal.respace",
    "α|1 minus",
    lambda a, k: torch.cat([torch.ones(1).double(), a[::k][1:] / a[::k][:-1]]),
)
wrong("marginal.respace", "visited|ᾱ|first|neighbo", lambda a, k: 1 - a[::k])
wrong("marginal.respace", "0|entry|shape|front", lambda a, k: 1 - a[::k][1:] / a[::k][:-1])
wrong("marginal.respace", "ᾱ|share", lambda a, k: a[::k])

# -- reverse ----------------------------------------------------------------------------------

right("reverse.spread", lambda v: (0.5 * v).exp(), lambda v: v.exp().sqrt())
wrong("reverse.spread", "variance|half|root", lambda v: v.exp())
wrong("reverse.spread", "exp|log", lambda v: v.abs().sqrt())
wrong("reverse.spread", "half|exp", lambda v: 0.5 * v)
wrong("reverse.spread", "half|factor|times|2", lambda v: 0.5 * v.exp())
right("reverse.posterior_variance", lambda b, p: b * (1 - p) / (b + (1 - b) * (1 - p)))
wrong(
    "reverse.posterior_variance",
    "upside|1 divided|precision",
    lambda b, p: (1 - b) / b + 1 / (1 - p),
)
wrong("reverse.posterior_variance", "α|1 - |factor", lambda b, p: 1 / (1 / b + 1 / (1 - p)))
wrong("reverse.posterior_variance", "ᾱ|1 - |variance|noise", lambda b, p: 1 / ((1 - b) / b + 1 / p))
wrong("reverse.posterior_variance", "half|2|factor", lambda b, p: 2 / ((1 - b) / b + 1 / (1 - p)))
wrong("reverse.posterior_variance", "upper|known|β", lambda b, p: b)
wrong("reverse.posterior_variance", "root", lambda b, p: sp.sqrt(b * (1 - p) / (1 - (1 - b) * p)))
right(
    "reverse.beta_tilde",
    lambda b: torch.cat([torch.zeros(1).double(), (1 - bars(b)[:-1]) / (1 - bars(b)[1:]) * b[1:]]),
)
wrong(
    "reverse.beta_tilde",
    "upside|turned|places",
    lambda b: torch.cat(
        [torch.zeros(2).double(), ((1 - bars(b)[1:]) / (1 - bars(b)[:-1]) * b[1:])[1:]]
    ),
)
wrong(
    "reverse.beta_tilde",
    "ᾱ|α",
    lambda b: torch.cat([torch.zeros(1).double(), bars(b)[:-1] / bars(b)[1:] * b[1:]]),
)
wrong("reverse.beta_tilde", "nan|NaN|0", lambda b: (1 - bars(b).roll(1)) / (1 - bars(b)) * b)
wrong(
    "reverse.beta_tilde", "entry|shape|0", lambda b: (1 - bars(b)[:-1]) / (1 - bars(b)[1:]) * b[1:]
)
wrong(
    "reverse.beta_tilde",
    "β|fraction|lost|factor",
    lambda b: torch.cat([torch.zeros(1).double(), (1 - bars(b)[:-1]) / (1 - bars(b)[1:])]),
)
wrong(
    "reverse.beta_tilde",
    "root",
    lambda b: torch.cat(
        [torch.zeros(1).double(), (1 - bars(b)[:-1]) / (1 - bars(b)[1:]) * b[1:]]
    ).sqrt(),
)


def mean(x: Any, y: Any, t: Any, b: Any, form: str = "") -> Any:
    a = bars(b)
    A, P, B = f2(a, t), f2(a, t - 1), f2(b, t)
    u, v = P.sqrt() * B / (1 - A), (1 - B).sqrt() * (1 - P) / (1 - A)
    if form == "noroot0":
        u = P * B / (1 - A)
    if form == "noroott":
        v = (1 - B) * (1 - P) / (1 - A)
    if form == "bar":
        v = A.sqrt() * (1 - P) / (1 - A)
    if form == "swap":
        u, v = v, u
    if form == "now":
        u = A.sqrt() * B / (1 - A)
    if form == "noden":
        u, v = u * (1 - A), v * (1 - A)
    return u * x + v * y


right("reverse.posterior_mean", mean)
wrong("reverse.posterior_mean", "root", lambda x, y, t, b: mean(x, y, t, b, "noroot0"))
wrong("reverse.posterior_mean", "root", lambda x, y, t, b: mean(x, y, t, b, "noroott"))
wrong("reverse.posterior_mean", "bar|ᾱ", lambda x, y, t, b: mean(x, y, t, b, "bar"))
wrong(
    "reverse.posterior_mean",
    "swap|places|turned|exchang",
    lambda x, y, t, b: mean(x, y, t, b, "swap"),
)
wrong("reverse.posterior_mean", "t - 1|ᾱ", lambda x, y, t, b: mean(x, y, t, b, "now"))
wrong(
    "reverse.posterior_mean",
    "divid|denominator|1 - ᾱ",
    lambda x, y, t, b: mean(x, y, t, b, "noden"),
)
right(
    "reverse.mean_from_eps",
    lambda x, e, t, b: (x - f2(b, t) / (1 - f2(bars(b), t)).sqrt() * e) / (1 - f2(b, t)).sqrt(),
)
wrong(
    "reverse.mean_from_eps",
    "bar|ᾱ|x_0",
    lambda x, e, t, b: (x - f2(b, t) / (1 - f2(bars(b), t)).sqrt() * e) / f2(bars(b), t).sqrt(),
)
wrong(
    "reverse.mean_from_eps",
    "root",
    lambda x, e, t, b: (x - f2(b, t) / (1 - f2(bars(b), t)) * e) / (1 - f2(b, t)).sqrt(),
)
wrong(
    "reverse.mean_from_eps",
    "root|β",
    lambda x, e, t, b: (
        (x - f2(b, t).sqrt() / (1 - f2(bars(b), t)).sqrt() * e) / (1 - f2(b, t)).sqrt()
    ),
)
wrong(
    "reverse.mean_from_eps",
    "1/√|divid|front|bracket|factor",
    lambda x, e, t, b: x - f2(b, t) / (1 - f2(bars(b), t)).sqrt() * e,
)
wrong(
    "reverse.mean_from_eps",
    "bracket|noise|both|only",
    lambda x, e, t, b: x / (1 - f2(b, t)).sqrt() - f2(b, t) / (1 - f2(bars(b), t)).sqrt() * e,
)
wrong(
    "reverse.mean_from_eps",
    "sign|add|plus|taken",
    lambda x, e, t, b: (x + f2(b, t) / (1 - f2(bars(b), t)).sqrt() * e) / (1 - f2(b, t)).sqrt(),
)
right("reverse.variance_choice", "b")
wrong("reverse.variance_choice", "β", "a")
wrong("reverse.variance_choice", "0|noise|doubt|x_0", "c")
wrong("reverse.variance_choice", "ᾱ|jump|x_0|whole", "d")


def guess(x: Any, e: Any, t: Any, b: Any) -> Any:
    a = f2(bars(b), t)
    return (x - (1 - a).sqrt() * e) / a.sqrt()


right("reverse.clipped_mean", lambda x, e, t, b: mean(guess(x, e, t, b).clamp(-1, 1), x, t, b))
wrong("reverse.clipped_mean", "clip", lambda x, e, t, b: mean(guess(x, e, t, b), x, t, b))
wrong(
    "reverse.clipped_mean",
    "0|\\[-1|range",
    lambda x, e, t, b: mean(guess(x, e, t, b).clamp(0, 1), x, t, b),
)
wrong(
    "reverse.clipped_mean",
    "result|mean|clipped|guess",
    lambda x, e, t, b: mean(guess(x, e, t, b), x, t, b).clamp(-1, 1),
)
wrong(
    "reverse.clipped_mean",
    "x_0|guess|mix|step|mean",
    lambda x, e, t, b: guess(x, e, t, b).clamp(-1, 1),
)
wrong(
    "reverse.clipped_mean",
    "swap|places|turned",
    lambda x, e, t, b: mean(x, guess(x, e, t, b).clamp(-1, 1), t, b),
)
wrong(
    "reverse.clipped_mean",
    "noise|eps|scale",
    lambda x, e, t, b: mean(guess(x, e.clamp(-1, 1), t, b), x, t, b),
)


def me(x: Any, e: Any, t: Any, b: Any) -> Any:
    a = bars(b)
    return (x - (b[t] / (1 - a[t]).sqrt()).float() * e) / (1 - b[t]).sqrt().float()


right(
    "reverse.step", lambda x, e, z, t, b: me(x, e, t, b) + (b[t].sqrt().float() * z if t > 1 else 0)
)
wrong("reverse.step", "t = 1|last", lambda x, e, z, t, b: me(x, e, t, b) + b[t].sqrt().float() * z)
wrong(
    "reverse.step",
    "root|strong|weak",
    lambda x, e, z, t, b: me(x, e, t, b) + (b[t].float() * z if t > 1 else 0),
)
wrong("reverse.step", "no noise|never|fresh|missing|z", lambda x, e, z, t, b: me(x, e, t, b))
wrong(
    "reverse.step",
    "places|swap|ε|z",
    lambda x, e, z, t, b: me(x, z, t, b) + (b[t].sqrt().float() * e if t > 1 else 0),
)
wrong(
    "reverse.step",
    "fresh|given|z",
    lambda x, e, z, t, b: (
        me(x, e, t, b) + (b[t].sqrt().float() * torch.randn_like(x) if t > 1 else 0)
    ),
)
wrong(
    "reverse.step",
    "β̃|posterior|variance",
    lambda x, e, z, t, b: (
        me(x, e, t, b)
        + ((b[t] * (1 - bars(b)[t - 1]) / (1 - bars(b)[t])).sqrt().float() * z if t > 1 else 0)
    ),
)
wrong(
    "reverse.step",
    "t = 0|t = 1|last",
    lambda x, e, z, t, b: me(x, e, t, b) + (b[t].sqrt().float() * z if t > 0 else 0),
)


def anc(
    m: Any,
    x: Any,
    z: Any,
    b: Any,
    ts: Any = None,
    zi: Any = lambda t: t,
    mt: Any = lambda t: t,
    last: bool = False,
) -> Any:
    for t in ts if ts is not None else range(len(b) - 1, 0, -1):
        e = m(x, torch.full((len(x),), mt(t)))
        x = me(x, e, t, b) + (b[t].sqrt().float() * z[zi(t)] if t > 1 or last else 0)
    return x


right("reverse.ancestral", anc)
wrong("reverse.ancestral", "last|t = 1|noise", lambda m, x, z, b: anc(m, x, z, b, last=True))
wrong(
    "reverse.ancestral",
    "order|forward|from 1|down",
    lambda m, x, z, b: anc(m, x, z, b, range(1, len(b))),
)
wrong(
    "reverse.ancestral",
    "last|t = 1|stop|too early",
    lambda m, x, z, b: anc(m, x, z, b, range(len(b) - 1, 1, -1)),
)
wrong(
    "reverse.ancestral",
    "first|T\\b|begin|start",
    lambda m, x, z, b: anc(m, x, z, b, range(len(b) - 2, 0, -1)),
)
wrong(
    "reverse.ancestral",
    "z\\[|one off|same|noise",
    lambda m, x, z, b: anc(m, x, z, b, zi=lambda t: t - 1),
)
wrong(
    "reverse.ancestral",
    "told|T\\b|always|same t|asked",
    lambda m, x, z, b: anc(m, x, z, b, mt=lambda t: len(b) - 1),
)
wrong("reverse.ancestral", "told|t - 1|one", lambda m, x, z, b: anc(m, x, z, b, mt=lambda t: t - 1))
wrong("reverse.ancestral", "same|z\\[|each", lambda m, x, z, b: anc(m, x, z, b, zi=lambda t: 1))
right("reverse.best_eps", lambda x, a, s: sp.sqrt(1 - a) / (a * s**2 + 1 - a) * x)
wrong(
    "reverse.best_eps",
    "s²|squar|variance|data",
    lambda x, a, s: sp.sqrt(1 - a) / (a * s + 1 - a) * x,
)
wrong("reverse.best_eps", "root|cov", lambda x, a, s: (1 - a) / (a * s**2 + 1 - a) * x)
wrong("reverse.best_eps", "s|data|variance|1", lambda x, a, s: sp.sqrt(1 - a) * x)
wrong("reverse.best_eps", "two terms|data|signal|Var", lambda x, a, s: x / sp.sqrt(1 - a))
wrong(
    "reverse.best_eps", "x_0|ε|signal", lambda x, a, s: sp.sqrt(a) * s**2 / (a * s**2 + 1 - a) * x
)
wrong("reverse.best_eps", "x_t", lambda x, a, s: sp.sqrt(1 - a) / (a * s**2 + 1 - a))

# -- loss -------------------------------------------------------------------------------------

right("loss.zero_model", 1.0)
wrong("loss.zero_model", "perfect|0|nothing", 0)
wrong("loss.zero_model", "mean|add|pixel", 64)
wrong("loss.zero_model", "", 2)
right(
    "loss.draw_t",
    lambda n, T, g: torch.randint(T, (n,), generator=g) + 1,
    lambda n, T, g: torch.multinomial(torch.ones(T), n, True, generator=g) + 1,
)
wrong("loss.draw_t", "0|count from 1", lambda n, T, g: torch.randint(0, T, (n,), generator=g))
wrong(
    "loss.draw_t",
    "uneven|often|end|round|half",
    lambda n, T, g: (torch.rand(n, generator=g) * (T - 1) + 1).round().long(),
)
wrong(
    "loss.draw_t",
    "T \\+ 1|beyond|run|above|T is",
    lambda n, T, g: torch.randint(1, T + 2, (n,), generator=g),
)
wrong(
    "loss.draw_t",
    "whole|int|dtype",
    lambda n, T, g: torch.randint(1, T + 1, (n,), generator=g).float(),
)
wrong(
    "loss.draw_t",
    "turn|order|foretold|each",
    lambda n, T, g: (torch.randperm(n, generator=g) % T).sort().values + 1,
)


def el(m: Any, x: Any, t: Any, e: Any, a: Any, form: str = "") -> Any:
    A = f4(a, t)
    xt = A.sqrt() * x + (1 - A).sqrt() * e
    if form == "swap":
        xt = (1 - A).sqrt() * x + A.sqrt() * e
    if form == "l1":
        return F.l1_loss(m(xt, t), e)
    if form == "half":
        return 0.5 * F.mse_loss(m(xt, t), e)
    if form == "first":
        return F.mse_loss(m(xt, torch.full_like(t, int(t[0]))), e)
    if form == "batch":
        return ((m(xt, t) - e) ** 2).sum(0).mean()
    if form == "x0":
        return F.mse_loss((xt - (1 - A).sqrt() * m(xt, t)) / A.sqrt(), x)
    if form == "each":
        return ((m(xt, t) - e) ** 2).mean((1, 2, 3))
    if form == "nosquare":
        return (m(xt, t) - e).mean()
    return F.mse_loss(m(xt, t), e)


right("loss.epsilon_loss", el)
for _form, _told in (
    ("swap", "swap|places|turned|factor"),
    ("l1", "squar"),
    ("half", "half|0.5 times"),
    ("first", "own|first|same t|told"),
    ("batch", "mean|sum|add|image|times"),
    ("x0", "x_0|noise"),
    ("each", "mean|shape|one number|scalar"),
    ("nosquare", "squar"),
):
    wrong("loss.epsilon_loss", _told, lambda m, x, t, e, a, form=_form: el(m, x, t, e, a, form))
right(
    "loss.kl",
    lambda m, v, n, w: (
        sp.log(w) / 2 - sp.log(v) / 2 + v / (2 * w) + (m - n) ** 2 / (2 * w) - sp.Rational(1, 2)
    ),
)
wrong(
    "loss.kl",
    "log|half|factor",
    lambda m, v, n, w: sp.log(w / v) + (v + (m - n) ** 2) / (2 * w) - sp.Rational(1, 2),
)
wrong(
    "loss.kl",
    "divid|v_2|var_2|mean",
    lambda m, v, n, w: (sp.log(w / v) + v / w + (m - n) ** 2 - 1) / 2,
)
wrong(
    "loss.kl",
    "standard|squar|root|variance",
    lambda m, v, n, w: sp.log(w / v) + (v**2 + (m - n) ** 2) / (2 * w**2) - sp.Rational(1, 2),
)
wrong(
    "loss.kl", "constant|1|0 when", lambda m, v, n, w: (sp.log(w / v) + (v + (m - n) ** 2) / w) / 2
)
wrong("loss.kl", "log", lambda m, v, n, w: ((v + (m - n) ** 2) / w - 1) / 2)
wrong("loss.kl", "sign", lambda m, v, n, w: (sp.log(v / w) - (v + (m - n) ** 2) / w + 1) / 2)


def prior(x: Any, a: float, form: str = "") -> Any:
    v = 1 - a
    k = 0.5 * (v + a * x**2 - 1 - math.log(v))
    if form == "nolog":
        k = 0.5 * (v + a * x**2 - 1)
    if form == "mean0":
        k = 0.5 * (v - 1 - math.log(v))
    if form == "std":
        k = 0.5 * (v**0.5 + a * x**2 - 1 - math.log(v**0.5))
    k = k / math.log(2) if form != "nats" else k
    return (
        float(k.mean())
        if form not in ("sum", "pixels") and form != "mean0"
        else float(k)
        if form == "mean0"
        else float(k.sum())
        if form == "sum"
        else float(k.sum((1, 2, 3)).mean())
    )


right("loss.prior_bits", prior)
for _form, _told in (
    ("nolog", "log"),
    ("mean0", "mean|x_0|data"),
    ("std", "standard|variance|root"),
    ("nats", "nats|bits"),
    ("sum", "mean|add|sum"),
    ("pixels", "pixel|mean|add"),
):
    wrong("loss.prior_bits", _told, lambda x, a, form=_form: prior(x, a, form))
right("loss.weight", lambda b, a, v: b**2 / (2 * v * (1 - b) * (1 - a)))
wrong("loss.weight", "squar", lambda b, a, v: b / (2 * v * sp.sqrt(1 - b) * sp.sqrt(1 - a)))
wrong("loss.weight", "half|2", lambda b, a, v: b**2 / (v * (1 - b) * (1 - a)))
wrong("loss.weight", "α_t|1/√|front|factor", lambda b, a, v: b**2 / (2 * v * (1 - a)))
wrong("loss.weight", "squar|variance|σ", lambda b, a, v: b**2 / (2 * v**2 * (1 - b) * (1 - a)))
wrong("loss.weight", "ᾱ|α|bar", lambda b, a, v: b**2 / (2 * v * a * (1 - a)))
wrong("loss.weight", "1 - ᾱ|root|noise", lambda b, a, v: b**2 / (2 * v * (1 - b)))
right("loss.x0_weight", lambda s, p: (p - s) / 2)
wrong("loss.x0_weight", "sign|places|order|turned", lambda s, p: (s - p) / 2)
wrong("loss.x0_weight", "half|2", lambda s, p: p - s)
wrong("loss.x0_weight", "", lambda s, p: (p / s - 1) / 2)
wrong("loss.x0_weight", "one|only|lost|SNR", lambda s, p: p / 2)
wrong("loss.x0_weight", "sign|sum|differ", lambda s, p: (p + s) / 2)
right("loss.x0_from_v", lambda x, v, t, a: f4(a, t).sqrt() * x - (1 - f4(a, t)).sqrt() * v)
wrong("loss.x0_from_v", "sign", lambda x, v, t, a: f4(a, t).sqrt() * x + (1 - f4(a, t)).sqrt() * v)
wrong(
    "loss.x0_from_v",
    "places|ε|noise|swap",
    lambda x, v, t, a: (1 - f4(a, t)).sqrt() * x + f4(a, t).sqrt() * v,
)
wrong(
    "loss.x0_from_v",
    "noise|v\\b",
    lambda x, v, t, a: (x - (1 - f4(a, t)).sqrt() * v) / f4(a, t).sqrt(),
)
wrong("loss.x0_from_v", "root", lambda x, v, t, a: f4(a, t) * x - (1 - f4(a, t)) * v)
wrong("loss.x0_from_v", "divi", lambda x, v, t, a: x - ((1 - f4(a, t)) / f4(a, t)).sqrt() * v)
wrong(
    "loss.x0_from_v",
    "places|swap",
    lambda x, v, t, a: f4(a, t).sqrt() * v - (1 - f4(a, t)).sqrt() * x,
)


def dec(x: Any, m: Any, s: float, L: int, h: Any = None, edge: bool = True, std: Any = None) -> Any:
    n = torch.distributions.Normal(m, s if std is None else std)
    h = 1 / (L - 1) if h is None else h
    hi, lo = n.cdf(x + h), n.cdf(x - h)
    if edge:
        hi = torch.where(x > 1 - 1e-4, 1.0, hi)
        lo = torch.where(x < -1 + 1e-4, 0.0, lo)
    return hi - lo


right("loss.decoder", dec)
wrong("loss.decoder", "edge|infin|first|last|ends", lambda x, m, s, L: dec(x, m, s, L, edge=False))
wrong("loss.decoder", "wide|half|spacing|narrow", lambda x, m, s, L: dec(x, m, s, L, 2 / (L - 1)))
wrong("loss.decoder", "levels|L|spacing|one", lambda x, m, s, L: dec(x, m, s, L, 1 / L))
wrong(
    "loss.decoder", "density", lambda x, m, s, L: torch.distributions.Normal(m, s).log_prob(x).exp()
)
wrong("loss.decoder", "root|standard|variance", lambda x, m, s, L: dec(x, m, s, L, std=s**0.5))
wrong("loss.decoder", "log", lambda x, m, s, L: dec(x, m, s, L).log())
wrong("loss.decoder", "sign", lambda x, m, s, L: -dec(x, m, s, L))
wrong("loss.decoder", "255|levels|256", lambda x, m, s, L: dec(x, m, s, L, 1 / 255))

# -- unet -------------------------------------------------------------------------------------


def gn(x: Any, g: int, form: str = "") -> Any:
    B, C, H, W = x.shape
    y = x.view(B, g, -1)
    if form == "batch":
        y = x.view(B, g, C // g, H * W)
        return (
            (y - y.mean((0, 2, 3), True))
            / (y.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5).sqrt()
        ).view(x.shape)
    if form == "channel":
        return (x - x.mean((2, 3), True)) / (
            x.var((2, 3), unbiased=False, keepdim=True) + 1e-5
        ).sqrt()
    if form == "layer":
        y = x.view(B, 1, -1)
    if form == "size":
        y = x.view(B, C // g, -1)
    if form == "interleave":
        y = x.view(B, C // g, g, H * W).transpose(1, 2).reshape(B, g, -1)
    mu, var = y.mean(2, True), y.var(2, unbiased=form == "unbiased", keepdim=True)
    if form == "nomean":
        return (y / (var + 1e-5).sqrt()).view(x.shape)
    if form == "nostd":
        return (y - mu).view(x.shape)
    if form == "var":
        return ((y - mu) / (var + 1e-5)).view(x.shape)
    if form == "shape":
        return (y - mu) / (var + 1e-5).sqrt()
    return ((y - mu) / (var + 1e-5).sqrt()).view(x.shape)


right("unet.group_norm", gn, lambda x, g: F.group_norm(x, g))
for _form, _told in (
    ("batch", "batch|image"),
    ("channel", "channel"),
    ("layer", "group|all"),
    ("size", "groups|how many|channels"),
    ("nomean", "mean"),
    ("nostd", "divid|standard|variance"),
    ("var", "root|variance"),
    ("shape", "shape"),
):
    wrong("unet.group_norm", _told, lambda x, g, form=_form: gn(x, g, form))
right(
    "unet.attention",
    lambda q, k, v: torch.softmax(q @ k.mT / q.shape[2] ** 0.5, 2) @ v,
    lambda q, k, v: F.scaled_dot_product_attention(q, k, v),
)
wrong("unet.attention", "√C|root|scale|divid", lambda q, k, v: torch.softmax(q @ k.mT, 2) @ v)
wrong("unet.attention", "root|√", lambda q, k, v: torch.softmax(q @ k.mT / q.shape[2], 2) @ v)
wrong(
    "unet.attention",
    "axis|query|over|softmax",
    lambda q, k, v: torch.softmax(q @ k.mT / q.shape[2] ** 0.5, 1) @ v,
)
wrong("unet.attention", "softmax|weight", lambda q, k, v: (q @ k.mT / q.shape[2] ** 0.5) @ v)
wrong(
    "unet.attention",
    "places|k|swap",
    lambda q, k, v: torch.softmax(k @ q.mT / q.shape[2] ** 0.5, 2) @ v,
)
wrong(
    "unet.attention",
    "N|places|√C|root|channel",
    lambda q, k, v: torch.softmax(q @ k.mT / q.shape[1] ** 0.5, 2) @ v,
)
wrong(
    "unet.attention",
    "value|places|k",
    lambda q, k, v: torch.softmax(q @ v.mT / q.shape[2] ** 0.5, 2) @ k,
)
wrong(
    "unet.attention",
    "weights|values|shape",
    lambda q, k, v: torch.softmax(q @ k.mT / q.shape[2] ** 0.5, 2),
)
right(
    "unet.upsample",
    lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3),
    lambda x: F.interpolate(x, scale_factor=2),
)
wrong("unet.upsample", "repeat|tile|neighbo|copies", lambda x: x.repeat(1, 1, 2, 2))
wrong(
    "unet.upsample",
    "smooth|interpol|blend|mean|same value|between",
    lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
)
wrong("unet.upsample", "width|shape|both", lambda x: x.repeat_interleave(2, 2))
wrong(
    "unet.upsample",
    "0|zero|square",
    lambda x: F.conv_transpose2d(
        x, torch.eye(x.shape[1])[:, :, None, None], stride=2, output_padding=1
    ),
)
wrong("unet.upsample", "half|smaller|shape", lambda x: x[:, :, ::2, ::2])


def du(x: Any, d: Any, u: Any, form: str = "") -> Any:
    kept = []
    for layer in d:
        if form == "before":
            kept.append(x)
        x = layer(x)
        if form != "before":
            kept.append(x)
    for layer in u:
        k = kept.pop(0) if form == "queue" else kept[-1] if form == "last" else kept.pop()
        x = layer(torch.cat([k, x] if form == "swap" else [x, x] if form == "self" else [x, k], 1))
    return x


right("unet.down_and_up", du)
for _form, _told in (
    ("before", "before|input|result"),
    ("queue", "across|first|last|order"),
    ("last", "same|across|last"),
    ("swap", "order|behind|places|front"),
    ("self", "kept|itself|skip|across"),
):
    wrong("unet.down_and_up", _told, lambda x, d, u, form=_form: du(x, d, u, form))
right(
    "unet.parameters",
    lambda a, b, d: 9 * a * b + b + 9 * b * b + b + d * b + b + (a * b + b if a != b else 0),
)
wrong(
    "unet.parameters",
    "bias",
    lambda a, b, d: 9 * a * b + 9 * b * b + d * b + (a * b if a != b else 0),
)
wrong("unet.parameters", "shortcut|1x1", lambda a, b, d: 9 * a * b + b + 9 * b * b + b + d * b + b)
wrong(
    "unet.parameters",
    "shortcut|1x1|same|only if",
    lambda a, b, d: 9 * a * b + b + 9 * b * b + b + d * b + b + a * b + b,
)
wrong(
    "unet.parameters",
    "second|c_in|both",
    lambda a, b, d: 2 * (9 * a * b + b) + d * b + b + (a * b + b if a != b else 0),
)
wrong(
    "unet.parameters",
    "time",
    lambda a, b, d: 9 * a * b + b + 9 * b * b + b + (a * b + b if a != b else 0),
)
wrong(
    "unet.parameters",
    "bias",
    lambda a, b, d: 9 * a * b + a + 9 * b * b + b + d * b + d + (a * b + a if a != b else 0),
)
wrong(
    "unet.parameters",
    "9|3",
    lambda a, b, d: 3 * a * b + b + 3 * b * b + b + d * b + b + (a * b + b if a != b else 0),
)


def reach(k: Any, s: Any, form: str = "") -> int:
    seen, apart = 1, 1
    for a, b in zip(k, s, strict=True):
        if form == "before":
            apart *= b
        seen += (a if form == "k" else a - 1) * (1 if form == "nostride" else apart)
        if form == "add":
            apart += b - 1
        elif form != "before":
            apart *= b
    return seen


right("unet.reach", reach)
wrong("unet.reach", "stride", lambda k, s: reach(k, s, "nostride"))
wrong("unet.reach", "behind|own|before|later", lambda k, s: reach(k, s, "before"))
wrong("unet.reach", "k - 1|kernel|overlap|one less", lambda k, s: reach(k, s, "k"))
wrong("unet.reach", "one|1", lambda k, s: reach(k, s) - 1)
wrong("unet.reach", "multipl|product|overlap", lambda k, s: math.prod(k))
wrong("unet.reach", "sum|add|multipl|stride", lambda k, s: reach(k, s, "add"))
wrong("unet.reach", "sum|overlap|stride", lambda k, s: sum(k))

# -- training ---------------------------------------------------------------------------------


def ema(w: Any, d: float, form: str = "") -> Any:
    m = torch.zeros_like(w[0]) if form == "zero" else w[0].clone()
    rows = w if form in ("twice", "zero") else w[1:-1] if form == "short" else w[1:]
    for r in rows:
        m = (
            (1 - d) * m + d * r
            if form == "swap"
            else d * m + r
            if form == "sum"
            else d * m + (1 - d) * r
        )
    return m / (1 - d ** len(w)) if form == "bias" else m


right("training.ema", ema)
for _form, _told in (
    ("zero", "0|zero|start|θ_0"),
    ("swap", "swap|places|larger|turned"),
    ("sum", "1 - λ|factor|grow|weight"),
    ("short", "last"),
    ("bias", "bias|correct|start|times"),
):
    wrong("training.ema", _told, lambda w, d, form=_form: ema(w, d, form))
wrong("training.ema", "mean|average|decay|plain", lambda w, d: w.mean(0))
wrong("training.ema", "last|average", lambda w, d: w[-1])


def te(t: Any, dim: int, form: str = "") -> Any:
    m = dim // 2
    i = torch.arange(m)
    w = 10000.0 ** (-i / (m if form == "m" else m - 1))
    if form == "plus":
        w = 1 / w
    if form == "dim":
        w = 10000.0 ** (-2 * i / dim)
    x = t[:, None] * w
    if form == "swap":
        return torch.cat([x.cos(), x.sin()], 1)
    if form == "inter":
        return torch.stack([x.sin(), x.cos()], 2).flatten(1)
    if form == "pi":
        x = 2 * math.pi * x
    if form == "sin":
        return torch.cat([x.sin(), x.sin()], 1)
    if form == "rows":
        return torch.cat([x.sin(), x.cos()], 0)
    return torch.cat([x.sin(), x.cos()], 1)


right("training.time_embedding", te)
for _form, _told in (
    ("m", "m - 1|1/10000|last|end"),
    ("plus", "sign|minus|upside|grow|wave"),
    ("swap", "sin|cos|first|order|half"),
    ("inter", "turn|sin|half|interle|altern"),
    ("pi", "π|pi|factor"),
    ("sin", "cos"),
    ("rows", "axis|shape"),
):
    wrong("training.time_embedding", _told, lambda t, d, form=_form: te(t, d, form))


def res(x: Any, e: Any, a: Any, wt: Any, b: Any, form: str = "") -> Any:
    h = F.conv2d(x if form == "nofirst" else F.silu(x), a, padding=1)
    if form != "notime":
        h = h + (e @ wt.T)[:, :, None, None] if form != "late" else h
    h = h if form == "nosecond" else F.silu(h)
    h = F.conv2d(h, a if form == "same" else b, padding=1)
    if form == "late":
        h = h + (e @ wt.T)[:, :, None, None]
    if form == "relu":
        h = F.conv2d(
            F.relu(F.conv2d(F.relu(x), a, padding=1) + (e @ wt.T)[:, :, None, None]), b, padding=1
        )
    if form == "act":
        return h + F.silu(x)
    if form == "after":
        return F.silu(h + x)
    if form == "mult":
        h = F.conv2d(
            F.silu(F.conv2d(F.silu(x), a, padding=1) * (1 + (e @ wt.T)[:, :, None, None])),
            b,
            padding=1,
        )
    return h if form == "noskip" else h + x


right("training.residual", res)
for _form, _told in (
    ("nofirst", "first|SiLU|activ"),
    ("notime", "time"),
    ("late", "time|second|late"),
    ("nosecond", "second|SiLU"),
    ("same", "w_1|same|twice|w_2"),
    ("relu", "relu|ReLU|SiLU"),
    ("act", "input|activ|added|SiLU"),
    ("after", "end|after|sum|SiLU"),
    ("noskip", "input|added|skip"),
    ("mult", "plus|multipl|add|bias"),
):
    wrong("training.residual", _told, lambda x, e, a, wt, b, form=_form: res(x, e, a, wt, b, form))


def train(m: Any, o: Any, bs: Any, a: Any, form: str = "") -> Any:
    out = []
    for x, t, e in bs:
        A = f2(a, t)
        xt = A.sqrt() * x + (1 - A).sqrt() * e
        if form == "x0":
            loss = ((m(xt, t) - x) ** 2).mean()
        elif form == "clean":
            loss = ((m(x, t) - e) ** 2).mean()
        elif form == "sum":
            loss = ((m(xt, t) - e) ** 2).sum()
        else:
            loss = ((m(xt, t) - e) ** 2).mean()
        if form != "keep":
            o.zero_grad()
        loss.backward()
        if form == "zerolate":
            o.zero_grad()
        if form != "nostep":
            o.step()
        if form == "after":
            loss = ((m(xt, t) - e) ** 2).mean()
        if form == "twice":
            o.step()
        out.append(loss.item())
    return [sum(out) / len(out)] if form == "meanloss" else out[-1:] if form == "lastloss" else out


right("training.train", train)
for _form, _told in (
    ("x0", "x_0|target|noise"),
    ("clean", "clean|noised|input"),
    ("sum", "mean|sum|add"),
    ("keep", "gradient|zero|old"),
    ("zerolate", "gradient|zero|before|order|lost|nothing"),
    ("nostep", "step|update|weights"),
    ("after", "before|after"),
    ("twice", "two|twice|once"),
    ("lastloss", "each|last|shape|lacks"),
    ("meanloss", "each|mean|shape"),
):
    wrong("training.train", _told, lambda m, o, bs, a, form=_form: train(m, o, bs, a, form))


def ddim(x: Any, e: Any, t: int, s: int, a: Any, form: str = "") -> Any:
    A, S = a[t].float(), a[s].float()
    g = (x - (1 - A).sqrt() * e) / A.sqrt()
    if form == "noroot":
        g = (x - (1 - A).sqrt() * e) / A
    if form != "noclip":
        g = g.clamp(0, 1) if form == "01" else g.clamp(-1, 1)
    if form != "old":
        e = (x - A.sqrt() * g) / (1 - A).sqrt()
    if form == "guess":
        return g
    if form == "st":
        return A.sqrt() * g + (1 - A).sqrt() * e
    if form == "noise":
        return S.sqrt() * g + (1 - A).sqrt() * e
    if form == "end":
        return (S.sqrt() * g + (1 - S).sqrt() * e).clamp(-1, 1)
    return S.sqrt() * g + (1 - S).sqrt() * e


right("training.ddim", ddim)
for _form, _told in (
    ("noclip", "clip"),
    ("old", "noise|ε|old|renew|belong|mend"),
    ("guess", "x̂_0|guess|x_0|jump"),
    ("st", "t\\b|stay|x_t"),
    ("noise", "noise|t\\b"),
    ("end", "clip"),
    ("noroot", "root"),
    ("01", "\\[-1|range|0"),
):
    wrong("training.ddim", _told, lambda x, e, t, s, a, form=_form: ddim(x, e, t, s, a, form))
wrong(
    "training.ddim",
    "places|swap",
    lambda x, e, t, s, a: ddim(x, e, s, t, a) if s else ddim(x, e, s + 1, t, a),
)

# -- evaluation -------------------------------------------------------------------------------

right("evaluation.frechet_line", lambda m, s, n, r: (m - n) ** 2 + s**2 + r**2 - 2 * s * r)
wrong("evaluation.frechet_line", "squar|mean", lambda m, s, n, r: (m - n) + (s - r) ** 2)
wrong(
    "evaluation.frechet_line",
    "root",
    lambda m, s, n, r: (m - n) ** 2 + (sp.sqrt(s) - sp.sqrt(r)) ** 2,
)
wrong(
    "evaluation.frechet_line",
    "variance|standard|squar",
    lambda m, s, n, r: (m - n) ** 2 + (s**2 - r**2) ** 2,
)
wrong("evaluation.frechet_line", "bracket|squar|together", lambda m, s, n, r: (m - n + s - r) ** 2)
wrong(
    "evaluation.frechet_line", "squar|product|differ", lambda m, s, n, r: (m - n) ** 2 + s**2 - r**2
)
wrong("evaluation.frechet_line", "2|factor", lambda m, s, n, r: (m - n) ** 2 + 2 * (s - r) ** 2)


def fre(a: Any, b: Any, form: str = "") -> float:
    A, B = torch.cov(a.T), torch.cov(b.T)
    if form == "corr":
        A, B = torch.corrcoef(a.T), torch.corrcoef(b.T)
    r = torch.linalg.eigvals(A @ B).real.clamp(min=0).sqrt().sum()
    d = ((a.mean(0) - b.mean(0)) ** 2).sum()
    if form == "plus":
        r = -r
    if form == "det":
        r = (torch.linalg.det(A) * torch.linalg.det(B)).clamp(min=0).sqrt()
    if form == "rootsum":
        r = torch.linalg.eigvals(A @ B).real.sum().sqrt()
    if form == "apart":
        r = (
            torch.linalg.eigvalsh(A).clamp(min=0).sqrt().sum()
            * torch.linalg.eigvalsh(B).clamp(min=0).sqrt().sum()
        )
    if form == "overall":
        d = (a.mean() - b.mean()) ** 2
    if form == "two":
        return float(d + A.trace() + B.trace() - r)
    return float(d + A.trace() + B.trace() - 2 * r)


right("evaluation.frechet", fre)
for _form, _told in (
    ("corr", "correlation|spread|variance|covariance"),
    ("plus", "sign"),
    ("det", "determinant|trace|eigen"),
    ("rootsum", "root|sum|each"),
    ("apart", "product|together|apart"),
    ("overall", "mean|each|coordinate|number"),
    ("two", "2|two|twice"),
):
    wrong("evaluation.frechet", _told, lambda a, b, form=_form: fre(a, b, form))
right("evaluation.copies", lambda s, h: (s < h.min()).double().mean().item())
wrong("evaluation.copies", "mean|all", lambda s, h: (s < h.mean()).double().mean().item())
wrong("evaluation.copies", "max|far|all|largest", lambda s, h: (s < h.max()).double().mean().item())
wrong("evaluation.copies", "number|share|divide|count", lambda s, h: (s < h.min()).sum().item())
wrong(
    "evaluation.copies",
    "farther|near|turned|1 minus|other",
    lambda s, h: (s > h.min()).double().mean().item(),
)
wrong("evaluation.copies", "held|median|all", lambda s, h: (s < h.median()).double().mean().item())
wrong("evaluation.copies", "places|held|swap", lambda s, h: (h < s.min()).double().mean().item())
right(
    "evaluation.imbalance",
    lambda y, k: 0.5 * (y.bincount(minlength=k) / len(y) - 1 / k).abs().sum().item(),
)
wrong(
    "evaluation.imbalance",
    "half|2 times",
    lambda y, k: (y.bincount(minlength=k) / len(y) - 1 / k).abs().sum().item(),
)
wrong(
    "evaluation.imbalance",
    "nobody|missing|all|kinds|minlength",
    lambda y, k: 0.5 * (y.unique(return_counts=True)[1] / len(y) - 1 / k).abs().sum().item(),
)
wrong(
    "evaluation.imbalance",
    "mean|sum",
    lambda y, k: 0.5 * (y.bincount(minlength=k) / len(y) - 1 / k).abs().mean().item(),
)
wrong(
    "evaluation.imbalance",
    "abs|squar",
    lambda y, k: 0.5 * ((y.bincount(minlength=k) / len(y) - 1 / k) ** 2).sum().item(),
)
wrong(
    "evaluation.imbalance",
    "count|share|divide",
    lambda y, k: 0.5 * (y.bincount(minlength=k) - len(y) / k).abs().sum().item(),
)
wrong(
    "evaluation.imbalance",
    "largest|sum|max",
    lambda y, k: (y.bincount(minlength=k) / len(y) - 1 / k).abs().max().item(),
)
wrong(
    "evaluation.imbalance",
    "abs|cancel|sign|0",
    lambda y, k: 0.5 * (y.bincount(minlength=k) / len(y) - 1 / k).sum().item(),
)
right("evaluation.bits_per_dim", lambda n, c, s: n / math.log(2) / (c * s * s))
wrong(
    "evaluation.bits_per_dim", "divid|log 2|multipl", lambda n, c, s: n * math.log(2) / (c * s * s)
)
wrong("evaluation.bits_per_dim", "nats|log 2|bit", lambda n, c, s: n / (c * s * s))
wrong("evaluation.bits_per_dim", "channel|color", lambda n, c, s: n / math.log(2) / (s * s))
wrong(
    "evaluation.bits_per_dim", "squar|size|height|width", lambda n, c, s: n / math.log(2) / (c * s)
)
wrong("evaluation.bits_per_dim", "dimension|divid|picture", lambda n, c, s: n / math.log(2))
wrong(
    "evaluation.bits_per_dim", "log|times|factor", lambda n, c, s: n / math.log10(2) / (c * s * s)
)
right("evaluation.stop", "b")
wrong("evaluation.stop", "held|learned|unseen|heart", "a")
wrong("evaluation.stop", "rate|learn", "c")
wrong("evaluation.stop", "harder|rise|shape|level|turn", "d")
right("evaluation.scores", "b")
wrong("evaluation.scores", "copies|near|training", "a")
wrong("evaluation.scores", "kinds|six|miss", "c")
wrong("evaluation.scores", "Fréchet|far|not like|noise", "d")

# -- beyond -----------------------------------------------------------------------------------

right("beyond.next_line", lambda e, b, p: e**2 * b * (1 - p) / (1 - (1 - b) * p))
wrong("beyond.next_line", "squar", lambda e, b, p: e * b * (1 - p) / (1 - (1 - b) * p))
wrong(
    "beyond.next_line",
    "bracket|β|1 - β|α",
    lambda e, b, p: e**2 * (1 - b) * (1 - p) / (1 - (1 - b) * p),
)
wrong("beyond.next_line", "places|both|ᾱ", lambda e, b, p: e**2 * b)
wrong("beyond.next_line", "ᾱ|1 - ", lambda e, b, p: e**2 * b * (1 - p) / (1 - b * p))
wrong("beyond.next_line", "root", lambda e, b, p: e * sp.sqrt(b * (1 - p) / (1 - (1 - b) * p)))
wrong("beyond.next_line", "upside", lambda e, b, p: e**2 * b * (1 - (1 - b) * p) / (1 - p))


def ds(x: Any, e: Any, z: Any, t: int, s: int, eta: float, a: Any, form: str = "") -> Any:
    A, S = a[t].float(), a[s].float()
    g = (x - (1 - A).sqrt() * e) / A.sqrt()
    v = (eta if form == "eta" else eta**2) * (1 - S) / (1 - A) * (1 - A / S)
    if form == "up":
        v = (eta**2 * (1 - S) / (1 - A) * (1 - S / A)).abs()
    keep = (1 - S - v).clamp(min=0).sqrt()
    if form == "allkept":
        keep = (1 - S).sqrt()
    if form == "sub":
        keep = (1 - S).sqrt() - v.sqrt()
    if form == "nofresh":
        z = 0 * z
    if form == "var":
        return S.sqrt() * g + keep * e + v * z
    if form == "samez":
        return S.sqrt() * g + keep * e + v.sqrt() * e
    if form == "noroot":
        return S * g + keep * e + v.sqrt() * z
    if form == "t":
        return S.sqrt() * g + (1 - A - v).clamp(min=0).sqrt() * e + v.sqrt() * z
    if form == "clip":
        g = g.clamp(-1, 1)
    return S.sqrt() * g + keep * e + v.sqrt() * z


right("beyond.ddim_step", ds)
for _form, _told in (
    ("eta", "η|squar"),
    ("up", "upside|ᾱ|fraction"),
    ("allkept", "σ²|kept|share|too much"),
    ("sub", "root|variance|subtract|differ"),
    ("nofresh", "fresh|z\\b|η"),
    ("var", "root|σ"),
    ("samez", "z\\b|fresh"),
    ("noroot", "root"),
    ("t", "t\\b|ᾱ_s|noise"),
    ("clip", "clip"),
):
    wrong(
        "beyond.ddim_step",
        _told,
        lambda x, e, z, t, s, eta, a, form=_form: ds(x, e, z, t, s, eta, a, form),
    )
wrong("beyond.ddim_step", "places|swap", lambda x, e, z, t, s, eta, a: ds(x, z, e, t, s, eta, a))
right("beyond.drop_labels", lambda y, u, p, n: torch.where(u < p, torch.tensor(n), y))
wrong(
    "beyond.drop_labels",
    "share|turned|keeps|other",
    lambda y, u, p, n: torch.where(u < p, y, torch.tensor(n)),
)
wrong("beyond.drop_labels", "in place", lambda y, u, p, n: y.masked_fill_(u < p, n))
wrong("beyond.drop_labels", "null|0", lambda y, u, p, n: y * (u >= p))
wrong(
    "beyond.drop_labels",
    "random|given|u\\b",
    lambda y, u, p, n: torch.where(torch.rand(len(y)) < p, torch.tensor(n), y),
)
wrong(
    "beyond.drop_labels",
    "whole|batch|each",
    lambda y, u, p, n: torch.full_like(y, n) if u.mean() < p else y.clone(),
)


def gw(m: Any, x: Any, c: int, n: int, w: float, ts: Any, a: Any, form: str = "") -> Any:
    o = torch.ones(len(x), dtype=torch.int64)
    for t, s in zip(ts, ts[1:], strict=False):
        A, S = a[t].float(), a[s].float()
        f, g = m(x, o * t, o * n), m(x, o * t, o * c)
        e = f + w * (g - f)
        if form == "swap":
            e = g + w * (f - g)
        if form == "plus":
            e = f + w * g
        if form == "1w":
            e = (1 + w) * g - w * f
        if form == "noguide":
            e = g
        h = (x - (1 - A).sqrt() * e) / (A if form == "noroot" else A.sqrt())
        x = S.sqrt() * h + (1 - S).sqrt() * (f if form == "free" else e)
        if form == "one":
            break
    return h if form == "short" and s else x


right("beyond.guided_walk", gw)
for _form, _told in (
    ("swap", "swap|away|places"),
    ("plus", "differ|free|w\\b"),
    ("1w", "one too|starts|label"),
    ("noguide", "w\\b|guidance|missing"),
    ("free", "noise|without"),
    ("one", "first|one jump|all|end|stop"),
):
    wrong(
        "beyond.guided_walk",
        _told,
        lambda m, x, c, n, w, ts, a, form=_form: gw(m, x, c, n, w, ts, a, form),
    )
wrong(
    "beyond.guided_walk", "places|null|label", lambda m, x, c, n, w, ts, a: gw(m, x, n, c, w, ts, a)
)
wrong(
    "beyond.guided_walk",
    "t\\b|told",
    lambda m, x, c, n, w, ts, a: gw(
        lambda y, t, k: m(y, torch.full_like(t, ts[0]), k), x, c, n, w, ts, a
    ),
)


def kk(x: Any, k: Any, m: Any, e: Any, s: int, a: Any, form: str = "") -> Any:
    A = a[s].float()
    n = A.sqrt() * k + (1 - A).sqrt() * e
    if form == "turn":
        m = 1 - m
    if form == "swapfac":
        n = (1 - A).sqrt() * k + A.sqrt() * e
    if form == "clean":
        n = k
    if form == "noisex":
        return m * n + (1 - m) * (A.sqrt() * x + (1 - A).sqrt() * e)
    if form == "add":
        return m * n + x
    if form == "only":
        return n
    if form == "nonoise":
        n = A.sqrt() * k
    return m * n + (1 - m) * x


right("beyond.keep_known", kk)
for _form, _told in (
    ("turn", "turned|mask"),
    ("swapfac", "swap|places|factor"),
    ("clean", "clean"),
    ("noisex", "drawn|already|twice|again"),
    ("add", "added|take"),
    ("only", "mask|drew|drawn|hole|everywhere"),
    ("nonoise", "noise"),
):
    wrong(
        "beyond.keep_known", _told, lambda x, k, m, e, s, a, form=_form: kk(x, k, m, e, s, a, form)
    )
wrong("beyond.keep_known", "s - 1|s \\+ 1|one", lambda x, k, m, e, s, a: kk(x, k, m, e, s - 1, a))
right("beyond.eta_choice", "b")
wrong("beyond.eta_choice", "10|1000|budget|end", "a")
wrong("beyond.eta_choice", "between|better", "c")
wrong("beyond.eta_choice", "10|meet|apart", "d")

# -- solvers ----------------------------------------------------------------------------------

right("solvers.half_log_snr", lambda t, a: 0.5 * torch.logit(a[t]))
wrong("solvers.half_log_snr", "half|2", lambda t, a: torch.log(a[t] / (1 - a[t])))
wrong("solvers.half_log_snr", "sign|upside", lambda t, a: 0.5 * torch.log((1 - a[t]) / a[t]))
wrong("solvers.half_log_snr", "log", lambda t, a: 0.5 * a[t] / (1 - a[t]))
wrong("solvers.half_log_snr", "noise|1 - ", lambda t, a: 0.5 * torch.log(a[t]))
wrong(
    "solvers.half_log_snr",
    "base|natural|log|times",
    lambda t, a: 0.5 * torch.log10(a[t] / (1 - a[t])),
)
wrong("solvers.half_log_snr", "shape|each|t", lambda t, a: 0.5 * torch.logit(a[1:]))
right(
    "solvers.next_line",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - s) * (x - sp.sqrt(n) * g) / sp.sqrt(1 - n),
)
wrong(
    "solvers.next_line",
    "divid|√",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - s) * (x - sp.sqrt(n) * g),
)
wrong(
    "solvers.next_line",
    "root",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - s) * (x - sp.sqrt(n) * g) / (1 - n),
)
wrong(
    "solvers.next_line",
    "places|now|then|swap",
    lambda x, g, n, s: sp.sqrt(n) * g + sp.sqrt(1 - n) * (x - sp.sqrt(s) * g) / sp.sqrt(1 - s),
)
wrong(
    "solvers.next_line",
    "√|size|fade|factor",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - s) * (x - g) / sp.sqrt(1 - n),
)
wrong(
    "solvers.next_line",
    "lost|signal|first|x̂_0|term",
    lambda x, g, n, s: sp.sqrt(1 - s) * (x - sp.sqrt(n) * g) / sp.sqrt(1 - n),
)
wrong(
    "solvers.next_line",
    "noise|stop|ε|solve",
    lambda x, g, n, s: (x - sp.sqrt(n) * g) / sp.sqrt(1 - n),
)
wrong(
    "solvers.next_line",
    "sign",
    lambda x, g, n, s: sp.sqrt(s) * g - sp.sqrt(1 - s) * (x - sp.sqrt(n) * g) / sp.sqrt(1 - n),
)
right("solvers.wrong_line", 3)
wrong("solvers.wrong_line", "1|given|follow|start", 1)
wrong("solvers.wrong_line", "2|follow|noise", 2)
wrong("solvers.wrong_line", "4|follow|above", 4)
wrong("solvers.wrong_line", "5|follow|above", 5)
right("solvers.look_ahead", lambda g, o, b, n, s: g + (g - o) / (n - b) * (s - n) / 2)
wrong(
    "solvers.look_ahead", "middle|half|end", lambda g, o, b, n, s: g + (g - o) / (n - b) * (s - n)
)
wrong("solvers.look_ahead", "wide|equal|λ|slope", lambda g, o, b, n, s: g + (g - o) / 2)
wrong(
    "solvers.look_ahead",
    "sign|back|turned|places",
    lambda g, o, b, n, s: g - (g - o) / (n - b) * (s - n) / 2,
)
wrong("solvers.look_ahead", "mean|between|past|ahead", lambda g, o, b, n, s: (g + o) / 2)
wrong(
    "solvers.look_ahead",
    "upside|slope|divid",
    lambda g, o, b, n, s: g + (g - o) * (n - b) * (s - n) / 2,
)
wrong(
    "solvers.look_ahead",
    "start|from|older|before|last",
    lambda g, o, b, n, s: o + (g - o) / (n - b) * (s - n) / 2,
)


def bt(err: Any, k: int, better: Any = min) -> list[int]:
    import itertools

    T = len(err) - 1
    ways = ((T, *c, 0) for c in itertools.combinations(range(T - 1, 0, -1), k - 1))
    return list(better(ways, key=lambda w: sum(err[a, b].item() for a, b in itertools.pairwise(w))))


right("solvers.best_times", bt)
wrong("solvers.best_times", "order|0 to T|begin|revers", lambda e, k: bt(e, k)[::-1])
wrong("solvers.best_times", "number|jump|calls", lambda e, k: bt(e, k - 1))
wrong("solvers.best_times", "number|jump|calls|one", lambda e, k: bt(e, k + 1))
wrong(
    "solvers.best_times",
    "even",
    lambda e, k: [round(x) for x in torch.linspace(len(e) - 1, 0, k + 1).tolist()],
)
wrong("solvers.best_times", "worst", lambda e, k: bt(e, k, max))
wrong("solvers.best_times", "0|last|lacks", lambda e, k: bt(e, k)[:-1])
wrong("solvers.best_times", "axis|error\\[|from|turned|places", lambda e, k: bt(e.T, k))
right(
    "solvers.order",
    lambda c, e: (
        -((c.log() - c.log().mean()) * (e.log() - e.log().mean())).sum().item()
        / ((c.log() - c.log().mean()) ** 2).sum().item()
    ),
)
wrong(
    "solvers.order",
    "sign",
    lambda c, e: (
        ((c.log() - c.log().mean()) * e.log()).sum().item()
        / ((c.log() - c.log().mean()) ** 2).sum().item()
    ),
)
wrong(
    "solvers.order",
    "log",
    lambda c, e: (
        -((c - c.mean()) * (e - e.mean())).sum().item() / ((c - c.mean()) ** 2).sum().item()
    ),
)
wrong(
    "solvers.order",
    "first|last|two|all|ends",
    lambda c, e: -(e[-1].log() - e[0].log()).item() / (c[-1].log() - c[0].log()).item(),
)
wrong(
    "solvers.order",
    "mean",
    lambda c, e: -(c.log() * e.log()).sum().item() / (c.log() ** 2).sum().item(),
)
wrong(
    "solvers.order",
    "places|upside|x and y",
    lambda c, e: (
        -((c.log() - c.log().mean()) * (e.log() - e.log().mean())).sum().item()
        / ((e.log() - e.log().mean()) ** 2).sum().item()
    ),
)
wrong(
    "solvers.order",
    "calls|log",
    lambda c, e: (
        -((c - c.mean()) * (e.log() - e.log().mean())).sum().item()
        / ((c - c.mean()) ** 2).sum().item()
    ),
)


def wk(m: Any, x: Any, ts: Any, a: Any, form: str = "") -> Any:
    for t, s in zip(ts, ts[1:], strict=False):
        A, S = a[t].float(), a[s].float()
        e = m(x, torch.full((len(x),), s if form == "s" else t))
        g = (x - (1 - A).sqrt() * e) / A.sqrt()
        if form == "clip":
            g = g.clamp(-1, 1)
        if form == "both":
            x = A.sqrt() * g + (1 - A).sqrt() * e
        elif form == "same":
            x = S.sqrt() * g + (1 - A).sqrt() * e
        elif form == "noroot":
            x = S.sqrt() * g + (1 - S) * e
        elif form == "fresh":
            x = S.sqrt() * g + (1 - S).sqrt() * torch.randn_like(x)
        elif form == "swap":
            x = (1 - S).sqrt() * g + S.sqrt() * e
        else:
            x = S.sqrt() * g + (1 - S).sqrt() * e
    return x


right("solvers.walk", wk)
for _form, _told in (
    ("both", "t\\b|s\\b|stay|moves"),
    ("same", "still|noise|broken|t\\b"),
    ("noroot", "root"),
    ("fresh", "fresh|random"),
    ("swap", "swap|places|turned"),
    ("clip", "clip"),
    ("s", "told|s\\b|asked"),
):
    wrong("solvers.walk", _told, lambda m, x, ts, a, form=_form: wk(m, x, ts, a, form))
