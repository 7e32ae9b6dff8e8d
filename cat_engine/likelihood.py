"""Log-likelihood of given answers and its derivatives in theta, item by item; and the information of a whole bank, tabulated.

Notation: theta ability; a discrimination; b difficulty, boundary or step; c and d asymptotes; P probability; z = a (theta - b),
s = 1 / (1 + exp(-z)), r = 1 - s; k the answered category. M answers, I items, S competencies, K the largest number of categories. D = 1.

    1pl-4pl  w = +-(d - c) s r / P(k), + where right;   l' = a w;   -l'' = a^2 (w^2 - w (r - s))
    grm      l' = a (r_k - s_{k+1});                     -l'' = a^2 (s_k r_k + s_{k+1} r_{k+1})
    gpcm     l' = a (k - E k);                           -l'' = a^2 Var k

-l'' is the observed information of the answer: never negative for graded and partial-credit items and where c = 0 and d = 1 (their likelihood is
log-concave); with asymptotes it can be. Fisher's information is its expectation, never negative, and the number that families.py gives for
unanswered items. Sources: Baker & Kim (2004), ch. 3 and 8; Muraki (1993).
"""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from cat_engine.families import Dichotomous, Family, Floats, Graded, Ints, PartialCredit, logistic
from cat_engine.irt import ItemParams, information

BLOCK = 32  # sessions whose table look-ups are made together: keeps the work arrays in cache


class Answered(Protocol):
    """M answers to items of one family, computed element by element at theta[M]."""

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """log P(k), l' and -l'', each [M]."""
        ...

    def information(self, theta: Floats) -> Floats:
        """Fisher information, [M]."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredDichotomous:
    """The items' own parameters, and right[M]: whether each was."""

    items: Dichotomous
    right: NDArray[np.bool_]

    @classmethod
    def of(cls, family: Dichotomous, at: Ints, category: Ints) -> Self:
        """Answers in `category`[M] to the family's items `at`[M]."""
        return cls(Dichotomous(family.a[at], family.b[at], family.c[at], family.d[at], family.width), category == 1)

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """log P(k), l' and -l''."""
        i = self.items
        s, r = logistic(i.a * (theta - i.b))
        span = i.d - i.c
        p = np.where(self.right, i.c + span * s, (1.0 - i.d) + span * r)
        w = np.where(self.right, span, -span) * s * r / p
        return np.log(p), i.a * w, i.a**2 * w * (w - (r - s))

    def information(self, theta: Floats) -> Floats:
        """Fisher information."""
        return self.items.information(theta)


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredGraded:
    """The items' own parameters; edges[2, M], the boundaries below and above the answered category (-inf and +inf at the ends); log_apart[M], the
    logarithm of the category's factor (families.Graded), 0 at the ends.
    """

    items: Graded
    edges: Floats
    log_apart: Floats

    @classmethod
    def of(cls, family: Graded, at: Ints, category: Ints) -> Self:
        """Answers in `category`[M] to the family's items `at`[M]."""
        own, row = Graded(family.a[at], family.b[at], family.apart[at]), np.arange(len(at))
        edges = np.full((len(at), own.b.shape[1] + 2), np.inf)
        edges[:, 0] = -np.inf
        edges[:, 1:-1] = own.b
        apart = np.ones((len(at), own.b.shape[1] + 1))
        apart[:, 1:-1] = own.apart
        return cls(own, np.stack([edges[row, category], edges[row, category + 1]]), np.log(apart[row, category]))

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """log P(k), l' and -l''."""
        a = self.items.a
        z = a * (theta - self.edges)
        s, r = expit(z), expit(-z)
        log_p = log_expit(z[0]) + log_expit(-z[1]) + self.log_apart
        return log_p, a * (r[0] - s[1]), a**2 * (s * r).sum(axis=0)

    def information(self, theta: Floats) -> Floats:
        """Fisher information."""
        return self.items.information(theta)


@dataclass(frozen=True, slots=True, eq=False)
class AnsweredPartialCredit:
    """The items' own parameters a[M]; the logits of their categories as slope * theta + start, [K, M] each (start -inf padded); k[K, 1]; and the
    answered category[M].
    """

    a: Floats
    slope: Floats
    start: Floats
    k: Floats
    category: Ints

    @classmethod
    def of(cls, family: PartialCredit, at: Ints, category: Ints) -> Self:
        """Answers in `category`[M] to the family's items `at`[M]."""
        a, k = family.a[at], np.arange(family.b.shape[1] + 1.0)[:, None]
        start = family.floor[at].T.copy()
        start[1:] -= a * np.cumsum(family.b[at].T, axis=0)
        return cls(a, a * k, start, k, category)

    def _moments(self, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """Logits less their maximum, the sum of their exponentials, E k and Var k."""
        logits = self.slope * theta + self.start
        logits -= logits.max(axis=0)
        p = np.exp(logits)
        total = p.sum(axis=0)
        p /= total
        mean = (p * self.k).sum(axis=0)
        return logits, total, mean, (p * (self.k - mean) ** 2).sum(axis=0)

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats, Floats]:
        """log P(k), l' and -l''."""
        logits, total, mean, spread = self._moments(theta)
        return logits[self.category, np.arange(len(self.a))] - np.log(total), self.a * (self.category - mean), self.a**2 * spread

    def information(self, theta: Floats) -> Floats:
        """a^2 Var k."""
        return np.asarray(self.a**2 * self._moments(theta)[3])


