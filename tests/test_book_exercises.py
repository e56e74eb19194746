"""The exercises as pages of the book: whole, with the solutions folded in, or left out."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.mathtext import MathTextParser
from PIL import Image
from scipy import ndimage

from ddpm_course import plots
from ddpm_course.grading.grades import with_capital
from ddpm_course.grading.tasks import CHAPTERS, chapter, find

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import lighten  # noqa: E402 # it lies among the book's extensions, not in a package

import exercises  # noqa: E402 # found by the line above


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_shows_every_task_and_its_solution(name: str) -> None:
    text = exercises.page(name, solutions=True)
    for task in chapter(name).tasks:
        assert task.title in text
        assert f'check("{task.name}", {task.answer_name})' in text
        assert lesson_of(task.name) in text
        if not callable(task.reference):
            assert f"```python\n{task.answer_name} = {json.dumps(task.reference)}\n```" in text
    count = len(chapter(name).tasks)
    assert text.count("{dropdown} Hint") == count
    assert text.count("{dropdown} Solution") == count
    assert f"**{count} tasks, {chapter(name).points} points" in text
    assert "SOLUTION" not in text
    assert f"{{download}}`{name}.ipynb <../exercises/{name}/{name}.ipynb>`" in text


TASKS = [task.name for name in CHAPTERS for task in chapter(name).tasks]


def lesson_of(name: str) -> str:
    return exercises.find_lesson(name.replace(".", "-"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("marginal.alpha_bar", r"$\bar\alpha_t$ is a running product: it starts at 1"),
        ("marginal.predict_eps", r"$x_0$, $\epsilon$ and $x_t$: any two give the third. Change"),
        ("marginal.variance_step", r"It simplifies to $1 - \alpha_t \bar\alpha_{t-1} = 1 - \bar"),
        ("reverse.beta_tilde", r"$\tilde\beta_1 = 0$ by the formula: when $x_0$ is known"),
        ("reverse.mean_from_eps", r"Only the small share $\beta_t/\sqrt{1 - \bar\alpha_t}$ of"),
        ("loss.draw_t", "$t = T$ must be trained"),
        ("loss.zero_model", r"$\mathbb{E}[\epsilon^2] = 1$. A loss near 1"),
        ("solvers.half_log_snr", r"$\lambda$ rises from noise"),
        ("beyond.guided_walk", "$w = 0$ forgets the label, $w = 1$ obeys it"),
        ("forward.linear", "$T + 1$ entries, and entry $t$ belongs to"),
        ("flow.wrong_line", "1 is $(a + b)/(a + b)$: what"),
        ("trends.overlap", "0 for strangers, 1 for twins."),
        ("forward.trajectory", "A Markov chain needs"),
        ("unet.upsample", "Copies, then a convolution: a transposed"),
    ],
)
def test_a_lesson_is_a_sentence_with_formulas(name: str, said: str) -> None:
    assert said in lesson_of(name)


PLAIN = [  # a formula as the bank writes it
    (r"\\sqrt\{(\w)\}", r"√\1"),
    (r"\\sqrt\{(.*?)\}(?!\})", r"√(\1)"),
    (r"\\(?:text|mathbb|mathcal)\{(\w+)\}", r"\1"),
    *((r"\\bar\\alpha", "ᾱ"), (r"\\tilde\\beta", "β̃"), (r"\\alpha", "α"), (r"\\beta", "β")),
    *((r"\\epsilon", "ε"), (r"\\eta", "η"), (r"\\lambda", "λ"), (r"\^2", "²")),
]


@pytest.mark.parametrize("name", TASKS)
def test_every_lesson_keeps_its_symbols_and_its_words(name: str) -> None:
    """Formulas hold all of its mathematics, can be set, and say what the bank says."""
    lesson, said = find(name).lesson, lesson_of(name)
    for formula in re.findall(r"\$.*?\$", said):
        MathTextParser("path").parse(formula)
    words = re.sub(r"\$.*?\$", "", said)
    assert not re.search(r"[_^√²\u0303\u1fb1\u0370-\u03ff=\\]", words)
    assert set(re.findall(r"(?<![\w'])[b-zB-HJ-Z](?!\w)", words)) == set()

    def plain(found: re.Match[str]) -> str:
        text = found[1]
        for tex, letters in PLAIN:
            text = re.sub(tex, letters, text)
        return text

    back = re.sub(r"\$(.*?)\$", plain, said)
    assert back[1:] == lesson[1:]
    first = lesson.split()[0].rstrip(",:")
    a_word = re.fullmatch("a|[a-z]{2,}", first) is not None
    assert back[0] == (lesson[0].upper() if a_word else lesson[0])


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        ("the mean is right.", "The mean is right."),
        ("copies, then more", "Copies, then more"),
        ("a rank tells", "A rank tells"),
        *((one, one) for one in ("a = b", "a + b is", "t = T", "x_0, then", "ᾱ_t falls", "ε is")),
        *((one, one) for one in ("eps_hat is", "beta[0] is", "sum(x) is", "w1 is", "`t` is", "")),
    ],
)
def test_a_capital_is_for_words_alone(sentence: str, said: str) -> None:
    assert with_capital(sentence) == said


def pictures_of(name: str, folder: Path) -> dict[str, tuple[str, Path, Path]]:
    """By its file in the notebook: its alternative text, the page's picture, the attached one."""
    text = exercises.with_pictures(
        exercises.page(name, solutions=False), name, folder / "pictures", folder
    )
    assert "attachment:" not in text
    assert "data:" not in text
    shown = dict(re.findall(r"^!\[(.*)\]\(<pictures/(.*)>\)$", text, re.MULTILINE))
    cells = exercises.read("exercises", name).values()
    found = {}
    for cell in cells:
        for file, kinds in cell.get("attachments", {}).items():
            (alt,) = (alt for alt, path in shown.items() if path == f"{name}-{file}")
            (folder / file).write_bytes(base64.b64decode(kinds["image/png"]))
            found[file] = (alt, folder / "pictures" / shown[alt], folder / file)
    assert len(found) == len(shown)
    return found


