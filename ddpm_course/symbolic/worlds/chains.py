"""Chains of few states with random tables: worlds for what is said of any q and any p_θ.

An array has an axis for the worlds and one for each state x_0, x_1, ...: every statement is
evaluated on every path at once, and a mean is a finite sum.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

from .. import notation as nt
from ..printing import latex
from .world import COUNT, Array, NoWorld, World

STATES = 2


class Chains(World):
    """Random chains of ``last`` = T steps, and a model that runs backwards.

    One more state than T is there, for what is said of T + 1.
    """

    def __init__(self, seed: int, last: int, when: int) -> None:
        super().__init__(seed)
        self.last = last
        self.shape = (COUNT,) + (STATES,) * (last + 2)
        self.letters |= {nt.T: last, nt.t: when}
        share = lambda *shape: self.rng.dirichlet(np.ones(STATES) * 2, (COUNT, *shape))  # noqa: E731 # short
        self.start, self.prior = share(), share()
        self.forward = [share(STATES) for _ in range(last + 2)]  # [at][world, before, after]
        self.backward = [share(STATES) for _ in range(last + 2)]  # [at][world, after, before]
        self.q = self._product([self.start], (0,))
        for at in range(1, last + 2):
            self.q = self.q * self._product([self.forward[at]], (at - 1, at))

    def _product(self, tables: list[Array], axes: tuple[int, ...]) -> Array:
        (table,) = tables
        shape = [COUNT] + [1] * (self.last + 2)
        for axis in axes:
            shape[axis + 1] = STATES
        return table.reshape(shape)

    def _model(self, last: int) -> Array:
        """p_θ(x_{0:last}) on every path."""
        out = self._product([self.prior], (last,))
        for at in range(1, last + 1):
            # The table runs over (after, before); the axes over (before, after).
            out = out * self._product([self.backward[at].swapaxes(1, 2)], (at - 1, at))
        return out

    def states(self, entries: Any) -> list[int]:
        out: list[int] = []
        for entry in entries:
            if isinstance(entry, nt.States):
                out += range(self.time(entry.args[0]), self.time(entry.args[1]) + 1)
            elif isinstance(entry, nt.x):
                out.append(self.time(entry.at))
            else:
                raise NoWorld(f"{entry} is no state of a chain")
        if any(not 0 <= at <= self.last + 1 for at in out):
            raise NoWorld(f"the chain has no state {out}")
        return out

    def _over(self, table: Array, kept: list[int]) -> Array:
        """The table summed over all states that are not kept."""
        gone = tuple(at + 1 for at in range(self.last + 2) if at not in kept)
        return np.asarray(np.broadcast_to(table, self.shape)).sum(gone, keepdims=True)

    def on_Density(self, e: nt.Density) -> Array:
        name, variables, given = e.args
        of, behind = self.states(variables), self.states(given)
        if name.name == "p":
            if behind or len(of) != 1:
                raise NoWorld(f"{e} is not the prior")
            return self._product([self.prior], (of[0],))
        if name.name == r"p_\theta":
            if len(of) == 1 and behind == [of[0] + 1]:
                table = self.backward[behind[0]].swapaxes(1, 2)
                return self._product([table], (of[0], behind[0]))
            last = max([self.last, *of, *behind])
            if last > self.last and last not in [*of, *behind]:
                raise NoWorld(f"{e} does not say where the model starts")
            joint = self._model(last) / STATES ** (self.last + 1 - last)
        elif name.name == "q":
            joint = self.q
        else:
            raise NoWorld(f"no law is named {name}")
        both = self._over(joint, [*of, *behind])
        return both / self._over(joint, behind) if behind else both

    def on_E(self, e: nt.E) -> Array:
        of, given, over, _ = e.args
        if isinstance(e, nt.Var):
            inner = lambda power: self.on_E(nt.E(of**power, given, over))  # noqa: E731 # short
            return inner(2) - inner(1) ** 2
        law = over.name.strip()
        behind = self.states(given)
        if law == "q":  # the paths of q from x_0
            share = self.q / self._over(self.q, sorted({0, *behind}))
            kept = sorted({0, *behind})
        elif law == r"p_\theta":  # the paths of the model, x_0 too
            share = self._model(self.last) / STATES
            share = share / self._over(share, behind)
            kept = behind
        else:
            if not law:
                raise NoWorld(f"{latex(e)} does not say over which law it is a mean, q or p_θ")
            raise NoWorld(f"no law is named {law}, over which {latex(e)} is a mean")
        return self._over(share * self(of), kept)

    def on_KL(self, e: nt.KL) -> Array:
        first, second = e.args
        if not isinstance(first, nt.Density) or not isinstance(second, nt.Density):
            raise NoWorld(f"{e} is not between laws of a chain")
        (at,) = self.states(first.args[1])
        if self.states(second.args[1]) != [at]:
            raise NoWorld(f"{e} is between laws of different states")
        one, two = self(first), self(second)
        return np.asarray((one * np.log(one / two)).sum(at + 1, keepdims=True))

    def on_Over(self, e: nt.Over) -> Array:
        gone = tuple(at + 1 for at in self.states([e.args[1]]))
        return np.asarray(np.broadcast_to(self(e.args[0]), self.shape).sum(gone, keepdims=True))

    def on_Loss(self, e: nt.Loss) -> Array:
        """L_T, L_{t-1} and L_0 of the paper."""
        x, at = nt.x, self.time(e.at)
        if at == self.last:
            return self(nt.KL(nt.q(x(at), x(0)), nt.prior(x(at))))
        if at == 0:
            return self(-sp.log(nt.p_theta(x(0), x(1))))
        return self(nt.KL(nt.q(x(at), x(at + 1), x(0)), nt.p_theta(x(at), x(at + 1))))
