"""Movement of a bank's items: the one that moved is flagged, by each statistic, and those that stayed are not drawn along."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.drift import d2
from calibration.movement import LARGEST_CUSUM, Movement, movements
from calibration.pipeline import CalibrationOptions
from cat_engine import Faulty, Row
from itembank.bank import Bank

ROWS = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1.4, 1.4, 16)]


@pytest.fixture(scope="module")
def found(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> dict[str, Movement]:
    """Three periods of 600 people abler than the bank's; item 7 is easier by .8 from the second on."""
    leaked = [row if k != 7 else Row("2pl", 1.3, [row.b[0] - 0.8]) for k, row in enumerate(ROWS)]
    rng = np.random.default_rng(31)
    parts = [draw(rows, rng.normal(0.4, 1.1, 600), 32 + k) for k, rows in enumerate((ROWS, leaked, leaked))]
    matrix = np.concatenate([part.category.reshape(600, 16) for part in parts])
    bank = bank_of(ROWS)
    log = type(parts[0]).of(matrix).log(bank.ids)
    return {m.item_id: m for m in movements(log, bank, period=np.repeat([0, 1, 2], 600))}


def test_the_item_that_became_easier_is_flagged_and_no_other_by_the_cumulative_sum(found: dict[str, Movement]) -> None:
    moved = found["i7"]
    assert {"robust_z", "cusum"} <= set(moved.flags)
    assert moved.robust_z < -2.7
    assert moved.easier > LARGEST_CUSUM
    assert moved.harder < LARGEST_CUSUM
    assert moved.new_b - moved.old_b == pytest.approx(-0.53, abs=0.2)  # two periods of three
    assert {name for name, m in found.items() if "cusum" in m.flags} == {"i7"}


def test_items_that_stayed_keep_their_b_though_the_people_are_abler(found: dict[str, Movement]) -> None:
    shift = np.array([m.new_b - m.old_b for name, m in found.items() if name != "i7"])
    assert np.abs(shift).max() < 0.35
    assert abs(shift.mean()) < 0.06
    assert max(m.d2 for name, m in found.items() if name != "i7") < found["i7"].d2


def test_a_nominal_item_that_moved_is_flagged_without_a_standard_error(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    rows = [Row("nrm", 1.0, [0.6 - k / 4, 0.2 - k / 2], slopes=[0.9, 1.9]) for k in range(-4, 5)]
    leaked = [row if k != 4 else row._replace(b=[row.b[0] + 0.9, row.b[1] + 1.9]) for k, row in enumerate(rows)]  # easier by 1
    bank = bank_of(rows)
    log = draw(leaked, np.random.default_rng(38).normal(size=1500), 39).log(bank.ids)
    moved = {m.item_id: m for m in movements(log, bank, period=np.repeat([0, 1], 750))}
    assert {name for name, m in moved.items() if "robust_z" in m.flags and "d2" in m.flags} == {"i4"}
    assert moved["i4"].new_b - moved["i4"].old_b == pytest.approx(-1, abs=0.2)
    assert all(np.isnan([m.se_b, m.easier, m.harder]).all() for m in moved.values())


def test_d2_is_the_mean_squared_gap_of_two_curves() -> None:
    """Of two Rasch items a distance of 1 apart: the integral of (p1 - p2)^2 over N(0, 1), by the trapezoidal rule on a finer grid."""
    theta = np.linspace(-8, 8, 4001)
    density = np.exp(-0.5 * theta**2) / np.sqrt(2 * np.pi)
    gap = 1 / (1 + np.exp(-theta)) - 1 / (1 + np.exp(-(theta - 1)))
    expected = float(np.trapezoid(density * gap**2, theta))
    assert d2([Row("2pl", 1, [0.0])], [Row("2pl", 1, [1.0])], 0.0, 1.0) == pytest.approx(expected, rel=1e-4)


def test_an_item_with_few_answers_is_named_without_a_number(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    data = draw(ROWS, np.random.default_rng(41).normal(size=300), 42)
    keep = (data.item != 3) | (data.person < 20)
    log = data.log(bank_of(ROWS).ids).where(keep)
    of = {m.item_id: m for m in movements(log, bank_of(ROWS))}
    assert of["i3"].not_estimated == ("few",)
    assert np.isnan(of["i3"].new_b)
    assert of["i3"].n == 20
    assert np.isnan(of["i4"].easier)  # no periods were given
    none = movements(log, bank_of(ROWS), CalibrationOptions(min_n=301))  # where nothing can be estimated all are named
    assert [(m.item_id, m.not_estimated) for m in none] == [(f"i{k}", ("few",)) for k in range(16)]


def test_items_that_few_met_are_not_flagged_for_a_shift_within_their_own_error(
    draw: Callable[..., Any], bank_of: Callable[..., Bank]
) -> None:
    """Routed answers leave some items badly known: among well known ones their robust z is beyond its bound by chance alone."""
    rows = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1.4, 1.4, 40)]
    rows[39] = rows[39]._replace(b=[rows[39].b[0] - 0.6])  # this one moved
    data = draw(rows, np.random.default_rng(43).normal(size=4000), 45)
    rows[39] = Row("2pl", 1.3, [1.4])
    bank = bank_of(rows)
    log = data.log(bank.ids).where((data.item >= 8) | (data.person < 120))
    found = {m.item_id: m for m in movements(log, bank)}
    assert max(abs(found[f"i{k}"].robust_z) for k in range(8)) > 4
    assert {name for name, m in found.items() if "robust_z" in m.flags} == {"i39"}


def test_anchors_cannot_be_seen_to_move(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    data = draw(ROWS, np.zeros(10), 1)
    with pytest.raises(Faulty, match="must be free"):
        movements(data.log(bank_of(ROWS).ids), bank_of(ROWS), CalibrationOptions(mode="anchored"))
