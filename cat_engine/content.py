"""Content balance: from scores and eligible items to those that keep the blueprint of the section.

A method is a frozen dataclass registered by name; its fields are its options in the plan's [content] table. It never leaves a person without an
item: where a rule cannot be kept it gives way, and the rung of the fallback ladder says how far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cat_engine.assembly import Assembly
from cat_engine.blueprint import BlueprintRow
from cat_engine.conditions import ConditionError, attribute
from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.pool import Pool
from cat_engine.registry import Registry
from cat_engine.select.base import Moment

FULL = "full"  # every rule of the plan held
OPEN = "eligibility"  # exposure control was dropped
RELAXED = "relaxed"  # bounds of the blueprint were missed, by as little as possible
ANY = "any"  # no test could be assembled at all: the best item left
LADDER = (FULL, OPEN, RELAXED, ANY)


@dataclass(frozen=True, slots=True, eq=False)
class Narrowed:
    """score[N, I], eligible[N, I] with an item for every session, and the rung of each session."""

    score: Floats
    eligible: NDArray[np.bool_]
    rungs: tuple[str, ...]


class ContentMethod(Protocol):
    """narrow(moment, score, rows, open_items) -> Narrowed; open_items[N, I] are the items before exposure control. faults(rows, pool): what a
    section's blueprint and a pool lack.
    """

    def narrow(self, moment: Moment, score: Floats, rows: Sequence[BlueprintRow], open_items: NDArray[np.bool_]) -> Narrowed: ...

    def faults(self, where: str, rows: Sequence[BlueprintRow], pool: Pool) -> list[Fault]: ...


CONTENT: Registry[ContentMethod] = Registry("content")


def _as_it_is(moment: Moment, score: Floats) -> Narrowed:
    return Narrowed(score, moment.eligible, (FULL,) * len(score))


def _needs_rows(where: str, rows: Sequence[BlueprintRow]) -> list[Fault]:
    return [] if rows else [Fault(where, "blueprint", "is missing", "at least one [[sections.blueprint]] row")]


def given_in_section(moment: Moment, n: int) -> Ints:
    """The items that session n has answered in this section."""
    row = moment.rows[n]
    total = int(moment.batch.count[row].sum())
    return np.asarray(moment.batch.items[row, total - int(moment.position[n]) : total])


@CONTENT.register("none")
@dataclass(frozen=True, slots=True)
class Unbalanced:
    """No content rule."""

    def narrow(self, moment: Moment, score: Floats, rows: Sequence[BlueprintRow], open_items: NDArray[np.bool_]) -> Narrowed:
        """Everything as it is."""
        del rows, open_items
        return _as_it_is(moment, score)

    def faults(self, where: str, rows: Sequence[BlueprintRow], pool: Pool) -> list[Fault]:
        """A blueprint that nobody keeps."""
        del pool
        return [Fault("content", "name", f"the blueprint of {where} has no effect", 'name = "shadow"')] if rows else []


@CONTENT.register("shadow")
@dataclass(frozen=True, slots=True)
class ShadowTest:
    """Before each item a whole test is assembled that holds what was given, keeps every row and has the largest total score; the item is the best
    free one of that shadow test (van der Linden & Reese, 1998; van der Linden, 2005, ch. 9). Feasible at the first item, feasible throughout.

    Where there is an order row, the free items of lowest rank come first; a stimulus that was begun is finished first.
    """

    def narrow(self, moment: Moment, score: Floats, rows: Sequence[BlueprintRow], open_items: NDArray[np.bool_]) -> Narrowed:
        """The free items of each session's shadow test."""
        assembly = moment.pool.assembly(tuple(rows))
        eligible, rungs = moment.eligible.copy(), []
        for n in range(len(score)):
            given = given_in_section(moment, n)
            turn = assembly.order >= assembly.order[given].max(initial=0.0)  # what ranks below an item given has had its turn
            free, rung = self._free(assembly, score[n], moment.eligible[n] & turn, open_items[n] & turn, given.tolist())
            if rung == ANY:
                free = moment.eligible[n]
            eligible[n] = _first_of(assembly, free, given)
            rungs.append(rung)
        return Narrowed(score, eligible, tuple(rungs))

    @staticmethod
    def _free(
        assembly: Assembly, score: Floats, may: NDArray[np.bool_], open_items: NDArray[np.bool_], given: list[int]
    ) -> tuple[NDArray[np.bool_], str]:
        for rung, items, relax in ((FULL, may, False), (OPEN, open_items, False), (RELAXED, open_items, True)):
            if rung == OPEN and np.array_equal(may, open_items):
                continue
            found = assembly.solve(score, items, given, relax=relax)
            if found is not None:
                found[given] = False
                if found.any():
                    return found, rung
        return may, ANY

    def faults(self, where: str, rows: Sequence[BlueprintRow], pool: Pool) -> list[Fault]:
        """A blueprint that no test of the pool satisfies."""
        faults = _needs_rows(where, rows)
        if not faults and pool.assembly(tuple(rows)).solve(np.ones(len(pool)), pool.operational) is None:
            faults.append(Fault(where, "blueprint", "no test of the pool satisfies it", "loosen bounds, or add items"))
        return faults


