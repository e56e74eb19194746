"""Tasks on the reverse process: the way back, step by step."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import sympy as sp
import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

# -- the variance -----------------------------------------------------------------------------


def spread(log_variance: Tensor) -> Tensor:
    """The standard deviation of a Gaussian whose log-variance is given."""
    ### BEGIN SOLUTION
    return torch.exp(log_variance / 2)
    ### END SOLUTION


SPREAD = Task(
    name="reverse.spread",
    title="Warm up: a log-variance",
    points=1,
    minutes=2,
    prompt=r"""
Many libraries store $\log \sigma_t^2$ and draw with $\sigma_t$. Turn the one into the other.""",
    hint=r"$\log \sigma = \frac{1}{2} \log \sigma^2$.",
    lesson="half of a log is the log of a root. (This course stores variances; there is one root.)",
    reference=spread,
    cases=lambda seed: [
        Case((draw.noise(draw.generator(seed), *shape) * 2 - 1,)) for shape in ((8,), (5,))
    ],
    mistakes=(
        Mistake(
            "This takes the root of the logarithm; most logarithms here are below 0.", torch.sqrt
        ),
        Mistake("This is the variance; the standard deviation is asked for.", torch.exp),
        Mistake("Half of the variance is not its root.", lambda v: v.exp() / 2),
        Mistake("This is still a logarithm.", lambda v: v / 2),
        Mistake("This is one over the standard deviation.", lambda v: torch.exp(-v / 2)),
    ),
    picture="""
x = torch.linspace(-5, 5, 400)
deviations = {value: spread(torch.tensor([value]))[0] for value in (-2.0, 0.0, 1.0)}
plt.figure(figsize=(5, 2.2))
for log_variance, std in deviations.items():
    plt.plot(x, torch.distributions.Normal(0, std).log_prob(x).exp(), label=f"{log_variance:g}")
plt.xlabel("$x$")
plt.ylabel("density")
plt.yticks([])
plt.legend(title=r"$\\log \\sigma^2$")
plt.show()
""",
    alt="Three bell curves: a narrow, high one for log-variance -2, a middle one for 0, a wide, "
    "low one for 1.",
)


def posterior_variance(beta: sp.Symbol, alpha_bar_before: sp.Symbol) -> sp.Expr:
    """β̃_t from β_t and ᾱ_{t-1} (`alpha_bar_before`)."""
    ### BEGIN SOLUTION
    precision = (1 - beta) / beta + 1 / (1 - alpha_bar_before)
    return 1 / precision
    ### END SOLUTION


POSTERIOR_VARIANCE = Task(
    name="reverse.posterior_variance",
    title="How sure are we of the step back?",
    points=3,
    minutes=10,
    prompt=r"""
By Bayes' rule $q(x_{t-1} \mid x_t, x_0)$ is proportional to $\exp\left(-\frac{(x_t -
\sqrt{\alpha_t}\,x_{t-1})^2}{2 \beta_t} - \frac{(x_{t-1} - \sqrt{\bar\alpha_{t-1}}\,x_0)^2}{2
(1 - \bar\alpha_{t-1})}\right)$ with $\alpha_t = 1 - \beta_t$. It is a Gaussian in $x_{t-1}$.
Find its variance $\tilde\beta_t$; write it with $\beta_t$ and $\bar\alpha_{t-1}$.""",
    hint=r"Collect what stands before $x_{t-1}^2$: in a Gaussian it is $-\frac{1}{2}$ over the "
    r"variance.",
    lesson="precisions add: two pieces of evidence, x_t and x_0, leave less doubt than either "
    "alone.",
    reference=posterior_variance,
    cases=lambda seed: [
        Case(draw.points(seed, (0.05, 0.6), (0.1, 0.9)), symbols="beta alpha_bar_before", rtol=1e-6)
    ],
    mistakes=(
        Mistake(
            "In the first square x_{t-1} has a factor; squared, it belongs to the precision.",
            lambda b, a: 1 / (1 / b + 1 / (1 - a)),
        ),
        Mistake(
            "This is the precision, one over the variance.", lambda b, a: (1 - b) / b + 1 / (1 - a)
        ),
        Mistake(
            "Here the variances are added. Two pieces of evidence make us surer, not less sure.",
            lambda b, a: b + 1 - a,
        ),
        Mistake(
            "This is a standard deviation; the variance is asked for.",
            lambda b, a: sp.sqrt(b * (1 - a) / (1 - (1 - b) * a)),
        ),
        Mistake(
            "This is the step forward's variance: what x_0 tells about x_{t-1} is missing.",
            lambda b, a: b / (1 - b),
        ),
        Mistake(
            "The factor of x_{t-1} in the first square must be squared.",
            lambda b, a: 1 / (sp.sqrt(1 - b) / b + 1 / (1 - a)),
        ),
        Mistake(
            "The two halves in the exponent are lost on the way: this is half of it.",
            lambda b, a: b * (1 - a) / (1 - (1 - b) * a) / 2,
        ),
        Mistake(
            "Two variances are added; two pieces of evidence add up their precisions, 1/variance.",
            lambda b, a: b / (1 - b) + 1 - a,
        ),
    ),
    picture="""
