"""The audit: what a live server wrote holds, and every kind of tampering is named with its place."""

import json
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import Connection, text
from sqlmodel import Session as SqlSession

from cat_engine import Decision, Estimate, Pool, State, TestPlan, load_plan, look
from itembank.demo import plan_text
from tests.conftest import Place
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, SECOND_OFFICER, T0, MakeRoom, Room, finished_room, open_room
from webtest.audit import AuditReport, audit_wave
from webtest.catalog import Catalog
from webtest.checkpoints import _seal, heads_of, seal_due
from webtest.cli import main
from webtest.config import House, open_house
from webtest.events import GENESIS, Entry, Kind, SessionEvent, canonical, chain
from webtest.keys import load_keys
from webtest.models import Checkpoint
from webtest.refusal import Refused
from webtest.replay import Finding
from webtest.roster import PerformanceRow
from webtest.services.results import Results


def audit(room: Room) -> AuditReport:
    return audit_wave(room.house.engine, room.house.store, room.wave, room.house.keys)


def results(room: Room) -> Results:
    return Results(room.house.engine, room.house.store, Catalog(room.house.engine), room.house.keys)


# what is sound


def test_sessions_answered_at_random_on_the_whole_plan_hold(house: House) -> None:
    room = open_room(house, 3, plan_text())
    for t in room.takers:
        room.enter(t, T0)
    room.start(T0)
    ends = [room.sit(t, T0, seed=i) for i, t in enumerate(room.takers)]
    seal_due(house.engine, house.keys, max(ends))
    room.close(max(ends) + 5 * MINUTE)
    report = audit(room)
    assert report.findings == ()
    presented = sum(e.kind == "presented" for t in room.takers for e in house.store.events(t.attempt))
    assert (report.attempts, report.decisions, report.checkpoints) == (3, presented, 2)
    assert presented > 60


def test_a_day_with_all_that_can_happen_holds(house: House) -> None:
    """Pauses, extensions, time that runs out, a moved PC, an ended test, an absentee, a voided attempt, performance values, a release."""
    waves = house.waves
    room = open_room(house, 6)
    late, paused, moved, ended, voided, _absent = room.takers
    for t in room.takers[:5]:
        room.enter(t, T0)
    room.start(T0)
    screens = {t.attempt: room.begin(t, T0) for t in room.takers[:5]}
    room.answer(late, screens[late.attempt], 0, T0 + 10 * MINUTE + 4_999)  # in the grace
    room.begin(late, T0 + 12 * MINUTE)
    waves.pause(room.wave, [paused.attempt], "environment.power", "padam", actor=OFFICER, now=T0 + MINUTE)
    waves.resume(room.wave, [paused.attempt], actor=OFFICER, now=T0 + 20 * MINUTE)
    waves.extend(room.wave, [paused.attempt], 5, "other", "x", actor=OFFICER, now=T0 + 20 * MINUTE)
    room.answer(paused, screens[paused.attempt], 0, T0 + 33 * MINUTE)
    with pytest.raises(Refused):
        house.taking.login(moved.nip, moved.pin, "other", T0 + MINUTE)
    waves.release_device(room.wave, [moved.attempt], "macet", actor=OFFICER, now=T0 + MINUTE)
    moved.device = "other"
    room.log_in(moved, T0 + MINUTE)
    room.sit(moved, T0 + MINUTE)
    room.answer(ended, screens[ended.attempt], 0, T0 + MINUTE)
    waves.finish(room.wave, [ended.attempt], "examinee.illness", "sakit", actor=OFFICER, now=T0 + 2 * MINUTE)
    waves.request_void(room.wave, [voided.attempt], "examinee.behaviour", "x", actor=OFFICER, now=T0 + 2 * MINUTE)
    waves.note(room.wave, "other", "catatan", actor=OFFICER, now=T0 + 2 * MINUTE)
    room.close(T0 + 40 * MINUTE)
    waves.confirm_void(room.wave, [voided.attempt], actor=SECOND_OFFICER, now=T0 + HOUR)
    waves.note(room.wave, "other", "catatan sesudah", actor=OFFICER, now=T0 + HOUR)
    results(room).load_performance(room.wave, [PerformanceRow(late.nip, 80.0, None)], actor="user:4", now=T0 + 2 * HOUR)
    results(room).release(room.wave, actor="user:4", now=T0 + 2 * HOUR)
    report = audit(room)
    assert report.findings == ()
    assert report.checkpoints == 5
    assert report.root


def test_an_open_wave_can_be_audited_too(room: Room) -> None:
    room.under_way(T0)
    report = audit(room)
    assert (report.findings, report.root, report.checkpoints) == ((), "", 0)


