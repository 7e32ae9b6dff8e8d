"""Differential item functioning by likelihood ratios between calibrations: an item with parameters of its own in the focal group, or common ones?

Ability is normal in both groups, N(0, 1) in the reference group and with free mean and sd in the focal one, put on one scale by the anchors: all items
but the one under test, and but those that purification has freed (Thissen, Steinberg & Wainer, 1993). Nothing is matched by score, so routed and
incomplete answers and items of any model are taken.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtrc

from calibration.curves import params_of
from calibration.dif_groups import check_groups
from calibration.mml import FLAT, MmlFit, MmlOptions, fit_mml
from calibration.twins import Twins
from cat_engine import Row, expected_score
from cat_engine.irt import Floats, Ints

OPTIONS = MmlOptions(priors=FLAT, tolerance=1e-4)


@dataclass(frozen=True, slots=True, eq=False)
class LikelihoodDif:
    """Chi-squares [I] of all parameters but asymptotes, of b alone (uniform DIF) and of the slope beside b (non-uniform), with df and p.

    NaN where an item was not tested, or has no slope of its own. reference and focal: its rows in each group. signed[I] and unsigned[I] are the
    difference of expected item scores, focal less reference, over the focal people who met the item, and its size (SIDS and UIDS of Meade, 2010).
    mean and sd: ability in the focal group.
    """

    both: Floats
    uniform: Floats
    nonuniform: Floats
    df_both: Ints
    df_uniform: Ints
    p_both: Floats
    p_uniform: Floats
    p_nonuniform: Floats
    signed: Floats
    unsigned: Floats
    reference: tuple[Row, ...]
    focal: tuple[Row, ...]
    mean: float
    sd: float


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    person: Ints
    item: Ints
    category: Ints
    focal: NDArray[np.bool_]  # by person

    def fit(self, rows: Sequence[Row], split: Sequence[int], options: MmlOptions, same_slope: Iterable[int] = ()) -> MmlFit:
        """Split items have twins at the end, which the focal group met in their place."""
        place = np.arange(len(rows))
        place[list(split)] = len(rows) + np.arange(len(split))
        item = np.where(self.focal[self.person], place[self.item], self.item)
        slopes = set(same_slope)
        twins = [Twins(i, int(place[i]), i in slopes) for i in split]
        return fit_mml(
            self.person, item, self.category, [*rows, *(rows[i] for i in split)], options, group=self.focal.astype(int), twins=twins
        )

    def told(self, i: int) -> bool:
        """Whether both groups chose at least two categories of an item."""
        mine = self.item == i
        inside = self.focal[self.person[mine]]
        return all(len(np.unique(self.category[mine][group])) > 1 for group in (inside, ~inside))


def likelihood_dif(
    person: Ints,
    item: Ints,
    category: Ints,
    rows: Sequence[Row],
    focal: NDArray[np.bool_],
    anchors: NDArray[np.bool_] | None = None,
    studied: NDArray[np.bool_] | None = None,
    options: MmlOptions = OPTIONS,
) -> LikelihoodDif:
    """Test the `studied`[I] items (default all) of answers person[R], item[R], category[R] in groups focal[P]; rows[I] are starting values.

    Items that are not `anchors`[I] have parameters of their own in both groups throughout. Raises Faulty for a group of fewer than two people and where
    fewer than two anchors are left.
    """
    anchors = np.ones(len(rows), dtype=bool) if anchors is None else anchors
    check_groups(focal, anchors)
    answers = _Answers(person, item, category, focal)
    freed = np.flatnonzero(~anchors).tolist()
    base = answers.fit(rows, freed, options)
    start, mean, sd = base.rows[: len(rows)], float(base.means[1]), float(base.sds[1])
    chi, df = np.full((2, len(rows)), np.nan), np.zeros((2, len(rows)), dtype=np.int64)
    effect = np.full((2, len(rows)), np.nan)
    focal_rows = list(start)
    for i in range(len(rows)):
        if (studied is not None and not studied[i]) or not answers.told(i):
            continue
        others = [k for k in freed if k != i]
        common = base if anchors[i] else answers.fit(start, others, options)
        free = answers.fit(start, [*others, i], options)
        own_slope = free.n_free - common.n_free > len(rows[i].b)
        level = answers.fit(start, [*others, i], options, [i]) if own_slope else free
        chi[:, i] = [max(0.0, 2 * (fit.loglik - common.loglik)) for fit in (free, level)]
        df[:, i] = [fit.n_free - common.n_free for fit in (free, level)]
        twin = len(rows) + len(others)
        focal_rows[i] = free.rows[twin]
        start = (*start[:i], free.rows[i], *start[i + 1 :])
        met = free.expected[twin].sum(axis=0)
        gap = np.diff(expected_score(params_of((start[i], focal_rows[i])), free.nodes), axis=1)[:, 0]
        effect[:, i] = met @ gap / met.sum(), met @ np.abs(gap) / met.sum()
    slope_df = df[0] - df[1]
    slope = np.where(slope_df > 0, np.maximum(chi[0] - chi[1], 0.0), np.nan)
    p = [np.asarray(chdtrc(np.maximum(own, 1), values)) for values, own in ((chi[0], df[0]), (chi[1], df[1]), (slope, slope_df))]
    return LikelihoodDif(chi[0], chi[1], slope, df[0], df[1], p[0], p[1], p[2], effect[0], effect[1], start, tuple(focal_rows), mean, sd)
