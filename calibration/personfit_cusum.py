"""Person fit over time: strings of answers that are better, or worse, than the ability of the whole test allows.

    T_k = (X_k - E X_k) / n,  C+_k = max(0, C+_{k-1} + T_k),  C-_k = min(0, C-_{k-1} + T_k)
                                                       van Krimpen-Stoop & Meijer (2000; 2002 for more than two categories), after Page (1954)

X_k the category of the k-th answer, E X_k at the final ability of its competency, n the person's number of answers. A high C+ is a run of answers
too good (items known beforehand in a part of the test), a low C- a run too bad (giving up, running out of time). The statistic is the larger of
max C+ and -min C-. Its distribution has no closed form: see personfit_simulated.py.

The ability is the maximum likelihood one, reached from the estimate at hand by one step of scoring: E X_k + (E X_k)' S / I, with S the score and I the
information there. A posterior mean is drawn to the prior's, so that the residuals of an able person are above 0 on average; over several competencies,
on which people tend to be able or not together, that would add up to a run.
"""

import numpy as np

from calibration.personfit import Met
from calibration.personfit_answers import Sittings
from cat_engine.irt import Floats


def cusum(sittings: Sittings, at: Met) -> Floats:
    """The larger of max C+ and -min C- of each person, [P]."""
    info = sittings.by_unit(at.information)
    step = np.divide(sittings.by_unit(at.own_slope), info, out=np.zeros(len(info)), where=info > 0)
    expected_slope = (at.p * at.slope * np.arange(at.p.shape[1])).sum(axis=1)
    residual = at.residual - expected_slope * step[sittings.unit]
    steps = sittings.table(residual, 0.0) / sittings.count[:, None]
    path = np.concatenate([np.zeros((len(steps), 1)), np.cumsum(steps, axis=1)], axis=1)
    upper = (path - np.minimum.accumulate(path, axis=1)).max(axis=1)
    lower = (np.maximum.accumulate(path, axis=1) - path).max(axis=1)
    return np.asarray(np.maximum(upper, lower), dtype=float)
