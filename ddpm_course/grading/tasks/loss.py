"""Tasks on the loss: what the network is trained on, and the bound it comes from."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import sympy as sp
import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

# -- the ε-loss -------------------------------------------------------------------------------

ZERO_MODEL = Task(
    name="loss.zero_model",
    title="The loss of a model that knows nothing",
    points=1,
    minutes=2,
    prompt=r"""
A model always answers 0, whatever it sees. The loss is the **mean** of
$(\epsilon - \hat\epsilon)^2$ over the images and their 64 pixels. What is it, in expectation?
Set `zero_model` to the number.""",
    hint=r"$\epsilon$ is standard normal. What is the mean of its square?",
    lesson="E[ε²] = 1. A loss near 1 means that nothing was learned; whatever the size of the "
    "image.",
    reference=1,
    mistakes=(
        Mistake("A loss of 0 belongs to a perfect model; this one knows nothing.", 0),
        Mistake("This adds the pixels up; the mean is asked for.", 64),
        Mistake("There is no factor of a half in the simple loss.", 0.5),
        Mistake("That is the mean of |ε|; the loss squares.", round(math.sqrt(2 / math.pi), 4)),
    ),
)


def draw_t(batch: int, T: int, generator: torch.Generator) -> Tensor:
    """(batch,) int64: a step for each image, each of 1..T equally often."""
    ### BEGIN SOLUTION
    return torch.randint(1, T + 1, (batch,), generator=generator)
    ### END SOLUTION


_ASKED = {30_000: 6, 30_001: 9}  # how many draws, and from how many steps


def _shares(t: Tensor) -> tuple[Tensor, Tensor]:
    """(T+2,) how often each of 0..T+1 was drawn, and how often the next one is one more.

    Refuses what cannot be steps.
    """
    t = torch.as_tensor(t)
    if t.is_floating_point():
        raise TypeError(f"the steps have dtype {t.dtype}; whole numbers (int64) index a table")
    if t.ndim != 1 or len(t) not in _ASKED:
        raise ValueError(f"the steps have shape {tuple(t.shape)}; one for each image, (batch,)")
    T = _ASKED[len(t)]
    if not ((t >= 0) & (t <= T + 1)).all():
        raise ValueError(f"the steps run over {t.min()}..{t.max()}; T is {T}")
    return t.bincount(minlength=T + 2) / len(t), (t.diff() == 1).double().mean()


def _draw_t_cases(seed: int) -> list[Case]:
    # The share of each step has a standard error of 0.002.
    return [
        Case((draws, T, draw.generator(seed + T)), along=range(T + 2), rtol=0, atol=0.015)
        for draws, T in _ASKED.items()
    ]


DRAW_T = Task(
    name="loss.draw_t",
    title="A step for each image",
    points=2,
    minutes=4,
    prompt=r"""
Training draws $t$ uniformly from $1, \ldots, T$, both ends included, and another one for each
image. Draw them, with the generator that is given. (The check draws 30,000 and looks at how
often each $t$ comes.)""",
    hint="`torch.randint(low, high, ...)` leaves `high` out.",
    lesson="t = T must be trained: it is the first thing the sampler asks for.",
    reference=draw_t,
    cases=_draw_t_cases,
    observe=_shares,
    outputs=("the share of each t", "the share of draws followed by the next t"),
    mistakes=(
        Mistake(
            "t = 0 is drawn and T never: steps count from 1.",
            lambda n, T, g: torch.randint(0, T, (n,), generator=g),
        ),
        Mistake(
            "T is never drawn, so the sampler's first step is never trained.",
            lambda n, T, g: torch.randint(1, T, (n,), generator=g),
        ),
        Mistake(
            "t = 0 is drawn, too. It stands for clean data: there is no noise to be found.",
            lambda n, T, g: torch.randint(0, T + 1, (n,), generator=g),
        ),
        Mistake(
            "The two ends come half as often as the rest: rounding does that.",
            lambda n, T, g: (1 + (T - 1) * torch.rand(n, generator=g)).round().long(),
        ),
        Mistake(
            "All images get the same t: the loss then jumps from batch to batch.",
            lambda n, T, g: torch.randint(1, T + 1, (1,), generator=g).expand(n),
        ),
        Mistake(
            "The steps are taken in turn, not drawn: each comes as often as it should, but the "
            "next one can be foretold.",
            lambda n, T, g: 1 + (torch.randint(T, (1,), generator=g) + torch.arange(n)) % T,
        ),
        Mistake(
            "T + 1 is drawn, too: `randint` leaves its upper bound out by itself.",
            lambda n, T, g: torch.randint(1, T + 2, (n,), generator=g),
        ),
    ),
    picture="""
