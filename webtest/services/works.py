"""What the server computes aside, so that no page waits for it: a durable row each, whoever asks and however often.

A work is one of its kind and subject. A thread here hears the process that computes it (webtest.work_apart) and writes how far it is; the outcome comes in
one update, with what is to be kept of it. A work that was not heard of for SILENT_MS belonged to a server that is gone: it counts as interrupted. Works of
a kind that follows from the database alone are then taken up by the next server that runs; others are begun anew by whoever asks for them again.
"""

import hashlib
import json
import logging
import queue
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlmodel import Session as SqlSession
from sqlmodel import col, delete, select, update

from cat_engine import Fault, Faulty
from webtest.events import canonical
from webtest.models import WorkRow
from webtest.refusal import Refused
from webtest.tasks import Outcome, Task
from webtest.work_apart import Said, apart

SILENT_MS = 20_000
AHEAD_MS = 600_000  # no two servers' clocks are that far apart: whoever beat later than this from now did so before a clock was set back
LOOK_S = 2.0  # so often the thread looks for works to take up, and for what works wait for
MOST_BREAKS = 3  # a work whose process ends without an outcome so often has failed
BROKE_OFF = Fault("server", "", f"the computation broke off {MOST_BREAKS} times", "look at the server's log and memory, then try again")
UNDER_WAY = ("running", "interrupted")
BREAKS = (OSError, SQLAlchemyError, ValueError, TypeError, LookupError, Refused)  # a work breaks off by these, not the thread
BEGIN = (  # of many who ask at once one begins: whoever finds the row as it was seen
    "INSERT INTO work (kind, subject, state, actor, asked_at, done, total, breaks, waits, runner, started_at, beat_at) "
    "VALUES (:kind, :subject, 'running', :actor, :asked_at, 0, 0, :breaks, :waits, :runner, :now, :now) "
    "ON CONFLICT (kind, subject) DO UPDATE SET state = 'running', actor = excluded.actor, asked_at = excluded.asked_at, done = 0, total = 0, "
    "breaks = excluded.breaks, waits = excluded.waits, runner = excluded.runner, started_at = excluded.started_at, beat_at = excluded.beat_at, outcome = NULL, "
    "outcome_digest = NULL WHERE work.beat_at = :seen_at AND work.state = :seen_state"
)

Run = Callable[[Task], Iterator[Said]]


@dataclass(frozen=True, slots=True)
class Work:
    """How a work stands: state is "running", "finished" (with its outcome), "failed" (with faults) or "interrupted"; asked for by `actor` at asked_at;
    done of total steps between started_at and at; last heard of at beat_at. `waits`: subjects of the searches for control parameters that come first.
    """

    kind: str
    subject: str
    state: str
    actor: str
    asked_at: int
    done: int
    total: int
    started_at: int
    beat_at: int
    at: int
    waits: tuple[str, ...] = ()
    outcome: Mapping[str, Any] | None = None
    faults: tuple[Fault, ...] = ()

    @property
    def under_way(self) -> bool:
        """Whether an outcome is still to come."""
        return self.state in UNDER_WAY

    @property
    def seconds_left(self) -> int | None:
        """About how long it will take, as steps take equally long; None where that cannot be told."""
        if self.state != "running" or not self.done:
            return None
        return round((self.at - self.started_at) / self.done * (self.total - self.done) / 1000)


class Waiting(Exception):
    """What was asked for needs works that are under way."""

    def __init__(self, works: Iterable[Work]) -> None:
        super().__init__("works are under way")
        self.works = tuple(works)


class Kind(Protocol):
    """Works whose task follows from the database, so that any server can take them up."""

    def task(self, subject: str) -> Task:
        """What is to be computed. Raises Waiting, Faulty, and Refused where there is no such subject."""
        ...

    def keep(self, sql: SqlSession, work: Work) -> None:
        """Write what is to be kept of a work that has finished, in the transaction in which it finishes."""
        ...


def _clock() -> int:
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True)
class _Job:
    """A work of this object; its task, where it is no Kind's."""

    kind: str
    subject: str
    task: Task | None = None


