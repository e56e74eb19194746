"""Where an answer is wrong in no known way, the verdict says how it differs."""

import numpy as np
import pytest

from ddpm_course.grading.verdict import Failure, Question, Value, Verdict, judge

EXACT = Question(rtol=1e-5, atol=1e-6)
WANTED = np.array([[1.0, -2.0], [0.5, 4.0], [3.0, -1.0]])


def compare(found: object, wanted: object = WANTED, question: Question = EXACT) -> Verdict:
    one = found if isinstance(found, Failure) else (Value(np.asarray(found)),)
    return judge([question], [(Value(np.asarray(wanted)),)], [one])


def test_equal_is_right_whatever_the_dtype_or_empty_axes() -> None:
    for same in (WANTED, WANTED.astype(np.float32), WANTED[:, None], WANTED.tolist()):
        assert compare(same) == Verdict(True, "")


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (WANTED[:2], r"shape \(2, 2\); expected \(3, 2\)"),
        (WANTED.T, r"shape \(2, 3\); expected \(3, 2\)"),
        (WANTED * 2.5, "2.5 times what it should be"),
        (-WANTED, "wrong sign everywhere"),
        (WANTED + 3, r"\+3 away from what it should be"),
        (np.where(WANTED == 0.5, np.nan, WANTED), "NaN in 1 of 6 places"),
        (np.where(WANTED == 0.5, np.inf, WANTED), "infinite in 1 of 6 places"),
        (WANTED.round().astype(int), "dtype int64: whole numbers"),
        (WANTED.astype(np.float16) + 0.004 * WANTED**3 / 64, "close, but off by up to"),
        (np.array([["a", "b"]] * 3), "holds text; expected numbers"),
        (WANTED + np.array([[0, 0], [0, 9], [0, 0]]), "not right in 1 of 6 places, off by up to 9"),
        (Failure("It stopped."), "It stopped."),
    ],
)
def test_the_difference_is_told(found: object, told: str) -> None:
    verdict = compare(found)
    assert not verdict.right
    assert verdict.mistake is None
    with pytest.raises(AssertionError, match=told):
        raise AssertionError(verdict.sentence)


def test_the_first_wrong_step_is_named() -> None:
    question = Question(rtol=1e-5, atol=1e-6, along=[7, 3, 5])
    wrong = WANTED.copy()
    wrong[[0, 2]] += [[1.0, 2.0], [2.0, -3.0]]
    assert "the first time at t = 5" in compare(wrong, question=question).sentence
    wrong[1] -= [1.0, 3.0]
    assert "at every t" in compare(wrong, question=question).sentence
    alone = WANTED.copy()
    alone[1] += [1.0, 2.0]
    assert "at t = 3 alone" in compare(alone, question=question).sentence


def test_whole_numbers_and_words() -> None:
    assert "too large" in compare(7, 3).sentence
    assert "too small" in compare(2, 3).sentence
    assert "not right in 2 of 3 places" in compare(["a", "c", "c"], ["a", "b", "b"]).sentence
    assert "another order" in compare(["a", "c", "b"], ["a", "b", "c"]).sentence
    assert "some come twice" in compare(["a", "c", "b", "b"], ["a", "b", "c"]).sentence


def test_the_device_is_told() -> None:
    found = [(Value(WANTED, "cuda"),)]
    verdict = judge([EXACT], [(Value(WANTED),)], found)
    assert "lies on cuda, the input on cpu" in verdict.sentence


def test_parts_are_named_counted_and_may_come_stacked() -> None:
    pair = (Value(WANTED), Value(WANTED + 1))
    both = ("mean", "variance")
    stacked = [(Value(np.stack([WANTED, WANTED + 1])),)]
    assert judge([EXACT], [pair], stacked, outputs=both).right
    assert judge([EXACT], stacked, [pair], outputs=()).right
    wrong = judge([EXACT], [pair], [(pair[0], Value(WANTED * 7))], outputs=both)
    assert wrong.sentence.startswith("`variance`")
    one = judge([EXACT], [pair], [(Value(WANTED),)], outputs=both)
    assert "one part; 2 parts were asked for" in one.sentence


def test_a_mistake_must_fit_every_case_and_is_looked_up_only_when_needed() -> None:
    questions, wanted = [EXACT] * 2, [(Value(WANTED),), (Value(WANTED + 1),)]
    mistake = [(Value(WANTED * 2),), (Value(WANTED * 3),)]

    def never() -> object:
        raise AssertionError("read, though the answer is right")
        yield

    assert judge(questions, wanted, wanted, never()).right  # type: ignore[arg-type]
    told = judge(questions, wanted, mistake, [("Other.", wanted), ("This one.", mistake)])
    assert told == Verdict(False, "This one.", 1)
    half = judge(questions, wanted, [mistake[0], wanted[1]], [("This one.", mistake)])
    assert half.mistake is None


def test_mistakes_that_give_nan_or_stop_are_known_too() -> None:
    gone = [(Value(np.full(3, np.nan)),)]
    assert judge([EXACT], [(Value(np.ones(3)),)], gone, [("Root.", gone)]).mistake == 0
    stopped = [Failure("It stopped.")]
    assert judge([EXACT], [(Value(np.ones(3)),)], stopped, [("Stop.", stopped)]).mistake == 0


def test_a_right_answer_in_low_precision_is_told_from_a_wrong_one() -> None:
    wanted = np.linspace(-3, 3, 50)
    verdict = compare(wanted.astype(np.float16), wanted, Question(rtol=1e-5, atol=1e-6))
    assert "low precision" in verdict.sentence
