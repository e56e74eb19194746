"""Proof scripts for statements: SymPy finds what to try, Coq checks it.

Nothing here has to be right: a script that does not prove its statement is refused by the kernel.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from typing import Any

import sympy as sp

from .statement import COMPONENT, Hypothesis, Statement
from .term import Function, Index, Term, add, multiply, number, replaced, square, text, walk

ARITHMETIC = {"+", "-", "*", "/", "neg", "^", "number"}
HALF = sp.S.Half


def script(statement: Statement) -> str:
    """One tactic that proves the statement, where it is true."""
    if statement.over:
        return _by_induction(statement)
    return f"{_intros(statement, statement.bound)};\n  {_Proof(statement).body()}"


def _intros(statement: Statement, more: Iterable[str] = ()) -> str:
    names = [name for names, _ in statement.groups for name in names]
    names += [f"H{h.name}" for h in statement.hypotheses]
    names += more
    return f"intros {' '.join(names)}" if names else "idtac"


def _by_induction(statement: Statement) -> str:
    """From 1, and from each time to the next; each part at once, with all that its steps use."""
    base, step = statement.facts["base"], statement.facts["step"]
    over = statement.over
    left, right = statement.left, statement.right
    if (left, right) != (step.left, step.right):  # another conclusion than that of the claim
        step = replace(step, left=left, right=right)
        at_one = [_at(Function(over, side), Index(sp.S.One)) for side in (left, right)]
        base = replace(base, left=at_one[0], right=at_one[1])
    known = {h.says for h in statement.hypotheses}
    first = replace(
        base,
        hypotheses=tuple(
            h
            if h.says in known and any(g.name == h.name for g in statement.hypotheses)
            else h._replace(name=f"{h.name}b")
            for h in base.hypotheses
        ),
    )
    given = [
        f"pose proof (H{h.name}g {over} Hat_{over}) as H{h.name}"
        for h in step.hypotheses
        if any(g.name == f"{h.name}g" for g in statement.hypotheses)
    ]
    (earlier,) = [
        h.name for h in step.hypotheses if h.says.startswith(f"{statement.facts['hypothesis']} = ")
    ]
    said = f"{text(statement.left)} = {text(statement.right)}"
    return (
        f"{_intros(statement)};\n  apply (from_one (fun {over} => {said}));\n"
        f"  [change ({text(base.left)} = {text(base.right)});\n   {_Proof(first).body()}\n"
        f"  |intros {over} Hat_{over} H{earlier}; {'; '.join(given) or 'idtac'};\n"
        f"   {_Proof(step).body()}]"
    )


class Atoms:
    """SymPy symbols for terms that arithmetic does not look into."""

    def __init__(self) -> None:
        self.symbols: dict[Term, sp.Symbol] = {}
        self.terms: dict[sp.Symbol, Term] = {}

    def symbol(self, term: Term) -> sp.Symbol:
        if term not in self.symbols:
            name = sp.Symbol(f"v{len(self.symbols)}", real=True)
            self.symbols[term], self.terms[name] = name, term
        return self.symbols[term]

    def read(self, term: Term) -> sp.Expr:
        head, args = term
        if head == "number":
            return sp.Integer(args[0])
        if head == "neg":
            return -self.read(args[0])
        if head == "^" and isinstance(args[1], Index) and args[1].at.is_Integer:
            return self.read(args[0]) ** int(args[1].at)
        if head == "inv":
            return 1 / self.read(args[0])
        if head in ("+", "-", "*", "/"):
            a, b = self.read(args[0]), self.read(args[1])
            return {"+": a + b, "-": a - b, "*": a * b, "/": a / b if b != 0 else sp.nan}[head]
        return self.symbol(term)

    def write(self, e: sp.Expr) -> Term:
        if e in self.terms:
            return self.terms[e]
        if e.is_Integer:
            return number(int(e))
        if e.is_Rational:
            return Term("/", (number(int(e.p)), number(int(e.q))))
        if e.is_Add:
            out: Term = number(0)
            for n, a in enumerate(e.args):
                sign = a.could_extract_minus_sign()
                part = self.write(-a if sign else a)
                if n == 0:
                    out = Term("neg", (part,)) if sign else part
                else:
                    out = Term("-" if sign else "+", (out, part))
            return out
        if e.is_Mul:
            top, bottom = sp.fraction(e)
            if bottom != 1:
                return Term("/", (self.write(top), self.write(bottom)))
            return multiply(*(self.write(a) for a in e.args))
        if e.is_Pow and e.exp.is_Integer:
            if e.exp < 0:
                return Term("/", (number(1), self.write(e.base**-e.exp)))
            return Term("^", (self.write(e.base), Index(e.exp)))
        raise ValueError(f"{e} cannot be written")


def _heads(term: Any, *heads: str) -> list[Term]:
    """The parts with such a head, the outermost first, each once."""
    return list(dict.fromkeys(p for p in walk(term) if isinstance(p, Term) and p.head in heads))


def unfolded_normal(term: Any) -> Any:
    """As Coq's ``unfold normal`` leaves it."""

    def change(part: Term) -> Term | None:
        if part.head != "normal":
            return None
        x, mean, var = (unfolded_normal(a) for a in part.args)
        gap = Term("^", (Term("-", (x, mean)), Index(sp.Integer(2))))
        exponent = Term("/", (Term("neg", (gap,)), Term("*", (number(2), var))))
        area = Term("sqrt", (Term("*", (Term("*", (number(2), Term("PI"))), var)),))
        return Term("/", (Term("exp", (exponent,)), area))

    return replaced(term, change)


