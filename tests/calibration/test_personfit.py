"""Person fit of answers: numbers of mirt, Snijders' formula written out, rates of false alarms, and what misfit looks like."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit
from scipy.stats import norm

from calibration.personfit import PatternFit, met, pattern_fit
from calibration.personfit_answers import Scorer, Sittings
from calibration.personfit_cusum import cusum
from calibration.personfit_simulated import null_of_test, p_by_own_items, statistics
from cat_engine import Faulty, Row
from cat_engine.irt import Floats, Ints
from tests.calibration.sitters import adaptive, adaptive_plan, bank_of_rows, form, items, log_of, scorer_of

GOLDEN = Path(__file__).parents[1] / "golden"


def fit(scorer: Scorer) -> PatternFit:
    """At the abilities that the scorer gives."""
    sittings = scorer.sittings
    return pattern_fit(sittings, met(sittings, sittings.category, scorer.score(sittings.category)[0]))


def complete(matrix: Ints, rows: list[Row]) -> Sittings:
    person, item = np.nonzero(matrix >= 0)
    bank = bank_of_rows(rows)
    return Sittings.of(log_of(bank, len(matrix), person, item, matrix[person, item], item, "fixed"), bank)


@pytest.mark.parametrize("model", ["3pl", "grm"])
def test_lz_is_that_of_mirt_at_true_ability_posterior_mean_and_weighted_likelihood(golden: Callable[[str], Any], model: str) -> None:
    wanted, wle = golden("mirt_residuals.json")["lz"][model], json.loads((GOLDEN / "mirt_lz_wle.json").read_text())[model]
    rows = [
        Row("3pl", own[0], [-own[1] / own[0]], own[2]) if model == "3pl" else Row("grm", own[0], [-d / own[0] for d in own[1:]])
        for own in wanted["items"]
    ]
    sittings = complete(np.array([[int(c) for c in line] for line in wanted["answers"]]), rows)
    pairs = [(wanted["true_theta"], wanted["lz_true"]), (wanted["EAP"], wanted["lz_EAP"]), (wle["WLE"], wle["lz_WLE"])]
    for theta, lz in pairs:
        np.testing.assert_allclose(pattern_fit(sittings, met(sittings, sittings.category, np.array(theta))).lz, lz, atol=1e-9)


def snijders(a: Floats, b: Floats, c: Floats, x: Floats, theta: float, r0: float) -> float:
    """Snijders (2001, eq. 9-15) for 0/1 items, with w_i = logit P_i and r_i = P' / (P Q); r0 of the estimator."""
    s = expit(a * (theta - b))
    p = c + (1 - c) * s
    slope = (1 - c) * a * s * (1 - s)
    w, r = logit(p), slope / (p * (1 - p))
    cn = (slope * w).sum() / (slope * r).sum()
    tilde = w - cn * r
    return float((((x - p) * w).sum() + cn * r0) / np.sqrt((p * (1 - p) * tilde**2).sum()))


@pytest.mark.parametrize("method", ["mle", "map", "wle"])
@pytest.mark.parametrize("model", ["2pl", "3pl"])
def test_lz_star_is_snijders_formula_with_the_r0_of_the_estimator(method: str, model: str) -> None:
    rows = items(model, 25, 1)
    bank = bank_of_rows(rows)
    scorer = scorer_of(form(bank, np.linspace(-1.5, 1.5, 40)[:, None], 2), bank, method)
    theta, _ = scorer.score(scorer.sittings.category)
    a, b, c = (np.array(values) for values in zip(*((row.a, row.b[0], row.c) for row in rows), strict=True))
    found = fit(scorer).lz_star
    for k, (x, t) in enumerate(zip(scorer.sittings.table(scorer.sittings.category), theta.tolist(), strict=True)):
        s = expit(a * (t - b))
        p, first = c + (1 - c) * s, (1 - c) * a * s * (1 - s)
        second = first * a * (1 - 2 * s)
        warm = (first * second / (p * (1 - p))).sum() / (2 * (first**2 / (p * (1 - p))).sum())
        r0 = {"mle": 0.0, "map": -t, "wle": warm}[method]
        assert abs(t) < 4
        assert found[k] == pytest.approx(snijders(a, b, c, x, t, r0), abs=1e-7)


def test_a_graded_item_of_two_categories_is_a_2pl_item() -> None:
    rows = items("2pl", 20, 3)
    theta = np.random.default_rng(4).normal(size=(50, 1))
    one = scorer_of(form(bank_of_rows(rows), theta, 5), bank_of_rows(rows))
    other = scorer_of(form(bank_of_rows(rows), theta, 5), bank_of_rows([row._replace(model="grm") for row in rows]))
    for name in PatternFit.__slots__:
        np.testing.assert_allclose(getattr(fit(one), name), getattr(fit(other), name), rtol=1e-9)


