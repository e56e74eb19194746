"""Tasks on masked diffusion: places that are masked one after another, and guessed again."""

from __future__ import annotations

import itertools
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task
from ddpm_course.grading.tasks.lines import Broken
from ddpm_course.symbolic import notation as nt

# -- the questions ------------------------------------------------------------------------------


def _open_shares(g: torch.Generator, T: int, power: float) -> Tensor:
    """(T+1,) float64: ᾱ falls from 1 to 0, and not evenly: as (1 - t/T) to a power near to this."""
    left = 1 - torch.arange(T + 1, dtype=torch.float64) / T
    return left ** (power + 0.2 * torch.rand((), generator=g, dtype=torch.float64))


def _whole(found: Tensor | tuple[Tensor, ...]) -> Tensor:
    """The answer as (B, N) whole numbers; refuses what a network could not take."""
    if isinstance(found, tuple):
        raise TypeError(f"{len(found)} things came back; one tensor is asked for, (B, N)")
    found = torch.as_tensor(found)
    if found.is_floating_point() or found.is_complex() or found.dtype == torch.bool:
        raise TypeError(f"the values have dtype {found.dtype}; whole numbers (int64) are asked for")
    if found.ndim != 2:
        raise ValueError(f"the values have shape {tuple(found.shape)}; (B, N) is asked for")
    return found


def _habit(acted: Tensor, may: Tensor, kinds: Tensor) -> int:
    """What chance has no part in; 0 where each place has a chance of its own.

    acted, may: (B, N) which places were changed, of those that may be. kinds: (B,) a number that
    rows of one kind share. 1: all rows of a kind alike; 2: a row as a whole or not at all; 3: as
    many in each row of a kind.
    """
    count, most = (acted & may).sum(1), may.sum(1)
    mixed = [k for k in kinds.unique() if 0 < count[kinds == k].sum() < most[kinds == k].sum()]
    if not mixed:
        return 0
    if all((acted[kinds == k] == acted[kinds == k][0]).all() for k in mixed):
        return 1
    if ((count == 0) | (count == most)).all():
        return 2
    return 3 if all(len(count[kinds == k].unique()) == 1 for k in mixed) else 0


# -- masking ------------------------------------------------------------------------------------


def hide(
    x_0: Tensor, t: Tensor, alpha_bar: Tensor, values: int, generator: torch.Generator
) -> Tensor:
    """(B, N) int64: x_t, where the number `values` stands for the mask.

    x_0: (B, N) int64 in 0..values - 1; t: (B,) int64 in 1..T; alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    chance = torch.rand(x_0.shape, generator=generator, dtype=torch.float64)
    return torch.where(chance < alpha_bar[t][:, None], x_0, values)
    ### END SOLUTION


_HIDDEN = {1800: (6, 4, 3), 2100: (9, 5, 2)}  # B: T, N, K
_FAR = 0.07  # more than five standard errors of any share


def _words(B: int) -> tuple[Tensor, Tensor]:
    """(B, N) the clean values of a question, and (B,) its three times, in turn."""
    T, N, K = _HIDDEN[B]
    rows = torch.arange(B)
    return (rows[:, None] // 3 + torch.arange(N)) % K, torch.tensor([2, T, T - 3])[rows % 3]


def _masks(x_t: Tensor) -> tuple[int, Tensor, Tensor, Tensor, Tensor]:
    """What chance had no part in, and for each time the share of what is open, masked, masked
    beside a masked one, and 0."""
    x_t = _whole(x_t)
    if len(x_t) not in _HIDDEN or x_t.shape[1] != _HIDDEN[len(x_t)][1]:
        raise ValueError(f"the values have shape {tuple(x_t.shape)}; that of x_0 is asked for")
    x_0, t = _words(len(x_t))
    values = _HIDDEN[len(x_t)][2]
    masked = x_t == values
    habit = _habit(masked, torch.ones_like(masked), t)
    pair = masked[:, 1:] & masked[:, :-1]
    kept, hidden, both, zeros = (
        torch.stack([found[t == one].double().mean() for one in t[:3]]) * (habit == 0)
        for found in (x_t == x_0, masked, pair, x_t == 0)
    )
    return habit, kept, hidden, both, zeros


def _hide_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for (B, (T, _, K)), power in zip(_HIDDEN.items(), (1.6, 0.4), strict=True):
        x_0, t = _words(B)
        args = (x_0, t, _open_shares(g, T, power), K, draw.generator(seed + B))
        cases.append(Case(args, rtol=0, atol=_FAR))
    return cases


def _hide(
    x_0: Tensor, t: Tensor, alpha_bar: Tensor, values: int, g: torch.Generator, form: str
) -> Tensor:
    kept = alpha_bar[t]
    if form == "one step":
        kept = kept / alpha_bar[t - 1]
    if form == "before":
        kept = alpha_bar[t - 1]
    if form == "turned":
        kept = 1 - kept
    if form == "first":
        kept = alpha_bar[t[:1]].expand(len(t))
    if form == "even":
        kept = 1 - t / (len(alpha_bar) - 1)
    if form == "roots":
        kept = kept.sqrt()
    if form == "fixed":
        order = torch.rand(x_0.shape, generator=g).argsort(1)
        return torch.where(order < (kept[:, None] * x_0.shape[1]).round(), x_0, values)
    size = {"rows": (len(x_0), 1), "batch": (1, x_0.shape[1])}.get(form, x_0.shape)
    number = torch.randn if form == "normal" else torch.rand
    open_ = number(size, generator=g, dtype=torch.float64) < kept[:, None]
    if form == "noise":
        return torch.where(open_, x_0, torch.randint(values, x_0.shape, generator=g))
    return torch.where(open_, x_0, {"zero": 0, "last": values - 1, "minus": -1}.get(form, values))


HIDE = Task(
    name="masked.hide",
    title="Mask a batch",
    points=2,
    minutes=6,
    prompt=r"""
