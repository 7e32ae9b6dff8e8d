"""The calibration report: one self-contained HTML file that a psychometrician can read on screen or print, in Languages."""

import html
import math
from collections.abc import Iterable, Mapping, Sequence

from calibration.dif_run import DifFinding
from calibration.drawings import Drawings, ScaleDrawings
from calibration.flags import FLAGS, SENTENCES, told
from calibration.language import INDONESIAN, N_, Language
from calibration.pair_residuals import MOST_ITEMS, PairFindings
from calibration.pipeline import Proposal, Recovery, recovery
from calibration.plots import Picture
from calibration.sorting import SCRIPT
from calibration.standalone import FileCalibration
from calibration.verdicts import ItemVerdict, ScaleRun
from cat_engine import Row

CSS = """
:root{--ink:#16202b;--soft:#4d5b69;--line:#dde3e8}
*{box-sizing:border-box}body{font:15px/1.5 system-ui,"Segoe UI",sans-serif;margin:2rem auto 4rem;max-width:80rem;padding:0 1.25rem;color:var(--ink);background:#fff}
h1{font-size:1.7rem;margin:0 0 .25rem}h2{font-size:1.25rem;margin:2.6rem 0 .6rem;border-top:2px solid var(--ink);padding-top:.7rem}
h3{font-size:1rem;margin:1.6rem 0 .5rem}p{max-width:46rem;margin:.5rem 0}.soft,figcaption{color:var(--soft)}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(9rem,1fr));gap:.6rem;margin:1.2rem 0;padding:0}.facts div{border:1px solid var(--line);border-radius:6px;padding:.55rem .8rem}
.facts dt{font-size:.85rem;color:var(--soft)}.facts dd{margin:0;font-size:1.45rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums;min-width:100%}
th,td{padding:.28rem .45rem;border-bottom:1px solid var(--line);text-align:left;vertical-align:top}th{font-size:.85rem;color:var(--soft);font-weight:600}
td.n,th.n{text-align:right}td.n{white-space:nowrap}td.why{min-width:8rem}th button{all:unset;cursor:pointer}th button:focus-visible{outline:2px solid #0b5394;outline-offset:2px}
th[aria-sort=ascending] button::after{content:" ▲"}th[aria-sort=descending] button::after{content:" ▼"}td.p,td:first-child{white-space:nowrap}
.note{background:#fff3dc;border-left:5px solid #8a4b00;padding:.6rem 1rem;max-width:none}
.adopt{color:#1b6e3c}.keep{color:#8a4b00}.reject{color:#a3201c;font-weight:700}
nav{margin:1rem 0}nav a{margin-right:.9rem;color:#0b5394}
.pair{margin:1.2rem 0 .6rem;display:grid;grid-template-columns:repeat(auto-fit,minmax(19rem,22.5rem));gap:1rem 1.5rem}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(15.5rem,1fr));gap:.75rem}figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem}
svg{width:100%;height:auto;display:block}svg text{font:10px system-ui,sans-serif;fill:var(--soft)}
@page{size:A4;margin:14mm}@media print{body{font-size:10pt;margin:0;max-width:none;padding:0}nav{display:none}h2{break-after:avoid}tr{break-inside:avoid}thead{display:table-header-group}.curves,.pair{grid-template-columns:repeat(3,1fr)}
.wide{overflow:visible}table{font-size:8pt}th,td{padding:.15rem .25rem;font-size:inherit}td.p:not(:first-child){white-space:normal}td.why{min-width:0}}
"""
VERDICTS = {"adopt": N_("dipakai"), "keep": N_("lama dipertahankan"), "reject": N_("ditahan")}
GROUPINGS = {"sex": N_("Jenis kelamin"), "job_level": N_("Jenjang jabatan"), "unit": N_("Unit kerja"), "wave": N_("Gelombang")}
HOW = {
    "free": N_("semua butir bebas, disetarakan ke skala bank (Stocking-Lord)"),
    "anchored": N_("butir jangkar tetap (FIPC)"),
    "online": N_("hanya butir uji coba, butir lain tetap ({variant})"),
}
DROPPED = {
    "dibatalkan": N_("dibatalkan"),
    "terburu-buru": N_("terlalu cepat untuk dibaca"),
}  # why answers were left out, as the installation's record has it
DIF_GUIDE = N_(
    "Setiap kelompok dengan sedikitnya 100 jawaban per butir dibandingkan dengan peserta lain yang berkemampuan sama menurut jawaban mereka yang lain "
    "(RDIF, Lim & Choe 2023). Pergeseran: bagian rentang skor; di bawah 0 merugikan kelompok itu. Merah: p < 0,01 setelah koreksi Holm dan "
    "pergeseran sedikitnya 0,1."
)
MOST_PAIRS_SHOWN = 30
PAIRS_GUIDE = N_(
    "Pasangan butir sekompetensi yang dijawab sedikitnya 50 orang yang sama. Q3: korelasi jawaban mereka sesudah kemampuan diperhitungkan (Yen 1984), 0 bila "
    "model cocok. Ditandai: Q3 sedikitnya 0,2 dan p < 0,01 setelah koreksi Holm. Butir seperti itu jangan diberikan dalam satu tes, atau nilailah sebagai satu "
    "butir; parameter barunya menganggap keduanya bebas, sehingga menunggu putusan."
)
GUIDE = N_(
    "Kurva: garis putus-putus = parameter lama, garis biru = parameter baru, titik = rerata skor teramati dengan pita 95 % menurut posterior "
    "kemampuan peserta. RMSD: beda rerata kurva teramati dari model, per satuan skor; di atas 0,1 dianggap tidak cocok. SE: galat baku dari "
    "informasi teramati (Oakes). Butir nominal: satu kurva tiap kategori, titik = bagian jawaban teramati; a = kemiringan dan b = intersep kategori "
    "1, 2, dan seterusnya. Pergeseran: beda rerata b baru dan lama dengan pita 95 %; di luar garis putus-putus (z kekar 2,7) butir bergeser lebih "
    "daripada butir lain. Butir bank yang terkalibrasi ditandai bila z kekarnya di atas 2,7 atau d2 (rerata kuadrat beda kurva) di atas 0,01, dan "
    "itu lebih daripada 2,7 galat bakunya sendiri. Judul kolom mengurutkan tabel. A dan B: konstanta penyetaraan ke skala bank, θ = A θ' + B."
)


