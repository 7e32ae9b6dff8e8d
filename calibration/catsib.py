"""CATSIB: SIBTEST for adaptive tests (Nandakumar & Roussos, 2004), uniform differential item functioning among people of about the same ability.

    beta = sum_b (n_b / n) (mean_F,b - mean_R,b)        se^2 = sum_b (n_b / n)^2 (s^2_F,b / n_F,b + s^2_R,b / n_R,b)        z = beta / se

over intervals b of ability, corrected for the regression of true on estimated ability in each group (dif_prediction.py does so). There are 80
intervals, or as few down to 10 as leave out no more than 7.5 % of either group, by the paper's rule that an interval with fewer than three of a
group is left out.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from calibration.dif_groups import Mask
from cat_engine.irt import Floats, Ints

MOST_INTERVALS, FEWEST_INTERVALS = 80, 10
SMALLEST_CELL = 3
LARGEST_LOSS = 0.075
MODERATE, LARGE = 0.059, 0.088  # Roussos & Stout (1996)


@dataclass(frozen=True, slots=True, eq=False)
class Catsib:
    """beta[I] in item score, negative where the focal group is at a disadvantage (the paper's sign is the other one); se[I], z[I], p[I].

    NaN where too few met the item.
    """

    beta: Floats
    se: Floats
    z: Floats
    p: Floats

    @property
    def size(self) -> tuple[str, ...]:
        """A negligible, B moderate, C large, of 0/1 items (Roussos & Stout, 1996); "" where it cannot be told."""
        some, large = (self.p < 0.05) & (np.abs(self.beta) >= MODERATE), np.abs(self.beta) >= LARGE
        return tuple("" if np.isnan(p) else "A" if not b else "C" if c else "B" for p, b, c in zip(self.p, some, large, strict=True))


def catsib(item: Ints, category: Ints, theta: Floats, focal: Mask, n_items: int) -> Catsib:
    """Of answers item[R], category[R] by people of corrected ability theta[R], in the focal group or not (focal[R])."""
    out = np.full((2, n_items), np.nan)
    order = np.argsort(item, kind="stable")
    for part in np.split(order, np.flatnonzero(np.diff(item[order])) + 1):
        out[:, item[part[0]]] = _beta(category[part].astype(float), theta[part], focal[part])
    with np.errstate(invalid="ignore", divide="ignore"):
        z = out[0] / out[1]
    return Catsib(out[0], out[1], z, np.asarray(2 * ndtr(-np.abs(z))))


def _beta(score: Floats, theta: Floats, focal: Mask) -> tuple[float, float]:
    sizes = np.array([(~focal).sum(), focal.sum()])
    if sizes.min() < SMALLEST_CELL:
        return np.nan, np.nan
    for n_intervals in range(MOST_INTERVALS, FEWEST_INTERVALS - 1, -1):
        edges = np.linspace(theta.min(), theta.max(), n_intervals + 1)
        cell = np.searchsorted(edges[1:-1], theta, side="right") + n_intervals * focal
        n = np.bincount(cell, minlength=2 * n_intervals).reshape(2, n_intervals)
        kept = n.min(axis=0) >= SMALLEST_CELL
        if (n[:, kept].sum(axis=1) >= (1 - LARGEST_LOSS) * sizes).all():
            break
    if not kept.any():
        return np.nan, np.nan
    total, square = (np.bincount(cell, score**power, 2 * n_intervals).reshape(2, n_intervals)[:, kept] for power in (1, 2))
    n = n[:, kept]
    mean = total / n
    variance = np.maximum(square - n * mean**2, 0) / (n - 1)
    share = n.sum(axis=0) / n.sum()
    return float(share @ (mean[1] - mean[0])), float(np.sqrt(share**2 @ (variance / n).sum(axis=0)))
