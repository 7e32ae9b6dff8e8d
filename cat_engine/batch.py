"""The working memory of N sessions on one pool: answers, posteriors, abilities, information, what was used.

One session of a live test is a batch of one, rebuilt from its state at every question; the simulator keeps a batch of many and feeds it answers.
Either way every number comes from the same element-wise arithmetic in the same order of answers, so that both see the same bits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest

import numpy as np
from numpy.typing import NDArray

from cat_engine.ability import mean_and_sd, weights
from cat_engine.estimators import Estimator, ExpectedAPosteriori, Given
from cat_engine.families import Floats, Ints
from cat_engine.irt import information_at
from cat_engine.joint import Answers, diagonal, posterior_mode, starting_point
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool

AT_ONCE = 500  # people scored together
NOTHING = np.zeros(0)


@dataclass(slots=True, eq=False)
class Batch:
    """N sessions, I items, S competencies, Q nodes: items[N, L] and categories[N, L], the answers in order; logpost[N, S, Q]; theta, se and
    count (answers) [N, S]; free[N, I], the operational items that were not given; no competency of any session has more answers than `most`. theta
    and se are the plan's interim estimates; last[N, S] see `previous`; own_mean, own_sd [N, S] and sigma[N, S, S], the mean and sd of each competency's
    own posterior and the covariance of a joint one, where the plan has that; known[N, I], information as far as it was asked for, and fresh[N, S], where
    it still holds; times[N, L], seconds taken on the answers, where known. The arrays are written in place and belong to one caller.
    """

    plan: TestPlan
    pool: Pool
    items: Ints
    categories: Ints
    logpost: Floats
    theta: Floats
    se: Floats
    count: Ints
    free: NDArray[np.bool_]
    most: int
    own_mean: Floats
    own_sd: Floats
    last: Floats | None = None
    sigma: Floats | None = None
    known: Floats | None = None
    fresh: NDArray[np.bool_] | None = None
    times: Floats | None = None

    @classmethod
    def begin(cls, plan: TestPlan, pool: Pool, n: int) -> "Batch":
        """n sessions before their first answer."""
        prior = np.tile(pool.prior_logpost(plan.prior), (len(pool.competencies), 1))
        room, count = np.zeros((n, capacity(plan, pool)), dtype=int), np.zeros((n, len(pool.competencies)), dtype=int)
        made = cls._of(plan, pool, room, room.copy(), np.repeat(prior[None], n, axis=0), count, np.tile(pool.operational, (n, 1)), 0)
        made.last = np.full(count.shape, np.nan)
        return made

    @classmethod
    def replay(cls, plan: TestPlan, pool: Pool, items: Sequence[int], categories: Sequence[int], seen: Sequence[int] = ()) -> "Batch":
        """One session after its answers. `seen`: items that were shown and not scored. Raises IndexError for an item or a category that the pool does
        not have.
        """
        table, place = pool.log_rows(plan.prior), pool.row_of
        rows = [place[item][category] for item, category in zip(items, categories, strict=True)]
        scales, counts, prior = len(pool.competencies), [len(rows)], len(table) - 1
        if (
            scales > 1
        ):  # the priors, the first answers on each competency, the second, ...: [L S]; the row of nothing where there are no more
            of_scale = [[prior] for _ in range(scales)]
            for item, row in zip(items, rows, strict=True):
                of_scale[pool.scale_of[item]].append(row)
            rows, counts = list(chain.from_iterable(zip_longest(*of_scale, fillvalue=prior - 1))), [len(own) - 1 for own in of_scale]
        else:
            rows.insert(0, prior)
        added = table.take(rows, 0).reshape(1, -1, scales, table.shape[1])
        logpost = np.add.reduce(added, axis=1)  # one answer after the other, as `answer` adds them
        given, free = np.array(items, dtype=int), pool.operational.copy()
        free[given] = False
        if seen:
            free[list(seen)] = False
        answers = np.array(categories, dtype=int)
        return cls._of(plan, pool, given[None], answers[None], logpost, np.array([counts]), free[None], max(counts))

    @classmethod
    def _of(
        cls, plan: TestPlan, pool: Pool, items: Ints, categories: Ints, logpost: Floats, count: Ints, free: NDArray[np.bool_], most: int
    ) -> "Batch":
        made = cls(plan, pool, items, categories, logpost, NOTHING, NOTHING, count, free, most, NOTHING, NOTHING)
        if plan.joint is None:
            made.theta, made.se = made.estimates(plan.interim)
        else:
            made.own_mean, made.own_sd = mean_and_sd(logpost, pool.powers)
            made.theta, made.se, made.sigma = made.together(np.arange(len(logpost)))
        return made

    @classmethod
    def of_answers(cls, plan: TestPlan, pool: Pool, answers: Ints) -> "Batch":
        """Sessions that gave answers[N, I] (a category, -1 = never) in the order of the items: what `replay` gives of each."""
        used = answers >= 0
        row, item = used.nonzero()
        n = used.sum(axis=1)
        place = row, np.arange(len(row)) - (n.cumsum() - n)[row]
        items, categories = np.zeros((2, len(answers), int(n.max(initial=0))), dtype=int)
        items[place], categories[place] = item, answers[row, item]
        count = np.zeros((len(answers), len(pool.competencies)), dtype=int)
        np.add.at(count, (row, pool.params.scale[item]), 1)
        logpost, free = _log_posteriors(plan, pool, items, categories, n), pool.operational & ~used
        return cls._of(plan, pool, items, categories, logpost, count, free, int(count.max(initial=0)))

    def under(self, plan: TestPlan) -> "Batch":
        """The same answers under another plan's prior and estimators."""
        logpost = _log_posteriors(plan, self.pool, self.items, self.categories, self.count.sum(axis=1))
        return Batch._of(plan, self.pool, self.items, self.categories, logpost, self.count, self.free, self.most)

    def free_for(self, rows: Ints) -> NDArray[np.bool_]:
        """The free items of sessions `rows`[M], ascending, [M, I]: a view where they are all."""
        return self.free if len(rows) == len(self.free) else self.free[rows]

    def abilities(self, rows: Ints) -> tuple[Floats, Floats]:
        """Their interim theta and se, [M, S] each: views where they are all."""
        return (self.theta, self.se) if len(rows) == len(self.theta) else (self.theta[rows], self.se[rows])

    @property
    def info(self) -> Floats:
        """The information of each item at the theta of its own competency, [N, I]."""
        return self.information(np.arange(len(self.logpost)))

    def information(self, rows: Ints) -> Floats:
        """The same for sessions `rows`, [M, I]; worked out for the competencies that have moved since it was last asked for."""
        if self.known is None or self.fresh is None:
            self.known, self.fresh = np.empty(self.free.shape), np.zeros(self.count.shape, dtype=bool)
        old = ~self.fresh[rows]
        if old.all():
            self.known[rows] = information_at(self.pool.params, self.theta[rows][:, self.pool.params.scale])
        else:
            for s in np.flatnonzero(old.any(axis=0)).tolist():
                (at, params), stale = self.pool.scales[s], rows[old[:, s]]
                self.known[np.ix_(stale, at)] = information_at(params, self.theta[stale, s][:, None])
        self.fresh[rows] = True
        return self.known[rows]

    def position(self, rows: Ints) -> Ints:
        """How many answers sessions `rows` have given, [M]."""
        count = self.count[rows]
        return count[:, 0] if count.shape[1] == 1 else count.sum(axis=1)

    def answer(self, rows: Ints, item: Ints, category: Ints) -> tuple[Floats, Floats]:
        """Session rows[m] answered item[m] in category[m]; its theta and se of the item's competency after that, [M] each. `rows` ascend."""
        scale, position = self.pool.params.scale[item], self.position(rows)
        own, place = cells(rows, scale, self.theta.shape), cells(rows, position, self.items.shape)
        if self.last is not None:
            self.last[own] = self.theta[own]
        self.items[place], self.categories[place] = item, category
        self.logpost[own] += self.pool.log_table[item, category]
        self.count[own] += 1
        self.free[rows, item] = False
        self.most += 1
        if self.fresh is not None:
            self.fresh[own] = False
        if self.sigma is not None:  # every competency hears of every answer
            self.own_mean[own], self.own_sd[own] = mean_and_sd(self.logpost[own], self.pool.powers)
            self.theta[rows], self.se[rows], self.sigma[rows] = self.together(rows)
            if self.fresh is not None:
                self.fresh[rows] = False
        elif self._plain(self.plan.interim):
            self.theta[own], self.se[own] = mean_and_sd(self.logpost[own], self.pool.powers)
        else:
            for s in np.unique(scale).tolist():
                mine = rows[scale == s]
                self.theta[mine, s], self.se[mine, s] = self._estimate(self.plan.interim, mine, s)
        return self.theta[own], self.se[own]

    def together(self, rows: Ints) -> tuple[Floats, Floats, Floats]:
        """Mode[M, S], se[M, S] and covariance[M, S, S] of sessions `rows` in the plan's joint posterior.

        Always from a starting point that follows from the answers alone, so that a replayed session gets the same bits.
        """
        mean, sd = self.plan.prior.start
        precision = self.plan.prior_precision(self.pool.competencies)
        start = starting_point(self.own_mean[rows], self.own_sd[rows], mean, sd, precision)
        theta, sigma = posterior_mode(self.pool, self._answers(rows), start, mean, precision)
        return theta, np.sqrt(diagonal(sigma)), sigma

    def _answers(self, rows: Ints) -> Answers:
        if len(self.items) == 1:
            n = int(self.count.sum())
            return Answers(np.zeros(n, dtype=int), self.items[0, :n], self.categories[0, :n])
        items, n_of = self.items[rows], self.position(rows)
        row, place = np.nonzero(np.arange(items.shape[1]) < n_of[:, None])
        return Answers(row, items[row, place], self.categories[rows[row], place])

    def covariance(self) -> Floats:
        """Posterior covariance of the competencies, [N, S, S]; diagonal where they are taken one by one."""
        if self.sigma is not None:
            return self.sigma
        out = np.zeros((*self.se.shape, self.se.shape[1]))
        diagonal = np.arange(self.se.shape[1])
        out[:, diagonal, diagonal] = self.se**2
        return out

    def estimates(self, method: Estimator) -> tuple[Floats, Floats]:
        """theta and se of every session and competency by one estimator, [N, S] each."""
        if self._plain(method):
            return mean_and_sd(self.logpost, self.pool.powers)
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
        """theta and se by the plan's final estimator, [N, S] each; of a joint posterior its mode."""
        return (
            (self.theta, self.se)
            if self.plan.joint is not None or self.plan.final in (None, self.plan.interim)
            else self.estimates(self.plan.final)
        )

    def alone(self) -> tuple[Floats, Floats]:
        """theta and se of each competency from its own answers only, by the plan's final estimator, [N, S] each."""
        return self.final() if self.plan.joint is None else self.estimates(self.plan.final or self.plan.interim)

    def given(self, rows: Ints, scale: int) -> Given:
        """The answers of sessions `rows` on one competency."""
        items, n = self.items[rows], self.position(rows)
        row, place = np.nonzero((np.arange(items.shape[1]) < n[:, None]) & (self.pool.params.scale[items] == scale))
        return Given(self.pool, self.plan.prior, self.log_posterior(rows, scale), row, items[row, place], self.categories[rows[row], place])

    def log_posterior(self, rows: Ints, scale: int) -> Floats:
        """Log-posterior of sessions `rows` on one competency, [M, Q], with the part of the prior that depends on the items given."""
        logpost: Floats = self.logpost[rows, scale]
        if self.plan.prior.informed:
            items, n = self.items[rows], self.position(rows)
            row, place = np.nonzero((np.arange(items.shape[1]) < n[:, None]) & (self.pool.params.scale[items] == scale))
            info = np.zeros(logpost.shape)
            np.add.at(info, row, self.pool.info_table[items[row, place]])
            logpost = logpost + np.where(self.count[rows, scale, None] > 0, 0.5 * np.log(np.maximum(info, 1e-300)), 0.0)
        return logpost

    def posterior(self) -> Floats:
        """Posterior mass on the pool's grid, [N, S, Q]; of a joint posterior the normal margins."""
        if self.sigma is not None:
            z = (self.pool.nodes - self.theta[..., None]) / self.se[..., None]
            return weights(-0.5 * z**2 + self.pool.grid.log_weights())
        rows = np.arange(len(self.logpost))
        return np.stack([weights(self.log_posterior(rows, s)) for s in range(len(self.pool.competencies))], axis=1)

    def _plain(self, method: Estimator) -> bool:
        return isinstance(method, ExpectedAPosteriori) and not self.plan.prior.informed

    def _estimate(self, method: Estimator, rows: Ints, scale: int) -> tuple[Floats, Floats]:
        if self._plain(method):
            return mean_and_sd(self.logpost[rows, scale], self.pool.powers)
        return method.estimate(self.given(rows, scale))


