"""Tasks on samplers that call the network seldom."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from functools import cache, partial

import sympy as sp
import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task
from ddpm_course.grading.tasks.lines import Broken
from ddpm_course.symbolic import notation as nt

# -- the clock of solvers ---------------------------------------------------------------------


def half_log_snr(t: Tensor, alpha_bar: Tensor) -> Tensor:
    """(B,) λ_t, half the logarithm of the signal-to-noise ratio; t: (B,) int64, 1..T."""
    ### BEGIN SOLUTION
    share = alpha_bar[t]
    return 0.5 * torch.log(share / (1 - share))
    ### END SOLUTION


def _half_log_snr_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, T in draw.SIZES:
        t = draw.steps(g, B, T)
        cases.append(Case((t, (1 - draw.betas(g, T)).cumprod(0)), along=t.tolist()))
    return cases


HALF_LOG_SNR = Task(
    name="solvers.half_log_snr",
    title="The clock that solvers read",
    points=1,
    minutes=4,
    prompt=r"""
Solvers measure time by $\lambda_t = \frac{1}{2} \log \frac{\bar\alpha_t}{1 - \bar\alpha_t}$.
Compute it for each step of the batch.""",
    hint="Look the table up at $t$; `torch.log` is the natural logarithm.",
    lesson="λ rises from noise to data; on its clock the way is nearly straight.",
    reference=half_log_snr,
    cases=_half_log_snr_cases,
    mistakes=(
        Mistake(
            "The half is missing: this is the logarithm of the whole ratio.",
            lambda t, a: torch.log(a[t] / (1 - a[t])),
        ),
        Mistake(
            "The ratio is upside down: λ must rise towards the data.",
            lambda t, a: 0.5 * torch.log((1 - a[t]) / a[t]),
        ),
        Mistake("The noise is left out of the ratio.", lambda t, a: 0.5 * torch.log(a[t])),
        Mistake("The logarithm is missing.", lambda t, a: 0.5 * a[t] / (1 - a[t])),
        Mistake(
            "This is a logarithm to the base 2.", lambda t, a: 0.5 * torch.log2(a[t] / (1 - a[t]))
        ),
        Mistake(
            "This is a logarithm to the base 10.",
            lambda t, a: 0.5 * torch.log10(a[t] / (1 - a[t])),
        ),
        Mistake(
            "This is the root of the ratio; half of its logarithm is asked for.",
            lambda t, a: (a[t] / (1 - a[t])).sqrt(),
        ),
    ),
    picture="""
plt.figure(figsize=(5, 2.2))
for name, schedule in (("linear", Schedule.linear(1000)), ("cosine", Schedule.cosine(1000))):
    t = torch.arange(1, 1001)
    plt.plot(t, half_log_snr(t, schedule.alpha_bar), label=name)
plt.xlabel("t")
plt.ylabel(r"$\\lambda_t$")
plt.legend()
plt.show()
""",
    alt="λ over t for the linear and the cosine schedule: both fall from above 4 at t = 1, the "
    "linear one to about -5, the cosine one at the end steeply to below -8.",
)

# -- the jump ---------------------------------------------------------------------------------


def next_line(x_t: sp.Symbol, x0_hat: sp.Symbol, now: sp.Symbol, then: sp.Symbol) -> sp.Expr:
    """x_s, without the noise; `now` is ᾱ_t, `then` is ᾱ_s."""
    ### BEGIN SOLUTION
    eps_hat = (x_t - sp.sqrt(now) * x0_hat) / sp.sqrt(1 - now)
    return sp.sqrt(then) * x0_hat + sp.sqrt(1 - then) * eps_hat
    ### END SOLUTION


def _next(x: sp.Symbol, g: sp.Symbol, a: sp.Symbol, b: sp.Symbol, form: str) -> sp.Expr:
    """What goes wrong with the line."""
    root = sp.sqrt
    eps = {
        "sign": (x + root(a) * g) / root(1 - a),
        "undivided": x - root(a) * g,
        "no root": (x - a * g) / (1 - a),
        "at s": (x - root(b) * g) / root(1 - b),
        "whole": (x - g) / root(1 - a),
        "variance": (x - root(a) * g) / (1 - a),
    }.get(form, (x - root(a) * g) / root(1 - a))
    if form == "old noise":
        return root(b) * g + root(1 - a) * eps
    return root(b) * g + root(1 - b) * eps


NEXT_LINE = Task(
    name="solvers.next_line",
    title="Write the next line",
    points=2,
    minutes=6,
    prompt=r"""
