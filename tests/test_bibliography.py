"""The bibliography: each entry is cited, each citation has its entry, and each leads on."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from pybtex.database import parse_string

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import access  # noqa: E402  (it lies among the book's extensions, not in a package)

BIBLIOGRAPHY = (ROOT / "book" / "references.bib").read_text(encoding="utf8")
PAGES = sorted((ROOT / "book").glob("*.md"))
CITED = re.compile(r"\{cite:[pt]\}`([^`]+)`")
# An entry is @kind{key, its fields one a line, and a brace at the margin.
ENTRY = re.compile(r"^@\w+\{([^,]+),\n(.*?)^\}", re.DOTALL | re.MULTILINE)
FIELD = re.compile(r"^\s+(\w+)\s*=\s*\{(.*)\},?$", re.MULTILINE)
Fields = dict[str, str]
ENTRIES: dict[str, Fields] = {
    key: dict(FIELD.findall(body)) for key, body in ENTRY.findall(BIBLIOGRAPHY)
}


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


def leads_somewhere(entry: Fields) -> bool:
    """Whether the page of the bibliography makes a link of what the entry names."""
    if re.fullmatch(r"https?://\S+", entry.get("url", "")):
        return True
    named = [access.PAPER.search(value) for value in entry.values()]
    return any(
        re.fullmatch(r"(\d{4}\.\d{4,5}|10\.\d{4,}/\S+)", found[2]) for found in named if found
    )


def test_every_entry_is_read_here() -> None:
    assert len(ENTRIES) == BIBLIOGRAPHY.count("\n@") > 100


def test_each_citation_has_its_entry() -> None:
    assert {key: where for key, where in cited().items() if key not in ENTRIES} == {}


def test_each_entry_is_cited() -> None:
    assert [key for key in ENTRIES if key not in cited()] == []


def test_each_entry_leads_to_the_work() -> None:
    assert [key for key, entry in ENTRIES.items() if not leads_somewhere(entry)] == []


def test_an_entry_is_called_what_the_text_calls_it() -> None:
    source = """
        @article{one, author = {Ho, J.}, year = {2020}}
        @article{two, author = {van den Oord, A. and Wu, Y.}, year = {2016}}
        @article{three, author = {Song, J. and Meng, C. and Ermon, S.}, year = {2021a}}
        @article{more, author = {Ahn, M. and Brohan, A. and others}, year = {2022}}
    """
    entries = parse_string(source, "bibtex").entries.values()
    assert list(access.Cited().format_labels(entries)) == [
        "Ho, 2020",
        "van den Oord and Wu, 2016",
        "Song et al., 2021a",
        "Ahn et al., 2022",
    ]


def test_no_two_works_have_one_name() -> None:
    """Works of one year and of the same names have letters: 2021a, 2021b."""
    entries = parse_string(BIBLIOGRAPHY, "bibtex").entries.values()
    names = list(access.Cited().format_labels(entries))
    assert sorted(set(names)) == sorted(names)


def test_no_work_has_two_entries() -> None:
    titles = [re.sub(r"\W", "", entry["title"]).lower() for entry in ENTRIES.values()]
    assert sorted(set(titles)) == sorted(titles)


def test_an_entry_without_an_address_is_noticed() -> None:
    assert not leads_somewhere({"title": "T", "year": "2020"})
    assert not leads_somewhere({"note": "arXiv:soon"})
    assert leads_somewhere({"note": "doi:10.1016/0304-4149(82)90051-5"})
