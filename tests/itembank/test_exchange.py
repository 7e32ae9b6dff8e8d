"""Banks as files: what is written reads back to the same bits, and every fault of a file is named by row and column."""

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from cat_engine import Faulty, Row
from itembank.bank import Bank, ItemContent
from itembank.exchange import on_logistic_metric, read_bank_csv, read_bank_json, write_bank_csv, write_bank_json
from tests.itembank.banks import banks, small

HEADER = "item_id,competency,model,a,b1,b2,b3,c,d"
Pair = tuple[Bank, dict[str, ItemContent]]


def bits(bank: Bank) -> bytes:
    p = bank.params
    return b"".join(np.ascontiguousarray(column).tobytes() for column in (p.a, p.b, p.c, p.d, p.slopes))


def faults_of(text: str) -> list[str]:
    with pytest.raises(Faulty) as refused:
        read_bank_csv(text)
    return [str(fault) for fault in refused.value.faults]


def places_of(*lines: str, header: str = HEADER) -> list[tuple[str, str]]:
    with pytest.raises(Faulty) as refused:
        read_bank_csv("\n".join((header, *lines)))
    return [(fault.where, fault.field) for fault in refused.value.faults]


@given(banks())
def test_a_bank_written_as_csv_reads_back_to_the_same_bits(pair: Pair) -> None:
    bank, contents = pair
    read = read_bank_csv(write_bank_csv(bank), contents)
    assert read.digest == bank.digest
    assert bits(read) == bits(bank)


@given(banks())
def test_a_bank_written_as_json_reads_back_to_the_same_bits_and_texts(pair: Pair) -> None:
    bank, contents = pair
    text = write_bank_json(bank, contents)
    read, texts = read_bank_json(text)
    assert read.digest == bank.digest
    assert bits(read) == bits(bank)
    assert texts == contents
    assert write_bank_json(read, texts) == text


def test_a_byte_order_mark_and_blank_lines_do_no_harm() -> None:
    bank = read_bank_csv(f"\ufeff\n{HEADER}\n,,,,\n\nA1,A,grm,1.2,-1,0,1,,\n")
    assert bank.ids == ("A1",)


def test_csv_items_keep_the_text_that_is_given_for_them() -> None:
    bank, contents = small()
    assert read_bank_csv(write_bank_csv(bank), contents).content_digests == bank.content_digests
    assert read_bank_csv(write_bank_csv(bank)).content_digests == (None, None, None)


def test_further_columns_are_attributes_and_empty_cells_are_none() -> None:
    bank = read_bank_csv("item_id,competency,model,a,b1,author,year\nI,A,2pl,1,0,Ana,\nJ,A,2pl,1,0,,1999\n")
    assert bank.attributes == ({"author": "Ana"}, {"year": "1999"})


def test_an_empty_slope_is_one_where_the_model_has_none() -> None:
    assert read_bank_csv("item_id,competency,model,a,b1\nI,A,1pl,,0\n").params.a.tolist() == [1.0]


NOMINAL = """item_id,competency,model,a,a1,a2,b1,b2,b3
N,A,nrm,,0.8,-1.5,0.25,1.5,
G,A,mgrm,1.2,,,-1,0,1
R,A,rsm,,,,0.5,-0.5,1
"""


def test_nominal_items_have_a_slope_beside_each_intercept() -> None:
    bank = read_bank_csv(NOMINAL)
    assert bank.row(0) == Row("nrm", 1.0, [0.25, 1.5], slopes=[0.8, -1.5])
    assert bank.row(1) == Row("mgrm", 1.2, [-1.0, 0.0, 1.0])
    assert bank.row(2) == Row("rsm", 1.0, [0.5, -0.5, 1.0])
    assert bank.params.a.tolist() == [1.0, 1.2, 1.0]
    written = write_bank_csv(bank).splitlines()
    assert written[0] == "item_id,competency,model,a,a1,a2,b1,b2,b3,c,d,status,calibration"
    assert written[1] == "N,A,nrm,,0.8,-1.5,0.25,1.5,,,,active,provisional"
    assert json.loads(write_bank_json(bank, {}))["items"][0]["slopes"] == [0.8, -1.5]
    assert "a1" not in write_bank_csv(small()[0])
    assert "slopes" not in write_bank_json(*small())


