"""Tasks on the forward process: noise in small steps."""

from __future__ import annotations

import math
from functools import partial

import sympy as sp
import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

# -- the variances ----------------------------------------------------------------------------


def linear(T: int, beta_1: float, beta_T: float) -> Tensor:
    """(T+1,) float64: beta[0] = 0, then T variances that rise evenly from beta_1 to beta_T."""
    ### BEGIN SOLUTION
    beta = torch.zeros(T + 1, dtype=torch.float64)
    beta[1:] = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
    return beta
    ### END SOLUTION


def _linear_cases(seed: int) -> list[Case]:
    low, high = draw.points(seed, (0.01, 0.05), (0.2, 0.5), count=2)
    return [
        Case((T, *ends), along=range(T + 1)) for T, *ends in zip((8, 11), low, high, strict=True)
    ]


def _clean_first(beta: Tensor) -> Tensor:
    return torch.cat([torch.zeros(1, dtype=torch.float64), beta.double()])


LINEAR = Task(
    name="forward.linear",
    title="A plan for the noise",
    points=1,
    minutes=3,
    prompt=r"""
A schedule says how much noise each step adds. Make the linear one: $\beta_1, \ldots, \beta_T$
rise evenly, both ends included. Put `beta[0] = 0` in front, for the clean data, so that
`beta[t]` is $\beta_t$.""",
    hint="`torch.linspace` includes both ends. How many values do you need from it?",
    lesson="T + 1 entries, and entry t belongs to step t: no index is ever shifted again.",
    reference=linear,
    cases=_linear_cases,
    mistakes=(
        Mistake(
            "Entry 0 is missing: what should `beta[0]` be for the clean data?",
            lambda T, low, high: torch.linspace(low, high, T),
        ),
        Mistake(
            "The ramp starts at entry 0, so the clean data count as a noisy step.",
            lambda T, low, high: torch.linspace(low, high, T + 1),
        ),
        Mistake(
            "The ramp starts from 0, not from β_1.",
            lambda T, low, high: torch.linspace(0, high, T + 1),
        ),
        Mistake(
            "The last step does not reach β_T: one end of the ramp is left out.",
            lambda T, low, high: _clean_first(low + (high - low) * torch.arange(T) / T),
        ),
        Mistake(
            "This rises by a constant factor; a linear ramp rises by a constant amount.",
            lambda T, low, high: _clean_first(
                torch.logspace(math.log10(low), math.log10(high), T, dtype=torch.float64)
            ),
        ),
        Mistake(
            "The ramp is evenly spaced in √β. Ho et al. space β itself.",
            lambda T, low, high: _clean_first(torch.linspace(low**0.5, high**0.5, T) ** 2),
        ),
        Mistake(
            "This is 1 - β_t, what a step keeps; β_t is what it takes.",
            lambda T, low, high: _clean_first(1 - torch.linspace(low, high, T)),
        ),
    ),
    picture="""
table = linear(1000, 1e-4, 0.02)
plt.figure(figsize=(5, 2.2))
plt.plot(table)
plt.xlabel("t")
plt.ylabel(r"$\\beta_t$")
plt.show()
""",
    alt="A straight line over t from 0 to 1000, from nearly 0 up to 0.02.",
)

# -- one step ---------------------------------------------------------------------------------


def variance_after(v: sp.Symbol, beta: sp.Symbol) -> sp.Expr:
    """Var[x_t] after one step with variance β, when Var[x_{t-1}] = v."""
    ### BEGIN SOLUTION
    return (1 - beta) * v + beta
    ### END SOLUTION


