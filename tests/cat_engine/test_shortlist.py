"""The quick way to the most informative item is exact."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import ItemParams, Pool, Row, Section, TestPlan, information, simulate
from cat_engine.eligibility import Restricted
from cat_engine.estimators import MaximumLikelihood
from cat_engine.exposure import Best, Randomesque
from cat_engine.shortlist import CELL_WIDTH, shortlist
from cat_engine.simulate import attempt_seed


def pool_of(n: int, seed: int, copies: int = 1) -> Pool:
    """n items of four models, each `copies` times over: ties abound."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n // copies):
        a, b = float(rng.lognormal(0.2, 0.5)), float(rng.normal(0, 1.5))
        rows += [Row("4pl", a, [b], 0.15, 0.95) if i % 3 == 0 else Row("3pl", a, [b], 0.25) if i % 3 == 1 else Row("2pl", a, [b])] * copies
    return Pool.of(tuple(map(str, range(len(rows)))), ItemParams.from_rows(rows), ("A",))


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


@settings(max_examples=60, deadline=None)
@given(st.floats(-7.0, 7.0), st.integers(0, 10_000), st.integers(1, 6), st.floats(0.02, 1.0))
def test_whoever_it_is_sure_of_are_the_best(theta: float, seed: int, depth: int, share: float) -> None:
    pool = POOL
    eligible = np.random.default_rng(seed).random((1, len(pool))) < share
    eligible[0, seed % len(pool)] = True
    found = shortlist(pool.ranking, np.array([theta]), np.array([0.3]), eligible, 0, depth)
    score = np.where(eligible[0], np.round(information(pool.params, theta)[0] * 0.3, 12), -np.inf)
    best = np.argsort(-score, kind="stable")[: min(depth, int(eligible.sum()))]
    if found.sure[0]:
        listed = np.argsort(-found.score[0], kind="stable")[: len(best)]
        assert found.item[0, listed].tolist() == best.tolist()
    assert found.sure[0] or not -6 <= theta < 6 or share < 0.5 or depth > 1


POOL = pool_of(300, 8)


def test_no_item_has_more_information_in_a_cell_than_its_bound() -> None:
    ranking = POOL.ranking
    for cell in range(1, len(ranking.order) - 1, 7):
        inside = ranking.low + CELL_WIDTH * (cell - 1 + np.linspace(0, 1, 21))
        assert set(ranking.cell(inside[1:-1]).tolist()) == {cell}
        info = information(POOL.params, inside).max(axis=0)
        width = ranking.order.shape[1]
        assert np.all(info[ranking.order[cell]] <= ranking.bound[cell, :width] * (1 + 1e-9))
        left = np.setdiff1d(np.arange(len(POOL)), ranking.order[cell])
        assert np.all(info[left] <= ranking.bound[cell, width] * (1 + 1e-9))


def test_live_and_simulator_agree_on_a_ranked_pool(sit: Callable) -> None:
    pool, plan = pool_of(200, 4), plan_of(20, exposure=Randomesque(3))
    result = simulate(plan, pool, np.random.default_rng(3).normal(size=(5, 1)), seed=4)
    for person in range(5):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, _ = sit(plan, pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()


def test_pools_that_cannot_be_ranked_are_not(mixed_pool: Pool) -> None:
    assert mixed_pool.ranking is None
    assert pool_of(30, 1).ranking is None
    graded = Pool.of(tuple(map(str, range(80))), ItemParams.from_rows([Row("grm", 1.0, [-1.0, 1.0])] * 80), ("A",))
    assert graded.ranking is None


@pytest.mark.parametrize(("exposure", "depth"), [(Best(), 1), (Randomesque(4), 4)])
def test_an_exposure_rule_says_how_deep_it_looks(exposure: object, depth: int) -> None:
    assert exposure.depth == depth
