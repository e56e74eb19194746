"""An exercise in a real JupyterLab: run, told what is wrong, mended, accepted, and played with."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from ddpm_course.grading.tasks import CHAPTERS, find
from tests.browser import missing

pytestmark = pytest.mark.book

ROOT = Path(__file__).parents[2]
TOKEN = "only-for-this-test"
LONG = 240_000  # milliseconds: a kernel that imports torch on a busy machine takes its time
EXERCISE = nbformat.read(ROOT / "exercises/marginal/marginal.ipynb", as_version=4)
SOLVED = [name for name in CHAPTERS if name != "marginal"]
PLACES = {cell.id: place for place, cell in enumerate(EXERCISE.cells)}

WRONG = """
def alpha_bar(beta):
    return 1 - beta.cumsum(dim=0)
"""
RIGHT = """
def alpha_bar(beta):
    return (1 - beta).cumprod(dim=0)
"""
SAMPLE = """
def sample(x_0, t, eps, alpha_bar):
    share = alpha_bar[t].float().view(-1, 1, 1, 1)
    return share.sqrt() * x_0 + (1 - share).sqrt() * eps
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab of our own, with one exercise in its folder, and the other ones
    solved."""
    if shutil.which("jupyter-lab", path=str(Path(sys.executable).parent)) is None:
        missing("JupyterLab is not installed")
    home, folder, settings = tmp_path, tmp_path / "exercises", tmp_path / "settings"
    folder.mkdir()
    shutil.copy(ROOT / "exercises/marginal/marginal.ipynb", folder)
    for name in SOLVED:
        shutil.copy(ROOT / "solutions" / name / f"{name}.ipynb", folder)
    # No question about news, and every cell in the page, wherever it is scrolled to.
    for plugin, choice in {
        "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
        "notebook-extension/tracker": {"windowingMode": "none"},
    }.items():
        file = settings / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(choice))
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    places = {
        "JUPYTERLAB_SETTINGS_DIR": settings,
        "JUPYTERLAB_WORKSPACES_DIR": home / "workspaces",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "IPYTHONDIR": home / "ipython",
    }
    package = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {k: str(v) for k, v in places.items()} | {"PYTHONPATH": package}
    log = home / "lab.log"
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
    options = {
        "ServerApp.ip": "localhost",
        "ServerApp.port": port,
        "ServerApp.port_retries": 0,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": TOKEN,
        "LabApp.extension_manager": "readonly",
    }
    command += [f"--{name}={value}" for name, value in options.items()]
    with log.open("w") as file:
        server = subprocess.Popen(command, env=environment, stdout=file, stderr=file, cwd=home)
    address = f"http://localhost:{port}"
    try:
        _await(f"{address}/api/status?token={TOKEN}", server, log)
        yield address
    finally:
        server.terminate()  # it ends its kernels first
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _await(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + LONG / 1000
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(address, timeout=30):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)  # nobody says when a server is up; one has to ask
    pytest.fail(f"JupyterLab does not answer:\n{log.read_text()[-3000:]}")


def cell_of(page: Page, name: str) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(PLACES[name])


def output_of(cell: Locator) -> Locator:
    return cell.locator(".jp-OutputArea")


def has_run(cell: Locator, after: str = "") -> str:
    """Wait until a cell has been run, once more than ``after`` says; what stands in its prompt."""
    prompt = cell.locator(".jp-InputPrompt")
    expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=LONG)
    if after:
        expect(prompt).not_to_have_text(after, timeout=LONG)
        expect(prompt).to_have_text(re.compile(r"\[\d+\]:"), timeout=LONG)
    return prompt.inner_text()


def run(cell: Locator) -> None:
    """Run a cell as a student does: click into it, Shift+Enter."""
    before = cell.locator(".jp-InputPrompt").inner_text()
    cell.locator(".cm-content").click()
    cell.page.keyboard.press("Shift+Enter")
    has_run(cell, after=before)


def answer(page: Page, slug: str, code: str) -> Locator:
    """Type an answer over what stands in the answer cell, run it, run its check."""
    cell = cell_of(page, f"{slug}-answer")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(code.strip())
    run(cell)
    check = cell_of(page, slug)
    run(check)
    return check


def opened(lab: str, browser: Browser) -> Page:
    """The exercise in a tab, its kernel ready."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(LONG)
    page = context.new_page()
    page.goto(f"{lab}/lab/tree/marginal.ipynb?token={TOKEN}")
    expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(PLACES), timeout=LONG)
    status = page.locator("#jp-main-statusbar")
    expect(status).to_contain_text("Python 3 (ipykernel) | Idle", timeout=LONG)
    return page


def test_a_student_works_through_an_exercise(lab: str, browser: Browser) -> None:
    page = opened(lab, browser)
    expect.set_options(timeout=LONG)
    try:
        run_all_goes_on_past_blank_tasks(page)
        prompts_show_pictures_mathematics_and_hints(page)
        wrong_answers_are_diagnosed_and_right_ones_accepted(page)
        the_slider_plays_with_the_students_own_function(page)
    finally:
        expect.set_options(timeout=5_000)  # Playwright's own
        page.context.close()


