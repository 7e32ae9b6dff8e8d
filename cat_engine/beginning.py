"""How a section begins: what its first items are chosen by, before ability says much.

A rule is a frozen dataclass registered by name; its fields are its options in the plan's [start] table. For the first `length` items of each
section its scores stand in the place of the selection rule's.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cat_engine.families import Floats
from cat_engine.faults import Fault, Faulty
from cat_engine.irt import information
from cat_engine.pool import Pool
from cat_engine.registry import Registry
from cat_engine.select.base import Moment

CRITERIA = ("mfi", "urry", "thopt")


class Start(Protocol):
    """length: how many items it chooses; score(moment, position) -> [N, I]; faults(pool): what does not fit a pool."""

    @property
    def length(self) -> int: ...

    def score(self, moment: Moment, position: int) -> Floats: ...

    def faults(self, pool: Pool) -> list[Fault]: ...


START: Registry[Start] = Registry("start")


class _Anywhere:
    """A rule that fits every pool."""

    __slots__ = ()

    def faults(self, pool: Pool) -> list[Fault]:
        """None."""
        del pool
        return []


@START.register("adaptive")
@dataclass(frozen=True, slots=True)
class Adaptive(_Anywhere):
    """The selection rule from the first item on, at the prior's centre."""

    @property
    def length(self) -> int:
        """No item."""
        return 0

    def score(self, moment: Moment, position: int) -> Floats:
        """The selection rule's."""
        del position
        return moment.batch.plan.select.score(moment)


@START.register("thetas")
@dataclass(frozen=True, slots=True)
class AtThetas(_Anywhere):
    """One item for each of `thetas`, the best there by maximum information, nearest difficulty or nearest peak (catR's startItems).

    Starting at several abilities gives maximum likelihood both right and wrong answers early.
    """

    thetas: tuple = (-1.0, 0.0, 1.0)  # type: ignore[type-arg]  # the registry reads the bare type
    criterion: str = "mfi"

    def __post_init__(self) -> None:
        object.__setattr__(self, "thetas", tuple(self.thetas))
        faults = []
        if not self.thetas or not all(isinstance(t, int | float) and np.isfinite(t) for t in self.thetas):
            faults.append(Fault("start", "thetas", f"{list(self.thetas)} is not a list of abilities", "at least one number"))
        if self.criterion not in CRITERIA:
            faults.append(Fault("start", "criterion", f"'{self.criterion}' is not known", "one of " + ", ".join(CRITERIA)))
        if faults:
            raise Faulty(faults)

    @property
    def length(self) -> int:
        """An item a theta."""
        return len(self.thetas)

    def score(self, moment: Moment, position: int) -> Floats:
        """The criterion at thetas[position], the same for every session."""
        theta, pool = float(self.thetas[position]), moment.pool
        if self.criterion == "mfi":
            score = information(pool.params, theta)[0]
        else:
            score = -np.abs((pool.middle if self.criterion == "urry" else pool.peak) - theta)
        return np.broadcast_to(score, (len(moment.rows), len(pool)))


@START.register("items")
@dataclass(frozen=True, slots=True)
class GivenItems:
    """The items named, in that order: anchors, or a warm-up that is the same for all. One that may not be given is passed over."""

    items: tuple = ()  # type: ignore[type-arg]

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(self.items))
        if not all(isinstance(item, str) for item in self.items) or len(set(self.items)) != len(self.items):
            raise Faulty([Fault("start", "items", f"{list(self.items)} is not a list of different item ids", 'items = ["A1", "A2"]')])

    @property
    def length(self) -> int:
        """All of them."""
        return len(self.items)

    def score(self, moment: Moment, position: int) -> Floats:
        """2 for the item whose turn it is, 1 for the others named, less for all else."""
        score = np.zeros(len(moment.pool))
        named = [moment.pool.index[item] for item in self.items if item in moment.pool.index]
        score[named] = 1.0
        if self.items[position] in moment.pool.index:
            score[moment.pool.index[self.items[position]]] = 2.0
        return np.broadcast_to(score, (len(moment.rows), len(score)))

    def faults(self, pool: Pool) -> list[Fault]:
        """Items that the pool does not have."""
        return [
            Fault("start", "items", f"'{item}' is not in the pool", "an active item of the bank")
            for item in self.items
            if item not in pool.index
        ]


@START.register("random")
@dataclass(frozen=True, slots=True)
class AtRandom(_Anywhere):
    """The first `count` items at random."""

    count: int = 1

    def __post_init__(self) -> None:
        if self.count < 1:
            raise Faulty([Fault("start", "count", f"{self.count} is less than 1", "a whole number from 1")])

    @property
    def length(self) -> int:
        """count."""
        return self.count

    def score(self, moment: Moment, position: int) -> Floats:
        """U(0, 1) for each item."""
        del position
        return moment.draws.uniform(len(moment.params))
