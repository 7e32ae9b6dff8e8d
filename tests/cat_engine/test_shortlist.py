"""The quick way to the most informative item is exact."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import ItemParams, Pool, Row, Section, TestPlan, information, simulate
from cat_engine.eligibility import Restricted
from cat_engine.estimators import MaximumLikelihood
from cat_engine.exposure import Best, Randomesque
from cat_engine.irt import information_at
from cat_engine.joint import Joint
from cat_engine.people import attempt_seed
from cat_engine.shortlist import CELL_WIDTH, UNIT, shortlist, steepest_bend
from cat_engine.stop import PosteriorSD


@cache
def pool_of(n: int, seed: int, copies: int = 1) -> Pool:
    """n items of four models, each `copies` times over: ties abound."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n // copies):
        a, b = float(rng.lognormal(0.2, 0.5)), float(rng.normal(0, 1.5))
        rows += [Row("4pl", a, [b], 0.15, 0.95) if i % 3 == 0 else Row("3pl", a, [b], 0.25) if i % 3 == 1 else Row("2pl", a, [b])] * copies
    return Pool.of(tuple(map(str, range(len(rows)))), ItemParams.from_rows(rows), ("A",))


@cache
def without_ranking(pool: Pool) -> Pool:
    same = replace(pool)
    same.__dict__["ranking"] = None
    return same


def plan_of(length: int, **options: object) -> TestPlan:
    return TestPlan("t", (Section("s", "s", ("A",), length, length, 1.0),), **options)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"exposure": Randomesque(5)},
        {"eligibility": Restricted(0.3)},
        {"interim": MaximumLikelihood()},
        {"interim": MaximumLikelihood(-9.0, 9.0)},
    ],
)
@pytest.mark.parametrize(("n", "copies"), [(70, 1), (150, 3), (600, 1)])
def test_it_gives_the_items_that_scoring_everything_gives(options: dict, n: int, copies: int) -> None:
    pool = pool_of(n, n, copies)
    assert pool.ranking is not None
    true = np.random.default_rng(1).normal(0, 1.5, size=(60, 1))
    plan = plan_of(25, **options)
    quick, slow = simulate(plan, pool, true, seed=2), simulate(plan, without_ranking(pool), true, seed=2)
    np.testing.assert_array_equal(quick.step_item, slow.step_item)
    np.testing.assert_array_equal(quick.theta, slow.theta)


def test_a_bank_that_is_used_up_is_given_to_the_last_item() -> None:
    pool = pool_of(66, 3)
    plan = plan_of(66)
    quick, slow = (simulate(plan, one, np.zeros((4, 1)), seed=2) for one in (pool, without_ranking(pool)))
    np.testing.assert_array_equal(quick.step_item, slow.step_item)


