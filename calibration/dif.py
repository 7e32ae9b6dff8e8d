"""Differential item functioning on a form that everybody took: is an item harder for one group than for equally able people of another?

Ability is matched by the total score over the anchors and the studied item; 0/1 items, a reference and a focal group. On routed or incomplete
answers a total score matches nobody, so those are refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, expit, ndtr

from calibration.dif_groups import Mask, check_groups
from cat_engine import Fault, Faulty
from cat_engine.irt import Floats, Ints

STEPS = 100
MODERATE, LARGE = 0.035, 0.070  # gain in Nagelkerke's R^2 (Jodoin & Gierl, 2001)


@dataclass(frozen=True, slots=True, eq=False)
class MantelHaenszel:
    """statistic[I] (chi-square, 1 df), p[I], alpha[I] (common odds ratio, > 1 favours the reference), var_log_alpha[I]; NaN where an item cannot tell.
    Where at every score one group alone solved it or failed it alpha is 0 or infinite, and its variance NaN.

    difference[I] is the standardised difference of proportions, focal less reference, weighted by the focal group (Dorans & Kulick, 1986).
    """

    statistic: Floats
    p: Floats
    alpha: Floats
    var_log_alpha: Floats
    difference: Floats

    @property
    def delta(self) -> Floats:
        """-2.35 ln alpha: the difference on the ETS delta scale, negative where the focal group is at a disadvantage."""
        with np.errstate(divide="ignore"):
            return np.asarray(-2.35 * np.log(self.alpha))

    @property
    def ets(self) -> tuple[str, ...]:
        """A negligible, B moderate, C large (Zieky, 1993), as is a clear difference without bound; "" where it cannot be told."""
        size, sd = np.abs(self.delta), 2.35 * np.sqrt(self.var_log_alpha)
        clear = self.p < 0.05
        with np.errstate(invalid="ignore", divide="ignore"):
            beyond = np.isinf(size) | (ndtr((1 - size) / sd) < 0.05)
        large, some = (size >= 1.5) & clear & beyond, (size >= 1) & clear
        return tuple("" if np.isnan(s) else "C" if c else "B" if b else "A" for s, c, b in zip(size, large, some, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class LogisticDif:
    """Likelihood-ratio chi-squares [I] of uniform DIF (1 df), non-uniform DIF (1 df) and both (2 df), their p, and the gains in Nagelkerke's R^2.

    parameters[4, I]: b0 to b3 of logit P = b0 + b1 total + b2 focal + b3 total x focal.
    """

    uniform: Floats
    nonuniform: Floats
    both: Floats
    p_uniform: Floats
    p_nonuniform: Floats
    p_both: Floats
    delta_r2: Floats
    delta_r2_uniform: Floats
    delta_r2_nonuniform: Floats
    parameters: Floats

    @property
    def size(self) -> tuple[str, ...]:
        """A negligible, B moderate, C large (Jodoin & Gierl, 2001); "" where it cannot be told."""
        some, large = (self.p_both < 0.05) & (self.delta_r2 >= MODERATE), self.delta_r2 >= LARGE
        return tuple(
            "" if np.isnan(both) else "A" if not b else "C" if c else "B" for both, b, c in zip(self.both, some, large, strict=True)
        )


def _check(scores: Ints, focal: Mask, anchors: Mask | None) -> None:
    faults = []
    if (scores < 0).any():
        faults.append(Fault("answers", "", "are incomplete or routed", "matching by total score needs a form that everybody took whole"))
    if scores.max(initial=0) > 1:
        faults.append(Fault("answers", "", "hold categories above 1", "these methods are for 0/1 items"))
    if faults:
        raise Faulty(faults)
    check_groups(focal, anchors)


def _matched(scores: Ints, anchors: Mask | None) -> Iterator[tuple[Ints, Ints]]:
    """Items that share a matching score, and that score of everybody: of the anchors, and of the anchors and one item for each of the others."""
    anchors = np.ones(scores.shape[1], dtype=bool) if anchors is None else anchors
    total = scores[:, anchors].sum(axis=1)
    yield np.flatnonzero(anchors), total
    for i in np.flatnonzero(~anchors):
        yield np.array([i]), total + scores[:, i]


def mantel_haenszel(scores: Ints, focal: Mask, anchors: Mask | None = None, *, correct: bool = True) -> MantelHaenszel:
    """Mantel & Haenszel (1959), Holland & Thayer (1988); variance of ln alpha by Phillips & Holland (1987). scores[P, I] are 0/1, focal[P].

    `anchors`[I] (default all) make the matching score. `correct` is the continuity correction of the chi-square. Raises Faulty for incomplete or
    polytomous answers, groups of fewer than 2 people and fewer than 2 anchors.
    """
    _check(scores, focal, anchors)
    out = np.full((4, scores.shape[1]), np.nan)
    for items, total in _matched(scores, anchors):
        out[:, items] = _common_odds(scores[:, items], focal, total, correct)
    return MantelHaenszel(out[0], np.asarray(chdtrc(1, out[0])), out[1], out[2], out[3])


def _common_odds(scores: Ints, focal: Mask, total: Ints, correct: bool) -> Floats:
    """Chi-square, alpha, variance of ln alpha, and standardised difference, [4, I]."""
    level = np.unique(total, return_inverse=True)[1]
    n_levels, n_items = int(level.max()) + 1, scores.shape[1]
    right, taken = np.zeros((2, n_levels, n_items)), np.zeros((2, n_levels, 1))
    np.add.at(right, (focal.astype(int), level), scores)
    np.add.at(taken, (focal.astype(int), level), 1)
    both = (taken[0] * taken[1] > 0)[:, 0]
    right, taken = right[:, both], taken[:, both]
    a, c = right
    b, d = taken - right
    n = a + b + c + d
    expected = taken[0] * (a + c) / n
    variance = taken[0] * taken[1] * (a + c) * (b + d) / (n**2 * np.maximum(n - 1, 1))
    odds, against = (a * d / n).sum(axis=0), (b * c / n).sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = np.abs((a - expected).sum(axis=0)) - 0.5 * correct
        statistic = gap**2 / variance.sum(axis=0)
        alpha = odds / against
        spread = ((a * d + alpha * b * c) * (a + d + alpha * (b + c)) / n**2).sum(axis=0)
        var_log_alpha = spread / (2 * odds**2)
        difference = (taken[1] * (c / taken[1] - a / taken[0])).sum(axis=0) / taken[1].sum()
    var_log_alpha[~np.isfinite(var_log_alpha)] = np.nan
    return np.where(variance.sum(axis=0) == 0, np.nan, np.stack([statistic, alpha, var_log_alpha, difference]))


def logistic_dif(scores: Ints, focal: Mask, anchors: Mask | None = None) -> LogisticDif:
    """Swaminathan & Rogers (1990): logit P = b0 + b1 total + b2 focal + b3 total x focal, by likelihood ratios. Arguments and faults as above."""
    _check(scores, focal, anchors)
    statistics, parameters = np.full((6, scores.shape[1]), np.nan), np.full((4, scores.shape[1]), np.nan)
    group = focal.astype(float)
    for items, raw in _matched(scores, anchors):
        mean = raw.mean()
        total = raw - mean  # centred: the deviance is the same
        columns = np.stack([np.ones(len(scores)), total, group, total * group], axis=1)
        for i in items[np.ptp(scores[:, items], axis=0) > 0].tolist():
            y = scores[:, i].astype(float)
            fits = [_fitted(columns[:, :k], y) for k in (1, 2, 3, 4)]
            null, ability, uniform, full = (deviance for deviance, _ in fits)
            r2 = [(1 - np.exp((d - null) / len(y))) / (1 - np.exp(-null / len(y))) for d in (ability, uniform, full)]
            statistics[:, i] = ability - uniform, uniform - full, ability - full, r2[2] - r2[0], r2[1] - r2[0], r2[2] - r2[1]
            b = fits[3][1]
            parameters[:, i] = b[0] - mean * b[1], b[1], b[2] - mean * b[3], b[3]
    uniform, nonuniform, both, gain, gain_uniform, gain_nonuniform = np.where(statistics < 0, 0.0, statistics)
    p_uniform, p_nonuniform, p_both = (np.asarray(chdtrc(df, x)) for x, df in ((uniform, 1), (nonuniform, 1), (both, 2)))
    return LogisticDif(uniform, nonuniform, both, p_uniform, p_nonuniform, p_both, gain, gain_uniform, gain_nonuniform, parameters)


def _fitted(x: Floats, y: Floats) -> tuple[float, Floats]:
    """A logistic regression by Newton's method with halving (also towards infinity, where groups separate): -2 log-likelihood, and the coefficients."""
    beta, deviance = np.zeros(x.shape[1]), _minus_two_log(y, np.zeros(len(y)))
    for _ in range(STEPS):
        p = expit(x @ beta)
        information = (x * (p * (1 - p))[:, None]).T @ x
        step = np.linalg.lstsq(information, x.T @ (y - p), rcond=None)[0]
        while np.abs(step).max() > 1e-12 and _minus_two_log(y, x @ (beta + step)) > deviance:
            step /= 2
        after = min(deviance, _minus_two_log(y, x @ (beta + step)))
        beta, gain, deviance = beta + step, deviance - after, after
        if gain < 1e-12 * max(1.0, deviance):
            break
    return deviance, beta


def _minus_two_log(y: Floats, z: Floats) -> float:
    return float(2 * np.sum(np.logaddexp(0, z) - y * z))
