"""The book's displayed mathematics comes from claims alone; the build stops where one fails."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from docutils import nodes

from ddpm_course import ledger
from ddpm_course.symbolic import CLAIMS, worlds
from ddpm_course.symbolic.worlds.chains import STATES

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import claims  # noqa: E402  (it lies among the book's extensions, not in a package)

PAGES = sorted((ROOT / "book").glob("*.md"))
NOTEBOOKS = sorted(p for room in ("solutions", "exercises") for p in (ROOT / room).rglob("*.ipynb"))
DISPLAYED = re.compile(
    r"\$\$|^\s*\\\[|\\begin\{(?:equation|align|gather|multline|eqnarray|displaymath)"
    r"|^\s*(?:```|:::)+\s*\{math\}|\\displaystyle",
    re.MULTILINE,
)


def prose(path: Path) -> str:
    """What a reader reads, without the code."""
    text = path.read_text(encoding="utf8")
    if path.suffix == ".ipynb":
        cells = json.loads(text)["cells"]
        return "\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")
    return re.sub(r"^```\{code-cell\}.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("path", [*PAGES, *NOTEBOOKS], ids=lambda path: path.name)
def test_no_displayed_mathematics_is_typed_by_hand(path: Path) -> None:
    assert DISPLAYED.findall(prose(path)) == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_claim_on_a_page_exists(path: Path) -> None:
    text = prose(path)
    named = re.findall(r"\{(?:claim|derivation)\}\s*([\w.-]+)", text)
    named += re.findall(r"\{eq\}`([^`]+)`", text)
    assert [name for name in named if name not in CLAIMS] == []


def test_every_claim_is_numbered_once() -> None:
    numbered = Counter(
        name
        for path in PAGES
        for name, options in re.findall(
            r"^[`:]{3,}\{claim\}\s*([\w.-]+)\n(.*?)[`:]{3,}$",
            prose(path),
            flags=re.MULTILINE | re.DOTALL,
        )
        if ":again:" not in options
    )
    assert [name for name, times in numbered.items() if times > 1] == []


@pytest.mark.parametrize("name", CLAIMS)
def test_no_reason_hides_lines_behind_one_word(name: str) -> None:
    """What takes several lines with a pencil is written in them; a lemma is cited in its place."""
    claim = CLAIMS[name]
    for step in [*(claim.base.steps if claim.base else ()), *claim.steps]:
        assert not re.search(r"\b(collect|one fraction|partial fractions)\b", step.reason), (
            step.reason
        )
        for words, lemma in (
            ("complete the square", "forward.square"),
            ("sum of two Gaussians", "forward.gaussian-sum"),
            ("independent Gaussians", "forward.gaussian-sum"),
        ):
            if words in step.reason:
                assert lemma in claim.names_of(step), f"{step.reason}: cite {lemma}"


def test_pages_say_of_the_worlds_what_is_true() -> None:
    proofs, index = (
        " ".join((ROOT / "book" / page).read_text(encoding="utf8").split())
        for page in ("proofs.md", "index.md")
    )
    words = ("", "one", "two", "three", "four", "five", "six", "seven", "eight")
    most = max(shape[3] for shape in worlds.SHAPES)
    assert {shape[3] for shape in worlds.SHAPES} == set(range(1, most + 1))
    steps = max(shape[0] for shape in (*worlds.SHAPES, *worlds.LENGTHS))
    assert (
        f"Their data have one to {words[most]} components, their chains {words[STATES]} states, "
        f"their schedules up to {words[steps]} steps."
    ) in proofs
    assert min(map(worlds.count, CLAIMS.values())) == 100
    assert "It is evaluated in a hundred worlds or more." in proofs
    assert "each line was tried with a hundred or more random choices of its numbers" in index
    assert ("Today there is none." in proofs) == all(c.mark != "◇" for c in CLAIMS.values())


CONF = f"""
import sys
sys.path.insert(0, {str(ROOT / "book" / "_ext")!r})
extensions = ["myst_parser", "claims"]
numfig = True
html_theme = "basic"
from ddpm_course import symbolic
kept = {{"marginal.variance", "marginal.mean", "marginal.snr"}}
kept |= {{"forward.reparameterization", "forward.transition"}}  # what their proofs use
for name in set(symbolic.CLAIMS) - kept:  # the others would take their time
    del symbolic._ALL[name]
