"""Models on disk: one safetensors file that holds the weights, the schedule and the U-Net's sizes.

A file is written beside its final place and then renamed, so a reader never sees half a file.
Nothing here unpickles: loading a stranger's file cannot run a stranger's code.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ddpm_course.schedule import Schedule
from ddpm_course.unet import Labelled, UNet, UNetConfig, unwrapped

__all__ = [
    "BETA",
    "asset",
    "beside",
    "halve",
    "known",
    "load",
    "load_weights",
    "pack",
    "read",
    "select",
    "shipped",
    "sizes",
    "try_folder",
    "unpack",
    "write",
]

BETA = "schedule.beta"  # the name of β_0..β_T among the tensors
FLOW, STUDENT = "flow", "student"  # what the file of a flow, or of a student, says of itself
_MODEL, _AVERAGE, _CONFIG = "model.", "ema.", "unet"
_WRAPPERS = re.compile(r"^((_orig_mod|module)\.)+")


def asset(name: str) -> Path:
    """Where the trained model of this name comes with the package."""
    return Path(str(files("ddpm_course").joinpath("assets", f"{name}.safetensors")))


def shipped() -> list[str]:
    """The names of the trained U-Nets that come with the package."""
    from safetensors import safe_open

    names = []
    for path in asset("digits").parent.glob("[!.]*.safetensors"):
        with safe_open(path, framework="pt") as file:
            if _CONFIG in (file.metadata() or {}):  # other networks ship in this folder, too
                names.append(path.stem)
    return sorted(names)


@contextlib.contextmanager
def beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A new file next to ``path`` to write to. If all goes well it takes ``path``'s place.

    Raises:
        ValueError: the file cannot be written there; what stood there before still does.
    """
    path = Path(path)
    try:
        in_the_way = path.is_dir()
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error}); choose another place.") from error
    if in_the_way:
        raise ValueError(f"{path} is a folder; give the name of a file.")
    new = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield new
        new.chmod(0o666 & ~_umask())  # some writers keep what they write from colleagues
        with new.open("rb+") as file:  # Windows syncs only what is open for writing
            os.fsync(file.fileno())  # on the disk before it gets the name, even if power fails
        os.replace(new, path)
    except OSError as error:
        raise ValueError(f"{path} cannot be written ({error}); choose another place.") from error
    finally:
        with contextlib.suppress(OSError):
            new.unlink()  # where an error has left it


def try_folder(folder: str | os.PathLike[str]) -> None:
    """See whether files can be made in a folder, before work begins whose fruit belongs there. A
    folder that is not there yet is made on trial; nothing is left.

    Raises:
        ValueError: no file can be made there.
    """
    folder = Path(folder)
    made: list[Path] = []
    try:
        made = [place for place in (folder, *folder.parents) if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{folder} cannot be written ({error.strerror}); choose another place."
        ) from error
    finally:
        for place in made:
            with contextlib.suppress(OSError):
                place.rmdir()


def _umask() -> int:
    mask = os.umask(0o077)  # it cannot be read without being set
    os.umask(mask)
    return mask


