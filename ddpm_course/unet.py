"""The U-Net ε_θ(x_t, t): the network of Ho et al. (2020), appendix B, in one file.

Read it from the bottom up or the top down: a time embedding, a residual block, a self-attention
block, two blocks that halve and double the resolution, and the U that joins them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_course import checks

__all__ = ["Labelled", "Quick", "UNet", "UNetConfig", "time_embedding", "unwrapped"]


@dataclass(frozen=True)
class UNetConfig:
    """The size of a U-Net.

    Args:
        size: height and width of the images it is made for, one number where they agree; each must
            halve evenly.
        in_channels: channels of the images, 1 for grey, 3 for color.
        channels: the width at each resolution, from the full one down; each next one is half
            as high and half as wide.
        blocks: residual blocks at each resolution on the way down (one more on the way up).
        attention: for each resolution, whether self-attention follows its residual blocks.
        head_width: channels of each head of the attention; None for one head of all channels.
        groups: groups of each GroupNorm; must divide every width.
        dropout: dropout probability inside the residual blocks.
        classes: how many kinds of pictures ``Labelled`` tells apart; 0 for a plain ``UNet``.

    Raises:
        ValueError: the sizes do not fit together; the sentence says which.
    """

    size: int | tuple[int, int] = 8
    in_channels: int = 1
    channels: tuple[int, ...] = (32, 64)
    blocks: int = 2
    attention: tuple[bool, ...] = (False, True)
    groups: int = 8
    dropout: float = 0.0
    head_width: int | None = None
    classes: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", tuple(self.channels))
        object.__setattr__(self, "attention", tuple(self.attention))
        _check_whole(self)
        if not isinstance(self.size, int):
            if len(self.size) != 2:
                raise ValueError(f"size is {self.size}; give one number, or height and width.")
            height, width = self.size
            object.__setattr__(self, "size", height if height == width else (height, width))
        height, width = self.shape
        if min(height, width) < 1:
            raise ValueError(f"size is {self.size}; the U-Net needs at least 1 pixel.")
        for name in ("in_channels", "blocks"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; the U-Net needs at least 1.")
        if not self.channels or min(self.channels) < 1:
            raise ValueError(f"channels is {self.channels}; give a positive width for each level.")
        if len(self.attention) != len(self.channels):
            raise ValueError(
                f"attention has {len(self.attention)} entries and channels {len(self.channels)}; "
                "give one for each level."
            )
        halving = 2 ** (len(self.channels) - 1)
        if height % halving or width % halving:
            raise ValueError(
                f"images of {height}x{width} cannot be halved {len(self.channels) - 1} "
                "times; give fewer channels (one for each level) or another size."
            )
        for width in self.channels:
            if self.groups < 1 or width % self.groups:
                raise ValueError(
                    f"a width of {width} cannot be divided into {self.groups} groups; "
                    "choose channels that are multiples of groups."
                )
        if (heads := self.head_width) is not None:
            attentive = [width for width, here in zip(self.channels, self.attention) if here]
            for width in [*attentive, self.channels[-1]]:
                if heads < 1 or width % heads:
                    raise ValueError(
                        f"a width of {width} cannot be divided into heads of {heads} channels; "
                        "choose channels that are multiples of head_width, or None for one head."
                    )
        if self.channels[0] % 2:
            raise ValueError(
                f"channels starts with {self.channels[0]}; the time embedding has half sines and "
                "half cosines, so the first width must be even."
            )
        if self.classes < 0:
            raise ValueError(f"classes is {self.classes}; give how many there are, or 0 for none.")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}; a probability below 1 is needed.")

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return (self.size, self.size) if isinstance(self.size, int) else self.size

    @classmethod
    def digits(cls) -> UNetConfig:
        """For the 8x8 digits: 0.7 M weights, small enough for a laptop."""
        return cls(channels=(32, 64), blocks=1, attention=(False, True), dropout=0.3)

    @classmethod
    def cifar10(cls) -> UNetConfig:
        """The 35.7 M network of Ho et al. (2020) for 32x32 color images."""
        return cls(
            size=32,
            in_channels=3,
            channels=(128, 256, 256, 256),
            attention=(False, True, False, False),
            groups=32,
            dropout=0.1,
        )


def _check_whole(config: UNetConfig) -> None:
    """Sizes are counted: 8.0 and "8" are none."""
    heads = config.head_width
    for name, values in (
        ("size", config.size if isinstance(config.size, (tuple, list)) else [config.size]),
        *((name, [getattr(config, name)]) for name in ("in_channels", "blocks", "groups")),
        ("channels", config.channels),
        ("head_width", [] if heads is None else [heads]),
        ("classes", [config.classes]),
    ):
        if not all(checks.whole(value) for value in values):
            raise ValueError(f"{name} is {getattr(config, name)!r}; give whole numbers.")
    if not checks.number(config.dropout):
        raise ValueError(f"dropout is {config.dropout!r}; it must be a number.")
    if not all(isinstance(here, bool) for here in config.attention):
        raise ValueError(f"attention is {config.attention}; give True or False for each level.")


def frequencies(count: int, device: torch.device | None = None) -> Tensor:
    """(count,) float32: ω_i = 10000^(-i / (count - 1)), from 1 down to 1/10000."""
    exponent = torch.arange(count, dtype=torch.float32, device=device) / max(count - 1, 1)
    return torch.exp(-math.log(10000) * exponent)  # unet.frequencies


def time_embedding(t: Tensor, dim: int) -> Tensor:
    """Sines and cosines of t at ``dim / 2`` frequencies, as in the Transformer (Vaswani et al.
    2017, section 3.5): sin(ω_i t), then cos(ω_i t)   (``unet.embedding``).

    Args:
        t: (B,) steps.

    Returns:
        (B, dim) float32.
    """
    angle = t[:, None].float() * frequencies(dim // 2, t.device)  # (B, dim / 2)
    return torch.cat([angle.sin(), angle.cos()], dim=1)  # unet.embedding


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    """Start a block's last layer at 0, so that the block starts as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; the time enters as a bias for each channel."""

    def __init__(self, c_in: int, c_out: int, time_dim: int, groups: int, dropout: float) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, c_in, eps=1e-6)
        self.conv1 = nn.Conv2d(c_in, c_out, 3, padding=1)
        self.time = nn.Linear(time_dim, c_out)
        self.norm2 = nn.GroupNorm(groups, c_out, eps=1e-6)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = _zero(nn.Conv2d(c_out, c_out, 3, padding=1))
        self.shortcut = nn.Conv2d(c_in, c_out, 1) if c_in != c_out else nn.Identity()

    def forward(self, x: Tensor, time: Tensor) -> Tensor:  # (B, c_in, H, W), (B, time_dim)
        h = self.conv1(F.silu(self.norm1(x)))
        h = h + self.time(F.silu(time))[:, :, None, None]
        h = self.conv2(self.dropout(F.silu(self.norm2(h))))
        return self.shortcut(x) + h  # (B, c_out, H, W)


