r"""A claim: an equation with its derivation, each step with its reason, and the proof of each step.

    >>> from ddpm_course.symbolic import claim
    >>> variance = claim("marginal.variance")
    >>> variance.verify()  # raises ClaimError, naming the first step that does not follow
    >>> print(variance.latex())
    \operatorname{Var}[x_t \mid x_0] = 1 - \bar\alpha_t

The LaTeX comes from the objects that are proved: there is no second copy to go wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
import sympy as sp

from . import algebra, spoken, worlds
from . import notation as nt
from .methods import (  # noqa: F401  # whoever writes a claim finds its methods here, too
    ALGEBRA,
    AT_LEAST,
    AT_MOST,
    BELOW,
    CALCULUS,
    DEFINITION,
    LINEARITY,
    LOGARITHMS,
    PROOFS,
    SUBSTITUTION,
    VERBATIM,
    Method,
    marginalize,
    proportional,
)
from .numeric import Values
from .printing import latex


class ClaimError(Exception):
    """A claim that does not hold: which step, both of its sides, and what is left between them."""


# What may be written where a relation is proved: what is equal is also at most.
IMPLIED = {
    "=": ("=", r"\le", r"\ge", r"\propto"),
    "<": ("<", r"\le"),
    ">": (">", r"\ge"),
}


def follows(left: Any) -> bool:
    """Whether a proof leaves nothing. In Python False == 0: a False is no proof."""
    return left is True or (left is not False and bool(left == 0))


def composed(relations: Sequence[str]) -> str:
    """What a chain of relations says of its two ends: < after <= is <, and < after > is nothing."""
    found = set(relations) - {"="}
    for strict, weak in (("<", r"\le"), (">", r"\ge")):
        if found and found <= {strict, weak}:
            return strict if strict in found else weak
    if len(found) > 1:
        raise ValueError(f"the relations {', '.join(sorted(found))} do not make one")
    return found.pop() if found else "="


class Step(NamedTuple):
    """An expression, and why it equals the one before it.

    ``uses`` names the claims that the step applies: a name, or a name with substitutions, as
    ``("forward.reparameterization", {t: t - 1})``. ``HYPOTHESIS`` is the claim itself, one step
    earlier; ``ASSUMED`` is all that the claim assumes; a pair (symbol, expression) is one of the
    pairs that it assumes. ``relation`` is what is printed: the method must prove it.
    """

    expr: Any
    reason: str
    by: Method = ALGEBRA
    uses: tuple[Any, ...] = ()
    relation: str = "="


HYPOTHESIS = "the claim at t - 1"
ASSUMED = "what the claim assumes"


class Chain(NamedTuple):
    """A left side and steps: the base of an induction."""

    lhs: Any
    steps: tuple[Step, ...]


class Check(NamedTuple):
    """A property by which a definition is held to account.

    ``holds(claim)`` returns what is left (0 or True when the property holds). ``says`` completes
    the sentence "it is checked that ...", and ``cases``, where the check does not hold for all, "it
    stands on ...".
    """

    says: str
    holds: Callable[[Claim], Any]
    kind: str = "algebra"
    cases: str = ""


class Row(NamedTuple):
    """A line of a typeset derivation."""

    lhs: str
    relation: str
    rhs: str
    reason: str


def _shown(left: Any) -> str:
    """What is left, as it stands: sorting its terms could take SymPy long."""
    if isinstance(left, sp.Float):
        return f"{float(left):.6g}, where every α and ᾱ has a value between 0 and 1"
    return sp.sstr(left, order="none") if isinstance(left, sp.Basic) else str(left)


def _reads(cited: Any, rules: Mapping[Any, Any]) -> bool:
    """Whether what is cited takes part in another citation, or gives the moments of a density."""
    if isinstance(cited, nt.Density):
        _, variables, given = cited.args
        return len(variables) == 1 and nt.E(variables[0], given) in rules
    return any(isinstance(right, sp.Basic) and right.has(cited) for right in rules.values())


def applied(rules: Mapping[Any, Any], e: Any) -> Any:
    """The expression with what is known put in: but a condition stays the condition that it was.

    E[x_t | x_t] with another expression for x_t is still the mean given x_t, and q(x_t) the density
    of x_t.
    """
    if e in rules:
        return rules[e]
    if not rules or not getattr(e, "args", ()) or isinstance(e, (nt.Density, nt.Indexed)):
        return e
    if isinstance(e, nt.E):
        of, *rest = e.args
        return type(e)(applied(rules, of), *rest)
    if isinstance(e, (nt.Gradient, nt.Over)):
        return type(e)(applied(rules, e.args[0]), e.args[1])
    args = tuple(applied(rules, a) for a in e.args)
    return e if args == e.args else e.func(*args)


def at_time(e: Any, times: Mapping[Any, Any]) -> Any:
    """The expression with other values for t, T, ...: still as it was written."""
    with nt.as_written():
        times = {
            name: nt.index(value) if name in (nt.t, nt.T, nt.n) else value
            for name, value in times.items()
        }
        return _numbers_worked_out(e.xreplace(times)) if times else e


def _numbers_worked_out(e: Any) -> Any:
    """With 0² and -1·0 as the numbers that they are: SymPy, as written, keeps or drops them by
    chance, by what its cache holds."""
    if not isinstance(e, sp.Basic) or not e.args or isinstance(e, nt.Indexed):
        return e
    args = tuple(map(_numbers_worked_out, e.args))
    if all(isinstance(a, sp.Rational) for a in args):
        one, *rest = (Fraction(a.p, a.q) for a in args)
        if e.is_Add:
            return sp.Rational(sum(rest, one))
        if e.is_Mul:
            return sp.Rational(math.prod(rest, start=one))
        if e.is_Pow and args[1].is_Integer and (one or args[1] > 0):
            return sp.Rational(one ** int(args[1]))
    return e if args == e.args else e.func(*args)


@dataclass(frozen=True)
class Claim:
    """An equation and how it is known.

    Args:
        name: "chapter.what-it-says"; the label of the equation in the book.
        lhs: the left side.
        steps: expressions with reasons; the last one is the right side.
        base: for an induction over t: the same claim at t = 1, with its own steps. Then ``steps``
            may use ``HYPOTHESIS``.
        checks: properties that the right side must have; every definition has some, or a function
            of torch that it is compared with.
        assuming: what the claim takes as given: pairs of sides, which steps that use them name or
            call ``ASSUMED``, and choices in words. Whoever uses the claim must assume it too.
        show: how many of the last expressions the equation shows; 2 for "a = b < 0".
        over: what an induction runs over.
        uncomputed: where no function of the package computes the claim, a sentence that says why.
    """

    name: str
    lhs: Any
    steps: tuple[Step, ...]
    base: Chain | None = None
    checks: tuple[Check, ...] = ()
    assuming: tuple[Any, ...] = ()
    show: int = 1
    over: sp.Symbol = nt.t
    uncomputed: str = ""
    registry: Mapping[str, Claim] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.steps:
            raise ValueError(f"{self.name} has no steps; a claim needs at least its right side.")

    # -- the statement -----------------------------------------------------------------------------

    @property
    def rhs(self) -> Any:
        return self.steps[-1].expr

    @property
    def relation(self) -> str:
        """What the whole chain says of its two ends."""
        return self._relation_to(len(self.steps))

    def _relation_to(self, count: int) -> str:
        """What the first ``count`` steps say of the left side and the last of them."""
        steps = self.steps[:count]
        found = composed([step.relation for step in steps])
        right = steps[-1].expr
        if (
            found == r"\propto"
            and isinstance(self.lhs, nt.Density)
            and isinstance(right, nt.Normal)
        ):
            of = tuple(self.lhs.args[1])
            free = {step.by.free for step in steps if step.relation == r"\propto"}
            if free == {of} and of == (right.args[0],):
                return "="  # both integrate to 1: proportional densities are equal
        return found

    @property
    def conditions(self) -> list[str]:
        """What the claim assumes, for the reader: LaTeX between dollar signs, or words."""
        return [
            one if isinstance(one, str) else f"${latex(one[0])} = {latex(one[1])}$"
            for one in self.assuming
        ]

    @property
    def chapter(self) -> str:
        return self.name.split(".")[0]

    @property
    def is_definition(self) -> bool:
        return self.base is None and len(self.steps) == 1 and self.steps[0].by is DEFINITION

    @property
    def kinds(self) -> list[str]:
        """How the claim was established, in words, for the ledger."""
        chains = [*(self.base.steps if self.base else ()), *self.steps]
        found = ["induction"] if self.base else []
        for kind in [*(step.by.kind for step in chains), *(check.kind for check in self.checks)]:
            if kind not in found:
                found.append(kind)
        return found

    @property
    def on_cases(self) -> bool:
        """Whether a step was seen on cases only, where it was not proved for all."""
        steps = [*(self.base.steps if self.base else ()), *self.steps]
        return any(step.by.kind not in ("definition", *PROOFS) for step in steps)

    @property
    def cases(self) -> list[str]:
        """A sentence for each step and each check that is not proved for all: where it stands."""
        out = []
        for step in [*(self.base.steps if self.base else ()), *self.steps]:
            if step.by.kind not in ("definition", *PROOFS):
                out.append(f"The step “{step.reason}” stands on {step.by.cases}.")
        for check in self.checks:
            if check.kind not in PROOFS:
                out.append(f"The check that {check.says} stands on {check.cases}.")
        return out

    @property
    def rests_on_cases(self) -> list[str]:
        """The names of the claims below this one that are known on cases only."""
        found: dict[str, bool] = {}
        waiting = list(self.used)
        while waiting:
            name = waiting.pop(0)
            if name not in found:
                found[name] = self.registry[name].on_cases
                waiting += self.registry[name].used
        return [name for name, cases in found.items() if cases]

    @property
    def mark(self) -> str:
        """✓ where every step and all below it is proved, ◇ where some is known on cases only, and
        ≔ for what is chosen: a definition, which is held to its checks."""
        if self.is_definition:
            return "≔"
        return "◇" if self.on_cases or self.rests_on_cases else "✓"

    @property
    def used(self) -> list[str]:
        """The names of the claims that the proof applies."""
        steps = [*(self.base.steps if self.base else ()), *self.steps]
        return list(dict.fromkeys(name for step in steps for name in self.names_of(step)))

    @staticmethod
    def names_of(step: Step) -> list[str]:
        """The names of the claims that a step applies."""
        names = [use if isinstance(use, str) else use[0] for use in step.uses]
        names = [name for name in names if isinstance(name, str)]
        return [name for name in dict.fromkeys(names) if name not in (HYPOTHESIS, ASSUMED)]

    def latex(self) -> str:
        """The equation."""
        if self.show == 1:
            return f"{latex(self.lhs)} {self.relation} {latex(self.rhs)}"
        first = len(self.steps) - self.show + 1
        head = f"{latex(self.lhs)} {self._relation_to(first)} {latex(self.steps[first - 1].expr)}"
        tail = (f"{step.relation} {latex(step.expr)}" for step in self.steps[first:])
        return " ".join([head, *tail])

    def rows(self) -> Iterator[Row]:
        """The lines of the derivation, each with its reason."""
        if self.base:
            for number, step in enumerate(self.base.steps):
                yield self._row(
                    self.base.lhs, step, number, f"base, ${self.over} = 1$: " if number == 0 else ""
                )
        for number, step in enumerate(self.steps):
            yield self._row(self.lhs, step, number, "step: " if self.base and number == 0 else "")

    @staticmethod
    def _row(lhs: Any, step: Step, number: int, prefix: str) -> Row:
        return Row(
            latex(lhs) if number == 0 else "", step.relation, latex(step.expr), prefix + step.reason
        )

    def derivation(self) -> str:
        """The steps, aligned, with their reasons, as one block of LaTeX."""
        lines = []
        for row in self.rows():
            reason = row.reason.replace("$", "\0")
            parts = reason.split("\0")
            text = "".join(rf"\text{{{p}}}" if n % 2 == 0 and p else p for n, p in enumerate(parts))
            lines.append(rf"{row.lhs} &{row.relation} {row.rhs} && {text}")
        return "\\begin{aligned}\n" + " \\\\\n".join(lines) + "\n\\end{aligned}"

    def _repr_latex_(self) -> str:
        return f"$\\displaystyle {self.latex()}$"

    # -- the proof ---------------------------------------------------------------------------------

    def verify(self) -> None:
        """Prove every step, the base and every check.

        Raises:
            ClaimError: names the first step that does not follow, and shows both of its sides.
        """
        self._check_uses()
        self._check_cases()
        try:
            relation = self.relation
        except ValueError as error:
            raise ClaimError(f"{self.name}: {error}.") from None
        if self.base and relation != "=":
            raise ClaimError(f"{self.name}: only an equality can be proved by induction here.")
        if self.base:
            self._check_base(self.base)
            for number in range(len(self.base.steps)):
                self.prove_step(number, base=True)
        for number in range(len(self.steps)):
            self.prove_step(number)
        self.check()
        self.try_in_worlds()

    def try_in_worlds(self) -> None:
        """Ask the second witness: each line has to be true in every random world, as it is
        printed; and what the reasons state, too."""
        trial = worlds.Trial(self)
        wrong = worlds.witness(self, trial)
        if wrong:
            line, why = wrong
            raise ClaimError(f"{self.name}: {line} is not true in every world.\n  {why}")
        if why := spoken.misread(self, trial):
            raise ClaimError(f"{self.name}: {why}.")
        for step in [*(self.base.steps if self.base else ()), *self.steps]:
            for formula in spoken.formulas(step.reason):
                if why := spoken.wrong(self, formula, trial):
                    raise ClaimError(f"{self.name}: in the reason ({step.reason}), {why}.")

    def check(self) -> None:
        """Hold the claim to its checks; raises ClaimError as ``verify`` does."""
        for check in self.checks:
            try:
                left = check.holds(self)
            except Exception as error:  # a false formula may divide by zero, or not be a density
                left = error
            if not follows(left):
                raise ClaimError(
                    f"{self.name}: it should be that {check.says}, but it is not.\n"
                    f"  the claim:  {self.latex()}\n  what is left:  {_shown(left)}"
                )

    def _check_uses(self) -> None:
        """No claim rests on itself, and what a used claim assumes is assumed here too."""

        def below(claim: Claim, above: tuple[str, ...]) -> None:
            for name in claim.used:
                if name in above:
                    around = " -> ".join([*above[above.index(name) :], name])
                    raise ClaimError(f"{self.name}: a claim cannot rest on itself: {around}.")
                if name not in self.registry:
                    raise ClaimError(f"{self.name}: it uses {name}, but no claim has this name.")
                below(self.registry[name], (*above, name))

        below(self, (self.name,))
        for step in [*(self.base.steps if self.base else ()), *self.steps]:
            for use in step.uses:
                if use in (ASSUMED, HYPOTHESIS):
                    continue
                name, times = (use, {}) if isinstance(use, str) else use
                if isinstance(name, sp.Basic):
                    self._must_assume((name, times), f"step ({step.reason})")
                    continue
                for one in self.registry[name].assuming:
                    if not isinstance(one, str):
                        one = tuple(at_time(side, times) for side in one)
                    self._must_assume(one, name)

    def _check_cases(self) -> None:
        """What is not proved for all says on which cases it stands."""
        every = [*(self.base.steps if self.base else ()), *self.steps]
        known = [(f"step ({step.reason})", step.by.kind, step.by.cases) for step in every]
        known += [(f"check that {one.says}", one.kind, one.cases) for one in self.checks]
        for what, kind, cases in known:
            if kind not in ("definition", *PROOFS) and not cases:
                raise ClaimError(
                    f"{self.name}: the {what} is known by {kind}, and does not say on which cases."
                )

    def _check_reason(self, step: Step) -> None:
        """Where a reason says what an assumed letter is, it says what is assumed."""
        said = [(latex(one[0]), latex(one[1])) for one in self.assuming if not isinstance(one, str)]
        for formula in step.reason.split("$")[1::2]:
            known = [f"{a} = {b}" for a, b in said if formula.startswith(f"{a} =")]
            if known and formula not in known:
                raise ValueError(f"the reason says {formula}, the claim assumes {known[0]}")

    def _must_assume(self, one: Any, where: str) -> None:
        for own in self.assuming:
            if isinstance(one, str) or isinstance(own, str):
                if own == one:
                    return
            elif own[0] == one[0] and (own[1] == one[1] or algebra.difference(own[1], one[1]) == 0):
                return
        said = one if isinstance(one, str) else f"{latex(one[0])} = {latex(one[1])}"
        raise ClaimError(f"{self.name}: {where} assumes {said}, and this claim does not say so.")

    def _check_base(self, base: Chain) -> None:
        start = {self.over: 1}
        for what, general, at_one in (
            ("left", self.lhs, base.lhs),
            ("right", self.rhs, base.steps[-1].expr),
        ):
            if algebra.difference(at_time(general, start), at_one) != 0:
                raise ClaimError(
                    f"{self.name}: the {what} side of its base is {latex(at_one)}, "
                    f"not the claim at {self.over} = 1, {latex(at_time(general, start))}."
                )

    def prove_step(self, number: int, base: bool = False) -> None:
        """Prove that one step, counted from 0, follows from the one before it."""
        chain = self.base if base and self.base else Chain(self.lhs, self.steps)
        step = chain.steps[number]
        before = chain.steps[number - 1].expr if number else chain.lhs
        proved = step.by.relation
        try:
            if step.by is DEFINITION and (number or base):
                raise ValueError("only the first step of a claim can be a definition")
            implied = ("=",) if step.by is DEFINITION else IMPLIED.get(proved, (proved,))
            if step.relation not in implied:
                raise ValueError(f"its method proves {proved}, not {step.relation}")
            self._check_reason(step)
            rules = self._rules(step, base)
            for use in step.uses:
                if isinstance(use, str) and use not in (ASSUMED, HYPOTHESIS):
                    cited = self.registry[use].lhs
                    if not (before.has(cited) or step.expr.has(cited) or _reads(cited, rules)):
                        raise ValueError(f"it cites {use}, and nothing here is replaced by it")
            left = step.by.prove(applied(rules, before), applied(rules, step.expr))
        except Exception as error:  # a false step may be anything: even a division by zero
            left = f"{type(error).__name__}: {error}"
        if not follows(left):
            which = f"{'base, ' if base else ''}step {number + 1} of {len(chain.steps)}"
            raise ClaimError(
                f"{self.name}: {which} ({step.reason}) does not follow.\n"
                f"  from:  {latex(before)}\n"
                f"  to:    {step.relation} {latex(step.expr)}\n"
                f"  what is left between them:  {_shown(left)}"
            )

    def _rules(self, step: Step, base: bool) -> dict[Any, Any]:
        """What the step may replace by what, from the claims that it uses."""
        rules: dict[Any, Any] = {}
        noise_at = set()
        for use in step.uses:
            if use == ASSUMED:
                rules.update(one for one in self.assuming if not isinstance(one, str))
                continue
            if use == HYPOTHESIS:
                if base or not self.base:
                    raise ValueError("only the step of an induction may use the claim itself")
                earlier = {self.over: self.over - 1}
                rules[at_time(self.lhs, earlier)] = at_time(self.rhs, earlier)
                continue
            name, times = (use, {}) if isinstance(use, str) else use
            if isinstance(name, sp.Basic):  # an assumption of this step alone
                rules[name] = times
                continue
            other = self.registry[name]
            if other.relation != "=":
                raise ValueError(f"{name} is no equality, so it replaces nothing")
            left, right = at_time(other.lhs, times), at_time(other.rhs, times)
            if nt.eps in (other.lhs, *sp.preorder_traversal(other.rhs)) and other.lhs.has(nt.x):
                noise_at |= {left.at} if isinstance(left, nt.x) and left.at != 0 else set()
                if len(noise_at) > 1:
                    raise ValueError("the noise of two times is not the same noise")
            rules[left] = right
            if isinstance(left, nt.Density) and isinstance(right, nt.Normal):
                # A Gaussian's mean and variance can be read off.
                _, (variable, *more), given = left.args
                if not more:
                    rules[nt.E(variable, given)] = right.args[1]
                    rules[nt.Var(variable, given)] = right.args[2]
        return rules

    # -- the numbers -------------------------------------------------------------------------------

    def numeric(
        self, beta: np.ndarray, given: Mapping[Any, Any] | None = None, t: Any = None
    ) -> Any:
        """The right side in float64.

        Args:
            beta: (T+1,) a schedule, with beta[0] = 0.
            given: values of the other symbols, as ``{x(0): ..., eps: ...}``: numbers, or arrays of
                shape (N, d). A class such as ``sigma`` takes an array of shape (T+1,).
            t: the N times; all of 1..T when left out.

        Returns:
            An array of shape (N, 1) or (N, d); for a Normal the pair (mean, variance).
        """
        t = np.arange(1, len(beta)) if t is None else t
        rules = {
            kind: (other.lhs, other.rhs)
            for kind, name in RULES.items()
            if name != self.name and (other := self.registry.get(name)) is not None
        }
        return Values(beta, t, given or {}, rules)(self.rhs)

    def with_step(self, number: int, expr: Any, base: bool = False) -> Claim:
        """The claim with another expression for one of its steps."""
        chain = list(self.base.steps if base and self.base else self.steps)
        chain[number] = chain[number]._replace(expr=expr)
        if base and self.base:
            return replace(self, base=self.base._replace(steps=tuple(chain)))
        return replace(self, steps=tuple(chain))


# What a sequence is, when only beta is known: its definition is a claim too.
RULES: dict[type, str] = {
    nt.alpha: "marginal.alpha",
    nt.alpha_bar: "marginal.alpha-bar",
    nt.beta_tilde: "reverse.posterior-variance",
    nt.snr: "marginal.snr",
    nt.half_log_snr: "solvers.half-log-snr",
    nt.mu_tilde: "reverse.posterior-mean",
}
