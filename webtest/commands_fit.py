"""`cact fit`: how well answers fit given item parameters."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np

from calibration.ability_bins import BinFit, bin_fit
from calibration.bin_residuals import bin_residuals
from calibration.dependence import Dependence, ld_x2
from calibration.files import read_items_csv
from calibration.fit import Residuals, residuals
from calibration.item_fit import ScoreFit, parameters_behind, s_x2
from calibration.model_fit import ModelFit, model_fit, state_at
from calibration.responses import ResponseLog
from calibration.state import FIXED_SLOPE
from cat_engine import Fault, Faulty, Grid, ItemParams, NormalPrior, Row, probabilities
from cat_engine.ability import weights
from cat_engine.irt import Floats, Ints
from webtest.console import check_targets, err, guarded, json_option, out, put_table, read_as, write_files
from webtest.csv_table import csv_table, figure, rounded
from webtest.response_files import read_one_scale

FILE = click.Path(path_type=Path)
FIT_COLUMNS = (
    "item", "n", "infit", "z_infit", "outfit", "z_outfit", "s_x2", "df", "p_s_x2", "rmsea", "x2", "df_x2", "p_x2",
    "highest_q3", "q3_with", "highest_z_ld", "z_ld_with",
)  # fmt: skip
PAIR_COLUMNS = ("item", "other", "q3", "ld_x2", "df", "z_ld", "v")
BIN_COLUMNS = ("item", "bin", "theta", "n", "observed", "expected", "z")
PERSON_COLUMNS = ("theta", "se", "lz", "person_infit", "person_z_infit", "person_outfit", "person_z_outfit")


def attach(main: click.Group) -> None:
    """Add this module's command."""
    main.add_command(fit)


@click.command()
@click.argument("answers", type=FILE)
@click.option("--items", type=FILE, required=True, help="item_id,model,a,b1,…,c,d, such as 'cact calibrate --out' writes.")
@click.option("--competency", help="The items to take, where --items (or answers in Parquet) name the competency of each.")
@click.option("--known", is_flag=True, help="The parameters come from other answers than these: none were estimated.")
@click.option("--mean", type=float, default=0.0, show_default=True, help="Mean of ability.")
@click.option("--sd", type=click.FloatRange(0.01), default=1.0, show_default=True, help="Standard deviation of ability.")
@click.option("--out", "out_file", type=FILE, help="Write the table of items as CSV.")
@click.option("--pairs", "pairs_file", type=FILE, help="Write Q3 and LD-X2 of every pair of items as CSV.")
@click.option("--bins", "bins_file", type=FILE, help="Write each item's observed and expected score in bins of ability as CSV.")
@click.option("--model-fit", "model_file", type=FILE, help="Write M2, RMSEA, SRMSR, TLI and CFI as JSON.")
@click.option("--persons", "persons_file", type=FILE, help="Write each person's ability, SE and fit (lz, infit, outfit) as CSV.")
@json_option
@guarded
def fit(
    answers: Path, items: Path, competency: str | None, known: bool, mean: float, sd: float, out_file: Path | None, pairs_file: Path | None, bins_file: Path | None,
    model_file: Path | None, persons_file: Path | None, as_json: bool,
) -> None:  # fmt: skip
    """Residuals of ANSWERS from given item parameters, at each person's EAP ability; where everybody answered everything, S-X2, LD-X2 and M2.

    Mean squares are about 1 where the model holds; a Q3 or z of LD-X2 well above the others is two items that share more than ability. Items of the
    parameter file without a number (flagged by 'cact calibrate') are not asked, and their answers are left out.
    """
    check_targets({"--out": out_file, "--pairs": pairs_file, "--bins": bins_file, "--model-fit": model_file, "--persons": persons_file})
    log = read_one_scale(answers, items, competency)
    asked = _Asked.of(log, read_as(items, lambda text: read_items_csv(text, blanks=True)), str(items))
    found = residuals(asked.person, asked.item, asked.category, asked.rows, mean, sd)
    n_free = [0] * len(asked.rows) if known else parameters_behind(asked.rows)
    by_bin = bin_fit(asked.person, asked.item, asked.category, asked.rows, found.theta, n_free)
    with_sd = [n + (n > 0 and row.model in FIXED_SLOPE) for n, row in zip(n_free, asked.rows, strict=True)]
    by_score, pairs, whole, why = _of_whole_forms(asked, mean, sd, with_sd)
    if model_file is not None and whole is None:
        raise Faulty([Fault("--model-fit", "", f"cannot be told: {why}")])
    table = _items(asked.names, found, by_bin, by_score, pairs)
    contents = {out_file: csv_table(FIT_COLUMNS, table)}
    if pairs_file is not None:
        contents[pairs_file] = csv_table(PAIR_COLUMNS, _pairs(asked.names, found, pairs))
    if bins_file is not None:
        contents[bins_file] = csv_table(BIN_COLUMNS, _bins(asked, mean, sd))
    if model_file is not None and whole is not None:
        contents[model_file] = (json.dumps(_figures(whole), indent=1) + "\n").encode()
    if persons_file is not None:
        people = [
            {"person_id": name, **{column: figure(getattr(found, column)[k]) for column in PERSON_COLUMNS}}
            for k, name in enumerate(asked.people)
        ]
        contents[persons_file] = csv_table(("person_id", *PERSON_COLUMNS), people)
    write_files({path: content for path, content in contents.items() if path is not None}, force=True)
    put_table(table if as_json else rounded(table), as_json, FIT_COLUMNS, "no items")
    if whole is None:
        err.print(f"Without S-X2, LD-X2 or M2: {why}." if by_score is None else f"Without M2: {why}.")
    elif not as_json:
        out.print(_sentence(whole))


