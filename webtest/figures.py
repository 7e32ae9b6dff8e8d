"""Small pictures as inline SVG, in the reader's language, made here so that a page needs neither a script nor a style attribute."""

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from flask_babel import gettext as _
from flask_babel import ngettext
from markupsafe import Markup, escape

from cat_engine import ItemParams, Row, SimulationResult, information, probabilities
from cat_engine.irt import Floats
from webtest.formats import number
from webtest.scoring import LevelResult
from webtest.services.results import Profile, WaveResults

W, H, PAD = 460, 240, 34
LEAST_IN_BIN = 5  # people behind a point of a curve
SURE = 0.7  # below this probability a placement is drawn, and said, as uncertain
Z80 = 1.2816  # half-width of a central 80 % band, in standard errors


def _frame(title: str, x_label: str, low: float, high: float, ticks: Sequence[float], body: str, y_label: str = "") -> Markup:
    marks = "".join(
        f'<text class="faint" x="{PAD + (t - low) / (high - low) * (W - 2 * PAD):.0f}" y="{H - 18}" text-anchor="middle">{f"{t:g}".replace("-", "−")}</text>'
        for t in ticks
    )
    return Markup(  # noqa: S704 - numbers and our own words only
        f'<svg viewBox="0 0 {W} {H}" width="{W}" role="img" aria-label="{escape(title)}"><path class="axis" d="M{PAD},{PAD / 2}V{H - PAD}H{W - PAD}"/>'
        f'{marks}<text x="{W / 2}" y="{H - 2}" text-anchor="middle">{escape(x_label)}</text><text x="2" y="12">{escape(y_label)}</text>{body}</svg>'
    )


def _line(x: Floats, y: Floats, low: float, high: float, top: float, kind: int = 0) -> str:
    px = PAD + (x - low) / (high - low) * (W - 2 * PAD)
    py = H - PAD - y / top * (H - 1.5 * PAD)
    return f'<path class="curve c{kind}" d="M' + "L".join(f"{a:.1f},{b:.1f}" for a, b in zip(px, py, strict=True)) + '"/>'


def item_figure(row: Row) -> tuple[Markup, Markup]:
    """Category curves, each labelled with its category at its peak, and information of one item over theta in [-4, 4]."""
    theta = np.linspace(-4, 4, 81)
    params = ItemParams.from_rows([row._replace(scale=0)])
    p = probabilities(params, theta)[:, 0]
    info = information(params, theta)[:, 0]
    curves = []
    for k in range(int(params.n_cat[0])):
        peak = int(np.clip(p[:, k].argmax(), 3, 77))
        x, y = PAD + (theta[peak] + 4) / 8 * (W - 2 * PAD), H - PAD - p[peak, k] * (H - 1.5 * PAD)
        curves.append(
            _line(theta, p[:, k], -4, 4, 1.0, k % 5) + f'<text class="bold" x="{x:.0f}" y="{y - 5:.0f}" text-anchor="middle">{k + 1}</text>'
        )
    ticks = [-4.0, -2.0, 0.0, 2.0, 4.0]
    top = max(float(info.max()), 0.5)
    across = _("kemampuan (theta)")
    highest = _("informasi (tertinggi %(n)s)", n=number(top))
    return (
        _frame(_("Peluang tiap kategori menurut kemampuan"), across, -4, 4, ticks, "".join(curves), _("peluang")),
        _frame(_("Fungsi informasi"), across, -4, 4, ticks, _line(theta, info, -4, 4, top), highest),
    )


def small_information(params: ItemParams) -> list[Markup]:
    """One small curve an item, all on the same scale: where on theta in [-4, 4] it measures, and how much."""
    theta = np.linspace(-4, 4, 21)
    info = information(params, theta)
    x = np.round(np.linspace(1, 71, len(theta))).astype(int)
    y = np.round(21 - 20 * info / max(float(info.max()), 1e-9)).astype(int)
    return [
        Markup(  # noqa: S704 - numbers only
            '<svg viewBox="0 0 72 22" width="72" aria-hidden="true"><path class="axis" d="M1,21H71M36,19V21"/><path class="curve" d="M'
            + "L".join(f"{a},{b}" for a, b in zip(x, y[:, i], strict=True))
            + '"/></svg>'
        )
        for i in range(info.shape[1])
    ]


