"""The command line: ``ddpm-course train``, ``ddpm-course sample``.

Bad input ends with one sentence on stderr and exit code 2; nothing on disk is lost.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from ddpm_course.schedule import Schedule
    from ddpm_course.trainer import TrainConfig
    from ddpm_course.unet import UNetConfig

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except ValueError as error:
        print(f"ddpm-course: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("ddpm-course: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ddpm-course",
        description="Train a small DDPM and sample from it, on a laptop or on a GPU.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train a U-Net and write it to a run folder",
        description="Train a U-Net on real data and write it to a run folder.",
        epilog="example: ddpm-course train --preset digits --max-seconds 120 --out runs/digits",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    train.add_argument("--preset", choices=["digits"], default="digits", help="data and network")
    train.add_argument("--out", type=Path, required=True, help="the run folder; it must be new")
    train.add_argument("--steps", type=int, help="stop after so many optimizer steps")
    train.add_argument("--max-seconds", type=float, help="stop after so much training time")
    train.add_argument("--batch-size", type=int, help="images a step (the preset's when left out)")
    train.add_argument("--learning-rate", type=float, help="Adam's (the preset's when left out)")
    train.add_argument("--seed", type=int, default=0, help="everything random follows from it")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    train.set_defaults(run=_train)

    sample = commands.add_parser(
        "sample",
        help="draw images from a trained model",
        description="Draw images from a trained model with the ancestral sampler (T steps).",
        epilog="example: ddpm-course sample digits --num 64 --out grid.png",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    sample.add_argument(
        "model", nargs="?", default="digits", help="a run folder, a file, or a shipped model's name"
    )
    sample.add_argument("--num", type=int, default=64, help="how many images")
    sample.add_argument(
        "--out",
        type=Path,
        default=Path("samples.png"),
        help=".png: a grid to look at; .npy: float32, (N, C, H, W), in [-1, 1]",
    )
    sample.add_argument(
        "--variance", choices=["beta_tilde", "beta"], default="beta_tilde", help="of each step back"
    )
    sample.add_argument("--batch-size", type=int, default=500, help="images drawn at once")
    sample.add_argument("--seed", type=int, default=0, help="the same seed, the same images")
    sample.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    sample.set_defaults(run=_sample)
    return parser


# -- train ------------------------------------------------------------------------------------


def _train(options: argparse.Namespace) -> None:
    from dataclasses import replace

    import torch
    from tqdm.auto import tqdm

    from ddpm_course.trainer import Trainer
    from ddpm_course.unet import UNet

    model_config, schedule, data, config = _preset(options.preset)
    changes = {
        name: value
        for name in ("steps", "max_seconds", "batch_size", "learning_rate")
        if (value := getattr(options, name)) is not None
    }
    if "max_seconds" in changes:
        changes.setdefault("steps", None)
    config = replace(config, seed=options.seed, device=options.device, **changes)
    torch.manual_seed(options.seed)  # the network's first weights, and dropout
    trainer = Trainer(UNet(model_config), schedule, data, config, options.out)
    with tqdm(total=config.steps, desc="training", unit="step") as bar:
        for metrics in trainer.steps():
            bar.update()
            if metrics.step % 20 == 0:
                bar.set_postfix(loss=f"{metrics.loss:.4f}", seconds=f"{metrics.seconds:.0f}")
    trainer.save()
    print(f"{trainer.step} steps in {trainer.seconds:.0f} s; the model is in {options.out}")
    print(f"now draw from it:  ddpm-course sample {options.out} --out grid.png")


def _preset(name: str) -> tuple[UNetConfig, Schedule, Tensor, TrainConfig]:
    """What belongs together: network, schedule, data and training."""
    from ddpm_course.data import digits
    from ddpm_course.schedule import Schedule
    from ddpm_course.trainer import TrainConfig
    from ddpm_course.unet import UNetConfig

    # So small an image needs few steps: 250 draw as well as 1000, in a quarter of the time.
    schedule = Schedule.cosine(250)
    presets = {
        "digits": lambda: (UNetConfig.digits(), schedule, digits("train"), TrainConfig.digits())
    }
    return presets[name]()


# -- sample -----------------------------------------------------------------------------------


def _sample(options: argparse.Namespace) -> None:
    import torch
    from tqdm.auto import tqdm

    from ddpm_course import checkpoint, reverse
    from ddpm_course.trainer import pick_device

    if options.num < 1:
        raise ValueError(f"--num is {options.num}; ask for at least 1 image.")
    if options.batch_size < 1:
        raise ValueError(f"--batch-size is {options.batch_size}; draw at least 1 image at once.")
    if options.out.suffix not in (".npy", ".png"):
        raise ValueError(f"--out is {options.out}; end it with .png (a grid) or .npy (numbers).")
    _check_writable(options.out)  # before the work, not after it
    model, schedule = checkpoint.load(options.model)
    model = model.to(pick_device(options.device))
    generator = torch.Generator().manual_seed(options.seed)

    images = []
    sizes = [
        min(options.batch_size, options.num - i) for i in range(0, options.num, options.batch_size)
    ]
    with tqdm(total=len(sizes) * schedule.T, desc="sampling", unit="step") as bar:
        for size in sizes:
            shape = (size, model.config.in_channels, model.config.size, model.config.size)
            for step in reverse.ancestral(
                model, shape, schedule, options.variance, generator=generator
            ):
                bar.update(step.t > 0)
            images.append(step.x_t.cpu())
    _write_images(torch.cat(images), options.out)
    print(f"{options.num} images in {options.out}")


def _check_writable(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error}); choose another place.") from error


def _write_images(images: Tensor, path: Path) -> None:
    """Write beside ``path`` and rename, so that an old file stays whole until the new one is."""
    beside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        if path.suffix == ".npy":
            import numpy as np

            np.save(beside, images.numpy())
        else:
            from ddpm_course.plots import save_images

            save_images(images, beside)
        os.replace(beside, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error}); choose another place.") from error
    finally:
        beside.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
