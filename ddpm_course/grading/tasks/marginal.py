"""Tasks on the closed form: from x_0 to any x_t in one jump."""

from __future__ import annotations

import math
from collections.abc import Iterator

import sympy as sp
import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

# -- 1 ----------------------------------------------------------------------------------------


def alpha_bar(beta: Tensor) -> Tensor:
    """(T+1,) the share of the data's variance that is left after t steps; beta: (T+1,)."""
    ### BEGIN SOLUTION
    return (1 - beta).cumprod(dim=0)
    ### END SOLUTION


def _alpha_bar_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [Case((draw.betas(g, T),), along=range(T + 1)) for T in (12, 7)]


ALPHA_BAR = Task(
    name="marginal.alpha_bar",
    title="What is left of the signal",
    points=2,
    minutes=4,
    prompt=r"""
Each step keeps the share $\alpha_t = 1 - \beta_t$ of the signal's variance. After $t$ steps
the share $\bar\alpha_t = \alpha_1 \alpha_2 \cdots \alpha_t$ is left, and $\bar\alpha_0 = 1$.
Compute all of them at once from `beta`, which has $T + 1$ entries and starts with
`beta[0] = 0`.""",
    hint="PyTorch has a running product. What does `1 - beta` hold at entry 0?",
    lesson="ᾱ_t is a running product: it starts at 1 and can only fall.",
    reference=alpha_bar,
    cases=_alpha_bar_cases,
    mistakes=(
        Mistake(
            "This multiplies the noise variances β. Which share does a step keep?",
            lambda beta: beta.cumprod(0),
        ),
        Mistake(
            "Every entry is the product over all T steps. ᾱ_t stops at t.",
            lambda beta: (1 - beta).prod().expand(len(beta)),
        ),
        Mistake(
            "This subtracts the β one after the other. A step takes its share of what is left, "
            "not of the whole.",
            lambda beta: 1 - beta.cumsum(0),
        ),
        Mistake(
            "This is the factor on x_0 itself. ᾱ_t is about its variance.",
            lambda beta: (1 - beta).sqrt().cumprod(0),
        ),
        Mistake(
            "Entry 0 is missing, so everything stands one place too early. After 0 steps all of "
            "the signal is left.",
            lambda beta: (1 - beta[1:]).cumprod(0),
        ),
        Mistake("This is α_t, what one step keeps. ᾱ_t has a bar.", lambda beta: 1 - beta),
        Mistake(
            "Every entry stands one place too late: ᾱ_t includes the factor of step t.",
            lambda beta: torch.cat([torch.ones(1), (1 - beta[:-1]).cumprod(0)]),
        ),
        Mistake(
            "The product runs from the last step backwards; it begins at the first.",
            lambda beta: (1 - beta).flip(0).cumprod(0).flip(0),
        ),
    ),
    picture="""
signal = torch.as_tensor(alpha_bar(Schedule.linear(1000).beta))
plt.figure(figsize=(5, 2.2))
plt.plot(signal, label=r"$\\bar\\alpha_t$, signal")
plt.plot(1 - signal, label=r"$1 - \\bar\\alpha_t$, noise")
plt.xlabel("t")
plt.legend()
plt.show()
""",
    alt="Two curves over t from 0 to 1000: the signal's share falls from 1 to 0, the noise's share "
    "rises from 0 to 1; they cross well before the middle.",
)

# -- 2 ----------------------------------------------------------------------------------------


def given_x0(x_0: Tensor, t: Tensor, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, 1, H, W) and variance (B, 1, 1, 1) of q(x_t | x_0).

    x_0: (B, 1, H, W) images; t: (B,) int64, one step for each image; alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    share = alpha_bar[t].float().view(-1, 1, 1, 1)
    return share.sqrt() * x_0, 1 - share
    ### END SOLUTION


def _images(seed: int) -> Iterator[tuple[Tensor, Tensor, Tensor, Tensor]]:
    """ᾱ of some steps, t for some images, and two sets of such images; twice."""
    g = draw.generator(seed)
    for shape, T in draw.IMAGES:
        table = (1 - draw.betas(g, T)).cumprod(0)
        yield table, draw.steps(g, shape[0], T), draw.noise(g, *shape), draw.noise(g, *shape)


