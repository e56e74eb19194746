"""evaluate: how good are the samples of a model?"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from ddpm_course.cli.output import tell
from ddpm_course.cli.sampling import add_sampling, check_sampling, draw


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "evaluate",
        help="judge a trained model by its samples",
        description="Draw samples, compare them with the data that the model was trained on, and "
        "print the figures as JSON.",
        epilog="example:\n  ddpm-course evaluate runs/digits --num 2000",
    )
    parser.add_argument(
        "--data", metavar="SOURCE", help="what to compare with (default: what the run trained on)"
    )
    parser.add_argument(
        "--fid", action="store_true", help="the Inception FID too (needs torchmetrics)"
    )
    parser.add_argument(
        "--bits",
        action="store_true",
        help="the bound in bits per dimension too, on one batch (T passes)",
    )
    add_sampling(parser, num=2000)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    import torch

    from ddpm_course import checkpoint, checks, images, loss, metrics
    from ddpm_course.data import digits
    from ddpm_course.run import read_config

    check_sampling(options)
    if options.num < 2:
        raise ValueError(f"--num is {options.num}; a distance between sets needs at least 2.")
    inception = metrics.inception() if options.fid else None  # refused before the work
    model, schedule = checkpoint.load(options.model)
    size, channels = model.config.size, model.config.in_channels
    source = options.data
    if source is None:
        run = Path(options.model)
        source = read_config(run).get("source") if run.is_dir() else options.model
        if source != "digits" and not run.is_dir():
            raise ValueError(f"{source} does not name its data; give them with --data.")
    data = images.load(source, size, channels, tell)
    if len(data) < 2:
        raise ValueError(f"{source} holds one picture; a distance between sets needs at least 2.")
    levels = 17 if source == "digits" else 256
    unseen = digits("test") if source == "digits" else data  # our split is the one we know
    batch = checks.pictures(unseen[: options.batch_size])
    if options.bits:
        checks.on_grid(batch, levels, source)  # refused before the work
    samples = draw(options, model, schedule)
    report: dict[str, Any] = {"model": str(options.model), "data": source, "samples": options.num}
    if options.label is not None:
        report["label"] = options.label
        tell("these samples show one class; they are compared with the pictures of all classes.")
    if source == "digits":
        report |= metrics.digit_report(samples)._asdict()
    else:
        report["frechet"] = metrics.frechet_distance(samples, data)
        report["nearest"] = float(metrics.nearest_distance(samples, data).median())
    if inception is not None:
        report["fid"] = metrics.inception_fid(samples, data, inception)
    if options.bits:
        generator = torch.Generator().manual_seed(options.seed)
        bits = loss.bits_per_dim(model, batch, schedule, levels, generator=generator)
        report["bits_per_dim"] = float(bits.total)
    print(json.dumps(report, indent=2))
