"""Build what is there now: no output of an older package, no page that has left the book.

jupyter-cache knows a page by the source of its cells alone, and so would show the outputs of
yesterday's package. We give every state of the package a cache folder of its own: Sphinx sees the
folder's name change and reads every page again, and jupyter-cache finds nothing old in it. A change
in these extensions alone has the pages read again, not run again.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.config import Config

ROOT = Path(__file__).resolve().parents[2]


def fingerprint(*paths: Path) -> str:
    """Hash the names and the contents of files, and of all files below folders."""
    files = {file for path in paths for file in [path, *path.rglob("*")] if file.is_file()}
    digest = hashlib.sha256()
    for file in sorted(file for file in files if file.suffix != ".pyc"):
        digest.update(file.relative_to(ROOT).as_posix().encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def choose_cache(app: Sphinx, config: Config) -> None:
    state = fingerprint(ROOT / "ddpm_course", ROOT / "constraints.txt")
    caches = Path(app.outdir).parent / ".jupyter_cache"
    current = caches / f"{state}-python{platform.python_version()}"
    for outdated in caches.glob("*-python*"):  # of ours; other programs leave files here, too
        if outdated != current:
            shutil.rmtree(outdated)
    config.nb_execution_cache_path = str(current)
    config.extensions_fingerprint = fingerprint(ROOT / "book" / "_ext")


def remove_stale_pages(app: Sphinx, exception: Exception | None) -> None:
    if app.builder.format == "html" and exception is None:
        current = {*app.env.found_docs, "search"}
        for path in Path(app.outdir).glob("*.html"):
            if path.stem not in current:
                path.unlink()


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_config_value("extensions_fingerprint", "", "env")
    app.connect("config-inited", choose_cache)
    app.connect("build-finished", remove_stale_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
