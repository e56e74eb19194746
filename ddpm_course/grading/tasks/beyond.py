"""Tasks on what a trained model can do besides DDPM's walk: fewer steps, labels, missing parts."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial

import sympy as sp
import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

# -- DDIM with fresh noise --------------------------------------------------------------------


def next_line(eta: sp.Symbol, beta: sp.Symbol, before: sp.Symbol) -> sp.Expr:
    """σ² of the jump to the neighbor; `beta` is β_t, `before` is ᾱ_{t-1}."""
    ### BEGIN SOLUTION
    now = (1 - beta) * before  # ᾱ_t
    return eta**2 * (1 - before) / (1 - now) * beta
    ### END SOLUTION


NEXT_LINE = Task(
    name="beyond.next_line",
    title="Write the next line",
    points=2,
    minutes=6,
    prompt=r"""
A jump of DDIM from $t$ to its neighbor $t - 1$ adds fresh noise of the variance

1. $\sigma^2 = \eta^2\,\frac{1 - \bar\alpha_{t-1}}{1 - \bar\alpha_t}
\left(1 - \frac{\bar\alpha_t}{\bar\alpha_{t-1}}\right)$

Write the next line: one step multiplies $\bar\alpha$ by $1 - \beta_t$, so $\bar\alpha_t$ can be
put in. Return a SymPy expression in $\eta$, $\beta_t$ and $\bar\alpha_{t-1}$ (`before`).""",
    hint=r"Put $\bar\alpha_t = (1 - \beta_t)\,\bar\alpha_{t-1}$ in at both places. What is left of "
    "the bracket?",
    lesson="with η = 1 this is β̃_t, the variance of DDPM's posterior: DDIM holds DDPM.",
    reference=next_line,
    cases=lambda seed: [
        Case(
            draw.points(seed, (0.2, 0.9), (0.05, 0.6), (0.1, 0.9)),
            symbols="eta beta before",
            rtol=1e-6,
        )
    ],
    mistakes=(
        Mistake("η is not squared.", lambda h, b, a: h * (1 - a) / (1 - (1 - b) * a) * b),
        Mistake(
            "The bracket became 1 - β; what is 1 minus the ratio of the two ᾱ?",
            lambda h, b, a: h**2 * (1 - a) / (1 - (1 - b) * a) * (1 - b),
        ),
        Mistake(
            "The bracket is lost.",
            lambda h, b, a: h**2 * (1 - a) / (1 - (1 - b) * a),
        ),
        Mistake(
            "The fraction is upside down: less noise is left at t - 1 than at t.",
            lambda h, b, a: h**2 * (1 - (1 - b) * a) / (1 - a) * b,
        ),
        Mistake(
            "The step multiplies by 1 - β, not by β.",
            lambda h, b, a: h**2 * (1 - a) / (1 - b * a) * (1 - b),
        ),
        Mistake(
            "In the denominator ᾱ_t became ᾱ_{t-1}: then the fraction is 1.",
            lambda h, b, a: h**2 * b,
        ),
        Mistake(
            "In the denominator stands 1 minus one step; ᾱ_t is the product of all.",
            lambda h, b, a: h**2 * (1 - a),
        ),
        Mistake(
            "This is σ; its square is asked for.",
            lambda h, b, a: h * sp.sqrt((1 - a) / (1 - (1 - b) * a) * b),
        ),
    ),
    picture="""
symbols = sp.symbols("eta beta before", positive=True)
formula = sp.lambdify(symbols, next_line(*symbols))
schedule = Schedule.linear(1000)
beta, share = schedule.beta[1:].numpy(), schedule.alpha_bar.numpy()
plt.figure(figsize=(5, 2.2))
for eta in (1, 0.5, 0.2):
    plt.loglog(range(2, 1001), formula(eta, beta[1:], share[1:-1]), label=f"η = {eta}")
