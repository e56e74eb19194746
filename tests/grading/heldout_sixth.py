"""Held-out answers, the sixth set: the tasks of masked diffusion, from the notebook alone.

Two or three right answers a task, in different styles, and wrong ones that people write.
"""

from typing import Any

import torch
import torch.nn.functional as F
from heldout import collect
from torch import Tensor

RIGHT, WRONG, right, wrong = collect()


def coins(like: Tensor, chance: Any, g: Any) -> Tensor:
    """True with this chance, one for each entry of ``like``, a row's own chance for each row."""
    chance = torch.as_tensor(chance)
    if chance.ndim == 1:
        chance = chance[:, None]
    return torch.rand(like.shape, generator=g) < chance


# -- hide -------------------------------------------------------------------------------------

TASK = "masked.hide"


def _bernoulli(x_0: Tensor, t: Tensor, alpha_bar: Tensor, values: int, generator: Any) -> Tensor:
    kept = alpha_bar[t].unsqueeze(1).repeat(1, x_0.size(1))
    return x_0.masked_fill(torch.bernoulli(1 - kept, generator=generator).bool(), values)


def _place_by_place(
    x_0: Tensor, t: Tensor, alpha_bar: Tensor, values: int, generator: Any
) -> Tensor:
    """A walk: in step s what is still open stays so with the chance ᾱ_s / ᾱ_{s-1}."""
    x = x_0.clone()
    for s in range(1, len(alpha_bar)):
        u = torch.rand(x.shape, generator=generator, dtype=torch.float64)
        goes = (u * alpha_bar[s - 1] >= alpha_bar[s]) & (t[:, None] >= s)
        x[goes] = values
    return x


def _products(x_0: Tensor, t: Tensor, alpha_bar: Tensor, values: int, generator: Any) -> Tensor:
    open_ = (torch.rand(*x_0.shape, generator=generator) < alpha_bar[t][:, None]).long()
    return open_ * x_0 + (1 - open_) * values


right(TASK, _bernoulli)
right(TASK, _place_by_place)
right(TASK, _products)
wrong(
    TASK,
    "turned|other way|open|1 -",
    lambda x, t, a, k, generator: torch.where(coins(x, a[t], generator), k, x),
)
wrong(
    TASK,
    "row|each place|whole|same|by itself",
    lambda x, t, a, k, generator: torch.where(
        torch.rand(len(x), 1, generator=generator) < a[t][:, None], x, k
    ),
)
wrong(
    TASK,
    "batch|row|same places|by itself|every row",
    lambda x, t, a, k, generator: torch.where(
        torch.rand(x.shape[1], generator=generator) < a[t][:, None], x, k
    ),
)
wrong(
    TASK,
    "t - 1|before|one off|index|step",
    lambda x, t, a, k, generator: torch.where(coins(x, a[t - 1], generator), x, k),
)
wrong(
    TASK,
    "[Rr]oot",
    lambda x, t, a, k, generator: torch.where(coins(x, a[t].sqrt(), generator), x, k),
)
wrong(
    TASK,
    "mask|number|values|K",
    lambda x, t, a, k, generator: torch.where(coins(x, a[t], generator), x, k - 1),
)


def _count(x: Tensor, t: Tensor, a: Tensor, k: int, generator: Any) -> Tensor:
    """As many masks in each row as are expected, not each place by itself."""
    order = torch.rand(x.shape, generator=generator).argsort(1).argsort(1)
    return torch.where(order < (a[t] * x.shape[1]).round()[:, None], x, k)


wrong(TASK, "exact|same number|each place|by itself|as many|count", _count)
wrong(
    TASK,
    "random value|mask|values",
    lambda x, t, a, k, generator: torch.where(
        coins(x, a[t], generator), x, torch.randint(k, x.shape, generator=generator)
    ),
)

# -- opens ------------------------------------------------------------------------------------

TASK = "masked.opens"
right(TASK, lambda a, t, s: 1 - (1 - a[s]) / (1 - a[t]))
right(
    TASK,
    lambda a, t, s: torch.stack(
        [(a[j] - a[i]) / (1 - a[i]) for i, j in zip(t.tolist(), s.tolist(), strict=True)]
    ),
)