def answered(family: Family, at: Ints, category: Ints) -> Answered:
    """The answers in `category`[M] to items `at`[M] of a family. Raises TypeError for a family whose derivatives are not written here."""
    match family:
        case Dichotomous():
            return AnsweredDichotomous.of(family, at, category)
        case Graded():
            return AnsweredGraded.of(family, at, category)
        case PartialCredit():
            return AnsweredPartialCredit.of(family, at, category)
    msg = f"no derivatives are known for {type(family).__name__}"
    raise TypeError(msg)


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """M answers of N sessions on S competencies, family by family and within a family in the order given: cell[M] = session * S + competency, and
    parts, the families' answers, which lie one after another. Sums run in that order, so that a session's bits do not depend on the others.
    """

    shape: tuple[int, int]
    cell: Ints
    parts: tuple[tuple[slice, Answered], ...]

    def derivatives(self, theta: Floats) -> Floats:
        """At theta[N, S], of every competency: log-likelihood, its slope, and the observed information: [3, N, S]."""
        own = theta.ravel()[self.cell]
        found = np.empty((3, len(own)))
        for at, part in self.parts:
            found[0, at], found[1, at], found[2, at] = part.derivatives(own[at])
        cells = self.shape[0] * self.shape[1]
        where = (self.cell + cells * np.arange(3)[:, None]).ravel()  # all three sums in one go
        return np.asarray(np.bincount(where, weights=found.ravel(), minlength=3 * cells), dtype=float).reshape(3, *self.shape)

    def information(self, theta: Floats) -> Floats:
        """Fisher information of the answered items at theta[N, S], summed by competency: [N, S]."""
        own = theta.ravel()[self.cell]
        info = np.empty(len(own))
        for at, part in self.parts:
            info[at] = part.information(own[at])
        sums = np.bincount(self.cell, weights=info, minlength=self.shape[0] * self.shape[1])
        return np.asarray(sums, dtype=float).reshape(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class Likelihood:
    """The items of a bank, ready to be answered: of each its family's number, its place in the family, and its competency; [I] each."""

    families: tuple[Family, ...]
    kind: Ints
    place: Ints
    scale: Ints

    @classmethod
    def of(cls, params: ItemParams) -> Self:
        """Once a bank."""
        kind, place = np.empty(len(params), dtype=int), np.empty(len(params), dtype=int)
        for number, (at, _) in enumerate(params.families):
            kind[at], place[at] = number, np.arange(at.size)
        return cls(tuple(family for _, family in params.families), kind, place, params.scale)

    def answers(self, shape: tuple[int, int], session: Ints, item: Ints, category: Ints) -> Answers:
        """Session session[M] answered item[M] in category[M]; shape = (N, S)."""
        kind = self.kind[item]
        order, parts, begin = np.argsort(kind, kind="stable"), [], 0
        item, category = item[order], category[order]
        ends = np.cumsum(np.bincount(kind, minlength=len(self.families))).tolist()
        for family, end in zip(self.families, ends, strict=True):
            here = slice(begin, end)
            if end > begin:
                parts.append((here, answered(family, self.place[item[here]], category[here])))
            begin = end
        return Answers(shape, session[order] * shape[1] + self.scale[item], tuple(parts))


@dataclass(frozen=True, slots=True, eq=False)
class InformationTable:
    """Fisher information of I items on equally spaced nodes, read in between by the cubic through the four nearest (Lagrange): made once a
    bank, it costs a twentieth of the formulas. values[I * Q], start[I] (where an item's row begins), scale[I].

    With the default step .05 the error, as a share of the item's peak, is below 2e-5 for a <= 2 and 5e-4 for a <= 4; theta is kept within
    [low, high].
    """

    values: Floats
    start: Ints
    scale: Ints
    low: float
    step: float
    n: int

    @classmethod
    def of(cls, params: ItemParams, low: float = -6.0, high: float = 6.0, n: int = 241) -> Self:
        """The table of a bank on n nodes from low to high. Raises ValueError where they are not a range or fewer than 4."""
        if not (np.isfinite(low) and np.isfinite(high) and low < high and n >= 4):
            msg = f"{n} nodes from {low} to {high} are not a table"
            raise ValueError(msg)
        rows = np.ascontiguousarray(information(params, np.linspace(low, high, n)).T)
        return cls(rows.ravel(), np.arange(len(params)) * n, params.scale, low, (high - low) / (n - 1), n)

    def at(self, theta: Floats) -> Floats:
        """Information of each item at the ability of its own competency, theta[N, S] -> [N, I]."""
        info = np.empty((len(theta), len(self.scale)))
        for begin in range(0, len(theta), BLOCK):
            info[begin : begin + BLOCK] = self._block(theta[begin : begin + BLOCK])
        return info

    def _block(self, theta: Floats) -> Floats:
        x = np.clip((theta - self.low) / self.step, 0.0, self.n - 1.0)
        left = np.clip(np.floor(x), 1.0, self.n - 3.0)
        t = x - left  # the four nodes stand at -1, 0, 1, 2
        shares = (-t * (t - 1) * (t - 2) / 6, (t + 1) * (t - 1) * (t - 2) / 2, -(t + 1) * t * (t - 2) / 2, (t + 1) * t * (t - 1) / 6)
        node = self.start + (left.astype(int) - 1)[:, self.scale]
        info = np.zeros(node.shape)
        for share in shares:
            info += share[:, self.scale] * self.values.take(node)
            node += 1
        return np.maximum(info, 0.0)
