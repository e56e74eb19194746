"""Figures that compute in the page: they agree with torch, answer to keys, and say what fails."""

from __future__ import annotations

import io
import math
import re
import statistics
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import networkx as nx
import pytest
import torch
from PIL import Image
from playwright.sync_api import Browser, Error, Locator, Page, expect
from scipy import ndimage

from ddpm_course import (
    Schedule,
    checkpoint,
    data,
    few_steps,
    flow,
    marginal,
    pointnet,
    reverse,
    solvers,
)
from ddpm_course.trends import multimodal, text_to_image
from tests.book.conftest import (
    DESKTOP,
    HTML,
    PAGES,
    PHONE,
    Seen,
    Visit,
    accessible,
    settle,
    visiting,
)

sys.path.insert(0, str(Path(__file__).parents[2] / "book" / "_ext"))
import live

pytestmark = pytest.mark.book

WITH_FIGURE = [name for name in PAGES if "data-live=" in (HTML / name).read_text(encoding="utf8")]
ON_PAGES = pytest.mark.parametrize("name", WITH_FIGURE or ["none"])
READY = "[data-live='digits'][data-ready='all']"


def scripts(visit: Visit, *names: str) -> Page:
    """An empty page with some scripts of the figures, for what they compute."""
    page = visit.context.new_page()
    for name in ("schedules", *names):
        page.add_script_tag(path=HTML / "_static" / "live" / f"{name}.js")
    return page


