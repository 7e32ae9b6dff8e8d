"""Assembling a test: the items of largest total criterion that satisfy a blueprint, as a mixed integer program, solved exactly.

Notation: x_i = 1 where item i is in the test, z_g = 1 where stimulus g is; maximise sum_i score_i x_i under the rows, items given fixed at x_i = 1
(van der Linden, 2005, chs. 3 and 7).

Exact reduction: items with the same column of constraint coefficients are interchangeable but for their score, so of each class only the best
n can enter a test of at most n items. What is left is solved by HiGHS, without a limit in time, so that the answer is repeatable.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from cat_engine.blueprint import PER_STIMULUS, BlueprintRow, Content, by_value
from cat_engine.conditions import attribute, evaluate, missing
from cat_engine.conditions import number as to_number
from cat_engine.families import Floats, Ints

NODE_LIMIT = 200_000
VIOLATION = 1e4  # price of a unit outside a bound when rows are relaxed, in units of the largest score


@dataclass(frozen=True, eq=False)
class Assembly:
    """A blueprint over I items and G stimuli as a linear program: matrix[R, I + G] with low[R] and high[R]; soft[R], the rows that may give way;
    forced and forbidden items [I]; order[I], ascending ranks in which items are given (all 0 without an order row).
    """

    matrix: sparse.csr_array
    low: Floats
    high: Floats
    soft: NDArray[np.bool_]
    forced: NDArray[np.bool_]
    forbidden: NDArray[np.bool_]
    order: Floats
    stimulus: Ints
    n_stimuli: int

    @classmethod
    def of(cls, rows: Sequence[BlueprintRow], content: Content, count: int) -> "Assembly":
        """Compile. Raises ConditionError where a condition cannot be read: see blueprint.row_faults."""
        return _Compiler(content, count).compile(rows)

    @cached_property
    def length(self) -> int:
        """The most items that a test may hold."""
        count = len(self.stimulus)
        dense = self.matrix.toarray()
        totals = [self.high[r] for r in range(len(dense)) if np.all(dense[r, :count] == 1) and not dense[r, count:].any()]
        return int(min(totals, default=count))

    @cached_property
    def classes(self) -> Ints:
        """A number for each item, the same for items with the same column and stimulus, [I]."""
        columns = self.matrix.toarray()[:, : len(self.stimulus)].T
        keys = np.concatenate([columns, self.stimulus[:, None], self.forced[:, None], self.forbidden[:, None], self.order[:, None]], axis=1)
        return np.asarray(np.unique(keys, axis=0, return_inverse=True)[1]).reshape(-1)

    def solve(self, score: Floats, may: NDArray[np.bool_], given: Sequence[int] = (), *, relax: bool = False) -> NDArray[np.bool_] | None:
        """The best test: score[I]; may[I], items that may enter; `given` are in it already. None where no test satisfies the rows.

        With `relax` bounded rows may be missed at a high price, so that there is a test whenever enough items are left.
        """
        count = len(score)
        inside = np.zeros(count, dtype=bool)
        inside[list(given)] = True
        candidates = self._candidates(score, may & ~self.forbidden & ~inside)
        keep = np.concatenate([np.flatnonzero(inside | candidates), count + np.arange(self.n_stimuli)])
        n_items = len(keep) - self.n_stimuli
        cost = np.concatenate([-score[keep[:n_items]], np.zeros(self.n_stimuli)])
        cost[:n_items][inside[keep[:n_items]]] = 0.0  # what was given cannot be chosen
        low, high = np.zeros(len(keep)), np.ones(len(keep))
        low[:n_items][inside[keep[:n_items]] | self.forced[keep[:n_items]]] = 1.0
        if np.any(self.forced & ~(inside | candidates)):
            return None
        matrix = self.matrix[:, keep]
        if relax:
            slack = sparse.csr_array(np.eye(len(self.low))[:, self.soft])
            matrix = sparse.hstack([matrix, slack, -slack], format="csr")
            price = VIOLATION * max(float(np.abs(score[may]).max(initial=0.0)), 1e-9)
            extra = 2 * int(self.soft.sum())
            cost = np.concatenate([cost, np.full(extra, price)])
            low, high = np.concatenate([low, np.zeros(extra)]), np.concatenate([high, np.full(extra, np.inf)])
        whole = np.zeros(len(cost))
        whole[: len(keep)] = 1
        constraints = LinearConstraint(matrix, self.low, self.high) if matrix.shape[0] else ()
        found = milp(
            cost,
            integrality=whole,
            bounds=Bounds(low, high),
            constraints=constraints,
            options={"mip_rel_gap": 0.0, "node_limit": NODE_LIMIT},
        )
        if found.x is None:
            return None
        out = np.zeros(count, dtype=bool)
        out[keep[:n_items][found.x[:n_items] > 0.5]] = True
        return out

    def _candidates(self, score: Floats, may: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """The best `length` items of each class; ties to the lowest index."""
        at = np.flatnonzero(may)
        order = at[np.lexsort((at, -score[at], self.classes[at]))]
        start = np.flatnonzero(np.diff(self.classes[order], prepend=-1))
        rank = np.arange(len(order)) - np.repeat(start, np.diff(np.append(start, len(order))))
        out = np.zeros(len(score), dtype=bool)
        out[order[rank < self.length]] = True
        return out


class _Compiler:
    """From blueprint rows to rows of coefficients."""

    def __init__(self, content: Content, count: int) -> None:
        self._content, self._count, self._stimuli = content, count, len(content.stimulus_ids)
        self._stimulus = np.array(content.stimulus, dtype=int).reshape(count)
        self._rows: list[Floats] = []
        self._bounds: list[tuple[float, float, bool]] = []
        self._forced, self._forbidden, self._order = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool), np.zeros(count)

    def compile(self, rows: Sequence[BlueprintRow]) -> Assembly:
        """All rows, then what ties items to their stimuli."""
        for row in rows:
            self._row(row)
        if self._stimuli and any(row.what == "stimulus" or row.condition.lower() == PER_STIMULUS for row in rows):
            for g in range(self._stimuli):
                mine = (self._stimulus == g).astype(float)
                self._add(mine, g, -mine.sum(), -np.inf, 0.0)  # an item brings its stimulus
                self._add(mine, g, -1.0, 0.0, np.inf)  # a stimulus comes with an item
        width = self._count + self._stimuli
        matrix = sparse.csr_array(np.array(self._rows).reshape(len(self._rows), width))
        low, high, soft = (np.array([b[k] for b in self._bounds]) for k in range(3))
        return Assembly(
            matrix,
            low.astype(float),
            high.astype(float),
            soft.astype(bool),
            self._forced,
            self._forbidden,
            self._order,
            self._stimulus,
            self._stimuli,
        )

    def _add(self, items: Floats, g: int, weight: float, low: float, high: float, *, soft: bool = False) -> None:
        line = np.zeros(self._count + self._stimuli)
        line[: self._count] = items
        if g >= 0:
            line[self._count + g] = weight
        self._rows.append(line)
        self._bounds.append((low, high, soft))

    def _line(self, row: BlueprintRow, values: Floats, low: float, high: float, *, soft: bool = True) -> None:
        line = np.zeros(self._count + self._stimuli)
        line[: self._count] = 0
        if row.what == "item":
            line[: self._count] = values
        else:
            line[self._count :] = values
        self._rows.append(line)
        self._bounds.append((low, high, soft))

    def _row(self, row: BlueprintRow) -> None:
        items = row.what == "item"
        attributes = self._content.attributes if items else self._content.stimulus_attributes or {}
        count = self._count if items else self._stimuli
        if row.condition.lower() == PER_STIMULUS:
            for g in range(self._stimuli):
                mine = (self._stimulus == g).astype(float)
                self._add(mine, g, -row.low, 0.0, np.inf)
                self._add(mine, g, -row.high, -np.inf, 0.0)
            return
        if row.kind == "sum":
            name, _, condition = row.condition.partition(",")
            values = np.array([to_number(v) or 0.0 for v in attribute(attributes, name.strip())])
            self._line(row, values * evaluate(condition, attributes, count), row.low, row.high)
            return
        if row.kind == "order":
            if items:
                self._order = _ranks(attribute(attributes, row.condition))
            return
        if by_value(row, attributes):
            column = attribute(attributes, row.condition.strip())
            for value in dict.fromkeys(v for v in column if not missing(v)):
                self._line(row, np.array([v == value for v in column], dtype=float), row.low, row.high)
            return
        chosen = evaluate(row.condition, attributes, count)
        if row.kind == "number":
            self._line(row, chosen.astype(float), row.low, row.high)
        elif row.kind == "enemy":
            self._line(row, chosen.astype(float), 0.0, 1.0, soft=False)
        elif row.kind == "allornone":
            first, *others = np.flatnonzero(chosen).tolist() or [0]
            for other in others:
                line = np.zeros(count)
                line[first], line[other] = 1.0, -1.0
                self._line(row, line, 0.0, 0.0, soft=False)
        elif items and row.kind == "include":
            self._forced |= chosen
        elif items:
            self._forbidden |= chosen
        else:
            wanted = float(chosen.sum()) if row.kind == "include" else 0.0
            self._line(row, chosen.astype(float), wanted, wanted, soft=False)


def _ranks(values: Sequence[str]) -> Floats:
    """Ascending ranks of a column, by number where all are numbers; a missing value comes last."""
    numbers = [to_number(v) for v in values]
    keys: list[object] = numbers if all(n is not None or missing(v) for n, v in zip(numbers, values, strict=True)) else list(values)  # type: ignore[assignment]
    known = sorted({k for k, v in zip(keys, values, strict=True) if not missing(v)})  # type: ignore[type-var]
    place = {k: float(i) for i, k in enumerate(known)}
    return np.array([len(known) if missing(v) else place[k] for k, v in zip(keys, values, strict=True)], dtype=float)