@pytest.mark.parametrize(("model", "method"), [("2pl", "mle"), ("3pl", "eap"), ("grm", "eap"), ("gpcm", "wle")])
def test_lz_star_keeps_its_level_on_a_form_where_lz_does_not(model: str, method: str) -> None:
    bank = bank_of_rows(items(model, 40 if model in ("2pl", "3pl") else 20, 6))
    found = fit(scorer_of(form(bank, np.random.default_rng(7).normal(size=(1000, 1)), 8), bank, method))
    assert found.lz_star.std() == pytest.approx(1, abs=0.06)
    assert (found.p < 0.05).mean() == pytest.approx(0.05, abs=0.021)  # three standard errors
    assert found.lz.std() < found.lz_star.std() - 0.03


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.sampled_from(["2pl", "gpcm"]))
def test_a_persons_numbers_do_not_depend_on_who_else_is_there(seed: int, model: str) -> None:
    bank = bank_of_rows(items(model, 12, seed, scales=2))
    rng = np.random.default_rng(seed)
    log = form(bank, rng.normal(size=(9, 2)), seed)
    keep = rng.random(len(log)) < 0.7
    keep[::12] = True  # nobody is left without an answer
    scorer = scorer_of(log.where(keep), bank)
    every, p = fit(scorer), p_by_own_items(scorer, 9, 1)
    some = np.array([1, 4, 8])
    few = Scorer.of(scorer.sittings.people(some))
    alone, p_alone = fit(few), p_by_own_items(few, 9, 1)
    for name in PatternFit.__slots__:
        np.testing.assert_allclose(getattr(alone, name), getattr(every, name)[some], rtol=1e-12)
    np.testing.assert_array_equal(p_alone.lz_star, p.lz_star[some])
    np.testing.assert_array_equal(p_alone.cusum, p.cusum[some])
    assert [b.n_persons for b in scorer.sittings.blocks(20)] != [9]
    np.testing.assert_allclose(np.concatenate([fit(Scorer.of(b)).lz_star for b in scorer.sittings.blocks(20)]), every.lz_star, rtol=1e-12)


def test_several_competencies_add_up_numerator_and_variance() -> None:
    rows = items("2pl", 40, 11, scales=2)
    log = form(bank_of_rows(rows), np.random.default_rng(12).normal(size=(30, 2)), 13)
    both = fit(scorer_of(log, bank_of_rows(rows)))
    weighted, total = np.zeros(30), np.zeros(30)
    for s in range(2):
        part = log.where(np.arange(len(log)) % 2 == s)
        scorer = scorer_of(part, bank_of_rows(rows))
        at = met(scorer.sittings, part.category, scorer.score(scorer.sittings.category)[0])
        mean = (at.p * at.log_p).sum(axis=1)
        root = np.sqrt(scorer.sittings.by_person((at.p * at.log_p**2).sum(axis=1) - mean**2))
        weighted, total = weighted + fit(scorer).lz * root, total + root**2
    np.testing.assert_allclose(both.lz, weighted / np.sqrt(total), rtol=1e-10)


def test_shuffled_answers_stand_out_and_a_single_answer_tells_nothing() -> None:
    bank = bank_of_rows(items("2pl", 60, 14))
    log = form(bank, np.random.default_rng(15).normal(size=(300, 1)), 16)
    matrix = log.matrix()
    for row in matrix[:50]:
        np.random.default_rng(17).shuffle(row)
    found = fit(scorer_of(replace(log, category=matrix.ravel()), bank))
    assert (found.p[:50] < 0.05).mean() > 0.6
    assert (found.p[50:] < 0.05).mean() < 0.09
    assert found.outfit[:50].mean() > 1.2
    alone = fit(scorer_of(log.where(log.item == 0), bank))
    assert np.isnan(alone.lz_star).all()
    assert np.isfinite(alone.lz).all()


def test_the_cusum_is_pages_recursion_in_order_of_position_at_the_maximum_likelihood_ability() -> None:
    rows = items("2pl", 15, 18)
    bank = bank_of_rows(rows)
    log = form(bank, np.linspace(-1, 1, 20)[:, None], 20)
    order = np.random.default_rng(21).permutation(len(log))
    shuffled = replace(log.where(order), position=(14 - log.item)[order])  # the last item first
    scorer = scorer_of(shuffled, bank, "mle")
    theta, _ = scorer.score(scorer.sittings.category)
    found = cusum(scorer.sittings, met(scorer.sittings, scorer.sittings.category, theta))
    a, b = np.array([row.a for row in rows]), np.array([row.b[0] for row in rows])
    for k, person_id in enumerate(scorer.sittings.person_ids):
        answers = log.category[log.person == log.person_ids.index(person_id)]
        upper = lower = highest = lowest = 0.0
        for t in ((answers - expit(a * (theta[k] - b)))[::-1] / 15).tolist():
            upper, lower = max(0.0, upper + t), min(0.0, lower + t)
            highest, lowest = max(highest, upper), min(lowest, lower)
        assert abs(theta[k]) < 4
        assert found[k] == pytest.approx(max(highest, -lowest), abs=1e-12)


