"""Ask and tell on whole tests."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import (
    Answered,
    EndSection,
    EngineRefusal,
    ItemParams,
    Pool,
    Present,
    Presented,
    Row,
    Section,
    SectionEnded,
    Stop,
    Stopped,
    TestPlan,
    ask,
    estimate,
    fold,
    information,
    look,
    start,
    tell,
)
from cat_engine.exposure import Randomesque
from cat_engine.select import RandomItem
from cat_engine.stop import AnsweringTime, PosteriorSD

Sit = Callable[..., tuple]


def small_pool(n: int = 6, scales: int = 1) -> Pool:
    rows = [Row("2pl", 1.0 + 0.1 * i, [0.3 * (i - n / 2)], scale=i % scales) for i in range(n)]
    return Pool.of(tuple(f"i{i}" for i in range(n)), ItemParams.from_rows(rows), tuple("ABC"[:scales]))


def plan_of(low: int, high: int, se: float = 0.0, competencies: str = "A", time_s: float = 0.0) -> TestPlan:
    stop = (*((PosteriorSD(se),) if se else ()), *((AnsweringTime(time_s),) if time_s else ()))
    return TestPlan("t", (Section("s", "s", tuple(competencies), low, high, 10.0, stop),))


def randomly(pool: Pool, seed: int) -> Callable[[int, int], int]:
    rng = np.random.default_rng(seed)
    return lambda _, item: int(rng.integers(pool.params.n_cat[item]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**40), st.integers(0, 10_000))
def test_any_test_keeps_its_rules(sit: Sit, plan: TestPlan, mixed_pool: Pool, seed: int, answers: int) -> None:
    state, decisions = sit(plan, mixed_pool, seed, randomly(mixed_pool, answers))
    given = [decision.item for decision in decisions if isinstance(decision, Present)]
    assert len(given) == len(set(given))
    assert tuple(given) == state.items
    assert isinstance(decisions[-1], Stop)
    assert [d.section for d in decisions if isinstance(d, EndSection)] == [0, 1]
    found = estimate(plan, mixed_pool, state)
    for section in plan.sections:
        for name in section.competencies:
            s = mixed_pool.competencies.index(name)
            assert section.min_items <= found.n[s] <= section.max_items
            assert found.n[s] == section.max_items or found.se[s] <= section.stop[0].at_most
    for decision in decisions:
        if isinstance(decision, Present):
            assert mixed_pool.competencies[mixed_pool.params.scale[decision.item]] in plan.sections[decision.section].competencies


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**40))
def test_the_same_seed_and_answers_give_the_same_test(sit: Sit, plan: TestPlan, mixed_pool: Pool, seed: int) -> None:
    assert sit(plan, mixed_pool, seed, randomly(mixed_pool, 1)) == sit(plan, mixed_pool, seed, randomly(mixed_pool, 1))


def test_other_seeds_give_other_first_items(sit: Sit, plan: TestPlan, mixed_pool: Pool) -> None:
    first = {ask(plan, mixed_pool, start(seed)).item for seed in range(60)}
    assert len(first) == 4  # randomesque, k = 4


def test_asking_does_not_change_anything_and_gives_the_same_decision(plan: TestPlan, mixed_pool: Pool) -> None:
    state = start(5)
    assert ask(plan, mixed_pool, state) == ask(plan, mixed_pool, state)
    assert state == start(5)


def test_asking_while_an_item_is_pending_gives_it_again_with_its_evidence(plan: TestPlan, mixed_pool: Pool) -> None:
    state = fold(5, [Presented(0), Answered(1, 3.0)])
    first = ask(plan, mixed_pool, state)
    assert isinstance(first, Present)
    assert ask(plan, mixed_pool, tell(state, Presented(first.item))) == first


def test_a_pending_item_is_given_again_even_where_the_engine_would_now_choose_another(plan: TestPlan, mixed_pool: Pool) -> None:
    chosen = ask(plan, mixed_pool, start(5))
    assert isinstance(chosen, Present)
    other = next(i for i in range(len(mixed_pool)) if i != chosen.item)
    again = ask(plan, mixed_pool, tell(start(5), Presented(other)))
    assert isinstance(again, Present)
    assert again.item == other


def test_the_evidence_is_ability_and_information_before_the_answer() -> None:
    pool, plan = small_pool(), plan_of(1, 6)
    state = fold(1, [Presented(2), Answered(1, 3.0)])
    decision = ask(plan, pool, state)
    assert isinstance(decision, Present)
    found = estimate(plan, pool, state)
    assert decision.evidence.theta == found.theta[0]
    assert decision.evidence.se == found.se[0]
    assert decision.evidence.info == pytest.approx(information(pool.params, found.theta[0])[0, decision.item], rel=1e-14)
    assert decision.evidence.n_eligible == 5
    assert decision.evidence.rung == "full"


def test_the_most_informative_item_is_given() -> None:
    pool, plan = small_pool(), plan_of(1, 6)
    decision = ask(plan, pool, start(1))
    assert isinstance(decision, Present)
    assert decision.item == int(np.argmax(np.round(information(pool.params, 0.0)[0], 12)))


def test_equal_items_are_given_in_the_order_of_the_pool(sit: Sit) -> None:
    pool = Pool.of(tuple("abcd"), ItemParams.from_rows([Row("2pl", 1.2, [0.0])] * 4), ("A",))
    state, _ = sit(plan_of(1, 4), pool, 1, lambda *_: 1)
    assert state.items == (0, 1, 2, 3)


def test_items_that_differ_by_less_than_rounding_are_equal() -> None:
    rows = [Row("2pl", 1.0, [0.0]), Row("2pl", 1.0 + 1e-13, [0.0])]
    pool = Pool.of(("a", "b"), ItemParams.from_rows(rows), ("A",))
    assert np.diff(information(pool.params, 0.0)[0])[0] > 0
    decision = ask(plan_of(1, 2), pool, start(1))
    assert isinstance(decision, Present)
    assert decision.item == 0


def test_the_competency_that_is_known_least_is_asked_about_first() -> None:
    rows = [Row("2pl", 1.0, [0.0], scale=i % 2) for i in range(8)]
    pool = Pool.of(tuple("abcdefgh"), ItemParams.from_rows(rows), ("A", "B"))
    state = fold(1, [Presented(0), Answered(1, 1.0)])
    decision = ask(plan_of(1, 4, competencies="AB"), pool, state)
    assert isinstance(decision, Present)
    assert pool.params.scale[decision.item] == 1


def test_a_finished_competency_is_left_and_the_others_go_on(sit: Sit) -> None:
    rows = [Row("grm", 4.0, [-1.0, 0.0, 1.0], scale=0) if i % 2 else Row("2pl", 0.5, [0.0], scale=1) for i in range(30)]
    pool = Pool.of(tuple(str(i) for i in range(30)), ItemParams.from_rows(rows), ("A", "B"))
    plan = plan_of(2, 9, se=0.4, competencies="AB")
    state, decisions = sit(plan, pool, 1, lambda *_: 1)
    found = estimate(plan, pool, state)
    assert found.n.tolist() == [2, 9]
    assert [d.reason for d in decisions if isinstance(d, EndSection)] == ["length"]


def test_the_minimum_is_given_whatever_the_se(sit: Sit) -> None:
    pool = Pool.of(tuple(str(i) for i in range(9)), ItemParams.from_rows([Row("grm", 4.0, [-1.0, 0.0, 1.0])] * 9), ("A",))
    state, decisions = sit(plan_of(6, 9, se=0.5), pool, 1, lambda *_: 1)
    assert len(state.items) == 6
    assert decisions[-2].reason == decisions[-1].reason == "precision"


def test_an_exhausted_bank_ends_the_section_and_raises_nothing(sit: Sit) -> None:
    pool = small_pool(4)
    state, decisions = sit(plan_of(6, 9), pool, 1, lambda *_: 1)
    assert sorted(state.items) == [0, 1, 2, 3]
    assert (decisions[-2].reason, decisions[-2].evidence.rung) == ("bank", "bank")
    assert decisions[-1].reason == "bank"


def test_a_section_of_unknown_competencies_ends_for_want_of_items(sit: Sit) -> None:
    _, decisions = sit(plan_of(1, 2, competencies="X"), small_pool(), 1, lambda *_: 1)
    assert [type(d) for d in decisions] == [EndSection, Stop]
    assert decisions[0].reason == "bank"


def test_items_that_are_not_operational_are_never_given(sit: Sit) -> None:
    pool = replace(small_pool(6), operational=np.array([True, False, True, False, True, False]))
    state, _ = sit(plan_of(1, 6), pool, 1, lambda *_: 1)
    assert sorted(state.items) == [0, 2, 4]


def test_answering_time_ends_the_section(sit: Sit) -> None:
    state, decisions = sit(plan_of(3, 6, time_s=50.0), small_pool(), 1, lambda *_: 1, rt_s=20.0)
    assert len(state.items) == 3
    assert decisions[-2].reason == "time"


def test_the_time_of_one_section_does_not_count_in_the_next(sit: Sit) -> None:
    stop = (AnsweringTime(50.0),)
    plan = TestPlan("t", (Section("s", "s", ("A",), 1, 2, 10.0, stop), Section("t", "t", ("B",), 1, 2, 10.0, stop)))
    state, _ = sit(plan, small_pool(8, scales=2), 1, lambda *_: 1, rt_s=20.0)
    assert len(state.items) == 4
    assert state.ended == ("length", "length")


def test_a_live_time_out_drops_the_pending_item_and_the_next_section_begins(plan: TestPlan, mixed_pool: Pool) -> None:
    first = ask(plan, mixed_pool, start(5))
    assert isinstance(first, Present)
    state = fold(5, [Presented(first.item), SectionEnded("time")])
    decision = ask(plan, mixed_pool, state)
    assert isinstance(decision, Present)
    assert decision.section == 1
    assert estimate(plan, mixed_pool, state).n.tolist() == [0, 0, 0]


def test_a_dropped_item_is_not_eligible_again() -> None:
    pool = small_pool(4)
    plan = TestPlan("t", (Section("s", "s", ("A",), 1, 4, 10.0), Section("t", "t", ("A",), 1, 4, 10.0)))
    decision = ask(plan, pool, fold(1, [Presented(2), SectionEnded("time")]))
    assert isinstance(decision, Present)
    assert decision.item != 2
    assert decision.evidence.n_eligible == 3


def test_a_stopped_test_stays_stopped_for_the_reason_it_was_given(plan: TestPlan, mixed_pool: Pool) -> None:
    decision = ask(plan, mixed_pool, fold(5, [Presented(0), Stopped("proctor")]))
    assert isinstance(decision, Stop)
    assert decision.reason == "proctor"


def test_the_evidence_of_an_end_is_the_least_precise_competency(sit: Sit, plan: TestPlan, mixed_pool: Pool) -> None:
    state, decisions = sit(plan, mixed_pool, 3, randomly(mixed_pool, 3))
    found = estimate(plan, mixed_pool, state)
    assert decisions[-1].evidence.se == found.se.max()
    ends = [d for d in decisions if isinstance(d, EndSection)]
    assert ends[0].evidence.se == found.se[:2].max()
    assert ends[1].evidence.se == found.se[2]


def test_the_estimate_is_the_posterior_of_each_competency(plan: TestPlan, mixed_pool: Pool) -> None:
    found = estimate(plan, mixed_pool, fold(1, [Presented(0), Answered(2, 3.0)]))
    assert found.n.tolist() == [1, 0, 0]
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1.0)
    np.testing.assert_allclose(found.posterior @ mixed_pool.nodes, found.theta, atol=1e-14)
    assert found.theta[0] != 0.0
    np.testing.assert_allclose(found.theta[1:], 0.0, atol=1e-12)


@pytest.mark.parametrize("events", [[Presented(10_000)], [Presented(0), Answered(9, 1.0)]])
def test_a_state_that_cannot_be_of_this_pool_is_refused(plan: TestPlan, mixed_pool: Pool, events: list) -> None:
    state = fold(1, events)
    for question in (ask, estimate):
        with pytest.raises(EngineRefusal):
            question(plan, mixed_pool, state)


def test_a_category_that_only_other_items_have_is_refused(plan: TestPlan, mixed_pool: Pool) -> None:
    binary = int(np.flatnonzero(mixed_pool.params.n_cat == 2)[0])
    with pytest.raises(EngineRefusal, match="no category 2"):
        estimate(plan, mixed_pool, fold(1, [Presented(binary), Answered(2, 1.0)]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_a_test_asked_again_from_its_log_gives_the_same_decisions(sit: Sit, plan: TestPlan, mixed_pool: Pool, seed: int) -> None:
    mixed = replace(plan, select=RandomItem() if seed % 2 else plan.select, exposure=Randomesque(1 + seed % 5))
    state, decisions = sit(mixed, mixed_pool, seed, randomly(mixed_pool, seed))
    again = start(seed)
    for decision in decisions:
        assert ask(mixed, mixed_pool, again) == decision
        if isinstance(decision, Present):
            again = tell(tell(again, Presented(decision.item)), Answered(state.categories[again.position], 20.0))
        elif isinstance(decision, EndSection):
            again = tell(again, SectionEnded(decision.reason))


def test_looking_gives_what_asking_and_estimating_give(sit: Sit, plan: TestPlan, mixed_pool: Pool) -> None:
    state, _ = sit(plan, mixed_pool, 3, randomly(mixed_pool, 1))
    events = [e for i, k in zip(state.items, state.categories, strict=True) for e in (Presented(i), Answered(k, 1.0))]
    for n in range(0, len(events) + 1, 3):
        now = fold(3, events[:n])
        decision, found = look(plan, mixed_pool, now)
        assert decision == ask(plan, mixed_pool, now)
        alone = estimate(plan, mixed_pool, now)
        for name in ("theta", "se", "n", "posterior", "covariance", "own_theta", "own_se"):
            np.testing.assert_array_equal(getattr(found, name), getattr(alone, name))