def html_report(proposal: Proposal, *, provisional: bool, truth: Mapping[str, Row] | None = None, language: Language = INDONESIAN) -> str:
    """The report of a run on a bank, with nothing loaded from elsewhere. `truth` adds the recovery of known parameters."""
    return html_reports(proposal, (language,), provisional=provisional, truth=truth)[0]


def html_reports(
    proposal: Proposal, languages: Iterable[Language], *, provisional: bool, truth: Mapping[str, Row] | None = None
) -> list[str]:
    """The same in each of several languages: what is measured and drawn is the same in all."""
    drawn = Drawings.of(proposal.verdicts, proposal.scales, proposal.dif, proposal.options.max_se)
    near = recovery(proposal, truth) if truth is not None else None
    return [_run_report(proposal, drawn, provisional, near, language) for language in languages]


def _run_report(proposal: Proposal, drawn: Drawings, provisional: bool, near: Recovery | None, language: Language) -> str:
    _, number = language.gettext, language.number
    title = _("Laporan kalibrasi bank versi {version}").format(version=proposal.base_version)
    notes = []
    if provisional:
        notes.append(_("Bank contoh, belum terkalibrasi: parameter lama bersifat sementara dan belum berasal dari jawaban peserta."))
    options = proposal.options
    how = _(HOW[options.mode]).format(variant=options.mml.fipc.upper())
    lines = [
        _("Cara: {how}. Parameter baru dipakai bila n ≥ {n} dan SE(b) ≤ {se}. Waktu hitung {seconds} detik.").format(
            how=how, n=number(options.min_n), se=number(options.max_se, 2), seconds=number(proposal.seconds, 1)
        )
    ]
    if proposal.dropped:
        dropped = ", ".join(f"{_(DROPPED.get(why, why))} {number(n)}" for why, n in proposal.dropped.items())
        lines.append(_("Jawaban yang tidak dipakai: {dropped}.").format(dropped=dropped))
    if near is not None:
        text = language.ngettext(
            "Terhadap parameter sebenarnya ({num} butir): RMSE b {b} (r {rb}), RMSE a {a} (r {ra}).",
            "Terhadap parameter sebenarnya ({num} butir): RMSE b {b} (r {rb}), RMSE a {a} (r {ra}).",
            near.n_items,
        )
        figures = {"b": near.rmse_b, "rb": near.r_b, "a": near.rmse_a, "ra": near.r_a}
        lines.append(text.format(num=number(near.n_items), **{name: number(value, 3) for name, value in figures.items()}))
    return _document(title, notes, lines, proposal.verdicts, proposal.scales, drawn, proposal.pairs, language)


