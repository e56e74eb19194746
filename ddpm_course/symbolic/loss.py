"""The claims of the chapter on the loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp
from sympy.core.parameters import evaluate

from .algebra import bell, difference, nonnegative
from .chain import same_on_ladder
from .claim import ASSUMED, Check, Claim, Step, at_time
from .methods import ALGEBRA, DEFINITION, SUBSTITUTION, Method
from .methods.means import IMPORTANCE, JENSEN, POSTERIOR, given
from .methods.series import by_induction
from .notation import (
    KL,
    Density,
    E,
    Edge,
    Gradient,
    Grouped,
    Guess,
    Least,
    Loss,
    Norm2,
    Normal,
    Over,
    States,
    T,
    Var,
    alpha,
    alpha_bar,
    as_written,
    beta,
    beta_tilde,
    d,
    eps,
    eps_hat,
    eps_theta,
    exp,
    half,
    k,
    log,
    mu_1,
    mu_2,
    mu_theta,
    mu_tilde,
    p_theta,
    prior,
    q,
    sigma,
    snr,
    sqrt,
    t,
    two_gaussians,
    v,
    v_hat,
    var_1,
    var_2,
    weight,
    x,
    x0_guess,
    x0_hat,
)
from .printing import latex
from .reverse import m, spread

y = sp.Symbol("x", real=True)
m_1, m_2 = sp.Symbol(r"\mu_1", real=True), sp.Symbol(r"\mu_2", real=True)
const = sp.Symbol("C", real=True)
a_symbol = sp.Symbol("a", positive=True)
simple = sp.Symbol(r"L_{\mathrm{simple}}")
OVER_Q = "q"


# -- proofs of their own ---------------------------------------------------------------------------


def _components(before: sp.Expr, after: sp.Expr) -> Any:
    """The divergence of d independent components: one component, from the densities, d times.

    log N_1 - log N_2 is a sum over the components, averaged over N_1 component by component. Each
    gives the same terms without the means, and these times d; the squares add up to a length.
    """
    with evaluate(True):
        one, two = before.args
        a, b = sp.symbols("a b", real=True)
        densities = (Normal(y, a, one.args[2]), Normal(y, b, two.args[2]))
        ratio = log(densities[0]) - log(densities[1])
        each = E(ratio, law=(y, Normal(None, a, one.args[2])))
        count, length = sp.Dummy(positive=True), sp.Dummy(nonnegative=True)
        means = {sp.expand(norm.args[0].doit()) for norm in after.atoms(Norm2)}
        if means != {one.args[1] - two.args[1]}:
            return sp.Symbol("other means")
        found = sp.expand(after.replace(Norm2, lambda _: length).subs(d, count))
        if sp.Poly(found, count, length).homogeneous_order() != 1:
            return found
        per_component = found.xreplace({count: sp.S.One, length: (a - b) ** 2})
        return difference(each, per_component)


def _rises_from_zero(before: sp.Expr, after: sp.Expr) -> Any:
    """after - before is 0 at ᾱ_T = 0 and rises with it, so it is never negative below 1."""
    with evaluate(True):
        gap = (after - before).doit().subs(alpha_bar(T), a_symbol)
        gap = sp.expand_log(gap, force=True)
        if sp.simplify(gap.subs(a_symbol, 0)) != 0:
            return gap.subs(a_symbol, 0)
        slope = sp.diff(gap, a_symbol).subs(a_symbol, alpha_bar(T))
        return nonnegative(sp.together(slope))


# -- checks ----------------------------------------------------------------------------------------


def _kl_of_coins(claim: Claim) -> Any:
    """For two coins it is what the definition says, and 0 only for equal coins."""
    of, _, over, _ = claim.rhs.args
    if over.name != rf"{latex(y)} \sim {claim.lhs.args[0].args[0]}":
        return over  # not a mean over what stands first
    for shares in (((1, 3), (1, 2)), ((1, 5), (1, 5)), ((3, 4), (1, 7))):
        first, second = (sp.Rational(*share) for share in shares)
        total = sp.S.Zero
        for side in (0, 1):
            values = {"q": first if side else 1 - first, "p": second if side else 1 - second}
            named = of.replace(Density, lambda name, *_, at=values: at[name.name])
            total += values["q"] * named.doit()
        gap = first * sp.log(first / second) + (1 - first) * sp.log((1 - first) / (1 - second))
        if sp.simplify(sp.expand_log(total - gap, force=True)) != 0 or sp.N(total) < -1e-15:
            return total - gap
    return 0


def _kl_integral(claim: Claim) -> Any:
    """SymPy's integral of N_1 (log N_1 - log N_2) over the whole line."""
    with evaluate(True):
        u, a, b = sp.symbols("u a b", real=True)
        s_1, s_2 = sp.symbols("s_1 s_2", positive=True)
        bell = exp(-(u**2) / 2) / sqrt(2 * sp.pi)  # x = a + s_1 u
        point = a + s_1 * u
        ratio = log(s_2 / s_1) - (point - a) ** 2 / (2 * s_1**2) + (point - b) ** 2 / (2 * s_2**2)
        integral = sp.integrate(sp.expand(bell * ratio), (u, -sp.oo, sp.oo))
        found = claim.rhs.doit().subs({var_1: s_1**2, var_2: s_2**2, m_1: a, m_2: b})
        return sp.simplify(sp.expand_log(sp.expand(integral - found), force=True))