def test_the_metric_d_is_not_for_nominal_items() -> None:
    moved = on_logistic_metric(read_bank_csv(NOMINAL), 1.7).params
    assert moved.a.tolist() == [1.0, 1.2 * 1.7, 1.7]
    assert moved.slopes_of(0).tolist() == [0.8, -1.5]


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("I,A,nrm,,,,0,1,", "a1"),
        ("I,A,nrm,,1,,0,1,", "a2"),
        ("I,A,nrm,,1,2,0,,", "a2"),
        ("I,A,nrm,,,2,0,1,", "a1"),
        ("I,A,nrm,,x,2,0,1,", "a1"),
        ("I,A,nrm,,0,0,0,1,", "a1"),
        ("I,A,nrm,1.3,1,2,0,1,", "a"),
        ("I,A,2pl,1,1,,0,,", "a1"),
        ("I,A,mgrm,1,,,0,-1,", "b2"),
    ],
)
def test_a_wrong_slope_is_named_by_row_and_column(line: str, field: str) -> None:
    assert ("row 2", field) in places_of(line, header=NOMINAL.splitlines()[0])


@pytest.mark.parametrize("scaling", [1.7, 1.702])
def test_a_of_a_normal_metric_is_multiplied_by_d_and_nothing_else(scaling: float) -> None:
    bank, _ = small()
    moved = on_logistic_metric(bank, scaling)
    assert moved.params.a.tolist() == (bank.params.a * scaling).tolist()
    assert moved.params.b.tobytes() == bank.params.b.tobytes()
    assert on_logistic_metric(bank, 1.0).digest == bank.digest


@pytest.mark.parametrize(
    ("line", "field"),
    [
        ("I,A,2pl,nan,0,,,,", "a"),
        ("I,A,2pl,inf,0,,,,", "a"),
        ("I,A,2pl,1e999,0,,,,", "a"),
        ("I,A,2pl,1_0,0,,,,", "a"),
        ("I,A,2pl,-1,0,,,,", "a"),
        ("I,A,2pl,0,0,,,,", "a"),
        ("I,A,2pl,,0,,,,", "a"),
        ("I,A,2pl,x,0,,,,", "a"),
        ('I,A,2pl,"1,2",0,,,,', "a"),
        ("I,A,2pl,1,-Infinity,,,,", "b1"),
        ("I,A,2pl,1,,,,,", "b1"),
        ("I,A,2pl,1,0,1,,,", "b2"),
        ("I,A,grm,1,0,,1,,", "b2"),
        ("I,A,grm,1,0,NaN,1,,", "b2"),
        ("I,A,grm,1,0,1,0.5,,", "b3"),
        ("I,A,grm,1,0,0,1,,", "b2"),
        ("I,A,2pl,1,0,,,0.2,", "c"),
        ("I,A,3pl,1,0,,,1.2,", "c"),
        ("I,A,3pl,1,0,,,-0.1,", "c"),
        ("I,A,3pl,1,0,,,0.2,0.9", "d"),
        ("I,A,4pl,1,0,,,0.2,0.1", "d"),
        ("I,A,5pl,1,0,,,,", "model"),
        ("I,A,,1,0,,,,", "model"),
        (",A,2pl,1,0,,,,", "item_id"),
        ("I/J,A,2pl,1,0,,,,", "item_id"),
        ("I\x00,A,2pl,1,0,,,,", "item_id"),
        ("I,,2pl,1,0,,,,", "competency"),
        ("I,A,2pl,1,0,,,,,9", ""),
    ],
)
def test_a_wrong_cell_is_named_by_row_and_column(line: str, field: str) -> None:
    assert places_of("ok,A,grm,1,-1,0,1,,", "", line) == [("row 4", field)]


