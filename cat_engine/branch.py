"""Branch and bound over linear relaxations whose columns are single variables and whole choices of item sets.

A node is a set of variables that are held at 0 or 1; its bound is the worth of its relaxation. The node of the best bound comes first (Land & Doig,
1960), so that the first whole solution that is looked at is the best; what is furthest from whole, weighted with its value, is held next. Choices of
sets come into a relaxation when they would better it, at the root and at every node (branch and price; Barnhart et al., 1998): the multipliers y of
the rows price variables at value - y A, sorting finds each set's best choice at these prices, and where none is worth more than its set's own
multiplier the relaxation is at its optimum over all choices. A variable is held where some choice has it and some has not, so that every set that
must be used keeps a choice at every node.

Every row has two columns, what it misses below and above. A row that must hold pays a high price for them while there are too few choices; whether
that is all that is wrong is settled, when such a node comes up, by minimising what is missed alone.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cat_engine.families import Floats, Ints
from cat_engine.relaxation import Point, relaxation
from cat_engine.sets import Choices, Mask, Sets

WHOLE = 1e-6  # closer than this to 0 or 1 is 0 or 1
MISSED = 1e-7  # a row that must hold is missed by less
BETTER = 1e-6  # what a choice must better the relaxation by to come in
MARGIN = 1e-5  # more than rounding makes of a bound
DEAR = 3.0  # what a miss that must not be costs: so many times the dearest that may be, or the largest value
FIRST = 32  # sets that have a choice from the start
EVEN = 0.1  # in largest values: what being apart counts for whatever the value
Fixed = Mapping[int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A relaxation's optimum: worth, what is held, x[V], and whether a row that must hold is missed."""

    worth: float
    fixed: Fixed
    x: Floats
    misses: bool


class TooLarge(ArithmeticError):
    """The limit of nodes was reached before the best solution was proved."""


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """maximise value[V] . x under low <= weights[V, R]^T x <= high, x in {0, 1}; x = 1 where `must`, x = 0 outside `may`; variables of `sets` as these
    allow; singles, the other variables that are to be decided. given[R]: what the others that must be in make of a row. price[R]: what a unit costs
    that a row is missed by, inf where it must hold.
    """

    value: Floats
    weights: Floats
    given: Floats
    low: Floats
    high: Floats
    must: Mask
    may: Mask
    singles: Ints
    sets: Sets | None
    price: Floats


