"""Training: Ho et al. (2020), algorithm 1, with what makes it work in practice.

The trainer is a generator: ``for metrics in trainer.steps(100): ...`` trains, and whatever you
put in the loop (a plot, a progress bar, a sample) watches. Averaged weights (EMA), clipping and
a warm-up follow the paper's code.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from ddpm_course import checkpoint
from ddpm_course.loss import epsilon_loss
from ddpm_course.schedule import Schedule
from ddpm_course.unet import UNet

__all__ = ["Metrics", "TrainConfig", "Trainer", "pick_device"]


@dataclass(frozen=True)
class TrainConfig:
    """How to train. With neither ``steps`` nor ``max_seconds`` it trains until you stop it.

    Args:
        steps: optimizer steps in all; the learning rate decays to 0 towards the last one.
        max_seconds: stop after so much training time, whichever comes first.
        batch_size: images a step.
        learning_rate: Adam's, after the warm-up.
        warmup: steps over which the learning rate rises from 0.
        ema_decay: how much of the averaged weights each step keeps.
        clip_norm: the gradient is scaled down to this norm when it is longer.
        precision: "float32", or "bfloat16" inside the network only.
        seed: everything random follows from it.
        device: "auto" (a GPU if there is one), "cpu", "cuda" or "mps".

    Raises:
        ValueError: a value is out of range.
    """

    steps: int | None = None
    max_seconds: float | None = None
    batch_size: int = 128
    learning_rate: float = 2e-3
    warmup: int = 100
    ema_decay: float = 0.999
    clip_norm: float = 1.0
    precision: Literal["float32", "bfloat16"] = "float32"
    seed: int = 0
    device: str = "auto"

    @classmethod
    def digits(cls) -> TrainConfig:
        """For the 8x8 digits with ``UNetConfig.digits()``."""
        return cls(steps=8000)

    def __post_init__(self) -> None:
        positive = ("steps", "max_seconds", "batch_size", "learning_rate", "clip_norm")
        for name in positive:
            value = getattr(self, name)
            if value is not None and not (value > 0 and math.isfinite(value)):
                raise ValueError(f"{name} is {value}; it must be a positive number.")
        if self.warmup < 0:
            raise ValueError(f"warmup is {self.warmup}; it must be 0 or more steps.")
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

    @property
    def loss(self) -> float:
        return float(self.loss_tensor)


class Trainer:
    """Trains ``model`` to predict the noise in ``data``.

    Args:
        model: ε_θ.
        schedule: the forward process.
        data: (N, ...) clean data, float32 in [-1, 1] (or about unit variance).
        config: how.
        out: a folder for the run, which must not exist yet (or be empty).

    Raises:
        ValueError: the folder is in use, the batch is larger than the data, or the device is
            not there.

    Attributes:
        ema: the averaged weights, the ones to sample from.
    """

    def __init__(
        self,
        model: nn.Module,
        schedule: Schedule,
        data: Tensor,
        config: TrainConfig,
        out: str | os.PathLike[str] | None = None,
    ) -> None:
        from accelerate import Accelerator

        if len(data) < config.batch_size:
            raise ValueError(
                f"a batch of {config.batch_size} cannot be drawn from {len(data)} items; "
                f"set batch_size to at most {len(data)}."
            )
        self.out = None if out is None else _new_folder(Path(out))
        self.accelerator = Accelerator(cpu=pick_device(config.device).type == "cpu")
        self.device = self.accelerator.device
        self.config, self.schedule = config, schedule.to(self.device)
        self.data = data.to(self.device)
        self.ema = AveragedModel(model, self.device, multi_avg_fn=_ema(config.ema_decay))
        self.ema.module.eval()
        optimizer = torch.optim.Adam(model.parameters(), lr=config.learning_rate)
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.step, self.seconds = 0, 0.0
        # The order of the data is the same in every process; the noise differs.
        self.order_generator = torch.Generator().manual_seed(config.seed)
        rank = self.accelerator.process_index
        self.noise_generator = torch.Generator(self.device).manual_seed(config.seed + 1 + rank)
        self.order = torch.empty(0, dtype=torch.int64)

    # -- training -----------------------------------------------------------------------------

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
            loss = epsilon_loss(
                self._predict, self._batch(), self.schedule, generator=self.noise_generator
            )
            self.accelerator.backward(loss)
            self.accelerator.clip_grad_norm_(self.model.parameters(), self.config.clip_norm)
            self.optimizer.step()
            self.optimizer.zero_grad()
            self.ema.update_parameters(self.accelerator.unwrap_model(self.model))
            self.step += 1
            self.seconds += time.perf_counter() - start
            yield Metrics(self.step, rate, self.seconds, loss.detach())
            n = None if n is None else n - 1

    def save(self) -> Path:
        """Write the averaged model to ``out``; returns the file that ``checkpoint.load`` reads."""
        if self.out is None:
            raise ValueError("this trainer has no folder; make it with Trainer(..., out=FOLDER).")
        model = self.ema.module
        if not isinstance(model, UNet):
            raise ValueError(
                f"a run folder holds a UNet, and this model is a {type(model).__name__}; "
                "keep its weights yourself: trainer.ema.module.state_dict()."
            )
        path = self.out / "model.safetensors"
        if self.accelerator.is_main_process:
            checkpoint.write(path, *checkpoint.pack(model, self.schedule))
            about = {"config": asdict(self.config), "step": self.step, "seconds": self.seconds}
            (self.out / "config.json").write_text(json.dumps(about, indent=2) + "\n")
        return path

    def _predict(self, x_t: Tensor, t: Tensor) -> Tensor:
        """ε_θ in the chosen precision; what goes in and what comes out is float32."""
        low = self.config.precision == "bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16) if low else contextlib.nullcontext():
            return self.model(x_t, t).float()

    def _batch(self) -> Tensor:
        """The next items of an endless shuffle: every item once before any comes again."""
        size, processes = self.config.batch_size, self.accelerator.num_processes
        while len(self.order) < size * processes:
            fresh = torch.randperm(len(self.data), generator=self.order_generator)
            self.order = torch.cat([self.order, fresh])
        mine = self.order[self.accelerator.process_index * size :][:size]
        self.order = self.order[size * processes :]
        return self.data[mine.to(self.device)]

    def _progress(self) -> float:
        """0 at the start, 1 at the end, by steps or by time, whichever is further."""
        by_step = self.step / self.config.steps if self.config.steps else 0.0
        by_time = self.seconds / self.config.max_seconds if self.config.max_seconds else 0.0
        return max(by_step, by_time)

    def _learning_rate(self) -> float:
        """A linear rise over the warm-up, then half a cosine down to 0."""
        rise = min(1.0, (self.step + 1) / (self.config.warmup + 1))
        return self.config.learning_rate * rise * 0.5 * (1 + math.cos(math.pi * self._progress()))


def pick_device(name: str) -> torch.device:
    """The device that ``name`` means here; "auto" prefers a GPU.

    Raises:
        ValueError: this machine has no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
        if name == "cpu" and torch.backends.mps.is_available():
            name = "mps"
    here = {
        "cpu": True,
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
    }
    if not here.get(name.split(":")[0], False):
        raise ValueError(
            f"device is {name!r}, which this machine does not have; choose 'auto' or one of "
            f"{', '.join(device for device, present in here.items() if present)}."
        )
    return torch.device(name)


def _new_folder(path: Path) -> Path:
    """Make the folder, unless something is there already that a run could overwrite."""
    try:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ValueError(f"{path} exists already; choose another folder, or move it away.")
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ValueError(f"{path} cannot be made ({error}); choose another folder.") from error
    return path


_Tensors = tuple[Tensor, ...] | list[Tensor]


def _ema(decay: float) -> Callable[[_Tensors, _Tensors, int | Tensor], None]:
    """Average by ``decay``, all tensors at once."""

    @torch.no_grad()
    def update(averaged: _Tensors, live: _Tensors, count: int | Tensor) -> None:
        # A young average forgets faster, or it would remember the random start for too long.
        keep = min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(averaged, live, 1 - keep)

    return update