You are given clean rows `x_0`, a step `t` for each row, the shares $\bar\alpha$ that are open
after each step, and the number `values` of values that a place may have. At its step $t$ each
place of a row is still open with the chance $\bar\alpha_t$, whatever the other places do.
Else it is masked, and holds the number `values`. Draw $x_t$, with the generator that is given.
(The check draws some thousand rows and looks at how much is masked, and where.) Return one tensor
of whole numbers, of the shape of `x_0`.""",
    hint="`torch.rand(..., generator=generator)` gives numbers between 0 and 1. How many of them "
    r"are below $\bar\alpha_t$?",
    lesson="one draw goes from x_0 to any t: nobody has to walk through the steps between.",
    reference=hide,
    cases=_hide_cases,
    observe=_masks,
    outputs=(
        "the way in which places are chosen",
        "the share of open places at each t",
        "the share of masked places at each t",
        "the share of neighbors that are both masked",
        "the share of zeros at each t",
    ),
    mistakes=(
        Mistake("Open and masked are turned round: ᾱ_t stays open.", partial(_hide, form="turned")),
        Mistake(
            "That is what one step leaves open; t steps leave ᾱ_t open.",
            partial(_hide, form="one step"),
        ),
        Mistake("This has masked t - 1 steps; there were t.", partial(_hide, form="before")),
        Mistake(
            "The whole batch uses the t of its first row; each has its own.",
            partial(_hide, form="first"),
        ),
        Mistake(
            "1 - t/T is open where masking is even; use `alpha_bar`.", partial(_hide, form="even")
        ),
        Mistake(
            "Roots belong to sizes of noise; a chance has none here.", partial(_hide, form="roots")
        ),
        Mistake(
            "A row is masked as a whole or not at all: each place needs a number of its own.",
            partial(_hide, form="rows"),
        ),
        Mistake(
            "All rows are masked at the same places: each row needs numbers of its own.",
            partial(_hide, form="batch"),
        ),
        Mistake(
            "Each row has as many masks as the others with its t: chance has no part in how many.",
            partial(_hide, form="fixed"),
        ),
        Mistake(
            "0 stands for the mask, and is a value, too: nobody can tell them apart.",
            partial(_hide, form="zero"),
        ),
        Mistake(
            "The last value stands for the mask: values end at `values - 1`.",
            partial(_hide, form="last"),
        ),
        Mistake(
            "What is masked holds another number than `values`, which stands for the mask.",
            partial(_hide, form="minus"),
        ),
        Mistake(
            "Normal numbers lie outside 0..1, too: `torch.rand` gives those between 0 and 1.",
            partial(_hide, form="normal"),
        ),
        Mistake(
            "A random value stands where the mask belongs: the network could not see what is "
            "hidden.",
            partial(_hide, form="noise"),
        ),
    ),
    picture="""
digits = (data.digits()[[0, 1, 2, 4, 6, 7, 8, 9]] > 0).long().flatten(1)
table = 1 - torch.arange(11, dtype=torch.float64) / 10


def seen(x_t):
    ink = 2.0 * torch.as_tensor(x_t).reshape(-1, 1, 8, 8) - 1
    return torch.where(ink > 1, torch.zeros(()), ink)  # a mask is gray


rows = []
for step in (1, 5, 8):
    g = torch.Generator().manual_seed(step)
    rows.append(seen(hide(digits, torch.full((8,), step), table, 2, g)))
plots.show_images(rows, ["t = 1", "t = 5", "t = 8"], pixels=True)
plt.title("gray: masked", fontsize=10)
plt.show()
""",
    alt="Three rows of eight digits, black and white: at t = 1 some pixels are gray, at t = 5 half "
    "of them, at t = 8 most of them, and no digit can be read.",
    play="""
# Play: drag t. From which t on can you not read the digits?
masked_at = {
    step: hide(digits, torch.full((8,), step), table, 2, torch.Generator().manual_seed(0))
    for step in range(1, 11)
}


def show(t):
    return plots.show_images([seen(masked_at[t])], pixels=True)


def describe(t):
    share = (torch.as_tensor(masked_at[t]) == 2).double().mean()
    return f"At t = {t} of 10 the masks cover {share:.0%} of eight digits."


Explorer(show, describe, t=list(masked_at))
""",
)

# -- how much is opened -------------------------------------------------------------------------


def opens(alpha_bar: Tensor, t: Tensor, s: Tensor) -> Tensor:
    """(B,) the chance that a place which is masked at step t is open at the earlier step s.

    alpha_bar: (T+1,) float64; t, s: (B,) int64 with 0 <= s < t <= T.
    """
    ### BEGIN SOLUTION
    now, then = alpha_bar[t], alpha_bar[s]
    return (then - now) / (1 - now)
    ### END SOLUTION


def _opens_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for (B, T), power in zip(draw.SIZES, (1.6, 0.4), strict=True):
        t = torch.randint(4, T, (B,), generator=g)
        t[1] = T
        s = (t * (0.2 + 0.5 * torch.rand(B, generator=g))).long()
        s[0], s[2] = t[0] - 1, 0
        cases.append(Case((_open_shares(g, T, power), t, s), along=t.tolist()))
    return cases


def _reveals(alpha_bar: Tensor) -> Tensor:
    """(T,) the chance that a mask opens, in the steps back from 1..T."""
    return -alpha_bar.diff() / (1 - alpha_bar[1:])


def _added(alpha_bar: Tensor) -> Tensor:
    """(T+1,) their running sums."""
    return F.pad(_reveals(alpha_bar).cumsum(0), (1, 0))


OPENS = Task(
    name="masked.opens",
    title="How often does a mask open?",
    points=1,
    minutes=5,
    prompt=r"""
