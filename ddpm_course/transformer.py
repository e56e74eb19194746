"""Another body: a Transformer that says the noise, on patches of the picture (Peebles & Xie 2023,
arXiv:2212.09748). Nothing in it knows that neighboring patches are neighbors; it has to learn it.

    >>> from ddpm_course import transformer
    >>> network, schedule = transformer.load()
    >>> sum(p.numel() for p in network.parameters())
    708964
"""

from __future__ import annotations

import os

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ddpm_course import checkpoint, checks
from ddpm_course.data import digits
from ddpm_course.schedule import Schedule
from ddpm_course.trainer import TrainConfig, Trainer
from ddpm_course.unet import time_embedding

__all__ = ["Block", "Transformer", "load", "modulate", "save", "train"]

COMMAND = "from ddpm_course import transformer as f; f.save(f.train(), 'transformer.safetensors')"


def modulate(h: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """(1 + scale) h + shift, one shift and scale for each channel (``unet.adaptive``).

    Args:
        h: (B, N, W) normalized tokens.
        shift, scale: (B, W).
    """
    return h * (1 + scale[:, None]) + shift[:, None]  # unet.adaptive


class Block(nn.Module):
    """Attention between the tokens, then a small network for each, both around a shortcut. The time
    scales and shifts what goes in, and opens the gate of what comes out; each gate starts shut."""

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)  # the time sets both
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(4 * width, width)
        )
        self.adapt = nn.Linear(width, 6 * width)
        nn.init.zeros_(self.adapt.weight)
        nn.init.zeros_(self.adapt.bias)

    def forward(self, h: Tensor, time: Tensor) -> Tensor:  # (B, N, W), (B, W)
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = self.adapt(time).chunk(6, 1)
        h = h + gate_1[:, None] * self.attend(modulate(self.norm(h), shift_1, scale_1))
        return h + gate_2[:, None] * self.wide(modulate(self.norm(h), shift_2, scale_2))

    def attend(self, h: Tensor) -> Tensor:
        q, k, v = self.qkv(h).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Transformer(nn.Module):
    """ε_θ(x_t, t) for pictures of one channel: each patch a token, and each token a place.

    Raises:
        ValueError: the picture cannot be cut into such patches, or the width into the heads.
    """

    def __init__(
        self,
        size: int = 8,
        patch: int = 2,
        width: int = 96,
        depth: int = 4,
        heads: int = 4,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if size % patch or width % heads or width % 2:
            raise ValueError(
                f"size {size}, patch {patch}, width {width} and heads {heads} do not fit: give a "
                "size that is a multiple of the patch, and an even width, a multiple of the heads."
            )
        self.size, self.patch, self.width = size, patch, width
        self.place = nn.Parameter(0.02 * torch.randn((size // patch) ** 2, width))
        self.embed = nn.Linear(patch**2, width)
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(depth))
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.adapt, self.out = nn.Linear(width, 2 * width), nn.Linear(width, patch**2)
        for layer in (self.adapt, self.out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Predict the noise in x (B, 1, size, size) at the steps t (B,)."""
        if x.shape[1:] != (1, self.size, self.size):
            raise ValueError(
                f"x has shape {tuple(x.shape)}; it must be (B, 1, {self.size}, {self.size})."
            )
        time = F.silu(self.time(time_embedding(t, self.width)))
        h = self.embed(F.unfold(x, self.patch, stride=self.patch).transpose(1, 2)) + self.place
        for block in self.blocks:
            h = block(h, time)
        h = self.out(modulate(self.norm(h), *self.adapt(time).chunk(2, 1)))
        return F.fold(h.transpose(1, 2), self.size, self.patch, stride=self.patch)


def train(seed: int = 0, config: TrainConfig | None = None, progress: bool = True) -> Transformer:
    """The Transformer of the digits: as many steps as the U-Net had, on the same batches."""
    from dataclasses import replace

    from tqdm.auto import tqdm

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(checks.seed(seed))
        network = Transformer()
    config = replace(config or TrainConfig(steps=5000, learning_rate=1e-3), seed=seed, device="cpu")
    trainer = Trainer(network, Schedule.cosine(250), digits("train"), config)
    for _ in tqdm(trainer.steps(), total=config.steps, desc="transformer", disable=not progress):
        pass
    average = trainer.ema.module
    assert isinstance(average, Transformer)
    return average


def save(model: Transformer, path: str | os.PathLike[str]) -> None:
    """Write the digits' Transformer to a safetensors file, in float16."""
    checkpoint.write(
        path, {k: v.half() for k, v in model.state_dict().items()}, {"transformer": "1"}
    )


def load(path: str | os.PathLike[str] | None = None) -> tuple[Transformer, Schedule]:
    """The digits' Transformer in a file that ``save`` wrote (without one, the one that ships), and
    its schedule.

    Raises:
        ValueError: the file is not there, or holds no Transformer.
    """
    path = path or checkpoint.asset("transformer")
    tensors, about = checkpoint.read(path)
    if "transformer" not in about:
        raise ValueError(f'{path} holds no Transformer; train one: `python -c "{COMMAND}"`.')
    model = Transformer()
    checkpoint.load_weights(model, tensors, path)
    return model.eval(), Schedule.cosine(250)