b, share, x_t, x_0 = 0.3, 0.5, 1.5, -1.0  # β_t and the ᾱ of the step before
x = torch.linspace(-2.5, 3.5, 601)
bayes = torch.exp(
    -((x_t - (1 - b) ** 0.5 * x) ** 2) / (2 * b) - (x - share**0.5 * x_0) ** 2 / (2 * (1 - share))
)
mine = float(posterior_variance(sp.Float(b), sp.Float(share)))
plt.figure(figsize=(5, 2.2))
plt.plot(x, bayes / bayes.max(), lw=5, alpha=0.4, label="Bayes' rule")
plt.plot(x, torch.exp(-((x - x[bayes.argmax()]) ** 2) / (2 * mine)), "k--", lw=1, label="yours")
plt.xlabel("$x_{t-1}$")
plt.ylabel("density, scaled")
plt.yticks([])
plt.legend()
plt.show()
""",
    alt="A bell curve over the values of the step before: a broad line, multiplied out from Bayes' "
    "rule, and on it a dashed one of the same width, with your variance.",
)


def beta_tilde(beta: Tensor) -> Tensor:
    """(T+1,) float64: β̃_t for t = 1, ..., T, and 0 at entry 0; beta: (T+1,) float64."""
    ### BEGIN SOLUTION
    noise = 1 - (1 - beta).cumprod(dim=0)  # 1 - ᾱ_t
    out = torch.zeros_like(beta)
    out[1:] = noise[:-1] / noise[1:] * beta[1:]
    return out
    ### END SOLUTION


def _left(beta: Tensor) -> Tensor:
    return 1 - (1 - beta).cumprod(0)


def _clean_first(values: Tensor) -> Tensor:
    return torch.cat([torch.zeros(1, dtype=values.dtype), values])


def _beta_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [Case((draw.betas(g, T),), along=range(T + 1)) for T in (10, 5)]


BETA_TILDE = Task(
    name="reverse.beta_tilde",
    title="All posterior variances",
    points=2,
    minutes=5,
    prompt=r"""
Simplified, your result reads $\tilde\beta_t = \frac{1 - \bar\alpha_{t-1}}{1 -
\bar\alpha_t}\,\beta_t$. Compute it for all $t$; put 0 at entry 0. Look at what comes out
at $t = 1$ (the check says why).""",
    hint=r"Compute $1 - \bar\alpha_t$ once, for all $t$. `noise[:-1]` and `noise[1:]` are "
    "neighbors in time.",
    lesson="β̃_1 = 0 by the formula: when x_0 is known, the last step holds no doubt.",
    reference=beta_tilde,
    cases=_beta_cases,
    mistakes=(
        Mistake(
            "The fraction is upside down: β̃ must be smaller than β.",
            lambda b: torch.cat([b[:2] * 0, (_left(b)[1:] / _left(b)[:-1] * b[1:])[1:]]),
        ),
        Mistake(
            "These are standard deviations; variances are asked for.",
            lambda b: _clean_first((_left(b)[:-1] / _left(b)[1:] * b[1:]).sqrt()),
        ),
        Mistake(
            "At t = 1 the formula gives 0, and you put something else there.",
            lambda b: _clean_first(torch.cat([b[1:2], (_left(b)[:-1] / _left(b)[1:] * b[1:])[1:]])),
        ),
        Mistake(
            "These are the β_t of the way forward.",
            lambda b: b,
        ),
        Mistake(
            "α stands where ᾱ belongs: the noise of one step, not of all steps so far.",
            lambda b: _clean_first(b[:-1]),
        ),
        Mistake(
            "Everything is one place too early: ᾱ_{t-1} stands before ᾱ_t.",
            lambda b: torch.cat([_left(b)[:-1] / _left(b)[1:] * b[1:], b[:1]]),
        ),
        Mistake(
            "The shares ᾱ are used where the noise 1 - ᾱ is meant.",
            lambda b: _clean_first((1 - _left(b))[:-1] / (1 - _left(b))[1:] * b[1:]),
        ),
    ),
    picture="""
