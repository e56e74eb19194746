"""Every small error in an equation or in the code that computes it is found.

Each line of each claim is changed: a sign turned, a root dropped or added, β_t, α_t, ᾱ_t and
ᾱ_{t-1} taken for each other, t shifted by one; another subscript, condition, direction, law or
relation.
A witness must refuse each change. Those that none refuses are listed one by one in
``true_variants.txt``, with the reason why each is true. And for each function of the ledger its
source is changed: the comparison with a claim must see it. How many were made and caught is in
pytest's summary.

`make test` draws some of what takes long, always the same; `make test-long` makes all.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from ddpm_course import ledger
from ddpm_course.symbolic import CLAIMS, Claim, ClaimError, worlds
from ddpm_course.symbolic.claim import Chain
from tests.mutants import Variant, in_place_of, of_claim, of_function

SHORT = ("linear-10", "cosine-10")
EQUAL_CODE = {
    # Only the shape of the table is used: torch.zeros_like(self.beta).
    ("Schedule.beta_tilde", "zeros_like"),
}

FUNCTIONS = list(dict.fromkeys(f for one in ledger.BINDINGS.values() for f in one.functions))


LIST = Path(__file__).with_name("true_variants.txt")


def is_drawn(name: str, one_of: int) -> bool:
    """Whether `make test` looks at this one, too: a draw that is the same every time."""
    return zlib.crc32(name.encode()) % one_of == 0


# -- claims --------------------------------------------------------------------------------------


def listed() -> dict[str, str]:
    """The variants that say something true, and why, from the file beside this one."""
    out: dict[str, str] = {}
    name = ""
    for line in (
        Path(__file__).with_name("true_variants.txt").read_text(encoding="utf8").splitlines()
    ):
        if line.startswith("  "):
            out[name] = f"{out[name]} {line.strip()}".strip()
        elif line and not line.startswith("#"):
            name = line
            assert name not in out, f"{name} is listed twice"
            out[name] = ""
    return out


TRUE = listed()
AS_THEY_ARE = list(ledger.settings())  # for claims that change: the functions are what they were


def differs(claim: Claim, among: list[ledger.Setting]) -> bool:
    """Whether the claim is not what its function computes, if a function computes it."""
    if claim.name not in ledger.BINDINGS:
        return False
    try:
        accepted = ledger.BINDINGS[claim.name].tolerance
        return not ledger.largest_error(claim, among, stop=accepted) <= accepted
    except Exception:
        return True


def is_refused(one: Variant, trial: worlds.Trial) -> bool:
    """Whether a witness refuses a variant: the worlds, the proofs around the line, the checks, or
    the numbers. As ``verify`` does, but for the lines that did not change."""
    claim, base = one.claim, one.claim.base if one.base else None
    chain = base or Chain(claim.lhs, claim.steps)
    sides = [chain.lhs, *(step.expr for step in chain.steps)]
    near = [n for n in (one.number, one.number + 1) if 0 <= n < len(chain.steps)]
    if any(trial.wrong(sides[n], chain.steps[n].relation, sides[n + 1]) for n in near):
        return True
    try:
        for number in near:
            claim.prove_step(number, one.base)
        claim.check_ends()
        claim.check()
    except ClaimError:
        return True
    return not one.base and one.number == len(chain.steps) - 1 and differs(claim, AS_THEY_ARE)


def survivors(name: str, one_of: int, record_property: Callable[[str, object], None]) -> set[str]:
    """The names of the variants of a claim that no witness refuses, of those that are drawn."""
    trial = worlds.Trial(CLAIMS[name])
    found: set[str] = set()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a false formula may divide by zero
        for kind in ("expression", "statement"):
            drawn = [
                v for v in of_claim(CLAIMS[name]) if v.kind == kind and is_drawn(v.name, one_of)
            ]
            left = {one.name for one in drawn if not is_refused(one, trial)}
            record_property(f"mutants of {kind}s", (len(drawn), len(drawn) - len(left)))
            found |= left
    return found


def known(name: str, one_of: int) -> set[str]:
    return {one for one in TRUE if one.startswith(f"{name}, ") and is_drawn(one, one_of)}


# Means of two quantities at once, for each of 300 variants: `make test` draws one in 16 of them.
SLOW = ("loss.best-predictor", "flow.best", "masked.divergence")
LONG = [pytest.param(name, marks=pytest.mark.long) if name in SLOW else name for name in CLAIMS]


@pytest.mark.parametrize("name", LONG)
def test_every_variant_of_every_line_is_refused_or_listed(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    assert survivors(name, 1, record_property) == known(name, 1)


@pytest.mark.parametrize("name", SLOW)
def test_drawn_variants_are_refused_or_listed(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    assert survivors(name, 16, record_property) == known(name, 16)


def test_each_variant_that_is_listed_is_one_with_a_reason() -> None:
    """A name that no variant has any more, or a reason that is missing, is seen at once."""
    made = {v.name for name in CLAIMS for v in of_claim(CLAIMS[name])}
    assert set(TRUE) <= made
    assert [name for name, why in TRUE.items() if len(why.split()) < 4] == []


# -- code ----------------------------------------------------------------------------------------


def is_seen(claims: list[Claim], settings: tuple[str, ...]) -> bool:
    """Whether the functions as they are now differ from a claim, or build no setting at all."""
    try:
        among = list(map(ledger.Setting, settings))
    except ValueError:
        return True
    return any(differs(claim, among) for claim in claims)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_mutant_of_a_function_is_caught(
    function: str, record_property: Callable[[str, object], None]
) -> None:
    claims = [CLAIMS[name] for name, one in ledger.BINDINGS.items() if function in one.functions]
    made, survivors = 0, []
    for what, mutant in of_function(function):
        with in_place_of(function, mutant):
            caught = is_seen(claims, ledger.SETTINGS if what else SHORT)
        if not what:
            assert not caught, "made anew without a change, the function fails"
            continue
        made += 1
        if not caught:
            survivors.append(what)
    record_property("mutants of code", (made, made - len(survivors)))
    equal = [line for name, line in EQUAL_CODE if name == function]
    assert [what for what in survivors if not any(line in what for line in equal)] == []
