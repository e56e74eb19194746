"""Zips: what is in them is graded or named, and none of them can do harm."""

import io
import os
import random
import stat
import struct
import zipfile
from pathlib import Path

import pytest

from ddpm_course.grading.archives import OF_A_STUDENT, Allowed, is_zip, unpack


def packed(path: Path, entries: dict[str, bytes], **options: int) -> Path:
    with zipfile.ZipFile(path, "w", **options) as file:
        for name, content in entries.items():
            file.writestr(name, content)
    return path


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_what_can_be_graded_comes_out_and_the_rest_is_named(tmp_path: Path) -> None:
    entries = {
        "work/forward.ipynb": b"{}",
        "work/helpers.py": b"x = 1",
        "work/photo.jpg": b"x",
        "__MACOSX/work/._forward.ipynb": b"x",
        "work/.ipynb_checkpoints/forward-checkpoint.ipynb": b"{}",
        "inner.zip": b"PK",
        "project\\samples.npy": b"x",
    }
    left = unpack(packed(tmp_path / "a.zip", entries), tmp_path / "out")
    assert written(tmp_path / "out") == {
        "work/forward.ipynb",
        "work/helpers.py",
        "project/samples.npy",
    }
    assert {"work/photo.jpg", "inner.zip"} <= set(left)


@pytest.mark.parametrize(
    "name",
    ["../a.ipynb", "/a.ipynb", "a/../../a.ipynb", "C:\\a.ipynb", "\\a.ipynb", "d/" * 9 + "a.py"],
)
def test_nothing_is_written_outside(tmp_path: Path, name: str) -> None:
    archive = packed(tmp_path / "a.zip", {name: b"{}", "b.ipynb": b"{}"})
    left = unpack(archive, tmp_path / "in" / "out")
    assert written(tmp_path) == {"a.zip", "in/out/b.ipynb"}
    assert left == [name.replace("\\", "/") if os.sep == "\\" else name]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_stay_in_the_zip(tmp_path: Path, kind: int) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        entry = zipfile.ZipInfo("forward.ipynb")
        entry.external_attr = (kind | 0o777) << 16
        file.writestr(entry, "/etc/passwd")
    assert unpack(tmp_path / "a.zip", tmp_path / "out") == ["forward.ipynb"]
    assert written(tmp_path / "out") == set()


def test_a_bomb_stops_at_the_limit(tmp_path: Path) -> None:
    bomb = {"forward.ipynb": bytes(OF_A_STUDENT.file + 1)}
    archive = packed(tmp_path / "a.zip", bomb, compression=zipfile.ZIP_DEFLATED)
    assert archive.stat().st_size < 2**20
    with pytest.raises(ValueError, match=r"a\.zip holds more than 64 MB when it is unpacked"):
        unpack(archive, tmp_path / "out")
    assert written(tmp_path / "out") == set()
    many = {f"{n}.py": bytes(600) for n in range(10)}
    with pytest.raises(ValueError, match="holds more than 0 MB"):
        unpack(packed(tmp_path / "b.zip", many), tmp_path / "b", Allowed(100, 1000, 5000))
    with pytest.raises(ValueError, match="holds more than 9 files"):
        unpack(packed(tmp_path / "c.zip", many), tmp_path / "c", Allowed(9, 1000, 9000))


def test_a_size_that_lies_does_not_count(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {"a.py": bytes(100_000)}, compression=zipfile.ZIP_DEFLATED)
    content = archive.read_bytes().replace(struct.pack("<I", 100_000), struct.pack("<I", 10))
    archive.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.zip (is damaged|holds more)"):
        unpack(archive, tmp_path / "out", Allowed(9, 1000, 1000))
    assert all(path.stat().st_size <= 1000 for path in (tmp_path / "out").rglob("*.py"))


def test_a_list_that_would_fill_the_memory_is_not_read(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {f"{n:0200}.py": b"" for n in range(4000)})
    with pytest.raises(ValueError, match="more than 2000 files"):
        unpack(archive, tmp_path / "out")


