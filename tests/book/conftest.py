"""Every page of the built book, in a real browser, from the folder it was built into."""

from __future__ import annotations

import io
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from PIL import Image
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import missing

BUILD = Path(os.environ.get("BOOK_BUILD") or Path(__file__).resolve().parents[2] / "_build")
HTML = BUILD / "html"
PAGES = sorted(path.name for path in HTML.glob("*.html"))

# The second browser is asked where it is installed; where it is not, a line says so.
FIREFOX = next(filter(None, map(shutil.which, ("firefox", "firefox-esr"))), None)
collect_ignore = [] if FIREFOX else ["test_firefox.py"]


def pytest_report_header() -> list[str]:
    return [] if FIREFOX else ["Firefox is not installed: tests/book/test_firefox.py is left out"]


# A formula that MathJax has not set yet.
UNSET = ".math:not(:has(mjx-container))"

DESKTOP = (1280, 800)
PHONE = (390, 844)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page_name" in metafunc.fixturenames:
        # Without a build one test remains, to say so.
        # One worker asks all about a page, since it looks at the page once for all tests
        # (``group`` in tests/conftest.py).
        metafunc.parametrize("page_name", PAGES or ["no-build"])


@pytest.fixture(autouse=True)
def _needs_build() -> None:
    if not PAGES:
        missing("there is no built book: run `make book` first")


@dataclass
class Visit:
    """One reader's browser: what a page asked of the network, and what went wrong in it."""

    context: BrowserContext
    requests: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def open(self, name: str, query: str = "") -> Page:
        page = self.context.new_page()
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._hear)
        page.goto((HTML / name).as_uri() + query, wait_until="load")
        page.evaluate("() => window.MathJax?.startup?.promise")
        return page

    def set_all(self, page: Page) -> None:
        """Have MathJax set every formula, as for printing, not only those near the screen."""
        page.evaluate("['beforeprint', 'afterprint'].map(name => dispatchEvent(new Event(name)))")
        assert page.locator(UNSET).count() == 0

    def _hear(self, message) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(f"{message.text} ({message.location['url']})")


@contextmanager
def visiting(browser: Browser, size: tuple[int, int], scheme: str) -> Iterator[Visit]:
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
    )
    context.set_default_timeout(120_000)  # milliseconds: on a busy machine a page takes its time
    context.add_init_script(WATCH_SHIFTS)
    yield Visit(context)
    context.close()


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit; parametrize indirectly with (size, color scheme) for another than the desktop's."""
    with visiting(browser, *getattr(request, "param", (DESKTOP, "light"))) as made:
        yield made


# How far things jump while the page is built, as browsers count it (cumulative layout shift).
WATCH_SHIFTS = """
    window.shift = 0;
    new PerformanceObserver(list => {
        for (const entry of list.getEntries()) if (!entry.hadRecentInput) shift += entry.value;
    }).observe({type: "layout-shift", buffered: true});
"""


@cache
def parsed(name: str) -> BeautifulSoup:
    return BeautifulSoup((HTML / name).read_text(encoding="utf8"), "html.parser")


@dataclass
class Seen:
    """What one visit saw of a page. Tests ask this, so that they share the visit."""

    requests: list[str]  # what it asked for while it was loaded
    errors: list[str]  # what went wrong from its loading to its end
    theme: str
    shift: float
    more: dict[str, Any] = field(default_factory=dict)


def look(visit: Visit, name: str) -> tuple[Page, Seen]:
    page = visit.open(name)
    page.evaluate("() => new Promise(resume => requestAnimationFrame(() => setTimeout(resume)))")
    seen = Seen(list(visit.requests), visit.errors, theme(page), page.evaluate("shift"))
    go_everywhere(page)
    return page, seen


def go_everywhere(page: Page) -> None:
    """Have the browser lay out and load all of the page, as for a reader who has seen all of it."""
    page.add_style_tag(content=".bd-article section {content-visibility: visible !important}")
    page.evaluate(
        """async () => {
            const pictures = [...document.querySelectorAll("img[loading=lazy]")];
            pictures.forEach(picture => picture.loading = "eager");
            await Promise.all(pictures.map(picture => picture.decode()));
            const painted = () => new Promise(resume => requestAnimationFrame(resume));
            for (let frame = 0; frame < 3; frame++) await painted();
        }"""
    )


def theme(page: Page) -> str:
    return page.evaluate("document.documentElement.dataset.theme")


def darken(page: Page) -> None:
    page.emulate_media(color_scheme="dark")
    page.wait_for_function("document.documentElement.dataset.theme === 'dark'")
    settle(page)


def unfold(page: Page) -> None:
    """Open every fold, as a reader can, and let the page hear of it."""
    page.evaluate(
        """() => {
            document.querySelectorAll("main details").forEach(fold => fold.open = true);
            return new Promise(resume => setTimeout(() => requestAnimationFrame(() => resume())));
        }"""
    )