A jump of DDIM without fresh noise begins with

1. $x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1 - \bar\alpha_s}\,\hat\epsilon$

Write the next line: put in the noise $\hat\epsilon$ that leads from $\hat x_0$ to $x_t$, so that
$\hat\epsilon$ is gone. Return a SymPy expression; `now` is $\bar\alpha_t$, `then` is
$\bar\alpha_s$.""",
    hint=r"Solve $x_t = \sqrt{\bar\alpha_t}\,\hat x_0 + \sqrt{1 - \bar\alpha_t}\,\hat\epsilon$ "
    r"for $\hat\epsilon$.",
    lesson="the jump is a mixture of where one stands and where one thinks it ends.",
    reference=next_line,
    cases=lambda seed: [
        Case(
            draw.points(seed, (-2, 2), (-1, 1), (0.1, 0.5), (0.55, 0.95)),
            symbols="x_t x0_hat now then",
            rtol=1e-6,
        )
    ],
    mistakes=(
        Mistake("The signal must be taken away from x_t.", partial(_next, form="sign")),
        Mistake(
            "The noise has the size √(1 - ᾱ_t) in x_t: divide by it.",
            partial(_next, form="undivided"),
        ),
        Mistake("The roots in ε̂ are missing.", partial(_next, form="no root")),
        Mistake(
            "This only gives x_t back: in x_t signal and noise have the sizes of t, not of s.",
            partial(_next, form="at s"),
        ),
        Mistake(
            "In x_t the signal is x̂_0 times √ᾱ_t.",
            partial(_next, form="whole"),
        ),
        Mistake(
            "This divides by the variance of the noise; its root is what stands before ε̂.",
            partial(_next, form="variance"),
        ),
        Mistake(
            "The noise keeps the size that it has at t; at s there is less.",
            partial(_next, form="old noise"),
        ),
    ),
    picture="""
symbols = sp.symbols("x_t x0_hat now then", positive=True)
formula = sp.lambdify(symbols, next_line(*symbols))
now, shares = 0.1, np.linspace(0.1, 1, 50)
plt.figure(figsize=(5, 2.2))
for guess in (-1, 0, 1):
    plt.plot(shares, formula(1.5, guess, now, shares), label=f"guess {guess}")
plt.xlabel(r"$\\bar\\alpha_s$")
plt.ylabel("$x_s$")
plt.legend()
plt.show()
""",
    alt="Three curves that begin together at 1.5, where ᾱ_s is ᾱ_t, and end, at ᾱ_s = 1, at the "
    "three guesses -1, 0 and 1.",
)

with nt.as_written():
    _PULL = sp.sqrt(1 - nt.alpha_bar(nt.s)) / sp.sqrt(1 - nt.alpha_bar(nt.t))
    _FADED = sp.sqrt(nt.alpha_bar(nt.s))
    _ROOTS = _PULL * sp.sqrt(nt.alpha_bar(nt.t))
    _WRONG = Broken(
        "solvers.jump",
        {
            3: _PULL * nt.x(nt.t) + (_FADED + _ROOTS) * nt.x0_guess,
            4: _PULL * nt.x(nt.t) + _FADED * (1 + _ROOTS / _FADED) * nt.x0_guess,
            5: _PULL * nt.x(nt.t)
            + _FADED * (1 + sp.sqrt(nt.snr(nt.t) / nt.snr(nt.s))) * nt.x0_guess,
        },
    )

WRONG_LINE = Task(
    name="solvers.wrong_line",
    title="Find the line that does not follow",
    points=2,
    minutes=6,
    prompt=f"""
Somebody went on from there. Each line should follow from the one above it, for the reason beside
it. One does not; the lines after it follow from it again.

{_WRONG.text()}

