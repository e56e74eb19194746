"""draw: digits from words."""

from __future__ import annotations

import argparse
from pathlib import Path

from ddpm_course.cli.output import add_quiet, tell
from ddpm_course.cli.pictures import write_images


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "draw",
        help="draw digits from words",
        description="Draw the digit that a prompt asks for, in English or Korean, with the small "
        "text-to-image model of the pages on trends.",
        epilog='examples:\n  ddpm-course draw "a handwritten three"\n  '
        'ddpm-course draw "숫자 칠" --num 64 --guidance 4 --out sevens.png',
    )
    parser.add_argument("prompt", help='what to draw, as in "number 7"')
    parser.add_argument("--num", type=int, default=16, help="how many images (default: 16)")
    parser.add_argument(
        "--guidance",
        type=float,
        help="0 ignores the prompt, 1 follows it, more insists on it (default: 2)",
    )
    parser.add_argument("--steps", type=int, default=25, help="of DDIM (default: 25)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same images (default: 0)")
    parser.add_argument(
        "--out", type=Path, default=Path("drawn.png"), help=".png or .npy (default: drawn.png)"
    )
    parser.add_argument("--force", action="store_true", help="overwrite a file that is there")
    add_quiet(parser)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    import torch

    from ddpm_course.trends import text_to_image

    if options.num < 1:
        raise ValueError(f"--num is {options.num}; ask for at least 1 image.")
    guidance = text_to_image.GUIDANCE if options.guidance is None else options.guidance
    generator = torch.Generator().manual_seed(options.seed)
    model = text_to_image.load()
    reading = model.encoder.read(options.prompt)
    if reading.unknown:
        tell(f"ddpm-course: {reading}")
    prompts = [options.prompt] * options.num
    write_images(
        options.out,
        lambda: text_to_image.draw(prompts, guidance, options.steps, generator, model),
        options.force,
    )
