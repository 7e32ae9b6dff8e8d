"""Differential item functioning within a calibration: every estimated item, for every group of people that is large enough, against all others.

By residuals of what a person's other answers predict (dif_residual.py), which routed answers allow. An item is flagged for a group where RDIF_RS is
significant after Holm's (1979) correction over all tests of the competency, and the mean shift is at least .1 of the item's score range: the gap
that counts as misfit elsewhere too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

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
    named = [(grouping, group, np.array(names) == group) for grouping, names in groups.items() for group in _focal_groups(names)]
    focal = np.array([own for *_, own in named]).reshape(len(named), -1)
    n = np.array([[np.bincount(item[own[person] == side], minlength=len(ids)) for side in (False, True)] for own in focal])  # [C, 2, I]
    tested = (n >= LEAST_IN_GROUP).all(axis=1).reshape(len(named), len(ids))
    kept = np.flatnonzero(tested.sum(axis=1) >= 2)
    if not len(kept):
        return ()
    guesses = predicted_each(person, item, category, rows, focal[kept], wanted=tested[kept])
    parts = []
    for c, guess in zip(kept.tolist(), guesses, strict=True):
        mine = tested[c][item]
        parts.append((c * len(ids) + item[mine], category[mine], guess.p[mine], focal[c][person[mine]]))
    cells, categories, p, inside = (np.concatenate(column) for column in zip(*parts, strict=True))
    dif = residual_dif(cells, categories, p, inside, tested.size)  # an item for a group is a cell
    found: list[DifFinding] = []
    for c, k in np.argwhere(tested & (tested.sum(axis=1) >= 2)[:, None]).tolist():
        grouping, group, _ = named[c]
        n_reference, n_focal = n[c, :, k].tolist()
        at, width = c * len(ids) + k, len(rows[k].b)
        shift, z = float(dif.r[at]) / width, float(dif.z_r[at])
        se = abs(shift / z) if z else float("nan")
        found.append(DifFinding(ids[k], grouping, group, n_focal, n_reference, shift, se, float(dif.p_rs[at]), False))
    return _flagged(found)


def _focal_groups(names: Sequence[str]) -> list[str]:
    """Each group that has a name; of two groups the smaller one alone, as one test says it all."""
    sizes = Counter(name for name in names if name)
    if len(sizes) == 2:
        return [min(sorted(sizes), key=sizes.__getitem__)]
    return sorted(sizes) if len(sizes) > 2 else []


def _flagged(found: Sequence[DifFinding]) -> tuple[DifFinding, ...]:
    adjusted = holm(np.array([f.p for f in found])) if found else ()
    return tuple(
        replace(f, p=float(p), flagged=bool(p < LEVEL and abs(f.shift) >= LARGEST_SHIFT)) for f, p in zip(found, adjusted, strict=True)
    )
