"""The E-step: posteriors of ability and expected counts, as two matrix products a block of persons.

Notation: P persons, I items, K categories, G groups, Q nodes. The answers are a 0/1 matrix S of persons x columns; column i K + k stands for
category k of item i, and column I K + g for membership of group g, as if everybody had answered one more item whose curve is the density of
ability in the group. With a table of log-probabilities [columns, Q]:

    L = exp(S table)    w = L / sum_q L    expected counts = S' w

Three sizes: a *block* of persons keeps L and w in the processor's cache; a *part* is a stretch of blocks that one thread or one worker of a cluster
works on; the design is all parts, wherever they are held (`Held`), and adds up what is made of each.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from cat_engine.irt import Floats, Ints

BLOCK = 2048
LARGEST_PART = 32 * BLOCK
PARTS = 8  # about, until they would be too large: the cut never depends on the machine, so that neither does the last digit of a sum
LEAST_LOG = -700.0
LEAST_SHARE = -60.0  # exp of it is nothing beside 1, and no denormal number, with which processors are many times slower

Sums = tuple[NDArray[np.floating], ...]


class Part:
    """The answers of a stretch of persons: indptr[P + 1] and columns[answers + P] of the sparse 0/1 matrix S, `width` columns wide.

    S stays sparse even where everybody answered everything: dense products would be faster on an idle machine, but libraries give them threads of
    their own, which on a busy one wait for each other. All blocks see through one array of ones.
    """

    def __init__(self, indptr: Ints, columns: Ints, width: int) -> None:
        self._made_of = indptr, columns, width
        self._blocks = {np.dtype(dtype): self._cut(dtype) for dtype in (np.float32, np.float64)}

    def __reduce__(self) -> tuple[Any, ...]:
        return Part, self._made_of

    @property
    def n_persons(self) -> int:
        """P of this part."""
        return len(self._made_of[0]) - 1

    def matrix(self, dtype: DTypeLike) -> sparse.csr_matrix:
        """S as a whole."""
        indptr, columns, width = self._made_of
        return sparse.csr_matrix((np.ones(len(columns), dtype), columns, indptr), shape=(self.n_persons, width))

    def posteriors(self, table: Floats) -> Iterator[tuple[sparse.csc_matrix, NDArray[np.floating], float]]:
        """Block by block, in the precision of table[columns, Q]: S', the posterior w[persons, Q], and its part of the log-likelihood."""
        return ((turned, *_posterior(block, table)) for block, turned in self._blocks[table.dtype])

    def _cut(self, dtype: DTypeLike) -> list[tuple[sparse.csr_matrix, sparse.csc_matrix]]:
        """S and S' of each block: both see the same numbers, but to turn one around again takes longer than a product of a small one."""
        indptr, columns, width = self._made_of
        cuts = [indptr[at : at + BLOCK + 1] for at in range(0, self.n_persons, BLOCK)]
        ones = np.ones(max(int(cut[-1] - cut[0]) for cut in cuts), dtype)
        blocks = []
        for cut in cuts:
            own = columns[cut[0] : cut[-1]]
            block = sparse.csr_matrix((ones[: len(own)], own, cut - cut[0]), shape=(len(cut) - 1, width))
            blocks.append((block, block.T))
        return blocks


class Held(Protocol):
    """Parts where they are held: here, or on a cluster."""

    def total(self, work: Callable[..., Sums], *shared: Any) -> Sums:
        """work(part, *shared) of every part, added up in pairs of neighbours."""
        ...


T = TypeVar("T")
Hold = Callable[[Sequence[Part]], Held]


@dataclass(frozen=True, slots=True, eq=False)
class Here:
    """Parts in this process, worked on by a thread a processor: sparse products and numpy run without Python's lock."""

    parts: Sequence[Part]

    def total(self, work: Callable[..., Sums], *shared: Any) -> Sums:
        """As Held says."""
        if len(self.parts) == 1:
            return work(self.parts[0], *shared)
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return in_pairs(pool.map(lambda part: work(part, *shared), self.parts), added)


