"""Drift: items whose parameters no longer hold, among the common items of a linking and among the anchors of a calibration."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from calibration.estimate import LARGEST_RMSD, Run
from calibration.linking import link, middles, transform
from cat_engine import Row
from cat_engine.irt import Floats

SD_OF_IQR = 0.7413  # standard deviation of a normal distribution as a multiple of its interquartile range
SMALLEST_SPREAD = 0.02  # of b: differences that are all but equal single out no item
LARGEST_Z = 2.7  # Huynh & Meyer (2010)
FEWEST_ANCHORS = 2
FEWEST_TO_PURIFY = 5  # common items: of fewer there is no telling which of them moved
MOST_PASSES = 10


def robust_z(linked: Sequence[Row], old: Sequence[Row]) -> Floats:
    """How far each common item moved, [I]: (d - median d) / (.7413 IQR of d), d the difference of mean b after linking (Huynh & Meyer, 2010)."""
    d = middles(linked) - middles(old)
    low, middle, high = np.percentile(d, (25, 50, 75))
    return np.asarray((d - middle) / max(SD_OF_IQR * (high - low), SMALLEST_SPREAD))


def moved(linked: Sequence[Row], old: Sequence[Row], se: Sequence[float]) -> NDArray[np.bool_]:
    """Which items moved, [I]: robust z beyond LARGEST_Z, and d as many of its own standard errors from the median.

    A robust z takes all items for equally well known. Routed answers make some known badly: among the others those would stand out by chance alone. Where
    there is no SE (NaN, of a nominal item) z decides.
    """
    d = middles(linked) - middles(old)
    within = np.abs(d - np.median(d)) <= LARGEST_Z * np.asarray(se)
    return np.asarray((np.abs(robust_z(linked, old)) > LARGEST_Z) & ~within)


def purified_link(new: Sequence[Row], old: Sequence[Row], method: str = "sl") -> tuple[tuple[float, float], int]:
    """(A, B) as linking.link gives them, of the common items that did not move, and how many those are: items whose b moved by a robust z above LARGEST_Z
    are left out and the rest is linked again, until they settle. All take part where fewer than FEWEST_TO_PURIFY would be left. Raises Faulty as link does.
    """
    every = np.arange(len(new))
    kept, constants = every, link(new, old, method)
    for _ in range(MOST_PASSES):
        z = robust_z([transform(row, *constants) for row in new], old)
        still = np.flatnonzero(np.abs(z) <= LARGEST_Z)
        if len(still) < FEWEST_TO_PURIFY:
            return link(new, old, method), len(every)
        if np.array_equal(still, kept):
            break
        kept, constants = still, link([new[k] for k in still.tolist()], [old[k] for k in still.tolist()], method)
    return constants, len(kept)


def drifted_anchor(run: Run, fixed: NDArray[np.bool_], min_n: int) -> int | None:
    """The anchor that left its fixed curve the farthest, of the items handed in (fixed[I]); None where all hold.

    An anchor has drifted if at least min_n people answered it and its RMSD is above that of a misfit. None too where no more than FEWEST_ANCHORS are
    left: then there is no telling which of them moved.
    """
    anchors = fixed[run.used]
    moved = anchors & (run.fit.counts.sum(axis=1) >= min_n) & (run.rmsd > LARGEST_RMSD)
    if not moved.any() or anchors.sum() <= FEWEST_ANCHORS:
        return None
    return int(run.used[np.argmax(np.where(moved, run.rmsd, 0.0))])
