"""Items met in an earlier test: not given again while others are left, and given before a test ends for want of items."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import EndSection, Faulty, ItemParams, Pool, Present, Row, Section, TestPlan, ask, dump_plan, load_plan, simulate, start
from cat_engine.blueprint import BlueprintRow, Content
from cat_engine.content import ShadowTest
from cat_engine.exposure import Randomesque
from cat_engine.retest import Retest
from cat_engine.state import Answered, EngineRefusal, Presented, SectionEnded, State, Stopped, tell
from cat_engine.stop.precision import MinimumInformation

DAY = 86_400_000


def pool_of_two(n: int = 24) -> Pool:
    rng = np.random.default_rng(4)
    rows = [Row("2pl", float(rng.uniform(0.6, 1.8)), [float(rng.normal())], scale=i % 2) for i in range(n)]
    return Pool.of(tuple(f"i{i}" for i in range(n)), ItemParams.from_rows(rows), ("A", "B"))


def plan_of(length: int, **parts: object) -> TestPlan:
    return TestPlan("t", (Section("s", "s", ("A", "B"), length, length, 30.0),), **parts)


def taken(plan: TestPlan, pool: Pool, seed: int, seen: tuple[int, ...]) -> tuple[State, list[Present]]:
    """A test answered by parity, whose person met `seen` before."""
    state, shown = start(seed, seen), []
    while state.stopped is None:
        match ask(plan, pool, state):
            case Present(item) as decision:
                shown.append(decision)
                state = tell(tell(state, Presented(item)), Answered((item + seed) % 2, 10.0))
            case EndSection(_, reason):
                state = tell(state, SectionEnded(reason))
            case stop:
                state = tell(state, Stopped(stop.reason))
    return state, shown


@settings(max_examples=40)
@given(st.integers(0, 2**30), st.sets(st.integers(0, 23)))
def test_items_met_before_come_only_where_nothing_else_is_left(seed: int, seen: set[int]) -> None:
    pool, plan = pool_of_two(), plan_of(8, exposure=Randomesque(3))
    state, shown = taken(plan, pool, seed, tuple(sorted(seen)))
    assert len(state.items) == 16  # nobody's test is shorter for it
    for at, decision in enumerate(shown):
        assert (decision.item in seen) == (decision.evidence.rung == "retest")
        if decision.item in seen:  # all that were left of both competencies that still needed items had been met before
            counts = np.bincount(pool.params.scale[list(state.items[:at])], minlength=2)
            new = set(range(24)) - seen - set(state.items[:at])
            assert not [i for i in new if counts[pool.params.scale[i]] < 8]


def test_without_earlier_tests_nothing_is_another() -> None:
    pool, plan = pool_of_two(), plan_of(6)
    for seed in range(5):
        assert taken(plan, pool, seed, ()) == taken(replace(plan, retest=Retest(12)), pool, seed, ())


def test_the_simulator_keeps_to_it_as_the_live_test_does() -> None:
    pool, plan = pool_of_two(), plan_of(6, exposure=Randomesque(3))
    rng = np.random.default_rng(2)
    seen = rng.random((20, 24)) < 0.5
    seeds = tuple(int(s) for s in rng.integers(0, 2**40, 20))
    answers = np.array([[(item + seed) % 2 for item in range(24)] for seed in seeds])
    result = simulate(plan, pool, np.zeros((20, 2)), 1, answers=answers, seeds=seeds, seen=seen)
    for person, seed in enumerate(seeds):
        state, _ = taken(plan, pool, seed, tuple(np.flatnonzero(seen[person]).tolist()))
        assert result.step_item[result.step_person == person].tolist() == list(state.items)


def test_a_rule_about_information_looks_at_new_items_only() -> None:
    rows = [Row("2pl", 0.3 if i < 6 else 1.5, [0.0]) for i in range(12)]
    pool = Pool.of(tuple(f"i{i}" for i in range(12)), ItemParams.from_rows(rows), ("A",))
    plan = TestPlan("t", (Section("s", "s", ("A",), 2, 9, 30.0, (MinimumInformation(0.1),)),))
    state, _ = taken(plan, pool, 1, tuple(range(6, 12)))
    assert (state.items, state.ended) == ((0, 1), ("information",))


def test_a_blueprint_gives_way_before_an_item_comes_again() -> None:
    rows = (BlueprintRow("length", "number", "item", "", 4, 4), BlueprintRow("x", "number", "item", "KIND == 'x'", 3, 4))
    kinds = ["x" if i < 3 else "y" for i in range(24)]
    pool = pool_of_two()
    pool = replace(pool, content=Content.of(pool.ids, {"KIND": kinds}))
    plan = TestPlan("t", (Section("s", "s", ("A", "B"), 2, 2, 30.0, (), rows),), content=ShadowTest())
    _, shown = taken(plan, pool, 1, (0, 1))
    assert not {0, 1} & {decision.item for decision in shown}
    assert "relaxed" in {decision.evidence.rung for decision in shown}


def test_items_that_are_none_of_the_pools_are_refused() -> None:
    with pytest.raises(EngineRefusal):
        ask(plan_of(2), pool_of_two(), start(1, (99,)))
    with pytest.raises(ValueError, match="-1 is not an item"):
        start(1, (-1,))


@pytest.mark.parametrize(("months", "days", "counts"), [(0, 9999, True), (24, 729, True), (24, 732, False), (1, 30, True), (1, 31, False)])
def test_months_reach_back_as_far_as_they_say(months: int, days: int, counts: bool) -> None:
    assert Retest(months).reaches(1_000 * DAY, (1_000 + days) * DAY) == counts


def test_the_table_of_a_plan() -> None:
    base = 'name = "t"\n{}[[sections]]\ncode = "s"\ncompetencies = ["A"]\nmin_items = 1\nmax_items = 2\ntime_budget_min = 3\n'
    plain, off = load_plan(base.format("")), load_plan(base.format("[retest]\nexclude = false\n"))
    plan = load_plan(base.format("[retest]\nmonths = 24\n"))
    assert (plain.retest, off.retest, plan.retest) == (None, None, Retest(24))
    assert plain.digest == off.digest != plan.digest
    assert load_plan(dump_plan(plan)) == plan
    with pytest.raises(Faulty) as caught:
        load_plan(base.format('[retest]\nmonths = -1\nexclude = "yes"\n'))
    assert [(f.where, f.field) for f in caught.value.faults] == [("retest", "exclude")]
    with pytest.raises(Faulty, match="negative"):
        load_plan(base.format("[retest]\nmonths = -1\n"))
