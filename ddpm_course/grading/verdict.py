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
    blank: bool = False


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
            return Verdict(False, outcome.sentence, blank=True)
    if _same(questions, expected, found):
        return Verdict(True, "")
    for number, (sentence, outcomes) in enumerate(mistakes):
        if _same(questions, _guarded(outcomes, found), found):
            return Verdict(False, sentence, number)
    told = _swapped(questions, expected, found) or _pooled(questions, expected, found)
    if told:
        return Verdict(False, told)
    when = _when(questions, expected, found)
    factor = _shared(expected, found)
    for question, want, have in zip(questions, expected, found, strict=True):
        if not _agree(question, want, have):
            assert not isinstance(want, Failure)  # a reference always answers
            return Verdict(False, _difference(question, want, have, outputs, when, factor))
    raise AssertionError("unreachable: some case differed")


def _same(
    questions: Sequence[Question], expected: Sequence[Outcome], found: Sequence[Outcome]
) -> bool:
    return all(map(_agree, questions, expected, found))


def _guarded(slip: Sequence[Outcome], found: Sequence[Outcome]) -> Sequence[Outcome]:
    """A slip that divides by 0 at few places, with what was found there: people guard against it,
    each in another way."""
    if not any(_infinite(outcome) for outcome in slip):
        return slip
    guarded: list[Outcome] = []
    places = odd = 0
    for outcome, have in zip(slip, found, strict=True):
        if isinstance(outcome, Failure) or isinstance(have, Failure) or len(outcome) != len(have):
            return slip
        parts = []
        for w, h in zip(outcome, have, strict=True):
            if not (_numeric(w.array) and _numeric(h.array) and w.array.shape == h.array.shape):
                return slip
            finite = np.isfinite(w.array)
            places, odd = places + finite.size, odd + int((~finite).sum())
            parts.append(Value(np.where(finite, w.array, h.array), w.device))
        guarded.append(tuple(parts))
    return guarded if 3 * odd < places else slip


def _infinite(outcome: Outcome) -> bool:
    return not isinstance(outcome, Failure) and any(
        _numeric(part.array) and not np.isfinite(part.array).all() for part in outcome
    )


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


def _swapped(
    questions: Sequence[Question], expected: Sequence[Outcome], found: Sequence[Outcome]
) -> str:
    """The two parts of a result in each other's place."""
    turned = [
        outcome[::-1] if not isinstance(outcome, Failure) and len(outcome) == 2 else None
        for outcome in found
    ]
    if all(
        outcome is not None
        and not isinstance(want, Failure)
        and len(want) == 2
        and _agree(question, want, outcome)
        for question, want, outcome in zip(questions, expected, turned, strict=True)
    ):
        return "Both parts are right, but the second one comes first: swap them."
    return ""


def _pooled(
    questions: Sequence[Question], expected: Sequence[Outcome], found: Sequence[Outcome]
) -> str:
    """One factor between single numbers, which only several questions together can show."""
    wants: list[float] = []
    haves: list[float] = []
    for want, have in zip(expected, found, strict=True):
        for outcome, numbers in ((want, wants), (have, haves)):
            if isinstance(outcome, Failure) or len(outcome) != 1 or outcome[0].array.size != 1:
                return ""
            if outcome[0].array.dtype.kind not in "iuf":
                return ""
            numbers.append(float(outcome[0].array.reshape(())))
    a, b = np.array(haves), np.array(wants)
    if not np.isfinite(a).all() or len(set(wants)) < 2:
        return ""
    factor = _factor(a, b)
    if factor is None or abs(factor - 1) < 1e-2:
        return ""
    if abs(factor + 1) < 1e-3:
        return "The answer has the wrong sign: size right, direction not."
    return f"The answer is {factor:.3g} times what it should be, each time: look for a factor."


def _shared(expected: Sequence[Outcome], found: Sequence[Outcome]) -> float | None:
    """The factor between single arrays over all questions; infinite where they share none."""
    wants, haves = [], []
    for want, have in zip(expected, found, strict=True):
        if isinstance(want, Failure) or isinstance(have, Failure):
            return None
        if len(want) != 1 or len(have) != 1 or want[0].array.shape != have[0].array.shape:
            return None
        if not (_numeric(want[0].array) and _numeric(have[0].array)):
            return None
        wants.append(want[0].array.ravel())
        haves.append(have[0].array.ravel())
    return _factor(np.concatenate(haves), np.concatenate(wants)) or np.inf


def _when(
    questions: Sequence[Question], expected: Sequence[Outcome], found: Sequence[Outcome]
) -> str:
    """At which t the answer goes wrong, over all questions; nothing where that cannot be said."""
    right: set[int] = set()
    wrong: set[int] = set()
    for question, want, have in zip(questions, expected, found, strict=True):
        if question.along is None or isinstance(want, Failure) or isinstance(have, Failure):
            return ""
        have = _aligned(want, have)
        if len(have) != len(want):
            return ""
        steps = np.asarray(question.along)
        bad = np.zeros(len(steps), dtype=bool)
        for w, h in zip(want, have, strict=True):
            if w.array.shape[:1] != steps.shape or _squeezed(w.array) != _squeezed(h.array):
                return ""
            a, b = h.array.reshape(w.array.shape), w.array
            if not (_numeric(a) and _numeric(b)):
                return ""
            close = np.isclose(a, b, rtol=question.rtol, atol=question.atol)
            bad |= ~close.reshape(len(steps), -1).all(axis=1)
        wrong |= set(steps[bad].tolist())
        right |= set(steps[~bad].tolist())
    if not wrong:
        return ""
    if not right - wrong:
        return ", at every t" if len(wrong) > 1 else ""
    first = min(wrong)
    return f", at t = {first} alone" if len(wrong) == 1 else f", the first time at t = {first}"


