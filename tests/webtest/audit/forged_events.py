"""Forgeries of the log: events edited, deleted, swapped, invented; each says what the audit must find."""

from collections.abc import Callable
from dataclasses import replace

from sqlalchemy import Connection, text

from tests.webtest.audit.forging import chained_anew, last_answer, with_payload, write_stream
from tests.webtest.conftest import HOUR, OFFICER, T0, Room
from webtest.events import Entry, Kind, canonical, chain
from webtest.replay import Finding


def edited_payload(room: Room, sql: Connection) -> Finding:
    e = last_answer(room)
    sql.execute(
        text("UPDATE session_event SET payload = :p WHERE attempt = :a AND seq = :s"),
        {"p": canonical({**e.payload, "choice": 3}), "a": e.attempt, "s": e.seq},
    )
    return Finding(e.attempt, e.seq, "does not match its hash")


def edited_time(room: Room, sql: Connection) -> Finding:
    e = last_answer(room)
    sql.execute(text("UPDATE session_event SET at = at - 1 WHERE attempt = :a AND seq = :s"), {"a": e.attempt, "s": e.seq})
    return Finding(e.attempt, e.seq, "does not match its hash")


def deleted_tail(room: Room, sql: Connection) -> Finding:
    n = len(room.house.store.events(room.ids[0]))
    sql.execute(text("DELETE FROM session_event WHERE attempt = :a AND seq >= :s"), {"a": room.ids[0], "s": n - 2})
    return Finding(room.ids[0], n - 2, "the tail is gone")


def deleted_middle(room: Room, sql: Connection) -> Finding:
    sql.execute(text("DELETE FROM session_event WHERE attempt = :a AND seq = 9"), {"a": room.ids[0]})
    return Finding(room.ids[0], 9, "event 9 is missing")


def deleted_stream(room: Room, sql: Connection) -> Finding:
    sql.execute(text("DELETE FROM session_event WHERE attempt = :a"), {"a": room.ids[0]})
    return Finding(room.ids[0], 0, "has no events")


def swapped_pair(room: Room, sql: Connection) -> Finding:
    answers = [e for e in room.house.store.events(room.ids[0]) if e.kind == "answered"]
    one, two = answers[0].seq, answers[1].seq
    for old, new in ((one, 9_999), (two, one), (9_999, two)):
        sql.execute(text("UPDATE session_event SET seq = :n WHERE attempt = :a AND seq = :o"), {"n": new, "a": room.ids[0], "o": old})
    return Finding(room.ids[0], one, "prev_hash")


def recomputed_chain(room: Room, sql: Connection) -> Finding:
    """Another response time, and all hashes after it made to fit."""
    e = last_answer(room)
    events = room.house.store.events(room.ids[0])
    write_stream(sql, room.wave, chained_anew(with_payload(events, e.seq, client_ms=1)))
    return Finding(room.ids[0], len(events) - 1, "computed anew")


def recomputed_answer_without_seals(room: Room, sql: Connection) -> Finding:
    """A better answer, hashes that fit, no checkpoint left: the engine still knows."""
    e = last_answer(room)
    categories = room.house.catalog.kit(room.wave).contents[e.payload["item_id"]].categories
    other = next(k for k, category in enumerate(categories) if category != e.payload["category"])
    changed = with_payload(room.house.store.events(room.ids[0]), e.seq, choice=other, category=categories[other])
    write_stream(sql, room.wave, chained_anew(changed))
    sql.execute(text("DELETE FROM checkpoint"))
    return Finding(room.ids[0], e.seq, "theta after the answer")


def category_without_its_choice(room: Room, sql: Connection) -> Finding:
    e = last_answer(room)
    write_stream(
        sql, room.wave, chained_anew(with_payload(room.house.store.events(room.ids[0]), e.seq, category=1 - min(e.payload["category"], 1)))
    )
    return Finding(room.ids[0], e.seq, "does not follow from the choice and the key")


