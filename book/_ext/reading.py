"""How long a page takes to read: computed from its source, never guessed.

    **Reading:** {reading}`forward`.

in a page's box, or in the index's table, becomes "about 40 minutes, and 10 more for answers and
side paths". Nothing else is to be done for a new page.

The model is small. A second-language reader takes 200 words of prose a minute, captions and tables
included; each other thing takes the seconds in ``SECONDS``. What is folded away in a
``{dropdown}``, and all that stands under a heading "## Side paths", is counted apart. Code that a
page hides takes no time; inline mathematics is one word. A question of "Check yourself" takes its
seconds on the road, and its folded answer counts as a side path.

``LIMITS`` holds the minutes that a chapter's road may take: add the chapter when it keeps within
them, and ``tests/test_reading.py`` holds it there. A page with a box "Before you start" must show
its computed time, and each ``{dropdown}`` needs a title: otherwise the build stops with one
sentence.
"""

from __future__ import annotations

import ast
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import SphinxError
from sphinx.util.docutils import SphinxRole

from ddpm_course import symbolic

WORDS_A_MINUTE = 200
SECONDS = {
    "equation": 20,  # a displayed claim
    "line": 15,  # a line of a derivation, with its reason
    "code": 4,  # a line of visible code
    "figure": 20,  # its caption counts as prose
    "explorer": 60,  # a slider to play with
    "question": 30,  # to think before the fold is opened
}
LIMITS = {
    "forward": 45,
    "marginal": 45,
    "reverse": 45,
    "loss": 45,
    "unet": 45,
    "training": 45,
    "evaluation": 45,
    "beyond": 45,
    "solvers": 45,
    "flow": 45,
    "few_steps": 45,
    "masked": 26,
    "own-data": 45,
    "trends": 15,
    "compose": 45,
    "papers": 45,
    "foundation": 45,
    "text-to-image": 45,
    "multimodal": 45,
}

FENCE = re.compile(r"^(`{3,}|:{3,})\{([\w-]+)\}[ \t]*(.*)$")
SIDE = "Side paths"
BOX = "Before you start"


class ReadingError(SphinxError):
    """A page whose time cannot be told."""

    category = "Reading time"


@dataclass(frozen=True)
class Time:
    """Minutes on the road, and minutes on the side paths."""

    road: float
    side: float

    def __str__(self) -> str:
        text = f"about {max(1, math.ceil(self.road))} minutes"
        if round(self.side) >= 1:
            text += f", and {round(self.side)} more for answers and side paths"
        return text


def measure(path: Path) -> Time:
    """The reading time of one page, in minutes."""
    seconds = {False: 0.0, True: 0.0}
    side, quiz = False, False
    lines = path.read_text(encoding="utf8").splitlines()
    n = _after_front_matter(lines)
    while n < len(lines):
        line = lines[n]
        if heading := re.match(r"## (.*)", line):
            side, quiz = heading[1].strip() == SIDE, heading[1].strip() == "Check yourself"
        opened = FENCE.match(line)
        plain = re.match(r"^(`{3,}|:{3,})", line)
        if not (opened or plain):
            seconds[side] += words(line) * 60 / WORDS_A_MINUTE
            n += 1
            continue
        closing = (opened or plain)[1]  # type: ignore[index]
        end = n + 1
        while end < len(lines) and lines[end].rstrip() != closing:
            end += 1
        if end == len(lines):
            raise ReadingError(f"{path}:{n + 1}: this block is never closed.")
        kind, title = (opened[2], opened[3].strip()) if opened else ("code", "")
        body = lines[n + 1 : end]
        if kind == "dropdown" and not title:
            raise ReadingError(
                f"{path}:{n + 1}: this fold has no summary; say after {{dropdown}} what is in it."
            )
        if kind == "dropdown" and quiz:
            seconds[side] += SECONDS["question"]
        elif kind != "code-cell":
            seconds[side] += words(title) * 60 / WORDS_A_MINUTE if kind == "admonition" else 0
        seconds[side or kind == "dropdown"] += _block(path, n + 1, kind, title, body)
        n = end + 1
    return Time(seconds[False] / 60, seconds[True] / 60)


