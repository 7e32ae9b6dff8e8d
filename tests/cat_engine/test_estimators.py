"""Estimators of ability: exact roots, and what an answer may do to an estimate. catR's numbers are in test_golden_ability."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import Faulty, Grid, ItemParams, NormalPrior, Pool, Row, TestPlan, estimate, load_plan, log_probabilities, simulate
from cat_engine.batch import Batch
from cat_engine.estimators import ESTIMATOR, Estimator, FencedLikelihood, MaximumAPosteriori, MaximumLikelihood, Robust, WeightedLikelihood
from cat_engine.irt import derivatives_at
from cat_engine.people import attempt_seed
from cat_engine.priors import PRIOR, Prior, UniformPrior
from cat_engine.roots import root_between


def pool_of(rows: list[Row], grid: Grid | None = None) -> Pool:
    n = len(rows)
    ids = tuple(str(i) for i in range(n))
    return Pool(ids, ItemParams.from_rows(rows), ("A",), np.ones(n, dtype=bool), np.zeros(n), grid or Grid())


def found(pool: Pool, method: Estimator, items: list[int], answers: list[int], prior: Prior | None = None) -> tuple[float, float]:
    batch = Batch.replay(TestPlan("t", (), prior or NormalPrior(), interim=method), pool, items, answers)
    return float(batch.theta[0, 0]), float(batch.se[0, 0])


ITEMS = st.lists(st.tuples(st.floats(0.3, 2.5), st.floats(-3.0, 3.0), st.floats(0.0, 0.3), st.integers(0, 1)), min_size=1, max_size=20)


@pytest.mark.parametrize("name", ["eap", "map", "mle", "mlef", "robust"])
@settings(max_examples=60, deadline=None)
@given(ITEMS)
def test_after_a_wrong_answer_theta_never_rises_and_after_a_right_one_never_falls(
    name: str, items: list[tuple[float, float, float, int]]
) -> None:
    method = ESTIMATOR.build({"name": name}, [])
    pool = pool_of([Row("3pl", a, [b], c) for a, b, c, _ in items])
    answers = [u for *_, u in items]
    n = len(items)
    after, _ = found(pool, method, list(range(n)), answers)
    if n == 1:  # before any answer a likelihood has no maximum
        before = 0.0
    else:
        before, _ = found(pool, method, list(range(n - 1)), answers[:-1])
    assert after >= before - 1e-9 if answers[-1] else after <= before + 1e-9


@pytest.mark.parametrize("name", ESTIMATOR.names)
@settings(max_examples=60, deadline=None)
@given(ITEMS, st.data())
def test_of_two_answerings_of_the_same_items_the_one_with_a_right_answer_more_never_has_the_lower_theta(
    name: str, items: list[tuple[float, float, float, int]], data: st.DataObject
) -> None:
    method = ESTIMATOR.build({"name": name}, [])
    pool, answers = pool_of([Row("3pl", a, [b], c) for a, b, c, _ in items]), [u for *_, u in items]
    at = data.draw(st.integers(0, len(items) - 1))
    wrong, right = (found(pool, method, list(range(len(items))), [*answers[:at], u, *answers[at + 1 :]])[0] for u in (0, 1))
    assert right >= wrong - 1e-9


def test_warms_estimate_may_rise_after_a_wrong_answer_since_its_correction_moves_to_the_new_item() -> None:
    rows = [Row("2pl", 0.4, [-0.5]), Row("2pl", 2.5, [2.5])]
    before, _ = found(pool_of(rows), WeightedLikelihood(), [0], [0])
    after, _ = found(pool_of(rows), WeightedLikelihood(), [0, 1], [0, 0])
    # one wrong answer to an item of slope a: l' + J / (2 I) = a (1/2 - 2 P), which is 0 where P = 1/4
    assert before == pytest.approx(-0.5 + np.log(1 / 3) / 0.4, abs=1e-6)
    assert after > before


def test_whatever_finite_step_stands_for_all_wrong_some_right_answer_leads_below_it() -> None:
    """So fixed steps cannot have what maximum likelihood itself has: its highest point after a very easy item goes as low as one likes."""
    for step in (0.4, 0.1, 0.01):
        pool = pool_of([Row("2pl", 1.0, [0.0]), Row("2pl", 1.0, [-8.0])])
        before, _ = found(pool, MaximumLikelihood(step=step), [0], [0])
        after, _ = found(pool, MaximumLikelihood(step=step), [0, 1], [0, 1])
        assert after < before == pytest.approx(-step)


def test_maximum_likelihood_is_the_highest_point_of_the_likelihood() -> None:
    rng = np.random.default_rng(4)
    fine = np.linspace(-4, 4, 8001)
    for _ in range(40):
        rows = [Row("3pl", float(rng.uniform(0.5, 2.5)), [float(rng.normal())], 0.25) for _ in range(8)]
        answers = rng.integers(0, 2, size=8).tolist()
        logp = log_probabilities(ItemParams.from_rows(rows), fine)
        highest = fine[np.argmax(sum(logp[:, i, u] for i, u in enumerate(answers)))]
        theta, _ = found(pool_of(rows), MaximumLikelihood(), list(range(8)), answers)
        assert theta == pytest.approx(highest, abs=2e-3)


def test_fences_keep_all_right_and_all_wrong_inside_and_leave_the_middle_alone() -> None:
    rows = [Row("2pl", 1.2, [-1.0 + 0.2 * i]) for i in range(11)]
    pool, items = pool_of(rows), list(range(11))
    assert 2.5 < found(pool, FencedLikelihood(), items, [1] * 11)[0] < 3.6
    assert -3.6 < found(pool, FencedLikelihood(), items, [0] * 11)[0] < -2.5
    mixed = [1, 1, 0, 1, 1, 0, 1, 0, 0, 1, 0]
    assert found(pool, FencedLikelihood(), items, mixed)[0] == pytest.approx(found(pool, MaximumLikelihood(), items, mixed)[0], abs=0.01)


@pytest.mark.parametrize("method", [Robust(), Robust("biweight", 4.0)])
def test_a_lucky_guess_on_a_hard_item_moves_a_robust_estimate_less(method: Estimator) -> None:
    rows = [Row("2pl", 1.5, [-1.5 + 0.25 * i]) for i in range(12)] + [Row("2pl", 1.5, [3.5])]
    pool, items = pool_of(rows), list(range(13))
    honest = [1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    moved = [found(pool, m, items, [*honest, 1])[0] - found(pool, m, items, [*honest, 0])[0] for m in (method, MaximumLikelihood())]
    assert 0 <= moved[0] < 0.6 * moved[1]


@pytest.mark.parametrize("name", ESTIMATOR.names)
def test_before_any_answer_an_estimate_is_the_priors_centre(name: str) -> None:
    pool = pool_of([Row("2pl", 1.0, [0.0])])
    theta, se = found(pool, ESTIMATOR.build({"name": name}, []), [], [], NormalPrior(0.5, 0.8))
    assert theta == pytest.approx(0.5, abs=1e-9)
    assert se == pytest.approx(0.8, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "prior"), [*((name, "normal") for name in ESTIMATOR.names), ("eap", "uniform"), ("eap", "jeffreys"), ("map", "jeffreys")]
)
def test_live_and_simulator_estimate_the_same_bits(sit: Callable, plan: TestPlan, mixed_pool: Pool, name: str, prior: str) -> None:
    mixed = replace(plan, interim=ESTIMATOR.build({"name": name}, []), prior=PRIOR.build({"name": prior}, []))
    result = simulate(mixed, mixed_pool, np.random.default_rng(1).normal(size=(3, 3)), seed=4)
    assert np.isfinite(result.theta).all()
    assert np.isfinite(result.se).all()
    for person in range(3):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, _ = sit(mixed, mixed_pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()
        np.testing.assert_array_equal(estimate(mixed, mixed_pool, state).theta, result.theta[person])
        np.testing.assert_array_equal(estimate(mixed, mixed_pool, state).se, result.se[person])


def test_the_final_estimator_scores_and_the_interim_one_chooses(plan: TestPlan, mixed_pool: Pool) -> None:
    true = np.random.default_rng(1).normal(size=(12, 3))
    by_mean = simulate(plan, mixed_pool, true, seed=1)
    scored = simulate(replace(plan, final=WeightedLikelihood()), mixed_pool, true, seed=1)
    np.testing.assert_array_equal(scored.step_item, by_mean.step_item)
    np.testing.assert_array_equal(scored.step_theta, by_mean.step_theta)
    assert not np.array_equal(scored.theta, by_mean.theta)


def test_derivatives_are_the_slopes_of_the_log_probabilities(mixed_pool: Pool) -> None:
    rows = [
        Row("3pl", 1.3, [0.3], 0.2),
        Row("4pl", 1.1, [-0.4], 0.1, 0.9),
        Row("grm", 1.4, [-1.0, 0.2, 1.5]),
        Row("gpcm", 0.9, [0.5, -0.3]),
    ]
    params, theta, h = ItemParams.from_rows(rows), np.linspace(-3, 3, 13)[:, None], 1e-5
    first, second = derivatives_at(params, theta)
    logp = [log_probabilities(params, (theta + k * h).ravel()) for k in (-1, 0, 1)]
    possible = np.isfinite(logp[1])
    np.testing.assert_allclose(first[possible], (logp[2][possible] - logp[0][possible]) / (2 * h), atol=1e-8)
    before, after = (derivatives_at(params, theta + k * h)[0] for k in (-1, 1))
    np.testing.assert_allclose(second[possible], (after - before)[possible] / (2 * h), atol=1e-8)


def test_many_roots_are_found_at_once_and_each_alone() -> None:
    target = np.array([0.1, 0.5, -0.7, 2.0])

    def function(x: np.ndarray, rows: np.ndarray) -> np.ndarray:
        return target[rows] - x - x**3

    low, high = np.full(4, -3.0), np.full(4, 3.0)
    root = root_between(function, low, high)
    np.testing.assert_allclose(root + root**3, target, atol=1e-12)
    alone = root_between(lambda x, rows: function(x, rows + 2), low[:1], high[:1])
    assert alone[0] == root[2]
    assert root_between(function, high, high).tolist() == high.tolist()


@pytest.mark.parametrize(
    "table",
    [
        {"name": "mle", "low": 2.0, "high": 1.0},
        {"name": "robust", "weight": "soft"},
        {"name": "robust", "tuning": 0.0},
        {"name": "mlef", "fence": 0.0},
    ],
)
def test_an_estimator_that_cannot_be_is_refused(table: dict) -> None:
    faults: list = []
    assert ESTIMATOR.build(table, faults) is None
    assert faults


def test_a_uniform_prior_of_no_width_is_refused() -> None:
    with pytest.raises(Faulty, match="not a range"):
        UniformPrior(1.0, 1.2)


def test_a_plan_names_its_estimators_and_prior(plan_text: str) -> None:
    text = plan_text.replace(
        "[exposure]", '[interim]\nname = "map"\n[final]\nname = "wle"\nlow = -5.0\n[prior]\nname = "uniform"\n[exposure]'
    )
    read = load_plan(text)
    assert (read.interim, read.final, read.prior) == (MaximumAPosteriori(), WeightedLikelihood(-5.0), UniformPrior())
    for word, wrong in (("map", "mapp"), ("wle", "wl"), ("uniform", "flat")):
        with pytest.raises(Faulty, match="not known"):
            load_plan(text.replace(f'"{word}"', f'"{wrong}"'))


@pytest.mark.parametrize(("answer", "end"), [(1, 2.0), (0, -2.0)])
def test_the_mode_under_a_uniform_prior_stays_where_the_prior_has_density(answer: int, end: float) -> None:
    pool = pool_of([Row("2pl", 1.2, [0.1 * k]) for k in range(6)])
    assert found(pool, MaximumAPosteriori(), list(range(6)), [answer] * 6, UniformPrior(-2.0, 2.0))[0] == end
    assert found(pool, MaximumAPosteriori(3.0, 5.0), list(range(6)), [answer] * 6, UniformPrior(-2.0, 2.0))[0] == end
    inside = [1, 0, 1, 0, 1, 0]
    flat = found(pool, MaximumAPosteriori(), list(range(6)), inside, UniformPrior(-2.0, 2.0))
    assert flat == pytest.approx(found(pool, MaximumLikelihood(), list(range(6)), inside), abs=1e-9)
