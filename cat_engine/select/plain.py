"""Maximum information, and rules that do not look at the ability at all."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cat_engine.families import Floats
from cat_engine.select.base import SELECTION, Larger, Moment


@SELECTION.register("mfi")
@dataclass(frozen=True, slots=True)
class MaximumInformation(Larger):
    """Maximum Fisher information at the interim theta, times the posterior variance of the item's own competency.

    With one competency this is maximum information (Lord, 1980, ch. 10). With several independent ones it is the Bayesian D-rule (Segall,
    1996): an item on dimension d multiplies det(posterior precision) by 1 + I_i(theta_d) Var_d, so argmax I_i Var_d.
    """

    def score(self, moment: Moment) -> Floats:
        """I_i(theta_d) Var_d."""
        variance = moment.se**2
        return np.asarray(moment.info * variance[:, moment.params.scale])

    def unit(self, moment: Moment) -> Floats:
        """With one competency the criterion is the information itself."""
        return np.asarray(moment.se[:, 0] ** -2.0) if len(moment.pool.competencies) == 1 else np.ones(len(moment.rows))


@SELECTION.register("a_rule")
@dataclass(frozen=True, slots=True)
class AverageVariance(Larger):
    """The item that lowers the sum of the posterior variances of all competencies most (A-optimality; Segall, 1996; Mulder & van der Linden, 2009).

    An item on dimension d adds I_i to one diagonal element of the posterior precision, so by Sherman & Morrison the trace of Sigma falls by
    I_i (Sigma Sigma)_dd / (1 + I_i Sigma_dd). `mfi` is the D-rule, which lowers the determinant.
    """

    def score(self, moment: Moment) -> Floats:
        """The fall of the trace."""
        sigma = moment.batch.covariance()[moment.rows]
        square = (sigma**2).sum(axis=-1)[:, moment.params.scale]  # (Sigma Sigma)_dd, Sigma being symmetric
        own = np.diagonal(sigma, axis1=1, axis2=2)[:, moment.params.scale]
        return np.asarray(moment.info * square / (1 + moment.info * own))


@SELECTION.register("random")
@dataclass(frozen=True, slots=True)
class RandomItem(Larger):
    """Any eligible item, all equally likely: the baseline that every other rule must beat."""

    routed: ClassVar[bool] = False

    def score(self, moment: Moment) -> Floats:
        """U(0, 1) for each item."""
        return moment.draws.uniform(len(moment.params))


@SELECTION.register("sequential")
@dataclass(frozen=True, slots=True)
class InOrder(Larger):
    """The items in the order of the pool: a linear form."""

    routed: ClassVar[bool] = False

    def score(self, moment: Moment) -> Floats:
        """Minus the index."""
        return np.broadcast_to(-np.arange(float(len(moment.params))), (len(moment.rows), len(moment.params)))
