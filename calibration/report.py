"""The calibration report: one self-contained HTML file that a psychometrician can read on screen or print."""

import html
from collections.abc import Sequence

import numpy as np

from calibration.mml import MmlFit
from calibration.pipeline import Proposal, ScaleRun, recovery
from calibration.verdicts import ItemVerdict
from cat_engine import ItemParams, Row, probabilities
from cat_engine.irt import Floats

CSS = """
body{font:15px/1.5 system-ui,"Segoe UI",sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#16202b;background:#fff}
h1{font-size:1.6rem}h2{margin-top:2.2rem;border-top:1px solid #c9d1d9;padding-top:1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.25rem .6rem;border-bottom:1px solid #dde3e8;text-align:left}
td.n,th.n{text-align:right}.note{background:#fff3dc;border-left:5px solid #8a4b00;padding:.6rem 1rem}
.adopt{color:#1b6e3c}.keep{color:#8a4b00}.reject{color:#a3201c;font-weight:700}
.curves{display:grid;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr));gap:.75rem}figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem}
svg text{font:10px system-ui,sans-serif;fill:#4d5b69}
"""
VERDICTS = {"adopt": "dipakai", "keep": "tetap lama", "reject": "ditahan"}
FLAGS = {
    "no_answers": "tanpa jawaban", "few": "jawaban terlalu sedikit", "one_category": "satu kategori saja", "empty_category": "kategori kosong",
    "uncertain": "SE terlalu besar", "low_a": "daya beda rendah", "at_bound": "di batas", "misfit": "tidak cocok model", "anchor": "butir jangkar",
    "disconnected": "tidak tersambung dengan butir lain", "no_run": "butir sekompetensi terlalu sedikit", "no_anchor": "tidak ada butir jangkar yang dijawab",
    "not_converged": "estimasi tidak konvergen",
}  # fmt: skip
W, H, PAD = 270, 150, 22


def _x(theta: Floats) -> Floats:
    return PAD + (theta + 4) / 8 * (W - 2 * PAD)


def _y(share: Floats) -> Floats:
    return H - PAD - share * (H - 2 * PAD)


def _path(theta: Floats, share: Floats) -> str:
    return "M" + "L".join(f"{x:.1f},{y:.1f}" for x, y in zip(_x(theta), _y(share), strict=True))


def item_curve(verdict: ItemVerdict, fit: MmlFit, k: int, run: ScaleRun) -> str:
    """An SVG: expected score (0-1) under old (grey) and new (blue) parameters, and observed means in ability bins with 95 % bands."""
    theta = np.linspace(-4, 4, 81)
    parts = [f'<svg viewBox="0 0 {W} {H}" role="img" aria-label="Kurva butir {html.escape(verdict.item_id)}">']
    parts.append(f'<path d="M{PAD},{PAD}V{H - PAD}H{W - PAD}" fill="none" stroke="#4d5b69"/>')
    parts += [f'<text x="{_x(np.array(t)):.0f}" y="{H - 6}" text-anchor="middle">{t}</text>' for t in (-4, -2, 0, 2, 4)]
    for row, colour, dash in ((verdict.old, "#8a97a3", "4 3"), (verdict.new, "#0b5394", "")):
        if row is not None:
            parts.append(
                f'<path d="{_path(theta, _score(row, theta))}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>'
            )
    counts = fit.expected[k].sum(axis=0)
    nodes = run.slope * fit.nodes + run.intercept
    levels = np.arange(fit.expected.shape[1])[:, None]
    top = len(verdict.old.b)
    for low in np.arange(-3.5, 3.5, 0.7):
        inside = (nodes >= low) & (nodes < low + 0.7)
        n = counts[inside].sum()
        if n < 5:
            continue
        r = fit.expected[k][:, inside].sum(axis=1, keepdims=True) / n
        mean = float((r * levels).sum() / top)
        spread = 1.96 * float(np.sqrt(max(float((r * (levels / top - mean) ** 2).sum()), 0.0) / n))
        x = float(_x(np.array((nodes[inside] * counts[inside]).sum() / n)))
        high, bottom = (float(_y(np.array(np.clip(v, 0, 1)))) for v in (mean + spread, mean - spread))
        parts.append(
            f'<path d="M{x:.1f},{high:.1f}V{bottom:.1f}" stroke="#16202b"/><circle cx="{x:.1f}" cy="{float(_y(np.array(mean))):.1f}" r="3"/>'
        )
    return "".join(parts) + "</svg>"


