"""DIF on answers of any kind: likelihood ratios (mirt's numbers), residuals and CATSIB (by hand, and on answers that were routed)."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from calibration.catsib import catsib
from calibration.curves import params_of, starting_rows
from calibration.dif_groups import purify
from calibration.dif_likelihood import likelihood_dif
from calibration.dif_prediction import abilities, predicted, predictions
from calibration.dif_residual import residual_dif
from calibration.mml import FLAT, MmlOptions, fit_mml
from cat_engine import Faulty, Grid, ItemParams, Row, log_probabilities, probabilities
from cat_engine.irt import information
from cat_engine.simulate import draw_category


@pytest.fixture(scope="module")
def verbal(shared: Path) -> tuple[Any, Any]:
    with (shared / "golden" / "f_dif.csv").open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return np.array([[int(cell) for cell in line[1:]] for line in lines]), np.array([line[0] == "M" for line in lines])


def test_likelihood_ratios_are_those_of_mirt(golden: Callable[[str], Any], verbal: tuple[Any, Any]) -> None:
    wanted, (scores, focal) = golden("mirt_difr_likelihood.json"), verbal
    person, item = np.nonzero(scores >= 0)
    studied = np.isin(np.arange(24), [0, 5, 11])
    found = likelihood_dif(person, item, scores[person, item], [Row("2pl", 1.0, [0.0])] * 24, focal, studied=studied)
    assert [found.mean, found.sd**2] == pytest.approx([wanted["mean"], wanted["variance"]], abs=1e-3)
    for mine in ("both", "uniform"):
        theirs = {name: np.array(values)[studied[:12]] for name, values in wanted[mine].items()}
        np.testing.assert_allclose(getattr(found, mine)[studied], theirs["statistic"], atol=1e-3)
        np.testing.assert_allclose(getattr(found, f"p_{mine}")[studied], theirs["p"], atol=1e-4)
        assert getattr(found, f"df_{mine}")[studied].tolist() == theirs["df"].tolist()
    assert np.isnan(found.both[~studied]).all()


def two_groups(draw: Callable[..., Any], unfair: Row, fair: Row, n: int = 900) -> tuple[Any, Any]:
    """Complete answers of two groups to nine 2PL items and a last one, which is `fair` in the reference and `unfair` in the focal group."""
    rng = np.random.default_rng(451)
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1.5, 1.5, 9)]
    theta = rng.normal(size=n), rng.normal(-0.5, 1.2, size=n)
    parts = [draw([*rows, own], t, 452 + k).category.reshape(n, 10) for k, (own, t) in enumerate(zip((fair, unfair), theta, strict=True))]
    return np.concatenate(parts), np.repeat([False, True], n)


@pytest.mark.parametrize(
    ("fair", "unfair", "kind"),
    [
        (Row("2pl", 1.2, [0.0]), Row("2pl", 1.2, [0.6]), "uniform"),
        (Row("2pl", 1.6, [0.0]), Row("2pl", 0.6, [0.0]), "nonuniform"),
        (Row("grm", 1.2, [-0.7, 0.5]), Row("grm", 1.2, [-0.2, 1.0]), "uniform"),
        (Row("3pl", 1.5, [0.0], 0.2), Row("3pl", 1.5, [0.7], 0.2), "uniform"),
        (Row("pcm", 1.0, [-0.7, 0.5]), Row("pcm", 1.0, [-0.1, 1.1]), "uniform"),
        (Row("nrm", 1.0, [0.4, 0.2], slopes=[0.8, 1.9]), Row("nrm", 1.0, [-0.1, -0.8], slopes=[0.8, 1.9]), "uniform"),
        (Row("nrm", 1.0, [0.4, 0.2], slopes=[0.6, 1.9]), Row("nrm", 1.0, [0.4, 0.2], slopes=[1.4, 0.6]), "nonuniform"),
    ],
)
def test_an_item_made_unfair_is_found_and_its_size_told(draw: Callable[..., Any], fair: Row, unfair: Row, kind: str) -> None:
    scores, focal = two_groups(draw, unfair, fair)
    person, item = np.nonzero(scores >= 0)
    rows = [Row("2pl", 1.0, [0.0])] * 9 + [fair]
    found = likelihood_dif(person, item, scores[person, item], rows, focal, studied=np.arange(10) > 7)
    steps = len(fair.b)
    slopes = len(fair.slopes) or (fair.model != "pcm")
    assert (found.df_both[9], found.df_uniform[9]) == (steps + slopes, steps)
    assert found.p_both[9] < 1e-4
    assert found.p_both[8] > 0.001
    gap = expected_gap(fair, unfair)
    assert found.signed[9] == pytest.approx(gap.mean(), abs=0.05 * steps)
    assert found.unsigned[9] == pytest.approx(np.abs(gap).mean(), abs=0.05 * steps)
    if fair.model == "pcm":
        assert np.isnan(found.nonuniform[9])
    else:
        assert (found.p_nonuniform[9] < 1e-4) == (kind == "nonuniform")
        assert found.both[9] == pytest.approx(found.uniform[9] + found.nonuniform[9])


def expected_gap(fair: Row, unfair: Row) -> Any:
    theta = np.random.default_rng(1).normal(-0.5, 1.2, 20_000)
    p = probabilities(ItemParams.from_rows([fair, unfair]), theta)
    return np.diff((p * np.arange(p.shape[2])).sum(axis=2), axis=1)[:, 0]


def test_an_item_that_is_no_anchor_does_not_move_the_groups(draw: Callable[..., Any]) -> None:
    scores, focal = two_groups(draw, Row("2pl", 1.2, [2.0]), Row("2pl", 1.2, [0.0]))
    person, item = np.nonzero(scores >= 0)

    def mean(n: int, anchors: Any = None) -> float:
        kept = item < n
        rows, x = [Row("2pl", 1.0, [0.0])] * n, scores[person, item]
        return likelihood_dif(person[kept], item[kept], x[kept], rows, focal, anchors, studied=np.zeros(n, dtype=bool)).mean

    assert mean(10, np.arange(10) != 9) == pytest.approx(mean(9), abs=0.002)
    assert mean(10) < mean(9) - 0.1


def test_an_item_that_a_group_answered_alike_is_not_tested_and_lone_groups_are_refused(draw: Callable[..., Any]) -> None:
    scores, focal = two_groups(draw, Row("2pl", 1.2, [0.0]), Row("2pl", 1.2, [0.0]), 60)
    scores[focal, 9] = 1
    person, item = np.nonzero(scores >= 0)
    rows = [Row("2pl", 1.0, [0.0])] * 10
    found = likelihood_dif(person, item, scores[person, item], rows, focal, studied=np.arange(10) == 9)
    assert np.isnan([found.both[9], found.p_both[9], found.signed[9]]).all()
    with pytest.raises(Faulty, match="focal: the group has 0 people"):
        likelihood_dif(person, item, scores[person, item], rows, focal & False)
    with pytest.raises(Faulty, match="anchors: 1 are left"):
        predicted(person, item, scores[person, item], rows, focal, np.arange(10) == 0)


def test_residual_statistics_are_those_of_the_definitions() -> None:
    p = np.array([[0.2, 0.8], [0.5, 0.5], [0.6, 0.4], [0.9, 0.1], [0.3, 0.7]])
    x, focal = np.array([1, 0, 1, 0, 1]), np.array([False, False, False, True, True])
    found = residual_dif(np.zeros(5, dtype=int), x, p, focal, 1)
    e, v = x - p[:, 1], p[:, 0] * p[:, 1]
    var_s, var_r, both = ((n / np.array([3, 3, 3, 2, 2]) ** 2).sum() for n in (v * (1 - 4 * v), v, v * (1 - 2 * p[:, 1])))
    r, s = e[3:].mean() - e[:3].mean(), (e**2)[3:].mean() - (e**2)[:3].mean()
    away = np.array([r, s - (v[3:].mean() - v[:3].mean())])
    assert [found.r[0], found.s[0]] == pytest.approx([r, s])
    assert [found.z_r[0], found.z_s[0]] == pytest.approx(away / np.sqrt([var_r, var_s]))
    assert found.rs[0] == pytest.approx(away @ np.linalg.solve([[var_r, both], [both, var_s]], away))


@settings(max_examples=25)
@given(st.integers(0, 10_000))
def test_swapping_the_groups_turns_the_sign_and_keeps_the_p_values(seed: int) -> None:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(3), 80)
    item, x, focal = rng.integers(0, 2, 80), rng.integers(0, 3, 80), np.arange(80) % 3 == 0
    one, other = residual_dif(item, x, p, focal, 2), residual_dif(item, x, p, ~focal, 2)
    np.testing.assert_allclose(one.z_r, -other.z_r, atol=1e-9)
    np.testing.assert_allclose(one.rs, other.rs, atol=1e-9)
    there, back = (catsib(item, x, p[:, 0], own, 2) for own in (focal, ~focal))
    np.testing.assert_allclose(there.z, -back.z, atol=1e-9)


def test_catsib_is_the_weighted_difference_within_intervals() -> None:
    theta = np.concatenate([np.repeat([0.0, 1.0], [4, 6]), np.repeat([0.0, 1.0], [5, 3])])
    score = np.array([0, 1, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 1])
    focal = np.repeat([False, True], [10, 8])
    found = catsib(np.zeros(18, dtype=int), score, theta, focal, 1)
    weight = np.array([9, 9]) / 18
    assert found.beta[0] == pytest.approx(weight @ [1 / 5 - 1 / 2, 2 / 3 - 5 / 6])
    variances = np.array(
        [np.var(score[10:15], ddof=1) / 5 + np.var(score[:4], ddof=1) / 4, np.var(score[15:], ddof=1) / 3 + np.var(score[4:10], ddof=1) / 6]
    )
    assert found.se[0] == pytest.approx(np.sqrt(weight**2 @ variances))
    few = catsib(np.zeros(18, dtype=int), score, theta, focal & (np.arange(18) > 15), 1)
    assert np.isnan([few.beta[0], few.p[0]]).all()
    assert few.size == ("",)


def test_a_prediction_is_by_the_other_answers_and_the_own_group(draw: Callable[..., Any]) -> None:
    scores, focal = two_groups(draw, Row("2pl", 1.2, [0.0]), Row("2pl", 1.2, [0.0]), 400)
    person, item = np.nonzero(scores >= 0)
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1.5, 1.5, 9)] + [Row("2pl", 1.2, [0.0])]
    one = predicted(person, item, scores[person, item], rows, focal)
    np.testing.assert_allclose(one.p.sum(axis=1), 1)
    changed = scores.copy()
    changed[:, 3] = 1 - changed[:, 3]  # a person's own answer says nothing about itself, but for what it does to the group's mean
    alone = item == 3
    other = predicted(person[~alone], item[~alone], scores[person, item][~alone], rows, focal)
    without = predicted(person, item, scores[person, item], rows, focal, np.arange(10) != 3)
    np.testing.assert_allclose(without.p[~alone], other.p, atol=1e-9)
    assert np.abs(predicted(person, item, changed[person, item], rows, focal, np.arange(10) != 3).p - without.p).max() < 1e-12
    assert without.theta[alone & focal[person]].mean() < without.theta[alone & ~focal[person]].mean() - 0.3


def test_means_and_sds_of_groups_are_the_maximum_that_a_general_optimiser_finds(draw: Callable[..., Any]) -> None:
    scores, focal = two_groups(draw, Row("2pl", 1.2, [0.0]), Row("2pl", 1.2, [0.0]), 400)
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1.5, 1.5, 9)] + [Row("2pl", 1.2, [0.0])]
    nodes = np.linspace(-6, 6, 61)
    p = probabilities(ItemParams.from_rows(rows), nodes)
    likelihood = np.prod([p[:, i, scores[:, i]] for i in range(10)], axis=0).T
    divisions = np.stack([focal, np.arange(800) % 3 == 0])
    means, sds = abilities(likelihood, divisions, nodes)
    for c, division in enumerate(divisions):
        for side in (0, 1):
            own = likelihood[division == bool(side)]

            def minus(x: Any, own: Any = own) -> float:
                g = np.exp(-0.5 * ((nodes - x[0]) / np.exp(x[1])) ** 2 - x[1])  # the density itself, also of what lies beyond the nodes
                return -float(np.log(own @ g).sum())

            best = minimize(minus, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-11})
            assert [means[c, side], sds[c, side]] == pytest.approx([best.x[0], np.exp(best.x[1])], abs=1e-5)


def test_many_divisions_at_once_are_each_as_alone_and_as_by_posteriors_written_out(draw: Callable[..., Any]) -> None:
    scores, focal = two_groups(draw, Row("grm", 1.2, [-0.7, 0.5]), Row("grm", 1.2, [-0.7, 0.5]), 300)
    person, item = np.nonzero(scores >= 0)
    x = scores[person, item]
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1.5, 1.5, 9)] + [Row("grm", 1.2, [-0.7, 0.5])]
    divisions, wanted = np.stack([focal, np.arange(600) % 2 == 0]), np.stack([np.arange(10) > 6, np.arange(10) < 2])
    each = [predicted(person, item, x, rows, division) for division in divisions]
    met = np.zeros((2, len(item)), dtype=int)
    for found in predictions(person, item, x, params_of(rows), divisions, None, wanted):
        assert (item[found.answers] == found.item).all()
        for d, c in enumerate(found.divisions.tolist()):
            met[c, found.answers] += 1
            np.testing.assert_allclose(found.p[d].T, each[c].p[found.answers, : len(found.p[d])], atol=1e-13)
            np.testing.assert_allclose(found.theta[d], each[c].theta[found.answers], atol=1e-13)
            assert (each[c].p[found.answers, len(found.p[d]) :] == 0).all()  # a category that the item does not have
    np.testing.assert_array_equal(met, wanted[:, item])  # each once, if it is wanted
    held = fit_mml(person, item, x, rows, MmlOptions(priors=FLAT, tolerance=1e-9), np.ones(10, dtype=bool), focal.astype(int))
    nodes = Grid().nodes()
    log_p = log_probabilities(ItemParams.from_rows(rows), nodes)
    alone = predicted(person, item, x, rows, focal)
    for k in range(0, len(item), 97):
        others = [i for i in range(10) if i != item[k]]
        g = int(focal[person[k]])
        log_w = sum(log_p[:, i, scores[person[k], i]] for i in others) - 0.5 * ((nodes - held.means[g]) / held.sds[g]) ** 2
        w = np.exp(log_w - log_w.max())
        np.testing.assert_allclose(alone.p[k], np.exp(log_p[:, item[k]]).T @ w / w.sum(), atol=1e-7)
        assert alone.theta[k] == pytest.approx(float(nodes @ w / w.sum()), abs=1e-6)


def routed(rows: list[Row], theta: Any, focal: Any, shift: Any, length: int, seed: int) -> tuple[Any, Any, Any]:
    """Answers of people who each get, item after item, one of the five that say most about them; b is shift[I] higher in the focal group."""
    rng = np.random.default_rng(seed)
    params, everybody = ItemParams.from_rows(rows), np.arange(len(theta))
    harder = ItemParams.from_rows([row._replace(b=[b + own for b in row.b]) for row, own in zip(rows, shift, strict=True)])
    nodes = Grid(n=41).nodes()
    table, worth = np.moveaxis(log_probabilities(params, nodes), 0, -1), information(params, nodes)
    joint, met, steps = np.tile(-0.5 * nodes**2, (len(theta), 1)), np.zeros((len(theta), len(rows)), dtype=bool), []
    for _ in range(length):
        near = joint.argmax(axis=1)
        best = np.argpartition(-np.where(met, -1, worth[near]), 5, axis=1)[:, :5]
        item = best[everybody, rng.integers(5, size=len(theta))]
        u = rng.random(len(theta))
        x = np.where(focal, draw_category(harder, theta, item, u), draw_category(params, theta, item, u))
        met[everybody, item] = True
        joint += table[item, x]
        steps.append((everybody, item, x))
    return tuple(np.concatenate(column) for column in zip(*steps, strict=True))  # type: ignore[return-value]


def study(seed: int, impact: float, size: float, *, purified: bool = False) -> tuple[dict[str, Any], Any]:
    """4,000 people, 20 of 60 2PL items each, estimated from both groups together; six items `size` harder for the focal half: p and sizes, and who met enough."""
    rng = np.random.default_rng(seed)
    rows = [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0.1, 0.25, 60), rng.normal(0, 1.1, 60), strict=True)]
    focal = np.arange(4000) % 2 == 1
    theta = rng.normal(size=4000) - impact * focal
    person, item, x = routed(rows, theta, focal, np.where(np.arange(60) < 6, size, 0.0), 20, seed)
    estimated = list(
        fit_mml(person, item, x, starting_rows("2pl", [np.bincount(x[item == i], minlength=2).tolist() for i in range(60)])).rows
    )
    inside = focal[person]
    anchors = np.ones(60, dtype=bool)
    if purified:
        anchors = purify(
            lambda own: residual_dif(item, x, predicted(person, item, x, estimated, focal, own).p, inside, 60).p_rs < 0.01, 60
        ).anchors
    guess = predicted(person, item, x, estimated, focal, anchors)
    rdif, sib = residual_dif(item, x, guess.p, inside, 60), catsib(item, x, guess.theta, inside, 60)
    enough = np.bincount(item + 60 * inside, minlength=120).reshape(2, 60).min(axis=0) >= 150
    return {"r": rdif.p_r, "s": rdif.p_s, "rs": rdif.p_rs, "catsib": sib.p, "size": rdif.r, "beta": sib.beta}, enough


def test_items_made_unfair_are_found_in_routed_answers_of_groups_that_differ_in_ability() -> None:
    found, enough = study(461, 1.0, 0.8)
    unfair = enough & (np.arange(60) < 6)
    assert unfair.sum() >= 2
    assert (found["rs"][unfair] < 0.01).mean() > 0.6
    assert found["size"][unfair].max() < -0.05
    assert found["beta"][unfair].max() < -0.04
    assert np.abs(np.median(found["size"][enough & ~unfair])) < 0.02


@pytest.mark.slow
@pytest.mark.parametrize("impact", [0.0, 1.0])
def test_fair_items_are_flagged_about_as_often_as_the_level_says(impact: float) -> None:
    """30 routed samples without any DIF, with groups alike and one sd apart: share of p < .05 of each statistic."""
    shares = {name: [] for name in ("r", "s", "rs", "catsib")}
    for seed in range(30):
        found, enough = study(480 + seed, impact, 0.0)
        for name, own in shares.items():
            own.append(np.mean(found[name][enough] < 0.05))
    means = {name: round(float(np.mean(own)), 4) for name, own in shares.items()}
    assert all(0.02 < share < 0.08 for share in means.values()), means


@pytest.mark.slow
def test_purification_brings_the_power_and_lets_fair_items_be() -> None:
    """20 routed samples, a tenth of the items .6 harder for the focal group, which is half an sd lower: power above .8, fair items below .08."""
    power, false = [], []
    for seed in range(20):
        found, enough = study(520 + seed, 0.5, 0.6, purified=True)
        unfair = np.arange(60) < 6
        power.append(np.mean(found["rs"][enough & unfair] < 0.05))
        false.append(np.mean(found["rs"][enough & ~unfair] < 0.05))
    assert np.mean(power) > 0.8, np.mean(power)
    assert np.mean(false) < 0.08, np.mean(false)


@pytest.mark.slow
def test_likelihood_ratios_of_fair_items_are_chi_squares(draw: Callable[..., Any]) -> None:
    """40 samples of twice 500 people on 10 2PL items, the focal group half an sd lower: share of p < .05."""
    small = []
    for seed in range(40):
        rng = np.random.default_rng(560 + seed)
        rows = [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0.1, 0.25, 10), rng.normal(0, 1, 10), strict=True)]
        focal = np.arange(1000) < 500
        data = draw(rows, rng.normal(size=1000) - 0.5 * focal, seed)
        found = likelihood_dif(data.person, data.item, data.category, rows, focal)
        small.append([(own < 0.05).mean() for own in (found.p_both, found.p_uniform, found.p_nonuniform)])
    means = np.mean(small, axis=0)
    assert (means > 0.025).all(), means
    assert (means < 0.085).all(), means
