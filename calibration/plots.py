"""Plots of the calibration report as SVG text: no library, no file, no script. Each is drawn once; its words wait for a Language."""

import html
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from calibration.curves import expected_scores, params_of
from calibration.dif_run import LARGEST_SHIFT, DifFinding
from calibration.drift import LARGEST_Z, SMALLEST_SPREAD, robust_z
from calibration.language import INDONESIAN, N_, Language
from calibration.linking import middles
from calibration.verdicts import ItemVerdict, ScaleRun
from cat_engine import ItemParams, Row, information, probabilities
from cat_engine.irt import Floats

OLD, NEW, INK, FAINT, WARNING = "#7a8794", "#0b5394", "#16202b", "#dde3e8", "#a3201c"
CATEGORIES = ("#0b5394", "#a3201c", "#1b6e3c", "#8a4b00", "#6a3d9a")
THETA = np.linspace(-4, 4, 81)
BIN = 0.7
LEAST_IN_BIN = 5


@dataclass(frozen=True, slots=True)
class Frame:
    """Axes: where numbers of x and y come to lie in a picture of `width` x `height`."""

    width: int
    height: int
    x: tuple[float, float]
    y: tuple[float, float]
    left: int = 44
    bottom: int = 30
    top: int = 10
    right: int = 18
    language: Language = INDONESIAN

    def at_x(self, value: float) -> float:
        """Horizontal place of a value, held within the frame."""
        share = (min(max(value, self.x[0]), self.x[1]) - self.x[0]) / (self.x[1] - self.x[0])
        return self.left + share * (self.width - self.left - self.right)

    def at_y(self, value: float) -> float:
        """Vertical place of a value, held within the frame."""
        share = (min(max(value, self.y[0]), self.y[1]) - self.y[0]) / (self.y[1] - self.y[0])
        return self.height - self.bottom - share * (self.height - self.bottom - self.top)

    def across(self, xs: Floats) -> Floats:
        """Horizontal places of many values."""
        return self.left + (np.clip(xs, *self.x) - self.x[0]) / (self.x[1] - self.x[0]) * (self.width - self.left - self.right)

    def down(self, ys: Floats) -> Floats:
        """Vertical places of many values."""
        share = (np.clip(ys, *self.y) - self.y[0]) / (self.y[1] - self.y[0])
        return self.height - self.bottom - share * (self.height - self.bottom - self.top)

    def path(self, xs: Floats, ys: Floats, style: str) -> str:
        """A line through the points."""
        return self.paths(xs, ys[None], style)[0]

    def paths(self, xs: Floats, ys: Floats, style: str) -> list[str]:
        """Lines through the points of each row of ys[C, N]: their places across are written once."""
        points = "L".join(f"{x:.1f},%.1f" for x in self.across(xs).tolist())
        return [f'<path d="M{points % tuple(row)}" fill="none" {style}/>' for row in self.down(ys).tolist()]

    def draw(self, label: str, parts: Sequence[str], x_ticks: Sequence[float], y_ticks: Sequence[float], titles: tuple[str, str]) -> str:
        """The picture: grid, ticks, axis titles, and the parts."""
        head = f'<svg viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{html.escape(label)}">'
        return "".join([head, _axes(self, tuple(x_ticks), tuple(y_ticks), titles), *parts, "</svg>"])