def _score(row: Row, theta: Floats) -> Floats:
    p = probabilities(ItemParams.from_rows([row._replace(scale=0)]), theta)[:, 0]
    return np.asarray((p * np.arange(p.shape[1])).sum(axis=1) / (p.shape[1] - 1))


def scatter(verdicts: Sequence[ItemVerdict]) -> str:
    """An SVG: mean b, old against new."""
    pairs = [(float(np.mean(v.old.b)), float(np.mean(v.new.b))) for v in verdicts if v.new is not None]
    size, pad = 320, 28

    def place(v: float) -> float:
        return pad + (max(-4.0, min(4.0, v)) + 4) / 8 * (size - 2 * pad)

    dots = "".join(f'<circle cx="{place(x):.1f}" cy="{size - place(y):.1f}" r="3" fill="#0b5394" fill-opacity=".5"/>' for x, y in pairs)
    line = f'<path d="M{pad},{size - pad}L{size - pad},{pad}" stroke="#8a97a3" stroke-dasharray="4 3"/>'
    frame = f'<rect x="{pad}" y="{pad}" width="{size - 2 * pad}" height="{size - 2 * pad}" fill="none" stroke="#4d5b69"/>'
    words = f'<text x="{size / 2}" y="{size - 8}" text-anchor="middle">b lama</text><text x="4" y="{pad - 8}">b baru</text>'
    return (
        f'<svg viewBox="0 0 {size} {size}" width="{size}" role="img" aria-label="Kesukaran lama dan baru">{frame}{line}{dots}{words}</svg>'
    )


def _number(value: float, digits: int = 2) -> str:
    return f"{value:.{digits}f}".replace(".", ",") if np.isfinite(value) else "–"


def _row(row: Row | None) -> str:
    if row is None:
        return "–"
    b = "; ".join(_number(v) for v in row.b)
    return f"a {_number(row.a)}; b {b}" + (f"; c {_number(row.c)}" if row.c else "")


