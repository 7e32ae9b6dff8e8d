"""Pretest items: given at drawn places to those whom the lot names, and without any effect on the test around them."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import (
    Answered,
    Faulty,
    ItemParams,
    Pool,
    Present,
    Presented,
    Row,
    Section,
    SectionEnded,
    TestPlan,
    ask,
    check,
    dump_plan,
    estimate,
    load_plan,
    simulate,
    start,
    tell,
)
from cat_engine.beginning import AtRandom
from cat_engine.eligibility import Fading
from cat_engine.exposure import Randomesque
from cat_engine.joint import Joint
from cat_engine.people import People, attempt_seed
from cat_engine.pretest import Pretest, draw, operational_part
from cat_engine.select import InOrder, RandomItem
from cat_engine.simulate import Trial, run_block
from cat_engine.simulated import WHY, Steps, in_order
from cat_engine.state import State
from cat_engine.stop import AnsweringTime, PosteriorSD
from cat_engine.timing import ItemTimes
from tests.cat_engine.conftest import mixed_row

Sit = Callable[..., tuple]


@cache  # as a server's pool, it works its tables out once
def seeded_pool(n: int = 60, new: int = 12, seed: int = 3) -> Pool:
    """n operational items and `new` in pretest, on three competencies, all mixed up."""
    rng = np.random.default_rng(seed)
    rows = [mixed_row(rng, i) for i in range(n + new)]
    in_pretest = np.zeros(n + new, dtype=bool)
    in_pretest[rng.permutation(n + new)[:new]] = True
    need = np.where(in_pretest, rng.integers(1, 200, n + new), 0)
    pool = Pool.of(tuple(f"i{i}" for i in range(n + new)), ItemParams.from_rows(rows), ("A", "B", "C"))
    return replace(pool, operational=~in_pretest, need=need)


@cache
def without(pool: Pool) -> Pool:
    """The pool as if nothing were in pretest: the same items under the same indices."""
    return replace(pool, need=None)


SOME = Pretest(3, 2, 7)


def seeded_plan(pretest: Pretest | None = SOME, **parts: object) -> TestPlan:
    stop = (PosteriorSD(0.45),)
    sections = (Section("s", "s", ("A", "B"), 3, 6, 30.0, stop, (), pretest), Section("t", "t", ("C",), 4, 7, 30.0, stop, (), pretest))
    return TestPlan("t", sections, **parts)


def answer_of(seed: int, pool: Pool) -> Callable[[int, int], int]:
    """An answer that depends on the item alone, so that the same items get the same answers wherever they come."""
    table = np.random.default_rng(seed).integers(0, 1000, len(pool)) % pool.params.n_cat
    return lambda _, item: int(table[item])


@settings(max_examples=40)
@given(st.integers(0, 2**40))
def test_the_test_around_pretest_items_is_the_one_without_them(sit: Sit, seed: int) -> None:
    pool = seeded_pool()
    plan = seeded_plan(exposure=Randomesque(1 + seed % 4), select=RandomItem() if seed % 3 == 0 else seeded_plan().select)
    state, decisions = sit(plan, pool, seed, answer_of(seed, pool))
    plain, bare = sit(plan, without(pool), seed, answer_of(seed, pool))
    assert operational_part(pool, state) == plain
    assert [d for d in decisions if not isinstance(d, Present) or d.evidence.why != "pretest"] == bare
    mine, theirs = estimate(plan, pool, state), estimate(plan, without(pool), plain)
    np.testing.assert_array_equal(mine.posterior, theirs.posterior)
    np.testing.assert_array_equal(mine.n, theirs.n)


@settings(max_examples=30)
@given(st.integers(0, 2**40))
def test_pretest_items_come_at_their_places_and_of_the_sections_competencies(sit: Sit, seed: int) -> None:
    pool, plan = seeded_pool(), seeded_plan(Pretest(2, 2, 4))
    state, decisions = sit(plan, pool, seed, answer_of(1, pool))
    given_so_far = [0, 0]
    for decision in decisions:
        if isinstance(decision, Present):
            given_so_far[decision.section] += 1
            due = given_so_far[decision.section] in Pretest(2, 2, 4).places(seed, decision.section)
            assert (decision.evidence.why == "pretest") == (decision.evidence.rung == "pretest") == due
            if due:
                assert not pool.operational[decision.item]
                assert pool.competencies[pool.params.scale[decision.item]] in plan.sections[decision.section].competencies
            else:
                assert pool.operational[decision.item]
    seeded = [item for item in state.items if not pool.operational[item]]
    assert len(seeded) == len(set(seeded)) == 4  # every section is longer than its window


def test_asking_while_a_pretest_item_is_pending_gives_it_again_with_its_evidence() -> None:
    pool, plan = seeded_pool(), seeded_plan(Pretest(1, 1, 1))
    first = ask(plan, pool, start(5))
    assert isinstance(first, Present)
    assert first.evidence.rung == "pretest"
    assert first.evidence.n_eligible == np.count_nonzero((pool.need > 0) & (pool.params.scale < 2))
    pending = tell(start(5), Presented(first.item))
    assert ask(plan, pool, pending) == first
    after = ask(plan, pool, tell(pending, Answered(0, 9.0)))
    assert isinstance(after, Present)
    assert after.evidence.why == "adaptive"
    assert after.evidence.theta == first.evidence.theta


def test_a_pretest_item_that_time_cut_short_is_not_given_again() -> None:
    pool = seeded_pool()
    section = Section("s", "s", ("A",), 2, 3, 30.0, (), (), Pretest(1, 1, 1))
    plan = TestPlan("t", (section, replace(section, code="t")))
    first = ask(plan, pool, start(2))
    assert isinstance(first, Present)
    second = ask(plan, pool, tell(tell(start(2), Presented(first.item)), SectionEnded("time")))
    assert isinstance(second, Present)
    assert second.evidence.why == "pretest"
    assert second.item != first.item


def test_the_seconds_of_a_pretest_item_count_against_the_section() -> None:
    pool = seeded_pool()
    plan = TestPlan("t", (Section("s", "s", ("A",), 1, 9, 30.0, (AnsweringTime(60.0),), (), Pretest(1, 2, 2)),))
    state = start(3)
    for _ in range(2):
        decision = ask(plan, pool, state)
        assert isinstance(decision, Present)
        state = tell(tell(state, Presented(decision.item)), Answered(0, 31.0))
    assert not pool.operational[state.items[1]]
    assert ask(plan, pool, state).reason == "time"  # type: ignore[union-attr]


def test_items_are_drawn_in_proportion_to_the_answers_that_they_need() -> None:
    rows = [Row("2pl", 1.0, [0.0])] * 5
    need = np.array([0, 400, 300, 200, 100])
    pool = replace(Pool.of(tuple("abcde"), ItemParams.from_rows(rows), ("A",)), operational=need == 0, need=need)
    found = np.bincount([draw(pool, need > 0, seed, 4) for seed in range(4000)], minlength=5) / 4000
    np.testing.assert_allclose(found, need / 1000, atol=0.027)  # four standard errors of a share of .4


@pytest.mark.parametrize("rule", [None, Fading(0.5)])
@pytest.mark.parametrize("timed", [False, True])
def test_live_and_simulator_give_the_same_pretest_items(sit: Sit, rule: Fading | None, timed: bool) -> None:
    pool = seeded_pool()
    plan = seeded_plan() if rule is None else seeded_plan(eligibility=rule)
    times = ItemTimes(np.full(len(pool), 2.0), np.full(len(pool), 3.0)) if timed else None
    n = 1 if rule is not None else 25  # the first person meets the pinned snapshot, as in a live test
    true = np.random.default_rng(1).normal(size=(n, 3))
    result = simulate(plan, pool, true, seed=9, times=times, tau=np.zeros(n) if timed else None)
    assert result.pretest is not None
    assert result.pretest.shape[1] > 4 * n
    for person in range(n):
        answers = {int(item): int(category) for item, category in zip(result.step_item, result.step_category, strict=True)}
        mine, extra = result.step_person == person, result.pretest[:, result.pretest[0] == person]
        answers = dict(
            zip(
                [*result.step_item[mine].tolist(), *extra[2].tolist()],
                [*result.step_category[mine].tolist(), *extra[3].tolist()],
                strict=True,
            )
        )
        state, _ = sit(plan, pool, attempt_seed(9, person), lambda _, item, answers=answers: answers[item])
        assert [item for item in state.items if pool.operational[item]] == result.step_item[mine].tolist()
        assert [(at, item) for at, item in enumerate(state.items) if not pool.operational[item]] == list(
            zip(*extra[1:3].tolist(), strict=True)
        )
        np.testing.assert_array_equal(estimate(plan, pool, state).theta, result.theta[person])
    assert result.exposure[~pool.operational].max() == 0
    np.testing.assert_array_equal(result.theta, simulate(plan, without(pool), true, seed=9).theta)  # and no test is another for them


@pytest.mark.parametrize("more", [{}, {"start": AtRandom(2)}, {"select": InOrder()}, {"joint": Joint(0.5)}])
def test_the_steps_of_a_simulation_are_those_of_the_live_session_with_pretest_items_in_their_place(
    sit: Sit, more: dict[str, object]
) -> None:
    pool, plan, n = seeded_pool(), seeded_plan(Pretest(3, 1, 5), **more), 6
    rate = ItemTimes(np.full(len(pool), 2.0), np.linspace(2.0, 3.0, len(pool)))
    true = np.random.default_rng(1).normal(size=(n, 3))
    ran = run_block(Trial(plan, pool, 9, times=rate), People(true, np.zeros(n)))
    steps = ran.steps
    assert len(steps) == ran.count.sum() + ran.pretest.shape[1] > ran.count.sum() + 3 * n
    for person in range(n):
        mine = steps.person == person
        answers = dict(zip(steps.item[mine].tolist(), steps.category[mine].tolist(), strict=True))
        state, decisions = sit(plan, pool, attempt_seed(9, person), lambda _, item, answers=answers: answers[item], rt_s=1.0)
        given = [d for d in decisions if isinstance(d, Present)]
        assert steps.position[mine].tolist() == list(range(len(given)))
        assert steps.item[mine].tolist() == list(state.items)
        assert [WHY[k] for k in steps.why[mine]] == [d.evidence.why for d in given]
        for at, (decision, theta, se) in enumerate(zip(given, steps.theta[mine].tolist(), steps.se[mine].tolist(), strict=True)):
            if decision.evidence.why == "pretest":  # nothing moves
                assert (theta, se) == (decision.evidence.theta, decision.evidence.se)
            else:
                so_far = State(state.seed, state.items[: at + 1], state.categories[: at + 1], state.rt_s[: at + 1])
                found, s = estimate(plan, pool, so_far), pool.params.scale[decision.item]
                assert (theta, se) == (found.theta[s], found.se[s])
        assert ran.seconds is not None
        assert steps.seconds is not None
        assert steps.seconds[mine].sum() == pytest.approx(ran.seconds[person].sum())


@given(st.lists(st.lists(st.booleans(), max_size=12), max_size=6), st.integers(0, 3))
def test_answers_of_both_kinds_come_back_into_the_order_they_were_taken_apart_from(people: list[list[bool]], first: int) -> None:
    whole = [(first + n, at, unscored) for n, kinds in enumerate(people) for at, unscored in enumerate(kinds)]
    person, position, unscored = (np.array([row[k] for row in whole], dtype=int) for k in range(3))
    label, extra = np.arange(len(whole)), unscored == 1

    def steps(of: np.ndarray, places: np.ndarray) -> Steps:
        return Steps(person[of], places, label[of], label[of], label[of] / 2, label[of] / 4, unscored[of], label[of] / 8)

    counted = [sum(not kind for kind in people[n - first][:at]) for n, at, _ in whole]
    found = in_order(steps(~extra, np.array(counted, dtype=int)[~extra]), steps(extra, position[extra]))
    for name, expected in (("person", person), ("position", position), ("item", label), ("why", unscored), ("seconds", label / 8)):
        np.testing.assert_array_equal(getattr(found, name), expected)


def test_pretest_items_do_not_count_as_unused() -> None:
    pool = seeded_pool()
    result = simulate(seeded_plan(), pool, np.random.default_rng(4).normal(size=(40, 3)), 5)
    assert 0 < result.unused < 1
    assert result.unused == np.mean(result.exposure[pool.operational] == 0)
    assert result.unused == simulate(seeded_plan(), without(pool), result.true, 5).unused


def test_a_pool_whose_needs_are_not_those_of_its_pretest_items_is_refused() -> None:
    pool = seeded_pool()
    for need in (np.ones(len(pool), dtype=int), -pool.need, pool.need[:-1]):
        with pytest.raises(ValueError, match="need"):
            replace(pool, need=need)
    assert len({pool.digest, without(pool).digest, replace(pool, need=pool.need * 2).digest}) == 3


TABLES = """
name = "t"
[pretest]
count = 2
[[sections]]
code = "s"
competencies = ["A"]
min_items = 3
max_items = 9
time_budget_min = 9
[[sections]]
code = "t"
competencies = ["B"]
min_items = 3
max_items = 9
time_budget_min = 9
[sections.pretest]
first = 5
last = 6
[[sections]]
code = "u"
competencies = ["C"]
min_items = 3
max_items = 9
time_budget_min = 9
[sections.pretest]
count = 0
"""


def test_a_sections_table_overrides_single_keys_of_the_plans() -> None:
    plan = load_plan(TABLES)
    assert [section.pretest for section in plan.sections] == [Pretest(2), Pretest(2, 5, 6), None]
    assert load_plan(dump_plan(plan)) == plan
    assert plan.digest != load_plan(TABLES.replace("last = 6", "last = 7")).digest


def test_faults_of_pretest_tables_are_named_where_they_stand() -> None:
    wrong = TABLES.replace("count = 2", 'count = -1\nanswers = "many"').replace("last = 6", "last = 4")
    with pytest.raises(Faulty) as caught:
        load_plan(wrong)
    assert {(fault.where, fault.field) for fault in caught.value.faults} >= {("pretest", "answers")}
    with pytest.raises(Faulty) as caught:
        load_plan(TABLES.replace("last = 6", "last = 5"))
    assert [(fault.where, fault.field) for fault in caught.value.faults] == [("sections[1].pretest", "last")]


def test_where_no_pretest_item_needs_answers_any_more_none_is_given(sit: Sit) -> None:
    pool = seeded_pool()
    only_b = replace(pool, need=np.where(pool.params.scale == 1, pool.need, 0))
    plan = seeded_plan()
    assert check(plan, without(pool)) == check(plan, only_b) == []
    state, _ = sit(plan, only_b, 3, answer_of(1, pool))
    assert {int(pool.params.scale[item]) for item in state.items if not pool.operational[item]} == {1}
    assert sit(plan, without(pool), 3, answer_of(1, pool))[0] == operational_part(only_b, state)


@pytest.mark.parametrize(("select", "why"), [(InOrder(), "fixed"), (RandomItem(), "fixed"), (seeded_plan().select, "adaptive")])
def test_a_decision_says_whether_the_answers_had_a_part_in_it(select: object, why: str) -> None:
    decision = ask(seeded_plan(None, select=select), seeded_pool(), start(1))
    assert decision.evidence.why == why


def test_the_first_items_of_a_start_rule_say_so(sit: Sit) -> None:
    plan = load_plan(TABLES.replace("[pretest]\ncount = 2", '[start]\nname = "random"\ncount = 2'))
    plan = replace(plan, sections=plan.sections[:1])
    _, decisions = sit(plan, without(seeded_pool()), 1, answer_of(1, seeded_pool()))
    assert [d.evidence.why for d in decisions if isinstance(d, Present)][:4] == ["start", "start", "adaptive", "adaptive"]
