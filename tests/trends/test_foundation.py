"""A model that learns two more digits, against matrices written out and digits counted by hand."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from statistics import median

import pytest
import torch
from torch import Tensor, nn

from ddpm_course import UNet, checkpoint
from ddpm_course.data import digit_labels, digits
from ddpm_course.loss import epsilon_loss
from ddpm_course.metrics import frechet_distance
from ddpm_course.trends import foundation


@pytest.fixture(scope="module")
def shipped() -> UNet:
    return foundation.load()[0]


def rows(images: Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def noised() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(6, 1, 8, 8, generator=generator), torch.arange(1, 250, 45)[:6]


# ---- Data ---------------------------------------------------------------------------------------


def test_the_broad_data_hold_every_other_training_digit_and_no_new_one() -> None:
    labels, images = digit_labels("train").tolist(), digits("train")
    old = torch.stack([image for image, label in zip(images, labels) if label not in (8, 9)])
    assert foundation.broad().equal(old)


def test_examples_are_few_and_the_rest_is_the_rest() -> None:
    few, rest = foundation.examples()
    everything = {
        image.numpy().tobytes(): label
        for image, label in zip(digits("all"), digit_labels("all").tolist())
        if label in (8, 9)
    }
    assert [everything[image.numpy().tobytes()] for image in few] == [8] * 20 + [9] * 20
    assert len(rows(few)) == 40
    assert len(rest) == len(everything) - 40
    assert rows(few) | rows(rest) == everything.keys()
    assert not rows(few) & rows(foundation.broad())
    assert rows(digits("test")) & rows(few) == set()


def test_examples_follow_from_the_seed() -> None:
    assert foundation.examples(seed=3)[0].equal(foundation.examples(seed=3)[0])
    assert not foundation.examples(seed=3)[0].equal(foundation.examples(seed=4)[0])
    assert len(foundation.examples(5)[0]) == 10


@pytest.mark.parametrize("each", [0, -1, 140])
def test_examples_refuse_more_than_there_are(each: int) -> None:
    labels = digit_labels("train")
    have = min(int((labels == 8).sum()), int((labels == 9).sum()))
    sentence = f"each is {each}; there are {have} of each new digit: choose 1 to {have}."
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}$"):
        foundation.examples(each)


# ---- Low rank -----------------------------------------------------------------------------------


def test_a_correction_starts_at_nothing(shipped: UNet) -> None:
    x, t = noised()
    with torch.no_grad():
        assert foundation.low_rank(shipped, 3)(x, t).equal(shipped(x, t))


def test_a_correction_is_a_product_of_the_rank_that_was_asked_for(shipped: UNet) -> None:
    corrected = foundation.low_rank(shipped, rank=2)
    layer = corrected.down[0].blocks[0][0].conv1
    low = layer.parametrizations.weight[0]
    with torch.no_grad():
        low.B.copy_(torch.arange(low.B.numel()).view_as(low.B) % 7)
        change = layer.weight - shipped.down[0].blocks[0][0].conv1.weight
        for out, c, y, x in itertools.product(range(3), range(3), range(3), range(3)):
            by_hand = sum(float(low.B[out, r] * low.A[r, 9 * c + 3 * y + x]) for r in range(2))
            assert float(change[out, c, y, x]) == pytest.approx(by_hand, abs=1e-5)
    assert torch.linalg.matrix_rank(change.flatten(1), rtol=1e-4) == 2


@pytest.mark.parametrize("rank", [1, 4])
def test_only_the_corrections_move_and_they_are_few(shipped: UNet, rank: int) -> None:
    layers = [layer for layer in shipped.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    expected = sum(rank * (len(w) + w[0].numel()) for w in (layer.weight for layer in layers))
    corrected = foundation.low_rank(shipped, rank)
    assert foundation.movable(corrected) == expected < foundation.movable(shipped) / 8
    assert foundation.movable(shipped) == sum(p.numel() for p in shipped.parameters())

    few, _ = foundation.examples()
    adapted = foundation.adapt(corrected, few, foundation.load()[1], steps=2)
    after = adapted.state_dict()
    for name, value in corrected.state_dict().items():
        moved = not value.equal(after[name])
        assert moved == name.endswith((".A", ".B")), name


def test_all_weights_move_and_the_model_itself_stays(shipped: UNet) -> None:
    before = {name: value.clone() for name, value in shipped.state_dict().items()}
    adapted = foundation.adapt(shipped, foundation.examples()[0], foundation.load()[1], steps=2)
    for name, value in shipped.state_dict().items():
        assert value.equal(before[name])
        assert not value.equal(adapted.state_dict()[name]), name


def test_a_merged_model_says_the_same_and_is_a_plain_one(shipped: UNet) -> None:
    few, _ = foundation.examples()
    corrected = foundation.low_rank(shipped, 2)
    corrected = foundation.adapt(corrected, few, foundation.load()[1], steps=3)
    plain = foundation.merged(corrected)
    assert plain.state_dict().keys() == shipped.state_dict().keys()
    x, t = noised()
    with torch.no_grad():
        torch.testing.assert_close(plain(x, t), corrected(x, t), rtol=1e-4, atol=1e-5)
        assert not torch.allclose(plain(x, t), shipped(x, t), atol=1e-3)
    again = foundation.merged(corrected)  # merging leaves the corrected one as it was
    assert all(v.equal(again.state_dict()[k]) for k, v in plain.state_dict().items())


@pytest.mark.parametrize("rank", [0, -2])
def test_a_correction_needs_a_rank(shipped: UNet, rank: int) -> None:
    with pytest.raises(
        ValueError, match=rf"^rank is {rank}; a correction has a rank of at least 1\.$"
    ):
        foundation.low_rank(shipped, rank)


# ---- Learning -----------------------------------------------------------------------------------


def test_adapting_follows_from_its_seed(shipped: UNet) -> None:
    few, schedule = foundation.examples()[0], foundation.load()[1]
    one, again, other = (foundation.adapt(shipped, few, schedule, 2, seed=s) for s in (0, 0, 1))
    assert all(v.equal(again.state_dict()[k]) for k, v in one.state_dict().items())
    assert not one.conv_out.weight.equal(other.conv_out.weight)


@pytest.mark.parametrize(
    ("images", "steps", "sentence"),
    [
        (torch.zeros(4, 1, 8, 8), 0, "steps is 0"),
        (torch.zeros(0, 1, 8, 8), 1, "batch_size is 0"),
        (torch.zeros(4, 3, 8, 8), 1, "x has shape (4, 3, 8, 8)"),
        (torch.zeros(4, 1, 7, 7), 1, "x is 7x7"),
        (torch.zeros(4, 1, 8, 8, dtype=torch.float64), 1, "data has dtype torch.float64"),
    ],
)
def test_adapting_refuses_what_it_cannot_learn_from(
    shipped: UNet, images: Tensor, steps: int, sentence: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(sentence)}"):
        foundation.adapt(shipped, images, foundation.load()[1], steps)


def test_what_ships_is_small_and_knows_the_old_digits_and_not_the_new(shipped: UNet) -> None:
    assert checkpoint.asset("foundation").stat().st_size <= 1_000_000
    schedule = foundation.load()[1]
    assert "foundation" in checkpoint.shipped()
    old, (few, rest) = foundation.broad(), foundation.examples()
    samples = foundation.draw(shipped, schedule, 300)
    # As many draws from a Gaussian with the right moments come to about 0.4.
    assert frechet_distance(samples, old) < 0.8
    assert frechet_distance(samples, rest) > 5

    def loss(images: Tensor) -> float:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            return float(epsilon_loss(shipped, images, schedule, generator=generator))

    held_out = digits("test")[digit_labels("test") < 8]
    assert loss(held_out) < loss(torch.cat([few, rest]))


@pytest.mark.long
def test_after_forty_steps_an_adapted_model_is_twice_as_near_as_one_from_scratch(
    shipped: UNet,
) -> None:
    seed, schedule = 11, foundation.load()[1]  # examples that the shipped table has not seen
    few, rest = foundation.examples(seed=seed)
    starts = {
        "from scratch": foundation.scratch(seed),
        "all weights": shipped,
        "low rank": foundation.low_rank(shipped, seed=seed),
    }
    found = {}
    for start, model in starts.items():
        rate = foundation.RATES[start]
        adapted = foundation.adapt(model, few, schedule, 40, rate, seed)
        found[start] = foundation.distance(adapted, schedule, rest, seed)
    assert found["all weights"] <= found["from scratch"] / 2
    assert found["low rank"] <= found["from scratch"] / 2


def test_the_table_of_results_tells_the_same_story() -> None:
    points = foundation.results()
    keys = [(p.start, p.steps, p.seed) for p in points]
    expected = itertools.product(foundation.RATES, foundation.BUDGETS, range(3))
    assert sorted(keys) == sorted(expected)

    def middle(start: str, steps: int) -> float:
        return median(p.distance for p in points if (p.start, p.steps) == (start, steps))

    for start in ("all weights", "low rank"):
        assert middle(start, 40) <= middle("from scratch", 40) / 2
        assert middle(start, 0) > 5  # before it learns, it draws no eights and nines


@pytest.mark.long
def test_the_table_is_what_is_measured_today(shipped: UNet) -> None:
    """One entry of each start that costs little, measured again."""
    schedule = foundation.load()[1]
    few, rest = foundation.examples(seed=1)
    table = {(p.start, p.steps, p.seed): p.distance for p in foundation.results()}
    for start, model in (("from scratch", foundation.scratch(1)), ("all weights", shipped)):
        adapted = foundation.adapt(model, few, schedule, 10, foundation.RATES[start], 1)
        here = foundation.distance(adapted, schedule, rest, 1)
        assert here == pytest.approx(table[start, 10, 1], rel=0.1)


def test_what_is_saved_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, path = foundation.scratch(5), tmp_path / "mine.safetensors"
    monkeypatch.setattr(foundation, "BUDGETS", (0, 1))
    monkeypatch.setattr(foundation, "distance", lambda model, schedule, rest, seed: 2.0 + seed)
    foundation.save(trained, path)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["mine.json", "mine.safetensors"]
    loaded, schedule = foundation.load(path)
    assert schedule.T == 250
    for name, value in trained.state_dict().items():
        torch.testing.assert_close(loaded.state_dict()[name], value, rtol=1e-3, atol=1e-6)
    starts = itertools.product(range(3), foundation.RATES, (0, 1))
    expected = [foundation.Point(start, steps, seed, 2.0 + seed) for seed, start, steps in starts]
    assert foundation.results(path) == expected


def test_pretraining_follows_from_its_seed() -> None:
    one, again, other = (foundation.train(s, steps=2, progress=False) for s in (0, 0, 1))
    assert all(v.equal(again.state_dict()[k]) for k, v in one.state_dict().items())
    assert not one.conv_in.weight.equal(other.conv_in.weight)
