"""Between libraries: the same network, the same answers."""

import pickle

import pytest
import torch
from diffusers import UNet2DModel
from safetensors.torch import load_file, save_file

from ddpm_course import UNet, UNetConfig, interop

# What google/ddpm-cifar10-32 has in its config.json.
GOOGLE = {
    "act_fn": "silu",
    "attention_head_dim": None,
    "block_out_channels": (128, 256, 256, 256),
    "center_input_sample": False,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
    "in_channels": 3,
    "layers_per_block": 2,
    "mid_block_scale_factor": 1,
    "norm_eps": 1e-06,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 32,
    "time_embedding_type": "positional",
    "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
}
THEIRS = {
    "google/ddpm-cifar10-32": {},
    "digits": {
        "block_out_channels": (32, 64),
        "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
        "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        "in_channels": 1,
        "out_channels": 1,
        "layers_per_block": 1,
        "norm_num_groups": 8,
        "sample_size": 8,
    },
    "narrowing, attention everywhere": {
        "block_out_channels": (24, 16, 8),
        "down_block_types": ("AttnDownBlock2D",) * 3,
        "up_block_types": ("AttnUpBlock2D",) * 3,
        "layers_per_block": 3,
        "norm_num_groups": 4,
        "sample_size": 16,
    },
    "one level": {
        "block_out_channels": (16,),
        "down_block_types": ("DownBlock2D",),
        "up_block_types": ("UpBlock2D",),
        "norm_num_groups": 16,
        "sample_size": 8,
    },
}


@pytest.fixture(params=THEIRS)
def theirs(request) -> UNet2DModel:
    torch.manual_seed(0)
    return randomized(UNet2DModel(**GOOGLE | THEIRS[request.param])).eval()


def randomized(model: torch.nn.Module) -> torch.nn.Module:
    """No weight at 0 or 1, so that none can be left out or swapped unseen."""
    with torch.no_grad():
        for value in model.parameters():
            if bool((value == value.flatten()[0]).all()):
                value.add_(0.02 * torch.randn(value.shape))
    return model


def batch(config: UNetConfig) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(4, config.in_channels, config.size, config.size)
    return x, torch.tensor([1, 2, 500, 1000])


@torch.no_grad()
def test_from_diffusers_answers_alike(theirs):
    ours = interop.from_diffusers(theirs)
    assert ours.config.channels == theirs.config.block_out_channels
    x, t = batch(ours.config)
    expected = theirs(x, t - 1).sample
    assert expected.std() > 0.05
    torch.testing.assert_close(ours(x, t), expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_to_diffusers_answers_alike(theirs):
    ours = randomized(UNet(interop.from_diffusers(theirs).config)).eval()
    back = interop.to_diffusers(ours)
    assert back.config.block_out_channels == theirs.config.block_out_channels
    x, t = batch(ours.config)
    torch.testing.assert_close(back(x, t - 1).sample, ours(x, t), rtol=0, atol=1e-5)


def test_there_and_back_again():
    torch.manual_seed(0)
    model = randomized(UNet(UNetConfig.digits()))
    again = interop.from_diffusers(interop.to_diffusers(model))
    assert again.config == model.config
    for name, value in model.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, rtol=1e-6, atol=1e-6)


def test_the_published_size():
    model = UNet2DModel(**GOOGLE)
    assert interop.from_diffusers(model).config == UNetConfig(
        **{**vars(UNetConfig.cifar10()), "dropout": 0.0}
    )
    assert sum(p.numel() for p in model.parameters()) == 35_746_307


def test_from_a_folder(tmp_path):
    theirs = UNet2DModel(**GOOGLE | THEIRS["digits"])
    theirs.save_pretrained(tmp_path / "model")
    theirs.save_pretrained(tmp_path / "pipeline" / "unet")
    expected = interop.from_diffusers(theirs).state_dict()
    for folder in ("model", "pipeline"):
        for name, value in interop.from_diffusers(tmp_path / folder).state_dict().items():
            assert torch.equal(value, expected[name])


class Bomb:
    def __reduce__(self):
        return exec, ("raise SystemExit('the pickle ran')",)


def test_a_folder_of_pickles_is_refused(tmp_path):
    UNet2DModel(**GOOGLE | THEIRS["digits"]).save_pretrained(tmp_path)
    (tmp_path / "diffusion_pytorch_model.safetensors").unlink()
    (tmp_path / "diffusion_pytorch_model.bin").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(ValueError, match="cannot be read as a diffusers model with safetensors"):
        interop.from_diffusers(tmp_path)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"attention_head_dim": 8}, r"attentions\.0 has 8 heads; our attention has one"),
        ({"flip_sin_to_cos": True}, "flip_sin_to_cos is True; our U-Net has False alone"),
        ({"freq_shift": 0}, "freq_shift is 0; our U-Net has 1 alone"),
        ({"norm_eps": 1e-5}, "norm_eps is 1e-05"),
        ({"out_channels": 2}, "takes 1 channels and gives 2"),
        ({"down_block_types": ("DownBlock2D", "SkipDownBlock2D")}, "has a SkipDownBlock2D"),
        ({"up_block_types": ("UpBlock2D", "AttnUpBlock2D")}, "attention sits at other levels"),
        ({"num_class_embeds": 10}, "num_class_embeds is 10"),
    ],
)
def test_parts_that_ours_lacks_are_named(changes, sentence):
    theirs = UNet2DModel(**GOOGLE | THEIRS["digits"] | changes)
    with pytest.raises(ValueError, match=sentence):
        interop.from_diffusers(theirs)


def test_the_hub_format(tmp_path):
    torch.manual_seed(0)
    model = randomized(UNet(UNetConfig.digits()))
    interop.HubUNet.of(model).save_pretrained(tmp_path)
    assert {file.suffix for file in tmp_path.iterdir()} == {".json", ".safetensors", ".md"}
    loaded = interop.HubUNet.from_pretrained(str(tmp_path))
    assert loaded.config == model.config
    assert not loaded.training
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)

    weights = load_file(tmp_path / "model.safetensors")
    weights.pop("conv_in.bias")
    save_file(weights, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"lacks the weight conv_in\.bias"):
        interop.HubUNet.from_pretrained(str(tmp_path))


def test_the_hub_format_has_no_pickles():
    with pytest.raises(ValueError, match=r"pytorch_model\.bin is a pickle"):
        interop.HubUNet._load_as_pickle(None, "pytorch_model.bin", "cpu", False)
