"""Training: Ho et al. (2020), algorithm 1, with what makes it work in practice.

The trainer is a generator: ``for metrics in trainer.steps(100): ...`` trains, and whatever you
put in the loop (a plot, a progress bar, a sample) watches. ``run.Run`` adds a folder on disk.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ddpm_course import checks
from ddpm_course.checkpoint import load_weights, select
from ddpm_course.loss import epsilon_loss, uniform_t
from ddpm_course.schedule import Schedule
from ddpm_course.stream import Streamed
from ddpm_course.unet import Block, Labelled, unwrapped

__all__ = ["Metrics", "TrainConfig", "Trainer", "pick_device"]

_ORDER, _NOISE, _DROPOUT, _LABELS = range(4)  # what chance is used for; each has seeds of its own


@dataclass(frozen=True)
class TrainConfig:
    """How to train. With neither ``steps`` nor ``max_seconds`` it trains until you stop it.

    Args:
        steps: optimizer steps in all; the learning rate decays to 0 towards the last one.
        max_seconds: stop after so much training time, whichever comes first.
        batch_size: images a step, over all processes together.
        accumulate: pieces that a batch is cut into, one after another, where the memory is too
            small for all of it; the step is the same.
        checkpoint_activations: keep little of each block on the way there, and compute it anew on
            the way back: the same step in less memory, in about a third more time.
        drop_label: how often a label is taken away, so that the network learns to do without.
        learning_rate: Adam's, after the warm-up.
        warmup: steps over which the learning rate rises from 0.
        ema_decay: how much of the averaged weights each step keeps.
        clip_norm: the gradient is scaled down to this norm when it is longer.
        flip: mirror each image left to right half of the time.
        precision: "float32", or "bfloat16" inside the network only.
        compile: let torch.compile fuse the network; CUDA only.
        seed: everything random follows from it.
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "mps".

    Raises:
        ValueError: a value is out of range.
    """

    steps: int | None = None
    max_seconds: float | None = None
    batch_size: int = 128
    accumulate: int = 1
    checkpoint_activations: bool = False
    drop_label: float = 0.1
    learning_rate: float = 2e-3
    warmup: int = 100
    ema_decay: float = 0.999
    clip_norm: float = 1.0
    flip: bool = False
    precision: Literal["float32", "bfloat16"] = "float32"
    compile: bool = False
    seed: int = 0
    device: str = "auto"

    @classmethod
    def digits(cls) -> TrainConfig:
        """For the 8x8 digits with ``UNetConfig.digits()``."""
        return cls(steps=5000)

    @classmethod
    def cifar10(cls) -> TrainConfig:
        """For CIFAR-10 with ``UNetConfig.cifar10()``, as in Ho et al. (2020), appendix B."""
        return cls(
            steps=800_000,
            learning_rate=2e-4,
            warmup=5000,
            ema_decay=0.9999,
            flip=True,
            precision="bfloat16",
        )

    def __post_init__(self) -> None:
        kinds: dict[str, tuple[Callable[[object], bool], tuple[str, ...]]] = {
            "a whole number": (checks.whole, ("steps", "batch_size", "accumulate")),
            "a number": (
                checks.number,
                ("max_seconds", "drop_label", "learning_rate", "warmup", "ema_decay", "clip_norm"),
            ),
            "True or False": (  # "no" would count as yes
                lambda value: isinstance(value, bool),
                ("flip", "compile", "checkpoint_activations"),
            ),
        }
        for what, (fits, names) in kinds.items():
            for name in names:
                value = getattr(self, name)
                if not (fits(value) or (value is None and name in ("steps", "max_seconds"))):
                    raise ValueError(f"{name} is {value!r}; it must be {what}.")
        for name in ("steps", "max_seconds", "batch_size", "learning_rate", "clip_norm"):
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; it must be a positive number.")
        if self.accumulate < 1:
            raise ValueError(f"accumulate is {self.accumulate}; cut a batch into 1 piece or more.")
        checks.seed(self.seed)
        if not self.warmup >= 0:
            raise ValueError(f"warmup is {self.warmup}; it must be 0 or more.")
        if not 0 <= self.drop_label <= 1:
            raise ValueError(f"drop_label is {self.drop_label}; it must be in [0, 1].")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"ema_decay is {self.ema_decay}; it must be in [0, 1).")
        if self.precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision is {self.precision!r}; choose 'float32' or 'bfloat16'.")


@dataclass(frozen=True)
class Metrics:
    """What one step did. The loss stays on the device until you read it: nothing waits for it."""

    step: int
    learning_rate: float
    seconds: float  # training time so far
    loss_tensor: Tensor
    norm_tensor: Tensor

    @property
    def loss(self) -> float:
        return float(self.loss_tensor)

    @property
    def gradient_norm(self) -> float:  # before clipping
        return float(self.norm_tensor)


class Trainer:
    """Trains ``model`` to predict the noise in ``data``.

    Args:
        model: ε_θ.
        schedule: the forward process.
        data: (N, ...) clean data: float32 in [-1, 1] (or about unit variance), or uint8 images; or
            ``stream.Streamed``, pictures that are read as they are needed: the same training.
        config: how.
        labels: (N,) int64, the class of each item, for a ``Labelled`` model.

    Raises:
        ValueError: the batch is larger than the data, the device is not there, or the labels do not
            fit the model or the data.

    Attributes:
        ema: the averaged weights, the ones to sample from.
    """

    def __init__(
        self,
        model: nn.Module,
        schedule: Schedule,
        data: Tensor | Streamed,
        config: TrainConfig,
        labels: Tensor | None = None,
    ) -> None:
        from accelerate import Accelerator
        from accelerate.utils import GradientAccumulationPlugin

        model = unwrapped(model)  # the config decides what is compiled
        device = pick_device(config.device)
        _check(data, config, device)
        self.null = model.config.classes if isinstance(model, Labelled) else 0  # the class of none
        _check_labels(labels, self.null, len(data))
        for name in ("FSDP", "DEEPSPEED", "MEGATRON_LM", "PARALLELISM_CONFIG"):
            if os.environ.get(f"ACCELERATE_USE_{name}", "").lower() in ("1", "true", "yes"):
                raise ValueError(
                    f"the launcher's settings ask for {name} (ACCELERATE_USE_{name}), and this "
                    "trainer holds the whole model in each process; launch it without."
                )
        # accelerate launch and torchrun start several of us; accelerate then splits the machine.
        launched = _processes() > 1
        on_cpu = launched and device.type == "cpu"
        self.accelerator = Accelerator(
            cpu=on_cpu,
            device_placement=False,
            # The run's config decides, not the settings of a launcher or of a machine.
            mixed_precision="no",
            dynamo_backend="no",
            gradient_accumulation_plugin=GradientAccumulationPlugin(num_steps=1),
        )
        self.device = self.accelerator.device if launched else device
        self.rank, self.ranks = self.accelerator.process_index, self.accelerator.num_processes
        for count, whom in (
            (self.ranks, f"by {self.ranks} processes"),
            (self.ranks * config.accumulate, f"as {config.accumulate} pieces for each process"),
        ):
            if config.batch_size % count:
                raise ValueError(
                    f"a batch of {config.batch_size} cannot be shared evenly {whom}; set "
                    f"batch_size to a multiple of {count}."
                )
        self.config, self.schedule = config, schedule.to(self.device)
        self.data = self._placed(data) if isinstance(data, Tensor) else data
        self._coming: Iterator[Tensor] = iter(())  # what is read ahead,
        self._next = -1  # from which step on
        # Convolutions run fastest with a pixel's channels side by side; the exception is
        # bfloat16 on a CPU, where GroupNorm is then ten times slower.
        slow = config.precision == "bfloat16" and self.device.type == "cpu"
        wide = data.ndim == 4 and not slow
        layout = torch.channels_last if wide else torch.contiguous_format
        model.to(device=self.device, memory_format=layout)  # type: ignore[call-overload] # not in torch's types
        self.ema = AveragedModel(model, multi_avg_fn=self._average)
        self.ema.module.eval()
        if config.checkpoint_activations:
            _compute_anew(model)
        if config.compile:
            model.compile()
        fused = self.device.type != "mps"
        optimizer = torch.optim.Adam(model.parameters(), config.learning_rate, fused=fused)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.generator = torch.Generator(self.device)
        self.orders: dict[int, Tensor] = {}
        self.step, self.seconds = 0, 0.0
        self.piece = 0  # of the batch, from 0
        self.labels = labels if labels is None else labels.to(self.device)
        self._given: tuple[Tensor, ...] = ()  # the labels of this piece

    loss: ClassVar[Callable[..., Tensor]] = staticmethod(
        epsilon_loss
    )  # what each step makes smaller; a flow has another one

    # -- training: the part that this file is about -------------------------------------------

    @property
    def finished(self) -> bool:
        """Whether the steps or the time of the config are used up."""
        return self._progress() >= 1

    def steps(self, n: int | None = None) -> Iterator[Metrics]:
        """Take ``n`` more steps (or as many as the config leaves), and yield after each."""
        self.model.train()
        while (n is None or n > 0) and not self.finished:
            start = time.perf_counter()
            rate = self._learning_rate()
            for group in self.optimizer.param_groups:
                group["lr"] = rate
            loss = torch.zeros((), device=self.device)
            for piece in self._pieces():
                part = self.loss(self._predict, *piece) / self.config.accumulate
                self.accelerator.backward(part)  # gradients add up until they are set to zero
                loss += part.detach()
            norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.ema.update_parameters(self.accelerator.unwrap_model(self.model))
            self.step += 1
            self.seconds = self._clock(self.seconds + time.perf_counter() - start)
            yield Metrics(self.step, rate, self.seconds, loss, norm)
            n = None if n is None else n - 1

    def _pieces(self) -> Iterator[tuple[Tensor, Schedule, Tensor, Tensor]]:
        """What this step draws, cut into ``accumulate`` pieces of one size."""
        x_0, schedule, t, eps = self._draw()
        cut = (each.chunk(self.config.accumulate) for each in (x_0, t, eps, *self._labels()))
        for self.piece, (x_0, t, eps, *given) in enumerate(zip(*cut, strict=True)):
            self._given = tuple(given)
            yield x_0, schedule, t, eps

    def _draw(self) -> tuple[Tensor, Schedule, Tensor, Tensor]:
        """x_0, t and ε of this step. Every process draws for the whole batch and keeps its share,
        so that the number of processes changes nothing."""
        generator = self.generator.manual_seed(self._seed(_NOISE, self.step))
        size, shape, mine = self.config.batch_size, self.data.shape[1:], self._mine()
        t = uniform_t(size, self.schedule, generator)[mine]
        eps = torch.randn(size, *shape, generator=generator, device=self.device)[mine]
        x_0 = self._taken(mine).to(self.device, non_blocking=True)
        if x_0.dtype == torch.uint8:
            x_0 = x_0 / 127.5 - 1
        if self.config.flip:
            coin = torch.rand(size, generator=generator, device=self.device)[mine] < 0.5
            x_0 = torch.where(coin[:, None, None, None], x_0.flip(-1), x_0)
        return x_0, self.schedule, t, eps

    def _mine(self) -> slice:
        """This process's share of a batch."""
        share = self.config.batch_size // self.ranks
        return slice(self.rank * share, (self.rank + 1) * share)

    def _labels(self) -> tuple[Tensor, ...]:
        """The labels of this step, some of them the null class; none where there are none."""
        if self.labels is None:
            return ()
        given = self.labels[self._batch(self.step).to(self.device)]
        generator = torch.Generator(self.device).manual_seed(self._seed(_LABELS, self.step))
        coin = torch.rand(len(given), generator=generator, device=self.device)
        return (given.masked_fill(coin < self.config.drop_label, self.null)[self._mine()],)

    def _taken(self, mine: slice) -> Tensor:
        """This process's share of the items of this step."""
        if isinstance(self.data, Tensor):
            return self.data[self._batch(self.step)[mine]]
        if self._next != self.step:
            order = (self._batch(step)[mine].tolist() for step in itertools.count(self.step))
            self._coming = self.data.batches(order)
        self._next = self.step + 1
        return next(self._coming)

    def _batch(self, step: int) -> Tensor:
        """The items of a step in an endless shuffle: every item once before any comes again."""
        epoch, place = divmod(step * self.config.batch_size, len(self.data))
        items = self._order(epoch)[place : place + self.config.batch_size]
        missing = self.config.batch_size - len(items)
        return torch.cat([items, self._order(epoch + 1)[:missing]]) if missing else items

    def _order(self, epoch: int) -> Tensor:
        if epoch not in self.orders:
            generator = torch.Generator().manual_seed(self._seed(_ORDER, epoch))
            order = _shuffle(len(self.data), getattr(self.data, "window", None), generator)
            if isinstance(self.data, Tensor):
                order = order.to(self.data.device)
            self.orders = {e: o for e, o in self.orders.items() if e == epoch - 1} | {epoch: order}
        return self.orders[epoch]

    def _seed(self, *use: int) -> int:
        """A seed for each use of chance. Since each step's follows from its number, a run that
        goes on draws what it would have drawn."""
        return int(np.random.SeedSequence([self.config.seed, *use]).generate_state(1)[0])

    def _predict(self, x_t: Tensor, t: Tensor) -> Tensor:
        """ε_θ in the chosen precision; what goes in and what comes out is float32."""
        low = self.config.precision == "bfloat16"
        place = self.rank * self.config.accumulate + self.piece  # in the whole batch
        with (
            _dropout_from(self._seed(_DROPOUT, place, self.step), self.device),
            torch.autocast(self.device.type, torch.bfloat16, enabled=low),
        ):
            return self.model(x_t, t, *self._given).float()

    def _average(
        self, averaged: Sequence[Tensor], live: Sequence[Tensor], _count: int | Tensor
    ) -> None:
        # A young average forgets faster, or it would remember the random start for too long.
        keep = min(self.config.ema_decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(averaged), list(live), 1 - keep)

    def _placed(self, data: Tensor) -> Tensor:
        """On the device if it has the room; or else the batches go there one by one."""
        cuda = self.device.type == "cuda"
        room = torch.cuda.mem_get_info(self.device)[0] if cuda else math.inf
        return data.to(self.device) if data.nbytes < room / 2 else data

    def _progress(self) -> float:
        """0 at the start, 1 at the end, by steps or by time, whichever is further."""
        by_step = self.step / self.config.steps if self.config.steps else 0.0
        by_time = self.seconds / self.config.max_seconds if self.config.max_seconds else 0.0
        return max(by_step, by_time)

    def _learning_rate(self) -> float:
        """A linear rise over the warm-up, then half a cosine down to 0."""
        rise = min(1.0, (self.step + 1) / (self.config.warmup + 1))
        return self.config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * self._progress()))

    def _clock(self, seconds: float) -> float:
        """The first process's clock, where the learning rate depends on it."""
        if self.ranks == 1 or self.config.max_seconds is None:
            return seconds
        from accelerate.utils import broadcast

        return float(broadcast(torch.tensor(seconds, device=self.device)))

    # -- what a run that is cut off needs to go on --------------------------------------------

    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on, beside the config and ``step``: the weights, their
        average, and the optimizer's moments. Chance needs no place here; see ``_seed``."""
        model = self.accelerator.unwrap_model(self.model)
        state = {f"model.{name}": value for name, value in model.state_dict().items()}
        state |= {f"ema.{name}": value for name, value in self.ema.module.state_dict().items()}
        for name, parameter in model.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                state[f"optimizer.{name}.{key}"] = value
        return state

    def restore(self, state: Mapping[str, Tensor], step: int, seconds: float) -> None:
        """Take up the ``state()`` of a trainer of the same model after ``step`` steps.

        Raises:
            ValueError: a tensor is missing, or of another shape.
        """
        model = self.accelerator.unwrap_model(self.model)
        load_weights(model, select(state, "model."))
        load_weights(self.ema.module, select(state, "ema."))
        for name, parameter in model.named_parameters():
            moments = select(state, f"optimizer.{name}.")
            if step and {key: value.shape for key, value in moments.items()} != {
                "step": torch.Size(),
                "exp_avg": parameter.shape,
                "exp_avg_sq": parameter.shape,
            }:
                raise ValueError(f"the optimizer's moments of {name} are missing or misshapen.")
            self.optimizer.state[parameter] = {  # each in the memory layout of its parameter
                key: torch.empty_like(parameter).copy_(value) if value.ndim else value
                for key, value in moments.items()
            }
        self.step, self.seconds = step, seconds
        self.ema.n_averaged.fill_(step)


