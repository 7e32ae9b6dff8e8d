"""One item as a file writes it: cells of text in, parameters or faults out. Both formats of itembank.exchange go through here. Pure."""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from cat_engine import MODELS, Fault, Faulty, ItemParams, Row
from cat_engine.irt import DICHOTOMOUS, LOWER_ASYMPTOTE, NOMINAL, ORDERED, UPPER_ASYMPTOTE
from itembank.bank import CALIBRATIONS, STATUSES

NEEDED = ("item_id", "competency", "model", "a")
KNOWN = (*NEEDED, "c", "d", "status", "calibration")
THRESHOLD = re.compile(r"b([1-9]\d?)")
SLOPE = re.compile(r"a([1-9]\d?)")
LIKE_A_THRESHOLD = re.compile(r"b[\s_.]*0*([1-9]\d*)?", re.IGNORECASE)
LIKE_A_SLOPE = re.compile(r"a[\s_.]*0*([1-9]\d*)", re.IGNORECASE)
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
DECIMAL_COMMA = re.compile(r"[+-]?\d*,\d+", re.ASCII)
LARGEST = 1000.0  # of a parameter: far beyond any ability, and a number that nothing overflows with
FREE_A = ("1pl", "pcm", "rsm", *NOMINAL)  # models whose a is 1 where the cell is empty


def threshold_columns(names: Iterable[str]) -> list[str]:
    """b1, b2, ... up to the highest one among the names, b1 at least."""
    found = [int(match[1]) for name in names if (match := THRESHOLD.fullmatch(name))]
    return [f"b{k}" for k in range(1, max(found, default=1) + 1)]


def slope_columns(names: Iterable[str]) -> list[str]:
    """a1, a2, ... up to the highest one among the names: the slopes of nominal items."""
    found = [int(match[1]) for name in names if (match := SLOPE.fullmatch(name))]
    return [f"a{k}" for k in range(1, max(found, default=0) + 1)]


def is_parameter(name: str) -> bool:
    """Whether a column of this name holds parameters, standing or identity of items."""
    return name in KNOWN or bool(THRESHOLD.fullmatch(name) or SLOPE.fullmatch(name))


def parameter_meant(name: str) -> str | None:
    """The parameter column that a name was probably meant for ("b", "B1", "b_02", "A_1", "Model"), or None."""
    if is_parameter(name):
        return None
    if like := LIKE_A_THRESHOLD.fullmatch(name):
        return f"b{int(like[1] or 1)}"
    if like := LIKE_A_SLOPE.fullmatch(name):
        return f"a{int(like[1])}"
    plain = "_".join(name.lower().split())
    return plain if plain in KNOWN else None


def name_fault(name: str) -> str | None:
    """Why an item or a competency cannot be called so, or None: names stand in addresses, files and databases."""
    if not name:
        return "is empty"
    if any(unicodedata.category(sign) in ("Cc", "Cs") for sign in name):
        return "holds a character that cannot be printed"
    return "holds a '/'" if "/" in name else None


def broken_text(text: str) -> bool:
    """Whether text holds half of a surrogate pair, which JSON can name and no file can hold."""
    return any(unicodedata.category(sign) == "Cs" for sign in text)