counts = torch.bincount(draw_t(100_000, 10, torch.Generator().manual_seed(0)), minlength=12)
plt.figure(figsize=(5, 2))
plt.bar(range(12), counts)
plt.xticks(range(12))
plt.xlabel("t, for T = 10")
plt.ylabel("drawn")
plt.show()
""",
    alt="How often each t was drawn among 100,000: ten bars for t = 1 to 10, each about 10,000 "
    "high, and none at 0 or at 11.",
)


def epsilon_loss(
    model: Callable[[Tensor, Tensor], Tensor],
    x_0: Tensor,
    t: Tensor,
    eps: Tensor,
    alpha_bar: Tensor,
) -> Tensor:
    """The simple loss of a batch, a scalar: the mean over images and pixels.

    model(x_t, t) returns the noise it sees. x_0, eps: (B, 1, H, W); t: (B,) int64;
    alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    share = alpha_bar[t].float().view(-1, 1, 1, 1)
    x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
    return ((eps - model(x_t, t)) ** 2).mean()
    ### END SOLUTION


def _epsilon_loss_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for variance, (shape, T) in zip((0.2, 2.0), draw.IMAGES, strict=True):
        table = (1 - draw.betas(g, T)).cumprod(0)
        x_0, eps = draw.noise(g, *shape), draw.noise(g, *shape)
        model = draw.Denoiser(table, variance, trained=True)
        t = draw.steps(g, len(x_0), T)
        cases.append(Case((model, x_0, t, eps, table), gives="a gradient"))
    return cases


def _epsilon_loss(
    model: Callable[[Tensor, Tensor], Tensor],
    x_0: Tensor,
    t: Tensor,
    eps: Tensor,
    alpha_bar: Tensor,
    form: str = "right",
) -> Tensor:
    """The loss, and what goes wrong with it."""
    if form == "one t":
        t = t[:1].expand(len(t))
    share = alpha_bar[t].float().view(-1, 1, 1, 1)
    x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
    if form == "no root":
        x_t = share.sqrt() * x_0 + (1 - share) * eps
    seen = model(x_0 if form == "clean" else x_t, t - 1 if form == "one less" else t)
    target = {"data": x_0, "fresh": torch.randn_like(x_0)}.get(form, eps)
    error = (target - seen) ** 2
    if form == "length":
        return error.sum().sqrt()
    if form == "weighted":
        return ((1 - share) * error).mean()
    if form == "sum":
        return error.sum()
    if form == "sum pixels":
        return error.flatten(1).sum(1).mean()
    if form == "absolute":
        return error.sqrt().mean()
    if form == "root":
        return error.mean().sqrt()
    return error.mean()


def _guessed_x0(
    model: Callable[[Tensor, Tensor], Tensor], x_0: Tensor, t: Tensor, eps: Tensor, share: Tensor
) -> Tensor:
    x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
    return ((x_0 - (x_t - (1 - share).sqrt() * model(x_t, t)) / share.sqrt()) ** 2).mean()


