"""The calibration report: one self-contained HTML file that a psychometrician can read on screen or print."""

import html
from collections.abc import Sequence

import numpy as np

from calibration.dif_run import DifFinding
from calibration.pipeline import Proposal, recovery
from calibration.plots import ability, difficulty_scatter, error_by_answers, group_shifts, information_curves, item_curves, number, shifts
from calibration.sorting import SCRIPT
from calibration.standalone import FileCalibration
from calibration.verdicts import ItemVerdict, ScaleRun
from cat_engine import Row

CSS = """
:root{--ink:#16202b;--soft:#4d5b69;--line:#dde3e8}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,"Segoe UI",sans-serif;margin:2rem auto 4rem;max-width:74rem;padding:0 1.25rem;color:var(--ink);background:#fff}
h1{font-size:1.7rem;margin:0 0 .25rem}h2{font-size:1.25rem;margin:2.6rem 0 .6rem;border-top:2px solid var(--ink);padding-top:.7rem}
h3{font-size:1rem;margin:1.6rem 0 .5rem}p{max-width:46rem;margin:.5rem 0}.soft,figcaption{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;margin:1.2rem 0;padding:0}.facts div{border:1px solid var(--line);border-radius:6px;padding:.55rem .8rem}
.facts dt{font-size:.85rem;color:var(--soft)}.facts dd{margin:0;font-size:1.45rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;min-width:100%}
th,td{padding:.28rem .6rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}th{font-size:.85rem;color:var(--soft);font-weight:600}
td.n,th.n{text-align:right;white-space:nowrap}th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid #0b5394;outline-offset:2px}
th[aria-sort=ascending] button::after{content:" ▲"}th[aria-sort=descending] button::after{content:" ▼"}td.p{white-space:nowrap}
.note{background:#fff3dc;border-left:5px solid #8a4b00;padding:.6rem 1rem;max-width:none}
.adopt{color:#1b6e3c}.keep{color:#8a4b00}.reject{color:#a3201c;font-weight:700}
nav{margin:1rem 0}nav a{margin-right:.9rem;color:#0b5394}
.pair{margin:1.2rem 0 .6rem;display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,22.5rem));gap:1rem 1.5rem}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(15.5rem,1fr));gap:.75rem}figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem}
svg{width:100%;height:auto;display:block}svg text{font:10px system-ui,sans-serif;fill:var(--soft)}
@page{size:A4;margin:14mm}@media print{body{font-size:10pt;margin:0;max-width:none;padding:0}nav{display:none}h2{break-after:avoid}tr{break-inside:avoid}thead{display:table-header-group}.curves{grid-template-columns:repeat(3,1fr)}}
"""
VERDICTS = {"adopt": "dipakai", "keep": "tetap lama", "reject": "ditahan"}
FLAGS = {
    "no_answers": "tanpa jawaban", "few": "jawaban terlalu sedikit", "one_category": "satu kategori saja", "empty_category": "kategori kosong",
    "uncertain": "SE terlalu besar", "low_a": "daya beda rendah", "at_bound": "di batas", "misfit": "tidak cocok model", "anchor": "butir jangkar",
    "disconnected": "tidak tersambung dengan butir lain", "no_run": "butir sekompetensi terlalu sedikit", "no_anchor": "tidak ada butir jangkar yang dijawab",
    "not_converged": "estimasi tidak konvergen", "drift": "jangkar bergeser, dilepas",
    "dif": "berfungsi lain bagi suatu kelompok",
}  # fmt: skip
GROUPINGS = {"sex": "Jenis kelamin", "job_level": "Jenjang jabatan", "unit": "Unit kerja", "wave": "Gelombang"}
DIF_GUIDE = (
    "Setiap kelompok dengan sedikitnya 100 jawaban per butir dibandingkan dengan peserta lain yang berkemampuan sama menurut jawaban mereka yang lain "
    "(RDIF, Lim &amp; Choe 2023). Pergeseran: bagian rentang skor; di bawah 0 merugikan kelompok itu. Merah: p &lt; 0,01 setelah koreksi Holm dan "
    "pergeseran sedikitnya 0,1."
)
GUIDE = (
    "Kurva: garis putus-putus = parameter lama, garis biru = parameter baru, titik = rerata skor teramati dengan pita 95 % menurut posterior "
    "kemampuan peserta. RMSD: beda rerata kurva teramati dari model, per satuan skor; di atas 0,1 dianggap tidak cocok. SE: galat baku dari "
    "informasi teramati (Oakes). Butir nominal: satu kurva tiap kategori, titik = bagian jawaban teramati; a = kemiringan dan b = intersep kategori "
    "1, 2, dan seterusnya. Pergeseran: beda rerata b baru dan lama dengan pita 95 %; di luar garis putus-putus (z kekar 2,7) butir bergeser lebih "
    "daripada butir lain. Judul kolom mengurutkan tabel. A dan B: konstanta penyetaraan ke skala bank, θ = A θ' + B."
)


