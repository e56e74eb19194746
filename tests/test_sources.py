"""Where pictures are: folders, tar archives, sets of datasets; and what is said of damaged ones."""

from __future__ import annotations

import io
import os
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ddpm_course import images, sources


def picture(i: int, side: int = 8) -> Image.Image:
    pixels = np.random.default_rng(i).integers(0, 256, (side, side, 3), np.uint8)
    return Image.fromarray(pixels)


def encoded(i: int, side: int = 8) -> bytes:
    held = io.BytesIO()
    picture(i, side).save(held, "PNG")
    return held.getvalue()


def archive(path: Path, members: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def shards(folder: Path, count: int = 10, each: int = 4, side: int = 8) -> Path:
    folder.mkdir()
    for start in range(0, count, each):
        numbers = range(start, min(start + each, count))
        members = {f"{i:03d}.png": encoded(i, side) for i in numbers}
        members |= {f"{i:03d}.cls": b"1" for i in numbers}
        archive(folder / f"shard-{start:03d}.tar", members)
    return folder


def dataset(count: int = 5):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"n": datasets.Value("int64"), "picture": datasets.Image()})
    rows = {"n": list(range(count)), "picture": [picture(i) for i in range(count)]}
    return datasets.Dataset.from_dict(rows, features=features)


def pixels(pictures: sources.Pictures) -> list[list[int]]:
    return [np.asarray(image).ravel().tolist() for _, image in pictures]


EXPECTED = [np.asarray(picture(i)).ravel().tolist() for i in range(10)]


def test_a_folder_that_cannot_be_read_is_not_passed_over(tmp_path, monkeypatch):
    (tmp_path / "locked").mkdir()
    picture(0).save(tmp_path / "a.png")
    scandir = os.scandir

    def locked(place):
        if str(place).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(place))
        return scandir(place)

    assert len(sources.find(str(tmp_path))) == 1
    monkeypatch.setattr(os, "scandir", locked)
    with pytest.raises(ValueError) as error:
        sources.find(str(tmp_path))
    assert str(error.value) == (
        f"{tmp_path / 'locked'} cannot be read (Permission denied); let it be read, or move it "
        "away."
    )


def test_a_folder(tmp_path):
    for i in range(10):
        picture(i).save(tmp_path / f"{i}.png")
    (tmp_path / "notes.txt").write_text("")
    found = sources.find(str(tmp_path))
    assert isinstance(found, sources.Folder)
    assert pixels(found) == EXPECTED
    assert found.note == "1 file left out, no image: .txt"
    assert list(found.heads())[3] == (str(tmp_path / "3.png"), 8, "RGB")


def test_shards_in_any_order(tmp_path):
    found = sources.find(str(shards(tmp_path / "set")))
    assert isinstance(found, sources.Shards)
    assert len(found.archives) == 3
    for i in (7, 2, 9, 0, 7):
        name, image = found[i]
        assert np.asarray(image).ravel().tolist() == EXPECTED[i]
        assert name.startswith(f"{i:03d}.png in ")
    assert pixels(found) == EXPECTED
    assert found.note == "10 files left out, no image: .cls"
    assert [side for _, side, _ in found.heads()] == [8] * 10
    assert images.load(tmp_path / "set").shape == (10, 3, 8, 8)  # held, if it fits


def test_one_archive_and_hidden_members(tmp_path):
    members = {"a/1.png": encoded(1), "a/._1.png": b"?", "__MACOSX/a/1.png": b"?"}
    found = sources.find(str(archive(tmp_path / "one.tar", members)))
    assert pixels(found) == [EXPECTED[1]]
    assert found.note == ""


def test_archives_beside_pictures_are_left_out_and_said(tmp_path):
    picture(0).save(tmp_path / "0.png")
    archive(tmp_path / "x.tar", {"1.png": encoded(1)})
    found = sources.find(str(tmp_path))
    assert pixels(found) == [EXPECTED[0]]
    assert found.note == "1 file left out, no image: .tar"


def test_rows_of_datasets(tmp_path):
    found = sources.Rows(dataset())
    assert pixels(found) == EXPECTED[:5]
    assert [mode for *_, mode in found.heads()] == ["RGB"] * 5


