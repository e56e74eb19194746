"""sample: images from a trained model."""

from __future__ import annotations

import argparse
from pathlib import Path

from ddpm_course.cli.pictures import write_images
from ddpm_course.cli.sampling import add_sampling, check_sampling, draw


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "sample",
        help="draw images from a trained model",
        description="Draw images from a trained model: in 20 calls of the network, or with DDPM's "
        "own sampler in T.",
        epilog="examples:\n  ddpm-course sample digits --num 64 --out grid.png\n  "
        "ddpm-course sample runs/digits --sampler ancestral --out samples.npy",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("samples.png"),
        help=".png: a grid to look at; .npy: float32, (N, C, H, W), in [-1, 1] "
        "(default: samples.png)",
    )
    add_sampling(parser, num=64)
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")
    parser.add_argument("--json", action="store_true", help="say what was written as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from ddpm_course.checkpoint import load

    check_sampling(options)
    about = None
    if options.json:
        about = {key: getattr(options, key) for key in ("model", "sampler", "seed", "label")}
    write_images(options.out, lambda: draw(options, *load(options.model)), options.force, about)
