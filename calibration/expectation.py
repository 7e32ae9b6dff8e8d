"""The E-step: posteriors of ability and expected counts, as two matrix products a block of persons.

Notation: P persons, I items, K categories, G groups, Q nodes. The answers are a 0/1 matrix S of persons x columns; column i K + k stands for
category k of item i, and column I K + g for membership of group g, as if everybody had answered one more item whose curve is the density of
ability in the group. With a table of log-probabilities [columns, Q]:

    L = exp(S table)    w = L / sum_q L    expected counts = S' w

Blocks keep L and w in the processor's cache, and are what a cluster would map over. S is sparse, or dense where enough of it is filled.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray
from scipy import sparse

from cat_engine.irt import Floats, Ints

BLOCK = 2048
DENSE_FROM = 0.15
LEAST_LOG = -700.0

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

    def posteriors(self, table: Floats) -> Iterator[tuple[Matrix, NDArray[np.floating], float]]:
        """Block by block: its answers, the posterior w[persons, Q], and its part of the log-likelihood."""
        for block in self.blocks:
            joint = block @ table
            top = joint.max(axis=1, keepdims=True)
            np.exp(joint - top, out=joint)
            total = joint.sum(axis=1, keepdims=True)
            yield block, np.divide(joint, total, out=joint), float(np.log(total).sum(dtype=float) + top.sum(dtype=float))

    def expect(self, table: Floats) -> tuple[float, Floats]:
        """Log-likelihood, and expected counts by column and node, [I K + G, Q]."""
        loglik, expected = 0.0, np.zeros(table.shape)
        for block, w, part in self.posteriors(table.astype(self.blocks[0].dtype)):
            loglik += part
            expected += block.T @ w
        return loglik, expected
