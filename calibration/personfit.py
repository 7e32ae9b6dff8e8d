"""Person fit of answers: is a pattern one that the model would give at the person's ability?

A pattern's log-likelihood l = sum_i ln P_ix, with x the category answered, standardised over the patterns that could have been:

    lz  = (l - E) / sqrt(V),  E = sum_i sum_k P_ik ln P_ik,  V = sum_i Var_i(ln P)          Drasgow, Levine & Williams (1985)

At the true ability lz is about N(0, 1); at an estimated one its spread is too small, as the estimate takes the pattern's side. With
r_ik = d ln P_ik / d theta, score S = sum_i r_ix and information I = sum_i sum_k P_ik r_ik^2,

    lz* = (l - E - c S) / sqrt(V - c^2 I),  c = sum_i sum_k P_ik r_ik ln P_ik / I           Snijders (2001); Sinharay (2016) for k > 2

In Snijders' form the numerator is l - E + c r_0, where the estimate solves S + r_0 = 0: r_0 = 0 for maximum likelihood, the slope of the log-prior
for the posterior mode, J / (2 I) for Warm's estimate. Writing -S for r_0 is the same for those three, and makes sense of estimates that solve no
such equation (posterior means, estimates at a bound): the weights ln P_ik - c r_ik are not moved by a small error of ability, whatever its source
(Neyman, 1959). Low values are improbable patterns: the test is one-sided.

Several competencies: numerators and variances add up over them, each at its own ability with its own c (Drasgow, Levine & McLaughlin, 1991).
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from calibration.personfit_answers import Sittings
from cat_engine.irt import Floats, Ints, derivatives_at, log_probabilities_at

LEAST_ANSWER_VARIANCE = 1e-5**0.5  # below, one surprise would outweigh all other answers in a mean square
LEAST_VARIANCE = 1e-9  # of the log-likelihood, as a share of it: below, the pattern cannot be told from another


@dataclass(frozen=True, slots=True, eq=False)
class PatternFit:
    """Of P people: lz, lz_star and its one-sided p by the normal distribution; mean squares of residuals, over all answers alike (outfit) and weighted
    by information (infit), 1 where the model holds (Wright & Masters, 1982), an answer's variance counting as LEAST_ANSWER_VARIANCE or more. NaN where nothing can be told: no answers, or, for lz_star, too few.
    """

    lz: Floats
    lz_star: Floats
    outfit: Floats
    infit: Floats

    @property
    def p(self) -> Floats:
        """P(lz* as low or lower), [P]."""
        return np.asarray(ndtr(self.lz_star))


@dataclass(frozen=True, slots=True, eq=False)
class Met:
    """Answers met by what the model expects of them, R of them: theta[R], the ability of the answer's unit; category[R]; p and log_p of every category,
    [R, K], 0 in the padding, and slope[R, K] of log_p; residual[R], category less expectation, and its variance[R].
    """

    theta: Floats
    category: Ints
    p: Floats
    log_p: Floats
    slope: Floats
    residual: Floats
    variance: Floats

    @property
    def own_slope(self) -> Floats:
        """The slope of the category answered: the answer's score function, [R]."""
        return np.asarray(self.slope[np.arange(len(self.category)), self.category])

    @property
    def information(self) -> Floats:
        """Fisher information of each answer, [R]."""
        return np.asarray((self.p * self.slope**2).sum(axis=1))


def met(sittings: Sittings, category: Ints, theta: Floats) -> Met:
    """Of category[R], answered to the items of the sittings, at the abilities theta[U] of the units."""
    own = theta[sittings.unit]
    log_p = log_probabilities_at(sittings.own, own)
    p = np.exp(log_p)
    k = np.arange(p.shape[1])
    expected = (p * k).sum(axis=1)
    slope, _ = derivatives_at(sittings.own, own)
    variance = (p * (k - expected[:, None]) ** 2).sum(axis=1)
    return Met(own, category, p, np.where(p > 0, log_p, 0.0), slope, category - expected, variance)


def surprise(p: Floats, log_p: Floats, category: Ints) -> tuple[Floats, Floats]:
    """What l - E and V of lz are sums of, over the answers category[R] with p[R, K] and log_p[R, K] (0 in the padding): [R] each."""
    mean = (p * log_p).sum(axis=1)
    return log_p[np.arange(len(category)), category] - mean, (p * log_p**2).sum(axis=1) - mean**2


def pattern_fit(sittings: Sittings, at: Met) -> PatternFit:
    """Fit of each person's answers. A person's value does not depend on the others'."""
    gap, spread = surprise(at.p, at.log_p, at.category)
    score, info = sittings.by_unit(at.own_slope), sittings.by_unit(at.information)
    covariance = sittings.by_unit((at.p * at.slope * at.log_p).sum(axis=1))

    mine = np.maximum(at.variance, LEAST_ANSWER_VARIANCE)
    numerator, variance = sittings.by_person(gap), sittings.by_person(spread)
    with np.errstate(divide="ignore", invalid="ignore"):
        c = np.where(info > 0, covariance / info, 0.0)
        left = variance - sittings.units_by_person(c**2 * info)
        lz_star = np.where(left > LEAST_VARIANCE * variance, (numerator - sittings.units_by_person(c * score)) / np.sqrt(left), np.nan)
        return PatternFit(
            numerator / np.sqrt(variance), lz_star, sittings.by_person(at.residual**2 / mine) / sittings.count,
            sittings.by_person(at.residual**2) / sittings.by_person(mine),
        )  # fmt: skip
