"""Every page of the built book, in a real browser, from the folder it was built into."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from tests.browser import missing

BUILD = Path(os.environ.get("BOOK_BUILD") or Path(__file__).resolve().parents[2] / "_build")
HTML = BUILD / "html"
PAGES = sorted(path.name for path in HTML.glob("*.html"))

DESKTOP = (1280, 800)
PHONE = (390, 844)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page_name" in metafunc.fixturenames:
        # Without a build one test remains, to say so.
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
        assert page.locator("mjx-lazy").count() == 0

    def _hear(self, message) -> None:
        if message.type in {"error", "warning"}:
            self.errors.append(f"{message.text} ({message.location['url']})")


@pytest.fixture
def visit(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Visit]:
    """A visit; parametrize indirectly with (size, color scheme) for another than the desktop's."""
    (width, height), scheme = getattr(request, "param", (DESKTOP, "light"))
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
    )
    context.set_default_timeout(120_000)  # milliseconds: on a busy machine a page takes its time
    yield Visit(context)
    context.close()
