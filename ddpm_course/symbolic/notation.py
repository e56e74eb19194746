r"""The symbols of the book, defined once: they print as in the paper and carry their meaning.

Write expressions inside ``with as_written():``. SymPy then keeps the order in which you write, so
that what is proved is what is typeset:

    with as_written():
        sqrt(alpha_bar(t)) * x(0) + sqrt(1 - alpha_bar(t)) * eps

A symbol such as ``x(t)`` stands for one component of an image: all our Gaussians have a variance
that is a multiple of the identity, so each component behaves alike. ``Norm2`` and ``d`` bring the d
components together; they are expanded through inner products, so what is proved holds for every d.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate


def as_written() -> Any:
    """A context in which SymPy keeps expressions in the order they are written."""
    return evaluate(False)


class Notation(sp.Function):
    """A function of ours: SymPy carries it, and our printer and our proofs know what it means."""

    is_real = True
    is_number = False  # not even beta(1), though nothing in it is a free symbol
    tex = ""

    def __new__(cls, *args: Any) -> Any:
        return sp.Expr.__new__(cls, *(sp.sympify(a) for a in args))

    @property
    def is_commutative(self) -> bool:
        return True

    def _eval_evalf(self, prec: int) -> None:
        """No number: mpmath has functions of its own that are named beta and zeta."""


@cache  # each change between evaluating and not empties SymPy's own cache
def index(value: Any) -> sp.Expr:
    """An index in its simplest form, so that x(t - 1) is one thing however it is written."""
    with evaluate(True):
        return sp.expand(sp.sympify(value).doit())


class Indexed(Notation):
    """A quantity that depends on time: prints its index as a subscript."""

    def __new__(cls, at: Any) -> Any:
        return sp.Expr.__new__(cls, index(at))

    @property
    def at(self) -> sp.Expr:
        return self.args[0]


class Sequence(Indexed):
    """A positive number for every time: a part of the schedule."""

    is_positive = True


class beta(Sequence):
    tex = r"\beta"


class alpha(Sequence):
    tex = r"\alpha"


class alpha_bar(Sequence):
    tex = r"\bar\alpha"


class cosine_share(Sequence):
    """The share of the signal on the uncut curve of the cosine schedule."""

    tex = "f"


class beta_tilde(Sequence):
    tex = r"\tilde\beta"


class sigma(Sequence):
    """The standard deviation that the sampler uses at t."""

    tex = r"\sigma"


class snr(Sequence):
    tex = r"\mathrm{SNR}"


class half_log_snr(Indexed):
    """Half the logarithm of the signal-to-noise ratio: any real number."""

    tex = r"\lambda"


class Continuous(Notation):
    r"""\beta(s), the rate of noise when time is continuous."""

    is_positive = True
    tex = r"\beta"


class weight(Sequence):
    tex = r"w"


class Vector(Notation):
    """One component of a vector: what Norm2 sees as a vector."""


class x(Indexed, Vector):
    """x(0) is data, x(t) a latent."""

    tex = "x"


class Noise(Vector):
    """A standard normal variable, independent of all that came before it."""


class eps_at(Indexed, Noise):
    tex = r"\epsilon"


class Letter(sp.Symbol):
    """A plain symbol that is a vector."""


class NoiseLetter(Letter):
    """A standard normal variable without an index."""


class FreshNoise(NoiseLetter):
    """Noise drawn by the sampler at t: independent of x_0, x_t and every later state."""


class RandomLetter(Letter):
    """A vector that is made of random ones, so it is random too."""


class mu_tilde(Vector):
    r"""The posterior mean, as a function of (x_t, x_0); its time is that of x_t."""

    tex = r"\tilde\mu"

    @property
    def at(self) -> sp.Expr:
        return self.args[0].at


class Network(Vector):
    """What a network says of (x_t, t), or of (x_t, t, c)."""


class eps_theta(Network):
    tex = r"\epsilon_\theta"


class mu_theta(Network):
    tex = r"\mu_\theta"


class Sigma_theta(Network):
    tex = r"\Sigma_\theta"


class x0_hat(Network):
    tex = r"\hat x_0"


class Norm2(Notation):
    """The squared length of a vector."""

    is_nonnegative = True


class Dot(Notation):
    """An inner product: what Norm2 is expanded into. It is never displayed."""

    def __new__(cls, a: Any, b: Any) -> Any:
        return sp.Expr.__new__(cls, *sorted((a, b), key=sp.default_sort_key))


ANY = sp.Symbol(r"\cdot", real=True)  # the variable of a distribution without a name


class Normal(Notation):
    """N(x; mean, var): the density at x. With ``identity`` the variance is printed with I.

    Normal(None, mean, var) is the distribution itself, N(mean, var).
    """

    is_positive = True

    def __new__(cls, at: Any, mean: Any, var: Any, identity: Any = sp.true) -> Any:
        at = ANY if at is None else at
        return super().__new__(cls, at, mean, var, sp.sympify(identity))

    @property
    def density(self) -> sp.Expr:
        at, mean, var, _ = self.args
        return sp.exp(-((at - mean) ** 2) / (2 * var)) / sp.sqrt(2 * sp.pi * var)


class Density(Notation):
    """q(variables | given): Density("q", [x(t)], [x(t - 1)])."""

    is_positive = True

    def __new__(cls, name: Any, variables: Any, given: Any = ()) -> Any:
        return sp.Expr.__new__(cls, sp.Symbol(str(name)), sp.Tuple(*variables), sp.Tuple(*given))

    def __str__(self) -> str:
        name, variables, given = self.args
        bar = " | " + ", ".join(map(str, given)) if given else ""
        return f"{name}({', '.join(map(str, variables))}{bar})"


class States(Notation):
    """x_{a:b}, all the states from a to b."""

    def __new__(cls, first: Any, last: Any) -> Any:
        return sp.Expr.__new__(cls, index(first), index(last))


def q(variables: Any, *given: Any) -> Density:
    """q(variables | given)."""
    return Density("q", variables if isinstance(variables, list) else [variables], given)


def p_theta(variables: Any, *given: Any) -> Density:
    """p_theta(variables | given)."""
    return Density(r"p_\theta", variables if isinstance(variables, list) else [variables], given)


def prior(variable: Any) -> Density:
    """p(x_T), the prior."""
    return Density("p", [variable])


class E(Notation):
    r"""An expectation. ``given`` stands behind the bar; ``over`` is the subscript, for the reader.

    ``law`` is the distribution (a Normal with its variable) of a variable inside, when it needs
    saying.
    """

    def __new__(cls, of: Any, given: Any = (), over: Any = "", law: Any = ()) -> Any:
        given = given if isinstance(given, (tuple, list, sp.Tuple)) else (given,)
        over = over if isinstance(over, sp.Symbol) else sp.Symbol(over or " ")
        return sp.Expr.__new__(cls, sp.sympify(of), sp.Tuple(*given), over, sp.Tuple(*law))


class Var(E):
    is_nonnegative = True


class Least(Notation):
    r"""The least value of an expression over all choices of a function: \min_f of it."""


class Held(Notation):
    """Something that a proof must take as it stands: it is never displayed."""

    def __new__(cls, kind: str, *args: Any) -> Any:
        return sp.Expr.__new__(cls, sp.Symbol(str(kind)), *(sp.sympify(a) for a in args))


class KL(Notation):
    """The Kullback-Leibler divergence of two Normals or two Densities (of d components)."""

    is_nonnegative = True


class Edge(Indexed):
    """The edges of the decoder's cells, from Edge(0) to Edge(K)."""

    tex = r"\delta"


