"""Figures that compute in the page: they agree with torch, answer to keys, and say what fails."""

from __future__ import annotations

import re

import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from ddpm_course import checkpoint, reverse
from tests.book.conftest import DESKTOP, HTML, PAGES, PHONE, Visit

pytestmark = pytest.mark.book

WITH_FIGURE = [name for name in PAGES if "data-live=" in (HTML / name).read_text(encoding="utf8")]
ON_PAGES = pytest.mark.parametrize("name", WITH_FIGURE or ["none"])
READY = "[data-live='digits'][data-ready='all']"


def network(visit: Visit, plain: bool) -> Page:
    page = visit.open("index.html")
    page.evaluate("plain => window.net = ddpmNetwork({...ddpmModel, plain})", plain)
    assert page.evaluate("net.quick") is not plain
    return page


@pytest.mark.parametrize("plain", [False, True], ids=["webassembly", "javascript"])
def test_network_agrees_with_torch(plain: bool, visit: Visit) -> None:
    page = network(visit, plain)
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
    [("ddim", 25, 0.0), ("ddim", 12, 1.0), ("ddim", 250, 0.5), ("ancestral", 250, 1.0)],
)
def test_each_step_of_a_walk_agrees_with_torch(
    method: str, steps: int, eta: float, visit: Visit
) -> None:
    # A walk multiplies the last digits of its own steps, so each step of ours starts from theirs:
    # the network answers as torch did, and the noise is torch's.
    page = visit.open("index.html")
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
        walk = list(reverse.ddim(eps, x_T.shape, schedule, steps, eta, True, generator, x_T))
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
    page.wait_for_function("document.querySelector('.live input[type=range]').max === '25'")
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


@pytest.mark.parametrize("seed", ["", "-1", "1.5", "1000000"])
def test_a_seed_that_is_none_is_refused_in_a_sentence(seed: str, visit: Visit) -> None:
    page = visit.open("index.html")
    page.wait_for_selector(READY)
    page.get_by_role("spinbutton", name="seed").fill(seed)
    page.get_by_role("spinbutton", name="seed").press("Enter")
    expect(page.locator(".live-said")).to_contain_text("give a whole number from 0 to 999999")
    assert visit.errors == []


def test_what_is_missing_is_said_and_the_page_works(visit: Visit) -> None:
    page = visit.context.new_page()
    page.add_init_script("window.Worker = function () { throw new Error('none'); }")
    page.goto((HTML / "index.html").as_uri())
    expect(page.locator(".live").get_by_role("alert")).to_contain_text("runs no workers")
    expect(page.locator(".live img")).to_be_visible()  # the still picture stays
    other = visit.context.new_page()
    other.add_init_script("Object.defineProperty(window, 'ddpmModel', {set() {}, get() {}})")
    other.goto((HTML / "index.html").as_uri())
    expect(other.locator(".live").get_by_role("alert")).to_contain_text("model.js, is missing")


@ON_PAGES
@pytest.mark.parametrize(
    "visit",
    [(DESKTOP, "light"), (DESKTOP, "dark"), (PHONE, "light"), (PHONE, "dark")],
    ids=["light", "dark", "phone-light", "phone-dark"],
    indirect=True,
)
def test_live_figures_are_accessible(name: str, visit: Visit) -> None:
    page = visit.open(name)
    for figure in page.locator(".live").all():
        figure.scroll_into_view_if_needed()
        expect(figure.locator("canvas").first).to_have_attribute("aria-label", re.compile("."))
    assert visit.errors == []  # before axe, which asks for style sheets as no page does
    found = Axe().run(page, context=".live-figure")
    assert found.violations_count == 0, found.generate_report()


def test_only_pages_with_a_live_figure_load_the_model(page_name: str, visit: Visit) -> None:
    visit.open(page_name)
    asked = any(url.endswith("live/model.js") or "live/model.js?" in url for url in visit.requests)
    needs = any(
        f'data-live="{kind}"' in (HTML / page_name).read_text(encoding="utf8")
        for kind in ("digits", "sampler")
    )
    assert asked == needs