"""


def build(source: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Build a small book with Sphinx, with our extension alone and a few claims."""
    if not (source / "conf.py").exists():
        (source / "conf.py").write_text(CONF)
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", str(source), str(source / "out")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [*command, *options], capture_output=True, text=True, env=environment, check=False
    )


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    source = tmp_path_factory.mktemp("book")
    (source / "index.md").write_text(
        "# A page\n\nSee {eq}`marginal.variance`.\n\n```{claim} marginal.variance\n```\n\n"
        "```{derivation} marginal.variance\n```\n\n```{claim} marginal.variance\n:again:\n```\n"
    )
    done = build(source)
    assert done.returncode == 0, done.stderr
    return source, (source / "out" / "index.html").read_text(encoding="utf8")


def test_claim_is_numbered_and_referred_to(page: tuple[Path, str]) -> None:
    _, html = page
    assert 'id="equation-marginal-variance"' in html
    assert html.count('href="#equation-marginal-variance"') >= 2  # {eq}, and :again:
    assert r"\[\operatorname{Var}[x_t \mid x_0] = 1 - \bar\alpha_t\]" in html


def test_derivation_shows_each_step_and_its_reason(page: tuple[Path, str]) -> None:
    _, html = page
    claim = CLAIMS["marginal.variance"]
    assert claim.base is not None
    steps = len(claim.steps) + len(claim.base.steps)
    assert html.count('class="derivation-step"') == steps
    assert html.count('class="derivation-reason"') == steps
    assert "the variances add" in html


def test_next_build_remembers_the_proofs(page: tuple[Path, str]) -> None:
    source, _ = page
    memory = source / "out" / ".doctrees" / "claims.json"
    before = memory.stat().st_mtime_ns
    done = build(source, "-E")
    assert done.returncode == 0, done.stderr
    assert memory.stat().st_mtime_ns == before
    memory.write_text('{"proved": "by another package"}')
    assert build(source).returncode == 0
    assert "another" not in memory.read_text()


@pytest.mark.parametrize(
    ("name", "functions", "error", "said"),
    [
        ("forward.transition", ("forward.step", "Schedule.at"), 0.0, "0"),
        ("forward.reparameterization", ("forward.step",), 2.04e-16, "2.0e-16"),
        ("forward.square", (), None, None),
    ],
)
def test_the_ledger_says_of_each_thing_what_it_is(
    name: str, functions: tuple[str, ...], error: float | None, said: str | None
) -> None:
    claim = CLAIMS[name]
    entry = ledger.Entry(name, claim.kinds, functions, error, "")
    row = claims.LedgerDirective._row(claim, entry)
    assert row["ids"] == ["claim-" + name.replace(".", "-")]
    assert next(iter(row.findall(nodes.math))).astext() == claim.latex()
    fields = {one[0].astext(): one[1].astext() for one in row.findall(nodes.field)}
    assert fields.pop("How it is known").startswith(claims.kernel.mark(claim))
    computed = ", ".join(functions) or f"No function: {claim.uncomputed}"
    assert fields.pop("Computed by") == computed
    assert fields == ({"Largest relative error": said} if said else {})


def test_unknown_name_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# A page\n\nText.\n\n```{claim} marginal.varience\n```\n")
    done = build(tmp_path)
    assert done.returncode != 0
    assert "index.md:5: no claim is named 'marginal.varience'" in done.stderr
    assert "marginal.variance" in done.stderr


def test_claim_that_does_not_hold_stops_the_build(tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text("# A page\n\n```{claim} marginal.snr\n```\n")
    (tmp_path / "conf.py").write_text(
        CONF + "claim = symbolic.CLAIMS['marginal.snr']\n"
        "symbolic._ALL['marginal.snr'] = claim.with_step(2, -claim.rhs)\n"
    )
    done = build(tmp_path)
    assert done.returncode != 0
    assert "marginal.snr: step 3 of 3 (the root squared) does not follow" in done.stderr
