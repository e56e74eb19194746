"""The claim engine judges the bank: derivations with one wrong line, and next lines."""

from typing import Any

import pytest
import sympy as sp

from ddpm_course.grading.tasks import find
from ddpm_course.grading.tasks.flow import _WRONG as _WRONG_FLOW
from ddpm_course.grading.tasks.lines import Broken
from ddpm_course.grading.tasks.masked import _WRONG as _WRONG_MASKED
from ddpm_course.grading.tasks.solvers import _WRONG
from ddpm_course.symbolic import claim
from ddpm_course.symbolic.beyond import eta
from ddpm_course.symbolic.claim import ClaimError
from ddpm_course.symbolic.evaluation import sd_1, sd_2
from ddpm_course.symbolic.notation import alpha_bar, beta, mu_1, mu_2, s, t, x, x0_guess


@pytest.mark.parametrize(
    "broken", [_WRONG, _WRONG_FLOW, _WRONG_MASKED], ids=lambda broken: broken.name
)
def test_one_line_does_not_follow_and_all_others_do(broken: Broken) -> None:
    found = broken.claim
    for number in range(1, len(found.steps) + 1):
        if number == broken.line:
            with pytest.raises(ClaimError, match="does not follow"):
                found.prove_step(number - 1)
        else:
            found.prove_step(number - 1)
    claim(broken.name).check()  # as the book has it, every line follows


@pytest.mark.parametrize(
    ("broken", "name"),
    [
        (_WRONG, "solvers.wrong_line"),
        (_WRONG_FLOW, "flow.wrong_line"),
        (_WRONG_MASKED, "masked.wrong_line"),
    ],
)
def test_the_question_shows_all_lines_and_their_reasons(broken: Broken, name: str) -> None:
    text = broken.text()
    for number, row in enumerate(broken.claim.rows(), start=1):
        assert f"{number}. $= {row.rhs}$ — {row.reason}" in text
    assert "$$" not in text
    task = find(name)
    assert text in task.prompt
    assert task.reference == broken.line
    others = {mistake.answer for mistake in task.mistakes}
    assert others == set(range(1, len(broken.claim.steps) + 1)) - {broken.line}


# The task, and of which claim which step it is, and what the student's letters are there.
NEXT: dict[str, tuple[str, int, dict[str, Any]]] = {
    "solvers.next_line": (
        "solvers.jump",
        1,
        {"x_t": x(t), "x0_hat": x0_guess, "now": alpha_bar(t), "then": alpha_bar(s)},
    ),
    "beyond.next_line": (
        "beyond.ddim-variance-step",
        1,
        {"eta": eta, "beta": beta(t), "before": alpha_bar(t - 1)},
    ),
    "evaluation.frechet_line": (
        "evaluation.frechet-line",
        1,
        {"mean_1": mu_1, "std_1": sd_1, "mean_2": mu_2, "std_2": sd_2},
    ),
}


@pytest.mark.parametrize("name", NEXT)
def test_the_engine_proves_the_next_line_and_refuses_each_mistake(name: str) -> None:
    task, (of, step, letters) = find(name), NEXT[name]
    symbols = sp.symbols(" ".join(letters), positive=True, seq=True)
    meant = dict(zip(symbols, letters.values(), strict=True))
    claim(of).with_step(step, task.reference(*symbols).subs(meant)).prove_step(step)
    for mistake in task.mistakes:
        with pytest.raises(ClaimError):
            claim(of).with_step(step, mistake.answer(*symbols).subs(meant)).prove_step(step)
