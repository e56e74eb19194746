"""What the commands that sample share: the options of the samplers, and the drawing."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from ddpm_course.cli.output import add_quiet, no_bar

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ddpm_course.reverse import Model
    from ddpm_course.schedule import Schedule
    from ddpm_course.unet import Quick, UNet

_GENERATOR = 5056  # bytes of one generator's state
FEW = {"solver": (20, 1.0), "ddim": (50, 0.0)}  # calls of the network, and fresh noise


def add_sampling(parser: argparse.ArgumentParser, num: int) -> None:
    add = parser.add_argument
    add("model", nargs="?", default="digits", help="a run folder, a file, or a shipped model")
    add("--num", type=int, default=num, help=f"how many images (default: {num})")
    add(
        "--sampler",
        choices=["solver", "ancestral", "ddim"],
        default="solver",
        help="solver: DPM-Solver++(2M), few calls of the network; ancestral: DDPM's own, T calls; "
        "ddim (default: solver)",
    )
    add(
        "--variance",
        choices=["beta_tilde", "beta"],
        help="of each step back, for ancestral (default: beta_tilde)",
    )
    add("--steps", type=int, help="calls, for solver (default: 20) and ddim (default: 50)")
    add("--eta", type=float, help="fresh noise, 0 to 1, for solver (default: 1) and ddim (0)")
    add("--batch-size", type=int, default=500, help="images drawn at once (default: 500)")
    add(
        "--seed",
        type=int,
        default=0,
        help="same seed, same images, whatever --num and --batch-size (default: 0)",
    )
    add("--label", type=int, help="the class to draw, for a model that learned labels (from 0)")
    add(
        "--guidance",
        type=float,
        help="0 ignores the label, 1 follows it, more insists on it (default: 2)",
    )
    add("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    add(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="inside the network (default: float32)",
    )
    add("--compile", action="store_true", help="torch.compile, for many images (CUDA)")
    add_quiet(parser)


def check_sampling(options: argparse.Namespace) -> None:
    from ddpm_course.trainer import pick_device

    if options.num < 1:
        raise ValueError(f"--num is {options.num}; ask for at least 1 image.")
    if options.batch_size < 1:
        raise ValueError(f"--batch-size is {options.batch_size}; draw at least 1 image at once.")
    others = ("steps", "eta") if options.sampler == "ancestral" else ("variance",)
    for name in others:
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} does not belong to --sampler {options.sampler}; drop one.")
    if options.guidance is not None:
        if options.label is None:
            raise ValueError("--guidance is towards a class; name one with --label, or drop it.")
        if not (math.isfinite(options.guidance) and options.guidance >= 0):
            raise ValueError(f"--guidance is {options.guidance}; give a number from 0.")
    if options.compile and pick_device(options.device).type != "cuda":
        raise ValueError(f"--compile needs a CUDA device, not {options.device}; leave it out.")
    pick_device(options.device)


def _chance(seed: int, i: int) -> torch.Generator:
    """Image i's own, so that it is the same whatever is drawn beside it."""
    import numpy as np
    import torch

    own = np.random.SeedSequence([seed, i]).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(own))


def _heeding(options: argparse.Namespace, model: UNet, quick: Quick) -> Model:
    """The network for the sampler: guided to the class that is asked for, if one is."""
    import torch

    from ddpm_course.trends.text_to_image import guided

    if options.label is None:
        return quick
    classes = model.config.classes
    if not 0 <= options.label < classes:
        known = f"it knows 0 to {classes - 1}" if classes else "it has learned none: drop it"
        raise ValueError(f"--label is {options.label}; the model's classes: {known}.")
    weight = 2.0 if options.guidance is None else options.guidance

    class Heeding(torch.nn.Module):  # a module tells the samplers where it lies
        def __init__(self) -> None:
            super().__init__()
            self.quick = quick
            self.eval()

        def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
            label = torch.full((len(x_t),), options.label, device=x_t.device)
            return guided(self.quick, label, weight)(x_t, t)

    return Heeding()


def draw(options: argparse.Namespace, model: UNet, schedule: Schedule) -> Tensor:
    """(num, C, H, W) samples, as the options ask."""
    import torch
    from tqdm.auto import tqdm

    from ddpm_course import reverse, solvers
    from ddpm_course.trainer import pick_device
    from ddpm_course.unet import Quick

    image = (model.config.in_channels, *model.config.shape)
    device = pick_device(options.device)
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    model.to(device, memory_format=layout)  # type: ignore[call-overload] # not in torch's types
    network = _heeding(options, model, Quick(model, options.precision, options.compile))
    few, fresh = FEW.get(options.sampler, (schedule.T, 1.0))
    steps = options.steps if options.steps is not None else min(few, schedule.T)
    eta = options.eta if options.eta is not None else fresh
    starts = range(0, options.num, options.batch_size)
    samples = torch.empty(options.num, *image)  # too many are refused before the work
    with tqdm(total=len(starts) * steps, desc="sampling", unit="step", disable=no_bar()) as bar:
        for start in starts:
            stop = min(start + options.batch_size, options.num)
            shape = (stop - start, *image)
            # A batch that cannot fit is refused before its generators are made, which takes long.
            torch.empty(stop - start, _GENERATOR + 4 * math.prod(image), dtype=torch.uint8)
            generator = [_chance(options.seed, i) for i in range(start, stop)]
            if options.sampler == "ancestral":
                variance: reverse.Variance = options.variance or "beta_tilde"
                walk = reverse.ancestral(network, shape, schedule, variance, generator=generator)
            elif options.sampler == "ddim":
                walk = solvers.ddim(network, shape, schedule, steps, eta, generator=generator)
            else:
                walk = solvers.multistep(
                    network, shape, schedule, steps, eta=eta, generator=generator
                )
            for step in walk:
                bar.update(step.t > 0)
            samples[start:stop] = step.x_t
    if not samples.isfinite().all():
        raise FloatingPointError(
            f"{options.model} draws numbers that are not finite; try --precision float32, or an "
            "earlier checkpoint of the run."
        )
    return samples
