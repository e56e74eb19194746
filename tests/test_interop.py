"""Between libraries: the same network, the same answers."""

import pickle
import sys
from types import SimpleNamespace

import pytest
import torch
from diffusers import DDPMPipeline, UNet2DModel
from safetensors.torch import load_file, save_file

from ddpm_course import Schedule, UNet, UNetConfig, interop, reverse
from ddpm_course.unet import Labelled

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
    "google/ddpm-cifar10-32, a quarter as wide": {"block_out_channels": (32, 64, 64, 64)},
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
    """Harmless ones too: none is opened to see what it is."""
    model = UNet2DModel(**GOOGLE | THEIRS["digits"])
    model.save_pretrained(tmp_path, safe_serialization=False)
    pickled = tmp_path / "diffusion_pytorch_model.bin"
    assert pickled.is_file()
    for _ in range(2):
        with pytest.raises(ValueError, match="cannot be read as a diffusers model with safetens"):
            interop.from_diffusers(tmp_path)
        pickled.write_bytes(pickle.dumps(Bomb()))


@pytest.mark.parametrize("config", [b"", b"{", b"\xff", b'{"in_channels": "x"}'])
def test_a_damaged_config_of_theirs_is_told_with_its_place(tmp_path, config):
    UNet2DModel(**GOOGLE | THEIRS["digits"]).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(ValueError, match=f"^{tmp_path} cannot be read as a diffusers model"):
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
    with pytest.raises(ValueError) as error:
        interop.HubUNet.from_pretrained(str(tmp_path))
    assert f"{tmp_path / 'model.safetensors'} lacks the weight conv_in.bias" in str(error.value)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (b"", "config.json of {} holds no sizes of a UNet (Expecting value: line 1"),
        (b'{"size": 8', "config.json of {} holds no sizes of a UNet (Expecting ',' delimiter"),
        (b"\xff", "config.json of {} holds no sizes of a UNet ('utf-8' codec can't decode byte"),
        (b"[8]", "config.json of {} holds no sizes of a UNet ('list' object has no attribute"),
        (b"null", "config.json of {} holds no sizes of a UNet ("),
        (b'{"size": 9}', "{}: images of 9x9 cannot be halved 1 times"),
        (b'{"channels": 5}', "{}: these are no sizes of a UNet ("),
        (b'{"size": 8, "rope": 1}', "{}: the model's config.json has 'rope', which this version"),
    ],
)
def test_a_damaged_config_is_told_with_its_place(tmp_path, config, said):
    interop.HubUNet.of(UNet(UNetConfig.digits())).save_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes(config)
    with pytest.raises(ValueError) as error:
        interop.HubUNet.from_pretrained(tmp_path)
    assert str(error.value).startswith(said.format(tmp_path))


def test_a_model_from_the_hub_goes_where_it_is_wanted(tmp_path):
    interop.HubUNet.of(UNet(UNetConfig.digits())).save_pretrained(tmp_path)
    model = interop.HubUNet.from_pretrained(tmp_path, map_location="meta")
    assert {value.device.type for value in model.state_dict().values()} == {"meta"}


def test_sizes_of_a_later_version_are_told():
    with pytest.raises(
        ValueError, match=r"the model's config\.json has 'rope', which this version"
    ):
        interop.HubUNet(size=8, rope=1)
    with pytest.raises(ValueError, match=r"these are no sizes of a UNet \(.*'rope'\)\."):
        interop.HubUNet(rope=1)


def test_the_hub_format_has_no_pickles():
    with pytest.raises(ValueError, match=r"pytorch_model\.bin is a pickle"):
        interop.HubUNet._load_as_pickle(None, "pytorch_model.bin", "cpu", False)


# -- every part of the contract --------------------------------------------------------------------

SMALL = GOOGLE | THEIRS["digits"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"out_channels": 2},
            "the model takes 1 channels and gives 2; a network for the noise gives as many as it "
            "takes.",
        ),
        (
            {"class_embed_type": "timestep"},
            "class_embed_type is 'timestep'; the model needs labels, and only those that need none "
            "are taken.",
        ),
    ],
)
def test_whole_sentences_about_models(changes, sentence):
    with pytest.raises(ValueError) as error:
        interop.from_diffusers(UNet2DModel(**SMALL | changes))
    assert str(error.value) == sentence


