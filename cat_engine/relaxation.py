"""Linear programs that are solved again and again with a few bounds or columns changed.

    maximise value . x   subject to   low <= A x <= high,  lower <= x <= upper

`Warm` keeps the last basis in HiGHS (Huangfu & Hall, 2018), from which a changed program takes a few pivots. scipy brings HiGHS with it, but its
public functions forget the basis; the class behind them is reached here and nowhere else. `Cold` does the same by the public function, five times
slower: it serves where a release of scipy keeps that class elsewhere.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

from cat_engine.families import Floats, Ints

try:
    from scipy.optimize._highspy import _core as highs
except ImportError:
    highs = None


class SolverError(ArithmeticError):
    """A program that has neither an optimum nor a proof that it has no solution."""


@dataclass(frozen=True, slots=True, eq=False)
class Point:
    """An optimum: its worth, x[V] and the multipliers y[R]: worth = y . (A x) + reduced values, positive where an upper bound holds."""

    worth: float
    x: Floats
    y: Floats


class Relaxation(Protocol):
    """A program of R rows, to which columns may be added and whose bounds may be changed. solve() -> None where there is no solution; raises
    SolverError.
    """

    def add(self, value: Floats, columns: Floats, upper: Floats) -> None: ...

    def add_rows(self, low: Floats, high: Floats) -> None: ...

    def bound_columns(self, at: Ints, lower: Floats, upper: Floats) -> None: ...

    def bound_row(self, at: int, low: float, high: float) -> None: ...

    def price(self, value: Floats) -> None: ...

    def solve(self) -> Point | None: ...


class Warm:
    """In HiGHS, by dual simplex from the last basis."""

    def __init__(self, low: Floats, high: Floats) -> None:
        self._solver = highs._Highs()
        for option, setting in (("output_flag", False), ("presolve", "off"), ("simplex_scale_strategy", 0)):
            self._solver.setOptionValue(option, setting)
        self.add_rows(low, high)

    def add_rows(self, low: Floats, high: Floats) -> None:
        """Rows without a weight in the columns so far."""
        if len(low):
            self._solver.addRows(len(low), low, high, 0, np.zeros(len(low), dtype=np.int32), np.zeros(0, dtype=np.int32), np.zeros(0))

    def add(self, value: Floats, columns: Floats, upper: Floats) -> None:
        """Columns [K, R], each in a line of its own, with 0 <= x <= upper[K]."""
        column, row = np.nonzero(columns)
        start = np.searchsorted(column, np.arange(len(value)))
        weights = columns[column, row]
        self._solver.addCols(
            len(value), -value, np.zeros(len(value)), upper, len(weights), start.astype(np.int32), row.astype(np.int32), weights
        )

    def bound_columns(self, at: Ints, lower: Floats, upper: Floats) -> None:
        """lower <= x <= upper at `at`."""
        if len(at):
            self._solver.changeColsBounds(len(at), at.astype(np.int32), lower, upper)

    def bound_row(self, at: int, low: float, high: float) -> None:
        """Other bounds of a row."""
        self._solver.changeRowBounds(at, low, high)

    def price(self, value: Floats) -> None:
        """Other values of all columns."""
        self._solver.changeColsCost(len(value), np.arange(len(value), dtype=np.int32), -value)

    def solve(self) -> Point | None:
        """The optimum, from scratch where the last basis leads nowhere."""
        status, known = None, highs.HighsModelStatus
        for attempt in range(2):
            if attempt:
                self._solver.clearSolver()
            self._solver.run()
            status = self._solver.getModelStatus()
            if status == known.kInfeasible:
                return None
            if status == known.kOptimal:
                found = self._solver.getSolution()
                return Point(-self._solver.getObjectiveValue(), np.array(found.col_value), -np.array(found.row_dual))
        raise SolverError(str(status))


class Cold:
    """By scipy.optimize.linprog, anew each time."""

    def __init__(self, low: Floats, high: Floats) -> None:
        self._low, self._high = low.copy(), high.copy()
        self._columns = sparse.csr_array((0, len(low)))
        self._value, self._lower, self._upper = np.zeros(0), np.zeros(0), np.zeros(0)

    def add(self, value: Floats, columns: Floats, upper: Floats) -> None:
        """See Warm."""
        self._columns = sparse.vstack([self._columns, sparse.csr_array(columns)], format="csr")
        self._value, self._upper = np.concatenate([self._value, value]), np.concatenate([self._upper, upper])
        self._lower = np.concatenate([self._lower, np.zeros(len(value))])

    def add_rows(self, low: Floats, high: Floats) -> None:
        """See Warm."""
        self._low, self._high = np.concatenate([self._low, low]), np.concatenate([self._high, high])
        self._columns = sparse.hstack([self._columns, sparse.csr_array((len(self._value), len(low)))], format="csr")

    def bound_columns(self, at: Ints, lower: Floats, upper: Floats) -> None:
        """See Warm."""
        self._lower[at], self._upper[at] = lower, upper

    def bound_row(self, at: int, low: float, high: float) -> None:
        """See Warm."""
        self._low[at], self._high[at] = low, high

    def price(self, value: Floats) -> None:
        """See Warm."""
        self._value = value

    def solve(self) -> Point | None:
        """See Warm."""
        rows, same = sparse.csr_array(self._columns.T), self._low == self._high
        up, down = np.isfinite(self._high) & ~same, np.isfinite(self._low) & ~same
        found = linprog(
            -self._value,
            A_ub=sparse.vstack([rows[up], -rows[down]], format="csr"),
            b_ub=np.concatenate([self._high[up], -self._low[down]]),
            A_eq=rows[same],
            b_eq=self._low[same],
            bounds=np.column_stack([self._lower, self._upper]),
            method="highs-ds",
            options={"presolve": False},
        )
        if found.status == 2:
            return None
        if found.status != 0:
            raise SolverError(found.message)
        y = np.zeros(len(self._low))
        y[same] = -found.eqlin.marginals
        cost = -found.ineqlin.marginals
        y[up] += cost[: up.sum()]
        y[down] -= cost[up.sum() :]
        return Point(-found.fun, found.x, y)


def relaxation(low: Floats, high: Floats) -> Relaxation:
    """A program without columns, of rows low[R] to high[R]."""
    return Cold(low, high) if highs is None else Warm(low, high)
