"""The room where answers are compared: plain arrays in, a verdict out.

Nothing here calls an answer, or knows torch or SymPy: what an answer gave was made plain before
(``answers.py``). So a judge in another process can use this room as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Failure", "Outcome", "Question", "Value", "Verdict", "judge"]


@dataclass(frozen=True)
class Value:
    """One array of a result, and where it lay."""

    array: np.ndarray
    device: str = "cpu"


@dataclass(frozen=True)
class Failure:
    """An answer that gave no result, and why."""

    sentence: str
    blank: bool = False


Outcome = tuple[Value, ...] | Failure  # what one question got for an answer


@dataclass(frozen=True)
class Question:
    """What the comparison needs to know of a case."""

    rtol: float
    atol: float
    along: Sequence[int] | None = None


@dataclass(frozen=True)
class Verdict:
    """Right or wrong, and the sentence that says so; ``mistake`` is its place in the bank."""

    right: bool
    sentence: str
    mistake: int | None = None


def judge(
    questions: Sequence[Question],
    expected: Sequence[Outcome],
    found: Sequence[Outcome],
    mistakes: Iterable[tuple[str, Sequence[Outcome]]] = (),
    outputs: Sequence[str] = (),
) -> Verdict:
    """Compare an answer with the reference, then with each known mistake.

    Args:
        questions, expected, found: one of each for every case.
        mistakes: the sentence and the outcomes of each known mistake; read only when needed.
        outputs: names for the parts of a result.
    """
    for outcome in found:
        if isinstance(outcome, Failure) and outcome.blank:
            return Verdict(False, outcome.sentence)
    if _same(questions, expected, found):
        return Verdict(True, "")
    for number, (sentence, outcomes) in enumerate(mistakes):
        if _same(questions, outcomes, found):
            return Verdict(False, sentence, number)
    for question, want, have in zip(questions, expected, found, strict=True):
        if not _agree(question, want, have):
            assert not isinstance(want, Failure)  # a reference always answers
            return Verdict(False, _difference(question, want, have, outputs))
    raise AssertionError("unreachable: some case differed")


def _same(
    questions: Sequence[Question], expected: Sequence[Outcome], found: Sequence[Outcome]
) -> bool:
    return all(map(_agree, questions, expected, found))


def _agree(question: Question, want: Outcome, have: Outcome) -> bool:
    if isinstance(want, Failure) or isinstance(have, Failure):
        return want == have
    have = _aligned(want, have)
    return len(want) == len(have) and all(
        _close(question, w, h) for w, h in zip(want, have, strict=True)
    )


def _aligned(want: tuple[Value, ...], have: tuple[Value, ...]) -> tuple[Value, ...]:
    """A pair may come stacked in one array, and a stack as a tuple of arrays: both are fine."""
    if len(have) == 1 and len(want) > 1 and have[0].array.shape[:1] == (len(want),):
        return tuple(Value(part, have[0].device) for part in have[0].array)
    if len(have) > 1 and len(want) == 1 and len({value.array.shape for value in have}) == 1:
        return (Value(np.stack([value.array for value in have]), have[0].device),)
    return have


def _close(question: Question, want: Value, have: Value) -> bool:
    if want.device != have.device or _squeezed(want.array) != _squeezed(have.array):
        return False
    a, b = have.array.reshape(want.array.shape), want.array
    if not (_numeric(a) and _numeric(b)):
        return _numeric(a) == _numeric(b) and bool(np.array_equal(a, b))
    return bool(np.allclose(a, b, rtol=question.rtol, atol=question.atol, equal_nan=True))


def _numeric(array: np.ndarray) -> bool:
    return array.dtype.kind in "biufc"


def _squeezed(array: np.ndarray) -> tuple[int, ...]:
    """The shape without axes of length 1, which change nothing."""
    return tuple(size for size in array.shape if size != 1)


# -- how an answer differs, where no known mistake fits ---------------------------------------


def _difference(
    question: Question, want: tuple[Value, ...], have: Outcome, outputs: Sequence[str]
) -> str:
    if isinstance(have, Failure):
        return have.sentence
    have = _aligned(want, have)
    if len(have) != len(want):
        return f"The answer has {_parts(len(have))}; {_parts(len(want))} {_were(want)} asked for."
    for index, (w, h) in enumerate(zip(want, have, strict=True)):
        if not _close(question, w, h):
            name = _title(outputs[index]) if index < len(outputs) else "The answer"
            return _how(question, w, h, name)
    raise AssertionError("unreachable: some part differed")


def _title(name: str) -> str:
    return name[0].upper() + name[1:] if " " in name else f"`{name}`"


def _parts(count: int) -> str:
    return "one part" if count == 1 else f"{count} parts"


def _were(want: tuple[Value, ...]) -> str:
    return "was" if len(want) == 1 else "were"


def _how(question: Question, want: Value, have: Value, name: str) -> str:
    if want.device != have.device:
        return (
            f"{name} lies on {have.device}, the input on {want.device}: "
            "make new tensors on the input's device."
        )
    if _squeezed(want.array) != _squeezed(have.array):
        return f"{name} has {_shape(have.array)}; expected {want.array.shape}."
    a, b = have.array.reshape(want.array.shape), want.array
    if _numeric(a) != _numeric(b):
        kinds = {True: "numbers", False: "text"}
        return f"{name} holds {kinds[_numeric(a)]}; expected {kinds[_numeric(b)]}."
    if not _numeric(b):
        return f"{name} is not right{_among(a != b)}."
    if a.dtype.kind == "c" and b.dtype.kind != "c" and a.imag.any():
        return f"{name} is complex{_among(a.imag != 0)}; real numbers were asked for."
    bad = ~np.isfinite(a)
    if bad.any():
        kind = "NaN" if np.isnan(a).any() else "infinite"
        return f"{name} is {kind}{_among(bad)}{_first(question, bad)}."
    wrong = ~np.isclose(a, b, rtol=question.rtol, atol=question.atol)
    if a.dtype.kind in "biu" and b.dtype.kind == "f":
        return f"{name} has dtype {a.dtype}: whole numbers, where fractions were asked for."
    if b.dtype.kind in "biu" and b.size == 1:
        return f"{name} is not the number asked for: it is too {'large' if a > b else 'small'}."
    where = _first(question, wrong)
    spread = float(np.abs(a - b).max())
    typical = float(np.abs(b).max())
    if spread < 1e-2 * max(typical, 1e-12):
        return (
            f"{name} is close, but off by up to {spread:.1g}{where}: is something rounded, cut off "
            "early, or computed in low precision?"
        )
    factor = _factor(a, b)
    if factor is not None:
        if abs(factor + 1) < 1e-3:
            return f"{name} has the wrong sign everywhere: size right, direction not."
        return f"{name} is {factor:.2g} times what it should be, everywhere: look for a factor."
    shift = a - b
    if a.size > 1 and np.ptp(shift) < 1e-3 * spread:
        return f"{name} is {shift.flat[0]:+.1g} away from what it should be, everywhere."
    return f"{name} is not right{_among(wrong)}, off by up to {spread:.1g}{where}."


def _shape(array: np.ndarray) -> str:
    """A shape, where it is one that an answer may well have: another could spell something out."""
    plain = array.ndim <= 4 and all(0 < size <= 4096 for size in array.shape)
    return f"shape {array.shape}" if plain else "another shape"


def _factor(a: np.ndarray, b: np.ndarray) -> float | None:
    """c, where a = c · b all over."""
    scale = float((a * b).sum() / (b * b).sum()) if b.any() else 0.0
    if b.size < 2 or scale == 0 or not np.allclose(a, scale * b, rtol=1e-3, atol=1e-6):
        return None
    return scale


def _among(wrong: np.ndarray) -> str:
    return f" in {int(wrong.sum())} of {wrong.size} places" if wrong.size > 1 else ""


def _first(question: Question, wrong: np.ndarray) -> str:
    """At which t it goes wrong, where the places along the first axis have one."""
    if question.along is None or wrong.ndim == 0 or len(wrong) != len(question.along):
        return ""
    rows = wrong.reshape(len(wrong), -1).any(axis=1)
    steps = np.asarray(question.along)
    if rows.all():
        return ", at every t"
    first, wrongs = int(steps[rows].min()), sorted(set(steps[rows].tolist()))
    return f", at t = {first} alone" if len(wrongs) == 1 else f", the first time at t = {first}"
