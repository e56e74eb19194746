"""What a grading leaves behind: nbgrader's grades.csv, report.json, junit.xml, a page a student."""

from __future__ import annotations

import csv
import hashlib
import html
import io
import json
import re
import unicodedata
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from ddpm_course.grading.files import write_beside
from ddpm_course.grading.grades import Grade, Submission, with_capital
from ddpm_course.grading.handed_in import NOT_HANDED_IN

__all__ = ["feedback_name", "remarks", "write_report"]

COLUMNS = (  # of `nbgrader export`
    *("assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email"),
    *("raw_score", "late_submission_penalty", "score", "max_score"),
)


def write_report(
    submissions: Sequence[Submission],
    out: Path,
    seed: str,
    walls: Mapping[str, object] | None = None,
) -> None:
    """Write ``out/``: the tables, and ``feedback/<student>.html`` for each student.

    Args:
        seed: goes into report.json, so that an instructor can grade again with the same questions.
            Students see feedback/ alone.
        walls: what stood between students' code and the machine; goes into report.json.
    """
    names = _Names(dict.fromkeys(one.student for one in submissions))
    write_beside(out / "grades.csv", _csv(submissions, names).encode())
    write_beside(out / "report.json", _json(submissions, names, seed, walls).encode())
    write_beside(out / "junit.xml", _junit(submissions, names))
    if any(one.scores for one in submissions):
        write_beside(out / "leaderboard.csv", _leaderboard(submissions, names).encode())
    for student, theirs in groupby(submissions, key=lambda one: one.student):
        page = _page(names.shown[student], list(theirs))
        write_beside(out / "feedback" / names.pages[student], page.encode())


def remarks(submissions: Sequence[Submission]) -> list[str]:
    """A line for each submission that an instructor should look at."""
    return [
        f"{_text(one.student)}, {one.chapter}: {_text(one.problem or one.note)}"
        for one in submissions
        if one.note or one.problem not in ("", NOT_HANDED_IN)
    ]


class _Names:
    """What students are called in tables and files: two students are never called the same."""

    def __init__(self, students: Iterable[str]) -> None:
        self.shown: dict[str, str] = {}
        self.pages: dict[str, str] = {}
        shown, pages = set[str](), set[str]()
        for student in students:
            text, page = _text(student), feedback_name(student)
            if text in shown:
                text = f"{text} ({_digest(student)})"
            if _folded(page) in pages:
                page = f"student-{_digest(student)}.html"
            self.shown[student], self.pages[student] = text, page
            shown.add(text)
            pages.add(_folded(page))


def _digest(student: str) -> str:
    return hashlib.sha256(student.encode(errors="surrogatepass")).hexdigest()[:12]


def _folded(name: str) -> str:
    """What a file system may take for the same name."""
    return unicodedata.normalize("NFC", name.casefold())


_DEVICES = {"con", "prn", "aux", "nul", *(f"{d}{n}" for d in ("com", "lpt") for n in range(10))}
LONGEST_NAME = 200  # bytes; file systems take 255, and what is written beside a file needs some


def feedback_name(student: str) -> str:
    """The name of a student's page: the folder's own where any system can take it."""
    plain = re.fullmatch(r"[\w@+-][\w.@+-]*", student) and not student.startswith("student-")
    device = student.split(".")[0].casefold() in _DEVICES  # of Windows
    if plain and not device and len(student.encode(errors="replace")) <= LONGEST_NAME:
        return f"{student}.html"
    return f"student-{_digest(student)}.html"


def _text(name: str) -> str:
    """A text that can be written and read anywhere, whatever characters it has: none that XML does
    not know, none that turns a line round or steers a terminal."""
    return "".join("\ufffd" if _odd(character) else character for character in name)


def _odd(character: str) -> bool:
    if character in "\u200c\u200d":  # some scripts join their letters with them
        return False
    kind, number = unicodedata.category(character), ord(character)
    nothing = number & 0xFFFE == 0xFFFE or 0xFDD0 <= number <= 0xFDEF
    return nothing or kind in ("Cc", "Cf", "Cs", "Zl", "Zp")


def _cell(text: str) -> str:
    """As a cell of a spreadsheet that is no formula."""
    return f"'{text}" if text.lstrip()[:1] in tuple("=+-@＝＋－＠") else text


