"""Forgeries around the log: rows of the roster, the wave, the bank, performance values, checkpoints; each says what the audit must find."""

import json
import zlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from sqlalchemy import Connection, text
from sqlmodel import Session as SqlSession

from cat_engine import load_plan
from tests.webtest.audit.forging import chained_anew, last_answer, with_payload, write_stream
from tests.webtest.conftest import HOUR, T0, Room
from webtest.checkpoints import _seal, heads_of
from webtest.events import canonical
from webtest.keys import load_keys
from webtest.replay import Finding


def deleted_attempt(room: Room, sql: Connection) -> Finding:
    """With its events, its roster's row, and the checkpoints that saw them."""
    sql.execute(text("DELETE FROM session_event WHERE attempt = :a"), {"a": room.ids[0]})
    sql.execute(text("DELETE FROM attempt WHERE id = :a"), {"a": room.ids[0]})
    sql.execute(text("DELETE FROM checkpoint"))
    return Finding(room.wave, 1, "people is 1 in the database, 2 in this")


def inserted_attempt(room: Room, sql: Connection) -> Finding:
    """A whole test of a person who never came, copied from another."""
    events = [replace(e, attempt="Afeedfeedfeed") for e in room.house.store.events(room.ids[0])]
    sql.execute(text("INSERT INTO person (nip, name, job_level, unit) VALUES ('198504122008121001', 'Sisipan', 'pelaksana', 'X')"))
    person = sql.execute(text("SELECT max(id) FROM person")).scalar_one()
    sql.execute(
        text("INSERT INTO attempt (id, wave_id, person_id, room, seat, pin_expires_at) VALUES ('Afeedfeedfeed', :w, :p, 'A', 99, 0)"),
        {"w": room.wave, "p": person},
    )
    write_stream(sql, room.wave, chained_anew(events))
    return Finding("Afeedfeedfeed", 0, "an inserted stream")


def exchanged_people(room: Room, sql: Connection) -> Finding:
    """Each gets the other's result: two rows of the roster, no event."""
    ids = [sql.execute(text("SELECT person_id FROM attempt WHERE id = :a"), {"a": a}).scalar_one() for a in room.ids]
    sql.execute(text("INSERT INTO person (nip, name, job_level, unit) VALUES ('x', 'x', 'x', 'x')"))
    nobody = sql.execute(text("SELECT id FROM person WHERE nip = 'x'")).scalar_one()
    for attempt, person in ((room.ids[0], nobody), (room.ids[1], ids[0]), (room.ids[0], ids[1])):
        sql.execute(text("UPDATE attempt SET person_id = :p WHERE id = :a"), {"p": person, "a": attempt})
    return Finding(room.ids[0], 0, "person is not the one that was assigned")


def exchanged_nips(room: Room, sql: Connection) -> Finding:
    """The same through the table of persons."""
    a, b = room.takers
    for new, old in (("x", a.nip), (a.nip, b.nip), (b.nip, "x")):
        sql.execute(text("UPDATE person SET nip = :n WHERE nip = :o"), {"n": new, "o": old})
    return Finding(a.attempt, 0, "seed is not the one that was assigned")


def changed_seed(room: Room, sql: Connection) -> Finding:
    sql.execute(text("UPDATE wave SET seed = seed + 1 WHERE id = :w"), {"w": room.wave})
    return Finding(room.ids[0], 0, "seed is not the one that was assigned")


def changed_plan(room: Room, sql: Connection) -> Finding:
    sql.execute(text("UPDATE wave SET plan = replace(plan, 'max_items = 2', 'max_items = 3') WHERE id = :w"), {"w": room.wave})
    return Finding(room.wave, -1, "plan or bank is not the one pinned")


def changed_plan_and_its_digest(room: Room, sql: Connection) -> Finding:
    plan = sql.execute(text("SELECT plan FROM wave WHERE id = :w"), {"w": room.wave}).scalar_one().replace("max_items = 2", "max_items = 3")
    sql.execute(text("UPDATE wave SET plan = :p, plan_digest = :d WHERE id = :w"), {"p": plan, "d": load_plan(plan).digest, "w": room.wave})
    return Finding(room.wave, 0, "plan_digest is")


def changed_parameter(room: Room, sql: Connection) -> Finding:
    item = last_answer(room).payload["item_id"]
    sql.execute(text("UPDATE bank_item SET a = a * 1.000001 WHERE item_id = :i"), {"i": item})
    return Finding(room.wave, -1, "bank version 1")


