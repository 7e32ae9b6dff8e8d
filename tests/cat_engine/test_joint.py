"""Correlated competencies taken together."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from cat_engine import Faulty, ItemParams, Pool, Row, Section, TestPlan, dump_plan, estimate, load_plan, log_probabilities, simulate
from cat_engine.batch import Batch
from cat_engine.estimators import MaximumAPosteriori
from cat_engine.irt import derivatives_at
from cat_engine.joint import Joint
from cat_engine.people import attempt_seed
from cat_engine.randomness import Draws
from cat_engine.select import SELECTION, Moment
from cat_engine.select.plain import MaximumInformation
from cat_engine.stop import PosteriorSD
from cat_engine.stop.base import Standing
from cat_engine.stop.precision import PredictedReduction
from cat_engine.timing import ItemTimes

MATRIX = ((1.0, 0.7, 0.3), (0.7, 1.0, 0.5), (0.3, 0.5, 1.0))
NAMES = ("A", "B", "C")


def pool_of(n: int = 30, seed: int = 1) -> Pool:
    rng = np.random.default_rng(seed)
    rows = [Row("2pl", float(rng.uniform(0.8, 2.0)), [float(rng.normal())], scale=i % 3) for i in range(n)]
    return Pool.of(tuple(f"i{i}" for i in range(n)), ItemParams.from_rows(rows), NAMES)


def plan_of(joint: Joint | None, low: int = 2, high: int = 8, se: float = 0.0) -> TestPlan:
    return TestPlan("t", (Section("s", "s", NAMES, low, high, 10.0, (PosteriorSD(se),) if se else ()),), joint=joint)


def moment_of(batch: Batch) -> Moment:
    return Moment(batch, np.zeros(1, dtype=int), batch.free, np.zeros(1, dtype=int), 8, Draws((1,), (0,)))


def test_the_mode_maximises_the_posterior_and_sigma_is_its_curvature() -> None:
    pool = pool_of()
    items, answers = list(range(12)), [1, 0, 1, 1, 1, 0, 1, 0, 0, 1, 1, 0]
    batch = Batch.replay(plan_of(Joint(matrix=MATRIX)), pool, items, answers)
    precision = np.linalg.inv(np.array(MATRIX))

    def loss(theta: np.ndarray) -> float:
        logp = [log_probabilities(pool.params, theta[s])[0] for s in range(3)]
        return float(0.5 * theta @ precision @ theta - sum(logp[i % 3][i, k] for i, k in zip(items, answers, strict=True)))

    found = minimize(loss, np.zeros(3), method="BFGS", options={"gtol": 1e-8})
    np.testing.assert_allclose(batch.theta[0], found.x, atol=1e-6)
    h, eye = 1e-4, np.eye(3) * 1e-4
    hessian = [
        [(loss(found.x + a + b) - loss(found.x + a - b) - loss(found.x - a + b) + loss(found.x - a - b)) / (4 * h * h) for b in eye]
        for a in eye
    ]
    np.testing.assert_allclose(batch.covariance()[0], np.linalg.inv(hessian), atol=1e-5)  # 2PL: observed = expected information


def varied_pool() -> Pool:
    rng = np.random.default_rng(6)
    rows = []
    for i in range(45):
        a, b, scale = float(rng.lognormal(0.2, 0.5)), np.sort(rng.normal(0, 1.3, size=3)).tolist(), i % 3
        rows.append((Row("3pl", a, b[:1], 0.25, scale=scale), Row("grm", a, b, scale=scale), Row("gpcm", a, b, scale=scale))[(i // 3) % 3])
    return Pool.of(tuple(f"i{i}" for i in range(45)), ItemParams.from_rows(rows), NAMES)


VARIED = varied_pool()


@settings(max_examples=100, deadline=None)
@given(st.permutations(range(45)), st.integers(0, 45), st.integers(0, 10_000), st.floats(0.0, 0.95), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_posterior_is_level_and_concave_at_the_mode(order: list[int], n: int, seed: int, rho: float, extreme: float) -> None:
    items, rng = order[:n], np.random.default_rng(seed)
    n_cat = VARIED.params.n_cat[items]
    answers = np.where(rng.random(n) < extreme, (n_cat - 1) * (seed % 2), rng.integers(0, n_cat)) if n else np.zeros(0, dtype=int)
    plan = plan_of(Joint(rho))
    batch = Batch.replay(plan, VARIED, items, answers.tolist())
    precision = plan.prior_precision(NAMES)
    first, second = derivatives_at(VARIED.params, batch.theta[0, VARIED.params.scale])
    gradient, curvature = -precision @ batch.theta[0], precision.copy()
    for i, k in zip(items, answers, strict=True):
        gradient[i % 3] += first[i, k]
        curvature[i % 3, i % 3] -= second[i, k]
    assert np.abs(np.linalg.solve(curvature, gradient)).max() < 1e-10  # a further step of Newton's method moves nothing
    assert np.linalg.eigvalsh(curvature)[0] > 0


def test_without_correlation_each_competency_is_its_own_posterior_mode() -> None:
    pool = pool_of()
    batch = Batch.replay(plan_of(Joint(0.0)), pool, [0, 1, 3], [1, 0, 1])
    alone = Batch.replay(replace(plan_of(None), interim=load_plan(_text("map")).interim), pool, [0, 1, 3], [1, 0, 1])
    np.testing.assert_allclose(batch.theta, alone.theta, atol=1e-9)
    np.testing.assert_allclose(batch.se, alone.se, atol=1e-9)


def _text(interim: str) -> str:
    return f'name = "x"\n[interim]\nname = "{interim}"\n[[sections]]\ncode = "s"\ncompetencies = ["A"]\nmin_items = 1\nmax_items = 2\ntime_budget_min = 1\n'


def test_an_answer_on_one_competency_moves_the_others_by_their_correlation() -> None:
    batch = Batch.replay(plan_of(Joint(matrix=MATRIX)), pool_of(), [0], [1])
    theta = batch.theta[0]
    assert theta[0] > 0
    np.testing.assert_allclose(theta / theta[0], MATRIX[0], atol=1e-9)  # the prior's regression on A
    assert batch.se[0, 0] < batch.se[0, 1] < batch.se[0, 2] < 1


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 1), min_size=1, max_size=12), st.floats(0.05, 0.9))
def test_the_closed_form_is_the_fall_of_the_determinant(answers: list[int], rho: float) -> None:
    pool = pool_of()
    batch = Batch.replay(plan_of(Joint(rho)), pool, range(len(answers)), answers)
    sigma, info = batch.covariance()[0], batch.info[0]
    d_rule = MaximumInformation().score(moment_of(batch))[0]
    for i in range(15, 21):
        more = np.linalg.inv(sigma)
        more[i % 3, i % 3] += info[i]
        after = np.linalg.inv(more)
        assert np.linalg.det(sigma) / np.linalg.det(after) == pytest.approx(1 + d_rule[i], rel=1e-9)


@pytest.fixture(scope="module")
def leaning() -> tuple[Batch, np.ndarray]:
    """Ten answers on A and none on B, which correlate .85; and by how much an answer to each item lowers the posterior variance of its own competency,
    [I]: by integration over both abilities at once.
    """
    places = np.linspace(-2, 2, 15)
    pool = Pool.of(
        tuple(map(str, range(30))), ItemParams.from_rows([Row("2pl", 1.5, [b], scale=s) for s in (0, 1) for b in places]), NAMES[:2]
    )
    plan = TestPlan("t", (Section("s", "s", NAMES[:2], 1, 14, 10.0),), joint=Joint(0.85))
    items, answers = [0, 3, 5, 7, 9, 11, 13, 6, 8, 12], [1, 1, 1, 1, 0, 1, 0, 1, 1, 0]
    grid = np.linspace(-5, 5, 101)
    both = np.stack(np.meshgrid(grid, grid, indexing="ij"))
    right = 1 / (1 + np.exp(-1.5 * (both[[0] * 15 + [1] * 15] - np.tile(places, 2)[:, None, None])))
    density = np.exp(-0.5 * np.einsum("iab,ij,jab->ab", both, np.linalg.inv([[1, 0.85], [0.85, 1]]), both))
    for item, answer in zip(items, answers, strict=True):
        density *= right[item] if answer else 1 - right[item]

    def variance(mass: np.ndarray) -> np.ndarray:
        mean = (mass * both).sum(axis=(1, 2)) / mass.sum()
        return np.asarray((mass * (both - mean[:, None, None]) ** 2).sum(axis=(1, 2)) / mass.sum())

    now = variance(density)
    after = [sum((density * p).sum() / density.sum() * variance(density * p) for p in (right[i], 1 - right[i])) for i in range(30)]
    return Batch.replay(plan, pool, items, answers), np.array([now[i // 15] - after[i][i // 15] for i in range(30)])


def test_expected_variance_counts_what_a_competency_has_borrowed(leaning: tuple[Batch, np.ndarray]) -> None:
    batch, exact = leaning
    gain = SELECTION.build({"name": "mepv"}, []).score(moment_of(batch))[0]
    np.testing.assert_allclose(gain, exact, atol=0.004)  # the posterior taken as normal
    assert np.argmax(gain) == np.argmax(exact) == 24


@pytest.mark.parametrize("rule", ["mpwi", "klp", "gdip", "mei"])
def test_rules_that_weigh_by_the_posterior_look_where_the_borrowed_ability_is(leaning: tuple[Batch, np.ndarray], rule: str) -> None:
    batch, _ = leaning
    score = SELECTION.build({"name": rule}, []).score(moment_of(batch))[0, 15:]
    assert np.linspace(-2, 2, 15)[np.argmax(score)] == pytest.approx(batch.theta[0, 1], abs=0.15)  # .66, and not its own 0


def test_expected_information_asks_no_interim_estimator_where_the_posterior_is_joint(leaning: tuple[Batch, np.ndarray]) -> None:
    batch, _ = leaning
    rule = SELECTION.build({"name": "mei"}, [])
    other = Batch.replay(
        replace(batch.plan, interim=MaximumAPosteriori()), batch.pool, batch.items[0].tolist(), batch.categories[0].tolist()
    )
    np.testing.assert_array_equal(rule.score(moment_of(other)), rule.score(moment_of(batch)))


def test_going_on_pays_by_what_the_joint_posterior_says(leaning: tuple[Batch, np.ndarray]) -> None:
    batch, exact = leaning
    variance = batch.se[0, 1] ** 2
    pays = float(batch.se[0, 1] - np.sqrt(variance - exact[24]))  # .059
    standing = Standing(batch, np.zeros(1, dtype=int), np.arange(2), batch.free, np.zeros(1))
    for hypo, over in ((pays - 0.005, False), (pays + 0.005, True)):
        assert PredictedReduction(0.3, hypo=hypo).reached(standing)[0, 1] == over


def test_the_estimate_gives_scores_with_and_without_borrowing_and_the_se_of_differences(sit: Callable) -> None:
    pool, plan = pool_of(), plan_of(Joint(0.8), 2, 5)
    state, _ = sit(plan, pool, 1, lambda position, _: position % 2)
    found, apart = estimate(plan, pool, state), estimate(plan_of(None, 2, 5), pool, state)
    np.testing.assert_array_equal(found.own_theta, apart.theta)
    np.testing.assert_array_equal(found.own_se, apart.se)
    assert np.all(found.se < found.own_se)
    expected = np.sqrt(found.covariance[0, 0] + found.covariance[1, 1] - 2 * found.covariance[0, 1])
    assert found.difference_se(0, 1) == pytest.approx(expected)
    np.testing.assert_allclose(found.posterior.sum(axis=1), 1.0)
    np.testing.assert_allclose(found.posterior @ pool.nodes, found.theta, atol=1e-6)
    assert apart.difference_se(0, 1) == pytest.approx(np.hypot(apart.se[0], apart.se[1]))


def test_live_and_simulator_take_competencies_together_with_the_same_bits(sit: Callable, plan: TestPlan, mixed_pool: Pool) -> None:
    mixed = replace(plan, joint=Joint(0.6))
    result = simulate(mixed, mixed_pool, np.random.default_rng(1).normal(size=(6, 3)), seed=4)
    for person in range(6):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, _ = sit(mixed, mixed_pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()
        np.testing.assert_array_equal(estimate(mixed, mixed_pool, state).theta, result.theta[person])


@pytest.mark.parametrize("people", [1, 4])
def test_a_simulation_goes_on_where_time_is_up_for_everybody_at_once(people: int) -> None:
    """Each item takes much longer than the ten minutes of the section: the first is on the screen of all when it ends, and nobody answered."""
    times = ItemTimes(np.full(30, 5.0), np.full(30, np.log(3_000.0)))
    result = simulate(plan_of(Joint(0.6)), pool_of(), np.zeros((people, 3)), seed=1, times=times, tau=np.zeros(people))
    assert result.reasons == (("time",),) * people
    assert result.count.sum() == 0
    np.testing.assert_allclose(result.theta, 0.0, atol=1e-12)  # the prior's mean, to rounding


def test_every_competency_gets_its_minimum_however_much_it_could_borrow() -> None:
    plan = plan_of(Joint(0.95), 3, 8, se=0.6)
    result = simulate(plan, pool_of(), np.zeros((20, 3)), seed=1)
    assert result.count.min() >= 3


def test_correlations_shorten_the_test_at_the_same_precision() -> None:
    rng = np.random.default_rng(3)
    true = np.sqrt(0.7) * rng.normal(size=(120, 1)) + np.sqrt(0.3) * rng.normal(size=(120, 3))
    pool = pool_of(90)
    apart, together = (simulate(plan_of(Joint(rho), 1, 30, se=0.5), pool, true, seed=2) for rho in (0.0, 0.7))
    assert together.length.mean() < 0.85 * apart.length.mean()
    assert together.rmse.mean() < 0.55


@pytest.mark.parametrize(
    ("table", "field"),
    [
        ("correlation = 1.0", "correlation"),
        ("correlation = -0.1", "correlation"),
        ("", "correlation"),
        ("rho = 0.5", "rho"),
        ("matrix = [[1.0, 0.5], [0.5, 1.0]]", "matrix"),
        ("matrix = [[1.0, 0.9, 0.0], [0.9, 1.0, 0.9], [0.0, 0.9, 1.0]]", "matrix"),
        ("matrix = [[1.0, 0.5, 0.1], [0.4, 1.0, 0.1], [0.1, 0.1, 1.0]]", "matrix"),
        ("matrix = [1, 2, 3]", "matrix"),
        ("correlation = 0.5\nmatrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]", "matrix"),
        ('correlation = 0.5\n[prior]\nname = "jeffreys"', ""),
    ],
)
def test_correlations_that_cannot_be_are_named(plan_text: str, table: str, field: str) -> None:
    with pytest.raises(Faulty) as refused:
        load_plan(plan_text.replace("[exposure]", f"[joint]\n{table}\n[exposure]"))
    assert field in [fault.field for fault in refused.value.faults if fault.where == "joint"]


def test_a_joint_plan_survives_being_written_and_read(plan_text: str) -> None:
    for table in ("correlation = 0.6", f"matrix = {[list(row) for row in MATRIX]}"):
        plan = load_plan(plan_text.replace("[exposure]", f"[joint]\n{table}\n[exposure]"))
        assert load_plan(dump_plan(plan)) == plan
        assert load_plan(dump_plan(plan)).digest == plan.digest


SAVINGS = {
    (0.447, 0.3): (79, 72),
    (0.447, 0.5): (78, 61),
    (0.447, 0.6): (78, 52),
    (0.447, 0.7): (78, 41),
    (0.387, 0.5): (129, 105),
    (0.387, 0.6): (129, 93),
}


@pytest.mark.slow
@pytest.mark.parametrize(("target", "rho"), SAVINGS)
def test_savings_by_correlation_come_out_as_known(target: float, rho: float) -> None:
    rng = np.random.default_rng(17)
    names = tuple("ABCDEFGHI")
    rows = [Row("2pl", float(np.exp(rng.normal(np.log(1.3), 0.25))), [float(rng.normal(0, 1.2))], scale=i % 9) for i in range(360)]
    pool = Pool.of(tuple(map(str, range(360))), ItemParams.from_rows(rows), names)
    true = np.sqrt(rho) * rng.normal(size=(200, 1)) + np.sqrt(1 - rho) * rng.normal(size=(200, 9))
    section = Section("s", "s", names, 0, 40, 60.0, (PosteriorSD(target),))
    lengths = [simulate(TestPlan("t", (section,), joint=Joint(r)), pool, true, seed=5).length.mean() for r in (0.0, rho)]
    assert lengths[0] == pytest.approx(SAVINGS[target, rho][0], rel=0.08)
    assert lengths[1] == pytest.approx(SAVINGS[target, rho][1], rel=0.08)
    apart, together = SAVINGS[target, rho]
    assert lengths[1] / lengths[0] == pytest.approx(
        together / apart, abs=0.03
    )  # the saving itself, at rho .3 as small as the tolerance above
