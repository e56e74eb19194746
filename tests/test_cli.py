"""The command line: what it makes, and one sentence with exit code 2 for what it cannot do."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from ddpm_course import Schedule, UNet, UNetConfig, checkpoint, cli, images, run, solvers
from ddpm_course.cli import main, output
from ddpm_course.cli.output import Pulse
from ddpm_course.data import digits
from ddpm_course.loss import bits_per_dim

TRAIN = ["train", "--device", "cpu", "--seed", "1", "--steps", "3", "--batch-size", "4"]


@pytest.fixture(scope="module")
def model_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    torch.manual_seed(0)
    config = UNetConfig(channels=(8, 8), blocks=1, attention=(False, False))
    checkpoint.write(path, *checkpoint.pack(UNet(config), Schedule.linear(6, 0.01, 0.5)))
    return path


@pytest.fixture(scope="module")
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    chance = np.random.default_rng(0)
    for i in range(6):
        pixels = chance.integers(0, 256, (10, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def refused(capsys, *arguments: object) -> str:
    """The sentence with which the command is refused."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    error = captured.err.splitlines()[-1]
    assert error.startswith("ddpm-course: ")
    assert "Traceback" not in captured.err
    return error


def test_train_then_resume_then_sample_then_evaluate(tmp_path, capsys):
    run = tmp_path / "run"
    assert main([*TRAIN, "--out", str(run)]) == 0
    assert "3 steps" in capsys.readouterr().out
    assert main(["train", "--resume", str(run), "--steps", "5", "--device", "cpu"]) == 0
    assert "5 steps" in capsys.readouterr().out
    config = json.loads((run / "config.json").read_text())
    assert config["progress"]["step"] == 5
    assert config["train"]["seed"] == 1
    assert config["unet"]["channels"] == [32, 64]

    out = tmp_path / "samples.npy"
    arguments = ["sample", str(run), "--num", "3", "--sampler", "ddim", "--steps", "4"]
    assert main([*arguments, "--out", str(out)]) == 0
    samples = np.load(out)
    assert samples.shape == (3, 1, 8, 8)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    capsys.readouterr()

    arguments = ["evaluate", str(run), "--num", "20", "--sampler", "ddim", "--steps", "2"]
    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["samples"] == 20
    assert report["data"] == "digits"
    assert report["frechet"] > 0
    assert sum(report["shares"]) == pytest.approx(1)


def test_evaluate_measures_bits_on_digits_that_were_held_out(capsys):
    arguments = ["evaluate", "digits", "--num", "2", "--sampler", "ddim", "--steps", "2"]
    assert main([*arguments, "--bits", "--batch-size", "2", "--seed", "5"]) == 0
    model, schedule = checkpoint.load("digits")
    generator = torch.Generator().manual_seed(5)
    bits = bits_per_dim(model, digits("test")[:2], schedule, 17, generator=generator)
    report = json.loads(capsys.readouterr().out)
    assert report["bits_per_dim"] == pytest.approx(float(bits.total))


