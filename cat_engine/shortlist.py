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


@dataclass(frozen=True, slots=True, eq=False)
class Ranking:
    """order[C, W]: the items of each cell from the highest bound down; bound[C, W + 1]: their bounds, the last that of the best item left out
    (-inf where there is none). Cell c spans low + c CELL_WIDTH to low + (c + 1) CELL_WIDTH.
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
        order, bound = np.empty((cells, width), dtype=int), np.full((cells, width + 1), -np.inf)
        at_peak = family.information(peak)
        before = family.information(np.full(count, edges[0]))
        for c in range(cells):
            after = family.information(np.full(count, edges[c + 1]))
            highest = np.where((peak > edges[c]) & (peak < edges[c + 1]), at_peak, np.maximum(before, after))
            kept = np.argpartition(-highest, width - 1)[: width + 1] if count > width else np.arange(count)
            ranked = np.argsort(-highest, kind="stable") if count <= 2 * width else kept[np.argsort(-highest[kept], kind="stable")]
            order[c] = ranked[:width]
            bound[c, :width] = highest[order[c]]
            if count > width:
                left = np.ones(count, dtype=bool)
                left[order[c]] = False
                bound[c, width] = highest[left].max()
            before = after
        return cls(family, low, order, bound)


@dataclass(frozen=True, slots=True, eq=False)
class Shortlist:
    """Of N sessions: item[N, M], the lowest index first where scores tie, score[N, M] (-inf where there are fewer items), and sure[N], where no other item can matter."""

    item: Ints
    score: Floats
    sure: NDArray[np.bool_]


def shortlist(ranking: Ranking, theta: Floats, variance: Floats, eligible: NDArray[np.bool_], given: int, depth: int) -> Shortlist:
    """The items among which are the `depth` best of each session by information times variance, rounded as scores are.

    theta[N], variance[N], eligible[N, I]; given: the most items that any of the sessions has had.
    """
    n = len(theta)
    cells, width = ranking.order.shape
    cell = np.floor((theta - ranking.low) / CELL_WIDTH).astype(int)
    inside = (cell >= 0) & (cell < cells)
    cell = np.where(inside, cell, 0)
    spare = depth + SPARE
    width = min(width, given + 2 * spare)
    listed = ranking.order[:, :width][cell]
    count = eligible.shape[1]
    free = eligible.ravel().take(listed + count * np.arange(n)[:, None])
    rank = np.cumsum(free, axis=1, dtype=np.int32)
    flat = np.flatnonzero(free & (rank <= spare))
    row, column = flat // width, rank.ravel()[flat] - 1
    item = listed.ravel()[flat]
    info = taken(ranking.family, item).information(theta[row])
    scores, items, places = np.full((n, spare), -np.inf), np.full((n, spare), count), np.full((n, spare), width - 1)
    at = row * spare + column
    scores.ravel()[at], items.ravel()[at], places.ravel()[at] = np.round(info * variance[row], 12), item, flat - row * width
    worst = scores.max(axis=1) if depth == 1 else np.partition(scores, spare - depth, axis=1)[:, spare - depth]
    if depth > 1 or np.count_nonzero(scores == worst[:, None]) > n:  # with ties the lowest index must come first
        by_index = np.argsort(items, axis=1)
        items, scores = np.take_along_axis(items, by_index, axis=1), np.take_along_axis(scores, by_index, axis=1)
    bound = ranking.bound[cell, places[:, -1] + 1]  # of the first item of the list that was not looked at
    certain = np.isneginf(bound) | (worst > bound * variance * (1 + CAUTION) + ROUNDING)
    return Shortlist(items, scores, inside & certain)
