"""Content balance: from scores and eligible items to those that keep the blueprint of the section. For shadow tests see shadow.py."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.blueprint import BlueprintRow
from cat_engine.conditions import ConditionError, attribute
from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.narrowing import ANY, CONTENT, FULL, LADDER, OPEN, RELAXED, ContentMethod, Narrowed, criterion, given_in_section, needs_rows
from cat_engine.pool import Pool
from cat_engine.select.base import Moment
from cat_engine.shadow import ShadowTest

__all__ = [
    "ANY", "CONTENT", "FULL", "LADDER", "OPEN", "RELAXED", "Balanced", "ContentMethod", "Narrowed", "PriorityIndex", "ShadowTest", "Unbalanced",
    "WeightedDeviation", "criterion", "given_in_section",
]  # fmt: skip


def _as_it_is(moment: Moment, score: Floats) -> Narrowed:
    return Narrowed(score, moment.eligible, (FULL,) * len(score))


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
        return needs_rows(where, rows)

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