EPSILON_LOSS = Task(
    name="loss.epsilon_loss",
    title="The simple loss",
    points=3,
    minutes=8,
    prompt=r"""
Noise the images to their steps,
$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\epsilon$, ask the model for the
noise, and return the mean of $(\epsilon - \epsilon_\theta(x_t, t))^2$ over images and pixels.""",
    hint="Three lines: jump, ask, compare. The target is the noise that made $x_t$.",
    lesson="one batch, one jump, one comparison: that is all of DDPM's training.",
    reference=epsilon_loss,
    cases=_epsilon_loss_cases,
    mistakes=(
        Mistake(
            "This adds up over images and pixels; the mean is asked for.",
            partial(_epsilon_loss, form="sum"),
        ),
        Mistake(
            "The mean runs over images, but the pixels are added up: the loss grows with the "
            "image.",
            partial(_epsilon_loss, form="sum pixels"),
        ),
        Mistake(
            "The target is fresh noise. The model cannot know noise that is not in its input.",
            partial(_epsilon_loss, form="fresh"),
        ),
        Mistake(
            "The target is x_0; this loss is about the noise.", partial(_epsilon_loss, form="data")
        ),
        Mistake(
            "The model sees the clean images. There is no noise in them to find.",
            partial(_epsilon_loss, form="clean"),
        ),
        Mistake(
            "The whole batch uses the t of its first image.", partial(_epsilon_loss, form="one t")
        ),
        Mistake(
            "The noise goes in with its variance as a factor: a root is missing in x_t.",
            partial(_epsilon_loss, form="no root"),
        ),
        Mistake(
            "The differences are not squared.",
            partial(_epsilon_loss, form="absolute"),
        ),
        Mistake(
            "A root too many: the mean of the squares is the loss itself.",
            partial(_epsilon_loss, form="root"),
        ),
        Mistake(
            "The model is told t - 1, but its input has the noise of t steps.",
            partial(_epsilon_loss, form="one less"),
        ),
        Mistake(
            "This compares guesses of x_0; the simple loss compares the noise.",
            lambda m, x, t, e, a: _guessed_x0(m, x, t, e, a.float()[t].view(-1, 1, 1, 1)),
        ),
        Mistake(
            "This is the length of the difference; the mean of its squares is asked for.",
            partial(_epsilon_loss, form="length"),
        ),
        Mistake(
            "Each t has a weight of its own here; in the simple loss all count alike.",
            partial(_epsilon_loss, form="weighted"),
        ),
    ),
    picture="""
model, schedule = checkpoint.load("digits")  # trained on the digits, it ships with the course
x_0 = data.digits("test")[:64]
noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
steps = [1, 2, 4, 8, 16, 32, 64, 125, 250]
losses = []
with torch.no_grad():
    for t in steps:
        all_t = torch.full((64,), t)
        losses.append(epsilon_loss(model, x_0, all_t, noise, schedule.alpha_bar))
plt.figure(figsize=(5, 2.2))
plt.loglog(steps, losses, "o-")
plt.xlabel("t")
plt.ylabel("loss")
plt.show()
""",
    alt="The loss of a trained model on 64 digits over t, both axes logarithmic: above a half "
    "at t = 1, where there is hardly any noise to see, a tenth at t = 125, and next to nothing at "
    "t = 250.",
)

# -- the bound --------------------------------------------------------------------------------


def kl(mu_1: sp.Symbol, var_1: sp.Symbol, mu_2: sp.Symbol, var_2: sp.Symbol) -> sp.Expr:
    """KL(N(mu_1, var_1) ‖ N(mu_2, var_2)) in nats."""
    ### BEGIN SOLUTION
    return (sp.log(var_2 / var_1) + (var_1 + (mu_1 - mu_2) ** 2) / var_2 - 1) / 2
    ### END SOLUTION


def _kl_cases(seed: int) -> list[Case]:
    points = draw.points(seed, (0.1, 3.0), (0.3, 2.0), (0.1, 3.0), (0.3, 2.0))
    return [Case(points, symbols="mu_1 var_1 mu_2 var_2", rtol=1e-6)]


