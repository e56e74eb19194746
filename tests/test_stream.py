"""Pictures that are read as they are needed: the same training as with all of them held."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from ddpm_course import Schedule, UNet, UNetConfig, images, sources, stream
from ddpm_course.cli import main
from ddpm_course.run import Run
from ddpm_course.stream import Streamed
from ddpm_course.trainer import TrainConfig, Trainer
from tests.test_sources import archive, dataset, encoded, picture, shards

SCHEDULE = Schedule.linear(50, 1e-3, 0.2)
TINY = UNetConfig(
    size=8, in_channels=3, channels=(8, 8), blocks=1, attention=(False, False), dropout=0.2
)
CONFIG = TrainConfig(steps=7, batch_size=4, warmup=0, flip=True, device="cpu")


def unet(seed: int = 0) -> UNet:
    torch.manual_seed(seed)
    return UNet(TINY)


def trained(data: torch.Tensor | Streamed, steps: int | None = None) -> dict[str, torch.Tensor]:
    trainer = Trainer(unet(), SCHEDULE, data, CONFIG)
    for _ in trainer.steps(steps):
        pass
    return trainer.state()


def assert_equal(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> None:
    assert a.keys() == b.keys()
    assert [name for name in a if not torch.equal(a[name], b[name])] == []


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "photos").mkdir()
    for i in range(10):
        picture(i, 9 + i % 3).save(tmp_path / "photos" / f"{i:03d}.png")
    return tmp_path / "photos"


@pytest.mark.parametrize("workers", [0, 2])
def test_a_folder_trains_as_if_it_were_held(folder, workers):
    held = images.load(folder, 8)
    streamed = stream.load(str(folder), 8, workers=workers)
    assert streamed.shape == held.shape
    assert torch.equal(torch.stack([streamed[i] for i in range(10)]), held)
    assert_equal(trained(streamed), trained(held))


def test_shards_train_as_if_they_were_held(tmp_path):
    place = str(shards(tmp_path / "set", 10))
    assert_equal(trained(stream.load(place, 8, workers=0)), trained(images.load(place, 8)))


def test_a_dataset_trains_as_if_it_were_held():
    rows = dataset(9)
    held = torch.stack([Streamed(rows, 8)[i] for i in range(9)])
    assert_equal(trained(Streamed(rows, 8, workers=0)), trained(held))


KINDS = ("folder", "shards", "rows", "stream")


def kept_in(kind: str, tmp_path: Path, workers: int = 0) -> Streamed:
    if kind == "folder":
        place = tmp_path / "pictures"
        if not place.exists():
            place.mkdir()
            for i in range(10):
                picture(i).save(place / f"{i}.png")
        return stream.load(str(place), 8, workers=workers)
    if kind == "shards":
        place = tmp_path / "shards"
        return stream.load(str(place if place.exists() else shards(place)), 8, workers=workers)
    rows = dataset(10)
    return Streamed(rows if kind == "rows" else rows.to_iterable_dataset(), 8, workers=workers)


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_that_was_stopped_goes_on_bit_for_bit(tmp_path, monkeypatch, kind):
    monkeypatch.setattr(sources.Stream, "window", 4)
    few = 1 if kind == "stream" else 0  # its place is to be found in another process, too
    whole = trained(kept_in(kind, tmp_path))
    stopped = Trainer(unet(), SCHEDULE, kept_in(kind, tmp_path, few), CONFIG)
    run = Run(stopped, tmp_path / "stopped", kind)
    for _ in itertools.islice(run.steps(), 3):
        pass
    run.save()
    again = Run.resume(tmp_path / "stopped", kept_in(kind, tmp_path))
    assert again.trainer.step == 3
    for _ in again.steps():
        pass
    assert_equal(again.trainer.state(), whole)


def test_a_stream_is_shuffled_within_its_windows_and_each_picture_comes_once(monkeypatch):
    monkeypatch.setattr(sources.Stream, "window", 4)
    streamed = Streamed(dataset(10).to_iterable_dataset(), 8)
    trainer = Trainer(unet(), SCHEDULE, streamed, CONFIG)
    epochs = torch.cat([trainer._batch(step) for step in range(5)]).view(2, 10)
    for epoch in epochs:
        assert sorted(epoch[:4].tolist()) == [0, 1, 2, 3]
        assert sorted(epoch[4:8].tolist()) == [4, 5, 6, 7]
        assert sorted(epoch[8:].tolist()) == [8, 9]
    assert not torch.equal(epochs[0], epochs[1])


def test_torchs_own_random_state_stays(folder):
    torch.manual_seed(5)
    expected = torch.randn(3)
    streamed = stream.load(str(folder), 8)
    torch.manual_seed(5)
    next(streamed.batches([[0, 1]]))  # by two workers
    assert torch.equal(torch.randn(3), expected)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_goes_wrong_on_the_way_is_one_sentence(folder, workers):
    streamed = stream.load(str(folder), 8, workers=workers)
    (folder / "004.png").write_bytes(encoded(4)[:70])
    with pytest.raises(ValueError) as caught:
        trained(streamed)
    assert str(caught.value).startswith(f"{folder / '004.png'} cannot be read as an image")
    assert "\n" not in str(caught.value)


def test_mixed_sizes_are_found_before_the_training(tmp_path):
    archive(tmp_path / "x.tar", {"a.png": encoded(1, 12), "b.png": encoded(2, 6)})
    with pytest.raises(ValueError, match=r"b\.png in .*x\.tar has a side of 6, too small for 8x8"):
        stream.load(str(tmp_path / "x.tar"), 8)
    assert stream.load(str(tmp_path / "x.tar")).shape == (2, 3, 4, 4)


def test_gray_is_gray_unless_one_is_in_color(tmp_path, monkeypatch):
    for i in range(3):
        picture(i).convert("L").save(tmp_path / f"{i}.png")
    assert stream.load(str(tmp_path)).shape == (3, 1, 8, 8)
    picture(3).save(tmp_path / "3.png")
    assert stream.load(tmp_path).shape == (4, 3, 8, 8)  # a path does as well as its name
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"picture": datasets.Image()})
    mixed = [picture(0).convert("L"), picture(1)]
    rows = datasets.Dataset.from_dict({"picture": mixed}, features=features).to_iterable_dataset()
    with pytest.raises(ValueError, match="image 1 of the data set is in color, and those before"):
        next(Streamed(rows, 8, workers=0).batches([[0, 1]]))
    assert next(Streamed(rows, 8, 3, workers=0).batches([[0, 1]])).shape == (2, 3, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("digits",), "digits needs no streaming"),
        (("a.npy",), r"a\.npy needs no streaming"),
        (("{}", 0), "size is 0; it must be a whole number, at least 1"),
        (("{}", 2.5), r"size is 2\.5; it must be a whole number, at least 1"),
        (("{}", True), "size is True; it must be a whole number"),
        (("{}", 8, 2), "channels is 2; choose 1"),
        (("{}", 8, 3, None, -1), "workers is -1; it must be a whole number, at least 0"),
        (("{}", 8, 3, None, 1.5), r"workers is 1\.5; it must be a whole number, at least 0"),
    ],
)
def test_what_cannot_be_asked(folder, arguments, sentence):
    source, *others = arguments
    with pytest.raises(ValueError, match=sentence):
        stream.load(source.format(folder), *others)


def test_a_command_that_streams_and_goes_on(tmp_path, folder, capsys):
    train = ["train", "--data", str(folder), "--size", "8", "--device", "cpu", "--batch-size", "4"]
    one, two = str(tmp_path / "one"), str(tmp_path / "two")
    assert main([*train, "--out", one, "--steps", "3"]) == 0
    assert main([*train, "--out", two, "--steps", "3", "--stream", "--workers", "1"]) == 0
    said = capsys.readouterr().err
    assert f"10 images of 8x8x3 from {folder} (read as they are needed)" in said
    assert_equal(*(load_file(f"{run}/checkpoint.safetensors") for run in (one, two)))
    assert main(["train", "--resume", two, "--steps", "4", "--device", "cpu"]) == 0
    assert "read as they are needed" in capsys.readouterr().err
    assert main(["train", "--resume", one, "--steps", "4", "--stream", "--device", "cpu"]) == 2
    assert "holds its pictures; leave --stream out" in capsys.readouterr().err
    picture(99).save(folder / "099.png")
    assert main(["train", "--resume", two, "--steps", "5", "--device", "cpu"]) == 2
    assert "these data are not the ones" in capsys.readouterr().err


MEASURED = """
import resource, sys
from ddpm_course import images, stream
from ddpm_course.stream import Streamed
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
kind, place = sys.argv[1:]
images.load(place + "-few", 64)  # all that is loaded once
before = peak()
if kind == "held":
    kept = images.load(place, 64).nbytes
else:
    kept = 0
    streamed = stream.load(place, 64, workers=0)
    for batch in streamed.batches([[i] for i in range(len(streamed))]):
        pass
print(peak() - before, kept, 64 * 64 * 3 * 1500)
"""


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts the pages of Linux")
def test_reading_takes_little_more_than_what_is_kept(tmp_path):
    place = shards(tmp_path / "set", 1500, each=300, side=64)  # 18 MB
    shards(tmp_path / "set-few", 20, side=64)

    def measured(kind: str) -> list[int]:
        command = [sys.executable, "-c", MEASURED, kind, str(place)]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, check=True, timeout=300
        )
        return [int(word) for word in done.stdout.split()]

    grown, kept, whole = measured("held")
    assert kept == whole
    assert grown < 1.3 * kept
    grown, _, whole = measured("streamed")
    assert grown < 0.3 * whole
