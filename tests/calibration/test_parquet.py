"""Responses in Parquet: the same log as CSV gives, waves apart, labels of persons, and every fault by row."""

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration import parquet
from calibration.parquet import MOST_NAMED, read_responses_parquet, write_responses_parquet
from calibration.responses import ResponseLog, read_responses_csv
from cat_engine import Faulty


def written(columns: dict[str, Any], **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, **how)
    return out.getvalue()


def read(columns: dict[str, Any], **how: Any) -> ResponseLog:
    return read_responses_parquet({"R.parquet": written(columns)}, **how)[0]


def faults_of(columns: dict[str, Any], **how: Any) -> list[str]:
    with pytest.raises(Faulty) as caught:
        read(columns, **how)
    return str(caught.value).split("\n")


def quadruples(log: ResponseLog) -> set[tuple[str, str, int, int]]:
    return {
        (log.person_ids[p], log.item_ids[i], int(c), int(t))
        for p, i, c, t in zip(log.person, log.item, log.category, log.rt_ms, strict=True)
    }


@given(st.dictionaries(st.tuples(st.integers(0, 5), st.integers(0, 5)), st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1))
def test_csv_and_parquet_give_the_same_answers(cells: dict[tuple[int, int], tuple[int, int]]) -> None:
    rows = [(f"p{p}", f"i{i}", c, t) for (p, i), (c, t) in cells.items()]
    names = ("person_id", "item_id", "category", "rt_ms")
    csv = "\n".join(",".join(map(str, row)) for row in [names, *rows])
    log = read(dict(zip(names, zip(*rows, strict=True), strict=True)))
    assert quadruples(log) == quadruples(read_responses_csv(csv)) == set(rows)
    assert (np.diff(log.person) >= 0).all()


def test_ids_may_be_numbers_and_categories_whole_numbers_of_any_kind() -> None:
    for kind in ("int8", "int64", "uint16", "float64"):
        log = read({"person_id": [7, 8, 7], "item_id": ["a", "a", "b"], "category": np.array([0, 1, 2], dtype=kind)})
        assert quadruples(log) == {("7", "a", 0, -1), ("8", "a", 1, -1), ("7", "b", 2, -1)}


def test_a_file_of_many_batches_is_one_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROWS", 7)
    person, item = np.divmod(np.random.default_rng(1).permutation(200), 10)
    category = (person + item) % 3
    log = read({"person_id": person.astype(str), "item_id": item.astype(str), "category": category})
    assert quadruples(log) == {(str(p), str(i), int(c), -1) for p, i, c in zip(person, item, category, strict=True)}
    twice = {
        "person_id": np.append(person, person[3]).astype(str),
        "item_id": np.append(item, item[3]).astype(str),
        "category": np.append(category, 0),
    }
    assert faults_of(twice) == [
        f"row 201, item_id: the person has already answered item '{item[3]}' in row 4 (one answer a person and item)"
    ]


def test_names_of_a_dictionary_that_no_row_uses_are_nobody() -> None:
    def coded(codes: list[int], names: list[str]) -> pa.DictionaryArray:
        return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names))

    log = read({"person_id": coded([2, 0], ["p", "q", "r"]), "item_id": coded([1, 1], ["a", "b"]), "category": [0, 1]})
    assert (set(log.person_ids), log.item_ids) == ({"p", "r"}, ("b",))
    assert quadruples(log) == {("r", "b", 0, -1), ("p", "b", 1, -1)}


def test_why_and_positions_are_read_and_stand_for_a_fixed_form_where_they_are_missing() -> None:
    ids = {"person_id": ["p", "p"], "item_id": ["a", "b"], "category": [0, 1]}
    log = read({**ids, "why": ["adaptive", "pretest"], "position": [0, None]})
    assert log.routed
    assert (log.why.tolist(), log.position.tolist()) == ([0, 1], [0, -1])
    assert not read(ids).routed


def test_a_person_of_two_waves_is_two_sitters_and_may_meet_an_item_again() -> None:
    one = {"person_id": ["p", "q"], "item_id": ["a", "a"], "category": [0, 1], "wave": ["W1", "W1"], "sex": ["m", "f"]}
    two = {**one, "category": [1, 1], "wave": ["W2", "W2"]}
    files = {"W1.parquet": written(one), "W2.parquet": written(two)}
    log, sex = read_responses_parquet(files, label="sex")
    assert dict(zip(log.person_ids, sex, strict=True)) == {"W1:p": "m", "W1:q": "f", "W2:p": "m", "W2:q": "f"}
    assert quadruples(log) == {("W1:p", "a", 0, -1), ("W1:q", "a", 1, -1), ("W2:p", "a", 1, -1), ("W2:q", "a", 1, -1)}
    _, wave = read_responses_parquet(files, label="wave")
    assert sorted(wave) == ["W1", "W1", "W2", "W2"]
    with pytest.raises(Faulty, match=r"b\.parquet row 1, item_id: the person has already answered item 'a' in a\.parquet row 1"):
        read_responses_parquet({"a.parquet": written(one), "b.parquet": written(one)})


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"category": None}, "R.parquet, category: the column is missing"),
        ({"category": ["1", "0", "1"]}, "R.parquet, category: the column is of type string (whole numbers)"),
        ({"category": [0, 1, None]}, "row 3, category: '' is not a category (a whole number from 0)"),
        ({"category": [0, -1, 1]}, "row 2, category: '-1' is not a category"),
        ({"category": [0, 51, 1]}, "row 2, category: '51' is not a category"),
        ({"category": [0, 0.5, 1]}, "row 2, category: '0.5' is not a category"),
        ({"person_id": ["p", "", "q"]}, "row 2, person_id: is empty"),
        ({"item_id": ["a", None, "b"]}, "row 2, item_id: is empty"),
        ({"item_id": ["a", "z", "b"]}, "item_id, z: is not an item of the bank"),
        ({"item_id": ["a", "a", "b"]}, "row 2, item_id: the person has already answered item 'a' in row 1"),
        ({"rt_ms": [5, -7, 5]}, "row 2, rt_ms: '-7' is not a whole number"),
        ({"why": ["fixed", "guess", "fixed"]}, "row 2, why: is not known (one of adaptive, "),
        ({"wave": ["W", None, "W"]}, "row 2, wave: is empty"),
    ],
)
def test_every_fault_is_named_by_row_and_column(changed: dict[str, Any], fault: str) -> None:
    columns = {"person_id": ["p", "p", "q"], "item_id": ["a", "b", "b"], "category": [0, 1, 1], **changed}
    found = faults_of({name: values for name, values in columns.items() if values is not None}, known=["a", "b"])
    assert len(found) == 1
    assert found[0].startswith(fault)


