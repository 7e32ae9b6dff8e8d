"""The estimates of a calibration run for programs: CSV and JSON. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from webtest.services.review import Estimate
from webtest.tables import as_csv

COLUMNS = ("item_id", "competency", "verdict", "flags", "n", "se_b", "model", "a", "c", "d")


def estimates_csv(found: Sequence[Estimate]) -> str:
    """A row an item; an item without an estimate has no numbers."""
    width = max((len(e.new.b) for e in found if e.new is not None), default=1)
    lines: list[list[str | int | float | None]] = [[*COLUMNS, *(f"b{k}" for k in range(1, width + 1))]]
    for e in found:
        own = [e.item_id, e.competency, e.verdict, ";".join(e.flags), e.n, e.se_b]
        if e.new is None:
            lines.append([*own, *[None] * (4 + width)])
            continue
        b = [float(x) for x in e.new.b]
        lines.append([*own, e.new.model, e.new.a, e.new.c, e.new.d, *b, *[None] * (width - len(b))])
    return as_csv(lines)


def estimates_json(found: Sequence[Estimate]) -> str:
    """A list of objects, an item each."""
    return json.dumps([{**asdict(e), "new": None if e.new is None else e.new._asdict()} for e in found], indent=1)
