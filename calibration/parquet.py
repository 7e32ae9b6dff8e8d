"""Responses as Parquet: one row an answer, for sets of answers that CSV is too slow and too large for.

Columns: person_id and item_id (text or whole numbers), category (whole number from 0); optionally rt_ms, position, why (of responses.WHY),
competency (of the item) and wave. A person who sits in several waves counts as another sitter in each, since ability may have moved. Other columns are let be, unless one is
asked for as a label of persons (a group). A file is read a million rows at a time into the narrowest columns that hold it.
"""

import io
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from calibration.responses import HIGHEST_CATEGORY, WHY, ResponseLog
from cat_engine import Fault, Faulty
from cat_engine.irt import Ints

NEEDED = ("person_id", "item_id", "category")
SCHEMA = pa.schema(
    [
        ("person_id", pa.string()), ("item_id", pa.string()), ("category", pa.int8()), ("rt_ms", pa.int32()), ("position", pa.int16()),
        ("theta_before", pa.float64()), ("why", pa.string()), ("competency", pa.string()), ("wave", pa.string()),
    ]
)  # fmt: skip
ROWS = 1 << 20
MOST_NAMED = 100  # faults of a kind; a file of millions of rows may have as many
WHOLE = "a whole number from 0"


@dataclass(eq=False)
class _Names:
    """Numbers for names in order of first appearance."""

    numbers: dict[str, int] = field(default_factory=dict)

    def number(self, column: pa.DictionaryArray) -> Ints:
        """Of each row; -1 for an empty cell."""
        numbers = self.numbers
        own = [numbers.setdefault(name, len(numbers)) if name else -1 for name in column.dictionary.to_pylist()]
        return np.asarray(np.array([*own, -1])[column.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


@dataclass(eq=False)
class _Numbers:
    """The names of all files; competency[i] is the number of the competency of item i, -1 where it is not known yet."""

    persons: _Names = field(default_factory=_Names)
    items: _Names = field(default_factory=_Names)
    waves: _Names = field(default_factory=_Names)
    labels: _Names = field(default_factory=_Names)
    competencies: _Names = field(default_factory=_Names)
    competency: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))

    def place(self, item: Ints, competency: Ints) -> NDArray[np.bool_]:
        """Note the competency[R] of item[R]; whether it is another than before, [R]."""
        self._lengthen()
        first = self.competency[item] < 0
        self.competency[item[first][::-1]] = competency[first][::-1]
        return np.asarray(self.competency[item] != competency)

    def _lengthen(self) -> None:
        self.competency = np.pad(self.competency, (0, len(self.items.numbers) - len(self.competency)), constant_values=-1)

    def of_competency(self, code: str | None) -> NDArray[np.bool_]:
        """Which items belong to it. Raises Faulty where none does, or where it is None though there are several."""
        there = ", ".join(sorted(self.competencies.numbers)) or "there is no column competency"
        if code is None:
            message = f"the answers are to items of {len(self.competencies.numbers)} competencies, and a scale is of one"
            raise Faulty([Fault("--competency", "", message, f"name one of {there}")])
        if code not in self.competencies.numbers:
            raise Faulty([Fault("--competency", code, "has no answers", there)])
        self._lengthen()
        return np.asarray(self.competency == self.competencies.numbers[code])