@lru_cache(maxsize=64)
def _axes(frame: Frame, x_ticks: tuple[float, ...], y_ticks: tuple[float, ...], titles: tuple[str, str]) -> str:
    """Grid, ticks and axis titles of a frame: those of most pictures of a report are the same."""
    out, number = [], frame.language.number
    for tick in y_ticks:
        y = frame.at_y(tick)
        out.append(f'<path d="M{frame.left},{y:.1f}H{frame.width - frame.right}" stroke="{FAINT}"/>')
        out.append(f'<text x="{frame.left - 4}" y="{y + 3.5:.1f}" text-anchor="end">{number(tick)}</text>')
    floor = frame.height - frame.bottom
    for tick in x_ticks:
        x = frame.at_x(tick)
        out.append(f'<path d="M{x:.1f},{floor}v4" stroke="{INK}"/>')
        out.append(f'<text x="{x:.1f}" y="{floor + 14}" text-anchor="middle">{number(tick)}</text>')
    out.append(f'<path d="M{frame.left},{frame.top}V{floor}H{frame.width - frame.right}" fill="none" stroke="{INK}"/>')
    out.append(f'<text x="{(frame.left + frame.width) / 2:.0f}" y="{frame.height - 4}" text-anchor="middle">{titles[0]}</text>')
    if titles[1]:
        middle = (frame.top + floor) / 2
        out.append(f'<text transform="translate(9,{middle:.0f}) rotate(-90)" text-anchor="middle">{titles[1]}</text>')
    return "".join(out)


@dataclass(frozen=True, slots=True)
class Picture:
    """What is drawn in a frame. label and titles (of the axes) are Indonesian texts; {item} in the label stands for `item`."""

    frame: Frame
    label: str
    parts: Sequence[str]
    x_ticks: Sequence[float]
    y_ticks: Sequence[float]
    titles: tuple[str, str]
    item: str = ""

    def svg(self, language: Language = INDONESIAN) -> str:
        """The picture with its words and numbers in a language."""
        label, across, up = (language.gettext(text) for text in (self.label, *self.titles))
        frame = replace(self.frame, language=language)
        return frame.draw(label.format(item=self.item), self.parts, self.x_ticks, self.y_ticks, (across, up))


def line_style(colour: str, *, dashed: bool = False) -> str:
    """Stroke of a curve."""
    return f'stroke="{colour}" stroke-width="2"' + (' stroke-dasharray="5 3"' if dashed else "")


def item_curves(verdicts: Sequence[ItemVerdict], run: ScaleRun, old: ItemParams, new: ItemParams) -> list[Picture]:
    """Of estimated items of a run, one each, with the old parameters of those that have any, and the new ones: expected score (0-1) under old (grey, dashed) and new (blue) parameters, with observed means in ability
    bins and 95 % bands. Of a nominal item instead the probability of each category, numbered at its peak, with observed shares in the colour of its
    curve.
    """
    place = {item_id: at for at, item_id in enumerate(run.items)}
    frame, pictures = Frame(270, 168, (-4, 4), (0, 1)), []
    before, after = (
        iter(frame.paths(THETA, (expected_scores(params, THETA) / (params.n_cat - 1)).T, line_style(colour, dashed=dashed)))
        for params, colour, dashed in ((old, OLD, True), (new, NEW, False))
    )
    seen = _Observed.of(run)
    means = seen.means(frame)
    for v in verdicts:
        nominal, k = bool(v.shape.slopes), place[v.item_id]
        parts: list[str] = []
        for row, lines, colour in ((v.old, before, OLD), (v.new, after, "")):
            if row is not None:
                line = next(lines)
                parts += _categories(frame, row, colour) if nominal else [line]
        parts += seen.shares(frame, k, len(v.shape.b) + 1) if nominal else means[k]
        titles = (N_("kemampuan"), N_("peluang kategori") if nominal else N_("harapan skor"))
        pictures.append(Picture(frame, N_("Kurva butir {item}"), parts, (-4, -2, 0, 2, 4), (0, 0.5, 1), titles, v.item_id))
    return pictures