KL = Task(
    name="loss.kl",
    title="The distance between two Gaussians",
    points=2,
    minutes=8,
    prompt=r"""
Every term of the bound compares two Gaussians. Find
$\mathrm{KL}(p \,\|\, q) = \mathbb{E}_p[\log p(x) - \log q(x)]$ for
$p = \mathcal N(\mu_1, v_1)$ and $q = \mathcal N(\mu_2, v_2)$, where $v$ are variances. Return
a SymPy expression; `sp.log` is the natural logarithm.""",
    hint=r"$\mathbb{E}_p[(x - \mu_1)^2] = v_1$, and $\mathbb{E}_p[(x - \mu_2)^2] = v_1 + (\mu_1 "
    r"- \mu_2)^2$.",
    lesson="it is 0 when the two agree, and never negative; swap p and q, and it changes.",
    reference=kl,
    cases=_kl_cases,
    mistakes=(
        Mistake(
            "The two are swapped: the expectation is over the first one.",
            lambda m, v, n, w: kl(n, w, m, v),
        ),
        Mistake("A half is missing in front.", lambda m, v, n, w: 2 * kl(m, v, n, w)),
        Mistake(
            "It is not 0 when both are the same: a constant is missing.",
            lambda m, v, n, w: kl(m, v, n, w) + sp.Rational(1, 2),
        ),
        Mistake(
            "The logarithm's fraction is upside down.",
            lambda m, v, n, w: kl(m, v, n, w) + sp.log(v / w),
        ),
        Mistake(
            "v are variances already; here they are squared once more.",
            lambda m, v, n, w: kl(m, v**2, n, w**2),
        ),
        Mistake(
            "The difference of the means is not squared.",
            lambda m, v, n, w: kl(m, v, m, w) + (m - n) / w / 2,
        ),
        Mistake(
            "The spread of p itself is forgotten: E_p[(x - μ_2)²] has two terms.",
            lambda m, v, n, w: kl(m, v, n, w) - v / w / 2,
        ),
    ),
    picture="""
symbols = sp.symbols("mu_1 var_1 mu_2 var_2", positive=True)
formula = sp.lambdify(symbols, kl(*symbols))
v = torch.linspace(0.2, 4, 200).numpy()
plt.figure(figsize=(5, 2.2))
plt.plot(v, formula(1, 1, 1, v), label="from N(1, 1) to N(1, v)")
plt.plot(v, formula(1, v, 1, 1), label="from N(1, v) to N(1, 1)")
plt.xlabel("v")
plt.ylabel("KL in nats")
plt.legend()
plt.show()
""",
    alt="Two curves over the variance v, never negative; both touch 0 at v = 1. For small v the "
    "first one is higher, for large v the second.",
    play="""
# Play: leave the variances alike and move q; then the other way round. Which costs more?
symbols = sp.symbols("mu_1 var_1 mu_2 var_2", positive=True)
formula = sp.lambdify(symbols, kl(*symbols))
x = torch.linspace(-4, 6, 300)


def draw(variance, mean):
    figure, axes = plt.subplots(figsize=(4.2, 1.9))
    for name, center, v in (("p", 1, 1), ("q", mean, variance)):
        density = torch.distributions.Normal(center, v**0.5).log_prob(x).exp()
        axes.plot(x, density, label=name)
        axes.fill_between(x, density, alpha=0.2, lw=0)
    axes.set(yticks=[], ylim=(0, 0.85), title=f"KL(p ‖ q) = {formula(1, 1, mean, variance):.2f}")
    axes.legend(loc="upper left")
    return figure


def describe(variance, mean):
    apart = formula(1, 1, mean, variance)
    return f"p is N(1, 1), q is N({mean:g}, {variance:g}); the divergence is {apart:.2f} nats."


Explorer(draw, describe, variance_of_q=[1, 0.25, 4], mean_of_q=[1, 1.5, 2, 2.5, 3, 4])
""",
)


def prior_bits(x_0: Tensor, alpha_bar_T: float) -> float:
    """KL(q(x_T | x_0) ‖ N(0, I)) in bits per dimension; the mean over images and pixels.

    x_0: (B, 1, H, W).
    """
    ### BEGIN SOLUTION
    var = 1 - alpha_bar_T
    nats = 0.5 * (var + alpha_bar_T * x_0**2 - 1 - math.log(var))
    return nats.mean().item() / math.log(2)
    ### END SOLUTION


def _prior(x_0: Tensor, a: float, power: float = 1.0, unit: float = math.log(2)) -> Tensor:
    return 0.5 * ((1 - a) + a**power * x_0**2 - 1 - math.log(1 - a)) / unit