def test_the_engine_is_asked_once_of_each_state(lite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[State] = []

    def counted(plan: TestPlan, pool: Pool, state: State) -> tuple[Decision, Estimate]:
        asked.append(state)
        return look(plan, pool, state)

    monkeypatch.setattr("webtest.replay.look", counted)
    house = lite.open()
    room = finished_room(house, 1)
    report = audit(room)
    house.close()
    assert report.findings == ()
    assert len(asked) == len({str(state) for state in asked}) > report.decisions > 0


def test_a_wave_that_does_not_exist_is_unknown(house: House) -> None:
    with pytest.raises(Refused, match="unknown"):
        audit_wave(house.engine, house.store, "W0", house.keys)


# what is not


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


def deleted_attempt(room: Room, sql: Connection) -> Finding:
    """With its events, its roster's row, and the checkpoints that saw them."""
    sql.execute(text("DELETE FROM session_event WHERE attempt = :a"), {"a": room.ids[0]})
    sql.execute(text("DELETE FROM attempt WHERE id = :a"), {"a": room.ids[0]})
    sql.execute(text("DELETE FROM checkpoint"))
    return Finding(room.wave, 1, "people is 1 in the database, 2 in this")


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


def stream_of_nobody(room: Room, sql: Connection) -> Finding:
    write_stream(sql, room.wave, chained_anew([replace(e, attempt="Ax") for e in room.house.store.events(room.ids[0])[:3]]))
    return Finding("Ax", 0, "belongs to no attempt")


def written_after_closing(room: Room, sql: Connection) -> Finding:
    """Events behind the last seal, with a chain that fits."""
    events = room.house.store.events(room.ids[0])
    more = chain(room.ids[0], len(events), events[-1].hash, T0 + 2 * HOUR, OFFICER, [Entry(Kind.EXTENDED, {"minutes": 5})])
    write_stream(sql, room.wave, [*events, *more])
    return Finding(room.ids[0], len(events), "under no seal")


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


def changed_seed_in_the_log(room: Room, sql: Connection) -> Finding:
    events = room.house.store.events(room.ids[0])
    write_stream(sql, room.wave, chained_anew(with_payload(events, 0, seed=events[0].payload["seed"] + 1)))
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


INJECTIONS: list[Callable[[Room, Connection], Finding]] = [
    edited_payload, edited_time, deleted_tail, deleted_middle, deleted_stream, deleted_attempt, swapped_pair, recomputed_chain,
    recomputed_answer_without_seals, category_without_its_choice, another_item, answer_after_time, early_end, invented_finish, doubled_answer,
    inserted_attempt, stream_of_nobody, written_after_closing, exchanged_people, exchanged_nips, changed_seed, changed_seed_in_the_log,
    changed_plan, changed_plan_and_its_digest, changed_parameter, changed_key, changed_closing_time, reopened_wave,
    performance_without_an_upload, deleted_checkpoint, deleted_last_checkpoint, edited_checkpoint, signed_by_another,
]  # fmt: skip


@pytest.mark.parametrize("inject", INJECTIONS)
def test_tampering_is_named_with_its_place(house: House, inject: Callable[[Room, Connection], Finding]) -> None:
    room = open_room(house)
    for t in room.takers:
        room.enter(t, T0)
    room.start(T0 + MINUTE)
    for i, t in enumerate(room.takers):
        room.sit(t, T0 + MINUTE, seed=i)
    seal_due(house.engine, house.keys, T0 + 30 * MINUTE)
    room.close(T0 + HOUR)
    assert audit(room).findings == ()
    with tampering(house) as sql:
        wanted = inject(room, sql)
    found = audit(room).findings
    assert any(f.stream == wanted.stream and f.seq == wanted.seq and wanted.what in f.what for f in found), (wanted, found)


def test_values_and_norms_changed_after_the_release_are_named(house: House) -> None:
    room = finished_room(house)
    rows = [PerformanceRow(t.nip, 85.0, None) for t in room.takers]
    results(room).load_performance(room.wave, rows, actor="user:4", now=T0 + 2 * HOUR)
    results(room).release(room.wave, actor="user:4", now=T0 + 2 * HOUR)
    with pytest.raises(Refused, match="not_now"):
        results(room).load_performance(room.wave, rows, actor="user:4", now=T0 + 3 * HOUR)
    assert audit(room).findings == ()
    with tampering(house) as sql:
        body = sql.execute(text("SELECT body FROM norm WHERE kind = 'levels'")).scalar_one()
        easy = canonical({**json.loads(body), "cuts": [-9, -8, -7, -6]})
        sql.execute(text("UPDATE norm SET body = :b WHERE kind = 'levels'"), {"b": easy})
    [found] = audit(room).findings
    assert (found.stream, "norms or performance" in found.what) == (room.wave, True)
    with tampering(house) as sql:
        sql.execute(text("DELETE FROM norm WHERE kind = 'levels'"))
    assert "cannot be computed" in str(audit(room).findings)
    with tampering(house) as sql:
        sql.execute(text("UPDATE performance SET kinerja = 20"))
    assert "performance" in str(audit(room).findings)


# one byte of the file


@pytest.fixture
def sealed_file(lite: Place) -> tuple[Path, str, str]:
    """A closed wave in a file that no process holds open: (data folder, wave, first attempt)."""
    house = lite.open()
    room = finished_room(house)
    house.close()
    return lite.folder, room.wave, room.ids[0]


def run_audit(folder: Path, wave: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(main, ["audit", wave, "--data", str(folder), "--json"], catch_exceptions=False)
    return done.exit_code, json.loads(done.output)


def flip(folder: Path, at: int) -> None:
    """Change one bit of the file, below the database."""
    path = folder / "cact.db"
    content = bytearray(path.read_bytes())
    content[at] ^= 0x01
    path.write_bytes(content)


def test_the_command_says_that_an_untouched_file_is_sound(sealed_file: tuple[Path, str, str]) -> None:
    folder, wave, _ = sealed_file
    code, report = run_audit(folder, wave)
    assert (code, report["findings"]) == (0, [])


@pytest.mark.parametrize("what", ["choice", "rt_ms", "item_id", "hash", "kind"])
def test_one_byte_changed_in_the_file_is_named_with_its_place(sealed_file: tuple[Path, str, str], what: str) -> None:
    folder, wave, attempt = sealed_file
    with closing(sqlite3.connect(folder / "cact.db")) as sql:
        seq, payload, head = sql.execute(
            "SELECT seq, payload, hash FROM session_event WHERE attempt = ? AND kind = 'answered' ORDER BY seq LIMIT 1 OFFSET 1", (attempt,)
        ).fetchone()
    content = (folder / "cact.db").read_bytes()
    row = content.index(payload.encode())
    if what == "hash":
        at = content.index(head.encode(), row)
    elif what == "kind":
        at = content.rindex(b"answered", 0, row)
    else:
        at = content.index(f'"{what}":'.encode(), row) + len(what) + 3 + (what == "item_id")
    flip(folder, at)
    code, report = run_audit(folder, wave)
    assert code == 1
    first = report["findings"][0]  # type: ignore[index]
    assert (first["stream"], first["seq"]) == (attempt, seq)


def test_a_byte_that_is_no_text_any_more_is_named_too(sealed_file: tuple[Path, str, str]) -> None:
    folder, wave, _ = sealed_file
    path = folder / "cact.db"
    content = bytearray(path.read_bytes())
    at = content.index(b'"client_ms":')
    content[at] = 0xFF
    path.write_bytes(content)
    code, report = run_audit(folder, wave)
    assert code == 1
    assert "does not match its hash" in str(report["findings"])


def test_any_byte_of_the_log_that_is_changed_is_found(sealed_file: tuple[Path, str, str]) -> None:
    """Bytes drawn at random from the rows of the log: payloads, hashes, kinds, streams."""
    folder, wave, _ = sealed_file
    whole = (folder / "cact.db").read_bytes()
    with closing(sqlite3.connect(folder / "cact.db")) as sql:
        texts = [t for row in sql.execute("SELECT attempt || wave || kind, payload || prev_hash || hash FROM session_event") for t in row]
    rng = random.Random(3)
    for part in rng.sample(texts, 25):
        place = whole.find(part.encode())
        if place < 0:  # the columns between them are numbers
            continue
        at = place + rng.randrange(len(part.encode()))
        flip(folder, at)
        code, report = run_audit(folder, wave)
        assert code == 1, (at, whole[at - 5 : at + 5])
        assert report["findings"]
        (folder / "cact.db").write_bytes(whole)


def test_a_damaged_page_is_a_finding_not_a_crash(light: MakeRoom) -> None:
    """Damage that SQLite itself sees, in the index of the log."""
    room = light(1)
    room.close(T0 + HOUR)
    folder, wave = room.house.folder, room.wave
    room.house.close()
    with closing(sqlite3.connect(folder / "cact.db")) as sql:
        root = sql.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_session_event_wave'").fetchone()[0]
        size = sql.execute("PRAGMA page_size").fetchone()[0]
    path = folder / "cact.db"
    content = bytearray(path.read_bytes())
    content[(root - 1) * size + 3 : (root - 1) * size + 5] = b"\x00\x01"  # the number of cells in the page
    path.write_bytes(content)
    house = open_house(folder, f"sqlite:///{path}")
    try:
        report = audit_wave(house.engine, house.store, wave, house.keys)
    finally:
        house.close()
    assert any(f.stream == "database" for f in report.findings)


def test_checkpoints_refuse_to_be_changed_through_the_database(house: House) -> None:
    room = finished_room(house, 1)
    for statement in ("UPDATE checkpoint SET at = 0", "DELETE FROM checkpoint"):
        with pytest.raises(Exception, match="append-only"), house.engine.begin() as sql:
            sql.execute(text(statement))
    with SqlSession(house.engine) as session:
        assert session.get(Checkpoint, (room.wave, 1)) is not None
