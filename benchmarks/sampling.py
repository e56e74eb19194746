"""Sampling 3x32x32 images with the 35.7 M network: T = 1000 ancestral steps, and DDIM 50.

    python benchmarks/sampling.py --device cuda --num 256 --precision bfloat16 --compile
    python benchmarks/sampling.py --num 2 --ancestral-steps 3 --ddim-steps 2    # does it run?

Both contenders get the same weights. The paper drew 256 images in 17 s on a TPU v3-8.
On a CPU, T = 1000 takes hours: --ancestral-steps N runs the first N and reports seconds a step.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable
from typing import Any

import torch
from report import write

from ddpm_course import Schedule, UNet, UNetConfig, interop, reverse, solvers
from ddpm_course.trainer import pick_device
from ddpm_course.unet import Quick


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--num", type=int, default=256)
    parser.add_argument("--ancestral-steps", type=int, default=1000)
    parser.add_argument("--ddim-steps", type=int, default=50)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--compile", action="store_true", help="ours (CUDA)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = pick_device(options.device)
    torch.manual_seed(0)
    model = UNet(UNetConfig.cifar10()).to(device)
    asked = {name: value for name, value in vars(options).items() if name != "threads"}
    figures = {
        "ours": ours(model, options, device),
        "diffusers": diffusers(interop.to_diffusers(model).to(device), options, device),
    }
    write("sampling", device, {**asked, **figures})


def ours(model: UNet, options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    if device.type == "cuda":
        model.to(memory_format=torch.channels_last)
    network = Quick(model, options.precision, options.compile)
    shape, schedule = (options.num, 3, 32, 32), Schedule.linear()
    generator = torch.Generator(device).manual_seed(0)

    def ancestral(steps: int) -> None:
        walk = reverse.ancestral(network, shape, schedule, generator=generator)
        for _ in itertools.islice(walk, steps + (steps == 1000)):
            pass

    def ddim(steps: int) -> None:
        for _ in solvers.ddim(network, shape, schedule, steps, generator=generator):
            pass

    return timed(ancestral, ddim, options, device)


@torch.no_grad()
def diffusers(model: Any, options: argparse.Namespace, device: torch.device) -> dict[str, float]:
    from diffusers import DDIMScheduler, DDPMScheduler

    low = options.precision == "bfloat16"
    generator = torch.Generator(device).manual_seed(0)

    def walk(kind: type, length: int, steps: int) -> None:
        scheduler: Any = kind(1000)
        scheduler.set_timesteps(length)
        x = torch.randn(options.num, 3, 32, 32, generator=generator, device=device)
        for t in scheduler.timesteps[:steps]:
            with torch.autocast(device.type, torch.bfloat16, enabled=low):
                eps = model(x, t).sample.float()
            x = scheduler.step(eps, t, x, generator=generator).prev_sample

    return timed(
        lambda steps: walk(DDPMScheduler, 1000, steps),
        lambda steps: walk(DDIMScheduler, steps, steps),
        options,
        device,
    )


def timed(
    ancestral: Callable[[int], None],
    ddim: Callable[[int], None],
    options: argparse.Namespace,
    device: torch.device,
) -> dict[str, float]:
    def seconds(walk: Callable[[int], None], steps: int) -> float:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        start = time.perf_counter()
        walk(steps)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return time.perf_counter() - start

    ddim(2)  # compile, choose algorithms, fill caches
    first, second = (
        seconds(ancestral, options.ancestral_steps),
        seconds(ddim, options.ddim_steps),
    )
    return {
        "ancestral_seconds": first,
        "ancestral_seconds_per_step": first / options.ancestral_steps,
        "ddim_seconds": second,
        "ddim_seconds_per_step": second / options.ddim_steps,
    }


if __name__ == "__main__":
    main()