def changed_key(room: Room, sql: Connection) -> Finding:
    """Another scored option: the item's content, under the digest it had."""
    item = last_answer(room).payload["item_id"]
    body = json.loads(sql.execute(text("SELECT body FROM item_content WHERE item_id = :i"), {"i": item}).scalar_one())
    body["options"] = [{**option, "score": 5 - option["score"]} for option in body["options"]]
    sql.execute(text("UPDATE item_content SET body = :b WHERE item_id = :i"), {"b": canonical(body), "i": item})
    return Finding(room.wave, -1, f"{item}, content: its text is not the one that was saved")


def changed_closing_time(room: Room, sql: Connection) -> Finding:
    sql.execute(text("UPDATE wave SET closed_at = closed_at + 1 WHERE id = :w"), {"w": room.wave})
    n = len(room.house.store.events(room.wave))
    return Finding(room.wave, n - 1, "'wave_closed' at")


def reopened_wave(room: Room, sql: Connection) -> Finding:
    sql.execute(text("UPDATE wave SET closed_at = NULL WHERE id = :w"), {"w": room.wave})
    return Finding(room.wave, len(room.house.store.events(room.wave)) - 1, "'wave_closed' at None")


def performance_without_an_upload(room: Room, sql: Connection) -> Finding:
    person = sql.execute(text("SELECT person_id FROM attempt WHERE id = :a"), {"a": room.ids[0]}).scalar_one()
    sql.execute(text("INSERT INTO performance (wave_id, person_id, kinerja) VALUES (:w, :p, 99)"), {"w": room.wave, "p": person})
    return Finding(room.wave, -1, "performance values")


def deleted_checkpoint(room: Room, sql: Connection) -> Finding:
    sql.execute(text("DELETE FROM checkpoint WHERE n = 1"))
    return Finding(room.wave, -1, "checkpoint 1 is missing")


def deleted_last_checkpoint(room: Room, sql: Connection) -> Finding:
    sql.execute(text("DELETE FROM checkpoint WHERE n = 2"))
    return Finding(room.wave, len(room.house.store.events(room.wave)) - 1, "under no seal")


def edited_checkpoint(room: Room, sql: Connection) -> Finding:
    sql.execute(text("UPDATE checkpoint SET at = at + 1 WHERE n = 1"))
    return Finding(room.wave, -1, "checkpoint 1: its signature does not verify")


def changed_kept_answers(room: Room, sql: Connection) -> Finding:
    """One answer given another category, under a checksum that fits."""
    names, _, numbers = zlib.decompress(sql.execute(text("SELECT content FROM kept_answers")).scalar_one()).partition(b"\n")
    columns = np.frombuffer(numbers, dtype="<i8").reshape(6, -1).copy()
    columns[2, 0] += 1
    sql.execute(text("UPDATE kept_answers SET content = :c"), {"c": zlib.compress(names + b"\n" + columns.tobytes())})
    return Finding(room.wave, -1, "the answers that are kept of it for calibration are not those of its log")


def damaged_kept_answers(room: Room, sql: Connection) -> Finding:
    sql.execute(text("UPDATE kept_answers SET content = :c"), {"c": b"x"})
    return Finding(room.wave, -1, "the answers that are kept of it for calibration are not those of its log")


def signed_by_another(room: Room, sql: Connection) -> Finding:
    """The whole of it computed anew, checkpoints too, with a key of the forger's own."""
    e = last_answer(room)
    write_stream(sql, room.wave, chained_anew(with_payload(room.house.store.events(room.ids[0]), e.seq, client_ms=1)))
    folder = room.house.folder / "forger"
    folder.mkdir()
    sql.execute(text("DELETE FROM checkpoint"))
    with SqlSession(sql) as session:
        _seal(session, room.wave, heads_of(session, room.wave), load_keys(folder), T0 + HOUR)
    return Finding(room.wave, -1, "checkpoint 1: it is signed with another key")


FORGED_ROWS: list[Callable[[Room, Connection], Finding]] = [
    deleted_attempt,
    inserted_attempt,
    exchanged_people,
    exchanged_nips,
    changed_seed,
    changed_plan,
    changed_plan_and_its_digest,
    changed_parameter,
    changed_key,
    changed_closing_time,
    reopened_wave,
    performance_without_an_upload,
    deleted_checkpoint,
    deleted_last_checkpoint,
    edited_checkpoint,
    changed_kept_answers,
    damaged_kept_answers,
    signed_by_another,
]
