"""Did somebody know certain items beforehand? Given a set of suspected items, is the person better, or quicker, on them than on the others?

Answers: with s_i the score function of answer i at the person's ability, I information, C the suspected items met and N the others, competency by competency,

    z = U / sqrt(V),  U = sum_{i in C} s_i - sum_scales (I_C / I) S,  V = sum_scales I_C I_N / I,  shift = U / V

is the signed score test of Sinharay (2017) of equal abilities on C and N, its statistic at the maximum likelihood estimate (where the total score S is 0;
the term with S is Neyman's and serves other estimates). shift estimates theta_C - theta_N to first order.

Times: speeds by maximum likelihood on C and N; under the lognormal model the difference is Normal exactly (Sinharay, 2020):

    z = (tau_C - tau_N) / sqrt(1 / sum_C alpha^2 + 1 / sum_N alpha^2)

Together: (z_answers + z_times) / sqrt(2), as answers and times are independent given ability and speed (Sinharay & Johnson, 2020). All one-sided: only better
and quicker on the suspected items speaks for knowing them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from calibration.holm import holm
from calibration.personfit import Met
from calibration.personfit_answers import Sittings
from calibration.personfit_times import ItemSpeeds
from cat_engine.irt import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Preknowledge:
    """Of P people: suspected items met; shift of ability and its z; gain of speed, in log-seconds, and its z; z of both (of one where the other is NaN), one-sided p
    and Holm's p over the people. NaN for somebody who met only suspected items, or none.
    """

    met: Ints
    shift: Floats
    z_answers: Floats
    speed_gain: Floats
    z_times: Floats
    z: Floats
    p: Floats
    p_adjusted: Floats


def preknowledge(sittings: Sittings, at: Met, items: ItemSpeeds, suspected: NDArray[np.bool_]) -> Preknowledge:
    """Of answers at the abilities in `at`; suspected[I]; items of unknown parameters where times do not count."""
    inside = suspected[sittings.item]
    shift, z_answers = _answers(sittings, at, inside)
    gain, z_times = _times(sittings, items, inside)
    both = np.stack([z_answers, z_times])
    known = (~np.isnan(both)).sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.nansum(both, axis=0) / np.sqrt(known)
    p = np.asarray(ndtr(-z))
    count = np.bincount(sittings.person, inside, sittings.n_persons).astype(np.int64)
    return Preknowledge(count, shift, z_answers, gain, z_times, z, p, holm(p))


def _answers(sittings: Sittings, at: Met, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    score, info = at.own_slope, at.information
    total, own = sittings.by_unit(info), sittings.by_unit(info * inside)
    share = own / total
    u = sittings.by_unit(score * inside) - share * sittings.by_unit(score)
    u, v = sittings.units_by_person(u), sittings.units_by_person(share * (total - own))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(v > 0, u / v, np.nan), np.where(v > 0, u / np.sqrt(v), np.nan)


def _times(sittings: Sittings, items: ItemSpeeds, inside: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    weight, gap = items.terms(sittings)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = [sittings.by_person(weight * side) for side in (inside, ~inside)]
        tau = [-sittings.by_person(weight * gap * side) / own for side, own in zip((inside, ~inside), precision, strict=True)]
        return tau[0] - tau[1], (tau[0] - tau[1]) / np.sqrt(1 / precision[0] + 1 / precision[1])
