"""Fit of a whole model from the means and products of item scores: M2, and the indices that are made of it.

A table of all response patterns is far too sparse for a chi-square; its first two moments are not. Notation: X_i the score of item i, kappa the
moments E X_i and E X_i X_j (i < j), e their gap between sample and model, Xi the covariance matrix of their estimates, Delta = d kappa / d parameters.

    M2 = P e' [Xi^-1 - Xi^-1 Delta (Delta' Xi^-1 Delta)^-1 Delta' Xi^-1] e,    chi-square with |kappa| - |parameters| degrees of freedom

(Maydeu-Olivares & Joe, 2006; for more than two categories the collapsed M2* of Cai & Hansen, 2013). RMSEA_2 by Maydeu-Olivares & Joe (2014) with its
90 % interval; SRMSR, the root mean square gap of correlations; TLI and CFI against items that have nothing in common.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg
from scipy.special import chdtr, chdtrc, chndtr

from calibration.complete import require_complete
from calibration.curves import curves
from calibration.state import FIXED_SLOPE, State, shapes_of
from cat_engine import Fault, Faulty, Row
from cat_engine.irt import Floats, Ints
from cat_engine.roots import root_between

MOST_ITEMS = 80  # of whose 3,240 moments a covariance matrix takes 84 MB
INTERVAL = 0.90


@dataclass(frozen=True, slots=True)
class ModelFit:
    """M2 with df and p; RMSEA_2 and its 90 % interval; SRMSR; TLI and CFI. NaN where no degrees of freedom are left, but SRMSR is always told."""

    m2: float
    df: int
    p: float
    rmsea: float
    rmsea_low: float
    rmsea_high: float
    srmsr: float
    tli: float
    cfi: float


def state_at(rows: Sequence[Row], mean: float = 0.0, sd: float = 1.0, known: NDArray[np.bool_] | None = None) -> State:
    """What a calibration of `rows` would have estimated, at its end: all but the `known`[I] items, and the sd of ability where slopes are given."""
    held = np.zeros(len(rows), dtype=bool) if known is None else known
    free = np.array([[held.any(), held.any() or any(row.model in FIXED_SLOPE for row in rows)]])
    if held.all():
        free[:] = False
    return State(shapes_of(rows, held), np.array([[mean, np.log(sd)]]), free)


def model_fit(scores: Ints, state: State, nodes: Floats) -> ModelFit:
    """M2 and its kin of complete answers scores[P, I] of one group to the items of `state`, with ability on nodes[Q].

    Raises Faulty for incomplete answers, fewer than three items, more than MOST_ITEMS, and items that everybody answered alike.
    """
    _check(scores)
    n_persons, n_items = scores.shape
    p, slopes = _model(state, n_items, nodes)
    weights = state.densities(nodes)[0]
    one, other = np.triu_indices(n_items, 1)
    sample = np.concatenate([scores.mean(axis=0), (scores.T @ scores / n_persons)[one, other]])
    mine, df = _Moments.of(p, weights), len(sample) - state.n_free
    m2 = n_persons * _distance(sample - mine.expected, mine.covariance(), slopes)

    proportions = np.stack([(scores == k).mean(axis=0) for k in range(p.shape[1])], axis=1)[:, :, None]
    alone = _Moments.of(proportions, np.ones(1))
    df_alone = len(sample) - n_items  # these moments know nothing of categories but the means
    m2_alone = n_persons * _distance(sample - alone.expected, alone.covariance(), alone.by_means())
    srmsr = float(np.sqrt(np.mean((np.asarray(np.corrcoef(scores.T))[one, other] - mine.correlations()) ** 2)))
    if df <= 0:
        nothing = np.nan
        return ModelFit(m2, df, nothing, nothing, nothing, nothing, srmsr, nothing, nothing)
    rmsea = float(np.sqrt(max(m2 - df, 0.0) / (df * (n_persons - 1))))
    low, high = (float(np.sqrt(_noncentrality(m2, df, tail) / (df * n_persons))) for tail in ((1 + INTERVAL) / 2, (1 - INTERVAL) / 2))
    tli = (m2_alone / df_alone - m2 / df) / (m2_alone / df_alone - 1)
    worst = max(m2_alone - df_alone, m2 - df, 0.0)
    cfi = 1 - max(m2 - df, 0.0) / worst if worst else 1.0
    return ModelFit(m2, df, float(chdtrc(df, m2)), rmsea, low, high, srmsr, tli, cfi)


def _check(scores: Ints) -> None:
    require_complete(scores, "M2")
    faults = []
    if not 3 <= scores.shape[1] <= MOST_ITEMS:
        faults.append(Fault("answers", "", f"{scores.shape[1]} items", f"M2 takes 3 to {MOST_ITEMS}"))
    faults += [Fault("answers", f"item {i + 1}", "was answered alike by everybody") for i in np.flatnonzero(np.ptp(scores, axis=0) == 0)]
    if faults:
        raise Faulty(faults)


def _model(state: State, n_items: int, nodes: Floats) -> tuple[Floats, Floats]:
    """Probabilities p[I, K, Q], and Delta[moments, free parameters]."""
    n_cat = max(shape.n_cat for shape in state.shapes)
    p = np.zeros((n_items, n_cat, len(nodes)))
    k = np.arange(n_cat)[:, None]
    rises = []
    for shape in state.shapes:
        log_p, score = curves(shape.model, shape.x, nodes)
        p[shape.index, : shape.n_cat] = np.exp(log_p)
        rises.append((np.exp(log_p)[:, None] * score * k[: shape.n_cat]).sum(axis=2))  # d E(X | theta) / dx, [n, m, Q]
    mean, weights = (p * k).sum(axis=1), state.densities(nodes)[0]
    one, other = np.triu_indices(n_items, 1)
    columns = []
    for shape, rise in zip(state.shapes, rises, strict=True):
        by_item = np.zeros((n_items + len(one), *rise.shape[:2]))
        for own, i in enumerate(shape.index):
            by_item[i, own] = rise[own] @ weights
            pairs = np.flatnonzero((one == i) | (other == i))
            by_item[n_items + pairs, own] = (mean[np.where(one[pairs] == i, other[pairs], one[pairs])] * weights) @ rise[own].T
        columns.append(by_item[:, shape.free] if shape.ties is None else np.tensordot(by_item, shape.ties, axes=((1, 2), (0, 1))))
    z = (nodes - state.latent[0, 0]) / np.exp(state.latent[0, 1])
    kept = np.concatenate([mean, mean[one] * mean[other]])
    for free, score_of_density in zip(state.free[0], (z / np.exp(state.latent[0, 1]), z**2), strict=True):
        if free:
            columns.append((kept @ (weights * (score_of_density - weights @ score_of_density)))[:, None])
    return p, np.concatenate(columns, axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class _Moments:
    """mean[I, Q] and square[I, Q] of item scores given ability, which has weights[Q]."""

    mean: Floats
    square: Floats
    weights: Floats

    @classmethod
    def of(cls, p: Floats, weights: Floats) -> "_Moments":
        k = np.arange(p.shape[1])[:, None]
        return cls((p * k).sum(axis=1), (p * k**2).sum(axis=1), weights)

    @property
    def given(self) -> Floats:
        """E X_i and E X_i X_j given ability, [moments, Q]."""
        one, other = np.triu_indices(len(self.mean), 1)
        return np.concatenate([self.mean, self.mean[one] * self.mean[other]])

    @property
    def expected(self) -> Floats:
        """The moments, [moments]."""
        return np.asarray(self.given @ self.weights)

    def correlations(self) -> Floats:
        """Of pairs of items, i < j."""
        one, other = np.triu_indices(len(self.mean), 1)
        mean = self.mean @ self.weights
        variance = self.square @ self.weights - mean**2
        return np.asarray((self.expected[len(mean) :] - mean[one] * mean[other]) / np.sqrt(variance[one] * variance[other]))

    def by_means(self) -> Floats:
        """How the moments of items without anything in common move with the means, [moments, I]."""
        one, other = np.triu_indices(len(self.mean), 1)
        pairs, mean = np.arange(len(one)), self.mean @ self.weights
        out = np.zeros((len(one), len(mean)))
        out[pairs, one], out[pairs, other] = mean[other], mean[one]
        return np.concatenate([np.eye(len(mean)), out])

    def covariance(self) -> Floats:
        """Xi: of the moments of one person. Scores are independent given ability, so only moments that share an item need more than means."""
        given, n_items = self.given, len(self.mean)
        one, other = np.triu_indices(n_items, 1)
        out = (given * self.weights) @ given.T
        for i in range(n_items):
            own = np.concatenate([[i], n_items + np.flatnonzero((one == i) | (other == i))])
            rest = np.concatenate([np.ones((1, len(self.weights))), np.delete(self.mean, i, axis=0)])
            out[np.ix_(own, own)] = (rest * self.weights * self.square[i]) @ rest.T
        pair = n_items + np.arange(len(one))
        out[pair, pair] = (self.square[one] * self.square[other]) @ self.weights
        return np.asarray(out - np.outer(self.expected, self.expected))


def _distance(gap: Floats, covariance: Floats, slopes: Floats) -> float:
    """e' [Xi^-1 - Xi^-1 Delta (Delta' Xi^-1 Delta)^-1 Delta' Xi^-1] e: what is left of e, in units of Xi, when the slopes have explained their part."""
    root = linalg.cholesky(covariance, lower=True)
    left = linalg.solve_triangular(root, np.column_stack([gap, slopes]), lower=True)
    scaled = left[:, 1:] / np.maximum(np.linalg.norm(left[:, 1:], axis=0), 1e-300)
    rest = left[:, 0] - scaled @ np.linalg.lstsq(scaled, left[:, 0], rcond=1e-10)[0]
    return float(rest @ rest)


def _noncentrality(x: float, df: int, tail: float) -> float:
    """lambda for which x cuts off `tail` above, of a chi-square with df; 0 where even a central one does not reach it."""
    if chdtr(df, x) <= tail:
        return 0.0
    return float(root_between(lambda excess, _: chndtr(x, df, excess) - tail, np.zeros(1), np.array([10 * x + 100]))[0])
