"""Response times: the lognormal model, speeds, expected times, time limits, rapid guesses, and the calibration of the model.

Notation: N people, I items; t seconds; x = ln t; tau a person's speed (higher is faster); beta an item's time intensity, in log-seconds; alpha its
discrimination, 1 / sd of ln t. NaN marks a time that is not there.

    ln T_ij ~ Normal(beta_i - tau_j, 1 / alpha_i^2)                                van der Linden (2006, JEBS 31, 181-204)
    E T_ij = exp(beta_i - tau_j + 1 / (2 alpha_i^2)),  Var T_ij = (E T_ij)^2 (exp(1 / alpha_i^2) - 1)

The total time on a set of items is exp(-tau) W, where W does not depend on the person; W is taken as lognormal with its own mean and variance
(Fenton, 1960; Wilkinson), and exp(-tau) of Normal speeds is lognormal exactly, so that percentiles over one speed or a population of speeds are
closed forms. Against brute force they are within 2.5 % up to the 99th percentile for sections of 5 items and more (a section of 3 with one item of
very spread times: 7 %, too short at the top).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty

FEWEST_TIMES = 10  # of an item, below which its alpha is not estimated
LEAST_SPREAD = 0.01  # sd of ln t: times more equal than 1 % are a clock's, not a person's
TOLERANCE = 1e-8  # change of any parameter at which the calibration has converged
MOST_CYCLES = 2000


@dataclass(frozen=True, eq=False)
class ItemTimes:
    """Time parameters of I items: alpha[I] > 0 and beta[I] (log-seconds). Raises Faulty naming every item ("item 3", zero-based) that has none."""

    alpha: Floats
    beta: Floats

    def __post_init__(self) -> None:
        for name in ("alpha", "beta"):
            array = np.array(getattr(self, name), dtype=float)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.alpha.shape != self.beta.shape or self.alpha.ndim != 1:
            raise Faulty([Fault("items", "alpha", f"shape {self.alpha.shape}, and beta {self.beta.shape}", "one value an item")])
        bad_alpha = np.flatnonzero(~(np.isfinite(self.alpha) & (self.alpha > 0)))
        faults = [Fault(f"item {i}", "alpha", f"{self.alpha[i]} is not a positive number") for i in bad_alpha.tolist()]
        faults += [
            Fault(f"item {i}", "beta", f"{self.beta[i]} is not a finite number") for i in np.flatnonzero(~np.isfinite(self.beta)).tolist()
        ]
        if faults:
            raise Faulty(faults)

    def __len__(self) -> int:
        return len(self.alpha)

    def take(self, index: ArrayLike) -> "ItemTimes":
        """The items at `index`, in that order."""
        at = np.asarray(index, dtype=int)
        return ItemTimes(self.alpha[at], self.beta[at])


@dataclass(frozen=True, slots=True)
class Speeds:
    """Speeds in the population: Normal(mean, sd^2), in log-seconds. Raises ValueError unless both are finite and sd positive."""

    mean: float = 0.0
    sd: float = 0.3

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.sd) and self.sd > 0):
            msg = f"Normal({self.mean}, sd {self.sd}) is not a distribution of speeds"
            raise ValueError(msg)

    def percentile(self, share: float) -> float:
        """The speed below which a share of the population lies: .05 is a slow person."""
        return self.mean + self.sd * float(ndtri(share))


def log_density(items: ItemTimes, seconds: Floats, tau: Floats) -> Floats:
    """Log-density of times seconds[N, I] at speeds tau[N] -> [N, I], NaN where there is no time."""
    x = np.log(seconds)
    z = items.alpha * (x - items.beta + tau[:, None])
    return np.asarray(np.log(items.alpha) - x - 0.5 * np.log(2 * np.pi) - 0.5 * z**2)


def speed(items: ItemTimes, seconds: Floats, speeds: Speeds) -> tuple[Floats, Floats]:
    """Speed of N people from seconds[N, I] with NaN: posterior mean tau[N] (which is also the mode) and its standard deviation [N].

    tau = (sum alpha^2 (beta - ln t) + mean / sd^2) / (sum alpha^2 + 1 / sd^2).
    """
    there = ~np.isnan(seconds)
    pull = np.where(there, items.alpha**2 * (items.beta - np.log(np.where(there, seconds, 1.0))), 0.0).sum(axis=1)
    precision = np.where(there, items.alpha**2, 0.0).sum(axis=1) + speeds.sd**-2
    return np.asarray((pull + speeds.mean / speeds.sd**2) / precision), np.asarray(precision**-0.5)


def mean_time(items: ItemTimes, tau: Floats, tau_sd: Floats | float = 0.0) -> Floats:
    """Expected seconds on every item at speeds tau[N], known to tau_sd (a number or [N]) -> [N, I]."""
    spread = np.broadcast_to(np.asarray(tau_sd, dtype=float), tau.shape)
    return np.asarray(np.exp(items.beta + 0.5 / items.alpha**2 + (0.5 * spread**2 - tau)[:, None]))


def draw_seconds(items: ItemTimes, tau: Floats, item: Ints, normal: Floats) -> Floats:
    """Times by the model: a person of speed tau[M] on item[M], from standard normal numbers normal[M] -> seconds[M]."""
    return np.asarray(np.exp(items.beta[item] - tau + normal / items.alpha[item]))


# Sections and their limits.


@dataclass(frozen=True, slots=True)
class TotalTime:
    """The seconds that a section takes somebody of speed 0, by mean and variance; read as lognormal."""

    mean: float
    variance: float

    def percentile(self, share: float, tau: float = 0.0, tau_sd: float = 0.0) -> float:
        """The seconds within which a share of sittings is over: of a person of speed tau, or of a population Normal(tau, tau_sd^2)."""
        log_variance = float(np.log1p(self.variance / self.mean**2))
        centre = float(np.log(self.mean)) - 0.5 * log_variance - tau
        return float(np.exp(centre + ndtri(share) * np.sqrt(log_variance + tau_sd**2)))


def total_of(items: ItemTimes) -> TotalTime:
    """Time on exactly these items."""
    mean = np.exp(items.beta + 0.5 / items.alpha**2)
    return TotalTime(float(mean.sum()), float((mean**2 * np.expm1(items.alpha**-2.0)).sum()))


def total_of_draws(items: ItemTimes, draws: Sequence[tuple[Ints, int]]) -> TotalTime:
    """Time where `count` items are taken at random, without repetition, out of each set of indices: draws of (indices, count).

    Variance within items, plus that of the items' means between draws, n S^2 (1 - n / N) (simple random sampling; Cochran, 1977, eq. 2.9).
    Raises ValueError where a set has fewer items than are taken.
    """
    mean, variance = 0.0, 0.0
    for at, count in draws:
        if not 0 <= count <= len(at):
            msg = f"{count} items cannot be taken out of {len(at)}"
            raise ValueError(msg)
        own = np.exp(items.beta[at] + 0.5 / items.alpha[at] ** 2)
        if count:
            mean += count * float(own.mean())
            variance += count * float((own**2 * np.expm1(items.alpha[at] ** -2.0)).mean())
            variance += count * (1 - count / len(at)) * (float(own.var(ddof=1)) if len(at) > 1 else 0.0)
    return TotalTime(mean, variance)


@dataclass(frozen=True, slots=True)
class TimeAdvice:
    """Seconds for a section: median_s, the middle of the population on typical items; limit_s, the share of sittings of a slow person that the
    advice was asked for, on typical items; longest_s, the same on the most time-consuming items that the section could give.
    """

    median_s: float
    limit_s: float
    longest_s: float


def time_limit(items: ItemTimes, draws: Sequence[tuple[Ints, int]], speeds: Speeds, slow: float = 0.05, share: float = 0.95) -> TimeAdvice:
    """Advice on the limit of a section that gives up to `count` items out of each set of indices, one set a competency.

    A slow person: speed at the percentile `slow` of the population; share: .95 to .99 of such a person's sittings end in time (van der Linden,
    2011, APM 35, 183-199). Adaptive tests prefer informative items, not long ones; where the two go together the truth lies between limit_s and
    longest_s. Raises ValueError where slow or share is not between 0 and 1, no item is asked for, or a set is too small.
    """
    if not (0 < slow < 1 and 0 < share < 1):
        msg = f"slow {slow} and share {share} must lie between 0 and 1"
        raise ValueError(msg)
    if not sum(count for _, count in draws):
        msg = "a section without items needs no time limit"
        raise ValueError(msg)
    typical, tau = total_of_draws(items, draws), speeds.percentile(slow)
    longest = [at[np.argsort(-(items.beta[at] + 0.5 / items.alpha[at] ** 2), kind="stable")[:count]] for at, count in draws]
    return TimeAdvice(
        typical.percentile(0.5, speeds.mean, speeds.sd),
        typical.percentile(share, tau),
        total_of(items.take(np.concatenate(longest))).percentile(share, tau),
    )


# Selection with an eye on the clock.


def gain_per_second(gain: Floats, seconds: Floats) -> Floats:
    """Information, or any other gain [N, I], per expected second [N, I] (Fan, Wang, Chang & Douglas, 2012, JEBS 37, 655-670)."""
    return np.asarray(gain / seconds)


def gain_by_distance(gain: Floats, seconds: Floats, centre_s: float, weight: float, least_s: float = 1.0) -> Floats:
    """I / |E T - v|^w (Choe, Kern & Chang, 2018, JEBS 43, 135-158): v = centre_s, w = weight; weight 0 is the gain itself, and v = 0, w = 1 the
    gain per second. Ours: the distance is at least least_s, as an item that takes exactly v seconds would win whatever it told.
    """
    return np.asarray(gain / np.maximum(np.abs(seconds - centre_s), least_s) ** weight)


# Rapid guesses.


def rapid_threshold(mean_s: Floats, share: float = 0.1, most_s: float = 10.0) -> Floats:
    """Normative threshold: 10 % of the item's mean time, at most 10 s (Wise & Ma, 2012, NT10): [I] -> [I]. A fixed rule is np.full(I, 3.0)."""
    return np.asarray(np.minimum(share * mean_s, most_s))


