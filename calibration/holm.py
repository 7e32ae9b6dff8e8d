"""Many tests at once."""

import numpy as np

from cat_engine.irt import Floats


def holm(p: Floats, tests: int | None = None) -> Floats:
    """p-values after Holm's (1979) step-down correction, [n]: the chance that any true hypothesis is refused at a level is at most that level, however the tests
    depend on each other. `tests` is how many were done, where only the smallest p are handed in; NaN is no test, and stays.
    """
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factor = (len(known) if tests is None else tests) - np.arange(len(order))
    out = np.full(len(p), np.nan)
    if len(order):
        out[order] = np.minimum(np.maximum.accumulate(p[order] * factor), 1.0)
    return out
