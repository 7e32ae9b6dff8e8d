"""The one place that knows girth: items x persons, integers, -99999 for missing.

girth 0.8 solves difficulty from each item's proportion correct in `onepl_mml`, `rasch_mml`, `twopl_mml`, `threepl_mml`, `grm_mml` and `*_eap`, as if
takers were a random N(0, 1) sample. On answers that an adaptive test routed this is silently wrong (20,000 people, 30 of 156 items each: RMSE of b
2.36, correlation -.17, where this project's MML has .12 and .99; docs/calibration.md), so those are refused here. `pcm_mml` maximises the marginal
likelihood in full and is a valid second opinion on any data.

It is imported where it is asked for: with scipy.stats, which it brings, that takes longer than most calibrations.
"""

from dataclasses import dataclass

import numpy as np

from calibration.responses import ResponseLog
from cat_engine import Fault, Faulty
from cat_engine.irt import Floats

MISSING = -99999
BY_PROPORTION = ("onepl_mml", "rasch_mml", "twopl_mml", "threepl_mml", "grm_mml", "onepl_jml", "twopl_jml")


@dataclass(frozen=True, slots=True, eq=False)
class Classical:
    """Of I items of a form: mean and sd of the score, its correlation with the mean of the other items (0/1: point-biserial) and the polyserial one (0/1: biserial), and
    Cronbach's alpha of the others, [I] each; alpha of all.
    """

    mean: Floats
    sd: Floats
    item_rest: Floats
    polyserial: Floats
    alpha_without: Floats
    alpha: float


def _dataset(log: ResponseLog) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    data = log.matrix().T.copy()
    data[data < 0] = MISSING
    return data


def second_opinion(log: ResponseLog) -> tuple[Floats, Floats]:
    """girth's `pcm_mml`: discriminations [I] and mean step difficulties [I], in the order of log.item_ids.

    Raises Faulty naming items that girth cannot take: those with a single category, or with a gap in their categories.
    """
    import girth

    _check_categories(log)
    result = girth.pcm_mml(_dataset(log))
    return np.asarray(result["Discrimination"], dtype=float), np.nanmean(np.asarray(result["Difficulty"], dtype=float), axis=1)


def _check_categories(log: ResponseLog) -> None:
    faults = []
    for i, item_id in enumerate(log.item_ids):
        seen = np.unique(log.category[log.item == i])
        if len(seen) < 2 or not np.array_equal(seen, np.arange(len(seen))):
            faults.append(Fault(item_id, "category", f"categories {seen.tolist()} were seen", "girth needs 0, 1, ... without a gap"))
    if faults:
        raise Faulty(faults)


def _check_form(log: ResponseLog, why: str, remedy: str) -> None:
    """Raises Faulty where answers were routed, or are not a whole form."""
    if log.routed or (log.matrix() < 0).any():
        raise Faulty([Fault("girth", "estimator", f"{why}, which routed or incomplete answers do not carry", remedy)])


def classical(log: ResponseLog) -> Classical:
    """Classical statistics of a form that a sample took whole, from category 0 up.

    Raises Faulty on routed or incomplete data, where a score depends on what was asked, and naming items with one category, or with a gap.
    """
    from girth.utilities.ctt_statistics import classical_test_statistics, cronbach_alpha

    _check_form(log, "classical statistics compare everybody's scores on the same items", "use 'cact fit' with calibrated items")
    if len(log.item_ids) < 3:
        raise Faulty([Fault("girth", "classical", f"{len(log.item_ids)} items have no rest to correlate with", "three at least")])
    _check_categories(log)
    data = _dataset(log)
    found = classical_test_statistics(data, 0, int(data.max()))
    names = ("Mean", "Std", "Item-Score Correlation", "Polyserial Correlation", "Cronbach Alpha")
    mean, sd, item_rest, polyserial, without = (np.asarray(found[name], dtype=float) for name in names)
    return Classical(mean, sd, item_rest, polyserial, without, float(cronbach_alpha(data)))


def by_proportion(log: ResponseLog, estimator: str = "twopl_mml") -> tuple[Floats, Floats]:
    """One of girth's estimators that start from proportions: discrimination [I] and mean difficulty [I], of a linear form that a sample took whole.

    Raises Faulty on routed or incomplete data, where proportions correct do not mean difficulty, as second_opinion, for answers that are not 0/1 where the
    estimator wants these, and where girth fails on the installed numpy.
    """
    import girth

    if estimator not in BY_PROPORTION:
        raise Faulty([Fault("girth", "estimator", f"'{estimator}' is not known", "one of " + ", ".join(BY_PROPORTION))])
    _check_form(log, f"girth.{estimator} solves difficulty from proportions correct", "use pcm_mml, or this project's own MML")
    _check_categories(log)
    if estimator != "grm_mml" and log.category.max() > 1:
        raise Faulty(
            [
                Fault(
                    "girth", "estimator", f"girth.{estimator} takes 0/1 answers, and there are categories above 1", "use grm_mml or pcm_mml"
                )
            ]
        )
    try:
        result = getattr(girth, estimator)(_dataset(log))
    except (ValueError, TypeError) as error:
        why = f"girth.{estimator} does not run on the installed numpy {np.__version__}: {error}"
        raise Faulty([Fault("girth", "estimator", why, "use another estimator, or this project's own MML")]) from None
    discrimination = np.broadcast_to(np.asarray(result["Discrimination"], dtype=float), (len(log.item_ids),))
    difficulty = np.asarray(result["Difficulty"], dtype=float).reshape(len(log.item_ids), -1)
    return discrimination, np.nanmean(difficulty, axis=1)
