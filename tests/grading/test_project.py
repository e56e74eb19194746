"""Projects: what a good model gets, what tricks get, and one sentence for each bad file."""

import csv
import io
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save
from submissions import RELEASED

from ddpm_course.cli import main
from ddpm_course.data import digit_labels, digits
from ddpm_course.grading.grades import Grade
from ddpm_course.grading.project import (
    CRITERIA,
    FILES,
    RUBRIC,
    Scores,
    marks,
    measure,
    read_scores,
)

GENERATOR = torch.Generator().manual_seed(0)


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


def like_the_test_set(count: int = 600) -> torch.Tensor:
    """Digits that are new and various: each a real one of the test set, changed a little as
    another hand would."""
    test = digits("test")
    index = torch.arange(count) % len(test)
    noise = 0.1 * torch.randn(count, 1, 8, 8, generator=GENERATOR)
    return (test[index] + noise).clamp(-1, 1)


def gaussian(count: int = 600) -> torch.Tensor:
    flat = digits("train").flatten(1).double()
    root = torch.linalg.cholesky(flat.T.cov() + 1e-6 * torch.eye(64))
    drawn = flat.mean(0) + torch.randn(count, 64, generator=GENERATOR).double() @ root.T
    return drawn.clamp(-1, 1).view(-1, 1, 8, 8).float()


def noisy(x: torch.Tensor, size: float) -> torch.Tensor:
    return (x + size * torch.randn(x.shape, generator=GENERATOR)).clamp(-1, 1)


LOSSES = b"step,loss\n" + b"".join(b"%d,%f\n" % (n, 1 / n) for n in range(1, 40))
GOOD = {
    "samples.npy": npy(like_the_test_set().numpy()),
    "weights.safetensors": save({"w": torch.ones(3, 3)}),
    "losses.csv": LOSSES,
    "report.md": b"word " * 200,
}


def graded(**files: bytes) -> dict[str, Grade]:
    """The grades of the good project with some of its files replaced."""
    named = {name.replace("_", "."): content for name, content in files.items()}
    given = {**GOOD, **named}
    reply = json.dumps(measure({n: c for n, c in given.items() if c}, {})).encode()
    missing = {n: f"There is no {n}." for n, c in given.items() if not c}
    return {one.task.removeprefix("project."): one for one in marks(read_scores(reply), missing)}


def points(samples: torch.Tensor) -> dict[str, float]:
    got = graded(samples_npy=npy(samples.numpy()))
    return {name: one.points for name, one in got.items() if name in {c.name for c in CRITERIA}}


FULL = {one.name: one.points for one in CRITERIA}


def test_new_and_various_samples_get_everything() -> None:
    assert points(like_the_test_set()) == FULL
    as_bytes = ((like_the_test_set() + 1) * 127.5).round().to(torch.uint8)
    assert points(as_bytes) == FULL


@pytest.mark.slow
def test_the_models_that_ship_earn_all_points_and_a_hasty_sampler_fewer() -> None:
    from ddpm_course import checkpoint, solvers

    model, schedule = checkpoint.load("digits")
    got = {}
    for steps in (20, 2):
        with torch.no_grad():
            walk = list(
                solvers.ddim(model, (500, 1, 8, 8), schedule, steps=steps, generator=GENERATOR)
            )
        got[steps] = points(walk[-1].x_t.clamp(-1, 1))
    assert got[20] == FULL
    assert got[2]["quality"] == 0
    assert sum(got[2].values()) >= 10


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (lambda: digits("train")[:600], dict.fromkeys(FULL, 0)),
        (lambda: noisy(digits("train")[:600], 0.2), dict.fromkeys(FULL, 0)),
        (lambda: like_the_test_set()[:1].expand(600, -1, -1, -1), dict.fromkeys(FULL, 0)),
        (lambda: noisy(torch.zeros(600, 1, 8, 8), 1), {"quality": 0, "likeness": 0, "variety": 0}),
        (gaussian, {"likeness": 0}),
        (
            lambda: noisy(digits("test")[digit_labels("test") == 3].repeat(20, 1, 1, 1)[:600], 0.2),
            {"quality": 0, "variety": 0},
        ),
    ],
    ids=["copies", "copies with noise", "one sample", "noise", "a Gaussian", "one digit"],
)
def test_tricks_do_not_pay(samples: Callable[[], torch.Tensor], expected: dict[str, float]) -> None:
    got = points(samples())
    assert {name: got[name] for name in expected} == expected


