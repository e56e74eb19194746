"""Tasks on the network: its layers, what it holds, and how far it sees."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

# -- layers -----------------------------------------------------------------------------------


def group_norm(x: Tensor, groups: int) -> Tensor:
    """(B, C, H, W): x with mean 0 and variance 1 in each group of channels of each image.

    x: (B, C, H, W); groups: divides C; neighboring channels form a group.
    """
    ### BEGIN SOLUTION
    grouped = x.view(len(x), groups, -1)
    mean = grouped.mean(2, keepdim=True)
    variance = grouped.var(2, correction=0, keepdim=True)
    return ((grouped - mean) / (variance + 1e-5).sqrt()).view(x.shape)
    ### END SOLUTION


def _group_norm(x: Tensor, groups: int, form: str = "right") -> Tensor:
    """The layer, and what goes wrong with it."""
    if form == "batch":
        mean, var = x.mean((0, 2, 3), keepdim=True), x.var((0, 2, 3), correction=0, keepdim=True)
        return (x - mean) / (var + 1e-5).sqrt()
    if form == "batches":
        g = x.view(len(x), groups, -1)
        mean, var = g.mean((0, 2), keepdim=True), g.var((0, 2), correction=0, keepdim=True)
        return ((g - mean) / (var + 1e-5).sqrt()).view(x.shape)
    if form == "strided":
        mixed = x.view(len(x), -1, groups, *x.shape[2:]).transpose(1, 2).reshape(x.shape)
        normal = _group_norm(mixed, groups).view(len(x), groups, -1, *x.shape[2:])
        return normal.transpose(1, 2).reshape(x.shape)
    if form == "places":
        g = x.view(len(x), groups, -1, *x.shape[2:])
        mean, var = g.mean(2, keepdim=True), g.var(2, correction=0, keepdim=True)
        return ((g - mean) / (var + 1e-5).sqrt()).view(x.shape)
    groups = {"instance": x.shape[1], "layer": 1, "size": x.shape[1] // groups}.get(form, groups)
    g = x.view(len(x), groups, -1)
    mean, var = g.mean(2, keepdim=True), g.var(2, correction=0, keepdim=True)
    if form == "variance":
        return ((g - mean) / (var + 1e-5)).view(x.shape)
    if form == "centered":
        return (g - mean).view(x.shape)
    if form == "scaled":
        return (g / (var + 1e-5).sqrt()).view(x.shape)
    return ((g - mean) / (var + 1e-5).sqrt()).view(x.shape)


def _group_norm_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for shape, groups in (((3, 6, 8, 8), 2), ((2, 9, 6, 10), 3)):
        shift = torch.arange(float(shape[1])).view(1, -1, 1, 1)
        x = draw.noise(g, *shape) * (1 + shift) + shift
        cases.append(Case((x, groups), rtol=5e-3, atol=5e-3))
    return cases


GROUP_NORM = Task(
    name="unet.group_norm",
    title="Normalize in groups",
    points=2,
    minutes=8,
    prompt=r"""
