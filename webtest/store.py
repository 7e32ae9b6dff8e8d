"""The event log in the database, and the hot path to it.

An answer is one durable commit. A writer thread takes all jobs that wait and commits them together (group commit), and a request is acknowledged
after the commit that holds its events; so an acknowledged answer is on disk. The primary key (attempt, seq) is the lock: of two posts of one
seq one wins, and the other hears Conflict. Plain SQL on purpose: this is the one place where the speed of a test day is decided.
"""

import json
import queue
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from sqlalchemy import Engine, text
from sqlmodel import Session as SqlSession

from webtest.events import Entry, Kind, SessionEvent, StoredEvent, canonical, chain
from webtest.session import Session, begin, fold

COLUMNS = "attempt, seq, wave, kind, at, actor, payload, prev_hash, hash"
READ = "SELECT attempt, seq, kind, at, actor, payload, prev_hash, hash FROM session_event"
NAMES = tuple(COLUMNS.split(", "))
INSERT = f"INSERT INTO session_event ({COLUMNS}) VALUES ({', '.join(':' + name for name in NAMES)})"  # noqa: S608
LARGEST_BATCH = 512
CACHED_SESSIONS = 20_000
RACES = 50

Decide = Callable[[Session], Sequence[Entry]]


class Conflict(Exception):
    """Somebody else wrote this attempt's next event first; read again and decide again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of the events of a kind: the fields `names` of the payload, where it does not say `unless` (texts of fields)."""

    kind: Kind
    names: Sequence[str] = ()
    unless: Mapping[str, str] = field(default_factory=dict)

    def condition(self, place: str) -> tuple[str, list[str]]:
        """What chooses the events in SQL, and its values; `place`: the database's function for where a text stands in another."""
        if not self.unless:
            return "kind = ?", [self.kind.value]
        return f"kind = ? AND {place}(payload, ?) = 0", [self.kind.value, canonical(self.unless)[1:-1]]


@dataclass(frozen=True, slots=True)
class _Job:
    rows: tuple[tuple[Any, ...], ...]
    done: "Future[bool]"


def _event(row: Sequence[Any]) -> SessionEvent:
    return SessionEvent(row[0], row[1], row[2], row[3], row[4], json.loads(row[5]), row[6], row[7])


def _rows(events: Iterable[SessionEvent], wave: str) -> tuple[tuple[Any, ...], ...]:
    return tuple((e.attempt, e.seq, wave, e.kind, e.at, e.actor, canonical(e.payload), e.prev_hash, e.hash) for e in events)


def _in_order(columns: list[list[Any]]) -> list[list[Any]]:
    """Columns attempt, seq, ... put in order of the first two; an attempt's id is one object then, which makes looking it up quick."""
    attempts, seqs, *others = columns
    names = sorted(set(attempts))
    place = {name: k for k, name in enumerate(names)}
    who = np.fromiter(map(place.__getitem__, attempts), dtype=np.int64, count=len(attempts))
    order = np.lexsort((seqs, who))
    at = order.tolist()
    return [[names[k] for k in who[order].tolist()], *(list(map(column.__getitem__, at)) for column in (seqs, *others))]


def stored_events(engine: Engine, wave: str) -> dict[str, list[StoredEvent]]:
    """Every stream of a wave as it is found, for the audit: text that is no text any more is read all the same, and shows by its hash."""
    plain = "CAST({0} AS BLOB)" if engine.dialect.name == "sqlite" else "{0}"
    names = ("attempt", "seq", "kind", "at", "actor", "payload", "prev_hash", "hash")
    columns = ", ".join(name if name in ("seq", "at") else plain.format(name) for name in names)
    streams: dict[str, list[StoredEvent]] = {}
    with engine.connect() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM session_event WHERE wave = :wave ORDER BY attempt, seq"), {"wave": wave})  # noqa: S608
        for row in found:
            event = StoredEvent(*(value.decode(errors="replace") if isinstance(value, bytes) else value for value in row))
            streams.setdefault(event.attempt, []).append(event)
    return streams


