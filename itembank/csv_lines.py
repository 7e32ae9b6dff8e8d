"""CSV text as lines of cells."""

import csv
import io

from cat_engine import Fault, Faulty


def csv_lines(text: str) -> list[list[str]]:
    """The lines of a CSV text, without the byte order mark that spreadsheets put first. Raises Faulty where quotation marks do not pair."""
    try:
        return list(csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))
    except csv.Error as error:
        raise Faulty([Fault("file", "", f"is not CSV: {error}", "check the quotation marks")]) from None