def _first_of(assembly: Assembly, free: NDArray[np.bool_], given: Ints) -> NDArray[np.bool_]:
    """Of the free items those whose turn it is."""
    if assembly.n_stimuli and len(given):
        begun = assembly.stimulus[given[-1]]
        if begun >= 0 and np.any(free & (assembly.stimulus == begun)):
            return np.asarray(free & (assembly.stimulus == begun))
    rank = np.where(free, assembly.order, np.inf)
    return np.asarray(free & (rank == rank.min()))


@CONTENT.register("balanced")
@dataclass(frozen=True, slots=True)
class Balanced:
    """The group whose share of the items given falls furthest below its target comes next; a group that had none yet goes before all that had one
    (Kingsbury & Zara, 1989, as catR has it). The first item is free. `attribute` names the groups, `targets` their shares, which sum to 1.
    """

    attribute: str
    targets: dict  # type: ignore[type-arg]  # the registry reads the bare type

    def __post_init__(self) -> None:
        shares = list(self.targets.values())
        if not shares or not all(isinstance(v, int | float) and v > 0 for v in shares) or abs(sum(shares) - 1) > 1e-9:
            raise Faulty([Fault("content", "targets", f"{self.targets} are not shares", "each above 0, together 1")])

    def wanted(self, counts: Floats) -> NDArray[np.bool_]:
        """Which groups may come next after counts[G] items of each: those without an item, else those furthest below their target."""
        if counts.sum() == 0:
            return np.ones(len(counts), dtype=bool)
        if np.any(counts == 0):
            return np.asarray(counts == 0)
        short = np.array(list(self.targets.values()), dtype=float) - counts / counts.sum()
        return np.asarray(short >= short.max() - 1e-12)

    def groups(self, pool: Pool) -> Ints:
        """The group of each item, [I]; -1 for none. Raises ConditionError where the attribute is not there."""
        values = attribute({} if pool.content is None else pool.content.attributes, self.attribute)
        place = {name: g for g, name in enumerate(self.targets)}
        return np.array([place.get(v, -1) for v in values], dtype=int)

    def narrow(self, moment: Moment, score: Floats, rows: Sequence[BlueprintRow], open_items: NDArray[np.bool_]) -> Narrowed:
        """The eligible items of one wanted group, drawn among equals; of the next most wanted where that has none left."""
        del rows, open_items
        group, eligible, rungs = self.groups(moment.pool), moment.eligible.copy(), []
        chance = moment.draws.uniform(len(self.targets))
        for n in range(len(score)):
            counts = np.bincount(group[given_in_section(moment, n)] + 1, minlength=len(self.targets) + 1)[1:].astype(float)
            if counts.sum() == 0:
                rungs.append(FULL)
                continue
            left = np.array([np.any(eligible[n] & (group == g)) for g in range(len(counts))])
            wanted = self.wanted(counts)
            rungs.append(FULL if np.any(wanted & left) else RELAXED if left.any() else ANY)
            if left.any():
                urgency = np.where(wanted, 2.0, 0.0) + np.array(list(self.targets.values())) - counts / counts.sum() * (1 - wanted)
                urgency = np.where(wanted, 2.0 + chance[n], urgency)
                eligible[n] &= group == int(np.argmax(np.where(left, urgency, -np.inf)))
        return Narrowed(score, eligible, tuple(rungs))

    def faults(self, where: str, rows: Sequence[BlueprintRow], pool: Pool) -> list[Fault]:
        """An attribute or a group that the pool does not have."""
        del where, rows
        try:
            group = self.groups(pool)
        except ConditionError as error:
            return [Fault("content", "attribute", str(error))]
        empty = [name for g, name in enumerate(self.targets) if not np.any(group == g)]
        return [Fault("content", "targets", f"no item has {self.attribute} = '{name}'") for name in empty]


