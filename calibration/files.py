"""The CSV files of a calibration besides the answers: item parameters in and out, groups of persons, lists of items.

Item parameters: `item_id,model,a,b1,b2,...,c,d`, the columns of a bank without its competency (a1, a2, ... too, for nominal items); other columns are
let be. Of a model file, a row
may stop after `model`: the item then starts from its answers.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from calibration.verdicts import ItemVerdict
from cat_engine import MODELS, Fault, Faulty, Row
from cat_engine.irt import Ints
from itembank.csv_lines import csv_lines
from itembank.rows import Rows, slope_columns, threshold_columns

ONLY = "all"  # the competency of a file that names none


def cells_by_row(text: str, needed: Sequence[str], misfits: list[Fault] | None = None) -> Iterable[tuple[str, Mapping[str, str]]]:
    """("row 2", cells by column) of each row that is not empty. Raises Faulty for a header that lacks or repeats a column, and for rows that do not
    fit it; where the caller has more to find, those are left out and added to `misfits`.
    """
    lines = csv_lines(text)
    header = [cell.strip() for cell in lines[0]] if lines else []
    faults = [
        Fault("row 1", name, "the column is missing", f"row 1 names the columns, separated by commas: {','.join(needed)}")
        for name in needed
        if name not in header
    ]
    faults += [Fault("row 1", name, "the column stands twice") for name in sorted(set(header)) if name and header.count(name) > 1]
    if faults:
        raise Faulty(faults)
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        cells = [cell.strip() for cell in line]
        if any(cells):
            if len(cells) == len(header):
                rows.append((f"row {number}", dict(zip(header, cells, strict=True))))
            else:
                faults.append(Fault(f"row {number}", "", f"has {len(cells)} cells, the header {len(header)}"))
    if misfits is not None:
        misfits += faults
    elif faults:
        raise Faulty(faults)
    return rows


def _rows(table: Sequence[tuple[str, Mapping[str, str]]]) -> Rows:
    """To read a table's items into."""
    header = table[0][1] if table else ()
    return Rows(threshold_columns(header), slope_columns(header))


def read_items_csv(text: str, *, blanks: bool = False) -> dict[str, Row]:
    """Item parameters by item id, in file order; with `blanks`, rows without b1 (of items that could not be estimated) are left out. Raises Faulty with
    every fault by row and column.
    """
    table = [(where, cells) for where, cells in cells_by_row(text, ("item_id", "model", "a", "b1")) if cells["b1"] or not blanks]
    rows = _rows(table)
    for where, cells in table:
        rows.add(where, {**cells, "competency": ONLY}, {})
    if not table:
        rows.faults.append(Fault("file", "", "holds no items"))
    if rows.faults:
        raise Faulty(rows.faults)
    return {item_id: row._replace(scale=0) for item_id, row in zip(rows.ids, rows.rows, strict=True)}


def read_competencies_csv(text: str) -> dict[str, str]:
    """The competency of each item id of a parameter CSV; empty where it has no such column. Raises Faulty."""
    return {cells["item_id"]: cells["competency"] for _, cells in cells_by_row(text, ("item_id",)) if "competency" in cells}


def read_models_csv(text: str) -> tuple[dict[str, str], dict[str, Row]]:
    """A model file: the model of each item id, and the parameters to start from of those that have any. Raises Faulty."""
    table = list(cells_by_row(text, ("item_id", "model")))
    models: dict[str, str] = {}
    faults = []
    started = []
    for where, cells in table:
        item_id, model = cells["item_id"], cells["model"].lower()
        if model not in MODELS:
            faults.append(Fault(where, "model", f"'{cells['model']}' is not known", "one of " + ", ".join(MODELS)))
        if not item_id or item_id in models:
            faults.append(Fault(where, "item_id", f"'{item_id}' stands there already" if item_id else "is empty"))
        models[item_id] = model
        if cells.get("b1"):
            started.append((where, cells))
    rows = _rows(table)
    for where, cells in started:
        rows.add(where, {"a": "", **cells, "competency": ONLY}, {})
    if faults or rows.faults:
        raise Faulty([*faults, *rows.faults])
    return models, {item_id: row._replace(scale=0) for item_id, row in zip(rows.ids, rows.rows, strict=True)}


