"""The working memory of N sessions on one pool: answers, posteriors, abilities, information, what was used.

One session of a live test is a batch of one, rebuilt from its state at every question; the simulator keeps a batch of many and feeds it answers.
Either way every number comes from the same element-wise arithmetic in the same order of answers, so that both see the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.ability import eap, weights
from cat_engine.estimators import Estimator, ExpectedAPosteriori, Given
from cat_engine.families import Floats, Ints
from cat_engine.irt import information_at
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool


@dataclass(slots=True, eq=False)
class Batch:
    """N sessions, I items, S competencies, Q nodes: items[N, L] and categories[N, L], the answers in order; logpost[N, S, Q]; theta, se and
    count (answers) [N, S]; used[N, I]; info[N, I], the information of each item at the theta of its own competency. theta and se are the
    plan's interim estimates; last[N, S] see `previous`. The arrays are written in place and belong to one caller.
    """

    plan: TestPlan
    pool: Pool
    items: Ints
    categories: Ints
    logpost: Floats
    theta: Floats
    se: Floats
    count: Ints
    used: NDArray[np.bool_]
    info: Floats
    last: Floats | None = None

    @classmethod
    def begin(cls, plan: TestPlan, pool: Pool, n: int) -> "Batch":
        """n sessions before their first answer."""
        prior = np.tile(prior_logpost(plan, pool), (len(pool.competencies), 1))
        room, count = np.zeros((n, capacity(plan, pool)), dtype=int), np.zeros((n, len(pool.competencies)), dtype=int)
        made = cls._of(plan, pool, room, room.copy(), np.repeat(prior[None], n, axis=0), count, np.zeros((n, len(pool)), dtype=bool))
        made.last = np.full(count.shape, np.nan)
        return made

    @classmethod
    def replay(cls, plan: TestPlan, pool: Pool, items: Sequence[int], categories: Sequence[int], seen: Sequence[int] = ()) -> "Batch":
        """One session after its answers. `seen`: items that were shown and not scored."""
        given, answers = np.array(items, dtype=int), np.array(categories, dtype=int)
        scales = pool.params.scale[given]
        logpost = np.tile(prior_logpost(plan, pool), (len(pool.competencies), 1))
        for scale, terms in zip(scales.tolist(), pool.log_table[given, answers], strict=True):
            logpost[scale] += terms
        count = np.bincount(scales, minlength=len(pool.competencies))
        used = np.zeros((1, len(pool)), dtype=bool)
        used[0, [*items, *seen]] = True
        return cls._of(plan, pool, given[None], answers[None], logpost[None], count[None], used)

    @classmethod
    def _of(
        cls, plan: TestPlan, pool: Pool, items: Ints, categories: Ints, logpost: Floats, count: Ints, used: NDArray[np.bool_]
    ) -> "Batch":
        empty = np.zeros(0)
        made = cls(plan, pool, items, categories, logpost, empty, empty, count, used, empty)
        made.theta, made.se = made.estimates(plan.interim)
        made.info = information_at(pool.params, made.theta[:, pool.params.scale])
        return made

    def answer(self, rows: Ints, item: Ints, category: Ints) -> None:
        """Session rows[m] answered item[m] in category[m]. A session stands at most once in `rows`."""
        scale = self.pool.params.scale[item]
        position = self.count[rows].sum(axis=1)
        if self.last is not None:
            self.last[rows, scale] = self.theta[rows, scale]
        self.items[rows, position], self.categories[rows, position] = item, category
        self.logpost[rows, scale] += self.pool.log_table[item, category]
        self.count[rows, scale] += 1
        self.used[rows, item] = True
        for s in np.unique(scale).tolist():
            at, params = self.pool.scales[s]
            mine = rows[scale == s]
            self.theta[mine, s], self.se[mine, s] = self._estimate(self.plan.interim, mine, s)
            self.info[np.ix_(mine, at)] = information_at(params, self.theta[mine, s][:, None])

    def estimates(self, method: Estimator) -> tuple[Floats, Floats]:
        """theta and se of every session and competency by one estimator, [N, S] each."""
        if self._plain(method):
            return eap(self.logpost, self.pool.nodes)
        rows = np.arange(len(self.logpost))
        found = [self._estimate(method, rows, s) for s in range(len(self.pool.competencies))]
        shape = (len(rows), len(found))
        return np.stack([theta for theta, _ in found], axis=1).reshape(shape), np.stack([se for _, se in found], axis=1).reshape(shape)

    def previous(self) -> Floats:
        """Interim theta before the last answer on each competency, [N, S]; NaN before the first. A replayed session works it out when asked."""
        if self.last is None:
            items, categories = self.items[0].tolist(), self.categories[0].tolist()
            scales = self.pool.params.scale[self.items[0]]
            self.last = np.full(self.count.shape, np.nan)
            for s in np.unique(scales).tolist():
                before = int(np.flatnonzero(scales == s)[-1])
                self.last[0, s] = Batch.replay(self.plan, self.pool, items[:before], categories[:before]).theta[0, s]
        return self.last

    def final(self) -> tuple[Floats, Floats]:
        """theta and se by the plan's final estimator, [N, S] each."""
        return (self.theta, self.se) if self.plan.final in (None, self.plan.interim) else self.estimates(self.plan.final)

    def given(self, rows: Ints, scale: int) -> Given:
        """The answers of sessions `rows` on one competency."""
        items, n = self.items[rows], self.count[rows].sum(axis=1)
        row, place = np.nonzero((np.arange(items.shape[1]) < n[:, None]) & (self.pool.params.scale[items] == scale))
        return Given(self.pool, self.plan.prior, self.log_posterior(rows, scale), row, items[row, place], self.categories[rows[row], place])

    def log_posterior(self, rows: Ints, scale: int) -> Floats:
        """Log-posterior of sessions `rows` on one competency, [M, Q], with the part of the prior that depends on the items given."""
        logpost: Floats = self.logpost[rows, scale]
        if self.plan.prior.informed:
            items, n = self.items[rows], self.count[rows].sum(axis=1)
            row, place = np.nonzero((np.arange(items.shape[1]) < n[:, None]) & (self.pool.params.scale[items] == scale))
            info = np.zeros(logpost.shape)
            np.add.at(info, row, self.pool.info_table[items[row, place]])
            logpost = logpost + np.where(self.count[rows, scale, None] > 0, 0.5 * np.log(np.maximum(info, 1e-300)), 0.0)
        return logpost

    def posterior(self) -> Floats:
        """Posterior mass on the pool's grid, [N, S, Q]."""
        rows = np.arange(len(self.logpost))
        return np.stack([weights(self.log_posterior(rows, s)) for s in range(len(self.pool.competencies))], axis=1)

    def _plain(self, method: Estimator) -> bool:
        return isinstance(method, ExpectedAPosteriori) and not self.plan.prior.informed

    def _estimate(self, method: Estimator, rows: Ints, scale: int) -> tuple[Floats, Floats]:
        if self._plain(method):
            return eap(self.logpost[rows, scale], self.pool.nodes)
        return method.estimate(self.given(rows, scale))


def prior_logpost(plan: TestPlan, pool: Pool) -> Floats:
    """Log-posterior of one competency before any answer, [Q]: the prior's log-density plus the logarithm of the grid's weights."""
    return plan.prior.log_density(pool.nodes) + pool.grid.log_weights()


def capacity(plan: TestPlan, pool: Pool) -> int:
    """The most items that anyone can be given."""
    return min(len(pool), sum(len(section.competencies) * section.max_items for section in plan.sections))
