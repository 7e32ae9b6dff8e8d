"""Shadow tests: a whole test before each item (van der Linden & Reese, 1998; van der Linden, 2005, ch. 9)."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cat_engine.assembly import Assembly
from cat_engine.blueprint import BlueprintRow
from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.narrowing import ANY, CONTENT, DROPPED, FULL, OPEN, RELAXED, Narrowed, criterion, given_in_section, needs_rows
from cat_engine.pool import Pool
from cat_engine.randomness import Draws
from cat_engine.refresh import REFRESH, last_refresh
from cat_engine.registry import LATER
from cat_engine.select.base import Moment
from cat_engine.timing import ItemTimes, Speeds, speed

if TYPE_CHECKING:
    from cat_engine.batch import Batch

LEAST_S = 0.5  # nobody answers faster
USUAL_ALPHA = 2.0  # 1 / sd of ln t, for a pool that knows expected times only
OPTIONS = {
    "position": ("positions",),
    "interval": ("interval",),
    "threshold": ("threshold",),
    "interval-threshold": ("interval", "threshold"),
}
Pace = tuple[Floats, float]  # seconds taken on the items given in the section, and the speed of the person


@CONTENT.register("shadow")
@dataclass(frozen=True, slots=True)
class ShadowTest:
    """Before each item a whole test is assembled that holds what was given, keeps every row and has the largest total score; the item is the best
    free one of that shadow test (van der Linden & Reese, 1998; van der Linden, 2005, ch. 9). Feasible at the first item, feasible throughout.

    Where there is an order row, the free items of lowest rank come first; a stimulus that was begun is finished first. `refresh` says when a new
    test is assembled: see refresh.py. The item is the best by the scores of now, whenever the test was assembled.
    """

    refresh: str = field(default="always", metadata=LATER)
    positions: tuple = field(default=(), metadata=LATER)  # type: ignore[type-arg]  # the registry reads the bare type
    interval: int = field(default=1, metadata=LATER)
    threshold: float = field(default=0.0, metadata=LATER)

    def __post_init__(self) -> None:
        object.__setattr__(self, "positions", tuple(self.positions))
        faults = []
        if self.refresh not in REFRESH:
            faults.append(Fault("content", "refresh", f"'{self.refresh}' is not known", "one of " + ", ".join(REFRESH)))
        if not all(isinstance(p, int) and not isinstance(p, bool) and p >= 1 for p in self.positions):
            faults.append(Fault("content", "positions", f"{list(self.positions)} are not positions", "whole numbers from 1"))
        if self.interval < 1:
            faults.append(Fault("content", "interval", f"{self.interval} is less than 1", "a whole number from 1"))
        if not (np.isfinite(self.threshold) and self.threshold >= 0):
            faults.append(Fault("content", "threshold", f"{self.threshold:g} is negative", "a number from 0"))
        for name, default in (("positions", ()), ("interval", 1), ("threshold", 0.0)):
            asked, there = name in OPTIONS.get(self.refresh, ()), getattr(self, name) != default
            if asked and not there:
                faults.append(Fault("content", name, f"is missing for refresh = '{self.refresh}'"))
            elif there and not asked:
                faults.append(Fault("content", name, f"has no effect with refresh = '{self.refresh}'"))
        if faults:
            raise Faulty(faults)

    def narrow(self, moment: Moment, score: Floats, rows: Sequence[BlueprintRow], open_items: NDArray[np.bool_]) -> Narrowed:
        """The free items of each session's shadow test."""
        assembly = moment.pool.assembly(tuple(rows))
        eligible, rungs = moment.eligible.copy(), []
        for n in range(len(score)):
            given = given_in_section(moment, n)
            ladder = _Ladder(moment.pool, tuple(rows), given, _pace(moment, n), eligible[n], open_items[n])
            free, rung = self._standing(ladder, moment, n, assembly), FULL
            if free is None:
                free, rung = ladder.climb(score[n])
            eligible[n] = _first_of(assembly, free, given)
            rungs.append(rung)
        return Narrowed(score, eligible, tuple(rungs))

    def _standing(self, ladder: "_Ladder", moment: Moment, n: int, assembly: Assembly) -> NDArray[np.bool_] | None:
        """The free items of the test that was assembled last, None where it is time for a new one."""
        given, position = ladder.given, len(ladder.given)
        last = last_refresh(
            self.refresh,
            position,
            positions=self.positions,
            interval=self.interval,
            moved=lambda k: _moved(moment, n, position - k) > self.threshold,
            stimuli=assembly.stimulus[given],
        )
        if last == position:
            return None
        free = ladder.free(FULL, _score_then(moment, n, last, ladder.given[last:]))
        begun = assembly.stimulus[given[-1]]
        return None if free is None or (self.refresh == "stimulus" and not np.any(free & (assembly.stimulus == begun))) else free

    def faults(self, where: str, rows: Sequence[BlueprintRow], pool: Pool) -> list[Fault]:
        """A blueprint that no test of the pool satisfies, by the fewest rows that cannot hold together."""
        faults = needs_rows(where, rows)
        if self.refresh == "stimulus" and not faults and pool.assembly(tuple(rows)).sets is None:
            faults.append(Fault("content", "refresh", f"no row of {where} speaks of stimuli", "another refresh"))
        if faults:
            return faults
        from cat_engine.conflict import conflict_faults  # with scipy's solvers, which are loaded where there is a blueprint (assembly.py)

        return [replace(fault, where=where) for fault in conflict_faults(rows, pool)]


