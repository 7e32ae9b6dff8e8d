"""Person fit of response times: is somebody's pattern of times one that the lognormal model would give at the person's speed, and how many are no answers?

With z_i = alpha_i (ln t_i - beta_i + tau), tau the maximum likelihood speed of the person over n times (cat_engine.timing for the model):

    X^2 = sum z_i^2 ~ chi-square with n - 1 degrees of freedom, exactly                     Sinharay (2018); Marianti et al. (2014)
    e_i = z_i / sqrt(1 - alpha_i^2 / sum alpha^2) ~ N(0, 1): the time beside what the person's other times predict
                                                                                            van der Linden & Guo (2008), with a flat prior of speed

Real times are spread more than the model has it, and one person's more than another's: the exact p then flags a fifth of honest people. `p_among` is therefore
the larger of the exact p and P(Z >= (w - m) / s), w = (ln(X^2 / df) + 1 / df) / sqrt(2 / df), about N(0, 1) under the model, m its median and s its interquartile
range's sd over the people, where they are above 0 and 1 (after the genomic control of Devlin & Roeder, 1999). Under the model it changes little.

A person is unusually quick if tau is high among the people, Normal(mean, sd^2 + its error variance): no misfit, yet the plainest trace of items known beforehand.

Rapid guesses are times below an item's threshold, by default a tenth of its mean time, at most 10 s (NT10; Wise & Ma, 2012); response-time effort is the share
of answers that are none (Wise & Kong, 2005).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtr

from calibration.drift import SD_OF_IQR
from calibration.personfit_answers import Sittings
from cat_engine.irt import Floats, Ints
from cat_engine.timing import ItemTimes, Speeds, calibrate_times, mean_time, rapid, rapid_threshold

LEAST_SD = 0.05  # of speed in the population: people who are all but alike would leave nothing to learn about one
FEWEST_TO_SPREAD = 30  # people, for an interquartile range
LEAST_RATIO = 1e-12  # of chi-square to its degrees of freedom: times all as expected have a logarithm too
FAST = -2.326  # of e: faster than 99 in 100 given the person's other times


@dataclass(frozen=True, slots=True, eq=False)
class ItemSpeeds:
    """Time parameters of I items, alpha[I] and beta[I], NaN for an item that has none: its times are left out."""

    alpha: Floats
    beta: Floats

    @classmethod
    def unknown(cls, n: int) -> "ItemSpeeds":
        """Of n items without any."""
        return cls(np.full(n, np.nan), np.full(n, np.nan))

    @classmethod
    def calibrated(cls, sittings: Sittings) -> "ItemSpeeds":
        """Estimated from the times themselves. Raises Faulty where they are too few."""
        seconds = np.full((sittings.n_persons, len(sittings.params)), np.nan)
        seconds[sittings.person, sittings.item] = sittings.seconds
        found = calibrate_times(seconds)
        return cls(found.alpha, found.beta)

    def terms(self, sittings: Sittings) -> tuple[Floats, Floats]:
        """alpha^2 and ln t - beta of each answer, each [R], both 0 where the time, or the item's parameters, are unknown."""
        alpha, beta = self.alpha[sittings.item], self.beta[sittings.item]
        there = ~np.isnan(sittings.seconds) & ~np.isnan(alpha)
        gap = np.log(np.where(there, sittings.seconds, 1.0)) - np.where(there, beta, 0.0)
        return np.where(there, alpha, 0.0) ** 2, np.where(there, gap, 0.0)

    def thresholds(self) -> Floats:
        """NT10 of each item, in seconds, [I]; NaN where there are no parameters."""
        out = np.full(len(self.alpha), np.nan)
        known = np.flatnonzero(~np.isnan(self.alpha))
        out[known] = rapid_threshold(mean_time(ItemTimes(self.alpha[known], self.beta[known]), np.zeros(1))[0])
        return out


