"""A proposal for programs, CSV and JSON: everything that the report says of each item, with the digits that a report leaves out."""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from calibration.dif_run import DifFinding
from calibration.language import INDONESIAN, Language
from calibration.pair_residuals import Pair, PairFindings
from calibration.pipeline import Proposal
from calibration.verdicts import ItemVerdict
from cat_engine import Row


def proposal_items(proposal: Proposal, language: Language = INDONESIAN) -> list[dict[str, Any]]:
    """An object an item, None where there is no number: item_id, competency, model, verdict, why, flags; n and its answers by category; the parameters `old` and
    `new` on the bank's scale and the `se` of the new ones; rmsd; `shift` of the mean b, its robust z among the items of the competency, and d2 (drift.py); `dif`, the group
    for which the item functions most differently with its shift, SE and p (None where nothing was tested); `pair`, the item with which its residuals go together
    most, q3, the people who met both and p (None where no pair was tested), and `partners`, those with which it is flagged.
    """
    worst = _worst(proposal.dif)
    pairs = {name: pair for found in proposal.pairs for name, pair in found.highest().items()}
    return [
        {
            "item_id": v.item_id, "competency": v.competency, "model": v.shape.model, "verdict": v.verdict, "why": v.why(language),
            "flags": list(v.flags), "n": v.n, "counts": list(v.counts), "old": parameters(v.old), "new": parameters(v.new),
            "se": None if v.new is None else _errors(v), "rmsd": _number(v.rmsd), **_drift(v),
            "girth_b": _number(v.girth_b), "dif": worst.get(v.item_id),
            "pair": _pair(pairs.get(v.item_id)), "partners": list(v.partners),
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
        "base_version": proposal.base_version, "mode": options.mode, "fipc": None if options.mode == "free" else options.mml.fipc, "min_n": options.min_n, "max_se": options.max_se, "se": options.se,
        "seconds": round(proposal.seconds, 4), "dropped": dict(proposal.dropped),
    }  # fmt: skip
    run["pairs"] = [pairs_figures(found) for found in proposal.pairs]
    return json.dumps({**run, "scales": scales, "items": proposal_items(proposal, language)}, indent=1, ensure_ascii=False) + "\n"


def pairs_figures(found: PairFindings) -> dict[str, Any]:
    """The local dependence of a competency: how many pairs were tested, by one of how many people (0: there are too many items), and the pairs flagged."""
    flagged = [{"item_id": pair.item_id, "other": pair.other, "n": pair.n, "q3": pair.q3, "p": pair.p} for pair in found.flagged_pairs()]
    return {"competency": found.competency, "tested": found.tested, "one_of": found.every, "flagged": flagged}


def proposal_csv(proposal: Proposal, language: Language = INDONESIAN) -> str:
    """The items as CSV, a row each: `item_id,competency,model,a,b1,...` are the new parameters, old_a, old_b1, ... those of the bank."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(item_lines(proposal_items(proposal, language)))
    return out.getvalue()


def item_lines(items: Sequence[Mapping[str, Any]]) -> list[list[Any]]:
    """The header and a line an item, of `proposal_items`."""
    names = list(dict.fromkeys(name for item in items for side in ("old", "new") for name in item[side] or ()))
    order = sorted(names, key=lambda name: ("abcd".index(name[0]), int(name[1:] or 0)))
    plain = ("n", "rmsd", "shift", "robust_z", "d2", "girth_b")
    dif = ("group", "shift", "se", "p")
    pair = ("with", "q3", "n", "p")
    header = [
        "item_id", "competency", "model", *order, *(f"se_{name}" for name in order), *(f"old_{name}" for name in order), *plain,
        *(f"dif_{name}" for name in dif), *(f"pair_{name}" for name in pair), "partners", "flags", "verdict", "why",
    ]  # fmt: skip
    lines: list[list[Any]] = [header]
    for item in items:
        own = [(item[side] or {}).get(name) for side in ("new", "se", "old") for name in order]
        found, nearest = item["dif"] or {}, item["pair"] or {}
        lines.append(
            [
                item["item_id"], item["competency"], item["model"], *own, *(item[name] for name in plain), *(found.get(name) for name in dif),
                *(nearest.get(name) for name in pair), ";".join(item["partners"] or ()),
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


def _drift(v: ItemVerdict) -> dict[str, float | None]:
    if v.drift is None:
        return dict.fromkeys(("shift", "robust_z", "d2"))
    return {"shift": v.drift.shift, "robust_z": _number(v.drift.robust_z), "d2": _number(v.drift.d2)}


def _pair(pair: Pair | None) -> dict[str, Any] | None:
    if pair is None:
        return None
    return {"with": pair.other, "q3": pair.q3, "n": pair.n, "p": pair.p, "flagged": pair.flagged}


def _worst(findings: Sequence[DifFinding]) -> Mapping[str, dict[str, Any]]:
    """Of each item tested the finding of largest shift, a flagged one before others."""
    found: dict[str, dict[str, Any]] = {}
    for f in sorted(findings, key=lambda f: (f.flagged, 0.0 if math.isnan(f.shift) else abs(f.shift))):
        found[f.item_id] = {
            "group": f"{f.grouping}:{f.group}", "shift": _number(f.shift), "se": _number(f.se), "p": _number(f.p), "flagged": f.flagged,
        }  # fmt: skip
    return found
