"""What a calibration estimates, and its M-step: items by shape with their ties, and the latent densities of the groups."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calibration.curves import FORMS, bounds, legal, pack, standardised
from calibration.expectation import LEAST_LOG, Design
from calibration.priors import Priors
from cat_engine import Row
from cat_engine.irt import Floats, Ints

SMALLEST_SD = 0.2  # of a latent density: the distance of the nodes, between which a narrower one falls
LEAST_MASS = 1e-12  # of a histogram at a node
HALVINGS = 12
FIXED_SLOPE = ("pcm", "rsm")
COMMON_STEPS = ("mgrm", "rsm")


@dataclass(slots=True, eq=False)
class Curves:
    """log P[n, K, Q] of items x[n, m] on nodes, how their scores are made, and the log prior[n] of whoever asked for it."""

    x: Floats
    nodes: Floats
    log_p: Floats
    scores: Callable[[], Floats]
    prior: tuple[Priors, Floats] | None = None


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
    _latest: Curves | None = field(default=None, repr=False)

    def curves(self, x: Floats, nodes: Floats) -> Curves:
        """The curves of x[n, m]; the latest are kept, as a cycle of EM asks for those of the same parameters up to three times."""
        known = self._latest
        if known is None or known.nodes is not nodes or not np.array_equal(known.x, x):
            log_p, scores = FORMS[self.model](x, nodes)
            self._latest = known = Curves(x.copy(), nodes, log_p(), scores)
        return known

    def log_prior(self, x: Floats, priors: Priors) -> Floats:
        """Log prior of x[n, m], [n]; kept with the curves of the same x."""
        known = self._latest
        if known is None or not np.array_equal(known.x, x):
            return priors.log_density(self.model, x)
        if known.prior is None or known.prior[0] is not priors:
            known.prior = priors, priors.log_density(self.model, x)
        return known.prior[1]

    def maximise(self, r: Floats, nodes: Floats, priors: Priors) -> None:
        """One Fisher-scoring step on expected counts r[n, K, Q], halved until no item's objective is lower than before."""
        here = self.curves(self.x, nodes)
        log_p, score = here.log_p, here.scores()
        n, m = self.x.shape
        value = self.log_prior(self.x, priors) + (r * log_p).sum(axis=(1, 2))
        gradient, curvature = priors.slopes(self.model, self.x)
        gradient += (score.reshape(n, m, -1) @ r.reshape(n, -1, 1))[:, :, 0]
        root = np.sqrt(r.sum(axis=1, keepdims=True) * np.exp(log_p))
        half = (score * root[:, None]).reshape(n, m, -1)
        information = half @ half.transpose(0, 2, 1)
        information[:, np.arange(m), np.arange(m)] += curvature + 1e-8
        low, high = bounds(self.model, self.n_cat)
        stuck = np.where(gradient < 0, self.x <= low, (self.x >= high) & (gradient > 0))  # the others' step must not count on these
        step = self._solve(information, gradient, self.free & ~stuck)
        together = self.ties is not None  # tied items stand or fall together
        todo = np.ones(n, dtype=bool)
        for _ in range(HALVINGS):
            trial = np.where(todo[:, None], np.clip(self.x + step, low, high), self.x)
            after = self._objective(trial, r, nodes, priors)
            better = np.full(n, after.sum() >= value.sum()) if together else after >= value
            self.x[todo & better] = trial[todo & better]
            todo &= ~better
            if not todo.any():
                return
            step /= 2

    def _solve(self, information: Floats, gradient: Floats, free: NDArray[np.bool_]) -> Floats:
        if self.ties is not None:
            left = np.einsum("nmp,nml,nlk->pk", self.ties, information, self.ties, optimize=True)
            xi = np.linalg.solve(left, np.einsum("nmp,nm->p", self.ties, gradient))
            step = self.ties @ xi
            return np.asarray(step / max(1.0, float(np.abs(step).max(initial=0.0))))
        if not free.all():
            m = self.x.shape[1]
            information = np.where(free[:, :, None] & free[:, None, :], information, 0.0)
            information[:, np.arange(m), np.arange(m)] += ~free
            gradient = gradient * free
        move = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        return np.asarray(move / np.maximum(1.0, np.abs(move).max(axis=1, keepdims=True)))

    def _objective(self, x: Floats, r: Floats, nodes: Floats, priors: Priors) -> Floats:
        possible = legal(self.model, x)
        safe = np.where(possible[:, None], x, self.x)
        value = (r * self.curves(safe, nodes).log_p).sum(axis=(1, 2)) + self.log_prior(safe, priors)
        return np.where(possible, value, -np.inf)


