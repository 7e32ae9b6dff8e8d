"""Linking: constants A, B that put a new calibration on the scale of an old one, theta_old = A theta_new + B (Kolen & Brennan, 2014, ch. 6)."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from cat_engine import ItemParams, Row, probabilities
from cat_engine.irt import Floats

METHODS = ("mm", "ms", "haebara", "sl")


def transform(row: Row, slope: float, intercept: float) -> Row:
    """An item on the old scale: a / A, A b + B, c and d unchanged."""
    return row._replace(a=row.a / slope, b=[slope * b + intercept for b in row.b])


def link(new: Sequence[Row], old: Sequence[Row], method: str = "sl", points: Floats | None = None) -> tuple[float, float]:
    """(A, B) from common items: mean/mean, mean/sigma, Haebara (1980) or Stocking & Lord (1983).

    The characteristic-curve criteria sum over equally weighted `points` on the old scale (default: 40 on [-4, 4]), one-directional. Raises
    ValueError for fewer than two common items or an unknown method.
    """
    if len(new) != len(old) or len(new) < 2:
        msg = "linking needs at least two common items"
        raise ValueError(msg)
    if method not in METHODS:
        msg = f"method '{method}' is not one of {', '.join(METHODS)}"
        raise ValueError(msg)
    b_new, b_old = (np.concatenate([row.b for row in rows]) for rows in (new, old))
    a_new, a_old = (np.array([row.a for row in rows]) for rows in (new, old))
    slope = float(a_new.mean() / a_old.mean()) if method == "mm" or b_new.std() == 0 else float(b_old.std() / b_new.std())
    start = np.array([slope, b_old.mean() - slope * b_new.mean()])
    if method in ("mm", "ms"):
        return float(start[0]), float(start[1])
    theta = np.linspace(-4, 4, 40) if points is None else points
    target = _scores(old, theta)

    def loss(ab: Floats) -> float:
        if ab[0] <= 0.05:
            return float(1e6 * (1 + abs(ab[0])))
        difference = _scores([transform(row, *ab) for row in new], theta) - target
        if method == "sl":
            difference = difference.sum(axis=1)
        return float(np.sum(difference**2))

    found = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14, "maxiter": 4000})
    return float(found.x[0]), float(found.x[1])


def _scores(rows: Sequence[Row], theta: Floats) -> Floats:
    """Expected score of each item, [N, I]."""
    p = probabilities(ItemParams.from_rows([row._replace(scale=0) for row in rows]), theta)
    return np.asarray((p * np.arange(p.shape[-1])).sum(axis=-1))
