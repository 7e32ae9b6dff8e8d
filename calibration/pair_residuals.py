"""Local dependence in answers of any kind, routed ones too: pairs of items whose answers go together more than ability explains.

Q3 (Yen, 1984) is the correlation of two items' residuals over those who met both. At a point estimate of ability, which was made of the same answers, residuals
are correlated the other way even where the model holds: of a form of I items Q3 is about -1/(I - 1), which Christensen, Makransky & Horton (2017) take out as
the mean of all pairs. After a few routed answers it differs too much from pair to pair for that. So residuals are taken at all abilities, each as likely as the
person's posterior w_p says, and the mean is that of each pair:

    t_p = sum_q w_p(q) (x_pi - E_q X_i)(x_pj - E_q X_j)
    q3  = sum_p t_p / sqrt(sum_p v_pi  sum_p v_pj),    v_pi the same with i twice        z = sum_p t_p / sqrt(sum_p t_p^2)

t_p has expectation 0 where the model holds, whatever routed the people, as at any ability an answer does not depend on those before it (Rubin, 1976); its sum is
the score by which a Lagrange multiplier test sees a pair (Glas & Suarez-Falcon, 2003). The expected score of an item is all but a parabola over a person's
posterior, so that with e the residual from its posterior mean, and d and f its posterior covariances with the orthonormal polynomials of ability of degree 1
and 2 there,

    t_p = e_pi e_pj + d_pi d_pj + f_pi f_pj

(a straight line is enough after ten answers; after three or four, to steep items, the z of pairs far from each other would be many times too high)
which makes the sums over people products of sparse matrices of persons x items: time grows with the pairs of answers, memory with the pairs of items.

A pair is flagged where q3 is at least .2 (the bound of Christensen et al. for what exceeds the mean) and z is significant after Holm's (1979) correction over
all pairs of the competency. Only a positive q3 is: that of a testlet, a shared stimulus, an item that gives away another.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import ndtr

from calibration.curves import expected_scores
from calibration.expectation import Part, Sums
from calibration.holm import holm
from calibration.mml import MmlFit
from cat_engine.irt import Floats, Ints

LEAST_COMMON = 50  # people who met both: of fewer only a q3 above a half could be told from chance, and z is far from normal
LEAST_Q3 = 0.2
LEVEL = 0.01
MOST_ITEMS = 2000  # of a competency: four tables of items x items for each processor
MOST_PAIRS = 200_000_000  # of answers: above, every so-manieth person stands for all
LEAST_LENGTH = 1e-6  # of a parabola over a posterior: below, it is rounding
DENSITY_CYCLES, NEAR = 50, 0.01  # of means and log sds of ability
CROWDED = 8  # where one cell in so many is an answer, dense products are faster


@dataclass(frozen=True, slots=True)
class Pair:
    """Two items that n people met; q3, and p of one as high by chance, after Holm's correction."""

    item_id: str
    other: str
    n: int
    q3: float
    p: float
    flagged: bool


@dataclass(frozen=True, slots=True, eq=False)
class PairFindings:
    """Of the items `ids` of a competency: n[I, I] people who met both; q3 and p of the pairs that were tested, NaN elsewhere; which are flagged; every: one of so many
    people was asked, 0 where nobody was, as the items are more than MOST_ITEMS.
    """

    competency: str
    ids: tuple[str, ...]
    n: Ints
    q3: Floats
    p: Floats
    flagged: NDArray[np.bool_]
    every: int = 1

    @property
    def tested(self) -> int:
        """How many pairs."""
        return int(np.isfinite(self.q3).sum()) // 2

    def flagged_pairs(self) -> list[Pair]:
        """The highest q3 first."""
        places = np.argwhere(np.triu(self.flagged)).tolist()
        return sorted((self._pair(i, j) for i, j in places), key=lambda pair: -pair.q3)

    def partners(self) -> dict[str, tuple[str, ...]]:
        """Of each item with a flag, the items that it is flagged with, the highest q3 first."""
        found: dict[str, tuple[str, ...]] = {}
        for pair in self.flagged_pairs():
            for one, other in ((pair.item_id, pair.other), (pair.other, pair.item_id)):
                found[one] = (*found.get(one, ()), other)
        return found

    def highest(self) -> dict[str, Pair]:
        """Of each item that was tested with any: the pair of its highest q3, a flagged one before others; its other is that item's partner."""
        height = np.where(np.isnan(self.q3), -np.inf, self.q3 + 2.0 * self.flagged)
        nearest = height.argmax(axis=1).tolist() if len(self.ids) else []
        return {name: self._pair(i, j) for i, (name, j) in enumerate(zip(self.ids, nearest, strict=True)) if height[i, j] > -np.inf}

    def _pair(self, i: int, j: int) -> Pair:
        return Pair(self.ids[i], self.ids[j], int(self.n[i, j]), float(self.q3[i, j]), float(self.p[i, j]), bool(self.flagged[i, j]))


