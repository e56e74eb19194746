"""Slips made in the text of a right answer: a root left out, a sign turned, an index one off.

A wrong answer is mostly a right one with one thing changed. So each single change of the right
answer's own text is a mistake worth knowing, and what was changed says what is wrong with it.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType, FunctionType
from typing import Any

import sympy as sp

__all__ = ["reformed", "rewritten"]

# What the names in the bank's answers are called in the exercises.
_NAMES = {
    "alpha_bar": "ᾱ",
    "alpha": "α",
    "beta": "β",
    "share": "ᾱ_t",
    "now": "ᾱ_t",
    "then": "ᾱ_s",
    "x0_hat": "x̂_0",
    "eps_hat": "ε̂",
    "eps": "ε",
    "x_t": "x_t",
    "mean": "the mean",
}
# What a call does to the thing before its dot, or to its first argument.
_CALLS = {
    "sqrt": "A square root is missing in one place.",
    "exp": "An exponential is missing in one place.",
    "log": "A logarithm is missing in one place.",
    "abs": "An absolute value is missing: differences of both signs cancel.",
    "clamp": "The values are not kept within their bounds.",
    "clip": "The values are not kept within their bounds.",
    "silu": "One SiLU is missing.",
    "softmax": "The softmax is missing: the weights do not add up to 1.",
    "cumprod": "The running product is missing.",
    "sorted": "The result is not sorted.",
}
_INSTEAD = {
    "mean": ("sum", "A sum stands where a mean belongs."),
    "sum": ("mean", "A mean stands where a sum belongs."),
    "sin": ("cos", "A cosine stands where a sine belongs."),
    "cos": ("sin", "A sine stands where a cosine belongs."),
    "min": ("max", "The largest stands where the smallest belongs."),
    "max": ("min", "The smallest stands where the largest belongs."),
    "cumprod": ("cumsum", "A running sum stands where a running product belongs."),
    "silu": ("relu", "A ReLU stands where a SiLU belongs."),
    "repeat_interleave": ("repeat", "Whole rows are repeated; each pixel should be."),
}
_LIBRARIES = ("torch", "sp", "math", "F", "np")
_AXES = {"mean", "sum", "var", "softmax", "cat", "stack", "cumprod", "transpose", "norm", "unbind"}
_SIGNS = {
    ast.Add: (ast.Sub, "A minus stands where a plus belongs."),
    ast.Sub: (ast.Add, "A plus stands where a minus belongs."),
    ast.Mult: (ast.Div, "Something is divided by that should be multiplied with."),
    ast.Div: (ast.Mult, "Something is multiplied with that should be divided by."),
}
_TURNED = {ast.Lt: ast.Gt, ast.Gt: ast.Lt, ast.LtE: ast.GtE, ast.GtE: ast.LtE}
_EDGES = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_BRACKET = (
    "A bracket is missing: a factor or a denominator belongs to the whole sum, here it has one "
    "term of it."
)

Slip = tuple[str, ast.AST]


@cache
def rewritten(function: Callable[..., Any]) -> tuple[tuple[str, Callable[..., Any]], ...]:
    """Each single slip in a function's text: what it is, and the function that has it.

    Only plain functions are read. None with a ``while``: a slip could keep it from ending. And
    none that calls LAPACK, which a NaN or a wrong shape can bring down with all of Python.
    """
    if not isinstance(function, FunctionType) or function.__closure__:
        return ()
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, SyntaxError):
        return ()
    return _slips_of(tree, function.__globals__, function.__defaults__)


@cache
def reformed(function: Callable[..., Any]) -> tuple[tuple[str, Callable[..., Any]], ...]:
    """The same for a function that returns an expression of SymPy's, in other forms of it.

    People reach the same expression by other ways, as one fraction or as a sum, and slip there.
    """
    names = list(inspect.signature(function).parameters)
    expression = function(*sp.symbols(names, positive=True))
    if not isinstance(expression, sp.Expr):
        return ()
    head = f"def {function.__name__}({', '.join(names)}): return "
    texts = [head + sp.sstr(form(expression)) for form in (sp.factor, sp.together, sp.expand)]
    trees = [ast.parse(text) for text in dict.fromkeys(texts)]
    return tuple(slip for tree in trees for slip in _slips_of(tree, vars(sp)))


def _slips_of(
    tree: ast.Module, names: dict[str, Any], defaults: tuple[Any, ...] | None = None
) -> tuple[tuple[str, Callable[..., Any]], ...]:
    definition = tree.body[0]
    if not isinstance(definition, ast.FunctionDef):
        return ()
    if any(isinstance(n, ast.While) or _name(n) == "linalg" for n in ast.walk(definition)):
        return ()
    return tuple(
        (told, FunctionType(code, names, definition.name, defaults))
        for told, code in _Slips(definition).all(tree)
    )


class _Slips:
    """The slips of one function."""

    def __init__(self, definition: ast.FunctionDef) -> None:
        self.definition = definition
        self.arguments = [a.arg for a in definition.args.args]
        self.meaning = dict(_meanings(definition, self.arguments))

    def all(self, tree: ast.Module) -> Iterator[tuple[str, CodeType]]:
        """Each slip, compiled. The tree is changed in one place at a time, and put back."""
        seen = set()
        found = [
            (rank, order, place, told, new)
            for order, place in enumerate(_places(self.definition))
            for rank, told, new in self.slips(*place)
        ]
        for _, _, (parent, field, index), told, new in sorted(found, key=lambda one: one[:2]):
            old = getattr(parent, field)
            if index is None:
                setattr(parent, field, new)
            else:
                changed = list(old)
                changed[index] = new
                setattr(parent, field, changed)
            text = ast.unparse(ast.fix_missing_locations(self.definition))
            if text not in seen:
                seen.add(text)
                yield told, _compiled(text)
            setattr(parent, field, old)
        lines = sum(isinstance(node, ast.stmt) for node in ast.walk(self.definition)) - 1
        for line in (None, *range(lines)):
            text = ast.unparse(_rootless(ast.unparse(self.definition), line))
            if text not in seen:
                seen.add(text)
                yield (
                    "No root is taken, here or all over: count them in the formula.",
                    _compiled(text),
                )

    def slips(
        self, parent: ast.AST, field: str, index: int | None
    ) -> Iterator[tuple[int, str, ast.AST]]:
        """What could go wrong at one place, the likely first: (rank, sentence, new node)."""
        node = getattr(parent, field) if index is None else getattr(parent, field)[index]
        if isinstance(getattr(node, "ctx", None), ast.Store):
            return
        kinds: tuple[Callable[[Any, Any], Iterator[Slip]], ...] = (
            self.operations,
            self.calls,
            self.indices,
            self.names,
            self.lines,
            self.roots,
            self.numbers,
        )
        for rank, kind in enumerate(kinds):
            for told, new in kind(node, parent):
                yield rank, told, new

    def told(self, node: ast.AST, other: ast.AST | None = None) -> str:
        """The quantities in a piece of text, those first that the other piece lacks."""
        mine = self.quantities(node)
        rest = [] if other is None else self.quantities(other)
        only = [name for name in mine if name not in rest] or mine
        return " and ".join(only[:2])

    def quantities(self, node: ast.AST) -> list[str]:
        found = [self.called(n) for n in ast.walk(node)]
        return list(dict.fromkeys(name for name in found if name))

    def called(self, node: ast.AST) -> str:
        """What a name is called in the exercise; nothing for a name of the bank's own."""
        if isinstance(node, ast.Name):
            return self.meaning.get(node.id, "")
        return ""

    # -- the kinds of slip ------------------------------------------------------------------------

    def operations(self, node: Any, parent: Any) -> Iterator[Slip]:
        if isinstance(node, ast.Call) and _name(node.func) == "where" and len(node.args) == 3:
            for case in node.args[1:]:
                yield "A special case is forgotten, or the rule for it holds for all.", case
        minus = isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub)
        if minus and not isinstance(node.operand, ast.Constant):
            yield "A minus sign is missing.", node.operand
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            test = type(node.ops[0])
            for table, told in (
                (_TURNED, "A comparison is turned round."),
                (_EDGES, "A comparison is strict where equality counts, or the other way round."),
            ):
                if test in table:
                    yield told, ast.Compare(node.left, [table[test]()], node.comparators)
        if not isinstance(node, ast.BinOp):
            return
        left, right, op = node.left, node.right, type(node.op)  # of the whole operation
        if op in (ast.Add, ast.Sub):
            if isinstance(left, ast.Constant) and left.value == 1 and op is ast.Sub:
                yield f"“1 minus” is missing before {self.told(right) or 'a quantity'}.", right
            else:
                if name := self.told(right, left):
                    yield f"The term with {name} is missing.", left
                if name := self.told(left, right):
                    lost = right if op is ast.Add else ast.UnaryOp(ast.USub(), right)
                    yield f"The term with {name} is missing.", lost
        if op is ast.Add and (mixed := _mixed(left, right)):
            yield (
                "What is mixed has each other's weights: the two are in each other's place.",
                mixed,
            )
        if op in _SIGNS:
            turned, told = _SIGNS[op]
            yield told, ast.BinOp(left, turned(), right)
        if op is ast.Add:
            yield _SIGNS[op][1], ast.BinOp(right, ast.Sub(), left)
            if not any(isinstance(side, ast.Constant) for side in (left, right)):
                told = "A product stands where a sum belongs."
                yield told, ast.BinOp(left, ast.Mult(), right)
            for told, weights in (
                ("Roots stand over both weights of what is mixed.", _rooted),
                ("Both weights of what is mixed are squared.", lambda node: _power(node, 2)),
            ):
                if mixed := _weighted(left, right, weights):
                    yield told, mixed
        if op is ast.Mult:
            for lost, kept in ((left, right), (right, left)):
                name = self.told(lost, kept)
                what = f"The factor with {name}" if name else "A factor"
                if isinstance(lost, ast.Constant):
                    what = f"The factor {lost.value!s}"
                yield f"{what} is missing.", kept
        if op is ast.Div:
            name = self.told(right)
            what = f"The denominator with {name}" if name else "A denominator"
            if isinstance(right, ast.Constant):
                what = f"The denominator {right.value!s}"
            yield f"{what} is missing.", left
            yield "A fraction is upside down.", ast.BinOp(right, ast.Div(), left)
            if isinstance(left, ast.BinOp) and isinstance(left.op, ast.Mult):
                for over, kept in ((left.left, left.right), (left.right, left.left)):
                    other = ast.BinOp(ast.BinOp(right, ast.Mult(), kept), ast.Div(), over)
                    yield "A fraction is upside down.", other
            if name := self.told(left, right):
                yield f"The factor with {name} is missing.", ast.BinOp(ast.Constant(1), op(), right)
        if op in (ast.Mult, ast.Div):
            yield from self.brackets(left, op, right)
        if op is ast.Pow and isinstance(right, ast.Constant):
            told = "A square is missing." if right.value == 2 else "A power is missing."
            yield told, left
            if right.value == 2:
                absolute = ast.Call(ast.Name("abs", ast.Load()), [left], [])
                yield "An absolute value stands where a square belongs.", absolute

    def brackets(self, left: Any, op: Any, right: Any) -> Iterator[Slip]:
        """A factor that reaches one term of a sum only, or a bracket that opens too late."""

        def is_sum(node: Any) -> bool:
            return isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub)

        if is_sum(left):
            first, sign, second = left.left, left.op, left.right
            yield _BRACKET, ast.BinOp(ast.BinOp(first, op(), right), sign, second)
            yield _BRACKET, ast.BinOp(first, sign, ast.BinOp(second, op(), right))
        inner: Any = left.right if isinstance(left, ast.BinOp) else None
        if op is ast.Div and is_sum(inner):
            first = ast.BinOp(left.left, left.op, inner.left)
            sign, second = inner.op, inner.right
            yield _BRACKET, ast.BinOp(first, sign, ast.BinOp(second, op(), right))
        if is_sum(right) and op is ast.Mult:
            first, sign, second = right.left, right.op, right.right
            yield _BRACKET, ast.BinOp(ast.BinOp(left, op(), first), sign, second)
            yield _BRACKET, ast.BinOp(first, sign, ast.BinOp(left, op(), second))

    def calls(self, node: Any, parent: Any) -> Iterator[Slip]:
        if not isinstance(node, ast.Call):
            return
        name = _name(node.func)
        inner = _inner(node)
        if name in _CALLS and inner is not None:
            yield _CALLS[name], inner
        if name == "sqrt" and isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub):
            rooted = _rooted(inner.right)
            told = "The root reaches one term only; it stands over the whole difference."
            yield told, ast.BinOp(inner.left, ast.Sub(), rooted)
        if name == "softmax" and inner is not None:
            alone = ast.Call(ast.Attribute(inner, "exp", ast.Load()), [], [])
            yield "The exponentials are not divided by their sum: weights must add up to 1.", alone
            turned = ast.Call(
                ast.Attribute(node, "transpose", ast.Load()),
                [ast.Constant(-1), ast.Constant(-2)],
                [],
            )
            yield "The table of weights is turned: rows and columns have changed places.", turned
        if name == "model" and len(node.args) >= 2:
            before = ast.BinOp(node.args[1], ast.Sub(), ast.Constant(1))
            told = "The model is told t - 1; its input has the noise of step t."
            yield told, ast.Call(node.func, [node.args[0], before, *node.args[2:]], node.keywords)
        if name == "clamp" and not node.args:
            for keyword in node.keywords:
                other = {"min": "max", "max": "min"}.get(keyword.arg or "")
                bound = ast.keyword(other, keyword.value)
                yield "It is bounded on the wrong side.", ast.Call(node.func, [], [bound])
        if name in ("clamp", "clip") and len(node.args) == 2:
            for side, value in zip(("min", "max"), node.args, strict=True):
                one = ast.Call(node.func, [], [ast.keyword(side, value)])
                yield "Only one of the two bounds is kept.", one
        if name in _INSTEAD:
            other, told = _INSTEAD[name]
            if isinstance(node.func, ast.Attribute):
                func: ast.expr = ast.Attribute(node.func.value, other, ast.Load())
            else:
                func = ast.Name(other, ast.Load())
            yield told, ast.Call(func, node.args, node.keywords)
        if len(node.args) >= 2 and name not in ("range", "view", "reshape", "clamp"):
            for i in range(len(node.args) - 1):
                args = list(node.args)
                args[i], args[i + 1] = args[i + 1], args[i]
                a, b = self.told(args[i + 1]), self.told(args[i])
                if a and b and a != b:
                    told = f"It looks as if {a} and {b} had changed places in one line."
                    yield told, ast.Call(node.func, args, node.keywords)
        if name in ("cat", "stack") and isinstance(node.args[0], ast.List | ast.Tuple):
            parts = ast.List(node.args[0].elts[::-1], ast.Load())
            told = "What is joined stands in the wrong order."
            yield told, ast.Call(node.func, [parts, *node.args[1:]], node.keywords)

    def indices(self, node: Any, parent: Any) -> Iterator[Slip]:
        if not isinstance(node, ast.Subscript) or not isinstance(node.ctx, ast.Load):
            return
        name = self.told(node.value) or "a list"
        if isinstance(node.slice, ast.Name | ast.BinOp):
            for op, when in ((ast.Sub, "early"), (ast.Add, "late")):
                at = ast.BinOp(node.slice, op(), ast.Constant(1))
                told = f"{name} is read one entry too {when}: an index is one off."
                yield _capital(told), ast.Subscript(node.value, at, node.ctx)
            for place in (1, 0, -1):
                told = f"{name} is read at one place, where each step has its own."
                yield _capital(told), ast.Subscript(node.value, ast.Constant(place), node.ctx)
        if isinstance(node.slice, ast.Slice):
            for text in (":", "1:", ":-1"):
                other = ast.parse(f"a[{text}]", mode="eval").body
                assert isinstance(other, ast.Subscript)
                if ast.dump(other.slice) != ast.dump(node.slice):
                    told = f"{name} is cut at the wrong end: entries are one off."
                    yield _capital(told), ast.Subscript(node.value, other.slice, node.ctx)

    def names(self, node: Any, parent: Any) -> Iterator[Slip]:
        if not isinstance(node, ast.Name) or not isinstance(node.ctx, ast.Load):
            return
        if node.id not in self.meaning and node.id not in _assigned(self.definition):
            return
        here = self.meaning.get(node.id)
        if here is None:  # a name of the bank's own: nothing could be said that helps
            return
        for other, called in self.meaning.items():
            if other != node.id and called != here:
                told = f"{called} stands where {here} belongs."
                yield _capital(told), ast.Name(other, ast.Load())

    def lines(self, node: Any, parent: Any) -> Iterator[Slip]:
        if isinstance(node, ast.Return) and node.value is not None:
            for name in (*_assigned(self.definition), *self.arguments):
                called = self.meaning.get(name)
                told = f"This is {called} itself, not what was asked for." if called else ""
                told = told or "This is a quantity on the way, not the result."
                if not (isinstance(node.value, ast.Name) and node.value.id == name):
                    yield told, ast.Return(ast.Name(name, ast.Load()))
            for part in ast.walk(node.value):
                if isinstance(part, ast.Call | ast.BinOp | ast.Compare) and part is not node.value:
                    told = "This is a quantity on the way, not the result."
                    yield told, ast.Return(part)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            told = f"A line is missing: the call of `{_name(node.value.func)}`."
            yield told, ast.Pass()
        if isinstance(node, ast.Assign | ast.AugAssign):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            if isinstance(target, ast.Name):
                called = self.meaning.get(target.id, "a quantity")
                yield f"The line that renews {called} is missing.", ast.Pass()
        if isinstance(node, ast.For):
            for cut, told in (
                ("[1:]", "The loop leaves out its first round."),
                ("[:-1]", "The loop leaves out its last round."),
                ("[:1]", "Only the first round of the loop is made."),
                ("[::-1]", "The loop runs the wrong way round."),
            ):
                rounds = ast.parse(f"list({ast.unparse(node.iter)}){cut}", mode="eval").body
                yield told, ast.For(node.target, rounds, node.body, node.orelse)
        if isinstance(node, ast.If):
            for always in (True, False):
                told = "A special case is forgotten, or the rule for it holds for all."
                yield told, ast.If(ast.Constant(always), node.body, node.orelse)
        if isinstance(node, ast.IfExp):
            for branch in (node.body, node.orelse):
                yield "A special case is forgotten, or the rule for it holds for all.", branch

    def roots(self, node: Any, parent: Any) -> Iterator[Slip]:
        """A root or a square too many, a term twice as large or half."""
        if not isinstance(node, ast.expr) or isinstance(node, ast.Constant | ast.Slice):
            return
        name = self.told(node) or "a quantity"
        if name != "a quantity" and not isinstance(node, ast.Name):
            name = f"a part with {name}"
        arithmetic = isinstance(parent, ast.BinOp | ast.UnaryOp)
        if arithmetic or (isinstance(parent, ast.Assign) and isinstance(node, ast.Call)):
            yield f"A root too many over {name}.", _rooted(node)
            yield f"{_capital(name)} is squared where it should not be.", _power(node, 2)
        if isinstance(parent, ast.BinOp) and isinstance(parent.op, ast.Add | ast.Sub):
            two = ast.Constant(2)
            term = self.told(node) or "a quantity"
            yield (
                f"The term with {term} is twice as large as it should be.",
                ast.BinOp(node, ast.Mult(), two),
            )
            yield (
                f"The term with {term} is half as large as it should be.",
                ast.BinOp(node, ast.Div(), two),
            )
        for target, value in _assignments(self.definition):
            table = self.meaning.get(target.id, "") if value is node else ""
            if table.startswith(("ᾱ", "α", "β")):
                told = f"1 - {table} stands where {table} belongs."
                yield told, ast.BinOp(ast.Constant(1), ast.Sub(), node)
        if isinstance(parent, ast.AugAssign):
            for op, size in ((ast.Mult(), "twice"), (ast.Div(), "half")):
                told = f"What is added is {size} as large as it should be."
                yield told, ast.BinOp(node, op, ast.Constant(2))
        if isinstance(parent, ast.BinOp | ast.Call) and isinstance(node, ast.Name):
            table = self.meaning.get(node.id, "")
            if table.startswith(("ᾱ", "α", "β")):
                told = f"1 - {table} stands where {table} belongs."
                yield told, ast.BinOp(ast.Constant(1), ast.Sub(), node)
        if isinstance(node, ast.Name) and node.id == "u":  # a time from 0 to 1
            told = "1 - `u` stands where `u` belongs."
            yield told, ast.BinOp(ast.Constant(1), ast.Sub(), node)

    def numbers(self, node: Any, parent: Any) -> Iterator[Slip]:
        if isinstance(node, ast.UnaryOp) and isinstance(node.operand, ast.Constant):
            if node.operand.value == 1 and isinstance(node.op, ast.USub):
                yield "A 0 stands where a -1 belongs.", ast.Constant(0)
            return
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            yield "A difference is turned round.", ast.BinOp(node.right, ast.Sub(), node.left)
        if not isinstance(node, ast.Constant) or type(node.value) not in (int, float):
            return
        here: Any = node.value
        if isinstance(parent, ast.Subscript):
            for value in (here + 1, here - 1):
                yield "Another entry is taken than the one that belongs there.", ast.Constant(value)
            return
        changes: list[float] = [here + 1, here - 1] if type(here) is int else []
        changes.append(2 * here)
        if type(here) is float or here % 2 == 0:
            changes.append(here / 2)
        if type(here) is float and here:
            changes.append(1 / here)
        if here >= 100:
            changes += [here / 10, here * 10]
        axis = isinstance(parent, ast.Call) and _name(parent.func) in _AXES
        for value in dict.fromkeys(changes):
            told = f"{value:g} stands where {here:g} belongs."
            yield "It goes along the wrong axis." if axis else told, ast.Constant(value)


