"""Standard errors against the definition: second differences of the log-posterior, and the spread of estimates over repeated samples."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from calibration import uncertainty
from calibration.mml import FLAT, MmlFit, MmlOptions, Priors, fit_mml
from calibration.uncertainty import standard_errors
from cat_engine import Faulty, Row

STEP = 1e-3


def by_differences(fit: MmlFit, priors: Priors) -> np.ndarray:
    """Covariance [n, m, n, m] of the working parameters of the only shape, from second differences of the log-posterior."""
    shape = fit.state.shapes[0]
    best = shape.x.copy()
    n = best.size

    def log_posterior(x: np.ndarray) -> float:
        shape.x = x.reshape(best.shape)
        return fit.design.expect(fit.state.table(fit.design, fit.nodes))[0] + fit.state.log_prior(priors)

    hessian = np.zeros((n, n))
    for i in range(n):
        for j in range(i + 1):
            for sign_i in (1, -1):
                for sign_j in (1, -1):
                    x = best.ravel().copy()
                    x[i] += sign_i * STEP
                    x[j] += sign_j * STEP
                    hessian[i, j] += sign_i * sign_j * log_posterior(x) / (4 * STEP**2)
            hessian[j, i] = hessian[i, j]
    shape.x = best
    return np.linalg.inv(-hessian).reshape(2 * best.shape)


def se_of(fit: MmlFit, covariance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """SEs of a and of b, of a model whose first working parameter is log a."""
    x = fit.state.shapes[0].x
    se = np.sqrt(np.diag(covariance.reshape(x.size, x.size))).reshape(x.shape)
    return se[:, 0] * np.exp(x[:, 0]), se[:, 1:]


@pytest.mark.parametrize(
    ("model", "priors", "row"),
    [
        ("2pl", "a=lognormal:0,.5,intercept=normal:0,2", Row("2pl", 1.2, [0.3])),
        ("3pl", "a=lognormal:.2,.4,c=beta:5,17", Row("3pl", 1.2, [0.3], 0.2)),
        ("4pl", "default", Row("4pl", 1.2, [0.3], 0.15, 0.92)),
        ("gpcm", "none", Row("gpcm", 0.9, [-0.8, 0.1, 0.9])),
        ("grm", "b=normal:0,1", Row("grm", 1.4, [-0.8, 0.1, 0.9])),
    ],
)
def test_oakes_errors_are_those_of_the_observed_information(draw: Callable[..., Any], model: str, priors: str, row: Row) -> None:
    rows = [row._replace(b=[b + 0.3 * k for b in row.b]) for k in range(4)]
    data = draw(rows, np.random.default_rng(4).normal(size=900), 5)
    fit = data.fit(model, priors, tolerance=1e-8)
    errors = standard_errors(fit, Priors.parse(priors))
    a, b = se_of(fit, by_differences(fit, Priors.parse(priors)))
    np.testing.assert_allclose(errors.a, a, rtol=1e-3)
    np.testing.assert_allclose(errors.b, b[:, : errors.b.shape[1]], rtol=1e-3)


def test_errors_of_nominal_items_and_their_covariances_are_those_of_the_observed_information(draw: Callable[..., Any]) -> None:
    rows = [Row("nrm", 1.0, [0.5, 0.2 * k], slopes=[0.9, 1.7 - 0.4 * k]) for k in range(4)]
    fit = draw(rows, np.random.default_rng(4).normal(size=900), 5).fit("nrm", "slope=normal:0,2,intercept=normal:0,3", tolerance=1e-8)
    priors = Priors.parse("slope=normal:0,2,intercept=normal:0,3")
    errors = standard_errors(fit, priors)
    covariance = by_differences(fit, priors)
    for i in range(4):
        np.testing.assert_allclose(errors.slopes[i], np.sqrt(np.diag(covariance[i, :2, i, :2])), rtol=1e-3)
        np.testing.assert_allclose(errors.b[i], np.sqrt(np.diag(covariance[i, 2:, i, 2:])), rtol=1e-3)
        np.testing.assert_allclose(errors.covariance[i], np.diag(covariance[i, :2, i, 2:]), rtol=3e-3)
        se_a, se_b, se_slopes = errors.moved(
            i, fit.rows[i], 1.25, -0.5
        )  # theta has become 1.25 theta - .5: the intercept there is b + .4 slope
        turn = np.hstack([0.4 * np.eye(2), np.eye(2)])
        np.testing.assert_allclose(se_b, np.sqrt(np.diag(turn @ covariance[i, :, i] @ turn.T)), rtol=1e-3)
        np.testing.assert_allclose(se_slopes, errors.slopes[i] / 1.25)
        assert np.isnan(se_a)


def test_standard_errors_are_the_spread_of_estimates_over_samples(draw: Callable[..., Any]) -> None:
    rows = [Row("2pl", 1.3, [b]) for b in (-1.0, -0.3, 0.0, 0.4, 1.1)]
    estimates, promised = [], []
    for seed in range(60):
        fit = draw(rows, np.random.default_rng(1000 + seed).normal(size=800), seed).fit("2pl", tolerance=1e-5)
        errors = standard_errors(fit, Priors.parse("none"))
        estimates.append([(row.a, row.b[0]) for row in fit.rows])
        promised.append(np.stack([errors.a, errors.b[:, 0]], axis=1))
    ratio = np.std(estimates, axis=0).mean(axis=0) / np.mean(promised, axis=0).mean(axis=0)
    assert np.all(np.abs(ratio - 1) < 0.15), ratio


def test_no_number_is_given_where_answers_carry_no_information(draw: Callable[..., Any]) -> None:
    data = draw([Row("2pl", 1.0, [0.0]), Row("2pl", 1.0, [0.5])], np.random.default_rng(2).normal(size=300), 3)
    fit = data.fit("2pl", max_cycles=50)  # two items do not determine two slopes
    errors = standard_errors(fit, Priors.parse("none"))
    assert np.isnan(errors.a).all() or (errors.a > 1).all()


def test_errors_beside_a_narrow_group_are_those_of_the_observed_information(draw: Callable[..., Any]) -> None:
    """The scores of its mean and sd are large; they once crowded out the items', whose errors were up to 8 % off."""
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1, 1.5, 6)]
    rng = np.random.default_rng(11)
    data = draw(rows, np.concatenate([rng.normal(size=600), rng.normal(1, 0.3, 600)]), 6)
    group = np.repeat([0, 1], 600)
    fit = fit_mml(data.person, data.item, data.category, rows, MmlOptions(priors=FLAT, tolerance=1e-7), group=group)
    assert 0.1 < fit.sds[1] < 0.35
    answers = data.category.reshape(1200, 6)

    def loglik(x: np.ndarray) -> float:
        p = expit(np.exp(x[:6, None]) * (fit.nodes - x[6:12, None]))
        likelihood = np.exp(answers @ np.log(p) + (1 - answers) @ np.log1p(-p))
        w = np.exp(-0.5 * np.stack([fit.nodes, (fit.nodes - x[12]) / np.exp(x[13])]) ** 2)
        return float(np.log((likelihood * (w / w.sum(axis=1, keepdims=True))[group]).sum(axis=1)).sum())

    at = np.array([*(np.log(row.a) for row in fit.rows), *(row.b[0] for row in fit.rows), fit.means[1], np.log(fit.sds[1])])
    steps = STEP * np.eye(14)
    pairs = [(one, other) for one in steps for other in steps]
    hessian = [loglik(at + i + j) - loglik(at + i - j) - loglik(at - i + j) + loglik(at - i - j) for i, j in pairs]
    se = np.sqrt(np.diag(np.linalg.inv(-np.reshape(hessian, (14, 14)) / (4 * STEP**2))))
    errors = standard_errors(fit, FLAT)
    found = np.array([*errors.a, *errors.b[:, 0], errors.mean[1], errors.sd[1]])
    np.testing.assert_allclose(found, se * np.array([*(row.a for row in fit.rows), *(1,) * 7, fit.sds[1]]), rtol=2e-3)