def test_evaluate_bits_of_floats_is_refused_before_the_drawing(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ddpm_course.cli.evaluate.draw", lambda *_: pytest.fail("it drew"))
    file = tmp_path / "floats.npy"
    np.save(file, np.full((4, 1, 8, 8), 0.1, np.float32))
    assert main(["evaluate", "digits", "--num", "2", "--data", str(file), "--bits"]) == 2
    assert "holds 0.1, which is none of the 256 even values" in capsys.readouterr().err


def test_quiet_says_results_and_errors_alone(tmp_path, capsys):
    out = tmp_path / "x.npy"
    few = ["--num", "2", "--steps", "2", "--quiet"]
    assert main(["sample", "digits", *few, "--out", str(out)]) == 0
    assert main([*TRAIN, "--quiet", "--out", str(tmp_path / "run")]) == 0
    assert main(["draw", "a gorgeous 칠", *few, "--out", str(tmp_path / "y.npy")]) == 0
    assert capsys.readouterr() == ("", "")
    assert main(["sample", "digits", *few, "--out", str(out)]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["evaluate", "digits", *few]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["samples"] == 2
    assert told.err == ""
    assert main(["sample", "digits", *few[:-1], "--force", "--out", str(out)]) == 0
    assert "2 images in" in capsys.readouterr().out  # the next command speaks again


@pytest.mark.parametrize(
    ("environment", "speaks"),
    [
        ({}, True),
        ({"RANK": "1"}, True),  # left from elsewhere
        ({"RANK": "0", "WORLD_SIZE": "2"}, True),
        ({"RANK": "1", "WORLD_SIZE": "2"}, False),
    ],
    ids=str,
)
def test_of_several_processes_one_speaks(monkeypatch, capsys, environment, speaks):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    output.tell("hello")
    assert capsys.readouterr().err == ("hello\n" if speaks else "")


def test_a_log_shows_how_far_training_is(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ddpm_course.cli.train.Pulse", lambda: Pulse(every=0))
    assert main([*TRAIN, "--out", str(tmp_path / "run")]) == 0
    lines = re.findall(r"step (\d+): loss \d\.\d{4}, \d+ s of training", capsys.readouterr().err)
    assert lines == ["1", "2", "3"]
    pulse = Pulse(every=3600)
    pulse.beat(lambda: pytest.fail("too early"))


def test_train_on_a_folder(tmp_path, photos, capsys):
    run = tmp_path / "run"
    assert main([*TRAIN, "--data", str(photos), "--size", "8", "--out", str(run)]) == 0
    model, _ = checkpoint.load(run)
    assert (model.config.in_channels, model.config.size) == (3, 8)
    capsys.readouterr()
    assert main(["evaluate", str(run), "--num", "3", "--sampler", "ddim", "--steps", "2"]) == 0
    assert json.loads(capsys.readouterr().out)["data"] == str(photos)


@pytest.mark.parametrize(
    ("options", "walk"),
    [
        ([], lambda reverse: partial(solvers.multistep, calls=6)),  # T = 6 is less than 20
        (["--steps", "4"], lambda reverse: partial(solvers.multistep, calls=4)),
        (["--sampler", "ancestral"], lambda reverse: reverse.ancestral),
        (
            ["--sampler", "ancestral", "--variance", "beta"],
            lambda reverse: partial(reverse.ancestral, variance="beta"),
        ),
        (["--sampler", "ddim", "--steps", "3", "--eta", "0.5"], lambda reverse: solvers.ddim),
    ],
)
def test_samples_are_those_of_the_library(tmp_path, model_file, options, walk):
    from ddpm_course import reverse

    out = tmp_path / "x.npy"
    fixed = ["sample", str(model_file), "--num", "5", "--seed", "2", "--device", "cpu"]
    assert main([*fixed, *options, "--batch-size", "3", "--out", str(out)]) == 0
    model, schedule = checkpoint.load(model_file)
    named = dict(zip(options[::2], options[1::2], strict=True))
    arguments = {"steps": 3, "eta": 0.5} if "--eta" in named else {}
    own = [  # each image has chance of its own
        torch.Generator().manual_seed(
            int(np.random.SeedSequence([2, i]).generate_state(1, np.uint64)[0])
        )
        for i in range(5)
    ]
    *_, last = walk(reverse)(model, (5, 1, 8, 8), schedule, generator=own, **arguments)
    np.testing.assert_allclose(np.load(out), last.x_t.numpy(), atol=1e-4)


@pytest.mark.parametrize("sampler", ["solver", "ancestral", "ddim"])
def test_an_image_is_the_same_whatever_is_drawn_beside_it(tmp_path, model_file, sampler):
    def draw(name: str, *options: object) -> np.ndarray:
        fixed = ["sample", model_file, "--seed", "3", "--sampler", sampler, *options]
        assert main([*map(str, fixed), "--out", str(tmp_path / f"{name}.npy")]) == 0
        return np.load(tmp_path / f"{name}.npy")

    few, more = draw("a", "--num", 3), draw("b", "--num", 7)
    alone = draw("c", "--num", 3, "--batch-size", 1)
    np.testing.assert_allclose(few, more[:3], atol=1e-4)
    np.testing.assert_allclose(few, alone, atol=1e-4)
    assert np.abs(few[0] - few[1]).max() > 0.1


def test_a_grid_is_a_picture(tmp_path, model_file):
    out = tmp_path / "deep" / "grid.png"
    assert main(["sample", str(model_file), "--num", "4", "--out", str(out)]) == 0
    with Image.open(out) as picture:
        assert picture.size == (6 * 19, 6 * 19)
    assert [file.name for file in out.parent.iterdir()] == ["grid.png"]


def test_help_shows_examples_that_can_be_copied(capsys, monkeypatch):
    """Each whole, on a line of its own, however narrow the terminal; and each is understood."""
    monkeypatch.setenv("COLUMNS", "60")
    parser = cli._parser()
    for command in (room.__name__.rpartition(".")[2] for room in cli._COMMANDS):
        with pytest.raises(SystemExit) as stop:
            main([command, "--help"])
        assert stop.value.code == 0
        _, found, examples = capsys.readouterr().out.rpartition("example")
        assert bool(found) == (command != "verify")
        for line in examples.splitlines()[1:] if found else []:
            _, _, arguments = line.rpartition(
                "ddpm_course.cli" if " -m " in line else "ddpm-course"
            )
            assert parser.parse_args(shlex.split(arguments)).run


def test_a_file_says_what_no_option_does(tmp_path, capsys, monkeypatch):
    file = tmp_path / "mine.json"
    unet = {"channels": [8, 16], "attention": [False, False], "groups": 4, "blocks": 1}
    train = {"warmup": 7, "batch_size": 16, "clip_norm": 0.5}
    asked = {"unet": unet, "train": train, "schedule": {"linear": {"T": 12, "beta_T": 0.3}}}
    file.write_text(json.dumps(asked))
    assert main([*TRAIN, "--config", str(file), "--out", str(tmp_path / "run")]) == 0
    model, schedule = checkpoint.load(tmp_path / "run")
    assert model.config == UNetConfig(8, 1, (8, 16), 1, (False, False), groups=4, dropout=0.3)
    assert torch.equal(schedule.beta, Schedule.linear(12, beta_T=0.3).beta)
    said = json.loads((tmp_path / "run" / "config.json").read_text())["train"]
    assert (said["warmup"], said["clip_norm"]) == (7, 0.5)
    assert said["batch_size"] == 4  # an option goes before the file
    file.write_text(json.dumps(asked), encoding="utf-8-sig")  # as Windows' editors write it
    assert main([*TRAIN, "--config", str(file), "--out", str(tmp_path / "marked")]) == 0
    said = tmp_path / "marked" / "config.json"
    said.write_text(said.read_text(encoding="utf8"), encoding="utf-8-sig")
    assert main(["train", "--resume", str(tmp_path / "marked"), "--steps", "4"]) == 0
    for wrong, sentence in (
        ("{", "cannot be read as JSON of objects"),
        ("[1]", "cannot be read as JSON of objects (it holds [1])"),
        ('{"unet": 5}', "cannot be read as JSON of objects"),
        ('{"net": {}}', "asks for net; it may hold unet: "),
        ('{"unet": {"size": 8}}', "asks for unet.size; "),
        ('{"train": {"epochs": 8}}', "asks for train.epochs; "),
        ('{"schedule": {"sigmoid": {}}}', "asks for schedule.sigmoid; "),
        ('{"schedule": {"cosine": {}, "linear": {}}}', "asks for two schedules; "),
        ('{"schedule": {"cosine": {"T": "12"}}}', "T is '12'; a schedule needs"),
        ('{"schedule": {"cosine": {"S": 12}}}', "holds a value of the wrong kind"),
        ('{"unet": {"channels": 8}}', "holds a value of the wrong kind"),
        ('{"train": {"warmup": "7"}}', "warmup is '7'; it must be a number"),
        ('{"unet": {"channels": [8, 16, 32]}}', "attention has 2 entries and channels 3"),
    ):
        file.write_text(wrong)
        assert sentence in refused(capsys, *TRAIN, "--config", file, "--out", tmp_path / "new")
    assert not (tmp_path / "new").exists()
    again = refused(capsys, "train", "--resume", tmp_path / "run", "--config", file)
    assert "--config is for a new run" in again


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--num", "0"], "--num is 0; ask for at least 1 image"),
        (["--batch-size", "0"], "--batch-size is 0"),
        (["--out", "x.jpg"], "--out is x.jpg; end it with .png (a grid) or .npy (numbers)"),
        (
            ["--sampler", "ancestral", "--steps", "5"],
            "--steps does not belong to --sampler ancestral",
        ),
        (["--variance", "beta"], "--variance does not belong to --sampler solver"),
        (["--steps", "7"], "7 calls of the network are asked for; this schedule allows 1 to 6"),
        (["--sampler", "ddim", "--variance", "beta"], "--variance does not belong to --sampler"),
        (
            ["--sampler", "ddim", "--steps", "7"],
            "7 calls of the network are asked for; this schedule allows 1 to 6",
        ),
        (["--sampler", "ddim", "--eta", "2"], "eta is 2.0; choose from 0"),
        (["--device", "tpu"], "device is 'tpu', which this machine does not have"),
    ],
)
def test_sample_refuses(tmp_path, capsys, monkeypatch, model_file, options, sentence):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(capsys, "sample", model_file, *options)
    assert list(tmp_path.iterdir()) == []


def test_sample_into_a_place_that_cannot_be_written(tmp_path, capsys, model_file):
    (tmp_path / "file").write_text("mine")
    error = refused(capsys, "sample", model_file, "--out", tmp_path / "file" / "x.npy")
    assert "cannot be written" in error
    assert (tmp_path / "file").read_text() == "mine"


def test_an_old_file_stays_when_the_model_is_missing(tmp_path, capsys):
    old = tmp_path / "x.npy"
    old.write_text("mine")
    command = ("sample", "nothing", "--out", old)
    assert "exists already" in refused(capsys, *command)  # the place comes before the model
    assert "is neither a run folder" in refused(capsys, *command, "--force")
    assert old.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--device", "tpu"], "device is 'tpu'"),
        (["--batch-size", "5000"], "a batch of 5000 cannot be drawn from 1437 items"),
        (["--batch-size", "0"], "batch_size is 0"),
        (["--learning-rate", "-1"], "learning_rate is -1"),
        (["--max-seconds", "nan"], "max_seconds is nan"),
        (["--save-every", "0"], "save_every is 0"),
        (["--dropout", "1.5"], "dropout is 1.5"),
        (["--size", "16"], "the digits are 8x8 and gray"),
        (["--data", "nowhere"], "nowhere is no folder of images"),
        (["--compile"], "compile needs a CUDA device"),
    ],
)
def test_train_refuses_before_it_makes_anything(tmp_path, capsys, options, sentence):
    assert sentence in refused(capsys, *TRAIN, "--out", tmp_path / "run", *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_a_gpu_that_is_not_there(tmp_path, capsys):
    for command in (["train", "--out", tmp_path / "run"], ["sample", "--out", tmp_path / "x.npy"]):
        assert "choose 'auto' or one of cpu" in refused(capsys, *command, "--device", "cuda")
    assert list(tmp_path.iterdir()) == []


def test_train_leaves_an_existing_folder_alone(tmp_path, capsys):
    (tmp_path / "thesis.txt").write_text("years of work")
    assert "exists already; choose another folder" in refused(capsys, *TRAIN, "--out", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_run_on_photos_goes_on_from_any_folder(tmp_path, capsys, monkeypatch, photos):
    run = tmp_path / "run"
    monkeypatch.chdir(photos.parent)
    command = [*TRAIN, "--data", photos.name, "--size", "8", "--batch-size", "4"]
    assert main([*command, "--out", str(run)]) == 0
    monkeypatch.chdir(tmp_path)
    resume = ["train", "--resume", str(run), "--steps", "4", "--device", "cpu"]
    assert main(resume) == 0
    photos.rename(photos.with_name("elsewhere"))
    try:
        assert "no folder of images; give one with --data" in refused(capsys, *resume)
    finally:
        photos.with_name("elsewhere").rename(photos)


def test_resume_refuses_another_architecture_or_data_set(tmp_path, capsys, photos):
    run = tmp_path / "run"
    assert main([*TRAIN, "--out", str(run)]) == 0
    before = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    resume = ["train", "--resume", run, "--device", "cpu"]
    assert "another architecture than the preset cifar10" in refused(
        capsys, *resume, "--preset", "cifar10"
    )
    dropout = UNetConfig.digits().dropout
    says = f"has --dropout {dropout}; leave --dropout out"
    assert says in refused(capsys, *resume, "--dropout", "0")
    assert "are not the ones that the run" in refused(
        capsys, *resume, "--data", photos, "--steps", "9"
    )
    assert "config.json cannot be read" in refused(capsys, "train", "--resume", tmp_path / "none")
    (tmp_path / "config.json").write_text("{}")
    assert "holds no run" in refused(capsys, "train", "--resume", tmp_path)
    assert {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()} == before


def test_divergence_is_told_without_a_traceback(tmp_path, capsys, monkeypatch):
    from ddpm_course import trainer

    endless = staticmethod(lambda model, *draw: model(*draw[::2]).sum() / 0)
    monkeypatch.setattr(trainer.Trainer, "loss", endless)
    assert main([*TRAIN, "--out", str(tmp_path / "run")]) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert "keeps the last good checkpoint. Try a lower learning rate" in error


def test_evaluate_refuses_one_picture_before_the_drawing(tmp_path, capsys, monkeypatch, model_file):
    from ddpm_course.cli import evaluate

    monkeypatch.setattr(evaluate, "draw", lambda *_: pytest.fail("it drew"))
    np.save(tmp_path / "one.npy", np.zeros((1, 1, 8, 8), np.uint8))
    said = refused(capsys, "evaluate", model_file, "--data", tmp_path / "one.npy")
    assert "one.npy holds one picture; a distance between sets needs at least 2" in said


def test_evaluate_refuses(tmp_path, capsys, model_file):
    assert "needs at least 2" in refused(capsys, "evaluate", model_file, "--num", "1")
    error = refused(capsys, "evaluate", model_file, "--num", "4")
    assert "--data" in error


def test_fid_without_its_network(capsys, model_file, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchmetrics.image.fid", None)
    error = refused(capsys, "evaluate", model_file, "--num", "4", "--data", "digits", "--fid")
    assert "run `pip install torchmetrics[image]`" in error


# -- the course's own commands ----------------------------------------------------------------


def test_draw_makes_what_the_prompt_asks_for(tmp_path, capsys):
    from ddpm_course.trends import text_to_image

    out = tmp_path / "sevens.npy"
    options = ["--num", "3", "--steps", "2", "--guidance", "3", "--seed", "4", "--out", str(out)]
    assert main(["draw", "a gorgeous 칠", *options]) == 0
    said = capsys.readouterr()
    assert 'does not know "gorgeous", and goes by "a 칠"' in said.err
    assert "3 images in" in said.out
    wanted = text_to_image.draw(["칠"] * 3, 3, 2, torch.Generator().manual_seed(4))
    unlike = text_to_image.draw(["셋"] * 3, 3, 2, torch.Generator().manual_seed(4))
    drawn = torch.from_numpy(np.load(out))
    assert (drawn - wanted).abs().mean() < (drawn - unlike).abs().mean() / 2


def test_draw_makes_a_picture(tmp_path, capsys):
    out = tmp_path / "three.png"
    assert (
        main(["draw", "a handwritten three", "--num", "4", "--steps", "1", "--out", str(out)]) == 0
    )
    with Image.open(out) as picture:
        assert picture.width > 16
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["", "--num", "1"], "the prompt '' has no words"),
        (["ein Hund"], "the prompt 'ein Hund' has no word that the model knows"),
        (["number 3", "--guidance", "-1"], "guidance is -1.0; give 0 (ignore the prompt)"),
        (["number 3", "--guidance", "nan"], "guidance is nan"),
        (["number 3", "--guidance", "inf"], "guidance is inf"),
        (["number 3", "--num", "0"], "--num is 0; ask for at least 1 image"),
        (
            ["number 3", "--steps", "0"],
            "0 calls of the network are asked for; this schedule allows 1 to 250",
        ),
        (["number 3", "--out", "three.gif"], "--out is three.gif; end it with .png"),
    ],
)
def test_draw_refuses(tmp_path, capsys, monkeypatch, options, sentence):
    monkeypatch.chdir(tmp_path)
    assert sentence in refused(capsys, "draw", *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["nbformat", "nbgrader"])