def write(
    path: str | os.PathLike[str], tensors: Mapping[str, Tensor], about: Mapping[str, str]
) -> None:
    """Write ``tensors`` and the notes ``about`` them to ``path``, whole or not at all.

    Raises:
        ValueError: the file cannot be written there; what stood there before still does.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    with beside(path) as new:
        try:
            save_file({name: t.contiguous() for name, t in tensors.items()}, new, dict(about))
        except SafetensorError as error:  # a full disk, for one
            raise OSError(str(error)) from error


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


def pack(model: torch.nn.Module, schedule: Schedule) -> tuple[dict[str, Tensor], dict[str, str]]:
    """What ``write`` needs so that ``load`` gives this model and schedule back."""
    network = unwrapped(model)
    if not isinstance(network, UNet):
        raise ValueError(f"a file holds a UNet, and this model is a {type(network).__name__}.")
    tensors = {_MODEL + name: value for name, value in network.state_dict().items()}
    tensors[BETA] = schedule.beta.to("cpu", torch.float64)
    return tensors, {_CONFIG: json.dumps(asdict(network.config))}


def unpack(
    tensors: Mapping[str, Tensor], about: Mapping[str, str], path: object
) -> tuple[UNet, Schedule]:
    """The model and the schedule that ``pack`` put away; ``path`` is for the error messages.

    Raises:
        ValueError: they are not there, or do not fit together.
    """
    for kind, what, where, draw in (
        (FLOW, "a flow, which says a velocity", "flow", "euler"),
        (STUDENT, "a student, which jumps to the end", "few_steps", "sample"),
    ):
        if kind in about:
            raise ValueError(
                f"{path} holds {what} and has no schedule; load it with `{where}.load`, and draw "
                f"with `{where}.{draw}`."
            )
    config = sizes(about, _CONFIG, path)
    if BETA not in tensors:
        raise ValueError(f"{path} holds no schedule, {BETA}; it is another's.")
    schedule = Schedule(tensors[BETA])
    model = Labelled(config) if config.classes else UNet(config)
    load_weights(model, select(tensors, _MODEL), path)
    return model, schedule


def sizes(about: Mapping[str, str], key: str, path: object) -> UNetConfig:
    """The U-Net's sizes among the notes of a file; ``path`` is for the error messages.

    Raises:
        ValueError: they are none, or a later version has written them.
    """
    try:
        return UNetConfig(**known(json.loads(about[key]), UNetConfig, path))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{path} holds no model of this course; train one with `ddpm-course train`."
        ) from error


def known(fields: dict[str, Any], kind: type, path: object) -> dict[str, Any]:
    """The fields of a config in a file, when this version knows them all.

    Raises:
        ValueError: a later version has written one that is not known here.
    """
    from ddpm_course import __version__

    ours = set(kind.__dataclass_fields__)  # type: ignore[attr-defined] # a dataclass's
    unknown = sorted(set(fields) - ours)
    if unknown and not ours.isdisjoint(fields):  # with none of ours, it is no config of this course
        raise ValueError(
            f"{path} has {unknown[0]!r}, which this version ({__version__}) does not know; a later "
            "one has written it: upgrade ddpm-course."
        )
    return fields


def halve(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Write the model of ``source`` to ``target`` in float16: half the size, for shipping.

    The schedule stays float64. ``load`` gives float32 weights back, rounded to 11 bits.
    """
    tensors, about = pack(*load(source))
    write(target, {k: v if k == BETA else v.half() for k, v in tensors.items()}, about)


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
    try:
        path.exists()
    except OSError as error:  # a name that is too long
        raise ValueError(f"{source} cannot be looked up ({error}).") from error
    if path.is_dir():
        path = path / "model.safetensors"
    elif str(source) in shipped():
        path = asset(str(source))
    elif not path.exists():
        raise ValueError(
            f"{source} is neither a run folder, nor a file, nor a shipped model "
            f"({', '.join(shipped())})."
        )
    tensors, about = read(path)
    # The checkpoint of a run holds the live weights and their average: the one to sample from.
    if average := select(tensors, _AVERAGE):
        tensors |= {_MODEL + name: value for name, value in average.items()}
    model, schedule = unpack(tensors, about, path)
    return model.eval(), schedule


def select(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors whose names start with ``prefix``, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }


def load_weights(
    model: torch.nn.Module, weights: Mapping[str, Tensor], path: object = "the state"
) -> None:
    """Copy ``weights`` into ``model``; every one must be there, in the right shape. What
    torch.compile or several devices put before the names comes off."""
    own = model.state_dict()
    if own.keys().isdisjoint(weights):
        weights = {_WRAPPERS.sub("", name): value for name, value in weights.items()}
    for name, value in own.items():
        if name not in weights:
            raise ValueError(f"{path} lacks the weight {name}; it belongs to another architecture.")
        if weights[name].shape != value.shape:
            raise ValueError(
                f"{path} holds {name} of shape {tuple(weights[name].shape)}, but the model needs "
                f"{tuple(value.shape)}; it belongs to another architecture."
            )
        if weights[name].is_floating_point() != value.is_floating_point():
            raise ValueError(
                f"{path} holds {weights[name].dtype} in {name}, but the model needs {value.dtype}; "
                "it is damaged: copy it again, or train again."
            )
        if not weights[name].isfinite().all():
            raise ValueError(
                f"{path} holds numbers that are not finite in {name}; it is damaged: "
                "copy it again, or train again."
            )
    if extra := sorted(set(weights) - set(own)):
        raise ValueError(f"{path} holds {extra[0]}, which the model lacks; it is another's.")
    model.load_state_dict(dict(weights))
