"""Tables of figures as CSV files."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np


def figure(value: float) -> float | None:
    """A figure to its last digit, as files and JSON hold it; None where there is none."""
    return float(value) if np.isfinite(value) else None


def rounded(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows as a person reads them: figures with three decimals, p with five."""
    return [
        {
            name: round(value, 5 if name == "p" or name.startswith("p_") else 3) if isinstance(value, float) else value
            for name, value in row.items()
        }
        for row in rows
    ]


def csv_table(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows by column name; a cell is empty where a row has no such figure."""
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()
