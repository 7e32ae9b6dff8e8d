"""Shadow tests: a whole test, exact, before every item of a live test of 40; beside HiGHS on the whole program.

The pool is drawn from a fixed seed: 1,000 3PL items and 31 rows (length; 8 contents, 4 formats, 3 depths and 4 keys with bounds of 2 items on either
side of a hidden test; minutes; 10 sets of enemies). The time is that of the process, so that other work on the machine does not count.
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
def live(world: World, people: int = 4) -> list[float]:
    """Milliseconds of each ask and tell of whole live tests, after one to warm up."""
    plan = TestPlan("bench", (Section("s", "s", ("A",), LENGTH, LENGTH, 60.0, (), world.rows),), content=ShadowTest())
    times = []
    for person in range(people + 1):
        state, rng = start(person), np.random.default_rng(person)
        while True:
            begun = time.process_time()
            decision = ask(plan, world.pool, state)
            if not isinstance(decision, Present):
                break
            state = tell(tell(state, Presented(decision.item)), Answered(int(rng.random() < 0.6), 1.0))
            if person:
                times.append((time.process_time() - begun) * MS)
    return times


@cache
def whole_program(world: World) -> list[float]:
    """Milliseconds of a shadow test by branch and bound on the whole program, before each item of one test."""
    assembly, rng, given, times = world.assembly, np.random.default_rng(1), list[int](), []
    rows = LinearConstraint(assembly.matrix, assembly.low, assembly.high)
    for k in range(LENGTH):
        info = world.info(float(rng.normal()) / np.sqrt(1 + k))
        inside = np.zeros(len(info))
        inside[given] = 1
        begun = time.process_time()
        found = milp(-info, integrality=np.ones(len(info)), bounds=Bounds(inside, 1), constraints=rows, options={"mip_rel_gap": 0.0})
        times.append((time.process_time() - begun) * MS)
        given.append(int(np.argmax(np.where((found.x > 0.5) & (inside == 0), info, -np.inf))))
    return times


def percentile_95(times: list[float]) -> float:
    """The time that one in twenty exceeds."""
    return float(np.quantile(times, 0.95))


def cases() -> list[Case]:
    """Mean and 95th percentile."""
    world = make_world(1, slack=2)
    ours, peers = partial(live, world), {"HiGHS, whole program": partial(whole_program, world)}
    name = "live ask + tell, shadow test, bank 1,000 3PL, 31 rows"
    return [
        Case(f"{name}: mean", "ms", ours, limit=25, peers=peers, figure=statistics.fmean),
        Case(f"{name}: 95th percentile", "ms", ours, limit=40, peers=peers, figure=percentile_95),
    ]
