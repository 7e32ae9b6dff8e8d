"""Has an item got out? Its answers in order of time, each beside what the person's earlier answers foretold.

For each answer x of an item, with time t:
    p_k = integral P_k(theta) posterior(theta | the person's earlier answers of the competency) d theta
    z   = (beta - tau - ln t) / s,  tau and s^2 from the earlier times (s^2 = 1 / alpha^2 + the variance of the speed): large is quick
Both are conditional on the past alone (prequential; Dawid, 1984), so that under the model an answer is right with exactly that probability however the
item was chosen, in an adaptive test too. The rival model is that a share of people know the item: they give its top category with probability `solve`, in
`haste` of the time. The likelihood ratio of one answer (d = -ln(haste) / s; unknown times count for nothing)

    L = 1 - share + share r,   r = (solve / p_top if x is the top, else (1 - solve) / (1 - p_top)) exp(d min(z, d) - d^2 / 2)

(a time quicker than that of most who know says no more than theirs: else a few hasty guesses would weigh more than a hundred answers) is accumulated by Page's CUSUM, W_j = max(0, W_{j-1}) + ln L_j (Page, 1954; on response data Veerkamp & Glas, 2000, and Zhang, 2014). A run that begins at
answer s is a likelihood ratio, or less, so by Ville's inequality it ever reaches e^h with probability at most e^-h; over all beginnings

    P(max W >= h within n answers) <= n e^-h,

which is the p-value given: a bound, not an approximation (the simulated rate of false alarms is a few times lower).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.personfit_answers import Scorer, Sittings
from calibration.personfit_times import ItemSpeeds
from calibration.security import People, holm
from cat_engine.ability import weights
from cat_engine.irt import Floats, Ints
from cat_engine.timing import Speeds


@dataclass(frozen=True, slots=True)
class Leak:
    """What a known item would look like: the share of people who know it, their probability of the top category, their time as a share of the usual."""

    share: float = 0.2
    solve: float = 0.95
    haste: float = 0.5


@dataclass(frozen=True, slots=True, eq=False)
class Foretold:
    """Of R answers: expected and variance of the category, p_top of the highest one; z of the time (quick is positive) and its s in log-seconds, NaN where unknown."""

    expected: Floats
    variance: Floats
    p_top: Floats
    z: Floats
    s: Floats


@dataclass(frozen=True, slots=True)
class Watched:
    """An item over the whole period: n answers; observed and expected mean category and the z of their difference; time_ratio, the geometric mean of time over what was
    foretold; peak, the highest W; since and alarm, the windows in which the run that led there began and in which W crossed the level of the whole run
    ("" where it did not); p, the bound, and p_adjusted over the items.
    """

    item: int
    n: int
    observed: float
    expected: float
    z: float
    time_ratio: float
    peak: float
    since: str
    alarm: str
    p: float
    p_adjusted: float


@dataclass(frozen=True, slots=True)
class Window:
    """An item in one window: n answers, observed and expected mean category, the z of their difference, and the z of the times (quick is positive)."""

    item: int
    window: str
    n: int
    observed: float
    expected: float
    z: float
    time_z: float


def foretell(sittings: Sittings, scorer: Scorer, items: ItemSpeeds, speeds: Speeds) -> Foretold:
    """Of every answer, from the person's earlier ones; before the first stand the prior of ability (the scorer's) and that of speed."""
    order, starts, place = scorer.order, scorer.starts, scorer.place
    own = scorer.pool.finite_log_table[place, sittings.category[order]]
    before = np.cumsum(own, axis=0) - own
    begun = np.repeat(starts, np.diff(np.append(starts, len(order))))
    w = weights(before - before[begun] + scorer.pool.prior_logpost(scorer.prior))
    p = np.empty((len(order), scorer.pool.p_table.shape[1]))
    p[order] = np.einsum("rkq,rq->rk", scorer.pool.p_table[place], w)
    k = np.arange(p.shape[1])
    expected = p @ k
    top = p[np.arange(len(p)), sittings.own.n_cat - 1]
    z, s = _times(sittings, items, speeds)
    return Foretold(expected, p @ k**2 - expected**2, top, z, s)


def _times(sittings: Sittings, items: ItemSpeeds, speeds: Speeds) -> tuple[Floats, Floats]:
    alpha, beta = items.alpha[sittings.item], items.beta[sittings.item]
    there = ~np.isnan(sittings.seconds) & ~np.isnan(alpha)
    weight = np.where(there, alpha**2, 0.0)
    gap = np.where(there, beta - np.log(np.where(there, sittings.seconds, 1.0)), 0.0)  # the speed that this time alone speaks for

    def earlier(values: Floats) -> Floats:
        """Sums over the person's earlier answers."""
        sums = np.cumsum(values) - values
        return np.asarray(sums - sums[np.flatnonzero(sittings.rank == 0)][sittings.person])

    precision = earlier(weight) + speeds.sd**-2
    tau = (earlier(weight * gap) + speeds.mean * speeds.sd**-2) / precision
    s = np.where(there, np.sqrt(1 / np.where(there, weight, 1.0) + 1 / precision), np.nan)
    return np.asarray((gap - tau) / s), s


