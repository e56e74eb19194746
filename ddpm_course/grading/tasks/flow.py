"""Tasks on flows: straight lines from data to noise."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache, partial

import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task
from ddpm_course.grading.tasks.lines import Broken
from ddpm_course.symbolic import notation as nt

Model = Callable[[Tensor, Tensor], Tensor]

# -- the line -----------------------------------------------------------------------------------


def line(x_0: Tensor, eps: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    """x_u, the place at time u on the line from x_0 to eps, and the velocity there.

    x_0, eps: (B, 2); u: (B,) from 0 (data) to 1 (noise).
    """
    ### BEGIN SOLUTION
    u = u[:, None]
    return (1 - u) * x_0 + u * eps, eps - x_0
    ### END SOLUTION


def _line_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case((draw.noise(g, B, 2), draw.noise(g, B, 2), 0.1 + 0.3 * torch.rand(B, generator=g)))
        for B, _ in draw.SIZES
    ]


LINE = Task(
    name="flow.line",
    title="A place on the line, and its velocity",
    points=1,
    minutes=4,
    prompt=r"""
Each row has a line of its own, from the data $x_0$ at $u = 0$ to the noise $\epsilon$ at
$u = 1$, and a time of its own. Return the place and the velocity.""",
    hint="Make $u$ a column, so that each row meets its own time. The velocity is the whole way: "
    "the line takes the time 1.",
    lesson="the velocity is the same everywhere on a line: no schedule is needed.",
    reference=line,
    cases=_line_cases,
    outputs=("the place", "the velocity"),
    mistakes=(
        Mistake(
            "The line runs the wrong way: u = 0 is the data.",
            lambda x, e, u: (u[:, None] * x + (1 - u[:, None]) * e, e - x),
        ),
        Mistake(
            "The velocity points to the data; u grows towards the noise.",
            lambda x, e, u: ((1 - u[:, None]) * x + u[:, None] * e, x - e),
        ),
        Mistake(
            "Roots are DDPM's; a straight line has none.",
            lambda x, e, u: ((1 - u[:, None]).sqrt() * x + u[:, None].sqrt() * e, e - x),
        ),
        Mistake(
            "This is the way that was made so far; the velocity is the way of the whole time 1.",
            lambda x, e, u: ((1 - u[:, None]) * x + u[:, None] * e, u[:, None] * (e - x)),
        ),
        Mistake(
            "The data keep their full size; on the line they fade as the noise grows.",
            lambda x, e, u: (x + u[:, None] * e, e - x),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
x_0, eps = data.two_moons(400, g), torch.randn(400, 2, generator=g)
places = [line(x_0, eps, torch.full((400,), u))[0] for u in (0.0, 0.4, 0.7, 1.0)]
plots.show_clouds(places, [f"u = {u}" for u in (0, 0.4, 0.7, 1)], limit=3)
plt.show()
""",
    alt="Four clouds at u = 0, 0.4, 0.7 and 1: two moons, which become blurred, and end as a round "
    "cloud of noise.",
)

# -- the loss -----------------------------------------------------------------------------------


def flow_loss(
    model: Callable[[Tensor, Tensor], Tensor], x_0: Tensor, u: Tensor, eps: Tensor
) -> Tensor:
    """The mean square of the velocity's error, over the batch and the coordinates; a scalar.

    model(x_u, u), with u of shape (B,), guesses the velocity. x_0, eps: (B, 2); u: (B,).
    """
    ### BEGIN SOLUTION
    here = u[:, None]
    x_u = (1 - here) * x_0 + here * eps
    return ((eps - x_0 - model(x_u, u)) ** 2).mean()
    ### END SOLUTION


def _loss(model: Model, x_0: Tensor, u: Tensor, eps: Tensor, form: str) -> Tensor:
    here = u[:, None]
    x_u = (1 - here) * x_0 + here * eps
    if form == "ddpm":
        x_u = (1 - here**2).sqrt() * x_0 + here * eps
    if form == "turned":
        x_u = here * x_0 + (1 - here) * eps
    said = model(x_u, 1 - u if form == "clock" else u)
    target = {"noise": eps, "sign": x_0 - eps, "data": x_0}.get(form, eps - x_0)
    error = (target - said) ** 2
    if form == "root":
        return error.mean().sqrt()
    return error.sum() if form == "sum" else error.sum(1).mean() if form == "rows" else error.mean()


