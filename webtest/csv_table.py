"""Tables of figures as CSV files."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def rounded(value: float, digits: int = 3) -> float | None:
    """A figure as a table shows it; None where there is none."""
    return round(float(value), digits) if np.isfinite(value) else None


def csv_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows by column name; a cell is empty where a row has no such figure."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
