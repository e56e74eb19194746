"""Train the miniatures that ship with the package, and measure them.

    python -m ddpm_course.trends.train                       # all of them
    python -m ddpm_course.trends.train multimodal --out mine # one, in a folder of its own

Each is a module of this folder: ``train(seed)`` gives a model, ``save`` and ``load`` put it on disk
and take it back, and ``figures`` measures what was loaded.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from ddpm_course import checkpoint

__all__ = ["MINIATURES", "main"]

MINIATURES = ("compose", "foundation", "multimodal", "text_to_image")


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, save and measure; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m ddpm_course.trends.train",
        description="Train the miniatures of the pages on trends, and measure them.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MINIATURES)}")
    parser.add_argument("--seed", type=int, default=0, help="all chance follows from it (0)")
    parser.add_argument(
        "--out",
        type=Path,
        default=checkpoint.asset("digits").parent,
        help="the folder of the files, which it overwrites (default: the package's own)",
    )
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in MINIATURES]:
        print(f"{unknown[0]} is no miniature; name {', '.join(MINIATURES)}.", file=sys.stderr)
        return 2
    for name in options.names or MINIATURES:
        miniature = importlib.import_module(f"ddpm_course.trends.{name}")
        path = options.out / f"{name}.safetensors"
        miniature.save(miniature.train(options.seed), path)
        print(f"{name}: {path.stat().st_size / 1e6:.2f} MB", flush=True)
        for what, figure in miniature.figures(miniature.load(path)).items():
            print(f"  {what}: {figure:.4g}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
