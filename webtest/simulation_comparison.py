"""Several designs side by side: the figures as CSV and JSON, and a page that shows them beside each other."""

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibration.plots import number
from webtest.simulation_files import write_json
from webtest.simulation_plots import COLOURS, compared, exposures, figure, lengths
from webtest.simulation_report import Simulated, document, percent, table, value
from webtest.whole_files import write_csv

WHOLE = (
    "people", "items", "mean_length", "mean_minutes", "out_of_time", "rmse", "bias", "se", "reliability", "squared_correlation", "accuracy",
    "max_exposure", "overlap", "unused", "seconds",
)  # fmt: skip
OWN = ("length", "rmse", "bias", "se", "reliability", "squared_correlation", "accuracy")
SHOWN = {  # figure -> words, digits (None: a share), and what is best: the lowest, the highest, the nearest to nought, or nothing (no verdict)
    "mean_length": ("Panjang rata-rata (butir)", 1, "low"), "mean_minutes": ("Waktu rata-rata (menit)", 1, "low"),
    "out_of_time": ("Kehabisan waktu", None, "low"), "rmse": ("RMSE", 3, "low"), "bias": ("Bias", 3, "near"), "se": ("Rata-rata SE", 3, "low"),
    "reliability": ("Reliabilitas", 3, "high"), "squared_correlation": ("r² dengan kebenaran", 3, "high"),
    "accuracy": ("Ketepatan kelas", None, "high"), "max_exposure": ("Paparan tertinggi", None, "low"), "overlap": ("Tumpang tindih", None, "low"),
    "unused": ("Butir tak terpakai", None, "low"), "seconds": ("Lama hitung (detik)", 1, ""),
}  # fmt: skip


def competencies(runs: Sequence[Simulated]) -> list[str]:
    """All competencies of the designs, in the order in which they first appear."""
    return list(dict.fromkeys(name for run in runs for name in run.tally.trial.pool.competencies))


def comparison_rows(runs: Sequence[Simulated]) -> list[dict[str, Any]]:
    """One row a design: the figures of the whole test, then those of each competency; None where a design has none."""
    return [
        {
            "plan": run.name, "name": run.figures["plan"], **{key: run.figures[key] for key in WHOLE},
            **{f"{key}_{name}": run.figures[f"{key}_by_competency"].get(name) for name in competencies(runs) for key in OWN},
        }
        for run in runs
    ]  # fmt: skip


def write_comparison(runs: Sequence[Simulated], folder: Path) -> list[dict[str, Any]]:
    """comparison.csv, .json and .html in `folder`; gives the rows."""
    rows = comparison_rows(runs)
    write_csv(folder / "comparison.csv", tuple(rows[0]), (tuple("" if v is None else v for v in row.values()) for row in rows))
    write_json(folder / "comparison.json", rows)
    (folder / "comparison.html").write_text(html_comparison(runs), encoding="utf-8")
    return rows


def html_comparison(runs: Sequence[Simulated]) -> str:
    """The page: a column a design, the best of each row marked; curves on the same axes."""
    head = [f'<a href="{html.escape(run.name)}/report.html">{html.escape(run.name)}</a>' for run in runs]
    tallies = {run.name: run.tally for run in runs}
    legend = [(colour, html.escape(run.name), False) for run, colour in zip(runs, COLOURS, strict=False)]
    first = runs[0].figures
    noise = first["rmse"] / math.sqrt(2 * first["people"])  # of a root mean square of N normal errors
    parts = [
        f'<p class="soft">{len(runs)} rancangan, {number(first["people"])} orang yang sama. Angka terbaik tiap baris dicetak tebal; RMSE satu kompetensi '
        f"diketahui sampai sekitar ±{number(noise, 3)} (galat baku simulasi), dan selisih sekecil itu tidak berarti.</p>",
        _figures(runs, head),
        "<h2>Reliabilitas per kompetensi</h2>",
        _own(runs, head, "reliability", "high"),
        "<h2>Butir per kompetensi</h2>",
        _own(runs, head, "length", "low"),
        '<h2>Panjang dan paparan</h2><div class="plots">',
        figure(lengths(tallies), "Panjang tes", legend),
        figure(exposures(tallies), "Paparan butir, dari yang paling sering", legend),
        "</div><h2>Menurut kemampuan</h2>",
    ]
    for name in competencies(runs):
        mine = [key for key, run in zip(legend, runs, strict=False) if name in run.tally.trial.pool.competencies]
        plots = (figure(compared(tallies, name, kind), kind[0].upper() + kind[1:], mine) for kind in ("RMSE", "butir"))
        parts.append(f'<h3>{html.escape(name)}</h3><div class="plots">{"".join(plots)}</div>')
    return document("Perbandingan rancangan tes", parts)


def _figures(runs: Sequence[Simulated], head: Sequence[str]) -> str:
    rows: list[list[str]] = []
    marks: dict[tuple[int, int], str] = {}
    for key, (words, digits, best) in SHOWN.items():
        found = [run.figures[key] for run in runs]
        if any(v is not None for v in found):
            marks |= {(len(rows), k + 1): "best" for k in _best(found, best)}
            rows.append([words, *(percent(v) if digits is None else value(v, digits) for v in found)])
    return table(["Ukuran", *head], rows, marks=marks)


def _own(runs: Sequence[Simulated], head: Sequence[str], key: str, best: str) -> str:
    rows: list[list[str]] = []
    marks: dict[tuple[int, int], str] = {}
    for name in competencies(runs):
        found = [run.figures[f"{key}_by_competency"].get(name) for run in runs]
        marks |= {(len(rows), k + 1): "best" for k in _best(found, best)}
        rows.append([html.escape(name), *(value(v, 1 if key == "length" else 3) for v in found)])
    return table(["Kompetensi", *head], rows, marks=marks)


def _best(found: Sequence[float | None], best: str) -> list[int]:
    """Which of the figures are best; none where they are all the same."""
    rank = {k: {"low": v, "high": -v, "near": abs(v)}[best] for k, v in enumerate(found) if v is not None and best}
    top = [k for k, v in rank.items() if v == min(rank.values())]
    return top if len(top) < len(rank) else []
