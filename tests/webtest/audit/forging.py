"""A room audited, and the hand of its database's own administrator: triggers off, streams written again, chains computed anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sqlalchemy import Connection, text

from tests.webtest.conftest import Room
from webtest.audit import AuditReport, audit_wave
from webtest.catalog import Catalog
from webtest.config import House
from webtest.events import GENESIS, Entry, Kind, SessionEvent, canonical, chain
from webtest.services.results import Results


def audit(room: Room) -> AuditReport:
    return audit_wave(room.house.engine, room.house.store, room.wave, room.house.keys)


def results(room: Room) -> Results:
    return Results(room.house.engine, room.house.store, Catalog(room.house.engine), room.house.keys)


@contextmanager
def tampering(house: House) -> Iterator[Connection]:
    """The database as its own administrator sees it: the triggers are off."""
    sqlite = house.engine.dialect.name == "sqlite"
    with house.engine.execution_options(write=True).begin() as sql:
        if sqlite:
            for (trigger,) in sql.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                sql.execute(text(f"DROP TRIGGER {trigger}"))
        else:
            for table in ("session_event", "checkpoint", "bank_item", "item_content"):
                sql.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
        yield sql


def last_answer(room: Room, i: int = 0) -> SessionEvent:
    return [e for e in room.house.store.events(room.ids[i]) if e.kind == "answered"][-1]


def write_stream(sql: Connection, wave: str, events: list[SessionEvent]) -> None:
    sql.execute(text("DELETE FROM session_event WHERE attempt = :a"), {"a": events[0].attempt})
    for e in events:
        sql.execute(
            text(
                "INSERT INTO session_event (attempt, seq, wave, kind, at, actor, payload, prev_hash, hash) VALUES (:a, :s, :w, :k, :t, :c, :p, :v, :h)"
            ),
            {
                "a": e.attempt,
                "s": e.seq,
                "w": wave,
                "k": e.kind,
                "t": e.at,
                "c": e.actor,
                "p": canonical(e.payload),
                "v": e.prev_hash,
                "h": e.hash,
            },
        )


def chained_anew(events: list[SessionEvent]) -> list[SessionEvent]:
    out: list[SessionEvent] = []
    for e in events:
        prev = out[-1].hash if out else GENESIS
        out += chain(e.attempt, len(out), prev, e.at, e.actor, [Entry(Kind(e.kind), e.payload)])
    return out


def with_payload(events: list[SessionEvent], seq: int, **changed: object) -> list[SessionEvent]:
    return [replace(e, payload={**e.payload, **changed}) if e.seq == seq else e for e in events]
