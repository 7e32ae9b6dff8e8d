"""Answers in common: do two people agree on more of the items that both met than their abilities explain?

Given what the source s answered, the copier c agrees on item i with probability p_i = P_i(answer of s | theta_c), independently of the other items, so
that the number of agreements M is a sum of independent 0/1 variables:

    omega = (M - sum p_i) / sqrt(sum p_i (1 - p_i))                                                     Wollack (1997)
    p = P(sum of Bernoulli(p_i) >= M), exactly                  the generalised binomial, as van der Linden & Sotaridona (2006) use it

Either may have copied: both directions are tried and the smaller p doubled. Over all pairs compared, p is adjusted by Holm's method (1979): the chance
that any pair of honest people is named is at most the level, whatever the dependence between pairs. All pairs of a room cost four matrix products.

An answer is the category, or, where it is known, the option chosen: P(option | theta) = P(category | theta) times the option's share of the answers in that
category. Two people who chose the same wrong option say far more than two who were wrong.
"""

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import sparse

from calibration.holm import holm
from calibration.personfit_answers import Scorer, Sittings
from cat_engine.irt import Floats, Ints, log_probabilities_at

LEAST_COMMON = 10  # items that both met
MOST_EXACT = 2000  # pairs of largest omega whose p is worked out
BLOCK = 256  # copiers at once


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people by number, who met `common` items and agree on `same` of them; `expected`, omega and p of the direction that tells more (copier first), p doubled."""

    copier: int
    source: int
    common: int
    same: int
    expected: float
    omega: float
    p: float
    p_adjusted: float


@dataclass(frozen=True, slots=True, eq=False)
class Agreement:
    """Of B possible copiers beside N possible sources, [B, N] each: items in common, agreements, their expectation and omega."""

    common: Floats
    same: Floats
    expected: Floats
    omega: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Room:
    """Answers of N people, who are numbers `who` of the sittings: given[N, C], 1 where the person gave answer C; chance[N, C], the probability that it would be
    given, 0 for items not met; seen[N, I].
    """

    who: Ints
    given: Floats
    chance: Floats
    seen: Floats

    def agreement(self, copiers: slice) -> Agreement:
        """Of some copiers with everybody."""
        chance = self.chance[copiers]
        same, expected = self.given[copiers] @ self.given.T, chance @ self.given.T
        variance = (chance * (1 - chance)) @ self.given.T
        with np.errstate(divide="ignore", invalid="ignore"):
            omega = np.where(variance > 0, (same - expected) / np.sqrt(variance), 0.0)
        return Agreement(self.seen[copiers] @ self.seen.T, same, expected, omega)

    def compared(self, copier: int, source: int) -> Floats:
        """P(the source's answer) of the copier on each item that both met."""
        at = np.flatnonzero((self.given[source] > 0) & (self.chance[copier] > 0))
        return np.asarray(self.chance[copier, at])


def upper_tail(p: Floats, least: int) -> float:
    """P(sum of independent Bernoulli(p[n]) >= least), by convolution."""
    mass = np.zeros(len(p) + 1)
    mass[0] = 1.0
    for k, own in enumerate(p.tolist()):
        mass[1 : k + 2] = mass[1 : k + 2] * (1 - own) + mass[: k + 1] * own
        mass[0] *= 1 - own
    return float(min(mass[least:].sum(), 1.0))


def rooms(scorer: Scorer, room: Sequence[str] | None = None, option: Sequence[str] | None = None) -> Iterator[Room]:
    """The scorer's people by the name of their room[P] (all in one where there are none); option[R] is what was chosen, in order of the sittings."""
    sittings = scorer.sittings
    labels = np.zeros(sittings.n_persons, dtype=np.int64) if room is None else np.unique(np.array(room), return_inverse=True)[1]
    code, item, category, share = _answers(sittings, option)
    theta = sittings.abilities(scorer.score(sittings.category)[0], scorer.prior.mean)
    seat = labels[sittings.person]
    order = np.argsort(seat, kind="stable")
    for mine in np.split(order, np.flatnonzero(np.diff(seat[order])) + 1):
        who = np.unique(sittings.person[mine])
        place = np.searchsorted(who, sittings.person[mine])
        met = sparse.csr_array((np.ones(len(mine)), (place, sittings.item[mine])), shape=(len(who), len(sittings.params))).toarray()
        given = sparse.csr_array((np.ones(len(mine)), (place, code[mine])), shape=(len(who), len(item))).toarray()
        used = np.flatnonzero(given.any(axis=0))
        params = sittings.params.take(item[used])
        p = np.exp(log_probabilities_at(params, theta[who][:, params.scale]))[:, np.arange(len(used)), category[used]] * share[used]
        yield Room(who, given[:, used], p * met[:, item[used]], met)


def _answers(sittings: Sittings, option: Sequence[str] | None) -> tuple[Ints, Ints, Ints, Floats]:
    """The answer code of each answer, [R]; of each code its item, category and share of that category's answers, [C]."""
    chosen = np.zeros(len(sittings), dtype=np.int64) if option is None else np.unique(np.array(option), return_inverse=True)[1]
    triples, code, count = np.unique(np.stack([sittings.item, sittings.category, chosen]), axis=1, return_inverse=True, return_counts=True)
    code = np.asarray(code).ravel()
    _, cell = np.unique(triples[:2], axis=1, return_inverse=True)
    cell = np.asarray(cell).ravel()
    return code, triples[0], triples[1], np.asarray(count / np.bincount(cell, count)[cell])


def similar_pairs(found: Iterable[Room]) -> tuple[list[Pair], int]:
    """The pairs of largest omega, smallest p first, and how many pairs were compared. A pair with fewer than 10 items in common is not."""
    compared = 0
    best: list[_Candidate] = []
    for room in found:
        for at in range(0, len(room.who), BLOCK):
            block = room.agreement(slice(at, at + BLOCK))
            own = np.arange(len(block.omega))
            enough = block.common >= LEAST_COMMON
            enough[own, at + own] = False
            compared += int(enough.sum())
            least = best[-1].omega if len(best) == MOST_EXACT else 0.0
            value = np.where(enough & (block.omega > least), block.omega, 0.0)
            top = np.argsort(-value, axis=None)[: min(MOST_EXACT, int(np.count_nonzero(value)))]
            for c, s in zip(*np.unravel_index(top, value.shape), strict=True):
                numbers = int(room.who[at + c]), int(room.who[s]), int(block.common[c, s]), round(float(block.same[c, s]))
                best.append(_Candidate(float(value[c, s]), *numbers, room.compared(at + c, s)))
            best = heapq.nlargest(MOST_EXACT, best, key=lambda candidate: candidate.omega)
    pairs: dict[frozenset[int], Pair] = {}
    for pair in sorted((candidate.pair() for candidate in best), key=lambda pair: pair.p):
        pairs.setdefault(frozenset((pair.copier, pair.source)), pair)
    adjusted = holm(np.array([pair.p for pair in pairs.values()]), compared // 2)
    return [replace(pair, p_adjusted=float(p)) for pair, p in zip(pairs.values(), adjusted, strict=True)], compared // 2


class _Candidate(NamedTuple):
    omega: float
    copier: int
    source: int
    common: int
    same: int
    chance: Floats

    def pair(self) -> Pair:
        """With its p, worked out and doubled."""
        p = min(2 * upper_tail(self.chance, self.same), 1.0)
        return Pair(self.copier, self.source, self.common, self.same, float(self.chance.sum()), self.omega, p, 1.0)
