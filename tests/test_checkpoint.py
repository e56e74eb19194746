"""Models on disk: whole or not at all, and never a pickle."""

import errno
import json
import os
import pickle
import re
import tempfile
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from ddpm_course import Schedule, UNet, UNetConfig, checkpoint, few_steps, flow
from ddpm_course.unet import Labelled

CONFIG = UNetConfig(size=4, channels=(8, 16), blocks=1, attention=(False, True))
SCHEDULE = Schedule.cosine(20)


@pytest.fixture
def model() -> UNet:
    torch.manual_seed(0)
    return UNet(CONFIG)


def test_a_model_comes_back_as_it_went(tmp_path, model):
    path = tmp_path / "very" / "deep" / "model.safetensors"
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
    assert receive.poll(60), "the child says nothing"
    message = receive.recv()
    child.join(60)
    assert re.search(r"cannot be written \(.*too large.*\); choose another place", message), message
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


def test_beside_is_a_hidden_file_in_the_same_folder(tmp_path):
    with checkpoint.beside(tmp_path / "note.txt") as new:
        assert new.parent == tmp_path
        assert new.name.startswith(".note.")
        assert new.suffix == ".txt"
        assert str(os.getpid()) in new.name
        new.write_text("first")
    with (
        pytest.raises(ValueError, match=f"{tmp_path} is a folder; give the name of a file"),
        checkpoint.beside(tmp_path),
    ):
        pass
    long = tmp_path / ("x" * 300) / "note.txt"
    with pytest.raises(ValueError, match=r"note\.txt cannot be written"), checkpoint.beside(long):
        pass


def test_a_folder_is_tried_and_left_as_it_was(tmp_path, monkeypatch):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "mine").write_text("mine")
    for folder in (kept, tmp_path / "a" / "b", str(tmp_path / "c")):
        checkpoint.try_folder(folder)
    assert sorted(tmp_path.rglob("*")) == [kept, kept / "mine"]
    for folder, why in (
        (kept / "mine" / "below", "Not a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
    ):
        with pytest.raises(ValueError) as error:
            checkpoint.try_folder(folder)
        assert str(error.value) == f"{folder} cannot be written ({why}); choose another place."

    tried = []

    def read_only(dir):
        tried.append(dir)
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    with pytest.raises(ValueError, match=r"kept cannot be written \(Read-only file system\)"):
        checkpoint.try_folder(kept)
    with pytest.raises(ValueError, match="Read-only"):
        checkpoint.try_folder(tmp_path / "a" / "b")
    assert tried == [kept, tmp_path / "a" / "b"]
    assert sorted(tmp_path.rglob("*")) == [kept, kept / "mine"]


def test_the_process_keeps_its_own_mask(tmp_path):
    before = os.umask(0o027)
    try:
        assert checkpoint._umask() == 0o027
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)


def test_only_whole_models_are_shipped(tmp_path, monkeypatch, model):
    def here(name):
        return tmp_path / f"{name}.safetensors"

    monkeypatch.setattr(checkpoint, "asset", here)
    for name in ("b", "a", ".c"):
        checkpoint.write(here(name), *checkpoint.pack(model, SCHEDULE))
    save_file({"weight": torch.zeros(2)}, here("foreign"))
    (tmp_path / "d.txt").write_text("no model")
    assert checkpoint.shipped() == ["a", "b"]
    with pytest.raises(ValueError, match=r"nor a file, nor a shipped model \(a, b\)\.$"):
        checkpoint.load("c")


def test_what_is_written_is_read_again(tmp_path):
    tensors = {"a": torch.arange(6.0).view(2, 3).T, "b": torch.zeros((), dtype=torch.float64)}
    checkpoint.write(tmp_path / "a.safetensors", tensors, {"note": "ε"})
    found, about = checkpoint.read(tmp_path / "a.safetensors")
    assert about == {"note": "ε"}
    assert list(found) == ["a", "b"]
    assert torch.equal(found["a"], tensors["a"])
    assert found["b"].dtype == torch.float64
    save_file({"weight": torch.zeros(2)}, tmp_path / "plain.safetensors")
    assert checkpoint.read(tmp_path / "plain.safetensors")[1] == {}