def rapid(seconds: Floats, threshold_s: Floats) -> NDArray[np.bool_]:
    """Answers faster than their item's threshold [I]: seconds[N, I] -> [N, I]; a time that is not there is not rapid."""
    return np.asarray(np.less(seconds, threshold_s))


def response_time_effort(seconds: Floats, threshold_s: Floats) -> Floats:
    """Share of a person's answers that are no rapid guesses (Wise & Kong, 2005, AME 18, 163-183): [N]; NaN for somebody without times."""
    there = np.count_nonzero(~np.isnan(seconds), axis=1)
    quick = np.count_nonzero(rapid(seconds, threshold_s), axis=1)
    return np.where(there > 0, 1.0 - quick / np.maximum(there, 1), np.nan)


# Calibration.


@dataclass(frozen=True, slots=True, eq=False)
class TimeCalibration:
    """alpha, beta, their SEs and the number of times, [I] each, NaN for an item that `flaws` names; speeds, tau[N] and tau_se[N]; cycles used and
    whether the last one changed less than the tolerance.

    se_beta is that of the item's place among the others, 1 / (alpha sqrt n); the mean speed of the sample, which fixes the origin, adds
    sd / sqrt N in common to all. se_alpha = alpha / sqrt(2 n).
    """

    alpha: Floats
    beta: Floats
    se_alpha: Floats
    se_beta: Floats
    n: Ints
    speeds: Speeds
    tau: Floats
    tau_se: Floats
    flaws: tuple[Fault, ...]
    cycles: int
    converged: bool

    @property
    def usable(self) -> Ints:
        """Indices of the items that have parameters."""
        return np.flatnonzero(~np.isnan(self.alpha))

    def items(self) -> ItemTimes:
        """Parameters of all items. Raises Faulty, with the flaws, where one has none."""
        if self.flaws:
            raise Faulty(self.flaws)
        return ItemTimes(self.alpha, self.beta)


