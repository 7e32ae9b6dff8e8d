"""Linking: constants A, B that put a new calibration on the scale of an old one, theta_old = A theta_new + B (Kolen & Brennan, 2014, ch. 6)."""

from collections.abc import Sequence

import numpy as np

from cat_engine import Fault, Faulty, ItemParams, Row, expected_score
from cat_engine.irt import Floats

METHODS = ("mm", "ms", "haebara", "sl")
SMALLEST_SLOPE = 0.05


def transform(row: Row, slope: float, intercept: float) -> Row:
    """An item on the old scale: a / A, A b + B, c and d unchanged; slopes / A and intercepts b - B slope / A of a nominal item (Baker, 1993)."""
    if row.slopes:
        slopes = [own / slope for own in row.slopes]
        return row._replace(b=[b - intercept * own for b, own in zip(row.b, slopes, strict=True)], slopes=slopes)
    return row._replace(a=row.a / slope, b=[slope * b + intercept for b in row.b])


def middles(rows: Sequence[Row]) -> Floats:
    """Where items lie, by the scale they share, [I] (ItemParams.middle: their mean b, if they have any)."""
    return ItemParams.from_rows([row._replace(scale=0) for row in rows]).middle


def link(new: Sequence[Row], old: Sequence[Row], method: str = "sl", points: Floats | None = None) -> tuple[float, float]:
    """(A, B) from common items, in the same order in `new` and `old`.

    mm mean/mean (Loyd & Hoover, 1980), ms mean/sigma (Marco, 1977), haebara (Haebara, 1980: squared differences of item curves), sl (Stocking & Lord,
    1983: of test curves). The last two sum over equally weighted `points` on the old scale (default: 40 on [-4, 4]), one-directional. Raises Faulty for
    fewer than two common items, items with other numbers of categories, an unknown method, or nominal items, which have no a and b, in mm or ms.
    """
    faults = [] if method in METHODS else [Fault("link", "method", f"'{method}' is not known", "one of " + ", ".join(METHODS))]
    if len(new) != len(old) or len(new) < 2:
        faults.append(Fault("link", "common items", f"there are {min(len(new), len(old))}", "linking needs at least two"))
    faults += [
        Fault("link", f"common item {k + 1}", f"has {len(mine.b) + 1} categories in one file and {len(theirs.b) + 1} in the other")
        for k, (mine, theirs) in enumerate(zip(new, old, strict=False))
        if len(mine.b) != len(theirs.b)
    ]
    if method in ("mm", "ms"):
        faults += [
            Fault("link", f"common item {k + 1}", f"is of model {mine.model}, which has no a and b", "use haebara or sl")
            for k, (mine, theirs) in enumerate(zip(new, old, strict=False))
            if mine.slopes or theirs.slopes
        ]
    if faults:
        raise Faulty(faults)
    start = _start(new, old, method)
    if method in ("mm", "ms"):
        return float(start[0]), float(start[1])
    theta = np.linspace(-4, 4, 40) if points is None else points
    mine, theirs = (ItemParams.from_rows([row._replace(scale=0) for row in rows]) for rows in (new, old))
    target = expected_score(theirs, theta)

    def distance(constants: Floats) -> Floats:
        # An item moved to the old scale has at theta the value that it had at (theta - B) / A on its own.
        apart = expected_score(mine, (theta - constants[1]) / constants[0]) - target
        return np.asarray(apart.sum(axis=1) if method == "sl" else apart.ravel())

    from scipy.optimize import least_squares  # slow to import, and only linking by curves needs it

    limits = ([SMALLEST_SLOPE, -np.inf], [np.inf, np.inf])
    found = least_squares(distance, start, jac="3-point", bounds=limits, xtol=1e-12, ftol=1e-14, gtol=1e-12)
    return float(found.x[0]), float(found.x[1])


def _start(new: Sequence[Row], old: Sequence[Row], method: str) -> Floats:
    """(A, B) by the means of a and b, or by means and sds of b, of the items that have them."""
    pairs = [(mine, theirs) for mine, theirs in zip(new, old, strict=True) if not (mine.slopes or theirs.slopes)]
    if not pairs:
        return np.array([1.0, 0.0])
    b_new, b_old = (np.concatenate([pair[k].b for pair in pairs]) for k in (0, 1))
    a_new, a_old = (np.array([pair[k].a for pair in pairs]) for k in (0, 1))
    slope = float(a_new.mean() / a_old.mean()) if method == "mm" or b_new.std() == 0 else float(b_old.std() / b_new.std())
    slope = max(slope, SMALLEST_SLOPE)
    return np.array([slope, b_old.mean() - slope * b_new.mean()])
