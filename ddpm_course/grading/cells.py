"""Runs a notebook's cells as Jupyter does, with IPython's own shell, and says what it saw.

Only inside the room: nothing here may be believed by the judge.
"""

from __future__ import annotations

import ast
import contextlib
import re
import symtable
import textwrap
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from IPython.core.compilerop import CachingCompiler
from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config

from ddpm_course.grading.taught import Borrowed

__all__ = ["Seen", "Shell", "needed", "note_errors", "run"]

# What has nothing to do here, or cannot be had inside the walls.
_QUIET = {"matplotlib", "pylab", "gui", "pip", "conda", "mamba", "uv", "load_ext", "reload_ext"}
_QUIET |= {"autoreload", "config", "system", "sx", "bash", "sh", "script", "notebook", "logstart"}
_SIZES = re.compile(r"tensor a \((\d+)\) must match .* b \((\d+)\) at .* dimension (\d+)")
_ACTS = re.compile(
    r"^\s*from\s+\S+\s+import\s+\*|^\s*from\s+__future__\s|^%%(writefile|file)\b", re.MULTILINE
)
_NUMBER = re.compile(r"<cell (\d+)>")


class _Compiler(CachingCompiler):
    def get_code_name(self, raw_code: str, transformed_code: str, number: int) -> str:
        return f"<cell {number}>"