def html_report(proposal: Proposal, *, provisional: bool, title: str = "Laporan kalibrasi", truth: dict[str, Row] | None = None) -> str:
    """The report of a run on a bank, with nothing loaded from elsewhere. `truth` adds the recovery of known parameters."""
    notes = []
    if provisional:
        notes.append("Bank contoh, belum terkalibrasi: parameter lama bersifat sementara dan belum berasal dari jawaban peserta.")
    options = proposal.options
    how = "bebas, disetarakan ke skala bank (Stocking-Lord)" if options.mode == "free" else "butir jangkar tetap (FIPC)"
    lines = [
        f"Bank versi {proposal.base_version}. Cara: {how}. Parameter baru dipakai bila n ≥ {options.min_n} dan SE(b) ≤ {number(options.max_se, 2)}. "
        f"Waktu hitung {number(proposal.seconds, 1)} detik."
    ]
    if proposal.dropped:
        lines.append("Jawaban yang tidak dipakai: " + ", ".join(f"{html.escape(k)} {number(n)}" for k, n in proposal.dropped.items()) + ".")
    if truth is not None:
        r = recovery(proposal, truth)
        lines.append(
            f"Terhadap parameter sebenarnya ({r.n_items} butir): RMSE b {number(r.rmse_b, 3)} (r {number(r.r_b, 3)}), "
            f"RMSE a {number(r.rmse_a, 3)} (r {number(r.r_a, 3)})."
        )
    return _document(title, notes, lines, proposal.verdicts, proposal.scales, options.max_se, proposal.dif)


def html_file_report(found: FileCalibration, *, max_se: float, title: str = "Laporan kalibrasi berkas") -> str:
    """The report of a run on a file of answers that belongs to no bank."""
    return _document(title, [], [f"Waktu hitung {number(found.seconds, 1)} detik."], found.verdicts, found.scales, max_se)


def _document(
    title: str,
    notes: Sequence[str],
    lines: Sequence[str],
    verdicts: Sequence[ItemVerdict],
    scales: Sequence[ScaleRun],
    max_se: float,
    dif: Sequence[DifFinding] = (),
) -> str:
    out = [
        f'<!doctype html><html lang="id"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{CSS}</style></head><body><h1>{html.escape(title)}</h1>"
    ]
    out += [f'<p class="note"><strong>Perhatian.</strong> {html.escape(note)}</p>' for note in notes]
    out += [f'<p class="soft">{line}</p>' for line in lines]
    tally = {name: sum(v.verdict == name for v in verdicts) for name in VERDICTS}
    facts = {
        "Butir": len(verdicts), "Parameter baru dipakai": tally["adopt"], "Tetap lama": tally["keep"], "Ditahan": tally["reject"],
        "Jawaban": sum(run.n_answers for run in scales), "Orang": max((run.n_persons for run in scales), default=0),
    }  # fmt: skip
    out.append('<dl class="facts">' + "".join(f"<div><dt>{k}</dt><dd>{number(n)}</dd></div>" for k, n in facts.items()) + "</dl>")
    if len(scales) > 1:
        links = "".join(f'<a href="#k-{k}">{html.escape(run.competency)}</a>' for k, run in enumerate(scales))
        out.append(f'<nav aria-label="Kompetensi">{links}</nav>')
    out += _decisions([v for v in verdicts if v.new is not None and v.verdict != "adopt"])
    out += ["<h2>Jalannya estimasi</h2>", _scales_table(scales)]
    pair = [error_by_answers(verdicts, max_se)]
    if any(v.old is not None and v.new is not None for v in verdicts):
        pair = [difficulty_scatter(verdicts), shifts(verdicts), *pair]
    out.append('<div class="pair">' + "".join(f"<figure>{svg}</figure>" for svg in pair) + f'</div><p class="soft">{GUIDE}</p>')
    out += _dif_section(dif)
    for k, run in enumerate(scales):
        out += _scale_section(k, run, [v for v in verdicts if v.competency == run.competency])
    silent = [v for v in verdicts if v.competency not in {run.competency for run in scales}]
    if silent:
        out += ["<h2>Tanpa estimasi</h2>", *_unestimated(silent)]
    return "".join(out) + f"<script>{SCRIPT}</script></body></html>"