def test_release_without_nbgrader_is_refused(tmp_path, capsys, monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    told = refused(capsys, "release", "--target", tmp_path / "exercises")
    assert told.endswith(
        f"{name} is not installed, and exercises are released with it; run `pip install nbgrader`."
    )
    assert list(tmp_path.iterdir()) == []


def test_release_writes_exercises_and_guards_a_students_work(tmp_path, capsys):
    solutions = str(Path(__file__).resolve().parents[1] / "solutions")
    command = ["release", "marginal", "--source", solutions, "--target", str(tmp_path)]
    assert main(command) == 0
    notebook = tmp_path / "marginal" / "marginal.ipynb"
    assert capsys.readouterr().out.strip() == str(notebook)
    content = json.loads(notebook.read_text(encoding="utf8"))
    content["cells"][1]["source"] = "my = 'work'"
    notebook.write_text(json.dumps(content), encoding="utf8")
    assert "holds work that is not in the released notebook" in refused(capsys, *command)
    assert "my = 'work'" in notebook.read_text(encoding="utf8")
    assert main([*command, "--force"]) == 0
    assert "my = 'work'" not in notebook.read_text(encoding="utf8")


def test_release_knows_its_chapters(capsys):
    assert "gans is no chapter with exercises; choose among" in refused(capsys, "release", "gans")


def test_papers_orders_the_reading_of_a_readers_own_library(tmp_path, capsys):
    library, citations = tmp_path / "mine.csv", tmp_path / "cites.csv"
    library.write_text(
        "id,title,authors,year\na,First,Ann Ada,2001\nb,Second,Bo Bee,2002\nc,Third,Cy Cee,2003\n",
        encoding="utf8",
    )
    citations.write_text("citing,cited\nc,b\nb,a\n", encoding="utf8")
    assert main(["papers", str(library), "--citations", str(citations), "--before", "c"]) == 0
    out = capsys.readouterr().out
    before = out[out.index("Before") :]
    assert "3 papers, 2 citations" in out
    assert before.index("First") < before.index("Second")
    assert "none.csv cannot be read" in refused(capsys, "papers", tmp_path / "none.csv")


# -- manners ----------------------------------------------------------------------------------


def test_what_a_person_made_is_overwritten_when_asked_alone(tmp_path, capsys, model_file):
    for name in ("mine.npy", "mine.png"):
        out = tmp_path / name
        out.write_text("mine")
        assert "overwrite it with --force" in refused(capsys, "sample", model_file, "--out", out)
        assert out.read_text() == "mine"
        command = ["sample", str(model_file), "--num", "1", "--out", str(out)]
        assert main([*command, "--force"]) == 0
        assert out.read_bytes() != b"mine"
    assert main(command) == 0  # a picture that the course drew may be drawn again


def test_a_folder_in_the_way_is_found_before_the_work(tmp_path, capsys, monkeypatch, model_file):
    from ddpm_course.cli import sample

    monkeypatch.setattr(sample, "draw", lambda *_: pytest.fail("it drew"))
    (tmp_path / "x.png").mkdir()
    assert "is a folder" in refused(capsys, "sample", model_file, "--out", tmp_path / "x.png")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--device", "tpu"], "device is 'tpu'"),
        (["--save-every", "0"], "save_every is 0"),
        (["--tensorboard"], "tensorboard is not installed"),
        (["--labels", "nothing.npy"], "nothing.npy is not there; give a .npy file of labels"),
    ],
)
def test_what_can_be_refused_at_once_is_refused_before_the_data(
    tmp_path, capsys, monkeypatch, options, sentence
):
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    monkeypatch.setattr(images, "load", lambda *_: pytest.fail("it read"))
    assert sentence in refused(capsys, "train", "--out", tmp_path / "run", *options)
    assert list(tmp_path.iterdir()) == []


