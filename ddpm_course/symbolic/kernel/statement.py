"""From a step of a derivation to a statement of Coq.

This file is what has to be trusted, with the definitions in ``prelude.v``: it reads the expressions
of a step and writes what they say, with all that the step takes for granted as hypotheses. How a
statement is proved (``script.py``) needs no trust: Coq's kernel checks it.

Nothing here comes from ``algebra``: what a mean, a density or a norm is, is said in Coq.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import sympy as sp

from .. import algebra
from .. import notation as nt
from ..citing import applied, at_time
from ..claim import ASSUMED, HYPOTHESIS, Claim, Step
from ..methods import DEFINITION
from .term import Function, Index, Term, number, square, substituted, text, variable

RELATIONS = {"=": "=", r"\le": "<=", r"\ge": ">=", "<": "<", ">": ">"}


class Refused(ValueError):
    """A step that cannot be said in Coq with what is here; the sentence says why."""


class Hypothesis(NamedTuple):
    """What a statement takes for granted: its name in Coq, what it says, and in parts.

    ``rule`` is (bound names, left, right) where it is an equation that replaces its left side;
    ``sign`` is ("<", term) where it is 0 < term, with "<=" or "<>" in place of "<", too.
    """

    name: str
    says: str
    rule: tuple[tuple[str, ...], Term, Term] | None = None
    sign: tuple[str, Term] | None = None


@dataclass(frozen=True)
class Statement:
    """For all ``variables`` that meet the hypotheses, left and right are in this relation."""

    name: str
    variables: tuple[tuple[str, str], ...]
    hypotheses: tuple[Hypothesis, ...]
    left: Term
    relation: str
    right: Term
    bound: tuple[str, ...] = ()  # names that the conclusion is for all of
    over: str = ""  # the index of an induction: the conclusion is for all of them, from 1 on
    facts: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def conclusion(self) -> str:
        said = f"{text(self.left)} {self.relation} {text(self.right)}"
        if self.over:
            return f"forall {self.over}, (1 <= {self.over})%nat -> {said}"
        return f"forall {' '.join(self.bound)}, {said}" if self.bound else said

    @property
    def groups(self) -> list[tuple[list[str], str]]:
        """The variables, those of one kind together."""
        groups: dict[str, list[str]] = {}
        for name, kind in self.variables:
            groups.setdefault(kind, []).append(name)
        return [(names, kind) for kind, names in groups.items()]

    @property
    def says(self) -> str:
        """The whole proposition."""
        given = " ".join(f"({' '.join(names)} : {kind})" for names, kind in self.groups)
        lines = [f"forall {given}," if given else ""]
        lines += [f"  {one.says} ->" for one in self.hypotheses]
        lines.append(f"  {self.conclusion}")
        return "\n".join(line for line in lines if line)

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.says.encode()).hexdigest()[:16]

    def changed(self, left: Term, relation: str, right: Term) -> Statement:
        """The same with another conclusion."""
        return replace(self, left=left, relation=relation, right=right)


# -- names -----------------------------------------------------------------------------------------

LETTERS = {
    r"\epsilon": "eps",
    r"\hat\epsilon": "eps_hat",
    r"\hat x_0": "x0_hat",
    r"\hat x_0'": "x0_before",
    r"\hat x_0^{\to}": "x0_ahead",
    r"\hat v": "v_hat",
    r"\mu_1": "mu_1",
    r"\mu_2": "mu_2",
    r"\sigma_1^2": "var_1",
    r"\sigma_2^2": "var_2",
    r"\mathrm{SNR}": "snr",
    r"\epsilon_\theta": "eps_theta",
    r"\mu_\theta": "mu_theta",
    r"\Sigma_\theta": "Sigma_theta",
    r"p_\theta": "p_theta",
    r"\beta_{\max}": "beta_max",
}
# Words that mean something in Coq, or in the prelude.
TAKEN = {"I", "R", "O", "S", "E", "at", "in", "as", "end", "fun", "let", "PI", "exp", "ln", "sqrt"}
TAKEN |= {"beta", "alpha", "alpha_bar", "schedule", "Sum", "Prod", "norm2", "normal", "variance"}
TAKEN |= {"expectation", "integral", "Int", "KL", "N", "Dist", "Om"}


def letter(tex: str) -> str:
    """A name of ours as a word of Coq."""
    if tex in LETTERS:
        return LETTERS[tex]
    name = re.sub(r"[^A-Za-z0-9]+", "_", tex.replace("'", "_later")).strip("_") or "v"
    return name + "_" if name in TAKEN or not name[0].isalpha() else name


def time_name(at: sp.Expr) -> str:
    return re.sub(r"\W+", "", str(sp.expand(at)).replace("-", "m").replace("+", "p"))


def density_name(e: nt.Density) -> str:
    """q(x_t | x_{t-1}) is the function ``q_t_given_tm1``."""
    name, variables, given = e.args

    def joined(states: Any) -> str:
        words = []
        for state in states:
            if isinstance(state, nt.x):
                words.append(time_name(state.at))
            elif isinstance(state, sp.Symbol):
                words.append(letter(state.name))
            else:
                raise Refused(f"the density of {state} is not of states one by one")
        return "_".join(words)

    return f"{letter(name.name)}_{joined(variables)}" + (f"_given_{joined(given)}" if given else "")


INDICES = {nt.t, nt.T, nt.n, nt.s, nt.i, nt.k, nt.d, sp.Symbol("r", integer=True, positive=True)}
RANDOM = (nt.x, nt.RandomLetter, nt.NoiseLetter, nt.eps_at)


class Place(NamedTuple):
    """Where an expression stands: in which mean, in which component of a vector, under which
    names."""

    mean: str = ""
    given: tuple[Any, ...] = ()
    component: Any = None
    bound: tuple[tuple[Any, Term], ...] = ()

    def named(self, *pairs: tuple[Any, Term]) -> Place:
        return self._replace(bound=(*pairs, *self.bound))


VALUES = Place()
DISTRIBUTION = Place(mean="Dist")
# Names that only binders have: no letter of the book becomes one.
POINT = "w'"  # what a random variable is a function of

COMPONENT = "i'"


class Writer:
    """Writes expressions, and keeps account of what their letters are."""

    def __init__(self, vectors: bool, rules: list[tuple[Any, Any]]) -> None:
        self.vectors = vectors
        self.rules = rules
        self.variables: dict[str, str] = {}
        self.owners: dict[str, Any] = {}
        self.signs: dict[str, tuple[str, Term]] = {}
        self.least: dict[sp.Symbol, int] = {}  # the least value of an index
        self.means: dict[str, tuple[Any, ...]] = {}
        self.random: dict[str, dict[Any, Term]] = {}  # of each mean: what varies
        self.laws: dict[str, tuple[Term, Term, Term]] = {}
        self.seen: dict[tuple[Any, Place], None] = {}
        self.integrals = False
        self.series: set[Any] = set()  # what sums and products run over
        self.expressions: set[Any] = set()  # the means that were written

    # -- letters --

    def declare(self, name: str, kind: str, owner: Any = None) -> str:
        """A variable of the statement; two things of the book never share one."""
        if self.owners.setdefault(name, owner) != owner:
            raise Refused(f"{name} would be two different letters")
        if self.variables.setdefault(name, kind) != kind:
            raise Refused(f"{name} would be {self.variables[name]} and {kind} at once")
        return name

    def index(self, at: Any, least: int = 0) -> Index:
        """An index that is at least this."""
        at = sp.expand(at)
        free = at.free_symbols - self.bound_indices
        if (len(free) == 1 and at.is_Add) or at.is_Symbol:
            (name,) = free or {None}
            if name is not None and (at - name).is_Integer:
                self.least[name] = max(self.least.get(name, 0), int(least - (at - name)))
        for name in free:
            if not name.is_integer:
                raise Refused(f"{name} is an index and no whole number")
            self.declare(str(name), "nat")
            self.least[name] = max(self.least.get(name, 0), int(name.is_positive or 0))
        return Index(at)

    bound_indices: frozenset[Any] = frozenset()

    def sequence(self, e: Any, place: Place) -> Term:
        if isinstance(e, (nt.beta, nt.alpha)):
            return Term("beta" if isinstance(e, nt.beta) else "alpha", (self.index(e.at, 1),))
        if isinstance(e, nt.alpha_bar):
            return Term("alpha_bar", (self.index(e.at),))
        name = self.declare(letter(e.tex), "nat -> R")
        least = 2 if isinstance(e, nt.beta_tilde) else 1 if isinstance(e, nt.snr) else 0
        starts = isinstance(e, nt.beta_tilde) and e.at == 1
        term = Term(name, (self.index(e.at, 0 if starts else least),))
        if e.is_positive and not starts and not (e.at.free_symbols & self.bound_indices):
            self.signs[f"0 < {term}"] = "<", term
        return term

    # -- expressions --

    def real(self, e: Any, place: Place = VALUES) -> Term:
        """An expression that is a number."""
        for known, term in place.bound:
            if e == known:
                return term
        if isinstance(e, sp.Rational):
            if e.q == 1:
                return number(int(e))
            return Term("/", (number(int(e.p)), number(int(e.q))))
        if e == sp.pi:
            return Term("PI")
        if e.is_Add:
            return self._sum(e, place)
        if e.is_Mul:
            return self._product(e, place)
        if e.is_Pow:
            return self._power(e, place)
        method = getattr(self, f"_{type(e).__name__}", None)
        if method is not None:
            return method(e, place)
        if isinstance(e, nt.Network):
            return self.vector(e, place)
        if isinstance(e, nt.Sequence):
            return self.sequence(e, place)
        if isinstance(e, (nt.x, nt.Letter, nt.Noise)):
            return self.vector(e, place)
        if isinstance(e, (nt.Weights, nt.half_log_snr, nt.Loss, nt.Edge)):
            return Term(self.declare(letter(e.tex), "nat -> R"), (self.index(e.at),))
        if e.is_Symbol:
            return self._letter(e)
        raise Refused(f"it has {type(e).__name__}, which is not said in Coq here")

    def _letter(self, e: sp.Symbol) -> Term:
        if e in INDICES or e in self.bound_indices:
            return Term("INR", (self.index(e, 1),))
        name = self.declare(letter(e.name), "R", e)
        if e.is_positive:
            self.signs[f"0 < {name}"] = "<", variable(name)
        elif e.is_nonnegative:
            self.signs[f"0 <= {name}"] = "<=", variable(name)
        return variable(name)

    def _sum(self, e: Any, place: Place) -> Term:
        out = None
        for term in e.args:
            sign, rest = _signed(term)
            written = self.real(rest, place)
            if out is None:
                out = Term("neg", (written,)) if sign < 0 else written
            else:
                out = Term("-" if sign < 0 else "+", (out, written))
        assert out is not None
        return out

    def _product(self, e: Any, place: Place) -> Term:
        sign, rest = _signed(e)
        if sign < 0:
            return Term("neg", (self.real(rest, place),))
        above, below = [], []
        for factor in sp.Mul.make_args(rest) if rest.is_Mul else (rest,):
            if factor == 1:
                continue
            base, power = factor.args if factor.is_Pow else (factor, sp.S.One)
            if factor.is_Rational and not factor.is_Integer:
                if factor.p != 1:
                    above.append(number(int(factor.p)))
                below.append(number(int(factor.q)))
            elif power.is_number and power.is_negative:
                with nt.as_written():
                    inverse = base if power == -1 else sp.Pow(base, -power)
                below.append(self.below(inverse, place))
            else:
                above.append(self.real(factor, place))
        top = _times(above)
        return Term("/", (top, _times(below))) if below else top

    def _power(self, e: Any, place: Place) -> Term:
        base, power = e.args
        if power.is_number and power.is_negative:
            with nt.as_written():
                inverse = base if power == -1 else sp.Pow(base, -power)
            return Term("/", (number(1), self.below(inverse, place)))
        written = self.real(base, place)
        if power.is_Rational and power.q == 2 and not self.at_least_0(base):
            if place.bound or base.has(nt.Noise, nt.NoiseLetter, nt.RandomLetter):
                raise Refused(
                    f"it is not clear that the root of {base} is one of a positive number"
                )
            self.signs[f"0 <= {text(written, 49)}"] = "<=", written
        if power == sp.S.Half:
            return Term("sqrt", (written,))
        if power.is_Integer:
            return Term("^", (written, Index(power)))
        if power.is_Rational and power.q == 2:
            return Term("^", (Term("sqrt", (written,)), Index(sp.Integer(power.p))))
        if power.is_integer and power.free_symbols:
            return Term("^", (written, self.index(nt.index(power))))
        raise Refused(f"the power {power} is no whole number and no half of one")

    def at_least_0(self, e: Any) -> bool:
        """Whether what stands under a root is sure not to be negative; else it becomes a condition.

        The algebra of the first prover may say so: where it is wrong, the proof does not pass.
        """
        e = applied(dict(self.rules), e)
        try:
            return bool(e.is_nonnegative or algebra.nonnegative(e))
        except (ValueError, TypeError, sp.PolynomialError):
            return False

    def _exp(self, e: Any, place: Place) -> Term:
        return Term("exp", (self.real(e.args[0], place),))

    def _log(self, e: Any, place: Place) -> Term:
        return Term("ln", (self.below(e.args[0], place),))

    def below(self, e: Any, place: Place) -> Term:
        """What must not be 0: 1 - alpha_bar is 0 at 0, so its index is at least 1."""
        for part in e.atoms(nt.alpha_bar):
            if not part.at.free_symbols & self.bound_indices and part.at != 0:
                self.index(part.at, 1)
        term = self.real(e, place)
        for factor in sp.Mul.make_args(e):
            base = factor.base if factor.is_Pow else factor
            if _may_vanish(base) and not place.bound and not place.mean:
                written = self.real(base, place)
                self.signs[f"{text(written, 49)} <> 0"] = "<>", written
        return term

    def _Grouped(self, e: Any, place: Place) -> Term:
        return self.real(e.args[0], place)

    def _Normal(self, e: Any, place: Place) -> Term:
        at, mean, var, _ = e.args
        self.below(var, place)
        return Term("normal", tuple(self.real(a, place) for a in (at, mean, var)))

    def _Norm2(self, e: Any, place: Place) -> Term:
        inside = place._replace(component=variable(COMPONENT))
        return Term(
            "norm2", (self.index(nt.d, 1), Function(COMPONENT, self.real(e.args[0], inside)))
        )

    # -- vectors and random variables --

    def vector(self, e: Any, place: Place) -> Term:
        """A component of a vector, or the number that stands for any of them."""
        if self.vectors and place.component is None:
            raise Refused(f"{e} is a vector and stands where a number should")
        whole = self.whole(e, place)
        return Term(whole.head, (*whole.args, place.component)) if self.vectors else whole

    def whole(self, e: Any, place: Place) -> Term:
        """A vector as a whole (a function of its component), or the number."""
        for known, term in place.bound:
            if e == known:
                return term
        kind = "nat -> R" if self.vectors else "R"
        if isinstance(e, (nt.Network, nt.mu_tilde)):
            return self._network(e, place, kind)
        if not isinstance(e, (nt.x, nt.Letter, nt.Noise)):
            if not self.vectors:
                return self.real(e, place)
            return Term(
                "",
                (Function(COMPONENT, self.real(e, place._replace(component=variable(COMPONENT)))),),
            )
        varies = bool(place.mean) and isinstance(e, RANDOM) and e not in place.given
        tex = e.tex if isinstance(e, nt.Indexed) else e.name
        name = letter(tex) + ("_at" if isinstance(e, nt.eps_at) else "")
        self.seen[e, place._replace(bound=(), component=None if place.component is None else 1)] = (
            None
        )
        if varies and self.vectors:
            raise Refused("a mean of random vectors is not said in Coq here")
        if varies:
            name = name.capitalize() if len(name) == 1 else f"{name}_"
            kind = f"Om -> {kind}"
        indices: tuple[Any, ...] = ()
        if isinstance(e, nt.Indexed):
            indices, kind = (self.index(e.at),), f"nat -> {kind}"
        self.declare(name, kind, type(e) if isinstance(e, nt.Indexed) else e)
        term = Term(name, (*indices, variable(POINT)) if varies else indices)
        if varies:
            self.random[place.mean].setdefault(e, term)
        return term

    def _network(self, e: Any, place: Place, kind: str) -> Term:
        own = "mu_tilde" if isinstance(e, nt.mu_tilde) else letter(e.tex)
        if isinstance(e, nt.mu_tilde):
            args: list[Any] = [self.index(e.at, 1), *(self.whole(a, place) for a in e.args)]
            kinds = ["nat", *[kind] * len(e.args)]
        else:
            args, kinds = [], []
            for a in e.args:
                at_a_time = a.is_number or (bool(a.free_symbols & INDICES) and not a.has(nt.Vector))
                args.append(self.index(a) if at_a_time else self.whole(a, place))
                kinds.append("nat" if at_a_time else kind)
            if len(args) > 2:
                own += "_told"
        self.seen[e, place._replace(bound=(), component=None if place.component is None else 1)] = (
            None
        )
        self.declare(own, " -> ".join([f"({k})" if " " in k else k for k in kinds] + [kind]))
        return Term(own, tuple(args))

    _mu_tilde = vector

    # -- means --

    def mean_name(self, e: nt.E) -> str:
        _, given, over, law = e.args
        words = [time_name(a.at) if isinstance(a, nt.x) else letter(str(a)) for a in given]
        under = "law" if law else over.name.strip()
        name = "E" + (f"_{letter(under)}" if under else "") + "".join(f"_given_{w}" for w in words)
        self.means.setdefault(name, tuple(given))
        self.random.setdefault(name, {})
        self.variables["Om"] = "Type"
        self.declare(name, "(Om -> R) -> R")
        return name

    def _E(self, e: Any, place: Place) -> Term:
        if place.mean:
            raise Refused("a mean inside a mean is not said in Coq here")
        name = self.mean_name(e)
        self.expressions.add(e)
        inside = place._replace(mean=name, given=tuple(e.args[1]))
        if e.args[3]:
            inside = inside.named((e.args[3][0], self.drawn(name, *e.args[3])))
        body = Function(POINT, self.real(e.args[0], inside))
        if isinstance(e, nt.Var):
            return Term("variance", (variable(name), body))
        return Term(name, (body,))

    _Var = _E

    def drawn(self, mean: str, letter_: Any, law: Any) -> Term:
        """The random variable that a mean is over, when its law is a Gaussian."""
        if not isinstance(law, nt.Normal):
            raise Refused(f"the law {law} is no Gaussian")
        own = self.declare(f"{letter(letter_.name).upper()}_", "Om -> R", letter_)
        term = Term(own, (variable(POINT),))
        center, var = (self.real(a) for a in law.args[1:3])
        known = self.laws.setdefault(mean, (term, center, var))
        if known != (term, center, var):
            raise Refused("two laws for one mean")
        return term

    # -- densities and integrals --

    def _Density(self, e: Any, place: Place) -> Term:
        _, variables, given = e.args
        own = density_name(e)
        args = [self.real(a, place) for a in (*variables, *given)]
        self.declare(own, " -> ".join(["R"] * (len(args) + 1)))
        names = [f"y{n}'" for n in range(len(args))]
        anywhere = Term(own, tuple(map(variable, names)))
        self.signs[f"(forall {' '.join(names)}, 0 < {anywhere})"] = "<", anywhere
        self.seen[e, VALUES] = None
        return Term(own, tuple(args))

    def _Over(self, e: Any, place: Place) -> Term:
        of, by = e.args
        return self._line(of, by, "y'", place)

    def _Integral(self, e: Any, place: Place) -> Term:
        by, *ends = e.limits[0]
        if tuple(ends) != (-sp.oo, sp.oo):
            raise Refused("an integral over a part of the line is not said in Coq here")
        return self._line(e.function, by, "y'", place)

    def _line(self, of: Any, by: Any, name: str, place: Place) -> Term:
        self.integrals = True
        self.declare("Int", "(R -> R) -> R")
        return Term("Int", (Function(name, self.real(of, place.named((by, variable(name))))),))

    def distribution(self, e: Any, place: Place) -> Term:
        """What is compared by a divergence: a Gaussian, or a density without its variable."""
        self.declare("Dist", "Type")
        kind = "nat -> R" if self.vectors else "R"
        if isinstance(e, nt.Normal):
            _, mean, var, _ = e.args
            self.declare("N", f"{_bracketed(kind)} -> R -> Dist")
            return Term("N", (self.whole(mean, place), self.real(var, place)))
        if not isinstance(e, nt.Density) or len(e.args[1]) != 1:
            raise Refused(f"{e} is not one distribution")
        _, _, given = e.args
        own = "law_" + density_name(e)
        args = tuple(self.whole(a, place) for a in given)
        self.declare(own, " -> ".join([_bracketed(kind)] * len(args) + ["Dist"]))
        self.seen[e, DISTRIBUTION] = None
        return Term(own, args)

    def _KL(self, e: Any, place: Place) -> Term:
        one, two = (self.distribution(a, place) for a in e.args)
        self.declare("KL", "Dist -> Dist -> R")
        return Term("KL", (one, two))

    # -- sums and products --

    def _series(self, head: str, e: Any, place: Place) -> Term:
        (name, low, high), body = e.limits[0], e.function
        outer = self.bound_indices
        ends = (self.index(nt.index(low)), self.index(nt.index(high)))
        self.bound_indices = outer | {name}
        self.series.add(name)
        try:
            written = self.real(body, place)
        finally:
            self.bound_indices = outer
        return Term(head, (*ends, Function(str(name), written)))

    def _Sum(self, e: Any, place: Place) -> Term:
        return self._series("Sum", e, place)

    def _Product(self, e: Any, place: Place) -> Term:
        return self._series("Prod", e, place)


def _bracketed(kind: str) -> str:
    return f"({kind})" if " " in kind else kind


def _may_vanish(e: Any) -> bool:
    """Whether what is divided by could be 0, for all that its letters say."""
    if isinstance(e, (nt.x, nt.Letter, nt.half_log_snr)):
        return True
    return bool(e.is_Add and all(isinstance(a, nt.half_log_snr) for a in e.atoms(nt.Indexed)))


def _signed(e: Any) -> tuple[int, Any]:
    """The sign that is written in front of an expression, and the rest."""
    if e.is_Rational and e.is_negative:
        return -1, -e
    if e.is_Mul and e.args[0].is_Rational and e.args[0].is_negative:
        first, *rest = e.args
        with nt.as_written():
            factors = rest if first == -1 else [-first, *rest]
            return -1, factors[0] if len(factors) == 1 else sp.Mul(*factors)
    return 1, e


def _times(factors: list[Term]) -> Term:
    out = None
    for factor in factors:
        out = factor if out is None else Term("*", (out, factor))
    return number(1) if out is None else out


# -- what a step takes for granted -----------------------------------------------------------------


def rules_of(claim: Claim, step: Step) -> Iterator[tuple[Any, Any]]:
    """The equations that a step may use: of the claims that it cites, and of what is assumed."""
    for use in step.uses:
        if use == ASSUMED:
            yield from (one for one in claim.assuming if not isinstance(one, str))
        elif use == HYPOTHESIS:
            earlier = {claim.over: claim.over - 1}
            yield at_time(claim.lhs, earlier), at_time(claim.rhs, earlier)
        else:
            name, times = (use, {}) if isinstance(use, str) else use
            if isinstance(name, sp.Basic):
                yield name, times
                continue
            other = claim.registry[name]
            if other.relation != "=":
                raise Refused(f"it cites {name}, which is no equality")
            left, right = at_time(other.lhs, times), at_time(other.rhs, times)
            yield left, right
            if isinstance(left, nt.Density) and isinstance(right, nt.Normal):
                variables, given = left.args[1:]
                if len(variables) == 1:  # the mean and the variance of a Gaussian
                    yield nt.E(variables[0], given), right.args[1]
                    yield nt.Var(variables[0], given), right.args[2]


def later(a: sp.Expr, b: sp.Expr) -> bool:
    """Whether time a is certainly after time b."""
    gap = sp.expand(a - b)
    return bool(gap.is_positive or (gap.is_Integer and gap > 0) or (b == 0 and a != 0))


def uncorrelated(noise: Any, other: Any) -> bool:
    """Whether a noise says nothing of another random quantity, by how the book draws it."""
    if noise == other:
        return False
    if isinstance(noise, nt.eps_at):  # drawn at its time: of nothing that came before
        return (isinstance(other, nt.x) and later(noise.at, other.at)) or (
            isinstance(other, nt.eps_at) and other.at != noise.at
        )
    if isinstance(noise, nt.FreshNoise):  # drawn at t by the sampler, when x_t and x_0 are there
        return other == nt.eps or (isinstance(other, nt.x) and (other.at == 0 or other.at == nt.t))
    return isinstance(other, nt.x) and other.at == 0  # the noise of one jump from x_0


def is_chosen(claim: Claim, number_of_step: int, base: bool = False) -> str:
    """Why there is nothing to ask of the kernel at a step: it is chosen, or a rule of probability.

    Nothing for every other step.
    """
    steps = claim.base.steps if base and claim.base else claim.steps
    step = steps[number_of_step]
    if step.by is DEFINITION:
        return "a definition"
    before = steps[number_of_step - 1].expr if number_of_step else claim.lhs
    if claim.name == "forward.gaussian-integral":
        return "Gauss's integral: a condition of every statement with an integral"
    if isinstance(step.expr, nt.Over) and isinstance(before, nt.Density):
        return "a rule of probability: a density is the integral of a joint density"
    return ""


def statement(claim: Claim, number_of_step: int, base: bool = False) -> Statement:
    """What a step says.

    Raises:
        Refused: it cannot be said in Coq with what is here.
    """
    steps = claim.base.steps if base and claim.base else claim.steps
    step = steps[number_of_step]
    start = claim.base.lhs if base and claim.base else claim.lhs
    before = steps[number_of_step - 1].expr if number_of_step else start
    if why := is_chosen(claim, number_of_step, base):
        raise Refused(f"it is {why}")
    name = f"{claim.name}/{'base-' if base else ''}{number_of_step + 1}"
    return _write(name, claim, step, before)


def induction(claim: Claim) -> Statement:
    """What a claim with an induction says: its equation at every time from 1 on.

    What its base uses is granted at 1, and what its step uses at every time from 2 on.

    Raises:
        Refused: it has no induction, or cannot be said in Coq with what is here.
    """
    if claim.base is None:
        raise Refused("it has no induction")
    if claim.lhs.has(nt.Density):
        raise Refused("a density for every time is not said in Coq here")

    def all_at_once(steps: Iterable[Step], rhs: Any) -> Step:
        uses: list[Any] = []
        for step in steps:
            uses += [use for use in step.uses if use not in uses]
        return Step(rhs, "", uses=tuple(uses))

    name, over = f"{claim.name}/all", str(claim.over)
    rhs = claim.base.steps[-1].expr
    first = _write(name, claim, all_at_once(claim.base.steps, rhs), claim.base.lhs)
    hypothesis = at_time(claim.lhs, {claim.over: claim.over - 1})
    again = _write(name, claim, all_at_once(claim.steps, claim.rhs), claim.lhs, hypothesis)
    shared = {h.says for h in first.hypotheses} & {h.says for h in again.hypotheses}
    granted: list[Hypothesis] = [h for h in again.hypotheses if h.says in shared]
    granted += [h._replace(name=f"{h.name}b") for h in first.hypotheses if h.says not in shared]
    before = text(again.facts["writer"].real(hypothesis))
    for h in again.hypotheses:
        if h.says in shared or h.name == f"at_{over}" or h.says.startswith(f"{before} = "):
            continue
        says = f"(forall {over}, (2 <= {over})%nat -> {h.says})"
        granted.append(Hypothesis(f"{h.name}g", says))
    variables = {**dict(first.variables), **dict(again.variables)}
    del variables[over]
    if any(kind == "nat" for kind in variables.values()):
        raise Refused("it has another index")
    return Statement(
        name,
        tuple((key, variables[key]) for key in _ordered(variables)),
        tuple(granted),
        again.left,
        "=",
        again.right,
        (),
        over,
        facts={"base": first, "step": again, "hypothesis": before},
    )


def _write(name: str, claim: Claim, step: Step, before: Any, needed: Any = None) -> Statement:
    every = [e.expr for e in (*(claim.base.steps if claim.base else ()), *claim.steps)]
    rules = list(rules_of(claim, step))
    vectors = any(isinstance(e, sp.Basic) and e.has(nt.Norm2) for e in [claim.lhs, *every])
    writer = Writer(vectors, rules)
    writer.expressions.add(needed)
    hypotheses: list[Hypothesis] = []
    bound: tuple[str, ...] = ()
    relation = RELATIONS.get(step.relation, step.relation)
    if step.relation == r"\propto":
        free = step.by.free
        names = [(f"y{n}'", f"z{n}'") for n in range(len(free))]
        ys, zs = (
            Place(bound=tuple((v, variable(pair[k])) for v, pair in zip(free, names)))
            for k in (0, 1)
        )
        left = Term("*", (writer.real(before, ys), writer.real(step.expr, zs)))
        right = Term("*", (writer.real(before, zs), writer.real(step.expr, ys)))
        bound, relation = tuple(n for pair in names for n in pair), "="
    else:
        left, right = writer.real(before), writer.real(step.expr)
    written: list[Hypothesis] = []
    done: set[Any] = set()
    while True:  # a rule may bring in what another one replaces
        more = [one for one in _placed(rules, writer) if one[:2] not in done]
        if not more:
            break
        for lhs, place, rhs in more:
            done.add((lhs, place))
            written += [_rule(writer, f"C{len(written) + 1}", lhs, rhs, place)]
    remain = [_densities(applied(dict(rules), e)) for e in (before, step.expr)]
    joints = _joints(writer, remain[0] | remain[1]) if remain[0] != remain[1] else []
    written += _components(writer, claim, before, rules)
    hypotheses += [*_background(writer), *written, *joints]
    for symbol in writer.series:
        if writer.variables.get(str(symbol), "nat") != "nat":
            raise Refused(f"{symbol} is a letter, and what a sum runs over")
    return Statement(
        name,
        tuple((key, writer.variables[key]) for key in _ordered(writer.variables)),
        tuple(hypotheses),
        left,
        relation,
        right,
        bound,
        facts={"writer": writer},
    )


def _ordered(variables: Mapping[str, str]) -> list[str]:
    return sorted(variables, key=lambda key: (key != "Om", key != "Dist", variables[key] != "nat"))


def _placed(rules: Iterable[tuple[Any, Any]], writer: Writer) -> list[tuple[Any, Any, Any]]:
    """Where each rule is needed: in which mean, and whether of a vector."""
    out = []
    for lhs, rhs in rules:
        if isinstance(lhs, nt.Density) and (lhs, DISTRIBUTION) in writer.seen:
            out.append((lhs, DISTRIBUTION, rhs))
            if (lhs, VALUES) in writer.seen:
                out.append((lhs, VALUES, rhs))
        elif isinstance(lhs, (nt.x, nt.Letter, nt.Noise, nt.Network, nt.mu_tilde)):
            out += [(lhs, place, rhs) for e, place in writer.seen if e == lhs]
        elif lhs in writer.expressions or not isinstance(lhs, nt.E):
            out.append((lhs, VALUES, rhs))
    return out


def _rule(writer: Writer, name: str, lhs: Any, rhs: Any, place: Place) -> Hypothesis:
    if place == DISTRIBUTION:
        left, right = (writer.distribution(side, VALUES) for side in (lhs, rhs))
        return Hypothesis(name, f"{text(left)} = {text(right)}", ((), left, right))
    names: list[str] = []
    inner = (lhs.free_symbols & INDICES) & writer.series if isinstance(lhs, nt.Indexed) else set()
    if inner:  # for all terms of a sum
        names = [str(name) for name in inner]
        writer.bound_indices = frozenset(inner)
    if isinstance(lhs, nt.Density):
        _, variables, given = lhs.args
        pairs = [(v, variable(f"y{n}'")) for n, v in enumerate((*variables, *given))]
        names = [term.head for _, term in pairs]
        place = Place(bound=tuple(pairs))
    if place.mean:
        names.append(POINT)
    if place.component is not None:
        names.append(COMPONENT)
        place = place._replace(component=variable(COMPONENT))
    left, right = writer.real(lhs, place), writer.real(rhs, place)
    writer.bound_indices = frozenset()
    says = f"{text(left)} = {text(right)}"
    if names:
        says = f"(forall {' '.join(names)}, {says})"
    return Hypothesis(name, says, (tuple(names), left, right))


def _components(writer: Writer, claim: Claim, before: Any, rules: Any) -> list[Hypothesis]:
    """The divergence of Gaussians with d independent components: a sum of divergences of one.

    It is a rule of probability, and each term is what ``loss.kl-gaussians`` says.
    """
    vectors = isinstance(before, nt.KL) and all(isinstance(a, nt.Normal) for a in before.args)
    if not (vectors and writer.vectors) or any(lhs == before for lhs, _ in rules):
        return []
    one, two = before.args
    writer.declare("KL_1", "R -> R -> R -> R -> R")
    variances = [writer.real(a.args[2]) for a in (one, two)]
    means = [variable("a'"), variable("b'")]
    scalar = Term("KL_1", (means[0], variances[0], means[1], variances[1]))
    left = writer.real(before)
    summed = Term(
        "Sum",
        (
            writer.index(1),
            writer.index(nt.d, 1),
            Function(
                COMPONENT,
                substituted(
                    scalar,
                    {
                        m: Term(a.head, (*a.args, variable(COMPONENT)))
                        for m, a in zip(means, (t.args[0] for t in left.args), strict=True)
                    },
                ),
            ),
        ),
    )
    known = claim.registry["loss.kl-gaussians"]
    m_1, v_1, m_2, v_2 = (a for n in known.lhs.args for a in n.args[1:3])
    named = Place(bound=tuple(zip((m_1, m_2, v_1, v_2), (*means, *variances), strict=True)))
    formula = writer.real(known.rhs, named)
    names = tuple(m.head for m in means)
    return [
        Hypothesis("K1", f"{text(left)} = {text(summed)}", ((), left, summed)),
        Hypothesis(
            "K2",
            f"(forall {' '.join(names)}, {text(scalar)} = {text(formula)})",
            (names, scalar, formula),
        ),
    ]


def _densities(e: Any) -> set[Any]:
    """The densities in an expression that stand for numbers: not those that are compared."""
    if isinstance(e, nt.KL):
        return set()
    if isinstance(e, nt.Density):
        return {e}
    return set().union(*(_densities(a) for a in e.args)) if getattr(e, "args", ()) else set()


def when(at: sp.Expr) -> sp.Expr:
    """A number by which times are put in order: 0 < t - 1 < t < T."""
    return sp.expand(at).subs({nt.T: 10**6, nt.t: 10**3, nt.n: 10**3})


def _joints(writer: Writer, densities: Iterable[Any]) -> list[Hypothesis]:
    """What a conditional density is, and that the noising chain is a chain.

    q(a | b) = q(a, b) / q(b); and q(a, b, c) q(b) = q(a, b) q(b, c) for times a < b < c.
    """
    out: list[Hypothesis] = []
    joints: dict[tuple[Any, ...], None] = {}

    def joint(states: Iterable[Any]) -> tuple[Any, ...]:
        chain = tuple(sorted(set(states), key=lambda a: when(a.at)))
        joints.setdefault(chain)
        return chain

    def written(chain: tuple[Any, ...], names: Mapping[Any, str]) -> Term:
        return writer.real(nt.Density("q", list(chain)), _named(chain, names))

    def _named(chain: Any, names: Mapping[Any, str]) -> Place:
        return Place(bound=tuple((a, variable(names[a])) for a in chain))

    def rule(kind: str, states: Any, left: Term, right: Term, names: Mapping[Any, str]) -> None:
        bound = tuple(names[a] for a in states)
        says = f"(forall {' '.join(bound)}, {text(left)} = {text(right)})"
        out.append(Hypothesis(f"{kind}{len(out) + 1}", says, (bound, left, right)))

    for e in sorted(densities, key=str):
        name, variables, given = e.args
        if name.name != "q" or not all(isinstance(a, nt.x) for a in (*variables, *given)):
            continue
        states = (*variables, *given)
        names = {a: f"y{n}'" for n, a in enumerate(states)}
        whole, rest = joint(states), joint(given) if given else ()
        left = writer.real(e, _named(states, names))
        right = written(whole, names)
        if rest:
            right = Term("/", (right, written(rest, names)))
        if left != right:
            rule("D", states, left, right, names)
    for chain in [c for c in joints if len(c) == 3]:
        names = {a: f"y{n}'" for n, a in enumerate(chain)}
        a, b, c = chain
        right = Term(
            "/",
            (
                Term("*", (written((a, b), names), written((b, c), names))),
                written((b,), names),
            ),
        )
        rule("K", chain, written(chain, names), right, names)
    return out


def _background(writer: Writer) -> list[Hypothesis]:
    """What the letters are: the schedule, the indices, signs, means and their noise."""
    out = []
    for symbol, least in writer.least.items():
        if least > 0:
            out.append(Hypothesis(f"at_{symbol}", f"({least} <= {symbol})%nat"))
    signs = enumerate(writer.signs.items(), 1)
    out += [Hypothesis(f"S{n}", says, sign=sign) for n, (says, sign) in signs]
    if writer.integrals:
        out.append(Hypothesis("is_integral", "integral Int"))
    for name in writer.means:
        out.append(Hypothesis(f"is_{name}", f"expectation {name}"))
        atoms = writer.random[name]
        count = 0
        if name in writer.laws:  # its mean, and its mean square
            term, center, var = writer.laws[name]
            moments = ((term, center), (square(term), Term("+", (var, square(center)))))
            for body, moment in moments:
                count += 1
                left = Term(name, (Function(POINT, body),))
                says = f"{text(left)} = {text(moment)}"
                out.append(Hypothesis(f"M{name}{count}", says, ((), left, moment)))
        for noise, term in atoms.items():
            if not isinstance(noise, (nt.Noise, nt.NoiseLetter)):
                continue
            facts = [(term, 0), (square(term), 1)]
            facts += [
                (Term("*", tuple(sorted((term, other), key=text))), 0)
                for e, other in atoms.items()
                if uncorrelated(noise, e)
            ]
            for body, value in facts:
                count += 1
                left = Term(name, (Function(POINT, body),))
                rule = ((), left, number(value))
                out.append(Hypothesis(f"M{name}{count}", f"{text(left)} = {value}", rule))
    return out


__all__ = ["Refused", "Statement", "induction", "is_chosen", "statement"]
