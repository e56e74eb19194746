"""Held-out answers, the third set: ten tasks drawn by lot, answered from their prompts alone.

The writer knew the general slips (``slips.py``, ``rewrite.py``) and not the mistakes that these
tasks list. What was drawn: ``random.Random(16).sample(sorted(names), 10)``.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp
import torch
from heldout import collect

RIGHT, WRONG, right, wrong = collect()


# -- marginal ---------------------------------------------------------------------------------

VARIANCE = "marginal.variance_step"
right(VARIANCE, lambda a, p: a * (1 - p) + (1 - a), lambda a, p: 1 - sp.sqrt(a * p) ** 2)
wrong(VARIANCE, "noise|term|1 - ", lambda a, p: a * (1 - p))
wrong(VARIANCE, "before|one step|nothing|on the way", lambda a, p: 1 - p)
wrong(VARIANCE, "shrink|factor|α", lambda a, p: (1 - p) + (1 - a))
wrong(VARIANCE, "squar|root", lambda a, p: sp.sqrt(a) * (1 - p) + sp.sqrt(1 - a))
wrong(VARIANCE, "1 minus|1 - |signal", lambda a, p: a * p)
wrong(VARIANCE, "term|before|fresh|on the way", lambda a, p: 1 - a)
wrong(VARIANCE, "multipl|product|added|minus|term", lambda a, p: (1 - a) * (1 - p))
wrong(VARIANCE, "squar", lambda a, p: 1 - a**2 * p)

# -- solvers ----------------------------------------------------------------------------------

LINE = "solvers.next_line"
right(
    LINE,
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt((1 - s) / (1 - n)) * (x - sp.sqrt(n) * g),
    lambda x, g, n, s: sp.expand(
        (sp.sqrt(s * (1 - n)) * g + sp.sqrt(1 - s) * (x - sp.sqrt(n) * g)) / sp.sqrt(1 - n)
    ),
)
wrong(LINE, "root", lambda x, g, n, s: s * g + (1 - s) * (x - n * g) / (1 - n))
wrong(
    LINE,
    "bracket",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - s) * x - sp.sqrt(n) * g / sp.sqrt(1 - n),
)
wrong(
    LINE,
    "denominator|divid",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(1 - s) * (x - sp.sqrt(n) * g),
)
wrong(LINE, "ᾱ_s|then|stands|x_t", lambda x, g, n, s: x)
wrong(
    LINE, "noise|itself|on the way|term", lambda x, g, n, s: (x - sp.sqrt(n) * g) / sp.sqrt(1 - n)
)
wrong(LINE, "term", lambda x, g, n, s: sp.sqrt(1 - s) * (x - sp.sqrt(n) * g) / sp.sqrt(1 - n))
wrong(
    LINE,
    "root",
    lambda x, g, n, s: sp.sqrt(s) * g + (1 - s) * (x - sp.sqrt(n) * g) / sp.sqrt(1 - n),
)
wrong(
    LINE,
    "1 minus|1 - ",
    lambda x, g, n, s: sp.sqrt(s) * g + sp.sqrt(s) * (x - sp.sqrt(n) * g) / sp.sqrt(1 - n),
)


def fitted(x: Any, y: Any) -> float:
    return float(np.polyfit(np.asarray(x), np.asarray(y), 1)[0])


ORDER = "solvers.order"
right(ORDER, lambda c, e: -fitted(c.log10(), e.log10()), lambda c, e: fitted(c.log2(), -e.log2()))
wrong(ORDER, "log", lambda c, e: -fitted(c, e))
wrong(ORDER, "log|both", lambda c, e: -fitted(c, e.log()))
wrong(
    ORDER,
    "first and|ends|all points|best|two",
    lambda c, e: -float((e[-1] / e[0]).log() / (c[-1] / c[0]).log()),
)
wrong(ORDER, "axes|places|upside|1 divided|turned", lambda c, e: -fitted(e.log(), c.log()))
wrong(
    ORDER,
    "mean|origin|constant|through 0",
    lambda c, e: -float((c.log() * e.log()).sum() / (c.log() ** 2).sum()),
)
wrong(
    ORDER,
    "two|all points|best|last",
    lambda c, e: -float((e[-1] / e[-2]).log() / (c[-1] / c[-2]).log()),
)
wrong(
    ORDER,
    "n - 1|factor|divid|mean|sum",
    lambda c, e: -float(torch.stack([c.log(), e.log()]).cov()[0, 1] / c.log().var(correction=0)),
)
wrong(ORDER, "times|factor|log", lambda c, e: -fitted(c.log10(), e.log()))


def cheapest(
    error: Any, jumps: int, cost: Callable[[list[float]], float] = sum, fewer: bool = False
) -> list[int]:
    """The best of all ways, by trying each of them."""
    end = len(error) - 1
    ways = [
        [end, *sorted(stops, reverse=True), 0]
        for count in (range(1, jumps + 1) if fewer else [jumps])
        for stops in itertools.combinations(range(1, end), count - 1)
    ]
    return min(ways, key=lambda w: cost([error[a, b].item() for a, b in itertools.pairwise(w)]))


def from_zero(error: Any, calls: int) -> list[int]:
    """The cheapest last jump first, and so on backwards."""
    end, way = len(error) - 1, [0]
    for left in range(calls - 1, 0, -1):
        way.append(min(range(way[-1] + 1, end - left + 1), key=lambda t: error[t, way[-1]].item()))
    return [*way, end][::-1]


TIMES = "solvers.best_times"
right(TIMES, cheapest, lambda e, k: torch.tensor(cheapest(e, k)))
wrong(TIMES, "even|equal", lambda e, k: torch.linspace(len(e) - 1, 0, k + 1).round().int().tolist())
wrong(TIMES, "greed|cheapest|each|at once", from_zero)
wrong(TIMES, "exactly|fewer|shape|no fewer", lambda e, k: cheapest(e, k, fewer=True))
wrong(TIMES, "order|revers", lambda e, k: cheapest(e, k)[::-1])
wrong(TIMES, "largest|sum|worst|add", lambda e, k: cheapest(e, k, max))
wrong(TIMES, "largest|most|worst|smallest|least", lambda e, k: cheapest(-e, k))
wrong(TIMES, "rows|turned|places|\\[s, t\\]", lambda e, k: cheapest(e.T, k))
wrong(TIMES, "0|last|end|shape", lambda e, k: cheapest(e, k)[:-1])
wrong(TIMES, "one more|jumps|shape", lambda e, k: cheapest(e, k + 1))
wrong(TIMES, "one less|fewer|jumps|shape", lambda e, k: cheapest(e, k - 1))

# -- loss -------------------------------------------------------------------------------------

right("loss.zero_model", 1.0, torch.ones(()))
wrong("loss.zero_model", "0|noise|nothing", 0)
wrong("loss.zero_model", "mean|sum|pixel", 64)
wrong("loss.zero_model", "abs|squar|root", math.sqrt(2 / math.pi))
wrong("loss.zero_model", "twice|once|large|0", 2)


def by_bars(batch: int, T: int, generator: torch.Generator) -> Any:
    """Uniform numbers, rounded: the ends come half as often."""
    return (torch.rand(batch, generator=generator) * (T - 1)).round().long() + 1


def of_its_own(batch: int, T: int, generator: torch.Generator) -> Any:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(1, T + 1, (batch,), generator=generator)


DRAW = "loss.draw_t"
right(
    DRAW,
    lambda n, T, g: torch.multinomial(torch.ones(T), n, True, generator=g) + 1,
    lambda n, T, g: torch.empty(n, dtype=torch.int64).random_(1, T + 1, generator=g),
)
wrong(DRAW, "0", lambda n, T, g: torch.randint(0, T, (n,), generator=g))
wrong(DRAW, "T|never", lambda n, T, g: torch.randint(1, T, (n,), generator=g))
wrong(DRAW, "whole|int|float|fraction", lambda n, T, g: torch.rand(n, generator=g) * (T - 1) + 1)
wrong(DRAW, "often|ends|uniform|equal", by_bars)
wrong(DRAW, "random|generator", lambda n, T, g: torch.arange(n) % T + 1)
wrong(DRAW, "generator", lambda n, T, g: torch.randint(1, T + 1, (n,)))
wrong(
    DRAW,
    "T \\+ 1|1 to|too|outside|beyond",
    lambda n, T, g: torch.randint(1, T + 2, (n,), generator=g),
)
wrong(DRAW, "generator", of_its_own)

WEIGHT = "loss.weight"
right(
    WEIGHT,
    lambda b, a, v: (b / (sp.sqrt(1 - b) * sp.sqrt(1 - a))) ** 2 / (2 * v),
    lambda b, a, v: b**2 / (2 * sp.sqrt(v) ** 2 * (1 - b - a + a * b)),
)
wrong(WEIGHT, "squar", lambda b, a, v: b / (2 * v * (1 - b) * (1 - a)))
wrong(WEIGHT, "factor|2|half", lambda b, a, v: b**2 / (v * (1 - b) * (1 - a)))
wrong(WEIGHT, "ᾱ|α|stands", lambda b, a, v: b**2 / (2 * v * a * (1 - a)))
wrong(WEIGHT, "1 - ᾱ|denominator|ᾱ", lambda b, a, v: b**2 / (2 * v * (1 - b)))
wrong(WEIGHT, "root|squar", lambda b, a, v: b**2 / (2 * v * (1 - b) * sp.sqrt(1 - a)))
wrong(WEIGHT, "squar|variance", lambda b, a, v: b**2 / (2 * v**2 * (1 - b) * (1 - a)))
wrong(WEIGHT, "root|squar", lambda b, a, v: b / (2 * v * sp.sqrt(1 - b) * sp.sqrt(1 - a)))
wrong(WEIGHT, "variance|σ|β", lambda b, a, v: b / (2 * (1 - b) * (1 - a)))
wrong(WEIGHT, "upside|1 divided", lambda b, a, v: 2 * v * (1 - b) * (1 - a) / b**2)

# -- reverse ----------------------------------------------------------------------------------

BACK = "reverse.posterior_variance"
right(
    BACK,
    lambda b, p: 1 / ((1 - b) / b + 1 / (1 - p)),
    lambda b, p: b * (1 - p) / (1 - p + b * p),
)
wrong(BACK, "second|term|prior|other", lambda b, p: b / (1 - b))
wrong(BACK, "β", lambda b, p: b)
wrong(BACK, "add|sum|precision|1 divided", lambda b, p: b + 1 - p)
wrong(BACK, "α|factor|1 - ", lambda b, p: b * (1 - p) / (b + 1 - p))
wrong(BACK, "1 divided|upside|precision", lambda b, p: (1 - b) / b + 1 / (1 - p))
wrong(BACK, "root|standard", lambda b, p: sp.sqrt(b * (1 - p) / (1 - (1 - b) * p)))
wrong(BACK, "1 minus|1 - ", lambda b, p: b * p / (1 - (1 - b) * p))
wrong(BACK, "factor|half|2", lambda b, p: b * (1 - p) / (1 - (1 - b) * p) / 2)
wrong(BACK, "α|1 - β|β", lambda b, p: (1 - b) * (1 - p) / (1 - (1 - b) * p))


def mixture(x: Any, y: Any, t: Any, beta: Any, form: str = "") -> Any:
    bar = torch.cumprod(1 - beta, 0)
    if form == "shifted":  # step 1 at entry 0
        bar = torch.cat([torch.cumprod(1 - beta[1:], 0), bar[-1:]])
    B, now, before = (a[:, None] for a in (beta[t], bar[t], bar[t - 1]))
    alpha = {"bar": now, "beta": B}.get(form, 1 - B)
    first, second = before.sqrt() * B, alpha.sqrt() * (1 - before)
    if form == "now":
        first = now.sqrt() * B
    if form == "noroots":
        first, second = before * B, alpha * (1 - before)
    if form == "places":
        first, second = second, first
    if form == "whole":
        return first * x + second * y
    if form == "half":
        return first * x + second * y / (1 - now)
    if form == "only":
        return second * y / (1 - now)
    return (first * x + second * y) / (1 - now)


MIXTURE = "reverse.posterior_mean"
right(
    MIXTURE,
    mixture,
    lambda x, y, t, b: torch.stack(
        [mixture(x[i : i + 1], y[i : i + 1], t[i : i + 1], b)[0] for i in range(len(x))]
    ),
)
for _form, _told in (
    ("bar", "ᾱ"),
    ("now", "one off|ᾱ|late|index"),
    ("places", "places"),
    ("noroots", "root"),
    ("whole", "denominator|divid"),
    ("half", "bracket|denominator|divid"),
    ("shifted", "one off|index|late|early"),
    ("beta", "β|1 minus|α|1 - "),
    ("only", "x_0|term"),
):
    wrong(MIXTURE, _told, lambda x, y, t, b, form=_form: mixture(x, y, t, b, form))
wrong(
    MIXTURE,
    "None|shape|axis|axes",
    lambda x, y, t, b: (
        (
            torch.cumprod(1 - b, 0)[t - 1].sqrt() * b[t] * x
            + (1 - b[t]).sqrt() * (1 - torch.cumprod(1 - b, 0)[t - 1]) * y
        )
        / (1 - torch.cumprod(1 - b, 0)[t])
    ),
)

# -- beyond -----------------------------------------------------------------------------------


def any_jump(x: Any, e: Any, z: Any, t: int, s: int, eta: float, a: Any, form: str = "") -> Any:
    now, then = float(a[t]), float(a[t - 1 if form == "next" else s])
    guess = (x - math.sqrt(1 - now) * e) / math.sqrt(now)
    if form == "clip":
        guess = guess.clamp(-1, 1)
    inner = 1 - (now if form == "inner" else now / then)
    variance = (eta if form == "eta" else eta**2) * (1 - then) / (1 - now) * inner
    size = variance if form == "variance" else math.sqrt(variance)
    kept = max(1 - then - (0 if form == "full" else variance), 0)
    if form != "direction":
        kept = math.sqrt(kept)
    signal = math.sqrt(now if form == "signal" else then)
    return signal * guess + kept * e + (0 if form == "none" else size) * z


JUMP = "beyond.ddim_step"
right(JUMP, any_jump, lambda x, e, z, *rest: any_jump(x.double(), e.double(), z.double(), *rest))
for _form, _told in (
    ("full", "kept|variance|σ|term|share|both"),
    ("variance", "root|squar"),
    ("eta", "squar|η|`eta`"),
    ("clip", "clip|clamp|bound|within"),
    ("inner", "ᾱ_s|fraction|denominator|factor"),
    ("signal", "ᾱ_t|places|stands"),
    ("none", "z|term|fresh"),
    ("next", "t - 1|s\\b|one step"),
    ("direction", "root"),
):
    wrong(
        JUMP,
        _told,
        lambda x, e, z, t, s, n, a, form=_form: any_jump(x, e, z, t, s, n, a, form),
    )