def test_places_are_tried_before_the_work(tmp_path, capsys, monkeypatch):
    from ddpm_course.grading import pack, release

    run = tmp_path / "run"
    assert main([*TRAIN, "--out", str(run)]) == 0
    (tmp_path / "file").touch()
    below = tmp_path / "file" / "below"

    def fail(*_, **__):
        pytest.fail("it worked")

    monkeypatch.setattr(images, "load", fail)
    monkeypatch.setattr(pack, "pack", fail)
    monkeypatch.setattr(release, "release", fail)
    said = "below cannot be written (Not a directory); choose another place."
    for command in (
        ["train", "--out", below],
        ["pack", "gradescope", "--chapters", "forward", "--out", below / "a.zip"],
        ["release", "--target", below],
    ):
        assert said in refused(capsys, *command)

    def read_only(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(tempfile, "TemporaryFile", read_only)
    said = "run cannot be written (Read-only file system)"
    assert said in refused(capsys, "train", "--resume", run, "--steps", "9")
    assert {file.name for file in tmp_path.iterdir()} == {"run", "file"}


@pytest.mark.parametrize("seed", ["-1", str(2**63), str(2**64)])
@pytest.mark.parametrize("command", ["sample", "draw three", "train --out run", "evaluate"])
def test_seeds_are_checked_once_for_all(tmp_path, capsys, monkeypatch, command, seed):
    monkeypatch.chdir(tmp_path)
    assert f"--seed is {seed}; choose" in refused(capsys, *command.split(), "--seed", seed)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(36, "File name too long", "aaa"), "aaa: File name too long"),
        (PermissionError(13, "Permission denied", "b"), "b: Permission denied"),
        (MemoryError(), "the memory does not suffice (out of memory). Give a smaller --batch-size"),
        (torch.OutOfMemoryError("CUDA out of memory. Tried"), "Give a smaller --batch-size"),
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"),
            "Give a smaller --batch-size",
        ),
        (ModuleNotFoundError("No module", name="nbformat"), "run `pip install nbformat`"),
    ],
)
def test_errors_that_a_user_can_cause_are_sentences(capfd, monkeypatch, error, sentence):
    from ddpm_course.cli import sample

    def fail(options):
        raise error

    monkeypatch.setattr(sample, "run", fail)
    assert main(["sample"]) == 2
    assert sentence in capfd.readouterr().err


