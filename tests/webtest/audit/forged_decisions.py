"""Forgeries of what the engine decided, under hashes that fit and no seal: the engine, asked again, says otherwise. Each says what the audit must find."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, text

from tests.webtest.audit.forging import chained_anew, with_payload, write_stream
from tests.webtest.conftest import Room
from webtest.events import SessionEvent
from webtest.replay import Finding

Forgery = Callable[[Room, Connection], Finding]


def forged(room: Room, sql: Connection, events: list[SessionEvent]) -> None:
    write_stream(sql, room.wave, chained_anew(events))
    sql.execute(text("DELETE FROM checkpoint"))


def field_of(kind: str, name: str, change: Callable[[object], object], what: str, nth: int = 1) -> Forgery:
    """One field of the nth event of a kind (from 0) of the first person."""

    def forge(room: Room, sql: Connection) -> Finding:
        events = room.house.store.events(room.ids[0])
        event = [e for e in events if e.kind == kind][nth]
        forged(room, sql, with_payload(events, event.seq, **{name: change(event.payload[name])}))
        return Finding(room.ids[0], event.seq, what)

    forge.__name__ = f"{kind}_{name}_{what.replace(' ', '_')}"
    return forge


def two_items_in_the_other_order(room: Room, sql: Connection) -> Finding:
    """The first two items with their answers, each said to have been on the screen where it now stands."""
    events = room.house.store.events(room.ids[0])
    first, second = [e.seq for e in events if e.kind == "presented"][:2]
    turned = {first: second, first + 1: second + 1, second: first, second + 1: first + 1}
    moved = [replace(e, payload=events[turned.get(e.seq, e.seq)].payload) for e in events]
    forged(room, sql, with_payload(with_payload(moved, first + 1, presented_seq=first), second + 1, presented_seq=second))
    return Finding(room.ids[0], first, "the engine gives")


def another_pool_in_the_log(room: Room, sql: Connection) -> Finding:
    """The digest of what past use said, in the assignment."""
    events = room.house.store.events(room.ids[0])
    forged(room, sql, with_payload(events, 0, pool_digest="0" * 64))
    return Finding(room.ids[0], 0, "pool_digest is not the one that was assigned")


def another_pool_everywhere(room: Room, sql: Connection) -> Finding:
    """The same in the wave's row, its own stream and the assignment."""
    for stream in (room.wave, room.ids[0]):
        forged(room, sql, with_payload(list(room.house.store.events(stream)), 0, pool_digest="0" * 64))
    sql.execute(text("UPDATE wave SET pool_digest = :d WHERE id = :w"), {"d": "0" * 64, "w": room.wave})
    return Finding(room.wave, -1, "plan or bank is not the one pinned")


def another_snapshot(room: Room, sql: Connection) -> Finding:
    sql.execute(text("UPDATE wave SET snapshot = :s WHERE id = :w"), {"s": '{"need": {"M01-01": 5}}', "w": room.wave})
    return Finding(room.wave, -1, "plan or bank is not the one pinned")


def _more(value: object) -> object:
    return value + 1e-6  # type: ignore[operator]


def _one_more(value: object) -> object:
    return value + 1  # type: ignore[operator]


FORGED_DECISIONS: list[Forgery] = [
    field_of("presented", "item", _one_more, "of the pool, in the log"),
    field_of("presented", "item_id", lambda _: "M01-99", "the engine gives"),
    field_of("presented", "theta", _more, "theta before the item"),
    field_of("presented", "se", _more, "SE before the item"),
    field_of("presented", "info", _more, "information of the item"),
    field_of("presented", "n_eligible", _one_more, "the engine chooses out of"),
    field_of("presented", "rung", lambda _: "eligibility", "on the rung"),
    field_of("presented", "why", lambda _: "fixed", "the engine gives the item as"),
    field_of("presented", "section", _one_more, "is of section"),
    field_of("answered", "theta", _more, "theta after the answer"),
    field_of("answered", "se", _more, "SE after the answer"),
    field_of("answered", "rt_ms", _one_more, "the answer took"),
    field_of("answered", "presented_seq", _one_more, "was not on the screen"),
    field_of("section_ended", "reason", lambda _: "precision", "does not end the section here", 0),
    field_of("section_ended", "section", _one_more, "the section that ends is", 0),
    field_of("finished", "reason", lambda _: "precision", "does not end the test here", 0),
    two_items_in_the_other_order,
    another_pool_in_the_log,
    another_pool_everywhere,
    another_snapshot,
]