class Works:
    """The works of an installation. One object per process; those that it began end with close()."""

    def __init__(self, engine: Engine, run: Run = apart, clock: Callable[[], int] = _clock) -> None:
        self._engine, self._run, self._clock = engine, run, clock
        self._runner = secrets.token_hex(8)
        self._kinds: dict[str, Kind] = {}
        self._waiting: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._held: list[_Job] = []
        self._stop = threading.Event()
        self._takes_up = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def learn(self, name: str, kind: Kind) -> None:
        """Know a kind; before works of it are begun."""
        self._kinds[name] = kind

    def serve(self) -> None:
        """From now on take up what was interrupted, here or elsewhere."""
        self._takes_up = True
        self._start()

    def close(self) -> None:
        """End what is under way: it counts as interrupted."""
        with self._lock:
            self._stop.set()
            self._waiting.put(None)
            thread = self._thread
        if thread is not None:
            thread.join()
            with suppress(SQLAlchemyError):  # should the database be away, the silence of the works tells
                self._write(None, state="interrupted")

    def state(self, kind: str, subject: str) -> Work | None:
        """How a work stands; None where nobody has begun it."""
        return self.states(kind, [subject])[0]

    def states(self, kind: str, subjects: Iterable[str]) -> list[Work | None]:
        """How works of a kind stand."""
        with SqlSession(self._engine) as sql:
            return [state_in(sql, kind, subject, self._clock()) for subject in subjects]

    def progress(self, kind: str, waited: str, subject: str) -> list[Work]:
        """What there is to be seen of a work: the works of the kind `waited` that it waits for while these run, else itself; none where there is none."""
        own = self.state(kind, subject)
        if own is None:
            return []
        running = [work for work in self.states(waited, own.waits) if work is not None and work.state == "running"]
        return running if own.state == "running" and running else [own]

    def begin(
        self, kind: str, subject: str, *, actor: str = "", task: Task | None = None, again: bool = False, waits: Sequence[str] = ()
    ) -> Work:  # fmt: skip
        """Begin a work, or take it up where it was interrupted; one that runs stays what it is, and so does one that is over, unless it is to be done
        `again`. `task`: what is to be computed, where the kind does not know; `waits`: subjects of the searches that are known to come first.
        """
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            row = sql.get(WorkRow, (kind, subject))
        now, breaks = self._clock(), 0
        if row is not None:
            seen = _work(row, now)
            if seen.state == "running" or (not seen.under_way and not again):
                return seen
            breaks = row.breaks if seen.under_way else 0
        self._begin(row, _Job(kind, subject, task), actor, now, breaks, json.dumps(list(waits)))
        with SqlSession(self._engine) as sql:
            return _work(sql.get_one(WorkRow, (kind, subject)), self._clock())

    def forget(self, kind: str, subject: str) -> None:
        """Of a work whose subject is gone nothing stays; where it is under way it ends."""
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            sql.exec(delete(WorkRow).where(col(WorkRow.kind) == kind, col(WorkRow.subject) == subject))

    def _begin(self, row: WorkRow | None, job: _Job, actor: str, asked_at: int, breaks: int, waits: str | None = None) -> None:
        values = {
            "kind": job.kind, "subject": job.subject, "actor": actor, "asked_at": asked_at, "breaks": breaks, "waits": waits, "runner": self._runner,
            "now": self._clock(), "seen_at": 0 if row is None else row.beat_at, "seen_state": "" if row is None else row.state,
        }  # fmt: skip
        with self._engine.execution_options(write=True).begin() as connection:
            begun = connection.execute(text(BEGIN), values).rowcount == 1
        if begun:
            self._waiting.put(job)
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None and not self._stop.is_set():
                self._thread = threading.Thread(target=self._work, name="works", daemon=True)
                self._thread.start()

    def _work(self) -> None:
        """The thread: one work after the other."""
        while not self._stop.is_set():
            job = None
            with suppress(queue.Empty):
                job = self._waiting.get(timeout=LOOK_S)
            if job is not None and not self._do(job):
                continue  # it is held
            for held in self._held:  # time has passed, or what they wait for may be there
                self._waiting.put(held)
            self._held = []
            if job is None:
                self._look()

    def _look(self) -> None:
        try:
            if not self._waiting.empty():
                self._write(None)  # those that wait for others are heard of too
            if self._takes_up and not self._stop.is_set():
                self._take_up()
        except SQLAlchemyError as error:
            logging.getLogger(__name__).warning("works were not looked for: %s", type(error).__name__)

    def _take_up(self) -> None:
        query = select(WorkRow).where(col(WorkRow.kind).in_(self._kinds), col(WorkRow.state).in_(UNDER_WAY))
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            rows = sql.exec(query).all()
        for row in rows:
            if _work(row, self._clock()).state == "interrupted":
                self._begin(row, _Job(row.kind, row.subject), row.actor, row.asked_at, row.breaks)

    def _do(self, job: _Job) -> bool:
        """Do a work; False where it is held, since it waits for another."""
        try:
            try:
                task = job.task or self._kinds[job.kind].task(job.subject)
            except Waiting as error:
                if self._write(job, waits=json.dumps([work.subject for work in error.works])):
                    self._held.append(job)
                    return False
            except Faulty as error:
                self._end(job, "failed", {"faults": [asdict(fault) for fault in error.faults]})
            else:
                if self._write(job, waits=None, started_at=self._clock()):
                    self._hear(job, task)
        except BREAKS as error:
            logging.getLogger(__name__).warning("a work (%s) broke off: %s", job.kind, type(error).__name__)
            self._broken_off(job)
        return True

    def _hear(self, job: _Job, task: Task) -> None:
        """Write what a work's process says, until it is over or is not this server's any more."""
        with closing(self._run(task)) as saying:
            for said in saying:
                if self._stop.is_set():
                    return
                with suppress(OperationalError):  # a beat may be missed
                    self._write(None)  # those that wait for their turn are heard of too
                if "outcome" in said or "faults" in said:
                    failed = "faults" in said
                    self._end(job, "failed" if failed else "finished", {"faults": said["faults"]} if failed else said["outcome"])
                    return
                if said and not self._write(job, done=said["done"], total=said["total"]):
                    return
        self._broken_off(job)

    def _end(self, job: _Job, state: str, outcome: Outcome) -> None:
        """A work is over, where it is still this server's."""
        kept = canonical(outcome)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            if (
                self._write_in(sql, job, state=state, outcome=kept, outcome_digest=_digest(kept))
                and state == "finished"
                and job.kind in self._kinds
            ):
                self._kinds[job.kind].keep(sql, _work(sql.get_one(WorkRow, (job.kind, job.subject)), self._clock()))

    def _broken_off(self, job: _Job) -> None:
        """A work's process ended without a word. Should the database be away, the silence of the work tells."""
        with suppress(SQLAlchemyError):
            with SqlSession(self._engine) as sql:
                row = sql.get(WorkRow, (job.kind, job.subject))
                breaks = MOST_BREAKS if row is None else row.breaks + 1
            self._write(job, breaks=breaks)
            if breaks < MOST_BREAKS:
                self._write(job, state="interrupted")
            else:
                self._end(job, "failed", {"faults": [asdict(BROKE_OFF)]})

    def _write(self, job: _Job | None, **values: object) -> int:
        """Change a work (None: all) that this object runs, which is heard of thereby; gives how many there were."""
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            return self._write_in(sql, job, **values)

    def _write_in(self, sql: SqlSession, job: _Job | None, **values: object) -> int:
        changed = update(WorkRow).where(col(WorkRow.runner) == self._runner, col(WorkRow.state) == "running")
        if job is not None:
            changed = changed.where(col(WorkRow.kind) == job.kind, col(WorkRow.subject) == job.subject)
        return int(sql.exec(changed.values(beat_at=self._clock(), **values)).rowcount)


def state_in(sql: SqlSession, kind: str, subject: str, now: int) -> Work | None:
    """How a work stands, for a use case within its transaction."""
    row = sql.get(WorkRow, (kind, subject))
    return None if row is None else _work(row, now)


def _work(row: WorkRow, now: int) -> Work:
    silent = row.state == "running" and not now - SILENT_MS <= row.beat_at <= now + AHEAD_MS
    changed = row.outcome is not None and _digest(row.outcome) != row.outcome_digest
    outcome = json.loads(row.outcome) if row.outcome is not None and not changed else None
    faults = () if outcome is None else outcome.get("faults", ())
    return Work(
        row.kind, row.subject, "interrupted" if silent or changed else row.state, row.actor, row.asked_at, row.done, row.total, row.started_at, row.beat_at,
        now, tuple(json.loads(row.waits or "[]")), outcome if row.state == "finished" else None, tuple(Fault(**fault) for fault in faults),
    )  # fmt: skip


def _digest(outcome: str) -> str:
    return hashlib.sha256(outcome.encode()).hexdigest()
