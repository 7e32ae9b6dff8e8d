"""Items that got out: forecasts of the past alone, the CUSUM written out, a level that is kept, and a leak found with its date."""

import numpy as np
import pytest
from scipy.stats import norm

from calibration.personfit_times import ItemSpeeds
from calibration.responses import ResponseLog
from calibration.security import People
from calibration.security_items import Leak, Watched, by_window, foretell, log_ratio, watch
from cat_engine import Grid, NormalPrior, eap, probabilities
from cat_engine.ability import weights
from cat_engine.irt import log_probabilities
from cat_engine.timing import Speeds
from itembank.bank import Bank
from tests.calibration.sitters import adaptive, bank_of_rows, form, items, known, scorer_of, timed, times_of

SPEEDS = Speeds(0.0, 0.25)


def in_turn(n: int, windows: int) -> People:
    """One after the other, in windows of equal size."""
    return People(("",) * n, tuple(f"w{k * windows // n}" for k in range(n)), np.arange(n))


def test_an_answer_is_foretold_from_the_persons_earlier_ones_alone() -> None:
    bank = bank_of_rows(items("gpcm", 8, 1, scales=2))
    times = times_of(bank, 2)
    log = timed(form(bank, np.random.default_rng(3).normal(size=(3, 2)), 4), times, 5)
    scorer = scorer_of(log, bank)
    told = foretell(scorer, ItemSpeeds(times.alpha, times.beta), SPEEDS)
    nodes = Grid().nodes()
    table, p = log_probabilities(bank.params, nodes), probabilities(bank.params, nodes)
    for person in range(3):
        own = np.flatnonzero(log.person == person)
        for at in own.tolist():
            item = int(log.item[at])
            before = [r for r in own.tolist() if r < at and bank.params.scale[log.item[r]] == bank.params.scale[item]]
            logpost = NormalPrior().log_density(nodes) + Grid().log_weights() + sum(table[:, log.item[r], log.category[r]] for r in before)
            mass = weights(logpost)
            chance = mass @ p[:, item]
            assert told.p_top[at] == pytest.approx(chance[bank.params.n_cat[item] - 1])
            assert told.expected[at] == pytest.approx(chance @ np.arange(len(chance)))
            assert told.variance[at] == pytest.approx(chance @ np.arange(len(chance)) ** 2 - told.expected[at] ** 2)
            earlier = [r for r in own.tolist() if r < at]
            w, gap = times.alpha[log.item[earlier]] ** 2, times.beta[log.item[earlier]] - np.log(log.rt_ms[earlier] / 1000)
            precision = w.sum() + SPEEDS.sd**-2
            s = np.sqrt(1 / times.alpha[item] ** 2 + 1 / precision)
            assert told.s[at] == pytest.approx(s)
            assert told.z[at] == pytest.approx((times.beta[item] - (w * gap).sum() / precision - np.log(log.rt_ms[at] / 1000)) / s)
    assert eap(NormalPrior().log_density(nodes)[None], nodes)[0][0] == pytest.approx(0, abs=1e-12)


def test_in_an_adaptive_test_forecasts_are_unbiased_and_residuals_have_unit_variance() -> None:
    bank = bank_of_rows(items("3pl", 80, 6))
    times = times_of(bank, 7)
    log = timed(adaptive(bank, np.random.default_rng(8).normal(size=(800, 1)), 12, 9), times, 10)
    told = foretell(scorer_of(log, bank), ItemSpeeds(times.alpha, times.beta), SPEEDS)
    z = (log.category - told.expected) / np.sqrt(told.variance)
    for values in (z, told.z):
        assert values.mean() == pytest.approx(0, abs=0.03)
        assert values.std() == pytest.approx(1, abs=0.03)
        assert values[log.position >= 8].mean() == pytest.approx(0, abs=0.06)
    assert abs(np.corrcoef(z[1:], z[:-1])[0, 1]) < 0.04


def test_the_likelihood_ratio_is_that_of_a_mixture_and_never_counts_haste_beyond_that_of_who_knows() -> None:
    leak, p, s = Leak(0.3, 0.9, 0.5), 0.6, 0.4
    d = np.log(2) / s
    for top, z in ((True, 0.3), (False, -1.0), (True, d)):
        r = (0.9 / p if top else 0.1 / 0.4) * norm.pdf(z - d) / norm.pdf(z)
        found = log_ratio(leak, np.array([top]), np.array([z]), np.array([p]), np.array([s]))
        assert found[0] == pytest.approx(np.log(0.7 + 0.3 * r))
    beyond, at = (log_ratio(leak, np.array([True]), np.array([z]), np.array([p]), np.array([s]))[0] for z in (9.0, d))
    assert beyond == at
    untimed = log_ratio(leak, np.array([True]), np.array([np.nan]), np.array([p]), np.array([np.nan]))
    assert untimed[0] == pytest.approx(np.log(0.7 + 0.3 * 0.9 / p))


