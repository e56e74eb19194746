"""Formulas within sentences that state something: each is true in the worlds, or listed.

Displayed equations are claims. A formula between single dollar signs is typed by hand, so a slip
there is seen by nobody else. What the reader cannot read, or no world can value, is counted.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ddpm_course.symbolic import CLAIMS, reader, spoken, worlds

PAGES = sorted((Path(__file__).parents[1] / "book").glob("*.md"))
INLINE = re.compile(r"(?<!\$)\$(?!\$)([^$\n]+)\$(?!\$)")
CLAIM = CLAIMS["marginal.sample"]
TRIAL = worlds.Trial(CLAIM)

# What a sentence chooses, asks for, or calls false: it need not hold in every world.
CHOSEN = {
    "w > 1",  # guidance that passes the label's own direction
    "a^2 + b^2 = 1",  # what the factors of a step are asked to do
    r"\sigma_t^2 = \tilde\beta_t",  # the two choices of the sampler's variance
    r"\sigma_t^2 = \beta_t",
    r"\sigma_1^2 = \beta_1",
    r"\bar\alpha_T = 0",  # a schedule that ends in noise alone
    r"\bar\alpha_t = aA",  # a product, in letters of a hint
    r"\beta_t = \beta(t/T)/T",  # how a rate makes a schedule
    "a + b + c = 1",  # shares of a walk
    r"\log q(x_{t-1}) = c + a\,x_{t-1}",  # a straight line, assumed
    r"\Sigma_\theta(x_t, t) = \sigma_t^2 I",  # DDPM's choice
    r"x_t = a\,x_{t-1} + b\,\epsilon_t",  # a step whose factors are asked for
    "x_0 = 0",  # a walk that starts there
    r"x_t = \sqrt{\bar\alpha_t}\,x_0",  # a test without noise
    r"v_t = \bar\alpha_t s^2 + 1 - \bar\alpha_t",  # a name for a sum
    r"\mathbb E[\epsilon \mid x_t] = 0",  # named as false in the page on proofs
    r"\tilde\beta_t = \beta_t",
}


def stated(page: Path) -> list[str]:
    """The inline formulas of a page that hold a relation."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return [found for found in INLINE.findall(text) if reader.relations(found)[1]]


def judged(formula: str) -> str:
    """true, unread, unvalued or false."""
    wrong = spoken.wrong(CLAIM, formula, TRIAL)
    if not wrong:
        return "true"
    if "cannot be read" in wrong:
        return "unread"
    return "unvalued" if "no world" in wrong or "no law" in wrong else "false"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_no_inline_formula_is_false(page: Path) -> None:
    false = [one for one in stated(page) if one not in CHOSEN and judged(one) == "false"]
    assert false == [], "not true in every world: mend it, or say in CHOSEN what it chooses"


def test_most_are_read_and_true() -> None:
    every = [one for page in PAGES for one in stated(page) if one not in CHOSEN]
    known = [one for one in every if judged(one) == "true"]
    assert len(every) > 100
    assert len(known) > 0.6 * len(every)


@pytest.mark.parametrize(
    "wrong",
    [
        r"\bar\alpha_t = \alpha_t + \bar\alpha_{t-1}",
        r"\beta_t = 1 + \alpha_t",
        r"\tilde\beta_t > \beta_t",
        r"x_t = \bar\alpha_t x_0 + \sqrt{1-\bar\alpha_t}\,\epsilon",
        r"\operatorname{Var}[x_t \mid x_0] = \bar\alpha_t",
    ],
)
def test_false_formula_is_seen(wrong: str) -> None:
    assert judged(wrong) == "false"