class EventStore:
    """Reads sessions (folded, cached) and appends to them. One per process; close() waits for what is under way."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._local = threading.local()
        self._connections: list[Any] = []
        self._cache: OrderedDict[str, Session] = OrderedDict()
        self._cache_lock = threading.Lock()
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._writer = threading.Thread(target=self._write_for_ever, name="group-commit", daemon=True)
        self._writer.start()

    def close(self) -> None:
        """Commit what waits, stop the writer, and let go of the connections. Nobody may read or append any more."""
        self._jobs.put(None)
        self._writer.join()
        while self._connections:
            self._connections.pop().close()

    # reading

    def load(self, attempt: str) -> Session:
        """The session as of now: the cached fold, brought up to date with the events that are newer."""
        return self.load_many([attempt])[attempt]

    def load_many(self, attempts: Sequence[str]) -> dict[str, Session]:
        """Many sessions at once, for a room's board."""
        with self._cache_lock:
            sessions = {attempt: self._cache.get(attempt) or begin(attempt) for attempt in attempts}
        news: dict[str, list[SessionEvent]] = {}
        for row in self._newer(sessions.values()):
            news.setdefault(row[0], []).append(_event(row))
        for attempt, events in news.items():
            sessions[attempt] = fold(sessions[attempt], events)
        self._remember([sessions[attempt] for attempt in news])
        return sessions

    def events(self, attempt: str) -> list[SessionEvent]:
        """The whole stream of an attempt (or of a wave, whose stream carries the wave's id)."""
        return [_event(row) for row in self._query(f"{READ} WHERE attempt = ? ORDER BY seq", (attempt,))]

    def wave_events(self, wave: str) -> dict[str, list[SessionEvent]]:
        """Every stream of a wave, the wave's own included."""
        streams: dict[str, list[SessionEvent]] = {}
        for row in self._query(f"{READ} WHERE wave = ? ORDER BY attempt, seq", (wave,)):
            streams.setdefault(row[0], []).append(_event(row))
        return streams

    def facts(self, wave: str, asked: Sequence[Asked]) -> list[list[list[Any]]]:
        """What is asked of a wave's events, a kind each, by one reading of its log. Of each `Asked`: the columns attempt, seq, and one a name, in order
        of attempt and seq.

        The database takes the payloads apart and gives each column as one array in JSON: several times faster than reading whole events, and for
        some twenty million answers a wave. Payloads are canonical, so that `unless` is a comparison of texts.
        """
        column, taken = (
            ("json_group_array({0})", "json_extract(payload, '$.{0}')") if self._sqlite else ("json_agg({0})", "payload::json -> '{0}'")
        )
        columns, values = [], []
        for one in asked:
            wanted = ["attempt", "seq", *map(taken.format, one.names)]
            columns += [f"{column.format(name)} FILTER (WHERE kind = ?)" for name in wanted]
            values += [one.kind.value] * len(wanted)
        conditions = [one.condition("instr" if self._sqlite else "strpos") for one in asked]
        chosen = " OR ".join(condition for condition, _ in conditions)
        of_chosen = [value for _, own in conditions for value in own]
        sql = f"SELECT {', '.join(columns)} FROM session_event WHERE wave = ? AND ({chosen})"  # noqa: S608
        (found,) = self._query(sql, (*values, wave, *of_chosen))
        arrays = iter([json.loads(array) if self._sqlite else array or [] for array in found])
        return [_in_order([next(arrays) for _ in range(2 + len(one.names))]) for one in asked]

    def voided(self, wave: str) -> set[str]:
        """The attempts of a wave that were declared void. They have an index of their own, which SQLite takes where the kind is in the text."""
        return {row[0] for row in self._query(f"SELECT attempt FROM session_event WHERE wave = ? AND kind = '{Kind.VOIDED}'", (wave,))}  # noqa: S608

    def _newer(self, sessions: Iterable[Session]) -> Iterable[Sequence[Any]]:
        if self._sqlite:
            sql = f"{READ} WHERE attempt = ? AND seq > ? ORDER BY seq"
            return (row for s in sessions for row in self._query(sql, (s.attempt, s.seq)))
        known = list(sessions)
        if len(known) == 1:
            return self._query(f"{READ} WHERE attempt = ? AND seq > ? ORDER BY seq", (known[0].attempt, known[0].seq))
        sql = (
            "SELECT e.attempt, e.seq, e.kind, e.at, e.actor, e.payload, e.prev_hash, e.hash FROM unnest(?::text[], ?::int[]) AS h(a, s) "
            "JOIN session_event e ON e.attempt = h.a AND e.seq > h.s ORDER BY e.attempt, e.seq"
        )
        return self._query(sql, ([s.attempt for s in known], [s.seq for s in known]))

    def _query(self, sql: str, values: tuple[Any, ...]) -> list[Sequence[Any]]:
        connection = self._reader()
        if self._sqlite:
            return list(connection.execute(sql, values).fetchall())
        return list(connection.execute(sql.replace("?", "%s"), values).fetchall())

    def _reader(self) -> Any:
        """This thread's own connection, outside any transaction; made again after the database has closed it."""
        connection = getattr(self._local, "connection", None)
        if connection is None or (not self._sqlite and connection.closed):
            connection = self._connect()
            self._local.connection = connection
        return connection

    def _connect(self) -> Any:
        connection = self.engine.raw_connection()
        plain = connection.driver_connection
        connection.detach()
        if not self._sqlite:
            plain.autocommit = True  # type: ignore[union-attr]
        self._connections.append(plain)
        return plain

    def _remember(self, sessions: Iterable[Session]) -> None:
        with self._cache_lock:
            for session in sessions:
                known = self._cache.get(session.attempt)
                if known is None or known.seq <= session.seq:
                    self._cache[session.attempt] = session
                    self._cache.move_to_end(session.attempt)
            while len(self._cache) > CACHED_SESSIONS:
                self._cache.popitem(last=False)

    # appending

    def append(self, session: Session, wave: str, entries: Sequence[Entry], *, actor: str, now: int) -> Session:
        """Write entries behind `session`; returns after the commit. Raises Conflict where another writer was first."""
        events = chain(session.attempt, session.seq + 1, session.head, now, actor, entries)
        job = _Job(_rows(events, wave), Future())
        self._jobs.put(job)
        if not job.done.result():
            raise Conflict(session.attempt)
        after = fold(session, events)
        self._remember([after])
        return after

    def write(self, stream: str, wave: str, decide: Decide, *, actor: str, now: int) -> Session:
        """Write what `decide` makes of the stream's present state (nothing, where it gives no entries); the state afterwards.

        Where another writer is first, the state is read again and `decide` is asked again. Raises Conflict after RACES lost in a row.
        """
        for _ in range(RACES):
            session = self.load(stream)
            entries = decide(session)
            if not entries:
                return session
            try:
                return self.append(session, wave, entries, actor=actor, now=now)
            except Conflict:
                continue
        raise Conflict(stream)

    def write_in(self, sql: SqlSession, stream: str, wave: str, decide: Decide, *, actor: str, now: int) -> Session:
        """As `write`, in the caller's own transaction, together with rows of other tables: a lost race costs this stream a turn, not the transaction.

        Whoever writes several streams in one transaction takes them in ascending order, as the group commit does: so nobody waits in a circle.
        A stream is written once in a transaction, because `load` sees what is committed.
        """
        for _ in range(RACES):
            session = self.load(stream)
            entries = decide(session)
            if not entries:
                return session
            events = chain(stream, session.seq + 1, session.head, now, actor, entries)
            first, *rest = (dict(zip(NAMES, row, strict=True)) for row in _rows(events, wave))
            if sql.connection().execute(text(f"{INSERT} ON CONFLICT DO NOTHING"), first).rowcount == 1:
                if rest:
                    sql.connection().execute(text(INSERT), rest)
                return fold(session, events)
        raise Conflict(stream)

    def _write_for_ever(self) -> None:
        connection = None
        while (job := self._jobs.get()) is not None:
            batch = [job]
            while len(batch) < LARGEST_BATCH and not self._jobs.empty():
                waiting = self._jobs.get()
                if waiting is None:
                    self._jobs.put(None)
                    break
                batch.append(waiting)
            batch.sort(key=lambda waiting: str(waiting.rows[0][0]))  # one order of streams for all writers: nobody waits in a circle
            try:
                connection = connection or self._connect()
                won = self._write_sqlite(connection, batch) if self._sqlite else self._write_postgres(connection, batch)
            except Exception as error:  # noqa: BLE001 - handed to every request that waits for this commit
                connection = None
                for waiting in batch:
                    waiting.done.set_exception(error)
                continue
            for waiting, ok in zip(batch, won, strict=True):
                waiting.done.set_result(ok)

    @staticmethod
    def _write_sqlite(connection: Any, batch: Sequence[_Job]) -> list[bool]:
        insert = f"INSERT OR IGNORE INTO session_event ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
        won = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for job in batch:
                first = connection.execute(insert, job.rows[0]).rowcount == 1
                if first and len(job.rows) > 1:
                    connection.executemany(insert, job.rows[1:])
                won.append(first)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        return won

    @staticmethod
    def _write_postgres(connection: Any, batch: Sequence[_Job]) -> list[bool]:
        insert = (
            f"INSERT INTO session_event ({COLUMNS}) SELECT * FROM unnest(%s::text[], %s::int[], %s::text[], %s::text[], %s::bigint[], "  # noqa: S608
            "%s::text[], %s::text[], %s::text[], %s::text[]) ON CONFLICT DO NOTHING RETURNING hash"
        )
        with connection.transaction():
            firsts = [job.rows[0] for job in batch]
            written = {row[0] for row in connection.execute(insert, [list(c) for c in zip(*firsts, strict=True)]).fetchall()}
            # Two posts of one seq in one batch differ in hash; the same post twice has one hash and one row, so each hash wins once.
            won = []
            for job in batch:
                won.append(job.rows[0][8] in written)
                written.discard(job.rows[0][8])
            rest = [row for job, ok in zip(batch, won, strict=True) if ok for row in job.rows[1:]]
            if rest:
                connection.execute(insert, [list(c) for c in zip(*rest, strict=True)])
        return won