def html_file_report(found: FileCalibration, *, max_se: float, language: Language = INDONESIAN) -> str:
    """The report of a run on a file of answers that belongs to no bank."""
    line = language.gettext("Waktu hitung {seconds} detik.").format(seconds=language.number(found.seconds, 1))
    drawn = Drawings.of(found.verdicts, found.scales, (), max_se)
    return _document(
        language.gettext("Laporan kalibrasi berkas"),
        [],
        [line],
        found.verdicts,
        found.scales,
        drawn,
        [found.pairs] if found.pairs else [],
        language,
    )


def _document(
    title: str,
    notes: Sequence[str],
    lines: Sequence[str],
    verdicts: Sequence[ItemVerdict],
    scales: Sequence[ScaleRun],
    drawn: Drawings,
    pairs: Sequence[PairFindings],
    language: Language,
) -> str:
    _ = language.gettext
    caution = _("Perhatian.")
    out = [
        f'<!doctype html><html lang="{language.code}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{CSS}</style></head><body><h1>{html.escape(title)}</h1>"
    ]
    out += [f'<p class="note"><strong>{caution}</strong> {html.escape(note)}</p>' for note in notes]
    out += [f'<p class="soft">{html.escape(line)}</p>' for line in lines]
    tally = {name: sum(v.verdict == name for v in verdicts) for name in VERDICTS}
    facts = {
        _("Butir"): len(verdicts), _("Parameter baru dipakai"): tally["adopt"], _("Tetap lama"): tally["keep"], _("Ditahan"): tally["reject"],
        _("Jawaban dipakai"): sum(run.n_answers for run in scales), _("Orang"): max((run.n_persons for run in scales), default=0),
    }  # fmt: skip
    out.append('<dl class="facts">' + "".join(f"<div><dt>{k}</dt><dd>{language.number(n)}</dd></div>" for k, n in facts.items()) + "</dl>")
    if len(scales) > 1:
        links = " ".join(f'<a href="#k-{k}">{html.escape(run.competency)}</a>' for k, run in enumerate(scales))
        label = _("Kompetensi")
        out.append(f'<nav aria-label="{label}">{links}</nav>')
    out += _decisions([v for v in verdicts if v.new is not None and v.verdict != "adopt"], language)
    out += [_heading(_("Jalannya estimasi")), _scales_table(scales, language)]
    guide = html.escape(_(GUIDE), quote=False)
    out.append(f'{_pair(drawn.overview, language)}<p class="soft">{guide}</p>')
    out += _dif_section(drawn, language)
    out += _pairs_section(pairs, language)
    for k, (run, own) in enumerate(zip(scales, drawn.scales, strict=True)):
        unestimated = [v for v in verdicts if v.competency == run.competency and v.new is None]
        out += _scale_section(k, run, own, unestimated, language)
    silent = [v for v in verdicts if v.competency not in {run.competency for run in scales}]
    if silent:
        out += [_heading(_("Tanpa estimasi")), *_unestimated(silent, language)]
    return "".join(out) + f"<script>{SCRIPT}</script></body></html>"