def _lifetimes(a: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """The chance of each step to be the one that masks; those after s, of those until t."""
    step = torch.cat([torch.zeros(1), a[:-1] - a[1:]])
    number = torch.arange(len(a))
    until = ((number <= t[:, None]) * step).sum(1)
    late = ((number <= t[:, None]) & (number > s[:, None])) * step
    return late.sum(1) / until


right(TASK, _lifetimes)
wrong(TASK, "t - 1|earlier|s\\b", lambda a, t, s: (a[t - 1] - a[t]) / (1 - a[t]))
wrong(TASK, "divid|masked|all places|share", lambda a, t, s: a[s] - a[t])
wrong(TASK, "stays|still masked|other|1 minus|1 -", lambda a, t, s: (1 - a[s]) / (1 - a[t]))
wrong(
    TASK, "1 - ᾱ_?\\{?s|masked at t|below|bottom|divid", lambda a, t, s: (a[s] - a[t]) / (1 - a[s])
)
wrong(TASK, "open|divid|1 - |bottom", lambda a, t, s: (a[s] - a[t]) / a[s])
wrong(TASK, "known|masked at|given|whatever|condition", lambda a, t, s: a[s])
wrong(TASK, "even|s / t|shares", lambda a, t, s: (t - s).double() / t)

# -- step_back --------------------------------------------------------------------------------

TASK = "masked.step_back"


def _one_table(chances: Tensor, x_t: Tensor, share: Tensor, generator: Any) -> Tensor:
    """One draw from K + 1 chances."""
    s = share[:, None, None]
    law = torch.cat([s * chances, (1 - s).expand(-1, x_t.shape[1], 1)], 2)
    drawn = torch.multinomial(law.reshape(-1, law.shape[2]), 1, generator=generator)
    return torch.where(x_t == chances.shape[2], drawn.view_as(x_t), x_t)


def _inverse(chances: Tensor, x_t: Tensor, share: Tensor, generator: Any) -> Tensor:
    """One number a place: below the share it opens, and where it falls there is the value."""
    u = torch.rand(x_t.shape, generator=generator, dtype=torch.float64)
    steps = (chances.double() * share.double()[:, None, None]).cumsum(-1)
    steps[..., -1] = share[:, None].double()
    fell = (u[..., None] >= steps).sum(-1)
    return x_t.where(x_t != chances.size(-1), fell)


def _gumbel(chances: Tensor, x_t: Tensor, share: Tensor, generator: Any) -> Tensor:
    K = chances.shape[-1]
    u = torch.rand(chances.shape, generator=generator, dtype=torch.float64)
    value = (chances.double().log() - (-u.log()).log()).argmax(-1)
    out = x_t.clone()
    goes = (x_t == K) & (torch.rand(x_t.shape, generator=generator) < share[:, None])
    out[goes] = value[goes]
    return out


right(TASK, _one_table)
right(TASK, _inverse)
right(TASK, _gumbel)


def _step(chances: Tensor, x_t: Tensor, share: Tensor, generator: Any, form: str = "") -> Tensor:
    K = chances.shape[-1]
    if form == "uniform":
        chances = torch.ones_like(chances) / K
    drawn = torch.multinomial(chances.flatten(0, 1), 1, generator=generator).view_as(x_t)
    if form == "likely":
        drawn = chances.argmax(-1)
    goes = coins(x_t, share, generator)
    if form == "row":
        goes = (torch.rand(len(x_t), 1, generator=generator) < share[:, None]).expand_as(x_t)
    if form == "all":
        goes = torch.ones_like(goes)
    if form == "turned":
        goes = ~goes
    if form == "first":
        goes = coins(x_t, share[0], generator)
    if form == "again":
        return torch.where(goes, drawn, x_t)
    if form == "closes":
        return torch.where(goes, drawn, K)
    return torch.where(goes & (x_t == K), drawn, x_t)


wrong(TASK, "open|stays|again", lambda *a: _step(*a, "again"))
wrong(TASK, "likeliest|drawn|largest|argmax", lambda *a: _step(*a, "likely"))
wrong(TASK, "by itself|row|each|whole", lambda *a: _step(*a, "row"))
wrong(TASK, "share|all|stay", lambda *a: _step(*a, "all"))
wrong(TASK, "other way|turned|1 -|share", lambda *a: _step(*a, "turned"))
wrong(TASK, "network|chances|even", lambda *a: _step(*a, "uniform"))
wrong(TASK, "row|first", lambda *a: _step(*a, "first"))
wrong(TASK, "open|masked again|stays", lambda *a: _step(*a, "closes"))

# -- masked_loss ------------------------------------------------------------------------------

TASK = "masked.masked_loss"


def _loss(
    logits: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, alpha_bar: Tensor, form: str = ""
) -> Tensor:
    K = logits.shape[-1]
    share = (alpha_bar[t - 1] - alpha_bar[t]) / (1 - alpha_bar[t])
    if form == "width":
        share = alpha_bar[t - 1] - alpha_bar[t]
    if form == "stay":
        share = 1 - share
    if form == "no weight":
        share = torch.ones_like(share)
    if form == "1/t":
        share = 1 / t.double()
    if form == "next":
        share = (alpha_bar[t - 1] - alpha_bar[t]) / (1 - alpha_bar[t - 1] + 1e-9)
    cost = F.cross_entropy(logits.transpose(1, 2), x_0, reduction="none")
    if form == "bits":
        cost = cost / torch.log(torch.tensor(2.0))
    if form == "sign":
        cost = -cost
    if form == "chance":
        cost = 1 - (-cost).exp()
    if form == "double":
        cost = F.cross_entropy(logits.softmax(-1).transpose(1, 2), x_0, reduction="none")
    hidden = x_t == K
    if form == "open":
        hidden = ~hidden
    if form == "every":
        hidden = torch.ones_like(hidden)
    row = (cost * hidden).sum(1)
    if form == "mean":
        row = row / hidden.sum(1).clamp(min=1)
    if form == "places":
        row = row / x_0.shape[1]
    return (share * row).sum() if form == "sum" else (share * row).mean()


def _gathered(logits: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    rows, places = (x_t == logits.shape[2]).nonzero(as_tuple=True)
    said = logits[rows, places].log_softmax(1)[torch.arange(len(rows)), x_0[rows, places]]
    when = t[rows]
    share = 1 - (1 - alpha_bar[when - 1]) / (1 - alpha_bar[when])
    return -(share * said).sum() / len(x_0)


def _in_a_loop(logits: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    total = logits.sum() * 0
    for b in range(len(x_0)):
        k = int(t[b])
        share = float((alpha_bar[k - 1] - alpha_bar[k]) / (1 - alpha_bar[k]))
        for n in range(x_0.shape[1]):
            if x_t[b, n] == logits.shape[-1]:
                total = total - share * logits[b, n].softmax(0)[x_0[b, n]].log()
    return total / len(x_0)


right(TASK, _loss)
right(TASK, _gathered)
right(TASK, _in_a_loop)
for form, said in {
    "every": "open|masked places|all",
    "open": "open|other way|masked",
    "no weight": "chance|weight|share|opens",
    "width": "divid|1 - |masked",
    "stay": "stay|1 minus|other|opens",
    "1/t": "1/t|1 / t|even|table",
    "next": "t - 1|1 - ᾱ|divid|bottom",
    "mean": "mean|sum|add|divid|number of masks",
    "places": "mean|sum|add|places|divid",
    "sum": "mean|sum|rows|batch",
    "sign": "sign|minus",
    "chance": "log",
    "double": "softmax|logits|twice",
    "bits": "nats|log|2",
}.items():
    wrong(TASK, said, lambda *a, form=form: _loss(*a, form=form))
wrong(
    TASK,
    "train|number|tensor|grad|detach",
    lambda *a: float(_loss(*a)),
)

# -- wrong_line -------------------------------------------------------------------------------

TASK = "masked.wrong_line"
right(TASK, 2)
right(TASK, torch.tensor(2))
wrong(TASK, "", 1)
wrong(TASK, "", 3)
wrong(TASK, "", 4)

# -- together ---------------------------------------------------------------------------------

TASK = "masked.together"
right(TASK, lambda a: sum((float(a[k - 1]) - float(a[k])) ** 2 for k in range(1, len(a))))
right(TASK, lambda a: torch.diff(a) @ torch.diff(a))
right(TASK, lambda a: float((-a.diff()).pow(2).sum()))


def _from_the_back(a: Tensor) -> float:
    """Both are masked at t; both, one or none open."""
    both, found = 1.0, 0.0
    for k in range(len(a) - 1, 0, -1):
        share = float((a[k - 1] - a[k]) / (1 - a[k]))
        found += both * share**2
        both *= (1 - share) ** 2
    return found


right(TASK, _from_the_back)
wrong(TASK, "step|1|one|add|square", lambda a: float((a[:-1] - a[1:]).sum()))
wrong(TASK, "even|1/T|T", lambda a: 1 / (len(a) - 1))
wrong(
    TASK,
    "masked|given|divid|already|still",
    lambda a: float((((a[:-1] - a[1:]) / (1 - a[1:])) ** 2).sum()),
)
wrong(TASK, "differen|other|not|1 minus|1 -", lambda a: 1 - float((a.diff() ** 2).sum()))
wrong(TASK, "twice|2|factor|pair|half", lambda a: 2 * float((a.diff() ** 2).sum()))
wrong(TASK, "mean|sum|add|divid|T", lambda a: float((a.diff() ** 2).mean()))
wrong(TASK, "root|square", lambda a: float((a.diff() ** 2).sum().sqrt()))
wrong(TASK, "open|ᾱ|step|differen", lambda a: float((a**2).sum()))
wrong(TASK, "first|last|step|miss", lambda a: float((a.diff()[:-1] ** 2).sum()))

# -- right_sums -------------------------------------------------------------------------------

TASK = "masked.right_sums"


def _spelled(words: Tensor) -> float:
    good = [
        10 not in row and f"{row[0] + row[1]:02d}" == f"{row[2]}{row[3]}" for row in words.tolist()
    ]
    return sum(good) / len(good)


def _dotted(words: Tensor) -> Tensor:
    zero = words @ torch.tensor([1, 1, -10, -1]) == 0
    return (zero & (words.amax(1) < 10)).double().mean()


def _listed(words: Tensor) -> float:
    known = {(a, b, (a + b) // 10, (a + b) % 10) for a in range(10) for b in range(10)}
    return len([row for row in words.tolist() if tuple(row) in known]) / words.shape[0]


right(TASK, _spelled)
right(TASK, _dotted)
right(TASK, _listed)


def _sums(words: Tensor, form: str = "") -> float:
    a, b, c, d = words.T
    whole = (words < 10).all(1)
    if form == "any":
        whole = (words < 10).any(1)
    if form == "answer":
        whole = (words[:, 2:] < 10).all(1)
    if form == "mask":
        whole = torch.ones_like(whole)
    value = {"swap": c + 10 * d, "last": d, "plus": c + d}.get(form, 10 * c + d)
    good = (a + b == value) & whole
    if form == "ones":
        good = ((a + b) % 10 == d) & whole
    if form == "of whole":
        return float(good.sum() / whole.sum())
    if form == "count":
        return float(good.sum())
    if form == "percent":
        return 100 * float(good.double().mean())
    if form == "wrong":
        return 1 - float(good.double().mean())
    return float(good.double().mean())


for form, said in {
    "mask": "mask|10",
    "of whole": "all rows|masked|every|divid",
    "count": "share|number|rows|divid",
    "percent": "share|percent|100",
    "wrong": "wrong|other|1 minus|right",
    "swap": "10c|ten|digits|order|swap|place",
    "last": "10|ten|c\\b|digit",
    "plus": "10|ten|c\\b|digit",
    "ones": "ten|carry|c\\b|digit",
    "any": "mask|place|all",
    "answer": "mask|place|a\\b|all|first",
}.items():
    wrong(TASK, said, lambda w, form=form: _sums(w, form))
