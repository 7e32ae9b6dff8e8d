"""Drift: items whose parameters no longer hold, among the common items of a linking, the items of a bank and the anchors of a calibration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calibration.estimate import LARGEST_RMSD, Run
from calibration.linking import link, middles, transform
from cat_engine import Grid, ItemParams, Row, expected_score
from cat_engine.irt import Floats

SD_OF_IQR = 0.7413  # standard deviation of a normal distribution as a multiple of its interquartile range
SMALLEST_SPREAD = 0.02  # of b: differences that are all but equal single out no item
LARGEST_Z = 2.7  # Huynh & Meyer (2010)
FEWEST_ANCHORS = 2
FEWEST_TO_TELL = 5  # items in common: of fewer there is no telling which of them moved
LARGEST_D2 = LARGEST_RMSD**2
MOST_PASSES = 10

Mask = NDArray[np.bool_]
Link = Callable[[Sequence[Row], Sequence[Row]], tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Drift:
    """How far an item is from its old parameters: shift of its mean b (new less old); robust_z of it among the items of the competency, NaN for fewer than
    FEWEST_TO_TELL of them; d2, the squared difference of the expected scores per scale point, averaged over the ability of those who were tested (Wells, Hambleton,
    Kirkpatrick & Meng, 2014); `beyond` names which of the two are past their bounds, and past what the item's own error explains.
    """

    shift: float
    robust_z: float
    d2: float
    beyond: tuple[str, ...]


def drifts(
    linked: Sequence[Row], old: Sequence[Row], se: Sequence[float], mean: float, sd: float, among: Mask | None = None
) -> list[Drift]:
    """The drift of items from `old` parameters to new ones that were put on their scale, with the SE of each mean b (NaN: not known); ability is Normal(mean,
    sd) there. The shifts are measured against those of the items `among`[I] (default: all).
    """
    if not linked:
        return []
    d, few = middles(linked) - middles(old), len(linked if among is None else np.flatnonzero(among)) < FEWEST_TO_TELL
    z = np.full(len(d), np.nan) if few else robust_z(linked, old, among)
    nodes = Grid(mean - 5 * sd, mean + 5 * sd).nodes()
    gap = d2(linked, old, nodes, mean, sd)
    farther = [row._replace(b=[b + LARGEST_Z * own for b in row.b]) for row, own in zip(linked, np.nan_to_num(se).tolist(), strict=True)]
    noise = d2(linked, farther, nodes, mean, sd)
    tests = {
        "robust_z": np.zeros(len(d), dtype=bool) if few else moved(linked, old, se, among),
        "d2": (gap > LARGEST_D2) & (gap > noise),
    }
    return [
        Drift(*own, tuple(name for name, over in tests.items() if over[k]))
        for k, own in enumerate(zip(d.tolist(), z.tolist(), gap.tolist(), strict=True))
    ]


def d2(new: Sequence[Row], old: Sequence[Row], nodes: Floats, mean: float, sd: float) -> Floats:
    """Squared difference of the expected scores of items per scale point, averaged over Normal(mean, sd), [I]."""
    weight = np.exp(-0.5 * ((nodes - mean) / sd) ** 2)
    after, before = (expected_score(ItemParams.from_rows([row._replace(scale=0) for row in rows]), nodes) for rows in (new, old))
    gap = (after - before) / np.array([len(row.b) for row in old])
    return np.asarray(weight @ gap**2 / weight.sum())


def robust_z(linked: Sequence[Row], old: Sequence[Row], among: Mask | None = None) -> Floats:
    """How far each common item moved, [I]: (d - median d) / (.7413 IQR of d), d the difference of mean b after linking (Huynh & Meyer, 2010); median and IQR
    are those of the items `among`[I] (default: all).
    """
    d = middles(linked) - middles(old)
    low, middle, high = np.percentile(d if among is None else d[among], (25, 50, 75))
    return np.asarray((d - middle) / max(SD_OF_IQR * (high - low), SMALLEST_SPREAD))


def moved(linked: Sequence[Row], old: Sequence[Row], se: Sequence[float], among: Mask | None = None) -> Mask:
    """Which items moved, [I]: robust z beyond LARGEST_Z, and d as many of its own standard errors from the median.

    A robust z takes all items for equally well known. Routed answers make some known badly: among the others those would stand out by chance alone. Where
    there is no SE (NaN, of a nominal item) z decides.
    """
    d = middles(linked) - middles(old)
    within = np.abs(d - np.median(d if among is None else d[among])) <= LARGEST_Z * np.asarray(se)
    return np.asarray((np.abs(robust_z(linked, old, among)) > LARGEST_Z) & ~within)


def purified_link(new: Sequence[Row], old: Sequence[Row], method: str = "sl") -> tuple[tuple[float, float], int]:
    """(A, B) as linking.link gives them, of the common items that did not move, and how many those are. Raises Faulty as link does."""
    return purified(new, old, partial(link, method=method))


def purified(new: Sequence[Row], old: Sequence[Row], constants_of: Link) -> tuple[tuple[float, float], int]:
    """(A, B) as constants_of(new, old) gives them, of the common items that did not move, and how many those are: items whose b moved by a robust z above
    LARGEST_Z are left out and the rest is linked again, until they settle. All take part where fewer than FEWEST_TO_TELL would be left.
    """
    every = np.arange(len(new))
    kept, everyone = every, constants_of(new, old)
    constants = everyone
    for _ in range(MOST_PASSES):
        z = robust_z([transform(row, *constants) for row in new], old)
        still = np.flatnonzero(np.abs(z) <= LARGEST_Z)
        if len(still) < FEWEST_TO_TELL:
            return everyone, len(every)
        if np.array_equal(still, kept):
            break
        kept, constants = still, constants_of([new[k] for k in still.tolist()], [old[k] for k in still.tolist()])
    return constants, len(kept)


def drifted_anchor(run: Run, fixed: Mask, min_n: int) -> int | None:
    """The anchor that left its fixed curve the farthest, of the items handed in (fixed[I]); None where all hold.

    An anchor has drifted if at least min_n people answered it and its RMSD is above that of a misfit. None too where no more than FEWEST_ANCHORS are
    left: then there is no telling which of them moved.
    """
    anchors = fixed[run.used]
    moved = anchors & (run.fit.counts.sum(axis=1) >= min_n) & (run.rmsd > LARGEST_RMSD)
    if not moved.any() or anchors.sum() <= FEWEST_ANCHORS:
        return None
    return int(run.used[np.argmax(np.where(moved, run.rmsd, 0.0))])
