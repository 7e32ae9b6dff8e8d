"""`cact dif`: whether items favour a group."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from calibration.catsib import catsib
from calibration.curves import starting_rows
from calibration.dif import logistic_dif, mantel_haenszel
from calibration.dif_groups import Mask, Purified, purify
from calibration.dif_likelihood import likelihood_dif
from calibration.dif_prediction import predicted
from calibration.dif_residual import residual_dif
from calibration.files import read_groups_csv, read_items_csv
from calibration.mml import fit_mml
from calibration.responses import ResponseLog
from cat_engine import Fault, Faulty, Row
from cat_engine.irt import Ints
from webtest.console import check_target, err, guarded, json_option, put_table, read_as, write_file
from webtest.csv_table import csv_table, figure, rounded
from webtest.response_files import read_one_scale

FILE = click.Path(path_type=Path)
COUNTS = ("item", "n_reference", "n_focal", "anchor")
COLUMNS = {
    "score": (
        *COUNTS,
        "alpha",
        "delta",
        "ets",
        "chi2_mh",
        "p_mh",
        "difference",
        "chi2_both",
        "p_both",
        "chi2_uniform",
        "p_uniform",
        "chi2_nonuniform",
        "p_nonuniform",
        "delta_r2",
        "r2_class",
    ),
    "likelihood": (
        *COUNTS,
        "chi2",
        "df",
        "p",
        "chi2_uniform",
        "df_uniform",
        "p_uniform",
        "chi2_nonuniform",
        "p_nonuniform",
        "signed",
        "unsigned",
    ),
    "residual": (*COUNTS, "rdif_r", "p_r", "rdif_s", "p_s", "p_rs", "beta", "p_beta", "beta_class"),
}


def attach(main: click.Group) -> None:
    """Add this module's command."""
    main.add_command(dif)


@click.command()
@click.argument("answers", type=FILE)
@click.option("--groups", type=FILE, required=True, help="person_id and a column of groups.")
@click.option("--by", "column", default="group", show_default=True, help="The column of groups, such as sex, job_level, unit or wave.")
@click.option("--focal", required=True, help="The group that items might disadvantage.")
@click.option("--reference", help="The group it is compared with. [default: everybody else]")
@click.option(
    "--method",
    type=click.Choice(tuple(COLUMNS)),
    default="score",
    show_default=True,
    help="score: Mantel-Haenszel and logistic regression; likelihood: ratios between calibrations; residual: RDIF and CATSIB.",
)
@click.option(
    "--items", type=FILE, help="Parameters: those of 'residual', and where 'likelihood' starts. [default: 2pl and grm, estimated]"
)
@click.option("--competency", help="The items to take, where --items (or answers in Parquet) name the competency of each.")
@click.option("--purify", "purifying", is_flag=True, help="Match people by items that are not flagged, until the flags settle.")
@click.option("--alpha", type=click.FloatRange(1e-6, 0.5), default=0.05, show_default=True, help="Level at which --purify flags an item.")
@click.option("--min-n", type=click.IntRange(2), default=100, show_default=True, help="Answers an item needs in each group to be tested.")
@click.option("--out", "out_file", type=FILE, help="Write the table as CSV.")
@json_option
@guarded
def dif(answers: Path, groups: Path, column: str, focal: str, out_file: Path | None, as_json: bool, **options: Any) -> None:
    """Differential item functioning of ANSWERS between two groups.

    Routed and incomplete answers, and items of several categories, take --method likelihood or residual; score needs 0/1 answers to a form that
    everybody took. delta, signed, rdif_r and beta below 0 are to the focal group's disadvantage; classes are A negligible, B moderate, C large.
    """
    if out_file is not None:
        check_target(out_file, force=True)
    log = read_one_scale(answers, options["items"], options["competency"])
    group, names = read_as(groups, lambda text: read_groups_csv(text, log.person_ids, column))
    case = _case(log, group, names, focal, options["reference"], options["min_n"])
    rows = _rows(case, options["items"]) if options["items"] or options["method"] == "residual" else None
    tables: Mapping[str, Callable[[], tuple[list[dict[str, Any]], Purified | None]]] = {
        "score": lambda: _by_score(case, options["alpha"] if options["purifying"] else None),
        "likelihood": lambda: _by_likelihood(case, rows or _starting(case), options["alpha"] if options["purifying"] else None),
        "residual": lambda: _by_residual(case, rows or [], options["alpha"] if options["purifying"] else None),
    }
    table, purified = tables[options["method"]]()
    columns = COLUMNS[options["method"]]
    if out_file is not None:
        write_file(out_file, csv_table(columns, table), force=True)
    put_table(table if as_json else rounded(table), as_json, columns, "no items")
    if purified is not None and not purified.settled:
        err.print(_unsettled(purified))


