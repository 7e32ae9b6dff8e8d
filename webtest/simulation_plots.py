"""Plots of simulations as SVG text, in the manner of the calibration report."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from calibration.language import INDONESIAN, Language
from calibration.plots import Frame, line_style
from cat_engine import information
from cat_engine.irt import Floats
from cat_engine.tally import SLICES, ByAbility, SectionTime, Tally

BLUE, RED, GREEN, GREY, PALE = "#0b5394", "#a3201c", "#1b6e3c", "#7a8794", "#ccd8e4"
COLOURS = (BLUE, RED, GREEN, "#8a4b00", "#6a3d9a", "#00767a", "#b0317b", "#4d5b69")  # of several designs
REACH = 4.0
GRID = np.arange(-REACH + 0.5, REACH, 0.5)  # edges of the bins of true ability behind the curves
MIDDLE = np.arange(-REACH + 0.25, REACH, 0.5)
LEAST_IN_BIN = 5
FAR = 4.0  # budgets: an advised limit beyond is not drawn
THETA = np.linspace(-REACH, REACH, 81)
ABILITIES = (-4, -2, 0, 2, 4)
W, H = 360, 230


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers from low to high."""
    rough = (high - low) / 5
    power = 10.0 ** np.floor(np.log10(rough))
    step = next(k * power for k in (1, 2, 2.5, 5, 10) if k * power >= rough * 0.999)
    return [round(float(k * step), 12) for k in range(int(np.ceil(low / step - 1e-9)), int(np.floor(high / step + 1e-9)) + 1)]


def _frame(x: tuple[float, float], y: tuple[float, float], language: Language) -> Frame:
    return Frame(W, H, x, y, left=50, bottom=34, language=language)


def _bars(frame: Frame, edges: Floats, heights: Floats, colour: str) -> str:
    """A histogram: heights[k] between edges[k] and edges[k + 1], as one path."""
    floor = frame.at_y(frame.y[0])
    gap = 1.0 if frame.at_x(float(edges[1])) - frame.at_x(float(edges[0])) > 3 else 0.0
    boxes = (
        f"M{frame.at_x(a):.1f},{floor:.1f}V{frame.at_y(h):.1f}H{frame.at_x(b) - gap:.1f}V{floor:.1f}Z"
        for a, b, h in zip(edges[:-1].tolist(), edges[1:].tolist(), heights.tolist(), strict=True)
        if h > 0
    )
    return f'<path d="{"".join(boxes)}" fill="{colour}"/>'


def _curve(frame: Frame, x: Floats, y: Floats, style: str) -> str:
    keep = np.isfinite(y)
    return frame.path(x[keep], y[keep], style) if keep.sum() > 1 else ""


def _zero(frame: Frame) -> str:
    return f'<path d="M{frame.left},{frame.at_y(0):.1f}H{frame.width - frame.right}" stroke="{GREY}"/>'


def by_ability(by: ByAbility, values: Floats) -> Floats:
    """values[S, K] where enough people stand behind them, else NaN."""
    return np.where(by.n >= LEAST_IN_BIN, values, np.nan)


def truth(sample: Floats, s: int, name: str, language: Language = INDONESIAN) -> str:
    """Estimates against true abilities: sample[2, M, S]."""
    frame = _frame((-REACH, REACH), (-REACH, REACH), language)
    dots = "".join(f"M{frame.at_x(a):.1f},{frame.at_y(b):.1f}h0" for a, b in zip(*sample[:, :, s].tolist(), strict=True))
    ends = np.array([-REACH, REACH])
    parts = [
        f'<path d="{dots}" stroke="{BLUE}" stroke-opacity=".35" stroke-width="4" stroke-linecap="round"/>',
        frame.path(ends, ends, line_style(RED, dashed=True)),
    ]
    label = language.gettext("{name}: kemampuan sebenarnya dan perkiraan").format(name=name)
    return frame.draw(label, parts, ABILITIES, ABILITIES, (language.gettext("theta sebenarnya"), language.gettext("perkiraan")))