Set `wrong_line` to its number. (No formula is needed: put numbers in, if you like.)""",
    hint=r"Take $\hat x_0 = 1$, $x_t = 0$ and two values for $\bar\alpha_t$ and $\bar\alpha_s$: "
    "then each line is a number.",
    lesson="a wrong line is found with numbers faster than with more algebra: they never agree by "
    "chance.",
    reference=_WRONG.line,
    mistakes=(
        Mistake("That is DDIM's step as the chapter has it.", 1),
        Mistake("ε̂ is what is left of x_t without the signal, divided by its size: that holds.", 2),
        Mistake("From the line above, this one follows: a factor was taken out. Look up.", 4),
        Mistake(
            "From the line above, this one follows: SNR(t)/SNR(s) is that very ratio. Look up.", 5
        ),
    ),
)

# -- looking ahead ----------------------------------------------------------------------------


def look_ahead(x0_hat: Tensor, x0_before: Tensor, before: float, now: float, then: float) -> Tensor:
    """The guess of x_0 in the middle of the jump, on the line through the last two guesses.

    x0_before was guessed at λ = before, x0_hat at λ = now; the jump goes from now to then.
    """
    ### BEGIN SOLUTION
    slope = (x0_hat - x0_before) / (now - before)
    return x0_hat + slope * (then - now) / 2
    ### END SOLUTION


def _ahead(
    a: Tensor, b: Tensor, before: float, now: float, then: float, form: str = "right"
) -> Tensor:
    slope = (a - b) / (now - before)
    if form == "flat":
        slope = a - b
    if form == "wrong width":
        slope = (a - b) / (then - now)
    if form == "from before":
        return b + slope * (then - now) / 2
    if form == "back":
        return a - slope * (then - now) / 2
    if form == "mean":
        return (a + b) / 2
    if form == "span":
        return a + (a - b) / (then - before) * (then - now) / 2
    return a + slope * (then - now) / (1 if form == "end" else 2)


def _ahead_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case((draw.noise(g, B, 2), draw.noise(g, B, 2), *place))
        for B, *place in ((5, -3.0, -1.2, 0.4), (4, 0.5, 1.1, 2.9))
    ]


LOOK_AHEAD = Task(
    name="solvers.look_ahead",
    title="Look ahead",
    points=2,
    minutes=7,
    prompt=r"""
A guess $\hat x_0$ is made at the start of a jump, and used for all of it. Better is the guess
that would hold in the middle. Two guesses are known: the last one, at $\lambda$ = `now`, and the
one before it, at $\lambda$ = `before`. Lay a line through them, and read it off in the middle
between `now` and `then`. Jumps need not be equally wide.""",
    hint=r"The slope is the change of the guess, divided by the change of $\lambda$.",
    lesson="one subtraction more and not one call more: this is the second order.",
    reference=look_ahead,
    cases=_ahead_cases,
    mistakes=(
        Mistake(
            "This reads the line at the jump's end; the middle is asked for.",
            partial(_ahead, form="end"),
        ),
        Mistake(
            "The slope leaves out how far apart the two guesses lie.", partial(_ahead, form="flat")
        ),
        Mistake(
            "The slope is taken over the jump ahead; the guesses lie a jump behind.",
            partial(_ahead, form="wrong width"),
        ),
        Mistake("This starts from the older guess.", partial(_ahead, form="from before")),
        Mistake(
            "This looks back: the sign of the slope is turned round.", partial(_ahead, form="back")
        ),
        Mistake(
            "This is the mean of the two guesses, behind us; look ahead.",
            partial(_ahead, form="mean"),
        ),
        Mistake("The slope is taken over both jumps together.", partial(_ahead, form="span")),
    ),
    picture="""
clock = torch.linspace(-2, 2, 100)
truth = torch.sigmoid(2 * clock)
plt.figure(figsize=(5, 2.2))
plt.plot(clock, truth, color="#999999", label="the guess at each λ")
for before, now, then in ((-1.5, -1, 0), (-0.5, 0, 0.6)):
    at = torch.sigmoid(2 * torch.tensor([before, now]))
    middle = look_ahead(at[1:], at[:1], before, now, then)
    told = f"from {before:g} and {now:g} to {(now + then) / 2:g}"
    plt.plot([before, now, (now + then) / 2], [*at, *middle], "o-", label=told)
