"""Posteriors on a grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from cat_engine import Grid, ItemParams, NormalPrior, Pool, Row, eap, level_probabilities, log_probabilities
from cat_engine.ability import mean_and_sd, powers, weights
from cat_engine.batch import Batch
from cat_engine.plan import TestPlan

ONE_SCALE = TestPlan("one scale", ())
BITS = st.lists(st.tuples(st.floats(0.3, 2.5), st.floats(-3.0, 3.0), st.floats(0.0, 0.3), st.integers(0, 1)), min_size=1, max_size=25)


def replay(rows: list[Row], answers: list[int]) -> tuple[float, float]:
    pool = Pool.of(tuple(str(i) for i in range(len(rows))), ItemParams.from_rows(rows), ("A",))
    batch = Batch.replay(ONE_SCALE, pool, range(len(answers)), answers)
    return float(batch.theta[0, 0]), float(batch.se[0, 0])


@given(BITS)
def test_after_a_wrong_answer_theta_never_rises_and_after_a_right_one_never_falls(items: list[tuple[float, float, float, int]]) -> None:
    rows = [Row("3pl", a, [b], c) for a, b, c, _ in items]
    answers = [u for *_, u in items]
    before, _ = replay(rows, answers[:-1])
    after, _ = replay(rows, answers)
    if answers[-1]:
        assert after >= before - 1e-12
    else:
        assert after <= before + 1e-12


@given(st.lists(st.integers(0, 3), min_size=1, max_size=12), st.integers(0, 2))
def test_a_higher_category_of_a_graded_item_never_lowers_theta(answers: list[int], low: int) -> None:
    rows = [Row("grm", 0.8 + 0.1 * i, [-1.0 + 0.1 * i, 0.2 * i, 1.5 + 0.2 * i]) for i in range(len(answers))]
    assert replay(rows, [*answers[:-1], low + 1])[0] >= replay(rows, [*answers[:-1], low])[0]


def test_eap_and_its_se_are_the_integrals() -> None:
    rows = [Row("2pl", 1.2, [-0.5]), Row("3pl", 0.9, [0.4], 0.2), Row("grm", 1.5, [-1.0, 0.3, 1.2])]
    answers = [1, 0, 2]
    params = ItemParams.from_rows(rows)

    def posterior(x: float) -> float:
        logp = log_probabilities(params, x)[0]
        return float(norm.pdf(x) * np.exp(sum(logp[i, k] for i, k in enumerate(answers))))

    mass = quad(posterior, -6, 6)[0]
    mean = quad(lambda x: x * posterior(x), -6, 6)[0] / mass
    variance = quad(lambda x: (x - mean) ** 2 * posterior(x), -6, 6)[0] / mass
    theta, se = replay(rows, answers)
    assert theta == pytest.approx(mean, abs=1e-6)
    assert se == pytest.approx(np.sqrt(variance), abs=1e-6)


@given(st.lists(st.floats(0.0, 2000.0), min_size=1, max_size=5), st.integers(0, 2**32))
def test_a_posterior_may_be_as_small_as_it_wants_and_its_bits_do_not_depend_on_the_others(below: list[float], seed: int) -> None:
    nodes = Grid().nodes()
    centres = np.random.default_rng(seed).uniform(-3, 3, len(below))
    logpost = -0.5 * ((nodes - centres[:, None]) / 0.4) ** 2 - np.array(below)[:, None]
    together = mean_and_sd(logpost, powers(nodes))
    np.testing.assert_allclose(together, eap(logpost, nodes), atol=1e-10)
    np.testing.assert_allclose(together[0], centres, atol=1e-6)
    for n in range(len(below)):
        alone = mean_and_sd(logpost[n : n + 1], powers(nodes))
        assert [float(v[0]) for v in alone] == [float(v[n]) for v in together]


def test_before_any_answer_theta_is_the_prior() -> None:
    pool = Pool.of(("x",), ItemParams.from_rows([Row("2pl", 1.0, [0.0])]), ("A",))
    batch = Batch.begin(TestPlan("t", (), NormalPrior(0.5, 0.8)), pool, 3)
    np.testing.assert_allclose(batch.theta, 0.5, atol=1e-9)
    np.testing.assert_allclose(batch.se, 0.8, atol=1e-7)


def test_a_posterior_far_in_the_tail_does_not_vanish() -> None:
    theta, se = eap(np.array([-5e4, -5e4 - 1.0, -9e4]), np.array([-1.0, 0.0, 1.0]))
    assert -1.0 < theta < 0.0
    assert 0.0 < se < 1.0


def test_the_bits_of_a_session_do_not_depend_on_the_batch() -> None:
    logpost = np.random.default_rng(1).normal(0, 20, size=(200, 5, 61))
    nodes = Grid().nodes()
    theta, se = eap(logpost, nodes)
    for n in (0, 7, 199):
        one, spread = eap(logpost[n : n + 1], nodes)
        np.testing.assert_array_equal(one[0], theta[n])
        np.testing.assert_array_equal(spread[0], se[n])
        np.testing.assert_array_equal(eap(logpost[n, 3], nodes)[0], theta[n, 3])


@given(st.floats(-2.5, 2.5), st.floats(0.3, 1.0), st.lists(st.floats(-2.0, 2.0), min_size=1, max_size=4))
def test_levels_share_out_the_whole_posterior_as_the_normal_distribution_would(mean: float, sd: float, cuts: list[float]) -> None:
    nodes = Grid().nodes()
    shares = level_probabilities(weights(norm.logpdf(nodes, mean, sd)), nodes, sorted(cuts))
    assert shares.shape == (len(cuts) + 1,)
    assert shares.sum() == pytest.approx(1.0)
    np.testing.assert_allclose(shares, np.diff([0.0, *norm.cdf(sorted(cuts), mean, sd), 1.0]), atol=0.002)


@pytest.mark.parametrize("grid", [(1.0, -1.0, 61), (0.0, 1.0, 2), (float("nan"), 1.0, 61), (0.0, float("inf"), 61)])
def test_a_grid_that_is_none_is_refused(grid: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match="not a grid"):
        Grid(*grid)


@pytest.mark.parametrize("prior", [(0.0, 0.0), (0.0, -1.0), (float("nan"), 1.0)])
def test_a_prior_that_is_no_distribution_is_refused(prior: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not a distribution"):
        NormalPrior(*prior)