def another_item(room: Room, sql: Connection) -> Finding:
    events = room.house.store.events(room.ids[0])
    shown = next(e for e in events if e.kind == "presented")
    pool = room.house.catalog.kit(room.wave).pool
    other = next(i for i in range(len(pool)) if i != shown.payload["item"])
    write_stream(sql, room.wave, chained_anew(with_payload(events, shown.seq, item=other, item_id=pool.ids[other])))
    return Finding(room.ids[0], shown.seq, f"the engine gives {shown.payload['item_id']}, the log {pool.ids[other]}")


def answer_after_time(room: Room, sql: Connection) -> Finding:
    events = room.house.store.events(room.ids[0])
    last = last_answer(room)
    write_stream(sql, room.wave, chained_anew([replace(e, at=e.at + HOUR) if e.seq >= last.seq else e for e in events]))
    return Finding(room.ids[0], last.seq, "when the clock did not run")


def early_end(room: Room, sql: Connection) -> Finding:
    events = room.house.store.events(room.ids[0])
    end = next(e for e in events if e.kind == "section_ended")
    write_stream(sql, room.wave, chained_anew([e for e in events if e.seq not in (end.seq - 1, end.seq - 2)]))
    return Finding(room.ids[0], end.seq - 2, "does not end the section here")


def invented_finish(room: Room, sql: Connection) -> Finding:
    events = room.house.store.events(room.ids[0])
    end = next(e for e in events if e.kind == "section_ended")
    cut = [*events[: end.seq], replace(events[-1], seq=end.seq)]
    write_stream(sql, room.wave, chained_anew(cut))
    return Finding(room.ids[0], end.seq, "does not end the test here")


def doubled_answer(room: Room, sql: Connection) -> Finding:
    events = room.house.store.events(room.ids[0])
    last = last_answer(room)
    write_stream(sql, room.wave, chained_anew([*events[: last.seq + 1], *events[last.seq :]]))
    return Finding(room.ids[0], last.seq + 1, "does not follow")


def stream_of_nobody(room: Room, sql: Connection) -> Finding:
    write_stream(sql, room.wave, chained_anew([replace(e, attempt="Ax") for e in room.house.store.events(room.ids[0])[:3]]))
    return Finding("Ax", 0, "belongs to no attempt")


def written_after_closing(room: Room, sql: Connection) -> Finding:
    """Events behind the last seal, with a chain that fits."""
    events = room.house.store.events(room.ids[0])
    more = chain(room.ids[0], len(events), events[-1].hash, T0 + 2 * HOUR, OFFICER, [Entry(Kind.EXTENDED, {"minutes": 5})])
    write_stream(sql, room.wave, [*events, *more])
    return Finding(room.ids[0], len(events), "under no seal")


def changed_seed_in_the_log(room: Room, sql: Connection) -> Finding:
    events = room.house.store.events(room.ids[0])
    write_stream(sql, room.wave, chained_anew(with_payload(events, 0, seed=events[0].payload["seed"] + 1)))
    return Finding(room.ids[0], 0, "seed is not the one that was assigned")


def another_start(room: Room, sql: Connection) -> Finding:
    """A prior that the plan gives to nobody."""
    events = room.house.store.events(room.ids[0])
    write_stream(sql, room.wave, chained_anew(with_payload(events, 0, prior={"mean": 2.0, "sd": 1.0})))
    return Finding(room.ids[0], 0, "which is not the prior of its group")


def answer_to_a_list(room: Room, sql: Connection) -> Finding:
    """What can be no key of a table either."""
    e = last_answer(room)
    write_stream(sql, room.wave, chained_anew(with_payload(room.house.store.events(room.ids[0]), e.seq, item_id=["x"])))
    return Finding(room.wave, -1, "the answers that are kept of it for calibration are not those of its log")


FORGED_EVENTS: list[Callable[[Room, Connection], Finding]] = [
    edited_payload,
    edited_time,
    deleted_tail,
    deleted_middle,
    deleted_stream,
    swapped_pair,
    recomputed_chain,
    recomputed_answer_without_seals,
    category_without_its_choice,
    another_item,
    answer_after_time,
    early_end,
    invented_finish,
    doubled_answer,
    stream_of_nobody,
    written_after_closing,
    changed_seed_in_the_log,
    another_start,
    answer_to_a_list,
]
