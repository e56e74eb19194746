"""Digits, so many seconds of training on this machine: ours and the peer, one after the other.

    python benchmarks/time_to_quality.py                   # 120 s each, 2,000 samples
    python benchmarks/time_to_quality.py --seconds 5 --num 50   # does it run?

Before the clock starts, each contender tries which precision and memory layout is the quickest
for it here. Each is judged by the better of two samplers: its usual one (for ours 20 calls of the
network, for the peer 1000 ancestral steps), and DDIM.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import torch
from peer import DIGITS, Peer
from report import write
from torch import Tensor

from ddpm_course import Schedule, UNet, UNetConfig, metrics, reverse, solvers
from ddpm_course.data import digits
from ddpm_course.trainer import TrainConfig, Trainer

Precision = Literal["float32", "bfloat16"]
Sampler = Callable[[str], Tensor]  # from "usual" or "ddim" to that many images


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--num", type=int, default=2000)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ddim-steps", type=int, default=100)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    contenders = {"ours": ours, "diffusers": peer}
    # Both train before anything is drawn: so the two have the machine in the same hour.
    trained = {name: contender(options) for name, contender in contenders.items()}
    figures = {name: {**about, **judge(sample)} for name, (about, sample) in trained.items()}
    ratio = figures["ours"]["frechet"] / figures["diffusers"]["frechet"]
    asked = {name: value for name, value in vars(options).items() if name != "threads"}
    write("time_to_quality", torch.device("cpu"), {**asked, **figures, "frechet_ratio": ratio})


def ours(options: argparse.Namespace) -> tuple[dict[str, Any], Sampler]:
    schedule = Schedule.cosine(250)  # as the preset "digits" has it

    def make(precision: Precision, seconds: float) -> Trainer:
        torch.manual_seed(options.seed)
        # Two minutes are too short to learn the digits by heart: dropout would only slow it down.
        network = UNetConfig(channels=(32, 64), blocks=1, attention=(False, True), dropout=0.0)
        config = TrainConfig(
            max_seconds=seconds, ema_decay=0.995, precision=precision, device="cpu"
        )
        return Trainer(UNet(network), schedule, digits(), config)

    precisions: list[Precision] = ["float32", "bfloat16"]
    best = min(precisions, key=lambda choice: seconds_a_step(make(choice, 1e9).steps()))
    trainer = make(best, options.seconds)
    count = sum(1 for _ in trainer.steps())

    def sample(sampler: str) -> Tensor:
        generator = torch.Generator().manual_seed(options.seed)
        batches = []
        for size in sizes(options.num):
            shape = (size, 1, 8, 8)
            walk: Iterator[reverse.Step]
            if sampler == "usual":
                walk = solvers.multistep(trainer.ema.module, shape, schedule, generator=generator)
            else:
                walk = solvers.ddim(
                    trainer.ema.module, shape, schedule, options.ddim_steps, generator=generator
                )
            *_, last = walk
            batches.append(last.x_t)
        return torch.cat(batches)

    about = {"precision": best, "steps": count, "parameters": parameters(trainer.ema.module)}
    return about, sample


def peer(options: argparse.Namespace) -> tuple[dict[str, Any], Sampler]:
    def make(precision: Precision, channels_last: bool, steps: int) -> Peer:
        torch.manual_seed(options.seed)
        return Peer(DIGITS, digits(), steps, 128, 1e-3, 100, 0.995, precision, channels_last)

    choices: list[tuple[Precision, bool]] = [
        ("float32", False),
        ("float32", True),
        ("bfloat16", False),
        ("bfloat16", True),
    ]
    pace = {choice: seconds_a_step(make(*choice, 10_000).steps()) for choice in choices}
    best = min(pace, key=lambda choice: pace[choice])
    # Its cosine needs the number of steps beforehand: as many as the pace allows.
    contender = make(*best, max(1, int(options.seconds / pace[best])))
    count = sum(1 for _ in contender.steps(options.seconds))

    def sample(sampler: str) -> Tensor:
        kind, steps = ("ancestral", 1000) if sampler == "usual" else ("ddim", options.ddim_steps)
        return contender.sample(options.num, kind, steps, options.seed, 500)

    about = {
        "precision": best[0],
        "channels_last": best[1],
        "steps": count,
        "parameters": parameters(contender.model),
    }
    return about, sample


def judge(sample: Sampler) -> dict[str, Any]:
    """The figures of the better sampler, and both Fréchet distances."""
    reports = {name: metrics.digit_report(sample(name)) for name in ("usual", "ddim")}
    best = min(reports, key=lambda name: reports[name].frechet)
    return {
        "sampler": best,
        **reports[best]._asdict(),
        "frechet_by_sampler": {name: report.frechet for name, report in reports.items()},
    }


def seconds_a_step(steps: Iterator[Any], warm: int = 3, count: int = 10) -> float:
    """The median of ``count`` steps, after ``warm`` ones."""
    times = []
    for _ in range(warm + count):
        start = time.perf_counter()
        next(steps)
        times.append(time.perf_counter() - start)
    return sorted(times[warm:])[count // 2]


def sizes(num: int, batch: int = 500) -> list[int]:
    return [min(batch, num - start) for start in range(0, num, batch)]


def parameters(model: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


if __name__ == "__main__":
    main()
