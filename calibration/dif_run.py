"""Differential item functioning within a calibration: every estimated item, for every group of people that is large enough, against all others.

By residuals of what a person's other answers predict (dif_residual.py), which routed answers allow. An item is flagged for a group where RDIF_RS is
significant after Holm's (1979) correction over all tests of the competency, and the mean shift is at least .1 of the item's score range: the gap
that counts as misfit elsewhere too.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.dif_groups import Mask
from calibration.dif_prediction import predictions
from calibration.dif_residual import ResidualDif, answer_terms
from calibration.holm import holm
from cat_engine import ItemParams
from cat_engine.irt import Ints

LEAST_IN_GROUP = 100  # answers to an item
LEVEL = 0.01
LARGEST_SHIFT = 0.1


@dataclass(frozen=True, slots=True)
class DifFinding:
    """One item for one group (the focal one) against all others: n answers in both; shift, the mean residual of the group less that of the others as
    a share of the score range (below 0: to the group's disadvantage), its SE, p of RDIF_RS after Holm's correction, and whether it is flagged.
    """

    item_id: str
    grouping: str
    group: str
    n_focal: int
    n_reference: int
    shift: float
    se: float
    p: float
    flagged: bool


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """People by what they are: the names of the `groups`, in order ("" = unknown), and the number of each person's, member[P]."""

    name: str
    groups: tuple[str, ...]
    member: Ints

    @classmethod
    def of(cls, name: str, groups: Sequence[str]) -> "Grouping":
        """From the name of each person's group, [P]."""
        names = sorted(set(groups))
        place = {group: g for g, group in enumerate(names)}
        return cls(name, tuple(names), np.fromiter(map(place.__getitem__, groups), dtype=np.int64, count=len(groups)))

    def among(self, who: Ints) -> "Grouping":
        """That of some of the people."""
        return replace(self, member=self.member[who])


def run_dif(
    person: Ints, item: Ints, category: Ints, params: ItemParams, ids: Sequence[str], groupings: Iterable[Grouping]
) -> tuple[DifFinding, ...]:
    """Of answers person[R], item[R], category[R] to items `ids` of parameters `params`."""
    divisions = [found for grouping in groupings for found in _divisions(grouping, person, item, len(ids))]
    if not divisions:
        return ()
    focal, tested = np.stack([division.focal for division in divisions]), np.stack([division.tested for division in divisions])
    sums = np.zeros((5, 2, *tested.shape))
    for guess in predictions(person, item, category, params, focal, wanted=tested):
        inside = focal[guess.divisions].take(person[guess.answers], axis=1)
        terms = answer_terms(category[guess.answers], guess.p)  # [D, 5, N]
        both = terms @ np.stack([~inside, inside], axis=2).astype(float)
        sums[:, :, guess.divisions, guess.item] += both.transpose(1, 2, 0)
    n = np.stack([division.n for division in divisions], axis=1)  # [2, C, I]
    dif = ResidualDif.of(n, sums)
    p, shift = holm(dif.p_rs[tested]), dif.r[tested] / np.broadcast_to(params.n_cat - 1, tested.shape)[tested]
    flagged = (p < LEVEL) & (np.abs(shift) >= LARGEST_SHIFT)
    with np.errstate(invalid="ignore", divide="ignore"):
        se = np.where(dif.z_r[tested] == 0, np.nan, np.abs(shift / dif.z_r[tested]))
    figures = zip(n[1][tested].tolist(), n[0][tested].tolist(), shift.tolist(), se.tolist(), p.tolist(), flagged.tolist(), strict=True)
    return tuple(
        DifFinding(ids[k], divisions[c].grouping, divisions[c].group, *own)
        for (c, k), own in zip(np.argwhere(tested).tolist(), figures, strict=True)
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Division:
    """A group against all others: who is in it, focal[P]; the answers of the others and of the group to each item, n[2, I]; the items tested[I]."""

    grouping: str
    group: str
    focal: Mask
    n: Ints
    tested: Mask


def _divisions(grouping: Grouping, person: Ints, item: Ints, n_items: int) -> Iterator[_Division]:
    """Each group of a grouping for which two items or more have answers enough."""
    n_groups = len(grouping.groups)
    answers = np.bincount(grouping.member[person] * n_items + item, minlength=n_groups * n_items).reshape(n_groups, n_items)
    n = np.stack([answers.sum(axis=0) - answers, answers], axis=1)  # [G, 2, I]
    tested = n.min(axis=1) >= LEAST_IN_GROUP
    enough = tested.sum(axis=1) >= 2
    for g in _focal_groups(grouping.groups, np.bincount(grouping.member, minlength=n_groups)):
        if enough[g]:
            yield _Division(grouping.name, grouping.groups[g], np.equal(grouping.member, g), n[g], tested[g])


def _focal_groups(groups: Sequence[str], sizes: Ints) -> list[int]:
    """Which of the groups, in order of their names: each that has one, and people; of two groups the smaller one alone, as one test says it all."""
    named = [g for g, name in enumerate(groups) if name and sizes[g]]
    if len(named) == 2:
        return [min(named, key=sizes.__getitem__)]
    return named if len(named) > 2 else []
