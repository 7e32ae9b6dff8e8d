"""Marginal maximum likelihood by EM (Bock & Aitkin, 1981) on sparse responses: one competency at a time.

    E-step   posteriors of ability and expected counts: expectation.py
    M-step   one guarded Fisher-scoring step of sum_kq r_kq log P_k(theta_q) + log prior, all items of one shape at once (Lange, 1995, shows that
             one step is enough); mean and sd of ability in each group from its expected counts
    speed    SQUAREM extrapolation (Varadhan & Roland, 2008), taken back where the objective falls; a first run on every second node in single
             precision, which only supplies starting values to the run that counts

The likelihood of what was administered does not depend on why it was (Rubin, 1976), so routed data need no correction here, unlike in any method
that starts from proportions correct. Fixed items keep their parameters and let mean and sd of ability float: fixed parameter calibration with
weights and items updated in every cycle (MWU-MEM, Kim, 2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calibration.curves import bounds, curves, legal, pack, unpack
from calibration.expectation import LEAST_LOG, Design
from calibration.priors import FLAT, Priors
from cat_engine import Grid, Row
from cat_engine.irt import Floats, Ints

__all__ = ["FLAT", "MmlFit", "MmlOptions", "Priors", "fit_mml"]

ROUGH_TOLERANCE = 2e-3
ROUGH_CYCLES = 200
SMALLEST_SD = 0.05
LEAST_MASS = 1e-12  # of a histogram at a node
LONGEST_LEAP = 30.0
HALVINGS = 12
FIXED_SLOPE = ("pcm",)
DENSITIES = ("normal", "histogram")


@dataclass(frozen=True, slots=True)
class MmlOptions:
    """How to run.

    tolerance: stop when an EM step changes no parameter by more. rating_scale: pcm items of one number of categories share their step distances
    (Andrich, 1978). density: ability is normal in each group, or has the shape of the expected counts ("histogram", Bock & Aitkin, 1981, standardised in
    the first group unless items are fixed).
    """

    priors: Priors = field(default_factory=Priors)
    grid: Grid = field(default_factory=Grid)
    tolerance: float = 1e-4
    max_cycles: int = 2000
    rating_scale: bool = False
    density: str = "normal"


@dataclass(frozen=True, slots=True, eq=False)
class MmlFit:
    """The estimate: rows (one an item), latent mean[G] and sd[G], and how it went.

    loglik is without the priors. counts[I, K] answers; expected[I, K, Q] posterior-weighted counts; nodes[Q] and weights[G, Q] the latent densities;
    n_free the number of parameters estimated.
    """

    rows: tuple[Row, ...]
    means: Floats
    sds: Floats
    loglik: float
    n_cycles: int
    converged: bool
    n_free: int
    counts: Ints
    expected: Floats
    nodes: Floats
    weights: Floats
    state: "State"
    design: Design

    @property
    def mean(self) -> float:
        """Mean ability of the first group."""
        return float(self.means[0])

    @property
    def sd(self) -> float:
        """Standard deviation of ability in the first group."""
        return float(self.sds[0])

    @property
    def aic(self) -> float:
        """-2 log L + 2 n_free (Akaike, 1974)."""
        return -2 * self.loglik + 2 * self.n_free

    @property
    def bic(self) -> float:
        """-2 log L + n_free log P (Schwarz, 1978)."""
        return float(-2 * self.loglik + self.n_free * np.log(self.design.n_persons))


@dataclass(slots=True, eq=False)
class Shape:
    """Items of one model and number of categories: working parameters x[n, m], which of them are free, and their ties.

    ties[n, m, p], where there are any, maps p structural parameters to changes of x: x = x0 + ties @ xi.
    """

    model: str
    n_cat: int
    index: Ints
    x: Floats
    free: NDArray[np.bool_]
    ties: Floats | None = None

    def maximise(self, r: Floats, nodes: Floats, priors: Priors) -> None:
        """One Fisher-scoring step on expected counts r[n, K, Q], halved until no item's objective is lower than before."""
        log_p, score = curves(self.model, self.x, nodes)
        n, m = self.x.shape
        value, gradient, curvature = priors.terms(self.model, self.x)
        value = value + (r * log_p).sum(axis=(1, 2))
        gradient += (score.reshape(n, m, -1) @ r.reshape(n, -1, 1))[:, :, 0]
        root = np.sqrt(r.sum(axis=1, keepdims=True) * np.exp(log_p))
        half = (score * root[:, None]).reshape(n, m, -1)
        information = half @ half.transpose(0, 2, 1)
        information[:, np.arange(m), np.arange(m)] += curvature + 1e-8
        step = self._solve(information, gradient)
        together = self.ties is not None  # tied items stand or fall together
        todo = np.ones(n, dtype=bool)
        low, high = bounds(self.model, self.n_cat)
        for _ in range(HALVINGS):
            trial = np.where(todo[:, None], np.clip(self.x + step, low, high), self.x)
            after = self._objective(trial, r, nodes, priors)
            better = np.full(n, after.sum() >= value.sum()) if together else after >= value
            self.x[todo & better] = trial[todo & better]
            todo &= ~better
            if not todo.any():
                return
            step /= 2

    def _solve(self, information: Floats, gradient: Floats) -> Floats:
        if self.ties is not None:
            left = np.einsum("nmp,nml,nlk->pk", self.ties, information, self.ties, optimize=True)
            xi = np.linalg.solve(left, np.einsum("nmp,nm->p", self.ties, gradient))
            step = self.ties @ xi
            return np.asarray(step / max(1.0, float(np.abs(step).max(initial=0.0))))
        m = self.x.shape[1]
        left = np.where(self.free[:, :, None] & self.free[:, None, :], information, 0.0)
        left[:, np.arange(m), np.arange(m)] += ~self.free
        move = np.linalg.solve(left, (gradient * self.free)[:, :, None])[:, :, 0]
        return np.asarray(move / np.maximum(1.0, np.abs(move).max(axis=1, keepdims=True)))

    def _objective(self, x: Floats, r: Floats, nodes: Floats, priors: Priors) -> Floats:
        possible = legal(self.model, x)
        safe = np.where(possible[:, None], x, self.x)
        value = (r * curves(self.model, safe, nodes)[0]).sum(axis=(1, 2)) + priors.terms(self.model, safe)[0]
        return np.where(possible, value, -np.inf)