class _Asked:
    """Answers to items with parameters, renumbered: persons and items without any are gone."""

    def __init__(self, person: Ints, item: Ints, category: Ints, rows: Sequence[Row], names: Sequence[str], people: Sequence[str]) -> None:
        self.person, self.item, self.category = person, item, category
        self.rows, self.names, self.people = list(rows), list(names), list(people)

    @classmethod
    def of(cls, log: ResponseLog, known: dict[str, Row], source: str) -> "_Asked":
        """Raises Faulty for answers in categories that an item does not have, and where no item was answered."""
        rows = [known.get(item_id) for item_id in log.item_ids]
        kept = np.array([row is not None for row in rows])
        n_cat = np.array([len(row.b) + 1 if row is not None else 0 for row in rows])
        faults = [
            Fault("answers", log.item_ids[i], f"category {log.category[log.item == i].max()} was answered, its row has 0 to {n_cat[i] - 1}")
            for i in np.unique(log.item[kept[log.item] & (log.category >= n_cat[log.item])]).tolist()
        ]
        mine = kept[log.item]
        if not mine.any():
            faults.append(Fault(source, "", "has no item that was answered", "item ids must be those of the answers"))
        if faults:
            raise Faulty(faults)
        used, item = np.unique(log.item[mine], return_inverse=True)
        who, person = np.unique(log.person[mine], return_inverse=True)
        asked = [row for i in used.tolist() if (row := rows[i]) is not None]
        names = [log.item_ids[i] for i in used.tolist()]
        return cls(person, item, log.category[mine], asked, names, [log.person_ids[p] for p in who.tolist()])

    def scores(self) -> Ints:
        """Persons x items, -1 where there is no answer."""
        out = np.full((len(self.people), len(self.rows)), -1, dtype=np.int64)
        out[self.person, self.item] = self.category
        return out


def _of_whole_forms(
    asked: _Asked, mean: float, sd: float, n_free: Sequence[int]
) -> tuple[ScoreFit | None, Dependence | None, ModelFit | None, str]:
    """What complete answers allow, or why not."""
    scores = asked.scores()
    empty = float((scores < 0).mean())
    if empty:
        return None, None, None, f"{empty:.0%} of the answers are missing, and these need a form that everybody took whole"
    nodes = Grid().nodes()
    p: Floats = np.moveaxis(probabilities(ItemParams.from_rows([row._replace(scale=0) for row in asked.rows]), nodes), 0, -1)
    density = weights(NormalPrior(mean, sd).log_density(nodes))
    by_score, pairs = s_x2(scores, p, density, n_free), ld_x2(scores, p, density)
    try:
        return by_score, pairs, model_fit(scores, state_at(asked.rows, mean, sd, np.equal(n_free, 0)), nodes), ""
    except Faulty as error:
        return by_score, pairs, None, "; ".join(map(str, error.faults))


