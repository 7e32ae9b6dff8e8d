"""The running sums of a simulation say what its steps say."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cat_engine import Grid, ItemParams, Pool, Row, Section, SimulationResult, TestPlan, simulate
from cat_engine.eligibility import Fading, Restricted
from cat_engine.people import People
from cat_engine.simulate import Trial, blocks
from cat_engine.stop import AllOf
from cat_engine.stop.classification import ConfidenceInterval, ProbabilityRatio
from cat_engine.stop.precision import PosteriorSD
from cat_engine.tally import LEVELS, Tally, cuts_of
from cat_engine.timing import ItemTimes
from cat_engine.trial import worst

N = 700
GRID = np.arange(-3.5, 3.6, 0.5)


def tally_of(trial: Trial, people: People, block: int = 150) -> Tally:
    tally = Tally.of(trial, people.true, GRID)
    for part in blocks(trial, people, block=block):
        tally.add(part)
    return tally


@pytest.fixture(scope="module")
def people() -> People:
    rng = np.random.default_rng(2)
    return People(rng.normal(size=(N, 3)), rng.normal(0, 0.3, size=N))


@pytest.fixture(scope="module")
def trial(plan: TestPlan, mixed_pool: Pool) -> Trial:
    """Times such that some people run out of it; cuts on the first section."""
    first = replace(plan.sections[0], time_budget_min=12.0, stop=(ConfidenceInterval((-0.5, 0.7)), *plan.sections[0].stop))
    return Trial(
        replace(plan, sections=(first, plan.sections[1])), mixed_pool, 9, times=ItemTimes(np.full(90, 2.0), np.linspace(3.2, 4.2, 90))
    )


@pytest.fixture(scope="module")
def whole(trial: Trial, people: People) -> SimulationResult:
    return simulate(trial.plan, trial.pool, people.true, trial.seed, times=trial.times, tau=people.tau)


@pytest.fixture(scope="module")
def tally(trial: Trial, people: People) -> Tally:
    return tally_of(trial, people)


def test_the_summary_is_that_of_the_steps(tally: Tally, whole: SimulationResult) -> None:
    one = tally.deciles.whole
    np.testing.assert_allclose(one.rmse[:, 0], whole.rmse, rtol=1e-12)
    np.testing.assert_allclose(one.bias[:, 0], whole.bias, atol=1e-13)
    np.testing.assert_allclose(one.mean_se[:, 0], whole.se.mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(tally.exposure, whole.exposure)
    assert tally.mean_length == pytest.approx(whole.length.mean(), rel=1e-12)
    assert tally.overlap == pytest.approx(whole.overlap, rel=1e-12)
    assert tally.unused == whole.unused
    np.testing.assert_array_equal(tally.lengths, np.bincount(whole.length, minlength=len(tally.lengths)))


def test_every_tenth_of_the_people_has_its_own_figures(tally: Tally, whole: SimulationResult) -> None:
    for s in range(3):
        rank = np.argsort(np.argsort(whole.true[:, s]))
        for k in range(10):
            mine = rank // (N // 10) == k
            error = (whole.theta - whole.true)[mine, s]
            assert tally.deciles.n[s, k] == N // 10
            assert tally.deciles.bias[s, k] == pytest.approx(error.mean(), abs=1e-12)
            assert tally.deciles.rmse[s, k] == pytest.approx(np.sqrt((error**2).mean()))
            assert tally.deciles.mean(tally.deciles.items)[s, k] == pytest.approx(whole.count[mine, s].mean())


def test_reliability_is_that_of_the_standard_errors_and_of_the_truth(tally: Tally, whole: SimulationResult) -> None:
    np.testing.assert_allclose(tally.reliability, 1 - (whole.se**2).mean(axis=0), rtol=1e-12)
    expected = [np.corrcoef(whole.true[:, s], whole.theta[:, s])[0, 1] ** 2 for s in range(3)]
    np.testing.assert_allclose(tally.squared_correlation, expected, rtol=1e-10)
    # Two estimates of the same thing: in theory equal for EAP under the true prior; 700 people leave a standard error of about .02.
    np.testing.assert_allclose(tally.reliability, tally.squared_correlation, atol=0.06)


def test_the_worst_figures_are_those_that_acceptance_limits_speak_of(tally: Tally, whole: SimulationResult) -> None:
    assert tally.worst == pytest.approx(worst(whole))


def test_abilities_that_do_not_vary_have_no_correlation_with_the_truth(trial: Trial) -> None:
    assert np.isnan(tally_of(trial, People(np.zeros((20, 3)), np.zeros(20))).squared_correlation).all()


def test_items_and_minutes_to_a_reliability_are_those_of_the_first_step_that_has_it(
    tally: Tally, whole: SimulationResult, mixed_pool: Pool
) -> None:
    assert whole.step_seconds is not None
    for s in range(3):
        for level, reliability in enumerate(LEVELS):
            n, items, seconds = 0, 0, 0.0
            for person in range(N):
                mine = np.flatnonzero(whole.step_person == person)
                own = mine[mixed_pool.params.scale[whole.step_item[mine]] == s]
                there = np.flatnonzero(whole.step_se[own] <= np.sqrt(1 - reliability))
                if there.size:
                    n, items = n + 1, items + int(there[0]) + 1
                    seconds += whole.step_seconds[mine[0] : own[there[0]] + 1].sum()
            assert tally.reached.n[s, level] == n
            assert tally.reached.items[s, level] == items
            assert tally.reached.seconds[s, level] == pytest.approx(seconds)
    assert tally.reached.n[0, 0] > N / 2


def test_time_adds_up(tally: Tally, whole: SimulationResult) -> None:
    assert whole.seconds is not None
    assert tally.mean_minutes == pytest.approx(whole.seconds.sum(axis=1).mean() / 60)
    late = np.array([[reason == "time" for reason in found] for found in whole.reasons])
    assert 0 < late[:, 0].sum() < N
    assert [section.late for section in tally.times] == late.sum(axis=0).tolist()
    assert tally.out_of_time == late.any(axis=1).mean()
    for k, section in enumerate(tally.times):
        assert section.slices.sum() == N
        assert section.percentile(0.5) == pytest.approx(np.quantile(whole.seconds[:, k], 0.5), abs=section.budget_s / 100)


def test_without_times_nothing_is_said_of_time(plan: TestPlan, mixed_pool: Pool) -> None:
    found = tally_of(Trial(plan, mixed_pool, 1), People(np.zeros((20, 3))))
    assert found.mean_minutes is None
    assert found.out_of_time is None
    assert not found.reached.seconds.any()


def test_the_share_of_people_in_their_true_class_is_counted_where_the_plan_has_cuts(tally: Tally, whole: SimulationResult) -> None:
    assert set(tally.accuracy) == {0, 1}
    for s in (0, 1):
        true, found = (np.digitize(values[:, s], (-0.5, 0.7)) for values in (whole.true, whole.theta))
        assert tally.accuracy[s] == pytest.approx((true == found).mean())
        assert tally.confusion[s].sum() == N
        assert tally.confusion[s][0, 2] == np.sum((true == 0) & (found == 2))


def test_cuts_come_from_every_rule_that_has_them() -> None:
    rules = (AllOf((ProbabilityRatio((0.5,)), PosteriorSD(0.3))), ConfidenceInterval((-1.0, 0.5)), PosteriorSD(0.2))
    assert cuts_of(Section("s", "s", ("A",), 1, 2, 1.0, rules)) == (-1.0, 0.5)
    assert cuts_of(Section("s", "s", ("A",), 1, 2, 1.0, rules[2:])) == ()


def test_every_end_is_counted_once(tally: Tally, whole: SimulationResult) -> None:
    for s in range(3):
        for reason in {found[s] for found in whole.stops}:
            assert tally.stops[s, reason] == sum(found[s] == reason for found in whole.stops)
    assert sum(tally.stops.values()) == 3 * N


def test_sums_do_not_depend_on_the_size_of_blocks(tally: Tally, trial: Trial, people: People) -> None:
    other = tally_of(trial, people, block=64)
    np.testing.assert_array_equal(other.given, tally.given)
    np.testing.assert_allclose(other.deciles.error2, tally.deciles.error2, rtol=1e-12)
    assert other.stops == tally.stops


def test_people_who_teach_exposure_control_sit_one_after_the_other(plan: TestPlan, mixed_pool: Pool) -> None:
    learning = Trial(replace(plan, eligibility=Fading(0.4)), mixed_pool, 3)
    people = People(np.random.default_rng(1).normal(size=(30, 3)))
    assert [len(part.people) for part in blocks(learning, people)] == [1] * 30
    np.testing.assert_array_equal(tally_of(learning, people).exposure, simulate(learning.plan, mixed_pool, people.true, 3).exposure)


def test_an_item_in_a_bank_of_one_is_given_to_all() -> None:
    pool = Pool.of(("a",), ItemParams.from_rows([Row("2pl", 1.0, [0.0])]), ("A",))
    found = tally_of(Trial(TestPlan("t", (Section("s", "s", ("A",), 1, 1, 9.0),)), pool, 1), People(np.zeros((5, 1))))
    assert found.exposure.tolist() == [1.0]
    assert found.overlap == 1.0


def test_figures_and_tenths_are_those_of_catr(golden: Callable[[str], Any]) -> None:
    """catR's simulateRespondents on the same people and answers. Both compute in double precision: 1e-12 leaves room for the order of sums."""
    people, conditional = golden("catr_restricted.json"), golden("catr_conditional.json")
    rows = [Row("4pl", a, [b], c, d) for a, b, c, d in people["items"]]
    n = len(rows)
    pool = Pool(tuple(map(str, range(n))), ItemParams.from_rows(rows), ("A",), np.ones(n, bool), np.zeros(n), Grid(-4.0, 4.0, 33))
    for run, expected in zip(
        people["runs"], sorted(conditional["runs"], key=lambda r: r["rmax"] == people["runs"][1]["rmax"]), strict=True
    ):
        answers = np.array([[int(x) for x in row] for row in run["responses"]])
        plan = TestPlan("t", (Section("s", "s", ("A",), 15, 15, 60.0),), eligibility=Restricted(run["rmax"]))
        found = tally_of(Trial(plan, pool, 1), People(np.array(expected["true_theta"])[:, None], answers=answers))
        whole, by = found.deciles.whole, found.deciles
        assert whole.bias[0, 0] == pytest.approx(expected["bias"], abs=1e-12)
        assert whole.rmse[0, 0] == pytest.approx(expected["rmse"], abs=1e-12)
        assert np.sqrt(found.squared_correlation[0]) == pytest.approx(expected["correlation"], abs=1e-12)
        assert found.overlap == pytest.approx(expected["overlap"], abs=1e-12)
        assert by.n[0].tolist() == expected["deciles"]["n"]
        for name, values in (("theta", by.mean(by.true)), ("bias", by.bias), ("rmse", by.rmse), ("se", by.mean_se)):
            np.testing.assert_allclose(values[0], expected["deciles"][name], atol=1e-12)
