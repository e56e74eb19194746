"""Which right answers call the course's own functions: the judge finds each of them."""

import inspect
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ddpm_course.grading.sandbox import PACKAGE
from ddpm_course.grading.taught import HIDDEN, is_taught, write_package
from ddpm_course.schedule import Schedule

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the package as rooms see it."""
    folder = tmp_path_factory.mktemp("room")
    write_package(PACKAGE, folder / "ddpm_course")
    return folder


@pytest.fixture(scope="module")
def with_bank(sealed: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but with the bank, and with all of Schedule: so that answers can be asked."""
    folder = tmp_path_factory.mktemp("with_bank")
    shutil.copytree(sealed, folder, dirs_exist_ok=True)
    for name in HIDDEN:
        place = Path(*name.split("."))
        if (PACKAGE.parent / place).is_dir():
            shutil.copytree(PACKAGE.parent / place, folder / place)
        elif (file := PACKAGE.parent / place.with_suffix(".py")).is_file():
            shutil.copy(file, folder / place.parent)
    shutil.copy(PACKAGE / "schedule.py", folder / "ddpm_course")
    return folder


def run_there(folder: Path, code: str) -> str:
    code = f"import sys\nsys.path.insert(0, {str(folder)!r})\n" + code
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", timeout=900)
    assert done.returncode == 0, done.stderr
    return done.stdout


# In a process of its own: forbidding is for good.
SCRIPT = """
import os, signal, sys
sys.path.insert(0, {here!r})
from alternatives import ALTERNATIVES
from ddpm_course.grading.answers import ask
from ddpm_course.grading.taught import borrowed, forbid
from ddpm_course.grading.tasks import find
for name, answers in ALTERNATIVES.items():
    for number, answer in enumerate(answers):
        pid = os.fork()
        if pid == 0:
            signal.alarm(120)
            task = find(name)
            if callable(task.reference):
                forbid(name)
            ask(task, answer, 3)
            if borrowed:
                os.write(1, f"{{name}} {{number}} {{borrowed[0]}}\\n".encode())
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0, (name, number)
"""


@pytest.mark.long
def test_exactly_the_answers_that_call_taught_functions_are_found(with_bank: Path) -> None:
    told = run_there(with_bank, SCRIPT.format(here=str(HERE)))
    found = {tuple(line.split()) for line in told.splitlines()}
    assert found == {
        ("forward.linear", "0", "Schedule.linear"),
        ("forward.step", "0", "forward.step"),
        ("forward.estimate", "0", "forward.trajectory"),
        ("marginal.alpha_bar", "0", "Schedule.alpha_bar"),
        ("marginal.given_x0", "0", "marginal.given_x0"),
        ("marginal.sample", "0", "marginal.sample"),
        ("marginal.predict_x0", "0", "marginal.predict_x0"),
        ("marginal.predict_eps", "0", "marginal.predict_eps"),
        ("marginal.cosine", "0", "Schedule.cosine"),
        ("reverse.beta_tilde", "0", "Schedule.beta_tilde"),
        ("reverse.posterior_mean", "0", "reverse.posterior"),
        ("reverse.posterior_mean", "1", "reverse.posterior"),
        ("reverse.mean_from_eps", "0", "reverse.transition"),
        ("reverse.clipped_mean", "0", "reverse.transition"),
        ("reverse.clipped_mean", "1", "marginal.predict_x0"),
        ("reverse.step", "0", "reverse.transition"),
        ("reverse.ancestral", "0", "reverse.transition"),
        ("loss.draw_t", "0", "loss.uniform_t"),
        ("loss.epsilon_loss", "0", "loss.epsilon_loss"),
        ("loss.prior_bits", "0", "gaussian.Gaussian.kl"),
        ("loss.decoder", "0", "loss.discretized_log_prob"),
        ("training.time_embedding", "0", "unet.time_embedding"),
        ("training.train", "0", "loss.epsilon_loss"),
        ("training.ddim", "1", "marginal.predict_x0"),
        ("evaluation.nearest", "0", "metrics.nearest_distance"),
        ("evaluation.frechet", "0", "metrics.frechet_distance"),
        ("beyond.ddim_step", "0", "marginal.predict_x0"),
        ("beyond.guided_walk", "1", "marginal.predict_x0"),
        ("beyond.keep_known", "0", "marginal.sample"),
        ("solvers.half_log_snr", "0", "solvers.half_log_snr"),
        ("solvers.walk", "0", "marginal.predict_x0"),
        ("trends.contrastive", "2", "trends.multimodal.contrastive_loss"),
        ("trends.guided", "3", "trends.text_to_image.guide"),
    }