def varied_pool(n: int, seed: int) -> Pool:
    """Items of six models and two to five categories on three competencies of different sizes."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        a, b = float(rng.lognormal(0.2, 0.5)), np.sort(rng.normal(0, 1.2, size=2 + i % 3)) + 0.02 * np.arange(2 + i % 3)
        scale = min(i % 5, 2)
        rows.append((Row("grm", a, b.tolist(), scale=scale), Row("gpcm", a, b.tolist(), scale=scale), Row("pcm", 1.0, b.tolist(), scale=scale),
                     Row("3pl", a, b[:1].tolist(), 0.2, scale=scale), Row("2pl", a, b[:1].tolist(), scale=scale),
                     Row("nrm", 1.0, (-b).tolist(), slopes=rng.normal(0, 1, len(b)).tolist(), scale=scale))[(i // 5) % 6])  # fmt: skip
    return Pool.of(tuple(map(str, range(n))), ItemParams.from_rows(rows), ("A", "B", "C"))


def nominal_pool(n: int, seed: int) -> Pool:
    """Nominal items of two to five categories, whose slopes may fall."""
    rng = np.random.default_rng(seed)
    rows = [
        Row("nrm", 1.0, rng.normal(0, 1.5, k).tolist(), slopes=rng.normal(0.6, 1.0, k).tolist()) for k in rng.integers(1, 5, n).tolist()
    ]
    return Pool.of(tuple(map(str, range(n))), ItemParams.from_rows(rows), ("A",))


POOL, VARIED, NOMINAL = pool_of(300, 8), varied_pool(240, 9), nominal_pool(240, 10)


@pytest.mark.parametrize("pool", [POOL, VARIED, NOMINAL], ids=["one competency", "three competencies", "nominal"])
@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-7.0, 7.0), min_size=3, max_size=3), st.lists(st.floats(0.0, 4.0), min_size=3, max_size=3),
    st.integers(0, 10_000), st.integers(1, 6), st.floats(0.01, 1.0),
)  # fmt: skip
def test_whoever_it_is_sure_of_are_the_best(pool: Pool, theta: list, variance: list, seed: int, depth: int, share: float) -> None:
    scales = len(pool.competencies)
    at, spread = np.array([theta[:scales]]), np.array([variance[:scales]])
    eligible = np.random.default_rng(seed).random((1, len(pool))) < share
    eligible[0, seed % len(pool)] = True
    found = shortlist(pool.ranking, at, spread, eligible, 0, depth)
    info = information_at(pool.params, at[0, pool.params.scale])
    score = np.where(eligible[0], np.round(info * spread[0, pool.params.scale], 12), -np.inf)
    best = np.argsort(-score, kind="stable")[: min(depth, int(eligible.sum()))]
    if found.open is None:
        listed = np.argsort(-found.score[0], kind="stable")[: len(best)]
        assert found.item[0, listed].tolist() == best.tolist()
        np.testing.assert_array_equal(found.info[0, listed], info[best])
    likely = min(theta) >= -6 and max(theta) < 6 and min(variance) > 0.01 and share > 0.5 and depth == 1
    assert found.open is None or scales > 1 or not likely


@pytest.mark.parametrize("pool", [POOL, VARIED, NOMINAL], ids=["one competency", "three competencies", "nominal"])
def test_no_item_has_more_information_in_a_cell_than_its_bound(pool: Pool) -> None:
    ranking = pool.ranking
    cells = len(ranking.order) // len(pool.competencies)
    width = ranking.order.shape[1]
    for s, (at, _) in enumerate(pool.scales):
        for cell in range(1, cells - 1, 7):
            inside = ranking.below + CELL_WIDTH * (cell + np.linspace(0, 1, 21))
            row = s * cells + cell
            assert set(ranking.cell(np.repeat(inside[1:-1, None], len(pool.competencies), axis=1))[:, s].tolist()) == {row}
            info = information(pool.params, inside).max(axis=0)
            listed = ranking.order[row, : min(width, len(at))]
            assert np.all(info[listed] * UNIT <= ranking.bound[row, : len(listed)] * (1 + 1e-9))
            left = np.setdiff1d(at, listed)
            assert np.all(info[left] * UNIT <= ranking.bound[row, width] * (1 + 1e-9))
            assert len(left) == len(at) - len(listed)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5), st.floats(0.1, 5.0), st.floats(0.01, 4.0))
def test_no_information_bends_more_than_its_bound(seed: int, steps: int, a: float, apart: float) -> None:
    b = np.sort(np.random.default_rng(seed).normal(0, apart, size=steps)) + 1e-6 * np.arange(steps)
    slopes = a * np.random.default_rng(seed + 1).uniform(-1, 1, size=steps)
    nominal = Row("nrm", 1.0, (a * b).tolist(), slopes=slopes.tolist())
    params = ItemParams.from_rows([Row("grm", a, b.tolist()), Row("gpcm", a, b.tolist()), nominal])
    h = 0.01 / a
    theta = np.arange(-12 / a, 12 / a, h)[:, None] + b.mean()
    low, here, high = (information(params, (theta + sign * h).ravel()) for sign in (-1, 0, 1))
    bends = np.abs(low - 2 * here + high) / h**2
    bound = np.concatenate([steepest_bend(family) for _, family in params.families])
    assert np.all(bends <= bound * (1 + 1e-3) + 1e-6)


@pytest.mark.parametrize("options", [{}, {"exposure": Randomesque(5)}, {"joint": Joint(0.5)}, {"eligibility": Restricted(0.3)}])
def test_several_competencies_get_the_items_that_scoring_everything_gives(options: dict) -> None:
    section = Section("s", "s", ("A", "B", "C"), 2, 12, 1.0, (PosteriorSD(0.35),))
    plan, true = TestPlan("t", (section,), **options), np.random.default_rng(1).normal(0, 1.5, size=(40, 3))
    quick, slow = (simulate(plan, pool, true, seed=2) for pool in (VARIED, without_ranking(VARIED)))
    np.testing.assert_array_equal(quick.step_item, slow.step_item)
    np.testing.assert_array_equal(quick.theta, slow.theta)


def test_a_competency_without_items_is_left_alone() -> None:
    pool = replace(VARIED, competencies=("A", "B", "C", "D"))
    plan = TestPlan("t", (Section("s", "s", ("A", "B", "C", "D"), 2, 3, 1.0),))
    result = simulate(plan, pool, np.zeros((5, 4)), seed=1)
    assert result.count.tolist() == [[3, 3, 3, 0]] * 5


def test_a_bank_of_several_competencies_is_given_to_the_last_item() -> None:
    pool = varied_pool(66, 3)
    plan = TestPlan("t", (Section("s", "s", ("A", "B", "C"), 66, 66, 1.0),))
    quick, slow = (simulate(plan, one, np.zeros((4, 3)), seed=2) for one in (pool, without_ranking(pool)))
    assert quick.length.tolist() == [66] * 4
    np.testing.assert_array_equal(quick.step_item, slow.step_item)


def test_live_and_simulator_agree_on_a_ranked_pool(sit: Callable) -> None:
    pool, plan = pool_of(200, 4), plan_of(20, exposure=Randomesque(3))
    result = simulate(plan, pool, np.random.default_rng(3).normal(size=(5, 1)), seed=4)
    for person in range(5):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, _ = sit(plan, pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()


def test_pools_that_need_no_ranking_or_cannot_be_bounded_have_none() -> None:
    assert pool_of(30, 1).ranking is None

    class Unknown:
        """A family of which no bound is known."""

    assert steepest_bend(Unknown()) is None


@pytest.mark.parametrize(("exposure", "depth"), [(Best(), 1), (Randomesque(4), 4)])
def test_an_exposure_rule_says_how_deep_it_looks(exposure: object, depth: int) -> None:
    assert exposure.depth == depth