def _at(table: Tensor, t: Tensor) -> Tensor:
    return table[t].float().view(-1, 1, 1, 1)


def _given_x0_cases(seed: int) -> list[Case]:
    return [Case((x_0, t, table), along=t.tolist()) for table, t, x_0, _ in _images(seed)]


GIVEN_X0 = Task(
    name="marginal.given_x0",
    title="The distribution of $x_t$ when $x_0$ is known",
    points=2,
    minutes=5,
    prompt=r"""
In one jump, $q(x_t \mid x_0) = \mathcal N(x_t;\ \sqrt{\bar\alpha_t}\,x_0,\ (1 - \bar\alpha_t)
I)$. Return the mean and the **variance** for a batch of images, where each image has its own
$t$.""",
    hint="`alpha_bar[t]` has shape `(B,)`. Give it the shape `(B, 1, 1, 1)` before you multiply, "
    "or PyTorch will line it up with the wrong axis.",
    lesson="the notation N(x; mean, variance) holds a variance: 1 - ᾱ_t, without a root.",
    reference=given_x0,
    cases=_given_x0_cases,
    outputs=("mean", "variance"),
    mistakes=(
        Mistake(
            "The second part is a standard deviation; the variance is asked for.",
            lambda x, t, a: (_at(a, t).sqrt() * x, (1 - _at(a, t)).sqrt()),
        ),
        Mistake(
            "The mean shrinks too fast: ᾱ_t is a share of the variance, and x_0 is no variance.",
            lambda x, t, a: (_at(a, t) * x, 1 - _at(a, t)),
        ),
        Mistake(
            "The mean is x_0 itself: that variance grows, but the signal does not shrink.",
            lambda x, t, a: (x, 1 - _at(a, t)),
        ),
        Mistake(
            "This looks up t - 1. Entry t of the table belongs to step t already.",
            lambda x, t, a: (_at(a, t - 1).sqrt() * x, 1 - _at(a, t - 1)),
        ),
        Mistake(
            "Mean and variance are swapped with each other's share: how much noise is there at "
            "t = 1, little or much?",
            lambda x, t, a: ((1 - _at(a, t)).sqrt() * x, _at(a, t)),
        ),
    ),
    picture="""
table = Schedule.linear(1000).alpha_bar
t = torch.arange(1, 1001)
pixels = {"white": 1.0, "black": -1.0}
found = [given_x0(torch.full((1000, 1, 1, 1), x), t, table) for x in pixels.values()]
plt.figure(figsize=(5, 2.2))
for name, (mean, variance) in zip(pixels, found):
    mean, std = mean.flatten(), variance.flatten().sqrt()
    plt.plot(t, mean, label=f"{name} pixel")
    plt.fill_between(t, mean - std, mean + std, alpha=0.25, lw=0)
plt.xlabel("t")
plt.ylabel(r"mean $\\pm$ std of $x_t$")
plt.legend(loc="upper right")
plt.show()
""",
    alt="The mean of a white and of a black pixel over t, each in a band of one standard "
    "deviation: they start thin at 1 and -1, widen, run into one another, and at the end both are "
    "the band from -1 to 1.",
)

# -- 3 ----------------------------------------------------------------------------------------