plt.xlabel("t")
plt.ylabel("σ²")
plt.legend()
plt.show()
""",
    alt="Three rising curves over t, both axes logarithmic, one below the other for η = 1, 0.5 "
    "and 0.2; the first one ends at 0.02.",
)


def ddim_step(
    x_t: Tensor, eps_hat: Tensor, z: Tensor, t: int, s: int, eta: float, alpha_bar: Tensor
) -> Tensor:
    """x_s, by DDIM from t to any earlier s, with fresh noise z of the size that eta sets.

    x_t, eps_hat, z: (B, 2), z standard noise; alpha_bar: (T+1,) float64; 0 <= s < t <= T.
    """
    ### BEGIN SOLUTION
    now, then = alpha_bar[t].float(), alpha_bar[s].float()
    variance = eta**2 * (1 - then) / (1 - now) * (1 - now / then)
    x0_hat = (x_t - (1 - now).sqrt() * eps_hat) / now.sqrt()
    kept = (1 - then - variance).clamp(min=0).sqrt()
    return then.sqrt() * x0_hat + kept * eps_hat + variance.sqrt() * z
    ### END SOLUTION


def _ddim(
    x: Tensor,
    e: Tensor,
    z: Tensor,
    t: int,
    s: int,
    eta: float,
    a: Tensor,
    form: str = "right",
) -> Tensor:
    """The step, and what goes wrong with it."""
    now, then = a[t].float(), a[t - 1 if form == "neighbor" else s].float()
    var = (eta if form == "eta" else eta**2) * (1 - then) / (1 - now) * (1 - now / then)
    if form == "upside down":
        var = eta**2 * (1 - now) / (1 - then).clamp(min=1e-3) * (1 - now / then)
    if form == "beta":
        var = eta**2 * (1 - now / then)
    if form == "neighbors":
        var = eta**2 * (1 - a[t - 1].float()) / (1 - now) * (1 - now / a[t - 1].float())
    if form == "none":
        var = var * 0
    if form == "full":
        var = var / eta**2
    x0 = (x - (1 - now).sqrt() * e) / now.sqrt()
    if form == "clipped":
        x0 = x0.clamp(-1, 1)
    kept = (1 - then - (0 if form == "on top" else var)).clamp(min=0).sqrt()
    if form == "old":
        kept = (1 - now - var).clamp(min=0).sqrt()
    fresh = var if form == "variance" else var.sqrt()
    return then.sqrt() * x0 + kept * e + fresh * z


def _ddim_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, T, t, s, eta in ((6, 12, 12, 7, 0.5), (6, 12, 7, 2, 0.8), (5, 9, 4, 0, 0.6)):
        table = (1 - draw.betas(g, T)).cumprod(0)
        points = (draw.noise(g, B, 2) for _ in range(3))
        cases.append(Case((*points, t, s, eta, table), along=[t] * B))
    return cases


DDIM_STEP = Task(
    name="beyond.ddim_step",
    title="Any jump, with any noise",
    points=3,
    minutes=12,
    prompt=r"""
From $t$ to any earlier $s$ (Song et al., *Denoising Diffusion Implicit Models*, 2021, equation 12),
with
$\hat x_0 = (x_t - \sqrt{1 - \bar\alpha_t}\,\hat\epsilon) / \sqrt{\bar\alpha_t}$, not clipped:

$x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1 - \bar\alpha_s - \sigma^2}\,\hat\epsilon +
\sigma z$ with $\sigma^2 = \eta^2\,\frac{1 - \bar\alpha_s}{1 - \bar\alpha_t}
\left(1 - \frac{\bar\alpha_t}{\bar\alpha_s}\right)$.

