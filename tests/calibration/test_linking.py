"""Linking: constants are recovered whatever they are, moved items keep their curves, and faults are named."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from calibration.linking import METHODS, SMALLEST_SLOPE, link, transform
from cat_engine import Faulty, ItemParams, Row, expected_score

OLD = [
    Row("2pl", 1.1, [-1.2]), Row("3pl", 0.8, [0.1], 0.2), Row("grm", 1.5, [-1.0, 0.0, 1.1]), Row("gpcm", 0.7, [-0.6, 0.4]), Row("2pl", 1.9, [0.9]),
]  # fmt: skip
NOMINAL = [
    Row("nrm", 1.0, [0.5, -0.4], slopes=[0.7, 1.9]), Row("nrm", 1.0, [1.0, 0.2], slopes=[1.1, 1.6]), Row("nrm", 1.0, [0.3], slopes=[1.2]),
]  # fmt: skip
SLOPES, INTERCEPTS = st.floats(0.4, 2.5), st.floats(-2, 2)


@settings(max_examples=30, deadline=None)
@given(SLOPES, INTERCEPTS, st.sampled_from(METHODS))
def test_constants_of_a_pure_change_of_scale_are_recovered_by_every_method(slope: float, intercept: float, method: str) -> None:
    new = [transform(row, 1 / slope, -intercept / slope) for row in OLD]
    assert link(new, OLD, method) == pytest.approx((slope, intercept), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(SLOPES, INTERCEPTS, st.sampled_from(("haebara", "sl")))
def test_nominal_items_are_linked_by_their_curves(slope: float, intercept: float, method: str) -> None:
    for old in (NOMINAL, [*OLD, *NOMINAL]):
        new = [transform(row, 1 / slope, -intercept / slope) for row in old]
        assert link(new, old, method) == pytest.approx((slope, intercept), abs=1e-6)


@given(SLOPES, INTERCEPTS, st.sampled_from(OLD + NOMINAL))
def test_a_moved_item_has_the_value_at_a_theta_plus_b_that_it_had_at_theta(slope: float, intercept: float, row: Row) -> None:
    theta = np.linspace(-3, 3, 13)
    before = expected_score(ItemParams.from_rows([row]), theta)
    after = expected_score(ItemParams.from_rows([transform(row, slope, intercept)]), slope * theta + intercept)
    np.testing.assert_allclose(after, before, rtol=1e-9)


def test_points_are_those_asked_for() -> None:
    rng = np.random.default_rng(1)
    new = [
        row._replace(a=row.a * f, b=[b + s for b in row.b])
        for row, f, s in zip(OLD, rng.uniform(0.7, 1.4, 5), rng.normal(0, 0.3, 5), strict=True)
    ]
    wide, narrow = link(new, OLD, "sl"), link(new, OLD, "sl", points=np.linspace(-1, 1, 11))
    assert wide != pytest.approx(narrow, abs=1e-4)


def moved(rng: np.random.Generator, slope: float, intercept: float) -> list[Row]:
    """The old items estimated anew with error, on a scale of their own."""
    noisy = [row._replace(a=row.a * rng.uniform(0.8, 1.2), b=[b + rng.normal(0, 0.05) for b in row.b]) for row in OLD]
    return [transform(row, 1 / slope, -intercept / slope) for row in [*noisy, *NOMINAL]]


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), SLOPES, INTERCEPTS, st.sampled_from(("haebara", "sl")))
def test_constants_are_those_that_scipy_finds(seed: int, slope: float, intercept: float, method: str) -> None:
    new, old, theta = moved(np.random.default_rng(seed), slope, intercept), [*OLD, *NOMINAL], np.linspace(-4, 4, 40)
    mine, theirs = ItemParams.from_rows(new), ItemParams.from_rows(old)

    def distance(x: np.ndarray) -> np.ndarray:
        apart = expected_score(mine, (theta - x[1]) / x[0]) - expected_score(theirs, theta)
        return apart.sum(axis=1) if method == "sl" else apart.ravel()

    found = link(new, old, method)
    theirs_found = least_squares(distance, (1.0, 0.0), bounds=([0.05, -np.inf], np.inf), xtol=1e-14, ftol=1e-14, gtol=1e-14).x
    assert found == pytest.approx(theirs_found.tolist(), abs=2e-5)  # by differences it stops within about the root of rounding
    assert (distance(np.array(found)) ** 2).sum() <= (distance(theirs_found) ** 2).sum() * (1 + 1e-9)


def test_a_slope_that_would_all_but_vanish_stops_at_its_bound_with_the_best_intercept() -> None:
    new = [transform(row, 1 / 0.01, -0.5 / 0.01) for row in OLD]
    slope, intercept = link(new, OLD, "sl")
    assert slope == SMALLEST_SLOPE
    theta = np.linspace(-4, 4, 40)
    target = expected_score(ItemParams.from_rows(OLD), theta).sum(axis=1)
    gaps = [
        float(((expected_score(ItemParams.from_rows(new), (theta - b) / slope).sum(axis=1) - target) ** 2).sum())
        for b in (intercept - 1e-4, intercept, intercept + 1e-4)
    ]
    assert gaps[1] < min(gaps[0], gaps[2])


@pytest.mark.parametrize(
    ("new", "old", "method", "message"),
    [
        (OLD[:1], OLD[:1], "sl", "link, common items: there are 1 (linking needs at least two)"),
        (OLD, OLD[:3], "sl", "link, common items: there are 3"),
        (OLD[:2], [OLD[0], OLD[2]], "mm", "link, common item 2: has 2 categories in one file and 4 in the other"),
        (NOMINAL, NOMINAL, "ms", "link, common item 1: is of model nrm, which has no a and b (use haebara or sl)"),
        (OLD, OLD, "concurrent", "link, method: 'concurrent' is not known (one of mm, ms, haebara, sl)"),
    ],
)
def test_what_cannot_be_linked_is_refused_with_the_reason(new: list[Row], old: list[Row], method: str, message: str) -> None:
    with pytest.raises(Faulty) as caught:
        link(new, old, method)
    assert message in str(caught.value)