def test_the_cusum_from_a_shrunken_estimate_is_near_that_of_the_maximum_likelihood_one() -> None:
    bank = bank_of_rows(items("gpcm", 40, 22, scales=5))
    log = form(bank, np.full((60, 5), 1.0), 23)  # able in everything: residuals at posterior means would drift
    values = {}
    for method in ("eap", "mle"):
        scorer = scorer_of(log, bank, method)
        at = met(scorer.sittings, scorer.sittings.category, scorer.score(scorer.sittings.category)[0])
        values[method] = cusum(scorer.sittings, at)
    away = np.abs(values["eap"] - values["mle"])
    assert np.median(away) < 0.05 * values["mle"].mean()
    assert values["eap"].mean() == pytest.approx(values["mle"].mean(), rel=0.05)


def test_a_cusum_finds_who_gives_up_half_way() -> None:
    bank = bank_of_rows(items("2pl", 50, 22))
    log = form(bank, np.random.default_rng(23).normal(0.5, 1, size=(100, 1)), 24)
    quits = (log.person < 20) & (log.item >= 25)
    category = np.where(quits, np.random.default_rng(25).random(len(log)) < 0.2, log.category)
    p = p_by_own_items(scorer_of(replace(log, category=category), bank), 39, 1).cusum
    assert (p[:20] <= 0.05).mean() > 0.6
    assert (p[20:] <= 0.05).mean() < 0.12


def test_p_values_on_ones_own_items_keep_their_level_on_a_form() -> None:
    bank = bank_of_rows(items("3pl", 15, 26))
    found = p_by_own_items(scorer_of(form(bank, np.random.default_rng(27).normal(size=(500, 1)), 28), bank), 39, 1)
    for p in (found.lz_star, found.cusum):
        assert (p <= 0.05 + 1e-9).mean() == pytest.approx(0.05, abs=0.03)
        assert (p <= 0.2 + 1e-9).mean() == pytest.approx(0.2, abs=0.05)
        assert p.min() >= 1 / 40


@pytest.mark.parametrize(("model", "scales", "each"), [("3pl", 1, 20), ("2pl", 2, 10)])
def test_in_an_adaptive_test_lz_star_is_too_seldom_low_and_simulated_sitters_mend_it(model: str, scales: int, each: int) -> None:
    bank = bank_of_rows(items(model, 100, 29, scales))
    plan, pool = adaptive_plan(bank, each)
    scorer = scorer_of(adaptive(bank, np.random.default_rng(30).normal(size=(800, scales)), each, 31), bank)
    sittings = scorer.sittings
    found = null_of_test(scorer, plan, pool, 32).p(*statistics(scorer, sittings.category))
    assert (fit(scorer).p < 0.05).mean() < 0.04
    assert (found.lz_star <= 0.05).mean() == pytest.approx(0.05, abs=0.025)
    assert (found.cusum <= 0.05).mean() == pytest.approx(0.05, abs=0.025)


def test_lz_star_of_a_single_pattern_is_worked_out_by_hand() -> None:
    """Two 1PL items of b = 0 at theta = 0: every pattern is as probable, so nothing can be told. With b = -1, 1 at 0 the pattern 0, 1 is the improbable one."""
    flat = complete(np.array([[0, 1]]), [Row("2pl", 1.0, [0.0])] * 2)
    assert np.isnan(pattern_fit(flat, met(flat, flat.category, np.zeros(1))).lz_star[0])
    spread = complete(np.array([[0, 1], [1, 0]]), [Row("2pl", 1.0, [-1.0]), Row("2pl", 1.0, [1.0])])
    found = pattern_fit(spread, met(spread, spread.category, np.zeros(2)))
    p = expit(1.0)
    # w = (1, -1), c = 0 by symmetry: W = (0 - p) - (1 - (1 - p)) = -2 p, variance 2 p q.
    np.testing.assert_allclose(found.lz_star, [-2 * p / np.sqrt(2 * p * (1 - p)), 2 * (1 - p) / np.sqrt(2 * p * (1 - p))], atol=1e-12)
    np.testing.assert_allclose(found.p, norm.cdf(found.lz_star))


def test_answers_that_cannot_be_of_the_bank_are_refused_and_positions_that_are_missing_leave_the_order() -> None:
    bank = bank_of_rows(items("2pl", 3, 33))
    log = form(bank, np.zeros((2, 1)), 34)
    with pytest.raises(Faulty, match="category 2 was answered"):
        Sittings.of(replace(log, category=np.full(6, 2)), bank)
    with pytest.raises(Faulty, match="is not an item of the bank"):
        Sittings.of(replace(log, item_ids=("i0", "i1", "zz")), bank)
    backwards = replace(log, item=log.item[::-1].copy(), position=np.where(log.position == 0, -1, log.position))
    assert Sittings.of(backwards, bank).item.tolist() == backwards.item.tolist()
    with pytest.raises(Faulty, match="'guess' is not"):
        Scorer.of(Sittings.of(log, bank), "guess")
