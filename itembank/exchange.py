"""Banks as files: parameter CSV for psychometricians, JSON for a whole bank with its content.

Parameter CSV: `item_id,competency,model,a,b1,b2,...,c,d` (model: 1pl 2pl 3pl 4pl grm gpcm pcm; D = 1; an empty cell is not used); further columns
are kept as attributes. Numbers are written so that they read back to the same bits.
"""

import csv
import io
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict

from cat_engine import MODELS, Fault, Faulty, ItemParams, Row
from cat_engine.irt import DICHOTOMOUS
from itembank.bank import CALIBRATIONS, STATUSES, Bank, ItemContent

KNOWN = ("item_id", "competency", "model", "a", "c", "d", "status", "calibration")
B_COLUMN = re.compile(r"^b([1-9]\d*)$")


def read_bank_csv(text: str, contents: Mapping[str, ItemContent] | None = None) -> Bank:
    """Parse a parameter CSV; `contents` links items to the text they already have. Raises Faulty with every fault, by row and column."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff"), newline=""))
    header = [name.strip() for name in reader.fieldnames or []]
    reader.fieldnames = header
    faults = _header_faults(header)
    if faults:
        raise Faulty(faults)
    b_columns = sorted((name for name in header if B_COLUMN.match(name)), key=lambda name: int(name[1:]))
    extra = [name for name in header if name not in KNOWN and name not in b_columns and name]
    ids: list[str] = []
    rows: list[Row] = []
    marks: list[tuple[str, str, Mapping[str, str]]] = []
    competencies: list[str] = []
    for number, line in enumerate(reader, start=2):
        cells = {key: (value or "").strip() for key, value in line.items() if key is not None}
        if not any(cells.values()):
            continue
        where = f"row {number}"
        if None in line:
            faults.append(Fault(where, "", "has more cells than the header", "quote text that holds a comma"))
        item_id, competency = cells["item_id"], cells["competency"]
        if not item_id:
            faults.append(Fault(where, "item_id", "is empty"))
        elif item_id in ids:
            faults.append(Fault(where, "item_id", f"'{item_id}' stands in row {ids.index(item_id) + 2} already"))
        if not competency:
            faults.append(Fault(where, "competency", "is empty"))
        elif competency not in competencies:
            competencies.append(competency)
        status, calibration = cells.get("status") or "active", cells.get("calibration") or "provisional"
        for name, value, legal in (("status", status, STATUSES), ("calibration", calibration, CALIBRATIONS)):
            if value not in legal:
                faults.append(Fault(where, name, f"'{value}' is not known", "one of " + ", ".join(legal)))
        row = _row(where, cells, b_columns, faults)
        ids.append(item_id)
        rows.append(row._replace(scale=competencies.index(competency) if competency else 0))
        marks.append((status, calibration, {name: cells[name] for name in extra}))
    if not ids and not faults:
        faults.append(Fault("bank", "", "holds no items"))
    if faults:
        raise Faulty(faults)
    known = contents or {}
    return Bank(
        tuple(ids),
        ItemParams.from_rows(rows),
        tuple(competencies),
        tuple(m[0] for m in marks),
        tuple(m[1] for m in marks),
        tuple(known[i].digest if i in known else None for i in ids),
        tuple(m[2] for m in marks),
    )


def _header_faults(header: list[str]) -> list[Fault]:
    faults = [Fault("row 1", name, "the column is missing") for name in ("item_id", "competency", "model", "a", "b1") if name not in header]
    faults += [Fault("row 1", name, "the column stands twice") for name in sorted(set(header)) if name and header.count(name) > 1]
    return faults


def _number(where: str, column: str, cell: str, default: float | None, faults: list[Fault]) -> float:
    if not cell and default is not None:
        return default
    try:
        value = float(cell)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        shown = f"'{cell}' is not a number" if cell else "is empty"
        faults.append(Fault(where, column, shown, "write a number with a decimal point"))
        return math.nan
    return value


def _row(where: str, cells: Mapping[str, str], b_columns: list[str], faults: list[Fault]) -> Row:
    before = len(faults)
    model = cells["model"].lower()
    if model not in MODELS:
        faults.append(Fault(where, "model", f"'{cells['model']}' is not known", "one of " + ", ".join(MODELS)))
    a = _number(where, "a", cells["a"], 1.0 if model in ("1pl", "pcm") else None, faults)
    used = [name for name in b_columns if cells[name]] or ["b1"]
    if used != b_columns[: len(used)]:
        faults.append(Fault(where, used[-1], "a threshold before it is empty", "fill b1, b2, ... without a gap"))
    if model in DICHOTOMOUS and len(used) > 1:
        faults.append(Fault(where, used[1], f"model {model} has one b only"))
    b = [_number(where, name, cells[name], None, faults) for name in used]
    c = _number(where, "c", cells.get("c", ""), 0.0, faults)
    d = _number(where, "d", cells.get("d", ""), 1.0, faults)
    if model in ("1pl", "2pl", "grm", "gpcm", "pcm") and c:
        faults.append(Fault(where, "c", f"model {model} has no c", "leave the cell empty"))
    if model != "4pl" and d != 1:
        faults.append(Fault(where, "d", f"model {model} has no d", "leave the cell empty"))
    row = Row(model, a, b, c, d)
    if len(faults) == before:
        try:
            ItemParams.from_rows([row])
        except Faulty as error:
            faults += [Fault(where, "b1" if f.field == "b" else f.field, f.message, f.remedy) for f in error.faults]
    return row


def write_bank_csv(bank: Bank) -> str:
    """The parameter CSV of a bank."""
    width = bank.params.b.shape[1] if len(bank) else 1
    extra = sorted({name for attributes in bank.attributes for name in attributes})
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    b_names = [f"b{k}" for k in range(1, width + 1)]
    writer.writerow(["item_id", "competency", "model", "a", *b_names, "c", "d", "status", "calibration", *extra])
    for i, item_id in enumerate(bank.ids):
        row = bank.row(i)
        b = [repr(v) for v in row.b] + [""] * (width - len(row.b))
        c = repr(row.c) if row.model in ("3pl", "4pl") else ""
        d = repr(row.d) if row.model == "4pl" else ""
        own = [bank.attributes[i].get(name, "") for name in extra]
        writer.writerow([item_id, bank.competency_of(i), row.model, repr(row.a), *b, c, d, bank.status[i], bank.calibration[i], *own])
    return out.getvalue()


def write_bank_json(bank: Bank, contents: Mapping[str, ItemContent]) -> str:
    """A bank with its content, for another installation. Holds the keys: treat it as secret."""
    body = {
        "format": "cact-bank-1",
        "D": 1,
        "parameters": write_bank_csv(bank),
        "contents": [asdict(contents[i]) for i in bank.ids if i in contents],
    }
    return json.dumps(body, ensure_ascii=False, indent=1)


def read_bank_json(text: str) -> tuple[Bank, dict[str, ItemContent]]:
    """The inverse of write_bank_json. Raises Faulty."""
    try:
        body = json.loads(text)
        contents = {table["item_id"]: ItemContent.from_table(table) for table in body["contents"]}
        parameters = body["parameters"]
    except (json.JSONDecodeError, KeyError, TypeError, ValueError) as error:
        raise Faulty([Fault("file", "", f"is not a bank in JSON: {error}", "export one with 'cact bank export --json'")]) from None
    return read_bank_csv(parameters, contents), contents
