"""Tasks on evaluation: distances between sets, copies, shares, bits, curves to be read, and a
trainer that is not right."""

from __future__ import annotations

import math
from functools import partial

import sympy as sp
import torch
from torch import Tensor, nn

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

Batch = tuple[Tensor, Tensor, Tensor]

# -- the Fréchet distance ---------------------------------------------------------------------


def frechet_line(
    mean_1: sp.Symbol, std_1: sp.Symbol, mean_2: sp.Symbol, std_2: sp.Symbol
) -> sp.Expr:
    """The Fréchet distance (squared) between N(mean_1, std_1²) and N(mean_2, std_2²)."""
    ### BEGIN SOLUTION
    return (mean_1 - mean_2) ** 2 + (std_1 - std_2) ** 2
    ### END SOLUTION


FRECHET_LINE = Task(
    name="evaluation.frechet_line",
    title="Write the next line",
    points=2,
    minutes=5,
    prompt=r"""
On a line, with one number per item, the Fréchet distance reads

$\mathrm{FD} = (\mu_1 - \mu_2)^2 + \sigma_1^2 + \sigma_2^2 - 2\,\sqrt{\sigma_1^2\,\sigma_2^2}$.

What is the next line? Bring it to a sum of two squares; the $\sigma$ are standard deviations.
Return a SymPy expression.""",
    hint=r"$\sqrt{\sigma_1^2\,\sigma_2^2} = \sigma_1\,\sigma_2$, for both are positive.",
    lesson="FD is 0 only if both the means and the spreads agree, and it knows nothing else.",
    reference=frechet_line,
    cases=lambda seed: [
        Case(
            draw.points(seed, (0.1, 2), (0.3, 1.5), (0.2, 3), (0.4, 2)),
            symbols="mean_1 std_1 mean_2 std_2",
            rtol=1e-6,
        )
    ],
    mistakes=(
        Mistake(
            "The variances are compared; what is squared at the end are standard deviations.",
            lambda m, s, n, r: (m - n) ** 2 + (s**2 - r**2) ** 2,
        ),
        Mistake(
            "The product term is lost: FD of a Gaussian with itself must be 0.",
            lambda m, s, n, r: (m - n) ** 2 + s**2 + r**2,
        ),
        Mistake(
            "The sign of the product is turned round.",
            lambda m, s, n, r: (m - n) ** 2 + (s + r) ** 2,
        ),
        Mistake(
            "The 2 before the root is missing.",
            lambda m, s, n, r: (m - n) ** 2 + s**2 + r**2 - s * r,
        ),
        Mistake("The means are not squared.", lambda m, s, n, r: m - n + (s - r) ** 2),
        Mistake("The part of the means is lost.", lambda m, s, n, r: (s - r) ** 2),
        Mistake("The part of the spreads is lost.", lambda m, s, n, r: (m - n) ** 2),
        Mistake(
            "The root stays over the whole; FD is the square itself.",
            lambda m, s, n, r: sp.sqrt((m - n) ** 2 + (s - r) ** 2),
        ),
        Mistake(
            "The root of a product of two squares is the product, not its square.",
            lambda m, s, n, r: (m - n) ** 2 + s**2 + r**2 - 2 * s**2 * r**2,
        ),
    ),
    picture="""
symbols = sp.symbols("mean_1 std_1 mean_2 std_2", positive=True)
distance = sp.lambdify(symbols, frechet_line(*symbols))
spread = torch.linspace(0.1, 3, 100)
plt.figure(figsize=(3.6, 1.7))
for mean in (0, 1):
    told = [distance(mean, s, 0, 1) for s in spread.tolist()]
    plt.plot(spread, told, label=f"means {mean} apart")
plt.xlabel("one spread; the other one is 1")
plt.ylabel("FD")
plt.legend()
plt.show()
""",
    alt="Two parabolas over the spread, both lowest at 1: there they are 0 and 1 high, for means 0 "
    "and 1 apart.",
    play="""
# Play: two bells. When is their distance 0?
from statistics import NormalDist

symbols = sp.symbols("mean_1 std_1 mean_2 std_2", positive=True)
distance = sp.lambdify(symbols, frechet_line(*symbols))


def draw(mean, spread):
    figure, axes = plt.subplots(figsize=(4.6, 2))
    x = torch.linspace(-4, 6, 200)
    for one in (NormalDist(0, 1), NormalDist(mean, spread)):
        axes.plot(x, [one.pdf(v) for v in x.tolist()])
    axes.set(title=f"FD = {distance(mean, spread, 0, 1):.2f}", yticks=[])
    return figure


def describe(mean, spread):
    told = distance(mean, spread, 0, 1)
    return f"N(0, 1) and N({mean}, {spread} squared): their distance is {told:.2f}."


Explorer(draw, describe, mean=[0, 1, 2], spread=[0.5, 1, 1.5, 2])
""",
)