VARIANCE_AFTER = Task(
    name="forward.variance_after",
    title="Why the step shrinks first",
    points=2,
    minutes=5,
    prompt=r"""
One step is $x_t = \sqrt{1 - \beta}\,x_{t-1} + \sqrt{\beta}\,\epsilon$, with
$\epsilon$ drawn from $\mathcal N(0, 1)$, independent of $x_{t-1}$. If
$\mathrm{Var}[x_{t-1}] = v$, what
is $\mathrm{Var}[x_t]$? Return an expression in the two symbols. (Then put in $v = 1$, and see
why the root is there.)""",
    hint=r"$\mathrm{Var}[a u + b w] = a^2\,\mathrm{Var}[u] + b^2\,\mathrm{Var}[w]$ for "
    r"independent $u, w$.",
    lesson="with v = 1 it stays 1: the step makes room for exactly the noise that it adds.",
    reference=variance_after,
    cases=lambda seed: [
        Case(draw.points(seed, (0.2, 3.0), (0.05, 0.9)), symbols="v beta", rtol=1e-6)
    ],
    mistakes=(
        Mistake(
            "The old variance is not shrunk. That is the naive step, whose variance grows.",
            lambda v, b: v + b,
        ),
        Mistake(
            "The factors enter as they stand on x. In a variance they are squared.",
            lambda v, b: sp.sqrt(1 - b) * v + sp.sqrt(b),
        ),
        Mistake(
            "The factors are squared once too often: each holds a root already.",
            lambda v, b: (1 - b) ** 2 * v + b**2,
        ),
        Mistake("The noise is forgotten: it has a variance of its own.", lambda v, b: (1 - b) * v),
        Mistake(
            "The noise is taken times v, but ε has variance 1 whatever the data.",
            lambda v, b: (1 - b) * v + b * v,
        ),
        Mistake("This holds for v = 1 alone.", lambda v, b: sp.Integer(1)),
    ),
    picture="""
v, b = sp.symbols("v beta", positive=True)
after = sp.lambdify((v, b), variance_after(v, b))
plt.figure(figsize=(5, 2.2))
for variance in (0.0, 1.0, 3.0):
    path = [variance]
    for _ in range(30):
        path.append(after(path[-1], 0.1))
    plt.plot(path, label=f"from v = {variance:g}")
plt.xlabel(r"steps with $\\beta = 0.1$")
plt.ylabel("variance")
plt.legend()
plt.show()
""",
    alt="The variance over 30 steps with β = 0.1, from three beginnings. From 0 it rises, from 3 "
    "it falls, and both come close to the third line, which stays at 1.",
)


def step(x_prev: Tensor, t: Tensor, eps: Tensor, beta: Tensor) -> Tensor:
    """x_t from x_{t-1} (`x_prev`) and the noise of this step.

    x_prev, eps: (B, 2) points; t: (B,) int64, one step for each point; beta: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    share = beta[t].float()[:, None]
    return (1 - share).sqrt() * x_prev + share.sqrt() * eps
    ### END SOLUTION


def _of(table: Tensor, t: Tensor) -> Tensor:
    return table[t].float()[:, None]


def _step_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, T in draw.SIZES:
        t = draw.steps(g, B, T)
        x_prev, eps = draw.noise(g, B, 2), draw.noise(g, B, 2)
        cases.append(Case((x_prev, t, eps, draw.betas(g, T)), along=t.tolist()))
    return cases


STEP = Task(
    name="forward.step",
    title="One step",
    points=2,
    minutes=5,
    prompt=r"""
Draw from $q(x_t \mid x_{t-1}) = \mathcal N(x_t;\ \sqrt{1 - \beta_t}\,x_{t-1},\ \beta_t I)$
with the noise `eps` that is given. Each point of the batch has its own $t$.""",
    hint=r"The second argument of $\mathcal{N}(\text{mean}, \text{variance})$ is a variance. "
    "`beta[t]` has shape `(B,)`; the points have shape `(B, 2)`.",
    lesson="mean plus standard deviation times standard noise: every Gaussian is drawn like this.",
    reference=step,
    cases=_step_cases,
    mistakes=(
        Mistake(
            "The noise is scaled by its variance, and so it is far too weak.",
            lambda x, t, e, b: (1 - _of(b, t)).sqrt() * x + _of(b, t) * e,
        ),
        Mistake(
            "The signal shrinks too much: its factor has lost the root.",
            lambda x, t, e, b: (1 - _of(b, t)) * x + _of(b, t).sqrt() * e,
        ),
        Mistake(
            "Both roots are missing.",
            lambda x, t, e, b: (1 - _of(b, t)) * x + _of(b, t) * e,
        ),
        Mistake(
            "The signal is not shrunk: this is the naive step, and its variance grows.",
            lambda x, t, e, b: x + _of(b, t).sqrt() * e,
        ),
        Mistake(
            "Signal and noise have swapped factors: a small β must mean little noise.",
            lambda x, t, e, b: _of(b, t).sqrt() * x + (1 - _of(b, t)).sqrt() * e,
        ),
        Mistake(
            "This looks up t - 1. `beta[t]` is the variance of step t.",
            lambda x, t, e, b: (1 - _of(b, t - 1)).sqrt() * x + _of(b, t - 1).sqrt() * e,
        ),
        Mistake(
            "This makes noise of its own, and uniform: `eps` is the Gaussian noise to use.",
            lambda x, t, e, b: (1 - _of(b, t)).sqrt() * x + _of(b, t).sqrt() * torch.rand_like(x),
        ),
        Mistake(
            "This makes noise of its own; use the `eps` that is given.",
            lambda x, t, e, b: (1 - _of(b, t)).sqrt() * x + _of(b, t).sqrt() * torch.randn_like(x),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
cloud, noise = data.swiss_roll(400, g), torch.randn(400, 2, generator=g)
table = torch.tensor([0, 0.01, 0.1, 0.5], dtype=torch.float64)
after = [step(cloud, torch.full((400,), t), noise, table) for t in (1, 2, 3)]
titles = ["before", *(rf"$\\beta = {value:g}$" for value in table[1:])]
plots.show_clouds([cloud, *after], titles, limit=3)
plt.show()
""",
    alt="A spiral of points, and what one step makes of it: with β = 0.01 the arms are a little "
    "thicker, with 0.1 they can hardly be told apart, with 0.5 there is a round cloud.",
)