schedule = Schedule.linear(1000)
mine = torch.as_tensor(beta_tilde(schedule.beta))
plt.figure(figsize=(5, 2.2))
plt.semilogx(range(2, 1001), (mine / schedule.beta)[2:])
plt.xlabel("t")
plt.ylabel(r"$\\tilde\\beta_t / \\beta_t$")
plt.show()
""",
    alt="The ratio of the two variances over t, which has a logarithmic axis: about a half at "
    "t = 2, above 0.9 from t = 30 on, and then nearly 1.",
)

# -- the mean ---------------------------------------------------------------------------------


def posterior_mean(x_0: Tensor, x_t: Tensor, t: Tensor, beta: Tensor) -> Tensor:
    """The mean of q(x_{t-1} | x_t, x_0).

    x_0, x_t: (B, 2) points; t: (B,) int64; beta: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    alpha_bar = (1 - beta).cumprod(dim=0)
    b, now, before = (table[:, None].float() for table in (beta[t], alpha_bar[t], alpha_bar[t - 1]))
    from_x0 = before.sqrt() * b / (1 - now)
    from_xt = (1 - b).sqrt() * (1 - before) / (1 - now)
    return from_x0 * x_0 + from_xt * x_t
    ### END SOLUTION


def _tables(t: Tensor, beta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """β_t, ᾱ_t and ᾱ_{t-1} for points."""
    alpha_bar = (1 - beta).cumprod(0)
    return (
        beta[t].float()[:, None],
        alpha_bar[t].float()[:, None],
        alpha_bar[t - 1].float()[:, None],
    )


def _two_points_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, T in draw.SIZES:
        t = draw.steps(g, B, T)
        x, other = draw.noise(g, B, 2), draw.noise(g, B, 2)
        cases.append(Case((x, other, t, draw.betas(g, T)), along=t.tolist()))
    return cases


def _posterior_mean(
    x_0: Tensor, x_t: Tensor, t: Tensor, beta: Tensor, form: str = "right"
) -> Tensor:
    """The mean, and what goes wrong with it."""
    b, now, before = _tables(t, beta)
    left, left_before = 1 - now, 1 - before
    c_0, c_t = before.sqrt() * b / left, (1 - b).sqrt() * left_before / left
    if form == "bar":
        c_t = now.sqrt() * left_before / left
    elif form == "swapped":
        c_0, c_t = c_t, c_0
    elif form == "roots":
        c_0, c_t = before * b / left, (1 - b) * left_before / left
    elif form == "late":
        c_0, c_t = now.sqrt() * b / left, (1 - b).sqrt()
    elif form == "undivided":
        c_0, c_t = c_0 * left, c_t * left
    elif form == "root of left":
        c_0, c_t = c_0 * left.sqrt(), c_t * left.sqrt()
    return c_0 * x_0 + c_t * x_t


POSTERIOR_MEAN = Task(
    name="reverse.posterior_mean",
    title="Between $x_0$ and $x_t$",
    points=3,
    minutes=8,
    prompt=r"""
The mean of the step back is $\tilde\mu_t = \frac{\sqrt{\bar\alpha_{t-1}}\,\beta_t}{1 -
\bar\alpha_t}\,x_0 + \frac{\sqrt{\alpha_t}\,(1 - \bar\alpha_{t-1})}{1 - \bar\alpha_t}\,x_t$: a
mixture of where we are and where we came from. Compute it for a batch of points, each with its
own $t$.""",
    hint=r"Mind the bars: $\alpha_t$ and $\bar\alpha_t$ are different things. $\bar\alpha_{t-1}$ "
    "at $t = 1$ is entry 0 of the table.",
    lesson="near t = T the mean stays close to x_t; at t = 1 it is x_0 itself.",
    reference=posterior_mean,
    cases=_two_points_cases,
    mistakes=(
        Mistake(
            "A bar too many: before x_t stands the α of one step.",
            partial(_posterior_mean, form="bar"),
        ),
        Mistake(
            "The two weights are swapped: at t = 1 the mean should be x_0.",
            partial(_posterior_mean, form="swapped"),
        ),
        Mistake("The roots are missing in both weights.", partial(_posterior_mean, form="roots")),
        Mistake(
            "ᾱ_t stands where ᾱ_{t-1} belongs: what was left before step t?",
            partial(_posterior_mean, form="late"),
        ),
        Mistake(
            "The weights are not divided by 1 - ᾱ_t.", partial(_posterior_mean, form="undivided")
        ),
        Mistake(
            "The denominator is a standard deviation; it should be the variance.",
            partial(_posterior_mean, form="root of left"),
        ),
        Mistake("This is x_0 alone: x_t has a say, too.", lambda x_0, x_t, t, beta: x_0),
    ),
    picture="""
zeros, ones, t = torch.zeros(1000, 2), torch.ones(1000, 2), torch.arange(1, 1001)
table = Schedule.linear(1000).beta
of_x_0 = posterior_mean(ones, zeros, t, table)[:, 0]
of_x_t = posterior_mean(zeros, ones, t, table)[:, 0]
plt.figure(figsize=(5, 2.2))
plt.semilogx(t, of_x_0, label="weight of $x_0$")
plt.semilogx(t, of_x_t, label="weight of $x_t$")
plt.xlabel("t")
plt.legend()
plt.show()
""",
    alt="Two weights over t, on a logarithmic axis: that of x_0 begins at 1 and falls towards 0, "
    "that of x_t begins at 0 and rises towards 1; they cross within the first few steps.",
)


def mean_from_eps(x_t: Tensor, eps_hat: Tensor, t: Tensor, beta: Tensor) -> Tensor:
    """The mean of p(x_{t-1} | x_t), from the noise that the model sees in x_t.

    x_t, eps_hat: (B, 2) points; t: (B,) int64; beta: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    alpha_bar = (1 - beta).cumprod(dim=0)
    b, now = beta[t].float()[:, None], alpha_bar[t].float()[:, None]
    return (x_t - b / (1 - now).sqrt() * eps_hat) / (1 - b).sqrt()
    ### END SOLUTION


def _mean_from_eps(x: Tensor, e: Tensor, t: Tensor, beta: Tensor, form: str = "right") -> Tensor:
    """The mean, and what goes wrong with it."""
    b, now, _ = _tables(t, beta)
    share = {
        "no root": b / (1 - now),
        "root of beta": b.sqrt() / (1 - now).sqrt(),
        "no bar": b / b.sqrt(),
        "no beta": 1 / (1 - now).sqrt(),
        "all": (1 - now).sqrt(),
        "plus": -b / (1 - now).sqrt(),
    }.get(form, b / (1 - now).sqrt())
    scale = {
        "all": now.sqrt(),
        "bar": now.sqrt(),
        "alpha": 1 - b,
        "undivided": torch.ones_like(b),
    }.get(form, (1 - b).sqrt())
    return (x - share * e) / scale


MEAN_FROM_EPS = Task(
    name="reverse.mean_from_eps",
    title="The step back, from a guess of the noise",
    points=3,
    minutes=6,
    prompt=r"""
The sampler does not know $x_0$, but the model sees noise in $x_t$. With it the mean becomes
$\frac{1}{\sqrt{\alpha_t}}\left(x_t - \frac{\beta_t}{\sqrt{1 -
\bar\alpha_t}}\,\hat\epsilon\right)$. Compute it.""",
    hint="One bar, two roots: count them.",
    lesson="only the small share β_t/√(1 - ᾱ_t) of the noise comes off in one step; patience pays.",
    reference=mean_from_eps,
    cases=_two_points_cases,
    mistakes=(
        Mistake(
            "A root is missing under the noise's fraction.",
            partial(_mean_from_eps, form="no root"),
        ),
        Mistake(
            "Above the noise's fraction stands β_t itself, not its root.",
            partial(_mean_from_eps, form="root of beta"),
        ),
        Mistake(
            "A bar is missing: x_t holds the noise of all t steps, not of the last one.",
            partial(_mean_from_eps, form="no bar"),
        ),
        Mistake(
            "This jumps to x_0 at once. One step back is asked for.",
            partial(_mean_from_eps, form="all"),
        ),
        Mistake("The noise is added once more.", partial(_mean_from_eps, form="plus")),
        Mistake(
            "A bar too many: one step back undoes the shrinking of one step.",
            partial(_mean_from_eps, form="bar"),
        ),
        Mistake("The factor in front has lost its root.", partial(_mean_from_eps, form="alpha")),
        Mistake(
            "The shrinking of step t is not undone.", partial(_mean_from_eps, form="undivided")
        ),
        Mistake(
            "β_t is missing above the noise's fraction.", partial(_mean_from_eps, form="no beta")
        ),
    ),
    picture="""
schedule, ring = Schedule.linear(10, 0.05, 0.5), data.Mixture.ring(8)
t = torch.full((60,), 5)
x_t = ring.noised(5, schedule).sample(60, torch.Generator().manual_seed(0))
back = mean_from_eps(x_t, ring.eps(schedule)(x_t, t), t, schedule.beta)
plt.figure(figsize=(4.2, 2.7))
plt.scatter(*ring.means.T, s=200, color="#bbbbbb", label="data")
arrow = {"marker": r"$\\rightarrow$", "ms": 12, "color": "k", "ls": ""}
plt.plot([], [], label="from $x_t$\\nto your mean", **arrow)
plt.quiver(*x_t.T, *(back - x_t).T, angles="xy", scale_units="xy", scale=1, width=0.008)
plt.axis("scaled")
plt.legend(loc="center left", bbox_to_anchor=(1, 0.5), labelspacing=1.5)
plt.show()
""",
    alt="Sixty arrows around a ring of eight gray discs, the data. Those outside the ring point "
    "towards it, and go a part of the way; those inside hardly move.",
)


def clipped_mean(x_t: Tensor, eps_hat: Tensor, t: Tensor, beta: Tensor) -> Tensor:
    """The mean of the step back, with the guess of x_0 kept within [-1, 1].

    x_t, eps_hat: (B, 2) points; t: (B,) int64; beta: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    now = (1 - beta).cumprod(dim=0)[t].float()[:, None]
    x0_hat = (x_t - (1 - now).sqrt() * eps_hat) / now.sqrt()
    return posterior_mean(x0_hat.clamp(-1, 1), x_t, t, beta)
    ### END SOLUTION


def _guess(x_t: Tensor, eps_hat: Tensor, t: Tensor, beta: Tensor) -> Tensor:
    _, now, _ = _tables(t, beta)
    return (x_t - (1 - now).sqrt() * eps_hat) / now.sqrt()


CLIPPED_MEAN = Task(
    name="reverse.clipped_mean",
    title="Keep the guess within the data's range",
    points=2,
    minutes=8,
    prompt=r"""
Pixels lie in $[-1, 1]$, but the $x_0$ that a guess of the noise implies may not. Samplers of
images therefore work out $\hat x_0 = (x_t - \sqrt{1 - \bar\alpha_t}\,\hat\epsilon) /
\sqrt{\bar\alpha_t}$, clip it to $[-1, 1]$, and take the posterior's mean there. Do that. You
may call your `posterior_mean`.""",
    hint="Three lines: guess $x_0$, clamp it, mix it with $x_t$ as before.",
    lesson="where nothing is clipped this equals the ε-form; where something is, it steers back.",
    reference=clipped_mean,
    cases=_two_points_cases,
    mistakes=(
        Mistake(
            "Nothing is clipped.",
            lambda x, e, t, b: _posterior_mean(_guess(x, e, t, b), x, t, b),
        ),
        Mistake(
            "The result is clipped. x_{t-1} is noisy and may well leave [-1, 1]; the guess of x_0 "
            "may not.",
            lambda x, e, t, b: _mean_from_eps(x, e, t, b).clamp(-1, 1),
        ),
        Mistake(
            "The noise is clipped. It has no bounds; the guess of x_0 has.",
            lambda x, e, t, b: _mean_from_eps(x, e.clamp(-1, 1), t, b),
        ),
        Mistake(
            "The range is [0, 1] here; the course's pixels lie in [-1, 1].",
            lambda x, e, t, b: _posterior_mean(_guess(x, e, t, b).clamp(0, 1), x, t, b),
        ),
        Mistake(
            "This returns the clipped guess of x_0: that is the end of the walk, not the next "
            "step.",
            lambda x, e, t, b: _guess(x, e, t, b).clamp(-1, 1),
        ),
        Mistake(
            "x_t is clipped before it is used. It is noisy and may well leave [-1, 1].",
            lambda x, e, t, b: _posterior_mean(
                _guess(x.clamp(-1, 1), e, t, b), x.clamp(-1, 1), t, b
            ),
        ),
        Mistake(
            "x_t is clipped, and the guess of x_0 is not: it is the other way round.",
            lambda x, e, t, b: _posterior_mean(_guess(x, e, t, b), x.clamp(-1, 1), t, b),
        ),
    ),
    picture="""
x = torch.linspace(-3, 3, 200)[:, None].expand(200, 2)
t, table = torch.full((200,), 5), Schedule.linear(10, 0.05, 0.5).beta
nothing = torch.zeros(200, 2)
free, clipped = mean_from_eps(x, nothing, t, table), clipped_mean(x, nothing, t, table)
plt.figure(figsize=(5, 2.2))
plt.plot(x[:, 0], free[:, 0], "--", label="not clipped")
plt.plot(x[:, 0], clipped[:, 0], label="clipped")
plt.xlabel(r"$x_t$, with $\\hat\\epsilon = 0$")
plt.ylabel("mean")
plt.legend()
plt.show()
""",
    alt="The mean of the step back over x_t. Without clipping it is a straight line. With it, the "
    "two agree in the middle, and on both sides the clipped mean bends off and rises less.",
)

# -- the walk back ----------------------------------------------------------------------------

VARIANCE_CHOICE = Task(
    name="reverse.variance_choice",
    title="Which variance for the step back?",
    points=1,
    minutes=3,
    prompt=r"""
Suppose that all data are one single point. Which variance makes $p_\theta(x_{t-1} \mid x_t)$
exactly right?

- `"a"`: $\beta_t$
- `"b"`: $\tilde\beta_t$
- `"c"`: 0
- `"d"`: $1 - \bar\alpha_t$

Set `variance_choice` to one letter.""",
    hint="If all data are one point, you know $x_0$. What is left to doubt?",
    lesson="x_0 is known, so the step back is the posterior, with β̃_t. For N(0, I) data it is "
    "β_t; "
    "real data lie between, which is why both work.",
    reference="b",
    observe=lambda answer: str(answer).strip().lower(),
    mistakes=(
        Mistake(
            "That is right at the other extreme, when the data are N(0, I) and tell us nothing.",
            "a",
        ),
        Mistake("Then the walk back has no chance in it, but the walk forward did.", "c"),
        Mistake("That is all the noise in x_t, of t steps together; this is about one step.", "d"),
    ),
)


def step(x_t: Tensor, eps_hat: Tensor, z: Tensor, t: int, beta: Tensor) -> Tensor:
    """x_{t-1}, with variance β_t; from x_1 to x_0 no noise is added.

    x_t, eps_hat, z: (B, 2), z standard noise; t: one step for all points; beta: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    mean = mean_from_eps(x_t, eps_hat, torch.full((len(x_t),), t), beta)
    return mean + beta[t].sqrt().float() * z if t > 1 else mean
    ### END SOLUTION


def _step_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, T in draw.SIZES:
        beta = draw.betas(g, T)
        for t in (T, T // 2 + 1, 1):
            points = (draw.noise(g, B, 2) for _ in range(3))
            cases.append(Case((*points, t, beta), along=[t] * B))
    return cases


def _step(x: Tensor, e: Tensor, z: Tensor, t: int, beta: Tensor, form: str = "right") -> Tensor:
    """The step, and what goes wrong with it."""
    mean = _mean_from_eps(x, e, torch.full((len(x),), t), beta)
    b = beta[t].float()
    sigma = {
        "variance": b,
        "silent": b * 0,
        "tilde": beta_tilde(beta)[t].sqrt().float(),
        "before": beta[t - 1].sqrt().float(),
    }.get(form, b.sqrt())
    if t == (len(beta) - 1 if form == "first" else 1) and form != "noisy":
        sigma = b * 0
    if form == "no mean":
        mean = x
    return mean + (-sigma if form == "minus" else sigma) * z


STEP = Task(
    name="reverse.step",
    title="One step of the sampler",
    points=3,
    minutes=6,
    prompt=r"""
Put it together: $x_{t-1} = \mu + \sigma_t z$ with $\mu$ from your `mean_from_eps` and
$\sigma_t^2 = \beta_t$. The last step, from $x_1$ to $x_0$, adds no noise. Here $t$ is one
whole number for all points.""",
    hint="`mean_from_eps` wants a tensor of steps: `torch.full((len(x_t),), t)`.",
    lesson="the last step returns the mean: noise added there would only make the picture grainy.",
    reference=step,
    cases=_step_cases,
    mistakes=(
        Mistake("Noise is added on the last step, from x_1 to x_0.", partial(_step, form="noisy")),
        Mistake(
            "The noise is scaled by the variance, not by its root.",
            partial(_step, form="variance"),
        ),
        Mistake(
            "No noise is added at all: this walks to a blurred average.",
            partial(_step, form="silent"),
        ),
        Mistake(
            "The variance is β̃_t here. A good choice, but β_t was asked for.",
            partial(_step, form="tilde"),
        ),
        Mistake(
            "The noise has the size of step t - 1.",
            partial(_step, form="before"),
        ),
        Mistake(
            "The noise is taken off: add σ z. (The distribution is the same, the number is not.)",
            partial(_step, form="minus"),
        ),
        Mistake(
            "The mean is forgotten: this adds noise to x_t itself.", partial(_step, form="no mean")
        ),
        Mistake(
            "The noise is left out at t = T; it is the step from t = 1 that has none.",
            partial(_step, form="first"),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
here, z = torch.tensor([[1.0, 0.5]]).expand(300, 2), torch.randn(300, 2, generator=g)
table = Schedule.linear(10, 0.01, 0.5).beta
after = [step(here, 0.5 * here, z, t, table) for t in (10, 5, 1)]
plots.show_clouds([here, *after], ["before", "from t = 10", "from t = 5", "from t = 1"])
plt.show()
""",
    alt="300 copies of one point, and where one step takes them: from t = 10 a wide cloud, from "
    "t = 5 a smaller one, from t = 1 a single point again.",
)


