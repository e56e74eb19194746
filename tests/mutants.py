"""Small errors, made on purpose: in every line of the claims, and in the source of functions.

The errors are those that courses ship: a sign turned, a root lost or added, β_t, α_t, ᾱ_t and
ᾱ_{t-1} taken for each other, t shifted by one; a mean over another law, a condition dropped, a
divergence the other way round, another relation.
"""

from __future__ import annotations

import ast
import copy
import inspect
import sys
import types
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import sympy as sp

from ddpm_course.symbolic import Claim
from ddpm_course.symbolic import notation as nt

# -- expressions ---------------------------------------------------------------------------------


def of_expression(e: Any) -> list[tuple[str, Any]]:
    """Every mutant of an expression: what was done, and the result, in the order it was written."""
    with nt.as_written():
        return [(what, mutant) for what, mutant in _mutants(e) if mutant != e]


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
    if isinstance(e, sp.Add):
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

    def __init__(self, wanted: int, source: str) -> None:
        self.wanted, self.lines, self.count, self.made = wanted, source.splitlines(), 0, ""

    def _now(self, what: str, node: ast.AST) -> bool:
        self.count += 1
        if self.count - 1 != self.wanted:
            return False
        self.made = f"{what}, in: {self.lines[node.lineno - 1].strip()}"  # type: ignore[attr-defined]
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
        if isinstance(node.op, (ast.Add, ast.Sub)) and self._now("sign turned", node):
            op = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            return ast.copy_location(ast.BinOp(node.left, op, node.right), node)
        return self.generic_visit(node)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        if isinstance(node.op, ast.USub) and self._now("sign turned", node):
            return node.operand
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        if isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "checks":
            return node  # shapes are not mathematics
        root = isinstance(node.func, ast.Attribute) and node.func.attr == "sqrt"
        if root and not node.args and self._now("root dropped", node):
            return node.func.value  # type: ignore[attr-defined]
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr in ("device", "shape"):
            return node  # where numbers lie is not mathematics, nor how many there are
        if node.attr in (*TABLES, "beta_tilde", "var") and isinstance(node.ctx, ast.Load):
            text = ast.unparse(node)
            if self._now(f"root of {text} added", node):
                return ast.parse(f"({ast.unparse(node)}) ** 0.5", mode="eval").body
            for other in TABLES:
                exchange = node.attr in TABLES and other != node.attr
                if exchange and self._now(f"{text} taken for {other}", node):
                    return ast.Attribute(node.value, other, node.ctx)
            if node.attr == "alpha_bar" and self._now(f"{text} one step earlier", node):
                return ast.parse(f"{ast.unparse(node)}.roll(1)", mode="eval").body
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in ("t", "step") and isinstance(node.ctx, ast.Load):
            for shift in ("+ 1", "- 1"):
                if self._now(f"{node.id} shifted by {shift}", node):
                    return ast.parse(f"({node.id} {shift})", mode="eval").body
        for one, other in (("beta_1", "beta_T"), ("beta_T", "beta_1")):
            if node.id == one and self._now(f"{one} taken for {other}", node):
                return ast.Name(other, node.ctx)
        return node


def members(function: str) -> tuple[Any, list[str]]:
    """Where a function named as in the ledger lives: its owner, and its path in its module."""
    head, name = function.split(".")
    for module in [m for key, m in list(sys.modules.items()) if key.startswith("ddpm_course")]:
        owner = vars(module).get(head)
        if isinstance(owner, type) and owner.__module__ == module.__name__:
            return owner, [head, name]
    module_of = (f"ddpm_course.{head}", f"ddpm_course.trends.{head}")
    return next(sys.modules[full] for full in module_of if full in sys.modules), [name]


def of_function(function: str) -> Iterator[tuple[str, Any]]:
    """Every mutant of a function: what was done, and the function made anew.

    The first one is no mutant: it is the function as it is, made anew, to see that making it anew
    does not break it.
    """
    owner, path = members(function)
    module = sys.modules[owner.__module__] if isinstance(owner, type) else owner
    source = inspect.getsource(module)
    tree = ast.parse(source)
    yield "", _executed(copy.deepcopy(tree), module, path)
    number = 0
    while True:
        changed = copy.deepcopy(tree)
        node: Any = changed
        for name in path:
            node = next(part for part in node.body if getattr(part, "name", None) == name)
        change = _Change(number, source)
        change.visit(node)
        if not change.made:
            return
        number += 1
        yield change.made, _executed(changed, module, path)


def _executed(tree: ast.Module, module: types.ModuleType, path: list[str]) -> Any:
    """The member at ``path`` of a module made from a tree."""
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
    return found


@contextmanager
def in_place_of(function: str, mutant: Any) -> Iterator[None]:
    """The mutant wherever the package holds the function."""
    owner, path = members(function)
    original = vars(owner)[path[-1]]
    places = [(owner, path[-1])]
    if isinstance(owner, types.ModuleType):
        places = [
            (module, key)
            for name, module in list(sys.modules.items())
            if name.startswith("ddpm_course")
            for key, value in list(vars(module).items())
            if value is original
        ]
    for place, key in places:
        setattr(place, key, mutant)
    try:
        yield
    finally:
        for place, key in places:
            setattr(place, key, original)


# -- statements ----------------------------------------------------------------------------------

RELATIONS = ("=", "<", ">", r"\le", r"\ge", r"\propto")
SUBSCRIPTS = ("", "q", "p", r"p_\theta", "x \\sim p", "x \\sim q", r"x_T \sim \mathcal N(0, I)")


