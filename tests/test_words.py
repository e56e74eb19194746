"""Plain words: every page keeps to the most used words of English, its terms and a short list."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import words  # noqa: E402  (it lies among the book's extensions, not in a package)

LISTS = ROOT / "book" / "_ext" / "words"
# What is written by a program or for one: names of functions and of files.
UNREAD = {"api", "ledger", "bibliography"}
PAGES = [page for page in sorted((ROOT / "book").glob("*.md")) if page.stem not in UNREAD]
OURS = words.entries(LISTS / "ours.txt")


def found(text: str) -> list[str]:
    return [word for _, word in words.rare(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_uses_plain_words(page: Path) -> None:
    assert words.refusals(page) == []


def test_a_rare_word_is_refused_with_its_file_and_line(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# Plain\n\nA line.\nA vermilion one.\n", encoding="utf8")
    (refusal,) = words.refusals(page)
    assert refusal.startswith("page.md:4: 'vermilion' is no word that")


@pytest.mark.parametrize(
    "text",
    [
        "The dots are strewn over it.",
        "Heed the warning.",
        "## The mend: compare",
        "- **Heed** it",
        "```{dropdown} 1. Heed it?\nYes.\n```",
        "```{admonition} Plain\nHeed it.\n```",
        "| a | heed |",
        "[heed](page.md)",
        "```{code-cell} python\n---\nmystnb:\n  figure:\n    caption: |\n      Heed.\n---\nx\n```",
        "```{code-cell} ipython3\n---\nmystnb:\n  image:\n    alt: >-\n      Heed it.\n---\nx\n```",
    ],
)
def test_language_is_read_wherever_it_stands(text: str) -> None:
    assert len(found(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "`vermilion` and ``strewn`` and $vermilion$",
        "{cite:t}`vermilion2020strewn` and {numref}`fig-strewn`",
        "[here](strewn.md) and https://vermilion.org",
        "The method of Strewn and of Vermilion",
        "ELBO, x_t, ε, 숫자",
        "```python\nstrewn = vermilion\n```",
        "```\nstrewn\n```",
        "```{code-cell} ipython3\n:tags: [hide-input]\n\nstrewn = vermilion\n```",
        "---\nstrewn: vermilion\n---\nText.",
        "(strewn)=\nText.",
        ":name: strewn",
    ],
)
def test_what_is_no_language_is_not_read(text: str) -> None:
    assert found(text) == []


def test_a_sentence_begins_with_a_word_and_not_with_a_name() -> None:
    assert found("It ends. Strewn dots.") == ["Strewn"]
    assert found("It goes on with\nStrewn, who wrote it.") == []


@pytest.mark.parametrize(
    "word",
    [
        *["walks", "boxes", "cities", "loved", "stopped", "lying", "making", "running", "largest"],
        *["happily", "doesn't", "reader's", "readers'", "halves", "simpler", "went", "taken"],
    ],
)
def test_a_form_of_a_known_word_is_known(word: str) -> None:
    assert words.is_known(word)


@pytest.mark.parametrize("word", ["vermilion", "strewn", "heed", "mend", "mends", "vermilions"])
def test_a_form_of_a_rare_word_is_rare(word: str) -> None:
    assert not words.is_known(word)


def test_the_terms_of_the_notation_page_are_known() -> None:
    explained = words.terms(words.NOTATION)
    assert {"gradient", "posterior", "variance", "epsilon"} <= explained
    assert explained <= words.known()


def test_the_common_words_are_three_thousand_from_a_free_source() -> None:
    listed = words.entries(LISTS / "common.txt")
    assert len(listed) == len(set(listed)) == 3000
    head = (LISTS / "common.txt").read_text(encoding="utf8").split("\n\n")[0]
    assert "CC BY-SA 4.0" in head
    assert "wordfreq" in head


def test_our_own_words_are_few_needed_and_used() -> None:
    assert len(OURS) == len(set(OURS)) <= 500
    others = words.common() | words.terms(words.NOTATION)
    assert [word for word in OURS if word in others] == []
    text = " ".join(page.read_text(encoding="utf8").lower() for page in PAGES)
    used = {stem for word in set(words.WORD.findall(text)) for stem in words.stems(word)}
    assert [word for word in OURS if word not in used] == []
