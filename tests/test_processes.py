"""Several processes: the same training as one, saved once, and resumed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

ROOT = Path(__file__).parent.parent
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
# `--multi_gpu` is accelerate's word for several processes of one machine; with `--cpu` it starts
# one alone, whatever --num_processes says, unless there is an mpirun.
ACCELERATE = [
    *("-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"),
    *("--num_machines", "1", "--main_process_port", "0"),
    *("--mixed_precision", "no", "--dynamo_backend", "no"),
]
TRAIN = [*("-m", "ddpm_course.cli", "train", "--device", "cpu", "--dropout", "0")]
NEW = ["--batch-size", "16", "--save-every", "2"]


def run(*command: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, *command],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done


def processes(run: Path) -> int:
    """How many there were when the run was last saved."""
    return json.loads((run / "config.json").read_text(encoding="utf8"))["versions"]["processes"]


@pytest.mark.long
@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_two_processes_train_as_one_does_and_go_on_as_two(tmp_path, launcher):
    one, two = tmp_path / "one", tmp_path / "two"
    run(*TRAIN, *NEW, "--steps", "5", "--out", str(one))
    assert processes(one) == 1
    done = run(*launcher, *TRAIN, *NEW, "--steps", "3", "--out", str(two))
    assert done.stdout.count("3 steps in") == 1  # one speaks, and one writes
    assert [file.name for file in (two / "samples").iterdir()] == ["00000002.png"]
    assert processes(two) == 2
    done = run(*launcher, *TRAIN, "--resume", str(two), "--steps", "5", "--save-every", "2")
    assert done.stdout.count("5 steps in") == 1
    assert processes(two) == 2
    expected = load_file(one / "checkpoint.safetensors")
    found = load_file(two / "checkpoint.safetensors")
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        if name.startswith("optimizer"):
            continue
        torch.testing.assert_close(
            found[name], value, rtol=0, atol=2e-4, msg=lambda m, n=name: n + m
        )
