"""The report of a simulation: one self-contained HTML file, its plots as inline SVG."""

import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cat_engine import Pool, SimulationResult, TestPlan, information
from cat_engine.irt import Floats

CSS = """
body{font:15px/1.5 system-ui,"Segoe UI",sans-serif;margin:2rem auto;max-width:76rem;padding:0 1rem;color:#16202b;background:#fff}
h1{font-size:1.6rem}h2{margin-top:2.2rem;border-top:1px solid #c9d1d9;padding-top:1rem}
table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:.25rem .6rem;border-bottom:1px solid #dde3e8;text-align:left}
td.n,th.n{text-align:right}.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(24rem,1fr));gap:1rem}
figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem}svg{width:100%;height:auto}
svg text{font:10px system-ui,sans-serif;fill:#4d5b69}.axis{fill:none;stroke:#4d5b69}.one{fill:none;stroke:#0b5394;stroke-width:2}
.two{fill:none;stroke:#a3201c;stroke-width:2;stroke-dasharray:5 3}.three{fill:none;stroke:#1b6e3c;stroke-width:2;stroke-dasharray:2 2}
.zero{stroke:#8a97a3;stroke-dasharray:4 3}.dot{fill:#0b5394;fill-opacity:.35}.bar{fill:#0b5394;fill-opacity:.6}.pale{fill:#c9d1d9}
"""
W, H, PAD = 420, 260, 36
DOTS = 1500
REACH = 4.0
LEAST_IN_BIN = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """The mapping from numbers to the picture: x in [x0, x1], y in [y0, y1]."""

    x0: float
    x1: float
    y0: float
    y1: float

    def x(self, v: Floats) -> Floats:
        """Horizontal place."""
        return PAD + (np.clip(v, self.x0, self.x1) - self.x0) / (self.x1 - self.x0) * (W - 1.5 * PAD)

    def y(self, v: Floats) -> Floats:
        """Vertical place."""
        return H - PAD - (np.clip(v, self.y0, self.y1) - self.y0) / (self.y1 - self.y0) * (H - 1.5 * PAD)

    def line(self, x: Floats, y: Floats, css: str) -> str:
        """A curve through the points that are numbers."""
        keep = np.isfinite(y)
        if keep.sum() < 2:
            return ""
        points = "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(self.x(x[keep]), self.y(y[keep]), strict=True))
        return f'<path class="{css}" d="M{points}"/>'

    def dots(self, x: Floats, y: Floats) -> str:
        """A cloud of points."""
        return "".join(f'<circle class="dot" cx="{a:.1f}" cy="{b:.1f}" r="2"/>' for a, b in zip(self.x(x), self.y(y), strict=True))

    def bars(self, edges: Floats, heights: Floats, css: str = "bar") -> str:
        """A histogram: heights[k] between edges[k] and edges[k + 1]."""
        left, right, top, base = self.x(edges[:-1]), self.x(edges[1:]), self.y(heights), float(self.y(np.array(self.y0)))
        return "".join(
            f'<rect class="{css}" x="{a:.1f}" y="{t:.1f}" width="{max(b - a - 0.5, 0.5):.1f}" height="{max(base - t, 0):.1f}"/>'
            for a, b, t in zip(left, right, top, strict=True)
        )

    def svg(self, title: str, x_label: str, y_label: str, body: str) -> str:
        """The whole picture, with five ticks on each axis."""
        marks = [
            f'<text x="{self.x(np.array(t)):.0f}" y="{H - PAD + 12}" text-anchor="middle">{t:.3g}</text>'
            for t in np.linspace(self.x0, self.x1, 5)
        ]
        marks += [
            f'<text x="{PAD - 4}" y="{self.y(np.array(t)) + 3:.0f}" text-anchor="end">{t:.3g}</text>'
            for t in np.linspace(self.y0, self.y1, 5)
        ]
        zero = self.y(np.array(0.0))
        if self.y0 < 0 < self.y1:
            marks.append(f'<path class="zero" d="M{PAD},{zero:.1f}H{W - PAD / 2}"/>')
        return (
            f'<figure><svg viewBox="0 0 {W} {H}" role="img" aria-label="{html.escape(title)}"><path class="axis" d="M{PAD},{PAD / 2}V{H - PAD}H{W - PAD / 2}"/>'
            f'{"".join(marks)}<text x="{W / 2}" y="{H - 4}" text-anchor="middle">{html.escape(x_label)}</text><text x="4" y="12">{html.escape(y_label)}</text>'
            f"{body}</svg><figcaption>{html.escape(title)}</figcaption></figure>"
        )


def _truth_plot(result: SimulationResult, s: int, name: str) -> str:
    frame = Frame(-REACH, REACH, -REACH, REACH)
    ends = np.array([-REACH, REACH])
    body = frame.dots(result.true[:DOTS, s], result.theta[:DOTS, s]) + frame.line(ends, ends, "two")
    return frame.svg(f"{name}: kemampuan sebenarnya dan perkiraan", "theta sebenarnya", "perkiraan", body)


