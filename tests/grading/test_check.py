"""What a student sees: one sentence, and nothing that costs points."""

import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from ddpm_course.grading import Wrong, check
from ddpm_course.grading.answers import examine
from ddpm_course.grading.tasks import find
from ddpm_course.grading.tasks import marginal as bank


def test_a_right_answer_earns_its_lesson(capsys: pytest.CaptureFixture[str]) -> None:
    check("marginal.sample", bank.sample)
    shown = capsys.readouterr()
    assert shown.out == f"✓ Right: {find('marginal.sample').lesson}\n"
    assert shown.err == ""


def test_a_known_mistake_is_named() -> None:
    def sample(x_0: Any, t: Any, eps: Any, alpha_bar: Any) -> Any:
        share = alpha_bar[t].view(-1, 1, 1, 1)
        return share.sqrt() * x_0 + (1 - share) * eps

    with pytest.raises(Wrong, match=r"^marginal\.sample: The noise is too weak") as caught:
        check("marginal.sample", sample)
    shown = caught.value._render_traceback_()
    assert len(shown) == 1
    assert "The noise is too weak" in shown[0]
    assert caught.value.__suppress_context__


def test_a_broken_answer_tells_its_own_error() -> None:
    def sample(x_0: Any, t: Any, eps: Any, alpha_bar: Any) -> Any:
        return alpha_bar[t] * x_0  # (B,) against (B, 1, H, W)

    with pytest.raises(Wrong, match="stopped with RuntimeError: The size of tensor"):
        check("marginal.sample", sample)


def test_blank_answers_are_told_apart() -> None:
    def blank(*args: Any) -> Any:
        raise NotImplementedError

    for answer, told in [
        (blank, "replace `raise NotImplementedError"),
        (None, "Not answered yet"),
        (lambda *args: None, "a `return` missing"),
        (3.0, "is a float; define a function"),
        (lambda *args: object(), "type object came back"),
    ]:
        with pytest.raises(Wrong, match=told):
            check("marginal.sample", answer)


def test_derivations_say_what_is_odd_about_an_expression() -> None:
    for answer, told in [
        (lambda a, b: sp.Symbol("gamma") * a, "contains gamma"),
        (lambda a, b: sp.Eq(a, b), "right-hand side alone"),
        (lambda a, b: None, "a `return` missing"),
        (lambda a, b: 0.5, "not right"),
    ]:
        with pytest.raises(Wrong, match=told):
            check("marginal.variance_step", answer)


def test_prints_warnings_and_changed_inputs_cost_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def sample(x_0: Any, t: Any, eps: Any, alpha_bar: Any) -> Any:
        print("progress")
        print("progress", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        result = bank.sample(x_0, t, eps, alpha_bar)
        for tensor in (x_0, eps, alpha_bar):
            tensor.zero_()
        return result

    check("marginal.sample", sample)
    shown = capsys.readouterr()
    assert "progress" not in shown.out
    assert shown.err == ""


def test_the_students_random_state_is_left_alone() -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    check("marginal.sample", bank.sample)
    assert torch.equal(torch.rand(3), wanted)


def test_odd_tensors_are_read_or_refused() -> None:
    task = find("marginal.sample")

    def through(change: Any) -> Any:
        return lambda *args: change(bank.sample(*args))

    assert examine(task, through(lambda x: x.requires_grad_())).right
    assert examine(task, through(lambda x: x.numpy())).right
    assert examine(task, through(lambda x: x.tolist())).right
    assert "low precision" in examine(task, through(lambda x: x.bfloat16())).sentence
    assert "meta device" in examine(task, through(lambda x: x.to("meta"))).sentence
    assert "whole numbers" in examine(task, through(lambda x: x.long())).sentence
    assert "complex" not in examine(task, through(lambda x: x + 0j)).sentence
    assert examine(task, through(np.asarray)).right


def test_in_a_notebook_nothing_but_the_sentence_is_shown() -> None:
    """In IPython the error is one line; the right answer's sentence is a display, no result."""
    code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell('from ddpm_course.grading import check')
shell.run_cell('check("marginal.crossing", 500)')
shell.run_cell('check("marginal.crossing", 260)')
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    wrong, right = done.stdout.strip().split("\n")
    assert "✗ marginal.crossing: That is half of the steps" in wrong
    assert right == f"✓ Right: {find('marginal.crossing').lesson}"
