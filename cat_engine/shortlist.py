"""Finding the most informative items of a large bank without evaluating it: exact, by bounds.

The ability axis is cut into narrow cells. For each cell the items are sorted once by the highest information that they have anywhere in it, which
for items of two categories is at an end of the cell or at the item's own peak, since their information has one maximum (Birnbaum, 1968; Magis,
2013). At a decision only the first free items of the cell's list are evaluated; the choice is certain when the worst of those that matter beats
the bound of the next item on the list. Where it is not, or ability lies outside the cells, the caller evaluates everything.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Dichotomous, Floats, Ints, taken

CELL_WIDTH = 0.05
LONGEST_LIST = 192
SPARE = 5  # items evaluated beyond those that matter
CAUTION = 1e-9  # relative, and twice the rounding of scores absolutely: a bound is never trusted to the last digit
ROUNDING = 2e-12
NO_BOUND = 1e200  # finite: times any variance, 0 too, it is a number


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """order[C + 2, W]: the items of each cell from the highest bound down; bound[C + 2, W + 1]: their bounds, the last that of the best item left
    out (-NO_BOUND where there is none). Cell c spans low + (c - 1) CELL_WIDTH to low + c CELL_WIDTH; the first and the last stand for all that lies
    below and above the others, where there is no bound (NO_BOUND).
    """

    family: Dichotomous
    low: float
    order: Ints
    bound: Floats

    @classmethod
    def of(cls, family: Dichotomous, peak: Floats, low: float, high: float) -> "Ranking":
        """Of all items of a pool, between two abilities."""
        cells = int(np.ceil((high - low) / CELL_WIDTH))
        edges = low + CELL_WIDTH * np.arange(cells + 1)
        count = len(peak)
        width = min(count, LONGEST_LIST)
        order, bound = np.zeros((cells + 2, width), dtype=int), np.full((cells + 2, width + 1), -NO_BOUND)
        order[[0, -1]], bound[[0, -1]] = np.arange(width), NO_BOUND
        at_peak = family.information(peak)
        before = family.information(np.full(count, edges[0]))
        for c in range(cells):
            after = family.information(np.full(count, edges[c + 1]))
            highest = np.where((peak > edges[c]) & (peak < edges[c + 1]), at_peak, np.maximum(before, after))
            kept = np.argpartition(-highest, width - 1)[: width + 1] if count > width else np.arange(count)
            ranked = np.argsort(-highest, kind="stable") if count <= 2 * width else kept[np.argsort(-highest[kept], kind="stable")]
            order[c + 1] = ranked[:width]
            bound[c + 1, :width] = highest[order[c + 1]]
            if count > width:
                left = np.ones(count, dtype=bool)
                left[order[c + 1]] = False
                bound[c + 1, width] = highest[left].max()
            before = after
        return cls(family, low, order, bound)

    def cell(self, theta: Floats) -> Ints:
        """The cell of each theta[N]."""
        place = (theta - (self.low - CELL_WIDTH)) / CELL_WIDTH
        return np.asarray(np.minimum(np.maximum(place, 0.0), len(self.order) - 1.0).astype(int))


@dataclass(frozen=True, slots=True, eq=False)
class Shortlist:
    """Of N sessions: item[N, M], ascending, so that the lowest index comes first where scores tie; info[N, M], their information; score[N, M],
    -inf for an item that is not eligible, where there are fewer than M; and sure[N], where no other item can matter.
    """

    item: Ints
    info: Floats
    score: Floats
    sure: NDArray[np.bool_]


def shortlist(ranking: Ranking, theta: Floats, variance: Floats, eligible: NDArray[np.bool_], given: int, depth: int) -> Shortlist:
    """The items among which are the `depth` best of each session by information times variance, rounded as scores are.

    theta[N], variance[N], eligible[N, I]; given: the most items that any of the sessions has had.
    """
    n, count = eligible.shape
    cell, most = ranking.cell(theta), ranking.order.shape[1]
    spare = min(depth + SPARE, most)
    width = min(most, given + 2 * spare)
    listed = ranking.order[cell, :width]
    at = listed + count * np.arange(n)[:, None]
    free = eligible.ravel().take(at)
    chosen = free & (free.cumsum(axis=1, dtype=np.int32) <= spare)
    place = np.flatnonzero(chosen)
    short = place.size < n * spare
    if short:  # somebody has fewer left: others of the list fill up
        place = (np.argsort(~chosen, axis=1, kind="stable")[:, :spare] + width * np.arange(n)[:, None]).ravel()
    item = listed.ravel().take(place).reshape(n, spare)
    last = place[spare - 1 :: spare] % width
    item.sort(axis=1)
    info = taken(ranking.family, item).information(theta[:, None])
    score = (info * variance[:, None]).round(12)
    if short:
        score[~np.take_along_axis(eligible, item, axis=1)] = -np.inf
        last[~chosen.ravel()[place[spare - 1 :: spare]]] = width - 1
    worst = score.max(axis=1) if depth == 1 else np.partition(score, spare - depth, axis=1)[:, spare - depth]
    bound = ranking.bound[cell, last + 1]  # of the first item of the list that was not looked at
    return Shortlist(item, info, score, (worst > bound * variance * (1 + CAUTION) + ROUNDING) | (bound < 0))
