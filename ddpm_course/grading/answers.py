"""Puts the cases of a task to an answer, and makes plain arrays of what it gives."""

from __future__ import annotations

import contextlib
import copy
import io
import itertools
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import sympy as sp
import torch
from sympy.core.relational import Relational
from sympy.logic.boolalg import BooleanAtom, BooleanFunction

from ddpm_course.grading.draw import Refused
from ddpm_course.grading.task import Case, Mistake, Task
from ddpm_course.grading.verdict import Failure, Outcome, Question, Value, Verdict, judge

__all__ = ["PUBLIC_SEED", "SAID", "Bench", "ask", "examine", "plain"]

PUBLIC_SEED = 0
LONGEST = 10_000  # items read from an answer that is a generator

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
_SPOILED = {
    place: f"Your function changes its {word} argument in place: whoever called it still needs it. "
    "Make a new one (`a = a * b`, not `a *= b`)."
    for place, word in enumerate(_ORDINALS)
}
_EQUATION = "Return the right-hand side alone, not an equation."
_TEXT = "Return an expression made of the arguments, without quotation marks around it."
_UNUSED = (
    "The generator that is given makes no difference: draw random numbers, and draw them with it."
)
_UNFIT = {
    "a gradient": "The loss carries no gradient, so nothing can be trained with it: return it as a "
    "tensor, without `.item()`, `.detach()` or `no_grad`.",
    "a tensor": "A list came back, where one tensor is asked for: `torch.stack` makes one of it.",
    "numbers": "The losses hold on to the graphs they came from: keep `loss.item()`, a number.",
}
_LETTER = 'One letter is asked for: `"a"`, with the quotation marks and nothing else.'
_OTHERWISE = (
    "Two calls with the same generator gave different results: some random numbers were drawn "
    "without it."
)

# Sentences that hold nothing of the answer's own words.
SAID = frozenset(
    {
        _EQUATION,
        _TEXT,
        _LETTER,
        _UNUSED,
        _OTHERWISE,
        Refused.SENTENCE,
        *_SPOILED.values(),
        *_UNFIT.values(),
    }
)


@dataclass(frozen=True, eq=False)
class Bench:
    """What one task's answers are compared with for one seed, each thing worked out once and when
    it is needed."""

    task: Task
    seed: int = PUBLIC_SEED

    @cached_property
    def questions(self) -> list[Question]:
        return [Question(c.rtol, c.atol, c.along) for c in self.task.cases(self.seed)]

    @cached_property
    def expected(self) -> list[Outcome]:
        return ask(self.task, self.task.reference, self.seed)

    @cached_property
    def _mistakes(self) -> tuple[dict[int, list[Outcome]], Sequence[Mistake]]:
        # Not imported where students' code runs: it tells answers.
        from ddpm_course.grading.slips import known

        return {}, known(self.task, self.seed)

    def mistakes(self) -> Iterator[tuple[str, list[Outcome]]]:
        """The sentence of each known mistake, and what it gives."""
        found, known = self._mistakes
        for number, mistake in enumerate(known):
            if number not in found:
                found[number] = ask(self.task, mistake.answer, self.seed, strict=False)
            yield mistake.sentence, found[number]

    def judge(self, found: Sequence[Outcome]) -> Verdict:
        """The verdict on what an answer gave."""
        outputs = self.task.outputs
        if any(map(_trains, self.task.cases(self.seed))):
            outputs = (*(outputs or ("the answer",)), "what the network has learned")
        return judge(self.questions, self.expected, found, self.mistakes(), outputs)

    def examine(self, answer: Any) -> Verdict:
        """The verdict on an answer: right, a known mistake, or how it differs."""
        return self.judge(ask(self.task, answer, self.seed))


def examine(task: Task, answer: Any, seed: int = PUBLIC_SEED) -> Verdict:
    """The verdict on one answer: right, a known mistake, or how it differs."""
    return Bench(task, seed).examine(answer)


