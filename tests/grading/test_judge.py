"""The judge: all for right answers, nothing for blanks, and the same for any seed and any habit."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from submissions import RELEASED, ROOT, answering, cell_of, changed, hand_in, solved

from ddpm_course.cli import main
from ddpm_course.grading import sandbox
from ddpm_course.grading.doors import can_fence
from ddpm_course.grading.judge import Submission, grade, public, read_reply
from ddpm_course.grading.report import COLUMNS, feedback_name
from ddpm_course.grading.sandbox import Limits
from ddpm_course.grading.tasks import CHAPTERS, chapter, find

pytestmark = pytest.mark.slow

SHARE = "alpha_bar[t].float().view(-1, 1, 1, 1)"
SHARED = SHARE.replace("alpha_bar", "table")
WEAK = (
    "def sample(x_0, t, eps, alpha_bar):\n"
    f"    share = {SHARE}\n"
    "    return share.sqrt() * x_0 + (1 - share) * eps\n"
)


def test_solutions_earn_everything_and_blanks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in CHAPTERS:
        hand_in(tmp_path / "class", "solved", name, solved(name))
        blank = (RELEASED / name / f"{name}.ipynb").read_bytes()
        hand_in(tmp_path / "class", "blank", name, blank)
    hand_in(tmp_path / "class", "one", "marginal", answering("marginal.sample", WEAK))
    command = ["grade", tmp_path / "class", "--out", tmp_path / "out", "--released", RELEASED]
    assert main([*map(str, command), "--jobs", "2", "--seed", "tell"]) == 0
    shown = capsys.readouterr()
    assert f"{2 * len(CHAPTERS) + 1} notebooks of 3 students" in shown.out
    assert f"{3 * len(CHAPTERS)}/{3 * len(CHAPTERS)}" in shown.err

    report = json.loads((tmp_path / "out" / "report.json").read_text())
    points = {one["student"]: (one["points"], one["max_points"]) for one in report["students"]}
    whole = sum(chapter(name).points for name in CHAPTERS)
    with capsys.disabled():
        print(f"\nsolutions {points['solved'][0]}/{whole}; blanks {points['blank'][0]}", end=" ")
    assert points == {"solved": (whole, whole), "blank": (0, whole), "one": (17, whole)}
    assert report["seed"] == "tell"

    with (tmp_path / "out" / "grades.csv").open() as file:
        reader = csv.DictReader(file)
        rows = list(reader)
        assert tuple(reader.fieldnames or ()) == COLUMNS
    scores = {(row["student_id"], row["assignment"]): float(row["score"]) for row in rows}
    assert scores["one", "marginal"] == 17
    assert scores["one", "loss"] == 0
    page = (tmp_path / "out" / "feedback" / "one.html").read_text()
    assert "The noise is too weak" in page
    assert "17 of 20 points" in page
    assert "Not handed in." in page
    assert "tell" not in page

    assert main([*map(str, command)]) == 2  # the report is there already
    assert "name a new folder" in capsys.readouterr().err


@pytest.fixture(scope="module")
def habits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Submission]:
    """What students do in their notebooks, some of it unwise, none of it wrong."""
    folder = tmp_path_factory.mktemp("habits")
    right = "".join(cell_of(solved("marginal"), "marginal-sample-answer")["source"])
    noisy = right.replace(
        "    share",
        "    import sys, warnings\n    from tqdm.auto import tqdm\n"
        "    for _ in tqdm(range(3)):\n        print('progress', file=sys.stderr)\n"
        "    warnings.warn('careful')\n    x_0 = x_0 + 0\n    share",
        1,
    )
    helper = "%matplotlib inline\ndef share_of(table, t):\n    return " + SHARE.replace(
        "alpha_bar", "table"
    )
    helped = "def sample(x_0, t, eps, alpha_bar):\n    s = share_of(alpha_bar, t)\n"
    helped += "    return s.sqrt() * x_0 + (1 - s).sqrt() * eps\n"
    hidden = "globals()['sample'] = lambda x_0, t, eps, alpha_bar: (\n"
    hidden += f"    {SHARE}.sqrt() * x_0 + (1 - {SHARE}).sqrt() * eps)\n"

    def code(source: str) -> Any:
        return {"cell_type": "code", "metadata": {}, "source": source}

    def insert(nb: Any, place: int, source: str) -> None:
        nb["cells"].insert(place, code(source))

    def with_helper(nb: Any) -> None:
        insert(nb, 3, helper)
        cell_of(nb, "marginal-sample-answer")["source"] = helped

    def helper_below(nb: Any) -> None:
        nb["cells"].append({"cell_type": "code", "metadata": {}, "source": helper})
        cell_of(nb, "marginal-sample-answer")["source"] = helped

    def compared(nb: Any) -> None:
        source = "from ddpm_course import marginal\nx = torch.zeros(2, 1, 2, 2)\n"
        source += "marginal.sample(x, torch.tensor([1, 2]), Schedule.linear(10))\nother = 1"
        insert(nb, len(nb["cells"]), source)

    def means_else_later(nb: Any) -> None:
        insert(nb, 3, "root = torch.sqrt")
        cell_of(nb, "marginal-sample-answer")["source"] = rooted
        nb["cells"].append(code("root = 'of a plant'\ndef sample(x_0):\n    return x_0"))

    def brings_a_file(nb: Any) -> None:
        insert(nb, 3, "from helpers import share_of")
        cell_of(nb, "marginal-sample-answer")["source"] = helped

    def writes_a_file(nb: Any) -> None:
        insert(nb, 3, "%%writefile mine.py\ndef share_of(table, t):\n    return " + SHARED)
        insert(nb, 4, "from mine import share_of")
        cell_of(nb, "marginal-sample-answer")["source"] = helped

    def star_and_loop(nb: Any) -> None:
        insert(nb, 3, "from torch import *")
        insert(nb, 4, "while True:\n    pass")
        cell_of(nb, "marginal-sample-answer")["source"] = rooted.replace("root", "sqrt")

    def future(nb: Any) -> None:
        insert(nb, 3, "from __future__ import annotations")
        head = "def sample(x_0: Later, t, eps, alpha_bar) -> Later:\n"
        cell_of(nb, "marginal-sample-answer")["source"] = head + right.partition("\n")[2]

    def remembers(nb: Any) -> None:
        insert(nb, 3, "torch.sqrt")
        insert(nb, 4, "root = Out[max(Out)] if Out else _\nassert len(In) > 1 and get_ipython()")
        cell_of(nb, "marginal-sample-answer")["source"] = rooted

    rooted = "def sample(x_0, t, eps, alpha_bar):\n    s = " + SHARE
    rooted += "\n    return root(s) * x_0 + root(1 - s) * eps\n"
    jit = "@torch.jit.script\ndef same(x: torch.Tensor):\n    return x * 1\n" + right
    jit = jit.replace("* eps", "* same(eps)")
    ipython = "from IPython import get_ipython\nget_ipython().system('ls')\n"

    notebooks = {
        "means something else later": changed(means_else_later),
        "brings a file": changed(brings_a_file),
        "writes a file": changed(writes_a_file),
        "star import beside a loop": changed(star_and_loop),
        "future": changed(future),
        "remembers outputs": changed(remembers),
        "compiles": answering("marginal.sample", jit),
        "asks for ipython": answering("marginal.sample", ipython + right),
        "awaits": answering("marginal.sample", "import asyncio\nawait asyncio.sleep(0)\n" + right),
        "times a statement": answering(
            "marginal.sample",
            "def _sample(x_0, t, eps, alpha_bar):\n" + right.partition("\n")[2] + "\n"
            "%time sample = _sample\n%timeit -n1 -r1 1 + 1\n%no_such_magic at all\n",
        ),
        "has no colon": answering("marginal.sample", right.replace("Tensor:\n", "Tensor\n", 1)),
        "has no module": answering("marginal.sample", "import einops_of_mine\n" + right),
        "has a wrong shape": answering("marginal.sample", right.replace(".view(-1, 1, 1, 1)", "")),
        "divides by a name": answering("marginal.sample", right.replace("share.sqrt()", "sqare")),
        "noisy": answering("marginal.sample", "%%time\n" + noisy),
        "helper": changed(with_helper),
        "helper below": changed(helper_below),
        "through globals": answering("marginal.sample", hidden),
        "loop variable": changed(lambda nb: insert(nb, 99, "for sample in range(3): pass")),
        "broken cell": changed(lambda nb: insert(nb, 3, "1 / 0")),
        "no Python": changed(lambda nb: insert(nb, 3, "this is no Python\n!ls\n?int")),
        "compares at the end": changed(compared),
        "tries again": changed(lambda nb: insert(nb, 3, WEAK)),
        "borrows": answering(
            "marginal.sample",
            "from ddpm_course.marginal import sample as theirs\n"
            "def sample(x_0, t, eps, alpha_bar):\n"
            "    beta = torch.cat([alpha_bar[:1] * 0, 1 - alpha_bar[1:] / alpha_bar[:-1]])\n"
            "    return theirs(x_0, t, Schedule(beta), eps)[0]\n",
        ),
        "is theirs": answering("marginal.sample", "from ddpm_course.marginal import sample\n"),
        "leaks": answering(
            "marginal.sample",
            "def sample(x_0, t, eps, alpha_bar):\n    raise ValueError(f'SECRET {x_0}')\n",
        ),
        "leaks by a name": answering(
            "marginal.sample",
            "def sample(x_0, t, eps, alpha_bar):\n"
            "    raise type(f'SECRET{int(x_0.sum() * 1e6)}', (Exception,), {})()\n",
        ),
    }
    for name, nb in notebooks.items():
        hand_in(folder, name, "marginal", nb)
    source = "def share_of(table, t):\n    return " + SHARED
    (folder / "brings a file" / "marginal" / "helpers.py").write_text(source)
    (folder / "brings a file" / "marginal" / "helpers.txt").symlink_to(ROOT)
    found = grade(folder, RELEASED, jobs=2, limits=Limits(5), seed="habits")
    return {one.student: one for one in found}


@pytest.mark.parametrize(
    "name",
    [
        *("noisy", "helper", "helper below", "through globals", "loop variable", "broken cell"),
        *("no Python", "compares at the end", "tries again", "means something else later"),
        *("brings a file", "writes a file", "star import beside a loop", "future", "awaits"),
        *("remembers outputs", "compiles", "asks for ipython", "times a statement"),
    ],
)
def test_habits_cost_nothing(habits: dict[str, Submission], name: str) -> None:
    assert [one for one in habits[name].grades if not one.right] == []


def test_feedback_says_what_was_seen(habits: dict[str, Submission]) -> None:
    said = {
        name: next(one.sentence for one in habits[name].grades if not one.right)
        for name in ("has no colon", "has no module", "has a wrong shape", "divides by a name")
    }
    assert "stopped with a SyntaxError in line 1" in said["has no colon"]
    assert "a ModuleNotFoundError in line 1, `import einops_of_mine`" in said["has no module"]
    assert "is not there where the work is graded" in said["has no module"]
    assert re.search(
        r"a RuntimeError in line \d+.*Size \d+ met size \d+", said["has a wrong shape"]
    )
    assert "[:, None" in said["has a wrong shape"]
    assert re.search(r"a NameError in line \d+\. A name", said["divides by a name"])


@pytest.mark.parametrize("name", ["borrows", "is theirs"])
def test_the_courses_own_function_is_no_answer(habits: dict[str, Submission], name: str) -> None:
    assert habits[name].points == 17
    (wrong,) = (one for one in habits[name].grades if not one.right)
    assert "This calls `marginal.sample` of the course's package" in wrong.sentence


@pytest.mark.parametrize("name", ["leaks", "leaks by a name"])
def test_an_error_cannot_tell_the_hidden_questions(
    habits: dict[str, Submission], name: str
) -> None:
    (wrong,) = (one for one in habits[name].grades if not one.right)
    assert "SECRET" not in wrong.sentence
    assert wrong.sentence


GUESSES = {
    "two guesses": ("claim = 'c' if 'RT' in globals() else 'a'", "RT = 1\nclaim = 'c'", False),
    "a flag": ("claim = 'c' if 'RT' in globals() else 'a'", "RT = 1", False),
    "computed": ("claim = 'abc'[-1]", "RT = 1", True),
    "tried below": ("claim = 'c'", "claim = 'a'", True),
    "set by a text": ("exec(\"claim = 'c'\")", "claim", True),
}


@pytest.mark.long
def test_a_letter_is_heard_once_where_its_check_stands(tmp_path: Path) -> None:
    solution = solved("trends")
    for name, (answer, below, _) in GUESSES.items():
        cells = [cell_of(solution, "trends-setup"), cell_of(solution, "trends-claim")]
        mine, last = ({**cells[0], "metadata": {}, "source": text} for text in (answer, below))
        hand_in(tmp_path, name, "trends", {"cells": [cells[0], mine, cells[1], last]})
    found = {one.student: one.grades for one in grade(tmp_path, RELEASED, jobs=1)}
    right = {n: next(g.right for g in found[n] if g.task == "trends.claim") for n in GUESSES}
    assert right == {name: one[2] for name, one in GUESSES.items()}


@pytest.mark.long
def test_one_seed_gives_one_report_and_every_seed_the_same_points(tmp_path: Path) -> None:
    hand_in(tmp_path, "a", "marginal", answering("marginal.sample", WEAK))
    runs = [grade(tmp_path, RELEASED, seed=seed) for seed in ("one", "one", "other", "")]
    assert runs[0] == runs[1]
    assert [[one.points for one in run] for run in runs] == [[17]] * 4


def test_points_come_from_the_released_notebook(tmp_path: Path) -> None:
    """An instructor changed the points of one task, and dropped another."""
    path = RELEASED / "forward" / "forward.ipynb"
    nb = json.loads(path.read_text(encoding="utf8"))
    cell_of(nb, "forward-step")["metadata"]["nbgrader"]["points"] = 10
    cell_of(nb, "forward-estimate")["metadata"]["nbgrader"]["grade"] = False
    hand_in(tmp_path / "released", "", "forward", nb)
    hand_in(tmp_path / "class", "a", "forward", solved("forward"))
    (found,) = grade(tmp_path / "class", tmp_path / "released")
    assert (found.points, found.max_points) == (20, 20)
    assert len(found.grades) == 6


def test_shards_are_the_class_and_a_named_chapter_counts_though_nobody_has_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in "abc":
        hand_in(tmp_path / "class", name, "forward", solved("forward"))
    found = []
    for shard in ("1/2", "2/2"):
        out = tmp_path / shard
        command = ["grade", tmp_path / "class", "--out", out, "--released", RELEASED]
        command += ["--shard", shard, "--jobs", 1, "--chapters", "marginal", "forward"]
        assert main([*map(str, command)]) == 0
        students = json.loads((out / "report.json").read_text())["students"]
        found.append({one["student"]: (one["points"], one["max_points"]) for one in students})
    assert found == [{"a": (15, 35), "c": (15, 35)}, {"b": (15, 35)}]


def test_what_cannot_be_graded_is_refused_in_one_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hand_in(tmp_path / "class", "a", "forward", solved("forward"))
    (tmp_path / "empty").mkdir()
    out = ["--out", str(tmp_path / "out")]
    for arguments, told in [
        (["nowhere"], "is not a folder"),
        ([str(tmp_path / "empty")], "holds no submission"),
        ([str(tmp_path / "class"), "--released", str(tmp_path)], "not a released notebook"),
        ([str(tmp_path / "class"), "--jobs", "0"], "--jobs is 0"),
        ([str(tmp_path / "class"), "--timeout", "1"], "--timeout is 1"),
        ([str(tmp_path / "class"), "--memory", "1"], "--memory is 1"),
        ([str(tmp_path / "class"), "--shard", "3/2"], "--shard is 3/2"),
        ([str(tmp_path / "class"), "--chapters", "backward"], "backward is no chapter"),
    ]:
        assert main(["grade", *arguments, *out]) == 2
        assert told in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_without_walls_it_says_what_is_weaker(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """And grades all the same; or says why not, where root alone can read Python."""
    monkeypatch.setattr("ddpm_course.grading.sandbox.why_no_walls", lambda: "It is not here.")
    monkeypatch.chdir(ROOT)
    hand_in(tmp_path / "class", "a", "forward", solved("forward"))
    out = str(tmp_path / "out")
    assert main(["grade", str(tmp_path / "class"), "--out", out, "--walls"]) == 2
    assert "It is not here. Or leave --walls out." in capsys.readouterr().err
    code = main(["grade", str(tmp_path / "class"), "--out", str(tmp_path / "out")])
    told = capsys.readouterr().err
    assert "A second wall is tried around students' code: time, memory" in told
    if code == 0:
        report = json.loads((tmp_path / "out" / "report.json").read_text())
        assert report["students"][0]["points"] == 15
        assert report["walls"]["bubblewrap"] is False
        assert report["walls"]["landlock"] is can_fence()
    else:
        assert "may not read Python's libraries" in told


def test_a_room_has_the_graders_own_package_and_no_other_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "site-packages" / "ddpm_course" / "__init__.py"
    other.parent.mkdir(parents=True)
    other.write_text("raise KeyError('an older version')")
    monkeypatch.syspath_prepend(other.parents[1])
    hand_in(tmp_path / "class", "a", "forward", solved("forward"))
    (found,) = grade(tmp_path / "class", RELEASED)
    assert found.points == 15


def parts(text: str) -> bytes:
    return b'{"borrowed": [], "outcomes": [{"parts": [{"device": "cpu", %s}]}]}' % text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"outcomes": [], "borrowed": []}',
        b'{"outcomes": 5, "borrowed": []}',
        parts('"shape": [1]'),
        parts('"shape": [-1], "text": []'),
        parts('"shape": [2], "dtype": "<f8", "data": "AAAA"'),
        parts('"shape": [1], "dtype": "|O", "data": "AAAA"'),
        parts('"shape": [99999999999], "text": ["a"]'),
        parts('"shape": [1], "text": [{"a": 1}]'),
    ],
)
def test_no_reply_is_believed(content: bytes) -> None:
    with pytest.raises(ValueError):
        read_reply(content, 1)


def test_only_known_sentences_reach_a_page() -> None:
    task = find("marginal.sample")
    for sentence in (
        "Your answer stopped with Evil: 1.234",
        "The expression contains 0.123: use the arguments alone.",
        "`sample` is a x0123; define a function.",
        "anything",
    ):
        assert "123" not in public(sentence, task)
        assert public(sentence, task)
    for kind in ("AxisError", "LinAlgError", "JSONDecodeError", "OutOfMemoryError"):
        assert kind in public(f"Your answer stopped with {kind}: 1", task)
    assert "a ValueError" in public("Your answer stopped with ValueError: 1.234", task)


def test_names_of_pages_are_safe_and_distinct() -> None:
    assert feedback_name("ada") == "ada.html"
    odd = ["..", ".", "a b", "ü" * 300, 'x"<', "\udcff", "a\nb", "-" * 201, "CON"]
    names = [feedback_name(name) for name in odd]
    assert len(set(names)) == len(odd)
    assert all(name.startswith("student-") for name in names)


def test_a_notebook_of_another_release_is_told_so(tmp_path: Path) -> None:
    """Right answers count all the same; what is lost is told with the reason."""
    lacks, changed_text, same = (solved("marginal") for _ in range(3))
    lacks["cells"] = [
        cell
        for cell in lacks["cells"]
        if not f"{cell['metadata']['nbgrader']['grade_id']}-".startswith("marginal-sample-")
    ]
    for nb in (changed_text, same):
        cell_of(nb, "marginal-sample-answer")["source"] = WEAK
    for name in ("sample", "alpha_bar"):
        cell_of(changed_text, f"marginal-{name}-prompt")["source"] = "## Another text"
    for name, nb in {"lacks": lacks, "text": changed_text, "same": same}.items():
        hand_in(tmp_path, name, "marginal", nb)
    found = {one.student: one for one in grade(tmp_path, RELEASED, jobs=1)}
    lost = {s: [g.sentence for g in one.grades if not g.right] for s, one in found.items()}
    assert [len(sentences) for sentences in lost.values()] == [1, 1, 1]
    assert lost["lacks"][0].startswith("This task is not in your notebook")
    assert "may be of an earlier release" in lost["text"][0]
    assert "The noise is too weak" in lost["text"][0]
    assert "release" not in lost["same"][0]


def test_a_room_that_cannot_be_opened_is_no_students_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends the grading; else a student would get nothing for right answers."""

    def full() -> Path:
        raise OSError("No space left on device")

    monkeypatch.setattr(sandbox, "_package", full)
    hand_in(tmp_path, "one", "marginal", solved("marginal"))
    with pytest.raises(sandbox.NoRoom, match="No space left"):
        grade(tmp_path, RELEASED, walls=False)
