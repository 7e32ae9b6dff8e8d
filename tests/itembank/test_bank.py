"""The bank as a value: its digest says whether two banks are the same, diff says in what they differ, and pools take what is active."""

from dataclasses import replace

import pytest
from hypothesis import given

from cat_engine import ItemParams, Row
from itembank.bank import Bank, Change, ItemContent, Snapshot, check_bank, diff, key_faults, pool_of
from tests.itembank.banks import banks, content, small


def changed(bank: Bank, **columns: object) -> Bank:
    return replace(bank, **columns)  # type: ignore[arg-type]


@given(banks())
def test_a_bank_differs_in_nothing_from_itself(pair: tuple[Bank, dict[str, ItemContent]]) -> None:
    assert diff(pair[0], pair[0]) == []


@pytest.mark.parametrize(
    ("columns", "change"),
    [
        ({"status": ("active", "held", "active")}, Change("A-2", "status", "active", "held")),
        ({"calibration": ("provisional", "calibrated", "provisional")}, Change("A-2", "calibration", "provisional", "calibrated")),
        ({"content_digests": (content("A-1").digest, None, None)}, Change("A-2", "content", content("A-2").digest, "None")),
        ({"attributes": ({"source": "x"}, {"k": "v"}, {})}, Change("A-2", "attributes", "{}", "{'k': 'v'}")),
        ({"competencies": ("A", "C")}, Change("B-1", "competency", "B", "C")),
    ],
)
def test_a_difference_changes_the_digest_and_is_named(columns: dict[str, object], change: Change) -> None:
    bank, _ = small()
    new = changed(bank, **columns)
    assert new.digest != bank.digest
    assert change in diff(bank, new)


def test_changed_parameters_are_named_one_by_one() -> None:
    bank, _ = small()
    new = bank.with_params({"B-1": Row("4pl", 1.5, [0.3], 0.25, 0.98, 1)})
    assert [(c.item_id, c.field) for c in diff(bank, new)] == [("B-1", name) for name in ("model", "a", "c", "d", "b", "calibration")]
    assert diff(bank, new)[1] == Change("B-1", "a", "1.4", "1.5")


def test_slopes_of_categories_are_part_of_the_digest_and_of_a_difference() -> None:
    bank = small()[0].with_params({"B-1": Row("nrm", 1.0, [0.3], scale=1, slopes=[1.5])})
    new = bank.with_params({"B-1": Row("nrm", 1.0, [0.3], scale=1, slopes=[1.6])})
    assert diff(bank, new) == [Change("B-1", "slopes", "[1.5]", "[1.6]")]
    assert bank.digest != new.digest
    assert pool_of(new, ["B"]).params.slopes.tolist() == [[1.6]]


def test_the_digest_of_a_bank_does_not_change_from_release_to_release() -> None:
    assert small()[0].digest == "3234c95cb22a4b60c097a41d497ccdab76b828e06ff25f899788bd28fbc2558d"


def test_items_that_come_and_go_are_named() -> None:
    bank, _ = small()
    fewer = Bank(bank.ids[:2], bank.params.take([0, 1]), ("A",), *(column[:2] for column in (
        bank.status, bank.calibration, bank.content_digests, bank.attributes)))  # fmt: skip
    assert diff(bank, fewer) == [Change("B-1", "item", "present", "absent")]
    assert diff(fewer, bank) == [Change("B-1", "item", "absent", "present")]


def test_new_parameters_make_a_child_and_leave_the_parent_as_it_was() -> None:
    bank = replace(small()[0], version=4)
    before = bank.digest
    child = bank.with_params({"A-1": Row("grm", 2.0, [-1.0, 0.0, 1.0])})
    assert (child.parent, child.version, bank.digest) == (4, 0, before)
    assert child.calibration == ("calibrated", "provisional", "provisional")


def test_nobody_can_write_into_the_parameters() -> None:
    with pytest.raises(ValueError, match="read-only"):
        small()[0].params.a[0] = 2.0


def test_a_pool_takes_the_active_items_of_the_competencies_asked_for() -> None:
    bank = changed(small()[0], status=("active", "retired", "active"))
    pool = pool_of(bank, ["B", "A"], Snapshot({"B-1": 0.25}))
    assert (pool.ids, pool.competencies, pool.exposure.tolist()) == (("A-1", "B-1"), ("A", "B"), [0.0, 0.25])
    assert pool_of(bank, ["B"]).params.scale.tolist() == [0]


def test_text_and_key_are_held_against_the_parameters() -> None:
    bank, texts = small()
    assert check_bank(bank, texts) == []
    texts["A-1"] = content("A-1", scores=(1, 3, 3, 1))
    texts["A-2"] = content("A-2", competency="B")
    del texts["B-1"]
    assert [(fault.where, fault.field) for fault in check_bank(bank, texts)] == [
        ("A-1", "options"),
        ("A-2", "competency"),
        ("B-1", "content"),
    ]
    assert [(fault.where, fault.field) for fault in key_faults(bank, texts)] == [("A-1", "options"), ("A-2", "competency")]
    assert key_faults(changed(bank, status=("held", "retired", "active")), texts) == []


def test_a_category_is_the_rank_of_the_options_score() -> None:
    assert content(scores=(5, 1, 3, 3)).categories == (2, 0, 1, 1)


def test_a_bank_is_provisional_while_an_active_item_is() -> None:
    bank, _ = small()
    marks = ("calibrated", "provisional", "calibrated")
    assert changed(bank, calibration=marks).provisional
    assert not changed(bank, calibration=marks, status=("active", "retired", "active")).provisional


def test_the_order_of_items_is_part_of_the_digest() -> None:
    bank, _ = small()
    turned = Bank(
        bank.ids[::-1], ItemParams.from_rows([bank.row(i) for i in (2, 1, 0)]), bank.competencies, bank.status, bank.calibration,
        bank.content_digests[::-1], bank.attributes[::-1],
    )  # fmt: skip
    assert turned.digest != bank.digest
    assert diff(bank, turned) == []
