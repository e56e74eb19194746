"""The trainer: what it draws, what it learns, and what it refuses."""

import contextlib
import math
from collections.abc import Iterable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from ddpm_course import Schedule, UNet, UNetConfig
from ddpm_course import trainer as trainer_module
from ddpm_course.trainer import TrainConfig, Trainer, pick_device
from ddpm_course.unet import Block, Labelled

SCHEDULE = Schedule.linear(50, 1e-3, 0.2)
CONFIG = TrainConfig(steps=20, batch_size=8, warmup=2, device="cpu")
TINY = UNetConfig(size=4, channels=(8, 8), blocks=1, attention=(False, False), dropout=0.2)


def tiny_unet(seed: int = 0, config: UNetConfig = TINY) -> UNet:
    torch.manual_seed(seed)
    return UNet(config)


def images(count: int = 20) -> torch.Tensor:
    return torch.rand(count, 1, 4, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1


class Affine(nn.Module):
    """The smallest ε_θ: a x + b."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))
        self.seen: list[tuple[torch.Tensor, torch.Tensor]] = []

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        self.seen.append((x.detach().clone(), t.clone()))
        return self.a * x + self.b


def weights(model: nn.Module) -> torch.Tensor:
    return torch.cat([value.flatten() for value in model.state_dict().values()])


def test_it_learns_the_best_linear_answer():
    # Data N(0, s² I) and T = 1: the best ε_θ is E[ε | x_1] = √(1 - ᾱ) / (ᾱ s² + 1 - ᾱ) · x_1.
    beta, s = 0.5, 0.5
    schedule = Schedule.linear(1, beta, beta)
    data = s * torch.randn(4000, 2, generator=torch.Generator().manual_seed(0))
    config = TrainConfig(steps=400, batch_size=500, learning_rate=0.02, warmup=10, device="cpu")
    model = Affine()
    trainer = Trainer(model, schedule, data, config)
    for _ in trainer.steps():
        pass
    best = beta**0.5 / ((1 - beta) * data.var().item() + beta)
    assert model.a.item() == pytest.approx(best, abs=0.02)
    assert model.b.item() == pytest.approx(0, abs=0.02)
    assert trainer.ema.module.a.item() == pytest.approx(best, abs=0.02)


def test_one_step_by_hand():
    """A first step of Adam moves every weight by the learning rate, against its gradient."""
    model = Affine()
    data = torch.full((8, 2), 0.5)
    config = replace(CONFIG, steps=None, warmup=0, learning_rate=0.1)
    trainer = Trainer(model, SCHEDULE, data, config)
    metrics = next(trainer.steps(1))
    (x_t, t) = model.seen[0]
    alpha_bar = SCHEDULE.alpha_bar[t][:, None]
    eps = (x_t - alpha_bar.sqrt() * data) / (1 - alpha_bar).sqrt()
    assert metrics.loss == pytest.approx((eps**2).mean().item(), rel=1e-5)  # a = b = 0: it says 0
    gradient = torch.stack([-2 * (eps * x_t).mean(), -2 * eps.mean()]).float()
    assert metrics.gradient_norm == pytest.approx(gradient.norm().item(), rel=1e-4)
    step = torch.stack([model.a, model.b]).detach()
    torch.testing.assert_close(step, -0.1 * gradient.sign(), rtol=1e-4, atol=1e-6)


def test_every_item_once_before_any_comes_again():
    data = torch.arange(20.0)[:, None].repeat(1, 2)
    trainer = Trainer(Affine(), SCHEDULE, data, replace(CONFIG, batch_size=6))
    drawn = []
    for step in range(10):  # 60 items, three epochs, with batches across their borders
        trainer.step = step
        drawn.append(trainer._draw()[0][:, 0])
    epochs = torch.cat(drawn).view(3, 20)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(20))
    assert not torch.equal(epochs[0], epochs[1])


def test_t_covers_both_ends_and_noise_is_standard():
    trainer = Trainer(Affine(), SCHEDULE, torch.zeros(500, 4), replace(CONFIG, batch_size=500))
    t, eps = [], []
    for step in range(40):
        trainer.step = step
        _, _, t_step, eps_step = trainer._draw()
        t.append(t_step)
        eps.append(eps_step)
    counts = torch.cat(t).bincount(minlength=51)
    assert counts[0] == 0
    # 20,000 draws over 50 steps: 400 each, give or take five standard deviations (19.8)
    assert (counts[1:] - 400).abs().max() < 5 * 19.8
    noise = torch.stack(eps)
    assert noise.mean().abs() < 5 / noise.numel() ** 0.5
    assert (noise.var() - 1).abs() < 5 * (2 / noise.numel()) ** 0.5
    assert len({float(x) for x in noise[:, 0, 0]}) == 40  # new noise at each step


def test_bytes_and_mirrors():
    data = torch.tensor([[0, 51], [204, 255]], dtype=torch.uint8).expand(400, 1, 2, 2)
    trainer = Trainer(tiny_unet(), SCHEDULE, data, replace(CONFIG, batch_size=400, flip=True))
    x_0 = trainer._draw()[0]
    assert x_0.dtype == torch.float32
    plain = torch.tensor([[-1.0, -0.6], [0.6, 1.0]])
    mirrored = (x_0 - plain.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-6
    straight = (x_0 - plain).abs().amax(dim=(1, 2, 3)) < 1e-6
    assert bool((mirrored ^ straight).all())
    assert abs(int(mirrored.sum()) - 200) < 5 * 10  # a fair coin, within five deviations


def test_ema_is_the_average_that_the_book_defines():
    model = Affine()
    trainer = Trainer(model, SCHEDULE, torch.randn(8, 2), replace(CONFIG, ema_decay=0.5))
    expected = None
    for n, _ in enumerate(trainer.steps(12)):
        live = model.a.item()
        keep = min(0.5, (1 + n) / (10 + n))
        expected = live if expected is None else keep * expected + (1 - keep) * live
        assert trainer.ema.module.a.item() == pytest.approx(expected, rel=1e-5)


def test_ema_copies_buffers_and_averages_none():
    model = nn.Module()
    model.weight = nn.Parameter(torch.zeros(1))
    model.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        model.count += 1
        return model.weight * x

    model.forward = forward  # type: ignore[method-assign]
    trainer = Trainer(model, SCHEDULE, torch.randn(8, 2), CONFIG)
    for _ in trainer.steps(3):
        pass
    assert trainer.ema.module.count.item() == 3


def test_learning_rate_rises_and_decays():
    config = replace(CONFIG, steps=10, warmup=3, learning_rate=1.0)
    trainer = Trainer(Affine(), SCHEDULE, images().flatten(1), config)
    rates = [metrics.learning_rate for metrics in trainer.steps()]
    assert rates[:2] == pytest.approx([0.25, 0.5 * 0.5 * (1 + 0.9510565163)])
    assert rates[3:] == sorted(rates[3:], reverse=True)
    assert len(rates) == 10
    assert rates[-1] < 0.05
    assert trainer.finished


def test_steps_can_be_taken_in_pieces():
    whole = Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)
    list(whole.steps())
    pieces = Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)
    assert [m.step for m in pieces.steps(3)] == [1, 2, 3]
    torch.randn(5)  # what a notebook does in between changes nothing
    assert [m.step for m in pieces.steps()] == list(range(4, 21))
    assert torch.equal(weights(whole.ema.module), weights(pieces.ema.module))


@pytest.mark.parametrize("pieces", [2, 8])
def test_a_batch_in_pieces_is_the_same_step(pieces):
    plain = replace(TINY, dropout=0.0)

    def trained(accumulate: int) -> tuple[list[float], torch.Tensor, list[int]]:
        model, sizes = tiny_unet(config=plain), []
        model.register_forward_hook(lambda _m, given, _o: sizes.append(len(given[0])))
        trainer = Trainer(model, SCHEDULE, images(), replace(CONFIG, accumulate=accumulate))
        seen = [x for m in trainer.steps(4) for x in (m.loss, m.gradient_norm)]
        # Adam's average of the gradients: its step makes much of a gradient that is almost 0.
        moments = [v.flatten() for k, v in trainer.state().items() if k.endswith(".exp_avg")]
        return seen, torch.cat(moments), sizes

    whole, parted = trained(1), trained(pieces)
    assert whole[2] == [8] * 4
    assert parted[2] == [8 // pieces] * 4 * pieces
    assert parted[0] == pytest.approx(whole[0], rel=1e-4)
    assert whole[1].abs().max() > 0.01
    torch.testing.assert_close(parted[1], whole[1], rtol=0, atol=1e-5)


def test_the_pieces_of_a_batch_drop_other_units():
    trainer = Trainer(tiny_unet(), SCHEDULE, images(), replace(CONFIG, accumulate=2))
    for parameter in trainer.model.parameters():
        nn.init.normal_(parameter, std=0.1)  # dropout acts behind layers that start at 0
    x, t = images(1), torch.tensor([3])
    trainer.model.train()
    answers = [trainer._predict(x, t).detach() for _ in trainer._pieces()]
    assert not torch.equal(*answers)


def test_it_leaves_the_global_random_state_alone():
    torch.manual_seed(3)
    expected = torch.randn(4)
    trainer = Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)
    torch.manual_seed(3)
    list(trainer.steps(2))
    assert torch.equal(torch.randn(4), expected)


def test_dropout_is_drawn_anew_at_each_step():
    trainer = Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)
    trainer.model.train()
    nn.init.normal_(trainer.model.conv_out.weight)
    for block in trainer.model.modules():
        if hasattr(block, "conv2"):
            nn.init.normal_(block.conv2.weight)
    x, t = images(8), torch.ones(8, dtype=torch.int64)
    first, again = trainer._predict(x, t), trainer._predict(x, t)
    trainer.step += 1
    later = trainer._predict(x, t)
    assert torch.equal(first, again)
    assert not torch.equal(first, later)


@pytest.mark.parametrize(("precision", "steps"), [("float32", 10), ("bfloat16", 3)])
def test_state_and_restore_go_on_bit_for_bit(precision, steps):
    config = replace(CONFIG, precision=precision, steps=steps)
    whole = Trainer(tiny_unet(), SCHEDULE, images(), config)
    losses = [metrics.loss for metrics in whole.steps()]

    before = Trainer(tiny_unet(), SCHEDULE, images(), config)
    list(before.steps(steps - 2))
    after = Trainer(tiny_unet(seed=5), SCHEDULE, images(), config)
    after.restore(before.state(), before.step, before.seconds)
    assert [metrics.loss for metrics in after.steps()] == losses[-2:]
    for name, value in whole.state().items():
        assert torch.equal(value, after.state()[name]), name


def test_restore_refuses_what_is_not_whole():
    trainer = Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)
    list(trainer.steps(1))
    state = trainer.state()
    del state["optimizer.conv_in.weight.exp_avg"]
    with pytest.raises(ValueError, match=r"moments of conv_in\.weight are missing"):
        trainer.restore(state, 1, 0.0)


def test_low_precision_stays_inside_the_network():
    seen = {}

    class Spy(UNet):
        def forward(self, x, t):
            seen["in"], out = x.dtype, super().forward(x, t)
            seen["out"] = out.dtype
            return out

    torch.manual_seed(0)
    trainer = Trainer(Spy(TINY), SCHEDULE, images(), replace(CONFIG, precision="bfloat16"))
    metrics = next(trainer.steps())
    assert seen == {"in": torch.float32, "out": torch.bfloat16}
    assert metrics.loss_tensor.dtype == torch.float32
    assert all(p.dtype == torch.float32 for p in trainer.model.parameters())


def test_two_trainers_of_different_precision_live_side_by_side():
    alone = Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)
    losses = [metrics.loss for metrics in alone.steps()]
    low = Trainer(tiny_unet(), SCHEDULE, images(), replace(CONFIG, precision="bfloat16"))
    full = Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)
    pairs = [(a.loss, b.loss) for a, b in zip(low.steps(), full.steps(), strict=True)]
    assert [b for _, b in pairs] == losses
    assert [a for a, _ in pairs] != losses


def test_max_seconds_ends_the_training():
    trainer = Trainer(
        Affine(), SCHEDULE, images().flatten(1), replace(CONFIG, steps=None, max_seconds=0.05)
    )
    *_, last = trainer.steps()
    assert trainer.finished
    assert last.seconds >= 0.05


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"steps": 0}, "steps is 0"),
        ({"learning_rate": float("nan")}, "learning_rate is nan"),
        ({"max_seconds": -1.0}, "max_seconds is -1"),
        ({"clip_norm": 0.0}, "clip_norm is 0"),
        ({"warmup": -1}, "warmup is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"accumulate": 0}, "accumulate is 0; cut a batch into 1 piece or more"),
        ({"accumulate": 1.5}, r"accumulate is 1\.5"),
        ({"ema_decay": 1.0}, r"ema_decay is 1\.0"),
        ({"precision": "float16"}, "precision is 'float16'; choose"),
    ],
)
def test_config_out_of_range(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(CONFIG, **changes)


@pytest.mark.parametrize(
    ("data", "changes", "sentence"),
    [
        (images(7), {}, "a batch of 8 cannot be drawn from 7 items; set batch_size to at most 7"),
        (images(), {"accumulate": 3}, "a batch of 8 cannot be shared evenly as 3 pieces"),
        (images().double(), {}, "data has dtype torch.float64"),
        (torch.zeros(8, 2), {"flip": True}, r"shape \(8, 2\); flip and uint8 are for images"),
        (images(), {"compile": True}, "compile needs a CUDA device, and this is cpu"),
        (images(), {"device": "tpu"}, "device is 'tpu', which this machine does not have"),
    ],
)
def test_trainer_refuses(data, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Trainer(tiny_unet(), SCHEDULE, data, replace(CONFIG, **changes))


def test_devices():
    assert pick_device("cpu") == torch.device("cpu")
    assert pick_device("auto").type in ("cpu", "cuda", "mps")
    if not torch.cuda.is_available():
        with pytest.raises(ValueError, match="device is 'cuda', which this machine does not have"):
            pick_device("cuda")
    for name in ("cuda:99", None):
        with pytest.raises(ValueError, match=f"device is {name!r}, which this machine does not"):
            pick_device(name)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACCELERATE_MIXED_PRECISION", "bf16"),
        ("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4"),
        ("ACCELERATE_DYNAMO_BACKEND", "EAGER"),
    ],
)
def test_the_settings_of_a_launcher_do_not_reach_into_a_run(monkeypatch, name, value):
    from accelerate.state import AcceleratorState, GradientState

    from ddpm_course.unet import UNet, UNetConfig

    def trained() -> tuple[list[float], set[str]]:
        AcceleratorState._reset_state(True)
        GradientState._reset_state()
        torch.manual_seed(0)
        model = UNet(UNetConfig(channels=(8, 8), blocks=1))
        config = TrainConfig(steps=2, batch_size=8, warmup=0, device="cpu")
        trainer = Trainer(model, Schedule.cosine(10), torch.rand(8, 1, 8, 8) * 2 - 1, config)
        return [m.gradient_norm for m in trainer.steps()], set(trainer.state())

    plain = trained()
    monkeypatch.setenv(name, value)
    assert trained() == plain


# -- every part of the contract --------------------------------------------------------------------


def seeded(*numbers: int) -> torch.Generator:
    """The generator of one use of chance: the config's seed, the use, and its number."""
    state = np.random.SeedSequence(numbers).generate_state(1)
    return torch.Generator().manual_seed(int(state[0]))


def taken(config: TrainConfig, count: int, step: int) -> list[int]:
    """The items of a step, from the definition: an endless shuffle, one seed for each epoch."""
    items = []
    for place in range(step * config.batch_size, (step + 1) * config.batch_size):
        epoch, at = divmod(place, count)
        items.append(int(torch.randperm(count, generator=seeded(config.seed, 0, epoch))[at]))
    return items


def stream(config: TrainConfig, data: torch.Tensor, step: int) -> tuple[torch.Tensor, ...]:
    """x_0, t and ε of a step, from the definition."""
    size, generator = config.batch_size, seeded(config.seed, 1, step)
    items = taken(config, len(data), step)
    t = torch.randint(1, SCHEDULE.T + 1, (size,), generator=generator)
    eps = torch.randn(size, *data.shape[1:], generator=generator)
    return data[items], t, eps


@pytest.mark.parametrize("seed", [0, 5])
def test_what_is_drawn_follows_from_the_seed_and_the_step_alone(seed):
    config = replace(CONFIG, seed=seed, batch_size=6, steps=None)
    data = torch.arange(40.0).view(20, 2) / 40
    model = Affine()
    trainer = Trainer(model, SCHEDULE, data, config)
    list(trainer.steps(8))  # twice across the border of an epoch
    for step, (x_t, t) in enumerate(model.seen):
        x_0, expected, eps = stream(config, data, step)
        assert torch.equal(t, expected)
        alpha_bar = SCHEDULE.alpha_bar[t].float()[:, None]
        torch.testing.assert_close(x_t, alpha_bar.sqrt() * x_0 + (1 - alpha_bar).sqrt() * eps)
    assert len(trainer.orders) <= 2  # of the epochs, not all that ever were


def test_dropout_has_seeds_of_its_own(monkeypatch):
    seeds = []
    real = trainer_module._dropout_from

    def spy(seed, device):
        seeds.append((seed, device))
        return real(seed, device)

    monkeypatch.setattr(trainer_module, "_dropout_from", spy)
    trainer = Trainer(Affine(), SCHEDULE, images(), replace(CONFIG, accumulate=2, seed=3))
    list(trainer.steps(2))
    expected = [
        int(np.random.SeedSequence([3, 2, piece, step]).generate_state(1)[0])
        for step in range(2)
        for piece in range(2)
    ]
    assert seeds == [(seed, torch.device("cpu")) for seed in expected]


@pytest.mark.parametrize("clip_norm", [1e-3, 1e3])
def test_the_gradient_is_cut_to_its_norm_before_the_one_step_of_adam(clip_norm):
    model = Affine()
    config = replace(CONFIG, clip_norm=clip_norm, steps=None, warmup=0, learning_rate=0.1)
    trainer = Trainer(model, SCHEDULE, torch.full((8, 2), 0.5), config)
    kind = trainer.optimizer.optimizer
    assert type(kind) is torch.optim.Adam  # not AdamW: no weight decays
    assert kind.defaults["fused"] is True
    assert kind.defaults["lr"] == 0.1
    norm = next(trainer.steps()).gradient_norm
    state = trainer.state()
    # Adam's first average is a tenth of the gradient that it was given.
    moments = torch.stack([state[f"optimizer.{name}.exp_avg"] for name in "ab"])
    given = 10 * moments.norm().item()
    assert norm > 0.1
    assert given == pytest.approx(min(norm, clip_norm), rel=1e-4)
    assert state["optimizer.a.step"] == 1
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_network_trains_with_dropout_and_its_average_rests():
    for training in (True, False):  # whichever mode it comes in
        trainer = Trainer(tiny_unet().train(training), SCHEDULE, images(), CONFIG)
        for _ in trainer.steps(2):
            assert trainer.model.training
            assert not trainer.ema.module.training
        assert not any(module.training for module in trainer.ema.module.modules())


def test_no_step_is_none():
    trainer = Trainer(Affine(), SCHEDULE, images(), CONFIG)
    assert list(trainer.steps(0)) == []
    assert (trainer.step, trainer.seconds, trainer.finished) == (0, 0.0, False)
    assert [m.step for m in trainer.steps(1)] == [1]


class Clock:
    """Each look at it costs a second."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


def test_the_clock_counts_the_steps_and_not_what_comes_between(monkeypatch):
    monkeypatch.setattr(trainer_module.time, "perf_counter", clock := Clock())
    config = replace(CONFIG, steps=None, max_seconds=4.0, warmup=0, learning_rate=1.0)
    trainer, seen = Trainer(Affine(), SCHEDULE, images(), config), []
    for metrics in trainer.steps():
        clock.now += 50  # a plot is drawn
        seen.append((metrics.seconds, metrics.learning_rate))
    assert [seconds for seconds, _ in seen] == [1, 2, 3, 4]
    half_cosine = [0.5 * (1 + math.cos(math.pi * part / 4)) for part in range(4)]
    assert [rate for _, rate in seen] == pytest.approx(half_cosine)


def test_the_learning_rate_is_its_formula():
    config = replace(CONFIG, steps=10, warmup=3, learning_rate=0.5, max_seconds=1e9)
    trainer = Trainer(Affine(), SCHEDULE, images(), config)
    for n, metrics in enumerate(trainer.steps()):
        rise, fall = min(1, (n + 1) / 4), 0.5 * (1 + math.cos(math.pi * n / 10))
        assert metrics.learning_rate == pytest.approx(0.5 * rise * fall)
        assert trainer.optimizer.param_groups[0]["lr"] == metrics.learning_rate


@pytest.mark.parametrize(
    ("precision", "layout"),
    [("float32", torch.channels_last), ("bfloat16", torch.contiguous_format)],
)
def test_a_pixels_channels_lie_side_by_side_where_that_is_faster(precision, layout):
    config = UNetConfig(size=4, channels=(8, 8), blocks=1, attention=(False, False))
    trainer = Trainer(
        tiny_unet(config=config), SCHEDULE, images(), replace(CONFIG, precision=precision)
    )
    list(trainer.steps(1))
    again = Trainer(
        tiny_unet(config=config), SCHEDULE, images(), replace(CONFIG, precision=precision)
    )
    read = {name: value.contiguous() for name, value in trainer.state().items()}  # as from a file
    again.restore(read, 1, 2.5)
    assert (again.step, again.seconds, int(again.ema.n_averaged)) == (1, 2.5, 1)
    weight = again.model.middle[0].conv1.weight
    for tensor in (weight, again.optimizer.state[weight]["exp_avg"]):
        assert tensor.is_contiguous(memory_format=layout)


def test_a_start_can_be_restored_and_a_part_of_the_moments_cannot():
    trainer = Trainer(Affine(), SCHEDULE, images(), CONFIG)
    trainer.restore(trainer.state(), 0, 0.0)
    list(trainer.steps(2))
    state = trainer.state()
    assert set(state) == {
        *(f"{place}.{name}" for place in ("model", "ema") for name in "ab"),
        *(f"optimizer.{name}.{key}" for name in "ab" for key in ("step", "exp_avg", "exp_avg_sq")),
    }
    trainer.restore(state, 2, 1.0)
    for key in ("step", "exp_avg", "exp_avg_sq"):
        for wrong in ({}, {f"optimizer.b.{key}": torch.ones(3)}):
            broken = {name: value for name, value in state.items() if name != f"optimizer.b.{key}"}
            with pytest.raises(ValueError) as error:
                trainer.restore(broken | wrong, 2, 1.0)
            assert str(error.value) == "the optimizer's moments of b are missing or misshapen."


def test_the_presets():
    assert TrainConfig.digits() == TrainConfig(steps=5000)
    assert TrainConfig.cifar10() == TrainConfig(
        steps=800_000, learning_rate=2e-4, warmup=5000, ema_decay=0.9999, flip=True,
        precision="bfloat16",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"batch_size": 0}, "batch_size is 0; it must be a positive number"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"ema_decay": -0.1}, r"ema_decay is -0\.1; it must be in \[0, 1\)"),
        ({"steps": -1}, "steps is -1"),
        ({"steps": 2.5}, "steps is 2.5; it must be a whole number"),
        ({"batch_size": 4.0}, "batch_size is 4.0; it must be a whole number"),
        ({"accumulate": True}, "accumulate is True; it must be a whole number"),
        ({"warmup": math.nan}, "warmup is nan; it must be 0 or more"),
        ({"drop_label": math.nan}, "drop_label is nan"),
        ({"drop_label": -0.1}, r"drop_label is -0\.1; it must be in \[0, 1\]"),
        ({"drop_label": 1.1}, r"drop_label is 1\.1"),
        ({"seed": 1.5}, "seed is 1.5; choose a whole number"),
        ({"batch_size": "8"}, "^batch_size is '8'; it must be a whole number.$"),
        ({"batch_size": None}, "batch_size is None; it must be a whole number"),
        ({"learning_rate": "1e-3"}, "^learning_rate is '1e-3'; it must be a number.$"),
        ({"warmup": None}, "warmup is None; it must be a number"),
        ({"ema_decay": "0.9"}, "ema_decay is '0.9'; it must be a number"),
        ({"drop_label": True}, "drop_label is True; it must be a number"),
        ({"clip_norm": "1"}, "clip_norm is '1'; it must be a number"),
        ({"max_seconds": "9"}, "max_seconds is '9'; it must be a number"),
        ({"flip": "no"}, "^flip is 'no'; it must be True or False.$"),
        ({"compile": None}, "compile is None; it must be True or False"),
        ({"checkpoint_activations": 1}, "checkpoint_activations is 1; it must be True or False"),
    ],
)
def test_more_that_is_out_of_range(changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        replace(CONFIG, **changes)
    assert replace(CONFIG, ema_decay=0.0, warmup=0, accumulate=1, steps=1, batch_size=1)
    assert all(replace(CONFIG, drop_label=end) for end in (0, 0.0, 1, 1.0))


@pytest.mark.parametrize(
    ("data", "changes", "sentence"),
    [
        (images() + 200, {}, "data has values from 199.* to"),
        (torch.arange(512.0).view(8, 1, 8, 8) / 511, {}, "data has values from 0 to 1; .*2 x - 1"),
        (torch.zeros(8, 2).byte(), {}, r"shape \(8, 2\); flip and uint8 are for images"),
        (torch.zeros(8, 2).int(), {}, r"dtype torch\.int32; give float32 in \[-1, 1\], or uint8"),
    ],
)
def test_data_that_cannot_be_trained_on(data, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        Trainer(tiny_unet(), SCHEDULE, data, replace(CONFIG, **changes))
    assert Trainer(tiny_unet(), SCHEDULE, images(8), CONFIG)
    assert Trainer(Affine(), SCHEDULE, torch.full((8, 2), 3.0), CONFIG)


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG"])
def test_a_launcher_that_wants_the_model_in_shares_is_refused(monkeypatch, name):
    for yes in ("true", "True", "1", "yes"):
        monkeypatch.setenv(f"ACCELERATE_USE_{name}", yes)
        with pytest.raises(ValueError) as error:
            Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)
        assert str(error.value) == (
            f"the launcher's settings ask for {name} (ACCELERATE_USE_{name}), and this trainer "
            "holds the whole model in each process; launch it without."
        )
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "false")
    assert Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)


class Several:
    """In place of accelerate's, where several processes share a batch."""

    rank, ranks, place = 0, 1, torch.device("cpu")

    def __init__(self, **options) -> None:
        self.options, self.device = options, self.place
        self.process_index, self.num_processes = self.rank, self.ranks

    def prepare(self, *parts):
        return parts

    def unwrap_model(self, model):
        return model

    def backward(self, loss):
        loss.backward()


def test_accelerate_is_told_everything_that_the_config_decides(monkeypatch):
    import accelerate

    monkeypatch.setattr(accelerate, "Accelerator", Several)
    for world, on_cpu in ((None, False), ("1", False), ("2", True)):
        monkeypatch.delenv("WORLD_SIZE", raising=False)
        if world:
            monkeypatch.setenv("WORLD_SIZE", world)
        options = Trainer(Affine(), SCHEDULE, images(), CONFIG).accelerator.options
        assert options.pop("gradient_accumulation_plugin").num_steps == 1
        assert options == {
            "cpu": on_cpu,
            "device_placement": False,
            "mixed_precision": "no",
            "dynamo_backend": "no",
        }


def test_a_count_of_processes_that_is_none_is_named(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "two")
    with pytest.raises(ValueError) as error:
        Trainer(tiny_unet(), SCHEDULE, images(8), CONFIG)
    assert str(error.value) == (
        "WORLD_SIZE is 'two' in the environment, where a launcher says how many processes there "
        "are; unset it."
    )


def test_processes_share_a_batch_evenly(monkeypatch):
    import accelerate
    import accelerate.utils

    monkeypatch.setattr(accelerate, "Accelerator", Several)
    whole = Affine()
    list(Trainer(whole, SCHEDULE, images(), CONFIG).steps(1))
    shares = []
    monkeypatch.setattr(Several, "ranks", 2)
    for rank in range(2):
        monkeypatch.setattr(Several, "rank", rank)
        model = Affine()
        list(Trainer(model, SCHEDULE, images(), CONFIG).steps(1))
        shares.append(model.seen[0])
    for part, every in zip(zip(*shares), whole.seen[0]):
        assert torch.equal(torch.cat(part), every)
    config = replace(CONFIG, max_seconds=1e9)
    monkeypatch.setattr(accelerate.utils, "broadcast", lambda seconds: 0 * seconds + 7)
    assert next(Trainer(Affine(), SCHEDULE, images(), config).steps()).seconds == 7
    assert next(Trainer(Affine(), SCHEDULE, images(), CONFIG).steps()).seconds != 7
    monkeypatch.setattr(Several, "rank", 0)
    monkeypatch.setattr(Several, "ranks", 1)
    assert next(Trainer(Affine(), SCHEDULE, images(), config).steps()).seconds != 7
    monkeypatch.setattr(Several, "ranks", 3)
    with pytest.raises(ValueError, match="cannot be shared evenly by 3 processes; set batch_size"):
        Trainer(Affine(), SCHEDULE, images(), CONFIG)
    monkeypatch.setattr(Several, "ranks", 4)
    with pytest.raises(ValueError, match=r"as 4 pieces for each process; set batch_size to a mult"):
        Trainer(Affine(), SCHEDULE, images(), replace(CONFIG, accumulate=4))


@pytest.mark.parametrize(
    ("cuda", "mps", "best", "there"),
    [
        (2, True, "cuda", ["cpu", "cuda", "cuda:0", "cuda:1", "mps"]),
        (0, True, "mps", ["cpu", "mps"]),
        (1, False, "cuda", ["cpu", "cuda", "cuda:0"]),
        (0, False, "cpu", ["cpu", "cpu:0"]),
    ],
)
def test_devices_of_other_machines(monkeypatch, cuda, mps, best, there):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert pick_device("auto") == torch.device(best)
    for name in there:
        assert pick_device(name) == torch.device(name)
    absent = ["tpu", "", f"cuda:{cuda}", "cuda:x", "cpu:x", *([] if mps else ["mps"])]
    present = ["cpu", *["cuda"] * (cuda > 0), *["mps"] * mps]
    for name in absent:
        with pytest.raises(ValueError) as error:
            pick_device(name)
        assert str(error.value) == (
            f"device is {name!r}, which this machine does not have; choose 'auto' or one of "
            f"{', '.join(present)}."
        )


def test_every_step_flips_a_fair_coin_for_each_image():
    config = replace(CONFIG, flip=True, steps=None)
    data = images()
    seen = []
    model = tiny_unet()
    model.register_forward_hook(lambda _m, given, _o: seen.append(given[0].clone()))
    list(Trainer(model, SCHEDULE, data, config).steps(4))
    for step, x_t in enumerate(seen):
        x_0, t, eps = stream(config, data, step)
        alpha_bar = SCHEDULE.alpha_bar[t].float()[:, None, None, None]
        found = (x_t - (1 - alpha_bar).sqrt() * eps) / alpha_bar.sqrt()
        flipped = (found - x_0.flip(-1)).abs().amax(dim=(1, 2, 3)) < 1e-3
        straight = (found - x_0).abs().amax(dim=(1, 2, 3)) < 1e-3
        assert bool((flipped ^ straight).all())
        assert 0 < int(flipped.sum()) < len(x_0)


def test_the_coins_of_the_flips_follow_from_the_step_and_are_shared(monkeypatch):
    import accelerate

    config = replace(CONFIG, flip=True, batch_size=20)
    trainer = Trainer(tiny_unet(), SCHEDULE, images(), config)
    whole = trainer._draw()[0]
    for seed in range(3):
        torch.manual_seed(seed)  # torch's own chance has no say
        assert torch.equal(trainer._draw()[0], whole)
    monkeypatch.setattr(accelerate, "Accelerator", Several)
    monkeypatch.setattr(Several, "ranks", 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(Several, "rank", rank)
        shares.append(Trainer(tiny_unet(), SCHEDULE, images(), config)._draw())
    assert torch.equal(torch.cat([share[0] for share in shares]), whole)


# -- labels ----------------------------------------------------------------------------------------

CLASSES = torch.arange(20) % 3


def labelled() -> Labelled:
    torch.manual_seed(0)
    return Labelled(replace(TINY, classes=3))


@pytest.mark.parametrize("drop", [0.0, 0.3, 1.0])
def test_the_network_hears_the_labels_of_its_pictures_but_for_those_that_are_dropped(drop):
    config = replace(CONFIG, seed=4, batch_size=12, accumulate=2, drop_label=drop, steps=None)
    model, heard = labelled(), []
    model.register_forward_hook(lambda _m, given, _o: heard.append(given[2]))
    list(Trainer(model, SCHEDULE, images(), config, CLASSES).steps(3))
    assert [len(piece) for piece in heard] == [6] * 6
    for step in range(3):
        true = CLASSES[taken(config, 20, step)]
        dropped = torch.rand(12, generator=seeded(4, 3, step)) < drop
        expected = torch.where(dropped, 3, true)  # 3: the class of none
        assert torch.equal(torch.cat(heard[2 * step : 2 * step + 2]), expected)


def test_no_label_is_dropped_where_none_shall_be(monkeypatch):
    assert Trainer(tiny_unet(), SCHEDULE, images(), CONFIG)._labels() == ()
    config = replace(CONFIG, drop_label=0.0)
    trainer = Trainer(labelled(), SCHEDULE, images(), config, CLASSES)
    monkeypatch.setattr(torch, "rand", lambda n, **_: torch.zeros(n))  # the smallest that it draws
    (given,) = trainer._labels()
    assert torch.equal(given, CLASSES[taken(config, 20, 0)])


def test_processes_share_the_labels_too(monkeypatch):
    import accelerate

    (whole,) = Trainer(labelled(), SCHEDULE, images(), CONFIG, CLASSES)._labels()
    monkeypatch.setattr(accelerate, "Accelerator", Several)
    monkeypatch.setattr(Several, "ranks", 2)
    shares = []
    for rank in range(2):
        monkeypatch.setattr(Several, "rank", rank)
        shares += Trainer(labelled(), SCHEDULE, images(), CONFIG, CLASSES)._labels()
    assert torch.equal(torch.cat(shares), whole)


@pytest.mark.parametrize(
    ("labels", "model", "sentence"),
    [
        (None, labelled, "a Labelled model learns from labels; give them, or take a UNet."),
        (
            CLASSES,
            tiny_unet,
            "labels are for a Labelled model; give one, or leave the labels out.",
        ),
        (
            CLASSES[:5],
            labelled,
            "labels has shape (5,) and dtype torch.int64; give (20,) int64, one for each item.",
        ),
        (
            CLASSES.int(),
            labelled,
            "labels has shape (20,) and dtype torch.int32; give (20,) int64, one for each item.",
        ),
        (CLASSES + 1, labelled, "labels run from 1 to 3; the model knows 0 to 2."),
        (CLASSES - 1, labelled, "labels run from -1 to 1; the model knows 0 to 2."),
    ],
)
def test_labels_that_do_not_fit(labels, model, sentence):
    with pytest.raises(ValueError) as error:
        Trainer(model(), SCHEDULE, images(), CONFIG, labels)
    assert str(error.value) == sentence


# -- data that stay where they are -----------------------------------------------------------------


class Read:
    """In place of ``stream.Streamed``: pictures that are read when they are asked for."""

    ndim = 4

    def __init__(self, pictures: torch.Tensor, window: int | None = None) -> None:
        self.pictures, self.window = pictures, window
        self.shape, self.dtype = pictures.shape, pictures.dtype
        self.begun = 0

    def __len__(self) -> int:
        return len(self.pictures)

    def batches(self, order: Iterable[list[int]]) -> Iterator[torch.Tensor]:
        self.begun += 1
        return (self.pictures[items] for items in order)


def test_data_that_are_read_give_the_same_training():
    pictures = (images() * 127.5 + 127.5).byte()
    kept, read = Trainer(tiny_unet(), SCHEDULE, pictures, CONFIG), Read(pictures)
    trainer = Trainer(tiny_unet(), SCHEDULE, read, CONFIG)
    for step, begun in ((1, 1), (2, 1), (3, 1), (9, 2), (10, 2), (3, 3)):  # one that goes on jumps
        kept.step = trainer.step = step
        assert torch.equal(trainer._draw()[0], kept._draw()[0])
        assert read.begun == begun  # what is read ahead is used


@pytest.mark.parametrize(("n", "window"), [(10, 4), (8, 4), (5, 9), (6, None)])
def test_a_window_is_shuffled_in_itself(n, window):
    order = trainer_module._shuffle(n, window, seeded(1))
    generator, expected = seeded(1), []
    for start in range(0, n, window or n):
        here = range(n)[start : start + (window or n)]
        expected += [here[int(i)] for i in torch.randperm(len(here), generator=generator)]
    assert order.tolist() == expected
    read = Read(images(10), window=4)
    trainer = Trainer(tiny_unet(), SCHEDULE, read, replace(CONFIG, batch_size=10))
    assert [int(i) // 4 for i in trainer._batch(0)] == [0] * 4 + [1] * 4 + [2] * 2


def test_each_epoch_is_shuffled_once(monkeypatch):
    shuffled, real = [], trainer_module._shuffle
    monkeypatch.setattr(trainer_module, "_shuffle", lambda *a: shuffled.append(1) or real(*a))
    trainer = Trainer(labelled(), SCHEDULE, images(), replace(CONFIG, batch_size=6), CLASSES)
    list(trainer.steps(11))  # 66 of 20 items: into the fourth epoch
    assert len(shuffled) == 4


# -- where things lie ------------------------------------------------------------------------------


class Places(TorchFunctionMode):
    """Where tensors are made and moved to: what a GPU would need, seen on a CPU."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[tuple[str, object]] = []
        self.moved: list[tuple[torch.Tensor, object]] = []

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in (torch.zeros, torch.rand, torch.randn, torch.randint, torch.tensor):
            self.made.append((function.__name__, kwargs.get("device")))
        if function is torch.Tensor.to:
            self.moved.append((args[0], args[1]))
        return function(*args, **kwargs)


def test_all_that_is_drawn_is_made_on_the_device(monkeypatch):
    import accelerate
    import accelerate.utils

    here = torch.device("cpu:0")  # a name of its own: "cpu" alone would be torch's default
    monkeypatch.setattr(accelerate, "Accelerator", Several)
    monkeypatch.setattr(accelerate.utils, "broadcast", lambda seconds: seconds)
    monkeypatch.setattr(Several, "ranks", 2)
    monkeypatch.setattr(Several, "place", here)
    monkeypatch.setenv("WORLD_SIZE", "2")
    config = replace(CONFIG, flip=True, max_seconds=1e9)
    generators, real = [], torch.Generator
    monkeypatch.setattr(torch, "Generator", lambda *where: generators.append(where) or real(*where))
    with Places() as places:
        trainer = Trainer(labelled(), SCHEDULE, images(), config, CLASSES)
        places.made.clear()  # the weights of the network
        assert trainer.device is here
        list(trainer.steps(1))
    assert [where for _, where in places.moved if where is None] == []
    assert any(moved is CLASSES and where is here for moved, where in places.moved)
    # One for all noise and one for the labels of a step; the order is drawn on the CPU.
    assert set(generators) == {(here,), ()}
    assert generators.count((here,)) == 2
    assert {name for name, _ in places.made} == {"zeros", "rand", "randn", "randint", "tensor"}
    assert [name for name, device in places.made if device is None] == []
    monkeypatch.delenv("WORLD_SIZE")
    assert Trainer(labelled(), SCHEDULE, images(), CONFIG, CLASSES).device == torch.device("cpu")


@pytest.mark.parametrize(
    ("kind", "free", "goes"), [("cuda", 201, True), ("cuda", 200, False), ("cpu", 0, True)]
)
def test_data_go_to_a_gpu_that_has_twice_the_room(monkeypatch, kind, free, goes):
    device = SimpleNamespace(type=kind)
    room = {id(device): (free, 10**9)}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda one: room.get(id(one), (0, 0)))
    data = SimpleNamespace(nbytes=100, to=lambda where: ("there", where))
    trainer = object.__new__(Trainer)
    trainer.device = device
    placed = trainer._placed(data)
    assert placed == ("there", device) if goes else placed is data


def test_data_are_placed_and_what_is_read_is_not(monkeypatch):
    monkeypatch.setattr(Trainer, "_placed", lambda self, data: data.clone())
    data = images()
    placed = Trainer(tiny_unet(), SCHEDULE, data, CONFIG).data
    assert placed is not data
    assert torch.equal(placed, data)
    assert Trainer(tiny_unet(), SCHEDULE, read := Read(data), CONFIG).data is read


@pytest.mark.parametrize("kind", ["cuda", "cpu"])
def test_dropouts_seed_leaves_no_trace_on_the_device(monkeypatch, kind):
    forked, device = [], SimpleNamespace(type=kind)

    @contextlib.contextmanager
    def fork(devices):
        forked.append(devices)
        yield

    monkeypatch.setattr(torch.random, "fork_rng", fork)
    with trainer_module._dropout_from(7, device):
        assert torch.initial_seed() == 7
    assert forked == [[device] if kind == "cuda" else []]


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_low_precision_is_bfloat16_whatever_a_device_would_choose(monkeypatch, precision):
    told = []

    def autocast(*arguments, **options):
        told.append((arguments, options))
        return contextlib.nullcontext()

    trainer = Trainer(Affine(), SCHEDULE, images(), replace(CONFIG, precision=precision))
    monkeypatch.setattr(torch, "autocast", autocast)
    list(trainer.steps(1))
    assert told == [(("cpu", torch.bfloat16), {"enabled": precision == "bfloat16"})]


def test_compilation_is_for_cuda():
    config, cuda = replace(CONFIG, compile=True), torch.device("cuda")
    trainer_module._check(images(), config, cuda)
    with pytest.raises(ValueError, match="compile needs a CUDA device, and this is mps; leave it"):
        trainer_module._check(images(), config, torch.device("mps"))


def test_activations_that_are_computed_anew_change_no_step(monkeypatch):
    import torch.utils.checkpoint

    told, real = [], torch.utils.checkpoint.checkpoint

    def spy(forward, *arguments, **options):
        told.append(options)
        return real(forward, *arguments, **options)

    monkeypatch.setattr(torch.utils.checkpoint, "checkpoint", spy)
    states = []
    for anew in (False, True):
        trainer = Trainer(
            tiny_unet(), SCHEDULE, images(), replace(CONFIG, checkpoint_activations=anew)
        )
        list(trainer.steps(2))
        states.append(trainer.state())
    blocks = sum(isinstance(part, Block) for part in trainer.model.modules())
    assert told == [{"use_reentrant": False}] * blocks * 2
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
