"""How well answers fit the curves that were estimated from them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from calibration.curves import expected_scores, params_of
from calibration.expectation import LEAST_LOG
from calibration.mml import MmlFit
from calibration.personfit import LEAST_ANSWER_VARIANCE, surprise
from cat_engine import Grid, NormalPrior, Row, eap, log_probabilities
from cat_engine.irt import Floats, Ints, log_probabilities_at

LEAST_COMMON = 10  # persons for a correlation of residuals
LARGEST_SD = 1.4142  # of a mean square


def rmsd(fit: MmlFit) -> Floats:
    """Root mean squared deviation of observed from expected item score, weighted by the ability of those who answered, per scale point
    (as used in PISA; Tijmstra et al., 2020), [I]; NaN for an item that nobody answered. Made for routed data: both curves are of the people who met the item.
    """
    k = np.arange(fit.expected.shape[1])[None, :, None]
    total = fit.expected.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.where(total > 0, (fit.expected * k).sum(axis=1) / total, 0.0)
        gap = (observed - expected_scores(fit.params, fit.nodes).T) / (fit.params.n_cat - 1)[:, None]
        return np.asarray(np.sqrt((total * gap**2).sum(axis=1) / total.sum(axis=1)))


@dataclass(frozen=True, slots=True, eq=False)
class Residuals:
    """Answers against what the model expects at each person's ability, of R answers to I items by P persons.

    theta[P], se[P]: EAP and posterior sd (or what was handed in, and NaN). Mean squares are 1 where the model holds: outfit over all answers alike, infit
    weighted by information; the z are theirs by the cube-root transformation (Wright & Masters, 1982). An answer's variance
    counts as LEAST_ANSWER_VARIANCE or more there. lz[P]: standardised log-likelihood of the pattern (Drasgow, Levine & Williams, 1985), low for an
    improbable one. q3[I, I]: correlation of the residuals of two items over the persons who met both (Yen, 1984), NaN for fewer than 10. n[I]: answers.
    """

    theta: Floats
    se: Floats
    outfit: Floats
    z_outfit: Floats
    infit: Floats
    z_infit: Floats
    person_outfit: Floats
    person_z_outfit: Floats
    person_infit: Floats
    person_z_infit: Floats
    lz: Floats
    q3: Floats
    n: Ints


def expected_a_posteriori(
    person: Ints, item: Ints, category: Ints, rows: Sequence[Row], mean: float = 0.0, sd: float = 1.0
) -> tuple[Floats, Floats]:
    """EAP and posterior sd of each person from answers person[R], item[R], category[R], with a normal prior."""
    grid = Grid(n=121)
    nodes = grid.nodes()
    table = log_probabilities(params_of(rows), nodes)
    width = table.shape[2]
    answers = sparse.csr_matrix((np.ones(len(person)), (person, item * width + category)), shape=(int(person.max()) + 1, len(rows) * width))
    finite = np.maximum(table.reshape(len(nodes), -1).T, LEAST_LOG)
    return eap(answers @ finite + NormalPrior(mean, sd).log_density(nodes), nodes)


def residuals(
    person: Ints, item: Ints, category: Ints, rows: Sequence[Row], mean: float = 0.0, sd: float = 1.0, theta: Floats | None = None
) -> Residuals:
    """Fit of answers to items of given parameters; ability is EAP under Normal(mean, sd) unless `theta`[P] is given."""
    n_persons, n_items = int(person.max()) + 1, len(rows)
    if theta is None:
        theta, se = expected_a_posteriori(person, item, category, rows, mean, sd)
    else:
        se = np.full(n_persons, np.nan)
    log_p = log_probabilities_at(params_of(rows).take(item), theta[person])
    p = np.exp(log_p)
    k = np.arange(p.shape[1])
    expected = (p * k).sum(axis=1)
    away = k - expected[:, None]
    variance, fourth = (p * away**2).sum(axis=1), (p * away**4).sum(axis=1)
    residual = category - expected
    gap, spread = surprise(p, np.where(p > 0, log_p, 0.0), category)

    variance = np.maximum(variance, LEAST_ANSWER_VARIANCE)

    def mean_squares(index: Ints, n: int) -> tuple[Floats, Floats, Floats, Floats]:
        """Outfit, its z, infit and its z by person or item."""

        def total(values: Floats) -> Floats:
            return np.asarray(np.bincount(index, values, n), dtype=float)

        count, weight = np.bincount(index, minlength=n), total(variance)
        outfit, infit = total(residual**2 / variance) / count, total(residual**2) / weight
        return (
            outfit,
            _z(outfit, total(fourth / variance**2) / count**2 - 1 / count),
            infit,
            _z(infit, total(fourth - variance**2) / weight**2),
        )

    with np.errstate(divide="ignore", invalid="ignore"):
        lz = np.bincount(person, gap, n_persons) / np.sqrt(np.bincount(person, spread, n_persons))
        return Residuals(
            theta, se, *mean_squares(item, n_items), *mean_squares(person, n_persons), lz, _q3(person, item, residual, n_persons, n_items),
            np.bincount(item, minlength=n_items),
        )  # fmt: skip


def _z(mean_square: Floats, variance: Floats) -> Floats:
    """A mean square and its variance as a standard normal deviate."""
    sd = np.minimum(np.sqrt(np.abs(variance)), LARGEST_SD)
    return np.asarray((np.cbrt(mean_square) - 1) * (3 / sd) + sd / 3)


def _q3(person: Ints, item: Ints, residual: Floats, n_persons: int, n_items: int) -> Floats:
    """Correlations over common persons, from sums that sparse products give."""

    def table(values: Floats) -> sparse.csr_matrix:
        return sparse.csr_matrix((values, (person, item)), shape=(n_persons, n_items))

    met, value, square = table(np.ones(len(item))), table(residual), table(residual**2)
    n = (met.T @ met).toarray()
    one, other = (value.T @ met).toarray() / n, (met.T @ value).toarray() / n
    covariance = (value.T @ value).toarray() / n - one * other
    spread = ((square.T @ met).toarray() / n - one**2) * ((met.T @ square).toarray() / n - other**2)
    return np.where(n >= LEAST_COMMON, covariance / np.sqrt(spread), np.nan)