class _Rootless(ast.NodeTransformer):
    """Takes every square root out."""

    def visit_Call(self, node: ast.Call) -> ast.AST:
        self.generic_visit(node)
        inner = _inner(node)
        return inner if _name(node.func) == "sqrt" and inner is not None else node


def _rootless(text: str, line: int | None) -> ast.Module:
    """The text without roots: all of it, or one statement."""
    tree = ast.parse(text)
    if line is None:
        return ast.fix_missing_locations(_Rootless().visit(tree))
    statements = [node for node in ast.walk(tree.body[0]) if isinstance(node, ast.stmt)]
    _Rootless().generic_visit(statements[line + 1])
    return ast.fix_missing_locations(tree)


def _meanings(definition: ast.FunctionDef, arguments: list[str]) -> Iterator[tuple[str, str]]:
    """What the names in the text mean: arguments by their names, tables at a step by symbols."""
    for name in arguments:
        yield name, f"`{name}`" if name not in ("alpha_bar", "beta") else _NAMES[name]
    for target, value in _assignments(definition):
        name = target.id
        at = [n for n in ast.walk(value) if isinstance(n, ast.Subscript)]
        if name not in arguments:
            at = [n for n in at if isinstance(n.slice, ast.Name | ast.BinOp)]
            if len(at) == 1:
                table = _NAMES.get(_name(at[0].value), "")
                if table:
                    step = ast.unparse(at[0].slice)
                    yield name, f"{table}_{step}" if len(step) == 1 else f"{table} at {step}"
                    continue
            if name in _NAMES and name not in ("share", "now", "then"):
                yield name, _NAMES[name]
            elif isinstance(value, ast.Call) and _name(value.func) == "model":
                yield name, "a bare guess of the model"
    for node in ast.walk(definition):
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple):
            for part in node.target.elts:
                if isinstance(part, ast.Name) and part.id not in arguments:
                    yield part.id, f"`{part.id}`"