def settle(page: Page) -> None:
    """Wait until no color is on its way to another one."""
    page.wait_for_function(  # what is not seen may stand there, finished, for as long as it likes
        """document.getAnimations().every(one => !(one instanceof CSSTransition)
            || one.playState === "finished" || !one.effect.target.checkVisibility())"""
    )


def accessible(page: Page, within: str | None = None) -> str:
    """What axe finds wrong with a page, in words; empty where that is nothing."""
    # From a folder axe can fetch no style sheet; it would say so in the console, some time later.
    found = Axe().run(
        page, context=within, options={"preload": False, "resultTypes": ["violations"]}
    )
    return found.generate_report() if found.violations_count else ""


def boxed(page: Page) -> list[str]:
    """Pictures that are light in all four corners, inside of the rounding that a box may have."""
    found = []
    # A still picture of a live figure gives way to the figure once that runs.
    for image in page.query_selector_all("main img:not([src*='/live/stills/'])"):
        if not image.is_visible():
            continue
        shot = Image.open(io.BytesIO(image.screenshot())).convert("L")
        right, bottom = shot.width - 6, shot.height - 6
        if min(shot.getpixel((x, y)) for x in (5, right) for y in (5, bottom)) > 150:
            found.append(str(image.get_attribute("alt")))
    return found


@pytest.fixture
def at_desk(page_name: str, browser: Browser) -> Seen:
    """The page at a desk: by day, by night, and on paper."""
    return _at_desk(browser, page_name)


@cache
def _at_desk(browser: Browser, name: str) -> Seen:
    with visiting(browser, DESKTOP, "light") as visit:
        page, seen = look(visit, name)
        seen.errors = list(visit.errors)
        more = seen.more
        more["axe"] = {"light": accessible(page)}
        darken(page)
        more["axe"]["dark"] = accessible(page)
        more["boxed"] = boxed(page)

        opened = "[...document.querySelectorAll('main details')].map(fold => fold.open)"
        folds = page.evaluate(opened)
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print", color_scheme="dark")
        chrome = (".bd-sidebar-primary", ".bd-sidebar-secondary", ".bd-header-article", ".copybtn")
        more["printed"] = [part for part in chrome if page.locator(f"{part}:visible").count()]
        more["folded"] = page.locator("main details:not([open], .hide, .solution)").count()
        more["ground"] = page.evaluate("getComputedStyle(document.body).backgroundColor")
        # A4 between the margins of book.css
        page.add_style_tag(content="@media print {body {width: 176mm}}")
        more["cut"] = page.evaluate(CUT)
        page.emulate_media(media="screen", color_scheme="dark")
        page.evaluate("dispatchEvent(new Event('afterprint'))")
        more["theme after print"] = theme(page)
        more["folds kept"] = page.evaluate(opened) == folds

        unfold(page)
        more["formulas"] = page.evaluate(FORMULAS)
        more["torn"] = page.evaluate(TORN)
        more["dumb"] = page.evaluate(DUMB)
        more["hanging"] = page.evaluate(HANGING)
        more["alone"] = page.evaluate(ALONE)
        more["room"] = page.evaluate(ROOM)
        more["raw"] = page.locator(UNSET).all_inner_texts()
        more["merror"] = page.locator("mjx-merror, [data-mjx-error]").count()
        more["untold"] = page.locator("main mjx-container:not(:has(mjx-assistive-mml))").count()
        page.evaluate("document.querySelectorAll('pre, code').forEach(element => element.remove())")
        text = page.locator("body").inner_text()
        tex = r"\\[a-zA-Z(\[]+|\$[^$\n]+\$|\{(?:claim|derivation|eq|cite)[^}]*\}"
        more["tex"] = re.findall(tex, text)
        return seen


@pytest.fixture
def on_phone(page_name: str, browser: Browser) -> Seen:
    """The page on a phone, at night."""
    return _on_phone(browser, page_name)


@cache
def _on_phone(browser: Browser, name: str) -> Seen:
    with visiting(browser, PHONE, "dark") as visit:
        page, seen = look(visit, name)
        visit.set_all(page)
        unfold(page)
        seen.more["width"] = page.evaluate("document.documentElement.scrollWidth")
        seen.more["too wide"] = page.evaluate(TOO_WIDE)
        seen.more["bent"] = page.evaluate(BENT)
        seen.more["letters"] = page.evaluate(LETTERS)
        seen.more["torn"] = page.evaluate(TORN)
        seen.more["dumb"] = page.evaluate(DUMB)
        seen.more["clipped"] = page.evaluate(CLIPPED)
        seen.more["hanging"] = page.evaluate(HANGING)
        seen.more["small print"] = page.evaluate(SMALL_PRINT)
        seen.more["code"] = page.evaluate(CODE)
        seen.more["alone"] = page.evaluate(ALONE)
        seen.more["formulas"] = page.evaluate(FORMULAS)
        seen.more["wide formulas"] = page.evaluate(WIDE_FORMULAS)
        seen.errors = list(visit.errors)
        return seen