def calibrate_times(seconds: Floats) -> TimeCalibration:
    """Marginal maximum likelihood of alpha, beta and the sd of speed from seconds[N, I] with NaN; the mean speed is 0.

    EM with closed steps: speeds given parameters are Normal(m, v); then beta = mean(x + m), 1 / alpha^2 = mean((x + m - beta)^2 + v), sd^2 =
    mean(m^2 + v). The mean of m is moved into beta at each cycle (parameter expansion; Liu, Rubin & Wu, 1998), without which EM would creep.
    Missing times may depend on earlier answers, as in an adaptive test, but not on the time itself. Items with fewer than 10 times, or times that
    hardly vary, are flagged and left out. Raises Faulty naming every time that is not positive, and where no item or person is left.
    """
    wrong = np.argwhere(~np.isnan(seconds) & ~(np.isfinite(seconds) & (seconds > 0)))
    if len(wrong):
        raise Faulty(
            Fault(f"row {r}", f"item {i}", f"{seconds[r, i]} s is not a response time", "NaN where there is none") for r, i in wrong
        )
    there = ~np.isnan(seconds)
    n = there.sum(axis=0)
    x = np.log(np.where(there, seconds, 1.0))
    flaws, usable = _screen(x, there, n)
    x, there = x[:, usable], there[:, usable]
    people = there.any(axis=1)
    if not usable.size or people.sum() < FEWEST_TIMES:
        raise Faulty([Fault("times", "", f"{usable.size} usable items and {people.sum()} people are too few to calibrate"), *flaws])
    alpha2, beta, sd, cycles, converged = _em(x[people], there[people].astype(float))
    items, speeds = ItemTimes(np.sqrt(alpha2), beta), Speeds(0.0, sd)
    tau, tau_se = speed(items, seconds[:, usable], speeds)
    columns = [np.full(len(n), np.nan) for _ in range(4)]
    root = np.sqrt(n[usable])
    for column, values in zip(columns, (items.alpha, beta, items.alpha / (root * np.sqrt(2.0)), 1.0 / (items.alpha * root)), strict=True):
        column[usable] = values
    alpha, beta, se_alpha, se_beta = columns
    return TimeCalibration(alpha, beta, se_alpha, se_beta, n, speeds, tau, tau_se, flaws, cycles, converged)


