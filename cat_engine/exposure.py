"""Exposure control: from the scores of the eligible items to the one that is given."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cat_engine.irt import Floats, Ints
from cat_engine.registry import Registry


class Exposure(Protocol):
    """choose(score[N, I], rng) -> item[N]; ineligible items score -inf, and every session has at least one eligible item."""

    def choose(self, score: Floats, rng: tuple[np.random.Generator, ...]) -> Ints: ...


EXPOSURE: Registry[Exposure] = Registry("exposure")


@EXPOSURE.register("none")
@dataclass(frozen=True, slots=True)
class Best:
    """The best item, ties to the lowest index."""

    def choose(self, score: Floats, rng: tuple[np.random.Generator, ...]) -> Ints:  # noqa: ARG002 - the contract
        return np.asarray(np.argmax(score, axis=-1))


@EXPOSURE.register("randomesque")
@dataclass(frozen=True, slots=True)
class Randomesque:
    """One of the k best items, all equally likely (Kingsbury & Zara, 1989); fewer where fewer are eligible."""

    k: int = 5

    def __post_init__(self) -> None:
        if self.k < 1:
            msg = f"k = {self.k} is less than 1"
            raise ValueError(msg)

    def choose(self, score: Floats, rng: tuple[np.random.Generator, ...]) -> Ints:
        best = np.argsort(-score, axis=-1, kind="stable")[:, : self.k]
        eligible = np.isfinite(np.take_along_axis(score, best, axis=-1)).sum(axis=-1)
        pick = np.array([generator.integers(n) for generator, n in zip(rng, eligible, strict=True)])
        return np.asarray(best[np.arange(len(best)), pick])
