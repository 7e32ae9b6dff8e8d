"""Assembling a test: the items of largest total criterion that satisfy a blueprint, solved exactly.

x_i = 1 where item i is in the test; where rows speak of stimuli, z_g = 1 where stimulus g is, tied to its items by x_i <= z_g <= sum_{i of g} x_i
(item by item, which makes a far tighter relaxation than one row a stimulus). Maximise sum_i score_i x_i under the rows, items given fixed at
x_i = 1 (van der Linden, 2005, chs. 3 and 7): see exact.py. That is loaded with the first test: the solvers of scipy take as long to import as the rest
of the engine, and without a blueprint nothing is assembled.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cat_engine.blueprint import BlueprintRow, Content, by_value
from cat_engine.conditions import attribute, evaluate, missing
from cat_engine.conditions import number as to_number
from cat_engine.families import Floats, Ints
from cat_engine.once import once
from cat_engine.sets import Mask, Sets

if TYPE_CHECKING:
    from cat_engine.exact import System

VIOLATION = 1e3  # price of a unit outside a bound, in units of the largest score; of a row of the next lower priority a hundredth of it
CHEAPER = 1e-2


@dataclass(frozen=True, eq=False)
class Assembly:
    """A blueprint over I items and G stimuli as a linear program: matrix[R, I + G] with low[R] and high[R]; soft[R], the rows that may give way, and
    their priority[R]; tied[R], the rows that tie items to stimuli; timed[R], rows that count seconds. forced and forbidden items [I]; order[I],
    ascending ranks in which items are given (all 0 without an order row); sets, where rows speak of stimuli.
    """

    matrix: sparse.csr_array
    low: Floats
    high: Floats
    soft: Mask
    priority: Ints
    tied: Mask
    timed: Mask
    forced: Mask
    forbidden: Mask
    order: Floats
    stimulus: Ints
    n_stimuli: int
    sets: Sets | None

    @classmethod
    def of(cls, rows: Sequence[BlueprintRow], content: Content, count: int, seconds: Floats | None = None) -> "Assembly":
        """Compile. Raises ConditionError where a condition cannot be read: see blueprint.row_faults. seconds[I]: expected times, for time rows."""
        compiler = Compiler(content, count, seconds)
        return compiler.join([compiler.part(row) for row in rows])

    @once
    def length(self) -> int:
        """The most items that a test may hold."""
        count = len(self.stimulus)
        wide = np.flatnonzero(np.diff(self.matrix.indptr) == count)
        dense = self.matrix[wide].toarray()
        whole = wide[np.all(dense[:, :count] == 1, axis=1) & ~dense[:, count:].any(axis=1) & ~self.timed[wide]]
        return int(min(self.high[whole], default=count))

    @once
    def levels(self) -> tuple[int, ...]:
        """Priorities of the rows that may give way, ascending."""
        return tuple(sorted(set(self.priority[self.soft].tolist())))

    @once
    def system(self) -> "System":
        """The rows as the solver has them."""
        from cat_engine.exact import System

        return System.of(self.matrix, self.low, self.high, self.tied, self.sets)

    def solve(
        self, score: Floats, may: Mask, given: Sequence[int] = (), *, relax: bool | int = False, high: Floats | None = None
    ) -> Mask | None:
        """The best test: score[I]; may[I], items that may enter; `given` are in it already. None where no test satisfies the rows (or none was
        found within the solver's limit of nodes).

        With `relax` bounded rows may be missed at a high price, so that there is a test whenever enough items are left; a number means those of
        this priority and below. high[R] stands in the place of the rows' own upper bounds. Raises ValueError where a score is not finite.
        """
        inside = np.zeros(len(score), dtype=bool)
        inside[list(given)] = True
        entering = may & ~self.forbidden
        if np.any(self.forced & ~(inside | entering)):
            return None
        must, free = self._variables(inside | self.forced), self._free(entering)
        value = np.concatenate([score, np.zeros(self.n_stimuli)])
        found = self._maximise(value, must, free, self._price(relax), high)
        return None if found is None else found[: len(score)]

    def possible(self, may: Mask) -> bool:
        """Whether a test of these items satisfies the rows."""
        entering = may & ~self.forbidden
        if np.any(self.forced & ~entering):
            return False
        # At values drawn at random a relaxation is whole at once as a rule; at equal ones it hardly ever is.
        return self._maximise(self.system.tie, self._variables(self.forced), self._free(entering)) is not None

    def _maximise(self, value: Floats, must: Mask, may: Mask, price: Floats | None = None, high: Floats | None = None) -> Mask | None:
        from cat_engine.exact import maximise

        return maximise(self.system, value, must, may, price, high)

    def _free(self, items: Mask) -> Mask:
        return np.concatenate([items, np.full(self.n_stimuli, self.sets is not None)])

    def _variables(self, items: Mask) -> Mask:
        """Items [I] with the stimuli that they bring, [I + G]."""
        brought = np.zeros(self.n_stimuli, dtype=bool)
        with_stimulus = self.stimulus[items]
        brought[with_stimulus[with_stimulus >= 0]] = self.sets is not None
        return np.concatenate([items, brought])

    def _price(self, relax: bool | int) -> Floats | None:
        if relax is False:
            return None
        top = self.levels[-1] if relax is True and self.levels else int(relax)
        rank = np.searchsorted(self.levels, self.priority) - np.searchsorted(self.levels, top)
        return np.where(self.soft & (self.priority <= top), VIOLATION * CHEAPER ** -rank.astype(float), np.inf)

    def limits(self, given: Ints, taken_s: Floats, tau: float) -> Floats | None:
        """The upper bounds [R] for a person of speed tau who took taken_s[N] on the items given[N]; None where no row counts seconds.

        What was taken and what is still expected, exp(-tau) seconds_i an item (van der Linden, 2006), together stay below the limit.
        """
        if not self.timed.any():
            return None
        own = self.matrix[self.timed][:, given].toarray()
        high = self.high.copy()
        left = np.maximum(self.high[self.timed] - (own > 0) @ taken_s, 0.0)
        high[self.timed] = left * np.exp(tau) + own.sum(axis=1)
        return high


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What one blueprint row compiles to: matrix[R, I + G] with low[R] and high[R], all alike soft, tied and timed or not; the items that it forces
    or forbids [I], and the order [I] that it asks for.
    """

    row: BlueprintRow
    matrix: sparse.csr_array
    low: Floats
    high: Floats
    forced: Mask | None = None
    forbidden: Mask | None = None
    order: Floats | None = None
    tied: bool = False


class Compiler:
    """From blueprint rows to rows of coefficients, over `count` items with expected times seconds[I]."""

    def __init__(self, content: Content, count: int, seconds: Floats | None = None) -> None:
        self._content, self._count, self._stimuli = content, count, len(content.stimulus_ids)
        self._stimulus = np.array(content.stimulus, dtype=int).reshape(count)
        self._seconds = np.zeros(count) if seconds is None else seconds

    def join(self, parts: Sequence[Part]) -> Assembly:
        """The rows of all parts, then what ties items to their stimuli where a row speaks of these."""
        sets = None
        if self._stimuli and any(part.row.what == "stimulus" or part.row.per_stimulus for part in parts):
            sets = self._sets(parts)
            parts = [*parts, *self._ties()]
        counts = [part.matrix.shape[0] for part in parts]

        def of_rows(values: Sequence[object], kind: type) -> NDArray[Any]:
            return np.repeat(np.array(values, dtype=kind), counts)

        forced, forbidden = self._excepted(parts)
        return Assembly(
            sparse.vstack([sparse.csr_array((0, self._count + self._stimuli)), *(part.matrix for part in parts)], format="csr"),
            np.concatenate([np.zeros(0), *(part.low for part in parts)]),
            np.concatenate([np.zeros(0), *(part.high for part in parts)]),
            of_rows([part.row.soft and not part.tied for part in parts], bool),
            of_rows([part.row.priority for part in parts], int),
            of_rows([part.tied for part in parts], bool),
            of_rows([part.row.kind == "time" for part in parts], bool),
            forced,
            forbidden,
            _one_order([part.order for part in parts if part.order is not None], self._count),
            self._stimulus,
            self._stimuli,
            sets,
        )

    def only(self, whole: Assembly, parts: Sequence[Part], there: Mask) -> Assembly:
        """What all `parts` were joined to, with some of them there and the others open: quicker than joining these."""
        kept = [part for part, stays in zip(parts, there, strict=True) if stays]
        open_rows = np.zeros(len(whole.low), dtype=bool)
        of_part = np.repeat(there, [part.matrix.shape[0] for part in parts])
        open_rows[: len(of_part)] = ~of_part
        low, high = np.where(open_rows, -np.inf, whole.low), np.where(open_rows, np.inf, whole.high)
        sets = None if whole.sets is None else self._sets(kept)
        forced, forbidden = self._excepted(kept)
        made = replace(whole, low=low, high=high, forced=forced, forbidden=forbidden, sets=sets)
        made.__dict__["system"] = whole.system.under(low, high, sets)
        return made

    def _sets(self, parts: Sequence[Part]) -> Sets:
        least = max((part.row.low for part in parts if part.row.per_stimulus), default=1.0)
        most = min((part.row.high for part in parts if part.row.per_stimulus), default=np.inf)
        return Sets.of(self._stimulus, np.full(self._stimuli, least), np.full(self._stimuli, most))

    def _excepted(self, parts: Sequence[Part]) -> tuple[Mask, Mask]:
        """The items that these parts force, and those that they forbid."""
        nothing = np.zeros(self._count, dtype=bool)
        forced = np.any([nothing, *(part.forced for part in parts if part.forced is not None)], axis=0)
        return forced, np.any([nothing, *(part.forbidden for part in parts if part.forbidden is not None)], axis=0)

    def _ties(self) -> list[Part]:
        hung = np.flatnonzero(self._stimulus >= 0)
        one, shape = np.arange(len(hung)), (len(hung), self._count + self._stimuli)
        each = sparse.csr_array((np.ones(len(hung)), (one, hung)), shape=shape)
        its = sparse.csr_array((np.ones(len(hung)), (one, self._count + self._stimulus[hung])), shape=shape)
        tie = BlueprintRow("", "allornone", "stimulus")
        return [
            self._part(tie, each - its, -np.inf, 0.0, tied=True),  # an item brings its stimulus
            self._part(tie, self._members(1.0), 0.0, np.inf, tied=True),  # a stimulus comes with an item
        ]

    @staticmethod
    def _part(row: BlueprintRow, matrix: sparse.csr_array, low: float, high: float, *, tied: bool = False) -> Part:
        return Part(row, matrix, np.full(matrix.shape[0], low), np.full(matrix.shape[0], high), tied=tied)

    def _members(self, weight: float) -> sparse.csr_array:
        """For each stimulus the number of its items less `weight` if it is used."""
        hung = np.flatnonzero(self._stimulus >= 0)
        items = sparse.csr_array((np.ones(len(hung)), (self._stimulus[hung], hung)), shape=(self._stimuli, self._count))
        return sparse.hstack([items, -weight * sparse.eye_array(self._stimuli)], format="csr")

    def part(self, row: BlueprintRow) -> Part:
        """One row."""
        items, width = row.what == "item", self._count + self._stimuli
        attributes = self._content.attributes if items else self._content.stimulus_attributes or {}
        count = self._count if items else self._stimuli
        empty = sparse.csr_array((0, width))
        if row.per_stimulus:
            both = sparse.vstack([self._members(row.low), self._members(row.high)], format="csr")
            closed, wide = np.zeros(self._stimuli), np.full(self._stimuli, np.inf)
            return Part(row, both, np.concatenate([closed, -wide]), np.concatenate([wide, closed]), tied=True)
        if row.kind == "order":
            ranks = _ranks(attribute(attributes, row.condition))
            if not items:  # items without a stimulus come last
                ranks = np.where(self._stimulus >= 0, ranks[self._stimulus], ranks.max(initial=0.0) + 1)
            return Part(row, empty, np.zeros(0), np.zeros(0), order=ranks)
        if by_value(row, attributes):
            column = attribute(attributes, row.condition.strip())
            values = dict.fromkeys(v for v in column if not missing(v))
            lines = np.array([[v == value for v in column] for value in values], dtype=float).reshape(len(values), count)
            return self._part(row, self._lines(items, lines), row.low, row.high)
        name, _, condition = row.condition.partition(",") if row.kind == "sum" else ("", "", row.condition)
        chosen = evaluate(condition, attributes, count)
        if row.kind == "sum":
            weights = np.array([to_number(v) or 0.0 for v in attribute(attributes, name.strip())])
            return self._part(row, self._lines(items, weights * chosen), row.low, row.high)
        if row.kind == "time":
            return self._part(row, self._lines(items, self._seconds * chosen), row.low, row.high)
        if row.kind == "number":
            return self._part(row, self._lines(items, chosen), row.low, row.high)
        if row.kind == "enemy":
            return self._part(row, self._lines(items, chosen), 0.0, 1.0)
        if row.kind == "allornone":
            first, *others = np.flatnonzero(chosen).tolist() or [0]
            lines = np.zeros((len(others), count))
            lines[:, first] = 1.0
            lines[np.arange(len(others)), others] = -1.0
            return self._part(row, self._lines(items, lines), 0.0, 0.0)
        if items:
            nothing = np.zeros(0)
            forced, forbidden = (chosen, None) if row.kind == "include" else (None, chosen)
            return Part(row, empty, nothing, nothing, forced, forbidden)
        wanted = float(chosen.sum()) if row.kind == "include" else 0.0
        return self._part(row, self._lines(items, chosen), wanted, wanted)

    def _lines(self, items: bool, values: NDArray[Any]) -> sparse.csr_array:
        """Rows of coefficients of all items or of all stimuli."""
        lines = np.zeros((len(np.atleast_2d(values)), self._count + self._stimuli))
        lines[:, slice(self._count) if items else slice(self._count, None)] = values
        return sparse.csr_array(lines)


def _ranks(values: Sequence[str]) -> Floats:
    """Ascending ranks of a column, by number where all are numbers; a missing value comes last."""
    numbers = [to_number(v) for v in values]
    keys: list[object] = numbers if all(n is not None or missing(v) for n, v in zip(numbers, values, strict=True)) else list(values)  # type: ignore[assignment]
    known = sorted({k for k, v in zip(keys, values, strict=True) if not missing(v)})  # type: ignore[type-var]
    place = {k: float(i) for i, k in enumerate(known)}
    return np.array([len(known) if missing(v) else place[k] for k, v in zip(keys, values, strict=True)], dtype=float)


def _one_order(orders: Sequence[Floats], count: int) -> Floats:
    """The order [count] that keeps the first of these, and among equals the next."""
    if not orders:
        return np.zeros(count)
    _, place = np.unique(np.column_stack(orders), axis=0, return_inverse=True)
    return np.asarray(place, dtype=float).reshape(count)