def _loss_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, mean in ((7, 0.5), (5, -0.4)):
        u = 0.1 + 0.3 * torch.rand(B, generator=g)
        model = draw.Drift(0.3, mean, trained=True)
        cases.append(Case((model, draw.noise(g, B, 2), u, draw.noise(g, B, 2)), gives="a gradient"))
    return cases


FLOW_LOSS = Task(
    name="flow.flow_loss",
    title="The loss of a flow",
    points=2,
    minutes=6,
    prompt=r"""
Walk to the place $x_u$ on each line, ask the model for the velocity there, and compare with the
true one, $\epsilon - x_0$. Return the mean square of the error, as a tensor that can be trained
on.""",
    hint=r"It is the $\epsilon$-loss with two changes: how $x_u$ is mixed, and what is aimed at.",
    lesson="this one line is all of flow matching; the rest is as in DDPM.",
    reference=flow_loss,
    cases=_loss_cases,
    mistakes=(
        Mistake(
            "The target is the noise: that is DDPM's. A flow aims at the velocity.",
            partial(_loss, form="noise"),
        ),
        Mistake("The target has the wrong sign.", partial(_loss, form="sign")),
        Mistake("The target is the clean data.", partial(_loss, form="data")),
        Mistake("x_u is mixed with roots, as in DDPM.", partial(_loss, form="ddpm")),
        Mistake(
            "x_u has the data and the noise in each other's place.", partial(_loss, form="turned")
        ),
        Mistake("The model is told 1 - u.", partial(_loss, form="clock")),
        Mistake("This adds up the batch; the mean is asked for.", partial(_loss, form="sum")),
        Mistake("This adds up the coordinates of a point.", partial(_loss, form="rows")),
        Mistake("This is the root of the mean square.", partial(_loss, form="root")),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
x_0, eps = data.two_moons(2000, g), torch.randn(2000, 2, generator=g)
times = torch.linspace(0.02, 1, 50)
mean = x_0.mean(0)
plt.figure(figsize=(5, 2.2))
for name, model in (
    ("always 0", lambda x, u: 0 * x),
    ("away from the mean", lambda x, u: (x - mean) / u[:, None]),
):
    found = [flow_loss(model, x_0, u.expand(2000), eps).item() for u in times]
    plt.plot(times, found, label=name)
plt.ylim(0, 5)
plt.xlabel("u")
plt.ylabel("loss")
plt.legend()
plt.show()
""",
    alt="Two curves over u: a level line at about 2, for a model that says 0; and one that falls "
    "steeply from above 5 to about 1 at u = 1, below the first from about u = 0.7 on.",
)

# -- the dictionary -----------------------------------------------------------------------------


def from_noise(
    model: Callable[[Tensor, Tensor], Tensor], x_u: Tensor, t: int, alpha_bar: Tensor
) -> Tensor:
    """(B, 2) the velocity at x_u, from a network that predicts the noise.

    x_u: (B, 2) the flow's points at the time of step t. model(x_t, t), with t of shape (B,), is
    DDPM's, and takes DDPM's x_t.
    """
    ### BEGIN SOLUTION
    signal, noise = alpha_bar[t].sqrt().float(), (1 - alpha_bar[t]).sqrt().float()
    x_t = (signal + noise) * x_u
    eps_hat = model(x_t, torch.full((len(x_u),), t))
    x0_hat = (x_t - noise * eps_hat) / signal
    return eps_hat - x0_hat
    ### END SOLUTION


def _from(model: Model, x_u: Tensor, t: int, alpha_bar: Tensor, form: str) -> Tensor:
    signal, noise = alpha_bar[t].sqrt().float(), (1 - alpha_bar[t]).sqrt().float()
    size = signal + noise
    x_t = x_u if form == "size" else x_u / size if form == "inverse" else size * x_u
    eps_hat = model(x_t, torch.full((len(x_u),), t))
    x0_hat = (x_t - noise * eps_hat) / signal
    if form == "roots":
        x0_hat = (x_t - noise**2 * eps_hat) / signal**2
    if form == "mixed":
        x0_hat = (x_u - noise * eps_hat) / signal
    if form == "v":
        return signal * eps_hat - noise * x0_hat
    out = {"noise": eps_hat, "sign": x0_hat - eps_hat, "large": size * (eps_hat - x0_hat)}
    return out.get(form, eps_hat - x0_hat)


def _from_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for (B, T), t in zip(draw.SIZES, (9, 3), strict=True):
        table = (1 - draw.betas(g, T)).cumprod(0)
        cases.append(Case((draw.Denoiser(table, 3.0), draw.noise(g, B, 2), t, table)))
    return cases


FROM_NOISE = Task(
    name="flow.from_noise",
    title="A trained DDPM as a flow",
    points=2,
    minutes=8,
    prompt=r"""
The flow's point at the time of step $t$ is $x_u = x_t / (\sqrt{\bar\alpha_t} +
\sqrt{1 - \bar\alpha_t})$. Ask a network that predicts the noise, and make a velocity of its
answer. DDPM's network wants DDPM's $x_t$.""",
    hint=r"First $x_t$, then $\hat\epsilon$, then $\hat x_0$; the velocity is the way from $\hat "
    r"x_0$ to $\hat\epsilon$.",
    lesson="one network, many names for its answer: nothing had to be trained again.",
    reference=from_noise,
    cases=_from_cases,
    mistakes=(
        Mistake(
            "This is the noise; the velocity leads from x̂_0 to it.", partial(_from, form="noise")
        ),
        Mistake("The velocity points the wrong way.", partial(_from, form="sign")),
        Mistake(
            "The network was given x_u, which is smaller than the x_t it knows.",
            partial(_from, form="size"),
        ),
        Mistake(
            "x_u was divided once more; x_t is the larger one.", partial(_from, form="inverse")
        ),
        Mistake("The roots in x̂_0 are missing.", partial(_from, form="roots")),
        Mistake("x̂_0 is taken from x_u with DDPM's weights.", partial(_from, form="mixed")),
        Mistake(
            "This is the v of v-prediction; the velocity of a straight line has no weights.",
            partial(_from, form="v"),
        ),
        Mistake(
            "The velocity is not made larger: ε̂ and x̂_0 are not.", partial(_from, form="large")
        ),
    ),
    picture="""
schedule, ring = Schedule.linear(1000), data.Mixture.ring(8, radius=0.8, std=0.05)
share = schedule.alpha_bar[150]
noise_part = ((1 - share).sqrt() / (share.sqrt() + (1 - share).sqrt())).float()
at = torch.cartesian_prod(torch.linspace(-1.2, 1.2, 13), torch.linspace(-1.2, 1.2, 13))
speed = from_noise(ring.eps(schedule), at, 150, schedule.alpha_bar)
plt.figure(figsize=(5, 3.2))
plt.quiver(*at.T, *-speed.T, color="#999999")
arrow = {"marker": r"$\\rightarrow$", "ms": 12, "color": "#999999", "ls": ""}
plt.plot([], [], label="back in time", **arrow)
plt.scatter(*(at - noise_part * speed).T, s=8, label="where this ends")
plt.axis("scaled")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
""",
    alt="A grid of arrows against the velocity at step 150; they point to a ring, and the dots "
    "where they would end lie near the sides of a figure with eight corners, some within.",
)

with nt.as_written():
    _SIGNAL = nt.sqrt(nt.alpha_bar(nt.t))
    _NOISE = nt.sqrt(1 - nt.alpha_bar(nt.t))
    _WRONG = Broken(
        "flow.point",
        {
            3: (_SIGNAL - _NOISE) / (_SIGNAL + _NOISE) * nt.x(0)
            + _NOISE / (_SIGNAL + _NOISE) * nt.eps,
            4: ((_SIGNAL - _NOISE) * nt.x(0) + _NOISE * nt.eps) / (_SIGNAL + _NOISE),
            5: (nt.x(nt.t) - _NOISE * nt.x(0)) / (_SIGNAL + _NOISE),
        },
    )

WRONG_LINE = Task(
    name="flow.wrong_line",
    title="Find the line that does not follow",
    points=2,
    minutes=6,
    prompt=f"""
Somebody asks where the flow's point lies at the time of step $t$. Each line should follow from the
one above it, for the reason beside it. One does not; the lines after it follow from it again.

{_WRONG.text()}

Set `wrong_line` to its number.""",
    hint=r"Put in a number: for $\bar\alpha_t = 0.5$ both roots are alike.",
    lesson="1 is (a + b)/(a + b): what is taken away from it leaves one root, and not a difference "
    "of two.",
    reference=_WRONG.line,
    mistakes=(
        Mistake("That is the line from x_0 to ε, as it is defined.", 1),
        Mistake("Here only u was replaced by the time of step t: that holds.", 2),
        Mistake("From the line above, this one follows: one denominator. Look up.", 4),
        Mistake(
            "From the line above, this one follows: the first part of x_t is there. Look up.", 5
        ),
    ),
)

# -- the sampler --------------------------------------------------------------------------------


def walk(model: Callable[[Tensor, Tensor], Tensor], start: Tensor, times: list[float]) -> Tensor:
    """(B, 2) where Euler's method ends.

    model(x_u, u), with u of shape (B,), gives the velocity. times: from 1 (noise) down to 0.
    """
    ### BEGIN SOLUTION
    x = start
    for now, then in zip(times, times[1:]):
        x = x + (then - now) * model(x, torch.full((len(x),), now))
    return x
    ### END SOLUTION


def _walk(model: Model, start: Tensor, times: list[float], form: str) -> Tensor:
    x = start
    first = None
    for now, then in itertools.pairwise(times):
        asked = {"late": then, "turned": 1 - now}.get(form, now)
        speed = model(x, torch.full((len(x),), asked))
        if form == "once":
            speed = first = speed if first is None else first
        step = {"sign": now - then, "even": -1 / (len(times) - 1), "whole": -now}.get(
            form, then - now
        )
        x = x + step * speed
        if form == "short" and then == times[-2]:
            return x
    return x


def _walk_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case((draw.Drift(0.3, 0.8), draw.noise(g, B, 2), times))
        for B, times in ((6, [1.0, 0.55, 0.2, 0.0]), (5, [1.0, 0.9, 0.6, 0.45, 0.1, 0.0]))
    ]


WALK = Task(
    name="flow.walk",
    title="Walk from noise to data",
    points=2,
    minutes=7,
    prompt=r"""
Start at noise, $u = 1$, and follow the velocity to $u = 0$ by Euler's method: at each of the
`times` but the last ask the model, and go straight on to the next time. The times are not evenly
spaced.""",
    hint="The next time is the smaller one: how far is it, and in which direction?",
    lesson="the sampler of a flow is one line; Stable Diffusion 3 is drawn with it.",
    reference=walk,
    cases=_walk_cases,
    mistakes=(
        Mistake(
            "The walk goes away from the data: time runs backwards here.",
            partial(_walk, form="sign"),
        ),
        Mistake(
            "The model is asked at the next time; it must be the time of x.",
            partial(_walk, form="late"),
        ),
        Mistake("The model is told 1 - u: for it, u = 1 is noise.", partial(_walk, form="turned")),
        Mistake(
            "All steps have one length; the times are not evenly spaced.",
            partial(_walk, form="even"),
        ),
        Mistake("Each step goes all the way to u = 0.", partial(_walk, form="whole")),
        Mistake("The model is asked once alone.", partial(_walk, form="once")),
        Mistake("The last step, to 0, is missing.", partial(_walk, form="short")),
    ),
    picture="""
target = torch.tensor([[1.0, 0.5]])
start = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))


