r"""What our expressions mean, and when two of them are equal.

``unfold`` replaces what is ours (expectations, norms, densities) by plain algebra. ``difference``
then decides equality: it writes everything in independent quantities (α_t, ᾱ_{t-1}, ... and the
square roots of irreducible polynomials in them), and brings the difference of the two sides to one
fraction. Square roots of different irreducible polynomials are independent, so an expression is 0
only where its numerator is 0 term by term: nothing is guessed and nothing is left to ``simplify``.
"""

from __future__ import annotations

from functools import cmp_to_key, lru_cache
from typing import Any

import mpmath  # type: ignore[import-untyped]
import sympy as sp
from sympy.core.parameters import evaluate
from sympy.polys.rings import PolyRing

from . import notation as nt
from .printing import latex


class Undecided(ValueError):
    """The two sides cannot be brought to a form in which they can be compared."""


# -- meaning -------------------------------------------------------------------------------------


class Moment(nt.Notation):
    """The expectation of something that cannot be taken further: compared as it stands."""


class Joint(nt.Notation):
    """The joint density of one state or of two neighbors: what densities are made of."""

    is_positive = True

    def __new__(cls, name: Any, *states: Any) -> Any:
        return sp.Expr.__new__(cls, name, *states)


@lru_cache(4096, typed=True)  # a line is the end of one step and the start of the next
def unfold(e: Any) -> Any:
    """The meaning of an expression, evaluated."""
    with evaluate(True):
        return _unfold(e)


def _unfold(e: Any) -> Any:
    if isinstance(e, nt.E):
        of, given, over, law = e.args
        named = rf"{latex(law[0])} \sim {latex(law[1])}".replace(r"\,", "") if law else ""
        if law and over.name.strip() not in ("", named):
            raise Undecided(f"the subscript {over} is not the law {latex(law[1])}")
        if over.name == "q":
            of = averaged_out(of)
        take = lambda value: _expectation(sp.expand(value), given, law, over)  # noqa: E731 # short
        if of.has(sp.log):
            of = of.replace(nt.Normal, lambda *a: nt.Normal(*a).density)
        inner = sp.expand(_unfold(of))
        if isinstance(e, nt.Var):
            return sp.expand(take(inner**2) - take(inner) ** 2)
        return take(expand_logs(inner))
    if isinstance(e, nt.Density):
        return _density(e)
    if isinstance(e, nt.Normal):
        return nt.Normal(*[_unfold(a) for a in e.args[:3]])  # I or no I: d equal components
    if isinstance(e, (sp.Sum, sp.Product)):
        return _series(e)
    if isinstance(e, sp.Integral):
        return e.func(_unfold(e.function), *e.limits)
    if isinstance(e, nt.KL):
        return nt.KL(*(_nameless(_unfold(a)) for a in e.args))
    if isinstance(e, nt.Grouped):
        return _unfold(e.args[0])
    if isinstance(e, nt.Gradient):
        of, by = e.args
        return _gradient(of, by)
    if not e.args or isinstance(e, (nt.Indexed, sp.Tuple)):
        return e
    args = [_unfold(a) for a in e.args]
    if isinstance(e, nt.Norm2):
        return _inner(args[0], args[0])
    return e.func(*args)


def averaged_out(of: sp.Expr) -> sp.Expr:
    """What is averaged over q, with log-ratios in place of their means, the divergences."""
    return of.replace(_averaged, lambda kl: sp.log(kl.args[0]) - sp.log(kl.args[1]))


def _averaged(e: Any) -> bool:
    """The tower property: over q, given x_0, a divergence *from* q is a mean of log-ratios.

    The mean of log q(A | B) - log p(A | C) is taken over q(A | B), so q has to stand first, B must
    be all that matters for A (it contains x_0, or it is an earlier state), and C a part of B.
    """
    if not isinstance(e, nt.KL) or not all(isinstance(a, nt.Density) for a in e.args):
        return False
    name, variables, given = e.args[0].args
    _, others, less = e.args[1].args
    if others != variables or not set(less) <= set(given):
        return False
    return name.name == "q" and (
        nt.x(0) in given
        or (len(given) == 1 and all(is_before(given[0].at, a.at) for a in variables))
    )


