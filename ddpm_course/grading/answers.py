"""Puts the cases of a task to an answer, and makes plain arrays of what it gives."""

from __future__ import annotations

import contextlib
import io
import itertools
import warnings
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

import numpy as np
import sympy as sp
import torch

from ddpm_course.grading.task import Case, Task
from ddpm_course.grading.verdict import Failure, Outcome, Question, Value, Verdict, judge

__all__ = ["PUBLIC_SEED", "ask", "examine", "plain"]

PUBLIC_SEED = 0
LONGEST = 10_000  # items read from an answer that is a generator


def examine(task: Task, answer: Any, seed: int = PUBLIC_SEED) -> Verdict:
    """The verdict on an answer: right, a known mistake, or how it differs."""
    cases = task.cases(seed)
    return judge(
        [Question(case.rtol, case.atol, case.along) for case in cases],
        ask(task, task.reference, seed),
        ask(task, answer, seed),
        ((mistake.sentence, ask(task, mistake.answer, seed)) for mistake in task.mistakes),
        task.outputs,
    )


def ask(task: Task, answer: Any, seed: int) -> list[Outcome]:
    """What the answer gives for each of the task's cases.

    What it prints or warns of is not shown, the global random state is fixed before each case and
    put back after it, and what it raises becomes a ``Failure``.
    """
    if answer is None or answer is ...:
        return [Failure("Not answered yet.", blank=True)] * len(task.cases(seed))
    if callable(task.reference) and not callable(answer):
        sentence = f"`{task.answer_name}` is a {type(answer).__name__}; define a function."
        return [Failure(sentence)] * len(task.cases(seed))
    outcomes = []
    for case in task.cases(seed):
        with _quiet(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            outcomes.append(_ask(task, answer, case))
    return outcomes


def _ask(task: Task, answer: Any, case: Case) -> Outcome:
    try:
        if case.symbols is not None:
            return _evaluate(answer, case)
        result = answer(*case.args) if callable(task.reference) else answer
        if result is None or result is ...:
            return Failure("The function returns nothing: is a `return` missing?")
        if task.observe is not None:
            result = task.observe(result)
        return plain(result)
    except NotImplementedError:
        return Failure("Not answered yet: replace `raise NotImplementedError()`.", blank=True)
    except Exception as error:
        reason = str(error).strip().split("\n")[0]
        return Failure(f"Your answer stopped with {type(error).__name__}: {reason}")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What an answer prints would be repeated for each case; what it warns of would cost points."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        warnings.catch_warnings(),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


def _evaluate(answer: Any, case: Case) -> Outcome:
    """The values at the case's points of the expression that the answer returns."""
    names = sp.symbols(case.symbols, positive=True, seq=True)
    result = answer(*names)
    if result is None:
        return Failure("The function returns nothing: is a `return` missing?")
    parts = result if isinstance(result, tuple) else (result,)
    values = []
    for part in parts:
        expression = sp.sympify(part)
        if isinstance(expression, sp.logic.boolalg.Boolean):
            return Failure("Return the right-hand side alone, not an equation.")
        stray = sorted(str(symbol) for symbol in expression.free_symbols - set(names))
        if stray:
            return Failure(f"The expression contains {', '.join(stray)}: use the arguments alone.")
        points = [
            complex(expression.evalf(subs=dict(zip(names, point, strict=True))))
            for point in zip(*case.args, strict=True)
        ]
        array = np.asarray(points)
        values.append(Value(array.real if np.allclose(array.imag, 0) else array))
    return tuple(values)


def plain(result: Any) -> tuple[Value, ...]:
    """The arrays of a result: one, or one for each item of a tuple."""
    if isinstance(result, Mapping):
        keys = sorted(result)
        return plain((keys, [result[key] for key in keys]))
    if isinstance(result, Set):
        return plain(sorted(result))
    if isinstance(result, Iterator):
        result = list(itertools.islice(result, LONGEST))
    if isinstance(result, tuple | list) and (isinstance(result, tuple) or _ragged(result)):
        return tuple(_value(item) for item in result)
    return (_value(result),)


def _ragged(items: list[Any]) -> bool:
    """Whether these are arrays that do not stack: parts of a result, not rows of an array."""
    return len({item.shape for item in items if isinstance(item, torch.Tensor | np.ndarray)}) > 1


def _value(item: Any) -> Value:
    if isinstance(item, torch.Tensor):
        if item.is_meta:
            raise ValueError("the tensor is on the meta device and holds no numbers")
        if item.dtype == torch.bfloat16:  # unknown to NumPy
            return Value(item.detach().float().cpu().numpy(), item.device.type)
        return Value(item.detach().cpu().numpy().copy(), item.device.type)
    if isinstance(item, sp.Basic):
        return Value(np.asarray(float(item)))
    if (
        isinstance(item, Sequence)
        and not isinstance(item, str)
        and any(isinstance(part, torch.Tensor | np.ndarray) for part in item)
    ):
        parts = [_value(part) for part in item]
        return Value(np.stack([part.array for part in parts]), parts[0].device)
    array = np.asarray(item)
    if array.dtype.kind not in "biufcU":
        raise TypeError(f"type {type(item).__name__} came back; numbers or text were asked for")
    return Value(array)