plt.xlabel(r"$\\lambda$")
plt.ylabel(r"guess of $x_0$")
plt.legend()
plt.show()
""",
    alt="A gray curve that rises in the shape of an S. Two lines run through two dots on it each, "
    "and end at a third dot ahead: the first one below the curve, the second one close to it.",
)

# -- a budget of calls ------------------------------------------------------------------------


def best_times(error: Tensor, calls: int) -> list[int]:
    """The steps T, ..., 0 at which to stop, so that the errors of all jumps add up to the least.

    error: (T+1, T+1), error[t, s] is the error of one jump from t to s < t. calls: how many jumps
    there are, no more and no fewer; the list has calls + 1 entries.
    """
    ### BEGIN SOLUTION
    T = len(error) - 1
    best = {(T, 0): (0.0, [T])}  # (place, jumps made) -> (error so far, the way)
    for made in range(1, calls + 1):
        for s in range(T):
            ways = [
                (so_far + error[t, s].item(), [*way, s])
                for (t, jumps), (so_far, way) in best.items()
                if jumps == made - 1 and t > s
            ]
            if ways:
                best[s, made] = min(ways)
    return best[0, calls][1]
    ### END SOLUTION


def _ways(error: Tensor, calls: int) -> list[tuple[float, list[int]]]:
    T = len(error) - 1
    found = []
    for between in itertools.combinations(range(T - 1, 0, -1), calls - 1):
        way = [T, *between, 0]
        found.append((sum(error[a, b].item() for a, b in itertools.pairwise(way)), way))
    return found


def _greedy(error: Tensor, calls: int) -> list[int]:
    """Each time the cheapest next jump that leaves room for the others."""
    way = [len(error) - 1]
    for left in range(calls - 1, 0, -1):
        way.append(min(range(left, way[-1]), key=lambda s: error[way[-1], s].item()))
    return [*way, 0]


def _greedy_from_0(error: Tensor, calls: int) -> list[int]:
    """The same from the other end: each time the cheapest jump that leads to where one stands."""
    T, way = len(error) - 1, [0]
    for left in range(calls - 1, 0, -1):
        at = way[0]
        way.insert(0, min(range(at + 1, T - left + 1), key=lambda t: error[t, at].item()))
    return [T, *way]


def _even(error: Tensor, calls: int) -> list[int]:
    T = len(error) - 1
    return [round(T - T * k / calls) for k in range(calls + 1)]


def _worst_jump(error: Tensor, calls: int) -> list[int]:
    return min(
        (max(error[a, b].item() for a, b in itertools.pairwise(way)), way)
        for _, way in _ways(error, calls)
    )[1]


def _worst(error: Tensor, calls: int) -> list[int]:
    return max(_ways(error, calls))[1]


def _any_number(error: Tensor, calls: int) -> list[int]:
    return min(min(_ways(error, n)) for n in range(1, len(error)) if n != calls)[1]


_BUDGETS = ((9, 3), (8, 4), (10, 5), (6, 3))  # T, and calls


def _error(number: int, T: int) -> Tensor:
    t = torch.arange(T + 1.0)
    width = (t[:, None] - t[None]).abs()  # of jumps up, too: who reads the table turned is told
    return width**1.5 * (0.2 + torch.rand(T + 1, T + 1, generator=draw.generator(number)))


@cache
def _telling(seed: int) -> tuple[int, ...]:
    """Draws of tables in which the best way and every simpler rule's are all different."""
    rules = (best_times, _greedy, _greedy_from_0, _even, _worst_jump, _any_number, _worst)
    found: list[int] = []
    for T, calls in _BUDGETS:
        for number in itertools.count(1000 * seed + 100 * len(found)):
            error = _error(number, T)
            if len({tuple(rule(error, calls)) for rule in rules}) == len(rules):
                found.append(number)
                break
    return tuple(found)


def _budget_cases(seed: int) -> list[Case]:
    """Four tables: with fewer, some slip would find the same ways by chance."""
    return [
        Case((_error(number, T), calls))
        for number, (T, calls) in zip(_telling(seed), _BUDGETS, strict=True)
    ]