def test_a_packed_schedule_is_float64(model):
    there = object.__new__(Schedule)  # as one on a GPU that has no float64
    object.__setattr__(there, "beta", SCHEDULE.beta.float())
    tensors, about = checkpoint.pack(model, there)
    assert tensors[checkpoint.BETA].dtype == torch.float64
    assert set(about) == {"unet"}
    beta = SimpleNamespace(to=lambda *where: where)
    tensors, _ = checkpoint.pack(model, SimpleNamespace(beta=beta))
    assert tensors[checkpoint.BETA] == ("cpu", torch.float64)  # off the GPU as well


def test_a_network_for_labels_comes_back_as_one(tmp_path):
    model = Labelled(replace(CONFIG, classes=3))
    checkpoint.write(tmp_path / "a.safetensors", *checkpoint.pack(model, SCHEDULE))
    loaded, _ = checkpoint.load(tmp_path / "a.safetensors")
    assert isinstance(loaded, Labelled)
    assert torch.equal(loaded.label.weight, model.label.weight)


def test_half_the_size_with_the_schedule_as_it_was(tmp_path, model):
    source, target = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    checkpoint.write(source, *checkpoint.pack(model, SCHEDULE))
    checkpoint.halve(source, target)
    tensors, _ = checkpoint.read(target)
    assert torch.equal(tensors.pop(checkpoint.BETA), SCHEDULE.beta)
    assert {value.dtype for value in tensors.values()} == {torch.float16}
    assert checkpoint.load(target)[0].config == CONFIG


def test_the_average_is_what_a_runs_checkpoint_gives(tmp_path, model):
    tensors, about = checkpoint.pack(model, SCHEDULE)
    average = {k.replace("model.", "ema."): v + 1 for k, v in tensors.items() if k != "model."}
    average.pop(checkpoint.BETA)
    checkpoint.write(tmp_path / "checkpoint.safetensors", tensors | average, about)
    loaded, schedule = checkpoint.load(tmp_path / "checkpoint.safetensors")
    assert torch.equal(loaded.conv_in.weight, model.conv_in.weight + 1)
    assert torch.equal(schedule.beta, SCHEDULE.beta)


def test_weights_of_another_network_are_named(model):
    weights = model.state_dict()
    with pytest.raises(ValueError, match=r"^the state lacks the weight time\.0\.weight; it bel"):
        checkpoint.load_weights(model, {})
    with pytest.raises(ValueError, match=r"^here holds a, which the model lacks; it is another's"):
        checkpoint.load_weights(model, weights | {"b": torch.ones(1), "a": torch.ones(1)}, "here")
    with pytest.raises(ValueError, match=r"holds conv_in\.bias of shape \(3,\), but .* \(8,\); it"):
        checkpoint.load_weights(model, weights | {"conv_in.bias": torch.ones(3)})
    checkpoint.load_weights(model, {name: value + 1 for name, value in weights.items()})
    assert model.conv_out.bias.tolist() == [1.0]


