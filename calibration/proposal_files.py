"""A proposal for programs, CSV and JSON: everything that the report says of each item, with the digits that a report leaves out."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from calibration.dif_run import DifFinding
from calibration.drift import robust_z
from calibration.language import INDONESIAN, Language
from calibration.linking import middles
from calibration.pipeline import Proposal
from calibration.verdicts import ItemVerdict
from cat_engine import Row


def proposal_items(proposal: Proposal, language: Language = INDONESIAN) -> list[dict[str, Any]]:
    """An object an item, None where there is no number: item_id, competency, model, verdict, why, flags; n and its answers by category; the parameters `old` and
    `new` on the bank's scale and the `se` of the new ones; rmsd; `shift` of the mean b and its robust z among the items of the competency; `dif`, the group
    for which the item functions most differently with its shift, SE and p (None where nothing was tested).
    """
    moved = _robust(proposal.verdicts)
    worst = _worst(proposal.dif)
    return [
        {
            "item_id": v.item_id, "competency": v.competency, "model": v.shape.model, "verdict": v.verdict, "why": v.why(language),
            "flags": list(v.flags), "n": v.n, "counts": list(v.counts), "old": parameters(v.old), "new": parameters(v.new),
            "se": None if v.new is None else _errors(v), "rmsd": _number(v.rmsd), **moved.get(v.item_id, {"shift": None, "robust_z": None}),
            "girth_b": _number(v.girth_b), "dif": worst.get(v.item_id),
        }
        for v in proposal.verdicts
    ]  # fmt: skip


def proposal_json(proposal: Proposal, language: Language = INDONESIAN) -> str:
    """The run by competency, and its items, as JSON."""
    options = proposal.options
    scales = [
        {
            "competency": run.competency, "people": run.n_persons, "answers": run.n_answers, "mean": run.mean, "sd": run.sd, "A": run.slope,
            "B": run.intercept, "loglik": run.loglik, "aic": run.fit.aic, "bic": run.fit.bic, "n_cycles": run.n_cycles, "converged": run.converged,
        }
        for run in proposal.scales
    ]  # fmt: skip
    run = {
        "base_version": proposal.base_version, "mode": options.mode, "min_n": options.min_n, "max_se": options.max_se, "se": options.se,
        "seconds": round(proposal.seconds, 4), "dropped": dict(proposal.dropped),
    }  # fmt: skip
    return json.dumps({**run, "scales": scales, "items": proposal_items(proposal, language)}, indent=1, ensure_ascii=False) + "\n"


def proposal_csv(proposal: Proposal, language: Language = INDONESIAN) -> str:
    """The items as CSV, a row each: `item_id,competency,model,a,b1,...` are the new parameters, old_a, old_b1, ... those of the bank."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(item_lines(proposal_items(proposal, language)))
    return out.getvalue()


def item_lines(items: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """The header and a line an item, of `proposal_items`."""
    names = list(dict.fromkeys(name for item in items for side in ("old", "new") for name in item[side] or ()))
    order = sorted(names, key=lambda name: ("abcd".index(name[0]), int(name[1:] or 0)))
    plain = ("n", "rmsd", "shift", "robust_z", "girth_b")
    dif = ("group", "shift", "se", "p")
    header = [
        "item_id", "competency", "model", *order, *(f"se_{name}" for name in order), *(f"old_{name}" for name in order), *plain,
        *(f"dif_{name}" for name in dif), "flags", "verdict", "why",
    ]  # fmt: skip
    lines: list[list[Any]] = [header]
    for item in items:
        own = [(item[side] or {}).get(name) for side in ("new", "se", "old") for name in order]
        found = item["dif"] or {}
        lines.append(
            [
                item["item_id"], item["competency"], item["model"], *own, *(item[name] for name in plain), *(found.get(name) for name in dif),
                ";".join(item["flags"]), item["verdict"], item["why"],
            ]
        )  # fmt: skip
    return lines


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def parameters(row: Row | None) -> dict[str, float] | None:
    """By the names of a parameter CSV; only what the model has."""
    if row is None:
        return None
    own = {f"a{k}": float(a) for k, a in enumerate(row.slopes, start=1)} if row.slopes else {"a": float(row.a)}
    own |= {f"b{k}": float(b) for k, b in enumerate(row.b, start=1)}
    return own | ({"c": row.c} if row.model in ("3pl", "4pl") else {}) | ({"d": row.d} if row.model == "4pl" else {})


def _errors(v: ItemVerdict) -> dict[str, float | None]:
    own = {f"a{k}": _number(se) for k, se in enumerate(v.se_slopes, start=1)} if v.se_slopes else {"a": _number(v.se_a)}
    own |= {f"b{k}": _number(se) for k, se in enumerate(v.se_b, start=1)}
    return (
        own
        | ({"c": _number(v.se_c)} if v.shape.model in ("3pl", "4pl") else {})
        | ({"d": _number(v.se_d)} if v.shape.model == "4pl" else {})
    )


def _robust(verdicts: Sequence[ItemVerdict]) -> Mapping[str, dict[str, float]]:
    """The shift of each estimated item's mean b, and its robust z among those of its competency."""
    found: dict[str, dict[str, float]] = {}
    for competency in dict.fromkeys(v.competency for v in verdicts):
        own = [(v.item_id, v.new, v.old) for v in verdicts if v.competency == competency and v.new is not None and v.old is not None]
        if own:
            new, old = [n for _, n, _ in own], [o for *_, o in own]
            for (item_id, *_), d, z in zip(own, (middles(new) - middles(old)).tolist(), robust_z(new, old).tolist(), strict=True):
                found[item_id] = {"shift": d, "robust_z": z}
    return found


def _worst(findings: Sequence[DifFinding]) -> Mapping[str, dict[str, Any]]:
    """Of each item tested the finding of largest shift, a flagged one before others."""
    found: dict[str, dict[str, Any]] = {}
    for f in sorted(findings, key=lambda f: (f.flagged, 0.0 if math.isnan(f.shift) else abs(f.shift))):
        found[f.item_id] = {
            "group": f"{f.grouping}:{f.group}", "shift": _number(f.shift), "se": _number(f.se), "p": _number(f.p), "flagged": f.flagged,
        }  # fmt: skip
    return found
