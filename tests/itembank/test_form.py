"""The rules of form of items, each broken once."""

from dataclasses import replace

import pytest

from itembank.bank import ItemContent, Option
from itembank.form import item_faults, set_faults
from tests.itembank.banks import content


def right_wrong(scores: tuple[int, ...]) -> ItemContent:
    return replace(content(scores=scores), kind="silogisme", job_level="umum", scenario="Semua A adalah B.")


def test_an_item_in_order_has_no_faults() -> None:
    assert item_faults(content()) == []
    assert item_faults(right_wrong((0, 0, 1, 0, 0))) == []


@pytest.mark.parametrize(
    ("item", "field"),
    [
        (content(scores=(1, 3, 5)), "options"),
        (content(scores=(1, 2, 3, 4, 5, 1)), "options"),
        (content(scores=(1, 3, 5, 6)), "options"),
        (content(scores=(1, 5, 1, 1)), "options"),
        (content(scores=(1, 3, 5, 5)), "options"),
        (replace(content(), options=(*content().options[:3], content().options[0])), "options"),
        (replace(content(), options=()), "options"),
        (right_wrong((0, 1, 1, 0)), "options"),
        (right_wrong((0, 0, 0, 0)), "options"),
        (right_wrong((0, 2, 0, 0)), "options"),
        (replace(content(), scenario="Terlalu pendek."), "scenario"),
        (replace(content(), scenario="kata " * 91), "scenario"),
        (replace(right_wrong((0, 1, 0, 0)), scenario=" "), "scenario"),
        (replace(content(), question=" "), "question"),
        (replace(content(), rationale=""), "rationale"),
        (replace(content(), level=0), "level"),
        (replace(content(), level=6), "level"),
        (replace(content(), job_level="raja"), "job_level"),
    ],
)
def test_a_broken_rule_is_named_by_item_and_field(item: ItemContent, field: str) -> None:
    assert ("A-1", field) in [(fault.where, fault.field) for fault in item_faults(item)]


def test_a_scenario_that_stands_twice_names_the_first_item() -> None:
    again = replace(content("A-2"), scenario=content("A-1").scenario.upper())
    assert [str(fault) for fault in set_faults([content("A-1"), again])] == ["A-2, scenario: is that of A-1"]


def best_at(place: int, item_id: str, *, long: bool = False) -> ItemContent:
    options = [Option(f"Tindakan nomor {k}", score) for k, score in enumerate((1, 2, 3, 4))]
    options.insert(place, Option("Tindakan yang jauh lebih panjang" if long else "Tindakan terbaik", 5))
    return replace(content(item_id), options=tuple(options))


def test_a_set_whose_best_options_stand_in_one_place_is_named() -> None:
    spread = [best_at(k % 5, f"A-{k}") for k in range(10)]
    assert set_faults(spread) == []
    heaped = [best_at(2 if k < 4 else k % 5, f"A-{k}") for k in range(10)]
    assert ["place 3 in 5 of 10" in str(fault) for fault in set_faults(heaped)] == [True]


def test_a_set_whose_best_options_are_the_longest_is_named() -> None:
    told = [best_at(k % 5, f"A-{k}", long=k < 4) for k in range(10)]
    assert ["longest in 4 of 10" in str(fault) for fault in set_faults(told)] == [True]
