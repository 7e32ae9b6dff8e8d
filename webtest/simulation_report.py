"""The report of a simulation: one self-contained HTML file, its plots as inline SVG."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration.plots import number
from calibration.report import CSS
from cat_engine.irt import Floats
from cat_engine.section_time import SectionAdvice
from cat_engine.tally import LEVELS, Tally
from webtest.simulation_plots import (
    BLUE,
    FAR,
    GREEN,
    GRID,
    PALE,
    RED,
    conditional,
    exposures,
    figure,
    lengths,
    most_items,
    section_time,
    supply,
    truth,
)

__all__ = ["DOTS", "GRID", "Simulated", "document", "facts", "html_report", "table"]

DOTS = 1500  # people in the plots of estimates against the truth
STYLE = (
    CSS
    + """
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(20rem,100%),1fr));gap:1.2rem 1.5rem;margin:1rem 0}
figure strong{display:block;color:var(--ink)}.keys{display:flex;flex-wrap:wrap;gap:.1rem .9rem}.key svg{display:inline-block;width:22px;height:8px;margin-right:.35rem}
tbody th{font-size:inherit;color:inherit}.facts dd small{font-size:.9rem;color:var(--soft)}td.best{font-weight:700;color:#0b5394}td.warn{color:#a3201c;font-weight:700}
details{margin:.8rem 0}summary{cursor:pointer;color:#0b5394}.wide{max-width:100%}.wide table{min-width:0}.wide th[scope=row]{position:sticky;left:0;background:#fff}
.keys{font-size:.8rem}th a{color:#0b5394}.soft+.plots{margin-top:1.2rem}
@media(max-width:30rem){body{margin:1rem auto 2rem}h1{font-size:1.4rem}.facts{grid-template-columns:1fr 1fr}th,td{padding:.28rem .45rem}}
"""
)
TRUTHS = {
    "drawn": "Kemampuan sebenarnya diundi.", "given": "Kemampuan sebenarnya diberikan dalam berkas.",
    "all responses": "Jawaban nyata diputar ulang; perkiraan dari semua jawaban seseorang menggantikan kemampuan sebenarnya.",
}  # fmt: skip
REASONS = {
    "precision": "ketelitian tercapai", "length": "panjang maksimum", "time": "waktu habis", "bank": "butir habis", "classified": "kelas pasti",
    "information": "informasi habis", "stable": "perkiraan stabil", "diminishing": "tambahan terlalu kecil", "": "tidak diujikan",
}  # fmt: skip

LIMITS = {
    "rmse": "RMSE tiap kompetensi", "bias": "bias tiap kompetensi (mutlak)", "reliability": "reliabilitas tiap kompetensi (terhadap ragam sebenarnya)",
    "items": "panjang rata-rata", "exposure": "paparan tiap butir", "overlap": "tumpang tindih dua tes",
}  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """A finished simulation: its sums; sample[2, M, S], true and estimated abilities of the first people; advice on its sections, where answers take
    time; and what summary.json holds.
    """

    name: str
    tally: Tally
    sample: Floats
    advice: tuple[SectionAdvice, ...]
    figures: Mapping[str, Any]


def value(found: float | None, digits: int = 3) -> str:
    """A figure as it is printed; a dash where there is none."""
    return "–" if found is None else number(found, digits)


def percent(found: float | None) -> str:
    """A share as it is printed."""
    return "–" if found is None else f"{number(100 * found, 1)} %"


def reason_words(reason: str) -> str:
    """Why a competency ended, in words; of rules that fired together, each."""
    return " dan ".join(REASONS.get(part, html.escape(part)) for part in reason.split("+"))


def table(
    head: Sequence[str], rows: Sequence[Sequence[str]], *, labels: int = 1, marks: Mapping[tuple[int, int], str] | None = None
) -> str:
    """A table whose first `labels` columns are words; cells are HTML; marks, the class of some cells by (row, column)."""
    top = "".join(f"<th{'' if k < labels else ' class=n'}>{name}</th>" for k, name in enumerate(head))
    body = []
    for r, row in enumerate(rows):
        cells = (
            f"<th scope=row>{cell}</th>"
            if k == 0
            else f'<td class="{"" if k < labels else "n "}{(marks or {}).get((r, k), "")}">{cell}</td>'
            for k, cell in enumerate(row)
        )
        body.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="wide"><table><thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'


def facts(shown: Mapping[str, str]) -> str:
    """Key figures as tiles."""
    return '<dl class="facts">' + "".join(f"<div><dt>{name}</dt><dd>{text}</dd></div>" for name, text in shown.items()) + "</dl>"


def document(title: str, parts: Sequence[str]) -> str:
    """A whole HTML document with nothing loaded from elsewhere."""
    return (
        '<!doctype html><html lang="id"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )


def html_report(done: Simulated) -> str:
    """The report of one design."""
    f, tally = done.figures, done.tally
    shown = {
        "RMSE": value(f["rmse"]), "Bias": value(f["bias"]), "Reliabilitas": value(f["reliability"]),
        "Panjang rata-rata": f"{number(f['mean_length'], 1)} <small>butir</small>", "Paparan tertinggi": percent(f["max_exposure"]),
        "Tumpang tindih": percent(f["overlap"]), "Butir tak terpakai": percent(f["unused"]),
    }  # fmt: skip
    if f["accuracy"] is not None:
        shown["Ketepatan kelas"] = percent(f["accuracy"])
    if f["mean_pretest"] is not None:
        shown["Butir uji coba"] = f"{number(f['mean_pretest'], 1)} <small>tiap orang</small>"
    if f["mean_minutes"] is not None:
        shown |= {"Waktu rata-rata": f"{number(f['mean_minutes'], 1)} <small>menit</small>", "Kehabisan waktu": percent(f["out_of_time"])}
    parts = [
        f'<p class="soft">{number(f["people"])} orang, {number(f["items"])} butir; dihitung dalam {number(f["seconds"], 1)} detik. '
        f"{TRUTHS[f['truth']]}</p>",
        facts(shown), *_acceptance(done), "<h2>Kompetensi</h2>", _competencies(done), "<h2>Ketelitian yang tercapai</h2>", _reached(done),
    ]  # fmt: skip
    if done.advice:
        parts += ["<h2>Waktu</h2>", _sections(done)]
    parts += ["<h2>Alasan berhenti</h2>", _stops(tally), "<h2>Butir dan panjang tes</h2>", '<div class="plots">']
    parts += [
        figure(lengths({"": tally}), "Panjang tes"), figure(exposures({"": tally}), "Paparan butir, dari yang paling sering"), "</div>",
        "<h2>Galat menurut kemampuan</h2>",
    ]  # fmt: skip
    for s, name in enumerate(tally.trial.pool.competencies):
        parts += [f"<h3>{html.escape(name)}</h3>", _plots(done, s, name), _deciles(tally, s)]
    return document(f"Laporan simulasi: {f['plan']}", parts)


def _acceptance(done: Simulated) -> list[str]:
    """The plan's acceptance limits, where it has some, and which are kept."""
    checks = done.figures["acceptance"]
    if not checks:
        return []
    rows = [[LIMITS[c["figure"]], value(c["limit"]), value(c["value"]), "ya" if c["holds"] else "tidak"] for c in checks]
    marks = {(r, 3): "warn" for r, c in enumerate(checks) if not c["holds"]}
    return ["<h2>Syarat rancangan</h2>", table(["Syarat", "Batas", "Nilai terburuk", "Dipenuhi"], rows, marks=marks)]


def _competencies(done: Simulated) -> str:
    f = done.figures
    keys = {"Butir": ("length", 1), "RMSE": ("rmse", 3), "Bias": ("bias", 3), "Rata-rata SE": ("se", 3), "Reliabilitas": ("reliability", 3), "r² dengan kebenaran": ("squared_correlation", 3)}  # fmt: skip
    head = ["Kompetensi", *keys, *(["Ketepatan kelas"] if f["accuracy_by_competency"] else [])]
    rows = [
        [
            html.escape(name), *(value(f[f"{key}_by_competency"][name], digits) for key, digits in keys.values()),
            *([percent(f["accuracy_by_competency"].get(name))] if f["accuracy_by_competency"] else []),
        ]
        for name in done.tally.trial.pool.competencies
    ]  # fmt: skip
    note = "Reliabilitas: 1 − rata-rata SE² / ragam prior. r²: kuadrat korelasi perkiraan dengan kemampuan sebenarnya."
    return table(head, rows) + f'<p class="soft">{note}</p>'


def _reached(done: Simulated) -> str:
    """A row a competency, three cells a level of reliability."""
    timed = bool(done.advice)
    head = ["Kompetensi"]
    for level in LEVELS:
        words = f"reliabilitas {number(level, 1)}"
        head += [f"Mencapai {words}", "butir", *(["menit"] if timed else [])]
    rows = []
    for name in done.tally.trial.pool.competencies:
        row = [html.escape(name)]
        for one in (r for r in done.figures["reached"] if r["competency"] == name):
            row += [percent(one["share"]), value(one["items"], 1), *([value(one["minutes"], 1)] if timed else [])]
        rows.append(row)
    note = "Bagian orang yang mencapai tingkat itu, dan banyaknya butir kompetensi itu" + (
        " serta menit sejak tes mulai sampai tercapai (rata-rata mereka yang mencapainya)."
        if timed
        else " sampai tercapai (rata-rata mereka yang mencapainya)."
    )
    return table(head, rows) + f'<p class="soft">{note}</p>'


def _sections(done: Simulated) -> str:
    head = [
        "Bagian",
        "Rata-rata",
        "95 % selesai dalam",
        "Kehabisan waktu",
        "Batas waktu",
        "Taksiran panjang penuh",
        "Saran batas",
        "Paling lama",
    ]
    rows: list[list[str]] = []
    marks: dict[tuple[int, int], str] = {}
    for r, (one, advised) in enumerate(zip(done.figures["sections"], done.advice, strict=True)):
        keys = ("mean_minutes", "p95_minutes", "", "budget_minutes", "expected_minutes", "advised_minutes", "longest_minutes")
        rows.append([html.escape(advised.section.title), *(percent(one["out_of_time"]) if not key else value(one[key], 1) for key in keys)])
        if advised.tight:
            marks[r, 4] = "warn"
    note = (
        "Dalam menit. Saran batas: 95 dari 100 kali orang lambat (persentil ke-5) selesai, pada panjang penuh dengan butir yang diundi; "
        "paling lama: sama, dengan butir-butir yang paling makan waktu (van der Linden, 2011). Batas waktu yang lebih pendek dari saran ditandai merah."
    )
    plots = []
    for one, spent, advised in zip(done.figures["sections"], done.tally.times, done.advice, strict=True):
        title, limit_s = html.escape(advised.section.title), advised.advice.limit_s
        legend = [(RED, "batas waktu", True), *([(GREEN, "saran batas", True)] if limit_s <= FAR * advised.budget_s else [])]
        caption = f"{title}: yang selesai tepat waktu ({percent(1 - one['out_of_time'])})"
        plots.append(figure(section_time(spent, limit_s, title), caption, legend))
    return table(head, rows, marks=marks) + f'<p class="soft">{note}</p><div class="plots">{"".join(plots)}</div>'


def _stops(tally: Tally) -> str:
    names = tally.trial.pool.competencies
    reasons = sorted({reason for _, reason in tally.stops}, key=lambda reason: -sum(tally.stops[s, reason] for s in range(len(names))))
    rows = [
        [html.escape(name), *(percent(tally.stops[s, reason] / tally.people) for reason in reasons)] for s, name in enumerate(names)
    ]  # fmt: skip
    return table(["Kompetensi", *(reason_words(reason).capitalize() for reason in reasons)], rows)


def _plots(done: Simulated, s: int, name: str) -> str:
    name, most = html.escape(name), most_items(done.tally, s)
    shown = [
        figure(truth(done.sample, s, name), "Sebenarnya dan perkiraan"),
        figure(
            conditional(done.tally, s, name), "Galat menurut kemampuan",
            [(BLUE, "RMSE", False), (GREEN, "rata-rata SE", True), (RED, "bias", False)],
        ),
        figure(
            supply(done.tally, s, name), "Informasi bank dan kebutuhan",
            [(BLUE, f"{most} butir terbaik", False), (RED, "tercapai, 1/SE²", True), (PALE, "orang", False)],
        ),
    ]  # fmt: skip
    return f'<div class="plots">{"".join(shown)}</div>'


def _deciles(tally: Tally, s: int) -> str:
    by = tally.deciles
    columns = (by.mean(by.true), by.bias, by.rmse, by.mean_se, by.mean(by.items))
    rows = [
        [str(k + 1), number(by.n[s, k]), *(number(float(values[s, k]), d) for values, d in zip(columns, (2, 3, 3, 3, 1), strict=True))]
        for k in range(by.n.shape[1])
    ]
    head = ["Desil", "Orang", "Rata-rata theta", "Bias", "RMSE", "Rata-rata SE", "Butir"]
    return f"<details><summary>Menurut desil kemampuan</summary>{table(head, rows)}</details>"
