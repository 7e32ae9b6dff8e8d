"""Fit of single items by total score: S-X2 (Orlando & Thissen, 2000; more than two categories: Kang & Chen, 2008).

Total scores are observed, abilities are not: in each group of people of one total score s, the numbers who chose category k of item i are held
against what the model expects of people with that score,

    E(k | s) = N_s  sum_q w_q P_ik(theta_q) R_i(s - k | theta_q)  /  sum_q w_q S(s | theta_q)

with S the distribution of the total score and R_i that of the total without item i, by the recursion of Lord & Wingersky (1984). Notation: P persons,
I items, K categories, Q nodes of ability with weights w.

Groups are too small at the ends of the scale, so cells are merged until each expects LEAST_EXPECTED people. In this order:

1. scores at which a category is impossible, into the first (the last) score at which all can be; nobody can differ at the lowest and the highest
2. a score of one person, into the next higher one (the last into the one before)
3. within a score that has a thin cell, the smallest cell into its smaller neighbour, down to two; what is left moves up, to the lowest places
4. the highest place into the one before, where it expects less than LEAST_EXPECTED for every tenth score, and one that hardly any score has
5. from low scores up, a score with a thin cell into the neighbouring score of fewer people
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from calibration.complete import require_complete
from calibration.curves import width
from calibration.state import COMMON_STEPS, FIXED_SLOPE
from cat_engine import Fault, Faulty, Row
from cat_engine.irt import Floats, Ints

LEAST_EXPECTED = 1.0

TENTH, HARDLY = 10, 0.05  # of the scores (rule 4)


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
        seen, due = _merge(np.stack([observed, expected]))
        cells = due > 0
        statistic[i] = ((seen[cells] - due[cells]) ** 2 / due[cells]).sum()
        df[i] = cells.sum() - len(due) - n_free[i]
    some = df > 0
    with np.errstate(invalid="ignore", divide="ignore"):
        rmsea = np.sqrt(np.maximum(statistic - df, 0) / (df * (len(scores) - 1)))
        return ScoreFit(statistic, df, np.where(some, chdtrc(df, statistic), np.nan), np.where(some, rmsea, np.nan))


def parameters_behind(rows: Sequence[Row]) -> list[int]:
    """How many estimated parameters a joint fit has behind the curves of each item, [I]: its own, and those that it shares.

    Of rsm and mgrm items of one number of categories these are the steps of the first one, and for each further item its shift from there too, as mirt
    counts. Not among them is the sd of ability, which is free where slopes are given.
    """
    found, first = [], set()
    for row in rows:
        n_cat = len(row.b) + 1
        shares = row.model in COMMON_STEPS and n_cat > 2
        found.append(width(row.model, n_cat) - (row.model in FIXED_SLOPE) + (shares and (row.model, n_cat) in first))
        first.add((row.model, n_cat))
    return found


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


def _merge(table: Floats) -> Floats:
    """The cells that are compared, of a table[2, scores, K] of observed and expected numbers; a cell that expects 0 does not exist."""
    for rule in (_possible, _in_company, _within, _common_places, _across):
        table = rule(table)
    return table


def _possible(table: Floats) -> Floats:
    n_scores, n_cat = table.shape[1:]
    low, high = n_cat - 1, n_scores - n_cat  # between them all categories can be
    if low >= high:
        parts = [slice(1, n_scores - 1)]
    else:
        parts = [slice(1, low + 1), *(slice(s, s + 1) for s in range(low + 1, high)), slice(high, n_scores - 1)]
    return np.stack([table[:, part].sum(axis=1) for part in parts], axis=1)


def _in_company(table: Floats) -> Floats:
    table = table[:, table[0].sum(axis=1) > 0]
    s = 0
    while s < table.shape[1] - 1:
        if table[0, s].sum() == 1:
            table = _joined(table, s, s + 1, axis=1)
        else:
            s += 1
    if s > 0 and table[0, s].sum() == 1:
        table = _joined(table, s, s - 1, axis=1)
    return table


def _within(table: Floats) -> Floats:
    out = np.zeros_like(table)
    for s in range(table.shape[1]):
        cells = table[:, s]
        while cells.shape[1] > 2 and cells[1].min() < LEAST_EXPECTED:
            k = int(np.flatnonzero(cells[1] == cells[1].min())[-1])
            cells = _joined(cells, k, _smaller_neighbour(cells[1], k))
        out[:, s, : cells.shape[1]] = cells
    return out


def _common_places(table: Floats) -> Floats:
    while table.shape[2] > 2 and table[1, :, -1].sum() < LEAST_EXPECTED * -(-table.shape[1] // TENTH):
        table = _joined(table, table.shape[2] - 1, table.shape[2] - 2)
    for k in range(table.shape[2] - 1, 0, -1):
        if np.count_nonzero(table[1, :, k]) < HARDLY * table.shape[1]:
            table = _joined(table, k, k - 1)
    return table


def _across(table: Floats) -> Floats:
    while table.shape[1] > 1:
        thin = np.flatnonzero(((table[1] > 0) & (table[1] < LEAST_EXPECTED)).any(axis=1))
        if not len(thin):
            break
        s = int(thin[0])
        table = _joined(table, s, _smaller_neighbour(table[0].sum(axis=1), s), axis=1)
    return table


def _joined(table: Floats, k: int, into: int, axis: int = -1) -> Floats:
    places = np.moveaxis(table.copy(), axis, -1)
    places[..., into] += places[..., k]
    return np.moveaxis(np.delete(places, k, axis=-1), -1, axis)


def _smaller_neighbour(sizes: Floats, k: int) -> int:
    if k == 0 or k == len(sizes) - 1:
        return 1 if k == 0 else k - 1
    return k - 1 if sizes[k - 1] <= sizes[k + 1] else k + 1