# How wide each formula in a line is, in em, and the room that was kept for it.
ROOM = """() => [...document.querySelectorAll(".bd-article span.math")]
    .filter(place => place.checkVisibility() && place.querySelector("mjx-math"))
    .map(place => {
        const formula = place.querySelector("mjx-container");
        const em = parseFloat(getComputedStyle(formula).fontSize);
        const wide = formula.querySelector("mjx-math").getBoundingClientRect().width / em;
        const kept = parseFloat(place.style.getPropertyValue("--wide"));
        return [formula.textContent, wide, kept];
    })"""

# Formulas that end beyond their line.
CUT = """() => [...document.querySelectorAll("main mjx-math")]
    .filter(formula => formula.checkVisibility())
    .map(formula => [formula, formula.closest(
        "mjx-container[display], p, li, dd, dt, td, .derivation-step, .derivation-lhs")])
    .filter(([formula, line]) => line && formula.getBoundingClientRect().right >
        line.getBoundingClientRect().right + 1)
    .map(([formula]) => formula.closest("[id]").id + ": " + formula.textContent)"""

# What is wider than the screen must scroll inside itself, not be cut off by something around it.
TOO_WIDE = """() => {
    const scrolls = element => /auto|scroll/.test(getComputedStyle(element).overflowX);
    const contained = element =>
        element && (scrolls(element) || contained(element.parentElement));
    return [...document.querySelectorAll('main *')]
        .filter(element => element.checkVisibility({visibilityProperty: true}))
        .filter(element => !element.closest('mjx-assistive-mml, .headerlink'))
        .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
        .filter(element => !contained(element))
        .map(element => element.outerHTML.slice(0, 120));
}"""

WIDE_FORMULAS = """() => [...document.querySelectorAll('main mjx-math')]
    .filter(element => element.checkVisibility())
    .filter(element => element.getBoundingClientRect().right > innerWidth + 1)
    .filter(element => !element.closest('table, #pst-page-toc-nav'))  // waits off the page
    .filter(element => element.closest('mjx-container').tabIndex !== 0)  // scrolls: FORMULAS
    .map(element => element.closest('[id]').id + ': ' + element.textContent)"""

# How high the smallest letters of each figure are, in pixels: 110 dots are an inch of the figure.
LETTERS = """() => [...document.querySelectorAll("main img[data-letters]")]
    .filter(image => image.checkVisibility())
    .map(image => [image.alt, Number(image.dataset.letters) * 110 / 72
        * image.clientWidth / Number(image.getAttribute("width"))])"""

# What is wrong with a formula on the screen: letters that nobody can read, a part that is out of
# sight, a box that scrolls and does not say so, or one that says so and does not.
FORMULAS = """() => [...document.querySelectorAll("main mjx-container")]
    .filter(formula => formula.checkVisibility() && !formula.closest("#pst-page-toc-nav"))
    .flatMap(formula => {
        const place = formula.parentElement;
        const wide = formula.querySelector("mjx-math").getBoundingClientRect().width
            > formula.clientWidth + 1;
        const size = parseFloat(getComputedStyle(formula).fontSize);
        const cut = formula.getBoundingClientRect().right > place.getBoundingClientRect().right + 1;
        const scrolls = /auto|scroll/.test(getComputedStyle(formula).overflowX);
        const says = getComputedStyle(formula, "::after").content !== "none";
        const wrong = [
            size < 10.99 && `${size} px`,
            cut && "cut off",
            wide && !scrolls && "cannot be scrolled",
            wide !== says && (wide ? "does not say that it scrolls" : "says that it scrolls"),
            wide !== (formula.tabIndex === 0) && (wide ? "no stop" : "a stop"),
        ];
        return wrong.filter(Boolean).map(why => `${formula.closest("[id]").id}: ${why}`);
    })"""

# Tables that a cell printed, less those that show each of their lines as one.
TORN = r"""() => [...document.querySelectorAll("div.cell_output pre")]
    .filter(printed => printed.checkVisibility() && /\S {2,}\S/.test(printed.textContent))
    .filter(printed => {
        const all = document.createRange();
        all.selectNodeContents(printed);
        const rows = new Set([...all.getClientRects()].map(row => Math.round(row.bottom)));
        return rows.size > printed.textContent.replace(/\n$/, "").split("\n").length;
    }).map(printed => printed.textContent)"""

