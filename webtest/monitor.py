"""The room's board: one aggregate per wave, computed at most every two seconds, for all who watch. Never an answer, never a theta."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Engine, text
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.catalog import Catalog
from webtest.models import Attempt, Person, Wave
from webtest.refusal import Refused
from webtest.session import Phase
from webtest.store import EventStore

FRESH_S = 2.0
SILENT_MS = 45_000


@dataclass(frozen=True, slots=True)
class Line:
    """One person on the board. Ages are in ms, None where nothing happened yet; `alert` is a stable code or empty; `pin_until`: when the PIN dies, 0 of none."""

    attempt: str
    name: str
    nip: str
    room: str
    seat: int
    phase: str
    present: bool | None
    answers: int
    section: int
    left_ms: int
    answer_age_ms: int | None
    beat_age_ms: int | None
    alert: str
    finish_reason: str
    pin_until: int = 0


@dataclass(frozen=True, slots=True)
class Board:
    """A wave at an instant: its lines by room and seat, and how many stand in each phase."""

    wave: Wave
    at: int
    lines: tuple[Line, ...]
    rooms: tuple[str, ...]

    def count(self, *phases: str) -> int:
        """People in any of the phases."""
        return sum(line.phase in phases for line in self.lines)

    @property
    def alerts(self) -> int:
        """People who need attention."""
        return sum(bool(line.alert) for line in self.lines)

    @property
    def newest_pin(self) -> int:
        """When the PIN that was issued last dies: whoever acts on this board knows of no later one."""
        return max((line.pin_until for line in self.lines), default=0)


class Heartbeats:
    """When each test-taker's page was last heard. Kept in memory and written every few seconds: nothing depends on them but the board."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pending: dict[str, int] = {}
        self._lock = threading.Lock()
        self._written_at = 0.0

    def beat(self, attempt: str, now: int) -> None:
        """The page of `attempt` is there."""
        with self._lock:
            self._pending[attempt] = now
            due = time.monotonic() - self._written_at > FRESH_S
            rows = [{"a": a, "t": t} for a, t in self._pending.items()] if due else []
            if due:
                self._pending.clear()
                self._written_at = time.monotonic()
        if rows:
            sql = "INSERT INTO heartbeat (attempt, at) VALUES (:a, :t) ON CONFLICT (attempt) DO UPDATE SET at = excluded.at"
            rows.sort(key=lambda row: str(row["a"]))  # one order for all writers: no deadlock
            with self._engine.execution_options(write=True).begin() as connection:
                connection.execute(text(sql), rows)

    def ages(self, wave_id: str) -> Mapping[str, int]:
        """Attempt -> time of the last beat."""
        sql = "SELECT h.attempt, h.at FROM heartbeat h JOIN attempt a ON a.id = h.attempt WHERE a.wave_id = :w"
        with self._engine.connect() as connection:
            beats = {row[0]: row[1] for row in connection.execute(text(sql), {"w": wave_id})}
        with self._lock:
            return {**beats, **self._pending}


class Monitor:
    """Boards by wave, cached for FRESH_S."""

    def __init__(self, engine: Engine, store: EventStore, catalog: Catalog, beats: Heartbeats) -> None:
        self._engine, self._store, self._catalog, self._beats = engine, store, catalog, beats
        self._boards: dict[str, tuple[float, Board]] = {}
        self._lock = threading.Lock()

    def board(self, wave_id: str, now: int, *, fresh: bool = False) -> Board:
        """The board of a wave, at most FRESH_S old (`fresh`: as of now). Raises Refused("unknown" | "discarded")."""
        with self._lock:
            held = self._boards.get(wave_id)
            if held is not None and not fresh and time.monotonic() - held[0] < FRESH_S:
                return held[1]
            board = self._make(wave_id, now)
            self._boards[wave_id] = (time.monotonic(), board)
            return board

    def _make(self, wave_id: str, now: int) -> Board:
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            wave = sql.get(Wave, wave_id)
            if wave is None:
                raise Refused("unknown")
            if wave.discarded_at is not None:
                raise Refused("discarded")
            query = select(Attempt, Person).join(Person, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
            rows = sql.exec(query.order_by(col(Attempt.room), col(Attempt.seat))).all()
            sql.expunge_all()
        kit = self._catalog.kit(wave_id)
        sessions = self._store.load_many([attempt.id for attempt, _ in rows])
        beats = self._beats.ages(wave_id)
        lines = []
        for attempt, person in rows:
            session = sessions[attempt.id]
            clock = kit.clock(now, session)
            beat = beats.get(attempt.id)
            last = session.last_answer
            silent = beat is not None and now - beat > SILENT_MS and clock.phase in (Phase.RUNNING, Phase.READY, Phase.WAITING)
            alert = "move" if session.move_requested else "silent" if silent else "time_up" if clock.phase is Phase.TIME_UP else ""
            lines.append(
                Line(
                    attempt.id, person.name, person.nip, attempt.room, attempt.seat, clock.phase.value,
                    True if session.connections else session.attended, session.n_answers,
                    min(session.engine.section + 1, len(kit.plan.sections)), clock.left_ms, now - last.at if last else None,
                    now - beat if beat is not None else None, alert, session.finish_reason or "", attempt.pin_expires_at,
                )
            )  # fmt: skip
        return Board(wave, now, tuple(lines), tuple(dict.fromkeys(line.room for line in lines)))
