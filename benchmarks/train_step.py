"""The 35.7 M network of Ho et al. (2020): training images a second, and memory.

    python benchmarks/train_step.py                                  # CPU, float32
    python benchmarks/train_step.py --device cuda --batch 128 --steps 100 --precision bfloat16
    (and once more with --compile)
    python benchmarks/train_step.py --batch 2 --steps 1 --rounds 1   # does it run?

Ours and diffusers' network, each as its own training loop runs it, in turns, each turn in a fresh
process; the best turn counts. The model's FLOP are counted, not estimated.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from ddpm_course import Schedule, UNet, UNetConfig
from ddpm_course.trainer import TrainConfig, Trainer, pick_device


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--compile", action="store_true", help="ours (CUDA)")
    parser.add_argument("--compile-peer", action="store_true", help="diffusers' too (CUDA)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--contender", choices=["ours", "diffusers"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.contender:
        print(json.dumps(turn(options)))
        return
    from report import write

    turns: dict[str, list[dict[str, float]]] = {"ours": [], "diffusers": []}
    for _ in range(options.rounds):
        for name, found in turns.items():
            command = [sys.executable, __file__, *sys.argv[1:], "--contender", name]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    best = {
        name: {
            "images_per_second": max(turn["images_per_second"] for turn in found),
            "images_per_cpu_second": max(turn["images_per_cpu_second"] for turn in found),
            "memory_mib": min(turn["memory_mib"] for turn in found),
        }
        for name, found in turns.items()
    }
    flop = flop_an_image()
    for figures in best.values():
        figures["tflop_per_second"] = flop * figures["images_per_second"] / 1e12
    asked = {
        name: value for name, value in vars(options).items() if name not in ("contender", "threads")
    }
    ratios = {
        f"{key}_ratio": best["ours"][key] / best["diffusers"][key]
        for key in ("images_per_second", "memory_mib")
    }
    figures = {**asked, "gflop_per_image": flop / 1e9, **best, **ratios}
    write("train_step", pick_device(options.device), figures)


def turn(options: argparse.Namespace) -> dict[str, float]:
    """Images a second and peak memory of one contender in this process."""
    device = pick_device(options.device)
    steps = contenders[options.contender](options, device)
    warm = 10 if device.type == "cuda" else 1
    for _ in range(warm):
        next(steps)
    wait(device)
    start, start_cpu = time.perf_counter(), time.process_time()
    for _ in range(options.steps):
        next(steps)
    wait(device)
    images = options.steps * options.batch
    memory = (
        torch.cuda.max_memory_allocated(device) / 2**20
        if device.type == "cuda"
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    )
    return {
        "images_per_second": images / (time.perf_counter() - start),
        "images_per_cpu_second": images / (time.process_time() - start_cpu),
        "memory_mib": memory,
    }


def ours(options: argparse.Namespace, device: torch.device) -> Iterator[Any]:
    config = replace(
        TrainConfig.cifar10(),
        batch_size=options.batch,
        precision=options.precision,
        compile=options.compile,
        device=options.device,
    )
    data = torch.randint(0, 256, (max(1000, options.batch), 3, 32, 32), dtype=torch.uint8)
    return Trainer(UNet(UNetConfig.cifar10()), Schedule.linear(), data, config).steps()


def diffusers(options: argparse.Namespace, device: torch.device) -> Iterator[Any]:
    from peer import CIFAR10, Peer

    data = torch.rand(max(1000, options.batch), 3, 32, 32, device=device) * 2 - 1
    return Peer(
        CIFAR10,
        data,
        steps=800_000,
        batch_size=options.batch,
        learning_rate=2e-4,
        warmup=5000,
        ema_decay=0.9999,
        precision=options.precision,
        compile=options.compile_peer,
    ).steps()


contenders = {"ours": ours, "diffusers": diffusers}


def flop_an_image() -> float:
    """Of a forward and a backward pass, by torch's own counter."""
    from torch.utils.flop_counter import FlopCounterMode

    model = UNet(UNetConfig.cifar10())
    counter = FlopCounterMode(display=False)
    with counter:
        model(torch.zeros(1, 3, 32, 32), torch.ones(1, dtype=torch.int64)).sum().backward()
    return float(counter.get_total_flops())


def wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


if __name__ == "__main__":
    main()