PRIOR_BITS = Task(
    name="loss.prior_bits",
    title="What the last step still knows",
    points=2,
    minutes=7,
    prompt=r"""
The term $L_T$ says how far $x_T$ is from pure noise: the KL divergence of
$\mathcal N(\sqrt{\bar\alpha_T}\,x_0,\ 1 - \bar\alpha_T)$ from $\mathcal N(0, 1)$, for each
pixel. Return it in **bits per dimension**: average over images and pixels, and count in bits,
not in nats.""",
    hint=r"Your `kl` with $\mu_2 = 0$ and $v_2 = 1$. One bit is $\log 2$ nats.",
    lesson="a good schedule makes this nearly 0: then x_T holds nothing that the sampler would "
    "miss.",
    reference=prior_bits,
    cases=lambda seed: [
        Case((draw.noise(draw.generator(seed), *shape), share), rtol=1e-4, atol=1e-6)
        for (shape, _), share in zip(draw.IMAGES, (0.6, 0.1), strict=True)
    ],
    mistakes=(
        Mistake("This is in nats.", lambda x, a: _prior(x, a, unit=1.0).mean()),
        Mistake(
            "This adds up the pixels of an image; per dimension means per pixel.",
            lambda x, a: _prior(x, a).flatten(1).sum(1).mean(),
        ),
        Mistake(
            "ᾱ_T stands squared before x_0²: what is the mean of x_T, and what is its square?",
            lambda x, a: _prior(x, a, power=2.0).mean(),
        ),
        Mistake(
            "Times log 2 goes the wrong way: there are more bits than nats.",
            lambda x, a: _prior(x, a, unit=1 / math.log(2)).mean(),
        ),
        Mistake(
            "The two Gaussians are swapped.",
            lambda x, a: (
                0.5 * ((1 + a * x**2) / (1 - a) - 1 + math.log(1 - a)) / math.log(2)
            ).mean(),
        ),
        Mistake("This adds up over everything, images too.", lambda x, a: _prior(x, a).sum()),
    ),
    picture="""
x_0 = data.digits()[:100].double()
shares = torch.logspace(-9, -1, 40).tolist()
found = [prior_bits(x_0, share) for share in shares]
plt.figure(figsize=(5, 2.2))
plt.loglog(shares, found, color="#999999", label="your function")
for name, schedule in (("linear", Schedule.linear(1000)), ("cosine", Schedule.cosine(1000))):
    share = schedule.alpha_bar[1000].item()
    plt.plot(share, prior_bits(x_0, share), "o", label=f"{name} schedule")
plt.xlabel(r"$\\bar\\alpha_T$")
plt.ylabel("bits per dimension")
plt.legend()
plt.show()
""",
    alt="Bits per dimension over the share of the signal that is left at T, both axes "
    "logarithmic: a straight, rising line. The linear schedule's dot lies in its middle, below "
    "0.0001 bits, the cosine schedule's far lower.",
)


def weight(beta: sp.Symbol, alpha_bar: sp.Symbol, variance: sp.Symbol) -> sp.Expr:
    """The factor before ‖ε - ε_θ‖² in L_{t-1}, from β_t, ᾱ_t and σ_t² (`variance`)."""
    ### BEGIN SOLUTION
    per_eps = beta / sp.sqrt(1 - alpha_bar) / sp.sqrt(1 - beta)  # of the mean
    return per_eps**2 / (2 * variance)
    ### END SOLUTION


WEIGHT = Task(
    name="loss.weight",
    title="What the simple loss leaves out",
    points=3,
    minutes=8,
    prompt=r"""
Up to a constant, $L_{t-1} = \frac{1}{2 \sigma_t^2} \lVert \tilde\mu_t - \mu_\theta \rVert^2$.
Both means have the form $\frac{1}{\sqrt{\alpha_t}}\left(x_t - \frac{\beta_t}{\sqrt{1 -
\bar\alpha_t}}\,\epsilon\right)$, one with the true noise, one with the predicted. So
$L_{t-1} = w_t \lVert \epsilon - \epsilon_\theta \rVert^2$. Find $w_t$, written with $\beta_t$,
$\bar\alpha_t$ and $\sigma_t^2$.""",
    hint="$x_t$ is the same in both, and drops out. A factor inside the norm comes out squared.",
    lesson="the simple loss sets w_t to 1: it gives small t less weight than the bound does, and "
    "pictures get better.",
    reference=weight,
    cases=lambda seed: [
        Case(
            draw.points(seed, (0.05, 0.6), (0.1, 0.9), (0.1, 0.8)),
            symbols="beta alpha_bar variance",
            rtol=1e-6,
        )
    ],
    mistakes=(
        Mistake(
            "The factor before the noise is not squared.",
            lambda b, a, v: b / sp.sqrt(1 - a) / sp.sqrt(1 - b) / (2 * v),
        ),
        Mistake("The 2 of 2σ² is missing.", lambda b, a, v: b**2 / (v * (1 - a) * (1 - b))),
        Mistake(
            "A bar too many: in front of the bracket stands α_t = 1 - β_t.",
            lambda b, a, v: b**2 / (2 * v * (1 - a) * a),
        ),
        Mistake(
            "The factor 1/√α_t in front of the bracket is lost.",
            lambda b, a, v: b**2 / (2 * v * (1 - a)),
        ),
        Mistake(
            "The root in the factor's denominator was lost before the factor was squared.",
            lambda b, a, v: b**2 / (2 * v * (1 - a) ** 2 * (1 - b)),
        ),
        Mistake("`variance` is σ² already.", lambda b, a, v: b**2 / (2 * v**2 * (1 - a) * (1 - b))),
        Mistake("β_t is not squared.", lambda b, a, v: b / (2 * v * (1 - a) * (1 - b))),
    ),
    picture="""
schedule = Schedule.linear(1000)
beta, alpha_bar = schedule.beta[1:].numpy(), schedule.alpha_bar[1:].numpy()
symbols = sp.symbols("beta alpha_bar variance")
w = sp.lambdify(symbols, weight(*symbols))(beta, alpha_bar, beta)  # σ² = β
plt.figure(figsize=(5, 2.2))
plt.loglog(range(1, 1001), w)
plt.xlabel("t")
plt.ylabel("$w_t$")
plt.show()
""",
    alt="The weight over t, both axes logarithmic: one half at t = 1, falling to 0.005 near "
    "t = 350, and rising to 0.01 at the end.",
)


