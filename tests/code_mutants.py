"""Small errors in the core modules, made by mutmut: at least 95% must fail the module's own tests.

`make mutants` runs all of them; `python -m tests.code_mutants loss unet:7` those of `loss`, and of
`unet` the tenth whose numbers end in 7.
Each module's mutants meet only the tests of its name, in a copy under _build/mutants. Those that
change nothing that can be seen are listed, with the reason, in tests/equal_mutants.txt.
"""

from __future__ import annotations

import ast
import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MODULES = {
    "schedule": ["schedule"],
    "gaussian": ["gaussian"],
    "forward": ["forward"],
    "marginal": ["marginal"],
    "reverse": ["reverse"],
    "solvers": ["solvers", "solvers_ddim"],
    "loss": ["loss"],
    "metrics": ["metrics"],
    "checkpoint": ["checkpoint"],
    "unet": ["unet"],
    "interop": ["interop"],
    "trainer": ["trainer"],
}
LEAST = 0.95  # of a module's mutants
ROOT = Path(__file__).parent.parent
PLACE = ROOT / "_build" / "mutants"
EQUAL = ROOT / "tests" / "equal_mutants.txt"
_SURVIVED, _UNTESTED = (0,), (5, 33)  # exit codes of mutmut; every other one is a death
_BROKEN = (None, 2, 34, 35)  # not run to its end

SETTINGS = """
[tool.mutmut]
source_paths = ["ddpm_course"]
only_mutate = ["ddpm_course/{module}.py"]
also_copy = ["ddpm_course"]
pytest_add_cli_args_test_selection = {tests}
pytest_add_cli_args = ["-p", "no:cacheprovider", "-p", "pytest_timeout", "-p", "tests.code_mutants"]
process_isolation = "forkserver"
timeout_constant = 10.0
timeout_multiplier = 5.0
use_git_change_detection = false
"""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The quickest tests first: most mutants die of one of them."""
    with contextlib.suppress(OSError):
        seconds = json.loads(Path("mutmut-stats.json").read_text())["duration_by_test"]
        items.sort(key=lambda item: seconds.get(item.nodeid, 0))


def undecorated(source: str) -> str:
    """``@property def f`` as ``def f`` and ``f = property(f)``: mutmut skips what is decorated."""
    lines = source.splitlines()
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    for node in sorted(functions, key=lambda node: -node.lineno):
        names = [ast.unparse(one) for one in node.decorator_list]
        if names and names not in (["classmethod"], ["staticmethod"]):
            around, closing = "".join(f"{name}(" for name in names), ")" * len(names)
            line = f"{' ' * node.col_offset}{node.name} = {around}{node.name}{closing}"
            lines.insert(node.end_lineno or 0, line)
            del lines[node.decorator_list[0].lineno - 1 : node.lineno - 1]
    return "\n".join(lines) + "\n"


def prepare(module: str) -> Path:
    """A folder in which mutmut changes this module and nothing else."""
    place = PLACE / module
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in ("ddpm_course", "tests"):
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__"))
    tests = [f"tests/test_{name}.py" for name in MODULES[module]]
    settings = SETTINGS.format(module=module, tests=json.dumps(tests))
    (place / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text() + settings)
    code = place / "ddpm_course" / f"{module}.py"
    code.write_text(undecorated(code.read_text()))
    return place


def changes(place: Path, module: str, mutants: list[str]) -> list[str]:
    """What mutants are, as lines of tests/equal_mutants.txt: function, old line, new line."""
    script = (
        "import sys; from mutmut.mutation.diff_apply import get_diff_for_mutant as diff\n"
        "for name in sys.argv[2:]: print(diff(name, path=sys.argv[1]), end='\\0')"
    )
    found = subprocess.run(
        [sys.executable, "-c", script, f"ddpm_course/{module}.py", *mutants],
        cwd=place, capture_output=True, text=True, check=True,
    ).stdout.split("\0")  # fmt: skip
    out = []
    for mutant, lines in zip(mutants, found):
        name = mutant.rpartition(".")[2].partition("__mutmut")[0]
        name = name.removeprefix("x").strip("_ǁ").replace("ǁ", ".")
        old, new = (
            " ".join(line[1:].strip() for line in lines.splitlines()[2:] if line[0] == sign)
            for sign in "-+"
        )
        out.append(f"{module}.{name}: {old} -> {new}")
    return out


def equal() -> dict[str, str]:
    """The listed mutants, each with its reason: a line of the list, and below it, indented, why."""
    out: dict[str, str] = {}
    for line in EQUAL.read_text().splitlines():
        if line.startswith("  "):
            out[next(reversed(out))] += line.strip() + " "
        elif line and not line.startswith("#"):
            out[line] = ""
    return out


def run(module: str, ending: str = "") -> bool:
    """Make, try and judge the mutants of a module; say what survived, and whether it is enough."""
    place = prepare(module)
    with (place / "log.txt").open("w") as log:
        subprocess.run(
            [sys.executable, "-m", "mutmut", "run", "--max-children", "1", f"*{ending}"],
            cwd=place, stdout=log, stderr=log, check=False,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        )  # fmt: skip
    meta = place / "mutants" / "ddpm_course" / f"{module}.py.meta"
    codes: dict[str, int | None] = json.loads(meta.read_text())["exit_code_by_key"]
    made, codes = len(codes), {name: code for name, code in codes.items() if name.endswith(ending)}
    broken = [name for name, code in codes.items() if code in _BROKEN]
    alive = [name for name, code in codes.items() if code in _SURVIVED + _UNTESTED]
    found = changes(place, module, alive)
    listed = {line: why for line, why in equal().items() if line.startswith(f"{module}.")}
    same = [line for line in found if line in listed]
    left = [line for line in found if line not in listed]
    gone = [line for line, why in listed.items() if not (ending or line in found) or not why]
    killed = len(codes) - len(alive) - len(broken)
    share = (killed + len(same)) / max(len(codes), 1)
    tried = f"{len(codes)} of {made}" if ending else f"{made}"
    print(f"{module}: {tried} mutants, {killed} killed, {len(same)} equal, {share:.1%}")
    for what, lines in (("survived", left), ("listed, but not alive or without a reason", gone),
                        ("not run to its end", broken)):  # fmt: skip
        for line in lines:
            print(f"  {what}: {line}")
    sys.stdout.flush()
    return bool(codes) and share >= LEAST and not gone and not broken


if __name__ == "__main__":
    results = [run(*module.split(":")) for module in sys.argv[1:] or MODULES]
    raise SystemExit(0 if all(results) else 1)
