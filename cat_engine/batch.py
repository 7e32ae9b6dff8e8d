"""The working memory of N sessions on one pool: posteriors, abilities, information, what was used.

One session of a live test is a batch of one, rebuilt from its state at every question; the simulator keeps a batch of many and feeds it answers.
Either way every number comes from the same element-wise arithmetic in the same order of answers, so that both see the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.ability import eap
from cat_engine.families import Floats, Ints
from cat_engine.irt import information_at
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool


@dataclass(slots=True, eq=False)
class Batch:
    """N sessions, I items, S competencies, Q nodes: logpost[N, S, Q]; theta, se and count (answers) [N, S]; used[N, I]; info[N, I], the
    information of each item at the theta of its own competency. The arrays are written in place and belong to one caller.
    """

    pool: Pool
    logpost: Floats
    theta: Floats
    se: Floats
    count: Ints
    used: NDArray[np.bool_]
    info: Floats

    @classmethod
    def begin(cls, plan: TestPlan, pool: Pool, n: int) -> "Batch":
        """n sessions before their first answer."""
        prior = np.tile(prior_logpost(plan, pool), (len(pool.competencies), 1))
        return cls._of(
            pool, np.repeat(prior[None], n, axis=0), np.zeros((n, len(pool.competencies)), dtype=int), np.zeros((n, len(pool)), dtype=bool)
        )

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
        return cls._of(pool, logpost[None], count[None], used)

    @classmethod
    def _of(cls, pool: Pool, logpost: Floats, count: Ints, used: NDArray[np.bool_]) -> "Batch":
        theta, se = eap(logpost, pool.nodes)
        return cls(pool, logpost, theta, se, count, used, information_at(pool.params, theta[:, pool.params.scale]))

    def answer(self, rows: Ints, item: Ints, category: Ints) -> None:
        """Session rows[m] answered item[m] in category[m]. A session stands at most once in `rows`."""
        scale = self.pool.params.scale[item]
        self.logpost[rows, scale] += self.pool.log_table[item, category]
        self.theta[rows, scale], self.se[rows, scale] = eap(self.logpost[rows, scale], self.pool.nodes)
        self.count[rows, scale] += 1
        self.used[rows, item] = True
        for s in np.unique(scale).tolist():
            at, params = self.pool.scales[s]
            mine = rows[scale == s]
            self.info[np.ix_(mine, at)] = information_at(params, self.theta[mine, s][:, None])


def prior_logpost(plan: TestPlan, pool: Pool) -> Floats:
    """Log-posterior of one competency before any answer, [Q]: the prior's log-density plus the logarithm of the grid's weights."""
    return plan.prior.log_density(pool.nodes) + pool.grid.log_weights()
