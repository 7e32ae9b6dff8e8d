"""Whether a limit of exposure was kept: chance alone is not blamed, what is beyond it is."""

import numpy as np
import pytest
from scipy.stats import binom

from cat_engine.eligibility import Everyone, Fading, Overlap, Restricted, SympsonHetter
from cat_engine.rates import LEVEL, above_limit, limit_of


def test_items_at_their_limit_are_seldom_named_and_items_above_it_are() -> None:
    rng, people, limit, length = np.random.default_rng(4), 1000, 0.3, 20
    rates = np.concatenate([np.full(60, limit), np.full(140, (length - 60 * limit) / 140)])  # as many at the limit as can be
    false = sum(bool(above_limit(rng.binomial(people, rates), people, limit).any()) for _ in range(2000))
    assert false <= binom.ppf(0.999, 2000, LEVEL)
    rates[7] = 0.4
    named = [above_limit(rng.binomial(people, rates), people, limit) for _ in range(200)]
    assert np.mean([found[7] for found in named]) > 0.97  # z = 6.9 against 3.6


def test_the_chance_is_the_binomial_tail() -> None:
    given = np.array([330, 340, 350, 360, 370] + [10] * 55)
    at_once = given.sum() / 1000 / 0.3
    expected = binom.sf(given - 1, 1000, 0.3) * at_once <= LEVEL
    assert above_limit(given, 1000, 0.3).tolist() == expected.tolist()
    assert 0 < expected.sum() < 5


@pytest.mark.parametrize(
    ("rule", "limit"), [(Everyone(), None), (Restricted(1.0), None), (Restricted(0.2), 0.2), (SympsonHetter(0.3), 0.3), (Overlap(0.4), 0.4), (Fading(0.1), 0.1)]
)  # fmt: skip
def test_rules_that_limit_the_rate_say_how_high(rule: object, limit: float | None) -> None:
    assert limit_of(rule) == limit  # type: ignore[arg-type]
