"""Which right answers call the course's own functions: the judge finds each of them."""

import subprocess
import sys
from pathlib import Path

from ddpm_course.grading.taught import is_taught

HERE = Path(__file__).parent

# In a process of its own: forbidding is for good.
SCRIPT = """
import os, sys
sys.path.insert(0, {here!r})
from alternatives import ALTERNATIVES
from ddpm_course.grading.answers import ask
from ddpm_course.grading.taught import borrowed, forbid
from ddpm_course.grading.tasks import find
for name, answers in ALTERNATIVES.items():
    for number, answer in enumerate(answers):
        pid = os.fork()
        if pid == 0:
            task = find(name)
            if callable(task.reference):
                forbid(name)
            ask(task, answer, 3)
            if borrowed:
                os.write(1, f"{{name}} {{number}} {{borrowed[0]}}\\n".encode())
            os._exit(0)
        os.waitpid(pid, 0)
"""


def test_exactly_the_answers_that_call_taught_functions_are_found() -> None:
    code = SCRIPT.format(here=str(HERE))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found = {tuple(line.split()) for line in done.stdout.splitlines()}
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
        ("trends.contrastive", "2", "trends.multimodal.contrastive_loss"),
        ("trends.guided", "3", "trends.text_to_image.guide"),
    }


# Every function of the package, but for the rooms that are free by name, refuses to run.
WALK = """
import importlib, pkgutil, sys
import ddpm_course
from ddpm_course.grading import tasks
from ddpm_course.grading.taught import HIDDEN, Borrowed, forbid
free = ("schedule", "data", "images", "checkpoint", "plots", "widgets", "grading", "symbolic")
rooms = [
    one.name
    for one in pkgutil.walk_packages(ddpm_course.__path__, "ddpm_course.")
    if one.name.split(".")[1] not in free
]
modules = [importlib.import_module(name) for name in rooms]
forbid("marginal.sample")
for module in modules:
    for name, value in vars(module).items():
        if callable(value) and hasattr(value, "__code__") and value.__module__ == module.__name__:
            try:
                value(*[None] * 0)
            except Borrowed:
                print(module.__name__.removeprefix("ddpm_course."), name)
            else:
                raise SystemExit(f"{module.__name__}.{name} ran")
"""


def test_every_function_of_a_taught_room_refuses_to_run() -> None:
    done = subprocess.run([sys.executable, "-c", WALK], capture_output=True, text=True, check=True)
    refused = {tuple(line.split()) for line in done.stdout.splitlines()}
    assert len(refused) > 100
    assert {("marginal", "sample"), ("trends.text_to_image", "guide")} <= refused
    assert all(is_taught(f"{room}.{name}") for room, name in refused)


def test_only_names_of_taught_functions_are_names() -> None:
    for name in ("Schedule.alpha_bar", "trends.papers.library", "schedule"):
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
    ):
        assert not is_taught(name)
