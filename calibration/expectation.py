"""The E-step: posteriors of ability and expected counts, as two matrix products a block of persons.

Notation: P persons, I items, K categories, G groups, Q nodes. The answers are a 0/1 matrix S of persons x columns; column i K + k stands for
category k of item i, and column I K + g for membership of group g, as if everybody had answered one more item whose curve is the density of
ability in the group. With a table of log-probabilities [columns, Q]:

    L = exp(S table)    w = L / sum_q L    expected counts = S' w

Blocks keep L and w in the processor's cache, and are what a cluster would map over. S is sparse, or dense where enough of it is filled.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from cat_engine.irt import Floats, Ints

BLOCK = 2048
DENSE_FROM = 0.15
LEAST_LOG = -700.0
LEAST_SHARE = -60.0  # exp of it is nothing beside 1, and no denormal number, with which processors are many times slower

Matrix = Any  # scipy.sparse.csr_matrix or a dense array: both have @, T, dtype and astype


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """Who answered what, in blocks of persons; `columns` of each answer and of each person's group as above."""

    blocks: tuple[Matrix, ...]
    whole: sparse.csr_matrix
    n_items: int
    n_cat: int
    n_groups: int

    @classmethod
    def of(cls, person: Ints, item: Ints, category: Ints, group: Ints, n_items: int, n_cat: int) -> "Design":
        """From answers person[R], item[R], category[R] and the group of each person, group[P]."""
        n_persons, n_groups = len(group), int(group.max()) + 1
        rows = np.concatenate([person, np.arange(n_persons)])
        columns = np.concatenate([item * n_cat + category, n_items * n_cat + group])
        shape = (n_persons, n_items * n_cat + n_groups)
        whole = sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=shape)
        dense = len(person) > DENSE_FROM * n_persons * n_items * n_cat
        parts = [whole[at : at + BLOCK] for at in range(0, n_persons, BLOCK)]
        return cls(tuple(part.toarray() for part in parts) if dense else tuple(parts), whole, n_items, n_cat, n_groups)

    @property
    def n_persons(self) -> int:
        """P."""
        return int(self.whole.shape[0])

    def astype(self, dtype: DTypeLike) -> "Design":
        """The same answers for products in another precision."""
        return replace(self, blocks=tuple(block.astype(dtype) for block in self.blocks))

    def counts(self) -> Ints:
        """Answers by item and category, [I, K]."""
        total = np.asarray(self.whole.sum(axis=0)).ravel()[: self.n_items * self.n_cat]
        return np.asarray(np.rint(total), dtype=np.int64).reshape(self.n_items, self.n_cat)

    def posteriors(self, table: Floats) -> Iterator[tuple[NDArray[np.floating], float]]:
        """Block by block: the posterior w[persons, Q], and its part of the log-likelihood."""
        return (_posterior(block, table) for block in self.blocks)

    def expect(self, table: Floats) -> tuple[float, Floats]:
        """Log-likelihood, and expected counts by column and node, [I K + G, Q]."""
        table = table.astype(self.blocks[0].dtype)

        def part(block: Matrix) -> tuple[float, NDArray[np.floating]]:
            w, loglik = _posterior(block, table)
            return loglik, block.T @ w

        # Sparse products run without Python's lock, so that threads share them; dense ones have threads of their own. Sums keep the blocks' order.
        if len(self.blocks) > 1 and sparse.issparse(self.blocks[0]):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                parts = list(pool.map(part, self.blocks))
        else:
            parts = list(map(part, self.blocks))
        expected = np.zeros(table.shape)
        for _, counts in parts:
            expected += counts
        return sum(loglik for loglik, _ in parts), expected


def _posterior(block: Matrix, table: Floats) -> tuple[NDArray[np.floating], float]:
    joint = block @ table
    top = joint.max(axis=1, keepdims=True)
    np.maximum(np.subtract(joint, top, out=joint), LEAST_SHARE, out=joint)
    np.exp(joint, out=joint)
    total = joint.sum(axis=1, keepdims=True)
    return np.divide(joint, total, out=joint), float(np.log(total).sum(dtype=float) + top.sum(dtype=float))
