"""Models on disk: whole or not at all, and never a pickle."""

import json
import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

from ddpm_course import Schedule, UNet, UNetConfig, checkpoint

CONFIG = UNetConfig(size=4, channels=(8, 16), blocks=1, attention=(False, True))
SCHEDULE = Schedule.cosine(20)


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(CONFIG)


def test_a_model_comes_back_as_it_went(tmp_path, model):
    path = tmp_path / "deep" / "model.safetensors"
    checkpoint.write(path, *checkpoint.pack(model, SCHEDULE))
    for source in (path, path.parent, str(path)):
        loaded, schedule = checkpoint.load(source)
        assert loaded.config == CONFIG
        assert not loaded.training
        assert torch.equal(schedule.beta, SCHEDULE.beta)
        for name, value in model.state_dict().items():
            assert torch.equal(loaded.state_dict()[name], value)
    assert os.listdir(path.parent) == ["model.safetensors"]


def test_half_precision_weights_load_as_float32(tmp_path, model):
    tensors, about = checkpoint.pack(model, SCHEDULE)
    tensors = {k: v.half() if k.startswith("model.") else v for k, v in tensors.items()}
    checkpoint.write(tmp_path / "model.safetensors", tensors, about)
    loaded, _ = checkpoint.load(tmp_path)
    assert {p.dtype for p in loaded.parameters()} == {torch.float32}
    torch.testing.assert_close(loaded.conv_in.weight, model.conv_in.weight, atol=1e-3, rtol=1e-3)


def test_channels_last_weights_are_saved_as_plain_ones(tmp_path, model):
    model.to(memory_format=torch.channels_last)
    checkpoint.write(tmp_path / "model.safetensors", *checkpoint.pack(model, SCHEDULE))
    loaded, _ = checkpoint.load(tmp_path)
    assert torch.equal(loaded.conv_in.weight, model.conv_in.weight)


def test_a_file_is_synced_through_a_descriptor_that_every_system_takes(tmp_path, monkeypatch):
    fcntl = pytest.importorskip("fcntl", reason="Windows refuses by itself")
    modes = []

    def as_on_windows(descriptor: int) -> None:
        modes.append(fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE)

    monkeypatch.setattr(os, "fsync", as_on_windows)
    with checkpoint.beside(tmp_path / "note.txt") as new:
        new.write_text("first")
    assert modes == [os.O_RDWR]  # one that is only read cannot be synced there


