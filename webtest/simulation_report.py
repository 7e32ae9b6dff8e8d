"""The report of a simulation: one self-contained HTML file, its plots as inline SVG, in a Language."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from calibration.language import INDONESIAN, N_, Language
from calibration.report import CSS
from cat_engine.irt import Floats
from cat_engine.rates import limit_of
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
    "drawn": N_("Kemampuan sebenarnya diundi."), "given": N_("Kemampuan sebenarnya diberikan dalam berkas."),
    "all responses": N_("Jawaban nyata diputar ulang; perkiraan dari semua jawaban seseorang menggantikan kemampuan sebenarnya."),
}  # fmt: skip
REASONS = {
    "precision": N_("ketelitian tercapai"), "length": N_("panjang maksimum"), "time": N_("waktu habis"), "bank": N_("butir habis"),
    "classified": N_("kelas pasti"), "information": N_("informasi habis"), "stable": N_("perkiraan stabil"),
    "diminishing": N_("tambahan terlalu kecil"), "": N_("tidak diujikan"),
}  # fmt: skip
LIMITS = {
    "rmse": N_("RMSE tiap kompetensi"), "bias": N_("bias tiap kompetensi (mutlak)"),
    "reliability": N_("reliabilitas tiap kompetensi (terhadap ragam sebenarnya)"), "items": N_("panjang rata-rata"),
    "exposure": N_("paparan tiap butir"), "overlap": N_("tumpang tindih dua tes"),
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


def value(language: Language, found: float | None, digits: int = 3) -> str:
    """A figure as it is printed; a dash where there is none."""
    return "–" if found is None else language.number(found, digits)


def percent(language: Language, found: float | None) -> str:
    """A share as it is printed."""
    return "–" if found is None else f"{language.number(100 * found, 1)} %"


def reason_words(language: Language, reason: str) -> str:
    """Why a competency ended, in words; of rules that fired together, each."""
    words = (language.gettext(REASONS[part]) if part in REASONS else html.escape(part) for part in reason.split("+"))
    return language.gettext(" dan ").join(words)


def heading(text: str) -> str:
    """The head of a section."""
    return f"<h2>{text}</h2>"


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


def document(language: Language, title: str, parts: Sequence[str]) -> str:
    """A whole HTML document with nothing loaded from elsewhere."""
    return (
        f'<!doctype html><html lang="{language.code}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{STYLE}</style></head><body><h1>{html.escape(title)}</h1>{''.join(parts)}</body></html>\n"
    )


def html_report(done: Simulated, language: Language = INDONESIAN) -> str:
    """The report of one design."""
    f, tally = done.figures, done.tally
    _, number = language.gettext, language.number
    items, minutes = _("butir"), _("menit")
    shown = {
        "RMSE": value(language, f["rmse"]), _("Bias"): value(language, f["bias"]), _("Reliabilitas"): value(language, f["reliability"]),
        _("Panjang rata-rata"): f"{number(f['mean_length'], 1)} <small>{items}</small>",
        _("Paparan tertinggi"): percent(language, f["max_exposure"]), _("Tumpang tindih"): percent(language, f["overlap"]),
        _("Butir tak terpakai"): percent(language, f["unused"]),
    }  # fmt: skip
    if f["accuracy"] is not None:
        shown[_("Ketepatan kelas")] = percent(language, f["accuracy"])
    if f["mean_pretest"] is not None:
        each = _("tiap orang")
        shown[_("Butir uji coba")] = f"{number(f['mean_pretest'], 1)} <small>{each}</small>"
    if f["mean_minutes"] is not None:
        shown |= {
            _("Waktu rata-rata"): f"{number(f['mean_minutes'], 1)} <small>{minutes}</small>",
            _("Kehabisan waktu"): percent(language, f["out_of_time"]),
        }
    size = _("{people} orang, {items} butir; dihitung dalam {seconds} detik.").format(
        people=number(f["people"]), items=number(f["items"]), seconds=number(f["seconds"], 1)
    )
    known = TRUTHS[f["truth"]]
    parts = [
        f'<p class="soft">{size} {_(known)}</p>', facts(shown), *_rates(done, language), *_acceptance(done, language),
        heading(_("Menurut kompetensi")), _competencies(done, language), heading(_("Ketelitian yang tercapai")), _reached(done, language),
    ]  # fmt: skip
    if done.advice:
        parts += [heading(_("Waktu")), _sections(done, language)]
    parts += [heading(_("Alasan berhenti")), _stops(tally, language), heading(_("Butir dan panjang tes")), '<div class="plots">']
    parts += [
        figure(lengths({"": tally}, language), _("Panjang tes")),
        figure(exposures({"": tally}, language), _("Paparan butir, dari yang paling sering")), "</div>",
        heading(_("Galat menurut kemampuan")),
    ]  # fmt: skip
    for s, name in enumerate(tally.trial.pool.competencies):
        parts += [f"<h3>{html.escape(name)}</h3>", _plots(done, s, name, language), _deciles(tally, s, language)]
    return document(language, _("Laporan simulasi: {plan}").format(plan=f["plan"]), parts)


def _rates(done: Simulated, language: Language) -> list[str]:
    """That the plan's limit of exposure was not kept, where it was not."""
    above, limit, _ = done.figures["above_r_max"], limit_of(done.tally.trial.plan.eligibility), language.gettext
    if not above or limit is None:
        return []
    words = _("Batas paparan {limit} tidak terjaga, melebihi yang dapat dijelaskan oleh kebetulan, pada butir: {items}.")
    return [f'<p class="note">{words.format(limit=percent(language, limit), items=html.escape(", ".join(above)))}</p>']