def test_few_functions_of_ability_are_enough_where_boundaries_of_graded_items_are_close(
    draw: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Scores of close boundaries are large; they once crowded out those of slopes, whose errors were up to 4 % off. Against all functions there are."""
    rng = np.random.default_rng(2)
    rows = [Row("grm", float(a), np.sort(b).tolist()) for a, b in zip(rng.lognormal(0.5, 0.3, 30), rng.normal(size=(30, 4)), strict=True)]
    data = draw(rows, rng.normal(size=1500), 3)
    fit = fit_mml(data.person, data.item, data.category, rows, MmlOptions(priors=FLAT))
    few = standard_errors(fit, FLAT)
    monkeypatch.setattr("calibration.uncertainty.SVD_TOLERANCE", 1e-6)
    monkeypatch.setattr("calibration.uncertainty.LEAST_SCORE", 1e-6)
    all_there_are = standard_errors(fit, FLAT)
    np.testing.assert_allclose(few.a, all_there_are.a, rtol=3e-3)
    np.testing.assert_allclose(few.b, all_there_are.b, rtol=3e-3)


@pytest.mark.parametrize("method", ["oakes", "xpd"])
def test_a_group_of_one_person_has_no_standard_errors_of_mean_and_sd(draw: Callable[..., Any], method: str) -> None:
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1, 1, 8)]
    data = draw(rows, np.random.default_rng(4).normal(size=300), 5)
    group = (np.arange(300) >= 299).astype(int)
    errors = standard_errors(fit_mml(data.person, data.item, data.category, rows, group=group), Priors(), method)
    assert np.isnan([errors.mean[1], errors.sd[1]]).all()  # sd is at its least, and so would a formula's errors be
    assert np.isfinite(errors.a).all()


def test_an_unknown_method_is_refused_by_name(draw: Callable[..., Any]) -> None:
    fit = draw([Row("2pl", 1.0, [0.0])] * 3, np.random.default_rng(2).normal(size=300), 3).fit("2pl")
    with pytest.raises(Faulty, match="'sandwich' is not known"):
        standard_errors(fit, Priors.parse("none"), "sandwich")
    assert np.isnan(standard_errors(fit, Priors.parse("none"), "none").a).all()


def test_errors_are_the_same_to_the_bit_however_many_items_are_worked_on_at_once(
    draw: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [Row("grm", 1.0 + 0.1 * k, (-1.0, 0.0, 1.0)) for k in range(6)]
    fit = draw(rows, np.random.default_rng(4).normal(size=500), 3).fit("grm", "default")
    whole = standard_errors(fit, Priors())
    monkeypatch.setattr(uncertainty, "AT_ONCE", 1)
    apart = standard_errors(fit, Priors())
    assert (whole.a == apart.a).all()
    assert (whole.b == apart.b).all()