@dataclass(eq=False)
class _Report:
    """Faults by kind, of which the first are named and the rest counted. `starts` are the rows at which each of the `files` begins."""

    files: Sequence[str]
    starts: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    counts: dict[tuple[str, str], int] = field(default_factory=dict)

    def add(self, rows: Ints, column: str, what: str | Sequence[str], remedy: str = "", kind: str = "") -> None:
        """One fault a row (of all rows, from 0)."""
        key = column, kind or str(what)
        left = max(0, MOST_NAMED - self.counts.get(key, 0))
        self.counts[key] = self.counts.get(key, 0) + len(rows)
        texts = [what] * min(len(rows), left) if isinstance(what, str) else what[:left]
        self.faults += [Fault(self.place(row), column, text, remedy) for row, text in zip(rows[:left].tolist(), texts, strict=True)]

    def place(self, row: int) -> str:
        """Where a row stands, numbered from 1 in its file, which is named where there are several."""
        k = bisect_right(self.starts, row) - 1
        return f"{self.files[k]} row {row - self.starts[k] + 1}" if len(self.files) > 1 else f"row {row + 1}"

    def raise_any(self) -> None:
        """Raises Faulty where there are faults."""
        more = [
            Fault("", column, f"and {n - MOST_NAMED} more rows with this fault") for (column, _), n in self.counts.items() if n > MOST_NAMED
        ]  # fmt: skip
        if self.faults:
            raise Faulty([*self.faults, *more])


def write_responses_parquet(columns: Mapping[str, Sequence[Any]], groups: Mapping[str, Sequence[str]]) -> bytes:
    """A Parquet file of the columns of SCHEMA and of text columns of groups, compressed, with check sums of its pages."""
    fields = [*SCHEMA, *(pa.field(name, pa.string()) for name in groups)]
    table = pa.table({f.name: pa.array({**columns, **groups}[f.name], f.type) for f in fields})
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", write_page_checksum=True)
    return out.getvalue()