With $\eta = 0$ nothing is left to chance; $\eta = 1$ adds as much as the posterior has.""",
    hint="Three terms: signal, the noise that is kept, fresh noise. The two noises share $1 - "
    r"\bar\alpha_s$ between them.",
    lesson="whatever η is, x_s has the right spread: what is fresh comes out of what is kept.",
    reference=ddim_step,
    cases=_ddim_cases,
    mistakes=(
        Mistake(
            "The fresh noise comes on top: what is kept must shrink by as much.",
            partial(_ddim, form="on top"),
        ),
        Mistake("The fresh noise is multiplied by σ², not σ.", partial(_ddim, form="variance")),
        Mistake("η is not squared in σ².", partial(_ddim, form="eta")),
        Mistake(
            "The fraction in σ² is upside down.",
            partial(_ddim, form="upside down"),
        ),
        Mistake(
            "The first fraction in σ² is lost: this is the noise of the walk forward.",
            partial(_ddim, form="beta"),
        ),
        Mistake(
            "σ² is that of the neighbor t - 1; the jump goes to s.",
            partial(_ddim, form="neighbors"),
        ),
        Mistake("This lands at t - 1; the jump goes to s.", partial(_ddim, form="neighbor")),
        Mistake("No fresh noise is added: η makes no difference.", partial(_ddim, form="none")),
        Mistake("η makes no difference: the noise is that of η = 1.", partial(_ddim, form="full")),
        Mistake(
            "The noise that is kept has the size of time t; at s there is less.",
            partial(_ddim, form="old"),
        ),
        Mistake("The guess of x_0 is clipped; here it is not.", partial(_ddim, form="clipped")),
    ),
    picture="""
schedule, ring = Schedule.linear(1000), data.Mixture.ring(8, radius=0.8, std=0.05)
model, times = ring.eps(schedule), torch.linspace(1000, 0, 21).long().tolist()
g = torch.Generator().manual_seed(0)
x_T, ends = torch.randn(200, 2, generator=g), []
for eta in (0.0, 0.5, 1.0):
    x_t = x_T
    for t, s in zip(times[:-1], times[1:]):
        eps_hat = model(x_t, torch.full((200,), t))
        x_t = ddim_step(
            x_t, eps_hat, torch.randn(200, 2, generator=g), t, s, eta, schedule.alpha_bar
        )
    ends.append(x_t)
plots.show_clouds(ends, ["η = 0", "η = 0.5", "η = 1"], limit=1.5)
plt.show()
""",
    alt="Twenty jumps with three amounts of fresh noise: each time eight spots on a ring, and "
    "points on the lines between them.",
)

# -- labels -----------------------------------------------------------------------------------


def drop_labels(labels: Tensor, u: Tensor, share: float, null: int) -> Tensor:
    """(B,) int64: the labels, but where u < share the null label instead.

    labels: (B,) int64; u: (B,) uniform in [0, 1), one for each item.
    """
    ### BEGIN SOLUTION
    return torch.where(u < share, null, labels)
    ### END SOLUTION


def _drop_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, share, null in ((40, 0.2, 10), (30, 0.6, 7)):
        labels, u = torch.randint(0, null, (B,), generator=g), torch.rand(B, generator=g)
        u[0] = 0.4  # not like the other ones: once above the share, once below it
        cases.append(Case((labels, u, share, null)))
    return cases


DROP_LABELS = Task(
    name="beyond.drop_labels",
    title="A label that says nothing",
    points=1,
    minutes=4,
    prompt=r"""
