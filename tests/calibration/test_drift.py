"""Drift: an anchor that moved is released and named, and those that hold are not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.drift import LARGEST_Z, purified_link, robust_z
from calibration.linking import link, transform
from calibration.pipeline import CalibrationOptions, calibrate
from cat_engine import Row
from itembank.bank import Bank

ROWS = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1.2, 1.2, 14)]
ANCHORS = frozenset(f"i{k}" for k in range(10))


def moved_by(shifts: dict[int, float]) -> list[Row]:
    return [row._replace(b=[row.b[0] + shifts.get(k, 0.0)]) for k, row in enumerate(ROWS)]


def verdicts(draw: Callable[..., Any], bank: Bank, shifts: dict[int, float], anchors: frozenset[str] = ANCHORS) -> dict[str, Any]:
    data = draw(moved_by(shifts), np.random.default_rng(701).normal(0.3, 1.1, 1500), 702)
    proposal = calibrate(data.log(bank.ids), bank, CalibrationOptions(mode="anchored", anchors=anchors))
    return {v.item_id: v for v in proposal.verdicts}


def test_an_anchor_that_moved_is_released_estimated_and_left_to_a_person(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    found = verdicts(draw, bank_of(ROWS), {4: 0.7, 7: -0.9})
    for k, shift in ((4, 0.7), (7, -0.9)):
        released = found[f"i{k}"]
        assert "drift" in released.flags
        assert released.verdict == "keep"
        assert released.new.b[0] == pytest.approx(ROWS[k].b[0] + shift, abs=0.2)
        assert "tidak lagi sesuai dengan parameternya" in released.why()
    assert {name for name, v in found.items() if v.flags == ("anchor",)} == ANCHORS - {"i4", "i7"}
    for k in range(10, 14):  # the others are not drawn along
        assert found[f"i{k}"].new.b[0] == pytest.approx(ROWS[k].b[0], abs=0.2)


def test_anchors_that_hold_stay_anchors(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    found = verdicts(draw, bank_of(ROWS), {})
    assert {name for name, v in found.items() if v.flags == ("anchor",)} == ANCHORS


def test_of_the_last_two_anchors_none_is_released(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    found = verdicts(draw, bank_of(ROWS), {0: 2.0}, frozenset({"i0", "i9"}))
    assert found["i0"].flags == found["i9"].flags == ("anchor",)


def test_robust_z_singles_out_what_moved_and_nothing_where_all_moved_alike() -> None:
    z = robust_z(moved_by({k: 0.02 * (-1) ** k for k in range(14)} | {3: 0.8}), ROWS)
    assert np.flatnonzero(np.abs(z) > LARGEST_Z).tolist() == [3]
    np.testing.assert_allclose(robust_z(moved_by(dict.fromkeys(range(14), 0.4)), ROWS), 0, atol=1e-9)


@pytest.mark.parametrize("method", ["mm", "ms", "haebara", "sl"])
def test_a_purified_link_is_that_of_the_items_that_did_not_move(method: str) -> None:
    fresh = [transform(row, 1 / 1.2, -0.5 / 1.2) for row in moved_by({3: 0.8, 9: 1.1, 11: -0.7})]
    constants, kept = purified_link(fresh, ROWS, method)
    assert constants == pytest.approx((1.2, 0.5), abs=1e-6)
    assert kept == 11
    assert link(fresh, ROWS, method) != pytest.approx((1.2, 0.5), abs=0.02)


def test_of_few_common_items_none_is_left_out() -> None:
    fresh = moved_by({3: 0.8})[:5]
    assert purified_link(fresh, ROWS[:5]) == (link(fresh, ROWS[:5]), 5)
