"""The reader of LaTeX: from its contract, on formulas typed here, and on every displayed one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sympy as sp

from ddpm_course.symbolic import CLAIMS, ClaimError, printing, reader, spoken, worlds
from ddpm_course.symbolic import notation as nt
from ddpm_course.symbolic.notation import alpha_bar, as_written, eps, log, q, t, x

a, b = sp.symbols("a b", positive=True)


@pytest.mark.parametrize("name", CLAIMS)
def test_every_displayed_expression_is_read_back_as_what_was_proved(name: str) -> None:
    assert spoken.misread(CLAIMS[name], worlds.Trial(CLAIMS[name])) == ""


VALUES = [
    (r"\log a\, b", lambda u, w: np.log(u * w)),
    (r"\log(a)\, b", lambda u, w: np.log(u * w)),
    (r"\left( \log a \right) b", lambda u, w: np.log(u) * w),
    (r"\sum_{i=1}^{3} i a + b", lambda u, w: 6 * u + w),
    (r"\sum_{i=1}^{3} i a b", lambda u, w: 6 * u * w),
    (r"\prod_{i=1}^{2} (a + i)", lambda u, w: (u + 1) * (u + 2)),
    (r"\frac{a}{b}\, a", lambda u, w: u**2 / w),
    (r"a / b", lambda u, w: u / w),
    (r"-a^{2} b", lambda u, w: -(u**2) * w),
    (r"2 \cdot 3 a - -b", lambda u, w: 6 * u + w),
    (r"\cos^{2}(a) + \sin^{2}(a)", lambda u, w: 1),
    (r"\int_{0}^{a} b \, du", lambda u, w: u * w),
    (r"\min(a, b)", min),
    (r"\tfrac12 a + \tfrac{1}{4}b + \frac34", lambda u, w: u / 2 + w / 4 + 0.75),
    (r"0.25 a", lambda u, w: u / 4),
    (r"\log_2 8a", lambda u, w: np.log2(8 * u)),
    (r"(2 + 1)!\, b", lambda u, w: 6 * w),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_reads_as_a_person_reads(text: str, value: object) -> None:
    found = reader.read(text, [a, b, sp.Symbol("u", real=True)])
    with as_written():
        claim = replace(CLAIMS["forward.square"], lhs=a + b, steps=CLAIMS["forward.square"].steps)
    world = next(worlds.worlds(claim))
    world = world.with_letter(a, 0.7).with_letter(b, 1.9)
    assert np.allclose(world(found), value(0.7, 1.9))  # type: ignore[operator]


def test_dots_stand_for_what_lies_between() -> None:
    found = reader.read(r"\alpha_1 \alpha_2 \cdots \alpha_t")
    assert found == sp.Product(nt.alpha(nt.s), (nt.s, 1, t))
    for text in (r"\alpha_1 \alpha_3 \cdots \alpha_t", r"\alpha_1 \beta_2 \cdots \alpha_t"):
        with pytest.raises(reader.Unreadable, match="what do the dots stand for"):
            reader.read(text)


def test_braces_around_the_letter_of_a_mean_change_nothing() -> None:
    one, two = (reader.read(rf"{sign}_q[x_t]") for sign in (r"\mathbb{E}", r"\mathbb E"))
    assert one == two == nt.E(x(t), over="q")


@pytest.mark.parametrize(
    ("formula", "holds"),
    [(r"\log 5 = 1.61", True), (r"\log 5 = 1.609", True), (r"\log 5 = 1.62", False)],
)
def test_a_decimal_fraction_is_rounded(formula: str, holds: bool) -> None:
    claim = CLAIMS["marginal.sample"]
    assert (spoken.wrong(claim, formula, worlds.Trial(claim)) == "") == holds


@pytest.mark.parametrize("text", ["y + 1", r"\frac{a}", "a +", "(a", r"\lVert a \rVert", "a b ]"])
def test_what_is_no_formula_is_named(text: str) -> None:
    with pytest.raises(reader.Unreadable, match=r"."):
        reader.read(text, [a, b])


def test_relations_cut_a_line_at_its_top_level() -> None:
    sides, between = reader.relations(r"a = \sum_{i=1}^{2} b \le c")
    assert sides == ["a", r"\sum_{i=1}^{2} b", "c"]
    assert between == ["=", r"\le"]


def test_printer_that_loses_brackets_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """log(ᾱ_t) ε printed as log ᾱ_t ε means the logarithm of the product."""
    claim = CLAIMS["loss.score"]
    with as_written():
        step = claim.steps[-1]._replace(expr=log(alpha_bar(t)) * (1 + q(x(t), x(0))))
    changed = replace(claim, steps=(*claim.steps[:-1], step))
    assert spoken.misread(changed, worlds.Trial(changed)) == ""
    monkeypatch.setattr(printing, "REACHING", ())
    assert "reads as another formula" in spoken.misread(changed, worlds.Trial(changed))


def test_claim_that_prints_as_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nt.alpha_bar, "tex", r"\alpha")
    with pytest.raises(ClaimError, match="reads as another formula"):
        CLAIMS["marginal.alpha-bar-step"].try_in_worlds()
    assert eps.name == r"\epsilon"