def in_pairs(values: Iterable[T], join: Callable[[T, T], T]) -> T:
    """A tree of sums: neighbours first, so that the order, and with it rounding, is the same wherever the values were made.

    Of n values that come one by one no more than log2 n sums are waiting at a time.
    """
    waiting: list[tuple[int, T]] = []
    for value in values:
        waiting.append((0, value))
        while len(waiting) > 1 and waiting[-1][0] == waiting[-2][0]:
            level, right = waiting.pop()
            waiting.append((level + 1, join(waiting.pop()[1], right)))
    return reduce(lambda right, left: join(left, right), [value for _, value in reversed(waiting)])


def added(one: Sums, other: Sums) -> Sums:
    """Sums of two neighbours."""
    return tuple(a + b for a, b in zip(one, other, strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Who answered what, in parts; counts[I, K] answers by item and category, sizes[G] persons by group."""

    held: Held
    counts: Ints
    sizes: Ints

    @classmethod
    def of(cls, person: Ints, item: Ints, category: Ints, group: Ints, n_items: int, n_cat: int, hold: Hold = Here) -> "Design":
        """From answers person[R], item[R], category[R] and the group of each person, group[P]. `hold` says where the parts go."""
        if (person[1:] < person[:-1]).any():
            order = np.argsort(person, kind="stable")
            person, item, category = person[order], item[order], category[order]
        n_persons = len(group)
        starts = np.concatenate([[0], np.cumsum(np.bincount(person, minlength=n_persons))])
        size = min(LARGEST_PART, -(-n_persons // (PARTS * BLOCK)) * BLOCK)
        width = n_items * n_cat + int(group.max()) + 1
        parts, counts = [], np.zeros(n_items * n_cat, dtype=np.int64)
        for at in range(0, n_persons, size):
            cut = starts[at : at + size + 1]
            mine = slice(cut[0], cut[-1])
            columns = item[mine].astype(np.int32) * np.int32(n_cat) + category[mine].astype(np.int32)
            counts += np.bincount(columns, minlength=len(counts))
            indptr = cut - cut[0] + np.arange(len(cut))
            whole: Ints = np.empty(int(indptr[-1]), dtype=np.int32)
            last = np.zeros(len(whole), dtype=bool)
            last[indptr[1:] - 1] = True
            whole[last], whole[~last] = n_items * n_cat + group[at : at + size], columns
            parts.append(Part(indptr, whole, width))
        return cls(hold(parts), counts.reshape(n_items, n_cat), np.bincount(group))

    @property
    def n_items(self) -> int:
        """I."""
        return int(self.counts.shape[0])

    @property
    def n_cat(self) -> int:
        """K."""
        return int(self.counts.shape[1])

    @property
    def n_groups(self) -> int:
        """G."""
        return len(self.sizes)

    @property
    def n_persons(self) -> int:
        """P."""
        return int(self.sizes.sum())

    def expect(self, table: Floats) -> tuple[float, Floats]:
        """Log-likelihood, and expected counts by column and node, [I K + G, Q], in the precision of the table."""
        loglik, expected = self.held.total(expected_counts, table)
        return float(loglik), expected.astype(float)


def expected_counts(part: Part, table: Floats) -> Sums:
    """The E-step of a part: its log-likelihood, and its expected counts [columns, Q]."""
    total, expected = 0.0, np.zeros(table.shape)
    for turned, w, loglik in part.posteriors(table):
        total += loglik
        expected += turned @ w
    return np.array(total), expected


def _posterior(block: sparse.csr_matrix, table: Floats) -> tuple[NDArray[np.floating], float]:
    joint = block @ table
    top = np.ascontiguousarray(joint.T).max(axis=0)[:, None]  # of many short rows it would take twice as long
    np.maximum(np.subtract(joint, top, out=joint), LEAST_SHARE, out=joint)
    np.exp(joint, out=joint)
    total = joint.sum(axis=1, keepdims=True)
    return np.divide(joint, total, out=joint), float(np.log(total).sum(dtype=float) + top.sum(dtype=float))
