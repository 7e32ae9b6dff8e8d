"""Standard errors where an estimate has run into its bound: none of that parameter, and of the others those of a fit in which it is given."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calibration.curves import B_BOUND, C_BOUNDS, D_BOUNDS
from calibration.estimate import Demands, estimate
from calibration.files import write_estimates_csv
from calibration.mml import MmlFit, MmlOptions, Priors
from calibration.pipeline import CalibrationOptions, calibrate
from calibration.proposal_files import proposal_csv, proposal_json
from calibration.standalone import Specification, calibrate_answers
from calibration.uncertainty import _loose, standard_errors
from cat_engine import Row

STEP = 1e-3
THREE = [Row("3pl", 1.3, [b], c) for b, c in ((-1.2, 0.0), (-0.3, 0.25), (0.2, 0.2), (0.9, 0.0), (1.2, 0.25))]
STEEP_STEP = [Row("gpcm", 0.5, [-0.5, 9.0]), *(Row("gpcm", 1.2, [b, b + 0.5]) for b in (-0.8, -0.2, 0.5, 1.0))]
SHARED = [Row("1pl", 0.6, [9.0]), *(Row("1pl", 0.6, [b]) for b in (-0.8, -0.2, 0.5, 1.0))]


def conditional(fit: MmlFit, directions: np.ndarray) -> np.ndarray:
    """Variances of the working parameters of the only shape [n, m], from second differences of the log-likelihood along directions[p, n, m] alone."""
    [shape] = fit.state.shapes
    best = shape.x.copy()

    def loglik(x: np.ndarray) -> float:
        shape.x = x
        return fit.design.expect(fit.state.table(fit.design, fit.nodes))[0]

    hessian = [
        [sum(i * j * loglik(best + STEP * (i * one + j * other)) for i in (1, -1) for j in (1, -1)) for other in directions]
        for one in directions
    ]
    shape.x = best
    covariance = np.linalg.inv(-np.array(hessian) / (4 * STEP**2))
    return np.asarray(np.einsum("pnm,pq,qnm->nm", directions, covariance, directions))


def axes(free: np.ndarray) -> np.ndarray:
    """One direction a parameter that is free[n, m]."""
    return np.asarray(np.eye(free.size).reshape(-1, *free.shape)[free.ravel()])


@pytest.mark.parametrize(
    ("rows", "people", "stuck"), [(THREE, 2000, [(2, 2), (3, 2)]), (STEEP_STEP, 900, [(0, 2)]), (SHARED, 900, [(0, 1)])], ids=["c", "a step", "b, with a common slope"]
)  # fmt: skip
def test_errors_are_those_of_the_observed_information_without_what_has_run_into_its_bound(
    draw: Callable[..., Any], rows: list[Row], people: int, stuck: list[tuple[int, int]]
) -> None:
    """Within the .1 % that differences and the few functions of ability are apart elsewhere; with the bounded ones among them they are up to 70 % off."""
    fit = draw(rows, np.random.default_rng(4).normal(size=people), 5).fit(rows[0].model, tolerance=1e-8)
    [shape] = fit.state.shapes
    given = np.zeros(shape.x.shape, dtype=bool)
    given[tuple(np.transpose(stuck))] = True
    assert shape.x[given] == pytest.approx([np.log(C_BOUNDS[0] / (1 - C_BOUNDS[0])) if len(rows[0].b) == 1 and shape.model == "3pl" else B_BOUND] * len(stuck))  # fmt: skip
    ways = axes(~given)
    if shape.model == "1pl":
        slopes = ways[:, :, 0].any(axis=1)
        ways = np.concatenate([ways[slopes].sum(axis=0, keepdims=True), ways[~slopes]])
    wanted = np.where(given, np.nan, np.sqrt(conditional(fit, ways)))
    for method, tolerance in (("oakes", 1e-3), ("xpd", 0.2)):  # the latter is another estimate of the same
        errors, k = standard_errors(fit, Priors.parse("none"), method), shape.n_cat
        np.testing.assert_allclose(errors.a, wanted[:, 0] * np.exp(shape.x[:, 0]), rtol=tolerance)
        np.testing.assert_allclose(errors.b, wanted[:, 1:k], rtol=tolerance)
        if shape.model == "3pl":
            c = np.array([row.c for row in fit.rows])
            np.testing.assert_allclose(errors.c, wanted[:, 2] * c * (1 - c), rtol=tolerance)


def test_tied_parameters_move_only_so_that_those_at_their_bound_stay() -> None:
    rng = np.random.default_rng(7)
    ties, stuck = rng.normal(size=(4, 3, 6)), np.zeros((4, 3), dtype=bool)
    assert _loose(ties, stuck) is ties
    stuck[[0, 2], [1, 2]] = True
    loose = _loose(ties, stuck)
    assert loose.shape == (4, 3, 4)  # of six, two are held
    assert (loose[stuck] == 0).all()
    both = np.concatenate([ties.reshape(12, 6), loose.reshape(12, 4)], axis=1)
    assert np.linalg.matrix_rank(both) == 6
    assert np.linalg.matrix_rank(loose.reshape(12, 4)) == 4


def test_an_item_at_its_bound_is_flagged_for_that_and_has_no_number_there(draw: Callable[..., Any]) -> None:
    data = draw(STEEP_STEP, np.random.default_rng(4).normal(size=900), 5)
    mml = MmlOptions(priors=Priors.parse("none"), tolerance=1e-6)
    demands = Demands(min_n=30, max_se=0.3, mml=mml)
    found = estimate(data.person, data.item, data.category, STEEP_STEP, demands, np.zeros(5, dtype=bool))
    assert [flags for flags in found.flags if flags] == [("at_bound",)]
    assert found.run is not None
    se_a, se_b, _ = found.run.errors.moved(0, found.run.fit.rows[0])
    assert np.isfinite([se_a, se_b[0]]).all()
    assert np.isnan(se_b[1])
    low = estimate(data.person, data.item, data.category, STEEP_STEP, Demands(30, 0.1, mml=mml), np.zeros(5, dtype=bool))
    assert low.flags[0] == ("uncertain", "at_bound")  # of what is known of it


def test_files_have_an_empty_cell_where_there_is_no_error_and_the_largest_of_those_that_there_are(
    draw: Callable[..., Any], bank_of: Callable[..., Any]
) -> None:
    data = draw(STEEP_STEP, np.random.default_rng(4).normal(size=900), 5)
    bank = bank_of(STEEP_STEP)
    log, mml = data.log(bank.ids), MmlOptions(priors=Priors.parse("none"))
    own = calibrate_answers(log, Specification("gpcm", {}, {}, {}), Demands(mml=mml))
    head, first = (line.split(",") for line in write_estimates_csv(own.verdicts).splitlines()[:2])
    cells = dict(zip(head, first, strict=True))
    assert cells["se_b2"] == ""
    assert cells["flag"] == "at_bound"
    assert min(float(cells["se_a"]), float(cells["se_b1"])) > 0
    proposal = calibrate(log, bank, CalibrationOptions(mml=mml))
    verdict = proposal.verdicts[0]
    assert verdict.flags == ("at_bound",)
    assert verdict.verdict == "keep"
    assert verdict.se_largest == verdict.se_b[0]
    assert json.loads(proposal_json(proposal))["items"][0]["se"]["b2"] is None
    assert ",at_bound" in proposal_csv(proposal)


def test_an_item_whose_curve_falls_is_one_that_the_four_parameters_cannot_say_and_stops_no_other(
    draw: Callable[..., Any], bank_of: Callable[..., Any]
) -> None:
    """Such an item drives c up and d down until they meet."""
    rows = [Row("4pl", 1.5, [b], 0.1, 0.95) for b in (-1.0, -0.3, 0.0, 0.4, 1.0)]
    data = draw(rows, np.random.default_rng(8).normal(size=600), 5)
    data.category[data.item == 2] = 1 - data.category[data.item == 2]
    own = calibrate_answers(data.log(bank_of(rows).ids), Specification("4pl", {}, {}, {}), Demands(mml=MmlOptions(tolerance=1e-4)))
    assert [v.new is not None for v in own.verdicts] == [True] * 5
    assert "at_bound" in own.verdicts[2].flags
    assert C_BOUNDS[1] < D_BOUNDS[0]


def test_the_largest_error_is_of_those_that_there_are_in_whatever_order(draw: Callable[..., Any], bank_of: Callable[..., Any]) -> None:
    data = draw(STEEP_STEP, np.random.default_rng(4).normal(size=900), 5)
    verdict = calibrate_answers(data.log(bank_of(STEEP_STEP).ids), Specification("gpcm", {}, {}, {}), Demands()).verdicts[0]
    nan = float("nan")
    for errors in ((nan, 0.2, 0.1), (0.1, nan, 0.2), (0.2, 0.1, nan)):
        of_slopes = replace(verdict, se_a=nan, se_b=errors, se_slopes=errors)
        assert (of_slopes.se_largest, of_slopes.se_steepness) == (0.2, 0.2)
    none = replace(verdict, se_a=0.3, se_b=(nan, nan))
    assert np.isnan(none.se_largest)
    assert none.se_steepness == 0.3
