"""Explorers in the built book: they move by key and by mouse, say what they show, and stop."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.book.conftest import BUILD, DESKTOP, HTML, PAGES, PHONE, Visit, accessible, parsed

pytestmark = pytest.mark.book

PER_PAGE = {
    name: (HTML / name).read_text(encoding="utf8").count('class="explorer"') for name in PAGES
}
ON_PAGES = pytest.mark.parametrize("name", [name for name, n in PER_PAGE.items() if n] or ["none"])
CHAPTERS = (
    "compose",
    "text-to-image",
    "marginal",
    "reverse",
    "loss",
    "training",
    "evaluation",
    "beyond",
    "solvers",
    "flow",
    "few_steps",
)


def explorers(page: Page) -> list[Locator]:
    return page.locator(".explorer").all()


def frame(explorer: Locator) -> tuple[int, str]:
    """Which picture is shown, as a number that is the same for the same picture, and its words."""
    number, words = explorer.evaluate(
        """element => {
            const image = element.querySelector("img");
            const seen = (window.picturesSeen ??= []);
            if (!seen.includes(image.src)) seen.push(image.src);
            return [seen.indexOf(image.src), image.alt];
        }"""
    )
    return number, words


def slider(explorer: Locator) -> Locator:
    return explorer.locator("input[type=range]").last


FIGURE = ".explorer, .live"


def test_every_explorer_has_a_form(page_name: str) -> None:
    """Drawn beforehand or computed: a caption, a number to refer to, words for the picture, a still
    picture without scripts. (Keys and the words that follow: in the browser, below.)"""
    for explorer in parsed(page_name).select(FIGURE):
        figure = explorer.find_parent("figure")
        assert figure is not None
        assert figure.get("id")
        caption = figure.find("figcaption")
        assert re.match(r"Fig(ure|\.) ", caption.select_one(".caption-number").get_text())
        assert len(caption.select_one(".caption-text").get_text().split()) >= 4
        picture = explorer.find("img")
        assert len(picture["alt"].split()) >= 5
        assert picture["src"]


def test_every_explorer_starts_at_a_setting_that_was_chosen() -> None:
    """Those drawn beforehand say in their cell where they start."""
    for page in (BUILD.parent / "book").glob("*.md"):
        calls = re.findall(r"^Explorer\(.*?\)\n```", page.read_text("utf8"), re.M | re.S)
        assert [call for call in calls if "start=" not in call] == []


@pytest.mark.parametrize("scripts", [True, False])
def test_what_an_explorer_shows_first_is_its_start(scripts: bool, browser: Browser) -> None:
    """The picture in the page, its words, and the controls agree, without scripts too."""
    context = browser.new_context(java_script_enabled=scripts, offline=True)
    page = context.new_page()
    page.goto((HTML / "reverse.html").as_uri())
    first, _ = page.locator(".explorer").all()
    assert "With x_0 = 1 and t = 3" in (first.locator("img").get_attribute("alt") or "")
    assert first.locator("output").all_text_contents() == ["1", "3"]
    expect(first.locator("img")).to_be_visible()
    expect(first.locator(".explorer-settings")).to_be_visible(visible=scripts)
    context.close()


def test_chapters_have_explorers() -> None:
    assert [name for name in CHAPTERS if not PER_PAGE.get(f"{name}.html")] == []
    assert sum(PER_PAGE.values()) >= 10


@ON_PAGES
def test_keyboard_reaches_every_frame(name: str, visit: Visit) -> None:
    page = visit.open(name)
    for explorer in explorers(page):
        for control in explorer.locator("input[type=range]").all():
            control.focus()
            page.keyboard.press("Home")
            seen = {frame(explorer)}
            steps = int(control.get_attribute("max") or 0)
            for _ in range(steps):
                page.keyboard.press("ArrowRight")
                seen.add(frame(explorer))
            assert len({picture for picture, _ in seen}) == steps + 1
            assert len({words for _, words in seen}) == steps + 1
            value = control.get_attribute("aria-valuetext")
            assert value in explorer.locator("output").all_inner_texts()
        for menu in explorer.locator("select").all():
            before = frame(explorer)
            menu.focus()
            last = menu.evaluate("menu => menu.selectedIndex === menu.length - 1")
            page.keyboard.press("ArrowUp" if last else "ArrowDown")
            picture, words = frame(explorer)
            assert picture != before[0]
            assert words != before[1]
    assert visit.errors == []


@ON_PAGES
def test_mouse_moves_the_slider(name: str, visit: Visit) -> None:
    page = visit.open(name)
    for explorer in explorers(page):
        before, value = frame(explorer), slider(explorer).get_attribute("aria-valuetext")
        box = slider(explorer).bounding_box()
        assert box is not None
        right = slider(explorer).evaluate("slider => slider.value / slider.max > 0.5")
        part = 0.2 if right else 0.8
        slider(explorer).click(position={"x": box["width"] * part, "y": box["height"] / 2})
        assert frame(explorer) != before
        assert slider(explorer).get_attribute("aria-valuetext") != value
    assert visit.errors == []


@ON_PAGES
def test_play_moves_and_pause_stops(name: str, visit: Visit) -> None:
    page = visit.open(name)
    for explorer in explorers(page):
        button, before = (
            explorer.get_by_role("button"),
            explorer.locator("img").get_attribute("alt"),
        )
        expect(button).to_have_text("Play")
        button.press("Enter")
        expect(button).to_have_text("Pause")
        expect(explorer.locator("img")).not_to_have_attribute("alt", before or "")
        button.press("Enter")
        expect(button).to_have_text("Play")
        held = frame(explorer)
        page.wait_for_timeout(2 * int(button.get_attribute("data-interval") or 0))
        assert frame(explorer) == held
    assert visit.errors == []


def test_play_ends_at_the_end_and_begins_again(visit: Visit) -> None:
    page = visit.open("marginal.html")
    explorer = explorers(page)[0]
    button = explorer.get_by_role("button")
    slider(explorer).press("Home")
    first = frame(explorer)
    page.keyboard.press("End")
    last = frame(explorer)
    page.keyboard.press("ArrowLeft")
    button.click()
    expect(button).to_have_text("Play")
    assert frame(explorer) == last
    began = explorer.evaluate(  # in one turn: the next picture may come soon
        """element => {
            element.querySelector("button").click();
            return element.querySelector("img").alt;
        }"""
    )
    assert began == first[1]
    slider(explorer).press("ArrowRight")  # a hand on the slider takes over
    expect(button).to_have_text("Play")


def test_what_is_shown_is_said_once_the_hand_rests(visit: Visit) -> None:
    page = visit.open("marginal.html")
    explorer = explorers(page)[0]
    said = explorer.get_by_role("status").last
    expect(said).to_be_empty()
    slider(explorer).press("ArrowRight")
    slider(explorer).press("ArrowRight")
    expect(said).to_be_empty()
    expect(said).to_have_text(frame(explorer)[1])
    explorer.get_by_role("button").click()
    spoken = said.text_content()
    page.wait_for_timeout(1500)
    assert explorer.get_by_role("button").inner_text() == "Pause"
    assert said.text_content() == spoken  # a film is not read out picture by picture


def test_who_wants_no_motion_gets_no_play_button(visit: Visit) -> None:
    page = visit.open("marginal.html")
    explorer = explorers(page)[0]
    explorer.get_by_role("button").click()
    page.emulate_media(reduced_motion="reduce")
    expect(explorer.get_by_role("button")).to_have_count(0)
    held = frame(explorer)
    page.wait_for_timeout(1200)
    assert frame(explorer) == held
    slider(explorer).press("End")
    assert frame(explorer) != held


def test_paper_shows_the_frame_and_no_controls(visit: Visit) -> None:
    page = visit.open("marginal.html")
    explorer = explorers(page)[0]
    slider(explorer).press("ArrowRight")
    page.emulate_media(media="print")
    expect(explorer.locator("img")).to_be_visible()
    expect(explorer.locator(".explorer-settings")).to_be_hidden()


@ON_PAGES
def test_controls_are_named_and_fit_a_phone(name: str, visit: Visit) -> None:
    page = visit.open(name)
    for explorer in explorers(page):
        tree = explorer.aria_snapshot()
        for role in ("slider", "combobox", "button", "img"):
            assert re.search(rf"- {role}(:|$)", tree, re.M) is None, (
                f"a {role} has no name:\n{tree}"
            )
    wrong = {}
    for width, height in (DESKTOP, PHONE):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            page.wait_for_function(
                "scheme => document.documentElement.dataset.theme === scheme", arg=scheme
            )
            if found := accessible(page, ".explorer"):
                wrong[width, scheme] = found
    assert wrong == {}
    for explorer in explorers(page):
        slider(explorer).press("End")
        parts = "img:not(.scrolls img), .scrolls, label, input, select, output, button"
        for part in explorer.locator(parts).all():
            box = part.bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= PHONE[0]
        box = slider(explorer).bounding_box()
        assert box is not None
        assert box["width"] >= 60
        assert box["height"] >= 24