def simulation_figures(result: SimulationResult, name_of: Callable[[int], str], aim: float | None) -> list[Markup]:
    """True against estimated ability (first competency), its error along the scale, and the distribution of test length."""
    size = W
    x, y = result.true[:400, 0], result.theta[:400, 0]
    px, py = (PAD + (np.clip(v, -4, 4) + 4) / 8 * (size - 2 * PAD) for v in (x, y))
    dots = "".join(
        f'<circle class="bar1" cx="{a:.1f}" cy="{H - PAD - (b - PAD) * (H - 1.5 * PAD) / (size - 2 * PAD):.1f}" r="2.5"/>'
        for a, b in zip(px, py, strict=True)
    )
    lengths, counts = np.unique(result.length, return_counts=True)
    low, high = float(lengths.min()) - 1, float(lengths.max()) + 1
    wide = (W - 2 * PAD) / (high - low)
    bars = "".join(
        f'<rect class="bar1" x="{PAD + (n - low) * wide - wide * 0.45:.1f}" y="{H - PAD - c / counts.max() * (H - 1.5 * PAD):.1f}" width="{wide * 0.9:.1f}" '
        f'height="{c / counts.max() * (H - 1.5 * PAD):.1f}"/>'
        for n, c in zip(lengths, counts, strict=True)
    )
    ticks = [-4.0, -2.0, 0.0, 2.0, 4.0]
    first, across = name_of(0), _("kemampuan sebenarnya")
    estimates, errors = _("Kemampuan sebenarnya dan perkiraan, %(name)s", name=first), _("SE menurut kemampuan, %(name)s", name=first)
    return [
        _frame(estimates, across, -4, 4, ticks, dots, _("perkiraan, %(name)s", name=first)),
        _frame(errors, across, -4, 4, ticks, _errors(result, aim), f"SE, {first}"),
        _frame(_("Panjang tes"), _("banyaknya butir"), low, high, sorted({low + 1, high - 1}), bars, _("orang")),
    ]


def _errors(result: SimulationResult, aim: float | None) -> str:
    x, se = np.clip(result.true[:400, 0], -4, 4), result.se[:400, 0]
    top = max(float(se.max()), aim or 0.0) * 1.1

    def height(v: float) -> float:
        return H - PAD - v / top * (H - 1.5 * PAD)

    body = "".join(
        f'<circle class="bar1" cx="{PAD + (a + 4) / 8 * (W - 2 * PAD):.1f}" cy="{height(b):.1f}" r="2.5"/>'
        for a, b in zip(x, se, strict=True)
    )
    if aim is not None:
        goal = _("sasaran %(n)s", n=number(aim))
        body += f'<path class="aim" d="M{PAD},{height(aim):.1f}H{W - PAD}"/><text x="{W - PAD}" y="{height(aim) - 4:.1f}" text-anchor="end">{escape(goal)}</text>'
    return body


def comparison_figures(plans: Sequence[tuple[Sequence[str], SimulationResult]], name_of: Callable[[str], str]) -> list[Markup]:
    """Plans side by side, each of (competencies, result) a curve with its number: mean SE along the scale, on the first competency of the first plan, of
    those that test it, and the share of people by length of the test.
    """
    first = plans[0][0][0]
    edges = np.arange(-3.0, 3.01, 0.5)
    curves = []
    for competencies, result in plans:
        s = list(competencies).index(first) if first in competencies else None
        bins = [] if s is None else [(low + 0.25, (result.true[:, s] >= low) & (result.true[:, s] < low + 0.5)) for low in edges[:-1]]
        points = [(middle, float(result.se[inside, s].mean())) for middle, inside in bins if inside.sum() >= LEAST_IN_BIN]
        curves.append((np.array([x for x, _y in points]), np.array([y for _x, y in points])))
    name = name_of(first)
    title = _("SE menurut kemampuan, %(name)s", name=name)
    along = _curves(title, _("kemampuan sebenarnya"), curves, -3, 3, [-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0], f"SE, {name}")
    lengths = [result.length for _competencies, result in plans]
    low, high = float(min(n.min() for n in lengths)) - 1, float(max(n.max() for n in lengths)) + 1
    places = np.arange(low, high + 1)
    shares = [(places, np.array([(n == place).mean() for place in places])) for n in lengths]
    return [along, _curves(_("Panjang tes"), _("banyaknya butir"), shares, low, high, sorted({low + 1, high - 1}), _("bagian orang"))]


