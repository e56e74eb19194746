"""Run the pages side by side before Sphinx reads them one after the other.

Most cells do small sums that a second core does not quicken, so two pages at once, with half of
the cores each, are done sooner than one after the other. What a page gave goes into
jupyter-cache, where myst-nb finds it. A page that fails is not cached: myst-nb runs it again and
reports the error.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import ThreadPoolExecutor, as_completed

from jupyter_cache import get_cache
from jupyter_cache.executors import load_executor
from myst_nb.core.read import is_myst_markdown_notebook
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.display import status_iterator

from ddpm_course import plots

PAGES_AT_ONCE = 2


def run_pages(app: Sphinx, env: BuildEnvironment, docnames: list[str]) -> None:
    cores = os.cpu_count() or 1
    workers = min(PAGES_AT_ONCE, cores)
    os.environ.setdefault("OMP_NUM_THREADS", str(cores // workers))
    os.environ[plots.FOR_THE_BOOK] = "1"
    cache = get_cache(app.config.nb_execution_cache_path)
    # A page is added with the reader that myst-nb itself would use.
    reader = {"type": "plugin", "name": "myst_nb_md"}
    paths = [os.fspath(env.doc2path(name)) for name in docnames]
    for path in paths:
        with open(path, encoding="utf8") as file:
            if is_myst_markdown_notebook(file.read()):
                cache.add_nb_to_project(path, read_data=reader)
    stale = [page.uri for page in cache.list_unexecuted() if page.uri in paths]
    stale.sort(key=os.path.getsize, reverse=True)  # long ones first, so that none is left alone

    def run(path: str) -> str:
        own = get_cache(app.config.nb_execution_cache_path)  # a database connection a thread
        executor = load_executor("local-serial", own, logging.getLogger(__name__))
        executor.run_and_cache(filter_uris=[path], timeout=app.config.nb_execution_timeout)
        return env.path2doc(path) or path

    with ThreadPoolExecutor(workers) as pool:
        done = (
            future.result() for future in as_completed([pool.submit(run, path) for path in stale])
        )
        for _ in status_iterator(done, "running pages... ", length=len(stale)):
            pass


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("env-before-read-docs", run_pages)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