BEST_TIMES = Task(
    name="solvers.best_times",
    title="A schedule under a budget",
    points=3,
    minutes=15,
    prompt=r"""
You may call the network `calls` times. Somebody has measured the error of every single jump:
`error[t, s]`, from $t$ to $s < t$. Find the way from $T$ to 0 in exactly `calls` jumps whose
errors add up to the least. For $T = 9$ one could try all ways; find a rule that would also do
for $T = 1000$ and 20 calls.""",
    hint="The best way to $s$ in $k$ jumps ends with one jump from some $t$, and begins with the "
    "best way to $t$ in $k - 1$.",
    lesson="what is best up to here never has to be thought over again: dynamic programming.",
    reference=best_times,
    cases=_budget_cases,
    mistakes=(
        Mistake(
            "Each time the cheapest next jump is taken: what is saved early costs more later.",
            _greedy,
        ),
        Mistake(
            "From 0 upwards, each time the cheapest jump is taken: what is saved there costs more "
            "further up.",
            _greedy_from_0,
        ),
        Mistake(
            "This is the sum of the errors; the way itself is asked for.",
            lambda e, n: min(_ways(e, n))[0],
        ),
        Mistake("The steps are evenly spaced; the errors are not asked.", _even),
        Mistake("This keeps the worst jump small; the sum counts.", _worst_jump),
        Mistake("This is the best way with another number of jumps.", _any_number),
        Mistake(
            "The way is written from 0 to T; the walk begins at T.",
            lambda e, n: min(_ways(e, n))[1][::-1],
        ),
        Mistake("The last stop, 0, is missing.", lambda e, n: min(_ways(e, n))[1][:-1]),
        Mistake("The first stop, T, is missing.", lambda e, n: min(_ways(e, n))[1][1:]),
        Mistake("This is the worst way.", _worst),
    ),
    picture="""
T = 20  # few enough for a rule that tries all ways
share = Schedule.cosine(T).alpha_bar
clock = 0.5 * torch.log(share / (1 - share)).clamp(-5, 5)
width = (clock[None] - clock[:, None]).clamp(min=0)
error = width**2 * torch.exp(-0.15 * clock[None] ** 2)  # jumps in the middle cost more
plt.figure(figsize=(5, 2.2))
for calls in (3, 5, 8):
    plt.plot(best_times(error, calls), [calls] * (calls + 1), "o-")
plt.xlabel("t")
plt.ylabel("calls")
plt.show()
""",
    alt="Three rows of dots between t = 20 and 0: 4 stops, 6 stops and 9 stops, unevenly spaced, "
    "the widest jumps near t = 0, the narrowest near 20.",
)


def order(calls: Tensor, errors: Tensor) -> float:
    """p, where the error falls like calls^(-p): minus the slope, both axes logarithmic.

    calls, errors: (N,). Take the straight line that fits best (least squares).
    """
    ### BEGIN SOLUTION
    x, y = calls.double().log(), errors.double().log()
    x, y = x - x.mean(), y - y.mean()
    return -((x * y).sum() / (x * x).sum()).item()
    ### END SOLUTION


def _slope(x: Tensor, y: Tensor) -> float:
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).sum() / (x * x).sum()).item()


def _order_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for calls, p in (([5, 8, 10, 20, 40, 80], 1.0), ([4, 6, 9, 25, 50], 2.1)):
        N = torch.tensor(calls)
        cases.append(Case((N, 3 * N.double() ** -p * (0.15 * draw.noise(g, len(N))).exp())))
    return cases


