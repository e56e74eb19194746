"""A run folder that people can trust: whatever ends a run, it goes on as if nothing had been."""

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

import ddpm_course
from ddpm_course import checkpoint
from ddpm_course.run import Run, StopSignal, read_config
from ddpm_course.trainer import Trainer

from .test_trainer import CONFIG, SCHEDULE, Affine, images, tiny_unet, weights


def new_run(path: Path, **options) -> Run:
    changes = {k: options.pop(k) for k in list(options) if hasattr(CONFIG, k)}
    trainer = Trainer(tiny_unet(), SCHEDULE, images(), replace(CONFIG, **changes))
    return Run(trainer, path, "a test", **{"log_every": 5, "save_every": 10, **options})


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_what_a_run_leaves(tmp_path):
    run = new_run(tmp_path / "run")
    assert [metrics.step for metrics in run.steps()] == list(range(1, 21))
    assert run.stopped_by is None
    path = run.path
    assert {file.name for file in path.iterdir()} - {".lock"} == {
        "config.json",
        "metrics.jsonl",
        "checkpoint.safetensors",
        "model.safetensors",
        "samples",
    }
    assert [line["step"] for line in lines(path)] == [5, 10, 15, 20]
    assert all(line["loss"] > 0 and line["gradient_norm"] > 0 for line in lines(path))
    config = read_config(path)
    assert config["progress"]["step"] == 20
    assert config["source"] == "a test"
    assert config["train"]["batch_size"] == 8
    assert config["versions"] == {
        "ddpm_course": ddpm_course.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "processes": 1,
    }
    model, schedule = checkpoint.load(path)
    assert torch.equal(weights(model), weights(run.trainer.ema.module))
    assert torch.equal(schedule.beta, SCHEDULE.beta)
    grids = sorted((path / "samples").iterdir())
    assert [grid.name for grid in grids] == ["00000010.png", "00000020.png"]
    with Image.open(grids[0]) as grid:
        assert grid.size == (12 * (8 * 5 + 1),) * 2  # 8 by 8 images of 4 pixels, 12 times as large


def test_a_resumed_run_equals_one_that_was_never_cut_off(tmp_path):
    whole = new_run(tmp_path / "whole")
    losses = [metrics.loss for metrics in whole.steps()]

    first = new_run(tmp_path / "cut")
    steps = first.steps()
    taken = [next(steps).loss for _ in range(7)]
    first.save()
    steps.close()  # as if the process had gone: nothing more is written
    resumed = Run.resume(tmp_path / "cut", images(), log_every=5, save_every=10)
    taken += [metrics.loss for metrics in resumed.steps()]
    assert resumed.stopped_by is None  # a signal to the tests would look like a fault of ours

    assert taken == losses
    expected = load_file(tmp_path / "whole" / "checkpoint.safetensors")
    found = load_file(tmp_path / "cut" / "checkpoint.safetensors")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    for a, b in zip(lines(whole.path), lines(resumed.path), strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}
    for name in ("00000010.png", "00000020.png"):
        assert (whole.path / "samples" / name).read_bytes() == (
            resumed.path / "samples" / name
        ).read_bytes()


def test_lines_after_the_checkpoint_are_written_anew(tmp_path):
    run = new_run(tmp_path / "run")
    steps = run.steps()
    for _ in range(17):
        next(steps)
    steps.close()
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 20, "lo')  # cut off
    assert lines_of_steps(run.path) == [5, 10, 15]
    resumed = Run.resume(run.path, images(), log_every=5)
    assert resumed.trainer.step == 10
    list(resumed.steps())
    assert [line["step"] for line in lines(run.path)] == [5, 10, 15, 20]


def lines_of_steps(path: Path) -> list[int]:
    whole = (path / "metrics.jsonl").read_text().splitlines()[:-1]
    return [json.loads(line)["step"] for line in whole]


def test_a_finished_run_can_be_prolonged(tmp_path):
    list(new_run(tmp_path / "run", steps=5).steps())
    resumed = Run.resume(tmp_path / "run", images(), steps=8)
    assert [metrics.step for metrics in resumed.steps()] == [6, 7, 8]


SCRIPT = """
    import signal, sys
    from pathlib import Path
    from tests.test_run import new_run
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may be run by nohup,
    signal.signal(signal.SIGINT, signal.default_int_handler)  # or behind a shell's back
    run = new_run(Path(sys.argv[1]), steps=100_000, save_every=3)
    for metrics in run.steps():
        print(metrics.step, flush=True)
    print("stopped by", run.stopped_by)
"""