# Every function of the package, but for the rooms that are free by name, refuses to run.
WALK = """
import importlib, inspect, pkgutil
import ddpm_course
from ddpm_course.grading.taught import Borrowed, borrowed
free = ("schedule", "data", "images", "checks", "checkpoint", "plots", "presets", "widgets",
        "grading", "symbolic", "cli", "ledger")
for one in pkgutil.walk_packages(ddpm_course.__path__, "ddpm_course."):
    if one.name.split(".")[1] in free:
        continue
    module = importlib.import_module(one.name)
    for name, value in vars(module).items():
        inner = inspect.unwrap(value) if callable(value) else value
        ours = inspect.isfunction(inner) and inner.__module__ == one.name
        if ours and not name.startswith("_"):  # some helpers set objects up, and stay
            arguments = [None] * sum(
                p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
                for p in inspect.signature(inner).parameters.values()
            )
            named = {
                p.name: None for p in inspect.signature(inner).parameters.values()
                if p.kind is p.KEYWORD_ONLY and p.default is p.empty
            }
            try:
                inner(*arguments, **named)
            except Borrowed:
                print(one.name.removeprefix("ddpm_course."), name, borrowed[-1])
            else:
                raise SystemExit(f"{one.name}.{name} ran")
"""


def test_every_function_of_a_taught_room_refuses_to_run(with_bank: Path) -> None:
    refused = [tuple(line.split()) for line in run_there(with_bank, WALK).splitlines()]
    assert len(refused) > 60
    for room, name, told in refused:
        assert told == f"{room}.{name}"
        assert is_taught(told)
    assert {("marginal", "sample"), ("trends.text_to_image", "guide")} <= {r[:2] for r in refused}


def test_the_room_has_no_file_with_a_right_answer(sealed: Path) -> None:
    text = "\n".join(path.read_text(encoding="utf8") for path in sealed.rglob("*.py"))
    for name in HIDDEN:
        assert not sealed.joinpath(*name.split(".")).exists()
        assert not sealed.joinpath(*name.split(".")).with_suffix(".py").exists()
    assert not list(sealed.rglob("__pycache__"))
    assert "cumprod" not in text  # ᾱ, in Schedule and everywhere
    for part in ("alpha_bar", "beta_tilde", "snr"):
        source = inspect.getsource(vars(Schedule)[part].func)
        assert source.splitlines()[-1].strip() not in text
    marginal = (sealed / "ddpm_course" / "marginal.py").read_text(encoding="utf8")
    assert "sqrt" not in marginal
    assert "ᾱ" not in marginal


def test_methods_refuse_and_making_an_object_does_not(with_bank: Path) -> None:
    code = """
import torch
from ddpm_course import Gaussian, UNet, UNetConfig
from ddpm_course.grading.taught import Borrowed
pair = Gaussian(torch.zeros(2), torch.ones(2))
net = UNet(UNetConfig(channels=(8,), attention=(False,)))
for act in (pair.sample, lambda: pair.kl(pair), lambda: net(torch.zeros(1, 1, 8, 8), 1)):
    try:
        act()
    except Borrowed as error:
        print(error)
"""
    assert run_there(with_bank, code).split() == [
        "gaussian.Gaussian.sample",
        "gaussian.Gaussian.kl",
        "unet.UNet.forward",
    ]


def test_only_names_of_taught_functions_are_names() -> None:
    for name in ("Schedule.alpha_bar", "trends.papers.library"):
        assert is_taught(name) is (name != "trends.papers.library")
    for name in (
        "",
        "x",
        "SECRET_0_5",
        "marginal.SECRET",
        "os.path",
        "data.digits",
        "marginal.",
        "..",
        "schedule",
    ):
        assert not is_taught(name)
