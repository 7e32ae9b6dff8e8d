"""Overlap of tests: the figure, its least value, and control parameters that keep it."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_engine import Faulty, ItemParams, Pool, Row, Section, TestPlan, check, load_plan, simulate
from cat_engine.control import found_beforehand, limited_overlap, sympson_hetter
from cat_engine.eligibility import Overlap, SympsonHetter
from cat_engine.overlap import least_overlap, mean_overlap

ERROR = 0.005  # three times the spread of fresh people's overlap over settings by other people and seeds (eight of .15 gave .1485 to .1529)
KNOWN = {0.15: (0.258, 0.26, 0.146, 0.58), 0.1: (0.269, 0.16, 0.098, 0.46)}  # by limit: RMSE, highest exposure, overlap, unused


def known_bank() -> Pool:
    """500 3PL items, a ~ N(1.2, .25), b ~ N(0, 1), c ~ N(.25, .02), D = 1.702."""
    rng = np.random.default_rng(20)
    a, b, c = rng.normal(1.2, 0.25, 500), rng.normal(size=500), rng.normal(0.25, 0.02, 500)
    rows = [Row("3pl", float(1.702 * a[i]), [float(b[i])], float(c[i])) for i in range(500)]
    return Pool.of(tuple(map(str, range(500))), ItemParams.from_rows(rows), ("A",))


BANK = known_bank()
SETTERS, FRESH = (np.random.default_rng(seed).normal(size=(n, 1)) for seed, n in ((1, 500), (2, 3000)))


def plan_of(length: int, **options: object) -> TestPlan:
    return TestPlan("t", (Section("s", "s", ("A",), length, length, 1.0),), **options)


@given(st.lists(st.sets(st.integers(0, 9), min_size=1), min_size=2, max_size=8))
def test_overlap_is_the_mean_over_all_pairs(people: list[set[int]]) -> None:
    exposure = np.array([sum(i in own for own in people) for i in range(10)]) / len(people)
    length = sum(map(len, people)) / len(people)
    pairs = [len(one & other) / length for one, other in combinations(people, 2)]
    assert mean_overlap(exposure, len(people)) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_tests_without_items_have_nothing_in_common() -> None:
    assert mean_overlap(np.zeros(3), 5) == 0.0


@given(st.lists(st.tuples(st.integers(1, 6), st.integers(0, 6), st.integers(0, 30)), min_size=1, max_size=3))
def test_the_least_overlap_is_that_of_the_best_lengths(table: list[tuple[int, int, int]]) -> None:
    low, high = np.array([a for a, _, _ in table]), np.array([a + more for a, more, _ in table])
    items = high + np.array([rest for _, _, rest in table])
    grids = [np.linspace(a, b, 25) for a, b in zip(low, high, strict=True)]
    lengths = np.array(list(product(*grids)))
    brute = ((lengths**2 / items).sum(axis=1) / lengths.sum(axis=1)).min()
    found = least_overlap(low, high, items)
    assert found <= brute + 1e-9
    assert found == pytest.approx(brute, abs=0.01)  # the grid's distance
    if len(table) == 1:
        assert found == pytest.approx(low[0] / items[0])


@pytest.mark.parametrize("limit", [0.15, pytest.param(0.1, marks=pytest.mark.slow)])
def test_fresh_people_have_no_more_in_common_than_the_limit_and_are_measured_as_well_as_by_rates(limit: float) -> None:
    free = simulate(plan_of(20), BANK, FRESH, seed=3)
    assert free.overlap == pytest.approx(0.31, abs=0.01)
    plan = plan_of(20, eligibility=Overlap(0.3, limit))
    pool = found_beforehand(plan, BANK, SETTERS, 0, cycles=6)
    fresh = simulate(plan, pool, FRESH, seed=3)
    assert limit - 0.02 < fresh.overlap <= limit + ERROR
    found = (fresh.rmse[0], fresh.exposure.max(), fresh.overlap, fresh.unused)
    np.testing.assert_array_less(np.abs(np.subtract(found, KNOWN[limit])), (0.01, 0.06, 0.01, 0.04))
    assert fresh.exposure.max() <= 0.3
    rates = plan_of(20, eligibility=SympsonHetter(float(fresh.exposure.max())))
    by_rates = simulate(rates, sympson_hetter(rates, BANK, SETTERS, 0, cycles=6), FRESH, seed=3)
    assert fresh.rmse[0] <= by_rates.rmse[0] + 0.02
    assert fresh.rmse[0] <= free.rmse[0] + (0.02 if limit == 0.15 else 0.03)


def test_where_the_rate_is_the_tighter_limit_it_is_kept_and_overlap_is_free() -> None:
    plan = plan_of(20, eligibility=Overlap(0.25, 0.9))
    fresh = simulate(plan, limited_overlap(plan, BANK, SETTERS, 0, cycles=6), FRESH, seed=3)
    assert 0.2 < fresh.exposure.max() <= 0.25 + 0.03  # .025 is three standard errors of the rate of one item among 3,000
    assert fresh.overlap > 0.15


def test_limits_that_are_kept_without_control_close_nothing() -> None:
    plan = plan_of(20, eligibility=Overlap(1.0, 0.5))
    pool = limited_overlap(plan, BANK, SETTERS, 0, cycles=2)
    assert pool.control is not None
    assert (pool.control == 1).all()


def small(n: int = 40) -> Pool:
    return Pool.of(tuple(map(str, range(n))), BANK.params.take(np.arange(n)), ("A",))


def test_the_same_people_and_seed_give_the_same_parameters() -> None:
    plan = plan_of(4, eligibility=Overlap(1.0, 0.3))
    one, two, other = (limited_overlap(plan, small(), SETTERS[:60], seed, cycles=4).digest for seed in (4, 4, 5))
    assert one == two != other


def test_an_overlap_that_no_simulation_reaches_is_refused_with_the_smallest_that_one_did() -> None:
    plan = plan_of(10, eligibility=Overlap(1.0, 0.26))  # 10 of 40 items: .25 if all were used alike
    assert check(plan, small()) == []
    with pytest.raises(Faulty) as refused:
        limited_overlap(plan, small(), SETTERS[:200], 0, cycles=6)
    [fault] = refused.value.faults
    assert (fault.where, fault.field) == ("eligibility", "max_overlap")
    reached = float(fault.message.rsplit(" ", 1)[1])
    assert 0.26 < reached < 0.5
    again = replace(plan, eligibility=Overlap(1.0, reached + 0.02))
    fresh = simulate(again, limited_overlap(again, small(), SETTERS[:200], 0, cycles=6), FRESH, seed=3)
    assert fresh.overlap < reached + 0.02 + 3 * ERROR  # fewer people, more error


def test_a_rate_that_no_simulation_reaches_is_refused_with_the_lowest_that_one_did() -> None:
    plan = plan_of(10, eligibility=Overlap(0.26, 0.9))
    with pytest.raises(Faulty, match=r"0\.26 is out of reach: the highest exposure of an item in simulations was never below") as refused:
        limited_overlap(plan, small(), SETTERS[:200], 0, cycles=4)
    assert [fault.field for fault in refused.value.faults] == ["r_max"]


def test_a_plan_that_even_equal_use_would_not_save_is_named_before_anything_is_simulated() -> None:
    faults = check(plan_of(10, eligibility=Overlap(0.2, 0.249)), small())
    assert [(fault.field, fault.message) for fault in faults] == [
        ("r_max", "0.2 is out of reach: min_items = 10 of the 40 items of 'A'"),
        ("max_overlap", "0.249 is out of reach: two tests have 0.25 of their items in common if all items are used alike"),
    ]
    assert check(plan_of(10, eligibility=Overlap(0.25, 0.25)), small()) == []
    assert [fault.field for fault in check(plan_of(50, eligibility=Overlap(0.2, 0.2)), small())] == ["min_items"]


def test_other_rules_are_not_for_it() -> None:
    for find, rule in ((limited_overlap, SympsonHetter(0.3)), (sympson_hetter, Overlap(0.3, 0.15))):
        with pytest.raises(ValueError, match="the plan's eligibility rule is not"):
            find(plan_of(3, eligibility=rule), small(), np.zeros((2, 1)), seed=1)


@pytest.mark.parametrize("options", ["max_overlap = 0.0", "max_overlap = 1.1", "r_max = 0.0", "overlap = 0.2"])
def test_limits_that_are_no_rates_are_refused(plan_text: str, options: str) -> None:
    with pytest.raises(Faulty, match=options.split(" ")[0]):
        load_plan(plan_text.replace("[exposure]", f'[eligibility]\nname = "overlap"\n{options}\n[exposure]'))
