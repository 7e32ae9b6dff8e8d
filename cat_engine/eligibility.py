"""Which items a person may be given at all, so that no item is seen by too many.

A rule is a frozen dataclass registered by name; its fields are its options in the plan's [eligibility] table. It turns what is known of past use
into probabilities of eligibility; each person's own lot then follows from the attempt's seed, so that it can be asked for again. In live use
the past is the snapshot pinned to the pool (`exposure`, `control`) and does not move; in a simulation it is a `Memory` that learns as people
finish. Where eligibility would leave a person without an item, it is dropped for that item and the decision says so.

Notation: items i, segments k of ability (one where there are no cuts); n_k people whose test ended in k, which is
what is known best of where they are; f_k of them for whom eligibility was never dropped; alpha_ik of them who took i; rho_ik for whom i was eligible.
The segments that interim abilities pass through on the way do not count: nearly everybody starts in the middle, and rates among all of them would say
little of those who stay there.
"""

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.pool import Pool
from cat_engine.registry import Registry

LOT = 1  # marks the stream of a person's lots apart from those of decisions, which have two numbers only


@dataclass(slots=True, eq=False)
class Memory:
    """Past use: people who have finished; given[I], how often each item was administered; and by segment n[K], feasible[K], taken[K, I],
    eligible[K, I], which fade; exposure[I] and control[K, I] are what follows for the next person.
    """

    exposure: Floats
    control: Floats
    people: int = 0
    given: Floats = field(default_factory=lambda: np.zeros(0))
    n: Floats = field(default_factory=lambda: np.zeros(0))
    feasible: Floats = field(default_factory=lambda: np.zeros(0))
    taken: Floats = field(default_factory=lambda: np.zeros((0, 0)))
    eligible: Floats = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def pinned(cls, rule: "Eligibility", pool: Pool) -> "Memory":
        """What the pool's snapshot says, and nothing learned yet."""
        k = len(rule.edges) + 1
        control = np.ones((k, len(pool))) if pool.control is None else np.broadcast_to(pool.control, (k, len(pool))).copy()
        empty = np.zeros((k, len(pool)))
        return cls(pool.exposure.copy(), control, 0, np.zeros(len(pool)), np.zeros(k), np.zeros(k), empty, empty.copy())


@dataclass(frozen=True, slots=True, eq=False)
class Finished:
    """One person's test, for the memory: items given; ended[K], the segments of ability where the test ended (several where it has several competencies); might[K, I], the items that were eligible in each segment; and
    whether eligibility held throughout.
    """

    items: Ints
    ended: NDArray[np.bool_]
    might: NDArray[np.bool_]
    held: bool


class Eligibility(Protocol):
    """edges: the cuts between segments, ascending; probability(memory) -> [K, I]; learn(memory, finished): the memory after one more person.

    `active`: whether the rule does anything; `learns`: whether a simulation must run people one after the other.
    """

    active: ClassVar[bool]
    learns: ClassVar[bool]

    @property
    def edges(self) -> tuple[float, ...]: ...

    def probability(self, memory: Memory) -> Floats: ...

    def learn(self, memory: Memory, finished: Finished) -> None: ...


ELIGIBILITY: Registry[Eligibility] = Registry("eligibility")


def _rate_fault(rate: float, field: str = "r_max") -> list[Fault]:
    return [] if 0 < rate <= 1 else [Fault("eligibility", field, f"{rate:g} is not a rate", "above 0, at most 1")]


@ELIGIBILITY.register("none")
@dataclass(frozen=True, slots=True)
class Everyone:
    """Every item for everyone."""

    active: ClassVar[bool] = False
    learns: ClassVar[bool] = False

    @property
    def edges(self) -> tuple[float, ...]:
        """One segment."""
        return ()

    def probability(self, memory: Memory) -> Floats:
        """1."""
        return np.ones((1, len(memory.exposure)))

    def learn(self, memory: Memory, finished: Finished) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class _OneRate:
    """One limit of exposure for all abilities."""

    r_max: float = 0.25
    active: ClassVar[bool] = True

    def __post_init__(self) -> None:
        faults = _rate_fault(self.r_max)
        if faults:
            raise Faulty(faults)

    @property
    def edges(self) -> tuple[float, ...]:
        """One segment."""
        return ()


@ELIGIBILITY.register("restricted")
@dataclass(frozen=True, slots=True)
class Restricted(_OneRate):
    """An item whose exposure so far is r_max or more is closed to the next person (Revuelta & Ponsoda, 1998; catR's rmax)."""

    learns: ClassVar[bool] = True

    def probability(self, memory: Memory) -> Floats:
        """1 below r_max, else 0; at r_max = 1 nothing is closed."""
        return np.asarray((memory.exposure < self.r_max) | (self.r_max >= 1), dtype=float)[None]

    def learn(self, memory: Memory, finished: Finished) -> None:
        """The rates after one more person."""
        memory.people += 1
        memory.given[finished.items] += 1
        memory.exposure = memory.given / memory.people