def _heading(text: str) -> str:
    return f"<h2>{text}</h2>"


def _pair(pictures: Iterable[Picture], language: Language) -> str:
    return '<div class="pair">' + "".join(f"<figure>{picture.svg(language)}</figure>" for picture in pictures) + "</div>"


def _numeric(heads: Sequence[str]) -> str:
    """Heads of columns of numbers."""
    return "".join(f'<th class="n">{head}</th>' for head in heads)


def _dif_section(drawn: Drawings, language: Language) -> list[str]:
    """What was tested between groups of people: a picture a group, and the items that are flagged."""
    if not drawn.groups:
        return []
    _, number = language.gettext, language.number
    guide = html.escape(_(DIF_GUIDE), quote=False)
    out = [_heading(_("Keberfungsian butir antarkelompok (DIF)")), f'<p class="soft">{guide}</p><div class="pair">']
    for own, picture in drawn.groups:
        tested = language.ngettext("{num} butir diuji", "{num} butir diuji", len(own)).format(num=number(len(own)))
        out.append(f"<figure>{picture.svg(language)}<figcaption>{_group(own[0], language)} ({tested})</figcaption></figure>")
    out.append("</div>")
    flagged = sorted((f for own, _ in drawn.groups for f in own if f.flagged), key=lambda f: -abs(f.shift))
    if not flagged:
        return [*out, "<p>", _("Tidak ada butir yang ditandai."), "</p>"]
    item, group = language.pgettext("satu", "Butir"), _("Kelompok")
    heads = _numeric((_("n kelompok"), _("n lainnya"), _("Pergeseran"), "SE", "p (Holm)"))
    out.append(f'<div class="wide"><table><thead><tr><th>{item}</th><th>{group}</th>{heads}</tr></thead><tbody>')
    for f in flagged:
        cells = (number(f.n_focal), number(f.n_reference), number(f.shift, 3), number(f.se, 3), number(f.p, 4))
        name = _group(f, language)
        out.append(
            f'<tr><td class="p">{html.escape(f.item_id)}</td><td>{name}</td>' + "".join(f'<td class="n">{c}</td>' for c in cells) + "</tr>"
        )
    return [*out, "</tbody></table></div>"]


