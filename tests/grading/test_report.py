"""Names of students in tables, in XML and on a disk, whatever a learning platform lets them be."""

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from ddpm_course.grading.judge import Grade, Submission
from ddpm_course.grading.report import feedback_name, write_report

ODD = [
    *(
        "漢" * 84,
        "bob\ufffe",
        "\uffff",
        "\ufdd0",
        "\x9b31m",
        "x\u202egpj",
        "tab\tname",
        "new\nline",
    ),
    *('=HYPERLINK("x")', "=1+1", "+1", "@SUM(1)", "-2", " =1", "＝1", "CON", "nul.txt", "LPT1"),
    *(
        "ada",
        "Ada",
        "ADA",
        "é",
        "e\u0301",
        "José Núñez",
        "a\x01",
        "a\x02",
        "\udcff",
        "\u200b",
        "ada ",
    ),
]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    hashed = feedback_name("José Núñez").removesuffix(".html")
    grade = Grade("a.b", "T", 0, 1, "A sentence \ud800 with \x1b[31m \uffff.")
    found = [
        Submission(name, "forward", Path("x"), True, (grade,)) for name in sorted([*ODD, hashed])
    ]
    write_report(found, tmp_path / "report", "seed", {"bubblewrap": True})
    return tmp_path / "report"


def test_each_student_has_a_page_and_a_row_of_their_own(out: Path) -> None:
    count = len(ODD) + 1
    pages = [path.name for path in (out / "feedback").iterdir()]
    assert len(pages) == len({page.casefold() for page in pages}) == count
    assert max(len(page.encode()) for page in pages) <= 210
    text = (out / "grades.csv").read_text(encoding="utf8")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len({row["student_id"] for row in rows}) == count
    assert not any(row["student_id"].lstrip()[0] in "=+-@＝" for row in rows)
    report = json.loads((out / "report.json").read_text(encoding="utf8"))
    assert {Path(one["feedback"]).name for one in report["students"]} == set(pages)
    assert report["walls"] == {"bubblewrap": True}
    assert not {"CON.html", "nul.txt.html", "LPT1.html"} & set(pages)


def test_what_is_written_can_be_read(out: Path) -> None:
    ET.parse(out / "junit.xml")
    for path in out.rglob("*.*"):
        text = path.read_text(encoding="utf8")
        assert not {"\x1b", "\ufffe", "\uffff", "\u202e", "\x9b"} & set(text)
