"""Tasks on one to four calls: a student that learns where walks end."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from ddpm_course.grading import draw
from ddpm_course.grading.task import Case, Chapter, Mistake, Task

Model = Callable[[Tensor, Tensor], Tensor]

# -- one jump -----------------------------------------------------------------------------------


def jump(model: Callable[[Tensor, Tensor], Tensor], x_u: Tensor, u: Tensor) -> Tensor:
    """(B, 2) where the student says that the walks through x_u end.

    model(x_u, u), with u of shape (B,) from 0 (data) to 1 (noise), gives a velocity.
    """
    ### BEGIN SOLUTION
    return x_u - u[:, None] * model(x_u, u)
    ### END SOLUTION


def _times(g: torch.Generator, B: int) -> Tensor:
    """(B,) times that neither 1 - u nor 1 stands for."""
    return 0.2 + 0.5 * torch.rand(B, generator=g)


def _jump_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [Case((draw.Drift(0.3, 0.8), draw.noise(g, B, 2), _times(g, B))) for B, _ in draw.SIZES]


JUMP = Task(
    name="few_steps.jump",
    title="Straight to the end",
    points=1,
    minutes=4,
    prompt=r"""
The student says a velocity, as a flow does. Go with it from $x_u$ straight to the time 0, and
return where that ends.""",
    hint="How long does it take from $u$ to 0?",
    lesson="at u = 0 the jump has length 0: the student cannot spoil clean data, whatever it says.",
    reference=jump,
    cases=_jump_cases,
    mistakes=(
        Mistake("This goes towards the noise.", lambda m, x, u: x + u[:, None] * m(x, u)),
        Mistake(
            "This ends at the noise: to u = 1 it is 1 - u.",
            lambda m, x, u: x + (1 - u[:, None]) * m(x, u),
        ),
        Mistake("The time to go is left out.", lambda m, x, u: x - m(x, u)),
        Mistake("This is the velocity alone.", lambda m, x, u: m(x, u)),
        Mistake("The model is told 1 - u.", lambda m, x, u: x - u[:, None] * m(x, 1 - u)),
    ),
    picture="""
target = torch.tensor([[0.5, -0.5]])
x_u = torch.randn(200, 2, generator=torch.Generator().manual_seed(0))
u = torch.full((200,), 0.8)
ends = [
    jump(lambda x, u, share=share: share * (x - target) / u[:, None], x_u, u)
    for share in (0.0, 0.5, 1.0)
]
plots.show_clouds(ends, ["says 0", "half as fast", "says the truth"], limit=3)
plt.show()
""",
    alt="Three clouds: a wide one, one of half the width, and a single dot.",
)

# -- the loss -----------------------------------------------------------------------------------


def student_loss(
    model: Callable[[Tensor, Tensor], Tensor], x_u: Tensor, u: Tensor, ends: Tensor
) -> Tensor:
    """The mean square of the error of the end; a scalar. x_u, ends: (B, 2); u: (B,)."""
    ### BEGIN SOLUTION
    return ((ends - (x_u - u[:, None] * model(x_u, u))) ** 2).mean()
    ### END SOLUTION


def _loss(model: Model, x_u: Tensor, u: Tensor, ends: Tensor, form: str) -> Tensor:
    here = u[:, None]
    said = model(x_u, u)
    if form == "velocity":
        return (((x_u - ends) / here - said) ** 2).mean()
    guess = x_u + here * said if form == "sign" else said if form == "raw" else x_u - here * said
    error = (ends - guess) ** 2
    if form == "place":
        error = (x_u - guess) ** 2
    return error.sum() if form == "sum" else error.sum(1).mean() if form == "rows" else error.mean()


def _loss_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    model = draw.Drift(0.3, 0.8, trained=True)
    return [
        Case(
            (model, draw.noise(g, B, 2), _times(g, B), draw.noise(g, B, 2)),
            gives="a gradient",
        )
        for B, _ in draw.SIZES
    ]


STUDENT_LOSS = Task(
    name="few_steps.student_loss",
    title="What the student is taught",
    points=2,
    minutes=6,
    prompt=r"""