@dataclass(frozen=True, slots=True, eq=False)
class _Observed:
    """What was answered in bins of ability on the bank's scale: whether enough people did, enough[I, B], their mean ability, theta[I, B], the share of each
    category, share[I, K, B], and the mean score as a share of the score points with the half of its band, mean[I, B] and spread[I, B], by their posteriors.
    """

    enough: NDArray[np.bool_]
    theta: Floats
    share: Floats
    mean: Floats
    spread: Floats

    @classmethod
    def of(cls, run: ScaleRun) -> "_Observed":
        """Of the items of a run."""
        nodes = run.slope * run.fit.nodes + run.intercept
        low = np.arange(-3.5, 3.5, BIN)
        inside = ((nodes[:, None] >= low) & (nodes[:, None] < low + BIN)).astype(float)
        expected = run.fit.expected
        counts = expected.sum(axis=1)
        n = counts @ inside
        with np.errstate(invalid="ignore", divide="ignore"):
            share = expected @ inside / n[:, None]
            levels = (np.arange(share.shape[1]) / (run.fit.params.n_cat[:, None] - 1))[:, :, None]
            mean = (share * levels).sum(axis=1)
            spread = 1.96 * np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1) / n)
            return cls(n >= LEAST_IN_BIN, (counts * nodes) @ inside / n, share, mean, spread)

    def means(self, frame: Frame) -> list[list[str]]:
        """Mean answers to each item with their bands."""
        heights = frame.down(np.stack([self.mean, self.mean - self.spread, self.mean + self.spread]))
        places = np.stack([self.enough, frame.across(self.theta), *heights], axis=-1)
        return [
            [
                f'<path d="M{x:.1f},{high:.1f}V{low:.1f}" stroke="{INK}"/><circle cx="{x:.1f}" cy="{y:.1f}" r="2.6" fill="{INK}"/>'
                for enough, x, y, low, high in bins
                if enough
            ]
            for bins in places.tolist()
        ]

    def shares(self, frame: Frame, k: int, n_cat: int) -> list[str]:
        """The share of each category of item k."""
        return [
            f'<circle cx="{frame.at_x(float(self.theta[k, b])):.1f}" cy="{frame.at_y(p):.1f}" r="2" fill="{colour}"/>'
            for b in np.flatnonzero(self.enough[k]).tolist()
            for p, colour in zip(self.share[k, :n_cat, b].tolist(), itertools.cycle(CATEGORIES))
        ]


def _categories(frame: Frame, row: Row, colour: str) -> list[str]:
    """A curve for each category: dashed in `colour`, or where there is none in the category's own, with its number at the peak."""
    p = probabilities(params_of([row]), THETA)[:, 0]
    if colour:
        return [frame.path(THETA, p[:, k], line_style(colour, dashed=True)) for k in range(p.shape[1])]
    parts = []
    for k, own in zip(range(p.shape[1]), itertools.cycle(CATEGORIES)):
        peak = int(np.clip(p[:, k].argmax(), 2, len(THETA) - 3))
        x, y = frame.at_x(float(THETA[peak])), frame.at_y(float(p[peak, k])) - 4
        parts.append(frame.path(THETA, p[:, k], line_style(own)))
        parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{k}</text>')
    return parts


def difficulty_scatter(verdicts: Sequence[ItemVerdict]) -> Picture:
    """Where items lie (their mean b), old against new; what is not adopted is an open circle."""
    frame = Frame(340, 300, (-4, 4), (-4, 4))
    parts = [f'<path d="M{frame.at_x(-4)},{frame.at_y(-4)}L{frame.at_x(4)},{frame.at_y(4)}" stroke="{OLD}" stroke-dasharray="5 3"/>']
    pairs = [(v, v.old, v.new) for v in verdicts if v.old is not None and v.new is not None]
    places = (middles([row for _, *rows in pairs for row in rows]) if pairs else np.zeros(0)).reshape(-1, 2).tolist()
    for (v, *_), (before, after) in zip(pairs, places, strict=True):
        fill = f'fill="{NEW}" fill-opacity=".5"' if v.verdict == "adopt" else f'fill="none" stroke="{INK}"'
        x, y = frame.at_x(before), frame.at_y(after)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.4" {fill}><title>{html.escape(v.item_id)}</title></circle>')
    ticks = (-4, -2, 0, 2, 4)
    titles = (N_("rerata b lama"), N_("rerata b baru"))
    return Picture(frame, N_("Kesukaran lama dan baru"), parts, ticks, ticks, titles)


