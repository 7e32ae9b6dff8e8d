"""Differential item functioning within a calibration: every estimated item, for every group of people that is large enough, against all others.

By residuals of what a person's other answers predict (dif_residual.py), which routed answers allow. An item is flagged for a group where RDIF_RS is
significant after Holm's (1979) correction over all tests of the competency, and the mean shift is at least .1 of the item's score range: the gap
that counts as misfit elsewhere too.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.dif_prediction import predicted
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
    found: list[DifFinding] = []
    for grouping, names in groups.items():
        label = np.array(names)
        for group in _focal_groups(names):
            focal = label == group
            n = np.stack([np.bincount(item[mine], minlength=len(ids)) for mine in (~focal[person], focal[person])])
            tested = np.asarray((n >= LEAST_IN_GROUP).all(axis=0))
            if tested.sum() < 2:
                continue
            p, mine = predicted(person, item, category, rows, focal, wanted=tested).p, tested[item]
            dif = residual_dif(item[mine], category[mine], p[mine], focal[person[mine]], len(ids))
            for k in np.flatnonzero(tested).tolist():
                width = len(rows[k].b)
                shift, z = float(dif.r[k]) / width, float(dif.z_r[k])
                found.append(
                    DifFinding(
                        ids[k], grouping, group, int(n[1, k]), int(n[0, k]), shift, abs(shift / z) if z else float("nan"),
                        float(dif.p_rs[k]), False,
                    )
                )  # fmt: skip
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