# What a notebook shows once all of it has run: of each cell, what its outputs say, and how wide its
# pictures are.
SHOWN = """async () => Promise.all([...document.querySelectorAll('.jp-Notebook .jp-Cell')].map(
    async (cell) => {
        const area = cell.querySelector('.jp-Cell-outputArea');
        const images = [...(area ? area.querySelectorAll('img') : [])];
        await Promise.all(images.map((image) => image.decode().catch(() => null)));
        return {
            text: area ? area.innerText : '',
            prompt: cell.querySelector('.jp-InputPrompt')?.innerText ?? '',
            widths: images.map((image) => image.naturalWidth),
        };
    }))"""


def test_the_other_notebooks_open_run_and_show_their_pictures(lab: str, browser: Browser) -> None:
    """Solved, so that each has a picture to show; one after another, each with its own kernel."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(LONG)
    expect.set_options(timeout=LONG)
    page = context.new_page()
    try:
        for name in SOLVED:
            cells = nbformat.read(ROOT / f"solutions/{name}/{name}.ipynb", as_version=4).cells
            page.goto(f"{lab}/lab/tree/{name}.ipynb?reset&token={TOKEN}")
            expect(page.locator(".jp-Notebook .jp-Cell")).to_have_count(len(cells))
            status = page.locator("#jp-main-statusbar")
            expect(status).to_contain_text("Python 3 (ipykernel) | Idle")
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            last = max(n for n, cell in enumerate(cells) if cell.cell_type == "code")
            has_run(page.locator(".jp-Notebook .jp-Cell").nth(last))
            for cell, shown in zip(cells, page.evaluate(SHOWN), strict=True):
                if cell.cell_type != "code":
                    continue
                told = f"{name}, {cell.id}: {shown}"
                assert re.fullmatch(r"\[\d+\]:", shown["prompt"]), told
                assert "Traceback" not in shown["text"], told
                if cell.metadata.get("nbgrader", {}).get("grade"):
                    assert shown["text"].startswith("✓ Right: "), told
                if cell.id.endswith(("-picture", "-given")) and "plt" in cell.source:
                    assert shown["widths"], told
                    assert min(shown["widths"]) > 100, told
            for session in page.request.get(f"{lab}/api/sessions?token={TOKEN}").json():
                page.request.delete(f"{lab}/api/sessions/{session['id']}?token={TOKEN}")
    finally:
        expect.set_options(timeout=5_000)  # Playwright's own
        context.close()


def run_all_goes_on_past_blank_tasks(page: Page) -> None:
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    for cell in EXERCISE.cells:
        if cell.cell_type == "code":
            has_run(cell_of(page, cell.id))
    for slug in ("marginal-alpha_bar", "marginal-respace"):  # the first one and the last
        expect(output_of(cell_of(page, slug))).to_contain_text("not answered yet")


def prompts_show_pictures_mathematics_and_hints(page: Page) -> None:
    prompt = cell_of(page, "marginal-alpha_bar-prompt").locator(".jp-MarkdownOutput")
    image = prompt.get_by_role("img", name=find("marginal.alpha_bar").alt)
    expect(image).to_be_visible()
    width = image.evaluate("async image => { await image.decode(); return image.naturalWidth; }")
    assert width > 300
    expect(prompt.locator("mjx-container").first).to_be_visible()
    hint = prompt.get_by_text("PyTorch has a running product.")
    expect(hint).to_be_hidden()
    prompt.get_by_text("Hint", exact=True).click()
    expect(hint).to_be_visible()


def wrong_answers_are_diagnosed_and_right_ones_accepted(page: Page) -> None:
    task = find("marginal.alpha_bar")
    diagnosis = next(m.sentence for m in task.mistakes if "subtracts the β" in m.sentence)
    told = output_of(answer(page, "marginal-alpha_bar", WRONG))
    expect(told).to_contain_text(f"✗ marginal.alpha_bar: {diagnosis}")
    assert "Traceback" not in told.inner_text()
    told = output_of(answer(page, "marginal-alpha_bar", RIGHT))
    expect(told).to_have_text(f"✓ Right: {task.lesson}")
    picture = cell_of(page, "marginal-alpha_bar-picture")
    run(picture)
    expect(output_of(picture).locator("img")).to_be_visible()


def the_slider_plays_with_the_students_own_function(page: Page) -> None:
    play = cell_of(page, "marginal-sample-play")
    expect(play.locator("img")).to_have_count(0)  # blank, and calm
    expect(play).not_to_contain_text("Traceback")
    answer(page, "marginal-sample", SAMPLE)
    run(play)
    image, slider = output_of(play).locator("img"), play.get_by_role("slider")
    expect(image).to_have_attribute("alt", re.compile("Five digits at t = 0: 100%"))
    first = image.get_attribute("src")
    slider.press("ArrowRight")  # an ipywidget: the kernel answers
    expect(image).to_have_attribute("alt", re.compile("Five digits at t = 50:"))
    assert image.get_attribute("src") != first
    slider.press("End")
    expect(image).to_have_attribute("alt", re.compile("Five digits at t = 1000: 0%"))