GroupNorm keeps the numbers inside a network in range. In each image the channels are cut into
`groups` groups of neighbors; each group loses its mean and is divided by its standard deviation,
over all its channels **and** all its places. Add $10^{-5}$ to the variance before the root, so
that nothing is divided by 0. (The real layer then scales and shifts each channel; leave that
out.)""",
    hint="`x.view(B, groups, -1)` puts all that belongs together on one axis.",
    lesson="an image is normalized by itself alone, so a batch of one is as good as a large one.",
    reference=group_norm,
    cases=_group_norm_cases,
    mistakes=(
        Mistake(
            "This takes the mean over the batch, too: that is BatchNorm, and an image would depend "
            "on its company.",
            partial(_group_norm, form="batch"),
        ),
        Mistake(
            "The groups are right, but their mean is taken over the batch, too: an image would "
            "depend on its company.",
            partial(_group_norm, form="batches"),
        ),
        Mistake(
            "Each channel is normalized by itself; a group shares its mean.",
            partial(_group_norm, form="instance"),
        ),
        Mistake(
            "All channels are normalized together, as one group.",
            partial(_group_norm, form="layer"),
        ),
        Mistake(
            "`groups` is how many groups there are, not how many channels each one has.",
            partial(_group_norm, form="size"),
        ),
        Mistake(
            "Each place is normalized by itself; the mean goes over height and width as well.",
            partial(_group_norm, form="places"),
        ),
        Mistake(
            "Channels that lie apart form a group here; neighbors belong together.",
            partial(_group_norm, form="strided"),
        ),
        Mistake(
            "This divides by the variance; the standard deviation is its root.",
            partial(_group_norm, form="variance"),
        ),
        Mistake("The spread is not divided out.", partial(_group_norm, form="centered")),
        Mistake("The mean is not taken away.", partial(_group_norm, form="scaled")),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
x = data.digits()[:4] * torch.tensor([0.1, 1, 1, 10]).view(4, 1, 1, 1) + 5
plots.show_images(
    [x - 5, group_norm(x, 1)], ["before, minus 5", "after"], list("abcd"), pixels=True
)
plt.show()
""",
    alt="Four digits: the first one is faint, the last one has all values cut off at black and "
    "white. Below, after normalizing, all four have the same contrast.",
)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, N, C): for each of N places, the mixture of values that its query asks for.

    q, k, v: (B, N, C), a query, a key and a value for each place.
    """
    ### BEGIN SOLUTION
    scores = q @ k.transpose(1, 2) / q.shape[2] ** 0.5
    return scores.softmax(dim=2) @ v
    ### END SOLUTION


def _attention(q: Tensor, k: Tensor, v: Tensor, form: str = "right") -> Tensor:
    """Attention, and what goes wrong with it."""
    n, c = q.shape[1:]
    by = {"unscaled": 1.0, "by c": c, "by root n": n**0.5, "times": c**-0.5}.get(form, c**0.5)
    scores = (k @ q.transpose(1, 2) if form == "asked" else q @ k.transpose(1, 2)) / by
    if form == "linear":
        return scores @ v
    if form == "sigmoid":
        return scores.sigmoid() @ v
    if form == "all":
        return scores.flatten(1).softmax(1).view(scores.shape) @ v
    weights = scores.softmax(dim=1 if form == "queries" else 2)
    return v + weights @ v if form == "shortcut" else weights @ v


def _attention_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    shapes = ((3, 5, 4), (2, 7, 9))
    return [Case(tuple(2 * draw.noise(g, *shape) for _ in range(3)), atol=1e-4) for shape in shapes]


ATTENTION = Task(
    name="unet.attention",
    title="Every place asks every place",
    points=2,
    minutes=8,
    prompt=r"""
Attention lets distant places of a picture talk. Place $i$ weighs place $j$ by the softmax over
$j$ of $q_i \cdot k_j / \sqrt C$, and takes the mixture $\sum_j w_{ij}\,v_j$ of the values.
Compute it for all places at once.""",
    hint="`q @ k.transpose(1, 2)` holds all products. For each query the weights add up to 1.",
    lesson="the weights are made from the picture itself; a convolution's are the same everywhere.",
    reference=attention,
    cases=_attention_cases,
    mistakes=(
        Mistake(
            "The √C is missing: large scores choose one place alone.",
            partial(_attention, form="unscaled"),
        ),
        Mistake(
            "The scores are divided by C; its root is asked for.", partial(_attention, form="by c")
        ),
        Mistake(
            "The root is that of the number of places; C is the length of a query.",
            partial(_attention, form="by root n"),
        ),
        Mistake("The scores are multiplied by √C.", partial(_attention, form="times")),
        Mistake(
            "The softmax runs over the queries: the weights of one query must add up to 1.",
            partial(_attention, form="queries"),
        ),
        Mistake(
            "Keys ask and queries answer here: the two are in each other's place.",
            partial(_attention, form="asked"),
        ),
        Mistake("The softmax is missing.", partial(_attention, form="linear")),
        Mistake(
            "A sigmoid stands for the softmax, so weights do not add up to 1.",
            partial(_attention, form="sigmoid"),
        ),
        Mistake(
            "The softmax runs over all pairs; each query has a sum of its own.",
            partial(_attention, form="all"),
        ),
        Mistake(
            "The values are added at the end: a shortcut that is not asked for.",
            partial(_attention, form="shortcut"),
        ),
    ),
    picture="""
places = torch.linspace(-1, 1, 40)[None, :, None]
steps = (places > 0).float()  # a step from 0 to 1
plt.figure(figsize=(4, 1.8))
for sharp in (1, 4, 16):
    asked = sharp * torch.cat([places, places**2], 2)
    told = torch.cat([2 * places, -torch.ones_like(places)], 2)
    seen = attention(asked, told, steps)[0, :, 0]
    plt.plot(places[0, :, 0], seen, label=f"queries times {sharp}")
plt.xlabel("place")
plt.ylabel("mixture")
plt.legend()
plt.show()
""",
    alt="The mixture over the place, for three sizes of the queries: all rise from left to right; "
    "the larger the queries, the steeper the rise from 0 to 1 in the middle.",
    play="""
