"""A listing marks what it computes, and what it calls its reader has met, here or before."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ddpm_course.ledger import BINDINGS

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


FUNCTION = '''
def mean(x, beta):
    """The mean.

    Args:
        x: one thing
    """
    keep = 1 - beta
    # forward.unit-variance
    rest = [
        beta,
    ]
    return Gaussian(
        mean=keep
        * x,  # no claim
        var=beta,  # forward.transition
    )
'''


def test_a_docstring_is_folded_and_the_rest_is_a_program() -> None:
    code, said = listings.fold(FUNCTION)
    assert said == [("mean", "The mean.\n\nArgs:\n    x: one thing")]
    expected = ast.parse(FUNCTION)
    del expected.body[0].body[0]  # type: ignore[attr-defined]
    assert ast.unparse(ast.parse(code)) == ast.unparse(expected)
    short = 'def f():\n    """One line."""\n    return 1\n'
    assert listings.fold(short) == (short, [])
    only = 'class A:\n    """One.\n\n    Two.\n    """\n'
    assert listings.fold(only) == (only, [])


def test_the_lines_of_a_claim_are_marked() -> None:
    code, _ = listings.fold(FUNCTION)
    marked = [
        line.strip() for n, line in enumerate(code.splitlines(), 1) if n in listings.marks(code)
    ]
    assert marked == [
        "# forward.unit-variance",
        "rest = [",
        "beta,",
        "]",
        "var=beta,  # forward.transition",
    ]
    with pytest.raises(listings.ListingError, match="begins a statement"):
        listings.marks("f(\n    1,  # forward.transition\n)\n")


MODULES = sorted((ROOT / "ddpm_course").rglob("*.py"))
NAMED = [(path, *found) for path in MODULES for found in listings.named(path)]


def test_a_line_names_a_claim_only_where_the_ledger_binds_it_to_its_function() -> None:
    assert len(NAMED) >= 20
    wrong = [
        (path.name, line, claim)
        for path, line, function, claim in NAMED
        if claim not in BINDINGS
        or not {function, f"{path.stem}.{function}"} & set(BINDINGS[claim].functions)
    ]
    assert wrong == []


def test_each_listing_marks_an_equation_of_its_page_that_it_computes() -> None:
    unmarked = []
    for page in PAGES:
        shown = set(re.findall(r"^```\{claim\} (\S+)", page.read_text(encoding="utf8"), re.M))
        for line, file, name in listings.listings(page):
            computed = {
                claim
                for claim in shown & BINDINGS.keys()
                if f"{file.stem}.{name}" in BINDINGS[claim].functions
            }
            marked = {claim for path, _, of, claim in NAMED if (path, of) == (file, name)}
            if computed and not computed & marked:
                unmarked.append(
                    f"{page.name}:{line}: {name} computes {', '.join(sorted(computed))}"
                )
    assert unmarked == []
