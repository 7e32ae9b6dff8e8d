"""The contract of every registered strategy, and what each does."""

import pkgutil
from dataclasses import FrozenInstanceError, dataclass, fields, is_dataclass
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cat_engine
from cat_engine import Faulty, Pool, TestPlan
from cat_engine.batch import Batch
from cat_engine.beginning import START
from cat_engine.content import CONTENT
from cat_engine.eligibility import ELIGIBILITY
from cat_engine.estimators import ESTIMATOR
from cat_engine.exposure import EXPOSURE, Best, Randomesque
from cat_engine.priors import PRIOR
from cat_engine.randomness import Draws, generator
from cat_engine.registry import Registry
from cat_engine.select import SELECTION, MaximumInformation, Moment
from cat_engine.stop import STOP


def draws(n: int, seed: int = 3) -> Draws:
    return Draws(tuple(range(seed, seed + n)), tuple(range(n)))


def moment(pool: Pool, plan: TestPlan, n: int = 4, only: int | None = None) -> Moment:
    """n sessions after 0, 2, 4 ... answers each (or one of them alone)."""
    batch = Batch.begin(plan, pool, n)
    rng = np.random.default_rng(0)
    for t in range(2 * n):
        rows = np.arange(t // 2 + 1, n)
        items = np.array([rng.choice(np.flatnonzero(batch.free[r])) for r in range(n)])[rows]
        answers = rng.integers(0, pool.params.n_cat[items])
        if rows.size:
            batch.answer(rows, items, answers)
    rows = np.arange(n) if only is None else np.array([only])
    return Moment(batch, rows, batch.free[rows], batch.count[rows].sum(axis=1), 7, Draws(tuple((3 + rows).tolist()), tuple(rows.tolist())))


NEEDED = {
    "balanced": {"attribute": "A", "targets": {"x": 1.0}},
    "pser": {"se": 0.4},
    "classify_ci": {"cuts": [0.0]},
    "sprt": {"cuts": [0.0]},
    "glr": {"cuts": [0.0]},
}
REGISTERED = [
    (registry, name) for registry in (SELECTION, EXPOSURE, STOP, ESTIMATOR, PRIOR, START, ELIGIBILITY, CONTENT) for name in registry.names
]


def test_every_registry_of_the_engine_is_in_the_suite() -> None:
    modules = [import_module(found.name) for found in pkgutil.walk_packages(cat_engine.__path__, "cat_engine.")]
    there = {id(value) for module in modules for value in vars(module).values() if isinstance(value, Registry)}
    assert there == {id(registry) for registry, _ in REGISTERED}


@pytest.mark.parametrize(("registry", "name"), REGISTERED, ids=[f"{r.sort}-{n}" for r, n in REGISTERED])
def test_a_strategy_is_a_documented_frozen_dataclass_that_its_table_rebuilds(registry: Registry, name: str) -> None:
    faults: list = []
    made = registry.build({"name": name, **(NEEDED.get(name, {"at_most": 0.5}) if registry is STOP else NEEDED.get(name, {}))}, faults)
    assert not faults
    assert is_dataclass(made)
    assert type(made).__doc__
    assert not type(made).__doc__.startswith(f"{type(made).__name__}(")  # the docstring that dataclass makes up
    assert registry.build(registry.table_of(made), faults) == made
    for field in fields(made):
        with pytest.raises(FrozenInstanceError):
            setattr(made, field.name, 1)


@pytest.mark.parametrize("kind", ["mixed_pool", "nominal_pool"])
@pytest.mark.parametrize("name", SELECTION.names)
def test_a_selection_rule_scores_every_item_finitely_and_each_session_on_its_own(
    name: str, kind: str, plan: TestPlan, request: pytest.FixtureRequest
) -> None:
    pool: Pool = request.getfixturevalue(kind)
    rule = SELECTION.build({"name": name}, [])
    assert rule is not None
    now = moment(pool, plan)
    score = rule.score(now)
    assert score.shape == (4, len(pool))
    assert np.isfinite(score).all()
    assert np.isfinite(rule.unit(now)).all()
    for n in range(4):
        np.testing.assert_array_equal(rule.score(moment(pool, plan, only=n))[0], score[n])


@pytest.mark.parametrize("name", ESTIMATOR.names)
def test_an_estimator_gives_a_finite_ability_from_answers_to_nominal_items(name: str, nominal_pool: Pool, plan: TestPlan) -> None:
    method = ESTIMATOR.build({"name": name}, [])
    assert method is not None
    batch = moment(nominal_pool, plan).batch
    for s in range(3):
        theta, se = method.estimate(batch.given(np.arange(4), s))
        assert np.isfinite([theta, se]).all()
        assert np.all(se > 0)


@pytest.mark.parametrize("name", EXPOSURE.names)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 12))
def test_an_exposure_rule_gives_an_eligible_item_and_each_session_its_own(name: str, seed: int, n: int, items: int) -> None:
    rule = EXPOSURE.build({"name": name}, [])
    assert rule is not None
    rng = np.random.default_rng(seed)
    score = np.round(rng.normal(size=(n, items)), 1)
    score[rng.random((n, items)) < 0.5] = -np.inf
    score[np.arange(n), rng.integers(items, size=n)] = 0.0
    before = score.copy()
    item = rule.choose(score, draws(n))
    np.testing.assert_array_equal(score, before)
    assert np.isfinite(score[np.arange(n), item]).all()
    for i in range(n):
        assert rule.choose(score[[i]], Draws((3 + i,), (i,)))[0] == item[i]