def bent(x, u):
    turned = torch.stack([-x[:, 1], x[:, 0]], 1)
    return (x - target) + 2 * turned


found = [walk(bent, start, torch.linspace(1, 0, n + 1).tolist()) for n in (2, 5, 50)]
plots.show_clouds(found, ["2 calls", "5 calls", "50 calls"], limit=3)
plt.show()
""",
    alt="Three clouds after 2, 5 and 50 calls: the first one is wide, the last one narrow and "
    "turned.",
    play="""
# Play: how many calls does a bent way need?
ends = {n: walk(bent, start, torch.linspace(1, 0, n + 1).tolist()) for n in (1, 2, 3, 5, 10, 50)}


def show(calls):
    return plots.show_clouds([ends[calls]], [f"{calls} calls"], limit=3)


def describe(calls):
    away = (ends[calls] - ends[50]).norm(dim=1).mean()
    return f"After {calls} calls the points lie {away:.2f} away from where 50 calls lead."


Explorer(show, describe, calls=list(ends))
""",
)

# -- pairs --------------------------------------------------------------------------------------


def best_pairs(x_0: Tensor, eps: Tensor) -> list[int]:
    """For each row of x_0 the row of eps that it is paired with: the sum of all squared lengths is
    as small as it can be, and each row of eps is used once.

    x_0, eps: (B, 2), B at most 6.
    """

    ### BEGIN SOLUTION
    def cost(order: tuple[int, ...]) -> float:
        return ((x_0 - eps[list(order)]) ** 2).sum().item()

    best = min(itertools.permutations(range(len(x_0))), key=cost)
    return list(best)
    ### END SOLUTION


def _cost(x_0: Tensor, eps: Tensor) -> Tensor:
    return ((x_0[:, None] - eps[None]) ** 2).sum(2)


def _orders(x_0: Tensor, eps: Tensor, power: float = 1.0) -> list[int]:
    table = _cost(x_0, eps) ** power
    ways = itertools.permutations(range(len(x_0)))
    return list(min(ways, key=lambda way: sum(table[a, b].item() for a, b in enumerate(way))))


def _nearest(x_0: Tensor, eps: Tensor) -> list[int]:
    return _cost(x_0, eps).argmin(1).tolist()


def _one_after_another(x_0: Tensor, eps: Tensor) -> list[int]:
    table, out = _cost(x_0, eps), []
    for row in table:
        free = [n for n in range(len(eps)) if n not in out]
        out.append(min(free, key=lambda n: row[n].item()))
    return out


def _inverse(order: list[int]) -> list[int]:
    return [order.index(n) for n in range(len(order))]


def _longest(x_0: Tensor, eps: Tensor) -> list[int]:
    table = _cost(x_0, eps)
    ways = itertools.permutations(range(len(x_0)))
    return list(max(ways, key=lambda way: sum(table[a, b].item() for a, b in enumerate(way))))


def _shortest_worst(x_0: Tensor, eps: Tensor) -> list[int]:
    table = _cost(x_0, eps)
    ways = itertools.permutations(range(len(x_0)))
    return list(
        min(
            ways,
            key=lambda way: sorted((table[a, b].item() for a, b in enumerate(way)), reverse=True),
        )
    )


_BATCHES = (5, 6, 5)


def _batch(number: int, B: int) -> tuple[Tensor, Tensor]:
    g = draw.generator(number)
    return draw.noise(g, B, 2), draw.noise(g, B, 2)


@cache
def _telling(seed: int) -> tuple[int, ...]:
    """Draws of batches in which the best pairs and every simpler rule's are all different."""
    rules = (_nearest, _one_after_another, _longest, _shortest_worst)
    found: list[int] = []
    for B in _BATCHES:
        for number in itertools.count(1000 * seed + 100 * len(found)):
            x_0, eps = _batch(number, B)
            best = _orders(x_0, eps)
            orders = [best, _inverse(best), _orders(x_0, eps, 0.5), list(range(B))]
            orders += [rule(x_0, eps) for rule in rules]
            if len(set(map(tuple, orders))) == len(orders):
                found.append(number)
                break
    return tuple(found)


