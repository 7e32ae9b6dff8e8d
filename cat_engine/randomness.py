"""Position-addressed randomness: the generator of a decision follows from the attempt's seed and the number of answers so far, nothing else.

The same seed and position give the same numbers in the live test, in the simulator and in the audit, in whatever order decisions are made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cat_engine.families import Floats, Ints
from cat_engine.once import once


def generator(seed: int, position: int) -> np.random.Generator:
    """The randomness of one decision."""
    return np.random.default_rng([seed, position])


@dataclass(frozen=True, slots=True, eq=False)
class Picked(Sequence[int]):
    """The members of a sequence at the places `at`[N], each looked up when it is asked for: most plans draw nothing."""

    source: Sequence[int]
    at: Ints

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, i: Any) -> Any:
        return self.source[int(self.at[i])]


@dataclass(eq=False)
class Draws:
    """The randomness of one decision in each of N sessions: seeds[N], positions[N]. Nothing is spent on it until a strategy draws.

    Draws are taken in the order of asking: the selection rule's first, then the exposure rule's.
    """

    seeds: Sequence[int]
    positions: Sequence[int]

    def __len__(self) -> int:
        return len(self.positions)

    def of(self, index: Ints) -> "Draws":
        """The randomness of some of the sessions only."""
        return Draws(Picked(self.seeds, index), Picked(self.positions, index))

    @once
    def _generators(self) -> tuple[np.random.Generator, ...]:
        return tuple(generator(seed, position) for seed, position in zip(self.seeds, self.positions, strict=True))

    def uniform(self, width: int) -> Floats:
        """`width` numbers on [0, 1) a session: [N, width]."""
        return np.stack([rng.random(width) for rng in self._generators])

    def below(self, high: Ints) -> Ints:
        """A whole number from 0 to high[n] - 1 for each session, all equally likely: [N]."""
        return np.array([rng.integers(n) for rng, n in zip(self._generators, high.tolist(), strict=True)], dtype=int)
