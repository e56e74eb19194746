"""To and from other libraries: diffusers' ``UNet2DModel``, and the Hugging Face Hub.

diffusers counts timesteps from 0, so its network is given t - 1 where ours is given the paper's t.
Sines and cosines of t - 1 are a rotation of those of t, frequency by frequency:

    sin(ω(t - 1)) = cos ω · sin(ωt) - sin ω · cos(ωt)
    cos(ω(t - 1)) = sin ω · sin(ωt) + cos ω · cos(ωt)

and a rotation before a linear layer is part of that layer: W R e(t) with W R in place of W. So the
converted network answers at our t what theirs answers at t - 1, exactly.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn

from ddpm_course import checks
from ddpm_course.checkpoint import known, load_weights, read, try_folder
from ddpm_course.schedule import Schedule
from ddpm_course.unet import UNet, UNetConfig, frequencies, unwrapped

if TYPE_CHECKING:
    from diffusers import UNet2DModel

__all__ = ["HubUNet", "Wrapped", "from_diffusers", "to_diffusers"]

_FIRST = "time.0.weight"  # the layer that the sines and cosines go into

# What every network of ours has in diffusers' terms. A model that differs here is wrapped.
_FIXED = {
    "act_fn": "silu",
    "add_attention": True,
    "attn_norm_num_groups": None,
    "center_input_sample": False,
    "class_embed_type": None,
    "downsample_padding": 0,
    "downsample_type": "conv",
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-6,
    "num_class_embeds": None,
    "resnet_time_scale_shift": "default",
    "time_embedding_type": "positional",
    "upsample_type": "conv",
}


def from_diffusers(source: UNet2DModel | str | os.PathLike[str]) -> UNet | Wrapped:
    """A network that answers at our t what a ``UNet2DModel`` answers at t - 1.

    Args:
        source: the model, or a folder or a name on the Hub in the diffusers format, such as
            "google/ddpm-cifar10-32"; only safetensors are read.

    Returns:
        In evaluation mode, our U-Net with the model's weights; or, where the model has a part that
        ours lacks, the model itself, ``Wrapped``: it samples and can be evaluated as ours can.

    Raises:
        ValueError: the model cannot be had, or predicts something else than the noise in one image.
    """
    given: Any = _load(source) if isinstance(source, (str, os.PathLike)) else source
    theirs: Any = unwrapped(given) if isinstance(given, nn.Module) else given
    own = getattr(theirs, "config", None)
    config = dict(own) if isinstance(own, dict) else {}
    if not {"down_block_types", "sample_size"} <= set(config):
        raise ValueError(f"this is a {type(theirs).__name__}; give a UNet2DModel of diffusers.")
    if config["in_channels"] != config["out_channels"]:
        raise ValueError(
            f"the model takes {config['in_channels']} channels and gives "
            f"{config['out_channels']}; a network for the noise gives as many as it takes."
        )
    for name in ("class_embed_type", "num_class_embeds"):
        if config.get(name) is not None:
            raise ValueError(
                f"{name} is {config[name]!r}; the model needs labels, and only those that need "
                "none are taken."
            )
    sizes = _sizes(theirs)
    if sizes is None:
        return Wrapped(theirs).eval()
    ours = UNet(sizes)
    parts, weights = theirs.state_dict(), {}
    for name, value in ours.state_dict().items():
        # One convolution of ours makes q, k and v; diffusers has a linear layer for each.
        joined = torch.cat([parts.pop(part) for part in _their_names(name)])
        weights[name] = joined.reshape(value.shape)
    assert not parts, f"{next(iter(parts))} was left"
    weights[_FIRST] = _turn(weights[_FIRST], by=-1)
    ours.load_state_dict(weights)
    return ours.eval()


class Wrapped(nn.Module):
    """A ``UNet2DModel`` behind our call: ε_θ(x_t, t) with t in 1..T, diffusers' timestep t - 1."""

    def __init__(self, model: UNet2DModel) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """(B, C, H, W) the predicted noise, for x (B, C, H, W) and t (B,).

        Raises:
            ValueError: x or t has another shape, or x is not floating point.
        """
        checks.floating(x=x)
        channels = self.model.config.in_channels
        if x.ndim != 4 or x.shape[1] != channels:
            raise ValueError(
                f"x has shape {tuple(x.shape)}; this model takes (B, {channels}, H, W)."
            )
        if not isinstance(t, Tensor) or t.shape != x.shape[:1]:
            raise ValueError(f"t must be a tensor with one step for each of the {len(x)} images.")
        return self.model(x, t - 1).sample


