"""What every function asks of the tensors that it is given: one rule, wherever they come in.

Tensors that must agree have one shape, because torch would stretch the smaller one and go on.
Numbers to compute with are floating point, because √ᾱ_t is 0 as a whole number. Pictures are
floating point in [-1, 1], or uint8 in 0..255.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

__all__ = [
    "agree",
    "answer",
    "batch",
    "floating",
    "in_range",
    "number",
    "on_grid",
    "pictures",
    "seed",
    "sizes",
    "together",
    "whole",
]


def floating(**tensors: Tensor) -> None:
    """Raise a ValueError if one of the tensors cannot be computed with."""
    for name, x in tensors.items():
        if not isinstance(x, Tensor):
            raise ValueError(f"{name} is a {type(x).__name__}; give a tensor.")
        if not x.is_floating_point():
            raise ValueError(
                f"{name} has dtype {x.dtype}; give floating point numbers: x.float(), or for "
                "uint8 images x / 127.5 - 1."
            )


def agree(**tensors: Tensor) -> None:
    """Raise a ValueError if the tensors are not all floating point, or not all of one shape."""
    floating(**tensors)
    (first, a), *others = tensors.items()
    for name, b in others:
        if a.shape != b.shape:
            raise ValueError(
                f"{first} has shape {tuple(a.shape)}, {name} {tuple(b.shape)}; they must agree."
            )


def together(**tensors: Tensor) -> torch.Size:
    """The shape of floating point tensors that stretch to one of them.

    Raises:
        ValueError: they do not go together, or each would stretch the other: of (64,) and (64, 1)
            torch makes (64, 64), where 64 numbers were meant.
    """
    floating(**tensors)
    try:  # NumPy's rule is torch's, and quicker
        shape = torch.Size(np.broadcast_shapes(*(x.shape for x in tensors.values())))
    except ValueError:
        shape = None
    if shape is None or math.prod(shape) > max(x.numel() for x in tensors.values()):
        shapes = ", ".join(f"{name} has shape {tuple(x.shape)}" for name, x in tensors.items())
        raise ValueError(f"{shapes}; give one shape, or numbers that stretch to one of them.")
    return shape


def batch(**tensors: Tensor) -> None:
    """Raise a ValueError if the tensors are not floating point, (B, ...) with B of at least 1: the
    mean of nothing is no number."""
    floating(**tensors)
    for name, x in tensors.items():
        if not x.ndim or not len(x):
            raise ValueError(f"{name} has shape {tuple(x.shape)}; give (B, ...), B at least 1.")


def answer(eps_hat: Tensor, x_t: Tensor) -> Tensor:
    """The network's answer, when it has the shape of what it was given.

    Raises:
        ValueError: it has another shape, or is no tensor of floating point numbers.
    """
    if not isinstance(eps_hat, Tensor) or not eps_hat.is_floating_point():
        kind = eps_hat.dtype if isinstance(eps_hat, Tensor) else type(eps_hat).__name__
        raise ValueError(f"the network answers with a {kind}; it must give a float tensor, ε̂.")
    if eps_hat.shape != x_t.shape:
        raise ValueError(
            f"the network answers with shape {tuple(eps_hat.shape)} to x_t of shape "
            f"{tuple(x_t.shape)}; they must agree: it predicts one number of noise for each of x_t."
        )
    return eps_hat


def in_range(images: Tensor, name: str = "images") -> None:
    """Raise a ValueError for pictures in floating point that run over 0..255, or over 0..1 from end
    to end, not over -1..1."""
    if not images.numel():
        return
    low, high = images.amin().item(), images.amax().item()
    if low >= 0 and (high > 2 or (low, high) == (0, 1)):
        mend = "2 x - 1" if high == 1 else "x / 127.5 - 1"
        raise ValueError(
            f"{name} has values from {low:g} to {high:g}; give floating point pictures in [-1, 1] "
            f"({mend}), or uint8 in 0..255."
        )


def on_grid(images: Tensor, levels: int, name: str = "images") -> None:
    """Raise a ValueError for pictures that are not on the even grid of ``levels`` values from -1 to
    1: the chance of a value between two of them is not what a bound on the grid's cells is about.
    """
    cells = (images.double() + 1) / 2 * (levels - 1)
    off = ~(cells - cells.round().clamp(0, levels - 1)).abs().le(0.01)  # NaN is off it, too
    if off.any():
        raise ValueError(
            f"{name} holds {images[off][0].item():g}, which is none of the {levels} even values "
            "from -1 to 1; give whole pixel values, scaled, or the right number of levels."
        )


def pictures(images: Tensor, name: str = "images") -> Tensor:
    """Pictures (N, C, H, W) in [-1, 1]: uint8 is taken as 0..255, floating point as it is.

    Raises:
        ValueError: they are of another type, or run over 0..255 in floating point.
    """
    if isinstance(images, Tensor) and images.dtype == torch.uint8:
        return images / 127.5 - 1
    floating(**{name: images})
    if images.ndim >= 3:
        in_range(images, name)
    return images


def sizes(shape: Sequence[int], x_T: Tensor | None = None) -> tuple[int, ...]:
    """The shape of a batch of samples; where ``x_T`` is given it must have it.

    Raises:
        ValueError: it is no sequence of whole numbers of at least 1, or x_T has another.
    """
    found = tuple(shape) if isinstance(shape, Sequence) else ()
    if not found or not all(isinstance(n, int) and n >= 1 for n in found):
        raise ValueError(f"shape is {shape}; give (B, ...) in whole numbers of at least 1.")
    if x_T is not None:
        floating(x_T=x_T)
        if tuple(x_T.shape) != found:
            raise ValueError(
                f"x_T has shape {tuple(x_T.shape)}, shape is {found}; they must agree."
            )
    return found


def whole(value: object) -> bool:
    """Whether it is a whole number; True and False, and 3.0, are none."""
    return isinstance(value, int) and not isinstance(value, bool)


def number(value: object) -> bool:
    """Whether it is a number; True and False, and "3", are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def seed(value: int, name: str = "seed") -> int:
    """A seed for torch, where it is one.

    Raises:
        ValueError: it is no whole number, or outside 0..2^63 - 1.
    """
    if not (whole(value) and 0 <= value < 2**63):
        raise ValueError(f"{name} is {value}; choose a whole number from 0 to 2^63 - 1.")
    return value
