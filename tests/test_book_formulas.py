"""Formulas within sentences that state something: each is true in the worlds, or listed.

Displayed equations are claims. A formula between single dollar signs is typed by hand, so a slip
there is seen by nobody else. What it says is tried in worlds of every kind: of the process, of
chains, of tables. What no reader can judge is listed one by one, with the reason.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ddpm_course.symbolic import CLAIMS, reader, spoken, worlds

PAGES = sorted((Path(__file__).parents[1] / "book").glob("*.md"))
INLINE = re.compile(r"(?<!\$)\$(?!\$)([^$\n]+)\$(?!\$)")
# A claim from each kind of world, whose letters the formulas may use.
WORLDS = {
    name: worlds.Trial(CLAIMS[name])
    for name in ("marginal.sample", "loss.elbo", "unet.frequencies", "beyond.ddim-marginal")
}

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
    r"b = k + \tfrac14 c = \tfrac54 k",  # what follows for them, from c = k
    r"a = k + \tfrac14 c + \tfrac12 b = k + \tfrac14 k + \tfrac58 k = \tfrac{15}{8} k",
    "x_0 = 0.8",  # an example's numbers
    "x_t = -0.5",
    r"\beta = 0.6",
    r"\beta = 1/n",  # steps that grow short
    r"\beta_{\max} = 0.999",
    r"\lambda = 0.999",
    r"\lambda = 0.9999",
    r"\eta = 0",
    r"\eta = 1",
    r"f(x_t) = \mathbb{E}[\epsilon \mid x_t]",  # the best of all guesses f
    r"\epsilon_\theta = g\,x_t",  # a network that is a factor
    r"\delta = (\beta_T - \beta_1)/(T-1)",  # names: for a difference, a time, an angle
    r"\tau = t/T",
    r"x_t = \cos\varphi\,x_0 + \sin\varphi\,\epsilon",
    r"\Sigma_1 = A^\top A",  # matrices that are made so
    r"\Sigma_2 = B^\top B",
    r"\Sigma_\theta = \sigma_t^2 I",  # DDPM's choice, again
    r"\log q(x_{t-1}) = c + a\,x_{t-1}",  # a straight line, assumed
    r"\Sigma_\theta(x_t, t) = \sigma_t^2 I",  # DDPM's choice
    r"x_t = a\,x_{t-1} + b\,\epsilon_t",  # a step whose factors are asked for
    "x_0 = 0",  # a walk that starts there
    r"x_t = \sqrt{\bar\alpha_t}\,x_0",  # a test without noise
    r"v_t = \bar\alpha_t s^2 + 1 - \bar\alpha_t",  # a name for a sum
    r"\mathbb E[\epsilon \mid x_t] = 0",  # named as false in the page on proofs
    r"\tilde\beta_t = \beta_t",
}


# What is true, but said in a way that no world can value.
UNREAD = {
    r"du = \sqrt{\alpha_t}\,dx_{t-1}": "a change of variable: differentials have no value",
    r"\int q\,(p/q)\,dx = 1": "densities without their variable, short for any two",
    r"\hat x_0 = \sum_i w_i\,x^{(i)}": "a mean over the training images, with weights in words",
    r"\sum_k k\,(1-\lambda)\lambda^k = \lambda/(1-\lambda)": "a sum without ends, over all k >= 0",
}


def stated(page: Path) -> list[str]:
    """The inline formulas of a page that hold a relation between two sides."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    found = ((one, *reader.relations(one)) for one in INLINE.findall(text))
    return [one for one, sides, between in found if between and all(sides)]


def judged(formula: str) -> str:
    """true, unread or false, as the first world says that knows what stands in it."""
    for name, trial in WORLDS.items():
        why = spoken.wrong(CLAIMS[name], formula, trial)
        if not any(word in why for word in ("cannot be read", "no world", "no law")):
            return "false" if why else "true"
    return "unread"


EVERY = {page.stem: stated(page) for page in PAGES}


@pytest.mark.parametrize("page", EVERY)
def test_every_inline_formula_is_true_or_listed(page: str) -> None:
    wrong = {one: judged(one) for one in EVERY[page] if one not in CHOSEN and one not in UNREAD}
    wrong = {one: verdict for one, verdict in wrong.items() if verdict != "true"}
    assert wrong == {}, "mend what is false; say in CHOSEN what it chooses; in UNREAD, why not"


def test_what_is_listed_stands_in_the_book_and_cannot_be_judged() -> None:
    written = {one for formulas in EVERY.values() for one in formulas}
    assert CHOSEN | set(UNREAD) <= written
    assert [one for one in UNREAD if judged(one) != "unread"] == []
    assert len(written) > 120


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
