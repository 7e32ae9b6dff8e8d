"""Person fit over time: strings of answers that are better, or worse, than the ability of the whole test allows.

    T_k = (X_k - E X_k) / n,  C+_k = max(0, C+_{k-1} + T_k),  C-_k = min(0, C-_{k-1} + T_k)
                                                       van Krimpen-Stoop & Meijer (2000; 2002 for more than two categories), after Page (1954)

X_k the category of the k-th answer, E X_k at the final ability of its competency, n the person's number of answers. A high C+ is a run of answers
too good (items known beforehand in a part of the test), a low C- a run too bad (giving up, running out of time). The statistic is the larger of
max C+ and -min C-. Its distribution has no closed form: see personfit_simulated.py.
"""

import numpy as np

from calibration.personfit_answers import Sittings
from cat_engine.irt import Floats


def cusum(sittings: Sittings, residual: Floats) -> Floats:
    """The larger of max C+ and -min C- of each person, [P], from the residuals X - E X of the answers, [R]."""
    steps = sittings.table(residual, 0.0) / np.maximum(sittings.count, 1)[:, None]
    path = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
    upper = (path - np.minimum.accumulate(path, axis=1)).max(axis=1)
    lower = (np.maximum.accumulate(path, axis=1) - path).max(axis=1)
    return np.asarray(np.maximum(upper, lower), dtype=float)