def ancestral(
    model: Callable[[Tensor, Tensor], Tensor], x_T: Tensor, z: Tensor, beta: Tensor
) -> Tensor:
    """x_0, at the end of the walk back from x_T.

    model(x_t, t) returns the noise in x_t, with t of shape (B,) int64.
    x_T: (B, 2); z: (T+1, B, 2), z[t] is the noise of the step from x_t; beta: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    x_t = x_T
    for t in range(len(beta) - 1, 0, -1):
        eps_hat = model(x_t, torch.full((len(x_t),), t))
        x_t = step(x_t, eps_hat, z[t], t, beta)
    return x_t
    ### END SOLUTION


def _ancestral_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, T in ((5, 9), (4, 4)):
        beta = draw.betas(g, T)
        model = draw.Denoiser((1 - beta).cumprod(0), variance=0.2)
        cases.append(Case((model, draw.noise(g, B, 2), draw.noise(g, T + 1, B, 2), beta)))
    return cases


def _ancestral(
    model: Callable[[Tensor, Tensor], Tensor],
    x: Tensor,
    z: Tensor,
    beta: Tensor,
    form: str = "right",
) -> Tensor:
    """The walk, and what goes wrong with it."""
    T = len(beta) - 1
    x_T = x
    times = list(range(T, 0, -1))
    times = {"early": times[:-1], "late": times[1:], "forward": times[::-1]}.get(form, times)
    for t in times:
        told = {"one less": t - 1, "stuck": T}.get(form, t)
        eps_hat = model(x_T if form == "blind" else x, torch.full((len(x),), told))
        noise = z[{"same noise": T, "order": T - t + 1}.get(form, t)]
        x = _step(x, eps_hat, noise, t, beta, "noisy" if form == "noisy" else "right")
    return x


ANCESTRAL = Task(
    name="reverse.ancestral",
    title="From noise to data",
    points=4,
    minutes=10,
    prompt=r"""
