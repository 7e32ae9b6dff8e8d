"""Whether a limit of exposure was kept by the people of a simulation, beyond what chance explains."""

import numpy as np
from scipy.special import bdtrc

from cat_engine.eligibility import Eligibility
from cat_engine.families import Ints
from cat_engine.sets import Mask

LEVEL = 0.01  # the chance that any item is named where all keep the limit


def limit_of(rule: Eligibility) -> float | None:
    """The highest rate that a rule of eligibility allows an item; None where it allows any."""
    limit: float | None = getattr(rule, "r_max", None)
    return None if limit is None or limit >= 1 else limit


def above_limit(given: Ints, people: int, limit: float) -> Mask:
    """The items that were given[I] to more of `people` than `limit` explains: the binomial chance of so many, P(X >= given), is at most LEVEL over the
    number of items that can be at the limit at once, which is mean length / limit, as rates sum to the mean length.
    """
    at_once = max(given.sum() / people / limit, 1.0)
    return np.asarray((given > limit * people) & (bdtrc(given - 1.0, people, limit) * at_once <= LEVEL))