def test_maximum_information_is_information_times_the_variance_of_the_items_own_competency(mixed_pool: Pool, plan: TestPlan) -> None:
    now = moment(mixed_pool, plan)
    score = MaximumInformation().score(now)
    for i in (0, 1, 2, 50):
        scale = mixed_pool.params.scale[i]
        np.testing.assert_allclose(score[:, i], now.info[:, i] * now.se[:, scale] ** 2)


def test_the_best_item_is_the_lowest_index_of_the_best() -> None:
    assert Best().choose(np.array([[1.0, 3.0, 3.0], [2.0, -np.inf, 2.0]]), draws(2)).tolist() == [1, 0]


@given(st.integers(0, 10_000), st.integers(1, 6))
def test_randomesque_picks_uniformly_among_the_k_best_with_ties_to_the_lowest_index(seed: int, k: int) -> None:
    score = np.round(np.random.default_rng(seed).normal(size=(1, 15)), 1)
    score[0, 3:6] = -np.inf
    best = np.argsort(-score[0], kind="stable")[:k]
    expected = best[generator(3, 0).integers(k)]
    assert Randomesque(k).choose(score, draws(1))[0] == expected


def test_randomesque_is_content_with_fewer_than_k_items() -> None:
    score = np.full((50, 6), -np.inf)
    score[:, 2], score[:, 4] = 1.0, 0.5
    assert set(Randomesque(5).choose(score, draws(50)).tolist()) == {2, 4}


def test_randomesque_of_none_is_refused() -> None:
    with pytest.raises(Faulty, match="less than 1"):
        Randomesque(0)


def test_randomness_is_addressed_by_seed_and_position() -> None:
    np.testing.assert_array_equal(draws(3).uniform(4)[1], draws(3).uniform(4)[1])
    np.testing.assert_array_equal(draws(3).uniform(4)[1], Draws((4,), (1,)).uniform(4)[0])
    assert not np.array_equal(Draws((4,), (1,)).uniform(4), Draws((4,), (2,)).uniform(4))
    assert not np.array_equal(Draws((4,), (1,)).uniform(4), Draws((5,), (1,)).uniform(4))
    assert len(draws(3)) == 3


def test_a_name_is_registered_once_and_for_dataclasses_only() -> None:
    registry: Registry[object] = Registry("thing")

    @registry.register("one")
    @dataclass(frozen=True)
    class One:
        """A thing."""

    class NotADataclass:
        """Another."""

    for name, cls in (("one", One), ("two", NotADataclass)):
        with pytest.raises(TypeError):
            registry.register(name)(cls)
    with pytest.raises(TypeError):
        registry.table_of(NotADataclass())
    assert registry.names == ("one",)
