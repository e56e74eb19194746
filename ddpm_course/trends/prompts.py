"""Asking for a digit in words, English or Korean, and a small network that reads them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

__all__ = [
    "ANY_DIGIT",
    "HELD_OUT",
    "PHRASINGS",
    "Reading",
    "TextEncoder",
    "phrased",
    "prompt_table",
    "vocabulary",
    "words_of",
]

# Korean has two series of numerals. A digit is read in the first, sino; the second counts things,
# and is understood here as well, on purpose. Zero has two names in the one, and none in the other.
_NAMES = """
numeral  0    1    2   3     4    5    6    7     8     9
english  zero one  two three four five six  seven eight nine
sino     영   일   이  삼    사   오   육   칠    팔    구
native   공   하나 둘  셋    넷   다섯 여섯 일곱  여덟  아홉
"""
NAMES = {kind: names for kind, *names in map(str.split, _NAMES.strip().splitlines())}

PHRASINGS = (
    "{numeral}",
    "{english}",
    "number {numeral}",
    "number {english}",
    "the number {english}",
    "a {english}",
    "a handwritten {english}",
    "a handwritten {numeral}",
    "the digit {numeral}",
    "digit {english}",
    "a picture of a {english}",
    "an image of the digit {numeral}",
    "draw a {english}",
    "draw the number {numeral}",
    "please write a {numeral}",
    "write the digit {english}",
    "{sino}",
    "{native}",
    "숫자 {sino}",
    "숫자 {numeral}",
    "손글씨 {numeral}",
    "손글씨 {sino}",
    "손으로 쓴 {native}",
    "손으로 쓴 숫자 {sino}",
    "숫자 {native} 그려 줘",
    "{numeral} 그림",
    "{sino} 써줘",
    "{numeral} 그려줘",
)
"""What the models are trained on: 28 ways to ask for one digit."""

HELD_OUT = (
    "please draw a handwritten {english}",
    "an image of the number {numeral}",
    "손글씨 숫자 {native}",
    "{sino} 그림 그려 줘",
)
"""Kept from training: known words, never seen together like this."""

ANY_DIGIT = ("a handwritten digit", "손글씨 숫자")
"""No digit is named, so every one will do."""

PARTICLES = ("을", "를")  # Korean marks an object by a syllable at the end of the word


def phrased(phrasing: str, digit: int) -> str:
    """A prompt: ``phrased("a handwritten {english}", 3)`` is "a handwritten three".

    Raises:
        ValueError: the digit is not in 0..9.
    """
    if digit not in range(10):
        raise ValueError(f"digit is {digit}; there are prompts for 0 to 9.")
    return phrasing.format(**{kind: names[digit] for kind, names in NAMES.items()})


def words_of(prompt: str) -> list[str]:
    """The words of a prompt, in small letters: runs of letters, and runs of figures.

    Raises:
        ValueError: there are none.
    """
    words = re.findall(r"\d+|[^\W\d_]+", unicodedata.normalize("NFKC", prompt).lower())
    if not words:
        raise ValueError(
            f'the prompt {prompt!r} has no words; ask for a digit, as in "a handwritten three".'
        )
    return words


def vocabulary() -> list[str]:
    """Every word of the prompts to train on, in alphabetical order."""
    prompts = [phrased(phrasing, digit) for phrasing in PHRASINGS for digit in range(10)]
    return sorted({word for prompt in [*prompts, *ANY_DIGIT] for word in words_of(prompt)})


class Reading(NamedTuple):
    """What an encoder makes of a prompt."""

    known: list[str]  # what it goes by
    unknown: list[str]  # what it never saw

    def __str__(self) -> str:
        known = " ".join(self.known)
        if not self.unknown:
            return f'It reads "{known}".'
        return f'It does not know "{", ".join(self.unknown)}", and goes by "{known}".'


class TextEncoder(nn.Module):
    """A prompt to one vector: look at every word, and go by those that matter.

    Each word has a vector, and a score that says how much to heed it: attention with one query,
    the same for every prompt. The order of the words is not looked at.

    Args:
        words: the vocabulary.
        dim: how many numbers come out.
        width: of a word's vector.
    """

    def __init__(self, words: Sequence[str], dim: int, width: int = 32) -> None:
        super().__init__()
        self.words = list(words)
        self.ids = {word: place for place, word in enumerate(words, 1)}  # 0 is no word
        self.vectors = nn.Embedding(len(words) + 1, width, padding_idx=0)
        self.score = nn.Linear(width, 1)
        self.out = nn.Sequential(nn.Linear(width, 2 * width), nn.SiLU(), nn.Linear(2 * width, dim))

    def forward(self, ids: Tensor) -> Tensor:
        """
        Args:
            ids: (B, L) the words' numbers, as ``encode`` gives them; 0 where there is none.

        Returns:
            (B, dim); 0 for a prompt without any word.
        """
        vectors = self.vectors(ids)  # (B, L, width)
        no_word = ids == 0
        scores = self.score(vectors).squeeze(2).masked_fill(no_word, -1e4)
        heed = scores.softmax(dim=1)  # (B, L), how much each word counts
        mean = (heed[:, :, None] * vectors).sum(dim=1)
        return self.out(mean) * ~no_word.all(dim=1, keepdim=True)

    def read(self, prompt: str) -> Reading:
        """Which words of a prompt it knows; an object's particle is no part of a word.

        Raises:
            ValueError: it knows none of them, or there are none.
        """
        known, unknown = [], []
        for word in words_of(prompt):
            stem = word[:-1] if word not in self.ids and word.endswith(PARTICLES) else word
            if stem in self.ids:
                known.append(stem)
            elif stem:
                unknown.append(word)
        if not known:
            raise ValueError(
                f"the prompt {prompt!r} has no word that the model knows, so there is nothing to "
                'go by; ask for a digit, as in "a handwritten three" or "숫자 삼".'
            )
        return Reading(known, unknown)

    def encode(self, prompts: Iterable[str]) -> Tensor:
        """(B, L) int64: the numbers of the words that it knows, filled up with 0.

        Raises:
            ValueError: as ``read``.
        """
        rows = [torch.tensor([self.ids[w] for w in self.read(p).known]) for p in prompts]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True)


def prompt_table(encoder: TextEncoder, phrasings: Sequence[str]) -> Tensor:
    """(10, phrasings, L) int64: what ``encoder`` reads in each phrasing for each digit."""
    prompts = [phrased(phrasing, digit) for digit in range(10) for phrasing in phrasings]
    return encoder.encode(prompts).unflatten(0, (10, len(phrasings)))
