"""Tasks on training and on the network: what turns a loss into a model."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

# -- the average of the weights ---------------------------------------------------------------


def ema(weights: Tensor, decay: float) -> Tensor:
    """(P,) the moving average after the last update.

    weights: (n+1, P), the weights θ_0 before training and θ_1, ..., θ_n after each update.
    """
    ### BEGIN SOLUTION
    average = weights[0]
    for new in weights[1:]:
        average = decay * average + (1 - decay) * new
    return average
    ### END SOLUTION


def _ema(weights: Tensor, decay: float) -> Tensor:
    average = weights[0]
    for new in weights[1:]:
        average = decay * average + (1 - decay) * new
    return average


EMA = Task(
    name="training.ema",
    title="A calmer copy of the weights",
    points=1,
    minutes=4,
    prompt=r"""
Samples come from a moving average of the weights,
$\bar\theta_n = \lambda\,\bar\theta_{n-1} + (1 - \lambda)\,\theta_n$, which starts at
$\bar\theta_0 = \theta_0$. Compute $\bar\theta_n$ from the whole history of the weights;
$\lambda$ is `decay`.""",
    hint=r"A loop over `weights[1:]`. Which of the two has the larger say if $\lambda = 0.9$?",
    lesson="the average follows slowly: about the last 1/(1 - λ) updates have a say in it.",
    reference=ema,
    cases=lambda seed: [
        Case((draw.noise(draw.generator(seed), n, size), decay))
        for n, size, decay in ((6, 5, 0.9), (4, 3, 0.7))
    ],
    mistakes=(
        Mistake(
            "The two factors are swapped: this average runs after the newest weights.",
            lambda w, d: _ema(w, 1 - d),
        ),
        Mistake(
            "The average starts from 0, and is pulled towards it for long.",
            lambda w, d: _ema(torch.cat([w[:1] * 0, w[1:]]), d),
        ),
        Mistake("This is the plain mean: old weights must fade.", lambda w, d: w.mean(0)),
        Mistake("The last update is left out.", lambda w, d: _ema(w[:-1], d)),
        Mistake(
            "The starting weights count as an update of an average that was 0.",
            lambda w, d: _ema(torch.cat([w[:1] * 0, w]), d),
        ),
        Mistake("These are the last weights; no average.", lambda w, d: w[-1]),
        Mistake(
            "The average is corrected as if it had begun at 0; it began at θ_0.",
            lambda w, d: _ema(w, d) / (1 - d ** (len(w) - 1)),
        ),
        Mistake(
            "Only the last two states are averaged; all that came before has a say, too.",
            lambda w, d: d * w[-2] + (1 - d) * w[-1],
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
noisy = torch.cat([torch.zeros(1, 1), 1 + 0.4 * torch.randn(150, 1, generator=g)])
calm = [ema(noisy[: n + 1], 0.9).item() for n in range(151)]
plt.figure(figsize=(5, 2.2))
plt.plot(noisy, color="#999999", lw=1, label="the weight")
plt.plot(calm, label="its average")
plt.xlabel("updates")
plt.legend()
plt.show()
""",
    alt="A weight that jumps about 1 from update to update, and its average: it begins at 0, with "
    "the weight, reaches 1 after some 30 updates, and from there on hardly moves.",
    play="""
# Play: drag the decay. What do you pay for a calmer average?
decays = [0, 0.3, 0.6, 0.8, 0.9, 0.95, 0.98, 0.99]
averages = {d: [ema(noisy[: n + 1], d).item() for n in range(151)] for d in decays}


def draw(decay):
    figure, axes = plt.subplots(figsize=(4.6, 2))
    axes.plot(noisy, color="#999999", lw=1)
    axes.plot(averages[decay])
    axes.set(xlabel="updates", title=f"decay {decay:g}")
    return figure


def describe(decay):
    late = torch.tensor(averages[decay][100:])
    return (
        f"Decay {decay:g}: over the last 50 updates the average lies near {late.mean():.2f} and "
        f"varies by {late.std():.2f}."
    )


Explorer(draw, describe, decay=decays)
""",
)