def x0_weight(snr: sp.Symbol, snr_before: sp.Symbol) -> sp.Expr:
    """The factor before ‖x_0 - x̂_0‖² in L_{t-1}, from SNR(t) and SNR(t-1) (`snr_before`)."""
    ### BEGIN SOLUTION
    return (snr_before - snr) / 2
    ### END SOLUTION


X0_WEIGHT = Task(
    name="loss.x0_weight",
    title="The bound, seen from $x_0$",
    points=2,
    minutes=10,
    prompt=r"""
With $\sigma_t^2 = \tilde\beta_t$, the term can be written as a factor times
$\lVert x_0 - \hat x_0 \rVert^2$. From the posterior's mean the factor is $\frac{1}{2
\tilde\beta_t} \cdot \frac{\bar\alpha_{t-1}\,\beta_t^2}{(1 - \bar\alpha_t)^2}$. Write it with
the two signal-to-noise ratios $\mathrm{SNR}(t) = \bar\alpha_t / (1 - \bar\alpha_t)$ and
$\mathrm{SNR}(t-1)$ alone.""",
    hint=r"Put in $\tilde\beta_t$, and use $\bar\alpha_{t-1}\,\beta_t = \bar\alpha_{t-1} - "
    r"\bar\alpha_t$.",
    lesson="each step is paid for by the signal it wins; added up over t, only the two ends "
    "remain.",
    reference=x0_weight,
    cases=lambda seed: [
        Case(draw.points(seed, (0.2, 1.0), (1.1, 4.0)), symbols="snr snr_before", rtol=1e-6)
    ],
    mistakes=(
        Mistake(
            "The sign is turned round: the SNR falls with t, and a weight is positive.",
            lambda s, b: (s - b) / 2,
        ),
        Mistake("A half is missing.", lambda s, b: b - s),
        Mistake("A ratio of the two is not it; take the fractions apart.", lambda s, b: b / s / 2),
        Mistake(
            "This is a difference of logarithms; none comes up here.",
            lambda s, b: (sp.log(b) - sp.log(s)) / 2,
        ),
        Mistake("This forgets what was known after step t already.", lambda s, b: b / 2),
        Mistake(
            "This is a relative gain; the weight is the gain itself.",
            lambda s, b: (b - s) / s / 2,
        ),
    ),
    picture="""
snr = Schedule.linear(1000).snr.numpy()
symbols = sp.symbols("snr snr_before", positive=True)
formula = sp.lambdify(symbols, x0_weight(*symbols))
plt.figure(figsize=(5, 2.2))
plt.loglog(range(2, 1001), formula(snr[2:], snr[1:-1]))
plt.xlabel("t")
plt.ylabel("weight")
plt.show()
""",
    alt="The weight over t, both axes logarithmic: thousands at t = 2, and falling ever faster, to "
    "less than a millionth at t = 1000.",
)

# -- another target ---------------------------------------------------------------------------


def x0_from_v(x_t: Tensor, v: Tensor, t: Tensor, alpha_bar: Tensor) -> Tensor:
    """x_0, from x_t and v = √ᾱ_t ε - √(1 - ᾱ_t) x_0.

    x_t, v: (B, 1, H, W); t: (B,) int64; alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    share = alpha_bar[t].float().view(-1, 1, 1, 1)
    return share.sqrt() * x_t - (1 - share).sqrt() * v
    ### END SOLUTION


def _at(table: Tensor, t: Tensor) -> Tensor:
    return table[t].float().view(-1, 1, 1, 1)


def _x0_from_v_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for shape, T in draw.IMAGES:
        table, t = (1 - draw.betas(g, T)).cumprod(0), draw.steps(g, shape[0], T)
        x_t, v = draw.noise(g, *shape), draw.noise(g, *shape)
        cases.append(Case((x_t, v, t, table), along=t.tolist()))
    return cases


X0_FROM_V = Task(
    name="loss.x0_from_v",
    title="A target between noise and data",
    points=2,
    minutes=7,
    prompt=r"""