class _Counted:
    """A method that looks at how far the bounded rows of the blueprint are filled."""

    __slots__ = ()

    def faults(self, where: str, rows: Sequence[BlueprintRow], pool: Pool) -> list[Fault]:
        """No rows."""
        del pool
        return _needs_rows(where, rows)

    @staticmethod
    def rows_of(moment: Moment, rows: Sequence[BlueprintRow]) -> tuple[Floats, Floats, Floats, int]:
        """Coefficients[R, I], low[R], high[R] of the bounded rows but the test's length, and that length."""
        assembly = moment.pool.assembly(tuple(rows))
        soft = np.flatnonzero(assembly.soft)
        table = assembly.matrix[soft].toarray()[:, : len(moment.pool)]
        use = ~np.all(table == 1, axis=1) & np.any(table != 0, axis=1)
        return table[use], assembly.low[soft[use]], assembly.high[soft[use]], assembly.length


@CONTENT.register("mpi")
@dataclass(frozen=True, slots=True)
class PriorityIndex(_Counted):
    """Maximum priority index (Cheng & Chang, 2009): the score times, for every row that the item counts in, the share of its upper bound that is
    still free, (u_k - x_k) / u_k. When no more items are left than the lower bounds still ask for, only items that fill one may come.
    """

    def narrow(self, moment: Moment, score: Floats, rows: Sequence[BlueprintRow], open_items: NDArray[np.bool_]) -> Narrowed:
        """Scores times quotas; negative scores are moved up first, so that a smaller quota never helps."""
        del open_items
        table, low, high, length = self.rows_of(moment, rows)
        out, eligible, rungs = score.copy(), moment.eligible.copy(), []
        for n in range(len(score)):
            given = given_in_section(moment, n)
            filled = table[:, given].sum(axis=1)
            free = np.clip((high - filled) / np.where(high > 0, high, 1.0), 0.0, 1.0)
            lowest = min(float(score[n].min()), 0.0)
            out[n] = (score[n] - lowest) * np.prod(np.where(table > 0, free[:, None], 1.0), axis=0)
            missing = np.maximum(low - filled, 0.0)
            fills = np.any((table > 0) & (missing[:, None] > 0), axis=0)
            if missing.max(initial=0.0) > 0 and length - len(given) <= missing.sum() and np.any(eligible[n] & fills):
                eligible[n] &= fills
            rungs.append(FULL if np.any(eligible[n] & (out[n] > 0)) else RELAXED)
        return Narrowed(out, eligible, tuple(rungs))


@CONTENT.register("weighted_deviation")
@dataclass(frozen=True, slots=True)
class WeightedDeviation(_Counted):
    """Weighted deviations (Swanson & Stocking, 1993): of each item the test is projected to its end, the rest of it being like the items left, and
    what it then lacks or exceeds of every bound counts against the item, `weight` for each item missed, against information scaled to 1.
    """

    weight: float = 1.0

    def __post_init__(self) -> None:
        if not (np.isfinite(self.weight) and self.weight >= 0):
            raise Faulty([Fault("content", "weight", f"{self.weight:g} is negative", "a number from 0")])

    def narrow(self, moment: Moment, score: Floats, rows: Sequence[BlueprintRow], open_items: NDArray[np.bool_]) -> Narrowed:
        """score / max score - weight x projected deviations."""
        del open_items
        table, low, high, length = self.rows_of(moment, rows)
        out = score.copy()
        for n in range(len(score)):
            given, left = given_in_section(moment, n), moment.eligible[n]
            share = table[:, left].mean(axis=1)
            rest = max(length - len(given) - 1, 0)
            projected = table[:, given].sum(axis=1)[:, None] + table + rest * share[:, None]
            deviation = np.maximum(low[:, None] - projected, 0) + np.maximum(projected - high[:, None], 0)
            own = np.where(left, score[n], 0.0)  # of items that are not left the score may be of another size altogether
            out[n] = own / (float(np.abs(own).max()) or 1.0) - self.weight * deviation.sum(axis=0)
        return Narrowed(out, moment.eligible, (FULL,) * len(score))
