"""Tail probabilities are those of scipy.stats, though calibration has them from scipy.special: scipy.stats takes a second to import."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2, ncx2, norm

from calibration.catsib import catsib
from calibration.dif import MantelHaenszel, logistic_dif, mantel_haenszel
from calibration.dif_likelihood import likelihood_dif
from calibration.dif_residual import residual_dif
from calibration.item_fit import s_x2
from calibration.model_fit import _noncentrality, model_fit, state_at
from cat_engine import Grid, ItemParams, Row, probabilities

N_ITEMS = 8
NODES = Grid().nodes()


@pytest.fixture(scope="module")
def sat(draw: Callable[..., Any]) -> tuple[list[Row], NDArray[Any], Any, NDArray[Any]]:
    """Items, abilities, answers of 500 people to eight items of which the last is harder for the second half, and that half."""
    rows = [Row("2pl", 1.0 + 0.1 * k, [b]) for k, b in enumerate(np.linspace(-1.5, 1.5, N_ITEMS).tolist())]
    theta = np.random.default_rng(5).normal(size=500)
    one, other = draw(rows, theta, 6), draw([*rows[:-1], Row("2pl", 1.7, [2.5])], theta, 6)
    focal = np.arange(500) >= 250
    category = np.where(focal[one.person], other.category, one.category)
    return rows, theta, (one.person, one.item, category), focal


def same(mine: NDArray[Any], theirs: NDArray[Any]) -> None:
    """To 1e-14 of the value, where scipy.stats itself is no closer."""
    assert np.isfinite(theirs).any()
    np.testing.assert_allclose(mine, theirs, rtol=1e-14, atol=1e-300)


def test_p_of_tests_between_groups(sat: Any) -> None:
    rows, theta, (person, item, category), focal = sat
    scores = category.reshape(-1, N_ITEMS)
    mh, logistic = mantel_haenszel(scores, focal), logistic_dif(scores, focal)
    same(mh.p, chi2.sf(mh.statistic, 1))
    assert mh.p.min() < 1e-4
    for name, df in (("uniform", 1), ("nonuniform", 1), ("both", 2)):
        same(getattr(logistic, f"p_{name}"), chi2.sf(getattr(logistic, name), df))
    studied = np.arange(N_ITEMS) >= N_ITEMS - 2
    likelihood = likelihood_dif(person, item, category, rows, focal, studied=studied)
    for name, freedom in (("both", likelihood.df_both), ("uniform", likelihood.df_uniform)):
        same(getattr(likelihood, f"p_{name}"), np.where(studied, chi2.sf(getattr(likelihood, name), np.maximum(freedom, 1)), np.nan))
    residual = residual_dif(item, category, probabilities(ItemParams.from_rows(rows), theta)[person, item], focal[person], N_ITEMS)
    same(residual.p_r, 2 * norm.sf(np.abs(residual.z_r)))
    same(residual.p_s, 2 * norm.sf(np.abs(residual.z_s)))
    same(residual.p_rs, chi2.sf(residual.rs, 2))
    sib = catsib(item, category, theta[person], focal[person], N_ITEMS)
    same(sib.p, 2 * norm.sf(np.abs(sib.z)))


def test_the_large_class_of_ets_is_where_the_normal_tail_beyond_one_is_below_5_percent() -> None:
    """|delta| = 1.5 is beyond 1 at 5 % where its sd is below .5 / 1.6448536."""
    edge = 0.5 / norm.isf(0.05) / 2.35
    var = np.array([0.999 * edge, 1.001 * edge]) ** 2
    alpha = np.full(2, np.exp(1.5000001 / 2.35))
    assert MantelHaenszel(np.full(2, 9.0), np.zeros(2), alpha, var, np.zeros(2)).ets == ("C", "B")


def test_p_of_items_and_of_the_whole_model_and_the_interval_of_rmsea(sat: Any) -> None:
    rows, _, (_, _, category), _ = sat
    scores = category.reshape(-1, N_ITEMS)
    p = probabilities(ItemParams.from_rows(rows), NODES).transpose(1, 2, 0)
    density = np.exp(-(NODES**2) / 2)
    items = s_x2(scores, p, density / density.sum(), [0] * N_ITEMS)
    same(items.p, chi2.sf(items.statistic, items.df))
    whole = model_fit(scores, state_at([Row("2pl", 0.4, row.b) for row in rows]), NODES)
    same(np.array([whole.p]), chi2.sf(np.array([whole.m2]), whole.df))
    for bound, tail in ((whole.rmsea_low, 0.95), (whole.rmsea_high, 0.05)):
        assert ncx2.cdf(whole.m2, whole.df, bound**2 * whole.df * len(scores)) == pytest.approx(tail, abs=1e-12)


@pytest.mark.parametrize("df", [1, 17, 170, 3000])
@pytest.mark.parametrize("ratio", [1.2, 3.0, 100.0, 1e4])
@pytest.mark.parametrize("tail", [0.05, 0.95])
def test_noncentrality_is_found_from_a_slight_misfit_to_that_of_a_million_people(df: int, ratio: float, tail: float) -> None:
    found = _noncentrality(ratio * df, df, tail)
    if found == 0:
        assert chi2.cdf(ratio * df, df) <= tail
    else:
        assert ncx2.cdf(ratio * df, df, found) == pytest.approx(tail, abs=1e-12)