@dataclass(frozen=True, slots=True, eq=False)
class _Case:
    """Answers of the two groups, renumbered; focal[P] by person."""

    names: tuple[str, ...]
    person: Ints
    item: Ints
    category: Ints
    focal: Mask
    min_n: int

    @property
    def inside(self) -> Mask:
        """Whether an answer is of the focal group, [R]."""
        return np.asarray(self.focal[self.person])

    def n(self) -> Ints:
        """Answers by group and item, [2, I]: reference and focal."""
        cell = self.item + len(self.names) * self.inside
        return np.bincount(cell, minlength=2 * len(self.names)).reshape(2, -1)

    @property
    def enough(self) -> Mask:
        """Items with enough answers in both groups, [I]."""
        return np.asarray(self.n().min(axis=0) >= self.min_n)

    def scores(self) -> Ints:
        """Persons x items, -1 where there is no answer."""
        out = np.full((len(self.focal), len(self.names)), -1, dtype=np.int64)
        out[self.person, self.item] = self.category
        return out

    def counts(self) -> list[list[int]]:
        """Answers by item and category."""
        return [np.bincount(self.category[self.item == i], minlength=2).tolist() for i in range(len(self.names))]

    def lines(self, anchors: Mask) -> list[dict[str, Any]]:
        """The first cells of each row."""
        n = self.n()
        return [
            {"item": name, "n_reference": int(n[0, i]), "n_focal": int(n[1, i]), "anchor": bool(anchors[i])}
            for i, name in enumerate(self.names)
        ]


def _case(log: ResponseLog, group: Ints, names: tuple[str, ...], focal: str, reference: str | None, min_n: int) -> _Case:
    faults = [
        Fault(option, "", f"'{name}' is not a group", "one of " + ", ".join(names))
        for option, name in (("--focal", focal), ("--reference", reference))
        if name is not None and name not in names
    ]
    if reference == focal:
        faults.append(Fault("--reference", "", "is the focal group itself"))
    if faults:
        raise Faulty(faults)
    mine = group == names.index(focal)
    taken = mine | (group == names.index(reference) if reference is not None else ~mine)
    kept = taken[log.person]
    who, person = np.unique(log.person[kept], return_inverse=True)
    used, item = np.unique(log.item[kept], return_inverse=True)
    case = _Case(tuple(log.item_ids[i] for i in used.tolist()), person, item, log.category[kept], mine[who], min_n)
    if not case.enough.any():
        most = int(case.n().min(axis=0).max(initial=0))
        raise Faulty([Fault("answers", "", f"no item has {min_n} answers in both groups, the most is {most}", "--min-n lowers the demand")])
    return case


def _starting(case: _Case) -> list[Row]:
    counts = case.counts()
    silent = [name for name, own in zip(case.names, counts, strict=True) if np.count_nonzero(own) < 2]
    if silent:
        raise Faulty([Fault("answers", name, "all fell into one category", "leave the item out") for name in silent])
    return [starting_rows("2pl" if len(own) == 2 else "grm", [own])[0] for own in counts]


def _rows(case: _Case, items: Path | None) -> list[Row]:
    """The parameters of the file, or estimates of both groups together."""
    if items is None:
        return list(fit_mml(case.person, case.item, case.category, _starting(case)).rows)
    known = read_as(items, read_items_csv)
    faults = [Fault(str(items), name, "has no parameters", "one row an item") for name in case.names if name not in known]
    for i, (name, own) in enumerate(zip(case.names, case.counts(), strict=True)):
        if name in known and len(own) > len(known[name].b) + 1:
            faults.append(Fault("answers", case.names[i], f"category {len(own) - 1} was answered, its row has 0 to {len(known[name].b)}"))
    if faults:
        raise Faulty(faults)
    return [known[name] for name in case.names]


def _purified(flagged: Callable[[Mask], Mask], case: _Case, alpha: float | None) -> Purified:
    everything = np.ones(len(case.names), dtype=bool)
    return Purified(everything, 0, 1) if alpha is None else purify(flagged, len(case.names))