def drawn_again(name: str) -> Iterator[tuple[str, str, Any]]:
    """The figures of a chapter's tasks: the file of each, its alternative text, and itself."""
    one = chapter(name)
    names: dict[str, Any] = {"__name__": "__main__"}
    exec(one.setup, names)
    for task in one.tasks:
        for code, alt, kind in ((task.given, task.shows, "-given"), (task.picture, task.alt, "")):
            exec(code, names)
            if alt:
                yield f"{task.answer_name}{kind}.png", alt, plt.gcf()
            plt.close("all")
            names[task.answer_name] = task.reference


def solved_picture(name: str, file: str) -> bytes:
    """What a cell of the solved notebook drew, by the file of the same picture in the question."""
    nb = json.loads((ROOT / "solutions" / name / f"{name}.ipynb").read_text())
    stem = file.removesuffix(".png")
    task, kind = (stem[:-6], "given") if stem.endswith("-given") else (stem, "picture")
    (cell,) = (cell for cell in nb["cells"] if cell["id"] == f"{name}-{task}-{kind}")
    (picture,) = (
        output["data"]["image/png"] for output in cell["outputs"] if "image/png" in output["data"]
    )
    return base64.b64decode(picture)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", CHAPTERS)
def test_pictures_of_questions_are_what_the_book_would_draw(name: str, tmp_path: Path) -> None:
    """They are told from the code and from their dots; here their figures are drawn once more.

    On the page they are as large as in the notebook, and have more dots: sharp on fine screens.
    """
    mpl.use("agg")
    kept = pictures_of(name, tmp_path)
    with mpl.rc_context():
        for file, alt, figure in drawn_again(name):
            said, path, attached = kept.pop(file)
            assert said == alt
            fine = io.BytesIO(solved_picture(name, file))
            with (
                Image.open(path) as picture,
                Image.open(fine) as before,
                Image.open(attached) as small,
            ):
                assert (picture.info["Comment"] == "drawing") == plots.is_drawing(figure)
                assert picture.info["Description"] == f"letters {plots.letters(figure):g} pt"
                assert picture.size == before.size
                assert picture.width >= 1.45 * small.width
                assert abs(lighten.size(path)[0] - small.width) <= 1
                assert abs(lighten.size(path)[1] - small.height) <= 1
                dpi = picture.info["dpi"][0]
                after, flat = picture.convert("RGBA"), np.asarray(before.convert("RGB"))
            alpha = np.asarray(after)[..., 3]
            ground = (flat == flat[0, 0]).all(axis=-1)
            mask = np.zeros(ground.shape, dtype=bool)
            if not plots.is_drawing(figure):
                found = plots.dots(figure, dpi)[1].resize(after.size, Image.Resampling.NEAREST)
                mask = np.asarray(found) == 255
            near = ndimage.binary_dilation(mask, iterations=6)
            assert (alpha[ndimage.binary_erosion(mask, iterations=6)] == 255).all()
            assert (alpha[~near] < 255).all()
            assert (alpha[~near & ground] == 0).all()
            day = Image.alpha_composite(Image.new("RGBA", after.size, "white"), after)
            moved = np.asarray(day.convert("RGB")).astype(int) - flat
            assert np.abs(moved).max() <= 8
    assert kept == {}


def test_without_solved_notebooks_the_attached_pictures_stand_in_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exercises").symlink_to(ROOT / "exercises")
    monkeypatch.setattr(exercises, "ROOT", tmp_path)
    for _, path, attached in pictures_of("masked", tmp_path).values():
        with Image.open(path) as picture, Image.open(attached) as small:
            assert picture.size == small.size == lighten.size(path)
            assert picture.info["Comment"] in {"drawing", "pictures"}


