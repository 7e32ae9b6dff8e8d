"""Rosters and value lists as organisers bring them: CSV or XLSX, read cell by cell, every fault named by row and column. Pure."""

import csv
import datetime as dt
import io
import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import IO
from xml.parsers import expat

import python_calamine

from calibration.language import N_
from cat_engine import Fault, Faulty, NormalPrior
from webtest.job_levels import read_job_level
from webtest.start_cells import read_prior

MAX_BYTES = 8_000_000
MAX_UNPACKED = 80_000_000
MAX_ROWS = 20_000
MAX_PARTS = 1_000
CELL = re.compile(r"\$?([A-Za-z]+)\$?([0-9]+)")
LONGEST_COLUMN = 2  # columns up to ZZ
FARTHEST_ROW = 2 * MAX_ROWS
EXACT = 1e15  # a spreadsheet keeps 15 digits of a number: a NIP stored as a number has lost its last three
UNPRINTABLE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
SYNONYMS = {
    "nip": "nip", "nama": "name", "name": "name", "nama lengkap": "name", "jenjang": "job_level", "jenjang jabatan": "job_level",
    "job_level": "job_level", "job level": "job_level", "unit": "unit", "unit kerja": "unit", "room": "room", "ruang": "room", "ruangan": "room",
    "kinerja": "kinerja", "performance": "kinerja", "potensi lain": "other", "potensial lain": "other", "other": "other",
    "prior mean": "prior_mean", "prior sd": "prior_sd", "rerata awal": "prior_mean", "simpangan awal": "prior_sd",
}  # fmt: skip
Table = list[tuple[int, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class RosterRow:
    """One expected test-taker; `prior`, where the person's test starts, where the roster says so."""

    nip: str
    name: str
    job_level: str
    unit: str
    room: str
    prior: NormalPrior | None = None


@dataclass(frozen=True, slots=True)
class PerformanceRow:
    """One person's performance value and, where known, the rest of the potential axis; both 0-100."""

    nip: str
    kinerja: float
    other: float | None


def read_table(content: bytes, filename: str) -> Table:
    """(row number, column -> text) of the first sheet or of a CSV (comma, semicolon or tab). Raises Faulty where the file cannot be read."""
    if len(content) > MAX_BYTES:
        raise Faulty([Fault("file", "", f"is larger than {MAX_BYTES // 1_000_000} MB", "split it")])
    lines = _xlsx(content) if filename.lower().endswith(".xlsx") else _csv(content)
    header: list[str] | None = None
    table: Table = []
    faults: list[Fault] = []
    for number, cells in lines:
        if not any(cells):
            continue
        if header is None:
            header = [SYNONYMS.get(" ".join(cell.lower().replace("_", " ").split()), cell.lower()) for cell in cells]
            twice = sorted({name for name in header if name and header.count(name) > 1})
            faults += [Fault(f"row {number}", name, "more than one column means this", "keep one") for name in twice]
            continue
        if len(table) >= MAX_ROWS:
            raise Faulty([Fault("file", "", f"has more than {MAX_ROWS} rows", "split it")])
        if any(cells[len(header) :]):
            faults.append(Fault(f"row {number}", "", "has more cells than the header", "put text that holds the separator in quotes"))
        if any(UNPRINTABLE.search(cell) for cell in cells):
            faults.append(Fault(f"row {number}", "", "holds a control character", "type the cell again"))
        table.append((number, {name: cell for name, cell in zip_longest(header, cells[: len(header)], fillvalue="") if name}))
    if header is None or not table:
        raise Faulty([Fault("file", "", "holds no rows", "the first row names the columns, each further row is one person")])
    if faults:
        raise Faulty(faults)
    return table


def _csv(content: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Faulty([Fault("file", "", "is not UTF-8 text", "save it as 'CSV UTF-8' or as XLSX")]) from None
    first = text.lstrip().split("\n", 1)[0]
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    number = 1
    try:
        for cells in lines:
            yield number, [cell.strip() for cell in cells]
            number = lines.line_num + 1  # a quoted cell may run over several lines
    except csv.Error as error:
        raise Faulty([Fault(f"row {number}", "", f"cannot be read: {error}", "check the quotation marks, or save it as XLSX")]) from None


def _xlsx(content: bytes) -> Iterator[tuple[int, list[str]]]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _refuse_bomb(archive)
        sheet = python_calamine.load_workbook(io.BytesIO(content)).get_sheet_by_index(0)
        rows = sheet.to_python(skip_empty_area=False)
    except Faulty:
        raise
    except (python_calamine.CalamineError, zipfile.BadZipFile, zlib.error, expat.ExpatError, NotImplementedError, RuntimeError, ValueError):
        # encrypted archives are RuntimeErrors, unknown compressions NotImplementedErrors
        raise Faulty([Fault("file", "", "is not a spreadsheet that can be read", "save it as XLSX or CSV UTF-8")]) from None
    for number, cells in enumerate(rows, 1):
        yield number, [_cell(cell) for cell in cells]


def _refuse_bomb(archive: zipfile.ZipFile) -> None:
    """Raises Faulty where a small file would take much memory: by what it unpacks to, or by one cell in a far corner of a sheet.

    Every part is unpacked once, to nowhere: the sizes that the archive states may lie, and then its checksums do not fit.
    """
    too_large = Faulty([Fault("file", "", "is too large when unpacked", "keep the sheet with the people only")])
    if sum(entry.file_size for entry in archive.infolist()) > MAX_UNPACKED or len(archive.infolist()) > MAX_PARTS:
        raise too_large
    for entry in archive.infolist():
        with archive.open(entry) as part:
            begins = part.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        with archive.open(entry) as part:
            if begins.startswith(b"<") and _reaches_far(part):  # a sheet may stand under any name
                raise too_large
            while part.read(1 << 20):
                pass


def _reaches_far(sheet: IO[bytes]) -> bool:
    far = False

    def see(name: str, attributes: dict[str, str]) -> None:
        nonlocal far
        place = CELL.fullmatch(attributes.get("r", "")) if name.rpartition(":")[2] == "c" else None
        if place is not None:
            far = far or len(place[1]) > LONGEST_COLUMN or int(place[2]) > FARTHEST_ROW

    parser = expat.ParserCreate()
    parser.StartElementHandler = see
    parser.ParseFile(sheet)
    return far


def _cell(value: object) -> str:
    if isinstance(value, float) and value.is_integer() and abs(value) < EXACT:
        return str(int(value))
    if isinstance(value, dt.datetime | dt.date):
        return value.isoformat()
    return str(value).strip()


def clean_nip(text: str) -> str:
    """The digits of a NIP as people write it: without spaces, quotes, dots."""
    return re.sub(r"[\s'\"`.’-]", "", text)


def nip_fault(nip: str) -> str | None:
    """What is wrong with a NIP (18 digits: birth date, appointment YYYYMM, sex, number), or None.

    The month of appointment is not checked beyond digits: PPPK numbers carry another code there. There is no check digit.
    """
    if re.fullmatch(r"[0-9]+(,[0-9]+)?[eE]\+?[0-9]+", nip):
        return "is not 18 digits: it was kept as a number, which loses the last three; type it again in a column of text"
    if not re.fullmatch(r"[0-9]{18}", nip):
        return "is not 18 digits (was the column a number? store it as text)"
    if nip.endswith("000"):
        return "ends in 000: a spreadsheet that keeps it as a number loses the last three digits; type it again in a column of text"
    try:
        born = dt.date(int(nip[:4]), int(nip[4:6]), int(nip[6:8]))
    except ValueError:
        return "does not begin with a birth date (YYYYMMDD)"
    if not 1930 <= born.year <= 2015:
        return f"has the birth year {born.year}"
    return None if nip[14] in "12" else "has neither 1 nor 2 as its 15th digit"


def sex_of(nip: str) -> str:
    """What the NIP's 15th digit says, in words."""
    return {"1": N_("laki-laki"), "2": N_("perempuan")}[nip[14]]


def read_roster(content: bytes, filename: str) -> list[RosterRow]:
    """The expected test-takers. Raises Faulty with every fault by row and column; nothing is half read."""
    table = read_table(content, filename)
    faults = _missing(table, ("nip", "name", "job_level", "unit", "room"))
    rows: list[RosterRow] = []
    seen: dict[str, int] = {}
    for number, cells in [] if faults else table:
        where = f"row {number}"
        nip = _own_nip(number, cells, seen, faults)
        job_level = read_job_level(where, "job_level", cells.get("job_level", ""), faults)
        faults += [Fault(where, name, "is empty") for name in ("name", "unit", "room") if not cells.get(name)]
        faults += [
            Fault(where, name, "is longer than 200 characters") for name in ("name", "unit", "room") if len(cells.get(name, "")) > 200
        ]
        rows.append(
            RosterRow(nip, cells.get("name", ""), job_level, cells.get("unit", ""), cells.get("room", ""), read_prior(where, cells, faults))
        )
    if faults:
        raise Faulty(faults)
    return rows


def read_performance(content: bytes, filename: str) -> list[PerformanceRow]:
    """Performance values for the nine boxes: nip, kinerja and optionally 'potensi lain'. Raises Faulty with every fault."""
    table = read_table(content, filename)
    faults = _missing(table, ("nip", "kinerja"))
    rows = []
    seen: dict[str, int] = {}
    for number, cells in [] if faults else table:
        where = f"row {number}"
        nip = _own_nip(number, cells, seen, faults)
        kinerja = _percent(where, "kinerja", cells.get("kinerja", ""), faults)
        other = _percent(where, "potensi lain", cells["other"], faults) if cells.get("other") else None
        rows.append(PerformanceRow(nip, kinerja, other))
    if faults:
        raise Faulty(faults)
    return rows


def _missing(table: Table, names: tuple[str, ...]) -> list[Fault]:
    have = table[0][1].keys()
    return [Fault("row 1", name, "the column is missing", "the header is: " + ", ".join(names)) for name in names if name not in have]


def _own_nip(number: int, cells: Mapping[str, str], seen: dict[str, int], faults: list[Fault]) -> str:
    """The NIP of row `number`, which is added to those `seen`; what is wrong with it is added to `faults`."""
    where, nip = f"row {number}", clean_nip(cells.get("nip", ""))
    wrong = nip_fault(nip)
    if wrong:
        faults.append(Fault(where, "nip", wrong))
    elif nip in seen:
        faults.append(Fault(where, "nip", f"is also in row {seen[nip]}", "one row a person"))
    seen.setdefault(nip, number)
    return nip


def _percent(where: str, field: str, text: str, faults: list[Fault]) -> float:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        faults.append(Fault(where, field, f"'{text}' is not a number from 0 to 100"))
    return value
