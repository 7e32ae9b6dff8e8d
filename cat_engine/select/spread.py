"""Rules that spread use over the bank while they measure: chance early and information late, or items of low discrimination first."""

from dataclasses import dataclass

import numpy as np

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.select.base import SELECTION, Larger, Moment

OUT_OF_STAGE = 1e3  # abilities are apart by less than this
LEAST = 1e-300
FASTEST = 20.0  # chance rules to the last item but a few of even the longest tests


def progress(given: Ints, planned: int, speed: float) -> Floats:
    """sum_{t <= given} t^speed / sum_{t <= planned - 1} t^speed, from 0 before the first item to 1 before the last; shape of `given`."""
    if planned < 2:
        return np.ones(given.shape)
    total = np.concatenate([[0.0], np.cumsum(np.arange(1.0, planned) ** speed)])
    return np.asarray(total[np.minimum(given, planned - 1)] / total[-1])


def _speed_fault(speed: float) -> None:
    if not 0 <= speed <= FASTEST:
        raise Faulty([Fault("select", "speed", f"{speed:g} is out of range", f"from 0 to {FASTEST:g}; 1 is usual")])


@SELECTION.register("progressive")
@dataclass(frozen=True, slots=True)
class Progressive(Larger):
    """(1 - W) R_i + W I_i, R_i ~ U(0, max I), W growing from 0 to 1 with the number of answers (Revuelta & Ponsoda, 1998; Barrada et al., 2008).

    W = sum_{t <= n} t^speed / sum_{t <= L - 1} t^speed with n answers so far and L the section's max_items, per competency.
    """

    speed: float = 1.0

    def __post_init__(self) -> None:
        _speed_fault(self.speed)

    def score(self, moment: Moment) -> Floats:
        """With several competencies information counts times the variance of the item's own."""
        info = moment.info if len(moment.pool.competencies) == 1 else moment.info * (moment.se**2)[:, moment.params.scale]
        w = progress(moment.own_count, moment.planned, self.speed)
        highest = np.where(moment.eligible, info, 0.0).max(axis=1, keepdims=True)
        return np.asarray((1 - w) * highest * moment.draws.uniform(len(moment.params)) + w * info)


@SELECTION.register("proportional")
@dataclass(frozen=True, slots=True)
class Proportional(Larger):
    """An item at random with probability in proportion to I_i^H, H = L W growing with the number of answers (Barrada et al., 2008)."""

    speed: float = 1.0

    def __post_init__(self) -> None:
        _speed_fault(self.speed)

    def score(self, moment: Moment) -> Floats:
        """H ln I_i plus Gumbel noise: the largest of these is a draw in proportion to I_i^H."""
        power = moment.planned * progress(moment.own_count, moment.planned, self.speed)
        noise = -np.log(-np.log(np.clip(moment.draws.uniform(len(moment.params)), 1e-300, 1 - 1e-16)))
        return np.asarray(power * np.log(np.maximum(moment.info, LEAST)) + noise)


def strata(a: Floats, b: Floats, count: int, *, blocked: bool = True) -> Ints:
    """The stratum of each item, 0 to count - 1, by rising a. `blocked`: within blocks of `count` items of neighbouring b (Chang, Qian & Ying,
    2001), so that every stratum has the whole range of b; else over all items at once (Chang & Ying, 1999), strata of equal size.
    """
    n = len(a)
    out = np.zeros(n, dtype=int)
    if not blocked:
        order = np.argsort(a, kind="stable")
        size = n // count
        out[order] = np.minimum(np.arange(n) // max(size, 1), count - 1)
        return out
    order = np.argsort(b, kind="stable")
    for start in range(0, n, count):
        block = order[start : start + count]
        out[block[np.argsort(a[block], kind="stable")]] = np.arange(len(block))
    return out


@SELECTION.register("a_stratified")
@dataclass(frozen=True, slots=True)
class Stratified(Larger):
    """a-stratified, with b-blocking: the test runs through `count` stages, in stage k an item of stratum k is given, nearest in b (Chang, Qian
    & Ying, 2001). An empty stratum gives way to its neighbour.
    """

    count: int = 4
    blocked: bool = True

    def __post_init__(self) -> None:
        if self.count < 2:
            raise Faulty([Fault("select", "count", f"{self.count} strata are none", "a whole number from 2")])

    def score(self, moment: Moment) -> Floats:
        """-|b - theta|, less much for every stratum away from the stage."""
        stratum = np.zeros(len(moment.params), dtype=int)
        for at, params in moment.pool.scales:
            stratum[at] = strata(params.discrimination, moment.pool.middle[at], self.count, blocked=self.blocked)
        stage = np.minimum(moment.own_count * self.count // max(moment.planned, 1), self.count - 1)
        return np.asarray(-np.abs(moment.pool.middle - moment.own_theta) - OUT_OF_STAGE * np.abs(stratum - stage))