def test_a_programming_error_keeps_its_traceback(monkeypatch):
    from ddpm_course.cli import sample

    def fail(options):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    monkeypatch.setattr(sample, "run", fail)
    with pytest.raises(RuntimeError):
        main(["sample"])


def shell(line: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = line.replace("ddpm-course", f'"{sys.executable}" -m ddpm_course.cli')
    return subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        errors="replace",
        env=os.environ | env,
    )


def test_a_reader_that_goes_and_a_full_disk_give_no_traceback():
    assert shell("ddpm-course papers | true").stderr == ""
    full = shell("ddpm-course papers > /dev/full")
    assert (full.returncode, full.stderr.count("\n")) == (2, 1)
    assert "No space left on device" in full.stderr


class Full(io.StringIO):
    def write(self, _text: str) -> int:
        raise OSError(28, "No space left on device")


def test_a_full_log_ends_nothing(tmp_path, capsys, monkeypatch, photos):
    monkeypatch.setattr(sys, "stderr", Full())
    assert main([*TRAIN, "--data", str(photos), "--out", str(tmp_path / "run")]) == 0
    assert main(["train", "--resume", str(tmp_path / "nothing")]) == 2
    assert "3 steps in" in capsys.readouterr().out


def test_a_closed_stdout_or_stderr_stops_nothing(tmp_path, monkeypatch, model_file):
    """As a caller leaves them that closes them (`>&-`): to Python they are None."""
    draw = ["sample", str(model_file), "--num", "1", "--steps", "1", "--out"]
    for name in ("stdout", "stderr"):
        out = tmp_path / f"{name}.png"
        with monkeypatch.context() as patch:
            patch.setattr(sys, name, None)
            assert main([*draw, str(out)]) == 0
            assert main(["sample", "nothing", "--out", str(out)]) == 2
            getattr(sys, name).close()
        assert out.exists()