def test_the_bars_are_where_they_say() -> None:
    for one in CRITERIA:
        worse = -1e-6 if one.more else 1e-6
        assert [one.share(one.full), one.share(one.full + worse), one.share(one.half + worse)] == [
            *(1, 0.5, 0)
        ]
    scores = {c.name: c.half for c in CRITERIA} | {"own": 1.0}
    half = marks(Scores(scores, {}), {})
    assert [one.points for one in half[:3]] == [2.5] * 3
    assert "for all points it is 0.04 or less" in half[0].sentence
    assert sum(points for _, points, _ in RUBRIC) == 10
    assert sum(one.max_points for one in half) == 20


def header(shape: str, dtype: str = "<f4") -> bytes:
    """An .npy file that promises an array which it does not hold."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()


A = like_the_test_set().numpy()
BAD_SAMPLES = {
    "none": (b"", "There is no samples.npy."),
    "no array": (b"hello", "samples.npy is no array of NumPy's"),
    "a zip": (b"PK\3\4", "samples.npy is no array of NumPy's"),
    "a promise": (header("(9, 9, 9, 9999999999)"), "samples.npy is no array of NumPy's"),
    "objects": (header("(600,)", "|O"), "samples.npy is no array of NumPy's"),
    "code": (b"\x93NUMPY\1\0\x20\0__import__('os').getcwd()       \n", "is no array"),
    "text": (npy(np.array(["a"] * 600)), "samples.npy holds numbers of another kind"),
    "int64": (npy(A.astype(np.int64)), "samples.npy holds numbers of another kind"),
    "complex": (npy(A.astype(np.complex64)), "samples.npy holds numbers of another kind"),
    "no channel": (npy(A[:, 0]), "shape (600, 8, 8); expected 500 to 5000 samples of shape (1, 8"),
    "few": (npy(A[:20]), "shape (20, 1, 8, 8); expected 500 to 5000 samples"),
    "many": (npy(np.zeros((5001, 1, 8, 8), np.uint8)), "shape (5001, 1, 8, 8); expected 500"),
    "flat": (npy(np.float32(3)), "shape (); expected"),
    "NaN": (npy(np.where(A > 0.9, np.nan, A)), "NaN or infinite values in"),
    "infinite": (npy(np.where(A > 0.9, np.inf, A)), "NaN or infinite values in"),
    "0..255": (npy(A * 127.5 + 127.5), "floating point samples lie in [-1, 1]"),
}


@pytest.mark.parametrize("name", BAD_SAMPLES)
def test_bad_samples_get_one_sentence_and_the_other_files_their_points(name: str) -> None:
    content, told = BAD_SAMPLES[name]
    got = graded(samples_npy=content)
    for one in CRITERIA:
        assert got[one.name].points == 0
        assert told in got[one.name].sentence
        assert "\n" not in got[one.name].sentence
    assert got["weights"].points == got["losses"].points == 1


BAD_FILES = {
    "no weights": ("weights.safetensors", b"", "There is no weights.safetensors."),
    "a pickle": ("weights.safetensors", b"\x80\x04K\x01.", "is not in that format"),
    "a long header": ("weights.safetensors", b"\xff" * 100, "is not in that format"),
    "empty": ("weights.safetensors", save({}), "holds no weights"),
    "NaN": ("weights.safetensors", save({"w": torch.tensor([torch.nan])}), "NaN or infinite"),
    "no table": ("losses.csv", b"\x00\xff", "has no columns"),
    "no row": ("losses.csv", b"hello", "has no columns"),
    "other columns": ("losses.csv", b"a,b\n1,2\n", "has no columns"),
    "text": ("losses.csv", b"step,loss\n1,low\n", "has no columns `step` and `loss` of numbers"),
    "few": ("losses.csv", b"step,loss\n1,1\n", "has 1 rows; log at least 10"),
    "back": ("losses.csv", LOSSES + b"1,0.001\n", "the steps do not rise"),
    "rising": ("losses.csv", LOSSES + b"50,9\n51,9\n52,9\n53,9\n", "the loss does not fall"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_other_bad_files_cost_their_own_points_alone(name: str) -> None:
    file, content, told = BAD_FILES[name]
    got = graded(**{file.replace(".", "_"): content})
    task = file.split(".")[0]
    assert got[task].points == 0
    assert told in got[task].sentence
    assert {n: one.points for n, one in got.items() if n in FULL} == FULL


@pytest.mark.parametrize("kind", ["none", "new", "SECRET {}", 3])
def test_the_room_cannot_say_a_sentence_of_its_own(kind: Any) -> None:
    reply = {"scores": {}, "problems": {FILES[0]: [kind, 1, 2, 3, 4]}}
    with pytest.raises(ValueError, match="no reply"):
        read_scores(json.dumps(reply).encode())


@pytest.mark.parametrize("number", ["SECRET", [1] * 9, {"a": 1}, 1e400, None])
def test_nothing_but_numbers_comes_back(number: Any) -> None:
    reply = json.dumps({"scores": {"quality": 1}, "problems": {FILES[0]: ["nan", number, 2]}})
    try:
        told = read_scores(reply.encode()).problems[FILES[0]]
    except ValueError:
        return
    assert "SECRET" not in told
    with pytest.raises(ValueError, match="no reply"):
        read_scores(b'{"scores": {"quality": NaN}, "problems": {}}')


def hand_in(folder: Path, student: str, place: str = "project", **files: bytes) -> None:
    named = {name.replace("_", "."): content for name, content in files.items()}
    for name, content in {**GOOD, **named}.items():
        path = folder / student / place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content:
            path.write_bytes(content)


@pytest.mark.slow
def test_a_class_of_projects(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], walls: None
) -> None:
    folder = tmp_path / "class"
    hand_in(folder, "ada")
    hand_in(folder, "bob", "work/project of bob")
    hand_in(folder, "copy", samples_npy=npy(digits("train")[:600].numpy()))
    hand_in(folder, "bad", samples_npy=b"hello", report_md=b"short")
    hand_in(folder, "large", samples_npy=b"x" * (33 << 20))
    hand_in(folder, "own", data_npy=npy(digits("train").numpy()))
    (folder / "none").mkdir()
    (folder / "link").mkdir()
    (folder / "link" / "project").symlink_to(folder / "ada" / "project")
    command = ["grade", folder, "--out", tmp_path / "report", "--jobs", "1"]
    assert main(list(map(str, [*command, "--released", RELEASED]))) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf8"))
    got = {one["student"]: one["points"] for one in report["students"]}
    assert got == {"ada": 20, "bob": 20, "copy": 2, "bad": 2, "large": 2, "own": 20} | {
        "none": 0,
        "link": 0,
    }
    said = capsys.readouterr().err
    assert "bob, project: Found in work/project of bob/. report.md is yours to grade" in said
    assert "bad, project: report.md has 1 words; a page has 150 or more." in said
    assert "own, project: report.md is yours to grade (10 points). Its samples were" in said
    with (tmp_path / "report" / "leaderboard.csv").open(encoding="utf8") as file:
        board = list(csv.DictReader(file))
    assert {row["student"] for row in board[:3]} == {"ada", "bob", "own"}
    assert [int(row["rank"]) for row in board] == list(range(1, len(board) + 1))
    assert {"none", "link"}.isdisjoint(row["student"] for row in board)
    page = (tmp_path / "report" / "feedback" / "copy.html").read_text(encoding="utf8")
    assert "copies of training images" in page


@pytest.mark.slow
def test_a_set_that_is_held_back_is_what_counts(tmp_path: Path, walls: None) -> None:
    folder = tmp_path / "class"
    hand_in(folder, "digits")
    hand_in(folder, "inverse", samples_npy=npy(-like_the_test_set()))
    for name, array in {"held.npy": -digits("test"), "train.npy": -digits("train")}.items():
        (tmp_path / name).write_bytes(npy(array.numpy()))
    command = ["grade", folder, "--out", tmp_path / "report", "--jobs", "1", "--chapters"]
    command += ["project", "--held-back", tmp_path / "held.npy"]
    assert main(list(map(str, [*command, "--training", tmp_path / "train.npy"]))) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf8"))
    got = {one["student"]: one["points"] for one in report["students"]}
    assert got["digits"] < 10 < got["inverse"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--training", "x.npy"], "--training stands beside --held-back"),
        (["--held-back", "no.npy"], "is no .npy file of 200 or more images"),
        (["--held-back", "x.npy", "--training", "y.npy"], "images of different shapes"),
    ],
)
def test_what_projects_are_compared_with_is_checked_before_the_work(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    hand_in(tmp_path / "class", "ada")
    Path("x.npy").write_bytes(npy(np.zeros((200, 1, 8, 8))))
    Path("y.npy").write_bytes(npy(np.zeros((200, 8, 8))))
    Path("no.npy").write_bytes(npy(np.full((200, 8, 8), 7.0)))
    assert main(["grade", "class", "--out", "report", *options]) == 2
    assert told in capsys.readouterr().err
    assert not Path("report").exists()


EXAMPLE = Path(__file__).parents[2] / "exercises" / "project" / "example"


def test_the_page_for_students_has_the_figures_of_the_grader() -> None:
    page = (EXAMPLE.parent / "README.md").read_text(encoding="utf8")
    for one in CRITERIA:
        word = "at least" if one.more else "at most"
        full, half = (
            f"{bar:.2f}" if one.points == 5 else f"{bar:g}" for bar in (one.full, one.half)
        )
        row = f"| {one.name} | {one.points} | {word} {full} | {word} {half} |"
        assert row in page
    for title, points, told in RUBRIC:
        assert f"| {title} | {points} | {told} |" in page
    assert all(f"`{name}`" in page for name in FILES)


def test_the_worked_examples_page_tells_what_was_measured() -> None:
    page = (EXAMPLE / "report.md").read_text(encoding="utf8")
    for name, told in {
        "samples": "the average of the weights (handed in)",
        "last-weights": "the last weights",
    }.items():
        files = {file: (EXAMPLE / file).read_bytes() for file in FILES}
        files["samples.npy"] = (EXAMPLE / f"{name}.npy").read_bytes()
        scores = measure(files, {})["scores"]
        points = sum(one.points * one.share(scores[one.name]) for one in CRITERIA) + 2
        figures = " | ".join(f"{scores[one.name]:.3f}" for one in CRITERIA)
        assert f"| {told} | {figures} | {points:g} |" in page
    assert f"{int(scores['weights']):,} weights" in page
    assert (EXAMPLE / "weights.safetensors").stat().st_size < 2**20


@pytest.mark.slow
def test_the_worked_example_gets_the_points_that_its_page_tells(
    tmp_path: Path, walls: None
) -> None:
    """Its page says how many points it has, and so does the program that grades it."""
    shutil.copytree(EXAMPLE, tmp_path / "class" / "example" / "project")
    command = ["grade", tmp_path / "class", "--out", tmp_path / "report", "--jobs", "1"]
    assert main(list(map(str, [*command, "--chapters", "project"]))) == 0
    report = json.loads((tmp_path / "report" / "report.json").read_text(encoding="utf8"))
    page = (EXAMPLE / "report.md").read_text(encoding="utf8")
    points = report["students"][0]["points"]
    assert f"**{points:g} of 20 points**" in page
    assert 12 <= points < 20