@dataclass(slots=True, eq=False)
class State:
    """All that is estimated: the shapes, and per group mean, log sd (latent[G, 2], free[G, 2]) and, for a histogram, its weights [G, Q]."""

    shapes: list[Shape]
    latent: Floats
    free: NDArray[np.bool_]
    histogram: Floats | None = None

    @property
    def n_free(self) -> int:
        """Number of parameters estimated (a histogram's weights are not counted)."""
        return sum(int(s.free.sum()) if s.ties is None else s.ties.shape[2] for s in self.shapes) + int(self.free.sum())

    def vector(self) -> Floats:
        """All parameters as one vector."""
        histogram = np.zeros(0) if self.histogram is None else self.histogram.ravel()
        return np.concatenate([*(shape.x.ravel() for shape in self.shapes), self.latent.ravel(), histogram])

    def load(self, vector: Floats) -> None:
        """The inverse of vector(), within bounds."""
        at = 0
        for shape in self.shapes:
            x = vector[at : at + shape.x.size].reshape(shape.x.shape)
            x = np.clip(x, *bounds(shape.model, shape.n_cat))
            shape.x = np.where((shape.free | (shape.ties is not None)) & legal(shape.model, x)[:, None], x, shape.x)
            at += shape.x.size
        self.latent = vector[at : at + self.latent.size].reshape(self.latent.shape).copy()
        if self.histogram is not None:
            mass = np.maximum(vector[at + self.latent.size :].reshape(self.histogram.shape), LEAST_MASS)
            self.histogram = mass / mass.sum(axis=1, keepdims=True)

    def densities(self, nodes: Floats) -> Floats:
        """Latent density of each group on the nodes, summing to one, [G, Q]."""
        if self.histogram is not None:
            return self.histogram
        z = (nodes - self.latent[:, :1]) / np.exp(self.latent[:, 1:])
        g = np.exp(-0.5 * z**2)
        return np.asarray(g / g.sum(axis=1, keepdims=True))

    def table(self, design: Design, nodes: Floats) -> Floats:
        """Log-probabilities by column of the design and node, [I K + G, Q]; 0 in columns that no answer can have."""
        items = np.zeros((design.n_items, design.n_cat, len(nodes)))
        for shape in self.shapes:
            items[shape.index, : shape.n_cat] = curves(shape.model, shape.x, nodes)[0]
        with np.errstate(divide="ignore"):
            groups = np.log(self.densities(nodes))
        return np.asarray(np.maximum(np.concatenate([items.reshape(-1, len(nodes)), groups]), LEAST_LOG))

    def maximise(self, expected: Floats, design: Design, nodes: Floats, priors: Priors) -> None:
        """The M-step, from expected counts [I K + G, Q]."""
        items = expected[: design.n_items * design.n_cat].reshape(design.n_items, design.n_cat, -1)
        for shape in self.shapes:
            if shape.free.any():
                shape.maximise(items[shape.index, : shape.n_cat], nodes, priors)
        mass = expected[design.n_items * design.n_cat :]
        mass = mass / mass.sum(axis=1, keepdims=True)
        means = np.where(self.free[:, 0], mass @ nodes, self.latent[:, 0])
        spread = np.sqrt((mass * (nodes - means[:, None]) ** 2).sum(axis=1))
        log_sds = np.where(self.free[:, 1], np.log(np.maximum(spread, SMALLEST_SD)), self.latent[:, 1])
        self.latent = np.stack([means, log_sds], axis=1)
        if self.histogram is not None:
            self.histogram = mass

    def standardise(self, nodes: Floats) -> Floats:
        """Put mean and sd of a histogram's first group at 0 and 1, keeping every probability; the nodes on the new scale."""
        density = self.densities(nodes)[0]
        mean = float(density @ nodes)
        sd = float(np.sqrt(density @ (nodes - mean) ** 2))
        if any(shape.model in FIXED_SLOPE for shape in self.shapes):
            sd = 1.0  # the slopes carry the unit
        for shape in self.shapes:
            shape.x[:, 0] += np.log(sd)
            shape.x[:, 1 : shape.n_cat] = (shape.x[:, 1 : shape.n_cat] - mean) / sd
        return np.asarray((nodes - mean) / sd)

    def log_prior(self, priors: Priors) -> float:
        """Log prior of the free items."""
        return sum(float(priors.terms(s.model, s.x)[0][s.free.any(axis=1)].sum()) for s in self.shapes)


