"""Fit of single items by total score: S-X2 (Orlando & Thissen, 2000; more than two categories: Kang & Chen, 2008).

Total scores are observed, abilities are not: in each group of people of one total score s, the numbers who chose category k of item i are held
against what the model expects of people with that score,

    E(k | s) = N_s  sum_q w_q P_ik(theta_q) R_i(s - k | theta_q)  /  sum_q w_q S(s | theta_q)

with S the distribution of the total score and R_i that of the total without item i, by the recursion of Lord & Wingersky (1984). Notation: P persons,
I items, K categories, Q nodes of ability with weights w.

Groups are too small at the ends of the scale, so expected numbers below LEAST_EXPECTED are merged: scores at which a category is impossible, into the
first score where all can be; then the smallest category of a score into its smaller neighbour, down to two; then, from low scores up, a score into the
neighbouring score with fewer people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from calibration.complete import require_complete
from cat_engine import Fault, Faulty
from cat_engine.irt import Floats, Ints

LEAST_EXPECTED = 1.0

Cells = tuple[Floats, Floats]  # observed and expected numbers by category, of people of one score or of neighbouring ones


@dataclass(frozen=True, slots=True, eq=False)
class ScoreFit:
    """statistic[I], df[I], p[I] and rmsea[I]; p and rmsea are NaN where merging left no degrees of freedom."""

    statistic: Floats
    df: Ints
    p: Floats
    rmsea: Floats


def s_x2(scores: Ints, p: Floats, weights: Floats, n_free: Sequence[int]) -> ScoreFit:
    """S-X2 of complete answers scores[P, I] to items with probabilities p[I, K, Q] (0 in categories that an item lacks) at weights[Q].

    n_free[I]: parameters of the item that were estimated, a slope or sd of ability that items share among them. Raises Faulty for incomplete answers
    and for answers in categories that an item lacks.
    """
    require_complete(scores, "S-X2")
    n_cat = np.count_nonzero(p.sum(axis=2), axis=1)
    faults = [
        Fault("answers", f"item {i + 1}", "have categories that its model lacks") for i in np.flatnonzero(scores.max(axis=0) >= n_cat)
    ]
    if faults:
        raise Faulty(faults)
    curves = [own[:n] for own, n in zip(p, n_cat.tolist(), strict=True)]
    total = scores.sum(axis=1)
    people = np.bincount(total, minlength=int((n_cat - 1).sum()) + 1)
    share = summed_scores(curves) @ weights
    statistic, df = np.zeros(len(curves)), np.zeros(len(curves), dtype=np.int64)
    for i, rest in enumerate(without_each(curves)):
        expected = np.zeros((len(people), n_cat[i]))
        observed = np.zeros_like(expected)
        for k, curve in enumerate(curves[i]):
            expected[k : k + len(rest), k] = (curve * rest) @ weights
        expected *= np.divide(people, share, out=np.zeros(len(people)), where=share > 0)[:, None]
        np.add.at(observed, (total, scores[:, i]), 1)
        merged = _merge(observed, expected)
        statistic[i] = sum(float(((seen - due) ** 2 / due).sum()) for seen, due in merged)
        df[i] = sum(len(due) - 1 for _, due in merged) - n_free[i]
    some = df > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        rmsea = np.sqrt(np.maximum(statistic - df, 0) / (df * (len(scores) - 1)))
        return ScoreFit(statistic, df, np.where(some, chdtrc(df, statistic), np.nan), np.where(some, rmsea, np.nan))


def summed_scores(curves: Sequence[Floats]) -> Floats:
    """Distribution of the total score given ability, [scores, Q], of items with probabilities [K, Q] each (Lord & Wingersky, 1984)."""
    return _add(np.ones((1, curves[0].shape[1])), curves)


def without_each(curves: Sequence[Floats]) -> list[Floats]:
    """The same for the total without each item in turn: halves are added to each other's outside, so that I log I additions are enough."""

    def go(low: int, high: int, outside: Floats) -> list[Floats]:
        if high - low == 1:
            return [outside]
        middle = (low + high) // 2
        return go(low, middle, _add(outside, curves[middle:high])) + go(middle, high, _add(outside, curves[low:middle]))

    return go(0, len(curves), np.ones((1, curves[0].shape[1])))


def _add(scores: Floats, curves: Sequence[Floats]) -> Floats:
    for curve in curves:
        longer = np.zeros((len(scores) + len(curve) - 1, scores.shape[1]))
        for k, own in enumerate(curve):
            longer[k : k + len(scores)] += own * scores
        scores = longer
    return scores


def _merge(observed: Floats, expected: Floats) -> list[Cells]:
    """The cells that are compared, by score or neighbouring scores; nobody can differ at the lowest and the highest score."""
    highest, n_cat = len(expected) - 1, expected.shape[1]
    low, high = n_cat - 1, highest - n_cat + 1  # between them all categories can be
    if low >= high:
        parts = [slice(1, highest)]
    else:
        parts = [slice(1, low + 1), *(slice(s, s + 1) for s in range(low + 1, high)), slice(high, highest)]
    rows = [_within(observed[part].sum(axis=0), expected[part].sum(axis=0)) for part in parts if expected[part].any()]
    return _across(rows)


def _within(observed: Floats, expected: Floats) -> Cells:
    while len(expected) > 2 and expected.min() < LEAST_EXPECTED:
        k = int(expected.argmin())
        into = _smaller_neighbour(expected, k)
        observed, expected = _joined(observed, k, into), _joined(expected, k, into)
    return observed, expected


def _joined(values: Floats, k: int, into: int) -> Floats:
    out = values.copy()
    out[into] += out[k]
    return np.delete(out, k)


def _across(rows: list[Cells]) -> list[Cells]:
    people = [round(float(observed.sum())) for observed, _ in rows]
    at = 0
    while at < len(rows) and len(rows) > 1:
        if rows[at][1].min() >= LEAST_EXPECTED:
            at += 1
            continue
        into = _smaller_neighbour(people, at)
        rows[into] = tuple(_sum(mine, theirs) for mine, theirs in zip(rows[at], rows[into], strict=True))  # type: ignore[assignment]
        people[into] += people[at]
        del rows[at], people[at]
        at = max(min(at, into) - 1, 0)
    return [row for row in rows if row[1].min() > 0]


def _sum(one: Floats, other: Floats) -> Floats:
    out = np.zeros(max(len(one), len(other)))
    out[: len(one)] += one
    out[: len(other)] += other
    return out


def _smaller_neighbour(sizes: Sequence[float] | Floats, k: int) -> int:
    if k == 0 or k == len(sizes) - 1:
        return 1 if k == 0 else k - 1
    return k - 1 if sizes[k - 1] <= sizes[k + 1] else k + 1
