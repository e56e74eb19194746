"""The exercises as pages of the book: whole, with the solutions folded in, or left out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from ddpm_course.grading.tasks import CHAPTERS, chapter, find

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

import exercises  # noqa: E402 # found by the line above


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_page_shows_every_task_and_its_solution(name: str) -> None:
    text = exercises.page(name, solutions=True)
    for task in chapter(name).tasks:
        assert task.title in text
        assert f'check("{task.name}", {task.answer_name})' in text
        assert task.lesson[1:] in text
        if not callable(task.reference):
            assert f"```python\n{task.answer_name} = {json.dumps(task.reference)}\n```" in text
    count = len(chapter(name).tasks)
    assert text.count("{dropdown} Hint") == count
    assert text.count("{dropdown} Solution") == count
    assert f"**{count} tasks, {chapter(name).points} points" in text
    assert "SOLUTION" not in text
    assert f"{{download}}`{name}.ipynb <../exercises/{name}/{name}.ipynb>`" in text
    assert "](attachment:" not in text


def chapter_given(name: str) -> list[str]:
    return [line for task in chapter(name).tasks for line in task.given.splitlines()]


@pytest.mark.parametrize("name", CHAPTERS)
def test_without_solutions_a_page_tells_no_more_than_the_exercise(name: str) -> None:
    text = exercises.page(name, solutions=False)
    assert "Solution" not in text
    solved = exercises.read("solutions", name)
    for task in chapter(name).tasks:
        assert task.lesson[1:] not in text
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
        "extensions = ['myst_nb', 'sphinx_design', 'exercises']\n"
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
    assert "What is left of the signal" in html
    assert ("cumprod" in html) == setting
    assert (find("marginal.alpha_bar").lesson[5:] in html) == setting
    assert list((tmp_path / "out" / "_downloads").rglob("marginal.ipynb"))
