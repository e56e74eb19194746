"""The U-Net from its contract: closed forms for its parts, and what a new network must answer."""

import contextlib
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from ddpm_course import UNet, UNetConfig
from ddpm_course.unet import (
    Attention,
    Downsample,
    Labelled,
    Quick,
    ResidualBlock,
    Upsample,
    frequencies,
    time_embedding,
    unwrapped,
)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def stirred(module: nn.Module) -> nn.Module:
    """The module with random weights everywhere: nothing starts at 0 any more."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(0.3 * torch.randn(parameter.shape, generator=generator))
    return module


def normed(x: torch.Tensor, norm: nn.GroupNorm) -> torch.Tensor:
    """Group normalization by its definition: each group of channels of each image, alone."""
    groups = x.view(len(x), norm.num_groups, -1)
    mean, var = groups.mean(2, keepdim=True), groups.var(2, unbiased=False, keepdim=True)
    unit = ((groups - mean) / (var + 1e-6).sqrt()).view_as(x)
    return unit * norm.weight[:, None, None] + norm.bias[:, None, None]


def silu(x: torch.Tensor) -> torch.Tensor:
    return x / (1 + torch.exp(-x))


# -- the time --------------------------------------------------------------------------------------


def test_frequencies_fall_from_1_to_a_ten_thousandth_by_one_factor():
    found = frequencies(16).double().numpy()
    np.testing.assert_allclose(found, 10_000.0 ** (-np.arange(16) / 15), rtol=1e-6)
    assert frequencies(1).tolist() == [1.0]


def test_time_embedding_is_sines_then_cosines_even_at_large_t():
    """In bfloat16 999 would be 1000, and its sine another one."""
    t = torch.tensor([1, 2, 500, 999])
    angle = t.numpy()[:, None] * 10_000.0 ** (-np.arange(8) / 7)
    expected = np.concatenate([np.sin(angle), np.cos(angle)], axis=1)
    for low in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            found = time_embedding(t, 16)
        assert found.dtype == torch.float32
        np.testing.assert_allclose(found.numpy(), expected, atol=2e-4)


# -- the parts -------------------------------------------------------------------------------------


def test_a_new_block_changes_nothing():
    x, time = noise(2, 8, 4, 4), noise(2, 12, seed=1)
    assert torch.equal(ResidualBlock(8, 8, 12, 4, 0.0)(x, time), x)
    assert torch.equal(Attention(8, 4)(x), x)
    wider = ResidualBlock(8, 16, 12, 4, 0.0)
    assert torch.equal(wider(x, time), F.conv2d(x, wider.shortcut.weight, wider.shortcut.bias))


def test_a_residual_block_is_its_formula():
    block = stirred(ResidualBlock(8, 16, 12, 4, 0.0))
    x, time = noise(3, 8, 4, 4), noise(3, 12, seed=1)
    h = F.conv2d(silu(normed(x, block.norm1)), block.conv1.weight, block.conv1.bias, padding=1)
    h = h + (silu(time) @ block.time.weight.T + block.time.bias)[:, :, None, None]
    h = F.conv2d(silu(normed(h, block.norm2)), block.conv2.weight, block.conv2.bias, padding=1)
    expected = h + torch.einsum("oc,bchw->bohw", block.shortcut.weight[..., 0, 0], x)
    expected = expected + block.shortcut.bias[:, None, None]
    torch.testing.assert_close(block(x, time), expected, rtol=1e-4, atol=1e-4)


def test_dropout_comes_before_the_last_convolution_and_only_in_training():
    block = ResidualBlock(8, 8, 12, 4, dropout=0.5).train()
    nn.init.ones_(block.conv2.bias)  # its weights are 0: only what comes after it could drop it
    x, time = noise(2, 8, 4, 4), noise(2, 12, seed=1)
    torch.testing.assert_close(block(x, time), x + 1)
    stirred(block)
    torch.manual_seed(0)
    assert not torch.equal(block(x, time), block(x, time))
    block.eval()
    assert torch.equal(block(x, time), block(x, time))


def test_attention_is_a_weighted_mean_over_all_positions():
    attention = stirred(Attention(8, 4))
    x = noise(2, 8, 2, 3)
    seen = normed(x, attention.norm).flatten(2)  # (B, C, positions)
    weight, bias = attention.qkv.weight[..., 0, 0], attention.qkv.bias[:, None]
    q, k, v = (weight @ seen + bias).split(8, dim=1)
    share = torch.einsum("bci,bcj->bij", q, k) / math.sqrt(8)
    share = share.exp() / share.exp().sum(dim=2, keepdim=True)
    mixed = torch.einsum("bij,bcj->bci", share, v)
    out = attention.out.weight[..., 0, 0] @ mixed + attention.out.bias[:, None]
    torch.testing.assert_close(attention(x), x + out.view_as(x), rtol=1e-4, atol=1e-4)


def test_halving_pads_below_and_to_the_right():
    down = Downsample(1)
    with torch.no_grad():
        down.conv.weight.zero_()
        down.conv.bias.zero_()
        down.conv.weight[0, 0, 0, 0] = 1  # picks the upper left of each 3x3 window
    x = noise(1, 1, 4, 6)
    assert torch.equal(down(x), x[:, :, ::2, ::2])


def test_doubling_repeats_each_pixel():
    up = Upsample(1)
    with torch.no_grad():
        up.conv.weight.zero_()
        up.conv.bias.zero_()
        up.conv.weight[0, 0, 1, 1] = 1  # the pixel itself
    x = noise(1, 1, 2, 3)
    assert torch.equal(up(x), x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))


# -- the whole -------------------------------------------------------------------------------------


def test_a_new_network_predicts_no_noise_at_all():
    """So its first loss is that of "always 0", which is 1."""
    model = UNet(UNetConfig.digits())
    assert torch.equal(model(noise(2, 1, 8, 8), torch.tensor([1, 250])), torch.zeros(2, 1, 8, 8))


@pytest.mark.parametrize(
    ("preset", "weights", "dropout"),
    [("digits", 701_345, 0.3), ("cifar10", 35_746_307, 0.1)],
)
def test_the_presets_have_the_size_that_they_are_known_for(preset, weights, dropout):
    with torch.device("meta"):  # made here: what is made while tests are collected sees no mutant
        model = UNet(getattr(UNetConfig, preset)())
    assert sum(p.numel() for p in model.parameters()) == weights
    found = {m.p for m in model.modules() if isinstance(m, nn.Dropout)}
    assert found == {dropout}


def test_every_part_has_a_say():
    """No weight is left out of the way from x and t to the answer."""
    config = UNetConfig(8, channels=(8, 16, 16), blocks=2, attention=(False, True, False), groups=4)
    model = stirred(UNet(config))
    answer = model(noise(2, 1, 8, 8), torch.tensor([3, 70]))
    answer.square().sum().backward()
    silent = [n for n, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_each_image_is_answered_alone_and_at_its_own_step():
    model = stirred(UNet(UNetConfig(8, channels=(8, 16), blocks=1, groups=4))).eval()
    x, t = noise(3, 1, 8, 8), torch.tensor([1, 40, 250])
    alone = torch.cat([model(x[i : i + 1], t[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(model(x, t), alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(model(x, t), model(x, t.flip(0)), atol=1e-3)


def test_a_condition_is_added_to_the_time():
    model = stirred(UNet(UNetConfig(8, channels=(8, 16), blocks=1, groups=4))).eval()
    x, t = noise(2, 1, 8, 8), torch.tensor([5, 5])
    assert torch.equal(model(x, t, torch.zeros(2, 32)), model(x, t))
    other = torch.tensor([60, 60])
    between = model.time(time_embedding(other, 8)) - model.time(time_embedding(t, 8))
    torch.testing.assert_close(model(x, t, between), model(x, other), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    ("x", "t", "said"),
    [
        ((2, 3, 8, 8), (2,), "this U-Net takes (B, 1, H, W)"),
        ((2, 8, 8), (2,), "this U-Net takes (B, 1, H, W)"),
        ((2, 1, 8, 9), (2,), "x is 8x9, which cannot be halved 1 times"),
        ((2, 1, 8, 8), (1,), "t has shape (1,); give one step for each of the 2 images"),
        ((2, 1, 8, 8), (2, 1), "t has shape (2, 1)"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(x, t, said):
    model = UNet(UNetConfig(8, channels=(8, 16), blocks=1, groups=4))
    with pytest.raises(ValueError) as error:
        model(torch.zeros(x), torch.ones(t, dtype=torch.int64))
    assert said in str(error.value)


def test_what_is_no_picture_no_step_and_no_class_is_named():
    model = Labelled(UNetConfig(8, channels=(8, 16), blocks=1, groups=4, classes=3))
    x, t = torch.zeros(2, 1, 8, 8), torch.ones(2, dtype=torch.int64)
    for arguments, said in (
        ((x.byte(), t), "x has dtype torch.uint8; give floating point numbers"),
        ((x, 1), "t is a int; give one step for each of the 2 images"),
        ((x, t, torch.tensor([0, 4])), "label runs from 0 to 4; the classes are 0 to 2, and 3 is"),
        ((x, t, torch.tensor([-1, 3])), "label runs from -1 to 3"),
        ((x, t, torch.ones(2)), "label has dtype torch.float32; classes are counted: use torch.i"),
    ):
        with pytest.raises(ValueError) as error:
            model(*arguments)
        assert said in str(error.value)
    assert model(x, t, torch.tensor([0, 3])).shape == x.shape
    assert model(x, t, torch.tensor([0, 3], dtype=torch.int32)).shape == x.shape


@pytest.mark.parametrize("shape", [(2,), (1, 32), (2, 1), (2, 32, 1)])
def test_a_condition_is_one_for_each_image(shape):
    model = UNet(UNetConfig(8, channels=(8, 16), blocks=1, groups=4))
    with pytest.raises(ValueError) as error:
        model(torch.zeros(2, 1, 8, 8), torch.ones(2, dtype=torch.int64), torch.zeros(shape))
    assert str(error.value) == (
        f"condition has shape {shape}; give (2, 32), as wide as the embedding of the time."
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": 0}, "size is 0; the U-Net needs at least 1 pixel"),
        ({"size": 9}, "images of 9x9 cannot be halved 1 times"),
        ({"size": (8, 6), "channels": (8, 8, 8), "attention": (False,) * 3}, "8x6 cannot be"),
        ({"in_channels": 0}, "in_channels is 0"),
        ({"blocks": 0}, "blocks is 0"),
        ({"channels": (), "attention": ()}, "give a positive width for each level"),
        ({"channels": (32, 0)}, "give a positive width for each level"),
        ({"attention": (True,)}, "attention has 1 entries and channels 2"),
        ({"channels": (32, 60)}, "a width of 60 cannot be divided into 8 groups"),
        ({"groups": 0}, "cannot be divided into 0 groups"),
        ({"head_width": 24}, "a width of 64 cannot be divided into heads of 24 channels"),
        ({"head_width": 0}, "cannot be divided into heads of 0 channels"),
        ({"channels": (9, 18), "groups": 9}, "the first width must be even"),
        ({"dropout": 1.0}, "dropout is 1.0"),
        ({"dropout": -0.1}, "dropout is -0.1"),
        ({"classes": -1}, "classes is -1; give how many there are, or 0 for none"),
        ({"size": 8.0}, "size is 8.0; give whole numbers"),
        ({"size": "8"}, "size is '8'; give whole numbers"),
        ({"size": None}, "size is None; give whole numbers"),
        ({"size": np.int64(8)}, "size is np.int64(8); give whole numbers"),
        ({"dropout": "0.1"}, "dropout is '0.1'; it must be a number"),
        ({"size": (8, 8.5)}, "size is (8, 8.5); give whole numbers"),
        ({"size": (8,)}, "size is (8,); give one number, or height and width."),
        ({"size": (8, 8, 8)}, "size is (8, 8, 8); give one number, or height and width."),
        ({"in_channels": 1.5}, "in_channels is 1.5; give whole numbers"),
        ({"channels": (8.0, 16)}, "channels is (8.0, 16); give whole numbers"),
        ({"blocks": True}, "blocks is True; give whole numbers"),
        ({"groups": 2.0}, "groups is 2.0; give whole numbers"),
        ({"head_width": 2.5}, "head_width is 2.5; give whole numbers"),
        ({"classes": 1.5}, "classes is 1.5; give whole numbers"),
        ({"attention": (0.5, "no")}, "attention is (0.5, 'no'); give True or False for each level"),
    ],
)
def test_sizes_that_do_not_fit_together_are_refused(options, said):
    with pytest.raises(ValueError) as error:
        UNetConfig(**options)
    assert said in str(error.value)


# -- around the network ----------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_quick_answers_in_float32_without_dropout(precision):
    model = stirred(UNet(UNetConfig(8, channels=(8, 16), blocks=1, groups=4, dropout=0.9)))
    quick = Quick(model.train(), precision)
    assert not model.training
    assert not quick.training
    x, t = noise(2, 1, 8, 8), torch.tensor([3, 70])
    with torch.no_grad():
        answer = quick(x, t)
        assert answer.dtype == torch.float32
        assert torch.equal(answer, quick(x, t))
        exact = model(x, t)
    error = (answer - exact).abs().max() / exact.abs().max()
    assert error == 0 if precision == "float32" else 0 < error < 0.1


def test_two_halvings_need_multiples_of_4():
    model = UNet(UNetConfig(8, channels=(8, 8, 8), blocks=1, attention=(False,) * 3, groups=4))
    for shape, size in (((1, 1, 6, 8), "6x8"), ((1, 1, 8, 6), "8x6")):
        with pytest.raises(ValueError) as error:
            model(torch.zeros(shape), torch.ones(1, dtype=torch.int64))
        said = (
            f"x is {size}, which cannot be halved 2 times; height and width must be multiples of 4."
        )
        assert str(error.value) == said


def test_quick_passes_labels_on():
    class Scaled(nn.Module):
        def forward(self, x, t, label):
            return x * label[:, None]

    x, label = noise(2, 3), torch.tensor([2.0, 5.0])
    assert torch.equal(Quick(Scaled())(x, torch.ones(2), label), x * label[:, None])


@pytest.mark.parametrize("precision", ["bf16", "FLOAT32", None])
def test_quick_knows_two_precisions(precision):
    with pytest.raises(ValueError) as error:
        Quick(nn.Identity(), precision)
    assert str(error.value) == f"precision is {precision!r}; choose 'float32' or 'bfloat16'."
    assert not Quick(nn.Identity()).low


def test_what_is_put_around_a_network_comes_off():
    model = UNet(UNetConfig(8, channels=(8, 16), blocks=1, groups=4))
    average = torch.optim.swa_utils.AveragedModel(model)
    assert unwrapped(model) is model
    assert unwrapped(Quick(Quick(model))) is model
    assert unwrapped(nn.DataParallel(model)) is model
    assert unwrapped(average) is average.module


# -- every part of the contract --------------------------------------------------------------------


def test_sizes_are_kept_as_tuples_and_squares_as_one_number():
    config = UNetConfig(size=(8, 8), channels=[32, 64], attention=[False, True])
    assert config == UNetConfig()
    assert (config.size, config.channels, config.attention) == (8, (32, 64), (False, True))
    assert config.shape == (8, 8)
    assert UNetConfig(size=(8, 6)).shape == UNetConfig(size=(8, 6)).size == (8, 6)
    assert UNet().config == UNetConfig()


@pytest.mark.parametrize(
    "options",
    [
        {"size": 1, "channels": (2,), "attention": (False,), "groups": 1},
        {"size": 2, "channels": (2, 1), "groups": 1},
        {"blocks": 1, "in_channels": 1, "dropout": 0.0},
        {"dropout": 0.5},
        {"channels": (8, 64), "head_width": 64},  # no attention at the first level
        {"head_width": 1},
    ],
    ids=str,
)
def test_the_smallest_sizes_are_allowed(options):
    assert UNetConfig(**options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"size": (8, 0)}, "size is (8, 0); the U-Net needs at least 1 pixel"),
        ({"in_channels": 0}, "in_channels is 0; the U-Net needs at least 1."),
        (
            {"attention": (True,)},
            "attention has 1 entries and channels 2; give one for each level.",
        ),
        (
            {"size": (6, 8), "channels": (8, 8, 8), "attention": (False,) * 3},
            "images of 6x8 cannot be halved 2 times; give fewer channels (one for each level) or "
            "another size.",
        ),
        (
            {"channels": (32, 60)},
            "a width of 60 cannot be divided into 8 groups; choose channels that are multiples of "
            "groups.",
        ),
        (
            {"head_width": 24, "attention": (False, False)},  # the middle attends, too
            "a width of 64 cannot be divided into heads of 24 channels; choose channels that are "
            "multiples of head_width, or None for one head.",
        ),
        (  # the middle is as wide as the last level, not as any other
            {"channels": (8, 16, 24), "head_width": 16, "attention": (False, True, False)},
            "a width of 24 cannot be divided into heads of 16 channels",
        ),
        (
            {"channels": (8, 64), "head_width": 64, "attention": (True, False)},
            "a width of 8 cannot be divided into heads of 64 channels",
        ),
        (
            {"channels": (9, 18), "groups": 9},
            "channels starts with 9; the time embedding has half sines and half cosines, so the "
            "first width must be even.",
        ),
    ],
)
def test_whole_sentences_about_sizes(options, said):
    with pytest.raises(ValueError) as error:
        UNetConfig(**options)
    assert said in str(error.value)
    if said.endswith("."):
        assert str(error.value) == said


def test_the_presets_are_the_papers_sizes():
    digits, cifar10 = UNetConfig.digits(), UNetConfig.cifar10()
    assert (digits.shape, digits.groups, digits.blocks) == ((8, 8), 8, 1)
    assert (cifar10.shape, cifar10.groups, cifar10.blocks) == ((32, 32), 32, 2)
    assert digits.attention == (False, True)
    assert cifar10.attention == (False, True, False, False)
    with torch.device("meta"):
        model = UNet(cifar10)
    norms = [m for m in model.modules() if isinstance(m, nn.GroupNorm)]
    assert {(norm.num_groups, norm.eps) for norm in norms} == {(32, 1e-6)}


def test_the_embedding_is_float32_where_t_is():
    torch.set_default_dtype(torch.float64)
    try:
        assert frequencies(3).dtype == torch.float32
        assert time_embedding(torch.tensor([1, 2]), 8).dtype == torch.float32
    finally:
        torch.set_default_dtype(torch.float32)
    assert frequencies(2).tolist() == pytest.approx([1, 1e-4])
    assert frequencies(3, torch.device("meta")).device.type == "meta"
    assert time_embedding(torch.ones(2, device="meta"), 8).device.type == "meta"


@pytest.mark.parametrize("width", [2, 4, 8, None])
def test_each_head_looks_at_channels_of_its_own(width):
    attention = stirred(Attention(8, 4, width))
    heads = 8 // (width or 8)
    assert attention.heads == heads
    x = noise(2, 8, 2, 3)
    seen = normed(x, attention.norm).flatten(2)
    weight, bias = attention.qkv.weight[..., 0, 0], attention.qkv.bias[:, None]
    q, k, v = (weight @ seen + bias).split(8, dim=1)
    mixed = []
    for one in zip(*(part.chunk(heads, dim=1) for part in (q, k, v))):
        share = (one[0].mT @ one[1] / math.sqrt(8 // heads)).softmax(dim=2)
        mixed.append(one[2] @ share.mT)
    out = attention.out.weight[..., 0, 0] @ torch.cat(mixed, dim=1)
    expected = x + (out + attention.out.bias[:, None]).view_as(x)
    torch.testing.assert_close(attention(x), expected, rtol=1e-4, atol=1e-4)


def test_the_network_hands_its_sizes_on_to_its_parts():
    config = UNetConfig(
        8, 2, (8, 16, 24), 2, (True, False, True), groups=4, dropout=0.2, head_width=8
    )
    model = UNet(config)
    heads = [m.heads for m in model.modules() if isinstance(m, Attention)]
    # two blocks down and three up with 8 channels, as many with 24, and the middle
    assert heads == [1, 1, 3, 3, 3, 3, 3, 3, 1, 1, 1]
    blocks = [m for m in model.modules() if isinstance(m, ResidualBlock)]
    assert len(blocks) == 3 * 2 + 2 + 3 * 3
    assert {block.dropout.p for block in blocks} == {0.2}
    assert {m.num_groups for m in model.modules() if isinstance(m, nn.GroupNorm)} == {4}
    assert [len(level.blocks) for level in [*model.down, *model.up]] == [2, 2, 2, 3, 3, 3]
    assert [type(level.resize) for level in model.down] == [Downsample, Downsample, nn.Identity]
    assert [type(level.resize) for level in model.up] == [Upsample, Upsample, nn.Identity]
    assert [layer.out_features for layer in model.time if isinstance(layer, nn.Linear)] == [32, 32]
    assert model.conv_in.in_channels == model.conv_out.out_channels == 2


def test_the_network_is_its_parts_in_order():
    """The U by hand: what goes on the stack, and what each block of the way up takes off it."""
    config = UNetConfig(8, channels=(8, 16), blocks=1, attention=(False, True), groups=4)
    model = stirred(UNet(config)).eval()
    x, t = noise(2, 1, 8, 8), torch.tensor([3, 70])
    first, between, last = model.time[0], silu, model.time[-1]
    time = last(between(first(time_embedding(t, 8))))
    (down, deep), (up_deep, up) = model.down, model.up
    first = model.conv_in(x)
    second = down.blocks[0](first, time)
    third = down.resize(second)
    fourth = deep.blocks[0](third, time)
    h = model.middle[1](model.middle[0](fourth, time))
    h = model.middle[2](h, time)
    for block, skip in zip(up_deep.blocks, (fourth, third)):
        h = block(torch.cat([h, skip], dim=1), time)
    h = up_deep.resize(h)
    for block, skip in zip(up.blocks, (second, first)):
        h = block(torch.cat([h, skip], dim=1), time)
    expected = model.conv_out(silu(normed(h, model.norm_out)))
    torch.testing.assert_close(model(x, t), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("x", "t", "said"),
    [
        ((2, 1, 8), (2,), "x has shape (2, 1, 8); this U-Net takes (B, 1, H, W)."),
        (
            (2, 1, 9, 8),
            (2,),
            "x is 9x8, which cannot be halved 1 times; height and width must be multiples of 2.",
        ),
    ],
)
def test_whole_sentences_about_shapes(x, t, said):
    model = UNet(UNetConfig(8, channels=(8, 16), blocks=1, groups=4))
    with pytest.raises(ValueError) as error:
        model(torch.zeros(x), torch.ones(t, dtype=torch.int64))
    assert str(error.value) == said


def test_one_level_takes_any_size_and_four_halve_three_times():
    one = UNet(UNetConfig(8, channels=(8,), attention=(False,), blocks=1, groups=4))
    assert one(torch.zeros(1, 1, 5, 3), torch.ones(1).long()).shape == (1, 1, 5, 3)
    four = UNet(UNetConfig(8, channels=(8,) * 4, attention=(False,) * 4, blocks=1, groups=4))
    assert four(torch.zeros(1, 1, 8, 16), torch.ones(1).long()).shape == (1, 1, 8, 16)
    with pytest.raises(ValueError, match="x is 8x12, which cannot be halved 3 times"):
        four(torch.zeros(1, 1, 8, 12), torch.ones(1).long())


def test_a_compiled_network_comes_off_too():
    class Compiled(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self._orig_mod = inner

    model = UNet(UNetConfig(8, channels=(8, 16), blocks=1, groups=4))
    assert unwrapped(Compiled(Quick(Compiled(model)))) is model


def test_quick_is_compiled_only_where_wanted(monkeypatch):
    calls = []
    monkeypatch.setattr(torch, "compile", lambda *args, **options: calls.append((args, options)))
    model = nn.Identity()
    assert Quick(model)._run is model
    assert calls == []
    Quick(model, compile=True)
    assert calls == [((model,), {"mode": "reduce-overhead"})]


@pytest.mark.parametrize(
    ("cuda", "layout"), [(True, torch.channels_last), (False, torch.contiguous_format)]
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_quick_lays_pictures_out_as_the_device_likes(monkeypatch, cuda, layout, precision):
    """With what stands in for a picture on a GPU."""
    seen = []

    class Picture:
        is_cuda, device = cuda, torch.device("cuda" if cuda else "cpu")

        def contiguous(self, memory_format):
            seen.append(memory_format)
            return torch.zeros(1)

    def autocast(*args, **options):
        seen.append((args, options))
        return contextlib.nullcontext()

    monkeypatch.setattr(torch, "autocast", autocast)
    Quick(Second(), precision)(Picture(), torch.ones(1))
    low = precision == "bfloat16"
    assert seen == [((Picture.device.type, torch.bfloat16), {"enabled": low}), layout]


class Second(nn.Module):
    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return x


def test_a_label_is_a_row_that_is_added_to_the_time():
    model = stirred(Labelled(UNetConfig(8, channels=(8, 16), blocks=1, groups=4, classes=3)))
    assert model.label.weight.shape == (4, 32)  # a row for each class and one for none
    x, t = noise(2, 1, 8, 8), torch.tensor([3, 70])
    for label in ([0, 2], [1, 1], [3, 3]):
        told = UNet.forward(model, x, t, model.label.weight[label])
        assert torch.equal(model(x, t, torch.tensor(label)), told)
    assert torch.equal(model(x, t), told)  # the last: no label


def test_the_label_of_none_lies_where_the_pictures_lie():
    with torch.device("meta"):
        model = Labelled(UNetConfig(8, channels=(8, 16), blocks=1, groups=4, classes=3))
        x, t = torch.zeros(2, 1, 8, 8), torch.ones(2, dtype=torch.int64)
    seen = []
    model.label.register_forward_hook(lambda _m, given, _o: seen.append(given[0].device.type))
    assert model(x, t).shape == x.shape
    assert seen == ["meta"]


def test_no_picture_needs_no_label():
    model = Labelled(UNetConfig(8, channels=(8, 16), blocks=1, groups=4, classes=3))
    none = torch.zeros(0, dtype=torch.int64)
    assert model(torch.zeros(0, 1, 8, 8), none, none).shape == (0, 1, 8, 8)


def test_a_network_for_labels_has_classes():
    with pytest.raises(ValueError) as error:
        Labelled(UNetConfig())
    assert str(error.value) == "classes is 0; a network for labels needs at least 1."


def test_one_class_is_enough_and_labels_are_counted():
    model = Labelled(UNetConfig(channels=(8, 8), blocks=1, groups=4, classes=1))
    x, t = torch.zeros(2, 1, 8, 8), torch.ones(2, dtype=torch.int64)
    with pytest.raises(ValueError, match=r"label has shape \(3,\); give one for each of the 2"):
        model(x, t, torch.zeros(3, dtype=torch.int64))
    assert UNetConfig.cifar10().dropout == 0.1
