"""What exposure control knows before a test is used: control parameters found by simulation, and the memory of tests that were taken before."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cat_engine.batch import Batch
from cat_engine.eligibility import Eligibility, Finished, Memory, SympsonHetter, segments
from cat_engine.families import Floats
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool
from cat_engine.pretest import operational_part
from cat_engine.simulate import simulate
from cat_engine.state import State


def sympson_hetter(plan: TestPlan, pool: Pool, true: ArrayLike, seed: int, *, cycles: int = 12) -> Pool:
    """The pool with control parameters under which no item is given to more than r_max of people like true[N, S] (Sympson & Hetter, 1985).

    Each cycle simulates the plan; from administrations follow selections, P(S_i) = P(A_i) / k_i; then k_i = r_max / P(S_i) where that is below
    1. As many items as the longest test are kept at 1, so that a test can always be filled. Raises ValueError where the plan's eligibility
    rule is another one.
    """
    rule = plan.eligibility
    if not isinstance(rule, SympsonHetter):
        msg = "the plan's eligibility rule is not sympson_hetter"
        raise ValueError(msg)
    k: Floats = np.ones(len(pool))
    longest = sum(len(section.competencies) * section.max_items for section in plan.sections)
    best, least = k, np.inf
    for cycle in range(cycles):
        result = simulate(plan, replace(pool, control=k[None]), true, seed + cycle)
        highest = float(result.exposure.max())
        if highest < least:
            best, least = k, highest
        selected = result.exposure / k
        k = np.where(selected > rule.r_max, rule.r_max / np.maximum(selected, 1e-12), 1.0)
        open_items = np.argsort(-k, kind="stable")[:longest]
        k[open_items] = 1.0
    return replace(pool, control=best[None])


def remembered(rule: Eligibility, pool: Pool, past: Iterable[Finished]) -> Pool:
    """The pool with what `rule` has learned from tests taken before, the oldest first: exposure, and control where the rule has one."""
    memory = Memory.pinned(rule, pool)
    for finished in past:
        rule.learn(memory, finished)
    return replace(pool, exposure=memory.exposure, control=None if (memory.control == 1).all() else memory.control)


def visited(plan: TestPlan, pool: Pool, states: Sequence[State], edges: tuple[float, ...]) -> NDArray[np.bool_]:
    """Which segments of ability each test was in at any of its items, as the simulator counts them: [N, K]."""
    if not edges:
        return np.ones((len(states), 1), dtype=bool)
    parts = [operational_part(pool, state) for state in states]
    out = np.zeros((len(parts), len(edges) + 1), dtype=bool)
    known = pool.places(plan.competencies)
    batch, length = Batch.begin(plan, pool, len(parts)), np.array([len(part.items) for part in parts])
    for at in range(int(length.max(initial=0))):
        rows = np.flatnonzero(length > at)
        where = segments(edges, batch.theta[rows][:, known])
        out[rows[:, None], where] = True
        batch.answer(rows, np.array([parts[n].items[at] for n in rows]), np.array([parts[n].categories[at] for n in rows]))
    return out