Some models predict $v = \sqrt{\bar\alpha_t}\,\epsilon - \sqrt{1 - \bar\alpha_t}\,x_0$
(Salimans and Ho, 2022). With
$x_t = \sqrt{\bar\alpha_t}\,x_0 + \sqrt{1 - \bar\alpha_t}\,\epsilon$, get $x_0$ back from $x_t$
and $v$. Nothing needs dividing.""",
    hint=r"The squares of the two factors add to 1: $x_t$ and $v$ are $(x_0, \epsilon)$, turned "
    "by an angle.",
    lesson="a rotation is undone by turning back, safe at both ends: no division by a small ᾱ_T.",
    reference=x0_from_v,
    cases=_x0_from_v_cases,
    mistakes=(
        Mistake(
            "A sign is wrong: turn back, not further.",
            lambda x, v, t, a: _at(a, t).sqrt() * x + (1 - _at(a, t)).sqrt() * v,
        ),
        Mistake(
            "This is the noise ε, not x_0.",
            lambda x, v, t, a: (1 - _at(a, t)).sqrt() * x + _at(a, t).sqrt() * v,
        ),
        Mistake(
            "The two factors are swapped.",
            lambda x, v, t, a: (1 - _at(a, t)).sqrt() * x - _at(a, t).sqrt() * v,
        ),
        Mistake(
            "This treats v as if it were the noise ε.",
            lambda x, v, t, a: (x - (1 - _at(a, t)).sqrt() * v) / _at(a, t).sqrt(),
        ),
        Mistake("The roots are missing.", lambda x, v, t, a: _at(a, t) * x - (1 - _at(a, t)) * v),
    ),
    picture="""
t = torch.tensor([1, 100, 200, 400, 600, 1000])
x_0 = data.digits()[:1].expand(6, 1, 8, 8)
noise = torch.randn(x_0.shape, generator=torch.Generator().manual_seed(0))
table = Schedule.linear(1000).alpha_bar
signal = table[t].float().view(-1, 1, 1, 1)
x_t = signal.sqrt() * x_0 + (1 - signal).sqrt() * noise
v = signal.sqrt() * noise - (1 - signal).sqrt() * x_0
rows = [x_t, v, x0_from_v(x_t, v, t, table)]
titles = [f"t = {step}" for step in t]
plots.show_images(rows, ["$x_t$", "$v$", "$x_0$"], titles, pixels=True)
plt.show()
""",
    alt="Three rows at six values of t. x_t goes from a handwritten zero to noise; v goes from "
    "noise to the zero's negative; the third row, got back from both, is the clean zero at every "
    "t.",
)

# -- the hard one -----------------------------------------------------------------------------


def decoder(x_0: Tensor, mean: Tensor, std: float, levels: int) -> Tensor:
    """The probability of each value x_0: the mass that N(mean, std²) puts on its cell.

    x_0: values on an even grid of `levels` points from -1 to 1. mean: of the same shape.
    The first cell reaches down to -∞, the last one up to +∞.
    """
    ### BEGIN SOLUTION
    half = 1 / (levels - 1)
    normal = torch.distributions.Normal(mean, std)
    below = torch.where(x_0 < -1 + half, 0.0, normal.cdf(x_0 - half))
    up_to = torch.where(x_0 > 1 - half, 1.0, normal.cdf(x_0 + half))
    return up_to - below
    ### END SOLUTION


def _decoder(
    x: Tensor,
    mean: Tensor,
    std: float,
    levels: int,
    half: float = 0.0,
    edges: str = "both",
) -> Tensor:
    """The decoder, and what goes wrong with it."""
    half = half or 1 / (levels - 1)
    normal = torch.distributions.Normal(mean, std)
    below, up_to = normal.cdf(x - half), normal.cdf(x + half)
    if edges == "both":
        below = torch.where(x < -1 + half, 0.0, below)
    if edges == "lower":
        below = torch.where(x < -1 + half, 0.0, below)
    if edges in ("both", "upper"):
        up_to = torch.where(x > 1 - half, 1.0, up_to)
    return up_to - below


def _decoder_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for levels, std in ((5, 0.3), (9, 0.2)):
        x = torch.linspace(-1, 1, levels).repeat(3)
        cases.append(Case((x, x + std * draw.noise(g, len(x)), std, levels), atol=1e-4))
    return cases


DECODER = Task(
    name="loss.decoder",
    title="From densities to probabilities",
    points=3,
    minutes=12,
    prompt=r"""
