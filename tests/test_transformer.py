"""The Transformer of the digits: its tokens are patches, its time scales and shifts them."""

import math

import pytest
import torch

from ddpm_course import Schedule, checkpoint, transformer
from ddpm_course.trainer import TrainConfig
from ddpm_course.transformer import Block, Transformer


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def awake(**sizes: int) -> Transformer:
    """A network whose gates are open: a newborn one answers 0."""
    torch.manual_seed(0)
    network = Transformer(**sizes)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return network.eval()


def test_a_newborn_network_answers_0_and_learns() -> None:
    torch.manual_seed(0)
    network = Transformer(width=8, depth=1, heads=2)
    x, t = torch.randn(3, 1, 8, 8, generator=seeded()), torch.tensor([1, 5, 9])
    assert network(x, t).abs().max() == 0
    ((network(x, t) - x) ** 2).mean().backward()
    assert network.out.bias.grad.abs().sum() > 0


def test_modulate_scales_and_shifts_each_channel_of_each_item() -> None:
    h = torch.randn(2, 5, 3, generator=seeded())
    shift, scale = torch.randn(2, 3, generator=seeded(1)), torch.randn(2, 3, generator=seeded(2))
    found = transformer.modulate(h, shift, scale)
    for b in range(2):
        for c in range(3):
            torch.testing.assert_close(found[b, :, c], (1 + scale[b, c]) * h[b, :, c] + shift[b, c])


def test_attention_is_the_softmax_of_dot_products_head_by_head() -> None:
    torch.manual_seed(0)
    block = Block(6, 2, 0.0)
    h = torch.randn(1, 4, 6, generator=seeded())
    q, k, v = block.qkv(h)[0].split(6, 1)
    heads = []
    for part in (slice(0, 3), slice(3, 6)):
        weights = torch.softmax(q[:, part] @ k[:, part].T / math.sqrt(3), 1)
        heads.append(weights @ v[:, part])
    torch.testing.assert_close(block.attend(h)[0], block.out(torch.cat(heads, 1)))


def test_a_block_whose_gates_are_shut_is_the_identity() -> None:
    torch.manual_seed(0)
    h = torch.randn(2, 4, 6, generator=seeded())
    assert torch.equal(Block(6, 2, 0.0)(h, torch.randn(2, 6, generator=seeded(1))), h)


def test_a_token_is_a_patch_and_goes_back_to_its_place() -> None:
    """Without blocks each patch of the answer depends on its own patch, and on nothing else."""
    network = awake(width=8, depth=0, heads=2)
    x, t = torch.randn(1, 1, 8, 8, generator=seeded()), torch.tensor([3])
    other = x.clone()
    other[0, 0, 2, 5] += 1  # in the patch of the rows 2, 3 and the columns 4, 5
    moved = (network(x, t) != network(other, t))[0, 0].nonzero().tolist()
    assert moved == [[2, 4], [2, 5], [3, 4], [3, 5]]


def test_patches_see_each_other_and_know_their_place_and_the_time() -> None:
    network = awake(width=8, depth=1, heads=2)
    x, t = torch.randn(1, 1, 8, 8, generator=seeded()), torch.tensor([3])
    other = x.clone()
    other[0, 0, 0, 0] += 1
    assert (network(x, t) != network(other, t)).all()
    assert (network(x, t) != network(x, torch.tensor([7]))).any()
    rolled = network(x.roll(2, 3), t).roll(-2, 3)  # every patch one place to the right
    assert not torch.allclose(network(x, t), rolled, atol=1e-3)
    network.place.data.zero_()
    torch.testing.assert_close(network(x, t), network(x.roll(2, 3), t).roll(-2, 3))


def test_what_cannot_be_is_said_in_a_sentence() -> None:
    with pytest.raises(ValueError, match="size 8, patch 3, .*do not fit"):
        Transformer(patch=3)
    with pytest.raises(ValueError, match="width 30 and heads 4 do not fit"):
        Transformer(width=30)
    with pytest.raises(ValueError, match=r"x has shape \(2, 3, 8, 8\); it must be \(B, 1, 8, 8\)"):
        Transformer(width=8, heads=2)(torch.zeros(2, 3, 8, 8), torch.tensor([1, 2]))


def test_training_gives_the_average_and_its_file_comes_back(tmp_path) -> None:
    network = transformer.train(config=TrainConfig(steps=2, batch_size=4), progress=False)
    network = network.half().float()
    path = tmp_path / "mine.safetensors"
    transformer.save(network, path)
    again, schedule = transformer.load(path)
    x, t = torch.randn(2, 1, 8, 8, generator=seeded()), torch.tensor([3, 200])
    torch.testing.assert_close(again(x, t), network.eval()(x, t))
    assert torch.equal(schedule.alpha_bar, Schedule.cosine(250).alpha_bar)
    with pytest.raises(ValueError, match="holds no Transformer; train one"):
        transformer.load(checkpoint.asset("digits"))
    with pytest.raises(ValueError, match="holds no model of this course"):
        checkpoint.load(path)


def test_the_transformer_that_ships_has_the_size_of_the_u_net_and_draws_digits() -> None:
    from ddpm_course import metrics, solvers

    assert checkpoint.asset("transformer").stat().st_size <= 1.5e6
    network, schedule = transformer.load()
    weights = sum(p.numel() for p in network.parameters())
    ours = sum(p.numel() for p in checkpoint.load("digits")[0].parameters())
    assert abs(weights / ours - 1) < 0.02
    *_, last = solvers.multistep(network, (200, 1, 8, 8), schedule, 20, generator=seeded())
    report = metrics.digit_report(last.x_t)
    assert report.frechet < 1.5
    assert report.sure > 0.35
