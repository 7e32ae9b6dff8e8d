"""The cheapest repair: from the 0/1 point that multipliers prefer to the best one that keeps the rows.

Multipliers y put a bound B on every solution, and the point x_j = [r_j > 0] reaches it where the rows allow. Every solution falls short of B by
exactly the sum of |r_j| over the variables that it has turned over, and of |y_i| times the room that it leaves in row i. So the best solution is
the cheapest set of turns. It is looked for among those that cost at most a budget, which is doubled until there is one: only variables with
|r_j| within the budget can turn, few as a rule. They are decided one after the other, dearest first, for all partial sets at once; a partial set
is dropped when a row can no longer hold, or when its cost, with the room that it cannot help leaving, is past the budget.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cat_engine.families import Floats, Ints

Mask = NDArray[np.bool_]

BUDGET = 60.0  # in units of exact.SCALE: .6 % of the largest value, what the relaxation of an ordinary blueprint is off
DOUBLINGS = 6
MOST_TURNS = 120
MOST_CELLS = 80_000  # partial sets x rows that are worth looking at: beyond that, branch and bound is faster
ROOM = 1e-7  # a row holds if it does to this, in units of its largest weight


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """Where a search begins: preferred[V]; price[V] = |r|; activity[R] of the preferred point; low[R] and high[R]; what a unit of room costs
    below the upper bound, under[R], and above the lower one, over[R].
    """

    preferred: Mask
    price: Floats
    activity: Floats
    low: Floats
    high: Floats
    under: Floats
    over: Floats

    @classmethod
    def of(cls, y: Floats, reduced: Floats, activity: Floats, low: Floats, high: Floats) -> "Standing":
        """From multipliers[R], reduced values[V] and the rows."""
        under = np.where(np.isfinite(high), np.maximum(y, 0), 0.0)
        over = np.where(np.isfinite(low), np.maximum(-y, 0), 0.0)
        return cls(reduced > 0, np.abs(reduced), activity, low, high, under, over)

    def room(self, least: Floats, most: Floats) -> Floats:
        """The cost of the room that N points cannot help leaving whose activities end between least[N, R] and most[N, R]: [N]."""
        below = np.maximum(np.where(self.under > 0, self.high - most, 0.0), 0.0)
        above = np.maximum(np.where(self.over > 0, least - self.low, 0.0), 0.0)
        return np.asarray(below @ self.under + above @ self.over)


def repair(standing: Standing, rows: sparse.csr_array) -> Mask | None:
    """The best solution [V] under rows[R, V]; None where it is not cheap enough for this search, or there is none."""
    budget = BUDGET
    for _ in range(DOUBLINGS):
        turning = np.flatnonzero(standing.price <= budget)
        if len(turning) > MOST_TURNS:
            return None
        turning = turning[np.argsort(-standing.price[turning], kind="stable")]
        turns, overflow = _within(standing, rows[:, turning].toarray().T, turning, budget)
        if turns is not None:
            solution = standing.preferred.copy()
            solution[turns] ^= True
            return solution
        if overflow:
            return None
        budget *= 2
    return None


def _within(standing: Standing, columns: Floats, turning: Ints, budget: float) -> tuple[Ints | None, bool]:
    """The cheapest set of turns for at most `budget`, or None; and whether there were too many partial sets to tell."""
    change = np.where(standing.preferred[turning], -1.0, 1.0)[:, None] * columns
    most, least = _still(np.maximum(change, 0)), _still(np.minimum(change, 0))
    activity, cost = standing.activity[None, :], np.zeros(1)
    trail: list[tuple[Ints, Mask]] = []
    for k, variable in enumerate(turning.tolist()):
        n = len(cost)
        activity = np.concatenate([activity, activity + change[k]])
        cost = np.concatenate([cost, cost + standing.price[variable]])
        low, high = activity + least[k], activity + most[k]
        at = np.flatnonzero(np.all((low <= standing.high + ROOM) & (high >= standing.low - ROOM), axis=1))
        at = at[cost[at] + standing.room(low[at], high[at]) <= budget]
        if not len(at) or len(at) * len(standing.low) > MOST_CELLS:
            return None, len(at) > 0
        activity, cost = activity[at], cost[at]
        trail.append((at % n, at >= n))
    total = cost + standing.room(activity, activity)
    fine = np.all((activity <= standing.high + ROOM) & (activity >= standing.low - ROOM), axis=1) & (total <= budget)
    if not np.any(fine):
        return None, False
    last = int(np.argmin(np.where(fine, total, np.inf)))
    turned = []
    for k in range(len(turning) - 1, -1, -1):
        parent, turn = trail[k]
        if turn[last]:
            turned.append(turning[k])
        last = int(parent[last])
    return np.array(turned, dtype=int), False


def _still(change: Floats) -> Floats:
    """What the variables after each one can still add: [n, R]."""
    tail = change[::-1].cumsum(axis=0)[::-1]
    return np.concatenate([tail[1:], np.zeros((min(1, len(change)), change.shape[1]))])