Pixels take `levels` values, evenly spaced from -1 to 1; a Gaussian gives densities. Ho et al.
(2020, eq. 13) give each value the mass of its cell, which reaches half a spacing to each side;
the first and the last cell reach to infinity. Compute that probability. Added up over all
values it must give 1.""",
    hint="`torch.distributions.Normal(mean, std).cdf` and `torch.where`. How far apart are two "
    "values?",
    lesson="now log-likelihoods of pictures are true probabilities, and bits per dimension mean "
    "bits.",
    reference=decoder,
    cases=_decoder_cases,
    mistakes=(
        Mistake(
            "The outermost cells stop at their edge, so the values do not add up to 1.",
            partial(_decoder, edges="none"),
        ),
        Mistake("The lowest cell is not open towards -∞.", partial(_decoder, edges="upper")),
        Mistake("The highest cell is not open towards +∞.", partial(_decoder, edges="lower")),
        Mistake(
            "The cells have the width that 256 values need; here there are `levels` of them.",
            lambda x, m, s, n: _decoder(x, m, s, n, half=1 / 255),
        ),
        Mistake(
            "The cell begins at the value; it reaches half a spacing to each side.",
            lambda x, m, s, n: _decoder(x, m - 1 / (n - 1), s, n),
        ),
        Mistake(
            "The cells are too narrow: `levels` values have one spacing fewer between them.",
            lambda x, m, s, n: _decoder(x, m, s, n, half=1 / n),
        ),
        Mistake(
            "The cells overlap: each reaches a whole spacing to both sides.",
            lambda x, m, s, n: _decoder(x, m, s, n, half=2 / (n - 1)),
        ),
        Mistake(
            "This is a density, and it can exceed 1. A cell has a mass.",
            lambda x, m, s, n: torch.distributions.Normal(m, s).log_prob(x).exp(),
        ),
        Mistake(
            "This takes the density times the width: only nearly the mass, and the edges are lost.",
            lambda x, m, s, n: torch.distributions.Normal(m, s).log_prob(x).exp() * 2 / (n - 1),
        ),
        Mistake(
            "`std` is squared here, but `Normal` wants the standard deviation.",
            lambda x, m, s, n: _decoder(x, m, s**2, n),
        ),
        Mistake(
            "This is the logarithm; the probability is asked for.",
            lambda x, m, s, n: _decoder(x, m, s, n).log(),
        ),
    ),
    picture="""
values = torch.linspace(-1, 1, 9)
masses = {mean: decoder(values, torch.full((9,), mean), 0.3, 9) for mean in (0.0, 0.9)}
plt.figure(figsize=(5, 2.2))
for mean, mass in masses.items():
    mass = torch.as_tensor(mass)
    plt.bar(values, mass, width=0.24, alpha=0.6, label=f"mean {mean:g}, sum {mass.sum():.2f}")
plt.xlabel("value of the pixel")
plt.ylabel("probability")
plt.legend(loc="upper left")
plt.show()
""",
    alt="The probabilities of nine pixel values for two means. For mean 0 the bars form a bell, "
    "for mean 0.9 they pile up at the last value, 1, whose cell is open. Both sum to 1.00.",
)

CHAPTER = Chapter(
    name="loss",
    title="the loss",
    intro=r"""
One line of code trains a DDPM, and a page of algebra stands behind it. Here you write the
line, and the terms of the bound that it simplifies.""",
    setup="""
import math
from collections.abc import Callable

import matplotlib.pyplot as plt
import sympy as sp
import torch
from torch import Tensor

from ddpm_course import Schedule, checkpoint, data, plots
from ddpm_course.grading import check
from ddpm_course.widgets import Explorer

plots.style()
""",
    tasks=(
        ZERO_MODEL,
        DRAW_T,
        EPSILON_LOSS,
        KL,
        PRIOR_BITS,
        WEIGHT,
        X0_WEIGHT,
        X0_FROM_V,
        DECODER,
    ),
)