def test_a_picture_that_no_cell_draws_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nb = json.loads((ROOT / "exercises" / "forward" / "forward.ipynb").read_text())
    nb["cells"] = [
        cell
        for cell in nb["cells"]
        if cell["metadata"]["nbgrader"]["grade_id"] != "forward-step-picture"
    ]
    path = tmp_path / "exercises" / "forward" / "forward.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(nb))
    monkeypatch.setattr(exercises, "ROOT", tmp_path)
    kept = pictures_of("forward", tmp_path)
    assert kept["step.png"][1].read_bytes() == kept["step.png"][2].read_bytes()
    assert kept["linear.png"][1].read_bytes() != kept["linear.png"][2].read_bytes()


def chapter_given(name: str) -> list[str]:
    return [line for task in chapter(name).tasks for line in task.given.splitlines()]


@pytest.mark.parametrize("name", CHAPTERS)
def test_without_solutions_a_page_tells_no_more_than_the_exercise(name: str) -> None:
    text = exercises.page(name, solutions=False)
    assert "Solution" not in text
    solved = exercises.read("solutions", name)
    for task in chapter(name).tasks:
        assert lesson_of(task.name) not in text
        given = exercises.source(
            exercises.read("exercises", name)[f"{task.name.replace('.', '-')}-answer"]
        )
        right = exercises.source(solved[f"{task.name.replace('.', '-')}-answer"])
        # Code that waits to be mended shows what is right of it, too.
        shown = [*given.splitlines(), *chapter_given(name)]
        body = [line for line in right.splitlines() if line not in shown]
        assert body
        assert not any(len(line.strip()) > 20 and line in text for line in body)


def test_solutions_that_are_not_there_are_said_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "exercises").symlink_to(ROOT / "exercises")
    monkeypatch.setattr(exercises, "ROOT", tmp_path)
    assert exercises.page("marginal", solutions=False)
    with pytest.raises(exercises.Missing, match=r"solutions.*exercise_solutions: false"):
        exercises.page("marginal", solutions=True)


def test_a_dropped_task_stays_as_practice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nb = json.loads((ROOT / "exercises" / "forward" / "forward.ipynb").read_text())
    for cell in nb["cells"]:
        if cell["metadata"]["nbgrader"]["grade_id"] == "forward-step":
            del cell["metadata"]["nbgrader"]
    path = tmp_path / "exercises" / "forward" / "forward.ipynb"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(nb))
    monkeypatch.setattr(exercises, "ROOT", tmp_path)
    text = exercises.page("forward", solutions=False)
    assert "def step(" in text
    assert f"{chapter('forward').points - find('forward.step').points} points" in text


@pytest.mark.parametrize("setting", [True, False])
def test_sphinx_builds_the_page_and_the_setting_decides(tmp_path: Path, setting: bool) -> None:
    source = tmp_path / "book"
    source.mkdir()
    (tmp_path / "exercises").symlink_to(ROOT / "exercises")
    (source / "conf.py").write_text(
        f"import sys\nsys.path.insert(0, {str(ROOT / 'book' / '_ext')!r})\n"
        "extensions = ['myst_nb', 'sphinx_design', 'exercises', 'lighten']\n"
        "myst_enable_extensions = ['dollarmath']\nhtml_theme = 'basic'\n"
        f"exercise_solutions = {setting}\nroot_doc = 'marginal'\n"
    )
    (source / "marginal.md").write_text("# Marginal\n\n```{toctree}\nmarginal-exercises\n```\n")
    page = source / "marginal-exercises.md"
    page.write_text((ROOT / "book" / page.name).read_text())
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "-n", str(source), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "out" / "marginal-exercises.html").read_text()
    assert html.count("Hint") == len(chapter("marginal").tasks)
    kept = len(BeautifulSoup(html, "html.parser").select("details.solution"))
    assert kept == len(chapter("marginal").tasks) * setting  # on paper as on the screen (print.js)
    assert "What is left of the signal" in html
    assert ("cumprod" in html) == setting
    assert ("is a running product: it starts at 1 and can only fall" in html) == setting
    assert list((tmp_path / "out" / "_downloads").rglob("marginal.ipynb"))
    images = BeautifulSoup(html, "html.parser").select("div.cell_output .scrolls > img")
    assert len(images) == sum(bool(task.picture) for task in chapter("marginal").tasks)
    assert sum(image.has_attr("data-drawing") for image in images) == 6
    for image in images:
        with Image.open(tmp_path / "out" / image["src"]) as picture:
            assert picture.width >= 1.45 * int(image["width"])
            assert picture.height >= 1.45 * int(image["height"])