def _unsettled(found: Purified) -> str:
    if found.turns:
        return f"{found.turns} sets of flags lead to each other; people are matched by the items that none of them holds, if there are two."
    return f"The flags had not settled after {found.rounds} rounds."


def _below(p: Any, alpha: float | None) -> Mask:
    return np.asarray(p < alpha)


def _by_score(case: _Case, alpha: float | None) -> tuple[list[dict[str, Any]], Purified]:
    scores, enough = case.scores(), case.enough
    found = _purified(lambda anchors: enough & _below(mantel_haenszel(scores, case.focal, anchors).p, alpha), case, alpha)
    own = _purified(lambda anchors: enough & _below(logistic_dif(scores, case.focal, anchors).p_both, alpha), case, alpha)
    mh, logistic = mantel_haenszel(scores, case.focal, found.anchors), logistic_dif(scores, case.focal, own.anchors)
    table = case.lines(found.anchors)
    for i in np.flatnonzero(enough).tolist():
        table[i] |= {
            "alpha": figure(mh.alpha[i]), "delta": figure(mh.delta[i]), "ets": mh.ets[i] or None, "chi2_mh": figure(mh.statistic[i]), "p_mh": figure(mh.p[i]),
            "difference": figure(mh.difference[i]), "chi2_both": figure(logistic.both[i]), "p_both": figure(logistic.p_both[i]),
            "chi2_uniform": figure(logistic.uniform[i]), "p_uniform": figure(logistic.p_uniform[i]),
            "chi2_nonuniform": figure(logistic.nonuniform[i]), "p_nonuniform": figure(logistic.p_nonuniform[i]),
            "delta_r2": figure(logistic.delta_r2[i]), "r2_class": logistic.size[i] or None,
        }  # fmt: skip
    return _filled(table, "score"), found if not found.settled else own


def _by_likelihood(case: _Case, rows: list[Row], alpha: float | None) -> tuple[list[dict[str, Any]], Purified]:
    answers = case.person, case.item, case.category, rows, case.focal

    found = _purified(lambda anchors: _below(likelihood_dif(*answers, anchors, case.enough).p_both, alpha), case, alpha)
    ratio = likelihood_dif(*answers, found.anchors, case.enough)
    table = case.lines(found.anchors)
    for i in np.flatnonzero(np.isfinite(ratio.both)).tolist():
        table[i] |= {
            "chi2": figure(ratio.both[i]), "df": int(ratio.df_both[i]), "p": figure(ratio.p_both[i]), "chi2_uniform": figure(ratio.uniform[i]),
            "df_uniform": int(ratio.df_uniform[i]), "p_uniform": figure(ratio.p_uniform[i]),
            "chi2_nonuniform": figure(ratio.nonuniform[i]), "p_nonuniform": figure(ratio.p_nonuniform[i]), "signed": figure(ratio.signed[i]), "unsigned": figure(ratio.unsigned[i]),
        }  # fmt: skip
    return _filled(table, "likelihood"), found


def _by_residual(case: _Case, rows: list[Row], alpha: float | None) -> tuple[list[dict[str, Any]], Purified]:
    enough, inside, n_items = case.enough, case.inside, len(case.names)

    def flagged(anchors: Mask) -> Mask:
        guess = predicted(case.person, case.item, case.category, rows, case.focal, anchors)
        return enough & _below(residual_dif(case.item, case.category, guess.p, inside, n_items).p_rs, alpha)

    found = _purified(flagged, case, alpha)
    guess = predicted(case.person, case.item, case.category, rows, case.focal, found.anchors)
    rdif = residual_dif(case.item, case.category, guess.p, inside, n_items)
    sib = catsib(case.item, case.category, guess.theta, inside, n_items)
    table = case.lines(found.anchors)
    for i in np.flatnonzero(enough).tolist():
        table[i] |= {
            "rdif_r": figure(rdif.r[i]), "p_r": figure(rdif.p_r[i]), "rdif_s": figure(rdif.s[i]), "p_s": figure(rdif.p_s[i]),
            "p_rs": figure(rdif.p_rs[i]), "beta": figure(sib.beta[i]), "p_beta": figure(sib.p[i]), "beta_class": sib.size[i] or None,
        }  # fmt: skip
    return _filled(table, "residual"), found


def _filled(table: list[dict[str, Any]], method: str) -> list[dict[str, Any]]:
    return [{column: row.get(column) for column in COLUMNS[method]} for row in table]
