"""Which right answers call the course's own functions: the judge finds each of them."""

import subprocess
import sys
from pathlib import Path

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
    }