def ask(task: Task, answer: Any, seed: int, strict: bool = True) -> list[Outcome]:
    """What the answer gives for each of the task's cases.

    What it prints or warns of is not shown, the global random state is fixed before each case and
    put back after it, and what it raises becomes a ``Failure``. ``strict`` also looks at how the
    answer treats what it is given, and at what the next cell needs; of a known mistake only the
    result counts.
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
            outcomes.append(_ask(task, answer, case, strict))
    return outcomes


def _ask(task: Task, answer: Any, case: Case, strict: bool) -> Outcome:
    try:
        if case.symbols is not None:
            return _evaluate(answer, case) if strict else _numbers(answer, case)
        if not callable(task.reference):
            outcome = plain(answer if task.observe is None else task.observe(answer))
            letter = isinstance(task.reference, str) and str(outcome[0].array)
            return Failure(_LETTER) if letter and letter not in "abcdefgh" else outcome
        before = copy.deepcopy([_kept(value) for value in case.args])
        result = answer(*case.args)
        if result is None or result is ...:
            return Failure("The function returns nothing: is a `return` missing?")
        if strict and (unfit := _unfit(case.gives, result)) is not None:
            return unfit
        outcome = (
            *plain(result if task.observe is None else task.observe(result)),
            *_trained(case),
        )
        if not strict:
            return outcome
        for place, (old, value) in enumerate(zip(before, case.args, strict=True)):
            if not _equal(old, _kept(value)):
                return Failure(_SPOILED[min(place, len(_SPOILED) - 1)])
        return _random(answer, case) or outcome
    except Refused as error:
        return Failure(str(error))
    except Exception as error:
        if isinstance(error, NotImplementedError) and not error.args:  # with a word, it is torch's
            return Failure("Not answered yet: replace `raise NotImplementedError()`.", blank=True)
        reason = str(error).strip().split("\n")[0]
        where, hint = _line(answer, error), _hint(case, reason)
        return Failure(f"Your answer stopped with {type(error).__name__}{where}: {reason}{hint}")


def _trains(case: Case) -> bool:
    return any(isinstance(value, torch.nn.Module) for value in case.args)


def _trained(case: Case) -> Iterator[Value]:
    """The weights of a network that an answer was given to train."""
    for value in case.args:
        if isinstance(value, torch.nn.Module):
            weights = [weight.detach().flatten() for weight in value.parameters()]
            yield _value(torch.cat(weights))


def _random(answer: Any, case: Case) -> Failure | None:
    """Whether the random numbers come from the generator that is given, and from it alone.

    The same seed must give the same, whatever the global random state. Of a dozen other seeds one
    must give something else: two draws from few values may well be the same, and say nothing.
    """
    place = next((i for i, v in enumerate(case.args) if isinstance(v, torch.Generator)), None)
    if place is None:
        return None
    seed = case.args[place].initial_seed()

    def drawn(own: int, everybodys: int) -> list[np.ndarray]:
        args = list(case.args)
        args[place] = torch.Generator().manual_seed(own)
        torch.manual_seed(everybodys)
        return [part.array for part in plain(answer(*args))]

    first = drawn(seed, 1)
    if not _equal(first, drawn(seed, 2)):
        return Failure(_OTHERWISE)
    same = all(_equal(first, drawn(other, 1)) for other in range(seed + 1, seed + 13))
    return Failure(_UNUSED) if same else None


def _kept(value: Any) -> Any:
    """What of an argument an answer must leave as it is; a model and a generator may change."""
    if isinstance(value, torch.Tensor):
        return value.detach()
    if isinstance(value, Mapping):
        return {key: _kept(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_kept(item) for item in value]
    return value if isinstance(value, np.ndarray | int | float | str) else None


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor | np.ndarray):
        return bool(np.array_equal(np.asarray(a), np.asarray(b)))
    if isinstance(a, dict):
        return list(a) == list(b) and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool(a == b)


def _unfit(gives: str, result: Any) -> Failure | None:
    """What the notebook's next cell could not use."""
    tensor = isinstance(result, torch.Tensor)
    if gives == "a gradient" and not (tensor and result.requires_grad):
        return Failure(_UNFIT[gives])
    if gives == "a tensor" and isinstance(result, list | tuple | Iterator):
        return Failure(_UNFIT[gives])
    if gives == "numbers" and any(
        isinstance(item, torch.Tensor) and item.requires_grad
        for item in (result if isinstance(result, list | tuple) else [result])
    ):
        return Failure(_UNFIT[gives])
    return None


def _line(answer: Any, error: Exception) -> str:
    """The line of the answer that the error came from, counted from its `def`."""
    code = getattr(answer, "__code__", None)
    lines = [
        line - code.co_firstlineno + 1
        for frame, line in traceback.walk_tb(error.__traceback__)
        if code is not None and frame.f_code is code
    ]
    return f" in line {lines[-1]} of your function" if lines else ""


def _hint(case: Case, reason: str) -> str:
    """What helps where a table looked up at t meets the data without new axes."""
    of_steps = any(
        isinstance(value, torch.Tensor) and value.ndim == 1 and not value.is_floating_point()
        for value in case.args
    )
    if of_steps and ("must match" in reason or "could not be broadcast" in reason):
        return (
            ". A table looked up at t has shape (B,): new axes, as in `[:, None]` or "
            "`.view(-1, 1, 1, 1)`, let it meet the data."
        )
    return ""


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
        if isinstance(part, str):
            return Failure(_TEXT)
        expression = sp.sympify(part)
        # A bare symbol is a Boolean to SymPy, too, and no equation.
        if isinstance(expression, Relational | BooleanAtom | BooleanFunction):
            return Failure(_EQUATION)
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


def _numbers(answer: Any, case: Case) -> tuple[Value, ...]:
    """The same for a known mistake, which is called with numbers: a tenth of the time."""
    rows = []
    for point in zip(*case.args, strict=True):
        result = answer(*map(sp.Float, point))
        parts = result if isinstance(result, tuple) else (result,)
        rows.append([complex(sp.sympify(part)) for part in parts])
    columns = [np.asarray(column) for column in zip(*rows, strict=True)]
    return tuple(Value(c.real if np.allclose(c.imag, 0) else c) for c in columns)


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
