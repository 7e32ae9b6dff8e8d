"""The simulator: the same decisions as live tests, whoever else is simulated, and figures that add up."""

import csv
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from cat_engine import (
    Answered,
    EndSection,
    ItemParams,
    Pool,
    Present,
    Presented,
    Row,
    Section,
    SectionEnded,
    SimulationResult,
    TestPlan,
    ask,
    estimate,
    probabilities,
    simulate,
    start,
    tell,
)
from cat_engine.exposure import EXPOSURE
from cat_engine.people import attempt_seed
from cat_engine.select import SELECTION
from cat_engine.simulate import draw_category
from cat_engine.stop import AnsweringTime
from cat_engine.timing import ItemTimes

Sit = Callable[..., tuple]
N = 15  # people for each of 38 pairs of rules


def abilities(n: int, seed: int = 2) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, 3))


@pytest.fixture(scope="module")
def result(plan: TestPlan, mixed_pool: Pool) -> SimulationResult:
    return simulate(plan, mixed_pool, abilities(600), seed=11)


@pytest.mark.parametrize("exposure", EXPOSURE.names)
@pytest.mark.parametrize("select", SELECTION.names)
def test_live_and_simulator_make_identical_decisions(sit: Sit, plan: TestPlan, mixed_pool: Pool, select: str, exposure: str) -> None:
    mixed = replace(plan, select=SELECTION.build({"name": select}, []), exposure=EXPOSURE.build({"name": exposure}, []))
    result = simulate(mixed, mixed_pool, abilities(N), seed=4)
    for person in range(N):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, decisions = sit(mixed, mixed_pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()
        assert state.ended == result.reasons[person]
        found = estimate(mixed, mixed_pool, state)
        np.testing.assert_array_equal(found.theta, result.theta[person])  # the same bits, not merely close
        np.testing.assert_array_equal(found.se, result.se[person])
        np.testing.assert_array_equal(found.n, result.count[person])
        assert sum(isinstance(d, Present) for d in decisions) == mine.sum()
        assert sum(isinstance(d, EndSection) for d in decisions) == 2


def test_live_and_simulator_agree_on_nominal_items_and_find_the_abilities(sit: Sit, plan: TestPlan, nominal_pool: Pool) -> None:
    true = abilities(400)
    result = simulate(plan, nominal_pool, true, seed=4)
    for person in range(5):
        answers = result.step_category[result.step_person == person].tolist()
        state, _ = sit(plan, nominal_pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        np.testing.assert_array_equal(estimate(plan, nominal_pool, state).theta, result.theta[person])
    error = (result.theta - true) / result.se
    assert np.all(np.abs(error.std(axis=0) - 1) < 0.15), error.std(axis=0)  # 3 standard errors of an sd of 400 are .11
    assert all(np.corrcoef(result.theta[:, s], true[:, s])[0, 1] > 0.7 for s in range(3))


def test_nobodys_test_depends_on_who_else_is_simulated(plan: TestPlan, mixed_pool: Pool) -> None:
    together = simulate(plan, mixed_pool, abilities(23), seed=4)
    apart = simulate(plan, mixed_pool, abilities(23), seed=4, block=5)
    for name in ("theta", "se", "count", "step_item", "step_category", "step_theta", "exposure"):
        np.testing.assert_array_equal(getattr(together, name), getattr(apart, name))
    assert together.reasons == apart.reasons
    assert together.stops == apart.stops


def test_the_same_seed_gives_the_same_figures_and_another_gives_others(plan: TestPlan, mixed_pool: Pool) -> None:
    one, same, other = (simulate(plan, mixed_pool, abilities(20), seed=s) for s in (1, 1, 2))
    assert one.summary == same.summary
    assert one.summary != other.summary


def test_steps_people_and_items_agree(result: SimulationResult, plan: TestPlan, mixed_pool: Pool) -> None:
    assert len(result.step_item) == result.length.sum()
    np.testing.assert_array_equal(np.bincount(result.step_person, minlength=600), result.length)
    np.testing.assert_allclose(np.bincount(result.step_item, minlength=len(mixed_pool)) / 600, result.exposure)
    last = np.flatnonzero(np.diff(result.step_person, append=-1))
    own = mixed_pool.params.scale[result.step_item[last]]
    np.testing.assert_array_equal(result.step_theta[last], result.theta[np.arange(600), own])
    np.testing.assert_array_equal(result.step_se[last], result.se[np.arange(600), own])
    starts = np.concatenate([[0], last[:-1] + 1])
    assert not result.step_position[starts].any()
    pairs = result.step_person * len(mixed_pool) + result.step_item
    assert len(np.unique(pairs)) == len(pairs)
    assert np.all(result.step_category < mixed_pool.params.n_cat[result.step_item])


def test_every_competency_and_section_says_why_it_ended(result: SimulationResult, plan: TestPlan) -> None:
    target = {"A": (0.4, 7), "B": (0.4, 7), "C": (0.55, 9)}
    for person in range(600):
        for s, (se, most) in enumerate(target.values()):
            expected = "precision" if result.se[person, s] <= se else "length"
            assert result.stops[person][s] == expected
            assert expected == "precision" or result.count[person, s] == most
        graded = "precision" if set(result.stops[person][:2]) == {"precision"} else "length"
        assert result.reasons[person] == (graded, result.stops[person][2])


def test_the_summary_is_what_its_columns_give(result: SimulationResult) -> None:
    summary = asdict(result.summary)
    error = result.theta - result.true
    np.testing.assert_allclose(summary["bias"], error.mean(axis=0))
    np.testing.assert_allclose(summary["rmse"], np.sqrt((error**2).mean(axis=0)))
    assert summary["mean_length"] == result.length.mean()
    assert summary["max_exposure"] == result.exposure.max()
    assert summary["unused"] == np.mean(result.exposure == 0)


def test_overlap_is_the_share_of_items_that_two_people_have_in_common(result: SimulationResult, mixed_pool: Pool) -> None:
    seen = np.zeros((600, len(mixed_pool)))
    seen[result.step_person, result.step_item] = 1
    common = seen @ seen.T
    shared = common[np.triu_indices(600, 1)].mean() / result.length.mean()
    assert result.overlap == pytest.approx(shared, abs=0.005)


def test_abilities_come_back_as_well_as_their_standard_errors_say(result: SimulationResult) -> None:
    assert np.all(np.abs(result.bias) < 0.08)
    np.testing.assert_allclose(result.rmse, np.sqrt((result.se**2).mean(axis=0)), rtol=0.1)
    assert all(np.corrcoef(result.true[:, s], result.theta[:, s])[0, 1] > 0.8 for s in range(3))


def test_answers_follow_the_true_parameters_not_the_pools(plan: TestPlan, mixed_pool: Pool) -> None:
    rows = [
        Row(mixed_pool.params.model[i], float(mixed_pool.params.a[i]), (mixed_pool.params.steps(i) + 1.0).tolist(), float(mixed_pool.params.c[i]), scale=int(mixed_pool.params.scale[i]))
        for i in range(len(mixed_pool))
    ]  # fmt: skip
    harder = ItemParams.from_rows(rows)
    assert np.all(simulate(plan, mixed_pool, abilities(200), seed=1, truth=harder).bias < -0.4)


def test_drawn_categories_have_the_models_probabilities() -> None:
    params = ItemParams.from_rows([Row("grm", 1.2, [-0.5, 0.4, 1.0]), Row("2pl", 1.0, [0.0])])
    uniform = (np.arange(20_000) + 0.5) / 20_000
    drawn = draw_category(params, np.full(20_000, 0.3), np.zeros(20_000, dtype=int), uniform)
    np.testing.assert_allclose(np.bincount(drawn) / 20_000, probabilities(params, 0.3)[0, 0], atol=1e-4)
    edge = draw_category(params, np.array([0.3, 0.3]), np.array([1, 1]), np.array([0.0, np.nextafter(1.0, 0.0)]))
    assert edge.tolist() == [0, 1]


def test_a_bank_that_runs_out_is_reported() -> None:
    pool = Pool.of(("a", "b"), ItemParams.from_rows([Row("2pl", 1.0, [0.0])] * 2), ("A",))
    result = simulate(TestPlan("t", (Section("s", "s", ("A",), 3, 5, 10.0),)), pool, np.zeros((4, 1)), seed=1)
    assert result.reasons == (("bank",),) * 4
    assert result.stops == (("bank",),) * 4
    assert result.length.tolist() == [2] * 4


def test_a_competency_outside_the_plan_is_left_alone(plan: TestPlan, mixed_pool: Pool) -> None:
    result = simulate(replace(plan, sections=plan.sections[:1]), mixed_pool, abilities(10), seed=1)
    assert not result.count[:, 2].any()
    assert {stops[2] for stops in result.stops} == {""}


@pytest.mark.parametrize("true", [np.zeros((5, 2)), np.zeros(3), np.zeros((0, 3)), np.full((2, 3), np.nan)])
def test_abilities_that_do_not_fit_the_pool_are_refused(plan: TestPlan, mixed_pool: Pool, true: np.ndarray) -> None:
    with pytest.raises(ValueError, match="true abilities"):
        simulate(plan, mixed_pool, true, seed=1)


def test_true_items_with_other_categories_are_refused(plan: TestPlan, mixed_pool: Pool) -> None:
    with pytest.raises(ValueError, match="categories"):
        simulate(plan, mixed_pool, abilities(2), seed=1, truth=mixed_pool.params.take(np.arange(len(mixed_pool))[::-1]))


def test_real_answers_are_replayed_and_items_without_an_answer_never_given(plan: TestPlan, mixed_pool: Pool) -> None:
    rng = np.random.default_rng(8)
    real = rng.integers(0, mixed_pool.params.n_cat, size=(20, len(mixed_pool)))
    real[rng.random(real.shape) < 0.4] = -1
    heard: list[int] = []
    result = simulate(plan, mixed_pool, np.zeros((20, 3)), seed=1, answers=real, block=8, watch=heard.append)
    np.testing.assert_array_equal(real[result.step_person, result.step_item], result.step_category)
    assert heard == [8, 16, 20]


@pytest.mark.parametrize("answers", [np.zeros((2, 3), dtype=int), np.full((2, 90), 9), np.full((2, 90), -2)])
def test_answers_that_do_not_fit_are_refused(plan: TestPlan, mixed_pool: Pool, answers: np.ndarray) -> None:
    with pytest.raises(ValueError, match="answers"):
        simulate(plan, mixed_pool, abilities(2), seed=1, answers=answers)


# time

SECONDS = ItemTimes(np.full(90, 2.0), np.linspace(3.2, 4.2, 90))


def test_without_times_no_time_passes_and_with_ample_time_the_tests_are_the_same(plan: TestPlan, mixed_pool: Pool) -> None:
    without = simulate(plan, mixed_pool, abilities(40), seed=4)
    timed = simulate(plan, mixed_pool, abilities(40), seed=4, times=SECONDS, tau=np.zeros(40))
    assert without.step_seconds is None
    assert without.seconds is None
    np.testing.assert_array_equal(without.step_theta, timed.step_theta)
    assert without.reasons == timed.reasons


def test_answers_take_the_time_that_the_lognormal_model_says(plan: TestPlan, mixed_pool: Pool) -> None:
    tau = np.random.default_rng(3).normal(0, 0.3, size=400)
    leisurely = replace(plan, sections=tuple(replace(section, time_budget_min=600.0) for section in plan.sections))
    result = simulate(leisurely, mixed_pool, abilities(400), seed=4, times=SECONDS, tau=tau)
    assert result.step_seconds is not None
    assert result.seconds is not None
    z = SECONDS.alpha[result.step_item] * (np.log(result.step_seconds) - SECONDS.beta[result.step_item] + tau[result.step_person])
    assert len(z) > 5_000
    assert abs(z.mean()) < 4 / np.sqrt(len(z))  # four standard errors
    assert abs(z.std() - 1) < 4 / np.sqrt(2 * len(z))
    total = np.bincount(result.step_person, result.step_seconds)
    np.testing.assert_allclose(result.seconds.sum(axis=1), total)


def test_nobodys_times_depend_on_who_else_is_simulated(plan: TestPlan, mixed_pool: Pool) -> None:
    tau = np.linspace(-0.5, 0.5, 23)
    together = simulate(plan, mixed_pool, abilities(23), seed=4, times=SECONDS, tau=tau)
    apart = simulate(plan, mixed_pool, abilities(23), seed=4, times=SECONDS, tau=tau, block=5)
    np.testing.assert_array_equal(together.step_seconds, apart.step_seconds)


def test_the_rule_on_answering_time_makes_the_decisions_of_a_live_test(plan: TestPlan, mixed_pool: Pool) -> None:
    hurried = replace(plan, sections=tuple(replace(section, stop=(AnsweringTime(240.0), *section.stop)) for section in plan.sections))
    result = simulate(hurried, mixed_pool, abilities(N), seed=4, times=SECONDS, tau=np.zeros(N))
    assert {"time"} < {reason for found in result.reasons for reason in found}
    assert result.step_seconds is not None
    for person in range(N):
        mine = result.step_person == person
        state = start(attempt_seed(4, person))
        for item, category, seconds in zip(
            result.step_item[mine].tolist(), result.step_category[mine].tolist(), result.step_seconds[mine].tolist(), strict=True
        ):
            while isinstance(decision := ask(hurried, mixed_pool, state), EndSection):
                state = tell(state, SectionEnded(decision.reason))
            assert isinstance(decision, Present)
            assert decision.item == item
            state = tell(tell(state, Presented(item)), Answered(category, seconds))
        while isinstance(decision := ask(hurried, mixed_pool, state), EndSection):
            state = tell(state, SectionEnded(decision.reason))
        assert state.ended == result.reasons[person]


def test_a_section_ends_when_its_budget_is_spent_and_the_item_on_the_screen_does_not_count(plan: TestPlan, mixed_pool: Pool) -> None:
    short = replace(plan, sections=(replace(plan.sections[0], time_budget_min=2.0), plan.sections[1]))
    result = simulate(short, mixed_pool, abilities(200), seed=4, times=SECONDS, tau=np.full(200, -0.3))
    assert result.seconds is not None
    assert result.step_seconds is not None
    late = np.array([found[0] == "time" for found in result.reasons])
    assert late.mean() > 0.9
    assert np.all(result.seconds[late, 0] == 120.0)
    assert np.all(result.seconds[~late, 0] <= 120.0)
    first = mixed_pool.params.scale[result.step_item] < 2
    answered = np.bincount(result.step_person[first], result.step_seconds[first], minlength=200)
    assert np.all(answered <= 120.0)
    for person in np.flatnonzero(late).tolist():
        assert "time" in result.stops[person][:2]
        assert set(result.stops[person][:2]) <= {"time", "precision", "length"}
    assert np.all(result.count[:, 2] >= 5)  # the next section begins with its own budget


def test_an_item_that_the_budget_cut_short_is_never_given_again() -> None:
    pool = Pool.of(("a", "b"), ItemParams.from_rows([Row("2pl", 1.0, [0.0]), Row("2pl", 1.0, [0.5])]), ("A",))
    sections = (Section("s", "s", ("A",), 1, 2, 1.0), Section("t", "t", ("A",), 1, 2, 60.0))
    times = ItemTimes([5.0, 5.0], [np.log(600.0), np.log(10.0)])  # nobody does the first item in a minute
    result = simulate(TestPlan("t", sections), pool, np.zeros((20, 1)), seed=1, times=times, tau=np.zeros(20))
    assert set(result.step_item.tolist()) == {1}
    assert set(result.reasons) == {("time", "bank")}


@pytest.mark.parametrize(
    ("times", "tau"), [(SECONDS, None), (SECONDS, np.zeros(3)), (SECONDS.take([0, 1]), np.zeros(2)), (SECONDS, np.full(2, np.nan))]
)
def test_times_that_do_not_fit_are_refused(plan: TestPlan, mixed_pool: Pool, times: ItemTimes, tau: np.ndarray | None) -> None:
    with pytest.raises(ValueError, match=r"times|speeds"):
        simulate(plan, mixed_pool, abilities(2), seed=1, times=times, tau=tau)


@pytest.mark.parametrize(("select", "minutes", "rmse"), [("mfi", 45.7, 0.350), ("mfi_per_time", 38.0, 0.354)])
def test_forty_items_of_a_real_exam_take_the_time_that_another_program_found(
    shared: Path, select: str, minutes: float, rmse: float
) -> None:
    """170 items of a licensing exam calibrated by others, with their figures. 600 people know the mean time to .8 % (speeds of sd .173) and the RMSE
    to .010.
    """
    with (shared / "data" / "credential_form1_calibrated_2pl_lnrt.csv").open() as file:
        rows = list(csv.DictReader(file))
    params = ItemParams.from_rows([Row("2pl", float(row["a"]), [float(row["b"])]) for row in rows])
    times = ItemTimes([float(row["alpha"]) for row in rows], [float(row["beta"]) for row in rows])
    pool = replace(Pool.of(tuple(row["item"] for row in rows), params, ("A",)), seconds=np.exp(times.beta + 0.5 / times.alpha**2))
    plan = TestPlan("exam", (Section("s", "s", ("A",), 40, 40, 600.0),), select=SELECTION.build({"name": select}, []))
    rng = np.random.default_rng(60)
    result = simulate(plan, pool, rng.normal(size=(600, 1)), 1, times=times, tau=rng.normal(0.0, 0.173, 600))
    assert result.seconds is not None
    assert result.seconds.sum(axis=1).mean() / 60 == pytest.approx(minutes, rel=0.025)
    assert result.rmse[0] == pytest.approx(rmse, abs=0.03)
