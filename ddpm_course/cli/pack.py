"""pack: what grades one submission on Gradescope, in Docker or in GitHub Classroom."""

from __future__ import annotations

import argparse
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "pack",
        help="write a package for Gradescope, Docker or GitHub Classroom",
        description="Write a package whose script grades one submission, each answer in a "
        "sandbox, and writes what the platform reads.",
        epilog="example:\n  ddpm-course pack gradescope --out autograder.zip --chapters forward",
    )
    parser.add_argument("platform", choices=("gradescope", "docker", "classroom"))
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="PLACE",
        help="a new zip file for gradescope, else a new folder",
    )
    parser.add_argument(
        "--chapters", nargs="+", required=True, metavar="CHAPTER", help="what counts"
    )
    parser.add_argument(
        "--released",
        type=Path,
        default=Path("exercises"),
        help="the notebooks as given out (default: exercises)",
    )
    parser.add_argument(
        "--visibility",
        choices=("visible", "after_due_date", "after_published", "hidden"),
        default="after_published",
        help="when Gradescope shows points and feedback (default: after_published)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    from ddpm_course.checkpoint import try_folder
    from ddpm_course.cli.grade import counted
    from ddpm_course.grading.pack import pack

    chapters = counted(options.chapters)
    try_folder(options.out.parent)  # before the package is put together
    pack(options.platform, options.out, options.released, chapters, options.visibility)
    print(options.out)