ORDER = Task(
    name="solvers.order",
    title="Measure the order",
    points=1,
    minutes=5,
    prompt=r"""
A solver of order $p$ has an error like $c \cdot \text{calls}^{-p}$. Then
$\log \text{error} = \log c - p \log \text{calls}$: a straight line. Measure $p$ by the line that
fits best through all points.""",
    hint="The slope of the best line is the sum of $x y$ over the sum of $x^2$, both less their "
    "means.",
    lesson="an order that was measured is a claim that was tested: a bug mostly shows as order 1.",
    reference=order,
    cases=_order_cases,
    mistakes=(
        Mistake(
            "The sign is turned round: the order is positive where the error falls.",
            lambda c, e: _slope(c.double().log(), e.double().log()),
        ),
        Mistake(
            "Only the errors' logarithm is taken.",
            lambda c, e: -_slope(c.double(), e.double().log()),
        ),
        Mistake("No logarithm is taken.", lambda c, e: -_slope(c.double(), e.double())),
        Mistake(
            "x and y are in each other's place.",
            lambda c, e: -_slope(e.double().log(), c.double().log()),
        ),
        Mistake(
            "Only the first and the last point are used.",
            lambda c, e: -math.log(e[-1] / e[0]) / math.log(c[-1] / c[0]),
        ),
        Mistake(
            "Only the last two points are used.",
            lambda c, e: -math.log(e[-1] / e[-2]) / math.log(c[-1] / c[-2]),
        ),
        Mistake(
            "The means are not taken away first: the line is forced through 0.",
            lambda c, e: (
                -(
                    (c.double().log() * e.double().log()).sum() / (c.double().log() ** 2).sum()
                ).item()
            ),
        ),
        Mistake(
            "This is the line's height where log calls is 0, which tells of c; the slope tells p.",
            lambda c, e: (
                e.double().log().mean()
                - _slope(c.double().log(), e.double().log()) * c.double().log().mean()
            ).item(),
        ),
        Mistake(
            "Slopes between neighbors are averaged; one line through all points is asked for.",
            lambda c, e: -(e.double().log().diff() / c.double().log().diff()).mean().item(),
        ),
    ),
    picture="""
calls = torch.tensor([5.0, 10, 20, 40, 80])
plt.figure(figsize=(5, 2.2))
for errors in (0.9 / calls, 6 / calls**2, 0.1 + 0.9 / calls):
    plt.loglog(calls, errors, "o-", label=f"order {order(calls, errors):.2f}")
plt.xticks(calls.tolist(), [f"{count:g}" for count in calls])
plt.minorticks_off()
plt.xlabel("calls")
plt.ylabel("error")
plt.legend()
plt.show()
""",
    alt="Three falling lines, both axes logarithmic: orders 1.00 and 2.00 are straight, and the "
    "third, with an error that stays, bends and reads order 0.33.",
)

# -- a broken sampler -------------------------------------------------------------------------


def walk(
    model: Callable[[Tensor, Tensor], Tensor], x_T: Tensor, times: list[int], alpha_bar: Tensor
) -> Tensor:
    """(B, 2) x_0, by DDIM without fresh noise and without clipping.

    times: the steps from T down to 0. model(x_t, t), t of shape (B,), guesses the noise.
    """
    ### BEGIN SOLUTION
    x = x_T
    for t, s in zip(times, times[1:]):
        now, then = alpha_bar[t].float(), alpha_bar[s].float()
        eps_hat = model(x, torch.full((len(x),), t))
        x0_hat = (x - (1 - now).sqrt() * eps_hat) / now.sqrt()
        x = then.sqrt() * x0_hat + (1 - then).sqrt() * eps_hat
    return x
    ### END SOLUTION


def _walk(
    model: Callable[[Tensor, Tensor], Tensor],
    x_T: Tensor,
    times: list[int],
    alpha_bar: Tensor,
    form: str = "right",
) -> Tensor:
    """The walk, and what goes wrong with it."""
    x, x0_hat, last = x_T, x_T, None
    for t, s in itertools.pairwise(times):
        now, then = alpha_bar[t].float(), alpha_bar[s].float()
        asked = {"late": max(s, 1), "first": times[0], "neighbor": max(t - 1, 1)}.get(form, t)
        eps_hat = model(x, torch.full((len(x),), asked))
        if form == "once":
            eps_hat = last = eps_hat if last is None else last
        x0_hat = (x - (1 - now).sqrt() * eps_hat) / now.sqrt()
        if form == "clipped":
            x0_hat = x0_hat.clamp(-1, 1)
        noise = (1 - (now if form == "noise" else then)).sqrt()
        if form == "neighbor":
            then = alpha_bar[t - 1].float()
            noise = (1 - then).sqrt()
        if form == "lands":
            x = x0_hat
        elif form == "roots":
            x = then * x0_hat + (1 - then) * eps_hat
        elif form == "fresh":
            g = torch.Generator().manual_seed(t)
            x = then.sqrt() * x0_hat + noise * torch.randn(x.shape, generator=g)
        else:
            x = then.sqrt() * x0_hat + noise * eps_hat
        if s == 1 and form == "early":
            return x
    if form == "short":
        return _walk(model, x_T, times[:-1], alpha_bar)
    return x


def _walk_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, times in ((6, [12, 9, 4, 0]), (5, [10, 9, 7, 3, 1, 0])):
        table = (1 - draw.betas(g, times[0])).cumprod(0)
        cases.append(Case((draw.Denoiser(table, 3.0), 2 * draw.noise(g, B, 2), times, table)))
    return cases


