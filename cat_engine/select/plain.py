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
