"""A pixel that is masked once: worlds for what is said of masked diffusion.

The first axis of an array runs over the worlds, the second over the values that x_0 may have. What
happens to the pixel is a path of "open" and "masked", and a chance is a sum over such paths.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import notation as nt
from .world import COUNT, Array, NoWorld, World

VALUES = 3
OPEN, MASKED = 0, 1


class Masks(World):
    """Random chances of being masked in each of T steps, and a network for each."""

    shape = (COUNT, VALUES)

    def __init__(self, claim: Any, seed: int, last: int, when: int) -> None:
        super().__init__(seed)
        self.last = last
        self.letters |= {nt.T: last, nt.t: when}
        expressions = [claim.lhs, *(step.expr for step in claim.all_steps)]
        for symbol in sorted(set().union(*(e.free_symbols for e in expressions)), key=str):
            self.name(symbol)
        self.beta = self.rng.uniform(0.1, 0.7, (COUNT, last + 2))
        for one in claim.assuming:
            if not isinstance(one, str) and isinstance(one[0], nt.alpha_bar):
                self._follow(*one)
        self.beta[:, 0] = 0
        # What the network says of each value, at each step.
        self.said = self.rng.dirichlet(np.ones(VALUES) * 2, (COUNT, last + 2))
        self.paths = np.ones((COUNT, *[1] * (last + 2)))
        self.paths = np.stack([self.paths, 0 * self.paths], 1)[:, :, 0]  # open at the start
        for at in range(1, last + 2):
            step = np.zeros((COUNT, 2, 2))
            step[:, OPEN, OPEN], step[:, OPEN, MASKED] = 1 - self.beta[:, at], self.beta[:, at]
            step[:, MASKED, MASKED] = 1
            axes = [2 if axis in (at - 1, at) else 1 for axis in range(last + 2)]
            self.paths = self.paths * step.reshape(COUNT, *axes)

    def _follow(self, left: nt.alpha_bar, right: Any) -> None:
        """The chances of which the claim speaks: all of them, or that all is masked at T."""
        if left.at == nt.T and right == 0:
            self.beta[:, self.last] = 1
        elif left.at == nt.t:
            kept = [1.0, *(self.with_letter(nt.t, at)(right) for at in range(1, self.last + 1))]
            for at in range(1, self.last + 1):
                self.beta[:, at] = 1 - kept[at] / kept[at - 1]

    # -- the schedule ------------------------------------------------------------------------------

    def _table(self, table: Array, at: Any) -> Array:
        when = self.time(at)
        if not 0 <= when <= self.last + 1:
            raise NoWorld(f"there is no step {when}")
        return self.column(table[:, when])

    def on_beta(self, e: nt.beta) -> Array:
        return self._table(self.beta, e.at)

    def on_alpha(self, e: nt.alpha) -> Array:
        return self._table(1 - self.beta, e.at)

    def on_alpha_bar(self, e: nt.alpha_bar) -> Array:
        return self._table((1 - self.beta).cumprod(1), e.at)

    # -- chances -----------------------------------------------------------------------------------

    def _chance(self, events: Any) -> Array:
        """The mass of the paths on which all of this happens."""
        paths = self.paths
        for event in events:
            at = self.time(event.at)
            if not isinstance(event, (nt.Open, nt.Masked)) or not 0 <= at <= self.last + 1:
                raise NoWorld(f"{event} does not happen to a pixel here")
            kept = OPEN if isinstance(event, nt.Open) else MASKED
            paths = np.take(paths, [kept], axis=at + 1)
        return paths.reshape(COUNT, -1).sum(1)[:, None]

    def _law(self, after: Any, now: Any) -> tuple[Array, Array]:
        """What a masked pixel does in a step back: the chances to be open, and masked."""
        whole = self._chance([now])
        opened = self._chance([now, nt.Open(after)])
        return opened / whole, self._chance([now, nt.Masked(after)]) / whole

    def on_Said(self, e: nt.Said) -> Array:
        """Of the true value: the second axis runs over what it may be."""
        when = self.time(e.at)
        if not 1 <= when <= self.last + 1:
            raise NoWorld(f"no network is asked at {when}")
        return self.said[:, when]

    def on_Density(self, e: nt.Density) -> Array:
        name, variables, given = e.args
        if name.name == "q":
            return self._chance([*variables, *given]) / self._chance(given)
        if name.name == r"p_\theta" and len(variables) == len(given) == 1:
            (of,), (now,) = variables, given
            if isinstance(now, nt.Masked) and self.time(now.at) == self.time(of.at) + 1:
                opened, stays = self._law(of.at, now)
                if isinstance(of, nt.Open):
                    return opened * self.on_Said(nt.Said(now.at))
                if isinstance(of, nt.Masked):
                    return stays
        raise NoWorld(f"{e} has no value in this world")

    def on_KL(self, e: nt.KL) -> Array:
        """Over all that the pixel may be after a step back: each value, or masked."""
        one, two = e.args
        if not all(isinstance(law, nt.Density) for law in (one, two)):
            raise NoWorld(f"{e} is not between laws of a pixel")
        (of,), (now,) = one.args[1], two.args[2]
        meant = nt.KL(nt.q(of, now, nt.x(0)), nt.p_theta(of, now))
        step = isinstance(of, nt.x) and isinstance(now, nt.Masked)
        if e != meant or not step or self.time(now.at) != self.time(of.at) + 1:
            raise NoWorld(f"{e} is not between a step of q and one of the model")
        opened, stays = (chance[..., None] for chance in self._law(of.at, now))
        true = np.eye(VALUES)[None]  # [world, x_0, what it is after the step]
        said = self.said[:, self.time(now.at)][:, None]
        first = np.concatenate([opened * true, stays + 0 * true[..., :1]], -1)
        second = np.concatenate([opened * said + 0 * true, stays + 0 * true[..., :1]], -1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(first > 0, first * np.log(first / second), 0.0).sum(-1)