class Loss(Indexed):
    """L_T, L_{t-1}, L_0: a term of the bound; Loss(k) prints L_k."""

    tex = "L"


class Over(Notation):
    r"""The integral of a density over a state: Over(f, x(t)) prints \int f dx_t."""

    is_positive = True


class data_variance(Sequence):
    r"""v_t, the variance of x_t for Gaussian data."""

    tex = "v"


class Open(Indexed):
    """The event that a pixel still shows its value after t steps of masking."""

    tex = "o"


class Masked(Indexed):
    """The event that a pixel is masked after t steps."""

    tex = "m"


class Said(Sequence):
    """The chance that a network gives to the true value of a masked pixel, at step t."""

    tex = r"\hat p"


class Guess(Vector):
    """f(x_t), any guess of the noise."""


class Frequency(Sequence):
    tex = r"\omega"


class Weights(Indexed):
    """The weights of a network after a number of training steps."""

    tex = r"\theta"


class Averaged(Weights):
    tex = r"\bar\theta"


class Spread(Indexed):
    """A covariance matrix."""

    is_positive = True
    tex = r"\Sigma"


class QueryNoise(Indexed, Noise):
    """A component of a query, as if drawn from N(0, 1)."""

    tex = "q"


class KeyNoise(Indexed, Noise):
    """A component of a key, as if drawn from N(0, 1)."""

    tex = "k"