# What a cell printed, in letters that nobody can read.
SMALL_PRINT = """() => [...document.querySelectorAll("div.cell_output pre")]
    .filter(printed => printed.checkVisibility())
    .filter(printed => [printed, ...printed.querySelectorAll("*")].some(
        part => parseFloat(getComputedStyle(part).fontSize) < 10.99))
    .map(printed => printed.textContent)"""

# Lines of code that go on below: where they begin no farther in, or where a word is broken that
# has room on a line.
CODE = r"""() => {
    const flush = new Set(), broken = new Set();
    for (const code of document.querySelectorAll("main .highlight pre:not(.cell_output *)")) {
        if (!code.checkVisibility()) continue;
        const texts = document.createTreeWalker(code, NodeFilter.SHOW_TEXT);
        let begin = null;
        while (texts.nextNode()) {
            const text = texts.currentNode;
            for (const found of text.data.matchAll(/\n|(?<![\w-])--?[a-z][\w-]*|\w+|[^\s\w]+/gi)) {
                if (found[0] === "\n") { begin = null; continue; }
                const range = document.createRange();
                range.setStart(text, found.index);
                range.setEnd(text, found.index + found[0].length);
                const rows = [...range.getClientRects()];
                begin ??= rows[0];
                if (rows.some(row => row.top > begin.top + 4 && row.left < begin.left + 4))
                    flush.add(code.textContent.slice(0, 60));
                if (rows.at(-1).top > rows[0].top + 4 && /^(\w|--?[a-z])/i.test(found[0])
                    && found[0].length < 25) broken.add(found[0]);
            }
        }
    }
    return {flush: [...flush], broken: [...broken]};
}"""

# Punctuation that begins a line, parted from the formula or the code that it belongs to.
ALONE = r"""() => [...document.querySelectorAll(".bd-article :is(span.math, :not(pre) > code)")]
    .filter(place => place.checkVisibility())
    .filter(place => /^[,.;:!?)\]”’]/.test(place.nextSibling?.data ?? ""))
    .filter(place => {
        const range = document.createRange();
        range.setStart(place.nextSibling, 0);
        range.setEnd(place.nextSibling, 1);
        return range.getBoundingClientRect().left < [...place.getClientRects()].at(-1).right - 4;
    }).map(place => place.textContent + place.nextSibling.data.slice(0, 20))"""

# Pictures, tables and what cells printed that scroll, and do not say so.
DUMB = """() => [...document.querySelectorAll(
        ".scrolls, .pst-scrollable-table-container, .highlight pre")]
    .filter(frame => frame.checkVisibility() && frame.scrollWidth > frame.clientWidth + 1)
    .filter(frame => frame.tabIndex !== 0 || getComputedStyle(frame, "::before").content === "none")
    .map(frame => frame.innerHTML.slice(0, 120))"""

# Pictures that something around them cuts off at a side, where no scrolling reaches.
CLIPPED = """() => [...document.querySelectorAll(".scrolls")]
    .filter(frame => frame.checkVisibility())
    .filter(frame => {
        const {left, right} = frame.getBoundingClientRect();
        for (let at = frame.parentElement; at.tagName !== "MAIN"; at = at.parentElement) {
            const box = at.getBoundingClientRect();
            if (getComputedStyle(at).overflowX !== "visible"
                && (box.left > left + 1 || box.right < right - 1)) return true;
        }
        return false;
    })
    .map(frame => frame.innerHTML.slice(0, 60))"""

# What hangs out of a section that is laid out when it comes near (book.css); there it is cut off.
HANGING = """() => [...document.querySelectorAll(".bd-article section section:not(:has(section))")]
    .flatMap(section => {
        const room = section.getBoundingClientRect();
        const inside = element => {
            for (let at = element; at !== section; at = at.parentElement)
                if (getComputedStyle(at).overflowX !== "visible" && at !== element) return true;
            const box = element.getBoundingClientRect();
            return !box.width || !box.height
                || (room.left <= box.left + 1 && room.right >= box.right - 1
                    && room.top <= box.top + 1 && room.bottom >= box.bottom - 1);
        };
        return [...section.querySelectorAll("*")]
            .filter(element => !element.closest("mjx-container") && element.checkVisibility())
            .filter(element => !inside(element));
    })
    .map(element => element.outerHTML.slice(0, 100))"""

BENT = """() => [...document.querySelectorAll("main .cell_output img")]
    .filter(image => image.checkVisibility() && image.clientWidth > 100)
    .filter(image => {
        const style = getComputedStyle(image);  // by night it has a white margin
        const [top, right, bottom, left] = ["Top", "Right", "Bottom", "Left"].map(
            side => parseFloat(style[`padding${side}`]));
        return Math.abs((image.clientWidth - left - right) / (image.clientHeight - top - bottom)
            - image.naturalWidth / image.naturalHeight) > 0.1;
    })
    .map(image => image.alt)"""
