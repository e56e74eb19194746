"""What every benchmark notes down: the machine, the versions, and a JSON file."""

from __future__ import annotations

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).parent / "results"


def machine(device: torch.device) -> dict[str, Any]:
    cpu = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).exists():
        names = [line for line in info.read_text().splitlines() if line.startswith("model name")]
        cpu = f"{names[0].split(':')[1].strip()} x {len(names)}" if names else cpu
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu,
        "threads": torch.get_num_threads(),
        **{name: version(name) for name in ("torch", "diffusers")},
    }


def write(name: str, device: torch.device, figures: dict[str, Any]) -> None:
    """Print the figures, and keep them in results/NAME-DEVICE.json."""
    figures = {"machine": machine(device), **figures}
    text = json.dumps(figures, indent=2)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}-{device.type}.json").write_text(text + "\n")
    print(text)
