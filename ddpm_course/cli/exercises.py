"""exercises: the notebooks to solve, copied out of the package."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "exercises",
        help="copy the exercises that come with the package into a folder of yours",
        description="Copy the exercises that come with the package into FOLDER, which must be new.",
        epilog="example:\n  ddpm-course exercises my-exercises",
    )
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to; it must be new")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    target: Path = options.folder
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ValueError(f"{target} exists already; name a new folder, so that no work is lost.")
    try:
        shutil.copytree(
            _shipped(),
            target,
            ignore=shutil.ignore_patterns(".*", "__pycache__"),
            dirs_exist_ok=True,
        )
    except (OSError, shutil.Error) as error:
        raise ValueError(f"{target} cannot be written ({error}); name another folder.") from error
    notebooks = len(list(target.rglob("*.ipynb")))
    print(f"{notebooks} notebooks in {target}; open them with: jupyter lab {target}")


def _shipped() -> Path:
    package = Path(__file__).resolve().parents[1]
    # In a wheel they lie in the package; in the repository beside it.
    inside, beside = package / "exercises", package.parent / "exercises"
    return inside if inside.is_dir() else beside