def _shapes(rows: Sequence[Row], fixed: NDArray[np.bool_], rating_scale: bool) -> list[Shape]:
    shapes = []
    for model, n_cat in sorted({(row.model, len(row.b) + 1) for row in rows}):
        index = np.array([i for i, row in enumerate(rows) if (row.model, len(row.b) + 1) == (model, n_cat)])
        x = np.array([pack(rows[i]) for i in index])
        free = np.broadcast_to(~fixed[index, None], x.shape).copy()
        free[:, 0] &= model not in FIXED_SLOPE
        shape = Shape(model, n_cat, index, x, free)
        if model == "1pl" and free.any():
            _share_slope(shape)
        if rating_scale and model == "pcm" and free.any():
            _share_steps(shape)
        shapes.append(shape)
    return shapes


def _share_slope(shape: Shape) -> None:
    own = np.flatnonzero(shape.free[:, 0])
    shape.x[own, 0] = shape.x[own, 0].mean()
    shape.ties = np.zeros((*shape.x.shape, 1 + len(own)))
    shape.ties[own, 0, 0] = 1
    shape.ties[own, 1, 1 + np.arange(len(own))] = 1


def _share_steps(shape: Shape) -> None:
    """b_iv = location_i + distance_v, the distances summing to zero."""
    own = np.flatnonzero(shape.free[:, 1])
    n_distances = shape.n_cat - 2
    b = shape.x[own, 1:]
    shape.x[own, 1:] = b.mean(axis=1, keepdims=True) + b.mean(axis=0) - b.mean()
    shape.ties = np.zeros((*shape.x.shape, len(own) + n_distances))
    shape.ties[own, 1:, np.arange(len(own))] = 1
    for v in range(n_distances):
        shape.ties[own, 1 + v, len(own) + v] = 1
        shape.ties[own, -1, len(own) + v] = -1