@dataclass(frozen=True, slots=True)
class FoundBeforehand(_OneRate):
    """Each item passes with its own control parameter, found beforehand by simulation and pinned to the pool: see cat_engine.control.

    In the original (Sympson & Hetter, 1985) an item that is selected passes or is set aside for the rest of the test; the lot is drawn once an item
    and person, so drawing it beforehand is the same.
    """

    learns: ClassVar[bool] = False

    def probability(self, memory: Memory) -> Floats:
        """The control parameters."""
        return memory.control

    def learn(self, memory: Memory, finished: Finished) -> None:
        """Nothing: the parameters are fixed beforehand."""


@ELIGIBILITY.register("sympson_hetter")
@dataclass(frozen=True, slots=True)
class SympsonHetter(FoundBeforehand):
    """Control parameters under which no item is given to more than r_max of people (Sympson & Hetter, 1985); `control.sympson_hetter` finds them."""


@ELIGIBILITY.register("overlap")
@dataclass(frozen=True, slots=True)
class Overlap(FoundBeforehand):
    """Control parameters under which two people have no more than max_overlap of their items in common, on average over all pairs, and no item is
    given to more than r_max (as Chen & Lei, 2005, who control both in the manner of Sympson & Hetter); `control.limited_overlap` finds them.
    """

    max_overlap: float = 0.15

    def __post_init__(self) -> None:
        faults = _rate_fault(self.r_max) + _rate_fault(self.max_overlap, "max_overlap")
        if faults:
            raise Faulty(faults)


@ELIGIBILITY.register("fading")
@dataclass(frozen=True, slots=True)
class Fading:
    """Random eligibility per segment of ability, with fading counts and acceleration (van der Linden & Veldkamp, 2007; van der Linden & Choi, 2020).

    P(E_ik) = 1 - n_k/f_k + (r_max / p_a)^gamma p_r n_k/f_k, p_a = alpha_ik/n_k, p_r = rho_ik/n_k, clipped to [0, 1]; gamma counts only where
    p_a > r_max. All counts are multiplied by `fade` before each person. An item that was never taken is open.
    """

    r_max: float = 0.25
    cuts: tuple = ()  # type: ignore[type-arg]  # the registry reads the bare type
    gamma: float = 1.0
    fade: float = 0.999
    active: ClassVar[bool] = True
    learns: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", tuple(self.cuts))
        faults = _rate_fault(self.r_max)
        numbers = all(isinstance(c, int | float) and np.isfinite(c) for c in self.cuts)
        if not numbers or list(self.cuts) != sorted(set(self.cuts)):
            faults.append(
                Fault("eligibility", "cuts", f"{list(self.cuts)} does not ascend", "cuts between segments of ability: [-1.5, 0.0, 1.5]")
            )
        if not self.gamma >= 1:
            faults.append(Fault("eligibility", "gamma", f"{self.gamma:g} is less than 1", "1 = no acceleration; 2 is usual"))
        if not 0 < self.fade <= 1:
            faults.append(Fault("eligibility", "fade", f"{self.fade:g} is not in (0, 1]", "1 = nothing is forgotten; 0.999 is usual"))
        if faults:
            raise Faulty(faults)

    @property
    def edges(self) -> tuple[float, ...]:
        """The cuts."""
        return tuple(float(c) for c in self.cuts)

    def probability(self, memory: Memory) -> Floats:
        """What the memory's control says."""
        return memory.control

    def learn(self, memory: Memory, finished: Finished) -> None:
        """The probabilities after one more person."""
        ended = finished.ended
        for counts in (memory.n, memory.feasible, memory.taken, memory.eligible):
            counts *= self.fade
        memory.n[ended] += 1
        memory.feasible[ended] += finished.held
        given = np.zeros(len(memory.exposure), dtype=bool)
        given[finished.items] = True
        memory.taken[ended] += given
        memory.eligible[ended] += finished.might[ended]
        n, feasible = memory.n[:, None], np.maximum(memory.feasible[:, None], 1e-9)
        rate = memory.taken / np.maximum(n, 1e-9)
        share = memory.eligible / np.maximum(n, 1e-9)
        ratio = self.r_max / np.where(rate > 0, rate, 1.0)
        ratio = np.where(rate > self.r_max, ratio**self.gamma, ratio)
        found = 1 - n / feasible + ratio * share * n / feasible
        memory.control = np.where((rate > 0) & (n > 0), np.clip(found, 0.0, 1.0), 1.0)
        memory.people += 1
        memory.given[finished.items] += 1
        memory.exposure = memory.given / memory.people


def segments(edges: tuple[float, ...], theta: Floats) -> Ints:
    """The segment of each theta[...]; a theta on a cut belongs to the upper one."""
    return np.asarray(np.searchsorted(np.array(edges), theta, side="right"))


def lots(probability: Floats, seed: int) -> NDArray[np.bool_]:
    """[K, I]: the items that are eligible for the attempt of `seed` in each segment, drawn independently."""
    if np.all((probability == 0) | (probability == 1)):
        return np.asarray(probability == 1)
    rows = [np.random.default_rng([seed, k, LOT]).random(probability.shape[1]) for k in range(len(probability))]
    return np.asarray(np.stack(rows) < probability)
