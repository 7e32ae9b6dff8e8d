"""Several designs side by side: the figures as CSV and JSON, and a page that shows them beside each other."""

import html
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from calibration.language import INDONESIAN, N_, Language
from webtest.simulation_files import write_json
from webtest.simulation_plots import COLOURS, compared, exposures, figure, lengths
from webtest.simulation_report import Simulated, document, heading, percent, table, value
from webtest.whole_files import write_csv

WHOLE = (
    "people", "items", "mean_length", "mean_minutes", "out_of_time", "rmse", "bias", "se", "reliability", "squared_correlation", "accuracy",
    "max_exposure", "overlap", "unused", "seconds",
)  # fmt: skip
OWN = ("length", "rmse", "bias", "se", "reliability", "squared_correlation", "accuracy")
SHOWN = {  # figure -> words, digits (None: a share), and what is best: the lowest, the highest, the nearest to nought, or nothing (no verdict)
    "mean_length": (N_("Panjang rata-rata (butir)"), 1, "low"), "mean_minutes": (N_("Waktu rata-rata (menit)"), 1, "low"),
    "out_of_time": (N_("Kehabisan waktu"), None, "low"), "rmse": ("RMSE", 3, "low"), "bias": (N_("Bias"), 3, "near"),
    "se": (N_("Rata-rata SE"), 3, "low"), "reliability": (N_("Reliabilitas"), 3, "high"),
    "squared_correlation": (N_("r² dengan kemampuan sebenarnya"), 3, "high"), "accuracy": (N_("Ketepatan kelas"), None, "high"),
    "max_exposure": (N_("Paparan tertinggi"), None, "low"), "overlap": (N_("Tumpang tindih"), None, "low"),
    "unused": (N_("Butir tak terpakai"), None, "low"), "seconds": (N_("Lama hitung (detik)"), 1, ""),
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


def write_comparison(runs: Sequence[Simulated], folder: Path, language: Language = INDONESIAN) -> list[dict[str, Any]]:
    """comparison.csv, .json and .html in `folder`; gives the rows."""
    rows = comparison_rows(runs)
    write_csv(folder / "comparison.csv", tuple(rows[0]), (tuple("" if v is None else v for v in row.values()) for row in rows))
    write_json(folder / "comparison.json", rows)
    (folder / "comparison.html").write_text(html_comparison(runs, language), encoding="utf-8")
    return rows


def html_comparison(runs: Sequence[Simulated], language: Language = INDONESIAN) -> str:
    """The page: a column a design, the best of each row marked; curves on the same axes."""
    head = [f'<a href="{html.escape(run.name)}/report.html">{html.escape(run.name)}</a>' for run in runs]
    tallies = {run.name: run.tally for run in runs}
    legend = [(colour, html.escape(run.name), False) for run, colour in zip(runs, COLOURS, strict=False)]
    first, _, number = runs[0].figures, language.gettext, language.number
    noise = first["rmse"] / math.sqrt(2 * first["people"])  # of a root mean square of N normal errors
    note = _(
        "{designs} rancangan, {people} orang yang sama. Angka terbaik tiap baris dicetak tebal; RMSE satu kompetensi diketahui sampai sekitar "
        "±{noise} (galat baku simulasi), dan selisih sekecil itu tidak berarti."
    ).format(designs=len(runs), people=number(first["people"]), noise=number(noise, 3))
    parts = [
        f'<p class="soft">{note}</p>',
        _figures(runs, head, language),
        heading(_("Reliabilitas per kompetensi")),
        _own(runs, head, "reliability", "high", language),
        heading(_("Butir per kompetensi")),
        _own(runs, head, "length", "low", language),
        heading(_("Panjang dan paparan")),
        '<div class="plots">',
        figure(lengths(tallies, language), _("Panjang tes"), legend),
        figure(exposures(tallies, language), _("Paparan butir, dari yang paling sering"), legend),
        "</div>",
        heading(_("Menurut kemampuan")),
    ]
    for name in competencies(runs):
        mine = [key for key, run in zip(legend, runs, strict=False) if name in run.tally.trial.pool.competencies]
        plots = (
            figure(compared(tallies, name, "rmse", language), "RMSE", mine),
            figure(compared(tallies, name, "items", language), _("Banyaknya butir"), mine),
        )
        parts.append(f'<h3>{html.escape(name)}</h3><div class="plots">{"".join(plots)}</div>')
    return document(language, _("Perbandingan rancangan tes"), parts)


def _figures(runs: Sequence[Simulated], head: Sequence[str], language: Language) -> str:
    rows: list[list[str]] = []
    marks: dict[tuple[int, int], str] = {}
    for key, (words, digits, best) in SHOWN.items():
        found = [run.figures[key] for run in runs]
        if any(v is not None for v in found):
            marks |= {(len(rows), k + 1): "best" for k in best_of(found, best)}
            cells = (percent(language, v) if digits is None else value(language, v, digits) for v in found)
            rows.append([language.gettext(words), *cells])
    return table([language.gettext("Ukuran"), *head], rows, marks=marks)


def _own(runs: Sequence[Simulated], head: Sequence[str], key: str, best: str, language: Language) -> str:
    rows: list[list[str]] = []
    marks: dict[tuple[int, int], str] = {}
    for name in competencies(runs):
        found = [run.figures[f"{key}_by_competency"].get(name) for run in runs]
        marks |= {(len(rows), k + 1): "best" for k in best_of(found, best)}
        rows.append([html.escape(name), *(value(language, v, 1 if key == "length" else 3) for v in found)])
    return table([language.gettext("Kompetensi"), *head], rows, marks=marks)


def best_of(found: Sequence[float | None], best: str) -> list[int]:
    """Which of the figures are best; none where they are all the same."""
    rank = {k: {"low": v, "high": -v, "near": abs(v)}[best] for k, v in enumerate(found) if v is not None and best}
    top = [k for k, v in rank.items() if v == min(rank.values())]
    return top if len(top) < len(rank) else []