# -- the chain --------------------------------------------------------------------------------


def trajectory(x_0: Tensor, eps: Tensor, beta: Tensor) -> Tensor:
    """(T+1, N, 2): the whole walk x_0, x_1, ..., x_T.

    x_0: (N, 2) points; eps: (T+1, N, 2), eps[t] is the noise of step t; beta: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    walk = [x_0]
    for t in range(1, len(beta)):
        x_prev = walk[-1]
        walk.append((1 - beta[t]).sqrt().float() * x_prev + beta[t].sqrt().float() * eps[t])
    return torch.stack(walk)
    ### END SOLUTION


def _walk(x: Tensor, eps: Tensor, beta: Tensor) -> list[Tensor]:
    walk = [x]
    for t in range(1, len(beta)):
        x = (1 - beta[t]).sqrt().float() * x + beta[t].sqrt().float() * eps[t]
        walk.append(x)
    return walk


def _trajectory_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case(
            (draw.noise(g, B, 2), draw.noise(g, T + 1, B, 2), draw.betas(g, T)),
            along=range(T + 1),
            gives="a tensor",
        )
        for B, T in ((5, 8), (4, 3))
    ]


TRAJECTORY = Task(
    name="forward.trajectory",
    title="The whole walk",
    points=3,
    minutes=8,
    prompt=r"""
Walk a cloud of points through all $T$ steps, and keep every stop: return
$x_0, x_1, \ldots, x_T$ stacked along a new first axis. Step $t$ starts from $x_{t-1}$ and uses
`eps[t]`.""",
    hint=r"Begin the list with $x_0$. The loop runs over $t = 1, \dots, T$; the last item of the "
    "list is where you stand.",
    lesson="a Markov chain needs to remember one thing only: where it stands.",
    reference=trajectory,
    cases=_trajectory_cases,
    mistakes=(
        Mistake(
            "The clean data are missing: the walk begins at x_0.",
            lambda x, e, b: torch.stack(_walk(x, e, b)[1:]),
        ),
        Mistake(
            "Every step starts from x_0 again. It starts from where the last one ended.",
            lambda x, e, b: torch.stack(
                [x, *((1 - b[t]).sqrt() * x + b[t].sqrt() * e[t] for t in range(1, len(b)))]
            ),
        ),
        Mistake(
            "Every step uses the same noise. Fresh noise each time is what makes a random walk.",
            lambda x, e, b: torch.stack(_walk(x, e[1].expand_as(e), b)),
        ),
        Mistake(
            "All stops are the same: one tensor was changed in place and stored T + 1 times.",
            lambda x, e, b: torch.stack([_walk(x, e, b)[-1]] * len(b)),
        ),
        Mistake(
            "The walk stops one step early: T is a step, too.",
            lambda x, e, b: torch.stack(_walk(x, e, b)[:-1]),
        ),
        Mistake(
            "Step t uses the variance of step t - 1.",
            lambda x, e, b: torch.stack(_walk(x, e, torch.cat([b[:1], b[:-1]]))),
        ),
        Mistake(
            "Only the last stop is returned; keep them all.", lambda x, e, b: _walk(x, e, b)[-1]
        ),
        Mistake(
            "Each x_t is jumped to from x_0; the walk goes on from where it stands.",
            lambda x, e, b: torch.stack(
                [
                    a.float().sqrt() * x + (1 - a).float().sqrt() * e[t]
                    for t, a in enumerate((1 - b).cumprod(0))
                ]
            ),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
cloud = data.swiss_roll(400, g)
noise = torch.randn(9, 400, 2, generator=g)
walk = trajectory(cloud, noise, Schedule.linear(8, 0.02, 0.6).beta)
stops = (0, 1, 2, 3, 5, 8)
plots.show_clouds(walk[list(stops)], [f"t = {t}" for t in stops], limit=3)
plt.show()
""",
    alt="A spiral of points at t = 0, 1, 2, 3, 5 and 8: the arms blur from t = 2 on, and at t = 8 "
    "a round cloud is left.",
    play="""
# Play: drag β. How much noise may a step add before the spiral is lost within a few steps?
g = torch.Generator().manual_seed(0)
cloud, noise = data.swiss_roll(400, g), torch.randn(21, 400, 2, generator=g)
strengths = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5]
walks = {b: trajectory(cloud, noise, torch.tensor([0] + 20 * [b]).double()) for b in strengths}


def draw(b):
    return plots.show_clouds([walks[b][t] for t in (0, 2, 5, 20)], ["t = 0", "2", "5", "20"])


def describe(b):
    left = [(1 - b) ** t for t in (2, 5, 20)]
    told = ", ".join(f"{share:.0%}" for share in left)
    return f"β = {b:g}: after 2, 5 and 20 steps {told} of the data's variance is left."


Explorer(draw, describe, **{"β": strengths})
""",
)