def _screen(x: Floats, there: NDArray[np.bool_], n: Ints) -> tuple[tuple[Fault, ...], Ints]:
    """Flaws of the items that cannot be estimated, and the indices of the others."""
    mean = np.where(there, x, 0.0).sum(axis=0) / np.maximum(n, 1)
    spread = np.sqrt(np.where(there, (x - mean) ** 2, 0.0).sum(axis=0) / np.maximum(n, 1))
    few, flat = n < FEWEST_TIMES, (n >= FEWEST_TIMES) & (spread < LEAST_SPREAD)
    flaws = [Fault(f"item {i}", "time", f"{n[i]} times are too few", f"at least {FEWEST_TIMES}") for i in np.flatnonzero(few).tolist()]
    flaws += [Fault(f"item {i}", "time", "the times do not vary", "check the clock") for i in np.flatnonzero(flat).tolist()]
    return tuple(flaws), np.flatnonzero(~(few | flat))


def _em(x: Floats, there: Floats) -> tuple[Floats, Floats, float, int, bool]:
    """alpha^2[I], beta[I], sd, cycles, converged, from x[N, I] and there[N, I] (1 or 0)."""
    n = there.sum(axis=0)
    x = x * there
    beta = x.sum(axis=0) / n
    alpha2 = 2.0 / ((there * (x - beta) ** 2).sum(axis=0) / n)  # half of the variance is the items' own, to begin with
    variance = float(0.5 / alpha2.mean())
    for cycle in range(1, MOST_CYCLES + 1):
        v = 1.0 / (there @ alpha2 + 1.0 / variance)
        m = v * (there @ (alpha2 * beta) - x @ alpha2)
        m -= m.mean()
        new_beta = (x.sum(axis=0) + m @ there) / n
        left = (x + m[:, None] - new_beta) * there
        own = ((left**2).sum(axis=0) + v @ there) / n
        new_alpha2, new_variance = 1.0 / np.maximum(own, LEAST_SPREAD**2), float((m**2 + v).mean())
        change = max(
            float(np.abs(new_beta - beta).max()),
            float(np.abs(np.sqrt(new_alpha2) / np.sqrt(alpha2) - 1.0).max()),
            abs(new_variance / variance - 1.0),
        )
        alpha2, beta, variance = new_alpha2, new_beta, new_variance
        if change < TOLERANCE:
            return alpha2, beta, float(np.sqrt(variance)), cycle, True
    return alpha2, beta, float(np.sqrt(variance)), MOST_CYCLES, False