def encrypted(path: Path) -> Path:
    content = bytearray(packed(path, {"forward.ipynb": b"{}"}).read_bytes())
    for mark, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(mark) + place] |= 1
    path.write_bytes(content)
    return path


def unknown_method(path: Path) -> Path:
    content = bytearray(packed(path, {"forward.ipynb": b"{}"}).read_bytes())
    for mark, place in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        content[content.index(mark) + place] = 97
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (encrypted, "a.zip is encrypted: hand in the notebook itself."),
        (unknown_method, "a.zip is packed in a way that is not read here"),
        (lambda path: path.write_bytes(b"not a zip"), "a.zip is damaged, or no zip file"),
        (lambda path: path.write_bytes(b""), "a.zip is damaged, or no zip file"),
        (lambda path: path.mkdir(), "a.zip cannot be opened (Is a directory)."),
    ],
)
def test_what_cannot_be_opened_gets_one_sentence(tmp_path: Path, make: object, told: str) -> None:
    assert callable(make)
    make(tmp_path / "a.zip")
    with pytest.raises(ValueError) as error:
        unpack(tmp_path / "a.zip", tmp_path / "out")
    assert told in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_zip_is_never_more_than_a_sentence(tmp_path: Path) -> None:
    """Two thousand zips with bytes changed, cut off or doubled: a ValueError, or files inside."""
    good = io.BytesIO()
    with zipfile.ZipFile(good, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("forward/forward.ipynb", "{}" * 100)
        file.writestr("b.py", "x = 1\n" * 50)
    draw = random.Random(0)
    refused = []
    for number in range(2000):
        content = bytearray(good.getvalue())
        for _ in range(draw.randint(1, 6)):
            content[draw.randrange(len(content))] = draw.randrange(256)
        if number % 5 == 0:
            content = content[: draw.randrange(len(content))]
        path = tmp_path / "a.zip"
        path.write_bytes(content)
        try:
            unpack(path, tmp_path / "all" / str(number))
        except ValueError as error:
            refused.append(str(error))
    assert len(refused) > 500
    assert all(sentence.startswith("a.zip ") for sentence in refused)
    assert {path.name for path in tmp_path.iterdir()} <= {"a.zip", "all"}


def test_names_that_no_file_system_takes_are_made_safe(tmp_path: Path) -> None:
    names = {"x" * 300 + ".ipynb": b"{}", 'a:b?".ipynb': b"{}", "\x1b[31m.ipynb": b"{}"}
    assert unpack(packed(tmp_path / "a.zip", names), tmp_path / "out") == []
    found = written(tmp_path / "out")
    assert len(found) == 3
    assert all(len(name.encode()) < 210 and name.isprintable() for name in found)


def test_a_second_entry_of_a_name_does_not_replace_the_first(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("a.ipynb", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            file.writestr("a.ipynb", "2")
        file.writestr("a.ipynb/b.py", "3")
    assert unpack(tmp_path / "a.zip", tmp_path / "out") == ["a.ipynb", "a.ipynb/b.py"]
    assert (tmp_path / "out" / "a.ipynb").read_text() == "1"


def test_files_keep_their_time_so_that_a_grading_goes_on(tmp_path: Path) -> None:
    archive = packed(tmp_path / "a.zip", {"a.ipynb": b"{}"})
    for name in ("one", "two"):
        unpack(archive, tmp_path / name)
    times = {(tmp_path / name / "a.ipynb").stat().st_mtime_ns for name in ("one", "two")}
    assert len(times) == 1


def test_a_link_is_no_zip(tmp_path: Path) -> None:
    packed(tmp_path / "a.zip", {"a.ipynb": b"{}"})
    (tmp_path / "b.zip").symlink_to(tmp_path / "a.zip")
    assert is_zip(tmp_path / "a.zip")
    assert not is_zip(tmp_path / "b.zip")
