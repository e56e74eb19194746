r"""Reads LaTeX back: what a reader sees, as an expression that has a value in a world.

It shares nothing with ``printing``: it knows the notation of the book and the usual rules of
reading. A sum, a product, a logarithm, a limit, a gradient and a least value reach over the rest
of the product behind them; a letter has to be one of the claim's.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import sympy as sp

from . import notation as nt


class Unreadable(ValueError):
    """A formula that the reader does not understand."""


class Token(NamedTuple):
    text: str
    start: int
    spaced: bool  # a thin space stands before it


TOKEN = re.compile(r"\\[a-zA-Z]+|\\[,;!>: ]|\\\||\d+(?:\.\d+)?|\S")
NUMBER = re.compile(r"\d+(\.\d+)?")
SPACES = {r"\,", r"\;", r"\!", r"\>", r"\:", r"\ ", r"\displaystyle", r"\quad"}
SIZES = {r"\left", r"\right", r"\big", r"\Big", r"\bigl", r"\bigr"}
CLOSING = {"(": ")", "[": "]", "{": "}", r"\lVert": r"\rVert"}
RELATIONS = {
    "=": "=",
    "<": "<",
    ">": ">",
    r"\le": r"\le",
    r"\ge": r"\ge",
    r"\propto": r"\propto",
}
INDEXED = {
    (r"\bar", r"\alpha"): nt.alpha_bar,
    (r"\tilde", r"\beta"): nt.beta_tilde,
    (r"\bar", r"\theta"): nt.Averaged,
    (r"\alpha",): nt.alpha,
    (r"\beta",): nt.beta,
    (r"\sigma",): nt.sigma,
    (r"\epsilon",): nt.eps_at,
    (r"\lambda",): nt.half_log_snr,
    (r"\omega",): nt.Frequency,
    (r"\theta",): nt.Weights,
    (r"\Sigma",): nt.Spread,
    (r"\delta",): nt.Edge,
    ("v",): nt.data_variance,
    ("w",): nt.weight,
    ("f",): nt.cosine_share,
    (r"\hat", "p"): nt.Said,
    ("o",): nt.Open,
    ("m",): nt.Masked,
    ("x",): nt.x,
    ("L",): nt.Loss,
    ("q",): nt.QueryNoise,
    ("k",): nt.KeyNoise,
}
NETWORKS = {
    (r"\epsilon", "_", r"\theta"): nt.eps_theta,
    (r"\mu", "_", r"\theta"): nt.mu_theta,
    (r"\Sigma", "_", r"\theta"): nt.Sigma_theta,
    (r"\hat", "x", "_", "0"): nt.x0_hat,
}
PLAIN = {r"\exp": sp.exp, r"\sin": sp.sin, r"\cos": sp.cos, r"\Gamma": sp.gamma}
INDICES = (nt.t, nt.T, nt.n, nt.s, nt.i, nt.k)


def tokens(text: str) -> list[Token]:
    out, spaced = [], False
    for found in TOKEN.finditer(text):
        word = found.group()
        if word in SPACES:
            spaced = spaced or word == r"\,"
        elif word not in SIZES:
            out.append(Token(word, found.start(), spaced))
            spaced = False
    return out


class Reader:
    """Reads one formula from left to right.

    Args:
        text: LaTeX.
        letters: the letters that may stand in it.
    """

    def __init__(self, text: str, letters: Iterable[sp.Symbol] = ()) -> None:
        self.text, self.tokens, self.place = text, tokens(text), 0
        names = {tuple(one.text for one in tokens(letter.name)): letter for letter in letters}
        names.pop((), None)  # a mean without a subscript
        self.names = sorted(names.items(), key=lambda pair: -len(pair[0]))
        self.differential = 0  # integrals that are open

    # -- tokens ------------------------------------------------------------------------------------

    def peek(self, ahead: int = 0) -> str:
        at = self.place + ahead
        return self.tokens[at].text if at < len(self.tokens) else ""

    def take(self, *wanted: str) -> str:
        found = self.peek()
        if not found or (wanted and found not in wanted):
            raise Unreadable(
                f"{self.text}: {' or '.join(wanted) or 'more'} expected, {found!r} found"
            )
        self.place += 1
        return found

    def starts(self, words: tuple[str, ...]) -> bool:
        return all(self.peek(n) == word for n, word in enumerate(words))

    def skip(self, words: tuple[str, ...]) -> bool:
        if self.starts(words):
            self.place += len(words)
            return True
        return False

    def braced(self) -> Any:
        """What stands in {braces}, or one token."""
        if self.peek() == "{":
            self.take("{")
            value = self.sum()
            self.take("}")
            return value
        return self.atom()

    def argument(self) -> Any:
        """What a fraction takes: what stands in {braces}, or one sign: the 1 of ``\\tfrac12``."""
        found = self.tokens[self.place] if self.peek() else None
        if found and found.text.isdigit() and len(found.text) > 1:
            first, rest = found.text[0], found.text[1:]
            self.tokens[self.place] = Token(rest, found.start + 1, False)
            return sp.Integer(first)
        return self.braced()

    def raw(self) -> str:
        """What stands in {braces}, as it is written."""
        self.take("{")
        start, depth = self.tokens[self.place].start, 1
        while depth:
            word = self.take()
            depth += (word == "{") - (word == "}")
        return self.text[start : self.tokens[self.place - 1].start].strip()

    # -- grammar -----------------------------------------------------------------------------------

    def whole(self) -> Any:
        value = self.sum()
        if self.peek():
            raise Unreadable(f"{self.text}: what is {self.peek()!r} here?")
        return value

    def sum(self) -> Any:
        terms, sign = [], 1
        while self.peek() in ("+", "-"):
            sign *= -1 if self.take() == "-" else 1
        while True:
            term = self.product()
            terms.append(sp.Mul(sp.S.NegativeOne, term) if sign < 0 else term)
            if self.peek() not in ("+", "-"):
                return terms[0] if len(terms) == 1 else sp.Add(*terms)
            sign = 1
            while self.peek() in ("+", "-"):
                sign *= -1 if self.take() == "-" else 1

    def ends(self) -> bool:
        """Whether a product ends here."""
        word = self.peek()
        stops = {
            "",
            "+",
            "-",
            ")",
            "]",
            "}",
            r"\rVert",
            ",",
            ";",
            r"\mid",
            r"\Vert",
            r"\|",
            ":",
            "/",
            "&",
            ".",
        }
        if word in stops or word in RELATIONS or word in (r"\to", r"\ldots"):
            return True
        return word == "d" and self.differential > 0 and self.tokens[self.place].spaced

    def product(self) -> Any:
        factors: list[Any] = []
        while not self.ends():
            if self.peek() == r"\cdot":
                self.take()
                if factors and isinstance(factors[-1], nt.Embedding | sp.Symbol):
                    factors.append(nt.Inner(factors.pop(), self.factor()))
                continue
            if self.peek() == r"\cdots":
                self.take()
                factors[-2:] = [self.filled(factors[-2:], self.factor())]
                continue
            factors.append(self.factor())
            if self.peek() == "/":
                self.take()
                factors.append(sp.Pow(self.factor(), sp.S.NegativeOne))
        if not factors:
            raise Unreadable(f"{self.text}: something is missing before {self.peek()!r}")
        return factors[0] if len(factors) == 1 else sp.Mul(*factors)

    def filled(self, first: list[Any], last: Any) -> Any:
        """The product that begins with two neighbors of a sequence, goes on, and ends."""
        kinds = {type(one) for one in (*first, last)}
        known = len(first) == 2 and len(kinds) == 1 and isinstance(last, nt.Indexed)
        if not known or nt.index(first[1].at - first[0].at) != 1:
            raise Unreadable(f"{self.text}: what do the dots stand for?")
        return sp.Product(type(last)(nt.s), (nt.s, first[0].at, last.at))

    def factor(self) -> Any:
        value = self.atom()
        if self.peek() == "!":
            self.take()
            value = sp.factorial(value, evaluate=False)
        while self.peek() == "^":
            if self.peek(1) == r"\top":
                self.place += 2
                value = nt.Transposed(value)
                continue
            self.take("^")
            value = sp.Pow(value, self.exponent())
        return value

    def exponent(self) -> Any:
        if self.starts(("{", "1", "/", "2", "}")):
            self.place += 5
            return sp.S.Half
        return self.braced()

    def bracket(self) -> Any:
        opening = self.take("(", "[", "{")
        outer, self.differential = self.differential, 0
        value = self.sum()
        self.differential = outer
        self.take(CLOSING[opening])
        return value

    def listed(self, *stops: str) -> list[Any]:
        """Values between commas, up to a closing bracket or a stop."""
        out = [self.sum()]
        while self.peek() == ",":
            self.take(",")
            out.append(self.sum())
        if self.peek() not in stops:
            raise Unreadable(f"{self.text}: {' or '.join(stops)} expected, {self.peek()!r} found")
        return out

    def atom(self) -> Any:
        outer, word = self.differential, self.peek()
        if word in CLOSING or word in PLAIN or word in (r"\frac", r"\tfrac", r"\sqrt"):
            self.differential = 0
        try:
            return self._atom(word)
        finally:
            self.differential = outer

    def _atom(self, word: str) -> Any:
        if NUMBER.fullmatch(word):
            return sp.Rational(self.take())
        if word == r"\lVert":
            self.take()
            inner = self.sum()
            self.take(r"\rVert")
            self.take("^")
            if self.braced() != 2:
                raise Unreadable(f"{self.text}: a length that is not squared")
            return nt.Norm2(inner)
        if word in ("(", "[", "{"):
            return self._tuple() if word == "(" and r"\ldots" in self.text else self.bracket()
        for special in (self._function, self._operator, self._law, self._letter):
            value = special(word)
            if value is not None:
                return value
        raise Unreadable(f"{self.text}: {word!r} is no letter of this claim")

    def _tuple(self) -> Any:
        """First, dots, last, first, dots, last."""
        self.take("(")
        out = []
        while True:
            first = self.sum()
            self.take(",")
            self.take(r"\ldots")
            self.take(",")
            out += [first, self.sum()]
            if self.take(",", ")") == ")":
                return sp.Tuple(*out)

    def _function(self, word: str) -> Any:
        if word in (r"\frac", r"\tfrac"):
            self.take()
            top = self.argument()
            return sp.Mul(top, sp.Pow(self.argument(), sp.S.NegativeOne))
        if word == r"\sqrt":
            self.take()
            return sp.Pow(self.braced(), sp.S.Half)
        if word == r"\pi":
            self.take()
            return sp.pi
        if word == r"\infty":
            self.take()
            return sp.oo
        if word in PLAIN and self.peek(1) in ("(", "^", "["):
            self.take()
            power = None
            if self.peek() == "^":
                self.take()
                power = self.braced()
            value = PLAIN[word](self.bracket(), evaluate=False)
            return value if power is None else sp.Pow(value, power)
        if word == r"\log":
            self.take()
            base = None
            if self.peek() == "_":
                self.take()
                base = self.argument()
            value = sp.log(self.product(), evaluate=False)
            return value if base is None else value / sp.log(base, evaluate=False)
        if word == r"\mathrm" and self.starts((r"\mathrm", "{", "S", "N", "R", "}")):
            self.place += 6
            return nt.snr(self.bracket())
        if word == r"\operatorname":
            for name, kind in (("tr", nt.Trace), ("softmax", nt.Softmax)):
                if self.skip((r"\operatorname", "{", *name, "}")):
                    return kind(self.bracket())
        if word == r"\min" and self.peek(1) == "(":
            self.take()
            self.take("(")
            values = self.listed(")")
            self.take(")")
            return sp.Min(*values, evaluate=False)
        return None

    def _operator(self, word: str) -> Any:
        """What reaches over the rest of the product."""
        if word in (r"\sum", r"\prod"):
            self.take()
            self.take("_")
            self.take("{")
            variable = self.letter()
            self.take("=")
            low = self.sum()
            self.take("}")
            self.take("^")
            high = self.braced()
            kind = sp.Sum if word == r"\sum" else sp.Product
            return kind(self.product(), (variable, low, high))
        if word == r"\int":
            return self._integral()
        if word == r"\lim":
            self.take()
            self.take("_")
            self.take("{")
            variable = self.letter()
            self.take(r"\to")
            to = self.sum()
            self.take("}")
            return sp.Limit(self.product(), variable, to)
        if word == r"\nabla":
            self.take()
            self.take("_")
            by = self.braced()
            return nt.Gradient(self.product(), by)
        if word == r"\min":
            self.take()
            self.take("_")
            name = sp.Symbol(self.raw())
            return nt.Least(self.product(), name)
        return None

    def _integral(self) -> Any:
        self.take(r"\int")
        ends = []
        if self.peek() == "_":
            for mark in ("_", "^"):
                self.take(mark)
                ends.append(self.braced())
        self.differential += 1
        body = self.product()
        self.take("d")
        self.differential -= 1
        if not ends:
            return nt.Over(body, self.atom())
        return sp.Integral(body, (self.letter(), *ends))

    def letter(self) -> sp.Symbol:
        value = self._letter(self.peek())
        if not isinstance(value, sp.Symbol):
            raise Unreadable(f"{self.text}: a letter expected, {value} found")
        return value

    def _law(self, word: str) -> Any:
        """Means, variances, divergences, Gaussians and densities."""
        for name, kind in (
            ((r"\mathbb", "E"), nt.E),
            ((r"\mathbb", "{", "E", "}"), nt.E),
            ((r"\operatorname", "{", *"Var", "}"), nt.Var),
        ):
            if self.skip(name):
                over = ""
                if self.peek() == "_":
                    self.take()
                    over = self.raw() if self.peek() == "{" else self.take()
                self.take("[")
                of, given = self.sum(), []
                if self.peek() == r"\mid":
                    self.take()
                    given = self.listed("]")
                self.take("]")
                return kind(of, given, over)
        if self.skip((r"\mathrm", "{", "K", "L", "}", "(")):
            one = self.sum()
            self.take(r"\Vert", r"\|")
            two = self.sum()
            self.take(")")
            return nt.KL(one, two)
        if self.skip((r"\mathcal", "N", "(")):
            return self._normal()
        for law, tex in (("q", ("q",)), (r"p_\theta", ("p", "_", r"\theta")), ("p", ("p",))):
            if self.starts((*tex, "(")):
                self.place += len(tex) + 1
                variables, given = self.listed(")", r"\mid"), []
                if self.take(")", r"\mid") == r"\mid":
                    given = self.listed(")")
                    self.take(")")
                return nt.Density(law, variables, given)
        return None

    def _normal(self) -> Any:
        at, mean = None, self.sum()
        if self.peek() == ";":
            self.take()
            at, mean = mean, self.sum()
        self.take(",")
        end, depth = self.place, 1
        while depth:
            word = self.tokens[end].text
            depth += (word == "(") - (word == ")")
            end += 1
        identity = self.tokens[end - 2].text == "I"
        if identity:
            del self.tokens[end - 2]
        var = sp.S.One if identity and self.peek() == ")" else self.sum()
        self.take(")")
        return nt.Normal(at, mean, var, identity)

    def _letter(self, word: str) -> Any:
        for words, kind in NETWORKS.items():
            if self.starts((*words, "(")) and self._arguments_at(len(words)):
                self.place += len(words) + 1
                values = self.listed(")")
                self.take(")")
                return kind(*values)
        if self.skip((r"\tilde", r"\mu", "_")):
            at = self.braced()
            self.take("(")
            state, clean = self.listed(")")
            self.take(")")
            if state != nt.x(at):
                raise Unreadable(f"{self.text}: the time {at} of a mean is not that of {state}")
            return nt.mu_tilde(state, clean)
        for names, letter in self.names:
            if self.starts(names) and self.peek(len(names)) != "_":
                self.place += len(names)
                return letter
        if word == "e" and self.peek(1) == "(":
            self.take()
            return nt.Embedding(self.bracket())
        if word == "f" and self.peek(1) == "(":
            self.take()
            return nt.Guess(self.bracket())
        if word == r"\beta" and self.peek(1) == "(":
            self.take()
            return nt.Continuous(self.bracket())
        if word == "s" and self.peek(1) == "_" and self.peek(2) == "{":
            self.place += 3
            one, two = self.letter(), self.letter()
            self.take("}")
            return nt.Similarity(one, two)
        for words, kind in INDEXED.items():
            if self.starts((*words, "_")):
                self.place += len(words) + 1
                if self.peek() != "{":
                    return kind(self.atom())
                self.take("{")
                first = self.sum()
                if kind is nt.x and self.peek() == ":":
                    self.take()
                    value: Any = nt.States(first, self.sum())
                else:
                    value = kind(first)
                self.take("}")
                return value
        for index in INDICES:
            if word == index.name:
                self.take()
                return index
        return None

    def _arguments_at(self, ahead: int) -> bool:
        """Whether the bracket there holds arguments, with a comma between them."""
        depth = 0
        while self.peek(ahead):
            word = self.peek(ahead)
            depth += (word in ("(", "[", "{")) - (word in (")", "]", "}"))
            if depth == 0:
                return False
            if word == "," and depth == 1:
                return True
            ahead += 1
        return False


def read(text: str, letters: Iterable[sp.Symbol] = ()) -> Any:
    """The expression that LaTeX means.

    Args:
        text: a formula without a relation.
        letters: the letters that may stand in it, beside those that the whole book knows.

    Raises:
        Unreadable: it is no formula of this notation; the sentence names the place.
    """
    with nt.as_written():
        return Reader(text, letters).whole()


def relations(text: str) -> tuple[list[str], list[str]]:
    """A line of equations, cut at its relations: the sides, and what stands between them."""
    found, depth, cuts = tokens(text), 0, []
    for token in found:
        depth += (token.text in CLOSING) - (token.text in CLOSING.values())
        if depth == 0 and token.text in RELATIONS:
            cuts.append(token)
    starts = [0, *(cut.start + len(cut.text) for cut in cuts)]
    stops = [*(cut.start for cut in cuts), len(text)]
    return [text[a:b].strip() for a, b in zip(starts, stops)], [RELATIONS[c.text] for c in cuts]