def _on_ladder(*lasts: int) -> Any:
    def holds(claim: Claim) -> Any:
        return same_on_ladder(claim.lhs, claim.rhs, lasts)

    return holds


def _sum_on_ladder(claim: Claim) -> Any:
    """The terms as divergences, and their sum as the bound, on a chain of few states."""
    terms = {name: claim.registry[name] for name in TERMS}
    found = claim.rhs
    for term in terms.values():
        found = found.xreplace({term.lhs: term.rhs})
    return same_on_ladder(claim.lhs, found, (2, 3))


TERMS = ("loss.term-prior", "loss.term-step", "loss.term-decoder")


def _term_in_bound(claim: Claim) -> Any:
    """With this term (and the other two), the bound on a chain of few states comes out right."""
    bound = claim.registry["loss.elbo"]
    found = bound.rhs
    for name in TERMS:
        term = claim if name == claim.name else claim.registry[name]
        found = found.xreplace({term.lhs: term.rhs})
    return same_on_ladder(bound.lhs, found, (2,))


def _weight_fits(claim: Claim) -> Any:
    error = claim.registry["loss.eps-error"].rhs
    return difference(claim.rhs * Norm2(eps - eps_theta(x(t), t)), error)


def _simulated(claim: Claim) -> Any:
    """Monte Carlo: the residual of the best straight line from x_t to ε, within 5 standard errors.

    200,000 draws for each of 12 settings; a true claim fails once in 140,000 runs, and the seed
    is fixed.
    """
    rng = np.random.default_rng(20240905)
    count = 200_000
    formula = sp.lambdify(
        (sp.Symbol("A"), spread), claim.rhs.xreplace({alpha_bar(t): sp.Symbol("A")})
    )
    for share in (0.05, 0.3, 0.7, 0.99):
        for size in (0.3, 1.0, 2.0):
            noise, data = rng.standard_normal((2, count))
            noised = np.sqrt(share) * size * data + np.sqrt(1 - share) * noise
            residual = noise - (noise @ noised) / (noised @ noised) * noised
            squares = residual**2
            error = squares.std() / np.sqrt(count)
            gap = squares.mean() - formula(share, size)
            if not abs(gap) < 5 * error:
                return sp.Float(gap)
    return 0


def _rotation(claim: Claim) -> Any:
    """(x_t, v) is (x_0, ε) turned by an angle: lengths and right angles are kept."""
    with evaluate(True):
        moved = claim.registry["marginal.sample"].rhs.doit()
        turned = claim.rhs.doit()
        square = difference(moved**2 + turned**2, x(0) ** 2 + eps**2)
        cross = sp.expand(moved * turned)
        orient = sp.Matrix(
            [[moved.coeff(x(0)), moved.coeff(eps)], [turned.coeff(x(0)), turned.coeff(eps)]]
        )
        return square or (0 if cross.has(eps) else cross) or difference(orient.det(), sp.S.One)


def _decoder_is_mass(claim: Claim) -> Any:
    """What is integrated is a density, with the mean and the variance of the model."""
    with evaluate(True):
        variable, low, high = claim.rhs.limits[0]
        area, mean, var = bell(claim.rhs.function.doit(), variable)
        return (
            difference(area, sp.S.Zero)
            or difference(mean, mu_theta(x(1), 1))
            or difference(var, sigma(1) ** 2)
            or (0 if (low, high) == (lower, upper) else sp.Symbol("edges"))
        )


def _multiplied_out(before: Any, after: Any) -> Any:
    """The mean of a product is the sum of the means of its terms: no mean is worked out."""

    def means(e: Any) -> Any:
        opaque: dict[Any, Any] = {}

        def name(part: Any) -> Any:
            return opaque.setdefault(part, sp.Symbol(latex(part), real=True))

        def terms(part: Any) -> Any:
            if isinstance(part, E):
                if part.args[1] or part.args[2].name.strip() or isinstance(part, Var):
                    return name(part)
                return terms(part.args[0])
            if isinstance(part, Grouped):
                return terms(part.args[0])
            if not part.args or not (part.is_Add or part.is_Mul or part.is_Pow):
                return name(part) if not part.is_Number else part
            return part.func(*map(terms, part.args))

        return sp.expand(terms(e))

    products = [a for a in sp.preorder_traversal(after) if a.is_Mul]
    if any(sum(isinstance(b, E) for b in a.args) > 1 for a in products):
        return after  # the mean of a product is no product of means
    with evaluate(True):
        return means(before) - means(after)


FOR_EVERY_T = by_induction(T)
GIVEN_X_T = given(x(t), eps)
MULTIPLIED_OUT = Method("algebra", _multiplied_out)

lower, upper = sp.Symbol(r"\delta_-(x_0)", real=True), sp.Symbol(r"\delta_+(x_0)", real=True)
levels = sp.Symbol("K", integer=True, positive=True)


def _cells(before: sp.Expr, after: sp.Expr) -> Any:
    """Cells side by side make one interval, however many: by induction over their number K.

    With any antiderivative F an integral is F at its end less F at its start.
    """
    primitive = sp.Function("F")
    with evaluate(True):
        (integral,) = before.function.atoms(sp.Integral)
        same = difference(integral.function, after.function)
        if before.function not in (integral, sp.Mul(1, integral, evaluate=False)) or same != 0:
            return after.function

        def area(e: Any) -> Any:
            _, low, high = e.limits[0]
            return primitive(high) - primitive(low)

        variable, low, high = before.limits[0]
        terms, whole = area(integral), area(after)
        first = terms.xreplace({variable: low}) - whole.xreplace({levels: sp.S.One})
        added = terms.xreplace({variable: high.xreplace({levels: levels + 1})})
        more = whole.xreplace({levels: levels + 1}) - whole
        if high.xreplace({levels: sp.S.One}) != low:
            return high
        return sp.expand(first) or sp.expand(added - more)