# Play: how sharp are the questions? Attention's weights of the place in the middle.
def weights_of(sharp):
    asked = sharp * torch.cat([places, places**2], 2)
    told = torch.cat([2 * places, -torch.ones_like(places)], 2)
    return attention(asked, told, torch.eye(40)[None])[0]


rows = {sharp: weights_of(sharp) for sharp in (0, 1, 2, 4, 8, 16)}


def draw(sharp):
    figure, axes = plt.subplots(figsize=(4.6, 2))
    axes.bar(range(40), rows[sharp][20])
    axes.set(xlabel="place j", title=f"weights of place 20, queries times {sharp}")
    return figure


def describe(sharp):
    largest = rows[sharp][20].max()
    return f"Queries times {sharp}: the largest of the 40 weights of place 20 is {largest:.2f}."


Explorer(draw, describe, sharp=list(rows))
""",
)


def upsample(x: Tensor) -> Tensor:
    """(B, C, 2H, 2W): each pixel becomes a square of 2 x 2 of the same value; x: (B, C, H, W)."""
    ### BEGIN SOLUTION
    return x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    ### END SOLUTION


def _sparse(x: Tensor) -> Tensor:
    large = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    large[:, :, ::2, ::2] = x
    return large


UPSAMPLE = Task(
    name="unet.upsample",
    title="Twice as large",
    points=1,
    minutes=4,
    prompt=r"""
On its way up the U-Net doubles height and width: each pixel becomes a square of 2 x 2 pixels of
the same value. (A convolution then smooths the blocks.) Do it without a loop.""",
    hint="`repeat` and `repeat_interleave` differ: which of them keeps neighbors together?",
    lesson="copies, then a convolution: a transposed convolution in one go tends to leave a "
    "checkerboard.",
    reference=upsample,
    cases=lambda seed: [
        Case((draw.noise(draw.generator(seed), *shape),)) for shape in ((2, 3, 4, 5), (3, 2, 6, 4))
    ],
    mistakes=(
        Mistake(
            "The whole picture is laid out four times, like tiles.", lambda x: x.repeat(1, 1, 2, 2)
        ),
        Mistake("Only the height is doubled.", lambda x: x.repeat_interleave(2, dim=2)),
        Mistake("Only the width is doubled.", lambda x: x.repeat_interleave(2, dim=3)),
        Mistake("Between the pixels stand zeros; copies are asked for.", _sparse),
        Mistake(
            "This blends neighbors; each square has one value.",
            lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"),
        ),
        Mistake("The copies shrink to a quarter: the mean must stay.", lambda x: upsample(x) / 4),
        Mistake(
            "The channels are doubled, not height and width.",
            lambda x: x.repeat_interleave(2, dim=1),
        ),
    ),
    picture="""
x = data.digits()[:6]
plots.show_images([x, upsample(x)], ["before", "after"], list("012345"), pixels=True)
plt.show()
""",
    alt="Six digits of 8 by 8 pixels, and below them the same at twice the size: drawn equally "
    "large, they look the same.",
)

# -- the whole ---------------------------------------------------------------------------------

Layer = Callable[[Tensor], Tensor]


def down_and_up(x: Tensor, down: list[Layer], up: list[Layer]) -> Tensor:
    """The output of a U: the layers of `down` in turn, then those of `up`.

    Each layer of `up` gets (B, 2C, H, W): what came up so far, and behind it, along the channels,
    the result of the layer of `down` that stands across.
    """
    ### BEGIN SOLUTION
    kept = []
    for layer in down:
        x = layer(x)
        kept.append(x)
    for layer in up:
        x = layer(torch.cat([x, kept.pop()], dim=1))
    return x
    ### END SOLUTION


def _u(x: Tensor, down: list[Layer], up: list[Layer], form: str = "right") -> Tensor:
    """The U, and what goes wrong with it."""
    kept = []
    for layer in down:
        if form == "before":
            kept.append(x)
        x = layer(x)
        if form != "before":
            kept.append(x)
    if form == "first":
        kept = kept[::-1]
    if form == "last":
        kept = [x] * len(kept)
    for layer in up:
        across = kept.pop()
        if form == "none":
            across = torch.zeros_like(across)
        if form == "added":
            x = layer(torch.cat([x + across] * 2, dim=1))
        elif form == "front":
            x = layer(torch.cat([across, x], dim=1))
        else:
            x = layer(torch.cat([x, across], dim=1))
    return x


def _u_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    cases = []
    for B, C, levels in ((2, 3, 3), (3, 4, 2)):
        down: list[Layer] = [draw.Mix(0.8 * draw.noise(g, C, C)) for _ in range(levels)]
        up: list[Layer] = [draw.Mix(0.5 * draw.noise(g, C, 2 * C)) for _ in range(levels)]
        cases.append(Case((draw.noise(g, B, C, 4, B + 2), down, up)))
    return cases


DOWN_AND_UP = Task(
    name="unet.down_and_up",
    title="Across the U",
    points=3,
    minutes=10,
    prompt=r"""
