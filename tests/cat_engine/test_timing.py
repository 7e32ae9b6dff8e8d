"""Lognormal response times: closed forms against scipy and brute force, limits that hold, a calibration that finds the truth."""

import csv
import doctest
import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import lognorm, norm

from cat_engine import Faulty, Grid, ItemParams, Row, eap, log_probabilities
from cat_engine.families import Floats
from cat_engine.irt import information_at
from cat_engine.simulate import draw_category
from cat_engine.timing import (
    ItemTimes,
    Speeds,
    calibrate_times,
    draw_seconds,
    gain_by_distance,
    gain_per_second,
    log_density,
    mean_time,
    rapid,
    rapid_threshold,
    response_time_effort,
    speed,
    time_limit,
    total_of,
    total_of_draws,
)


def bank(n: int, seed: int) -> ItemTimes:
    """Like the times of a real licensing exam: some 55 s an item, sd of ln t about .5."""
    rng = np.random.default_rng(seed)
    return ItemTimes(np.exp(rng.normal(np.log(2.0), 0.2, n)), rng.normal(3.9, 0.4, n))


def sit(items: ItemTimes, tau: Floats, seed: int) -> Floats:
    """Times of everybody on every item: [N, I]."""
    normal = np.random.default_rng(seed).standard_normal((len(tau), len(items)))
    columns = [draw_seconds(items, tau, np.full(len(tau), i), normal[:, i]) for i in range(len(items))]
    return np.stack(columns, axis=1)


SEEDS = st.integers(0, 10_000)


# The model.


@given(SEEDS, st.floats(-1.0, 1.0))
def test_the_density_is_that_of_the_lognormal_distribution(seed: int, tau: float) -> None:
    items = bank(4, seed)
    seconds = np.random.default_rng(seed).uniform(1, 300, (1, 4))
    expected = lognorm.logpdf(seconds[0], s=1 / items.alpha, scale=np.exp(items.beta - tau))
    np.testing.assert_allclose(log_density(items, seconds, np.array([tau]))[0], expected, rtol=1e-10)


def test_a_time_that_is_not_there_has_no_density() -> None:
    assert np.isnan(log_density(bank(2, 0), np.array([[30.0, np.nan]]), np.zeros(1))).tolist() == [[False, True]]


@given(SEEDS, st.integers(0, 12), st.floats(-0.5, 0.5), st.floats(0.1, 1.0))
@settings(max_examples=30)
def test_speed_and_its_error_are_the_posterior_integrals(seed: int, length: int, mean: float, sd: float) -> None:
    items = bank(12, seed)
    seconds = sit(items, np.array([0.2]), seed)
    seconds[0, length:] = np.nan
    tau, se = speed(items, seconds, Speeds(mean, sd))

    def posterior(t: float) -> float:
        return float(np.exp(norm.logpdf(t, mean, sd) + np.nansum(log_density(items, seconds, np.array([t])) - at_mode)))

    at_mode = log_density(items, seconds, tau)
    low, high = tau[0] - 10 * se[0], tau[0] + 10 * se[0]
    mass = quad(posterior, low, high)[0]
    first = quad(lambda t: t * posterior(t), low, high)[0] / mass
    second = quad(lambda t: (t - first) ** 2 * posterior(t), low, high)[0] / mass
    assert tau[0] == pytest.approx(first, abs=1e-7)
    assert se[0] == pytest.approx(np.sqrt(second), rel=1e-6)


def test_expected_times_are_the_means_of_times_drawn() -> None:
    items, tau = bank(5, 1), np.full(200_000, -0.3)
    np.testing.assert_allclose(sit(items, tau, 2).mean(axis=0), mean_time(items, tau[:1])[0], rtol=0.01)


def test_a_speed_that_is_known_roughly_makes_the_expected_time_longer() -> None:
    items = bank(5, 1)
    tau = np.random.default_rng(3).normal(0.1, 0.4, 200_000)
    np.testing.assert_allclose(sit(items, tau, 4).mean(axis=0), mean_time(items, np.array([0.1]), 0.4)[0], rtol=0.015)


# Sections.


@pytest.mark.parametrize("length", [5, 20, 45])
def test_percentiles_of_the_total_time_are_those_of_brute_force(length: int) -> None:
    items = bank(length, length)
    for tau_sd in (0.0, 0.3):
        tau = np.random.default_rng(6).normal(0.0, 1.0, 100_000) * tau_sd - 0.2
        totals = sit(items, tau, 7).sum(axis=1)
        for share in (0.05, 0.5, 0.95, 0.99):
            assert total_of(items).percentile(share, -0.2, tau_sd) == pytest.approx(np.quantile(totals, share), rel=0.02)