def _acceptance(done: Simulated, language: Language) -> list[str]:
    """The plan's acceptance limits, where it has some, and which are kept."""
    checks, _ = done.figures["acceptance"], language.gettext
    if not checks:
        return []
    yes, no = _("ya"), _("tidak")
    limits = {figure: _(words) for figure, words in LIMITS.items()}
    rows = [[limits[c["figure"]], value(language, c["limit"]), value(language, c["value"]), yes if c["holds"] else no] for c in checks]
    marks = {(r, 3): "warn" for r, c in enumerate(checks) if not c["holds"]}
    return [heading(_("Syarat rancangan")), table([_("Syarat"), _("Batas"), _("Nilai terburuk"), _("Dipenuhi")], rows, marks=marks)]


def _competencies(done: Simulated, language: Language) -> str:
    f, _ = done.figures, language.gettext
    keys = {
        _("Butir"): ("length", 1), "RMSE": ("rmse", 3), _("Bias"): ("bias", 3), _("Rata-rata SE"): ("se", 3),
        _("Reliabilitas"): ("reliability", 3), _("r² dengan kemampuan sebenarnya"): ("squared_correlation", 3),
    }  # fmt: skip
    head = [_("Kompetensi"), *keys, *([_("Ketepatan kelas")] if f["accuracy_by_competency"] else [])]
    rows = [
        [
            html.escape(name), *(value(language, f[f"{key}_by_competency"][name], digits) for key, digits in keys.values()),
            *([percent(language, f["accuracy_by_competency"].get(name))] if f["accuracy_by_competency"] else []),
        ]
        for name in done.tally.trial.pool.competencies
    ]  # fmt: skip
    note = _("Reliabilitas: 1 − rata-rata SE² / ragam prior. r²: kuadrat korelasi perkiraan dengan kemampuan sebenarnya.")
    return table(head, rows) + f'<p class="soft">{note}</p>'


def _reached(done: Simulated, language: Language) -> str:
    """A row a competency, three cells a level of reliability."""
    timed, _ = bool(done.advice), language.gettext
    head = [_("Kompetensi")]
    for level in LEVELS:
        reached = _("Mencapai reliabilitas {level}").format(level=language.number(level, 1))
        head += [reached, _("butir"), *([_("menit")] if timed else [])]
    rows = []
    for name in done.tally.trial.pool.competencies:
        row = [html.escape(name)]
        for one in (r for r in done.figures["reached"] if r["competency"] == name):
            minutes = [value(language, one["minutes"], 1)] if timed else []
            row += [percent(language, one["share"]), value(language, one["items"], 1), *minutes]
        rows.append(row)
    untimed_note = _(
        "Bagian orang yang mencapai tingkat itu, dan banyaknya butir kompetensi itu sampai tercapai (rata-rata mereka yang mencapainya)."
    )
    timed_note = _(
        "Bagian orang yang mencapai tingkat itu, dan banyaknya butir kompetensi itu serta menit sejak tes mulai sampai tercapai "
        "(rata-rata mereka yang mencapainya)."
    )
    return table(head, rows) + f'<p class="soft">{timed_note if timed else untimed_note}</p>'


