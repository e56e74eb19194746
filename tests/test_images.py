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
    assert ((loaded[:, :, 2:-2, 2:-2] - 127.5).abs() < 10).all()  # gray, and not all black


def test_subfolders_in_order_and_other_files_left_out(tmp_path):
    (tmp_path / "b").mkdir()
    for name, level in (("b/1.png", 1), ("a.PNG", 0), ("c.jpeg", 2)):
        Image.new("L", (8, 8), level * 100).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    loaded = images.load(str(tmp_path), size=8)
    assert loaded.shape == (3, 1, 8, 8)  # gray, as all are
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
        (("digits", 16), "the digits are 8x8 and gray"),
        (("digits", 8, 3), "the digits are 8x8 and gray"),
        (("digits", 0), "size is 0"),
        (("digits", None, 2), "channels is 2; choose 1"),
        (
            ("nowhere",),
            "nowhere is no folder of images; give one with --data, a .npy or .tar file, or digits",
        ),
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
        images.load(str(tmp_path), 32)
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


# -- pictures as people have them -------------------------------------------------------------


def told(source: object, *options: object) -> str:
    said: list[str] = []
    images.load(source, *options, tell=said.append)
    return said[0]


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA", "P", "RGB", "L"])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_transparent_parts_are_laid_on_white(tmp_path, mode, channels):
    """A hidden color under nothing, half a green over white, and a whole one."""
    sprite = Image.new("RGBA", (8, 8), (255, 0, 255, 0))
    sprite.paste((0, 200, 0, 255), (2, 2, 6, 6))
    hidden = {}
    if mode in ("RGB", "L"):  # one color stands for transparency
        hidden = {"transparency": (255, 0, 255) if mode == "RGB" else 255}
        sprite = Image.new(mode, (8, 8), (255, 0, 255) if mode == "RGB" else 255)
        sprite.paste((0, 200, 0) if mode == "RGB" else 37, (2, 2, 6, 6))
    elif mode != "RGBA":
        sprite = sprite.quantize(8) if mode in ("P", "PA") else sprite.convert(mode)
    if mode == "PA":
        sprite = sprite.convert("PA")
        sprite.save(tmp_path / "a.tiff")
    else:
        sprite.save(tmp_path / "a.png", **hidden)
    loaded = images.load(tmp_path, 8, channels)
    assert (loaded[0, :, 0, 0] == 255).all()
    assert (loaded[0, :, 4, 4] < 250).any()
    assert "transparent parts on white" in told(tmp_path, 8, channels)


def test_half_transparent_is_half_white(tmp_path):
    Image.new("RGBA", (8, 8), (0, 100, 200, 128)).save(tmp_path / "a.png")
    expected = [round(255 * (1 - 128 / 255) + c * 128 / 255) for c in (0, 100, 200)]
    assert images.load(tmp_path, 8)[0, :, 3, 3].tolist() == pytest.approx(expected, abs=1)


@pytest.mark.parametrize(
    "name",
    [
        "._0.png",
        ".hidden.jpg",
        ".Trash/a.png",
        "__MACOSX/._0.png",
        "@eaDir/a.png",
        "#recycle/a.png",
        "b/.c/d.png",
    ],
)
def test_hidden_and_system_files_are_left_out(tmp_path, name):
    picture(8, 8).save(tmp_path / "a.png")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_bytes(b"\0\5\x16\7")
    assert told(tmp_path) == f"1 image of 8x8x3 from {tmp_path}"


def test_a_hidden_folder_that_is_asked_for_is_read(tmp_path):
    (tmp_path / ".mine").mkdir()
    picture(8, 8).save(tmp_path / ".mine" / "a.png")
    assert len(images.load(tmp_path / ".mine", 8)) == 1


def test_linked_folders_are_searched_once(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "set").mkdir()
    picture(8, 8).save(tmp_path / "far" / "a.png")
    (tmp_path / "set" / "link").symlink_to(tmp_path / "far")
    (tmp_path / "far" / "back").symlink_to(tmp_path / "set")
    assert len(images.load(tmp_path / "set", 8)) == 1


