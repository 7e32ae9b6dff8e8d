"""Differential item functioning: the numbers of difR, an item made unfair, and answers that cannot be matched."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.dif import LogisticDif, logistic_dif, mantel_haenszel
from calibration.dif_groups import purify
from cat_engine import Faulty, Row


@pytest.fixture(scope="module")
def verbal(shared: Path) -> tuple[Any, Any]:
    with (shared / "golden" / "f_dif.csv").open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return np.array([[int(cell) for cell in line[1:]] for line in lines]), np.array([line[0] == "M" for line in lines])


def test_mantel_haenszel_is_that_of_difr(golden: Callable[[str], Any], verbal: tuple[Any, Any]) -> None:
    wanted = golden("mirt_difr_dif.json")
    found = mantel_haenszel(*verbal)
    np.testing.assert_allclose(found.statistic, wanted["mh"]["statistic"], atol=1e-9)
    np.testing.assert_allclose(found.alpha, wanted["mh"]["alpha"], atol=1e-9)
    np.testing.assert_allclose(found.var_log_alpha, wanted["mh"]["var_log_alpha"], atol=1e-9)
    np.testing.assert_allclose(found.difference, wanted["difference"], atol=1e-9)
    uncorrected = mantel_haenszel(*verbal, correct=False)
    np.testing.assert_allclose(uncorrected.statistic, wanted["mh"]["uncorrected"], atol=1e-9)
    assert (np.flatnonzero(uncorrected.p < 0.05) + 1).tolist() == wanted["mh"]["uncorrected_flagged"]
    assert (np.flatnonzero(found.p < 0.05) + 1).tolist() == wanted["mh"]["flagged"]
    assert all(label == "A" for label, p in zip(found.ets, found.p, strict=True) if p > 0.05)


def test_logistic_dif_is_that_of_difr(golden: Callable[[str], Any], verbal: tuple[Any, Any]) -> None:
    wanted, found = golden("mirt_difr_dif.json")["logistic"], logistic_dif(*verbal)
    for name in ("both", "uniform", "nonuniform", "delta_r2", "delta_r2_uniform", "delta_r2_nonuniform"):
        np.testing.assert_allclose(getattr(found, name), wanted[name], atol=1e-6)
    for p, name in ((found.p_both, "flagged"), (found.p_uniform, "flagged_uniform"), (found.p_nonuniform, "flagged_nonuniform")):
        assert (np.flatnonzero(p < 0.05) + 1).tolist() == wanted[name]
    for i in wanted["flagged"]:  # of the others difR tells the model that it chose, that of the total score alone
        np.testing.assert_allclose(found.parameters[:, i - 1], wanted["parameters"][i - 1], rtol=1e-5)
    np.testing.assert_allclose(found.uniform + found.nonuniform, found.both, atol=1e-9)


def test_purified_tests_are_those_of_difr(golden: Callable[[str], Any], verbal: tuple[Any, Any]) -> None:
    wanted = golden("mirt_difr_likelihood.json")
    scores, focal = verbal
    found = purify(lambda anchors: mantel_haenszel(scores, focal, anchors).p < 0.05, 24)
    assert (found.settled, found.rounds) == (True, wanted["mh_purified"]["iterations"] + 1)
    assert (np.flatnonzero(~found.anchors) + 1).tolist() == wanted["mh_purified"]["flagged"]
    mh = mantel_haenszel(scores, focal, found.anchors)
    np.testing.assert_allclose(mh.statistic, wanted["mh_purified"]["statistic"], atol=1e-9)
    np.testing.assert_allclose(mh.alpha, wanted["mh_purified"]["alpha"], atol=1e-9)
    found = purify(lambda anchors: logistic_dif(scores, focal, anchors).p_both < 0.05, 24)
    assert (np.flatnonzero(~found.anchors) + 1).tolist() == wanted["logistic_purified"]["flagged"]
    np.testing.assert_allclose(logistic_dif(scores, focal, found.anchors).both, wanted["logistic_purified"]["statistic"], atol=1e-6)


def test_purification_stops_where_no_anchors_would_be_left_or_nobody_waits_longer() -> None:
    found = purify(lambda _: np.array([True, True, True, False]), 4)
    assert (found.settled, found.turns, found.rounds, found.anchors.all()) == (False, 0, 1, True)
    found = purify(lambda _: np.zeros(4, dtype=bool), 4)
    assert (found.settled, found.turns, found.rounds, found.anchors.all()) == (True, 1, 1, True)
    found = purify(lambda anchors: np.arange(9) < 10 - anchors.sum(), 9, most=3)
    assert (found.turns, found.rounds, int(found.anchors.sum())) == (0, 3, 6)


def circling(*flags: str) -> Callable[[Any], Any]:
    """Sets of flags that lead to each other in this order, wherever one enters; every other set leads to the first."""
    sets = [np.array([mark == "x" for mark in own]) for own in flags]
    after = {(~one).tobytes(): other for one, other in zip(sets, [*sets[1:], sets[0]], strict=True)}
    return lambda anchors: after.get(anchors.tobytes(), sets[0])


@pytest.mark.parametrize(
    ("flags", "anchors"),
    [
        (["x....", ".x..."], "..###"),  # what none of them flags
        (["x....", ".x...", "..x.."], "...##"),
        (["xxx..", "..xx."], "...##"),  # of that fewer than two would be left: the set that flags most
        (["xx..", "..xx"], "..##"),  # of two alike the first in order
    ],
)
def test_flags_that_lead_to_each_other_are_settled_by_all_of_them_wherever_they_are_entered(flags: list[str], anchors: str) -> None:
    for first in range(len(flags)):
        for most in (10, 11, 100):
            found = purify(circling(*flags[first:], *flags[:first]), len(anchors), most)
            assert (found.settled, found.turns) == (False, len(flags))
            assert "".join(".#"[own] for own in found.anchors.tolist()) == anchors


@pytest.mark.parametrize(("seed", "turns"), [(19, 2), (49, 2), (45, 4), (498, 3)])
def test_answers_on_which_flags_go_round_are_matched_alike_however_many_rounds_there_may_be(seed: int, turns: int) -> None:
    """A third of twelve items .7 harder for the focal group, which is half an sd lower, 150 people in each: of 1,500 such samples 3.6 % go round."""
    rng = np.random.default_rng(seed)
    focal, items = np.arange(300) < 150, np.arange(12)
    theta, b = rng.normal(size=300) - 0.5 * focal, np.linspace(-1.5, 1.5, 12)
    p = 1 / (1 + np.exp(-1.2 * (theta[:, None] - b - np.where(items < 4, 0.7, 0.0) * focal[:, None])))
    scores = (rng.random((300, 12)) < p).astype(int)

    def flagged(anchors: Any) -> Any:
        return mantel_haenszel(scores, focal, anchors).p < 0.05

    found = [purify(flagged, 12, most) for most in (10, 11, 12, 13)]
    assert {own.turns for own in found} == {turns}
    assert len({own.anchors.tobytes() for own in found}) == 1
    anchors, flags = np.ones(12, dtype=bool), []
    for _ in range(40):  # by far more rounds than it takes to come round
        anchors = ~flagged(anchors)
        flags.append(~anchors)
    assert found[0].anchors.tolist() == (~np.any(flags[-turns:], axis=0)).tolist()


def groups(draw: Callable[..., Any], unfair: Row, seed: int = 401) -> tuple[Any, Any]:
    """Complete answers of two groups of 1,500; the focal one meets `unfair` in place of the last of ten items."""
    rng = np.random.default_rng(seed)
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1.5, 1.5, 9)] + [Row("2pl", 1.2, [0.0])]
    theta = [rng.normal(size=1500), rng.normal(-0.3, 1, size=1500)]
    parts = [draw(own, t, seed + k) for k, (own, t) in enumerate(zip((rows, [*rows[:9], unfair]), theta, strict=True))]
    return np.concatenate([part.category.reshape(1500, 10) for part in parts]), np.repeat([False, True], 1500)


def test_an_item_that_is_harder_for_the_focal_group_is_found_and_equal_ability_is_no_dif(draw: Callable[..., Any]) -> None:
    scores, focal = groups(draw, Row("2pl", 1.2, [0.8]))
    found, logistic = mantel_haenszel(scores, focal), logistic_dif(scores, focal)
    assert found.ets[9] == "C"
    assert found.delta[9] < -1.5
    assert found.difference[9] < -0.1
    assert set(found.ets[:9]) == {"A"}
    assert logistic.p_uniform[9] < 1e-6
    assert logistic.delta_r2[9] == max(logistic.delta_r2)


def test_sizes_by_gain_in_r2_are_those_of_jodoin_and_gierl() -> None:
    nothing, p = np.zeros(5), np.array([0.001, 0.001, 0.001, 0.2, np.nan])
    both = np.where(np.isnan(p), np.nan, 1.0)
    found = LogisticDif(
        nothing, nothing, both, nothing, nothing, p, np.array([0.034, 0.035, 0.07, 0.08, np.nan]), nothing, nothing, np.zeros((4, 5))
    )
    assert found.size == ("A", "B", "C", "A", "")


def test_an_item_that_discriminates_less_in_the_focal_group_is_non_uniform(draw: Callable[..., Any]) -> None:
    scores, focal = groups(draw, Row("2pl", 0.3, [0.0]))
    logistic = logistic_dif(scores, focal)
    assert logistic.p_nonuniform[9] < 1e-6
    assert logistic.p_nonuniform[:9].min() > 1e-4


def test_swapping_the_groups_turns_the_sign_and_keeps_the_statistics(draw: Callable[..., Any]) -> None:
    scores, focal = groups(draw, Row("2pl", 1.2, [0.5]))
    one, other = mantel_haenszel(scores, focal), mantel_haenszel(scores, ~focal)
    np.testing.assert_allclose(one.statistic, other.statistic)
    np.testing.assert_allclose(one.delta, -other.delta, atol=1e-12)
    np.testing.assert_allclose(logistic_dif(scores, focal).both, logistic_dif(scores, ~focal).both, atol=1e-6)


@pytest.mark.parametrize(("focal_answer", "alpha"), [(0, np.inf), (1, 0.0)])
def test_an_item_that_one_group_alone_solves_is_large_whichever_group_it_is(
    draw: Callable[..., Any], focal_answer: int, alpha: float
) -> None:
    scores, focal = groups(draw, Row("2pl", 1.2, [0.0]))
    scores[:, 9] = np.where(focal, focal_answer, 1 - focal_answer)
    found = mantel_haenszel(scores, focal, np.arange(10) < 9)
    assert found.alpha[9] == alpha
    assert np.isnan(found.var_log_alpha[9])
    assert abs(found.difference[9]) > 0.99
    assert found.ets[9] == "C"


def test_an_item_that_everybody_solves_gets_no_number(draw: Callable[..., Any]) -> None:
    scores, focal = groups(draw, Row("2pl", 1.2, [0.0]))
    scores[:, 3] = 1
    found = mantel_haenszel(scores, focal)
    assert np.isnan([found.statistic[3], found.alpha[3], found.p[3], logistic_dif(scores, focal).both[3]]).all()
    assert found.ets[3] == ""
    assert np.isfinite(found.statistic[[0, 1, 2]]).all()


def test_groups_that_an_item_separates_wholly_do_not_break_the_regression() -> None:
    focal = np.repeat([False, True], 40)
    scores = np.random.default_rng(5).integers(0, 2, (80, 6))
    scores[:, 0] = focal
    found = logistic_dif(scores, focal)
    assert found.both[0] > 50
    assert np.isfinite(found.both).all()


@pytest.mark.parametrize("method", [mantel_haenszel, logistic_dif])
def test_routed_polytomous_and_one_group_answers_are_refused(method: Callable[..., Any]) -> None:
    scores, focal = np.random.default_rng(6).integers(0, 2, (20, 4)), np.repeat([False, True], 10)
    with pytest.raises(Faulty, match="are incomplete or routed"):
        method(np.where(scores == 0, -1, scores), focal)
    with pytest.raises(Faulty, match="categories above 1"):
        method(scores + 1, focal)
    with pytest.raises(Faulty, match="groups, focal: the group has 0 people"):
        method(scores, focal & False)
    with pytest.raises(Faulty, match="anchors: 1 are left"):
        method(scores, focal, np.arange(4) == 1)
