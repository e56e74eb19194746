"""The settings of `_config.yml` for plain Sphinx, without the package jupyter-book.

Jupyter Book 1 builds the book, and holds Sphinx at 7. `.ci/sphinx/build` builds the same pages with
the newest Sphinx, so that the day when Jupyter Book 1 no longer runs brings nothing new.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
CONFIG = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
SPHINX = CONFIG["sphinx"]["config"]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

# What Jupyter Book gives of its own accord.
html_title = CONFIG["title"]
author = CONFIG["author"]
copyright = CONFIG["copyright"]
html_theme = "sphinx_book_theme"
html_static_path = [str(ROOT / "book" / "_static")]
html_sourcelink_suffix = ""
numfig = True
use_multitoc_numbering = True
external_toc_path = str(ROOT / "_toc.yml")
exclude_patterns = ["_build", "**.ipynb_checkpoints"]
comments_config: dict[str, bool] = {}
suppress_warnings = ["myst.domains"]

# Its own names for the settings of MyST-NB and of the bibliography.
execute = CONFIG["execute"]
nb_execution_mode = execute["execute_notebooks"]
nb_execution_raise_on_error = execute["raise_on_error"]
nb_execution_show_tb = execute["show_tb"]
nb_execution_timeout = execute["timeout"]
nb_output_stderr = execute["stderr_output"]
myst_enable_extensions = CONFIG["parse"]["myst_enable_extensions"]
bibtex_bibfiles = [str(ROOT / "book" / name) for name in CONFIG["bibtex_bibfiles"]]

# All other settings are Sphinx's own, as they stand there.
globals().update(SPHINX)
extensions = [name for name in SPHINX["extensions"] if name != "jupyter_book"]
templates_path = [str(ROOT / "book" / name) for name in SPHINX["templates_path"]]