@pytest.mark.parametrize("column", ["status", "calibration"])
def test_an_unknown_standing_is_named(column: str) -> None:
    assert places_of("I,A,2pl,1,0,,,,,lost", header=f"{HEADER},{column}") == [("row 2", column)]


def test_a_decimal_comma_is_called_so_and_the_remedy_shows_the_number() -> None:
    assert faults_of(f'{HEADER}\nI,A,2pl,"1,25",0,,,,') == ["row 2, a: '1,25' has a decimal comma (write a decimal point: 1.25)"]


def test_an_item_that_stands_twice_names_both_rows() -> None:
    assert faults_of(f"{HEADER}\nI,A,2pl,1,0,,,,\n\nI,A,2pl,1,0,,,,") == ["row 4, item_id: 'I' stands in row 2 already (one row an item)"]


def test_all_faults_of_a_file_are_listed_at_once() -> None:
    found = places_of("I,A,2pl,x,y,,,,", "J,A,grm,1,1,0,,,", "J,,2pl,1,0,,,,")
    assert found == [("row 2", "a"), ("row 2", "b1"), ("row 3", "b2"), ("row 4", "competency"), ("row 4", "item_id")]


@pytest.mark.parametrize(
    ("header", "named"),
    [
        ("item_id,competency,model,a", "b1"),
        ("competency,model,a,b1", "item_id"),
        ("Item_ID,competency,model,a,b1", "item_id"),
        ("item_id,competency,model,a,b1,b3", "b2"),
        ("item_id,competency,model,a,b1,a", "a"),
        ("item_id,competency,model,a,b1,B2", "B2"),
        ("item_id,competency,model,a,b1,b02", "b02"),
        ("item_id,competency,model,a,b1,b100", "b100"),
        ("item_id,competency,model,a,b1,C", "C"),
        ("item_id,competency,model,a,b1,b", "b"),
        ("item_id,competency,model,a,a2,b1", "a1"),
        ("item_id,competency,model,a,a1,b1,A_2", "A_2"),
    ],
)
def test_a_header_that_would_lose_a_parameter_is_refused(header: str, named: str) -> None:
    assert places_of("I,A,2pl,1,0,0,0", header=header) == [("row 1", named)]


def test_a_cell_under_no_name_is_not_dropped_in_silence() -> None:
    assert places_of("I,A,2pl,1,0,5", header="item_id,competency,model,a,b1,") == [("row 2", "")]
    assert read_bank_csv("item_id,competency,model,a,b1,\nI,A,2pl,1,0,\n").ids == ("I",)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        (HEADER, "holds no items"),
        (HEADER.replace(",", ";") + "\nI;A;2pl;1;0;;;;", "separated by semicolons"),
        (HEADER.replace(",", "\t"), "separated by tabs"),
        (f'{HEADER}\n"I,A,2pl', "is not CSV"),
        (f"{HEADER}\n{'x' * 200_000},A,2pl,1,0", "is not CSV"),
    ],
)
def test_a_file_that_is_no_bank_says_what_it_is(text: str, words: str) -> None:
    assert [words in fault for fault in faults_of(text)] == [True]


def json_bank() -> dict[str, Any]:
    body: dict[str, Any] = json.loads(write_bank_json(*small()))
    return body


def change(path: list[Any], value: object) -> Callable[[dict[str, Any]], None]:
    def apply(body: Any) -> None:
        for key in path[:-1]:
            body = body[key]
        body[path[-1]] = value

    return apply


