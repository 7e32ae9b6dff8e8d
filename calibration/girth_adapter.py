"""The one place that knows girth: items x persons, integers, -99999 for missing.

girth 0.8 solves difficulty from each item's proportion correct in `onepl_mml`, `rasch_mml`, `twopl_mml`, `threepl_mml`, `grm_mml` and `*_eap`, as if
takers were a random N(0, 1) sample. On answers that an adaptive test routed this is silently wrong (20,000 people, 30 of 156 items each: RMSE of b
2.36, correlation -.17, where this project's MML has .12 and .99; docs/calibration.md), so those are refused here. `pcm_mml` maximises the marginal
likelihood in full and is a valid second opinion on any data.

It is imported where it is asked for: with scipy.stats, which it brings, that takes longer than most calibrations.
"""

import numpy as np

from calibration.responses import ResponseLog
from cat_engine import Fault, Faulty
from cat_engine.irt import Floats

MISSING = -99999
BY_PROPORTION = ("onepl_mml", "rasch_mml", "twopl_mml", "threepl_mml", "grm_mml", "onepl_jml", "twopl_jml")


def _dataset(log: ResponseLog) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    data = log.matrix().T.copy()
    data[data < 0] = MISSING
    return data


def second_opinion(log: ResponseLog) -> tuple[Floats, Floats]:
    """girth's `pcm_mml`: discriminations [I] and mean step difficulties [I], in the order of log.item_ids.

    Raises Faulty naming items that girth cannot take: those with a single category, or with a gap in their categories.
    """
    import girth

    faults = []
    for i, item_id in enumerate(log.item_ids):
        seen = np.unique(log.category[log.item == i])
        if len(seen) < 2 or not np.array_equal(seen, np.arange(len(seen))):
            faults.append(Fault(item_id, "category", f"categories {seen.tolist()} were seen", "girth needs 0, 1, ... without a gap"))
    if faults:
        raise Faulty(faults)
    result = girth.pcm_mml(_dataset(log))
    return np.asarray(result["Discrimination"], dtype=float), np.nanmean(np.asarray(result["Difficulty"], dtype=float), axis=1)


def by_proportion(log: ResponseLog, estimator: str = "twopl_mml") -> tuple[Floats, Floats]:
    """One of girth's estimators that start from proportions: discrimination [I] and difficulty [I], of a linear form that a sample took whole.

    Raises Faulty on routed or incomplete data, where proportions correct do not mean difficulty.
    """
    import girth

    if estimator not in BY_PROPORTION:
        raise Faulty([Fault("girth", "estimator", f"'{estimator}' is not known", "one of " + ", ".join(BY_PROPORTION))])
    if log.routed or (log.matrix() < 0).any():
        why = f"girth.{estimator} solves difficulty from proportions correct, which routed or incomplete answers do not carry"
        raise Faulty([Fault("girth", "estimator", why, "use pcm_mml, or this project's own MML")])
    result = getattr(girth, estimator)(_dataset(log))
    discrimination = np.broadcast_to(np.asarray(result["Discrimination"], dtype=float), (len(log.item_ids),))
    return discrimination, np.asarray(result["Difficulty"], dtype=float)