# -- the network's parts ----------------------------------------------------------------------


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """(B, dim): first the sines, then the cosines, of t at dim / 2 frequencies; t: (B,) int64."""
    ### BEGIN SOLUTION
    m = dim // 2
    omega = 10000.0 ** (-torch.arange(m) / (m - 1))
    angle = t[:, None] * omega
    return torch.cat([angle.sin(), angle.cos()], dim=1)
    ### END SOLUTION


def _time_embedding(t: Tensor, dim: int, form: str = "right") -> Tensor:
    """The embedding, and what goes wrong with it."""
    m = dim // 2
    index = torch.arange(m)
    omega = 10000.0 ** -(index / {"m": m, "dim": dim}.get(form, m - 1))
    if form == "rising":
        omega = index + 1.0
    if form == "reversed":
        omega = omega.flip(0)
    angle = t[:, None] * omega
    sin, cos = angle.sin(), angle.cos()
    if form == "interleaved":
        return torch.stack([sin, cos], dim=2).flatten(1)
    return torch.cat([cos, sin] if form == "swapped" else [sin, cos], dim=1)


def _time_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, dim in ((6, 8), (5, 14)):
        t = draw.steps(g, B, 100)
        cases.append(Case((t, dim), along=t.tolist(), atol=1e-4))
    return cases


TIME_EMBEDDING = Task(
    name="training.time_embedding",
    title="Telling the network the time",
    points=2,
    minutes=7,
    prompt=r"""
A network cannot do much with one bare number $t$. Give it $m$ = `dim / 2` waves instead: first
all $\sin(t\,\omega_i)$, then all $\cos(t\,\omega_i)$, with frequencies
$\omega_i = 10000^{-i/(m-1)}$ for $i = 0, \ldots, m - 1$, from 1 down to 1/10000.""",
    hint="`t[:, None] * omega` has shape `(B, m)`. Join the two halves along the second axis.",
    lesson="fast waves tell neighbors apart, slow waves tell early from late: a clock with many "
    "hands.",
    reference=time_embedding,
    cases=_time_cases,
    mistakes=(
        Mistake(
            "Sines and cosines take turns here; all sines come first.",
            partial(_time_embedding, form="interleaved"),
        ),
        Mistake("The cosines come first here.", partial(_time_embedding, form="swapped")),
        Mistake(
            "The slowest wave is too fast: the last exponent should be -1.",
            partial(_time_embedding, form="m"),
        ),
        Mistake(
            "The exponent divides by `dim`, but there are half as many frequencies.",
            partial(_time_embedding, form="dim"),
        ),
        Mistake(
            "The frequencies rise from 1 on: then distant times look alike.",
            partial(_time_embedding, form="rising"),
        ),
        Mistake(
            "Only the sines are there: sin alone cannot tell t from its mirror image.",
            lambda t, dim: _time_embedding(t, 2 * dim)[:, :dim],
        ),
        Mistake(
            "The frequencies come in the reverse order: the fastest wave is the first.",
            partial(_time_embedding, form="reversed"),
        ),
    ),
    picture="""
t = torch.arange(1, 1001)
features = time_embedding(t, 32).T
plt.figure(figsize=(6, 2))
plt.imshow(features, aspect="auto", cmap="RdBu")
plt.title("red: -1, white: 0, blue: 1")
plt.grid(False)
plt.xlabel("t")
plt.ylabel("feature")
plt.show()
""",
    alt="The 32 features as rows over t from 1 to 1000: fast stripes in the first rows, slower and "
    "slower ones below, nearly constant at row 15; the same once more for the cosines.",
)