def _dif_section(dif: Sequence[DifFinding]) -> list[str]:
    """What was tested between groups of people: a picture a group, and the items that are flagged."""
    if not dif:
        return []
    out = ["<h2>Keberfungsian butir antarkelompok (DIF)</h2>", f'<p class="soft">{DIF_GUIDE}</p><div class="pair">']
    for grouping, group in dict.fromkeys((f.grouping, f.group) for f in dif):
        own = [f for f in dif if (f.grouping, f.group) == (grouping, group)]
        caption = f"{html.escape(GROUPINGS.get(grouping, grouping))}: {html.escape(group)} ({len(own)} butir diuji)"
        out.append(f"<figure>{group_shifts(own)}<figcaption>{caption}</figcaption></figure>")
    out.append("</div>")
    flagged = sorted((f for f in dif if f.flagged), key=lambda f: -abs(f.shift))
    if not flagged:
        return [*out, "<p>Tidak ada butir yang ditandai.</p>"]
    heads = ("n kelompok", "n lainnya", "Pergeseran", "SE", "p (Holm)")
    out += [
        '<div class="wide"><table><thead><tr><th>Butir</th><th>Kelompok</th>',
        *(f'<th class="n">{h}</th>' for h in heads),
        "</tr></thead><tbody>",
    ]
    for f in flagged:
        cells = (number(f.n_focal), number(f.n_reference), number(f.shift, 3), number(f.se, 3), number(f.p, 4))
        name = f"{html.escape(GROUPINGS.get(f.grouping, f.grouping))}: {html.escape(f.group)}"
        out.append(
            f'<tr><td class="p">{html.escape(f.item_id)}</td><td>{name}</td>' + "".join(f'<td class="n">{c}</td>' for c in cells) + "</tr>"
        )
    return [*out, "</tbody></table></div>"]


def _decisions(verdicts: Sequence[ItemVerdict]) -> list[str]:
    """First what a person has to decide: estimates that are not adopted by themselves."""
    if not verdicts:
        return ["<h2>Perlu diputuskan</h2><p>Tidak ada: semua butir yang dapat diestimasi memenuhi syarat.</p>"]
    ordered = sorted(verdicts, key=lambda v: (v.verdict != "reject", v.item_id))
    return [f"<h2>Perlu diputuskan ({len(ordered)})</h2>", _items_table(ordered)]


def _scales_table(scales: Sequence[ScaleRun]) -> str:
    girth = any(np.isfinite(run.girth_correlation) for run in scales)
    heads = ["Orang", "Jawaban", "Rerata", "SD", "A", "B", "log-kemungkinan", "Siklus", *["r dengan girth"] * girth]
    out = ['<div class="wide"><table><thead><tr><th>Kompetensi</th>', *(f'<th class="n">{head}</th>' for head in heads), "<th>Konvergen</th></tr></thead><tbody>"]  # fmt: skip
    for run in scales:
        cells = [
            number(run.n_persons), number(run.n_answers), number(run.mean, 2), number(run.sd, 2), number(run.slope, 3), number(run.intercept, 3),
            number(run.loglik, 1), number(run.n_cycles), *[number(run.girth_correlation, 3)] * girth,
        ]  # fmt: skip
        out.append(f"<tr><td>{html.escape(run.competency) or 'semua butir'}</td>" + "".join(f'<td class="n">{cell}</td>' for cell in cells))
        out.append("<td>ya</td></tr>" if run.converged else '<td class="reject">tidak</td></tr>')
    return "".join(out) + "</tbody></table></div>"


