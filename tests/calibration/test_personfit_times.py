"""Person fit of times: the residual beside one's other times, an exact chi-square, effort; and what stands out for everybody."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import kstest

from calibration.personfit_answers import Sittings
from calibration.personfit_run import PersonFit, Simulated, flag_counts, person_fit
from calibration.personfit_times import FAST, ItemSpeeds, population, time_fit
from cat_engine.timing import ItemTimes, response_time_effort
from tests.calibration.sitters import bank_of_rows, form, items, scorer_of, timed, times_of

BANK = bank_of_rows(items("2pl", 30, 1))
TIMES = times_of(BANK, 2)
SPEEDS = ItemSpeeds(TIMES.alpha, TIMES.beta)


def people(n: int, seed: int) -> Sittings:
    return Sittings.of(timed(form(BANK, np.random.default_rng(seed).normal(size=(n, 1)), seed + 1), TIMES, seed + 2), BANK)


def test_chi_square_and_the_residual_are_those_of_least_squares_with_the_answer_left_out() -> None:
    sittings = people(4, 3)
    sittings.seconds[5:9] = np.nan
    found = time_fit(sittings, SPEEDS, SPEEDS.thresholds())
    for p in range(4):
        x = np.log(sittings.seconds[sittings.person == p])
        there = ~np.isnan(x)
        w, gap = TIMES.alpha[there] ** 2, TIMES.beta[there] - x[there]
        tau = np.average(gap, weights=w)
        assert found.tau[p] == pytest.approx(tau)
        assert found.chi2[p] == pytest.approx((w * (gap - tau) ** 2).sum())
        assert found.df[p] == there.sum() - 1
        e = [
            (np.average(np.delete(gap, i), weights=np.delete(w, i)) - gap[i]) / np.sqrt(1 / w[i] + 1 / np.delete(w, i).sum())
            for i in range(len(gap))
        ]
        assert found.fast[p] == np.sum(np.array(e) < FAST)


def test_p_is_uniform_under_the_model_and_one_time_in_a_hundred_is_fast() -> None:
    sittings = people(2000, 6)
    found = time_fit(sittings, SPEEDS, SPEEDS.thresholds())
    assert kstest(found.p, "uniform").pvalue > 0.01
    assert found.fast.sum() / len(sittings) == pytest.approx(0.01, abs=0.0015)
    speeds = population(sittings, SPEEDS)
    assert (speeds.mean, speeds.sd) == pytest.approx((0, 0.25), abs=0.02)
    assert (found.p_quick(speeds) <= 0.05).mean() == pytest.approx(0.05, abs=0.015)
    np.testing.assert_allclose(found.se, (TIMES.alpha**2).sum() ** -0.5)


def test_p_among_people_keeps_its_level_where_the_model_holds_and_where_people_are_spread_unlike_it() -> None:
    sittings = people(1500, 30)
    found = time_fit(sittings, SPEEDS, SPEEDS.thresholds())
    assert np.all(found.p_among() >= found.p)
    for level in (0.01, 0.05):
        assert (found.p_among() <= level).mean() == pytest.approx(level, rel=0.5, abs=0.004)
    spread = np.exp(np.random.default_rng(31).normal(0.1, 0.25, 1500))  # of each person's own times
    centre = sittings.by_person(np.log(sittings.seconds))[sittings.person] / 30
    sittings.seconds[:] = np.exp(centre + spread[sittings.person] * (np.log(sittings.seconds) - centre))
    unlike = time_fit(sittings, SPEEDS, SPEEDS.thresholds())
    assert (unlike.p <= 0.01).mean() > 0.15
    assert (unlike.p_among() <= 0.01).mean() < 0.02
    assert (unlike.p_among() <= 0.05).mean() == pytest.approx(0.05, abs=0.02)
    few = time_fit(people(20, 32), SPEEDS, SPEEDS.thresholds())
    np.testing.assert_array_equal(few.p_among(), few.p)


def test_times_all_as_expected_fit_perfectly_and_leave_others_their_p() -> None:
    sittings = people(60, 21)
    sittings.seconds[:1200] = 1.0  # of 40 people, the expected time to the last digit
    sittings.seconds[1200:1230] = np.tile([0.01, 100.0], 15)
    found = time_fit(sittings, ItemSpeeds(np.full(30, 2.0), np.zeros(30)), np.zeros(30))
    p = found.p_among()
    assert (found.chi2[:40] == 0).all()
    assert (p[:40] == 1).all()
    assert np.isfinite(p).all()
    assert p[40] == p.min()


def test_parameters_from_the_times_themselves_give_the_same_picture() -> None:
    sittings = people(600, 9)
    own, true = ItemSpeeds.calibrated(sittings), SPEEDS
    np.testing.assert_allclose(own.beta, true.beta, atol=0.1)
    one, other = (time_fit(sittings, speeds, speeds.thresholds()) for speeds in (own, true))
    assert np.corrcoef(one.chi2, other.chi2)[0, 1] > 0.98


def test_effort_is_the_share_of_answers_slower_than_their_items_threshold() -> None:
    sittings = people(50, 12)
    hasty = np.random.default_rng(15).random(len(sittings)) < 0.3
    sittings.seconds[hasty] = 0.5
    threshold = SPEEDS.thresholds()
    np.testing.assert_allclose(threshold, np.minimum(0.1 * np.exp(TIMES.beta + 0.5 / TIMES.alpha**2), 10))
    found = time_fit(sittings, SPEEDS, threshold).effort
    np.testing.assert_allclose(found, response_time_effort(sittings.table(sittings.seconds), threshold))
    np.testing.assert_allclose(time_fit(sittings, SPEEDS, np.zeros(30)).effort, 1)


def test_who_has_no_times_or_one_gets_no_number() -> None:
    sittings = people(3, 16)
    sittings.seconds[:30] = np.nan
    sittings.seconds[31:60] = np.nan
    found = time_fit(sittings, SPEEDS, SPEEDS.thresholds())
    assert np.isnan(found.p).tolist() == [True, True, False]
    assert np.isnan(found.effort).tolist() == [True, False, False]
    assert found.fast[:2].tolist() == [0, 0]
    nothing = time_fit(sittings, ItemSpeeds.unknown(30), np.full(30, np.nan))
    assert np.isnan(nothing.chi2).all()


def test_a_person_is_flagged_for_what_he_did() -> None:
    """p0 guesses at once, p1 fails what is easy and solves what is hard, p2 answers like two people in turn; the others by the model."""
    rng = np.random.default_rng(17)
    bank = bank_of_rows(items("2pl", 60, 18))
    times = times_of(bank, 19)
    log = timed(form(bank, np.zeros((60, 1)), 20), times, 21)
    category, rt = log.category.copy(), log.rt_ms.copy()
    rt[log.person == 0] = rng.integers(400, 900, 60)
    category[log.person == 1] = (bank.params.b[:, 0] > np.median(bank.params.b)).astype(int)
    mine = np.flatnonzero(log.person == 2)
    rt[mine[::2]], rt[mine[1::2]] = rt[mine[::2]] // 4, rt[mine[1::2]] * 4
    log = replace(log, category=category, rt_ms=rt)
    speeds = ItemSpeeds(times.alpha, times.beta)
    found = person_fit(scorer_of(log, bank), speeds, speeds.thresholds(), Simulated(replicates=199))
    flags = found.flags(0.01)
    assert "effort" in flags[0]
    assert "quick" in flags[0]
    assert "pattern" in flags[1]
    assert "times" in flags[2]
    counts = flag_counts(flags[3:])
    assert counts["effort"] == 0
    assert counts["any"] <= 7  # four tests at .01
    normal = person_fit(scorer_of(log, bank), speeds, speeds.thresholds(), Simulated(replicates=0))
    assert np.isnan(normal.p_cusum).all()
    assert normal.p_lz[1] < 1e-6
    for name in ("lz", "lz_star", "cusum", "time_chi2", "theta"):
        np.testing.assert_array_equal(getattr(found, name), getattr(normal, name))


def test_with_several_competencies_no_ability_is_given_and_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    bank = bank_of_rows(items("gpcm", 12, 22, scales=2))
    log = form(bank, np.random.default_rng(23).normal(size=(40, 2)), 24)
    blank = ItemSpeeds.unknown(12)

    def fit() -> PersonFit:
        return person_fit(scorer_of(log, bank), blank, np.full(12, np.nan), Simulated(replicates=9))

    whole = fit()
    assert np.isnan(whole.theta).all()
    monkeypatch.setattr(Sittings.blocks, "__defaults__", (50,))
    parts = fit()
    for name in PersonFit.__slots__:
        np.testing.assert_allclose(getattr(parts, name), getattr(whole, name), rtol=1e-12)


def test_item_times_without_parameters_are_left_out() -> None:
    sittings = people(20, 25)
    holes = ItemSpeeds(np.where(np.arange(30) < 10, np.nan, TIMES.alpha), np.where(np.arange(30) < 10, np.nan, TIMES.beta))
    few = ItemTimes(TIMES.alpha[10:], TIMES.beta[10:])
    found = time_fit(sittings, holes, holes.thresholds())
    assert (found.df == 19).all()
    x = np.log(sittings.seconds.reshape(20, 30)[:, 10:])
    np.testing.assert_allclose(found.tau, ((few.beta - x) * few.alpha**2).sum(axis=1) / (few.alpha**2).sum())
