"""Information per unit of time."""

from dataclasses import dataclass

import numpy as np

from cat_engine.families import Floats
from cat_engine.select.base import SELECTION, Larger, Moment


@SELECTION.register("mfi_per_time")
@dataclass(frozen=True, slots=True)
class InformationPerTime(Larger):
    """Maximum information per unit of time: I_i / E(T_i) (Fan, Wang, Chang & Douglas, 2012).

    In the lognormal model E(T_i | tau) = exp(beta_i - tau + 1 / (2 alpha_i^2)): the person's speed tau divides out of the comparison, so only
    the expected seconds of each item are needed. A pool that knows none treats all items alike.
    """

    def score(self, moment: Moment) -> Floats:
        """I_i Var_d / seconds_i."""
        worth = moment.info * (moment.se**2)[:, moment.params.scale]
        return np.asarray(worth if moment.pool.seconds is None else worth / moment.pool.seconds)

    def unit(self, moment: Moment) -> Floats:
        """With one competency the criterion is information per second."""
        return np.asarray(moment.se[:, 0] ** -2.0) if len(moment.pool.competencies) == 1 else np.ones(len(moment.rows))