def residual(x: Tensor, time: Tensor, w_1: Tensor, w_time: Tensor, w_2: Tensor) -> Tensor:
    """A residual block: (B, C, H, W) in and out.

    x: (B, C, H, W); time: (B, D); w_1, w_2: (C, C, 3, 3); w_time: (C, D). No biases.
    """
    ### BEGIN SOLUTION
    h = F.conv2d(F.silu(x), w_1, padding=1)
    h = h + F.linear(time, w_time)[:, :, None, None]
    h = F.conv2d(F.silu(h), w_2, padding=1)
    return x + h
    ### END SOLUTION


def _residual(
    x: Tensor, time: Tensor, w_1: Tensor, w_time: Tensor, w_2: Tensor, form: str = "right"
) -> Tensor:
    """The block, and what goes wrong with it."""
    bias = F.linear(time, w_time)[:, :, None, None]
    if form == "after":
        h = F.silu(F.conv2d(x, w_1, padding=1)) + bias
        return x + F.silu(F.conv2d(h, w_2, padding=1))
    h = F.conv2d(F.silu(x), w_1, padding=1 if form != "narrow" else 0)
    if form == "bare":
        h = F.conv2d(x, w_1, padding=1)
    if form == "once":
        w_2 = w_1
    if form == "behind":
        return x + F.conv2d(F.silu(h) + bias, w_2, padding=1)
    if form == "activated":
        return F.silu(x) + F.conv2d(F.silu(h + bias), w_2, padding=1)
    if form == "relu":
        h = F.conv2d(F.relu(x), w_1, padding=1)
        return x + F.conv2d(F.relu(h + bias), w_2, padding=1)
    h = h if form in ("timeless", "late") else h + bias
    h = F.conv2d(h if form == "linear" else F.silu(h), w_2, padding=1 if form != "narrow" else 0)
    h = h + bias if form == "late" else h
    return h if form in ("no shortcut", "narrow") else x + h


def _residual_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, C, D, H, W in ((4, 3, 5, 6, 6), (3, 2, 7, 5, 8)):
        kernels = [0.3 * draw.noise(g, C, C, 3, 3) for _ in range(2)]
        x, time, w_time = draw.noise(g, B, C, H, W), draw.noise(g, B, D), draw.noise(g, C, D)
        cases.append(Case((x, time, kernels[0], w_time, kernels[1]), atol=1e-4))
    return cases


