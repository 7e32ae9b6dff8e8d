"""The item whose best place is nearest to the interim ability."""

from dataclasses import dataclass

import numpy as np

from cat_engine.families import Floats
from cat_engine.select.base import SELECTION, Moment, Smaller


@SELECTION.register("urry")
@dataclass(frozen=True, slots=True)
class NearestDifficulty(Smaller):
    """min |b - theta| (Urry, 1970); of a polytomous item the mean of its b."""

    def score(self, moment: Moment) -> Floats:
        """-|b - theta|."""
        return -np.abs(moment.pool.middle - moment.own_theta)


@SELECTION.register("thopt")
@dataclass(frozen=True, slots=True)
class NearestPeak(Smaller):
    """min |theta* - theta|, theta* where the item's information is highest (Li & Schafer, 2005; Magis, 2013): for the 3PL
    b + ln((1 + sqrt(1 + 8 c)) / 2) / a (Birnbaum, 1968).
    """

    def score(self, moment: Moment) -> Floats:
        """-|theta* - theta|."""
        return -np.abs(moment.pool.peak - moment.own_theta)