Run a U of layers. The result of each layer of `down` is kept. On the way up each layer gets what
came up so far, joined along the channels with the kept result that stands across: the first
layer of `up` with the last of `down`, and so on. (All layers here keep height and width.)""",
    hint="A list is a stack: `append` on the way down, `pop` on the way up; `torch.cat` along "
    "dimension 1.",
    lesson="across goes where things are; through the bottom goes what they are.",
    reference=down_and_up,
    cases=_u_cases,
    mistakes=(
        Mistake(
            "The first kept result is used first; the layer across from the bottom is the "
            "last one.",
            partial(_u, form="first"),
        ),
        Mistake(
            "The two are added; they are to be joined along the channels.",
            partial(_u, form="added"),
        ),
        Mistake("What came up stands behind here; it comes first.", partial(_u, form="front")),
        Mistake(
            "Kept is what went into a layer; its result is asked for.", partial(_u, form="before")
        ),
        Mistake(
            "Every layer gets the bottom's result; each has its own across.",
            partial(_u, form="last"),
        ),
        Mistake("Nothing comes across: the detail is lost.", partial(_u, form="none")),
    ),
    picture="""
x = data.digits()[:6]
down = [lambda h: h, lambda h: 0.5 * h, lambda h: 0 * h]  # the bottom loses everything
up = [lambda h: h.sum(1, keepdim=True)] * 3
plots.show_images([x, down_and_up(x, down, up) / 1.5], ["in", "out"], list("abcdef"), pixels=True)
plt.show()
""",
    alt="Six digits above, and below what comes out of a U whose bottom gives nothing but zeros: "
    "the same six digits, brought across.",
)


def parameters(c_in: int, c_out: int, time_dim: int) -> int:
    """How many numbers a residual block learns, its GroupNorms left out.

    Two 3x3 convolutions, c_in to c_out and c_out to c_out; a linear layer from the time,
    time_dim to c_out; and where c_in and c_out differ, a 1x1 convolution as the shortcut. All
    with biases.
    """
    ### BEGIN SOLUTION
    count = 9 * c_in * c_out + c_out
    count += 9 * c_out * c_out + c_out
    count += time_dim * c_out + c_out
    if c_in != c_out:
        count += c_in * c_out + c_out
    return count
    ### END SOLUTION


def _count(i: int, o: int, d: int, form: str = "right") -> int:
    kernel = 3 if form == "three" else 9
    bias = 0 if form == "biases" else o
    count = kernel * i * o + bias + kernel * o * (i if form == "same" else o) + bias
    count += 0 if form == "timeless" else d * o + bias
    if (i != o or form == "always") and form != "never":
        count += (9 if form == "wide" else 1) * i * o + bias
    return count


PARAMETERS = Task(
    name="unet.parameters",
    title="Where the weights are",
    points=1,
    minutes=5,
    prompt=r"""
How many numbers does a residual block learn? It has two 3x3 convolutions, a linear layer for the
time, and a 1x1 convolution as its shortcut **if** the number of channels changes; each has a bias
for each of its outputs. Leave the GroupNorms out.""",
    hint="A 3x3 convolution from $a$ to $b$ channels has $9 a b$ weights and $b$ biases.",
    lesson="nearly all of it stands in the 3x3 convolutions, and it grows with the square of the "
    "channels.",
    reference=parameters,
    cases=lambda seed: [
        Case((16 + 8 * seed, 32, 64)),
        Case((32, 32, 24 + seed)),
        Case((12, 20 + seed, 40)),
    ],
    mistakes=(
        Mistake("The biases are missing.", partial(_count, form="biases")),
        Mistake("A 3x3 kernel has 9 places, not 3.", partial(_count, form="three")),
        Mistake("The time's linear layer is missing.", partial(_count, form="timeless")),
        Mistake(
            "Where the channels stay the same, the shortcut costs nothing.",
            partial(_count, form="always"),
        ),
        Mistake(
            "Where the channels change, the shortcut needs a 1x1 convolution.",
            partial(_count, form="never"),
        ),
        Mistake("The shortcut has a 1x1 kernel.", partial(_count, form="wide")),
        Mistake("The second convolution starts from c_out channels.", partial(_count, form="same")),
        Mistake(
            "The GroupNorms are counted; they are to be left out.",
            lambda i, o, d: _count(i, o, d) + 2 * i + 2 * o,
        ),
    ),
    picture="""
