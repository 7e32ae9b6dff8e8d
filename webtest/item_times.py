"""Response-time parameters out of a bank's attributes."""

import math

from cat_engine import Pool
from cat_engine.timing import ItemTimes
from itembank.bank import Bank
from webtest.engine_inputs import to_number

USUAL_ALPHA = 2.0  # of an item of which only the mean time is known: times of one person spread by half a log-unit


def times_for(bank: Bank, pool: Pool) -> ItemTimes | None:
    """Time parameters of the pool's items: columns rt_alpha and rt_beta (lognormal model, log-seconds); else the pool's seconds, the mean time of an
    average person, with the usual spread. None where the pool knows no seconds: time is simulated for a whole test or not at all.
    """
    if pool.seconds is None:
        return None
    alpha, beta = [], []
    for item_id, seconds in zip(pool.ids, pool.seconds.tolist(), strict=True):
        own = bank.attributes[bank.index[item_id]]
        a, b = (to_number(own.get(name, "")) for name in ("rt_alpha", "rt_beta"))
        if not (a > 0 and math.isfinite(a) and math.isfinite(b)):
            a, b = USUAL_ALPHA, math.log(seconds) - 0.5 / USUAL_ALPHA**2
        alpha.append(a)
        beta.append(b)
    return ItemTimes(alpha, beta) if alpha else None
