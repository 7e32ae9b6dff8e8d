"""X2 by bins of ability: the numbers of mirt at its own parameters, routed answers, and what misfit looks like."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.ability_bins import LEAST_IN_BIN, bin_fit
from calibration.fit import residuals
from cat_engine import Row
from tests.calibration.mirt import MODELS, rows_of

# Where people of one total score have one ability, mirt cuts them by its last bit: its numbers are of no other sorting.
SORTED_BY_ROUNDING = ("1pl", "pcm", "rsm")


@pytest.mark.parametrize("name", [name for name, model in MODELS.items() if model not in SORTED_BY_ROUNDING])
def test_x2_is_that_of_mirt(golden: Callable[[str], Any], answers: Callable[[str], Any], name: str) -> None:
    wanted, rows, data = golden("mirt_residuals.json")["fits"][name], rows_of(name), answers(name)
    theta = residuals(data.person, data.item, data.category, rows).theta
    n_free = {"3pl": 3, "nrm": 6}.get(MODELS[name], len(rows[0].b) + 1)
    found = bin_fit(data.person, data.item, data.category, rows, theta, [n_free] * len(rows))
    np.testing.assert_allclose(found.statistic, wanted["x2"], rtol=1e-9)
    assert found.df.tolist() == wanted["df_x2"]
    np.testing.assert_allclose(found.p, wanted["p_x2"], atol=1e-9)


def test_people_of_one_ability_stay_in_the_order_of_the_answers() -> None:
    """Twenty people of one ability but for rounding, an item, two bins: the first ten failed it."""
    theta = 0.1 + 1e-15 * np.array([1, -1] * 10)
    category = np.repeat([0, 1], 10)
    found = bin_fit(np.arange(20), np.zeros(20, dtype=int), category, [Row("2pl", 1.0, [0.1])], theta, [0], n_bins=2)
    assert found.statistic[0] == pytest.approx(4 * 25 / 5)


def test_of_routed_answers_the_item_with_another_curve_has_the_largest_x2(routed: Any) -> None:
    bank, log = routed
    rows = [bank.row(i) for i in range(len(bank))]
    n = np.bincount(log.item, minlength=len(rows))
    odd = int(np.argsort(-n)[3])
    category = log.category.copy()
    mine = log.item == odd
    category[mine] = np.random.default_rng(7).integers(0, 2, mine.sum())  # its answers are guesses
    theta = residuals(log.person, log.item, category, rows).theta
    found = bin_fit(log.person, log.item, category, rows, theta, [0] * len(rows))
    told = n >= 10 * LEAST_IN_BIN
    assert np.isfinite(found.statistic[told]).all()
    assert np.isnan(found.p[~told]).all()
    assert np.nanargmax(found.statistic) == odd
    assert found.statistic[odd] > 4 * np.nanmedian(found.statistic)


def test_too_few_answers_for_ten_bins_get_no_number() -> None:
    n = 10 * LEAST_IN_BIN - 1
    category = np.random.default_rng(3).integers(0, 2, n)
    found = bin_fit(np.arange(n), np.zeros(n, dtype=int), category, [Row("2pl", 1.0, [0.0])], np.linspace(-1, 1, n), [2])
    assert np.isnan([found.statistic[0], found.p[0]]).all()
    assert found.df[0] == 0
