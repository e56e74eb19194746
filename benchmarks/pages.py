"""The built book in Chromium, from its folder: what a page costs its reader.

    python benchmarks/pages.py                    # every page of _build/html, some minutes
    python benchmarks/pages.py reverse index      # these alone

Processor seconds are Chromium's own count of what the page's thread did (threadTicks), which other
work on the machine does not change; the rest is time on the clock, and the load is noted beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
SIZES = {"desk": (1280, 800), "phone": (390, 844)}

# Layout shifts, as browsers sum them up: the worst five seconds without a pause of one.
WATCH = """
    window.shifts = [];
    new PerformanceObserver(list => {
        for (const {startTime, value, hadRecentInput} of list.getEntries())
            if (!hadRecentInput) shifts.push([startTime, value]);
    }).observe({type: "layout-shift", buffered: true});
    window.worstShift = () => {
        let [worst, sum, first, last] = [0, 0, -1e9, -1e9];
        for (const [at, value] of shifts) {
            if (at - last > 1000 || at - first > 5000) [sum, first] = [0, at];
            [sum, last] = [sum + value, at];
            worst = Math.max(worst, sum);
        }
        return worst;
    };
"""
# A quick reader: a third of a screen every tenth of a second, to the end.
READ = """async () => {
    while (scrollY + innerHeight < document.documentElement.scrollHeight - 2) {
        scrollBy(0, innerHeight / 3);
        await new Promise(resume => setTimeout(resume, 100));
    }
}"""
# 16 digits with 25 calls of the network, on one thread.
DRAW = """() => {
    const net = ddpmNetwork(ddpmModel);
    const {beta, config} = ddpmModel;
    const noise = ddpmNoise(1);
    const eps = (x, t) => net.eps(x, new Array(16).fill(t));
    const x = noise(16 * config.size ** 2);
    const start = performance.now();
    const steps = [...ddpmSamplers(beta).ddim(eps, x, noise, {steps: 25})];
    return (performance.now() - start) / 1000;
}"""
# Each frame of the cloud in the plane is asked for, painted, and only then the next.
PLAY = """async () => {
    const figure = document.querySelector("[data-live='reverse-plane']");
    const slider = figure.querySelector("input[type=range]");
    const painted = () => new Promise(resume => requestAnimationFrame(() => setTimeout(resume)));
    for (let place = 0; place <= Number(slider.max); place++) {
        slider.value = place;
        slider.dispatchEvent(new Event("input"));
        await painted();
    }
    return Number(slider.max) + 1;
}"""
PAINTED = "() => new Promise(resume => requestAnimationFrame(() => setTimeout(resume)))"


def drag(page: Page) -> int:
    """A cloud is dragged by the mouse in a circle, a picture for each move."""
    box = page.locator("[data-live='reverse-plane'] .live-handle").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    for i in range(40):
        angle = math.tau * i / 40
        page.mouse.move(x + 60 * (1 - math.cos(angle)), y + 60 * math.sin(angle))
        page.evaluate(PAINTED)
    page.mouse.up()
    return 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pages", nargs="*", help="names of pages; every page when left out")
    parser.add_argument("--html", type=Path, default=ROOT / "_build" / "html")
    options = parser.parse_args()
    options.html = options.html.resolve()
    names = options.pages or sorted(path.stem for path in options.html.glob("*.html"))
    figures: dict[str, Any] = {"load": round(os.getloadavg()[0], 1), "pages": {}}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"),
            args=["--no-sandbox", "--disable-gpu"],
        )

        def visit(name: str, size: str, **settings: Any) -> tuple[Page, Clock]:
            width, height = SIZES[size]
            context = browser.new_context(
                viewport={"width": width, "height": height}, offline=True, **settings
            )
            context.add_init_script(WATCH)
            page = context.new_page()
            clock = Clock(page)
            page.goto((options.html / f"{name}.html").as_uri(), wait_until="load")
            return page, clock

        for name in names:
            found: dict[str, float] = {}
            for size in SIZES:
                page, clock = visit(name, size)
                page.evaluate("() => window.MathJax?.startup?.promise")
                page.wait_for_timeout(1500)
                found[f"{size}: processor seconds at load"] = clock.seconds()
                found[f"{size}: shift at load"] = page.evaluate("worstShift()")
                page.evaluate(READ)
                found[f"{size}: shift when read"] = page.evaluate("worstShift()")
                page.context.close()
            found["megabytes"] = (options.html / f"{name}.html").stat().st_size / 1e6
            figures["pages"][name] = {key: round(value, 3) for key, value in found.items()}
            print(name, figures["pages"][name], flush=True)
        if "index" in names:
            page, clock = visit("index", "desk")
            page.wait_for_selector("[data-live='digits'][data-ready]")
            figures["live page ready, s"] = page.evaluate("performance.now() / 1000")
            page.wait_for_selector("[data-live='digits'][data-ready='all']")
            page.wait_for_timeout(1000)
            before = clock.seconds()
            figures["16 digits with 25 calls, s"] = page.evaluate(DRAW)
            figures["the same, processor s"] = clock.seconds() - before
            page.context.close()
        if "reverse" in names:
            page, clock = visit("reverse", "desk", reduced_motion="reduce")
            page.locator("[data-live='reverse-plane']").first.scroll_into_view_if_needed()
            page.wait_for_selector("[data-live='reverse-plane']:not([data-stale]) canvas")
            page.wait_for_timeout(1500)
            moves = {"dragged": drag, "played": lambda page: page.evaluate(PLAY)}
            for name, move in moves.items():
                before = clock.seconds()
                count = move(page)
                spent = 1000 * (clock.seconds() - before) / count
                figures[f"a frame of the cloud {name}, processor ms"] = spent
            page.context.close()
        place = next(
            (name for name in names if 'data-live="train"' in source(options.html, name)), None
        )
        if place:
            page, _ = visit(place, "desk")
            figure = page.locator("[data-live='train']").first
            figure.scroll_into_view_if_needed()
            figure.get_by_role("button", name="Train").click()
            start = page.evaluate("performance.now()")
            page.wait_for_selector("[data-live='train'][data-busy]")
            page.wait_for_selector("[data-live='train']:not([data-busy])", timeout=120_000)
            figures["train it here, s"] = (page.evaluate("performance.now()") - start) / 1000
        browser.close()
    figures["load at the end"] = round(os.getloadavg()[0], 1)
    text = json.dumps(figures, indent=2, ensure_ascii=False)
    if not options.pages:
        (RESULTS / "pages.json").write_text(text + "\n", encoding="utf8")
    print(text)


class Clock:
    """Processor time of a page's main thread."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def seconds(self) -> float:
        metrics = self.session.send("Performance.getMetrics")["metrics"]
        return next(one["value"] for one in metrics if one["name"] == "TaskDuration")


def source(html: Path, name: str) -> str:
    return (html / f"{name}.html").read_text(encoding="utf8")


if __name__ == "__main__":
    main()