def test_what_a_machine_reads_stays_clean_when_stderr_is_closed(
    tmp_path, capsys, monkeypatch, model_file
):
    out = str(tmp_path / "x.npy")
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", None)
        assert main(["sample", str(model_file), "--num", "2", "--json", "--out", out]) == 0
        sys.stderr.close()
    assert json.loads(capsys.readouterr().out)["shape"] == [2, 1, 8, 8]


def test_a_run_does_not_lie_among_its_own_pictures(tmp_path, capsys, monkeypatch, photos):
    """Or what it draws would be data when it goes on."""
    monkeypatch.chdir(photos)
    for data, out in ((photos, photos / "run"), (".", "runs/mine"), (photos, "x/../y")):
        error = refused(capsys, *TRAIN, "--data", data, "--size", "8", "--out", out)
        assert f"--out {out} lies among the pictures of --data {data}" in error
    assert len(list(photos.iterdir())) == 6
    link = tmp_path / "link"
    link.symlink_to(photos)
    assert "lies among the pictures" in refused(capsys, *TRAIN, "--data", link, "--out", "run")


@pytest.mark.parametrize("encoding", ["cp1252", "cp949", "ascii"])
def test_any_encoding_of_the_output_will_do(encoding):
    for command in ("papers", "draw --help"):
        done = shell(f"ddpm-course {command}", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--size", "0"], "size is 0; it must be a whole number, at least 1 pixel"),
        (["--data", ""], "'' names no pictures; give a folder"),
        (["--data", "hub:"], "'hub:' names no pictures; give a folder"),
    ],
)
def test_nothing_is_no_default(tmp_path, capsys, options, sentence):
    assert sentence in refused(capsys, *TRAIN, *options, "--out", tmp_path / "run")
    assert not list(tmp_path.iterdir())


