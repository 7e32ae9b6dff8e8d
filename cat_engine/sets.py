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

    def best(self, value: Floats, must: Mask, may: Mask) -> tuple[Mask, Floats]:
        """The best choice of each set at values [I + G]: chosen[G, M] and what it is worth [G], with the stimulus; -inf where there is none.

        Items that `must` come are in it, and no others than these and those that `may`.
        """
        here = self.members >= 0
        own = np.where(here, value[self.members], 0.0)
        key = np.where(must[self.members] & here, np.inf, np.where(may[self.members] & here, own, -np.inf))
        order = np.argsort(-key, axis=1, kind="stable")
        row = np.arange(len(order))[:, None]
        sorted_key, place = key[row, order], np.arange(order.shape[1])
        obliged = place < self.least[:, None]
        take = obliged | ((place < self.most[:, None]) & (sorted_key > 0))
        chosen = np.zeros(key.shape, dtype=bool)
        chosen[row, order] = take
        never = np.any(obliged & np.isneginf(sorted_key), axis=1) | np.any(~take & np.isposinf(sorted_key), axis=1)
        never |= (self.least > self.most) | ~(may[self.n_items :] | must[self.n_items :])
        return chosen, np.where(never, -np.inf, np.where(chosen, own, 0.0).sum(axis=1) + value[self.n_items :])