def _curves(
    title: str, across: str, curves: Sequence[tuple[Floats, Floats]], low: float, high: float, ticks: Sequence[float], label: str
) -> Markup:  # fmt: skip
    """Curves on common axes, the k-th with its number at its highest point where no other number stands."""
    top = max([0.01, *(float(y.max()) for _x, y in curves if len(y))]) * 1.15
    taken: list[tuple[float, float]] = []
    lines = labels = ""  # the numbers over the lines
    for k, (x, y) in enumerate(curves):
        if not len(y):
            continue
        px, py = PAD + (x - low) / (high - low) * (W - 2 * PAD), H - PAD - y / top * (H - 1.5 * PAD) - 5
        places = list(zip(px[np.argsort(py, kind="stable")].tolist(), np.sort(py).tolist(), strict=True))
        free = (at for at in places if all(abs(at[0] - other[0]) > 14 or abs(at[1] - other[1]) > 16 for other in taken))
        taken.append(next(free, places[0]))
        at_x, at_y = taken[-1]
        lines += _line(x, y, low, high, top, k)
        labels += f'<text class="bold halo" x="{at_x:.0f}" y="{at_y:.0f}" text-anchor="middle">{k + 1}</text>'
    highest = _("tertinggi %(n)s", n=number(top / 1.15))
    return _frame(title, across, low, high, ticks, lines + labels, f"{label} ({highest})")


LW, LH, LPAD = 300, 26, 6


def level_strip(result: LevelResult, cuts: Sequence[float]) -> Markup:
    """One competency: the estimate as a dot with its 80 % band over the five levels, and the line from which the standard is met."""
    reach = max(abs(cuts[0]), abs(cuts[-1])) + 1.5

    def place(theta: float) -> float:
        return LPAD + (min(max(theta, -reach), reach) + reach) / (2 * reach) * (LW - 2 * LPAD)

    edges = "".join(f'<path class="axis" d="M{place(c):.1f},4V{LH - 4}"/>' for c in cuts)
    goal = place(cuts[result.standard - 2] if result.standard > 1 else -reach)
    low, high = place(result.theta - Z80 * result.se), place(result.theta + Z80 * result.se)
    words = _(
        "Perkiraan level %(l)s, standar level %(s)s, peluang memenuhi standar %(p)s",
        l=result.level,
        s=result.standard,
        p=number(result.meets),
    )
    return Markup(  # noqa: S704 - numbers and our own words only
        f'<svg viewBox="0 0 {LW} {LH}" width="{LW}" role="img" aria-label="{escape(words)}"><path class="axis" d="M{LPAD},{LH / 2}H{LW - LPAD}"/>{edges}'
        f'<rect class="band" x="{low:.1f}" y="{LH / 2 - 6}" width="{max(high - low, 2):.1f}" height="12" rx="3"/>'
        f'<path class="goal" d="M{goal:.1f},0V{LH}"/><circle class="mark" cx="{place(result.theta):.1f}" cy="{LH / 2}" r="5"/></svg>'
    )


