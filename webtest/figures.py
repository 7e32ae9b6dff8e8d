"""Small pictures as inline SVG, made here so that a page needs neither a script nor a style attribute."""

import numpy as np
from markupsafe import Markup

from cat_engine import ItemParams, Row, SimulationResult, information, probabilities
from cat_engine.irt import Floats
from webtest.services.results import WaveResults

W, H, PAD = 460, 240, 34


def _frame(
    title: str, x_label: str, low: float, high: float, ticks: list[float], body: str, y_label: str = "", width: int = W, height: int = H
) -> Markup:
    marks = "".join(
        f'<text x="{PAD + (t - low) / (high - low) * (width - 2 * PAD):.0f}" y="{height - 16}" text-anchor="middle">{t:g}</text>'
        for t in ticks
    )
    return Markup(  # noqa: S704 - numbers and our own words only
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" aria-label="{title}"><path class="axis" d="M{PAD},{PAD / 2}V{height - PAD}H{width - PAD}"/>'
        f'{marks}<text x="{width / 2}" y="{height - 2}" text-anchor="middle">{x_label}</text><text x="2" y="12">{y_label}</text>{body}</svg>'
    )


def _line(x: Floats, y: Floats, low: float, high: float, top: float) -> str:
    px = PAD + (x - low) / (high - low) * (W - 2 * PAD)
    py = H - PAD - y / top * (H - 1.5 * PAD)
    return '<path class="curve" d="M' + "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True)) + '"/>'


def item_figure(row: Row) -> tuple[Markup, Markup]:
    """Category curves and information of one item over theta in [-4, 4]."""
    theta = np.linspace(-4, 4, 81)
    params = ItemParams.from_rows([row._replace(scale=0)])
    p = probabilities(params, theta)[:, 0]
    info = information(params, theta)[:, 0]
    curves = "".join(_line(theta, p[:, k], -4, 4, 1.0) for k in range(int(params.n_cat[0])))
    ticks = [-4.0, -2.0, 0.0, 2.0, 4.0]
    top = max(float(info.max()), 0.5)
    return (
        _frame("P(kategori | theta)", "theta", -4, 4, ticks, curves, "P"),
        _frame("Fungsi informasi", "theta", -4, 4, ticks, _line(theta, info, -4, 4, top), f"I (maks {top:.2f})"),
    )


def simulation_figures(result: SimulationResult) -> list[Markup]:
    """True against estimated ability (first competency), and the distribution of test length."""
    size = W
    x, y = result.true[:400, 0], result.theta[:400, 0]
    px, py = (PAD + (np.clip(v, -4, 4) + 4) / 8 * (size - 2 * PAD) for v in (x, y))
    dots = "".join(
        f'<circle class="mark" cx="{a:.1f}" cy="{H - PAD - (b - PAD) * (H - 1.5 * PAD) / (size - 2 * PAD):.1f}" r="2.5"/>'
        for a, b in zip(px, py, strict=True)
    )
    lengths, counts = np.unique(result.length, return_counts=True)
    low, high = float(lengths.min()) - 1, float(lengths.max()) + 1
    wide = (W - 2 * PAD) / (high - low)
    bars = "".join(
        f'<rect class="mark" x="{PAD + (n - low) * wide - wide * 0.45:.1f}" y="{H - PAD - c / counts.max() * (H - 1.5 * PAD):.1f}" width="{wide * 0.9:.1f}" '
        f'height="{c / counts.max() * (H - 1.5 * PAD):.1f}"/>'
        for n, c in zip(lengths, counts, strict=True)
    )
    return [
        _frame("Kemampuan sebenarnya dan perkiraan", "theta sebenarnya", -4, 4, [-4.0, -2.0, 0.0, 2.0, 4.0], dots, "perkiraan"),
        _frame("Panjang tes", "butir", low, high, [low + 1, (low + high) / 2, high - 1], bars, "orang"),
    ]


def talent_map(view: WaveResults) -> Markup:
    """The nine boxes: people as dots at (performance, potential), each box with its number and its count."""
    size, pad = 520, 40
    low, high = view.norms.ninebox.cuts
    edges = [0.0, low, high, 100.0]
    # The three classes get equal room, as the map is drawn everywhere; within a class the scale is linear.

    def place(v: float) -> float:
        k = min(2, int(np.searchsorted(edges[1:3], v + 1e-9, side="right")))
        return (k + (v - edges[k]) / (edges[k + 1] - edges[k])) / 3 * (size - 2 * pad)

    third = (size - 2 * pad) / 3
    counts = view.boxes()
    parts = [f'<svg viewBox="0 0 {size} {size}" width="{size}" role="img" aria-label="Peta talenta sembilan kotak">']
    for potential in range(3):
        for performance in range(3):
            box = view.norms.ninebox.boxes[potential][performance]
            x, y = pad + performance * third, size - pad - (potential + 1) * third
            parts.append(f'<rect class="cell" x="{x:.1f}" y="{y:.1f}" width="{third:.1f}" height="{third:.1f}"/>')
            parts.append(
                f'<text class="bold" x="{x + 8:.1f}" y="{y + 18:.1f}">{box}</text><text x="{x + third - 8:.1f}" y="{y + 18:.1f}" text-anchor="end">{counts[box]}</text>'
            )
    for profile in view.profiles:
        if profile.box is not None:
            sure = profile.box.probabilities[profile.box.box - 1]
            x, y = pad + place(profile.box.performance), size - pad - place(profile.box.potential)
            parts.append(
                f'<circle class="mark" cx="{x:.1f}" cy="{y:.1f}" r="{3 + 3 * (1 - sure):.1f}" fill-opacity="{0.25 + 0.6 * sure:.2f}"/>'
            )
    parts.append(
        f'<text x="{size / 2}" y="{size - 8}" text-anchor="middle">kinerja</text><text x="4" y="{pad - 14}">potensial</text></svg>'
    )
    return Markup("".join(parts))  # noqa: S704 - numbers and our own words only
