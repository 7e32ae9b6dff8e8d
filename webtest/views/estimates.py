"""The estimates of a calibration run for programs, CSV and JSON, as `cact calibrate` writes them. Pure."""

import json
from collections.abc import Sequence
from typing import Any

from calibration.proposal_files import item_lines, parameters
from webtest.services.review import FACTS, Estimate
from webtest.tables import as_csv


def _items(found: Sequence[Estimate]) -> list[dict[str, Any]]:
    """See calibration.proposal_files.proposal_items; a run of before all of it was kept leaves the rest empty."""
    return [
        dict.fromkeys(FACTS)
        | {"model": None if e.new is None else e.new.model}
        | dict(e.facts)
        | {
            "item_id": e.item_id,
            "competency": e.competency,
            "verdict": e.verdict,
            "why": e.why,
            "flags": list(e.flags),
            "n": e.n,
            "new": parameters(e.new),
        }
        for e in found
    ]


def estimates_csv(found: Sequence[Estimate]) -> str:
    """A row an item; one without an estimate has no numbers of it."""
    return as_csv(item_lines(_items(found)))


def estimates_json(found: Sequence[Estimate]) -> str:
    """A list of objects, an item each."""
    return json.dumps(_items(found), indent=1, ensure_ascii=False)