def _sections(done: Simulated, language: Language) -> str:
    _ = language.gettext
    head = [
        _("Bagian"), _("Rata-rata"), _("Selesai dalam (95 %)"), _("Kehabisan waktu"), _("Batas waktu"), _("Taksiran panjang penuh"),
        _("Saran batas"), _("Paling lama"),
    ]  # fmt: skip
    rows: list[list[str]] = []
    marks: dict[tuple[int, int], str] = {}
    for r, (one, advised) in enumerate(zip(done.figures["sections"], done.advice, strict=True)):
        late = percent(language, one["out_of_time"])
        mean, p95, *rest = (
            value(language, one[f"{key}_minutes"], 1) for key in ("mean", "p95", "budget", "expected", "advised", "longest")
        )
        rows.append([html.escape(advised.section.title), mean, p95, late, *rest])
        if advised.tight:
            marks[r, 4] = "warn"
    note = _(
        "Dalam menit. Saran batas: 95 dari 100 kali orang lambat (persentil ke-5) selesai, pada panjang penuh dengan butir yang diundi; "
        "paling lama: sama, dengan butir-butir yang paling makan waktu (van der Linden, 2011). Batas waktu yang lebih pendek dari saran ditandai merah."
    )
    plots = []
    for one, spent, advised in zip(done.figures["sections"], done.tally.times, done.advice, strict=True):
        if one["out_of_time"] == 1:  # nobody to be shown
            continue
        title, limit_s = html.escape(advised.section.title), advised.advice.limit_s
        legend = [(RED, _("batas waktu"), True), *([(GREEN, _("saran batas"), True)] if limit_s <= FAR * advised.budget_s else [])]
        caption = _("{section}: yang selesai tepat waktu ({share})").format(section=title, share=percent(language, 1 - one["out_of_time"]))
        plots.append(figure(section_time(spent, limit_s, title, language), caption, legend))
    return table(head, rows, marks=marks) + f'<p class="soft">{note}</p><div class="plots">{"".join(plots)}</div>'


def _stops(tally: Tally, language: Language) -> str:
    names = tally.trial.pool.competencies
    reasons = sorted({reason for _, reason in tally.stops}, key=lambda reason: -sum(tally.stops[s, reason] for s in range(len(names))))
    rows = [
        [html.escape(name), *(percent(language, tally.stops[s, reason] / tally.people) for reason in reasons)]
        for s, name in enumerate(names)
    ]
    return table([language.gettext("Kompetensi"), *(reason_words(language, reason).capitalize() for reason in reasons)], rows)


def _plots(done: Simulated, s: int, name: str, language: Language) -> str:
    name, most, _ = html.escape(name), most_items(done.tally, s), language.gettext
    best = language.ngettext("{num} butir terbaik", "{num} butir terbaik", most).format(num=language.number(most))
    shown = [
        figure(truth(done.sample, s, name, language), _("Sebenarnya dan perkiraan")),
        figure(
            conditional(done.tally, s, name, language), _("Galat menurut kemampuan"),
            [(BLUE, "RMSE", False), (GREEN, _("rata-rata SE"), True), (RED, _("bias"), False)],
        ),
        figure(
            supply(done.tally, s, name, language), _("Informasi bank dan kebutuhan"),
            [(BLUE, best, False), (RED, _("tercapai, 1/SE²"), True), (PALE, _("orang"), False)],
        ),
    ]  # fmt: skip
    return f'<div class="plots">{"".join(shown)}</div>'


def _deciles(tally: Tally, s: int, language: Language) -> str:
    by, _, number = tally.deciles, language.gettext, language.number
    columns = (by.mean(by.true), by.bias, by.rmse, by.mean_se, by.mean(by.items))
    rows = [
        [str(k + 1), number(by.n[s, k]), *(number(float(values[s, k]), d) for values, d in zip(columns, (2, 3, 3, 3, 1), strict=True))]
        for k in range(by.n.shape[1])
    ]
    head = [_("Desil"), _("Orang"), _("Rata-rata theta"), _("Bias"), "RMSE", _("Rata-rata SE"), _("Butir")]
    summary = _("Menurut desil kemampuan")
    return f"<details><summary>{summary}</summary>{table(head, rows)}</details>"
