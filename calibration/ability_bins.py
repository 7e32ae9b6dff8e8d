"""Fit of single items by bins of ability: X2 (Bock, 1972; Yen, 1981), for answers of any kind, routed ones too.

Those who met an item are put in order of their ability and cut into bins of the same number; in each, the numbers who chose category k are held
against what the model expects at the bin's mean ability,

    X2 = sum_bk (O_bk - E_bk)^2 / E_bk,    E_bk = N_b P_k(mean theta of b)

Abilities are estimates, made from the same answers, so X2 tends to be large even where the model holds, on short tests most of all: it compares
items of one test, and points at the worst. S-X2 (item_fit.py) keeps its level, where everybody took the whole form.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from calibration.curves import params_of
from cat_engine import Row
from cat_engine.irt import Floats, Ints, log_probabilities_at

BINS = 10
LEAST_IN_BIN = 5
SAME = 9  # decimals to which abilities are the same: people of one ability stay in the order of the answers


@dataclass(frozen=True, slots=True, eq=False)
class BinFit:
    """statistic[I], df[I] and p[I]; NaN (df 0 or less) where an item had fewer than LEAST_IN_BIN answers a bin or leaves no degrees of freedom."""

    statistic: Floats
    df: Ints
    p: Floats


def bin_fit(
    person: Ints, item: Ints, category: Ints, rows: Sequence[Row], theta: Floats, n_free: Sequence[int], n_bins: int = BINS
) -> BinFit:
    """X2 of I items of given parameters from answers person[R], item[R], category[R] at abilities theta[P]; n_free[I] parameters were estimated of each.

    What is left over where the number of answers is no multiple of n_bins goes to the first and the last bin.
    """
    order = np.lexsort((person, np.round(theta, SAME)[person], item))
    person, item, category = person[order], item[order], category[order]
    n = np.bincount(item, minlength=len(rows))
    size, rest = np.divmod(n, n_bins)
    rank = np.arange(len(item)) - (np.cumsum(n) - n)[item]
    own = np.clip((rank - rest[item] // 2) // np.maximum(size, 1)[item], 0, n_bins - 1)

    n_cat, width = np.array([len(row.b) + 1 for row in rows]), max(len(row.b) for row in rows) + 1
    cell = item * n_bins + own
    count = np.bincount(cell, minlength=len(rows) * n_bins)
    place = np.repeat(np.arange(len(rows)), n_bins)
    mean = np.bincount(cell, theta[person], len(count)) / np.maximum(count, 1)
    params = params_of(rows)
    expected = count[:, None] * np.exp(log_probabilities_at(params.take(place), mean))
    observed = np.bincount(cell * width + category, minlength=len(count) * width).reshape(-1, width)
    terms = np.divide((observed - expected) ** 2, expected, out=np.zeros_like(expected), where=expected > 0)
    enough = size >= LEAST_IN_BIN
    statistic = np.where(enough, terms.reshape(len(rows), -1).sum(axis=1), np.nan)
    df = np.where(enough, n_bins * (n_cat - 1) - np.asarray(n_free), 0)
    return BinFit(statistic, df, np.where(df > 0, chdtrc(np.maximum(df, 1), statistic), np.nan))
