"""The claims themselves: all hold, none rests on itself, each is held to something."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sympy as sp

from ddpm_course import ledger
from ddpm_course.symbolic import CLAIMS, Claim, ClaimError
from ddpm_course.symbolic.loss import levels
from ddpm_course.symbolic.methods import DEFINITION, Method
from ddpm_course.symbolic.notation import E, T, as_written


@pytest.mark.parametrize("name", CLAIMS)
def test_claim_holds(name: str) -> None:
    CLAIMS[name].verify()


def test_no_claim_rests_on_itself() -> None:
    def below(name: str, above: tuple[str, ...]) -> None:
        assert name not in above, f"{name} rests on itself: {' -> '.join((*above, name))}"
        for used in CLAIMS[name].used:
            below(used, (*above, name))

    for name in CLAIMS:
        below(name, ())


def test_every_definition_is_held_to_something() -> None:
    """A step by definition is not proved, so something else must depend on it."""
    loose = [
        claim.name
        for claim in CLAIMS.values()
        if any(step.by is DEFINITION for step in claim.steps)
        and claim.steps[-1].by is DEFINITION
        and not claim.checks
        and claim.name not in ledger.BINDINGS
    ]
    assert loose == []


@pytest.mark.parametrize("name", CLAIMS)
def test_latex_is_balanced(name: str) -> None:
    claim = CLAIMS[name]
    for text in (claim.latex(), claim.derivation()):
        assert text.count("{") == text.count("}")
        assert text.count(r"\left") == text.count(r"\right")
    assert name.startswith(f"{claim.chapter}.")


def test_marks_say_what_is_proved_and_what_was_seen_on_cases() -> None:
    assert CLAIMS["marginal.closed-form"].mark == "✓"
    assert CLAIMS["marginal.alpha"].mark == "≔"
    made = seen_on_cases(cases="T = 2, 3")
    assert made["loss.kl-isotropic"].mark == "◇"
    assert made["loss.mean-error"].rests_on_cases == ["loss.kl-isotropic"]
    assert made["loss.mean-error"].mark == "◇"
    assert made["loss.kl"].mark == "≔"


def seen_on_cases(cases: str) -> dict[str, Claim]:
    """All claims, where the first step of one was seen on cases only."""
    claim = CLAIMS["loss.kl-isotropic"]
    step = claim.steps[0]._replace(by=Method("exact cases", lambda a, b: 0, cases=cases))
    every = {**CLAIMS, claim.name: replace(claim, steps=(step,))}
    return {name: replace(one, registry=every) for name, one in every.items()}


def test_every_step_of_the_book_is_proved_for_all() -> None:
    """No step is known on cases alone; the page of proofs says so."""
    assert [claim.name for claim in CLAIMS.values() if claim.on_cases] == []


def test_what_is_known_on_cases_says_on_which() -> None:
    said = seen_on_cases("T = 2, 3")["loss.kl-isotropic"].cases
    assert said == ["The step “the sum over $d$ independent components” stands on T = 2, 3."]
    with pytest.raises(ClaimError, match="known by exact cases, and does not say on which cases"):
        seen_on_cases("")["loss.kl-isotropic"].verify()
    assert "stands on N = 1, 2, 3." in " ".join(CLAIMS["trends.contrastive"].cases)


@pytest.mark.parametrize(
    "name", [name for name, one in CLAIMS.items() if "induction" in [s.by.kind for s in one.steps]]
)
def test_induction_sees_what_holds_at_one_length_only(name: str) -> None:
    """A term that is 0 at T (or K) = 1, 2, 3, 4 alone: the step from length to length finds it."""
    claim = CLAIMS[name]
    for number, step in enumerate(claim.steps):
        if step.by.kind == "induction":
            length = next(a for a in (T, levels) if step.expr.has(a))
            zero = sp.Mul(*(length - k for k in range(1, 5)))
            with as_written():
                if isinstance(step.expr, E):
                    wrong = E(step.expr.args[0] + zero, *step.expr.args[1:])
                else:
                    wrong = step.expr + zero
            with pytest.raises(ClaimError, match=f"step {number + 1} of"):
                claim.with_step(number, wrong).prove_step(number)