def _sizes(theirs: Any) -> UNetConfig | None:
    """The config of our U-Net that has a model's parts, and no other; None where there is none."""
    config = dict(theirs.config)
    widths, kinds = tuple(config["block_out_channels"]), {"DownBlock2D", "AttnDownBlock2D"}
    down = list(config["down_block_types"])
    mirror = [name.replace("Up", "Down") for name in reversed(config["up_block_types"])]
    middle = config.get("mid_block_type", "UNetMidBlock2D")
    plain = all(config.get(name, value) == value for name, value in _FIXED.items())
    if not plain or down != mirror or not kinds.issuperset(down) or middle != "UNetMidBlock2D":
        return None
    size = config["sample_size"] or 2 ** (len(widths) - 1)
    return UNetConfig(
        size=size if isinstance(size, int) else tuple(size),
        in_channels=config["in_channels"],
        channels=widths,
        blocks=config["layers_per_block"],
        attention=tuple("Attn" in name for name in down),
        groups=config["norm_num_groups"],
        dropout=config["dropout"],
        head_width=config["attention_head_dim"],
    )


def to_diffusers(
    model: UNet,
    schedule: Schedule | None = None,
    folder: str | os.PathLike[str] | None = None,
) -> UNet2DModel:
    """A ``UNet2DModel`` with the weights of our U-Net, the inverse of ``from_diffusers``.

    Args:
        model: our network.
        schedule: what it was trained with; needed for a folder.
        folder: where a pipeline is written, with safetensors: ``DDPMPipeline.from_pretrained``
            opens it and samples, with ``num_inference_steps=schedule.T``.

    Returns:
        The model in evaluation mode: at the timestep t - 1 it answers what ours answers at t.

    Raises:
        ValueError: a folder without a schedule, one that exists already, or that cannot be made.
    """
    from diffusers import UNet2DModel

    model = _unet(model)
    if folder is not None:  # refused before the work
        folder = Path(folder)
        if schedule is None:
            raise ValueError(
                "a pipeline needs the schedule; give it as well: to_diffusers(model, schedule, "
                "folder)."
            )
        if folder.exists():
            raise ValueError(f"{folder} exists already; name a new folder.")
        try_folder(folder.parent)
    config = model.config
    names = [("Attn" if wanted else "") + "DownBlock2D" for wanted in config.attention]
    theirs: Any = UNet2DModel(
        **_FIXED,
        sample_size=config.size,
        in_channels=config.in_channels,
        out_channels=config.in_channels,
        block_out_channels=config.channels,
        layers_per_block=config.blocks,
        down_block_types=tuple(names),
        up_block_types=tuple(name.replace("Down", "Up") for name in reversed(names)),
        norm_num_groups=config.groups,
        attention_head_dim=config.head_width,
        dropout=config.dropout,
    )
    own = model.state_dict()
    own[_FIRST] = _turn(own[_FIRST], by=1)
    shapes, weights = theirs.state_dict(), {}
    for name, value in own.items():
        parts = _their_names(name)
        for part, piece in zip(parts, value.chunk(len(parts)), strict=True):
            weights[part] = piece.reshape(shapes[part].shape)
    theirs.load_state_dict(weights)
    theirs.eval()
    if folder is not None and schedule is not None:
        _write_pipeline(theirs, schedule, Path(folder))
    return theirs


def _write_pipeline(theirs: Any, schedule: Schedule, folder: Path) -> None:
    from diffusers import DDPMPipeline, DDPMScheduler

    scheduler = DDPMScheduler(
        num_train_timesteps=schedule.T,
        trained_betas=schedule.beta[1:].tolist(),
        variance_type="fixed_small",  # σ_t² = β̃_t, as our samplers do unless told
        clip_sample=True,
    )
    beside = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        pipeline: Any = DDPMPipeline(unet=theirs, scheduler=scheduler)
        pipeline.save_pretrained(beside)
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _load(source: str | os.PathLike[str]) -> UNet2DModel:
    try:
        from diffusers import UNet2DModel
    except ImportError as error:
        raise ValueError("diffusers is not installed; run `pip install diffusers`.") from error
    inside = {"subfolder": "unet"} if (Path(source) / "unet").is_dir() else {}
    try:
        return UNet2DModel.from_pretrained(source, use_safetensors=True, **inside)
    except (OSError, ValueError, RuntimeError, TypeError) as error:  # the last: of wrong sizes
        raise ValueError(
            f"{source} cannot be read as a diffusers model with safetensors weights ({error}); "
            "give its folder, or its name on the Hugging Face Hub."
        ) from error


