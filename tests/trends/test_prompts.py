"""Prompts in two languages, and what the text encoder reads in them."""

from __future__ import annotations

import pytest
import torch

from ddpm_course.trends import prompts
from ddpm_course.trends.prompts import (
    ANY_DIGIT,
    HELD_OUT,
    PHRASINGS,
    TextEncoder,
    phrased,
    prompt_table,
    vocabulary,
    words_of,
)


@pytest.fixture(scope="module")
def encoder() -> TextEncoder:
    torch.manual_seed(0)
    return TextEncoder(vocabulary(), dim=5).eval()


def is_korean(text: str) -> bool:
    return any("가" <= letter <= "힣" for letter in text)


def test_twenty_phrasings_and_more_in_both_languages() -> None:
    both = [*PHRASINGS, *HELD_OUT]
    for digit in range(10):
        asked = {phrased(phrasing, digit) for phrasing in both}
        assert len(asked) == len(both) >= 20
        korean = sum(map(is_korean, asked))
        assert min(korean, len(asked) - korean) >= 10
    every = [phrased(phrasing, digit) for phrasing in both for digit in range(10)]
    assert len(set(every)) == len(every), "no prompt asks for two digits"


def test_four_phrasings_are_held_out_but_none_of_their_words() -> None:
    assert len(HELD_OUT) == 4
    assert not set(HELD_OUT) & set(PHRASINGS)
    known = set(vocabulary())
    for phrasing in HELD_OUT:
        for digit in range(10):
            assert set(words_of(phrased(phrasing, digit))) <= known


@pytest.mark.parametrize(
    ("prompt", "digit"),
    [
        ("a handwritten three", 3),
        ("number 7", 7),
        ("숫자 삼", 3),
        ("손글씨 7", 7),
        ("하나", 1),
        ("일", 1),
        ("공", 0),
        ("숫자 아홉 그려 줘", 9),
    ],
)
def test_what_people_say_is_among_the_phrasings(prompt: str, digit: int) -> None:
    assert prompt in {phrased(phrasing, digit) for phrasing in PHRASINGS}


def test_phrased_refuses_other_digits() -> None:
    with pytest.raises(ValueError, match="digit is 10; there are prompts for 0 to 9"):
        phrased("number {numeral}", 10)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("  A Handwritten\tTHREE!", ["a", "handwritten", "three"]),
        ("number-7.", ["number", "7"]),
        ("number 42", ["number", "42"]),
        ("3을 써줘", ["3", "을", "써줘"]),
        ("７", ["7"]),  # a wide figure, as Korean keyboards write it
        ("\u1109\u1161\u11b7", ["삼"]),  # a syllable in three parts, as some systems store it
    ],
)
def test_words(prompt: str, words: list[str]) -> None:
    assert words_of(prompt) == words


@pytest.mark.parametrize("prompt", ["", "   ", "?!", "_"])
def test_a_prompt_without_words_is_refused(encoder: TextEncoder, prompt: str) -> None:
    for read in (words_of, encoder.read):
        with pytest.raises(ValueError) as error:
            read(prompt)
        assert f"the prompt {prompt!r} has no words" in str(error.value)
        assert "a handwritten three" in str(error.value)


def test_unknown_words_are_named_and_the_others_are_gone_by(encoder: TextEncoder) -> None:
    reading = encoder.read("a lovely, handwritten 7 for grandma")
    assert reading.known == ["a", "handwritten", "7"]
    assert reading.unknown == ["lovely", "for", "grandma"]
    assert str(reading) == (
        'It does not know "lovely, for, grandma", and goes by "a handwritten 7".'
    )
    assert str(encoder.read("number 7")) == 'It reads "number 7".'
    assert encoder.read("number 42").unknown == ["42"]


@pytest.mark.parametrize("prompt", ["삼을 그려 줘", "3을 그려 줘", "삼 그려 줘", "일곱를"])
def test_a_particle_is_no_part_of_a_word(encoder: TextEncoder, prompt: str) -> None:
    assert encoder.read(prompt).unknown == []
    assert set(encoder.read(prompt).known) <= {"삼", "3", "그려", "줘", "일곱"}


@pytest.mark.parametrize("prompt", ["ein Hund", "고양이", "42", "을"])
def test_with_no_known_word_there_is_nothing_to_go_by(encoder: TextEncoder, prompt: str) -> None:
    with pytest.raises(ValueError) as error:
        encoder.encode(["number 3", prompt])
    assert f"the prompt {prompt!r} has no word that the model knows" in str(error.value)


def test_encoding_fills_up_with_zeros_and_knows_each_word_apart(encoder: TextEncoder) -> None:
    ids = encoder.encode(["seven", "a picture of a seven"])
    assert ids.shape == (2, 5)
    assert ids[0, 1:].tolist() == [0] * 4
    assert ids[0, 0] == ids[1, 4]
    numbers = [int(encoder.encode([word])[0, 0]) for word in vocabulary()]
    assert sorted(numbers) == list(range(1, len(vocabulary()) + 1))


@torch.no_grad()
def test_the_encoder_averages_its_words_by_attention(encoder: TextEncoder) -> None:
    """Against the sums, written out for one prompt; and filling up changes nothing."""
    ids = encoder.encode(["draw the number 7"])
    vectors = [encoder.vectors.weight[i] for i in ids[0].tolist()]
    scores = [float(encoder.score(vector)) for vector in vectors]
    total = sum(torch.tensor(score).exp() for score in scores)
    mean = sum(torch.tensor(score).exp() / total * v for score, v in zip(scores, vectors))
    torch.testing.assert_close(encoder(ids)[0], encoder.out(mean))
    filled = torch.nn.functional.pad(ids, (0, 3))
    torch.testing.assert_close(encoder(filled), encoder(ids))
    torch.testing.assert_close(encoder(ids.flip(1)), encoder(ids))  # order is not looked at


@torch.no_grad()
def test_no_words_give_nothing(encoder: TextEncoder) -> None:
    out = encoder(torch.tensor([[0, 0], [3, 0]]))
    assert out[0].tolist() == [0] * 5
    assert out[1].abs().min() > 0


def test_the_table_holds_every_phrasing_of_every_digit(encoder: TextEncoder) -> None:
    phrasings = [*PHRASINGS, *ANY_DIGIT]
    table = prompt_table(encoder, phrasings)
    assert table.shape[:2] == (10, len(phrasings))
    for digit in (0, 7):
        for place in (0, 12, 27):
            row = table[digit, place]
            words = [vocabulary()[i - 1] for i in row[row > 0].tolist()]
            assert words == words_of(phrased(PHRASINGS[place], digit))
    assert (table[:, -2:] == table[:1, -2:]).all(), "a prompt for any digit names none"


def test_names_are_those_of_the_languages() -> None:
    assert {len(names) for names in prompts.NAMES.values()} == {10}
    assert prompts.NAMES["numeral"] == [str(digit) for digit in range(10)]
    assert prompts.NAMES["english"][7] == "seven"
    assert (prompts.NAMES["sino"][7], prompts.NAMES["native"][7]) == ("칠", "일곱")
