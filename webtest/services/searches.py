"""Searches for control parameters that the server does aside, so that no page waits for them: a durable row each, whoever asked and however often.

The same plan on the same bank is one search. A thread here hears the process that searches (webtest.search_apart) and writes how far it is; the outcome
comes in one update. A search that was not heard of for SILENT_MS belonged to a server that is gone: it counts as interrupted, and can be begun anew.
"""

import hashlib
import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlmodel import Session as SqlSession
from sqlmodel import col, select, update

from cat_engine import Fault, Faulty, TestPlan
from itembank.bank import Bank, Snapshot, pool_of
from webtest.events import canonical
from webtest.models import ControlSearch, Wave
from webtest.search_apart import Said, apart
from webtest.snapshots import Controls, plan_faults, search_digest

SILENT_MS = 20_000
BEGIN = (  # of many who ask at once one begins: whoever finds the row as it was seen
    "INSERT INTO control_search (digest, state, done, total, runner, started_at, beat_at) VALUES (:digest, 'running', 0, 0, :runner, :now, :now) "
    "ON CONFLICT (digest) DO UPDATE SET state = 'running', done = 0, total = 0, runner = excluded.runner, started_at = excluded.started_at, "
    "beat_at = excluded.beat_at, outcome = NULL, outcome_digest = NULL WHERE control_search.beat_at = :seen_at"
)

Find = Callable[[TestPlan, Bank], Iterator[Said]]


@dataclass(frozen=True, slots=True)
class Search:
    """How a search stands: state is "running", "finished", "failed" (with faults) or "interrupted"; done of total simulations
    between started_at and at; last heard of at beat_at.
    """

    digest: str
    state: str
    done: int
    total: int
    started_at: int
    beat_at: int
    at: int
    control: Controls = ()
    faults: tuple[Fault, ...] = ()

    @property
    def seconds_left(self) -> int | None:
        """About how long it will take, as simulations take equally long; None where that cannot be told."""
        if self.state != "running" or not self.done:
            return None
        return round((self.at - self.started_at) / self.done * (self.total - self.done) / 1000)


class Searching(Exception):
    """What was asked for needs control parameters, and they are being searched for: see `searches`."""

    def __init__(self, searches: Iterable[Search]) -> None:
        super().__init__("control parameters are being searched for")
        self.searches = tuple(searches)


def _clock() -> int:
    return time.time_ns() // 1_000_000