A sampler need not take all steps: it may jump from $t$ to any earlier $s$. You are given the
shares $\bar\alpha$ and a pair of $t$ and $s$ for each entry. A place is masked at $t$. With
which chance was it open at $s$? Return one chance for each pair.""",
    hint="Of all places, which share is open at $s$ and masked at $t$? And which share is masked "
    "at $t$?",
    lesson="for s = 0 it is 1: the last jump opens all that is left.",
    reference=opens,
    cases=_opens_cases,
    mistakes=(
        Mistake(
            "That is the share of all places; this place is known to be masked at t.",
            lambda a, t, s: a[s] - a[t],
        ),
        Mistake(
            "This divides by what is masked at s; what is known is that it is masked at t.",
            lambda a, t, s: (a[s] - a[t]) / (1 - a[s]),
        ),
        Mistake(
            "This is the chance that an open place is masked on the way from s to t.",
            lambda a, t, s: 1 - a[t] / a[s],
        ),
        Mistake(
            "This is the chance that it stays masked.", lambda a, t, s: (1 - a[s]) / (1 - a[t])
        ),
        Mistake(
            "This is for one step, from t to t - 1; the jump goes to s.",
            lambda a, t, s: (a[t - 1] - a[t]) / (1 - a[t]),
        ),
        Mistake("This holds where masking is even; use `alpha_bar`.", lambda a, t, s: (t - s) / t),
        Mistake("1/t is one step of even masking; use `alpha_bar`.", lambda a, t, s: 1 / t),
        Mistake(
            "This adds up the chances of the steps between; each is for a place still masked.",
            lambda a, t, s: _added(a)[t] - _added(a)[s],
        ),
        Mistake(
            "That is how often any place is open at s; this one is masked at t.",
            lambda a, t, s: a[s],
        ),
    ),
    picture="""
steps = torch.arange(1, 21)
plt.figure(figsize=(5, 2.2))
for name, power in (("even", 1), ("slow at first", 0.5), ("fast at first", 2)):
    table = (1 - torch.arange(21, dtype=torch.float64) / 20) ** power
    plt.plot(steps, opens(table, steps, steps - 1), "o-", ms=3, label=name)
