"""Linking: constants A, B that put a new calibration on the scale of an old one, theta_old = A theta_new + B (Kolen & Brennan, 2014, ch. 6)."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import least_squares

from cat_engine import Fault, Faulty, ItemParams, Row, expected_score
from cat_engine.irt import Floats

METHODS = ("mm", "ms", "haebara", "sl")
SMALLEST_SLOPE = 0.05


def transform(row: Row, slope: float, intercept: float) -> Row:
    """An item on the old scale: a / A, A b + B, c and d unchanged."""
    return row._replace(a=row.a / slope, b=[slope * b + intercept for b in row.b])


def link(new: Sequence[Row], old: Sequence[Row], method: str = "sl", points: Floats | None = None) -> tuple[float, float]:
    """(A, B) from common items, in the same order in `new` and `old`.

    mm mean/mean (Loyd & Hoover, 1980), ms mean/sigma (Marco, 1977), haebara (Haebara, 1980: squared differences of item curves), sl (Stocking & Lord,
    1983: of test curves). The last two sum over equally weighted `points` on the old scale (default: 40 on [-4, 4]), one-directional. Raises Faulty for
    fewer than two common items, items with other numbers of categories, or an unknown method.
    """
    faults = [] if method in METHODS else [Fault("link", "method", f"'{method}' is not known", "one of " + ", ".join(METHODS))]
    if len(new) != len(old) or len(new) < 2:
        faults.append(Fault("link", "common items", f"there are {min(len(new), len(old))}", "linking needs at least two"))
    faults += [
        Fault("link", f"common item {k + 1}", f"has {len(mine.b) + 1} categories in one file and {len(theirs.b) + 1} in the other")
        for k, (mine, theirs) in enumerate(zip(new, old, strict=False))
        if len(mine.b) != len(theirs.b)
    ]
    if faults:
        raise Faulty(faults)
    b_new, b_old = (np.concatenate([row.b for row in rows]) for rows in (new, old))
    a_new, a_old = (np.array([row.a for row in rows]) for rows in (new, old))
    slope = float(a_new.mean() / a_old.mean()) if method == "mm" or b_new.std() == 0 else float(b_old.std() / b_new.std())
    slope = max(slope, SMALLEST_SLOPE)
    start = np.array([slope, b_old.mean() - slope * b_new.mean()])
    if method in ("mm", "ms"):
        return float(start[0]), float(start[1])
    theta = np.linspace(-4, 4, 40) if points is None else points
    mine, theirs = (ItemParams.from_rows([row._replace(scale=0) for row in rows]) for rows in (new, old))
    target = expected_score(theirs, theta)

    def distance(constants: Floats) -> Floats:
        # An item moved to the old scale has at theta the value that it had at (theta - B) / A on its own.
        apart = expected_score(mine, (theta - constants[1]) / constants[0]) - target
        return np.asarray(apart.sum(axis=1) if method == "sl" else apart.ravel())

    limits = ([SMALLEST_SLOPE, -np.inf], [np.inf, np.inf])
    found = least_squares(distance, start, jac="3-point", bounds=limits, xtol=1e-12, ftol=1e-14, gtol=1e-12)
    return float(found.x[0]), float(found.x[1])
