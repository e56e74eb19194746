"""The worked example: a small network of its own, trained on the digits for a minute on one core.

Run it with ``python train.py``: it writes samples.npy, weights.safetensors, losses.csv and
samples.png, and beside them last-weights.npy, the samples without the average of the weights.
"""

import csv
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from ddpm_course import Schedule, data

HERE = Path(__file__).parent
T, WIDTH, UPDATES, BATCH, DECAY = 100, 192, 5_000, 128, 0.998
torch.manual_seed(0)


class Network(nn.Module):
    """ε_θ(x_t, t) of 8 x 8 images without convolutions: 64 numbers and 32 waves of t go in."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(64 + 32, WIDTH)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(WIDTH), nn.Linear(WIDTH, WIDTH), nn.SiLU())
            for _ in range(3)
        )
        self.last = nn.Linear(WIDTH, 64)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        waves = t[:, None] / T * torch.pi * 2 ** torch.linspace(-1, 6, 16)
        h = self.first(torch.cat([x, waves.sin(), waves.cos()], 1))
        for block in self.blocks:
            h = h + block(h)
        return self.last(h)


def train(model: Network, average: Network, alpha_bar: Tensor) -> list[float]:
    x, losses = data.digits("train").flatten(1), []
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, UPDATES)
    for _ in range(UPDATES):
        x_0 = x[torch.randint(len(x), (BATCH,))]
        t, eps = torch.randint(1, T + 1, (BATCH,)), torch.randn(BATCH, 64)
        share = alpha_bar[t][:, None]
        x_t = share.sqrt() * x_0 + (1 - share).sqrt() * eps
        loss = ((eps - model(x_t, t)) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        falling.step()
        with torch.no_grad():
            for kept, new in zip(average.parameters(), model.parameters(), strict=True):
                kept.lerp_(new, 1 - DECAY)
        losses.append(loss.item())
    return losses


@torch.no_grad()
def sample(model: Network, count: int, alpha_bar: Tensor) -> Tensor:
    x = torch.randn(count, 64)
    for t in range(T, 0, -1):
        now, before = alpha_bar[t], alpha_bar[t - 1]
        beta = 1 - now / before
        eps_hat = model(x, torch.full((count,), t))
        x0_hat = ((x - (1 - now).sqrt() * eps_hat) / now.sqrt()).clamp(-1, 1)
        mean = before.sqrt() * beta * x0_hat + (1 - beta).sqrt() * (1 - before) * x
        spread = (beta * (1 - before) / (1 - now)).sqrt()
        x = mean / (1 - now) + spread * torch.randn_like(x)
    return x.clamp(-1, 1).view(-1, 1, 8, 8)


def main() -> None:
    alpha_bar = Schedule.cosine(T).alpha_bar.float()
    model, average = Network(), Network()
    average.load_state_dict(model.state_dict())
    losses = train(model, average, alpha_bar)
    drawn = sample(average, 500, alpha_bar)
    for name, images in (("samples", drawn), ("last-weights", sample(model, 500, alpha_bar))):
        np.save(HERE / f"{name}.npy", ((images + 1) * 127.5).round().to(torch.uint8).numpy())
    save_file(average.state_dict(), HERE / "weights.safetensors")
    with (HERE / "losses.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["step", "loss"])
        for step in range(100, UPDATES + 1, 100):  # the mean of each hundred
            rows.writerow([step, f"{np.mean(losses[step - 100 : step]):.5f}"])
    figure, (left, right) = plt.subplots(1, 2, figsize=(8, 2.4), width_ratios=(1.6, 1))
    framed = nn.functional.pad(drawn[:60], (1, 1, 1, 1), value=-1)
    left.imshow(framed.view(5, 12, 10, 10).permute(0, 2, 1, 3).reshape(50, 120), cmap="gray")
    left.axis("off")
    right.plot(range(100, UPDATES + 1, 100), np.reshape(losses, (-1, 100)).mean(1))
    right.set(xlabel="updates", ylabel="loss", yscale="log")
    figure.tight_layout()
    figure.savefig(HERE / "samples.png", dpi=100)


if __name__ == "__main__":
    main()
