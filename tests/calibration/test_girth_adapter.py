"""girth behind its guard: a second opinion where it is valid, and a refusal by name and reason where it is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.girth_adapter import BY_PROPORTION, by_proportion, classical, second_opinion
from calibration.mml import MmlOptions, Priors, fit_mml
from calibration.responses import ResponseLog
from cat_engine import Faulty, Row, load_plan
from itembank.bank import Bank
from tests.calibration.conftest import banked, sat_adaptively


def items(n: int) -> tuple[str, ...]:
    return tuple(f"i{k}" for k in range(n))


@pytest.fixture
def form(draw: Callable[..., Any]) -> Any:
    rng = np.random.default_rng(91)
    rows = [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0, 0.2, 12), rng.normal(0, 0.8, 12), strict=True)]
    return draw(rows, rng.normal(size=1500), 92)


def test_pcm_mml_agrees_with_ours_on_a_form_that_all_took(form: Any) -> None:
    a, b = second_opinion(form.log(items(12)))
    ours = form.fit("gpcm")
    np.testing.assert_allclose(b, [row.b[0] for row in ours.rows], atol=0.05)
    np.testing.assert_allclose(a, [row.a for row in ours.rows], atol=0.05)


def test_pcm_mml_agrees_with_ours_on_graded_answers(draw: Callable[..., Any]) -> None:
    rows = [Row("gpcm", 0.9, [b - 0.6, b + 0.1, b + 0.5]) for b in np.linspace(-1, 1, 8)]
    data = draw(rows, np.random.default_rng(93).normal(size=1200), 94)
    _, b = second_opinion(data.log(items(8)))
    np.testing.assert_allclose(b, [np.mean(row.b) for row in data.fit("gpcm").rows], atol=0.05)


SHORT = """
name = "eight of fourteen"
[exposure]
name = "randomesque"
k = 5
[[sections]]
code = "all"
competencies = ["A"]
min_items = 8
max_items = 8
time_budget_min = 60
"""


def test_pcm_mml_agrees_with_ours_on_routed_answers() -> None:
    rng = np.random.default_rng(11)
    slopes, difficulties = rng.lognormal(0.1, 0.25, 14), np.linspace(-1.5, 1.5, 14)  # girth's seconds grow with the items
    bank = banked([Row("2pl", float(a), [float(b)]) for a, b in zip(slopes, difficulties, strict=True)])
    log = sat_adaptively(load_plan(SHORT), bank, rng.normal(size=2000), 3)
    assert np.bincount(log.item).min() > 200
    _, b = second_opinion(log)
    rows = [bank.row(i)._replace(model="gpcm") for i in range(len(bank))]
    ours = fit_mml(log.person, log.item, log.category, rows, MmlOptions(priors=Priors.parse("none")))
    assert np.corrcoef(b, difficulties)[0, 1] > 0.99
    assert np.sqrt(np.mean((b - [row.b[0] for row in ours.rows]) ** 2)) < 0.1


@pytest.mark.parametrize("estimator", BY_PROPORTION)
def test_estimators_that_start_from_proportions_are_refused_on_routed_answers(routed: tuple[Bank, ResponseLog], estimator: str) -> None:
    with pytest.raises(Faulty) as caught:
        by_proportion(routed[1], estimator)
    assert f"girth.{estimator} solves difficulty from proportions correct" in str(caught.value)
    assert "use pcm_mml, or this project's own MML" in str(caught.value)


def test_they_are_refused_on_incomplete_answers_of_a_fixed_form_too(form: Any) -> None:
    log = form.log(items(12))
    part = ResponseLog(
        log.person_ids, log.item_ids, log.person[1:], log.item[1:], log.category[1:], log.rt_ms[1:], log.position[1:], log.why[1:]
    )
    with pytest.raises(Faulty, match="routed or incomplete"):
        by_proportion(part)


def test_on_a_form_that_a_sample_took_whole_they_are_let_through_and_agree(form: Any) -> None:
    a, b = by_proportion(form.log(items(12)), "twopl_mml")
    ours = form.fit("2pl")
    np.testing.assert_allclose(b, [row.b[0] for row in ours.rows], atol=0.1)
    assert a.shape == (12,)
    with pytest.raises(Faulty, match="'grm_jml' is not known"):
        by_proportion(form.log(items(12)), "grm_jml")


def test_items_that_girth_cannot_take_are_named(draw: Callable[..., Any]) -> None:
    data = draw([Row("2pl", 1.0, [0.0])] * 3, np.random.default_rng(95).normal(size=50), 96)
    data.category[data.item == 1] = 1
    data.category[data.item == 2] *= 2
    with pytest.raises(Faulty) as caught:
        second_opinion(data.log(items(3)))
    assert [fault.where for fault in caught.value.faults] == ["i1", "i2"]
    assert "categories [0, 2] were seen" in str(caught.value)


def test_classical_statistics_of_a_form_are_their_definitions(draw: Callable[..., Any]) -> None:
    rows = [Row("gpcm", 0.9, [b - 0.6, b + 0.1, b + 0.5]) for b in np.linspace(-1, 1, 6)]
    data = draw(rows, np.random.default_rng(97).normal(size=400), 98)
    log = data.log(items(6))
    found, x = classical(log), log.matrix().astype(float)
    rest = x.sum(axis=1, keepdims=True) - x

    def alpha(scores: Any) -> float:
        k = scores.shape[1]
        return float(k / (k - 1) * (1 - scores.var(axis=0, ddof=1).sum() / scores.sum(axis=1).var(ddof=1)))

    np.testing.assert_allclose(found.mean, x.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.sd, x.std(axis=0, ddof=1), atol=1e-12)
    np.testing.assert_allclose(found.item_rest, [np.corrcoef(x[:, i], rest[:, i])[0, 1] for i in range(6)], atol=1e-12)
    np.testing.assert_allclose(found.alpha_without, [alpha(np.delete(x, i, axis=1)) for i in range(6)], atol=1e-12)
    assert found.alpha == pytest.approx(alpha(x), abs=1e-12)
    assert (found.polyserial > found.item_rest).all()


def test_classical_statistics_are_refused_on_routed_and_on_incomplete_answers(routed: tuple[Bank, ResponseLog], form: Any) -> None:
    log = form.log(items(12))
    for refused in (routed[1], log.where(np.arange(len(log)) > 0)):
        with pytest.raises(Faulty, match="which routed or incomplete answers do not carry"):
            classical(refused)


def test_estimators_for_right_and_wrong_do_not_take_graded_answers(draw: Callable[..., Any]) -> None:
    rows = [Row("grm", 1.2, [b - 0.8, b + 0.8]) for b in np.linspace(-1, 1, 6)]
    data = draw(rows, np.random.default_rng(99).normal(size=800), 100)
    with pytest.raises(Faulty, match=r"girth\.twopl_mml takes 0/1 answers"):
        by_proportion(data.log(items(6)), "twopl_mml")
    _, b = by_proportion(data.log(items(6)), "grm_mml")
    np.testing.assert_allclose(b, [np.mean(row.b) for row in data.fit("grm").rows], atol=0.1)


def test_what_of_girth_fails_on_this_numpy_is_named(form: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(data: Any) -> Any:
        raise ValueError("setting an array element with a sequence")

    monkeypatch.setattr("girth.threepl_mml", broken)
    with pytest.raises(Faulty, match=r"girth\.threepl_mml does not run on the installed numpy"):
        by_proportion(form.log(items(12)), "threepl_mml")
