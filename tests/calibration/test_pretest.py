"""Pretest design: what an answer teaches, how many are wanted, and when an item is ready."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.pretest import PretestDemands, PretestItem, gain, pretest_design
from calibration.priors import Priors
from cat_engine import Faulty, Row
from itembank.bank import Bank

OPERATIONAL = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1.5, 1.5, 20)]
NEW = [Row("2pl", 1.2, [-1.0]), Row("2pl", 0.1, [0.0]), Row("grm", 1.5, [-1.0, 0.0, 1.2]), Row("2pl", 1.0, [1.5]), Row("2pl", 1.0, [2.2])]
PRETEST = frozenset(f"i{20 + k}" for k in range(len(NEW)))


@pytest.fixture(scope="module")
def found(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> dict[str, PretestItem]:
    """400 people: i20 has 150 answers, i21 all (and hardly discriminates), i22 60, i23 none, i24 (hard) 110."""
    data = draw([*OPERATIONAL, *NEW], np.random.default_rng(51).normal(size=400), 52)
    most = {20: 150, 22: 60, 23: 0, 24: 110}
    keep = data.person < np.array([most.get(k, 400) for k in range(25)])[data.item]
    bank = bank_of([*OPERATIONAL, *NEW])
    return {item.item_id: item for item in pretest_design(data.log(bank.ids).where(keep), bank, PRETEST)}


def test_an_item_that_is_precise_and_fits_is_promoted_and_one_that_tells_nothing_is_rejected(found: dict[str, PretestItem]) -> None:
    assert (found["i20"].verdict, found["i20"].wanted) == ("promote", 0)
    assert found["i20"].se_b < 0.35
    assert (found["i21"].verdict, found["i21"].wanted) == ("reject", 0)
    assert "hampir tidak membedakan" in found["i21"].why


def test_an_item_with_few_answers_wants_the_rest(found: dict[str, PretestItem]) -> None:
    assert (found["i22"].verdict, found["i22"].n, found["i22"].wanted) == ("keep", 60, 40)
    assert (found["i23"].verdict, found["i23"].n, found["i23"].wanted) == ("keep", 0, 100)
    assert np.isnan(found["i23"].se_b)


def test_an_item_whose_error_is_too_large_wants_as_many_more_as_its_error_asks_for(found: dict[str, PretestItem]) -> None:
    item = found["i24"]
    assert item.verdict == "keep"
    assert item.se_b > 0.35
    assert item.n + item.wanted == pytest.approx(110 * (item.se_b / 0.35) ** 2, abs=1)  # the error falls as 1 / sqrt n


def test_items_that_learn_most_stand_first_and_are_for_people_near_them(found: dict[str, PretestItem]) -> None:
    kept = [item for item in found.values() if item.verdict == "keep"]
    assert list(found.values())[: len(kept)] == kept
    assert [item.gain for item in kept] == sorted((item.gain for item in kept), reverse=True)
    assert found["i23"].low < 1.5 < found["i23"].high + 0.5
    assert found["i23"].low > 0


def test_what_an_answer_teaches_is_the_change_of_the_determinant_of_the_information() -> None:
    """2PL with parameters (log a, b) by hand: scores are (y - P) (a (theta - b), -a), so M(theta) = P Q v v' with v = (a (theta - b), -a)."""
    row, nodes = Row("2pl", 1.4, [0.5]), np.array([-1.0, 0.3, 2.0])
    met = np.array([10.0, 20.0, 5.0])

    def m(theta: float) -> Any:
        p = 1 / (1 + np.exp(-1.4 * (theta - 0.5)))
        v = np.array([1.4 * (theta - 0.5), -1.4])
        return p * (1 - p) * np.outer(v, v)

    known = sum(n * m(theta) for n, theta in zip(met, nodes, strict=True)) + 1e-8 * np.eye(2)
    expected = [np.log(np.linalg.det(known + m(theta)) / np.linalg.det(known)) for theta in nodes]
    np.testing.assert_allclose(gain(row, met, nodes, Priors({})), expected, rtol=1e-9)


def test_the_more_is_known_the_less_an_answer_teaches() -> None:
    row, nodes = Row("grm", 1.2, [-0.5, 0.8]), np.linspace(-3, 3, 13)
    before, after = (gain(row, np.full(13, n), nodes, Priors()) for n in (1.0, 50.0))
    assert np.all(after < before)


def test_an_item_that_is_not_ready_after_the_most_answers_is_given_up(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    rows = [*OPERATIONAL, Row("2pl", 0.8, [3.5])]
    data = draw(rows, np.random.default_rng(61).normal(size=300), 62)
    bank = bank_of(rows)
    [item] = pretest_design(data.log(bank.ids), bank, ["i20"], PretestDemands(max_se=0.1, most_n=300))
    assert item.verdict == "reject"
    assert "setelah 300 jawaban" in item.why


@pytest.mark.parametrize(("ids", "message"), [(["zz"], "'?zz'?.*is not an item"), ([], "there are no pretest items")])
def test_items_that_are_none_are_named(ids: list[str], message: str, draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    data = draw(OPERATIONAL, np.zeros(10), 1)
    with pytest.raises(Faulty, match=message):
        pretest_design(data.log(bank_of(OPERATIONAL).ids), bank_of(OPERATIONAL), ids)
