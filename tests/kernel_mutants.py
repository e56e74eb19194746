"""Small errors, made on purpose, in statements of Coq: in what they conclude, not in conditions.

A sign turned, a factor more, an index shifted, another exponent, a root dropped, letters that
courses mix up, the two sides of a difference or a fraction swapped, another relation.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import sympy as sp

from ddpm_course.symbolic.kernel import Statement
from ddpm_course.symbolic.kernel.term import Function, Index, Term, number
from tests.kernel_worlds import Judge

MIXED_UP = {"alpha": "alpha_bar", "alpha_bar": "alpha", "beta": "alpha"}


def of_statement(statement: Statement) -> list[tuple[str, Statement]]:
    """Every mutant: what was done, and the statement."""
    out = []
    for side in ("right", "left"):
        whole: Term = getattr(statement, side)
        for what, mutant in _mutants(whole):
            changed = {"left": statement.left, "right": statement.right, side: mutant}
            if changed[side] != whole:
                new = statement.changed(changed["left"], statement.relation, changed["right"])
                out.append((f"{side}: {what}", new))
    others = {"=": ("<", ">"), "<": (">", "="), "<=": (">", "<"), ">=": ("<", ">"), ">": ("<", "=")}
    for relation in others[statement.relation]:
        out.append(
            (f"relation {relation}", statement.changed(statement.left, relation, statement.right))
        )
    sides = {"right": statement.right, "left": statement.left}
    for side, whole in sides.items():  # for the short ones
        for what, mutant in (
            ("doubled", Term("*", (number(2), whole))),
            ("negated", Term("neg", (whole,))),
            ("and 1", Term("+", (whole, number(1)))),
            ("halved", Term("/", (whole, number(2)))),
            ("squared", Term("*", (whole, whole))),
            ("less 2", Term("-", (whole, number(2)))),
            ("thrice", Term("*", (number(3), whole))),
            ("and 1/3", Term("+", (whole, Term("/", (number(1), number(3)))))),
            ("less 5", Term("-", (whole, number(5)))),
        ):
            new = {**sides, side: mutant}
            changed = statement.changed(new["left"], statement.relation, new["right"])
            out.append((f"{side}: the whole {what}", changed))
    return out


def twenty(statement: Statement) -> dict[str, Statement]:
    """Twenty variants that are false, or all where fewer are, from all over the statement."""
    judge, seen = Judge(statement), {statement.says}
    every = of_statement(statement)

    def false_ones() -> Iterator[tuple[str, Statement]]:
        for n in sorted(range(len(every)), key=lambda n: n * 0.618034 % 1):
            what, mutant = every[n]
            if mutant.says not in seen and judge.is_false(mutant):
                seen.add(mutant.says)
                yield f"{n}, {what}", mutant

    return dict(islice(false_ones(), 20))


def _mutants(term: Term) -> Iterator[tuple[str, Term]]:
    yield from _here(term)
    for n, part in enumerate(term.args):
        if isinstance(part, Term):
            inner = _mutants(part)
        elif isinstance(part, Function):
            inner = ((what, Function(part.name, body)) for what, body in _mutants(part.body))
        else:
            continue
        for what, mutant in inner:
            yield what, Term(term.head, (*term.args[:n], mutant, *term.args[n + 1 :]))


def _here(term: Term) -> Iterator[tuple[str, Term]]:
    head, args = term
    if head in ("+", "-"):
        yield f"sign before {args[1]}", Term("-" if head == "+" else "+", args)
    if head == "-":
        yield f"order of {term}", Term("-", (args[1], args[0]))
    if head == "/":
        yield f"{term} upside down", Term("/", (args[1], args[0]))
    if head == "*":
        yield f"{args[1]} dropped", args[0]
        yield f"{args[0]} dropped", args[1]
    if head == "sqrt":
        yield f"root of {args[0]} dropped", args[0]
    if head == "neg":
        yield f"sign of {args[0]}", args[0]
    if head == "^" and isinstance(args[1], Index):
        yield f"exponent of {args[0]}", Term("^", (args[0], Index(args[1].at + 1)))
    if head == "number" and args[0]:
        yield f"{args[0]} + 1", number(args[0] + 1)
        return
    if head in MIXED_UP:
        yield f"{term} taken for {MIXED_UP[head]}", Term(MIXED_UP[head], args)
        yield f"root of {term} added", Term("sqrt", (term,))
    for n, part in enumerate(args):
        if isinstance(part, Index) and head != "^":
            later = Index(sp.expand(part.at + 1))
            yield f"{term} shifted by 1", Term(head, (*args[:n], later, *args[n + 1 :]))
    if head in ("alpha", "alpha_bar", "beta", "sqrt", "exp", "ln", "normal", "norm2", "variance"):
        yield f"{term} doubled", Term("*", (number(2), term))