@pytest.mark.parametrize(
    ("path", "value", "where", "field"),
    [
        (["D"], 1.7, "file", "D"),
        (["format"], "other", "file", "format"),
        (["items"], {}, "file", "format"),
        (["items", 1], "I", "items[1]", ""),
        (["items", 1, "slope"], 1, "items[1]", "slope"),
        (["items", 1, "a"], "1.2", "items[1]", "a"),
        (["items", 1, "a"], True, "items[1]", "a"),
        (["items", 1, "a"], float("nan"), "items[1]", "a"),
        (["items", 1, "a"], 10**400, "items[1]", "a"),
        (["items", 1, "b"], 0.5, "items[1]", "b"),
        (["items", 1, "b"], [0.0] * 100, "items[1]", "b"),
        (["items", 1, "slopes"], 0.5, "items[1]", "slopes"),
        (["items", 1, "slopes"], [1, 2, 3], "items[1]", "a1"),
        (["items", 1, "model"], "nrm", "items[1]", "a1"),
        (["items", 1, "b"], [2, 1, 3], "items[1]", "b2"),
        (["items", 1, "item_id"], 7, "items[1]", "item_id"),
        (["items", 1, "attributes"], {"k": 1}, "items[1]", "attributes"),
        (["items", 1, "attributes"], {"B2": "1"}, "items[1]", "attributes"),
        (["items", 1, "attributes"], {"k": "\ud800"}, "items[1]", "attributes"),
        (["items", 1, "content"], [], "items[1].content", ""),
        (["items", 1, "content", "item_id"], "A-9", "items[1].content", "item_id"),
        (["items", 1, "content", "level"], "3", "items[1].content", "level"),
        (["items", 1, "content", "scenario"], None, "items[1].content", "scenario"),
        (["items", 1, "content", "scenario"], "\ud800", "items[1].content", ""),
        (["items", 1, "content", "options"], [], "items[1].content", "options"),
        (["items", 1, "content", "options", 2], {"text": "x"}, "items[1].content", "options[2]"),
        (["items", 1, "content", "options", 2, "score"], 1.5, "items[1].content", "options[2]"),
        (["items", 1, "content", "table"], ["x"], "items[1].content", "table"),
        (["items", 1, "content", "picture"], "x", "items[1].content", "picture"),
    ],
)
def test_a_fault_in_json_is_named_by_item_and_field(path: list[Any], value: object, where: str, field: str) -> None:
    body = copy.deepcopy(json_bank())
    change(path, value)(body)
    with pytest.raises(Faulty) as refused:
        read_bank_json(json.dumps(body))
    assert (where, field) in [(fault.where, fault.field) for fault in refused.value.faults]


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '"x"', "[" * 100_000, '{"format": "cact-bank-1", "D": 1, "items": []}'])
def test_what_is_no_bank_in_json_is_refused(text: str) -> None:
    with pytest.raises(Faulty):
        read_bank_json(text)


def test_a_bank_of_many_items_is_read_soon() -> None:
    rows = [f"B{k},X,3pl,{0.5 + k % 7 / 5},{k % 13 / 4 - 1.5},{k % 5 / 20}" for k in range(20_000)]
    text = "\n".join(["item_id,competency,model,a,b1,c", *rows])
    began = time.process_time()
    bank = read_bank_csv(text)
    assert time.process_time() - began < 2.5  # a fifth of it on one core of 2026; five times as long where each row asks the engine
    assert len(bank) == 20_000
    assert bank.row(19_999).b == [19_999 % 13 / 4 - 1.5]


def test_a_file_without_a_competency_column_holds_items_of_the_one_that_is_meant_or_is_refused() -> None:
    text = "item_id,model,a,b1\nI,2pl,1,0\nJ,2pl,1.5,1\n"
    assert (
        read_bank_csv(text, competency="A").digest
        == read_bank_csv(text.replace("model", "competency,model").replace("2pl", "A,2pl")).digest
    )
    with pytest.raises(Faulty, match="competency"):
        read_bank_csv(text)
    with pytest.raises(Faulty, match="write 'competency', not 'Competency'"):
        read_bank_csv(text.replace("model", "Competency,model").replace("2pl", "A,2pl"), competency="A")
