"""The contrastive model: its loss against other formulas, and what the shipped one can do."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from ddpm_course import checkpoint
from ddpm_course.data import digit_labels, digits
from ddpm_course.trends import multimodal
from ddpm_course.trends.multimodal import Contrastive, contrastive_loss
from ddpm_course.trends.prompts import HELD_OUT, PHRASINGS, phrased, vocabulary


@pytest.fixture(scope="module")
def model() -> Contrastive:
    return multimodal.load()


# -- the loss ---------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 10, 64])
def test_loss_is_the_mean_of_two_cross_entropies(count: int) -> None:
    torch.manual_seed(count)
    s = 5 * torch.randn(count, count, dtype=torch.float64)
    pairs = torch.arange(count)
    expected = (F.cross_entropy(s, pairs) + F.cross_entropy(s.T, pairs)) / 2
    torch.testing.assert_close(contrastive_loss(s), expected)


def test_loss_of_groups_is_the_mean_of_theirs() -> None:
    s = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    each = torch.stack([contrastive_loss(one) for one in s.flatten(0, 1)])
    torch.testing.assert_close(contrastive_loss(s), each.mean())


def test_loss_of_a_guess_and_of_certainty() -> None:
    assert contrastive_loss(torch.zeros(10, 10)) == pytest.approx(math.log(10))
    assert contrastive_loss(1000 * torch.eye(10)) == 0  # and no overflow


def test_loss_falls_along_its_gradient_towards_the_pairs() -> None:
    s = torch.zeros(4, 4, requires_grad=True)
    contrastive_loss(s).backward()
    assert (s.grad.diagonal() < 0).all()
    assert (s.grad[~torch.eye(4, dtype=torch.bool)] > 0).all()


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 3, 4)])
def test_loss_refuses_a_table_that_is_not_square(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError) as error:
        contrastive_loss(torch.zeros(shape))
    assert f"similarity has shape {shape}; give (..., N, N)" in str(error.value)


# -- the shipped model ------------------------------------------------------------------------


def test_vectors_have_length_1(model: Contrastive) -> None:
    with torch.no_grad():
        for vectors in (model.images(digits("test")), model.prompts(["number 3", "삼"])):
            torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))


def test_zero_shot_names_95_percent_of_the_held_out_digits(model: Contrastive) -> None:
    """With every phrasing, those of the training and those that were held out."""
    for phrasing in [*PHRASINGS, *HELD_OUT]:
        assert multimodal.zero_shot(model, phrasing) >= 0.95, phrasing


def test_prompts_in_two_languages_need_not_agree_in_anything_but_the_digit(
    model: Contrastive,
) -> None:
    """Each digit in another phrasing and language: still told apart."""
    prompts = [phrased([*PHRASINGS, *HELD_OUT][3 * digit], digit) for digit in range(10)]
    found = multimodal.classify(model, digits("test"), prompts)
    assert (found == digit_labels("test")).double().mean() >= 0.95


@pytest.mark.parametrize(("prompt", "digit"), [("a handwritten three", 3), ("숫자 칠", 7)])
def test_search_finds_what_was_asked_for(model: Contrastive, prompt: str, digit: int) -> None:
    images, labels = digits("test"), digit_labels("test")
    best = multimodal.search(model, prompt, images, count=20)
    assert len(set(best.tolist())) == 20
    assert (labels[best] == digit).all()
    with torch.no_grad():
        fit = model.images(images) @ model.prompts([prompt])[0]
    assert torch.equal(fit[best], fit.sort(descending=True).values[:20])


def test_figures_are_those_of_zero_shot(model: Contrastive) -> None:
    figures = multimodal.figures(model)
    assert len(figures) == 4
    assert all(0.95 <= figure <= 1 for figure in figures.values())


@pytest.mark.parametrize("count", [0, -1, 361])
def test_search_refuses_counts_out_of_range(model: Contrastive, count: int) -> None:
    with pytest.raises(ValueError) as error:
        multimodal.search(model, "number 3", digits("test"), count)
    assert f"count is {count}; among 360 images, 1 to 360 fit" in str(error.value)


@pytest.mark.parametrize(
    ("prompt", "sentence"), [("", "has no words"), ("un chien", "nothing to go by")]
)
def test_search_refuses_prompts_that_it_cannot_read(
    model: Contrastive, prompt: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        multimodal.search(model, prompt, digits("test"))


# -- training and files -----------------------------------------------------------------------


def test_training_learns_and_follows_from_its_seed() -> None:
    one, same, other = (multimodal.train(seed, progress=False, steps=40) for seed in (0, 0, 1))
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
    assert not torch.equal(one.image_encoder[0].weight, other.image_encoder[0].weight)
    assert not one.training
    assert multimodal.zero_shot(one) > 0.8  # a guess has 0.1


def test_training_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    multimodal.train(progress=False, steps=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_save_and_load_round_to_half_precision(tmp_path) -> None:
    torch.manual_seed(0)
    model = Contrastive(vocabulary()).eval()
    path = tmp_path / "small.safetensors"
    multimodal.save(model, path)
    loaded = multimodal.load(path)
    assert loaded.text_encoder.words == vocabulary()
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())


def test_load_refuses_other_models(tmp_path) -> None:
    with pytest.raises(ValueError, match="holds no model that reads prompts"):
        multimodal.load(checkpoint.asset("digits"))
    with pytest.raises(ValueError, match="lacks the weight"):
        multimodal.load(checkpoint.asset("text_to_image"))
    with pytest.raises(ValueError, match="is not there"):
        multimodal.load(tmp_path / "none.safetensors")


def test_the_shipped_file_is_small() -> None:
    assert checkpoint.asset("multimodal").stat().st_size <= 1_000_000


def test_whole_numbers_are_pictures_in_0_to_255(model: Contrastive) -> None:
    picture = digits("test")[:3]
    whole = ((picture + 1) * 127.5).round().to(torch.uint8)
    torch.testing.assert_close(model.images(whole), model.images(whole / 127.5 - 1))
    with pytest.raises(ValueError, match="give floating point pictures in"):
        model.images(whole.float())