def _items(
    names: Sequence[str], found: Residuals, by_bin: BinFit, by_score: ScoreFit | None, pairs: Dependence | None
) -> list[dict[str, Any]]:
    nearest, highest = _highest(found.q3)
    twin, strongest = _highest(pairs.z if pairs is not None else np.full_like(found.q3, np.nan))
    nothing = np.full(len(names), np.nan)
    chi, df, p, rmsea = (nothing,) * 4 if by_score is None else (by_score.statistic, by_score.df, by_score.p, by_score.rmsea)
    return [
        {
            "item": name, "n": int(found.n[k]), "infit": figure(found.infit[k]), "z_infit": figure(found.z_infit[k]),
            "outfit": figure(found.outfit[k]), "z_outfit": figure(found.z_outfit[k]), "s_x2": figure(chi[k]),
            "df": None if by_score is None else int(df[k]), "p_s_x2": figure(p[k]), "rmsea": figure(rmsea[k]),
            "x2": figure(by_bin.statistic[k]), "df_x2": int(by_bin.df[k]) if np.isfinite(by_bin.statistic[k]) else None,
            "p_x2": figure(by_bin.p[k]),
            "highest_q3": figure(highest[k]), "q3_with": names[nearest[k]] if np.isfinite(highest[k]) else None,
            "highest_z_ld": figure(strongest[k]), "z_ld_with": names[twin[k]] if np.isfinite(strongest[k]) else None,
        }
        for k, name in enumerate(names)
    ]  # fmt: skip


def _highest(values: Floats) -> tuple[Ints, Floats]:
    """Of each item: the other item with the highest value, and that value; -inf where there is none."""
    others = np.where(np.eye(len(values), dtype=bool) | np.isnan(values), -np.inf, values)
    nearest = others.argmax(axis=1)
    return nearest, others[np.arange(len(values)), nearest]


def _pairs(names: Sequence[str], found: Residuals, pairs: Dependence | None) -> list[dict[str, Any]]:
    rows = []
    for i, j in zip(*np.triu_indices(len(names), 1), strict=True):
        row = {"item": names[i], "other": names[j], "q3": figure(found.q3[i, j])}
        if pairs is not None:
            row |= {
                "ld_x2": figure(pairs.statistic[i, j]),
                "df": int(pairs.df[i, j]),
                "z_ld": figure(pairs.z[i, j]),
                "v": figure(pairs.v[i, j]),
            }
        rows.append(row)
    return rows


def _bins(asked: _Asked, mean: float, sd: float) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for found in bin_residuals(asked.person, asked.item, asked.category, asked.rows, mean, sd):
        name = asked.names[found.item]
        number = rows[-1]["bin"] + 1 if rows and rows[-1]["item"] == name else 1
        rows.append({"item": name, "bin": number, **{column: figure(getattr(found, column)) for column in BIN_COLUMNS[2:]}})
    return rows


def _figures(whole: ModelFit) -> dict[str, Any]:
    return {name: value if np.isfinite(value) else None for name, value in asdict(whole).items()}


def _sentence(whole: ModelFit) -> str:
    if np.isnan(whole.p):
        return f"M2 has no degrees of freedom ({whole.df}); SRMSR {whole.srmsr:.3f}"
    between = f"90 % {whole.rmsea_low:.3f} to {whole.rmsea_high:.3f}"
    return (
        f"M2 {whole.m2:.2f}, df {whole.df}, p {whole.p:.4f}; RMSEA {whole.rmsea:.3f} ({between}); SRMSR {whole.srmsr:.3f}; TLI {whole.tli:.3f}; "
        f"CFI {whole.cfi:.3f}"
    )
