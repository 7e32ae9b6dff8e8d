"""Items known beforehand: the score test written out, an exact test of times, levels that are kept, and people who knew."""

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import kstest, norm

from calibration.personfit import met
from calibration.personfit_answers import Scorer
from calibration.personfit_times import ItemSpeeds
from calibration.security_preknowledge import Preknowledge, preknowledge
from tests.calibration.sitters import Marks, adaptive, bank_of_rows, form, items, known, scorer_of, timed, times_of


def found_in(scorer: Scorer, times: ItemSpeeds, suspected: Marks) -> Preknowledge:
    sittings = scorer.sittings
    return preknowledge(sittings, met(sittings, sittings.category, scorer.score(sittings.category)[0]), times, suspected)


def test_at_the_maximum_likelihood_estimate_z_is_the_score_test_of_equal_abilities() -> None:
    """Sinharay (2017): S^2 = score_C^2 / I_C + score_N^2 / I_N, where the two scores cancel."""
    rows = items("2pl", 40, 1)
    bank = bank_of_rows(rows)
    scorer = scorer_of(form(bank, np.linspace(-1, 1, 30)[:, None], 2), bank, "mle")
    inside = np.arange(40) < 14
    found = found_in(scorer, ItemSpeeds.unknown(40), inside)
    theta, _ = scorer.score(scorer.sittings.category)
    a, b = np.array([row.a for row in rows]), np.array([row.b[0] for row in rows])
    x = scorer.sittings.table(scorer.sittings.category)
    p = expit(a * (theta[:, None] - b))
    score, info = a * (x - p), a**2 * p * (1 - p)
    square = score[:, inside].sum(axis=1) ** 2 / info[:, inside].sum(axis=1) + score[:, ~inside].sum(axis=1) ** 2 / info[:, ~inside].sum(
        axis=1
    )
    np.testing.assert_allclose(found.z_answers, np.sign(score[:, inside].sum(axis=1)) * np.sqrt(square), atol=1e-6)
    np.testing.assert_allclose(found.p, norm.sf(found.z_answers))
    assert (found.met == 14).all()
    assert np.isnan(found.z_times).all()


def test_who_met_only_suspected_items_or_none_gets_no_number() -> None:
    bank = bank_of_rows(items("2pl", 10, 3))
    log = form(bank, np.zeros((3, 1)), 4)
    keep = (log.person == 0) | ((log.person == 1) & (log.item < 5)) | ((log.person == 2) & (log.item >= 5))
    found = found_in(scorer_of(log.where(keep), bank), ItemSpeeds.unknown(10), np.arange(10) < 5)
    assert np.isnan(found.z_answers).tolist() == [False, True, True]
    assert np.isnan(found.p_adjusted).tolist() == [False, True, True]
    assert found.met.tolist() == [5, 5, 0]
    assert found.p_adjusted[0] == found.p[0]


@pytest.mark.parametrize(("model", "scales", "each"), [("3pl", 1, 20), ("2pl", 3, 8)])
def test_in_an_adaptive_test_both_tests_keep_their_level(model: str, scales: int, each: int) -> None:
    bank = bank_of_rows(items(model, 90, 5, scales))
    times = times_of(bank, 6)
    log = timed(adaptive(bank, np.random.default_rng(7).normal(size=(700, scales)), each, 8), times, 9)
    found = found_in(scorer_of(log, bank), ItemSpeeds(times.alpha, times.beta), np.random.default_rng(10).random(90) < 0.3)
    assert kstest(found.z_times, "norm").pvalue > 0.01
    for z in (found.z_answers, found.z):
        assert z.std() == pytest.approx(1, abs=0.08)
        assert (norm.sf(z) < 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert np.nanmin(found.p_adjusted) > 0.05


def test_people_who_knew_are_better_and_quicker_on_what_they_knew_by_about_as_much_as_they_were_helped() -> None:
    bank = bank_of_rows(items("2pl", 60, 11))
    times = times_of(bank, 12)
    inside = np.random.default_rng(13).random(60) < 0.3
    who = np.arange(400) < 40
    log = timed(form(bank, np.random.default_rng(14).normal(-0.5, 0.7, (400, 1)), 15), times, 16)
    found = found_in(scorer_of(known(log, bank, who, inside, 17), bank), ItemSpeeds(times.alpha, times.beta), inside)
    assert found.speed_gain[who].mean() == pytest.approx(np.log(2), abs=0.05)
    assert found.speed_gain[~who].mean() == pytest.approx(0, abs=0.02)
    assert found.shift[who].mean() > 1
    assert found.shift[~who].mean() == pytest.approx(0, abs=0.1)
    assert (found.p_adjusted[who] <= 0.05).mean() > 0.9
    assert (found.p_adjusted[~who] <= 0.05).sum() == 0
