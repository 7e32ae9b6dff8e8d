"""The estimates of a calibration run for programs: CSV and JSON. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from webtest.services.review import Estimate
from webtest.tables import as_csv

COLUMNS = ("item_id", "competency", "verdict", "flags", "n", "se_b", "model", "a", "c", "d")


def estimates_csv(found: Sequence[Estimate]) -> str:
    """A row an item; an item without an estimate has no numbers, and slopes a1, a2, ... only nominal ones."""
    width = max((len(e.new.b) for e in found if e.new is not None), default=1)
    slopes = max((len(e.new.slopes) for e in found if e.new is not None), default=0)
    numbered = [*(f"a{k}" for k in range(1, slopes + 1)), *(f"b{k}" for k in range(1, width + 1))]
    lines: list[list[str | int | float | None]] = [[*COLUMNS, *numbered]]
    for e in found:
        own = [e.item_id, e.competency, e.verdict, ";".join(e.flags), e.n, e.se_b]
        if e.new is None:
            lines.append([*own, *[None] * (4 + slopes + width)])
            continue
        a, b = [float(x) for x in e.new.slopes], [float(x) for x in e.new.b]
        steps = [*a, *[None] * (slopes - len(a)), *b, *[None] * (width - len(b))]
        lines.append([*own, e.new.model, None if a else e.new.a, e.new.c, e.new.d, *steps])
    return as_csv(lines)


def estimates_json(found: Sequence[Estimate]) -> str:
    """A list of objects, an item each."""
    return json.dumps([{**asdict(e), "new": None if e.new is None else e.new._asdict()} for e in found], indent=1)