def _unet(model: nn.Module) -> UNet:
    network = unwrapped(model)
    if not isinstance(network, UNet):
        raise ValueError(f"this model is a {type(network).__name__}; give a UNet.")
    if network.config.classes:
        raise ValueError("this model needs labels, and only those that need none are taken.")
    return network


def _turn(weight: Tensor, by: int) -> Tensor:
    """W R: the first layer of the time embedding for t + ``by`` in place of t, in float64."""
    omega = frequencies(weight.shape[1] // 2).double()
    cos, sin = (by * omega).cos(), (by * omega).sin()
    for_sin, for_cos = weight.double().chunk(2, dim=1)
    turned = [for_sin * cos - for_cos * sin, for_sin * sin + for_cos * cos]
    return torch.cat(turned, dim=1).to(weight.dtype)


# Our names and diffusers', part by part. Those of a block's layers follow those of the block.
_RENAMED = [
    (r"^(down|up)\.(\d+)\.blocks\.(\d+)\.0", r"\1_blocks.\2.resnets.\3"),
    (r"^(down|up)\.(\d+)\.blocks\.(\d+)\.1", r"\1_blocks.\2.attentions.\3"),
    (r"^(down|up)\.(\d+)\.resize", r"\1_blocks.\2.\1samplers.0"),
    (r"^middle\.0", "mid_block.resnets.0"),
    (r"^middle\.1", "mid_block.attentions.0"),
    (r"^middle\.2", "mid_block.resnets.1"),
    (r"^time\.0", "time_embedding.linear_1"),
    (r"^time\.2", "time_embedding.linear_2"),
    (r"^norm_out", "conv_norm_out"),
    (r"(resnets\.\d+)\.time", r"\1.time_emb_proj"),
    (r"(resnets\.\d+)\.shortcut", r"\1.conv_shortcut"),
    (r"(attentions\.\d+)\.norm", r"\1.group_norm"),
    (r"(attentions\.\d+)\.out", r"\1.to_out.0"),
]


def _their_names(ours: str) -> list[str]:
    """diffusers' name of our weight, or of the three parts that it has there."""
    for pattern, replacement in _RENAMED:
        ours = re.sub(pattern, replacement, ours)
    return [ours.replace("qkv", f"to_{part}") for part in "qkv"] if "qkv" in ours else [ours]


class HubUNet(UNet, PyTorchModelHubMixin, tags=["ddpm"]):
    """A ``UNet`` with ``save_pretrained``, ``push_to_hub`` and ``from_pretrained``.

    >>> import tempfile
    >>> from ddpm_course.checkpoint import load
    >>> from ddpm_course.interop import HubUNet
    >>> model, schedule = load("digits")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     HubUNet.of(model).save_pretrained(folder)
    ...     same = HubUNet.from_pretrained(folder)
    Loading weights from local directory
    >>> same.config == model.config
    True

    Weights are safetensors; pickles, which can run a stranger's code, are refused.

    Args:
        sizes: the fields of ``UNetConfig``.

    Raises:
        ValueError: there are others among them, as of a later version, or they do not fit together.
    """

    def __init__(self, **sizes: Any) -> None:
        try:
            super().__init__(UNetConfig(**known(sizes, UNetConfig, "the model's config.json")))
        except TypeError as error:
            raise ValueError(f"these are no sizes of a UNet ({error}).") from error

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **options: Any) -> HubUNet:
        """The model of a folder, or of a name on the Hub, in evaluation mode.

        Raises:
            ValueError: its config.json or its weights are damaged, or not those of a UNet.
        """
        source = pretrained_model_name_or_path
        try:
            return super().from_pretrained(source, **options)
        except (json.JSONDecodeError, UnicodeDecodeError, AttributeError) as error:  # no object
            raise ValueError(
                f"config.json of {source} holds no sizes of a UNet ({error}); copy it again."
            ) from error
        except ValueError as error:  # what does not fit is known where its place is not
            raise ValueError(f"{source}: {error}") from error

    @classmethod
    def of(cls, model: UNet) -> HubUNet:
        """A copy of ``model`` that can be shared."""
        model = _unet(model)
        copy = cls(**asdict(model.config))
        copy.load_state_dict(model.state_dict())
        return copy.eval()

    @classmethod
    def _load_as_safetensor(  # type: ignore[override]
        cls, model: HubUNet, model_file: str, map_location: str, strict: bool
    ) -> HubUNet:
        load_weights(model, read(model_file)[0], model_file)  # all of them, strict or not
        return model.to(map_location).eval()

    @classmethod
    def _load_as_pickle(cls, model: Any, model_file: str, *_: object) -> Any:
        raise ValueError(f"{model_file} is a pickle; ask its author for model.safetensors.")
