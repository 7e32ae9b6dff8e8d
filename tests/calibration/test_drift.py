"""Drift: an anchor that moved is released and named, and those that hold are not."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from calibration.curves import params_of
from calibration.drift import LARGEST_Z, MOST_PASSES, drifts, purified, purified_link, robust_z
from calibration.linking import link, transform
from calibration.mml import MmlOptions
from calibration.pipeline import CalibrationOptions, Proposal, calibrate
from cat_engine import ItemParams, Row
from itembank.bank import Bank
from tests.calibration.sitters import adaptive, bank_of_rows, items

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


@pytest.mark.parametrize("fipc", ["nwu-oem", "nwu-mem"])
def test_people_unlike_those_for_whom_ability_was_fixed_release_no_anchor(fipc: str) -> None:
    """Ability N(1.5, 1.3), six answers each: taken as N(0, 1) it leaves the fixed curves, and most anchors would be released."""
    rows = items("2pl", 40, 5)
    log = adaptive(bank_of_rows(rows), np.random.default_rng(5).normal(1.5, 1.3, (2500, 1)), 6, 5)
    bank = replace(bank_of_rows(rows), status=("active",) * 32 + ("pretest",) * 8)
    found = calibrate(log, bank, CalibrationOptions("anchored", max_se=1.0, mml=MmlOptions(fipc=fipc))).verdicts
    assert {v.flags for v in found[:32]} == {("anchor",)}


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


@pytest.mark.parametrize("n_moved", [4, 5, 6])
def test_items_that_moved_the_same_way_do_not_hide_each_other_until_they_are_half(n_moved: int) -> None:
    """4 to 6 of 14 are a quarter and more, from where on the interquartile range is that of the movement itself."""
    shifts = {k: -0.6 - 0.1 * k for k in range(n_moved)}
    fresh = [transform(row, 1 / 1.2, -0.5 / 1.2) for row in moved_by({k: 0.01 * (-1) ** k for k in range(14)} | shifts)]
    constants, kept = purified_link(fresh, ROWS)
    assert constants == pytest.approx((1.2, 0.5), abs=0.02)
    assert kept == 14 - n_moved


def test_of_few_common_items_none_is_left_out() -> None:
    fresh = moved_by({3: 0.8})[:5]
    assert purified_link(fresh, ROWS[:5]) == (link(fresh, ROWS[:5]), 5)


SHIFTS = (-0.8, -0.7, -0.6, -0.5, -0.8, -0.7, -0.6, 0.7)  # more have become easier, as those that leak do
OPTIONS = CalibrationOptions(max_se=0.5)


def routed_on_an_old_bank(seed: int, shifts: tuple[float, ...], n: int = 3000) -> tuple[Bank, set[str], Proposal]:
    """70 items, 30 to each person by the bank's parameters; people answer by parameters of which some have moved since. All is estimated free."""
    rows = items("2pl", 70, seed)
    rng = np.random.default_rng(seed)
    moved = dict(zip(rng.permutation(70).tolist(), shifts, strict=False))
    truth = [row._replace(b=[row.b[0] + moved.get(k, 0.0)]) for k, row in enumerate(rows)]
    bank = bank_of_rows(rows)
    proposal = calibrate(adaptive(bank, rng.normal(0.3, 1.1, (n, 1)), 30, seed, truth), bank, OPTIONS)
    return bank, {f"i{k}" for k in moved}, proposal


def test_a_free_calibration_flags_what_moved_and_what_stayed_at_the_nominal_rate() -> None:
    """Three samples: shifts of .5 to .8, most to one side. Beyond 2.7 robust sds are .7 % of what stayed, fewer beyond 2.7 errors of their own too."""
    found = missed = false = stayed = 0
    for seed in (911, 912, 913):
        _, moved, proposal = routed_on_an_old_bank(seed, SHIFTS)
        scale = proposal.scales[0]
        assert [scale.mean, scale.sd] == pytest.approx([0.3, 1.1], abs=0.08)  # the scale is that of those that stayed
        for v in proposal.verdicts:
            if v.new is None or max(v.se_b) > 0.15:
                continue
            drifted = "drift" in v.flags
            if v.item_id in moved:
                found, missed = found + drifted, missed + (not drifted)
                assert v.verdict != "adopt" or not drifted
            else:
                stayed, false = stayed + 1, false + drifted
    assert found + missed >= 15
    assert found >= 0.9 * (found + missed)
    assert stayed > 100
    assert false / stayed < 0.025