class Search:
    """The relaxation of a problem, with the choices of sets that have come into it. Columns: what rows miss below and above, singles, choices."""

    def __init__(self, problem: Problem) -> None:
        p = self._problem = problem
        self._rows = len(p.low)
        self._weights = p.weights
        inside, n_sets = np.zeros(len(p.value), dtype=bool), 0
        self._forced = np.zeros(0, dtype=bool)
        if p.sets is not None:
            inside, n_sets = p.sets.inside, len(p.sets.least)
            held = p.must[p.sets.members] & (p.sets.members >= 0)
            self._forced = held.any(axis=1) | p.must[p.sets.n_items :]
        self._decided = p.must & ~inside
        self._program = relaxation(p.low - p.given, p.high - p.given)
        self._row_of = np.full(n_sets, -1)  # of a set, once it has a choice
        self._bars = np.tile(np.isinf(p.price), 2)
        self._first_choice = len(self._bars) + len(p.singles)
        self._column = {variable: len(self._bars) + k for k, variable in enumerate(p.singles.tolist())}
        self._set_of = np.zeros(0, dtype=int)  # of each choice
        self._choice, self._member = np.zeros(0, dtype=int), np.zeros(0, dtype=int)  # pairs: a choice, and a variable in it
        self._known: set[tuple[int, bytes]] = set()
        self._value, self._lower, self._upper, self._needed = np.zeros(0), np.zeros(0), np.zeros(0), self._forced.copy()
        self._alone = False  # whether misses alone count
        self._choices: Choices | None = None
        self.hopeless = False  # whether a set that must be used has no choice

        each = np.eye(self._rows)
        columns = np.concatenate([each, -each, self._weights[p.singles]])
        dearest = max(float(np.abs(p.value).max(initial=1.0)), float(p.price[~np.isinf(p.price)].max(initial=0.0)))
        cost = np.tile(-np.where(np.isinf(p.price), DEAR * dearest, p.price), 2)
        # Without sets every column is there from the start: a relaxation without a solution says so itself.
        most = np.where(self._bars & (p.sets is None), 0.0, np.inf)
        most = np.concatenate([most, np.ones(len(p.singles))])
        self._add(np.concatenate([cost, p.value[p.singles]]), columns, most)
        if p.sets is not None:
            self._choices = p.sets.choices(p.must, p.may)
            worth = self._choices.worth(p.value)
            self.hopeless = bool(np.any(self._forced & np.isneginf(worth)))
            self._price_in(p.value, np.where(self._forced, -np.inf, np.sort(worth)[-FIRST:][0]), self._choices)

    def _add(self, value: Floats, columns: Floats, upper: Floats) -> None:
        self._program.add(np.zeros(len(value)) if self._alone else value, columns, upper)
        self._value, self._upper = np.concatenate([self._value, value]), np.concatenate([self._upper, upper])
        self._lower = np.concatenate([self._lower, np.zeros(len(value))])

    # Nodes.

    def relax(self, fixed: Fixed) -> Node | None:
        """The node at which these variables are held."""
        self._hold(fixed)
        return self._node(fixed, self._choices_at(fixed))

    def settle(self, fixed: Fixed) -> Node | None:
        """The same with every row that must hold holding; None where no choices make it."""
        choices = self._choices_at(fixed)
        self._hold(fixed)
        self._alone = True
        self._program.price(np.concatenate([-1.0 * self._bars, np.zeros(len(self._value) - len(self._bars))]))
        missed = self._complete(np.zeros(len(self._problem.value)), choices)
        self._alone = False
        self._program.price(self._value)
        if missed is None or missed.worth < -MISSED:
            return None
        at = np.flatnonzero(self._bars)
        self._program.bound_columns(at, np.zeros(len(at)), np.zeros(len(at)))
        found = self._node(fixed, choices)
        self._program.bound_columns(at, np.zeros(len(at)), np.full(len(at), np.inf))
        return found

    def _node(self, fixed: Fixed, choices: Choices | None) -> Node | None:
        point = self._complete(self._problem.value, choices)
        if point is None:
            return None
        x = self._decided.astype(float)
        x[self._problem.singles] = point.x[len(self._bars) : self._first_choice]
        if len(self._set_of):
            x += np.bincount(self._member, weights=point.x[self._first_choice :][self._choice], minlength=len(x))
        return Node(point.worth, fixed, x, bool(point.x[: len(self._bars)][self._bars].sum() > MISSED))

    def _hold(self, fixed: Fixed) -> None:
        """Bounds of columns, and which sets must be used."""
        lower, upper, needed = np.zeros(len(self._lower)), self._upper.copy(), self._forced.copy()
        upper[len(self._bars) :] = 1.0
        for variable, value in fixed.items():
            column = self._column.get(variable)
            if column is not None:
                lower[column] = upper[column] = value
            elif self._problem.sets is not None:
                shut = np.zeros(len(self._set_of), dtype=bool)
                shut[self._choice[self._member == variable]] = True
                if value:
                    own = int(self._problem.sets.owner[variable])
                    needed[own] = True
                    shut = (self._set_of == own) & ~shut
                upper[self._first_choice :][shut] = 0.0
        at = np.flatnonzero((lower != self._lower) | (upper != self._upper))
        self._program.bound_columns(at, lower[at], upper[at])
        for g in np.flatnonzero((needed != self._needed) & (self._row_of >= 0)).tolist():
            self._program.bound_row(int(self._row_of[g]), float(needed[g]), 1.0)
        self._lower, self._upper, self._needed = lower, upper, needed

    def _choices_at(self, fixed: Fixed) -> Choices | None:
        return None if self._choices is None else self._choices.but(fixed)

    # Choices of sets.

    def _complete(self, value: Floats, choices: Choices | None) -> Point | None:
        """The optimum over all choices, those that are not yet in among them."""
        while True:
            point = self._program.solve()
            if point is None or choices is None:
                return point
            least = np.append(point.y, 0.0)[self._row_of]  # 0 for a set without a row, which stands at -1
            if not self._price_in(value - self._weights @ point.y[: self._rows], least, choices):
                return point

    def _price_in(self, prices: Floats, least: Floats, choices: Choices) -> bool:
        """Take in the best choice of every set that is worth more than least[G]; whether there was one."""
        sets = choices.sets
        worth = choices.worth(prices)
        set_of = np.flatnonzero((worth > least + BETTER) & np.isfinite(worth))
        chosen = choices.best(set_of, prices)
        keys = [(g, line.tobytes()) for g, line in zip(set_of.tolist(), chosen, strict=True)]
        fresh = np.array([key not in self._known for key in keys], dtype=bool)
        if not fresh.any():
            return False
        self._known.update(keys)
        set_of, chosen = set_of[fresh], chosen[fresh]
        with_stimulus = np.column_stack([chosen, np.ones(len(chosen), dtype=bool)])
        choice, place = np.nonzero(with_stimulus)
        member = np.column_stack([sets.members[set_of], sets.n_items + set_of])[choice, place]
        starts = np.searchsorted(choice, np.arange(len(set_of)))
        self._choice, self._member = np.concatenate([self._choice, choice + len(self._set_of)]), np.concatenate([self._member, member])
        self._set_of = np.concatenate([self._set_of, set_of])
        new = np.unique(set_of[self._row_of[set_of] < 0])
        self._row_of[new] = self._rows + np.count_nonzero(self._row_of >= 0) + np.arange(len(new))
        self._program.add_rows(self._needed[new].astype(float), np.ones(len(new)))
        columns = np.zeros((len(set_of), self._rows + np.count_nonzero(self._row_of >= 0)))
        columns[:, : self._rows] = np.add.reduceat(self._weights[member], starts)
        columns[np.arange(len(set_of)), self._row_of[set_of]] = 1.0
        self._add(np.add.reduceat(self._problem.value[member], starts), columns, np.ones(len(set_of)))
        return True


def branch(problem: Problem, nodes: int) -> Mask | None:
    """The best solution [V], None where there is none. Raises TooLarge past the limit of nodes, SolverError where a relaxation gives nothing."""
    search = Search(problem)
    if search.hopeless:
        return None
    best, record = None, -np.inf
    heap: list[tuple[float, int, int, Node]] = []
    count, floor = 0, EVEN * float(np.abs(problem.value).max(initial=1.0))

    def keep(node: Node | None) -> None:
        nonlocal count
        count += 1
        if node is not None and node.worth > record - MARGIN:
            heapq.heappush(heap, (-node.worth, -len(node.fixed), count, node))

    keep(search.relax({}))
    while heap:
        node = heapq.heappop(heap)[3]
        if node.worth <= record - MARGIN:
            break
        if count > nodes:
            raise TooLarge
        apart = np.abs(node.x - np.round(node.x))
        if node.misses:
            keep(search.settle(node.fixed))
        elif apart.max(initial=0.0) <= WHOLE:
            if node.worth > record:
                best, record = node.x > 0.5, node.worth
        else:
            j = int(np.argmax(apart * (np.abs(problem.value) + floor)))
            for value in (0, 1):
                keep(search.relax({**node.fixed, j: value}))
    return best
