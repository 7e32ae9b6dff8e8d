"""Assembling a test: the items of largest total criterion that satisfy a blueprint, solved exactly.

x_i = 1 where item i is in the test; where rows speak of stimuli, z_g = 1 where stimulus g is, tied to its items by x_i <= z_g <= sum_{i of g} x_i
(item by item, which makes a far tighter relaxation than one row a stimulus). Maximise sum_i score_i x_i under the rows, items given fixed at
x_i = 1 (van der Linden, 2005, chs. 3 and 7): see exact.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from cat_engine.blueprint import PER_STIMULUS, BlueprintRow, Content, by_value
from cat_engine.conditions import attribute, evaluate, missing
from cat_engine.conditions import number as to_number
from cat_engine.exact import NODES, System, maximise
from cat_engine.families import Floats, Ints
from cat_engine.once import once
from cat_engine.repair import Mask

VIOLATION = 1e4  # price of a unit outside a bound when rows are relaxed, in units of the largest score


@dataclass(frozen=True, eq=False)
class Assembly:
    """A blueprint over I items and G stimuli as a linear program: matrix[R, I + G] with low[R] and high[R]; soft[R], the rows that may give way;
    forced and forbidden items [I]; order[I], ascending ranks in which items are given (all 0 without an order row).
    """

    matrix: sparse.csr_array
    low: Floats
    high: Floats
    soft: Mask
    forced: Mask
    forbidden: Mask
    order: Floats
    stimulus: Ints
    n_stimuli: int

    @classmethod
    def of(cls, rows: Sequence[BlueprintRow], content: Content, count: int) -> "Assembly":
        """Compile. Raises ConditionError where a condition cannot be read: see blueprint.row_faults."""
        return _Compiler(content, count).compile(rows)

    @once
    def length(self) -> int:
        """The most items that a test may hold."""
        count = len(self.stimulus)
        wide = np.flatnonzero(np.diff(self.matrix.indptr) == count)
        dense = self.matrix[wide].toarray()
        whole = wide[np.all(dense[:, :count] == 1, axis=1) & ~dense[:, count:].any(axis=1)]
        return int(min(self.high[whole], default=count))

    @once
    def system(self) -> System:
        """The rows as the solver has them."""
        return System.of(self.matrix, self.low, self.high)

    def solve(self, score: Floats, may: Mask, given: Sequence[int] = (), *, relax: bool = False) -> Mask | None:
        """The best test: score[I]; may[I], items that may enter; `given` are in it already. None where no test satisfies the rows (or none was
        found within the solver's limit of nodes).

        With `relax` bounded rows may be missed at a high price, so that there is a test whenever enough items are left.
        Raises ValueError where a score is not finite.
        """
        inside = np.zeros(len(score), dtype=bool)
        inside[list(given)] = True
        entering = may & ~self.forbidden
        if np.any(self.forced & ~(inside | entering)):
            return None
        must, free = self._variables(inside | self.forced), np.concatenate([entering, np.ones(self.n_stimuli, dtype=bool)])
        value = np.concatenate([score, np.zeros(self.n_stimuli)])
        found = self._nearest(value, must, free) if relax else maximise(self.system, value, must, free)
        return None if found is None else found[: len(score)]

    def _variables(self, items: Mask) -> Mask:
        """Items [I] with the stimuli that they bring, [I + G]."""
        brought = np.zeros(self.n_stimuli, dtype=bool)
        with_stimulus = self.stimulus[items]
        brought[with_stimulus[with_stimulus >= 0]] = True
        return np.concatenate([items, brought])

    def _nearest(self, value: Floats, must: Mask, free: Mask) -> Mask | None:
        """The best test that misses soft rows by as little as possible: a column for each unit above, and one for each below."""
        slack = sparse.eye_array(len(self.low), format="csr")[:, self.soft]
        extra = 2 * slack.shape[1]
        price = VIOLATION * max(float(np.abs(value[free]).max(initial=0.0)), 1e-9)
        found = milp(
            np.concatenate([np.where(must, 0.0, -value), np.full(extra, price)]),
            integrality=np.concatenate([np.ones(len(value)), np.zeros(extra)]),
            bounds=Bounds(np.concatenate([must, np.zeros(extra)]), np.concatenate([must | free, np.full(extra, np.inf)])),
            constraints=LinearConstraint(sparse.hstack([self.matrix, slack, -slack], format="csr"), self.low, self.high),
            options={"mip_rel_gap": 0.0, "node_limit": NODES},
        )
        return None if found.x is None else np.asarray(found.x[: len(value)] > 0.5)


class _Compiler:
    """From blueprint rows to rows of coefficients."""

    def __init__(self, content: Content, count: int) -> None:
        self._content, self._count, self._stimuli = content, count, len(content.stimulus_ids)
        self._stimulus = np.array(content.stimulus, dtype=int).reshape(count)
        self._blocks: list[sparse.sparray] = [sparse.csr_array((0, count + self._stimuli))]
        self._bounds: list[tuple[float, float, bool]] = []
        self._forced, self._forbidden, self._order = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool), np.zeros(count)

    def compile(self, rows: Sequence[BlueprintRow]) -> Assembly:
        """All rows, then what ties items to their stimuli."""
        for row in rows:
            self._row(row)
        if self._stimuli and any(row.what == "stimulus" or row.condition.lower() == PER_STIMULUS for row in rows):
            hung = np.flatnonzero(self._stimulus >= 0)
            one = np.arange(len(hung))
            width = self._count + self._stimuli
            each = sparse.csr_array((np.ones(len(hung)), (one, hung)), shape=(len(hung), width))
            its = sparse.csr_array((np.ones(len(hung)), (one, self._count + self._stimulus[hung])), shape=(len(hung), width))
            self._block(each - its, -np.inf, 0.0)  # an item brings its stimulus
            self._block(self._members(1.0), 0.0, np.inf)  # a stimulus comes with an item
        low, high, soft = (np.array([b[k] for b in self._bounds]) for k in range(3))
        return Assembly(
            sparse.vstack(self._blocks, format="csr"),
            low.astype(float),
            high.astype(float),
            soft.astype(bool),
            self._forced,
            self._forbidden,
            self._order,
            self._stimulus,
            self._stimuli,
        )

    def _block(self, rows: sparse.sparray, low: float, high: float, *, soft: bool = False) -> None:
        self._blocks.append(rows)
        self._bounds += [(low, high, soft)] * rows.shape[0]

    def _members(self, weight: float) -> sparse.sparray:
        """For each stimulus the number of its items less `weight` if it is used."""
        hung = np.flatnonzero(self._stimulus >= 0)
        items = sparse.csr_array((np.ones(len(hung)), (self._stimulus[hung], hung)), shape=(self._stimuli, self._count))
        return sparse.hstack([items, -weight * sparse.eye_array(self._stimuli)], format="csr")

    def _line(self, row: BlueprintRow, values: Floats, low: float, high: float, *, soft: bool = True) -> None:
        line = np.zeros((1, self._count + self._stimuli))
        line[0, slice(self._count) if row.what == "item" else slice(self._count, None)] = values
        self._block(sparse.csr_array(line), low, high, soft=soft)

    def _row(self, row: BlueprintRow) -> None:
        items = row.what == "item"
        attributes = self._content.attributes if items else self._content.stimulus_attributes or {}
        count = self._count if items else self._stimuli
        if row.condition.lower() == PER_STIMULUS:
            self._block(self._members(row.low), 0.0, np.inf)
            self._block(self._members(row.high), -np.inf, 0.0)
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
