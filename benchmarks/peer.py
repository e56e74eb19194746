"""The peer: diffusers' ``UNet2DModel``, trained as its own example for unconditional images does
(AdamW, EMAModel, cosine schedule with warm-up, gradient clipping, ``add_noise``, Accelerate)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.optimization import get_cosine_schedule_with_warmup
from diffusers.training_utils import EMAModel
from torch import Tensor

CIFAR10: dict[str, Any] = {
    "sample_size": 32,
    "in_channels": 3,
    "out_channels": 3,
    "block_out_channels": (128, 256, 256, 256),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "attention_head_dim": None,
    "norm_num_groups": 32,
    "norm_eps": 1e-6,
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "dropout": 0.1,
}
DIGITS: dict[str, Any] = {
    "sample_size": 8,
    "in_channels": 1,
    "out_channels": 1,
    "block_out_channels": (32, 64),
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "norm_num_groups": 8,
}


class Peer:
    """diffusers' network and its training loop."""

    def __init__(
        self,
        sizes: dict[str, Any],
        data: Tensor,
        steps: int,
        batch_size: int,
        learning_rate: float,
        warmup: int,
        ema_decay: float,
        precision: str = "float32",
        channels_last: bool = False,
        compile: bool = False,
    ) -> None:
        self.data, self.batch_size = data, batch_size
        self.device, self.low = data.device, precision == "bfloat16"
        self.model: Any = UNet2DModel(**sizes).to(self.device)
        if channels_last:
            self.model.to(memory_format=torch.channels_last)
        self.channels_last = channels_last
        self.ema = EMAModel(
            self.model.parameters(),
            decay=ema_decay,
            use_ema_warmup=True,
            inv_gamma=1.0,
            power=3 / 4,
            foreach=True,
        )
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), learning_rate, weight_decay=0.0, fused=True
        )
        self.rate = get_cosine_schedule_with_warmup(self.optimizer, warmup, steps)
        self.scheduler = DDPMScheduler(1000)
        self.forward = torch.compile(self.model) if compile else self.model

    def autocast(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16) if self.low else nullcontext()

    def steps(self, seconds: float = float("inf")) -> Iterator[Tensor]:
        """One loss a step, until ``seconds`` of training have passed."""
        self.model.train()
        spent, order = 0.0, torch.empty(0, dtype=torch.int64)
        while spent < seconds:
            start = time.perf_counter()
            if len(order) < self.batch_size:
                order = torch.randperm(len(self.data))
            x_0 = self.data[order[: self.batch_size].to(self.device)]
            order = order[self.batch_size :]
            if self.channels_last:
                x_0 = x_0.contiguous(memory_format=torch.channels_last)
            eps = torch.randn_like(x_0)
            t = torch.randint(0, 1000, (len(x_0),), device=self.device)
            x_t = self.scheduler.add_noise(x_0, eps, t)
            with self.autocast():
                loss = F.mse_loss(self.forward(x_t, t).sample.float(), eps)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.rate.step()
            self.optimizer.zero_grad()
            self.ema.step(self.model.parameters())
            spent += time.perf_counter() - start
            yield loss.detach()

    @torch.no_grad()
    def sample(self, num: int, sampler: str, steps: int, seed: int, batch_size: int) -> Tensor:
        """(num, C, H, W) samples of the averaged model, by diffusers' own scheduler."""
        self.ema.store(self.model.parameters())
        self.ema.copy_to(self.model.parameters())
        self.model.eval()
        kind = DDPMScheduler if sampler == "ancestral" else DDIMScheduler
        scheduler: Any = kind(1000)
        scheduler.set_timesteps(steps)
        generator = torch.Generator(self.device).manual_seed(seed)
        batches = []
        for start in range(0, num, batch_size):
            shape = (min(batch_size, num - start), *self.data.shape[1:])
            x = torch.randn(shape, generator=generator, device=self.device)
            for t in scheduler.timesteps:
                with self.autocast():
                    eps = self.forward(x, t).sample.float()
                x = scheduler.step(eps, t, x, generator=generator).prev_sample
            batches.append(x.cpu())
        self.ema.restore(self.model.parameters())
        return torch.cat(batches)