def frechet(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance between two sets, from their means and covariances.

    a: (N, D), b: (M, D), float64, a row each item.
    """
    ### BEGIN SOLUTION
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    means = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return (means + cov_a.trace() + cov_b.trace() - 2 * root).item()
    ### END SOLUTION


def _frechet(a: Tensor, b: Tensor, form: str = "right") -> float:
    cov_a, cov_b = torch.cov(a.T), torch.cov(b.T)
    if form == "diagonal":
        cov_a, cov_b = cov_a.diag().diag(), cov_b.diag().diag()
    root = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt().sum()
    if form == "entries":
        root = (cov_a @ cov_b).diag().clamp(min=0).sqrt().sum()
    if form == "apart":
        root = (cov_a.trace() * cov_b.trace()).sqrt()
    if form == "no root":
        root = (cov_a @ cov_b).trace()
    gap = a.mean(0) - b.mean(0)
    means = gap.norm() if form == "length" else (gap**2).sum()
    means = (gap**2).mean() if form == "mean" else means
    means = gap.abs().sum() if form == "city" else means
    means = torch.zeros(()) if form == "spread" else means
    traces = cov_a.trace() + (0 if form == "one trace" else cov_b.trace())
    value = means + traces - (1 if form == "one" else 2) * root
    if form == "table":
        value = means + ((cov_a - cov_b) ** 2).sum()
    if form == "means":
        value = means
    return (value.clamp(min=0).sqrt() if form == "rooted" else value).item()


def _frechet_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for d in (3, 4):
        ours, theirs = torch.randn(2, d, d, generator=g, dtype=torch.float64)
        # Spreads that differ surely: traces of 2 and 8, or half of a wrong formula looks like none.
        ours, theirs = 2**0.5 * ours / ours.norm(), 8**0.5 * theirs / theirs.norm()
        a = torch.randn(600, d, generator=g, dtype=torch.float64) @ ours
        b = torch.randn(400, d, generator=g, dtype=torch.float64) @ theirs
        # Means just so far apart that no wrong sum of them is the right one by chance.
        a, b = a - a.mean(0) + 0.3, b - b.mean(0) + 0.3 + torch.arange(d) / 2
        # Dividing by N, not by N - 1, is as good.
        cases.append(Case((a, b), rtol=0.01, atol=0.01))
    return cases


FRECHET = Task(
    name="evaluation.frechet",
    title="The distance between two sets",
    points=3,
    minutes=12,
    prompt=r"""
Now with $D$ numbers per item:

$\mathrm{FD} = \lVert \mu_a - \mu_b \rVert^2 + \mathrm{tr}\,\Sigma_a + \mathrm{tr}\,\Sigma_b -
2\,\mathrm{tr}\,(\Sigma_a \Sigma_b)^{1/2}$.

The last trace is the sum of the square roots of the eigenvalues of $\Sigma_a \Sigma_b$, which
are real and not negative; `torch.linalg.eigvals` gives them as complex numbers.""",
    hint="`torch.cov(a.T)` wants a row for each of the $D$ numbers. Of the eigenvalues take "
    "`.real`.",
    lesson="two sets are compared through two means and two covariances: all else is not seen.",
    reference=frechet,
    cases=_frechet_cases,
    mistakes=(
        Mistake(
            "Only the variances are compared; how the numbers go together counts, too.",
            partial(_frechet, form="diagonal"),
        ),
        Mistake(
            "The root is taken entry by entry; that is not the root of a matrix.",
            partial(_frechet, form="entries"),
        ),
        Mistake(
            "The root of the product of two traces is not the trace of the root.",
            partial(_frechet, form="apart"),
        ),
        Mistake("The root of the product is missing.", partial(_frechet, form="no root")),
        Mistake("The distance of the means is not squared.", partial(_frechet, form="length")),
        Mistake(
            "The squares of the means' distance are averaged; add them up.",
            partial(_frechet, form="mean"),
        ),
        Mistake(
            "The means' distance adds up absolute values; squares are meant.",
            partial(_frechet, form="city"),
        ),
        Mistake("One of the two traces is missing.", partial(_frechet, form="one trace")),
        Mistake(
            "The covariances are compared entry by entry; traces and the root of a product are "
            "asked for.",
            partial(_frechet, form="table"),
        ),
        Mistake("The 2 before the last trace is missing.", partial(_frechet, form="one")),
        Mistake("The means make no difference here.", partial(_frechet, form="spread")),
        Mistake("Only the means are compared.", partial(_frechet, form="means")),
        Mistake(
            "The root stands over the whole; FD is a squared distance.",
            partial(_frechet, form="rooted"),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
a = torch.randn(500, 2, generator=g, dtype=torch.float64)
shifts = torch.linspace(0, 2, 20).tolist()
plt.figure(figsize=(4.2, 1.9))
for scale in (1, 0.5):
    moved = [frechet(a, scale * a + shift) for shift in shifts]
    plt.plot(shifts, moved, label=f"shifted and times {scale}")
plt.xlabel("shift")
plt.ylabel("FD")
plt.legend()
plt.show()
""",
    alt="The distance between a cloud and the same cloud, shifted: a parabola from 0 to 8. If the "
    "cloud is also shrunk to a half, the curve lies about a half higher.",
)