class Shell(InteractiveShell):
    """Jupyter's shell: magics that watch or time a cell run it; those that are for a computer of
    one's own (installations, commands) do nothing, and so do magics that are not here."""

    compiler_class = _Compiler

    @classmethod
    def open(cls) -> Shell:
        """The one shell of this process."""
        config = Config()
        config.HistoryManager.enabled = config.HistoryAccessor.enabled = False
        config.InteractiveShell.colors = "nocolor"
        shell: Shell = cls.instance(config=config)
        return shell

    def run_line_magic(self, magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        if magic_name in _QUIET or self.find_line_magic(magic_name) is None:
            return None
        return super().run_line_magic(magic_name, line, _stack_depth=_stack_depth + 1)

    def run_cell_magic(self, magic_name: str, line: str, cell: str) -> Any:
        if magic_name in _QUIET or self.find_cell_magic(magic_name) is None:
            return None
        return super().run_cell_magic(magic_name, line, cell)

    async def run_code(self, code_obj: Any, result: Any = None, *, async_: bool = False) -> bool:
        """A statement that calls what the chapters teach, to compare or to plot, costs itself
        alone: the cell goes on behind it."""
        failed: bool = await super().run_code(code_obj, result, async_=async_)
        if failed and result is not None and isinstance(result.error_in_exec, Borrowed):
            result.error_in_exec = None
            return False
        return failed

    def system(self, cmd: str) -> None:
        pass

    system_raw = system_piped = system

    def getoutput(self, cmd: str, split: bool = True, depth: int = 0) -> list[str]:
        return []

    def showtraceback(self, *args: Any, **kwargs: Any) -> None:
        pass

    def showsyntaxerror(self, *args: Any, **kwargs: Any) -> None:
        pass

    def ask_exit(self) -> None:
        pass

    def enable_gui(self, gui: Any = None) -> None:
        pass


@dataclass(frozen=True)
class Seen:
    """An error of a student's code: its kind, in which line of which cell, and the numbers that its
    message names, where it is about shapes. ``cell`` is -1 where it was in none."""

    kind: str
    cell: int
    line: int
    sizes: tuple[int, ...] = ()


def seen(error: BaseException, places: Sequence[int]) -> Seen:
    """What can be told of an error. ``places`` gives the number of each cell that was run."""
    cell, line = -1, 0
    if isinstance(error, SyntaxError) and (found := _NUMBER.fullmatch(error.filename or "")):
        cell, line = places[int(found[1]) - 1], error.lineno or 0
    trace: TracebackType | None = error.__traceback__
    while trace is not None:
        if found := _NUMBER.fullmatch(trace.tb_frame.f_code.co_filename):
            cell, line = places[int(found[1]) - 1], trace.tb_lineno
        trace = trace.tb_next
    sizes: tuple[int, ...] = ()
    message = str(error)[:500]
    if found := _SIZES.search(message):
        sizes = tuple(map(int, found.groups()))
    return Seen(type(error).__name__, cell, line, sizes)


def run(
    shell: Shell, cells: Sequence[tuple[int, str]], wanted: str, function: bool
) -> tuple[Any, dict[int, Seen], list[int]]:
    """Run cells in order, going on past errors.

    Args:
        cells: number and source of each.
        wanted: the name of the answer.
        function: whether a function is asked for. Then other things of that name do not count, such
            as the variable of a loop.

    Returns:
        The last thing that the cells name ``wanted``; the error of each cell that stopped, by its
        number; and the numbers of the cells, in the order in which the shell counts them.
    """
    places: list[int] = []
    stopped: dict[int, Seen] = {}
    answer = None
    for number, source in cells:
        shell.execution_count = len(places) + 1
        places.append(number)
        try:
            result = shell.run_cell(source, store_history=True)
            error = result.error_before_exec or result.error_in_exec
        except BaseException as raised:
            error = raised
        if error is not None:
            stopped[number] = seen(error, places)
        found = shell.user_ns.get(wanted)
        if found is not None and (answer is None or not function or callable(found)):
            answer = found
    return answer, stopped, places


def note_errors(answer: Any, places: Sequence[int], notes: list[Seen]) -> Callable[..., Any]:
    """The answer, but what it raises is noted on its way."""

    def noted(*args: Any, **kwargs: Any) -> Any:
        try:
            return answer(*args, **kwargs)
        except BaseException as error:
            with contextlib.suppress(Exception):
                notes.append(seen(error, places))
            raise

    return noted


# -- which cells an answer needs ----------------------------------------------------------------


def plain(source: str) -> str:
    """A cell as the Python that it comes to: for reading, not for running."""
    from IPython.core.inputtransformer2 import TransformerManager

    first, _, rest = source.lstrip().partition("\n")
    if first.split()[:1] in (["%%time"], ["%%capture"], ["%%prun"]):
        return plain(rest)
    source = re.sub(r"(?m)^(\s*)%time\s+(?=\S)", r"\1", source)
    try:
        return str(TransformerManager().transform_cell(source))
    except Exception:  # broken code stays what it is
        return source


def _tables(source: str) -> Iterator[symtable.SymbolTable]:
    """The symbol tables of a cell: its own, and those inside."""
    with contextlib.suppress(Exception):
        todo = [symtable.symtable(_within(source), "<cell>", "exec")]
        while todo:
            table = todo.pop()
            yield table
            todo += table.get_children()


def _within(source: str) -> str:
    """A cell that awaits at its top is no module; without the word it binds and uses the same."""
    try:
        compile(source, "<cell>", "exec", dont_inherit=True)
    except SyntaxError:
        source = re.sub(r"\bawait\b|\basync\b(?=\s+(?:for|with)\b)", "", source)
        return textwrap.dedent(source)
    return source


def _bound(source: str) -> set[str]:
    """The names that a cell binds at its top."""
    return {
        symbol.get_name()
        for table in _tables(source)
        if table.get_type() == "module"
        for symbol in table.get_symbols()
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace()
    }


def _used(source: str) -> set[str]:
    """The global names that a cell uses, also inside its functions."""
    return {
        symbol.get_name()
        for table in _tables(source)
        for symbol in table.get_symbols()
        if symbol.is_referenced() and (symbol.is_global() or table.get_type() == "module")
    }


def _always(source: str) -> bool:
    """Whether a cell acts on others by no name that can be seen."""
    return bool(_ACTS.search(source))


def defining(sources: Sequence[str], wanted: str, function: bool) -> int | None:
    """The place of the last cell that defines an answer; of one that is no Python, by its look."""
    places = [n for n, source in enumerate(sources) if wanted in _bound(source)]
    if function:
        places = [n for n in places if _defines(sources[n], wanted)] or places
    if not places:
        look = re.compile(rf"(?m)^\s*(async\s+)?(def\s+{wanted}\b|{wanted}\s*=)")
        places = [n for n, source in enumerate(sources) if look.search(source)]
    return places[-1] if places else None


def needed(sources: Sequence[str], wanted: str, function: bool, setup: str) -> list[int]:
    """The places of the cells that an answer needs: the one that defines it, and those whose names
    they use.

    So what another cell breaks, or patches, is not this answer's business.
    """
    texts = [plain(source) for source in sources]
    bound, given = [_bound(text) for text in texts], _bound(plain(setup))

    def last(name: str) -> int | None:
        return max((n for n, names in enumerate(bound) if name in names), default=None)

    first = defining(texts, wanted, function)
    chosen: set[int] = set()
    todo = [first]
    while todo:
        number = todo.pop()
        if number is not None and number not in chosen:
            chosen.add(number)
            todo += [last(name) for name in _used(texts[number]) - given]
    if chosen:
        chosen |= {n for n, source in enumerate(sources) if _always(source)}
    return sorted(chosen)


def _defines(source: str, name: str) -> bool:
    """Whether a cell has a `def` of that name at its top."""
    try:
        body = ast.parse(_within(source)).body
    except Exception:
        return False
    return any(isinstance(node, ast.FunctionDef) and node.name == name for node in body)
