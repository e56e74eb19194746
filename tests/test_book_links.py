"""Where the book's pages lead: nowhere before a repository is named, then to the right files."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import links  # noqa: E402 # it lies among the book's extensions, not in a package

import exercises  # noqa: E402 # both found by the line above

GITHUB = "https://github.com/someone/a-course"


def settings(**options: Any) -> Any:
    config = SimpleNamespace(html_theme_options=options, html_baseurl="")
    links.set_addresses(None, config)
    return config


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REPOSITORY_URL", raising=False)
    monkeypatch.delenv("BOOK_URL", raising=False)


def test_without_a_repository_there_is_no_button() -> None:
    config = settings(repository_url="")
    assert config.repository == ""
    assert config.html_theme_options == {"repository_url": ""}
    page = exercises.page("marginal", solutions=False, repository=config.repository)
    assert "colab" not in page
    assert "binder" not in page


@pytest.mark.parametrize("by", ["setting", "environment"])
def test_one_setting_names_the_repository(by: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if by == "environment":
        monkeypatch.setenv("REPOSITORY_URL", GITHUB + "/")
    config = settings(repository_url=GITHUB if by == "setting" else "")
    options = config.html_theme_options
    assert options["repository_url"] == GITHUB
    assert options["use_repository_button"]
    assert options["use_issues_button"]
    page = exercises.page("marginal", solutions=False, repository=config.repository)
    path = "exercises/marginal/marginal.ipynb"
    assert (ROOT / path).is_file()
    there = "someone/a-course"
    assert f"https://mybinder.org/v2/gh/{there}/HEAD?urlpath=lab/tree/{path}" in page
    assert f"https://colab.research.google.com/github/{there}/blob/main/{path}" in page
    assert f"%pip install git+{GITHUB}" in page


def test_gitlab_has_binder_alone_and_other_hosts_have_neither() -> None:
    told = links.without_installing("https://gitlab.com/a/b", "x.ipynb")
    assert "https://mybinder.org/v2/gl/a%2Fb/HEAD?urlpath=lab/tree/x.ipynb" in told
    assert "colab" not in told
    for elsewhere in (
        "https://example.org/a/b",
        "https://github.com/a",
        "http://github.com/a/b",
        "",
    ):
        assert links.without_installing(elsewhere, "x.ipynb") == ""


NOTATION = (ROOT / "book" / "notation.md").read_text(encoding="utf8")
BOOK = "\n".join(page.read_text(encoding="utf8") for page in sorted((ROOT / "book").glob("*.md")))
SYMBOLS = re.findall(
    r"^(\$.+)\n: ((?:.+\n)(?:  .+\n)*)",
    NOTATION.split("## Other people's letters")[0],
    re.MULTILINE,
)


def places(meaning: str) -> list[str]:
    """What a symbol's entry leads to within a page: numbered equations and marked headings."""
    equations = re.findall(r"\{eq\}`([\w.-]+)`", meaning)
    headings = re.findall(r"\]\(#([\w-]+)\)", meaning)
    return [f"```{{claim}} {one}\n" for one in equations] + [f"({one})=\n" for one in headings]


@pytest.mark.parametrize(("symbol", "meaning"), SYMBOLS, ids=[symbol for symbol, _ in SYMBOLS])
def test_a_symbol_leads_to_the_place_where_it_is_met(symbol: str, meaning: str) -> None:
    assert places(meaning), f"{symbol}: a link to a page alone does not show where in it"
    assert [place for place in places(meaning) if place not in BOOK] == []


def test_all_symbols_were_looked_at() -> None:
    assert len(SYMBOLS) > 45
    assert places("First in [forward](forward.md).\n") == []