def test_every_setting_is_carried_over_and_back():
    settings = {
        "block_out_channels": (8, 16, 24),
        "down_block_types": ("AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "UpBlock2D", "AttnUpBlock2D"),
        "attention_head_dim": 4,
        "norm_num_groups": 4,
        "dropout": 0.2,
        "in_channels": 2,
        "out_channels": 2,
        "layers_per_block": 2,
        "sample_size": (16, 8),
    }
    theirs = UNet2DModel(**SMALL | settings).train()
    ours = interop.from_diffusers(theirs)
    assert ours.config == UNetConfig(
        (16, 8), 2, (8, 16, 24), 2, (True, False, False), groups=4, dropout=0.2, head_width=4
    )
    assert not ours.training
    back = interop.to_diffusers(ours.train())
    assert not back.training
    for name, value in settings.items():
        assert back.config[name] == value, name
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], value, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("name", "size"), [("one level", 1), ("digits", 2)])
def test_a_model_without_a_size_gets_the_smallest(name, size):
    theirs = UNet2DModel(**GOOGLE | THEIRS[name] | {"sample_size": None})
    assert interop.from_diffusers(theirs).config.size == size


def test_what_an_older_diffusers_could_not_choose_is_as_ours():
    """Its configs lack the settings that came later; the parts were those of Ho et al."""
    later = {*interop._FIXED, "mid_block_type"} - {"flip_sin_to_cos", "freq_shift"}
    config = dict(UNet2DModel(**SMALL).config)
    old = {name: value for name, value in config.items() if name not in later}
    assert len(old) == len(config) - len(later)
    expected = interop._sizes(SimpleNamespace(config=config))
    assert expected is not None
    assert interop._sizes(SimpleNamespace(config=old)) == expected


@torch.no_grad()
def test_a_wrapped_model_is_at_rest_and_counts_from_1():
    theirs = UNet2DModel(**SMALL | {"freq_shift": 0, "dropout": 0.5}).train()
    wrapped = interop.from_diffusers(theirs)
    assert isinstance(wrapped, interop.Wrapped)
    assert not wrapped.training
    assert wrapped.model is theirs
    assert not theirs.training


def test_a_wrapped_model_refuses_what_it_cannot_take():
    model = interop.from_diffusers(UNet2DModel(**GOOGLE | THEIRS["digits"] | {"norm_eps": 1e-5}))
    assert isinstance(model, interop.Wrapped)
    x, t = torch.zeros(2, 1, 8, 8), torch.ones(2, dtype=torch.int64)
    assert model(x, t).shape == x.shape
    for arguments, said in (
        ((x.byte(), t), "x has dtype torch.uint8; give floating point numbers"),
        ((x[0], t), r"x has shape \(1, 8, 8\); this model takes \(B, 1, H, W\)\.$"),
        ((x.expand(2, 3, 8, 8), t), r"x has shape \(2, 3, 8, 8\); this model takes \(B, 1, H, W\)"),
        ((x, 1), "^t must be a tensor with one step for each of the 2 images.$"),
        ((x, t[:, None]), "t must be a tensor with one step for each of the 2 images"),
    ):
        with pytest.raises(ValueError, match=said):
            model(*arguments)


def test_what_is_around_a_model_comes_off():
    theirs = UNet2DModel(**SMALL)
    ours = interop.from_diffusers(torch.nn.DataParallel(theirs))
    assert isinstance(ours, UNet)
    around = torch.nn.DataParallel(ours)
    assert interop.to_diffusers(around).config.sample_size == 8
    assert interop.HubUNet.of(around).config == ours.config
    for take in (interop.to_diffusers, interop.HubUNet.of):
        with pytest.raises(ValueError, match=r"^this model is a Linear; give a UNet\.$"):
            take(torch.nn.Linear(1, 1))
        with pytest.raises(ValueError) as error:
            take(Labelled(UNetConfig(channels=(8, 8), blocks=1, classes=2)))
        assert str(error.value) == (
            "this model needs labels, and only those that need none are taken."
        )
    assert interop.to_diffusers(ours, Schedule.linear(3)).config.sample_size == 8  # no folder


@pytest.mark.parametrize("given", [torch.nn.Linear(1, 1), UNet(UNetConfig.digits()), {"a": 1}, 5])
def test_what_is_no_model_of_theirs_is_named(given):
    sentence = rf"^this is a {type(given).__name__}; give a UNet2DModel of diffusers\.$"
    with pytest.raises(ValueError, match=sentence):
        interop.from_diffusers(given)


def test_a_pipeline_says_how_to_sample(tmp_path):
    model, schedule = UNet(UNetConfig.digits()), Schedule.linear(12, 1e-3, 0.3)
    interop.to_diffusers(model, schedule, str(tmp_path / "pipeline"))
    scheduler = DDPMPipeline.from_pretrained(tmp_path / "pipeline").scheduler
    assert scheduler.config.num_train_timesteps == 12
    assert scheduler.config.variance_type == "fixed_small"
    assert scheduler.config.clip_sample is True
    assert scheduler.config.trained_betas == schedule.beta[1:].tolist()
    assert list(tmp_path.rglob("*.safetensors"))
    assert not list(tmp_path.rglob("*.bin"))


