"""Pools, plans and simulated sitters that several tests share. Everything is drawn from fixed seeds."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cat_engine import (
    Answered,
    Decision,
    EndSection,
    ItemParams,
    Pool,
    Present,
    Presented,
    Row,
    SectionEnded,
    State,
    Stopped,
    TestPlan,
    ask,
    load_plan,
    start,
    tell,
)

GOLDEN = Path(__file__).parents[1] / "golden"

PLAN = """
name = "Three competencies in two sections"
[exposure]
name = "randomesque"
k = 4
[stop]
se = 0.4
[[sections]]
code = "graded"
competencies = ["A", "B"]
min_items = 3
max_items = 7
time_budget_min = 30
[[sections]]
code = "right-wrong"
competencies = ["C"]
min_items = 5
max_items = 9
time_budget_min = 20
[sections.stop]
se = 0.55
"""


def mixed_row(rng: np.random.Generator, i: int) -> Row:
    """A graded item of 3 to 5 categories, a partial-credit item, or one that is right or wrong, on scale i % 3."""
    a, scale = float(np.exp(rng.normal(0.2, 0.25))), i % 3
    if scale == 2:
        return Row("3pl", a, [float(rng.normal())], c=0.2, scale=scale) if i % 2 else Row("2pl", a, [float(rng.normal())], scale=scale)
    steps = np.sort(rng.normal(0, 1.2, size=2 + i % 3)) + np.arange(2 + i % 3) * 0.05
    return Row("grm" if i % 2 else "gpcm", a, steps.tolist(), scale=scale)


def make_mixed_pool(n: int = 90, seed: int = 5) -> Pool:
    rng = np.random.default_rng(seed)
    params = ItemParams.from_rows([mixed_row(rng, i) for i in range(n)])
    return Pool.of(tuple(f"item-{i:03d}" for i in range(n)), params, ("A", "B", "C"))


@pytest.fixture(scope="session")
def mixed_pool() -> Pool:
    return make_mixed_pool()


@pytest.fixture(scope="session")
def nominal_pool() -> Pool:
    """Nominal items of 2 to 5 categories, some with slopes that fall, among modified graded, rating scale and 2PL items, on three scales."""
    rng = np.random.default_rng(8)
    rows = []
    for i in range(60):
        k, scale = 1 + i % 4, i % 3
        if i % 2:
            rows.append(Row("nrm", 1.0, rng.normal(0, 1.2, k).tolist(), scale=scale, slopes=rng.normal(0.8, 0.7, k).tolist()))
        elif i % 4:
            rows.append(Row("rsm", 1.0, (rng.normal() + np.array([-0.9, 0.2, 0.7])).tolist(), scale=scale))
        elif i % 8:
            rows.append(Row("mgrm", 1.3, (rng.normal() + np.array([-1.0, 0.1, 0.9])).tolist(), scale=scale))
        else:
            rows.append(Row("2pl", 1.1, [float(rng.normal())], scale=scale))
    return Pool.of(tuple(f"item-{i:03d}" for i in range(60)), ItemParams.from_rows(rows), ("A", "B", "C"))


@pytest.fixture(scope="session")
def plan_text() -> str:
    return PLAN


@pytest.fixture(scope="session")
def plan() -> TestPlan:
    return load_plan(PLAN)


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Any]:
    def load(name: str) -> Any:
        return json.loads((GOLDEN / name).read_text())

    return load


Sit = Callable[..., tuple[State, list[Decision]]]


@pytest.fixture(scope="session")
def sit() -> Sit:
    """Sit a whole test live: sit(plan, pool, seed, answer) with answer(position, item) -> category gives the last state and every decision."""

    def run(plan: TestPlan, pool: Pool, seed: int, answer: Callable[[int, int], int], rt_s: float = 20.0) -> tuple[State, list[Decision]]:
        state, decisions = start(seed), []
        while state.stopped is None:
            decision = ask(plan, pool, state)
            decisions.append(decision)
            if isinstance(decision, Present):
                state = tell(tell(state, Presented(decision.item)), Answered(answer(state.position, decision.item), rt_s))
            elif isinstance(decision, EndSection):
                state = tell(state, SectionEnded(decision.reason))
            else:
                state = tell(state, Stopped(decision.reason))
        return state, decisions

    return run
