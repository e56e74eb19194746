"""grade: a folder of submissions."""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ddpm_course.cli.release import known_chapters


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The options of the command."""
    parser = commands.add_parser(
        "grade",
        help="grade a folder of submissions",
        description="Grade FOLDER/STUDENT/CHAPTER/CHAPTER.ipynb, each in a sandbox, and write "
        "grades.csv, report.json, junit.xml and a page of feedback for each student. A download "
        "of Moodle or Canvas does as well, as a folder or as its zip.",
        epilog="example:\n  ddpm-course grade submitted --out report",
    )
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="holds a folder a student; or a zip of that"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="REPORT",
        help="a new folder; or that of a grading that was stopped, to go on",
    )
    parser.add_argument(
        "--released",
        type=Path,
        default=Path("exercises"),
        help="the notebooks as given out: what is graded, and for how many points "
        "(default: exercises)",
    )
    parser.add_argument(
        "--chapters",
        nargs="+",
        default=[],
        metavar="CHAPTER",
        help="what counts (default: all that anyone handed in)",
    )
    parser.add_argument("--jobs", type=int, help="notebooks at a time (default: one a processor)")
    parser.add_argument(
        "--shard",
        default="1/1",
        metavar="K/N",
        help="grade the K-th of N parts of the class, one a machine (default: 1/1)",
    )
    parser.add_argument(
        "--timeout",
        type=int,
        default=20,
        help="seconds of processor time for one answer (default: 20)",
    )
    parser.add_argument(
        "--memory",
        type=int,
        default=1024,
        help="MiB for one answer, beyond what the libraries take (default: 1024)",
    )
    parser.add_argument(
        "--largest",
        type=int,
        default=20,
        metavar="MIB",
        help="of a notebook with its outputs; a larger one is named and not read (default: 20)",
    )
    parser.add_argument(
        "--held-back",
        type=Path,
        metavar="FILE.npy",
        help="real data that projects are compared with (default: the digits)",
    )
    parser.add_argument(
        "--training",
        type=Path,
        metavar="FILE.npy",
        help="what projects learned from, if you gave it out (default: a part of --held-back)",
    )
    parser.add_argument(
        "--walls", action="store_true", help="refuse to grade without bubblewrap and libseccomp"
    )
    parser.add_argument(
        "--seed", help="a secret; the same one asks the same questions (default: a new one)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    import re
    import secrets

    if sys.platform == "win32":
        raise ValueError("grade needs Linux, for what it may limit; on Windows, run it in WSL.")
    from ddpm_course.grading.archives import is_zip
    from ddpm_course.grading.doors import can_close
    from ddpm_course.grading.journal import Journal
    from ddpm_course.grading.judge import grade
    from ddpm_course.grading.report import remarks
    from ddpm_course.grading.sandbox import Limits, standing, weaknesses, why_no_walls

    for name, least in (("jobs", 1), ("timeout", 2), ("memory", 64), ("largest", 1)):
        value = getattr(options, name)
        if value is not None and value < least:
            raise ValueError(f"--{name} is {value}; give at least {least}.")
    shard = re.fullmatch(r"(\d+)/(\d+)", options.shard)
    if shard is None or not 1 <= int(shard[1]) <= int(shard[2]):
        raise ValueError(f"--shard is {options.shard}; give K/N with K from 1 to N, as in 2/8.")
    why, filter_ = why_no_walls(), can_close()
    bubblewrap = not why
    if options.walls and not bubblewrap:
        raise ValueError(f"bubblewrap does not work here. {why} Or leave --walls out.")
    if options.walls and not filter_:
        raise ValueError("libseccomp is not here; install it, or leave --walls out.")
    stands = standing(bubblewrap)
    for sentence in weaknesses(stands, why):
        print(f"ddpm-course: {sentence}", file=sys.stderr)
    out, seed = options.out, options.seed
    chapters = counted(options.chapters)
    sets = real_data(options.held_back, options.training)
    terms = {
        "folder": str(options.folder.resolve()),
        "released": str(options.released.resolve()),
        **{
            name: getattr(options, name)
            for name in ("timeout", "memory", "shard", "chapters", "largest")
        },
        "sets": {name: hashlib.sha256(content).hexdigest() for name, content in sets.items()},
    }
    if not (options.folder.is_dir() or is_zip(options.folder)):
        raise ValueError(
            f"{options.folder} is not a folder; give the one that holds the students' folders, or "
            "its zip."
        )
    unpacked = out / ".unpacked"
    with contextlib.closing(
        Journal(out, seed or secrets.token_hex(16), terms, bool(seed))
    ) as journal:
        shutil.rmtree(unpacked, ignore_errors=True)  # of a grading that was stopped
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
                tell=lambda sentence: print(f"ddpm-course: {sentence}", file=sys.stderr),
                largest=options.largest,
                unpacked=unpacked,
                sets=sets,
            )
        except BaseException:
            journal.report_what_is_done()
            raise
        shutil.rmtree(unpacked, ignore_errors=True)
        journal.finish(graded, stands)
    for line in remarks(graded):
        print(line, file=sys.stderr)
    students, notebooks = {s.student for s in graded}, sum(s.handed_in for s in graded)
    print(f"{notebooks} notebooks of {len(students)} students; the report is in {out}")


def counted(names: Sequence[str]) -> list[str]:
    """Chapters, and the project among them, by names that may be misspelled.

    Raises:
        ValueError: there is none of that name.
    """
    from ddpm_course.grading.judge import PROJECT

    named = [name for name in names if name != PROJECT]
    return [*(known_chapters(named) if named else ()), *([PROJECT] if PROJECT in names else ())]


def real_data(held_back: Path | None, training: Path | None) -> dict[str, bytes]:
    """The files that projects are compared with.

    Raises:
        ValueError: one is no set of images, or they do not fit together.
    """
    import io

    import numpy as np

    from ddpm_course.grading.project import FEWEST_DATA

    given = {"--held-back": held_back, "--training": training}
    if training is not None and held_back is None:
        raise ValueError("--training stands beside --held-back; give both.")
    sets: dict[str, bytes] = {}
    shapes = set()
    for option, path in given.items():
        if path is None:
            continue
        content = path.read_bytes()
        try:
            array = np.load(io.BytesIO(content), allow_pickle=False)
            fits = array.dtype == np.uint8 or bool(abs(array).max() <= 1.001)
        except (ValueError, TypeError, EOFError):
            fits = False
        if not fits or array.ndim < 2 or len(array) < FEWEST_DATA:
            raise ValueError(
                f"{option} {path} is no .npy file of {FEWEST_DATA} or more images, in [-1, 1] or "
                "uint8."
            )
        shapes.add(array.shape[1:])
        sets[option[2:].replace("-", " ")] = content
    if len(shapes) > 1:
        raise ValueError("--held-back and --training have images of different shapes.")
    return sets
