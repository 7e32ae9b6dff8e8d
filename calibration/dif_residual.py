"""Differential item functioning by residuals: RDIF_R, RDIF_S and RDIF_RS (Lim, Choe & Han, 2022; for adaptive tests Lim & Choe, 2023).

Notation: x an answer's category, E, v, m3, m4 its expectation, variance and higher central moments by p (dif_prediction.py), e = x - E.

    RDIF_R = mean_F e - mean_R e        expectation 0                        variance sum v / n^2 over both groups
    RDIF_S = mean_F e^2 - mean_R e^2    expectation mean_F v - mean_R v      variance sum (m4 - v^2) / n^2        covariance sum m3 / n^2

R sees items that are harder for one group, S items that discriminate otherwise, RS = d' Sigma^-1 d both, as a chi-square with 2 df. The paper takes
residuals at a point estimate of ability and 0/1 items; here they are by prediction, and v, m3, m4 those of any number of categories.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc, ndtr

from calibration.dif_groups import Mask
from cat_engine.irt import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class ResidualDif:
    """r[I] in item score, negative where the focal group is at a disadvantage; s[I]; their z; chi-square rs[I]; p of each.

    NaN where a group did not meet the item.
    """

    r: Floats
    s: Floats
    z_r: Floats
    z_s: Floats
    rs: Floats
    p_r: Floats
    p_s: Floats
    p_rs: Floats

    @classmethod
    def of(cls, n: Ints, sums: Floats) -> "ResidualDif":
        """From the number n[2, I] of answers of both groups, the focal one last, and their sums[5, 2, I] of `answer_terms`."""
        with np.errstate(invalid="ignore", divide="ignore"):
            means = sums / n
            var_r, covariance, var_s = (means[2:] / n).sum(axis=1)
            r, raw, gap = np.diff(means[:3], axis=1)[:, 0]
            s = raw - gap
            z_r, z_s = r / np.sqrt(var_r), s / np.sqrt(var_s)
            rs = (r**2 * var_s - 2 * r * s * covariance + s**2 * var_r) / (var_r * var_s - covariance**2)
        p_r, p_s = (np.asarray(2 * ndtr(-np.abs(z))) for z in (z_r, z_s))
        return cls(r, raw, z_r, z_s, rs, p_r, p_s, np.asarray(chdtrc(2, rs)))


def answer_terms(category: Ints, p: Floats) -> Floats:
    """What is added up over answers category[R] with probabilities p[..., K, R]: e, e^2, v, m3 and m4 - v^2, [..., 5, R]."""
    n_cat = p.shape[-2]
    expected = np.asarray(np.arange(n_cat, dtype=float) @ p)
    v, m3, m4 = np.zeros((3, *expected.shape))
    for k in range(n_cat):
        away = k - expected
        power = p[..., k, :] * away * away
        v += power
        power *= away
        m3 += power
        power *= away
        m4 += power
    e = category - expected
    return np.stack([e, e * e, v, m3, m4 - v * v], axis=-2)


def residual_dif(item: Ints, category: Ints, p: Floats, focal: Mask, n_items: int) -> ResidualDif:
    """Of answers item[R], category[R] with probabilities p[R, K], given in the focal group or not (focal[R])."""
    cell = item + n_items * focal
    sums = [np.bincount(cell, own, 2 * n_items).reshape(2, n_items) for own in answer_terms(category, np.ascontiguousarray(p.T))]
    return ResidualDif.of(np.bincount(cell, minlength=2 * n_items).reshape(2, n_items), np.stack(sums))