Guidance needs two guesses from one network, with the label and without. So in training the label
of a `share` of the items is taken away: it becomes `null`, a number that stands for "no label".
The uniform numbers `u` decide, item by item. (In place is wrong: the labels are used again.)""",
    hint="`torch.where(condition, a, b)`.",
    lesson="one network learns both: what all pictures have in common, and what one kind has.",
    reference=drop_labels,
    cases=_drop_cases,
    mistakes=(
        Mistake(
            "This keeps the share that should lose its label.",
            lambda y, u, p, n: torch.where(u >= p, n, y),
        ),
        Mistake(
            "The label 0 is a kind like any other; `null` stands for none.",
            lambda y, u, p, n: torch.where(u < p, 0, y),
        ),
        Mistake(
            "One number decides for the whole batch; each item has its own.",
            lambda y, u, p, n: torch.where(u[:1] < p, n, y),
        ),
        Mistake("No label is dropped.", lambda y, u, p, n: y.clone()),
        Mistake("All labels are dropped.", lambda y, u, p, n: torch.full_like(y, n)),
        Mistake(
            "Dropped items leave the batch; they stay in it, without their label.",
            lambda y, u, p, n: y[u >= p],
        ),
        Mistake(
            "The first items of the batch lose their label; `u` decides which.",
            lambda y, u, p, n: torch.cat([torch.full((int(p * len(y)),), n), y[int(p * len(y)) :]]),
        ),
        Mistake(
            "The largest `u` lose their label; those below the share should.",
            lambda y, u, p, n: torch.where(u > 1 - p, n, y),
        ),
        Mistake(
            "-1 is no label that the model knows; `null` stands for none.",
            lambda y, u, p, n: torch.where(u < p, -1, y),
        ),
    ),
    picture="""
u, y = torch.rand(2000, generator=torch.Generator().manual_seed(0)), torch.arange(2000) % 10
plt.figure(figsize=(5, 2.2))
for share in (0.1, 0.5):
    counts = torch.as_tensor(drop_labels(y, u, share, 10)).bincount(minlength=11)
    plt.plot(range(11), counts, "o-", label=f"share {share}")
plt.xlabel("label; 10 is null")
plt.ylabel("items")
plt.legend()
plt.show()
""",
    alt="How often each label is left among 2,000: with a share of 0.1 about 180 of each kind and "
    "200 times null; with 0.5 about 100 of each and 1,000 times null.",
)

Model = Callable[[Tensor, Tensor, Tensor], Tensor]


def guided_walk(
    model: Model,
    x_T: Tensor,
    label: int,
    null: int,
    w: float,
    times: list[int],
    alpha_bar: Tensor,
) -> Tensor:
    """(B, 2) x_0 of one kind, by DDIM without fresh noise and with guidance.

    model(x_t, t, label), t and label of shape (B,), guesses the noise; label null is none.
    times: the steps from T down to 0.
    """
    ### BEGIN SOLUTION
    x, ones = x_T, torch.ones(len(x_T), dtype=torch.int64)
    for t, s in zip(times, times[1:]):
        now, then = alpha_bar[t].float(), alpha_bar[s].float()
        free, told = model(x, t * ones, null * ones), model(x, t * ones, label * ones)
        eps_hat = free + w * (told - free)
        x0_hat = (x - (1 - now).sqrt() * eps_hat) / now.sqrt()
        x = then.sqrt() * x0_hat + (1 - then).sqrt() * eps_hat
    return x
    ### END SOLUTION


def _guided(
    model: Model,
    x: Tensor,
    label: int,
    null: int,
    w: float,
    times: list[int],
    alpha_bar: Tensor,
    form: str = "right",
) -> Tensor:
    """The walk, and what goes wrong with it."""
    ones = torch.ones(len(x), dtype=torch.int64)
    for t, s in itertools.pairwise(times):
        now, then = alpha_bar[t].float(), alpha_bar[s].float()
        free, told = model(x, t * ones, null * ones), model(x, t * ones, label * ones)
        eps = free + w * (told - free)
        eps = {
            "paper": told + w * (told - free),
            "one less": free + (w - 1) * (told - free),
            "swapped": told + w * (free - told),
            "told": told,
            "free": free,
            "mean": (free + w * told) / (1 + w),
            "scaled": w * told,
            "difference": w * (told - free),
        }.get(form, eps)
        x0 = (x - (1 - now).sqrt() * (told if form == "other half" else eps)) / now.sqrt()
        if form == "half":
            eps = told
        if form == "clipped":
            x0 = x0.clamp(-1, 1)
        x = then.sqrt() * x0 + (1 - (now if form == "noise" else then)).sqrt() * eps
        if form == "lands":
            x = x0
        if form == "first":
            w = 1.0
    return x


def _guided_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, kinds, label, w, times in ((6, 3, 1, 2.5, [12, 8, 3, 0]), (5, 4, 0, 0.4, [9, 4, 0])):
        table = (1 - draw.betas(g, times[0])).cumprod(0)
        # Far enough from the middle that a guess which is clipped to [-1, 1] is surely another one.
        away = torch.nn.functional.normalize(draw.noise(g, kinds, 2)) * 2
        model = draw.Labeled(table, torch.cat([away, torch.zeros(1, 2)]))
        cases.append(Case((model, draw.noise(g, B, 2), label, kinds, w, times, table), atol=1e-4))
    return cases


GUIDED_WALK = Task(
    name="beyond.guided_walk",
    title="A walk in one direction",
    points=3,
    minutes=12,
    prompt=r"""