with as_written():
    best_guess = E(eps, x(t))
    normal_1, normal_2 = Normal(None, m_1, var_1, False), Normal(None, m_2, var_2, False)
    law = (y, normal_1)
    network = eps_theta(x(t), t)
    ratio = p_theta([States(0, T)]) / q([States(1, T)], x(0))
    one_back = q(x(t - 1), x(t), x(0))
    by_noise = 1 / sqrt(alpha(t)) * (x(t) - beta(t) / sqrt(1 - alpha_bar(t)) * eps)
    by_network = 1 / sqrt(alpha(t)) * (x(t) - beta(t) / sqrt(1 - alpha_bar(t)) * network)
    w_t = beta(t) ** 2 / (2 * sigma(t) ** 2 * alpha(t) * (1 - alpha_bar(t)))
    prior_kl = half * (alpha_bar(T) * Norm2(x(0)) - d * alpha_bar(T) - d * log(1 - alpha_bar(T)))
    weight_0 = sqrt(alpha_bar(t - 1)) * beta(t) / (1 - alpha_bar(t))
    x_t_made = sqrt(alpha_bar(t)) * x(0) + sqrt(1 - alpha_bar(t)) * eps
    denoiser_var = spread**2 * (1 - alpha_bar(t)) / (alpha_bar(t) * spread**2 + 1 - alpha_bar(t))
    longer = p_theta([States(0, T + 1)]) / q([States(1, T + 1)], x(0))
    cell = Normal(y, mu_theta(x(1), 1), sigma(1) ** 2, False)

    rest = (
        const,
        d / 2 * (log(sigma(t) ** 2 / beta_tilde(t)) + beta_tilde(t) / sigma(t) ** 2 - 1),
    )
    gaussian_term = (
        Loss(t - 1),
        KL(
            Normal(x(t - 1), mu_tilde(x(t), x(0)), beta_tilde(t)),
            Normal(x(t - 1), mu_theta(x(t), t), sigma(t) ** 2),
        ),
    )
    no_rest, small_steps = (const, sp.S.Zero), (sigma(t), sqrt(beta_tilde(t)))
    their_mean = (mu_theta(x(t), t), mu_tilde(x(t), x0_hat(x(t), t)))
    eps_of_x0 = (eps_hat, (x(t) - sqrt(alpha_bar(t)) * x0_guess) / sqrt(1 - alpha_bar(t)))
    x0_of_v = (x0_guess, sqrt(alpha_bar(t)) * x(t) - sqrt(1 - alpha_bar(t)) * v_hat)

    CLAIMS = [
        Claim(
            "loss.kl",
            KL(Density("q", [y]), Density("p", [y])),
            (
                Step(
                    E(log(Density("q", [y])) - log(Density("p", [y])), over="x \\sim q"),
                    "how much less likely $p$ finds what $q$ draws",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "it is right for coins, and never negative",
                    _kl_of_coins,
                    "exact cases",
                    "three pairs of coins",
                ),
            ),
        ),
        Claim(
            "loss.kl-gaussians",
            KL(normal_1, normal_2),
            (
                Step(
                    E(
                        log(Normal(y, m_1, var_1, False)) - log(Normal(y, m_2, var_2, False)),
                        over="x \\sim \\mathcal N(\\mu_1, \\sigma_1^2)",
                        law=law,
                    ),
                    "the definition of the divergence",
                    DEFINITION,
                ),
                Step(
                    E(
                        half * log(var_2 / var_1)
                        - (y - m_1) ** 2 / (2 * var_1)
                        + (y - m_2) ** 2 / (2 * var_2),
                        over="x \\sim \\mathcal N(\\mu_1, \\sigma_1^2)",
                        law=law,
                    ),
                    "the logarithms of two densities",
                ),
                Step(
                    E(
                        half * log(var_2 / var_1)
                        - (y - m_1) ** 2 / (2 * var_1)
                        + ((y - m_1) ** 2 + 2 * (y - m_1) * (m_1 - m_2) + (m_1 - m_2) ** 2)
                        / (2 * var_2),
                        over="x \\sim \\mathcal N(\\mu_1, \\sigma_1^2)",
                        law=law,
                    ),
                    "$x - \\mu_2$ is $(x - \\mu_1) + (\\mu_1 - \\mu_2)$; square it",
                ),
                Step(
                    half * log(var_2 / var_1) - half + (var_1 + (m_1 - m_2) ** 2) / (2 * var_2),
                    "$\\mathbb E[(x-\\mu_1)^2] = \\sigma_1^2$, and $\\mathbb E[x-\\mu_1] = 0$",
                ),
                Step(
                    half * (log(var_2 / var_1) + (var_1 + (m_1 - m_2) ** 2) / var_2 - 1),
                    "one factor outside",
                ),
            ),
            checks=(Check("SymPy's integral over the line is the same", _kl_integral, "calculus"),),
        ),
        Claim(
            "loss.kl-isotropic",
            KL(Normal(None, mu_1, var_1), Normal(None, mu_2, var_2)),
            (
                Step(
                    half * (d * log(var_2 / var_1) + (d * var_1 + Norm2(mu_1 - mu_2)) / var_2 - d),
                    "the sum over $d$ independent components",
                    Method("algebra", _components),
                ),
            ),
        ),
        Claim(
            "loss.bound",
            -log(p_theta(x(0))),
            (
                Step(
                    -log(E(ratio, over=OVER_Q)),
                    "sum over all paths, each weighted by how often $q$ takes it",
                    IMPORTANCE,
                ),
                Step(
                    E(-log(ratio), over=OVER_Q),
                    "Jensen's inequality: $-\\log$ is convex",
                    JENSEN,
                    (),
                    r"\le",
                ),
            ),
        ),
        Claim(
            "loss.elbo",
            E(-log(ratio), over=OVER_Q),
            (
                Step(
                    E(
                        -log(prior(x(T)))
                        - sp.Sum(log(p_theta(x(t - 1), x(t)) / q(x(t), x(t - 1))), (t, 1, T)),
                        over=OVER_Q,
                    ),
                    "both joint densities, factor by factor",
                    FOR_EVERY_T,
                    ("forward.joint", "reverse.joint"),
                ),
                Step(
                    E(
                        -log(prior(x(T)))
                        - sp.Sum(
                            log(
                                p_theta(x(t - 1), x(t))
                                / one_back
                                * (q(x(t - 1), x(0)) / q(x(t), x(0)))
                            ),
                            (t, 2, T),
                        )
                        - log(p_theta(x(0), x(1)) / q(x(1), x(0))),
                        over=OVER_Q,
                    ),
                    "Bayes' rule for $t \\ge 2$",
                    FOR_EVERY_T,
                ),
                Step(
                    E(
                        -log(prior(x(T)) / q(x(T), x(0)))
                        - sp.Sum(log(p_theta(x(t - 1), x(t)) / one_back), (t, 2, T))
                        - log(p_theta(x(0), x(1))),
                        over=OVER_Q,
                    ),
                    "the fractions telescope to $q(x_1 \\mid x_0) / q(x_T \\mid x_0)$",
                    FOR_EVERY_T,
                ),
                Step(
                    E(
                        KL(q(x(T), x(0)), prior(x(T)))
                        + sp.Sum(KL(one_back, p_theta(x(t - 1), x(t))), (t, 2, T))
                        - log(p_theta(x(0), x(1))),
                        over=OVER_Q,
                    ),
                    "each mean of a log-ratio is a divergence",
                    FOR_EVERY_T,
                ),
                Step(
                    E(Loss(T) + sp.Sum(Loss(t - 1), (t, 2, T)) + Loss(0), over=OVER_Q),
                    "give each term a name",
                    SUBSTITUTION,
                    TERMS,
                ),
            ),
            checks=(
                Check(
                    "both sides are equal on every path",
                    _sum_on_ladder,
                    "exact cases",
                    "a chain of two states, T = 2, 3",
                ),
            ),
        ),
        Claim(
            "loss.elbo-step",
            -log(longer) + log(ratio),
            (
                Step(
                    -log(
                        prior(x(T + 1))
                        * p_theta(x(T), x(T + 1))
                        / (prior(x(T)) * q(x(T + 1), x(T)))
                    ),
                    "all earlier factors cancel",
                    Method("algebra", lambda before, after: _new_factors(before, after)),
                    (
                        "forward.joint",
                        "reverse.joint",
                        ("forward.joint", {T: T + 1}),
                        ("reverse.joint", {T: T + 1}),
                    ),
                ),
                Step(
                    -log(
                        prior(x(T + 1))
                        * p_theta(x(T), x(T + 1))
                        / prior(x(T))
                        * (q(x(T), x(0)) / (q(x(T), x(T + 1), x(0)) * q(x(T + 1), x(0))))
                    ),
                    "Bayes' rule turns $q(x_{T+1} \\mid x_T)$ around",
                ),
                Step(
                    -log(prior(x(T + 1)) / q(x(T + 1), x(0)))
                    + log(prior(x(T)) / q(x(T), x(0)))
                    - log(p_theta(x(T), x(T + 1)) / q(x(T), x(T + 1), x(0))),
                    "sort into three: $L_{T+1}$ comes, $L_T$ goes, and one more step is summed",
                ),
            ),
        ),
        Claim(
            "loss.term-prior",
            Loss(T),
            (
                Step(
                    KL(q(x(T), x(0)), prior(x(T))),
                    "what is left of the data at the end; nothing to learn",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "with it the bound comes out right",
                    _term_in_bound,
                    "exact cases",
                    "a chain of two states, T = 2",
                ),
            ),
        ),
        Claim(
            "loss.term-step",
            Loss(t - 1),
            (
                Step(
                    KL(one_back, p_theta(x(t - 1), x(t))),
                    "one step back, against the step that knows $x_0$",
                    DEFINITION,
                ),
            ),
            checks=(
                Check(
                    "with it the bound comes out right",
                    _term_in_bound,
                    "exact cases",
                    "a chain of two states, T = 2",
                ),
            ),
        ),
        Claim(
            "loss.term-decoder",
            Loss(0),
            (Step(-log(p_theta(x(0), x(1))), "the last step, to the data", DEFINITION),),
            checks=(
                Check(
                    "with it the bound comes out right",
                    _term_in_bound,
                    "exact cases",
                    "a chain of two states, T = 2",
                ),
            ),
        ),
        Claim(
            "loss.prior-kl",
            KL(q(x(T), x(0)), Normal(None, 0, 1)),
            (
                Step(
                    KL(
                        Normal(None, sqrt(alpha_bar(T)) * x(0), 1 - alpha_bar(T)),
                        Normal(None, 0, 1),
                    ),
                    "the closed form at $T$",
                    ALGEBRA,
                    (("marginal.closed-form", {t: T}),),
                ),
                Step(
                    half
                    * (
                        Norm2(sqrt(alpha_bar(T)) * x(0))
                        + d * (1 - alpha_bar(T))
                        - d
                        - d * log(1 - alpha_bar(T))
                    ),
                    "the divergence of two Gaussians",
                    ALGEBRA,
                    (two_gaussians(sqrt(alpha_bar(T)) * x(0), 1 - alpha_bar(T), 0, 1),),
                ),
                Step(
                    prior_kl,
                    "the root comes out squared; $d - d$ cancels",
                ),
            ),
        ),
        Claim(
            "loss.prior-bound",
            KL(q(x(T), x(0)), Normal(None, 0, 1)),
            (
                Step(prior_kl, "the divergence", ALGEBRA, ("loss.prior-kl",)),
                Step(
                    half
                    * (
                        alpha_bar(T) * Norm2(x(0))
                        - d * alpha_bar(T)
                        + d * (alpha_bar(T) / (1 - alpha_bar(T)))
                    ),
                    "$-\\log(1 - a) = \\log(1 + \\frac{a}{1 - a}) \\le \\frac{a}{1 - a}$, "
                    "since $\\log(1 + u) \\le u$",
                    Method("calculus", _rises_from_zero, r"\le"),
                    (),
                    r"\le",
                ),
                Step(
                    half
                    * (
                        alpha_bar(T) * Norm2(x(0))
                        + d
                        * ((alpha_bar(T) - alpha_bar(T) * (1 - alpha_bar(T))) / (1 - alpha_bar(T)))
                    ),
                    "one denominator for the two terms with $d$",
                ),
                Step(
                    half
                    * (alpha_bar(T) * Norm2(x(0)) + d * (alpha_bar(T) ** 2 / (1 - alpha_bar(T)))),
                    "$a - a(1 - a) = a^2$",
                ),
                Step(
                    alpha_bar(T) / 2 * (Norm2(x(0)) + d * (alpha_bar(T) / (1 - alpha_bar(T)))),
                    "take out $\\bar\\alpha_T$",
                ),
            ),
        ),
        Claim(
            "loss.prior",
            Loss(T),
            (
                Step(
                    KL(q(x(T), x(0)), prior(x(T))), "the definition", ALGEBRA, ("loss.term-prior",)
                ),
                Step(
                    KL(q(x(T), x(0)), Normal(None, 0, 1)), "the prior", ALGEBRA, ("reverse.prior",)
                ),
                Step(prior_kl, "their divergence", ALGEBRA, ("loss.prior-kl",)),
            ),
        ),
        Claim(
            "loss.mean-error",
            Loss(t - 1),
            (
                Step(
                    KL(
                        Normal(None, mu_tilde(x(t), x(0)), beta_tilde(t)),
                        Normal(None, mu_theta(x(t), t), sigma(t) ** 2),
                    ),
                    "two Gaussians: the posterior and the model",
                    ALGEBRA,
                    ("loss.term-step", ASSUMED),
                ),
                Step(
                    half
                    * (
                        d * log(sigma(t) ** 2 / beta_tilde(t))
                        + (d * beta_tilde(t) + Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t)))
                        / sigma(t) ** 2
                        - d
                    ),
                    "their divergence",
                    ALGEBRA,
                    (
                        two_gaussians(
                            mu_tilde(x(t), x(0)),
                            beta_tilde(t),
                            mu_theta(x(t), t),
                            sigma(t) ** 2,
                        ),
                    ),
                ),
                Step(
                    1 / (2 * sigma(t) ** 2) * Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t))
                    + const,
                    f"${latex(rest[0])} = {latex(rest[1])}$ does not depend on the network",
                    ALGEBRA,
                    (ASSUMED,),
                ),
            ),
            assuming=(rest, gaussian_term),
            checks=(
                Check(
                    "its two Gaussians are the posterior and the transition",
                    lambda claim: _right_gaussians(claim),
                ),
            ),
        ),
        Claim(
            "loss.eps-error",
            Loss(t - 1) - const,
            (
                Step(
                    1 / (2 * sigma(t) ** 2) * Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t)),
                    "the error of the mean",
                    ALGEBRA,
                    ("loss.mean-error",),
                ),
                Step(
                    1 / (2 * sigma(t) ** 2) * Norm2(by_noise - by_network),
                    "both means, by noise",
                    ALGEBRA,
                    ("reverse.mean-eps", "reverse.mean-model"),
                ),
                Step(
                    1
                    / (2 * sigma(t) ** 2)
                    * Norm2(beta(t) / (sqrt(alpha(t)) * sqrt(1 - alpha_bar(t))) * (network - eps)),
                    "$x_t$ cancels",
                ),
                Step(
                    w_t * Norm2(eps - network),
                    "the factor comes out squared; in a square the order does not matter",
                ),
            ),
            assuming=(rest, gaussian_term),
        ),
        Claim(
            "loss.weight",
            weight(t),
            (Step(w_t, "the weight of step $t$", DEFINITION),),
            checks=(Check("it multiplies the error of the noise in the bound", _weight_fits),),
        ),
        Claim(
            "loss.x0-error",
            Loss(t - 1),
            (
                Step(
                    1 / (2 * sigma(t) ** 2) * Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t))
                    + const,
                    "the error of the mean",
                    ALGEBRA,
                    ("loss.mean-error",),
                ),
                Step(
                    1 / (2 * beta_tilde(t)) * Norm2(mu_tilde(x(t), x(0)) - mu_theta(x(t), t)),
                    "choose $\\sigma_t^2 = \\tilde\\beta_t$; then $C = 0$",
                    ALGEBRA,
                    (no_rest, small_steps),
                ),
                Step(
                    1
                    / (2 * beta_tilde(t))
                    * Norm2(mu_tilde(x(t), x(0)) - mu_tilde(x(t), x0_hat(x(t), t))),
                    "the model's mean is the posterior's at $\\hat x_0$",
                    ALGEBRA,
                    (their_mean,),
                ),
                Step(
                    1 / (2 * beta_tilde(t)) * weight_0**2 * Norm2(x(0) - x0_hat(x(t), t)),
                    "the part with $x_t$ cancels",
                    ALGEBRA,
                    (
                        "reverse.posterior-mean",
                        ("reverse.posterior-mean", {x(0): x0_hat(x(t), t)}),
                    ),
                ),
                Step(
                    half
                    * (
                        (1 - alpha_bar(t))
                        / ((1 - alpha_bar(t - 1)) * beta(t))
                        * (alpha_bar(t - 1) * beta(t) ** 2 / (1 - alpha_bar(t)) ** 2)
                    )
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "one over the posterior variance, and the square",
                    ALGEBRA,
                    ("reverse.posterior-variance",),
                ),
                Step(
                    half
                    * (alpha_bar(t - 1) * beta(t) / ((1 - alpha_bar(t - 1)) * (1 - alpha_bar(t))))
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "cancel $\\beta_t$ and $1 - \\bar\\alpha_t$",
                ),
                Step(
                    half
                    * (
                        (alpha_bar(t - 1) - alpha_bar(t))
                        / ((1 - alpha_bar(t - 1)) * (1 - alpha_bar(t)))
                    )
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "$\\bar\\alpha_{t-1} \\beta_t = \\bar\\alpha_{t-1} (1 - \\alpha_t) "
                    "= \\bar\\alpha_{t-1} - \\bar\\alpha_t$",
                ),
                Step(
                    half
                    * (
                        (
                            alpha_bar(t - 1) * (1 - alpha_bar(t))
                            - alpha_bar(t) * (1 - alpha_bar(t - 1))
                        )
                        / ((1 - alpha_bar(t - 1)) * (1 - alpha_bar(t)))
                    )
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "take $\\bar\\alpha_{t-1} \\bar\\alpha_t$ away, and add it again",
                ),
                Step(
                    half
                    * (
                        alpha_bar(t - 1) / (1 - alpha_bar(t - 1))
                        - alpha_bar(t) / (1 - alpha_bar(t))
                    )
                    * Norm2(x(0) - x0_hat(x(t), t)),
                    "two fractions; in each a bracket cancels",
                ),
                Step(
                    half * (snr(t - 1) - snr(t)) * Norm2(x(0) - x0_hat(x(t), t)),
                    "the signal-to-noise ratio",
                    ALGEBRA,
                    ("marginal.snr", ("marginal.snr", {t: t - 1})),
                ),
            ),
            assuming=(rest, gaussian_term, no_rest, small_steps, their_mean),
            checks=(Check("C is 0 and the means are as said", lambda claim: _choices(claim)),),
        ),
        Claim(
            "loss.simple",
            simple,
            (
                Step(
                    E(Norm2(eps - network), over="t, x_0, \\epsilon"),
                    "the error of the noise, with weight 1 for every $t$",
                    DEFINITION,
                ),
                Step(
                    E(Norm2(eps - eps_theta(x_t_made, t)), over="t, x_0, \\epsilon"),
                    "$x_t$ in one jump",
                    ALGEBRA,
                    ("marginal.sample",),
                ),
            ),
            checks=(Check("the mean runs over all that is drawn", lambda claim: _drawn(claim)),),
        ),
        Claim(
            "loss.decoder",
            p_theta(x(0), x(1)),
            (
                Step(
                    sp.Integral(cell, (y, lower, upper)),
                    "the mass of the Gaussian in the cell around $x_0$",
                    DEFINITION,
                ),
            ),
            checks=(Check("a cell that is the whole line has mass 1", _decoder_is_mass),),
        ),
        Claim(
            "loss.decoder-sum",
            sp.Sum(sp.Integral(cell, (y, Edge(k), Edge(k + 1))), (k, 0, levels - 1)),
            (
                Step(
                    sp.Integral(cell, (y, Edge(0), Edge(levels))),
                    "the cells lie side by side",
                    Method("induction", _cells),
                ),
                Step(
                    sp.Integral(cell, (y, -sp.oo, sp.oo)),
                    "the outermost cells reach to infinity",
                    ALGEBRA,
                    (ASSUMED,),
                ),
                Step(
                    sp.S.One,
                    "a density",
                    Method("calculus", lambda before, after: _total_mass(before, after)),
                ),
            ),
            assuming=((Edge(0), -sp.oo), (Edge(levels), sp.oo)),
        ),
        Claim(
            "loss.score",
            Gradient(log(q(x(t), x(0))), x(t)),
            (
                Step(
                    Gradient(log(Normal(x(t), sqrt(alpha_bar(t)) * x(0), 1 - alpha_bar(t))), x(t)),
                    "the closed form",
                    ALGEBRA,
                    ("marginal.closed-form",),
                ),
                Step(
                    -((x(t) - sqrt(alpha_bar(t)) * x(0)) / (1 - alpha_bar(t))),
                    "the derivative of the exponent",
                ),
                Step(
                    -(eps / sqrt(1 - alpha_bar(t))),
                    "what $x_t$ has beyond its signal is $\\sqrt{1 - \\bar\\alpha_t}\\, \\epsilon$",
                    ALGEBRA,
                    ("marginal.sample",),
                ),
            ),
        ),
        Claim(
            "loss.v-prediction",
            v,
            (
                Step(
                    sqrt(alpha_bar(t)) * eps - sqrt(1 - alpha_bar(t)) * x(0),
                    "the direction in which $x_t$ turns",
                    DEFINITION,
                ),
            ),
            checks=(Check("(x_t, v) is (x_0, ε) turned", _rotation),),
        ),
        Claim(
            "loss.x0-from-v",
            x(0),
            (
                Step(
                    sqrt(alpha_bar(t)) * x_t_made
                    - sqrt(1 - alpha_bar(t))
                    * (sqrt(alpha_bar(t)) * eps - sqrt(1 - alpha_bar(t)) * x(0)),
                    "$\\epsilon$ cancels, and $\\bar\\alpha_t + (1 - \\bar\\alpha_t) = 1$",
                ),
                Step(
                    sqrt(alpha_bar(t)) * x(t) - sqrt(1 - alpha_bar(t)) * v,
                    "$x_t$ and $v$",
                    ALGEBRA,
                    ("marginal.sample", "loss.v-prediction"),
                ),
            ),
        ),
        Claim(
            "loss.eps-from-v",
            eps,
            (
                Step(
                    sqrt(1 - alpha_bar(t)) * x_t_made
                    + sqrt(alpha_bar(t))
                    * (sqrt(alpha_bar(t)) * eps - sqrt(1 - alpha_bar(t)) * x(0)),
                    "$x_0$ cancels, and $(1 - \\bar\\alpha_t) + \\bar\\alpha_t = 1$",
                ),
                Step(
                    sqrt(1 - alpha_bar(t)) * x(t) + sqrt(alpha_bar(t)) * v,
                    "$x_t$ and $v$",
                    ALGEBRA,
                    ("marginal.sample", "loss.v-prediction"),
                ),
            ),
        ),
        Claim(
            "loss.one-prediction",
            Norm2(eps - eps_hat),
            (
                Step(
                    Norm2(
                        (x(t) - sqrt(alpha_bar(t)) * x(0)) / sqrt(1 - alpha_bar(t))
                        - (x(t) - sqrt(alpha_bar(t)) * x0_guess) / sqrt(1 - alpha_bar(t))
                    ),
                    "the noise from $x_0$, and the predicted noise from $\\hat x_0$",
                    ALGEBRA,
                    ("marginal.eps-from-x0", eps_of_x0),
                ),
                Step(
                    alpha_bar(t) / (1 - alpha_bar(t)) * Norm2(x(0) - x0_guess),
                    "$x_t$ cancels",
                ),
                Step(
                    snr(t) * Norm2(x(0) - x0_guess),
                    "the signal-to-noise ratio",
                    ALGEBRA,
                    ("marginal.snr",),
                ),
                Step(
                    alpha_bar(t) * Norm2(v - v_hat),
                    "$x_0 - \\hat x_0 = -\\sqrt{1-\\bar\\alpha_t}\\, (v - \\hat v)$",
                    ALGEBRA,
                    ("marginal.snr", "loss.x0-from-v", x0_of_v),
                ),
            ),
            show=2,
            assuming=(eps_of_x0, x0_of_v),
        ),
        Claim(
            "loss.best-predictor",
            E((eps - Guess(x(t))) ** 2),
            (
                Step(
                    E((Grouped(eps - best_guess) + Grouped(best_guess - Guess(x(t)))) ** 2),
                    "put the best guess between them",
                    GIVEN_X_T,
                ),
                Step(
                    E((eps - best_guess) ** 2)
                    + 2 * E((eps - best_guess) * (best_guess - Guess(x(t))))
                    + E((best_guess - Guess(x(t))) ** 2),
                    "multiply out",
                    MULTIPLIED_OUT,
                ),
                Step(
                    E((eps - best_guess) ** 2) + E((best_guess - Guess(x(t))) ** 2),
                    "given $x_t$, the error of the best guess has mean 0",
                    GIVEN_X_T,
                ),
                Step(
                    E(Var(eps, x(t))) + E((best_guess - Guess(x(t))) ** 2),
                    "the definition of the variance",
                    GIVEN_X_T,
                ),
            ),
        ),
        Claim(
            "loss.marginal-score",
            Gradient(log(q(x(t))), x(t)),
            (
                Step(
                    1 / q(x(t)) * Over(Gradient(q(x(t), x(0)), x(t)) * q(x(0)), x(0)),
                    "$\\nabla \\log q = \\nabla q / q$, and $q(x_t)$ is a mean over all data",
                    POSTERIOR,
                ),
                Step(
                    Over(
                        Gradient(log(q(x(t), x(0))), x(t)) * (q(x(t), x(0)) * q(x(0)) / q(x(t))),
                        x(0),
                    ),
                    "$\\nabla q = q\\, \\nabla \\log q$",
                    POSTERIOR,
                ),
                Step(
                    E(Gradient(log(q(x(t), x(0))), x(t)), x(t)),
                    "Bayes' rule: the fraction is $q(x_0 \\mid x_t)$",
                    POSTERIOR,
                ),
                Step(
                    -(E(eps, x(t)) / sqrt(1 - alpha_bar(t))),
                    "the score of each",
                    POSTERIOR,
                    ("loss.score",),
                ),
            ),
        ),
        Claim(
            "loss.best-eps",
            Least(E((eps - network) ** 2), sp.Symbol(r"\epsilon_\theta")),
            (
                Step(
                    E(Var(eps, x(t))),
                    "the best guess is the mean of $\\epsilon$ given $x_t$",
                    DEFINITION,
                ),
                Step(
                    E(Var((x(t) - sqrt(alpha_bar(t)) * x(0)) / sqrt(1 - alpha_bar(t)), x(t))),
                    "the noise from $x_0$",
                    SUBSTITUTION,
                    ("marginal.eps-from-x0",),
                ),
                Step(
                    alpha_bar(t) / (1 - alpha_bar(t)) * E(Var(x(0), x(t))),
                    "$x_t$ is given",
                ),
                Step(
                    alpha_bar(t) / (1 - alpha_bar(t)) * denoiser_var,
                    "data $\\mathcal N(0, s^2 I)$: the doubt about $x_0$",
                    ALGEBRA,
                    ("reverse.gaussian-data-density",),
                ),
                Step(
                    alpha_bar(t) * spread**2 / (alpha_bar(t) * spread**2 + 1 - alpha_bar(t)),
                    "cancel",
                ),
            ),
            assuming=((q(x(0)), Normal(x(0), m, spread**2)),),
            checks=(
                Check("it is what the best guess leaves", lambda claim: _is_least(claim)),
                Check(
                    "simulated noise agrees (99.9993% confidence)",
                    _simulated,
                    "Monte Carlo at 99.9993%",
                    "200,000 draws in each of 12 settings of the data's variance and of t",
                ),
            ),
        ),
    ]


