"""The figure of masked words counts what `ddpm_course.masked` does with exact guesses."""

from __future__ import annotations

import re
from functools import cache
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from ddpm_course import masked
from tests.book.conftest import Visit
from tests.book.test_live import rest, scripts, start, words

pytestmark = pytest.mark.book

PAGE = Path(__file__).parents[2] / "book" / "masked.md"
STARTS = ((None,) * 5, (None, None, "see", None, None), (None, None, "see", None, "dog"))


@cache
def language() -> tuple[list[str], Tensor]:
    """The words of the chapter, and its sentences (S, 5), as its own cell makes them."""
    cell = re.search(r"^one = .*?^words = [^\n]*", PAGE.read_text("utf8"), re.M | re.S)
    assert cell is not None
    made: dict = {"product": product}
    exec(cell[0], made)
    vocabulary = made["words"]
    return vocabulary, torch.tensor([[vocabulary.index(w) for w in s] for s in made["sentences"]])


def number(row: list[str | None] | tuple[str | None, ...]) -> list[int]:
    vocabulary, _ = language()
    return [len(vocabulary) if word is None else vocabulary.index(word) for word in row]


def exact(x_t: Tensor) -> Tensor:
    """(B, 5, K) the logarithms of the shares among the sentences that fit the most open words."""
    vocabulary, text = language()
    fit = (x_t[:, None] == text).sum(2)
    near = (fit == fit.amax(1, keepdim=True)).double()
    shares = torch.einsum("bs,snk->bnk", near, F.one_hot(text, len(vocabulary)).double())
    return (shares / near.sum(1)[:, None, None]).log()


def likelihood(begin: Tensor, most: int) -> list[float]:
    """With 1, ..., most even steps from this row, the chance that the model writes a sentence."""
    vocabulary, text = language()
    mask = len(vocabulary)
    text = text[((begin == mask) | (begin == text)).all(1)]
    shut = torch.tensor(list(product((False, True), repeat=5)))  # (32, 5) what may be masked
    shut = shut[~(shut & (begin != mask)).any(1)]
    rows = torch.where(shut, mask, text[:, None])  # (S, ways, 5)
    chances = exact(rows.flatten(0, 1)).exp()
    after = (~shut).long()[None, None]
    ways = (shut.sum(1) == 0).double().expand(len(text), -1)
    found = []
    for t in range(1, most + 1):
        law = masked.back(chances, t, masked.even(most)).unflatten(0, rows.shape[:2])
        true = law.gather(3, text[:, None, :, None].expand(-1, len(shut), 5, 1))[..., 0]
        both = torch.stack([law[..., -1], true], -1)[:, :, None].expand(-1, -1, len(shut), 5, 2)
        place = both.gather(4, after.expand(len(text), len(shut), -1, 5)[..., None])[..., 0]
        kept = torch.where(after == 1, 1.0, 0.0)  # what is open stays open
        ways = (torch.where(shut[None, :, None], place, kept).prod(3) * ways[:, None]).sum(2)
        found.append(float(ways[:, shut.sum(1).argmax()].sum()))
    return found


def test_the_figure_knows_the_sentences_of_the_chapter(visit: Visit) -> None:
    _, text = language()
    found = [number(row) for row in scripts(visit, "masks").evaluate("ddpmMasks.sentences")]
    assert sorted(found) == sorted(text.tolist())


def test_guesses_are_those_of_exact_counting(visit: Visit) -> None:
    """For rows of any words, also such as no sentence has."""
    vocabulary, text = language()
    g = torch.Generator().manual_seed(0)
    rows = text[torch.randint(len(text), (300, 5), generator=g), torch.arange(5)]
    rows = rows.where(torch.rand(300, 5, generator=g) < 0.5, len(vocabulary))
    named = [[None if n == len(vocabulary) else vocabulary[n] for n in row] for row in rows]
    found = scripts(visit, "masks").evaluate("rows => rows.map(ddpmMasks.guess)", named)
    shares = [[[place.get(word, 0) for word in vocabulary] for place in row] for row in found]
    expected = exact(rows).exp()
    torch.testing.assert_close(torch.tensor(shares).double(), expected, atol=1e-6, rtol=0)
    misfit = (rows < len(vocabulary)) & (
        expected.gather(2, rows.clamp(max=len(vocabulary) - 1)[..., None])[..., 0] < 1
    )
    assert 50 < misfit.any(1).sum() < 250
    struck = visit.context.pages[-1].evaluate("rows => rows.map(ddpmMasks.misfits)", named)
    assert struck == misfit.tolist()


@pytest.mark.parametrize("begin", STARTS, ids=["nothing", "see", "see dog"])
def test_share_of_right_sentences_agrees_with_the_sampler(begin: tuple, visit: Visit) -> None:
    page = scripts(visit, "masks")
    found = page.evaluate("row => ddpmMasks.right(row, 8)", list(begin))
    assert found == pytest.approx(likelihood(torch.tensor(number(begin)), 8), abs=1e-6)
    # And so do its walks; a place that is open stays as it is, and at the end all are.
    ask = """row => Array.from({length: 2000}, (_, seed) => ddpmMasks.walk(row, 2, seed))"""
    walks = torch.tensor([[number(row) for row in w] for w in page.evaluate(ask, list(begin))])
    _, text = language()
    right = (walks[:, -1, None] == text).all(2).any(1).double().mean()
    assert float(right) == pytest.approx(found[1], abs=5 * 0.5 / 2000**0.5)
    mask = len(language()[0])
    assert walks.shape[1] == 3
    assert (walks[:, -1] < mask).all()
    assert ((walks[:, 1:] == walks[:, :-1]) | (walks[:, :-1] == mask)).all()
    hidden = sum(word is None for word in begin)
    opened = (walks[:, 1] < mask).sum(1).double().mean() - (5 - hidden)
    assert float(opened) == pytest.approx(hidden / 2, abs=5 * (hidden / 4 / 2000) ** 0.5)


def test_it_starts_where_words_that_open_together_do_not_fit(visit: Visit) -> None:
    figure = start(visit, "masks")
    said = words(figure)
    assert "Call 2 of 2." in said
    assert "No sentence has all these words" in said
    assert "Of all that is written with 2 calls, 47 % is right." in said
    figure.get_by_label("seed").fill("1000000")
    figure.get_by_label("seed").press("Enter")
    assert 'The seed is "1000000"' in words(figure)
    figure.get_by_label("seed").fill("5")
    figure.get_by_label("seed").press("Enter")
    other = words(rest(figure))
    assert other != said
    figure.get_by_label("given").select_option("1")
    figure.get_by_label("calls in all").press("Home")
    assert "The guess of place 1: two/these 50 %; place 2: cats/dogs/birds 33 %;" in words(figure)
    figure.get_by_label("given").select_option("2")
    assert "100 % is right" in words(figure)
    figure.get_by_label("calls in all").press("End")
    assert "Call 16 of 16." in words(figure)
    assert visit.errors == []
