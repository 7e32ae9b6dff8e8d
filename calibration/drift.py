"""Drift: items whose parameters no longer hold, among the common items of a linking, the items of a bank and the anchors of a calibration."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
from numpy.typing import NDArray

from calibration.curves import params_of
from calibration.estimate import LARGEST_RMSD, Run
from calibration.linking import check_common, constants, middles
from cat_engine import Grid, ItemParams, Row
from cat_engine.irt import Floats, Ints, expected_score

SD_OF_IQR = 0.7413  # standard deviation of a normal distribution as a multiple of its interquartile range
SD_OF_MAD = 1.4826  # and of its median absolute deviation
SMALLEST_SPREAD = 0.02  # of b: differences that are all but equal single out no item
LARGEST_Z = 2.7  # Huynh & Meyer (2010)
FEWEST_ANCHORS = 2
FEWEST_TO_TELL = 5  # items in common: of fewer there is no telling which of them moved
LARGEST_D2 = LARGEST_RMSD**2
MOST_PASSES = 10

Mask = NDArray[np.bool_]
Link = Callable[[ItemParams, ItemParams], tuple[float, float]]


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


def drifts(linked: ItemParams, old: ItemParams, se: Sequence[float], mean: float, sd: float, among: Mask | None = None) -> list[Drift]:
    """The drift of items from `old` parameters to new ones that were put on their scale, with the SE of each mean b (NaN: not known; infinite: nobody knows
    where b is); ability is Normal(mean, sd) there. The shifts are measured against those of the items `among`[I] (default: all).

    A bound is passed only beyond LARGEST_Z standard errors of the item's own: robust z takes all items for equally well known, and routed answers make some known
    badly, which among the others stand out by chance alone. Where there is no SE, of a nominal item say, the bound decides.
    """
    if not len(linked):
        return []
    d, error = linked.middle - old.middle, LARGEST_Z * np.nan_to_num(se, posinf=np.inf)
    placed = np.isfinite(error)
    others = d if among is None else d[among]
    z = _robust(d, others) if len(others) >= FEWEST_TO_TELL else np.full(len(d), np.nan)
    gap, noise = _gaps(linked, old, np.where(placed, error, 0.0), mean, sd)
    with np.errstate(invalid="ignore"):
        beyond = {
            "robust_z": (np.abs(z) > LARGEST_Z) & (np.abs(d - np.median(others if len(others) else d)) > error),
            "d2": (gap > LARGEST_D2) & (gap > noise) & placed,
        }
    return [
        Drift(*own, tuple(name for name, over in beyond.items() if over[k]))
        for k, own in enumerate(zip(d.tolist(), z.tolist(), gap.tolist(), strict=True))
    ]


def d2(new: Sequence[Row], old: Sequence[Row], mean: float, sd: float) -> Floats:
    """Squared difference of the expected scores of items per scale point, averaged over ability Normal(mean, sd), [I]."""
    return _gaps(params_of(new), params_of(old), np.zeros(len(new)), mean, sd)[0]


def _gaps(after: ItemParams, before: ItemParams, error: Floats, mean: float, sd: float) -> tuple[Floats, Floats]:
    """d2 of items, and what a shift of all b of an item by error[I] would make of it, to first order, [I] each."""
    nodes = Grid(mean - 5 * sd, mean + 5 * sd).nodes()
    weight = np.exp(-0.5 * ((nodes - mean) / sd) ** 2)
    score, steps = expected_score(after, nodes), after.n_cat - 1
    gaps = score - expected_score(before, nodes), error * np.gradient(score, nodes, axis=0)
    apart, noise = (weight @ (gap / steps) ** 2 / weight.sum() for gap in gaps)
    return apart, noise


def robust_z(linked: Sequence[Row], old: Sequence[Row]) -> Floats:
    """How far each common item moved, [I]: (d - median d) / (.7413 IQR of d), d the difference of mean b after linking (Huynh & Meyer, 2010)."""
    d = middles(linked) - middles(old)
    return _robust(d, d)


def _robust(d: Floats, others: Floats) -> Floats:
    """The shifts d[I] in robust sds of `others` from their median."""
    low, middle, high = np.percentile(others, (25, 50, 75))
    return np.asarray((d - middle) / max(SD_OF_IQR * (high - low), SMALLEST_SPREAD))


def purified_link(new: Sequence[Row], old: Sequence[Row], method: str = "sl") -> tuple[tuple[float, float], int]:
    """(A, B) as linking.link gives them, of the common items that did not move, and how many those are. Raises Faulty as link does."""
    check_common(new, old, method)
    found, kept = purified(params_of(new), params_of(old), partial(constants, method=method))
    return found, len(kept)


def purified(new: ItemParams, old: ItemParams, constants_of: Link) -> tuple[tuple[float, float], Ints]:
    """(A, B) as constants_of(new, old) gives them, of the common items that did not move, and which those are: items whose b moved by more than LARGEST_Z
    robust sds are left out and the rest is linked again, until they settle. All take part where fewer than FEWEST_TO_TELL would be left.

    The sd is that of the median absolute deviation: items that all became easier set the interquartile range as soon as they are a quarter, and would
    hide each other, but that deviation only when they are half (Rousseeuw & Croux, 1993).
    """

    @cache  # two sets may take turns, each leading to the other one
    def linked(those: tuple[int, ...]) -> tuple[float, float]:
        return constants_of(new.take(those), old.take(those))

    kept = every = tuple(range(len(new)))
    for _ in range(MOST_PASSES):
        slope, intercept = linked(kept)
        away = slope * new.middle + intercept - old.middle
        away = np.abs(away - np.median(away))
        still = tuple(np.flatnonzero(away <= LARGEST_Z * max(SD_OF_MAD * float(np.median(away)), SMALLEST_SPREAD)).tolist())
        if len(still) < FEWEST_TO_TELL:
            kept = every
            break
        if still == kept:
            break
        kept = still
    return linked(kept), np.array(kept, dtype=np.int64)


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