def _processes() -> int:
    """How many a launcher says that there are."""
    said = os.environ.get("WORLD_SIZE", "1")
    if not said.isdecimal():
        raise ValueError(
            f"WORLD_SIZE is {said!r} in the environment, where a launcher says how many processes "
            "there are; unset it."
        )
    return int(said)


@contextlib.contextmanager
def _dropout_from(seed: int, device: torch.device) -> Iterator[None]:
    """Dropout draws from torch's global generators: seed them, and put them back afterwards."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def _shuffle(n: int, window: int | None, generator: torch.Generator) -> Tensor:
    """(n,) the numbers below n by chance; with a window, those of each window among themselves."""
    window = window or n
    starts = range(0, n, window)
    parts = (torch.randperm(min(window, n - a), generator=generator) + a for a in starts)
    return torch.cat(list(parts))


def _check(data: Tensor | Streamed, config: TrainConfig, device: torch.device) -> None:
    if len(data) < config.batch_size:
        raise ValueError(
            f"a batch of {config.batch_size} cannot be drawn from {len(data)} items; "
            f"set batch_size to at most {len(data)}."
        )
    if data.dtype not in (torch.float32, torch.uint8):
        raise ValueError(f"data has dtype {data.dtype}; give float32 in [-1, 1], or uint8 images.")
    if isinstance(data, Tensor) and data.ndim == 4 and data.is_floating_point():
        checks.in_range(data, "data")
    if data.ndim != 4 and (config.flip or data.dtype == torch.uint8):
        raise ValueError(
            f"data has shape {tuple(data.shape)}; flip and uint8 are for images (N, C, H, W)."
        )
    if config.compile and device.type != "cuda":
        raise ValueError(f"compile needs a CUDA device, and this is {device.type}; leave it out.")


def _check_labels(labels: Tensor | None, classes: int, count: int) -> None:
    if labels is None:
        if classes:
            raise ValueError("a Labelled model learns from labels; give them, or take a UNet.")
        return
    if not classes:
        raise ValueError("labels are for a Labelled model; give one, or leave the labels out.")
    if labels.shape != (count,) or labels.dtype != torch.int64:
        raise ValueError(
            f"labels has shape {tuple(labels.shape)} and dtype {labels.dtype}; give ({count},) "
            "int64, one for each item."
        )
    if labels.amin() < 0 or labels.amax() >= classes:
        raise ValueError(
            f"labels run from {labels.amin()} to {labels.amax()}; the model knows 0 to "
            f"{classes - 1}."
        )


def _compute_anew(model: nn.Module) -> None:
    """Each block of a U-Net forgets what the way back needs, and computes it then."""
    from functools import partial

    from torch.utils.checkpoint import checkpoint

    for block in model.modules():
        if isinstance(block, Block):
            block.forward = partial(  # type: ignore[method-assign]  # of this block alone
                checkpoint, block.forward, use_reentrant=False
            )


def pick_device(name: str) -> torch.device:
    """The device that ``name`` means here; "auto" prefers a GPU.

    Raises:
        ValueError: this machine has no such device.
    """
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if name == "auto":
        name = next(device for device in ("cuda", "mps", "cpu") if here[device])
    kind, _, index = str(name).partition(":")
    if (
        not here.get(kind)
        or (index and not index.isdigit())
        or (kind == "cuda" and int(index or 0) >= torch.cuda.device_count())
    ):
        raise ValueError(
            f"device is {name!r}, which this machine does not have; choose 'auto' or one of "
            f"{', '.join(device for device, present in here.items() if present)}."
        )
    return torch.device(name)
