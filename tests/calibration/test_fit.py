"""Fit of items and persons: the numbers of mirt at its own parameters, and what misfit looks like."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.fit import LEAST_COMMON, residuals, rmsd
from cat_engine import Row
from tests.calibration.mirt import MODELS, fit_of, rows_of

PERSON = ("lz", "person_infit", "person_outfit", "person_z_infit", "person_z_outfit")


def reliability(theta: Any, se: Any) -> float:
    """Of EAP scores: their variance by that of ability."""
    return float(np.var(theta, ddof=1) / (np.var(theta, ddof=1) + np.mean(se**2)))


@pytest.mark.parametrize("name", MODELS)
def test_residual_statistics_and_scores_are_those_of_mirt(golden: Callable[[str], Any], answers: Callable[[str], Any], name: str) -> None:
    wanted, rows, data = golden("mirt_residuals.json")["fits"][name], rows_of(name), answers(name)
    found = residuals(data.person, data.item, data.category, rows, 0.0, np.sqrt(fit_of(name)["variance"]))
    for own in ("infit", "outfit", "z_infit", "z_outfit"):
        np.testing.assert_allclose(getattr(found, own), wanted[own], atol=1e-9)
    np.testing.assert_allclose(found.q3[np.tril_indices(len(rows), -1)], wanted["q3"], atol=1e-9)
    who = np.array(wanted["rows"]) - 1
    for own, theirs in (("theta", "eap"), ("se", "se_eap"), *((own, own) for own in PERSON)):
        np.testing.assert_allclose(getattr(found, own)[who], wanted[theirs], atol=1e-9)
    assert reliability(found.theta, found.se) == pytest.approx(wanted["rxx"], abs=1e-9)
    assert found.n.tolist() == [sum(own) for own in data.counts]


def test_residual_statistics_and_scores_of_incomplete_answers_are_those_of_mirt(answers: Callable[[str], Any]) -> None:
    fit, data = fit_of("fipc"), answers("fipc")
    wanted, who = fit["scores"], np.array(fit["scores"]["rows"]) - 1
    found = residuals(data.person, data.item, data.category, rows_of("fipc"), fit["mean"], np.sqrt(fit["variance"]))
    for own, theirs in (("theta", "eap"), ("se", "se_eap"), *((own, own) for own in PERSON[:3])):
        np.testing.assert_allclose(getattr(found, own)[who], wanted[theirs], atol=1e-9)
    assert reliability(found.theta, found.se) == pytest.approx(wanted["rxx"], abs=1e-9)


def test_an_answer_that_nobody_could_doubt_does_not_outweigh_all_others() -> None:
    """Of 200 people the ablest fails an item that all but one in e^12 solve: its residual is divided by .0032, not by e^-12."""
    theta = np.append(np.linspace(-1, 1, 199), 12.0)
    found = residuals(
        np.arange(200), np.zeros(200, dtype=int), np.append(np.tile([0, 1], 100)[:199], 0), [Row("2pl", 1.0, [0.0])], theta=theta
    )
    assert found.person_outfit[199] == pytest.approx(1 / np.sqrt(1e-5), rel=1e-4)
    assert found.outfit[0] < 4


@pytest.mark.parametrize("model", ["3pl", "grm"])
@pytest.mark.parametrize("at", ["true_theta", "EAP"])
def test_lz_at_a_given_ability_is_that_of_mirt(golden: Callable[[str], Any], model: str, at: str) -> None:
    wanted = golden("mirt_residuals.json")["lz"][model]
    matrix = np.array([[int(c) for c in line] for line in wanted["answers"]])
    person, item = np.nonzero(matrix >= 0)
    rows = [
        Row("3pl", own[0], [-own[1] / own[0]], own[2]) if model == "3pl" else Row("grm", own[0], [-d / own[0] for d in own[1:]])
        for own in wanted["items"]
    ]
    found = residuals(person, item, matrix[person, item], rows, theta=np.array(wanted[at]))
    np.testing.assert_allclose(found.lz, wanted["lz_true" if at == "true_theta" else "lz_EAP"], atol=1e-9)
    assert np.isnan(found.se).all()
    if at == "true_theta":
        assert found.lz[70:].mean() < found.lz[:60].mean() - 1.5  # random answers are improbable ones


def test_mean_squares_are_about_one_where_the_model_holds_and_not_where_it_does_not(draw: Callable[..., Any]) -> None:
    true = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1.5, 1.5, 19)] + [Row("2pl", 0.3, [0.0])]
    theta = np.random.default_rng(501).normal(size=3000)
    data = draw(true, theta, 502)
    found = residuals(data.person, data.item, data.category, [*true[:19], Row("2pl", 1.3, [0.0])], theta=theta)
    np.testing.assert_allclose(found.infit[:19], 1, atol=0.08)
    assert found.outfit[19] > 1.3
    assert found.z_infit[19] > 5
    assert np.abs(found.lz.mean()) < 0.6
    assert np.abs(found.q3[np.triu_indices(19, 1)]).max() < 0.1


def test_two_items_that_share_more_than_ability_stand_out_in_q3(draw: Callable[..., Any]) -> None:
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1, 1, 12)]
    data = draw(rows, np.random.default_rng(511).normal(size=2000), 512)
    category = data.category.copy()
    twin = np.random.default_rng(513).random(2000) < 0.6
    category[(data.item == 7) & twin[data.person]] = category[(data.item == 6) & twin[data.person]]
    q3 = residuals(data.person, data.item, category, rows).q3
    np.fill_diagonal(q3, 0)
    assert np.unravel_index(np.argmax(q3), q3.shape) in {(6, 7), (7, 6)}
    assert q3[6, 7] > 0.3
    np.testing.assert_allclose(q3, q3.T, atol=1e-12)


def test_pairs_that_few_people_met_have_no_q3() -> None:
    person = np.concatenate([np.arange(40), np.arange(LEAST_COMMON - 1)])
    item = np.repeat([0, 1], [40, LEAST_COMMON - 1])
    category = np.random.default_rng(7).integers(0, 2, len(person))
    q3 = residuals(person, item, category, [Row("2pl", 1.0, [0.0])] * 2).q3
    assert np.isnan(q3[0, 1])
    assert q3[0, 0] == pytest.approx(1)


def test_rmsd_is_near_nothing_where_the_model_holds_and_large_where_it_does_not(draw: Callable[..., Any]) -> None:
    rows = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1, 1, 10)]
    data = draw(rows, np.random.default_rng(521).normal(size=4000), 522)
    assert rmsd(data.fit("2pl", tolerance=1e-4)).max() < 0.02
    category = data.category.copy()
    theta = np.random.default_rng(521).normal(size=4000)[data.person]
    category[data.item == 5] = np.abs(theta[data.item == 5]) < 0.7  # the middle solves it, and nobody else
    data.category[:] = category
    found = rmsd(data.fit("2pl", tolerance=1e-4))
    assert found[5] > 0.1
    assert np.delete(found, 5).max() < 0.04
