"""The live figures in Firefox, where it is installed: no engine's own ways are relied upon."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from tests.book.conftest import FIREFOX, HTML, PAGES

pytestmark = pytest.mark.book

PATIENCE = 180  # seconds: on a busy machine a browser takes its time


class Marionette:
    """As much of Firefox's own protocol as this needs: JSON behind its length."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.numbers = count(1)
        self._read()  # who it is
        self.ask("WebDriver:NewSession", {})

    def ask(self, command: str, options: dict[str, Any]) -> Any:
        said = json.dumps([0, next(self.numbers), command, options]).encode()
        self.socket.sendall(b"%d:%s" % (len(said), said))
        _, _, error, result = self._read()
        assert error is None, error
        return result.get("value") if isinstance(result, dict) else result

    def run(self, script: str) -> Any:
        return self.ask("WebDriver:ExecuteScript", {"script": script, "args": []})

    def wait(self, script: str) -> None:
        end = time.monotonic() + PATIENCE
        while not self.run(script):
            assert time.monotonic() < end, f"never true: {script}"
            time.sleep(0.3)

    def _read(self) -> Any:
        length = b""
        while (letter := self.socket.recv(1)) != b":":
            length += letter
        text = b""
        while len(text) < int(length):
            text += self.socket.recv(int(length) - len(text))
        return json.loads(text)


@pytest.fixture(scope="module")
def firefox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Marionette]:
    assert FIREFOX is not None
    profile = tmp_path_factory.mktemp("firefox")
    (profile / "user.js").write_text(
        'user_pref("marionette.port", 0);\nuser_pref("network.dns.disabled", true);\n'
    )
    line = [FIREFOX, "--headless", "--marionette", "--no-remote", "--profile", str(profile)]
    with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            port = profile / "MarionetteActivePort"
            end = time.monotonic() + PATIENCE
            while not (port.is_file() and port.read_text().strip()):
                assert process.poll() is None, "Firefox ended at once"
                assert time.monotonic() < end, "Firefox did not start"
                time.sleep(0.3)
            browser = Marionette(int(port.read_text()))
            yield browser
            browser.socket.close()
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "kind", ["digits", "reverse-plane", "pad", "unet", "schedule", "few-steps"]
)
def test_figure_computes_in_firefox(kind: str, firefox: Marionette) -> None:
    page = next(
        (name for name in PAGES if f'data-live="{kind}"' in (HTML / name).read_text("utf8")), ""
    )
    firefox.ask("WebDriver:Navigate", {"url": (HTML / page).as_uri()})
    figure = f"document.querySelector(\"[data-live='{kind}']\")"
    firefox.run(f"{figure}.scrollIntoView()")
    firefox.wait(
        f"return !!{figure}.querySelector('canvas') && "
        f"!{figure}.matches('[data-busy], [data-stale]')"
    )
    assert firefox.run(f"return {figure}.querySelector('.live-error')") is None
    said = firefox.run(f"return {figure}.querySelector('canvas').getAttribute('aria-label')")
    assert len(said.split()) > 6
    colors = firefox.run(
        f"const canvas = {figure}.querySelector('canvas');"
        "const dots = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);"
        "return new Set(dots.data).size"
    )
    assert colors > 8  # something is drawn
