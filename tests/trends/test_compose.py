"""Seeing and saying, against pictures laid out by hand and an eye that knows the answer."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from ddpm_course.data import digit_labels, digits
from ddpm_course.trends import compose
from ddpm_course.trends.compose import Canvas, Thing

BLANK = torch.full((1, 32, 32), -1.0)


def laid_out(*places: tuple[int, int, int], size: int = 32) -> Canvas:
    """Held-out digits, the first of each class, at chosen places on clean paper."""
    picture = torch.full((1, size, size), -1.0)
    images, labels = digits("test"), digit_labels("test").tolist()
    for digit, top, left in places:
        cell = picture[:, top : top + 8, left : left + 8]
        cell.copy_(torch.maximum(cell, images[labels.index(digit)]))
    return Canvas(picture, [Thing(*place) for place in places])


# ---- Speaking -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ([], "an empty canvas"),
        ([(3, 5, 5)], "a three, alone"),
        ([(8, 5, 5)], "an eight, alone"),
        ([(7, 1, 20), (3, 0, 2)], "a three left of a seven"),
        ([(7, 0, 2), (3, 20, 2)], "a seven above a three"),
        ([(7, 20, 2), (3, 0, 3)], "a seven below a three"),
        ([(1, 0, 0), (2, 8, 8)], "a one left of a two"),
        (
            [(3, 0, 0), (7, 2, 12), (8, 14, 13)],
            "a three left of a seven, which is above an eight",
        ),
        (
            [(0, 20, 0), (0, 0, 4), (8, 2, 14), (5, 4, 24)],
            "a zero below a zero, which is left of an eight, which is left of a five",
        ),
    ],
)
def test_say(there: list[tuple[int, int, int]], words: str) -> None:
    things = [Thing(*one) for one in there]
    assert compose.say(things) == words
    assert compose.say(things[::-1]) == words


def test_relations_are_each_others_opposites() -> None:
    opposite = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}
    here = Thing(1, 10, 10)
    for top in range(0, 21):
        for left in range(0, 21):
            other = Thing(2, top, left)
            if (top, left) != (10, 10):
                said = compose.relation(here, other)
                assert compose.relation(other, here) == opposite[said]
                right = {"left of": left > 10, "right of": left < 10}
                assert (right | {"above": top > 10, "below": top < 10})[said]


# ---- Canvases -----------------------------------------------------------------------------------


def test_canvases_hold_the_digits_that_they_say_and_nothing_else() -> None:
    known = {image.numpy().tobytes(): i for i, image in enumerate(digits("test"))}
    labels = digit_labels("test").tolist()
    for picture, things in compose.canvases(60, "test", seed=3, overlap=0, noise=0.0):
        left_over = picture.clone()
        for digit, top, left in things:
            cell = picture[:, top : top + 8, left : left + 8]
            assert labels[known[cell.numpy().tobytes()]] == digit
            left_over[:, top : top + 8, left : left + 8] = -1
        assert (left_over == -1).all()


def test_canvases_come_with_every_number_of_digits_and_some_that_touch() -> None:
    made = compose.canvases(300, seed=1, size=40)
    counts = np.bincount([len(canvas.things) for canvas in made], minlength=5)
    assert len(counts) == 5
    assert counts.min() > 30  # 60 expected; three standard deviations are 21
    gaps = [
        max(abs(a.top - b.top), abs(a.left - b.left))
        for canvas in made
        for i, a in enumerate(canvas.things)
        for b in canvas.things[:i]
    ]
    assert min(gaps) == 6  # cells may overlap by two pixels, and some do
    assert all(canvas.things == sorted(canvas.things, key=lambda t: t[::-1]) for canvas in made)


def test_canvases_follow_from_the_seed_and_stay_in_range() -> None:
    one, again, other = (compose.canvases(5, seed=seed, noise=0.5) for seed in (0, 0, 1))
    assert all(a.things == b.things and a.picture.equal(b.picture) for a, b in zip(one, again))
    assert not any(a.picture.equal(b.picture) for a, b in zip(one, other))
    assert all(c.picture.shape == (1, 32, 32) and c.picture.abs().max() <= 1 for c in one)


def test_a_crowded_canvas_comes_to_an_end() -> None:
    for canvas in compose.canvases(20, size=8, most=4, overlap=0):
        assert len(canvas.things) <= 1


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"n": 0}, "n is 0; choose a whole number, at least 1."),
        ({"size": 7}, "size is 7; choose a whole number, at least 8."),
        ({"most": -1}, "most is -1; choose a whole number, at least 0."),
        ({"overlap": 8}, "overlap is 8; choose a whole number, 0 to 7."),
        ({"noise": -0.1}, "noise is -0.1; give a standard deviation of 0 or more."),
        ({"noise": float("nan")}, "noise is nan; give a standard deviation of 0 or more."),
        ({"split": "valid"}, "split is 'valid'; choose 'train', 'test' or 'all'."),
    ],
)
def test_canvases_refuse_what_cannot_be(wrong: dict[str, object], sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        compose.canvases(**{"n": 1, **wrong})


# ---- Seeing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [24, 32, 40])
def test_what_ships_reaches_its_targets_on_digits_it_has_not_seen(size: int) -> None:
    precision, recall, captions = compose.score(compose.canvases(200, "test", seed=7, size=size))
    assert precision >= 0.95
    assert recall >= 0.95
    assert captions >= 0.90


def test_a_canvas_laid_out_by_hand_is_seen_and_described() -> None:
    canvas = laid_out((3, 4, 2), (7, 5, 20))
    assert compose.find(canvas.picture) == canvas.things
    assert compose.describe(canvas.picture) == "a three left of a seven"
    assert compose.describe(canvas.picture[0]) == "a three left of a seven"


def test_digits_that_touch_are_told_apart() -> None:
    things = [Thing(3, 10, 8), Thing(7, 10, 15)]  # the cells overlap by a pixel
    assert compose.find(laid_out(*things).picture) == things


@pytest.mark.parametrize("noise", [0.0, 0.1])
def test_an_empty_canvas_is_called_one(noise: float) -> None:
    for canvas in compose.canvases(20, most=0, noise=noise):
        assert compose.describe(canvas.picture) == "an empty canvas"


def test_a_digit_as_large_as_the_canvas_is_found_at_its_only_place() -> None:
    picture = digits("test")[0]
    (thing,) = compose.find(picture)
    assert thing == Thing(int(digit_labels("test")[0]), 0, 0)


def test_moving_the_digits_moves_the_answer_and_nothing_else() -> None:
    near = laid_out((2, 6, 6), (5, 16, 14), size=48)
    far = near.picture.roll((11, 9), dims=(1, 2))
    moved = [Thing(d, top + 11, left + 9) for d, top, left in compose.find(near.picture)]
    assert compose.find(far) == moved


@pytest.mark.parametrize(
    ("canvas", "sentence"),
    [
        (torch.zeros(3, 32, 32), "the canvas has shape (3, 32, 32)"),
        (torch.zeros(1, 1, 32, 32), "the canvas has shape (1, 1, 32, 32)"),
        (torch.zeros(32), "the canvas has shape (32,)"),
        (torch.zeros(7, 32), "the canvas has shape (7, 32)"),
        (torch.full((16, 16), torch.nan), "the canvas has values that are not finite"),
        (torch.full((16, 16), -torch.inf), "the canvas has values that are not finite"),
        (torch.full((16, 16), 255), "the canvas has values from 255 to 255; scale it to [-1, 1]"),
    ],
)
def test_find_refuses_what_is_no_canvas(canvas: torch.Tensor, sentence: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}") as refused:
        compose.describe(canvas)
    assert str(refused.value).count(".") <= 2
    assert "\n" not in str(refused.value)


# ---- Judging ------------------------------------------------------------------------------------


def test_an_eye_that_knows_is_perfect_and_a_blind_one_finds_nothing() -> None:
    made = compose.canvases(50, "test")
    answers = {canvas.picture.numpy().tobytes(): canvas.things for canvas in made}
    knows = compose.score(made, lambda picture: answers[picture.numpy().tobytes()])
    assert knows == (1.0, 1.0, 1.0)
    empty = sum(not canvas.things for canvas in made) / len(made)
    assert compose.score(made, lambda picture: []) == (1.0, 0.0, empty)


def test_score_by_hand() -> None:
    there = Canvas(BLANK, [Thing(3, 0, 0), Thing(7, 0, 20)])
    seen = [Thing(3, 1, 1), Thing(3, 0, 0), Thing(1, 0, 20)]  # right, the same again, wrong digit
    assert compose.score([there], lambda picture: seen) == (1 / 3, 1 / 2, 0.0)
    # Places are off by a pixel, but the sentence is right.
    assert compose.score([there], lambda picture: [Thing(3, 1, 0), Thing(7, 0, 19)]) == (1, 1, 1)
    with pytest.raises(ValueError, match="there are no canvases"):
        compose.score([])


def test_cells_agree_from_half_of_their_common_ground() -> None:
    here = Thing(4, 10, 10)
    for down in range(-9, 10):
        for right in range(-9, 10):
            one, two = np.zeros((2, 40, 40), dtype=bool)
            one[10:18, 10:18] = True
            two[10 + down : 18 + down, 10 + right : 18 + right] = True
            share = (one & two).sum() / (one | two).sum()
            assert compose.agree(here, Thing(4, 10 + down, 10 + right)) == (share >= 0.5)
    assert not compose.agree(here, Thing(5, 10, 10))


# ---- Training -----------------------------------------------------------------------------------


def test_training_follows_from_its_seed() -> None:
    one, again, other = (compose.train(seed, steps=3, progress=False) for seed in (0, 0, 1))
    for name, value in one.state_dict().items():
        assert value.equal(again.state_dict()[name]), name
    assert not one.layers[0].weight.equal(other.layers[0].weight)


def test_a_finder_answers_for_the_cell_that_begins_at_a_place() -> None:
    finder = compose.Finder().eval()
    canvas = BLANK.clone()[None]
    with torch.no_grad():
        before = finder(canvas)
        assert before.shape == (1, 11, 25, 25)
        canvas[0, 0, 16, 16] = 1.0
        changed = (finder(canvas) != before).any(1)[0].nonzero()
    # A cell that begins at 3 reaches to 10, and 6 pixels further to 16; one at 21 looks back by 5.
    assert changed.min() >= 3
    assert changed.max() <= 21
    assert (changed == torch.tensor([16, 16])).all(1).any()


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    trained = compose.train(0, steps=2, progress=False)
    compose.save(trained, path)
    compose.load(path)  # what it gives, it does not keep: the file may change
    trained = compose.train(1, steps=2, progress=False)
    compose.save(trained, path)
    loaded = compose.load(path)
    assert not loaded.training
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-6)


def test_a_file_that_holds_no_finder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        compose.load(path)


def test_the_printed_figures_reach_what_the_chapter_promises() -> None:
    figures = compose.figures(compose.load())
    assert figures["precision"] >= 0.95
    assert figures["recall"] >= 0.95
    assert figures["sentences right"] >= 0.9
