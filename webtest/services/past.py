"""What tests taken before say to a new wave: who met which items, how often items were given, how many answers a pretest item has."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Fault, Faulty, NormalPrior, Pool, TestPlan
from cat_engine.control import ended
from cat_engine.eligibility import Finished, FoundBeforehand, Memory, lots
from cat_engine.pretest import operational_part
from itembank.bank import Bank, Snapshot
from webtest.catalog import Catalog, Kit
from webtest.models import Attempt, Wave
from webtest.services.searches import known_control
from webtest.session import Session
from webtest.snapshots import Control, learned, needs
from webtest.store import EventStore

MOST_PEOPLE = 5_000  # the newest tests that rules learn from: at a fading of .999 an older one counts less than .007


@dataclass(frozen=True, slots=True, eq=False)
class Past:
    """Reads of earlier waves."""

    engine: Engine
    store: EventStore
    catalog: Catalog

    def snapshot(self, plan: TestPlan, bank: Bank, control: Control) -> Snapshot:
        """What a wave of this plan on this bank is to be pinned to; `control` finds parameters that no wave has yet. Raises Faulty where an earlier wave
        cannot be read, and what `control` raises.
        """
        found = Snapshot()
        if isinstance(plan.eligibility, FoundBeforehand):
            found = Snapshot(control=known_control(self.engine, plan, bank) or control(plan, bank))
        elif plan.eligibility.learns:
            found = learned(plan, bank, lambda pool: self._finished(plan, pool))
        return replace(found, need=self.pretest(plan, bank).need)

    def pretest(self, plan: TestPlan, bank: Bank) -> Snapshot:
        """The part of the snapshot that tells which pretest items may be given."""
        wanted = needs(plan, bank, {})
        return Snapshot(need=needs(plan, bank, self._answers(bank, wanted)) if wanted else {})

    def seen(self, kit: Kit, attempts: Sequence[str], now: int) -> dict[str, list[int]]:
        """By attempt, the items of the kit's pool that the person met in earlier waves, where the plan wants to know: attempts without any are
        left out.
        """
        if kit.plan.retest is None:
            return {}
        with SqlSession(self.engine) as sql:
            own = dict(
                sql.exec(select(Attempt.person_id, Attempt.id).where(Attempt.wave_id == kit.wave_id, col(Attempt.id).in_(attempts))).all()
            )
            query = select(Attempt.id, Attempt.person_id, Attempt.wave_id).join(Wave, col(Attempt.wave_id) == Wave.id)
            query = query.where(col(Attempt.person_id).in_(own), Attempt.wave_id != kit.wave_id, col(Wave.opened_at).is_not(None))
            earlier = sql.exec(query).all()
        sessions = self.store.load_many([attempt for attempt, _, _ in earlier])
        met: dict[str, set[int]] = {}
        for attempt, person, wave in earlier:
            state, at = sessions[attempt].engine, sessions[attempt].admitted_at
            shown = (*state.items, *state.dropped, *(() if state.pending is None else (state.pending,)))
            if shown and at is not None and kit.plan.retest.reaches(at, now):
                try:
                    ids = self.catalog.kit(wave).pool.ids
                except (ValueError, KeyError, TypeError):
                    continue  # the audit names such a wave; nobody waits in the room for it
                met.setdefault(own[person], set()).update(kit.pool.index[ids[i]] for i in shown if ids[i] in kit.pool.index)
        return {attempt: sorted(items) for attempt, items in met.items() if items}

    def _kit(self, wave: str) -> Kit:
        try:
            return self.catalog.kit(wave)
        except (ValueError, KeyError, TypeError):
            said = "what it was pinned to is not in the database any more, so that nothing can be learned from it"
            raise Faulty([Fault(f"wave {wave}", "", said, f"cact audit {wave}")]) from None

    def _closed(self) -> list[str]:
        """Closed waves, the newest first."""
        with SqlSession(self.engine) as sql:
            return list(sql.exec(select(Wave.id).where(col(Wave.closed_at).is_not(None)).order_by(col(Wave.closed_at).desc())).all())

    def _sessions(self, wave: str) -> list[Session]:
        """The tests of a wave that count, in order of their end."""
        with SqlSession(self.engine) as sql:
            ids = sql.exec(select(Attempt.id).where(Attempt.wave_id == wave)).all()
        found = [s for s in self.store.load_many(ids).values() if s.n_answers and s.voided is None]
        return sorted(found, key=lambda s: (s.finished_at or 0, s.attempt))

    def _answers(self, bank: Bank, ids: Iterable[str]) -> dict[str, int]:
        """How many answers items have from closed waves in which they were in pretest with the text that they have now."""
        counts = dict.fromkeys(ids, 0)
        for wave in self._closed():
            kit = self._kit(wave)
            if kit.pool.need is None:
                continue
            same = [
                item_id
                for item_id in counts
                if item_id in kit.pool.index
                and kit.pool.need[kit.pool.index[item_id]] > 0
                and kit.bank.content_digests[kit.bank.index[item_id]] == bank.content_digests[bank.index[item_id]]
            ]
            if same:
                given = np.zeros(len(kit.pool), dtype=int)
                for session in self._sessions(wave):
                    given[list(session.engine.items)] += 1
                for item_id in same:
                    counts[item_id] += int(given[kit.pool.index[item_id]])
        return counts

    def _finished(self, plan: TestPlan, pool: Pool) -> Iterator[Finished]:
        """The newest tests that had items of the pool, the oldest first, in the pool's terms."""
        waves: list[tuple[Kit, list[Session]]] = []
        people = 0
        for wave in self._closed():
            kit = self._kit(wave)
            if people < MOST_PEOPLE and any(item_id in pool.index for item_id in kit.pool.ids):
                waves.append((kit, self._sessions(wave)[people - MOST_PEOPLE :]))
                people += len(waves[-1][1])
        for kit, sessions in reversed(waves):
            yield from _in_terms_of(plan, pool, kit, sessions)


def _in_terms_of(plan: TestPlan, pool: Pool, kit: Kit, sessions: Sequence[Session]) -> Iterator[Finished]:
    """A wave's tests as the plan's rule counts them. Where the wave had another rule, or other segments, an item counts as eligible for a person in
    every segment if it was in one.
    """
    rule, edges = kit.plan.eligibility, plan.eligibility.edges
    place = np.array([pool.index.get(item_id, -1) for item_id in kit.pool.ids])
    segments = _ended(kit, sessions, edges)
    probability = rule.probability(Memory.pinned(rule, kit.pool)) if rule.active else np.ones((1, len(kit.pool)))
    for session, own in zip(sessions, segments, strict=True):
        items = place[list(operational_part(kit.pool, session.engine).items)]
        open_to = lots(probability, session.engine.seed)
        if rule.edges != edges:
            open_to = open_to.any(axis=0, keepdims=True)
        might = np.zeros((len(edges) + 1, len(pool)), dtype=bool)
        might[:, place[place >= 0]] = open_to[:, place >= 0]
        yield Finished(items[items >= 0], own, might, session.held)


def _ended(kit: Kit, sessions: Sequence[Session], edges: tuple[float, ...]) -> NDArray[np.bool_]:
    """In which segments of ability each test ended, [N, K]; those that began at the same prior are gone through together."""
    out = np.zeros((len(sessions), len(edges) + 1), dtype=bool)
    began: dict[NormalPrior | None, list[int]] = {}
    for n, session in enumerate(sessions):
        began.setdefault(session.prior, []).append(n)
    for prior, rows in began.items():
        out[rows] = ended(kit.plan.starting_at(prior), kit.pool, [sessions[n].engine for n in rows], edges)
    return out
