"""Finding the most informative items of a bank without evaluating it: exact, by bounds.

The ability axis is cut into narrow cells. For each cell the items of a competency are sorted once by a bound on the information that they have
anywhere in it: for items of two categories the highest value at the ends of the cell and at the item's own peak, since their information has one
maximum (Birnbaum, 1968; Magis, 2013); for others the highest at a few points, plus what it can rise between them by its curvature. At a decision only
the free items of the highest bounds are evaluated; the choice is certain when the worst of those that matter beats the bounds of all others. Where it
is not, or ability lies outside the cells, the caller evaluates everything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Dichotomous, DividedByTotal, Family, Floats, Graded, Ints
from cat_engine.irt import ItemParams, information_at, information_of

CELL_WIDTH = 0.05
POINTS = 4  # at which the information of items of several categories is taken in a cell
LONGEST_LIST = 192
SPARE = 5  # items evaluated beyond those that matter
CAUTION = 1 + 1e-9  # and twice the rounding of scores: a bound is never trusted to the last digit
UNIT = np.array(1e12)  # scores and their bounds count in units of 1e-12, whole ones of which are what `round` to 12 digits keeps
ROUNDING = 2.0  # units
ALONE = np.ones(1, dtype=bool)  # the only session
ALONE.setflags(write=False)
ZERO, WIDTH = np.array(0.0), np.array(CELL_WIDTH)
NO_BOUND = 1e200  # finite: times any variance, 0 too, it is a number


def steepest_bend(family: Family) -> Floats | None:
    """A bound on |I''| at every ability, [I]: 0 where the information has one maximum, None for a family of which none is known.

    Graded: with u_k = r_k - s_{k+1} and v_k = -u'_k / a the information is a^2 sum_k P_k u_k^2 and I'' = a^4 sum_k P_k (u^4 - 5 u^2 v + 2 v^2 - 2 u v'),
    |u| <= 1, 0 <= v <= 1/2, |v'| < .193. Divided by total: the fourth cumulant of the slope, between -r^4/8 and r^4/12 for slopes in a range r.
    """
    match family:
        case Dichotomous():
            return np.zeros(family.values.shape[1])
        case Graded():
            return np.asarray(2.9 * family.a**4)
        case DividedByTotal():
            return np.asarray(np.ptp(family.slopes, axis=1) ** 4 / 8, dtype=np.float64)
        case _:
            return None


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """order[S (C + 2), W]: the items of each competency and cell from the highest bound down; bound[S (C + 2), W + 1]: their bounds, the last that of
    the best item left out; -NO_BOUND where there is none. Cell c spans low + (c - 1) CELL_WIDTH to low + c CELL_WIDTH; the first and the last stand for
    all that lies below and above the others, where nothing is bounded (NO_BOUND); `last` is the latter, and the former begins `below`. The rows of a
    competency begin at first[S].
    by_scale[I]: the items by competency, from starts[S] on. up_to[W, W]: 1 on and above the diagonal.
    """

    params: ItemParams
    below: Floats
    last: Floats
    order: Ints
    bound: Floats
    first: Ints
    by_scale: Ints
    starts: Ints
    up_to: NDArray[np.float32]

    @classmethod
    def of(cls, params: ItemParams, scales: Sequence[Ints], peak: Floats, low: float, high: float) -> "Ranking | None":
        """Of the items scales[s] of each competency, between two abilities; None where an item's information has no bound."""
        bends = [steepest_bend(family) for _, family in params.families]
        bend = np.zeros(len(params))
        for (at, _), found in zip(params.families, bends, strict=True):
            if found is None:
                return None
            bend[at] = found
        cells = int(np.ceil((high - low) / CELL_WIDTH))
        width = min(max(len(at) for at in scales), LONGEST_LIST)
        order = np.zeros((len(scales), cells + 2, width), dtype=int)
        bound = np.full((len(scales), cells + 2, width + 1), -NO_BOUND)
        for s, at in enumerate(scales):
            order[s, [0, -1], : len(at)] = at[:width]
            bound[s, [0, -1]] = NO_BOUND if len(at) else -NO_BOUND
        for c, highest in enumerate(_highest(params, bend, peak, low + CELL_WIDTH * np.arange(cells + 1.0)), start=1):
            for s, at in enumerate(scales):
                own = highest[at]
                best = np.argpartition(-own, width)[: width + 1] if len(at) > width + 1 else np.arange(len(at))
                best = best[np.lexsort((best, -own[best]))]
                order[s, c, : len(best)] = at[best[:width]]
                bound[s, c, : len(best)] = own[best] * CAUTION * UNIT
        starts = np.cumsum([0, *(len(at) for at in scales[:-1])])
        first, rows = (cells + 2) * np.arange(len(scales)), (len(scales) * (cells + 2), -1)
        starts = np.minimum(starts, len(params) - 1)
        up_to = np.triu(np.ones((width, width), dtype=np.float32))
        ends = np.array(low - CELL_WIDTH), np.array(cells + 1.0)
        return cls(params, *ends, order.reshape(rows), bound.reshape(rows), first, np.concatenate(scales), starts, up_to)

    def cell(self, theta: Floats) -> Ints:
        """The row of each theta[N, S] in `order` and `bound`."""
        place = (theta - self.below) / WIDTH
        found: Ints = np.minimum(np.maximum(place, ZERO), self.last).astype(int)
        return found if len(self.first) == 1 else found + self.first

    def row(self, theta: float) -> int:
        """The same of one theta, where there is one competency."""
        return int(min(max((theta - self.below.item()) / CELL_WIDTH, 0.0), self.last.item()))

    def open(self, eligible: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which competencies have an eligible item, [N, S]; anything for those that have no item at all."""
        return np.asarray(np.logical_or.reduceat(eligible.take(self.by_scale, axis=1), self.starts, axis=1))


def _highest(params: ItemParams, bend: Floats, peak: Floats, edges: Floats) -> list[Floats]:
    """A bound on the information of each item in each cell, [C][I]."""
    points = POINTS if bend.any() else 1
    slack = bend * (CELL_WIDTH / points) ** 2 / 8  # how far a function can rise over its chord
    at_peak, found = information_at(params, peak), []
    before = information_at(params, edges[:1])
    for low, high in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        inside = low + (high - low) * np.arange(1, points + 1)[:, None] / points
        values = np.concatenate([before[None], information_at(params, inside)])
        found.append(np.where((bend == 0) & (peak > low) & (peak < high), at_peak, values.max(axis=0) + slack))
        before = values[-1]
    return found


class Shortlist(NamedTuple):
    """Of N sessions: item[N, M], ascending, so that the lowest index comes first where scores tie; info[N, M], their information; score[N, M],
    information times variance in whole units of 1e-12, -inf where there is no item; best[N], the flat place of the highest score; and open[N], where
    others may matter, None where that is nowhere.
    """

    item: Ints
    info: Floats
    score: Floats
    best: Ints
    open: NDArray[np.bool_] | None


def shortlist(ranking: Ranking, theta: Floats, variance: Floats, eligible: NDArray[np.bool_], given: int, depth: int) -> Shortlist:
    """The items among which are the `depth` best of each session by information times variance, rounded as scores are.

    theta[N, S], variance[N, S], eligible[N, I]; given: the most items of a competency that any of the sessions has had, or more where others are
    closed to it.
    """
    count, scales = eligible.shape[1], theta.shape[1]
    wanted = depth + SPARE
    width = min(ranking.order.shape[1], given + wanted)
    find = _best if scales > 1 else _first if len(theta) > 1 else _alone
    item, limit, enough = find(ranking, theta, variance, eligible, width, min(wanted, width))
    item.sort(axis=1)
    known = item if enough else np.minimum(item, count - 1)
    if scales == 1:
        own, weight = theta.ravel() if len(theta) == 1 else theta.repeat(known.shape[1]), variance
    else:
        cell = from_rows(ranking.params.scale.take(known), scales)
        own, weight = theta.take(cell).ravel(), variance.take(cell)
    info = information_of(ranking.params, known.ravel(), own).reshape(known.shape)
    score = np.rint(info * weight * UNIT)
    if not enough:
        score[item == count] = -np.inf
    best = from_rows(score.argmax(axis=1), score.shape[1])
    worst = score.take(best) if depth == 1 else np.partition(score, -depth, axis=1)[:, -depth]
    if len(worst) == 1:
        return Shortlist(known, info, score, best, None if worst.item() - ROUNDING > limit else ALONE)
    sure = worst - ROUNDING > limit
    return Shortlist(known, info, score, best, None if np.count_nonzero(sure) == len(sure) else ~sure)


def from_rows(place: Ints, width: int) -> Ints:
    """The flat places of place[N] or place[N, M], counted from the beginning of each of N rows of `width`; of one row they are the same."""
    if len(place) == 1:
        return place
    begin = np.arange(0, len(place) * width, width)
    return place + (begin if place.ndim == 1 else begin[:, None])


def _alone(
    ranking: Ranking, theta: Floats, variance: Floats, eligible: NDArray[np.bool_], width: int, wanted: int
) -> tuple[Ints, Floats | float, bool]:
    """What `_first` finds for one session, with as few steps as that takes: a live test waits for them."""
    row = ranking.row(theta.item())
    listed = ranking.order[row, :width]
    place = eligible.take(listed).nonzero()[0][:wanted]
    if place.size < wanted:
        return _first(ranking, theta, variance, eligible, width, wanted)
    return listed.take(place)[None], ranking.bound.item(row, place.item(-1) + 1) * variance.item(), True


def _first(
    ranking: Ranking, theta: Floats, variance: Floats, eligible: NDArray[np.bool_], width: int, wanted: int
) -> tuple[Ints, Floats, bool]:
    """Of one competency: the free items of the highest bounds, item[N, wanted] (the number of items stands for none); limit[N], the bound of
    information times variance of all others; and whether everybody has so many.
    """
    n, count = eligible.shape
    row = ranking.cell(theta).ravel()
    listed = ranking.order[row, :width]
    free = eligible.take(from_rows(listed, count))
    free &= free.astype(np.float32) @ ranking.up_to[:width, :width] <= wanted  # the quickest running count of many rows
    place = free.ravel().nonzero()[0][: n * wanted]
    enough = place.size == n * wanted
    if enough:
        item = listed.take(place).reshape(n, wanted)
        last = place[wanted - 1 :: wanted] % width
    elif width < ranking.order.shape[1]:  # the list did not reach
        return _first(ranking, theta, variance, eligible, ranking.order.shape[1], wanted)
    else:
        place = np.argsort(~free, axis=1, kind="stable")[:, :wanted]
        found = np.take_along_axis(free, place, axis=1)
        item = np.where(found, np.take_along_axis(listed, place, axis=1), count)
        last = np.where(found[:, -1], place[:, -1], width - 1)
    return item, ranking.bound[row, last + 1] * variance.ravel(), enough


def _best(
    ranking: Ranking, theta: Floats, variance: Floats, eligible: NDArray[np.bool_], width: int, wanted: int
) -> tuple[Ints, Floats, bool]:
    """The same of several competencies."""
    (n, count), cell = eligible.shape, ranking.cell(theta)
    listed = ranking.order[cell, :width].reshape(n, -1)
    ceiling = ranking.bound[cell, : width + 1] * variance[:, :, None]
    free = eligible.take(from_rows(listed, count))
    value = np.where(free, ceiling[:, :, :width].reshape(n, -1), -1.0)
    place = from_rows(np.argpartition(value, -wanted - 1, axis=1)[:, -wanted - 1 :], value.shape[1])
    highest = value.take(place)
    there = highest[:, 1:] >= 0
    limit, beyond = highest[:, 0], ceiling[:, :, width]
    if np.count_nonzero(np.maximum.reduce(beyond, axis=1) > limit):  # but for competencies in which no item is eligible
        limit = np.maximum(limit, np.where(ranking.open(eligible), beyond, -1.0).max(axis=1))
    return np.where(there, listed.take(place[:, 1:]), count), limit, bool(there.all())