def test_percentiles_of_the_time_on_items_drawn_are_those_of_brute_force() -> None:
    items, rng = bank(60, 8), np.random.default_rng(9)
    draws = [(np.arange(40), 12), (np.arange(40, 60), 10)]
    totals = []
    for _ in range(2000):
        picked = np.concatenate([rng.choice(at, count, replace=False) for at, count in draws])
        totals.append(sit(items.take(picked), np.zeros(50), int(rng.integers(1 << 30))).sum(axis=1))
    total = total_of_draws(items, draws)
    assert total.mean == pytest.approx(np.mean(totals), rel=0.01)
    assert total.variance == pytest.approx(np.var(totals), rel=0.05)
    for share in (0.5, 0.95, 0.99):
        assert total.percentile(share) == pytest.approx(np.quantile(totals, share), rel=0.025)


def test_all_items_of_a_set_drawn_are_the_set() -> None:
    items = bank(9, 2)
    drawn, whole = total_of_draws(items, [(np.arange(9), 9)]), total_of(items)
    assert drawn.mean == pytest.approx(whole.mean)
    assert drawn.variance == pytest.approx(whole.variance)


def test_the_advice_gives_a_slow_person_the_share_of_sittings_that_was_asked_for() -> None:
    items, speeds = bank(60, 11), Speeds(0.0, 0.25)
    draws = [(np.arange(30), 8), (np.arange(30, 60), 7)]
    advice = time_limit(items, draws, speeds, slow=0.05, share=0.95)
    rng = np.random.default_rng(12)
    slow = np.full(300, norm.ppf(0.05, 0.0, 0.25))
    totals = np.concatenate(
        [
            sit(items.take(np.concatenate([rng.choice(at, n, replace=False) for at, n in draws])), slow, int(rng.integers(1 << 30))).sum(
                axis=1
            )
            for _ in range(150)
        ]
    )
    assert (totals <= advice.limit_s).mean() == pytest.approx(0.95, abs=0.01)
    assert advice.median_s < advice.limit_s < advice.longest_s


def test_the_longest_items_are_the_limit_that_no_choice_of_items_passes() -> None:
    items, rng = bank(30, 13), np.random.default_rng(14)
    advice = time_limit(items, [(np.arange(30), 6)], Speeds(0.0, 0.3), share=0.99)
    slow = Speeds(0.0, 0.3).percentile(0.05)
    for _ in range(50):
        assert total_of(items.take(rng.choice(30, 6, replace=False))).percentile(0.99, slow) <= advice.longest_s + 1e-9


@pytest.mark.parametrize(("count", "slow", "share"), [(0, 0.05, 0.95), (6, 0.05, 0.95), (3, 0.0, 0.95), (3, 0.05, 1.0)])
def test_advice_on_a_section_that_cannot_be_is_refused(count: int, slow: float, share: float) -> None:
    with pytest.raises(ValueError, match=r"no time limit|cannot be taken|between 0 and 1"):
        time_limit(bank(5, 0), [(np.arange(5), count)], Speeds(), slow, share)


# Selection.


def test_gain_by_distance_contains_the_gain_and_the_gain_per_second() -> None:
    gain, seconds = np.array([[1.0, 2.0, 3.0]]), np.array([[20.0, 50.0, 100.0]])
    np.testing.assert_array_equal(gain_by_distance(gain, seconds, 30.0, 0.0), gain)
    np.testing.assert_array_equal(gain_by_distance(gain, seconds, 0.0, 1.0), gain_per_second(gain, seconds))
    np.testing.assert_allclose(gain_by_distance(gain, seconds, 50.0, 0.5), [[1 / 30**0.5, 2.0, 3 / 50**0.5]])


def test_information_per_second_measures_as_well_in_less_time() -> None:
    rng, items = np.random.default_rng(15), bank(100, 15)
    gain = rng.uniform(0.2, 1.0, (1, 100))
    seconds = mean_time(items, np.zeros(1))
    by_gain, by_rate = (np.argsort(-score[0])[:40] for score in (gain, gain_per_second(gain, seconds)))
    rate = [gain[0, at].sum() / seconds[0, at].sum() for at in (by_gain, by_rate)]
    assert rate[1] > 1.2 * rate[0]


