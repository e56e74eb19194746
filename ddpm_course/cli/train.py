"""train: a U-Net in a run folder, new or gone on with."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ddpm_course.cli.output import Pulse, add_quiet, is_first, no_bar, say, tell

if TYPE_CHECKING:
    from torch import Tensor

    from ddpm_course.presets import Preset
    from ddpm_course.run import Run
    from ddpm_course.stream import Streamed
    from ddpm_course.trainer import Metrics


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "train",
        help="train a U-Net in a run folder, or go on with a run",
        description="Train a U-Net in a run folder. Stop it with Ctrl-C whenever you like: it "
        "saves, and --resume goes on from there.",
        epilog="examples:\n  ddpm-course train --max-seconds 120 --out runs/digits\n  "
        "ddpm-course train --preset cifar10 --out runs/cifar10\n  "
        "ddpm-course train --data photos/ --size 16 --out runs/photos\n  "
        "ddpm-course train --resume runs/photos\n  "
        "accelerate launch -m ddpm_course.cli train --preset cifar10 --out runs/cifar10",
    )
    folder = parser.add_mutually_exclusive_group(required=True)
    folder.add_argument("--out", type=Path, metavar="RUN", help="the run folder; it must be new")
    folder.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run")
    parser.add_argument(
        "--preset",
        metavar="NAME",
        help="the network and how to train it: digits (the default), color16, gray28, color32, "
        "color64, or cifar10, the one of Ho et al. (2020)",
    )
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE.json",
        help="what differs from the preset where no option says it: "
        '{"unet": {"channels": [64, 128], "attention": [false, true]}, "train": {"warmup": 500}, '
        '"schedule": {"cosine": {"T": 1000}}}; fields of UNetConfig, TrainConfig and Schedule',
    )
    parser.add_argument(
        "--data",
        metavar="SOURCE",
        help="digits, mnist, fashion_mnist, cifar10, hub:NAME, a folder of images or of .tar files "
        "of images, or a .npy file (default: the preset's)",
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="hold no pictures: read them as they are needed, for more than the memory holds; the "
        "training is the same (a hub: set then comes from the Hub without being kept)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=2,
        help="processes that read ahead with --stream (default: 2); they change no result",
    )
    parser.add_argument(
        "--labels",
        nargs="?",
        const="own",
        metavar="FILE",
        help="learn the class of each picture too, for `sample --label`: the digits' own, or the "
        "names of the subfolders; or a .npy file of whole numbers from 0",
    )
    parser.add_argument(
        "--size",
        type=int,
        help="height and width of the images (default: the preset's or the set's; of a folder, the "
        "smallest picture's, at most 32)",
    )
    parser.add_argument(
        "--channels", type=int, help="1 for gray, 3 for color (default: 3 if any picture has color)"
    )
    parser.add_argument(
        "--steps", type=int, help="stop after so many optimizer steps (the preset's)"
    )
    parser.add_argument("--max-seconds", type=float, help="stop after so much training time")
    parser.add_argument(
        "--batch-size", type=int, help="images a step, over all processes (the preset's)"
    )
    parser.add_argument(
        "--accumulate",
        type=int,
        metavar="PIECES",
        help="cut each batch into so many, one after another, where the memory is too small "
        "(default: 1); the step is the same",
    )
    parser.add_argument(
        "--checkpoint-activations",
        action="store_true",
        default=None,
        help="compute each block anew on the way back: less memory, more time, the same step",
    )
    parser.add_argument(
        "--learning-rate", type=float, help="Adam's, after the warm-up (the preset's)"
    )
    parser.add_argument(
        "--dropout", type=float, help="probability inside the residual blocks (the preset's)"
    )
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="mirror images at random (default: for the data of the preset cifar10 alone)",
    )
    parser.add_argument(
        "--precision", choices=["float32", "bfloat16"], help="inside the network (the preset's)"
    )
    parser.add_argument("--compile", action="store_true", default=None, help="torch.compile (CUDA)")
    parser.add_argument("--seed", type=int, help="everything random follows from it (default: 0)")
    parser.add_argument("--device", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument(
        "--save-every",
        type=int,
        default=1000,
        help="steps between two checkpoints, each with a grid of samples (default: 1000)",
    )
    parser.add_argument("--tensorboard", action="store_true", help="write for TensorBoard too")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    changes = {
        name: value
        for name in (
            *("steps", "max_seconds", "batch_size", "learning_rate"),
            *(
                "accumulate",
                "checkpoint_activations",
                "flip",
                "precision",
                "compile",
                "seed",
                "device",
            ),
        )
        if (value := getattr(options, name)) is not None
    }
    run = _resumed(options, changes) if options.resume else _new_run(options, changes)
    trainer = run.trainer
    silent = trainer.rank > 0  # of several processes, one speaks
    pulse = Pulse()
    with tqdm(
        total=trainer.config.steps,
        initial=trainer.step,
        desc="training",
        unit="step",
        disable=silent or no_bar(),
    ) as bar:
        for metrics in run.steps():
            bar.update()
            if metrics.step % 20 == 0:
                bar.set_postfix(loss=f"{metrics.loss:.4f}", seconds=f"{metrics.seconds:.0f}")
            pulse.beat(partial(_progress, metrics))
    if silent:
        return 0
    if run.stopped_by:
        print(
            f"stopped by {run.stopped_by} after step {trainer.step}; all is saved. "
            f"To go on:  ddpm-course train --resume {run.path}",
            file=sys.stderr,
        )
        return 128 + getattr(signal, run.stopped_by, signal.SIGTERM)
    say(f"{trainer.step} steps in {trainer.seconds:.0f} s; the model is in {run.path}")
    say(f"now draw from it:  ddpm-course sample {run.path} --out grid.png")
    return 0


def _progress(metrics: Metrics) -> str:
    return f"step {metrics.step}: loss {metrics.loss:.4f}, {metrics.seconds:.0f} s of training"


def _new_run(options: argparse.Namespace, changes: dict[str, Any]) -> Run:
    from dataclasses import replace

    import torch

    from ddpm_course import images
    from ddpm_course.run import Run, check_new
    from ddpm_course.trainer import Trainer
    from ddpm_course.unet import Labelled, UNet

    preset = _preset(options.preset or "digits")
    if options.config is not None:
        preset = _configured(preset, options.config)
    network, schedule, config = preset.unet, preset.schedule, preset.train
    if "max_seconds" in changes:
        changes = {"steps": None} | changes
    source = preset.data if options.data is None else options.data
    if source is None:
        raise ValueError(
            f"the preset {options.preset} has no data of its own; name yours in --data."
        )
    config = replace(config, flip=config.flip and source == preset.data)
    config = replace(config, **changes)
    check_new(options.out)
    _before_the_data(options, config.device)
    pictures = Path(images.settled(source))
    if pictures.is_absolute() and options.out.resolve().is_relative_to(pictures):
        raise ValueError(
            f"--out {options.out} lies among the pictures of --data {source}, and what the run "
            "draws would count as such; choose a folder beside them."
        )
    size = options.size
    if size is None and source != preset.data:
        size = preset.side
    data = _data(options, source, size, options.channels, options.stream)
    network = replace(network, size=(data.shape[-2], data.shape[-1]), in_channels=data.shape[1])
    labels, of_what = _labels(options.labels, source, len(data))
    network = replace(network, classes=len(of_what))
    if options.dropout is not None:
        network = replace(network, dropout=options.dropout)
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)  # the network's first weights
        model = Labelled(network) if of_what else UNet(network)
    trainer = Trainer(model, schedule, data, config, labels)
    return Run(
        trainer,
        options.out,
        images.settled(source),
        save_every=options.save_every,
        tensorboard=options.tensorboard,
        labels=settled_labels(options.labels),
    )


def _before_the_data(options: argparse.Namespace, device: str) -> None:
    """What can be refused at once is refused before the data are read, which may take an hour."""
    from ddpm_course import checkpoint, labels
    from ddpm_course.run import check_settings
    from ddpm_course.trainer import pick_device

    check_settings(1, options.save_every, options.tensorboard)
    pick_device(device)
    if options.labels not in (None, labels.OWN) and not Path(options.labels).is_file():
        raise ValueError(f"{options.labels} is not there; give a .npy file of labels.")
    if is_first():
        checkpoint.try_folder(options.out or options.resume)


def settled_labels(given: str | None) -> str:
    """As they are named from any other folder."""
    return str(Path(given).resolve()) if given not in (None, "own") else given or ""


def _labels(given: str | None, source: str, count: int) -> tuple[Tensor | None, list[str]]:
    from ddpm_course import labels

    if not given:
        return None, []
    found, names = labels.load(given, source, count)
    shown = ", ".join(f"{i} {name}" for i, name in enumerate(names[:20]))
    tell(f"{len(names)} classes: {shown}{', ...' if len(names) > 20 else ''}")
    return found, names


def _data(
    options: argparse.Namespace, source: str, size: Any, channels: int | None, streamed: bool
) -> Tensor | Streamed:
    from ddpm_course import images, stream

    if streamed:
        return stream.load(source, size, channels, tell, options.workers)
    return images.load(source, size, channels, tell)


def _preset(name: str) -> Preset:
    from ddpm_course.presets import PRESETS

    if name not in PRESETS:
        raise ValueError(f"there is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    return PRESETS[name]


def _configured(preset: Preset, file: Path) -> Preset:
    """The preset with the changes that a file asks for.

    Raises:
        ValueError: it is no such file, or it changes what is not there, or follows from the data.
    """
    from dataclasses import fields, replace

    from ddpm_course.schedule import Schedule

    try:
        asked = json.loads(file.read_text(encoding="utf-8-sig"))  # Windows may mark it
        if not isinstance(asked, dict):
            raise TypeError(f"it holds {asked!r:.40}")
        parts = {name: dict(asked.pop(name, {})) for name in ("unet", "train", "schedule")}
    except (OSError, AttributeError, TypeError, ValueError) as error:
        raise ValueError(
            f"{file} cannot be read as JSON of objects ({error}); `train --help` shows one."
        ) from error
    kinds = {"cosine": Schedule.cosine, "linear": Schedule.linear}
    known = {
        "unet": {field.name for field in fields(preset.unet)} - {"size", "in_channels", "classes"},
        "train": {field.name for field in fields(preset.train)},
        "schedule": set(kinds),
    }
    strange = [
        *asked,
        *(f"{part}.{name}" for part in parts for name in parts[part].keys() - known[part]),
    ]
    if strange or len(parts["schedule"]) > 1:
        raise ValueError(
            f"{file} asks for {', '.join(strange) or 'two schedules'}; it may hold "
            + "; ".join(f"{part}: {', '.join(sorted(names))}" for part, names in known.items())
            + ". (Size, channels and classes follow from the data.)"
        )
    try:
        schedule = preset.schedule
        for kind, values in parts["schedule"].items():
            schedule = kinds[kind](**values)
        return replace(
            preset,
            unet=replace(preset.unet, **parts["unet"]),
            train=replace(preset.train, **parts["train"]),
            schedule=schedule,
        )
    except TypeError as error:
        raise ValueError(f"{file} holds a value of the wrong kind ({error}).") from error


def _resumed(options: argparse.Namespace, changes: dict[str, Any]) -> Run:
    from dataclasses import asdict

    from ddpm_course.run import STREAMED, Run, read_config

    if options.config is not None:
        raise ValueError("--config is for a new run; leave it out to go on with one.")
    about = read_config(options.resume)
    try:
        network, source = about["unet"], options.data or str(about["source"])
        size, channels = network["size"], network["in_channels"]
        size = size if isinstance(size, int) else tuple(size)
        fixed = {"size": size, "channels": channels, "dropout": network["dropout"]}
    except (KeyError, TypeError) as error:
        raise ValueError(f"{options.resume} holds no run; give the folder of one.") from error
    classes = network.get("classes", 0)
    if options.preset is not None:
        wanted = asdict(_preset(options.preset).unet) | fixed | {"classes": classes}
        if json.loads(json.dumps(wanted)) != network:
            raise ValueError(
                f"the run in {options.resume} has another architecture than the preset "
                f"{options.preset}; leave --preset out to go on with it, or start a new run."
            )
    for name, value in fixed.items():
        if getattr(options, name) not in (None, value):
            raise ValueError(
                f"the run in {options.resume} has --{name} {value}; leave --{name} out to go on "
                "with it, or start a new run."
            )
    streamed = f" {STREAMED} " in str(about.get("data"))
    if options.stream and not streamed:
        raise ValueError(f"the run in {options.resume} holds its pictures; leave --stream out.")
    _before_the_data(options, options.device or "auto")
    data = _data(options, source, size, channels, streamed)
    given = options.labels or about.get("labels")
    labels, _ = _labels(given, source, len(data)) if classes else (None, [])
    if given and not classes:
        raise ValueError(f"the run in {options.resume} has no labels; leave --labels out.")
    return Run.resume(
        options.resume,
        data,
        labels=labels,
        save_every=options.save_every,
        tensorboard=options.tensorboard,
        **changes,
    )
