"""The files of test security besides the answers: who sat where and when, and which option was chosen.

People: `person_id` and any of `room`, `wave`, `time` (ISO 8601: 2026-11-26 or 2026-11-26T09:30). Without times, waves come in the order in which the file names
them. Persons without answers may stand in the file; nobody with answers may be missing. A fault names the row, not the person, as an id may be a NIP.
"""

import csv
import datetime as dt
import io
from collections.abc import Mapping, Sequence

import numpy as np

from calibration.files import cells_by_row
from calibration.security import People
from cat_engine import Fault, Faulty


def read_people_csv(text: str, person_ids: Sequence[str], needed: Sequence[str] = ()) -> People:
    """The people of a log, in its order; `needed` columns must be there and filled. A window is the wave, else the day; a room is one of a wave, where there are
    waves. Raises Faulty with every fault.
    """
    rows: dict[str, Mapping[str, str]] = {}
    faults = []
    for where, cells in cells_by_row(text, ("person_id", *needed)):
        person_id = cells["person_id"]
        faults += [Fault(where, name, "is empty") for name in ("person_id", *needed) if not cells[name]]
        if person_id in rows:
            faults.append(Fault(where, "person_id", "the person stands in an earlier row already", "one row a person"))
        if cells.get("time") and _instant(cells["time"]) is None:
            faults.append(Fault(where, "time", f"'{cells['time']}' is not a date or time", "2026-11-26 or 2026-11-26T09:30"))
        rows[person_id] = cells
    missing = sum(person_id not in rows for person_id in person_ids)
    if missing:
        faults.append(Fault("people", "person_id", f"{missing} of {len(person_ids)} people with answers are missing", "one row a person"))
    timed = [bool(cells.get("time")) for cells in rows.values()]
    if any(timed) and not all(timed):
        faults.append(Fault("people", "time", f"{timed.count(False)} rows have none and the others have one", "fill all, or none"))
    if faults:
        raise Faulty(faults)
    mine = [rows[person_id] for person_id in person_ids]
    waves = {name: k for k, name in enumerate(dict.fromkeys(cells.get("wave", "") for cells in rows.values()))}
    instants = [_instant(cells.get("time", "")) or 0.0 for cells in mine]
    order = np.unique(instants, return_inverse=True)[1] if any(timed) else np.array([waves[cells.get("wave", "")] for cells in mine])
    window = tuple(cells.get("wave", "") or cells.get("time", "")[:10] for cells in mine)
    return People(
        tuple(f"{cells.get('wave', '')} {cells.get('room', '')}".strip() for cells in mine), window, np.asarray(order, dtype=np.int64)
    )


def _instant(cell: str) -> float | None:
    """Seconds since 1970; a time without a zone is UTC."""
    try:
        found = dt.datetime.fromisoformat(cell)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=dt.UTC)).timestamp()


def read_options_csv(text: str) -> tuple[str, ...] | None:
    """The column `option` of a long file of answers, in its order; None where it has none. Raises Faulty where a row leaves it empty.

    The file must be one that calibration.responses reads: its other faults are found there.
    """
    lines = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""))
    names = {(name or "").strip(): name for name in lines.fieldnames or []}
    if not {"option", "item_id", "category"} <= names.keys():
        return None
    found, faults = [], []
    for number, cells in enumerate(lines, start=2):
        option = (cells[names["option"]] or "").strip()
        if not option:
            faults.append(Fault(f"row {number}", "option", "is empty", "fill the whole column, or leave it out"))
        found.append(option)
    if faults:
        raise Faulty(faults)
    return tuple(found)
