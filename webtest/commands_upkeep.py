"""`cact correlations`, `cact drift`, `cact pretest`: what new answers say of a bank that is in use."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape

from calibration.correlations import correlations
from calibration.files import read_groups_csv, read_ids
from calibration.movement import movements
from calibration.pipeline import CalibrationOptions
from calibration.pretest import PretestDemands, pretest_design
from calibration.responses import ResponseLog
from cat_engine import Fault, Faulty
from itembank.bank import Bank
from webtest.console import check_targets, guarded, json_option, put, put_table, read_as, read_text, write_file, write_files
from webtest.csv_table import csv_table
from webtest.engine_inputs import read_bank
from webtest.languages import language
from webtest.response_files import read_responses

FILE = click.Path(path_type=Path)
DRIFT_COLUMNS = ("item_id", "competency", "n", "old_b", "new_b", "se_b", "robust_z", "d2", "easier", "harder", "flags", "not_estimated")
PRETEST_COLUMNS = ("item_id", "competency", "n", "se_b", "wanted", "low", "high", "gain", "verdict", "why")

answers_argument = click.argument("answers", type=FILE)
bank_option = click.option("--bank", "bank_file", type=FILE, required=True, help="Parameter CSV of the bank.")


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(correlations_command)
    main.add_command(drift)
    main.add_command(pretest)


def _read(answers: Path, bank_file: Path, targets: Mapping[str, Path | None]) -> tuple[ResponseLog, Bank]:
    check_targets(targets)
    bank = read_bank(bank_file)
    return read_responses(answers, bank.ids), bank


@click.command("correlations")
@answers_argument
@bank_option
@click.option("--out", "out_file", type=FILE, help="Write the matrix as CSV.")
@click.option("--se", "se_file", type=FILE, help="Write the standard errors as CSV.")
@json_option
@guarded
def correlations_command(answers: Path, bank_file: Path, out_file: Path | None, se_file: Path | None, as_json: bool) -> None:
    """How the competencies of a bank correlate among those who gave ANSWERS: the matrix of a plan's [joint] table.

    The correlations are of the abilities, not of their estimates, so that short tests do not make them look weaker.
    """
    log, bank = _read(answers, bank_file, {"--out": out_file, "--se": se_file})
    found = correlations(log, bank)
    if len(found.competencies) < 2:
        raise Faulty([Fault("answers", "", "are of one competency", "two or more correlate")])
    names, definite = found.competencies, found.definite
    targets = ((out_file, found.matrix), (se_file, found.se))
    write_files({path: _matrix_csv(names, matrix) for path, matrix in targets if path is not None}, force=True)
    figures: dict[str, Any] = {
        "competencies": names, "means": found.means.tolist(), "sds": found.sds.tolist(), "n": found.n.tolist(),
        "matrix": [[_finite(x) for x in row] for row in found.matrix.tolist()], "se": [[_finite(x) for x in row] for row in found.se.tolist()],
        "definite": None if definite is None else definite.tolist(),
    }  # fmt: skip
    rows = [
        f"{name:>12} "
        + " ".join(f"{found.matrix[i, j]:5.2f} ({found.se[i, j]:.2f})" if i != j else f"{1:5.2f}       " for j in range(i + 1))
        for i, name in enumerate(names)
    ]
    last = "A pair is unknown (fewer than 30 people answered both, or their answers do not tell): no matrix for a plan."
    if definite is not None:
        values = ", ".join("[" + ", ".join(f"{x:.3f}" for x in row) + "]" for row in definite)
        raised = "" if definite is found.matrix else " (its lowest eigenvalues raised)"
        last = f"For a plan{raised}, competencies in this order:\n\\[joint]\nmatrix = \\[{values}]"
    put(figures, as_json, "\n".join([f"Correlations (standard errors), {len(log.person_ids)} people", *map(escape, rows), last]))


@click.command("drift")
@answers_argument
@bank_option
@click.option("--periods", type=FILE, help="person_id,group: the period of each person; periods follow each other by name.")
@click.option("--min-n", type=click.IntRange(1), default=100, show_default=True, help="Answers that an item needs, in each period too.")
@click.option("--out", "out_file", type=FILE, help="Write the table as CSV.")
@json_option
@guarded
def drift(answers: Path, bank_file: Path, periods: Path | None, min_n: int, out_file: Path | None, as_json: bool) -> None:
    """Whether items moved since the bank was calibrated: ANSWERS estimated afresh, on the bank's scale.

    robust_z of the shift of b above 2.7, d2 above .01 (expected score .1 a point off), both beyond 2.7 of its own SE, or, over periods, a cumulative
    sum above 4 is flagged.
    """
    log, bank = _read(answers, bank_file, {"--out": out_file})
    period = None
    if periods is not None:
        number, names = read_as(periods, lambda text: read_groups_csv(text, log.person_ids))
        period = np.array([sorted(names).index(name) for name in names])[number]
    found = movements(log, bank, CalibrationOptions(min_n=min_n), period)
    table = [
        _row(asdict(item), DRIFT_COLUMNS) for item in sorted(found, key=lambda item: (-len(item.flags), -abs(np.nan_to_num(item.robust_z))))
    ]
    if out_file is not None:
        write_file(out_file, csv_table(DRIFT_COLUMNS, table), force=True)
    put_table(table, as_json, DRIFT_COLUMNS, "no item was answered")


@click.command("pretest")
@answers_argument
@bank_option
@click.option("--items", type=FILE, help="Ids of the pretest items, one a line. [default: items whose status is pretest]")
@click.option("--min-n", type=click.IntRange(1), default=100, show_default=True, help="Answers before an item is judged.")
@click.option("--max-se", type=click.FloatRange(0.01), default=0.35, show_default=True, help="Largest SE of b of an operational item.")
@click.option("--most-n", type=click.IntRange(1), default=1000, show_default=True, help="Answers after which an item is given up.")
@click.option("--out", "out_file", type=FILE, help="Write the table as CSV.")
@json_option
@guarded
def pretest(
    answers: Path, bank_file: Path, items: Path | None, min_n: int, max_se: float, most_n: int, out_file: Path | None, as_json: bool
) -> None:
    """What each pretest item still needs: how many answers, from people of which ability (low to high); whether it may be promoted.

    The other items keep their parameters and give the scale. Items that learn most from one answer (gain) stand first.
    """
    log, bank = _read(answers, bank_file, {"--out": out_file})
    chosen = read_ids(read_text(items)) if items is not None else [i for i, s in zip(bank.ids, bank.status, strict=True) if s == "pretest"]
    found = pretest_design(log, bank, chosen, PretestDemands(min_n, max_se, most_n), language("en"))
    table = [_row(asdict(item), PRETEST_COLUMNS) for item in found]
    if out_file is not None:
        write_file(out_file, csv_table(PRETEST_COLUMNS, table), force=True)
    put_table(table, as_json, PRETEST_COLUMNS, "no pretest item")


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _row(values: dict[str, Any], columns: Sequence[str]) -> dict[str, Any]:
    def cell(value: Any) -> Any:
        if isinstance(value, tuple):
            return ";".join(value)
        return (round(value, 4) if np.isfinite(value) else None) if isinstance(value, float) else value

    return {name: cell(values[name]) for name in columns}


def _matrix_csv(names: Sequence[str], matrix: np.ndarray[Any, Any]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["competency", *names])
    writer.writerows([name, *("" if np.isnan(x) else repr(float(x)) for x in row)] for name, row in zip(names, matrix, strict=True))
    return out.getvalue().encode()
