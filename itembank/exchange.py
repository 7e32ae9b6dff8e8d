"""Banks as files: parameter CSV for psychometricians, JSON for a whole bank with its content.

Parameter CSV: `item_id,competency,model,a,b1,b2,...,c,d` (competency only where items are of several) and optionally `status,calibration` (model: one of MODELS; D = 1; an empty cell is not
used); nominal items have their slopes in `a1,a2,...`, beside their intercepts in b1, b2, ...; further columns are kept as attributes. JSON: {"format", "D", "items"}, each item with the same parameters, its
attributes, and its content or null. Numbers are written so that they read back to the same bits, and every fault of a file is found, with its
row and column, before anything is used.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np

from cat_engine import Fault, Faulty, ItemParams
from cat_engine.irt import NOMINAL
from itembank.bank import Bank, ItemContent
from itembank.csv_lines import csv_lines
from itembank.rows import KNOWN, NEEDED, Rows, broken_text, is_parameter, parameter_meant, slope_columns, threshold_columns

FORMAT = "cact-bank-1"
HEADER = "item_id,competency,model,a,b1,b2,…,c,d"
CONTENT_TEXTS = ("item_id", "competency", "job_level", "kind", "scenario", "question", "rationale")
ITEM_FIELDS = (*NEEDED, "b", "c", "d", "slopes", "status", "calibration", "attributes", "content")
TEXTS = ("item_id", "competency", "model", "status", "calibration")
MOST_THRESHOLDS = 99
BROKEN = "holds half of a surrogate pair, which is not a character"


def on_logistic_metric(bank: Bank, scaling: float) -> Bank:
    """The bank with a multiplied by the D that its parameters were estimated with: P = s(D a (theta - b)) there, s(a (theta - b)) here.

    Nominal items have no D: their slopes and intercepts are those of logits in any case. Raises Faulty where a product is too large to be a number.
    """
    if scaling == 1:
        return bank
    with_d = np.array([model not in NOMINAL for model in bank.params.model])
    return replace(bank, params=replace(bank.params, a=np.where(with_d, bank.params.a * scaling, bank.params.a)))


def read_bank_csv(text: str, contents: Mapping[str, ItemContent] | None = None, competency: str = "") -> Bank:
    """Parse a parameter CSV; `contents` links items to the text they already have; `competency` is that of all items of a file without such a column,
    which without it is a fault. Raises Faulty with every fault, by row and column.
    """
    lines = _numbered(text)
    at, header = next((number, [name.strip() for name in line]) for number, line in lines if any(line))
    rows = Rows(threshold_columns(header), slope_columns(header))
    given = {"competency": competency} if competency and "competency" not in map(str.lower, header) else {}
    needed = [name for name in NEEDED if name not in given]
    faults = _header_faults(f"row {at}", header, [*needed, *rows.thresholds, *rows.slopes])
    if faults:
        raise Faulty(faults)
    extra = [name for name in header if name and not is_parameter(name)]
    for number, line in lines:
        values = [value.strip() for value in line]
        if number <= at or not any(values):
            continue
        where = f"row {number}"
        if any(values[len(header) :]):
            rows.faults.append(Fault(where, "", f"has {len(values)} cells, the header {len(header)}", "quote text that holds a comma"))
        if any(value for name, value in zip(header, values, strict=False) if not name):
            rows.faults.append(Fault(where, "", "a cell stands in a column without a name", "name the column, or empty the cell"))
        cells = given | dict.fromkeys(header, "") | dict(zip(header, values, strict=False))
        rows.add(where, cells, {name: cells[name] for name in extra if cells[name]})
    return _bank(rows, contents or {})


def _numbered(text: str) -> list[tuple[int, list[str]]]:
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise Faulty([Fault("file", "", "is empty", f"the first row names the columns: {HEADER}")])
    first = text.strip().split("\n", 1)[0]
    for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if sign in first and "," not in first:
            raise Faulty([Fault("row 1", "", f"cells are separated by {name}", "separate them by commas, with decimal points in numbers")])
    return list(enumerate(csv_lines(text), start=1))


def _header_faults(where: str, header: list[str], needed: list[str]) -> list[Fault]:
    meant = {parameter_meant(name): name for name in header}
    missing = [name for name in needed if name not in header]
    faults = [
        Fault(where, name, "the column is missing", f"write '{name}', not '{meant[name]}'" if name in meant else f"the header is: {HEADER}")
        for name in missing
    ]
    faults += [Fault(where, name, "the column stands twice") for name in sorted(set(header)) if name and header.count(name) > 1]
    for name, written in meant.items():
        if name is not None and name not in missing:
            faults.append(
                Fault(where, written, "looks like a parameter, and would be kept as an attribute", f"write '{name}', or rename it")
            )
    return faults


def _bank(rows: Rows, contents: Mapping[str, ItemContent]) -> Bank:
    if not rows.ids and not rows.faults:
        rows.faults.append(Fault("bank", "", "holds no items", "write one row an item"))
    if rows.faults:
        raise Faulty(rows.faults)
    return Bank(
        tuple(rows.ids),
        ItemParams.from_rows(rows.rows),
        tuple(rows.competencies),
        tuple(rows.status),
        tuple(rows.calibration),
        tuple(contents[i].digest if i in contents else None for i in rows.ids),
        tuple(rows.attributes),
    )


def write_bank_csv(bank: Bank) -> str:
    """The parameter CSV of a bank."""
    thresholds = [f"b{k}" for k in range(1, bank.params.b.shape[1] + 1)]
    slopes = [f"a{k}" for k in range(1, 1 + max((len(bank.params.slopes_of(i)) for i in range(len(bank))), default=0))]
    extra = sorted({name for attributes in bank.attributes for name in attributes})
    out = io.StringIO()
    writer = csv.writer(out)  # lines end with CR LF (RFC 4180): it is what makes the writer quote a line end inside a cell
    writer.writerow([*NEEDED, *slopes, *thresholds, "c", "d", "status", "calibration", *extra])
    for i, item_id in enumerate(bank.ids):
        row = bank.row(i)
        a = ["" if row.slopes else repr(row.a), *_cells_of(row.slopes, len(slopes))]
        b = _cells_of(row.b, len(thresholds))
        c = repr(row.c) if row.model in ("3pl", "4pl") else ""
        d = repr(row.d) if row.model == "4pl" else ""
        own = [bank.attributes[i].get(name, "") for name in extra]
        writer.writerow([item_id, bank.competency_of(i), row.model, *a, *b, c, d, bank.status[i], bank.calibration[i], *own])
    return out.getvalue()


def _cells_of(values: Sequence[float], count: int) -> list[str]:
    """`count` cells, the last of them empty."""
    return [repr(v) for v in values] + [""] * (count - len(values))


def write_bank_json(bank: Bank, contents: Mapping[str, ItemContent]) -> str:
    """A bank with its content, for another installation. Holds the keys: treat it as secret."""
    items = []
    for i, item_id in enumerate(bank.ids):
        row = bank.row(i)
        items.append(
            {
                "item_id": item_id, "competency": bank.competency_of(i), "model": row.model, "a": row.a, "b": list(row.b), "c": row.c, "d": row.d,
                **({"slopes": list(row.slopes)} if row.slopes else {}), "status": bank.status[i], "calibration": bank.calibration[i], "attributes": dict(bank.attributes[i]),
                "content": asdict(contents[item_id]) if item_id in contents else None,
            }
        )  # fmt: skip
    return json.dumps({"format": FORMAT, "D": 1, "items": items}, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


def read_bank_json(text: str) -> tuple[Bank, dict[str, ItemContent]]:
    """The inverse of write_bank_json. Raises Faulty with every fault, by item and field."""
    remedy = "'cact bank export --format json' writes one"
    try:
        body = json.loads(text.removeprefix("\ufeff"))
    except (ValueError, RecursionError) as error:
        raise Faulty([Fault("file", "", f"is not JSON: {error}", remedy)]) from None
    if not isinstance(body, dict) or body.get("format") != FORMAT or not isinstance(body.get("items"), list):
        raise Faulty([Fault("file", "format", f"is not a bank: it has no format '{FORMAT}' with a list of items", remedy)])
    faults: list[Fault] = []
    if body.get("D") != 1:
        faults.append(Fault("file", "D", f"is {body.get('D')!r}", "multiply a by it, and write 1"))
    tables = [item if isinstance(item, dict) else {} for item in body["items"]]
    widest = max((len(item[name]) for item in tables for name in ("b", "slopes") if isinstance(item.get(name), list)), default=1)
    numbers = range(1, min(max(widest, 1), MOST_THRESHOLDS) + 1)
    rows = Rows([f"b{k}" for k in numbers], [f"a{k}" for k in numbers], faults)
    contents: dict[str, ItemContent] = {}
    for number, item in enumerate(tables):
        where = f"items[{number}]"
        if not item:
            faults.append(Fault(where, "", "is not an item", "an object with " + ", ".join(ITEM_FIELDS)))
            continue
        faults += [Fault(where, str(name), "is not known", "one of " + ", ".join(ITEM_FIELDS)) for name in item if name not in ITEM_FIELDS]
        cells = _cells(where, item, faults)
        rows.add(where, cells, _attributes(where, item.get("attributes"), faults))
        content = _content(f"{where}.content", item.get("content"), faults)
        if content is not None:
            if content.item_id != cells["item_id"]:
                faults.append(Fault(f"{where}.content", "item_id", f"is '{content.item_id}'", f"must be '{cells['item_id']}'"))
            contents[content.item_id] = content
    return _bank(rows, contents), contents


def _cells(where: str, item: Mapping[str, object], faults: list[Fault]) -> dict[str, str]:
    """An item's values as the cells that a CSV would hold."""
    values = {name: item.get(name) for name in KNOWN}
    for name, column, listed in (("b", "b", item.get("b")), ("slopes", "a", item.get("slopes", []))):
        if not isinstance(listed, list) or len(listed) > MOST_THRESHOLDS:
            faults.append(Fault(where, name, f"is not a list of at most {MOST_THRESHOLDS} numbers"))
            continue
        values |= {f"{column}{k}": value for k, value in enumerate(listed, start=1)}
    cells = dict.fromkeys(values, "")
    for name, value in values.items():
        if value is None:
            continue
        if isinstance(value, bool) or not isinstance(value, str if name in TEXTS else int | float):
            faults.append(Fault(where, name, f"{json.dumps(value)[:40]} is not {'text' if name in TEXTS else 'a number'}"))
        cells[name] = value.strip() if isinstance(value, str) else repr(value)
    return cells