def conditional(tally: Tally, s: int, name: str, language: Language = INDONESIAN) -> str:
    """RMSE, bias and mean SE by true ability."""
    by = tally.grid
    rmse, bias, se = (by_ability(by, values)[s] for values in (by.rmse, by.bias, by.mean_se))
    seen = np.abs(np.concatenate([rmse, bias, se]))
    top = float(np.ceil(max(0.5, seen[np.isfinite(seen)].max(initial=0.0)) * 5) / 5)
    low = float(np.floor(min(0.0, bias[np.isfinite(bias)].min(initial=0.0)) * 5) / 5)
    frame = _frame((-REACH, REACH), (low, top), language)
    parts = [
        _zero(frame), _curve(frame, MIDDLE, rmse, line_style(BLUE)), _curve(frame, MIDDLE, se, line_style(GREEN, dashed=True)),
        _curve(frame, MIDDLE, bias, line_style(RED)),
    ]  # fmt: skip
    label = language.gettext("{name}: RMSE, SE dan bias menurut kemampuan").format(name=name)
    return frame.draw(label, parts, ABILITIES, ticks(low, top), (language.gettext("theta sebenarnya"), language.gettext("galat")))


def most_items(tally: Tally, s: int) -> int:
    """The most items that the plan gives on competency s."""
    pool, plan = tally.trial.pool, tally.trial.plan
    own = int(np.count_nonzero((pool.params.scale == s) & pool.operational))
    return min(own, next((section.max_items for section in plan.sections if pool.competencies[s] in section.competencies), 0))


def supply(tally: Tally, s: int, name: str, language: Language = INDONESIAN) -> str:
    """Information of the bank's best items against what was reached, over the distribution of people."""
    pool, by = tally.trial.pool, tally.grid
    info = information(pool.params.take(np.flatnonzero((pool.params.scale == s) & pool.operational)), THETA)
    best = -np.sort(-info, axis=1)[:, : most_items(tally, s)].sum(axis=1)
    reached = by_ability(by, by.mean_se**-2.0)[s]
    top = float(max(best.max(initial=0.0), reached[np.isfinite(reached)].max(initial=0.0), 1e-9)) * 1.05
    frame = _frame((-REACH, REACH), (0.0, top), language)
    edges = np.concatenate([[-REACH], GRID, [REACH]])
    parts = [
        _bars(frame, edges, by.n[s] / by.n[s].max() * top * 0.6, PALE), _curve(frame, THETA, best, line_style(BLUE)),
        _curve(frame, MIDDLE, reached, line_style(RED, dashed=True)),
    ]  # fmt: skip
    label = language.gettext("{name}: informasi bank dan kebutuhan").format(name=name)
    return frame.draw(label, parts, ABILITIES, ticks(0, top), ("theta", language.gettext("informasi")))


def exposures(tallies: Mapping[str, Tally], language: Language = INDONESIAN) -> str:
    """Exposure of the items, the most exposed first; bars for one design, a curve each for several."""
    rates = [-np.sort(-tally.exposure) for tally in tallies.values()]
    most = max(len(r) for r in rates)
    top = max(0.05, float(np.ceil(max(r.max(initial=0.0) for r in rates) * 20) / 20))
    frame = _frame((0, most), (0, top), language)
    if len(rates) == 1:
        parts = [_bars(frame, np.arange(most + 1.0), rates[0], BLUE)]
    else:
        parts = [frame.path(np.arange(len(r)) + 0.5, r, line_style(c)) for r, c in zip(rates, COLOURS, strict=False)]
    title, titles = (
        language.gettext("Paparan butir, dari yang paling sering"),
        (language.gettext("urutan butir"), language.gettext("bagian orang")),
    )
    return frame.draw(title, parts, ticks(0, most), ticks(0, top), titles)