def _past(moment: Moment, n: int, ago: int) -> "Batch":
    """Session n as it was `ago` answers ago."""
    batch, row = moment.batch, moment.rows[n]
    total = int(batch.count[row].sum()) - ago
    return type(batch).replay(batch.plan, batch.pool, batch.items[row, :total].tolist(), batch.categories[row, :total].tolist())


def _moved(moment: Moment, n: int, ago: int) -> float:
    """By how much the answer before that moment moved an ability."""
    return float(np.abs(_past(moment, n, ago).theta - _past(moment, n, ago + 1).theta).max())


def _score_then(moment: Moment, n: int, position: int, since: Ints) -> Floats:
    """The scores [I] of session n when it had answered `position` items of its section, with what it has been given since still open."""
    then, eligible = _past(moment, n, len(since)), moment.eligible[[n]]
    eligible[0, since] = True
    draws = Draws((moment.draws.seeds[n],), (int(then.count[0].sum()),))
    score: Floats = criterion(Moment(then, np.zeros(1, dtype=int), eligible, np.array([position]), moment.planned, draws), position)[0]
    return score


def _pace(moment: Moment, n: int) -> Pace | None:
    """The pace of session n; None where times are not known, as in a simulation without them."""
    batch, row = moment.batch, moment.rows[n]
    if batch.times is None or moment.pool.seconds is None:
        return None
    total = int(batch.count[row].sum())
    items, taken = batch.items[row, :total], np.maximum(batch.times[row, :total], LEAST_S)
    model = ItemTimes(np.full(total, USUAL_ALPHA), np.log(moment.pool.seconds[items]) - 0.5 / USUAL_ALPHA**2)
    tau, _ = speed(model, taken[None], Speeds())
    return taken[total - int(moment.position[n]) :], float(tau[0])


@dataclass(frozen=True, slots=True, eq=False)
class _Ladder:
    """How one session comes by a test: what it was given, in order; at which pace; items that may enter, after exposure control and before it."""

    pool: Pool
    rows: tuple[BlueprintRow, ...]
    given: Ints
    pace: Pace | None
    may: NDArray[np.bool_]
    open_items: NDArray[np.bool_]

    def free(self, rung: str, score: Floats, give: int | None = None) -> NDArray[np.bool_] | None:
        """The free items of the best test on a rung, None where there is none; `give`: the highest priority that gives way there."""
        rows = self.rows if rung != DROPPED else tuple(row for row in self.rows if row.soft or row.priority > (give or 0))
        assembly = self.pool.assembly(rows)
        turn = assembly.order >= assembly.order[self.given].max(initial=0.0)  # what ranks below an item given has had its turn
        items = (self.may if rung == FULL else self.open_items) & turn
        relax = False if rung in (FULL, OPEN) else True if rung == DROPPED or give is None else give
        high = None if self.pace is None else assembly.limits(self.given, *self.pace)
        found = assembly.solve(score, items, self.given.tolist(), relax=relax, high=high)
        if found is None:
            return None
        found[self.given] = False
        return found if found.any() else None

    def climb(self, score: Floats) -> tuple[NDArray[np.bool_], str]:
        """The free items on the lowest rung that has some."""
        tried: list[tuple[str, int | None]] = [(FULL, None)]
        if not np.array_equal(self.may, self.open_items):
            tried.append((OPEN, None))
        tried += [(RELAXED, level) for level in self.pool.assembly(self.rows).levels]
        tried += [(DROPPED, level) for level in sorted({row.priority for row in self.rows if not row.soft})]
        for rung, level in tried:
            found = self.free(rung, score, level)
            if found is not None:
                return found, rung
        return self.may, ANY


def _first_of(assembly: Assembly, free: NDArray[np.bool_], given: Ints) -> NDArray[np.bool_]:
    """Of the free items those whose turn it is."""
    if assembly.n_stimuli and len(given):
        begun = assembly.stimulus[given[-1]]
        if begun >= 0 and np.any(free & (assembly.stimulus == begun)):
            free = free & (assembly.stimulus == begun)
    rank = np.where(free, assembly.order, np.inf)
    return np.asarray(free & (rank == rank.min()))
