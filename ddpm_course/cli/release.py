"""release: the exercises from the solved notebooks."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "release",
        help="write the exercises from the solved notebooks",
        description="Write exercises/ from solutions/: answers cleared, checks locked.",
        epilog="example:\n  ddpm-course release marginal reverse",
    )
    parser.add_argument("chapters", nargs="*", help="which notebooks (default: all)")
    parser.add_argument(
        "--source", type=Path, default=Path("solutions"), help="solved (default: solutions)"
    )
    parser.add_argument(
        "--target", type=Path, default=Path("exercises"), help="to solve (default: exercises)"
    )
    parser.add_argument(
        "--force", action="store_true", help="overwrite notebooks that hold somebody's work"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from ddpm_course.checkpoint import try_folder
    from ddpm_course.grading.release import release
    from ddpm_course.grading.tasks import CHAPTERS

    chapters = known_chapters(options.chapters) or CHAPTERS
    try_folder(options.target)  # before the first notebook is cleared
    for path in release(chapters, options.source, options.target, options.force):
        print(path)


def known_chapters(names: Sequence[str]) -> Sequence[str]:
    from ddpm_course.grading.tasks import CHAPTERS

    if unknown := [name for name in names if name not in CHAPTERS]:
        raise ValueError(
            f"{unknown[0]} is no chapter with exercises; choose among {', '.join(CHAPTERS)}."
        )
    return names
