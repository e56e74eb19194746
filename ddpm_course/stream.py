"""Pictures that stay where they are until their turn comes: for more than memory holds.

Which picture comes when is said by the trainer, from the seed and the number of the step alone. So
a run that goes on needs no place in the data, and it draws what it would have drawn. Processes of
a standard torch ``DataLoader`` read ahead meanwhile; how many there are changes nothing.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ddpm_course import checks, images, sources
from ddpm_course.sources import Pictures

__all__ = ["Streamed", "load"]


class Streamed(Dataset[Tensor]):
    """Pictures (N, C, size, size) uint8 that are read, cut and resized as they are needed, by the
    rules of ``images.load``.

    Args:
        pictures: where they are; or a ``datasets.Dataset``, or a ``datasets.IterableDataset``.
        size: height and width; when left out, as for ``images.load``.
        channels: 1 for gray, 3 for color. When left out, color if any picture is; a stream is
            judged by its first picture.
        workers: processes that read ahead, 0 for none; one a core at most. A stream takes one.

    Raises:
        ValueError: a picture is smaller than ``size`` or cannot be read, or a number is out of
            range.

    Attributes:
        shape: (N, C, size, size).
        window: see ``sources.Pictures``.
    """

    dtype, ndim = torch.uint8, 4

    def __init__(
        self,
        pictures: Pictures | Any,
        size: int | None = None,
        channels: int | None = None,
        workers: int = 2,
    ) -> None:
        if not isinstance(pictures, Pictures):
            flows = not hasattr(pictures, "__len__")
            pictures = sources.Stream(pictures) if flows else sources.Rows(pictures)
        for name, value, least in (("size", size, 1), ("workers", workers, 0)):
            if value is not None and (not checks.whole(value) or value < least):
                raise ValueError(f"{name} is {value}; it must be a whole number, at least {least}.")
        if channels not in (None, 1, 3):
            raise ValueError(f"channels is {channels}; choose 1 (gray) or 3 (color).")
        self.pictures, self.window = pictures, pictures.window
        size = size or pictures.own_size
        if self.window is not None:  # a stream comes past once
            size, workers = size or 32, min(workers, 1)
            color = pictures[0][1].mode not in images.GRAY
        else:
            size = size or images.side(pictures)
            color = False
            for name, side, mode in pictures.heads():
                if side < size:
                    raise ValueError(
                        f"{name} has a side of {side}, too small for {size}x{size}; remove it or "
                        "choose a smaller size."
                    )
                color |= mode not in images.GRAY
        self.gray_alone = channels is None and not color
        self.size, self.workers = size, min(workers, _cores())
        self.shape = torch.Size((len(pictures), channels or (3 if color else 1), size, size))

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> Tensor:
        """(C, size, size) the i-th."""
        name, image = self.pictures[i]
        if self.gray_alone and image.mode not in images.GRAY:
            raise ValueError(f"{name} is in color, and those before are gray; say --channels 3.")
        cut = images.square(name, image, self.size, self.shape[1], set())
        return torch.from_numpy(np.array(cut))  # a copy, in order and open to changes

    def __getitems__(self, items: list[int]) -> Tensor | str:
        """(B, C, size, size); or the sentence that says what is wrong, as it is to be said: an
        error would come out of another process with all its traceback."""
        try:
            return torch.stack([self[i] for i in items])
        except ValueError as error:
            return str(error)

    def batches(self, order: Iterable[list[int]]) -> Iterator[Tensor]:
        """For each list of numbers in ``order``, these pictures (B, C, size, size) uint8.

        Raises:
            ValueError: one cannot be read; the sentence names it.
        """
        loader = DataLoader(
            self,
            batch_sampler=order,
            num_workers=self.workers,
            collate_fn=_as_it_is,
            worker_init_fn=_left_to_the_first,
            generator=torch.Generator(),  # torch's own random state stays as it is
        )
        for batch in loader:
            if isinstance(batch, str):
                raise ValueError(batch)
            yield batch

    def mark(self) -> str:
        """Tells these pictures from others; see ``sources``."""
        return self.pictures.mark()


def load(
    source: str | os.PathLike[str],
    size: int | None = None,
    channels: int | None = None,
    tell: Callable[[str], None] | None = None,
    workers: int = 2,
) -> Streamed:
    """As ``images.load``, but nothing is held: the pictures of a folder, of tar archives or of a
    set of the Hub, which is then not kept on the disk either.

    Raises:
        ValueError: as for ``images.load``; or the source is one that needs no streaming.
    """
    source = os.fspath(source)
    if source == "digits" or source.endswith(".npy"):
        raise ValueError(
            f"{source} needs no streaming (a .npy file stays on the disk as it is); leave "
            "--stream out."
        )
    if isinstance(size, tuple):
        raise ValueError(f"{source} is cut to squares; give one number for the size.")
    streamed = Streamed(sources.find(source, stream=True), size, channels, workers)
    if tell is not None:
        notes = "; ".join(filter(None, [streamed.pictures.note, "read as they are needed"]))
        tell(images.line(tuple(streamed.shape), source, f" ({notes})"))
    return streamed


def _cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _as_it_is(batch: Any) -> Any:
    return batch


def _left_to_the_first(_worker: int) -> None:
    """Ctrl-C and a closed terminal reach all processes; the one that trains decides what to do."""
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