def test_the_whole_sentence_says_what_to_do(tmp_path, model):
    path = tmp_path / "a.safetensors"
    tensors, about = checkpoint.pack(model, SCHEDULE)

    def said(call) -> str:
        with pytest.raises(ValueError) as error:
            call()
        return str(error.value)

    path.write_bytes(b"")
    assert said(lambda: checkpoint.read(path)).endswith(
        "; it is cut off or another format: copy it again, or train again."
    )
    checkpoint.write(path, tensors, {})
    assert said(lambda: checkpoint.load(path)) == (
        f"{path} holds no model of this course; train one with `ddpm-course train`."
    )
    config = json.loads(about["unet"]) | {"z": 1, "a": 1}
    checkpoint.write(path, tensors, {"unet": json.dumps(config)})
    from ddpm_course import __version__

    assert said(lambda: checkpoint.load(path)) == (
        f"{path} has 'a', which this version ({__version__}) does not know; a later one has "
        "written it: upgrade ddpm-course."
    )
    assert "cannot be looked up" in said(lambda: checkpoint.load("x" * 300))
    assert said(lambda: checkpoint.read(tmp_path / "b")) == (
        f"{tmp_path / 'b'} is not there; give a file that a training run has written."
    )
    for kind, sentence in (
        (
            "flow",
            "holds a flow, which says a velocity and has no schedule; load it with `flow.load`, "
            "and draw with `flow.euler`.",
        ),
        (
            "student",
            "holds a student, which jumps to the end and has no schedule; load it with "
            "`few_steps.load`, and draw with `few_steps.sample`.",
        ),
    ):
        checkpoint.write(path, tensors, about | {kind: "{}"})
        assert said(lambda: checkpoint.load(path)) == f"{path} {sentence}"
    checkpoint.write(path, {name: x for name, x in tensors.items() if "conv_in" not in name}, about)
    assert said(lambda: checkpoint.load(path)) == (
        f"{path} lacks the weight conv_in.weight; it belongs to another architecture."
    )
    # A name of ours in its config tells a later version's file from a stranger's.
    checkpoint.write(path, tensors, {"unet": '{"width": 3}'})
    assert "holds no model of this course" in said(lambda: checkpoint.load(path))


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (
            lambda bias: bias.long(),
            "torch.int64 in conv_in.bias, but the model needs torch.float32",
        ),
        (lambda bias: bias * torch.nan, "numbers that are not finite in conv_in.bias"),
    ],
    ids=["int", "nan"],
)
def test_weights_that_are_no_numbers_are_named(model, spoil, told):
    weights = dict(model.state_dict())
    weights["conv_in.bias"] = spoil(weights["conv_in.bias"])
    with pytest.raises(ValueError) as error:
        checkpoint.load_weights(model, weights)
    sentence = f"the state holds {told}; it is damaged: copy it again, or train again."
    assert str(error.value) == sentence


@pytest.mark.parametrize("prefix", ["_orig_mod.", "module.", "module._orig_mod."])
def test_what_a_wrapper_put_before_the_names_comes_off(model, prefix):
    weights = {f"{prefix}{name}": value + 1 for name, value in model.state_dict().items()}
    checkpoint.load_weights(model, weights)
    assert model.conv_out.bias.tolist() == [1.0]
    with pytest.raises(ValueError, match=r"lacks the weight time\.0\.weight"):
        checkpoint.load_weights(model, {f"mine.{name}": x for name, x in weights.items()})
    wrapped = torch.nn.ModuleDict({"module": torch.nn.Linear(1, 1)})  # such a name of one's own
    checkpoint.load_weights(wrapped, wrapped.state_dict())


@pytest.mark.parametrize("load", [checkpoint.load, flow.load, few_steps.load])
@pytest.mark.parametrize("config", ["{", "[]", "3"])
def test_sizes_that_are_none_are_told_with_the_file(tmp_path, model, load, config):
    kind = {flow.load: "flow", few_steps.load: "student"}.get(load, "unet")
    checkpoint.write(tmp_path / "a", checkpoint.pack(model, SCHEDULE)[0], {kind: config})
    with pytest.raises(ValueError, match=r"/a holds no model of this course; train one"):
        load(tmp_path / "a")


def test_a_file_without_its_schedule(tmp_path, model):
    tensors, about = checkpoint.pack(model, SCHEDULE)
    del tensors[checkpoint.BETA]
    checkpoint.write(tmp_path / "a", tensors, about)
    with pytest.raises(ValueError, match=r"/a holds no schedule, schedule\.beta; it is another's"):
        checkpoint.load(tmp_path / "a")


def test_a_count_that_a_layer_keeps_is_a_whole_number():
    layer = torch.nn.BatchNorm1d(3)
    checkpoint.load_weights(torch.nn.BatchNorm1d(3), layer.state_dict())
