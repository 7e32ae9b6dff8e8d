"""Answers of people to items of known parameters, laid out as person fit and test security need them, and the abilities behind them."""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from calibration.responses import ResponseLog
from calibration.screening import answer_faults
from cat_engine import Fault, Faulty, ItemParams, NormalPrior, Pool
from cat_engine.estimators import ESTIMATOR, Estimator, Given
from cat_engine.irt import Floats, Ints
from cat_engine.once import once
from itembank.bank import Bank

BLOCK = 20_000  # answers worked on at once


@dataclass(frozen=True, eq=False)
class Sittings:
    """R answers of P people, in order of person and, within a person, of answering: person[R] indexes person_ids, item[R] the bank's items;
    category[R] from 0; seconds[R], NaN where the time is unknown; row[R], the answer's place in the log it came from.

    A person's answers to items of one competency are a *unit*: unit[R] indexes the U of them, which are in order of person.
    """

    person_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    params: ItemParams
    competencies: tuple[str, ...]
    person: Ints
    item: Ints
    category: Ints
    seconds: Floats
    row: Ints

    @classmethod
    def of(cls, log: ResponseLog, bank: Bank) -> "Sittings":
        """From a log; who gave no answer is left out. Answers stand in order of position where every one has one, else in the log's order. A time of 0 ms is
        unknown: clocks that count whole seconds write it. Raises Faulty as screening.answer_faults.
        """
        faults = list(answer_faults(log, bank))
        if faults:
            raise Faulty(faults)
        who, person = np.unique(log.person, return_inverse=True)
        item = np.array([bank.index[item_id] for item_id in log.item_ids], dtype=np.int64)[log.item]
        sequence = log.position if np.all(log.position >= 0) else np.zeros(len(log), dtype=np.int64)
        order = np.lexsort((np.arange(len(log)), sequence, person))
        seconds = np.where(log.rt_ms > 0, log.rt_ms / 1000, np.nan)
        return cls(
            tuple(log.person_ids[p] for p in who.tolist()), bank.ids, bank.params, bank.competencies, person[order], item[order],
            log.category[order], seconds[order], order,
        )  # fmt: skip

    def __len__(self) -> int:
        return len(self.person)

    @property
    def n_persons(self) -> int:
        """P."""
        return len(self.person_ids)

    @once
    def own(self) -> ItemParams:
        """The parameters of the item of each answer, R of them."""
        return self.params.take(self.item)

    @once
    def unit(self) -> Ints:
        """The unit of each answer, [R]."""
        pairs = self.person * len(self.competencies) + self.params.scale[self.item]
        return np.asarray(np.unique(pairs, return_inverse=True)[1])

    @once
    def unit_person(self) -> Ints:
        """The person of each unit, [U]."""
        found = np.zeros(int(self.unit.max()) + 1, dtype=np.int64)
        found[self.unit] = self.person
        return found

    @once
    def count(self) -> Ints:
        """Answers of each person, [P]."""
        return np.bincount(self.person)

    @once
    def rank(self) -> Ints:
        """The how-manieth answer of its person each one is, from 0, [R]."""
        starts = np.concatenate([[0], np.cumsum(self.count)[:-1]])
        return np.asarray(np.arange(len(self)) - starts[self.person])

    def by_person(self, values: Floats) -> Floats:
        """Sums of values[R] by person, [P]."""
        return np.asarray(np.bincount(self.person, values, self.n_persons), dtype=float)

    def by_unit(self, values: Floats) -> Floats:
        """Sums of values[R] by unit, [U]."""
        return np.asarray(np.bincount(self.unit, values), dtype=float)

    def units_by_person(self, values: Floats) -> Floats:
        """Sums of values[U] by person, [P]."""
        return np.asarray(np.bincount(self.unit_person, values, self.n_persons), dtype=float)

    def abilities(self, theta: Floats, missing: float) -> Floats:
        """theta[U] of the units as people x competencies, [P, S]; `missing` where a person met nothing of a competency."""
        out = np.full((self.n_persons, len(self.competencies)), missing)
        out[self.person, self.params.scale[self.item]] = theta[self.unit]
        return out

    def blocks(self, most: int = BLOCK) -> Iterator["Sittings"]:
        """The same people in groups of about `most` answers, in order."""
        ends = np.cumsum(self.count)
        first = 0
        while first < self.n_persons:
            begun = int(ends[first - 1]) if first else 0
            last = max(int(np.searchsorted(ends, begun + most, side="right")), first + 1)
            yield self.people(np.arange(first, last))
            first = last

    def people(self, who: Ints) -> "Sittings":
        """Some of the people, renumbered in the order of who[N], which ascends."""
        place = np.full(self.n_persons, -1)
        place[who] = np.arange(len(who))
        keep = place[self.person] >= 0
        return Sittings(
            tuple(self.person_ids[p] for p in who.tolist()), self.item_ids, self.params, self.competencies, place[self.person[keep]],
            self.item[keep], self.category[keep], self.seconds[keep], self.row[keep],
        )  # fmt: skip

    def table(self, values: Floats, fill: float = np.nan) -> Floats:
        """values[R] as people x order of answering, [P, longest], padded at the end."""
        out = np.full((self.n_persons, int(self.count.max())), fill)
        out[self.person, self.rank] = values
        return out

    def uniforms(self, seed: int, replicates: int) -> Floats:
        """Uniform numbers, [replicates, R]: a person's depend on the seed and on the person's id, not on who else is there."""
        parts = [
            np.random.default_rng([seed, zlib.crc32(person_id.encode())]).random((replicates, n))
            for person_id, n in zip(self.person_ids, self.count.tolist(), strict=True)
        ]
        return np.concatenate(parts, axis=1)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores the units of `sittings`, with the answers that were given or with others to the same items."""

    sittings: Sittings
    prior: NormalPrior
    estimator: Estimator

    @classmethod
    def of(cls, sittings: Sittings, method: str = "eap", mean: float = 0.0, sd: float = 1.0) -> "Scorer":
        """By the name of an estimator, with a normal prior. Raises Faulty for a name that is not known."""
        faults: list[Fault] = []
        estimator = ESTIMATOR.build({"name": method}, faults)
        if faults or estimator is None:
            raise Faulty(faults)
        return cls(sittings, NormalPrior(mean, sd), estimator)

    @once
    def pool(self) -> Pool:
        """The items, whatever their competency, as one scale: a unit has answers of one competency only."""
        at = np.unique(self.sittings.item)
        params = self.sittings.params.take(at)
        one = replace(params, scale=np.zeros(len(at), dtype=np.int64))
        return Pool.of(tuple(self.sittings.item_ids[i] for i in at.tolist()), one, ("all",))

    @once
    def order(self) -> Ints:
        """The answers in order of unit, [R]."""
        return np.argsort(self.sittings.unit, kind="stable")

    @once
    def starts(self) -> Ints:
        """Where each unit begins in that order, [U]."""
        return np.flatnonzero(np.diff(self.sittings.unit[self.order], prepend=-1))

    @once
    def place(self) -> Ints:
        """The item of each answer in the pool, in order of unit, [R]."""
        return np.searchsorted(np.unique(self.sittings.item), self.sittings.item)[self.order]

    def score(self, category: Ints) -> tuple[Floats, Floats]:
        """Ability and standard error of each unit, each [U], from category[R]."""
        own = category[self.order]
        likelihood = np.add.reduceat(self.pool.finite_log_table[self.place, own], self.starts, axis=0)
        given = Given(
            self.pool, self.prior, likelihood + self.pool.prior_logpost(self.prior), self.sittings.unit[self.order], self.place, own
        )
        return self.estimator.estimate(given)