@pytest.mark.skipif(os.name == "nt", reason="Windows keeps rights in another way")
@pytest.mark.parametrize(("mask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_a_model_is_as_open_to_colleagues_as_any_new_file(tmp_path, model, mask, mode):
    before = os.umask(mask)
    try:
        checkpoint.write(tmp_path / "model.safetensors", *checkpoint.pack(model, SCHEDULE))
        assert os.umask(mask) == mask
    finally:
        os.umask(before)
    assert (tmp_path / "model.safetensors").stat().st_mode & 0o777 == mode


def test_beside_replaces_only_what_was_written_whole(tmp_path):
    path = tmp_path / "note.txt"
    with checkpoint.beside(path) as new:
        new.write_text("first")
    with pytest.raises(ZeroDivisionError), checkpoint.beside(path) as new:
        new.write_text(f"sec{1 // 0}")
    with pytest.raises(ValueError, match=r"note\.txt cannot be written"), checkpoint.beside(path):
        os.truncate(tmp_path / "elsewhere", 0)
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["note.txt"]


def test_a_full_disk_keeps_the_old_file(tmp_path, model):
    """A limit on the size of files stands in for a full disk: the system refuses to write on."""
    import multiprocessing

    path = tmp_path / "model.safetensors"
    checkpoint.write(path, *checkpoint.pack(model, SCHEDULE))
    before = path.read_bytes()
    torch.nn.init.ones_(model.conv_in.weight)
    context = multiprocessing.get_context("fork")
    receive, send = context.Pipe(duplex=False)
    child = context.Process(target=_write_with_little_room, args=(path, model, send))
    child.start()
    message = receive.recv()
    child.join()
    assert "cannot be written" in message
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["model.safetensors"]


def _write_with_little_room(path, model, send) -> None:
    import resource
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        checkpoint.write(path, *checkpoint.pack(model, SCHEDULE))
        send.send("it was written")
    except ValueError as error:
        send.send(str(error))


def test_a_folder_that_cannot_be_made(tmp_path, model):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be written .*choose another"):
        checkpoint.write(tmp_path / "file" / "model.safetensors", *checkpoint.pack(model, SCHEDULE))


def test_shipped_models_are_those_that_load():
    names = checkpoint.shipped()
    assert "digits" in names
    assert "compose" not in names  # a network of another kind, which ships in the same folder
    for name in names:
        assert isinstance(checkpoint.load(name)[0], UNet)


class Bomb:
    def __reduce__(self):
        return os._exit, (3,)


def test_what_is_no_model_is_refused_with_a_sentence(tmp_path, model):
    whole = tmp_path / "whole.safetensors"
    tensors, about = checkpoint.pack(model, SCHEDULE)
    checkpoint.write(whole, tensors, about)

    def refused(source, sentence):
        with pytest.raises(ValueError, match=sentence):
            checkpoint.load(source)

    refused("no_such_model", "no_such_model is neither a run folder, nor a file, nor a shipped")
    refused(tmp_path, r"model\.safetensors is not there")

    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(whole.read_bytes()[:-100])
    refused(cut, "cannot be read as safetensors")

    bomb = tmp_path / "bomb.safetensors"
    bomb.write_bytes(pickle.dumps(Bomb()))
    refused(bomb, "cannot be read as safetensors")

    empty = tmp_path / "empty.safetensors"
    empty.write_bytes(b"")
    refused(empty, "cannot be read as safetensors")

    foreign = tmp_path / "foreign.safetensors"
    save_file({"weight": torch.zeros(2)}, foreign)
    refused(foreign, "holds no model of this course")

    lacking = tmp_path / "lacking.safetensors"
    checkpoint.write(lacking, {k: v for k, v in tensors.items() if "conv_in.b" not in k}, about)
    refused(lacking, r"lacks the weight conv_in\.bias; it belongs to another architecture")

    other = tmp_path / "other.safetensors"
    wide = json.dumps(json.loads(about["unet"]) | {"in_channels": 3})
    checkpoint.write(other, tensors, {"unet": wide})
    refused(other, r"conv_in\.weight of shape \(8, 1, 3, 3\), but the model needs \(8, 3, 3, 3\)")

    more = tmp_path / "more.safetensors"
    checkpoint.write(more, tensors | {"model.extra": torch.zeros(1)}, about)
    refused(more, "holds extra, which the model lacks")

    nonsense = tmp_path / "nonsense.safetensors"
    checkpoint.write(nonsense, tensors, {"unet": '{"width": 3}'})
    refused(nonsense, "holds no model of this course")


def wrappers():
    from torch.optim.swa_utils import AveragedModel

    from ddpm_course.unet import Quick

    return [
        torch.compile,
        torch.nn.DataParallel,
        AveragedModel,
        Quick,
        lambda model: torch.compile(torch.nn.DataParallel(model)),
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch.compile's own
@pytest.mark.parametrize("wrap", wrappers())
def test_wrappers_do_not_reach_a_file(tmp_path, wrap):
    model, schedule = UNet(UNetConfig(channels=(8, 8), blocks=1)), Schedule.linear(5)
    checkpoint.write(tmp_path / "a.safetensors", *checkpoint.pack(wrap(model), schedule))
    loaded, _ = checkpoint.load(tmp_path / "a.safetensors")
    for name, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)
    with pytest.raises(ValueError, match="holds a UNet, and this model is a Linear"):
        checkpoint.pack(torch.nn.Linear(1, 1), schedule)


def test_a_file_of_a_later_version_says_so(tmp_path):
    import json

    path = tmp_path / "a.safetensors"
    tensors, about = checkpoint.pack(UNet(UNetConfig(channels=(8, 8))), Schedule.linear(5))
    about["unet"] = json.dumps(json.loads(about["unet"]) | {"heads": 4})
    checkpoint.write(path, tensors, about)
    with pytest.raises(ValueError, match="has 'heads', which this version .* a later one has"):
        checkpoint.load(path)