WALK = Task(
    name="solvers.walk",
    title="This sampler is broken: mend it",
    points=3,
    minutes=10,
    prompt=r"""
The cell below has a sampler that runs without an error, and the picture shows its symptom: from
data on a ring of eight spots it draws a cloud that is far too wide, with many steps as with few.
Find the fault, and write `walk` without it.""",
    hint=r"How noisy is $x$ after a jump? Compare each $\bar\alpha$ with the chapter's formula.",
    lesson="that it runs says little: know what a right result looks like, then look for what is "
    "off.",
    given="""
def broken(model, x_T, times, alpha_bar):
    x = x_T
    for t, s in zip(times, times[1:]):
        now, then = alpha_bar[t].float(), alpha_bar[s].float()
        eps_hat = model(x, torch.full((len(x),), t))
        x0_hat = (x - (1 - now).sqrt() * eps_hat) / now.sqrt()
        x = then.sqrt() * x0_hat + (1 - now).sqrt() * eps_hat
    return x


schedule, ring = Schedule.linear(1000), data.Mixture.ring(8, radius=0.8, std=0.05)
x_T = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
ways = [torch.linspace(1000, 0, calls + 1).long().tolist() for calls in (10, 50)]
ends = [broken(ring.eps(schedule), x_T, times, schedule.alpha_bar) for times in ways]
plots.show_clouds(ends, ["10 calls, broken", "50 calls, broken"], limit=3)
plt.show()
""",
    shows="Two clouds of points after 10 and after 50 calls of the broken sampler: wide and round, "
    "with no spots to be seen.",
    reference=walk,
    cases=_walk_cases,
    mistakes=(
        Mistake(
            "The fault is still there: after the jump the noise has the size that belongs to s.",
            partial(_walk, form="noise"),
        ),
        Mistake(
            "The model is asked at s, but x is as noisy as t says.", partial(_walk, form="late")
        ),
        Mistake("The model is asked at T each time.", partial(_walk, form="first")),
        Mistake(
            "The model is asked once, and its first guess is used for all jumps.",
            partial(_walk, form="once"),
        ),
        Mistake(
            "Each jump lands at t - 1; it should land at the next of `times`.",
            partial(_walk, form="neighbor"),
        ),
        Mistake("The roots in the jump are missing.", partial(_walk, form="roots")),
        Mistake("Fresh noise stands for the guessed one.", partial(_walk, form="fresh")),
        Mistake("The last jump, to 0, is missing.", partial(_walk, form="short")),
        Mistake(
            "The guess is clipped; here nothing is to be clipped.", partial(_walk, form="clipped")
        ),
        Mistake(
            "The walk lands on the guess of x_0; a jump to s adds the noise that belongs to s.",
            partial(_walk, form="lands"),
        ),
    ),
    picture="""
mended = [walk(ring.eps(schedule), x_T, times, schedule.alpha_bar) for times in ways]
plots.show_clouds(mended, ["10 calls", "50 calls"], limit=3)
plt.show()
""",
    alt="Two clouds after 10 and after 50 calls: a ring of radius 0.8, and on it, after 50 calls, "
    "eight spots.",
    play="""
# Play: how many calls are enough?
ends = {}
for calls in (2, 3, 5, 10, 20, 50):
    times = torch.linspace(1000, 0, calls + 1).long().tolist()
    ends[calls] = walk(ring.eps(schedule), x_T, times, schedule.alpha_bar)


def draw(calls):
    return plots.show_clouds([ends[calls]], [f"{calls} calls"], limit=1.5)


def describe(calls):
    away = (ends[calls].norm(dim=1) - 0.8).abs().mean()
    return f"After {calls} calls the points lie {away:.2f} away from the ring in the mean."


Explorer(draw, describe, calls=list(ends))
""",
)

CHAPTER = Chapter(
    name="solvers",
    title="solvers",
    intro=r"""
Twenty calls of the network instead of a thousand. Here you write the jump and the look ahead,
check a derivation, choose where to spend a budget of calls, and mend a sampler.""",
    setup="""
from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import sympy as sp
import torch
from torch import Tensor

from ddpm_course import Schedule, data, plots
from ddpm_course.grading import check
from ddpm_course.widgets import Explorer

plots.style()
""",
    tasks=(HALF_LOG_SNR, NEXT_LINE, WRONG_LINE, LOOK_AHEAD, BEST_TIMES, ORDER, WALK),
)
