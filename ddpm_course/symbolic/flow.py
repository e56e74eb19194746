"""The claims of the chapter on flows: straight paths, and the dictionary to the noise of DDPM."""

from __future__ import annotations

from typing import Any

import sympy as sp
from sympy.core.parameters import evaluate

from .algebra import difference
from .beyond import noise
from .claim import ASSUMED, Check, Claim, Step
from .methods import ALGEBRA, DEFINITION, SUBSTITUTION
from .methods.means import MULTIPLIED_OUT, given
from .notation import (
    E,
    Grouped,
    Guess,
    Norm2,
    Var,
    alpha_bar,
    as_written,
    eps,
    eps_hat,
    s,
    speed,
    speed_hat,
    sqrt,
    t,
    u,
    u_next,
    v,
    x,
    x0_guess,
    x_u,
    x_u_next,
)

shift = sp.Symbol("a", positive=True)


def _ends(claim: Claim) -> Any:
    """The path begins at the data and ends at the noise."""
    with evaluate(True):
        rhs = claim.rhs.doit()
        return sp.expand(rhs.subs(u, 0) - x(0)) or sp.expand(rhs.subs(u, 1) - eps)


def _slope(claim: Claim) -> Any:
    """The derivative of the path by u."""
    with evaluate(True):
        return sp.expand(sp.diff(claim.registry["flow.path"].rhs.doit(), u) - claim.rhs.doit())


def _ratio(claim: Claim) -> Any:
    """Signal and noise of the path stand as √ᾱ and √(1 - ᾱ)."""
    with evaluate(True):
        share = claim.rhs.doit()
        return difference(((1 - share) / share) ** 2, alpha_bar(t) / (1 - alpha_bar(t)))


def _line(claim: Claim) -> Any:
    """A piece of length 0 stays; and with the true velocity the piece ends on the path."""
    with evaluate(True):
        rhs = claim.rhs.doit()
        stays = sp.expand(rhs.subs(u_next, u) - x_u)
        true = {x_u: (1 - u) * x(0) + u * eps, speed_hat: eps - x(0)}
        return stays or sp.expand(rhs.xreplace(true) - (1 - u_next) * x(0) - u_next * eps)


GIVEN_PLACE = given(x_u, speed)

