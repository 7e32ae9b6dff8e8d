"""Roots of many functions at once, each between its own bounds."""

from collections.abc import Callable

import numpy as np

from cat_engine.families import Floats, Ints

CLOSE = 1e-13
MOST_STEPS = 80


def root_between(function: Callable[[Floats, Ints], Floats], low: Floats, high: Floats) -> Floats:
    """The root of each of M functions that is not below 0 at low[M] and not above 0 at high[M].

    function(x[m], rows[m]) gives functions rows[m] at x[m]. Where low = high that is the answer. Regula falsi with the Illinois halving (Dowell &
    Jarratt, 1971): brackets always, converges faster than linearly. A function that has converged is left alone, so that its root does not
    depend on the others.
    """
    a, b = low.astype(float).copy(), high.astype(float).copy()
    rows = np.flatnonzero(b > a)
    root = a.copy()
    if not rows.size:
        return root
    fa, fb = np.zeros(len(a)), np.zeros(len(a))
    fa[rows], fb[rows] = function(a[rows], rows), function(b[rows], rows)
    side = np.zeros(len(a), dtype=int)
    for _ in range(MOST_STEPS):
        x = b[rows] - fb[rows] * (b[rows] - a[rows]) / np.where(fb[rows] == fa[rows], -1.0, fb[rows] - fa[rows])
        x = np.clip(x, a[rows], b[rows])
        fx = function(x, rows)
        root_before, root[rows] = root[rows].copy(), x
        right = fx > 0  # the root is to the right of x
        again = side[rows] == np.where(right, 1, -1)
        grow, shrink = rows[right], rows[~right]
        a[grow], fa[grow] = x[right], fx[right]
        b[shrink], fb[shrink] = x[~right], fx[~right]
        fb[rows[right & again]] /= 2
        fa[rows[~right & again]] /= 2
        side[rows] = np.where(right, 1, -1)
        open_still = (fx != 0) & (b[rows] - a[rows] > CLOSE) & (np.abs(x - root_before) > CLOSE)
        rows = rows[open_still]
        if not rows.size:
            break
    return root
