"""The claims of the chapter on the closed-form marginal."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .algebra import difference, reduced
from .claim import ASSUMED, HYPOTHESIS, Chain, Check, Claim, Step
from .forward import a as deviation_1
from .forward import b as deviation_2
from .forward import w as total
from .methods import (
    ALGEBRA,
    BELOW,
    CALCULUS,
    DEFINITION,
    LOGARITHMS,
    SUBSTITUTION,
    Method,
    marginalize,
)
from .notation import (
    Continuous,
    E,
    Normal,
    Over,
    T,
    Var,
    alpha,
    alpha_bar,
    as_written,
    beta,
    cosine_share,
    eps,
    eps_at,
    exp,
    half,
    i,
    log,
    n,
    q,
    s,
    snr,
    sqrt,
    t,
    tau,
    x,
)
from .printing import latex

delta = sp.Symbol(r"\delta", positive=True)
c = sp.Symbol("c", positive=True)
offset = sp.Symbol("s", nonnegative=True)  # the s of the cosine schedule
beta_max = sp.Symbol(r"\beta_{\max}", positive=True)
u = sp.Symbol("s", nonnegative=True)  # a time between 0 and tau
b_0, b_1 = sp.symbols("b_0 b_1", positive=True)


# -- proofs of their own ---------------------------------------------------------------------------


def _by_ratio(before: sp.Expr, after: sp.Expr) -> Any:
    """Two sequences in t agree when they agree at t = 1 and have the same ratio from t to t + 1."""

    def at(e: sp.Expr, when: Any) -> sp.Expr:
        def rebuild(part: sp.Expr) -> sp.Expr:
            if isinstance(part, sp.Product):
                variable, low, high = part.limits[0]
                return sp.Product(part.function, (variable, low, high.xreplace({t: when})))
            if part == t:
                return sp.sympify(when)
            return part.func(*map(rebuild, part.args)) if part.args else part

        return rebuild(e)

    def ratio(e: sp.Expr) -> sp.Expr:
        out = sp.S.One
        for factor in sp.Mul.make_args(e):
            if isinstance(factor, sp.Product):
                variable, _, high = factor.limits[0]
                steps = sp.expand(high.xreplace({t: t + 1}) - high)
                if steps != 1:
                    raise ValueError(f"{high} does not grow by 1 with t")
                out *= factor.function.xreplace({variable: t + 1})
            else:
                out *= factor.xreplace({t: t + 1}) / factor
        return sp.powsimp(sp.gammasimp(out))

    with evaluate(True):
        before, after = (
            e.replace(lambda p: p.is_Add, lambda p: sp.Add(*p.args)) for e in (before, after)
        )
        start = sp.gammasimp(at(before, 1).doit() / at(after, 1).doit())
        first = difference(start, sp.S.One)
        return first or difference(ratio(before), ratio(after))


BY_RATIO = Method("algebra", _by_ratio)


def _logs_of_factors(before: sp.Expr, after: sp.Expr) -> Any:
    """A product of n factors is the exponential of the sum of their logarithms; exp is continuous,
    so it may stand outside the limit."""
    if not isinstance(after, exp):
        return after
    with evaluate(True):
        product, total = before.args[0], after.args[0].args[0]
        if before.args[1:] != after.args[0].args[1:] or product.limits != total.limits:
            return sp.Symbol("another limit, or other factors")
        return difference(sp.log(product.function), total.function)


def _first_order(before: sp.Expr, after: sp.Expr) -> Any:
    """-h - h² <= log(1 - h) <= -h for 0 <= h <= 1/2, and the sum of all h² goes to 0.

    The first is shown by derivatives. The second holds for every rate that stays below a number B:
    each h is at most the one with B for the rate, and with that one the squares go to 0.
    """
    if not (isinstance(before, exp) and isinstance(after, exp)):
        return after
    with evaluate(True):
        h = sp.Symbol("h", positive=True)
        upper = sp.diff(-h - sp.log(1 - h), h)  # 0 at h = 0, then rising
        lower = sp.diff(sp.log(1 - h) + h + h**2, h)
        for slope in (upper, lower):
            r = sp.Symbol("r", positive=True)  # h = 1 / (2 + r) runs over 0 < h < 1/2
            top, bottom = sp.fraction(sp.factor(slope.subs(h, 1 / (2 + r))))
            if any(k < 0 for part in (top, bottom) for k in sp.Poly(part, r).coeffs()):
                return slope
        total, linear = before.args[0].args[0], after.args[0].args[0]
        if before.args[0].args[1:] != after.args[0].args[1:] or not isinstance(total, sp.Sum):
            return sp.Symbol("another limit")
        size = 1 - sp.exp(total.function)  # the h of each term
        bound = sp.Symbol("B", positive=True)
        most = size.replace(Continuous, lambda _: bound)
        rate = list(size.atoms(Continuous))
        if len(rate) != 1 or not sp.diff(size.xreplace({rate[0]: bound}), bound).is_positive:
            return size  # not larger where the rate is larger
        if sp.limit(sp.summation(most**2, *total.limits), n, sp.oo) != 0:
            return most
        signs = [a for a in sp.Mul.make_args(linear) if not isinstance(a, sp.Sum)]
        (given,) = (a for a in sp.Mul.make_args(linear) if isinstance(a, sp.Sum))
        if given.limits != total.limits:
            return given
        return sp.expand(size + sp.Mul(*signs) * given.function)


def _riemann(before: sp.Expr, after: sp.Expr) -> Any:
    """What an integral is, for a continuous rate: the limit of sums over n strips of width tau/n,
    each as high as the rate at its right end."""
    if not (isinstance(before, exp) and isinstance(after, exp)):
        return after
    with evaluate(True):
        of, variable, to = before.args[0].args[:3]
        integral = (-after.args[0]).doit(deep=False)
        parts = sp.Mul.make_args(of)
        sums = [a for a in parts if isinstance(a, sp.Sum)]
        signs = [a for a in parts if not isinstance(a, sp.Sum)]
        if (variable, to) != (n, sp.oo) or len(sums) != 1 or signs != [-1]:
            return of
        if sums[0].limits != (sp.Tuple(i, 1, n),) or not isinstance(integral, sp.Integral):
            return sums[0]
        name, low, high = integral.limits[0]
        strip = (high - low) / n * integral.function.xreplace({name: low + i * (high - low) / n})
        return sp.expand(sums[0].function - strip)


# -- checks of definitions -------------------------------------------------------------------------


def _is_kept_share(claim: Claim) -> Any:
    """α_t is the square of what a step multiplies its input with."""
    step = claim.registry["forward.transition"].rhs
    return difference(claim.rhs, (step.args[1] / x(t - 1)) ** 2)


def _product_starts(claim: Claim) -> Any:
    with evaluate(True):
        first, second = (claim.rhs.xreplace({t: sp.Integer(k)}) for k in (1, 2))
        return difference(first, alpha(1)) or difference(second, alpha(1) * alpha(2))


def _linear_ends(claim: Claim) -> Any:
    with evaluate(True):
        first, last = (claim.rhs.xreplace({t: when}).doit() for when in (sp.S.One, T))
        bend = sum(k * claim.rhs.xreplace({t: t + j}) for j, k in ((0, 1), (1, -2), (2, 1)))
        return difference(first, beta(1)) or reduced(sp.expand(last - beta(T))) or sp.simplify(bend)


def _cosine_ends(claim: Claim) -> Any:
    """1 at t = 0, 0 at t = T, and the angle grows by equal amounts."""
    with evaluate(True):
        start, end = (claim.rhs.xreplace({t: when}) for when in (sp.S.Zero, T))
        halfway = claim.rhs.xreplace({t: T / 2}).subs(offset, 0).doit()
        for value, wanted in ((start, 1), (end, 0), (halfway, half)):
            if sp.simplify(sp.sympify(value).doit() - wanted) != 0:
                return value
        return 0


with as_written():
    delta_value = (beta(T) - beta(1)) / (T - 1)
    c_value = (1 - beta(1)) / delta
    mean_t = sqrt(alpha_bar(t)) * x(0)
    f_t = sp.cos((t / T + offset) / (1 + offset) * (sp.pi / 2)) ** 2
    f_0 = sp.cos(offset / (1 + offset) * (sp.pi / 2)) ** 2
    h = tau / n * Continuous(i * tau / n)

    CLAIMS = [
        Claim(
            "marginal.alpha",
            alpha(t),
            (Step(1 - beta(t), "the share of the variance that step $t$ keeps", DEFINITION),),
            checks=(Check("a step multiplies its input by its root", _is_kept_share),),
        ),
        Claim(
            "marginal.alpha-bar",
            alpha_bar(t),
            (
                Step(
                    sp.Product(alpha(s), (s, 1, t)),
                    "the share that is left after $t$ steps",
                    DEFINITION,
                ),
            ),
            checks=(Check("it is α_1, and α_1 α_2", _product_starts, "exact cases", "t = 1, 2"),),
        ),
        Claim(
            "marginal.alpha-bar-step",
            alpha_bar(t),
            (
                Step(
                    sp.Product(alpha(s), (s, 1, t)),
                    "the definition",
                    ALGEBRA,
                    ("marginal.alpha-bar",),
                ),
                Step(alpha(t) * sp.Product(alpha(s), (s, 1, t - 1)), "take the last factor out"),
                Step(
                    alpha(t) * alpha_bar(t - 1),
                    "the definition for $t-1$",
                    ALGEBRA,
                    (("marginal.alpha-bar", {t: t - 1}),),
                ),
            ),
        ),
        Claim(
            "marginal.mean",
            E(x(t), x(0)),
            (
                Step(
                    E(sqrt(alpha(t)) * x(t - 1) + sqrt(1 - alpha(t)) * eps_at(t), x(0)),
                    "one step of the chain",
                    SUBSTITUTION,
                    ("forward.reparameterization",),
                ),
                Step(
                    sqrt(alpha(t)) * E(x(t - 1), x(0)),
                    "the mean is linear, and $\\epsilon_t$ has mean 0",
                ),
                Step(
                    sqrt(alpha(t)) * (sqrt(alpha_bar(t - 1)) * x(0)),
                    "the claim for $t-1$",
                    ALGEBRA,
                    (HYPOTHESIS,),
                ),
                Step(mean_t, "$\\alpha_t \\bar\\alpha_{t-1} = \\bar\\alpha_t$"),
            ),
            base=Chain(
                E(x(1), x(0)),
                (
                    Step(
                        E(sqrt(alpha(1)) * x(0) + sqrt(1 - alpha(1)) * eps_at(1), x(0)),
                        "the first step",
                        SUBSTITUTION,
                        (("forward.reparameterization", {t: 1}),),
                    ),
                    Step(sqrt(alpha(1)) * x(0), "$\\epsilon_1$ has mean 0"),
                    Step(sqrt(alpha_bar(1)) * x(0), "$\\bar\\alpha_1 = \\alpha_1$"),
                ),
            ),
        ),
        Claim(
            "marginal.variance",
            Var(x(t), x(0)),
            (
                Step(
                    Var(sqrt(alpha(t)) * x(t - 1) + sqrt(1 - alpha(t)) * eps_at(t), x(0)),
                    "one step of the chain",
                    SUBSTITUTION,
                    ("forward.reparameterization",),
                ),
                Step(
                    alpha(t) * Var(x(t - 1), x(0)) + (1 - alpha(t)),
                    "$\\epsilon_t$ is independent of $x_{t-1}$: the variances add",
                ),
                Step(
                    alpha(t) * (1 - alpha_bar(t - 1)) + (1 - alpha(t)),
                    "the claim for $t-1$",
                    ALGEBRA,
                    (HYPOTHESIS,),
                ),
                Step(1 - alpha(t) * alpha_bar(t - 1), "multiply out; $\\alpha_t$ cancels"),
                Step(1 - alpha_bar(t), "$\\alpha_t \\bar\\alpha_{t-1} = \\bar\\alpha_t$"),
            ),
            base=Chain(
                Var(x(1), x(0)),
                (
                    Step(
                        Var(sqrt(alpha(1)) * x(0) + sqrt(1 - alpha(1)) * eps_at(1), x(0)),
                        "the first step",
                        SUBSTITUTION,
                        (("forward.reparameterization", {t: 1}),),
                    ),
                    Step(1 - alpha(1), "$x_0$ is given, so only the noise varies"),
                    Step(1 - alpha_bar(1), "$\\bar\\alpha_1 = \\alpha_1$"),
                ),
            ),
        ),
        Claim(
            "marginal.closed-form",
            q(x(t), x(0)),
            (
                Step(
                    Over(q(x(t), x(t - 1)) * q(x(t - 1), x(0)), x(t - 1)),
                    "over all ways through $x_{t-1}$",
                    marginalize(x(t - 1)),
                ),
                Step(
                    Over(
                        Normal(x(t), sqrt(alpha(t)) * x(t - 1), 1 - alpha(t))
                        * Normal(x(t - 1), sqrt(alpha_bar(t - 1)) * x(0), 1 - alpha_bar(t - 1)),
                        x(t - 1),
                    ),
                    "one transition, and the claim for $t-1$",
                    ALGEBRA,
                    ("forward.transition", HYPOTHESIS),
                ),
                Step(
                    Normal(
                        x(t),
                        sqrt(alpha(t) * alpha_bar(t - 1)) * x(0),
                        alpha(t) * (1 - alpha_bar(t - 1)) + (1 - alpha(t)),
                    ),
                    "coordinate by coordinate, the sum of two Gaussians: "
                    "$u = \\sqrt{\\alpha_t}\\,(x_{t-1} - \\sqrt{\\bar\\alpha_{t-1}}\\,x_0)$, "
                    "$y = x_t - \\sqrt{\\alpha_t\\bar\\alpha_{t-1}}\\,x_0$, "
                    "$a^2 = \\alpha_t(1 - \\bar\\alpha_{t-1})$, $b^2 = 1 - \\alpha_t$",
                    LOGARITHMS,
                    (
                        (
                            "forward.gaussian-sum",
                            {
                                deviation_1: sqrt(alpha(t) * (1 - alpha_bar(t - 1))),
                                deviation_2: sqrt(1 - alpha(t)),
                                total: x(t) - sqrt(alpha(t) * alpha_bar(t - 1)) * x(0),
                            },
                        ),
                    ),
                ),
                Step(
                    Normal(
                        x(t),
                        sqrt(alpha(t) * alpha_bar(t - 1)) * x(0),
                        1 - alpha(t) * alpha_bar(t - 1),
                    ),
                    "multiply out the variance; $\\alpha_t$ cancels",
                ),
                Step(
                    Normal(x(t), mean_t, 1 - alpha_bar(t)),
                    "$\\alpha_t \\bar\\alpha_{t-1} = \\bar\\alpha_t$",
                ),
            ),
            base=Chain(
                q(x(1), x(0)),
                (
                    Step(
                        Normal(x(1), sqrt(alpha(1)) * x(0), 1 - alpha(1)),
                        "the first transition",
                        ALGEBRA,
                        (("forward.transition", {t: 1}),),
                    ),
                    Step(
                        Normal(x(1), sqrt(alpha_bar(1)) * x(0), 1 - alpha_bar(1)),
                        "$\\bar\\alpha_1 = \\alpha_1$",
                    ),
                ),
            ),
        ),
        Claim(
            "marginal.sample",
            x(t),
            (
                Step(
                    E(x(t), x(0)) + sqrt(Var(x(t), x(0))) * eps,
                    "a Gaussian is its mean plus its standard deviation times $\\epsilon$",
                    DEFINITION,
                ),
                Step(
                    mean_t + sqrt(1 - alpha_bar(t)) * eps,
                    "its mean and its variance",
                    ALGEBRA,
                    ("marginal.mean", "marginal.variance"),
                ),
            ),
        ),
        Claim(
            "marginal.x0-from-eps",
            x(0),
            (
                Step(
                    sqrt(alpha_bar(t)) * x(0) / sqrt(alpha_bar(t)),
                    "times the root, and divided by it",
                ),
                Step(
                    (x(t) - sqrt(1 - alpha_bar(t)) * eps) / sqrt(alpha_bar(t)),
                    "the top is $x_t$ minus its noise",
                    ALGEBRA,
                    ("marginal.sample",),
                ),
            ),
        ),
        Claim(
            "marginal.eps-from-x0",
            eps,
            (
                Step(
                    sqrt(1 - alpha_bar(t)) * eps / sqrt(1 - alpha_bar(t)),
                    "times the root, and divided by it",
                ),
                Step(
                    (x(t) - sqrt(alpha_bar(t)) * x(0)) / sqrt(1 - alpha_bar(t)),
                    "the top is $x_t$ minus what is left of $x_0$",
                    ALGEBRA,
                    ("marginal.sample",),
                ),
            ),
        ),
        Claim(
            "marginal.snr",
            snr(t),
            (
                Step(
                    E(x(t), x(0)) ** 2 / (x(0) ** 2 * Var(x(t), x(0))),
                    "the share of $x_0^2$ that the mean keeps, over the variance of the noise",
                    DEFINITION,
                ),
                Step(
                    sqrt(alpha_bar(t)) ** 2 / (1 - alpha_bar(t)),
                    "the mean and the variance",
                    ALGEBRA,
                    ("marginal.mean", "marginal.variance"),
                ),
                Step(alpha_bar(t) / (1 - alpha_bar(t)), "the root squared"),
            ),
        ),
        Claim(
            "marginal.snr-decreases",
            snr(t) - snr(t - 1),
            (
                Step(
                    alpha_bar(t) / (1 - alpha_bar(t)) - alpha_bar(t - 1) / (1 - alpha_bar(t - 1)),
                    "the definition, twice",
                    ALGEBRA,
                    ("marginal.snr", ("marginal.snr", {t: t - 1})),
                ),
                Step(
                    (alpha_bar(t) * (1 - alpha_bar(t - 1)) - alpha_bar(t - 1) * (1 - alpha_bar(t)))
                    / ((1 - alpha_bar(t)) * (1 - alpha_bar(t - 1))),
                    "one denominator",
                ),
                Step(
                    (alpha_bar(t) - alpha_bar(t - 1))
                    / ((1 - alpha_bar(t)) * (1 - alpha_bar(t - 1))),
                    "multiply out above; $\\bar\\alpha_t \\bar\\alpha_{t-1}$ cancels",
                ),
                Step(
                    -(beta(t) * alpha_bar(t - 1) / ((1 - alpha_bar(t)) * (1 - alpha_bar(t - 1)))),
                    "$\\bar\\alpha_t = (1 - \\beta_t)\\, \\bar\\alpha_{t-1}$",
                ),
                Step(sp.S.Zero, "every factor is positive, for $t \\ge 2$", BELOW, (), "<"),
            ),
            show=2,
            uncomputed="Its right side is only a sign; the table of SNR is bound at marginal.snr.",
        ),
        Claim(
            "marginal.linear",
            beta(t),
            (
                Step(
                    beta(1) + (t - 1) / (T - 1) * (beta(T) - beta(1)),
                    "equal steps from $\\beta_1$ to $\\beta_T$",
                    DEFINITION,
                ),
            ),
            assuming=("the linear schedule",),
            checks=(Check("it starts at β_1, ends at β_T, and has no bend", _linear_ends),),
        ),
        Claim(
            "marginal.linear-alpha-bar",
            alpha_bar(t),
            (
                Step(
                    sp.Product(1 - beta(s), (s, 1, t)),
                    "the definition",
                    ALGEBRA,
                    ("marginal.alpha-bar",),
                ),
                Step(
                    sp.Product(1 - beta(1) - (s - 1) * delta, (s, 1, t)),
                    f"the linear schedule, with ${latex(delta)} = {latex(delta_value)}$",
                    Method("algebra", lambda before, after: _same_factors(before, after)),
                    (("marginal.linear", {t: s}),),
                ),
                Step(
                    delta**t * sp.Product(c + 1 - s, (s, 1, t)),
                    f"${latex(c)} = {latex(c_value)}$: take $\\delta$ out of each factor",
                    BY_RATIO,
                    ((c, c_value),),
                ),
                Step(
                    delta**t * sp.gamma(c + 1) / sp.gamma(c + 1 - t),
                    "$\\Gamma(c + 1) = c\\, \\Gamma(c)$, used $t$ times",
                    BY_RATIO,
                ),
            ),
            assuming=("the linear schedule", (delta, delta_value), (c, c_value)),
        ),
        Claim(
            "marginal.continuous-limit",
            sp.Limit(sp.Product(1 - h, (i, 1, n)), n, sp.oo),
            (
                Step(
                    exp(sp.Limit(sp.Sum(log(1 - h), (i, 1, n)), n, sp.oo)),
                    "the logarithm makes the product a sum",
                    Method("algebra", _logs_of_factors),
                ),
                Step(
                    exp(sp.Limit(-sp.Sum(h, (i, 1, n)), n, sp.oo)),
                    "$\\log(1 - h)$ is within $h^2$ of $-h$, and the sum of the $h^2$ goes to 0",
                    Method("calculus", _first_order),
                ),
                Step(
                    exp(-sp.Integral(Continuous(u), (u, 0, tau))),
                    "a sum over ever finer steps is an integral",
                    Method("calculus", _riemann),
                ),
            ),
            assuming=("the rate $\\beta(s)$ is continuous",),
            uncomputed=(
                "A limit of ever shorter steps; the package's schedules have a number of steps."
            ),
        ),
        Claim(
            "marginal.continuous-linear",
            exp(-sp.Integral(Continuous(u), (u, 0, tau))),
            (
                Step(
                    exp(-sp.Integral(b_0 + u * (b_1 - b_0), (u, 0, tau))),
                    "$\\beta(s)$ rises from $b_0$ to $b_1$",
                    ALGEBRA,
                    (ASSUMED,),
                ),
                Step(
                    exp(-b_0 * tau - (b_1 - b_0) * tau**2 / 2),
                    "the integral of a straight line",
                    CALCULUS,
                ),
            ),
            assuming=((Continuous(u), b_0 + u * (b_1 - b_0)),),
            uncomputed="Time is continuous here; the package's schedules have a number of steps.",
        ),
        Claim(
            "marginal.cosine",
            cosine_share(t),
            (
                Step(
                    f_t / f_0,
                    "a quarter of a period of a cosine, squared",
                    DEFINITION,
                ),
            ),
            assuming=("the cosine schedule",),
            checks=(
                Check(
                    "it is 1 at t = 0, 0 at t = T, and for s = 0 it is 1/2 half way", _cosine_ends
                ),
            ),
        ),
        Claim(
            "marginal.cosine-beta",
            beta(t),
            (
                Step(
                    sp.Min((cosine_share(t - 1) - cosine_share(t)) / cosine_share(t - 1), beta_max),
                    "the share that step $t$ takes away; cut off, because $f_T = 0$ would ask for "
                    "$\\beta_T = 1$",
                    DEFINITION,
                ),
                Step(
                    sp.Min(
                        cosine_share(t - 1) / cosine_share(t - 1)
                        - cosine_share(t) / cosine_share(t - 1),
                        beta_max,
                    ),
                    "divide each term",
                ),
                Step(
                    sp.Min(1 - cosine_share(t) / cosine_share(t - 1), beta_max),
                    "the first fraction is 1; the second is the share that the step keeps",
                ),
            ),
            assuming=("the cosine schedule",),
        ),
    ]


def _same_factors(before: sp.Expr, after: sp.Expr) -> Any:
    """Factor for factor, with δ written out."""
    if before.limits != after.limits:
        return after
    with evaluate(True):
        gap = before.function - after.function
        gap = gap.subs(delta, (beta(T) - beta(1)) / (T - 1)).subs(beta(T), sp.Symbol("last"))
        return sp.simplify(sp.expand(gap.subs(beta(1), sp.Symbol("first"))))


__all__ = ["CLAIMS"]
