"""What a wave runs on, in memory: plan, pool, content and key, pinned and immutable, looked up by wave."""

import threading
from dataclasses import dataclass, replace

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession

from cat_engine import Decision, Estimate, Pool, Section, State, TestPlan, ask, estimate, load_plan, look
from itembank.bank import Bank, ItemContent, Snapshot, pool_of
from itembank.store import load_bank, load_contents
from webtest.models import Wave
from webtest.refusal import Refused
from webtest.session import Clock, Session, clock


@dataclass(frozen=True, slots=True, eq=False)
class Kit:
    """Everything that a wave's decisions depend on."""

    wave_id: str
    plan: TestPlan
    bank: Bank
    pool: Pool
    contents: dict[str, ItemContent]

    def plan_of(self, session: Session) -> TestPlan:
        """The plan as this person is asked by: it starts at the prior pinned when the test was assigned. Scores are all by `plan`."""
        return self.plan.starting_at(session.prior)

    def look(self, session: Session, state: State) -> tuple[Decision, Estimate]:
        """What comes next for this person at `state`, and the abilities by the plan that all share. Raises EngineRefusal as `ask` does."""
        own = self.plan_of(session)
        if own is self.plan:
            return look(self.plan, self.pool, state)
        return ask(own, self.pool, state), estimate(self.plan, self.pool, state)

    def section(self, session: Session) -> Section:
        """The section in which the session stands (the last one once all are over)."""
        return self.plan.sections[min(session.engine.section, len(self.plan.sections) - 1)]

    def clock(self, now: int, session: Session) -> Clock:
        """Phase and time left, with the person's extra-time factor."""
        factor = float(session.terms.get("time_factor", 1.0))
        return clock(now, session, round(self.section(session).time_budget_min * 60_000 * factor))


def kit_of(sql: SqlSession, wave: Wave) -> Kit:
    """Build a wave's kit. Raises ValueError where the pinned digests do not fit what is in the database."""
    plan = load_plan(wave.plan)
    bank = load_bank(sql, wave.bank_version)
    if wave.snapshot is None:  # made when pools were parameters alone
        pool = replace(pool_of(bank, plan.competencies), seconds=None, content=None)
    else:
        pool = pool_of(bank, plan.competencies, Snapshot.from_json(wave.snapshot))
    if plan.digest != wave.plan_digest or pool.digest != wave.pool_digest:
        msg = f"wave {wave.id}: plan or bank is not the one that was pinned"
        raise ValueError(msg)
    return Kit(wave.id, plan, bank, pool, load_contents(sql, wave.bank_version))


class Catalog:
    """Kits by wave, built once per process: a kit never changes once its wave's pool is pinned."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._kits: dict[str, Kit] = {}
        self._lock = threading.Lock()

    def kit(self, wave_id: str) -> Kit:
        """The kit of a wave. Raises Refused("unknown")."""
        found = self._kits.get(wave_id)
        if found is not None:
            return found
        with self._lock:
            if wave_id not in self._kits:
                with SqlSession(self._engine) as sql:
                    wave = sql.get(Wave, wave_id)
                    if wave is None:
                        raise Refused("unknown")
                    kit = kit_of(sql, wave)
                    if wave.waiting is not None:
                        return kit
                    self._kits[wave_id] = kit
            return self._kits[wave_id]
