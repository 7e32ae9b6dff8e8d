"""S-X2 and LD-X2: the numbers of mirt at its own parameters, the recursion they stand on, and what misfit and dependence look like."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.dependence import ld_x2
from calibration.item_fit import parameters_behind, s_x2, summed_scores, without_each
from calibration.state import FIXED_SLOPE
from cat_engine import Faulty, Grid, ItemParams, NormalPrior, Row, probabilities
from tests.calibration.mirt import MODELS, fit_of, rows_of

NODES = Grid().nodes()


def weights_of(variance: float) -> Any:
    density = np.exp(NormalPrior(0.0, np.sqrt(variance)).log_density(NODES))
    return density / density.sum()


def curves_of(rows: list[Row]) -> Any:
    return np.moveaxis(probabilities(ItemParams.from_rows(rows), NODES), 0, -1)


def matrix(data: Any) -> Any:
    return data.category.reshape(-1, len(data.counts))


@pytest.mark.parametrize("name", MODELS)
def test_s_x2_and_ld_x2_are_those_of_mirt(golden: Callable[[str], Any], answers: Callable[[str], Any], name: str) -> None:
    wanted, rows, model = golden("mirt_item_fit.json")["fits"][name], rows_of(name), MODELS[name]
    p, weights, scores = curves_of(rows), weights_of(fit_of(name)["variance"]), matrix(answers(name))
    found = s_x2(scores, p, weights, [n + (model in FIXED_SLOPE) for n in parameters_behind(rows)])
    for own in ("statistic", "df", "p", "rmsea"):
        np.testing.assert_allclose(getattr(found, own), wanted[own], atol=1e-8)
    pairs = ld_x2(scores, p, weights)
    np.testing.assert_allclose(pairs.statistic[np.tril_indices(len(rows), -1)], wanted["ld"], atol=1e-8)
    signs = np.where(pairs.v[np.triu_indices(len(rows), 1)] > 0, "+", "-")
    assert "".join(signs) == wanted["sign"]


@settings(max_examples=25)
@given(st.lists(st.lists(st.floats(0.01, 1), min_size=2, max_size=4), min_size=1, max_size=5))
def test_summed_scores_are_those_of_counting_every_pattern(raw: list[list[float]]) -> None:
    curves = [np.array(own)[:, None] / sum(own) for own in raw]
    for chosen in (curves, *(curves[:i] + curves[i + 1 :] for i in range(len(curves)))):
        counted = np.zeros(1 + sum(len(own) - 1 for own in chosen))
        for pattern in itertools.product(*(range(len(own)) for own in chosen)):
            counted[sum(pattern)] += np.prod([own[k, 0] for own, k in zip(chosen, pattern, strict=True)])
        if chosen:
            np.testing.assert_allclose(summed_scores(chosen)[:, 0], counted, atol=1e-12)
    for i, rest in enumerate(without_each(curves)):
        np.testing.assert_allclose(rest, summed_scores([*curves[:i], *curves[i + 1 :]]) if len(curves) > 1 else np.ones((1, 1)))


def test_an_item_that_leaves_its_curve_stands_out_and_the_others_do_not(draw: Callable[..., Any]) -> None:
    rows = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1.5, 1.5, 15)]
    theta = np.random.default_rng(531).normal(size=3000)
    data = draw(rows, theta, 532)
    scores = matrix(data).copy()
    scores[:, 7] = np.random.default_rng(533).random(3000) < 0.25 + 0.5 * (np.abs(theta) < 0.7)  # the middle solves it best
    found = s_x2(scores, curves_of(rows), weights_of(1.0), [0] * 15)
    assert found.p[7] < 1e-10
    assert found.rmsea[7] > 0.05
    assert np.sort(np.delete(found.p, 7))[0] > 1e-4


def test_two_items_that_share_more_than_ability_stand_out_in_ld_x2(draw: Callable[..., Any]) -> None:
    data = draw([Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1, 1, 10)], np.random.default_rng(541).normal(size=2000), 542)
    scores = matrix(data).copy()
    twin = np.random.default_rng(543).random(2000) < 0.3
    scores[twin, 9] = scores[twin, 4]
    rows = list(type(data).of(scores).fit("2pl", tolerance=1e-4).rows)
    found = ld_x2(scores, curves_of(rows), weights_of(1.0))
    assert np.unravel_index(np.nanargmax(found.z), found.z.shape) in {(4, 9), (9, 4)}
    assert found.z[4, 9] > 10
    assert found.v[4, 9] > 0.1
    assert np.nanmax(np.abs(np.delete(np.delete(found.z, [4, 9], 0), [4, 9], 1))) < 6
    np.testing.assert_allclose(found.z, found.z.T, atol=1e-9)
    assert found.df[0, 9] == 1
    assert np.isnan(np.diag(found.statistic)).all()


def test_a_short_form_leaves_no_degrees_of_freedom_and_gets_no_p(draw: Callable[..., Any]) -> None:
    rows = [Row("2pl", 1.0, [0.0])] * 3
    found = s_x2(matrix(draw(rows, np.zeros(50), 1)), curves_of(rows), weights_of(1.0), [2] * 3)
    assert (found.df <= 0).all()
    assert np.isnan(found.p).all()


@pytest.mark.parametrize("method", [lambda s, p, w: s_x2(s, p, w, [2] * 4), ld_x2])
def test_incomplete_answers_and_categories_that_an_item_lacks_are_refused(method: Callable[..., Any]) -> None:
    p, weights = curves_of([Row("2pl", 1.0, [0.0])] * 3 + [Row("grm", 1.0, [-1.0, 1.0])]), weights_of(1.0)
    scores = np.random.default_rng(1).integers(0, 2, (30, 4))
    with pytest.raises(Faulty, match="are incomplete or routed"):
        method(np.where(scores == 0, -1, scores), p, weights)
    scores[3, 1] = 2
    with pytest.raises(Faulty, match="item 2: have categories that its model lacks"):
        method(scores, p, weights)


@pytest.mark.slow
def test_s_x2_rejects_a_true_model_about_as_often_as_its_level_says(draw: Callable[..., Any]) -> None:
    """60 samples of 1,000 people on 20 2PL items, estimated: share of p < .05; Orlando & Thissen (2000) found .04 to .07."""
    rng = np.random.default_rng(551)
    rows = [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0.1, 0.3, 20), rng.normal(size=20), strict=True)]
    small = []
    for seed in range(60):
        data = draw(rows, rng.normal(size=1000), 600 + seed)
        small.append(s_x2(matrix(data), curves_of(list(data.fit("2pl").rows)), weights_of(1.0), [2] * 20).p < 0.05)
    assert 0.03 < np.mean(small) < 0.07, np.mean(small)


def test_items_that_share_their_steps_are_counted_with_the_steps_of_the_first_and_a_shift_of_their_own() -> None:
    """A slope (of pcm and rsm given), K - 1 steps and, of every further item with as many shared steps, its shift. Two categories have no step to share."""
    rows = [
        Row("2pl", 1.1, [0.2]), Row("rsm", 1.0, [-0.5, 0.5]), Row("mgrm", 1.2, [-0.4, 0.6]), Row("rsm", 1.0, [0.1, 1.1]),
        Row("rsm", 1.0, [-1.0, 0.0, 1.0]), Row("mgrm", 0.9, [0.0, 1.0]), Row("rsm", 1.0, [0.3]), Row("rsm", 1.0, [0.6]),
        Row("pcm", 1.0, [-0.5, 0.5]), Row("3pl", 1.0, [0.1], 0.2), Row("nrm", 1.0, [0.1, 0.2], slopes=[0.5, 1.0]),
    ]  # fmt: skip
    assert parameters_behind(rows) == [2, 2, 3, 3, 3, 4, 1, 1, 2, 3, 4]