def words(text: str) -> int:
    """How many words a reader reads: a formula is one, an option or a link's address none."""
    if re.match(r"\s*(:[\w-]+:|\{download\}|\|[-|: ]+\|$)", text):
        return 0
    text = re.sub(r"\$[^$]*\$", "x", text)
    text = re.sub(r"\]\([^)]*\)", "]", text)
    return len(re.findall(r"[^\W_][\w'’.-]*", text))


def _after_front_matter(lines: list[str]) -> int:
    if lines and lines[0] == "---":
        return lines.index("---", 1) + 1
    return 0


def _block(path: Path, line: int, kind: str, title: str, body: list[str]) -> float:
    """The seconds that one directive takes."""
    if kind in {"claim", "derivation"}:
        return _mathematics(path, line, kind, title)
    if kind == "literalinclude":
        return _listing(path, line, title, body) * SECONDS["code"]
    if kind == "code-cell":
        return _cell(body)
    if kind == "code":
        return sum(bool(text.strip()) for text in body) * SECONDS["code"]
    prose = [text for text in body if not text.startswith(":")]
    return sum(map(words, prose)) * 60 / WORDS_A_MINUTE


def _mathematics(path: Path, line: int, kind: str, name: str) -> float:
    try:
        claim = symbolic.claim(name)
    except ValueError as error:
        raise ReadingError(f"{path}:{line}: {error}") from None
    if kind == "claim":
        return SECONDS["equation"]
    return len(list(claim.rows())) * SECONDS["line"]


def _listing(path: Path, line: int, file: str, options: list[str]) -> int:
    """The lines of the function or class that a {literalinclude} shows."""
    source = (path.parent / file).read_text(encoding="utf8")
    for option in options:
        if named := re.match(r":pyobject: *(\S+)", option):
            found: Any = ast.parse(source)
            for name in named[1].split("."):
                found = next((o for o in found.body if getattr(o, "name", "") == name), None)
                if found is None:
                    raise ReadingError(f"{path}:{line}: {file} has no {named[1]} to show.")
            return int(found.end_lineno - found.lineno + 1)
    return sum(bool(text.strip()) for text in source.splitlines())


def _cell(body: list[str]) -> float:
    """A cell: its visible lines, its figure and caption, its slider."""
    options, code, inside = [], [], False
    for n, text in enumerate(body):
        if n == 0 and text == "---":
            inside = True
        elif inside and text == "---":
            inside = False
        elif inside or (not code and text.startswith(":")):
            options.append(text)
        else:
            code.append(text)
    said = "\n".join(options)
    if "remove-cell" in said:
        return 0
    seconds = 0.0
    if not re.search(r"hide-input|hide-cell|remove-input", said):
        seconds += SECONDS["code"] * sum(
            bool(text.strip()) and not text.lstrip().startswith("#") for text in code
        )
    played = any(text.startswith("Explorer(") for text in code)
    if caption := re.search(r"caption: \|\n((?:(?: {6,}.*)?\n?)*)", said):
        seconds += words(caption[1]) * 60 / WORDS_A_MINUTE
        seconds += 0 if played else SECONDS["figure"]
    if played:
        seconds += SECONDS["explorer"]
    return seconds


class ReadingRole(SphinxRole):
    """{reading}: the computed time of a page of this folder, by its name."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        here, line = self.get_source_info()
        path = Path(self.env.srcdir) / f"{self.text}.md"
        if not path.exists():
            raise ReadingError(f"{here}:{line}: there is no page {self.text} to take the time of.")
        self.env.note_dependency(str(path))
        return [nodes.Text(str(measure(path)))], []


def demand_time(app: Sphinx, document: str, texts: list[str]) -> None:
    """A page that tells what one needs before it tells its time, too, and the computed one."""
    path = Path(app.env.doc2path(document))
    if path.suffix != ".md":
        return
    measure(path)  # a fold without a summary stops the build on any page
    if BOX not in texts[0]:
        return
    if f"{{reading}}`{document}`" not in texts[0]:
        line = texts[0][: texts[0].index(BOX)].count("\n") + 1
        raise ReadingError(
            f"{path}:{line}: the box tells no reading time; write {{reading}}`{document}` in it."
        )


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("reading", ReadingRole())
    app.connect("source-read", demand_time)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