def _attributes(where: str, table: object, faults: list[Fault]) -> Mapping[str, str]:
    if table is None:
        return {}
    if not isinstance(table, dict) or not all(isinstance(value, str) for value in table.values()):
        faults.append(Fault(where, "attributes", "is not an object of texts"))
        return {}
    for name, value in table.items():
        if is_parameter(name) or parameter_meant(name) or name != name.strip() or not name:
            faults.append(Fault(where, "attributes", f"'{name}' cannot name an attribute", "names of parameters, and like them, are taken"))
        if broken_text(name + value):
            faults.append(Fault(where, "attributes", BROKEN))
    return {name: value.strip() for name, value in table.items() if value.strip()}


def _content(where: str, table: object, faults: list[Fault]) -> ItemContent | None:
    """An item's content, or None where there is none or it has a fault."""
    if table is None:
        return None
    if not isinstance(table, dict):
        faults.append(Fault(where, "", "is not an object"))
        return None
    before = len(faults)
    known = (*CONTENT_TEXTS, "level", "options", "table", "table_caption")
    faults += [Fault(where, str(name), "is not known", "one of " + ", ".join(known)) for name in table if name not in known]
    faults += [Fault(where, name, "is missing, or is not text") for name in CONTENT_TEXTS if not isinstance(table.get(name), str)]
    if not isinstance(table.get("table_caption", ""), str):
        faults.append(Fault(where, "table_caption", "is not text"))
    if not _whole(table.get("level")):
        faults.append(Fault(where, "level", "is missing, or is not a whole number"))
    options = table.get("options")
    if not isinstance(options, list) or len(options) < 2:
        faults.append(Fault(where, "options", "is not a list of two or more options"))
    for k, option in enumerate(options if isinstance(options, list) else []):
        if (
            not isinstance(option, dict)
            or set(option) != {"text", "score"}
            or not isinstance(option["text"], str)
            or not _whole(option["score"])
        ):
            faults.append(Fault(where, f"options[{k}]", "is not an option", '{"text": "…", "score": 1} with a whole score'))
    cells = table.get("table", [])
    if not isinstance(cells, list) or not all(isinstance(row, list) and all(isinstance(cell, str) for cell in row) for row in cells):
        faults.append(Fault(where, "table", "is not a list of rows of texts"))
    if len(faults) == before:
        if not broken_text(json.dumps(table, ensure_ascii=False)):
            return ItemContent.from_table(table)
        faults.append(Fault(where, "", BROKEN))
    return None


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
