"""Agreement with reference software, on numbers committed under tests/golden: mirt 1.45.1, TAM 4.3-25, Kolen & Brennan (2014).

Data sets that belong to other packages are read from the folder of reference data; where it is not, their tests are skipped.
"""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.curves import curves
from calibration.linking import link
from calibration.mml import FLAT, MmlFit, MmlOptions, Priors, fit_mml
from calibration.state import State, shapes_of
from calibration.uncertainty import standard_errors
from cat_engine import Row

Golden = Callable[[str], Any]
SIMULATED = ("sim3PL", "simGPCM", "simGRM")
C_PRIOR = "logit_c=normal:-1.386,.5"
CASES = {
    "LSAT7_1PL": ("1pl", "none"),
    "LSAT7_2PL": ("2pl", "none"),
    "LSAT7_2PL_apriors": ("2pl", "a=lognormal:0,.5,intercept=normal:0,2"),
    "LSAT7_3PL": ("3pl", C_PRIOR),
    "LSAT7_Rasch": ("pcm", "none"),
    "Science_Rasch": ("pcm", "none"),
    "Science_gpcm": ("gpcm", "none"),
    "Science_graded": ("grm", "none"),
    "Science_nominal": ("nrm", "none"),
    "VerbAgg_2PL": ("2pl", "none"),
    "VerbAgg_Rasch": ("pcm", "none"),
    "VerbAgg_graded": ("grm", "none"),
    "VerbAgg_rsm": ("rsm", "none"),
    "sim3PL": ("3pl", f"{C_PRIOR},a=lognormal:.2,.4"),
    "simGPCM": ("gpcm", "none"),
    "simGRM": ("grm", "none"),
}
LOGNORMAL = ("LSAT7_2PL_apriors", "sim3PL")


def fit_of(name: str, answers: Callable[[str], Any]) -> MmlFit:
    model, priors = CASES[name]
    fit: MmlFit = answers(name).fit(model, priors)
    return fit


@pytest.mark.parametrize("name", CASES)
def test_log_likelihood_parameters_and_information_criteria_are_those_of_mirt(
    golden: Golden, answers: Callable[[str], Any], name: str
) -> None:
    wanted, fit = golden("mirt_fits.json")["fits"][name], fit_of(name, answers)
    assert fit.converged
    near = 1.2e-3 if name == "sim3PL" else 1e-4  # see below
    assert fit.loglik == pytest.approx(wanted["loglik"], abs=near)
    if CASES[name][1] == "none":  # with priors it is the posterior that is highest
        assert fit.loglik > wanted["loglik"]
    assert fit.n_free == wanted["n_free"]
    assert fit.aic == pytest.approx(wanted["aic"], abs=2 * near)
    assert fit.bic == pytest.approx(wanted["bic"], abs=2 * near)
    assert fit.sd**2 == pytest.approx(wanted["variance"], abs=1e-3)
    near = 4e-3 if name == "Science_nominal" else 1e-3  # see below
    for row, item in zip(fit.rows, wanted["items"].values(), strict=True):
        np.testing.assert_allclose(row.b, item["b"], atol=near)
        np.testing.assert_allclose(row.slopes, item.get("slopes", []), atol=near)
        assert row.a == pytest.approx(item.get("a", 1.0), abs=1e-3)
        assert row.c == pytest.approx(item.get("c", 0.0), abs=1e-3)


def state_of(fit: MmlFit, rows: list[Row], variance: float = 1.0) -> State:
    """The parameters `rows` and a variance of ability in place of those of a fit."""
    return State(shapes_of(rows, np.zeros(len(rows), dtype=bool)), np.array([[0.0, 0.5 * np.log(variance)]]), fit.state.free)