def _nameless(e: sp.Expr) -> sp.Expr:
    """A divergence is between distributions: the name of the variable does not matter."""
    return nt.Normal(nt.ANY, *e.args[1:]) if isinstance(e, nt.Normal) else e


def _series(e: sp.Expr) -> sp.Expr:
    """A sum or product with its last terms taken out, so that all end at the same place.

    Up to t + c it becomes one up to t - 3, and the terms t - 2, ..., t + c. Numbers of terms that
    are known are written out.
    """
    (variable, low, high), body = e.limits[0], e.function
    low, high = nt.index(low), nt.index(high)
    join = sp.Add if isinstance(e, sp.Sum) else sp.Mul

    def term(at: sp.Expr) -> sp.Expr:
        return _unfold(body.xreplace({variable: at}))

    if sp.expand(high - low).is_Integer:
        return join(*(term(low + j) for j in range(int(high - low) + 1)))
    shift, _ = high.as_coeff_Add()
    start = sp.expand(high - shift - 3)
    if not shift.is_Integer or high.has(sp.oo):
        return e.func(_unfold(body), (variable, low, high))
    last = [term(sp.expand(start + j)) for j in range(1, int(shift) + 4)]
    body = sp.expand(_unfold(body), power_exp=True)
    if join is sp.Add and body.is_Mul:
        outside, inside = body.as_independent(variable, as_Add=False)
        return sp.Add(outside * e.func(inside, (variable, low, start)), *last)
    return join(e.func(body, (variable, low, start)), *last)


def _gradient(of: sp.Expr, by: sp.Expr) -> sp.Expr:
    """The derivative, component by component, of the logarithm of a density."""
    of = of.replace(nt.Normal, lambda *a: nt.Normal(*a).density)
    of = expand_logs(_unfold(of))
    y = sp.Dummy(real=True)
    slopes = sp.S.Zero
    for joint in of.atoms(Joint):  # the slope of its logarithm, by name
        if by in joint.args:
            factor = of.coeff(sp.log(joint))
            of = sp.expand(of - factor * sp.log(joint))
            if factor.has(by) or of.has(joint):
                raise Undecided(f"{joint} stands elsewhere than in a logarithm")
            slopes += factor * Moment(joint, by)
    others = {joint: sp.Dummy(positive=True) for joint in of.atoms(Joint)}
    of = sp.expand_log(of.xreplace(others).subs(by, y), force=True)
    back = {dummy: joint for joint, dummy in others.items()}
    return slopes + sp.diff(of, y).subs(y, by).xreplace(back)


def _vectors(e: sp.Expr) -> set[sp.Expr]:
    """The vectors in a linear expression: the largest, so a network's arguments do not count."""
    if isinstance(e, (nt.Vector, nt.Letter)):
        return {e}
    return set().union(*(_vectors(a) for a in e.args)) if e.args else set()