def test_samples_that_are_no_numbers_are_not_written(tmp_path, capsys, monkeypatch):
    config = UNetConfig(channels=(8, 8), blocks=1, attention=(False, False))
    model = UNet(config)
    monkeypatch.setattr(model, "forward", lambda x, t: torch.full_like(x, torch.nan))
    monkeypatch.setattr(checkpoint, "load", lambda source: (model, Schedule.linear(6, 0.01, 0.5)))
    assert main(["sample", "mine", "--num", "2", "--out", str(tmp_path / "x.npy")]) == 1
    assert "mine draws numbers that are not finite" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_sampler_that_is_ended_leaves_nothing(tmp_path, monkeypatch, model_file, number):
    from ddpm_course.cli import sample

    def end(*_):
        assert list(tmp_path.iterdir())  # it has begun to write
        os.kill(os.getpid(), number)
        signal.pause()

    monkeypatch.setattr(sample, "draw", end)
    signal.signal(number, signal.SIG_DFL)  # the tests themselves may be run by nohup
    with pytest.raises(SystemExit) as stop:
        main(["sample", str(model_file), "--out", str(tmp_path / "x.npy")])
    assert stop.value.code == 128 + number
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is signal.SIG_DFL


def test_tables_that_are_odd_are_named(tmp_path, capsys):
    table = tmp_path / "a.csv"
    table.write_text("id,title,authors,year,year\na,T,Ann Author,2020,2021\n")
    assert "two columns 'year'" in refused(capsys, "papers", table)
    table.write_text('id,title,authors,year\na,"' + "x" * 200_000)
    assert "look for a quote that is not closed" in refused(capsys, "papers", table)


