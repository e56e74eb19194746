"""Text to image: guidance against its definition, and what the shipped model draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from ddpm_course import checkpoint, metrics, solvers
from ddpm_course.data import Mixture
from ddpm_course.schedule import Schedule
from ddpm_course.trends import multimodal, text_to_image
from ddpm_course.trends.prompts import HELD_OUT, PHRASINGS, phrased, vocabulary
from ddpm_course.trends.text_to_image import TextToImage, draw, guide, guided, requests
from ddpm_course.unet import UNet, UNetConfig


@pytest.fixture(scope="module")
def model() -> TextToImage:
    return text_to_image.load()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def small() -> TextToImage:
    """Untrained, but with no layer at 0."""
    torch.manual_seed(0)
    config = UNetConfig(channels=(8, 8), blocks=1, attention=(False, False), groups=2)
    model = TextToImage(config, vocabulary()).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


# -- guidance ---------------------------------------------------------------------------------


def test_guidance_is_a_line_through_the_two_predictions() -> None:
    free, told = torch.randn(2, 5, 3, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(guide(free, told, 0), free)
    torch.testing.assert_close(guide(free, told, 1), told)
    torch.testing.assert_close(guide(free, told, 3) - told, 2 * (told - free))


def test_guidance_wants_two_predictions_of_one_shape() -> None:
    with pytest.raises(
        ValueError, match=r"free has shape \(2, 3\), told \(2, 1\); they must agree"
    ):
        guide(torch.zeros(2, 3), torch.zeros(2, 1), 1.0)


def test_guidance_moves_towards_the_label_and_not_away() -> None:
    """Mistake 20, its sign: for two clouds whose best ε is known, every sample that is guided
    to the right one lands there, and further out the more it is guided."""
    schedule = Schedule.linear(100, 1e-3, 0.2)
    weights, means = torch.full((2,), 0.5), torch.tensor([[-1.0], [1.0]])
    both = Mixture(weights, means, torch.full((2,), 0.25)).eps(schedule)
    right = Mixture(torch.ones(1), means[1:], torch.full((1,), 0.25)).eps(schedule)

    def center(w: float) -> float:
        def eps_hat(x_t: Tensor, t: Tensor) -> Tensor:
            return guide(both(x_t, t), right(x_t, t), w)

        *_, last = solvers.ddim(eps_hat, (2000, 1), schedule, clip_x0=False, generator=seeded())
        return float(last.x_t.mean())

    assert center(0) == pytest.approx(0, abs=0.1)
    assert center(1) == pytest.approx(1, abs=0.1)
    assert center(3) > center(1) + 0.1


@pytest.mark.parametrize("w", [-1, -1e-9, math.nan, math.inf, -math.inf])
def test_guidance_that_is_negative_or_not_finite_is_refused(model: TextToImage, w: float) -> None:
    with pytest.raises(ValueError) as error:
        guide(torch.zeros(1), torch.zeros(1), w)
    assert f"guidance is {w}; give 0 (ignore the prompt)" in str(error.value)
    with pytest.raises(ValueError, match="guidance is"):
        draw(["number 3"], guidance=w, model=model)


@torch.no_grad()
def test_guided_is_what_it_says_at_every_w(small: TextToImage) -> None:
    ids = small.encoder.encode(["number 3", "숫자 칠"])
    x_t, t = torch.randn(2, 1, 8, 8, generator=seeded()), torch.tensor([3, 200])
    free, told = small(x_t, t), small(x_t, t, ids)
    assert (told - free).abs().amax(dim=(1, 2, 3)).min() > 1e-4
    for w in (0.0, 1.0, 2.5):
        found = guided(small, ids, w)(x_t, t)
        torch.testing.assert_close(found, free + w * (told - free))


# -- the condition ----------------------------------------------------------------------------


@torch.no_grad()
def test_without_words_it_is_the_unet_alone(small: TextToImage) -> None:
    x_t, t = torch.randn(3, 1, 8, 8, generator=seeded()), torch.tensor([1, 7, 250])
    alone = small.unet(x_t, t)
    torch.testing.assert_close(small(x_t, t), alone)
    torch.testing.assert_close(small(x_t, t, torch.zeros(3, 4, dtype=torch.int64)), alone)


@torch.no_grad()
def test_a_condition_is_an_addition_to_the_embedding_of_the_time() -> None:
    torch.manual_seed(0)
    unet = UNet(UNetConfig(channels=(8, 8), blocks=1, attention=(False, False), groups=2)).eval()
    for parameter in unet.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    x, t = torch.randn(2, 1, 8, 8), torch.tensor([5, 9])
    shift = torch.randn(32)
    with_condition = unet(x, t, shift.expand(2, 32))
    assert (with_condition - unet(x, t)).abs().max() > 1e-3
    unet.time[-1].bias += shift  # the last layer of the time's embedding
    torch.testing.assert_close(with_condition, unet(x, t))


@torch.no_grad()
def test_each_row_heeds_its_own_prompt(small: TextToImage) -> None:
    x_t, t = torch.randn(1, 1, 8, 8, generator=seeded()).expand(3, 1, 8, 8), torch.full((3,), 9)
    ids = small.encoder.encode(["number 3", "a handwritten eight", "number 3"])
    out = small(x_t, t, ids)
    torch.testing.assert_close(out[0], out[2])
    assert (out[0] - out[1]).abs().max() > 1e-4


# -- the shipped model ------------------------------------------------------------------------


def seen_by_the_svm(prompts: list[str], model: TextToImage, guidance: float = 2.0) -> Tensor:
    images = draw(prompts, guidance, generator=seeded(), model=model)
    assert images.shape == (len(prompts), 1, 8, 8)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    return metrics.digit_probability(images).argmax(dim=1)


def test_it_draws_what_it_is_asked_for(model: TextToImage) -> None:
    """README of the shipped models: 100% of 500; here 100, of all phrasings."""
    prompts, asked = requests(100, [*PHRASINGS[::4], *HELD_OUT[:3]])
    assert (seen_by_the_svm(prompts, model) == asked).double().mean() >= 0.97


def test_it_draws_what_held_out_phrasings_ask_for(model: TextToImage) -> None:
    prompts, asked = requests(80, HELD_OUT)
    assert len(set(prompts)) == 40
    assert (seen_by_the_svm(prompts, model) == asked).double().mean() >= 0.97


def test_a_prompt_without_a_digit_draws_all_kinds(model: TextToImage) -> None:
    seen = seen_by_the_svm(["손글씨 숫자"] * 60, model, guidance=1.0)
    assert len(set(seen.tolist())) >= 7


def test_guidance_0_ignores_the_prompt(model: TextToImage) -> None:
    sevens, threes = (draw([p] * 4, 0, 5, seeded(), model) for p in ("number 7", "셋"))
    assert torch.equal(sevens, threes)


@pytest.mark.long
def test_guidance_0_draws_as_well_as_the_unconditional_model(model: TextToImage) -> None:
    """The Fréchet distance is within 20% of the shipped digits model's; 300 samples each, so both
    are larger than in the README, by the same bias."""
    digits_model, schedule = checkpoint.load("digits")
    ids = model.encoder.encode(["number 7"] * 300)
    found = []
    for network in (guided(model, ids, 0.0), digits_model):
        *_, last = solvers.ddim(network, (300, 1, 8, 8), schedule, 25, generator=seeded())
        found.append(metrics.digit_report(last.x_t).frechet)
    assert found[0] <= 1.2 * found[1]


def test_more_guidance_less_variety(model: TextToImage) -> None:
    def variety(w: float) -> float:
        return float(draw(["a three"] * 40, w, 15, seeded(), model).var(dim=0).mean())

    assert variety(0) > variety(1) > variety(4)


def test_the_contrastive_model_agrees_with_the_svm(model: TextToImage) -> None:
    prompts, asked = requests(60, PHRASINGS)
    images = draw(prompts, generator=seeded(1), model=model)
    names = [phrased("a handwritten {english}", digit) for digit in range(10)]
    seen = multimodal.classify(multimodal.load(), images, names)
    assert (seen == metrics.digit_probability(images).argmax(dim=1)).double().mean() >= 0.95
    assert (seen == asked).double().mean() >= 0.95


def test_the_same_seed_the_same_images(model: TextToImage) -> None:
    one, same, other = (draw(["삼"], 2, 3, seeded(s), model) for s in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_its_unet_is_a_model_of_the_course(model: TextToImage) -> None:
    unet, schedule = checkpoint.load("text_to_image")
    # Written on another machine: its cosine may round the last bit otherwise.
    torch.testing.assert_close(schedule.beta, text_to_image.SCHEDULE.beta, rtol=0, atol=1e-15)
    for name, value in model.unet.state_dict().items():
        assert torch.equal(unet.state_dict()[name], value)
    assert "text_to_image" in checkpoint.shipped()
    assert "multimodal" not in checkpoint.shipped()


# -- bad input --------------------------------------------------------------------------------


@pytest.mark.parametrize("prompts", [[], "number 7", ""])
def test_draw_wants_a_list_of_prompts(model: TextToImage, prompts: object) -> None:
    with pytest.raises(ValueError) as error:
        draw(prompts, model=model)
    assert f"prompts is {prompts!r}; give a list of prompts" in str(error.value)


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [("", "the prompt '' has no words"), ("ein Hund", "no word that the model knows")],
)
def test_draw_refuses_prompts_that_it_cannot_read(
    model: TextToImage, prompt: str, sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence):
        draw(["number 3", prompt], model=model)


def test_unknown_words_change_nothing(model: TextToImage) -> None:
    one, same = (draw([p], 2, 3, seeded(), model) for p in ("a seven", "a gorgeous seven"))
    assert torch.equal(one, same)


@pytest.mark.parametrize("steps", [0, 251])
def test_draw_refuses_steps_out_of_range(model: TextToImage, steps: int) -> None:
    with pytest.raises(ValueError, match=rf"^{steps} calls of .* this schedule allows 1 to 250\.$"):
        draw(["number 3"], steps=steps, model=model)


# -- training and files -----------------------------------------------------------------------


def test_requests_take_turns() -> None:
    prompts, asked = requests(320, [*PHRASINGS, *HELD_OUT])
    assert len(set(prompts)) == 320
    assert asked.bincount().tolist() == [32] * 10
    assert prompts[11] == phrased(PHRASINGS[1], 1)


def test_training_follows_from_its_seed_and_leaves_the_global_generator_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, same, other = (
        text_to_image.train(seed, progress=False, steps=2, batch_size=8) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    for name, value in one.state_dict().items():
        assert torch.equal(value, same.state_dict()[name])
    assert not torch.equal(one.unet.conv_in.weight, other.unet.conv_in.weight)
    assert not one.training


def test_training_without_words_never_touches_the_encoder() -> None:
    """drop = 1 takes every prompt away: the encoder stays as it began."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        start = TextToImage(text_to_image.CONFIG, vocabulary()).encoder.state_dict()
    free, told = (
        text_to_image.train(0, False, steps=5, drop=drop, batch_size=8).encoder.state_dict()
        for drop in (1.0, 0.0)
    )
    assert all(torch.equal(free[name], start[name]) for name in start)
    assert not all(torch.equal(told[name], start[name]) for name in start)


def test_save_and_load_round_to_half_precision(tmp_path, small: TextToImage) -> None:
    path = tmp_path / "small.safetensors"
    text_to_image.save(small, path)
    loaded = text_to_image.load(path)
    assert loaded.encoder.words == small.encoder.words
    for name, value in small.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value.half().float())


def test_load_refuses_other_models(tmp_path) -> None:
    for other in ("digits", "multimodal"):
        with pytest.raises(ValueError, match="holds no model"):
            text_to_image.load(checkpoint.asset(other))
    with pytest.raises(ValueError, match="is not there"):
        text_to_image.load(tmp_path / "none.safetensors")


def test_the_shipped_file_is_small() -> None:
    assert checkpoint.asset("text_to_image").stat().st_size <= 1_000_000
