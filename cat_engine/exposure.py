"""Exposure control: from the scores of the eligible items to the one that is given.

A rule is a frozen dataclass registered by name; its fields are its options in the plan.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.randomness import Draws
from cat_engine.registry import Registry


class Exposure(Protocol):
    """choose(score[N, I], draws) -> item[N]; ineligible items score -inf, and every session has at least one eligible item. depth: of how many of
    the best items it takes one, so that lower ones need not be known.
    """

    @property
    def depth(self) -> int: ...

    def choose(self, score: Floats, draws: Draws) -> Ints: ...


EXPOSURE: Registry[Exposure] = Registry("exposure")


@EXPOSURE.register("none")
@dataclass(frozen=True, slots=True)
class Best:
    """The best item, ties to the lowest index."""

    @property
    def depth(self) -> int:
        """1."""
        return 1

    def choose(self, score: Floats, draws: Draws) -> Ints:  # noqa: ARG002 - the contract
        """argmax of the score."""
        return np.asarray(score.argmax(axis=-1))


@EXPOSURE.register("randomesque")
@dataclass(frozen=True, slots=True)
class Randomesque:
    """One of the k best items, all equally likely (Kingsbury & Zara, 1989); fewer where fewer are eligible. Ties go to the lowest index."""

    k: int = 5

    def __post_init__(self) -> None:
        if self.k < 1:
            raise Faulty([Fault("exposure", "k", f"{self.k} is less than 1", "a whole number from 1")])

    @property
    def depth(self) -> int:
        """k."""
        return self.k

    def choose(self, score: Floats, draws: Draws) -> Ints:
        """The item at a uniform rank among the k best: repeated argmax, which for a small k beats sorting."""
        best = np.minimum(np.isfinite(score).sum(axis=-1), self.k)
        rank = draws.below(best)
        left = score.copy()
        rows = np.arange(len(score))
        item = np.argmax(left, axis=-1)
        for r in range(1, int(rank.max(initial=0)) + 1):
            deeper = rows[rank >= r]
            left[deeper, item[deeper]] = -np.inf
            item[deeper] = np.argmax(left[deeper], axis=-1)
        return np.asarray(item)