def _conditional_plot(result: SimulationResult, s: int, name: str) -> str:
    true, error, se = result.true[:, s], result.theta[:, s] - result.true[:, s], result.se[:, s]
    edges = np.arange(-REACH, REACH + 0.01, 0.5)
    place = np.digitize(true, edges) - 1
    middle = (edges[:-1] + edges[1:]) / 2
    bias, rmse, mean_se = (np.full(len(middle), np.nan) for _ in range(3))
    for k in range(len(middle)):
        mine = place == k
        if mine.sum() >= LEAST_IN_BIN:
            bias[k], rmse[k], mean_se[k] = error[mine].mean(), np.sqrt((error[mine] ** 2).mean()), se[mine].mean()
    top = max([0.5, *(float(v) for column in (np.abs(bias), rmse, mean_se) for v in column[np.isfinite(column)])])
    frame = Frame(-REACH, REACH, -top, top)
    body = frame.line(middle, rmse, "one") + frame.line(middle, bias, "two") + frame.line(middle, mean_se, "three")
    return frame.svg(f"{name}: RMSE (garis), bias (putus-putus), rata-rata SE (titik-titik)", "theta sebenarnya", "galat", body)


def _information_plot(plan: TestPlan, pool: Pool, result: SimulationResult, s: int, name: str) -> str:
    theta = np.linspace(-REACH, REACH, 81)
    mine = (pool.params.scale == s) & pool.operational
    info = information(pool.params.take(np.flatnonzero(mine)), theta)
    most = next((section.max_items for section in plan.sections if name in section.competencies), info.shape[1])
    best = -np.sort(-info, axis=1)[:, :most].sum(axis=1)
    se = result.se[:, s]
    reached = 1 / np.quantile(se, 0.5) ** 2 if len(se) else 0.0
    edges = np.arange(-REACH, REACH + 0.01, 0.5)
    people, _ = np.histogram(result.true[:, s], edges)
    top = max(float(best.max(initial=0.0)), float(reached), 1e-9) * 1.05
    frame = Frame(-REACH, REACH, 0.0, top)
    body = frame.bars(edges, people / max(people.max(), 1) * top * 0.6, "pale")
    body += frame.line(theta, best, "one") + frame.line(theta, np.full(81, reached), "two")
    title = f"{name}: informasi {most} butir terbaik (garis), yang dicapai di tengah (putus-putus), sebaran orang (batang)"
    return frame.svg(title, "theta", "informasi", body)


def _exposure_plot(result: SimulationResult) -> str:
    rates = -np.sort(-result.exposure)
    frame = Frame(0.0, float(len(rates)), 0.0, max(float(rates.max(initial=0.0)), 1e-9))
    body = frame.bars(np.arange(len(rates) + 1.0), rates)
    return frame.svg("Paparan butir, dari yang paling sering", "butir", "bagian orang", body)


def _length_plot(result: SimulationResult) -> str:
    low, high = int(result.length.min()), int(result.length.max())
    edges = np.arange(low, high + 2) - 0.5
    counts, _ = np.histogram(result.length, edges)
    frame = Frame(float(edges[0]), float(edges[-1]), 0.0, float(counts.max()))
    return frame.svg("Panjang tes", "butir", "orang", frame.bars(edges, counts.astype(float)))


def _number(value: object) -> str:
    return f"{value:.3f}".replace(".", ",") if isinstance(value, float) else html.escape(str(value))


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    cells = "".join(f"<tr>{''.join(f'<td class=n>{_number(v)}</td>' for v in row)}</tr>" for row in rows)
    return f"<table><tr>{''.join(f'<th class=n>{html.escape(name)}</th>' for name in head)}</tr>{cells}</table>"


def html_report(plan: TestPlan, pool: Pool, result: SimulationResult, figures: Mapping[str, Any]) -> str:
    """The whole report as one HTML document with nothing loaded from elsewhere. `figures`: what summary.json holds."""
    title = f"Laporan simulasi: {plan.name}"
    parts = [
        f'<!doctype html><html lang="id"><head><meta charset="utf-8"><title>{html.escape(title)}</title><style>{CSS}</style></head><body>'
    ]
    parts.append(f"<h1>{html.escape(title)}</h1><p>{figures['people']} orang, {figures['items']} butir, {figures['seconds']} detik.</p>")
    names = {"rmse": "RMSE", "bias": "Bias", "mean_length": "Panjang rata-rata", "max_exposure": "Paparan tertinggi", "overlap": "Tumpang tindih", "unused": "Tak terpakai"}  # fmt: skip
    parts.append(_table(list(names.values()), [[float(figures[key]) for key in names]]))
    parts.append("<h2>Kompetensi</h2>")
    rows = [
        [name, float(result.rmse[s]), float(result.bias[s]), float(result.se[:, s].mean()), float(result.count[:, s].mean())]
        for s, name in enumerate(pool.competencies)
    ]
    parts.append(_table(["Kompetensi", "RMSE", "Bias", "Rata-rata SE", "Butir"], rows))
    reasons: dict[str, int] = {}
    for stops in result.stops:
        for reason in stops:
            reasons[reason] = reasons.get(reason, 0) + 1
    parts.append("<h2>Alasan berhenti</h2>")
    parts.append(_table(["Alasan", "Orang × kompetensi"], [[name or "–", n] for name, n in sorted(reasons.items(), key=lambda p: -p[1])]))
    parts.append(f'<h2>Gambar</h2><div class="plots">{_length_plot(result)}{_exposure_plot(result)}')
    for s, name in enumerate(pool.competencies):
        parts += [_truth_plot(result, s, name), _conditional_plot(result, s, name), _information_plot(plan, pool, result, s, name)]
    parts.append("</div></body></html>\n")
    return "".join(parts)