with as_written():
    made = (1 - u) * x(0) + u * eps  # x_u
    best = E(speed, x_u)
    guess = Guess(x_u)
    root, rest = sqrt(alpha_bar(t)), sqrt(1 - alpha_bar(t))
    root_s, rest_s = sqrt(alpha_bar(s)), sqrt(1 - alpha_bar(s))
    at_t = (u, rest / (root + rest))
    at_s = (u_next, rest_s / (root_s + rest_s))
    guessed = (speed_hat, (eps_hat - x_u) / (1 - u))
    place = (x_u, (1 - u) * x0_guess + u * eps_hat)
    towards = (speed_hat, eps_hat - x0_guess)
    shifted = (u_next, shift * u / (1 + (shift - 1) * u))
    CLAIMS = [
        Claim(
            "flow.path",
            x_u,
            (Step(made, "a straight line from the data to the noise", DEFINITION),),
            checks=(Check("it is the data at u = 0 and the noise at u = 1", _ends),),
        ),
        Claim(
            "flow.way",
            (((1 - u_next) * x(0) + u_next * eps) - made) / (u_next - u),
            (
                Step(
                    ((u - u_next) * x(0) + (u_next - u) * eps) / (u_next - u),
                    "sorted by $x_0$ and $\\epsilon$",
                ),
                Step(eps - x(0), "divide: neither $u$ nor $u'$ is left"),
            ),
        ),
        Claim(
            "flow.velocity",
            speed,
            (Step(eps - x(0), "the way divided by the time, anywhere on the line", DEFINITION),),
            checks=(Check("it is the slope of the path", _slope),),
        ),
        Claim(
            "flow.x0-from-velocity",
            x(0),
            (
                Step(made - u * (eps - x(0)), "$\\epsilon$ cancels, and $(1 - u) + u = 1$"),
                Step(
                    x_u - u * speed,
                    "$x_u$ and the velocity",
                    ALGEBRA,
                    ("flow.path", "flow.velocity"),
                ),
            ),
        ),
        Claim(
            "flow.eps-from-velocity",
            eps,
            (
                Step(made + (1 - u) * (eps - x(0)), "$x_0$ cancels, and $u + (1 - u) = 1$"),
                Step(
                    x_u + (1 - u) * speed,
                    "$x_u$ and the velocity",
                    ALGEBRA,
                    ("flow.path", "flow.velocity"),
                ),
            ),
        ),
        Claim(
            "flow.velocity-from-eps",
            speed,
            (
                Step(
                    (x_u + (1 - u) * speed - x_u) / (1 - u),
                    "put in and taken away again: $x_u$",
                ),
                Step(
                    (eps - x_u) / (1 - u),
                    "where the line ends",
                    ALGEBRA,
                    ("flow.eps-from-velocity",),
                ),
            ),
        ),
        Claim(
            "flow.velocity-from-v",
            speed,
            (
                Step(eps - x(0), "the velocity", ALGEBRA, ("flow.velocity",)),
                Step(
                    (rest * x(t) + root * v) - (root * x(t) - rest * v),
                    "$\\epsilon = \\sqrt{1 - \\bar\\alpha_t}\\, x_t + "
                    "\\sqrt{\\bar\\alpha_t}\\, v$, "
                    "and $x_0 = \\sqrt{\\bar\\alpha_t}\\, x_t - \\sqrt{1 - \\bar\\alpha_t}\\, v$",
                    ALGEBRA,
                    ("loss.eps-from-v", "loss.x0-from-v"),
                ),
                Step(
                    (rest - root) * x(t) + (root + rest) * v,
                    "what stands before $x_t$, and what stands before $v$",
                ),
            ),
        ),
        Claim(
            "flow.best",
            E((speed - guess) ** 2),
            (
                Step(
                    E((Grouped(speed - best) + Grouped(best - guess)) ** 2),
                    "put the mean velocity between them",
                    GIVEN_PLACE,
                ),
                Step(
                    E((speed - best) ** 2)
                    + 2 * E((speed - best) * (best - guess))
                    + E((best - guess) ** 2),
                    "multiply out",
                    MULTIPLIED_OUT,
                ),
                Step(
                    E((speed - best) ** 2) + E((best - guess) ** 2),
                    "given $x_u$, what is above and below the mean cancels",
                    GIVEN_PLACE,
                ),
                Step(
                    E(Var(speed, x_u)) + E((best - guess) ** 2),
                    "the definition of the variance",
                    GIVEN_PLACE,
                ),
            ),
            uncomputed=(
                "The mean runs over data of any law; for Gaussian data the best velocity is bound "
                "at flow.mean-velocity."
            ),
        ),
        Claim(
            "flow.mean-velocity",
            E(speed, x_u),
            (
                Step(
                    E((x_u - x(0)) / u, x_u),
                    "the velocity leads from $x_0$ to $x_u$ in the time $u$",
                    SUBSTITUTION,
                    (ASSUMED,),
                ),
                Step((x_u - E(x(0), x_u)) / u, "$x_u$ and $u$ are given"),
            ),
            assuming=((speed, (x_u - x(0)) / u),),
        ),
        Claim(
            "flow.time",
            u,
            (
                Step(
                    rest / (root + rest),
                    "from $u / (1 - u) = \\sqrt{1 - \\bar\\alpha_t} / \\sqrt{\\bar\\alpha_t}$: "
                    "the path has the signal-to-noise ratio of step $t$",
                    DEFINITION,
                ),
            ),
            checks=(Check("the path then has the signal-to-noise ratio of t", _ratio),),
            assuming=(at_t,),
        ),
        Claim(
            "flow.point",
            x_u,
            (
                Step(made, "the path", ALGEBRA, ("flow.path",)),
                Step(
                    (1 - rest / (root + rest)) * x(0) + rest / (root + rest) * eps,
                    "its time",
                    SUBSTITUTION,
                    ("flow.time",),
                ),
                Step(
                    root / (root + rest) * x(0) + rest / (root + rest) * eps,
                    "one denominator",
                ),
                Step((root * x(0) + rest * eps) / (root + rest), "add the two fractions"),
                Step(x(t) / (root + rest), "the jump", ALGEBRA, ("marginal.sample",)),
            ),
            assuming=(at_t,),
        ),
        Claim(
            "flow.loss-of-noise",
            Norm2(speed - speed_hat),
            (
                Step(
                    Norm2((eps - x_u) / (1 - u) - (eps_hat - x_u) / (1 - u)),
                    "both velocities from their noise",
                    ALGEBRA,
                    ("flow.velocity-from-eps", guessed),
                ),
                Step(Norm2((eps - eps_hat) / (1 - u)), "$x_u$ cancels"),
                Step(1 / (1 - u) ** 2 * Norm2(eps - eps_hat), "a factor comes out, squared"),
            ),
            assuming=(guessed,),
        ),
        Claim(
            "flow.euler",
            x_u_next,
            (
                Step(
                    x_u + (u_next - u) * speed_hat,
                    "straight on, with the velocity that is guessed at $u$",
                    DEFINITION,
                ),
            ),
            checks=(Check("with the true velocity it stays on the path", _line),),
        ),
        Claim(
            "flow.euler-is-ddim",
            x_u_next,
            (
                Step(
                    x_u + (u_next - u) * speed_hat,
                    "Euler's step",
                    ALGEBRA,
                    ("flow.euler",),
                ),
                Step(
                    (1 - u) * x0_guess + u * eps_hat + (u_next - u) * (eps_hat - x0_guess),
                    "the line through $\\hat x_0$ and $\\hat\\epsilon$",
                    ALGEBRA,
                    (place, towards),
                ),
                Step(
                    (1 - u_next) * x0_guess + u_next * eps_hat,
                    "$u$ cancels",
                ),
                Step(
                    (1 - rest_s / (root_s + rest_s)) * x0_guess
                    + rest_s / (root_s + rest_s) * eps_hat,
                    "the time of step $s$",
                    ALGEBRA,
                    (at_s,),
                ),
                Step(
                    (root_s * x0_guess + rest_s * eps_hat) / (root_s + rest_s),
                    "one denominator",
                ),
                Step(
                    x(s) / (root_s + rest_s),
                    "DDIM without fresh noise, $\\sigma = 0$",
                    ALGEBRA,
                    (("beyond.ddim", {noise: sp.S.Zero}),),
                ),
            ),
            assuming=(
                at_t,
                at_s,
                place,
                towards,
            ),
        ),
        Claim(
            "flow.shift",
            u_next / (1 - u_next),
            (
                Step(
                    (shift * u / (1 + (shift - 1) * u)) / (1 - shift * u / (1 + (shift - 1) * u)),
                    "the shifted time",
                    SUBSTITUTION,
                    (ASSUMED,),
                ),
                Step(
                    shift * u / (1 + (shift - 1) * u - shift * u),
                    "multiply above and below by $1 + (a - 1) u$",
                ),
                Step(shift * (u / (1 - u)), "$1 + (a - 1) u - a u = 1 - u$"),
            ),
            assuming=(shifted,),
        ),
    ]

__all__ = ["CLAIMS"]
