"""The shipped sample bank: enough items, in good form, with parameters that follow the documented rule and nothing else."""

from collections import Counter
from itertools import pairwise

import pytest

from cat_engine import check, load_plan
from itembank.bank import check_bank, pool_of
from itembank.demo import load_contents, load_demo, plan_text
from itembank.form import item_faults, set_faults

SITUATIONAL = ("M.01", "M.02", "M.03", "M.04", "M.05", "M.06", "M.07", "M.08", "S.01")
FIVE_LEVELS = {"pelaksana", "fungsional", "pengawas", "administrator", "jpt_pratama"}
SLOPES = {"deret_angka": 1.4, "analogi_verbal": 1.1, "silogisme": 1.2, "membaca_tabel": 1.3}
CONTENTS = load_contents()


@pytest.mark.parametrize("competency", SITUATIONAL)
def test_a_competency_has_at_least_24_situational_items_for_all_five_job_levels(competency: str) -> None:
    own = [c for c in CONTENTS if c.competency == competency]
    assert len(own) >= 24
    assert {c.kind for c in own} == {"situasional"}
    assert {c.job_level for c in own} == FIVE_LEVELS
    assert {c.level for c in own} == {1, 2, 3, 4, 5}


def test_there_are_36_intellectual_items_in_four_kinds_at_all_levels() -> None:
    own = [c for c in CONTENTS if c.competency == "P.01"]
    assert len(own) == 36
    assert Counter(c.kind for c in own) == dict.fromkeys(SLOPES, 9)
    assert {c.level for c in own} == {1, 2, 3, 4, 5}
    assert all(c.table for c in own if c.kind == "membaca_tabel")


def test_nothing_else_is_shipped_and_every_id_is_its_own() -> None:
    assert {c.competency for c in CONTENTS} == {*SITUATIONAL, "P.01"}
    assert len({c.item_id for c in CONTENTS}) == len(CONTENTS)


@pytest.mark.parametrize("item", CONTENTS, ids=lambda c: c.item_id)
def test_an_item_is_in_good_form_and_has_a_rationale(item) -> None:  # type: ignore[no-untyped-def]
    assert [str(fault) for fault in item_faults(item)] == []
    assert len(item.rationale.split()) >= 5


def test_the_set_gives_no_answer_away() -> None:
    assert [str(fault) for fault in set_faults(CONTENTS)] == []


def test_the_parameters_follow_the_documented_rule_and_all_are_provisional() -> None:
    bank, contents = load_demo()
    assert set(bank.calibration) == {"provisional"}
    assert set(bank.status) == {"active"}
    for i, item_id in enumerate(bank.ids):
        item, row = contents[item_id], bank.row(i)
        if item.kind == "situasional":
            scores = sorted({option.score for option in item.options})
            slope = 1.1 + 0.1 * (len(scores) - 3) + 0.05 * (len(item.options) - 4) + 0.04 * (scores[-1] - scores[0])
            slope += 0.1 if item.level in (1, 3, 5) else -0.1
            b = [0.6 * (item.level - 3) + 0.9 * ((s + t) / 2 - 3) for s, t in pairwise(scores)]
            assert (row.model, row.c, row.d) == ("grm", 0.0, 1.0)
            assert row.a == pytest.approx(slope, abs=1e-4)
            assert list(row.b) == pytest.approx(b, abs=1e-4)
        else:
            assert (row.model, row.a, row.d) == ("3pl", SLOPES[item.kind], 1.0)
            assert list(row.b) == pytest.approx([0.7 * (item.level - 3)])
            assert row.c == pytest.approx(0.9 / len(item.options), abs=1e-4)


def test_keys_fit_parameters_and_the_shipped_plan_fits_the_bank() -> None:
    bank, contents = load_demo()
    assert check_bank(bank, contents) == []
    plan = load_plan(plan_text())
    assert set(plan.competencies) == set(bank.competencies)
    assert check(plan, pool_of(bank, plan.competencies)) == []