def test_forty_items_of_a_real_exam_take_a_sixth_less_time_by_information_per_second(shared: Path) -> None:
    """170 calibrated items, 40 each: 45.7 min and RMSE .350 by information, 38.0 min and .354 by information per second."""
    with (shared / "data" / "credential_form1_calibrated_2pl_lnrt.csv").open() as file:
        rows = list(csv.DictReader(file))
    params = ItemParams.from_rows([Row("2pl", float(row["a"]), [float(row["b"])]) for row in rows])
    items = ItemTimes([float(row["alpha"]) for row in rows], [float(row["beta"]) for row in rows])
    speeds, n, nodes = Speeds(0.0, 0.173), 1000, Grid().nodes()
    table = np.moveaxis(log_probabilities(params, nodes), 0, -1)  # [I, K, Q]
    minutes, rmse = [], []
    for per_second in (False, True):
        rng = np.random.default_rng(60)
        true, tau, everybody = rng.standard_normal(n), rng.normal(0.0, 0.173, n), np.arange(n)
        logpost, seconds = np.tile(-(nodes**2) / 2, (n, 1)), np.full((n, len(rows)), np.nan)
        for _ in range(40):
            gain = information_at(params, eap(logpost, nodes)[0][:, None])
            if per_second:
                gain = gain_per_second(gain, mean_time(items, *speed(items, seconds, speeds)))
            item = np.argmax(np.where(np.isnan(seconds), gain, -np.inf), axis=1)
            logpost += table[item, draw_category(params, true, item, rng.random(n))]
            seconds[everybody, item] = draw_seconds(items, tau, item, rng.standard_normal(n))
        minutes.append(float(np.nansum(seconds, axis=1).mean() / 60))
        rmse.append(float(np.sqrt(((eap(logpost, nodes)[0] - true) ** 2).mean())))
    assert minutes == pytest.approx([45.7, 38.0], rel=0.02)
    assert rmse == pytest.approx([0.350, 0.354], abs=0.02)


# Rapid guesses.


def test_rapid_answers_are_flagged_below_the_items_own_threshold() -> None:
    threshold = rapid_threshold(np.array([20.0, 60.0, 500.0]))
    np.testing.assert_allclose(threshold, [2.0, 6.0, 10.0])
    seconds = np.array([[1.9, 6.0, 9.9], [2.1, np.nan, 10.1], [np.nan, np.nan, np.nan], [1.0, 1.0, 1.0]])
    assert rapid(seconds, threshold).tolist() == [[True, False, True], [False, False, False], [False, False, False], [True, True, True]]
    np.testing.assert_allclose(response_time_effort(seconds, threshold), [1 / 3, 1.0, np.nan, 0.0])
    assert rapid(np.array([[2.9, 3.0]]), np.full(2, 3.0)).tolist() == [[True, False]]


# Calibration.


def test_the_calibration_finds_the_truth_through_missing_times() -> None:
    truth, rng = bank(60, 20), np.random.default_rng(21)
    tau = rng.normal(0.0, 0.3, 3000)
    seconds = sit(truth, tau, 22)
    seconds[rng.random(seconds.shape) > 0.4] = np.nan
    found = calibrate_times(seconds)
    assert found.converged
    assert found.flaws == ()
    assert found.speeds.sd == pytest.approx(0.3, abs=0.015)
    shift = (found.beta - truth.beta).mean()  # the sample's mean speed
    assert abs(shift) < 4 * 0.3 / np.sqrt(3000)
    z_beta = (found.beta - truth.beta - shift) / found.se_beta
    z_alpha = (found.alpha - truth.alpha) / found.se_alpha
    for z in (z_beta, z_alpha):
        assert abs(z.mean()) < 4 / np.sqrt(60)
        assert 0.75 < z.std() < 1.3
    error = (found.tau - shift - tau) / found.tau_se
    assert error.std() == pytest.approx(1.0, abs=0.05)
    np.testing.assert_array_equal(found.n, (~np.isnan(seconds)).sum(axis=0))


def test_the_calibration_is_a_maximum_of_the_marginal_likelihood() -> None:
    seconds = sit(bank(8, 30), np.random.default_rng(31).normal(0, 0.3, 400), 32)
    found = calibrate_times(seconds)

    def height(alpha: Floats, beta: Floats, sd: float) -> float:
        """ln t of a person is Normal(beta, diag(1 / alpha^2) + sd^2)."""
        x = np.log(seconds) - beta
        cov = np.diag(alpha**-2.0) + sd**2
        return float(-0.5 * len(x) * np.linalg.slogdet(cov)[1] - 0.5 * (x * np.linalg.solve(cov, x.T).T).sum())

    best = height(found.alpha, found.beta, found.speeds.sd)
    for i in range(8):
        for sign in (-1e-3, 1e-3):
            moved = found.alpha.copy(), found.beta.copy()
            moved[0][i] += sign
            assert height(moved[0], found.beta, found.speeds.sd) < best
            moved[1][i] += sign
            assert height(found.alpha, moved[1], found.speeds.sd) < best
    assert max(height(found.alpha, found.beta, found.speeds.sd + d) for d in (-1e-3, 1e-3)) < best