class Attention(nn.Module):
    """Self-attention over all H·W positions, around a shortcut: each head looks at channels of its
    own, ``width`` of them; None for one head that looks at all."""

    def __init__(self, channels: int, groups: int, width: int | None = None) -> None:
        super().__init__()
        self.heads = channels // (width or channels)
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = _zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:  # (B, C, H, W)
        qkv = self.qkv(self.norm(x)).flatten(2).unflatten(1, (3, self.heads, -1))
        q, k, v = qkv.transpose(3, 4).unbind(1)  # (B, heads, H·W, width) each
        h = F.scaled_dot_product_attention(q, k, v)  # softmax(q kᵀ / √width) v
        return x + self.out(h.transpose(2, 3).reshape(x.shape))


class Downsample(nn.Module):
    """Half the height and width: a 3x3 convolution with stride 2."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 1, 0, 1)))  # as the paper's code pads


class Upsample(nn.Module):
    """Twice the height and width: repeat each pixel, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))


class Block(nn.ModuleList):
    """A residual block, then self-attention where it is wanted."""

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        residual, attention = self
        return attention(residual(x, time))


class Level(nn.Module):
    """The blocks at one resolution, then the way to the next one."""

    def __init__(self, blocks: Iterable[Block], resize: nn.Module) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.resize = resize


