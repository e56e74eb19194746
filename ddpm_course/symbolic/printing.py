r"""LaTeX in the order in which a person wrote it.

SymPy's printer sorts terms and merges fractions. This one prints the tree as it stands: a product
is printed in its order, a quotient is a fraction, a root is a root. The object printed is the
object proved.
"""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.printing.latex import LatexPrinter

from . import notation as nt

REACHING = (
    sp.log,
    sp.Sum,
    sp.Product,
    sp.Limit,
    nt.Gradient,
    nt.Least,
)  # over all that stands behind them
TALL = (r"\frac", r"\sum", r"\prod", r"\int", r"\left", r"^{2}}")


def bracket(inner: str, left: str = "(", right: str = ")") -> str:
    """Brackets that grow only where what is inside is tall."""
    if any(mark in inner for mark in TALL):
        return rf"\left{left} {inner} \right{right}"
    return f"{left}{inner}{right}"


def negated(e: sp.Expr) -> sp.Expr | None:
    """The expression without its leading minus, or None when it has none."""
    if e.is_Number and e.is_negative:
        return -e
    if e.is_Mul:
        first, *rest = e.args
        bare = negated(first)
        if bare is None:
            return None
        factors = ([] if bare == 1 else [bare]) + rest
        return factors[0] if len(factors) == 1 else sp.Mul(*factors, evaluate=False)
    return None


def inverse(e: sp.Expr) -> sp.Expr | None:
    """b where the expression is 1/b, else None."""
    if e.is_Pow and e.exp.is_Number and e.exp.is_negative:
        return e.base if e.exp == -1 else sp.Pow(e.base, -e.exp, evaluate=False)
    return None


def _bare(e: sp.Expr) -> sp.Expr:
    """Without the 1 that SymPy puts in front of what it sums or integrates."""
    return e.args[1] if e.is_Mul and e.args[0] == 1 and len(e.args) == 2 else e