def _new_factors(before: Any, after: Any) -> Any:
    with evaluate(True):
        return difference(_split_logs(before), _split_logs(after))


def _split_logs(e: Any) -> Any:
    """log of products as sums, with the last factors of each product taken out."""
    from .algebra import expand_logs, unfold

    return expand_logs(unfold(e))


def _right_gaussians(claim: Claim) -> Any:
    """The divergence is between the posterior and the model's transition."""
    one, two = claim.steps[0].expr.args
    registry = claim.registry
    term = registry["loss.term-step"].rhs
    pairs = ((one, "reverse.posterior", term.args[0]), (two, "reverse.transition", term.args[1]))
    for normal, name, density in pairs:
        other = registry[name]
        if other.lhs != density:
            return density
        for a, b in zip(normal.args[1:3], other.rhs.args[1:3]):
            left = difference(a, b)
            if left != 0:
                return left
    return 0


def _is_least(claim: Claim) -> Any:
    """The error of any guess is that of the best one, and a mean square that only it makes 0."""
    any_guess = claim.registry["loss.best-predictor"]
    guess = {Guess(x(t)): eps_theta(x(t), t)}
    of, by = claim.lhs.args if isinstance(claim.lhs, Least) else (claim.lhs, None)
    if of != at_time(any_guess.lhs, guess) or latex(by) != eps_theta.tex:
        return of
    left, more = any_guess.rhs.args
    with as_written():
        extra = E((best_guess - Guess(x(t))) ** 2)
    if more != extra:
        return more
    return difference(left, claim.steps[0].expr)


