"""The largest sum of values of 0/1 variables under linear rows, exactly and fast: reduction, a bound, a repair, and a proof.

    maximise v . x   subject to   low <= A x <= high,  x in {0, 1}^V,  x_j = 1 for `must`,  x_j = 0 outside `may`

1. Variables with the same column are alike to every row, so of each such class only the best few can be in a solution: as many as the tightest
   row lets in. That leaves the optimum as it is.
2. Any multipliers y give a bound (Geoffrion, 1974): with reduced values r = v - y A, no solution is worth more than
   B(y) = sum_i max(y_i low_i, y_i high_i) + sum_j max(r_j, 0), and none that has x_j against the sign of r_j more than B(y) - |r_j|. Those of
   the linear relaxation are good ones. Where the relaxation's own solution is whole, it is the answer.
3. Else the best solution is the cheapest repair of x_j = [r_j > 0]: see repair.py, which finds it unless the relaxation is far off.
4. Else the variables of smallest |r_j|, the core, are solved by HiGHS with the rest at the sign of r_j. A solution of value w is optimal if every
   variable with |r_j| <= B(y) - w was in the core; if not, those variables are the next core, which is then large enough (reduced-cost fixing).

Ties: to every value is added a fixed amount below 1e-7 of the largest value, drawn by a hash of the variable's index and larger for a lower index
among variables with the same column. So a solution is practically always unique, whichever of the steps finds it, and its sum falls short of the
largest by less than 1e-7 of the largest value for each variable in it. Rows hold to 1e-6 of their largest weight; whole weights to 100,000 exactly.
The search is limited in nodes, never in seconds: the same problem gives the same answer.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, linprog, milp

from cat_engine.families import Floats, Ints
from cat_engine.once import once
from cat_engine.repair import Mask, Standing, repair

SCALE = 1e4  # the largest value as the solver sees it: its absolute gap of 1e-6 is then 1e-10 of it
TIE = 1e-3
MARGIN = 1e-4  # more than rounding can make of a bound
WHOLE = 1e-7  # closer than this to 0 or 1 is 0 or 1
CORE = 50
NODES = 100_000
SOLVED, LIMIT, INFEASIBLE = 0, 1, 2  # scipy's status codes


@dataclass(frozen=True, eq=False)
class System:
    """R rows over V variables: matrix[R, V], low[R] and high[R] (-inf and inf where open). Rows are scaled to a largest weight of 1."""

    matrix: sparse.csc_array
    low: Floats
    high: Floats

    @classmethod
    def of(cls, matrix: sparse.sparray, low: Floats, high: Floats) -> "System":
        """Scaled. Rows without a weight stay as they are."""
        weights = sparse.csr_array(matrix, dtype=float)
        largest = np.asarray(abs(weights).max(axis=1).todense()).ravel() if weights.shape[0] else np.zeros(0)
        scale = np.where(largest > 0, largest, 1.0)
        return cls(sparse.csc_array(sparse.diags_array(1 / scale) @ weights), low / scale, high / scale)

    @property
    def width(self) -> int:
        """V."""
        return int(self.matrix.shape[1])

    @once
    def classes(self) -> Ints:
        """Of each variable the number of its class: equal columns, equal numbers. [V]"""
        known: dict[tuple[bytes, bytes], int] = {}
        ends = self.matrix.indptr
        keys = ((self.matrix.indices[s:e].tobytes(), self.matrix.data[s:e].tobytes()) for s, e in pairwise(ends))
        return np.array([known.setdefault(key, len(known)) for key in keys], dtype=int)

    @once
    def negative(self) -> Floats:
        """The sum of a row's negative weights, [R]."""
        return np.asarray(self.matrix.minimum(0).sum(axis=1)).ravel()

    @once
    def tie(self) -> Floats:
        """A number in [0, 1) for each variable, falling with the index within a class, the same on every machine (the finaliser of splitmix64;
        Steele et al., 2014). [V]
        """
        x = np.arange(1, self.width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        drawn = ((x ^ (x >> np.uint64(31))) >> np.uint64(11)).astype(float) * 2.0**-53
        out = np.empty(self.width)
        out[np.argsort(self.classes, kind="stable")] = drawn[np.lexsort((-drawn, self.classes))]
        return out

    def activity(self, chosen: Mask) -> Floats:
        """A x, [R]."""
        return np.asarray(self.matrix @ chosen.astype(float))

    def holds(self, chosen: Mask) -> bool:
        """Whether every row holds."""
        activity = self.activity(chosen)
        return bool(np.all((activity >= self.low - 1e-6) & (activity <= self.high + 1e-6)))


def ranking(system: System, value: Floats) -> Floats:
    """The values as they are compared, [V]: scaled, and different from each other by the tie."""
    largest = float(np.max(np.abs(value), initial=0.0))
    if not np.isfinite(largest):
        msg = "a value is not a finite number"
        raise ValueError(msg)
    return value * (SCALE / largest if largest > 0 else 1.0) + TIE * system.tie


def contenders(system: System, value: Floats, free: Mask, high: Floats) -> Ints:
    """The free variables that can be in an optimal solution: of each class the best, as many as the tightest row lets in. Sorted indices.

    high[R]: what the rows still allow.
    """
    most = np.full(system.width, np.inf)
    up = system.matrix.data > 0
    rows = system.matrix.indices[up]
    columns = np.repeat(np.arange(system.width), np.diff(system.matrix.indptr))[up]
    np.minimum.at(most, columns, np.floor((high[rows] - system.negative[rows]) / system.matrix.data[up] + 1e-6))
    at = np.flatnonzero(free)
    best_first = at[np.lexsort((-value[at], system.classes[at]))]
    kind = system.classes[best_first]
    place = np.arange(len(at))
    begins = np.ones(len(at), dtype=bool)
    begins[1:] = kind[1:] != kind[:-1]
    rank = place - np.maximum.accumulate(np.where(begins, place, 0))
    return np.sort(best_first[rank < most[best_first]])


def maximise(system: System, value: Floats, must: Mask, may: Mask) -> Mask | None:
    """The solution [V] of largest value[V]; None where there is none, or none was found within the limit of nodes.

    Raises ValueError where a value is not finite.
    """
    ranked = ranking(system, value)
    fixed = system.activity(must)
    low, high = system.low - fixed, system.high - fixed
    keep = contenders(system, ranked, may & ~must, high)
    matrix = system.matrix[:, keep]
    most = np.asarray(matrix.maximum(0).sum(axis=1)).ravel()
    least = np.asarray(matrix.minimum(0).sum(axis=1)).ravel()
    if np.any(most < low - 1e-6) or np.any(least > high + 1e-6):
        return None
    binding = (most > high + 1e-9) | (least < low - 1e-9)
    rows = sparse.csc_array(matrix[binding])
    bound = np.diff(rows.indptr) > 0
    best = ranked[keep] > 0  # what no row binds stands for itself
    if np.any(bound):
        found = _Part(sparse.csr_array(rows[:, bound]), low[binding], high[binding], ranked[keep[bound]]).solve()
        if found is None:
            return None
        best[bound] = found
    chosen = must.copy()
    chosen[keep] = best
    return chosen


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """What is left to decide: rows[R', V'], low, high, value[V']."""

    rows: sparse.csr_array
    low: Floats
    high: Floats
    value: Floats

    def solve(self) -> Mask | None:
        """The best solution [V']."""
        relaxed = self._relax()
        if relaxed is None:
            return None
        point, y = relaxed
        reduced = np.asarray(self.value - self.rows.T @ y)
        bound = self._bound(y, reduced)
        near = point > 0.5
        if np.all(np.abs(point - near) <= WHOLE) and bound - float(self.value[near].sum()) <= MARGIN / 100:
            return near
        preferred = reduced > 0
        standing = Standing.of(y, reduced, np.asarray(self.rows @ preferred.astype(float)), self.low, self.high)
        mended = repair(standing, self.rows)
        return self._search(reduced, bound) if mended is None else mended

    def _relax(self) -> tuple[Floats, Floats] | None:
        """A solution [V'] of the linear relaxation and its multipliers [R']; None where it has none."""
        same = self.low == self.high
        up, down = np.isfinite(self.high) & ~same, np.isfinite(self.low) & ~same
        result = linprog(
            -self.value,
            A_ub=sparse.vstack([self.rows[up], -self.rows[down]], format="csr"),
            b_ub=np.concatenate([self.high[up], -self.low[down]]),
            A_eq=self.rows[same],
            b_eq=self.low[same],
            bounds=(0, 1),
            method="highs-ds",
            options={"presolve": False},
        )
        if result.status == INFEASIBLE:
            return None
        y = np.zeros(len(self.low))
        if result.status != SOLVED:
            return np.full(len(self.value), 0.5), y  # a loose bound: slower, not wrong
        y[same] = -result.eqlin.marginals
        cost = np.minimum(result.ineqlin.marginals, 0)
        y[up] -= cost[: up.sum()]
        y[down] += cost[up.sum() :]
        return result.x, y

    def _bound(self, y: Floats, reduced: Floats) -> float:
        """B(y): an open side is never charged, as `_relax` gives multipliers of the other sign only."""
        at = np.where(y > 0, self.high, self.low)
        return float(y[y != 0] @ at[y != 0] + np.maximum(reduced, 0).sum())

    def _search(self, reduced: Floats, bound: float) -> Mask | None:
        """The best solution [V'] by branch and bound over a core that grows until it is proved."""
        distance = np.abs(reduced)
        nearest = np.argsort(distance, kind="stable")
        core = np.sort(nearest[:CORE])
        while True:
            chosen = reduced > 0
            chosen[core] = False
            taken = np.asarray(self.rows @ chosen.astype(float))
            result = search(self.value[core], self.rows[:, core], self.low - taken, self.high - taken)
            if result.x is None:
                if len(core) == len(self.value):
                    return None
                core = np.sort(nearest[: 4 * len(core)])
                continue
            chosen[core] = result.x > 0.5
            open_still = np.flatnonzero(distance <= bound - float(self.value[chosen].sum()) + MARGIN)
            if result.status == LIMIT or np.all(np.isin(open_still, core)):
                return chosen
            core = open_still


def search(value: Floats, rows: sparse.csr_array, low: Floats, high: Floats) -> OptimizeResult:
    """Branch and bound by HiGHS; once more without presolve where presolve leaves open whether there is a solution."""
    for presolve in (True, False):
        result = milp(
            -value,
            integrality=np.ones(len(value)),
            bounds=Bounds(0, 1),
            constraints=LinearConstraint(rows, low, high),
            options={"mip_rel_gap": 0.0, "node_limit": NODES, "presolve": presolve},
        )
        if result.status in (SOLVED, LIMIT, INFEASIBLE):
            break
    return result