def test_a_pipeline_that_fails_leaves_nothing(tmp_path, monkeypatch):
    places = []

    def broken(self, folder, **_):
        places.append(folder)
        folder.mkdir()
        (folder / "half").write_text("half")
        raise OSError("the disk is full")

    monkeypatch.setattr(DDPMPipeline, "save_pretrained", broken)
    model = UNet(UNetConfig.digits())
    with pytest.raises(OSError, match="the disk is full"):
        interop.to_diffusers(model, Schedule.linear(3), tmp_path / "pipeline")
    assert list(tmp_path.iterdir()) == []
    assert places[0].parent == tmp_path
    assert places[0].name.startswith(".pipeline-")
    with pytest.raises(ValueError) as error:
        interop.to_diffusers(model, folder=tmp_path / "pipeline")
    assert str(error.value) == (
        "a pipeline needs the schedule; give it as well: to_diffusers(model, schedule, folder)."
    )
    with pytest.raises(ValueError) as error:
        interop.to_diffusers(model, Schedule.linear(3), tmp_path)
    assert str(error.value) == f"{tmp_path} exists already; name a new folder."


def test_a_place_for_a_pipeline_is_tried_before_the_work(tmp_path, monkeypatch):
    import diffusers

    monkeypatch.setattr(diffusers, "UNet2DModel", lambda **_: pytest.fail("it converted"))
    (tmp_path / "file").touch()
    model = UNet(UNetConfig(channels=(8, 8), blocks=1))
    for folder, schedule, said in (
        (tmp_path / "file" / "pipeline", Schedule.linear(3), "file cannot be written"),
        (tmp_path / "file", Schedule.linear(3), "file exists already"),
        (tmp_path / "new", None, "a pipeline needs the schedule"),
    ):
        with pytest.raises(ValueError, match=said):
            interop.to_diffusers(model, schedule, folder)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_name_on_the_hub_is_asked_for_as_it_is(monkeypatch):
    """A model there is no pipeline: it has no folder inside."""
    asked = []

    def answer(source, **options):
        asked.append((source, options))
        raise OSError("no connection")

    monkeypatch.setattr(UNet2DModel, "from_pretrained", answer)
    with pytest.raises(ValueError, match=r"no connection.*its name on the Hugging Face Hub"):
        interop.from_diffusers("google/ddpm-cifar10-32")
    assert asked == [("google/ddpm-cifar10-32", {"use_safetensors": True})]


def test_a_model_that_cannot_be_had(tmp_path, monkeypatch):
    with pytest.raises(ValueError) as error:
        interop.from_diffusers(str(tmp_path / "none"))
    assert str(error.value).startswith(f"{tmp_path / 'none'} cannot be read as a diffusers model")
    assert str(error.value).endswith("; give its folder, or its name on the Hugging Face Hub.")
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ValueError) as error:
        interop.from_diffusers(tmp_path)
    assert str(error.value) == "diffusers is not installed; run `pip install diffusers`."


def test_turning_keeps_the_type_and_the_digits():
    weight = torch.randn(3, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    assert interop._turn(weight, by=1).dtype == torch.bfloat16
    exact = weight.double()
    torch.testing.assert_close(
        interop._turn(interop._turn(exact, by=1), by=-1), exact, rtol=0, atol=1e-12
    )
    omega = 10_000.0 ** (-torch.arange(4, dtype=torch.float64) / 3)
    for t in (1.0, 7.0):
        here = torch.cat([(omega * t).sin(), (omega * t).cos()])
        there = torch.cat([(omega * (t + 1)).sin(), (omega * (t + 1)).cos()])
        torch.testing.assert_close(
            interop._turn(exact, by=1) @ here, exact @ there, rtol=1e-5, atol=1e-5
        )


def test_a_copy_for_the_hub_is_another_network_at_rest(tmp_path):
    model = UNet(UNetConfig.digits()).train()
    copy = interop.HubUNet.of(model)
    assert not copy.training
    with torch.no_grad():
        copy.conv_in.bias.fill_(7)
    assert not (model.conv_in.bias == 7).any()
    copy.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read as safetensors"):
        interop.HubUNet.from_pretrained(str(tmp_path))
    with pytest.raises(ValueError) as error:
        interop.HubUNet._load_as_pickle(None, "a.bin", "cpu", True)
    assert str(error.value) == "a.bin is a pickle; ask its author for model.safetensors."


def test_no_weight_of_theirs_is_left_behind():
    theirs = UNet2DModel(**SMALL)
    theirs.register_parameter("extra", torch.nn.Parameter(torch.ones(1)))
    with pytest.raises(AssertionError, match="extra was left"):
        interop.from_diffusers(theirs)