def _inner(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """<a, b> for two linear combinations of vectors."""

    def coefficients(e: sp.Expr) -> dict[sp.Expr, sp.Expr]:
        vectors = sorted(_vectors(e), key=sp.default_sort_key)
        names = {vector: sp.Dummy() for vector in vectors}
        linear = sp.expand(_replace_vectors(e, names))
        out = {vector: linear.coeff(name, 1) for vector, name in names.items()}
        rest = sp.expand(linear - sum(c * names[vector] for vector, c in out.items()))
        if rest != 0 or any(set(names.values()) & c.free_symbols for c in out.values()):
            raise Undecided(f"{e} is not a linear combination of vectors, so it has no length")
        return out

    left, right = coefficients(a), coefficients(b)
    return sp.Add(*(c * k * nt.Dot(u, w) for u, c in left.items() for w, k in right.items()))


def _replace_vectors(e: sp.Expr, names: dict[sp.Expr, sp.Symbol]) -> sp.Expr:
    if e in names:
        return names[e]
    return e.func(*(_replace_vectors(a, names) for a in e.args)) if e.args else e


def generic(e: sp.Expr) -> sp.Expr:
    """An index with t and T far from the ends, so that t - 1 is after 0 and t before T."""
    far = sp.Dummy(integer=True, positive=True)
    farther = sp.Dummy(integer=True, positive=True)
    return sp.expand(sp.sympify(e).subs({nt.T: nt.t + farther + 3}).subs({nt.t: far + 3}))


@lru_cache(4096)
def is_before(a: sp.Expr, b: sp.Expr) -> bool:
    """Whether the time a lies before the time b."""
    gap = generic(sp.Add(b, -a, evaluate=True))
    if gap.is_positive is None and gap != 0:
        raise Undecided(f"it is not known whether time {a} lies before time {b}")
    return bool(gap.is_positive)


def _density(e: nt.Density) -> sp.Expr:
    """q(A | B) = q(A, B) / q(B), with the joint density of a Markov chain written by neighbors."""
    name, variables, given = e.args
    if name.name == "p":  # the prior, or densities with a label: no chain
        both = Joint(name, *sorted({*variables, *given}, key=sp.default_sort_key))
        return both / Joint(name, *given) if given else both
    return _joint(name, [*variables, *given]) / _joint(name, given)


def _joint(name: sp.Symbol, states: Any) -> sp.Expr:
    if not states:
        return sp.S.One
    if name.name == "q" and all(isinstance(s, (nt.Open, nt.Masked)) for s in states):
        return _lifetime(name, states)
    if not all(isinstance(s, nt.x) for s in states):  # x_{a:b}: taken as it stands
        return Joint(name, *sorted(set(states), key=sp.default_sort_key))

    def compare(a: Any, b: Any) -> int:
        return -1 if is_before(a.at, b.at) else 1

    chain = sorted(set(states), key=cmp_to_key(compare))
    pairs = sp.Mul(*(Joint(name, a, b) for a, b in zip(chain, chain[1:])))
    if len(chain) == 1:
        return Joint(name, chain[0])
    return pairs / sp.Mul(*(Joint(name, a) for a in chain[1:-1]))


def _lifetime(name: sp.Symbol, events: Any) -> sp.Expr:
    """The chance that a pixel is open and masked at these times. It is masked once, and stays so:
    open at a and masked at b > a means masked on the way, q(o_a) - q(o_b)."""

    def is_open(at: Any) -> sp.Expr:
        return sp.S.One if at == 0 else Joint(name, nt.Open(at))

    last = cmp_to_key(lambda a, b: -1 if is_before(a, b) else int(a != b))
    opened = max((e.at for e in events if isinstance(e, nt.Open)), key=last, default=sp.S.Zero)
    masked = [e.at for e in events if isinstance(e, nt.Masked)]
    if not masked:
        return is_open(opened)
    first = min(masked, key=last)
    return is_open(opened) - is_open(first) if is_before(opened, first) else sp.S.Zero


def _is_noise(a: Any) -> bool:
    return isinstance(a, (nt.Noise, nt.NoiseLetter))


def _independent(noise: sp.Expr, other: sp.Expr) -> bool:
    """ε_t is independent of all that came before it; ε of the data, and of other noise."""
    if _is_noise(other):
        # ε is made of all ε_t, so it is not independent of any.
        mixed = {nt.eps} == {a for a in (noise, other) if not isinstance(a, nt.Indexed)}
        return noise != other and not (mixed and nt.eps_at in (type(noise), type(other)))
    if not isinstance(other, nt.x):
        return False
    if isinstance(noise, nt.FreshNoise):  # drawn at t, when x_t is there and x_{t-1} is not
        return other.at == 0 or not is_before(other.at, nt.t)
    return is_before(other.at, noise.at) if isinstance(noise, nt.eps_at) else other.at == 0


def _random(e: Any, given: Any) -> set[Any]:
    kinds = (nt.x, nt.RandomLetter)
    atoms = {a for a in sp.preorder_traversal(e) if isinstance(a, kinds) or _is_noise(a)}
    return atoms - set(given)


def _expectation(of: sp.Expr, given: Any, law: Any, over: Any) -> sp.Expr:
    """E[of | given], term by term: linearity, independence, and the moments of N(0, 1)."""
    for a in given:
        if not isinstance(a, nt.Vector | nt.Letter):
            raise Undecided(f"{latex(a)} is a condition that is not a variable")
    if law:
        variable, normal = law
        _, mean, var, _ = normal.args
        standard = nt.NoiseLetter(r"\text{standard}", real=True)
        of = sp.expand(of.subs(variable, unfold(mean) + sp.sqrt(unfold(var)) * standard))
    total = sp.S.Zero
    for term in sp.Add.make_args(of):
        constant, rest = sp.S.One, []
        for factor in sp.Mul.make_args(term):
            if _random(factor, given):
                rest.append(factor)
            else:
                constant *= factor
        total += constant * _moment(sp.Mul(*rest), given, over)
    return total


def _moment(e: sp.Expr, given: Any, over: Any) -> sp.Expr:
    for noise in sorted(filter(_is_noise, _random(e, given)), key=sp.default_sort_key):
        rest, power = sp.S.One, 0
        for factor in sp.Mul.make_args(e):
            base, exponent = factor.as_base_exp()
            if base == noise and exponent.is_Integer:
                power += int(exponent)
            elif factor == nt.Dot(noise, noise) and power == 0:
                power, rest = 2, rest * nt.d
            elif isinstance(factor, nt.Dot) and noise in factor.args and power == 0:
                (other,) = set(factor.args) - {noise}
                if all(_independent(noise, a) for a in _random(other, ())):
                    return sp.S.Zero
                rest *= factor
            else:
                rest *= factor
        after = [a for a in given if isinstance(a, nt.x) and not _independent(noise, a)]
        free = not after and all(_independent(noise, a) for a in _random(rest, ()))
        if power and free:
            value = 0 if power % 2 else sp.factorial2(power - 1)
            return sp.S(value) * _moment(rest, given, over) if value else sp.S.Zero
    return Moment(e, sp.Tuple(*given), over) if _random(e, given) else e


# -- equality ------------------------------------------------------------------------------------


class Generators:
    """Independent positive quantities in which a whole comparison is written."""

    def __init__(self, *expressions: sp.Expr) -> None:
        self.symbols: dict[Any, sp.Symbol] = {}
        self.below_one: set[sp.Symbol] = set()
        self.others: list[tuple[sp.Expr, sp.Symbol]] = []
        times = {a.at for e in expressions for a in e.atoms(nt.alpha_bar)}
        times |= {sp.S.Zero} | {a.at for e in expressions for a in e.atoms(nt.snr)}
        self.times = times

    def symbol(self, key: Any) -> sp.Symbol:
        if key not in self.symbols:
            name = "_".join(map(str, key)).replace(" ", "")
            self.symbols[key] = sp.Symbol(name, positive=True)
            self.below_one.add(self.symbols[key])
        return self.symbols[key]

    def alpha(self, at: sp.Expr) -> sp.Expr:
        return sp.S.One if at == 0 else self.symbol(("alpha", at))

    def alpha_bar(self, at: sp.Expr) -> sp.Expr:
        """ᾱ at a time, from the earliest ᾱ at a whole number of steps before it."""
        gaps = [sp.expand(at - other) for other in self.times]
        steps = max(int(g) for g in gaps if g.is_Integer)
        start = sp.expand(at - steps)
        first = sp.S.One if start == 0 else self.symbol(("alpha_bar", start))
        return first * sp.Mul(*(self.alpha(sp.expand(start + j)) for j in range(1, steps + 1)))

    def write(self, e: sp.Expr) -> sp.Expr:
        """The expression in generators: only +, *, powers, logarithms and symbols are left."""
        if isinstance(e, nt.beta):
            return 1 - self.alpha(e.at)
        if isinstance(e, nt.alpha):
            return self.alpha(e.at)
        if isinstance(e, nt.alpha_bar):
            return self.alpha_bar(e.at)
        if e.is_Symbol or e.is_Number or e.is_NumberSymbol:
            return e
        if e.is_Add or e.is_Mul:
            return e.func(*(self.write(a) for a in e.args))
        if e.is_Pow:
            base, exponent = self.write(e.base), e.exp
            if exponent.is_Rational and exponent.q == 2:
                return _root(base) ** exponent.p
            if exponent.is_Integer:
                return base**exponent
            if exponent.is_Add:
                return sp.Mul(*(self.write(e.base**part) for part in exponent.args))
            return self.foreign(e)
        if isinstance(e, sp.log):
            return _logarithm(self.write(e.args[0]))
        if isinstance(e, sp.Abs):  # SymPy's root of a square
            for sign in (1, -1):
                if _is_nonnegative(sign * e.args[0]):
                    return sign * self.write(e.args[0])
        return self.foreign(e)

    def foreign(self, e: sp.Expr) -> sp.Symbol:
        """A symbol for anything else; equal things get the same symbol."""
        for known, name in self.others:
            if known == e or (type(known) is type(e) and _same_arguments(known, e)):
                return name
        square = isinstance(e, nt.Dot) and e.args[0] == e.args[1]
        name = sp.Dummy(
            type(e).__name__,
            positive=True if e.is_positive else None,
            nonnegative=True if e.is_positive or square or e.is_nonnegative else None,
            real=True,
        )
        self.others.append((e, name))
        return name


def _same_arguments(a: sp.Expr, b: sp.Expr) -> bool:
    if isinstance(a, (nt.Indexed, Joint)) or len(a.args) != len(b.args):
        return False
    try:
        return all(
            u == w or (_is_expr(u, w) and difference(u, w) == 0) for u, w in zip(a.args, b.args)
        )
    except (Undecided, TypeError, AttributeError):
        return False


def _is_expr(*values: Any) -> bool:
    return all(isinstance(value, sp.Expr) for value in values)


def _sample(e: sp.Expr) -> sp.Expr:
    """The value at a point where every quantity lies between 0 and 1, to read a sign from."""
    names = sorted(e.free_symbols, key=str)
    return e.xreplace({name: sp.Rational(2 * n + 1, 4 * n + 5) for n, name in enumerate(names)})


@lru_cache(4096)
def _factors(e: sp.Expr) -> tuple[sp.Expr, list[tuple[sp.Expr, int]]]:
    """A positive expression as a number times powers of irreducible positive polynomials."""
    top, bottom = sp.fraction(sp.together(e))
    number, out = sp.S.One, []
    for part, sign in ((top, 1), (bottom, -1)):
        coefficient, powers = sp.factor_list(sp.expand(part))
        number *= coefficient**sign
        for base, power in powers:
            base = base.as_expr() if hasattr(base, "as_expr") else base
            if not base.is_positive and _sample(base).is_negative:
                base, number = -base, number * (-1) ** power
            out.append((base, sign * power))
    return number, out


def _root(e: sp.Expr) -> sp.Expr:
    """The square root, as a product of roots of irreducible polynomials."""
    if e.is_Number or e.is_Symbol:
        return sp.sqrt(e)
    number, factors = _factors(e)
    out = sp.sqrt(number)
    for base, power in factors:
        whole, half = divmod(power, 2)
        out *= base**whole * (sp.Pow(base, sp.S.Half) if half else 1)
    return out


def _logarithm(e: sp.Expr) -> sp.Expr:
    """The logarithm, as a sum of logarithms of irreducible polynomials."""
    if e.is_Pow and not e.exp.is_Integer:
        return e.exp * _logarithm(e.base)
    if isinstance(e, sp.exp):
        return e.args[0]
    roots = [p for p in e.atoms(sp.Pow) if p.exp.is_Rational and p.exp.q == 2]
    if roots:
        whole = sp.Mul(*(f for f in sp.Mul.make_args(e) if f not in roots))
        rest = [f for f in sp.Mul.make_args(e) if f in roots]
        if rest:
            return _logarithm(whole) + sum(f.exp * _logarithm(f.base) for f in rest)
    number, factors = _factors(e)
    parts = sp.log(number) if number != 1 else sp.S.Zero
    return sp.expand_log(parts, force=True) + sum(k * sp.log(base) for base, k in factors)


def expand_logs(e: sp.Expr) -> sp.Expr:
    """Logarithms of products as sums."""
    if not e.has(sp.log):
        return e
    return sp.expand(sp.expand_log(e, force=True))


def reduced(e: sp.Expr) -> sp.Expr:
    """The numerator of an expression in generators, with the squares of roots multiplied out."""
    logs = {a: sp.Dummy("log", real=True) for a in e.atoms(sp.log)}
    e = e.xreplace(logs)
    roots: dict[sp.Expr, sp.Symbol] = {}

    def name(power: sp.Expr) -> sp.Expr:
        base = power.base
        if base not in roots:
            roots[base] = sp.Dummy("root", positive=True)
        return roots[base] ** power.exp.p

    e = e.replace(lambda a: a.is_Pow and a.exp.is_Rational and a.exp.q == 2, name)
    if e.has(sp.nan, sp.zoo, sp.oo):
        raise Undecided("the expression divides by zero")
    whole = Fractions({*roots.values(), *e.free_symbols, *e.atoms(sp.NumberSymbol)}, roots)
    return whole.expression(whole.without_squares(whole.split(e)[0]))


class Fractions:
    """What is made of letters with +, *, / and powers, as two polynomials: above and below."""

    def __init__(self, letters: set[sp.Expr], roots: dict[sp.Expr, sp.Symbol]) -> None:
        for base in roots:
            letters = letters | base.free_symbols | base.atoms(sp.NumberSymbol)
        self.letters = sorted(letters, key=sp.default_sort_key) or [sp.Dummy()]
        self.ring = PolyRing([sp.Dummy() for _ in self.letters], sp.QQ, sp.lex)
        self.values = dict(zip(self.letters, self.ring.gens))
        self.roots = roots

    def expression(self, polynomial: Any) -> sp.Expr:
        return polynomial.as_expr(*self.letters) if polynomial else sp.S.Zero

    def split(self, e: sp.Expr) -> tuple[Any, Any]:
        """The polynomials above and below the line."""
        one = self.ring.one
        if e in self.values:
            return self.values[e], one
        if e.is_Rational:
            return self.ring.ground_new(sp.QQ(e.p)), self.ring.ground_new(sp.QQ(e.q))
        if e.is_Pow and e.exp.is_Integer:
            top, bottom = self.split(e.base)
            if e.exp < 0:
                if not top:
                    raise Undecided("the expression divides by zero")
                top, bottom = bottom, top
            return top ** abs(int(e.exp)), bottom ** abs(int(e.exp))
        if not e.is_Add and not e.is_Mul:
            raise Undecided(f"{e} is neither a sum nor a product")
        top, bottom = self.split(e.args[0])
        for part in e.args[1:]:
            above, below = self.split(part)
            if e.is_Mul:
                top, bottom = top * above, bottom * below
            elif below == bottom:
                top += above
            else:
                shared = bottom.gcd(below)
                rest = below.exquo(shared)
                top, bottom = top * rest + above * bottom.exquo(shared), bottom * rest
        return top, bottom

    def without_squares(self, top: Any) -> Any:
        """The squares of roots multiplied out; what comes below is positive, and left out."""
        for base, root in self.roots.items():
            place = self.letters.index(root)
            most = max((powers[place] for powers in top), default=0) // 2
            if most == 0:
                continue
            above, below = self.split(base)
            parts = [self.ring.zero] * (most + 1)
            for powers, number in top.items():
                half, odd = divmod(powers[place], 2)
                powers = (*powers[:place], odd, *powers[place + 1 :])
                parts[half] = parts[half] + self.ring.from_dict({powers: number})
            terms = (part * above**n * below ** (most - n) for n, part in enumerate(parts))
            return self.without_squares(sum(terms, self.ring.zero))
        return top


def _somewhere(e: sp.Expr) -> sp.Expr:
    """The value at a point, if it is clearly not 0 there, so that nothing can be proved; else 0."""
    names = sorted(e.free_symbols, key=str)
    point = {name: mpmath.mpf(2 * n + 1) / (4 * n + 5) for n, name in enumerate(names)}

    def value(part: sp.Expr) -> Any:
        if part in point:
            return point[part]
        if part.is_Rational:
            return mpmath.mpf(part.p) / part.q
        if part.is_Add:
            return mpmath.fsum(value(a) for a in part.args)
        if part.is_Mul:
            return mpmath.fprod(value(a) for a in part.args)
        if part.is_Pow:
            return mpmath.power(value(part.base), value(part.exp))
        if isinstance(part, sp.log):
            return mpmath.log(value(part.args[0]))
        return mpmath.mpmathify(part.evalf(30))

    try:
        with mpmath.workdps(30):
            size = abs(value(e))
    except (ZeroDivisionError, TypeError, ValueError):
        return sp.S.Zero  # no value there: the proof has to say
    return sp.Float(str(size)) if mpmath.isfinite(size) and size > 1e-12 else sp.S.Zero


def difference(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """0 where the two sides are equal; otherwise what is left of their difference."""
    with evaluate(True):
        a, b = unfold(a), unfold(b)
        if a == b:
            return sp.S.Zero
        g = Generators(a, b)
        gap = g.write(a) - g.write(b)
        return _somewhere(gap) or reduced(gap)


def log_difference(a: sp.Expr, b: sp.Expr) -> sp.Expr:
    """As ``difference``, of the logarithms: for densities, which are products of exponentials."""
    with evaluate(True):
        a, b = (log_of(unfold(e)) for e in (a, b))
        return difference(a, b)


def open_normals(e: sp.Expr) -> sp.Expr:
    return e.replace(nt.Normal, lambda *args: nt.Normal(*args).density)


def log_of(e: sp.Expr) -> sp.Expr:
    """log e, opened at products, powers and exponentials."""
    if e.is_Mul:
        return sp.Add(*(log_of(a) for a in e.args))
    if e.is_Pow:
        return e.exp * log_of(e.base)
    if isinstance(e, sp.exp):
        return e.args[0]
    if isinstance(e, nt.Normal):
        return log_of(e.density)
    if isinstance(e, nt.Over):
        return _log_gaussian_integral(*e.args)
    if isinstance(e, sp.Integral) and e.limits[0][1:] == (-sp.oo, sp.oo):
        return _log_gaussian_integral(e.function, e.limits[0][0])
    return sp.log(e)


def bell(of: sp.Expr, by: sp.Expr) -> tuple[sp.Expr, sp.Expr, sp.Expr]:
    """The logarithm of the area under exp(-a y²/2 + b y + c), its mean and its variance.

    They are c + b²/(2a) + log(2 pi / a)/2, b/a and 1/a: the claim ``forward.gaussian-integral``,
    after completing the square.
    """
    y = sp.Dummy(real=True)
    exponent = sp.expand(expand_logs(log_of(of)).xreplace({by: y}))
    c, b, a = (exponent.coeff(y, power) for power in range(3))
    if a == 0 or sp.expand(exponent - a * y**2 - b * y - c) != 0:
        raise Undecided(f"the integrand over {by} is not a Gaussian")
    a, b = sp.together(-2 * a), sp.together(b)
    return c + b**2 / (2 * a) + sp.log(2 * sp.pi / a) / 2, b / a, 1 / a


def _log_gaussian_integral(of: sp.Expr, by: sp.Expr) -> sp.Expr:
    """The logarithm of the integral of a Gaussian over the line."""
    return bell(of, by)[0]


def nonnegative(e: sp.Expr, strict: bool = False) -> bool:
    """Whether an expression in α, ᾱ (between 0 and 1) and squares is never negative.

    With α = 1/(1 + r), r > 0, it is a fraction of polynomials; it is enough that none of their
    coefficients is negative.
    """
    with evaluate(True):
        e = unfold(e)
        g = Generators(e)
        written = g.write(e)
        positive = {
            a: 1 / (1 + sp.Symbol(f"r_{n}", positive=True)) for n, a in enumerate(g.below_one)
        }
        top, bottom = sp.fraction(sp.factor(sp.together(written.subs(positive))))
        for part in (top, bottom):
            part = sp.expand(part)
            names = sorted(part.free_symbols, key=str)
            if not all(name.is_nonnegative for name in names):
                return False
            if names and any(c < 0 for c in sp.Poly(part, *names).coeffs()):
                return False
            if not names and part < 0:
                return False
        # Strictly above 0 where one of its terms is: where all letters of that term are.
        terms = sp.Add.make_args(sp.expand(top))
        return not strict or any(
            term != 0 and all(name.is_positive for name in term.free_symbols) for term in terms
        )


def _is_nonnegative(e: sp.Expr) -> bool:
    try:
        return nonnegative(e)
    except sp.PolynomialError:  # roots, of which nothing is decided
        return False


__all__ = [
    "Generators",
    "Undecided",
    "bell",
    "difference",
    "log_difference",
    "nonnegative",
    "reduced",
    "unfold",
]