def test_a_preset_of_an_unknown_name_or_without_data(tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(["train", "--preset", "gray27", "--out", out]) == 2
    told = capsys.readouterr().err
    assert "there is no preset 'gray27'; choose one of digits, color16, gray28" in told
    assert main(["train", "--preset", "color64", "--out", out]) == 2
    assert "color64 has no data of its own; name yours in --data" in capsys.readouterr().err


def test_a_batch_that_no_memory_holds_is_refused_at_once(tmp_path, capsys):
    many = ["--num", str(10**12), "--batch-size", str(10**12)]
    assert main(["sample", "digits", *many, "--out", str(tmp_path / "x.npy")]) == 2
    assert "Give a smaller --batch-size or --num." in capsys.readouterr().err
    assert main(["draw", "three", "--num", str(10**12), "--out", str(tmp_path / "x.npy")]) == 2
    assert "Give a smaller --num." in capsys.readouterr().err
    assert not (tmp_path / "x.npy").exists()


@pytest.mark.parametrize(("size", "side"), [([], 16), (["--size", "8"], 8)])
def test_a_preset_brings_pictures_to_its_size(tmp_path, size, side):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(4):
        Image.effect_noise((40, 40), 50 + i).convert("RGB").save(folder / f"{i}.png")
    out = ["--out", str(tmp_path / "run"), "--steps", "1", "--batch-size", "2", "--device", "cpu"]
    assert main(["train", "--preset", "color16", "--data", str(folder), *size, *out]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["unet"]["size"] == side


def test_json_where_a_machine_reads(tmp_path, capsys, monkeypatch, model_file):
    out = tmp_path / "x.npy"
    arguments = ["sample", str(model_file), "--num", "3", "--steps", "2", "--out", str(out)]
    assert main([*arguments, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["shape"] == [3, 1, 8, 8] == list(np.load(out).shape)
    assert (said["out"], said["model"], said["seed"]) == (str(out), str(model_file), 0)

    from ddpm_course import ledger

    right = next(ledger.entries())
    monkeypatch.setattr(ledger, "entries", lambda: iter([right]))
    assert main(["verify", "--json"]) == 0
    (claim,) = json.loads(capsys.readouterr().out)["claims"]
    assert claim["name"] == right.name
    assert claim["holds"] is True
    wrong = right._replace(wrong="no")
    monkeypatch.setattr(ledger, "entries", lambda: iter([right, wrong]))
    assert main(["verify", "--json"]) == 1
    assert [c["holds"] for c in json.loads(capsys.readouterr().out)["claims"]] == [True, False]
