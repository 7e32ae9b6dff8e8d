"""Many sessions at once are each what they are alone, to the last bit."""

from dataclasses import replace

import numpy as np
import pytest

from cat_engine import Pool, TestPlan
from cat_engine.batch import AT_ONCE, Batch, scored
from cat_engine.estimators import (
    Estimator,
    ExpectedAPosteriori,
    FencedLikelihood,
    MaximumAPosteriori,
    MaximumLikelihood,
    Robust,
    WeightedLikelihood,
)
from cat_engine.joint import Joint
from cat_engine.priors import JeffreysPrior

ESTIMATORS = [
    ExpectedAPosteriori(),
    MaximumAPosteriori(),
    MaximumLikelihood(),
    MaximumLikelihood(step=0.4),
    WeightedLikelihood(),
    FencedLikelihood(),
    Robust(),
]


def answers_on(pool: Pool, people: int) -> np.ndarray:
    """Some of the items, from none to all, answered by chance."""
    rng = np.random.default_rng(people)
    categories = rng.integers(0, pool.params.n_cat, size=(people, len(pool)))
    share = np.linspace(0, 1, people)[:, None]
    return np.where(rng.random(categories.shape) < share, categories, -1)


def assert_each_is_alone(plan: TestPlan, pool: Pool, answers: np.ndarray) -> None:
    together = list(scored(plan, pool, answers))
    theta, se = (np.concatenate([getattr(batch, name) for batch in together]) for name in ("theta", "se"))
    for n, row in enumerate(answers):
        given = np.flatnonzero(row >= 0)
        alone = Batch.replay(plan, pool, given.tolist(), row[given].tolist())
        np.testing.assert_array_equal(theta[n], alone.theta[0])
        np.testing.assert_array_equal(se[n], alone.se[0])
        np.testing.assert_array_equal(together[n // AT_ONCE].count[n % AT_ONCE], alone.count[0])


@pytest.mark.parametrize("method", ESTIMATORS, ids=lambda method: type(method).__name__)
def test_people_scored_together_get_what_each_gets_alone(plan: TestPlan, mixed_pool: Pool, method: Estimator) -> None:
    assert_each_is_alone(replace(plan, interim=method), mixed_pool, answers_on(mixed_pool, 25))


def test_so_under_a_prior_that_depends_on_the_items_and_for_competencies_taken_together(plan: TestPlan, mixed_pool: Pool) -> None:
    assert_each_is_alone(replace(plan, prior=JeffreysPrior()), mixed_pool, answers_on(mixed_pool, 12))
    assert_each_is_alone(replace(plan, joint=Joint(0.6)), mixed_pool, answers_on(mixed_pool, 12))


def test_more_people_than_are_taken_at_once_and_none(plan: TestPlan, mixed_pool: Pool) -> None:
    many = np.tile(answers_on(mixed_pool, 3), (AT_ONCE, 1))[: AT_ONCE + 2]
    theta = np.concatenate([batch.theta for batch in scored(plan, mixed_pool, many)])
    np.testing.assert_array_equal(theta, np.tile(theta[:3], (AT_ONCE, 1))[: AT_ONCE + 2])
    assert list(scored(plan, mixed_pool, many[:0])) == []