def shifts(verdicts: Sequence[ItemVerdict]) -> Picture:
    """Drift: the shift of mean b (new - old) against old b, with 95 % bars, and the bounds of robust z; items that moved by it, or are flagged, are red and named."""
    pairs = [(v, v.new, v.old) for v in verdicts if v.new is not None and v.old is not None]
    new, old = [row for _, row, _ in pairs], [row for _, _, row in pairs]
    d, places = middles(new) - middles(old), middles(old)
    z = robust_z(new, old)
    middle, unit = float(np.median(d)), SMALLEST_SPREAD
    if np.ptp(z) > 0:
        unit = float(np.ptp(d) / np.ptp(z))
    high = _round_up(max(0.5, float(np.abs(d).max()) * 1.15))
    frame = Frame(340, 300, (-4, 4), (-high, high))
    bounds = (middle - LARGEST_Z * unit, middle + LARGEST_Z * unit)
    across = f'H{frame.width - frame.right}" stroke="{OLD}" stroke-dasharray="5 3"/>'
    parts = [f'<path d="M{frame.left},{frame.at_y(bound):.1f}{across}' for bound in bounds]
    apart = ["drift" in v.flags or (v.drift is not None and "robust_z" in v.drift.beyond) for v, *_ in pairs]
    for (v, *_), place, shift, beyond in zip(pairs, places.tolist(), d.tolist(), apart, strict=True):
        colour, x, y = WARNING if beyond else NEW, frame.at_x(place), frame.at_y(shift)
        spread = 1.96 * v.se_middle if math.isfinite(v.se_middle) else 0.0
        low, top = frame.at_y(shift - spread), frame.at_y(shift + spread)
        name = html.escape(v.item_id)
        parts.append(f'<path d="M{x:.1f},{low:.1f}V{top:.1f}" stroke="{colour}" stroke-opacity=".35"/>')
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}" fill-opacity=".7"><title>{name}</title></circle>')
        if beyond:
            parts.append(f'<text x="{x + 5:.1f}" y="{y + 3:.1f}">{name}</text>')
    titles = (N_("rerata b lama"), N_("pergeseran b"))
    return Picture(frame, N_("Pergeseran kesukaran"), parts, (-4, -2, 0, 2, 4), (-high, 0, high), titles)


def group_shifts(findings: Sequence[DifFinding]) -> Picture:
    """DIF of one group: each item's shift with its 95 % bar, sorted; flagged items are red and named."""
    ordered = sorted(findings, key=lambda f: f.shift)
    spreads = [0.0 if math.isnan(f.se) else 1.96 * f.se for f in ordered]
    high = _round_up(max(0.2, *(abs(f.shift) + spread for f, spread in zip(ordered, spreads, strict=True))))
    frame = Frame(340, 220, (0, len(ordered) + 1), (-high, high))
    across = f'H{frame.width - frame.right}" stroke="{OLD}" stroke-dasharray="5 3"/>'
    parts = [f'<path d="M{frame.left},{frame.at_y(bound):.1f}{across}' for bound in (-LARGEST_SHIFT, LARGEST_SHIFT)]
    for k, (f, spread) in enumerate(zip(ordered, spreads, strict=True), start=1):
        colour, x = WARNING if f.flagged else NEW, frame.at_x(k)
        parts.append(
            f'<path d="M{x:.1f},{frame.at_y(f.shift - spread):.1f}V{frame.at_y(f.shift + spread):.1f}" stroke="{colour}" stroke-opacity=".4"/>'
        )
        parts.append(
            f'<circle cx="{x:.1f}" cy="{frame.at_y(f.shift):.1f}" r="2.4" fill="{colour}"><title>{html.escape(f.item_id)}</title></circle>'
        )
        if f.flagged:
            parts.append(f'<text x="{x + 4:.1f}" y="{frame.at_y(f.shift) + 3:.1f}">{html.escape(f.item_id)}</text>')
    titles = (N_("butir, menurut pergeseran"), N_("pergeseran"))
    return Picture(frame, N_("Pergeseran antarkelompok"), parts, (), (-high, 0, high), titles)


