"""Reading times are computed, each chapter keeps to its limit, and bad pages stop the build."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

ROOT = Path(__file__).parents[1]
EXTENSIONS = ROOT / "book" / "_ext"
sys.path.insert(0, str(EXTENSIONS))

import reading  # noqa: E402  (it lies among the book's extensions, not in a package)

PAGES = sorted((ROOT / "book").glob("*.md"))


def minutes(tmp_path: Path, text: str) -> tuple[float, float]:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf8")
    time = reading.measure(page)
    return time.road, time.side


@pytest.mark.parametrize("chapter", reading.LIMITS)
def test_a_chapter_keeps_to_its_limit(chapter: str) -> None:
    road = reading.measure(ROOT / "book" / f"{chapter}.md").road
    assert road <= reading.LIMITS[chapter], f"{chapter} takes {road:.0f} minutes"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_minutes_are_typed_by_hand(page: Path) -> None:
    text = page.read_text(encoding="utf8")
    assert "**Reading:** about" not in text
    env = SimpleNamespace(doc2path=lambda name: str(page))
    reading.demand_time(SimpleNamespace(env=env), page.stem, [text])


@pytest.mark.parametrize(
    ("text", "road", "side"),
    [
        ("word " * 400, 2, 0),
        ("---\n" + "word: 1\n" * 300 + "---\n" + "word " * 200, 1, 0),
        ("$x_t = a + b$ " * 200, 1, 0),
        ("# Title\n\n```{dropdown} More\n" + "word " * 400 + "\n```\n", 1 / 200, 2),
        ("## Side paths\n" + "word " * 398 + "\n## Back\n" + "word " * 199, 1, 2),
        ("```{claim} marginal.variance\n```\n" * 3, 1, 0),
        ("```{code-cell} ipython3\n" + "x = 1\n# why\n\n" * 15 + "```\n", 1, 0),
        ("```{code-cell} ipython3\n:tags: [hide-input]\n\nx = 1\n```\n", 0, 0),
        ("```{code-cell} ipython3\n:tags: [hide-input]\n\nExplorer(draw)\n```\n", 1, 0),
        (
            "```{code-cell} ipython3\n---\ntags: [hide-input]\nmystnb:\n  figure:\n    name: f\n"
            "    caption: |\n" + "      word word\n" * 100 + "---\nx = 1\n```\n",
            1 + 1 / 3,
            0,
        ),
    ],
    ids=["words", "head", "formula", "fold", "side", "claim", "code", "hidden", "slider", "figure"],
)
def test_the_model(tmp_path: Path, text: str, road: float, side: float) -> None:
    assert minutes(tmp_path, text) == pytest.approx((road, side))


def test_a_derivation_counts_its_lines(tmp_path: Path) -> None:
    lines = len(list(reading.symbolic.claim("marginal.variance").rows()))
    road, _ = minutes(tmp_path, "```{derivation} marginal.variance\n```\n")
    assert road == pytest.approx(lines * reading.SECONDS["line"] / 60)
    assert lines > 1


def test_a_question_takes_time_on_the_road_and_its_answer_beside_it(tmp_path: Path) -> None:
    text = "## Check yourself\n```{dropdown} 1. Why?\n" + "word " * 200 + "\n```\n"
    assert minutes(tmp_path, text) == pytest.approx((0.5 + 2 / 200, 1))


def test_a_listing_counts_the_lines_that_it_shows(tmp_path: Path) -> None:
    (tmp_path / "code.py").write_text("a = 1\n\n\ndef f():\n    x = 1\n    return x\n")
    text = "```{literalinclude} code.py\n:language: python\n:pyobject: f\n```\n"
    assert minutes(tmp_path, text)[0] == pytest.approx(3 * reading.SECONDS["code"] / 60)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("# A\n\n```{dropdown}\nmore\n```\n", "page.md:3: this fold has no summary"),
        ("# A\n\n```{note}\nmore\n", "page.md:3: this block is never closed"),
        ("```{claim} marginal.nothing\n```\n", "page.md:1: "),
        ("a\n```{literalinclude} page.py\n:pyobject: g\n```\n", "page.md:2: page.py has no g"),
    ],
)
def test_a_bad_page_is_named_with_its_line(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "page.py").write_text("x = 1\n")
    with pytest.raises(reading.ReadingError, match=says.replace(".", r"\.")):
        minutes(tmp_path, text)


def build(source: Path, text: str) -> subprocess.CompletedProcess[str]:
    (source / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(EXTENSIONS)!r})\n"
        'extensions = ["myst_parser", "reading"]\nmyst_enable_extensions = ["colon_fence"]\n'
    )
    (source / "index.md").write_text(text)
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "text", source, source / "_out"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_page_shows_its_time_and_one_without_stops_the_build(tmp_path: Path) -> None:
    box = "# A\n\n```{admonition} Before you start\n**Reading:** TIME.\n```\n\n" + "word " * 600
    done = build(tmp_path, box.replace("TIME", "{reading}`index`"))
    assert done.returncode == 0, done.stderr
    assert "about 4 minutes." in (tmp_path / "_out" / "index.txt").read_text().replace("\n", " ")

    done = build(tmp_path, box.replace("TIME", "an hour"))
    assert done.returncode != 0
    assert "index.md:3: the box tells no reading time" in done.stderr

    done = build(tmp_path, box.replace("TIME", "{reading}`index` {reading}`nowhere`"))
    assert done.returncode != 0
    assert "there is no page nowhere" in done.stderr
