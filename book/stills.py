"""Draw the still pictures of the figures that the page computes: what stands there without scripts.

    python book/stills.py        after `make book`; needs Chromium, writes book/_live/stills

Each picture is the figure's canvas once it has come to rest, by day and by night, and its words are
the ones that the figure says of it.
"""

from __future__ import annotations

import io
import json
import re
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

BOOK = Path(__file__).resolve().parent
STILLS = BOOK / "_live" / "stills"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FIGURE = re.compile(r'data-live="([\w-]+)"(?: data-mode="([\w-]+)")?')


def main(html: Path) -> None:
    """Draw every figure of the pages in this folder, once each."""
    STILLS.mkdir(exist_ok=True)
    words: dict[str, str] = {}
    with sync_playwright() as playwright:
        path = next(filter(None, map(shutil.which, BROWSERS)))
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900}, reduced_motion="reduce")
        page.set_default_timeout(120_000)  # a busy machine takes its time
        for file in sorted(html.glob("*.html")):
            for kind, mode in FIGURE.findall(file.read_text(encoding="utf8")):
                name = "-".join(filter(None, [kind, mode]))
                if name in words:
                    continue
                page.goto(file.as_uri())
                place = f'[data-live="{kind}"]' + (f'[data-mode="{mode}"]' if mode else "")
                figure = page.locator(place).first
                figure.scroll_into_view_if_needed()
                page.wait_for_selector(f"{place} canvas")
                for train in figure.get_by_role("button", name="Train").all():
                    train.click()  # at rest it shows nothing learned
                page.wait_for_function("!document.querySelector('[data-live][data-busy]')")
                page.wait_for_timeout(2500)  # a walk comes to its end
                words[name] = figure.locator("canvas").first.get_attribute("aria-label") or ""
                for scheme, end in {"light": "", "dark": "-dark"}.items():
                    page.emulate_media(color_scheme=scheme)
                    page.wait_for_selector(f"html[data-theme={scheme}] {place}:not([data-stale])")
                    shot = Image.open(io.BytesIO(figure.locator(".live-stage").screenshot()))
                    few = shot.convert("RGB").quantize(128, dither=Image.Dither.NONE)
                    few.save(STILLS / f"{name}{end}.png", optimize=True)
        browser.close()
    for old in STILLS.glob("*.png"):
        if old.stem.removesuffix("-dark") not in words:
            old.unlink()
    text = json.dumps(words, ensure_ascii=False, indent=1, sort_keys=True)
    (STILLS / "words.json").write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else BOOK.parent / "_build" / "html")