def test_mirt_stopped_short_of_the_maximum_of_the_nominal_model_by_a_thousandth_of_a_standard_error(
    golden: Golden, answers: Callable[[str], Any]
) -> None:
    wanted, fit = golden("mirt_fits.json")["fits"]["Science_nominal"], fit_of("Science_nominal", answers)
    rows = [Row("nrm", 1.0, item["b"], slopes=item["slopes"]) for item in wanted["items"].values()]

    def steepest(state: State) -> tuple[float, float]:
        loglik, expected = fit.design.expect(state.table(fit.design, fit.nodes))
        shape = state.shapes[0]
        slope = np.einsum("nmkq,nkq->nm", curves("nrm", shape.x, fit.nodes)[1], expected[:-1].reshape(4, 4, -1))
        return loglik, float(np.abs(slope).max())

    loglik, slope = steepest(state_of(fit, rows))
    assert loglik == pytest.approx(wanted["loglik"], abs=1e-9)
    assert slope > 1e-4
    assert steepest(fit.state) == pytest.approx((loglik + 1e-6, 0.0), abs=1e-5)
    assert fit.loglik > loglik
    errors = standard_errors(fit, FLAT)
    for i, row in enumerate(rows):
        assert np.all(np.abs(np.subtract(fit.rows[i].b, row.b)) < 2e-3 * errors.b[i])
        assert np.all(np.abs(np.subtract(fit.rows[i].slopes, row.slopes)) < 3e-3 * errors.slopes[i])


@pytest.mark.parametrize("name", ["LSAT7_2PL_apriors", "LSAT7_3PL", "sim3PL"])
def test_the_posterior_with_priors_is_higher_than_where_mirt_stopped(golden: Golden, answers: Callable[[str], Any], name: str) -> None:
    """By 5e-7 at most. On sim3PL an EM cycle from where it stopped still moves a parameter by 2e-4; the likelihood, without the priors, is not flat there."""
    model, priors = CASES[name][0], Priors.parse(CASES[name][1])
    wanted, fit = golden("mirt_fits.json")["fits"][name], fit_of(name, answers)
    theirs = state_of(fit, [Row(model, item["a"], item["b"], item.get("c", 0.0)) for item in wanted["items"].values()])
    loglik, expected = fit.design.expect(theirs.table(fit.design, fit.nodes))
    assert loglik == pytest.approx(wanted["loglik"], abs=1e-9)
    gain = fit.loglik + fit.state.log_prior(priors) - loglik - theirs.log_prior(priors)
    assert 0 < gain < 6e-7
    before = theirs.vector()
    theirs.maximise(expected, fit.design, fit.nodes, priors)
    if name == "sim3PL":
        assert np.abs(theirs.vector() - before).max() > 1e-4


class TurnedPriors(Priors):
    """The second derivative of a lognormal log-density, 1/a^2 (1 - 1/s^2 + (ln a - m)/s^2), as mirt 1.45.1 has it: with a minus before the last term."""

    def slopes(self, model: str, x: Any) -> Any:
        gradient, curvature = super().slopes(model, x)
        prior = self.by_quantity["a"]
        gradient[:, 0] -= ((x[:, 0] - prior.first) / prior.second) ** 2
        return gradient, curvature


@pytest.mark.parametrize("name", CASES)
def test_standard_errors_are_those_of_mirt(golden: Golden, answers: Callable[[str], Any], name: str) -> None:
    """In slope-intercept form. A lognormal prior on slopes has another sign in mirt's second derivatives: with it ours are mirt's, without it they are those
    of differences of the log-posterior (test_uncertainty.py). Cross-products of scores with such a prior differ by up to 13 %.
    """
    wanted, fit, model = golden("mirt_errors.json")["fits"][name], fit_of(name, answers), CASES[name][0]
    priors = Priors.parse(CASES[name][1])
    for method, theirs in wanted.items():
        if name in LOGNORMAL and method == "xpd":
            continue
        found = standard_errors(fit, TurnedPriors(priors.by_quantity) if name in LOGNORMAL else priors, method)
        near = 5e-3 if model == "nrm" else 2e-3
        if "COV_11" in theirs[-1]:
            assert 2 * fit.sd * found.sd[0] == pytest.approx(theirs[-1]["COV_11"], rel=near)
        for i, (row, item) in enumerate(zip(fit.rows, theirs[:-1], strict=True)):
            if model == "nrm":  # mirt's own slope is a third of the highest category's; its other parameters are ratios
                assert found.slopes[i, -1] == pytest.approx(3 * item["a1"], rel=near)
                np.testing.assert_allclose(found.b[i], [item[f"d{k}"] for k in (1, 2, 3)], rtol=near)
                continue
            if model == "rsm":  # of the first item alone: from the second on mirt has a shift beside the steps
                if i == 0:
                    np.testing.assert_allclose(found.b[i], [item["b1"], item["b2"]], rtol=near)
                continue
            b, sums = np.array(row.b), 1 if model in ("gpcm", "pcm") else len(row.b)  # later intercepts are sums of steps
            if model == "pcm":
                assert np.isnan(found.a[i])
                intercept = found.b[i]
            else:
                assert found.a[i] == pytest.approx(item["a1"], rel=near)
                own = found.b[i, : len(b)], found.covariance[i, : len(b)]
                intercept = np.sqrt((b * found.a[i]) ** 2 + (row.a * own[0]) ** 2 + 2 * row.a * b * own[1])
            np.testing.assert_allclose(
                intercept[:sums], [item["d"]] if "d" in item else [item[f"d{k + 1}"] for k in range(sums)], rtol=near
            )
            if model == "3pl":
                assert found.c[i] / (row.c * (1 - row.c)) == pytest.approx(item["logit(g)"], rel=near)


