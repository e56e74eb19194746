"""What the relations of steps say together, held against numbers."""

from __future__ import annotations

import operator
from itertools import product

import pytest
import sympy as sp

from ddpm_course.symbolic.methods import ALGEBRA, AT_LEAST, AT_MOST, BELOW, DEFINITION
from ddpm_course.symbolic.step import composed, follows, may_write

HOLDS = {
    "=": operator.eq,
    "<": operator.lt,
    ">": operator.gt,
    r"\le": operator.le,
    r"\ge": operator.ge,
}
FEW = range(4)


@pytest.mark.parametrize("chain", list(product(HOLDS, repeat=2)), ids=" ".join)
def test_a_chain_says_the_strongest_relation_of_its_ends(chain: tuple[str, str]) -> None:
    first, second = (HOLDS[one] for one in chain)
    ends = [(a, c) for a, b, c in product(FEW, repeat=3) if first(a, b) and second(b, c)]
    true = [name for name, holds in HOLDS.items() if all(holds(a, c) for a, c in ends)]
    if not true:
        with pytest.raises(ValueError, match="do not make one"):
            composed(chain)
        return
    said = composed(chain)
    assert said in true
    for other in true:  # no weaker one is said where a stronger holds
        assert all(HOLDS[other](a, c) for a, c in product(FEW, repeat=2) if HOLDS[said](a, c))


def test_no_steps_say_that_the_ends_are_equal() -> None:
    assert composed([]) == "="


def test_what_is_proved_may_be_written_weaker_but_never_stronger() -> None:
    for method in (ALGEBRA, BELOW, AT_MOST, AT_LEAST):
        proved = HOLDS[method.relation]
        for name, holds in HOLDS.items():
            weaker = all(holds(a, b) for a, b in product(FEW, repeat=2) if proved(a, b))
            assert may_write(method, name) == weaker, (method.relation, name)
    assert [name for name in HOLDS if may_write(DEFINITION, name)] == ["="]


@pytest.mark.parametrize(
    ("left", "proof"),
    [
        (0, True),
        (sp.S.Zero, True),
        (True, True),
        (False, False),
        (1, False),
        (sp.Symbol("a"), False),
    ],
)
def test_only_nothing_left_is_a_proof(left: object, proof: bool) -> None:
    assert follows(left) is proof