def of_statement(e: Any) -> list[tuple[str, Any]]:
    """Mutants of what an expression says: subscripts, conditions, directions, laws, functions."""
    with nt.as_written():
        return [(what, mutant) for what, mutant in _said(e) if mutant != e]


def _said(e: Any) -> Iterator[tuple[str, Any]]:
    yield from _said_here(e)
    if isinstance(e, (nt.Indexed, nt.Density)):
        return
    for number, part in enumerate(e.args):
        if not isinstance(part, sp.Basic) or (isinstance(e, nt.E) and number > 0):
            continue
        for what, mutant in _said(part):
            try:
                yield what, e.func(*(mutant if n == number else a for n, a in enumerate(e.args)))
            except (TypeError, ValueError, AttributeError):
                continue


def _said_here(e: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(e, nt.E):
        of, given, over, law = e.args
        for other in SUBSCRIPTS:
            if other != over.name.strip():
                yield f"subscript {over.name} taken for {other}", type(e)(of, given, other, law)
        if given:
            yield "condition dropped", type(e)(of, given[1:], over, law)
            for n, one in enumerate(given):
                if isinstance(one, nt.x):
                    for other in (nt.x(one.at - 1), nt.x(one.at + 1), nt.eps):
                        changed = [*given[:n], other, *given[n + 1 :]]
                        yield f"given {other} for {one}", type(e)(of, changed, over, law)
        for other in (nt.x(0), nt.x(nt.t), nt.x(nt.t - 1)):
            if other not in given:
                yield f"given {other} too", type(e)(of, [*given, other], over, law)
        yield (
            "mean for variance, or variance for mean",
            (nt.E if isinstance(e, nt.Var) else nt.Var)(of, given, over, law),
        )
    if isinstance(e, nt.KL):
        yield "divergence the other way", e.func(*reversed(e.args))
    if isinstance(e, nt.Density):
        name, variables, given = e.args
        other = "q" if name.name != "q" else r"p_\theta"
        yield f"{other} taken for {name}", nt.Density(other, variables, given)
        if given:
            yield f"condition dropped from {e}", nt.Density(name, variables, given[:-1])
            yield f"turned: {e}", nt.Density(name, given, variables)
    if isinstance(e, nt.Normal):
        at, mean, var, identity = e.args
        yield "deviation for variance", nt.Normal(at, mean, sp.sqrt(var), identity)
        yield "twice the variance", nt.Normal(at, mean, 2 * var, identity)
    if isinstance(e, sp.exp):
        yield "cos for exp", sp.cos(e.args[0])
        yield "sign of an exponent", sp.exp(-e.args[0])
    if isinstance(e, sp.log):
        yield "no logarithm", e.args[0]
    if isinstance(e, nt.Transposed):
        yield "no transpose", e.args[0]
    if isinstance(e, nt.Norm2):
        yield "length for squared length", sp.sqrt(e)
    if isinstance(e, nt.Gradient):
        yield "no gradient", e.args[0]


# -- claims --------------------------------------------------------------------------------------

WEAKER = {("=", r"\le"), ("=", r"\ge"), ("=", r"\propto"), ("<", r"\le"), (">", r"\ge")}


class Variant(NamedTuple):
    """A claim with one change in one line.

    ``name`` says which claim, which line and which change; ``number`` is that of the step whose
    right side was changed, or its relation: -1 for the left side. ``kind`` is "expression" where a
    quantity was changed and "statement" where what is said of it was.
    """

    name: str
    kind: str
    claim: Claim
    number: int
    base: bool


def of_claim(claim: Claim) -> Iterator[Variant]:
    """Every variant of every line: of the left sides and of the steps, and of their relations."""
    seen: Counter[str] = Counter()

    def variant(
        line: str, what: str, kind: str, changed: Claim, number: int, base: bool
    ) -> Variant:
        name = f"{claim.name}, {'base, ' if base else ''}{line}: {what}"
        seen[name] += 1  # the same change at several places of a line
        again = f" ({seen[name]})" if seen[name] > 1 else ""
        return Variant(name + again, kind, changed, number, base)

    for base in (True, False) if claim.base else (False,):
        chain = claim.base if base and claim.base else claim
        for number, e in enumerate([chain.lhs, *(step.expr for step in chain.steps)], -1):
            line = f"line {number + 1}" if number >= 0 else "left side"
            for kind, found in (("expression", of_expression(e)), ("statement", of_statement(e))):
                for what, wrong in found:
                    changed = _with(claim, number, wrong, base)
                    yield variant(line, what, kind, changed, number, base)
        for number, step in enumerate(chain.steps):
            for relation in RELATIONS:
                if relation != step.relation and (step.relation, relation) not in WEAKER:
                    steps = list(chain.steps)
                    steps[number] = step._replace(relation=relation)
                    what = f"{step.relation} taken for {relation}"
                    changed = _with_steps(claim, tuple(steps), base)
                    yield variant(f"line {number + 1}", what, "statement", changed, number, base)


def _with(claim: Claim, number: int, e: Any, base: bool) -> Claim:
    if number >= 0:
        return claim.with_step(number, e, base)
    if base and claim.base:
        return replace(claim, base=claim.base._replace(lhs=e))
    return replace(claim, lhs=e)


def _with_steps(claim: Claim, steps: Any, base: bool) -> Claim:
    if base and claim.base:
        return replace(claim, base=claim.base._replace(steps=steps))
    return replace(claim, steps=steps)