Sample one kind. At each stop ask the model twice, with the label and with `null`, and go on with

$\hat\epsilon = \epsilon_\theta(x_t, t) + w\,(\epsilon_\theta(x_t, t, c) -
\epsilon_\theta(x_t, t))$.

Then jump as DDIM does without fresh noise, not clipped: guess $\hat x_0$ with $\hat\epsilon$, and
go to $x_s = \sqrt{\bar\alpha_s}\,\hat x_0 + \sqrt{1 - \bar\alpha_s}\,\hat\epsilon$.""",
    hint="The model wants a label for each item: `torch.full((len(x),), label)`.",
    lesson="w = 0 forgets the label, w = 1 obeys it, and more exaggerates: variety is the price.",
    reference=guided_walk,
    cases=_guided_cases,
    mistakes=(
        Mistake(
            "This starts from the guess with the label, so w counts one too many (some papers "
            "write it so).",
            partial(_guided, form="paper"),
        ),
        Mistake(
            "The two guesses are swapped: this runs away from the label.",
            partial(_guided, form="swapped"),
        ),
        Mistake("Guidance is missing: w makes no difference.", partial(_guided, form="told")),
        Mistake("The label is never used.", partial(_guided, form="free")),
        Mistake(
            "This is a mean of the two guesses; it goes no further than the label.",
            partial(_guided, form="mean"),
        ),
        Mistake(
            "The guess with the label is multiplied by w: the noise has a wrong size.",
            partial(_guided, form="scaled"),
        ),
        Mistake(
            "The guess without the label is lost from the sum.", partial(_guided, form="difference")
        ),
        Mistake(
            "x̂_0 is guessed with guidance, but the jump's noise is without it.",
            partial(_guided, form="half"),
        ),
        Mistake("The noise keeps the size that it has at t.", partial(_guided, form="noise")),
        Mistake("Only the first jump is guided.", partial(_guided, form="first")),
        Mistake("The guess of x_0 is clipped; here it is not.", partial(_guided, form="clipped")),
        Mistake(
            "w counts one too few: at w = 1 the guess is that without the label.",
            partial(_guided, form="one less"),
        ),
        Mistake(
            "The jump's noise is guided, but x̂_0 is guessed without guidance.",
            partial(_guided, form="other half"),
        ),
        Mistake(
            "The walk lands on the guess of x_0; a jump to s adds the noise that belongs to s.",
            partial(_guided, form="lands"),
        ),
    ),
    picture="""
schedule = Schedule.linear(1000)
places = torch.tensor([[0.9, 0.0], [-0.9, 0.0], [0.0, 0.0]])  # two kinds, and null between
model = Labeled(schedule.alpha_bar, places)
x_T = torch.randn(400, 2, generator=torch.Generator().manual_seed(0))
times = torch.linspace(1000, 0, 21).long().tolist()
ends = [guided_walk(model, x_T, 0, 2, w, times, schedule.alpha_bar) for w in (0, 1, 2)]
plots.show_clouds(ends, ["w = 0", "w = 1", "w = 2"], limit=2.5)
plt.show()
""",
    alt="Three round clouds of points: for w = 0 in the middle, for w = 1 at the kind's own place "
    "on the right, for w = 2 twice as far out.",
    play="""