@dataclass(slots=True, eq=False)
class State:
    """All that is estimated: the shapes, and per group mean, log sd (latent[G, 2], free[G, 2]) and, for a histogram, its weights [G, Q].

    standard: the histogram of the first group is kept at mean 0 and sd 1.
    """

    shapes: list[Shape]
    latent: Floats
    free: NDArray[np.bool_]
    histogram: Floats | None = None
    standard: bool = False

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
            items[shape.index, : shape.n_cat] = shape.curves(shape.x, nodes).log_p
        with np.errstate(divide="ignore"):
            groups = np.log(self.densities(nodes))
        return np.asarray(np.maximum(np.concatenate([items.reshape(-1, len(nodes)), groups]), LEAST_LOG))

    def maximise(self, expected: Floats, design: Design, nodes: Floats, priors: Priors) -> Floats:
        """The M-step, from expected counts [I K + G, Q]; the nodes, which move where the scale is standardised."""
        self.maximise_items(expected, design, nodes, priors)
        self.maximise_latent(expected, design, nodes)
        return self.standardised(nodes) if self.standard else nodes

    def maximise_items(self, expected: Floats, design: Design, nodes: Floats, priors: Priors) -> None:
        """One step of every item."""
        items = expected[: design.n_items * design.n_cat].reshape(design.n_items, design.n_cat, -1)
        for shape in self.shapes:
            if shape.free.any():
                shape.maximise(items[shape.index, : shape.n_cat], nodes, priors)

    def maximise_latent(self, expected: Floats, design: Design, nodes: Floats) -> None:
        """Mean, sd and histogram of every group."""
        mass = expected[design.n_items * design.n_cat :]
        mass = mass / mass.sum(axis=1, keepdims=True)
        means = np.where(self.free[:, 0], mass @ nodes, self.latent[:, 0])
        spread = np.sqrt((mass * (nodes - means[:, None]) ** 2).sum(axis=1))
        log_sds = np.where(self.free[:, 1], np.log(np.maximum(spread, SMALLEST_SD)), self.latent[:, 1])
        self.latent = np.stack([means, log_sds], axis=1)
        if self.histogram is not None:
            self.histogram = mass

    def standardised(self, nodes: Floats) -> Floats:
        """Put mean and sd of a histogram's first group at 0 and 1, keeping every probability; the nodes on the new scale."""
        density = self.densities(nodes)[0]
        mean = float(density @ nodes)
        sd = float(np.sqrt(density @ (nodes - mean) ** 2))
        if any(shape.model in FIXED_SLOPE for shape in self.shapes):
            sd = 1.0  # the slopes carry the unit
        for shape in self.shapes:
            shape.x = standardised(shape.model, shape.x, shape.n_cat, mean, sd)
        return np.asarray((nodes - mean) / sd)

    def log_prior(self, priors: Priors) -> float:
        """Log prior of the free items."""
        return sum(float(s.log_prior(s.x, priors)[s.free.any(axis=1)].sum()) for s in self.shapes)


def shapes_of(rows: Sequence[Row], fixed: NDArray[np.bool_]) -> list[Shape]:
    """The items by shape, free but for those fixed; 1pl items share a slope, rsm and mgrm items of one number of categories their step distances."""
    shapes = []
    for model, n_cat in sorted({(row.model, len(row.b) + 1) for row in rows}):
        index = np.array([i for i, row in enumerate(rows) if (row.model, len(row.b) + 1) == (model, n_cat)])
        x = np.array([pack(rows[i]) for i in index])
        free = np.broadcast_to(~fixed[index, None], x.shape).copy()
        free[:, 0] &= model not in FIXED_SLOPE
        shape = Shape(model, n_cat, index, x, free)
        if model == "1pl" and free.any():
            _share_slope(shape)
        if model in COMMON_STEPS and free.any():
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
    """b_iv = location_i + distance_v, the distances summing to zero; slopes, where they are free, are each item's own."""
    own = np.flatnonzero(shape.free[:, 1])
    sloped = np.flatnonzero(shape.free[:, 0])
    n_distances = shape.n_cat - 2
    b = shape.x[own, 1:]
    shape.x[own, 1:] = b.mean(axis=1, keepdims=True) + b.mean(axis=0) - b.mean()
    shape.ties = np.zeros((*shape.x.shape, len(own) + n_distances + len(sloped)))
    shape.ties[own, 1:, np.arange(len(own))] = 1
    shape.ties[sloped, 0, len(own) + n_distances + np.arange(len(sloped))] = 1
    for v in range(n_distances):
        shape.ties[own, 1 + v, len(own) + v] = 1
        shape.ties[own, -1, len(own) + v] = -1