plt.xticks(range(0, 21, 5))
plt.xlabel("t, on the way back to t - 1")
plt.ylabel("chance to open")
plt.legend()
plt.show()
""",
    alt="The chance to open over t, for three ways to mask: all are 1 at t = 1 and fall; the even "
    "one as 1/t, to 0.05 at t = 20, where the one that is slow at first has risen to above 0.2.",
)

# -- one step back ------------------------------------------------------------------------------


def step_back(chances: Tensor, x_t: Tensor, share: Tensor, generator: torch.Generator) -> Tensor:
    """(B, N) int64: the places after one step back; K is the mask.

    chances: (B, N, K) what the network says of each place, with the sum 1 over K; x_t: (B, N)
    int64; share: (B,) the chance that a masked place of this row opens.
    """
    ### BEGIN SOLUTION
    B, N, K = chances.shape
    drawn = torch.multinomial(chances.flatten(0, 1), 1, generator=generator).reshape(B, N)
    coin = torch.rand(B, N, generator=generator) < share[:, None]
    return torch.where((x_t == K) & coin, drawn, x_t)
    ### END SOLUTION


_STEPPED = {2400: (4, 3), 2016: (5, 4)}  # B: N, K


def _partly(B: int) -> tuple[Tensor, Tensor]:
    """(B, N) what a question's rows hold, and (B, N) which of two laws the network says."""
    N, K = _STEPPED[B]
    rows, places = torch.arange(B)[:, None], torch.arange(N)
    x_t = torch.where((rows // 2 + places) % 3 > 0, K, (rows + places) % K)
    return x_t, (rows // 6 + places) % 2


def _step(found: Tensor) -> tuple[int, Tensor, Tensor, Tensor]:
    """What chance had no part in, how often each value stands where a mask stood, and the share of
    open places that were left as they are, and that were masked."""
    found = _whole(found)
    if len(found) not in _STEPPED or found.shape[1] != _STEPPED[len(found)][0]:
        raise ValueError(f"the values have shape {tuple(found.shape)}; that of x_t is asked for")
    x_t, law = _partly(len(found))
    K = _STEPPED[len(found)][1]
    if not ((found >= 0) & (found <= K)).all():
        raise ValueError(f"the values run over {found.min()}..{found.max()}; the mask is {K}")
    masked, row = x_t == K, torch.arange(len(found))
    habit = _habit(found != K, masked, row % 12)
    shares = torch.stack(
        [
            F.one_hot(found[masked & (law == kind) & (row % 2 == side)[:, None]], K + 1)
            .double()
            .mean(0)
            for kind in (0, 1)
            for side in (0, 1)
        ]
    )
    kept, shut = ((found == to)[~masked].double().mean() for to in (x_t, K))
    return habit, shares * (habit == 0), kept, shut


def _step_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, (_, K) in _STEPPED.items():
        x_t, law = _partly(B)
        laws = torch.tensor([[1.0, 2, 9], [9, 1, 2]])
        if K == 4:
            laws = torch.tensor([[10.0, 1, 1, 2], [1, 1, 2, 10]])
        weights = laws[law] * (0.6 + 0.8 * torch.rand(*law.shape, K, generator=g))
        chances = weights / weights.sum(2, keepdim=True)
        low, high = 0.3 + 0.05 * torch.rand((), generator=g), 0.8
        share = torch.where(torch.arange(B) % 2 == 0, low, torch.tensor(high))
        cases.append(Case((chances, x_t, share, draw.generator(seed + B)), rtol=0, atol=_FAR))
    return cases


def _back(chances: Tensor, x_t: Tensor, share: Tensor, g: torch.Generator, form: str) -> Tensor:
    B, N, K = chances.shape
    law = chances
    if form == "twice":
        law = chances.softmax(-1)
    if form == "uniform":
        law = torch.ones_like(chances)
    if form == "first law":
        law = chances[:1, :1].expand_as(chances)
    edges = law.cumsum(-1) / law.sum(-1, keepdim=True)
    drawn = (torch.rand(B, N, 1, generator=g) > edges).sum(-1).clamp(max=K - 1)
    if form == "likeliest":
        drawn = chances.argmax(-1)
    size = {"rows": (B, 1), "batch": (1, N)}.get(form, (B, N))
    number = torch.rand(size, generator=g)
    coin = number < (share[:1] if form == "first share" else share[:, None])
    if form == "linked":
        drawn = (number[..., None] > edges).sum(-1).clamp(max=K - 1)
    if form == "turned":
        coin = ~coin
    masked = x_t == (K - 1 if form == "last" else K)
    if form == "all":
        coin = torch.ones_like(masked)
    if form == "surest":
        sure = torch.where(masked, chances.amax(-1), -torch.rand(B, N, generator=g))
        count = (share * masked.sum(1)).round()[:, None]
        coin = sure.argsort(1, descending=True).argsort(1) < count
    if form == "drawn":
        return drawn
    if form == "open":
        return torch.where(~masked & coin, drawn, x_t)
    if form == "anew":
        return torch.where(coin, drawn, x_t)
    if form == "fresh":
        return torch.where(coin, drawn, K)
    if form == "closed":
        return torch.where(coin, torch.where(masked, drawn, x_t), K)
    return torch.where(masked & coin, drawn, x_t)


STEP_BACK = Task(
    name="masked.step_back",
    title="One step back",
    points=3,
    minutes=9,
    prompt=r"""
You are given rows `x_t` in which some places are masked (they hold $K$), the chances of the $K$
values that a network says for each place, and for each row the share of its masks that open in
this step. Take the step: what is open stays as it is. A masked place opens with the chance
`share` of its row, each by itself; then it gets a value by the network's chances. Else it
stays masked. Use the generator that is given, and return one tensor of whole numbers, of the shape
of `x_t`.""",
    hint="Draw a value for every place, and toss a coin for every place; then choose with "
    "`torch.where`. `torch.multinomial` wants rows: `chances.flatten(0, 1)`.",
    lesson="an open place is never touched again: a wrong guess stays until the end.",
    reference=step_back,
    cases=_step_cases,
    observe=_step,
    outputs=(
        "the way in which places are chosen",
        "the share of each value where a mask stood",
        "the share of open places that stay as they are",
        "the share of open places that are masked again",
    ),
    mistakes=(
        Mistake("All masks open at once; `share` says how many do.", partial(_back, form="all")),
        Mistake(
            "Places that were open are drawn anew; they stay as they are.",
            partial(_back, form="anew"),
        ),
        Mistake(
            "Places that were open are masked again; they stay as they are.",
            partial(_back, form="closed"),
        ),
        Mistake(
            "Each place is drawn or masked, whatever stood there; what is open stays as it is.",
            partial(_back, form="fresh"),
        ),
        Mistake(
            "This always takes the likeliest value; draw one by the chances.",
            partial(_back, form="likeliest"),
        ),
        Mistake(
            "All values come equally often: the network's chances are not used.",
            partial(_back, form="uniform"),
        ),
        Mistake(
            "`chances` are chances already: a softmax of them makes all more alike.",
            partial(_back, form="twice"),
        ),
        Mistake(
            "Opening and staying are turned round: `share` opens.", partial(_back, form="turned")
        ),
        Mistake(
            "The masks of a row open all together or not at all: each place needs a coin.",
            partial(_back, form="rows"),
        ),
        Mistake(
            "All rows open at the same places: each row needs coins of its own.",
            partial(_back, form="batch"),
        ),
        Mistake(
            "This draws every place: some were open, and most masks wait for a later step.",
            partial(_back, form="drawn"),
        ),
        Mistake(
            "Open places are drawn, and masks stay: a mask is where `x_t` holds K.",
            partial(_back, form="open"),
        ),
        Mistake(
            "K - 1 is the last value; the mask is K.",
            partial(_back, form="last"),
        ),
        Mistake(
            "All rows use the share of the first; each has its own.",
            partial(_back, form="first share"),
        ),
        Mistake(
            "All places use the chances of the first; each has its own.",
            partial(_back, form="first law"),
        ),
        Mistake(
            "The number that decides whether a place opens chooses its value, too: so small "
            "values come too often. Draw another one.",
            partial(_back, form="linked"),
        ),
        Mistake(
            "The number of places that open is fixed, chance has no part in it: toss a coin for "
            "each place.",
            partial(_back, form="surest"),
        ),
    ),
    picture="""
from matplotlib.colors import ListedColormap

g = torch.Generator().manual_seed(0)
x, said = torch.full((1, 40), 2), torch.tensor([0.3, 0.7]).expand(1, 40, 2)
rows = [x]
for left in (4, 3, 2, 1):
    x = torch.as_tensor(step_back(said, x, torch.tensor([1 / left]), g))
    rows.append(x)
colors = {"value 0": plots.COLORS[0], "value 1": plots.COLORS[5], "masked": "#bbbbbb"}
plt.figure(figsize=(6, 1.9))
plt.imshow(torch.cat(rows), aspect="auto", vmin=0, vmax=2, cmap=ListedColormap(colors.values()))
for name, color in colors.items():
    plt.plot([], [], "s", color=color, label=name)
plt.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1))
plt.yticks(range(5), [f"t = {t}" for t in (4, 3, 2, 1, 0)])
plt.xticks([])
plt.grid(False)
plt.show()
""",
    alt="Five rows of forty cells, from t = 4 down to 0: first all are masked, gray; in each row "
    "about ten more are open and keep their color; in the last all are, more of value 1 than of "
    "value 0.",
)

# -- the loss -----------------------------------------------------------------------------------


def masked_loss(logits: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """What the step back from t costs in nats, the mean over the batch; a scalar.

    logits: (B, N, K) what the network says of x_t; x_0, x_t: (B, N) int64, with the mask K in x_t;
    t: (B,) int64; alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    now, before = alpha_bar[t], alpha_bar[t - 1]
    share = ((before - now) / (1 - now)).float()
    said = logits.log_softmax(2).gather(2, x_0[:, :, None])[:, :, 0]
    masked = x_t == logits.shape[2]
    return (share * (-said * masked).sum(1)).mean()
    ### END SOLUTION


def _loss(
    logits: Tensor, x_0: Tensor, x_t: Tensor, t: Tensor, alpha_bar: Tensor, form: str
) -> Tensor:
    K = logits.shape[2]
    masked = x_t == K
    now, before = alpha_bar[t], alpha_bar[t - 1]
    weight = {
        "none": torch.ones_like(now),
        "inverse": 1 / (1 - now),
        "plain": before - now,
        "even": 1 / t.double(),
        "forward": 1 - now / before,
        "stays": (1 - before) / (1 - now),
    }.get(form, (before - now) / (1 - now))
    if form == "twice":
        logits = logits.softmax(2)
    log_p = logits if form == "raw" else logits.log_softmax(1 if form == "axis" else 2)
    asked = x_t.clamp(max=K - 1) if form == "seen" else x_0
    said = log_p.gather(2, asked[:, :, None])[:, :, 0]
    surprise = {"chance": 1 - said.exp(), "minus": -said.exp()}.get(form, -said)
    if form == "base":
        surprise = surprise / torch.tensor(2.0).log()
    counted = {
        "every": torch.ones_like(masked),
        "open": ~masked,
        "last": x_t == K - 1,
    }.get(form, masked)
    if form == "mean":
        return surprise.mean()
    rows = (surprise * counted).sum(1)
    if form == "rows":
        rows = rows / masked.sum(1)
    if form == "places":
        rows = rows / x_0.shape[1]
    costs = weight.float() * rows
    if form == "masks":
        return costs.sum() / masked.sum()
    if form == "apart":
        return weight.float().mean() * rows.mean()
    if form == "bound":
        return (len(alpha_bar) - 1) * costs.mean()
    return costs.sum() if form == "sum" else costs.mean()


def _loss_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for (B, T), (N, K), power in zip(draw.SIZES, ((5, 3), (7, 4)), (1.6, 0.4), strict=True):
        t = torch.randint(3, T, (B,), generator=g)
        t[1] = T
        x_0 = torch.randint(K, (B, N), generator=g)
        hidden = torch.rand(B, N, generator=g) < 0.5
        hidden[:, 0], hidden[:, 1], hidden[0] = True, False, True
        hidden[0, N // 2] = False
        logits = draw.noise(g, B, N, K).requires_grad_()
        x_t = torch.where(hidden, K, x_0)
        cases.append(Case((logits, x_0, x_t, t, _open_shares(g, T, power)), gives="a gradient"))
    return cases


MASKED_LOSS = Task(
    name="masked.masked_loss",
    title="What a step costs",
    points=2,
    minutes=8,
    prompt=r"""
You are given the network's `logits` for rows `x_t`, the clean rows `x_0`, and a step $t$ for each
row. Softmax over the last axis makes chances of logits. A row costs $-\log \hat p$ of its true
value at each **masked** place, added up, times the chance
$(\bar\alpha_{t-1} - \bar\alpha_t) / (1 - \bar\alpha_t)$ that a mask opens in this step. Return
the mean over the rows, as a tensor that can be trained on.""",
    hint='`F.cross_entropy` wants `(rows, K)` and `(rows,)`, and with `reduction="none"` it '
    "gives one number for each place. Then leave out what is open.",
    lesson="it is the cross-entropy of any text model, at masked places alone: no square.",
    reference=masked_loss,
    cases=_loss_cases,
    mistakes=(
        Mistake(
            "All places count; what is open is known, and costs nothing.",
            partial(_loss, form="every"),
        ),
        Mistake(
            "The open places count; it is the masked ones that are guessed.",
            partial(_loss, form="open"),
        ),
        Mistake("The weight of the step is missing.", partial(_loss, form="none")),
        Mistake(
            "The weight is 1/(1 - ᾱ_t): the difference above it is missing.",
            partial(_loss, form="inverse"),
        ),
        Mistake(
            "The weight is not divided by 1 - ᾱ_t. The sum over chance has no such factor, but "
            "here masks are counted as they were drawn.",
            partial(_loss, form="plain"),
        ),
        Mistake("The weight 1/t holds for even masking alone.", partial(_loss, form="even")),
        Mistake(
            "The weight is the chance that a step masks; asked for is that the step back opens.",
            partial(_loss, form="forward"),
        ),
        Mistake("The weight is the chance that a mask stays.", partial(_loss, form="stays")),
        Mistake(
            "This takes the mean over a row's masks; their costs add up.",
            partial(_loss, form="rows"),
        ),
        Mistake(
            "This takes the mean over the places, too; the costs of a row add up.",
            partial(_loss, form="places"),
        ),
        Mistake("This adds up the batch; the mean is asked for.", partial(_loss, form="sum")),
        Mistake(
            "Logits are no logarithms of chances yet: the softmax is missing.",
            partial(_loss, form="raw"),
        ),
        Mistake(
            "The softmax runs over the places; it belongs over the K values.",
            partial(_loss, form="axis"),
        ),
        Mistake("A logarithm is missing: this adds up 1 - p̂.", partial(_loss, form="chance")),
        Mistake("A logarithm is missing: this adds up -p̂.", partial(_loss, form="minus")),
        Mistake(
            "The softmax is taken twice: `F.cross_entropy` and `log_softmax` want logits.",
            partial(_loss, form="twice"),
        ),
        Mistake(
            "This divides by the number of all masks; a row's costs add up, and the mean is over "
            "rows.",
            partial(_loss, form="masks"),
        ),
        Mistake(
            "This is the mean over all places: neither masks nor weights are looked at.",
            partial(_loss, form="mean"),
        ),
        Mistake(
            "The weights and the costs are averaged apart; each row has its own weight.",
            partial(_loss, form="apart"),
        ),
        Mistake(
            "T times this estimates the sum over all steps; one step is asked for.",
            partial(_loss, form="bound"),
        ),
        Mistake(
            "K - 1 is the last value; the mask is K.",
            partial(_loss, form="last"),
        ),
        Mistake("These are bits; natural logarithms give nats.", partial(_loss, form="base")),
        Mistake("The true value is in `x_0`, not in `x_t`.", partial(_loss, form="seen")),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
table = 1 - torch.arange(21, dtype=torch.float64) / 20
words = torch.randint(4, (4000, 12), generator=g)
plt.figure(figsize=(5, 2.2))
for name, sure in (("knows nothing", 0.0), ("a little", 1.0), ("nearly all", 3.0)):
    found = []
    for step in range(1, 21):
        hidden = torch.rand(words.shape, generator=g) > table[step]
        seen_words = torch.where(hidden, 4, words)
        steps = torch.full((4000,), step)
        logits = sure * F.one_hot(words, 4)
        found.append(float(masked_loss(logits, words, seen_words, steps, table)))
    plt.plot(range(1, 21), found, "o-", ms=3, label=name)
plt.ylim(0, 1.2)
plt.xticks(range(0, 21, 5))
plt.xlabel("t, of 20 even steps")
plt.ylabel("cost of the step")
plt.legend(ncols=3, fontsize=7)
plt.show()
""",
    alt="What each of 20 even steps costs, for three networks: each curve is nearly level, one "
    "near 0.83, one near 0.45 and one near 0.1.",
)

# -- a derivation -------------------------------------------------------------------------------

with nt.as_written():
    _OPENED = nt.q(nt.Open(nt.t - 1), nt.Masked(nt.t))
    _STAYS = nt.q(nt.Masked(nt.t - 1), nt.Masked(nt.t))
    _SHARE = (nt.alpha_bar(nt.t - 1) - nt.alpha_bar(nt.t)) / (1 - nt.alpha_bar(nt.t))
    _WRONG = Broken(
        "masked.divergence",
        {
            2: _OPENED * nt.log(_OPENED / nt.Said(nt.t)) + _STAYS * nt.log(_STAYS / _STAYS),
            3: _OPENED * nt.log(_OPENED / nt.Said(nt.t)),
            4: _SHARE * nt.log(_SHARE / nt.Said(nt.t)),
        },
    )

WRONG_LINE = Task(
    name="masked.wrong_line",
    title="Find the line that does not follow",
    points=2,
    minutes=6,
    prompt=f"""
Somebody works out what one step costs at a masked pixel. $o_t$ says that the pixel is open after
$t$ steps, $m_t$ that it is masked. $q$ are the chances of masking, known $x_0$; $p_\\theta$ are the
model's, and $\\hat p_t$ is the network's chance of the true value. Each line should follow from the
one above it, for the reason beside it. One does not; the lines after it follow from it again.

{_WRONG.text()}

Set `wrong_line` to its number.""",
    hint=r"What must the cost be for a network that is sure of the true value, $\hat p_t = 1$?",
    lesson="the model opens as often as q, so this chance cancels: a perfect guess costs nothing.",
    reference=_WRONG.line,
    mistakes=(
        Mistake("That is the sum over the two things that may happen, as KL is defined.", 1),
        Mistake("From the line above, this one follows: log 1 = 0. Look up.", 3),
        Mistake("From the line above, this one follows: the chance was put in. Look up.", 4),
    ),
)

# -- two at once --------------------------------------------------------------------------------


def together(alpha_bar: Tensor) -> float:
    """The chance that two places open in the same one of the T steps back.

    alpha_bar: (T+1,) float64, from 1 down to 0.
    """
    ### BEGIN SOLUTION
    each = alpha_bar[:-1] - alpha_bar[1:]
    return (each**2).sum().item()
    ### END SOLUTION


TOGETHER = Task(
    name="masked.together",
    title="Two at once",
    points=2,
    minutes=6,
    prompt=r"""
Places that open in the same step are guessed without a look at each other. You are given the
shares $\bar\alpha$, and start where all is masked, $\bar\alpha_T = 0$. A place opens in the step
back from $t$ with the chance $\bar\alpha_{t-1} - \bar\alpha_t$, whatever the others do. With
which chance do two given places open in the same step, whichever it is?""",
    hint="With which chance do both open in the step back from $t$? Then add up over $t$.",
    lesson="for T even steps it is 1/T: twice the calls, half as many pairs guessed blindly.",
    reference=together,
    cases=lambda seed: [
        Case((_open_shares(draw.generator(seed), T, power),))
        for T, power in ((5, 1.6), (8, 0.4), (6, 2.4))
    ],
    mistakes=(
        Mistake("1/T holds for even steps alone.", lambda a: 1 / (len(a) - 1)),
        Mistake(
            "This is the chance that they open in different steps.",
            lambda a: 1 - float((a.diff() ** 2).sum()),
        ),
        Mistake(
            "These are the chances of a place that is still masked at t; at the start nobody "
            "knows of any place that it is.",
            lambda a: float((_reveals(a) ** 2).sum()),
        ),
        Mistake(
            "This is 1 for any masking: it adds up how often one place opens; both are to open.",
            lambda a: -float(a.diff().sum()),
        ),
        Mistake(
            "These are the chances of a place that was open at t - 1; at the start nobody knows "
            "of any place that it was.",
            lambda a: float(((1 - a[1:] / a[:-1]) ** 2).sum()),
        ),
        Mistake(
            "This multiplies the steps; it may be any of them, so their chances add up.",
            lambda a: float((a.diff() ** 2).prod()),
        ),
        Mistake(
            "This is the mean over the steps; the chances of the steps add up.",
            lambda a: float((a.diff() ** 2).mean()),
        ),
        Mistake(
            "This is one step, the likeliest; it may be any.",
            lambda a: float((a.diff() ** 2).max()),
        ),
        Mistake(
            "This leaves out the step back from 1, the last one.",
            lambda a: float((a[1:].diff() ** 2).sum()),
        ),
        Mistake(
            "This leaves out the step back from T, the first one.",
            lambda a: float((a[:-1].diff() ** 2).sum()),
        ),
        Mistake(
            "This squares how much is open; what opens in a step is a difference.",
            lambda a: float((a[1:] ** 2).sum()),
        ),
        Mistake(
            "This squares how much is open after 0..T steps; what opens in a step is a difference.",
            lambda a: float((a**2).sum()),
        ),
    ),
    picture="""
counts = range(1, 31)
plt.figure(figsize=(5, 2.2))
for name, power in (("even", 1), ("slow at first", 0.5), ("fast at first", 2)):
    tables = [(1 - torch.arange(T + 1, dtype=torch.float64) / T) ** power for T in counts]
    plt.plot(counts, [float(together(table)) for table in tables], label=name)
plt.xlabel("steps, and calls of the network")
plt.ylabel("chance")
plt.legend()
plt.show()
""",
    alt="The chance over the number of steps for three ways to mask: all begin at 1 and fall, even "
    "masking fastest, to below 0.04 at 30 steps.",
)

# -- what it costs to call less often -----------------------------------------------------------


def right_sums(words: Tensor) -> float:
    """The share of rows that say a right sum with no place masked.

    words: (B, 4) int64, digits 0..9, or 10 for a mask. A row a, b, c, d says a + b = "cd": the
    number that is written with the digits c and d.
    """
    ### BEGIN SOLUTION
    a, b, c, d = words.T
    whole = (words < 10).all(1)
    return ((a + b == 10 * c + d) & whole).double().mean().item()
    ### END SOLUTION


def _sums(words: Tensor, form: str) -> float:
    a, b, c, d = words.T
    asked = {"result": words[:, 2:], "addends": words[:, :2]}.get(form, words)
    whole = (asked < 10).all(1)
    number = {"turned": 10 * d + c, "digits": c + d, "carry": d}.get(form, 10 * c + d)
    right = a + b == number
    if form == "last":
        right = (a + b) % 10 == d
    if form == "close":
        right = (a + b - number).abs() <= 1
    if form == "zero":
        a, b, c, d = words.where(words < 10, 0).T
        return float((a + b == 10 * c + d).double().mean())
    if form == "rows":
        return 0.0
    good = right if form == "masks" else right & whole
    if form == "plain":
        good = good & (c > 0)
    if form == "count":
        return float(good.sum())
    if form == "whole":
        return float(good.sum() / whole.sum())
    if form == "kinds":
        return len(words[good].unique(dim=0)) / len(words)
    if form == "wrong":
        return 1 - float(good.double().mean())
    return float(whole.double().mean()) if form == "open" else float(good.double().mean())


_SUM_SLIPS = (
    *("masks", "result", "addends", "last", "turned", "digits", "carry", "close"),
    *("count", "whole", "kinds", "wrong", "open", "zero", "plain", "rows"),
)


def _said(g: torch.Generator, right: int, wrong: int) -> Tensor:
    """Right sums, some of them twice; and others, near to them, that some slip calls right."""
    a, b = torch.randint(10, (2, right), generator=g)
    good = torch.stack([a, b, (a + b) // 10, (a + b) % 10], 1)
    bad = good[torch.randint(right, (wrong,), generator=g)]
    places = torch.randint(4, (wrong,), generator=g)
    bad[torch.arange(wrong), places] += torch.randint(-1, 2, (wrong,), generator=g)
    traps = [
        *([10, 0, 1, 0], [9, 1, 0, 10], [0, 10, 1, 0], [10, 7, 1, 7]),  # 10 is a mask, and no digit
        *([7, 8, 0, 5], [6, 6, 2, 2], [9, 9, 3, 8]),  # the last digit alone
        *([2, 3, 5, 0], [4, 4, 8, 0], [1, 0, 1, 0]),  # turned round
        *([3, 4, 2, 5], [6, 5, 3, 8]),  # digits added
        *([4, 5, 0, 8], [7, 6, 1, 4]),  # one beside
        *([10, 7, 0, 7], [5, 4, 10, 9], [10, 10, 0, 10]),  # a mask for a 0
        *([7, 2, 4, 9], [3, 3, 2, 6]),
    ]
    some = torch.tensor(traps)[torch.randint(len(traps), (len(traps),), generator=g)]
    rows = torch.cat([good, good[:2], bad.clamp(0, 10), some])
    return rows[torch.randperm(len(rows), generator=g)]


@cache
def _told_apart(seed: int) -> tuple[int, ...]:
    """Draws of words of which the answer and each slip say other shares."""
    found: list[int] = []
    for sizes in _SUMS:
        for number in itertools.count(1000 * seed + 100 * len(found)):
            words = _said(draw.generator(number), *sizes)
            told = sorted([_sums(words, "right"), *(_sums(words, form) for form in _SUM_SLIPS)])
            if all(b - a > 1e-3 for a, b in itertools.pairwise(told)):
                found.append(number)
                break
    return tuple(found)


_SUMS = ((30, 20), (25, 12), (38, 9))


def _sums_cases(seed: int) -> list[Case]:
    return [
        Case((_said(draw.generator(number), *sizes),))
        for number, sizes in zip(_told_apart(seed), _SUMS, strict=True)
    ]


RIGHT_SUMS = Task(
    name="masked.right_sums",
    title="How many sums are right?",
    points=2,
    minutes=6,
    prompt=r"""
A sampler writes sums in four places: the row `7, 8, 1, 5` says $7 + 8 = 15$, and `2, 3, 0, 5`
says $2 + 3 = 5$. You are given rows of digits, in which 10 stands for a mask. Return the share of
all rows that are right: no place is masked, and the sum holds.""",
    hint="The number written with $c$ and $d$ is $10 c + d$. Careful: a mask is the number 10, "
    "and `10, 0, 1, 0` would pass for a sum.",
    lesson="each digit may be likely by itself, and the sum wrong: count what belongs together.",
    reference=right_sums,
    cases=_sums_cases,
    mistakes=tuple(
        Mistake(sentence, partial(_sums, form=form))
        for form, sentence in (
            ("masks", "Rows with a mask count as right: a mask is no digit 10."),
            ("result", "A mask among a and b passes: look for masks in all four places."),
            ("addends", "A mask among c and d passes: look for masks in all four places."),
            ("last", "This compares the last digit alone."),
            ("turned", "The two last digits are read in the wrong order: c counts tens."),
            ("digits", "This adds the digits c and d; they write one number."),
            ("carry", "This leaves out the tens, c."),
            ("close", "This lets sums pass that are off by one."),
            ("count", "This is a number of rows; the share is asked for."),
            ("whole", "This divides by the rows without masks; all rows count."),
            ("kinds", "Rows that come twice count once here; each row counts."),
            ("zero", "A mask is read as the digit 0; such a row is not right."),
            ("plain", "A sum below 10 is written with a 0 before it, and as right."),
            ("rows", "No row passes. `words[0]` is the first row; `words[:, 0]` the first digits."),
            ("wrong", "This is the share of the wrong rows; that of the right ones is asked for."),
            ("open", "This is the share of rows without masks, right or not."),
        )
    ),
    picture="""
from ddpm_course import masked as md

a, b = torch.cartesian_prod(torch.arange(10), torch.arange(10)).T
every = torch.stack([a, b, (a + b) // 10, (a + b) % 10], 1)


def knows_all(x_t):
    fits = ((x_t[:, None] == every) | (x_t[:, None] == 10)).all(2).float()
    said = torch.einsum("bw,wnk->bnk", fits + 1e-9, F.one_hot(every, 10).float())
    return (said + 1e-9).log()


drawn, counts = {}, (1, 2, 3, 4, 6, 8, 12, 16, 32)
for calls in counts:
    g = torch.Generator().manual_seed(0)
    *_, last = md.sample(knows_all, torch.full((1000, 4), 10), md.even(calls), g)
    drawn[calls] = last.x_t
plt.figure(figsize=(5, 2.2))
plt.semilogx(counts, [float(right_sums(drawn[calls])) for calls in counts], "o-", base=2)
plt.xticks([1, 2, 4, 8, 16, 32], [1, 2, 4, 8, 16, 32])
plt.ylim(0, 1)
plt.xlabel("calls of the network")
plt.ylabel("right sums")
plt.show()
""",
    alt="The share of right sums over the number of calls, from 1 to 32, of a network that knows "
    "all sums: 5 percent after one call, about 60 after four, and 95 at the end.",
    play="""
# Play: how many calls until most of these twelve sums are right?
shares = {calls: float(right_sums(drawn[calls])) for calls in counts}


def show(calls):
    figure, axes = plt.subplots(figsize=(5, 1.5))
    axes.set_axis_off()
    for place, (a, b, c, d) in enumerate(drawn[calls][:12].tolist()):
        color = "#1a7f37" if a + b == 10 * c + d else "#b35900"
        told = f"{a} + {b} = {c}{d}"
        axes.text(place % 4 / 4, 1 - place // 4 / 2, told, color=color, fontsize=12, va="top")
    return figure


def describe(calls):
    return f"After {calls} calls {shares[calls]:.0%} of a thousand sums are right."


Explorer(show, describe, calls=list(drawn))
""",
)

CHAPTER = Chapter(
    name="masked",
    title="masked diffusion",
    intro=r"""
No noise here: places are masked, step by step, and a network guesses them again. You mask a batch,
work out how often a mask opens, take one step back, write the loss, check a derivation, and count
what is lost when the network is called less often. Each place holds one of $K$ values,
$0, \ldots, K - 1$; the number $K$ is the mask. $\bar\alpha_t$ is the share that is still open after
$t$ steps.""",
    setup="""
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_course import data, plots
from ddpm_course.grading import check
from ddpm_course.widgets import Explorer

plots.style()
""",
    tasks=(HIDE, OPENS, STEP_BACK, MASKED_LOSS, WRONG_LINE, TOGETHER, RIGHT_SUMS),
)
