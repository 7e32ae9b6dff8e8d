"""DIF within a calibration: the item that a group finds harder is flagged, on routed answers too, and groups of other ability flag nothing."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.curves import params_of
from calibration.dif_run import Grouping, run_dif
from calibration.holm import holm
from calibration.pipeline import CalibrationOptions, Proposal, calibrate
from calibration.report import html_report
from calibration.responses import ResponseLog
from cat_engine import Row
from itembank.bank import Bank

ROWS = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1.2, 1.2, 11)] + [Row("grm", 1.4, [-0.7, 0.8])]
SEX = ["L"] * 700 + ["P"] * 500


@pytest.fixture(scope="module")
def proposal(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> Proposal:
    """Women are abler by .4; item 5 is harder for them by .9 nevertheless."""
    rng = np.random.default_rng(81)
    biased = [row if k != 5 else row._replace(b=[row.b[0] + 0.9]) for k, row in enumerate(ROWS)]
    parts = [draw(rows, rng.normal(mean, 1, n), 82 + n) for rows, mean, n in ((ROWS, 0.0, 700), (biased, 0.4, 500))]
    bank = bank_of(ROWS)
    log = type(parts[0]).of(np.concatenate([p.category.reshape(-1, 12) for p in parts])).log(bank.ids)
    groups = {"sex": SEX, "unit": [f"Unit {k % 30}" for k in range(1200)], "wave": ["W1"] * 1200}
    return calibrate(log, bank, CalibrationOptions(), groups)


def test_the_item_that_is_harder_for_a_group_is_flagged_and_kept_from_the_bank(proposal: Proposal) -> None:
    assert {(f.item_id, f.grouping, f.group) for f in proposal.dif if f.flagged} == {("i5", "sex", "P")}
    [found] = [f for f in proposal.dif if f.flagged]
    assert found.shift < -0.1
    assert (found.n_focal, found.n_reference) == (500, 700)
    verdicts = {v.item_id: v for v in proposal.verdicts}
    assert verdicts["i5"].verdict == "reject"
    assert "berfungsi lain" in verdicts["i5"].why()
    assert all("dif" not in v.flags for name, v in verdicts.items() if name != "i5")


def test_groups_that_are_small_or_alone_are_not_tested(proposal: Proposal) -> None:
    assert {(f.grouping, f.group) for f in proposal.dif} == {("sex", "P")}  # units have 40 people, and all are of one wave
    assert len(proposal.dif) == 12


def test_the_report_shows_the_groups_and_names_the_item(proposal: Proposal) -> None:
    text = html_report(proposal, provisional=False)
    part = text[text.index("antarkelompok (DIF)") : text.index("Semua butir") if "Semua butir" in text else None]
    assert "Jenis kelamin: P (12 butir diuji)" in part
    assert '<td class="p">i5</td>' in part
    assert "berfungsi lain bagi suatu kelompok" in text
    quiet = html_report(replace(proposal, dif=tuple(replace(f, flagged=False) for f in proposal.dif)), provisional=False)
    assert "Tidak ada butir yang ditandai" in quiet


def test_on_routed_answers_halves_that_differ_by_nothing_flag_nothing(routed: tuple[Bank, ResponseLog]) -> None:
    bank, log = routed
    rows = [bank.row(i) for i in range(len(bank))]
    place = np.array([bank.index[item] for item in log.item_ids])[log.item]
    halves = ["a" if k % 2 else "b" for k in range(len(log.person_ids))]
    found = run_dif(log.person, place, log.category, params_of(rows), bank.ids, [Grouping.of("half", halves)])
    assert len(found) > 40
    assert not any(f.flagged for f in found)
    assert np.median([f.p for f in found]) > 0.5


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_never_lowers_a_p_value_keeps_their_order_and_stays_a_probability(values: list[float]) -> None:
    p = np.array(values)
    adjusted = holm(p)
    assert np.all(adjusted >= p - 1e-12)
    assert np.all(adjusted <= 1)
    assert np.all(np.diff(adjusted[np.argsort(p, kind="stable")]) >= 0)


def test_holm_is_the_published_example() -> None:
    """p.adjust of R 4.x, method "holm": .01, .04, .03, .005 become .03, .06, .06, .02."""
    np.testing.assert_allclose(holm(np.array([0.01, 0.04, 0.03, 0.005])), [0.03, 0.06, 0.06, 0.02])
