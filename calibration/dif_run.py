"""Differential item functioning within a calibration: every estimated item, for every group of people that is large enough, against all others.

By residuals of what a person's other answers predict (dif_residual.py), which routed answers allow. An item is flagged for a group where RDIF_RS is
significant after Holm's (1979) correction over all tests of the competency, and the mean shift is at least .1 of the item's score range: the gap
that counts as misfit elsewhere too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.dif_groups import Mask
from calibration.dif_prediction import predicted_each
from calibration.dif_residual import residual_dif
from calibration.holm import holm
from cat_engine import Row
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


def run_dif(
    person: Ints, item: Ints, category: Ints, rows: Sequence[Row], ids: Sequence[str], groups: Mapping[str, Sequence[str]]
) -> tuple[DifFinding, ...]:
    """Of answers person[R], item[R], category[R] to items `ids` of parameters `rows`; groups: grouping -> name of each person's group, [P]."""
    order = np.argsort(item, kind="stable")
    person, item, category = person[order], item[order], category[order]
    divisions = [found for grouping, names in groups.items() for found in _divisions(grouping, names, person, item, len(ids))]
    if not divisions:
        return ()
    focal = np.stack([division.focal for division in divisions])
    tested = np.stack([division.tested for division in divisions])
    parts = []
    for c, guess in enumerate(predicted_each(person, item, category, rows, focal, wanted=tested)):
        mine = np.flatnonzero(tested[c][item])
        parts.append((c * len(ids) + item[mine], category[mine], guess.p.take(mine, axis=0), focal[c][person[mine]]))
    cells, categories, p, inside = (np.concatenate(column) for column in zip(*parts, strict=True))
    dif = residual_dif(cells, categories, p, inside, tested.size)  # an item for a group is a cell
    found: list[DifFinding] = []
    for c, k in np.argwhere(tested).tolist():
        division, at, width = divisions[c], c * len(ids) + k, len(rows[k].b)
        n_reference, n_focal = division.n[:, k].tolist()
        shift, z = float(dif.r[at]) / width, float(dif.z_r[at])
        se = abs(shift / z) if z else float("nan")
        found.append(DifFinding(ids[k], division.grouping, division.group, n_focal, n_reference, shift, se, float(dif.p_rs[at]), False))
    return _flagged(found)


@dataclass(frozen=True, slots=True, eq=False)
class _Division:
    """A group against all others: who is in it, focal[P]; the answers of the others and of the group to each item, n[2, I]; the items tested[I]."""

    grouping: str
    group: str
    focal: Mask
    n: Ints
    tested: Mask


def _divisions(grouping: str, names: Sequence[str], person: Ints, item: Ints, n_items: int) -> Iterator[_Division]:
    """Each group of a grouping for which two items or more have answers enough."""
    groups = sorted(set(names))
    place = {name: g for g, name in enumerate(groups)}
    own = np.fromiter(map(place.__getitem__, names), dtype=np.int64, count=len(names))
    answers = np.bincount(own[person] * n_items + item, minlength=len(groups) * n_items).reshape(len(groups), n_items)
    for g in _focal_groups(groups, np.bincount(own)):
        n = np.stack([answers.sum(axis=0) - answers[g], answers[g]])
        tested = n.min(axis=0) >= LEAST_IN_GROUP
        if tested.sum() >= 2:
            yield _Division(grouping, groups[g], np.equal(own, g), n, tested)


def _focal_groups(groups: Sequence[str], sizes: Ints) -> list[int]:
    """Which of the groups, in order of their names: each that has one; of two groups the smaller one alone, as one test says it all."""
    named = [g for g, name in enumerate(groups) if name]
    if len(named) == 2:
        return [min(named, key=sizes.__getitem__)]
    return named if len(named) > 2 else []


def _flagged(found: Sequence[DifFinding]) -> tuple[DifFinding, ...]:
    adjusted = holm(np.array([f.p for f in found])) if found else ()
    return tuple(
        replace(f, p=float(p), flagged=bool(p < LEVEL and abs(f.shift) >= LARGEST_SHIFT)) for f, p in zip(found, adjusted, strict=True)
    )