@pytest.mark.parametrize("name", [name for name in CASES if name not in (*LOGNORMAL, "Science_nominal", "VerbAgg_rsm")])
def test_standard_errors_of_b_are_those_of_mirt(golden: Golden, answers: Callable[[str], Any], name: str) -> None:
    """But that of the first step of a gpcm item, where mirt's delta method is up to 73 % off its own covariances: the error of its intercept is held above."""
    wanted, fit = golden("mirt_fits.json")["fits"][name], fit_of(name, answers)
    found = standard_errors(fit, Priors.parse(CASES[name][1]))
    first = 1 if name.endswith(("gpcm", "GPCM")) else 0
    for i, item in enumerate(wanted["items"].values()):
        np.testing.assert_allclose(found.b[i, first : len(item["b"])], item["se_b"][first:], rtol=2e-3)
        if "se_c" in item:
            assert found.c[i] == pytest.approx(item["se_c"], rel=2e-3)


@pytest.mark.parametrize("name", ["LSAT7_2PL", "LSAT7_Rasch", "Science_Rasch", "Science_gpcm", "VerbAgg_2PL", "VerbAgg_Rasch"])
def test_log_likelihood_and_parameters_are_those_of_tam(golden: Golden, answers: Callable[[str], Any], name: str) -> None:
    wanted, fit = golden("tam_fits.json")["fits"][name], fit_of(name, answers)
    # TAM's density of ability is that of all people, ours of those on the grid: with an sd of 1.38 one in a hundred thousand is beyond.
    sd = np.sqrt(wanted.get("variance", 1.0))
    inside = (np.exp(-0.5 * (fit.nodes / sd) ** 2) / (sd * np.sqrt(2 * np.pi))).sum() * np.diff(fit.nodes)[0]
    assert fit.loglik + fit.design.n_persons * np.log(inside) == pytest.approx(wanted["loglik"], abs=1e-6)
    assert fit.loglik > wanted["loglik"]
    if "variance" in wanted:
        assert fit.sd**2 == pytest.approx(wanted["variance"], abs=2e-5)
        np.testing.assert_allclose([row.b for row in fit.rows], wanted["xsi"], atol=1e-5)
        return
    assert [row.a for row in fit.rows] == pytest.approx(wanted["slopes"], abs=1e-4)
    np.testing.assert_allclose([-row.a * np.cumsum(row.b) for row in fit.rows], wanted["intercepts"], atol=1e-4)