def sample(x_0: Tensor, t: Tensor, eps: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_t, made from x_0 and the noise eps in one jump.

    x_0, eps: (B, 1, H, W); t: (B,) int64; alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    share = alpha_bar[t].float().view(-1, 1, 1, 1)
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps
    ### END SOLUTION


def _sample_cases(seed: int) -> list[Case]:
    return [Case((x_0, t, eps, table), along=t.tolist()) for table, t, x_0, eps in _images(seed)]


SAMPLE = Task(
    name="marginal.sample",
    title="One jump",
    points=3,
    minutes=6,
    prompt=r"""
Draw $x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\epsilon$. The noise `eps` is
given: training must know which noise it put in.""",
    hint=r"A Gaussian with variance $v$ is its mean plus $\sqrt{v}$ times standard noise.",
    lesson="one line replaces t steps; training calls it millions of times.",
    reference=sample,
    cases=_sample_cases,
    mistakes=(
        Mistake(
            "The noise is too weak: it is scaled by its variance. What scales a standard Gaussian?",
            lambda x, t, e, a: _at(a, t).sqrt() * x + (1 - _at(a, t)) * e,
        ),
        Mistake(
            "Neither factor has its root: these are shares of variance, and x_0 and ε are not.",
            lambda x, t, e, a: _at(a, t) * x + (1 - _at(a, t)) * e,
        ),
        Mistake(
            "The two factors are swapped: at t = 1 this is nearly pure noise.",
            lambda x, t, e, a: (1 - _at(a, t)).sqrt() * x + _at(a, t).sqrt() * e,
        ),
        Mistake(
            "The whole batch uses the t of its first image. Each image has its own.",
            lambda x, t, e, a: a[t[0]].sqrt().float() * x + (1 - a[t[0]]).sqrt().float() * e,
        ),
        Mistake(
            "This looks up t - 1. Entry t of the table belongs to step t already.",
            lambda x, t, e, a: _at(a, t - 1).sqrt() * x + (1 - _at(a, t - 1)).sqrt() * e,
        ),
        Mistake(
            "The signal does not shrink: noise is added to all of x_0, and the variance grows.",
            lambda x, t, e, a: x + (1 - _at(a, t)).sqrt() * e,
        ),
        Mistake(
            "The two factors add to 1. It is their squares that must.",
            lambda x, t, e, a: _at(a, t).sqrt() * x + (1 - _at(a, t).sqrt()) * e,
        ),
        Mistake(
            "This uses fresh noise of its own and leaves `eps` unused. Training must know "
            "its noise.",
            lambda x, t, e, a: _at(a, t).sqrt() * x + (1 - _at(a, t)).sqrt() * torch.randn_like(x),
        ),
    ),
    picture="""
x_0 = data.digits()[:1].expand(8, 1, 8, 8)
t = torch.tensor([1, 100, 200, 300, 400, 500, 700, 1000])
eps = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
x_t = sample(x_0, t, eps, Schedule.linear(1000).alpha_bar)
plots.show_images([x_t], column_titles=[f"t = {step}" for step in t], pixels=True)
plt.show()
""",
    alt="A handwritten zero at eight values of t from 1 to 1000: clean at first, grainy from "
    "t = 200 on, hardly to be seen at 500, and pure noise at 1000.",
    play="""
# Play: drag t. When do you no longer know which digits these are? Is it the same t for all five?
five = data.digits()[[0, 1, 2, 4, 6]]
eps = torch.randn(five.shape, generator=torch.Generator().manual_seed(1))
table = Schedule.linear(1000).alpha_bar
times = [0, 50, 100, 150, 200, 250, 300, 400, 500, 700, 1000]
noised = {t: sample(five, torch.full((5,), t), eps, table) for t in times}


def draw(t):
    return plots.show_images([noised[t]])


def describe(t):
    return f"Five digits at t = {t}: {table[t]:.0%} of the data's variance is left in them."


Explorer(draw, describe, t=times)
""",
)

# -- 4, 5 -------------------------------------------------------------------------------------


def predict_x0(x_t: Tensor, eps: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """The x_0 that x_t came from, when eps is the noise in it.

    x_t, eps: (B, 1, H, W); t: (B,) int64; alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    share = alpha_bar[t].float().view(-1, 1, 1, 1)
    return (x_t - (1 - share).sqrt() * eps) / share.sqrt()
    ### END SOLUTION


def _predict_cases(seed: int) -> list[Case]:
    return [Case((x_t, eps, t, table), along=t.tolist()) for table, t, x_t, eps in _images(seed)]


PREDICT_X0 = Task(
    name="marginal.predict_x0",
    title="Undo the jump",
    points=2,
    minutes=4,
    prompt=r"""
If we knew the noise in $x_t$, we could take it out again. Solve
$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\epsilon$ for $x_0$.""",
    hint="Two steps: take the noise off, then give the signal its size back.",
    lesson="whoever predicts ε predicts x_0 as well; near T the division makes small errors large.",
    reference=predict_x0,
    cases=_predict_cases,
    mistakes=(
        Mistake(
            "The noise is off, but the signal is still small: it was shrunk on the way.",
            lambda x, e, t, a: x - (1 - _at(a, t)).sqrt() * e,
        ),
        Mistake(
            "The signal is blown up too much. By which factor was it shrunk?",
            lambda x, e, t, a: (x - (1 - _at(a, t)).sqrt() * e) / _at(a, t),
        ),
        Mistake(
            "The noise is added once more, not taken off.",
            lambda x, e, t, a: (x + (1 - _at(a, t)).sqrt() * e) / _at(a, t).sqrt(),
        ),
        Mistake(
            "The noise comes off unscaled: not all of ε is in x_t.",
            lambda x, e, t, a: (x - e) / _at(a, t).sqrt(),
        ),
        Mistake(
            "Only x_t is divided. The noise sits inside the bracket.",
            lambda x, e, t, a: x / _at(a, t).sqrt() - (1 - _at(a, t)).sqrt() * e,
        ),
        Mistake(
            "The noise is scaled by its variance, not by its standard deviation.",
            lambda x, e, t, a: (x - (1 - _at(a, t)) * e) / _at(a, t).sqrt(),
        ),
    ),
    picture="""
t = torch.tensor([1, 100, 200, 400, 600, 800])
x_0 = data.digits()[:1].expand(6, 1, 8, 8)
eps, error = torch.randn(2, *x_0.shape, generator=torch.Generator().manual_seed(0))
table = Schedule.linear(1000).alpha_bar
x_t = sample(x_0, t, eps, table)  # your own
guesses = [predict_x0(x_t, guess, t, table) for guess in (eps, eps + 0.1 * error)]
titles = [f"t = {step}" for step in t]
plots.show_images([x_t, *guesses], ["$x_t$", "true ε", "ε 10% off"], titles, pixels=True)
plt.show()
""",
    alt="Three rows of a handwritten zero at six values of t. The first sinks in noise. The "
    "second, from the true noise, is clean at every t. The third, from noise that is a tenth off, "
    "is clean at small t and spoiled at large t.",
)


def predict_eps(x_t: Tensor, x_0: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """The noise in x_t, when x_0 is known.

    x_t, x_0: (B, 1, H, W); t: (B,) int64; alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    share = alpha_bar[t].float().view(-1, 1, 1, 1)
    return (x_t - share.sqrt() * x_0) / (1 - share).sqrt()
    ### END SOLUTION


PREDICT_EPS = Task(
    name="marginal.predict_eps",
    title="Find the noise",
    points=2,
    minutes=4,
    prompt=r"""
Now the other way round: solve
$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\epsilon$ for $\epsilon$. You
will need it where a guess of $x_0$ has been changed.""",
    hint="Take the signal off, then undo the noise's factor.",
    lesson="x_0, ε and x_t: any two give the third. Change one, and another must follow.",
    reference=predict_eps,
    cases=_predict_cases,
    mistakes=(
        Mistake(
            "The noise is left at the size it has in x_t. ε itself has variance 1.",
            lambda x, x0, t, a: x - _at(a, t).sqrt() * x0,
        ),
        Mistake(
            "This divides by the noise's variance, not by its standard deviation.",
            lambda x, x0, t, a: (x - _at(a, t).sqrt() * x0) / (1 - _at(a, t)),
        ),
        Mistake(
            "This takes all of x_0 off. x_t holds only a part of it.",
            lambda x, x0, t, a: (x - x0) / (1 - _at(a, t)).sqrt(),
        ),
        Mistake(
            "The sign is turned round: signal minus x_t.",
            lambda x, x0, t, a: (_at(a, t).sqrt() * x0 - x) / (1 - _at(a, t)).sqrt(),
        ),
        Mistake(
            "The signal's factor has lost its root.",
            lambda x, x0, t, a: (x - _at(a, t) * x0) / (1 - _at(a, t)).sqrt(),
        ),
    ),
    picture="""
t = torch.tensor([1, 100, 200, 400, 600, 800])
x_0 = data.digits()[:1].expand(6, 1, 8, 8)
eps = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).expand(x_0.shape)
table = Schedule.linear(1000).alpha_bar
x_t = sample(x_0, t, eps, table)  # your own
found = predict_eps(x_t, x_0, t, table)
titles = [f"t = {step}" for step in t]
plots.show_images([x_t, found / 2], ["$x_t$", "noise"], titles, pixels=True)
plt.show()
""",
    alt="Above, a handwritten zero at six values of t, less and less to be seen. Below, the noise "
    "found in each: the same random squares every time.",
)

# -- 6, 7: derivations ------------------------------------------------------------------------


def variance_step(alpha_t: sp.Symbol, alpha_bar_before: sp.Symbol) -> sp.Expr:
    """Var[x_t | x_0] from α_t and ᾱ_{t-1} (`alpha_bar_before`)."""
    ### BEGIN SOLUTION
    kept = alpha_t * (1 - alpha_bar_before)  # the noise of the first t - 1 steps, shrunk
    fresh = 1 - alpha_t  # β_t, the noise of step t
    return kept + fresh
    ### END SOLUTION


def _shares(seed: int) -> list[Case]:
    points = draw.points(seed, (0.5, 0.99), (0.05, 0.95))
    return [Case(points, symbols="alpha_t alpha_bar_before", rtol=1e-6)]


VARIANCE_STEP = Task(
    name="marginal.variance_step",
    title="The induction step",
    points=2,
    minutes=6,
    prompt=r"""
Suppose that $\mathrm{Var}[x_{t-1} \mid x_0] = 1 - \bar\alpha_{t-1}$ is proven. Step $t$ is
$x_t = \sqrt{\alpha_t}\,x_{t-1} + \sqrt{1 - \alpha_t}\,\epsilon_t$ with fresh noise. What is
$\mathrm{Var}[x_t \mid x_0]$? Write it with the two arguments; they are SymPy symbols, and
every equal form passes.""",
    hint=r"For independent $u$ and $v$: "
    r"$\mathrm{Var}[a u + b v] = a^2\,\mathrm{Var}[u] + b^2\,\mathrm{Var}[v]$.",
    lesson="it simplifies to 1 - α_t ᾱ_{t-1} = 1 - ᾱ_t: the formula holds at t if it holds at t "
    "- 1.",
    reference=variance_step,
    cases=_shares,
    mistakes=(
        Mistake(
            "The old noise is carried on at full size. Step t multiplies it, too.",
            lambda a, b: 1 - b + 1 - a,
        ),
        Mistake(
            "The old noise is shrunk by √α_t. A factor on x enters its variance squared.",
            lambda a, b: sp.sqrt(a) * (1 - b) + 1 - a,
        ),
        Mistake("The fresh noise of step t is missing.", lambda a, b: a * (1 - b)),
        Mistake(
            "This takes the two noise variances times each other; they are independent, and add.",
            lambda a, b: (1 - a) * (1 - b),
        ),
        Mistake("This is the variance of the step before.", lambda a, b: 1 - b),
        Mistake(
            "This is a standard deviation; the variance is asked for.",
            lambda a, b: sp.sqrt(1 - a * b),
        ),
    ),
    picture="""
schedule = Schedule.linear(1000)
symbols = sp.symbols("alpha_t alpha_bar_before", positive=True)
formula = sp.lambdify(symbols, variance_step(*symbols))
mine = formula(schedule.alpha[1:].numpy(), schedule.alpha_bar[:-1].numpy())
plt.figure(figsize=(5, 2.2))
plt.plot(range(1, 1001), mine, lw=5, alpha=0.4, label="your step from t - 1 to t")
plt.plot(1 - schedule.alpha_bar, "k--", lw=1, label="the claim, at t")
plt.xlabel("t")
plt.ylabel("variance")
plt.legend()
plt.show()
""",
    alt="The variance over t rises from 0 to 1 in an S. A broad line, the induction step at every "
    "t, lies under a dashed one, the claim.",
)


def from_log_snr(log_snr: sp.Symbol) -> sp.Expr:
    """ᾱ_t as a function of its logarithm, log SNR(t)."""
    ### BEGIN SOLUTION
    return 1 / (1 + sp.exp(-log_snr))
    ### END SOLUTION


FROM_LOG_SNR = Task(
    name="marginal.from_log_snr",
    title="The schedule in its natural unit",
    points=2,
    minutes=5,
    prompt=r"""
The signal-to-noise ratio is $\mathrm{SNR}(t) = \bar\alpha_t / (1 - \bar\alpha_t)$, and many
papers plan a schedule by its logarithm $\ell = \log \mathrm{SNR}$. Go back: write
$\bar\alpha_t$ as a function of $\ell$ (the argument `log_snr`, a SymPy symbol).""",
    hint=r"Start from $e^\ell (1 - \bar\alpha_t) = \bar\alpha_t$.",
    lesson="ᾱ is the sigmoid of the log-SNR, and 1 - ᾱ is the sigmoid of its negative.",
    reference=from_log_snr,
    cases=lambda seed: [Case(draw.points(seed, (0.2, 3.0)), symbols="log_snr", rtol=1e-6)],
    mistakes=(
        Mistake("This is the SNR itself: the logarithm is undone, the ratio not yet.", sp.exp),
        Mistake(
            "This is 1 - ᾱ, the noise's share: a high SNR must mean much signal.",
            lambda s: 1 / (1 + sp.exp(s)),
        ),
        Mistake(
            "A sign is lost on the way: this is above 1 or below 0.",
            lambda s: sp.exp(s) / (sp.exp(s) - 1),
        ),
        Mistake(
            "This is the SNR's formula with ℓ put in for ᾱ: solve for ᾱ.", lambda s: s / (1 - s)
        ),
        Mistake("The logarithm is not undone yet.", lambda s: s / (1 + s)),
        Mistake(
            "The logarithm is the natural one, not that to the base 10.",
            lambda s: 10**s / (1 + 10**s),
        ),
        Mistake(
            "The logarithm is the natural one, not that to the base 2.",
            lambda s: 2**s / (1 + 2**s),
        ),
    ),
    picture="""
symbol = sp.Symbol("log_snr", real=True)
formula = sp.lambdify(symbol, from_log_snr(symbol))
plt.figure(figsize=(5, 2.2))
for name, schedule in (("linear", Schedule.linear(1000)), ("cosine", Schedule.cosine(1000))):
    plt.plot(range(1, 1001), formula(schedule.snr[1:].log().numpy()), label=name)
plt.xlabel("t")
plt.ylabel(r"$\\bar\\alpha_t$, from the log-SNR")
plt.legend()
plt.show()
""",
    alt="The signal's share over t, worked out from the log-SNR of two schedules: both fall from 1 "
    "to 0, the linear one early, the cosine one evenly.",
)

# -- 8: reading a plot ------------------------------------------------------------------------

CROSSING = Task(
    name="marginal.crossing",
    title="Where noise takes over",
    points=1,
    minutes=3,
    prompt=r"""
Look at the first task's picture again, or compute: with `Schedule.linear(1000)`, what is the
first $t$ at which the noise has more variance than the signal, $1 - \bar\alpha_t >
\bar\alpha_t$? Set `crossing` to that whole number.""",
    hint="`(schedule.alpha_bar < 0.5).nonzero()` lists them all.",
    lesson="the linear schedule is mostly noise after about a quarter of its steps; that is why "
    "the "
    "cosine schedule was made.",
    reference=260,
    mistakes=(
        Mistake("That is half of the steps, not half of the variance.", 500),
        Mistake("That is where √ᾱ_t falls below a half: compare variances, not factors.", 369),
        Mistake(
            "The noise does not yet win there: that is the last t before the crossing.",
            259,
        ),
        Mistake("At t = 1000 there has been only noise for long; look for the crossing.", 1000),
    ),
)

# -- 9 ----------------------------------------------------------------------------------------


def cosine(T: int, s: float, beta_max: float) -> Tensor:
    """(T+1,) float64: beta[0] = 0, then the β_t of the cosine schedule, at most beta_max."""
    ### BEGIN SOLUTION
    time = torch.arange(T + 1, dtype=torch.float64) / T
    f = torch.cos((time + s) / (1 + s) * math.pi / 2) ** 2
    beta = torch.zeros(T + 1, dtype=torch.float64)
    beta[1:] = (1 - f[1:] / f[:-1]).clamp(max=beta_max)
    return beta
    ### END SOLUTION


def _cosine(
    T: int, s: float, top: float, power: int = 2, shrink: bool = True, times: int = 0
) -> Tensor:
    """The cosine schedule, and what goes wrong with it."""
    time = torch.arange(T + 1, dtype=torch.float64) / (times or T)
    f = torch.cos((time + s) / (1 + s * shrink) * math.pi / 2) ** power
    ratio = f[1:] / f[:-1]
    return torch.cat([torch.zeros(1, dtype=torch.float64), (1 - ratio).clamp(max=top)])


def _cosine_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case((T, s, top + 0.03 * torch.rand(1, generator=g).item()), along=range(T + 1))
        for T, s, top in ((20, 0.03, 0.9), (9, 0.01, 0.94))
    ]


COSINE = Task(
    name="marginal.cosine",
    title="The cosine schedule",
    points=2,
    minutes=8,
    prompt=r"""
Nichol and Dhariwal (2021) choose the signal's share first: $\bar\alpha_t = f(t) / f(0)$ with
$f(t) = \cos^2\!\left(\frac{t/T + s}{1 + s} \cdot \frac{\pi}{2}\right)$. Find the $\beta_t$
that lead to it, and cut them off at $\beta_{max}$: at $t = T$ nothing of the signal would be
left.""",
    hint=r"From $\bar\alpha_t = \alpha_t \bar\alpha_{t-1}$ follows one step's $\beta_t = 1 - "
    r"\alpha_t$.",
    lesson="a schedule can be planned by ᾱ, and β follows; the last steps need the cut.",
    reference=cosine,
    cases=_cosine_cases,
    mistakes=(
        Mistake(
            "β is not cut off: the last step would erase everything.",
            lambda T, s, top: _cosine(T, s, 2.0),
        ),
        Mistake("The cosine is not squared.", lambda T, s, top: _cosine(T, s, top, power=1)),
        Mistake(
            "This is 1 - ᾱ_t, the noise of all steps together. β_t is that of one step.",
            lambda T, s, top: (1 - _cosine(T, s, 2.0).neg().add(1).cumprod(0)).clamp(max=top),
        ),
        Mistake(
            "The offset s is added but not divided out: f no longer ends at 0 when t = T.",
            lambda T, s, top: _cosine(T, s, top, shrink=False),
        ),
        Mistake(
            "Entry 0 is missing: beta[0] = 0 stands for the clean data.",
            lambda T, s, top: _cosine(T, s, top)[1:],
        ),
        Mistake(
            "These are the α_t, what a step keeps; β_t is what it takes.",
            lambda T, s, top: 1 - _cosine(T, s, 2.0),
        ),
        Mistake(
            "This is ᾱ_t itself; the β_t that lead to it are asked for.",
            lambda T, s, top: (1 - _cosine(T, s, 2.0)).cumprod(0),
        ),
    ),
    picture="""
linear = Schedule.linear(1000)
mine = Schedule(cosine(1000, 0.008, 0.999))
plt.figure(figsize=(5, 2.2))
plt.plot(linear.alpha_bar, label="linear")
plt.plot(mine.alpha_bar, label="cosine")
plt.xlabel("t")
plt.ylabel(r"$\\bar\\alpha_t$")
plt.legend()
plt.show()
""",
    alt="The signal's share over t: the linear schedule falls early and is near 0 after two thirds "
    "of the steps; the cosine schedule falls evenly and reaches 0 at the end.",
)

# -- 10: the hard one -------------------------------------------------------------------------


def respace(alpha_bar: Tensor, stride: int) -> Tensor:
    """The β of the schedule that visits 0, stride, 2·stride, ..., T; entry 0 is 0.

    alpha_bar: (T+1,) float64, with T a multiple of stride. Returns (T // stride + 1,).
    """
    ### BEGIN SOLUTION
    kept = alpha_bar[::stride]
    beta = torch.zeros_like(kept)
    beta[1:] = 1 - kept[1:] / kept[:-1]
    return beta
    ### END SOLUTION


def _respaced(values: Tensor) -> Tensor:
    return torch.cat([torch.zeros(1, dtype=torch.float64), values])


def _respace_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case(((1 - draw.betas(g, T)).cumprod(0), stride), along=range(T // stride + 1))
        for T, stride in ((12, 3), (16, 4))
    ]


RESPACE = Task(
    name="marginal.respace",
    title="A shorter chain to the same place",
    points=2,
    minutes=10,
    prompt=r"""
A model was trained with $T$ steps; you want a chain that visits only the $t$ that are
multiples of `stride`, and still has the same $q(x_t \mid x_0)$ at each place it visits. Return
the $\beta$ of this shorter chain. (Picking the $\beta$ of these $t$ is the classic mistake: such
a chain ends with most of the data still visible.)""",
    hint=r"The visited $\bar\alpha_t$ are given. Which $\beta$ leads from one visited "
    r"$\bar\alpha_t$ to the next?",
    lesson="a long step is several short ones: their α multiply. Whoever skips steps must look "
    "back "
    "to the last visited t, not to t - 1.",
    reference=respace,
    cases=_respace_cases,
    mistakes=(
        Mistake(
            "This picks every stride-th β: each long step adds the noise of one short step.",
            lambda a, k: _respaced((1 - a[1:] / a[:-1])[k - 1 :: k]),
        ),
        Mistake(
            "This multiplies every stride-th β by the stride; the skipped β are not all alike.",
            lambda a, k: _respaced(k * (1 - a[1:] / a[:-1])[k - 1 :: k]),
        ),
        Mistake(
            "This adds up the β on the way: right for tiny β alone. Shares multiply.",
            lambda a, k: _respaced((1 - a[1:] / a[:-1]).view(-1, k).sum(1)),
        ),
        Mistake(
            "This is the noise since t = 0, not since the last visited place.",
            lambda a, k: 1 - a[::k],
        ),
        Mistake(
            "The ratio is upside down: no β can be negative.",
            lambda a, k: _respaced(1 - a[::k][:-1] / a[::k][1:]),
        ),
        Mistake(
            "Entry 0 is missing: beta[0] = 0 stands for the clean data.",
            lambda a, k: 1 - a[::k][1:] / a[::k][:-1],
        ),
        Mistake(
            "This is the difference of two ᾱ; which share of the former one does a step take?",
            lambda a, k: _respaced(a[:-k:k] - a[k::k]),
        ),
    ),
    picture="""
full = Schedule.linear(1000)
visited = range(0, 1001, 50)
mine = (1 - torch.as_tensor(respace(full.alpha_bar, 50))).cumprod(0)
plt.figure(figsize=(5, 2.2))
plt.plot(full.alpha_bar, color="#999999", label="all 1000 steps")
plt.plot(visited, mine, "o", ms=5, label="yours")
plt.plot(visited, (1 - full.beta[::50]).cumprod(0), "x", ms=5, label=r"every 50th $\\beta$")
plt.xlabel("t")
plt.ylabel(r"$\\bar\\alpha_t$")
plt.legend()
plt.show()
""",
    alt="The signal's share over t: a line for all 1000 steps, your 21 dots on it, and crosses for "
    "the classic mistake far above: they end at 0.8.",
)

CHAPTER = Chapter(
    name="marginal",
    title="the closed form",
    intro=r"""
A chain of $t$ small steps has a shortcut: $x_t$ comes from $x_0$ in one jump. Here you build
the jump, undo it, prove the step of its proof, and plan schedules with it.""",
    setup="""
import math

import matplotlib.pyplot as plt
import sympy as sp
import torch
from torch import Tensor

from ddpm_course import Schedule, data, plots
from ddpm_course.grading import check
from ddpm_course.widgets import Explorer

plots.style()
""",
    tasks=(
        ALPHA_BAR,
        CROSSING,
        GIVEN_X0,
        SAMPLE,
        PREDICT_X0,
        PREDICT_EPS,
        VARIANCE_STEP,
        FROM_LOG_SNR,
        COSINE,
        RESPACE,
    ),
)
