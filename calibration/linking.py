"""Linking: constants A, B that put a new calibration on the scale of an old one, theta_old = A theta_new + B (Kolen & Brennan, 2014, ch. 6)."""

from collections.abc import Callable, Sequence

import numpy as np

from cat_engine import Fault, Faulty, ItemParams, Row, expected_score
from cat_engine.irt import Floats

METHODS = ("mm", "ms", "haebara", "sl")
SMALLEST_SLOPE = 0.05
FIRST_DAMPING = 1e-3
SMALLEST_STEP = 1e-12
ROUNDING = 1e-12  # of a sum of squares
MOST_STEPS = 200


def transform(row: Row, slope: float, intercept: float) -> Row:
    """An item on the old scale: a / A, A b + B, c and d unchanged; slopes / A and intercepts b - B slope / A of a nominal item (Baker, 1993)."""
    if row.slopes:
        slopes = [own / slope for own in row.slopes]
        return row._replace(b=[b - intercept * own for b, own in zip(row.b, slopes, strict=True)], slopes=slopes)
    return row._replace(a=row.a / slope, b=[slope * b + intercept for b in row.b])


def middles(rows: Sequence[Row]) -> Floats:
    """Where items lie, by the scale they share, [I] (ItemParams.middle: their mean b, if they have any)."""
    if not any(row.slopes for row in rows):
        return np.array([sum(row.b) / len(row.b) for row in rows])
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

    # An item moved to the old scale has at theta the value that it had at t = (theta - B) / A on its own.
    def distances(constants: Floats) -> tuple[Floats, Floats]:
        slope, t = constants[0], (theta - constants[1]) / constants[0]
        value, steepness = _scores(mine, t)
        apart, slopes = value - target, np.stack([steepness * (-t / slope)[:, None], steepness / -slope], axis=-1)
        return (apart.sum(axis=1), slopes.sum(axis=1)) if method == "sl" else (apart.ravel(), slopes.reshape(-1, 2))

    found = _least_squares(distances, start)
    return float(found[0]), float(found[1])


def _scores(params: ItemParams, theta: Floats) -> tuple[Floats, Floats]:
    """Expected score, sum_k k P_k, and its derivative, sum_k k P_k (log P_k)', [N, I] each."""
    score, slope = np.empty((2, len(theta), len(params)))
    for at, family in params.families:
        own = np.broadcast_to(theta[:, None], (len(theta), len(at)))
        weighted = np.diff(family.up_to(own), prepend=0.0, append=1.0)
        weighted *= np.arange(weighted.shape[-1])
        score[:, at] = weighted.sum(axis=-1)
        slope[:, at] = (weighted * family.derivatives(own)[0]).sum(axis=-1)
    return score, slope


def _least_squares(distances: Callable[[Floats], tuple[Floats, Floats]], start: Floats) -> Floats:
    """(A, B), A no lower than SMALLEST_SLOPE, of the least sum of squared distances; `distances` gives them with their derivatives, [N] and [N, 2].

    Gauss-Newton steps, damped while they lead no lower (Levenberg, 1944; Marquardt, 1963).
    """
    here, damping = start, FIRST_DAMPING
    apart, slopes = distances(here)
    for _ in range(MOST_STEPS):
        gradient, square = slopes.T @ apart, slopes.T @ slopes
        if here[0] <= SMALLEST_SLOPE and gradient[0] > 0:  # A stays at its bound
            gradient[0], square[0, 1], square[1, 0] = 0.0, 0.0, 0.0
        square[[0, 1], [0, 1]] += damping * np.maximum(np.diag(square), np.finfo(float).tiny)
        there = here - np.linalg.solve(square, gradient)
        there[0] = max(there[0], SMALLEST_SLOPE)
        moved = np.abs(there - here).max()
        after = distances(there)
        if after[0] @ after[0] <= (1 + ROUNDING) * (apart @ apart):
            here, (apart, slopes), damping = there, after, damping / 10
        else:
            damping *= 10
        if moved < SMALLEST_STEP:
            break
    return here


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
