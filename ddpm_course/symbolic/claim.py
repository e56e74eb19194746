r"""A claim: an equation with its derivation, each step with its reason, and the proof of each step.

    >>> from ddpm_course.symbolic import claim
    >>> variance = claim("marginal.variance")
    >>> proof = variance.verify()  # raises ClaimError, naming the first step that does not follow
    >>> print(variance.latex())
    \operatorname{Var}[x_t \mid x_0] = 1 - \bar\alpha_t

The LaTeX comes from the objects that are proved: there is no second copy to go wrong. What a step
is made of stands in ``step``, what it takes from other claims in ``citing``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import sympy as sp

from . import algebra, citing, declared, spoken, worlds
from . import notation as nt
from .citing import at_time
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
from .step import (
    ASSUMED,
    HYPOTHESIS,
    Chain,
    Check,
    ClaimError,
    Row,
    Step,
    composed,
    follows,
    may_write,
)
from .verified import Verified


def _shown(left: Any) -> str:
    """What is left, as it stands: sorting its terms could take SymPy long."""
    if isinstance(left, sp.Float):
        return f"{float(left):.6g}, where every α and ᾱ has a value between 0 and 1"
    return sp.sstr(left, order="none") if isinstance(left, sp.Basic) else str(left)


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
    def all_steps(self) -> tuple[Step, ...]:
        """The steps of the base, where there is one, and those of the claim."""
        return (*(self.base.steps if self.base else ()), *self.steps)

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
        found = ["induction"] if self.base else []
        kinds = [*(step.by.kind for step in self.all_steps), *(one.kind for one in self.checks)]
        for kind in kinds:
            if kind not in found:
                found.append(kind)
        return found

    @property
    def on_cases(self) -> bool:
        """Whether a step was seen on cases only, where it was not proved for all."""
        return any(step.by.kind not in ("definition", *PROOFS) for step in self.all_steps)

    @property
    def cases(self) -> list[str]:
        """A sentence for each step and each check that is not proved for all: where it stands."""
        out = []
        for step in self.all_steps:
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
        names = (name for step in self.all_steps for name in self.names_of(step))
        return list(dict.fromkeys(names))

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

    def verify(self) -> Verified:
        """Prove every step, the base and every check.

        Returns:
            The lines with their witnesses; a notebook shows them as a table.

        Raises:
            ClaimError: names the first step that does not follow, and shows both of its sides.
        """
        citing.check_uses(self)
        self._check_cases()
        self.check_ends()
        self._check_declared()
        for number in range(len(self.base.steps) if self.base else 0):
            self.prove_step(number, base=True)
        for number in range(len(self.steps)):
            self.prove_step(number)
        self.check()
        self.try_in_worlds()
        return Verified(self)

    def try_in_worlds(self) -> None:
        """Ask the second witness: each line has to be true in every random world, as it is
        printed; and what the reasons state, too."""
        trial = worlds.Trial(self)
        wrong = worlds.witness(self, trial)
        if wrong:
            line, why = wrong
            if why.startswith(worlds.NO_WORLD):
                raise ClaimError(f"{self.name}: {line} can be tried in {why}.")
            raise ClaimError(f"{self.name}: {line} is not true in every world.\n  {why}")
        if why := spoken.misread(self, trial):
            raise ClaimError(f"{self.name}: {why}.")
        for step in self.all_steps:
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

    def _check_declared(self) -> None:
        """Each letter says what it can be, and each mean has a law."""
        sides = [(line, side) for line, *ends in worlds.lines(self) for side in ends[::2]]
        pairs = [one for one in self.assuming if not isinstance(one, str)]
        for where, side in (*sides, *(("what it assumes", e) for one in pairs for e in one)):
            if why := declared.missing(side):
                raise ClaimError(f"{self.name}: {where}: {why}.")

    def _check_cases(self) -> None:
        """What is not proved for all says on which cases it stands."""
        known = [(f"step ({one.reason})", one.by.kind, one.by.cases) for one in self.all_steps]
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

    def check_ends(self) -> None:
        """The relations make one, and the base of an induction is the claim at the start."""
        try:
            relation = self.relation
        except ValueError as error:
            raise ClaimError(f"{self.name}: {error}.") from None
        if self.base is None:
            return
        if relation != "=":
            raise ClaimError(f"{self.name}: only an equality can be proved by induction here.")
        start = {self.over: 1}
        for what, general, at_one in (
            ("left", self.lhs, self.base.lhs),
            ("right", self.rhs, self.base.steps[-1].expr),
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
        try:
            if step.by is DEFINITION and (number or base):
                raise ValueError("only the first step of a claim can be a definition")
            if not may_write(step.by, step.relation):
                raise ValueError(f"its method proves {step.by.relation}, not {step.relation}")
            self._check_reason(step)
            known = citing.rules(self, step, base)
            sides = (citing.applied(known, side) for side in (before, step.expr))
            left = step.by.prove(*sides)
            if follows(left):
                for use in step.uses:
                    citing.must_be_used(self, step, use, before, base)
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
        definitions = {
            kind: (other.lhs, other.rhs)
            for kind, name in RULES.items()
            if name != self.name and (other := self.registry.get(name)) is not None
        }
        return Values(beta, t, given or {}, definitions)(self.rhs)

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