def error_by_answers(verdicts: Sequence[ItemVerdict], max_se: float) -> Picture:
    """The largest SE of b against the number of answers, and the largest that is adopted."""
    shown = [(v.n, max(v.se_b)) for v in verdicts if v.new is not None and all(map(math.isfinite, v.se_b))]
    most = _round_up(max((n for n, _ in shown), default=100))
    high = max(2 * max_se, 0.5)
    frame = Frame(340, 300, (0, most), (0, high))
    parts = [f'<path d="M{frame.left},{frame.at_y(max_se):.1f}H{frame.width - frame.right}" stroke="#a3201c" stroke-dasharray="5 3"/>']
    parts += [f'<circle cx="{frame.at_x(n):.1f}" cy="{frame.at_y(se):.1f}" r="3" fill="{NEW}" fill-opacity=".5"/>' for n, se in shown]
    ticks = [0, most / 2, most]
    titles = (N_("jawaban per butir"), N_("SE b terbesar"))
    return Picture(frame, N_("Galat baku dan banyaknya jawaban"), parts, ticks, (0, round(max_se, 2), round(high, 2)), titles)


def information_curves(old: ItemParams, new: ItemParams) -> Picture:
    """Information of a competency's items under old (grey, dashed) and proposed (blue) parameters."""
    totals = [information(params, THETA).sum(axis=1) for params in (old, new) if len(params)]
    top = _round_up(max(float(total.max()) for total in totals))
    frame = Frame(340, 190, (-4, 4), (0, top))
    parts = [frame.path(THETA, totals[-1], line_style(NEW))]
    if len(totals) == 2:
        parts.insert(0, frame.path(THETA, totals[0], line_style(OLD, dashed=True)))
    titles = (N_("kemampuan"), N_("informasi"))
    return Picture(frame, N_("Informasi bank"), parts, (-4, -2, 0, 2, 4), (0, top / 2, top), titles)


def ability(run: ScaleRun) -> Picture:
    """Where people stand (bars, on the bank's scale) above where the steps of the estimated items lie (ticks)."""
    nodes = run.slope * run.fit.nodes + run.intercept
    mass = run.fit.ability()
    edges = np.arange(-4, 4.01, 0.4)
    height = np.array([mass[(nodes >= low) & (nodes < low + 0.4)].sum() for low in edges[:-1]])
    top = max(0.05, float(np.ceil(height.max() * 20) / 20))
    frame = Frame(340, 190, (-4, 4), (0, top), bottom=44)
    parts = []
    for low, share in zip(edges.tolist(), height.tolist(), strict=False):
        x, y = frame.at_x(low), frame.at_y(share)
        parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{frame.at_x(low + 0.38) - x:.1f}" height="{frame.at_y(0) - y:.1f}" fill="#9db8d3"/>'
        )
    floor = frame.at_y(0) + 17
    steps = [run.slope * b + run.intercept for row in run.fit.rows for b in (middles([row]).tolist() if row.slopes else row.b)]
    parts += [f'<path d="M{frame.at_x(b):.1f},{floor:.1f}v9" stroke="{INK}" stroke-opacity=".45"/>' for b in steps]
    title = N_("Peta Wright: sebaran kemampuan dan letak butir")
    return Picture(frame, title, parts, (-4, -2, 0, 2, 4), (0, top), (N_("kemampuan; garis: letak b"), N_("bagian orang")))


def _round_up(value: float) -> float:
    """The next of 1, 2, 4, 6, 10 times a power of ten."""
    scale = 10 ** float(np.floor(np.log10(max(value, 1e-9))))
    return next(step * scale for step in (1, 2, 4, 6, 10) if step * scale >= value - 1e-12)
