"""Which words of a page a second-language reader may not know.

Known are the 3,000 most used words of English (``words/common.txt``) and what comes from them by a
regular ending; the terms that the notation page explains; and the words of ``words/ours.txt``, a
short list with a reason for each group. Code, mathematics, citations, names and what stands in
another script are not read. ``tests/test_words.py`` holds every page to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
NOTATION = HERE.parent / "notation.md"

# What is cut out of a line before its words are read, in this order.
NO_PROSE = re.compile(
    r"``[^`]*``"
    r"|\{(?!math|abbr)[\w:.-]+\}`[^`]*`"  # a role: a citation, a reference, a download
    r"|`[^`]*`"
    r"|\$[^$]*\$"
    r"|(?<=\])\([^)]*\)"  # the address of a link
    r"|https?://\S+"
    r"|<[^>]+>"
    r"|\([\w-]+\)=|^\s*:[\w-]+:.*$|^\{download\}.*$"
)
WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
SENTENCE = re.compile(r"(?:^|[.!?:;|]['\"”)*]*)[\s*_#>|\"“(\[-]*$")
FENCE = re.compile(r"^(`{3,}|:{3,})\{?([\w-]*)\}?[ \t]*(.*)$")
PROSE_BLOCKS = {"admonition", "dropdown", "tip", "note", "warning", "glossary", "figure", ""}


class Found(NamedTuple):
    """A word that a reader may not know, and where it stands."""

    line: int
    word: str


def entries(path: Path) -> list[str]:
    """The words of a list: one or more a line, and a comment from # on."""
    lines = path.read_text(encoding="utf8").splitlines()
    return " ".join(line.split("#")[0] for line in lines).split()


@cache
def common() -> frozenset[str]:
    return frozenset(entries(HERE / "words" / "common.txt"))


@cache
def known() -> frozenset[str]:
    """Common words, our own, and the terms of the notation page."""
    return common() | set(entries(HERE / "words" / "ours.txt")) | terms(NOTATION)


def terms(page: Path) -> frozenset[str]:
    """The words that a page explains: the terms of its glossary, and what it sets in italics at
    the head of an explanation."""
    text = page.read_text(encoding="utf8")
    heads = re.findall(r"^: \*([^*]+)\*", text, re.MULTILINE)
    heads += re.findall(r"^(\S.*)\n[^\n]*[\uac00-\ud7a3]", text, re.MULTILINE)
    return frozenset(word.lower() for head in heads for word in WORD.findall(head))


def stems(word: str) -> Iterator[str]:
    """The word itself, and what it may be an inflected form of."""
    yield word
    word = re.sub(r"(n't|'s|'re|'ll|'ve|'d|')$", "", word.replace("’", "'"))
    yield word
    for ending, put in (
        ("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"),
        ("ed", ""), ("ed", "e"), ("ied", "y"),
        ("ing", ""), ("ing", "e"), ("ings", ""), ("ings", "e"), ("ying", "ie"),
        ("er", ""), ("er", "e"), ("ier", "y"), ("ers", ""), ("ers", "e"), ("or", ""), ("or", "e"),
        ("est", ""), ("est", "e"), ("iest", "y"), ("ors", ""), ("ors", "e"),
        ("ly", ""), ("ily", "y"), ("ly", "le"), ("ally", ""),
    ):  # fmt: skip
        stem = word[: -len(ending)] + put
        if word.endswith(ending) and len(stem) > 2:
            yield stem
            if not put and len(stem) > 3 and stem[-1] == stem[-2]:
                yield stem[:-1]


def is_known(word: str) -> bool:
    """Whether the word, or what it is a form of, is on one of the lists."""
    return any(stem in known() for stem in stems(word.lower()))


def prose(text: str) -> Iterator[tuple[int, str]]:
    """The lines of a page that are read as language, with their numbers from 1."""
    lines = text.splitlines()
    n = lines.index("---", 1) + 1 if lines and lines[0] == "---" else 0
    while n < len(lines):
        opened = FENCE.match(lines[n])
        if not opened:
            yield n + 1, lines[n]
            n += 1
            continue
        end = n + 1
        while end < len(lines) and lines[end].rstrip() != opened[1]:
            end += 1
        if opened[2] in PROSE_BLOCKS and lines[n].strip() != opened[1]:
            yield n + 1, f"{opened[3]}:"  # what follows a title begins anew
            yield from ((m + 1, lines[m]) for m in range(n + 1, end) if lines[m][:1] != ":")
        elif opened[2] == "code-cell":
            yield from _captions(lines, n + 1, end)
        n = end + 1


def _captions(lines: list[str], start: int, end: int) -> Iterator[tuple[int, str]]:
    """What a cell's figure says below it, and to those who do not see it."""
    inside = False
    for n in range(start, end):
        if n > start and lines[n] == "---":
            return
        if re.match(r"\s+(caption|alt): [|>]", lines[n]):
            inside = True
        elif inside and re.match(r" {6,}\S", lines[n]):
            yield n + 1, lines[n].strip()
        elif lines[n].strip():
            inside = False


def rare(text: str) -> list[Found]:
    """The words of a page that are on none of the lists."""
    found: list[Found] = []
    before = ""  # the line above: a sentence may go on from it
    for number, line in prose(text):
        line = NO_PROSE.sub(" ", line)
        for match in WORD.finditer(line):
            word, head = match[0], line[: match.start()]
            name = word[0].isupper() and not SENTENCE.search(head if head.strip() else before)
            readable = word.isascii() and not word.isupper() and len(word) > 2
            if readable and not name and not is_known(word):
                found.append(Found(number, word))
        before = line
    return found


def refusals(page: Path) -> list[str]:
    """One sentence for each such word: its file, its line, and what to do."""
    return [
        f"{page.name}:{line}: {word!r} is no word that a second-language reader must know; "
        "take a plainer one, or give it a place in book/_ext/words/ours.txt."
        for line, word in rare(page.read_text(encoding="utf8"))
    ]
