"""Mistakes that any task may meet, made from its right answer: no task has to list them.

Two arguments that changed places, one t for the whole batch, an index one off, one table taken for
another, an argument left out, a model asked in a wrong way, and each single slip in the text of the
right answer (``rewrite.py``). A task's own mistakes come first: they say more.
"""

from __future__ import annotations

import inspect
import itertools
import operator
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import sympy as sp
import torch
from torch import Tensor, nn

from ddpm_course.grading.rewrite import reformed, rewritten
from ddpm_course.grading.task import Case, Mistake, Task

__all__ = ["known"]

_TABLES = {"alpha_bar": "ᾱ", "beta": "β"}


def known(task: Task, seed: int = 0) -> tuple[Mistake, ...]:
    """The task's own mistakes, and after them the general ones that its answer can be given."""
    return (*task.mistakes, *_general(task, seed))


def _general(task: Task, seed: int) -> Iterator[Mistake]:
    # What is observed of many draws says nothing of a root or of two arguments.
    if not callable(task.reference) or task.observe is not None:
        return
    names = list(inspect.signature(task.reference).parameters)
    case = task.cases(seed)[0]
    if any(isinstance(value, torch.Generator) for value in case.args):
        return
    for i, j in itertools.combinations(range(len(names)), 2):
        if case.symbols is not None or _alike(case.args[i], case.args[j]):
            yield _asked(
                task,
                f"It looks as if `{names[i]}` and `{names[j]}` had changed places.",
                _swap(i, j),
            )
    if case.symbols is not None:
        yield from _of_symbols(task, names)
    if case.symbols is None:
        yield from _of_steps(task, names, case)
        yield from _of_arguments(task, names, case)
    yield from _of_results(task)
    for sentence, answer in rewritten(task.reference):
        yield Mistake(sentence, _surely(answer))
    if case.symbols is not None:
        for sentence, answer in reformed(task.reference):
            yield Mistake(sentence, _surely(answer))


def _of_symbols(task: Task, names: list[str]) -> Iterator[Mistake]:
    """One argument, or two that are alike, read in another way all over an expression."""
    for place, name in enumerate(names):
        yield _asked(
            task,
            f"1 - `{name}` stands where `{name}` belongs.",
            _change(place, lambda x: 1 - x),
        )
    for i, j in itertools.combinations(range(len(names)), 2):
        for told, power in (("with their square roots", sp.Rational(1, 2)), ("squared", 2)):
            sentence = f"`{names[i]}` and `{names[j]}` go in {told}."
            yield _asked(task, sentence, partial(_powers, (i, j), power))


def _powers(places: tuple[int, int], power: Any, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x**power if place in places else x for place, x in enumerate(args))


def _of_steps(task: Task, names: list[str], case: Case) -> Iterator[Mistake]:
    for place, (name, value) in enumerate(zip(names, case.args, strict=True)):
        if name == "t" and isinstance(value, Tensor):
            sentence = "The whole batch uses the t of its first item; each has its own."
            first = _change(place, lambda t: t[:1].expand_as(t))
            yield _asked(task, sentence, first)
            for part, output in enumerate(task.outputs):
                told = f"For `{output}` the whole batch uses the t of its first item."
                yield Mistake(told, _surely(partial(_in_part, task.reference, part, first)))
        if name == "t":
            for by, told in ((-1, "t - 1"), (1, "t + 1")):
                sentence = f"It looks as if {told} stood where t belongs: the index is one off."
                yield _asked(task, sentence, _change(place, partial(operator.add, by)))
        if name in _TABLES and isinstance(value, Tensor):
            for other, change in _OTHERS[name].items():
                sentence = f"It looks as if {other}_t stood where {_TABLES[name]}_t belongs."
                yield _asked(task, sentence, _change(place, change))


def _of_arguments(task: Task, names: list[str], case: Case) -> Iterator[Mistake]:
    """One argument left out, read in another way, or added to the result."""
    for place, (name, value) in enumerate(zip(names, case.args, strict=True)):
        changes: list[tuple[str, Callable[[Any], Any]]] = []
        if callable(value) and not isinstance(value, nn.Module) and names[place + 1 :]:
            changes += [(told, partial(_Misled, how=how)) for how, told in _MISLED.items()]
        elif isinstance(value, Tensor) and value.is_floating_point():
            changes.append((f"It looks as if `{name}` were left out.", torch.zeros_like))
            told = f"`{name}` is not used: fresh random numbers were drawn in its place."
            changes += [(told, torch.randn_like), (told, torch.rand_like)]
            if name not in _TABLES:
                changes.append(
                    (f"`{name}` goes in with its square root.", lambda v: v.abs() ** 0.5)
                )
                changes.append((f"`{name}` goes in squared.", lambda v: v**2))
                changes.append((f"`{name}` is read from its end.", lambda v: v.flip(0)))
            if value.ndim == 1 and name == "u":
                changes.append(("1 - `u` stands where `u` belongs.", lambda v: 1 - v))
            if value.ndim == 2 and value.shape[0] == value.shape[1]:
                changes.append((f"Rows and columns of `{name}` changed places.", lambda v: v.T))
        elif isinstance(value, dict):
            told = f"`{name}` is read the other way round: who cites, in place of who is cited."
            changes.append((told, _turned))
        elif isinstance(value, list) and len(value) > 1:
            changes.append((f"`{name}` is read from its end.", lambda v: v[::-1]))
        elif isinstance(value, float) and value > 0:
            changes.append((f"`{name}` goes in with its square root.", lambda v: v**0.5))
            changes.append((f"`{name}` goes in squared.", lambda v: v**2))
            changes.append((f"1 - `{name}` stands where `{name}` belongs.", lambda v: 1 - v))
            changes.append((f"`{name}` - 1 stands where `{name}` belongs.", lambda v: v - 1))
            changes.append((f"`{name}` + 1 stands where `{name}` belongs.", lambda v: v + 1))
        elif type(value) is int and name != "t":
            changes.append(
                (f"It looks as if `{name}` were one less: count again.", lambda v: v - 1)
            )
            changes.append(
                (f"It looks as if `{name}` were one more: count again.", lambda v: v + 1)
            )
        for told, change in changes:
            yield _asked(task, told, _change(place, change))
        if isinstance(value, Tensor) and value.is_floating_point():
            told = f"`{name}` is added to what was asked for."
            yield Mistake(told, _surely(partial(_added, task.reference, place)))


