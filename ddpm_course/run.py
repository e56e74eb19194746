"""A training run in a folder that people can trust.

    config.json               what was asked for, and how far it has come
    metrics.jsonl             a line of JSON every ``log_every`` steps
    checkpoint.safetensors    all that the run needs to go on
    model.safetensors         the averaged model, for ``checkpoint.load``
    samples/00001000.png      what the averaged model draws, always from the same noise
    tensorboard/              the same metrics and samples, where they are asked for

Checkpoints are written beside their place and then renamed: whatever ends the run, and whenever,
the last one is whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from ddpm_course import checkpoint, checks
from ddpm_course.solvers import ddim
from ddpm_course.stream import Streamed
from ddpm_course.trainer import Metrics, TrainConfig, Trainer
from ddpm_course.unet import UNet

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["Run", "StopSignal", "read_config"]

CHECKPOINT, MODEL, CONFIG, METRICS = (
    "checkpoint.safetensors",
    "model.safetensors",
    "config.json",
    "metrics.jsonl",
)


STREAMED = "streamed"  # in the mark of data that the run reads as they are needed

# What ends a process from outside: SIGTERM, and SIGHUP where terminals can be closed.
ENDS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@dataclass(frozen=True)
class Progress:
    """How far a run has come: steps, and seconds of training."""

    step: int
    seconds: float

    def __post_init__(self) -> None:
        if not (checks.whole(self.step) and self.step >= 0 and 0 <= self.seconds < math.inf):
            raise TypeError(f"{self} is no progress")


class Run:
    """A new run, or with ``Run.resume`` one that was cut off.

    Args:
        trainer: what trains; its model is a ``UNet``.
        path: the folder; it must not exist yet, or be empty.
        source: the name of the data, kept with the run.
        log_every: steps between two lines of metrics.jsonl.
        save_every: steps between two checkpoints, each with a grid of samples.
        tensorboard: write for TensorBoard too.
        labels: the name of the labels, kept with the run.

    Raises:
        ValueError: the folder is in use or cannot be made, the model is another one, or
            TensorBoard is not installed.

    Attributes:
        stopped_by: the name of the signal that ended ``steps()``, if one did.
    """

    def __init__(
        self,
        trainer: Trainer,
        path: str | os.PathLike[str],
        source: str = "",
        log_every: int = 50,
        save_every: int = 1000,
        tensorboard: bool = False,
        labels: str = "",
    ) -> None:
        self._set_up(trainer, Path(path), source, log_every, save_every, tensorboard, labels)
        check_new(self.path)  # every process looks before the first one makes it
        trainer.accelerator.wait_for_everyone()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"{path} cannot be made ({error}); choose another folder.") from error

    def _set_up(
        self,
        trainer: Trainer,
        path: Path,
        source: str,
        log_every: int,
        save_every: int,
        tensorboard: bool,
        labels: str,
    ) -> None:
        average = trainer.ema.module
        if not isinstance(average, UNet):
            raise ValueError(
                f"a run folder holds a UNet, and this model is a {type(average).__name__}; "
                "keep its weights yourself: trainer.ema.module.state_dict()."
            )
        height, width = trainer.data.shape[-2:]
        average.config = replace(average.config, size=(height, width))  # what it is trained on
        check_settings(log_every, save_every, tensorboard)
        self.trainer, self.average, self.path, self.source = trainer, average, path, source
        self.log_every, self.save_every, self.tensorboard = log_every, save_every, tensorboard
        self.stopped_by: str | None = None
        self._last: Metrics | None = None
        self._board: SummaryWriter | None = None
        self._print, self.labels = _fingerprint(trainer.data, trainer.labels), labels
        self._writes = trainer.rank == 0  # of several processes, one writes

    @classmethod
    def resume(
        cls,
        path: str | os.PathLike[str],
        data: Tensor | Streamed,
        log_every: int = 50,
        save_every: int = 1000,
        tensorboard: bool = False,
        labels: Tensor | None = None,
        **changes: Any,
    ) -> Run:
        """Go on with the run in ``path`` from its last checkpoint.

        On a CPU the run then equals one that was never cut off, bit for bit, if it is limited by
        steps; a limit in seconds bends the learning rate, and no two runs are equally fast.

        Args:
            data: the same data as before.
            labels: the same labels as before, if there were any.
            changes: fields of ``TrainConfig`` to change, such as ``steps`` or ``device``.

        Raises:
            ValueError: there is no checkpoint, it is damaged, or the data are others.
        """
        file = Path(path) / CHECKPOINT
        tensors, about = checkpoint.read(file)
        model, schedule = checkpoint.unpack(tensors, about, file)
        try:
            fields = checkpoint.known(json.loads(about["train"]), TrainConfig, file)
            progress = checkpoint.known(json.loads(about["progress"]), Progress, file)
            come, source, mark = Progress(**progress), about["source"], about["data"]
        except (KeyError, TypeError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{file} is not the checkpoint of a run; give a run folder."
            ) from error
        try:
            config = TrainConfig(**fields)
        except (TypeError, ValueError) as error:
            raise ValueError(f"{file} is not the checkpoint of a run ({error}).") from error
        config = replace(config, **changes)
        if _fingerprint(data, labels) != mark:
            raise ValueError(
                f"these data{' or labels' if labels is not None else ''} are not the ones that the "
                f"run in {path} was trained on"
                + (f" ({source})" if source else "")
                + "; give the same ones, or start a new run."
            )
        trainer = Trainer(model, schedule, data, config, labels)
        trainer.restore(tensors, come.step, come.seconds)
        run = cls.__new__(cls)
        run._set_up(
            trainer, Path(path), source, log_every, save_every, tensorboard, about.get("labels", "")
        )
        return run

    def steps(self) -> Iterator[Metrics]:
        """``trainer.steps()`` to the end, with metrics, samples and checkpoints in the folder.

        Ctrl-C, SIGTERM and SIGHUP let the step finish, save, and end the loop (see ``stopped_by``).

        Raises:
            FloatingPointError: the loss is not finite; the last good checkpoint is kept.
            ValueError: the disk is full, or another run is writing to the folder.
        """
        with self._held(), StopSignal() as stop:
            if self.trainer.step == 0:
                self._begin()  # from here on there is something to go on from
            for metrics in self.trainer.steps():
                self._last = metrics
                if metrics.step % self.log_every == 0:
                    self._log(metrics)
                if metrics.step % self.save_every == 0:
                    self.save()
                    self._draw()
                yield metrics
                if self._any(stop.name is not None):
                    self.stopped_by = stop.name or "a signal to another process"
                    break
            self.save()

    def _begin(self) -> None:
        try:
            self.save()
        except ValueError:  # half a start is in the way of the next one
            for name in (CHECKPOINT, MODEL, CONFIG) if self._writes else ():
                (self.path / name).unlink(missing_ok=True)
            raise

    def save(self) -> Path:
        """Write the checkpoint and the averaged model now; returns the model's file.

        Raises:
            FloatingPointError: the last loss is not finite; what was saved before is kept.
            ValueError: the files cannot be written; what was saved before is kept.
        """
        trainer = self.trainer
        if self._last is not None:
            self._check_finite(self._last)
        if self._writes:
            tensors, about = checkpoint.pack(self.average, trainer.schedule)
            about["train"] = json.dumps(asdict(trainer.config))
            about["progress"] = json.dumps(asdict(Progress(trainer.step, trainer.seconds)))
            about |= {"source": self.source, "data": self._print}
            about |= {"labels": self.labels} if self.labels else {}
            state = trainer.state() | {checkpoint.BETA: tensors[checkpoint.BETA]}
            checkpoint.write(self.path / CHECKPOINT, state, about)
            checkpoint.write(self.path / MODEL, tensors, about)
            config = {
                name: json.loads(value) if value.startswith("{") else value
                for name, value in about.items()
            }
            config["versions"] = _versions() | {"processes": trainer.ranks}
            with checkpoint.beside(self.path / CONFIG) as file:
                file.write_text(json.dumps(config, indent=2) + "\n", encoding="utf8")
        trainer.accelerator.wait_for_everyone()
        return self.path / MODEL

    # -- one of several runs, one of several processes ----------------------------------------

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """No other run can write to the folder meanwhile; the lock goes with the process."""
        from filelock import FileLock, Timeout

        if not self._writes:
            yield
            return
        try:
            lock = FileLock(self.path / ".lock").acquire(timeout=0)
        except Timeout as error:
            raise ValueError(
                f"another run is writing to {self.path}; wait for it, or choose another folder."
            ) from error
        with lock:
            for cut_off in self.path.glob(".*.safetensors"):  # its writer was killed
                cut_off.unlink()
            self._forget_later_metrics()
            if self.tensorboard:
                from torch.utils.tensorboard import SummaryWriter

                folder, step = self.path / "tensorboard", self.trainer.step
                self._board = SummaryWriter(str(folder), purge_step=step + 1)
            try:
                yield
            finally:
                if self._board is not None:
                    self._board.close()

    def _any(self, flag: bool) -> bool:
        """Whether the flag is up in any process; with several, they confer every tenth step."""
        if self.trainer.ranks == 1:
            return flag
        if self.trainer.step % 10:
            return False
        votes = torch.tensor(float(flag), device=self.trainer.device)
        return float(self.trainer.accelerator.reduce(votes, "sum")) > 0

    # -- what people look at ------------------------------------------------------------------

    def _log(self, metrics: Metrics) -> None:
        loss = float(self.trainer.accelerator.reduce(metrics.loss_tensor, "mean"))
        values = {
            "loss": loss,
            "learning_rate": metrics.learning_rate,
            "gradient_norm": metrics.gradient_norm,
            "seconds": metrics.seconds,
        }
        self._check_finite(metrics)
        if self._writes:
            path = self.path / METRICS
            try:
                with path.open("a") as file:
                    file.write(json.dumps({"step": metrics.step, **values}) + "\n")
            except OSError as error:
                raise ValueError(f"{path} cannot be written ({error}); make room.") from error
        if self._board is not None:
            for name, value in values.items():
                self._board.add_scalar(name, value, metrics.step)

    def _draw(self) -> None:
        """A grid of samples, quickly (DDIM)."""
        if not self._writes:
            return
        from ddpm_course.plots import image_grid, save_images

        trainer = self.trainer
        generator = torch.Generator().manual_seed(trainer.config.seed)
        shape, steps = (64, *trainer.data.shape[1:]), min(50, trainer.schedule.T)
        *_, last = ddim(self.average, shape, trainer.schedule, steps, generator=generator)
        with checkpoint.beside(self.path / "samples" / f"{trainer.step:08d}.png") as file:
            save_images(last.x_t, file, scale=max(1, 48 // shape[-1]))
        if self._board is not None:
            grid = image_grid(last.x_t)
            self._board.add_image("samples", grid, trainer.step, dataformats="HWC")

    def _forget_later_metrics(self) -> None:
        """Lines after the checkpoint come from steps that will be taken, and written, again."""
        path = self.path / METRICS
        kept = []
        for line in path.read_text(errors="replace").splitlines() if path.exists() else []:
            # The last line may be cut off, and others are what somebody made of them.
            with contextlib.suppress(json.JSONDecodeError, KeyError, TypeError):
                if json.loads(line)["step"] <= self.trainer.step:
                    kept.append(line + "\n")
        with checkpoint.beside(path) as file:
            file.write_text("".join(kept))

    def _check_finite(self, metrics: Metrics) -> None:
        # A gradient that is not finite spoils the weights before a loss shows it.
        if not (math.isfinite(metrics.loss) and math.isfinite(metrics.gradient_norm)):
            raise FloatingPointError(
                f"the loss is {metrics.loss} and the gradient's norm {metrics.gradient_norm} at "
                f"step {metrics.step}; {self.path} keeps the last good checkpoint. Try a lower "
                "learning rate or a longer warm-up, and check the data for values out of [-1, 1]."
            )


class StopSignal:
    """While it is entered, Ctrl-C, SIGTERM and a closed terminal only set ``name``; a second one
    ends the process."""

    def __init__(self) -> None:
        self.name: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopSignal:
        if threading.current_thread() is threading.main_thread():  # only it may set handlers
            for number in (signal.SIGINT, *ENDS):
                if signal.getsignal(number) is signal.SIG_IGN:
                    continue  # as nohup has it
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        while self._before:
            signal.signal(*self._before.popitem())

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self.name = signal.Signals(number).name
        self.__exit__()  # the next one is not caught


def check_settings(log_every: int, save_every: int, tensorboard: bool) -> None:
    """Raise a ValueError if no run can be written so."""
    for name, value in (("log_every", log_every), ("save_every", save_every)):
        if value < 1:
            raise ValueError(f"{name} is {value}; it must be at least 1 step.")
    if tensorboard and find_spec("tensorboard") is None:
        raise ValueError(
            "tensorboard is not installed; run `pip install tensorboard`, or leave it out."
        )


def check_new(path: Path) -> None:
    """Raise a ValueError if something is there that a new run could overwrite."""
    if path.exists() and (
        not path.is_dir() or any(not _left_over(file) for file in path.iterdir())
    ):
        raise ValueError(
            f"{path} exists already; choose another folder, or move it away. (A run that was cut "
            "off goes on with --resume.)"
        )


def _left_over(file: Path) -> bool:
    """Whether it was left by a run that could not write its first checkpoint: nothing is in it."""
    return file.name in (".lock", METRICS) and file.is_file() and not file.stat().st_size


def _versions() -> dict[str, Any]:
    """What the run was last saved with."""
    import platform

    from ddpm_course import __version__

    return {
        "ddpm_course": __version__,
        "torch": str(torch.__version__),
        "python": platform.python_version(),
    }


def read_config(path: str | os.PathLike[str]) -> dict[str, Any]:
    """What config.json of a run folder says.

    Raises:
        ValueError: there is none, or it is damaged.
    """
    file = Path(path) / CONFIG
    try:
        return dict(json.loads(file.read_text(encoding="utf-8-sig")))  # an editor may mark it
    except (OSError, TypeError, ValueError) as error:
        raise ValueError(f"{file} cannot be read ({error}); give the folder of a run.") from error


def _fingerprint(data: Tensor | Streamed, labels: Tensor | None = None) -> str:
    """Tells one data set from another: shape, type and every byte count; of pictures that are read
    as they are needed, their mark."""
    named = "" if labels is None else f" labels {_digest(labels)}"
    if isinstance(data, Streamed):
        return f"{tuple(data.shape)} {STREAMED} {data.mark()}{named}"
    return f"{tuple(data.shape)} {data.dtype} {_digest(data)}{named}"


def _digest(data: Tensor) -> str:
    # A view of the bytes, not a copy of them: the data may be larger than the memory.
    return hashlib.sha256(data.detach().cpu().contiguous().numpy().data).hexdigest()[:16]