def test_fixed_parameter_calibration_is_that_of_mirt(golden: Golden, answers: Callable[[str], Any]) -> None:
    wanted, data = golden("mirt_fipc.json"), answers("fipc")
    items = list(wanted["items"].values())
    fixed = np.array([item["fixed"] for item in items])
    rows = [Row("2pl", item["a"], [item["b"]]) if item["fixed"] else Row("2pl", 1.0, [0.0]) for item in items]
    options = MmlOptions(priors=FLAT, tolerance=1e-6)
    fit = fit_mml(data.person, data.item, data.category, rows, options, fixed)
    assert fit.loglik == pytest.approx(wanted["loglik"], abs=1e-4)
    assert [fit.mean, fit.sd**2] == pytest.approx([wanted["mean"], wanted["variance"]], abs=1e-4)
    assert [row.a for row in fit.rows] == pytest.approx([item["a"] for item in items], abs=1e-3)
    assert [row.b[0] for row in fit.rows] == pytest.approx([item["b"] for item in items], abs=1e-3)
    assert [row for row, held in zip(fit.rows, fixed, strict=True) if held] == [row for row, held in zip(rows, fixed, strict=True) if held]
    errors = standard_errors(fit, FLAT)
    assert [errors.mean[0], 2 * fit.sd * errors.sd[0]] == pytest.approx([wanted["se_mean"], wanted["se_variance"]], rel=2e-3)
    for i, item in enumerate(items):
        if item["fixed"]:
            assert np.isnan([errors.a[i], errors.b[i, 0]]).all()
        else:
            assert [errors.a[i], errors.b[i, 0]] == pytest.approx([item["se_a"], item["se_b"]], rel=2e-3)
    assert fit.n_free == wanted["n_free"]
    assert [fit.aic, fit.bic] == pytest.approx([wanted["aic"], wanted["bic"]], abs=2e-4)
    free, theirs = fit_mml(data.person, data.item, data.category, rows, options), wanted["free"]
    assert free.loglik == pytest.approx(wanted["loglik_free"], abs=1e-4)
    assert [row.a for row in free.rows] == pytest.approx(theirs["a"], abs=2e-3)  # mirt went to 1e-5 only
    assert [row.b[0] for row in free.rows] == pytest.approx(theirs["b"], abs=1e-3)
    options, theirs = MmlOptions(priors=FLAT, tolerance=1e-6, fipc="nwu-mem"), wanted["fixed_density"]
    still = fit_mml(data.person, data.item, data.category, rows, options, fixed)
    errors = standard_errors(still, FLAT)
    assert (still.mean, still.sd, still.n_free) == (0.0, 1.0, theirs["n_free"])
    assert still.loglik == pytest.approx(theirs["loglik"], abs=1e-4)
    assert [row.a for row in still.rows] == pytest.approx(theirs["a"], abs=1e-3)
    assert [row.b[0] for row in still.rows] == pytest.approx(theirs["b"], abs=1e-3)
    np.testing.assert_allclose(errors.a[~fixed], np.array(theirs["se_a"], dtype=float)[~fixed], rtol=2e-3)
    np.testing.assert_allclose(errors.b[~fixed, 0], np.array(theirs["se_b"], dtype=float)[~fixed], rtol=2e-3)


def test_linking_constants_of_kb36_are_those_published(golden: Golden, shared: Path) -> None:
    def form(name: str) -> list[Row]:
        with (shared / "data" / f"kb36_form{name}_3pl.csv").open(newline="") as file:
            return [Row("3pl", float(row["a"]), [float(row["b"])], float(row["c"])) for row in csv.DictReader(file)]

    common = range(2, 36, 3)
    new, old = ([form(name)[k] for k in common] for name in ("X", "Y"))
    for method, constants in golden("kb36_linking.json")["constants"].items():
        assert link(new, old, method) == pytest.approx(constants, abs=1e-6)


def test_two_groups_with_common_items_are_those_of_mirt(golden: Golden, shared: Path) -> None:
    wanted = golden("mirt_groups.json")
    with (shared / "golden" / "f_dif.csv").open(newline="") as file:
        table = list(csv.reader(file))[1:]
    matrix = np.array([[int(cell) for cell in line[1:]] for line in table])
    group = np.array([int(line[0] == "M") for line in table])
    person, item = np.nonzero(matrix >= 0)
    start = [Row("2pl", 1.0, [0.0])] * matrix.shape[1]
    fit = fit_mml(person, item, matrix[person, item], start, MmlOptions(priors=FLAT, tolerance=1e-6), group=group)
    assert fit.loglik == pytest.approx(wanted["loglik"], abs=1e-4)
    assert [fit.means[1], fit.sds[1] ** 2] == pytest.approx([wanted["mean"], wanted["variance"]], abs=1e-3)
    assert (fit.mean, fit.sd) == (0.0, 1.0)
    np.testing.assert_allclose([(row.a, -row.a * row.b[0]) for row in fit.rows], wanted["items"], atol=1e-3)