RESIDUAL = Task(
    name="training.residual",
    title="A residual block",
    points=2,
    minutes=8,
    prompt=r"""
The U-Net is built of such blocks: SiLU, a 3x3 convolution, **plus** the time as a bias for
each channel, SiLU, another 3x3 convolution, and at the end the input is added. (Real blocks
also normalize, and put a SiLU on the time; we leave both out.) The convolutions keep height and
width.""",
    hint="`F.conv2d(..., padding=1)`. The time's bias has shape `(B, C)`; the images `(B, C, H, "
    "W)`.",
    lesson="with small weights the block does nothing, and that is why deep stacks of them train.",
    reference=residual,
    cases=_residual_cases,
    mistakes=(
        Mistake(
            "The shortcut is missing: the input is added at the end.",
            partial(_residual, form="no shortcut"),
        ),
        Mistake(
            "The time is not used: the same block must act differently at each t.",
            partial(_residual, form="timeless"),
        ),
        Mistake(
            "The time comes in after the second convolution; it belongs between the two.",
            partial(_residual, form="late"),
        ),
        Mistake(
            "SiLU comes after each convolution here; it comes before.",
            partial(_residual, form="after"),
        ),
        Mistake(
            "The second SiLU is missing, so the two convolutions collapse into one linear map.",
            partial(_residual, form="linear"),
        ),
        Mistake("This uses ReLU; the block uses SiLU.", partial(_residual, form="relu")),
        Mistake(
            "The first SiLU is missing: it comes before the first convolution, too.",
            partial(_residual, form="bare"),
        ),
        Mistake(
            "Both convolutions use `w_1`; the second one has its own weights.",
            partial(_residual, form="once"),
        ),
        Mistake(
            "The time is added behind the second SiLU; it belongs before it.",
            partial(_residual, form="behind"),
        ),
        Mistake(
            "The shortcut adds SiLU(x); it adds the input as it came.",
            partial(_residual, form="activated"),
        ),
        Mistake(
            "The picture shrinks: 3x3 convolutions need padding to keep its size.",
            partial(_residual, form="narrow"),
        ),
        Mistake(
            "There is a SiLU on the time; here it goes in as it is.",
            lambda x, e, a, w, b: residual(x, F.silu(e), a, w, b),
        ),
        Mistake(
            "The time is added before the first convolution; it belongs behind it.",
            lambda x, e, a, w, b: (
                x
                + F.conv2d(
                    F.silu(F.conv2d(F.silu(x) + (e @ w.T)[:, :, None, None], a, padding=1)),
                    b,
                    padding=1,
                )
            ),
        ),
        Mistake(
            "The time is added twice: once, between the two convolutions, is enough.",
            lambda x, e, a, w, b: residual(x, e, a, w, b) + (e @ w.T)[:, :, None, None],
        ),
        Mistake(
            "A SiLU stands at the very end; the sum with the input is the result.",
            lambda x, e, a, w, b: F.silu(residual(x, e, a, w, b)),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(3)
x = data.digits()[:1].expand(6, 1, 8, 8)
w_1, w_2 = 0.4 * torch.randn(2, 1, 1, 3, 3, generator=g)
out = residual(x, torch.eye(6), w_1, torch.linspace(-1, 1, 6)[None], w_2)
plots.show_images([x, out / 2], ["in", "out"], [f"time {number}" for number in range(1, 7)])
plt.show()
""",
    alt="Above, the same handwritten zero six times. Below, what the block makes of it at six "
    "times: the zero can be seen in each, and the gray around it changes with time.",
)

# -- training ---------------------------------------------------------------------------------

Batch = tuple[Tensor, Tensor, Tensor]


def train(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Batch], alpha_bar: Tensor
) -> list[float]:
    """Train on each batch in turn; return the loss of each, as it was before its update.

    batches: (x_0, t, eps) each; x_0, eps: (B, 2); t: (B,) int64; alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    losses = []
    for x_0, t, eps in batches:
        share = alpha_bar[t].float()[:, None]
        x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
        loss = ((eps - model(x_t, t)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION


def _train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[Batch],
    alpha_bar: Tensor,
    form: str = "right",
) -> list[float]:
    """The loop, and what goes wrong with it."""
    losses: list[float] = []
    for x_0, t, eps in batches:
        if form == "first batch":
            x_0, t, eps = batches[0]
        share = alpha_bar[t].float()[:, None]
        x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
        error = (eps - model(x_t, t)) ** 2
        loss = error.sum() if form == "sum" else error.mean()
        if form == "late":
            optimizer.step()
        if form != "accumulate":
            optimizer.zero_grad()
        (-loss if form == "uphill" else loss).backward()
        if form not in ("frozen", "late") and not (
            form == "unfinished" and len(losses) == len(batches) - 1
        ):
            optimizer.step()
        if form == "afterwards":
            loss = ((eps - model(x_t, t)) ** 2).mean()
        losses.append(loss.item())
    return losses


def _train_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for (B, T), count in zip(draw.SIZES, (5, 4), strict=True):
        table, model = (1 - draw.betas(g, T)).cumprod(0), draw.Tiny(T)
        # Momentum: steps made by hand are other ones.
        optimizer = torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.3)
        batches = [
            (draw.noise(g, B, 2), draw.steps(g, B, T), draw.noise(g, B, 2)) for _ in range(count)
        ]
        cases.append(Case((model, optimizer, batches, table), gives="numbers"))
    return cases


TRAIN = Task(
    name="training.train",
    title="The training loop",
    points=2,
    minutes=8,
    prompt=r"""
Train the model on a list of batches with the optimizer that is given. For each batch: noise it
in one jump, take the simple loss (the mean), and make one update. Return the losses, each
taken before its update.""",
    hint="Five lines in the loop. Which call does PyTorch want before `backward`, and which "
    "after it?",
    lesson="forget the old gradient, work out the new one, step: the order matters.",
    reference=train,
    cases=_train_cases,
    mistakes=(
        Mistake(
            "Gradients of earlier batches are still there when the next one is added.",
            partial(_train, form="accumulate"),
        ),
        Mistake(
            "The weights never change: is an update missing, or is the gradient gone before it?",
            partial(_train, form="frozen"),
        ),
        Mistake(
            "The update uses the gradient of the batch before.",
            partial(_train, form="late"),
        ),
        Mistake(
            "The loss is a sum, so each update is many times too large.",
            partial(_train, form="sum"),
        ),
        Mistake("The loss goes up: the update climbs.", partial(_train, form="uphill")),
        Mistake(
            "These are the losses after each update.",
            partial(_train, form="afterwards"),
        ),
        Mistake(
            "Every update uses the first batch.",
            partial(_train, form="first batch"),
        ),
        Mistake("The last update is never made.", partial(_train, form="unfinished")),
    ),
    picture="""
torch.manual_seed(0)
schedule, model = Schedule.linear(100, 1e-3, 0.1), Tiny(100)  # a network of three numbers
x_0, eps = 0.5 * torch.randn(300, 64, 2), torch.randn(300, 64, 2)
batches = list(zip(x_0, torch.randint(1, 101, (300, 64)), eps))
losses = train(model, torch.optim.SGD(model.parameters(), lr=0.02), batches, schedule.alpha_bar)
plt.figure(figsize=(5, 2.2))
plt.plot(losses, lw=1)
plt.ylim(0, None)
plt.xlabel("updates")
plt.ylabel("loss")
plt.show()
""",
    alt="The loss over 300 updates: it begins near 1, falls within some 50 updates, and then "
    "jitters from batch to batch about a quarter.",
)

# -- the hard one -----------------------------------------------------------------------------


def ddim(x_t: Tensor, eps_hat: Tensor, t: int, s: int, alpha_bar: Tensor) -> Tensor:
    """x_s, by the DDIM step from t to any earlier s, with the guess of x_0 kept in [-1, 1].

    x_t, eps_hat: (B, 2); alpha_bar: (T+1,) float64; 0 <= s < t <= T.
    """
    ### BEGIN SOLUTION
    now, then = alpha_bar[t].float(), alpha_bar[s].float()
    x0_hat = ((x_t - (1 - now).sqrt() * eps_hat) / now.sqrt()).clamp(-1, 1)
    eps_hat = (x_t - now.sqrt() * x0_hat) / (1 - now).sqrt()  # the noise that fits the new x_0
    return then.sqrt() * x0_hat + (1 - then).sqrt() * eps_hat
    ### END SOLUTION


def _ddim(x: Tensor, e: Tensor, t: int, s: int, a: Tensor, form: str = "right") -> Tensor:
    """The step, and what goes wrong with it."""
    now, then = a[t].float(), a[t - 1 if form == "one step" else s].float()
    x_0 = (x - (1 - now).sqrt() * e) / now.sqrt()
    if form != "free":
        x_0 = x_0.clamp(-1, 1)
    if form != "stale":
        e = (x - now.sqrt() * x_0) / (1 - now).sqrt()
    if form == "fresh":
        e = torch.randn_like(x)
    if form == "roots":
        return then * x_0 + (1 - then) * e
    if form == "now":
        return then.sqrt() * x_0 + (1 - now).sqrt() * e
    if form == "clipped":
        return (then.sqrt() * x_0 + (1 - then).sqrt() * e).clamp(-1, 1)
    return then.sqrt() * x_0 + (1 - then).sqrt() * e


def _ddim_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case((draw.noise(g, B, 2), draw.noise(g, B, 2), t, s, (1 - draw.betas(g, T)).cumprod(0)))
        for B, T, t, s in ((8, 12, 12, 7), (8, 12, 7, 1), (6, 10, 5, 0), (6, 10, 9, 8))
    ]  # s follows from no t


DDIM = Task(
    name="training.ddim",
    title="Skipping steps",
    points=3,
    minutes=12,
    prompt=r"""
A trained model can sample in fewer steps (Song et al., *Denoising Diffusion Implicit Models*,
2021). A later chapter tells why; all you need is here. From $t$ to any earlier $s$,
without fresh noise: guess $\hat x_0 = (x_t - \sqrt{1 - \bar\alpha_t}\,\hat\epsilon) /
\sqrt{\bar\alpha_t}$, clip it to $[-1, 1]$, then go to $x_s = \sqrt{\bar\alpha_s}\,\hat x_0 +
\sqrt{1 - \bar\alpha_s}\,\hat\epsilon$. One thing is left for you to find: after clipping,
$\hat x_0$ and $\hat\epsilon$ no longer belong to the same $x_t$. Mend that before the last
formula.""",
    hint="$x_t$ is a fact. Given $x_t$ and the new $x_0$, which noise must be in it?",
    lesson="x_t, x_0 and ε: two fix the third. Libraries have shipped without this line.",
    reference=ddim,
    cases=_ddim_cases,
    mistakes=(
        Mistake(
            "After x_0 was clipped, the noise was not worked out anew.",
            partial(_ddim, form="stale"),
        ),
        Mistake("The guess of x_0 is not clipped.", partial(_ddim, form="free")),
        Mistake(
            "This lands at t - 1. Steps are skipped: the place to land is s.",
            partial(_ddim, form="one step"),
        ),
        Mistake(
            "Fresh noise is added. This step keeps the noise that the model saw.",
            partial(_ddim, form="fresh"),
        ),
        Mistake("The roots in the last formula are missing.", partial(_ddim, form="roots")),
        Mistake(
            "The noise has the size of time t; at s there is less.",
            partial(_ddim, form="now"),
        ),
        Mistake(
            "The result is clipped, too. x_s is noisy and may leave [-1, 1].",
            partial(_ddim, form="clipped"),
        ),
    ),
    picture="""
schedule, ring = Schedule.linear(1000), data.Mixture.ring(8, radius=0.8, std=0.05)
model, table = ring.eps(schedule), schedule.alpha_bar
x_T = torch.randn(500, 2, generator=torch.Generator().manual_seed(0))
ends = []
for calls in (3, 10, 50):
    x_t, times = x_T, torch.linspace(1000, 0, calls + 1).long().tolist()
    for t, s in zip(times[:-1], times[1:]):
        x_t = ddim(x_t, model(x_t, torch.full((500,), t)), t, s, table)
    ends.append(x_t)
plots.show_clouds([x_T, *ends], ["$x_T$", "3 steps", "10 steps", "50 steps"], limit=2)
plt.show()
""",
    alt="A round cloud of noise, and where 3, 10 and 50 steps take it: 3 steps to a blot, 10 to "
    "a ring, 50 to eight spots on the ring, joined by thin lines.",
)

CHAPTER = Chapter(
    name="training",
    title="network and training",
    intro=r"""
A loss is not yet a model. Here you write the loop that trains one, two parts of the network,
the average of the weights that samples are drawn with, and a sampler that skips steps.""",
    setup="""
import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_course import Schedule, data, plots
from ddpm_course.grading import check
from ddpm_course.grading.draw import Tiny
from ddpm_course.widgets import Explorer

plots.style()

Batch = tuple[Tensor, Tensor, Tensor]
""",
    tasks=(EMA, TIME_EMBEDDING, RESIDUAL, TRAIN, DDIM),
)
