"""People are drawn as asked."""

import numpy as np
import pytest

from cat_engine import NormalPrior
from cat_engine.population import Population
from cat_engine.priors import UniformPrior
from cat_engine.timing import Speeds

N = 20_000  # a correlation is then known to .007, a mean to .007, both at one standard error


def test_abilities_are_standard_normal_and_equally_correlated() -> None:
    theta = Population(0.6).abilities(N, 3, 1)
    np.testing.assert_allclose(np.corrcoef(theta.T)[np.triu_indices(3, 1)], 0.6, atol=0.02)
    np.testing.assert_allclose(theta.std(axis=0), 1.0, atol=0.02)


def test_abilities_follow_a_matrix() -> None:
    matrix = np.array([[1.0, 0.7, -0.2], [0.7, 1.0, 0.1], [-0.2, 0.1, 1.0]])
    theta = Population(matrix=matrix, scale=NormalPrior(0.5, 1.2)).abilities(N, 3, 1)
    np.testing.assert_allclose(np.corrcoef(theta.T), matrix, atol=0.02)
    np.testing.assert_allclose(theta.mean(axis=0), 0.5, atol=0.03)
    np.testing.assert_allclose(theta.std(axis=0), 1.2, atol=0.02)


def test_uniform_abilities_fill_their_range_and_keep_their_ranks_correlated() -> None:
    theta = Population(0.6, scale=UniformPrior(-3, 3)).abilities(N, 2, 1)
    np.testing.assert_allclose(np.quantile(theta, [0.1, 0.5, 0.9]), [-2.4, 0.0, 2.4], atol=0.06)
    assert np.corrcoef(theta.T)[0, 1] == pytest.approx(6 / np.pi * np.arcsin(0.3), abs=0.02)  # Pearson, 1907


@pytest.mark.parametrize("matrix", [None, np.array([[1.0, 0.3], [0.3, 1.0]])])
def test_speeds_go_with_ability_as_asked(matrix: np.ndarray | None) -> None:
    population = Population(0.6, matrix, NormalPrior(1.0, 2.0), Speeds(0.1, 0.25), haste=-0.4)
    theta = population.abilities(N, 2, 3)
    tau = population.tau(theta, 3)
    assert np.corrcoef(theta.mean(axis=1), tau)[0, 1] == pytest.approx(-0.4, abs=0.02)
    assert tau.mean() == pytest.approx(0.1, abs=0.01)
    assert tau.std() == pytest.approx(0.25, abs=0.005)


def test_speeds_that_go_with_nothing_are_independent() -> None:
    population = Population()
    theta = population.abilities(N, 1, 3)
    assert abs(np.corrcoef(theta[:, 0], population.tau(theta, 3))[0, 1]) < 0.03


@pytest.mark.parametrize(
    "matrix",
    [
        np.ones((2, 3)), np.array([[1.0, 0.5], [0.4, 1.0]]), np.array([[2.0, 0.5], [0.5, 1.0]]), np.array([[1.0, np.nan], [np.nan, 1.0]]),
        np.array([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]]),
    ],
)  # fmt: skip
def test_a_matrix_that_no_abilities_can_have_is_refused(matrix: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"matrix|symmetric"):
        Population(matrix=matrix)


def test_correlations_out_of_range_are_refused() -> None:
    for bad in ({"correlation": 1.2}, {"haste": -1.1}):
        with pytest.raises(ValueError, match="not in"):
            Population(**bad)
