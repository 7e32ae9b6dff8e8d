"""Pretest items: new items that are given among the others to gather answers, and count for nothing.

A plan says how many each test-taker meets in a section and between which of its items. At which ones follows from the attempt's seed, and which
item is given is drawn with probability in proportion to the answers that each still needs (`Pool.need`, pinned to the wave), so that all items of
a wave come to have enough at about the same time. Every other decision, and every score, is made as if they had never been given: the same
person meets the same operational items with them and without. Only the clock runs on.

    keys log(U_i) / need_i, largest first: a draw with probabilities need_i / sum need (Efraimidis & Spirakis, 2006)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.pool import Pool
from cat_engine.state import State

PRETEST = "pretest"  # the rung of a decision that gives such an item, and why it was given
PLACES, ITEM = 2, 3  # mark the streams of random numbers apart from each other and from those of eligibility (1)


@dataclass(frozen=True, slots=True)
class Pretest:
    """`count` pretest items a section, among its items number `first` to `last` (from 1, all items counted); an item is wanted until it has
    `answers` answers. A section that ends sooner leaves out what is still to come.
    """

    count: int = 2
    first: int = 3
    last: int = 10
    answers: int = 300

    def __post_init__(self) -> None:
        faults = [
            Fault("pretest", name, f"{value} is less than {least}", f"a whole number from {least}")
            for name, value, least in (("count", self.count, 0), ("first", self.first, 1), ("answers", self.answers, 1))
            if value < least
        ]
        if self.last - self.first + 1 < self.count:
            room = max(self.last - self.first + 1, 0)
            faults.append(Fault("pretest", "last", f"there are {room} places from {self.first} to {self.last} for {self.count} items"))
        if faults:
            raise Faulty(faults)

    def places(self, seed: int, section: int) -> Ints:
        """The numbers (from 1) of the section's items that are pretest items for the attempt of `seed`: [count], ascending."""
        drawn = np.random.default_rng([seed, section, PLACES]).random(self.last - self.first + 1)
        return np.sort(np.argsort(drawn)[: self.count]) + self.first


def section_items(pool: Pool, competencies: Sequence[str]) -> NDArray[np.bool_]:
    """The pretest items of some competencies that still need answers, [I]."""
    if pool.need is None:
        return np.zeros(len(pool), dtype=bool)
    return np.asarray((pool.need > 0) & np.isin(pool.params.scale, pool.places(tuple(competencies))))


def draw(pool: Pool, may: NDArray[np.bool_], seed: int, given: int) -> int:
    """One of the items may[I] (at least one), for the attempt of `seed` after `given` items of both kinds."""
    if pool.need is None:
        msg = "the pool has no pretest items"
        raise ValueError(msg)
    u = np.random.default_rng([seed, given, ITEM]).random(len(pool))
    with np.errstate(divide="ignore"):
        return int(np.argmax(np.where(may, np.log(u) / np.maximum(pool.need, 1), -np.inf)))


def is_pretest(pool: Pool, item: int) -> bool:
    """Whether an item of the pool counts for nothing."""
    return pool.need is not None and bool(pool.need[item] > 0)


def open_items(pool: Pool, competencies: Sequence[str], state: State) -> NDArray[np.bool_]:
    """The pretest items of some competencies that the person has not met, in this test or in an earlier one: [I]."""
    may = section_items(pool, competencies)
    may[[*state.items, *state.dropped, *state.seen]] = False
    return may


def next_pretest(pool: Pool, pretest: Pretest | None, competencies: Sequence[str], state: State) -> int | None:
    """The pretest item that is due now, None where there is none."""
    if pretest is None or pool.need is None:
        return None
    if len(state.items) - state.section_starts[-1] + 1 not in pretest.places(state.seed, state.section):
        return None
    may = open_items(pool, competencies, state)
    return draw(pool, may, state.seed, len(state.items)) if may.any() else None


@dataclass(slots=True, eq=False)
class Seeding:
    """The pretest items of N simulated sessions: given[N], items of both kinds so far; met[N, I], items that are not given (again); and of the
    section under way: may[I], places[N, count], begun[N].
    """

    pool: Pool
    given: Ints
    met: NDArray[np.bool_]
    may: NDArray[np.bool_]
    places: Ints
    begun: Ints

    @classmethod
    def of(cls, pool: Pool, met: NDArray[np.bool_]) -> "Seeding":
        """Before the first item."""
        n = len(met)
        return cls(pool, np.zeros(n, dtype=int), met, np.zeros(len(pool), dtype=bool), np.zeros((n, 0), dtype=int), np.zeros(n, dtype=int))

    def begin(self, pretest: Pretest | None, competencies: Sequence[str], section: int, seeds: Sequence[int]) -> None:
        """A section begins for everybody."""
        self.begun, self.places = self.given.copy(), np.zeros((len(self.given), 0), dtype=int)
        self.may = section_items(self.pool, competencies)
        if pretest is not None and self.may.any():
            self.places = np.stack([pretest.places(seeds[n], section) for n in range(len(self.given))])

    def due(self, rows: Ints, seeds: Sequence[int]) -> Ints:
        """The pretest item that each of the sessions `rows`[M] is to be given now, -1 for none."""
        out = np.full(len(rows), -1)
        here = np.any(self.places[rows] == (self.given[rows] - self.begun[rows] + 1)[:, None], axis=1)
        for m in np.flatnonzero(here).tolist():
            may = self.may & ~self.met[rows[m]]
            if may.any():
                out[m] = draw(self.pool, may, seeds[m], int(self.given[rows[m]]))
        return out


def operational_part(pool: Pool, state: State) -> State:
    """The state as if its pretest items had never been given; the state itself where there were none."""
    if pool.need is None:
        return state
    counts = [pool.need[item] == 0 for item in state.items]
    if all(counts):
        return state
    before = np.concatenate([[0], np.cumsum(counts)]).tolist()

    def kept(values: Sequence[object]) -> tuple:  # type: ignore[type-arg]
        return tuple(value for value, counted in zip(values, counts, strict=True) if counted)

    return state._replace(
        items=kept(state.items),
        categories=kept(state.categories),
        rt_s=kept(state.rt_s),
        section_starts=tuple(before[at] for at in state.section_starts),
    )
