"""Responses as CSV: wide and long give the same log, and every fault is named by row and column."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.responses import WHY, Response, ResponseLog, read_responses_csv
from cat_engine import Faulty

WIDE = "person_id,i1,i2,i3\np1,0,1,\np2,2,,1\n"
LONG = "person_id,item_id,category,rt_ms,position\np1,i1,0,1200,0\np1,i2,1,900,1\np2,i1,2,,\np2,i3,1,4000,1\n"


def triples(log: ResponseLog) -> set[tuple[str, str, int]]:
    return {(log.person_ids[p], log.item_ids[i], int(c)) for p, i, c in zip(log.person, log.item, log.category, strict=True)}


def test_wide_and_long_files_give_the_same_answers() -> None:
    wanted = {("p1", "i1", 0), ("p1", "i2", 1), ("p2", "i1", 2), ("p2", "i3", 1)}
    assert triples(read_responses_csv(WIDE)) == wanted
    assert triples(read_responses_csv(LONG)) == wanted
    assert triples(read_responses_csv("\ufeff" + WIDE.replace("\n", "\r\n") + "\r\n,,,\r\n")) == wanted


def test_response_times_and_positions_are_read_and_minus_one_where_they_are_missing() -> None:
    log = read_responses_csv(LONG)
    assert log.rt_ms.tolist() == [1200, 900, -1, 4000]
    assert log.position.tolist() == [0, 1, -1, 1]


def test_a_column_without_answers_is_still_an_item() -> None:
    log = read_responses_csv("person_id,i1,i2\np1,0,\np2,1,\n")
    assert log.item_ids == ("i1", "i2")
    assert log.matrix().tolist() == [[0, -1], [1, -1]]


def test_a_person_without_answers_is_nobody() -> None:
    assert read_responses_csv("person_id,i1,i2\np1,,\np2,1,\n").person_ids == ("p2",)


def test_answers_of_a_file_are_those_of_a_fixed_form_unless_it_is_said_otherwise() -> None:
    assert not read_responses_csv(WIDE).routed
    assert read_responses_csv(WIDE, why="adaptive").routed
    assert read_responses_csv("person_id,item_id,category,why\np,i,1,adaptive\np,j,0,\n").why.tolist() == [0, WHY.index("fixed")]
    assert ResponseLog.of([Response("p", "i", 0)]).routed


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "file: is empty (wide: person_id + one column an item; long: "),
        ("\n\n", "file: is empty"),
        ("person_id;i1;i2\np1;0;1\n", "row 1: its columns are separated by semicolons (save it with commas)"),
        ("person_id\ti1\np1\t0\n", "row 1: its columns are separated by tabs (save it with commas)"),
        ("person_id,item_id\np1,i1\n", "row 1, category: the column is missing (wide: "),
        ("person_id,category,rt_ms\np1,1,2\np1,0,3\n", "row 1, item_id: the column is missing (wide: "),
        ("person_id,i1\np1,0\np1\0,1\n", "row 3: holds a null character (save the file anew)"),
        ("person_id,i1\n\ufeffp1,0\n", "row 2: holds a byte order mark, which stands only at the start of a file"),
        ("i1,i2\n0,1\n", "row 1, person_id: the column is missing"),
        ("person_id,i1,i1\np1,0,1\n", "row 1, i1: the column stands twice"),
        ("person_id,i1,\np1,0,1\n", "row 1, 3: the column has no name"),
        ("person_id,i1\np1,0,1\n", "row 2: has 3 cells, the header 2"),
        ("person_id,i1\n,0\n", "row 2, person_id: is empty"),
        ("person_id,i1\np1,x\n", "row 2, i1: 'x' is not a category (a whole number from 0)"),
        ("person_id,i1\np1,-1\n", "row 2, i1: '-1' is not a category"),
        ("person_id,i1\np1,1.5\n", "row 2, i1: '1.5' is not a category"),
        ("person_id,i1\np1,²\n", "row 2, i1: '²' is not a category"),
        ("person_id,i1\np1,51\n", "row 2, i1: '51' is not a category"),
        ("person_id,i1\np1,1\n\np1,0\n", "row 4, i1: the person has already answered item 'i1' in row 2 (one answer a person and item)"),
        ("person_id,item_id,category\np1,i1,1\np1,i1,1\n", "row 3, category: the person has already answered item 'i1' in row 2"),
        ("person_id,item_id,category\np1,,1\n", "row 2, item_id: is empty"),
        ("person_id,item_id,category\np1,i1,\n", "row 2, category: '' is not a category"),
        ("person_id,item_id,category,rt_ms\np1,i1,1,fast\n", "row 2, rt_ms: 'fast' is not a whole number"),
        ("person_id,item_id,category,why\np1,i1,1,because\n", "row 2, why: 'because' is not known (one of adaptive, "),
        ("person_id,item_id,category,position\np1,i1,1,-2\n", "row 2, position: '-2' is not a whole number"),
        ("person_id,item_id,category\np1,i9,1\n", "row 2, item_id: 'i9' is not an item of the bank"),
        ("person_id,i1,i9\np1,1,1\n", "row 1, i9: is not an item of the bank"),
        ("person_id,i1\np1,\n", "file: holds no responses"),
    ],
)
def test_every_fault_is_named_by_row_and_column(text: str, fault: str) -> None:
    with pytest.raises(Faulty) as caught:
        read_responses_csv(text, ["i1", "i2", "i3"])
    assert fault in str(caught.value)


def test_all_faults_of_a_file_are_told_at_once_and_no_person_is_named() -> None:
    text = "person_id,i1,i2\n198001012005011001,7,x\n198001012005011001,y,1\n"
    with pytest.raises(Faulty) as caught:
        read_responses_csv(text)
    assert [(f.where, f.field) for f in caught.value.faults] == [("row 2", "i2"), ("row 3", "i1"), ("row 3", "i1"), ("row 3", "i2")]
    assert "198001012005011001" not in str(caught.value)


@given(st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)), st.integers(0, 4), min_size=1))
def test_reading_is_the_inverse_of_writing(cells: dict[tuple[int, int], int]) -> None:
    lines = [f"p{p},i{i},{c}" for (p, i), c in cells.items()]
    log = read_responses_csv("\n".join(["person_id,item_id,category", *lines]))
    assert triples(log) == {(f"p{p}", f"i{i}", c) for (p, i), c in cells.items()}


def test_answers_quicker_than_a_tenth_of_the_items_mean_time_are_left_out_and_those_without_a_time_stay() -> None:
    rows = [
        Response("p1", "i1", 1, 20_000, 0),
        Response("p2", "i1", 0, 20_000, 0),
        Response("p3", "i1", 1, 1_000, 0),
        Response("p4", "i1", 1, -1, 0),
    ]
    rows += [Response("p1", "i2", 1, 1_000, 1), Response("p2", "i2", 1, 1_200, 1)]  # an item that is quick for everybody
    kept = ResponseLog.of(rows).without_rapid()  # the mean of i1 is 13.7 s
    assert triples(kept) == {("p1", "i1", 1), ("p2", "i1", 0), ("p4", "i1", 1), ("p1", "i2", 1), ("p2", "i2", 1)}


def test_ten_seconds_are_enough_for_any_item() -> None:
    rows = [Response("p1", "i1", 1, 400_000, 0), Response("p2", "i1", 0, 10_000, 0), Response("p3", "i1", 0, 9_999, 0)]
    assert triples(ResponseLog.of(rows).without_rapid()) == {("p1", "i1", 1), ("p2", "i1", 0)}


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 4), st.integers(0, 5), st.booleans()), max_size=30),
    st.lists(st.integers(0, 30), max_size=4),
)
def test_logs_one_after_another_are_the_log_of_all_their_answers(rows: list[tuple[int, int, int, bool]], cuts: list[int]) -> None:
    """Of answers that were chosen from each: people and items without any are forgotten."""
    said = [(Response(f"p{p}", f"i{i}", c, 10 * c, k, WHY[c % len(WHY)]), keep) for k, (p, i, c, keep) in enumerate(rows)]
    ends = sorted(min(cut, len(said)) for cut in cuts)
    parts = [said[start:end] for start, end in zip([0, *ends], [*ends, len(said)], strict=True)]
    logs = [ResponseLog.of(answer for answer, _ in part).where(np.array([keep for _, keep in part], dtype=bool)) for part in parts]
    joined, whole = ResponseLog.joined(logs), ResponseLog.of(answer for answer, keep in said if keep)
    assert (joined.person_ids, joined.item_ids) == (whole.person_ids, whole.item_ids)
    for name in ("person", "item", "category", "rt_ms", "position", "why"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(whole, name), strict=True)
