"""Rules for expectations and densities: Jensen, Bayes, and what is known once x_t is."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .. import algebra
from .. import notation as nt
from ..printing import latex
from . import Method


def _opposite_log(e: Any) -> Any:
    """What stands in -log( ), or nothing."""
    factors = sp.Mul.make_args(e)
    if len(factors) == 2 and factors[0] == -1 and isinstance(factors[1], sp.log):
        return factors[1].args[0]
    return None


def _importance(before: Any, after: Any) -> Any:
    """p(x_0) is the mean over q(rest | x_0) of p(x_0, rest) / q(rest | x_0).

    The sum over all paths of q p/q is the sum of p, whatever T is: the mean has to be over the very
    q that divides, and p has to be of x_0 and of exactly what is averaged.
    """
    of, mean = _opposite_log(before), _opposite_log(after)
    if not isinstance(of, nt.Density) or type(mean) is not nt.E:
        return sp.Symbol("no density, or no mean")
    name, variables, given = of.args
    ratio, condition, over, law = mean.args
    top, bottom = nt.p_theta([nt.States(0, nt.T)]), nt.q([nt.States(1, nt.T)], nt.x(0))
    if (name, tuple(variables), tuple(given)) != (top.args[0], (nt.x(0),), ()):
        return of
    if condition or law or over.name != "q":
        return mean
    return algebra.difference(ratio, top / bottom)


def _jensen(before: Any, after: Any) -> Any:
    """-log E[r] <= E[-log r] for r > 0: -log is convex.

    It lies above its tangent at m = E[r]: -log r >= -log m - (r - m)/m, and the mean of r - m is 0.
    Both means have to be the same, and r a fraction of densities.
    """
    mean = _opposite_log(before)
    if type(mean) is not nt.E or type(after) is not nt.E or mean.args[1:] != after.args[1:]:
        return sp.Symbol("not two means over one law")
    ratio = _opposite_log(after.args[0])
    if ratio is None or ratio != mean.args[0]:
        return sp.Symbol("another ratio")
    positive = all(isinstance(f.as_base_exp()[0], nt.Density) for f in sp.Mul.make_args(ratio))
    return positive or sp.Symbol("what may be negative")


IMPORTANCE = Method("algebra", _importance)
JENSEN = Method("algebra", _jensen, r"\le")


# -- once x_t is known -----------------------------------------------------------------------------


def given(known: Any, noise: Any) -> Method:
    """The tower property: a mean is the mean, over ``known``, of the mean given it.

    Two sides agree where they agree for each value of ``known``. There a guess made from it and the
    mean of the noise are numbers, and of the noise two numbers count: its mean and its mean square.
    """
    letter, first, second = sp.symbols("e m_1 m_2", real=True)

    def inner(e: Any) -> Any:
        if isinstance(e, nt.E):
            of, condition, over, law = e.args
            if tuple(condition) != (known,) or law or over.name.strip():
                raise algebra.Undecided(f"{e} is not a mean given {known}")
            mean = moments(inner(of))
            return moments(inner(of) ** 2) - mean**2 if isinstance(e, nt.Var) else mean
        if isinstance(e, nt.Guess):
            if e.args != (known,):
                raise algebra.Undecided(f"{e} is not known once {known} is")
            return sp.Symbol("f", real=True)
        if isinstance(e, nt.Grouped):
            return inner(e.args[0])
        if e == noise:
            return letter
        if e.is_Number:
            return e
        if e.is_Add or e.is_Mul or (e.is_Pow and e.exp.is_Integer):
            return e.func(*map(inner, e.args))
        raise algebra.Undecided(f"nothing is known of {e}")

    def moments(e: Any) -> Any:
        terms = sp.Poly(sp.expand(e), letter)
        if terms.degree() > 2:
            raise algebra.Undecided("a third moment")
        return sum(k * (1, first, second)[p] for (p,), k in terms.terms())

    def outer(e: Any) -> Any:
        if e.is_Add:
            return sp.Add(*map(outer, e.args))
        means = [f for f in sp.Mul.make_args(e) if isinstance(f, nt.E)]
        number = sp.Mul(*(f for f in sp.Mul.make_args(e) if not isinstance(f, nt.E)))
        if len(means) != 1 or type(means[0]) is not nt.E or not number.is_Number:
            raise algebra.Undecided(f"{e} is not a number times a mean")
        of, condition, over, law = means[0].args
        if condition or law or over.name.strip():
            raise algebra.Undecided(f"{means[0]} is not a mean over all")
        return number * moments(inner(of))

    def prove(before: Any, after: Any) -> Any:
        with evaluate(True):
            return sp.expand(outer(before) - outer(after))

    return Method("algebra", prove)


def _posterior(before: Any, after: Any) -> Any:
    """Sides that are means of x_0 given x_t, written with densities, for any data.

    - Bayes: the integral of f q(x_t | x_0) q(x_0) over x_0 is q(x_t) times the mean of f given x_t.
    - The slope of log q(x_t) is the mean, given x_t, of the slope of log q(x_t | x_0). For q(x_t)
      is the integral of q(x_t | x_0) q(x_0), which may be differentiated inside: a bell with a
      variance above 0 and its slope are bounded, whatever the data are.
    """
    x_t, x_0 = nt.x(nt.t), nt.x(0)
    bell, data, noised = sp.symbols("Q P Z", positive=True)
    slope = sp.Symbol("S", real=True)
    one, every, start = nt.q(x_t, x_0), nt.q(x_t), nt.q(x_0)
    names = {
        nt.Gradient(one, x_t): bell * slope,
        nt.Gradient(sp.log(one), x_t): slope,
        one: bell,
        start: data,
        every: noised,
    }

    def is_random(e: Any) -> bool:
        return e.has(bell, data, slope) or bool(e.atoms(nt.Vector, nt.Letter) - {x_t})

    def mean(f: Any) -> Any:
        total = sp.S.Zero
        for term in sp.Add.make_args(sp.expand(f)):
            inside = [a for a in sp.Mul.make_args(term) if is_random(a)]
            outside = [a for a in sp.Mul.make_args(term) if not is_random(a)]
            total += sp.Mul(*outside) * nt.Held("mean", sp.Mul(*inside))
        return total

    def value(e: Any) -> Any:
        if e in names:
            return names[e]
        if e == nt.Gradient(sp.log(every), x_t):
            return mean(slope)
        if isinstance(e, nt.Over) and e.args[1] == x_0:
            return noised * mean(value(e.args[0]) / (bell * data))
        if type(e) is nt.E and tuple(e.args[1]) == (x_t,) and not e.args[3]:
            if e.args[2].name.strip():
                raise algebra.Undecided(f"the subscript {e.args[2]}")
            return mean(value(e.args[0]))
        if isinstance(e, (nt.E, nt.Over, nt.Gradient, nt.Density)):
            raise algebra.Undecided(f"{e} is no mean given x_t")
        if not e.args or isinstance(e, nt.Indexed):
            return e
        return e.func(*map(value, e.args))

    with evaluate(True):
        return algebra.difference(value(before), value(after))


POSTERIOR = Method("algebra", _posterior)


def _multiplied_out(before: Any, after: Any) -> Any:
    """The mean of a product is the sum of the means of its terms: no mean is worked out."""

    def means(e: Any) -> Any:
        opaque: dict[Any, Any] = {}

        def name(part: Any) -> Any:
            return opaque.setdefault(part, sp.Symbol(latex(part), real=True))

        def terms(part: Any) -> Any:
            if isinstance(part, nt.E):
                if part.args[1] or part.args[2].name.strip() or isinstance(part, nt.Var):
                    return name(part)
                return terms(part.args[0])
            if isinstance(part, nt.Grouped):
                return terms(part.args[0])
            if not part.args or not (part.is_Add or part.is_Mul or part.is_Pow):
                return name(part) if not part.is_Number else part
            return part.func(*map(terms, part.args))

        return sp.expand(terms(e))

    products = [a for a in sp.preorder_traversal(after) if a.is_Mul]
    if any(sum(isinstance(b, nt.E) for b in a.args) > 1 for a in products):
        return after  # the mean of a product is no product of means
    with evaluate(True):
        return means(before) - means(after)


MULTIPLIED_OUT = Method("algebra", _multiplied_out)