class Down(Level):
    """A level on the way down: each output is also put on the stack."""

    def forward(self, x: Tensor, time: Tensor, stack: list[Tensor]) -> Tensor:
        for block in self.blocks:
            x = block(x, time)
            stack.append(x)
        if isinstance(self.resize, Downsample):
            x = self.resize(x)
            stack.append(x)
        return x


class Up(Level):
    """A level on the way up: each block sees, beside its input, an output of the way down."""

    def forward(self, x: Tensor, time: Tensor, stack: list[Tensor]) -> Tensor:
        for block in self.blocks:
            x = block(torch.cat([x, stack.pop()], dim=1), time)
        return self.resize(x)


class UNet(nn.Module):
    """ε_θ(x_t, t): predicts the noise in x_t.

    On the way down each block's output is put on a stack; on the way up each block takes one off
    and sees it beside its own input. That is how fine detail gets past the narrow middle.
    """

    def __init__(self, config: UNetConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or UNetConfig()
        widths, groups, heads = config.channels, config.groups, config.head_width
        time_dim = 4 * widths[0]
        self.time = nn.Sequential(
            nn.Linear(widths[0], time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim)
        )

        def residual(c_in: int, c_out: int) -> ResidualBlock:
            return ResidualBlock(c_in, c_out, time_dim, groups, config.dropout)

        def block(c_in: int, level: int) -> Block:
            c_out = widths[level]
            attention = (
                Attention(c_out, groups, heads) if config.attention[level] else nn.Identity()
            )
            return Block([residual(c_in, c_out), attention])

        self.conv_in = nn.Conv2d(config.in_channels, widths[0], 3, padding=1)
        width = widths[0]
        skips = [width]  # the widths on the stack

        self.down = nn.ModuleList()
        for level, c_out in enumerate(widths):
            blocks = []
            for _ in range(config.blocks):
                blocks.append(block(width, level))
                width = c_out
                skips.append(width)
            last = level == len(widths) - 1
            self.down.append(Down(blocks, nn.Identity() if last else Downsample(width)))
            if not last:
                skips.append(width)

        self.middle = nn.ModuleList(
            [residual(width, width), Attention(width, groups, heads), residual(width, width)]
        )

        self.up = nn.ModuleList()
        for level, c_out in reversed(list(enumerate(widths))):
            blocks = []
            for _ in range(config.blocks + 1):
                blocks.append(block(width + skips.pop(), level))
                width = c_out
            self.up.append(Up(blocks, Upsample(width) if level else nn.Identity()))
        assert not skips  # the way up took every output of the way down

        self.norm_out = nn.GroupNorm(groups, width, eps=1e-6)
        self.conv_out = _zero(nn.Conv2d(width, config.in_channels, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, condition: Tensor | None = None) -> Tensor:
        """Predict the noise.

        Args:
            x: (B, C, H, W) noised images; H and W can be halved once for each level but the last.
            t: (B,) steps, in 1..T.
            condition: (B, 4 * channels[0]) what else to heed; added to the embedding of the time.

        Returns:
            (B, C, H, W) the predicted noise.

        Raises:
            ValueError: x, t or the condition has a shape that the network cannot take.
        """
        self._check(x, t, condition)
        time = self.time(time_embedding(t, self.config.channels[0]))  # (B, time_dim)
        if condition is not None:
            time = time + condition
        x = self.conv_in(x)

        level: Any  # torch does not tell what its containers hold
        stack = [x]
        for level in self.down:
            x = level(x, time, stack)

        residual, attention, last_residual = self.middle
        x = last_residual(attention(residual(x, time)), time)

        for level in self.up:
            x = level(x, time, stack)
        return self.conv_out(F.silu(self.norm_out(x)))

    def _check(self, x: Tensor, t: Tensor, condition: Tensor | None) -> None:
        channels, halvings = self.config.in_channels, len(self.config.channels) - 1
        checks.floating(x=x)
        if x.ndim != 4 or x.shape[1] != channels:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; this U-Net takes (B, {channels}, H, W)."
            )
        if x.shape[2] % 2**halvings or x.shape[3] % 2**halvings:
            raise ValueError(
                f"x is {x.shape[2]}x{x.shape[3]}, which cannot be halved {halvings} times; "
                f"height and width must be multiples of {2**halvings}."
            )
        found = tuple(t.shape) if isinstance(t, Tensor) else None
        if found != x.shape[:1]:
            what = f"has shape {found}" if found is not None else f"is a {type(t).__name__}"
            raise ValueError(f"t {what}; give one step for each of the {len(x)} images.")
        wanted = (len(x), 4 * self.config.channels[0])
        if condition is not None and condition.shape != wanted:
            raise ValueError(
                f"condition has shape {tuple(condition.shape)}; give {wanted}, as wide as the "
                "embedding of the time."
            )


class Labelled(UNet):
    """ε_θ(x_t, t, c): a U-Net that also heeds a label c in 0..classes - 1.

    Each class has a row of numbers, which is added to the embedding of the time. So has the null
    class, the last one: no label. Training drops some labels, so that the network learns to do
    without one too, as guidance needs it (Ho & Salimans 2022).

    Raises:
        ValueError: the config has no classes.
    """

    def __init__(self, config: UNetConfig) -> None:
        if config.classes < 1:
            raise ValueError("classes is 0; a network for labels needs at least 1.")
        super().__init__(config)
        self.label = nn.Embedding(config.classes + 1, 4 * config.channels[0])

    def forward(self, x: Tensor, t: Tensor, label: Tensor | None = None) -> Tensor:
        """Predict the noise.

        Args:
            x, t: as for ``UNet``.
            label: (B,) int64 in 0..classes, the last for no label; no labels at all when left out.

        Returns:
            (B, C, H, W) the predicted noise.

        Raises:
            ValueError: the labels are not one for each image, or one is of no class.
        """
        if label is None:
            label = torch.full((len(x),), self.config.classes, device=x.device)
        if label.shape != x.shape[:1]:
            raise ValueError(
                f"label has shape {tuple(label.shape)}; give one for each of the {len(x)} images."
            )
        if label.dtype not in (torch.int64, torch.int32):
            raise ValueError(
                f"label has dtype {label.dtype}; classes are counted: use torch.int64."
            )
        # Reading a value back from a GPU would stall it; there, indexing itself checks.
        if (
            label.is_cpu
            and len(label)
            and not 0 <= label.min() <= label.max() <= self.config.classes
        ):
            raise ValueError(
                f"label runs from {label.min()} to {label.max()}; the classes are 0 to "
                f"{self.config.classes - 1}, and {self.config.classes} is none."
            )
        return super().forward(x, t, self.label(label))


def unwrapped(model: nn.Module) -> nn.Module:
    """The network itself, without what torch.compile, ``Quick``, an average or several devices put
    around it: their names for its weights never reach a file."""
    wrappers = (
        nn.DataParallel,
        nn.parallel.DistributedDataParallel,
        torch.optim.swa_utils.AveragedModel,
    )
    while True:
        if isinstance(inner := getattr(model, "_orig_mod", None), nn.Module):  # torch.compile's
            model = inner
        elif isinstance(model, wrappers):
            model = model.module
        elif isinstance(model, Quick):
            model = model.model
        else:
            return model


class Quick(nn.Module):
    """A network made quick for sampling: what goes in and what comes out is float32.

    Args:
        model: the network; its weights are shared, not copied.
        precision: "float32", or "bfloat16" inside the network only.
        compile: fuse it and replay it as one CUDA graph; worth its minute of compiling on CUDA.

    Raises:
        ValueError: another precision.
    """

    def __init__(self, model: nn.Module, precision: str = "float32", compile: bool = False) -> None:
        super().__init__()
        if precision not in ("float32", "bfloat16"):
            raise ValueError(f"precision is {precision!r}; choose 'float32' or 'bfloat16'.")
        self.model, self.low = model, precision == "bfloat16"
        self._run = torch.compile(model, mode="reduce-overhead") if compile else model
        self.eval()  # the network too; and the samplers put back the mode that they find

    def forward(self, x: Tensor, t: Tensor, *label: Tensor) -> Tensor:
        """What the model itself would say, in float32; ``label`` for one that heeds labels."""
        layout = torch.channels_last if x.is_cuda else torch.contiguous_format
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.low):
            return self._run(x.contiguous(memory_format=layout), t, *label).float()