def log_ratio(sittings: Sittings, told: Foretold, leak: Leak) -> Floats:
    """ln L of each answer, [R]."""
    top = sittings.category == sittings.own.n_cat - 1
    r = np.where(top, leak.solve / told.p_top, (1 - leak.solve) / (1 - told.p_top))
    d = -np.log(leak.haste) / told.s
    quick = np.where(np.isnan(told.z), 1.0, np.exp(np.nan_to_num(d * np.minimum(told.z, d) - d**2 / 2)))
    return np.asarray(np.log1p(leak.share * (r * quick - 1)))


def watch(sittings: Sittings, told: Foretold, people: People, leak: Leak, level: float = 0.05) -> list[Watched]:
    """Every item that was answered. `level` is that of the whole run, at which an alarm is dated."""
    gain = log_ratio(sittings, told, leak)
    used = np.unique(sittings.item)
    by_time = np.lexsort((people.order[sittings.person], sittings.item))
    found = [_watched(int(i), at, sittings, told, gain, people, level / len(used)) for i, at in zip(used, _split(sittings.item[by_time], by_time), strict=True)]
    adjusted = holm(np.array([one[-1] for one in found]))
    return [Watched(*one, float(p)) for one, p in zip(found, adjusted, strict=True)]


def _split(sorted_item: Ints, order: Ints) -> list[Ints]:
    return np.split(order, np.flatnonzero(np.diff(sorted_item)) + 1)


def _watched(
    item: int, at: Ints, sittings: Sittings, told: Foretold, gain: Floats, people: People, level: float
) -> tuple[int, int, float, float, float, float, float, str, str, float]:
    path = np.concatenate([[0.0], np.cumsum(gain[at])])
    lowest = np.minimum.accumulate(path)
    w = path[1:] - lowest[:-1]
    peak = int(w.argmax())
    bound = len(at) * np.exp(-w)
    crossed = np.flatnonzero(bound <= level)

    def window(k: int) -> str:
        return people.window[int(sittings.person[at[k]])]

    observed, expected, z = _beside(at, sittings, told)
    seen = ~np.isnan(told.z[at])
    ratio = float(np.exp(-(told.z[at] * told.s[at])[seen].mean())) if seen.any() else np.nan
    since = window(int(path[: peak + 1].argmin())) if crossed.size else ""
    alarm = window(int(crossed[0])) if crossed.size else ""
    return item, len(at), observed, expected, z, ratio, float(w[peak]), since, alarm, float(min(bound[peak], 1.0))


def _beside(at: Ints, sittings: Sittings, told: Foretold) -> tuple[float, float, float]:
    """Observed and expected mean of some answers, and the z of the difference."""
    gap = sittings.category[at] - told.expected[at]
    return float(sittings.category[at].mean()), float(told.expected[at].mean()), float(gap.sum() / np.sqrt(told.variance[at].sum()))


def by_window(sittings: Sittings, told: Foretold, people: People) -> list[Window]:
    """Every item in every window in which it was answered, windows in order of time."""
    windows = list(people.windows())
    number = np.array([windows.index(name) for name in people.window], dtype=np.int64)[sittings.person]
    order = np.lexsort((number, sittings.item))
    cells = np.flatnonzero(np.diff(sittings.item[order] * len(windows) + number[order])) + 1
    found = []
    for at in np.split(order, cells):
        z = told.z[at][~np.isnan(told.z[at])]
        time_z = float(z.sum() / np.sqrt(len(z))) if len(z) else np.nan
        found.append(Window(int(sittings.item[at[0]]), windows[number[at[0]]], len(at), *_beside(at, sittings, told), time_z))
    return found