def _assignments(definition: ast.FunctionDef) -> Iterator[tuple[ast.Name, ast.expr]]:
    """Each name that is set, and what to; also in pairs, as in `a, b = 1, 2`."""
    for node in ast.walk(definition):
        if isinstance(node, ast.Assign):
            target, value = node.targets[0], node.value
            pairs = [(target, value)]
            if isinstance(value, ast.GeneratorExp) and isinstance(
                value.generators[0].iter, ast.Tuple
            ):
                value = value.generators[0].iter
            if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                pairs = list(zip(target.elts, value.elts, strict=False))
            yield from ((name, to) for name, to in pairs if isinstance(name, ast.Name))


def _places(definition: ast.FunctionDef) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Where a node hangs in the tree: (parent, field, index in the field's list)."""

    def below(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
        for field, value in ast.iter_fields(node):
            if field in ("annotation", "returns"):
                continue
            for index, child in enumerate(value if isinstance(value, list) else [value]):
                if isinstance(child, ast.expr | ast.stmt):
                    yield node, field, index if isinstance(value, list) else None
                    yield from below(child)
                elif isinstance(child, ast.AST):  # a comprehension, a keyword
                    yield from below(child)

    for parent, field, index in below(definition):
        if field not in ("decorator_list", "defaults"):
            yield parent, field, index


def _compiled(text: str) -> CodeType:
    module = compile(text, "<a slip>", "exec")
    return next(one for one in module.co_consts if isinstance(one, CodeType))


def _assigned(definition: ast.FunctionDef) -> list[str]:
    names = [
        node.id
        for node in ast.walk(definition)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    ]
    return list(dict.fromkeys(names))


def _name(node: ast.AST) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _inner(call: ast.Call) -> ast.expr | None:
    """What a call changes: its first argument, or the thing before its dot."""
    func = call.func
    if isinstance(func, ast.Attribute) and _name(func.value) not in _LIBRARIES:
        return func.value
    return call.args[0] if call.args else None


def _mixed(left: ast.expr, right: ast.expr) -> ast.expr | None:
    """`a * x + b * y` as `b * x + a * y`; nothing where these are no two products."""
    mult = ast.Mult
    if not all(isinstance(n, ast.BinOp) and isinstance(n.op, mult) for n in (left, right)):
        return None
    assert isinstance(left, ast.BinOp)
    assert isinstance(right, ast.BinOp)
    return ast.BinOp(
        ast.BinOp(right.left, mult(), left.right),
        ast.Add(),
        ast.BinOp(left.left, mult(), right.right),
    )


def _weighted(
    left: ast.expr, right: ast.expr, change: Callable[[ast.expr], ast.expr]
) -> ast.expr | None:
    """`a * x + b * y` with both of its weights changed; nothing where these are no two products."""
    sides = []
    for side in (left, right):
        if not (isinstance(side, ast.BinOp) and isinstance(side.op, ast.Mult)):
            return None
        sides.append(ast.BinOp(change(side.left), ast.Mult(), side.right))
    return ast.BinOp(sides[0], ast.Add(), sides[1])


def _power(node: ast.expr, exponent: float) -> ast.BinOp:
    return ast.BinOp(node, ast.Pow(), ast.Constant(exponent))


def _rooted(node: ast.expr) -> ast.BinOp:
    return _power(node, 0.5)


def _capital(text: str) -> str:
    """A capital for a word at the start; a symbol stays what it is."""
    return text[0].upper() + text[1:] if text.startswith(("a ", "the ")) else text