def test_color_if_any_is(tmp_path):
    Image.new("L", (8, 8), 99).save(tmp_path / "0.png")
    Image.new("RGB", (8, 8), (255, 0, 0)).save(tmp_path / "1.png")
    Image.new("L", (8, 8), 7).save(tmp_path / "2.png")
    corner = images.load(tmp_path, 8)[:, :, 0, 0].tolist()
    assert corner == [[99, 99, 99], [255, 0, 0], [7, 7, 7]]


def test_one_line_says_what_was_read(tmp_path):
    picture(20, 12).save(tmp_path / "a.png")
    picture(12, 12).save(tmp_path / "b.png")
    for name in ("c.HEIC", "d.heic", "e.txt", "readme"):
        (tmp_path / name).write_text("no image")
    says = f"2 images of 12x12x3 from {tmp_path} (4 files left out, no image: .heic, .txt, "
    assert told(tmp_path) == says + "without an ending; central squares)"
    assert told("digits") == "1,437 images of 8x8x1 from digits"
    (tmp_path / "a.png").unlink()
    (tmp_path / "b.png").unlink()
    with pytest.raises(ValueError, match=r"holds no images .*\.heic"):
        images.load(tmp_path)


@pytest.mark.parametrize("ending", ["gif", "png", "webp", "tiff"])
def test_animations_and_pages_are_named(tmp_path, ending):
    first, second = Image.new("RGB", (8, 8)), Image.new("RGB", (8, 8), "red")
    first.save(tmp_path / f"a.{ending}", save_all=True, append_images=[second])
    with pytest.raises(ValueError, match=rf"a\.{ending} .*it holds 2 pictures"):
        images.load(tmp_path, 8)


def test_the_second_picture_of_a_phone_is_left_out(tmp_path):
    first, second = Image.new("RGB", (8, 8), "blue"), Image.new("RGB", (8, 8), "red")
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert images.load(tmp_path, 8)[0, 2].min() > 250


def test_cmyk_is_read(tmp_path):
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "a.jpg")
    assert images.load(tmp_path, 8)[0, :, 0, 0].tolist() == pytest.approx([255, 0, 0], abs=3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_put_upright_as_pillow_does(tmp_path, orientation):
    from PIL import ImageOps

    exif = Image.Exif()
    exif[0x0112] = orientation
    picture(8, 8, "L").save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(images.load(tmp_path, 8)[0, 0].numpy(), expected)


@pytest.mark.parametrize("error", [TypeError, KeyError, IndexError, ZeroDivisionError, EOFError])
def test_whatever_a_reader_raises_the_file_is_named(tmp_path, monkeypatch, error):
    def broken(image):
        raise error("odd")

    picture(8, 8).save(tmp_path / "a.png")
    monkeypatch.setattr(Image.Image, "getexif", broken)
    with pytest.raises(ValueError, match=r"a\.png cannot be read as an image .*odd"):
        images.load(tmp_path, 8)


@pytest.mark.parametrize(("side", "size"), [(7, 4), (28, 28), (30, 28), (32, 32), (200, 32)])
def test_the_size_of_a_folder_is_that_of_its_smallest_image(tmp_path, side, size):
    picture(side, side + 1, "L").save(tmp_path / "a.png")
    picture(201, 201, "L").save(tmp_path / "b.png")
    assert images.load(tmp_path).shape == (2, 1, size, size)


def test_numbers_in_a_file_stay_on_the_disk(tmp_path):
    numbers = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6), np.uint8)
    np.save(tmp_path / "a.npy", numbers)
    loaded = images.load(tmp_path / "a.npy")
    np.testing.assert_array_equal(loaded.numpy(), numbers)
    loaded[0] = 0  # a change stays in memory
    np.testing.assert_array_equal(np.load(tmp_path / "a.npy"), numbers)
    assert told(tmp_path / "a.npy") == f"5 images of 4x6x3 from {tmp_path / 'a.npy'}"