def _pairs_section(pairs: Sequence[PairFindings], language: Language) -> list[str]:
    """How many pairs of items were tested, and those whose answers go together beyond ability."""
    _, number = language.gettext, language.number
    tested = sum(found.tested for found in pairs)
    if not pairs:
        return []
    guide = html.escape(_(PAIRS_GUIDE), quote=False)
    counted = language.ngettext("{num} pasangan diuji.", "{num} pasangan diuji.", tested).format(num=number(tested))
    out = [_heading(_("Butir yang saling bergantung (Q3)")), f'<p class="soft">{guide}</p><p>{counted}']
    for found in pairs:
        name = html.escape(found.competency) or _("Semua butir")
        if found.every == 0:
            out.append(" " + _("{name}: tidak diuji, karena butirnya lebih dari {most}.").format(name=name, most=number(MOST_ITEMS)))
        elif found.every > 1:
            out.append(" " + _("{name}: menurut satu dari tiap {n} orang.").format(name=name, n=number(found.every)))
    out.append("</p>")
    flagged = sorted(((pair, found.competency) for found in pairs for pair in found.flagged_pairs()), key=lambda own: -own[0].q3)
    if not flagged:
        return [*out, "<p>", _("Tidak ada pasangan yang ditandai."), "</p>"]
    item, other, competency = language.pgettext("satu", "Butir"), _("Butir pasangannya"), _("Kompetensi")
    heads = _numeric((_("n keduanya"), "Q3", "p (Holm)"))
    out.append(f'<div class="wide"><table><thead><tr><th>{item}</th><th>{other}</th><th>{competency}</th>{heads}</tr></thead><tbody>')
    for pair, name in flagged[:MOST_PAIRS_SHOWN]:
        words = "".join(f'<td class="p">{html.escape(text)}</td>' for text in (pair.item_id, pair.other, name or _("Semua butir")))
        out.append(
            f"<tr>{words}" + "".join(f'<td class="n">{c}</td>' for c in (number(pair.n), number(pair.q3, 2), number(pair.p, 4))) + "</tr>"
        )
    out.append("</tbody></table></div>")
    rest = len(flagged) - MOST_PAIRS_SHOWN
    if rest > 0:
        text = language.ngettext(
            "dan {num} pasangan lain, yang Q3-nya lebih rendah.", "dan {num} pasangan lain, yang Q3-nya lebih rendah.", rest
        )
        out.append(f'<p class="soft">{text.format(num=number(rest))}</p>')
    return out


def _group(f: DifFinding, language: Language) -> str:
    """A group by what it is a group of and by its own name, translated where it is one of the installation's texts."""
    return f"{html.escape(language.gettext(GROUPINGS.get(f.grouping, f.grouping)))}: {html.escape(language.gettext(f.group))}"


def _decisions(verdicts: Sequence[ItemVerdict], language: Language) -> list[str]:
    """First what a person has to decide: estimates that are not adopted by themselves."""
    _ = language.gettext
    if not verdicts:
        return [_heading(_("Perlu diputuskan")), "<p>", _("Tidak ada: semua butir yang dapat diestimasi memenuhi syarat."), "</p>"]
    ordered = sorted(verdicts, key=lambda v: (v.verdict != "reject", v.item_id))
    return [
        _heading(_("Perlu diputuskan ({n})").format(n=language.number(len(ordered)))),
        _items_table(ordered, language),
        _meanings(ordered, language),
    ]


def _scales_table(scales: Sequence[ScaleRun], language: Language) -> str:
    _, number = language.gettext, language.number
    girth = any(math.isfinite(run.girth_correlation) for run in scales)
    heads = [_("Orang"), _("Jawaban"), _("Rerata"), _("SD"), "A", "B", _("log-kemungkinan"), _("Siklus"), *[_("r dengan girth")] * girth]
    competency, converged, whole, yes, no = _("Kompetensi"), _("Konvergen"), _("Semua butir"), _("ya"), _("tidak")
    out = [f'<div class="wide"><table><thead><tr><th>{competency}</th>{_numeric(heads)}<th>{converged}</th></tr></thead><tbody>']
    for run in scales:
        cells = [
            number(run.n_persons), number(run.n_answers), number(run.mean, 2), number(run.sd, 2), number(run.slope, 3), number(run.intercept, 3),
            number(run.loglik, 1), number(run.n_cycles), *[number(run.girth_correlation, 3)] * girth,
        ]  # fmt: skip
        out.append(f"<tr><td>{html.escape(run.competency) or whole}</td>" + "".join(f'<td class="n">{cell}</td>' for cell in cells))
        out.append(f"<td>{yes}</td></tr>" if run.converged else f'<td class="reject">{no}</td></tr>')
    return "".join(out) + "</tbody></table></div>"


