"""Correlations of competencies: from routed answers, near the truth within their standard errors."""

from collections.abc import Callable

import numpy as np
import pytest

from calibration.correlations import FEWEST_PEOPLE, Correlations, correlations
from calibration.responses import ResponseLog
from cat_engine import Faulty, ItemParams, Row, load_plan, probabilities, simulate
from cat_engine.irt import Floats
from itembank.bank import Bank, pool_of

MEANS, SDS = np.array([0.2, 0.0, -0.1]), np.array([1.0, 1.2, 0.8])
TRUE = np.array([[1, 0.6, 0.3], [0.6, 1, 0.8], [0.3, 0.8, 1]])
SECTION = """
[[sections]]
code = "{0}"
title = "{0}"
competencies = ["{0}"]
min_items = 8
max_items = 8
time_budget_min = 60
"""


def rows_of(n: int, n_competencies: int, seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [
        Row("grm", float(rng.lognormal(0.1, 0.2)), sorted(rng.normal(0, 1.2, 3).tolist()), scale=s)
        for s in range(n_competencies)
        for _ in range(n)
    ]


def log_of(bank: Bank, person: Floats, item: Floats, category: Floats, n: int) -> ResponseLog:
    unknown = -np.ones(len(person), dtype=np.int64)
    return ResponseLog(tuple(f"p{k}" for k in range(n)), bank.ids, person, item, category, unknown, unknown, 0 * unknown)


@pytest.fixture(scope="module")
def found(bank_of: Callable[..., Bank]) -> Correlations:
    """Eight routed items a competency, 2,000 people, on three competencies of known correlation, mean and sd."""
    bank = bank_of(rows_of(24, 3, 1), None, tuple("ABC"))
    theta = np.random.default_rng(2).multivariate_normal(MEANS, TRUE * np.outer(SDS, SDS), 2000)
    result = simulate(load_plan('name = "x"\n' + "".join(map(SECTION.format, "ABC"))), pool_of(bank, "ABC"), theta, seed=3)
    return correlations(log_of(bank, result.step_person, result.step_item, result.step_category, 2000), bank)


def test_true_correlations_lie_within_three_standard_errors(found: Correlations) -> None:
    low = np.tril_indices(3, -1)
    z = (found.matrix - TRUE)[low] / found.se[low]
    assert np.all(np.abs(z) < 3)
    assert np.all(found.se[low] < 0.04)
    assert np.all(found.n == 2000)


def test_means_and_sds_are_those_of_the_people(found: Correlations) -> None:
    np.testing.assert_allclose(found.means, MEANS, atol=0.1)  # 3 SE of a mean at N = 2,000 and eight items
    np.testing.assert_allclose(found.sds, SDS, atol=0.1)


def test_the_matrix_is_symmetric_with_ones_and_a_definite_one_is_left_alone(found: Correlations) -> None:
    np.testing.assert_array_equal(found.matrix, found.matrix.T)
    np.testing.assert_array_equal(np.diag(found.matrix), 1)
    assert found.definite is found.matrix


def test_an_indefinite_matrix_is_raised_to_the_nearest_a_plan_may_use() -> None:
    impossible = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    raised = Correlations(tuple("ABC"), MEANS, SDS, impossible, np.zeros((3, 3)), np.full((3, 3), 99)).definite
    assert raised is not None
    assert np.linalg.eigvalsh(raised)[0] > 0
    np.testing.assert_allclose(np.diag(raised), 1)
    assert np.all(np.sign(raised) == np.sign(impossible))


def test_a_pair_that_few_answered_has_no_number(bank_of: Callable[..., Bank]) -> None:
    bank = bank_of(rows_of(6, 2, 4), None, ("A", "B"))
    theta = np.random.default_rng(5).normal(size=60)
    p = probabilities(ItemParams.from_rows([bank.row(i)._replace(scale=0) for i in range(12)]), theta)
    category = (np.random.default_rng(6).random(p.shape[:2])[:, :, None] > p.cumsum(axis=2)).sum(axis=2)
    person, item = np.nonzero(np.ones((60, 12), dtype=bool))
    asked = (item < 6) | (person < FEWEST_PEOPLE - 1)
    found = correlations(log_of(bank, person[asked], item[asked], category[person[asked], item[asked]], 60), bank)
    assert found.n[0, 1] == FEWEST_PEOPLE - 1
    assert np.isnan(found.matrix[0, 1])
    assert np.isnan(found.se[0, 1])
    assert found.definite is None


@pytest.mark.parametrize(
    ("item", "category"),
    [
        ([0, 1, 2, 3, 4, 5], [3, 3, 3, 0, 0, 0]),  # one competency all right, the other all wrong: once a singular matrix
        ([0, 1, 2, 3, 4, 5], [3, 3, 3, -1, -1, -1]),  # one all right: once -.98 & an error of hundreds
        ([0, 3], [-1, -1]),  # an item each: of sd and correlation nothing can be told
    ],
)
def test_a_pair_of_which_the_answers_tell_nothing_has_no_number(bank_of: Callable[..., Bank], item: list[int], category: list[int]) -> None:
    bank = bank_of(rows_of(3, 2, 4), None, ("A", "B"))
    answers = np.random.default_rng(7).integers(0, 4, (40, len(item)))
    answers[:, np.array(category) >= 0] = np.array([k for k in category if k >= 0])
    person = np.repeat(np.arange(40), len(item))
    found = correlations(log_of(bank, person, np.tile(item, 40), answers.ravel(), 40), bank)
    assert np.isnan([found.matrix[0, 1], found.se[0, 1]]).all()
    assert found.definite is None


def test_answers_that_the_bank_cannot_have_are_named(bank_of: Callable[..., Bank]) -> None:
    bank = bank_of(rows_of(3, 1, 7))
    one = np.zeros(1, dtype=np.int64)
    with pytest.raises(Faulty, match="category 9 was answered"):
        correlations(log_of(bank, one, one, one + 9, 1), bank)


@pytest.mark.slow
def test_standard_errors_are_those_of_repeated_samples(bank_of: Callable[..., Bank]) -> None:
    """300 samples of 600 people, ten graded items a competency, rho = .8: mean SE within 10 % of the SD, 95 % intervals hold 95 +- 3 %."""
    rows = rows_of(10, 2, 1)
    bank = bank_of(rows, None, ("A", "B"))
    single = ItemParams.from_rows([row._replace(scale=0) for row in rows])
    person, item = np.nonzero(np.ones((600, 20), dtype=bool))
    found = []
    for sample in range(300):
        rng = np.random.default_rng([8, sample])
        theta = rng.multivariate_normal([0.2, 0], [[1, 0.96], [0.96, 1.44]], 600)
        p = np.concatenate([probabilities(single, theta[:, s])[:, 10 * s : 10 * s + 10] for s in range(2)], axis=1)
        category = (rng.random(p.shape[:2])[:, :, None] > p.cumsum(axis=2)[:, :, :-1]).sum(axis=2)
        of = correlations(log_of(bank, person, item, category.ravel(), 600), bank)
        found.append((of.matrix[0, 1], of.se[0, 1]))
    rho, se = np.array(found).T
    assert rho.mean() == pytest.approx(0.8, abs=0.006)
    assert se.mean() == pytest.approx(rho.std(ddof=1), rel=0.1)
    assert np.mean(np.abs(rho - 0.8) < 1.96 * se) == pytest.approx(0.95, abs=0.03)