def test_a_stream_of_datasets_from_any_place(monkeypatch):
    monkeypatch.setattr(sources.Stream, "window", 2)
    found = sources.Stream(dataset().to_iterable_dataset())
    assert len(found) == 5
    assert pixels(found) == EXPECTED[:5]
    for i in (4, 0, 3, 2):  # back and forth, if it must be
        assert np.asarray(found[i][1]).ravel().tolist() == EXPECTED[i]
    found.count = 7
    with pytest.raises(ValueError, match="the data set ended before image 5 of 7"):
        found[5]


def test_marks_tell_sets_apart(tmp_path):
    for i in range(3):
        picture(i).save(tmp_path / f"{i}.png")
    before = sources.find(str(tmp_path)).mark()
    assert sources.find(str(tmp_path)).mark() == before
    picture(3).save(tmp_path / "3.png")
    assert sources.find(str(tmp_path)).mark() != before
    one, other = shards(tmp_path / "one", 4), shards(tmp_path / "other", 5)
    assert sources.find(str(one)).mark() != sources.find(str(other)).mark()
    assert sources.Rows(dataset(4)).mark() != sources.Rows(dataset(5)).mark()
    streams = [sources.Stream(dataset(n).to_iterable_dataset()).mark() for n in (4, 5)]
    assert streams[0] != streams[1]


@pytest.mark.parametrize("cut", [300, 700, 1600])
def test_a_shard_that_is_cut_off_is_named(tmp_path, cut):
    whole = archive(tmp_path / "x.tar", {f"{i}.png": encoded(i) for i in range(3)}).read_bytes()
    (tmp_path / "x.tar").write_bytes(whole[:cut])
    with pytest.raises(ValueError, match=r"x\.tar (cannot be read as a tar|is damaged or cut off)"):
        sources.find(str(tmp_path / "x.tar"))


def test_a_shard_that_is_damaged_in_the_middle_is_named(tmp_path):
    members = {f"{i}.png": encoded(i) for i in range(3)}
    whole = bytearray(archive(tmp_path / "x.tar", members).read_bytes())
    with tarfile.open(tmp_path / "x.tar") as tar:
        second = tar.getmembers()[1].offset
    whole[second : second + 512] = b"x" * 512
    (tmp_path / "x.tar").write_bytes(bytes(whole))
    with pytest.raises(ValueError, match=r"x\.tar"):
        sources.find(str(tmp_path / "x.tar"))


@pytest.mark.parametrize(
    ("members", "sentence"),
    [({}, "x.tar holds no images"), ({"a.txt": b"a"}, "x.tar holds no images .*remove it")],
)
def test_a_shard_without_pictures_is_named(tmp_path, members, sentence):
    archive(tmp_path / "a.tar", {"1.png": encoded(1)})
    archive(tmp_path / "x.tar", members)
    with pytest.raises(ValueError, match=sentence):
        sources.find(str(tmp_path))


def test_an_empty_file_and_a_compressed_one(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"")
    with pytest.raises(ValueError, match=r"x\.tar cannot be read as a tar archive"):
        sources.find(str(tmp_path / "x.tar"))
    with tarfile.open(tmp_path / "x.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "x.tar", "x.png")
    with pytest.raises(ValueError, match=r"x\.tar\.gz is compressed: .*unpack it to a \.tar"):
        sources.find(str(tmp_path / "x.tar.gz"))


def test_a_damaged_picture_in_a_shard_is_named(tmp_path):
    archive(tmp_path / "x.tar", {"1.png": encoded(1)[:60], "2.png": encoded(2)})
    with pytest.raises(ValueError, match=r"1\.png in .*x\.tar cannot be read as an image"):
        sources.find(str(tmp_path / "x.tar"))[0]


def test_sets_without_pictures():
    datasets = pytest.importorskip("datasets")
    words = datasets.Dataset.from_dict({"text": ["a"]})
    with pytest.raises(ValueError, match="the data set has no column of images"):
        sources.Rows(words)
    with pytest.raises(ValueError, match="the data set holds no images"):
        sources.Rows(dataset().select([]))


def test_a_row_without_its_picture_is_named():
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"picture": datasets.Image()})
    rows = datasets.Dataset.from_dict({"picture": [picture(0), None]}, features=features)
    for kind in (sources.Rows(rows), sources.Stream(rows.to_iterable_dataset())):
        assert kind[0][1].size == (8, 8)
        with pytest.raises(ValueError, match="image 1 of the data set is missing"):
            kind[1]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such pipes")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    picture(0).save(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    found = sources.find(str(tmp_path))
    assert len(found) == 1
    assert found.note == "1 file left out, no image: a pipe"