# -- what a distance does not see -------------------------------------------------------------


def nearest(samples: Tensor, known: Tensor) -> Tensor:
    """(N,) for each sample, the distance to the nearest known picture.

    samples: (N, 1, H, W); known: (M, 1, H, W). The distance is the root of the sum over pixels
    of the squared differences.
    """
    ### BEGIN SOLUTION
    return torch.cdist(samples.flatten(1), known.flatten(1)).min(dim=1).values
    ### END SOLUTION


def _nearest(s: Tensor, k: Tensor, form: str = "right") -> Tensor:
    between = torch.cdist(s.flatten(1), k.flatten(1), p=1 if form == "city" else 2)
    if form == "known":
        return between.min(dim=0).values
    if form == "farthest":
        return between.max(dim=1).values
    if form == "average":
        return between.mean(dim=1)
    if form == "which":
        return between.argmin(dim=1)
    if form == "mean":
        return between.min(dim=1).values / math.sqrt(s[0].numel())
    return between.min(dim=1).values ** (2 if form == "squared" else 1)


NEAREST = Task(
    name="evaluation.nearest",
    title="Who stands nearest?",
    points=1,
    minutes=5,
    prompt=r"""
A model that hands out its training pictures has a splendid Fréchet distance. So look at copies:
how far is each sample from the nearest known picture?""",
    hint="`torch.cdist` takes `(N, D)` and `(M, D)`; flatten the pictures first.",
    lesson="on its own the number says little: compare it with that of pictures held back.",
    reference=nearest,
    cases=lambda seed: [
        Case((draw.noise(g := draw.generator(seed + n), n, *size), draw.noise(g, 2 * n, *size)))
        for n, size in ((5, (1, 4, 4)), (4, (1, 3, 6)))
    ],
    mistakes=(
        Mistake(
            "This asks for each known picture which sample is nearest.",
            partial(_nearest, form="known"),
        ),
        Mistake("This is the farthest one.", partial(_nearest, form="farthest")),
        Mistake("This is the mean over all known pictures.", partial(_nearest, form="average")),
        Mistake(
            "This says which one is nearest; how far away is it?", partial(_nearest, form="which")
        ),
        Mistake(
            "The root is missing: these are squared distances.", partial(_nearest, form="squared")
        ),
        Mistake(
            "This averages over pixels before the root; add up.", partial(_nearest, form="mean")
        ),
        Mistake("These are sums of absolute differences.", partial(_nearest, form="city")),
    ),
    picture="""
train, held_back = data.digits()[:600], data.digits("test")[:200]
g = torch.Generator().manual_seed(0)
stolen = train[:200] + 0.1 * torch.randn(200, 1, 8, 8, generator=g)
plt.figure(figsize=(5, 2.2))
for name, some in (("held back", held_back), ("copies with noise", stolen)):
    plt.hist(nearest(some, train), bins=torch.linspace(0, 6, 40), alpha=0.6, label=name)
plt.xlabel("distance to the nearest known digit")
plt.ylabel("digits")
plt.legend()
plt.show()
""",
    alt="Two histograms of distances. Copies with noise stand in a narrow pile below 1; digits "
    "that were held back spread from about 1.4 to 4.",
)