def _scale_section(k: int, run: ScaleRun, verdicts: Sequence[ItemVerdict]) -> list[str]:
    estimated = sorted((v for v in verdicts if v.new is not None), key=lambda v: v.item_id)
    out = [f'<h2 id="k-{k}">{html.escape(run.competency) or "Semua butir"}</h2>']
    old = [v.old for v in estimated if v.old is not None]
    plots = [ability(run), *([information_curves(old, [v.new for v in estimated if v.new is not None])] if estimated else [])]
    out.append('<div class="pair">' + "".join(f"<figure>{svg}</figure>" for svg in plots) + "</div>")
    out.append(_items_table(estimated))
    out += _unestimated([v for v in verdicts if v.new is None])
    out.append("<h3>Kurva butir</h3><div class=curves>")
    for v, picture in zip(estimated, item_curves(estimated, run), strict=True):
        caption = f'{html.escape(v.item_id)} · n {number(v.n)} · <span class="{v.verdict}">{VERDICTS[v.verdict]}</span>'
        out.append(f"<figure>{picture}<figcaption>{caption}</figcaption></figure>")
    return [*out, "</div>"]


def _items_table(verdicts: Sequence[ItemVerdict]) -> str:
    old = any(v.old is not None for v in verdicts)
    girth = any(np.isfinite(v.girth_b) for v in verdicts)
    heads = ["n", "SE a", "SE b terbesar", "RMSD", *["b girth"] * girth]
    out = ['<div class="wide"><table><thead><tr><th>Butir</th>', *(["<th>Lama</th>"] * old), "<th>Baru</th>"]
    out += [*(f'<th class="n">{head}</th>' for head in heads), "<th>Putusan</th><th>Catatan</th></tr></thead><tbody>"]
    for v in verdicts:
        numbers = [
            number(v.n),
            number(max(v.se_slopes, default=v.se_a), 2),
            number(max(v.se_b), 2),
            number(v.rmsd, 3),
            *[number(v.girth_b, 2)] * girth,
        ]
        rows = [v.old, v.new] if old else [v.new]
        out.append(f'<tr><td class="p">{html.escape(v.item_id)}</td>' + "".join(f'<td class="p">{_parameters(row)}</td>' for row in rows))
        out.append("".join(f'<td class="n">{cell}</td>' for cell in numbers))
        out.append(f'<td class="p {v.verdict}">{VERDICTS[v.verdict]}</td><td>{", ".join(FLAGS[flag] for flag in v.flags)}</td></tr>')
    return "".join(out) + "</tbody></table></div>"


def _unestimated(verdicts: Sequence[ItemVerdict]) -> list[str]:
    """Items without an estimate, by reason, with their number of answers."""
    out = []
    for flag in dict.fromkeys(v.flags[0] for v in verdicts):
        mine = [f"{html.escape(v.item_id)} ({number(v.n)})" for v in verdicts if v.flags[0] == flag]
        out.append(f"<p><strong>{FLAGS[flag].capitalize()}</strong> – {len(mine)} butir tanpa estimasi (n): {', '.join(mine)}.</p>")
    return out


def _parameters(row: Row | None) -> str:
    if row is None:
        return "–"
    ends = [("c", row.c)] if row.model in ("3pl", "4pl") else []
    ends += [("d", row.d)] if row.model == "4pl" else []
    slopes = "; ".join(number(v, 2) for v in row.slopes or [row.a])
    return f"a {slopes}; b " + "; ".join(number(v, 2) for v in row.b) + "".join(f"; {name} {number(v, 2)}" for name, v in ends)
