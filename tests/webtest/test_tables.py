"""Exports for people: no cell of theirs runs as a formula, NIPs stay whole, and what is read back is what was written."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook

from webtest.tables import as_csv, as_xlsx, harmless

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x", "=cmd|' /C calc'!A0"]


@pytest.mark.parametrize("text", FORMULAS)
def test_text_that_begins_like_a_formula_is_made_text(text: str) -> None:
    assert harmless(text) == "'" + text


@pytest.mark.parametrize("cell", ["Budi", "a=b", "", " =1", 5, -5, 1.5, None])
def test_other_cells_stay_as_they_are(cell: str | int | float | None) -> None:
    assert harmless(cell) == cell


@pytest.mark.parametrize("text", FORMULAS)
def test_no_formula_in_a_workbook(text: str) -> None:
    sheet = load_workbook(io.BytesIO(as_xlsx([["nama"], [text]]))).active
    assert sheet["A2"].data_type == "s"
    assert str(sheet["A2"].value).startswith("'")


@given(
    st.lists(st.lists(st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12), min_size=2, max_size=2), min_size=1, max_size=5)
)
def test_csv_is_read_back_as_it_was_written(table: list[list[str]]) -> None:
    back = list(csv.reader(io.StringIO(as_csv(table), newline="")))
    assert back == [[harmless(cell) for cell in row] for row in table]


def test_a_separator_quote_or_line_end_in_a_cell_makes_no_new_cell() -> None:
    back = list(csv.reader(io.StringIO(as_csv([['a",=1', "b\r\n=2", "c;=3"]]), newline="")))
    assert back == [['a",=1', "b\r\n=2", "c;=3"]]


def test_a_nip_stays_text_in_a_workbook() -> None:
    cell = load_workbook(io.BytesIO(as_xlsx([["nip"], ["198504122008121001"]]))).active["A2"]
    assert (cell.value, cell.data_type) == ("198504122008121001", "s")


def test_a_character_that_a_workbook_cannot_hold_does_not_lose_the_export() -> None:
    cell = load_workbook(io.BytesIO(as_xlsx([["nama"], ["Bu\x0bdi"]]))).active["A2"]
    assert cell.value == "Budi"
