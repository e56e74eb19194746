"""The speedrun: from nothing to good digits, in as few seconds on two cores as you can.

    python benchmarks/speedrun.py                              # the recipe to beat
    python benchmarks/speedrun.py --entry mine.py              # yours
    python benchmarks/speedrun.py --seeds 1 --num 50           # does it run?

The rules. An entry is a Python file with a function `train(seed)`. It starts from random weights
and the 1,437 digits of `data.digits("train")`, with nothing that was trained before, and returns a
network and its schedule. The clock runs while it trains. Then the default sampler, with its 20
calls, draws 2,000 digits, and they are judged: a Fréchet distance of at most 0.13, and the
classifier more than 90% sure of at least 85%. Each of three seeds has to reach both. Records are
kept in LOG.md.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from report import write
from torch import nn

from ddpm_course import Schedule, UNet, UNetConfig, metrics, solvers
from ddpm_course.data import digits
from ddpm_course.trainer import TrainConfig, Trainer

Entry = Callable[[int], tuple[nn.Module, Schedule]]
NEAR, SURE = 0.13, 0.85


def train(seed: int) -> tuple[nn.Module, Schedule]:
    """The recipe to beat: the course's own in bfloat16, without dropout, for 3,000 steps."""
    torch.manual_seed(seed)
    # Too short a time to learn the digits by heart: dropout would only slow it down.
    config = UNetConfig(channels=(32, 64), blocks=1, attention=(False, True), dropout=0.0)
    plan = TrainConfig(steps=3000, ema_decay=0.995, precision="bfloat16", seed=seed, device="cpu")
    trainer = Trainer(UNet(config), Schedule.cosine(250), digits(), plan)
    for _ in trainer.steps():
        pass
    return trainer.ema.module, trainer.schedule


def main(arguments: Sequence[str] | None = None) -> int:
    """Run an entry; the exit code is 0 if every seed reached both marks, 1 if not, 2 if the entry
    could not be run."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--entry", type=Path, help="a Python file with train(seed)")
    parser.add_argument("--seeds", type=int, default=3, help="how many, from 0 (default: 3)")
    parser.add_argument("--num", type=int, default=2000, help="digits to judge (default: 2000)")
    parser.add_argument("--threads", type=int, default=2, help="(default: 2)")
    options = parser.parse_args(arguments)
    try:
        for name, least in (("seeds", 1), ("num", 2), ("threads", 1)):
            if (value := getattr(options, name)) < least:
                raise ValueError(f"--{name} is {value}; give {least} or more.")
        torch.set_num_threads(options.threads)
        entry = train if options.entry is None else read(options.entry)
        runs = [run(entry, seed, options.num) for seed in range(options.seeds)]
    except ValueError as error:
        print(f"speedrun: {error}", file=sys.stderr)
        return 2
    reached = all(run["reached"] for run in runs)
    figures = {
        "entry": str(options.entry or "speedrun.py"),
        "num": options.num,
        "reached": reached,
        "seconds": sum(run["seconds"] for run in runs) / len(runs),
        "processor_seconds": sum(run["processor_seconds"] for run in runs) / len(runs),
        "runs": runs,
    }
    write("speedrun", torch.device("cpu"), figures)
    return 0 if reached else 1


def read(path: Path) -> Entry:
    """The function ``train`` of a file.

    Raises:
        ValueError: there is no such file, it cannot be run, or it has no such function.
    """
    how = "give a Python file with a function train(seed) that returns a network and its schedule."
    if not path.is_file():
        raise ValueError(f"{path} is not there; {how}")
    spec = importlib.util.spec_from_file_location("entry", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file; {how}")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever a stranger's file does
        raise ValueError(f"{path} stopped with {type(error).__name__}: {error}; {how}") from error
    entry = getattr(module, "train", None)
    if not callable(entry):
        raise ValueError(f"{path} has no function train; {how}")
    return entry  # type: ignore[no-any-return] # judged by what it gives


def run(entry: Entry, seed: int, num: int) -> dict[str, Any]:
    """Train with one seed, and judge.

    Raises:
        ValueError: the entry gives something else than a network and its schedule.
    """
    start, work = time.perf_counter(), time.process_time()
    given = entry(seed)
    seconds, work = time.perf_counter() - start, time.process_time() - work
    match given:
        case (nn.Module() as network, Schedule() as schedule):
            pass
        case _:
            raise ValueError(
                f"train({seed}) gave {type(given).__name__} {given!r:.60}; it must give a network "
                "and its schedule, (torch.nn.Module, ddpm_course.Schedule)."
            )
    generator = torch.Generator().manual_seed(seed)
    batches = []
    for first in range(0, num, 500):
        shape = (min(500, num - first), 1, 8, 8)
        *_, last = solvers.multistep(network, shape, schedule, generator=generator)
        batches.append(last.x_t)
    report = metrics.digit_report(torch.cat(batches))
    return {
        "seed": seed,
        "seconds": seconds,
        "processor_seconds": work,
        "frechet": report.frechet,
        "sure": report.sure,
        "nearest": report.nearest,
        "reached": report.frechet <= NEAR and report.sure >= SURE,
    }


if __name__ == "__main__":
    sys.exit(main())
