"""Between libraries: the same network, the same answers."""

import pickle

import pytest
import torch
from diffusers import DDPMPipeline, UNet2DModel
from safetensors.torch import load_file, save_file

from ddpm_course import Schedule, UNet, UNetConfig, interop, reverse

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
    ("changes", "native"),
    [
        ({"attention_head_dim": 8}, True),
        ({"attention_head_dim": 64}, True),
        ({"attention_head_dim": 8, "mid_block_type": None}, False),
        ({"flip_sin_to_cos": True, "freq_shift": 0}, False),
        ({"norm_eps": 1e-5, "downsample_padding": 1}, False),
        ({"add_attention": False}, False),
        ({"resnet_time_scale_shift": "scale_shift"}, False),
        ({"down_block_types": ("DownBlock2D", "SkipDownBlock2D")}, False),
        ({"up_block_types": ("UpBlock2D", "AttnUpBlock2D")}, False),
        ({"sample_size": (8, 16)}, True),
    ],
)
@torch.no_grad()
def test_the_whole_family_answers_alike(changes, native):
    """Ours where it has the same parts; else theirs behind our call: t in 1..T for both."""
    torch.manual_seed(0)
    theirs = randomized(UNet2DModel(**GOOGLE | THEIRS["digits"] | changes)).eval()
    model = interop.from_diffusers(theirs)
    assert isinstance(model, UNet) == native
    assert not model.training
    x, t = torch.randn(4, 1, 8, 16), torch.tensor([1, 2, 500, 1000])
    expected = theirs(x, t - 1).sample
    assert expected.std() > 0.02
    torch.testing.assert_close(model(x, t), expected, rtol=0, atol=1e-5)
    if native:
        back = interop.to_diffusers(model)
        torch.testing.assert_close(back(x, t - 1).sample, expected, rtol=0, atol=1e-5)


@torch.no_grad()
def test_the_network_of_diffusers_training_example_samples():
    """examples/unconditional_image_generation: its defaults are not those of the paper."""
    torch.manual_seed(0)
    theirs = UNet2DModel(
        sample_size=16,
        layers_per_block=1,
        block_out_channels=(32, 32, 64),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    )
    assert theirs.config.attention_head_dim == 8
    model = interop.from_diffusers(theirs)
    images = reverse.sample(model, (2, 3, 16, 16), Schedule.linear(5))
    assert images.shape == (2, 3, 16, 16)
    assert torch.isfinite(images).all()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"out_channels": 2}, "takes 1 channels and gives 2"),
        ({"num_class_embeds": 10}, "num_class_embeds is 10; the model needs labels"),
    ],
)
def test_what_predicts_something_else_is_refused(changes, sentence):
    theirs = UNet2DModel(**GOOGLE | THEIRS["digits"] | changes)
    with pytest.raises(ValueError, match=sentence):
        interop.from_diffusers(theirs)


def test_a_folder_that_diffusers_opens_and_samples_from(tmp_path):
    torch.manual_seed(0)
    model = randomized(UNet(UNetConfig.digits())).eval()
    schedule = Schedule.linear(12, 1e-3, 0.3)
    interop.to_diffusers(model, schedule, tmp_path / "pipeline")
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline"]
    pipeline = DDPMPipeline.from_pretrained(tmp_path / "pipeline")
    pipeline.set_progress_bar_config(disable=True)

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(3)

    theirs = pipeline(2, seeded(), num_inference_steps=schedule.T, output_type="np").images
    ours = reverse.sample(model, (2, 1, 8, 8), schedule, clip_x0=True, generator=seeded())
    expected = (ours / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)
    assert 0.05 < expected.std() < 0.5
    torch.testing.assert_close(torch.from_numpy(theirs), expected, rtol=0, atol=1e-4)

    with pytest.raises(ValueError, match="pipeline exists already; name a new folder"):
        interop.to_diffusers(model, schedule, tmp_path / "pipeline")
    with pytest.raises(ValueError, match="a pipeline needs the schedule"):
        interop.to_diffusers(model, folder=tmp_path / "other")


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
