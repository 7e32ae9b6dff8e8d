"""What N simulated tests gave, with every step; for the running sums of a simulation too large for that see tally.py."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cat_engine.eligibility import Finished
from cat_engine.families import Floats, Ints
from cat_engine.people import People

WHY = ("adaptive", "fixed", "start", "pretest")  # an item was given: see engine.Evidence


@dataclass(frozen=True, slots=True, eq=False)
class Steps:
    """Answers as columns of length R: person, position (items before), item, category; theta and se, ability of the item's competency after the answer;
    why (of WHY); seconds, where answers take time.
    """

    person: Ints
    position: Ints
    item: Ints
    category: Ints
    theta: Floats
    se: Floats
    why: NDArray[np.int8]
    seconds: Floats | None

    def __len__(self) -> int:
        return len(self.person)

    @classmethod
    def none(cls, *, timed: bool) -> "Steps":
        """No answers."""
        whole, real = np.zeros(0, dtype=int), np.zeros(0)
        return cls(whole, whole, whole, whole, real, real, np.zeros(0, dtype=np.int8), real if timed else None)

    @classmethod
    def joined(cls, parts: Sequence["Steps"]) -> "Steps":
        """The answers of all parts (at least one), by person and position."""
        person, position = (np.concatenate([getattr(part, name) for part in parts]) for name in ("person", "position"))
        order = np.lexsort((position, person))
        item, category, theta, se, why = (
            np.concatenate([getattr(part, name) for part in parts])[order] for name in ("item", "category", "theta", "se", "why")
        )
        seconds = [part.seconds for part in parts if part.seconds is not None]
        timed = np.concatenate(seconds)[order] if seconds else None
        return cls(person[order], position[order], item, category, theta, se, why, timed)


def in_order(scored: Steps, unscored: Steps) -> Steps:
    """The answers to items of both kinds in the order in which people met them, by person and position.

    Positions in `scored` count scored items alone, those in `unscored` items of both kinds, and so do those of the outcome. Both are sorted.
    """
    if not len(unscored):
        return scored
    people = np.unique(unscored.person, return_index=True, return_counts=True)
    rank = np.arange(len(unscored)) - np.repeat(people[1], people[2])  # among the unscored items of the person
    # An unscored item after b scored ones comes before the scored item at position b: the two sort together by person and b.
    width = int(max(scored.position.max(initial=0), unscored.position.max())) + 1
    ahead = np.searchsorted(unscored.person * width + unscored.position - rank, scored.person * width + scored.position, side="right")
    ahead -= np.searchsorted(unscored.person, scored.person, side="left")
    return Steps.joined([replace(scored, position=scored.position + ahead), unscored])


@dataclass(slots=True, eq=False)
class Block:
    """What a block of N people gave: final theta, se and count [N, S]; why each section and each competency ended; answers[4, R] (person, position,
    item, category), abilities[2, R] (theta, se, as each was asked by) and why[R] (of WHY), by person and position; step_seconds[R] and seconds[N, sections], where
    answers take time; held[N], whether exposure control was never dropped; ended[K], the segments of ability where tests ended; unscored, the
    answers to pretest items, whose positions count items of both kinds; lots[N, K, I] of exposure control, where the plan has that; alone[N, 2, S], theta and
    se from each competency's own answers only, where the plan takes competencies together.
    """

    people: People
    theta: Floats
    se: Floats
    count: Ints
    reasons: list[list[str]]
    stops: list[list[str]]
    answers: Ints
    abilities: Floats
    why: NDArray[np.int8]
    step_seconds: Floats | None
    seconds: Floats | None
    held: NDArray[np.bool_]
    ended: NDArray[np.bool_]
    unscored: Steps
    lots: NDArray[np.bool_] | None
    alone: Floats | None

    @property
    def pretest(self) -> Ints:
        """The answers to pretest items, [4, R']: person, position among items of both kinds, item, category."""
        return np.stack([self.unscored.person, self.unscored.position, self.unscored.item, self.unscored.category])

    @property
    def steps(self) -> Steps:
        """The answers to items of both kinds, in the order in which people met them."""
        person, position, item, category = self.answers
        theta, se = self.abilities
        return in_order(Steps(person, position, item, category, theta, se, self.why, self.step_seconds), self.unscored)

    @property
    def finished(self) -> Finished:
        """The test of a block of one, for the memory of exposure control."""
        if self.lots is None:
            raise ValueError("exposure control that draws no lots has nothing to learn")
        return Finished(self.answers[2], self.ended, self.lots[0], bool(self.held[0]))


def joined(people: People, parts: Sequence[tuple[Ints, Block]]) -> Block:
    """The block of `people` of whom rows[M] were stepped together in each part (rows, block), by person and position."""
    rows = np.concatenate([own for own, _ in parts])
    ran = [block for _, block in parts]
    home = np.argsort(rows)  # the person's place among the parts

    def by_person(name: str) -> Any:
        found = [getattr(block, name) for block in ran]
        return None if found[0] is None else np.concatenate(found)[home]

    def by_step(name: str, order: Ints) -> Any:
        found = [getattr(block, name) for block in ran]
        return None if found[0] is None else np.concatenate(found, axis=-1)[..., order]

    person, position = (np.concatenate([block.answers[k] for block in ran]) for k in range(2))
    order = np.lexsort((position, person))
    ends, stops = ([found for block in ran for found in getattr(block, name)] for name in ("reasons", "stops"))
    return Block(
        people, by_person("theta"), by_person("se"), by_person("count"), [ends[n] for n in home.tolist()], [stops[n] for n in home.tolist()],
        by_step("answers", order), by_step("abilities", order), by_step("why", order), by_step("step_seconds", order), by_person("seconds"),
        by_person("held"), np.any([block.ended for block in ran], axis=0), Steps.joined([block.unscored for block in ran]), by_person("lots"), by_person("alone"),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Summary:
    """A simulation in six figures; rmse and bias per competency, in the pool's order."""

    rmse: tuple[float, ...]
    bias: tuple[float, ...]
    mean_length: float
    max_exposure: float
    overlap: float
    unused: float


@dataclass(frozen=True, slots=True, eq=False)
class SimulationResult:
    """What N simulated tests gave. Columns of steps are of equal length R, in order of person and position.

    true[N, S]; theta[N, S], se[N, S], count[N, S] at the end; reasons[N][section]; stops[N][S], why each competency ended ("" where the plan
    does not ask for it); step_person[R], step_position[R] (from 0), step_item[R], step_category[R], step_theta[R], step_se[R] (ability of the
    item's competency after the answer); exposure[I] as a share of N, and operational[I], which items may be given to be scored. Where answers take time: step_seconds[R], and seconds[N, sections], in which an
    item that the budget cut short counts up to the budget. pretest[4, R'], answers to pretest items: person, the number of items of both kinds
    before, item, category; they are in none of the other figures.
    """

    true: Floats
    theta: Floats
    se: Floats
    count: Ints
    reasons: tuple[tuple[str, ...], ...]
    stops: tuple[tuple[str, ...], ...]
    step_person: Ints
    step_position: Ints
    step_item: Ints
    step_category: Ints
    step_theta: Floats
    step_se: Floats
    exposure: Floats
    operational: NDArray[np.bool_]
    step_seconds: Floats | None = None
    seconds: Floats | None = None
    pretest: Ints | None = None

    @property
    def length(self) -> Ints:
        """Items given, per person."""
        return np.asarray(self.count.sum(axis=1))

    @property
    def rmse(self) -> Floats:
        """Root mean square error per competency, [S]."""
        return np.asarray(np.sqrt(((self.theta - self.true) ** 2).mean(axis=0)))

    @property
    def bias(self) -> Floats:
        """Mean error per competency, [S]."""
        return np.asarray((self.theta - self.true).mean(axis=0))

    @property
    def overlap(self) -> float:
        """Mean share of items that two people have in common: sum r^2 / mean length (Chen, Ankenmann & Spray, 2003, in the limit of N)."""
        mean_length = float(self.length.mean())
        return float((self.exposure**2).sum() / mean_length) if mean_length else 0.0

    @property
    def unused(self) -> float:
        """Share of the items that may be given to be scored that nobody was given; 0 where there are none."""
        return float((self.exposure[self.operational] == 0).mean()) if self.operational.any() else 0.0

    @property
    def summary(self) -> Summary:
        """The figures that a report opens with."""
        return Summary(
            rmse=tuple(self.rmse.tolist()),
            bias=tuple(self.bias.tolist()),
            mean_length=float(self.length.mean()),
            max_exposure=float(self.exposure.max(initial=0.0)),
            overlap=self.overlap,
            unused=self.unused,
        )
