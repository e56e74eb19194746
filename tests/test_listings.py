"""What a listing calls, its reader has met: on this page, or on one before it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
EXTENSIONS = ROOT / "book" / "_ext"
sys.path.insert(0, str(EXTENSIONS))

import listings  # noqa: E402  (it lies among the book's extensions, not in a package)

PAGES = [
    page for page in sorted((ROOT / "book").glob("*.md")) if "literalinclude" in page.read_text()
]

CODE = """
from ddpm_course.gaussian import Gaussian
import torch

LIMIT = 3

def helper(x: Typed) -> Typed:
    return torch.sqrt(x)

class Typed: ...

class Room:
    def _inner(self): return 1
    def outer(self, helper_less=len): return self._inner() + helper(LIMIT) + Gaussian(0, 1)
"""
LISTING = "```{{literalinclude}} code.py\n:language: python\n:pyobject: {}\n```\n"
TOC = """
root: index
parts:
  - chapters:
      - file: one
        sections:
          - file: two
"""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_listing_calls_what_is_known(page: Path) -> None:
    listings.check(page)


def test_most_listings_are_found() -> None:
    shown = sum(len(list(listings.listings(page))) for page in PAGES)
    assert shown == sum(
        page.read_text().count("```{literalinclude} ../ddpm_course/") for page in PAGES
    )
    assert shown > 30


@pytest.fixture
def book(tmp_path: Path) -> Path:
    (tmp_path / "code.py").write_text(CODE)
    (tmp_path / "toc.yml").write_text(TOC)
    (tmp_path / "index.md").write_text("# Index\n")
    return tmp_path


def test_the_names_that_a_listing_uses(book: Path) -> None:
    file = book / "code.py"
    assert listings.calls(file, "Room.outer") == {"_inner", "helper", "LIMIT", "Gaussian"}
    assert listings.calls(file, "helper") == set()  # types and other libraries do not count
    assert listings.calls(file, "Room") == {"helper", "LIMIT", "Gaussian"}  # its methods are shown


@pytest.mark.parametrize(
    "said",
    [
        "`_inner`, `helper(x)`, `LIMIT` and `Gaussian`",
        "```{code-cell} ipython3\n_inner, helper(LIMIT), Gaussian\n```",
        LISTING.format("Room") + LISTING.format("helper") + "`LIMIT` and `Gaussian`",
        "```{dropdown} More\n`_inner`, `helper`, `LIMIT`, `Gaussian`\n```",
    ],
    ids=["prose", "cell", "listing", "fold"],
)
@pytest.mark.parametrize("earlier", [False, True], ids=["here", "before"])
def test_what_was_said_is_known(book: Path, said: str, earlier: bool) -> None:
    (book / "one.md").write_text(said if earlier else "# One\n")
    (book / "two.md").write_text(LISTING.format("Room.outer") + ("" if earlier else said))
    listings.check(book / "two.md", book / "toc.yml")


@pytest.mark.parametrize(
    "said",
    ["_inner, helper, LIMIT, Gaussian", "`_inner`, `LIMIT`, `Gaussian` and no helper"],
    ids=["not as code", "one is missing"],
)
def test_an_unknown_name_is_told_with_its_place(book: Path, said: str) -> None:
    (book / "one.md").write_text("# One\n\n" + LISTING.format("Room.outer") + said)
    (book / "two.md").write_text("`helper` and `_inner` are told too late\n")
    with pytest.raises(listings.ListingError, match=r"one\.md:3: the listing of Room\.outer uses "):
        listings.check(book / "one.md", book / "toc.yml")


def test_it_stops_the_build(book: Path) -> None:
    (book / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(EXTENSIONS)!r})\n"
        'extensions = ["myst_parser", "listings"]\n'
    )
    (book / "index.md").write_text("# A\n\n" + LISTING.format("Room.outer"))
    command = [sys.executable, "-m", "sphinx", "-q", "-b", "text", book, book / "_out"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "index.md:3: the listing of Room.outer uses Gaussian, which no page" in done.stderr
    assert done.stderr.count("show it, or say what it does.") == 1
