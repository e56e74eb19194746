"""Data, a schedule and a network with random values: worlds for what is said of DDPM.

The data are mixtures of two Gaussians (or what the claim assumes of them), in components that are
independent. Every state and every noise is linear in x_0 and the noises of the steps, so their
joint law is exact. An array has the axes (worlds, components, points), and one more for every mean
or integral around it. The points are draws of all random quantities together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.special
import sympy as sp

from .. import notation as nt
from ..printing import latex
from .laws import Law
from .world import COUNT, LINE, STEP, Array, NoWorld, World

POINTS = 3
FARTHER = sp.Symbol("r", integer=True, positive=True)
SAMPLED = "$x_{t-1}$ is drawn by the sampler"
LEVELS = sp.Symbol("K", integer=True, positive=True)
LABELS = 3


class Noising(World):
    """Random schedules of T steps; ``when`` is t, ``far`` is s and ``farther`` is r.

    Args:
        claim: whose letters get values, and whose assumptions are met.
        components: of the data; d.
    """

    def __init__(
        self, claim: Any, seed: int, last: int, when: int, far: int, components: int
    ) -> None:
        super().__init__(seed)
        self.last, self.components = last, components
        self.shape = (COUNT, self.components, POINTS)
        self.letters |= {nt.T: last, nt.t: when, nt.s: far, nt.d: self.components, nt.n: 3}
        self.letters |= {nt.i: 2, nt.k: 1, LEVELS: 5, FARTHER: when + 1}
        pairs = [one for one in claim.assuming if not isinstance(one, str)]
        words = {one for one in claim.assuming if isinstance(one, str)}
        everything = [*_expressions(claim), *(side for pair in pairs for side in pair)]
        for symbol in sorted(set().union(*(e.free_symbols for e in everything)), key=str):
            if not isinstance(symbol, nt.Letter):
                self.name(symbol)
        self.naive = any(isinstance(one, nt.x) for one, _ in pairs)
        for one, value in pairs:
            if one in (nt.s,):
                self.letters[one] = self.time(value)
        self.flow_share = self.rng.uniform(0.4, 0.9, (COUNT, 1))
        self.flows = any(e.has(nt.x_u, nt.speed) for e in everything)
        self.flow_at = any(one == nt.u for one, _ in pairs)
        self._schedule(words)
        self._data(pairs)
        self.words = words
        parts = set().union(*(set(sp.preorder_traversal(e)) for e in everything))
        self.labels = any(isinstance(one, nt.Label) for one in parts)
        self._sources()
        self.place(self.letters[nt.t])
        self._assumed(pairs)
        self.known = {}
        self._met(pairs)

    # -- what the letters are ----------------------------------------------------------------------

    def _schedule(self, words: set[str]) -> None:
        count = self.last + 2
        beta = self.rng.uniform(0.05, 0.5, (COUNT, count))
        steps = np.arange(count)
        if "the linear schedule" in words:
            low, high = self.rng.uniform(((0.05,), (0.3,)), ((0.2,), (0.5,)), (2, COUNT))
            beta = low[:, None] + (steps - 1) / (self.last - 1) * (high - low)[:, None]
        if "the cosine schedule" in words:
            offset = self.rng.uniform(0.005, 0.2, (COUNT, 1))
            angle = (np.minimum(steps / self.last, 1) + offset) / (1 + offset) * np.pi / 2
            self.share = np.cos(angle) ** 2 / np.cos(offset / (1 + offset) * np.pi / 2) ** 2
            most = self.rng.uniform(0.6, 0.9, (COUNT, 1))
            beta[:, 1:] = np.minimum(
                (self.share[:, :-1] - self.share[:, 1:]) / self.share[:, :-1], most
            )
            beta[:, self.last + 1 :] = 0.5
            self.letters[sp.Symbol("s", nonnegative=True)] = self.column(offset)
            self.letters[sp.Symbol(r"\beta_{\max}", positive=True)] = self.column(most)
        beta[:, 0] = 0
        self.beta, self.alpha = beta, 1 - beta
        self.alpha_bar = np.multiply.accumulate(self.alpha, 1)
        self.sigma = self.rng.uniform(0.2, 0.9, (COUNT, count))
        self.theta = self.rng.normal(0, 1, (COUNT, 12))
        self.rate = self.rng.uniform(0.3, 1.2, (COUNT, 3))
        self.shape_of_network = self.rng.uniform(0.4, 1.2, (COUNT, 4))

    def _data(self, pairs: list[Any]) -> None:
        """A mixture of two Gaussians in each component, or what is assumed."""
        shape = (COUNT, self.components, 2)
        shares = self.rng.uniform(0.3, 0.7, shape)
        shares[..., 1] = 1 - shares[..., 0]
        means, spreads = self.rng.normal(0, 0.4, shape), self.rng.uniform(0.5, 0.9, shape)
        self.straight: Any = None  # the slope of a density that is improper: exp(a x)
        for one, value in pairs:
            if isinstance(one, nt.Density) and isinstance(value, nt.Normal):
                _, mean, var, _ = value.args
                m, spread = (self._letter(e) for e in (mean, var))
                shares = np.ones((*shape[:2], 1))
                means = np.broadcast_to(m[..., :1], (*shape[:2], 1))
                spreads = np.sqrt(np.broadcast_to(spread[..., :1], (*shape[:2], 1)))
            elif isinstance(one, nt.Density):
                self.straight = one, value
            elif isinstance(one, nt.Var) and one.args[0] == nt.x(0) and len(one.args[1]):
                shares, means = np.ones((*shape[:2], 1)), means[..., :1]  # one point
                spreads = np.zeros_like(means)
            elif isinstance(one, nt.Var):  # the data are scaled to variance 1
                center = (shares * means).sum(-1, keepdims=True)
                size = (shares * (means**2 + spreads**2)).sum(-1, keepdims=True) - center**2
                means, spreads = means / np.sqrt(size), spreads / np.sqrt(size)
        self.parts = shares, means, spreads

    def _letter(self, e: Any) -> Array:
        """The value of the mean or the variance of assumed data, for every component."""
        for letter in e.free_symbols:
            if isinstance(letter, nt.Letter) and letter not in self.letters:
                self.letters[letter] = self.rng.normal(0, 0.6, (COUNT, self.components, 1))
        return np.broadcast_to(np.asarray(self(e), dtype=float), (COUNT, self.components, 1))

    def _sources(self) -> None:
        """x_0, the noise of each step, and fresh noise; and the law of the states."""
        shares, means, spreads = self.parts
        count = self.last + 4  # x_0, eps_1 .. eps_{T+1}, two for the sampler
        mean = np.zeros((*means.shape, count))
        var = np.ones((*means.shape, count))
        mean[..., 0], var[..., 0] = means, spreads**2
        self.law = Law(shares, mean, var)
        unit = np.eye(count)
        row = np.tile(unit[0], (COUNT, 1))
        self.law.rows["x", 0] = row
        for at in range(1, self.last + 2):
            beta = self.beta[:, at, None]
            keep = 1.0 if self.naive else np.sqrt(1 - beta)
            row = keep * row + np.sqrt(beta) * unit[at]
            self.law.rows["x", at] = row
            self.law.rows["eps_at", at] = np.tile(unit[at], (COUNT, 1))
        self.states = dict(self.law.rows)  # of the chain, whatever else x_{t-1} may be
        self.fresh = np.tile(unit[-1], (COUNT, 1)), np.tile(unit[-2], (COUNT, 1))
        part = (self.rng.random((COUNT, self.components, POINTS)) > shares[..., :1]).astype(int)
        part = np.minimum(part, means.shape[-1] - 1)
        drawn = self.rng.normal(0, 1, (COUNT, self.components, POINTS, count))
        drawn[..., 0] *= np.take_along_axis(spreads, part, -1)
        drawn[..., 0] += np.take_along_axis(means, part, -1)
        self.drawn = drawn

    def place(self, when: int) -> None:
        """Put t at a time: what ε, z and v are hangs on it."""
        self.known = {}
        self.letters[nt.t] = when
        rows, bar = self.law.rows, self.alpha_bar
        here, start = rows["x", when], rows["x", 0]
        signal, noise = np.sqrt(bar[:, when, None]), np.sqrt(1 - bar[:, when, None])
        if not self.naive:
            rows[nt.eps] = (here - signal * start) / noise
            rows[nt.v] = signal * rows[nt.eps] - noise * start
            gain, var = self.posterior(when)
            center = gain[:, :1] * here + gain[:, 1:] * start
            self._flow(rows, noise / (signal + noise))
            rows[nt.z] = self.fresh[0]
            if when > 1:
                rows[nt.z] = (rows["x", when - 1] - center) / np.sqrt(var[:, None])
        self.point = {key: np.einsum("ws,wdps->wdp", row, self.drawn) for key, row in rows.items()}

    def _flow(self, rows: dict[Any, Array], share: Array) -> None:
        """The line from x_0 to ε, seen as the noise that it has more than the data.

        u is where the line has the signal-to-noise ratio of t, if the claim says what u is; else
        it is any number between 0 and 1.
        """
        if not self.flows:
            return
        if not self.flow_at:
            share = self.flow_share
        self.letters[nt.u] = self.column(share)
        rows[nt.speed] = rows[nt.eps] - rows["x", 0]
        rows[nt.x_u] = rows[nt.eps] - (1 - share) * rows[nt.speed]

    def posterior(self, when: int) -> tuple[Array, Array]:
        """What x_{t-1} takes of x_t and of x_0, and its variance given both: by regression."""
        rows = self.states
        known = np.stack([rows["x", when], rows["x", 0]], 1)
        own = known @ known.swapaxes(1, 2)  # any spread of x_0 gives the same: here 1
        cross = np.einsum("ws,was->wa", rows["x", when - 1], known)
        gain = np.linalg.solve(own, cross[..., None])[..., 0]
        return gain, (rows["x", when - 1] ** 2).sum(1) - (gain * cross).sum(1)

    def _assumed(self, pairs: list[Any]) -> None:
        """Letters of the claim: those that are assumed to be something, then all others."""
        shape = (COUNT, self.components, POINTS)
        said = dict(pairs)
        when = self.letters[nt.t]
        signal, noise = (
            self.column(np.sqrt(f(self.alpha_bar[:, when]))) for f in (lambda a: a, lambda a: 1 - a)
        )
        here = self.point.get(("x", when))
        known = (nt.x0_guess, nt.eps_hat, nt.v_hat, nt.speed, nt.speed_hat, nt.x_u, nt.x_u_next)
        if here is not None and not self.naive:
            if nt.x0_guess in said and said[nt.x0_guess] == nt.x(0):  # a perfect prediction
                for letter, key in ((nt.x0_guess, ("x", 0)), (nt.eps_hat, nt.eps)):
                    self.law.rows[letter] = self.law.rows[key]
                    self.point[letter] = self.point[key]
            else:
                guess = self.rng.normal(0, 1, shape)
                self.point[nt.eps_hat] = guess
                self.point[nt.x0_guess] = (here - noise * guess) / signal
            self.point[nt.v_hat] = (signal * here - self.point[nt.x0_guess]) / noise
        for letter in (nt.mu_1, nt.mu_2, nt.gain, nt.shift):
            self.letters.setdefault(letter, self.rng.normal(0, 1, (COUNT, self.components, 1)))
        self.point[nt.x0_before] = self.rng.normal(0, 1, shape)
        for name, side in ((r"\delta_-(x_0)", -0.3), (r"\delta_+(x_0)", 0.4)):  # a cell around x_0
            self.letters[sp.Symbol(name, real=True)] = self.point["x", 0] + side
        for one, value in pairs:
            plain = isinstance(one, sp.Symbol) and one not in known and one != nt.s
            if plain and not one.is_integer:
                self.letters[one] = self(value)
            elif isinstance(one, nt.Continuous):
                self.straight_rate = one.args[0], value
            elif isinstance(one, nt.sigma):
                self.sigma = np.sqrt(
                    np.stack([self.posterior(max(at, 1))[1] for at in range(self.last + 2)], 1)
                )
        self._jump()
        self._flown()
        self._walk()
        self._ahead()
        if SAMPLED in self.words:  # x_{t-1} is what the sampler draws
            self.point[nt.z] = self.drawn[..., -1]
            step = self._step_mean(here, when) + self.column(self.sigma[:, when]) * self.point[nt.z]
            self.point["x", when - 1] = step
            del self.law.rows["x", when - 1]
        if self.labels:  # guidance: a mean of two answers, with weights that may pass 1
            share = self.letters.get(sp.Symbol("w", real=True), 0.0)
            told = self.network(here, when, True)
            self.point[nt.eps_hat] = (1 - share) * self.network(here, when) + share * told
        if self.straight:
            for letter in self.straight[1].free_symbols:
                if isinstance(letter, nt.Letter):
                    self.letters[letter] = self.rng.normal(0, 0.5, (COUNT, self.components, 1))

    def _ahead(self) -> None:
        """The line through two guesses, as a function of λ, in the middle of the jump."""
        steps = [self.letters[FARTHER], self.letters[nt.t], self.letters[nt.s]]
        old, here, end = (self.on_half_log_snr(nt.half_log_snr(sp.Integer(at))) for at in steps)
        share = ((here + end) / 2 - old) / (here - old)
        if nt.x0_guess in self.point:
            guesses = self.point[nt.x0_before], self.point[nt.x0_guess]
            self.point[nt.x0_ahead] = (1 - share) * guesses[0] + share * guesses[1]

    def _jump(self) -> None:
        """x_s, where a sampler jumps to from t; and the deviation of its fresh noise."""
        far, when = self.letters[nt.s], self.letters[nt.t]
        deviation, share = sp.Symbol(r"\sigma", positive=True), sp.Symbol(r"\eta", nonnegative=True)
        if deviation not in self.letters or not 0 < far < when or self.naive:
            if nt.eps_hat in self.point and 0 < far < when:
                bar = self.alpha_bar[:, far]
                self.point["jump"] = (
                    self.column(np.sqrt(bar)) * self.point[nt.x0_guess]
                    + self.column(np.sqrt(1 - bar)) * self.point[nt.eps_hat]
                )
            return
        eta = self.letters.setdefault(share, self.rng.uniform(0.3, 1, (COUNT, 1, 1)))
        self.letters[share] = eta = np.minimum(eta, 1.0)
        rows = self.law.rows
        known = np.stack([rows["x", when], rows["x", 0]], 1)
        own, cross = known @ known.swapaxes(1, 2), np.einsum("ws,was->wa", rows["x", far], known)
        gain = np.linalg.solve(own, cross[..., None])[..., 0]
        var = (rows["x", far] ** 2).sum(1) - (gain * cross).sum(1)
        size = eta.reshape(-1) * np.sqrt(var)
        self.letters[deviation] = self.column(size)
        bar = self.alpha_bar[:, far]
        old = np.sqrt(1 - bar - size**2)
        row = self.fresh[0]
        self.law.rows[nt.z] = row
        self.point[nt.z] = self.drawn[..., -1]
        self.point["jump"] = (
            self.column(np.sqrt(bar)) * self.point[nt.x0_guess]
            + self.column(old) * self.point[nt.eps_hat]
            + self.column(size) * self.point[nt.z]
        )
        if nt.x0_guess in rows:
            signal = np.sqrt(bar)[:, None] * rows[nt.x0_guess]
            rows["jump"] = signal + old[:, None] * rows[nt.eps_hat] + size[:, None] * row

    def _flown(self) -> None:
        """Where the line that starts at x_u with the guessed velocity is at the time u'."""
        if nt.x_u not in self.point or nt.eps_hat not in self.point:
            return
        share, here, end = self.letters[nt.u], self.point[nt.x_u], self.point[nt.eps_hat]
        self.point[nt.speed_hat] = (end - here) / (1 - share)
        if not self.flow_at:  # x_u is no x_t here: the guess is that of the line
            self.point[nt.x0_guess] = (here - share * end) / (1 - share)
        weight = (1 - self.letters.get(nt.u_next, 0)) / (1 - share)
        self.point[nt.x_u_next] = weight * here + (1 - weight) * end

    def _walk(self) -> None:
        """p: a sampler that stands at any Gaussian x_t, knows the mean of the step and adds σ z."""
        shares, _means, _spreads = self.parts
        self.walk: Law | None = None
        if shares.shape[-1] != 1 or self.naive or self.letters[nt.t] < 1:
            return
        when = self.letters[nt.t]
        mean = np.zeros((COUNT, self.components, 1, 3))  # x_t, z, and 1
        var = np.ones_like(mean)
        mean[..., 0] = self.rng.normal(0, 0.5, mean.shape[:-1])
        var[..., 0] = self.rng.uniform(0.5, 1.5, mean.shape[:-1])
        mean[..., 2], var[..., 2] = 1, 0
        rows = self.law.stacked([("x", when), ("x", when - 1)])
        there, cov = self.law.moments(rows)
        slope = (cov[:, 0, 0, 0, 1] / cov[:, 0, 0, 0, 0])[:, None]
        walk = Law(shares, mean, var)
        unit = np.eye(3)
        walk.rows["x", when] = np.tile(unit[0], (COUNT, 1))
        walk.rows[nt.z] = np.tile(unit[1], (COUNT, 1))
        offset = (there[:, 0, 0, 1] - slope[:, 0] * there[:, 0, 0, 0])[:, None]
        step = slope * unit[0] + self.sigma[:, when, None] * unit[1] + offset * unit[2]
        walk.rows["x", when - 1] = step
        self.walk = walk

    def _met(self, pairs: list[Any]) -> None:
        """Every assumption that is an equation holds in these worlds."""
        for one, value in pairs:
            if isinstance(one, nt.Density) and self.straight:
                continue
            left, right = (np.asarray(self(side), dtype=float) for side in (one, value))
            if not np.allclose(left, right, rtol=1e-8, atol=1e-8):  # infinities are equal, too
                raise NoWorld(f"none could be built in which {latex(one)} = {latex(value)}")

    # -- evaluation --------------------------------------------------------------------------------

    def deeper(self, more: dict[Any, Array] | None = None) -> Any:
        inner = super().deeper()
        inner.point = {key: one[..., None] for key, one in self.point.items()} | (more or {})
        return inner

    def table(self, values: Array, at: Any) -> Array:
        when = self.time(at)
        if not 0 <= when < values.shape[1]:
            raise NoWorld(f"there is no time {at} = {when}")
        return self.column(values[:, when])

    def on_beta(self, e: Any) -> Any:
        return self.table(self.beta, e.at)

    def on_alpha(self, e: Any) -> Any:
        return self.table(self.alpha, e.at)

    def on_alpha_bar(self, e: Any) -> Any:
        return self.table(self.alpha_bar, e.at)

    def on_sigma(self, e: Any) -> Any:
        return self.table(self.sigma, e.at)

    share: Any = None  # of the signal, on the uncut curve of the cosine schedule

    def on_cosine_share(self, e: Any) -> Any:
        if self.share is None:
            raise NoWorld(f"{latex(e)} has a value for the cosine schedule alone")
        return self.table(self.share, e.at)

    def on_snr(self, e: Any) -> Any:
        return self.table(self.alpha_bar / np.maximum(1 - self.alpha_bar, 1e-300), e.at)

    def on_half_log_snr(self, e: Any) -> Any:
        return np.log(self.on_snr(e)) / 2

    def on_beta_tilde(self, e: Any) -> Any:
        when = self.time(e.at)
        if not 1 <= when <= self.last + 1:
            raise NoWorld(f"there is no step {when}")
        var = self.posterior(when)[1]
        return self.column(np.where(np.abs(var) < 1e-12, 0.0, var))

    def on_weight(self, e: Any) -> Any:
        """How L_{t-1} grows with the error of the noise: with that of the mean, over 2 σ²."""
        when = self.time(e.at)
        gain, _ = self.posterior(when)
        bar, sigma = self.alpha_bar[:, when], self.sigma[:, when]
        moved = gain[:, 1] * np.sqrt((1 - bar) / bar)  # of the mean, for an error of 1
        return self.column(moved**2 / (2 * sigma**2))

    def on_data_variance(self, e: Any) -> Any:
        when = self.time(e.at)
        _, cov = self.law.moments(self.law.stacked([("x", when)]))
        return cov[:, :, 0, 0, 0].reshape((COUNT, self.components, 1) + (1,) * self.depth)

    def on_Continuous(self, e: Any) -> Any:
        at = self(e.args[0])
        base, size, speed = (self.column(one) for one in self.rate.T)
        if self.straight_rate is not None:
            variable, value = self.straight_rate
            return self.with_letter(variable, at)(value)
        return base + size * np.sin(speed * at) ** 2

    straight_rate: Any = None

    def on_Edge(self, e: Any) -> Any:
        """Edges of cells: from -∞ through random places to ∞."""
        at, last = self.time(e.at), self.letters[LEVELS]
        if at in (0, last):
            return float("-inf") if at == 0 else float("inf")
        return self.table(np.sort(self.theta, axis=1), e.at)

    def on_Weights(self, e: Any) -> Any:
        return self.table(self.theta, e.at)

    def on_Averaged(self, e: Any) -> Any:
        """The average after n steps, by doing them; it starts from the first weights."""
        keep = self.letters[sp.Symbol(r"\lambda", positive=True)]
        out = self.column(self.theta[:, 0])
        for at in range(1, self.time(e.at) + 1):
            out = keep * out + (1 - keep) * self.column(self.theta[:, at])
        return out

    # -- random quantities -------------------------------------------------------------------------

    def key(self, e: Any) -> Any:
        if isinstance(e, nt.x):
            return "jump" if e.at == nt.s else ("x", self.time(e.at))
        if isinstance(e, nt.eps_at):
            return "eps_at", self.time(e.at)
        return e

    def _point(self, e: Any) -> Any:
        key = self.key(e)
        if key not in self.point:
            raise NoWorld(f"{e} has no value in this world")
        return self.point[key]

    on_x = on_eps_at = on_NoiseLetter = on_RandomLetter = _point

    def _random(self, e: Any) -> set[Any]:
        """The random quantities in an expression that no mean in it runs over."""
        if isinstance(e, nt.E):
            return set().union(*(self._random(a) for a in e.args[1]))
        if isinstance(e, (nt.x, nt.eps_at, nt.NoiseLetter, nt.RandomLetter)):
            return {self.key(e)}
        if isinstance(e, nt.Over):
            return self._random(e.args[0]) - {self.key(e.args[1])}
        if isinstance(e, nt.Normal):
            return set().union(*(self._random(a) for a in e.args[:3]))
        return set().union(*(self._random(a) for a in e.args)) if e.args else set()

    def _values(self, keys: list[Any]) -> tuple[Array, tuple[int, ...]]:
        """The values (W, D, R, A) of quantities at all points, and the shape of R."""
        rest = (1,) * (self.depth + 1)
        if keys:
            stacked = np.stack(np.broadcast_arrays(*(self.point[key] for key in keys)), -1)
            rest = stacked.shape[2:-1]
            stacked = np.broadcast_to(stacked, (COUNT, self.components, *rest, len(keys)))
            return stacked.reshape(COUNT, self.components, -1, len(keys)), rest
        return np.zeros((COUNT, self.components, int(np.prod(rest)), 0)), rest

    def on_E(self, e: nt.E) -> Any:
        _of, given, over, _ = e.args
        subscript = over.name.strip()
        if subscript not in ("", "p") and (given or isinstance(e, nt.Var)):
            raise NoWorld(f"a mean over {subscript} has no condition here, and is no variance")
        if r"\sim" in subscript:
            return self._over_density(e, subscript)
        if subscript.startswith("t, "):
            return self._over_all(e, subscript)
        if subscript not in ("", "p"):
            raise NoWorld(f"no law is named {subscript}, over which {latex(e)} is a mean")
        if subscript == "p" and self.walk is None:
            raise NoWorld("the sampler's law is known for Gaussian data alone")
        law = self.walk if subscript == "p" and self.walk else self.law
        for one in given:
            if not isinstance(one, (nt.Vector, nt.Letter)):
                raise NoWorld(f"{one} is a condition that is no variable")
        known = list(dict.fromkeys(self.key(one) for one in given))
        return self._mean(e, law, known)

    def _mean(self, e: nt.E, law: Law, known: list[Any]) -> Any:
        of = e.args[0]
        if isinstance(of, nt.Norm2) and type(e) is nt.E:
            inner = self._mean(nt.E(of.args[0] ** 2), law, known)
            return np.broadcast_to(inner, self._wide(inner)).sum(1, keepdims=True)
        wanted = sorted(self._random(of) - set(known), key=str)
        if not wanted:
            value = self(of)
            return value if type(e) is nt.E else 0 * value
        values, rest = self._values(known)
        nodes, weights = law.given(wanted, known, values)
        shape = (COUNT, self.components, *rest, weights.shape[-1])
        more = {key: nodes[..., n].reshape(shape) for n, key in enumerate(wanted)}
        found, weights = self.deeper(more)(of), weights.reshape(shape)
        mean = (found * weights).sum(-1)
        if type(e) is nt.E:
            return mean
        return (found**2 * weights).sum(-1) - mean**2

    def _wide(self, value: Any) -> tuple[int, ...]:
        shape = list(np.shape(value)) or [1, 1, 1]
        shape[1] = self.components
        return tuple(shape)

    def _over_all(self, e: nt.E, subscript: str) -> Any:
        """The mean over a random t and over what else the subscript names; the rest is held."""
        named = [part.strip() for part in subscript.split(",")][1:]
        letters = {"x_0": ("x", 0), r"\epsilon": nt.eps}
        if any(one not in letters for one in named):
            raise NoWorld(f"a mean over {subscript} is not one over what is drawn here")
        held = [key for name, key in letters.items() if name not in named]
        total: Any = 0
        when = self.letters[nt.t]
        for at in range(1, self.last + 1):
            self.place(at)
            total = total + self._mean(e, self.law, held) / self.last
        self.place(when)
        return total

    def _over_density(self, e: nt.E, subscript: str) -> Any:
        """E_{x ~ q} and E_{x ~ N(a, b)}: the subscript is read as it is printed."""
        name, law = (part.strip() for part in subscript.split(r"\sim"))
        variable = self.names.get(name)
        if variable is None:
            raise NoWorld(f"{name} is no variable here")
        inner = self.deeper().with_letter(variable, LINE)
        if law in ("q", "p"):
            share = inner(nt.Density(law, [variable])) * STEP
        elif law.startswith(r"\mathcal N(") and law.count(",") == 1:
            ends = [part.strip() for part in law[len(r"\mathcal N(") : -1].split(",")]
            mean, var = (inner(self.names[part]) for part in ends)
            share = np.exp(-((LINE - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var) * STEP
        else:
            raise NoWorld(f"no law is named {law}")
        found = np.where(share > 1e-40, inner(e.args[0]), 0.0)
        return (found * share).sum(-1)

    # -- densities ---------------------------------------------------------------------------------

    def on_Normal(self, e: nt.Normal) -> Any:
        at, mean, var, _ = e.args
        if at == nt.ANY:
            raise NoWorld("a distribution without a variable has no value")
        at, mean, var = self(at), self(mean), self(var)
        return np.exp(-((at - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)

    def on_Density(self, e: nt.Density) -> Any:
        name, variables, given = e.args
        of, behind = list(variables), list(given)
        if name.name == "p" and any(isinstance(one, nt.Label) for one in [*of, *behind]):
            return self._labelled(of, behind)
        if name.name in ("q", "p") and len(of) == 1 and not behind and of[0].is_Symbol:
            return self._plain(name.name, of[0])
        if not all(isinstance(one, nt.x) for one in [*of, *behind]):
            raise NoWorld(f"{e} has no value in this world")
        if name.name == "p" and self.labels:
            return self._labelled(of, behind)
        if name.name == "p" and not behind and [self.key(a) for a in of] == [("x", self.last)]:
            at = self(of[0])
            return np.exp(-(at**2) / 2) / np.sqrt(2 * np.pi)
        if name.name == r"p_\theta":
            return self._model(of, behind)
        if name.name != "q":
            raise NoWorld(f"no law is named {name}")
        if (self.straight and behind == [nt.x(nt.t)]) or (self.straight and not behind):
            return self._improper(of, behind)
        return np.exp(self._log_q(of, behind))

    def _log_q(self, of: list[Any], behind: list[Any]) -> Array:
        known = {self.key(one) for one in behind}
        both = known | {self.key(one) for one in of}
        return self._joint(both) - self._joint(known) if known else self._joint(both)

    def _joint(self, keys: set[Any]) -> Array:
        ordered = sorted(keys, key=str)
        values, rest = self._values(ordered)
        found = self.law.log_density(ordered, values)
        return found.reshape(COUNT, self.components, *rest)

    def on_log(self, e: Any) -> Any:
        """Densities far out are too small for a number; their logarithms are not."""
        of = e.args[0]
        if isinstance(of, nt.Normal) and of.args[0] != nt.ANY:
            return _bell(*(self(a) for a in of.args[:3]))
        if isinstance(of, nt.Density) and of.args[0].name == "q" and not self.straight:
            states = [list(part) for part in of.args[1:]]
            if all(isinstance(one, nt.x) for one in [*states[0], *states[1]]):
                return self._log_q(*states)
        return super().on_log(e)

    def _improper(self, of: list[Any], behind: list[Any]) -> Any:
        """q(x_{t-1}) is a straight line in its logarithm, and Bayes' rule gives the step back."""
        one, value = self.straight
        if of != list(one.args[1]):
            raise NoWorld("where the logarithm of q is straight, only one state has a law")
        if not behind:
            return self(value)
        step = nt.q(behind[0], of[0])
        inner = self.deeper()
        inner.point = {
            **inner.point,
            self.key(of[0]): LINE * np.ones((COUNT, self.components, 1, 1)),
        }
        whole = (inner(step) * inner(value) * STEP).sum(-1)
        return self(step) * self(value) / whole

    def _labelled(self, of: list[Any], behind: list[Any]) -> Any:
        """p(x, c): three labels, each with a Gaussian of its own; c is the first of them."""
        shares = (
            self.shape_of_network[:, :LABELS] / self.shape_of_network[:, :LABELS].sum(1)[:, None]
        )

        def joint(entries: list[Any]) -> Any:
            if not entries:
                return 1.0
            known = any(isinstance(one, nt.Label) for one in entries)
            states = [one for one in entries if not isinstance(one, nt.Label)]
            total: Any = 0
            for n in range(1 if known else LABELS):
                part: Any = self.column(shares[:, n])
                for one in states:
                    size, mean = self.column(0.4 + shares[:, n]), self.column(self.theta[:, n])
                    part = (
                        part
                        * np.exp(-((self(one) - mean) ** 2) / (2 * size))
                        / np.sqrt(2 * np.pi * size)
                    )
                total = total + part
            return total

        return joint(list(dict.fromkeys([*of, *behind]))) / joint(behind)

    def _plain(self, name: str, variable: Any) -> Any:
        """q(x) and p(x) on a line: any two mixtures."""
        first = 0 if name == "q" else 4
        at, out = self(variable), 0.0
        for n, share in ((first, 0.35), (first + 1, 0.65)):
            mean, var = self.column(self.theta[:, n]), self.column(0.3 + self.theta[:, n + 2] ** 2)
            out = out + share * np.exp(-((at - mean) ** 2) / (2 * var)) / np.sqrt(2 * np.pi * var)
        return out

    def _model(self, of: list[Any], behind: list[Any]) -> Any:
        """p_θ(x_{t-1} | x_t), a Gaussian; at t = 1 its mass in a cell around x_0."""
        if len(of) != 1 or len(behind) != 1:
            raise NoWorld("of the model only its steps have a density here")
        end, start = self.time(of[0].at), self.time(behind[0].at)
        if start != end + 1:
            raise NoWorld("the model goes one step at a time")
        mean, size = self._step_mean(self(behind[0]), start), self.column(self.sigma[:, start])
        if end == 0:
            low, high = (
                self.letters[sp.Symbol(name, real=True)]
                for name in (r"\delta_-(x_0)", r"\delta_+(x_0)")
            )
            mass = scipy.special.ndtr((high - mean) / size) - scipy.special.ndtr(
                (low - mean) / size
            )
            return mass
        return np.exp(-((self(of[0]) - mean) ** 2) / (2 * size**2)) / np.sqrt(2 * np.pi * size**2)

    def on_Over(self, e: nt.Over) -> Any:
        of, by = e.args
        inner = self.deeper()
        inner.point = {
            **inner.point,
            self.key(by): LINE * np.ones((COUNT, self.components, 1) + (1,) * (self.depth + 1)),
        }
        return (inner(of) * STEP).sum(-1)

    def on_KL(self, e: nt.KL) -> Any:
        """∫ a log(a / b), summed over the components."""
        inner = self.deeper()
        tables, wide = [], False
        inner.point = dict(inner.point)
        grid = LINE * np.ones((COUNT, self.components, 1) + (1,) * (self.depth + 1))
        named = {
            self.key(law.args[1][0])
            for law in e.args
            if isinstance(law, nt.Density) and isinstance(law.args[1][0], nt.x)
        }
        named |= {
            self.key(law.args[0])
            for law in e.args
            if isinstance(law, nt.Normal) and isinstance(law.args[0], nt.x)
        }
        if len(named) > 1:
            raise NoWorld(f"{e} is between laws of different variables")
        inner.point |= dict.fromkeys(named, grid)
        for law in e.args:
            if isinstance(law, nt.Normal):
                _at, mean, var, identity = law.args
                wide = wide or bool(identity)
                tables.append(_bell(LINE, inner(mean), inner(var)))
            elif isinstance(law, nt.Density):
                wide = wide or isinstance(law.args[1][0], nt.x)
                plain = law.args[1][0]
                here = inner if isinstance(plain, nt.x) else inner.with_letter(plain, LINE)
                with np.errstate(divide="ignore"):
                    tables.append(np.log(here(law)))
            else:
                raise NoWorld(f"{law} is no law")
        one, two = tables
        share = np.exp(one)
        gap = np.where(share > 1e-40, one - np.where(np.isfinite(two), two, -1e3), 0.0)
        found = (share * gap * STEP).sum(-1)
        if not wide:
            return found
        return np.broadcast_to(found, self._wide(found)).sum(1, keepdims=True)

    def on_Gradient(self, e: nt.Gradient) -> Any:
        """The slope, by central differences of fourth order."""
        of, by = e.args
        key, step = self.key(by), 2e-3
        if key not in self.point:
            raise NoWorld(f"{by} is no variable of these worlds")

        def moved(size: float) -> Any:
            inner = self.copied()
            inner.point = {**self.point, key: self.point[key] + size}
            return inner(of)

        near, far = moved(step) - moved(-step), moved(2 * step) - moved(-2 * step)
        return (8 * near - far) / (12 * step)

    # -- networks and what is made of them ---------------------------------------------------------

    forced: Any = None  # a guess that stands for the network's answer

    def network(self, x_t: Any, when: int, label: Any = None) -> Any:
        if self.forced is not None:
            return self.forced + 0 * x_t
        a, b, c, told = (self.column(one) for one in self.shape_of_network.T)
        out = a * np.sin(b * x_t) + c * np.cos(0.7 * when)
        return out if label is None else out + told * np.cos(x_t)

    def on_eps_theta(self, e: Any) -> Any:
        state, time, *label = e.args
        return self.network(self(state), self.time(time), *label)

    def on_Guess(self, e: Any) -> Any:
        a, b, _c, told = (self.column(one) for one in self.shape_of_network.T)
        return told + b * np.cos(a * self(e.args[0]))

    def _clean(self, x_t: Any, when: int) -> Any:
        bar = self.alpha_bar[:, when]
        noise = self.network(x_t, when) * self.column(np.sqrt(1 - bar))
        return (x_t - noise) / self.column(np.sqrt(bar))

    def on_x0_hat(self, e: Any) -> Any:
        return self._clean(self(e.args[0]), self.time(e.args[1]))

    def _step_mean(self, x_t: Any, when: int) -> Any:
        gain, _ = self.posterior(when)
        return self.column(gain[:, 0]) * x_t + self.column(gain[:, 1]) * self._clean(x_t, when)

    def on_mu_theta(self, e: Any) -> Any:
        return self._step_mean(self(e.args[0]), self.time(e.args[1]))

    def on_Sigma_theta(self, e: Any) -> Any:
        return self.table(self.sigma**2, e.args[1])

    def on_mu_tilde(self, e: Any) -> Any:
        state, clean = e.args
        if not isinstance(state, nt.x):
            raise NoWorld(f"{e} has no time")
        gain, _ = self.posterior(self.time(state.at))
        return self.column(gain[:, 0]) * self(state) + self.column(gain[:, 1]) * self(clean)

    def named_simple(self) -> Any:
        """The mean squared error of the noise, over t and over all that is drawn."""
        total: Any = 0
        when = self.letters[nt.t]
        for at in range(1, self.last + 1):
            self.place(at)
            values, _rest = self._values([])
            drawn, weights = self.law.given([("x", 0), nt.eps], [], values)
            bar = self.alpha_bar[:, at].reshape(-1, 1, 1, 1)
            x_t = np.sqrt(bar) * drawn[..., 0] + np.sqrt(1 - bar) * drawn[..., 1]
            deep = self.deeper()
            error = (drawn[..., 1] - deep.network(x_t, at)) ** 2
            total = total + (error * weights).sum(-1).sum(1, keepdims=True) / self.last
        self.place(when)
        return total.reshape((COUNT, 1, -1) + (1,) * self.depth)

    def named_bits(self) -> Any:
        nats: Any = sum(self.on_Loss(nt.Loss(at)) for at in range(self.last + 1))
        return nats / self.components / np.log(2)

    # -- lengths and losses ------------------------------------------------------------------------

    def on_Norm2(self, e: Any) -> Any:
        value = np.asarray(self(e.args[0]))
        return np.sum(np.broadcast_to(value, self._wide(value)) ** 2, axis=1, keepdims=True)

    def on_Loss(self, e: Any) -> Any:
        at = self.time(e.at)
        if at == self.last:
            bar = self.column(self.alpha_bar[:, at])
            mean, var = np.sqrt(bar) * self.point["x", 0], 1 - bar
            return ((mean**2 + var - 1 - np.log(var)) / 2).sum(1, keepdims=True)
        if at == 0:
            return -np.log(self.on_Density(nt.p_theta(nt.x(0), nt.x(1)))).sum(1, keepdims=True)
        gain, var = self.posterior(at + 1)
        here = self.point["x", at + 1]
        true = self.column(gain[:, 0]) * here + self.column(gain[:, 1]) * self.point["x", 0]
        var, size = self.column(var), self.column(self.sigma[:, at + 1] ** 2)
        gap = true - self._step_mean(here, at + 1)
        return (((gap**2 + var) / size - 1 - np.log(var / size)) / 2).sum(1, keepdims=True)

    def on_Least(self, e: Any) -> Any:
        """The least mean over all guesses of x_t: for each x_t the lowest point of a parabola."""
        mean, name = e.args
        free = type(mean) is nt.E and not mean.args[1] and not mean.args[2].name.strip()
        asked = {tuple(one.args) for one in mean.atoms(nt.eps_theta)}
        if not free or asked != {(nt.x(nt.t), nt.t)} or name.name != r"\epsilon_\theta":
            raise NoWorld(f"{e} is no least mean over the network")
        law, here = self.law, ("x", self.letters[nt.t])
        values, rest = self._values([])
        nodes, weights = law.given([here], [], values)
        shape = (COUNT, self.components, *rest, weights.shape[-1])
        inner = self.deeper({here: nodes[..., 0].reshape(shape)})
        heights = []
        for guess in (-1.0, 0.0, 1.0):
            inner.forced, inner.known = guess, {}
            heights.append(inner._mean(nt.E(mean.args[0]), law, [here]))
        bend = (heights[0] + heights[2]) / 2 - heights[1]
        slope = (heights[2] - heights[0]) / 2
        if not (bend > 1e-9).all():
            raise NoWorld("the mean has no least value")
        return ((heights[1] - slope**2 / (4 * bend)) * weights.reshape(shape)).sum(-1)


def _bell(at: Any, mean: Any, var: Any) -> Any:
    return -((at - mean) ** 2) / (2 * var) - np.log(2 * np.pi * var) / 2


def _expressions(claim: Any) -> list[Any]:
    chains: list[Any] = [claim.lhs, *(step.expr for step in claim.steps)]
    if claim.base:
        chains += [claim.base.lhs, *(step.expr for step in claim.base.steps)]
    return chains


Value = Callable[[Any], Any]