def read_groups_csv(text: str, person_ids: Sequence[str], column: str = "group") -> tuple[Ints, tuple[str, ...]]:
    """`person_id,group`, or another column of groups: the group number of each person, and the groups' names in order of appearance. Raises Faulty.

    Persons without answers may stand in the file; nobody with answers may be missing.
    """
    groups: dict[str, str] = {}
    faults = []
    for where, cells in cells_by_row(text, ("person_id", column)):
        if not cells["person_id"] or not cells[column]:
            faults.append(Fault(where, column if cells["person_id"] else "person_id", "is empty"))
        if cells["person_id"] in groups:
            faults.append(Fault(where, "person_id", "the person has a group already", "one row a person"))
        groups[cells["person_id"]] = cells[column]
    missing = sum(person not in groups for person in person_ids)
    if missing:
        faults.append(Fault("groups", "person_id", f"{missing} of {len(person_ids)} people with answers have no group", "one row a person"))
    if faults:
        raise Faulty(faults)
    names = tuple(dict.fromkeys(groups[person] for person in person_ids))
    return np.array([names.index(groups[person]) for person in person_ids], dtype=np.int64), names


def read_ids(text: str) -> list[str]:
    """Item ids, one a line or in a column `item_id`. Raises Faulty where there are none or one stands twice."""
    lines = [line.split(",")[0].strip().strip('"') for line in text.removeprefix("\ufeff").splitlines()]
    ids = [line for line in lines if line and line != "item_id"]
    faults = [Fault("items", item_id, "stands twice") for item_id in dict.fromkeys(ids) if ids.count(item_id) > 1]
    if not ids:
        faults.append(Fault("items", "", "there are none", "one item id a line"))
    if faults:
        raise Faulty(faults)
    return ids


def write_items_csv(rows: Mapping[str, Row]) -> str:
    """Item parameters, to be read back to the same bits."""
    width = _widths(rows.values())
    lines = [["item_id", "model", "a", *_names("a", width[0]), *_names("b", width[1]), "c", "d"]]
    lines += [[item_id, row.model, *_parameters(row, width)] for item_id, row in rows.items()]
    return _write(lines)


def write_estimates_csv(verdicts: Sequence[ItemVerdict]) -> str:
    """`item_id,model,a,b1..,c,d,se_a,se_b1..,se_c,n,flag`, with a1.. and se_a1.. where there are nominal items, se_d where there are 4pl ones and partners where items
    depend on each other; an item without an estimate has its flag
    and no number.
    """
    width = _widths([v.shape for v in verdicts])
    parameters = ["a", *_names("a", width[0]), *_names("b", width[1]), "c"]
    upper = ["se_d"] if any(v.shape.model == "4pl" for v in verdicts) else []
    together = ["partners"] if any(v.partners for v in verdicts) else []
    lines = [["item_id", "model", *parameters, "d", *(f"se_{name}" for name in parameters), *upper, "n", "flag", *together]]
    for v in verdicts:
        row = v.new or (v.old if "anchor" in v.flags else None)
        numbers = _parameters(row, width) if row else [""] * (sum(width) + 3)
        errors = [_cell(v.se_a), *_cells(v.se_slopes, width[0]), *_cells(v.se_b, width[1]), _cell(v.se_c), *[_cell(v.se_d) for _ in upper]]
        lines.append([v.item_id, v.shape.model, *numbers, *errors, str(v.n), ";".join(v.flags), *[";".join(v.partners) for _ in together]])
    return _write(lines)


def _names(stem: str, n: int) -> list[str]:
    return [f"{stem}{k}" for k in range(1, n + 1)]


def _cell(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else ""


def _cells(values: Sequence[float], count: int) -> list[str]:
    return [*map(_cell, values), *[""] * (count - len(values))]


def _widths(rows: Iterable[Row]) -> tuple[int, int]:
    """How many slopes and how many b a table of these items has columns for."""
    kept = list(rows)
    return max((len(row.slopes) for row in kept), default=0), max((len(row.b) for row in kept), default=1)


def _parameters(row: Row, width: tuple[int, int]) -> list[str]:
    a = "" if row.slopes else _cell(row.a)
    c = _cell(row.c) if row.model in ("3pl", "4pl") else ""
    return [a, *_cells(row.slopes, width[0]), *_cells(row.b, width[1]), c, _cell(row.d) if row.model == "4pl" else ""]


def _write(lines: Iterable[Sequence[str]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(lines)
    return out.getvalue()
