"""Images from folders and from the Hub: cropped and resized, and what is said when one is wrong."""

import sys

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_course import images
from ddpm_course.data import digits


def picture(width: int, height: int, mode: str = "RGB", seed: int = 0) -> Image.Image:
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, *channels), np.uint8)
    return Image.fromarray(pixels, mode=None)


def test_digits_are_the_digits():
    assert torch.equal(images.load("digits"), digits())


def test_the_central_square(tmp_path):
    original = picture(12, 8)
    original.save(tmp_path / "a.png")
    loaded = images.load(str(tmp_path), size=8)
    assert loaded.shape == (1, 3, 8, 8)
    assert loaded.dtype == torch.uint8
    expected = np.asarray(original)[:, 2:10].transpose(2, 0, 1)
    np.testing.assert_array_equal(loaded[0].numpy(), expected)


def test_resizing_keeps_a_flat_color(tmp_path):
    Image.new("RGB", (40, 50), (10, 200, 77)).save(tmp_path / "a.png")
    loaded = images.load(str(tmp_path), size=16)
    assert loaded.unique(dim=0).shape[0] == 1
    assert loaded[0, :, 3, 5].tolist() == [10, 200, 77]


def test_resizing_averages_and_does_not_skip(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (32, 16))
    Image.fromarray(stripes).save(tmp_path / "a.png")
    loaded = images.load(str(tmp_path), size=8).float()
    assert ((loaded[:, :, 2:-2, 2:-2] - 127.5).abs() < 10).all()  # grey, and not all black


def test_subfolders_in_order_and_other_files_left_out(tmp_path):
    (tmp_path / "b").mkdir()
    for name, level in (("b/1.png", 1), ("a.PNG", 0), ("c.jpeg", 2)):
        Image.new("L", (8, 8), level * 100).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    loaded = images.load(str(tmp_path), size=8)
    assert loaded.shape == (3, 1, 8, 8)  # grey, as the first is
    assert loaded[:, 0, 0, 0].tolist() == [0, 100, 200]


def test_channels_as_asked(tmp_path):
    picture(8, 8, "RGB").save(tmp_path / "a.png")
    picture(8, 8, "L").save(tmp_path / "b.png")
    picture(8, 8, "RGBA").save(tmp_path / "c.png")
    assert images.load(str(tmp_path), 8).shape == (3, 3, 8, 8)
    assert images.load(str(tmp_path), 8, channels=1).shape == (3, 1, 8, 8)


def test_a_photograph_taken_sideways_is_put_upright(tmp_path):
    upright = Image.new("L", (8, 8), 0)
    upright.paste(255, (0, 0, 8, 4))  # light above
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera says: turn it by a quarter, clockwise
    upright.rotate(90).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(images.load(str(tmp_path), 8)[0, 0].numpy(), upright)


def test_a_set_from_the_hub(tmp_path, monkeypatch):
    """datasets reads a folder as it reads the Hub, so the whole way but the network is tested."""
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    (tmp_path / "set" / "train").mkdir(parents=True)
    original = picture(8, 8)
    original.save(tmp_path / "set" / "train" / "a.png")
    loaded = images.load(f"hub:{tmp_path / 'set'}", size=8)
    np.testing.assert_array_equal(loaded[0].numpy(), np.asarray(original).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("digits", 16), "the digits are 8x8 and grey"),
        (("digits", 8, 3), "the digits are 8x8 and grey"),
        (("digits", 0), "size is 0"),
        (("digits", None, 2), "channels is 2; choose 1"),
        (("nowhere",), "nowhere is no folder of images; give one, or digits, mnist"),
    ],
)
def test_what_cannot_be_asked(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        images.load(*arguments)


def test_what_is_wrong_with_a_folder_names_the_file(tmp_path):
    with pytest.raises(ValueError, match=r"holds no images .*; add some"):
        images.load(str(tmp_path))
    picture(40, 20).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is 40x20, too small for 32x32; remove it or"):
        images.load(str(tmp_path))
    whole = (tmp_path / "a.png").read_bytes()
    (tmp_path / "b.png").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ValueError, match=r"b\.png cannot be read as an image .*repair or remove"):
        images.load(str(tmp_path), 8)
    (tmp_path / "b.png").write_text("no image")
    with pytest.raises(ValueError, match=r"b\.png cannot be read as an image"):
        images.load(str(tmp_path), 8)
    deep = np.full((20, 20), 40_000, np.uint16)
    Image.fromarray(deep).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"b\.png has more than 8 bits a pixel"):
        images.load(str(tmp_path), 8)


def test_without_the_datasets_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ValueError, match=r"ylecun/mnist .*run `pip install datasets`"):
        images.load("mnist")


def test_offline(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def no_network(name, split):
        raise ConnectionError(f"Couldn't reach '{name}' on the Hub (LocalEntryNotFoundError)")

    monkeypatch.setattr(datasets, "load_dataset", no_network)
    with pytest.raises(ValueError, match=r"uoft-cs/cifar10 cannot be had .*Couldn't reach"):
        images.load("cifar10")