def start(path: Path) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SCRIPT), str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_lets_the_step_finish_and_saves(tmp_path, number):
    with start(tmp_path / "run") as child:
        while int(child.stdout.readline()) < 4:
            pass
        child.send_signal(number)
        rest = child.stdout.read().splitlines()
    assert child.returncode == 0
    assert rest[-1] == f"stopped by {number.name}"
    last = int(rest[-2]) if len(rest) > 1 else 4
    assert Run.resume(tmp_path / "run", images()).trainer.step == last


def test_sigkill_leaves_the_last_checkpoint_whole(tmp_path):
    path = tmp_path / "run"
    with start(path) as child:
        while int(child.stdout.readline()) < 10:
            pass
        with pytest.raises(ValueError, match="another run is writing to"):  # two in one folder
            next(Run.resume(path, images()).steps())
        child.kill()
    (path / ".checkpoint.123.safetensors").write_bytes(b"half a")  # what a kill can leave
    resumed = Run.resume(path, images(), steps=100)
    step = resumed.trainer.step
    assert step >= 9
    checkpoint.load(path)
    reference = new_run(tmp_path / "reference", steps=100_000)
    taken = reference.trainer.steps(step)
    assert len(list(taken)) == step
    for name, value in reference.trainer.state().items():
        assert torch.equal(value, resumed.trainer.state()[name]), name
    next(resumed.steps())
    assert not list(path.glob(".*.safetensors"))


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_checkpoint(tmp_path):
    run = new_run(tmp_path / "run", save_every=4, log_every=6)
    steps = run.steps()
    for _ in range(5):
        next(steps)
    run.trainer.model.conv_out.bias.data.fill_(float("inf"))
    with pytest.raises(FloatingPointError, match=r"step 6; .*Try a lower learning rate") as caught:
        next(steps)
    assert "keeps the last good checkpoint" in str(caught.value)
    resumed = Run.resume(run.path, images())
    assert resumed.trainer.step == 4
    assert all(value.isfinite().all() for value in resumed.trainer.state().values())
    with pytest.raises(FloatingPointError):
        run.save()
    assert Run.resume(run.path, images()).trainer.step == 4


def test_a_disk_that_fills_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    run = new_run(tmp_path / "run", save_every=4)

    def no_room(tensors, path, about):
        Path(path).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    steps = run.steps()
    for _ in range(4):
        next(steps)
    monkeypatch.setattr("safetensors.torch.save_file", no_room)
    with pytest.raises(ValueError, match="No space left on device"):
        list(steps)
    monkeypatch.undo()
    assert Run.resume(run.path, images()).trainer.step == 4
    assert not list(run.path.glob(".*.safetensors"))


def test_folders_in_use_are_left_alone(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="mine exists already; choose another folder"):
        new_run(tmp_path / "mine")
    with pytest.raises(ValueError, match=r"thesis\.txt exists already"):
        new_run(tmp_path / "mine" / "thesis.txt")
    with pytest.raises(ValueError, match="cannot be made"):
        new_run(tmp_path / "mine" / "thesis.txt" / "run")
    assert os.listdir(tmp_path / "mine") == ["thesis.txt"]
    (tmp_path / "empty").mkdir()
    new_run(tmp_path / "empty")


def test_resume_refuses_other_data_and_damage(tmp_path):
    run = new_run(tmp_path / "run", steps=3)
    list(run.steps())
    with pytest.raises(ValueError, match=r"not the ones that the run in .* \(a test\); give the"):
        Run.resume(run.path, images().flip(0))
    with pytest.raises(ValueError, match=r"checkpoint\.safetensors is not there"):
        Run.resume(tmp_path / "nowhere", images())
    path = run.path / "checkpoint.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(ValueError, match="cannot be read as safetensors"):
        Run.resume(run.path, images())
    path.write_bytes((run.path / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match="lacks the weight"):
        Run.resume(run.path, images())
    checkpoint.write(path, *checkpoint.pack(tiny_unet(), SCHEDULE))
    with pytest.raises(ValueError, match="is not the checkpoint of a run"):
        Run.resume(run.path, images())


def test_a_run_needs_a_unet_and_sensible_intervals(tmp_path):
    trainer = Trainer(Affine(), SCHEDULE, images().flatten(1), CONFIG)
    with pytest.raises(ValueError, match="holds a UNet, and this model is a Affine"):
        Run(trainer, tmp_path / "run")
    with pytest.raises(ValueError, match="save_every is 0"):
        new_run(tmp_path / "run", save_every=0)
    assert not (tmp_path / "run").exists()


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    list(new_run(tmp_path / "run", tensorboard=True).steps())
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Scalars("loss")] == [5, 10, 15, 20]
    assert [event.step for event in board.Images("samples")] == [10, 20]