def _csv(submissions: Sequence[Submission], names: _Names) -> str:
    table = io.StringIO()
    writer = csv.DictWriter(table, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for one in sorted(submissions, key=lambda one: (one.chapter, one.student)):
        writer.writerow(
            {
                "assignment": one.chapter,
                "student_id": _cell(names.shown[one.student]),
                "raw_score": float(one.points),
                "late_submission_penalty": 0.0,
                "score": float(one.points),
                "max_score": float(one.max_points),
            }
        )
    return table.getvalue()


BOARD = ("quality", "likeness", "variety", "own", "samples", "weights", "last loss")


def _leaderboard(submissions: Sequence[Submission], names: _Names) -> str:
    """The projects of a class, the best first: by points, then by the samples' distance."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["rank", "student", "points", "max_points", *BOARD])
    projects = [one for one in submissions if one.scores]
    projects.sort(key=lambda one: (-one.points, one.scores.get("quality", 1e9), one.student))
    for rank, one in enumerate(projects, start=1):
        scores = [f"{one.scores[name]:.4g}" if name in one.scores else "" for name in BOARD]
        student = _cell(names.shown[one.student])
        writer.writerow([rank, student, f"{one.points:g}", f"{one.max_points:g}", *scores])
    return table.getvalue()


def _json(
    submissions: Sequence[Submission], names: _Names, seed: str, walls: Mapping[str, object] | None
) -> str:
    students = [
        {
            "student": names.shown[student],
            "points": sum(one.points for one in theirs),
            "max_points": sum(one.max_points for one in theirs),
            "feedback": f"feedback/{names.pages[student]}",
            "chapters": [
                {
                    "chapter": one.chapter,
                    "handed_in": one.handed_in,
                    "problem": _text(one.problem),
                    "note": _text(one.note),
                    **({"scores": dict(one.scores)} if one.scores else {}),
                    "points": one.points,
                    "max_points": one.max_points,
                    "tasks": [
                        {
                            "task": grade.task,
                            "points": grade.points,
                            "max_points": grade.max_points,
                            "feedback": _text(grade.sentence or grade.lesson),
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
    report = {"seed": seed, "walls": dict(walls or {}), "students": students}
    return json.dumps(report, indent=1, ensure_ascii=False) + "\n"


def _junit(submissions: Sequence[Submission], names: _Names) -> bytes:
    root = ET.Element("testsuites", name="ddpm-course grade")
    for one in submissions:
        wrong = sum(not grade.right for grade in one.grades)
        suite = ET.SubElement(
            root,
            "testsuite",
            name=f"{names.shown[one.student]}/{one.chapter}",
            tests=str(len(one.grades)),
            failures=str(wrong),
        )
        for grade in one.grades:
            name = f"{grade.title} ({grade.points:g}/{grade.max_points:g})"
            case = ET.SubElement(suite, "testcase", classname=grade.task, name=name)
            if not grade.right:
                ET.SubElement(case, "failure", message=_text(grade.sentence))
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))


_STYLE = """
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem;
       color: #1f2328; background: #fff; }
h2 { margin-top: 2.5rem; } li { margin: .8rem 0; } ul { list-style: none; padding: 0; }
.mark { font-weight: 700; } .right .mark { color: #116329; } .wrong .mark { color: #a40e26; }
.points { float: right; } p { margin: .1rem 0; }
"""


def _page(name: str, theirs: Sequence[Submission]) -> str:
    name = html.escape(name)
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
        return f"{headline}\n<p>{html.escape(_text(one.problem))}</p>"
    note = [f"<p>{html.escape(_text(one.note))}</p>"] if one.note else []
    return "\n".join([headline, *note, "<ul>", *map(_item, one.grades), "</ul>"])


def _item(grade: Grade) -> str:
    kind, mark, word = ("right", "✓", "right") if grade.right else ("wrong", "✗", "not right yet")
    if 0 < grade.points < grade.max_points:
        word = "in part"
    title = html.escape(re.sub(r"\$([^$]*)\$", r"\1", grade.title))
    return (
        f'<li class="{kind}"><span class="points">{grade.points:g} of {grade.max_points:g}</span>'
        f'<span class="mark"><span aria-hidden="true">{mark}</span> {title}</span>, {word}'
        f"<p>{_prose(grade.sentence or grade.lesson)}</p></li>"
    )


def _prose(sentence: str) -> str:
    """Escaped, with a capital where it begins with a word, and code between backticks."""
    text = html.escape(_text(with_capital(sentence)))
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", text)