def html_report(proposal: Proposal, *, provisional: bool, title: str = "Laporan kalibrasi", truth: dict[str, Row] | None = None) -> str:
    """The whole report as one HTML document with nothing loaded from elsewhere. `truth` adds the recovery of known parameters."""
    verdicts = proposal.verdicts
    tally = {name: sum(v.verdict == name for v in verdicts) for name in VERDICTS}
    out = [
        f'<!doctype html><html lang="id"><head><meta charset="utf-8"><title>{html.escape(title)}</title><style>{CSS}</style></head><body>'
    ]
    out.append(f"<h1>{html.escape(title)}</h1>")
    if provisional:
        out.append(
            '<p class="note">Bank contoh, belum terkalibrasi: parameter lama bersifat sementara dan belum berasal dari jawaban peserta.</p>'
        )
    answers = sum(run.n_answers for run in proposal.scales)
    out.append(
        f"<p>Bank versi {proposal.base_version}; {answers} jawaban; {len(verdicts)} butir: {tally['adopt']} parameter baru dipakai, "
        f"{tally['keep']} tetap lama, {tally['reject']} ditahan. Cara: {'bebas, disetarakan Stocking-Lord' if proposal.options.mode == 'free' else 'butir jangkar tetap (FIPC)'}; "
        f"syarat n ≥ {proposal.options.min_n}, SE(b) ≤ {_number(proposal.options.max_se)}. Waktu hitung {_number(proposal.seconds, 1)} detik.</p>"
    )
    if proposal.dropped:
        out.append("<p>Tidak dipakai: " + ", ".join(f"{html.escape(k)} {n}" for k, n in proposal.dropped.items()) + ".</p>")
    if truth is not None:
        r = recovery(proposal, truth)
        out.append(
            f"<p>Terhadap parameter sebenarnya ({r.n_items} butir): RMSE b {_number(r.rmse_b, 3)} (r {_number(r.r_b, 3)}), "
            f"RMSE a {_number(r.rmse_a, 3)} (r {_number(r.r_a, 3)}).</p>"
        )
    out.append("<h2>Per kompetensi</h2><table><thead><tr><th>Kompetensi</th><th class=n>Orang</th><th class=n>Jawaban</th><th class=n>Rerata</th><th class=n>SD</th>"
               "<th class=n>A</th><th class=n>B</th><th class=n>log-kemungkinan</th><th class=n>Siklus</th><th>Konvergen</th><th class=n>r dengan girth</th></tr></thead><tbody>")  # fmt: skip
    for run in proposal.scales:
        cells = [
            run.n_persons,
            run.n_answers,
            _number(run.mean),
            _number(run.sd),
            _number(run.slope, 3),
            _number(run.intercept, 3),
            _number(run.loglik, 2),
            run.n_cycles,
        ]
        out.append(f"<tr><td>{html.escape(run.competency)}</td>" + "".join(f"<td class=n>{c}</td>" for c in cells))
        out.append(f"<td>{'ya' if run.converged else 'TIDAK'}</td><td class=n>{_number(run.girth_correlation)}</td></tr>")
    out.append("</tbody></table><h2>Kesukaran lama dan baru</h2>" + scatter(verdicts))
    for run in proposal.scales:
        out += _scale_section(run, [v for v in verdicts if v.competency == run.competency])
    silent = [v for v in verdicts if v.competency not in {run.competency for run in proposal.scales}]
    if silent:
        out.append(f"<h2>Tanpa kalibrasi</h2><p>{html.escape(', '.join(v.item_id for v in silent))}</p>")
    return "".join(out) + "</body></html>"


def _scale_section(run: ScaleRun, verdicts: list[ItemVerdict]) -> list[str]:
    order = {"reject": 0, "keep": 1, "adopt": 2}
    verdicts = sorted(verdicts, key=lambda v: (order[v.verdict], v.item_id))
    out = [f"<h2>{html.escape(run.competency)}</h2><table><thead><tr><th>Butir</th><th class=n>n</th><th>Lama</th><th>Baru</th><th class=n>SE a</th>"
           "<th class=n>SE b terbesar</th><th class=n>RMSD</th><th>Putusan</th><th>Catatan</th></tr></thead><tbody>"]  # fmt: skip
    for v in verdicts:
        flags = ", ".join(FLAGS[flag] for flag in v.flags)
        out.append(
            f"<tr><td>{html.escape(v.item_id)}</td><td class=n>{v.n}</td><td>{_row(v.old)}</td><td>{_row(v.new)}</td><td class=n>{_number(v.se_a)}</td>"
            f"<td class=n>{_number(max(v.se_b))}</td><td class=n>{_number(v.rmsd, 3)}</td><td class={v.verdict}>{VERDICTS[v.verdict]}</td><td>{flags}</td></tr>"
        )
    out.append('</tbody></table><h3>Kurva: harapan skor lama (putus-putus) dan baru, dengan rerata teramati</h3><div class="curves">')
    place = {item_id: k for k, item_id in enumerate(run.items)}
    out += [
        f"<figure>{item_curve(v, run.fit, place[v.item_id], run)}<figcaption>{html.escape(v.item_id)} · n {v.n}</figcaption></figure>"
        for v in verdicts
        if v.item_id in place and v.new is not None
    ]
    return [*out, "</div>"]