def test_an_answers_ratio_is_one_on_average_or_less_where_nothing_got_out() -> None:
    rng = np.random.default_rng(11)
    p, z = rng.uniform(0.1, 0.9, 400_000), rng.standard_normal(400_000)
    for s, least in ((0.5, 0.92), (np.nan, 0.995)):
        found = np.exp(log_ratio(Leak(), rng.random(len(p)) < p, z, p, np.full(len(p), s)))
        assert least < found.mean() < 1.003


def run(log: ResponseLog, bank: Bank, times: ItemSpeeds, people: People, level: float = 0.05, **options: int) -> list[Watched]:
    scorer = scorer_of(log, bank)
    return watch(scorer.sittings, foretell(scorer, times, SPEEDS), people, Leak(), level, **options)


def test_peak_is_pages_recursion_in_order_of_time() -> None:
    bank = bank_of_rows(items("2pl", 5, 12))
    log = form(bank, np.random.default_rng(13).normal(size=(60, 1)), 14)
    order = np.random.default_rng(15).permutation(60)
    people = People(("",) * 60, ("",) * 60, order)
    scorer = scorer_of(log, bank)
    told = foretell(scorer, ItemSpeeds.unknown(5), SPEEDS)
    gain = log_ratio(Leak(), log.category == 1, told.z, told.p_top, told.s)
    for one in run(log, bank, ItemSpeeds.unknown(5), people, replicates=19):
        w, peak = 0.0, -np.inf
        for person in np.argsort(order).tolist():
            w = max(0.0, w) + gain[(log.person == person) & (log.item == one.item)][0]
            peak = max(peak, w)
        assert one.peak == pytest.approx(peak, abs=1e-12)
        assert one.n == 60
        assert one.observed == log.category[log.item == one.item].mean()
        assert np.isnan(one.time_ratio)


def test_where_nothing_got_out_few_runs_raise_an_alarm() -> None:
    """40 runs of 10 items at level .2, from an adaptive test: 8 alarms are expected, of a binomial with sd 2.5."""
    alarms, p = 0, []
    for seed in range(40):
        bank = bank_of_rows(items("2pl", 10, seed))
        times = times_of(bank, seed)
        log = timed(adaptive(bank, np.random.default_rng(seed).normal(size=(40, 1)), 5, seed + 1), times, seed + 2)
        found = run(log, bank, ItemSpeeds(times.alpha, times.beta), in_turn(40, 5), 0.2, replicates=49, seed=seed)
        alarms += min(one.p_adjusted for one in found) <= 0.2
        assert all(bool(one.alarm) == (one.p_adjusted <= 0.2) for one in found)
        p += [one.p for one in found]
    assert 2 <= alarms <= 15
    assert (np.array(p) <= 0.1).mean() == pytest.approx(0.1, abs=0.05)


def test_items_that_got_out_half_way_are_found_with_the_time_and_the_others_are_not() -> None:
    bank = bank_of_rows(items("2pl", 40, 16))
    times = times_of(bank, 17)
    log = timed(adaptive(bank, np.random.default_rng(18).normal(size=(1200, 1)), 12, 19), times, 20)
    often = np.argsort(-np.bincount(log.item, minlength=40))[[0, 3, 6]]
    late = (np.arange(1200) >= 600) & (np.random.default_rng(21).random(1200) < 0.35)
    log = known(log, bank, late, np.isin(np.arange(40), often), 22)
    speeds, people = ItemSpeeds(times.alpha, times.beta), in_turn(1200, 12)
    found = {one.item: one for one in run(log, bank, speeds, people)}
    assert {i for i, one in found.items() if one.p_adjusted <= 0.05} == set(often.tolist())
    for i in often.tolist():
        assert found[i].since in ("w5", "w6", "w7")
        assert found[i].alarm in ("w6", "w7", "w8", "w9", "w10")
        assert found[i].time_ratio < 0.95
        assert found[i].z > 1
    scorer = scorer_of(log, bank)
    windows = by_window(scorer.sittings, foretell(scorer, speeds, SPEEDS), people)
    worst = int(often[0])
    z = {one.window: one.z + one.time_z for one in windows if one.item == worst}
    assert list(z) == [f"w{k}" for k in range(12)]
    assert np.mean([z[f"w{k}"] for k in range(6, 12)]) > 2 + np.mean([z[f"w{k}"] for k in range(6)])
    assert sum(one.n for one in windows) == len(log)