class Printer(LatexPrinter):
    """The printer of the book."""

    def __init__(self) -> None:
        super().__init__({"order": "none"})

    def _print_Add(self, e: sp.Expr, order: Any = None) -> str:
        out = ""
        terms: list[sp.Expr] = []
        stack = list(reversed(e.args))
        while stack:
            term = stack.pop()
            if term.is_Add:
                stack.extend(reversed(term.args))
            else:
                terms.append(term)
        for n, term in enumerate(terms):
            bare = negated(term)
            text = self._term(bare if bare is not None else term)
            sign = ("-" if n == 0 else " - ") if bare is not None else ("" if n == 0 else " + ")
            out += sign + text
        return out

    def _term(self, e: sp.Expr) -> str:
        return bracket(self._print(e)) if e.is_Add else self._print(e)

    def _factor(self, e: sp.Expr, last: bool = True) -> str:
        """A factor; what reaches over all that follows it gets brackets, unless it is the last."""
        if e.is_Add or (not last and isinstance(e, REACHING)):
            return bracket(self._print(e))
        if negated(e) is not None:
            return bracket(self._print(e))
        return self._print(e)

    def _print_Mul(self, e: sp.Expr) -> str:
        if e.args[0] == 1 and len(e.args) == 2:  # SymPy's integrals put a 1 in front
            return self._print(e.args[1])
        bare = negated(e)
        if bare is not None:
            return "-" + self._term(bare)
        pieces: list[str | sp.Expr] = []
        numerator: list[sp.Expr] = []

        def flush() -> None:
            pieces.extend(numerator)
            numerator.clear()

        def walk(node: sp.Expr) -> None:
            """Factors from left to right; a quotient takes what its own node has on the left."""
            for factor in node.args:
                bottom = inverse(factor)
                if bottom is not None:
                    top = self._product(numerator) if numerator else "1"
                    numerator.clear()
                    pieces.append(rf"\frac{{{top}}}{{{self._print(bottom)}}}")
                elif factor.is_Mul:
                    if factor is not node.args[0]:
                        flush()
                    walk(factor)
                    if factor is not node.args[0]:
                        flush()
                else:
                    numerator.append(factor)

        walk(e)
        flush()
        end = len(pieces) - 1
        return self._joined(
            [p if isinstance(p, str) else self._factor(p, n == end) for n, p in enumerate(pieces)]
        )

    def _product(self, factors: list[sp.Expr]) -> str:
        if len(factors) == 1:
            return self._print(factors[0])
        end = len(factors) - 1
        return self._joined([self._factor(f, n == end) for n, f in enumerate(factors)])

    def _joined(self, pieces: list[str]) -> str:
        out = pieces[0]
        for before, piece in zip(pieces, pieces[1:]):
            digits = piece[0].isdigit() or (before[-1].isdigit() and piece.startswith(r"\frac"))
            tall = before.startswith((r"\sqrt", r"\frac")) or before.endswith(("]", r"\right)"))
            word = piece.startswith((r"\exp", r"\log", r"\lVert", r"\sqrt", r"\mathrm{KL}"))
            density = piece[0] in "pq" or piece.startswith(r"\mathcal")
            if digits:
                gap = r" \cdot "
            elif tall or word or (before.endswith(")") and density):
                gap = r"\, "
            else:
                gap = " "
            out += gap + piece
        return out

    def _print_Pow(self, e: sp.Expr) -> str:
        bottom = inverse(e)
        if bottom is not None:
            return rf"\frac{{1}}{{{self._print(bottom)}}}"
        if e.exp == sp.S.Half and e.has(nt.Spread):
            return f"{bracket(self._print(e.base))}^{{1/2}}"  # the root of a matrix
        if e.exp == sp.S.Half:
            return rf"\sqrt{{{self._print(e.base)}}}"
        if isinstance(e.base, (sp.cos, sp.sin)):
            name = type(e.base).__name__
            return rf"\{name}^{{{self._print(e.exp)}}}" + bracket(self._print(e.base.args[0]))
        base = self._print(e.base)
        simple = isinstance(e.base, (nt.Sequence, sp.Symbol, nt.Vector, nt.Grouped)) or (
            e.base.is_Integer and e.base >= 0
        )
        simple = simple and not isinstance(e.base, (nt.Network, nt.mu_tilde, nt.snr))
        simple = simple and "^" not in base
        # A subscript with a power: \bar\alpha_t^{2}.
        return f"{base if simple else bracket(base)}^{{{self._print(e.exp)}}}"

    def _print_Rational(self, e: sp.Rational) -> str:
        if e.q == 1:
            return str(e.p)
        sign = "-" if e.p < 0 else ""
        return rf"{sign}\frac{{{abs(e.p)}}}{{{e.q}}}"

    def _print_Symbol(self, e: sp.Symbol, style: str = "plain") -> str:
        return e.name

    def _index(self, at: sp.Expr) -> str:
        """t-1, not -1+t: symbols first, numbers last."""
        terms = sorted(sp.Add.make_args(at), key=lambda a: (a.is_Number, negated(a) is not None))
        return self._print(sp.Add(*terms, evaluate=False)).replace(" ", "")

    def _sub(self, tex: str, at: sp.Expr) -> str:
        inner = self._index(at)
        return f"{tex}_{inner}" if len(inner) == 1 else f"{tex}_{{{inner}}}"

    def _print_Indexed(self, e: nt.Indexed) -> str:
        return self._sub(e.tex, e.at)

    _print_beta = _print_alpha = _print_alpha_bar = _print_beta_tilde = _print_sigma = (
        _print_Indexed
    )
    _print_cosine_share = _print_data_variance = _print_Frequency = _print_Weights = (
        _print_Averaged
    ) = _print_Spread = _print_Indexed
    _print_QueryNoise = _print_KeyNoise = _print_weight = _print_Loss = _print_Edge = _print_x = (
        _print_eps_at
    ) = _print_Indexed

    _print_half_log_snr = _print_Open = _print_Masked = _print_Said = _print_Indexed

    def _print_snr(self, e: nt.snr) -> str:
        return rf"{e.tex}({self._index(e.at)})"

    def _arguments(self, args: Any) -> str:
        return ", ".join(self._print(a) for a in args)

    def _print_Continuous(self, e: nt.Continuous) -> str:
        return e.tex + bracket(self._print(e.args[0]))

    def _print_Network(self, e: nt.Network) -> str:
        return e.tex + bracket(self._arguments(e.args))

    _print_eps_theta = _print_mu_theta = _print_Sigma_theta = _print_x0_hat = _print_Network

    def _print_mu_tilde(self, e: nt.mu_tilde) -> str:
        return self._sub(e.tex, e.at) + bracket(self._arguments(e.args))

    def _print_Norm2(self, e: nt.Norm2) -> str:
        inner = self._print(e.args[0])
        if any(mark in inner for mark in TALL):
            return rf"\left\lVert {inner} \right\rVert^2"
        return rf"\lVert {inner} \rVert^2"

    def _print_Normal(self, e: nt.Normal) -> str:
        at, mean, var, identity = e.args
        spread = self._factor(var) if identity and var != 1 else self._print(var)
        if identity:
            spread = (
                "I" if var == 1 else spread + (r"\, I" if spread.startswith(r"\frac") else " I")
            )
        head = "" if at == nt.ANY else f"{self._print(at)};\\, "
        return r"\mathcal N" + bracket(f"{head}{self._print(mean)},\\, {spread}")

    def _print_Density(self, e: nt.Density) -> str:
        name, variables, given = e.args
        bar = rf" \mid {self._arguments(given)}" if given else ""
        return f"{name.name}({self._arguments(variables)}{bar})"

    def _print_States(self, e: nt.States) -> str:
        return rf"x_{{{self._index(e.args[0])}:{self._index(e.args[1])}}}"

    def _expectation(self, head: str, e: nt.E) -> str:
        of, given, over, _ = e.args
        sub = f"_{{{over.name}}}" if over.name.strip() else ""
        bar = rf" \mid {self._arguments(given)}" if given else ""
        return head + sub + bracket(self._print(of) + bar, "[", "]")

    def _print_E(self, e: nt.E) -> str:
        return self._expectation(r"\mathbb E", e)

    def _print_Var(self, e: nt.Var) -> str:
        return self._expectation(r"\operatorname{Var}", e)

    def _print_KL(self, e: nt.KL) -> str:
        a, b = (self._print(a) for a in e.args)
        inner = rf"{a} \,\Vert\, {b}"
        return r"\mathrm{KL}" + (
            rf"\left( {inner} \right)" if any(m in inner for m in TALL) else rf"\big( {inner} \big)"
        )

    def _print_Over(self, e: nt.Over) -> str:
        of, by = e.args
        return rf"\int {self._factor(of)} \, d{self._print(by)}"

    def _print_Least(self, e: nt.Least) -> str:
        of, by = e.args
        return rf"\min_{{{self._print(by)}}} {self._factor(of)}"

    def _print_Guess(self, e: nt.Guess) -> str:
        return f"f({self._arguments(e.args)})"

    def _print_Trace(self, e: nt.Trace) -> str:
        return r"\operatorname{tr}" + bracket(self._print(e.args[0]))

    def _print_Softmax(self, e: nt.Softmax) -> str:
        return r"\operatorname{softmax}" + bracket(self._print(e.args[0]))

    def _print_Transposed(self, e: nt.Transposed) -> str:
        whole = e.args[0]
        inner = self._print(whole)
        return (inner if isinstance(whole, sp.Symbol) else bracket(inner)) + r"^\top"

    def _print_Inner(self, e: nt.Inner) -> str:
        return rf"{self._factor(e.args[0])} \cdot {self._factor(e.args[1])}"

    def _print_Similarity(self, e: nt.Similarity) -> str:
        return f"s_{{{self._print(e.args[0])}{self._print(e.args[1])}}}"

    def _print_Embedding(self, e: nt.Embedding) -> str:
        return f"e({self._print(e.args[0])})"

    def _print_Run(self, e: nt.Run) -> str:
        body, variable, low, high = e.args
        with nt.as_written():
            ends = [self._print(body.xreplace({variable: end})) for end in (low, high)]
        return r",\, \ldots,\, ".join(ends)

    def _print_Tuple(self, e: sp.Tuple) -> str:
        return r"\big(" + r",\; ".join(self._print(a) for a in e.args) + r"\big)"

    def _print_Gradient(self, e: nt.Gradient) -> str:
        of, by = e.args
        return rf"\nabla_{{\! {self._print(by)}}} {self._factor(of)}"

    def _print_Grouped(self, e: nt.Grouped) -> str:
        return rf"\left[ {self._print(e.args[0])} \right]"

    def _print_exp(self, e: sp.Expr, exp: Any = None) -> str:
        inner = self._print(e.args[0])
        return r"\exp" + (r"\!" if any(m in inner for m in TALL) else "") + bracket(inner)

    def _print_log(self, e: sp.Expr, exp: Any = None) -> str:
        arg = e.args[0]
        inner = self._print(arg)
        of_product = arg.is_Mul and not (inverse(arg.args[-1]) and inner.count(r"\frac") == 1)
        if arg.is_Add or of_product or negated(arg) is not None:
            return r"\log" + (r"\!" if any(m in inner for m in TALL) else "") + bracket(inner)
        return rf"\log {inner}"

    def _trig(self, e: sp.Expr) -> str:
        inner = self._print(e.args[0])
        return rf"\{type(e).__name__}" + (r"\!" if r"\frac" in inner else "") + bracket(inner)

    def _print_cos(self, e: sp.Expr, exp: Any = None) -> str:
        return self._trig(e)

    def _print_sin(self, e: sp.Expr, exp: Any = None) -> str:
        return self._trig(e)

    def _print_gamma(self, e: sp.Expr, exp: Any = None) -> str:
        return r"\Gamma" + bracket(self._print(e.args[0]))

    def _big(self, head: str, e: sp.Expr) -> str:
        (variable, low, high), body = e.limits[0], e.function
        body = _bare(body)
        low, high = self._print(low), self._print(high)
        inner = self._factor(body)
        return rf"{head}_{{{self._print(variable)}={low}}}^{{{high}}} {inner}"

    def _print_Sum(self, e: sp.Sum) -> str:
        return self._big(r"\sum", e)

    def _print_Product(self, e: sp.Product) -> str:
        return self._big(r"\prod", e)

    def _print_Integral(self, e: sp.Integral) -> str:
        variable, *bounds = e.limits[0]
        ends = "_{{{}}}^{{{}}}".format(*(self._print(b) for b in bounds)) if bounds else ""
        body = self._factor(_bare(e.function))
        return rf"\int{ends} {body} \, d{self._print(variable)}"

    def _print_Limit(self, e: sp.Limit) -> str:
        of, variable, to, _ = e.args
        return rf"\lim_{{{self._print(variable)} \to {self._print(to)}}} {self._factor(of)}"

    def _print_Infinity(self, e: Any) -> str:
        return r"\infty"

    def _print_Min(self, e: sp.Min, exp: Any = None) -> str:
        # SymPy sorts the arguments; a person puts the plain bound last.
        return r"\min" + bracket(self._arguments(sorted(e.args, key=lambda a: a.is_Symbol)))


def latex(e: Any) -> str:
    """The LaTeX of an expression, in the order in which it was written."""
    return Printer().doprint(e)