def population(sittings: Sittings, items: ItemSpeeds) -> Speeds:
    """Mean and sd of speed by moments: the variance of the people's tau less the mean of its error variance, at least LEAST_SD^2."""
    tau, error = _speeds(sittings, items)[:2]
    known = ~np.isnan(tau)
    if known.sum() < 2:
        return Speeds()
    return Speeds(float(tau[known].mean()), float(np.sqrt(max(tau[known].var() - error[known].mean(), LEAST_SD**2))))


@dataclass(frozen=True, slots=True, eq=False)
class TimeFit:
    """Of P people: tau and its SE; chi2, its degrees of freedom and p (large chi2); fast, how many answers have e below -2.33; effort, the share of answers that are no rapid
    guesses. NaN for somebody with fewer than two times (effort: none).
    """

    tau: Floats
    se: Floats
    chi2: Floats
    df: Ints
    p: Floats
    fast: Ints
    effort: Floats

    def p_among(self) -> Floats:
        """p of the chi-square among the people, [P]; with fewer than FEWEST_TO_SPREAD people the exact one."""
        with np.errstate(divide="ignore", invalid="ignore"):
            w = (np.log(np.maximum(self.chi2 / self.df, LEAST_RATIO)) + 1 / self.df) / np.sqrt(2 / self.df)
        known = w[~np.isnan(w)]
        if len(known) < FEWEST_TO_SPREAD:
            return self.p
        low, middle, high = np.percentile(known, (25, 50, 75))
        return np.asarray(np.maximum(self.p, ndtr((max(middle, 0.0) - w) / max(SD_OF_IQR * (high - low), 1.0))))

    def p_quick(self, people: Speeds) -> Floats:
        """P(tau as high or higher) of a person of the population, [P]."""
        return np.asarray(ndtr((people.mean - self.tau) / np.sqrt(people.sd**2 + self.se**2)))


def speeds(sittings: Sittings, items: ItemSpeeds) -> tuple[Floats, Floats]:
    """The maximum likelihood speed of each of P people and its error variance, NaN for somebody without times."""
    return _speeds(sittings, items)[:2]


def time_fit(sittings: Sittings, items: ItemSpeeds, threshold_s: Floats) -> TimeFit:
    """From the times of the sittings, the time parameters of the I items and their thresholds[I] in seconds."""
    tau, error, weight, gap = _speeds(sittings, items)
    there = weight > 0
    n = sittings.by_person(there.astype(float))
    enough = n >= 2
    left = gap + np.nan_to_num(tau)[sittings.person]
    z2 = weight * left**2
    with np.errstate(divide="ignore", invalid="ignore"):
        e = np.sign(left) * np.sqrt(z2 / (1 - weight * error[sittings.person]))
    chi2 = np.where(enough, sittings.by_person(z2), np.nan)
    df = np.maximum(n - 1, 0).astype(np.int64)
    fast = sittings.by_person((there & enough[sittings.person] & (e < FAST)).astype(float)).astype(np.int64)
    timed = sittings.by_person((~np.isnan(sittings.seconds)).astype(float))
    quick = sittings.by_person(rapid(sittings.seconds, threshold_s[sittings.item]).astype(float))
    effort = np.where(timed > 0, 1 - quick / np.maximum(timed, 1), np.nan)
    return TimeFit(tau, np.sqrt(error), chi2, df, np.where(enough, chdtrc(np.maximum(df, 1), chi2), np.nan), fast, effort)


def _speeds(sittings: Sittings, items: ItemSpeeds) -> tuple[Floats, Floats, Floats, Floats]:
    """tau and its error variance, each [P], NaN for somebody without times; weight alpha^2 and gap ln t - beta of each answer, each [R], 0 where unknown."""
    weight, gap = items.terms(sittings)
    precision = sittings.by_person(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        error = np.where(precision > 0, 1 / precision, np.nan)
        return -sittings.by_person(weight * gap) * error, error, weight, gap