def copies(samples: Tensor, held_back: Tensor) -> float:
    """The share of samples that lie nearer to the training set than every held-back picture does.

    samples: (N,), held_back: (M,), the distances of each to the training set.
    """
    ### BEGIN SOLUTION
    return (samples < held_back.min()).double().mean().item()
    ### END SOLUTION


COPIES = Task(
    name="evaluation.copies",
    title="How near is too near?",
    points=1,
    minutes=4,
    prompt=r"""
Pictures that were held back were never learned, so as near as the nearest of them can come by
chance. A sample that lies nearer than **all** of them looks like a copy. Which share of the
samples does?""",
    hint="One number of the held-back distances is enough.",
    lesson="a threshold that comes from data needs no taste: what chance can do is no theft.",
    reference=copies,
    cases=lambda seed: [
        Case(
            (
                draw.noise(g := draw.generator(10 * seed + n), 200 + 40 * n).abs() * 2,
                draw.noise(g, 50 + 10 * n) ** 2 + 0.8,
            )
        )
        for n in (0, 1)
    ],
    mistakes=(
        Mistake(
            "This compares with the mean of the held-back distances; half of them would be "
            "copies, too.",
            lambda s, h: (s < h.mean()).double().mean().item(),
        ),
        Mistake(
            "This compares with the median of the held-back distances.",
            lambda s, h: (s < h.median()).double().mean().item(),
        ),
        Mistake(
            "This compares with the largest of the held-back distances.",
            lambda s, h: (s < h.max()).double().mean().item(),
        ),
        Mistake(
            "These are the samples that are no copies.",
            lambda s, h: (s >= h.min()).double().mean().item(),
        ),
        Mistake(
            "This is how many they are; a share is asked for.",
            lambda s, h: float((s < h.min()).sum()),
        ),
        Mistake(
            "This is the share of held-back pictures nearer than every sample.",
            lambda s, h: (h < s.min()).double().mean().item(),
        ),
        Mistake(
            "This is the share in percent; a share lies between 0 and 1.",
            lambda s, h: 100 * (s < h.min()).double().mean().item(),
        ),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
held = 1.5 + torch.rand(30_000, generator=g)
shares = torch.linspace(0, 1, 11).tolist()
found = []
for share in shares:
    thief = torch.rand(30_000, generator=g) < share
    found.append(copies(torch.where(thief, 0.1, held.flip(0)), held))
plt.figure(figsize=(5, 2.2))
plt.plot(shares, found, "o-")
plt.xlabel("share that was copied")
plt.ylabel("share that is found")
plt.show()
""",
    alt="The share of copies that is found over the share that was made: it rises about evenly, "
    "from 0 to 1.",
)


def imbalance(labels: Tensor, classes: int) -> float:
    """How far the classes' shares are from equal: half the sum of |share - 1/classes|.

    labels: (N,) int64, from 0 to classes - 1, what a classifier sees in each sample.
    """
    ### BEGIN SOLUTION
    shares = labels.bincount(minlength=classes) / len(labels)
    return 0.5 * (shares - 1 / classes).abs().sum().item()
    ### END SOLUTION


def _imbalance(labels: Tensor, classes: int, form: str = "right") -> float:
    shares = labels.bincount(minlength=classes).double() / len(labels)
    gaps = (shares - 1 / classes).abs()
    if form == "seen":
        shares = labels.unique(return_counts=True)[1].double() / len(labels)
        gaps = (shares - 1 / classes).abs()
    if form == "own":
        shares = labels.unique(return_counts=True)[1].double() / len(labels)
        gaps = (shares - 1 / len(shares)).abs()
    if form == "counts":
        gaps = gaps * len(labels)
    if form == "squared":
        gaps = gaps**2
    if form == "signed":
        return float(0.5 * (shares - 1 / classes).sum())
    if form == "largest":
        return gaps.max().item()
    if form == "mean":
        return gaps.mean().item()
    return (1 if form == "twice" else 0.5) * gaps.sum().item()


def _labels(g: torch.Generator, n: int, kinds: int) -> Tensor:
    """Some kinds, and one of a rare one: that there are missing ones is not all that is unequal."""
    return torch.cat([torch.randint(kinds, (n - 1,), generator=g), torch.tensor([kinds])])


IMBALANCE = Task(
    name="evaluation.imbalance",
    title="Has any kind gone missing?",
    points=1,
    minutes=5,
    prompt=r"""
Real digits come in ten kinds, about equally often. A classifier has told the kind of each
sample. Measure how far the shares are from equal, by half the sum of $|\text{share}_k - 1/K|$
over **all** $K$ kinds. It is the share of samples that would have to change their kind.""",
    hint="`bincount(minlength=...)` counts kinds that nobody drew, too.",
    lesson="a model can forget a whole kind and still draw the other ones well.",
    reference=imbalance,
    cases=lambda seed: [
        Case((_labels(draw.generator(2 * seed + n), n, drawn), classes))
        for n, drawn, classes in ((50, 7, 10), (45, 4, 8))
    ],
    mistakes=(
        Mistake(
            "Kinds that nobody drew are left out: they are the worst of all.",
            partial(_imbalance, form="seen"),
        ),
        Mistake(
            "Equal shares are those among the kinds that were drawn; all of them count.",
            partial(_imbalance, form="own"),
        ),
        Mistake(
            "The half is missing: each sample that must move is counted twice.",
            partial(_imbalance, form="twice"),
        ),
        Mistake("These are counts; shares are asked for.", partial(_imbalance, form="counts")),
        Mistake("The gaps are squared.", partial(_imbalance, form="squared")),
        Mistake("Without absolute values the gaps cancel.", partial(_imbalance, form="signed")),
        Mistake("This is the largest gap alone.", partial(_imbalance, form="largest")),
        Mistake("This is the mean gap.", partial(_imbalance, form="mean")),
        Mistake(
            "This is the share of kinds that nobody drew; how unequal the others are counts, too.",
            lambda y, k: (y.bincount(minlength=k) == 0).double().mean().item(),
        ),
        Mistake(
            "This is a standard deviation; half the sum of absolute gaps is asked for.",
            lambda y, k: (y.bincount(minlength=k) / len(y)).std().item(),
        ),
    ),
    picture="""
kinds = range(1, 11)
plt.figure(figsize=(5, 2.2))
plt.plot(kinds, [imbalance(torch.arange(1000) % k, 10) for k in kinds], "o-")
plt.xlabel("kinds that are drawn, of ten")
plt.ylabel("imbalance")
plt.show()
""",
    alt="The imbalance over the number of kinds drawn: 0.9 for one kind, falling on a straight "
    "line to 0 for all ten.",
)


def bits_per_dim(nats: float, channels: int, size: int) -> float:
    """Bits per dimension of a picture of size x size pixels, from its -log p in nats."""
    ### BEGIN SOLUTION
    return nats / (channels * size**2 * math.log(2))
    ### END SOLUTION


BITS_PER_DIM = Task(
    name="evaluation.bits_per_dim",
    title="From nats to bits per dimension",
    points=1,
    minutes=3,
    prompt=r"""
A model gives a picture $-\log p(x)$ in nats. Papers report bits per dimension: in bits, and
divided by how many numbers the picture has. One bit is $\log 2$ nats.""",
    hint="A color picture of 32 x 32 pixels has 3072 numbers.",
    lesson="now pictures of all sizes can be compared, and 8 bits is what storing them raw costs.",
    reference=bits_per_dim,
    cases=lambda seed: [Case((4000.0 + 37 * seed, 3, 16)), Case((90.0 + seed, 1, 8))],
    mistakes=(
        Mistake("These are nats per dimension.", lambda n, c, s: n / (c * s**2)),
        Mistake("These are bits of the whole picture.", lambda n, c, s: n / math.log(2)),
        Mistake(
            "Times log 2 goes the wrong way: there are more bits than nats.",
            lambda n, c, s: n * math.log(2) / (c * s**2),
        ),
        Mistake(
            "The channels are not counted.",
            lambda n, c, s: n / (s**2 * math.log(2)),
        ),
        Mistake("A picture has size times size pixels.", lambda n, c, s: n / (c * s * math.log(2))),
        Mistake(
            "The divisor of ten's logarithm: bits want log 2, the natural one.",
            lambda n, c, s: n / (c * s**2 * math.log10(2)),
        ),
        Mistake(
            "This multiplies by the number of values; each gets its share: divide.",
            lambda n, c, s: n / math.log(2) * (c * s**2),
        ),
        Mistake(
            "The nats are no number to take the logarithm of: only their unit changes.",
            lambda n, c, s: math.log2(n) / (c * s**2),
        ),
    ),
    picture="""
nats = torch.linspace(0, 3072 * 8 * math.log(2), 50).tolist()
plt.figure(figsize=(5, 2.2))
plt.plot(nats, [bits_per_dim(n, 3, 32) for n in nats])
plt.xlabel("nats of a picture of 32 x 32 pixels in color")
plt.ylabel("bits per dimension")
plt.show()
""",
    alt="A straight line through 0: at 17,035 nats it reaches 8 bits per dimension.",
)

# -- curves to be read ------------------------------------------------------------------------

STOP = Task(
    name="evaluation.stop",
    title="Read these curves",
    points=1,
    minutes=4,
    prompt=r"""
Loss of one training run, on the pictures that it learns from and on pictures held back. The
weights were kept every 2,000 updates. Which sentence follows from the curves?

- `"a"`: Train on: the loss still falls.
- `"b"`: Take the weights of 8,000 updates: from there on the model learns its pictures by heart.
- `"c"`: The learning rate is too high.
- `"d"`: The held-back pictures are harder than the other ones, so nothing can be said.

Set `stop` to one letter.""",
    hint="Which of the two curves tells about pictures that the model has not seen?",
    lesson="what is learned by heart lowers one curve alone: the gap is the memory.",
    given="""
updates = torch.arange(200, 20_001, 200)
learned = 0.05 + 0.5 * torch.exp(-updates / 2500) - 0.0000012 * updates
unseen = 0.06 + 0.5 * torch.exp(-updates / 2500) + 0.2 * (updates / 20_000) ** 2
plt.figure(figsize=(4.2, 1.9))
plt.plot(updates, learned, label="learned from")
plt.plot(updates, unseen, label="held back")
plt.xlabel("updates")
plt.ylabel("loss")
plt.ylim(0, 0.3)
plt.legend()
plt.show()
""",
    shows="Two losses over 20,000 updates. Both fall steeply at first. The one on pictures learned "
    "from keeps falling; the one on pictures held back is lowest near 8,000 and rises from there.",
    reference="b",
    observe=lambda answer: str(answer).strip().strip("\"'().").lower(),
    mistakes=(
        Mistake("It falls on the pictures learned from. Look at those held back.", "a"),
        Mistake("Then both curves would jump or rise; here both are smooth, and one falls.", "c"),
        Mistake("A constant gap would say so; this gap grows.", "d"),
    ),
)

SCORES = Task(
    name="evaluation.scores",
    title="Three models, three scores",
    points=1,
    minutes=5,
    prompt=r"""
Of 1,000 samples of four models: the Fréchet distance to held-back pictures (small is good), the
median distance to the nearest **training** picture (for held-back pictures it is 2.0), and the
number of kinds drawn, of ten.

| model | Fréchet | nearest | kinds |
|---|---|---|---|
| `"a"` | 0.4 | 0.2 | 10 |
| `"b"` | 1.1 | 1.9 | 10 |
| `"c"` | 3.0 | 1.9 | 6 |
| `"d"` | 9.5 | 4.1 | 10 |

Which one would you ship? Set `scores` to one letter.""",
    hint="The smallest first number is not the answer: what does its second number say?",
    lesson="one score can be bought; three that ask different things are harder to cheat.",
    reference="b",
    observe=lambda answer: str(answer).strip().strip("\"'().").lower(),
    mistakes=(
        Mistake(
            "Its samples lie ten times nearer to training pictures than new ones do: copies.", "a"
        ),
        Mistake("It has forgotten four of the ten kinds.", "c"),
        Mistake("It copies nothing, for it draws nothing like a digit: far from all of them.", "d"),
    ),
)

# -- a fault and its symptoms -----------------------------------------------------------------


def mended(
    model: nn.Module, optimizer: torch.optim.Optimizer, batches: list[Batch], alpha_bar: Tensor
) -> list[float]:
    """Train on each batch in turn, without the fault; return the losses.

    batches: (x_0, u, eps) each; x_0, eps: (B, 2); u: (B,), uniform in [0, 1): the step t of each
    item is made of it, the smallest u giving t = 1. alpha_bar: (T+1,) float64.
    """
    ### BEGIN SOLUTION
    T, losses = len(alpha_bar) - 1, []
    for x_0, u, eps in batches:
        t = (u * T).long() + 1
        share = alpha_bar[t].float()[:, None]
        loss = ((eps - model(share.sqrt() * x_0 + (1 - share).sqrt() * eps, t)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
    ### END SOLUTION


def _steps_of(u: Tensor, T: int, form: str) -> Tensor:
    """The steps that a trainer makes of uniform numbers, and what goes wrong with it."""
    return {
        "broken": lambda: (u * T).long(),
        "at least one": lambda: (u * T).long().clamp(min=1),
        "both ends": lambda: (u * (T + 1)).long(),
        "never T": lambda: (u * (T - 1)).long() + 1,
        "rounded": lambda: (u * (T - 1)).round().long() + 1,
        "turned": lambda: T - (u * T).long(),
        "one": lambda: ((u * T).long() + 1)[:1].expand(len(u)),
    }.get(form, lambda: (u * T).long() + 1)()


def _mended(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: list[Batch],
    alpha_bar: Tensor,
    form: str,
) -> list[float]:
    losses = []
    for x_0, u, eps in batches:
        t = _steps_of(u, len(alpha_bar) - 1, form)
        share = alpha_bar[t].float()[:, None]
        x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
        loss = ((eps - model(x_t, t - 1 if form == "told" else t)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def _mended_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, T, count in ((24, 12, 5), (20, 9, 4)):
        table = (1 - draw.betas(g, T)).cumprod(0)
        model = draw.PerStep(T)
        model.weight.data = draw.noise(g, T + 1)  # or it would not matter which number is trained
        batches = []
        for _ in range(count):
            u = torch.rand(B, generator=g)
            u[:2] = torch.tensor([0.01, 0.99])  # both ends are drawn, or a fault there is not seen
            batches.append(
                (draw.noise(g, B, 2), u[torch.randperm(B, generator=g)], draw.noise(g, B, 2))
            )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.2)
        cases.append(Case((model, optimizer, batches, table), gives="numbers"))
    return cases


MENDED = Task(
    name="evaluation.mended",
    title="This trainer is broken: mend it",
    points=2,
    minutes=10,
    prompt=r"""
The cell below has a trainer that runs without an error, and its loss falls. Its model is as small
as can be, one number for each step, $\epsilon_\theta(x_t, t) = w_t\,x_t$, so you can look at what
it has learned. The picture shows the symptoms: what the trainer found, and the best numbers there
are. Samplers that use this model go wrong in their very first step. Find the fault, and write
`mended` without it. (The random numbers `u` are given, so that all of us draw the same steps.)""",
    hint="At which $t$ was nothing learned at all? At which $t$ was something learned that no "
    "sampler asks for?",
    lesson="the loss is a mean over t: it falls, and says nothing of the one t that is missing.",
    reference=mended,
    cases=_mended_cases,
    given="""
def broken(model, optimizer, batches, alpha_bar):
    T, losses = len(alpha_bar) - 1, []
    for x_0, u, eps in batches:
        t = (u * T).long()
        share = alpha_bar[t].float()[:, None]
        x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
        loss = ((eps - model(x_t, t)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def show_learned(trainer):
    T, g = 10, torch.Generator().manual_seed(0)
    model, share = PerStep(T), Schedule.linear(T, 0.02, 0.5).alpha_bar
    batches = []
    for _ in range(400):
        x_0, eps = torch.randn(2, 64, 2, generator=g)
        batches.append((0.5 * x_0, torch.rand(64, generator=g), eps))
    losses = trainer(model, torch.optim.SGD(model.parameters(), lr=0.5), batches, share)
    _, (left, right) = plt.subplots(1, 2, figsize=(6, 2))
    left.plot(losses, lw=1)
    left.set(xlabel="updates", ylabel="loss")
    best = (1 - share).sqrt() / (share * 0.25 + 1 - share)
    right.plot(best, "_", ms=12, label="the best numbers")
    right.plot(model.weight.detach(), "o", ms=4, label="learned")
    right.set(xlabel="t", ylabel="$w_t$", xticks=range(T + 1))
    right.legend()
    plt.show()


show_learned(broken)
""",
    shows="Left, a loss that falls and then jitters. Right, the numbers learned for t = 0 to 10 "
    "beside the best ones: they agree from t = 1 to 9, but the one at t = 10 is still 0, where it "
    "began, and the best there is near 1.",
    mistakes=(
        Mistake(
            "The fault is still there: t runs from 0 to T - 1.", partial(_mended, form="broken")
        ),
        Mistake(
            "t = 0 is gone, but T is still never drawn, and 1 comes twice as often.",
            partial(_mended, form="at least one"),
        ),
        Mistake(
            "T is drawn now, but 0 is too: it stands for clean data, where there is no noise.",
            partial(_mended, form="both ends"),
        ),
        Mistake("T is still never drawn.", partial(_mended, form="never T")),
        Mistake(
            "Rounding gives the two ends half as often as the others.",
            partial(_mended, form="rounded"),
        ),
        Mistake(
            "The steps run the other way: the smallest u gives t = 1.",
            partial(_mended, form="turned"),
        ),
        Mistake("The whole batch uses the t of its first item.", partial(_mended, form="one")),
        Mistake(
            "The model is told t - 1, but its input has the noise of t steps.",
            partial(_mended, form="told"),
        ),
    ),
    picture="""
show_learned(mended)
""",
    alt="The same two pictures: the loss falls, and now all numbers from t = 1 to 10 agree with "
    "the best ones; the one at t = 0 is still 0, for nobody trains it.",
)

CHAPTER = Chapter(
    name="evaluation",
    title="evaluation",
    intro=r"""
What is a good sample? No single number says it. Here you write the scores that the chapter
compares, see what each of them cannot see, read two results as they come in life, and find the
fault of a trainer from its symptoms.""",
    setup="""
import math

import matplotlib.pyplot as plt
import sympy as sp
import torch
from torch import Tensor, nn

from ddpm_course import Schedule, data, plots
from ddpm_course.grading import check
from ddpm_course.grading.draw import PerStep
from ddpm_course.widgets import Explorer

plots.style()

Batch = tuple[Tensor, Tensor, Tensor]
""",
    tasks=(
        FRECHET_LINE,
        FRECHET,
        NEAREST,
        COPIES,
        IMBALANCE,
        BITS_PER_DIM,
        STOP,
        SCORES,
        MENDED,
    ),
)
