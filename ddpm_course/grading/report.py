"""What a grading leaves behind: nbgrader's grades.csv, report.json, junit.xml, a page a student."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from ddpm_course.grading.files import write_beside
from ddpm_course.grading.judge import Grade, Submission

__all__ = ["feedback_name", "write_report"]

COLUMNS = (  # of `nbgrader export`
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
)


def write_report(submissions: Sequence[Submission], out: Path, seed: str) -> None:
    """Write ``out/``: the tables, and ``feedback/<student>.html`` for each student.

    Args:
        seed: goes into report.json, so that an instructor can grade again with the same questions.
            Students see feedback/ alone.
    """
    write_beside(out / "grades.csv", _csv(submissions).encode())
    write_beside(out / "report.json", _json(submissions, seed).encode())
    write_beside(out / "junit.xml", _junit(submissions))
    for student, theirs in groupby(submissions, key=lambda one: one.student):
        page = _page(student, list(theirs))
        write_beside(out / "feedback" / feedback_name(student), page.encode())


def feedback_name(student: str) -> str:
    """The name of a student's page: the folder's own where any system can take it."""
    if re.fullmatch(r"[\w@+-][\w.@+-]{0,99}", student):
        return f"{student}.html"
    return (
        f"student-{hashlib.sha256(student.encode(errors='surrogateescape')).hexdigest()[:12]}.html"
    )


def _text(name: str) -> str:
    """A file's name as text that can be written, whatever bytes it has."""
    name = name.encode(errors="surrogateescape").decode(errors="replace")
    return re.sub(r"[\x00-\x1f\x7f]", "�", name)


def _csv(submissions: Sequence[Submission]) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for one in sorted(submissions, key=lambda one: (one.chapter, one.student)):
        writer.writerow(
            {
                "assignment": one.chapter,
                "student_id": _text(one.student),
                "raw_score": float(one.points),
                "late_submission_penalty": 0.0,
                "score": float(one.points),
                "max_score": float(one.max_points),
            }
        )
    return table.getvalue()


def _json(submissions: Sequence[Submission], seed: str) -> str:
    students = [
        {
            "student": _text(student),
            "points": sum(one.points for one in theirs),
            "max_points": sum(one.max_points for one in theirs),
            "feedback": f"feedback/{feedback_name(student)}",
            "chapters": [
                {
                    "chapter": one.chapter,
                    "handed_in": one.handed_in,
                    "problem": one.problem,
                    "points": one.points,
                    "max_points": one.max_points,
                    "tasks": [
                        {
                            "task": grade.task,
                            "points": grade.points,
                            "max_points": grade.max_points,
                            "feedback": grade.sentence or grade.lesson,
                        }
                        for grade in one.grades
                    ],
                }
                for one in theirs
            ],
        }
        for student, group in groupby(submissions, key=lambda one: one.student)
        for theirs in [list(group)]
    ]
    return json.dumps({"seed": seed, "students": students}, indent=1, ensure_ascii=False) + "\n"


def _junit(submissions: Sequence[Submission]) -> bytes:
    root = ET.Element("testsuites", name="ddpm-course grade")
    for one in submissions:
        wrong = sum(not grade.right for grade in one.grades)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=f"{_text(one.student)}/{one.chapter}",
            tests=str(len(one.grades)),
            failures=str(wrong),
        )
        for grade in one.grades:
            name = f"{grade.title} ({grade.points:g}/{grade.max_points:g})"
            case = ET.SubElement(suite, "testcase", classname=grade.task, name=name)
            if not grade.right:
                ET.SubElement(case, "failure", message=grade.sentence)
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
       color: #1f2328; background: #fff; }
h2 { margin-top: 2.5rem; } li { margin: .8rem 0; } ul { list-style: none; padding: 0; }
.mark { font-weight: 700; } .right .mark { color: #116329; } .wrong .mark { color: #a40e26; }
.points { float: right; } p { margin: .1rem 0; }
"""


def _page(student: str, theirs: Sequence[Submission]) -> str:
    name = html.escape(_text(student))
    points, most = sum(one.points for one in theirs), sum(one.max_points for one in theirs)
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f"<title>Feedback for {name}</title><style>{_STYLE}</style></head><body><main>",
            f"<h1>Feedback for {name}</h1>",
            f"<p><strong>{points:g} of {most:g} points.</strong></p>",
            *(_chapter(one) for one in theirs),
            "</main></body></html>\n",
        ]
    )


def _chapter(one: Submission) -> str:
    headline = f"<h2>{html.escape(one.chapter)}: {one.points:g} of {one.max_points:g} points</h2>"
    if one.problem:
        return f"{headline}\n<p>{html.escape(one.problem)}</p>"
    return "\n".join([headline, "<ul>", *map(_item, one.grades), "</ul>"])


def _item(grade: Grade) -> str:
    kind, mark, word = ("right", "✓", "right") if grade.right else ("wrong", "✗", "not right yet")
    title = html.escape(re.sub(r"\$([^$]*)\$", r"\1", grade.title))
    return (
        f'<li class="{kind}"><span class="points">{grade.points:g} of {grade.max_points:g}</span>'
        f'<span class="mark"><span aria-hidden="true">{mark}</span> {title}</span>, {word}'
        f"<p>{_prose(grade.sentence or grade.lesson)}</p></li>"
    )


def _prose(sentence: str) -> str:
    """Escaped, with a capital, and code between backticks."""
    text = html.escape(sentence[:1].upper() + sentence[1:])
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