def _drawn(claim: Claim) -> Any:
    """The subscript names what the expression is made of: the time, the data and the noise."""
    of, _, over, _ = claim.rhs.args
    for step in claim.steps:
        if step.expr.args[2] != over:
            return step.expr.args[2]
    letters = {latex(a) for a in (t, x(0), eps) if of.has(a)}
    return sorted(letters) == sorted(over.name.split(", ")) or over


def _choices(claim: Claim) -> Any:
    """With the chosen variance the constant is 0; the mean is the model's."""
    constant = dict(claim.registry["loss.mean-error"].assuming)[const]
    chosen = dict(claim.assuming)
    model = claim.registry["reverse.mean-model"].steps[0].expr
    if model != mu_tilde(x(t), x0_hat(x(t), t)):
        return model
    return difference(constant.xreplace({sigma(t): chosen[sigma(t)]}), chosen[const])


def _total_mass(before: Any, after: Any) -> Any:
    """The integral of a Gaussian over the line, with plain symbols for its mean and deviation."""
    from .methods import calculus

    center, size = sp.Symbol("c", real=True), sp.Symbol("s", positive=True)
    plain = {mu_theta(x(1), 1): center, sigma(1): size}
    return calculus(before.xreplace(plain), after)


__all__ = ["CLAIMS"]
