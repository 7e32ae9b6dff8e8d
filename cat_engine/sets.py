"""Item sets: items that hang on a stimulus, of which a test takes between `least` and `most` if it takes the stimulus, and else none.

A set on its own is easy: whatever its items are worth, its best choice is found by sorting. So the solver (exact.py) prices whole choices.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Floats, Ints

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Sets:
    """G sets of up to M items out of I: members[G, M], padded with -1; least[G] and most[G]. Variable I + g says that set g is used."""

    members: Ints
    least: Ints
    most: Ints
    n_items: int

    @classmethod
    def of(cls, stimulus: Ints, least: Floats, most: Floats) -> "Sets":
        """From the stimulus of each item [I], -1 for none, and the bounds of each stimulus [G]."""
        size = np.bincount(stimulus[stimulus >= 0], minlength=len(least))
        members = np.full((len(least), int(size.max(initial=0))), -1)
        order = np.argsort(stimulus, kind="stable")[np.count_nonzero(stimulus < 0) :]
        rank = np.arange(len(order)) - np.repeat(np.cumsum(size) - size, size)
        members[stimulus[order], rank] = order
        return cls(members, np.maximum(np.ceil(least), 1).astype(int), np.minimum(np.floor(most), size).astype(int), len(stimulus))

    @property
    def inside(self) -> Mask:
        """Which variables [I + G] belong to a set."""
        out = np.zeros(self.n_items + len(self.least), dtype=bool)
        out[self.members[self.members >= 0]] = True
        out[self.n_items :] = True
        return out

    def owner(self, variable: int) -> int:
        """The set to which a variable belongs."""
        return variable - self.n_items if variable >= self.n_items else int(np.flatnonzero((self.members == variable).any(axis=1))[0])

    def choices(self, must: Mask, may: Mask) -> "Choices":
        """The choices in which items that `must` come are, and no others than these and those that `may`; both [I + G]."""
        here = self.members >= 0
        held = must[self.members] & here
        leaning = np.where(held, np.inf, np.where(may[self.members] & here, 0.0, -np.inf))
        enough = np.count_nonzero(leaning > -np.inf, axis=1) >= self.least
        used = may[self.n_items :] | must[self.n_items :] | held.any(axis=1)
        never = ~(used & enough & (self.least <= self.most) & (np.count_nonzero(held, axis=1) <= self.most))
        return Choices(self, leaning, np.where(never, -np.inf, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """What each set may be: leaning[G, M], inf for an item that must be in it, -inf for one that must not; closed[G], -inf for a set that cannot
    be used, else 0.
    """

    sets: Sets
    leaning: Floats
    closed: Floats

    def best(self, value: Floats) -> tuple[Mask, Floats]:
        """The best choice of each set at values [I + G]: chosen[G, M] and what it is worth [G], with the stimulus; -inf where there is none."""
        own = value[self.sets.members]
        order = np.argsort(-(own + self.leaning), axis=1, kind="stable")
        row, place = np.arange(len(order))[:, None], np.arange(order.shape[1])
        sorted_own = own[row, order]
        wanted = (sorted_own > 0) | (self.leaning[row, order] == np.inf)
        take = (place < self.sets.least[:, None]) | (wanted & (place < self.sets.most[:, None]) & (self.leaning[row, order] > -np.inf))
        worth = np.where(take, sorted_own, 0.0).sum(axis=1) + value[self.sets.n_items :] + self.closed
        chosen = np.zeros(take.shape, dtype=bool)
        chosen[row, order] = take
        return chosen, worth
