"""Linking: constants A, B that put a new calibration on the scale of an old one, theta_old = A theta_new + B (Kolen & Brennan, 2014, ch. 6)."""

from collections.abc import Callable, Sequence

import numpy as np

from calibration.curves import expected_scores, params_of
from cat_engine import Fault, Faulty, ItemParams, Row
from cat_engine.families import Graded
from cat_engine.irt import NOMINAL, Floats

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
    return params_of(rows).middle


def link(new: Sequence[Row], old: Sequence[Row], method: str = "sl", points: Floats | None = None) -> tuple[float, float]:
    """(A, B) from common items, in the same order in `new` and `old`.

    mm mean/mean (Loyd & Hoover, 1980), ms mean/sigma (Marco, 1977), haebara (Haebara, 1980: squared differences of item curves), sl (Stocking & Lord,
    1983: of test curves). The last two sum over equally weighted `points` on the old scale (default: 40 on [-4, 4]), one-directional. Raises Faulty for
    fewer than two common items, items with other numbers of categories, an unknown method, or nominal items, which have no a and b, in mm or ms.
    """
    check_common(new, old, method)
    return constants(params_of(new), params_of(old), method, points)


def check_common(new: Sequence[Row], old: Sequence[Row], method: str) -> None:
    """Raises Faulty as `link` says."""
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


def constants(mine: ItemParams, theirs: ItemParams, method: str = "sl", points: Floats | None = None) -> tuple[float, float]:
    """(A, B) as `link` gives them, of common items that are known to be fit for it."""
    start = _start(mine, theirs, method)
    if method in ("mm", "ms"):
        return float(start[0]), float(start[1])
    theta = np.linspace(-4, 4, 40) if points is None else points

    def compared(values: Floats) -> Floats:
        """Of values[N, I] what is compared: those of items, or those of tests, [N, 1]."""
        return values.sum(axis=1, keepdims=True) if method == "sl" else values

    target = compared(expected_scores(theirs, theta))

    # An item moved to the old scale has at theta the value that it had at t = (theta - B) / A on its own.
    def distances(moved_by: Floats) -> tuple[Floats, Floats]:
        slope, t = moved_by[0], (theta - moved_by[1]) / moved_by[0]
        value, steepness = map(compared, _scores(mine, t))
        return (value - target).ravel(), np.stack([steepness * (-t / slope)[:, None], steepness / -slope], axis=-1).reshape(-1, 2)

    found = _least_squares(distances, start)
    return float(found[0]), float(found[1])


def _scores(params: ItemParams, theta: Floats) -> tuple[Floats, Floats]:
    """Expected score, sum_k k P_k = sum_k P(above k), and its derivative, sum_k k P_k (log P_k)', [N, I] each."""
    score, slope = np.empty((2, len(theta), len(params)))
    for at, family in params.families:
        own = np.broadcast_to(theta[:, None], (len(theta), len(at)))
        below = family.up_to(own)
        above = 1 - below
        score[:, at] = above.sum(axis=-1)
        if isinstance(family, Graded):  # P(above k) is logistic, and its derivative a times the product of both
            slope[:, at] = family.a * (below * above).sum(axis=-1)
        else:
            p = np.diff(below, prepend=0.0, append=1.0)
            slope[:, at] = (p * np.arange(p.shape[-1]) * family.derivatives(own)[0]).sum(axis=-1)
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
        if np.abs(there - here).max() < SMALLEST_STEP:
            return there
        after = distances(there)
        if after[0] @ after[0] <= (1 + ROUNDING) * (apart @ apart):
            here, (apart, slopes), damping = there, after, damping / 10
        else:
            damping *= 10
    return here


def _start(mine: ItemParams, theirs: ItemParams, method: str) -> Floats:
    """(A, B) by the means of a and b, or by means and sds of b, of the items that have them."""
    sound = np.array([one not in NOMINAL and other not in NOMINAL for one, other in zip(mine.model, theirs.model, strict=True)])
    if not sound.any():
        return np.array([1.0, 0.0])
    (a_new, b_new), (a_old, b_old) = ((params.a[sound], params.b[sound]) for params in (mine, theirs))
    b_new, b_old = b_new[~np.isnan(b_new)], b_old[~np.isnan(b_old)]
    slope = float(a_new.mean() / a_old.mean()) if method == "mm" or b_new.std() == 0 else float(b_old.std() / b_new.std())
    slope = max(slope, SMALLEST_SLOPE)
    return np.array([slope, b_old.mean() - slope * b_new.mean()])
