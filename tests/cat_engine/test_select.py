"""Selection rules: catR's criteria for every item and the item it would give, and what each rule is for."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.stats import chisquare

from cat_engine import Faulty, Grid, ItemParams, Pool, Row, Section, TestPlan, information, load_plan, simulate
from cat_engine.batch import Batch
from cat_engine.estimators import ExpectedAPosteriori, MaximumAPosteriori
from cat_engine.randomness import Draws
from cat_engine.select import SELECTION, Moment
from cat_engine.select.spread import progress, strata
from tests.cat_engine.catr import row

CATR_GRID = Grid(-4.0, 4.0, 33)
NAMES = {
    "bOpt": {"name": "urry"}, "thOpt": {"name": "thopt"}, "MLWI": {"name": "mlwi"}, "MPWI": {"name": "mpwi"}, "KL": {"name": "kl"},
    "KLP": {"name": "klp"}, "GDI": {"name": "gdi"}, "GDIP": {"name": "gdip"}, "MEPV": {"name": "mepv", "predictive": False},
    "MEI_EAP_observed": {"name": "mei"}, "MEI_EAP_Fisher": {"name": "mei", "info": "fisher"}, "MEI_BM_observed": {"name": "mei"},
    "MEI_BM_Fisher": {"name": "mei", "info": "fisher"},
}  # fmt: skip


def pool_of(rows: list[Row], grid: Grid | None = None, seconds: np.ndarray | None = None) -> Pool:
    n = len(rows)
    params = ItemParams.from_rows(rows)
    return Pool(tuple(str(i) for i in range(n)), params, ("A",), np.ones(n, dtype=bool), np.zeros(n), grid or Grid(), seconds)


def moment_after(pool: Pool, items: list[int], answers: list[int], planned: int = 20, plan: TestPlan | None = None) -> Moment:
    batch = Batch.replay(plan or TestPlan("t", ()), pool, items, answers)
    return Moment(batch, np.zeros(1, dtype=int), ~batch.used, np.array([len(items)]), planned, Draws((1,), (len(items),)))


@pytest.mark.parametrize("name", NAMES)
def test_criteria_and_choices_are_those_of_catr(golden: Callable[[str], Any], name: str) -> None:
    by_mode = "BM" in name
    method = MaximumAPosteriori(-4.0, 4.0) if by_mode else ExpectedAPosteriori()
    rule = SELECTION.build(NAMES[name], [])
    compared = 0
    for case in golden("catr_nextitem.json")["cases"]:
        pool = pool_of([row(case["model"], values) for values in case["items"]], CATR_GRID)
        for situation in case["states"]:
            if name not in situation["values"]:
                continue  # catR has no GDI for polytomous items, and urry and thopt are for two categories
            now = moment_after(pool, [i - 1 for i in situation["administered"]], situation["x"], plan=TestPlan("t", (), interim=method))
            now.batch.theta[:] = situation["theta"]  # catR looks from EAP, however the answers to come are scored
            wanted = np.array(situation["values"][name], dtype=float)
            left = ~np.isnan(wanted)
            score = rule.score(now)[0]
            found = score * rule.unit(now)[0]
            np.testing.assert_allclose(
                found[left], wanted[left], rtol=1e-4 if by_mode else 1e-10, atol=1e-5 if by_mode else 1e-13, err_msg=case["model"]
            )
            best = np.argmax(np.where(now.eligible[0], np.round(score, 12), -np.inf))
            assert best == situation["chosen"][name] - 1
            compared += 1
    assert compared >= 15


def test_progressive_and_proportional_weights_are_those_of_catr(golden: Callable[[str], Any]) -> None:
    for case in golden("catr_nextitem.json")["cases"]:
        for situation in case["states"]:
            for wanted in situation["progressive"]:
                given = np.array([len(situation["administered"])])
                w = progress(given, 20, wanted["AP"])[0]
                assert w == pytest.approx(wanted["W"], rel=1e-12)
                assert 20 * w == pytest.approx(wanted["proportional_exponent"], rel=1e-12)


def test_proportional_draws_in_proportion_to_a_power_of_information(golden: Callable[[str], Any]) -> None:
    case = golden("catr_nextitem.json")["cases"][1]
    situation = next(s for s in case["states"] if s["progressive"])
    wanted = np.array(situation["progressive"][0]["proportional_prob"], dtype=float)
    pool = pool_of([row(case["model"], values) for values in case["items"]], CATR_GRID)
    batch = Batch.begin(TestPlan("t", (Section("s", "s", ("A",), 1, 20, 1.0),)), pool, 4000)
    rows = np.arange(4000)
    for item, answer in zip(situation["administered"], situation["x"], strict=True):
        batch.answer(rows, np.full(4000, item - 1), np.full(4000, answer))
    draws = Draws(tuple(range(4000)), (3,) * 4000)
    score = SELECTION.build({"name": "proportional"}, []).score(Moment(batch, rows, ~batch.used, np.full(4000, 3), 20, draws))
    counts = np.bincount(np.argmax(np.where(batch.used, -np.inf, score), axis=1), minlength=30)
    possible = wanted > 0
    assert counts[~possible].sum() == 0
    assert chisquare(counts[possible], 4000 * wanted[possible] / wanted[possible].sum()).pvalue > 1e-4


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