def _turned(graph: dict[str, list[str]]) -> dict[str, list[str]]:
    return {name: sorted(q for q in graph if name in graph[q]) for name in graph}


def _in_part(reference: Callable[..., Any], part: int, change: Any, *args: Any) -> Any:
    """A result of which one part was made from other arguments."""
    right, wrong = reference(*args), reference(*change(args))
    return tuple(w if i == part else r for i, (r, w) in enumerate(zip(right, wrong, strict=True)))


def _added(reference: Callable[..., Any], place: int, *args: Any) -> Any:
    return reference(*args) + args[place]


_MISLED = {
    "before": "The model is told t - 1; its input has the noise of step t.",
    "first": "The model is told the t of the first item for all; each has its own.",
    "last": "The model is told another t than the one its input belongs to: always T.",
    "once": "The model is asked once; each step must ask it again, at the new place.",
}


class _Misled:
    """A model that is asked in a wrong way."""

    def __init__(self, model: Any, how: str) -> None:
        self.model, self.how = model, how
        self.answer: Any = None

    def __call__(self, x: Tensor, t: Tensor, *more: Any) -> Any:
        if self.how == "once":
            if self.answer is None:
                self.answer = self.model(x, t, *more)
            return self.answer
        if self.how == "before":
            t = t - 1
        if self.how == "first":
            t = t[:1].expand_as(t)
        if self.how == "last":
            t = torch.full_like(t, len(self.model.alpha_bar) - 1)
        return self.model(x, t, *more)


_OTHERS: dict[str, dict[str, Callable[[Tensor], Tensor]]] = {
    "alpha_bar": {"α": lambda a: _alpha(a), "β": lambda a: 1 - _alpha(a), "1 - ᾱ": lambda a: 1 - a},
    "beta": {
        "α": lambda b: 1 - b,
        "ᾱ": lambda b: (1 - b).cumprod(0),
        "1 - ᾱ": lambda b: 1 - (1 - b).cumprod(0),
    },
}


def _alpha(alpha_bar: Tensor) -> Tensor:
    return torch.cat([alpha_bar[:1], alpha_bar[1:] / alpha_bar[:-1]])


_CHANGES: dict[str, Callable[[Any], Any]] = {
    "the number asked for with the wrong sign: size right, direction not.": lambda x: -x,
    "the square root of what was asked for: is a root too many?": lambda x: x**0.5,
    "the square of what was asked for: is a root missing?": lambda x: x**2,
    "1 divided by what was asked for: is a fraction upside down?": lambda x: 1 / x,
    "1 minus what was asked for.": lambda x: 1 - x,
    "clipped to [-1, 1]: what was asked for may well lie outside.": lambda x: x.clamp(-1, 1),
    "the right entries, in reverse order.": lambda x: x.flip(0) if _many(x) else x[::-1],
    "one place off: each entry stands where the next one belongs.": lambda x: x.roll(-1, 0),
    "one place off: each entry stands where the one before belongs.": lambda x: x.roll(1, 0),
    "made of running sums: each entry by itself is asked for.": lambda x: np.cumsum(x, 0),
}


def _of_results(task: Task) -> Iterator[Mistake]:
    """A change of the result, or of one part of it."""
    parts = task.outputs or ("",)
    for (place, name), (told, change) in itertools.product(enumerate(parts), _CHANGES.items()):
        subject = f"`{name}` is" if name and " " not in name else f"{name or 'This'} is"
        sentence = f"{subject[0].upper()}{subject[1:]} {told}"

        def answer(
            *args: Any,
            place: int = place,
            change: Callable[[Any], Any] = change,
            whole: bool = not task.outputs,
        ) -> Any:
            result = task.reference(*args)
            if whole:
                return change(result)
            return tuple(change(r) if i == place else r for i, r in enumerate(result))

        yield Mistake(sentence, _surely(answer))


def _asked(
    task: Task, sentence: str, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]
) -> Mistake:
    return Mistake(sentence, _surely(lambda *args: task.reference(*change(args))))


def _surely(answer: Callable[..., Any]) -> Callable[..., Any]:
    """Where a slip cannot be made (no number to take the root of), nobody's answer is like it."""

    def slip(*args: Any) -> Any:
        try:
            return answer(*args)
        except Exception as error:
            raise RuntimeError(f"no slip of this kind {id(error)}") from None

    return slip


def _swap(i: int, j: int) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    def swapped(args: tuple[Any, ...]) -> tuple[Any, ...]:
        changed = list(args)
        changed[i], changed[j] = args[j], args[i]
        return tuple(changed)

    return swapped


def _change(
    place: int, change: Callable[[Any], Any]
) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    return lambda args: (*args[:place], change(args[place]), *args[place + 1 :])


def _many(value: Any) -> bool:
    return isinstance(value, Tensor)


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype
    return type(a) is type(b) and isinstance(a, int | float)
