"""Shadow tests: a whole test, exact, before every item of a live test of 40; beside HiGHS on the whole program (scipy.optimize.milp).

The pools are drawn from a fixed seed: 1,000 3PL items and 31 rows (length; 8 contents, 4 formats, 3 depths and 4 keys with bounds of 2 items on either
side of a hidden test; minutes; 10 sets of enemies); with item sets, 167 stimuli of 6 items and two rows more (8 to 10 stimuli, 4 or 5 items of each).
The time is that of the process, so that other work on the machine does not count.
"""

import statistics
import time
from functools import cache, partial

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from cat_engine import Answered, Present, Presented, Section, TestPlan, ask, start, tell
from cat_engine.content import ShadowTest
from tests.bench.case import Case
from tests.cat_engine.worlds import World, make_world

LENGTH = 40
MS = 1e3


@cache
def live(world: World, people: int = 3) -> list[float]:
    """Milliseconds of each ask and tell of whole live tests, after one question to warm up."""
    plan, times = plan_of(world), list[float]()
    ask(plan, world.pool, start(0))
    for person in range(people):
        state, rng = start(person), np.random.default_rng(person)
        while True:
            begun = time.process_time()
            decision = ask(plan, world.pool, state)
            if not isinstance(decision, Present):
                break
            state = tell(tell(state, Presented(decision.item)), Answered(int(rng.random() < 0.6), 1.0))
            times.append((time.process_time() - begun) * MS)
    return times


def plan_of(world: World) -> TestPlan:
    return TestPlan("bench", (Section("s", "s", ("A",), LENGTH, LENGTH, 60.0, (), world.rows),), content=ShadowTest())


def first(*, sets: bool) -> list[float]:
    """Milliseconds of the very first question on a pool that has answered none, with everything that is worked out once; of five pools."""
    times = []
    for seed in range(1, 6):
        world = make_world(seed, slack=2, sets=sets)
        begun = time.process_time()
        ask(plan_of(world), world.pool, start(0))
        times.append((time.process_time() - begun) * MS)
    return times


@cache
def whole_program(world: World, every: int) -> list[float]:
    """Milliseconds of a shadow test by branch and bound on the whole program, before every `every`-th item of one test."""
    assembly, rng, given, times = world.assembly, np.random.default_rng(1), list[int](), list[float]()
    rows = LinearConstraint(assembly.matrix, assembly.low, assembly.high)
    for k in range(LENGTH):
        info = world.info(float(rng.normal()) / np.sqrt(1 + k))
        value = np.concatenate([info, np.zeros(assembly.n_stimuli)])
        if k % every == 0:
            inside = np.zeros(len(value))
            inside[given] = 1
            begun = time.process_time()
            milp(-value, integrality=np.ones(len(value)), bounds=Bounds(inside, 1), constraints=rows, options={"mip_rel_gap": 0.0})
            times.append((time.process_time() - begun) * MS)
        found = assembly.solve(info, np.ones(len(info), dtype=bool), given)
        if found is None:
            msg = "a test that was begun has no end"
            raise AssertionError(msg)
        free = np.setdiff1d(np.flatnonzero(found), given)
        given.append(int(free[np.argmax(info[free])]))
    return times


def percentile_95(times: list[float]) -> float:
    """The time that one in twenty exceeds."""
    return float(np.quantile(times, 0.95))


def cases() -> list[Case]:
    """Mean, 95th percentile and the very first question, of single items and of item sets."""
    found = []
    for sets, every, mean, most in ((False, 1, 25, 40), (True, 5, 50, 150)):
        world = make_world(1, slack=2, sets=sets)
        ours, peers = partial(live, world), {"HiGHS, whole program": partial(whole_program, world, every)}
        name = "live ask + tell, shadow test, bank 1,000 3PL, " + ("item sets, 33 rows" if sets else "31 rows")
        found += [
            Case(f"{name}: mean", "ms", ours, limit=mean, aim=25 if sets else 5, peers=peers, figure=statistics.fmean),
            Case(f"{name}: 95th percentile", "ms", ours, limit=most, aim=40, peers=peers, figure=percentile_95),
            Case(f"{name}: the very first", "ms", partial(first, sets=sets), limit=200),
        ]
    return found