@pytest.mark.parametrize("plain", [False, True], ids=["webassembly", "javascript"])
def test_network_agrees_with_torch(plain: bool, visit: Visit) -> None:
    page = scripts(visit, "model", "unet")
    page.evaluate("plain => window.net = ddpmNetwork({...ddpmModel, plain})", plain)
    assert page.evaluate("net.quick") is not plain
    model, schedule = checkpoint.load("digits")
    generator = torch.Generator().manual_seed(1)
    for _ in range(5):
        x = torch.randn(20, 1, 8, 8, generator=generator)
        t = torch.randint(1, schedule.T + 1, (20,), generator=generator)
        found = page.evaluate(
            "([x, t]) => [...net.eps(Float32Array.from(x), t)]", [x.flatten().tolist(), t.tolist()]
        )
        with torch.no_grad():
            expected = model(x, t)
        assert torch.allclose(torch.tensor(found).view_as(x), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("method", "steps", "eta"),
    [
        ("ddim", 25, 0.0),
        ("ddim", 12, 1.0),
        ("ddim", 250, 0.5),
        ("ancestral", 250, 1.0),
        ("multistep", 20, 1.0),
        ("multistep", 12, 0.0),
        ("multistep", 1, 1.0),
    ],
)
def test_each_step_of_a_walk_agrees_with_torch(
    method: str, steps: int, eta: float, visit: Visit
) -> None:
    # A walk multiplies the last digits of its own steps, so each step of ours starts from theirs:
    # the network answers as torch did, and the noise is torch's.
    page = scripts(visit, "model", "samplers")
    model, schedule = checkpoint.load("digits")
    # In float64, as in the page: near t = T a guess of x_0 divides rounding by √ᾱ_T, nearly 0.
    x_T = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(2)).double()
    said: list[list[float]] = []

    def eps(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        answer = model(x.float(), t)
        said.append(answer.flatten().tolist())
        return answer.double()

    generator = torch.Generator().manual_seed(3)
    if method == "ddim":
        walk = list(solvers.ddim(eps, x_T.shape, schedule, steps, eta, True, generator, x_T))
    elif method == "multistep":
        walk = list(
            solvers.multistep(
                eps, x_T.shape, schedule, steps, eta=eta, generator=generator, x_T=x_T
            )
        )
    else:
        walk = list(reverse.ancestral(eps, x_T.shape, schedule, generator=generator, x_T=x_T))
    generator = torch.Generator().manual_seed(3)
    fresh = [
        torch.randn(x_T.shape, generator=generator, dtype=torch.float64).flatten().tolist()
        for _ in walk
    ]
    found = page.evaluate(
        """([method, options, x, said, fresh]) => {
            const walks = ddpmSamplers(ddpmModel.beta);
            const eps = () => Float32Array.from(said.shift());
            const noise = () => Float64Array.from(fresh.shift());
            const walk = walks[method](eps, Float64Array.from(x), noise, options);
            return [...walk].map(({t, x, x0}) => [t, [...x], [...x0]]);
        }""",
        [method, {"steps": steps, "eta": eta}, x_T.flatten().tolist(), said, fresh],
    )
    assert [t for t, _, _ in found] == [step.t for step in walk]
    for (_, x, x0), step in zip(found, walk, strict=True):
        assert torch.allclose(torch.tensor(x).double(), step.x_t.flatten(), atol=1e-4, rtol=0)
        assert torch.allclose(torch.tensor(x0).double(), step.x0_hat.flatten(), atol=1e-4, rtol=0)


@pytest.mark.parametrize("calls", [1, 2, 4])
def test_student_agrees_with_torch(calls: int, visit: Visit) -> None:
    """The network with its weights, and its jumps, with torch's noise."""
    page = scripts(visit, "student", "unet", "samplers")
    student = few_steps.load()
    generator = torch.Generator().manual_seed(7)
    start = torch.randn(3, 1, 8, 8, generator=generator)
    state = generator.get_state()
    expected = few_steps.sample(student, start.shape, calls, generator=generator, start=start)
    generator.set_state(state)
    fresh = [
        torch.randn(start.shape, generator=generator).flatten().tolist() for _ in range(calls - 1)
    ]
    found = page.evaluate(
        """([steps, x, fresh]) => {
            const net = ddpmNetwork(ddpmStudent);
            const velocity = (x, t) => net.eps(x, new Array(3).fill(t));
            const noise = () => Float32Array.from(fresh.shift());
            const {student} = ddpmSamplers(ddpmStudent.beta);
            const walk = student(velocity, Float32Array.from(x), noise, {steps});
            return [...walk].map(({t, x}) => [t, [...x]]);
        }""",
        [calls, start.flatten().tolist(), fresh],
    )
    assert [t for t, _ in found] == [round(1000 * u) for u in flow.times(calls)]
    assert torch.allclose(torch.tensor(found[-1][1]), expected.flatten(), atol=1e-4, rtol=0)


def test_student_starts_where_its_teacher_does(visit: Visit) -> None:
    figure = start(visit, "few-steps")
    assert words(figure).startswith("With 1 call, from the same noise")
    student, ddim = numbers(words(figure).split("on average")[1].replace("20 calls", ""))
    assert student < ddim / 2  # the point of the chapter
    figure.get_by_role("combobox", name="calls").select_option("4")
    assert words(figure).startswith("With 4 calls")
    # It is led elsewhere by fresh noise: how far from there its teacher ends says nothing of it.
    student, ddim = words(figure).split("DDIM")
    assert "adds fresh noise between its calls" in student
    assert "full ink" not in student
    assert "full ink away from where the teacher arrives" in ddim
    figure.get_by_role("combobox", name="beside it").select_option("multistep")
    assert "both add fresh noise" in words(figure)
    assert "full ink" not in words(figure)
    assert visit.errors == []


def test_levers_that_mean_nothing_cannot_be_moved(visit: Visit) -> None:
    figure = start(visit, "sampler", "ancestral")
    for lever in ("calls", "η"):
        expect(figure.get_by_role("combobox", name=lever, exact=True)).to_be_disabled()
    figure.get_by_role("combobox", name="sampler").select_option("ddim")
    for lever in ("calls", "η"):
        expect(figure.get_by_role("combobox", name=lever, exact=True)).to_be_enabled()


def test_schedules_agree_with_torch(visit: Visit) -> None:
    page = scripts(visit)
    for call, schedule in {
        "linear(8, 0.05, 0.6)": Schedule.linear(8, 0.05, 0.6),
        "linear(1000, 1e-4, 0.02)": Schedule.linear(),
        "cosine(250)": Schedule.cosine(250),
        "cosine(8)": Schedule.cosine(8),
    }.items():
        beta, alpha_bar = page.evaluate(
            f"() => {{ const beta = ddpmSchedules.{call};"
            " return [beta, ddpmSchedules.alphaBar(beta)]; }"
        )
        assert torch.allclose(torch.tensor(beta).double(), schedule.beta, atol=1e-6)
        assert torch.allclose(torch.tensor(alpha_bar).double(), schedule.alpha_bar, atol=1e-6)
    with pytest.raises(Error, match="must lie strictly between 0 and 1"):
        page.evaluate("ddpmSchedules.alphaBar(ddpmSchedules.linear(10, 0.01, 2))")


@pytest.mark.parametrize("clouds", [2, 3, 4])  # three are written out
def test_best_network_of_the_plane_agrees_with_torch(clouds: int, visit: Visit) -> None:
    page = scripts(visit, "plane")
    means = torch.tensor([[-1.3, 0.9], [1.3, 1], [0.2, -1.3], [-0.6, -0.4]], dtype=torch.float64)
    means = means[:clouds]
    weights, variances = torch.ones(2, clouds).double()
    mixture = data.Mixture(weights / clouds, means, 0.15**2 * variances)
    schedule = Schedule.cosine(250)
    x = 2 * torch.randn(200, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for t in (1, 40, 125, 249):
        found = page.evaluate(
            "([means, x, kept]) => [...ddpmMixture(means, 0.15).eps(Float64Array.from(x), kept)]",
            [means.tolist(), x.flatten().tolist(), float(schedule.alpha_bar[t])],
        )
        expected = mixture.eps(schedule)(x, torch.full((200,), t))
        assert torch.allclose(torch.tensor(found).double(), expected.flatten().double(), atol=1e-6)


# The switches of book/misconceptions.md, by the names of the menu.
MISTAKES: dict[str, dict[str, Any]] = {
    "none": {},
    "alpha": {"wrong_alpha": True},
    "end": {"noise_at_end": True},
    "root": {"std": lambda var: var},
    "half": {"std": lambda var: (var / 2).exp()},
    "told": {"told": 10},
    "back": {"one_back": True},
    "still": {"std": lambda var: 0 * var},
}


@pytest.mark.parametrize("steps", [10, 250])
@pytest.mark.parametrize("mistake", MISTAKES)
def test_walk_with_each_mistake_agrees_with_torch(mistake: str, steps: int, visit: Visit) -> None:
    """As in the test of the samplers, each step of ours starts from torch's noise."""
    page = scripts(visit, "plane")
    schedule = Schedule.cosine(250)
    alpha_bar, T = schedule.alpha_bar, 250
    said: list[list[float]] = []
    asked: list[float] = []
    fresh: list[list[float]] = []
    lever = {"std": torch.sqrt, "told": 0, **MISTAKES[mistake]}
    ring = data.Mixture.ring(3).eps(schedule)
    generator = torch.Generator().manual_seed(5)
    x = torch.randn(20, 2, generator=generator, dtype=torch.float64)
    start, expected = x.flatten().tolist(), []
    times = [round(T * i / steps) for i in range(steps, -1, -1)]
    for t, s in pairwise(times):
        s = t - 1 if lever.get("one_back") else s
        told = min(t + lever["told"], T)
        eps = ring(x.float(), torch.full((20,), told)).double()
        said.append(eps.flatten().tolist())
        asked.append(float(alpha_bar[told]))
        if mistake in ("none", "told", "still", "root", "half", "end"):
            jump = solvers.ddim_step(
                marginal.predict_x0(x, eps, t, schedule), x, t, s, schedule, eta=1.0
            )
            mean, var = jump.mean, jump.var
        else:
            alpha = alpha_bar[t] / alpha_bar[s]
            x0_hat = marginal.predict_x0(x, eps, t, schedule)
            root = (alpha_bar[t] if lever.get("wrong_alpha") else alpha).sqrt()
            mean = alpha_bar[s].sqrt() * (1 - alpha) / (1 - alpha_bar[t]) * x0_hat
            mean = mean + root * (1 - alpha_bar[s]) / (1 - alpha_bar[t]) * x
            var = (1 - alpha) * (1 - alpha_bar[s]) / (1 - alpha_bar[t])
        if lever.get("noise_at_end"):
            var = 1 - alpha_bar[t] / alpha_bar[s]
        x = mean
        if (s > 0 or lever.get("noise_at_end")) and mistake != "still":
            z = torch.randn(x.shape, generator=generator, dtype=torch.float64)
            fresh.append(z.flatten().tolist())
            x = x + lever["std"](torch.as_tensor(var)) * z
        expected.append(x.flatten())
    found = page.evaluate(
        """([mistake, steps, x, said, fresh]) => {
            const alphaBar = ddpmSchedules.alphaBar(ddpmSchedules.cosine(250));
            const asked = [];
            const eps = (x, kept) => (asked.push(kept), Float64Array.from(said.shift()));
            const noise = () => Float64Array.from(fresh.shift());
            x = Float64Array.from(x);
            const walk = [...ddpmWalk(alphaBar, eps, x, noise, steps, ddpmMistakes[mistake])];
            return [asked, walk.slice(1).map(({x}) => [...x])];
        }""",
        [mistake, steps, start, said, fresh],
    )
    assert torch.allclose(torch.tensor(found[0]), torch.tensor(asked), atol=1e-6)
    for ours, theirs in zip(found[1], expected, strict=True):
        scale = theirs.abs().max().clamp(min=1)
        assert torch.allclose(torch.tensor(ours).double() / scale, theirs / scale, atol=1e-4)


@pytest.mark.parametrize("visit", [(DESKTOP, "dark"), (PHONE, "light")], indirect=True)
def test_the_fresh_noise_can_be_seen_at_once(visit: Visit) -> None:
    figure = rest(visit.open("reverse.html").locator("[data-live='reverse-plane']"))
    across = figure.locator("canvas").evaluate(
        """canvas => {
            const color = getComputedStyle(canvas).getPropertyValue("--live-eps").trim();
            const wanted = [1, 3, 5].map(i => parseInt(color.slice(i, i + 2), 16));
            const {width, height} = canvas;
            const {data} = canvas.getContext("2d").getImageData(0, 0, width, height);
            const dots = width / canvas.clientWidth;
            const found = [];
            for (let i = 0; i < data.length; i += 4) {
                const [x, y] = [(i / 4) % width, Math.floor(i / 4 / width)];
                if (y > 24 * dots && wanted.every((v, k) => Math.abs(v - data[i + k]) < 9))
                    found.push([x / dots, y / dots]);  // below the legend
            }
            const size = axis => {
                const all = found.map(place => place[axis]).sort((a, b) => a - b);
                return all.at(-1) - all[0];
            };
            return found.length && Math.hypot(size(0), size(1));
        }"""
    )
    assert 20 < across < 100


# What a page does while a hand drags, three moves for each picture of the screen. Timers wait.
DRAG = """async kind => {
    const handle = document.querySelector(`[data-live="${kind}"] .live-handle`);
    const seen = {drawn: 0, walks: 0, looks: 0, changed: []};
    const count = (holder, name, what) => {
        const old = holder[name];
        holder[name] = function (...all) { seen[what] += 1; return old.apply(this, all); };
        return () => (holder[name] = old);
    };
    const undo = [
        count(CanvasRenderingContext2D.prototype, "scale", "drawn"),
        count(window, "ddpmWalk", "walks"),
        count(window, "getComputedStyle", "looks"),
    ];
    const [later, wait] = [[], window.setTimeout];
    window.setTimeout = (...all) => later.push(all);
    const watch = new MutationObserver(all => seen.changed.push(...all.map(
        one => `${one.target.className ?? one.target.nodeName} ${one.attributeName ?? one.type}`)));
    const everything = {subtree: true, attributes: true, childList: true, characterData: true};
    watch.observe(document.documentElement, everything);
    const {left, top} = handle.getBoundingClientRect();
    const frame = () => new Promise(requestAnimationFrame);
    await frame();
    await frame();
    [seen.drawn, seen.walks, seen.looks, seen.changed] = [0, 0, 0, []];
    for (let i = 1; i <= 15; i++) {
        const [clientX, clientY] = [left + 3 * i, top + 2 * i];
        handle.dispatchEvent(new PointerEvent("pointermove", {pointerId: held, clientX, clientY}));
        if (i % 3 === 0) await frame();
    }
    watch.disconnect();
    undo.forEach(one => one());
    window.setTimeout = wait;
    later.forEach(all => setTimeout(...all));
    return seen;
}"""


def test_a_drag_draws_once_for_each_picture_of_the_screen_and_writes_no_word(visit: Visit) -> None:
    figure = start(visit, "reverse-plane")
    said = words(figure)
    box = figure.locator(".live-handle").first.bounding_box()
    assert box is not None
    mouse = figure.page.mouse
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    figure.page.evaluate(
        "addEventListener('pointerdown', event => (window.held = event.pointerId))"
    )
    mouse.down()
    seen = figure.page.evaluate(DRAG, "reverse-plane")
    assert (seen["drawn"], seen["walks"], seen["looks"]) == (5, 5, 0)
    assert {one.split()[-1] for one in seen["changed"]} == {"style"}
    mouse.up()
    assert words(figure) != said
    assert figure.locator("canvas").get_attribute("aria-label") == words(figure)
    assert visit.errors == []


def test_first_page_draws_and_draws_others(visit: Visit) -> None:
    page = visit.open("index.html")
    page.wait_for_selector(READY)
    canvas = page.locator(".live canvas")
    box = canvas.bounding_box()
    assert box is not None
    assert box["y"] < DESKTOP[1] / 2  # in the first screen
    slider = page.get_by_role("slider", name="step")
    slider.focus()
    page.keyboard.press("End")
    expect(canvas).to_have_attribute(
        "aria-label", "16 digits, drawn just now by the model from seed 2"
    )
    first = canvas.evaluate("canvas => canvas.toDataURL()")
    page.keyboard.press("ArrowLeft")
    assert "on the way" in (canvas.get_attribute("aria-label") or "")
    page.get_by_role("button", name="Draw others").press("Enter")
    page.wait_for_selector(READY)
    slider.press("End")
    assert canvas.evaluate("canvas => canvas.toDataURL()") != first
    seed = page.get_by_role("spinbutton", name="seed")
    seed.fill("2")
    seed.press("Enter")
    page.wait_for_function("document.querySelector('.live input[type=range]').max === '20'")
    slider.press("End")
    assert canvas.evaluate("canvas => canvas.toDataURL()") == first
    assert visit.errors == []


def test_pause_holds_the_picture(visit: Visit) -> None:
    page = visit.open("index.html")
    expect(page.locator(".live output")).to_contain_text("t =")  # the first picture is there
    page.get_by_role("button", name="Pause").press("Enter")
    held = page.locator(".live output").text_content()
    page.wait_for_timeout(500)
    assert page.locator(".live output").text_content() == held
    expect(page.locator(".live").get_by_role("button", name="Play")).to_be_visible()


def test_who_wants_no_motion_sees_the_digits_at_once(visit: Visit) -> None:
    page = visit.context.new_page()
    page.emulate_media(reduced_motion="reduce")
    page.goto((HTML / "index.html").as_uri())
    page.wait_for_selector(READY)
    expect(page.locator(".live output")).to_have_text("t = 0")


@pytest.mark.parametrize("seed", ["", "--", "-1", "1.5", "1000000"])
def test_a_seed_that_is_none_is_refused_in_a_sentence(seed: str, visit: Visit) -> None:
    page = visit.open("index.html")
    page.wait_for_selector(READY)
    field = page.get_by_role("spinbutton", name="seed")
    edge = "field => getComputedStyle(field).borderColor"
    fine = field.evaluate(edge)
    field.fill("")
    field.press_sequentially(seed)
    field.press("Enter")
    words = page.locator(".live-words")
    said = {"": "There is no seed", "--": "The seed is no number"}.get(
        seed, f'The seed is "{seed}"'
    )
    expect(words).to_contain_text(f"{said}; give a whole number from 0 to 999999")
    expect(words).to_contain_text("What you see is from seed 2.")
    assert field.evaluate(edge) != fine
    play = page.locator(".live").get_by_role("button", name="Play")
    expect(play).to_be_visible(timeout=20_000)  # the walk from before has ended, and was silent
    expect(words).to_contain_text("give a whole number from 0 to 999999")
    expect(field).to_have_attribute("aria-invalid", "true")
    field.fill("3")
    field.press("Enter")
    expect(field).to_have_attribute("aria-invalid", "false")
    expect(words).to_contain_text("on the way")
    assert visit.errors == []


@pytest.mark.parametrize("kind", ["digits", "few-steps", "masks"])
def test_the_field_of_the_seed_shows_what_is_drawn(kind: str, visit: Visit) -> None:
    """Also once a reader who was refused has gone on to something else."""
    figure = start(visit, kind)
    field = figure.get_by_role("spinbutton", name="seed")
    drawn = int(field.input_value())
    ways = [(figure.locator("select, input[type=range]").last, "ArrowDown", drawn)]
    if kind != "masks":
        ways.append((figure.get_by_role("button", name="Draw others"), "Enter", drawn + 1))
    for other, key, seed in ways:
        field.fill("1.5")
        field.press("Enter")
        assert "What you see is from seed" in words(figure)
        other.press(key)
        expect(field).to_have_value(str(seed))
        expect(field).to_have_attribute("aria-invalid", "false")
        assert "The seed is" not in words(figure)
    assert visit.errors == []


DATA = {"model.js", "examples.js", "painter.js", "student.js"}  # what the build writes
MODES = {"pad": ("noise", "back", "loss", "judge"), "reverse-plane": ("", "alpha")}


@pytest.mark.parametrize("lost", ["files", "workers"])
def test_what_is_missing_is_said_and_all_else_works(
    lost: str, visit: Visit, tmp_path: Path
) -> None:
    """Every kind of figure on one page: in its place one sentence, or what it computes without."""
    folder = HTML / "_static" / "live"
    kinds = [(kind, mode) for kind in live.NEEDS for mode in MODES.get(kind, ("",))]
    figures = "".join(
        f'<div class="live" data-live="{kind}"{f" data-mode={mode}" if mode else ""}>'
        f'<img alt="a still picture" src="{(folder / "stills" / "unet.png").as_uri()}"></div>'
        for kind, mode in kinds
    )
    names = dict.fromkeys(name for needed in live.NEEDS.values() for name in needed)
    there = sorted(names, key=lambda name: name not in DATA)  # data first, as on a page
    given = [name for name in there if lost != "files" or name not in DATA]
    scripts = "".join(f'<script src="{(folder / name).as_uri()}"></script>' for name in given)
    path = tmp_path / "page.html"
    path.write_text(f'<meta charset="utf-8">{figures}{scripts}', encoding="utf8")
    page = visit.context.new_page()
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.set_viewport_size({"width": 800, "height": 20_000})  # so that all are near
    if lost == "workers":
        page.add_init_script("window.Worker = function () { throw new Error('none'); }")
    page.goto(path.as_uri())
    page.wait_for_function(
        """[...document.querySelectorAll(".live")].every(figure =>
            figure.querySelector("[role=alert]")
            || figure.querySelector(".live-words")?.innerText)"""
    )
    for (kind, mode), figure in zip(kinds, page.locator(".live").all(), strict=True):
        needs = set(live.NEEDS[kind])
        if lost == "files":
            fails = needs & DATA
        else:  # a worker has the network, or the training
            fails = needs & {"service.js", "pointnet.js"} if mode != "noise" else set()
        assert figure.locator("canvas").count() == (not fails), (kind, mode)
        assert figure.get_by_role("alert").count() == bool(fails), (kind, mode)
        if not fails:
            continue
        said = figure.get_by_role("alert").text_content() or ""
        known = [*(f"{name}, is missing" for name in fails), "runs no workers"]
        assert any(words in said for words in known), said
        assert lost != "files" or "load this page again" in said
        assert "was drawn before" in said
        expect(figure.locator("img")).to_be_visible()  # the still picture stays
    assert visit.errors == []


def test_a_figure_that_fails_says_so_and_leaves_no_worker(visit: Visit) -> None:
    page = visit.context.new_page()
    page.add_init_script(
        """let model;
        Object.defineProperty(window, "ddpmModel", {
            set(value) { model = {...value, weights: {}}; },
            get() { return model; },
        });"""
    )
    page.goto((HTML / "index.html").as_uri())
    expect(page.locator(".live").get_by_role("alert")).to_be_visible()
    expect(page.locator(".live img.only-light")).to_be_visible()
    page.wait_for_function("document.querySelector('.live:not([data-busy])')")
    assert page.workers == []


def test_another_choice_ends_a_refusal(visit: Visit) -> None:
    figure = start(visit, "pagerank")
    cited = figure.get_by_role("combobox", name="cites")
    cited.select_option("5")
    figure.get_by_role("button", name="Add or take away").press("Enter")
    assert "cannot cite itself" in words(figure)
    cited.select_option("4")
    assert words(figure).startswith("Rank: ")
    assert visit.errors == []


WITHOUT_WEBASSEMBLY = """
    delete globalThis.WebAssembly;
    const Whole = Blob;
    window.Blob = function (parts, options) {  // what a worker of the page runs
        return new Whole(["delete globalThis.WebAssembly;", ...parts], options);
    };
"""


def test_without_webassembly_a_figure_computes_the_same(browser: Browser, visit: Visit) -> None:
    """Then the network goes through plain JavaScript, in the worker as in the page."""
    with visiting(browser, DESKTOP, "light") as other:
        other.context.add_init_script(WITHOUT_WEBASSEMBLY)
        said = []
        for one, known in ((visit, "object"), (other, "undefined")):
            figure = start(one, "unet")
            assert figure.page.evaluate("typeof WebAssembly") == known
            said.append(words(figure))
            assert one.errors == []
    assert "squared error of the guessed noise" in said[0]
    assert said[1] == said[0]


def page_with(kind: str, mode: str = "") -> str:
    """The first page that has this figure."""
    place = f'data-live="{kind}"' + (f' data-mode="{mode}"' if mode else "")
    return next(name for name in PAGES if place in (HTML / name).read_text(encoding="utf8"))


def place(visit: Visit, kind: str, mode: str = "") -> tuple[Page, Locator]:
    """A figure of the book, brought near, in its page."""
    page = visit.context.new_page()
    page.emulate_media(reduced_motion="reduce")
    page.on("pageerror", lambda error: visit.errors.append(str(error)))
    page.goto((HTML / page_with(kind, mode)).as_uri())
    figure = page.locator(f"[data-live='{kind}']" + (f"[data-mode='{mode}']" if mode else "")).first
    figure.scroll_into_view_if_needed()
    return page, figure


def start(visit: Visit, kind: str, mode: str = "") -> Locator:
    """The same, at rest."""
    _, figure = place(visit, kind, mode)
    return rest(figure)


def rest(figure: Locator) -> Locator:
    figure.scroll_into_view_if_needed()
    canvas = figure.locator("canvas").first
    starting = "The figure is starting."
    expect(canvas).not_to_have_attribute("aria-label", starting, timeout=60_000)
    figure.page.wait_for_function(
        "figure => !figure.matches('[data-busy], [data-stale]')", arg=figure.element_handle()
    )
    return figure


def words(figure: Locator) -> str:
    return rest(figure).locator(".live-words").text_content() or ""


def numbers(text: str) -> list[float]:
    return [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", text.replace("−", "-"))]


@pytest.mark.parametrize("mode", ["loss", "judge"])
def test_loss_on_a_drawing_agrees_with_torch(mode: str, visit: Visit) -> None:
    figure = start(visit, "pad", mode)
    model, schedule = checkpoint.load("digits")
    x_0 = torch.tensor(figure.page.evaluate("ddpmDigits[3]")).float().view(1, 1, 8, 8) / 8 - 1
    middle = [round(250 * (i + 0.5) / 12) for i in range(12)]
    times = [80] * 12 if mode == "loss" else middle * 2
    eps = torch.tensor(
        figure.page.evaluate(
            "n => Array.from({length: n}, (_, i) => [...ddpmNoise(1000 + i + 1)(64)])", len(times)
        )
    ).view(-1, 1, 8, 8)
    t = torch.tensor(times)
    x_t, _ = marginal.sample(x_0.expand(len(t), 1, 8, 8), t, schedule, eps=eps)
    with torch.no_grad():
        expected = float(((model(x_t, t) - eps) ** 2).mean())
    said = numbers(words(figure).split("your picture is ")[1])[0]
    assert said == pytest.approx(expected, abs=0.006 if mode == "loss" else 0.0006)


def test_the_axis_of_the_loss_reaches_as_far_as_the_loss(visit: Visit) -> None:
    visit.context.add_init_script(WATCH_WORDS)
    figure = start(visit, "pad", "loss")
    pad = figure.locator(".live-pad").bounding_box()
    assert pad is not None
    mouse, row = figure.page.mouse, pad["height"] / 8
    mouse.move(pad["x"] + 5, pad["y"] + row / 2)
    mouse.down()
    for y in range(8):  # all full of ink: no digit is like that
        for x in (0.05, 0.25, 0.5, 0.75, 0.95):
            mouse.move(pad["x"] + x * pad["width"], pad["y"] + (y + 0.5) * row)
    mouse.up()
    loss = numbers(words(figure).split("your picture is ")[1])[0]
    assert loss > 1.2
    wrote = figure.locator("canvas").evaluate("canvas => canvas.wrote.map(([text]) => text)")
    along = {float(text) for text in wrote if re.fullmatch(r"[\d.]+", text)} - {1, 250}
    assert max(along) >= loss


@pytest.mark.parametrize("mode", ["noise", "back", "loss", "judge"])
def test_a_digit_is_drawn_by_key_and_by_mouse_and_an_empty_one_refused(
    mode: str, visit: Visit
) -> None:
    figure = start(visit, "pad", mode)
    first = seen(figure)
    pad = figure.locator(".live-pad")
    figure.get_by_role("button", name="Clear").press("Enter")
    assert "The drawing is empty" in words(figure)
    pad.press("ArrowUp")
    pad.press("Space")
    assert "empty" not in words(figure)
    one = seen(rest(figure))
    assert one[1] != first[1]
    box = pad.bounding_box()
    assert box is not None
    figure.page.mouse.move(box["x"] + 10, box["y"] + 10)
    figure.page.mouse.down()
    figure.page.mouse.move(box["x"] + 60, box["y"] + 100, steps=4)
    figure.page.mouse.up()
    assert seen(rest(figure))[1] != one[1]
    assert visit.errors == []


def test_a_schedule_out_of_range_is_refused_and_the_right_one_agrees_with_torch(
    visit: Visit,
) -> None:
    figure = start(visit, "schedule")
    alpha_bar = Schedule.linear().alpha_bar
    assert numbers(words(figure))[2] == pytest.approx(float(alpha_bar[500]), abs=6e-4)
    slider = figure.get_by_role("slider", name="βT")
    slider.press("End")
    assert "must lie strictly between 0 and 1" in words(figure)
    assert "The curves are of the last schedule that can be." in words(figure)
    paleness = "canvas => Number(getComputedStyle(canvas).opacity)"
    assert figure.locator("canvas").evaluate(paleness) < 0.5
    look = figure.get_by_role("slider", name="look at t")
    for key in ("ArrowRight", "ArrowLeft"):
        look.press(key)
        assert "must lie strictly between 0 and 1" in words(figure)  # it is still asked for
    slider.press("Home")
    assert "part of the digit is left" in words(figure)
    assert figure.locator("canvas").evaluate(paleness) == 1
    figure.get_by_role("combobox", name="schedule").select_option("cosine")
    cosine = Schedule.cosine(1000).alpha_bar
    assert numbers(words(figure))[2] == pytest.approx(float(cosine[500]), abs=6e-4)
    assert visit.errors == []


def test_stages_of_the_network_agree_with_torch_with_and_without_skips(visit: Visit) -> None:
    page = scripts(visit, "model", "unet")
    model, _ = checkpoint.load("digits")
    x = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(4))
    t = torch.tensor([30, 200])
    for skips in (True, False):
        stages: list[torch.Tensor] = []

        def hear(module, given, made, stages=stages) -> None:
            stages.append(made.permute(1, 0, 2, 3).flatten())

        def blind(module, given, past=(past := [])):
            both, time = given
            kept = both.shape[1] - past.pop()
            return torch.cat([both[:, :kept], 0 * both[:, kept:]], dim=1), time

        blocks = [block for level in model.down for block in level.blocks]
        hooks = [model.conv_in.register_forward_hook(hear)]
        hooks += [block.register_forward_hook(hear) for block in blocks]
        hooks += [model.down[0].resize.register_forward_hook(hear)]
        hooks += [model.middle[2].register_forward_hook(hear)]
        ups = [block for level in model.up for block in level.blocks]
        hooks += [block.register_forward_hook(hear) for block in ups]
        hooks += [model.up[0].resize.register_forward_hook(hear)]
        if not skips:
            past += [32, 32, 32, 64]  # the widths of what the way down hands over
            hooks += [block.register_forward_pre_hook(blind) for block in ups]
        with torch.no_grad():
            expected = model(x, t).flatten()
        for hook in hooks:
            hook.remove()
        answer, watched = page.evaluate(
            """([x, t, skips]) => {
                const seen = [];
                const net = ddpmNetwork(ddpmModel);
                const watch = (name, x) => seen.push([...x]);
                return [[...net.eps(Float32Array.from(x), t, {skips, watch})], seen];
            }""",
            [x.flatten().tolist(), t.tolist(), skips],
        )
        assert torch.allclose(torch.tensor(answer), expected, atol=1e-4)
        assert len(watched) == len(stages)
        for ours, theirs in zip(watched, stages, strict=True):
            assert torch.allclose(torch.tensor(ours), theirs, atol=1e-4)


def test_what_the_network_is_told_is_a_t_that_there_is(visit: Visit) -> None:
    figure = start(visit, "unet")
    t, told = (figure.get_by_role("slider", name=name, exact=True) for name in ("t", "told"))
    told.press("End")
    assert "t = 80, but the network is told 180" in words(figure)
    t.press("End")
    assert "but" not in words(figure)
    expect(told).to_have_attribute("aria-valuetext", "t = 250")
    told.press("Home")
    assert "t = 250, but the network is told 150" in words(figure)
    t.press("Home")
    assert "but" not in words(figure)
    expect(told).to_have_attribute("aria-valuetext", "t = 1")
    assert visit.errors == []


@pytest.mark.parametrize(
    "prompt", ["a handwritten three", "숫자 삼을", "NOT a seven!", "7 for grandma"]
)
def test_prompts_and_guidance_agree_with_torch(prompt: str, visit: Visit) -> None:
    page = scripts(visit, "painter", "unet", "guidance")
    painter = text_to_image.load()
    with torch.no_grad():
        expected = painter.encoder(painter.encoder.encode([prompt]))[0]
    found, reading = page.evaluate(
        """prompt => {
            const prompts = ddpmPrompt(ddpmPainter.encoder);
            return [prompts.encode(prompt), prompts.read(prompt)];
        }""",
        prompt,
    )
    assert torch.allclose(torch.tensor(found), expected, atol=1e-4)
    known = painter.encoder.read(prompt)
    assert (reading["known"], reading["unknown"]) == (known.known, known.unknown)
    x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    told = page.evaluate(
        """([x, condition]) =>
            [...ddpmNetwork(ddpmPainter).eps(Float32Array.from(x), [90], {condition})]""",
        [x.flatten().tolist(), found],
    )
    with torch.no_grad():
        answer = painter(x, torch.tensor([90]), painter.encoder.encode([prompt]))
    assert torch.allclose(torch.tensor(told), answer.flatten(), atol=1e-4)


def test_a_prompt_without_a_known_word_is_refused(visit: Visit) -> None:
    figure = start(visit, "guidance")
    assert "It goes by a, handwritten, three." in words(figure)
    box = figure.get_by_role("textbox", name="words")
    for prompt in ("ein Hund", ""):
        box.fill(prompt)
        box.press("Enter")
        assert "no word that the model knows" in words(figure)
        assert "The pictures are of the words before." in words(figure)
        assert figure.get_by_role("combobox", name="or take").input_value() == ""
    box.fill("숫자 칠")
    box.press("Enter")
    expect(figure.locator(".live-words")).to_contain_text("It goes by 숫자, 칠.")
    figure.get_by_role("combobox", name="or take").select_option("a handwritten three")
    expect(figure.locator(".live-words")).to_contain_text("It goes by a, handwritten, three.")
    assert visit.errors == []


def test_without_guidance_any_words_give_the_same_pictures_and_it_says_so(visit: Visit) -> None:
    figure = start(visit, "guidance")
    three = seen(figure)
    figure.get_by_role("slider", name="guidance w").press("Home")
    free = seen(figure)
    assert free[1] != three[1]
    assert "It goes by" not in free[0]
    assert "any other words give the same pictures" in free[0]
    figure.get_by_role("combobox", name="or take").select_option("number 7")
    assert seen(figure)[1] == free[1]


def test_frechet_distance_agrees_with_numpy(visit: Visit) -> None:
    page = scripts(visit, "frechet")
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        root = torch.randn(2, 2, 2, generator=generator, dtype=torch.float64)
        covs = root @ root.mT
        means = torch.randn(2, 2, generator=generator, dtype=torch.float64)
        values = torch.linalg.eigvals(covs[0] @ covs[1])
        trace = values.real.clamp(min=0).sqrt().sum()
        expected = [
            float(((means[0] - means[1]) ** 2).sum()),
            float(covs.diagonal(dim1=1, dim2=2).sum() - 2 * trace),
        ]
        found = page.evaluate(
            "([a, b, c, d]) => ddpmFrechet({mean: a, cov: b}, {mean: c, cov: d})",
            [means[0].tolist(), covs[0].tolist(), means[1].tolist(), covs[1].tolist()],
        )
        assert [found["move"], found["shape"]] == pytest.approx(expected, abs=1e-9)
    figure = start(visit, "frechet")
    figure.get_by_role("button", name="Same as real").press("Enter")
    assert "distance is 0.00" in words(figure)
    # The sliders show the axes of the real cloud, which `book/_live/frechet.js` gives.
    variances, axes = torch.linalg.eigh(torch.tensor([[0.8, 0.4], [0.4, 0.5]]))
    turn = math.degrees(math.atan2(axes[1, 1], axes[0, 1])) % 180
    for name, value in (
        ("spread along", f"{variances[1].sqrt():.2f}"),
        ("spread across", f"{variances[0].sqrt():.2f}"),
        ("turned by", f"{turn:.0f}°"),
    ):
        slider = figure.get_by_role("slider", name=name)
        expect(slider).to_have_attribute("aria-valuetext", value)
        slider.press("ArrowRight")  # from where it is shown, not from where it was
        slider.press("ArrowLeft")
    assert numbers(words(figure))[0] < 0.01


def test_training_step_agrees_with_torch(visit: Visit) -> None:
    page = scripts(visit, "pointnet")
    net = pointnet.PointNet(20)
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    generator = torch.Generator().manual_seed(0)
    batches, losses = [], []
    before = {name: w.flatten().tolist() for name, w in net.state_dict().items()}
    for _ in range(3):
        x, eps = torch.randn(2, 51, 2, generator=generator)  # products are taken two rows at a time
        t = torch.randint(1, 21, (51,), generator=generator)
        loss = ((net(x, t) - eps) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        batches.append([x.flatten().tolist(), t.tolist(), eps.flatten().tolist()])
    grads = {name: w.grad.flatten() for name, w in net.named_parameters()}
    found, last, after = page.evaluate(
        """([before, batches]) => {
            const net = ddpmPointNet(20, ddpmNoise(0));
            for (const [name, w] of Object.entries(before)) net.weights[name].set(w);
            const losses = [];
            let last;
            for (const [x, t, eps] of batches) {
                const given = Float32Array.from(x);
                const {loss, grads} = net.gradients(given, t, Float32Array.from(eps));
                last = grads;
                losses.push(loss);
                net.adam(grads, 0.01);
            }
            const list = ([name, w]) => [name, [...w]];
            const plain = all => Object.fromEntries(Object.entries(all).map(list));
            return [losses, plain(last), plain(net.weights)];
        }""",
        [before, batches],
    )
    assert found == pytest.approx(losses, abs=1e-5)
    for name, w in net.state_dict().items():
        assert torch.allclose(torch.tensor(last[name]), grads[name], atol=1e-5), name
        # Adam divides small gradients by their own size, which makes their rounding seen.
        assert torch.allclose(torch.tensor(after[name]), w.flatten(), atol=2e-3), name


def test_a_cloud_of_one_point_is_refused_and_a_drawn_one_is_learned(visit: Visit) -> None:
    figure = start(visit, "train")
    pad = figure.locator(".live-pad")
    figure.get_by_role("button", name="Clear").press("Enter")
    assert "no point" in words(figure)
    given = figure.get_by_role("combobox", name="or take")
    given.select_option("moons")  # which it had before
    assert "A cloud of 150 points" in words(figure)
    figure.get_by_role("button", name="Clear").press("Enter")
    pad.press("Space")
    assert given.input_value() == ""
    assert "one place only" in words(figure)
    for key in ("ArrowRight",) * 5 + ("Space",):
        pad.press(key)
    assert "A cloud of 2 points" in words(figure)
    figure.get_by_role("button", name="Train").press("Enter")
    expect(figure.locator(".live-words")).to_contain_text("Step 1200 of 1200", timeout=120_000)
    loss, network, exact = numbers(words(figure).split("loss")[1])
    assert loss < 0.4  # who guesses 0 has 1
    assert network < 0.3
    assert exact < 0.2
    assert visit.errors == []


def test_boxes_around_ink_agree_with_scipy(visit: Visit) -> None:
    page = scripts(visit, "detect")
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        canvas = torch.rand(12, 28, generator=generator)
        canvas = canvas.where(torch.rand(12, 28, generator=generator) < 0.35, torch.tensor(-1.0))
        ink = canvas.numpy() > -0.6
        blobs, _ = ndimage.label(ink, structure=[[1] * 3] * 3)
        expected = [
            [down.start, across.start, down.stop, across.stop]
            for down, across in ndimage.find_objects(blobs)
            if ink[down, across].sum() >= 8
        ]
        found = page.evaluate("values => ddpmBoxes(values, 28)", canvas.flatten().tolist())
        assert found == expected


def test_contrastive_loss_agrees_with_torch(visit: Visit) -> None:
    page = scripts(visit, "contrast")
    similarity = 5 * torch.randn(20, 4, 4, generator=torch.Generator().manual_seed(0)).double()
    found = page.evaluate("all => all.map(ddpmContrast)", similarity.tolist())
    assert found == pytest.approx([float(multimodal.contrastive_loss(s)) for s in similarity])


def test_tables_of_low_rank_agree_with_torch(visit: Visit) -> None:
    page = scripts(visit, "examples", "rank")
    for example in (0, 2, 7):
        table = torch.tensor(page.evaluate(f"ddpmDigits[{example}]")).double().view(8, 8)
        u, s, v = torch.linalg.svd(table)
        for rank in range(1, 9):
            expected = u[:, :rank] * s[:rank] @ v[:rank]
            found = page.evaluate(
                "([table, rank]) => [...ddpmRank(table, 8, rank)]", [table.flatten().tolist(), rank]
            )
            assert torch.allclose(torch.tensor(found).double().view(8, 8), expected, atol=1e-4)


def test_pagerank_agrees_with_networkx(visit: Visit) -> None:
    page = scripts(visit, "pagerank")
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        cites = torch.rand(6, 6, generator=generator) < 0.3
        graph = nx.DiGraph()
        graph.add_nodes_from(range(6))
        graph.add_edges_from(cites.nonzero().tolist())
        expected = nx.pagerank(graph, alpha=0.85, tol=1e-12, max_iter=10_000)
        found = page.evaluate("cites => ddpmPageRank(cites)", cites.tolist())
        assert found == pytest.approx([expected[i] for i in range(6)], abs=1e-8)


def figures(page: Page) -> list[Locator]:
    """The figures of a page, each brought near and at rest."""
    return [rest(figure) for figure in page.locator(".live").all()]


def seen(figure: Locator) -> tuple[str, str]:
    """What is said of a figure at rest, and its picture."""
    said, picture, shown = rest(figure).evaluate(
        """figure => {
            const canvas = figure.querySelector("canvas");
            const shown = [...figure.querySelectorAll("output")].map(one => one.textContent);
            return [canvas.getAttribute("aria-label"), canvas.toDataURL(), shown];
        }"""
    )
    assert [text for text in (said, *shown) if re.search(r"(?<![\w\"])-\d", text)] == []  # −, not -
    return said, picture


@ON_PAGES
def test_figures_answer_to_every_hand(name: str, visit: Visit) -> None:
    """Handles, sliders and menus one after the other, in one visit, as a reader does."""
    page = visit.open(name)
    page.emulate_media(reduced_motion="reduce")
    for figure in figures(page):
        handles_move_by_key_and_by_mouse(figure)
        keys_move_each_slider_and_the_words_follow(figure)
        assert figure.locator(".live-error").count() == 0
        each_choice_of_a_menu_is_drawn(figure)
    assert visit.errors == []


def handles_move_by_key_and_by_mouse(figure: Locator) -> None:
    mouse = figure.page.mouse
    for handle in figure.locator(".live-handle").all():
        before = seen(figure)
        handle.press("ArrowRight")
        handle.press("ArrowUp")
        moved = seen(figure)
        assert moved[1] != before[1]
        box = handle.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        mouse.move(x, y)
        mouse.down()
        mouse.move(x - 30, y + 20)
        mouse.up()
        assert seen(figure)[1] != moved[1]


def keys_move_each_slider_and_the_words_follow(figure: Locator) -> None:
    for slider in figure.locator("input[type=range]:visible").all():
        before = slider.input_value()
        slider.press("Home")
        first, value = seen(figure), slider.get_attribute("aria-valuetext")
        slider.press("End")
        last = seen(figure)
        refused = figure.locator(".live-error").count()  # then the picture stays as it was
        assert refused or last[1] != first[1], value
        assert refused or last[0] != first[0], value
        assert slider.get_attribute("aria-valuetext") != value
        assert slider.evaluate("slider => slider.closest('form').textContent").count(
            slider.get_attribute("aria-valuetext") or "?"
        )
        slider.evaluate(  # as it was: a round cloud does not show that it turns
            """(slider, value) => {
                slider.value = value;
                slider.dispatchEvent(new Event("input", {bubbles: true}));
            }""",
            before,
        )
        rest(figure)


def each_choice_of_a_menu_is_drawn(figure: Locator) -> None:
    for menu in figure.locator("select:visible:enabled").all():
        values = menu.locator("option:enabled").evaluate_all("all => all.map(one => one.value)")
        assert len(values) > 1
        for value in [*values, menu.input_value()]:  # as it was: a choice may take the others away
            menu.select_option(value)
            rest(figure)
            assert figure.locator(".live-error").count() == 0, value


@ON_PAGES
def test_without_scripts_stands_a_still_picture(name: str, visit: Visit) -> None:
    context = visit.context.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((HTML / name).as_uri())
    for figure in page.locator(".live").all():
        still = figure.locator("img:visible")
        assert len((still.get_attribute("alt") or "").split()) > 4
        still.scroll_into_view_if_needed()
        expect(still).to_be_visible()
    context.close()


@ON_PAGES
@pytest.mark.parametrize("visit", [(DESKTOP, "dark")], indirect=True)
def test_by_night_a_still_picture_is_dark(name: str, visit: Visit) -> None:
    page = visit.context.new_page()
    page.add_init_script("IntersectionObserver.prototype.observe = () => {};")  # nobody comes near
    page.goto((HTML / name).as_uri())
    for figure in page.locator(".live").all():
        still = figure.locator("img:visible")
        still.scroll_into_view_if_needed()
        page.wait_for_function("still => still.complete", arg=still.element_handle())
        shot = Image.open(io.BytesIO(still.screenshot())).convert("L")
        sides = [(2, 0, 4, shot.height), (shot.width - 4, 0, shot.width - 2, shot.height)]
        dots = [dot for side in sides for dot in shot.crop(side).tobytes()]
        assert statistics.median(dots) < 60  # a few of its dots are a digit's, or a letter's


@ON_PAGES
def test_on_paper_a_figure_has_its_shape_and_no_hole_below(name: str, visit: Visit) -> None:
    page = visit.context.new_page()
    page.emulate_media(reduced_motion="reduce")
    page.goto((HTML / name).as_uri())
    page.add_style_tag(content="@media print {body {width: 176mm}}")  # A4 less its margins
    page.evaluate("window.requestAnimationFrame = () => {}")  # nothing is painted anew
    page.emulate_media(media="print")
    gaps = """() => [...document.querySelectorAll(".live-figure")]
        .filter(figure => figure.querySelector(".live > img"))
        .map(figure => figure.querySelector("figcaption").getBoundingClientRect().top -
            Math.max(...[...figure.querySelectorAll("img")].map(
                one => one.getBoundingClientRect().bottom)))"""
    assert [gap for gap in page.evaluate(gaps) if not 0 <= gap < 30] == []
    page.reload()
    figures(page)
    page.add_style_tag(content="@media print {body {width: 176mm}}")
    page.evaluate("window.requestAnimationFrame = () => {}")
    page.emulate_media(media="print")
    shapes = page.locator(".live canvas").evaluate_all(
        "all => all.map(one => one.clientWidth / one.clientHeight / (one.width / one.height))"
    )
    assert len(shapes) == page.locator(".live").count()
    assert shapes == pytest.approx([1.0] * len(shapes), rel=0.02)


# The answers of a page's workers wait until they are let out.
HOLD = """
    const Whole = Worker;
    const held = [];
    let out = false;
    window.letOut = () => { out = true; held.forEach(hear => hear()); };
    window.Worker = class extends Whole {
        set onmessage(hear) {
            super.onmessage = event => out ? hear(event) : held.push(() => hear(event));
        }
    };
"""
COMPUTED = [
    ("digits", ""),
    ("sampler", ""),
    ("pad", "back"),
    ("pad", "loss"),
    ("pad", "judge"),
    ("unet", ""),
    ("few-steps", ""),
    ("guidance", ""),
]


@pytest.mark.parametrize("visit", [(DESKTOP, "light"), (PHONE, "dark")], indirect=True)
@pytest.mark.parametrize(("kind", "mode"), COMPUTED)
def test_either_the_still_picture_is_seen_or_the_figure(kind: str, mode: str, visit: Visit) -> None:
    visit.context.add_init_script(HOLD)
    page, figure = place(visit, kind, mode)
    stage = figure.locator(".live-stage")
    page.wait_for_function(
        """figure => !figure.matches("[data-stale]") && figure.querySelector(".live-stage")
            && [...figure.querySelectorAll("img")].every(
                one => one.complete || !one.checkVisibility())""",
        arg=figure.element_handle(),
    )
    waits = stage.screenshot()
    assert len(Image.open(io.BytesIO(waits)).convert("RGB").getcolors(2**20) or []) > 8  # no hole
    page.add_style_tag(content=".live canvas { visibility: hidden }")
    assert stage.screenshot() == waits
    page.evaluate("document.querySelector('style:last-of-type').remove()")
    page.evaluate("letOut()")
    shown = rest(figure).locator(".live-stage").screenshot()
    assert shown != waits
    assert figure.locator("img").count() == 0
    stage.evaluate("stage => (stage.style.background = 'none')")
    assert stage.screenshot() == shown


def test_who_draws_before_the_first_answer_sees_it(visit: Visit) -> None:
    visit.context.add_init_script(HOLD)
    _, figure = place(visit, "pad", "loss")
    figure.locator(".live-pad").press("ArrowUp")
    assert figure.locator("img").count() == 0
    expect(figure.locator("canvas")).to_have_css("opacity", "1")


# Each word that a figure writes into its canvas, and where; a new painting begins with `scale`.
WATCH_WORDS = """
    const Brush = CanvasRenderingContext2D.prototype;
    const [scale, write] = [Brush.scale, Brush.fillText];
    Brush.scale = function (...all) { this.canvas.wrote = []; return scale.apply(this, all); };
    Brush.fillText = function (text, x, y) {
        const {width, fontBoundingBoxAscent: up} = this.measureText(text);
        const left = {right: x - width, center: x - width / 2}[this.textAlign] ?? x;
        const top = this.textBaseline === "middle" ? y - up / 2 : y - up;
        if (text.trim()) this.canvas.wrote?.push([text, left, top, left + width, top + up]);
        return write.call(this, text, x, y);
    };
"""
CUT_WORDS = """() => [...document.querySelectorAll(".live canvas")].flatMap(canvas => {
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    const wrote = canvas.wrote ?? [];
    const cut = wrote.filter(([, left, top, right, bottom]) =>
        left < -1 || right > width + 1 || top < -3 || bottom > height + 3);
    const over = wrote.filter(([, left, top, right, bottom], i) =>
        wrote.some(([, l, t, r, b], k) => k > i &&
            Math.min(right, r) - Math.max(left, l) > 2 &&
            Math.min(bottom, b) - Math.max(top, t) > 3));
    return [...cut.map(one => ["cut", ...one]), ...over.map(one => ["over", ...one])];
})"""


# x_t is not yet set, neither on a canvas nor beside it.
RAW = """() => [
    ...[...document.querySelectorAll(".live")].map(figure => figure.innerText),
    ...[...document.querySelectorAll(".live canvas")].flatMap(canvas => canvas.wrote ?? [])
        .map(([text]) => text),
].filter(text => text.includes("_"))"""


@ON_PAGES
def test_live_figures_are_accessible(name: str, visit: Visit) -> None:
    """At a desk and on a phone, by day and by night, in one visit; no word is cut or covered."""
    visit.context.add_init_script(WATCH_WORDS)
    page = visit.open(name)
    figures(page)
    wrong: dict[tuple[int, str], Any] = {}
    for width, height in (DESKTOP, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.wait_for_function(
                "scheme => document.documentElement.dataset.theme === scheme", arg=scheme
            )
            settle(page)
            figures(page)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            assert page.evaluate(CUT_WORDS) == []
            assert page.evaluate(RAW) == []
            assert visit.errors == []
            if found := accessible(page, ".live-figure"):
                wrong[width, scheme] = found
    assert wrong == {}
    assert visit.errors == []


def test_only_pages_with_a_live_figure_load_the_model(page_name: str, at_desk: Seen) -> None:
    asked = any(
        url.endswith("live/model.js") or "live/model.js?" in url for url in at_desk.requests
    )
    kinds = re.findall(r'data-live="([\w-]+)"', (HTML / page_name).read_text(encoding="utf8"))
    assert asked == any("model.js" in live.NEEDS[kind] for kind in kinds)
