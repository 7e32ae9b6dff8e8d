"""What exposure control knows before a test is used: control parameters found by simulation, and the memory of tests that were taken before."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cat_engine.batch import Batch
from cat_engine.eligibility import Eligibility, Finished, Memory, Overlap, SympsonHetter, segments
from cat_engine.families import Floats
from cat_engine.faults import Fault, Faulty
from cat_engine.overlap import CLOSE, mean_overlap, rounded_up
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool
from cat_engine.pretest import operational_part
from cat_engine.simulate import simulate
from cat_engine.state import State

MORE = 3  # times as many cycles for a limit of overlap as for rates alone

Watch = Callable[[int, int], None]  # hears after each cycle how many are done, and of how many


@dataclass(frozen=True, slots=True, eq=False)
class _Tried:
    """A simulation with control parameters k[I]: the rates that followed."""

    k: Floats
    exposure: Floats
    people: int

    @property
    def highest(self) -> float:
        """The highest rate."""
        return float(self.exposure.max())

    @property
    def overlap(self) -> float:
        """The mean overlap of two people."""
        return mean_overlap(self.exposure, self.people)

    def adjusted(self, ceiling: float, longest: int) -> Floats:
        """Parameters for a ceiling of the rates, [I]: from administrations follow selections, P(S_i) = P(A_i) / k_i; then k_i = ceiling / P(S_i) where that
        is below 1. As many items as the longest test are kept at 1, so that a test can always be filled.
        """
        selected = self.exposure / self.k
        k = np.where(selected > ceiling, ceiling / np.maximum(selected, 1e-12), 1.0)
        k[np.argsort(-k, kind="stable")[:longest]] = 1.0
        return k


def _cycles(
    plan: TestPlan, pool: Pool, true: ArrayLike, seeds: range, ceiling: float, follow: Callable[[float, _Tried], float], watch: Watch | None
) -> list[_Tried]:  # fmt: skip
    """A simulation a seed, after each of which the parameters are adjusted to the ceiling that `follow` makes of the last one (Sympson & Hetter, 1985)."""
    longest = sum(len(section.competencies) * section.max_items for section in plan.sections)
    k: Floats = np.ones(len(pool))
    tried: list[_Tried] = []
    for seed in seeds:
        result = simulate(plan, replace(pool, control=k[None]), true, seed)
        tried.append(_Tried(k, result.exposure, len(result.true)))
        ceiling = follow(ceiling, tried[-1])
        k = tried[-1].adjusted(ceiling, longest)
        if watch is not None:
            watch(len(tried), len(seeds))
    return tried


def found_beforehand(plan: TestPlan, pool: Pool, true: ArrayLike, seed: int, *, cycles: int = 12, watch: Watch | None = None) -> Pool:
    """The pool with the control parameters that the plan's rule asks for, found on people like true[N, S]. Raises as the two below."""
    find = limited_overlap if isinstance(plan.eligibility, Overlap) else sympson_hetter
    return find(plan, pool, true, seed, cycles=cycles, watch=watch)


def sympson_hetter(plan: TestPlan, pool: Pool, true: ArrayLike, seed: int, *, cycles: int = 12, watch: Watch | None = None) -> Pool:
    """The pool with control parameters under which no item is given to more than r_max of people like true[N, S] (Sympson & Hetter, 1985).

    Raises ValueError where the plan's eligibility rule is another one.
    """
    rule = plan.eligibility
    if not isinstance(rule, SympsonHetter):
        msg = "the plan's eligibility rule is not sympson_hetter"
        raise ValueError(msg)
    tried = _cycles(plan, pool, true, range(seed, seed + cycles), rule.r_max, lambda ceiling, _: ceiling, watch)
    return replace(pool, control=min(tried, key=lambda one: one.highest).k[None])


def limited_overlap(plan: TestPlan, pool: Pool, true: ArrayLike, seed: int, *, cycles: int = 12, watch: Watch | None = None) -> Pool:
    """The pool with control parameters under which people like true[N, S] (two at least) have a mean overlap of at most max_overlap and no item is
    given to more than r_max.

    Overlap is sum r_i^2 / L (Chen, Ankenmann & Spray, 2003), whose slope by r_i grows with r_i: to take use away from the most used items lowers it most
    for what is taken. So all items get one ceiling, kept in the manner of Sympson & Hetter (as Chen & Lei, 2005, do for both limits). After every cycle it
    is multiplied by the square root of limit / rate of the tighter limit: overlap rises with the ceiling, so that this settles where the limit is just
    kept, and the root keeps it from running ahead of parameters that have not settled. Of the parameters that kept both limits in their own simulation the
    last, most settled ones count. This takes MORE times as many cycles as a rate alone.

    Raises Faulty, with the smallest overlap that was found, where no parameters kept the limits, and ValueError where the plan's eligibility rule is
    another one.
    """
    rule = plan.eligibility
    if not isinstance(rule, Overlap):
        msg = "the plan's eligibility rule is not overlap"
        raise ValueError(msg)

    def follow(ceiling: float, tried: _Tried) -> float:
        room = min(rule.max_overlap / max(tried.overlap, 1e-12), rule.r_max / max(tried.highest, 1e-12))
        equal = float(tried.exposure[pool.operational].mean())  # the rate of all items if they were used alike
        return min(max(ceiling * math.sqrt(room), equal), rule.r_max)

    tried = _cycles(plan, pool, true, range(seed, seed + MORE * cycles), rule.r_max, follow, watch)
    kept = [one for one in tried if one.overlap <= rule.max_overlap + CLOSE and one.highest <= rule.r_max + CLOSE]
    if not kept:
        raise Faulty(_out_of_reach(rule, tried))
    return replace(pool, control=kept[-1].k[None])


def _out_of_reach(rule: Overlap, tried: Sequence[_Tried]) -> list[Fault]:
    """Which of the limits no simulation kept, and what the best of them reached, rounded up."""
    within = [one.overlap for one in tried if one.highest <= rule.r_max + CLOSE]
    least, faults = min(within or [one.overlap for one in tried]), []
    if not within:
        lowest = rounded_up(min(one.highest for one in tried))
        message = f"{rule.r_max:g} is out of reach: the highest exposure of an item in simulations was never below {lowest:g}"
        faults.append(Fault("eligibility", "r_max", message, f"{lowest:g} or more, more items, or a shorter test"))
    if least > rule.max_overlap + CLOSE:
        message = f"{rule.max_overlap:g} is out of reach: the smallest overlap of two tests in simulations was {rounded_up(least):g}"
        faults.append(Fault("eligibility", "max_overlap", message, f"{rounded_up(least):g} or more, more items, or a shorter test"))
    return faults


def remembered(rule: Eligibility, pool: Pool, past: Iterable[Finished]) -> Pool:
    """The pool with what `rule` has learned from tests taken before, the oldest first: exposure, and control where the rule has one."""
    memory = Memory.pinned(rule, pool)
    for finished in past:
        rule.learn(memory, finished)
    return replace(pool, exposure=memory.exposure, control=None if (memory.control == 1).all() else memory.control)


def ended(plan: TestPlan, pool: Pool, states: Sequence[State], edges: tuple[float, ...]) -> NDArray[np.bool_]:
    """In which segment of ability each test ended (of several competencies: in which ones), as the simulator counts them: [N, K]."""
    out, known = np.zeros((len(states), len(edges) + 1), dtype=bool), pool.places(plan.competencies)
    for n, part in enumerate(operational_part(pool, state) for state in states):
        out[n, segments(edges, Batch.replay(plan, pool, part.items, part.categories).theta[0, known])] = True
    return out
