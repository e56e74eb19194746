"""Answers that were written from the exercises alone: none of them is in the bank.

A wrong one is rejected, and nearly always by a sentence that names the slip. How many of each are
named is measured; the sentences themselves were read one by one.
"""

import re
from typing import Any

import heldout_fifth
import heldout_first
import heldout_fourth
import heldout_second
import heldout_sixth
import heldout_third
import pytest

from ddpm_course.grading.answers import Bench, examine
from ddpm_course.grading.tasks import find

SETS = {
    "first": (heldout_first, 0.9),
    "second": (heldout_second, 0.9),
    "third": (heldout_third, 0.9),
    "fourth": (heldout_fourth, 0.95),
    "fifth": (heldout_fifth, 0.95),
    "sixth": (heldout_sixth, 1.0),
}
GENERAL = re.compile(r"(is|are) not (right|the number asked for)")


def test_some_held_out_answers_of_each_set() -> None:
    for module, _ in SETS.values():
        for task, answer in module.RIGHT[::10]:
            assert examine(find(task), answer).right, task
        for task, _, answer in module.WRONG[::10]:
            assert not examine(find(task), answer).right, task


@pytest.mark.long
@pytest.mark.parametrize("name", SETS)
def test_held_out_answers(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module, least = SETS[name]
    benches = {task: Bench(find(task)) for task, *_ in (*module.RIGHT, *module.WRONG)}
    for task, answer in module.RIGHT:
        assert benches[task].examine(answer).right, task
    verdicts = [(task, benches[task].examine(answer)) for task, _, answer in module.WRONG]
    assert [task for task, verdict in verdicts if verdict.right] == []
    named = sum(not GENERAL.search(verdict.sentence) for _, verdict in verdicts)
    with capsys.disabled():
        right, wrong = len(module.RIGHT), len(module.WRONG)
        print(f"\n{name}: {right} right accepted, {named} of {wrong} wrong ones named", end=" ")
    assert named >= least * len(module.WRONG)


def test_a_factor_is_told_only_where_all_questions_share_it() -> None:
    """In a linear toy model each single question has some factor; it says nothing."""

    def walk(model: Any, x: Any, times: Any, alpha_bar: Any) -> Any:
        return model(x, x.new_full((len(x),), times[0], dtype=int)) * 1.234

    assert "look for a factor" not in examine(find("solvers.walk"), walk).sentence


def test_a_letter_is_asked_for() -> None:
    for answer in ("reader", "8000", 3, ["a"]):
        assert "One letter is asked for" in examine(find("trends.claim"), answer).sentence
