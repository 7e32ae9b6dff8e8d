"""Item sets: items that hang on a stimulus, of which a test takes between `least` and `most` if it takes the stimulus, and else none.

A set on its own is easy: whatever its items are worth, its best choice is found by sorting. So the solver (exact.py) prices whole choices.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Floats, Ints
from cat_engine.once import once

Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
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
        return cls(members, np.maximum(np.ceil(least), 1).astype(int), np.floor(np.minimum(most, size)).astype(int), len(stimulus))

    @once
    def inside(self) -> Mask:
        """Which variables [I + G] belong to a set."""
        out = np.zeros(self.n_items + len(self.least), dtype=bool)
        out[self.members[self.members >= 0]] = True
        out[self.n_items :] = True
        return out

    @once
    def owner(self) -> Ints:
        """The set to which each variable [I + G] belongs, -1 for none."""
        out = np.full(self.n_items + len(self.least), -1)
        row, place = np.nonzero(self.members >= 0)
        out[self.members[row, place]] = row
        out[self.n_items :] = np.arange(len(self.least))
        return out

    def choices(self, must: Mask, may: Mask) -> "Choices":
        """The choices in which items that `must` come are, and no others than these and those that `may`; both [I + G]."""
        here = self.members >= 0
        held = must[self.members] & here
        leaning = np.where(may[self.members] & here & ~held, 0.0, -np.inf)
        used = may[self.n_items :] | must[self.n_items :] | held.any(axis=1)
        return Choices(self, held, leaning, np.where(used & (self.least <= self.most), 0.0, -np.inf))


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """What each set may be: held[G, M], the items that must be in it; leaning[G, M], 0 for one that may, else -inf; closed[G], -inf for a set that
    cannot be used, else 0.
    """

    sets: Sets
    held: Mask
    leaning: Floats
    closed: Floats

    def but(self, fixed: Mapping[int, int]) -> "Choices":
        """The same with some variables held at 0 or 1."""
        held, leaning, closed = self.held.copy(), self.leaning.copy(), self.closed.copy()
        for variable, value in fixed.items():
            g = self.sets.owner[variable]
            if variable >= self.sets.n_items:
                closed[g] = closed[g] if value else -np.inf
            elif g >= 0:
                at = self.sets.members[g] == variable
                held[g, at], leaning[g, at] = bool(value), -np.inf
        return Choices(self.sets, held, leaning, closed)

    def worth(self, value: Floats) -> Floats:
        """What the best choice of each set is worth at values [I + G], with the stimulus: [G]; -inf where there is none."""
        own = value[self.sets.members]
        count = self.held.sum(axis=1)
        rest, place = -np.sort(-(own + self.leaning), axis=1), np.arange(own.shape[1])
        take = (place < (self.sets.least - count)[:, None]) | ((rest > 0) & (place < (self.sets.most - count)[:, None]))
        taken = np.where(take, rest, 0.0).sum(axis=1) + np.where(self.held, own, 0.0).sum(axis=1)
        return np.asarray(np.where(count <= self.sets.most, taken + value[self.sets.n_items :] + self.closed, -np.inf))

    def best(self, at: Ints, value: Floats) -> Mask:
        """The members in the best choice of each of the sets `at`[K], which have one: [K, M]."""
        held, row, place = self.held[at], np.arange(len(at))[:, None], np.arange(self.held.shape[1])
        key = value[self.sets.members[at]] + self.leaning[at]
        count, order = held.sum(axis=1), np.argsort(-key, axis=1, kind="stable")
        wanted = np.maximum(np.minimum((key > 0).sum(axis=1), self.sets.most[at] - count), self.sets.least[at] - count)
        held[row, order] |= place < wanted[:, None]
        return held