def level_heads(cuts: Sequence[float]) -> Markup:
    """The numbers 1..5 over the strips."""
    reach = max(abs(cuts[0]), abs(cuts[-1])) + 1.5
    edges = [-reach, *cuts, reach]
    marks = "".join(
        f'<text class="faint" x="{LPAD + ((a + b) / 2 + reach) / (2 * reach) * (LW - 2 * LPAD):.0f}" y="12" text-anchor="middle">{k}</text>'
        for k, (a, b) in enumerate(itertools.pairwise(edges), 1)
    )
    return Markup(f'<svg viewBox="0 0 {LW} 16" width="{LW}" aria-hidden="true">{marks}</svg>')  # noqa: S704 - numbers only


def talent_map(view: WaveResults, shown: Sequence[Profile], link: Callable[[Profile], str]) -> Markup:
    """The nine boxes: people as dots at (performance, potential), hollow where the placement is uncertain; each box with its number and count."""
    size, pad = 540, 46
    low, high = view.norms.ninebox.cuts
    edges = [0.0, low, high, 100.0]
    # The three classes get equal room, as the map is drawn everywhere; within a class the scale is linear.

    def place(v: float) -> float:
        k = min(2, int(np.searchsorted(edges[1:3], v + 1e-9, side="right")))
        return (k + (min(v, 100.0) - edges[k]) / (edges[k + 1] - edges[k])) / 3 * (size - 2 * pad)

    third = (size - 2 * pad) / 3
    placed = [(p, p.box) for p in shown if p.box is not None]
    counts = {box: sum(b.box == box for _profile, b in placed) for box in range(1, 10)}
    title = escape(_("Peta talenta sembilan kotak; isinya ada di tabel"))
    parts = [f'<svg viewBox="0 0 {size} {size}" width="{size}" role="img" aria-label="{title}">']
    heads = []
    for potential in range(3):
        for performance in range(3):
            box = view.norms.ninebox.boxes[potential][performance]
            x, y = pad + performance * third, size - pad - (potential + 1) * third
            parts.append(
                f'<rect class="cell{" pool" if box >= 7 else ""}" x="{x:.1f}" y="{y:.1f}" width="{third:.1f}" height="{third:.1f}"/>'
            )
            heads.append(f'<text class="bold halo" x="{x + 8:.1f}" y="{y + 19:.1f}">{box}</text>')
            people = escape(ngettext("%(num)s orang", "%(num)s orang", counts[box]))
            heads.append(f'<text class="halo" x="{x + third - 8:.1f}" y="{y + 18:.1f}" text-anchor="end">{people}</text>')
    for profile, box in placed:
        sure = box.probabilities[box.box - 1]
        x, y = pad + place(box.performance), size - pad - place(box.potential)
        hint = _("%(name)s: kotak %(k)s, peluang %(p)s", name=profile.name, k=box.box, p=number(sure))
        kind, r = ("mark", 4.0) if sure >= SURE else ("loose", 5.5)
        parts.append(
            f'<a href="{escape(link(profile))}" tabindex="-1"><circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="{r}">'
            f"<title>{escape(hint)}</title></circle></a>"
        )
    parts += heads  # over the dots, so that they stay legible
    ranks = ((_("di bawah"), _("rendah")), (_("sesuai"), _("menengah")), (_("di atas"), _("tinggi")))
    for k, (across, up) in enumerate(ranks):
        at = pad + (k + 0.5) * third
        parts.append(f'<text class="faint" x="{at:.0f}" y="{size - pad + 16}" text-anchor="middle">{escape(across)}</text>')
        parts.append(
            f'<text class="faint" x="{pad - 8}" y="{size - at:.0f}" text-anchor="middle" transform="rotate(-90 {pad - 8} {size - at:.0f})">{escape(up)}</text>'
        )
    performance, potential = escape(_("kinerja (ekspektasi)")), escape(_("potensial"))
    parts.append(
        f'<text x="{size / 2}" y="{size - 8}" text-anchor="middle">{performance}</text>'
        f'<text x="14" y="{size / 2}" text-anchor="middle" transform="rotate(-90 14 {size / 2})">{potential}</text></svg>'
    )
    return Markup("".join(parts))  # noqa: S704 - numbers, our own words and escaped names only