# Play: how far does the direction lead?
walks = {}
for w in (0, 0.5, 1, 1.5, 2):
    walks[w] = guided_walk(model, x_T, 0, 2, w, times, schedule.alpha_bar)


def draw(w):
    return plots.show_clouds([walks[w]], [f"w = {w}"], limit=2.5)


def describe(w):
    return f"With w = {w} the cloud's middle lies {walks[w][:, 0].mean():.2f} to the right."


Explorer(draw, describe, w=list(walks))
""",
)

# -- a missing part ---------------------------------------------------------------------------


def keep_known(
    x_s: Tensor, known: Tensor, mask: Tensor, eps: Tensor, s: int, alpha_bar: Tensor
) -> Tensor:
    """x_s, but where mask is 1 the known picture, noised to step s.

    x_s, known, eps: (B, 1, H, W); mask: (1, 1, H, W), 1 where the picture is known, else 0.
    """
    ### BEGIN SOLUTION
    share = alpha_bar[s].float()
    noisy = share.sqrt() * known + (1 - share).sqrt() * eps
    return mask * noisy + (1 - mask) * x_s
    ### END SOLUTION


def _keep(
    x: Tensor, k: Tensor, m: Tensor, e: Tensor, s: int, a: Tensor, form: str = "right"
) -> Tensor:
    share = a[s + 1 if form == "early" else s].float()
    noisy = share.sqrt() * k + (1 - share).sqrt() * e
    if form == "clean":
        noisy = k
    if form == "no roots":
        noisy = share * k + (1 - share) * e
    if form == "full":
        noisy = k + (1 - share).sqrt() * e
    if form == "turned":
        m = 1 - m
    if form == "added":
        return x + m * noisy
    if form == "only":
        return m * noisy
    if form == "mean":
        return m * (noisy + x) / 2 + (1 - m) * x
    return m * noisy + (1 - m) * x


def _keep_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    first, second = draw.IMAGES
    for (shape, T), s in ((first, 7), (second, 2), (second, 0)):  # the last jump lands at 0
        table = (1 - draw.betas(g, T)).cumprod(0)
        mask = (draw.noise(g, 1, 1, *shape[2:]) > 0).float()
        x_s, known, eps = (draw.noise(g, *shape) for _ in range(3))
        cases.append(Case((x_s, known, mask, eps, s, table)))
    return cases


KEEP_KNOWN = Task(
    name="beyond.keep_known",
    title="Fill in what is missing",
    points=2,
    minutes=7,
    prompt=r"""
A picture has a hole. Let the sampler run as always, but after each jump put what is known back
in its place (Lugmayr et al., 2022): noised to the same step $s$,
$\sqrt{\bar\alpha_s}\,x + \sqrt{1 - \bar\alpha_s}\,\epsilon$, where `mask` is 1; elsewhere keep
what the sampler drew.""",
    hint="`mask * a + (1 - mask) * b` takes `a` where the mask is 1, and `b` elsewhere.",
    lesson="the network was never told of holes: the known part, noisy as all else, leads the way.",
    reference=keep_known,
    cases=_keep_cases,
    mistakes=(
        Mistake(
            "The known part is clean; around it all is noisy, as step s wants it.",
            partial(_keep, form="clean"),
        ),
        Mistake(
            "The mask is turned round: the known part is drawn, the hole is kept.",
            partial(_keep, form="turned"),
        ),
        Mistake("The roots are missing.", partial(_keep, form="no roots")),
        Mistake("The known picture is not faded: its factor is √ᾱ_s.", partial(_keep, form="full")),
        Mistake(
            "The known part is noised to one step before; the jump has landed at s.",
            partial(_keep, form="early"),
        ),
        Mistake(
            "The known part is added to what was drawn there; it takes its place.",
            partial(_keep, form="added"),
        ),
        Mistake("What the sampler drew in the hole is lost.", partial(_keep, form="only")),
        Mistake(
            "Known and drawn are averaged; the known takes the place.", partial(_keep, form="mean")
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(1)
known, mask = data.digits()[:5], torch.ones(1, 1, 8, 8)
mask[..., 4:] = 0  # the right half is missing
drawn = torch.randn(5, 1, 8, 8, generator=g)
rows = []
for s in (0, 100, 400):
    noise = torch.randn(5, 1, 8, 8, generator=g)
    rows.append(keep_known(drawn, known, mask, noise, s, Schedule.linear(1000).alpha_bar))
plots.show_images(rows, ["s = 0", "s = 100", "s = 400"], list("abcde"), pixels=True)
plt.show()
""",
    alt="Five digits whose right half is pure noise. At s = 0 the left half is clean, at s = 100 "
    "noisy, at s = 400 it can hardly be told from the right half.",
)