def pair_findings(fit: MmlFit, ids: Sequence[str], competency: str = "") -> PairFindings:
    """Of every pair of the items of `fit`, named ids[I], that at least LEAST_COMMON people met; of none where there are more than MOST_ITEMS items."""
    if len(ids) > MOST_ITEMS:
        nothing: Floats = np.zeros((0, 0))
        return PairFindings(competency, (), nothing.astype(np.int64), nothing, nothing, nothing > 0, 0)
    n_answers, n_persons = int(fit.counts.sum()), fit.design.n_persons
    every = -(-n_answers * (n_answers // n_persons) // MOST_PAIRS)
    n, q3, z = _tables(fit, every)
    tested = (n >= LEAST_COMMON) & np.isfinite(q3) & np.isfinite(z)
    np.fill_diagonal(tested, val=False)
    p = np.full(q3.shape, np.nan)
    above = np.triu(tested)
    p[above] = holm(ndtr(-z[above]))
    p = np.fmax(p, p.T)
    with np.errstate(invalid="ignore"):
        flagged = tested & (p < LEVEL) & (q3 >= LEAST_Q3)
    return PairFindings(competency, tuple(ids), n, np.where(tested, q3, np.nan), p, flagged, every)


def _tables(fit: MmlFit, every: int) -> tuple[Ints, Floats, Floats]:
    """n, q3 and z, [I, I] each, of every so-manieth person."""
    score = expected_scores(fit.params, fit.nodes)  # [Q, I]
    sums = fit.design.held.total(_pair_sums, _table_of(fit), fit.nodes, score, fit.design.n_cat, every)
    n, total, spread, square = np.stack(sums).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.rint(n).astype(np.int64), total / np.sqrt(spread * spread.T), total / np.sqrt(square)


def _table_of(fit: MmlFit) -> Floats:
    """The table of the fit's columns. Where items were fixed and ability taken as N(0, 1) all the same, or updated once (mml.FIPC), its means and sds are
    estimated first: by those of other people, all pairs would go together.
    """
    state = fit.state
    if state.histogram is None and not state.free.any() and any(not shape.free.any(axis=1).all() for shape in state.shapes):
        state = replace(state, latent=state.latent.copy(), free=np.ones_like(state.free))
        for _ in range(DENSITY_CYCLES):
            before = state.latent.copy()
            state.maximise_latent(fit.design.expect(state.table(fit.design, fit.nodes))[1], fit.design, fit.nodes)
            if np.abs(state.latent - before).max() < NEAR:
                break
    return state.table(fit.design, fit.nodes)


def _pair_sums(part: Part, table: Floats, nodes: Floats, score: Floats, n_cat: int, every: int) -> Sums:
    """Over the people of a part, [I, I] each: how many met both items, and the sums of t, of v of the first item, and of t^2."""
    n_items, at = score.shape[1], 0
    sums = np.zeros((4, n_items, n_items))
    whole = part.matrix(np.float32)
    if every > 1:
        whole = whole[::every]
        part = Part(whole.indptr, whole.indices, whole.shape[1])
    for _, w, _ in part.posteriors(table):
        answers = whole[at : at + len(w)].tocoo()
        at += len(w)
        person, item, category = answers.row, answers.col // n_cat, answers.col % n_cat
        given = item < n_items  # the column behind the items is the person's group
        person, item, category = person[given], item[given], category[given]
        place = person.astype(np.int64) * n_items + item
        e = category - (w @ score).take(place)
        covariances = [(own @ score).take(place) / length.take(person) for own, length in _polynomials(w, nodes)]
        starts = np.concatenate([[0], np.cumsum(np.bincount(person, minlength=len(w)))])
        met, *parts = (_table(values, item, starts, n_items) for values in (np.ones(len(e)), e, *covariances))
        sums += _products(met, parts)
    return tuple(sums)


def _polynomials(w: NDArray[np.floating], nodes: Floats) -> Iterator[tuple[Floats, Floats]]:
    """The orthogonal polynomials of degree 1 and 2 of the posteriors w[P, Q], times these, and their lengths, [P]: that of a second one is infinite where all
    lies on two nodes.
    """
    away = nodes - (w @ nodes)[:, None]
    weighted, square = w * away, away * away
    variance, third = (np.einsum("pq,pq->p", weighted, power) for power in (away, square))
    yield weighted, np.sqrt(variance)
    square -= variance[:, None]
    square -= (third / variance)[:, None] * away
    curved = w * square
    length = np.sqrt(np.einsum("pq,pq->p", curved, square))
    yield curved, np.where(length > LEAST_LENGTH, length, np.inf)


def _table(values: Floats, item: Ints, starts: Ints, n_items: int) -> Any:
    """Persons x items, the answers of a person from starts[p] on: dense where it is crowded. Operators of both kinds mean the same."""
    table = sparse.csr_array((values, item, starts), shape=(len(starts) - 1, n_items))
    return table if CROWDED * len(values) < table.shape[0] * n_items else table.toarray()


def _products(met: Any, parts: Sequence[Any]) -> Floats:
    """The four sums of a block, [4, I, I]; parts: the tables whose products of two columns make up t."""
    total = sum(own.T @ own for own in parts)
    spread = sum(own * own for own in parts).T @ met
    mixed = [(one * other, 1 if one is other else 2) for k, one in enumerate(parts) for other in parts[k:]]
    square = sum(times * (own.T @ own) for own, times in mixed)
    found = met.T @ met, total, spread, square
    return np.stack([table.toarray() if sparse.issparse(table) else table for table in found])
