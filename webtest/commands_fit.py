"""`cact fit`: how well answers fit given item parameters; `cact dif`: whether items favour a group."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from numpy.typing import NDArray

from calibration.dif import logistic_dif, mantel_haenszel
from calibration.files import read_groups_csv, read_items_csv
from calibration.fit import residuals
from calibration.responses import ResponseLog, read_responses_csv
from cat_engine import Fault, Faulty
from webtest.console import check_target, guarded, json_option, put_table, read_text, write_file

FILE = click.Path(path_type=Path)
FIT_COLUMNS = ("item", "n", "infit", "z_infit", "outfit", "z_outfit", "highest_q3", "q3_with")
DIF_COLUMNS = ("item", "alpha", "delta", "ets", "p_mh", "difference", "p_uniform", "p_nonuniform", "delta_r2")


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(fit)
    main.add_command(dif)


@click.command()
@click.argument("answers", type=FILE)
@click.option("--items", type=FILE, required=True, help="item_id,model,a,b1,…,c,d, such as 'cact calibrate --out' writes.")
@click.option("--mean", type=float, default=0.0, show_default=True, help="Mean of ability.")
@click.option("--sd", type=click.FloatRange(0.01), default=1.0, show_default=True, help="Standard deviation of ability.")
@click.option("--out", "out_file", type=FILE, help="Write the table of items as CSV.")
@click.option("--persons", "persons_file", type=FILE, help="Write each person's ability, SE and fit (lz, infit, outfit) as CSV.")
@json_option
@guarded
def fit(answers: Path, items: Path, mean: float, sd: float, out_file: Path | None, persons_file: Path | None, as_json: bool) -> None:
    """Residuals of ANSWERS from given item parameters, at each person's EAP ability.

    Mean squares are about 1 where the model holds; a Q3 well above the others is two items that share more than ability. Items of the parameter file
    without a number (flagged by 'cact calibrate') are not asked, and their answers are left out.
    """
    for target in (out_file, persons_file):
        if target is not None:
            check_target(target, force=True)
    log = read_responses_csv(read_text(answers))
    known = read_items_csv(_without_blanks(read_text(items)))
    rows = [known.get(item_id) for item_id in log.item_ids]
    kept = np.array([row is not None for row in rows])
    n_cat = np.array([len(row.b) + 1 if row is not None else 0 for row in rows])
    faults = [
        Fault("answers", log.item_ids[i], f"category {log.category[log.item == i].max()} was answered, its row has 0 to {n_cat[i] - 1}")
        for i in np.unique(log.item[kept[log.item] & (log.category >= n_cat[log.item])]).tolist()
    ]
    mine = kept[log.item]
    if not mine.any():
        faults.append(Fault(str(items), "", "has no item that was answered", "item ids must be those of the answers"))
    if faults:
        raise Faulty(faults)
    used, item = np.unique(log.item[mine], return_inverse=True)
    who, person = np.unique(log.person[mine], return_inverse=True)
    asked = [row for i in used.tolist() if (row := rows[i]) is not None]
    found = residuals(person, item, log.category[mine], asked, mean, sd)
    names = [log.item_ids[i] for i in used.tolist()]
    others = np.where(np.eye(len(names), dtype=bool) | np.isnan(found.q3), -np.inf, found.q3)
    nearest = others.argmax(axis=1)
    table: list[dict[str, Any]] = [
        {
            "item": name, "n": int(found.n[k]), "infit": _round(found.infit[k]), "z_infit": _round(found.z_infit[k], 2),
            "outfit": _round(found.outfit[k]), "z_outfit": _round(found.z_outfit[k], 2), "highest_q3": _round(others[k, nearest[k]]),
            "q3_with": names[nearest[k]] if np.isfinite(others[k, nearest[k]]) else None,
        }
        for k, name in enumerate(names)
    ]  # fmt: skip
    if out_file is not None:
        write_file(out_file, _csv(FIT_COLUMNS, table), force=True)
    if persons_file is not None:
        columns = ("theta", "se", "lz", "person_infit", "person_outfit")
        people = [
            {"person_id": log.person_ids[p], **{name: _round(getattr(found, name)[k], 4) for name in columns}}
            for k, p in enumerate(who.tolist())
        ]
        write_file(persons_file, _csv(("person_id", *columns), people), force=True)
    put_table(table, as_json, FIT_COLUMNS, "no items")


@click.command()
@click.argument("answers", type=FILE)
@click.option("--groups", type=FILE, required=True, help="person_id,group.")
@click.option("--focal", required=True, help="The group that items might disadvantage; everybody else is the reference.")
@click.option("--out", "out_file", type=FILE, help="Write the table as CSV.")
@json_option
@guarded
def dif(answers: Path, groups: Path, focal: str, out_file: Path | None, as_json: bool) -> None:
    """Differential item functioning of 0/1 ANSWERS on a form that everybody took: Mantel-Haenszel and logistic regression.

    delta < 0 is to the focal group's disadvantage; ets is A negligible, B moderate, C large. Routed answers are refused: their totals match nobody.
    """
    if out_file is not None:
        check_target(out_file, force=True)
    log = read_responses_csv(read_text(answers))
    group, names = read_groups_csv(read_text(groups), log.person_ids)
    if focal not in names:
        raise Faulty([Fault("--focal", "", f"'{focal}' is not a group", "one of " + ", ".join(names))])
    table = dif_table(log, group == names.index(focal))
    if out_file is not None:
        write_file(out_file, _csv(DIF_COLUMNS, table), force=True)
    put_table(table, as_json, DIF_COLUMNS, "no items")


def dif_table(log: ResponseLog, focal: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """A row an item; None where an item cannot tell."""
    scores = log.matrix()
    mh, logistic = mantel_haenszel(scores, focal), logistic_dif(scores, focal)
    return [
        {
            "item": name, "alpha": _round(mh.alpha[i]), "delta": _round(mh.delta[i]), "ets": mh.ets[i] or None, "p_mh": _round(mh.p[i], 5),
            "difference": _round(mh.difference[i]), "p_uniform": _round(logistic.p_uniform[i], 5),
            "p_nonuniform": _round(logistic.p_nonuniform[i], 5), "delta_r2": _round(logistic.delta_r2[i], 4),
        }
        for i, name in enumerate(log.item_ids)
    ]  # fmt: skip


def _round(value: float, digits: int = 3) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def _without_blanks(text: str) -> str:
    """The rows of a parameter file that hold parameters: an item that could not be estimated stands there with its flag alone."""
    lines = list(csv.reader(io.StringIO(text)))
    at = lines[0].index("b1") if lines and "b1" in lines[0] else None
    kept = lines if at is None else [line for k, line in enumerate(lines) if k == 0 or len(line) <= at or line[at].strip()]
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(kept)
    return out.getvalue()


def _csv(columns: Sequence[str], table: Sequence[dict[str, Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue().encode()
