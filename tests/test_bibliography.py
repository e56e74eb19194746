"""The bibliography: each entry is cited, each citation has its entry, and each leads on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pybtex.database import Entry, parse_file

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import access  # noqa: E402  (it lies among the book's extensions, not in a package)

ENTRIES = parse_file(str(ROOT / "book" / "references.bib")).entries
PAGES = sorted((ROOT / "book").glob("*.md"))
CITED = re.compile(r"\{cite:[pt]\}`([^`]+)`")


def cited() -> dict[str, str]:
    """The keys that the pages cite, and where each is cited first."""
    found: dict[str, str] = {}
    for page in PAGES:
        text = page.read_text(encoding="utf8")
        for citation in CITED.finditer(text):
            line = text[: citation.start()].count("\n") + 1
            for key in citation[1].split(","):
                found.setdefault(key.strip(), f"{page.name}:{line}")
    return found


def leads_somewhere(entry: Entry) -> bool:
    """Whether the page of the bibliography makes a link of what the entry names."""
    if re.fullmatch(r"https?://\S+", entry.fields.get("url", "")):
        return True
    named = [access.PAPER.search(value) for value in entry.fields.values()]
    return any(
        re.fullmatch(r"(\d{4}\.\d{4,5}|10\.\d{4,}/\S+)", found[2]) for found in named if found
    )


def test_each_citation_has_its_entry() -> None:
    assert {key: where for key, where in cited().items() if key not in ENTRIES} == {}


def test_each_entry_is_cited() -> None:
    assert [key for key in ENTRIES if key not in cited()] == []


def test_each_entry_leads_to_the_work() -> None:
    assert [key for key, entry in ENTRIES.items() if not leads_somewhere(entry)] == []


def test_no_work_has_two_entries() -> None:
    titles = [re.sub(r"\W", "", entry.fields["title"]).lower() for entry in ENTRIES.values()]
    assert sorted(set(titles)) == sorted(titles)


def test_an_entry_without_an_address_is_noticed() -> None:
    assert not leads_somewhere(Entry("misc", fields={"title": "T", "year": "2020"}))
    assert not leads_somewhere(Entry("misc", fields={"note": "arXiv:soon"}))
    assert leads_somewhere(Entry("misc", fields={"note": "doi:10.1016/0304-4149(82)90051-5"}))
