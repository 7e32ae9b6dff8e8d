"""What a selection rule is and what it may look at.

A rule is a frozen dataclass registered by name; its fields are its options in the plan. It scores every item for every session; the engine gives
the best eligible one. A rule sees a `Moment`, never the test.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Floats, Ints
from cat_engine.irt import ItemParams, log_probabilities_at
from cat_engine.pool import Pool
from cat_engine.randomness import Draws
from cat_engine.registry import Registry

if TYPE_CHECKING:
    from cat_engine.batch import Batch


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """N sessions before their next item: rows[N] of the batch; eligible[N, I]; position[N], the answers so far in the section; planned, the
    most items that the section gives a competency; and the decision's randomness.
    """

    batch: "Batch"
    rows: Ints
    eligible: NDArray[np.bool_]
    position: Ints
    planned: int
    draws: Draws

    @property
    def pool(self) -> Pool:
        """The items."""
        return self.batch.pool

    @property
    def params(self) -> ItemParams:
        """Their parameters."""
        return self.batch.pool.params

    @property
    def theta(self) -> Floats:
        """Interim ability, [N, S]."""
        return self.batch.theta[self.rows]

    @property
    def se(self) -> Floats:
        """Its standard error, [N, S]."""
        return self.batch.se[self.rows]

    @property
    def info(self) -> Floats:
        """Information of each item at the theta of its own competency, [N, I]."""
        return self.batch.information(self.rows)

    @property
    def own_theta(self) -> Floats:
        """The theta of each item's own competency, [N, I]."""
        return self.theta[:, self.params.scale]

    @property
    def own_count(self) -> Ints:
        """The answers so far on each item's own competency, [N, I]."""
        return np.asarray(self.batch.count[self.rows][:, self.params.scale])

    def probabilities(self) -> Floats:
        """P(k) of each item at the theta of its own competency, [N, I, K], 0 padded."""
        return np.exp(log_probabilities_at(self.params, self.own_theta))

    def log_posterior(self) -> Floats:
        """Log-posterior on the pool's grid, not normalised, with the grid's weights in it: [N, S, Q]; of a joint posterior the normal margins."""
        if self.batch.sigma is not None:
            z = (self.pool.nodes - self.theta[..., None]) / self.se[..., None]
            return np.asarray(-0.5 * z**2 + self.pool.grid.log_weights())
        return np.stack([self.batch.log_posterior(self.rows, s) for s in range(len(self.pool.competencies))], axis=1)

    def log_likelihood(self) -> Floats:
        """Log-likelihood of the answers on the pool's grid plus the logarithm of the grid's weights: [N, S, Q]."""
        prior = self.batch.plan.prior.log_density(self.pool.nodes)
        with np.errstate(invalid="ignore"):  # where the prior forbids a node, the node stays forbidden
            found = self.batch.logpost[self.rows] - prior
        return np.where(np.isfinite(prior), found, -np.inf)

    def integrate(self, table: Floats, weights: Floats) -> Floats:
        """Sums over the nodes of table[I, ..., Q] times weights[N, S, Q] of each item's own competency: [N, I, ...].

        One product a session, so that its bits do not depend on the others.
        """
        out = np.empty((len(weights), *table.shape[:-1]))
        for s, (at, _) in enumerate(self.pool.scales):
            own = table if len(self.pool.scales) == 1 else table[at]
            for n in range(len(weights)):
                out[n, at] = own @ weights[n, s]
        return out


class Selection(Protocol):
    """score(moment) -> [N, I]; larger is better, finite always. unit(moment) -> [N]: what turns a score into the criterion as its author
    defines it (a criterion to be minimised has a negative unit). routed: whether the person's answers have a part in it.
    """

    routed: ClassVar[bool]

    def score(self, moment: Moment) -> Floats: ...

    def unit(self, moment: Moment) -> Floats: ...


class Larger:
    """A rule whose score is its criterion."""

    __slots__ = ()
    routed: ClassVar[bool] = True

    def unit(self, moment: Moment) -> Floats:
        """1."""
        return np.ones(len(moment.rows))


class Smaller:
    """A rule whose criterion is to be small: the score is its negative."""

    __slots__ = ()
    routed: ClassVar[bool] = True

    def unit(self, moment: Moment) -> Floats:
        """-1."""
        return -np.ones(len(moment.rows))


SELECTION: Registry[Selection] = Registry("select")