def _scale_section(k: int, run: ScaleRun, drawn: ScaleDrawings, unestimated: Sequence[ItemVerdict], language: Language) -> list[str]:
    _, number = language.gettext, language.number
    name, curves = html.escape(run.competency) or _("Semua butir"), _("Kurva butir")
    out = [f'<h2 id="k-{k}">{name}</h2>', _pair(drawn.whole, language), _items_table(drawn.estimated, language)]
    out += _unestimated(unestimated, language)
    out.append(f"<h3>{curves}</h3><div class=curves>")
    for v, picture in zip(drawn.estimated, drawn.curves, strict=True):
        caption = f'{html.escape(v.item_id)} · n {number(v.n)} · <span class="{v.verdict}">{_(VERDICTS[v.verdict])}</span>'
        out.append(f"<figure>{picture.svg(language)}<figcaption>{caption}</figcaption></figure>")
    return [*out, "</div>"]


def _meanings(verdicts: Sequence[ItemVerdict], language: Language) -> str:
    """The notes of a table, each in a sentence."""
    _ = language.gettext
    flags = dict.fromkeys(flag for v in verdicts for flag in v.flags)
    return '<ul class="soft">' + "".join(f"<li><strong>{_(FLAGS[flag])}</strong>: {_(SENTENCES[flag])}.</li>" for flag in flags) + "</ul>"


def _items_table(verdicts: Sequence[ItemVerdict], language: Language) -> str:
    _, number = language.gettext, language.number
    old = any(v.old is not None for v in verdicts)
    girth = any(math.isfinite(v.girth_b) for v in verdicts)
    words = [language.pgettext("satu", "Butir"), *[_("Lama")] * old, _("Baru")]
    heads = ["n", _("SE a"), _("SE b terbesar"), "RMSD", *[_("b menurut girth")] * girth]
    verdict, notes = _("Putusan"), _("Catatan")
    out = ['<div class="wide"><table><thead><tr>', *(f"<th>{word}</th>" for word in words), _numeric(heads)]
    out.append(f"<th>{verdict}</th><th>{notes}</th></tr></thead><tbody>")
    for v in verdicts:
        numbers = [
            number(v.n),
            number(v.se_steepness, 2),
            number(v.se_largest, 2),
            number(v.rmsd, 3),
            *[number(v.girth_b, 2)] * girth,
        ]
        rows = [v.old, v.new] if old else [v.new]
        out.append(
            f'<tr><td class="p">{html.escape(v.item_id)}</td>' + "".join(f'<td class="p">{_parameters(row, language)}</td>' for row in rows)
        )
        out.append("".join(f'<td class="n">{cell}</td>' for cell in numbers))
        flags = html.escape(", ".join(told(v.flags, v.partners, FLAGS, language)))
        out.append(f'<td class="{v.verdict}">{_(VERDICTS[v.verdict])}</td><td class="why">{flags}</td></tr>')
    return "".join(out) + "</tbody></table></div>"


def _unestimated(verdicts: Sequence[ItemVerdict], language: Language) -> list[str]:
    """Items without an estimate, by reason, with their number of answers."""
    out = []
    for flag in dict.fromkeys(v.flags[0] for v in verdicts):
        mine = [f"{html.escape(v.item_id)} ({language.number(v.n)})" for v in verdicts if v.flags[0] == flag]
        reason = language.gettext(FLAGS[flag])
        count = language.ngettext("{num} butir tanpa estimasi (n)", "{num} butir tanpa estimasi (n)", len(mine)).format(num=len(mine))
        out.append(f"<p><strong>{reason[0].upper()}{reason[1:]}</strong> – {count}: {', '.join(mine)}.</p>")
    return out


def _parameters(row: Row | None, language: Language) -> str:
    if row is None:
        return "–"
    number = language.number
    ends = [("c", row.c)] if row.model in ("3pl", "4pl") else []
    ends += [("d", row.d)] if row.model == "4pl" else []
    slopes = "; ".join(number(v, 2) for v in row.slopes or [row.a])
    return f"a {slopes}; b " + "; ".join(number(v, 2) for v in row.b) + "".join(f"; {name} {number(v, 2)}" for name, v in ends)