def test_a_label_must_be_there_and_the_same_for_all_rows_of_a_person() -> None:
    ids = {"person_id": ["p", "q", "p"], "item_id": ["a", "a", "b"], "category": [0, 1, 1]}
    assert "--groups, sex: is neither a file nor a column of the answers" in faults_of(ids, label="sex")[0]
    assert faults_of({**ids, "sex": ["m", "f", "f"]}, label="sex") == [
        "row 3, sex: the person stands in another group in an earlier row (one group a person)"
    ]
    assert faults_of({**ids, "sex": ["m", None, "m"]}, label="sex") == ["row 2, sex: is empty (every person needs a group)"]


def test_items_of_one_competency_can_be_taken_and_those_of_several_are_no_scale() -> None:
    columns = {
        "person_id": ["p", "q", "p", "r", "q"], "item_id": ["a", "a", "b", "b", "c"], "category": [0, 1, 1, 0, 1],
        "competency": ["M", "M", "S", "S", "S"], "sex": ["m", "f", "m", "f", "f"],
    }  # fmt: skip
    assert len(read(columns)) == 5
    log, sex = read_responses_parquet({"R": written(columns)}, competency="S", one_scale=True, label="sex")
    assert quadruples(log) == {("p", "b", 1, -1), ("r", "b", 0, -1), ("q", "c", 1, -1)}
    assert (log.item_ids, dict(zip(log.person_ids, sex, strict=True))) == (("b", "c"), {"p": "m", "q": "f", "r": "f"})
    assert faults_of(columns, one_scale=True) == [
        "--competency: the answers are to items of 2 competencies, and a scale is of one (name one of M, S)"
    ]
    assert faults_of(columns, competency="X") == ["--competency, X: has no answers (M, S)"]
    assert faults_of({**columns, "competency": ["M", "S", "S", "S", "S"]}) == [
        "row 2, competency: the item stands under another competency in an earlier row"
    ]
    twice = {name: [*values, values[2]] for name, values in columns.items()}
    assert faults_of(twice, competency="S") == [
        "row 6, item_id: the person has already answered item 'b' in row 3 (one answer a person and item)"
    ]


def test_files_may_differ_in_what_they_say_besides() -> None:
    one = {"person_id": ["p"], "item_id": ["a"], "category": [0], "rt_ms": [900], "why": ["adaptive"]}
    log, _ = read_responses_parquet({"a": written(one), "b": written({"person_id": ["q"], "item_id": ["a"], "category": [1]})})
    assert log.person_ids == ("p", "q")
    assert (log.rt_ms.tolist(), log.why.tolist(), log.position.tolist()) == ([900, -1], [0, 2], [-1, -1])


def test_of_a_fault_in_every_row_the_first_hundred_are_named_and_the_rest_counted() -> None:
    n = 1000
    found = faults_of({"person_id": np.arange(n), "item_id": ["a"] * n, "category": np.full(n, -1)})
    assert len(found) == MOST_NAMED + 1
    assert found[-1] == f"category: and {n - MOST_NAMED} more rows with this fault"


def test_what_is_not_parquet_or_damaged_or_empty_is_said_to_be() -> None:
    good = written({"person_id": ["p"] * 5000, "item_id": [f"i{k}" for k in range(5000)], "category": [1] * 5000}, write_page_checksum=True)
    spoiled = bytearray(good)
    spoiled[len(good) // 3] ^= 0xFF
    for content in (b"", b"person_id,item_id,category\np,a,1\n", good[: len(good) // 2], bytes(spoiled)):
        with pytest.raises(Faulty, match=r"^R\.parquet: is not Parquet, or damaged"):
            read_responses_parquet({"R.parquet": content})
    with pytest.raises(Faulty, match=r"R\.parquet: holds no responses"):
        read({"person_id": pa.array([], pa.string()), "item_id": pa.array([], pa.string()), "category": pa.array([], pa.int8())})


def test_what_is_written_is_read_again() -> None:
    columns: dict[str, list[Any]] = {
        "person_id": ["p", "p"], "item_id": ["a", "b"], "category": [0, 3], "rt_ms": [900, 1200], "position": [0, 1],
        "theta_before": [0.0, -0.25], "why": ["fixed", "adaptive"], "competency": ["A", "B"], "wave": ["W", "W"],
    }  # fmt: skip
    content = write_responses_parquet(columns, {"sex": ["f", "f"]})
    log, sex = read_responses_parquet({"W.parquet": content}, label="sex")
    assert quadruples(log) == {("p", "a", 0, 900), ("p", "b", 3, 1200)}
    assert sex == ("f",)
    assert pq.read_table(io.BytesIO(content)).column("theta_before").to_pylist() == [0.0, -0.25]