class Trace(Notation):
    """The trace of a matrix."""


class Softmax(Notation):
    """Exponentials that are divided by their sum, row by row."""


class Transposed(Notation):
    """The transpose of a matrix."""


class Inner(Notation):
    """An inner product, displayed with a dot."""


class Similarity(Notation):
    """s_ij: how well picture i fits text j."""


class Embedding(Notation):
    """e(t), what the network is told of the time."""


class Run(Notation):
    """Entries of a vector: Run(body, i, 0, m) prints its first, dots, and its last."""


class Label(Letter):
    """What a sample is asked to show."""


class Gradient(Notation):
    r"""\nabla_x of an expression, printed as a gradient."""


class Grouped(Notation):
    r"""Square brackets around an expression, for the eye."""


t, T, n = sp.symbols("t T n", integer=True, positive=True)
s, i, k = sp.symbols("s i k", integer=True, positive=True)
d = sp.Symbol("d", integer=True, positive=True)
tau = sp.Symbol(r"\tau", positive=True)

eps = NoiseLetter(r"\epsilon", real=True)
z = FreshNoise("z", real=True)
v = RandomLetter("v", real=True)
eps_hat = RandomLetter(r"\hat\epsilon", real=True)
x0_guess = RandomLetter(r"\hat x_0", real=True)
# The guess at the step that was visited before, and the one that looks ahead.
x0_before = RandomLetter(r"\hat x_0'", real=True)
x0_ahead = RandomLetter(r"\hat x_0^{\to}", real=True)
v_hat = RandomLetter(r"\hat v", real=True)
said = sp.Symbol(r"\hat p", positive=True)  # as Said, where it is the same at every step
query, key = RandomLetter("q", real=True), RandomLetter("k", real=True)  # drawn, entry by entry
# A flow: its time u from 0 (data) to 1 (noise), the place x_u, and the velocity; and a later u'.
u, u_next = sp.Symbol("u", positive=True), sp.Symbol("u'", positive=True)
x_u, x_u_next = RandomLetter("x_u", real=True), RandomLetter("x_{u'}", real=True)
speed = RandomLetter(r"\dot x", real=True)
speed_hat = RandomLetter(r"\hat{\dot x}", real=True)

mu_1, mu_2 = Letter(r"\mu_1", real=True), Letter(r"\mu_2", real=True)
gain, shift = Letter("a", real=True), Letter("b", real=True)  # what the time says to one channel
var_1 = sp.Symbol(r"\sigma_1^2", positive=True)
var_2 = sp.Symbol(r"\sigma_2^2", positive=True)


def two_gaussians(mean_1: Any, variance_1: Any, mean_2: Any, variance_2: Any) -> Any:
    """What a step ``uses`` to apply ``loss.kl-isotropic`` to two Gaussians."""
    values = {mu_1: mean_1, var_1: variance_1, mu_2: mean_2, var_2: variance_2}
    return "loss.kl-isotropic", {name: sp.sympify(value) for name, value in values.items()}


sqrt, exp, log = sp.sqrt, sp.exp, sp.log
half = sp.Rational(1, 2)