Walk all the way: start from $x_T$, and for $t = T, T-1, \ldots, 1$ ask the model for the noise
in $x_t$ and take your `step` with `z[t]`. Return $x_0$. The picture uses the exact model of
eight little clouds; nothing was trained for it.""",
    hint="`range(T, 0, -1)` ends with 1. The model wants `t` as a tensor of shape `(B,)`.",
    lesson="T calls of one network, from pure noise to data: that is all there is to sampling.",
    reference=ancestral,
    cases=_ancestral_cases,
    mistakes=(
        Mistake(
            "Noise is added on the last step, from x_1 to x_0.",
            partial(_ancestral, form="noisy"),
        ),
        Mistake(
            "The walk ends at x_1: one step is missing at the end.",
            partial(_ancestral, form="early"),
        ),
        Mistake("The first step, from x_T, is left out.", partial(_ancestral, form="late")),
        Mistake(
            "The model is told t - 1, but it was trained with t.",
            partial(_ancestral, form="one less"),
        ),
        Mistake("The walk runs the wrong way, from t = 1 up.", partial(_ancestral, form="forward")),
        Mistake(
            "The model is told T at every step: it must know how noisy its input is.",
            partial(_ancestral, form="stuck"),
        ),
        Mistake(
            "Every step uses the same noise.",
            partial(_ancestral, form="same noise"),
        ),
        Mistake(
            "The model always looks at x_T. It must see where the walk stands now.",
            partial(_ancestral, form="blind"),
        ),
        Mistake(
            "The noises are taken in the wrong order: z[t] belongs to the step from x_t.",
            partial(_ancestral, form="order"),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
schedule = Schedule.linear(200, 1e-3, 0.06)
model = data.Mixture.ring(8).eps(schedule)
x_T, z = torch.randn(500, 2, generator=g), torch.randn(201, 500, 2, generator=g)
mine = ancestral(model, x_T, z, schedule.beta)
figure, axes = plt.subplots(1, 2, figsize=(5, 2.5))
for axis, points, title in zip(axes, (x_T, mine), ("$x_T$", "$x_0$")):
    axis.scatter(*points.T, s=2)
    axis.set(title=title, xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
plt.show()
""",
    alt="Left, a round cloud of 500 points of noise; right, the same points after the walk back, "
    "in eight small clouds on a circle.",
    play="""
# Play: follow your walk back from t = 200. When can you tell for the first time where it leads?
walk, stops = {200: x_T}, [200, 150, 100, 80, 60, 50, 40, 30, 20, 10, 0]  # x_T, z as above
x_t = x_T
for t in range(200, 0, -1):
    x_t = step(x_t, model(x_t, torch.full((500,), t)), z[t], t, schedule.beta)
    walk[t - 1] = x_t


def draw(t):
    figure, axes = plt.subplots(figsize=(2.6, 2.8))
    axes.scatter(*walk[t].T, s=2)
    axes.set(title=f"t = {t}", xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
    return figure


def describe(t):
    far = walk[t].norm(dim=1)
    return f"At t = {t} the 500 points are {far.mean():.2f} ± {far.std():.2f} away from the center."


Explorer(draw, describe, t=stops)
""",
)

