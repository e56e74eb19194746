"""Every small error in an equation or in the code that computes it is found.

For each claim its displayed equation is changed, and for each function of the ledger its source: a
sign turned, a root dropped or added, β_t, α_t, ᾱ_t and ᾱ_{t-1} taken for each other, t shifted by
one. The proofs, or the comparison of a claim with its function, must see each change. How many were
made and caught is in pytest's summary.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest

from ddpm_course import ledger
from ddpm_course.symbolic import CLAIMS, Claim, ClaimError, worlds
from ddpm_course.symbolic.claim import Chain, Step
from tests.mutants import RELATIONS, in_place_of, of_expression, of_function, of_statement

# Changes that change nothing.
EQUAL_EXPRESSIONS = {
    # β_0 = 0, so α_0 = 1: a factor more.
    ("marginal.alpha-bar", "first term shifted by -1"),
}
EQUAL_CODE = {
    # Only the shape of the table is used: torch.zeros_like(self.beta).
    ("Schedule.beta_tilde", "zeros_like"),
}

FUNCTIONS = list(dict.fromkeys(f for one in ledger.BINDINGS.values() for f in one.functions))


def differs(claim: Claim) -> bool:
    """Whether the claim is not what its function computes, if a function computes it."""
    if claim.name not in ledger.BINDINGS:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a false formula may divide by zero
            accepted = ledger.BINDINGS[claim.name].tolerance
            return not ledger.largest_error(claim, stop=accepted) <= accepted
    except Exception:
        return True


def is_caught(claim: Claim, number: int) -> bool:
    """Whether the proofs around a step of a changed claim, its checks or its numbers fail."""
    try:
        claim.prove_step(number)
        if number + 1 < len(claim.steps):
            claim.prove_step(number + 1)
        claim.check()
    except ClaimError:
        return True
    return differs(claim)


@pytest.mark.parametrize("name", CLAIMS)
def test_every_mutant_of_an_equation_is_caught(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    claim = CLAIMS[name]
    last = len(claim.steps) - 1
    mutants = of_expression(claim.rhs)
    survivors = {what for what, rhs in mutants if not is_caught(claim.with_step(last, rhs), last)}
    record_property("mutants of equations", (len(mutants), len(mutants) - len(survivors)))
    assert survivors == {what for equal, what in EQUAL_EXPRESSIONS if equal == name}


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_mutant_of_a_function_is_caught(
    function: str, record_property: Callable[[str, object], None]
) -> None:
    claims = [CLAIMS[name] for name, one in ledger.BINDINGS.items() if function in one.functions]
    made, survivors = 0, []
    for what, mutant in of_function(function):
        with in_place_of(function, mutant):
            caught = any(differs(claim) for claim in claims)
        if not what:
            assert not caught, "made anew without a change, the function fails"
            continue
        made += 1
        if not caught:
            survivors.append(what)
    record_property("mutants of code", (made, made - len(survivors)))
    equal = [line for name, line in EQUAL_CODE if name == function]
    assert [what for what in survivors if not any(line in what for line in equal)] == []


# Wrong variants of what a claim says that say something true.
TRUE_VARIANTS = {
    ("forward.reparameterization-mean", "given x(0) too"),  # ε_t, given what came before it
    ("forward.reparameterization-mean", "given x(t - 1) too"),
    ("forward.reparameterization-variance", "given x(0) too"),
    ("forward.reparameterization-variance", "given x(t - 1) too"),
    ("forward.unit-variance", "given x(0) too"),
    ("forward.unit-variance", "given x(t - 1) too"),
    ("reverse.prior", "deviation for variance"),  # the root of 1
    ("reverse.bayes", "condition dropped from q(x(t) | x(t - 1), x(0))"),  # a Markov chain
}
WEAKER = {("=", r"\le"), ("=", r"\ge"), ("=", r"\propto"), ("<", r"\le"), (">", r"\ge")}


def proved(claim: Claim, number: int, base: bool) -> bool:
    try:
        claim.prove_step(number, base)
    except ClaimError:
        return False
    return True


def survivors_of(claim: Claim) -> set[str]:
    """Subscripts, conditions, directions, laws and relations, changed in each line."""
    trial, out = worlds.Trial(claim), set()
    chains = [(claim.lhs, claim.steps, False)]
    chains += [(claim.base.lhs, claim.base.steps, True)] if claim.base else []
    for lhs, steps, base in chains:
        sides = [lhs, *(step.expr for step in steps)]
        for number, step in enumerate(steps):
            before = sides[number]
            for what, wrong in of_statement(step.expr):
                changed = claim.with_step(number, wrong, base)
                follows = number + 1 < len(steps)
                if trial.wrong(before, step.relation, wrong) or not proved(changed, number, base):
                    continue
                if follows and trial.wrong(wrong, steps[number + 1].relation, sides[number + 2]):
                    continue
                if not follows or proved(changed, number + 1, base):
                    out.add(what)
            for relation in RELATIONS:
                if relation == step.relation or (step.relation, relation) in WEAKER:
                    continue
                turned = list(steps)
                turned[number] = step._replace(relation=relation)
                changed = (
                    replace(claim, base=replace_steps(claim, tuple(turned)))
                    if base
                    else replace(claim, steps=tuple(turned))
                )
                if proved(changed, number, base) and not trial.wrong(before, relation, step.expr):
                    out.add(f"{step.relation} taken for {relation}")
    return out


def replace_steps(claim: Claim, steps: tuple[Step, ...]) -> Chain:
    assert claim.base is not None
    return claim.base._replace(steps=steps)


SLOW = ("loss.best-predictor",)  # means of two quantities at once, for each of 300 variants


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.long) if n in SLOW else n for n in CLAIMS]
)
def test_every_wrong_variant_of_a_statement_is_refused(name: str) -> None:
    """A subscript, a condition, a direction or a relation that is wrong, in any line."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a false formula may divide by zero
        found = survivors_of(CLAIMS[name])
    assert found == {what for claim, what in TRUE_VARIANTS if claim == name}
