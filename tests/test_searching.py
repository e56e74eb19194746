"""The search's own words lead to headings that exist, or the build stops."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[1] / "book"
sys.path.insert(0, str(BOOK / "_ext"))

import searching  # noqa: E402  (it lies among the book's extensions, not in a package)


@pytest.mark.parametrize("word", searching.WORDS)
def test_each_word_leads_to_a_heading_of_the_book(word: str) -> None:
    page, heading = searching.WORDS[word]
    text = (BOOK / f"{page}.md").read_text(encoding="utf8")
    assert re.search(rf"^#+ {re.escape(heading)}$", text, re.M), f"{page}.md has no {heading!r}"


def test_a_word_is_given_the_place_of_its_heading() -> None:
    index = {"docnames": ["loss", "unet"], "alltitles": {"Why": [[0, "why"], [1, "why-two"]]}}
    searching.add_words(index, {"Reason": ("unet", "Why")})
    assert index["alltitles"]["Reason"] == [[1, "why-two"]]


@pytest.mark.parametrize("place", [("unet", "How"), ("reverse", "Why")])
def test_a_word_that_leads_nowhere_stops_the_build(place: tuple[str, str]) -> None:
    index = {"docnames": ["loss", "unet"], "alltitles": {"Why": [[1, "why"]]}}
    with pytest.raises(searching.SearchError, match="is no heading of"):
        searching.add_words(index, {"Reason": place})