A teacher has walked, and for each place $x_u$ on its walks it is known where the walk ended. The
student is to say the end. Return the mean square of its error, as a tensor to train on.""",
    hint="First the jump, then compare with `ends`.",
    lesson="no noise is drawn here: the end belongs to the place, so the loss can reach 0.",
    reference=student_loss,
    cases=_loss_cases,
    mistakes=(
        Mistake(
            "This compares velocities, not ends: near the data it weighs errors by 1/u² more.",
            partial(_loss, form="velocity"),
        ),
        Mistake("The jump goes towards the noise.", partial(_loss, form="sign")),
        Mistake("What the model says is a velocity, not the end.", partial(_loss, form="raw")),
        Mistake("This compares with the place; the end is taught.", partial(_loss, form="place")),
        Mistake("This adds up the batch; the mean is asked for.", partial(_loss, form="sum")),
        Mistake("This adds up the coordinates of a point.", partial(_loss, form="rows")),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
x_u, ends = torch.randn(500, 2, generator=g), 0.3 * torch.randn(500, 2, generator=g)
times = torch.linspace(0.05, 1, 40)
plt.figure(figsize=(5, 2.2))
for wrong in (0.0, 0.5, 1.0):
    found = [
        student_loss(
            lambda x, u, off=wrong: (x - ends) / u[:, None] + off, x_u, u.expand(500), ends
        ).item()
        for u in times
    ]
    plt.plot(times, found, label=f"velocity wrong by {wrong}")
plt.xlabel("u")
plt.ylabel("loss")
plt.legend()
plt.show()
""",
    alt="Three curves over u: a level line at 0, and two parabolas that rise from 0, to 0.25 and "
    "to 1 at u = 1.",
)

# -- more than one call -------------------------------------------------------------------------


def draw_again(
    model: Callable[[Tensor, Tensor], Tensor], noises: list[Tensor], times: list[float]
) -> Tensor:
    """(B, 2) samples of a student that is called once for each time.

    times: falling, the first is 1. noises: a (B, 2) noise for each time: the first is the start,
    the others are mixed in anew.
    """
    ### BEGIN SOLUTION
    x_0 = torch.zeros_like(noises[0])
    for u, noise in zip(times, noises):
        x_u = (1 - u) * x_0 + u * noise
        x_0 = x_u - u * model(x_u, torch.full((len(x_u),), u))
    return x_0
    ### END SOLUTION


def _again(model: Model, noises: list[Tensor], times: list[float], form: str) -> Tensor:
    x_0 = torch.zeros_like(noises[0])
    for number, (u, noise) in enumerate(zip(times, noises)):
        z = noises[0] if form == "same" else noise
        x_u = (1 - u) * x_0 + u * z
        if form == "added":
            x_u = x_0 + u * z
        if form == "bare" and number:
            x_u = x_0
        if form == "roots":
            x_u = math.sqrt(1 - u) * x_0 + math.sqrt(u) * z
        asked = 1.0 if form == "first" else u
        x_0 = x_u - u * model(x_u, torch.full((len(x_u),), asked))
        if form == "once":
            return x_0
    return x_u if form == "noised" else x_0


def _again_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    return [
        Case((draw.Drift(0.3, 0.8), [draw.noise(g, 6, 2) for _ in times], times))
        for times in ([1.0, 0.6], [1.0, 0.7, 0.35])
    ]


DRAW_AGAIN = Task(
    name="few_steps.draw_again",
    title="Noise again, and jump again",
    points=3,
    minutes=9,
    prompt=r"""
Where a student may be called more than once, it jumps to the end; noise is mixed in again, as much
as belongs to the next time $u$ on a straight line; and it jumps again. Do so for all `times`.""",
    hint=r"From the guess $\hat x_0$ and fresh noise to the place at time $u$: the line of the "
    "flow.",
    lesson="the second jump starts nearer to the data, where less is left to guess.",
    reference=draw_again,
    cases=_again_cases,
    mistakes=(
        Mistake("The student is called once alone.", partial(_again, form="once")),
        Mistake("No noise is mixed in again.", partial(_again, form="bare")),
        Mistake("The old noise is used again; it should be fresh.", partial(_again, form="same")),
        Mistake("The data keep their full size under the noise.", partial(_again, form="added")),
        Mistake("On a straight line there are no roots.", partial(_again, form="roots")),
        Mistake("The student is told the time 1 in each call.", partial(_again, form="first")),
        Mistake("This returns the place before the last jump.", partial(_again, form="noised")),
    ),
    picture="""
g = torch.Generator().manual_seed(0)
noises = [torch.randn(300, 2, generator=g) for _ in range(4)]
points = torch.tensor([[-1.0, 0.0], [1.0, 0.0]])


def blurred(x, u):
    away = x[:, None] - (1 - u[:, None, None]) * points
    share = torch.softmax(-(away**2).sum(2) / (2 * u[:, None] ** 2), 1) @ points
    return (x - share) / u[:, None]


found = [draw_again(blurred, noises, [1 - k / n for k in range(n)]) for n in (1, 2, 4)]
plots.show_clouds(found, ["1 call", "2 calls", "4 calls"], limit=2)
plt.show()
""",
    alt="Three clouds: after one call all points are one dot in the middle of two places, after "
    "two calls they lie along the line between the two, after four most lie at its ends.",
    play="""
# Play: how many calls until the points lie at their two places?
drawn = {}
for calls in (1, 2, 3, 4, 6, 10):
    fresh = [torch.randn(200, 2, generator=g) for _ in range(calls)]
    drawn[calls] = draw_again(blurred, fresh, [1 - k / calls for k in range(calls)])


def show(calls):
    return plots.show_clouds([drawn[calls]], [f"{calls} calls"], limit=2)


def describe(calls):
    away = torch.cdist(torch.as_tensor(drawn[calls]), points).min(1).values.mean()
    return f"After {calls} calls the points lie {away:.2f} away from the nearer of two places."


Explorer(show, describe, calls=list(drawn))
""",
)

