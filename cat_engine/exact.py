"""The largest sum of values of 0/1 variables under linear rows, exactly and fast.

    maximise v . x   subject to   low <= A x <= high,  x in {0, 1}^V,  x_j = 1 for `must`,  x_j = 0 outside `may`

1. Variables with the same column are alike to every row, so of each such class only the best few can be in a solution: as many as the tightest
   row lets in. That leaves the optimum as it is. So do rows that nothing can break.
2. Best-first branch and bound over warm linear relaxations in which item sets stand by whole choices: see branch.py. As a rule the relaxation of
   single items is whole at once, and that of item sets after some ten nodes.
3. Where the limit of nodes is reached, HiGHS solves the whole program. It too is limited in nodes, never in seconds: the same problem gives the
   same answer.

Ties: to every value is added a fixed amount below 1e-7 of the largest value, drawn by a hash of the variable's index and larger for a lower index
among variables with the same column. So a solution is practically always unique, and its sum falls short of the largest by less than 1e-7 of the
largest value for each variable in it. Rows hold to 1e-6 of their largest weight; whole weights to 100,000 exactly.
"""

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from cat_engine.branch import Problem, TooLarge, branch
from cat_engine.families import Floats, Ints
from cat_engine.once import once
from cat_engine.relaxation import SolverError
from cat_engine.sets import Mask, Sets

SCALE = 1e4  # the largest value as the solver sees it
TIE = 1e-3
NODES = 2_000
WHOLE_NODES = 100_000  # of HiGHS, after that


@dataclass(frozen=True, eq=False)
class System:
    """R rows over V variables: matrix[R, V], low[R] and high[R] (-inf and inf where open). Rows are scaled to a largest weight of 1: scale[R].
    Rows that are `tied`[R] say of `sets` what these say themselves.
    """

    matrix: sparse.csc_array
    low: Floats
    high: Floats
    scale: Floats
    tied: Mask
    sets: Sets | None = None

    @classmethod
    def of(cls, matrix: sparse.sparray, low: Floats, high: Floats, tied: Mask | None = None, sets: Sets | None = None) -> "System":
        """Scaled. Rows without a weight stay as they are."""
        weights = sparse.csr_array(matrix, dtype=float)
        largest = np.asarray(abs(weights).max(axis=1).todense()).ravel() if weights.shape[0] else np.zeros(0)
        scale = np.where(largest > 0, largest, 1.0)
        tied = np.zeros(len(low), dtype=bool) if tied is None else tied
        return cls(sparse.csc_array(sparse.diags_array(1 / scale) @ weights), low / scale, high / scale, scale, tied, sets)

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
    def halves(self) -> tuple[sparse.csc_array, sparse.csc_array]:
        """The positive weights, and the negative ones."""
        return self.matrix.maximum(0), self.matrix.minimum(0)

    @once
    def dense(self) -> Floats:
        """The matrix turned round, [V, R]."""
        return np.ascontiguousarray(self.matrix.T.toarray())

    @once
    def negative(self) -> Floats:
        """The sum of a row's negative weights, [R]."""
        return np.asarray(self.halves[1].sum(axis=1)).ravel()

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

    def under(self, low: Floats, high: Floats, sets: Sets | None) -> "System":
        """The same with other bounds [R], as they are before scaling, and other bounds within sets."""
        made = replace(self, low=low / self.scale, high=high / self.scale, sets=sets)
        made.__dict__.update(
            {name: known for name, known in self.__dict__.items() if name not in made.__dict__}
        )  # what was worked out once
        return made

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
    return (value / largest * SCALE if largest > 0 else value) + TIE * system.tie


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


def maximise(system: System, value: Floats, must: Mask, may: Mask, price: Floats | None = None, high: Floats | None = None) -> Mask | None:
    """The solution [V] of largest value[V]; None where there is none, or none was found within the limits of nodes.

    price[R]: what missing a row by a unit costs, in largest values; inf where it must hold, as all do without prices. high[R]: other upper bounds,
    unscaled, than the system's own. Raises ValueError where a value is not finite.
    """
    ranked = ranking(system, value)
    price = np.full(len(system.low), np.inf) if price is None else price * SCALE * system.scale
    system = system if high is None else system.under(system.low * system.scale, high, system.sets)
    hard = np.isinf(price)
    single = np.ones(system.width, dtype=bool) if system.sets is None else ~system.sets.inside
    fixed = system.activity(must & single)
    low, high = np.where(hard, system.low, -np.inf) - fixed, np.where(hard, system.high, np.inf) - fixed
    keep = contenders(system, ranked, may & ~must & single, high)
    going = ((may | must) & ~single).astype(float)
    going[keep] = 1.0
    least, most = (half @ going for half in reversed(system.halves))
    if np.any(most < low - 1e-6) or np.any(least > high + 1e-6):
        return None
    bind = ~system.tied & ((most > system.high - fixed + 1e-9) | (least < system.low - fixed - 1e-9))
    problem = Problem(
        ranked, system.dense[:, bind], fixed[bind], system.low[bind], system.high[bind], must, may, keep, system.sets, price[bind]
    )
    try:
        found = branch(problem, NODES)
    except (TooLarge, SolverError):
        return whole(system, ranked, must, may, price)
    return found


def whole(system: System, value: Floats, must: Mask, may: Mask, price: Floats) -> Mask | None:
    """The same by HiGHS, with every variable and row; once more without presolve where presolve leaves open whether there is a solution."""
    soft = sparse.eye_array(len(price), format="csr")[:, np.isfinite(price)]
    misses = 2 * soft.shape[1]
    for presolve in (True, False):
        result = milp(
            np.concatenate([-value, np.tile(price[np.isfinite(price)], 2)]),
            integrality=np.concatenate([np.ones(len(value)), np.zeros(misses)]),
            bounds=Bounds(np.concatenate([must, np.zeros(misses)]), np.concatenate([must | may, np.full(misses, np.inf)])),
            constraints=LinearConstraint(sparse.hstack([system.matrix, soft, -soft], format="csr"), system.low, system.high),
            options={"mip_rel_gap": 0.0, "node_limit": WHOLE_NODES, "presolve": presolve},
        )
        if result.status in (0, 1, 2):  # solved, at the limit, without a solution
            break
    return None if result.x is None else np.asarray(result.x[: len(value)] > 0.5)
