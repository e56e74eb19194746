"""Terms of Coq: what a statement is made of, as a tree, with its text and its value.

Indices (t - 1, T, 0) are natural numbers in Coq; here they stay SymPy expressions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import sympy as sp

INFIX = {"+": 50, "-": 50, "*": 40, "/": 40}
TIGHT = 10  # an argument of an application


class Term(NamedTuple):
    """An operator or the name of a function, and what it is applied to."""

    head: str
    args: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return text(self)


class Index(NamedTuple):
    """A natural number: an index, or where a sum ends."""

    at: sp.Expr

    def __str__(self) -> str:
        return index_text(self.at)


class Function(NamedTuple):
    """fun name => body."""

    name: str
    body: Any

    def __str__(self) -> str:
        return f"(fun {self.name} => {text(self.body)})"


def number(value: int) -> Term:
    return Term("neg", (number(-value),)) if value < 0 else Term("number", (value,))


def variable(name: str) -> Term:
    return Term(name)


def add(*terms: Term) -> Term:
    return _fold("+", terms, number(0))


def multiply(*terms: Term) -> Term:
    return _fold("*", terms, number(1))


def _fold(head: str, terms: Any, empty: Term) -> Term:
    out = None
    for term in terms:
        out = term if out is None else Term(head, (out, term))
    return empty if out is None else out


def square(a: Term) -> Term:
    return Term("*", (a, a))


def index_text(at: sp.Expr) -> str:
    """An index as Coq reads it; in brackets where it is not one word."""
    at = sp.expand(at)
    if at.is_Integer:
        if at < 0:
            raise ValueError(f"{at} is no natural number")
        return f"{at}%nat"
    if at.is_Symbol:
        return str(at)
    terms = sorted(sp.Add.make_args(at), key=lambda a: (a.is_number, str(a)))
    plus = [a for a in terms if not a.could_extract_minus_sign()]
    minus = [-a for a in terms if a.could_extract_minus_sign()]
    if not plus or not all(a.is_Integer or a.is_Symbol for a in plus + minus):
        raise ValueError(f"{at} is no index")
    return "(" + " + ".join(map(str, plus)) + "".join(f" - {a}" for a in minus) + ")%nat"


def text(term: Any, room: int = 60) -> str:
    """The term as Coq reads it, with the brackets that it needs in a place with this much room."""
    if not isinstance(term, Term):
        return str(term)
    head, args = term
    if head == "number":
        return str(args[0])
    if head in INFIX:
        level = INFIX[head]
        left, right = text(args[0], level), text(args[1], level - 1)
        return _in(f"{left} {head} {right}", level, room)
    if head == "neg":
        return _in(f"- {text(args[0], 30)}", 35, room)
    if head == "inv":
        return _in(f"/ {text(args[0], 34)}", 35, room)
    if head == "^":
        power = str(args[1].at) if args[1].at.is_Integer else text(args[1])
        return _in(f"{text(args[0], 29)} ^ {power}", 30, room)
    if not args:
        return head
    if not head:  # a function on its own
        return text(args[0])
    return _in(" ".join([head, *(text(a, TIGHT - 1) for a in args)]), TIGHT, room)


def _in(written: str, level: int, room: int) -> str:
    return f"({written})" if level > room else written


def walk(term: Any) -> Iterator[Any]:
    """The term and all its parts."""
    yield term
    if isinstance(term, Function):
        yield from walk(term.body)
    elif isinstance(term, Term):
        for a in term.args:
            yield from walk(a)


def replaced(term: Any, change: Callable[[Term], Term | None], under: bool = True) -> Any:
    """The term with each part, from the outside in, that ``change`` gives another form.

    ``under`` says whether it looks under binders too.
    """
    if isinstance(term, Function):
        return Function(term.name, replaced(term.body, change)) if under else term
    if not isinstance(term, Term):
        return term
    new = change(term)
    if new is not None:
        return new
    return Term(term.head, tuple(replaced(a, change, under) for a in term.args))


def substituted(term: Any, values: Mapping[Any, Any]) -> Any:
    """The term with parts put in place of others."""
    return replaced(term, values.get)