# -- how many kinds -----------------------------------------------------------------------------


def kinds(counts: Tensor) -> float:
    """How many kinds are drawn, if all were drawn equally often: e to the entropy of the shares.

    counts: (K,) how often each kind was drawn; some may be 0.
    """
    ### BEGIN SOLUTION
    shares = counts[counts > 0].double() / counts.sum()
    return math.exp(-(shares * shares.log()).sum().item())
    ### END SOLUTION


def _entropy(counts: Tensor) -> float:
    shares = counts[counts > 0].double() / counts.sum()
    return -float((shares * shares.log()).sum())


def _kinds_cases(seed: int) -> list[Case]:
    g = draw.generator(seed)
    counts = torch.randint(5, 200, (10,), generator=g)
    counts[3], counts[7] = 0, 900
    return [Case((counts,)), Case((torch.randint(1, 50, (6,), generator=g),))]


KINDS = Task(
    name="few_steps.kinds",
    title="How many kinds of digits?",
    points=2,
    minutes=6,
    prompt=r"""
A student that draws one beautiful 1 after another has a high sureness. Variety needs a number of
its own: the entropy of the shares, $-\sum_k p_k \log p_k$, made a number of kinds by $\exp$. Ten
kinds drawn equally often give 10. A kind that was never drawn counts as 0.""",
    hint=r"$0 \cdot \log 0$ is taken as 0: leave out the kinds that were never drawn.",
    lesson="distance, sureness and variety fail in different ways: ask for all three.",
    reference=kinds,
    cases=_kinds_cases,
    mistakes=(
        Mistake("This is the entropy itself; make a number of kinds of it.", _entropy),
        Mistake("The sign of the entropy is turned round.", lambda c: math.exp(-_entropy(c))),
        Mistake("This counts how many kinds were drawn at all.", lambda c: float((c > 0).sum())),
        Mistake(
            "The logarithm has the base 2, the power the base e.",
            lambda c: math.exp(_entropy(c) / math.log(2)),
        ),
        Mistake("This is one over the largest share.", lambda c: float(c.sum() / c.max())),
        Mistake(
            "This is one over the sum of the squared shares: another number of kinds.",
            lambda c: float(1 / ((c.double() / c.sum()) ** 2).sum()),
        ),
    ),
    picture="""
plt.figure(figsize=(5, 2.2))
most = torch.arange(10, 1000, 20)
found = [kinds(torch.tensor([int(n)] + [10] * 9)) for n in most]
plt.plot(most / 10, found)
plt.xlabel("how much more often one digit is drawn than each other")
plt.ylabel("kinds")
plt.show()
""",
    alt="A curve that falls from 10 kinds, where all digits are drawn equally often, steeply at "
    "first, to below 2 where one is drawn a hundred times as often.",
)

# -- why it works -------------------------------------------------------------------------------

WHY = Task(
    name="few_steps.why",
    title="Why can one call be enough?",
    points=1,
    minutes=4,
    prompt=r"""
A flow that is trained on pairs by chance draws blurred pictures in one call. A student of the same
size, trained on the ends of a teacher's walks, does not need to. Which sentence says why?

- `"a"`: The student has seen more pictures than the flow.
- `"b"`: The teacher's walks are straight lines, so one step follows them exactly.
- `"c"`: Given the place, the end of a walk is not random: the best guess is the end itself, and no
  mean over many ends.
- `"d"`: The student is told the end in its input.

Set `why` to one letter.""",
    hint="What is the best guess for a mean square, and what is left when nothing is in doubt?",
    lesson="a mean of many answers is blurred; where there is one answer, its mean is sharp.",
    reference="c",
    observe=lambda answer: str(answer).strip().strip("\"'().").lower(),
    mistakes=(
        Mistake("Both may see as many; what differs is what they are asked.", "a"),
        Mistake("Walks bend, and a bent walk has one end all the same.", "b"),
        Mistake("It sees the place and the time, no more.", "d"),
    ),
)

CHAPTER = Chapter(
    name="few_steps",
    title="few steps",
    intro=r"""
From noise to data in one to four calls. Here you write the jump, the loss of a student, and a
sampler that adds noise again; and you measure variety. The time is the flow's $u$: 0 is the data,
1 is noise.""",
    setup="""
import math
from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ddpm_course import plots
from ddpm_course.grading import check
from ddpm_course.widgets import Explorer

plots.style()
""",
    tasks=(JUMP, STUDENT_LOSS, DRAW_AGAIN, KINDS, WHY),
)