def read_responses_parquet(
    files: Mapping[str, bytes],
    known: Sequence[str] | None = None,
    *,
    why: str = "fixed",
    label: str | None = None,
    competency: str | None = None,
    one_scale: bool = False,
) -> tuple[ResponseLog, tuple[str, ...]]:
    """The answers of one or more files as one log, ordered by person, and the label of each person (none where none is asked for).

    `known` are the item ids of a bank, where there is one; `label` names a text column; `competency` leaves out the items of others, and with
    `one_scale` the answers of several are refused. Raises Faulty with every fault by row (from 1) and column; of a kind of fault the first hundred
    rows.
    """
    names, report, parts = _Numbers(), _Report(list(files)), list[dict[str, NDArray[Any]]]()
    for name, content in files.items():
        report.starts.append(sum(len(part["person"]) for part in parts))
        for batch in _batches(name, content, label):
            parts.append(_columns(batch, sum(len(part["person"]) for part in parts), why, label, names, report))
    if not any(len(part["person"]) for part in parts):
        raise Faulty([Fault(", ".join(files), "", "holds no responses")])
    items, sitters = list(names.items.numbers), list(names.persons.numbers)
    if known is not None:
        report.faults += [Fault("item_id", name, "is not an item of the bank") for name in sorted(set(items) - set(known))]
    report.raise_any()
    besides = {"rt_ms": -1, "position": -1, "why": WHY.index(why), "wave": names.waves.numbers.get("", 0)}
    columns, rows = _joined(parts, besides), None
    if competency is not None or (one_scale and len(names.competencies.numbers) > 1):
        rows = np.flatnonzero(names.of_competency(competency)[columns["item"]])
        columns = {name: column[rows] for name, column in columns.items()}
    columns["item"], items = _renumbered(columns["item"], items)
    columns["person"], sitters = _renumbered(columns["person"], sitters)
    if len(names.waves.numbers) > 1:
        columns["person"], sitters = _by_wave(columns["person"], columns["wave"], sitters, list(names.waves.numbers))
    if (columns["person"][1:] < columns["person"][:-1]).any():
        order = np.argsort(columns["person"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
        rows = order if rows is None else rows[order]
    _no_answer_twice(columns["person"], columns["item"], rows, items, report)
    own = _labels(columns, rows, list(names.labels.numbers), label, report)
    report.raise_any()
    more = [columns.get(name, np.broadcast_to(np.int8(besides[name]), len(columns["item"]))) for name in ("rt_ms", "position", "why")]
    person = columns["person"].astype(np.int64, copy=False)
    return ResponseLog(tuple(sitters), tuple(items), person, columns["item"], columns["category"], *more), own


def _joined(parts: Sequence[dict[str, NDArray[Any]]], besides: Mapping[str, int]) -> dict[str, NDArray[Any]]:
    """The columns of all parts, which are emptied on the way; `besides` stands for columns that some parts do not have."""
    lengths = [len(part["person"]) for part in parts]
    return {
        name: np.concatenate(
            [part.pop(name) if name in part else np.full(n, besides[name], np.int32) for part, n in zip(parts, lengths, strict=True)]
        )
        for name in dict.fromkeys(name for part in parts for name in part)
    }


def _renumbered(column: Ints, names: Sequence[str]) -> tuple[Ints, list[str]]:
    """A column of numbers of names, of which only those that occur are kept (a file's dictionary may hold more)."""
    found = np.bincount(column, minlength=len(names)) > 0
    if found.all():
        return column, list(names)
    place: Ints = np.cumsum(found) - 1
    return place[column], [names[k] for k in np.flatnonzero(found).tolist()]


def _by_wave(person: Ints, wave: Ints, persons: Sequence[str], waves: Sequence[str]) -> tuple[Ints, list[str]]:
    """Each person in each wave as a sitter of its own, named wave:person."""
    sat, sitter = np.unique(person.astype(np.int64) * len(waves) + wave, return_inverse=True)
    return sitter, [f"{waves[k % len(waves)]}:{persons[k // len(waves)]}" for k in sat.tolist()]


def _batches(where: str, content: bytes, label: str | None) -> Iterator[pa.RecordBatch]:
    """The file's rows, text as dictionaries. Raises Faulty where it is not Parquet, is damaged, or lacks a column."""
    try:
        schema = pq.read_schema(pa.BufferReader(content))
        faults = [
            Fault(where, name, "the column is missing", "needed are " + ", ".join(NEEDED)) for name in NEEDED if name not in schema.names
        ]
        if label and label not in schema.names:
            faults.append(Fault("--groups", label, "is neither a file nor a column of the answers", "columns: " + ", ".join(schema.names)))
        faults += [Fault(where, name, "the column stands twice") for name in sorted(set(schema.names)) if schema.names.count(name) > 1]
        for name in set(schema.names) & {"category", "rt_ms", "position"}:
            kind = schema.field(name).type
            if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
                faults.append(Fault(where, name, f"the column is of type {kind}", "whole numbers"))
        if faults:
            raise Faulty(faults)
        besides = dict.fromkeys(("rt_ms", "position", "why", "wave", "competency", label))
        wanted = [*NEEDED, *(name for name in besides if name in schema.names)]
        text = [name for name in wanted if schema.field(name).type in (pa.string(), pa.large_string())]
        file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=text, page_checksum_verification=True)
        yield from file.iter_batches(ROWS, columns=wanted)
    except (pa.ArrowException, OSError) as error:
        raise Faulty([Fault(where, "", f"is not Parquet, or damaged: {str(error).splitlines()[0]}", "write or copy it again")]) from None


def _columns(batch: pa.RecordBatch, at: int, why: str, label: str | None, names: _Numbers, report: _Report) -> dict[str, NDArray[Any]]:
    """A batch as narrow columns of numbers, whose first row is row `at` of all; its faults are reported."""
    found = {
        name: own.number(_text(batch, f"{name}_id")).astype(np.int32) for name, own in (("person", names.persons), ("item", names.items))
    }
    for name in ("person", "item"):
        report.add(np.flatnonzero(found[name] < 0) + at, f"{name}_id", "is empty")
    if "competency" in batch.schema.names:
        competency = names.competencies.number(_text(batch, "competency"))
        report.add(np.flatnonzero(competency < 0) + at, "competency", "is empty")
        other = names.place(np.maximum(found["item"], 0), competency) & (found["item"] >= 0) & (competency >= 0)
        report.add(np.flatnonzero(other) + at, "competency", "the item stands under another competency in an earlier row")
    found["category"] = _numbers(batch, "category", HIGHEST_CATEGORY, at, report).astype(np.int32)
    for name in ("rt_ms", "position"):
        if name in batch.schema.names:
            found[name] = _numbers(batch, name, 2**31 - 1, at, report).astype(np.int32)
    if "why" in batch.schema.names:
        column = _text(batch, "why")
        known = [WHY.index(text) if text in WHY else len(WHY) for text in column.dictionary.to_pylist()]
        found["why"] = np.array([*known, WHY.index(why)], dtype=np.int8)[column.indices.fill_null(-1).to_numpy(zero_copy_only=False)]
        report.add(np.flatnonzero(found["why"] == len(WHY)) + at, "why", "is not known", "one of " + ", ".join(WHY))
    if "wave" in batch.schema.names:
        found["wave"] = names.waves.number(_text(batch, "wave")).astype(np.int32)
        report.add(np.flatnonzero(found["wave"] < 0) + at, "wave", "is empty")
    else:
        names.waves.numbers.setdefault("", len(names.waves.numbers))
    if label:
        found["label"] = names.labels.number(_text(batch, label)).astype(np.int32)
        report.add(np.flatnonzero(found["label"] < 0) + at, label, "is empty", "every person needs a group")
    return found


def _text(batch: pa.RecordBatch, name: str) -> pa.DictionaryArray:
    column = batch.column(name)
    if not pa.types.is_dictionary(column.type):
        column = pc.dictionary_encode(column.cast(pa.string()))
    return column


def _numbers(batch: pa.RecordBatch, name: str, highest: int, at: int, report: _Report) -> NDArray[Any]:
    """Whole numbers from 0; rt_ms and position may be empty (-1)."""
    column = batch.column(name)
    values = column.to_numpy(zero_copy_only=False)
    empty = column.is_null().to_numpy(zero_copy_only=False)
    if column.null_count or values.dtype.kind == "f":
        empty = empty | np.isnan(values)
        values = np.where(empty, -1, values)
    bad = (values < 0) | (values > highest) | (values != np.floor(values))
    if name != "category":
        bad &= ~empty & (values != -1)
    rows = np.flatnonzero(bad)
    if len(rows):
        shown = ["" if empty[k] else f"{values[k]:g}" for k in rows[:MOST_NAMED].tolist()]
        what = "is not a category" if name == "category" else "is not a whole number"
        texts = [f"'{cell}' {what}" for cell in shown]
        report.add(rows + at, name, texts, WHOLE, what)
        values = np.where(bad, 0, values)
    return np.asarray(values)


def _no_answer_twice(person: Ints, item: Ints, order: Ints | None, names: Sequence[str], report: _Report) -> None:
    """Of answers ordered by person, a stretch of persons at a time."""
    at = 0
    while at < len(person):
        end = min(at + ROWS, len(person))
        end = int(np.searchsorted(person, person[end - 1], side="right"))
        key = person[at:end].astype(np.int64) * len(names) + item[at:end]
        by_key = np.argsort(key, kind="stable") if (np.diff(np.sort(key)) == 0).any() else np.arange(0)
        for k in np.flatnonzero(np.diff(key[by_key]) == 0).tolist():
            one, other = (at + int(by_key[n]) for n in (k, k + 1))
            first, second = (x if order is None else int(order[x]) for x in (one, other))
            what = f"the person has already answered item '{names[int(item[one])]}' in {report.place(first)}"
            report.add(np.array([second]), "item_id", what, "one answer a person and item", "twice")
        at = end


def _labels(
    columns: Mapping[str, NDArray[Any]], order: Ints | None, names: Sequence[str], label: str | None, report: _Report
) -> tuple[str, ...]:
    """The label of each person, of answers ordered by person."""
    if label is None:
        return ()
    person, own = columns["person"], columns["label"]
    first = np.concatenate([[0], np.flatnonzero(np.diff(person)) + 1])
    other = np.flatnonzero(own != np.repeat(own[first], np.diff([*first, len(person)])))
    rows = other if order is None else order[other]
    report.add(rows, label, "the person stands in another group in an earlier row", "one group a person")
    return tuple(names[k] for k in own[first].tolist())