# -- the hard one -----------------------------------------------------------------------------


def best_eps(x_t: sp.Symbol, alpha_bar: sp.Symbol, s: sp.Symbol) -> sp.Expr:
    """E[ε | x_t] when the data are N(0, s²)."""
    ### BEGIN SOLUTION
    covariance = sp.sqrt(1 - alpha_bar)  # Cov[ε, x_t]
    variance = alpha_bar * s**2 + 1 - alpha_bar  # Var[x_t]
    return covariance / variance * x_t
    ### END SOLUTION


BEST_EPS = Task(
    name="reverse.best_eps",
    title="The best model there is",
    points=3,
    minutes=12,
    prompt=r"""
Let the data be one number, $x_0 \sim \mathcal N(0, s^2)$, and
$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\epsilon$. No network can guess the
noise better than $\mathbb{E}[\epsilon \mid x_t]$. Find it. For two jointly Gaussian variables
$u$ and $v$ of mean 0 you may use
$\mathbb{E}[u \mid v] = \frac{\mathrm{Cov}[u, v]}{\mathrm{Var}[v]}\,v$.""",
    hint=r"Which part of $x_t$ varies together with $\epsilon$? And what is $\mathrm{Var}[x_t]$? "
    "It has two terms.",
    lesson="even the best model is unsure: it shrinks x_t, and its loss is not 0. Tests can use it "
    "as an oracle.",
    reference=best_eps,
    cases=lambda seed: [
        Case(
            draw.points(seed, (0.5, 2.0), (0.1, 0.9), (0.3, 2.0)),
            symbols="x_t alpha_bar s",
            rtol=1e-6,
        )
    ],
    mistakes=(
        Mistake(
            "This is right only if the data have variance 1.",
            lambda x, a, s: sp.sqrt(1 - a) * x,
        ),
        Mistake(
            "This holds if x_0 is always 0: the data's own spread is forgotten.",
            lambda x, a, s: x / sp.sqrt(1 - a),
        ),
        Mistake(
            "The covariance of ε with x_t is missing on top.",
            lambda x, a, s: x / (a * s**2 + 1 - a),
        ),
        Mistake(
            "Cov[ε, x_t] is a factor that stands in x_t as you see it above: has it kept its root?",
            lambda x, a, s: (1 - a) * x / (a * s**2 + 1 - a),
        ),
        Mistake(
            "s is a standard deviation. How does it enter a variance?",
            lambda x, a, s: sp.sqrt(1 - a) * x / (a * s + 1 - a),
        ),
        Mistake(
            "This is the guess of x_0, not of the noise.",
            lambda x, a, s: sp.sqrt(a) * s**2 * x / (a * s**2 + 1 - a),
        ),
        Mistake(
            "This is divided by the standard deviation of x_t; its variance is asked for.",
            lambda x, a, s: sp.sqrt(1 - a) * x / sp.sqrt(a * s**2 + 1 - a),
        ),
        Mistake(
            "This is only the factor: x_t itself is forgotten.",
            lambda x, a, s: sp.sqrt(1 - a) / (a * s**2 + 1 - a),
        ),
        Mistake(
            "The sign is turned round: this points the way of the score.",
            lambda x, a, s: -sp.sqrt(1 - a) * x / (a * s**2 + 1 - a),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
share, spread_of_data = 0.5, 0.5
x_0, noise = spread_of_data * torch.randn(400, generator=g), torch.randn(400, generator=g)
x_t = share**0.5 * x_0 + (1 - share) ** 0.5 * noise
symbols = sp.symbols("x_t alpha_bar s", positive=True)
formula = sp.lambdify(symbols, best_eps(*symbols))
line = torch.linspace(-2.5, 2.5, 2)
plt.figure(figsize=(5, 2.2))
plt.scatter(x_t, noise, s=5, alpha=0.5, label="drawn")
plt.plot(line, formula(line, share, spread_of_data), color=plots.COLORS[1], label="your guess")
plt.xlabel("$x_t$")
plt.ylabel(r"$\\epsilon$")
plt.legend()
plt.show()
""",
    alt="400 pairs of noise and x_t: a long, slanted cloud of dots, and a rising line, the guess, "
    "through the middle of them.",
)

CHAPTER = Chapter(
    name="reverse",
    title="the reverse process",
    intro=r"""
Noise turns back into data, one small step at a time. Here you find the step's mean and
variance, write the sampler, and work out the best model that there can be.""",
    setup="""
from collections.abc import Callable

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
        SPREAD,
        POSTERIOR_VARIANCE,
        BETA_TILDE,
        POSTERIOR_MEAN,
        MEAN_FROM_EPS,
        VARIANCE_CHOICE,
        CLIPPED_MEAN,
        STEP,
        ANCESTRAL,
        BEST_EPS,
    ),
)