def match(rule: Hypothesis, term: Term) -> Term | None:
    """What a rule puts in place of a term."""
    assert rule.rule is not None
    names, left, right = rule.rule
    values: dict[str, Any] = {}

    def same(pattern: Any, found: Any) -> bool:
        if isinstance(pattern, Term) and not pattern.args and pattern.head in names:
            return values.setdefault(pattern.head, found) == found
        if isinstance(pattern, Term) and isinstance(found, Term):
            return (
                pattern.head == found.head
                and len(pattern.args) == len(found.args)
                and all(same(a, b) for a, b in zip(pattern.args, found.args, strict=True))
            )
        if isinstance(pattern, Index) and isinstance(found, Index):
            if str(pattern) in names:
                return values.setdefault(str(pattern), found) == found
            return sp.expand(pattern.at - found.at) == 0
        if isinstance(pattern, Function) and isinstance(found, Function):
            return same(pattern.body, found.body)
        return bool(pattern == found)

    if not same(left, term):
        return None

    def put(part: Term) -> Any:
        value = values.get(part.head)
        if value is None or not part.args:
            return value
        return Term(value.head, (*value.args, *part.args))

    return replaced(right, put)


class _Proof:
    def __init__(self, statement: Statement) -> None:
        self.statement = statement
        self.rules = [h for h in statement.hypotheses if h.rule is not None]
        self.cited = [h for h in self.rules if not h.name.startswith("M")]
        # Where two say what something is: the last.
        self.cited = list({h.rule[1]: h for h in self.cited if h.rule}.values())
        self.moments = [h for h in self.rules if h.name.startswith("M")]
        writer = statement.facts["writer"]
        self.least = {str(symbol): least for symbol, least in writer.least.items()}
        self.means = list(writer.means)
        self.counter = 0
        self.atoms = Atoms()  # the same symbols throughout, so that things are written alike

    def fresh(self, stem: str) -> str:
        self.counter += 1
        return f"{stem}{self.counter}"

    # -- the whole --

    def body(self) -> str:
        """The proof, once all names are introduced."""
        s = self.statement
        left, right = s.left, s.right
        steps: list[str] = []
        left, right = self.rewrite(steps, self.cited, left, right)
        rest: list[str] = []
        if left != right:
            left, right = self.means_away(rest, left, right)
            left, right = self.integrals_away(rest, left, right)
            rest.append(self.core(left, s.relation, right))
        inner = ";\n  ".join(rest) or "idtac"
        return ";\n  ".join([*steps, f"first [reflexivity |\n  {inner}]"])

    def rewrite(self, steps: list[str], rules: list[Hypothesis], *sides: Term) -> list[Term]:
        """Put in what is cited, everywhere but under binders."""
        out = list(sides)
        for rule in rules:
            assert rule.rule is not None
            again = f"rewrite ?H{rule.name}" if rule.rule[0] else f"try rewrite H{rule.name}"
            plain = not rule.rule[0]
            new = [replaced(side, partial(match, rule), plain) for side in out]
            if new != out:
                steps.append(again)
                out = new
        return out

    def put_in(self, term: Term) -> Term:
        for rule in self.cited:
            term = replaced(term, partial(match, rule))
        return term

    def under(self) -> str:
        """The rewriting of one point, under a binder."""
        return (
            "; ".join(
                (f"rewrite ?H{r.name}" if r.rule and r.rule[0] else f"try rewrite H{r.name}")
                for r in self.cited
            )
            or "idtac"
        )

    # -- means and sums over components --

    def means_away(self, steps: list[str], *sides: Term) -> list[Term]:
        out = list(sides)
        held = [set(_heads(side, "variance", "norm2", *self.means)) for side in out]
        if held[0] == held[1]:
            return out  # they stand alike on both sides
        if any(_heads(side, "variance") for side in out):
            steps.append("unfold variance")
            out = [replaced(side, _opened_variance) for side in out]
        if any(_heads(side, "norm2") for side in out):
            steps.append("unfold norm2")

            def summed(part: Term) -> Term | None:
                if part.head != "norm2":
                    return None
                d, body = part.args
                twice = Function(body.name, square(body.body))
                return Term("Sum", (Index(sp.S.One), d, twice))

            out = [replaced(side, summed) for side in out]
        for name in self.means:
            for term in list(dict.fromkeys(t for side in out for t in _heads(side, name))):
                new, tactic = self.linear(term, name)
                if new not in (term, Term("*", (number(1), term))):
                    steps.append(tactic)
                    out = [replaced(side, {term: new}.get) for side in out]
        if any(term.args[0] == Index(sp.S.One) for side in out for term in _heads(side, "Sum")):
            for term in list(dict.fromkeys(t for side in out for t in _heads(side, "Sum"))):
                if term.args[2].name != COMPONENT:
                    continue
                new, tactic = self.linear(term, "Sum")
                if new not in (term, Term("*", (number(1), term))):
                    steps.append(tactic)
                    out = [replaced(side, {term: new}.get) for side in out]
        out = self.rewrite(steps, [*self.moments], *out)
        # A variance that is cited, as a mean square.
        for rule in self.cited:
            assert rule.rule is not None
            _, left, right = rule.rule
            if left.head == "variance":
                mean, body = left.args
                twice = Term(mean.head, (Function(body.name, square(body.body)),))
                once = Term(mean.head, (body,))
                new = add(replaced(right, _opened_variance), square(once))
                if any(twice in list(walk(side)) for side in out):
                    steps.append(
                        f"replace ({text(twice)}) with ({text(new)}) by "
                        f"(unfold variance in H{rule.name}; lra)"
                    )
                    out = [replaced(side, {twice: new}.get) for side in out]
        return self.rewrite(steps, self.cited, *out)

    def linear(self, term: Term, name: str) -> tuple[Term, str]:
        """A mean (or a sum over components) of a polynomial, term by term."""
        body = term.args[-1]
        point = body.name
        inside = self.put_in(body.body)
        atoms = self.atoms
        polynomial = unfolded_normal(inside)
        for log in _heads(polynomial, "ln"):
            if log.args and any(p == Term(point) for p in walk(log)):
                polynomial = replaced(polynomial, {log: add(*self.log_pieces(log))}.get)
        e = sp.expand(atoms.read(polynomial))
        random = [
            v
            for v, t in atoms.terms.items()
            if v in e.free_symbols and any(p == Term(point) for p in walk(t))
        ]
        if not random:
            monomials: dict[Any, Any] = {(): e}
        else:
            top, bottom = sp.fraction(sp.together(e))
            if bottom.free_symbols & set(random):
                return term, ""
            poly = sp.Poly(sp.expand(top), *random)
            monomials = {m: c / bottom for m, c in poly.terms()}
        parts: list[tuple[Term, Term]] = []
        for powers, factor in monomials.items():
            factors = sorted(
                (atoms.terms[v] for v, k in zip(random, powers) for _ in range(k)), key=text
            )
            parts.append((atoms.write(factor), multiply(*factors)))
        parts.sort(key=lambda p: text(p[1]))

        def applied(m: Term) -> Term:
            return Term(term.head, (*term.args[:-1], Function(point, m)))

        if name == "Sum":
            plus, times, known = "sum_plus 1 d", "sum_times 1 d", "; rewrite ?sum_one"
        else:
            plus, times = f"mean_plus _ His_{name}", f"mean_times _ His_{name}"
            known = f"; rewrite ?(mean_one _ His_{name})"
        if name == "Sum":
            ext_tactic = f"apply sum_ext; intros {point} _"
        else:
            ext_tactic = f"apply mean_ext; intro {point}"
        # c1 * m1 + (c2 * m2 + ...)
        written = None
        for c, m in reversed(parts):
            one = Term("*", (c, m))
            written = one if written is None else Term("+", (one, written))
        assert written is not None
        opening = []
        rest = list(parts)
        while rest:
            c, m = rest.pop(0)
            if rest:
                tail = None
                for c2, m2 in reversed(rest):
                    one = Term("*", (c2, m2))
                    tail = one if tail is None else Term("+", (one, tail))
                opening.append(
                    f"rewrite ({plus} (fun {point} => {text(Term('*', (c, m)))}) "
                    f"(fun {point} => {text(tail)}))"
                )
            opening.append(f"rewrite ({times} ({text(c)}) (fun {point} => {text(m)}))")
        new = add(*(Term("*", (c, applied(m))) for c, m in parts))
        one = number(1) if name != "Sum" else Term("INR", (term.args[1],))
        new = add(*(Term("*", (c, one if m == number(1) else applied(m))) for c, m in parts))
        pointwise = self.plain(inside, written)
        if polynomial != inside:
            pointwise = self.core(inside, "=", written)
        tactic = (
            f"replace ({text(term)}) with ({text(new)}) by\n"
            f"    (symmetry; transitivity ({text(applied(written))});\n"
            f"     [{ext_tactic}; {self.under()}; {pointwise}\n"
            f"     |{'; '.join(opening)}{known}; ring])"
        )
        return new, tactic

    def plain(self, left: Term, right: Term) -> str:
        """Two sides that agree without a look into roots."""
        return f"first [ring | solve [{self.facts(left, right)}; field; repeat split; nonzero]]"

    # -- integrals over the line --

    def integrals_away(self, steps: list[str], *sides: Term) -> list[Term]:
        out = list(sides)
        for term in list(dict.fromkeys(t for side in out for t in _heads(side, "Int"))):
            if not _heads(unfolded_normal(self.put_in(term.args[0].body)), "exp"):
                continue
            new, tactic = self.bell(term)
            steps.append(tactic)
            out = [replaced(side, {term: new}.get) for side in out]
        return out

    def bell(self, term: Term) -> tuple[Term, str]:
        """The integral of a Gaussian in y, by completing the square."""
        body = term.args[0]
        y = Term(body.name)
        inside = self.put_in(body.body)
        lowered = self.rooted(self.generators(unfolded_normal(inside)))
        factor, exponent = self.split(lowered)
        atoms = self.atoms
        e = sp.expand(atoms.read(exponent))
        v = atoms.symbol(y)
        roots = self.root_squares(atoms, e)
        poly = sp.Poly(e, v)
        if poly.degree() != 2:
            raise ValueError(f"the exponent {e} is no parabola")
        a2, a1, a0 = (_lower(poly.coeff_monomial(v**k), roots) for k in (2, 1, 0))
        width = sp.factor(-2 * a2)
        center = sp.factor(_lower(a1 / width, roots))
        left_over = sp.factor(_lower(a0 + a1**2 / (2 * width), roots))
        A = _signed_factors(width, atoms)
        m, c = (atoms.write(value) for value in (center, left_over))
        constant = multiply(factor, Term("exp", (c,)))
        square_ = Term("^", (Term("-", (y, m)), Index(sp.Integer(2))))
        shape = Term("exp", (Term("*", (Term("neg", (Term("/", (A, number(2))),)), square_)),))
        area = Term("sqrt", (Term("/", (Term("*", (number(2), Term("PI"))), A)),))
        new = multiply(constant, area)
        inner = self.core(inside, "=", multiply(constant, shape))
        whole = text(Term("*", (constant, shape)))
        tactic = (
            f"replace ({text(term)}) with ({text(new)}) by\n"
            f"    (symmetry; transitivity (Int (fun {y} => {whole}));\n"
            f"     [f_equal; apply functional_extensionality; intro {y}; {self.under()};\n"
            f"      {inner}\n"
            f"     |rewrite (integral_times _ His_integral ({text(constant)}) "
            f"(fun {y} => {text(shape)}));\n"
            f"      rewrite (integral_bell _ His_integral ({text(A)}) ({text(m)})); "
            f"[reflexivity|{self.facts(A, m)}; positive]])"
        )
        return new, tactic

    def rooted(self, term: Term) -> Term:
        """With every root as a product of roots of irreducible expressions."""

        def change(part: Term) -> Term | None:
            if part.head != "sqrt":
                return None
            try:
                factors = self.factored(part.args[0])
            except ValueError:
                return part
            return multiply(*(_root_power(base, power) for base, power in factors))

        return replaced(term, change)

    def root_squares(self, atoms: Atoms, e: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
        """For each symbol of a root in an expression, what its square is."""
        out = {}
        for symbol in sorted(e.free_symbols, key=str):
            term = atoms.terms[symbol]
            if term.head == "sqrt":
                out[symbol] = atoms.read(term.args[0])
        return out

    def split(self, term: Term) -> tuple[Term, Term]:
        """A product as a factor times exp(exponent)."""
        above: list[Term] = []
        below: list[Term] = []
        exponents: list[tuple[int, Term]] = []

        def go(part: Term, sign: int) -> None:
            if part.head == "*":
                go(part.args[0], sign)
                go(part.args[1], sign)
            elif part.head == "/":
                go(part.args[0], sign)
                go(part.args[1], -sign)
            elif part.head == "exp":
                exponents.append((sign, part.args[0]))
            else:
                (above if sign > 0 else below).append(part)

        go(term, 1)
        top = multiply(*above)
        factor = Term("/", (top, multiply(*below))) if below else top
        out = None
        for sign, e in exponents:
            if out is None:
                out = e if sign > 0 else Term("neg", (e,))
            else:
                out = Term("+" if sign > 0 else "-", (out, e))
        if out is None:
            raise ValueError("no exponential")
        return factor, out

    # -- the schedule in its smallest parts --

    def generators(self, term: Any, found: dict[Term, Term] | None = None) -> Any:
        """Every alpha_bar from the earliest one, and every beta as 1 - alpha."""
        links = self.links(term) if found is None else found

        def change(part: Term) -> Term | None:
            if part.head == "beta" and self.is_here(part):
                return Term("-", (number(1), Term("alpha", part.args)))
            if part.head == "alpha_bar":
                return links.get(part)
            return None

        return replaced(term, change)

    def is_here(self, part: Term) -> bool:
        """Whether an index has no name in it that only a binder knows."""
        names = {name for name, _ in self.statement.variables}
        return {str(v) for v in part.args[0].at.free_symbols} <= names

    def links(self, *terms: Any) -> dict[Term, Term]:
        """For each alpha_bar its product from the earliest one."""
        times = {p.args[0].at for t in terms for p in _heads(t, "alpha_bar") if self.is_here(p)}
        if not times:
            return {}
        times |= {sp.S.Zero} if any(at.is_Integer for at in times) else set()
        out: dict[Term, Term] = {}
        for at in times:
            gaps = [sp.expand(at - other) for other in times]
            steps = max(int(g) for g in gaps if g.is_Integer)
            start = sp.expand(at - steps)
            new = number(1) if start == 0 else Term("alpha_bar", (Index(start),))
            for j in range(1, steps + 1):
                new = Term("*", (Term("alpha", (Index(sp.expand(start + j)),)), new))
            if new != Term("alpha_bar", (Index(at),)):
                out[Term("alpha_bar", (Index(at),))] = new
        return out

    def lower(self, steps: list[str], *sides: Any) -> list[Any]:
        """The goal in generators."""
        links = self.links(*sides)
        for whole, product in links.items():
            at = whole.args[0].at
            start = at
            text_of = []
            part = product
            while part.head == "*":
                before = sp.expand(start - 1)
                text_of.append(
                    f"rewrite ?(alpha_bar_link beta {Index(start)} {Index(before)}) by lia"
                )
                start, part = before, part.args[1]
            if part == number(1):
                text_of.append("rewrite ?(alpha_bar_zero beta)")
            steps.append(
                f"replace (alpha_bar {Index(at)}) with ({text(product)}) by "
                f"(symmetry; {'; '.join(text_of) or 'idtac'}; reflexivity)"
                if text_of
                else "idtac"
            )
        betas = dict.fromkeys(b for s in sides for b in _heads(s, "beta") if self.is_here(b))
        steps += [f"rewrite ?(beta_left beta {b.args[0]})" for b in betas]
        return [self.generators(side, links) for side in sides]

    def facts(self, *terms: Any) -> str:
        """The ranges of what occurs, ready in the context."""
        out = []
        for term in dict.fromkeys(p for t in terms for p in _heads(t, "alpha", "alpha_bar", "INR")):
            at = term.args[0].at if isinstance(term.args[0], Index) else None
            if at is not None and not self.is_here(term):
                continue
            name = self.fresh("F")
            if term.head == "INR":
                if at is not None and not at.is_Integer:
                    out.append(
                        f"try assert ({name} : 1 <= {text(term)}) by "
                        f"(replace 1 with (INR 1) by reflexivity; apply le_INR; lia)"
                    )
            elif term.head == "alpha":
                out.append(
                    f"pose proof (alpha_range beta Hschedule {Index(at)} ltac:(lia)) as {name}"
                )
            else:
                out.append(
                    f"first [pose proof (alpha_bar_range beta Hschedule {Index(at)} ltac:(lia)) "
                    f"as {name} | pose proof (alpha_bar_at_most_one beta Hschedule {Index(at)}) "
                    f"as {name}]"
                )
        for bar in dict.fromkeys(p for t in terms for p in _heads(t, "alpha_bar")):
            keep = Term("alpha", (Index(sp.expand(bar.args[0].at + 1)),))
            if any(keep in list(walk(t)) for t in terms):
                name, both = self.fresh("F"), text(Term("*", (keep, bar)))
                out.append(
                    f"try assert ({name} : 0 < {both} < 1) by "
                    f"(split; [apply Rmult_lt_0_compat; lra | nra])"
                )
        return "; ".join(out) or "idtac"

    # -- arithmetic with roots, exponentials and logarithms --

    def core(self, left: Term, relation: str, right: Term) -> str:
        steps: list[str] = []
        if any(_heads(side, "normal") for side in (left, right)):
            steps.append("unfold normal")
            left, right = unfolded_normal(left), unfolded_normal(right)
        left, right = self.lower(steps, left, right)
        left, right = self.series(steps, left, right)
        steps.append(self.facts(left, right))
        left, right = self.logs(steps, left, right)
        left, right = self.exponentials(steps, left, right)
        if relation == "=":
            steps.append(self.arithmetic(left, right))
        else:
            steps.append(self.order(left, relation, right))
        return "(" + ";\n   ".join(steps) + ")"

    def series(self, steps: list[str], *sides: Any) -> list[Any]:
        """Sums and products that end at different places, from the earliest end."""
        out = list(sides)
        for head, lemma, empty in (("Sum", "sum", number(0)), ("Prod", "product", number(1))):
            terms = list(dict.fromkeys(t for side in out for t in _heads(side, head)))
            for term in terms:
                low, high, body = term.args
                ends = [
                    t.args[1].at
                    for t in terms
                    if t.args[0] == low
                    and t.args[2] == body
                    and sp.expand(t.args[1].at - high.at).is_Integer
                ]
                if sp.expand(high.at - low.at).is_Integer:
                    ends.append(low.at - 1)
                earliest = min(ends, key=lambda at: int(sp.expand(at - high.at)))
                count = int(sp.expand(high.at - earliest))
                if count <= 0:
                    if count == 0 and sp.expand(high.at - low.at) == -1:
                        steps.append(f"rewrite ?({lemma}_empty {low} {high}) by lia")
                        out = [replaced(s, {term: empty}.get) for s in out]
                    continue
                start = Index(sp.expand(earliest))
                new = (
                    empty if sp.expand(earliest - low.at) == -1 else Term(head, (low, start, body))
                )
                tactic = []
                for j in range(count):
                    at = Index(sp.expand(high.at - j))
                    tactic.append(
                        f"rewrite ({lemma}_last {low} {at} {body}) by lia; "
                        f"replace ({at} - 1)%nat with {Index(sp.expand(high.at - j - 1))} by lia"
                        + "".join(
                            f"; try replace {raw} with {simple} by lia"
                            for raw, simple in _raw_indices(body, at)
                        )
                    )
                for j in range(1, count + 1):
                    at = Index(sp.expand(earliest + j))
                    one = _at(body, at)
                    new = Term("+" if head == "Sum" else "*", (new, one))
                if sp.expand(earliest - low.at) == -1:
                    tactic.append(f"rewrite {lemma}_empty by lia")
                steps.append(
                    f"replace ({text(term)}) with ({text(new)}) by "
                    f"(symmetry; {'; '.join(tactic)}; reflexivity)"
                )
                out = [replaced(s, {term: new}.get) for s in out]
        out = self.powers(steps, *out)
        if out != list(sides):
            out = self.lower(steps, *out)
        return out

    def powers(self, steps: list[str], *sides: Any) -> list[Any]:
        """A power that is one higher than another, as a factor more: also inside sums."""
        out = list(sides)
        sums = list(dict.fromkeys(t for side in out for t in _heads(side, "Sum")))
        for high, low in itertools.permutations(sums, 2):
            if high.args[:2] != low.args[:2]:
                continue
            above, below = _heads(high.args[2], "^"), _heads(low.args[2], "^")
            for p, q in itertools.product(above, below):
                if p.args[0] != q.args[0] or sp.expand(p.args[1].at - q.args[1].at) != 1:
                    continue
                if replaced(high.args[2], {p: q}.get) != low.args[2]:
                    continue
                new = Term("*", (p.args[0], low))
                first, last, body = (text(a) for a in low.args)
                base, name = text(p.args[0], 9), low.args[2].name
                steps.append(
                    f"replace ({text(high)}) with ({text(new)}) by\n"
                    f"    (rewrite <- (sum_times {first} {last} {base} {body});\n"
                    f"     apply sum_ext; intros {name} Hk;\n"
                    f"     rewrite (pow_link {base} {p.args[1]} {q.args[1]}) by lia; ring)"
                )
                out = [replaced(s, {high: new}.get) for s in out]
        plain = [
            p
            for p in dict.fromkeys(t for s in out for t in _heads(s, "^"))
            if not p.args[1].at.is_Integer and self.is_here(Term("", (p.args[1],)))
        ]
        for high, low in itertools.permutations(plain, 2):
            if high.args[0] == low.args[0] and sp.expand(high.args[1].at - low.args[1].at) == 1:
                new = Term("*", (high.args[0], low))
                base = text(high.args[0], 9)
                steps.append(f"rewrite (pow_link {base} {high.args[1]} {low.args[1]}) by lia")
                out = [replaced(s, {high: new}.get) for s in out]
        return out

    def log_pieces(self, term: Term) -> list[Term]:
        """log of a product as the terms of a sum of logarithms."""
        pieces: list[Term] = []
        for base, power in self.factored(term.args[0]):
            one = base.args[0] if base.head == "exp" else Term("ln", (base,))
            halves = int(2 * power)
            whole, half = divmod(abs(halves), 2)
            parts = [one] * whole + [Term("/", (one, number(2)))] * half
            pieces += [p if halves > 0 else Term("neg", (p,)) for p in parts]
        return pieces

    def logs(self, steps: list[str], *sides: Any) -> list[Any]:
        """Logarithms of products as sums of logarithms."""
        out = list(sides)
        for term in list(dict.fromkeys(t for side in out for t in _heads(side, "ln"))):
            pieces = self.log_pieces(term)
            new = add(*pieces)
            if new == term:
                continue
            bases = {base for base, _ in self.factored(term.args[0]) if base.head != "exp"}
            target = self.exponential_of(pieces)
            steps.append(
                f"replace ({text(term)}) with ({text(new)}) by\n"
                f"    (symmetry; apply ln_is; {self.positives(bases)}; "
                f"rewrite ?exp_plus, ?exp_Ropp, ?exp_half_ln, ?exp_ln by positive;\n"
                f"     {self.arithmetic(target, term.args[0])})"
            )
            out = [replaced(s, {term: new}.get) for s in out]
        return out

    def exponential_of(self, pieces: list[Term]) -> Term:
        """exp of a sum of logarithms, as the lemmas write it."""
        factors = []
        for piece in pieces:
            under = piece.head == "neg"
            p = piece.args[0] if under else piece
            if p.head == "ln":
                value = p.args[0]
            elif p.head == "/" and p.args[0].head == "ln":
                value = Term("sqrt", p.args[0].args)
            else:  # an exponent
                value = Term("exp", (p,))
            factors.append(Term("inv", (value,)) if under else value)
        return multiply(*factors)

    def positives(self, terms: Any) -> str:
        out = [
            f"pose proof (pow2_ge_0 {text(p.args[0], 9)})"
            for p in dict.fromkeys(q for t in terms for q in _heads(t, "^"))
            if p.args[1].at == 2
        ]
        for term in terms:
            if term.head not in ("number", "PI", "sqrt"):
                out.append(f"try assert ({self.fresh('P')} : 0 < {text(term)}) by positive")
        return "; ".join(out) or "idtac"

    def exponentials(self, steps: list[str], *sides: Any) -> list[Any]:
        """One exponential as the product of the others."""
        out = self.exponentials_of_logs(steps, *sides)
        powers: dict[Term, int] = {}

        def go(part: Any, sign: int) -> None:
            if not isinstance(part, Term):
                return
            if part.head == "*":
                go(part.args[0], sign)
                go(part.args[1], sign)
            elif part.head == "/":
                go(part.args[0], sign)
                go(part.args[1], -sign)
            elif part.head == "neg":
                go(part.args[0], sign)
            elif part.head == "exp":
                powers[part] = powers.get(part, 0) + sign

        go(out[0], 1)
        go(out[1], -1)
        powers = {e: k for e, k in powers.items() if k}
        pivot = next((e for e, k in reversed(powers.items()) if abs(k) == 1), None)
        if pivot is None:
            return out
        own = powers.pop(pivot)
        # exp(pivot)^own * product = 1
        pieces = [(-k * own, e) for e, k in powers.items()]
        total, product = number(0), number(1)
        opening: list[str] = []
        for k, e in pieces:
            for _ in range(abs(k)):
                arg, factor = e.args[0], e
                if k < 0:
                    opening.append(f"rewrite (exp_Ropp ({text(arg)}))")
                    arg, factor = Term("neg", (arg,)), Term("inv", (e,))
                if total == number(0):
                    total, product = arg, factor
                else:
                    opening.insert(0, f"rewrite (exp_plus ({text(total)}) ({text(arg)}))")
                    total, product = Term("+", (total, arg)), Term("*", (product, factor))
        if total == number(0):
            opening = ["rewrite exp_0"]
        name = self.fresh("X")
        steps.append(
            f"assert ({name} : {text(pivot)} = {text(product)}) by\n"
            f"    (transitivity (exp ({text(total)}));\n"
            f"     [f_equal; {self.arithmetic(pivot.args[0], total)}\n"
            f"     |{'; '.join(opening) or 'idtac'}; reflexivity])"
        )
        steps.append(f"rewrite {name}")
        return [replaced(s, {pivot: product}.get) for s in out]

    def exponentials_of_logs(self, steps: list[str], *sides: Any) -> list[Any]:
        """exp of a sum of logarithms (or of halves of them) as a product."""
        out = list(sides)
        for term in list(dict.fromkeys(t for side in out for t in _heads(side, "exp"))):
            logs = _heads(term.args[0], "ln")
            e = sp.expand(self.atoms.read(term.args[0]))
            names = [self.atoms.symbol(one) for one in logs]
            if not logs or e.free_symbols - set(names):
                continue
            pieces = []
            for one, name in zip(logs, names):
                halves = int(2 * e.coeff(name))
                whole, half = divmod(abs(halves), 2)
                parts = [one] * whole + [Term("/", (one, number(2)))] * half
                pieces += [p if halves > 0 else Term("neg", (p,)) for p in parts]
            new = self.exponential_of(pieces)
            steps.append(
                f"replace ({text(term)}) with ({text(new)}) by\n"
                f"    (symmetry; transitivity (exp ({text(add(*pieces))})); [f_equal; field|"
                f"rewrite ?exp_plus, ?exp_Ropp, ?exp_half_ln, ?exp_ln by positive; reflexivity])"
            )
            out = [replaced(s, {term: new}.get) for s in out]
        return out

    def factored(self, term: Term) -> list[tuple[Term, Fraction]]:
        """A positive expression as powers (also halves) of irreducible ones."""
        atoms = self.atoms
        e = atoms.read(term)
        roots = self.root_squares(atoms, e)
        e = _lower(e, roots)
        return [
            (base, Fraction(int(sp.Rational(k).p), int(sp.Rational(k).q)))
            for base, k in self.factor_list(e, atoms, roots)
        ]

    def factor_list(
        self, e: sp.Expr, atoms: Atoms, roots: dict[sp.Symbol, sp.Expr]
    ) -> list[tuple[Term, Any]]:
        top, bottom = sp.fraction(sp.together(e))
        out: dict[sp.Expr, Any] = {}
        coefficient = sp.S.One
        for part, sign in ((top, 1), (bottom, -1)):
            number_, powers = sp.factor_list(sp.expand(part))
            coefficient *= number_**sign
            for base, k in powers:
                if base in roots:  # half a power of what is under the root
                    inner = self.factor_list(roots[base], atoms, roots)
                    for sub, j in inner:
                        key = atoms.read(sub)
                        out[key] = out.get(key, 0) + sign * k * j * HALF
                    continue
                if _sample(base, atoms) < 0:
                    base, coefficient = -base, coefficient * (-1) ** k
                out[base] = out.get(base, 0) + sign * k
        if coefficient < 0:
            raise ValueError(f"{e} is not positive")
        result = [(atoms.write(base), k) for base, k in out.items() if k != 0]
        for prime, k in sp.factorint(coefficient.p).items():
            result.append((number(int(prime)), k))
        for prime, k in sp.factorint(coefficient.q).items():
            result.append((number(int(prime)), -k))
        return result

    def arithmetic(self, left: Term, right: Term) -> str:
        """An equation of fractions and roots."""
        steps: list[str] = []
        sides = [left, right]
        equations: list[str] = []
        known: dict[Term, str] = {}
        while True:
            found = [t for side in sides for t in _heads(side, "sqrt")]
            inner = [t for t in found if t not in known and not _heads(t.args[0], "sqrt")]
            nested = [t for t in found if t not in known and _heads(t.args[0], "sqrt")]
            if not inner and not nested:
                break
            term = (inner or nested)[0]
            try:
                factors = self.factored(term.args[0])
            except ValueError:
                factors = [(term.args[0], Fraction(1))]
            new = multiply(*(_root_power(base, power) for base, power in factors))
            for base, power in factors:
                root = Term("sqrt", (base,))
                if Fraction(power).numerator % 2 and root not in known:
                    name = self.fresh("R")
                    known[root] = name
                    equations.append(name)
                    steps.append(self.positives([base]))
                    steps.append(
                        f"assert ({name} : {text(root)} * {text(root)} = {text(base)}) by "
                        f"(apply sqrt_sqrt; positive)"
                    )
                    steps.append(
                        f"try assert ({self.fresh('P')} : 0 < {text(root)}) by "
                        f"(apply sqrt_lt_R0; positive)"
                    )
            if new != term:
                inner_proof = self.settle(equations)
                steps.append(
                    f"replace ({text(term)}) with ({text(new)}) by "
                    f"(symmetry; apply root_is; [positive|{inner_proof}])"
                )
                sides = [replaced(s, {term: new}.get) for s in sides]
            else:
                known.setdefault(term, "")
        steps.append(self.denominators(*sides))
        steps.append(self.settle(equations))
        return "(" + "; ".join(s for s in steps if s) + ")"

    def denominators(self, *sides: Term) -> str:
        """Signs of what is divided by."""
        out = []
        done: set[Any] = set()
        for side in sides:
            for part in _heads(side, "/", "inv"):
                below = part.args[-1]
                atoms = self.atoms
                try:
                    factors = sp.factor_list(sp.expand(sp.numer(sp.together(atoms.read(below)))))[1]
                except (sp.PolynomialError, ValueError):
                    continue
                for base, _ in factors:
                    if base.is_Symbol or not base.free_symbols or base in done:
                        continue
                    done.add(base)
                    if _sample(base, atoms) < 0:
                        base = -base
                    says = f"0 < {text(atoms.write(base))}"
                    out.append(f"try assert ({self.fresh('D')} : {says}) by positive")
        return "; ".join(out)

    @staticmethod
    def settle(equations: list[str]) -> str:
        used = f" [{' '.join(equations)}]" if equations else ""
        return f"first [reflexivity | ring{used} | solve [field{used}; repeat split; nonzero]]"

    def order(self, left: Term, relation: str, right: Term) -> str:
        if any(_heads(side, "ln") for side in (left, right)):
            return self.order_of_logs(left, right)
        small, large = (left, right) if relation in ("<", "<=") else (right, left)
        strict = relation in ("<", ">")
        gap = Term("-", (large, small))
        atoms = self.atoms
        new = _signed_factors(atoms.read(gap), atoms)
        name = self.fresh("G")
        sign = "<" if strict else "<="
        return (
            f"(assert ({name} : {text(gap)} = {text(new)}) by {self.arithmetic(gap, new)};\n"
            f"   cut (0 {sign} {text(new)}); [lra|{self.denominators(new)}"
            f"{'; ' if self.denominators(new) else ''}positive])"
        )

    def order_of_logs(self, left: Term, right: Term) -> str:
        """By -ln(1 - a) <= a / (1 - a)."""
        steps = []
        for term in dict.fromkeys(t for side in (left, right) for t in _heads(side, "ln")):
            a = self.atoms.write(sp.expand(1 - self.atoms.read(term.args[0])))
            steps.append(f"pose proof (ln_bound ({text(a)}) ltac:(lra)) as {self.fresh('L')}")
        for term in dict.fromkeys(t for side in (left, right) for t in _heads(side, "INR")):
            steps.append(f"pose proof (pos_INR {term.args[0]})")
        return f"({'; '.join(steps)}; nra)"


def _opened_variance(part: Term) -> Term | None:
    """As Coq's ``unfold variance`` leaves it."""
    if part.head != "variance":
        return None
    mean, body = part.args
    once = Term(mean.head, (body,))
    return Term("-", (Term(mean.head, (Function(body.name, square(body.body)),)), square(once)))


def _signed_factors(e: sp.Expr, atoms: Atoms) -> Term:
    """As a fraction of factors that are positive where every letter lies between 0 and 1."""
    top, bottom = sp.fraction(sp.together(e))
    coefficient = sp.S.One
    sides = []
    for part, sign in ((top, 1), (bottom, -1)):
        number_, powers = sp.factor_list(sp.expand(part))
        coefficient *= number_**sign
        factors = []
        for base, k in powers:
            if _sample(base, atoms) < 0:
                base, coefficient = -base, coefficient * (-1) ** k
            factors.append(atoms.write(base**k))
        sides.append(multiply(*factors))
    if coefficient == 0:
        return number(0)
    head = atoms.write(coefficient)
    return Term("*", (head, Term("/", tuple(sides))))


def _raw_indices(body: Function, at: Index) -> list[tuple[str, str]]:
    """The indices of a term of a sum as Coq has them when the name is replaced, and simplified."""
    out = []
    for part in walk(body.body):
        if isinstance(part, Index) and any(str(s) == body.name for s in part.at.free_symbols):
            raw = re.sub(rf"\b{body.name}\b", str(at).removesuffix("%nat"), str(part))
            simple = str(_at(Function(body.name, Term("", (part,))), at).args[0])
            if raw != simple:
                out.append((raw, simple))
    return out


def _at(body: Function, at: Index) -> Term:
    """The term of a sum at an index."""
    name = sp.Symbol(body.name)

    def change(part: Any) -> Any:
        if isinstance(part, Function):
            return Function(part.name, change(part.body))
        if isinstance(part, Index):
            free = [s for s in part.at.free_symbols if str(s) == str(name)]
            return Index(sp.expand(part.at.subs(dict.fromkeys(free, at.at))))
        if isinstance(part, Term):
            return Term(part.head, tuple(change(a) for a in part.args))
        return part

    return change(body.body)


def _root_power(base: Term, power: Fraction) -> Term:
    """sqrt(base^power), of a positive base."""
    halves = Fraction(power)
    if halves.denominator != 1:
        raise ValueError("a root in a root")
    whole, half = divmod(int(halves), 2)
    parts: list[Term] = []
    if whole:
        up = base if abs(whole) == 1 else Term("^", (base, Index(sp.Integer(abs(whole)))))
        parts.append(up if whole > 0 else Term("inv", (up,)))
    if half:
        parts.append(Term("sqrt", (base,)))
    return multiply(*parts)


def _lower(e: sp.Expr, roots: dict[sp.Symbol, sp.Expr]) -> sp.Expr:
    """With the squares of roots multiplied out, as one fraction."""
    if not roots:
        return e
    top, bottom = sp.fraction(sp.together(e))
    out = []
    for part in (top, bottom):
        part = sp.expand(part)
        for root, inside in roots.items():
            if part.has(root):
                terms = sp.Poly(part, root).terms()
                part = sp.expand(sum(c * inside ** (p // 2) * root ** (p % 2) for (p,), c in terms))
        out.append(part)
    return out[0] / out[1]


def _sample(e: sp.Expr, atoms: Atoms) -> Any:
    """The value where every letter lies between 0 and 1."""
    names = sorted(e.free_symbols, key=lambda s: int(str(s)[1:]))
    return e.subs({name: sp.Rational(2 * n + 1, 4 * n + 5) for n, name in enumerate(names)})
