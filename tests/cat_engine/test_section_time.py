"""Advice on the time of sections."""

from dataclasses import replace

import numpy as np

from cat_engine import Pool, TestPlan, simulate
from cat_engine.blueprint import BlueprintRow
from cat_engine.section_time import draws, section_advice
from cat_engine.select import SELECTION
from cat_engine.timing import ItemTimes, Speeds, time_limit

TIMES = ItemTimes(np.full(90, 2.0), np.linspace(3.0, 4.4, 90))


def test_a_section_is_advised_at_its_full_length(plan: TestPlan, mixed_pool: Pool) -> None:
    graded, _ = section_advice(plan, mixed_pool, TIMES, Speeds(0.0, 0.3))
    expected = time_limit(TIMES, [(np.arange(0, 90, 3), 7), (np.arange(1, 90, 3), 7)], Speeds(0.0, 0.3))
    assert graded.advice == expected
    assert graded.budget_s == 1800
    assert not graded.tight
    hurried = replace(plan, sections=(replace(plan.sections[0], time_budget_min=5.0),))
    assert section_advice(hurried, mixed_pool, TIMES, Speeds())[0].tight


def test_the_expected_time_is_what_a_simulation_takes(plan: TestPlan, mixed_pool: Pool) -> None:
    """Items drawn at random and a test of fixed length: 600 people know the mean to 1.3 %."""
    fixed = replace(plan, sections=tuple(replace(s, min_items=s.max_items, stop=(), time_budget_min=600.0) for s in plan.sections))
    at_random = replace(fixed, select=SELECTION.build({"name": "random"}, []))
    speeds = Speeds(0.1, 0.3)
    tau = np.random.default_rng(3).normal(0.1, 0.3, size=600)
    result = simulate(at_random, mixed_pool, np.zeros((600, 3)), 5, times=TIMES, tau=tau)
    assert result.seconds is not None
    expected = [one.mean_s for one in section_advice(at_random, mixed_pool, TIMES, speeds)]
    np.testing.assert_allclose(result.seconds.mean(axis=0), expected, rtol=0.05)


def test_a_blueprint_of_fewer_items_takes_them_out_of_all(plan: TestPlan, mixed_pool: Pool) -> None:
    rows = (BlueprintRow("n", "number", "item", "", 6, 6),)
    (at, count), *others = draws(replace(plan.sections[0], blueprint=rows), mixed_pool)
    assert (len(at), count, others) == (60, 6, [])


def test_items_in_pretest_are_not_counted(plan: TestPlan, mixed_pool: Pool) -> None:
    operational = np.ones(90, dtype=bool)
    operational[:60] = False
    found = draws(plan.sections[0], replace(mixed_pool, operational=operational))
    assert [(len(at), count) for at, count in found] == [(10, 7), (10, 7)]
    assert min(at.min() for at, _ in found) >= 60