# -- two steps in one -------------------------------------------------------------------------


def two_steps(alpha_t: sp.Symbol, alpha_before: sp.Symbol) -> sp.Expr:
    """Var[x_t | x_{t-2}] from α_t and α_{t-1} (`alpha_before`)."""
    ### BEGIN SOLUTION
    return alpha_t * (1 - alpha_before) + (1 - alpha_t)
    ### END SOLUTION


TWO_STEPS = Task(
    name="forward.two_steps",
    title="Two steps are one",
    points=2,
    minutes=6,
    prompt=r"""
With $\alpha_t = 1 - \beta_t$, put step $t - 1$ into step $t$: $x_t =
\sqrt{\alpha_t}\left(\sqrt{\alpha_{t-1}}\,x_{t-2} + \sqrt{1 -
\alpha_{t-1}}\,\epsilon_{t-1}\right) + \sqrt{1 - \alpha_t}\,\epsilon_t$. What is the variance
of all the noise in it, $\mathrm{Var}[x_t \mid x_{t-2}]$?""",
    hint=r"Which factors stand before $\epsilon_{t-1}$ once the bracket is gone? Independent "
    "variances add.",
    lesson="it is 1 - α_t α_{t-1}: two small Gaussian steps are one larger Gaussian step.",
    reference=two_steps,
    cases=lambda seed: [
        Case(draw.points(seed, (0.3, 0.95), (0.3, 0.95)), symbols="alpha_t alpha_before", rtol=1e-6)
    ],
    mistakes=(
        Mistake(
            "The two noises are simply added. The first one is shrunk by the second step.",
            lambda a, b: 1 - b + 1 - a,
        ),
        Mistake("Independent variances add; these are multiplied.", lambda a, b: (1 - a) * (1 - b)),
        Mistake("The noise of step t is missing.", lambda a, b: a * (1 - b)),
        Mistake(
            "The standard deviations are added. Independent variances add.",
            lambda a, b: (sp.sqrt(a * (1 - b)) + sp.sqrt(1 - a)) ** 2,
        ),
        Mistake(
            "This is a standard deviation; the variance is asked for.",
            lambda a, b: sp.sqrt(1 - a * b),
        ),
        Mistake(
            "The wrong noise is shrunk: step t comes after step t - 1.",
            lambda a, b: b * (1 - a) + 1 - a,
        ),
        Mistake("This is the share of the signal that is left.", lambda a, b: a * b),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
a = torch.linspace(0.05, 0.95, 10)  # α_t; α_{t-1} is 0.7 throughout, and x_{t-2} = 0
first, second = torch.randn(2, 20_000, 1, generator=g)
x_t = a.sqrt() * 0.3**0.5 * first + (1 - a).sqrt() * second
symbols = sp.symbols("alpha_t alpha_before", positive=True)
formula = sp.lambdify(symbols, two_steps(*symbols))
plt.figure(figsize=(5, 2.2))
plt.plot(a, [formula(value, 0.7) for value in a.tolist()], label="your formula")
plt.plot(a, x_t.var(dim=0), "o", label="measured")
plt.xlabel(r"$\\alpha_t$, with $\\alpha_{t-1} = 0.7$")
plt.ylabel("variance")
plt.legend()
plt.show()
""",
    alt="The variance over α_t: a falling line, and on it ten dots, each measured on 20,000 pairs "
    "of steps.",
)

# -- how fast it forgets ----------------------------------------------------------------------


def steps_until(beta: float, share: float) -> int:
    """The least t at which at most `share` of the data's variance is left, if every β_t = beta."""
    ### BEGIN SOLUTION
    return math.ceil(math.log(share) / math.log(1 - beta))
    ### END SOLUTION


def _steps_until_cases(seed: int) -> list[Case]:
    beta, share = draw.points(seed, (0.01, 0.1), (0.001, 0.2), count=6)
    return [Case(pair, rtol=0) for pair in zip(beta, share, strict=True)]


STEPS_UNTIL = Task(
    name="forward.steps_until",
    title="How fast it forgets",
    points=2,
    minutes=6,
    prompt=r"""
Let every step have the same $\beta$. Each step keeps the share $1 - \beta$ of the data's
variance. How many steps does it take until at most `share` of it is left? Return the least
whole number.""",
    hint=r"Solve $(1 - \beta)^t \le s$ with a logarithm, or simply count in a loop.",
    lesson="forgetting is exponential: from 1 to 1% takes as long as from 1% to 0.01%.",
    reference=steps_until,
    cases=_steps_until_cases,
    mistakes=(
        Mistake(
            "One step too few: that many steps leave more than `share`.",
            lambda b, s: math.floor(math.log(s) / math.log(1 - b)),
        ),
        Mistake(
            "One step too many: one less is enough already.",
            lambda b, s: math.ceil(math.log(s) / math.log(1 - b)) + 1,
        ),
        Mistake(
            "This is about the factor √(1 - β) on x itself; its variance is asked for.",
            lambda b, s: math.ceil(2 * math.log(s) / math.log(1 - b)),
        ),
        Mistake(
            "This takes the same amount away at each step. A step takes its share of what is left.",
            lambda b, s: math.ceil((1 - s) / b),
        ),
        Mistake(
            "This asks when the share `share` is gone, not when it is all that is left.",
            lambda b, s: math.ceil(math.log(1 - s) / math.log(1 - b)),
        ),
        Mistake("A number of steps is a whole number.", lambda b, s: math.log(s) / math.log(1 - b)),
    ),
    picture="""
strengths = [0.001 * 1.5**k for k in range(15)]
shares = (0.01, 0.1, 0.5)
counts = [[steps_until(b, share) for share in shares] for b in strengths]
plt.figure(figsize=(5, 2.2))
plt.loglog(strengths, counts, "o-", ms=4, label=[f"until {s:.0%} is left" for s in shares])
plt.xlabel(r"$\\beta$ of every step")
plt.ylabel("steps")
plt.legend()
plt.show()
""",
    alt="The number of steps over β, both axes logarithmic: three falling, nearly straight lines, "
    "the highest for 1 percent. At β = 0.001 it takes thousands of steps, at 0.3 about ten.",
)

# -- estimation -------------------------------------------------------------------------------


def estimate(x_0: float, beta: Tensor, n: int, generator: torch.Generator) -> tuple[float, float]:
    """Mean and variance of x_T, estimated from n walks that all start at the number x_0.

    beta: (T+1,) float64. Draw all noise with the generator.
    """
    ### BEGIN SOLUTION
    x = torch.full((n,), x_0, dtype=torch.float64)
    for beta_t in beta[1:]:
        eps = torch.randn(n, generator=generator, dtype=torch.float64)
        x = (1 - beta_t).sqrt() * x + beta_t.sqrt() * eps
    return x.mean().item(), x.var().item()
    ### END SOLUTION


_WALKS = (40_000, 36_000)
_TOLERANCE = 0.05  # seven standard errors of a variance below 1; of a mean, ten


def _estimate_cases(seed: int) -> list[Case]:
    """Walks from so far out that a step more or less is seen beside chance."""
    g = draw.generator(seed)
    cases = []
    for x_0, T, walks in zip((9.0, -8.0), (4, 6), _WALKS, strict=True):
        beta = draw.betas(g, T)
        beta[1], beta[T] = 0.1, 0.3  # the first step is another one than the last
        cases.append(Case((x_0, beta, walks, draw.generator(seed + T)), rtol=0, atol=_TOLERANCE))
    return cases


def _many(
    x_0: float,
    beta: Tensor,
    n: int,
    g: torch.Generator,
    scale: float = 0.5,
    shrink: bool = True,
    uniform: bool = False,
    alone: bool = True,
    statistic: str = "var",
    steps: slice = slice(1, None),
    fresh: bool = True,
    centre: float = 1.0,
) -> tuple[float, float]:
    """The estimate, and what goes wrong with it."""
    x = torch.full((n,), centre * x_0)
    size = n if alone else 1
    for step, b in enumerate(beta[steps].float()):
        if fresh or step == 0:
            eps = torch.rand(size, generator=g) if uniform else torch.randn(size, generator=g)
        x = ((1 - b).sqrt() if shrink else 1) * x + b**scale * eps
    second = {"var": x.var(), "std": x.std(), "square": (x**2).mean()}[statistic]
    return x.mean().item(), second.item()


ESTIMATE = Task(
    name="forward.estimate",
    title="Believe it because you measured it",
    points=3,
    minutes=10,
    prompt=r"""
The next chapter works out the mean and the variance of $x_T$ when $x_0$ is known. You can measure
them today: send `n` walks from the same number $x_0$ through the chain, step by step, and
return the mean and the variance of where they end. Your estimate must agree with the formula
within chance; walk, do not look it up.""",
    hint="Keep one tensor of `n` numbers, and give each walk noise of its own in each step.",
    lesson="two roads, one answer: simulation and algebra agree within 1/√n.",
    reference=estimate,
    cases=_estimate_cases,
    outputs=("mean", "variance"),
    mistakes=(
        Mistake(
            "The second number is a standard deviation; the variance is asked for.",
            partial(_many, statistic="std"),
        ),
        Mistake(
            "The second number is the mean of x², not of (x - mean)².",
            partial(_many, statistic="square"),
        ),
        Mistake(
            "All walks get the same noise, so they all end in one place: the variance is 0.",
            partial(_many, alone=False),
        ),
        Mistake(
            "The noise is uniform (`rand`): its mean is not 0. Gaussian noise is meant.",
            partial(_many, uniform=True),
        ),
        Mistake(
            "The noise is scaled by β, not by its root: the walks stay too close together.",
            partial(_many, scale=1.0),
        ),
        Mistake(
            "The walks do not shrink before the noise is added, so they spread without end.",
            partial(_many, shrink=False),
        ),
        Mistake("The first step is missing.", partial(_many, steps=slice(2, None))),
        Mistake("The last step is missing.", partial(_many, steps=slice(1, -1))),
        Mistake(
            "Each walk gets the same noise in all of its steps; each step needs fresh noise.",
            partial(_many, fresh=False),
        ),
        Mistake("The walks start at 0; they start at `x_0`.", partial(_many, centre=0.0)),
    ),
    picture="""
table = Schedule.linear(20, 0.01, 0.2).beta
counts = torch.tensor([100, 1000, 10_000, 100_000])
found = [estimate(2.0, table, n, torch.Generator().manual_seed(0)) for n in counts.tolist()]
left = (1 - table).prod().item()
mean, variance = 2 * left**0.5, 1 - left
errors = (variance / counts).sqrt(), variance * (2 / (counts - 1)).sqrt()
plt.figure(figsize=(5, 2.2))
plt.semilogx(counts, found, "o-", label=["mean", "variance"])
for theory, error in zip((mean, variance), errors):
    plt.fill_between(counts, theory - 2 * error, theory + 2 * error, alpha=0.2, lw=0)
plt.hlines((mean, variance), 100, 100_000, color="#333333", ls="--", lw=1, label="theory")
plt.xlabel("number of walks (bands: two standard errors)")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
""",
    alt="Estimates of mean and variance over the number of walks, from 100 to 100,000, near two "
    "dashed lines, the theory. The band around each line, two standard errors to either side, is "
    "where chance takes nearly all estimates; it closes in on the line, and they with it.",
)

CHAPTER = Chapter(
    name="forward",
    title="the forward process",
    intro=r"""
Data turn into noise in $T$ small steps. Here you plan the noise, take one step, walk the whole
chain, and measure what theory promises.""",
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
    tasks=(LINEAR, VARIANCE_AFTER, STEP, TRAJECTORY, TWO_STEPS, STEPS_UNTIL, ESTIMATE),
)