def test_tensorboard_that_is_not_installed(tmp_path, monkeypatch):
    monkeypatch.setattr("ddpm_course.run.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="run `pip install tensorboard`, or leave it out"):
        new_run(tmp_path / "run", tensorboard=True)
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_loads_the_average(tmp_path):
    run = new_run(tmp_path / "run")
    list(run.steps())
    loaded, _ = checkpoint.load(run.path / "checkpoint.safetensors")
    assert torch.equal(weights(loaded), weights(run.trainer.ema.module))
    assert not torch.equal(weights(loaded), weights(run.trainer.model))


def test_a_run_that_could_not_begin_can_be_begun_again(tmp_path, monkeypatch):
    path = tmp_path / "run"
    written = checkpoint.write

    def no_room_for_the_second(place, *content):
        if place.name == "model.safetensors":
            raise ValueError("No space left on device")
        written(place, *content)

    monkeypatch.setattr(checkpoint, "write", no_room_for_the_second)
    with pytest.raises(ValueError, match="No space left"):
        list(new_run(path).steps())
    monkeypatch.undo()
    assert len(list(new_run(path).steps())) == 20


def test_nohup_is_respected():
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with StopSignal():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_rectangles_keep_their_height_and_width(tmp_path):
    data = torch.zeros(16, 1, 4, 8)
    run = Run(Trainer(tiny_unet(), SCHEDULE, data, replace(CONFIG, steps=2)), tmp_path / "run")
    list(run.steps())
    assert checkpoint.load(run.path)[0].config.shape == (4, 8)
    assert Run.resume(run.path, data).average.config.shape == (4, 8)


def edited(path: Path, **about: str) -> Path:
    """A run's folder whose checkpoint says something else of itself."""
    tensors, said = checkpoint.read(path / "checkpoint.safetensors")
    checkpoint.write(path / "checkpoint.safetensors", tensors, said | about)
    return path


@pytest.fixture(scope="module")
def begun(tmp_path_factory) -> Path:
    run = new_run(tmp_path_factory.mktemp("begun") / "run")
    next(run.steps())
    return run.path


@pytest.mark.parametrize(
    ("about", "sentence"),
    [
        ({"progress": '{"step": 0, "seconds": 0, "epoch": 3}'}, "has 'epoch', which this version"),
        ({"progress": '{"step": 0}'}, "is not the checkpoint of a run"),
        ({"progress": '{"step": 1.5, "seconds": 0}'}, "is not the checkpoint of a run"),
        ({"progress": '{"step": "x", "seconds": 0}'}, "is not the checkpoint of a run"),
        ({"progress": '{"step": -1, "seconds": 0}'}, "is not the checkpoint of a run"),
        ({"progress": '{"step": 0, "seconds": null}'}, "is not the checkpoint of a run"),
        ({"progress": "null"}, "is not the checkpoint of a run"),
        ({"progress": "{"}, "is not the checkpoint of a run"),
        ({"train": "[]"}, "is not the checkpoint of a run"),
        ({"train": '{"steps": "many"}'}, "is not the checkpoint of a run"),
        ({"train": '{"steps": 2, "lookahead": 3}'}, "has 'lookahead', which this version"),
    ],
)
def test_a_checkpoint_of_another_version_or_hand_is_named(tmp_path, begun, about, sentence):
    shutil.copytree(begun, tmp_path / "run")
    with pytest.raises(ValueError, match=sentence):
        Run.resume(edited(tmp_path / "run", **about), images())


def test_metrics_that_somebody_spoiled_are_dropped(tmp_path, begun):
    shutil.copytree(begun, tmp_path / "run")
    spoiled = b'{"step": 0}\n[]\n5\n{"no": 1}\n\xff\n{"step": "x"}\n{"st'
    (tmp_path / "run" / "metrics.jsonl").write_bytes(spoiled)
    for _ in Run.resume(tmp_path / "run", images(), steps=1, log_every=100).steps():
        pass
    assert lines(tmp_path / "run") == [{"step": 0}]


@pytest.mark.parametrize("content", [b"[1]", b"5", b"null", b"\xff\xfe{}", b""])
def test_a_config_that_is_none_is_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json cannot be read"):
        read_config(tmp_path)