@dataclass
class Rows:
    """Items read so far, as columns, with every fault found on the way. `thresholds` and `slopes` name the columns of b and of slopes."""

    thresholds: Sequence[str]
    slopes: Sequence[str] = ()
    faults: list[Fault] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    competencies: list[str] = field(default_factory=list)
    status: list[str] = field(default_factory=list)
    calibration: list[str] = field(default_factory=list)
    attributes: list[Mapping[str, str]] = field(default_factory=list)
    places: dict[str, str] = field(default_factory=dict)

    def add(self, where: str, cells: Mapping[str, str], attributes: Mapping[str, str]) -> None:
        """Read one item; what is wrong with it goes to `faults` under `where`."""
        item_id, competency = cells["item_id"], cells["competency"]
        for name, value in (("item_id", item_id), ("competency", competency)):
            wrong = name_fault(value)
            if wrong:
                self._say(where, name, wrong)
        if item_id in self.places:
            self._say(where, "item_id", f"'{item_id}' stands in {self.places[item_id]} already", "one row an item")
        elif item_id:
            self.places[item_id] = where
        if competency not in self.competencies:
            self.competencies.append(competency)
        self.status.append(self._choice(where, cells, "status", STATUSES))
        self.calibration.append(self._choice(where, cells, "calibration", CALIBRATIONS))
        self.ids.append(item_id)
        self.rows.append(self._row(where, cells)._replace(scale=self.competencies.index(competency)))
        self.attributes.append(attributes)

    def _say(self, where: str, name: str, message: str, remedy: str = "") -> None:
        self.faults.append(Fault(where, name, message, remedy))

    def _choice(self, where: str, cells: Mapping[str, str], name: str, legal: Sequence[str]) -> str:
        value = cells.get(name) or legal[0]
        if value not in legal:
            self._say(where, name, f"'{value}' is not known", "one of " + ", ".join(legal))
        return value

    def _number(self, where: str, name: str, cell: str, default: float | None = None) -> float:
        if not cell and default is not None:
            return default
        value = float(cell) if NUMBER.fullmatch(cell) else math.nan
        if abs(value) <= LARGEST:
            return value
        if math.isfinite(value):
            self._say(where, name, f"'{cell}' is out of range", f"parameters lie between -{LARGEST:g} and {LARGEST:g}")
        elif not cell:
            self._say(where, name, "is empty", "write a number")
        elif DECIMAL_COMMA.fullmatch(cell):
            self._say(where, name, f"'{cell}' has a decimal comma", "write a decimal point: " + cell.replace(",", "."))
        else:
            self._say(where, name, f"'{cell}' is not a finite number", "write a number with a decimal point, such as -0.75")
        return math.nan

    def _row(self, where: str, cells: Mapping[str, str]) -> Row:
        before = len(self.faults)
        model = cells["model"].lower()
        if model not in MODELS:
            self._say(where, "model", f"'{cells['model']}' is not known" if model else "is empty", "one of " + ", ".join(MODELS))
        a = self._number(where, "a", cells["a"], 1.0 if model in FREE_A else None)
        filled = self._filled(where, cells, self.thresholds) or ["b1"]
        if model in DICHOTOMOUS and len(filled) > 1:
            self._say(where, filled[1], f"model {model} has one b only", "empty the cell, or choose grm, gpcm or pcm")
        b = [self._number(where, name, cells.get(name, "")) for name in filled]
        slopes = self._slopes(where, cells, model, len(b))
        c = self._number(where, "c", cells.get("c", ""), 0.0)
        d = self._number(where, "d", cells.get("d", ""), 1.0)
        if model in MODELS and model not in LOWER_ASYMPTOTE and c != 0:
            self._say(where, "c", f"model {model} has no c", "empty the cell, or choose " + " or ".join(LOWER_ASYMPTOTE))
        if model in MODELS and model not in UPPER_ASYMPTOTE and d != 1:
            self._say(where, "d", f"model {model} has no d", "empty the cell, or choose " + " or ".join(UPPER_ASYMPTOTE))
        if model in ORDERED:
            for (low, first), (high, second) in pairwise(zip(filled, b, strict=True)):
                if second <= first:
                    self._say(where, high, f"{second!r} is not above {low} = {first!r}", "the thresholds of a graded item must increase")
        row = Row(model, a, b, c + 0.0, d, slopes=slopes)  # + 0.0: there is one zero, as not every database keeps the sign of another
        plain = (
            a > 0 and 0 <= c < d <= 1 and model not in NOMINAL
        )  # nearly all rows: to ask the engine of each one alone takes longer than to read it
        if len(self.faults) == before and not plain:
            try:
                ItemParams.from_rows([row])
            except Faulty as error:
                named = {fault.field for fault in error.faults}
                for fault in error.faults:
                    if fault.field == "d" and "c" in named:
                        continue  # that d is not above c says nothing where c is wrong
                    column = {"b": "b1", "slopes": "a1"}.get(fault.field, fault.field)
                    self._say(where, column, fault.message, fault.remedy)
        return row

    def _filled(self, where: str, cells: Mapping[str, str], names: Sequence[str]) -> list[str]:
        """Those of the numbered columns that hold something; a gap between them is a fault."""
        filled = [name for name in names if cells.get(name)]
        gaps = [name for name in names[: names.index(filled[-1])] if name not in filled] if filled else []
        if gaps:
            self._say(where, gaps[0], f"is empty, and {filled[-1]} is not", f"fill {names[0]}, {names[0][0]}2, … without a gap")
        return filled

    def _slopes(self, where: str, cells: Mapping[str, str], model: str, steps: int) -> Sequence[float]:
        """The slopes of a nominal item, one beside each b; no other item has any."""
        filled = self._filled(where, cells, self.slopes)
        if model not in NOMINAL:
            if filled and model in MODELS:
                self._say(
                    where, filled[0], f"model {model} has no slopes of categories", "empty the cell, or choose " + " or ".join(NOMINAL)
                )
            return ()
        if len(filled) != steps:
            odd = f"a{min(len(filled), steps) + 1}"
            self._say(where, odd, f"{len(filled)} slopes do not go with {steps} intercepts", "write a1 beside b1, a2 beside b2, …")
        return [self._number(where, name, cells[name]) for name in filled]