def _pair_cases(seed: int) -> list[Case]:
    """Three batches: with fewer, some slip would find the same pairs by chance."""
    return [Case(_batch(number, B)) for number, B in zip(_telling(seed), _BATCHES, strict=True)]


BEST_PAIRS = Task(
    name="flow.best_pairs",
    title="Pairs that do not cross",
    points=3,
    minutes=10,
    prompt=r"""
Pair each point of the data with a point of noise, each used once, so that the sum of all
$\lVert x_0 - \epsilon \rVert^2$ is as small as it can be. Return for each row of `x_0` the number
of its row of `eps`. Batches are small here: you may try all orders.""",
    hint="`itertools.permutations(range(len(x_0)))` gives all orders; `min(..., key=...)` the "
    "best one.",
    lesson="whoever takes the nearest first leaves the far ones to the others; the sum is what "
    "counts.",
    reference=best_pairs,
    cases=_pair_cases,
    mistakes=(
        Mistake("Each takes its nearest; so some noise is used twice.", _nearest),
        Mistake(
            "One after another takes the nearest that is left; the last ones pay for it.",
            _one_after_another,
        ),
        Mistake(
            "The list is turned round: it says for each noise which data it has.",
            lambda x, e: _inverse(_orders(x, e)),
        ),
        Mistake("The lengths are not squared.", lambda x, e: _orders(x, e, 0.5)),
        Mistake("This makes the sum as large as it can be.", _longest),
        Mistake("This keeps the longest line short; the sum counts.", _shortest_worst),
        Mistake("This is the order as it came.", lambda x, e: list(range(len(x)))),
    ),
    picture="""
g = torch.Generator().manual_seed(4)
x_0, eps = data.two_moons(6, g), torch.randn(6, 2, generator=g)
figure, panels = plt.subplots(1, 2, figsize=(6.4, 2.4), sharex=True, sharey=True)
for axes, order in zip(panels, (list(range(6)), best_pairs(x_0, eps))):
    for point, noise in zip(x_0, eps[order]):
        axes.plot(*torch.stack([point, noise]).T, color="#999999")
    axes.scatter(*x_0.T, s=20, zorder=3, label="data")
    axes.scatter(*eps.T, s=20, zorder=3, label="noise")
panels[0].set_title("as they came")
panels[1].set_title("best pairs")
figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
plt.show()
""",
    alt="Two panels with six lines between six points of data and six of noise: left some lines "
    "cross, right they are shorter, and none cross.",
)

