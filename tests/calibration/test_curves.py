"""Curves of the estimator: those of the engine, with scores that are their derivatives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.curves import bounds, curves, expected_scores, legal, pack, params_of, standardised, starting_rows, unpack, width
from cat_engine import MODELS, ItemParams, Row, expected_score, log_probabilities

SEVERAL = ("grm", "gpcm", "pcm", "mgrm", "rsm", "nrm")
NODES = np.linspace(-5, 5, 21)


@st.composite
def items(draw: st.DrawFn) -> Row:
    model = draw(st.sampled_from(MODELS))
    n_steps = draw(st.integers(1, 4)) if model in SEVERAL else 1
    gaps = draw(st.lists(st.floats(0.05, 1.5), min_size=n_steps, max_size=n_steps))
    b = (draw(st.floats(-3, 1)) + np.cumsum(gaps)).tolist()
    if model == "nrm":
        slopes = draw(st.lists(st.floats(0.01, 3.0) | st.floats(-3.0, -0.01), min_size=n_steps, max_size=n_steps))
        return Row(model, 1.0, b, slopes=slopes)
    c = draw(st.floats(0.01, 0.4)) if model in ("3pl", "4pl") else 0.0
    d = draw(st.floats(0.75, 0.99)) if model == "4pl" else 1.0
    return Row(model, draw(st.floats(0.2, 3.0)), b, c, d)


@given(items())
def test_log_probabilities_are_those_of_the_engine(row: Row) -> None:
    log_p, _ = curves(row.model, pack(row)[None], NODES)
    np.testing.assert_allclose(log_p[0].T, log_probabilities(ItemParams.from_rows([row]), NODES)[:, 0], rtol=1e-9, atol=1e-12)


@settings(max_examples=40)
@given(st.lists(items(), max_size=6))
def test_expected_scores_of_items_of_any_models_are_those_of_the_engine(rows: list[Row]) -> None:
    params = params_of(row._replace(scale=3) for row in rows)
    np.testing.assert_allclose(expected_scores(params, NODES), expected_score(params, NODES), rtol=0, atol=1e-13)
    assert not params.scale.any()


@settings(max_examples=200)
@given(items())
def test_scores_are_the_derivatives_of_the_log_probabilities(row: Row) -> None:
    x, h = pack(row), 1e-6
    _, score = curves(row.model, x[None], NODES)
    assert score.shape == (1, width(row.model, len(row.b) + 1), len(row.b) + 1, len(NODES))
    for m in range(len(x)):
        step = h * (np.arange(len(x)) == m)
        up, down = (curves(row.model, (x + sign * step)[None], NODES)[0][0] for sign in (1, -1))
        np.testing.assert_allclose(score[0, m], (up - down) / (2 * h), rtol=1e-4, atol=1e-6)


@given(items())
def test_a_row_survives_packing(row: Row) -> None:
    back = unpack(row.model, pack(row), row.scale)
    assert back.model == row.model
    np.testing.assert_allclose([back.a, *back.b, back.c, back.d, *back.slopes], [row.a, *row.b, row.c, row.d, *row.slopes], rtol=1e-9)


@given(items(), st.floats(-1.0, 1.0), st.floats(0.5, 2.0))
def test_a_standardised_item_has_the_probabilities_that_it_had(row: Row, mean: float, sd: float) -> None:
    x, n_cat = pack(row)[None], len(row.b) + 1
    moved = curves(row.model, standardised(row.model, x, n_cat, mean, sd), (NODES - mean) / sd)[0]
    np.testing.assert_allclose(moved, curves(row.model, x, NODES)[0], rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("model", MODELS)
def test_starting_rows_are_legal_items_whatever_the_counts(model: str) -> None:
    counts = [[0, 10], [10, 0], [3, 3]] if model not in SEVERAL else [[0, 10, 0, 5], [10, 0, 0, 0], [3, 3, 3, 3]]
    rows = starting_rows(model, counts)
    ItemParams.from_rows(rows)
    for row in rows:
        x = pack(row)
        low, high = bounds(model, len(row.b) + 1)
        assert np.all((low <= x) & (x <= high))
        assert legal(model, x[None]).all()
