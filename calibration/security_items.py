"""Has an item got out? Its answers in order of time, each beside what the person's earlier answers foretold.

For each answer x of an item, with time t:
    p_k = integral P_k(theta) posterior(theta | the person's earlier answers of the competency) d theta
    z   = (beta - tau - ln t) / s,  tau and s^2 from the earlier times (s^2 = 1 / alpha^2 + the variance of the speed): large is quick
Both are conditional on the past alone (prequential; Dawid, 1984), so that under the model an answer is right with exactly that probability however the
item was chosen, in an adaptive test too. The rival model is that a share of people know the item: they give its top category with probability `solve`, in
`haste` of the time. The likelihood ratio of one answer (d = -ln(haste) / s; unknown times count for nothing)

    L = 1 - share + share r,   r = (solve / p_top if x is the top, else (1 - solve) / (1 - p_top)) exp(d min(z, d) - d^2 / 2)

(a time quicker than that of most who know says no more than theirs: else a few hasty guesses would weigh more than a hundred answers) is accumulated by Page's CUSUM, W_j = max(0, W_{j-1}) + ln L_j (Page, 1954; on response data Veerkamp & Glas, 2000, and Zhang, 2014). A run that begins at
one answer is a likelihood ratio, or less, and ever reaches e^h with probability at most e^-h (Ville's inequality), so that P(max W >= h) <= n e^-h over n
answers: M = max W - ln n compares items of different n.

False alarms: right or not and z are drawn anew for every answer, with p_top and N(0, 1), which is the model's own distribution of them. An item's p is the share
of replicates with an M as large; its adjusted p the share in which any item has one (Westfall & Young, 1993, single step): at level .05 one run in twenty
raises an alarm where nothing got out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.personfit_answers import Scorer, Sittings
from calibration.personfit_times import ItemSpeeds
from calibration.security import People
from cat_engine.ability import weights
from cat_engine.irt import Floats, Ints
from cat_engine.timing import Speeds

TIE = 1e-9  # peaks of the same answers, whatever the order of a sum


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
    """An item over the whole period: n answers; observed and expected mean category and the z of their difference; time_ratio, the geometric mean of time over
    what was foretold; peak, max W; since and alarm, the windows in which the run to the peak began and in which W first crossed the level of the run ("" where it
    did not); p, and p_adjusted over the items.
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


def foretell(scorer: Scorer, items: ItemSpeeds, speeds: Speeds) -> Foretold:
    """Of every answer of the scorer's people, from the person's earlier ones; before the first stand the prior of ability (the scorer's) and that of speed."""
    sittings, order, starts, place = scorer.sittings, scorer.order, scorer.starts, scorer.place
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
    weight, gap = items.terms(sittings)

    def earlier(values: Floats) -> Floats:
        """Sums over the person's earlier answers."""
        sums = np.cumsum(values) - values
        return np.asarray(sums - sums[np.flatnonzero(sittings.rank == 0)][sittings.person])

    precision = earlier(weight) + speeds.sd**-2
    tau = (speeds.mean * speeds.sd**-2 - earlier(weight * gap)) / precision
    there = weight > 0
    s = np.where(there, np.sqrt(1 / np.where(there, weight, 1.0) + 1 / precision), np.nan)
    return np.asarray(-(gap + tau) / s), s


def log_ratio(leak: Leak, top: NDArray[np.bool_], z: Floats, p_top: Floats, s: Floats) -> Floats:
    """ln L of answers in the top category or not, of times z; where s is NaN the time is unknown."""
    r = np.where(top, leak.solve / p_top, (1 - leak.solve) / (1 - p_top))
    d = -np.log(leak.haste) / s
    quick = np.where(np.isnan(d), 1.0, np.exp(d * np.minimum(z, d) - d**2 / 2))
    return np.asarray(np.log1p(leak.share * (r * quick - 1)))


def watch(
    sittings: Sittings, told: Foretold, people: People, leak: Leak, level: float = 0.05, replicates: int = 200, seed: int = 1
) -> list[Watched]:
    """Every item that was answered. `level` is that of the whole run, at which an alarm is dated."""
    order = np.lexsort((people.order[sittings.person], sittings.item))
    answers = np.split(order, np.flatnonzero(np.diff(sittings.item[order])) + 1)
    top = sittings.category == sittings.own.n_cat - 1
    gain = log_ratio(leak, top, told.z, told.p_top, told.s)
    paths = [_cusum(gain[at]) for at in answers]
    n = np.array([len(at) for at in answers])
    value = np.array([w.max() for w in paths]) - np.log(n)
    null = _null_peaks(answers, told, leak, replicates, seed) - np.log(n)
    highest = np.sort(null.max(axis=1))
    p = (1 + (null >= value - TIE).sum(axis=0)) / (replicates + 1)
    adjusted = (1 + replicates - np.searchsorted(highest, value - TIE)) / (replicates + 1)
    threshold = np.log(n) + highest[replicates - int(level * (replicates + 1) + TIE)] + TIE  # above it p_adjusted is at most the level
    found = []
    for k, (at, w) in enumerate(zip(answers, paths, strict=True)):
        crossed = np.flatnonzero(w > threshold[k])
        begun = int(np.flatnonzero(np.append(True, w[: w.argmax()] <= 0))[-1]) if len(crossed) else 0
        since, alarm = (people.window[sittings.person[at[j]]] for j in (begun, crossed[0])) if len(crossed) else ("", "")
        seen = ~np.isnan(told.z[at])
        ratio = float(np.exp(-(told.z[at] * told.s[at])[seen].mean())) if seen.any() else np.nan
        found.append(
            Watched(
                int(sittings.item[at[0]]),
                len(at),
                *_beside(at, sittings, told),
                ratio,
                float(w.max()),
                since,
                alarm,
                float(p[k]),
                float(adjusted[k]),
            )
        )
    return found


def _cusum(gain: Floats) -> Floats:
    """W after each answer."""
    path = np.concatenate([[0.0], np.cumsum(gain)])
    return np.asarray(path[1:] - np.minimum.accumulate(path)[:-1])


def _null_peaks(answers: Sequence[Ints], told: Foretold, leak: Leak, replicates: int, seed: int) -> Floats:
    """max W of each item in each replicate in which nothing got out, [B, I]; all items step from answer to answer together."""
    rng = np.random.default_rng(seed)
    longest_first = sorted(range(len(answers)), key=lambda k: -len(answers[k]))
    n = np.array([len(answers[k]) for k in longest_first])
    w, peak = np.zeros((replicates, len(answers))), np.full((replicates, len(answers)), -np.inf)
    for j in range(int(n[0])):
        going = int(np.searchsorted(-n, -j, side="left"))
        at = np.array([answers[k][j] for k in longest_first[:going]])
        shape = (replicates, going)
        gain = log_ratio(leak, rng.random(shape) < told.p_top[at], rng.standard_normal(shape), told.p_top[at], told.s[at])
        w[:, :going] = np.maximum(w[:, :going], 0.0) + gain
        np.maximum(peak[:, :going], w[:, :going], out=peak[:, :going])
    out = np.empty_like(peak)
    out[:, longest_first] = peak
    return out


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
