"""Abilities of mirt and TAM at their own parameters: posterior mode, maximum likelihood, weighted likelihood, and posterior mean on their nodes."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calibration.fit import expected_a_posteriori
from calibration.personfit_answers import Scorer, Sittings
from cat_engine import Row
from cat_engine.priors import JeffreysPrior
from tests.calibration.mirt import MODELS, fit_of, rows_of

FARTHEST = 4.0  # abilities are looked for between -4 and 4, the bound stands for what lies beyond
OBSERVED = ("3pl", "grm")  # information that depends on the answers: mirt's errors are by it, ours by the expected one


def scorer_of(data: Any, rows: list[Row], bank_of: Callable[..., Any], method: str, mean: float, sd: float) -> Scorer:
    bank = bank_of([row._replace(scale=0) for row in rows])
    return Scorer.of(Sittings.of(data.log(bank.ids), bank), method, mean, sd)


def people(data: Any, rows: list[int]) -> Any:
    """The answers of some people alone, numbered from 1."""
    table = np.full((int(data.person.max()) + 1, len(data.counts)), -1)
    table[data.person, data.item] = data.category
    return type(data).of(table[np.array(rows) - 1])


def inside(values: list[float | None]) -> Any:
    """Clipped to where abilities are looked for; null is infinite, on either side."""
    return np.clip(np.array([np.nan if v is None else v for v in values]), -FARTHEST, FARTHEST)


@pytest.mark.parametrize("method", ["map", "mle", "wle"])
@pytest.mark.parametrize("name", [*MODELS, "fipc"])
def test_point_estimates_are_those_of_mirt(
    golden: Callable[[str], Any], answers: Callable[[str], Any], bank_of: Callable[..., Any], name: str, method: str
) -> None:
    """To the 2e-5 to which mirt looks for them. Its WLE of the 3PL is the mode under the prior of Jeffreys, which is Warm's estimate for the other models."""
    fit, model = fit_of(name), MODELS.get(name, "2pl")
    wanted = fit["scores"] if name == "fipc" else golden("mirt_residuals.json")["fits"][name]
    jeffreys = model == "3pl" and method == "wle"
    scorer = scorer_of(
        people(answers(name), wanted["rows"]),
        rows_of(name),
        bank_of,
        "map" if jeffreys else method,
        float(fit.get("mean", 0)),
        float(np.sqrt(fit["variance"])),
    )
    if jeffreys:
        scorer = replace(scorer, prior=JeffreysPrior())
    theta, se = scorer.score(scorer.sittings.category)
    theirs = inside(wanted[method])
    finite = np.isfinite(theirs)
    assert finite.any()
    np.testing.assert_allclose(theta[finite], theirs[finite], atol=2e-5)
    assert np.all(np.abs(theta[~finite]) == FARTHEST)
    if method == "map" and model not in OBSERVED and "se_map" in wanted:
        np.testing.assert_allclose(se, wanted["se_map"], atol=1e-4)


@pytest.mark.parametrize("name", ["LSAT7_Rasch", "Science_Rasch", "VerbAgg_Rasch"])
def test_weighted_likelihood_estimates_posterior_means_and_their_reliability_are_those_of_tam(
    golden: Callable[[str], Any], answers: Callable[[str], Any], bank_of: Callable[..., Any], name: str
) -> None:
    wanted, data = golden("tam_fits.json")["fits"][name], answers(name)
    rows, sd, who = [Row("pcm", 1.0, own) for own in wanted["xsi"]], float(np.sqrt(wanted["variance"])), np.array(wanted["rows"]) - 1
    scorer = scorer_of(data, rows, bank_of, "wle", 0.0, sd)
    theta, se = scorer.score(scorer.sittings.category)
    within = np.abs(wanted["wle"]) < FARTHEST
    np.testing.assert_allclose(theta[who], inside(wanted["wle"]), atol=2e-5)
    np.testing.assert_allclose(se[who][within], np.array(wanted["se_wle"])[within], atol=1e-4)
    theta, se = expected_a_posteriori(data.person, data.item, data.category, rows, 0.0, sd)
    # TAM has half our nodes: seen where an sd of 1.38 leaves a posterior on the edge of them.
    near = 1e-3 if name == "VerbAgg_Rasch" else 1e-6
    np.testing.assert_allclose(theta[who], wanted["eap"], atol=near)
    np.testing.assert_allclose(se[who], wanted["se_eap"], atol=near)
    assert np.var(theta) / (np.var(theta) + np.mean(se**2)) == pytest.approx(wanted["rel_eap"], abs=max(near / 10, 1e-6) * 2)


def test_a_prior_of_whole_numbers_gives_abilities_that_are_none(draw: Callable[..., Any], bank_of: Callable[..., Any]) -> None:
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1, 1, 8)]
    data = draw(rows, np.linspace(-1, 1, 5), 3)
    for method in ("map", "wle"):
        whole, real = (scorer_of(data, rows, bank_of, method, *prior) for prior in ((0, 1), (0.0, 1.0)))
        for mine, theirs in zip(whole.score(data.category), real.score(data.category), strict=True):
            np.testing.assert_array_equal(mine, theirs)
