"""`cact girth`: girth's estimators on answers that they are valid for, and classical statistics of a form."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np

from calibration.girth_adapter import BY_PROPORTION, by_proportion, classical, second_opinion
from calibration.responses import ResponseLog
from cat_engine.irt import Floats
from webtest.console import check_targets, guarded, json_option, out, put_table, write_file
from webtest.csv_table import csv_table, figure, rounded
from webtest.response_files import read_labelled

PCM, CLASSICAL = "pcm_mml", "classical"
FILE = click.Path(path_type=Path)


def attach(main: click.Group) -> None:
    """Add this module's command."""
    main.add_command(girth)


@click.command()
@click.argument("answers", type=FILE)
@click.option(
    "--estimator",
    type=click.Choice((PCM, CLASSICAL, *BY_PROPORTION)),
    default=PCM,
    show_default=True,
    help="pcm_mml takes answers of any kind, the others only a form that everybody took whole; classical: no model.",
)
@click.option("--competency", help="The items to take, where answers in Parquet name the competency of each.")
@click.option("--out", "out_file", type=FILE, help="Write the table as CSV.")
@json_option
@guarded
def girth(answers: Path, estimator: str, competency: str | None, out_file: Path | None, as_json: bool) -> None:
    """A second opinion by girth on the items of ANSWERS: discrimination and mean difficulty, on the scale of N(0, 1) abilities; or classical statistics.

    What starts from proportions correct is refused on answers that were routed or are incomplete, where proportions say nothing of difficulty.
    """
    check_targets({"--out": out_file})
    log = read_labelled(answers, None, competency=competency, one_scale=True)[0]
    alpha = None
    if estimator == CLASSICAL:
        found = classical(log)
        alpha = found.alpha
        columns: Mapping[str, Floats] = {
            name: getattr(found, name) for name in ("mean", "sd", "item_rest", "polyserial", "alpha_without")
        }  # fmt: skip
    else:
        a, b = second_opinion(log) if estimator == PCM else by_proportion(log, estimator)
        columns = {"a": a, "b": b}
    names = ("item", "n", *columns)
    counts = np.bincount(log.item, minlength=len(log.item_ids))
    table = [_row(log, counts[i], i, columns) for i in range(len(log.item_ids))]
    if out_file is not None:
        write_file(out_file, csv_table(names, table), force=True)
    put_table(table if as_json else rounded(table), as_json, names, "no items")
    if alpha is not None and not as_json:
        out.print(f"Cronbach's alpha {alpha:.3f}")


def _row(log: ResponseLog, n: int, i: int, columns: Mapping[str, Floats]) -> dict[str, Any]:
    return {"item": log.item_ids[i], "n": int(n), **{name: figure(values[i]) for name, values in columns.items()}}
