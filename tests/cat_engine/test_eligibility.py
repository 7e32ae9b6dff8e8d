"""Exposure control by eligibility: catR's restricted runs, rates that are kept, and live decisions that can be asked again."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import Faulty, Grid, ItemParams, Pool, Present, Row, Section, TestPlan, ask, check, load_plan, simulate, start
from cat_engine.control import sympson_hetter
from cat_engine.eligibility import ELIGIBILITY, Fading, Finished, Memory, Restricted, SympsonHetter, lots, segments
from cat_engine.people import attempt_seed
from cat_engine.select.spread import Progressive


@cache
def bank(n: int = 60, seed: int = 3) -> Pool:
    rng = np.random.default_rng(seed)
    rows = [Row("2pl", float(rng.uniform(0.8, 1.8)), [float(rng.normal())]) for _ in range(n)]
    return Pool.of(tuple(f"i{i}" for i in range(n)), ItemParams.from_rows(rows), ("A",))


def plan_of(length: int, **options: object) -> TestPlan:
    return TestPlan("t", (Section("s", "s", ("A",), length, length, 1.0),), **options)


def test_restricted_runs_are_those_of_catr(golden: Callable[[str], Any]) -> None:
    reference = golden("catr_restricted.json")
    rows = [Row("4pl", a, [b], c, d) for a, b, c, d in reference["items"]]
    n = len(rows)
    pool = Pool(tuple(map(str, range(n))), ItemParams.from_rows(rows), ("A",), np.ones(n, bool), np.zeros(n), Grid(-4.0, 4.0, 33))
    for run in reference["runs"]:
        answers = np.array([[int(x) for x in row] for row in run["responses"]])
        plan = plan_of(15, eligibility=Restricted(run["rmax"]))
        result = simulate(plan, pool, np.zeros((len(answers), 1)), seed=1, answers=answers)
        assert (result.step_item.reshape(-1, 15) + 1).tolist() == run["administered"]
        np.testing.assert_allclose(result.theta[:, 0], run["theta"], atol=1e-12)
        np.testing.assert_allclose(result.se[:, 0], run["se"], atol=1e-12)
        np.testing.assert_allclose(result.exposure, run["exposure"], atol=1e-15)
        assert result.overlap == pytest.approx(run["overlap"], abs=1e-12)


@pytest.mark.parametrize("rule", [Restricted(0.3), Fading(0.3), Fading(0.3, (0.0,), 2.0)])
def test_learning_rules_keep_the_rate(rule: object) -> None:
    true = np.random.default_rng(1).normal(size=(400, 1))
    controlled, free = (simulate(plan_of(8, **options), bank(), true, seed=2) for options in ({"eligibility": rule}, {}))
    assert free.exposure.max() > 0.6
    assert controlled.exposure.max() < 0.4
    assert controlled.unused < free.unused


def test_sympson_hetter_parameters_keep_the_rate_once_they_are_found() -> None:
    plan = plan_of(8, eligibility=SympsonHetter(0.3))
    true = np.random.default_rng(1).normal(size=(500, 1))
    pool = sympson_hetter(plan, bank(), true, seed=5)
    assert pool.control is not None
    assert np.count_nonzero(pool.control[0] == 1) >= 8
    fresh = simulate(plan, pool, np.random.default_rng(9).normal(size=(1500, 1)), seed=77)
    assert fresh.exposure.max() < 0.36


def test_sympson_hetter_is_for_plans_that_ask_for_it() -> None:
    with pytest.raises(ValueError, match="sympson_hetter"):
        sympson_hetter(plan_of(3), bank(), np.zeros((2, 1)), seed=1)


def test_a_live_restriction_reads_the_pinned_snapshot() -> None:
    pool = bank(10)
    first = ask(plan_of(3), pool, start(1))
    assert isinstance(first, Present)
    seen = np.zeros(10)
    seen[first.item] = 0.5
    decision = ask(plan_of(3, eligibility=Restricted(0.5)), replace(pool, exposure=seen), start(1))
    assert isinstance(decision, Present)
    assert decision.item != first.item
    assert decision.evidence.n_eligible == 9
    assert decision.evidence.rung == "full"


def test_control_that_leaves_nothing_is_dropped_and_the_decision_says_so() -> None:
    pool = replace(bank(5), exposure=np.ones(5))
    decision = ask(plan_of(3, eligibility=Restricted(0.5)), pool, start(1))
    assert isinstance(decision, Present)
    assert (decision.evidence.rung, decision.evidence.n_eligible) == ("eligibility", 5)


@pytest.mark.parametrize("name", [name for name in ELIGIBILITY.names if name != "none"])
def test_live_and_simulator_decide_alike_on_a_pinned_snapshot(sit: Callable, plan: TestPlan, mixed_pool: Pool, name: str) -> None:
    rng = np.random.default_rng(3)
    pool = replace(mixed_pool, exposure=rng.uniform(0, 0.5, len(mixed_pool)), control=rng.uniform(0.2, 1.0, (1, len(mixed_pool))))
    mixed = replace(plan, eligibility=ELIGIBILITY.build({"name": name}, []))
    for person in range(3):  # a simulation of one person starts from the snapshot as a live test does
        result = simulate(mixed, pool, np.zeros((1, 3)), seed=person)
        answers = result.step_category.tolist()
        state, _ = sit(mixed, pool, attempt_seed(person, 0), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item.tolist()


@given(st.integers(0, 2**40))
def test_a_persons_lot_is_the_same_whenever_it_is_asked_for(seed: int) -> None:
    probability = np.array([[0.0, 0.3, 0.7, 1.0] * 5])
    one = lots(probability, seed)
    np.testing.assert_array_equal(one, lots(probability, seed))
    assert not one[0, ::4].any()
    assert one[0, 3::4].all()


def test_lots_fall_as_often_as_the_probability_says() -> None:
    probability = np.array([[0.2, 0.5, 0.9], [0.7, 0.1, 0.4]])
    share = np.mean([lots(probability, seed) for seed in range(4000)], axis=0)
    np.testing.assert_allclose(share, probability, atol=0.03)


def test_segments_are_cut_at_the_cuts() -> None:
    assert segments((-1.0, 1.0), np.array([-2.0, -1.0, 0.0, 1.0, 3.0])).tolist() == [0, 1, 1, 2, 2]


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.lists(st.integers(0, 5), unique=True, max_size=3), st.booleans()), min_size=1, max_size=30), st.floats(0.05, 1.0)
)
def test_fading_probabilities_stay_probabilities_and_follow_the_formula(people: list, r_max: float) -> None:
    rule = Fading(r_max, fade=1.0)
    memory = Memory.pinned(rule, bank(6))
    might = np.ones((1, 6), dtype=bool)
    for items, held in people:
        rule.learn(memory, Finished(np.array(items, dtype=int), np.array([True]), might, held))
        assert np.all((memory.control >= 0) & (memory.control <= 1))
    taken = np.array([sum(i in items for items, _ in people) for i in range(6)])
    n, f = len(people), max(sum(held for _, held in people), 1e-9)
    for i in range(6):
        expected = np.clip(1 - n / f + r_max / (taken[i] / n) * n / f, 0, 1) if taken[i] else 1.0
        assert memory.control[0, i] == pytest.approx(expected, abs=1e-9)


def test_an_item_is_given_to_no_more_than_its_limit_of_those_who_end_where_most_do() -> None:
    cuts, limit, n = (-0.8, 0.8), 0.35, 1000
    rule = Fading(limit, cuts, gamma=2.0)
    result = simulate(plan_of(8, eligibility=rule), bank(150), np.random.default_rng(4).normal(size=(n, 1)), seed=2)
    middle = (np.searchsorted(cuts, result.theta[:, 0], side="right") == 1) & (np.arange(n) >= 300)  # 300 people to learn from
    rates = np.bincount(result.step_item[middle[result.step_person]], minlength=150) / middle.sum()
    assert rates.max() < limit + 0.06  # .36; .49 where all segments on the way count


def test_control_parameters_that_do_not_fit_the_segments_are_named() -> None:
    pool = replace(bank(6), control=np.ones((2, 6)))
    assert [f.field for f in check(plan_of(2, eligibility=Fading(0.2, (-1.0, 1.0))), pool)] == ["cuts"]
    assert check(plan_of(2, eligibility=Fading(0.2, (0.0,))), pool) == []


@pytest.mark.parametrize("control", [np.ones(6), np.ones((1, 5)), np.full((1, 6), 1.2)])
def test_control_parameters_that_are_no_probabilities_are_refused(control: np.ndarray) -> None:
    with pytest.raises(ValueError, match="control"):
        replace(bank(6), control=control)


def test_control_parameters_are_part_of_the_pools_digest() -> None:
    assert replace(bank(6), control=np.ones((1, 6))).digest != bank(6).digest


@pytest.mark.parametrize(
    "table",
    ['name = "restricted"\nr_max = 0.0', 'name = "fading"\nr_max = 1.5', 'name = "fading"\ncuts = [1.0, 0.0]', 'name = "fading"\ngamma = 0.5',
     'name = "fading"\nfade = 0.0', 'name = "sympson_hetter"\nr_max = -1.0', 'name = "fading"\ncuts = ["low"]'],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_refused(plan_text: str, table: str) -> None:
    with pytest.raises(Faulty):
        load_plan(plan_text.replace("[exposure]", f"[eligibility]\n{table}\n[exposure]"))


TABLE = {  # RMSE, highest exposure, overlap, unused; of the bank below, 20 items, EAP
    "random": (0.431, 0.05, 0.040, 0.00), "mfi": (0.245, 1.00, 0.314, 0.69), "progressive": (0.264, 0.42, 0.159, 0.00),
    "proportional": (0.271, 0.42, 0.134, 0.00), "mfi fading": (0.253, 0.27, 0.200, 0.65), "progressive fading": (0.263, 0.26, 0.138, 0.00),
    "a_stratified": (0.311, 1.00, 0.145, 0.23), "randomesque": (0.243, 0.53, 0.272, 0.65), "a_stratified fading": (0.307, 0.28, 0.071, 0.13),
    "proportional fading": (0.269, 0.26, 0.118, 0.00),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", TABLE)
def test_precision_and_security_of_the_rules_come_out_as_known(case: str) -> None:
    rng = np.random.default_rng(20)
    a, b, c = rng.normal(1.2, 0.25, 500), rng.normal(size=500), rng.normal(0.25, 0.02, 500)
    rows = [Row("3pl", float(1.702 * a[i]), [float(b[i])], float(c[i])) for i in range(500)]
    pool = Pool.of(tuple(map(str, range(500))), ItemParams.from_rows(rows), ("A",))
    name, *more = case.split()
    options: dict[str, object] = {"eligibility": Fading(0.25, gamma=2.0)} if more else {}
    from cat_engine.exposure import Randomesque
    from cat_engine.select import SELECTION

    if name == "randomesque":
        options["exposure"] = Randomesque(5)
    else:
        table = {"name": name, **({"count": 5} if name == "a_stratified" else {})}
        options["select"] = SELECTION.build(table, [])
    n = 5000
    result = simulate(plan_of(20, **options), pool, np.random.default_rng(2).normal(size=(n, 1)), seed=3)
    rmse, highest, overlap, unused = TABLE[case]
    assert result.rmse[0] == pytest.approx(rmse, abs=0.02)
    assert result.exposure.max() == pytest.approx(highest, abs=0.06)
    assert result.overlap == pytest.approx(overlap, abs=0.03)
    assert result.unused == pytest.approx(unused, abs=0.08)


def test_progressive_and_fading_together_use_the_whole_bank() -> None:
    result = simulate(
        plan_of(10, select=Progressive(), eligibility=Fading(0.3)), bank(100), np.random.default_rng(1).normal(size=(300, 1)), seed=1
    )
    assert result.unused < 0.02
    assert result.exposure.max() < 0.36