# -- how straight -------------------------------------------------------------------------------


def bend(states: Tensor) -> float:
    """How far walks are from straight lines at even speed; 0 for those.

    states: (n + 1, B, 2), where B walks stand at the times 1, 1 - 1/n, ..., 0. The mean, over walks
    and pieces, of the squared length of: velocity of the piece, minus the whole way.
    """
    ### BEGIN SOLUTION
    n = len(states) - 1
    pieces = (states[:-1] - states[1:]) * n
    whole = states[0] - states[-1]
    return ((pieces - whole) ** 2).sum(2).mean().item()
    ### END SOLUTION


def _bend(states: Tensor, form: str) -> float:
    n = len(states) - 1
    pieces = (states[:-1] - states[1:]) * (1 if form == "time" else n)
    whole = states[0] - states[-1]
    if form == "sign":
        whole = -whole
    if form == "count":
        pieces = (states[:-1] - states[1:]) * (n + 1)
    gap = (pieces - whole) ** 2
    if form == "coordinates":
        return gap.mean().item()
    if form == "sum":
        return gap.sum().item()
    return (gap.sum(2).sqrt() if form == "length" else gap.sum(2)).mean().item()


BEND = Task(
    name="flow.bend",
    title="How straight is a walk?",
    points=2,
    minutes=7,
    prompt=r"""
A straight walk at even speed covers the same way in each piece of time. Measure how far walks are
from that: for each piece its velocity, minus the whole way from end to start (which takes the
time 1); the squared length of the difference; the mean over pieces and walks.""",
    hint="A piece takes the time $1/n$: to divide by it is to multiply by $n$.",
    lesson="at 0 one call is enough: this number says what pairing and reflow are worth.",
    reference=bend,
    cases=lambda seed: [
        Case((draw.noise(draw.generator(seed), n + 1, B, 2).cumsum(0),))
        for n, B in ((4, 5), (7, 3))
    ],
    mistakes=(
        Mistake("The pieces' time is left out: a piece takes 1/n.", partial(_bend, form="time")),
        Mistake("The whole way has the wrong sign.", partial(_bend, form="sign")),
        Mistake("n + 1 states make n pieces.", partial(_bend, form="count")),
        Mistake("This also averages over the coordinates.", partial(_bend, form="coordinates")),
        Mistake("This adds up all; the mean is asked for.", partial(_bend, form="sum")),
        Mistake("These are lengths; their squares are asked for.", partial(_bend, form="length")),
    ),
    picture="""
time = torch.linspace(0, 1, 21)
straight = torch.stack([time, time], 1)
hurried = torch.stack([time**3, time**3], 1)
around = torch.stack([time, (torch.pi * time).sin()], 1)
plt.figure(figsize=(5.6, 2.4))
for name, states, size in (("even", straight, 7), ("hurried", hurried, 3), ("around", around, 3)):
    plt.plot(*states.T, "o-", lw=1, ms=size, label=f"{name}: {bend(states[:, None]):.2f}")
plt.xlabel("first coordinate")
plt.ylabel("second coordinate")
plt.legend(title="bend", loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
""",
    alt="Three walks: an even line with bend 0, the same line with uneven dots, and an arch above "
    "it, both with a bend above 1.",
)

CHAPTER = Chapter(
    name="flow",
    title="flow",
    intro=r"""
Straight lines from data to noise, and a network that learns the velocity. Here you write the loss
and the sampler, make a flow of a DDPM, check a derivation, and pair points so that lines do not
cross. The time of a flow is $u$: 0 is the data, 1 is noise.""",
    setup="""
import itertools
from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ddpm_course import Schedule, data, plots
from ddpm_course.grading import check
from ddpm_course.widgets import Explorer

plots.style()
""",
    tasks=(LINE, FLOW_LOSS, FROM_NOISE, WRONG_LINE, WALK, BEST_PAIRS, BEND),
)