def _difference(
    question: Question,
    want: tuple[Value, ...],
    have: Outcome,
    outputs: Sequence[str],
    when: str,
    factor: float | None,
) -> str:
    if isinstance(have, Failure):
        return have.sentence
    have = _aligned(want, have)
    if len(have) != len(want):
        return f"The answer has {_parts(len(have))}; {_parts(len(want))} {_were(want)} asked for."
    for index, (w, h) in enumerate(zip(want, have, strict=True)):
        if not _close(question, w, h):
            name = _title(outputs[index]) if index < len(outputs) else "The answer"
            return _how(question, w, h, name, when, factor)
    raise AssertionError("unreachable: some part differed")


def _title(name: str) -> str:
    return name[0].upper() + name[1:] if " " in name else f"`{name}`"


def _parts(count: int) -> str:
    return "one part" if count == 1 else f"{count} parts"


def _were(want: tuple[Value, ...]) -> str:
    return "was" if len(want) == 1 else "were"


def _how(
    question: Question, want: Value, have: Value, name: str, when: str, shared: float | None
) -> str:
    if want.device != have.device:
        return (
            f"{name} lies on {have.device}, the input on {want.device}: "
            "make new tensors on the input's device."
        )
    if _squeezed(want.array) != _squeezed(have.array):
        if not _numeric(want.array) and not _numeric(have.array):
            told = _items(want.array.ravel().tolist(), have.array.ravel().tolist())
            if told:
                return f"{name} {told}"
        return f"{name} has {_shape(have.array)}; expected {want.array.shape}."
    a, b = have.array.reshape(want.array.shape), want.array
    if _numeric(a) != _numeric(b):
        kinds = {True: "numbers", False: "text"}
        return f"{name} holds {kinds[_numeric(a)]}; expected {kinds[_numeric(b)]}."
    if not _numeric(b):
        if a.ndim == 1 and a.size > 1 and sorted(a) == sorted(b):
            return f"{name} holds the right items, in another order."
        return f"{name} is not right{_among(a != b)}."
    if a.dtype.kind == "c" and b.dtype.kind != "c" and a.imag.any():
        return f"{name} is complex{_among(a.imag != 0)}; real numbers were asked for."
    bad = ~np.isfinite(a)
    if bad.any():
        kind = "NaN" if np.isnan(a).any() else "infinite"
        return f"{name} is {kind}{_among(bad)}{when}."
    wrong = ~np.isclose(a, b, rtol=question.rtol, atol=question.atol)
    if a.dtype.kind in "biu" and b.dtype.kind == "f":
        return f"{name} has dtype {a.dtype}: whole numbers, where fractions were asked for."
    if b.dtype.kind in "biu" and b.size == 1:
        return f"{name} is not the number asked for: it is too {'large' if a > b else 'small'}."
    spread = float(np.abs(a - b).max())
    typical = float(np.abs(b).max())
    if spread < 1e-2 * max(typical, 1e-12):
        return (
            f"{name} is close, but off by up to {spread:.1g}{when}: a small term may be missing, "
            "or something is rounded or computed in low precision."
        )
    factor = _factor(a, b)
    if factor is not None and (shared is None or abs(factor / shared - 1) < 1e-3):
        if abs(factor + 1) < 1e-3:
            return f"{name} has the wrong sign everywhere: size right, direction not."
        return f"{name} is {factor:.2g} times what it should be, everywhere: look for a factor."
    shift = a - b
    if a.size > 1 and np.ptp(shift) < 1e-3 * spread:
        return f"{name} is {shift.flat[0]:+.1g} away from what it should be, everywhere."
    return f"{name} is not right{_among(wrong)}, off by up to {spread:.1g}{when}."


def _items(want: list[str], have: list[str]) -> str:
    """How one list of names differs from another one of another length."""
    asked, given = set(want), set(have)
    if asked == given:
        return "holds the right items, but some come twice."
    if len(given) == len(have) and given < asked:
        return f"lacks {len(asked - given)} of the {len(asked)} items asked for; the rest is right."
    if len(given) == len(have) and asked < given:
        return f"holds all items asked for, and {len(given - asked)} that should not be there."
    return ""


def _shape(array: np.ndarray) -> str:
    """A shape, where it is one that an answer may well have: another could spell something out."""
    plain = array.ndim <= 4 and all(0 < size <= 4096 for size in array.shape)
    return f"shape {array.shape}" if plain else "another shape"


def _factor(a: np.ndarray, b: np.ndarray) -> float | None:
    """c, where a = c · b all over, and a factor could have been meant."""
    if np.iscomplexobj(a) or np.iscomplexobj(b):
        return None
    scale = float((a * b).sum() / (b * b).sum()) if b.any() else 0.0
    meant = b.size > 1 and 1e-6 < abs(scale) < 1e6
    return scale if meant and np.allclose(a, scale * b, rtol=1e-3, atol=1e-6) else None


def _among(wrong: np.ndarray) -> str:
    return f" in {int(wrong.sum())} of {wrong.size} places" if wrong.size > 1 else ""