def test_where_almost_a_third_became_easier_the_others_still_hold_the_scale() -> None:
    """22 of 70."""
    _, moved, proposal = routed_on_an_old_bank(914, (-0.7,) * 22)
    assert [proposal.scales[0].mean, proposal.scales[0].sd] == pytest.approx([0.3, 1.1], abs=0.08)
    known = [v for v in proposal.verdicts if v.new is not None and max(v.se_b) <= 0.15]
    flagged = {v.item_id for v in known if "drift" in v.flags}
    assert len(flagged & moved) >= 0.9 * sum(v.item_id in moved for v in known) > 10
    assert len(flagged - moved) <= 1


def test_its_words_are_those_of_an_anchor_that_moved() -> None:
    _, moved, proposal = routed_on_an_old_bank(911, SHIFTS, 2000)
    flagged = [v for v in proposal.verdicts if "drift" in v.flags]
    assert {v.item_id for v in flagged} <= moved
    assert len(flagged) > 3
    for v in flagged:
        assert v.verdict == "keep"
        assert "tidak lagi sesuai dengan parameternya di bank" in v.why()
        assert abs(v.drift.robust_z) > LARGEST_Z


def test_parameters_that_nobody_estimated_cannot_drift_and_do_not_give_the_scale() -> None:
    """Twenty provisional items of the bank are far off: they are estimated without a flag, and the others hold the scale."""
    rows = items("2pl", 40, 921)
    bank = bank_of_rows([row._replace(b=[row.b[0] + 0.9]) if k < 20 else row for k, row in enumerate(rows)])
    made_up = replace(bank, calibration=("provisional",) * 20 + ("calibrated",) * 20)
    log = adaptive(bank, np.random.default_rng(922).normal(size=(2500, 1)), 20, 923, rows)
    proposal = calibrate(log, made_up, OPTIONS)
    assert not any("drift" in v.flags for v in proposal.verdicts)
    assert [proposal.scales[0].mean, proposal.scales[0].sd] == pytest.approx([0.0, 1.0], abs=0.08)
    known = [v for v in proposal.verdicts[:20] if v.new is not None and max(v.se_b) < 0.2]
    assert len(known) > 5
    assert np.mean([v.drift.shift for v in known]) == pytest.approx(-0.9, abs=0.1)


def test_of_two_sets_that_take_turns_each_is_linked_once_and_the_last_one_stays() -> None:
    new, old = params_of(moved_by({3: 0.5})), params_of(ROWS)
    linked: list[int] = []

    def constants(mine: ItemParams, theirs: ItemParams) -> tuple[float, float]:
        """Of all items the scale is kept, and item 3 stands apart; without it the scale is stretched, and no item does."""
        linked.append(len(mine))
        return (1.0 if len(mine) == 14 else 2.0), 0.0

    found, kept = purified(new, old, constants)
    assert linked == [14, 13]
    assert MOST_PASSES % 2 == 0
    assert (found, kept.tolist()) == ((1.0, 0.0), list(range(14)))


def test_an_item_that_lost_its_slope_is_seen_by_its_curve_though_its_b_stayed() -> None:
    old = [Row("2pl", 1.6, [float(b)]) for b in np.linspace(-1, 1, 9)]
    new = [row._replace(a=0.6) if k == 4 else row for k, row in enumerate(old)]
    found = drifts(params_of(new), params_of(old), [0.05] * 9, 0.0, 1.0)
    assert [d.beyond for d in found] == [("d2",) if k == 4 else () for k in range(9)]
    assert found[4].d2 > 0.01
    unsure = drifts(params_of(new), params_of(old), [0.4] * 9, 0.0, 1.0)  # its own error explains as much
    assert not any(d.beyond for d in unsure)


def test_of_four_items_there_is_no_telling_which_moved() -> None:
    found = drifts(params_of(moved_by({0: 1.5})[:4]), params_of(ROWS[:4]), [0.1] * 4, 0.0, 1.0)
    assert np.isnan([d.robust_z for d in found]).all()
    assert not any("robust_z" in d.beyond for d in found)
    assert drifts(params_of([]), params_of([]), [], 0.0, 1.0) == []


def test_an_item_of_which_nobody_knows_where_it_is_has_not_drifted() -> None:
    """Its b ran into its bound; where only the error is not known, as of a nominal item, the bounds of drift decide."""
    old = params_of([Row("2pl", 1.0, [b]) for b in (-1.0, -0.5, 0.0, 0.5, 1.0, 0.2)])
    new = params_of([Row("2pl", 1.0, [b]) for b in (-1.01, -0.5, 0.01, 0.5, 0.99, 8.0)])
    for error, beyond in ((0.1, ("robust_z", "d2")), (float("nan"), ("robust_z", "d2")), (float("inf"), ())):
        found = drifts(new, old, [0.1] * 5 + [error], 0.0, 1.0)
        assert [drift.beyond for drift in found] == [()] * 5 + [beyond]
        assert found[5].shift == pytest.approx(7.8)
