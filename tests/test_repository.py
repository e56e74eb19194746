"""What must be true of the repository itself: its rooms, its floors, and what it names."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
import yaml

from ddpm_course.cli import main

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "ddpm_course"

TOP_LEVEL = {
    # the owner's
    "book",
    "ddpm_course",
    "exercises",
    "solutions",
    "tests",
    "_config.yml",
    "README.md",
    # for those who teach with it
    "class",
    # what builds, checks and explains them
    "benchmarks",
    "_toc.yml",
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "constraints.txt",
    "Makefile",
    "LICENSE",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "SECURITY.md",
    ".binder",
    ".ci",
    ".devcontainer",
    ".github",
    ".gitignore",
    ".pre-commit-config.yaml",
}

# The plan that CONTRIBUTING.md draws, the highest floor first.
FLOORS = {
    room: int(number)
    for number, rooms in re.findall(
        r"^floor (\d+)  (.+)$", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf8"), re.MULTILINE
    )
    for room in rooms.split()
}


@cache
def files() -> list[Path]:
    """Every file that git tracks, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def test_top_level_is_the_planned_one() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in files()} <= TOP_LEVEL


def test_constraints_pin_names_to_versions_and_nothing_else() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert len(pins) > 100
    assert [line for line in pins if not re.fullmatch(r"[\w.-]+==\d[\w.]*", line)] == []


def test_constraints_pin_every_direct_dependency() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
    wanted = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    pinned = (ROOT / "constraints.txt").read_text(encoding="utf8")

    def normalized(names: list[str]) -> set[str]:
        return {re.sub(r"[-_.]+", "-", name).lower() for name in names}

    direct = normalized([re.match(r"[\w.-]+", line)[0] for line in wanted])
    assert direct <= normalized(re.findall(r"^([\w.-]+)==", pinned, re.MULTILINE))


def test_no_file_names_a_package_host_or_a_path_of_some_machine() -> None:
    named = re.compile(
        r"pypi\.org|pythonhosted\.org|registry\.npmjs|deb\.debian\.org|download\.pytorch"
        r"|anaconda\.org|/(?:work|root|home)/[a-z]"
    )
    found = {}
    for path in files():
        try:
            text = path.read_text(encoding="utf8")
        except UnicodeDecodeError:
            continue  # a picture or a model
        if match := named.search(text):
            found[path.relative_to(ROOT).as_posix()] = match[0]
    assert found == {}


def test_ci_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_importing_the_package_loads_little_more_than_torch() -> None:
    heavy = "accelerate diffusers huggingface_hub ipywidgets IPython matplotlib nbgrader scipy "
    heavy += "sklearn sympy"
    script = (
        "import sys, torch; before = set(sys.modules); import ddpm_course;"
        f"print(sorted((set(sys.modules) - before) & set('{heavy}'.split())))"
    )
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "[]"


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported_rooms(path: Path) -> Iterator[str]:
    """The rooms of the package that a module imports from, at its top or inside a function."""
    inside = ["ddpm_course", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            origin = inside[: len(inside) + 1 - node.level] if node.level else []
            origin = origin + (node.module.split(".") if node.module else [])
            names = [".".join([*origin, alias.name]) for alias in node.names]
        for name in names:
            first, _, rest = name.partition(".")
            if first == "ddpm_course" and rest:
                yield rest.partition(".")[0]


MODULES = [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_a_floor_imports_only_from_floors_below(path: Path) -> None:
    room = room_of(path)
    assert room in FLOORS, f"{room} has no floor: give it one in CONTRIBUTING.md"
    above = {
        other
        for other in imported_rooms(path)
        if other in FLOORS and other != room and FLOORS[other] >= FLOORS[room]
    }
    assert above == set()


def test_symbolic_mathematics_imports_no_torch() -> None:
    importing = [
        path.name
        for path in (PACKAGE / "symbolic").rglob("*.py")
        if re.search(r"^\s*(?:import|from) torch\b", path.read_text(encoding="utf8"), re.MULTILINE)
    ]
    assert importing == []


def test_table_of_contents_and_pages_agree() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf8"))
    chapters = [chapter for part in toc["parts"] for chapter in part["chapters"]]
    sections = [section for chapter in chapters for section in chapter.get("sections", [])]
    listed = [toc["root"], *(page["file"] for page in chapters + sections)]
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "book").glob("*.md"))


def markdown() -> Iterator[tuple[str, str]]:
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if path.parent.name == "book" and path.suffix == ".md":
            yield name, path.read_text(encoding="utf8")
        elif path.suffix == ".ipynb":
            for cell in json.loads(path.read_text(encoding="utf8"))["cells"]:
                if cell["cell_type"] == "markdown":
                    yield name, "".join(cell["source"])


def test_no_displayed_mathematics_is_typed_by_hand() -> None:
    by_hand = re.compile(
        r"\$\$|^\s*(?:```+|:::+|~~~+)\s*\{math\}|\\\[|\\begin\{(?:align|equation|gather|multline)",
        re.MULTILINE,
    )
    assert sorted({name for name, text in markdown() if by_hand.search(text)}) == []


def test_links_of_the_documents_lead_somewhere() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"):
        text = (ROOT / name).read_text(encoding="utf8")
        targets = re.findall(r"\]\(([^)#\s]+)", text) + re.findall(r'src="([^"]+)"', text)
        inside = [target for target in targets if "://" not in target]
        assert [target for target in inside if not (ROOT / target).exists()] == [], name


def test_documents_name_only_commands_that_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set()
    for name in ("README.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf8")
        named |= set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    assert named
    assert named <= targets


def test_documents_name_only_subcommands_that_exist() -> None:
    named = set()
    for name in ("README.md", "CONTRIBUTING.md", "book/instructors.md"):
        text = (ROOT / name).read_text(encoding="utf8")
        named |= set(re.findall(r"(?:^|`)ddpm-course ([a-z]+)", text, re.MULTILINE))
    assert {"train", "sample", "grade"} <= named
    for subcommand in named:
        with pytest.raises(SystemExit) as exit_:
            main([subcommand, "--help"])
        assert exit_.value.code == 0, subcommand


def test_tests_that_share_costly_work_go_to_one_worker() -> None:
    """Each page is visited once for all its tests, whatever else a test's name has."""
    from tests.conftest import TOGETHER, group

    assert all((ROOT / file).is_file() for file in TOGETHER)
    page = "tests/book/test_pages.py::test_page_is_accessible[own-data.html-dark]"
    assert group(page) == group("tests/book/test_explorers.py::test_forms[own-data.html]")
    assert group(page) != group("tests/book/test_pages.py::test_page_is_accessible[data.html]")
    alone = ["tests/test_loss.py::test_a[1.5]", "tests/test_loss.py::test_b"]
    assert [group(one) for one in alone] == alone
    attacks = [f"{TOGETHER[1]}::test_attack[{name}]" for name in ("fork", "late")]
    assert group(attacks[0]) == group(attacks[1])