ETA_CHOICE = Task(
    name="beyond.eta_choice",
    title="Read these curves: which η?",
    points=1,
    minutes=4,
    prompt=r"""
The Fréchet distance of samples (small is good), over the number of calls, for three amounts of
fresh noise. You have 10 calls for each picture. Which sentence follows from the curves?

- `"a"`: Take $\eta = 1$: it is best in the end.
- `"b"`: Take $\eta = 0$: at 10 calls it is best, whatever happens at 1000.
- `"c"`: Take $\eta = 0.5$: the mean of two risks is the smaller one.
- `"d"`: It makes no difference: at the right all three meet.

Set `eta_choice` to one letter.""",
    hint="Draw a vertical line at your budget.",
    lesson="fresh noise mends errors if there are steps left to use it; with few it is an error.",
    given="""
calls = torch.tensor([5.0, 10, 20, 50, 100, 300, 1000])
plt.figure(figsize=(4.6, 2.1))
curves = {0: (40, 1.3, 0.35), 0.5: (60, 1.1, 0.25), 1: (90, 0.9, 0.1)}
for eta, (start, power, rest) in curves.items():
    plt.loglog(calls, start * calls**-power + rest, "o-", label=f"η = {eta}")
plt.axvline(10, color="#999999", lw=1, label="10 calls")
plt.xlabel("calls")
plt.ylabel("Fréchet distance")
plt.legend()
plt.show()
""",
    shows="Three falling curves, both axes logarithmic. At 10 calls η = 0 is lowest and η = 1 "
    "highest, by a factor of five; at 1000 calls all three are below 1 and lie close together.",
    reference="b",
    observe=lambda answer: str(answer).strip().strip("\"'().").lower(),
    mistakes=(
        Mistake("In the end there are 1000 calls. You have 10.", "a"),
        Mistake("At 10 calls its curve lies between the two others; one of them is better.", "c"),
        Mistake("They meet where calls cost nothing to you. At 10 they lie far apart.", "d"),
    ),
)

CHAPTER = Chapter(
    name="beyond",
    title="beyond DDPM",
    intro=r"""
One trained network, many samplers. Here you write the jump with any amount of noise, teach a
batch to forget its labels, walk in the direction of one, and fill a hole.""",
    setup="""
from collections.abc import Callable

import matplotlib.pyplot as plt
import sympy as sp
import torch
from torch import Tensor

from ddpm_course import Schedule, data, plots
from ddpm_course.grading import check
from ddpm_course.grading.draw import Labeled
from ddpm_course.widgets import Explorer

plots.style()

Model = Callable[[Tensor, Tensor, Tensor], Tensor]
""",
    tasks=(NEXT_LINE, DDIM_STEP, DROP_LABELS, GUIDED_WALK, KEEP_KNOWN, ETA_CHOICE),
)