def test_items_reached_by_people_of_different_speed_are_on_one_scale() -> None:
    truth, tau = bank(30, 40), np.sort(np.random.default_rng(41).normal(0, 0.4, 4000))
    seconds = sit(truth, tau, 42)
    seconds[:2000, 20:] = np.nan  # the slow half never saw the last items
    seconds[2000:, :10] = np.nan
    found = calibrate_times(seconds)
    raw = np.nanmean(np.log(seconds), axis=0) - truth.beta
    assert raw[:10].mean() - raw[20:].mean() > 0.5  # averages of the times are far off
    assert np.abs((found.beta - truth.beta) - (found.beta - truth.beta).mean()).max() < 0.08


def test_items_that_cannot_be_estimated_are_named_and_have_no_number() -> None:
    seconds = sit(bank(5, 50), np.random.default_rng(51).normal(0, 0.3, 200), 52)
    seconds[5:, 1] = np.nan
    seconds[:, 3] = 20.0
    seconds[:, 4] = np.nan
    found = calibrate_times(seconds)
    assert [fault.where for fault in found.flaws] == ["item 1", "item 4", "item 3"]
    assert np.isnan(found.alpha).tolist() == [False, True, False, True, True]
    assert found.usable.tolist() == [0, 2]
    with pytest.raises(Faulty, match="item 1"):
        found.items()


def test_times_that_are_none_are_named_by_row_and_item() -> None:
    seconds = np.full((30, 3), 20.0)
    seconds[4, 1], seconds[7, 2], seconds[9, 0] = 0.0, -3.0, np.inf
    with pytest.raises(Faulty) as refused:
        calibrate_times(seconds)
    assert [(fault.where, fault.field) for fault in refused.value.faults] == [("row 4", "item 1"), ("row 7", "item 2"), ("row 9", "item 0")]


def test_too_few_times_are_refused() -> None:
    with pytest.raises(Faulty, match="too few"):
        calibrate_times(np.array([[20.0, 30.0], [25.0, 28.0]]))


def test_a_real_exam_gives_the_published_fit(shared: Path) -> None:
    """Cizek & Wollack's licensing exam, 1,636 people, 170 items: beside the alpha and beta of another fit of the same times."""
    with gzip.open(shared / "data" / "credential_form1_full.csv.gz", "rt") as file:
        rows = list(csv.reader(file))
    columns = [rows[0].index(f"idur.{i}") for i in range(1, 171)]
    seconds = np.array([[float(row[j]) for j in columns] for row in rows[1:]])
    seconds[seconds == 0] = np.nan  # 105 times were cut to whole seconds
    with (shared / "data" / "credential_form1_calibrated_2pl_lnrt.csv").open() as file:
        fitted = [(float(row["alpha"]), float(row["beta"])) for row in csv.DictReader(file)]
    alpha, beta = np.array(fitted).T
    found = calibrate_times(seconds)
    assert found.converged
    np.testing.assert_allclose(found.beta, beta, atol=1e-4)
    np.testing.assert_allclose(found.alpha, alpha, rtol=0.01)
    assert np.corrcoef(found.alpha, alpha)[0, 1] > 0.9999
    complete = ~np.isnan(seconds).any(axis=1)
    expected = total_of(found.items()).mean * np.exp(0.5 * found.speeds.sd**2)
    assert expected == pytest.approx(seconds[complete].sum(axis=1).mean(), rel=0.02)


# Values.


def test_times_that_cannot_be_parameters_are_named() -> None:
    with pytest.raises(Faulty) as refused:
        ItemTimes([1.0, 0.0, np.nan], [4.0, np.inf, 4.0])
    assert {(fault.where, fault.field) for fault in refused.value.faults} == {("item 1", "alpha"), ("item 2", "alpha"), ("item 1", "beta")}
    with pytest.raises(Faulty, match="one value an item"):
        ItemTimes([1.0], [4.0, 4.0])
    with pytest.raises(ValueError, match="read-only"):
        bank(3, 0).beta[0] = 1.0


@pytest.mark.parametrize("speeds", [(0.0, 0.0), (float("nan"), 1.0), (0.0, float("inf"))])
def test_speeds_that_are_no_distribution_are_refused(speeds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="not a distribution"):
        Speeds(*speeds)


def test_the_example_of_the_documentation_gives_the_numbers_that_it_states() -> None:
    ran = doctest.testfile(
        str(Path(__file__).parents[2] / "docs" / "timing.md"), module_relative=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL
    )
    assert ran.attempted > 5
    assert ran.failed == 0