def fit_mml(
    person: Ints,
    item: Ints,
    category: Ints,
    rows: Sequence[Row],
    options: MmlOptions | None = None,
    fixed: NDArray[np.bool_] | None = None,
    group: Ints | None = None,
) -> MmlFit:
    """Calibrate one competency. person[R], item[R], category[R] from 0; `rows` are starting values (and the models); `fixed`[I] items stay.

    group[P] numbers each person's group from 0. Ability is N(0, 1) in the first group and normal with free mean and sd in the others; the first
    group's sd is free too where slopes are given (pcm), and its mean and sd are where items are fixed. 1pl items share a slope. Raises ValueError where
    the columns do not fit each other.
    """
    options = options or MmlOptions()
    if options.density not in DENSITIES:
        msg = f"density '{options.density}' is not one of {', '.join(DENSITIES)}"
        raise ValueError(msg)
    held = np.zeros(len(rows), dtype=bool) if fixed is None else fixed
    if not len(person) or not len(person) == len(item) == len(category) or int(item.max()) >= len(rows) or len(held) != len(rows):
        msg = f"{len(person)} persons, {len(item)} items and {len(category)} categories of answers to {len(rows)} items do not fit"
        raise ValueError(msg)
    groups = np.zeros(int(person.max()) + 1, dtype=int) if group is None else group
    design = Design.of(person, item, category, groups, len(rows), max(len(row.b) for row in rows) + 1)
    free = np.ones((design.n_groups, 2), dtype=bool)
    free[0] = held.any(), held.any() or any(row.model in FIXED_SLOPE for row in rows)
    state = State(_shapes(rows, held, options.rating_scale), np.zeros((design.n_groups, 2)), free)
    nodes = options.grid.nodes()
    rough, _ = _climb(state, design.astype(np.float32), nodes[::2], options.priors, max(options.tolerance, ROUGH_TOLERANCE), ROUGH_CYCLES)
    if options.density == "histogram":
        state.histogram = state.densities(nodes)
        state.free[:] = False
    cycles, converged = _climb(state, design, nodes, options.priors, options.tolerance, options.max_cycles)
    if state.histogram is not None and not held.any():
        nodes = state.standardise(nodes)
    loglik, expected = design.expect(state.table(design, nodes))
    out = list(rows)
    for shape in state.shapes:
        for k, i in enumerate(shape.index):
            if shape.free[k].any():
                out[i] = unpack(shape.model, shape.x[k], rows[i].scale)
    items = expected[: design.n_items * design.n_cat].reshape(design.n_items, design.n_cat, -1)
    weights = state.densities(nodes)
    means = weights @ nodes
    sds = np.sqrt((weights * (nodes - means[:, None]) ** 2).sum(axis=1))
    if state.histogram is None:
        means, sds = state.latent[:, 0].copy(), np.exp(state.latent[:, 1])
    return MmlFit(
        tuple(out), means, sds, loglik, rough + cycles, converged, state.n_free, design.counts(), items, nodes, weights, state, design
    )  # fmt: skip


def _climb(state: State, design: Design, nodes: Floats, priors: Priors, tolerance: float, max_cycles: int) -> tuple[int, bool]:
    """EM with SQUAREM from `state`, in place, until a step is below the tolerance: (cycles, whether it was reached)."""
    path = [state.vector()]
    leap: tuple[float, Floats] | None = None  # what the objective must reach after an extrapolation, and where to go back to
    for cycle in range(1, max_cycles + 1):
        loglik, expected = design.expect(state.table(design, nodes))
        objective = loglik + state.log_prior(priors)
        if leap is not None and not objective >= leap[0]:
            state.load(leap[1])
            path, leap = [leap[1]], None
            continue
        state.maximise(expected, design, nodes, priors)
        now = state.vector()
        if np.max(np.abs(now - path[-1])) < tolerance:
            return cycle, True
        path.append(now)
        if len(path) == 3:
            first, bend = path[1] - path[0], path[2] - 2 * path[1] + path[0]
            length = min(max(1.0, float(np.linalg.norm(first) / max(float(np.linalg.norm(bend)), 1e-300))), LONGEST_LEAP)
            leap = (objective, now)
            state.load(path[0] + 2 * length * first + length**2 * bend)
            path = [state.vector()]
    if leap is not None:
        state.load(leap[1])  # nobody has yet seen whether the leap was good
    return max_cycles, False
