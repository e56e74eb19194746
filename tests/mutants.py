"""Small errors, made on purpose: in the expressions of claims, and in the source of functions.

The errors are those that courses ship: a sign turned, a root lost or added, β_t, α_t, ᾱ_t and ᾱ_{t-1}
taken for each other, t shifted by one.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sympy as sp

from ddpm_course.symbolic import notation as nt

# -- expressions ---------------------------------------------------------------------------------


def of_expression(e: Any) -> Iterator[tuple[str, Any]]:
    """Every mutant of an expression: what was done, and the result, in the order it was written."""
    with nt.as_written():
        for what, mutant in _mutants(e):
            if mutant != e:
                yield what, mutant


def _mutants(e: Any) -> Iterator[tuple[str, Any]]:
    yield from _here(e)
    if isinstance(e, nt.Indexed):
        return
    for number, part in enumerate(e.args):
        if isinstance(e, (sp.Integral, nt.Gradient, nt.Over, sp.Limit, nt.Run)) and number > 0:
            continue  # what an integral runs over is a name, not a quantity
        if isinstance(e, (sp.Sum, sp.Product)) and number > 0:
            variable, low, high = part
            for shift in (1, -1):
                yield (
                    f"first term shifted by {shift}",
                    e.func(e.function, (variable, low + shift, high)),
                )
                yield (
                    f"last term shifted by {shift}",
                    e.func(e.function, (variable, low, high + shift)),
                )
            continue
        for what, mutant in _mutants(part):
            try:
                yield what, e.func(*(mutant if n == number else a for n, a in enumerate(e.args)))
            except (TypeError, ValueError):
                continue  # not an expression: an empty slot, a name


def _here(e: Any) -> Iterator[tuple[str, Any]]:
    if e.is_Add if hasattr(e, "is_Add") else False:
        for n, term in enumerate(e.args):
            flipped = sp.Mul(sp.S.NegativeOne, term)
            yield (
                f"sign of {term} turned",
                e.func(*(flipped if j == n else a for j, a in enumerate(e.args))),
            )
    if isinstance(e, sp.Pow) and e.exp == sp.S.Half:
        yield f"root of {e.base} dropped", e.base
    if isinstance(e, nt.Sequence) and not isinstance(e, nt.Frequency):
        yield f"root of {e} added", sp.sqrt(e)
    if isinstance(e, (nt.alpha, nt.alpha_bar, nt.beta)):
        others = (nt.beta(e.at), nt.alpha(e.at), nt.alpha_bar(e.at), nt.alpha_bar(e.at - 1))
        for other in others:
            if other != e:
                yield f"{e} taken for {other}", other
    if isinstance(e, nt.Indexed) and e.at.free_symbols & {nt.t, nt.T, nt.n, nt.s}:
        for shift in (1, -1):
            yield f"{e} shifted by {shift}", e.func(e.at + shift)


# -- code ----------------------------------------------------------------------------------------

TABLES = ("beta", "alpha", "alpha_bar")


class _Change(ast.NodeTransformer):
    """Makes the change of one number, counting all that could be made; ``made`` says which."""

    def __init__(self, wanted: int) -> None:
        self.wanted, self.count, self.made = wanted, 0, ""

    def _now(self, what: str) -> bool:
        self.count += 1
        if self.count - 1 != self.wanted:
            return False
        self.made = what
        return True

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return node  # the words of an error are not mathematics

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.AST:
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        node.value = self.visit(node.value) if node.value else None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.body = [self.visit(part) for part in node.body]  # not its annotations and defaults
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        line = f"line {node.lineno}: {ast.unparse(node)}"
        if isinstance(node.op, (ast.Add, ast.Sub)) and self._now(f"sign turned, {line}"):
            op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            return ast.copy_location(ast.BinOp(node.left, op, node.right), node)
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.USub) and self._now(f"sign turned, {ast.unparse(node)}"):
            return node.operand
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        root = isinstance(node.func, ast.Attribute) and node.func.attr == "sqrt"
        if root and not node.args and self._now(f"root dropped, {ast.unparse(node)}"):
            return node.func.value  # type: ignore[attr-defined]
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr in (*TABLES, "beta_tilde", "var") and isinstance(node.ctx, ast.Load):
            text = f"line {node.lineno}: {ast.unparse(node)}"
            if self._now(f"root added, {text}"):
                return ast.parse(f"({ast.unparse(node)}) ** 0.5", mode="eval").body
            for other in TABLES:
                if node.attr in TABLES and other != node.attr and self._now(f"{text} -> {other}"):
                    return ast.Attribute(node.value, other, node.ctx)
            if node.attr == "alpha_bar" and self._now(f"{text} -> alpha_bar, one step earlier"):
                return ast.parse(f"{ast.unparse(node)}.roll(1)", mode="eval").body
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in ("t", "step") and isinstance(node.ctx, ast.Load):
            for shift in ("+ 1", "- 1"):
                if self._now(f"line {node.lineno}: {node.id} shifted by {shift}"):
                    return ast.parse(f"({node.id} {shift})", mode="eval").body
        return node


def of_function(function: Any, owner: type | None = None) -> Iterator[tuple[str, Any]]:
    """Every mutant of a function: what was done, and the function made anew.

    Args:
        owner: the class that the function is a member of.
    """
    plain = inspect.unwrap(function)
    module = sys.modules[plain.__module__]
    tree = ast.parse(inspect.getsource(module))
    path = [owner.__name__, plain.__name__] if owner else [plain.__name__]
    number = 0
    while True:
        changed = copy.deepcopy(tree)
        node: Any = changed
        for name in path:
            node = next(part for part in node.body if getattr(part, "name", None) == name)
        change = _Change(number)
        change.visit(node)
        if not change.made:
            return
        number += 1
        yield change.made, _executed(changed, module, path)


def _executed(tree: ast.Module, module: types.ModuleType, path: list[str]) -> Any:
    """The member at ``path`` of a module made from a tree, living in the old module's names."""
    fresh = types.ModuleType(module.__name__)
    fresh.__file__ = module.__file__
    code = compile(ast.fix_missing_locations(tree), module.__file__ or "", "exec")
    sys.modules[module.__name__] = fresh  # dataclasses look their module up
    try:
        exec(code, fresh.__dict__)
    finally:
        sys.modules[module.__name__] = module
    found: Any = fresh
    for name in path:
        found = vars(found)[name]
    inner = getattr(found, "fget", None) or getattr(found, "func", None) or found
    return found if inner else None


@contextmanager
def in_place_of(function: str, mutant: Any, owner: Any) -> Iterator[None]:
    """The mutant wherever the package holds the function."""
    name = function.split(".")[1]
    original = vars(owner)[name]
    places = [owner]
    if isinstance(owner, types.ModuleType):
        places = [
            module
            for key, module in list(sys.modules.items())
            if key.startswith("ddpm_course") and vars(module).get(name) is original
        ]
        aliases = [
            (module, key)
            for module_name, module in list(sys.modules.items())
            if module_name.startswith("ddpm_course")
            for key, value in vars(module).items()
            if value is original
        ]
    else:
        aliases = [(owner, name)]
    del places
    for place, key in aliases:
        setattr(place, key, mutant)
    try:
        yield
    finally:
        for place, key in aliases:
            setattr(place, key, original)
