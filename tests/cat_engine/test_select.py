"""Selection rules: what each is for. catR's criteria are in test_golden_next."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from cat_engine import Faulty, Grid, ItemParams, Pool, Row, Section, TestPlan, information, load_plan, simulate
from cat_engine.batch import Batch
from cat_engine.randomness import Draws
from cat_engine.select import SELECTION, Moment
from cat_engine.select.spread import strata


def pool_of(rows: list[Row], grid: Grid | None = None, seconds: np.ndarray | None = None) -> Pool:
    n = len(rows)
    params = ItemParams.from_rows(rows)
    return Pool(tuple(str(i) for i in range(n)), params, ("A",), np.ones(n, dtype=bool), np.zeros(n), grid or Grid(), seconds)


def moment_after(pool: Pool, items: list[int], answers: list[int], planned: int = 20, plan: TestPlan | None = None) -> Moment:
    batch = Batch.replay(plan or TestPlan("t", ()), pool, items, answers)
    return Moment(batch, np.zeros(1, dtype=int), batch.free, np.array([len(items)]), planned, Draws((1,), (len(items),)))


def test_proportional_draws_in_proportion_to_a_power_of_information() -> None:
    rng = np.random.default_rng(5)
    pool = pool_of([Row("3pl", float(rng.uniform(0.7, 1.6)), [float(rng.normal())], 0.2) for _ in range(30)])
    batch = Batch.begin(TestPlan("t", (Section("s", "s", ("A",), 1, 20, 1.0),)), pool, 4000)
    rows = np.arange(4000)
    for item in range(6):
        batch.answer(rows, np.full(4000, item), np.full(4000, item % 2))
    wanted = np.where(~batch.free[0], 0.0, batch.info[0] ** (20 * 21 / 190))  # 20 (1 + .. + 6) / (1 + .. + 19)
    score = SELECTION.build({"name": "proportional"}, []).score(
        Moment(batch, rows, batch.free, np.full(4000, 6), 20, Draws(tuple(range(4000)), (6,) * 4000))
    )
    counts = np.bincount(np.argmax(np.where(~batch.free, -np.inf, score), axis=1), minlength=30)
    often = 4000 * wanted / wanted.sum() >= 5
    assert counts[wanted == 0].sum() == 0
    expected = np.append(4000 * wanted[often], 4000 * wanted[~often].sum()) / wanted.sum()
    assert chisquare(np.append(counts[often], counts[~often].sum()), expected).pvalue > 1e-4


def test_strata_without_blocking_are_those_of_catr(golden: Callable[[str], Any]) -> None:
    reference = golden("catr_astratified.json")
    items = np.array(reference["items"], dtype=float)
    assert strata(items[:, 0], items[:, 1], 4, blocked=False).tolist() == reference["stratum"]


def test_blocked_strata_share_out_a_and_all_have_the_range_of_b() -> None:
    rng = np.random.default_rng(1)
    b = rng.normal(size=400)
    a = np.exp(0.5 * b + rng.normal(0, 0.2, size=400))  # discriminating items are the hard ones: what blocking is for
    blocked, plain = strata(a, b, 4), strata(a, b, 4, blocked=False)
    assert np.bincount(blocked).tolist() == [100] * 4
    assert np.all(np.diff([a[blocked == k].mean() for k in range(4)]) > 0)
    spread = [np.ptp([b[found == k].mean() for k in range(4)]) for found in (blocked, plain)]
    assert spread[0] < 0.15 < 1.0 < spread[1]


def test_a_stratified_test_rises_through_its_strata() -> None:
    rng = np.random.default_rng(2)
    pool = pool_of([Row("2pl", float(rng.uniform(0.5, 2.5)), [float(rng.normal())]) for _ in range(80)])
    plan = TestPlan("t", (Section("s", "s", ("A",), 12, 12, 1.0),), select=SELECTION.build({"name": "a_stratified", "count": 4}, []))
    result = simulate(plan, pool, rng.normal(size=(50, 1)), seed=1)
    stratum = strata(pool.params.a, pool.middle, 4)[result.step_item]
    np.testing.assert_array_equal(stratum, result.step_position // 3)


def test_the_peak_of_a_three_parameter_item_is_birnbaums() -> None:
    rows = [Row("3pl", 1.3, [0.4], 0.2), Row("2pl", 0.7, [-1.5]), Row("3pl", 2.0, [2.0], 0.05)]
    expected = [b[0] + np.log((1 + np.sqrt(1 + 8 * c)) / 2) / a for _, a, b, c, *_ in rows]
    np.testing.assert_allclose(pool_of(rows).peak, expected, atol=1e-10)


def test_the_peak_of_a_graded_item_is_the_highest_point_of_its_information() -> None:
    rows = [Row("grm", 1.5, [-1.0, 0.3, 1.4]), Row("gpcm", 1.1, [0.5, -0.4])]
    fine = np.linspace(-5, 5, 100_001)
    np.testing.assert_allclose(pool_of(rows).peak, fine[np.argmax(information(ItemParams.from_rows(rows), fine), axis=0)], atol=1e-4)


def test_expected_variance_by_the_predictive_probability_never_exceeds_the_present_variance() -> None:
    rng = np.random.default_rng(3)
    pool = pool_of([Row("grm", 1.2, np.sort(rng.normal(size=3)).tolist()) for _ in range(20)])
    now = moment_after(pool, [0, 1, 2], [1, 3, 0])
    assert np.all(-SELECTION.build({"name": "mepv"}, []).score(now)[0] < now.se[0, 0] ** 2)


@pytest.mark.parametrize("name", ["gdi", "gdip"])
def test_the_discrimination_index_of_two_categories_is_the_variance_of_the_probability_whatever_the_model(name: str) -> None:
    as_two, as_graded = (pool_of([Row(model, 1.3, [0.4]), Row(model, 0.8, [-1.0])]) for model in ("2pl", "grm"))
    rule = SELECTION.build({"name": name}, [])
    np.testing.assert_allclose(rule.score(moment_after(as_two, [0], [1])), rule.score(moment_after(as_graded, [0], [1])), rtol=1e-10)


@pytest.mark.parametrize("name", ["gdi", "gdip"])
def test_the_discrimination_index_of_any_item_is_half_the_variance_of_its_probabilities(nominal_pool: Pool, name: str) -> None:
    """With several competencies and models, in the longest floats there are; also where an answer is nearly certain, so that the variance is small."""
    now = moment_after(nominal_pool, [*range(24)], [min(i % 3, nominal_pool.n_cat[i] - 1) for i in range(24)])
    found = SELECTION.build({"name": name}, []).score(now)[0]
    prior = nominal_pool.prior_logpost(now.batch.plan.prior)
    for i in range(24, len(nominal_pool)):
        log_weight = now.batch.logpost[0, nominal_pool.params.scale[i]] - (nominal_pool.grid.log_weights() if name == "gdip" else prior)
        weight = np.exp(log_weight.astype(np.longdouble))
        p = np.exp(nominal_pool.log_table[i].astype(np.longdouble))
        mean = (p * weight).sum(axis=1) / weight.sum()
        expected = (((p - mean[:, None]) ** 2).sum(axis=0) * weight).sum() / weight.sum() / 2
        assert found[i] == pytest.approx(float(expected), rel=1e-12)


def test_sequential_gives_the_items_in_order() -> None:
    pool = pool_of([Row("2pl", 1.0 + 0.1 * i, [0.0]) for i in range(6)])
    plan = TestPlan("t", (Section("s", "s", ("A",), 4, 4, 1.0),), select=SELECTION.build({"name": "sequential"}, []))
    assert simulate(plan, pool, np.zeros((2, 1)), seed=1).step_item.tolist() == [0, 1, 2, 3] * 2


def test_information_per_time_prefers_the_quicker_of_two_equal_items() -> None:
    rows = [Row("2pl", 1.0, [0.0])] * 3
    rule = SELECTION.build({"name": "mfi_per_time"}, [])
    score = rule.score(moment_after(pool_of(rows, seconds=np.array([60.0, 30.0, 90.0])), [], []))
    assert np.argmax(score[0]) == 1
    assert score[0, 1] == pytest.approx(2 * score[0, 0])
    assert np.ptp(rule.score(moment_after(pool_of(rows), [], []))) == 0


@pytest.mark.parametrize("seconds", [np.array([1.0]), np.array([1.0, -1.0, 2.0]), np.array([1.0, np.nan, 2.0])])
def test_seconds_that_cannot_be_are_refused(seconds: np.ndarray) -> None:
    with pytest.raises(ValueError, match="seconds"):
        pool_of([Row("2pl", 1.0, [0.0])] * 3, seconds=seconds)


def test_seconds_are_part_of_the_pools_digest() -> None:
    rows = [Row("2pl", 1.0, [0.0])] * 2
    digests = {pool_of(rows).digest, pool_of(rows, seconds=np.array([1.0, 2.0])).digest, pool_of(rows, seconds=np.array([1.0, 3.0])).digest}
    assert len(digests) == 3


@pytest.mark.parametrize(
    "options",
    [
        'name = "a_stratified"\ncount = 1',
        'name = "progressive"\nspeed = -1',
        'name = "mei"\ninfo = "x"',
        'name = "proportional"\nspeed = -2.0',
    ],
)
def test_options_out_of_range_are_refused(plan_text: str, options: str) -> None:
    with pytest.raises(Faulty):
        load_plan(plan_text.replace("[exposure]", f"[select]\n{options}\n[exposure]"))
