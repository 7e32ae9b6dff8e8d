"""Blueprints: what a test must hold, row by row, in the form of TestDesign's constraint tables (Choi, Lim & van der Linden, 2022).

    CONSTRAINT_ID, TYPE, WHAT, CONDITION, LB, UB, ONOFF
    C1, Number, Item, , 30, 30,                          30 items
    C2, Number, Item, CONTENT == 1, 12, 15,              12 to 15 of content 1
    C3, Number, Item, SUBCONTENT, 1, 3,                  1 to 3 of every subcontent
    C4, Number, Item, Per Stimulus, 4, 6,                4 to 6 with every passage that is used
    C5, Number, Stimulus, , 6, 6,                        6 passages
    C6, Sum, Item, "WORDS, DOK == 1", 50, 80,            50 to 80 words in items of depth 1
    C7, Enemy, Item, "ID %in% c(""A1"", ""A2"")", , ,    at most one of them
    C8, Include / Exclude / AllOrNone, Item or Stimulus  all of them / none / all or none
    C9, Order, Item or Stimulus, LEVEL, , ,              items are given in ascending LEVEL
    C10, Time, Item, , 0, 2400,                          expected to take 2,400 s at most, at the person's pace

Conditions: see conditions.py; the attribute ID is always there. A row whose ONOFF is OFF does not count. A column PRIORITY may say which rows
give way first (1 to 9, the lowest first; 5 where it is empty).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from cat_engine.conditions import ConditionError, attribute, evaluate
from cat_engine.conditions import number as to_number
from cat_engine.faults import Fault, Faulty
from cat_engine.registry import LATER

KINDS = ("number", "sum", "time", "order", "enemy", "include", "exclude", "allornone")
WHATS = ("item", "stimulus")
COLUMNS = ("CONSTRAINT_ID", "TYPE", "WHAT", "CONDITION", "LB", "UB")
PER_STIMULUS = "per stimulus"
PRIORITY = 5  # of a row that declares none
LEVELS = tuple("123456789")
BOUNDED = ("number", "sum", "time")


@dataclass(frozen=True, slots=True)
class BlueprintRow:
    """One row: kind out of KINDS, what out of WHATS, its condition, and bounds where the kind has them; where rows cannot all hold, those of the
    lowest priority give way first.
    """

    row_id: str
    kind: str
    what: str
    condition: str = ""
    low: float = 0.0
    high: float = 0.0
    priority: int = field(default=PRIORITY, metadata=LATER)

    @property
    def per_stimulus(self) -> bool:
        """Whether the bounds hold within each stimulus that is used."""
        return self.condition.lower() == PER_STIMULUS

    @property
    def soft(self) -> bool:
        """Whether the row can be missed by a little: it has bounds, and not within each stimulus."""
        return self.kind in BOUNDED and not self.per_stimulus


@dataclass(frozen=True, eq=False)
class Content:
    """What items are about: attributes name -> I values; stimulus[I], the index of each item's stimulus, -1 for none; stimulus_attributes name ->
    G values. Everything is text; a missing value is "" or "NA".
    """

    attributes: Mapping[str, tuple[str, ...]]
    stimulus: tuple[int, ...]
    stimulus_ids: tuple[str, ...] = ()
    stimulus_attributes: Mapping[str, tuple[str, ...]] | None = None

    @classmethod
    def of(
        cls, ids: Sequence[str], attributes: Mapping[str, Sequence[str]], stimuli: Mapping[str, Mapping[str, str]] | None = None
    ) -> "Content":
        """From attributes by name. An attribute STID names the stimulus of each item; `stimuli` gives attributes of stimuli by their id."""
        columns = {name: tuple(values) for name, values in attributes.items()}
        columns.setdefault("ID", tuple(ids))
        named = next((values for name, values in columns.items() if name.upper() == "STID"), ("",) * len(ids))
        stimulus_ids = tuple(dict.fromkeys(v for v in named if v.strip() not in ("", "NA")))
        table = stimuli or {}
        names = sorted({name for row in table.values() for name in row})
        more = {name: tuple(table.get(s, {}).get(name, "") for s in stimulus_ids) for name in names}
        more.setdefault("STID", stimulus_ids)
        place = {s: k for k, s in enumerate(stimulus_ids)}
        return cls(columns, tuple(place.get(v, -1) for v in named), stimulus_ids, more)


def read_rows(table: Iterable[Mapping[str, str]]) -> tuple[BlueprintRow, ...]:
    """Blueprint rows from the rows of a constraint table. Raises Faulty with every fault by row and column."""
    rows: list[BlueprintRow] = []
    faults: list[Fault] = []
    places: dict[str, str] = {}
    for number, cells in enumerate(table, start=2):
        row = {(key or "").strip().upper(): (value or "").strip() for key, value in cells.items()}
        absent = [name for name in COLUMNS if name not in row]
        if absent:
            raise Faulty([Fault("row 1", name, "the column is missing", ",".join(COLUMNS)) for name in absent])
        switch, where = row.get("ONOFF", "").upper(), f"row {number}"
        if switch == "OFF" or not any(row.values()):
            continue
        if switch not in ("", "ON"):
            faults.append(Fault(where, "ONOFF", f"'{row['ONOFF']}' is neither ON nor OFF", "ON, OFF, or empty for ON"))
        row_id = row["CONSTRAINT_ID"] or where
        if row_id in places:
            faults.append(Fault(where, "CONSTRAINT_ID", f"'{row_id}' stands in {places[row_id]} already", "a name of its own for each row"))
        places[row_id] = where
        kind, what = row["TYPE"].lower().replace("-", "").replace(" ", ""), row["WHAT"].lower()
        what = "stimulus" if what == "passage" else what
        if kind not in KINDS:
            faults.append(Fault(where, "TYPE", f"'{row['TYPE']}' is not known", "one of " + ", ".join(KINDS)))
        if what not in WHATS:
            faults.append(Fault(where, "WHAT", f"'{row['WHAT']}' is not known", "Item or Stimulus"))
        bounds = [to_number(row[name]) for name in ("LB", "UB")]
        if kind in BOUNDED:
            for name, value in zip(("LB", "UB"), bounds, strict=True):
                if value is None:
                    faults.append(Fault(where, name, f"'{row[name]}' is not a number"))
            if None not in bounds and (bounds[0] or 0.0) > (bounds[1] or 0.0):
                faults.append(Fault(where, "LB", f"{row['LB']} is more than UB = {row['UB']}", "LB <= UB"))
        elif not row["CONDITION"]:
            faults.append(Fault(where, "CONDITION", "is empty", "which items or stimuli are meant"))
        low, high = (bounds[0] or 0.0, bounds[1] or 0.0) if kind in BOUNDED else (0.0, 0.0)
        level = row.get("PRIORITY", "") or str(PRIORITY)
        if level not in LEVELS:
            faults.append(Fault(where, "PRIORITY", f"'{level}' is not a priority", "1 to 9, the lowest gives way first"))
            continue
        rows.append(BlueprintRow(row_id, kind, what, row["CONDITION"], low, high, int(level)))
    if faults:
        raise Faulty(faults)
    return tuple(rows)


def row_faults(rows: Sequence[BlueprintRow], content: Content, count: int, *, timed: bool = True) -> list[Fault]:
    """Faults between blueprint rows and the content they speak of: unknown attributes, conditions that cannot be read or do not go with their row, sums of
    no numbers, rows that include what is not there, and rows of seconds where none are known (not `timed`).
    """
    faults = []
    for row in rows:
        attributes, n = (
            (content.attributes, count) if row.what == "item" else (content.stimulus_attributes or {}, len(content.stimulus_ids))
        )
        if row.kind == "time" and not timed:
            faults.append(Fault(row.row_id, "TYPE", "no expected times of the items are known", "items with time parameters"))
        try:
            _check_row(row, attributes, n)
        except ConditionError as error:
            faults.append(Fault(row.row_id, "CONDITION", str(error)))
    return faults


def _check_row(row: BlueprintRow, attributes: Mapping[str, Sequence[str]], count: int) -> None:
    if row.per_stimulus:
        if (row.kind, row.what) != ("number", "item"):
            msg = f"'{row.condition}' bounds the number of items of a stimulus: it does not go with {row.kind} of {row.what}"
            raise ConditionError(msg)
        return
    if row.kind == "order":
        attribute(attributes, row.condition)
    elif row.kind == "time" and row.what != "item":
        msg = "a time row speaks of items"
        raise ConditionError(msg)
    elif row.kind == "sum":
        name, _, condition = row.condition.partition(",")
        values = attribute(attributes, name.strip())
        chosen = evaluate(condition, attributes, count)
        wrong = [v for v, inside in zip(values, chosen, strict=True) if inside and not math.isfinite(_or_nan(v))]
        if wrong:
            msg = f"'{wrong[0]}' of attribute '{name.strip()}' is not a number"
            raise ConditionError(msg)
    elif not by_value(row, attributes):
        chosen = evaluate(row.condition, attributes, count)
        if row.kind == "include" and not chosen.any():
            msg = f"no {row.what} meets '{row.condition}', so that none can be included"
            raise ConditionError(msg)


def _or_nan(cell: str) -> float:
    found = to_number(cell)
    return math.nan if found is None else found


def by_value(row: BlueprintRow, attributes: Mapping[str, Sequence[str]]) -> bool:
    """Whether a number row names an attribute alone: it then holds for each of its values."""
    return row.kind == "number" and any(row.condition.strip().upper() == name.upper() for name in attributes)
