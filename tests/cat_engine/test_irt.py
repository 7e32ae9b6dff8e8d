"""Item response models: parameters that cannot be are refused, probabilities are probabilities, information is curvature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import MODELS, Faulty, ItemParams, Row, expected_score, information, log_probabilities, probabilities
from cat_engine.irt import probabilities_up_to

A = st.floats(0.2, 4.0)
B = st.floats(-4.0, 4.0)
THETA = st.floats(-12.0, 12.0)


@st.composite
def rows(draw: st.DrawFn) -> Row:
    model = draw(st.sampled_from(MODELS))
    if model == "nrm":
        slopes = draw(st.lists(st.floats(-4.0, 4.0).map(lambda v: round(v, 3)), min_size=1, max_size=4).filter(any))
        return Row(model, 1.0, draw(st.lists(B, min_size=len(slopes), max_size=len(slopes))), slopes=slopes)
    a = 1.0 if model in ("1pl", "pcm", "rsm") else draw(A)
    c = draw(st.floats(0.0, 0.4)) if model in ("3pl", "4pl") else 0.0
    d = draw(st.floats(0.6, 1.0)) if model == "4pl" else 1.0
    if model in ("grm", "mgrm", "gpcm", "pcm", "rsm"):
        first, gaps = draw(B), draw(st.lists(st.floats(0.05, 2.0), min_size=1, max_size=4))
        b = [first, *(first + np.cumsum(gaps)).tolist()]
        return Row(model, a, b if model in ("grm", "mgrm") else draw(st.permutations(b)))
    return Row(model, a, [draw(B)], c, d)


@given(st.lists(rows(), min_size=1, max_size=6), THETA)
def test_the_probabilities_of_an_item_sum_to_one(items: list[Row], theta: float) -> None:
    params = ItemParams.from_rows(items)
    p = probabilities(params, theta)[0]
    assert np.all(p >= 0)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-12)
    assert all(np.all(p[i, n:] == 0) for i, n in enumerate(params.n_cat))


@given(st.lists(rows(), min_size=1, max_size=6), THETA)
def test_the_probability_of_a_category_or_a_lower_one_is_the_sum_of_theirs(items: list[Row], theta: float) -> None:
    params = ItemParams.from_rows(items)
    every = np.arange(len(items))
    found = probabilities_up_to(params, every, np.full(len(items), theta))
    np.testing.assert_allclose(found, np.cumsum(probabilities(params, theta)[0], axis=1)[:, :-1], rtol=1e-12, atol=1e-14)


@given(st.lists(rows(), min_size=1, max_size=6), THETA)
def test_no_real_category_has_the_logarithm_of_zero(items: list[Row], theta: float) -> None:
    params = ItemParams.from_rows(items)
    logp = log_probabilities(params, theta)[0]
    for i, row in enumerate(items):
        mine = logp[i, : params.n_cat[i]]
        possible = np.isfinite(mine)
        assert possible.all(), (row, mine)
        assert np.isfinite(information(params, theta)).all()
        assert np.all(information(params, theta) >= 0)


@given(rows(), st.floats(-4.0, 4.0))
@settings(max_examples=200)
def test_information_is_minus_the_expected_second_derivative_of_the_log_likelihood(row: Row, theta: float) -> None:
    params, h = ItemParams.from_rows([row]), 1e-3
    grid = theta + h * np.array([-2, -1, 0, 1, 2])
    logp = log_probabilities(params, grid)[:, 0, : params.n_cat[0]]
    second = np.tensordot(np.array([-1, 16, -30, 16, -1]) / (12 * h**2), logp, axes=1)  # fourth-order central difference
    expected = -(np.exp(logp[2]) * second).sum()
    np.testing.assert_allclose(information(params, theta)[0, 0], expected, rtol=1e-6, atol=1e-8)


@given(st.lists(rows(), max_size=6), THETA)
def test_the_expected_score_is_the_mean_of_the_categories(several: list[Row], theta: float) -> None:
    params = ItemParams.from_rows(several)
    p = probabilities(params, [theta, -theta])
    np.testing.assert_allclose(expected_score(params, [theta, -theta]), (p * np.arange(p.shape[-1])).sum(axis=-1), rtol=0, atol=1e-13)


@pytest.mark.parametrize("theta", [-60.0, 60.0])
def test_far_out_abilities_give_neither_overflow_nor_nan(theta: float) -> None:
    steep = [
        Row("2pl", 30.0, [0.0]), Row("3pl", 30.0, [0.0], 0.2), Row("4pl", 30.0, [0.0], 0.1, 0.9),
        Row("grm", 30.0, [-1.0, 0.0, 1.0]), Row("gpcm", 30.0, [-1.0, 0.0, 1.0]), Row("nrm", 1.0, [9.0, -9.0], slopes=[30.0, -30.0]),
    ]  # fmt: skip
    params = ItemParams.from_rows(steep)
    assert not np.isnan(log_probabilities(params, theta)).any()
    np.testing.assert_allclose(probabilities(params, theta).sum(axis=-1), 1.0)
    assert np.isfinite(information(params, theta)).all()


def test_a_graded_and_a_partial_credit_item_of_two_categories_are_the_2pl() -> None:
    theta = np.linspace(-4, 4, 9)
    p = probabilities(ItemParams.from_rows([Row(model, 1.3, [0.4]) for model in ("2pl", "grm", "gpcm")]), theta)
    info = information(ItemParams.from_rows([Row(model, 1.3, [0.4]) for model in ("2pl", "grm", "gpcm")]), theta)
    for other in (1, 2):
        np.testing.assert_allclose(p[:, other], p[:, 0], rtol=1e-13)
        np.testing.assert_allclose(info[:, other], info[:, 0], rtol=1e-12)


@given(st.lists(A, min_size=1, max_size=1), st.lists(B, min_size=1, max_size=4), st.floats(-4.0, 4.0))
def test_a_partial_credit_item_is_a_nominal_one_with_slopes_in_equal_steps(a: list[float], b: list[float], theta: float) -> None:
    slope = a[0]
    steps = np.arange(1, len(b) + 1)
    nominal = Row("nrm", 1.0, (-slope * np.cumsum(b)).tolist(), slopes=(slope * steps).tolist())
    both = ItemParams.from_rows([Row("gpcm", slope, b), nominal])
    p, info = probabilities(both, theta)[0], information(both, theta)[0]
    np.testing.assert_allclose(p[1], p[0], rtol=1e-9)
    assert info[1] == pytest.approx(info[0], rel=1e-9)
    np.testing.assert_allclose(both.middle, np.mean(b), atol=1e-9)
    np.testing.assert_allclose(both.discrimination, slope, rtol=1e-12)


def test_written_out_modified_graded_and_rating_scale_items_are_graded_and_partial_credit_items() -> None:
    theta = np.linspace(-4, 4, 9)
    graded = ItemParams.from_rows([Row(model, 1.3, [-0.4, 0.2, 1.1]) for model in ("mgrm", "grm")])
    partial = ItemParams.from_rows([Row(model, 1.0, [0.4, -0.2, 1.1]) for model in ("rsm", "pcm")])
    for params in (graded, partial):
        p = probabilities(params, theta)
        np.testing.assert_array_equal(p[:, 0], p[:, 1])
        assert len(params.families) == 1


def test_an_item_does_not_feel_its_neighbours() -> None:
    items = [
        Row("grm", 1.1, [-1.0, 0.0, 1.0, 2.0]), Row("2pl", 0.8, [0.3]), Row("gpcm", 1.4, [0.5, -0.5]),
        Row("nrm", 1.0, [0.7, -0.2], slopes=[-0.4, 1.2]),
    ]  # fmt: skip
    theta = np.linspace(-3, 3, 7)
    together = ItemParams.from_rows(items)
    for i, row in enumerate(items):
        alone = ItemParams.from_rows([row])
        np.testing.assert_array_equal(probabilities(together, theta)[:, i, : len(row.b) + 1], probabilities(alone, theta)[:, 0])
        np.testing.assert_allclose(information(together, theta)[:, i], information(alone, theta)[:, 0], rtol=1e-14)
        np.testing.assert_array_equal(probabilities(together.take([i]), theta)[:, 0], probabilities(together, theta)[:, i])


@pytest.mark.parametrize(
    ("row", "field"),
    [
        (Row("5pl", 1.0, [0.0]), "model"),
        (Row("2pl", 0.0, [0.0]), "a"),
        (Row("2pl", float("nan"), [0.0]), "a"),
        (Row("2pl", 1.0, [float("inf")]), "b"),
        (Row("2pl", 1.0, [0.0, 1.0]), "b"),
        (Row("grm", 1.0, []), "b"),
        (Row("grm", 1.0, [0.0, 0.0]), "b"),
        (Row("grm", 1.0, [1.0, 0.0]), "b"),
        (Row("2pl", 1.0, [0.0], c=0.2), "c"),
        (Row("3pl", 1.0, [0.0], c=1.0), "c"),
        (Row("3pl", 1.0, [0.0], d=0.9), "d"),
        (Row("4pl", 1.0, [0.0], c=0.5, d=0.5), "d"),
        (Row("gpcm", 1.0, [0.0, 1.0], d=0.9), "d"),
        (Row("2pl", 1.0, [0.0], scale=-1), "scale"),
        (Row("mgrm", 1.0, [1.0, 0.0]), "b"),
        (Row("2pl", 1.0, [0.0], slopes=[1.0]), "slopes"),
        (Row("nrm", 1.0, [0.0]), "slopes"),
        (Row("nrm", 1.0, [0.0, 1.0], slopes=[1.0]), "slopes"),
        (Row("nrm", 1.0, [0.0], slopes=[1.0, 2.0]), "slopes"),
        (Row("nrm", 1.0, [0.0, 1.0], slopes=[0.0, 0.0]), "slopes"),
        (Row("nrm", 1.0, [0.0], slopes=[float("inf")]), "slopes"),
        (Row("nrm", 1.3, [0.0], slopes=[1.0]), "a"),
    ],
)
def test_parameters_that_cannot_be_are_named(row: Row, field: str) -> None:
    with pytest.raises(Faulty) as refused:
        ItemParams.from_rows([Row("1pl", 1.0, [0.0]), row])
    assert {(fault.where, fault.field) for fault in refused.value.faults} >= {("item 1", field)}


def test_every_faulty_item_is_named_at_once() -> None:
    with pytest.raises(Faulty) as refused:
        ItemParams.from_rows([Row("2pl", -1.0, [0.0]), Row("2pl", 1.0, [0.0]), Row("grm", 1.0, [1.0, 0.0])])
    assert [fault.where for fault in refused.value.faults] == ["item 0", "item 2"]
    assert len(str(refused.value).splitlines()) == 2


def test_a_value_past_the_last_category_is_refused() -> None:
    with pytest.raises(Faulty, match="past the last"):
        ItemParams(("2pl",), [1.0], [[0.0, 1.0]], [0.0], [1.0], [2], [0])


def test_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(Faulty, match="rows"):
        ItemParams(("2pl",), [1.0, 2.0], [[0.0]], [0.0], [1.0], [2], [0])


def test_the_arrays_of_a_bank_cannot_be_written() -> None:
    params = ItemParams.from_rows([Row("2pl", 1.0, [0.0])])
    for one in (params, params.take([0])):
        with pytest.raises(ValueError, match="read-only"):
            one.a[0] = 2.0


def test_slopes_follow_their_items_and_stay_away_where_no_item_is_nominal() -> None:
    rows = [Row("2pl", 1.0, [0.0]), Row("nrm", 1.0, [0.5, 1.5], slopes=[0.8, 1.9]), Row("nrm", 1.0, [0.1], slopes=[-1.0])]
    params = ItemParams.from_rows(rows)
    assert [params.slopes_of(i).tolist() for i in range(3)] == [[], [0.8, 1.9], [-1.0]]
    assert [params.take([2, 1]).slopes_of(i).tolist() for i in range(2)] == [[-1.0], [0.8, 1.9]]
    assert not ItemParams.from_rows(rows[:1]).slopes.size
    with pytest.raises(ValueError, match="read-only"):
        params.slopes[1, 0] = 2.0


def test_slopes_that_do_not_have_the_shape_of_b_are_refused() -> None:
    with pytest.raises(Faulty, match="table of"):
        ItemParams(("nrm",), [1.0], [[0.0, 1.0]], [0.0], [1.0], [3], [0], [[1.0]])
