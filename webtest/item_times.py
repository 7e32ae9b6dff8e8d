"""Response-time parameters out of a bank's attributes."""

import math

from cat_engine import Pool
from cat_engine.timing import ItemTimes
from itembank.bank import Bank, lognormal_time

USUAL_ALPHA = 2.0  # of an item of which only the mean time is known: times of one person spread by half a log-unit


def times_for(bank: Bank, pool: Pool) -> ItemTimes | None:
    """Time parameters of the pool's items: columns rt_alpha and rt_beta (lognormal model, log-seconds); else the pool's seconds, the mean time of an
    average person, with the usual spread. None where the pool knows no seconds: time is simulated for a whole test or not at all.
    """
    if pool.seconds is None:
        return None
    own = [lognormal_time(bank.attributes[bank.index[item_id]]) for item_id in pool.ids]
    found = [
        (USUAL_ALPHA, math.log(mean) - 0.5 / USUAL_ALPHA**2) if known is None else known
        for known, mean in zip(own, pool.seconds.tolist(), strict=True)
    ]
    return ItemTimes(*zip(*found, strict=True)) if found else None
