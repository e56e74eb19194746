"""What a student sees: one sentence, and nothing that costs points."""

import os
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp
import torch

from ddpm_course.grading import Wrong, check
from ddpm_course.grading.answers import examine
from ddpm_course.grading.tasks import chapter, find
from ddpm_course.grading.tasks import forward as forward_bank
from ddpm_course.grading.tasks import loss as loss_bank
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
        x_t = alpha_bar[t] * x_0  # (B,) against (B, 1, H, W)
        return x_t

    told = (
        r"stopped with RuntimeError in line 2 of your function: The size of tensor.*`\[:, None\]`"
    )
    with pytest.raises(Wrong, match=told):
        check("marginal.sample", sample)


def test_blank_answers_are_told_apart() -> None:
    def blank(*args: Any) -> Any:
        raise NotImplementedError

    for answer, told in [
        (blank, r"^marginal\.sample: not answered yet: the picture comes when the check is green"),
        (None, "not answered yet"),
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


def test_prints_and_warnings_cost_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def sample(x_0: Any, t: Any, eps: Any, alpha_bar: Any) -> Any:
        print("progress")
        print("progress", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        return bank.sample(x_0, t, eps, alpha_bar)

    check("marginal.sample", sample)
    shown = capsys.readouterr()
    assert "progress" not in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("place", range(4))
def test_an_answer_that_spoils_what_it_is_given_is_not_right(place: int) -> None:
    def sample(*args: Any) -> Any:
        result = bank.sample(*args)
        args[place].zero_()
        return result

    word = ("first", "second", "third", "fourth")[place]
    with pytest.raises(Wrong, match=f"changes its {word} argument in place"):
        check("marginal.sample", sample)


def test_lists_and_dictionaries_are_spoiled_too() -> None:
    def ancestors(references: dict[str, list[str]], paper: str) -> list[str]:
        waiting, found = references[paper], set()  # no copy
        while waiting:
            one = waiting.pop()
            if one not in found:
                found.add(one)
                waiting.extend(references[one])
        return sorted(found)

    with pytest.raises(Wrong, match="changes its first argument in place"):
        check("trends.ancestors", ancestors)


def test_random_numbers_come_from_the_generator() -> None:
    def drawn(generator: Any) -> Any:
        return lambda batch, T, given: torch.randint(1, T + 1, (batch,), generator=generator(given))

    check("loss.draw_t", drawn(lambda given: given))
    with pytest.raises(Wrong, match="drawn without it"):
        check("loss.draw_t", drawn(lambda given: None))
    with pytest.raises(Wrong, match="generator that is given makes no difference"):
        check("loss.draw_t", drawn(lambda given: torch.Generator().manual_seed(0)))
    with pytest.raises(Wrong, match="generator that is given makes no difference"):
        check("loss.draw_t", lambda batch, T, given: 1 + torch.arange(batch) % T)
    # Numbers of another library, made from the generator's seed, are as random.
    check(
        "loss.draw_t",
        lambda batch, T, given: np.random.default_rng(given.initial_seed()).integers(
            1, T + 1, batch
        ),
    )


def test_two_draws_that_agree_by_chance_are_not_blamed_on_the_generator() -> None:
    """One step for all images is one of six: every sixth pair of generators gives the same."""
    task = find("loss.draw_t")

    def answer(n: int, T: int, g: torch.Generator) -> torch.Tensor:
        return torch.randint(1, T + 1, (1,), generator=g).expand(n)

    for seed in range(40):
        assert "All images get the same t" in examine(task, answer, seed).sentence


def test_a_loss_that_cannot_be_trained_is_not_right() -> None:
    def epsilon_loss(*args: Any) -> Any:
        return loss_bank.epsilon_loss(*args).item()

    with pytest.raises(Wrong, match="carries no gradient"):
        check("loss.epsilon_loss", epsilon_loss)
    with pytest.raises(Wrong, match="carries no gradient"):
        check("loss.epsilon_loss", torch.no_grad()(loss_bank.epsilon_loss))


def test_the_model_refuses_float64_as_a_network_does() -> None:
    def epsilon_loss(model: Any, x_0: Any, t: Any, eps: Any, alpha_bar: Any) -> Any:
        share = alpha_bar[t].view(-1, 1, 1, 1)
        return ((eps - model(share.sqrt() * x_0 + (1 - share).sqrt() * eps, t)) ** 2).mean()

    with pytest.raises(Wrong, match=r"was given float64.*`alpha_bar\[t\]\.float\(\)`"):
        check("loss.epsilon_loss", epsilon_loss)


def test_what_the_next_cell_cannot_use_is_not_right() -> None:
    with pytest.raises(Wrong, match=r"`torch\.stack` makes one"):
        check("forward.trajectory", lambda *args: list(forward_bank.trajectory(*args)))


def test_a_bare_symbol_is_no_equation() -> None:
    with pytest.raises(Wrong) as caught:
        check("reverse.posterior_variance", lambda beta, alpha_bar: beta)
    assert "equation" not in str(caught.value)


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


def said_by(code: str, home: Path, *arguments: str) -> str:
    """What a program of its own says, with a history of IPython's of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | {"IPYTHONDIR": str(home)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    assert done.stderr == ""
    return done.stdout


def test_in_a_notebook_nothing_but_the_sentence_is_shown(tmp_path: Path) -> None:
    """In IPython the error is one line; the right answer's sentence is a display, no result."""
    code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell('from ddpm_course.grading import check')
shell.run_cell('check("marginal.crossing", 500)')
shell.run_cell('check("marginal.crossing", 260)')
"""
    wrong, right = said_by(code, tmp_path).strip().split("\n")
    assert "✗ marginal.crossing: That is half of the steps" in wrong
    assert right == f"✓ Right: {find('marginal.crossing').lesson}"


def test_a_blank_notebook_is_calm(tmp_path: Path) -> None:
    """Run from top to bottom, each blank task shows one quiet line, and nothing else."""
    code = """
import json, pathlib, sys
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="nocolor")
for cell in json.loads(pathlib.Path(sys.argv[1]).read_text())["cells"]:
    if cell["cell_type"] == "code":
        shell.run_cell("".join(cell["source"]))
shell.run_cell("raise NotImplementedError('for Half')")
"""
    for name in ("forward", "loss"):
        path = Path(__file__).parents[2] / "exercises" / name / f"{name}.ipynb"
        *shown, last = [line for line in said_by(code, tmp_path, str(path)).split("\n") if line]
        assert last == "NotImplementedError: for Half"
        quiet = [line for line in shown if "not answered yet" in line]
        assert len(quiet) == len(chapter(name).tasks)
        assert all(line.startswith("\x1b[90m· ") for line in quiet)
        before = shown[: shown.index(quiet[-1]) + 1]
        assert [line for line in before if line not in quiet] == []