def scored(plan: TestPlan, pool: Pool, answers: Ints) -> Iterator[Batch]:
    """`Batch.of_answers` of answers[N, I], so many at a time that their posteriors take little memory."""
    return (Batch.of_answers(plan, pool, answers[at : at + AT_ONCE]) for at in range(0, len(answers), AT_ONCE))


def _log_posteriors(plan: TestPlan, pool: Pool, items: Ints, categories: Ints, n: Ints) -> Floats:
    """[N, S, Q], of sessions that gave n[N] answers items[N, L], categories[N, L]: one after the other, as everywhere."""
    prior = np.tile(pool.prior_logpost(plan.prior), (len(pool.competencies), 1))
    logpost = np.repeat(prior[None], len(items), axis=0)
    for position in range(int(n.max(initial=0))):
        rows = np.flatnonzero(n > position)
        item = items[rows, position]
        logpost[rows, pool.params.scale[item]] += pool.log_table[item, categories[rows, position]]
    return logpost


def cells(rows: Ints, column: Ints, shape: tuple[int, ...]) -> tuple[Ints | slice, Ints | int]:
    """The index of the cells (rows[m], column[m]) of arrays of `shape` [N, L]; rows ascend. A whole column is a slice, which is many times quicker."""
    if len(rows) == shape[0] and (shape[1] == 1 or (column == column[0]).all()):
        return slice(None), int(column[0])
    return rows, column


def capacity(plan: TestPlan, pool: Pool) -> int:
    """The most items that anyone can be given."""
    return min(len(pool), sum(len(section.competencies) * section.max_items for section in plan.sections))