class Searches:
    """The searches of an installation. One object per process; those that it began end with close()."""

    def __init__(self, engine: Engine, find: Find = apart, clock: Callable[[], int] = _clock) -> None:
        self._engine, self._find, self._clock = engine, find, clock
        self._runner = secrets.token_hex(8)
        self._waiting: queue.SimpleQueue[tuple[str, TestPlan, Bank] | None] = queue.SimpleQueue()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """End what is under way: it counts as interrupted."""
        with self._lock:
            self._stop.set()
            self._waiting.put(None)
            thread = self._thread
        if thread is not None:
            thread.join()
            self._write(None, state="interrupted")

    def state(self, plan: TestPlan, bank: Bank) -> Search | None:
        """How the search for a plan's control parameters stands; None where nobody has begun one."""
        return self.at([search_digest(plan, bank)])[0]

    def at(self, digests: Iterable[str]) -> list[Search | None]:
        """How the searches of these digests stand."""
        with SqlSession(self._engine) as sql:
            rows = [sql.get(ControlSearch, digest) for digest in digests]
            return [None if row is None else _search(row, self._clock()) for row in rows]

    def begin(self, plan: TestPlan, bank: Bank) -> Search:
        """Begin a search, or take it up where it was interrupted; one that runs or is over stays what it is."""
        seen = self.state(plan, bank)
        if seen is not None and seen.state != "interrupted":
            return seen
        digest, now = search_digest(plan, bank), self._clock()
        values = {"digest": digest, "runner": self._runner, "now": now, "seen_at": 0 if seen is None else seen.beat_at}
        with self._engine.execution_options(write=True).begin() as connection:
            begun = connection.execute(text(BEGIN), values).rowcount == 1
        if begun:
            with self._lock:
                self._waiting.put((digest, plan, bank))
                if self._thread is None:
                    self._thread = threading.Thread(target=self._work, name="searches", daemon=True)
                    self._thread.start()
        with SqlSession(self._engine) as sql:
            return _search(sql.get_one(ControlSearch, digest), now)

    def control(self, plan: TestPlan, bank: Bank) -> Controls:
        """The control parameters that a plan's rule asks for on a bank, where they are known; else the search begins. None where the plan does not fit
        the bank: it is refused for that. Raises Searching while they are searched for, and Faulty where the bank cannot keep the limits of the rule.
        """
        known = known_control(self._engine, plan, bank)
        if known or plan_faults(plan, bank, pool_of(bank, plan.competencies)):
            return known
        found = self.begin(plan, bank)
        if found.state == "failed":
            raise Faulty(found.faults)
        if found.state != "finished":
            raise Searching([found])
        return found.control

    def _work(self) -> None:
        """The thread: one search after the other."""
        while (job := self._waiting.get()) is not None and not self._stop.is_set():
            try:
                self._hear(*job)
            except (OSError, SQLAlchemyError, ValueError) as error:
                logging.getLogger(__name__).warning("a search for control parameters broke off: %s", type(error).__name__)
                self._broken_off(job[0])

    def _hear(self, digest: str, plan: TestPlan, bank: Bank) -> None:
        """Write what the search says, until it is over or is not this server's any more."""
        with closing(self._find(plan, bank)) as saying:
            for said in saying:
                if self._stop.is_set():
                    break
                with suppress(OperationalError):  # a beat may be missed
                    self._write(None)  # those that wait for their turn are heard of too
                outcome = {name: said[name] for name in ("control", "faults") if name in said}
                if outcome:
                    state, kept = "finished" if "control" in outcome else "failed", canonical(outcome)
                    self._write(digest, state=state, outcome=kept, outcome_digest=_digest(kept))
                    return
                if said and not self._write(digest, done=said["done"], total=said["total"]):
                    return
        self._broken_off(digest)

    def _broken_off(self, digest: str) -> None:
        try:
            self._write(digest, state="interrupted")
        except SQLAlchemyError:  # then its silence tells
            return

    def _write(self, digest: str | None, **values: object) -> int:
        """Change a search (None: all) that this object runs, which is heard of thereby; gives how many there were."""
        changed = update(ControlSearch).where(col(ControlSearch.runner) == self._runner, col(ControlSearch.state) == "running")
        if digest is not None:
            changed = changed.where(col(ControlSearch.digest) == digest)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            return int(sql.exec(changed.values(beat_at=self._clock(), **values)).rowcount)


def known_control(engine: Engine, plan: TestPlan, bank: Bank) -> Controls:
    """The control parameters of an earlier wave of the same plan and bank: finding them again would give the same."""
    with SqlSession(engine) as sql:
        query = select(Wave.snapshot).where(Wave.plan_digest == plan.digest, Wave.bank_version == bank.version, col(Wave.waiting).is_(None))
        found = sql.exec(query.where(col(Wave.snapshot).is_not(None))).first()
    return () if found is None else tuple(dict(row) for row in Snapshot.from_json(found).control)


def _search(row: ControlSearch, now: int) -> Search:
    silent = row.state == "running" and row.beat_at < now - SILENT_MS
    changed = row.outcome is not None and _digest(row.outcome) != row.outcome_digest
    outcome = json.loads(row.outcome) if row.outcome is not None and not changed else {}
    control, faults = outcome.get("control", ()), outcome.get("faults", ())
    state = "interrupted" if silent or changed else row.state
    return Search(
        row.digest, state, row.done, row.total, row.started_at, row.beat_at, now, tuple(control), tuple(Fault(**fault) for fault in faults)
    )


def _digest(outcome: str) -> str:
    return hashlib.sha256(outcome.encode()).hexdigest()