channels = [8, 16, 32, 64, 128, 256]
plt.figure(figsize=(5, 2.2))
plt.loglog(channels, [parameters(c, c, 4 * c) for c in channels], "o-")
plt.xlabel("channels")
plt.ylabel("numbers")
plt.show()
""",
    alt="The count over the channels, both axes logarithmic: a straight line from 1400 at 8 "
    "channels to more than a million at 256.",
)


def reach(kernels: list[int], strides: list[int]) -> int:
    """How many pixels of the input, along one axis, one number of the last layer depends on.

    kernels, strides: those of a chain of convolutions, the first layer first.
    """
    ### BEGIN SOLUTION
    seen, jump = 1, 1  # jump: pixels of the input between two neighbors of this layer
    for kernel, stride in zip(kernels, strides):
        seen += (kernel - 1) * jump
        jump *= stride
    return seen
    ### END SOLUTION


def _reach(kernels: list[int], strides: list[int], form: str = "right") -> int:
    seen, jump = 1, 1
    for kernel, stride in zip(kernels, strides, strict=True):
        if form == "early":
            jump *= stride
        seen += (kernel if form == "kernel" else kernel - 1) * jump
        if form == "added":
            jump += stride - 1
        elif form == "last":
            jump = stride
        elif form not in ("early", "flat"):
            jump *= stride
    return seen - 1 if form == "zero" else seen


REACH = Task(
    name="unet.reach",
    title="How far does it see?",
    points=2,
    minutes=8,
    prompt=r"""
A 3x3 convolution sees 3 pixels along each axis, two of them 5. A stride of 2 makes the layers
behind it see twice as far: their neighbors lie two pixels apart. How many pixels does one number
of the last layer depend on, for a chain of convolutions?""",
    hint="Keep two numbers: what is seen so far, and how far apart neighbors lie, in pixels of the "
    "input.",
    lesson="halving the picture buys sight at a price that depth alone could not pay.",
    reference=reach,
    cases=lambda seed: [
        Case(([3, 3, 3 + 2 * (seed % 7), 5, 3], [1, 2, 1, 2, 1])),
        Case(([3, 5, 3, 3 + 2 * (seed % 5)], [2, 1, 3, 1])),
    ],
    mistakes=(
        Mistake("The strides make no difference here.", partial(_reach, form="flat")),
        Mistake(
            "A layer's own stride comes in only for the layers behind it.",
            partial(_reach, form="early"),
        ),
        Mistake(
            "Each kernel adds one pixel too many: the one in its middle is seen already.",
            partial(_reach, form="kernel"),
        ),
        Mistake(
            "Strides multiply: two of 2 make neighbors lie 4 apart.", partial(_reach, form="added")
        ),
        Mistake(
            "Only the layer just before counts here; the strides of all layers before multiply.",
            partial(_reach, form="last"),
        ),
        Mistake("Before any layer one pixel is seen, not none.", partial(_reach, form="zero")),
        Mistake(
            "This is how far apart the last layer's numbers lie.",
            lambda k, s: torch.tensor(s).prod().item(),
        ),
    ),
    picture="""
layers = range(1, 13)
plt.figure(figsize=(5, 2.2))
plt.plot(layers, [reach([3] * n, [1] * n) for n in layers], "o-", label="stride 1")
plt.plot(layers, [reach([3] * n, ([1, 1, 2] * n)[:n]) for n in layers], "o-", label="every third 2")
plt.xlabel("3x3 convolutions")
plt.ylabel("pixels seen")
plt.legend()
plt.show()
""",
    alt="The pixels seen over the number of convolutions. With stride 1 a straight line to 25 at "
    "twelve; with every third stride 2 a curve that bends up, to about 90.",
)

CHAPTER = Chapter(
    name="unet",
    title="the U-Net",
    intro=r"""
A U-Net is made of few parts, and each is a handful of lines. Here you write four of them, join
them across, and count what the whole learns and sees.""",
    setup="""
from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ddpm_course import data, plots
from ddpm_course.grading import check
from ddpm_course.widgets import Explorer

plots.style()

Layer = Callable[[Tensor], Tensor]
""",
    tasks=(GROUP_NORM, ATTENTION, UPSAMPLE, DOWN_AND_UP, PARAMETERS, REACH),
    steps=False,
)