def lengths(tallies: Mapping[str, Tally], language: Language = INDONESIAN) -> str:
    """How many people had a test of each length."""
    used = [np.flatnonzero(tally.lengths) for tally in tallies.values()]
    low, high = min(int(u.min()) for u in used) - 1, max(int(u.max()) for u in used) + 1
    shares = [tally.lengths[np.minimum(np.arange(low, high + 1), len(tally.lengths) - 1)] / tally.people for tally in tallies.values()]
    for share, tally in zip(shares, tallies.values(), strict=True):
        share[np.arange(low, high + 1) >= len(tally.lengths)] = 0.0
    if low < 0:
        shares, low = [share[1:] for share in shares], 0
    top = float(max(share.max() for share in shares)) * 1.05
    frame = _frame((low - 0.5, high + 0.5), (0, top), language)
    places = np.arange(low, high + 1.0)
    if len(shares) == 1:
        parts = [_bars(frame, np.arange(low, high + 2) - 0.5, shares[0], BLUE)]
    else:
        parts = [frame.path(places, share, line_style(c)) for share, c in zip(shares, COLOURS, strict=False)]
    marks = [t for t in ticks(low, high) if t == int(t)]
    titles = (language.gettext("banyaknya butir"), language.gettext("bagian orang"))
    return frame.draw(language.gettext("Panjang tes"), parts, marks, ticks(0, top), titles)


def section_time(spent: SectionTime, limit_s: float, name: str, language: Language = INDONESIAN) -> str:
    """How long people who end in time spend in a section, with its budget and the advised limit, unless that is far off the picture."""
    slices = spent.slices.copy()
    slices[-1] -= spent.late
    groups = slices.reshape(-1, 5).sum(axis=1) / max(int(spent.slices.sum()), 1)
    budget = spent.budget_s / 60
    edges = np.linspace(0, budget, SLICES // 5 + 1)
    top = max(float(groups.max()), 1e-3) * 1.05
    right = max(budget, min(limit_s / 60, FAR * budget)) * 1.02
    frame = _frame((0, right), (0, top), language)
    parts = [_bars(frame, edges, groups, BLUE)]
    for at, colour in ((budget, RED), (limit_s / 60, GREEN)):
        if at <= right:
            parts.append(f'<path d="M{frame.at_x(at):.1f},{frame.at_y(0):.1f}V{frame.at_y(top):.1f}" {line_style(colour, dashed=True)}/>')
    label = language.gettext("{name}: waktu pengerjaan").format(name=name)
    return frame.draw(label, parts, ticks(0, right), ticks(0, top), (language.gettext("menit"), language.gettext("bagian orang")))


def compared(tallies: Mapping[str, Tally], competency: str, kind: Literal["rmse", "items"], language: Language = INDONESIAN) -> str:
    """RMSE, or the items given, by true ability on one competency: a curve for each design that has it."""
    label, vertical = (
        (language.gettext("{name}: RMSE menurut kemampuan"), "RMSE")
        if kind == "rmse"
        else (language.gettext("{name}: banyaknya butir menurut kemampuan"), language.gettext("banyaknya butir"))
    )
    curves = []
    for tally, colour in zip(tallies.values(), COLOURS, strict=False):
        if competency in tally.trial.pool.competencies:
            by, s = tally.grid, tally.trial.pool.competencies.index(competency)
            curves.append((by_ability(by, by.rmse if kind == "rmse" else by.mean(by.items))[s], colour))
    top = max([0.1, *(float(v[np.isfinite(v)].max(initial=0.0)) for v, _ in curves)]) * 1.1
    frame = _frame((-REACH, REACH), (0, top), language)
    parts = [_curve(frame, MIDDLE, values, line_style(colour)) for values, colour in curves]
    titles = (language.gettext("theta sebenarnya"), vertical)
    return frame.draw(label.format(name=competency), parts, ABILITIES, ticks(0, top), titles)


def figure(svg: str, title: str, legend: Sequence[tuple[str, str, bool]] = ()) -> str:
    """A plot under its title, with (colour, words, dashed) for each curve; pale is the colour of bars."""
    keys = "".join(
        '<span class="key"><svg viewBox="0 0 22 8" aria-hidden="true">'
        + (f'<path d="M4,0H18V8H4Z" fill="{PALE}"/>' if colour == PALE else f'<path d="M1,4H21" {line_style(colour, dashed=dashed)}/>')
        + f"</svg>{words}</span>"
        for colour, words, dashed in legend
    )
    return f"<figure><figcaption><strong>{title}</strong>{f'<span class=keys>{keys}</span>' if keys else ''}</figcaption>{svg}</figure>"
