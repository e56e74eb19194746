"""The claims themselves: all hold, none rests on itself, each is held to something."""

from __future__ import annotations

import pytest

from ddpm_course import ledger
from ddpm_course.symbolic import CLAIMS
from ddpm_course.symbolic.claim import DEFINITION


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
    assert CLAIMS["loss.bound"].mark == "◇"
    assert CLAIMS["marginal.continuous-limit"].mark == "◇"
    assert CLAIMS["loss.mean-error"].rests_on_cases == ["loss.kl-isotropic"]
    assert CLAIMS["loss.mean-error"].mark == "◇"
