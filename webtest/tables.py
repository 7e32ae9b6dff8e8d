"""Tables as files for people: CSV and XLSX, with text that a spreadsheet would run as a formula made harmless."""

import csv
import io
from collections.abc import Sequence

from openpyxl import Workbook
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE
from openpyxl.styles import Font

Cell = str | int | float | None
Table = Sequence[Sequence[Cell]]
STARTERS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def harmless(cell: Cell) -> Cell:
    """Text that begins like a formula gets an apostrophe before it (OWASP: CSV injection)."""
    return "'" + cell if isinstance(cell, str) and cell.startswith(STARTERS) else cell


def as_csv(table: Table) -> str:
    """The table as CSV."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerows([[harmless(cell) for cell in row] for row in table])
    return out.getvalue()


def as_xlsx(table: Table, text_columns: Sequence[str] = ()) -> bytes:
    """The table as a workbook of one sheet with a bold, frozen header; NIPs stay text. `text_columns`: letters of those where what is typed in stays text."""
    book = Workbook()
    sheet = book.active
    for row in table:
        sheet.append([ILLEGAL_CHARACTERS_RE.sub("", cell) if isinstance(cell, str) else cell for cell in map(harmless, row)])
    for cell in sheet[1]:
        cell.font = Font(bold=True)
    for letter in text_columns:
        sheet.column_dimensions[letter].number_format = "@"
        sheet.column_dimensions[letter].width = 28
    sheet.freeze_panes = "A2"
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()
