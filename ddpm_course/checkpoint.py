"""Models on disk: one safetensors file that holds the weights, the schedule and the U-Net's sizes.

A file is written beside its final place and then renamed, so a reader never sees half a file.
Nothing here unpickles: loading a stranger's file cannot run a stranger's code.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

import torch
from torch import Tensor

from ddpm_course.schedule import Schedule
from ddpm_course.unet import UNet, UNetConfig

__all__ = ["halve", "load", "pack", "read", "shipped", "write"]

_MODEL, _BETA, _CONFIG = "model.", "schedule.beta", "unet"


def shipped() -> list[str]:
    """The names of the trained models that come with the package."""
    names = (Path(entry.name) for entry in files("ddpm_course").joinpath("assets").iterdir())
    return sorted(name.stem for name in names if name.suffix == ".safetensors")


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], about: Mapping[str, str]
) -> None:
    """Write ``tensors`` and the notes ``about`` them to ``path``, whole or not at all.

    Raises:
        ValueError: the file cannot be written there; what stood there before still does.
    """
    from safetensors.torch import save_file

    path = Path(path)
    beside = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        save_file({name: t.contiguous() for name, t in tensors.items()}, beside, dict(about))
        os.chmod(beside, 0o666 & ~_umask())  # a temporary file is its owner's alone
        os.replace(beside, path)
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{path} cannot be written ({error}); choose another place.") from error
    finally:
        if beside is not None and os.path.exists(beside):
            os.unlink(beside)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a file, and the notes about them.

    Raises:
        ValueError: the file is missing, cut off, or no safetensors file.
    """
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise ValueError(f"{path} is not there; give a file that a training run has written.")
    try:
        with safe_open(path, framework="pt") as file:
            names = file.keys()
            tensors = {name: file.get_tensor(name) for name in names}
            return tensors, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path} cannot be read as safetensors ({error}); it is cut off or another format: "
            "copy it again, or train again."
        ) from error


def pack(model: UNet, schedule: Schedule) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What ``write`` needs so that ``load`` gives this model and schedule back."""
    tensors = {_MODEL + name: value for name, value in model.state_dict().items()}
    tensors[_BETA] = schedule.beta.cpu()
    return tensors, {_CONFIG: json.dumps(asdict(model.config))}


def halve(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write the model of ``source`` to ``target`` in float16: half the size, for shipping.

    The schedule stays float64. ``load`` gives float32 weights back, rounded to 11 bits.
    """
    tensors, about = pack(*load(source))
    write(target, {k: v if k == _BETA else v.half() for k, v in tensors.items()}, about)


def load(source: str | os.PathLike[str]) -> tuple[UNet, Schedule]:
    """A trained model and its schedule, ready to sample from.

    Args:
        source: the name of a shipped model ("digits"), a run folder, or a safetensors file.

    Returns:
        (model, schedule): a float32 U-Net in evaluation mode, on the CPU.

    Raises:
        ValueError: there is no such model, or its file does not hold one.
    """
    path = Path(source)
    if path.is_dir():
        path = path / "model.safetensors"
    elif str(source) in shipped():
        path = Path(str(files("ddpm_course").joinpath("assets", f"{source}.safetensors")))
    elif not path.exists():
        raise ValueError(
            f"{source} is neither a run folder, nor a file, nor a shipped model "
            f"({', '.join(shipped())})."
        )
    tensors, about = read(path)
    if _CONFIG not in about or _BETA not in tensors:
        raise ValueError(
            f"{path} holds no model of this course; train one with `ddpm-course train`."
        )
    model = UNet(UNetConfig(**json.loads(about[_CONFIG])))
    weights = {
        name.removeprefix(_MODEL): value.float()
        for name, value in tensors.items()
        if name.startswith(_MODEL)
    }
    load_weights(model, weights, path)
    return model.eval(), Schedule(tensors[_BETA])


def load_weights(model: torch.nn.Module, weights: Mapping[str, Tensor], path: object) -> None:
    """Copy ``weights`` into ``model``; every one must be there, in the right shape."""
    own = model.state_dict()
    for name, value in own.items():
        if name not in weights:
            raise ValueError(f"{path} lacks the weight {name}; it belongs to another architecture.")
        if weights[name].shape != value.shape:
            raise ValueError(
                f"{path} holds {name} of shape {tuple(weights[name].shape)}, but the model needs "
                f"{tuple(value.shape)}; it belongs to another architecture."
            )
    if extra := sorted(set(weights) - set(own)):
        raise ValueError(f"{path} holds {extra[0]}, which the model lacks; it is another's.")
    model.load_state_dict(dict(weights))
