"""The command line: train, sample and evaluate a model; verify, release, grade and papers for the
course.

Bad input ends with one sentence on stderr and exit code 2; nothing on disk is lost.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from ddpm_course.run import Run
    from ddpm_course.schedule import Schedule
    from ddpm_course.trainer import TrainConfig
    from ddpm_course.unet import UNet, UNetConfig

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options) or 0)
    except ValueError as error:
        print(f"ddpm-course: {error}", file=sys.stderr)
        return 2
    except FloatingPointError as error:
        print(f"ddpm-course: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("ddpm-course: stopped.", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ddpm-course",
        description="Train a DDPM, sample from it and judge the samples; prove the book's "
        "equations, make and grade its exercises, order your reading.",
    )
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train",
        help="train a U-Net in a run folder, or go on with a run",
        description="Train a U-Net in a run folder. Stop it with Ctrl-C whenever you like: it "
        "saves, and --resume goes on from there.",
        epilog="examples: ddpm-course train --max-seconds 120 --out runs/digits  |  "
        "ddpm-course train --preset cifar10 --out runs/cifar10  |  "
        "ddpm-course train --data photos/ --size 16 --out runs/photos  |  "
        "ddpm-course train --resume runs/photos  |  "
        "accelerate launch -m ddpm_course.cli train --preset cifar10 --out runs/cifar10",
    )
    folder = train.add_mutually_exclusive_group(required=True)
    folder.add_argument("--out", type=Path, metavar="RUN", help="the run folder; it must be new")
    folder.add_argument("--resume", type=Path, metavar="RUN", help="go on with this run")
    train.add_argument(
        "--preset",
        choices=sorted(_PRESETS),
        help="the network and how to train it (default: digits)",
    )
    train.add_argument(
        "--data",
        metavar="SOURCE",
        help="digits, mnist, fashion_mnist, cifar10, hub:NAME, or a folder of images "
        "(default: the preset's)",
    )
    train.add_argument("--size", type=int, help="height and width of the images (the data's own)")
    train.add_argument("--channels", type=int, help="1 for grey, 3 for color (as the data are)")
    train.add_argument("--steps", type=int, help="stop after so many optimizer steps")
    train.add_argument("--max-seconds", type=float, help="stop after so much training time")
    train.add_argument("--batch-size", type=int, help="images a step, over all processes")
    train.add_argument("--learning-rate", type=float, help="Adam's, after the warm-up")
    train.add_argument("--dropout", type=float, help="probability inside the residual blocks")
    train.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        help="mirror images at random (default: for the data of the preset cifar10 alone)",
    )
    train.add_argument("--precision", choices=["float32", "bfloat16"], help="inside the network")
    train.add_argument("--compile", action="store_true", default=None, help="torch.compile (CUDA)")
    train.add_argument("--seed", type=int, help="everything random follows from it (default: 0)")
    train.add_argument("--device", help="auto, cpu, cuda or mps (default: auto)")
    train.add_argument(
        "--save-every",
        type=int,
        default=1000,
        help="steps between two checkpoints, each with a grid of samples (default: 1000)",
    )
    train.add_argument("--tensorboard", action="store_true", help="write for TensorBoard too")
    train.set_defaults(run=_train)

    sample = commands.add_parser(
        "sample",
        help="draw images from a trained model",
        description="Draw images from a trained model: with the ancestral sampler (T steps), or "
        "with DDIM, which needs fewer.",
        epilog="examples: ddpm-course sample digits --num 64 --out grid.png  |  "
        "ddpm-course sample runs/digits --sampler ddim --steps 50 --out samples.npy",
    )
    sample.add_argument(
        "--out",
        type=Path,
        default=Path("samples.png"),
        help=".png: a grid to look at; .npy: float32, (N, C, H, W), in [-1, 1] "
        "(default: samples.png)",
    )
    _add_sampling(sample, num=64)
    sample.set_defaults(run=_sample)

    draw = commands.add_parser(
        "draw",
        help="draw digits from words",
        description="Draw the digit that a prompt asks for, in English or Korean, with the small "
        "text-to-image model of the chapter on trends.",
        epilog='examples: ddpm-course draw "a handwritten three"  |  '
        'ddpm-course draw "숫자 칠" --num 64 --guidance 4 --out sevens.png',
    )
    draw.add_argument("prompt", help='what to draw, as in "number 7"')
    draw.add_argument("--num", type=int, default=16, help="how many images (default: 16)")
    draw.add_argument(
        "--guidance",
        type=float,
        help="0 ignores the prompt, 1 follows it, more insists on it (default: 2)",
    )
    draw.add_argument("--steps", type=int, default=25, help="of DDIM (default: 25)")
    draw.add_argument("--seed", type=int, default=0, help="same seed, same images (default: 0)")
    draw.add_argument(
        "--out", type=Path, default=Path("drawn.png"), help=".png or .npy (default: drawn.png)"
    )
    draw.set_defaults(run=_draw_prompt)

    evaluate = commands.add_parser(
        "evaluate",
        help="judge a trained model by its samples",
        description="Draw samples, compare them with the data that the model was trained on, and "
        "print the figures as JSON.",
        epilog="example: ddpm-course evaluate runs/digits --num 2000",
    )
    evaluate.add_argument(
        "--data", metavar="SOURCE", help="what to compare with (default: what the run trained on)"
    )
    evaluate.add_argument(
        "--fid", action="store_true", help="the Inception FID too (needs torchmetrics)"
    )
    evaluate.add_argument(
        "--bits",
        action="store_true",
        help="the bound in bits per dimension too, on one batch (T passes)",
    )
    _add_sampling(evaluate, num=2000)
    evaluate.set_defaults(run=_evaluate)

    verify = commands.add_parser(
        "verify",
        help="prove every equation of the book, and compare it with the code",
        description="Prove every equation of the book step by step, and compare each with the "
        "function that computes it. Exits 1 when a claim fails.",
    )
    verify.set_defaults(run=_verify)

    release = commands.add_parser(
        "release",
        help="write the exercises from the solved notebooks",
        description="Write exercises/ from solutions/: answers cleared, checks locked.",
        epilog="example: ddpm-course release marginal reverse",
    )
    release.add_argument("chapters", nargs="*", help="which notebooks (default: all)")
    release.add_argument(
        "--source", type=Path, default=Path("solutions"), help="solved (default: solutions)"
    )
    release.add_argument(
        "--target", type=Path, default=Path("exercises"), help="to solve (default: exercises)"
    )
    release.add_argument(
        "--force", action="store_true", help="overwrite notebooks that hold somebody's work"
    )
    release.set_defaults(run=_release)

    grade = commands.add_parser(
        "grade",
        help="grade a folder of submissions",
        description="Grade FOLDER/STUDENT/CHAPTER/CHAPTER.ipynb, each in a sandbox, and write "
        "grades.csv, report.json, junit.xml and a page of feedback for each student.",
        epilog="example: ddpm-course grade submitted --out report",
    )
    grade.add_argument("folder", type=Path, metavar="FOLDER", help="holds a folder a student")
    grade.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="REPORT",
        help="a folder: a new one, or that of a grading that was stopped, to go on",
    )
    grade.add_argument(
        "--released",
        type=Path,
        default=Path("exercises"),
        help="the notebooks as given out: what is graded, and for how many points "
        "(default: exercises)",
    )
    grade.add_argument(
        "--chapters",
        nargs="+",
        default=[],
        metavar="CHAPTER",
        help="what counts (default: all that anyone handed in)",
    )
    grade.add_argument("--jobs", type=int, help="notebooks at a time (default: one a processor)")
    grade.add_argument(
        "--shard",
        default="1/1",
        metavar="K/N",
        help="grade the K-th of N parts of the class, one a machine (default: 1/1)",
    )
    grade.add_argument(
        "--timeout",
        type=int,
        default=20,
        help="seconds of processor time for one answer (default: 20)",
    )
    grade.add_argument(
        "--memory",
        type=int,
        default=1024,
        help="MiB for one answer, beyond what the libraries take (default: 1024)",
    )
    grade.add_argument(
        "--walls", action="store_true", help="refuse to grade where bubblewrap does not work"
    )
    grade.add_argument(
        "--seed", help="a secret; the same one asks the same questions (default: a new one)"
    )
    grade.set_defaults(run=_grade)

    papers = commands.add_parser(
        "papers",
        help="rank a library of papers by its citations, and order your reading",
        description="Find the core and the clusters of a library of papers, and what to read "
        "before a paper and next.",
        epilog="example: ddpm-course papers mine.csv --citations cites.csv --before ho2020ddpm",
    )
    papers.add_argument(
        "library", type=Path, nargs="?", help="CSV or BibTeX (default: the book's own papers)"
    )
    papers.add_argument("--citations", type=Path, help="CSV with the columns citing and cited")
    papers.add_argument("--before", metavar="ID", help="the paper that you want to understand")
    papers.add_argument("--already", metavar="ID", nargs="+", default=[], help="what you have read")
    papers.set_defaults(run=_papers)
    return parser


def _add_sampling(parser: argparse.ArgumentParser, num: int) -> None:
    add = parser.add_argument
    add("model", nargs="?", default="digits", help="a run folder, a file, or a shipped model")
    add("--num", type=int, default=num, help=f"how many images (default: {num})")
    add(
        "--sampler",
        choices=["ancestral", "ddim"],
        default="ancestral",
        help="(default: ancestral)",
    )
    add(
        "--variance",
        choices=["beta_tilde", "beta"],
        help="of each step back, for ancestral (default: beta_tilde)",
    )
    add("--steps", type=int, help="for ddim (default: 50)")
    add("--eta", type=float, help="fresh noise, 0 to 1, for ddim (default: 0)")
    add("--batch-size", type=int, default=500, help="images drawn at once (default: 500)")
    add("--seed", type=int, default=0, help="the same seed, the same images (default: 0)")
    add("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    add(
        "--precision",
        choices=["float32", "bfloat16"],
        default="float32",
        help="inside the network (default: float32)",
    )
    add("--compile", action="store_true", help="torch.compile, for many images (CUDA)")


# -- train ------------------------------------------------------------------------------------


def _digits() -> tuple[UNetConfig, Schedule, TrainConfig]:
    from ddpm_course.schedule import Schedule
    from ddpm_course.trainer import TrainConfig
    from ddpm_course.unet import UNetConfig

    # So small an image needs few steps: 250 draw as well as 1000, in a quarter of the time.
    return UNetConfig.digits(), Schedule.cosine(250), TrainConfig.digits()


def _cifar10() -> tuple[UNetConfig, Schedule, TrainConfig]:
    from ddpm_course.schedule import Schedule
    from ddpm_course.trainer import TrainConfig
    from ddpm_course.unet import UNetConfig

    return UNetConfig.cifar10(), Schedule.linear(), TrainConfig.cifar10()


_PRESETS = {"cifar10": _cifar10, "digits": _digits}  # each name is that of its data too


def _train(options: argparse.Namespace) -> int:
    from tqdm.auto import tqdm

    changes = {
        name: value
        for name in (
            *("steps", "max_seconds", "batch_size", "learning_rate"),
            *("flip", "precision", "compile", "seed", "device"),
        )
        if (value := getattr(options, name)) is not None
    }
    run = _resumed(options, changes) if options.resume else _new_run(options, changes)
    trainer = run.trainer
    quiet = trainer.rank > 0  # of several processes, one speaks
    with tqdm(
        total=trainer.config.steps,
        initial=trainer.step,
        desc="training",
        unit="step",
        disable=True if quiet else None,
    ) as bar:
        for metrics in run.steps():
            bar.update()
            if metrics.step % 20 == 0:
                bar.set_postfix(loss=f"{metrics.loss:.4f}", seconds=f"{metrics.seconds:.0f}")
    if quiet:
        return 0
    if run.stopped_by:
        print(
            f"stopped by {run.stopped_by} after step {trainer.step}; all is saved. "
            f"To go on:  ddpm-course train --resume {run.path}",
            file=sys.stderr,
        )
        return 128 + getattr(signal, run.stopped_by, signal.SIGTERM)
    print(f"{trainer.step} steps in {trainer.seconds:.0f} s; the model is in {run.path}")
    print(f"now draw from it:  ddpm-course sample {run.path} --out grid.png")
    return 0


def _new_run(options: argparse.Namespace, changes: dict[str, Any]) -> Run:
    from dataclasses import replace

    import torch

    from ddpm_course import images
    from ddpm_course.run import Run, check_new
    from ddpm_course.trainer import Trainer, pick_device
    from ddpm_course.unet import UNet

    name = options.preset or "digits"
    network, schedule, config = _PRESETS[name]()
    if "max_seconds" in changes:
        changes = {"steps": None} | changes
    source = options.data or name
    config = replace(config, flip=config.flip and source == name)
    config = replace(config, **changes)
    pick_device(config.device)  # what can be refused at once is refused before the data are read
    check_new(options.out)
    data = images.load(source, options.size, options.channels)
    network = replace(network, size=data.shape[-1], in_channels=data.shape[1])
    if options.dropout is not None:
        network = replace(network, dropout=options.dropout)
    with torch.random.fork_rng([]):
        torch.manual_seed(config.seed)  # the network's first weights
        model = UNet(network)
    trainer = Trainer(model, schedule, data, config)
    return Run(
        trainer,
        options.out,
        source,
        save_every=options.save_every,
        tensorboard=options.tensorboard,
    )


def _resumed(options: argparse.Namespace, changes: dict[str, Any]) -> Run:
    from dataclasses import asdict

    from ddpm_course import images
    from ddpm_course.run import Run, read_config

    about = read_config(options.resume)
    try:
        network, source = about["unet"], options.data or about["source"]
        size, channels = network["size"], network["in_channels"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{options.resume} holds no run; give the folder of one.") from error
    fixed = {"size": size, "channels": channels, "dropout": network["dropout"]}
    if options.preset is not None:
        wanted = asdict(_PRESETS[options.preset]()[0]) | fixed
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
    data = images.load(source, size, channels)
    return Run.resume(
        options.resume,
        data,
        save_every=options.save_every,
        tensorboard=options.tensorboard,
        **changes,
    )


# -- sample and evaluate ----------------------------------------------------------------------


def _sample(options: argparse.Namespace) -> None:
    from ddpm_course.checkpoint import load

    _check_sampling(options)
    model, schedule = load(options.model)
    _write_images(options.out, lambda: _draw(options, model, schedule))


def _draw_prompt(options: argparse.Namespace) -> None:
    import torch

    from ddpm_course.trends import text_to_image

    if options.num < 1:
        raise ValueError(f"--num is {options.num}; ask for at least 1 image.")
    guidance = text_to_image.GUIDANCE if options.guidance is None else options.guidance
    generator = torch.Generator().manual_seed(options.seed)
    model = text_to_image.load()
    reading = model.encoder.read(options.prompt)
    if reading.unknown:
        print(f"ddpm-course: {reading}", file=sys.stderr)
    prompts = [options.prompt] * options.num
    _write_images(
        options.out,
        lambda: text_to_image.draw(prompts, guidance, options.steps, generator, model),
    )


def _write_images(out: Path, draw: Callable[[], Tensor]) -> None:
    """Draw, and write a grid or numbers; it is refused before the work if it cannot be written."""
    from ddpm_course.checkpoint import beside

    if out.suffix not in (".npy", ".png"):
        raise ValueError(f"--out is {out}; end it with .png (a grid) or .npy (numbers).")
    with beside(out) as file:
        file.touch()
        images = draw()
        if out.suffix == ".npy":
            import numpy as np

            np.save(file, images.numpy())
        else:
            from ddpm_course.plots import save_images

            save_images(images, file)
    print(f"{len(images)} images in {out}")


def _check_sampling(options: argparse.Namespace) -> None:
    from ddpm_course.trainer import pick_device

    if options.num < 1:
        raise ValueError(f"--num is {options.num}; ask for at least 1 image.")
    if options.batch_size < 1:
        raise ValueError(f"--batch-size is {options.batch_size}; draw at least 1 image at once.")
    others = ("steps", "eta") if options.sampler == "ancestral" else ("variance",)
    for name in others:
        if getattr(options, name) is not None:
            raise ValueError(f"--{name} does not belong to --sampler {options.sampler}; drop one.")
    if options.compile and pick_device(options.device).type != "cuda":
        raise ValueError(f"--compile needs a CUDA device, not {options.device}; leave it out.")
    pick_device(options.device)


def _draw(options: argparse.Namespace, model: UNet, schedule: Schedule) -> Tensor:
    """(num, C, H, W) samples, as the options ask."""
    import torch
    from tqdm.auto import tqdm

    from ddpm_course import reverse
    from ddpm_course.trainer import pick_device
    from ddpm_course.unet import Quick

    channels, size = model.config.in_channels, model.config.size
    device = pick_device(options.device)
    layout = torch.channels_last if device.type == "cuda" else torch.contiguous_format
    model.to(device, memory_format=layout)  # type: ignore
    network = Quick(model, options.precision, options.compile)
    generator = torch.Generator().manual_seed(options.seed)
    steps = options.steps if options.steps is not None else min(50, schedule.T)
    starts = range(0, options.num, options.batch_size)
    length = schedule.T if options.sampler == "ancestral" else steps
    batches = []
    with tqdm(total=len(starts) * length, desc="sampling", unit="step", disable=None) as bar:
        for start in starts:
            shape = (min(options.batch_size, options.num - start), channels, size, size)
            if options.sampler == "ancestral":
                variance: reverse.Variance = options.variance or "beta_tilde"
                walk = reverse.ancestral(network, shape, schedule, variance, generator=generator)
            else:
                eta = options.eta or 0.0
                walk = reverse.ddim(network, shape, schedule, steps, eta, generator=generator)
            for step in walk:
                bar.update(step.t > 0)
            batches.append(step.x_t.cpu())
    return torch.cat(batches)


def _evaluate(options: argparse.Namespace) -> None:
    import torch

    from ddpm_course import checkpoint, images, loss, metrics
    from ddpm_course.data import digits
    from ddpm_course.run import read_config

    _check_sampling(options)
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
    data = images.load(source, size, channels)
    levels = 17 if data.is_floating_point() else 256
    if not data.is_floating_point():
        data = data / 127.5 - 1
    samples = _draw(options, model, schedule)
    report: dict[str, Any] = {"model": str(options.model), "data": source, "samples": options.num}
    if source == "digits":
        report |= metrics.digit_report(samples)._asdict()
    else:
        report["frechet"] = metrics.frechet_distance(samples, data)
        report["nearest"] = float(metrics.nearest_distance(samples, data).median())
    if inception is not None:
        report["fid"] = metrics.inception_fid(samples, data, inception)
    if options.bits:
        generator = torch.Generator().manual_seed(options.seed)
        unseen = digits("test") if source == "digits" else data  # our split is the one we know
        batch = unseen[: options.batch_size]
        bits = loss.bits_per_dim(model, batch, schedule, levels, generator=generator)
        report["bits_per_dim"] = float(bits.total)
    print(json.dumps(report, indent=2))


# -- the course -------------------------------------------------------------------------------


def _verify(options: argparse.Namespace) -> int:
    from ddpm_course import ledger

    return ledger.main()


def _release(options: argparse.Namespace) -> None:
    from ddpm_course.grading.release import release
    from ddpm_course.grading.tasks import CHAPTERS

    chapters = _chapters(options.chapters) or CHAPTERS
    for path in release(chapters, options.source, options.target, options.force):
        print(path)


def _chapters(names: Sequence[str]) -> Sequence[str]:
    from ddpm_course.grading.tasks import CHAPTERS

    if unknown := [name for name in names if name not in CHAPTERS]:
        raise ValueError(
            f"{unknown[0]} is no chapter with exercises; choose among {', '.join(CHAPTERS)}."
        )
    return names


def _grade(options: argparse.Namespace) -> None:
    import re
    import secrets

    if sys.platform == "win32":
        raise ValueError("grade needs Linux, for what it may limit; on Windows, run it in WSL.")
    from ddpm_course.grading.doors import can_close
    from ddpm_course.grading.journal import Journal
    from ddpm_course.grading.judge import grade
    from ddpm_course.grading.sandbox import Limits, has_bubblewrap

    for name, least in (("jobs", 1), ("timeout", 2), ("memory", 64)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise ValueError(f"--{name} is {value}; give at least {least}.")
    shard = re.fullmatch(r"(\d+)/(\d+)", options.shard)
    if shard is None or not 1 <= int(shard[1]) <= int(shard[2]):
        raise ValueError(f"--shard is {options.shard}; give K/N with K from 1 to N, as in 2/8.")
    bubblewrap, filter_ = has_bubblewrap(), can_close()
    if options.walls and not (bubblewrap and filter_):
        missing = "libseccomp is not" if bubblewrap else "bubblewrap does not work"
        raise ValueError(f"{missing} here; install it, or leave --walls out.")
    if not bubblewrap:
        print(
            "ddpm-course: bubblewrap does not work here (on Debian and Ubuntu: apt install "
            "bubblewrap). Time, memory, processes and the size of files are limited all the same; "
            "but students' code can read what you can read, the solutions and other submissions "
            "too, write where you can write, and stop the grading. Grade only people you trust, "
            "or in a container of their own.",
            file=sys.stderr,
        )
    if not filter_:
        print(
            "ddpm-course: libseccomp is not here (on Debian and Ubuntu: apt install libseccomp2). "
            "Students' code can take memory past its limit and disturb the answers after it.",
            file=sys.stderr,
        )
    out, seed, chapters = options.out, options.seed, _chapters(options.chapters)
    terms = {
        "folder": str(options.folder.resolve()),
        "released": str(options.released.resolve()),
        **{name: getattr(options, name) for name in ("timeout", "memory", "shard", "chapters")},
    }
    if not options.folder.is_dir():
        raise ValueError(
            f"{options.folder} is not a folder; give the one that holds the students' folders."
        )
    with contextlib.closing(
        Journal(out, seed or secrets.token_hex(16), terms, bool(seed))
    ) as journal:
        try:
            graded = grade(
                options.folder,
                options.released,
                options.jobs or 0,
                Limits(options.timeout, options.memory),
                journal.seed,
                chapters,
                (int(shard[1]), int(shard[2])),
                hide=[out],
                walls=bubblewrap,
                progress=True,
                done=dict(journal.done),
                note=journal.add,
            )
        except BaseException:
            journal.report_what_is_done()
            raise
        journal.finish(graded, {"bubblewrap": bubblewrap, "seccomp": filter_})
    students, notebooks = {s.student for s in graded}, sum(s.handed_in for s in graded)
    print(f"{notebooks} notebooks of {len(students)} students; the report is in {out}")


def _papers(options: argparse.Namespace) -> None:
    from ddpm_course.trends import papers

    if options.library is None:
        library = papers.landmarks()
    else:
        library = papers.read(options.library, options.citations)
    print(papers.summary(library, options.before, options.already))


if __name__ == "__main__":
    sys.exit(main())