@pytest.mark.parametrize(
    ("numbers", "options", "sentence"),
    [
        (np.zeros((5, 4, 4), np.uint8), (), r"holds uint8 of shape \(5, 4, 4\); give \(N, C"),
        (np.zeros((5, 1, 4, 4), np.int64), (), "holds int64"),
        (np.zeros((5, 1, 4, 4), np.float32) + 200, (), "has values from 200 to 200"),
        (
            np.full((5, 1, 4, 4), np.nan, np.float32),
            (),
            "holds values from nan to nan; give float32",
        ),
        (np.float32([-3, 2] * 40).reshape(5, 1, 4, 4), (), "holds values from -3 to 2; give float"),
        (np.float32([0, 1] * 40).reshape(5, 1, 4, 4), (), "has values from 0 to 1"),
        (
            np.float32([0.1, 0.9] * 40).reshape(5, 1, 4, 4),
            (),
            r"from 0\.1 to 0\.9, as pictures in \[0, 1\] do; give float32 in \[-1, 1\] \(2 x - 1\)",
        ),
        (
            np.uint8([0, 1] * 40).reshape(5, 1, 4, 4),
            (),
            r"holds uint8 from 0 to 1, which would all be black; give 0\.\.255: 0 and 255 where",
        ),
        (np.zeros((0, 1, 4, 4), np.uint8), (), r"holds no images: its shape is \(0, 1, 4, 4\)"),
        (np.zeros((5, 1, 4, 4), np.uint8), (8,), r"has size \(4, 4\), not 8"),
        (np.zeros((5, 1, 4, 4), np.uint8), (4, 3), "has channels 1, not 3"),
        (np.array({"a": 1}, object), (), "cannot be read as numbers"),
    ],
)
def test_numbers_that_are_no_pictures(tmp_path, numbers, options, sentence):
    np.save(tmp_path / "a.npy", numbers, allow_pickle=True)
    with pytest.raises(ValueError, match=sentence):
        images.load(tmp_path / "a.npy", *options)


def test_float_pictures_run_over_both_sides_of_gray(tmp_path):
    for numbers in ([-0.1, 0.9], [0.3, 0.3], [-1, -1]):
        np.save(tmp_path / "a.npy", np.float32(numbers * 40).reshape(5, 1, 4, 4))
        assert images.load(tmp_path / "a.npy").amax() == np.float32(max(numbers))


def test_dark_pictures_are_pictures(tmp_path):
    for numbers in ([0, 0], [0, 2]):
        np.save(tmp_path / "a.npy", np.uint8(numbers * 40).reshape(5, 1, 4, 4))
        assert images.load(tmp_path / "a.npy").amax() == max(numbers)


def test_a_name_that_cannot_be_written_down(tmp_path):
    with pytest.raises(ValueError, match=r"the name '.*bad\\udcff' is no UTF-8, and the run keeps"):
        images.settled(str(tmp_path / "bad\udcff"))


def test_a_set_is_held_once(tmp_path):
    """While a folder is read, what is kept is all that grows."""
    import tracemalloc

    for i in range(200):
        picture(32, 32, "RGB", i).save(tmp_path / f"{i}.png")
    images.load(tmp_path, 32)
    tracemalloc.start()
    loaded = images.load(tmp_path, 32)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.3 * loaded.nbytes + 200_000


@pytest.mark.parametrize("size", [0, -4, 2.5, "8", True, (4, 0)])
def test_a_size_is_a_whole_number_of_pixels(tmp_path, size):
    np.save(tmp_path / "a.npy", np.zeros((5, 1, 4, 4), np.uint8))
    with pytest.raises(ValueError, match=r"size is .*; it must be a whole number, at least 1"):
        images.load(tmp_path / "a.npy", size)


@pytest.mark.parametrize(
    ("memory", "fits"), [(4 * 64 - 1, False), (3 * 4 * 64 - 1, False), (3 * 4 * 64, True)]
)
def test_more_than_the_memory_is_refused(tmp_path, monkeypatch, memory, fits):
    """Gray at first; and three times as much when the first image in color comes."""
    for i in range(4):
        picture(8, 8, "L" if i < 3 else "RGB", i).save(tmp_path / f"{i}.png")
    pages = {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": memory}
    monkeypatch.setattr(images.os, "sysconf", pages.__getitem__, raising=False)
    if fits:
        assert images.load(tmp_path, 8).shape == (4, 3, 8, 8)
        return
    with pytest.raises(ValueError, match=r"these pictures take .* with --stream, or make them"):
        images.load(tmp_path, 8)


def test_a_machine_that_does_not_tell_its_memory(tmp_path, monkeypatch):
    def untold(name):
        raise ValueError(name)

    picture(8, 8).save(tmp_path / "a.png")
    monkeypatch.setattr(images.os, "sysconf", untold, raising=False)
    assert images.load(tmp_path, 8).shape == (1, 3, 8, 8)
