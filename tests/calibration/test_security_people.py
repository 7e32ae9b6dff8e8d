"""People who stand out: speed beside ability as another regression has it, the likeliest partner, false alarms, and both kinds of cheats found."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import linregress, norm

from calibration.personfit_times import ItemSpeeds, time_fit
from calibration.security_pairs import rooms, similar_pairs
from calibration.security_people import StandingOut, standing_out
from cat_engine.irt import Floats
from tests.calibration.sitters import adaptive, bank_of_rows, form, items, scorer_of, timed, times_of

N = 300


def sat(
    theta: Floats, seed: int, slope: float = 0.0, routed: bool = False, copied: bool = False
) -> tuple[StandingOut, list[tuple[int, int]]]:
    """What is found among people of abilities theta[N, 1] whose log-speed rises by `slope` with ability; with `copied` the first ten are .7 quicker, and 207 has
    three quarters of the answers of 233. Beside it the pairs named at .05.
    """
    bank = bank_of_rows(items("gpcm", 60 if routed else 40, seed))
    times = times_of(bank, seed + 1)
    log = timed(adaptive(bank, theta, 20, seed + 2) if routed else form(bank, theta, seed + 2), times, seed + 3)
    quick = slope * theta[:, 0] + (0.7 * (np.arange(N) < 10) if copied else 0.0)
    log = replace(log, rt_ms=np.maximum(log.rt_ms * np.exp(-quick[log.person]), 1).astype(np.int64))
    if copied:
        matrix = log.matrix()
        matrix[207, 10:] = matrix[233, 10:]
        log = replace(log, category=matrix.ravel())
    scorer = scorer_of(log, bank)
    found = list(rooms(scorer, [f"r{k // 100}" for k in range(N)]))
    pairs = [(pair.copier, pair.source) for pair in similar_pairs(found)[0] if pair.p_adjusted <= 0.05]
    return standing_out(scorer.sittings, scorer.score(scorer.sittings.category)[0], ItemSpeeds.calibrated(scorer.sittings), found), pairs


def test_z_of_speed_is_what_is_left_of_a_regression_on_ability_by_its_sd() -> None:
    bank = bank_of_rows(items("2pl", 30, 1))
    log = timed(form(bank, np.random.default_rng(2).normal(size=(N, 1)), 3), times_of(bank, 4), 5)
    scorer = scorer_of(log, bank)
    theta = scorer.score(scorer.sittings.category)[0]
    speeds = ItemSpeeds.calibrated(scorer.sittings)
    found = standing_out(scorer.sittings, theta, speeds, rooms(scorer))
    fit = time_fit(scorer.sittings, speeds, speeds.thresholds())
    line = linregress(theta, fit.tau)
    left = fit.tau - line.intercept - line.slope * theta
    np.testing.assert_allclose(found.foretold, fit.tau - left, atol=1e-12)
    np.testing.assert_allclose(found.z_speed, left / np.sqrt(left.var() - (fit.se**2).mean() + fit.se**2), atol=1e-9)
    np.testing.assert_allclose(found.p_speed, norm.sf(found.z_speed), atol=1e-12)


@pytest.mark.parametrize("routed", [False, True])
def test_honest_people_of_whom_the_able_are_quick_keep_the_level(routed: bool) -> None:
    p, named = [], 0
    for seed in (10, 20, 30):
        found, _ = sat(np.random.default_rng(seed).normal(size=(N, 1)), seed, slope=0.15, routed=routed)
        p += found.p.tolist()
        named += int((found.p_adjusted <= 0.05).sum())
    assert 0.02 < np.mean(np.array(p) <= 0.05) < 0.075  # 900 people: .05, two standard errors .015; answers in common flag too few
    assert named <= 1


def test_who_is_quick_without_the_ability_and_who_copied_are_found_by_one_figure() -> None:
    found, pairs = sat(np.random.default_rng(40).normal(size=(N, 1)), 40, slope=0.15, copied=True)
    assert {frozenset(pair) for pair in pairs} == {frozenset((207, 233))}
    assert (found.partner[207], found.partner[233]) == (233, 207)
    assert found.p_similar[[207, 233]].max() < 0.001
    assert found.common[207] == 40
    assert np.mean(found.p[:10] <= 0.05) >= 0.7
    guilty = np.isin(np.arange(N), [*range(10), 207, 233])
    assert np.mean(found.p[~guilty] <= 0.05) < 0.08
    assert found.p_adjusted[207] <= 0.05


def test_without_times_only_agreement_counts_and_who_sat_alone_has_no_p() -> None:
    bank = bank_of_rows(items("2pl", 20, 50))
    log = form(bank, np.random.default_rng(51).normal(size=(40, 1)), 52)
    scorer = scorer_of(log, bank)
    found = standing_out(
        scorer.sittings, scorer.score(scorer.sittings.category)[0], ItemSpeeds.unknown(20), rooms(scorer, ["alone"] + ["r"] * 39)
    )
    assert np.isnan(found.z_speed).all()
    np.testing.assert_allclose(found.p[1:], found.p_similar[1:], atol=1e-15)
    assert found.partner[0] == -1
    assert np.isnan([found.omega[0], found.p_similar[0], found.p[0], found.p_adjusted[0]]).all()
    assert (found.partner[1:] > 0).all()
