"""Grades one submission where a platform runs us, and writes what the platform reads.

    python -m ddpm_course.grading.platforms gradescope --submission DIR --results FILE

``pack`` writes the packages that call this.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ddpm_course.grading.grades import Submission
from ddpm_course.grading.handed_in import one_student
from ddpm_course.grading.judge import PROJECT, grade
from ddpm_course.grading.report import write_report
from ddpm_course.grading.sandbox import Limits, standing, weaknesses, why_no_walls
from ddpm_course.grading.tasks import CHAPTERS

__all__ = ["PLATFORMS", "VISIBILITIES", "classroom", "gradescope", "main"]

PLATFORMS = ("gradescope", "docker", "classroom")
VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")


def gradescope(
    graded: Sequence[Submission], visibility: str, stands: Mapping[str, object]
) -> dict[str, Any]:
    """The ``results.json`` of Gradescope: a test a task, with our sentence as its output.

    Args:
        graded: one student's.
        visibility: when students see points and sentences, one of ``VISIBILITIES``.
        stands: what stood around the student's code; kept beside the results, unseen by students.
    """
    tests = [
        {
            "name": f"{one.chapter}: {task.title}",
            "score": float(task.points),
            "max_score": float(task.max_points),
            "status": "passed" if task.right else "failed",
            "output": task.sentence or task.lesson,
            "output_format": "text",
            "visibility": visibility,
        }
        for one in graded
        for task in one.grades
    ]
    result: dict[str, Any] = {
        "output": "\n".join(one.problem or one.note for one in graded if one.problem or one.note),
        "output_format": "text",
        "stdout_visibility": "hidden",
        "tests": tests,
        "extra_data": {"walls": dict(stands)},
    }
    scores = next((one.scores for one in graded if one.scores), {})
    if scores:
        ascending = {"quality": "asc", "likeness": "desc", "variety": "desc"}
        result["leaderboard"] = [
            {"name": name, "value": round(scores[name], 4), "order": order}
            for name, order in ascending.items()
            if name in scores
        ]
    return result


def classroom(graded: Sequence[Submission]) -> dict[str, str]:
    """What GitHub Classroom's reporter reads: a result a task, in Base64.

    Older reporters give a result's points for the share of its tests that pass, so a result has
    one test; half points are for newer ones.
    """
    results = {}
    for one, task in [(s, task) for s in graded for task in s.grades]:
        test = {
            "name": task.title,
            "status": "pass" if task.right else "fail",
            "score": float(task.points),
            "message": "" if task.right else task.sentence,
            "test_code": task.task,
            "filename": one.path.name,
            "line_no": 0,
            "duration": 0,
        }
        result = {
            "version": 1,
            "status": test["status"],
            "max_score": float(task.max_points),
            "tests": [test],
        }
        encoded = base64.b64encode(json.dumps(result).encode()).decode()
        results[re.sub(r"[._]", "-", task.task)] = encoded
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Grade one submission; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return _run(options)
    except ValueError as error:
        print(f"ddpm-course: {error}", file=sys.stderr)
        return 2


def _run(options: argparse.Namespace) -> int:
    why = why_no_walls()
    stands = standing(not why)
    for sentence in weaknesses(stands, why):
        print(f"ddpm-course: {sentence}", file=sys.stderr)
    chapters = [c for c in (*CHAPTERS, PROJECT) if c in options.chapters]
    with tempfile.TemporaryDirectory(prefix="ddpm-one-") as place:
        student = one_student(options.student, options.submission, Path(place))
        graded = grade(
            {options.student: student},
            options.released,
            1,
            Limits(options.timeout, options.memory),
            chapters=chapters,
            hide=[Path(options.results).parent],
            walls=not why,
            largest=options.largest,
        )
    results = Path(options.results)
    if options.platform == "docker":
        write_report(graded, results, "", stands)
    elif options.platform == "gradescope":
        result = gradescope(graded, options.visibility, stands)
        results.write_text(json.dumps(result, indent=1) + "\n", encoding="utf8")
    else:
        lines = [f"{name}={result}\n" for name, result in classroom(graded).items()]
        with results.open("a", encoding="utf8") as file:
            file.writelines(lines)
    for one in graded:
        told = f"  {one.problem or one.note}" if one.problem or one.note else ""
        print(f"{one.chapter}: {one.points:g} of {one.max_points:g}{told}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ddpm_course.grading.platforms")
    parser.add_argument("platform", choices=PLATFORMS)
    parser.add_argument("--submission", type=Path, required=True, help="the student's folder")
    parser.add_argument(
        "--results",
        required=True,
        help="a file to write; for docker a folder, for classroom a file to add to",
    )
    parser.add_argument("--released", type=Path, default=Path("exercises"))
    parser.add_argument("--chapters", nargs="+", default=[], metavar="CHAPTER")
    parser.add_argument("--student", default=os.environ.get("STUDENT", "student"))
    parser.add_argument("--visibility", choices=VISIBILITIES, default="after_published")
    parser.add_argument("--timeout", type=int, default=20)
    parser.add_argument("--memory", type=int, default=1024)
    parser.add_argument("--largest", type=int, default=20)
    return parser


if __name__ == "__main__":
    sys.exit(main())
